"""What integers in ranges can become: one arithmetic for every kind of least and greatest integer.

Source: Moore 1966, "Interval Analysis".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rnnhw.numerics.cast import Interval, Overflow, Q, rounded

__all__ = ["INTERVALS", "Ranges", "cast_bounds"]

R = TypeVar("R", bound=Iterable[Any])


@dataclass(frozen=True)
class Ranges(Generic[R]):
    """The arithmetic of elementwise operations (:mod:`rnnhw.graph.elementwise`) on ranges of raw
    integers. What two operands have in common is forgotten.

    ``pair`` makes a range of its two ends, which are integers or arrays of them; ``least`` and
    ``most`` are the less and the greater of two.
    """

    pair: Callable[[Any, Any], R]
    least: Callable[[Any, Any], Any]
    most: Callable[[Any, Any], Any]

    def add(self, a: R, b: R) -> R:
        """``a + b``."""
        (a0, a1), (b0, b1) = a, b
        return self.pair(a0 + b0, a1 + b1)

    def subtract(self, a: R, b: R) -> R:
        """``a - b``."""
        (a0, a1), (b0, b1) = a, b
        return self.pair(a0 - b1, a1 - b0)

    def multiply(self, a: R, b: R) -> R:
        """``a * b``."""
        (a0, a1), (b0, b1) = a, b
        p, q, r, s = a0 * b0, a0 * b1, a1 * b0, a1 * b1
        least, most = self.least, self.most
        return self.pair(least(least(p, q), least(r, s)), most(most(p, q), most(r, s)))

    def square(self, a: R) -> R:
        """``a * a``, as if the two were independent."""
        return self.multiply(a, a)

    def select(self, s: R, a: R, b: R) -> R:
        """``a`` where ``s >= 0``, else ``b``: either, whatever ``s`` is."""
        (a0, a1), (b0, b1) = a, b
        return self.pair(self.least(a0, b0), self.most(a1, b1))

    def shift(self, a: R, by: R) -> R:
        """``a * 2**by``."""
        (a0, a1), (b0, b1) = a, by
        return self.pair(self.least(a0 << b0, a0 << b1), self.most(a1 << b0, a1 << b1))

    def clamp(self, a: R, low: int | None, high: int | None, fraction: int) -> R:
        """``a`` within raw limits; None: there is none."""
        ends = tuple(a)
        if high is not None:
            ends = tuple(self.least(end, high) for end in ends)
        if low is not None:
            ends = tuple(self.most(end, low) for end in ends)
        return self.pair(*ends)

    def align(self, a: R, places: int) -> R:
        """``a`` with so many fraction bits more."""
        low, high = a
        return self.pair(low << places, high << places)

    def reinterpret(self, a: R, places: int) -> R:
        """The same raw integers, which stand for ``2**places`` times as much."""
        return a


def _interval(low: int, high: int) -> Interval:
    return low, high


INTERVALS = Ranges(_interval, min, max)
"""Ranges of Python's integers."""


def cast_bounds(fraction: int, values: Interval, to: Q) -> Interval:
    """What integers of ``values`` with so many fraction bits can become: no rounding changes their
    order, and neither does limiting them."""
    low, high = (rounded(end, fraction - to.fraction, to.rounding) for end in values)
    if to.lowest <= low and high <= to.max:
        return low, high
    if to.overflow.wraps:
        return to.min, to.max
    low, high = (max(to.lowest, min(to.max, end)) for end in (low, high))
    if to.overflow is Overflow.SAT_ZERO:
        return min(low, 0), max(high, 0)
    return low, high
