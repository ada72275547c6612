"""The multipliers of a layer: one a lane, and one for every multiply operation of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnhw.accelerator.mapping.multiplier_widths import operand_bits, weight_bits
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.roms import operand_format, weight_format
from rnnhw.accelerator.mapping.rows import LayerRows

__all__ = ["Multiplier", "multipliers_of"]


@dataclass(frozen=True)
class Multiplier:
    """``count`` multipliers of signed operands of so many bits, which may be more than the 64 of a
    format: operands of several scales are aligned."""

    count: int
    a_bits: int
    b_bits: int


def multipliers_of(
    layer: LayerRows, schedule: PostProcessorSchedule, phases: Sequence[Phase], lanes: int
) -> tuple[Multiplier, ...]:
    """The multipliers of the lanes, if any, and those of the post-processors."""
    multipliers = []
    used = max((phase.lanes for phase in phases), default=0)
    used = max([used, *(t.width for phase in phases for t in phase.transforms if t.weighted)])
    if used:
        weights, operands = (
            max(bits(layer, phases, lanes), 0 if format is None else format.signed_width)
            for bits, format in (
                (weight_bits, weight_format(layer)),
                (operand_bits, operand_format(phases)),
            )
        )
        if weights and operands:
            multipliers.append(Multiplier(used, weights, operands))
    for a, b in schedule.multiplications():
        multipliers.append(Multiplier(1, a, b))
    return tuple(multipliers)
