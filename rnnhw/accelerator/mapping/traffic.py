"""Accesses of a layer's memories in one step, at their ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnhw.accelerator.mapping.memory import Memory, MemoryRole, stored_vectors
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.roms import address_reads, shifted
from rnnhw.accelerator.mapping.rows import LayerRows
from rnnhw.accelerator.mapping.transform_chains import chains_of
from rnnhw.graph.nodes import Input, Lookup, Node, unwired

__all__ = ["Traffic", "traffic_of"]

_ONE_A_LAYER = (
    MemoryRole.WEIGHTS,
    MemoryRole.STAGE_WEIGHTS,
    MemoryRole.BIASES,
    MemoryRole.INPUT_BIASES,
    MemoryRole.STAGE_BIASES,
)


@dataclass(frozen=True)
class Traffic:
    """Accesses of the memories' ports in one step, after reuse by the lanes.

    A weight word holds a weight for every lane; an element of a vector is read once for all
    lanes. (:class:`rnnhw.analysis.counts.Counts` counts what the algorithm uses instead.)
    """

    weight_reads: int = 0
    weight_read_bits: int = 0
    bias_reads: int = 0
    bias_read_bits: int = 0
    vector_reads: int = 0
    vector_read_bits: int = 0
    vector_writes: int = 0
    vector_write_bits: int = 0
    table_reads: int = 0
    table_read_bits: int = 0


@dataclass
class _Port:
    """Accesses of one kind, words and bits."""

    words: int = 0
    bits: int = 0

    def add(self, words: int, width: int) -> None:
        self.words += words
        self.bits += words * width


def traffic_of(
    layer: LayerRows,
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
    memories: Sequence[Memory],
) -> Traffic:
    """The accesses of one step."""
    widths = {memory.role: memory.width for memory in memories if memory.role in _ONE_A_LAYER}
    weights, biases, reads, writes, tables = (_Port() for _ in range(5))
    chains = {node: chain for chain in chains_of(layer) for node in chain.transforms}
    for phase in phases:
        if phase.lanes:
            weights.add(phase.groups * phase.weight_columns, widths.get(MemoryRole.WEIGHTS, 0))
        for segment in phase.segments:
            words = phase.groups * segment.reads(phase.window_units)
            reads.add(words, segment.word * segment.vector.format.width)
        for transform in phase.transforms:
            words, chain = transform.stages * transform.words, chains[transform.node]
            bits = transform.width * chain.element_bits
            writes.add(words, bits)
            if transform.node is chain.transforms[0] and isinstance(chain.origin, Input):
                # The first pass reads the words of what arrived.
                reads.add(transform.words, transform.width * chain.origin.format.width)
                words -= transform.words
            reads.add(words, bits)
            weights.add(transform.weight_words, widths.get(MemoryRole.STAGE_WEIGHTS, 0))
            if transform.weight_words and transform.node.start is not None:
                biases.add(transform.words, widths[MemoryRole.STAGE_BIASES])
    for phase, product in shifted(layer, phases):
        assert product.weights is not None
        words = product.vector.units + phase.window_units - 1
        weights.add(phase.groups * words, product.weights.format.width)
    rows = sum(rows.units for rows in layer.rows)
    for role in (MemoryRole.BIASES, MemoryRole.INPUT_BIASES):
        if role in widths:
            biases.add(rows, widths[role])
    for value in schedule.values:
        node = value.node
        if isinstance(node, Lookup) and not layer.is_constant(node):
            tables.add(min(node.units, layer.widths[layer.phase(node)]), node.format.width)
    for words, width in address_reads(schedule, phases):
        tables.add(words, width)
    for _, new in layer.graph.updates:
        writes.add(new.units, new.format.width)
    for source in (n for n in layer.graph.nodes if isinstance(n, Input)):
        writes.add(source.units, source.format.width)
    for vector in _handed_on(layer):
        writes.add(vector.units, vector.format.width)
    return Traffic(
        weights.words,
        weights.bits,
        biases.words,
        biases.bits,
        reads.words,
        reads.bits,
        writes.words,
        writes.bits,
        tables.words,
        tables.bits,
    )


def _handed_on(layer: LayerRows) -> list[Node]:
    """Results that wait in memory for a product of the same step, other than new states."""
    new = {unwired(value) for _, value in layer.graph.updates}
    products = (*layer.products, *layer.transforms)
    read = [found for product in products for found in stored_vectors(product.vector)]
    return [
        v for v in dict.fromkeys(read) if layer.formed(v) and v not in new and not layer.in_feed(v)
    ]
