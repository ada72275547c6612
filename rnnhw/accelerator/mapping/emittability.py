"""The parts of a layer without Verilog: their cycles follow the rules of the emitted parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rnnhw.accelerator.mapping.input_window import InputWindow
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.rows import LayerRows, Rows
from rnnhw.accelerator.mapping.transform_chains import obstacles_of_chains
from rnnhw.accelerator.mapping.unit_reads import joined_by_unit, phase_of
from rnnhw.accelerator.mapping.vector_feed import Feed, products_of
from rnnhw.accelerator.mapping.vector_layout import is_repeated, sources_of
from rnnhw.graph.nodes import Constant, Gather, Input, Matvec, Node, State, unwired
from rnnhw.numerics.cast import Overflow

__all__ = ["Obstacle", "obstacles"]


class Obstacle(NamedTuple):
    """A part of a layer that has no Verilog: ``where`` names the signal or the layer, ``what`` the
    part, ``cure`` what to write instead."""

    where: str
    what: str
    cure: str = "rnnhw report still gives its modelled cycles and storage"


_FEEDS = {
    Feed.DIAGONALS: "use Dense() for the same matrix, or BlockDiagonal, Banded or LowRank",
    Feed.SELECTION: "use Dense() for the same matrix with its zeros, or BlockDiagonal",
}
_WRAPPING = "give Formats(accumulator=...) overflow=WRAP and all bits of a product, or leave it out"
_COPY = "cast the vector first, so that a copy of it is read"


def obstacles(
    layer: LayerRows,
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
    windows: Mapping[int, InputWindow],
) -> list[Obstacle]:
    """The places of a layer that :mod:`rnnhw.rtl` does not emit, without repeats. ``windows`` are
    the inputs that join steps, by position."""
    in_layer = [
        *_of_columns(layer, phases),
        *(Obstacle(*place, _COPY) for place in obstacles_of_chains(layer)),
        *_of_rows(layer, phases),
        *_of_operations(layer, schedule),
        *_of_results(layer, schedule),
        *_of_windows(layer, schedule, phases, windows),
    ]
    return list(dict.fromkeys(in_layer))


def _of_columns(layer: LayerRows, phases: Sequence[Phase]) -> Iterator[Obstacle]:
    fed = [
        (segment, products)
        for number, phase in enumerate(phases)
        for segment, products in zip(
            phase.segments, products_of(layer, number, phase.lanes), strict=True
        )
    ]
    for segment, products in fed:
        if segment.feed in _FEEDS:
            what = f"a feed by {segment.feed.value}{segment.note and f': {segment.note}'}"
            yield Obstacle(layer.graph.signal(products[0]), what, _FEEDS[segment.feed])
        vector, words = segment.vector, segment.feed in (Feed.PAIRS, Feed.STRIDE)
        if isinstance(vector, Constant):
            cure = "multiply it beforehand, and write the result as a constant"
            yield Obstacle(layer.graph.signal(vector), "a product of a constant vector", cure)
        elif segment.feed is Feed.STRIDE and layer.in_feed(vector):
            yield Obstacle(layer.graph.signal(vector), "interleaved blocks of a transform", _COPY)
        elif isinstance(vector, Gather):
            yield from _of_order(layer, vector)
            if words:
                what = "words of a permuted or joined vector"
                yield Obstacle(layer.graph.signal(vector), what, _COPY)


def _of_order(layer: LayerRows, vector: Gather) -> Iterator[Obstacle]:
    where = layer.graph.signal(vector)
    if is_repeated(vector):
        yield Obstacle(where, "a vector with an element in several places", _COPY)
    yield from _of_transforms(layer, vector)


def _of_transforms(layer: LayerRows, vector: Gather) -> Iterator[Obstacle]:
    where = layer.graph.signal(vector)
    if any(layer.in_feed(source.node) for source in sources_of(vector)):
        yield Obstacle(where, "a permuted or joined transform", _COPY)


def _of_rows(layer: LayerRows, phases: Sequence[Phase]) -> Iterator[Obstacle]:
    for number, phase in enumerate(phases):
        if layer.phase_rows(number) and phase.rows != layer.widths[number] * phase.gates:
            lengths = {rows.units: rows for rows in layer.phase_rows(number)}
            where = ", ".join(_name(layer, rows) for rows in lengths.values())
            cure = "let a product be read whole, or in slices of one length"
            yield Obstacle(where, "rows of unequal length in one phase", cure)
    for product in (*layer.products, *layer.transforms):
        yield from _of_product(layer, product)
    for row in layer.rows:
        accumulates = any(product.accumulator is not None for product in row.products)
        if row.snapshot and accumulates:
            what = "a sum used in parts, in an accumulator of its own word"
            yield Obstacle(_name(layer, row), what, "leave out Formats(accumulator=...)")


def _of_product(layer: LayerRows, product: Matvec) -> Iterator[Obstacle]:
    where = layer.graph.signal(product)
    if product.product_cast_changes:
        cure = "leave out Formats(product=...)"
        yield Obstacle(where, "a cast of every product", cure)
    accumulator = product.accumulator
    if accumulator is None:
        return
    if accumulator.overflow is not Overflow.WRAP:
        yield Obstacle(where, f"an accumulator that does not wrap ({accumulator})", _WRAPPING)
    if not accumulator.signed and not layer.is_transform(product):
        yield Obstacle(where, f"an unsigned accumulator of rows ({accumulator})", _WRAPPING)
    if accumulator.fraction < product.product_format[0]:
        yield Obstacle(
            where, f"an accumulator that drops bits of the products ({accumulator})", _WRAPPING
        )


def _of_operations(layer: LayerRows, schedule: PostProcessorSchedule) -> Iterator[Obstacle]:
    for reader in schedule.values:
        for operand in layer.operands(reader):
            if isinstance(operand.node, Gather) and operand.node in schedule.gathered:
                yield from _of_gather(layer, operand.node, phase_of(layer, reader.node))
    for node in layer.results:
        if isinstance(unwired(node), Gather):
            yield from _of_gather(layer, unwired(node), layer.phase(node))
    for reader in schedule.values:
        operands = layer.operands(reader)
        if isinstance(reader.node, Gather):
            continue
        if isinstance(reader.node, Rows):
            wanted = 2 if len(operands) == 2 else min(len(operands), 1)
        else:
            wanted = len(reader.node.operands) if operands else 0
        if len(operands) != wanted:
            yield Obstacle(
                _name(layer, reader.node), "a part of a longer result of an earlier phase"
            )
        for value in operands:
            read = value.node
            if isinstance(read, Rows) or layer.is_constant(read):
                continue
            kept = isinstance(read, State) or layer.in_feed(read)
            part = kept and isinstance(reader.node, Node) and read.units != reader.node.units
            if part or (value.gate and (kept or isinstance(read, Input | Gather))):
                yield Obstacle(
                    _name(layer, read), "a vector longer than those that it is used with"
                )


def _of_gather(layer: LayerRows, gather: Node, phase: int) -> Iterator[Obstacle]:
    """Obstacles to reading a permuted or joined vector unit by unit in ``phase``."""
    assert isinstance(gather, Gather)
    if layer.is_constant(gather):
        return
    where = layer.graph.signal(gather)
    yield from _of_transforms(layer, gather)
    if gather.units != layer.widths[phase]:
        yield Obstacle(where, "a permuted or joined vector of another length than its reader's")
    for source in (each.node for each in sources_of(gather)):
        if layer.formed(source) and layer.phase(source) >= phase:
            yield Obstacle(where, "a permutation of results of the phase that computes them")


def _name(layer: LayerRows, node: Node | Rows) -> str:
    return layer.graph.signal(node.products[-1] if isinstance(node, Rows) else node)


def _of_results(layer: LayerRows, schedule: PostProcessorSchedule) -> Iterator[Obstacle]:
    turned = [source.node for each in joined_by_unit(schedule) for source in sources_of(each)]
    for node in (*layer.results, *layer.passed, *filter(layer.formed, turned)):
        if node.units != layer.widths[layer.phase(node)] or len(list(layer.values(node))) != 1:
            yield Obstacle(layer.graph.signal(node), "results of several gates at once")
    output = layer.graph.output
    if output.units != layer.widths[-1]:
        yield Obstacle(
            layer.graph.signal(output), "an output of another length than the last phase"
        )


def _of_windows(
    layer: LayerRows,
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
    windows: Mapping[int, InputWindow],
) -> Iterator[Obstacle]:
    name = layer.graph.layer
    segments = [segment for phase in phases for segment in phase.segments]
    words = [(s.vector, s.word) for s in segments if s.feed is Feed.PAIRS]
    words += [(unwired(t.node.vector), t.width) for phase in phases for t in phase.transforms]
    for vector, word in words:
        window = windows.get(vector.position) if isinstance(vector, Input) else None
        # A word would hold elements of several steps, which lie at different addresses.
        if window is not None and vector.units // window.steps % word:
            yield Obstacle(name, f"words of {word} elements out of a window of shorter steps")
    for segment in segments:
        if segment.feed is Feed.STRIDE and _is_window(segment.vector, windows):
            yield Obstacle(name, "interleaved blocks of a window over time")
    woven = [*(segment.vector for segment in segments), *joined_by_unit(schedule)]
    for gather in (unwired(vector) for vector in woven):
        if isinstance(gather, Gather) and any(
            _is_window(source.node, windows) for source in sources_of(gather)
        ):
            yield Obstacle(name, "a permuted or joined window over time")
    if any(node.position in windows for node in schedule.inputs_by_unit):
        yield Obstacle(name, "a window over time that is read by unit")


def _is_window(node: Node, windows: Mapping[int, InputWindow]) -> bool:
    return isinstance(node, Input) and node.position in windows
