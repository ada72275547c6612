"""The log of a sweep: a line of JSON a finished point, only ever appended to.

A sweep that was killed reads its log and goes on with what is missing. A last line that was cut
off by the kill is dropped. The lines are keyed by what their figures depend on, so that a log
may hold several sweeps, and a changed design is run again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rnnhw.cost.figure import Bound
from rnnhw.errors import DesignError, UsageError
from rnnhw.files import check_writable, unwritable
from rnnhw.study.sweep.point import Measured, Point

__all__ = ["Log", "open_log"]


class Log:
    """The log of a sweep: the points measured so far, by key, and the file for further ones."""

    def __init__(self, file: FileIO | None, known: dict[str, Measured]) -> None:
        self._file = file
        self.known = known

    def add(self, point: Point, measured: Measured) -> None:
        """Write a point that is finished, on the disk before this returns."""
        self.known[measured.key] = measured
        if self._file is None:
            return
        line = _Line(design=Path(point.file).name, values=dict(point.values), **asdict(measured))
        _append(self._file, line)


@contextmanager
def open_log(path: Path | None) -> Iterator[Log]:
    """The log at ``path``, a new one where there is none; None keeps nothing.

    Raises:
        DesignError: the file is no log of a sweep.
        UsageError: it cannot be written, or another sweep writes it.
    """
    if path is None:
        yield Log(None, {})
        return
    check_writable(path)
    if path.exists() and not path.is_file():
        raise UsageError(f"cannot write {path}: no regular file", "choose another place")
    try:
        file = path.open("ab+", buffering=0)
    except OSError as error:
        raise unwritable(path, error) from None
    with file:
        _lock(file, path)
        file.seek(0)
        known, end = _read(file.read(), path)
        file.truncate(end)
        if end == 0:
            _append(file, _HEAD)
        yield Log(file, known)


def _append(file: FileIO, line: Any) -> None:
    """Write a line of JSON on the disk, or nothing of it.

    Raises:
        UsageError: the disk has no room for it.
    """
    content = msgspec.json.encode(line) + b"\n"
    end = file.seek(0, os.SEEK_END)
    try:
        if file.write(content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    except OSError as error:
        file.truncate(end)
        raise unwritable(Path(os.fsdecode(file.name)), error) from None


_HEAD = {"$schema": "urn:rnnhw:schema:sweep-log:1"}


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finished point; design and values are for those who read the file."""

    design: str
    values: dict[str, Any]
    key: str
    figures: dict[str, bool | int | float | None]
    bounds: dict[str, Bound]
    error: str
    unjudged: dict[str, str] = msgspec.field(default_factory=dict)


def _read(content: bytes, path: Path) -> tuple[dict[str, Measured], int]:
    """The finished points, and where the last whole line ends."""
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines()
    if content and (not lines or _decoded(lines[0], dict) != _HEAD):
        raise DesignError(f"{path}: no log of a sweep", "name another file, or a new one")
    known = {}
    for number, text in enumerate(lines[1:], 2):
        line = _decoded(text, _Line)
        if line is None:
            raise DesignError(
                f"{path}: line {number} is no finished point", "delete that line: it is run again"
            )
        known[line.key] = Measured(line.key, line.figures, line.bounds, line.error, line.unjudged)
    return known, len(whole)


_Kind = TypeVar("_Kind")


def _decoded(line: bytes, kind: type[_Kind]) -> _Kind | None:
    with suppress(msgspec.MsgspecError, RecursionError):
        return msgspec.json.decode(line, type=kind)
    return None


def _lock(file: FileIO, path: Path) -> None:
    """Refuse a log that another process writes; the lock goes with the process."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UsageError(
            f"{path}: another sweep writes this log", "wait for it, or name another"
        ) from None
