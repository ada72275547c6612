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

from rnnhw.graph.elementwise import ELEMENTWISE, Arithmetic
from rnnhw.graph.nodes import (
    Approximation,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Node,
    State,
    StepGraph,
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


@dataclass(frozen=True, eq=False)
class _Dual:
    """A vector's ``value`` [units], its derivatives ``by`` [units, columns], and whether it is
    ``linear``."""

    value: FloatArray
    by: FloatArray
    linear: bool

    @property
    def constant(self) -> bool:
        """Whether nothing that the step reads can move it."""
        return self.linear and not self.by.any()

    def scaled(self, factor: FloatArray) -> _Dual:
        """Every element times its factor."""
        return _Dual(self.value * factor, self.by * factor[..., None], self.linear)


@dataclass(frozen=True)
class _Duals(Arithmetic[_Dual]):
    """The arithmetic of derivatives, which pass limits where they go ``through``."""

    through: bool

    def add(self, a: _Dual, b: _Dual) -> _Dual:
        return _Dual(a.value + b.value, a.by + b.by, a.linear and b.linear)

    def subtract(self, a: _Dual, b: _Dual) -> _Dual:
        return _Dual(a.value - b.value, a.by - b.by, a.linear and b.linear)

    def multiply(self, a: _Dual, b: _Dual) -> _Dual:
        by = b.value[:, None] * a.by + a.value[:, None] * b.by
        linear = (a.constant and b.linear) or (b.constant and a.linear)
        return _Dual(a.value * b.value, by, linear)

    def select(self, s: _Dual, a: _Dual, b: _Dual) -> _Dual:
        first = s.value >= 0
        by = np.where(first[:, None], a.by, b.by)
        return _Dual(np.where(first, a.value, b.value), by, s.constant and a.linear and b.linear)

    def shift(self, a: _Dual, by: _Dual) -> _Dual:
        return a.scaled(np.exp2(by.value))

    def clamp(self, a: _Dual, low: int | None, high: int | None, fraction: int) -> _Dual:
        step = 2.0**-fraction
        least = -np.inf if low is None else low * step
        most = np.inf if high is None else high * step
        inside = (least <= a.value) & (a.value <= most) & self.through
        by = np.where(inside[:, None], a.by, 0.0)
        return _Dual(np.clip(a.value, least, most), by, a.constant)

    def align(self, a: _Dual, places: int) -> _Dual:
        return a

    def reinterpret(self, a: _Dual, places: int) -> _Dual:
        return a.scaled(np.array(2.0**places))


@dataclass
class _Run:
    graph: StepGraph
    tensors: Values
    columns: Columns
    arithmetic: _Duals
    stand_ins: Mapping[Node, Approximation]
    values: dict[Node, _Dual] = field(default_factory=dict)

    def none(self, node: Node) -> FloatArray:
        return np.zeros((node.units, self.columns.count))


def _read(run: _Run, node: Node, columns: slice) -> _Dual:
    matrix = run.none(node)
    matrix[:, columns] = np.eye(node.units)
    return _Dual(np.zeros(node.units), matrix, True)


def _input(run: _Run, node: Input) -> _Dual:
    return _read(run, node, run.columns.inputs[node])


def _state(run: _Run, node: State) -> _Dual:
    return _read(run, node, run.columns.states[node])


def _constant(run: _Run, node: Constant) -> _Dual:
    if node.tensor is None:
        return _Dual(np.array(node.values, np.float64) * node.format.step, run.none(node), True)
    return _Dual(run.tensors[node.tensor.key].ravel(), run.none(node), True)


def _matvec(run: _Run, node: Matvec) -> _Dual:
    stored = np.zeros(0) if node.weights is None else run.tensors[node.weights.key]
    matrix = node.structure.matrix(stored, node.units, node.vector.units)
    vector = run.values[node.vector]
    # Casts within the sum round and clip: no column stands for their errors.
    linear = vector.linear and node.product is None and node.accumulator is None
    product = _Dual(matrix @ vector.value, matrix @ vector.by, linear)
    if node.start is None:
        return product
    return run.arithmetic.add(product, run.values[node.start])


def _gather(run: _Run, node: Gather) -> _Dual:
    chosen, parts = list(node.indices), [run.values[part] for part in node.parts]
    value = np.concatenate([part.value for part in parts])[chosen]
    by = np.concatenate([part.by for part in parts])[chosen]
    return _Dual(value, by, all(part.linear for part in parts))


def _cast(run: _Run, node: Cast) -> _Dual:
    a = run.values[node.a]
    if node not in run.columns.casts:
        return a
    by = a.by.copy()
    by[:, run.columns.casts[node]] += np.eye(node.units)
    return _Dual(a.value, by, a.linear)


def _lookup(run: _Run, node: Lookup) -> _Dual:
    return _function(run, node, node.a, node.table.function)


def _function(
    run: _Run, node: Node, argument: Node, function: Callable[[FloatArray], FloatArray]
) -> _Dual:
    a = run.values[argument]
    value = np.asarray(function(a.value), np.float64)
    if not run.arithmetic.through:
        return _Dual(value, run.none(node), a.constant)
    above, below = (np.asarray(function(a.value + side), np.float64) for side in (_NEAR, -_NEAR))
    slope = (above - below) / (2 * _NEAR)
    return _Dual(value, slope[:, None] * a.by, a.constant)


STEP_DERIVATIVES: Mapping[type, Callable[..., _Dual]] = operation_table(
    {
        Input: _input,
        State: _state,
        Constant: _constant,
        Matvec: _matvec,
        **ELEMENTWISE,
        Gather: _gather,
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
    columns, duals = Columns.of(graph, errors), _Duals(through)
    run = _Run(graph, tensors, columns, duals, graph.functions())
    for node in graph.nodes:
        approximated = run.stand_ins.get(node)
        if approximated is not None and not errors:
            dual = _function(run, node, approximated.argument, approximated.function)
        else:
            dual = STEP_DERIVATIVES[type(node)](run, node)
        run.values[node] = dual
    return Derivatives(
        graph,
        columns,
        {node: dual.value for node, dual in run.values.items()},
        {node: dual.by for node, dual in run.values.items()},
        {node: dual.linear for node, dual in run.values.items()},
    )


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
