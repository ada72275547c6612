"""Parts that the texts of all commands share: titles, aligned tables, counts with nouns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from rnnhw.design.design import Design
from rnnhw.report.settings import settings_text

__all__ = ["aligned", "heading", "number", "title", "verdict"]


def aligned(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str]) -> Table:
    """A table whose columns ``right`` hold numbers."""
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
    )
    rows, numbers = list(rows), set(right)
    for index, column in enumerate(columns):
        if column in numbers:
            width = max((len(row[index]) for row in rows), default=0)
            table.add_column(column, justify="right", min_width=width)
        else:
            table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def heading(text: str) -> Text:
    """A heading with an empty line above it."""
    return Text(f"\n{text}", style="bold")


def title(design: Design) -> Text:
    """The design's title, its file and its settings."""
    settings = settings_text(design.settings)
    place = f"\n{design.place}" + (f" ({settings})" if settings else "")
    return Text.assemble((design.title, "bold"), (place, "dim"))


def number(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def verdict(passed: bool) -> Text:
    """PASS or FAIL."""
    return Text.assemble(("PASS", "bold green") if passed else ("FAIL", "bold red"))
