"""Energy as tables for the text report: totals, and the operations and accesses of each layer."""

from __future__ import annotations

from rich import box
from rich.table import Table

from rnnhw.costreport import Figure, Report

__all__ = ["energy_tables"]


def energy_tables(report: Report) -> list[Table]:
    """The tables; none where the target has no energies."""
    if not any(layer.energy for layer in report.layers):
        return []
    return [_totals(report), _parts(report)]


def _pj(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _figure(figure: Figure) -> str:
    if not isinstance(figure.value, int | float):
        return figure.status
    least = " or more" if figure.note.startswith("a lower bound") else ""
    return f"{_pj(figure.value)}{least}{' *' if figure.status == 'second-hand' else ''}"


def _totals(report: Report) -> Table:
    totals = report.totals
    table = _table("Energy, pJ", "", "")
    table.show_header = False
    table.add_row("operations a step", _figure(totals.operation_energy_per_step_pj))
    table.add_row("memory accesses a step", _figure(totals.access_energy_per_step_pj))
    table.add_row("a step", _figure(totals.energy_per_step_pj))
    if totals.energy_after_last_step_pj.status != "not used":
        table.add_row("after the last step", _figure(totals.energy_after_last_step_pj))
    return table


def _parts(report: Report) -> Table:
    table = _table("Energy by layer", "", "amount", "pJ each", "pJ")
    for layer in report.layers:
        for part in layer.energy:
            each, total = part.each_pj, part.energy_pj
            unit = ", bits" if part.unit == "bits" else ""
            table.add_row(
                f"{layer.name}: {part.what}{unit}",
                f"{part.amount:,}",
                "not known" if each is None else f"{each:.4g}",
                "not known" if total is None else _pj(total),
            )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    table.title_style = "bold"
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", overflow="fold")
    return table
