"""The analysis as text: tables for a console."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from rnnhw.dynamics.model import Analysis
from rnnhw.report.analysis import tables
from rnnhw.report.settings import settings_text
from rnnhw.report.text import rich_table

__all__ = ["print_analysis", "to_text"]

WIDTH = 120
"""Columns of text that is not written to a terminal."""


def to_text(analysis: Analysis, width: int = WIDTH) -> str:
    """The analysis as plain text of at most ``width`` columns."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, force_terminal=False, highlight=False
    )
    print_analysis(analysis, console)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def print_analysis(analysis: Analysis, console: Console) -> None:
    """Print the analysis; colour and width are the console's."""
    for design in analysis.designs:
        console.print(Text(design.title or design.design, style="bold"))
        settings = settings_text(design.settings)
        counts = f"{design.sequences:,} sequences, {design.steps:,} steps"
        console.print(Text(f"with {settings}: {counts}" if settings else counts))
        sections = [tables.memory_table(layer) for layer in design.layers]
        sections += [tables.ranges_table(design), tables.proposals_table(design)]
        sections.append(tables.rates_table(design))
        for table in sections:
            if table.rows:
                console.print()
                console.print(rich_table(table))
        console.print()
        for note in (*design.notes, *(note for layer in design.layers for note in layer.notes)):
            console.print(Text(f"note: {note}"))
    if len(analysis.designs) > 1:
        console.print()
        console.print(rich_table(tables.structures_table(analysis)))
    if tables.swept_table(analysis).rows:
        console.print()
        console.print(rich_table(tables.swept_table(analysis)))
