"""Per-channel scales: which sums of a step have still to be shifted or multiplied, and by what.

A product whose weights have exponents is a *scaled sum*: it is worth ``2**e`` times its integers,
e of each row. It stays one as long as products of the same exponents go on from it, it is cut into
slices, or two of the same exponents are added; what else reads it reads it shifted. So the rows of
``W x + U h + b`` are shifted once, behind the whole sum. Multipliers of rows take the place of
exponents, and a multiplication that of the shift.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rnnhw.errors import DesignError
from rnnhw.graph.nodes import (
    MOST_SHIFT,
    Add,
    Constant,
    Gather,
    Matvec,
    Node,
    RowScale,
)
from rnnhw.numerics.cast import Q

__all__ = ["EXPONENT", "MULTIPLIER", "SCALES", "Exponents", "RowScales", "check_scale"]

EXPONENT, MULTIPLIER = "scale_exponent", "scale"
SCALES = (EXPONENT, MULTIPLIER)
"""The roles of tensors that hold a number a row."""


def check_scale(what: str, role: str, format: Q) -> None:
    """Refuse a format that is none of exponents, or of multipliers, as ``role`` says.

    Raises:
        DesignError: it is signed; exponents have fraction bits, or more than the longest shift.
    """
    if role == MULTIPLIER:
        if format.signed:
            raise DesignError(
                f"{what} is {format!r}, but scales of rows have no sign",
                "write for example Q(0, 8, signed=False)",
            )
        return
    if format.signed or format.fraction or not 1 <= format.max <= MOST_SHIFT:
        raise DesignError(
            f"{what} is {format!r}, but exponents are whole numbers of 0 to at most {MOST_SHIFT}",
            "write for example Q(2, 0, signed=False): 0 to 3",
        )


class Exponents(NamedTuple):
    """The exponents, or the multipliers, of the rows of a scaled sum: elements of a constant."""

    constant: Constant
    indices: tuple[int, ...]

    def at(self, rows: Iterable[int]) -> Exponents:
        """Those of some of the rows."""
        return Exponents(self.constant, tuple(self.indices[row] for row in rows))

    @property
    def whole(self) -> bool:
        """Whether they are all elements of the constant in order."""
        return self.indices == tuple(range(self.constant.units))


@dataclass
class RowScales:
    """The scaled sums of a step that is being written, and the scales of its tensors.

    ``sums`` holds the exponents of every scaled sum, ``shifted`` what others read in its place.
    """

    sums: dict[Node, Exponents] = field(default_factory=dict)
    shifted: dict[Node, Node] = field(default_factory=dict)
    found: list[RowScale] = field(default_factory=list)
    _claims: dict[tuple[Constant, int], tuple[Constant, int]] = field(default_factory=dict)
    _within: set[Node] = field(default_factory=set)

    def of_all(self, nodes: Sequence[Node]) -> Exponents | None:
        """The exponents of ``nodes`` side by side; None where one has none, or another constant."""
        known = [self.sums.get(node) for node in nodes]
        constants = {each.constant for each in known if each is not None}
        if None in known or len(constants) != 1:
            return None
        indices = tuple(index for each in known if each is not None for index in each.indices)
        return Exponents(constants.pop(), indices)

    def weigh(self, product: Matvec, exponents: Exponents) -> None:
        """The weights of ``product`` have ``exponents``.

        Raises:
            DesignError: rows of the structure share weights.
        """
        assert product.weights is not None and exponents.constant.tensor is not None
        size = product.units, product.vector.units
        owners = product.structure.parameter_rows(*size)
        key = product.weights.key
        if owners is None:
            raise DesignError(
                f"{key}: rows of {product.structure!r} share weights, so that none of them can "
                "have a scale of its own",
                "leave out its exponent format, or use a structure whose rows have their own",
            )
        positions = np.flatnonzero(owners >= 0)
        rows = np.asarray(exponents.indices)[owners[positions]]
        self.found.append(RowScale(key, exponents.constant.tensor.key, positions, rows, True))

    def claim(self, start: Node, exponents: Exponents) -> bool:
        """Let the constants that ``start`` is a sum of follow ``exponents``; whether they can."""
        claims: dict[tuple[Constant, int], tuple[Constant, int]] = {}
        within: set[Node] = set()
        for row in range(start.units):
            wanted = exponents.constant, exponents.indices[row]
            places = _elements(start, row, within)
            if places is None:
                return False
            for place in places:
                known = self._claims.get(place, wanted)
                if not known == wanted == claims.setdefault(place, wanted):
                    return False
        self._claims |= claims
        self._within |= within
        return True

    def finished(self, layer: str, nodes: Iterable[Node]) -> tuple[RowScale, ...]:
        """The scales of all tensors of a step.

        Raises:
            DesignError: a constant that follows exponents is read by something else as well.
        """
        if not self.found:
            return ()
        for node in nodes:
            starts = isinstance(node, Matvec) and node in self.sums
            if node in self._within or starts:
                continue
            for operand in node.operands:
                if operand in self._within:
                    raise DesignError(
                        f"{layer}.{operand.name} starts a sum of scaled rows, and {node.name} "
                        "reads it too",
                        "write a constant of its own for each",
                    )
        scales = list(self.found)
        pairs = {(bias, exponent) for (bias, _), (exponent, _) in self._claims.items()}
        for bias, exponent in sorted(pairs, key=lambda pair: (pair[0].name, pair[1].name)):
            places = sorted(
                (row, index)
                for (constant, row), (other, index) in self._claims.items()
                if constant is bias and other is exponent
            )
            positions, rows = (np.array(each, np.int64) for each in zip(*places, strict=True))
            assert bias.tensor is not None and exponent.tensor is not None
            scales.append(RowScale(bias.tensor.key, exponent.tensor.key, positions, rows, False))
        return tuple(scales)


def _elements(node: Node, row: int, within: set[Node]) -> list[tuple[Constant, int]] | None:
    """The trained constants whose sum element ``row`` of ``node`` is; None where it is none."""
    within.add(node)
    match node:
        case Constant(tensor=tensor) if tensor is not None:
            return [(node, row)]
        case Add():
            both = [_elements(part, row, within) for part in (node.a, node.b)]
            return None if None in both else [each for part in both for each in part or ()]
        case Gather():
            index = node.indices[row]
            for part in node.parts:
                if index < part.units:
                    return _elements(part, index, within)
                index -= part.units
    return None
