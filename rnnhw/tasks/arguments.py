"""Checked arguments of tasks."""

from __future__ import annotations

from rnnhw.errors import DesignError

__all__ = ["whole_number"]


def whole_number(name: str, value: object, least: int, greatest: int | None = None) -> None:
    """Refuse an argument that is no whole number within its bounds.

    Raises:
        DesignError: with name, value and bounds.
    """
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < least
        or (greatest is not None and value > greatest)
    ):
        bounds = f"{least} or more" if greatest is None else f"{least} to {greatest:,}"
        raise DesignError(f"{name}={value!r}", f"use {bounds}")
