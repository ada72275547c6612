"""What the values of a step can be with the real weights: narrower than their formats.

The engine computes a vector in the words, and keeps it in the storage, that its bounds need. They
hold for every input and every state of the formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from rnnhw.execution.products import Product, Raw
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
from rnnhw.numerics.cast import Interval, Overflow, Q, rounded

__all__ = ["Bounds", "bounds_of", "signed_bits", "stored_bits"]

Bounds = dict[Node, Interval]


def signed_bits(interval: Interval) -> int:
    """Bits of the signed word that holds every integer of the interval."""
    low, high = interval
    return max(high.bit_length() if high > 0 else 0, (-low - 1).bit_length() if low < 0 else 0) + 1


def stored_bits(interval: Interval) -> int:
    """Bits of the narrowest integer type that holds every integer of the interval."""
    needed = signed_bits(interval)
    return next(bits for bits in (8, 16, 32, 64) if needed <= bits)


def bounds_of(graph: StepGraph, raw: Raw) -> tuple[Bounds, dict[Matvec, Product]]:
    """The least and greatest integer of every node, and the products with their weights."""
    found: Bounds = {}
    products: dict[Matvec, Product] = {}
    for node in graph.nodes:
        if isinstance(node, Matvec) and node.weights is not None:
            products[node] = Product(node, raw, 64, found)
            low, high = products[node].bounds
        else:
            low, high = RULES[type(node)](node, found, raw)
        least, most = node.interval
        found[node] = max(low, least), min(high, most)
    return found, products


# --- one rule an operation ------------------------------------------------------------------------
def _format(node: Node, _found: Bounds, _raw: Raw) -> Interval:
    return node.interval


def _same(node: Reinterpret, found: Bounds, _raw: Raw) -> Interval:
    return found[node.a]


def _constant(node: Constant, _found: Bounds, raw: Raw) -> Interval:
    values = np.array(node.values) if node.tensor is None else raw[node.tensor.key]
    return int(values.min()), int(values.max())


def _transform(node: Matvec, found: Bounds, _raw: Raw) -> Interval:
    """A structure of +1 and -1."""
    low, high = found[node.vector]
    low, high = node.structure.bounds(node.units, node.vector.units, (low, high), (low, high))
    shift = node.format.fraction - node.vector.format.fraction
    low, high = low << shift, high << shift
    if node.start is not None:
        least, most = found[node.start]
        shift = node.format.fraction - node.start.format.fraction
        low, high = low + (least << shift), high + (most << shift)
    return low, high


def _aligned(node: Node, operand: Node, found: Bounds) -> Interval:
    shift = node.format.fraction - operand.format.fraction
    low, high = found[operand]
    return low << shift, high << shift


def _add(node: Add, found: Bounds, _raw: Raw) -> Interval:
    (a, b), (c, d) = _aligned(node, node.a, found), _aligned(node, node.b, found)
    return a + c, b + d


def _subtract(node: Subtract, found: Bounds, _raw: Raw) -> Interval:
    (a, b), (c, d) = _aligned(node, node.a, found), _aligned(node, node.b, found)
    return a - d, b - c


def _select(node: Select, found: Bounds, _raw: Raw) -> Interval:
    (a, b), (c, d) = _aligned(node, node.a, found), _aligned(node, node.b, found)
    return min(a, c), max(b, d)


def _multiply(node: Multiply, found: Bounds, _raw: Raw) -> Interval:
    corners = [a * b for a in found[node.a] for b in found[node.b]]
    return min(corners), max(corners)


def _shift(node: Shift, found: Bounds, _raw: Raw) -> Interval:
    corners = [a << by for a in found[node.a] for by in found[node.by]]
    return min(corners), max(corners)


def _clamp(node: Clamp, found: Bounds, _raw: Raw) -> Interval:
    least, most = node.limits
    low, high = (max(least, min(most, end)) for end in found[node.a])
    return low, high


def _gather(node: Gather, found: Bounds, _raw: Raw) -> Interval:
    return _hull(found[part] for part in node.parts)


def _cast(node: Cast, found: Bounds, _raw: Raw) -> Interval:
    return cast_bounds(node.a.format.fraction, found[node.a], node.format)


def _lookup(node: Lookup, _found: Bounds, _raw: Raw) -> Interval:
    return int(node.table.entries.min()), int(node.table.entries.max())


def _hull(intervals: Iterable[Interval]) -> Interval:
    lows, highs = zip(*intervals, strict=True)
    return min(lows), max(highs)


def cast_bounds(fraction: int, values: Interval, to: Q) -> Interval:
    """What integers of ``values`` with so many fraction bits can become: no rounding changes their
    order, and neither does limiting them."""
    low, high = (rounded(end, fraction - to.fraction, to.rounding) for end in values)
    if to.lowest <= low and high <= to.max:
        return low, high
    if to.overflow.wraps:
        return to.min, to.max
    low, high = (max(to.lowest, min(to.max, end)) for end in (low, high))
    if to.overflow is Overflow.SAT_ZERO:
        return min(low, 0), max(high, 0)
    return low, high


RULES: Mapping[type, Callable[..., Interval]] = operation_table(
    {
        Input: _format,
        State: _format,
        Constant: _constant,
        Matvec: _transform,
        Add: _add,
        Subtract: _subtract,
        Multiply: _multiply,
        Select: _select,
        Shift: _shift,
        Clamp: _clamp,
        Gather: _gather,
        Reinterpret: _same,
        Cast: _cast,
        Lookup: _lookup,
    }
)
