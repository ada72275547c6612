"""Designs without hardware, a row a design: scores, and what follows from a design alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.table import Table as RichTable

from rnnhw.cost.figure import Figure
from rnnhw.report.comparison.model import DESIGN_FIGURES, Column, Comparison
from rnnhw.report.tables import Table

__all__ = ["columns_of", "designs_table", "designs_text", "legend"]


@dataclass(frozen=True)
class TextColumn:
    """One column of text: its head in short lines and in full, and a cell a design.

    Where a cell of a ``steady`` column repeats the one above, it may be left blank.
    """

    short: str
    full: str
    cells: list[str]
    steady: bool = False
    number: bool = True


_NAME = 20
"""Columns of a design's name that even a narrow console shows."""


def designs_text(comparison: Comparison) -> RichTable:
    """The table for a console, wider than a narrow one: no number is cut."""
    table = RichTable(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=0, header_style="bold"
    )
    columns = columns_of(comparison)
    for column in columns:
        width = max(map(len, column.cells))
        if column.number:
            width = max(width, *map(len, column.short.split("\n")))
            table.add_column(column.short, justify="right", width=width, vertical="bottom")
        else:
            least = min(width, _NAME)
            table.add_column(column.short, overflow="fold", min_width=least, vertical="bottom")
    for index in range(len(comparison.columns)):
        table.add_row(*(_unrepeated(comparison, column, index) for column in columns))
    return table


def designs_table(comparison: Comparison) -> Table:
    """The table for a page."""
    columns = columns_of(comparison)
    texts = sum(not column.number for column in columns)
    table = Table("Designs", tuple(column.full for column in columns), numbers_from=texts)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add(*map(str, cells))
    return table


_HEADS = {
    "recurrent_weight_words": "recur-\nrent\nwords",
    "weight_words": "weight\nwords",
    "multiplies_per_step": "multi-\nplies",
    "adds_per_step": "adds",
    "reach_steps": "reach",
    "stored_bits": "stored\nbits",
}


def columns_of(comparison: Comparison) -> list[TextColumn]:
    """What people read: names, varied parameters, scores and what follows from the design."""
    designs = comparison.columns
    names = [design.design for design in designs]
    columns = [TextColumn("design", "design", names, steady=True, number=False)]
    for name in comparison.varied:
        cells = [str(design.varied.get(name, "-")) for design in designs]
        columns.append(TextColumn(name, name, cells))
    columns += _score_columns(comparison)
    for name, short in _HEADS.items():
        row = comparison.row(name)
        if row is not None:
            cells = [_count(entry.figure) for entry in row.entries]
        else:
            cells = ["-"] * len(designs)
        full = DESIGN_FIGURES[name][0]
        columns.append(TextColumn(short, full, cells, steady=name != "stored_bits"))
    return columns


def _score_columns(comparison: Comparison) -> Iterator[TextColumn]:
    designs, measures = comparison.columns, comparison.measures
    places = range(len(designs))
    for measure in measures:
        alone = len(measures) == 1
        exact = [_score(comparison.figure(f"float_{measure}", place)) for place in places]
        head = "float" if alone else f"float\n{measure}"
        yield TextColumn(head, f"float {measure}", exact, steady=True)
        fixed = [_score(comparison.figure(measure, place)) for place in places]
        yield TextColumn("fixed" if alone else measure, measure, fixed)
        if comparison.row(f"{measure}_interval_95_low") is not None:
            ends = [_interval(comparison, measure, place) for place in places]
            yield TextColumn("95 %\ninterval", "95 % interval", ends)
    for name in dict.fromkeys(name for design in designs for name in design.harder):
        cells = [_harder(comparison, each, name, place) for place, each in enumerate(designs)]
        yield TextColumn(name.replace(" ", "\n"), name, cells)


def _harder(comparison: Comparison, design: Column, samples: str, place: int) -> str:
    if samples not in design.harder:
        return "-"
    return _score(comparison.figure(f"{design.harder[samples]}{design.measure}", place))


def _score(figure: Figure) -> str:
    value = figure.number
    if value is None:
        return "-" if figure.status == "not used" else "?"
    text = f"{value:.4f}"
    # What is not exact must not look so.
    return "0.9999" if text == "1.0000" and value < 1 else text


def _interval(comparison: Comparison, measure: str, place: int) -> str:
    """The interval with both ends rounded outwards."""
    low, high = (
        comparison.figure(f"{measure}_interval_95_{end}", place).number for end in ("low", "high")
    )
    if low is None or high is None:
        return "-"
    return f"{math.floor(1000 * low) / 1000:.3f}-{math.ceil(1000 * high) / 1000:.3f}"


def _count(figure: Figure) -> str:
    if figure.value is None:
        return "-" if figure.status == "not used" else "?"
    return figure.value if isinstance(figure.value, str) else f"{figure.value:,}"


def _grouped(comparison: Comparison) -> bool:
    """Whether a design has several columns, told apart by what is varied."""
    designs = comparison.columns
    return len(designs) > len({design.design for design in designs})


def _unrepeated(comparison: Comparison, column: TextColumn, place: int) -> str:
    """The cell, blank where a steady column repeats the row above in a group."""
    designs, cell = comparison.columns, column.cells[place]
    if not (column.steady and _grouped(comparison)) or place == 0:
        return cell
    same = designs[place - 1].design == designs[place].design
    return "" if same and column.cells[place - 1] == cell else cell


def legend(comparison: Comparison, *, blanks: bool) -> Iterator[tuple[str, ...]]:
    """What the columns mean, a paragraph after the other, each in its lines; ``blanks`` tells
    whether cells that repeat are blank."""
    if comparison.measures:
        measures = " or ".join(comparison.measures)
        yield (f"{measures} in float and in fixed point; intervals are rounded outwards",)
    blank = "; blank: as above" if blanks and _grouped(comparison) else ""
    yield (
        "multiplies and adds a step; reach: steps until every unit's past can affect all",
        f"units; stored bits: weights, biases, tables and state{blank}; -: does not apply",
    )
    places = range(len(comparison.columns))
    reaches = [comparison.figure("reach_steps", place) for place in places]
    if any(reach.status == "not known" for reach in reaches):
        yield ("?: depends on weights that are not there",)
