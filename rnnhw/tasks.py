"""Tasks: real inputs with expected outputs, and how a network's outputs are judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.errors import DesignError
from rnnhw.numerics import Q
from rnnhw.weights import read_npz

__all__ = [
    "BinaryAddition",
    "Classification",
    "Samples",
    "Score",
    "Task",
    "load_samples",
    "wilson_interval",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Samples:
    """Sequences of different lengths: real ``x`` [sequences, steps, features], zero padded,
    the ``lengths`` [sequences], and the expected ``y`` (None where it is not known)."""

    x: FloatArray
    lengths: NDArray[np.int64]
    y: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Score:
    """``correct`` of ``total`` sequences."""

    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        """The fraction of correct sequences."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy."""
        return wilson_interval(self.correct, self.total)


class Task(Protocol):
    """What a design is for."""

    @property
    def features(self) -> int:
        """Input features at each step."""
        ...

    @property
    def input_format(self) -> Q | None:
        """The natural format of the inputs, if there is one."""
        ...

    @property
    def max_steps(self) -> int:
        """Steps of the longest sequence."""
        ...

    @property
    def require(self) -> Mapping[str, float]:
        """What ``verify`` demands: the least value of a named figure."""
        ...

    def located(self, folder: Path) -> Task:
        """The same task with data files taken relative to ``folder``."""
        ...

    def samples(self) -> Samples:
        """The inputs, with the expected outputs."""
        ...

    def prepared(self, samples: Samples) -> Samples:
        """Data of the user's own as the network reads it: what a host does before."""
        ...

    @property
    def limit(self) -> Mapping[str, float]:
        """What ``verify`` demands: the greatest value of a named figure."""
        ...

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Score:
        """Judge outputs [sequences, steps, units], ``lengths`` of them valid, against samples.

        Raises:
            DesignError: the outputs are not of the task's kind, or ``y`` is not known.
        """
        ...


def wilson_interval(correct: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a fraction (Wilson 1927), 95 % for the default ``z``."""
    p = correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    # At 0 and 1 the exact bound is the fraction itself; rounding must not pass it.
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == total else min(1.0, centre + half)
    return low, high


@dataclass(frozen=True)
class BinaryAddition:
    """Serial addition of two numbers, least significant bit first (Trask 2015, "Anyone Can Learn
    To Code an LSTM-RNN in Python").

    Step t reads one bit of each operand; a last step with zeros gives the carry out. Up to 8
    operand bits all pairs are run; beyond that ``random_pairs`` seeded ones and every carry
    chain (2**k - 1 plus 1, both ways). A word is correct if the output's sign is right at
    every bit.

    ``lead`` steps of zeros come before the first bit and have no answer: behind ``Window(k)``,
    which gives an output only where all its k steps are there, ``lead=k - 1`` leaves every sum bit
    its output, and zeros add no carry.
    """

    operand_bits: int = 8
    require: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    random_pairs: int = 10_000
    seed: int = 0
    lead: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.operand_bits, int) or not 1 <= self.operand_bits <= 62:
            raise DesignError(f"operand_bits={self.operand_bits!r}", "use 1 to 62")
        if not isinstance(self.random_pairs, int) or self.random_pairs < 0:
            raise DesignError(f"random_pairs={self.random_pairs!r}", "use 0 or more")
        if not isinstance(self.lead, int) or not 0 <= self.lead <= 62:
            raise DesignError(f"lead={self.lead!r}", "use 0 to 62: a window's width less 1")

    @property
    def features(self) -> int:
        return 2

    @property
    def input_format(self) -> Q:
        return Q(1, 0, signed=False)

    @property
    def max_steps(self) -> int:
        return self.lead + self.operand_bits + 1

    def located(self, folder: Path) -> BinaryAddition:
        return self

    def operands(self) -> NDArray[np.int64]:
        """The pairs that are added, [pairs, 2]."""
        bits = self.operand_bits
        if bits <= 8:
            every = np.arange(1 << bits)
            return np.stack(np.meshgrid(every, every, indexing="ij"), -1).reshape(-1, 2)
        rng = np.random.default_rng(self.seed)
        drawn = rng.integers(0, 1 << bits, (self.random_pairs, 2))
        chains = [((1 << k) - 1, 1) for k in range(1, bits + 1)]
        return np.concatenate([chains, [pair[::-1] for pair in chains], drawn])

    def samples(self) -> Samples:
        pairs = self.operands()
        steps = np.arange(self.operand_bits + 1)
        bits = (pairs[:, None, :] >> steps[None, :, None]) & 1
        total = (pairs.sum(1)[:, None] >> steps) & 1
        lengths = np.full(len(pairs), len(steps), np.int64)
        return self.prepared(Samples(bits.astype(np.float64), lengths, total))

    def prepared(self, samples: Samples) -> Samples:
        led = np.pad(samples.x, ((0, 0), (self.lead, 0), (0, 0)))
        return replace(samples, x=led, lengths=samples.lengths + self.lead)

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Score:
        expected = _expected(samples)
        if outputs.shape[2] != 1 or expected.shape != outputs.shape[:2]:
            raise DesignError(
                f"BinaryAddition: outputs of shape {outputs.shape} for sums of {expected.shape}",
                "the last layer must give one unit at every step, and a window of k steps needs "
                "BinaryAddition(lead=k - 1)",
            )
        valid = np.arange(outputs.shape[1]) < lengths[:, None]
        right = (((outputs[:, :, 0] > 0) == (expected > 0)) | ~valid).all(1)
        return Score(int(right.sum()), len(right))


@dataclass(frozen=True)
class Classification:
    """One class a sequence: the largest output of the last step is the answer (the first of
    several equal ones).

    ``data`` is an ``.npz`` with ``{split}_x`` [sequences, steps, features], ``{split}_lengths``
    and ``{split}_y`` for the splits ``train`` and ``test``. With ``standardise`` every feature is
    shifted and scaled by the mean and standard deviation of the training split's real steps, as
    a host would do before the accelerator.
    """

    data: str | Path
    split: str = "test"
    standardise: bool = True
    require: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    input_format: Q | None = None

    def located(self, folder: Path) -> Classification:
        return replace(self, data=folder / self.data)

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return read_npz(Path(self.data))

    def _split(self, split: str) -> Samples:
        return samples_of(str(self.data), self._arrays, f"{split}_")

    @property
    def features(self) -> int:
        return int(self._split(self.split).x.shape[2])

    @property
    def max_steps(self) -> int:
        return max(int(self._split(split).lengths.max()) for split in ("train", "test"))

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation [features] over the real steps of the training split."""
        train = self._split("train")
        real = train.x[np.arange(train.x.shape[1]) < train.lengths[:, None]]
        return real.mean(0), real.std(0)

    def samples(self) -> Samples:
        return self.prepared(self._split(self.split))

    def prepared(self, samples: Samples) -> Samples:
        if not self.standardise or samples.x.shape[2] != self.features:
            return samples  # the network refuses a wrong number of features by name
        mean, deviation = self.moments()
        constant = np.flatnonzero(deviation == 0)
        if len(constant):
            raise DesignError(
                f"{self.data}: feature {constant[0]} of train_x never changes",
                "leave it out, or set standardise=False",
            )
        return replace(samples, x=(samples.x - mean) / deviation)

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Score:
        expected = _expected(samples)
        classes = outputs.shape[2]
        if expected.ndim != 1 or expected.min() < 0 or expected.max() >= classes:
            raise DesignError(
                f"Classification: y of shape {expected.shape} holds "
                f"{expected.min()}..{expected.max()}",
                f"it must hold one class of 0..{classes - 1} a sequence",
            )
        answers = outputs[np.arange(len(outputs)), lengths - 1].argmax(1)
        return Score(int((answers == expected).sum()), len(answers))


def _expected(samples: Samples) -> IntArray:
    if samples.y is None:
        raise DesignError("the data has no expected answers", "add an array y")
    return samples.y


def load_samples(path: Path) -> Samples:
    """The user's own data: ``x``, and optionally ``lengths`` and ``y``.

    Raises:
        DesignError: the file, a key, a shape or a dtype is wrong, or there is nothing in it.
    """
    arrays = read_npz(path)
    unknown = sorted(arrays.keys() - {"x", "lengths", "y"})
    if unknown:
        raise DesignError(
            f"{path}: unknown array {', '.join(unknown)}", "the keys are x, lengths and y"
        )
    return samples_of(str(path), arrays)


def samples_of(place: str, arrays: Mapping[str, ArrayLike], prefix: str = "") -> Samples:
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
    bad = np.argwhere(~np.isfinite(real) & valid[:, :, None])
    if len(bad):
        raise DesignError(
            f"{place}: {prefix}x{[int(i) for i in bad[0]]} is {real[tuple(bad[0])]}",
            f"{len(bad)} input values are not finite",
        )
    real[~valid] = 0.0
    y = arrays.get(f"{prefix}y")
    if y is None:
        return Samples(real, lengths)
    expected = np.asarray(y)
    if expected.dtype.kind not in "iub" or expected.shape[:1] != (len(x),):
        raise DesignError(
            f"{place}: {prefix}y is {expected.dtype} of shape {expected.shape}",
            f"it must hold {len(x)} whole numbers, one expected answer a sequence",
        )
    return Samples(real, lengths, expected.astype(np.int64))


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
