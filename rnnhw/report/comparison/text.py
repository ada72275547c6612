"""The comparison as text: as many columns side by side as fit, the others below."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from rnnhw.report.comparison import tables
from rnnhw.report.comparison.designs import designs_text, legend
from rnnhw.report.comparison.model import Comparison
from rnnhw.report.settings import settings_text
from rnnhw.report.table_cell import Cell
from rnnhw.report.tables import Table

__all__ = ["print_comparison", "to_text"]

WIDTH = 100
"""Columns of text that is not written to a terminal."""

_DIGITS, _FEWER_DIGITS = 16, 12
"""Of a digest; fewer where more than ``_MOST_DIGESTS`` stand in a row."""

_MOST_DIGESTS = 4

_HEAD = 16
"""Columns of a name or of words, unless a part of them is longer."""

_NAME = 20
"""Columns of a name beside digests, likewise."""

_GAP = 2


def to_text(comparison: Comparison, width: int = WIDTH) -> str:
    """The comparison as plain text, of at most ``width`` columns where a single one fits."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, force_terminal=False, highlight=False
    )
    print_comparison(comparison, console)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the comparison; colour and width are the console's."""
    if comparison.on_hardware:
        _print_costs(comparison, console)
    else:
        _print_designs(comparison, console)
    if comparison.checks:
        console.print()
    for check in comparison.checks:
        if not check.passed:
            console.print(Text.assemble(("FAIL", "bold red"), f"  {tables.check_text(check)}"))
    if comparison.checks:
        passed = comparison.passed
        console.print(Text("PASS", "bold green") if passed else Text("FAIL", "bold red"))
    if not comparison.on_hardware:
        return
    console.print()
    files = tables.files_table(comparison, _DIGITS)
    if len(files.columns) > _MOST_DIGESTS + 2:
        files = tables.files_table(comparison, _FEWER_DIGITS)
    console.print(_files(files))


def _print_costs(comparison: Comparison, console: Console) -> None:
    console.print(Text(tables.heading(comparison), style="bold"))
    for target in tables.targets(comparison):
        console.print(Text(target))
    if comparison.settings:
        console.print(Text(f"with {settings_text(comparison.settings)}"))
    costs = tables.costs_table(comparison)
    for block in _blocks(costs, console.width):
        console.print()
        console.print(block, crop=False, overflow="ignore", no_wrap=False)
    console.print()
    for note in tables.notes(comparison):
        console.print(Text(note))


def _print_designs(comparison: Comparison, console: Console) -> None:
    if comparison.settings:
        console.print(Text(f"with {settings_text(comparison.settings)}\n"))
    console.print(designs_text(comparison), crop=False)
    for lines in legend(comparison, blanks=True):
        console.print(Text("\n".join(lines), "dim"))


# --- columns that fit --------------------------------------------------------------------------
def _blocks(table: Table, width: int) -> Iterator[RichTable]:
    """The table in as many parts as the width demands; a part repeats the titles of the rows."""
    first = max(len(row[0].text) for row in table.rows)
    taken, part = first, list[int]()
    for index in range(1, len(table.columns)):
        wide = _width(table, index) + _GAP
        if part and taken + wide > width:
            yield _part(table, part)
            taken, part = first, []
        taken += wide
        part.append(index)
    yield _part(table, part)


def _part(table: Table, indices: list[int]) -> RichTable:
    rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, _GAP, 0, 0))
    rich.add_column("", no_wrap=True)
    for index in indices:
        wide = _width(table, index)
        head = "\n".join(_broken(table.heads[index].marked, wide))
        rich.add_column(Text(head, justify="right"), width=wide, no_wrap=True, vertical="bottom")
    for row in table.rows:
        rich.add_row(Text(row[0].text), *(_cell(table, row[index], index) for index in indices))
    return rich


def _beside(table: Table, index: int) -> int:
    """The width of the ratios of a column, with the space before them."""
    longest = max(len(row[index].beside) for row in table.rows)
    return longest + 1 if longest else 0


def _is_number(cell: Cell) -> bool:
    return bool(re.match(r"-?[\d.]", cell.text))


def _width(table: Table, index: int) -> int:
    """No number is ever broken, nor any word."""
    beside = _beside(table, index)
    widest = 0
    for row in table.rows:
        cell = row[index]
        parts = [cell.starred] if _is_number(cell) else _broken(cell.starred, _HEAD)
        widest = max(widest, *(len(part) + beside * _is_number(cell) for part in parts))
    return max(widest, *map(len, _broken(table.heads[index].marked, _HEAD)))


def _cell(table: Table, cell: Cell, index: int) -> Text:
    """Values below values and ratios below ratios; words may take several lines."""
    beside, wide = _beside(table, index), _width(table, index)
    if not _is_number(cell):
        return Text("\n".join(line.rjust(wide) for line in _broken(cell.starred, wide)))
    value = cell.starred.rjust(wide - beside)
    return Text.assemble(value, (cell.beside.rjust(beside) if cell.beside else "", "dim"))


def _broken(text: str, width: int) -> list[str]:
    """Lines of at most ``width``, broken at spaces and behind underscores where that can be."""
    lines = [""]
    for part in re.findall(r"[^_ ]*_?[ ]?", text):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _files(table: Table) -> RichTable:
    rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    rich.title, rich.title_justify, rich.title_style = table.title, "left", "bold"
    for head in table.heads:
        rich.add_column(Text(head.text), overflow="fold")
    for row in table.rows:
        name = Text("\n".join(_broken(row[0].text, _NAME)))
        rich.add_row(name, *(Text(cell.text) for cell in row[1:]))
    return rich
