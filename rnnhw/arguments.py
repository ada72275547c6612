"""Checks of arguments that would fail far from where they were written, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any, NamedTuple

from rnnhw.errors import DesignError

__all__ = ["WrongArgument", "whole_number", "wrong_argument"]


class WrongArgument(NamedTuple):
    """An argument of a dataclass whose ``value`` is not of the type ``wanted``; None: a class
    stands where an object of it should."""

    name: str
    value: object
    wanted: type | None


def wrong_argument(owner: object, kinds: Mapping[str, type]) -> WrongArgument | None:
    """The first wrong argument of a dataclass object; ``kinds`` are the types that are checked,
    by the text of their annotations."""
    arguments: Iterable[Field[Any]] = fields(owner) if is_dataclass(owner) else ()
    for argument in arguments:
        value = getattr(owner, argument.name)
        # Annotations are text here: every module of rnnhw postpones them.
        wanted = kinds.get(str(argument.type))
        if wanted and (not isinstance(value, wanted) or (wanted is int and value is True)):
            return WrongArgument(argument.name, value, wanted)
        if isinstance(value, type):
            return WrongArgument(argument.name, value, None)
    return None


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
