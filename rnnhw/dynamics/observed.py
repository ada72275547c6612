"""What a design does on its task: the ranges of all signals, events, and what its layers read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.design import Design
from rnnhw.design.tasks import Samples
from rnnhw.errors import RnnhwError
from rnnhw.execution.batch import Batch, make_batch
from rnnhw.execution.engine import run as run_engine
from rnnhw.execution.first_states import first_states
from rnnhw.execution.reference import run_reference
from rnnhw.graph.network import Scan
from rnnhw.graph.nodes import Cast, Input, Node
from rnnhw.numerics.cast import Events

__all__ = ["Observed", "observe", "spread"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Progress = Callable[[int, int], None]

_DRIVING = 64
"""Sequences whose inputs of the layers are kept."""
_ANSWERING = 1024
"""Sequences whose last states are kept."""


def spread(count: int, most: int) -> IntArray:
    """At most ``most`` of ``count`` indices, evenly spaced, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


@dataclass(eq=False)
class Observed:
    """All of a design's task.

    ``low`` and ``high`` by signal, raw [units]; ``elements`` by signal how many were computed, and
    ``outside`` how many of the float reference's lie outside the word. ``inputs`` of each layer are
    the vectors that it read in some sequences, raw [steps, inputs]; ``last`` and ``last_real`` its
    states behind the last step of the sequences numbered in ``answering``, and ``last_inputs`` what
    it read at that step.
    """

    samples: Samples
    answering: IntArray
    events: dict[str, Events] = field(default_factory=dict)
    low: dict[str, IntArray] = field(default_factory=dict)
    high: dict[str, IntArray] = field(default_factory=dict)
    elements: dict[str, int] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)
    inputs: dict[Scan, IntArray] = field(default_factory=dict)
    last_inputs: dict[Scan, IntArray] = field(default_factory=dict)
    last: dict[str, IntArray] = field(default_factory=dict)
    last_real: dict[str, FloatArray] = field(default_factory=dict)
    float_is_finite: bool = True


@dataclass
class _Parts:
    """The arrays collected so far, a list of parts for every layer or signal."""

    inputs: dict[Scan, list[IntArray]] = field(default_factory=dict)
    last_inputs: dict[Scan, list[IntArray]] = field(default_factory=dict)
    last: dict[str, list[IntArray]] = field(default_factory=dict)
    last_real: dict[str, list[FloatArray]] = field(default_factory=dict)


def observe(
    design: Design, samples: Samples, place: str, isa: str | None, progress: Progress | None
) -> Observed:
    """Run ``design`` and its float reference on ``samples``.

    Raises:
        DesignError: data or weights do not fit; ``place`` is what the message blames.
    """
    network, parameters = design.network, design.parameters
    try:
        begun = first_states(network, samples)
        whole = make_batch(network, samples.x, samples.lengths, begun.raw)
    except RnnhwError as error:
        raise error.at(place) from None
    count = len(samples.lengths)
    found = Observed(samples, spread(count, _ANSWERING))
    found.events["input"] = whole.clipped
    driving = spread(count, _DRIVING)
    parts, signals = _Parts(), network.signals()
    values = 2 * sum(node.units for node in signals.values())
    for chosen, part in samples.parts(values):
        first = chosen.start
        states = {name: value[chosen] for name, value in whole.initial.items()}
        batch = Batch(whole.inputs[chosen], whole.lengths[chosen], states)
        run = run_engine(network, parameters, batch, signals, isa=isa)
        casts = [name for name, node in signals.items() if _is_lossy(node)]
        with np.errstate(over="ignore", invalid="ignore"):
            real = run_reference(
                network,
                parameters,
                part.x,
                part.lengths,
                casts,
                initial={name: value[chosen] for name, value in begun.real.items()},
                finite=False,
            )
        for name, seen in run.events.items():
            found.events[name] = found.events.get(name, Events()) + seen
        for name, trace in run.traces.items():
            valid = _valid(network.scan_of(name), part.lengths, trace.shape[1])
            _take_in(found, name, trace[valid])
            if name in real.traces:
                _take_in_real(found, name, signals[name], real.traces[name][valid])
        own = _within(found.answering, chosen)
        _collect(parts, network.scans, run.traces, part.lengths, _within(driving, chosen), own)
        for name, value in run.final.items():
            parts.last.setdefault(name, []).append(value[own])
            parts.last_real.setdefault(name, []).append(real.final[name][own])
        if progress is not None:
            progress(min(first + len(part.lengths), count), count)
    found.inputs = {scan: np.concatenate(each) for scan, each in parts.inputs.items()}
    found.last_inputs = {scan: np.concatenate(each) for scan, each in parts.last_inputs.items()}
    found.last = {name: np.concatenate(each) for name, each in parts.last.items()}
    found.last_real = {name: np.concatenate(each) for name, each in parts.last_real.items()}
    return found


def _is_lossy(node: Node) -> bool:
    return isinstance(node, Cast) and not node.changes_nothing


def _within(numbers: IntArray, chosen: slice) -> IntArray:
    """Those of the numbered sequences that are in a part, as indices into it."""
    first = int(chosen.start)
    inside = (first <= numbers) & (numbers < chosen.stop)
    found: IntArray = numbers[inside] - first
    return found


def _valid(scan: Scan, lengths: IntArray, steps: int) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = np.arange(steps) < scan.lengths_for(lengths)[:, None]
    return valid


def _take_in(found: Observed, name: str, values: IntArray) -> None:
    low, high = values.min(0), values.max(0)
    if name in found.low:
        low, high = np.minimum(low, found.low[name]), np.maximum(high, found.high[name])
    found.low[name], found.high[name] = low, high
    found.elements[name] = found.elements.get(name, 0) + values.size


def _take_in_real(found: Observed, name: str, node: Node, values: FloatArray) -> None:
    step = node.format.step
    with np.errstate(invalid="ignore"):
        # What rounds to a value of the word is inside, so the ends reach half a step further.
        low, high = (node.format.lowest - 0.5) * step, (node.format.max + 0.5) * step
        inside = (low <= values) & (values <= high)
    found.outside[name] = found.outside.get(name, 0) + int((~inside).sum())


def _collect(
    parts: _Parts,
    scans: tuple[Scan, ...],
    traces: Mapping[str, IntArray],
    lengths: IntArray,
    driving: IntArray,
    answering: IntArray,
) -> None:
    """What the recurrent layers read in the ``driving`` sequences, and at the last step of the
    ``answering`` ones."""
    for scan in scans:
        if not scan.graph.updates:
            continue
        read = [node for node in scan.graph.nodes if isinstance(node, Input)]
        read.sort(key=lambda node: node.position)
        joined = np.concatenate([traces[scan.graph.signal(node)] for node in read], axis=2)
        for index in driving.tolist():
            steps = scan.steps_for(int(lengths[index]))
            parts.inputs.setdefault(scan, []).append(joined[index, :steps])
        for index in answering.tolist():
            steps = scan.steps_for(int(lengths[index]))
            parts.last_inputs.setdefault(scan, []).append(joined[index, steps - 1 : steps])
