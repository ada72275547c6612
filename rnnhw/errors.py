"""The errors that a user can cause, each with what is wrong and how to mend it.

``UsageError`` is a wrong call (exit code 2), ``DesignError`` a wrong design, weights or data file
(exit code 3). Anything else that escapes is a defect of rnnhw.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any, NamedTuple

__all__ = [
    "DesignError",
    "RnnhwError",
    "UsageError",
    "WrongArgument",
    "unknown_name",
    "whole_number",
    "wrong_argument",
]


class RnnhwError(Exception):
    """A mistake that the user can mend; ``hint`` says how."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def at(self, place: str) -> RnnhwError:
        """The same error with ``place`` (a file, a layer) before its message."""
        return type(self)(f"{place}: {self.message}", self.hint)


class UsageError(RnnhwError):
    """The command or the call is wrong: an unknown option, name or combination."""

    exit_code = 2


class DesignError(RnnhwError):
    """The design file, its weights or its data are wrong."""

    exit_code = 3


def unknown_name(kind: str, name: str, known: Iterable[str]) -> tuple[str, str]:
    """Message and hint for a name that is not among ``known``."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {kind} {name!r}", f"{hint}known: {', '.join(names) or 'none'}"


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
