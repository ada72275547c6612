"""The comparison as CSV: a row a column of the table, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io

from rnnhw.report.comparison.model import Column, Comparison, Entry
from rnnhw.report.csv_cell import cell
from rnnhw.report.settings import settings_text
from rnnhw.report.table_cell import bounded

__all__ = ["to_csv"]


def to_csv(comparison: Comparison) -> str:
    """A header and a row for each design, on its target where there is one.

    Figures have the names that ``--min`` and ``--max`` take, and a ratio to the baseline behind
    them where there is one; ``at_least`` and ``at_most`` name those that are bounds. What is not
    known is so called; what does not apply is empty.
    """
    out = io.StringIO()
    rows = [_row(comparison, index) for index in range(len(comparison.columns))]
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writerow({name: cell(name) for name in rows[0]})
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _row(comparison: Comparison, index: int) -> dict[str, int | float | str]:
    column = comparison.columns[index]
    settings = settings_text(column.settings)
    row: dict[str, int | float | str] = {
        "name": column.name,
        "design": column.design,
        "profile": column.target.profile if column.target else "",
        "settings": settings,
        "baseline": comparison.baseline or "",
    }
    for each in comparison.rows:
        entry = each.entries[index]
        row[each.name] = _value(entry)
        if any(other.ratio is not None for other in each.entries):
            row[f"{each.name}_ratio"] = "" if entry.ratio is None else entry.ratio
        if any(other.unit for other in each.entries):
            row[f"{each.name}_unit"] = entry.unit
    row |= bounded({each.name: each.entries[index].figure for each in comparison.rows})
    row["second_hand"] = "; ".join(
        each.name for each in comparison.rows if each.entries[index].figure.status == "second-hand"
    )
    if comparison.checks:
        row["failed"] = "; ".join(
            check.name
            for check in comparison.checks
            if check.column == column.name and not check.passed
        )
    return row | _origin(column)


def _origin(column: Column) -> dict[str, str]:
    origin = {"rnnhw_version": column.rnnhw_version}
    for kind in column.files.__struct_fields__:
        file = getattr(column.files, kind)
        origin[f"{kind}_sha256"] = file.sha256 if file else ""
    origin["report_sha256"] = column.report.sha256 if column.report else ""
    return origin


def _value(entry: Entry) -> int | float | str:
    figure = entry.figure
    if figure.value is None:
        return "" if figure.status == "not used" else figure.status
    return figure.value
