"""Structures of a matrix: what is stored, which terms each row adds, what that costs.

An :class:`Elementary` structure is one matrix-vector product of the step graph: it knows its
stored parameters, its terms row by row and, separately, closed formulas for their number. A
composite (:class:`Hadamard` with diagonals) writes several operations instead.

Which columns a row adds is a :class:`Row`: ascending columns, and for each the index of its
parameter in the flattened tensor, or a sign where nothing is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError

if TYPE_CHECKING:
    from rnnhw.dataflow import Interval, Node, StepBuilder

__all__ = [
    "Banded",
    "Dense",
    "Diagonal",
    "Elementary",
    "FastWalshHadamard",
    "Hadamard",
    "Row",
    "Structure",
    "WalshHadamardStage",
]


class Row(NamedTuple):
    """The terms of one output: ``columns`` ascending; ``parameters`` flat indices, or signs."""

    columns: range | tuple[int, ...]
    parameters: range | tuple[int, ...]


class Structure(Protocol):
    """How a recurrent (or input) matrix is connected."""

    def apply(
        self,
        g: StepBuilder,
        key: str,
        vector: Node,
        units: int,
        start: Node | None,
        role: str,
        name: str,
    ) -> Node:
        """Write ``start + matrix @ vector`` with tensors named after ``key``."""
        ...


class Elementary:
    """A structure that is one matrix-vector product.

    ``weighted`` tells stored weights from fixed +1 and -1; ``reach`` counts the steps until
    every input can affect every unit (None: never).
    """

    name = ""
    weighted = True

    def apply(
        self,
        g: StepBuilder,
        key: str,
        vector: Node,
        units: int,
        start: Node | None,
        role: str,
        name: str,
    ) -> Node:
        """Write the product as one operation."""
        weights = g.tensor(key, self.shape(units, vector.units), role) if self.weighted else None
        return g.matvec(self, weights, vector, units, start, name=name)

    def check(self, rows: int, columns: int) -> None:
        """Refuse a matrix of ``rows`` x ``columns`` that this structure cannot be.

        Raises:
            DesignError: with the sizes and a cure.
        """

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        """Shape of the stored parameters."""
        raise NotImplementedError

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        """The terms of every output in turn."""
        raise NotImplementedError

    def terms(self, rows: int, columns: int) -> int:
        """Terms of all rows together (closed formula)."""
        raise NotImplementedError

    def multiplies(self, rows: int, columns: int) -> int:
        """Multiplications of one product (closed formula)."""
        return self.terms(rows, columns) if self.weighted else 0

    def adds(self, rows: int, columns: int) -> int:
        """Additions of one product, one for each term (closed formula)."""
        return self.terms(rows, columns)

    def stored_words(self, rows: int, columns: int) -> int:
        """Words that have to be stored (closed formula); unused corners of a band are not."""
        return self.terms(rows, columns) if self.weighted else 0

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        """Raw interval of a row's sum, given that of one term."""
        del rows, vector
        low, high = term
        return min(low, low * columns), max(high, high * columns)

    def matrix(
        self, parameters: NDArray[np.float64], rows: int, columns: int
    ) -> NDArray[np.float64]:
        """The float matrix (rows, columns) that the parameters stand for."""
        full = np.zeros((rows, columns))
        flat = np.ravel(parameters)
        for index, row in enumerate(self.rows(rows, columns)):
            chosen = list(row.columns)
            values = (
                flat[list(row.parameters)] if self.weighted else np.array(row.parameters, float)
            )
            full[index, chosen] = values
        return full

    def reach(self, n: int) -> int | None:
        """Steps until every input of an n x n recurrence can affect every unit, None if never."""
        raise NotImplementedError


@dataclass(frozen=True)
class Dense(Elementary):
    """Every output reads every input; stored as (rows, columns)."""

    name = "dense"

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return rows, columns

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for index in range(rows):
            yield Row(range(columns), range(index * columns, (index + 1) * columns))

    def terms(self, rows: int, columns: int) -> int:
        return rows * columns

    def reach(self, n: int) -> int | None:
        return 1


@dataclass(frozen=True)
class Banded(Elementary):
    """Output i reads inputs i-lower .. i+upper.

    Stored as LAPACK's and SciPy's band storage, (lower + upper + 1, n):
    ``stored[upper + i - j, j]`` is the weight from j to i; the corners outside the matrix are
    not used and must be zero.
    """

    lower: int
    upper: int
    name = "banded"

    def __post_init__(self) -> None:
        if min(self.lower, self.upper) < 0:
            raise DesignError(f"{self!r}: the band widths must not be negative")

    def check(self, rows: int, columns: int) -> None:
        if rows != columns:
            raise DesignError(f"{self!r} needs a square matrix, got {rows} x {columns}")
        if max(self.lower, self.upper) >= rows:
            raise DesignError(
                f"{self!r} is wider than the matrix of {rows} x {columns}",
                f"use at most {rows - 1} on each side",
            )

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return self.lower + self.upper + 1, columns

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for i in range(rows):
            reads = range(max(0, i - self.lower), min(columns, i + self.upper + 1))
            yield Row(reads, tuple((self.upper + i - j) * columns + j for j in reads))

    def terms(self, rows: int, columns: int) -> int:
        lower, upper = self.lower, self.upper
        return rows * (lower + upper + 1) - (lower * (lower + 1) + upper * (upper + 1)) // 2

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        return super().bounds(rows, min(columns, self.lower + self.upper + 1), term, vector)

    def reach(self, n: int) -> int | None:
        if n == 1:
            return 1
        if min(self.lower, self.upper) == 0:
            return None
        return max(-(-(n - 1) // self.lower), -(-(n - 1) // self.upper))


@dataclass(frozen=True)
class Diagonal(Elementary):
    """Output i reads input i; stored as (n,)."""

    name = "diagonal"

    def check(self, rows: int, columns: int) -> None:
        if rows != columns:
            raise DesignError(f"{self!r} needs a square matrix, got {rows} x {columns}")

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return (rows,)

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for index in range(rows):
            yield Row(range(index, index + 1), (index,))

    def terms(self, rows: int, columns: int) -> int:
        return rows

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        return term

    def reach(self, n: int) -> int | None:
        return 1 if n == 1 else None


def _check_power_of_two(structure: object, rows: int, columns: int) -> None:
    if rows != columns:
        raise DesignError(f"{structure!r} needs a square matrix, got {rows} x {columns}")
    if rows < 2 or rows & (rows - 1):
        below = 1 << max(rows.bit_length() - 1, 1)
        raise DesignError(
            f"Hadamard needs a power-of-two width, got {rows}", f"use {below} or {2 * below}"
        )


@dataclass(frozen=True)
class WalshHadamardStage(Elementary):
    """One stage of 2-input neurons in the sources' constant-geometry order.

    Pairs in; their sums go to the lower half, their differences to the upper:
    ``out[k] = in[2k] + in[2k+1]``, ``out[n/2+k] = in[2k] - in[2k+1]``.
    """

    name = "hadamard stage"
    weighted = False

    def check(self, rows: int, columns: int) -> None:
        _check_power_of_two(self, rows, columns)

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for sign in (1, -1):
            for k in range(rows // 2):
                yield Row(range(2 * k, 2 * k + 2), (1, sign))

    def terms(self, rows: int, columns: int) -> int:
        return 2 * rows

    def adds(self, rows: int, columns: int) -> int:
        return rows

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        low, high = vector
        return min(2 * low, low - high), max(2 * high, high - low)

    def reach(self, n: int) -> int | None:
        return n.bit_length() - 1


@dataclass(frozen=True)
class FastWalshHadamard(Elementary):
    """All log2(n) stages: the unnormalised natural-order (Sylvester) Hadamard matrix.

    n log2(n) additions, no multiplication, nothing stored, log2(n) bits of growth.
    """

    name = "hadamard"
    weighted = False

    def check(self, rows: int, columns: int) -> None:
        _check_power_of_two(self, rows, columns)

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for i in range(rows):
            signs = tuple(-1 if (i & j).bit_count() % 2 else 1 for j in range(columns))
            yield Row(range(columns), signs)

    def terms(self, rows: int, columns: int) -> int:
        return rows * columns

    def adds(self, rows: int, columns: int) -> int:
        return rows * (rows.bit_length() - 1)

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        low, high = vector
        half = rows // 2
        return min(rows * low, half * (low - high)), max(rows * high, half * (high - low))

    def reach(self, n: int) -> int | None:
        return 1


@dataclass(frozen=True)
class Hadamard:
    """``after * (H (before * h))`` with the fixed Walsh-Hadamard matrix H, unnormalised.

    ``before`` and ``after`` are trained diagonals, stored as (n,) each under the keys
    ``U.before`` and ``U.after``; either may be left out. Where the design gives the role
    ``stage`` a format, the product with ``before`` and every stage are cast to it (signals
    ``U.before_product``, ``U.stage0``...); else everything stays exact.
    """

    before: bool = True
    after: bool = True
    name = "hadamard"

    def apply(
        self,
        g: StepBuilder,
        key: str,
        vector: Node,
        units: int,
        start: Node | None,
        role: str,
        name: str,
    ) -> Node:
        """Write the diagonals, the transform or its stages, and the casts between."""
        _check_power_of_two(self, units, vector.units)
        if self.before:
            diagonal = g.constant(f"{key}.before", units, role)
            scaled = g.multiply(diagonal, vector, f"{key}.scaled")
            vector = g.cast_if_given(scaled, "stage", f"{key}.before_product")
        if g.optional_format("stage", f"{key}.stage0") is None:
            vector = g.matvec(FastWalshHadamard(), None, vector, units, name=f"{key}.transform")
        else:
            for index in range(units.bit_length() - 1):
                pairs = g.matvec(
                    WalshHadamardStage(), None, vector, units, name=f"{key}.pairs{index}"
                )
                vector = g.cast(pairs, "stage", f"{key}.stage{index}")
        if self.after:
            weights = g.tensor(f"{key}.after", (units,), role)
            return g.matvec(Diagonal(), weights, vector, units, start, name=name)
        return vector if start is None else g.add(start, vector, name)

    def reach(self, n: int) -> int | None:
        """One step: the transform mixes everything."""
        return 1
