"""Designs side by side as text for a console, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rnnhw.report.csv_cell import cells
from rnnhw.report.json_text import head
from rnnhw.report.scores.model import Comparison, Row, RowCheck
from rnnhw.report.table_cell import settings_text

__all__ = [
    "Column",
    "check_text",
    "columns_of",
    "comparison_csv",
    "comparison_data",
    "comparison_markdown",
    "comparison_text",
    "legend",
]

_NEVER = "never"
_NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Column:
    """One column of text: its head in short lines and in full, and a cell a row.

    Where a cell of a ``steady`` column repeats the one above, it may be left blank.
    """

    short: str
    full: str
    cells: list[str]
    steady: bool = False
    number: bool = True


def comparison_text(comparison: Comparison) -> RenderableType:
    """What ``rnnhw compare`` prints."""
    columns = columns_of(comparison)
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=0, header_style="bold"
    )
    for column in columns:
        if column.number:
            width = max(map(len, column.cells))
            table.add_column(column.short, justify="right", min_width=width, vertical="bottom")
        else:
            table.add_column(column.short, overflow="fold", vertical="bottom")
    for index in range(len(comparison.rows)):
        table.add_row(*(_unrepeated(comparison, column, index) for column in columns))
    parts: list[RenderableType] = []
    if comparison.settings:
        given = settings_text(comparison.settings)
        parts.append(Text(f"with {given}\n"))
    parts += [table, Text(legend(comparison), "dim")]
    failed = [each for each in comparison.checks if not each.check.passed]
    parts += [Text("")] if comparison.checks else []
    parts += [Text.assemble(("FAIL", "bold red"), f"  {check_text(each)}") for each in failed]
    if comparison.checks:
        verdict = ("PASS", "bold green") if comparison.passed else ("FAIL", "bold red")
        parts.append(Text.assemble(verdict))
    return Group(*parts)


def comparison_markdown(comparison: Comparison) -> str:
    """The same table to paste into a page."""
    columns = columns_of(comparison)
    columns[0] = Column("", "design", [f"`{cell}`" for cell in columns[0].cells], number=False)
    lines = [
        [column.full for column in columns],
        ["---:" if column.number else "---" for column in columns],
        *zip(*(column.cells for column in columns), strict=True),
    ]
    escaped = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def comparison_csv(comparison: Comparison) -> str:
    """Every column of every row; empty where a column does not apply."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(cells(["design", *comparison.varied, *comparison.columns]))
    for row in comparison.rows:
        values = [_plain(name, row.values.get(name)) for name in comparison.columns]
        writer.writerow(cells([row.label, *row.varied.values(), *values]))
    return out.getvalue()


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """The comparison as what JSON holds."""
    data: dict[str, Any] = {
        **head("comparison"),
        "settings": dict(comparison.settings),
        "varied": list(comparison.varied),
        "rows": [
            {
                "design": row.label,
                "title": row.design.title,
                "settings": dict(row.design.settings),
                **{name: _plain(name, row.values.get(name)) for name in comparison.columns},
            }
            for row in comparison.rows
        ],
    }
    if comparison.checks:
        data["checks"] = [
            {
                "design": each.row.label,
                "varied": dict(each.row.varied),
                "name": each.check.name,
                "value": _plain(each.check.name, each.check.value),
                "bound": each.check.bound,
                "kind": each.check.kind,
                "passed": each.check.passed,
            }
            for each in comparison.checks
        ]
        data["passed"] = comparison.passed
    return data


def check_text(each: RowCheck) -> str:
    """One demand: whose, what it is and what it should be."""
    row, check = each.row, each.check
    varied = "".join(f" {name}={value}" for name, value in row.varied.items())
    plain = _plain(check.name, check.value)
    value = plain if isinstance(plain, str) else f"{check.value:.6g}"
    bound = "at least" if check.kind == "min" else "at most"
    return f"{_name(row)}{varied}: {check.name} {value}, {bound} {check.bound:.6g}"


def _plain(name: str, value: float | None) -> float | str | None:
    """The value of a column as CSV and JSON hold it."""
    if name != "reach_steps" or value is None or math.isfinite(value):
        return value
    return _NEVER if value == math.inf else _NOT_KNOWN


def _name(row: Row) -> str:
    return row.label.removesuffix(".py")


# --- the columns that people read ---------------------------------------------------------------
_COST_HEADS = {
    "recurrent_weight_words": ("recur-\nrent\nwords", "recurrent weights"),
    "weight_words": ("weight\nwords", "weights"),
    "multiplies_per_step": ("multi-\nplies", "multiplies"),
    "adds_per_step": ("adds", "adds"),
    "reach_steps": ("reach", "reach, steps"),
    "storage_bits": ("stored\nbits", "storage, bits"),
}


def columns_of(comparison: Comparison) -> list[Column]:
    """What people read: names, varied parameters, scores and costs."""
    rows = comparison.rows
    names = [_name(row) for row in rows]
    columns = [Column("design", "design", names, steady=True, number=False)]
    for name in comparison.varied:
        columns.append(Column(name, name, [str(row.varied[name]) for row in rows]))
    columns += _score_columns(comparison)
    for name, (short, full) in _COST_HEADS.items():
        cells = [_count(row.costs[name]) for row in rows]
        columns.append(Column(short, full, cells, steady=name != "storage_bits"))
    return columns


def _score_columns(comparison: Comparison) -> Iterator[Column]:
    rows, measures = comparison.rows, comparison.measures
    for measure in measures:
        alone = len(measures) == 1
        exact = [_score(row, f"float_{measure}") for row in rows]
        yield Column(
            "float" if alone else f"float\n{measure}", f"float {measure}", exact, steady=True
        )
        fixed = [_score(row, measure) for row in rows]
        yield Column("fixed" if alone else measure, measure, fixed)
        low = f"{measure}_interval_95_low"
        if low in comparison.columns:
            ends = [_interval(row, measure) for row in rows]
            yield Column("95 %\ninterval", "95 % interval", ends)
    for name in dict.fromkeys(name for row in rows for name in row.harder):
        cells = [
            _score(row, f"{row.harder[name]}{row.measure}") if name in row.harder else "-"
            for row in rows
        ]
        yield Column(name.replace(" ", "\n"), name, cells)


def _score(row: Row, column: str) -> str:
    value = row.scores.get(column)
    if value is None:
        return "-"
    text = f"{value:.4f}"
    # What is not exact must not look so.
    return "0.9999" if text == "1.0000" and value < 1 else text


def _interval(row: Row, measure: str) -> str:
    """The interval with both ends rounded outwards."""
    ends = [row.scores.get(f"{measure}_interval_95_{end}") for end in ("low", "high")]
    if None in ends:
        return "-"
    low, high = (float(end or 0) for end in ends)
    return f"{math.floor(1000 * low) / 1000:.3f}-{math.ceil(1000 * high) / 1000:.3f}"


def _count(value: float | None) -> str:
    if value is None:
        return "-"
    if math.isnan(value):
        return "?"
    return _NEVER if value == math.inf else f"{value:,}"


def _grouped(comparison: Comparison) -> bool:
    """Whether a design has several rows, told apart by what is varied."""
    return len(comparison.rows) > len({row.label for row in comparison.rows})


def _unrepeated(comparison: Comparison, column: Column, index: int) -> str:
    """The cell, blank where a steady column repeats the row above in a group."""
    rows, cell = comparison.rows, column.cells[index]
    if not (column.steady and _grouped(comparison)) or index == 0:
        return cell
    above = rows[index - 1].label == rows[index].label and column.cells[index - 1] == cell
    return "" if above else cell


def legend(comparison: Comparison) -> str:
    """What the columns mean, in lines."""
    lines = []
    if comparison.measures:
        measures = " or ".join(comparison.measures)
        lines.append(f"{measures} in float and in fixed point; intervals are rounded outwards")
    lines.append("multiplies and adds a step; reach: steps until every unit's past can affect all")
    blank = "; blank: as above" if _grouped(comparison) else ""
    lines.append(f"units; stored bits: weights, biases, tables and state{blank}; -: does not apply")
    if any(
        _plain("reach_steps", row.costs["reach_steps"]) == _NOT_KNOWN for row in comparison.rows
    ):
        lines.append("?: depends on weights that are not there")
    return "\n".join(lines)
