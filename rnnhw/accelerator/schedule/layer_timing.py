"""How a layer takes vectors: when it starts on one, and when the results are there.

The simplest pace takes one vector every ``cycles`` cycles. Overlapping, interleaving, streaming and
taking several steps together are other paces, in other modules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Course", "IntArray", "Loaded", "Pace", "Run", "Sequential", "spaced"]

IntArray = NDArray[np.int64]


class Run(NamedTuple):
    """One vector on a layer: the cycle in which the layer starts on it, and the first one after
    its last result. ``held`` are the other cycles that later runs depend on."""

    take: int
    end: int
    held: tuple[int, ...] = ()


class Course(ABC):
    """A layer while it works on a sequence: it is asked for its vectors in order."""

    @abstractmethod
    def run(self, ready: Sequence[int], free: int) -> list[Run]:
        """The next vectors, ``Pace.block`` of them or what is left of the sequence.

        ``ready`` are the cycles in which the vectors have arrived, ``free`` is the one in which the
        readers' buffers have room.
        """

    def turn(self, ready: IntArray, free: IntArray) -> tuple[IntArray, IntArray]:
        """The cycles in which the layer takes the vectors of one step of all interleaved sequences,
        and those in which their results are there, a value a sequence; so are ``ready`` and
        ``free`` of :meth:`run`.
        """
        runs = self.run(ready.tolist(), int(free.max()))
        return np.array([run.take for run in runs]), np.array([run.end for run in runs])

    @property
    def held(self) -> tuple[int, ...]:
        """The cycles beside the last runs that the next ones depend on."""
        return ()


@dataclass(frozen=True)
class Pace(ABC):
    """How a layer takes vectors. ``cycles`` is from starting on one to the end of its results,
    where nothing else delays it."""

    cycles: int

    @property
    def block(self) -> int:
        """Vectors that the layer starts on together."""
        return 1

    @property
    def steps(self) -> int:
        """Vectors of a round: how many the layer takes in ``round_cycles``."""
        return self.block

    @property
    @abstractmethod
    def round_cycles(self) -> int:
        """Cycles from a round to the next, where no other layer is in the way."""

    @property
    def compute_cycles(self) -> int:
        """``round_cycles`` without the time in which weights are waited for."""
        return self.round_cycles

    @abstractmethod
    def course(self) -> Course:
        """The layer at the start of a sequence."""


def spaced(earliest: IntArray, cycles: int) -> IntArray:
    """The least times that are not before ``earliest`` and at least ``cycles`` apart, in order."""
    steps = cycles * np.arange(len(earliest))
    return np.maximum.accumulate(earliest - steps) + steps


@dataclass(frozen=True)
class Sequential(Pace):
    """One vector after the other."""

    @property
    def round_cycles(self) -> int:
        return self.cycles

    def course(self) -> Course:
        return _Sequential(self.cycles)


class _Sequential(Course):
    def __init__(self, cycles: int) -> None:
        self._cycles = cycles
        self._next = 0

    def run(self, ready: Sequence[int], free: int) -> list[Run]:
        take = max(self._next, free, *ready)
        self._next = take + self._cycles
        return [Run(take, self._next)]

    def turn(self, ready: IntArray, free: IntArray) -> tuple[IntArray, IntArray]:
        takes = spaced(np.maximum(np.maximum(ready, free), self._next), self._cycles)
        self._next = int(takes[-1]) + self._cycles
        return takes, takes + self._cycles


@dataclass(frozen=True)
class Loaded(Sequential):
    """A memory that gives one vector to every one of ``sequences``; the first are there already."""

    sequences: int = 1

    def course(self) -> Course:
        return _Loaded(self.cycles, self.sequences)


class _Loaded(Course):
    def __init__(self, cycles: int, sequences: int) -> None:
        self._cycles = cycles
        self._there = sequences
        self._next = 0

    def run(self, ready: Sequence[int], free: int) -> list[Run]:
        take = max(self._next, free, *ready)
        self._next = take + (0 if self._there else self._cycles)
        self._there = max(self._there - 1, 0)
        return [Run(take, self._next)]

    def turn(self, ready: IntArray, free: IntArray) -> tuple[IntArray, IntArray]:
        cycles = 0 if self._there else self._cycles
        takes = spaced(np.maximum(np.maximum(ready, free), self._next), cycles)
        self._next, self._there = int(takes[-1]) + cycles, 0
        return takes, takes + cycles
