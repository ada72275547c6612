"""Structures made of structures: sums, products, wiring, and the named families among them.

Counts, storage and the matrix compose. Where the design gives the role ``stage`` a
format, what one factor hands to the next is cast to it; else it stays exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rnnhw.errors import DesignError
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.nodes import Node
from rnnhw.layers.structures.base import (
    FloatArray,
    Parameters,
    Structure,
    Wanted,
    Wiring,
    check_square,
)
from rnnhw.layers.structures.matrices import BlockDiagonal, Dense, InterleavedBlocks

__all__ = ["LowRank", "Monarch", "Permutation", "UnitWeights"]


_SHOWN_INDICES = 32
"""Indices that a representation holds: up to so many it is the Python that makes the value."""


@dataclass(frozen=True)
class Permutation(Wiring):
    """Output i reads input ``indices[i]``: wiring, no multiplication, nothing stored."""

    indices: tuple[int, ...]
    name = "permutation"

    def __init__(self, indices: Iterable[int]) -> None:
        chosen = tuple(indices)
        if not all(isinstance(index, int | np.integer) for index in chosen):
            raise DesignError(f"Permutation of {chosen[:4]}...: indices must be whole numbers")
        object.__setattr__(self, "indices", tuple(int(index) for index in chosen))
        if sorted(self.indices) != list(range(len(self.indices))):
            raise DesignError(
                f"Permutation of {len(self.indices)}: an index is missing or there twice",
                f"give every one of 0 to {len(self.indices) - 1} once",
            )

    def __repr__(self) -> str:
        few = ", ".join(map(str, self.indices[:_SHOWN_INDICES]))
        return f"Permutation([{few}{', ...' if len(self.indices) > _SHOWN_INDICES else ''}])"

    def check(self, rows: int, columns: int) -> None:
        if (rows, columns) != (len(self.indices),) * 2:
            raise DesignError(
                f"{self!r} permutes {len(self.indices)} units, the matrix is {rows} x {columns}"
            )

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        key, vector, _, start, _, name = wanted
        if start is None:
            return g.gather([vector], self.indices, name)
        return g.add(start, g.gather([vector], self.indices, f"{key}.permuted"), name)

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        whole = np.zeros((rows, columns))
        whole[np.arange(rows), list(self.indices)] = 1
        return whole


@dataclass(frozen=True)
class UnitWeights(Wiring):
    """Each unit's own past, added with weight one: n additions, no multiplication."""

    name = "unit weights"

    def check(self, rows: int, columns: int) -> None:
        check_square(self, rows, columns)

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        _, vector, _, start, _, name = wanted
        return vector if start is None else g.add(start, vector, name)

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        return np.eye(rows)


@dataclass(frozen=True)
class LowRank(Structure):
    """``left @ right``, stored as ``U.left`` (rows, rank) and ``U.right`` (rank, columns).

    The ``rank`` numbers between are cast to ``stage`` (signal ``U.inner``) where that is given.
    """

    rank: int
    name = "low rank"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise DesignError(f"{self!r}: the rank is at least 1")

    def check(self, rows: int, columns: int) -> None:
        if self.rank > min(rows, columns):
            raise DesignError(
                f"{self!r} of a matrix of {rows} x {columns}",
                f"use a rank of at most {min(rows, columns)}",
            )

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        key, vector, units, start, role, name = wanted
        right = g.linear(
            Dense(), f"{key}.right", vector, self.rank, role=role, name=f"{key}.projected"
        )
        inner = g.cast_if_given(right, "stage", f"{key}.inner")
        return g.linear(Dense(), f"{key}.left", inner, units, start, role=role, name=name)

    def multiplies(self, rows: int, columns: int) -> int:
        return self.rank * (rows + columns)

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        return self.rank * (rows + columns)

    def stored_words(self, rows: int, columns: int) -> int:
        return self.rank * (rows + columns)

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        return parameters[".left"] @ parameters[".right"]

    def _fitted(self, matrix: FloatArray) -> Parameters:
        left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
        root = np.sqrt(sizes[: self.rank])
        return {".left": left[:, : self.rank] * root, ".right": root[:, None] * right[: self.rank]}


@dataclass(frozen=True)
class Monarch(Structure):
    """Two block diagonal factors with a transposition of the units between them (Dao et al.
    2022, arXiv:2204.00595): n (block + n/block) weights, and every input reaches every output.

    Unit p * block + r is entry (p, r) of a table. ``U.inner`` (n/block, block, block) mixes each
    row p of it, ``U.outer`` (block, n/block, n/block) then each column r. Between them a cast to
    ``stage`` (signal ``U.stage``) where that is given.
    """

    block: int
    name = "monarch"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block < 1:
            raise DesignError(f"{self!r}: a block has at least one unit")

    def check(self, rows: int, columns: int) -> None:
        check_square(self, rows, columns)
        BlockDiagonal(self.block).check(rows, columns)

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        key, vector, units, start, role, name = wanted
        count = units // self.block
        rows = g.linear(
            BlockDiagonal(self.block),
            f"{key}.inner",
            vector,
            units,
            role=role,
            name=f"{key}.mixed_rows",
        )
        stage = g.cast_if_given(rows, "stage", f"{key}.stage")
        turned = np.arange(units).reshape(count, self.block).T.ravel()
        columns = g.gather([stage], turned.tolist(), f"{key}.turned")
        outer = InterleavedBlocks(count)
        return g.linear(outer, f"{key}.outer", columns, units, start, role=role, name=name)

    def _words(self, rows: int) -> int:
        return rows * (self.block + rows // self.block)

    def multiplies(self, rows: int, columns: int) -> int:
        return self._words(rows)

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        return self._words(rows)

    def stored_words(self, rows: int, columns: int) -> int:
        return self._words(rows)

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        entries = np.einsum("rqp,prc->qrpc", parameters[".outer"], parameters[".inner"])
        whole: FloatArray = entries.reshape(rows, columns)
        return whole

    def _fitted(self, matrix: FloatArray) -> Parameters:
        """Entry (q, r) to (p, c) is outer[r, q, p] inner[p, r, c]: one outer product for each
        r and p, so the nearest matrix is known."""
        size, count = self.block, len(matrix) // self.block
        entries = matrix.reshape(count, size, count, size).transpose(1, 2, 0, 3)
        left, sizes, right = np.linalg.svd(entries, full_matrices=False)
        root = np.sqrt(sizes[..., :1])
        outer = (left[..., 0] * root).transpose(0, 2, 1)
        return {".outer": outer, ".inner": (right[..., 0, :] * root).transpose(1, 0, 2)}
