"""Accesses of a layer's memories at their ports, in one step.

A *read* is a word that a port gives to a reader at work: a column, a pass of a transform, a unit of
a post-processor, a row that leaves the lanes. The reader may drop the word, and it still counts: an
element outside a window, a state in the first step of a sequence, its first value in every later
step, and a word of the buffer in front of a pass that takes its words from elsewhere. The output of
an idle port (the emitted memories have no enable, except for tables) is no read. A *write* is a
word that is stored.

A memory carries its reads and writes (:class:`rnnhw.accelerator.mapping.memory.Memory`), set where
its words are; the traffic is their sum. Over a run without stalls the ports of the emitted Verilog
count the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rnnhw.accelerator.mapping.memory import Memory, MemoryKind

__all__ = ["Traffic", "arriving_bits", "traffic_of"]


@dataclass(frozen=True)
class Traffic:
    """Accesses of the memories' ports in one step, after reuse by the lanes.

    A weight word holds a weight for every lane; an element of a vector is read once for all
    lanes. Constants and first states that are read unit by unit are weights here, states are
    vectors. (:class:`rnnhw.analysis.counts.Counts` counts what the algorithm uses instead.)
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


def traffic_of(memories: Iterable[Memory], *, arriving: bool = True) -> Traffic:
    """The sum over ``memories``; with ``arriving`` one vector arrives in front of each window."""
    totals = dict.fromkeys(Traffic.__dataclass_fields__, 0)
    for memory in memories:
        read, written = _PORTS[memory.kind]
        totals[f"{read}_reads"] += memory.reads
        totals[f"{read}_read_bits"] += memory.reads * memory.width
        if written:
            words = memory.writes + arriving * memory.arrivals
            totals[f"{written}_writes"] += words
            totals[f"{written}_write_bits"] += words * memory.width
    return Traffic(**totals)


def arriving_bits(memories: Iterable[Memory]) -> int:
    """Bits that are written for each vector that arrives in front of a window."""
    return sum(memory.arrivals * memory.width for memory in memories)


_PORTS = {
    MemoryKind.WEIGHTS: ("weight", ""),
    MemoryKind.BIASES: ("bias", ""),
    MemoryKind.TABLES: ("table", ""),
    MemoryKind.STATE: ("vector", "vector"),
    MemoryKind.VECTORS: ("vector", "vector"),
}
