"""Widths of what the lanes multiply: operands moved to meet the accumulators, weights of one
scale."""

from __future__ import annotations

from collections.abc import Sequence

from rnnhw.accelerator.mapping.phases import Phase, Transform
from rnnhw.accelerator.mapping.rows import LayerRows
from rnnhw.accelerator.mapping.vector_feed import products_of
from rnnhw.graph.nodes import Matvec

__all__ = [
    "operand_bits",
    "segment_shift",
    "stage_bias_bits",
    "stage_weight_bits",
    "weight_bits",
    "weight_fraction",
]

_UNIT_WEIGHT = 2
"""Bits of a weight that is -1, 0 or 1."""


def weight_fraction(products: Sequence[Matvec]) -> int:
    """Fraction bits of the weights of a segment: the most that one of its products has."""
    return max(0 if p.weights is None else p.weights.format.fraction for p in products)


def segment_shift(
    layer: LayerRows, phases: Sequence[Phase], lanes: int, phase: int, segment: int
) -> int:
    """By how many bits the operands of a segment move to meet the accumulators."""
    products = products_of(layer, phase, lanes)[segment]
    vector = phases[phase].segments[segment].vector
    fraction = weight_fraction(products) + vector.format.fraction
    return layer.accumulator(phase).fraction - fraction


def operand_bits(layer: LayerRows, phases: Sequence[Phase], lanes: int) -> int:
    """Bits of the widest operand of the columns; 0 without columns."""
    return max(
        (
            segment.vector.format.signed_width
            + max(segment_shift(layer, phases, lanes, number, position), 0)
            for number, phase in enumerate(phases)
            for position, segment in enumerate(phase.segments)
        ),
        default=0,
    )


def weight_bits(layer: LayerRows, phases: Sequence[Phase], lanes: int) -> int:
    """Bits of the widest weight of the columns, signed; 0 without columns."""
    widest = 0
    for number in range(len(phases)):
        for products in products_of(layer, number, lanes):
            scale = weight_fraction(products)
            for product in products:
                if product.weights is None:
                    widest = max(widest, _UNIT_WEIGHT)
                    continue
                format = product.weights.format
                widest = max(widest, format.signed_width + scale - format.fraction)
    return widest


def stage_weight_bits(transforms: Sequence[Transform]) -> int:
    """Bits of the widest weight of stages in the feed, signed; 0 without such stages."""
    weights = [each.node.weights for each in transforms]
    return max((tensor.format.signed_width for tensor in weights if tensor is not None), default=0)


def stage_bias_bits(transforms: Sequence[Transform]) -> int:
    """Bits of the widest number that a stage in the feed starts from, signed, at the scale of its
    sums; 0 where all start from zero."""
    widest = 0
    for node in (each.node for each in transforms):
        if node.start is None:
            continue
        low, high = node.start.interval
        format = node.start.format
        if node.accumulator is not None:
            low, high, format = node.accumulator.lowest, node.accumulator.max, node.accumulator
        bits = 1 + max(high.bit_length(), (~low).bit_length())
        widest = max(widest, bits + node.format.fraction - format.fraction)
    return widest
