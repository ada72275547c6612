"""Matrix-vector products for the kernels: their terms, what can be proved of them, their weights.

A proof holds for the real weights and every vector of the format. It chooses a kernel, never a
result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnhw.execution.quads import BLOCK_ROWS, QUAD, ByteProducts, QuadRows, pack_quads
from rnnhw.execution.windows import FEW_QUADS, pack_windows
from rnnhw.graph.nodes import Constant, Matvec, Node
from rnnhw.layers.structures import Row
from rnnhw.numerics.cast import Interval, Overflow, Q, rounded

__all__ = ["EVERY_COLUMN", "Product", "Raw", "RowsPlan"]

IntArray = NDArray[np.int64]
BigArray = NDArray[Any]  # of Python integers
Raw = Mapping[str, IntArray]

EVERY_COLUMN = 1 << 30
"""A chunk that no row reaches."""

INTERLEAVED = 16
"""Rows that are stored column by column, for kernels of one lane."""

MOST_PAIRS = 4
"""Pairs of columns of a row whose loop over them is unrolled (``RNNHW_MOST_PAIRS``)."""

MOST_TAPS = 16
"""Columns from the first to the last that a row of a window reads."""

_WORD = 1 << 31  # a 32-bit word holds what is smaller


@dataclass(frozen=True, eq=False)
class RowsPlan:
    """A matrix as the rows kernels iterate it (``rnnhw_rows`` in ``ext/kernels.h``).

    ``columns`` is None where every row reads neighbouring columns, and ``pairs`` is not 0 where it
    reads so many pairs of them. All rows together add ``all_terms`` and read ``words`` stored
    words, fewer where they share some.
    """

    first: NDArray[np.int32]
    count: NDArray[np.int32]
    terms: NDArray[np.int32]
    offset: NDArray[np.int64]
    weights: NDArray[np.signedinteger]
    columns: NDArray[np.int32] | None
    interleaved: bool
    chunk: int
    all_terms: int
    words: int
    pairs: int = 0
    taps: int = 0
    paired: bool = False
    quads: QuadRows | None = None


class _Terms:
    """The terms (column and weight) of every row, one row behind the other."""

    def __init__(self, rows: Sequence[Row], weights: IntArray) -> None:
        self._rows = rows
        self._weights = weights
        self.counts = np.array([len(row.columns) for row in rows], np.int64)
        self.begins = np.cumsum(self.counts) - self.counts

    @cached_property
    def parameters(self) -> IntArray:
        """The index of every term's weight."""
        return _flat([row.parameters for row in self._rows])

    @cached_property
    def weights(self) -> IntArray:
        """The weight of every term."""
        listed, first = [row.parameters for row in self._rows], self._rows[0].parameters[0]
        ends = (self.begins + first).tolist()
        behind = all(
            isinstance(part, range) and part.step == 1 and part.start == begin
            for part, begin in zip(listed, ends, strict=True)
        )
        if behind:  # as a dense matrix is stored
            return self._weights[first : first + int(self.counts.sum())]
        return self._weights[self.parameters]

    @cached_property
    def sums_by_sign(self) -> tuple[BigArray, BigArray]:
        """The sums of every row's positive and of its negative weights, without their sign."""
        weights = self.weights
        largest = max(-int(weights.min(initial=0)), int(weights.max(initial=0)))
        if largest * len(weights) >= 2**62:
            weights = weights.astype(object)
        above = np.add.reduceat(np.maximum(weights, 0), self.begins)
        return above, above - np.add.reduceat(weights, self.begins)

    @cached_property
    def big_numbers(self) -> tuple[BigArray, BigArray, BigArray]:
        """The terms of every row, and its sums by sign, as Python integers, of which there are
        few."""
        above, below = self.sums_by_sign
        return self.counts.astype(object), above.astype(object), below.astype(object)

    @cached_property
    def columns(self) -> IntArray:
        """The column of every term."""
        return _flat([row.columns for row in self._rows])

    @cached_property
    def alike(self) -> bool:
        """Whether all rows read the same neighbouring columns."""
        first = self._rows[0].columns
        return (
            isinstance(first, range)
            and first.step == 1
            and all(row.columns == first for row in self._rows)
        )

    @cached_property
    def new_runs(self) -> NDArray[np.bool_]:
        """Whether a term's column is not the neighbour of the one before it in its row."""
        new = np.ones(len(self.columns), np.bool_)
        np.not_equal(self.columns[1:], self.columns[:-1] + 1, out=new[1:])
        new[self.begins] = True
        return new

    @cached_property
    def scattered(self) -> bool:
        """Whether some row reads columns that are not neighbours in ascending order."""
        return not self.alike and int(self.new_runs.sum()) > len(self.counts)

    @cached_property
    def first_columns(self) -> IntArray:
        """The column of every row's first term."""
        return np.array([row.columns[0] for row in self._rows], np.int64)


def _flat(parts: Sequence[range | tuple[int, ...]]) -> IntArray:
    """All numbers of all parts."""
    ranges = [part for part in parts if isinstance(part, range)]
    if len(ranges) < len(parts):
        return np.fromiter(chain.from_iterable(parts), np.int64)
    table = np.array([(part.start, part.step, len(part)) for part in ranges], np.int64)
    start, step, count = table.T
    begin = np.cumsum(count) - count
    inside = np.arange(int(count.sum())) - np.repeat(begin, count)
    numbers: IntArray = np.repeat(start, count) + np.repeat(step, count) * inside
    return numbers


class Product:
    """One product with its real weights; ``bits`` are those of the words that it is computed in,
    ``bounds`` what its operands can be."""

    def __init__(
        self,
        node: Matvec,
        raw: Raw,
        bits: int,
        bounds: Mapping[Node, Interval],
        like: Product | None = None,
    ) -> None:
        """``like`` is a product of the same structure, whose terms this one shares where the
        weights are equal."""
        assert node.weights is not None
        self.node = node
        self.bits = bits
        self._raw = raw
        self._operands = bounds
        self._vector = bounds[node.vector]
        self._stored = raw[node.weights.key].ravel()
        self.terms: _Terms
        if like is not None and np.array_equal(like._stored, self._stored):
            self.terms = like.terms
        else:
            rows = node.structure.stored_rows(self._stored, node.units, node.vector.units)
            self.terms = _Terms(list(rows), self._stored)
        self._start = _start_bounds(node, raw, bounds)

    def in_words(self, bits: int) -> Product:
        """The same product, computed in words of ``bits``."""
        return Product(self.node, self._raw, bits, self._operands, self)

    @property
    def bounds(self) -> Interval:
        """The least and greatest result: by the weights where the sum is exact, else by its
        format."""
        node = self.node
        if node.product is not None or node.accumulator is not None:
            return node.interval
        lows, highs = self._row_bounds
        shift = node.format.fraction - self.fraction
        lows, highs = lows << shift, highs << shift
        if self._start is not None:
            assert node.start is not None
            shift = node.format.fraction - node.start.format.fraction
            lows, highs = lows + (self._start[0] << shift), highs + (self._start[1] << shift)
        return int(lows.min()), int(highs.max())

    @cached_property
    def diagonal(self) -> bool:
        """Whether row i has one term, of column i."""
        rows = self.terms.counts
        alone = len(rows) == self.node.vector.units and int(rows.max()) == int(rows.min()) == 1
        return alone and np.array_equal(self.terms.columns, np.arange(len(rows)))

    @cached_property
    def window(self) -> tuple[int, int] | None:
        """The first column less the row, and the columns of a row, where all rows read a narrow
        window that moves with the row, at least half of it."""
        terms = self.terms
        if int(terms.counts.max()) > MOST_TAPS or terms.alike:
            return None
        offsets = terms.columns - np.repeat(np.arange(len(terms.counts)), terms.counts)
        first, taps = int(offsets.min()), int(offsets.max() - offsets.min()) + 1
        near = taps <= MOST_TAPS and -MOST_TAPS < first <= 0
        return (first, taps) if near and 2 * len(offsets) >= taps * len(terms.counts) else None

    # --- what is added -------------------------------------------------------------------------
    @cached_property
    def cast(self) -> Q | None:
        """The cast of every product before it is added, where it can change one.

        An accumulator that drops bits by a rounding that ignores whole numbers drops them of
        every product alone, if nothing else is done to it: fitting comes after the sum.
        """
        node, to = self.node, self.node.accumulator
        if node.product_cast_changes:
            return node.product
        if to is None or not self._drops or not to.rounding.shift_invariant:
            return None
        return Q(self.bits - 1 - to.fraction, to.fraction, True, to.rounding, Overflow.WRAP)

    @property
    def _drops(self) -> bool:
        """Whether the accumulator drops bits of every product."""
        to = self.node.accumulator
        return to is not None and self.node.product_format[0] > to.fraction

    @property
    def fraction(self) -> int:
        """Fraction bits of what is added where the sum is cast once."""
        return self.node.product_format[0] if self.cast is None else self.cast.fraction

    @property
    def exact_fraction(self) -> int:
        """Fraction bits of a product before any cast."""
        assert self.node.weights is not None
        return self.node.weights.format.fraction + self.node.vector.format.fraction

    @property
    def _drop(self) -> int:
        """Fraction bits that the cast of a product drops."""
        assert self.cast is not None
        return self.exact_fraction - self.cast.fraction

    # --- proofs --------------------------------------------------------------------------------
    @cached_property
    def sums_once(self) -> bool:
        """Whether casting the sum of the (cast) products once, with the start rounded alone,
        gives the same value and the same events.

        Every order of terms must give the same: by the formats, or because these weights let
        no add clip. Then a wrapping accumulator counts one event a sum, by definition.
        """
        node, to = self.node, self.node.accumulator
        if self.cast is not None and not self.casts_narrow:
            return False
        if to is None:
            return True
        if self._drops and (node.product_cast_changes or self.cast is None):
            return False
        shift = to.fraction - self.fraction
        low, high = (int(end) << shift for end in self._sum_bounds)
        if node.order_free:
            return max(-low, high) < 1 << (self.bits - 1)
        return to.lowest <= low and high <= to.max

    @property
    def narrow_cast(self) -> Q:
        """The cast of a product in a 32-bit word, without limits that no product reaches."""
        assert self.cast is not None
        if not self.products_fit:
            return self.cast
        return Q(31 - self.cast.fraction, self.cast.fraction, True, self.cast.rounding)

    @cached_property
    def casts_narrow(self) -> bool:
        """Whether the kernels that cast products in 32-bit words take them: int16 operands, up to
        30 dropped bits, and where a cast can clip, a result of fewer than 32 bits."""
        if not self.narrow:
            return False
        if self.cast is None:
            return True
        if not 0 <= self._drop <= 30 or self.largest_term >= 2**30:
            return False
        return self.products_fit or (self.cast.width < 32 and self.cast.max < _WORD)

    @property
    def narrow_terms(self) -> bool:
        """Whether operands are int16, and 32-bit words hold products cast to ``product``."""
        return self.casts_narrow if self.node.product_cast_changes else self.narrow

    @property
    def terms_fit(self) -> bool:
        """Whether no cast to ``product`` can clip."""
        return not self.node.product_cast_changes or self.products_fit

    @cached_property
    def words_hold(self) -> bool:
        """Whether 32-bit words hold every sum and term that is cast to the accumulator, with what
        rounding adds, and the number of words by which a sum may leave a wrapping one."""
        to = self.node.accumulator
        if to is None or to.width > 31 or to.max >= _WORD:
            return False
        fraction = self.node.product_format[0]
        changes = self.node.product_cast_changes
        low, high = self._cast_products if changes else self._exact_products
        finest = max(fraction, to.fraction)
        drop, left = finest - to.fraction, finest - fraction
        term = max(-low, high) << left
        most = (max(-to.lowest, to.max) << drop) + term + (1 << drop)
        words = int(self.terms.counts.max()) * ((term >> (to.width + drop)) + 2)
        return most < _WORD and words < _WORD

    @cached_property
    def wide_words(self) -> bool:
        """Whether operands fit 32-bit words, and so do products, cast to ``product`` if they are:
        rounded, they are what a shift by up to 32 bits leaves in the low word."""
        word = range(-_WORD, _WORD)
        if not all(end in word for end in (*self._vector, *self._weight_ends)):
            return False
        if not self.node.product_cast_changes:
            return all(end in word for end in self._exact_products)
        assert self.node.product is not None
        short = self.products_fit or (
            self.node.product.width < 32 and self.node.product.max < _WORD
        )
        rounded_words = all(end in word for end in self._rounded_products)
        return 0 <= self._drop <= 32 and rounded_words and short

    @cached_property
    def narrow(self) -> bool:
        """Whether the real weights and the vector are int16."""
        low, high = self._vector
        least, most = self._weight_ends
        return min(low, least) >= -(2**15) and max(high, most) < 2**15

    @cached_property
    def products_fit(self) -> bool:
        """Whether no cast of a product can clip."""
        assert self.cast is not None
        low, high = self._rounded_products
        return self.cast.lowest <= low and high <= self.cast.max

    @cached_property
    def largest_term(self) -> int:
        """Largest magnitude of what is added: of a product, cast if it is."""
        low, high = self._exact_products if self.cast is None else self._cast_products
        return max(-low, high)

    @cached_property
    def sum_bound(self) -> int:
        """Largest magnitude of any partial sum of products, as they are added."""
        lows, highs = self._row_bounds
        return max(-int(lows.min()), int(highs.max()))

    @property
    def sums_in_words(self) -> bool:
        """Whether no product is cast, and words of 32 bits hold every sum of them."""
        return self.cast is None and self.sum_bound < _WORD

    @cached_property
    def _weight_ends(self) -> tuple[int, int]:
        """Least and greatest weight, and zero, which fills rows up."""
        return int(self._stored.min(initial=0)), int(self._stored.max(initial=0))

    @cached_property
    def _exact_products(self) -> tuple[int, int]:
        corners = [w * x for w in self._weight_ends for x in self._vector]
        return min(corners), max(corners)

    @cached_property
    def _rounded_products(self) -> tuple[int, int]:
        """Bounds of the products, rounded: no rounding changes their order."""
        assert self.cast is not None
        low, high = (rounded(end, self._drop, self.cast.rounding) for end in self._exact_products)
        return low, high

    @cached_property
    def _cast_products(self) -> tuple[int, int]:
        """Bounds of the products, cast."""
        assert self.cast is not None
        if self.products_fit:
            return self._rounded_products
        if self.cast.overflow.wraps:
            return self.cast.lowest, self.cast.max
        low, high = self._rounded_products
        return max(low, self.cast.lowest), min(high, self.cast.max)

    @cached_property
    def _row_bounds(self) -> tuple[BigArray, BigArray]:
        """Ends of what the partial sums of every row, without the start, can be."""
        low, high = self._vector
        counts, above, below = self.terms.big_numbers
        up, down = max(high, 0), max(-low, 0)
        lows, highs = -(above * down + below * up), above * up + below * down
        if self.cast is None:
            return lows, highs
        least, most = (counts * end for end in self._cast_products)
        if not self.products_fit and self.cast.overflow.wraps:
            return least, most
        # A rounded product is less than one away from the exact one.
        if self._drop > 0:
            lows, highs = -(-lows >> self._drop) - counts, (highs >> self._drop) + counts
        else:
            lows, highs = lows << -self._drop, highs << -self._drop
        return np.maximum(lows, least), np.minimum(highs, most)

    @cached_property
    def _sum_bounds(self) -> tuple[int, int]:
        """Ends of any partial sum with the start, at the scale of what is added (:attr:`fraction`),
        rounded outwards."""
        lows, highs = self._row_bounds
        if self._start is not None:
            assert self.node.start is not None
            shift = self.node.start.format.fraction - self.fraction
            least, most = self._start
            if shift > 0:
                least, most = least >> shift, -(-most >> shift)
            else:
                least, most = least << -shift, most << -shift
            lows, highs = lows + least, highs + most
        return int(lows.min()), int(highs.max())

    # --- the weights ---------------------------------------------------------------------------
    def packed(
        self,
        element: np.dtype[np.signedinteger],
        chunk: int,
        interleave: bool,
        windows: bool = False,
    ) -> RowsPlan:
        """The weights in the order in which the rows kernels read them.

        int16 weights come in pairs of columns: a row starts at an even column and has an even
        length, with zeros where the structure has no term. Rows that share their weights are
        slices of one array; rows of scattered columns name the columns. ``interleave`` stores 16
        rows of equal extent column by column, ``windows`` 16 rows of a window tap by tap.
        """
        terms, group = self.terms, 2 if element == np.dtype(np.int16) else 1
        rows, total = len(terms.counts), int(terms.counts.sum())
        counts = terms.counts.astype(np.int32)
        if windows and self.window is not None:
            return self._windowed(*self.window)
        diagonals = self.node.structure.diagonals(self._stored, rows)
        if diagonals is not None:
            return self._sliding(diagonals, element, group, chunk)
        if terms.scattered:
            return self._scattered(element, group, chunk)
        first = terms.first_columns // group * group
        last = terms.first_columns + terms.counts
        count = -(-last // group) * group - first
        pairs = 0 if interleave or terms.alike or group == 1 else self._few_pairs(count, chunk)
        if pairs:
            count = np.full(rows, 2 * pairs)
            first = np.minimum(first, -(-self.node.vector.units // 2) * 2 - 2 * pairs)
        offset = np.cumsum(count) - count
        # A diagonal is read 16 rows at a time.
        filled = -rows % INTERLEAVED if self.diagonal else 0
        flat = np.zeros(int(count.sum()) + filled, element)
        if terms.alike and total == len(flat):
            flat[:] = terms.weights
        else:
            inside = np.arange(total) - np.repeat(terms.begins, terms.counts)
            flat[np.repeat(offset + terms.first_columns - first, terms.counts) + inside] = (
                terms.weights
            )
        alike = bool((first == first[0]).all() and (count == count[0]).all())
        halves = 2 * (np.arange(rows) % max(rows // 2, 1))
        paired = group == 2 and bool((first == halves).all() and (counts == 2).all())
        interleaved = interleave and alike
        if interleaved:
            whole, units = rows // INTERLEAVED * INTERLEAVED, int(count[0]) // group
            blocks = flat[: whole * int(count[0])].reshape(-1, INTERLEAVED, units, group)
            flat[: blocks.size] = blocks.transpose(0, 2, 1, 3).ravel()
            offset[:whole] = np.repeat(offset[:whole:INTERLEAVED], INTERLEAVED)
        return RowsPlan(
            first.astype(np.int32),
            count.astype(np.int32),
            counts,
            offset,
            flat,
            None,
            interleaved,
            chunk,
            total,
            total,
            pairs=pairs,
            paired=paired and not interleaved,
        )

    def _few_pairs(self, count: IntArray, chunk: int) -> int:
        """The pairs of columns of every row where all rows can have so few; 0 where they cannot."""
        pairs = int(count.max()) // 2
        units = -(-self.node.vector.units // 2)
        return pairs if pairs <= min(MOST_PAIRS, units, chunk // 2) else 0

    def packed_in_quads(self, vector: Interval, to: ByteProducts) -> RowsPlan | None:
        """The weights as signed bytes against those of ``vector`` less its least number, or None
        where another kernel must, or should, take the product: products are cast one by one,
        32-bit words do not hold the sum, an operand is no byte, or the rows of a block read
        different columns."""
        terms, rows = self.terms, len(self.terms.counts)
        if not self._multiplies_bytes(vector):
            return None
        if terms.scattered or self.node.structure.diagonals(self._stored, rows) is not None:
            return None
        quads = pack_quads(terms.first_columns, terms.counts, terms.weights, vector, to)
        if quads is None:
            return None
        return self._of_quads(quads)

    def packed_in_windows(self, vector: Interval, lanes: int) -> RowsPlan | None:
        """The weights of a band as signed bytes against those of ``vector`` less its least number,
        or None where another kernel must take the product: products are cast one by one, 32-bit
        words do not hold the sum, an operand is no byte, or rows read no narrow window."""
        terms = self.terms
        if self.window is None or not self._multiplies_bytes(vector):
            return None
        row = np.repeat(np.arange(len(terms.counts)), terms.counts)
        args = self.window, row, terms.columns, terms.weights
        return self._of_quads(pack_windows(*args, vector, lanes))

    def has_few_quads(self, rows: RowsPlan) -> bool:
        """Whether rows of quads are so short that they are multiplied as those of a band can be."""
        quads = rows.quads
        return quads is not None and bool(quads.alike and quads.count[0] <= FEW_QUADS * QUAD)

    def _multiplies_bytes(self, vector: Interval) -> bool:
        """Whether products are not cast one by one, 32-bit words hold their sum, and the operands
        are bytes."""
        low, high = vector
        least, most = self._weight_ends
        return self.sums_in_words and least >= -128 and most <= 127 and high - low <= 255

    def _of_quads(self, quads: QuadRows) -> RowsPlan:
        terms = self.terms
        block = np.arange(len(terms.counts)) // BLOCK_ROWS
        total = int(terms.counts.sum())
        return RowsPlan(
            quads.first[block],
            quads.count[block],
            terms.counts.astype(np.int32),
            quads.offset[block],
            quads.weights,
            None,
            False,
            EVERY_COLUMN,
            total,
            total,
            quads=quads,
        )

    def _windowed(self, first: int, taps: int) -> RowsPlan:
        """16 rows side by side, tap by tap; each weight in the lower half of 32 bits."""
        terms, rows = self.terms, len(self.terms.counts)
        row = np.repeat(np.arange(rows), terms.counts)
        blocks = np.zeros((-(-rows // INTERLEAVED), taps, INTERLEAVED), np.int32)
        tap = terms.columns - row - first
        blocks[row // INTERLEAVED, tap, row % INTERLEAVED] = terms.weights & 0xFFFF
        counts = terms.counts.astype(np.int32)
        total = int(counts.sum())
        return RowsPlan(
            np.full(rows, first, np.int32),
            counts,
            counts,
            np.arange(rows, dtype=np.int64),
            blocks.ravel(),
            None,
            False,
            EVERY_COLUMN,
            total,
            total,
            taps=taps,
        )

    def _scattered(self, element: np.dtype[np.signedinteger], group: int, chunk: int) -> RowsPlan:
        """A unit for each run of neighbouring columns in a group of columns."""
        terms, total = self.terms, len(self.terms.columns)
        new = terms.new_runs | (terms.columns % group == 0)
        unit = np.cumsum(new) - 1
        flat = np.zeros(group * (int(unit[-1]) + 1), element)
        flat[group * unit + terms.columns % group] = terms.weights
        columns = terms.columns[new] // group * group
        offset = group * unit[terms.begins]
        count = np.diff(np.append(offset, len(flat)))
        return RowsPlan(
            columns[unit[terms.begins]].astype(np.int32),
            count.astype(np.int32),
            terms.counts.astype(np.int32),
            offset,
            flat,
            columns.astype(np.int32),
            False,
            chunk,
            total,
            total,
        )

    def _sliding(
        self,
        diagonals: IntArray,
        element: np.dtype[np.signedinteger],
        group: int,
        chunk: int,
    ) -> RowsPlan:
        """Row i is the slice of ``diagonals`` from rows - 1 - i on. What an odd row of pairs reads
        beyond it meets the zero that ends an odd vector."""
        counts = self.terms.counts
        rows = len(counts)
        return RowsPlan(
            np.zeros(rows, np.int32),
            (-(-counts // group) * group).astype(np.int32),
            counts.astype(np.int32),
            np.arange(rows - 1, -1, -1, dtype=np.int64),
            np.append(diagonals, 0).astype(element),
            None,
            False,
            chunk,
            int(counts.sum()),
            len(np.unique(self.terms.parameters)),
        )


def _start_bounds(
    node: Matvec, raw: Raw, bounds: Mapping[Node, Interval]
) -> tuple[BigArray, BigArray] | None:
    """Ends of the raw start and zero: of every row where it is constant, else of all alike."""
    match node.start:
        case None:
            return None
        case Constant(tensor=None) as constant:
            values = np.array(constant.values, object)
        case Constant() as constant:
            assert constant.tensor is not None
            values = raw[constant.tensor.key].ravel().astype(object)
        case start:
            values = np.array(bounds[start], object)
            return np.minimum(values.min(), [0]), np.maximum(values.max(), [0])
    return np.minimum(values, 0), np.maximum(values, 0)
