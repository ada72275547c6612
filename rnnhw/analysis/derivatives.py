"""Derivatives of one step: how every signal follows what the step reads, to first order.

Every node has a value and a matrix of derivatives by the elements of the states, of the inputs and
of the errors of its casts (forward-mode automatic differentiation; Griewank & Walther 2008,
"Evaluating Derivatives"). A cast is the identity plus an error of its own. A node is *linear*
where its derivatives are the same everywhere, so that they say all about it.

With ``through=False`` no derivative passes an activation: what remains at its argument is the
recurrent matrix of the cell, whatever structures it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.graph.nodes import (
    Add,
    Approximation,
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

__all__ = [
    "Columns",
    "Derivatives",
    "recurrent_matrices",
    "spectral_radius",
    "step_derivatives",
]

FloatArray = NDArray[np.float64]
Values = Mapping[str, FloatArray]
"""Real numbers of the tensors, by key."""

_NEAR = 1e-6
"""Half the distance of the two points between which a function's slope is taken."""


@dataclass(frozen=True)
class Columns:
    """Where the elements of each state, input and cast stand among the columns."""

    states: Mapping[State, slice]
    inputs: Mapping[Input, slice]
    casts: Mapping[Node, slice]
    count: int

    @property
    def state_count(self) -> int:
        """The elements of all states: the first columns."""
        return sum(each.stop - each.start for each in self.states.values())

    @classmethod
    def of(cls, graph: StepGraph, errors: bool) -> Columns:
        """The columns of a step; those of casts are there where ``errors`` are asked for."""
        first = 0

        def next_slice(units: int) -> slice:
            nonlocal first
            first += units
            return slice(first - units, first)

        states = {state: next_slice(state.units) for state, _ in graph.updates}
        inputs = {n: next_slice(n.units) for n in graph.nodes if isinstance(n, Input)}
        lossy = (n for n in graph.nodes if isinstance(n, Cast) and not n.changes_nothing)
        casts: dict[Node, slice] = {}
        if errors:
            casts |= {node: next_slice(node.units) for node in lossy}
        return cls(states, inputs, casts, first)


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Of every node: its value [units], its derivatives [units, columns], whether it is linear."""

    graph: StepGraph
    columns: Columns
    values: Mapping[Node, FloatArray]
    matrices: Mapping[Node, FloatArray]
    linear: Mapping[Node, bool]

    def jacobian(self) -> FloatArray:
        """The new states by the old ones, [elements, elements], in the order of the updates."""
        count = self.columns.state_count
        return np.concatenate([self.matrices[new][:, :count] for _, new in self.graph.updates])

    @property
    def recurrence_is_linear(self) -> bool:
        """Whether every new state is linear in what the step reads."""
        return all(self.linear[new] for _, new in self.graph.updates)


def spectral_radius(matrix: FloatArray) -> float:
    """The largest magnitude of an eigenvalue; NaN where the matrix is not finite."""
    if not np.isfinite(matrix).all():
        return float("nan")
    return float(np.abs(np.linalg.eigvals(matrix)).max(initial=0.0))


@dataclass
class _Run:
    graph: StepGraph
    tensors: Values
    columns: Columns
    through: bool
    stand_ins: Mapping[Node, Approximation]
    values: dict[Node, FloatArray] = field(default_factory=dict)
    matrices: dict[Node, FloatArray] = field(default_factory=dict)
    linear: dict[Node, bool] = field(default_factory=dict)

    def none(self, node: Node) -> FloatArray:
        return np.zeros((node.units, self.columns.count))

    def constant(self, node: Node) -> bool:
        """Whether nothing that the step reads can move a node."""
        return self.linear[node] and not self.matrices[node].any()


_Dual = tuple[FloatArray, FloatArray, bool]


def _read(run: _Run, node: Node, columns: slice) -> _Dual:
    matrix = run.none(node)
    matrix[:, columns] = np.eye(node.units)
    return np.zeros(node.units), matrix, True


def _input(run: _Run, node: Input) -> _Dual:
    return _read(run, node, run.columns.inputs[node])


def _state(run: _Run, node: State) -> _Dual:
    return _read(run, node, run.columns.states[node])


def _constant(run: _Run, node: Constant) -> _Dual:
    if node.tensor is None:
        return np.array(node.values, np.float64) * node.format.step, run.none(node), True
    return run.tensors[node.tensor.key].ravel(), run.none(node), True


def _matvec(run: _Run, node: Matvec) -> _Dual:
    stored = np.zeros(0) if node.weights is None else run.tensors[node.weights.key]
    matrix = node.structure.matrix(stored, node.units, node.vector.units)
    value, by = matrix @ run.values[node.vector], matrix @ run.matrices[node.vector]
    # Casts within the sum round and clip: no column stands for their errors.
    linear = run.linear[node.vector] and node.product is None and node.accumulator is None
    if node.start is not None:
        value, by = value + run.values[node.start], by + run.matrices[node.start]
        linear &= run.linear[node.start]
    return value, by, linear


def _add(run: _Run, node: Add) -> _Dual:
    a, b = node.a, node.b
    linear = run.linear[a] and run.linear[b]
    return run.values[a] + run.values[b], run.matrices[a] + run.matrices[b], linear


def _subtract(run: _Run, node: Subtract) -> _Dual:
    a, b = node.a, node.b
    linear = run.linear[a] and run.linear[b]
    return run.values[a] - run.values[b], run.matrices[a] - run.matrices[b], linear


def _multiply(run: _Run, node: Multiply) -> _Dual:
    a, b = node.a, node.b
    by = run.values[b][:, None] * run.matrices[a] + run.values[a][:, None] * run.matrices[b]
    linear = (run.constant(a) and run.linear[b]) or (run.constant(b) and run.linear[a])
    return run.values[a] * run.values[b], by, linear


def _select(run: _Run, node: Select) -> _Dual:
    chosen = run.values[node.s] >= 0
    value = np.where(chosen, run.values[node.a], run.values[node.b])
    by = np.where(chosen[:, None], run.matrices[node.a], run.matrices[node.b])
    linear = run.constant(node.s) and run.linear[node.a] and run.linear[node.b]
    return value, by, linear


def _shift(run: _Run, node: Shift) -> _Dual:
    scale = np.exp2(run.values[node.by])
    by = run.matrices[node.a] * scale[:, None]
    return run.values[node.a] * scale, by, run.linear[node.a]


def _clamp(run: _Run, node: Clamp) -> _Dual:
    step = node.a.format.step
    low = -np.inf if node.low is None else node.low * step
    high = np.inf if node.high is None else node.high * step
    value = run.values[node.a]
    inside = (low <= value) & (value <= high) if run.through else np.zeros(value.shape, bool)
    by = np.where(inside[:, None], run.matrices[node.a], 0.0)
    return np.clip(value, low, high), by, run.constant(node.a)


def _gather(run: _Run, node: Gather) -> _Dual:
    chosen = list(node.indices)
    value = np.concatenate([run.values[part] for part in node.parts])[chosen]
    by = np.concatenate([run.matrices[part] for part in node.parts])[chosen]
    return value, by, all(run.linear[part] for part in node.parts)


def _reinterpret(run: _Run, node: Reinterpret) -> _Dual:
    scale = 2.0 ** (node.a.format.fraction - node.format.fraction)
    return run.values[node.a] * scale, run.matrices[node.a] * scale, run.linear[node.a]


def _cast(run: _Run, node: Cast) -> _Dual:
    by = run.matrices[node.a]
    if node in run.columns.casts:
        by = by.copy()
        by[:, run.columns.casts[node]] += np.eye(node.units)
    return run.values[node.a], by, run.linear[node.a]


def _lookup(run: _Run, node: Lookup) -> _Dual:
    return _function(run, node, node.a, node.table.function)


def _function(
    run: _Run, node: Node, argument: Node, function: Callable[[FloatArray], FloatArray]
) -> _Dual:
    at = run.values[argument]
    value = np.asarray(function(at), np.float64)
    if not run.through:
        return value, run.none(node), run.constant(argument)
    above, below = (np.asarray(function(at + side), np.float64) for side in (_NEAR, -_NEAR))
    slope = (above - below) / (2 * _NEAR)
    return value, slope[:, None] * run.matrices[argument], run.constant(argument)


STEP_DERIVATIVES: Mapping[type, Callable[..., _Dual]] = operation_table(
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


def step_derivatives(
    graph: StepGraph, tensors: Values, *, errors: bool = False, through: bool = True
) -> Derivatives:
    """The derivatives of a step where states and inputs are zero.

    Args:
        graph: one step of a layer.
        tensors: real numbers by key, quantised or not.
        errors: give the errors of casts columns too.
        through: let derivatives pass activations (and limits).
    """
    run = _Run(graph, tensors, Columns.of(graph, errors), through, graph.functions())
    for node in graph.nodes:
        approximated = run.stand_ins.get(node)
        if approximated is not None and not errors:
            dual = _function(run, node, approximated.argument, approximated.function)
        else:
            dual = STEP_DERIVATIVES[type(node)](run, node)
        run.values[node], run.matrices[node], run.linear[node] = dual
    return Derivatives(graph, run.columns, run.values, run.matrices, run.linear)


def recurrent_matrices(graph: StepGraph, tensors: Values) -> dict[str, FloatArray]:
    """The square matrices by which states enter activations (or linear new states), by signal.

    Args:
        graph: one step of a layer.
        tensors: real numbers by key.
    """
    step = step_derivatives(graph, tensors, through=False)
    inner = graph.inner_nodes()
    arguments = [each.argument for each in graph.approximations]
    arguments += [
        node.a for node in graph.nodes if isinstance(node, Lookup | Clamp) and node not in inner
    ]
    arguments += [new for _, new in graph.updates if step.linear[new]]
    matrices = {}
    for node in dict.fromkeys(arguments):
        for columns in step.columns.states.values():
            part = step.matrices[node][:, columns]
            if step.linear[node] and part.any() and len(part) == part.shape[1]:
                matrices[graph.signal(node)] = part
    return matrices
