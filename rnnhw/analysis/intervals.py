"""Interval arithmetic on a step graph: bounds of every element from bounds of its operands.

A :class:`Box` holds the least and greatest raw integer of every element of a vector. Every
operation maps boxes to a box that holds all of its results; with the real weights, so the bounds
are narrower than the formats'. What two elements have in common is forgotten: that is what
:mod:`rnnhw.analysis.affine` is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.graph.elementwise import ELEMENTWISE
from rnnhw.graph.nodes import (
    Cast,
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
from rnnhw.graph.ranges import Ranges, cast_bounds
from rnnhw.numerics.cast import Overflow, Q, cast_array, rounded

__all__ = ["Box", "cast_box", "product_matrix", "step_boxes", "unfitted"]

IntArray = NDArray[np.int64]
Tensors = Mapping[str, IntArray]
"""Raw integers of the tensors, by key."""


@dataclass(frozen=True, eq=False)
class Box:
    """Least and greatest raw integer of every element, both [units]."""

    low: IntArray
    high: IntArray

    @classmethod
    def point(cls, values: IntArray) -> Box:
        """One vector."""
        return cls(values, values)

    @classmethod
    def of(cls, node: Node) -> Box:
        """The range of the node's formats."""
        return cls(np.full(node.units, node.interval[0]), np.full(node.units, node.interval[1]))

    def __iter__(self) -> Iterator[IntArray]:
        """The two ends."""
        return iter((self.low, self.high))

    def joined(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def within(self, other: Box) -> Box:
        """The intersection of both; this one alone where they have nothing in common."""
        low, high = np.maximum(self.low, other.low), np.minimum(self.high, other.high)
        apart = low > high
        return Box(np.where(apart, self.low, low), np.where(apart, self.high, high))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Box):
            return NotImplemented
        return bool((self.low == other.low).all() and (self.high == other.high).all())

    __hash__ = None  # type: ignore[assignment]


class _Boxes(Ranges[Box]):
    """The arithmetic of boxes, which looks at every element by itself."""

    def square(self, a: Box) -> Box:
        low, high = a.low * a.low, a.high * a.high
        crosses = (a.low < 0) & (a.high > 0)
        return Box(np.where(crosses, 0, np.minimum(low, high)), np.maximum(low, high))

    def select(self, s: Box, a: Box, b: Box) -> Box:
        both = a.joined(b)
        first, second = s.low >= 0, s.high < 0
        return Box(
            np.where(first, a.low, np.where(second, b.low, both.low)),
            np.where(first, a.high, np.where(second, b.high, both.high)),
        )


BOXES = _Boxes(Box, np.minimum, np.maximum)


@dataclass
class _Run:
    tensors: Tensors
    matrices: dict[Matvec, IntArray]
    inputs: Sequence[Box]
    states: Mapping[State, Box]
    values: dict[Node, Box] = field(default_factory=dict)
    arithmetic: ClassVar[_Boxes] = BOXES


def _input(run: _Run, node: Input) -> Box:
    return run.inputs[node.position]


def _state(run: _Run, node: State) -> Box:
    return run.states[node]


def _constant(run: _Run, node: Constant) -> Box:
    if node.tensor is None:
        return Box.point(np.array(node.values, np.int64))
    return Box.point(run.tensors[node.tensor.key].ravel())


def product_matrix(node: Matvec, tensors: Tensors) -> IntArray:
    """The raw matrix [units, vector's units] of a product; signs where it has no weights."""
    flat = None if node.weights is None else tensors[node.weights.key].ravel()
    whole = np.zeros((node.units, node.vector.units), np.int64)
    for index, row in enumerate(node.structure.rows(node.units, node.vector.units)):
        parameters = list(row.parameters)
        whole[index, list(row.columns)] = parameters if flat is None else flat[parameters]
    return whole


def _matvec(run: _Run, node: Matvec) -> Box:
    vector = run.values[node.vector]
    if node.product is not None or node.accumulator is not None:
        return _summed_in_order(run, node, vector)
    if node not in run.matrices:
        run.matrices[node] = product_matrix(node, run.tensors)
    matrix = run.matrices[node]
    up, down = matrix.clip(min=0), matrix.clip(max=0)
    shift = node.format.fraction - node.product_format[0]
    low: IntArray = (up @ vector.low + down @ vector.high).astype(np.int64) << shift
    high: IntArray = (up @ vector.high + down @ vector.low).astype(np.int64) << shift
    if node.start is None:
        return Box(low, high)
    start = BOXES.align(run.values[node.start], node.format.fraction - node.start.format.fraction)
    return BOXES.add(Box(low, high), start)


def _summed_in_order(run: _Run, node: Matvec, vector: Box) -> Box:
    """Products and partial sums cast as the node demands, in Python integers term by term."""
    flat = None if node.weights is None else run.tensors[node.weights.key].ravel()
    weights = np.zeros(0, np.int64) if flat is None else flat
    fraction, _ = node.product_format
    start = run.values[node.start] if node.start is not None else None
    scale = node.start.format.fraction if node.start is not None else fraction
    lows, highs = [], []
    exact = (node.weights.format.fraction if node.weights else 0) + node.vector.format.fraction
    finest = max(fraction, node.accumulator.fraction) if node.accumulator else node.format.fraction
    listed = node.structure.stored_rows(weights, node.units, node.vector.units)
    for index, row in enumerate(listed):
        pair = (0, 0) if start is None else (int(start.low[index]), int(start.high[index]))
        if node.accumulator is not None:
            pair, scale_now = cast_bounds(scale, pair, node.accumulator), node.accumulator.fraction
        else:
            scale_now = finest
            pair = tuple(value << (finest - scale) for value in pair)  # type: ignore[assignment]
        for column, parameter in zip(row.columns, row.parameters, strict=True):
            weight = parameter if flat is None else int(flat[parameter])
            ends = weight * int(vector.low[column]), weight * int(vector.high[column])
            term = min(ends), max(ends)
            if node.product is not None:
                term = cast_bounds(exact, term, node.product)
            low, high = (
                (total << (finest - scale_now)) + (each << (finest - fraction))
                for total, each in zip(pair, term, strict=True)
            )
            if node.accumulator is not None:
                low, high = cast_bounds(finest, (low, high), node.accumulator)
            pair = low, high
        lows.append(pair[0])
        highs.append(pair[1])
    return Box(np.array(lows, np.int64), np.array(highs, np.int64))


def _gather(run: _Run, node: Gather) -> Box:
    chosen = list(node.indices)
    return Box(
        np.concatenate([run.values[part].low for part in node.parts])[chosen],
        np.concatenate([run.values[part].high for part in node.parts])[chosen],
    )


def _cast(run: _Run, node: Cast) -> Box:
    return cast_box(run.values[node.a], node.a.format.fraction, node.format)


def cast_box(box: Box, fraction: int, to: Q) -> Box:
    """All that a cast to ``to`` can make of ``box``, raw integers of ``fraction`` bits."""
    if to.overflow in (Overflow.SAT, Overflow.SAT_SYM):  # rounding and clipping keep the order
        return Box(cast_array(box.low, fraction, to)[0], cast_array(box.high, fraction, to)[0])
    pairs = [
        cast_bounds(fraction, ends, to)
        for ends in zip(box.low.tolist(), box.high.tolist(), strict=True)
    ]
    return Box(np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int64))


def unfitted(box: Box, fraction: int, to: Q) -> tuple[int, int]:
    """Least and greatest of what a cast to ``to`` rounds to, before it fits the word."""
    drop = fraction - to.fraction
    low = rounded(int(box.low.min()), drop, to.rounding)
    return low, rounded(int(box.high.max()), drop, to.rounding)


def _lookup(run: _Run, node: Lookup) -> Box:
    box, entries = run.values[node.a], node.table.entries
    if node.a.format.signed:  # in the order of the address as a signed number
        entries = np.roll(entries, len(entries) // 2)
        box = Box(box.low + len(entries) // 2, box.high + len(entries) // 2)
    limits: dict[tuple[int, int], tuple[int, int]] = {}
    pairs = list(zip(box.low.tolist(), box.high.tolist(), strict=True))
    for low, high in set(pairs):
        part = entries[low : high + 1]
        limits[low, high] = int(part.min()), int(part.max())
    return Box(
        np.array([limits[pair][0] for pair in pairs], np.int64),
        np.array([limits[pair][1] for pair in pairs], np.int64),
    )


STEP_BOXES: Mapping[type, Callable[..., Box]] = operation_table(
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


def step_boxes(
    graph: StepGraph,
    tensors: Tensors,
    states: Mapping[State, Box],
    inputs: Sequence[Box],
    matrices: dict[Matvec, IntArray] | None = None,
) -> dict[Node, Box]:
    """The box of every node of one step.

    Args:
        graph: one step of a layer.
        tensors: raw integers by key.
        states: what each state can be before the step.
        inputs: what each source can be.
        matrices: the matrices of products, kept from one call to the next.
    """
    run = _Run(tensors, {} if matrices is None else matrices, inputs, states)
    for node in graph.nodes:
        run.values[node] = STEP_BOXES[type(node)](run, node)
    return run.values
