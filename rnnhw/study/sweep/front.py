"""The points that no other point beats in every objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rnnhw.cost.figure_table import ROWS
from rnnhw.design.tasks import Accuracy, SquaredError
from rnnhw.errors import UsageError

__all__ = ["Objective", "front", "objective_of"]

Sense = Literal["more", "less"]

_SENSES: Mapping[str, Sense] = {
    **{name: row.better for name, row in ROWS.items() if row.better is not None},
    **dict.fromkeys(Accuracy.names, "more"),
    **dict(zip(SquaredError.names, ("less", "more"), strict=True)),
    "stored_bits": "less",
    "fits": "more",
}
"""Which way figures are better. Those of a user's own score say it themselves: ``name:less``."""


@dataclass(frozen=True)
class Objective:
    """A figure that is wanted large or small."""

    name: str
    sense: Sense

    def worth(self, figures: Mapping[str, float | None]) -> float | None:
        """The figure, so that more is better; None where it is not known."""
        value = figures.get(self.name)
        return None if value is None else float(value) if self.sense == "more" else -float(value)


def objective_of(text: str) -> Objective:
    """The objective that ``NAME``, ``NAME:more`` or ``NAME:less`` names.

    Raises:
        UsageError: nothing tells which way the figure is better.
    """
    name, _, sense = text.partition(":")
    if sense in ("more", "less"):
        return Objective(name, sense)  # type: ignore[arg-type]
    if sense or name not in _SENSES:
        raise UsageError(
            f"objective {text!r}: more or less of it?", f"write {name}:more or {name}:less"
        )
    return Objective(name, _SENSES[name])


def front(
    figures: Sequence[Mapping[str, float | None]], objectives: Sequence[Objective]
) -> list[int]:
    """The indices of the points that no other beats: as good in every objective and better in
    one. A point that lacks an objective is never among them; of equal points all are."""
    worth: dict[int, tuple[float, ...]] = {}
    for index, each in enumerate(figures):
        values = [objective.worth(each) for objective in objectives]
        known = tuple(value for value in values if value is not None)
        if len(known) == len(values):
            worth[index] = known
    return [
        index
        for index, values in worth.items()
        if not any(
            other != values and all(a >= b for a, b in zip(other, values, strict=True))
            for other in worth.values()
        )
    ]
