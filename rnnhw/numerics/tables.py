"""Real functions and the lookup tables that stand for them.

A table has one entry for every word of its address format, in the order of the address bits read
as an unsigned number: the contents of the ROM. Entries are data, computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError
from rnnhw.numerics.cast import Q, quantise

__all__ = [
    "MAX_ADDRESS_BITS",
    "RECIPROCAL",
    "SIGMOID",
    "TANH",
    "RealFunction",
    "Table",
    "elementwise",
]

MAX_ADDRESS_BITS = 20
"""The widest table address: 2**20 entries."""

_KEPT_ADDRESS_BITS = 12
"""The widest table address whose entries are kept: 32 KiB."""


FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class RealFunction:
    """A named function of one real variable in float64.

    ``scalar`` is the C library's and samples tables; calling the object evaluates NumPy's
    ``vector`` form, whose last bit may depend on the processor, for the float reference.
    """

    name: str
    """The name in reports, with its parameters."""
    scalar: Callable[[float], float]
    vector: Callable[[FloatArray], FloatArray]

    def __call__(self, values: FloatArray) -> FloatArray:
        """The function of every element."""
        return self.vector(values)


def _sigmoid(value: float) -> float:
    # The two forms keep exp's argument negative: neither overflows.
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    return math.exp(value) / (1.0 + math.exp(value))


def _sigmoids(values: FloatArray) -> FloatArray:
    # In place: on the many values of a batch new arrays take longer than the arithmetic.
    small = np.abs(values)
    np.negative(small, out=small)
    np.exp(small, out=small)
    sigmoids = np.where(values >= 0, 1.0, small)
    small += 1.0
    sigmoids /= small
    return sigmoids


def _reciprocals(values: FloatArray) -> FloatArray:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values != 0)


def elementwise(name: str, scalar: Callable[[float], float]) -> RealFunction:
    """The function ``scalar``, element by element in the float reference too."""

    def vector(values: FloatArray) -> FloatArray:
        flat = [scalar(value) for value in values.ravel().tolist()]
        return np.array(flat, np.float64).reshape(values.shape)

    return RealFunction(name, scalar, vector)


SIGMOID = RealFunction("sigmoid", _sigmoid, _sigmoids)
TANH = RealFunction("tanh", math.tanh, np.tanh)
RECIPROCAL = RealFunction("reciprocal", lambda value: 1.0 / value if value else 0.0, _reciprocals)

_OWN = (SIGMOID, TANH, RECIPROCAL)


@dataclass(frozen=True, eq=False)
class Table:
    """``entries[bits]`` for every word ``bits`` of ``address``: raw integers of ``format``."""

    function: RealFunction
    address: Q
    format: Q
    entries: NDArray[np.int64]

    @property
    def unsigned(self) -> bool:
        """Whether no entry needs a sign."""
        return not self.format.signed or int(self.entries.min()) >= 0

    def word_bits(self, unsigned: bool) -> int:
        """Bits of a word in memory, at least one: a sign that is always zero is not stored."""
        return max(self.format.width - (unsigned and self.format.signed), 1)

    @property
    def stored_bits(self) -> int:
        """Bits of all entries, without a sign that is always zero."""
        return self.word_bits(self.unsigned) << self.address.width

    @cached_property
    def contents(self) -> tuple[int, int, str]:
        """Equal for tables that one memory can stand for: bits of a word and of an address, and a
        digest of the entries."""
        import hashlib  # OpenSSL's takes 3 ms to import, and few commands need it

        digest = hashlib.sha256(self.entries.tobytes()).hexdigest()
        return self.word_bits(self.unsigned), self.address.width, digest

    @classmethod
    def sample(cls, function: RealFunction, address: Q, format: Q) -> Table:
        """The function at every value of ``address``, rounded into ``format``.

        Raises:
            DesignError: the address is wider than 20 bits.
        """
        if address.width > MAX_ADDRESS_BITS:
            raise DesignError(
                f"a {function.name} table addressed by {address} would have "
                f"2**{address.width} entries",
                f"cast the address to at most {MAX_ADDRESS_BITS} bits (a narrower `sum` format)",
            )
        # A user's function may change with what it reads: it is sampled anew.
        kept = function in _OWN and address.width <= _KEPT_ADDRESS_BITS
        entries = (_kept_entries if kept else _entries)(function, address, format)
        return cls(function, address, format, entries)


def _entries(function: RealFunction, address: Q, format: Q) -> NDArray[np.int64]:
    """The contents of a table, which nobody changes."""
    bits = np.arange(1 << address.width)
    raw = np.where(bits > address.max, bits - (1 << address.width), bits)
    values = [function.scalar(value * address.step) for value in raw.tolist()]
    entries, _ = quantise(values, format)
    entries.flags.writeable = False
    return entries


_kept_entries = lru_cache(_entries)
"""Of small tables: every layer of a network and every design of a comparison asks for the same."""
