"""The result of a search for word lengths as tables, which every format shows."""

from __future__ import annotations

from collections.abc import Mapping

from rnnhw.cost.figure_table import ROWS
from rnnhw.report.table_cell import Cell, shown
from rnnhw.report.tables import Table
from rnnhw.study.word_lengths.costs import Costs, compared
from rnnhw.study.word_lengths.goal import BestFigure
from rnnhw.study.word_lengths.quantize import Quantized
from rnnhw.study.word_lengths.search import Sensitivity

__all__ = [
    "LESS",
    "bounds_text",
    "cost_table",
    "ended",
    "figures_table",
    "formats_table",
    "missed_text",
    "stored_table",
    "tables_of",
]

_SIDES = {"min": "below", "max": "above"}

LESS = "one bit less: stored bits saved, and the wanted figures then"


def tables_of(result: Quantized, costs: Costs | None) -> list[Table]:
    """All tables, the formats first."""
    found = [formats_table(result), stored_table(result)]
    if costs is not None:
        found.append(cost_table(costs))
    return [*found, figures_table(result)]


def formats_table(result: Quantized) -> Table:
    """A row a variable: its bits, its format, what it clips and loses, what a bit less would do."""
    heads = ("signal", "bits", "chosen", "format", "clips", "underflows", "one bit less")
    table = Table("formats", heads)
    before = {variable.name: variable.format for variable in result.variables}
    events, lost = result.after.events, result.after.underflows
    sensitivities = {sensitivity.name: sensitivity for sensitivity in result.choice.sensitivities}
    for name, format in result.formats.items():
        table.add(
            name,
            f"{before[name].width}",
            f"{format.width}",
            str(format),
            _count(events[name].total if name in events else None),
            _count(lost.get(name)),
            _less(sensitivities.get(name), result),
        )
    return table


def stored_table(result: Quantized) -> Table:
    """Stored bits by kind."""
    table = Table("stored bits", ("", "before", "chosen"))
    stored = result.choice.outcome.stored
    for kind, bits in stored.items():
        table.add(kind, f"{result.stored_before[kind]:,}", f"{bits:,}")
    table.add("all", f"{sum(result.stored_before.values()):,}", f"{result.choice.outcome.bits:,}")
    return table


def cost_table(costs: Costs) -> Table:
    """The figures of hardware that word lengths change; without what the target does not have."""
    table = Table(f"cost on {costs[0].target.profile}", ("", "before", "chosen"))
    for key, figures in compared(costs).items():
        cells = [shown(figure) for figure in figures]
        if not all(_absent(cell) for cell in cells):
            table.add(ROWS[key].heading, *cells)
    return table


def figures_table(result: Quantized) -> Table:
    """The figures on the samples that chose and on those that judge."""
    chosen = result.choice.outcome.figures
    columns: dict[str, Mapping[str, float]] = {
        f"float, {result.chosen_on}": result.float_figures,
        "chosen, the same": chosen,
    }
    if result.choice.confirmed is not None:
        columns["chosen, other copies"] = result.choice.confirmed.figures
    columns[f"before, {result.judged_on}"] = result.judged_before
    columns[f"chosen, {result.judged_on}"] = result.judged_after
    table = Table("figures", ("", *columns))
    for name in dict.fromkeys([*chosen, *result.judged_after]):
        table.add(name, *(_number(values.get(name)) for values in columns.values()))
    return table


def bounds_text(result: Quantized) -> str:
    """The demands on the samples that chose."""
    demands, goal = result.demands, result.goal
    least = [f"{name} at least {bound:g}" for name, bound in demands.minimum.items()]
    most = [f"{name} at most {bound:g}" for name, bound in demands.maximum.items()]
    within = []
    if isinstance(goal, BestFigure):
        within = [f"the best {goal.objective.name} within {goal.most:,} stored bits"]
    return ", ".join([*least, *most, *within])


def missed_text(result: Quantized) -> str:
    """What the task requires and the chosen design misses; empty where it misses nothing."""
    missed = [
        check.unjudged or f"{check.name} is {check.value:.4g}, {_SIDES[check.kind]} {check.bound:g}"
        for check in result.missed
    ]
    if not missed:
        return ""
    return f"On {result.judged_on} it misses what the task requires: {', '.join(missed)}."


def ended(result: Quantized) -> str:
    """How many designs were run, whether the search came to its end, whether rows of weights have
    scales of their own, and how weights are rounded if not to nearest."""
    choice = result.choice
    ran = (
        f"{choice.evaluations:,} designs were run, {choice.greedy:,} by the greedy search and "
        f"{choice.traded:,} by trades behind it"
    )
    if not choice.finished:
        ran += ": the limit, so the search is not finished"
    if result.scale_exponent is not None:
        ran += f"; rows of weights have scale exponents of {result.scale_exponent.width} bits"
    if result.rounding is not None:
        ran += "; the weights of a sum are rounded together"
        left = [f"{name} to nearest: {why}" for name, why in result.rounding.left.items()]
        ran += f" ({', '.join(left)})" if left else ""
    return ran


def _absent(cell: Cell) -> bool:
    return cell.status == "not used"


def _less(each: Sensitivity | None, result: Quantized) -> str:
    if each is None:
        return "-"
    if each.outcome is None:
        return "no network"
    figures = _listed({name: each.outcome.figures[name] for name in result.wanted})
    return f"{-each.saved:,d}: {figures}" if each.saved > 0 else figures


def _listed(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
