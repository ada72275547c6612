"""Figures of a report: how certain what is computed is, sums, and what fits a capacity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TypeAlias

from rnnhw.analysis.counts import TIME_COUNTS
from rnnhw.cost.model import Figure, Resource, Status, derived, not_known
from rnnhw.graph.network import Network
from rnnhw.profiles import Figure as ProfileFigure

__all__ = [
    "Cycles",
    "algorithmic_counts",
    "computed",
    "if_known",
    "of_profile",
    "resource_of",
    "summed",
    "verdict",
    "whole_count",
]

Cycles: TypeAlias = int | Fraction


def if_known(value: float | str | None, note: str = "") -> Figure:
    """What follows from the design; not known where there is no value."""
    return not_known(note) if value is None else derived(value, note)


def of_profile(figure: ProfileFigure | None) -> Figure:
    """A figure of the profile, with its source."""
    if figure is None:
        return not_known("the profile has no figure")
    return Figure(figure.value, figure.status, figure.source)


def computed(value: float, *inputs: Figure, note: str = "") -> Figure:
    """A figure that is as certain as what it is computed from."""
    second_hand = any(figure.status == "second-hand" for figure in inputs)
    status: Status = "second-hand" if second_hand else "derived"
    return Figure(value, status, note)


def summed(figures: Iterable[Figure], note: str = "") -> Figure:
    """The sum, not known where a part of it is not."""
    total = 0
    for figure in figures:
        if figure.status == "not used":
            return figure
        if not isinstance(figure.value, int):
            return not_known(note or figure.note)
        total += figure.value
    return derived(total)


def whole_count(cycles: Cycles) -> int | float:
    """Cycles as reports have them: whole where they are."""
    return cycles if isinstance(cycles, int) else float(cycles)


def resource_of(name: str, unit: str, used: Figure, capacity: Figure) -> Resource:
    """What is used of a capacity, and whether it fits, where both are known."""
    amount, limit = used.value, capacity.value
    percent = fits = None
    if isinstance(amount, int | float) and isinstance(limit, int | float):
        fits = amount <= limit
        percent = 100 * amount / limit if limit else (0.0 if fits else None)
    return Resource(name=name, unit=unit, used=used, capacity=capacity, percent=percent, fits=fits)


def verdict(resources: Sequence[Resource], needed: set[str]) -> tuple[bool | None, tuple[str, ...]]:
    """Whether everything fits; unknown where a resource that must be known is not."""
    over = tuple(
        f"{resource.name}: {resource.used.value} of {resource.capacity.value} {resource.unit}"
        for resource in resources
        if resource.fits is False
    )
    if over:
        return False, over
    unknown = any(r.fits is None for r in resources if r.name in needed)
    return (None if unknown else True), ()


def algorithmic_counts(network: Network) -> dict[str, dict[str, int]]:
    """The algorithmic counts of one step of every layer."""
    return {node.name: dict(TIME_COUNTS[type(node)](node).flat()) for node in network.nodes}
