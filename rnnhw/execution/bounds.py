"""Bounds of a step's values with the real weights: narrower than their formats.

The engine computes a vector in the words, and keeps it in the storage, that its bounds need. They
hold for every input and every state of the formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from rnnhw.execution.products import Product, Raw
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
from rnnhw.graph.ranges import cast_bounds, interval_of
from rnnhw.numerics.cast import Interval

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


def bounds_of(
    graph: StepGraph, raw: Raw, known: Mapping[str, Product] | None = None
) -> tuple[Bounds, dict[Matvec, Product]]:
    """The least and greatest integer of every node, and the products with their weights.

    ``known`` are products of a graph that differs in formats alone, by name: their terms are shared
    where the weights are equal.
    """
    found: Bounds = {}
    products: dict[Matvec, Product] = {}
    for node in graph.nodes:
        if isinstance(node, Matvec) and node.weights is not None:
            like = None if known is None else known[node.name]
            products[node] = Product(node, raw, 64, found, like)
            low, high = products[node].bounds
        else:
            low, high = RULES[type(node)](node, found, raw)
        least, most = node.interval
        found[node] = max(low, least), min(high, most)
    return found, products


# --- one rule an operation ------------------------------------------------------------------------
def _format(node: Node, _found: Bounds, _raw: Raw) -> Interval:
    return node.interval


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


def _elementwise(node: Node, found: Bounds, _raw: Raw) -> Interval:
    return interval_of(node, found)


def _gather(node: Gather, found: Bounds, _raw: Raw) -> Interval:
    return _hull(found[part] for part in node.parts)


def _cast(node: Cast, found: Bounds, _raw: Raw) -> Interval:
    return cast_bounds(node.a.format.fraction, found[node.a], node.format)


def _lookup(node: Lookup, _found: Bounds, _raw: Raw) -> Interval:
    return int(node.table.entries.min()), int(node.table.entries.max())


def _hull(intervals: Iterable[Interval]) -> Interval:
    lows, highs = zip(*intervals, strict=True)
    return min(lows), max(highs)


RULES: Mapping[type, Callable[..., Interval]] = operation_table(
    {
        Input: _format,
        State: _format,
        Constant: _constant,
        Matvec: _transform,
        **dict.fromkeys(ELEMENTWISE, _elementwise),
        Gather: _gather,
        Cast: _cast,
        Lookup: _lookup,
    }
)
