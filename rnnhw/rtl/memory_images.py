"""The contents of memories: weights in the order of use, biases with rounding constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from rnnhw.accelerator.mapping import (
    Feed,
    MappedLayer,
    Part,
    Phase,
    Rows,
    Segment,
    Shifter,
    Transform,
    places,
    tensor_values,
    weight_fraction,
)
from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError
from rnnhw.execution.golden import constant_values
from rnnhw.graph.nodes import Constant, Matvec, Node, State, Tensor, unwired
from rnnhw.numerics.cast import cast

__all__ = ["Numbers", "Row", "Shape"]


@dataclass(frozen=True)
class Row:
    """One accumulator of a phase: output ``index`` of the products of ``rows``, for ``unit``."""

    rows: Rows
    index: int
    unit: int
    gate: int  # among those of ``rows``


class Numbers:
    """The trained numbers of one layer, laid out for its memories."""

    def __init__(self, mapping: MappedLayer, parameters: Parameters) -> None:
        self._mapping = mapping
        self._rows = mapping.rows
        self._phases = mapping.phases
        self._parameters = parameters
        self._tensors = {key: raw.ravel().tolist() for key, raw in parameters.raw.items()}
        self.constants: Mapping[Node, list[int]] = constant_values(
            mapping.rows.graph, self._tensors
        )

    # --- rows ----------------------------------------------------------------------------------
    def rows(self, phase: int) -> list[Row]:
        """The rows of a phase in the order in which they are on the lanes: unit by unit."""
        width = self._rows.widths[phase]
        gates = [
            (rows, gate)
            for rows in self._rows.phase_rows(phase)
            for gate in range(self._rows.gates(rows, width))
        ]
        return [
            Row(rows, gate * width + unit, unit, gate)
            for unit in range(width)
            for rows, gate in gates
        ]

    def row_exponents(self, shifter: Shifter) -> list[int]:
        """What a shifter shifts each row of its phase by, in the order of :meth:`rows`; 0 for those
        that it does not compute."""
        layer, known = self._rows, {}
        for value in self._mapping.schedule.shifters()[shifter]:
            row, by = layer.operands(value)
            assert isinstance(row.node, Rows) and isinstance(by.node, Node)
            numbers = self.constants[by.node]
            width = layer.widths[shifter.phase]
            first = by.gate * width if len(numbers) > width else 0
            known[row.node, row.gate] = numbers[first : first + width]
        return [
            known[row.rows, row.gate][row.unit] if (row.rows, row.gate) in known else 0
            for row in self.rows(shifter.phase)
        ]

    # --- scales --------------------------------------------------------------------------------
    def fraction(self, phase: int) -> int:
        """Fraction bits of the accumulators."""
        return self._rows.accumulator(phase).fraction

    def shift(self, phase: int, segment: int) -> int:
        """By how many bits the operands of a segment move to meet the accumulators."""
        return self._mapping.segment_shift(phase, segment)

    # --- weights -------------------------------------------------------------------------------
    def weight_words(self, width: int) -> Sequence[int]:
        """A word with a weight of ``width`` bits for every lane, in the order of use."""
        words: list[int] = []
        mask = (1 << width) - 1
        for number, phase in enumerate(self._phases):
            if not self._rows.phase_rows(number):
                continue
            columns = self._columns(number)
            for group in range(phase.groups):
                first = group * phase.lanes
                for column in columns:
                    word = 0
                    for lane, weight in enumerate(column[first : first + phase.lanes]):
                        word |= (weight & mask) << (lane * width)
                    words.append(word)
        return words

    def operand_width(self) -> int:
        """Bits of the widest operand of the columns, moved to meet the accumulators."""
        return self._mapping.operand_bits

    def weight_width(self) -> int:
        """Bits of the widest weight, signed."""
        return max(self._mapping.weight_bits, 1)

    # --- stages in the feed --------------------------------------------------------------------
    def stage_weights(self, transform: Transform, width: int) -> list[int]:
        """A word with a weight of ``width`` bits for every element that is computed at once, in
        the order of use: lower and upper outputs by turns, two columns each."""
        node, mask = transform.node, (1 << width) - 1
        assert node.weights is not None
        weights = self.tensor(node.weights).reshape(-1, 2, 2).tolist()
        return [
            sum(
                (weights[first + k][output][column] & mask) << (k * width)
                for k in range(transform.width)
            )
            for first in range(0, len(weights), transform.width)
            for output in range(2)
            for column in range(2)
        ]

    def stage_biases(self, transform: Transform) -> list[list[int]]:
        """What the outputs of a stage start from at the scale of its sums, word by word in the
        order in which they are written."""
        node = transform.node
        assert node.start is not None
        half = node.units // 2
        starts = [self._start_of(node, index) for index in range(node.units)]
        scale = node.format.fraction
        return [
            [value << (scale - fraction) for value, fraction in starts[at : at + transform.width]]
            for first in range(0, half, transform.width)
            for at in (first, half + first)
        ]

    def _columns(self, number: int) -> list[list[int]]:
        """For every column that reads a weight, those of all rows."""
        phase, rows = self._phases[number], self.rows(number)
        columns = []
        for segment, products in zip(phase.segments, self._mapping.products(number), strict=True):
            terms = {product: self._terms(product, segment.vector) for product in products}
            scale = weight_fraction(products)
            left = [self._row_terms(row, products, terms, scale) for row in rows]
            for column in range(segment.columns):
                columns.append(
                    [
                        weights.pop(self._element(phase, segment, number, position, row, column), 0)
                        for position, (row, weights) in enumerate(zip(rows, left, strict=True))
                    ]
                )
            for row, weights in zip(rows, left, strict=True):
                if any(weights.values()):
                    raise DesignError(
                        f"{self._rows.graph.layer}: output {row.index} of {products[0].name} has "
                        f"terms that a {segment.feed.value} feed does not reach",
                        "emit another structure, or report it for the numbers alone",
                    )
        return columns

    def _terms(self, product: Matvec, vector: Node) -> list[dict[int, int]]:
        """The weights of every row by element of ``vector``, the product's own or the one that
        this is made of."""
        at = list(range(product.vector.units))
        if unwired(product.vector) is not vector:
            at = [index for _, index in places(product.vector)]
        weights: list[int] = []
        if product.weights is not None:
            weights = tensor_values(self._parameters.raw, product.weights).ravel().tolist()
        terms = []
        listed = product.structure.stored_rows(
            np.array(weights), product.units, product.vector.units
        )
        for row in listed:
            by_element: dict[int, int] = {}
            factors = [weights[k] for k in row.parameters] if weights else row.parameters
            for column, factor in zip((at[c] for c in row.columns), factors, strict=True):
                if by_element.get(column):
                    raise DesignError(
                        f"{self._rows.graph.layer}: {product.name} reads column {column} twice",
                        "the accelerator has one weight for a column",
                    )
                by_element[column] = factor
            terms.append(by_element)
        return terms

    def _row_terms(
        self,
        row: Row,
        products: Sequence[Matvec],
        terms: Mapping[Matvec, list[dict[int, int]]],
        scale: int,
    ) -> dict[int, int]:
        for product in row.rows.products:
            if product in products:
                fraction = 0 if product.weights is None else product.weights.format.fraction
                shift = scale - fraction
                return {c: weight << shift for c, weight in terms[product][row.index].items()}
        return {}

    def _element(
        self, phase: Phase, segment: Segment, number: int, position: int, row: Row, column: int
    ) -> int:
        """The element of the vector that the feed gives to a row in a column."""
        match segment.feed:
            case Feed.BROADCAST:
                return column
            case Feed.WINDOW:
                assert segment.window is not None
                return row.unit - segment.window[0] + column
            case Feed.CYCLIC:
                assert segment.window is not None
                return (row.unit - segment.window[0] + column) % segment.vector.units
            case Feed.STRIDE:
                units = segment.vector.units // segment.columns
                return column * units + row.unit % units
            case Feed.PAIRS:
                return 2 * row.unit % segment.vector.units + column
            case Feed.BLOCK:
                outputs, inputs = segment.block or (segment.columns, segment.columns)
                first = position // phase.lanes * phase.lanes // phase.gates
                return first // outputs * inputs + column
            case Feed.BLOCKS:
                assert segment.block is not None
                outputs, inputs = segment.block
                first = position // phase.lanes * phase.lanes // phase.gates
                latest = segment.vector.units - segment.columns
                return min(first // outputs * inputs, latest) + column
        raise DesignError(
            f"{self._rows.graph.layer}: a feed by {segment.feed.value} is not emitted",
            "use a dense, banded, cyclic or block-diagonal matrix, or report it for the numbers",
        )

    # --- biases --------------------------------------------------------------------------------
    def biases(self, *, early: bool) -> list[int]:
        """The bias of every row, in the order of the rows; ``early`` for the snapshot.

        With the rounding constant of the cast that alone reads a row (never in the snapshot).
        """
        starts = []
        for number in range(len(self._phases)):
            scale, rows = self.fraction(number), self.rows(number)
            # All units have the rows and gates of the first one in its order.
            first = [row for row in rows if row.unit == 0]
            added = [0 if early else self._rounding_constant(row, scale) for row in first]
            for row, constant in zip(rows, cycle(added), strict=False):
                constants = row.rows.early_constants if early else row.rows.constants
                starts.append(constant + sum(self._start(row, node, scale) for node in constants))
        return starts

    def _rounding_constant(self, row: Row, scale: int) -> int:
        """What the cast that alone reads a row adds, at the scale of the accumulators."""
        fraction = row.rows.word(Part.WHOLE)[0].fraction
        return self._mapping.schedule.rounding_constant(row.rows, row.gate) << (scale - fraction)

    def _start(self, row: Row, node: Node, scale: int) -> int:
        (product,) = (p for p in row.rows.products if p.start is not None and p.start is node)
        value, fraction = self._start_of(product, row.index)
        return value << (scale - fraction)

    def _start_of(self, product: Matvec, index: int) -> tuple[int, int]:
        """What an output of a product starts from, and its fraction bits."""
        assert product.start is not None
        value, fraction = self.constants[product.start][index], product.start.format.fraction
        if product.accumulator is not None:
            value, _ = cast(value, fraction, product.accumulator)
            fraction = product.accumulator.fraction
        return value, fraction

    # --- other numbers ---------------------------------------------------------------------------
    def tensor(self, tensor: Tensor) -> NDArray[np.int64]:
        """The raw integers of one tensor."""
        return tensor_values(self._parameters.raw, tensor)

    def first_values(self, state: State) -> list[int]:
        """The raw integers of a state's first value: trained, or what follows from those of the
        states that it is made from."""
        assert state.initial is not None
        if state not in self._rows.kept:
            return list(self.tensor(state.initial).ravel().tolist())
        graph = self._rows.kept[state].first_value(self._rows.graph.layer)
        return constant_values(graph, self._tensors)[graph.output]


class Shape(Numbers):
    """The same layout without trained numbers: all are zero."""

    def __init__(self, mapping: MappedLayer) -> None:
        constants = {
            node.tensor.key: np.zeros(node.tensor.shape, np.int64)
            for node in mapping.rows.graph.nodes
            if isinstance(node, Constant) and node.tensor is not None
        }
        super().__init__(mapping, Parameters({}, constants, {}))

    def weight_words(self, width: int) -> Sequence[int]:
        """As many words as there are."""
        used = [phase for n, phase in enumerate(self._phases) if self._rows.phase_rows(n)]
        return range(sum(phase.groups * phase.weight_columns for phase in used))

    def biases(self, *, early: bool) -> list[int]:
        """None: an outline has no images."""
        return []

    def tensor(self, tensor: Tensor) -> NDArray[np.int64]:
        """Zeros."""
        return np.zeros(tensor.shape, np.int64)

    def first_values(self, state: State) -> list[int]:
        """Zeros."""
        return [0] * state.units
