"""Figures as the text of a cell, the same in every format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from rnnhw.cost.figure import BOUND_WORDS, Bound, Figure, Status, derived
from rnnhw.cost.figure_table import Row

__all__ = [
    "Cell",
    "bounded",
    "number",
    "percentage",
    "ratio",
    "shown",
    "tenths",
    "worded",
    "yes_or_no",
]


@dataclass(frozen=True)
class Cell:
    """Text with the status and the source of the figure that it shows, if it shows one."""

    text: str
    status: Status | None = None
    note: str = ""
    beside: str = ""
    """The text behind it in smaller type: a ratio."""

    @property
    def starred(self) -> str:
        """The text, with a star where a third party reports the number."""
        known = self.text != self.status
        return f"{self.text} *" if self.status == "second-hand" and known else self.text

    @property
    def marked(self) -> str:
        """The starred text and what stands beside it."""
        return f"{self.starred} ({self.beside})" if self.beside else self.starred


def number(value: float | str) -> str:
    """Integers whole and grouped, others in four digits that count."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def shown(figure: Figure) -> Cell:
    """A figure's value, or what is known of it instead."""
    return _cell(figure, "" if figure.value is None else number(figure.value))


def percentage(figure: Figure) -> Cell:
    """A fraction as a percentage."""
    return _cell(figure, "" if figure.number is None else f"{100 * figure.number:.1f} %")


def worded(row: Row, figure: Figure) -> Cell:
    """A figure as the row of its table says."""
    return percentage(figure) if row.shows == "percentage" else shown(figure)


def tenths(figure: Figure, unit: str = "") -> Cell:
    """A figure that is in hundredths already, with one decimal."""
    return _cell(figure, "" if figure.number is None else f"{figure.number:.1f}{unit}")


def yes_or_no(figure: Figure) -> Figure:
    """A figure that is true or false, in words."""
    return figure if figure.value is None else derived("yes" if figure.value else "no", figure.note)


def bounded(figures: Mapping[str, Figure]) -> dict[str, str]:
    """Names of the figures that are bounds, by what they bound, as cells of CSV."""
    sides: tuple[Bound, ...] = get_args(Bound)
    return {
        side.replace(" ", "_"): "; ".join(name for name, f in figures.items() if f.bound == side)
        for side in sides
    }


def _cell(figure: Figure, text: str) -> Cell:
    """``text`` with what the value bounds, if anything; the status in place of an empty one."""
    if figure.bound is not None:
        text = f"{text} {BOUND_WORDS[figure.bound]}"
    return Cell(text or figure.status, figure.status, figure.note)


def ratio(value: float) -> str:
    """How many times as much, in three digits that count: 0.0922x, 1.00x, 12.3x, 4,567x. What only
    rounds to as much is told from what is: <1.00x."""
    if value >= 999.5:
        return f"{value:,.0f}x"
    text = "0.00" if value == 0 else f"{value:#.3g}".removesuffix(".")
    side = "" if value == 1 or text != "1.00" else "<" if value < 1 else ">"
    return f"{side}{text}x"
