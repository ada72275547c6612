"""A matrix of one product: its stored numbers, its terms row by row, what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError
from rnnhw.numerics.cast import Interval

__all__ = ["FloatArray", "Matrix", "Parameters", "Row"]


FloatArray = NDArray[np.float64]
Parameters = Mapping[str, FloatArray]
"""A structure's numbers by what follows the design's key: ``""`` alone, or ``".left"``..."""


class Row(NamedTuple):
    """The terms of one output in the order in which they are added, ascending columns unless the
    structure says otherwise; ``parameters`` are indices into the flat tensor, or signs."""

    columns: range | tuple[int, ...]
    parameters: range | tuple[int, ...]


class Matrix:
    """One matrix-vector product: what a :class:`~rnnhw.graph.nodes.Matvec` asks of its structure.

    ``weighted`` tells stored weights from fixed +1 and -1. A ``pairwise`` structure is made of
    2-input neurons: the first of an output's two terms is added to nothing.
    """

    name = ""
    weighted = True
    pairwise = False

    def check(self, rows: int, columns: int) -> None:
        """Refuse a matrix of ``rows`` x ``columns`` that this structure cannot be.

        Raises:
            DesignError: with the sizes and a cure.
        """

    # --- what is stored ------------------------------------------------------------------------
    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        """Shape of the stored parameters."""
        raise NotImplementedError

    def word_bits(self, width: int) -> int:
        """Bits of a stored word whose weight has ``width`` bits."""
        return width

    def check_values(self, values: FloatArray, rows: int, columns: int) -> None:
        """Refuse parameters that this structure cannot use: what has no connection must be zero.

        Raises:
            DesignError: with the index, the value and a cure; the caller names the tensor.
        """
        flat = values.ravel()
        used = np.zeros(flat.size, bool)
        for row in self.rows(rows, columns):
            used[list(row.parameters)] = True
        lost = np.flatnonzero(~used & (flat != 0))
        if len(lost):
            index = [int(i) for i in np.unravel_index(lost[0], values.shape)]
            raise DesignError(
                f"{index} is {flat[lost[0]]}, but {self!r} has no connection there",
                "set it to zero",
            )

    def parameter_rows(self, rows: int, columns: int) -> NDArray[np.int64] | None:
        """The row that each stored parameter is used in, flat; -1 for one that none uses, and None
        as a whole where rows share parameters."""
        rows_of = np.full(int(np.prod(self.shape(rows, columns))), -1)
        for index, row in enumerate(self.rows(rows, columns)):
            used = np.asarray(row.parameters, np.int64)
            if (rows_of[used] >= 0).any():
                return None
            rows_of[used] = index
        return rows_of

    # --- what is computed ----------------------------------------------------------------------
    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        """The terms that every output in turn can have."""
        raise NotImplementedError

    def stored_rows(self, weights: NDArray[np.generic], rows: int, columns: int) -> Iterator[Row]:
        """The terms of every output with these flat weights."""
        del weights
        return self.rows(rows, columns)

    def diagonals(self, weights: NDArray[np.int64], rows: int) -> NDArray[np.int64] | None:
        """Where rows share parameters: the flat array whose slice from rows - 1 - i on holds the
        weights of row i. None: every row has its own."""
        del weights, rows
        return None

    def terms(self, rows: int, columns: int) -> int:
        """Terms of all rows together (closed formula)."""
        raise NotImplementedError

    def multiplies(self, rows: int, columns: int) -> int:
        return self.terms(rows, columns) if self.weighted else 0

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        if self.pairwise:
            return self.terms(rows, columns) - (0 if onto else rows)
        return self.terms(rows, columns)

    def stored_words(self, rows: int, columns: int) -> int:
        return self.terms(rows, columns) if self.weighted else 0

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        """Raw interval of a row's sum, given that of one term."""
        del rows, vector
        low, high = term
        return min(low, low * columns), max(high, high * columns)

    # --- the matrix ----------------------------------------------------------------------------
    def matrix(self, parameters: FloatArray, rows: int, columns: int) -> FloatArray:
        """The float matrix (rows, columns) that the stored parameters stand for."""
        whole = np.zeros((rows, columns))
        flat = np.ravel(parameters)
        for index, row in enumerate(self.rows(rows, columns)):
            values = flat[list(row.parameters)] if self.weighted else row.parameters
            whole[index, list(row.columns)] = values
        return whole
