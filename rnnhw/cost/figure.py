"""One figure of a report: a value, how it is known, and which side the true value may lie on.

A figure is exact, or its value is a bound: the true value is ``at least`` or ``at most`` that.
Arithmetic carries this along, so that a rate that is computed from a lower bound of cycles is an
upper bound:

    a + b           both bounds point the same way, or the sum is not known
    a - b           as a + (-b), and -b points the other way
    a * b           as a sum, for quantities that are not negative
    a / b           as a * (1 / b), and 1 / b points the other way, for a positive b

A factor or divisor whose value is exact may be negative: it turns the bound of the other operand.
What is computed from an unknown figure is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

from rnnhw.profiles import SourcedValue

__all__ = [
    "BOUND_WORDS",
    "Bound",
    "Cycles",
    "Figure",
    "Status",
    "derived",
    "if_known",
    "is_within",
    "not_known",
    "not_used",
    "of_profile",
    "status_from",
    "total",
    "whole_count",
]

Status = Literal["measured", "vendor", "tool", "derived", "second-hand", "not known", "not used"]
"""How a figure is known: ``measured``, ``vendor`` and ``tool`` are a profile's own words for
where a number was read; ``derived`` is computed from the design and such numbers;
``second-hand`` is, or is computed from, a number that a third party reports."""

Bound = Literal["at least", "at most"]
"""The direction of a figure that bounds the true value."""

BOUND_WORDS: Mapping[Bound, str] = MappingProxyType({"at least": "or more", "at most": "or less"})
"""The words behind the number of a figure that is a bound."""

Cycles: TypeAlias = int | Fraction


class Figure(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One value in the unit that the field's name ends in, how it is known, and from where."""

    value: int | float | str | None
    status: Status
    note: str = ""
    bound: Bound | None = None

    def __post_init__(self) -> None:
        if self.bound is not None and self.number is None:
            raise ValueError(f"{self.bound} {self.value!r}: a bound needs a number")

    @property
    def number(self) -> int | float | None:
        """The value, where it is a number."""
        return self.value if isinstance(self.value, int | float) else None

    def noted(self, note: str) -> Figure:
        """The figure with another note."""
        return Figure(self.value, self.status, note, self.bound)

    def __add__(self, other: Figure | float) -> Figure:
        return _combined(lambda a, b: a + b, self, _exact(other), _sum_bound)

    __radd__ = __add__

    def __sub__(self, other: Figure | float) -> Figure:
        return _combined(lambda a, b: a - b, self, _exact(other), _difference_bound)

    def __rsub__(self, other: float) -> Figure:
        return _exact(other) - self

    def __mul__(self, other: Figure | float) -> Figure:
        return _combined(lambda a, b: a * b, self, _exact(other), _product_bound)

    __rmul__ = __mul__

    def __truediv__(self, other: Figure | float) -> Figure:
        """The quotient; not known where ``other`` is zero."""
        divisor = _exact(other)
        if divisor.value == 0:
            return not_known("divided by zero")
        return _combined(lambda a, b: a / b, self, divisor, _quotient_bound)

    def __rtruediv__(self, other: float) -> Figure:
        return _exact(other) / self


def derived(value: float | str, note: str = "", bound: Bound | None = None) -> Figure:
    """A figure that follows from the design."""
    return Figure(value, "derived", note, bound)


def not_known(note: str = "") -> Figure:
    """A figure that no source supports."""
    return Figure(None, "not known", note)


def not_used(note: str = "") -> Figure:
    """A figure that does not exist on this target."""
    return Figure(None, "not used", note)


def if_known(value: float | str | None, note: str = "") -> Figure:
    """A figure that follows from the design; not known where there is no value."""
    return not_known(note) if value is None else derived(value, note)


def of_profile(sourced: SourcedValue | None) -> Figure:
    """A figure of the profile, with its source."""
    if sourced is None:
        return not_known("the profile has no figure")
    return Figure(sourced.value, sourced.status, sourced.source)


def whole_count(cycles: Cycles) -> int | float:
    """Cycles as reports have them: whole where they are."""
    return cycles if isinstance(cycles, int) else float(cycles)


# --- arithmetic --------------------------------------------------------------------------------
class _ContradictionError(Exception):
    """Bounds that point in both directions say nothing."""


def status_from(*inputs: Figure) -> Status:
    """How a figure is known that is computed from ``inputs``."""
    return "second-hand" if any(each.status == "second-hand" for each in inputs) else "derived"


def total(figures: Iterable[Figure], note: str = "") -> Figure:
    """The sum of whole numbers; the first figure that is not used, if any; not known where a part
    of it is not, with ``note`` or the note of that part."""
    result = derived(0)
    for figure in figures:
        if figure.status == "not used":
            return figure
        if not isinstance(figure.value, int):
            return not_known(note or figure.note)
        result = result + figure
    return result


def is_within(used: Figure, capacity: Figure) -> bool | None:
    """Whether ``used`` is at most ``capacity``; None where values or bounds leave it open."""
    amount, limit = used.number, capacity.number
    if amount is None or limit is None:
        return None
    if amount <= limit:
        certain = used.bound != "at least" and capacity.bound != "at most"
    else:
        certain = used.bound != "at most" and capacity.bound != "at least"
    return amount <= limit if certain else None


def _exact(other: Figure | float) -> Figure:
    return other if isinstance(other, Figure) else derived(other)


def _combined(
    compute: Callable[[float, float], float],
    a: Figure,
    b: Figure,
    bound_of: Callable[[Figure, Figure], Bound | None],
) -> Figure:
    """``compute`` of both values with the bound that follows, or what is missing."""
    for operand in (a, b):
        if operand.value is None:
            return Figure(None, operand.status)
    if a.number is None or b.number is None:
        return not_known()
    try:
        bound = bound_of(a, b)
    except _ContradictionError:
        return not_known("computed from a lower and an upper bound")
    return Figure(compute(a.number, b.number), status_from(a, b), "", bound)


def _flipped(bound: Bound | None) -> Bound | None:
    return {"at least": "at most", "at most": "at least", None: None}[bound]


def _agreed(*bounds: Bound | None) -> Bound | None:
    """The bound of what rises with each operand."""
    pointing = {bound for bound in bounds if bound is not None}
    if len(pointing) > 1:
        raise _ContradictionError
    return pointing.pop() if pointing else None


def _sum_bound(a: Figure, b: Figure) -> Bound | None:
    return _agreed(a.bound, b.bound)


def _difference_bound(a: Figure, b: Figure) -> Bound | None:
    return _agreed(a.bound, _flipped(b.bound))


def _product_bound(a: Figure, b: Figure) -> Bound | None:
    return _scaled_bound(a, a.bound, b, b.bound)


def _quotient_bound(a: Figure, b: Figure) -> Bound | None:
    return _scaled_bound(a, a.bound, b, _flipped(b.bound))


def _scaled_bound(
    a: Figure, a_bound: Bound | None, b: Figure, b_bound: Bound | None
) -> Bound | None:
    """The bound of a product of factors whose signs are those of ``a`` and ``b``."""
    assert a.number is not None and b.number is not None
    if a.bound is None:
        return None if a.number == 0 else _flipped(b_bound) if a.number < 0 else b_bound
    if b.bound is None:
        return None if b.number == 0 else _flipped(a_bound) if b.number < 0 else a_bound
    if a.number < 0 or b.number < 0:
        raise _ContradictionError
    return _agreed(a_bound, b_bound)
