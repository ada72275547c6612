"""Files that are whole or not there: what is written takes its place at the end."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rnnhw.errors import UsageError
from rnnhw.files.temporary import hidden_beside

__all__ = ["check_output", "check_writable", "unwritable", "written_whole"]


def check_output(path: Path, inputs: Iterable[Path], option: str = "--output") -> None:
    """Refuse to write over a file that the same run reads; ``option`` names the place.

    Two paths name the same file where they lead to the same inode, through links too.

    Raises:
        UsageError: naming both.
    """
    for read in inputs:
        try:
            same = path.samefile(read)
        except OSError:  # one of the two is not there
            continue
        if same:
            aka = "" if str(path) == str(read) else f" ({read})"
            raise UsageError(
                f"cannot write {path}: this run reads that file{aka}",
                f"choose another place with {option}",
            )


def check_writable(path: Path) -> None:
    """Refuse a place where a file cannot be put, before the work whose result it should hold.

    Raises:
        UsageError: with the reason.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.stat()
        if not path.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise unwritable(path, error) from None


def unwritable(path: Path, error: Exception) -> UsageError:
    """The error that ``path`` cannot be written, with the system's reason."""
    reason = str(getattr(error, "strerror", None) or error).lower()
    return UsageError(f"cannot write {path}: {reason}", "choose another place")


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes its place at ``path`` only when it is whole.

    A link stays and the file that it names is replaced; a device or pipe is written as it is.
    Whatever interrupts the writing, no part of a file stays.

    Raises:
        UsageError: the place cannot be written.
    """
    check_writable(path)
    if path.exists() and not path.is_file():
        try:
            with path.open("wb") as device:
                yield device
        except OSError as error:
            raise unwritable(path, error) from None
        return
    try:
        place = path.resolve()
    except (OSError, RuntimeError) as error:  # links that lead to one another
        raise unwritable(path, error) from None
    try:
        with hidden_beside(place) as beside:
            with beside.open("xb") as file:
                yield file
            beside.replace(place)
    except OSError as error:
        raise unwritable(path, error) from None
