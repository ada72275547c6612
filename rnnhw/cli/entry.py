"""The way into the command line and out of it: options, signals, and whatever goes wrong.

Nothing that takes time, our errors among it, is imported before signals are under control, so that
an interrupt in the first half second ends like any other: with one line, and with nothing left
behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

__all__ = ["main"]

_DEFECT = 70  # sysexits.h: an internal error of the software
_DEBUG = "--debug"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    The exit code is 0, 1 (a check failed), 2 (usage), 3 (design), 4 (a proof left open), 70 (a
    defect of rnnhw), or 128 with the number of the signal that ended it.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = _DEBUG in words
    words = [word for word in words if word != _DEBUG]
    got: list[int] = []
    with _signals(got), _told_exits():
        try:
            from rnnhw.cli.commands import run

            return run(words)
        except BaseException as error:
            if debug:
                import traceback

                traceback.print_exception(error)
            return _told(error, got, words)


@contextlib.contextmanager
def _signals(got: list[int]) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP as KeyboardInterrupt; ``got`` tells that it was a signal.

    A second one is ignored, so that nothing disturbs the tidying up; a third one kills.
    """
    numbers = [signal.SIGINT, signal.SIGTERM, *filter(None, [getattr(signal, "SIGHUP", None)])]

    def stop(number: int, _frame: FrameType | None) -> None:
        got.append(number)
        if len(got) == 1:
            raise KeyboardInterrupt
        if len(got) > 2:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    older: dict[signal.Signals, Callable[..., object] | int] = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            handler = signal.getsignal(number)
            if handler not in (None, signal.SIG_IGN):
                older[number] = handler
                signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in older.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _told_exits() -> Iterator[None]:
    """``os._exit`` as SystemExit, so that a design cannot end a command without a word.

    A child of this process may still end as it likes.
    """
    silent, process = os._exit, os.getpid()

    def leave(status: int) -> NoReturn:
        if os.getpid() != process:
            silent(status)
        raise SystemExit(status)

    os._exit = leave
    try:
        yield
    finally:
        os._exit = silent


def _told(error: BaseException, got: Sequence[int], words: Sequence[str]) -> int:
    """Say in a line what went wrong, and in another what to do; the exit code."""
    from rnnhw.cli.complaints import complain
    from rnnhw.errors import RnnhwError, described

    if got:
        complain("interrupted", "")
        return 128 + got[0]
    if isinstance(error, RnnhwError):
        complain(error.message, error.hint)
        return error.exit_code
    if isinstance(error, MemoryError):
        complain(f"not enough memory: {error}", "a smaller design, or the data in parts")
        return 3
    if hasattr(error, "format_message"):  # an error of typer's about options
        message: str = error.format_message()
        if message.startswith("Usage:"):  # no command at all: the message is the help
            print(message, file=sys.stderr)
        else:
            command = next((word for word in words if not word.startswith("-")), "")
            if message.startswith("No such command"):
                command = ""
            called = f"rnnhw {command}".strip()
            complain(message.rstrip("."), f"`{called} --help` lists what there is")
        return 2
    place = _foreign_place(error)
    if place is not None or not isinstance(error, Exception):
        complain(f"{place or 'the design'}: {described(error)}", "correct the design")
        return 3
    complain(
        f"rnnhw failed: {described(error)} ({_last_place(error)})",
        "this is a defect of rnnhw: please report it with the command, the design and what "
        "`rnnhw info` prints; --debug shows the whole way to it",
    )
    return _DEFECT


def _foreign_place(error: BaseException) -> str | None:
    """File and line of the user's own code that an exception came through last."""
    import sysconfig
    import traceback

    paths = sysconfig.get_paths()
    known = [
        Path(__file__).parents[1],
        *(Path(paths[name]) for name in ("stdlib", "purelib", "platlib")),
    ]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).absolute()
        # Packages lie in further folders too: the user's own, the distribution's, those of .pth.
        installed = {"site-packages", "dist-packages"} & set(file.parts)
        ours = installed or any(file.is_relative_to(folder) for folder in known)
        if file.suffix == ".py" and not ours:
            return f"{frame.filename}: line {frame.lineno}"
    return None


def _last_place(error: BaseException) -> str:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
