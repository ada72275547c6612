"""Cells of CSV files: none is a formula."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rnnhw.errors import escaped

__all__ = ["cell", "cells"]

Value = TypeVar("Value")

_FORMULA = ("=", "+", "-", "@")


def cell(value: Value) -> Value | str:
    """``value``, but text that a spreadsheet would compute has an apostrophe before it.

    Text that is a number stays; control characters are shown as escapes.
    """
    if not isinstance(value, str):
        return value
    text = escaped(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and not _is_number(text) else text


def cells(values: Iterable[Value]) -> list[Value | str]:
    """A row of :func:`cell`."""
    return [cell(value) for value in values]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
