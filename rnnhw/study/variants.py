"""The designs of a comparison: every item with every combination of the values to vary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TypeAlias

from rnnhw.design.design import Design, load
from rnnhw.errors import UsageError
from rnnhw.report.settings import settings_text

__all__ = ["Item", "Variant", "check_items", "check_varied", "labels_of", "variants_of"]

Item: TypeAlias = str | Path | Design
"""A design file, or a design."""


@dataclass(frozen=True, eq=False)
class Variant:
    """A design with one combination of values, as the types of the design's parameters."""

    design: Design
    varied: Mapping[str, object]


def check_varied(settings: Mapping[str, object], vary: Mapping[str, Sequence[object]]) -> None:
    """Refuse a parameter that is both set and varied, or has no values.

    Raises:
        UsageError: naming it.
    """
    for name, values in vary.items():
        if name in settings:
            raise UsageError(f"{name} is both set and varied", "leave out one of the two")
        if not values:
            raise UsageError(f"no values of {name} to vary", f"give for example {name}=4,6,8")


def check_items(items: Sequence[Item], hint: str) -> None:
    """Refuse an item that is named twice.

    Raises:
        UsageError: naming it, with ``hint``.
    """
    seen: list[object] = []
    for item in items:
        key = id(item) if isinstance(item, Design) else Path(item).resolve()
        if key in seen:
            named = item.place if isinstance(item, Design) else item
            raise UsageError(f"{named} is given twice", hint)
        seen.append(key)


def labels_of(items: Sequence[Item]) -> list[str]:
    """Names of the items: the file's, or with its folder where two files are called alike; a design
    without a file has its title, and a number where it is not the only one."""
    names = [_name(item) for item in items]
    found = []
    for index, (item, name) in enumerate(zip(items, names, strict=True)):
        if names.count(name) == 1:
            found.append(name)
        elif isinstance(item, Design):
            found.append(f"{name} #{names[: index + 1].count(name)}")
        else:
            found.append(str(item))
    return found


def _name(item: Item) -> str:
    if isinstance(item, Design):
        return item.path.name if item.path else item.title or "design"
    return Path(item).name


def variants_of(
    item: Item, settings: Mapping[str, object], vary: Mapping[str, Sequence[object]]
) -> Iterator[Variant]:
    """A design with every combination of values, the last parameter changing fastest.

    Raises:
        DesignError: the design file is wrong.
        UsageError: a parameter is unknown, a combination comes twice, or parameters are given to
            a design that is made already.
    """
    if isinstance(item, Design):
        if settings or vary:
            raise UsageError(
                f"{item.place}: parameters of a Design that is made already",
                "give the path of its file, or make one Design for each value",
            )
        yield Variant(item, {})
        return
    seen: list[dict[str, object]] = []
    for values in product(*vary.values()):
        design = load(item, {**settings, **dict(zip(vary, values, strict=True))})
        varied = {name: design.settings[name] for name in vary}
        if varied in seen:
            text = settings_text(varied)
            raise UsageError(f"{item}: {text} comes twice", "give each value once")
        seen.append(varied)
        yield Variant(design, varied)
