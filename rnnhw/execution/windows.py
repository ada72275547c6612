"""Bands: weights of a narrow window of columns that moves with the row, as signed bytes.

Row r reads ``taps`` columns from r + ``first`` on. With 16 lanes the vector lies in quads of
columns, and four rows together read the same few quads: their weights stand where the columns do,
between zeros, so that nothing is shifted. With one lane 16 rows lie side by side, and each reads
windows of four columns that begin at its own first column::

    16 lanes   [four rows][quad][row][4 columns]
    one lane   [16 rows][window][row][4 columns]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnhw.execution.quads import BLOCK_ROWS, QUAD, QuadRows, aligned
from rnnhw.numerics.cast import Interval

__all__ = ["FEW_QUADS", "pack_windows"]

IntArray = NDArray[np.int64]

FEW_QUADS = 8
"""Quads of a row of a dense matrix that is multiplied as bands are."""


def pack_windows(
    window: tuple[int, int],
    row: IntArray,
    column: IntArray,
    weights: IntArray,
    vector: Interval,
    lanes: int,
) -> QuadRows:
    """The rows of a band.

    Args:
        window: the first column less the row, and how many columns a row reads.
        row: the row of every term, ascending.
        column: its column, within the window of the row.
        weights: its weight, which fits int8.
        vector: least and greatest number of the vector, at most 255 apart.
        lanes: 16 or 1.
    """
    first, taps = window
    rows = int(row[-1]) + 1
    blocks = -(-rows // BLOCK_ROWS)
    if lanes == 1:
        count = -(-taps // QUAD)
        stored = np.zeros((blocks, count, BLOCK_ROWS, QUAD), np.int8)
        place = column - row - first
        stored[row // BLOCK_ROWS, place // QUAD, row % BLOCK_ROWS, place % QUAD] = weights
    else:
        first -= first % QUAD
        last = window[0] + QUAD - 1 + taps  # behind the columns of the last of four rows
        count = -(-(last - first) // QUAD)
        stored = np.zeros((blocks * BLOCK_ROWS // QUAD, count, QUAD, QUAD), np.int8)
        quad = (column - first) // QUAD - row // QUAD
        stored[row // QUAD, quad, row % QUAD, column % QUAD] = weights
    row_sums = np.zeros(blocks * BLOCK_ROWS, np.int64)
    np.add.at(row_sums, row, weights)
    return QuadRows(
        weights=aligned(stored.ravel()),
        first=np.full(blocks, first, np.int32),
        count=np.full(blocks, QUAD * count, np.int32),
        offset=np.arange(blocks, dtype=np.int64) * (stored.size // blocks),
        extra=np.zeros(blocks + 1, np.int64),
        extra_columns=np.zeros(0, np.int32),
        correction=(vector[0] * row_sums).astype(np.int32),
        row_sums=row_sums,
        depth=1,
        windows=count,
    )
