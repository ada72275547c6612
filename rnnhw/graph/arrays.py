"""One step of a layer on arrays: every operation by its definition, for many states at once.

It is as slow as it is plain: no operation is fused, reordered or proved away. The arrays hold
64-bit integers, which the formats of a graph promise to suffice, or Python's own, which always
do; both must give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.graph import nodes as op
from rnnhw.graph.elementwise import ELEMENTWISE, Arithmetic
from rnnhw.numerics.cast import Overflow, Q, cast, cast_array

__all__ = ["Array", "ArrayStep"]

Array = NDArray[Any]
"""Raw integers, int64 or (dtype object) Python's own; vectors are [units, states], or [units, 1]
where all states have the same."""


class _Integers(Arithmetic[Array]):
    """The arithmetic of raw integers in arrays."""

    def select(self, s: Array, a: Array, b: Array) -> Array:
        return np.where(s >= 0, a, b)

    def clamp(self, a: Array, low: int | None, high: int | None, fraction: int) -> Array:
        below = a if high is None else np.minimum(a, high)
        return below if low is None else np.maximum(below, low)


@dataclass
class ArrayStep:
    """One step of a graph from inputs by position, states by node and flat weights by key.

    ``values`` has then every node's vector, and ``clipped`` the names of the casts that met a
    value that does not fit.
    """

    graph: op.StepGraph
    inputs: list[Array]
    states: Mapping[op.Node, Array]
    raw: Mapping[str, Array]
    values: dict[op.Node, Array] = field(default_factory=dict)
    clipped: set[str] = field(default_factory=set)
    arithmetic: ClassVar[_Integers] = _Integers()

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            self.values[node] = OPERATIONS[type(node)](self, node)

    def cast(self, name: str, values: Array, fraction: int, to: Q) -> Array:
        """The values of ``fraction`` bits in the format ``to``; ``name`` is told if one is not."""
        if values.dtype != object:
            result, events = cast_array(values, fraction, to)
            self.clipped |= {name} if events.total else set()
            return result
        pairs = [cast(value, fraction, to) for value in values.ravel().tolist()]
        self.clipped |= {name} if any(events.total for _, events in pairs) else set()
        return np.array([value for value, _ in pairs], object).reshape(values.shape)


def _constant(step: ArrayStep, node: op.Constant) -> Array:
    values = np.array(node.values) if node.tensor is None else step.raw[node.tensor.key]
    return values.astype(step.inputs[0].dtype)[:, None]


def _shifted(values: Array, places: int) -> Array:
    return values << places if places else values


def _gather(step: ArrayStep, node: op.Gather) -> Array:
    parts = [step.values[part] for part in node.parts]
    states = max(part.shape[1] for part in parts)
    same = [np.broadcast_to(part, (len(part), states)) for part in parts]
    return np.concatenate(same)[list(node.indices)]


def _matvec(step: ArrayStep, node: op.Matvec) -> Array:
    vector, name = step.values[node.vector], step.graph.signal(node)
    weights = None if node.weights is None else step.raw[node.weights.key]
    rows = node.structure.stored_rows(
        np.zeros(0) if weights is None else weights, node.units, node.vector.units
    )
    result = []
    for index, row in enumerate(rows):
        factors = row.parameters if weights is None else weights[list(row.parameters)]
        terms = [f * vector[c] for f, c in zip(factors, row.columns, strict=True)]
        if node.product is not None:
            assert node.weights is not None
            exact = node.weights.format.fraction + node.vector.format.fraction
            terms = [step.cast(f"{name}.product", term, exact, node.product) for term in terms]
        start = vector[0] * 0 if node.start is None else step.values[node.start][index]
        fraction = node.format.fraction if node.start is None else node.start.format.fraction
        result.append(_sum(step, name, node, start, fraction, terms))
    return np.array(np.broadcast_arrays(*result))


def _sum(
    step: ArrayStep,
    name: str,
    node: op.Matvec,
    start: Array,
    start_fraction: int,
    terms: list[Array],
) -> Array:
    fraction, to = node.product_format[0], node.accumulator
    if to is None:
        scale = node.format.fraction
        total = _shifted(start, scale - start_fraction)
        for term in terms:
            total = total + _shifted(term, scale - fraction)
        return total
    # An accumulator that wraps is asked at its end alone whether the sum that it stands for fits.
    wraps = to.overflow is Overflow.WRAP
    endless = Q(63 - to.fraction, to.fraction, rounding=to.rounding, overflow=Overflow.WRAP)
    finest = max(fraction, to.fraction)
    total = step.cast("" if wraps else name, start, start_fraction, to)
    excess = step.cast("", start, start_fraction, endless) - total
    for term in terms:
        exact = (total << (finest - to.fraction)) + (term << (finest - fraction))
        total = step.cast("" if wraps else name, exact, finest, to)
        excess = excess + step.cast("", exact, finest, endless) - total
    step.clipped |= {name} if wraps and (excess != 0).any() else set()
    return total


OPERATIONS: Mapping[type, Callable[..., Array]] = op.operation_table(
    {
        op.Input: lambda step, node: step.inputs[node.position],
        op.State: lambda step, node: step.states[node],
        op.Constant: _constant,
        op.Matvec: _matvec,
        **ELEMENTWISE,
        op.Gather: _gather,
        op.Cast: lambda step, node: step.cast(
            step.graph.signal(node), step.values[node.a], node.a.format.fraction, node.format
        ),
        op.Lookup: lambda step, node: node.table.entries.astype(step.values[node.a].dtype)[
            (step.values[node.a] & (len(node.table.entries) - 1)).astype(int)
        ],
    }
)
