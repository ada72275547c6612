"""Points measured on several processes, which may die.

The parent hands each worker one point at a time over a pipe. A worker that dies, killed by the
system for its memory or by hand, is replaced and its point is measured again, once: the second
death of the same point is an error. What is finished is handed on as it arrives.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from rnnhw.errors import RnnhwError
from rnnhw.study.sweep.point import Measured, Point, Question, Recordings, measure

__all__ = ["measured_points"]

_MOST_DEATHS = 2


def measured_points(
    points: Sequence[Point], question: Question, workers: int
) -> Iterator[tuple[Point, Measured]]:
    """Every point with what is measured of it, in the order in which they are finished.

    Raises:
        RnnhwError: a point's worker died twice, or failed as no point may.
    """
    if workers == 1 or len(points) <= 1:
        recordings = Recordings()
        yield from ((each, measure(each, question, recordings)) for each in points)
        return
    waiting = list(reversed(points))
    deaths: dict[str, int] = {}
    crew = [_Worker(question) for _ in range(min(workers, len(points)))]
    try:
        for worker in crew:
            worker.take(waiting.pop())
        while busy := [worker for worker in crew if worker.point is not None]:
            for ready in wait([worker.pipe for worker in busy]):
                worker = next(each for each in busy if each.pipe is ready)
                point, found = worker.result()
                if found is None:
                    deaths[point.key] = deaths.get(point.key, 0) + 1
                    if deaths[point.key] >= _MOST_DEATHS:
                        raise RnnhwError(
                            f"{point.label}: the process that ran it died twice",
                            "run it alone with `rnnhw simulate`: it may need more memory",
                        )
                    crew[crew.index(worker)] = worker = _Worker(question)
                    worker.take(point)
                    continue
                if waiting:
                    worker.take(waiting.pop())
                yield point, found
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """A process that measures points, and the one that it has."""

    def __init__(self, question: Question) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_work, args=(other, question), daemon=True
        )
        with _without_main(question), _interrupts_held_back():
            self._process.start()
        other.close()
        self.point: Point | None = None

    def take(self, point: Point) -> None:
        """Begin with a point."""
        self.point = point
        with suppress(OSError):  # it died meanwhile: result() says so
            self.pipe.send(point)

    def result(self) -> tuple[Point, Measured | None]:
        """The point and what came of it; None where the process died."""
        point, self.point = self.point, None
        assert point is not None
        try:
            found = self.pipe.recv()
        except (EOFError, OSError):
            self.end()
            return point, None
        if isinstance(found, BaseException):
            raise found
        assert isinstance(found, Measured)
        return point, found

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """A process that starts here holds interrupts back: it imports for a second before it can
    ignore them, and would print a traceback of the import."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # which would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main(question: Question) -> Iterator[None]:
    """A process that starts here does not run the user's script again, which may sweep at its top
    level: it loads design files alone. What the script itself defines it must read, though."""
    main = sys.modules["__main__"]
    hidden = {}
    if b"__main__" not in pickle.dumps(question):
        hidden = {name: getattr(main, name, None) for name in ("__file__", "__spec__")}
    for name in hidden:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)


def _work(pipe: Connection, question: Question) -> None:
    """Measure points until the parent is gone."""
    # An interrupt is the parent's business: it ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    recordings = Recordings()
    while True:
        try:
            point = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            found: Measured | BaseException = measure(point, question, recordings)
        except Exception as error:
            found = RnnhwError(f"{point.label}: {type(error).__name__}: {error}")
        pipe.send(found)
