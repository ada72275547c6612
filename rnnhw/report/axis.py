"""A figure's values along a line of a drawing, linear or logarithmic, with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Axis", "without_outliers"]

_DECADES = 10.0
"""A range of at least this factor may have a logarithmic axis."""

_OUTLIERS = 3.0
"""Values worse than the median by this many times the distance from the median to the best do not
stretch an axis: a network that guesses would squeeze all others into one line."""


_ROUNDING = 1e-9
"""Of steps: a value that is a tick may not be one in float64."""


@dataclass(frozen=True)
class Axis:
    """A figure's values on a line from 0 to 1: they lie from ``least`` to ``most``, and there is
    room from ``low`` to ``high``."""

    low: float
    high: float
    logarithmic: bool
    least: float
    most: float

    @classmethod
    def over(cls, values: Sequence[float], *, may_be_logarithmic: bool) -> Axis:
        """An axis that holds all of the values, with room at both ends."""
        low, high = min(values), max(values)
        logarithmic = may_be_logarithmic and low > 0 and high / low >= _DECADES
        if logarithmic:
            return cls(low / 1.15, high * 1.15, True, low, high)
        room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
        return cls(low - room, high + room, False, low, high)

    def share(self, value: float) -> float:
        """Where a value lies; beyond an end it lies on it."""
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)

    def ticks(self) -> Iterator[float]:
        """Round values: on a linear axis among those of the figure, because what is in the room
        beside them may be none (an accuracy of 1.05); on one of a single value that value."""
        if self.logarithmic:
            exponent = math.floor(math.log10(self.low))
            while 10.0**exponent <= self.high:
                for digit in (1, 2, 5):
                    if self.low <= digit * 10.0**exponent <= self.high:
                        yield digit * 10.0**exponent
                exponent += 1
            return
        if self.least == self.most:
            yield self.least
            return
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough)
        count = math.ceil(self.least / step - _ROUNDING)
        while count <= self.most / step + _ROUNDING:
            yield round(count * step, 12)
            count += 1


def without_outliers(values: Sequence[float], *, more_is_better: bool) -> list[float]:
    """The values without those that are far worse than the median; all where that leaves one."""
    signed = sorted(value if more_is_better else -value for value in values)
    best, median = signed[-1], signed[len(signed) // 2]
    kept = [value for value in signed if median - value <= _OUTLIERS * (best - median)]
    kept = kept if len(set(kept)) > 1 else signed
    return [value if more_is_better else -value for value in kept]
