"""The errors that a user can cause: a message says what is wrong, a hint how to mend it.

``UsageError`` is a wrong call (exit code 2), ``DesignError`` a wrong design, weights or data file
(exit code 3). Anything else that escapes is a defect of rnnhw.
"""

from __future__ import annotations

import difflib
import numbers
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple

__all__ = [
    "LONGEST_NAME",
    "DesignError",
    "RnnhwError",
    "UsageError",
    "WrongArgument",
    "check_name",
    "described",
    "escaped",
    "few",
    "plain_number",
    "plain_numbers",
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
        """The same error with ``place`` (a file, a layer) before its message, once."""
        if self.message.startswith(f"{place}: "):
            return self
        return type(self)(f"{place}: {self.message}", self.hint)

    def name_options(self, options: Mapping[str, str], given: Collection[str] = ()) -> None:
        """Put options in place of the parameters that message and hint name.

        The hint writes a parameter of a function as ``lanes=``, with no value behind it;
        ``options`` has the option of the command, by parameter. A wrong call's message may begin
        with a parameter and its value: of an option that is among the ``given`` ones.
        """

        def option(match: re.Match[str]) -> str:
            return options.get(match[1], match[0])

        pattern = re.compile(r"\b([a-z_]+)=(?=[\s,;:)]|$)")
        self.message = pattern.sub(option, self.message)
        self.hint = pattern.sub(option, self.hint)
        name, equals, rest = self.message.partition("=")
        if isinstance(self, UsageError) and equals and options.get(name) in given:
            self.message = f"{options[name]} {rest}"


class UsageError(RnnhwError):
    """The command or the call is wrong: an unknown option, name or combination."""

    exit_code = 2


class DesignError(RnnhwError):
    """The design file, its weights or its data are wrong."""

    exit_code = 3


_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They change the order in which a terminal shows what follows."""

_MOST_NAMES = 5  # in a hint


def unknown_name(kind: str, name: str, known: Iterable[str]) -> tuple[str, str]:
    """Message and hint for a name that is not among ``known``; the hint has a few that are."""
    names = sorted(known) if isinstance(known, Set) else list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    like = difflib.get_close_matches(name, names, n=_MOST_NAMES, cutoff=0.4)
    nearest = dict.fromkeys([*like, *names])
    shown = few(sorted(list(nearest)[:_MOST_NAMES]), len(nearest))
    return f"unknown {kind} {name!r}", f"{hint}known: {shown or 'none'}"


def few(names: Iterable[str], count: int | None = None) -> str:
    """At most five names in a line, and how many more there are; ``count`` is that of all."""
    every = list(names)
    more = (len(every) if count is None else count) - len(every[:_MOST_NAMES])
    return ", ".join(every[:_MOST_NAMES]) + (f" and {more:,} more" if more else "")


def escaped(text: str, *, keep: str = "") -> str:
    """``text`` with every control character as its escape, except those to ``keep``.

    A terminal runs such characters; no message of ours needs them.
    """
    return "".join(f"\\u{ord(c):04x}" if c not in keep and _controls(c) else c for c in text)


def _controls(character: str) -> bool:
    """Whether a character does something other than to be seen, or is none at all."""
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs", "Zl", "Zp") or character in _BIDIRECTIONAL


def described(error: BaseException) -> str:
    """An exception's kind and words in one line, even where its words raise an exception."""
    try:
        words = str(error)
    except BaseException as broken:
        words = f"no message: its __str__ raises {type(broken).__name__}"
    return f"{type(error).__name__}: {words.strip() or 'no message'}"


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


_PLAIN = frozenset({int, float, bool, str, tuple, type(None)})
"""Types of most fields, which are no other library's numbers."""


def plain_number(value: Any) -> Any:
    """A number of another library (NumPy's) as a number of Python; anything else as it is.

    Numbers in a mapping are meant too.
    """
    # To ask an abstract class whether something is an instance takes longer than all the rest.
    if type(value) in _PLAIN or isinstance(value, Enum):
        return value
    match value:
        case int() | float():
            return value
        case numbers.Integral():
            return int(value)
        case numbers.Real():
            return float(value)
        case Mapping():
            return {key: plain_number(each) for key, each in value.items()}
    return value


def plain_numbers(owner: object) -> None:
    """Replace the numbers among the fields of a dataclass object by numbers of Python."""
    # Not `fields`, which filters them anew for each of the many formats.
    for name in getattr(owner, "__dataclass_fields__", ()):
        value = getattr(owner, name, None)
        if type(value) in _PLAIN or isinstance(value, Mapping):
            continue
        plain = plain_number(value)
        if plain is not value:
            # A frozen object may be completed while __init__ runs.
            object.__setattr__(owner, name, plain)


LONGEST_NAME = 64


def check_name(name: str, longest: int | None = LONGEST_NAME) -> None:
    """Refuse a name that cannot stand in a line of text or name a file; None: of any length.

    Raises:
        DesignError: it is too long, or has a character that controls a terminal or ends a line.
    """
    if escaped(name) != name:
        raise DesignError(
            f"name='{escaped(name[:LONGEST_NAME])}': a name has no control characters",
            "use characters that can be seen",
        )
    if longest is not None and len(name) > longest:
        raise DesignError(
            f"name={name[:16]!r}...: a name of {len(name)} characters",
            f"use at most {longest}",
        )


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
