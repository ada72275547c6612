"""A profile as a flat list of its figures, for people who want to see where numbers come from."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rnnhw.profiles.fpga import MemoryMode
from rnnhw.profiles.schema import Sourced, SourcedValue

__all__ = ["sourced_figures", "unknown_figures", "value_text"]

_LISTED = ("fits", "operations", "accesses")
"""Lists that mean not known where they are empty, rather than that there is nothing."""


def sourced_figures(part: object, path: str = "") -> Iterator[tuple[str, Sourced]]:
    """Every sourced value in ``part`` with its dotted path, in the order of the fields."""
    if isinstance(part, Sourced):
        yield path, part
    elif isinstance(part, tuple):
        for index, item in enumerate(part):
            yield from sourced_figures(item, f"{path}[{index}]")
    elif isinstance(part, msgspec.Struct):
        for field in msgspec.structs.fields(part):
            inner = f"{path}.{field.name}" if path else field.name
            yield from sourced_figures(getattr(part, field.name), inner)


def unknown_figures(profile: msgspec.Struct) -> list[str]:
    """The profile's own figures that no source supports, by name."""
    return [
        field.name
        for field in msgspec.structs.fields(profile)
        if (field.name in _LISTED and not getattr(profile, field.name))
        or (field.name != "dsp" and getattr(profile, field.name) is None)
    ]


def value_text(sourced: Sourced) -> str:
    """The text of a sourced value, without its source."""
    if isinstance(sourced, SourcedValue):
        return f"{sourced.value:,} {sourced.unit}"
    described = {field.name for field in msgspec.structs.fields(Sourced)}
    parts = [
        f"{field.name} {_plain(getattr(sourced, field.name))}"
        for field in msgspec.structs.fields(sourced)
        if field.name not in described
    ]
    return f"{', '.join(parts)} ({sourced.unit})"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(_plain(item) for item in value)
    if isinstance(value, MemoryMode):
        return f"{value.depth}x{value.width}"
    if isinstance(value, msgspec.Struct):
        named = msgspec.structs.asdict(value).items()
        return f"({', '.join(f'{name} {_plain(item)}' for name, item in named if item)})"
    return str(value)
