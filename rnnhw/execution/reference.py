"""The float reference: what the network would compute without word lengths.

Casts are the identity and tables their functions, in float64, for a whole batch at once. Any set
of error sources can be switched on, which splits the error of a design by source.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError
from rnnhw.execution.array_steps import ARRAY_STEPS, RealArrays
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
    Approximation,
    Cast,
    Constant,
    Gather,
    Lookup,
    Matvec,
    Node,
    Select,
    State,
    StepGraph,
    Tensor,
    operation_table,
)
from rnnhw.numerics.cast import Q, quantise, real_values

__all__ = ["SOURCES", "Observer", "Reference", "exact_inputs", "run_reference"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SOURCES = ("input", "weights", "state", "tables", "accumulator")
"""Where a fixed-point design loses accuracy: inputs; weights and biases; states, gates and
outputs; the entries and addresses of tables; sums, products and everything between."""

_STATE_ROLES = {"state", "cell", "gate", "output"}


@dataclass(frozen=True, eq=False)
class Reference:
    """Real ``outputs`` [sequences, steps, units], zero past a sequence's length; ``traces`` of
    signals likewise; ``final`` holds every state [sequences, units] after each sequence's last
    step. Of a network with several outputs ``outputs`` is the first; ``by_output`` has the values
    of each by its name."""

    outputs: FloatArray
    lengths: IntArray
    traces: Mapping[str, FloatArray]
    final: Mapping[str, FloatArray]
    by_output: Mapping[str, FloatArray]


@dataclass
class _Run:
    """One scan at one step, for all sequences: values are [sequences, units]."""

    graph: StepGraph
    parameters: Parameters
    quantised: frozenset[str]
    matrices: dict[Matvec, FloatArray]
    inputs: list[FloatArray] = field(default_factory=list)
    states: dict[Node, FloatArray] = field(default_factory=dict)
    values: dict[Node, FloatArray] = field(default_factory=dict)
    arithmetic: ClassVar[RealArrays] = RealArrays(np)

    def tensor(self, tensor: Tensor) -> FloatArray:
        """A tensor's real numbers, rounded to its format if weights are an error source."""
        if "weights" in self.quantised:
            return real_values(self.parameters.raw[tensor.key], tensor.format)
        return self.parameters.values[tensor.key]


def _rounded(values: FloatArray, to: Q) -> FloatArray:
    return real_values(quantise(values, to)[0], to)


def _constant(run: _Run, node: Constant) -> FloatArray:
    if node.tensor is None:
        values = np.array(node.values, np.float64) * node.format.step
    else:
        values = run.tensor(node.tensor)
    return np.broadcast_to(values, (len(run.inputs[0]), node.units))


def _matvec(run: _Run, node: Matvec) -> FloatArray:
    if node not in run.matrices:
        stored = np.zeros(0) if node.weights is None else run.tensor(node.weights)
        run.matrices[node] = node.structure.matrix(stored, node.units, node.vector.units)
    start = 0.0 if node.start is None else run.values[node.start]
    vector = run.values[node.vector]
    if "accumulator" not in run.quantised or (node.product is None and node.accumulator is None):
        product = _product(vector, run.matrices[node])
        product += start
        return product
    return _summed_in_order(run, node, start, vector)


_SMALL_PRODUCT = 1 << 18
"""Multiplications up to which a BLAS keeps to one thread (OpenBLAS, interface/gemm.c)."""


def _product(vectors: FloatArray, matrix: FloatArray) -> FloatArray:
    """``vectors @ matrix.T``. Many vectors by a small matrix are parted, because threads cost more
    than they save there: verifying adder_butterfly took 26 s instead of 5 with two cores."""
    rows = _SMALL_PRODUCT // matrix.size
    if rows < 64 or len(vectors) <= rows:
        return vectors @ matrix.T
    products = np.empty((len(vectors), len(matrix)))
    for first in range(0, len(vectors), rows):
        np.matmul(vectors[first : first + rows], matrix.T, out=products[first : first + rows])
    return products


def _summed_in_order(
    run: _Run, node: Matvec, start: FloatArray | float, vector: FloatArray
) -> FloatArray:
    """Products and sums rounded as the accumulator does, on real operands."""
    sums = np.broadcast_to(start, (len(vector), node.units)).astype(np.float64)
    if node.accumulator is not None:
        sums = _rounded(sums, node.accumulator)
    for column in range(node.vector.units):
        terms = vector[:, column, None] * run.matrices[node][:, column]
        if node.product is not None:
            terms = _rounded(terms, node.product)
        sums = sums + terms
        if node.accumulator is not None:
            sums = _rounded(sums, node.accumulator)
    return sums


def _cast(run: _Run, node: Cast) -> FloatArray:
    values = run.values[node.a]
    source = "state" if node.role in _STATE_ROLES else "accumulator"
    return _rounded(values, node.format) if source in run.quantised else values


def _lookup(run: _Run, node: Lookup) -> FloatArray:
    values = run.values[node.a]
    if "tables" in run.quantised:
        address = quantise(values, node.a.format)[0]
        entries = node.table.entries[address & (len(node.table.entries) - 1)]
        return real_values(entries, node.format)
    exact = node.table.function(values)
    if "state" in run.quantised and node.role in _STATE_ROLES:
        return _rounded(exact, node.format)
    return exact


STEP_OPERATIONS: Mapping[type, Callable[..., FloatArray]] = operation_table(
    {
        **ARRAY_STEPS,
        Constant: _constant,
        Matvec: _matvec,
        Cast: _cast,
        Lookup: _lookup,
    }
)


@dataclass(frozen=True, eq=False)
class _Sequences:
    """Real vectors [sequences, steps, units], zero past a sequence's length.

    A time operation may leave anything past the lengths: this is where it becomes zero.
    """

    values: FloatArray
    lengths: IntArray

    def __post_init__(self) -> None:
        if len(self.lengths) and self.lengths.min() < self.values.shape[1]:
            object.__setattr__(self, "values", _masked(self.values, self.lengths))


def _masked(values: FloatArray, lengths: IntArray) -> FloatArray:
    """``values`` [sequences, steps, units] with zeros past a sequence's length."""
    if values.dtype == np.float64 and (lengths >= values.shape[1]).all():
        return values
    valid = np.arange(values.shape[1]) < lengths[:, None]
    return np.where(valid[:, :, None], values, 0.0)


def exact_inputs(network: Network, x: FloatArray, lengths: IntArray) -> bool:
    """Whether the network's format holds all inputs ``x`` [sequences, steps, features] as they are,
    so that "input" is no source of error."""
    values = np.ascontiguousarray(_masked(x, lengths))
    rounded = _rounded(values, network.source.format)
    return np.array_equal(rounded.view(np.int64), values.view(np.int64))


Observer = Callable[[StepGraph, Mapping[Node, FloatArray], NDArray[np.bool_]], None]
"""Called after every step of every layer: its graph, the values of its nodes [sequences, units],
and which sequences have this step."""


@dataclass(frozen=True, eq=False)
class _Context:
    parameters: Parameters
    quantised: frozenset[str]
    initial: Mapping[str, FloatArray]
    traces: dict[str, FloatArray]
    final: dict[str, FloatArray]
    first: int
    finite: bool
    observer: Observer | None = None


_SELECTING = (Cast, Gather, Select)
"""Operations whose results are finite where their operands are, which were looked at before."""


def _require_finite(
    signal: str, first: int, step: int, values: FloatArray, valid: NDArray[np.bool_]
) -> None:
    """Refuse infinite and NaN values [sequences, units] of valid sequences, ``first`` and on."""
    # A sum is finite where all terms are, but for one that overflows: it is read faster than a
    # mask is written.
    if math.isfinite(np.add.reduce(values, axis=None)) or np.isfinite(values).all():
        return
    bad = np.argwhere(~np.isfinite(values) & valid[:, None])
    if len(bad):
        sequence, unit = map(int, bad[0])
        raise DesignError(
            f"the float reference of {signal} is {values[sequence, unit]} at step {step} "
            f"of sequence {first + sequence}, unit {unit}",
            "without word lengths the network grows beyond float64: give it smaller weights, or "
            "shorter sequences",
        )


def _source(context: _Context, node: Source, source: _Sequences) -> _Sequences:
    return source


def _scan(context: _Context, node: Scan, *sources: _Sequences) -> _Sequences:
    graph, lengths = node.graph, sources[0].lengths
    sequences, steps = sources[0].values.shape[:2]
    run = _Run(graph, context.parameters, context.quantised, {})
    recorded = {name: value for name, value in graph.signals() if name in context.traces}
    kept = {
        value: np.empty((sequences, steps, value.units))
        for value in (graph.output, *recorded.values())
    }
    for state, _ in graph.updates:
        run.states[state] = _first_value(context, run, graph, state, sequences)
    program = _program(context, graph)
    constants: dict[Node, FloatArray] = {}
    shortest = int(lengths.min()) if sequences else 0
    for t in range(steps):
        valid = t < lengths
        run.inputs = [source.values[:, t] for source in sources]
        run.values = dict(constants)
        for each in program:
            run.quantised = each.quantised
            value = run.values[each.node] = each.compute(run, each.node)
            if each.checked:
                _require_finite(graph.signal(each.node), context.first, t, value, valid)
        if context.observer is not None:
            context.observer(graph, run.values, valid)
        if t == 0:  # constants stay as they are
            constants = {n: v for n, v in run.values.items() if isinstance(n, Constant)}
            program = [each for each in program if each.node not in constants]
        for value_kept, array in kept.items():
            array[:, t] = run.values[value_kept]
        for state, new in graph.updates:
            # Past its length a sequence has no steps: its states stay as they are.
            before, after = run.states[state], run.values[new]
            run.states[state] = after if t < shortest else np.where(valid[:, None], after, before)
    for name, traced in recorded.items():
        context.traces[name] = _masked(kept[traced], lengths)
    for state, _ in graph.updates:
        context.final[graph.state_name(state)] = run.states[state]
    return _Sequences(kept[graph.output], lengths)


@dataclass(frozen=True)
class _Operation:
    """One operation of a step: how it is computed, the sources of error that act in it, and whether
    its value must be finite."""

    node: Node
    compute: Callable[[_Run, Any], FloatArray]
    quantised: frozenset[str]
    checked: bool


def _program(context: _Context, graph: StepGraph) -> list[_Operation]:
    """The operations of a step in order."""
    # What approximates a function is a source of error like a table.
    by_table = "tables" in context.quantised
    stand_ins = {} if by_table else graph.functions()
    rounded_inside = frozenset(SOURCES) if by_table else frozenset()
    inner = graph.inner_nodes()
    within = inner | {each.node for each in graph.approximations}
    return [
        _Operation(
            node,
            partial(_stand_in, context, stand_ins[node])
            if node in stand_ins
            else STEP_OPERATIONS[type(node)],
            rounded_inside if node in within else context.quantised,
            context.finite and node not in inner and not isinstance(node, _SELECTING),
        )
        for node in graph.nodes
    ]


def _stand_in(context: _Context, each: Approximation, run: _Run, node: Node) -> FloatArray:
    """The real function that a node stands for."""
    exact = np.asarray(each.function(run.values[each.argument]), np.float64)
    if "state" in context.quantised and each.node.role in _STATE_ROLES:
        return _rounded(exact, each.node.format)
    return exact


def _first_value(
    context: _Context, run: _Run, graph: StepGraph, state: State, sequences: int
) -> FloatArray:
    """A state before the first step, [sequences, units]."""
    given = context.initial.get(graph.state_name(state))
    if given is not None:
        return _rounded(given, state.format) if "state" in context.quantised else given
    first = np.zeros(state.units) if state.initial is None else run.tensor(state.initial)
    return np.tile(first, (sequences, 1))


def _reverse(context: _Context, node: Reverse, source: _Sequences) -> _Sequences:
    values = np.zeros_like(source.values)
    for index, steps in enumerate(source.lengths):
        values[index, :steps] = source.values[index, :steps][::-1]
    return _Sequences(values, source.lengths)


def _window(context: _Context, node: Window, source: _Sequences) -> _Sequences:
    steps = source.values.shape[1] - node.width + 1
    values = np.concatenate([source.values[:, k : k + steps] for k in range(node.width)], axis=2)
    return _Sequences(values, source.lengths - node.width + 1)


def _last(context: _Context, node: Last, source: _Sequences) -> _Sequences:
    index = np.arange(len(source.lengths))
    return _single(source.values[index, source.lengths - 1])


def _total(context: _Context, node: Total, source: _Sequences) -> _Sequences:
    return _single(source.values.sum(1))


def _steps(context: _Context, node: Steps, source: _Sequences) -> _Sequences:
    return _single(source.lengths[:, None].astype(np.float64))


def _single(values: FloatArray) -> _Sequences:
    return _Sequences(values[:, None], np.ones(len(values), np.int64))


TIME_STEPS: Mapping[type, Callable[..., _Sequences]] = time_table(
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


def run_reference(
    network: Network,
    parameters: Parameters,
    x: FloatArray,
    lengths: IntArray,
    traces: Iterable[str] = (),
    quantised: Iterable[str] = (),
    *,
    initial: Mapping[str, FloatArray] | None = None,
    first: int = 0,
    finite: bool = True,
    observer: Observer | None = None,
) -> Reference:
    """Run the network on real inputs.

    Args:
        network: what is run.
        parameters: its tensors.
        x: [sequences, steps, features]; values past each length are not read.
        lengths: the steps of every sequence.
        traces: signals to record.
        quantised: the :data:`SOURCES` of error that act; none is the plain float network.
        initial: real first values of states by name, [sequences, units].
        first: the number that messages give the first sequence.
        finite: refuse infinite and NaN values.
        observer: reads the values of all nodes while the network runs.

    Raises:
        DesignError: a value is infinite or NaN; the message names signal and step.
        ValueError: an error source is unknown.
    """
    acting = frozenset(quantised)
    if not acting <= set(SOURCES):
        raise ValueError(f"unknown error sources {sorted(acting - set(SOURCES))}")
    wanted: dict[str, FloatArray] = {name: np.zeros((0, 0, 0)) for name in traces}
    context = _Context(parameters, acting, initial or {}, wanted, {}, first, finite, observer)
    values = _masked(x, lengths)
    if "input" in acting:
        values = _rounded(values, network.source.format)
    sequences: dict[TimeNode, _Sequences] = {}
    # Growth beyond float64 is another error, which names signal and step.
    with np.errstate(over="ignore", invalid="ignore"):
        for node in network.nodes:
            sources = [sequences[source] for source in node.sources]
            result = TIME_STEPS[type(node)](
                context, node, *(sources or [_Sequences(values, lengths)])
            )
            if isinstance(node, Total) and finite:
                everywhere = np.ones(len(lengths), np.bool_)
                _require_finite(node.name, first, 0, result.values[:, 0], everywhere)
            sequences[node] = result
    result = sequences[network.output]
    by_output = {node.name: sequences[node].values for node in network.outputs}
    return Reference(result.values, result.lengths, context.traces, context.final, by_output)
