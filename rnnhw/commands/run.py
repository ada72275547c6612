"""Run a design, and hold it against the float reference: the public verbs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rnnhw.commands.given import Data, design_of, number_bounds, samples_given, signal_names
from rnnhw.design.design import Design
from rnnhw.design.tasks import Samples
from rnnhw.execution import simulate as engine
from rnnhw.execution import simulate_batch as together
from rnnhw.execution import verify as reference
from rnnhw.report.results import SimulationResult, VerificationResult, result_of

__all__ = ["simulate", "simulate_batch", "verify"]

Progress = Callable[[int, int], None]


def simulate(
    design: Design | str | os.PathLike[str],
    data: Data = None,
    *,
    samples: Samples | None = None,
    initial: Mapping[str, NDArray[np.int64]] | None = None,
    traces: str | Iterable[str] = (),
    isa: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> SimulationResult:
    """Run a design on its task or on ``data``, in integers.

    Args:
        design: a design with weights, or the path of its file.
        data: an ``.npz`` with ``x`` [sequences, steps, features] and optional ``lengths``, ``y``
            and real first states (``rnn.h0``) [sequences, units]; or an array ``x``; or samples.
        samples: the same as :class:`rnnhw.Samples`.
        initial: raw first values of states by name, [sequences, units]; they win over the data's.
        traces: signals to record, named as ``rnnhw info DESIGN`` prints them.
        isa: the instruction set; None takes the fastest that runs here.
        threads: cores that share the sequences; None takes all. No result depends on it.
        progress: called with the sequences done and their number.

    Raises:
        DesignError: the design, its weights or the data are wrong.
        UsageError: an argument is of no such type, or the instruction set is not there.
    """
    chosen = design_of(design)
    file, samples = samples_given(chosen, data, samples)
    found = engine.simulate(
        chosen,
        file,
        samples=samples,
        initial=initial,
        traces=signal_names(traces),
        isa=isa,
        threads=threads,
        progress=progress,
    )
    return result_of(SimulationResult, found)


def simulate_batch(
    designs: Sequence[Design | str | os.PathLike[str]],
    data: Data = None,
    *,
    samples: Samples | None = None,
    traces: str | Iterable[str] = (),
    isa: str | None = None,
    threads: int | None = None,
) -> list[SimulationResult]:
    """Run designs on the same data, in integers: designs that differ in formats share the rest.

    Every result is that of :func:`simulate`, bit for bit, count for count and event for event.

    Args:
        designs: designs with weights, or the paths of their files;
            :meth:`rnnhw.Design.with_formats` makes one of another.
        data: as for :func:`simulate`; left out: the samples of the first design's task.
        samples: the same as :class:`rnnhw.Samples`.
        traces: signals to record, named as ``rnnhw info DESIGN`` prints them.
        isa: the instruction set; None takes the fastest that runs here.
        threads: cores that share the sequences; None takes all. No result depends on it.

    Returns:
        A result of every design, in their order.

    Raises:
        DesignError: a design, its weights or the data are wrong.
        UsageError: an argument is of no such type, there is no design, or the instruction set is
            not there.
    """
    chosen = [design_of(design) for design in designs]
    file = None
    if chosen:
        file, samples = samples_given(chosen[0], data, samples)
    found = together.simulate_batch(
        chosen, file, samples=samples, traces=signal_names(traces), isa=isa, threads=threads
    )
    return [result_of(SimulationResult, each) for each in found]


def verify(
    design: Design | str | os.PathLike[str],
    data: Data = None,
    *,
    samples: Samples | None = None,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    isa: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> VerificationResult:
    """Compare a design with its float reference, on its task or on ``data``.

    It is judged by the task's ``require`` and ``limit`` and by ``minimum`` and ``maximum``: with
    no demand at all it does not pass.

    Args:
        design: a design with weights, or the path of its file.
        data: as for :func:`simulate`.
        samples: likewise.
        minimum: the least value of named figures, such as ``{"accuracy": 0.95}``.
        maximum: the greatest value of named figures.
        isa: the instruction set; None takes the fastest that runs here.
        threads: cores that share the sequences; None takes all. No result depends on it.
        progress: called with the sequences done and their number.

    Raises:
        DesignError: the design, its weights or the data are wrong, or its float reference is
            infinite or NaN.
        UsageError: an argument is of no such type, a figure has no such name or is not measured,
            or a bound is not finite.
    """
    chosen = design_of(design)
    file, samples = samples_given(chosen, data, samples)
    found = reference.verify(
        chosen,
        file,
        samples=samples,
        minimum=number_bounds("minimum", minimum),
        maximum=number_bounds("maximum", maximum),
        isa=isa,
        threads=threads,
        progress=progress,
    )
    return result_of(VerificationResult, found)
