"""The report as text: tables for a console, plain where it is no terminal or NO_COLOR is set."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from rnnhw.cost.model import Report
from rnnhw.report import tables
from rnnhw.report.settings import settings_text
from rnnhw.report.tables import Table

__all__ = ["print_report", "rich_table", "to_text"]

WIDTH = 80
"""Columns of text that is not written to a terminal."""

_DIGITS = 16


def to_text(report: Report, width: int = WIDTH) -> str:
    """The report as plain text of at most ``width`` columns."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, force_terminal=False, highlight=False
    )
    print_report(report, console)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def print_report(report: Report, console: Console) -> None:
    """Print the report; colour and width are the console's."""
    target = report.target
    console.print(Text(report.title or "untitled design", style="bold"))
    console.print(Text(f"on {target.title} ({target.profile})"))
    summary = ", ".join([tables.verdict(report), *tables.highlights(report)])
    console.print(Text(summary, style=_verdict_style(report)))
    if report.settings:
        settings = settings_text(report.settings)
        console.print(Text(f"with {settings}"))
    for table in (
        tables.speed_table(report),
        tables.work_table(report),
        tables.run_table(report),
        tables.errors_table(report),
        tables.layers_table(report),
        tables.lanes_table(report),
        tables.storage_table(report),
        tables.memories_table(report),
        tables.resources_table(report),
        tables.energy_table(report),
        tables.energies_table(report),
    ):
        if table.rows:
            console.print()
            console.print(rich_table(table))
    console.print()
    for note in tables.notes(report):
        console.print(Text(f"note: {note}"), soft_wrap=False)
    console.print()
    console.print(rich_table(tables.files_table(report, _DIGITS)))


def rich_table(table: Table) -> RichTable:
    """A table for a console."""
    rich = RichTable(
        title=table.title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        show_header=bool(table.heads),
    )
    rich.title_style = "bold"
    for index in range(len(table.columns)):
        head = Text(table.heads[index].marked if table.heads else "")
        justify: JustifyMethod = "right" if index >= table.numbers_from else "left"
        rich.add_column(head, justify=justify, overflow="fold")
    for row in table.rows:
        rich.add_row(*(Text(cell.marked) for cell in row))
    return rich


def _verdict_style(report: Report) -> str:
    if report.fits is None:
        return "bold"
    return "bold green" if report.fits else "bold red"
