"""Rounding of a matrix by the error of its products: what a column loses, later columns make good.

Nearest rounding has the least error of every weight. What matters is the error of the sums
W x, and the elements of x are correlated: an error of one weight can be taken back by others of
its row. Columns are rounded one after the other, and each column's error is spread over those that
are not rounded yet, by the inverse of the inputs' second moments (Hassibi & Stork 1992, "Second
order derivatives for network pruning: optimal brain surgeon"; Frantar et al. 2022, "GPTQ",
arXiv:2210.17323, equations 2 and 3). A clip at the end of a format is an error like any other.

What a greedy order misses is taken by single weights afterwards: each moves to the value that is
best beside all others, until none moves. A row that nearest rounding serves better keeps nearest
rounding, so the error is never above its error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grids", "round_compensated", "sum_errors"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_DAMPING = 0.01
"""What is added to the diagonal of the second moments, as a share of its mean: GPTQ's 1 %."""

_SWEEPS = 20
"""Sweeps over the columns; 3 to 6 end the search on the speaker networks."""


@dataclass(frozen=True, eq=False)
class Grids:
    """What a weight of every column can be: raw integers from ``lowest`` to ``highest``, each worth
    ``step``; arrays [columns]."""

    step: FloatArray
    lowest: IntArray
    highest: IntArray

    def nearest(self, values: FloatArray, columns: slice | int = slice(None)) -> FloatArray:
        """The nearest of these numbers, of ``values`` [rows] or [rows, columns]; ties upward."""
        step = self.step[columns]
        raw = np.floor(values / step + 0.5)
        clipped: FloatArray = np.clip(raw, self.lowest[columns], self.highest[columns]) * step
        return clipped


def round_compensated(values: FloatArray, grids: Grids, moments: FloatArray) -> FloatArray:
    """``values`` [rows, columns] as numbers of ``grids``, with small errors of products.

    Args:
        values: one row for every sum.
        grids: what each column can hold.
        moments: the mean of x x^T, [columns, columns], x being what the rows are multiplied by.

    Returns:
        Numbers of ``grids``, of the same shape.
    """
    damped = _damped(moments)
    nearest = grids.nearest(values)
    rounded = _settled(values, _spread(values, grids, damped), grids, damped)
    better = sum_errors(values - rounded, damped) < sum_errors(values - nearest, damped)
    return np.where(better[:, None], rounded, nearest)


def sum_errors(errors: FloatArray, moments: FloatArray) -> FloatArray:
    """The mean squared error of every row's sum, of ``errors`` [rows, columns] of its weights."""
    result: FloatArray = ((errors @ moments) * errors).sum(1)
    return result


def _damped(moments: FloatArray) -> FloatArray:
    """Positive definite moments; an input that is always zero counts as a small one."""
    mean = float(np.diagonal(moments).mean())
    return moments + np.eye(len(moments)) * (_DAMPING * mean or 1.0)


def _spread(values: FloatArray, grids: Grids, moments: FloatArray) -> FloatArray:
    """Column after column, those with the largest errors first: finer ones can make them good."""
    order = np.argsort(-grids.step * np.sqrt(np.diagonal(moments)), kind="stable")
    inverse = np.linalg.inv(moments[np.ix_(order, order)])
    # Row k of the factor holds how the error of column k spreads over the columns behind it.
    factor = np.linalg.cholesky(inverse).T
    rest, rounded = values[:, order], np.empty_like(values)
    for k, column in enumerate(order):
        held = grids.nearest(rest[:, k], int(column))
        rounded[:, column] = held
        error = (rest[:, k] - held) / factor[k, k]
        rest[:, k + 1 :] -= error[:, None] * factor[k, k + 1 :]
    return rounded


def _settled(
    values: FloatArray, rounded: FloatArray, grids: Grids, moments: FloatArray
) -> FloatArray:
    """``rounded`` after single weights moved to where their row's error is least."""
    rounded = rounded.copy()
    pull = (values - rounded) @ moments
    for _ in range(_SWEEPS):
        moved = False
        for column in range(values.shape[1]):
            before = rounded[:, column]
            after = grids.nearest(before + pull[:, column] / moments[column, column], column)
            change = after - before
            if change.any():
                rounded[:, column] = after
                pull -= change[:, None] * moments[column]
                moved = True
        if not moved:
            break
    return rounded
