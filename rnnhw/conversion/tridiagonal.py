"""A real matrix in tridiagonal form: the real Jordan form as far as float64 carries it.

A real eigenvalue is one entry on the diagonal, a simple pair s +- iw the block [[s, w], [-w, s]];
blocks of a defective eigenvalue are coupled by a single entry, from the last row of one to the
first column of the next. (The textbook form couples pairs by an identity block and has two
diagonals on each side.)

No eigenvectors are computed, for those of a (nearly) defective matrix are (nearly) dependent. The
real Schur form is split into blocks only where the coupling is removed by a moderate
transformation (Bavely & Stewart 1979, "An algorithm for computing reducing subspaces by block
diagonalization", SIAM J. Numer. Anal. 16); eigenvalues that cannot be told apart stay together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.errors import DesignError, UsageError

__all__ = ["BlockForm", "block_form", "is_rotation", "tridiagonal_form"]

FloatArray = NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)

_MOST_UNKNOWNS = 600
"""Couplings of more entries are not tried by least squares: that takes their number cubed."""


def tridiagonal_form(A: ArrayLike, growth: float = 100.0) -> tuple[FloatArray, FloatArray]:
    """``T, J`` with ``A T = T J``, both (n, n): J block diagonal, and tridiagonal where that is
    numerically justified.

    ``growth`` limits the Frobenius norm of every decoupling transformation and the condition
    number of every change of coordinates within a block; 10 to 1000 are sensible. A block of
    eigenvalues that cannot be told apart within it and that form no single chain either stays as
    it is in the Schur form: upper triangular but for the 2x2 blocks of complex pairs.

    Raises:
        DesignError: A is not a square matrix of finite real numbers, or SciPy is not installed.
        UsageError: ``growth`` is below 1.
    """
    form = block_form(A, growth)
    return form.T, form.J


@dataclass(frozen=True, eq=False)
class BlockForm:
    """``A T = T J``; ``growth`` is the largest norm of a decoupling transformation."""

    T: FloatArray
    J: FloatArray
    growth: float


def _square(A: ArrayLike) -> FloatArray:
    matrix = np.asarray(A)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise DesignError(f"a matrix of shape {matrix.shape}", "it must be square")
    if matrix.dtype.kind not in "fiub" or not np.isfinite(matrix).all():
        raise DesignError("the matrix does not hold finite real numbers")
    return matrix.astype(np.float64)


def _scipy() -> Any:
    """``scipy.linalg``, which the core does without."""
    try:
        import scipy.linalg
    except ImportError:
        raise DesignError(
            "the Jordan form needs SciPy", "install it: pip install 'rnnhw[jordan]'"
        ) from None
    return scipy.linalg


def block_form(matrix: ArrayLike, limit: float) -> BlockForm:
    """:func:`tridiagonal_form` with what it took."""
    A = _square(matrix)
    if not limit >= 1:
        raise UsageError(f"growth={limit}", "use a limit of 1 or more, for example 100")
    linalg = _scipy()
    S, T = linalg.schur(A, output="real")
    n = len(A)
    noise = 10 * n * EPS * float(np.linalg.norm(A))
    # A pair whose coupling is rounding alone is one real eigenvalue twice.
    for i in range(n - 1):
        if max(abs(S[i, i + 1]), abs(S[i + 1, i])) <= noise:
            S[i, i + 1] = S[i + 1, i] = 0.0
    J, growth, start = np.zeros((n, n)), 0.0, 0
    while start < n:
        stop = start + _size(S, start)
        while stop < n:
            head, tail = slice(start, stop), slice(stop, n)
            X = _decoupling(linalg, S[head, head], S[tail, tail], S[head, tail], limit, noise)
            if X is not None:
                T[:, tail] += T[:, head] @ X
                growth = max(growth, float(np.linalg.norm(X)))
                break
            stop = _with_nearest(linalg, S, T, start, stop)
        block = slice(start, stop)
        R, J[block, block] = _chain(S[block, block], limit, noise)
        T[:, block] = T[:, block] @ R
        # A power of two is exact, and one for the whole block leaves J as it is.
        T[:, block] *= 2.0 ** -np.round(np.log2(np.linalg.norm(T[:, block]) / len(R) ** 0.5))
        start = stop
    return BlockForm(T, J, growth)


def _size(S: FloatArray, start: int) -> int:
    """Rows of the Schur form's diagonal block at ``start``: 2 for a complex pair."""
    return 2 if start + 1 < len(S) and S[start + 1, start] != 0 else 1


def _starts(S: FloatArray, first: int = 0) -> Iterator[int]:
    """Where the diagonal blocks of a Schur form begin, from ``first`` on."""
    while first < len(S):
        yield first
        first += _size(S, first)


def _eigenvalue(S: FloatArray, start: int) -> complex:
    """The eigenvalue of the diagonal block at ``start``; of a pair the one above the axis."""
    if _size(S, start) == 1:
        return complex(S[start, start])
    return complex(S[start, start], np.sqrt(-S[start, start + 1] * S[start + 1, start]))


def _decoupling(
    linalg: Any, A: FloatArray, B: FloatArray, C: FloatArray, limit: float, noise: float
) -> FloatArray | None:
    """X with ``A X - X B = -C`` and a norm of at most ``limit``, None if there is none.

    Where A and B share an eigenvalue, least squares still finds an X if the coupling C is none
    or can be removed: what then is left of it is below ``noise`` and taken as zero.
    """
    X, scale, _ = linalg.lapack.dtrsyl(A, B, -C, isgn=-1)
    # One huge entry decides; squares of it would overflow.
    if np.abs(X).max() <= limit * scale and np.linalg.norm(X) <= limit * scale:
        return np.asarray(X / scale)
    if C.size > _MOST_UNKNOWNS:
        return None
    system = np.kron(A, np.eye(len(B))) - np.kron(np.eye(len(A)), B.T)
    # Directions below the noise say nothing: lstsq drops them relative to the largest.
    largest = float(np.linalg.norm(system, 2))
    solution = np.linalg.lstsq(system, -C.ravel(), rcond=noise / largest if largest else None)[0]
    left = float(np.linalg.norm(system @ solution + C.ravel()))
    if left <= noise and np.linalg.norm(solution) <= limit:
        return np.asarray(solution.reshape(C.shape))
    return None


def _with_nearest(linalg: Any, S: FloatArray, T: FloatArray, start: int, stop: int) -> int:
    """Move the eigenvalue nearest to those of rows ``start`` to ``stop`` behind them, in place;
    the new ``stop``."""
    eigenvalues = [_eigenvalue(S, place) for place in _starts(S[:stop, :stop], start)]
    nearest = min(
        _starts(S, stop),
        key=lambda place: min(abs(value - _eigenvalue(S, place)) for value in eigenvalues),
    )
    if nearest != stop:
        rest = S[start:, start:]
        moved, Z, info = linalg.lapack.dtrexc(
            rest, np.eye(len(rest)), nearest - start + 1, stop - start + 1
        )
        # Blocks too close to be swapped: the neighbour joins instead, which is right as well.
        if info == 0:
            S[start:, start:] = moved
            T[:, start:] = T[:, start:] @ Z
    return stop + _size(S, stop)


def _chain(M: FloatArray, limit: float, noise: float) -> tuple[FloatArray, FloatArray]:
    """``R, J`` with ``M R = R J`` and J tridiagonal; the identity and M itself where R would be
    ill-conditioned."""
    order = np.arange(len(M))
    for place in _starts(M):
        # A chain runs along the larger entry of a pair, which is to stand above the diagonal.
        if _size(M, place) == 2 and abs(M[place, place + 1]) < abs(M[place + 1, place]):
            order[place : place + 2] = place + 1, place
    turned = M[np.ix_(order, order)]
    for rotations in (True, False):
        Y, J = _rows(turned, rotations, noise)
        defect = np.linalg.norm(Y @ turned - J @ Y)
        if defect <= noise * np.linalg.norm(Y) and np.linalg.cond(Y) <= limit:
            R = np.zeros_like(M)
            R[order] = np.linalg.inv(Y)
            return R, J
    return np.eye(len(M)), M


def _rows(M: FloatArray, rotations: bool, noise: float) -> tuple[FloatArray, FloatArray]:
    """``Y, J`` with ``Y M = J Y`` and J tridiagonal, if M is a single chain.

    Every entry above J's diagonal is free and not zero, so the rows of Y follow from the first
    one: row i of the equation gives row i + 1 of Y. The last row of it holds by Cayley and
    Hamilton's theorem. ``rotations`` makes complex pairs [[s, w], [-w, s]]; else they stay as
    they are, which a pair so close to the real axis needs that it is a defective real eigenvalue.
    """
    m = len(M)
    J, Y = np.diag(np.diag(M)), np.eye(m)
    for place in _starts(M):
        if _size(M, place) == 2:
            b, c = M[place, place + 1], M[place + 1, place]
            w = np.copysign(np.sqrt(-b * c), b)
            J[place, place + 1], J[place + 1, place] = (w, -w) if rotations else (b, c)
    for i in range(m - 1):
        following = Y[i] @ M - J[i, : i + 1] @ Y[: i + 1]
        length = float(np.linalg.norm(following))
        if length <= noise:
            break
        if J[i + 1, i] == 0:
            J[i, i + 1] = length
        Y[i + 1] = following / J[i, i + 1]
    return Y, J


def is_rotation(J: FloatArray, i: int) -> bool:
    """Whether units i and i + 1 are a rotation [[s, w], [-w, s]], which one scale must keep."""
    return bool(J[i, i + 1] == -J[i + 1, i] != 0)
