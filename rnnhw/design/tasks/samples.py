"""Sequences with expected answers, and how they are read from arrays and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.errors import DesignError, few
from rnnhw.files import Header, Npz, open_npz
from rnnhw.numerics.cast import not_of_float64

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

    ``first`` holds real first values of states [sequences, units] by their keys (``rnn.h0``),
    ``further`` the expected answers of further outputs by the output's name, of the kinds of ``y``.
    """

    x: FloatArray
    lengths: NDArray[np.int64]
    y: NDArray[np.int64] | FloatArray | None = None
    first: Mapping[str, FloatArray] = field(default_factory=dict)
    further: Mapping[str, NDArray[np.int64] | FloatArray] = field(default_factory=dict)

    def selected(self, which: IntArray | slice) -> Samples:
        """The sequences of some indices, in their order."""
        return Samples(
            self.x[which],
            self.lengths[which],
            None if self.y is None else self.y[which],
            {name: values[which] for name, values in self.first.items()},
            {name: answers[which] for name, answers in self.further.items()},
        )

    def parts(self, values: int) -> Iterator[tuple[slice, Samples]]:
        """The sequences in parts for which ``values`` numbers a step fit comfortably in memory."""
        count = max(_PART_VALUES // (self.x.shape[1] * max(values, 1)), 1)
        for first in range(0, len(self.lengths), count):
            chosen = slice(first, first + count)
            yield chosen, self.selected(chosen)


def expected_answers(samples: Samples) -> NDArray[Any]:
    """The expected ``y``.

    Raises:
        DesignError: it is not known.
    """
    if samples.y is None:
        raise DesignError("the data has no expected answers", "add an array y")
    return samples.y


def load_samples(
    path: Path,
    *,
    real_answers: bool | None = False,
    features: int | None = None,
    outputs: Callable[[], Sequence[str]] = tuple,
) -> Samples:
    """The user's own data: ``x``, and optionally ``lengths``, ``y`` and first states.

    First states have keys with a dot (``rnn.h0``) and the shape [sequences, units], or [units]
    for all sequences. ``y`` are the answers of the first output, ``y.NAME`` those of a further one;
    ``outputs`` gives the names of all of them, and is called where there may be such a key.

    ``real_answers``: ``y`` is real, [sequences, steps, outputs], not one or more whole numbers a
    sequence; None: as its type says. ``features``: those that the network reads; data of other
    ones is not read.

    Raises:
        DesignError: the file, a key, a shape or a dtype is wrong, or there is nothing in it.
    """
    with open_npz(path) as arrays:
        names = outputs() if any(key.startswith("y.") for key in arrays) else ()
        answers = {f"y.{name}": name for name in names if f"y.{name}" in arrays}
        states = {key for key in arrays if "." in key} - answers.keys()
        unknown = sorted(set(arrays) - {"x", "lengths", "y"} - states - answers.keys())
        if unknown:
            raise DesignError(
                f"{path}: unknown array {few(unknown)}",
                "the keys are x, lengths and y, y.NAME of a further output, and those of first "
                "states such as rnn.h0",
            )
        if names and f"y.{names[0]}" in answers:
            raise DesignError(
                f"{path}: y.{names[0]} are the answers of the first output", "call them y"
            )
        samples = samples_of(str(path), arrays, real_answers=real_answers, features=features)
        count = len(samples.lengths)
        first = {key: _first_value(f"{path}: {key}", arrays, key, count) for key in sorted(states)}
        further = {
            name: _answers(f"{path}: {key}", arrays, key, samples, real=None)
            for key, name in answers.items()
        }
    return replace(samples, first=first, further=further)


def _first_value(name: str, arrays: Npz, key: str, sequences: int) -> FloatArray:
    header = arrays.headers[key]
    if header.dtype.kind not in "fiub":
        raise DesignError(f"{name} holds {header.dtype}, not real numbers")
    if len(header.shape) not in (1, 2) or (len(header.shape) == 2 and header.shape[0] != sequences):
        raise DesignError(
            f"{name} has shape {header.shape}",
            f"it must be [{sequences} sequences, units] or [units]",
        )
    values = np.atleast_2d(_real(name, arrays, key))
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise DesignError(
            f"{name}: a value is {values[tuple(bad[0])]}", f"{len(bad)} values are not finite"
        )
    return np.broadcast_to(values, (sequences, values.shape[1]))


def samples_of(
    place: str,
    arrays: Npz | Mapping[str, ArrayLike],
    prefix: str = "",
    *,
    real_answers: bool | None = False,
    features: int | None = None,
) -> Samples:
    """The checked samples of arrays ``x``, ``lengths``, ``y`` with ``prefix`` before each key.

    Raises:
        DesignError: as :func:`load_samples`.
    """
    if f"{prefix}x" not in arrays:
        raise DesignError(
            f"{place}: no array {prefix}x",
            f"it holds {few(sorted(arrays)) or 'nothing'}; x is [sequences, steps, features]",
        )
    x = _header(arrays, f"{prefix}x")
    if x.dtype.kind not in "fiub":
        raise DesignError(f"{place}: {prefix}x holds {x.dtype}, not real numbers")
    if len(x.shape) != 3:
        raise DesignError(
            f"{place}: {prefix}x has shape {x.shape}", "it must be [sequences, steps, features]"
        )
    if 0 in x.shape:
        raise DesignError(
            f"{place}: {prefix}x has shape {x.shape}: nothing to run",
            "give at least one sequence of one step",
        )
    if features is not None and x.shape[2] != features:
        raise DesignError(
            f"{place}: input: {x.shape[2]} features, but the network reads {features}",
            f"give {prefix}x as [sequences, steps, {features} features]",
        )
    lengths = _lengths(place, prefix, arrays, x.shape)
    valid = np.arange(x.shape[1]) < lengths[:, None]
    real = _real(f"{place}: {prefix}x", arrays, f"{prefix}x", valid)
    _zero_padding(f"{place}: {prefix}x", real, valid, "input values")
    samples = Samples(real, lengths)
    key = f"{prefix}y"
    if key not in arrays:
        return samples
    return replace(samples, y=_answers(f"{place}: {key}", arrays, key, samples, real=real_answers))


def _answers(
    name: str,
    arrays: Npz | Mapping[str, ArrayLike],
    key: str,
    samples: Samples,
    *,
    real: bool | None,
) -> NDArray[np.int64] | FloatArray:
    """Expected answers to ``samples``, whole or ``real``; None: as their type says."""
    header = _header(arrays, key)
    real = header.dtype.kind == "f" if real is None else real
    check = _check_real_answers if real else _check_whole_answers
    check(name, header, samples.x.shape)
    if not real:
        return np.asarray(arrays[key]).astype(np.int64)
    valid = np.arange(samples.x.shape[1]) < samples.lengths[:, None]
    answers = _real(name, arrays, key, valid)
    _zero_padding(name, answers, valid, "expected values")
    return answers


def _real(
    name: str,
    arrays: Npz | Mapping[str, ArrayLike],
    key: str,
    valid: NDArray[np.bool_] | None = None,
) -> FloatArray:
    """An array of real numbers as float64 of its own, which may be written to. What lies past the
    ``valid`` steps [sequences, steps] may be anything.

    What a file holds is read for the caller alone, and large: it is not copied.
    """
    given = np.asarray(arrays[key])
    if valid is not None and given.dtype.kind in "iu":
        given = np.where(valid[:, :, None], given, np.zeros((), given.dtype))
    if (place := not_of_float64(given)) is not None:
        raise DesignError(
            f"{name}{list(place)} is {given[place]}, which float64 does not hold",
            "real numbers are float64: whole ones are exact up to 2**53",
        )
    return given.astype(np.float64, copy=not isinstance(arrays, Npz))


def _header(arrays: Npz | Mapping[str, ArrayLike], key: str) -> Header:
    """Shape and dtype of an array, which is not read for them."""
    if isinstance(arrays, Npz):
        return arrays.headers[key]
    array = np.asarray(arrays[key])
    return Header(array.shape, array.dtype)


def _zero_padding(name: str, values: FloatArray, valid: NDArray[np.bool_], kind: str) -> None:
    """Set what is past the end of each sequence to zero, in place; the rest must be finite."""
    bad = np.argwhere(~np.isfinite(values) & valid[:, :, None])
    if len(bad):
        raise DesignError(
            f"{name}{[int(i) for i in bad[0]]} is {values[tuple(bad[0])]}",
            f"{len(bad)} {kind} are not finite",
        )
    values[~valid] = 0.0


def _check_whole_answers(name: str, y: Header, shape: tuple[int, ...]) -> None:
    if y.dtype.kind not in "iub" or y.shape[:1] != shape[:1]:
        raise DesignError(
            f"{name} is {y.dtype} of shape {y.shape}",
            f"it must hold {shape[0]} whole numbers, one expected answer a sequence",
        )


def _check_real_answers(name: str, y: Header, shape: tuple[int, ...]) -> None:
    sequences, steps, _ = shape
    if (
        y.dtype.kind not in "fiub"
        or y.shape[:2] != (sequences, steps)
        or len(y.shape) != 3
        or y.shape[2] == 0
    ):
        raise DesignError(
            f"{name} is {y.dtype} of shape {y.shape}",
            f"it must hold real numbers [{sequences} sequences, {steps} steps, outputs]",
        )


def _lengths(
    place: str, prefix: str, arrays: Npz | Mapping[str, ArrayLike], shape: tuple[int, ...]
) -> IntArray:
    key = f"{prefix}lengths"
    if key not in arrays:
        return np.full(shape[0], shape[1], np.int64)
    header = _header(arrays, key)
    if header.dtype.kind not in "iu" or header.shape != (shape[0],):
        raise DesignError(
            f"{place}: {key} is {header.dtype} of shape {header.shape}",
            f"it must hold {shape[0]} whole numbers, the steps of each sequence",
        )
    lengths = np.asarray(arrays[key])
    wrong = np.flatnonzero((lengths < 1) | (lengths > shape[1]))
    if len(wrong):
        raise DesignError(
            f"{place}: {key}[{wrong[0]}] is {lengths[wrong[0]]}",
            f"a sequence has 1 to {shape[1]} steps here",
        )
    return lengths.astype(np.int64)
