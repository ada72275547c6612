"""Two-input neurons in log2(n) stages: the Walsh-Hadamard transform and learned butterflies.

All stages have the sources' constant geometry: pairs in; their first outputs go to the lower half,
their second ones to the upper. log2(n) such stages turn the bits of an index once around, so the
result stands in natural order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rnnhw.errors import DesignError
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.nodes import Node
from rnnhw.layers.activations import Activation
from rnnhw.layers.structures.base import (
    Elementary,
    FloatArray,
    Parameters,
    Row,
    Structure,
    Wanted,
    check_square,
)
from rnnhw.layers.structures.matrices import Diagonal
from rnnhw.numerics.cast import Interval

__all__ = [
    "Butterfly",
    "ButterflyStage",
    "FastWalshHadamard",
    "Hadamard",
    "WalshHadamardStage",
]


def _stages(n: int) -> int:
    return n.bit_length() - 1


def _check_power_of_two(structure: Structure, rows: int, columns: int, kind: str) -> None:
    check_square(structure, rows, columns)
    if rows < 2 or rows & (rows - 1):
        below = 1 << max(rows.bit_length() - 1, 1)
        raise DesignError(
            f"{kind} needs a power-of-two width, got {rows}", f"use {below} or {2 * below}"
        )


@dataclass(frozen=True)
class WalshHadamardStage(Elementary):
    """One stage of sums and differences: ``out[k] = in[2k] + in[2k+1]``,
    ``out[n/2+k] = in[2k] - in[2k+1]``."""

    name = "hadamard stage"
    weighted = False
    pairwise = True

    def check(self, rows: int, columns: int) -> None:
        _check_power_of_two(self, rows, columns, "Hadamard")

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for sign in (1, -1):
            for k in range(rows // 2):
                yield Row(range(2 * k, 2 * k + 2), (1, sign))

    def terms(self, rows: int, columns: int) -> int:
        return 2 * rows

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        low, high = vector
        return min(2 * low, low - high), max(2 * high, high - low)


@dataclass(frozen=True)
class FastWalshHadamard(Elementary):
    """All log2(n) stages: the unnormalised natural-order (Sylvester) Hadamard matrix.

    n log2(n) additions, no multiplication, nothing stored, log2(n) bits of growth.
    """

    name = "hadamard"
    weighted = False
    pairwise = True

    def check(self, rows: int, columns: int) -> None:
        _check_power_of_two(self, rows, columns, "Hadamard")

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for i in range(rows):
            signs = tuple(-1 if (i & j).bit_count() % 2 else 1 for j in range(columns))
            yield Row(range(columns), signs)

    def terms(self, rows: int, columns: int) -> int:
        return rows * columns

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        return rows * (_stages(rows) + onto)

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        low, high = vector
        half = rows // 2
        return min(rows * low, half * (low - high)), max(rows * high, half * (high - low))


@dataclass(frozen=True)
class Hadamard(Structure):
    """``after * (H (before * h))`` with the fixed Walsh-Hadamard matrix H, unnormalised.

    ``before`` and ``after`` are trained diagonals, stored as (n,) each under the keys
    ``U.before`` and ``U.after``; either may be left out. Where the design gives the role
    ``stage`` a format, the product with ``before`` and every stage are cast to it (signals
    ``U.before_product``, ``U.stage0``...); else everything stays exact.
    """

    before: bool = True
    after: bool = True
    name = "hadamard"

    def check(self, rows: int, columns: int) -> None:
        _check_power_of_two(self, rows, columns, "Hadamard")

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        key, vector, units, start, role, name = wanted
        if self.before:
            diagonal = g.constant(f"{key}.before", units, role)
            scaled = g.multiply(diagonal, vector, f"{key}.scaled")
            vector = g.cast_if_given(scaled, "stage", f"{key}.before_product")
        if g.optional_format("stage", f"{key}.stage0") is None:
            vector = g.matvec(FastWalshHadamard(), None, vector, units, name=f"{key}.transform")
        else:
            for index in range(_stages(units)):
                pairs = g.matvec(
                    WalshHadamardStage(), None, vector, units, name=f"{key}.pairs{index}"
                )
                vector = g.cast(pairs, "stage", f"{key}.stage{index}")
        if self.after:
            weights = g.tensor(f"{key}.after", (units,), role)
            return g.matvec(Diagonal(), weights, vector, units, start, name=name)
        return vector if start is None else g.add(start, vector, name)

    def multiplies(self, rows: int, columns: int) -> int:
        return rows * (self.before + self.after)

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        return rows * (_stages(rows) + (self.after or onto))

    def stored_words(self, rows: int, columns: int) -> int:
        return rows * (self.before + self.after)

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        signs = FastWalshHadamard().matrix(np.zeros(0), rows, columns)
        if self.before:
            signs = signs * parameters[".before"]
        return parameters[".after"][:, None] * signs if self.after else signs

    def _fitted(self, matrix: FloatArray) -> Parameters:
        """``matrix`` times the signs is an outer product of the two diagonals."""
        outer = matrix * FastWalshHadamard().matrix(np.zeros(0), *matrix.shape)
        if self.before and self.after:
            after, before = _rank_one(outer)
            return {".before": before, ".after": after}
        if self.before:
            return {".before": outer.mean(0)}
        return {".after": outer.mean(1)} if self.after else {}


@dataclass(frozen=True)
class ButterflyStage(Elementary):
    """One stage of learned 2-input neurons, stored as B (n/2, 2, 2):
    ``out[k] = B[k,0,0] in[2k] + B[k,0,1] in[2k+1]``, ``out[n/2+k] = B[k,1,0] in[2k] + ...``."""

    name = "butterfly stage"
    pairwise = True

    def check(self, rows: int, columns: int) -> None:
        _check_power_of_two(self, rows, columns, "Butterfly")

    def shape(self, rows: int, columns: int) -> tuple[int, ...]:
        return rows // 2, 2, 2

    def rows(self, rows: int, columns: int) -> Iterator[Row]:
        for output in range(2):
            for k in range(rows // 2):
                first = 4 * k + 2 * output
                yield Row(range(2 * k, 2 * k + 2), range(first, first + 2))

    def terms(self, rows: int, columns: int) -> int:
        return 2 * rows

    def bounds(self, rows: int, columns: int, term: Interval, vector: Interval) -> Interval:
        return super().bounds(rows, 2, term, vector)


@dataclass(frozen=True)
class Butterfly(Structure):
    """log2(n) stages of learned 2-input neurons (Dao et al. 2019, arXiv:1903.05895, in the
    constant geometry of the sources).

    Stored stage by stage as ``U.0``, ``U.1``... (n/2, 2, 2), see :class:`ButterflyStage`. The
    last stage adds onto the layer's sum; behind every other one comes

    - ``bias``: a trained vector ``U.bias0``... (n,), added;
    - ``activation``: the sum cast to ``sum`` (signal ``U.sum0``...), then the function in the
      format ``gate``, which falls back to ``state`` (``U.neurons0``...);
    - else, where the design gives the role ``stage`` a format, a cast to it (``U.stage0``...).
    """

    activation: Activation | None = None
    bias: bool = False
    name = "butterfly"

    def check(self, rows: int, columns: int) -> None:
        _check_power_of_two(self, rows, columns, "Butterfly")

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        key, vector, units, start, role, name = wanted
        stage, last = ButterflyStage(), _stages(units) - 1
        for index in range(last):
            bias = g.constant(f"{key}.bias{index}", units, "bias") if self.bias else None
            weights = g.tensor(f"{key}.{index}", stage.shape(units, units), role)
            pairs = g.matvec(stage, weights, vector, units, bias, name=f"{key}.pairs{index}")
            if self.activation is None:
                vector = g.cast_if_given(pairs, "stage", f"{key}.stage{index}")
            else:
                total = g.cast(pairs, "sum", f"{key}.sum{index}")
                vector = self.activation.apply(g, total, "gate", f"{key}.neurons{index}")
        weights = g.tensor(f"{key}.{last}", stage.shape(units, units), role)
        return g.matvec(stage, weights, vector, units, start, name=name)

    def multiplies(self, rows: int, columns: int) -> int:
        return 2 * rows * _stages(rows)

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        return rows * (_stages(rows) + self.bias * (_stages(rows) - 1) + onto)

    def stored_words(self, rows: int, columns: int) -> int:
        """Weights; the biases of the stages are not counted among them."""
        return 2 * rows * _stages(rows)

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        if self.activation is not None or self.bias:
            raise DesignError(f"{self!r} is no matrix: its stages are not linear")
        whole = np.eye(rows)
        for index in range(_stages(rows)):
            whole = ButterflyStage().matrix(parameters[f".{index}"], rows, columns) @ whole
        return whole

    @staticmethod
    def from_in_place(own: ArrayLike, partner: ArrayLike) -> Parameters:
        """The stages of an in-place butterfly, for s = 0 .. log2(n) - 1 at once for all i
        ``h[i] = own[s, i] h[i] + partner[s, i] h[i xor 2**s]``; both arrays are (log2(n), n).

        After s out-of-place stages unit i stands where its index turned right by s bits says.

        Raises:
            DesignError: the shapes are not those of a butterfly.
        """
        straight, crossed = (np.asarray(array, np.float64) for array in (own, partner))
        stages, n = straight.shape if straight.ndim == 2 else (0, 0)
        if n != 1 << stages or n < 2 or crossed.shape != straight.shape:
            raise DesignError(
                f"in-place stages of shapes {straight.shape} and {crossed.shape}",
                "give two arrays (log2(n), n)",
            )
        places = np.arange(n)
        found = {}
        for s in range(stages):
            unit = ((places << s) | (places >> (stages - s))) & (n - 1)
            a, b = straight[s, unit].reshape(-1, 2), crossed[s, unit].reshape(-1, 2)
            found[f".{s}"] = np.stack(
                [np.stack([a[:, 0], b[:, 0]], 1), np.stack([b[:, 1], a[:, 1]], 1)], 1
            )
        return found

    def _fitted(self, matrix: FloatArray) -> Parameters:
        """Stage by stage from the inputs: a pair's columns are, in the rows of either parity, an
        outer product (Zheng, Riccietti & Gribonval 2022, arXiv:2110.01230). Exact for a
        butterfly, else near: each stage is the best for what those before it left."""
        if self.activation is not None or self.bias:
            return super()._fitted(matrix)
        n = len(matrix)
        stages = {f".{s}": np.zeros((n // 2, 2, 2)) for s in range(_stages(n))}
        # What is left of the matrix, for every block that has become independent. A block's
        # number is the output bits chosen so far, the latest in front.
        left = {0: np.asarray(matrix, np.float64)}
        for s in range(_stages(n)):
            rest = {}
            for block, part in left.items():
                half = part.shape[1] // 2
                for parity in range(2):
                    inner = np.zeros((half, half))
                    for k in range(half):
                        columns, pair = _rank_one(part[parity::2, 2 * k : 2 * k + 2])
                        stages[f".{s}"][block * half + k, parity] = pair
                        inner[:, k] = columns
                    rest[(parity << s) | block] = inner
            left = rest
        last = stages[f".{_stages(n) - 1}"]
        for block, part in left.items():  # 1 x 1: a factor of the last stage's output
            pairs = n // 2
            last[block % pairs, block // pairs] *= part[0, 0]
        return stages


def _rank_one(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Vectors a, b of like size whose outer product is nearest to ``matrix``."""
    left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(sizes[0])
    return left[:, 0] * root, right[0] * root
