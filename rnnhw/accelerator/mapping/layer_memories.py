"""The memories of a layer: their depth, their width, and the bits of the network in them.

Depths and widths are those of the emitted Verilog. ``stored_bits`` are the bits of the network,
``padded_bits`` those of the memory: a wide word has a field for every lane, a group of rows that
is not full still has its words, zeros fill up rows of unequal columns, and a vector that is read
while the next one is written takes two places. Two biases of one row share a word without the bits
that cannot matter; ``stored_bits`` then counts the bits of that word.
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
