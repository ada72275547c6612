"""Sequences with expected answers, and how they are read from arrays and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.design.weights import read_npz
from rnnhw.errors import DesignError

__all__ = [
    "FloatArray",
    "IntArray",
    "Samples",
    "expected_answers",
    "load_samples",
    "samples_of",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_PART_VALUES = 1 << 22
"""Values that are held of a part at once: bounds the memory, not the result."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Sequences of different lengths: real ``x`` [sequences, steps, features], zero padded,
    the ``lengths`` [sequences], and the expected ``y`` (None where it is not known): whole
    numbers [sequences, ...], or real ones [sequences, steps, outputs].

    ``first`` holds real first values of states [sequences, units] by their keys (``rnn.h0``).
    """

    x: FloatArray
    lengths: NDArray[np.int64]
    y: NDArray[np.int64] | FloatArray | None = None
    first: Mapping[str, FloatArray] = field(default_factory=dict)

    def parts(self, values: int) -> Iterator[tuple[slice, Samples]]:
        """The sequences in parts for which ``values`` numbers a step fit comfortably in memory."""
        count = max(_PART_VALUES // (self.x.shape[1] * max(values, 1)), 1)
        for first in range(0, len(self.lengths), count):
            chosen = slice(first, first + count)
            y = None if self.y is None else self.y[chosen]
            states = {key: value[chosen] for key, value in self.first.items()}
            yield chosen, Samples(self.x[chosen], self.lengths[chosen], y, states)


def expected_answers(samples: Samples) -> NDArray[Any]:
    """The expected ``y``.

    Raises:
        DesignError: it is not known.
    """
    if samples.y is None:
        raise DesignError("the data has no expected answers", "add an array y")
    return samples.y


def load_samples(path: Path, *, real_answers: bool | None = False) -> Samples:
    """The user's own data: ``x``, and optionally ``lengths``, ``y`` and first states.

    First states have keys with a dot (``rnn.h0``) and the shape [sequences, units], or [units]
    for all sequences.

    ``real_answers``: ``y`` is real, [sequences, steps, outputs], not one or more whole numbers a
    sequence; None: as its type says.

    Raises:
        DesignError: the file, a key, a shape or a dtype is wrong, or there is nothing in it.
    """
    arrays = read_npz(path)
    states = {key for key in arrays if "." in key}
    unknown = sorted(arrays.keys() - {"x", "lengths", "y"} - states)
    if unknown:
        raise DesignError(
            f"{path}: unknown array {', '.join(unknown)}",
            "the keys are x, lengths and y, and those of first states such as rnn.h0",
        )
    samples = samples_of(str(path), arrays, real_answers=real_answers)
    count = len(samples.lengths)
    first = {key: _first_value(f"{path}: {key}", arrays[key], count) for key in sorted(states)}
    return replace(samples, first=first)


def _first_value(name: str, array: NDArray[np.generic], sequences: int) -> FloatArray:
    if array.dtype.kind not in "fiub":
        raise DesignError(f"{name} holds {array.dtype}, not real numbers")
    if array.ndim not in (1, 2) or (array.ndim == 2 and len(array) != sequences):
        raise DesignError(
            f"{name} has shape {array.shape}",
            f"it must be [{sequences} sequences, units] or [units]",
        )
    values = np.atleast_2d(array).astype(np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise DesignError(
            f"{name}: a value is {values[tuple(bad[0])]}", f"{len(bad)} values are not finite"
        )
    return np.broadcast_to(values, (sequences, values.shape[1]))


def samples_of(
    place: str,
    arrays: Mapping[str, ArrayLike],
    prefix: str = "",
    *,
    real_answers: bool | None = False,
) -> Samples:
    """The checked samples of arrays ``x``, ``lengths``, ``y`` with ``prefix`` before each key.

    Raises:
        DesignError: as :func:`load_samples`.
    """
    if f"{prefix}x" not in arrays:
        raise DesignError(
            f"{place}: no array {prefix}x",
            f"it holds {', '.join(sorted(arrays)) or 'nothing'}; x is [sequences, steps, features]",
        )
    x = np.asarray(arrays[f"{prefix}x"])
    if x.dtype.kind not in "fiub":
        raise DesignError(f"{place}: {prefix}x holds {x.dtype}, not real numbers")
    if x.ndim != 3:
        raise DesignError(
            f"{place}: {prefix}x has shape {x.shape}", "it must be [sequences, steps, features]"
        )
    if 0 in x.shape:
        raise DesignError(
            f"{place}: {prefix}x has shape {x.shape}: nothing to run",
            "give at least one sequence of one step",
        )
    real = x.astype(np.float64)
    lengths = _lengths(place, prefix, arrays, x.shape)
    valid = np.arange(x.shape[1]) < lengths[:, None]
    _zero_padding(f"{place}: {prefix}x", real, valid, "input values")
    y = arrays.get(f"{prefix}y")
    if y is None:
        return Samples(real, lengths)
    expected = np.asarray(y)
    if real_answers or (real_answers is None and expected.dtype.kind == "f"):
        return Samples(real, lengths, _real_answers(f"{place}: {prefix}y", expected, valid))
    if expected.dtype.kind not in "iub" or expected.shape[:1] != (len(x),):
        raise DesignError(
            f"{place}: {prefix}y is {expected.dtype} of shape {expected.shape}",
            f"it must hold {len(x)} whole numbers, one expected answer a sequence",
        )
    return Samples(real, lengths, expected.astype(np.int64))


def _zero_padding(name: str, values: FloatArray, valid: NDArray[np.bool_], kind: str) -> None:
    """Set what is past the end of each sequence to zero, in place; the rest must be finite."""
    bad = np.argwhere(~np.isfinite(values) & valid[:, :, None])
    if len(bad):
        raise DesignError(
            f"{name}{[int(i) for i in bad[0]]} is {values[tuple(bad[0])]}",
            f"{len(bad)} {kind} are not finite",
        )
    values[~valid] = 0.0


def _real_answers(name: str, expected: NDArray[np.generic], valid: NDArray[np.bool_]) -> FloatArray:
    sequences, steps = valid.shape
    if (
        expected.dtype.kind not in "fiub"
        or expected.shape[:2] != (sequences, steps)
        or expected.ndim != 3
        or expected.shape[2] == 0
    ):
        raise DesignError(
            f"{name} is {expected.dtype} of shape {expected.shape}",
            f"it must hold real numbers [{sequences} sequences, {steps} steps, outputs]",
        )
    real = expected.astype(np.float64)
    _zero_padding(name, real, valid, "expected values")
    return real


def _lengths(
    place: str, prefix: str, arrays: Mapping[str, ArrayLike], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    given = arrays.get(f"{prefix}lengths")
    if given is None:
        return np.full(shape[0], shape[1], np.int64)
    lengths = np.asarray(given)
    if lengths.dtype.kind not in "iu" or lengths.shape != (shape[0],):
        raise DesignError(
            f"{place}: {prefix}lengths is {lengths.dtype} of shape {lengths.shape}",
            f"it must hold {shape[0]} whole numbers, the steps of each sequence",
        )
    wrong = np.flatnonzero((lengths < 1) | (lengths > shape[1]))
    if len(wrong):
        raise DesignError(
            f"{place}: {prefix}lengths[{wrong[0]}] is {lengths[wrong[0]]}",
            f"a sequence has 1 to {shape[1]} steps here",
        )
    return lengths.astype(np.int64)
