"""The resources of a device that a design uses, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence

from rnnhw.cost.figure import Figure, is_within
from rnnhw.cost.model import Resource

__all__ = ["fitting", "resource_of"]


def resource_of(name: str, unit: str, used: Figure, capacity: Figure) -> Resource:
    """The use of a capacity, and whether it fits, where both are known."""
    fits, percent = is_within(used, capacity), None
    if used.number is not None and capacity.number is not None:
        limit = capacity.number
        percent = 100 * used.number / limit if limit else (0.0 if fits else None)
    return Resource(name=name, unit=unit, used=used, capacity=capacity, percent=percent, fits=fits)


def fitting(resources: Sequence[Resource]) -> tuple[bool | None, tuple[str, ...]]:
    """Whether everything fits, and what does not; the first is not known where that of a resource
    is not. A resource that does not exist on the device is not asked."""
    over = tuple(
        f"{resource.name}: {resource.used.value} of {resource.capacity.value} {resource.unit}"
        for resource in resources
        if resource.fits is False
    )
    if over:
        return False, over
    unknown = any(resource.fits is None for resource in resources if resource.is_used)
    return (None if unknown else True), ()
