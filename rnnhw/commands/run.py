"""Run a design, and hold it against the float reference: the public verbs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from rnnhw.commands.given import Data, design_of, number_bounds, samples_given, signal_names
from rnnhw.design.design import Design
from rnnhw.design.tasks import Samples
from rnnhw.execution import simulate as engine
from rnnhw.execution import verify as reference
from rnnhw.report.results import SimulationResult, VerificationResult, result_of

__all__ = ["simulate", "verify"]

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
