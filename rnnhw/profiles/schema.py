"""What every figure of a profile carries, and the errors of a profile that breaks a rule.

A profile is data about hardware, never about a network. Every number sits in a `Sourced` value,
so a report can print where it came from and how far it can be trusted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from rnnhw.errors import RnnhwError

__all__ = [
    "HINTS",
    "Base",
    "ClockRange",
    "Evidence",
    "FieldError",
    "ProfileError",
    "Sourced",
    "SourcedValue",
    "UnknownProfileError",
    "check_count",
    "check_number",
    "check_positive",
    "check_text",
    "check_unit",
]

Evidence = Literal["measured", "vendor", "tool", "second-hand", "derived"]
"""How a number is known.

measured: by this project. vendor: read in the vendor's own text or tool report. tool: read out of
a data file or a report of an open tool. second-hand: a third party's text. derived: computed from
other figures, which the source names.
"""

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "source": "name the document, tool report or measurement that the number comes from",
        "extends": "name the profile of the device that is on the board",
        "unit": 'name the unit, such as "MHz" or "bytes"',
    }
)
"""What to write into a field, for errors that find it blank or missing."""


class ProfileError(RnnhwError, ValueError):
    """A profile that cannot be used: `message` names file, field and value, `hint` the cure."""

    exit_code = 3

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}"


class UnknownProfileError(ProfileError):
    """A name that no shipped profile has; the hint lists those that exist."""

    exit_code = 2


class FieldError(ValueError):
    """A rule of this module that a field breaks; the loader adds the file and the outer path."""

    def __init__(self, field: str, value: object, problem: str, hint: str) -> None:
        super().__init__(f"{field}: {problem}, got {value!r}; {hint}")
        self.field = field
        self.value = value
        self.problem = problem
        self.hint = hint


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings that all types here share."""


class Sourced(Base, frozen=True, kw_only=True):
    """The origin that every number carries.

    Raises FieldError (from msgspec.convert as msgspec.ValidationError) on a blank unit or source.
    """

    unit: str
    source: str
    status: Evidence
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "unit", "source")


class SourcedValue(Sourced, frozen=True, kw_only=True):
    """One number: `value` in `unit`."""

    value: int | float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("value", self.value)


class ClockRange(Base, frozen=True, kw_only=True):
    """Clocks in MHz from `low` to `high`; `of` says what ran, or was timed, at them."""

    low: SourcedValue
    high: SourcedValue
    of: str

    def __post_init__(self) -> None:
        check_text(self, "of")
        check_unit("low", self.low, "MHz")
        check_unit("high", self.high, "MHz")
        if self.low.value > self.high.value:
            raise FieldError(
                "low.value",
                self.low.value,
                f"is above high.value {self.high.value}",
                "exchange the two",
            )


def check_text(struct: msgspec.Struct, *fields: str) -> None:
    """Raise FieldError where a text field says nothing."""
    for field in fields:
        value = getattr(struct, field)
        if not value.strip():
            raise FieldError(field, value, "must not be blank", HINTS.get(field, f"give a {field}"))


def check_number(field: str, value: float) -> None:
    """Raise FieldError unless the value is finite and at least 0."""
    if not math.isfinite(value) or value < 0:
        raise FieldError(
            field, value, "must be finite and not negative", "leave a figure out if it is not known"
        )


def check_positive(struct: msgspec.Struct, *fields: str) -> None:
    """Raise FieldError where an integer field is less than 1."""
    for field in fields:
        value = getattr(struct, field)
        if value < 1:
            raise FieldError(field, value, "must be at least 1", "correct the number")


def check_unit(field: str, figure: SourcedValue, *units: str) -> None:
    """Raise FieldError unless the figure is in one of the units."""
    if figure.unit not in units:
        wanted = " or ".join(repr(unit) for unit in units)
        raise FieldError(
            f"{field}.unit", figure.unit, f"must be {wanted}", "convert the value to that unit"
        )


def check_count(field: str, figure: SourcedValue, *units: str) -> None:
    """Raise FieldError unless the figure is a whole number of one of the units."""
    check_unit(field, figure, *units)
    if not isinstance(figure.value, int):
        raise FieldError(
            f"{field}.value", figure.value, "must be a whole number", "write it without a point"
        )
