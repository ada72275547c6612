"""Structures of one stored matrix: which entries it has, and which of them share a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError
from rnnhw.layers.structures.base import Elementary, FloatArray, Parameters, Row, check_square
from rnnhw.numerics.cast import Interval

__all__ = [
    "Banded",
    "BlockDiagonal",
    "Circulant",
    "CyclicBand",
    "Dense",
    "Diagonal",
    "InterleavedBlocks",
    "Sparse",
    "Toeplitz",
]


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


def _check_band(structure: Banded | CyclicBand) -> None:
    if min(structure.lower, structure.upper) < 0:
        raise DesignError(f"{structure!r}: the band widths must not be negative")


@dataclass(frozen=True)
class Banded(Elementary):
    """Output i reads inputs i-lower .. i+upper.

    Stored as LAPACK's and SciPy's band storage, (lower + upper + 1, n):
    ``stored[upper + i - j, j]`` is the weight from j to i; the corners outside the matrix are
    not used and must be zero. The matrix is square and wider than either side of the band.
    """

    lower: int
    upper: int
    name = "banded"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_band(self)

    def check(self, rows: int, columns: int) -> None:
        check_square(self, rows, columns)
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


@dataclass(frozen=True)
class CyclicBand(Elementary):
    """Output i reads inputs i-lower .. i+upper modulo n, in this order.

    Stored like a band, (lower + upper + 1, n): ``stored[upper + d, j]`` is the weight from j to
    j + d modulo n; no corner is unused. The matrix is square and has at least lower + upper + 1
    columns.
    """

    lower: int
    upper: int
    name = "cyclic band"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_band(self)

    def check(self, rows: int, columns: int) -> None:
        check_square(self, rows, columns)
        if self.lower + self.upper >= rows:
            raise DesignError(
                f"{self!r} meets itself in a matrix of {rows} x {columns}",
                f"let lower + upper be at most {rows - 1}",
            )

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return self.lower + self.upper + 1, columns

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for i in range(rows):
            reads = range(i - self.lower, i + self.upper + 1)
            yield Row(
                tuple(j % columns for j in reads),
                tuple((self.upper + i - j) * columns + j % columns for j in reads),
            )

    def terms(self, rows: int, columns: int) -> int:
        return rows * (self.lower + self.upper + 1)

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        return super().bounds(rows, self.lower + self.upper + 1, term, vector)


@dataclass(frozen=True)
class Diagonal(Elementary):
    """Output i reads input i: a square matrix, stored as (n,). No unit ever sees another."""

    name = "diagonal"

    def check(self, rows: int, columns: int) -> None:
        check_square(self, rows, columns)

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return (rows,)

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for index in range(rows):
            yield Row(range(index, index + 1), (index,))

    def terms(self, rows: int, columns: int) -> int:
        return rows

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        return super().bounds(rows, 1, term, vector)


@dataclass(frozen=True)
class BlockDiagonal(Elementary):
    """Blocks of ``block`` outputs, each of which sees inputs of its own alone, as the groups of a
    grouped layer do.

    Stored as (rows / block, block, inputs of a block), each as (to, from). The rows / block blocks
    share the columns evenly: a block of a square matrix has as many inputs as outputs, one of
    (rows, columns) has block * columns / rows.
    """

    block: int
    name = "block diagonal"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block < 1:
            raise DesignError(f"{self!r}: a block has at least one unit")

    def inputs(self, rows: int, columns: int) -> int:
        """Columns of a block."""
        return columns * self.block // rows

    def check(self, rows: int, columns: int) -> None:
        sizes = [size for size in range(1, rows + 1) if rows % size == 0]
        if rows % self.block:
            known = ", ".join(map(str, sizes))
            raise DesignError(
                f"{self!r}: {rows} units are not whole blocks", f"use a block of {known}"
            )
        if columns % (rows // self.block):
            known = ", ".join(str(size) for size in sizes if columns % (rows // size) == 0)
            raise DesignError(
                f"{self!r}: {rows // self.block} blocks cannot share {columns} columns evenly",
                f"use a block of {known}",
            )

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return rows // self.block, self.block, self.inputs(rows, columns)

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        inputs = self.inputs(rows, columns)
        for i in range(rows):
            yield self._row(*divmod(i, self.block), inputs)

    def _row(self, block: int, unit: int, inputs: int) -> Row:
        first = (block * self.block + unit) * inputs
        return Row(range(block * inputs, (block + 1) * inputs), range(first, first + inputs))

    def terms(self, rows: int, columns: int) -> int:
        return rows * self.inputs(rows, columns)

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        return super().bounds(rows, self.inputs(rows, columns), term, vector)


@dataclass(frozen=True)
class InterleavedBlocks(BlockDiagonal):
    """Square blocks whose outputs are interleaved: output i reads the inputs of block i modulo
    n / block.

    The second factor of a Monarch matrix, behind its transposition.
    """

    name = "interleaved blocks"

    def check(self, rows: int, columns: int) -> None:
        check_square(self, rows, columns)
        super().check(rows, columns)

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        blocks = rows // self.block
        for i in range(rows):
            yield self._row(i % blocks, i // blocks, self.block)


@dataclass(frozen=True)
class Toeplitz(Elementary):
    """One weight for every diagonal: stored as (rows + columns - 1,), from the lower left corner
    to the upper right, ``stored[j - i + rows - 1]`` from j to i."""

    name = "toeplitz"

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return (rows + columns - 1,)

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for i in range(rows):
            yield Row(range(columns), range(rows - 1 - i, rows - 1 - i + columns))

    def diagonals(self, weights: NDArray[np.int64], rows: int) -> NDArray[np.int64] | None:
        return weights

    def terms(self, rows: int, columns: int) -> int:
        return rows * columns

    def stored_words(self, rows: int, columns: int) -> int:
        return rows + columns - 1


@dataclass(frozen=True)
class Circulant(Elementary):
    """Every column is the one before, turned down by one: a square matrix, stored as its first
    column, (n,): ``stored[(i - j) modulo n]`` from j to i."""

    name = "circulant"

    def check(self, rows: int, columns: int) -> None:
        check_square(self, rows, columns)

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return (rows,)

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for i in range(rows):
            yield Row(range(columns), tuple((i - j) % rows for j in range(columns)))

    def diagonals(self, weights: NDArray[np.int64], rows: int) -> NDArray[np.int64] | None:
        return weights[(rows - 1 - np.arange(2 * rows - 1)) % rows]

    def terms(self, rows: int, columns: int) -> int:
        return rows * columns

    def stored_words(self, rows: int, columns: int) -> int:
        return rows


@dataclass(frozen=True)
class Sparse(Elementary):
    """N:M sparsity: in each group of ``of`` neighbouring columns a row has ``kept`` weights
    (Mishra et al. 2021, arXiv:2104.08378).

    The weights file holds the whole matrix (rows, columns) with its zeros; the hardware stores
    ``kept`` words a group, each with the ceil(log2 of) bits of its place. Which places they are
    follows from the weights: those that are not zero, then the first free ones.
    """

    kept: int
    of: int
    name = "sparse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.kept <= self.of:
            raise DesignError(f"{self!r}: keep 1 to {self.of} weights of {self.of}")

    def check(self, rows: int, columns: int) -> None:
        if columns % self.of:
            raise DesignError(
                f"{self!r}: {columns} columns are not whole groups of {self.of}",
                f"use a multiple of {self.of}",
            )

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return rows, columns

    def word_bits(self, width: int) -> int:
        return width + (self.of - 1).bit_length()

    def check_values(self, values: FloatArray, rows: int, columns: int) -> None:
        used = (values.reshape(rows, -1, self.of) != 0).sum(2)
        wrong = np.argwhere(used > self.kept)
        if len(wrong):
            row, group = (int(i) for i in wrong[0])
            first = group * self.of
            raise DesignError(
                f"[{row}, {first}:{first + self.of}] has {used[row, group]} weights that are not "
                f"zero, {self!r} keeps {self.kept}",
                f"prune it: {self!r}.project(matrix) keeps the largest",
            )

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        return Dense().rows(rows, columns)

    def stored_rows(self, weights: NDArray[np.generic], rows: int, columns: int) -> Iterator[Row]:
        zero = (weights == 0).reshape(rows, -1, self.of)
        # A stable sort puts the used places first, both kinds in ascending order.
        kept = np.sort(np.argsort(zero, 2, kind="stable")[:, :, : self.kept], 2)
        chosen = (kept + np.arange(0, columns, self.of)[:, None]).reshape(rows, -1)
        for index, places in enumerate(chosen.tolist()):
            yield Row(tuple(places), tuple(index * columns + place for place in places))

    def terms(self, rows: int, columns: int) -> int:
        return rows * (columns // self.of) * self.kept

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        return super().bounds(rows, columns // self.of * self.kept, term, vector)

    def _fitted(self, matrix: FloatArray) -> Parameters:
        rows = len(matrix)
        groups = matrix.reshape(rows, -1, self.of)
        order = np.argsort(-np.abs(groups), 2, kind="stable")[:, :, : self.kept]
        pruned = np.zeros_like(groups)
        np.put_along_axis(pruned, order, np.take_along_axis(groups, order, 2), 2)
        return {"": pruned.reshape(matrix.shape)}
