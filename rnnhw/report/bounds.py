"""How a figure's bound is worded: in notes and, until its schema has a field for it, in JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from rnnhw.cost.figure import Bound, Figure

__all__ = ["bounds_in_notes", "bounds_of_notes", "note_text", "without_bounds"]

_WORDS: dict[Bound, str] = {"at least": "a lower bound", "at most": "an upper bound"}

_Part = TypeVar("_Part", bound=msgspec.Struct)


def note_text(figure: Figure) -> str:
    """The note of a figure, with its bound in front."""
    if figure.bound is None:
        return figure.note
    return f"{_WORDS[figure.bound]}: {figure.note}" if figure.note else _WORDS[figure.bound]


def bounds_in_notes(part: _Part) -> _Part:
    """``part`` of a report or comparison as it is saved: every bound stands in its note."""
    return _with_figures(part, lambda each: Figure(each.value, each.status, note_text(each)))


def bounds_of_notes(part: _Part) -> _Part:
    """The inverse of :func:`bounds_in_notes`."""
    return _with_figures(part, _read_bound)


def without_bounds(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of what :func:`bounds_in_notes` returns."""
    del schema["$defs"]["Figure"]["properties"]["bound"]
    return schema


def _read_bound(figure: Figure) -> Figure:
    if figure.number is None:
        return figure
    for bound, words in _WORDS.items():
        if figure.note == words or figure.note.startswith(f"{words}: "):
            return Figure(figure.value, figure.status, figure.note[len(words) + 2 :], bound)
    return figure


def _with_figures(part: _Part, change: Callable[[Figure], Figure]) -> _Part:
    """``part`` with every figure in it changed."""

    def changed(value: Any) -> Any:
        if isinstance(value, Figure):
            return change(value)
        if isinstance(value, tuple):
            return tuple(changed(item) for item in value)
        return _with_figures(value, change) if isinstance(value, msgspec.Struct) else value

    fields = {name: changed(getattr(part, name)) for name in part.__struct_fields__}
    return msgspec.structs.replace(part, **fields)
