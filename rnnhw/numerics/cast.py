"""Fixed-point formats and the one operation that loses information: the cast.

A number is an integer ``raw`` under a format; its value is ``raw * 2**-fraction``. The names of
the rounding and overflow modes are those of Xilinx's ``ap_fixed`` (AMD UG1399, "Arbitrary
Precision Fixed-Point Data Types"), ``RND_CONV_ODD`` is Siemens' ``ac_fixed``'s.

:func:`cast` on Python integers is the definition; :func:`cast_array` on NumPy int64 arrays and
the C kernels equal it bit for bit.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.errors import DesignError, plain_numbers
from rnnhw.numerics import _quantise

__all__ = [
    "NOTHING",
    "OVERFLOW_NUMBER",
    "ROUNDING_NUMBER",
    "WORD_BITS",
    "Events",
    "Interval",
    "Overflow",
    "Q",
    "Rounding",
    "cast",
    "cast_array",
    "interval_format",
    "not_of_float64",
    "quantise",
    "real_values",
    "rounded",
    "underflows",
]

WORD_BITS = 64
"""The widest word that the engine holds."""

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class Rounding(enum.Enum):
    """What becomes of dropped fraction bits; the ``RND`` modes differ on exact ties only.

    - ``TRN``: toward minus infinity
    - ``TRN_ZERO``: toward zero
    - ``RND``: to nearest, ties toward plus infinity
    - ``RND_ZERO``: to nearest, ties toward zero
    - ``RND_INF``: to nearest, ties away from zero
    - ``RND_MIN_INF``: to nearest, ties toward minus infinity
    - ``RND_CONV``: to nearest, ties to even
    - ``RND_CONV_ODD``: to nearest, ties to odd
    """

    TRN = "TRN"
    TRN_ZERO = "TRN_ZERO"
    RND = "RND"
    RND_ZERO = "RND_ZERO"
    RND_INF = "RND_INF"
    RND_MIN_INF = "RND_MIN_INF"
    RND_CONV = "RND_CONV"
    RND_CONV_ODD = "RND_CONV_ODD"

    @property
    def shift_invariant(self) -> bool:
        """Whether rounding ``k + x`` is ``k`` plus the rounding of ``x`` for every whole ``k``."""
        return self in (Rounding.TRN, Rounding.RND, Rounding.RND_MIN_INF)


class Overflow(enum.Enum):
    """What becomes of a rounded value that does not fit the word.

    - ``WRAP``: keep the low bits
    - ``SAT``: the nearest value of the format
    - ``SAT_ZERO``: zero
    - ``SAT_SYM``: the nearest value of the format without its most negative one
    - ``WRAP_SM``: sign-magnitude wrap, signed formats only
    """

    WRAP = "WRAP"
    SAT = "SAT"
    SAT_ZERO = "SAT_ZERO"
    SAT_SYM = "SAT_SYM"
    WRAP_SM = "WRAP_SM"

    @property
    def wraps(self) -> bool:
        """Whether an overflow is counted as a wrap (else as a saturation, high or low)."""
        return self is Overflow.WRAP or self is Overflow.WRAP_SM


ROUNDING_NUMBER = {mode: number for number, mode in enumerate(Rounding)}
"""The numbers of the modes in C (``ext/word_cast.h``) and in Verilog (``rnnhw_cast.v``)."""

OVERFLOW_NUMBER = {mode: number for number, mode in enumerate(Overflow)}
"""The numbers of the modes in C (``ext/word_cast.h``) and in Verilog (``rnnhw_cast.v``)."""

_MOST_FRACTION = 1000
"""Fraction bits below which their power of two is a float64."""


class Events(NamedTuple):
    """How often a cast changed a value that did not fit: clipped high, clipped low, wrapped."""

    high: int = 0
    low: int = 0
    wraps: int = 0

    def __add__(self, other: object) -> Events:
        if not isinstance(other, Events):
            return NotImplemented
        # Written out: golden adds the events of every cast, which took half of its time.
        return Events(self.high + other.high, self.low + other.low, self.wraps + other.wraps)

    @property
    def total(self) -> int:
        """All events together."""
        return sum(self)


NOTHING = Events()
"""No event."""

_HIGH, _LOW, _WRAPPED = Events(high=1), Events(low=1), Events(wraps=1)


@dataclass(frozen=True)
class Q:
    """A fixed-point format: ``integer`` bits without the sign, ``fraction`` bits; one value.

    Either bit count may be negative: ``Q(-2, 9)`` holds values below 1/4 in 8 bits and
    ``Q(9, -2)`` multiples of 4. The width is ``integer + fraction``, plus one if signed.

    Raises:
        DesignError: the width is not in 1..64 (1..63 unsigned: the engine's words are signed),
            or ``WRAP_SM`` is asked of an unsigned format.
    """

    integer: int
    fraction: int
    signed: bool = True
    rounding: Rounding = Rounding.RND
    overflow: Overflow = Overflow.SAT

    def __post_init__(self) -> None:
        plain_numbers(self)
        for name, bits in (("integer", self.integer), ("fraction", self.fraction)):
            if not isinstance(bits, int) or isinstance(bits, bool):
                raise DesignError(f"{name} bits of a format must be a whole number, got {bits!r}")
        try:
            object.__setattr__(self, "rounding", Rounding(self.rounding))
            object.__setattr__(self, "overflow", Overflow(self.overflow))
        except ValueError as error:
            raise DesignError(
                str(error),
                f"rounding modes: {', '.join(mode.value for mode in Rounding)}; "
                f"overflow modes: {', '.join(mode.value for mode in Overflow)}",
            ) from None
        if self.width < 1:
            raise DesignError(
                f"{self!r} has {self.width} bits",
                "a format needs at least one bit: integer + fraction (+ 1 if signed)",
            )
        if self.width > WORD_BITS - (not self.signed):
            raise DesignError(
                f"{self!r} has {self.width} bits",
                f"rnnhw holds signed words of up to {WORD_BITS} bits "
                f"and unsigned ones of up to {WORD_BITS - 1}",
            )
        if self.overflow is Overflow.WRAP_SM and not self.signed:
            raise DesignError(
                f"{self!r}: WRAP_SM is defined for signed formats only",
                "use WRAP, or a signed format",
            )

    @classmethod
    def ap_fixed(
        cls,
        width: int,
        integer: int,
        rounding: Rounding = Rounding.TRN,
        overflow: Overflow = Overflow.WRAP,
        *,
        signed: bool = True,
    ) -> Q:
        """The format that C++ calls ``ap_fixed<W, I>`` (``ap_ufixed`` if not signed).

        Its integer bits include the sign; its default modes are TRN and WRAP.
        """
        return cls(integer - signed, width - integer, signed, rounding, overflow)

    # Kept once computed: golden asks for them at every cast of a number.
    @cached_property
    def width(self) -> int:
        """Bits of the word."""
        return self.integer + self.fraction + self.signed

    @property
    def signed_width(self) -> int:
        """Bits as a signed number: a zero above the word where it is unsigned."""
        return self.width + (not self.signed)

    @cached_property
    def min(self) -> int:
        """Least raw integer of the word."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @cached_property
    def max(self) -> int:
        """Greatest raw integer of the word."""
        return (1 << (self.width - self.signed)) - 1

    @cached_property
    def lowest(self) -> int:
        """Least raw integer that a cast gives: the word's, but one more under SAT_SYM."""
        symmetric = self.signed and self.overflow is Overflow.SAT_SYM
        return -self.max if symmetric else self.min

    @property
    def step(self) -> float:
        """The value of one least significant bit."""
        return 2.0**-self.fraction

    def __repr__(self) -> str:
        words = [str(self.integer), str(self.fraction)]
        if not self.signed:
            words.append("signed=False")
        if self.rounding is not Rounding.RND:
            words.append(f"rounding={self.rounding.value}")
        if self.overflow is not Overflow.SAT:
            words.append(f"overflow={self.overflow.value}")
        return f"Q({', '.join(words)})"

    def __str__(self) -> str:
        return f"{self!r} {self.width}b"


def interval_format(low: int, high: int, fraction: int) -> Q:
    """The narrowest format of ``fraction`` bits whose raw integers include ``low`` and ``high``.

    Raises:
        DesignError: it would be wider than 64 bits (63 unsigned).
    """
    if low >= 0:
        return Q(max(high.bit_length(), 1) - fraction, fraction, signed=False)
    return Q(max(max(high, 0).bit_length(), (-low - 1).bit_length()) - fraction, fraction)


def rounded(raw: int, drop: int, mode: Rounding) -> int:
    """``raw * 2**-drop`` as a whole number, in a word without end."""
    if drop <= 0:
        return raw << -drop
    floor = raw >> drop
    rest = raw - (floor << drop)
    if mode is Rounding.TRN:
        return floor
    if mode is Rounding.TRN_ZERO:
        return floor + (raw < 0 and rest > 0)
    half = 1 << (drop - 1)
    if rest != half:
        return floor + (rest > half)
    match mode:
        case Rounding.RND:
            up = True
        case Rounding.RND_MIN_INF:
            up = False
        case Rounding.RND_ZERO:
            up = raw < 0
        case Rounding.RND_INF:
            up = raw > 0
        case Rounding.RND_CONV:
            up = floor % 2 == 1
        case Rounding.RND_CONV_ODD:
            up = floor % 2 == 0
    return floor + up


def cast(raw: int, fraction: int, to: Q) -> tuple[int, Events]:
    """``raw`` of ``fraction`` fraction bits in the format ``to``, and what happened to it.

    Round first, then fit the rounded value into the word; WRAP_SM alone also looks at the first
    deleted bit of the unrounded value (AMD UG1399, AP_WRAP_SM). This is the definition that
    every other implementation equals. ``raw`` is a Python integer of any size, its value
    ``raw * 2**-fraction``.
    """
    drop = fraction - to.fraction
    value = rounded(raw, drop, to.rounding)
    if to.lowest <= value <= to.max:
        return value, NOTHING
    if not to.overflow.wraps:
        above = value > to.max
        events = _HIGH if above else _LOW
        if to.overflow is Overflow.SAT_ZERO:
            return 0, events
        return (to.max if above else to.lowest), events
    wrapped = (value - to.min) % (1 << to.width) + to.min
    if to.overflow is Overflow.WRAP_SM:
        deleted = (raw >> (to.width + drop) if to.width + drop >= 0 else 0) & 1
        if deleted != (wrapped < 0):
            magnitude = ~wrapped & to.max
            wrapped = magnitude + (to.min if deleted else 0)
    return wrapped, _WRAPPED


def _rounded_array(raw: IntArray, drop: int, mode: Rounding) -> IntArray:
    """:func:`rounded` for ``drop > 0``, without leaving 64 bits."""
    if drop > 62:
        # All bits below the half only matter as "some bit is set": keep them as one sticky bit.
        excess = min(drop - 62, 63)
        sticky = (raw & ((1 << excess) - 1)) != 0
        raw, drop = (raw >> excess) | sticky, 62
    floor = raw >> drop
    if mode is Rounding.TRN:
        return floor
    rest = raw & ((1 << drop) - 1)
    half = 1 << (drop - 1)
    if mode is Rounding.RND:  # the usual mode: no ties to be told apart
        return floor + (rest >= half)
    tie = rest == half
    match mode:
        case Rounding.TRN_ZERO:
            up = (raw < 0) & (rest != 0)
        case Rounding.RND_MIN_INF:
            up = rest > half
        case Rounding.RND_ZERO:
            up = (rest > half) | (tie & (raw < 0))
        case Rounding.RND_INF:
            up = (rest > half) | (tie & (raw > 0))
        case Rounding.RND_CONV:
            up = (rest > half) | (tie & (floor & 1 == 1))
        case Rounding.RND_CONV_ODD:
            up = (rest > half) | (tie & (floor & 1 == 0))
    result: IntArray = floor + up
    return result


def _low_bits(value: IntArray, to: Q) -> IntArray:
    """The low ``to.width`` bits of ``value`` as a number of the format."""
    spare = WORD_BITS - to.width
    top = value.view(np.uint64) << np.uint64(spare)
    low: IntArray = (
        top.view(np.int64) >> spare if to.signed else (top >> np.uint64(spare)).view(np.int64)
    )
    return low


def cast_array(raw: ArrayLike, fraction: int, to: Q) -> tuple[IntArray, Events]:
    """:func:`cast` of every element of an array.

    Args:
        raw: raw integers (int64, any shape); their values are ``raw * 2**-fraction``.
        fraction: their fraction bits.
        to: the format of the result.

    Returns:
        Raw integers of ``to`` (int64, the same shape), and the sum of the events.
    """
    source = np.ascontiguousarray(raw, np.int64)
    drop = fraction - to.fraction
    if drop > 0:
        whole = _rounded_array(source, drop, to.rounding)
        high, low = whole > to.max, whole < to.lowest
    else:
        whole = _shifted(source, -drop)
        high, low = source > (to.max >> -drop), source < -(-to.lowest >> -drop)
    out = high | low
    if not to.overflow.wraps:
        events = Events(high=int(np.count_nonzero(high)), low=int(np.count_nonzero(low)))
        if not events.total:
            return whole, events
        if to.overflow is Overflow.SAT_ZERO:
            return np.where(out, 0, whole), events
        return np.where(high, to.max, np.where(low, to.lowest, whole)), events
    wrapped = _low_bits(whole, to)
    if to.overflow is Overflow.WRAP_SM:
        position = to.width + drop
        deleted = (source >> min(position, 63)) & 1 if position >= 0 else np.zeros_like(source)
        flip = out & (deleted != (wrapped < 0))
        wrapped = np.where(flip, (~wrapped & to.max) + np.where(deleted == 1, to.min, 0), wrapped)
    return wrapped, Events(wraps=int(out.sum()))


def _shifted(raw: IntArray, left: int) -> IntArray:
    """``raw << left`` modulo 2**64."""
    if left >= WORD_BITS:
        return np.zeros_like(raw)
    return (raw.view(np.uint64) << np.uint64(left)).view(np.int64)


def real_values(raw: IntArray, format: Q) -> FloatArray:
    """The real numbers (float64) that raw integers of ``format`` stand for."""
    values: FloatArray = np.multiply(raw, format.step, dtype=np.float64)
    return values


def underflows(values: ArrayLike, raw: IntArray, to: Q) -> int:
    """How many of the real ``values`` are not zero, but lie so near to it that their raw integers
    of the format ``to`` are zero."""
    real = np.ascontiguousarray(values, np.float64)
    return _quantise.underflows(real.ravel(), np.ascontiguousarray(raw, np.int64).ravel(), to.step)


def quantise(values: ArrayLike, to: Q) -> tuple[IntArray, Events]:
    """Real numbers (float64 or whole ones, any shape) as raw integers (int64, the same shape) of
    the format ``to``, and what clipped or wrapped.

    The rounding is that of the exact real value (a float64 is one), as C++ does it when it
    assigns a ``double`` to an ``ap_fixed``.

    Raises:
        DesignError: a value is NaN or infinite, or a whole one of 64 bits or more that neither
            int64 nor float64 holds.
    """
    given = np.asarray(values)
    if (inexact := not_of_float64(given)) is not None:
        if given.dtype.kind == "i" or (given.dtype.kind == "u" and int(given.max()) < 1 << 63):
            return cast_array(given, 0, to)
        raise DesignError(f"value {given[inexact]} at index {list(inexact)} is beyond 64 bits")
    real = np.ascontiguousarray(given, np.float64).reshape(given.shape)
    if to.overflow is not Overflow.WRAP_SM and abs(to.fraction) < _MOST_FRACTION:
        # The usual case: what the number scaled is, a float64 tells exactly.
        found = _quantise.quantise(
            real.ravel(), 2.0**to.fraction, to.width, ROUNDING_NUMBER[to.rounding],
            OVERFLOW_NUMBER[to.overflow], to.lowest, to.max,
        )  # fmt: skip
        if found is not None:
            return found[0].reshape(real.shape), Events(*found[1])
    if not np.isfinite(real).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(real))[0])
        what = "is not a number" if np.isnan(real[where]) else "is infinite"
        raise DesignError(f"value {real[where]} at index {list(where)} {what}")
    # A float64 is mantissa * 2**exponent with 53 bits: cast the exact integer it stands for.
    # One cast needs one fraction, so the values are cast in groups of equal exponent.
    mantissa, exponent = np.frexp(real)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    fractions = 53 - exponent.astype(np.int64)
    raw = np.zeros(real.shape, np.int64)
    events = Events()
    for fraction in np.unique(fractions):
        chosen = fractions == fraction
        raw[chosen], seen = cast_array(whole[chosen], int(fraction), to)
        events += seen
    return raw, events


def not_of_float64(values: NDArray[Any]) -> tuple[int, ...] | None:
    """The place of the first whole number among ``values`` that no float64 is; None without one."""
    if values.dtype.kind not in "iuO" or values.dtype.itemsize < 8:
        return None
    far = np.argwhere((values > _WHOLE_FLOATS) | (values < -_WHOLE_FLOATS))
    for place in (tuple(map(int, each)) for each in far):
        number = np.asarray(values[place]).item()  # of Python, which compares exactly
        if number != float(number):
            return place
    return None


_WHOLE_FLOATS = 1 << 53
"""Up to here float64 holds every whole number."""


Interval = tuple[int, int]
"""Least and greatest raw integer."""
