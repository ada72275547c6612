"""Demands on named figures, the ``--min`` and ``--max`` of every command."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType

from rnnhw.errors import UsageError, unknown_name

__all__ = ["Check", "check_bounds", "check_names", "judge"]


@dataclass(frozen=True)
class Check:
    """One demand: a named figure against a bound."""

    name: str
    value: float
    bound: float
    kind: str
    """``min`` or ``max``."""
    unjudged: str = ""
    """Why the figure says nothing; empty where it can be judged."""

    @property
    def passed(self) -> bool:
        """Whether the figure keeps the bound; NaN never does, nor what is not judged."""
        if self.unjudged:
            return False
        return self.value >= self.bound if self.kind == "min" else self.value <= self.bound


def check_names(known: Collection[str], *bounds: Mapping[str, float]) -> None:
    """Refuse bounds on figures that there are not.

    Raises:
        UsageError: with the names that there are.
    """
    for name in (name for each in bounds for name in each):
        if name not in known:
            raise UsageError(*unknown_name("figure", name, known))


def check_bounds(*bounds: Mapping[str, object]) -> None:
    """Refuse bounds that every figure keeps or none.

    Raises:
        UsageError: a bound is infinite, NaN or no number.
    """
    for name, bound in (pair for each in bounds for pair in each.items()):
        if not isinstance(bound, Real):
            raise UsageError(f"{name}: the bound {bound!r} is not a number", "give a number")
        if not math.isfinite(float(bound)):
            raise UsageError(
                f"{name}: nothing can be judged by the bound {float(bound):g}",
                "give a finite number",
            )


_JUDGED: Mapping[str, str] = MappingProxyType({})


def judge(
    figures: Mapping[str, float],
    minimum: Mapping[str, float],
    maximum: Mapping[str, float],
    unjudged: Mapping[str, str] = _JUDGED,
) -> list[Check]:
    """The demands on named figures, each checked; ``unjudged`` are those that say nothing, with
    the reason.

    Raises:
        UsageError: a figure has no such name.
    """
    check_names(figures, minimum, maximum)
    return [
        Check(name, figures[name], bound, kind, unjudged.get(name, ""))
        for kind, bounds in (("min", minimum), ("max", maximum))
        for name, bound in bounds.items()
    ]
