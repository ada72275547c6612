"""What every structure of a matrix answers, and the part that elementary ones share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnhw.arguments import WrongArgument, wrong_argument
from rnnhw.errors import DesignError

if TYPE_CHECKING:
    from rnnhw.dataflow import Interval, Node, StepBuilder
    from rnnhw.structures.compositions import Product, Sum

__all__ = [
    "Elementary",
    "FloatArray",
    "Parameters",
    "Projection",
    "Row",
    "Structure",
    "Wanted",
    "diameter",
]

FloatArray = NDArray[np.float64]
Parameters = Mapping[str, FloatArray]
"""A structure's numbers by what follows the design's key: ``""`` alone, or ``".left"``..."""


class Row(NamedTuple):
    """The terms of one output in the order in which they are added, ascending columns unless the
    structure says otherwise; ``parameters`` are indices into the flat tensor, or signs."""

    columns: range | tuple[int, ...]
    parameters: range | tuple[int, ...]


class Wanted(NamedTuple):
    """The product that a step asks for: ``units`` outputs ``start + matrix @ vector``, tensors
    named after ``key`` with formats of ``role``, the result called ``name``."""

    key: str
    vector: Node
    units: int
    start: Node | None
    role: str
    name: str


@dataclass(frozen=True, eq=False)
class Projection:
    """The nearest matrix of a structure: its ``parameters``, itself, and how far it is away.

    ``error`` is the Frobenius norm of the difference over that of the given matrix.
    """

    parameters: Parameters
    matrix: FloatArray
    error: float

    def tensors(self, key: str) -> dict[str, FloatArray]:
        """The parameters by the keys of a weights file, for ``key`` such as ``rnn.U``."""
        return {f"{key}{suffix}": values for suffix, values in self.parameters.items()}


class Structure:
    """How a matrix is connected: what is stored, what a product costs, how it is written.

    ``a + b`` and ``a @ b`` are the structures of sums and products of such matrices.
    """

    name = ""

    def __post_init__(self) -> None:
        """Refuse arguments that would fail far from where they were written, or not at all."""
        match wrong_argument(self, {"int": int, "bool": bool}):
            case WrongArgument(argument, type() as value, None):
                raise DesignError(f"{self!r}: write {argument}={value.__name__}(...)")
            case WrongArgument(argument, _, type() as wanted):
                raise DesignError(f"{self!r}: {argument} must be of type {wanted.__name__}")

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
        self.check(units, vector.units)
        return self._write(g, Wanted(key, vector, units, start, role, name))

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        """The operations of a product of a size that the structure can have."""
        raise NotImplementedError

    def check(self, rows: int, columns: int) -> None:
        """Refuse a matrix of ``rows`` x ``columns`` that this structure cannot be.

        Raises:
            DesignError: with the sizes and a cure.
        """

    def multiplies(self, rows: int, columns: int) -> int:
        """Multiplications of one product (closed formula)."""
        raise NotImplementedError

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        """Additions of one product (closed formula), ``onto`` a start or by itself."""
        raise NotImplementedError

    def stored_words(self, rows: int, columns: int) -> int:
        """Words that have to be stored (closed formula)."""
        raise NotImplementedError

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        """The float matrix (rows, columns) that the parameters stand for."""
        raise NotImplementedError

    def support(self, rows: int, columns: int) -> NDArray[np.bool_]:
        """Where the matrix (rows, columns) can be other than zero."""
        raise NotImplementedError

    def reach(self, n: int) -> int | None:
        """Steps until every input of an n x n recurrence can affect every unit, None if never."""
        return diameter(self.support(n, n))

    def project(self, matrix: FloatArray) -> Projection:
        """The matrix of this structure that is nearest to ``matrix`` in the Frobenius norm.

        Raises:
            DesignError: the structure cannot have this size, or no way to fit it is known.
        """
        rows, columns = self._given(matrix)
        return self._projection(matrix, self._fitted(matrix), rows, columns)

    def _fitted(self, matrix: FloatArray) -> Parameters:
        """The parameters of the nearest matrix."""
        raise DesignError(
            f"{self!r}: no way to fit it to a matrix is known", "train it as it is instead"
        )

    def _given(self, matrix: FloatArray) -> tuple[int, int]:
        if np.ndim(matrix) != 2 or not np.isfinite(matrix).all():
            raise DesignError(f"{self!r} is fitted to a finite matrix (rows, columns)")
        rows, columns = matrix.shape
        self.check(rows, columns)
        return rows, columns

    def _projection(
        self, matrix: FloatArray, parameters: Parameters, rows: int, columns: int
    ) -> Projection:
        near = self.full(parameters, rows, columns)
        size = float(np.linalg.norm(matrix))
        distance = float(np.linalg.norm(matrix - near))
        return Projection(parameters, near, distance / size if size else distance)

    def __add__(self, other: Structure) -> Sum:
        from rnnhw.structures.compositions import Sum

        return Sum(*_joined(Sum, self), *_joined(Sum, other))

    def __matmul__(self, other: Structure) -> Product:
        from rnnhw.structures.compositions import Product

        return Product(*_joined(Product, self), *_joined(Product, other))


def _joined(kind: type[Sum] | type[Product], structure: Structure) -> tuple[Structure, ...]:
    return structure.parts if isinstance(structure, kind) else (structure,)


def diameter(
    support: NDArray[np.bool_], among: Sequence[int] | NDArray[np.int64] | None = None
) -> int | None:
    """Most steps that any unit needs to affect any other, by the connections [to, from]; None if
    some never does. A single unit counts as one step.

    With ``among`` the paths begin and end at these units, and may lead through all.
    """
    n = len(support)
    asked = np.arange(n) if among is None else np.asarray(among)
    pairs = np.ix_(asked, asked)
    links = (support | np.eye(n, dtype=bool)).astype(np.float32)
    # Powers of links by squaring; then the least exponent that connects all, bit by bit.
    powers = [links]
    while not powers[-1][pairs].all():
        squared = np.minimum(powers[-1] @ powers[-1], 1)
        if (squared == powers[-1]).all():
            return None
        powers.append(squared)
    steps, reached = 0, np.eye(n, dtype=np.float32)
    for exponent in range(len(powers) - 2, -1, -1):
        further = np.minimum(powers[exponent] @ reached, 1)
        if not further[pairs].all():
            steps, reached = steps + (1 << exponent), further
    return steps + 1


class Elementary(Structure):
    """A structure that is one matrix-vector product.

    ``weighted`` tells stored weights from fixed +1 and -1. A ``pairwise`` structure is made of
    2-input neurons: the first of an output's two terms is added to nothing.
    """

    weighted = True
    pairwise = False

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        key, vector, units, start, role, name = wanted
        weights = g.tensor(key, self.shape(units, vector.units), role) if self.weighted else None
        return g.matvec(self, weights, vector, units, start, name=name)

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

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        return self.matrix(parameters[""] if self.weighted else np.zeros(0), rows, columns)

    def support(self, rows: int, columns: int) -> NDArray[np.bool_]:
        whole = np.zeros((rows, columns), bool)
        for index, row in enumerate(self.rows(rows, columns)):
            whole[index, list(row.columns)] = True
        return whole

    def _fitted(self, matrix: FloatArray) -> Parameters:
        """The mean of the entries that share a parameter: the least squares solution."""
        if not self.weighted:
            return {}
        rows, columns = matrix.shape
        shape = self.shape(rows, columns)
        total, count = (np.zeros(int(np.prod(shape))) for _ in range(2))
        for index, row in enumerate(self.rows(rows, columns)):
            chosen = list(row.parameters)
            total[chosen] += matrix[index, list(row.columns)]
            count[chosen] += 1
        return {"": (total / np.maximum(count, 1)).reshape(shape)}


def check_square(structure: Structure, rows: int, columns: int) -> None:
    """Refuse a matrix that is not square.

    Raises:
        DesignError: with both sizes.
    """
    if rows != columns:
        raise DesignError(f"{structure!r} needs a square matrix, got {rows} x {columns}")
