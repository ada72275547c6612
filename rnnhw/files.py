"""Files that are whole or not there: what is written takes its place at the end."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rnnhw.errors import UsageError

__all__ = ["check_writable", "written_whole"]


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
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> UsageError:
    reason = str(error.strerror).lower()
    return UsageError(f"cannot write {path}: {reason}", "choose another place with --output")


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes its place at ``path`` only when it is whole.

    A link stays and the file that it names is replaced; a device or pipe is written as it is.

    Raises:
        UsageError: the place cannot be written.
    """
    check_writable(path)
    place = path.resolve()
    if place.exists() and not place.is_file():
        try:
            with place.open("wb") as device:
                yield device
        except OSError as error:
            raise _unwritable(path, error) from None
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{place.name[:100]}.", dir=place.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        # mkstemp's files are private; the user's umask decides what others may read.
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(place)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _unwritable(path, error) from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
