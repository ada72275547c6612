"""Designs that differ in formats, run together on the same samples.

They share what is equal: samples that are read once, inputs of one format, tensors that no format
changes, plans (:mod:`rnnhw.execution.together`). Every result is that of the design run alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from rnnhw.design.design import Design
from rnnhw.design.tasks import Samples
from rnnhw.errors import DesignError, UsageError
from rnnhw.execution.batch import Quantised
from rnnhw.execution.engine import check_threads
from rnnhw.execution.simulate import Simulation, Started, chosen_samples, judged, prepared
from rnnhw.execution.together import Job, run_together
from rnnhw.numerics.cast import Q

__all__ = ["Attempts", "simulate_batch"]


def simulate_batch(
    designs: Sequence[Design],
    data: Path | None = None,
    *,
    samples: Samples | None = None,
    traces: Sequence[str] = (),
    isa: str | None = None,
    threads: int | None = None,
) -> list[Simulation]:
    """Run designs on the task of the first, on the file ``data`` or on ``samples``.

    Args:
        designs: with weights; those that differ in formats alone share the most.
        data: an ``.npz``, as for :func:`rnnhw.execution.simulate.simulate`.
        samples: the same as arrays.
        traces: signals to record, named as ``rnnhw info DESIGN`` prints them.
        isa: the instruction set; None takes the fastest that runs here.
        threads: cores that share the sequences; None takes all. No result depends on it.

    Raises:
        DesignError: a design, its weights or the data are wrong.
        UsageError: there is no design, the instruction set is not there, or ``threads`` is below
            one.
    """
    check_threads(threads)
    if not designs:
        raise UsageError("nothing to simulate", "give at least one design")
    if samples is None:
        samples = chosen_samples(designs[0], data)
    place = None if data is None else str(data)
    runs = []
    for found in Attempts(samples, place).simulations(designs, traces, isa=isa, threads=threads):
        if isinstance(found, DesignError):
            raise found
        runs.append(found)
    return runs


class Attempts:
    """Runs designs on the same samples, of which some may be impossible."""

    def __init__(self, samples: Samples, place: str | None = None) -> None:
        """``place`` names the samples in errors; None: as the design's."""
        self.samples = samples
        self._place = place
        self._inputs: dict[Q, Quantised] = {}

    def simulations(
        self,
        designs: Sequence[Design],
        traces: Sequence[str] = (),
        *,
        isa: str | None = None,
        threads: int | None = None,
    ) -> Iterator[Simulation | DesignError]:
        """What every design gives, or why it cannot run, one after the other, so that a caller need
        not hold all; the arguments are those of :func:`simulate_batch`."""
        started = [self._started(design) for design in designs]
        able = [each for each in started if isinstance(each, Started)]
        jobs = [Job(each.design.network, each.design.parameters, each.batch) for each in able]
        runs = deque(run_together(jobs, traces, isa=isa, threads=threads))
        for each in started:
            if isinstance(each, DesignError):
                yield each
                continue
            try:
                yield judged(each, runs.popleft(), self._place or each.design.place)
            except DesignError as error:
                yield error

    def _started(self, design: Design) -> Started | DesignError:
        try:
            return prepared(design, self.samples, self._place or design.place, known=self._inputs)
        except DesignError as error:
            return error
