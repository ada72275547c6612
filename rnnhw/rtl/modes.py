"""The numbers by which ``rnnhw_cast`` knows the rounding and overflow modes."""

from __future__ import annotations

from collections.abc import Mapping

from rnnhw.numerics.cast import Overflow, Rounding

__all__ = ["OVERFLOW", "ROUNDING"]

ROUNDING: Mapping[Rounding, int] = {
    Rounding.TRN: 0,
    Rounding.TRN_ZERO: 1,
    Rounding.RND: 2,
    Rounding.RND_ZERO: 3,
    Rounding.RND_INF: 4,
    Rounding.RND_MIN_INF: 5,
    Rounding.RND_CONV: 6,
    Rounding.RND_CONV_ODD: 7,
}
"""Values of the parameter ROUNDING."""

OVERFLOW: Mapping[Overflow, int] = {
    Overflow.WRAP: 0,
    Overflow.SAT: 1,
    Overflow.SAT_ZERO: 2,
    Overflow.SAT_SYM: 3,
    Overflow.WRAP_SM: 4,
}
"""Values of the parameter OVERFLOW."""
