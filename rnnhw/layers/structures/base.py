"""What every structure of a matrix answers, and the part that elementary ones share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnhw.errors import DesignError, WrongArgument, plain_numbers, wrong_argument
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.matrix import FloatArray, Matrix, Parameters, Row
from rnnhw.graph.nodes import Node

__all__ = [
    "Elementary",
    "FloatArray",
    "Parameters",
    "Product",
    "Projection",
    "Row",
    "Structure",
    "Sum",
    "Wanted",
    "Wiring",
]


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


_ROUNDS = 2000
"""Rounds of a sum's fit; it stops where one gains less than 1e-9 of the matrix."""


class Structure:
    """How a matrix is connected: what is stored, what a product costs, how it is written.

    ``a + b`` and ``a @ b`` are the structures of sums and products of such matrices.
    """

    name = ""

    def __post_init__(self) -> None:
        """Refuse arguments that would fail far from where they were written, or not at all."""
        plain_numbers(self)
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
        return Sum(*_joined(Sum, self), *_joined(Sum, other))

    def __matmul__(self, other: Structure) -> Product:
        return Product(*_joined(Product, self), *_joined(Product, other))


def _joined(kind: type[Sum] | type[Product], structure: Structure) -> tuple[Structure, ...]:
    return structure.parts if isinstance(structure, kind) else (structure,)


class Wiring(Structure):
    """What moves every input to one output: nothing stored, nothing multiplied, nothing to fit."""

    def multiplies(self, rows: int, columns: int) -> int:
        return 0

    def adds(self, rows: int, columns: int, onto: bool = False) -> int:
        return rows * onto

    def stored_words(self, rows: int, columns: int) -> int:
        return 0

    def _fitted(self, matrix: FloatArray) -> Parameters:
        return {}


class _Composition(Structure):
    """The base of sums and products of structures: their parts."""

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
            sum_name = name if index == last else f"{key}.upto{index}"
            total = part.apply(g, f"{key}.{index}", vector, units, total, role, sum_name)
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
                projected = self.parts[index].project(matrix - sum(shares) + shares[index])
                shares[index], fitted[index] = projected.matrix, projected.parameters
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
            if not isinstance(part, Wiring):
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


class Elementary(Matrix, Structure):
    """A structure that is one matrix-vector product.

    ``weighted`` tells stored weights from fixed +1 and -1. A ``pairwise`` structure is made of
    2-input neurons: the first of an output's two terms is added to nothing.
    """

    def _write(self, g: StepBuilder, wanted: Wanted) -> Node:
        key, vector, units, start, role, name = wanted
        weights = g.tensor(key, self.shape(units, vector.units), role) if self.weighted else None
        return g.matvec(self, weights, vector, units, start, name=name)

    def full(self, parameters: Parameters, rows: int, columns: int) -> FloatArray:
        return self.matrix(parameters[""] if self.weighted else np.zeros(0), rows, columns)

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
