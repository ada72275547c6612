"""The report as CSV: a row a layer, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
from typing import get_args

from rnnhw.cost.figure import Figure
from rnnhw.cost.figure_table import LAYER_COLUMNS, ROWS, Holds
from rnnhw.cost.model import LAYER_SCHEDULES, LayerReport, Report, fits_figure
from rnnhw.report.csv_cell import cell
from rnnhw.report.table_cell import bounded, yes_or_no

__all__ = ["to_csv"]


def to_csv(report: Report) -> str:
    """A header and a row for each layer.

    Columns are named as ``--min`` and ``--max`` name a layer's figures. A figure that is not
    known is so called; one that does not exist on the target is empty. ``at_least`` and
    ``at_most`` name the columns whose values are bounds; ``fits`` is that of the whole design.
    """
    columns: dict[str, None] = {}
    rows = [_row(report, layer) for layer in report.layers]
    for row in rows:
        columns.update(dict.fromkeys(row))
    # A layer may have columns that those before it lack; what explains the numbers stands last.
    explained = list(rows[0])[-6:] if rows else []
    order = [*(name for name in columns if name not in explained), *explained]
    out = io.StringIO()
    writer = csv.DictWriter(out, order, restval="", lineterminator="\n")
    writer.writerow({name: cell(name) for name in order})
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _row(report: Report, layer: LayerReport) -> dict[str, int | float | str]:
    design = report.files.design
    row: dict[str, int | float | str] = {
        "design": design.name if design else report.title,
        "profile": report.target.profile,
        "fits": _value(yes_or_no(fits_figure(report))),
        "layer": layer.name,
        "runs": layer.runs,
        "macs_per_step": layer.macs_per_step,
    }
    figures = {ROWS[name].column: getattr(layer, name) for name in LAYER_COLUMNS}
    row |= {column: _value(figure) for column, figure in figures.items()}
    row |= bounded(figures)
    row |= {"cycles_basis": layer.cycles_basis, "bound_by": _value(layer.bound_by)}
    if layer.memories:
        for holds in get_args(Holds):
            memories = [memory for memory in layer.memories if memory.holds == holds]
            row[f"{holds}_stored_bits"] = sum(memory.stored_bits for memory in memories)
            row[f"{holds}_memory_bits"] = sum(memory.padded_bits for memory in memories)
    for name in LAYER_SCHEDULES:
        value = getattr(layer, name)
        row[name] = str(value) if isinstance(value, bool) else value
    for group in ("traffic", "counts", "lane_cycles"):
        for name, count in getattr(layer, group).items():
            row[f"{group}.{name}"] = count
    row["rnnhw_version"] = report.rnnhw_version
    for kind in report.files.__struct_fields__:
        file = getattr(report.files, kind)
        row[f"{kind}_sha256"] = file.sha256 if file else ""
    row["assumptions"] = "; ".join(layer.assumptions)
    return row


def _value(figure: Figure) -> int | float | str:
    if figure.value is None:
        return "" if figure.status == "not used" else figure.status
    return figure.value
