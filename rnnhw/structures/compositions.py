"""Structures made of structures: sums, products, wiring, and the named families among them.

Counts, storage, the matrix and its support compose. Where the design gives the role ``stage`` a
format, what one factor hands to the next is cast to it; else it stays exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError
from rnnhw.structures.base import FloatArray, Parameters, Structure, Wanted, check_square
from rnnhw.structures.matrices import BlockDiagonal, Dense, InterleavedBlocks

if TYPE_CHECKING:
    from rnnhw.dataflow import Node, StepBuilder

__all__ = ["LowRank", "Monarch", "Permutation", "Product", "Sum", "UnitWeights"]

_ROUNDS = 2000
"""Rounds of a sum's fit; it stops where one gains less than 1e-9 of the matrix."""


class _Wiring(Structure):
    """What moves every input to one output: nothing stored, nothing multiplied, nothing to fit."""

    def multiplies(self, rows: int, columns: int) -> int:
        return 0

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        return rows * onto

    def stored_words(self, rows: int, columns: int) -> int:
        return 0

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        return self.support(rows, columns).astype(np.float64)

    def _fitted(self, matrix: FloatArray) -> Parameters:
        return {}


@dataclass(frozen=True)
class Permutation(_Wiring):
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
        few = ", ".join(map(str, self.indices[:4]))
        return f"Permutation({few}{', ...' if len(self.indices) > 4 else ''})"

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

    def support(self, rows: int, columns: int) -> NDArray[np.bool_]:
        whole = np.zeros((rows, columns), bool)
        whole[np.arange(rows), list(self.indices)] = True
        return whole


@dataclass(frozen=True)
class UnitWeights(_Wiring):
    """Each unit's own past, added with weight one: n additions, no multiplication."""

    name = "unit weights"

    def check(self, rows: int, columns: int) -> None:
        check_square(self, rows, columns)

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        _, vector, _, start, _, name = wanted
        return vector if start is None else g.add(start, vector, name)

    def support(self, rows: int, columns: int) -> NDArray[np.bool_]:
        return np.eye(rows, dtype=bool)


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

    def support(self, rows: int, columns: int) -> NDArray[np.bool_]:
        return np.ones((rows, columns), bool)

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

    def support(self, rows: int, columns: int) -> NDArray[np.bool_]:
        return np.ones((rows, columns), bool)

    def _fitted(self, matrix: FloatArray) -> Parameters:
        """Entry (q, r) to (p, c) is outer[r, q, p] inner[p, r, c]: one outer product for each
        r and p, so the nearest matrix is known."""
        size, count = self.block, len(matrix) // self.block
        entries = matrix.reshape(count, size, count, size).transpose(1, 2, 0, 3)
        left, sizes, right = np.linalg.svd(entries, full_matrices=False)
        root = np.sqrt(sizes[..., :1])
        outer = (left[..., 0] * root).transpose(0, 2, 1)
        return {".outer": outer, ".inner": (right[..., 0, :] * root).transpose(1, 0, 2)}


class _Composition(Structure):
    """What sums and products share: their parts."""

    parts: tuple[Structure, ...]

    def __init__(self, *parts: Structure) -> None:
        for part in parts:
            if not isinstance(part, Structure):
                raise DesignError(f"{part!r} is not a structure", "write for example Diagonal()")
        if len(parts) < 2:
            raise DesignError(f"{type(self).__name__} of {len(parts)}: give at least two parts")
        object.__setattr__(self, "parts", parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.parts))})"

    def _of(self, parameters: Parameters, index: int) -> Parameters:
        """The parameters of one part, by their keys within it."""
        prefix = f".{index}"
        return {
            key.removeprefix(prefix): values
            for key, values in parameters.items()
            if key == prefix or key.startswith(f"{prefix}.")
        }


@dataclass(frozen=True, init=False, repr=False)
class Sum(_Composition):
    """The sum of matrices, each of its own structure, stored under ``U.0``, ``U.1``...

    All parts add onto one another in this order, in one accumulator.
    """

    parts: tuple[Structure, ...]
    name = "sum"

    def check(self, rows: int, columns: int) -> None:
        for part in self.parts:
            part.check(rows, columns)

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        key, vector, units, start, role, name = wanted
        total, last = start, len(self.parts) - 1
        for index, part in enumerate(self.parts):
            own = name if index == last else f"{key}.upto{index}"
            total = part.apply(g, f"{key}.{index}", vector, units, total, role, own)
        assert total is not None
        return total

    def multiplies(self, rows: int, columns: int) -> int:
        return sum(part.multiplies(rows, columns) for part in self.parts)

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        first, *others = self.parts
        return first.adds(rows, columns, onto) + sum(
            part.adds(rows, columns, True) for part in others
        )

    def stored_words(self, rows: int, columns: int) -> int:
        return sum(part.stored_words(rows, columns) for part in self.parts)

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        whole = np.zeros((rows, columns))
        for index, part in enumerate(self.parts):
            whole += part.full(self._of(parameters, index), rows, columns)
        return whole

    def support(self, rows: int, columns: int) -> NDArray[np.bool_]:
        supports = [part.support(rows, columns) for part in self.parts]
        whole: NDArray[np.bool_] = np.any(supports, axis=0)
        return whole

    def _fitted(self, matrix: FloatArray) -> Parameters:
        """Every part in turn to what the others leave. The error never grows, but may stop at a
        least one of the neighbourhood: so every part is once the first, and the best counts."""
        starts = range(len(self.parts))
        return min((self._fitted_from(matrix, first) for first in starts), key=lambda f: f[0])[1]

    def _fitted_from(self, matrix: FloatArray, first: int) -> tuple[float, Parameters]:
        shares = [np.zeros_like(matrix, np.float64) for _ in self.parts]
        fitted: list[Parameters] = [{} for _ in self.parts]
        size = error = float(np.linalg.norm(matrix))
        for _ in range(_ROUNDS):
            for turn in range(len(self.parts)):
                index = (first + turn) % len(self.parts)
                found = self.parts[index].project(matrix - sum(shares) + shares[index])
                shares[index], fitted[index] = found.matrix, found.parameters
            before, error = error, float(np.linalg.norm(matrix - sum(shares)))
            if before - error <= 1e-9 * size:
                break
        return error, {
            f".{index}{key}": values
            for index, parameters in enumerate(fitted)
            for key, values in parameters.items()
        }


@dataclass(frozen=True, init=False, repr=False)
class Product(_Composition):
    """The product of matrices, the last one applied first, stored under ``U.0``, ``U.1``... from
    the left; all but the leftmost are square.

    What factor k hands to the next is cast to ``stage`` (signal ``U.stagek``) where that is
    given, unless it is wiring.
    """

    parts: tuple[Structure, ...]
    name = "product"

    def check(self, rows: int, columns: int) -> None:
        self.parts[0].check(rows, columns)
        for part in self.parts[1:]:
            part.check(columns, columns)

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        key, vector, units, start, role, name = wanted
        for index in range(len(self.parts) - 1, 0, -1):
            part = self.parts[index]
            handed = f"{key}.factor{index}"
            vector = part.apply(g, f"{key}.{index}", vector, vector.units, None, role, handed)
            if not isinstance(part, _Wiring):
                vector = g.cast_if_given(vector, "stage", f"{key}.stage{index}")
        return self.parts[0].apply(g, f"{key}.0", vector, units, start, role, name)

    def multiplies(self, rows: int, columns: int) -> int:
        return self.parts[0].multiplies(rows, columns) + sum(
            part.multiplies(columns, columns) for part in self.parts[1:]
        )

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        return self.parts[0].adds(rows, columns, onto) + sum(
            part.adds(columns, columns) for part in self.parts[1:]
        )

    def stored_words(self, rows: int, columns: int) -> int:
        return self.parts[0].stored_words(rows, columns) + sum(
            part.stored_words(columns, columns) for part in self.parts[1:]
        )

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        whole = self.parts[0].full(self._of(parameters, 0), rows, columns)
        for index, part in enumerate(self.parts[1:], 1):
            whole = whole @ part.full(self._of(parameters, index), columns, columns)
        return whole

    def support(self, rows: int, columns: int) -> NDArray[np.bool_]:
        whole = self.parts[0].support(rows, columns).astype(np.float32)
        for part in self.parts[1:]:
            whole = np.minimum(whole @ part.support(columns, columns).astype(np.float32), 1)
        return whole > 0
