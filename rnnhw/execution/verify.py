"""Hold the integers against the float reference and against the task.

The one place where tolerance exists: errors are measured here, and judged by what the design
requires.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.demands import Check, check_bounds, check_names, judge
from rnnhw.design.design import Design
from rnnhw.design.tasks import (
    Judge,
    Labels,
    Samples,
    Score,
    answering,
    further_judges,
    judge_of,
    score_names,
)
from rnnhw.design.underflow import AllZero, all_zero, stored_underflows
from rnnhw.errors import RnnhwError
from rnnhw.execution.batch import Batch, make_batch
from rnnhw.execution.engine import Progress
from rnnhw.execution.engine import run as run_engine
from rnnhw.execution.first_states import FirstStates, first_states
from rnnhw.execution.reference import SOURCES, Reference, exact_inputs, run_reference
from rnnhw.execution.rest import LayerRest, chosen_sequences, rest_of
from rnnhw.execution.signal_error import ERROR_FIGURES, SignalError, worst_errors
from rnnhw.execution.simulate import (
    check_answers,
    chosen_samples,
    of_judged_output,
    score_figures,
    score_unjudged,
)
from rnnhw.graph.network import Network, TimeNode
from rnnhw.graph.nodes import Cast, Lookup, Matvec, Node
from rnnhw.numerics.cast import Events, real_values

__all__ = [
    "SignalError",
    "SourceError",
    "Verification",
    "both_scores",
    "both_unjudged",
    "compared_signals",
    "run_figure_names",
    "verify",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_EVENT_FIGURES = ("saturations", "wraps", "input_clips", "weight_clips", "underflows")


@dataclass(frozen=True)
class SourceError:
    """The error of the outputs when one source alone is quantised.

    ``outputs`` are the errors of all outputs, in their order. ``score`` is None where there are no
    answers, or where the network leaves float64.
    """

    source: str
    outputs: tuple[SignalError, ...]
    score: Score | None

    @property
    def output(self) -> SignalError:
        """The error of the first output."""
        return self.outputs[0]


@dataclass(frozen=True, eq=False)
class Verification:
    """All errors, events, scores and the judgement.

    ``signals`` are the errors of every cast signal, ``outputs`` those of every output, and
    ``sources`` those of the outputs when one kind of number alone is quantised. A single output is
    called ``output``, one of several by its own name. ``score`` and ``float_score`` judge integers
    and reference by the answers, None where there are none; ``further`` has both of them by the
    name of a further output whose answers the data has. ``checks`` are the demands.
    :meth:`figures` has all of it by name.

    ``underflows`` counts by name the inputs, tensors and constants that are not zero and become
    zero; ``rests`` says what every recurrent layer does on zero input, from the last states of
    ``rest_sequences`` sequences.
    """

    design: Design
    sequences: int
    signals: list[SignalError]
    outputs: list[SignalError]
    sources: list[SourceError]
    events: Mapping[str, Events]
    underflows: Mapping[str, int]
    rests: list[LayerRest]
    rest_sequences: int
    first: FirstStates
    score: Score | None
    float_score: Score | None
    checks: list[Check] = field(default_factory=list)
    further: Mapping[str, tuple[Score, Score]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether something is demanded, and every demand is met."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @cached_property
    def all_zero(self) -> list[AllZero]:
        """Tensors that are zero, and units of weight matrices that became zero."""
        return all_zero(self.design.network, self.design.parameters)

    @property
    def output(self) -> SignalError:
        """The error of the first output."""
        return self.outputs[0]

    @property
    def _named(self) -> list[SignalError]:
        """The errors whose figures have a name in front: signals, and outputs where there are
        several."""
        return self.signals + (self.outputs if len(self.outputs) > 1 else [])

    def figures(self) -> dict[str, float]:
        """The figures that ``--min``, ``--max``, ``require`` and ``limit`` can name. An error
        without a name in front is the worst of all outputs."""
        casts = {name: e for name, e in self.events.items() if name in self._cast_names()}
        figures: dict[str, float] = {
            **worst_errors(self.outputs),
            "saturations": sum(e.high + e.low for e in casts.values()),
            "wraps": sum(e.wraps for e in casts.values()),
            "input_clips": self.events["input"].total + self.first.clips,
            "weight_clips": sum(events.total for events in self.design.parameters.events.values()),
            "underflows": sum(self.underflows.values()),
        }
        if self.rests:
            figures["stuck_units"] = sum(
                len(state.stuck) for rest in self.rests for state in rest.states
            )
        for signal in self._named:
            figures |= {f"{signal.name}.{name}": v for name, v in signal.figures().items()}
        if self.score is not None and self.float_score is not None:
            figures |= both_scores(self.score, self.float_score)
        for output, scores in self.further.items():
            found = both_scores(*scores).items()
            figures |= {f"{output}.{name}": value for name, value in found}
        return figures

    def unjudged(self) -> dict[str, str]:
        """The figures that say nothing, with the reason."""
        reasons: dict[str, str] = {}
        for output in self.outputs:
            reasons = output.unjudged() | reasons
        for signal in self._named:
            reasons |= {f"{signal.name}.{name}": v for name, v in signal.unjudged().items()}
        for rest in self.rests:
            if rest.skipped:
                reasons["stuck_units"] = f"{rest.layer} is not run on zero: {rest.skipped}"
        if self.score is not None and self.float_score is not None:
            reasons |= both_unjudged(self.score, self.float_score)
        for name, scores in self.further.items():
            found = both_unjudged(*scores).items()
            reasons |= {f"{name}.{figure}": why for figure, why in found}
        return reasons

    def _cast_names(self) -> set[str]:
        tensors = {tensor.key for tensor in self.design.network.tensors}
        return set(self.events) - tensors - set(self.first.events) - {"input"}


def both_scores(score: Score, of_float: Score) -> dict[str, float]:
    """The figures of the integers' score and of the reference's, and what the first one loses."""
    figures = score_figures(score)
    figures |= {f"float_{name}": value for name, value in score_figures(of_float).items()}
    figures[f"{score.names[0]}_loss"] = score.loss(of_float)
    return figures


def both_unjudged(score: Score, of_float: Score) -> dict[str, str]:
    """Those of :func:`both_scores` that say nothing, with the reason."""
    floats, reasons = score_unjudged(of_float), score_unjudged(score)
    reasons |= {f"float_{name}": f"in float, {why}" for name, why in floats.items()}
    first = score.names[0]
    for why in (reasons.get(f"float_{first}"), reasons.get(first)):
        if why:
            reasons[f"{first}_loss"] = why
    return reasons


def verify(
    design: Design,
    data: Path | None = None,
    *,
    samples: Samples | None = None,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    isa: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    by_task: bool = True,
) -> Verification:
    """Compare ``design`` with its float reference on its task, ``data`` or ``samples``.

    It is judged by the task's ``require`` and ``limit``, if ``by_task``, and by ``minimum`` and
    ``maximum``. With
    no demand at all it does not pass; nor does a demand on a figure that says nothing, such as
    the accuracy where all outputs are equal. ``threads`` are those of
    :func:`rnnhw.execution.engine.run`.

    The reference runs the same graph in float64 with the real weights: casts are the identity,
    tables are their functions.

    Args:
        design: with weights.
        data: an ``.npz``, as :func:`rnnhw.simulate` takes it.
        samples: the same as arrays.
        minimum: the least value of figures by name (:meth:`Verification.figures`).
        maximum: the greatest value of figures by name.
        isa: the instruction set; None takes the fastest that runs here.
        progress: called with the sequences done and their number.

    Raises:
        DesignError: the design, its weights or the data are wrong, or its float reference is
            infinite or NaN.
        UsageError: a figure has no such name or is not measured, or a bound is not finite.
    """
    task = design.task if by_task else None
    floors = {**(task.require if task else {}), **(minimum or {})}
    ceilings = {**(task.limit if task else {}), **(maximum or {})}
    if samples is None:
        samples = chosen_samples(design, data)
    # What cannot be judged is told before the work.
    check_bounds(floors, ceilings)
    check_answers(design, samples, str(data or design.place), (*floors, *ceilings))
    asked = _asked_signals(design.network, (*floors, *ceilings))
    more = [f"{name}.{figure}" for name in asked for figure in ERROR_FIGURES]
    check_names([*_figure_names(design, samples), *more], floors, ceilings)
    compared = {**compared_signals(design.network), **asked}
    result = _compare(design, samples, compared, str(data or design.place), isa, threads, progress)
    result.checks.extend(judge(result.figures(), floors, ceilings, result.unjudged()))
    return result


def run_figure_names(design: Design, samples: Samples) -> list[str]:
    """The names that :meth:`Verification.figures` has of the whole network: what ``report
    --simulate`` can be judged by beside the figures of the report."""
    scored = judge_of(design.task, samples)
    return [
        *ERROR_FIGURES,
        *_EVENT_FIGURES,
        *(["stuck_units"] if design.network.states() else []),
        *(score_names(scored.score_type) if scored else ()),
        *further_figure_names(design, samples),
    ]


def further_figure_names(design: Design, samples: Samples) -> list[str]:
    """The names of those that are of one of several outputs: its error, and the score of a
    further one."""
    errors = [
        f"{name}.{figure}" for name in _several_outputs(design.network) for figure in ERROR_FIGURES
    ]
    return errors + [
        f"{name}.{figure}"
        for name, labels in further_judges(samples).items()
        for figure in score_names(labels.score_type)
    ]


def _figure_names(design: Design, samples: Samples) -> list[str]:
    """The names that :meth:`Verification.figures` has when no other signal is asked for."""
    named = compared_signals(design.network)
    each = (f"{one}.{name}" for one in named for name in ERROR_FIGURES)
    return [*run_figure_names(design, samples), *each]


def _several_outputs(network: Network) -> list[str]:
    """The names of the outputs, where there are several."""
    names = [node.name for node in network.outputs]
    return names if len(names) > 1 else []


def compared_signals(network: Network) -> dict[str, Node]:
    """The signals at which a design loses accuracy: casts, tables and narrow accumulators."""
    inner = {node for scan in network.scans for node in scan.graph.inner_nodes()}
    ends = {each.node for scan in network.scans for each in scan.graph.approximations}
    return {
        name: node
        for name, node in network.signals().items()
        if (
            node in ends
            or isinstance(node, Lookup)
            or (isinstance(node, Cast) and not node.changes_nothing)
            or (isinstance(node, Matvec) and (node.product or node.accumulator))
        )
        and node not in inner
    }


def _asked_signals(network: Network, figures: Iterable[str]) -> dict[str, Node]:
    """The signals, exact ones too, whose error the ``figures`` name."""
    signals = network.signals()
    asked = {}
    for name in figures:
        signal, _, figure = name.rpartition(".")
        if figure in ERROR_FIGURES and signal in signals:
            asked[signal] = signals[signal]
    return asked


@dataclass(eq=False)
class _Scores:
    """The scores of all parts so far, by what gave the outputs."""

    judge: Judge | None
    network: Network
    place: str
    found: dict[str, Score] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def add(self, name: str, outputs: FloatArray, lengths: IntArray, part: Samples) -> None:
        """Judge a part; where an output is infinite or NaN there is no score at all."""
        if self.judge is None or name in self.missing:
            return
        if not np.isfinite(outputs).all():
            self.missing.add(name)
            self.found.pop(name, None)
            return
        try:
            new = self.judge.score(outputs, lengths, part)
        except RnnhwError as error:
            if not isinstance(self.judge, Labels) or self.judge.key == "y":
                error = of_judged_output(error, self.network)
            raise error.at(self.place) from None
        self.found[name] = self.found[name] + new if name in self.found else new


def _compare(
    design: Design,
    samples: Samples,
    compared: Mapping[str, Node],
    place: str,
    isa: str | None,
    threads: int | None,
    progress: Progress | None,
) -> Verification:
    network, parameters = design.network, design.parameters
    signals = {name: SignalError(name, node.format.step) for name, node in compared.items()}
    outputs = _output_errors(network)
    by_source = {source: _output_errors(network) for source in SOURCES}
    scores = _Scores(judge_of(design.task, samples), network, place)
    further = {
        name: _Scores(labels, network, place) for name, labels in further_judges(samples).items()
    }
    last = _LastStates(chosen_sequences(len(samples.lengths)))
    try:
        begun = first_states(network, samples)
        whole = make_batch(network, samples.x, samples.lengths, begun.raw)
    except RnnhwError as error:
        raise error.at(place) from None
    events: dict[str, Events] = {"input": whole.clipped, **parameters.events, **begun.events}
    for chosen, part in samples.parts(sum(node.units for node in compared.values())):
        first = chosen.start
        states = {name: value[chosen] for name, value in whole.initial.items()}
        real = {name: value[chosen] for name, value in begun.real.items()}
        batch = Batch(whole.inputs[chosen], whole.lengths[chosen], states)
        run = run_engine(network, parameters, batch, compared, isa=isa, threads=threads)
        exact = _reference(network, design, part, compared, real, first, place)
        for name, signal in signals.items():
            scan = network.scan_of(name)
            lengths = scan.lengths_for(part.lengths)
            fixed = real_values(run.traces[name], compared[name].format)
            signal.add(first, fixed, exact.traces[name], lengths)
        for node, output in outputs.items():
            given = run.by_output[node.name]
            values = real_values(given.values, node.format)
            output.add(first, values, exact.by_output[node.name], given.lengths)
        fixed = real_values(run.outputs, network.output.format)
        scores.add("fixed", fixed, run.lengths, part)
        scores.add("float", exact.outputs, run.lengths, part)
        for name, beside in further.items():
            node, answered = network.output_named(name), answering(part, name)
            given = run.by_output[name]
            values = real_values(given.values, node.format)
            beside.add("fixed", values, given.lengths, answered)
            beside.add("float", exact.by_output[name], given.lengths, answered)
        for source, alone_errors in by_source.items():
            alone = exact
            if source != "input" or not exact_inputs(network, part.x, part.lengths):
                alone = run_reference(
                    network,
                    parameters,
                    part.x,
                    part.lengths,
                    (),
                    [source],
                    initial=real,
                    finite=False,
                )
            for node, apart in alone_errors.items():
                lengths, name = run.by_output[node.name].lengths, node.name
                apart.add(first, alone.by_output[name], exact.by_output[name], lengths)
            scores.add(source, alone.outputs, run.lengths, part)
        last.add(first, run.final, exact.final)
        for name, seen in run.events.items():
            events[name] = events.get(name, Events()) + seen
        if progress is not None:
            progress(first + len(part.lengths), len(samples.lengths))
    try:
        for each in (scores, *further.values()):
            for score in each.found.values():
                score.figures()  # refuses targets by which nothing can be measured
    except RnnhwError as error:
        raise error.at(place) from None
    return Verification(
        design=design,
        sequences=len(samples.lengths),
        signals=list(signals.values()),
        outputs=list(outputs.values()),
        sources=[
            SourceError(name, tuple(by_source[name].values()), scores.found.get(name))
            for name in SOURCES
        ],
        events=events,
        underflows={
            "input": whole.underflows,
            **stored_underflows(network, parameters),
            **begun.underflows,
        },
        first=begun,
        rests=rest_of(network, parameters, *last.joined(), isa),
        rest_sequences=len(last.chosen),
        score=scores.found.get("fixed"),
        float_score=scores.found.get("float"),
        further={
            name: (each.found["fixed"], each.found["float"]) for name, each in further.items()
        },
    )


def _output_errors(network: Network) -> dict[TimeNode, SignalError]:
    """An error for every output, nothing in it yet."""
    several = len(network.outputs) > 1
    return {
        node: SignalError(node.name if several else "output", node.format.step)
        for node in network.outputs
    }


def _reference(
    network: Network,
    design: Design,
    part: Samples,
    traces: Iterable[str],
    initial: Mapping[str, FloatArray],
    first: int,
    place: str,
) -> Reference:
    """The plain float network on a part whose first sequence has the number ``first``."""
    try:
        return run_reference(
            network,
            design.parameters,
            part.x,
            part.lengths,
            traces,
            initial=initial,
            first=first,
        )
    except RnnhwError as error:
        raise error.at(place) from None


class _LastStates:
    """The last states of some sequences, in integers and in float."""

    def __init__(self, chosen: IntArray) -> None:
        self.chosen = chosen
        self._raw: dict[str, list[IntArray]] = {}
        self._real: dict[str, list[FloatArray]] = {}

    def add(self, first: int, raw: Mapping[str, IntArray], real: Mapping[str, FloatArray]) -> None:
        """Keep those of a part whose first sequence has the number ``first``."""
        for name, value in raw.items():
            here = self.chosen[(first <= self.chosen) & (self.chosen < first + len(value))] - first
            self._raw.setdefault(name, []).append(value[here])
            self._real.setdefault(name, []).append(real[name][here])

    def joined(self) -> tuple[dict[str, IntArray], dict[str, FloatArray]]:
        """By state name, [sequences, units]."""
        raw = {name: np.concatenate(parts) for name, parts in self._raw.items()}
        return raw, {name: np.concatenate(parts) for name, parts in self._real.items()}
