"""The definition: every operation in unbounded Python integers, one sequence after another.

Slow on purpose and without a trick; every other interpreter equals it bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.weights import Parameters
from rnnhw.execution.batch import Batch, Run, Vectors, event_signals
from rnnhw.graph.network import (
    Last,
    Network,
    Reverse,
    Scan,
    Source,
    Steps,
    TimeNode,
    Total,
    Window,
    time_table,
)
from rnnhw.graph.nodes import (
    Add,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    State,
    StepGraph,
    Subtract,
    operation_table,
)
from rnnhw.layers.structures import Row
from rnnhw.numerics.cast import NOTHING, Events, Overflow, Q, cast, rounded

__all__ = ["constant_values", "run"]

Vector = list[int]


@dataclass
class _Machine:
    """Everything one sequence touches: tensors, states by node, the events of all sequences."""

    tensors: Mapping[str, Vector]
    states: dict[Node, Vector] = field(default_factory=dict)
    events: dict[str, Events] = field(default_factory=dict)
    rows: dict[Matvec, list[Row]] = field(default_factory=dict)

    def terms(self, node: Matvec) -> list[Row]:
        """The terms of every output of a product, listed once."""
        if node not in self.rows:
            weights = [] if node.weights is None else self.tensors[node.weights.key]
            listed = node.structure.stored_rows(np.array(weights), node.units, node.vector.units)
            self.rows[node] = list(listed)
        return self.rows[node]

    def cast(self, signal: str, vector: Vector, fraction: int, to: Q) -> Vector:
        """Cast integers and note the events."""
        values, seen = [], []
        for raw in vector:
            value, events = cast(raw, fraction, to)
            values.append(value)
            if events is not NOTHING:
                seen.append(events)
        self.note(signal, seen)
        return values

    def note(self, signal: str, seen: list[Events]) -> None:
        """Add events to those of a signal."""
        if seen:
            self.events[signal] += Events(*map(sum, zip(*seen, strict=True)))


@dataclass(frozen=True)
class _Step:
    """One step: the machine, the layer's graph, its inputs, and the values so far."""

    machine: _Machine
    graph: StepGraph
    inputs: Sequence[Vector]
    values: dict[Node, Vector] = field(default_factory=dict)


# --- the step operations -----------------------------------------------------------------------
def _input(step: _Step, node: Input) -> Vector:
    return step.inputs[node.position]


def _state(step: _Step, node: State) -> Vector:
    return step.machine.states[node]


def _constant(step: _Step, node: Constant) -> Vector:
    return list(node.values) if node.tensor is None else step.machine.tensors[node.tensor.key]


def _matvec(step: _Step, node: Matvec) -> Vector:
    vector = step.values[node.vector]
    start = [0] * node.units if node.start is None else step.values[node.start]
    start_fraction = node.format.fraction if node.start is None else node.start.format.fraction
    weights = [] if node.weights is None else step.machine.tensors[node.weights.key]
    signal, fraction = step.graph.signal(node), node.product_format[0]
    result = []
    for index, row in enumerate(step.machine.terms(node)):
        factors = [weights[k] for k in row.parameters] if weights else row.parameters
        terms = [
            factor * vector[column] for factor, column in zip(factors, row.columns, strict=True)
        ]
        first = (start[index], start_fraction)
        result.append(_sum(step.machine, signal, node, first, terms, fraction))
    return result


def _sum(
    machine: _Machine,
    signal: str,
    node: Matvec,
    first: tuple[int, int],
    terms: Vector,
    fraction: int,
) -> int:
    """The integer ``first``, with its fraction bits, plus the products ``terms`` in order, cast as
    the node demands; ``fraction`` are the bits of a product behind its cast.

    A WRAP accumulator counts one event if the sum that it stands for lies outside the word at
    the end; every other accumulator counts each add (and the cast of the start) that clips.
    """
    start, start_fraction = first
    if node.product is not None:
        assert node.weights is not None
        exact = node.weights.format.fraction + node.vector.format.fraction
        terms = machine.cast(f"{signal}.product", terms, exact, node.product)
    if node.accumulator is None:
        scale = node.format.fraction
        return (start << (scale - start_fraction)) + (sum(terms) << (scale - fraction))
    to = node.accumulator
    finest = max(fraction, to.fraction)
    total, events = cast(start, start_fraction, to)
    seen = [events]
    excess = rounded(start, start_fraction - to.fraction, to.rounding) - total
    for term in terms:
        raw = (total << (finest - to.fraction)) + (term << (finest - fraction))
        total, events = cast(raw, finest, to)
        if events is not NOTHING:  # else the rounded sum is the total
            seen.append(events)
            excess += rounded(raw, finest - to.fraction, to.rounding) - total
    if to.overflow is Overflow.WRAP:
        seen = [Events(wraps=int(excess != 0))]
    machine.note(signal, seen)
    return total


def _aligned(step: _Step, node: Node, fraction: int) -> Vector:
    shift = fraction - node.format.fraction
    return [value << shift for value in step.values[node]]


def _add(step: _Step, node: Add) -> Vector:
    a, b = (_aligned(step, part, node.format.fraction) for part in (node.a, node.b))
    return [p + q for p, q in zip(a, b, strict=True)]


def _subtract(step: _Step, node: Subtract) -> Vector:
    a, b = (_aligned(step, part, node.format.fraction) for part in (node.a, node.b))
    return [p - q for p, q in zip(a, b, strict=True)]


def _multiply(step: _Step, node: Multiply) -> Vector:
    return [p * q for p, q in zip(step.values[node.a], step.values[node.b], strict=True)]


def _select(step: _Step, node: Select) -> Vector:
    a, b = (_aligned(step, part, node.format.fraction) for part in (node.a, node.b))
    return [p if s >= 0 else q for s, p, q in zip(step.values[node.s], a, b, strict=True)]


def _shift(step: _Step, node: Shift) -> Vector:
    pairs = zip(step.values[node.a], step.values[node.by], strict=True)
    return [value << by for value, by in pairs]


def _clamp(step: _Step, node: Clamp) -> Vector:
    low, high = node.limits
    return [min(max(value, low), high) for value in step.values[node.a]]


def _gather(step: _Step, node: Gather) -> Vector:
    joined = [value for part in node.parts for value in step.values[part]]
    return [joined[index] for index in node.indices]


def _reinterpret(step: _Step, node: Reinterpret) -> Vector:
    return step.values[node.a]


def _cast(step: _Step, node: Cast) -> Vector:
    signal, fraction = step.graph.signal(node), node.a.format.fraction
    return step.machine.cast(signal, step.values[node.a], fraction, node.format)


def _lookup(step: _Step, node: Lookup) -> Vector:
    mask = (1 << node.a.format.width) - 1
    return [int(node.table.entries[value & mask]) for value in step.values[node.a]]


STEP_OPERATIONS: Mapping[type, Callable[..., Vector]] = operation_table(
    {
        Input: _input,
        State: _state,
        Constant: _constant,
        Matvec: _matvec,
        Add: _add,
        Subtract: _subtract,
        Multiply: _multiply,
        Select: _select,
        Shift: _shift,
        Clamp: _clamp,
        Gather: _gather,
        Reinterpret: _reinterpret,
        Cast: _cast,
        Lookup: _lookup,
    }
)


def constant_values(graph: StepGraph, tensors: Mapping[str, Vector]) -> dict[Node, Vector]:
    """The raw integers of every node that neither an input nor a state reaches.

    ``tensors`` are flat, by key.
    """
    events = {graph.signal(node): Events() for node in graph.nodes}
    step = _Step(_Machine(tensors, events=events), graph, ())
    for node in graph.nodes:
        changing = isinstance(node, Input | State | Matvec)
        if not changing and all(operand in step.values for operand in node.operands):
            step.values[node] = STEP_OPERATIONS[type(node)](step, node)
    return step.values


# --- the time operations -----------------------------------------------------------------------
Sequence_ = list[Vector]
Record = Callable[[str, Vector], None]


def _source(machine: _Machine, node: Source, sources: list[Sequence_], record: Record) -> Sequence_:
    return sources[0]


def _scan(machine: _Machine, node: Scan, sources: list[Sequence_], record: Record) -> Sequence_:
    graph = node.graph
    outputs = []
    for inputs in zip(*sources, strict=True):
        step = _Step(machine, graph, inputs)
        for operation in graph.nodes:
            value = STEP_OPERATIONS[type(operation)](step, operation)
            step.values[operation] = value
            record(graph.signal(operation), value)
        for state, value_node in graph.updates:
            machine.states[state] = step.values[value_node]
        outputs.append(step.values[graph.output])
    return outputs


def _reverse(
    machine: _Machine, node: Reverse, sources: list[Sequence_], record: Record
) -> Sequence_:
    return sources[0][::-1]


def _window(machine: _Machine, node: Window, sources: list[Sequence_], record: Record) -> Sequence_:
    steps = sources[0]
    starts = range(node.length(len(steps)))
    return [list(chain.from_iterable(steps[t : t + node.width])) for t in starts]


def _last(machine: _Machine, node: Last, sources: list[Sequence_], record: Record) -> Sequence_:
    return sources[0][-1:]


def _total(machine: _Machine, node: Total, sources: list[Sequence_], record: Record) -> Sequence_:
    return [[sum(column) for column in zip(*sources[0], strict=True)]]


def _steps(machine: _Machine, node: Steps, sources: list[Sequence_], record: Record) -> Sequence_:
    return [[len(sources[0])]]


TIME_STEPS: Mapping[type, Callable[..., Sequence_]] = time_table(
    {
        Source: _source,
        Scan: _scan,
        Reverse: _reverse,
        Window: _window,
        Last: _last,
        Total: _total,
        Steps: _steps,
    }
)


def run(network: Network, parameters: Parameters, batch: Batch, traces: Iterable[str] = ()) -> Run:
    """The network on a batch, by definition.

    Raises:
        DesignError: a trace names no signal of the network.
    """
    traced = {name: network.signal(name) for name in traces}
    machine = _Machine({key: raw.ravel().tolist() for key, raw in parameters.raw.items()})
    machine.events = {name: Events() for name, _ in event_signals(network)}
    outputs: dict[TimeNode, list[Sequence_]] = {node: [] for node in network.outputs}
    recorded: dict[str, list[Sequence_]] = {name: [] for name in traced}
    final: dict[str, list[Vector]] = {name: [] for name in network.states()}
    for index in range(batch.sequences):
        for name, state in network.states().items():
            machine.states[state] = _first_value(machine, batch, index, name, state)
        seen: dict[str, Sequence_] = {name: [] for name in traced}

        def record(signal: str, value: Vector, seen: dict[str, Sequence_] = seen) -> None:
            if signal in seen:
                seen[signal].append(value)

        sequences: dict[TimeNode, Sequence_] = {}
        first = batch.inputs[index, : batch.lengths[index]].tolist()
        for node in network.nodes:
            sources = [sequences[source] for source in node.sources] or [first]
            sequences[node] = TIME_STEPS[type(node)](machine, node, sources, record)
        for node, given in outputs.items():
            given.append(sequences[node])
        for name in traced:
            recorded[name].append(seen[name])
        for name, state in network.states().items():
            final[name].append(machine.states[state])
    steps = batch.inputs.shape[1]
    by_output = {
        node.name: Vectors(
            _padded(given, node.steps_for(steps)),
            np.array([len(vectors) for vectors in given], np.int64),
        )
        for node, given in outputs.items()
    }
    first = by_output[network.output.name]
    return Run(
        outputs=first.values,
        lengths=first.lengths,
        final={name: np.array(value, np.int64) for name, value in final.items()},
        traces={
            name: _padded(value, network.scan_of(name).steps_for(steps))
            for name, value in recorded.items()
        },
        events=machine.events,
        by_output=by_output,
    )


def _first_value(machine: _Machine, batch: Batch, index: int, name: str, state: Node) -> Vector:
    assert isinstance(state, State)
    if name in batch.initial:
        return [int(value) for value in batch.initial[name][index]]
    if state.initial is not None:
        return machine.tensors[state.initial.key]
    return [0] * state.units


def _padded(sequences: list[Sequence_], steps: int) -> NDArray[np.int64]:
    """[sequences, steps, units], zero past each end."""
    padded = np.zeros((len(sequences), steps, len(sequences[0][0])), np.int64)
    for index, vectors in enumerate(sequences):
        padded[index, : len(vectors)] = vectors
    return padded
