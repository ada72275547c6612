"""Hold the integers against the float reference and against the task.

The one place where tolerance exists: errors are measured here, and judged by what the design
requires.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.demands import Check, check_names, judge
from rnnhw.design.design import Design
from rnnhw.design.tasks import Samples, Score, score_names
from rnnhw.errors import RnnhwError, UsageError
from rnnhw.execution.batch import Batch, make_batch
from rnnhw.execution.engine import Progress
from rnnhw.execution.engine import run as run_engine
from rnnhw.execution.reference import SOURCES, run_reference
from rnnhw.execution.simulate import check_answers, chosen_samples
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Cast, Lookup, Matvec, Node
from rnnhw.numerics.cast import Events, real_values

__all__ = [
    "SignalError",
    "SourceError",
    "Verification",
    "compared_signals",
    "verify",
]

FloatArray = NDArray[np.float64]

_ERROR_FIGURES = ("max_error", "max_error_lsb", "rms_error", "rms_error_lsb", "snr_db")
_EVENT_FIGURES = ("saturations", "wraps", "input_clips", "weight_clips")


@dataclass
class SignalError:
    """How far a signal is from its reference, over all valid steps.

    ``worst`` is (sequence, step, unit) of the largest error.
    """

    name: str
    step: float
    worst: tuple[int, int, int] = (0, 0, 0)
    max_error: float = 0.0
    squares: float = 0.0
    reference_squares: float = 0.0
    values: int = 0

    @property
    def rms_error(self) -> float:
        """Root of the mean square error, as a value."""
        return math.sqrt(self.squares / self.values) if self.values else 0.0

    @property
    def max_error_lsb(self) -> float:
        """Largest error in steps of the signal's own format."""
        return self.max_error / self.step

    @property
    def rms_error_lsb(self) -> float:
        """Root mean square error in steps of the signal's own format."""
        return self.rms_error / self.step

    @property
    def snr_db(self) -> float:
        """Power of the reference over power of the error, in decibels."""
        if self.squares == 0:
            return math.inf
        if self.reference_squares == 0:
            return -math.inf
        return 10 * (math.log10(self.reference_squares) - math.log10(self.squares))

    def add(
        self, first: int, fixed: FloatArray, exact: FloatArray, lengths: NDArray[np.int64]
    ) -> None:
        """Take in sequences ``first``.. of shape [sequences, steps, units]."""
        valid = np.arange(fixed.shape[1]) < lengths[:, None]
        # A reference that grows beyond float64 gives infinite and NaN errors, which no bound
        # lets pass: nothing to warn of.
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.where(valid[:, :, None], np.abs(fixed - exact), 0.0)
            self.squares += float((error**2).sum())
            self.reference_squares += float((exact**2)[valid].sum())
        place = np.unravel_index(int(error.argmax()), error.shape)
        # argmax finds a NaN first; once there is one it stays the largest error.
        if not (error[place] <= self.max_error or math.isnan(self.max_error)):
            self.max_error = float(error[place])
            self.worst = (first + int(place[0]), int(place[1]), int(place[2]))
        self.values += int(valid.sum()) * fixed.shape[2]


@dataclass(frozen=True)
class SourceError:
    """The error of the outputs when one source alone is quantised."""

    source: str
    output: SignalError
    score: Score | None


@dataclass(frozen=True, eq=False)
class Verification:
    """All errors, events, scores and the judgement."""

    design: Design
    sequences: int
    signals: list[SignalError]
    output: SignalError
    sources: list[SourceError]
    events: Mapping[str, Events]
    score: Score | None
    float_score: Score | None
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every demand is met."""
        return all(check.passed for check in self.checks)

    def figures(self) -> dict[str, float]:
        """The figures that ``--min``, ``--max``, ``require`` and ``limit`` can name."""
        casts = {name: e for name, e in self.events.items() if name in self._cast_names()}
        figures: dict[str, float] = {
            **{name: getattr(self.output, name) for name in _ERROR_FIGURES},
            "saturations": sum(e.high + e.low for e in casts.values()),
            "wraps": sum(e.wraps for e in casts.values()),
            "input_clips": self.events["input"].total,
            "weight_clips": sum(
                self.events[tensor.key].total for tensor in self.design.network.tensors
            ),
        }
        for signal in self.signals:
            for name in _ERROR_FIGURES:
                figures[f"{signal.name}.{name}"] = getattr(signal, name)
        if self.score is not None and self.float_score is not None:
            figures |= self.score.figures()
            figures |= {f"float_{name}": v for name, v in self.float_score.figures().items()}
            figures[f"{self.score.names[0]}_loss"] = self.score.loss(self.float_score)
        return figures

    def _cast_names(self) -> set[str]:
        tensors = {tensor.key for tensor in self.design.network.tensors}
        return set(self.events) - tensors - {"input"}


def verify(
    design: Design,
    data: Path | None = None,
    *,
    samples: Samples | None = None,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    isa: str | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Compare ``design`` with its float reference on its task, ``data`` or ``samples``.

    It is judged by the task's ``require`` and ``limit`` and by ``minimum`` and ``maximum``.

    Raises:
        DesignError: the design, its weights or the data are wrong.
        UsageError: nothing is required, or a figure has no such name.
    """
    floors = {**(design.task.require if design.task else {}), **(minimum or {})}
    ceilings = {**(design.task.limit if design.task else {}), **(maximum or {})}
    if not floors and not ceilings:
        raise UsageError(
            f"{design.place}: nothing is required, so nothing can pass",
            "give the task require={...}, or --min NAME=VALUE / --max NAME=VALUE",
        )
    if samples is None:
        samples = chosen_samples(design, data)
    # A misspelt name is told before the work.
    check_answers(design, samples, str(data or design.place), (*floors, *ceilings))
    check_names(_figure_names(design, samples), floors, ceilings)
    result = _compare(design, samples, str(data or design.place), isa, progress)
    result.checks.extend(judge(result.figures(), floors, ceilings))
    return result


def _figure_names(design: Design, samples: Samples) -> list[str]:
    """The names that :meth:`Verification.figures` will have."""
    scored = design.task if samples.y is not None else None
    signals = compared_signals(design.network)
    return [
        *_ERROR_FIGURES,
        *_EVENT_FIGURES,
        *(score_names(scored.score_type) if scored else ()),
        *(f"{signal}.{name}" for signal in signals for name in _ERROR_FIGURES),
    ]


def compared_signals(network: Network) -> dict[str, Node]:
    """The signals at which a design loses accuracy: casts, tables and narrow accumulators."""
    return {
        name: node
        for name, node in network.signals().items()
        if isinstance(node, Lookup)
        or (isinstance(node, Cast) and not node.changes_nothing)
        or (isinstance(node, Matvec) and (node.product or node.accumulator))
    }


def _compare(
    design: Design, samples: Samples, place: str, isa: str | None, progress: Progress | None
) -> Verification:
    network, parameters = design.network, design.parameters
    compared = compared_signals(network)
    signals = {name: SignalError(name, node.format.step) for name, node in compared.items()}
    step = network.output.format.step
    output = SignalError("output", step)
    by_source = {source: SignalError("output", step) for source in SOURCES}
    events: dict[str, Events] = {"input": Events(), **parameters.events}
    scores: dict[str, Score] = {}
    try:
        whole = make_batch(network, samples.x, samples.lengths)
    except RnnhwError as error:
        raise error.at(place) from None
    events["input"] = whole.clipped
    for chosen, part in samples.parts(sum(node.units for node in compared.values())):
        first = chosen.start
        batch = Batch(whole.inputs[chosen], whole.lengths[chosen], {})
        run = run_engine(network, parameters, batch, compared, isa=isa)
        exact = run_reference(network, parameters, part.x, part.lengths, compared)
        for name, signal in signals.items():
            scan = network.scan_of(name)
            lengths = np.array([scan.steps_for(length) for length in part.lengths.tolist()])
            fixed = real_values(run.traces[name], compared[name].format)
            signal.add(first, fixed, exact.traces[name], lengths)
        fixed = real_values(run.outputs, network.output.format)
        output.add(first, fixed, exact.outputs, run.lengths)
        _score(scores, "fixed", design, part, fixed, run.lengths, place)
        _score(scores, "float", design, part, exact.outputs, run.lengths, place)
        for source, alone_error in by_source.items():
            alone = run_reference(network, parameters, part.x, part.lengths, (), [source])
            alone_error.add(first, alone.outputs, exact.outputs, run.lengths)
            _score(scores, source, design, part, alone.outputs, run.lengths, place)
        for name, seen in run.events.items():
            events[name] = events.get(name, Events()) + seen
        if progress is not None:
            progress(first + len(part.lengths), len(samples.lengths))
    try:
        for score in scores.values():
            score.figures()  # refuses targets by which nothing can be measured
    except RnnhwError as error:
        raise error.at(place) from None
    return Verification(
        design=design,
        sequences=len(samples.lengths),
        signals=list(signals.values()),
        output=output,
        sources=[SourceError(name, by_source[name], scores.get(name)) for name in SOURCES],
        events=events,
        score=scores.get("fixed"),
        float_score=scores.get("float"),
    )


def _score(
    scores: dict[str, Score],
    name: str,
    design: Design,
    part: Samples,
    outputs: FloatArray,
    lengths: NDArray[np.int64],
    place: str,
) -> None:
    if design.task is None or part.y is None:
        return
    try:
        new = design.task.score(outputs, lengths, part)
    except RnnhwError as error:
        raise error.at(place) from None
    scores[name] = scores[name] + new if name in scores else new
