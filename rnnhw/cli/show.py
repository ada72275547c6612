"""Parts that the texts of all commands share: titles, aligned tables, counts with nouns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rnnhw.cli.blocks import Table, Text, assembled
from rnnhw.design.design import Design
from rnnhw.report.settings import settings_text

__all__ = ["aligned", "heading", "number", "title", "verdict"]


def aligned(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str]) -> Table:
    """A table whose columns ``right`` hold numbers."""
    return Table(tuple(columns), [tuple(row) for row in rows], frozenset(right))


def heading(text: str) -> Text:
    """A heading with an empty line above it."""
    return Text(f"\n{text}", style="bold")


def title(design: Design) -> Text:
    """The design's title, its file and its settings."""
    settings = settings_text(design.settings)
    place = f"\n{design.place}" + (f" ({settings})" if settings else "")
    return assembled((design.title, "bold"), (place, "dim"))


def number(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def verdict(passed: bool) -> Text:
    """PASS or FAIL."""
    return assembled(("PASS", "bold green") if passed else ("FAIL", "bold red"))
