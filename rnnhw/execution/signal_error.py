"""How far integers are from the float reference: one signal over many sequences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ERROR_FIGURES", "SignalError", "snr_db", "worst_errors"]

FloatArray = NDArray[np.float64]

ERROR_FIGURES = ("max_error", "max_error_lsb", "rms_error", "rms_error_lsb", "snr_db")
"""The figures of a signal that bounds can name."""


def snr_db(reference_squares: float, squares: float) -> float:
    """A signal-to-noise ratio in decibels, of the sums of the squares of a reference and of the
    errors beside it: infinite without an error, else -infinite where the reference is 0."""
    if squares == 0:
        return math.inf
    if reference_squares == 0:
        return -math.inf
    return 10 * (math.log10(reference_squares) - math.log10(squares))


@dataclass
class _Units:
    """Extremes and errors of every unit of a signal over all valid steps."""

    least: FloatArray
    most: FloatArray
    fixed: NDArray[np.bool_]
    """Whether the integers are not zero at some step."""

    @property
    def real(self) -> NDArray[np.bool_]:
        """Whether the reference is not zero at some step."""
        found: NDArray[np.bool_] = (self.least != 0) | (self.most != 0)
        return found


@dataclass
class SignalError:
    """How far a signal is from its reference, over all valid steps.

    ``worst`` is (sequence, step, unit) of the largest error.
    """

    name: str
    step: float
    worst: tuple[int, int, int] = (0, 0, 0)
    max_error: float = 0.0
    squares: float = 0.0
    reference_squares: float = 0.0
    values: int = 0
    _units: _Units | None = field(default=None, repr=False)

    @property
    def rms_error(self) -> float:
        """Root of the mean square error, as a value."""
        return math.sqrt(self.squares / self.values) if self.values else 0.0

    @property
    def max_error_lsb(self) -> float:
        """Largest error in steps of the signal's own format."""
        return self.max_error / self.step

    @property
    def rms_error_lsb(self) -> float:
        """Root mean square error in steps of the signal's own format."""
        return self.rms_error / self.step

    @property
    def snr_db(self) -> float:
        """Power of the reference over power of the error, in decibels."""
        return snr_db(self.reference_squares, self.squares)

    @property
    def constant(self) -> bool:
        """Whether every unit of the reference has one value at all steps of all sequences."""
        return self._units is None or bool((self._units.least == self._units.most).all())

    @property
    def zero_units(self) -> tuple[int, ...]:
        """The units that are zero at every step, though their reference is not."""
        if self._units is None:
            return ()
        return tuple(np.flatnonzero(self._units.real & ~self._units.fixed).tolist())

    def figures(self) -> dict[str, float]:
        """:data:`ERROR_FIGURES` with their values."""
        return {name: getattr(self, name) for name in ERROR_FIGURES}

    def unjudged(self) -> dict[str, str]:
        """The figures that say nothing, with the reason."""
        if not math.isfinite(self.reference_squares):
            return {"snr_db": f"the squares of {self.name} leave float64"}
        if not math.isfinite(self.snr_db) and self.constant:
            return {"snr_db": f"the reference of {self.name} never changes"}
        return {}

    def add(
        self, first: int, fixed: FloatArray, exact: FloatArray, lengths: NDArray[np.int64]
    ) -> None:
        """Take in sequences ``first``.. of shape [sequences, steps, units]."""
        steps, units = fixed.shape[1:]
        every = bool((lengths >= steps).all()) and exact.flags.c_contiguous
        valid = np.arange(steps) < lengths[:, None]
        # Numbers beyond the root of float64's range give infinite and NaN errors, which no bound
        # lets pass: nothing to warn of.
        with np.errstate(over="ignore", invalid="ignore"):
            error = fixed - exact
            np.abs(error, out=error)
            if not every:
                error[~valid] = 0.0
            place = np.unravel_index(int(error.argmax()), error.shape)
            largest = float(error[place])
            # Into the same memory: a new array as large as these takes as long as its arithmetic.
            self.squares += float(np.square(error, out=error).sum())
            squares = np.square(exact, out=error) if every else np.square(exact[valid])
            self.reference_squares += float(squares.sum())
        # argmax finds a NaN first; once there is one it stays the largest error.
        if not (largest <= self.max_error or math.isnan(self.max_error)):
            self.max_error = largest
            self.worst = (first + int(place[0]), int(place[1]), int(place[2]))
        self.values += int(valid.sum()) * units
        if every:  # by far the most verifications; copying what is valid is a third of the work
            self._add_units(fixed.reshape(-1, units), exact.reshape(-1, units))
        else:
            self._add_units(fixed[valid], exact[valid])

    def _add_units(self, fixed: FloatArray, exact: FloatArray) -> None:
        """Take in vectors [vectors, units]."""
        old = self._units
        least, most = _by_unit(np.minimum, exact), _by_unit(np.maximum, exact)
        if old is None:
            old = self._units = _Units(least, most, np.zeros(len(least), np.bool_))
        else:
            old.least = np.minimum(old.least, least)
            old.most = np.maximum(old.most, most)
        # Nearly every unit is not zero in the first few vectors.
        for some in (fixed[:_FEW], fixed[_FEW:]):
            if not old.fixed.all():
                old.fixed |= _by_unit(np.logical_or, some != 0)


_FEW = 1024


def _by_unit(operation: np.ufunc, vectors: NDArray[Any]) -> NDArray[Any]:
    """``operation`` over all vectors, [vectors, units] to [units], in any order.

    NumPy takes row by row, and a row has few units: so a row is 64 vectors first, which takes a
    tenth of the time.
    """
    rows = len(vectors) // 64
    together = operation.reduce(vectors[: 64 * rows].reshape(rows, -1)) if rows else vectors[:0]
    rest = np.concatenate([together.reshape(-1, vectors.shape[1]), vectors[64 * rows :]])
    reduced: NDArray[Any] = operation.reduce(rest)
    return reduced


def worst_errors(signals: Iterable[SignalError]) -> dict[str, float]:
    """:data:`ERROR_FIGURES` of the worst of ``signals``, figure by figure; NaN is the worst."""
    worst: dict[str, float] = {}
    for signal in signals:
        for name, value in signal.figures().items():
            known = worst.setdefault(name, value)
            worse = value < known if name == "snr_db" else value > known
            if worse or math.isnan(value):
                worst[name] = value
    return worst
