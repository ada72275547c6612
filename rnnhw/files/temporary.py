"""What is on disk only until its use ends: files and folders that are not yet whole.

An interrupt can come when a removal has just begun, before it can hold interrupts back. So what is
there is also listed, and what is still listed when the program ends is removed then.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

__all__ = ["hidden_beside", "hidden_in", "scratch_folder", "uninterrupted"]

_listed: set[Path] = set()
os.register_at_fork(after_in_child=_listed.clear)  # the parent removes its paths


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block is done; for work of microseconds."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    pending: list[int] = []
    older: dict[signal.Signals, Callable[..., object] | int] = {}
    try:
        # A mask of signals would not do: threads of other libraries take them all the same.
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if handler is not None:  # None: not set from Python
                older[number] = handler
                signal.signal(number, lambda got, _frame: pending.append(got))
        yield
    finally:
        for number, handler in older.items():
            signal.signal(number, handler)
        for got in pending:
            signal.raise_signal(got)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """``path``, which does not exist yet; a file or folder there is removed at the end."""
    _listed.add(path)
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    with uninterrupted():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        _listed.discard(path)


@atexit.register
def _remove_listed() -> None:
    for path in tuple(_listed):
        _remove(path)


def _token() -> str:
    """A part of a name that nobody else has."""
    return os.urandom(6).hex()


def hidden_beside(place: Path) -> AbstractContextManager[Path]:
    """A name beside ``place`` for what will take its place; what is still there goes at the end."""
    return _temporary(place.parent / f".{place.name[:100]}.{_token()}")


def hidden_in(folder: Path) -> AbstractContextManager[Path]:
    """A path in ``folder`` to prepare its files at; what is still there at the end is removed."""
    return _temporary(folder / f".rnnhw-{_token()}")


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new private folder that is gone at the end, whatever interrupts its use."""
    from tempfile import gettempdir  # it imports `random`, and most commands write nothing

    with _temporary((parent or Path(gettempdir())) / f"rnnhw-{_token()}") as place:
        place.mkdir(mode=0o700)
        yield place
