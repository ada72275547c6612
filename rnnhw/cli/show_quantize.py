"""How ``rnnhw quantize`` shows what it chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from rnnhw.cli.show import aligned, heading, title
from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure_table import ROWS, figures_of
from rnnhw.cost.model import Report
from rnnhw.numerics.cast import Q
from rnnhw.report.json_text import head, score_figures
from rnnhw.report.table_cell import Cell, shown
from rnnhw.study.word_lengths.quantize import Quantized
from rnnhw.study.word_lengths.search import Sensitivity

__all__ = ["costs_of", "quantized_data", "quantized_text"]

_COSTS = (
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


def quantized_text(result: Quantized, costs: Costs | None) -> RenderableType:
    """What ``rnnhw quantize`` prints."""
    numbers = ("bits", "chosen", "values", "clips", "underflows", "one bit less")
    before = {each.name: each.format for each in result.variables}
    events, lost = result.after.events, result.after.underflows
    sensitivities = {each.name: each for each in result.choice.sensitivities}
    rows = [
        (
            name,
            f"{before[name].width}",
            f"{format.width}",
            str(format),
            _count(events[name].total if name in events else None),
            _count(lost.get(name)),
            _less(sensitivities.get(name), result),
        )
        for name, format in result.formats.items()
    ]
    stored = result.choice.outcome.stored
    kinds = [
        (kind, f"{result.stored_before[kind]:,}", f"{bits:,}") for kind, bits in stored.items()
    ]
    whole = sum(result.stored_before.values()), result.choice.outcome.bits
    kinds.append(("all", f"{whole[0]:,}", f"{whole[1]:,}"))
    names = ("bits", "chosen", "clips", "underflows")
    parts: list[RenderableType] = [
        title(result.design),
        heading("formats"),
        aligned(("signal", "bits", "chosen", "format", *numbers[3:]), rows, names),
        Text("one bit less: stored bits saved, and the demanded figures then", "dim"),
        heading("stored bits"),
        aligned(("", "before", "chosen"), kinds, ("before", "chosen")),
    ]
    if costs is not None:
        parts += [
            heading(f"cost on {costs[0].target.profile}"),
            aligned(("", "before", "chosen"), _cost_rows(costs), ("before", "chosen")),
        ]
    parts += [heading("figures"), _figures_table(result), Text(""), Text(_ended(result))]
    return Group(*parts)


def _figures_table(result: Quantized) -> RenderableType:
    """The figures on the samples that chose and on those that judge."""
    chosen = result.choice.outcome.figures
    before, after = _scores(result)
    rows = [
        (
            name,
            _number(result.float_figures.get(name)),
            _number(chosen.get(name)),
            _number(before.get(name)),
            _number(after.get(name)),
        )
        for name in dict.fromkeys([*chosen, *after])
    ]
    columns = (
        f"float, {result.chosen_on}",
        "chosen, the same",
        f"before, {result.judged_on}",
        f"chosen, {result.judged_on}",
    )
    return aligned(("", *columns), rows, columns)


def _scores(result: Quantized) -> tuple[dict[str, float], dict[str, float]]:
    """The figures of the task on the samples that judge, before and after."""
    scores = (result.before.score, result.after.score)
    before, after = ({} if score is None else score.figures() for score in scores)
    return before, after


def _ended(result: Quantized) -> str:
    ran = f"{result.choice.evaluations:,} designs were run"
    return ran if result.choice.finished else f"{ran}: the limit, so the search is not finished"


def _cost_rows(costs: Costs) -> list[tuple[str, str, str]]:
    before, after = (dict(figures_of(each.totals)) for each in costs)
    cells = {key: (shown(before[key]), shown(after[key])) for key in _COSTS if key in before}
    return [
        (ROWS[key].heading, first.starred, second.starred)
        for key, (first, second) in cells.items()
        if not all(_absent(each) for each in (first, second))
    ]


def _absent(cell: Cell) -> bool:
    return cell.status == "not used"


def _less(each: Sensitivity | None, result: Quantized) -> str:
    if each is None:
        return "-"
    if each.outcome is None:
        return "no network"
    demanded = dict.fromkeys([*result.demands.minimum, *result.demands.maximum])
    figures = ", ".join(f"{name} {each.outcome.figures[name]:.4g}" for name in demanded)
    return f"{each.saved:+,d}: {figures}".replace("+", "-") if each.saved > 0 else figures


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def quantized_data(result: Quantized, costs: Costs | None) -> dict[str, Any]:
    """The same for ``--format json``."""
    before = {each.name: each.format for each in result.variables}
    sensitivities = {each.name: each for each in result.choice.sensitivities}
    events, lost = result.after.events, result.after.underflows
    return {
        **head("quantization"),
        "design": result.design.path.name if result.design.path else None,
        "settings": dict(result.design.settings),
        "demands": {"min": dict(result.demands.minimum), "max": dict(result.demands.maximum)},
        "chosen_on": result.chosen_on,
        "judged_on": result.judged_on,
        "evaluations": result.choice.evaluations,
        "finished": result.choice.finished,
        "formats": {
            name: {
                "before": _words(before[name]),
                "chosen": _words(format),
                "clips": events[name].total if name in events else None,
                "underflows": lost.get(name),
                "one_bit_less": _sensitivity(sensitivities.get(name)),
            }
            for name, format in result.formats.items()
        },
        "stored_bits": {
            "before": {**result.stored_before, "all": sum(result.stored_before.values())},
            "chosen": {**result.choice.outcome.stored, "all": result.choice.outcome.bits},
        },
        "figures": {
            "float": dict(result.float_figures),
            "chosen": dict(result.choice.outcome.figures),
            "judged_before": score_figures(result.before.score),
            "judged_chosen": score_figures(result.after.score),
        },
        "cost": None if costs is None else _cost_data(costs),
    }


def _words(format: Q) -> dict[str, Any]:
    return {
        "bits": format.width,
        "integer": format.integer,
        "fraction": format.fraction,
        "signed": format.signed,
        "rounding": format.rounding.value,
        "overflow": format.overflow.value,
    }


def _sensitivity(each: Sensitivity | None) -> dict[str, Any] | None:
    if each is None or each.outcome is None:
        return None
    return {"saved_bits": each.saved, "figures": dict(each.outcome.figures)}


def _cost_data(costs: Costs) -> Mapping[str, Any]:
    names = ("before", "chosen")
    return {
        "profile": costs[0].target.profile,
        **{
            name: {key: figure.value for key, figure in figures_of(each.totals) if key in _COSTS}
            for name, each in zip(names, costs, strict=True)
        },
    }
