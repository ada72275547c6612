"""What integers in ranges can become: one arithmetic for every kind of least and greatest integer.

Source: Moore 1966, "Interval Analysis".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from rnnhw.graph.elementwise import ELEMENTWISE, Arithmetic
from rnnhw.graph.nodes import Node
from rnnhw.numerics.cast import Interval, Overflow, Q, rounded

__all__ = ["Ranges", "cast_bounds", "interval_of"]

R = TypeVar("R", bound=Iterable[Any])


@dataclass(frozen=True)
class Ranges(Arithmetic[R]):
    """The arithmetic of ranges of raw integers. What two operands have in common is forgotten.

    ``pair`` makes a range of its two ends, which are integers or arrays of them; ``least`` and
    ``most`` are the less and the greater of two.
    """

    pair: Callable[[Any, Any], R]
    least: Callable[[Any, Any], Any]
    most: Callable[[Any, Any], Any]

    def add(self, a: R, b: R) -> R:
        (a0, a1), (b0, b1) = a, b
        return self.pair(a0 + b0, a1 + b1)

    def subtract(self, a: R, b: R) -> R:
        (a0, a1), (b0, b1) = a, b
        return self.pair(a0 - b1, a1 - b0)

    def multiply(self, a: R, b: R) -> R:
        (a0, a1), (b0, b1) = a, b
        p, q, r, s = a0 * b0, a0 * b1, a1 * b0, a1 * b1
        least, most = self.least, self.most
        return self.pair(least(least(p, q), least(r, s)), most(most(p, q), most(r, s)))

    def select(self, s: R, a: R, b: R) -> R:
        (a0, a1), (b0, b1) = a, b
        return self.pair(self.least(a0, b0), self.most(a1, b1))

    def shift(self, a: R, by: R) -> R:
        (a0, a1), (b0, b1) = a, by
        return self.pair(self.least(a0 << b0, a0 << b1), self.most(a1 << b0, a1 << b1))

    def clamp(self, a: R, low: int | None, high: int | None, fraction: int) -> R:
        ends = tuple(a)
        if high is not None:
            ends = tuple(self.least(end, high) for end in ends)
        if low is not None:
            ends = tuple(self.most(end, low) for end in ends)
        return self.pair(*ends)

    def align(self, a: R, places: int) -> R:
        low, high = a
        return self.pair(low << places, high << places)


def _interval(low: int, high: int) -> Interval:
    return low, high


@dataclass(frozen=True)
class _Intervals:
    values: Mapping[Node, Interval]
    arithmetic: ClassVar[Ranges[Interval]] = Ranges(_interval, min, max)


def interval_of(node: Node, operands: Mapping[Node, Interval]) -> Interval:
    """The range of an elementwise operation's raw integers, from those of its operands."""
    low, high = ELEMENTWISE[type(node)](_Intervals(operands), node)
    return low, high


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
