"""Demands on named figures, the ``--min`` and ``--max`` of every command."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rnnhw.errors import UsageError, unknown_name

__all__ = ["Check", "check_names", "judge"]


@dataclass(frozen=True)
class Check:
    """One demand: a named figure against a bound."""

    name: str
    value: float
    bound: float
    kind: str
    """``min`` or ``max``."""

    @property
    def passed(self) -> bool:
        """Whether the figure keeps the bound; NaN never does."""
        return self.value >= self.bound if self.kind == "min" else self.value <= self.bound


def check_names(known: Collection[str], *bounds: Mapping[str, float]) -> None:
    """Refuse bounds on figures that there are not.

    Raises:
        UsageError: with the names that there are.
    """
    for name in (name for each in bounds for name in each):
        if name not in known:
            raise UsageError(*unknown_name("figure", name, known))


def judge(
    figures: Mapping[str, float], minimum: Mapping[str, float], maximum: Mapping[str, float]
) -> list[Check]:
    """The demands on named figures, each checked.

    Raises:
        UsageError: a figure has no such name.
    """
    check_names(figures, minimum, maximum)
    return [
        Check(name, figures[name], bound, kind)
        for kind, bounds in (("min", minimum), ("max", maximum))
        for name, bound in bounds.items()
    ]
