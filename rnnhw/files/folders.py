"""Folders that change as a whole.

The new files of a folder are written into a hidden folder beside it, which is filled up with links
to all else that the folder holds. Then the two change names in one call of the system
(``renameat2``). So whoever looks, and whatever kills the program, finds the old files or the new
ones, and what is not ours is there all the time.

The call is not possible where the folder is a mount point, where its parent cannot be written, or
on a system without it; and it would pull the folder away from under the program that works in it.
There the whole new files are renamed into the folder one by one, with interrupts held back: a disk
that is full still leaves the old ones, but a SIGKILL within those microseconds does not.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rnnhw.errors import UsageError
from rnnhw.files.temporary import hidden_beside, hidden_in, uninterrupted

__all__ = ["replaced_folder"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_MOST_ENTRIES = 10_000
"""That are linked into the new folder; more would take too long."""


def replaced_folder(folder: Path, contents: Mapping[str, str]) -> None:
    """Give ``folder`` the files ``contents`` (text by name) at once; its other files stay.

    It creates the folders above. Where it fails or is interrupted, everything is as it was before.

    Raises:
        UsageError: the folder cannot be written, with the reason.
    """
    missing: list[Path] = []
    try:
        place = folder.resolve()
        missing = [parent for parent in place.parents if not parent.exists()]
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            _written_new(place, contents)
        elif not place.is_dir():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        elif not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        elif not (_may_change_name(place) and _swapped(place, contents)):
            _renamed_one_by_one(place, contents)
    except BaseException as error:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()  # only where it is empty
        if isinstance(error, OSError | RuntimeError | ValueError):
            raise _unwritable(folder, error) from None
        raise


def _unwritable(folder: Path, error: Exception) -> UsageError:
    if isinstance(error, FileExistsError | NotADirectoryError):
        reason = "it is a file"
    else:
        reason = str(getattr(error, "strerror", None) or error).lower()
    return UsageError(f"cannot write into {folder}: {reason}", "choose another folder")


def _write(place: Path, contents: Mapping[str, str]) -> None:
    place.mkdir()
    for name, text in contents.items():
        (place / name).write_bytes(text.encode())


def _written_new(place: Path, contents: Mapping[str, str]) -> None:
    with hidden_beside(place) as beside:
        _write(beside, contents)
        beside.rename(place)


# --- two folders exchange their names -----------------------------------------------------------
def _may_change_name(place: Path) -> bool:
    """Whether the folder can be exchanged, and nobody is in it who would lose it."""
    here = Path.cwd().resolve()
    status = place.stat()
    return (
        not here.is_relative_to(place)
        and not place.is_mount()
        and os.access(place.parent, os.W_OK | os.X_OK)
        and (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
    )


def _swapped(place: Path, contents: Mapping[str, str]) -> bool:
    """Whether the new files and all others are now in ``place``; if not, nothing has changed."""
    with hidden_beside(place) as beside:
        _write(beside, contents)
        others = {entry.name for entry in os.scandir(place)} - contents.keys()
        try:
            for name in others:
                _link(place / name, beside / name, [_MOST_ENTRIES])
            shutil.copystat(place, beside)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            return False
        with uninterrupted():
            if not _exchanged(beside, place):
                return False
            _keep_latest(beside, place, contents)
        return True


def _link(source: Path, target: Path, left: list[int]) -> None:
    """A second name for a file, or a folder of second names; ``left`` counts down."""
    left[0] -= 1
    if left[0] < 0:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
    if source.is_symlink() or not source.is_dir():
        os.link(source, target, follow_symlinks=False)
        return
    if source.is_mount():
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    target.mkdir()
    for entry in os.scandir(source):
        _link(source / entry.name, target / entry.name, left)
    shutil.copystat(source, target)


def _keep_latest(older: Path, place: Path, contents: Mapping[str, str]) -> None:
    """Bring back the folders, and the files that appeared while the links were created."""
    for entry in os.scandir(older):
        if entry.name in contents:
            continue
        was, now = older / entry.name, place / entry.name
        if entry.is_dir(follow_symlinks=False) and now.exists():
            _exchanged(was, now)
        elif not now.exists() or now.lstat().st_ino != was.lstat().st_ino:
            was.replace(now)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether two entries have exchanged their names; if not, nothing has changed."""
    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    code: int = exchange(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    return code == 0


# --- where that is not possible -----------------------------------------------------------------
def _renamed_one_by_one(place: Path, contents: Mapping[str, str]) -> None:
    """Rename whole files into ``place``; where one cannot be, those before it are undone."""
    with hidden_in(place) as stage:
        _write(stage, contents)
        before = stage / "before"
        before.mkdir()
        with uninterrupted():
            done: list[str] = []
            try:
                for name in contents:
                    if (place / name).exists():
                        os.link(place / name, before / name)
                    done.append(name)
                    (stage / name).rename(place / name)
            except OSError:
                for name in reversed(done):
                    if (before / name).exists():
                        (before / name).replace(place / name)
                    else:
                        (place / name).unlink(missing_ok=True)
                raise
