"""The cost of the chosen word lengths on hardware, beside the design as it was."""

from __future__ import annotations

from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure import Figure
from rnnhw.cost.figure_table import figures_of
from rnnhw.cost.model import Report
from rnnhw.study.word_lengths.quantize import Quantized

__all__ = ["Costs", "compared", "costs_of"]

_SHOWN = (
    "cycles_per_step", "instructions_per_step", "luts", "flip_flops", "dsp_blocks", "block_rams",
    "flash_bytes", "ram_bytes", "energy_per_step_pj",
)  # fmt: skip

Costs = tuple[Report, Report]
"""The report of the design as it was, and with the chosen formats."""


def costs_of(result: Quantized, profile: str | None) -> Costs | None:
    """The reports on ``profile``, or on the design's target; None where there is neither."""
    if profile is None and result.design.target is None:
        return None
    before, after = (
        estimate(each.design, profile, tries_lanes=False) for each in (result.before, result.after)
    )
    return before, after


def compared(costs: Costs) -> dict[str, tuple[Figure, Figure]]:
    """The figures that word lengths change, before and after, by name."""
    before, after = (dict(figures_of(cost.totals)) for cost in costs)
    return {key: (before[key], after[key]) for key in _SHOWN if key in before}
