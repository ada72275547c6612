"""Figures as the text of a cell, the same in every format."""

from __future__ import annotations

from dataclasses import dataclass

from rnnhw.cost.model import LOWER_BOUND, Figure, Status

__all__ = ["Cell", "number", "percent", "ratio", "shown"]


@dataclass(frozen=True)
class Cell:
    """Text with the status and the source of the figure that it shows, if it shows one."""

    text: str
    status: Status | None = None
    note: str = ""
    beside: str = ""
    """What stands behind it in smaller type: a ratio."""

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
    if figure.value is None:
        return Cell(figure.status, figure.status, figure.note)
    text = number(figure.value)
    if figure.note.startswith(LOWER_BOUND):
        text = f"{text} or more"
    return Cell(text, figure.status, figure.note)


def percent(figure: Figure) -> Cell:
    """A fraction as a percentage."""
    if isinstance(figure.value, int | float):
        return Cell(f"{100 * figure.value:.1f} %", figure.status, figure.note)
    return Cell(figure.status, figure.status, figure.note)


def ratio(value: float) -> str:
    """How many times as much, in three digits that count; only what is exact has fewer."""
    if value in (0, 1):
        return f"{value:g}x"
    if value >= 1000:
        return f"{value:,.0f}x"
    return f"{value:.2f}x" if 0.1 <= value < 10 else f"{value:#.3g}x".replace(".x", "x")
