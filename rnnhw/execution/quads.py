"""Weights as signed bytes against unsigned ones: quads of columns, 16 rows side by side.

A processor without a dot product of bytes adds products of bytes in 16 bits first, exact as long as
no sum leaves them. How many quads may be added before a sum is widened (the depth) depends on the
real weights. A few large ones would spoil it for all, so their quads are taken out and added one by
one::

    block of 16 rows:  quad 0 | quad 1 | ... | quad n-1 | extra quad | extra quad
                       [16 rows][4 columns] each

A vector of signed numbers becomes one of unsigned bytes by taking its least number away; what that
changes in a row is the row's correction, with which its sum begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnnhw.numerics.cast import Interval

__all__ = [
    "BLOCK_ROWS",
    "QUAD",
    "TILE_COLUMNS",
    "ByteProducts",
    "QuadRows",
    "aligned",
    "pack_quads",
]

IntArray = NDArray[np.int64]

QUAD = 4
"""Columns whose bytes lie side by side."""

BLOCK_ROWS = 16
"""Rows whose quads lie side by side."""

_DEPTHS = (1, 2, 4, 8, 16)

_ONE_MORE = ((0, 0), (0, 0), (0, 1), (0, 0))

_FILLED_UP = 1.125
"""What rows may grow by zeros, but for less than a quad at both ends: where the rows of a block
share too few columns other kernels are faster."""

_EVERY_QUAD = 1 << 30
"""A depth that no row reaches."""

_EXTRA_COST = 3.0
"""The cost of an extra quad, in vector operations; a quad of a block costs 2 + 1 / depth."""

_PAIRS_COST = 4.0
"""The cost of four columns as int16 pairs."""


TILE_COLUMNS = 64
"""Columns that a product by tiles adds up in one step."""


@dataclass(frozen=True)
class ByteProducts:
    """How an instruction set multiplies bytes. Every one runs what is planned for the defaults;
    some are faster with more (:func:`rnnhw.execution.engine.byte_products`)."""

    sum_bits: int = 16
    """The bits in which products are added up at first, 16 or 32."""
    tiles: bool = False
    """Whether blocks of 16 rows and 16 lanes are multiplied as tiles."""
    short: bool = False
    """Whether rows of few quads, as those of a band, are multiplied apart; sums have 32 bits."""

    def runs(self, plan: ByteProducts) -> bool:
        """Whether an instruction set that can do so much runs what is planned so."""
        return (
            plan.sum_bits <= self.sum_bits and plan.tiles <= self.tiles and plan.short <= self.short
        )


@dataclass(frozen=True, eq=False)
class QuadRows:
    """The packed quads of all blocks.

    ``weights`` holds block b from ``offset[b]`` on: the quads of columns ``first[b]`` to
    ``first[b] + count[b]``, then the extra quads ``extra[b]`` to ``extra[b + 1]``, of which quad k
    reads from column ``extra_columns[k]`` on. As ``tiles`` a block has no extra quads, and 64
    columns of one row lie side by side: [columns / 64][16 rows][64]. Rows of a band read
    ``windows`` quads or windows of columns each (:mod:`rnnhw.execution.windows`).
    """

    weights: NDArray[np.int8]
    first: NDArray[np.int32]
    count: NDArray[np.int32]
    offset: IntArray
    extra: IntArray
    extra_columns: NDArray[np.int32]
    correction: NDArray[np.int32]
    row_sums: IntArray
    depth: int
    tiles: bool = False
    windows: int = 0

    @property
    def alike(self) -> bool:
        """Whether all blocks read the same columns, and have no quads behind them."""
        return bool(np.ptp(self.first) == np.ptp(self.count) == self.extra[-1] == 0)

    def begun_with(self, start: IntArray) -> QuadRows:
        """The same rows, whose sums begin with constants, one a row, modulo 2^32."""
        correction = self.correction.astype(np.int64)
        correction[: len(start)] += start
        return replace(self, correction=correction.astype(np.int32))

    def begins(self, offset: int) -> NDArray[np.int32]:
        """The first summand of every row, modulo 2^32, for kernels that take ``offset`` away from
        every byte of the vector, as they multiply signed bytes alone."""
        if offset == 0:
            return self.correction
        return (self.correction + offset * self.row_sums).astype(np.int32)


@dataclass(frozen=True, eq=False)
class _Panel:
    """Neighbouring blocks that read the same columns: ``weights`` [blocks, 16, quads, 4]."""

    first: int
    weights: NDArray[np.int16]


def pack_quads(
    first: IntArray, count: IntArray, weights: IntArray, vector: Interval, to: ByteProducts
) -> QuadRows | None:
    """The rows in quads, or None where these kernels would not be faster than int16 pairs.

    Args:
        first: every row's first column.
        count: the number of its neighbouring columns.
        weights: the weights of all rows, one row behind the other, that fit int8.
        vector: least and greatest number of the vector, at most 255 apart.
        to: how they are multiplied.
    """
    panels = list(_panels(first, count, weights))
    widths = np.concatenate([[p.weights.shape[2]] * len(p.weights) for p in panels])
    stored = QUAD * int(np.repeat(widths, BLOCK_ROWS)[: len(first)].sum())
    if stored > _FILLED_UP * len(weights) + 6 * len(first):
        return None
    row_sums = np.concatenate([panel.weights.sum((2, 3), np.int64).ravel() for panel in panels])
    correction = (vector[0] * row_sums).astype(np.int32)
    if to.tiles:
        return _tiles(panels, correction, row_sums)
    reach = max(vector[1] - vector[0], 1)
    limits = 32767 // reach, 32768 // reach
    depth = _EVERY_QUAD if to.sum_bits == 32 else _depth(panels, limits)
    if depth is None:
        return None
    parts = [_packed(panel, depth, limits) for panel in panels]
    extra = np.concatenate([[0], *(counts for _, counts, _ in parts)]).cumsum()
    lengths = widths + np.diff(extra)
    return QuadRows(
        weights=aligned(np.concatenate([stored.ravel() for stored, _, _ in parts])),
        first=np.concatenate([[p.first] * len(p.weights) for p in panels]).astype(np.int32),
        count=(QUAD * widths).astype(np.int32),
        offset=(np.cumsum(lengths) - lengths) * QUAD * BLOCK_ROWS,
        extra=extra.astype(np.int64),
        extra_columns=np.concatenate([columns for _, _, columns in parts]).astype(np.int32),
        correction=correction,
        row_sums=row_sums,
        depth=depth,
    )


def _tiles(panels: list[_Panel], correction: NDArray[np.int32], row_sums: IntArray) -> QuadRows:
    """The rows in blocks of 64 columns, filled up with zeros."""
    stored, first, steps = [], [], []
    for panel in panels:
        blocks, rows, quads, _ = panel.weights.shape
        count = -(-quads * QUAD // TILE_COLUMNS)
        filled = np.zeros((blocks, rows, count * TILE_COLUMNS), np.int8)
        filled[:, :, : quads * QUAD] = panel.weights.reshape(blocks, rows, -1)
        by_step = filled.reshape(blocks, rows, count, TILE_COLUMNS).transpose(0, 2, 1, 3)
        stored.append(by_step.ravel())
        first += [panel.first] * blocks
        steps += [count] * blocks
    ends = np.cumsum(steps) * BLOCK_ROWS * TILE_COLUMNS
    return QuadRows(
        weights=aligned(np.concatenate(stored)),
        first=np.array(first, np.int32),
        count=np.array(steps, np.int32) * TILE_COLUMNS,
        offset=np.concatenate([[0], ends[:-1]]),
        extra=np.zeros(len(first) + 1, np.int64),
        extra_columns=np.zeros(0, np.int32),
        correction=correction,
        row_sums=row_sums,
        depth=1,
        tiles=True,
    )


def _depth(panels: list[_Panel], limits: Interval) -> int | None:
    """The depth that costs least, or None where int16 pairs cost less."""
    quads = sum(panel.weights.shape[0] * panel.weights.shape[2] for panel in panels)
    sums = [_sums(panel.weights) for panel in panels]
    costs = {}
    for depth in _DEPTHS:
        if depth > 1:
            sums = [_doubled(part) for part in sums]
        over = (_over(part, limits).sum(1) for part in sums)
        extra = sum(int(np.minimum(rows, depth).sum()) for rows in over)
        costs[depth] = quads * (2 + 1 / depth) + _EXTRA_COST * extra
    cheapest = min(costs, key=lambda depth: costs[depth])
    return cheapest if costs[cheapest] < _PAIRS_COST * quads else None


def _panels(first: IntArray, count: IntArray, weights: IntArray) -> Iterator[_Panel]:
    """The blocks, those together that read the same columns."""
    starts = np.arange(0, len(first), BLOCK_ROWS)
    low = np.minimum.reduceat(first, starts) // QUAD * QUAD
    high = -(-np.maximum.reduceat(first + count, starts) // QUAD) * QUAD
    begins = np.cumsum(count) - count
    new = np.flatnonzero(np.append(True, (np.diff(low) != 0) | (np.diff(high) != 0)))
    for begin, end in zip(new, np.append(new[1:], len(starts)), strict=True):
        rows = slice(begin * BLOCK_ROWS, min(end * BLOCK_ROWS, len(first)))
        width = int(high[begin] - low[begin])
        flat = np.zeros((int(end - begin) * BLOCK_ROWS, width), np.int16)
        here = slice(begins[rows][0], begins[rows][-1] + count[rows][-1])
        if (count[rows] == width).all():
            flat[: rows.stop - rows.start] = weights[here].reshape(-1, width)
        else:
            at = np.repeat(first[rows] - low[begin] - begins[rows], count[rows])
            row = np.repeat(np.arange(rows.stop - rows.start), count[rows])
            flat[row, at + np.arange(here.start, here.stop)] = weights[here]
        yield _Panel(int(low[begin]), flat.reshape(-1, BLOCK_ROWS, width // QUAD, QUAD))


_Sums = tuple[NDArray[np.int16], NDArray[np.int16]]
"""The positive and the negative weights of 16-bit sums, [blocks, 16, groups, 2]."""


def _sums(weights: NDArray[np.int16]) -> _Sums:
    """Of every quad alone."""
    above, below = np.maximum(weights, 0), np.minimum(weights, 0)
    return above[..., ::2] + above[..., 1::2], -(below[..., ::2] + below[..., 1::2])


def _doubled(sums: _Sums) -> _Sums:
    """Of twice as many quads; the last may have fewer."""
    if sums[0].shape[2] % 2:
        sums = np.pad(sums[0], _ONE_MORE), np.pad(sums[1], _ONE_MORE)
    above, below = (part[:, :, ::2] + part[:, :, 1::2] for part in sums)
    return above, below


def _grouped(sums: _Sums, depth: int) -> _Sums:
    """Of ``depth`` quads together, the last fewer."""
    while depth > 1:
        sums, depth = _doubled(sums), depth // 2
    return sums


def _over(sums: _Sums, limits: Interval) -> NDArray[np.bool_]:
    """Whether a group of a row can leave 16 bits, [blocks, 16, groups]."""
    over = (sums[0] > limits[0]) | (sums[1] > limits[1])
    either: NDArray[np.bool_] = over[..., 0] | over[..., 1]
    return either


def _packed(
    panel: _Panel, depth: int, limits: Interval
) -> tuple[NDArray[np.int8], IntArray, NDArray[np.int32]]:
    """The stored quads, how many extra ones each block has, and the columns of those."""
    weights = panel.weights
    blocks, _, quads, _ = weights.shape
    moved = _moved(weights, depth, limits) if depth < _EVERY_QUAD else None
    if moved is None:
        kept = weights.astype(np.int8).transpose(0, 2, 1, 3)
        return kept, np.zeros(blocks, np.int64), np.zeros(0, np.int32)
    kept = (weights - moved).astype(np.int8).transpose(0, 2, 1, 3)
    block, quad = np.nonzero(moved.any((1, 3)))
    extra = moved[block, :, quad]  # [extra, 16, 4]
    # Half of any byte fits: a quad that is too large by itself is added twice.
    large: NDArray[np.bool_] = np.logical_or.reduce(
        _over(_sums(extra[:, :, None]), limits), axis=(1, 2)
    )
    block, quad = (np.repeat(each, 1 + large) for each in (block, quad))
    halves = np.where(large[:, None, None], extra // 2, extra)
    parts = np.repeat(halves, 1 + large, axis=0)
    second = np.cumsum(1 + large)[large] - 1
    parts[second] = (extra - halves)[large]
    counts = np.bincount(block, minlength=blocks)
    order = np.repeat(np.arange(blocks), quads + counts)
    behind = np.ones(len(order), np.bool_)  # whether an extra quad stands there
    starts = np.cumsum(quads + counts) - (quads + counts)
    behind[(starts[:, None] + np.arange(quads)).ravel()] = False
    stored = np.empty((len(order), BLOCK_ROWS, QUAD), np.int8)
    stored[~behind] = kept.reshape(-1, BLOCK_ROWS, QUAD)
    stored[behind] = parts
    return stored, counts, (panel.first + QUAD * quad).astype(np.int32)


def _moved(weights: NDArray[np.int16], depth: int, limits: Interval) -> NDArray[np.int16] | None:
    """The part of the weights that must be added by itself, if there is one: with one quad at a
    time half of it, else whole quads of a row, the largest of a group first."""
    over = _over(_grouped(_sums(weights), depth), limits)
    if not np.any(over):
        return None
    moved = np.zeros_like(weights)
    if depth == 1:
        moved[over] = weights[over] - weights[over] // 2
        return moved
    block, row = np.nonzero(np.logical_or.reduce(over, axis=-1))
    left = weights[block, row][None]  # of the rows that have large weights
    while True:
        _, at, group = np.nonzero(_over(_grouped(_sums(left), depth), limits))
        if not len(at):
            return moved
        members = np.minimum(group[:, None] * depth + np.arange(depth), weights.shape[2] - 1)
        sizes = np.abs(left[0, at[:, None], members]).sum(-1)
        largest = members[np.arange(len(at)), sizes.argmax(1)]
        moved[block[at], row[at], largest] = left[0, at, largest]
        left[0, at, largest] = 0


def aligned(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """A copy that begins at a cache line, so that no quad of 16 rows lies in two."""
    line = QUAD * BLOCK_ROWS
    room = np.zeros(len(weights) + line, np.int8)
    begin = -room.ctypes.data % line
    room[begin : begin + len(weights)] = weights
    return room[begin : begin + len(weights)]
