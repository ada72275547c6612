"""Ranges of signals in words: what is used, what is missing, and the formats that follow.

Printed only: nothing here changes a format, a width or a cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rnnhw.analysis.guaranteed import LayerRanges, guaranteed_ranges
from rnnhw.analysis.intervals import Box, unfitted
from rnnhw.design.design import Design
from rnnhw.dynamics.model import Rate, SignalRange
from rnnhw.dynamics.observed import Observed
from rnnhw.graph.nodes import (
    Cast,
    Constant,
    Input,
    Lookup,
    Matvec,
    Node,
    StepGraph,
    Tensor,
    previous,
)
from rnnhw.numerics.cast import Interval, Q, interval_format

__all__ = ["signal_ranges", "signal_rates"]


def signal_ranges(design: Design, observed: Observed) -> list[SignalRange]:
    """Every signal of every layer, in the order of the graphs."""
    network, raw = design.network, design.parameters.raw
    first = {}
    for key, (name, _) in network.first_states().items():
        if key in observed.samples.first:
            before = previous(name)
            first[name] = Box(observed.low[before], observed.high[before])
    found = []
    for scan, ranges in guaranteed_ranges(network, raw, first).items():
        found += [_tensor(tensor, design) for tensor in scan.graph.tensors]
        own = [source is network.source for source in scan.sources]
        found += list(_layer(scan.graph, ranges, observed, own))
    return found


def _tensor(tensor: Tensor, design: Design) -> SignalRange:
    """The numbers of a tensor: the same on every task."""
    raw = design.parameters.raw[tensor.key]
    values = int(raw.min()), int(raw.max())
    # What they would be in a word without end; the rounding of one LSB more or less is no matter.
    real = design.parameters.values[tensor.key] / tensor.format.step
    wanted = (
        min(values[0], math.floor(float(real.min()) + 0.5)),
        max(values[1], math.floor(float(real.max()) + 0.5)),
    )
    fits = not design.parameters.events[tensor.key].total
    needed = values if fits else wanted
    missing = 0 if fits else _missing(tensor.format, wanted)
    unused, proposed = _unused(tensor.format, values), _proposed(tensor.format, needed)
    return SignalRange(
        name=tensor.key,
        role=tensor.role,
        format=repr(tensor.format),
        width=tensor.format.width,
        step=tensor.format.step,
        observed=values,
        guaranteed=values,
        guaranteed_by="stored",
        unused_bits=unused,
        guaranteed_unused_bits=unused,
        missing_bits=missing,
        guaranteed_missing_bits=missing,
        proposed=proposed,
        guaranteed_proposed=proposed,
    )


def _layer(
    graph: StepGraph, ranges: LayerRanges, observed: Observed, own: Sequence[bool]
) -> Iterator[SignalRange]:
    """The signals of a layer; ``own`` tells which of its sources are the network's input."""
    for name, node in graph.signals():
        if isinstance(node, Constant):  # tensors are told once, literals are no signals
            continue
        seen = int(observed.low[name].min()), int(observed.high[name].max())
        box = ranges.boxes[node]
        sure = int(box.low.min()), int(box.high.max())
        chosen = _has_chosen_format(node)
        wanted, surely_wanted = _wanted(graph, node, ranges, observed)
        if isinstance(node, Input) and own[node.position]:
            chosen, wanted = True, _read(node, observed)
        yield SignalRange(
            name=name,
            role=node.role,
            format=repr(node.format),
            width=node.format.width,
            step=node.format.step,
            observed=seen,
            guaranteed=sure,
            guaranteed_by=ranges.by[node],
            unused_bits=_unused(node.format, seen),
            guaranteed_unused_bits=_unused(node.format, sure),
            missing_bits=_missing(node.format, wanted),
            guaranteed_missing_bits=_missing(node.format, surely_wanted),
            proposed=_proposed(node.format, wanted or seen) if chosen else "",
            guaranteed_proposed=_proposed(node.format, surely_wanted or sure) if chosen else "",
        )


def _has_chosen_format(node: Node) -> bool:
    """Whether the design chose the format: an exact result's follows from its operands'."""
    return isinstance(node, Cast | Lookup) or (
        isinstance(node, Matvec) and node.accumulator is not None
    )


def _wanted(
    graph: StepGraph, node: Node, ranges: LayerRanges, observed: Observed
) -> tuple[Interval | None, Interval | None]:
    """What a cast would give in a word without end, on the task and for ever; None: not known.

    Where nothing is fitted that is what the signal has. An accumulator that clips on the way hides
    what it would have been.
    """
    if isinstance(node, Cast):
        operand, fraction = node.a, node.a.format.fraction
        name = graph.signal(operand)
        seen = Box(observed.low[name], observed.high[name])
        sure = ranges.unclipped.get(operand, ranges.boxes[operand])
        return unfitted(seen, fraction, node.format), unfitted(sure, fraction, node.format)
    seen_box = observed.low[graph.signal(node)], observed.high[graph.signal(node)]
    box = ranges.boxes[node]
    pairs = (
        (int(seen_box[0].min()), int(seen_box[1].max())),
        (int(box.low.min()), int(box.high.max())),
    )
    if isinstance(node, Matvec) and (node.accumulator is not None or node.product is not None):
        name = graph.signal(node)
        events = [observed.events.get(each) for each in (name, f"{name}.product")]
        clipped = any(each is not None and each.total for each in events)
        return (None if clipped else pairs[0]), None
    return pairs


def _read(node: Node, observed: Observed) -> Interval:
    """What the task's real inputs would be in a word without end."""
    samples = observed.samples
    valid = np.arange(samples.x.shape[1]) < samples.lengths[:, None]
    real = samples.x[valid] / node.format.step
    return math.floor(float(real.min()) + 0.5), math.floor(float(real.max()) + 0.5)


def _unused(format: Q, values: Interval) -> int:
    """Top bits of the word that no value needs; a sign that is never negative is one."""
    return max(format.width - _needed(values), 0)


def _needed(values: Interval) -> int:
    return interval_format(*values, 0).width if _in_words(values) else 65


def _in_words(values: Interval) -> bool:
    return values[0] >= -(1 << 63) and values[1] < (1 << 63)


def _missing(format: Q, values: Interval | None) -> int | None:
    """Bits that the word lacks for these values."""
    if values is None:
        return None
    low, high = values
    if format.lowest <= low and high <= format.max:
        return 0
    needed = max(max(high, 0).bit_length(), max(-low - 1, 0).bit_length()) + (low < 0)
    if format.signed and low >= 0:
        needed += 1
    return max(needed - format.width, 1)


def _proposed(format: Q, values: Interval) -> str:
    """The narrowest word of the same step and modes; none if that is this one."""
    if not _in_words(values):
        return ""
    found = replace(
        interval_format(*values, format.fraction),
        rounding=format.rounding,
        overflow=format.overflow,
    )
    same = (found.width, found.signed) == (format.width, format.signed)
    return "" if same else repr(found)


def signal_rates(design: Design, observed: Observed) -> list[Rate]:
    """The casts, and sums in accumulators, with what clipped; inputs first."""
    signals = design.network.signals()
    found = []
    for name, events in observed.events.items():
        node = signals.get(name.removesuffix(".product"))
        if node is None:
            elements = int(observed.samples.lengths.sum()) * design.network.source.units
        else:
            elements = observed.elements[name.removesuffix(".product")]
        if isinstance(node, Cast) and node.changes_nothing:
            continue
        outside = observed.outside.get(name)
        found.append(
            Rate(
                signal=name,
                elements=elements,
                saturations=events.high + events.low,
                wraps=events.wraps,
                rate=events.total / elements,
                float_rate=None if outside is None else outside / elements,
            )
        )
    return found
