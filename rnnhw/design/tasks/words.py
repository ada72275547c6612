"""Word problems of small finite groups: the running product of what was read, at every step.

They are the smallest tasks that ask for memory without end: parity is the group of two elements,
a counter the cyclic one, and S3 the smallest group in which the order matters (Liu et al. 2023,
"Transformers learn shortcuts to automata").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.tasks.automaton import Answer, Automaton
from rnnhw.design.tasks.samples import FloatArray, IntArray, Samples, expected_answers
from rnnhw.design.tasks.scores import Accuracy, Score
from rnnhw.errors import DesignError, whole_number
from rnnhw.numerics.cast import Q

__all__ = ["ModuloCounter", "Parity", "S3WordProblem"]

_EVERY = 1 << 16
"""Up to so many sequences all are run."""


@dataclass(frozen=True)
class _GroupWords:
    """What the word problems share: sequences of ``steps`` symbols, all of them if there are at
    most 65,536, else those of one symbol alone and ``sequences`` seeded random ones. A sequence
    is right if the answer is right at every step."""

    score_type: ClassVar[type[Score]] = Accuracy
    real_answers: ClassVar[bool] = False

    steps: int = 16
    require: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    sequences: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        whole_number("steps", self.steps, 1, 10_000)
        whole_number("sequences", self.sequences, 1, 1 << 20)
        whole_number("seed", self.seed, 0)

    def automaton(self) -> Automaton:
        """The group's table: the state is the product so far, and so is the answer."""
        raise NotImplementedError

    @property
    def features(self) -> int:
        return len(self.automaton().alphabet[0])

    @property
    def input_format(self) -> Q:
        return Q(1, 0, signed=False)

    @property
    def max_steps(self) -> int:
        return self.steps

    def located(self, folder: Path) -> Self:
        return self

    def samples(self) -> Samples:
        automaton = self.automaton()
        words = self._words(automaton.symbols)
        answers = np.zeros_like(words)
        state = np.zeros(len(words), np.int64)
        for t in range(self.steps):
            answers[:, t] = automaton.expected[state, words[:, t]]
            state = automaton.next[state, words[:, t]]
        lengths = np.full(len(words), self.steps, np.int64)
        return Samples(automaton.alphabet[words], lengths, answers)

    def replayed(self, x: FloatArray) -> Samples:
        automaton, state, answers = self.automaton(), 0, []
        for step in x:
            symbol = int(np.flatnonzero((automaton.alphabet == step).all(1))[0])
            answers.append(int(automaton.expected[state, symbol]))
            state = int(automaton.next[state, symbol])
        return Samples(x[None], np.array([len(x)]), np.array([answers]))

    def _words(self, symbols: int) -> NDArray[np.int64]:
        """Numbers of symbols, [sequences, steps]."""
        if self.steps * np.log2(symbols) <= np.log2(_EVERY):
            number = np.arange(symbols**self.steps)
            return number[:, None] // symbols ** np.arange(self.steps) % symbols
        alone = np.repeat(np.arange(symbols)[:, None], self.steps, 1)
        drawn = np.random.default_rng(self.seed).integers(0, symbols, (self.sequences, self.steps))
        return np.concatenate([alone, drawn])

    def prepared(self, samples: Samples) -> Samples:
        return samples

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Accuracy:
        expected = expected_answers(samples)
        automaton, name = self.automaton(), type(self).__name__
        signs = automaton.answer is Answer.SIGN
        units = 1 if signs else automaton.states
        if outputs.shape[2] != units or expected.shape != outputs.shape[:2]:
            raise DesignError(
                f"{name}: outputs of shape {outputs.shape} for answers of {expected.shape}",
                f"the last layer must give {units} unit{'s' * (units > 1)} at every step",
            )
        valid = np.arange(outputs.shape[1]) < lengths[:, None]
        if signs:
            given = (outputs[:, :, 0] > 0).astype(np.int64)
            tied = outputs[:, :, 0] == 0
        else:
            given = outputs.argmax(2)
            tied = (outputs == outputs.max(2, keepdims=True)).sum(2) > 1
        right = ((given == expected) | ~valid).all(1)
        return Accuracy.of(right, (tied | ~valid).all(1), outputs[valid])


@dataclass(frozen=True)
class Parity(_GroupWords):
    """Whether an odd number of ones was read: one bit a step, answered by the output's sign."""

    def automaton(self) -> Automaton:
        table = np.array([[0, 1], [1, 0]])
        return Automaton(np.array([[0.0], [1.0]]), table, table)


@dataclass(frozen=True)
class ModuloCounter(_GroupWords):
    """How many ones were read, modulo ``modulus``: one bit a step, answered by the number of the
    largest of ``modulus`` outputs."""

    modulus: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("modulus", self.modulus, 2, 1024)

    def automaton(self) -> Automaton:
        count = np.arange(self.modulus)
        table = np.stack([count, (count + 1) % self.modulus], 1)
        return Automaton(np.array([[0.0], [1.0]]), table, table, Answer.CLASS)


@dataclass(frozen=True)
class S3WordProblem(_GroupWords):
    """The product of all permutations of three things that were read: one of six a step, one-hot,
    answered by the number of the largest of six outputs.

    Permutations are numbered in lexicographic order, the identity first; a step multiplies the
    new one onto the product from the left, which is to apply it last.
    """

    steps: int = 6

    def automaton(self) -> Automaton:
        elements = list(permutations(range(3)))
        table = [
            [elements.index(tuple(read[product[i]] for i in range(3))) for read in elements]
            for product in elements
        ]
        return Automaton(np.eye(6), np.array(table), np.array(table), Answer.CLASS)
