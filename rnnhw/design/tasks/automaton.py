"""A task without end, as a finite automaton: what a network must answer to every input sequence.

The answer to a sequence is the one that its last step's edge expects. A proof follows all edges
beside the network's own states, so an automaton says more than any number of samples.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.tasks.samples import Samples
from rnnhw.errors import DesignError

__all__ = ["FORBIDDEN", "UNWANTED", "Answer", "Automaton", "AutomatonTask", "ReplayedTask"]

FORBIDDEN = -1
"""In place of a next state: no sequence of the language goes on with this symbol."""

UNWANTED = -1
"""In place of an answer: whatever the network gives at this step is right."""


class Answer(enum.Enum):
    """How the outputs of one step are read as a whole number."""

    SIGN = "sign"  # of a single output unit: 1 where it is greater than zero, else 0
    CLASS = "class"  # the number of the largest output unit, the first of several equal ones


@dataclass(frozen=True, eq=False)
class Automaton:
    """The input sequences of a task, of any length, and the answer that each step must give.

    A run starts in state 0. In state ``q`` the symbol ``s`` puts the real input vector
    ``alphabet[s]`` to the network, whose answer must be ``expected[q, s]``, and leads to the state
    ``next[q, s]``. Edges may be missing (:data:`FORBIDDEN`), answers not wanted
    (:data:`UNWANTED`), and a state whose edges all lead back to it is absorbing: what it expects
    it expects for ever.

    Args:
        alphabet: real input vectors [symbols, features], as the task's samples hold them.
        next: the state after each symbol [states, symbols], or FORBIDDEN.
        expected: the answer at that step [states, symbols], or UNWANTED.
        answer: how the outputs are read.

    Raises:
        DesignError: the shapes disagree, or an entry is no state or no answer.
    """

    alphabet: NDArray[np.float64]
    next: NDArray[np.int64]
    expected: NDArray[np.int64]
    answer: Answer = Answer.SIGN

    def __post_init__(self) -> None:
        alphabet = np.asarray(self.alphabet, np.float64)
        after = np.asarray(self.next, np.int64)
        expected = np.asarray(self.expected, np.int64)
        if alphabet.ndim != 2 or 0 in alphabet.shape or not np.isfinite(alphabet).all():
            raise DesignError(
                f"automaton: an alphabet of shape {alphabet.shape}",
                "give finite input vectors [symbols, features], at least one",
            )
        if after.ndim != 2 or len(after) == 0 or after.shape[1] != len(alphabet):
            raise DesignError(
                f"automaton: next states of shape {after.shape} for {len(alphabet)} symbols",
                "give an array [states, symbols]",
            )
        if expected.shape != after.shape:
            raise DesignError(
                f"automaton: answers of shape {expected.shape} on edges of shape {after.shape}",
                "give one for every state and symbol",
            )
        if after.min() < FORBIDDEN or after.max() >= len(after):
            raise DesignError(
                f"automaton: next states from {after.min()} to {after.max()}",
                f"use 0 to {len(after) - 1}, or {FORBIDDEN} for an edge that is not there",
            )
        most = 1 if self.answer is Answer.SIGN else None
        if expected.min() < UNWANTED or (most is not None and expected.max() > most):
            raise DesignError(
                f"automaton: answers from {expected.min()} to {expected.max()}",
                f"use classes from 0 on (0 and 1 for a sign), or {UNWANTED} where none is wanted",
            )
        for name, given in (("alphabet", alphabet), ("next", after), ("expected", expected)):
            kept = given.copy()
            kept.flags.writeable = False
            object.__setattr__(self, name, kept)

    @property
    def states(self) -> int:
        """How many states there are."""
        return len(self.next)

    @property
    def symbols(self) -> int:
        """How many input vectors there are."""
        return len(self.alphabet)

    def asking(self) -> Automaton:
        """The same language with the answer 0 wherever one is wanted, in the fewest states.

        Two networks that are compared need not know what the answer is, only when it counts.
        """
        return self._smallest(np.where(self.expected == UNWANTED, UNWANTED, 0))

    def language(self) -> Automaton:
        """The same language with no answer wanted, in the fewest states."""
        return self._smallest(np.full_like(self.expected, UNWANTED))

    def after(self, steps: int) -> Automaton:
        """The same task for a network whose first ``steps`` steps give no output: none is wanted
        there. States are pairs of a state and how many of these steps are over."""
        pairs = [(0, 0)]
        index = {pairs[0]: 0}
        after: list[list[int]] = []
        expected = []
        for state, age in pairs:  # which grows
            row = []
            for target in self.next[state].tolist():
                pair = (target, min(age + 1, steps))
                if target != FORBIDDEN and pair not in index:
                    index[pair] = len(pairs)
                    pairs.append(pair)
                row.append(FORBIDDEN if target == FORBIDDEN else index[pair])
            after.append(row)
            expected.append(
                self.expected[state].tolist() if age == steps else [UNWANTED] * self.symbols
            )
        return Automaton(self.alphabet, np.array(after), np.array(expected), self.answer)

    def asks_within(self, steps: int) -> bool:
        """Whether any of the first ``steps`` steps of a sequence wants an answer."""
        reached = {0}
        for _ in range(steps):
            edges = self.next[sorted(reached)] != FORBIDDEN
            if (self.expected[sorted(reached)][edges] != UNWANTED).any():
                return True
            reached = set(self.next[sorted(reached)][edges].tolist())
        return False

    def _smallest(self, expected: NDArray[np.int64]) -> Automaton:
        """The fewest states with the same sequences and these answers (Moore 1956, "Gedanken-
        experiments on sequential machines": classes of states are split until their edges
        agree)."""
        expected = np.where(self.next == FORBIDDEN, UNWANTED, expected)
        classes = np.zeros(self.states, np.int64)
        while True:
            after = np.where(self.next == FORBIDDEN, FORBIDDEN, classes[self.next])
            rows = np.concatenate([classes[:, None], after, expected], 1)
            _, split = np.unique(rows, axis=0, return_inverse=True)
            split = split.ravel()
            if split.max() == classes.max():
                break
            classes = split
        # Numbered by their first state, so that a run still starts in state 0.
        _, first = np.unique(classes, return_index=True)
        kept = np.sort(first)
        number = {int(classes[state]): index for index, state in enumerate(kept)}
        after = np.array(
            [
                [FORBIDDEN if t == FORBIDDEN else number[int(classes[t])] for t in self.next[state]]
                for state in kept
            ]
        )
        return Automaton(self.alphabet, after, expected[kept], self.answer)


@runtime_checkable
class AutomatonTask(Protocol):
    """A task that can be told as an automaton: ``rnnhw prove`` decides it for all sequences."""

    def automaton(self) -> Automaton:
        """The task for sequences of any length. Parameters of such a method need defaults;
        ``rnnhw prove --automaton NAME=VALUE`` sets them.

        Raises:
            DesignError: it has none as it is set.
        """
        ...


@runtime_checkable
class ReplayedTask(Protocol):
    """A task that knows the right answers to a sequence of its automaton."""

    def replayed(self, x: NDArray[np.float64]) -> Samples:
        """The real inputs [steps, features] of such a sequence as one sequence of the user's own
        data, before :meth:`~rnnhw.design.tasks.Task.prepared`, with its answers."""
        ...
