"""Progress on stderr for whatever takes longer than a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rnnhw.cli.rendering import may_be_terminal

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.status import Status

__all__ = ["shown_progress", "shown_steps"]

_PATIENCE_SECONDS = 1.0
_LINE_SECONDS = 5.0


@contextmanager
def shown_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with the amount done and the whole.

    A terminal gets a bar, anything else a line every five seconds; both only after a second.
    """
    began = last = time.monotonic()
    lines = not _is_terminal()
    bar: Progress | None = None

    def report(done: int, total: int) -> None:
        nonlocal bar, last
        now = time.monotonic()
        if now - began < _PATIENCE_SECONDS:
            return
        if lines:
            if done < total and (now - last >= _LINE_SECONDS or last == began):
                last = now
                print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)
            return
        if bar is None:
            bar = _bar()
            bar.add_task(what, total=total)
            bar.start()
        bar.update(bar.task_ids[0], completed=done)

    try:
        yield report
    finally:
        if bar is not None:
            bar.stop()


def _is_terminal() -> bool:
    """Whether stderr is a terminal."""
    if sys.stderr is None or not may_be_terminal(sys.stderr):
        return False
    from rich.console import Console

    return Console(stderr=True).is_terminal


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # A bar that starts while stdout is redirected would put that redirection back at its end.
        redirect_stdout=False,
    )


@contextmanager
def shown_steps() -> Iterator[Callable[[str], None]]:
    """A function to call with each step of work that other programs do, as it begins.

    A terminal shows what is at work, and no more once it is done; anything else gets a line a
    step. Both only after a second.
    """
    status = _status() if _is_terminal() else None
    current: list[str] = []
    patient = threading.Event()

    def show() -> None:
        if status is not None:
            status.update(current[-1])
            status.start()
        else:
            print(f"{current[-1]}...", file=sys.stderr, flush=True)

    def lose_patience() -> None:
        patient.set()
        if current:
            show()

    def begin(step: str) -> None:
        current.append(step)
        if patient.is_set():
            show()

    timer = threading.Timer(_PATIENCE_SECONDS, lose_patience)
    timer.daemon = True
    timer.start()
    try:
        yield begin
    finally:
        timer.cancel()
        if status is not None:
            status.stop()


def _status() -> Status:
    from rich.console import Console

    return Console(stderr=True).status("")
