"""The memories of a layer: depth x width of each, the bits that the network stores in it.

Depths and widths are those of the emitted Verilog. ``stored_bits`` are the network's own bits,
``padded_bits`` those of the memory: a wide word has a field for every lane, a group of rows that
is not full still has its words, rows of unequal columns are filled up with zeros, and a vector
that is read while the next one is written is there twice. Two biases of one row are one word, and
bits that cannot matter are left out: the network's bits in such a word are those that it has.
"""

from __future__ import annotations

from collections.abc import Sequence

from rnnhw.accelerator.mapping.memory import Memory, settled
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.rams import rams_of
from rnnhw.accelerator.mapping.roms import roms_of
from rnnhw.accelerator.mapping.rows import LayerRows
from rnnhw.accelerator.mapping.unit_reads import UnitReads

__all__ = ["memories_of"]


def memories_of(
    layer: LayerRows, schedule: PostProcessorSchedule, phases: Sequence[Phase]
) -> tuple[Memory, ...]:
    """Every memory of a layer."""
    by_unit = UnitReads(schedule)
    roms = roms_of(layer, schedule, phases, by_unit)
    return settled([*roms, *rams_of(layer, schedule, phases, by_unit)])
