"""Recall of one marked input: how far a network remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.tasks.automaton import FORBIDDEN, UNWANTED, Automaton
from rnnhw.design.tasks.samples import FloatArray, IntArray, Samples, expected_answers
from rnnhw.design.tasks.scores import Accuracy, Score
from rnnhw.errors import DesignError, plain_numbers, whole_number
from rnnhw.numerics.cast import Q

__all__ = ["Recall"]

_MAX_DELAY = 4096
_EDGES = 4
"""Pairs of sequences that are not random."""

_SYMBOLS = np.array([[-1, 0], [1, 0], [-1, 1], [1, 1]])
"""Value and marker of a step."""


@dataclass(frozen=True)
class Recall:
    """Recall of the input ``delay`` steps back (the latching problem of Bengio, Simard & Frasconi
    1994, "Learning long-term dependencies with gradient descent is difficult", with distractors).

    Every step reads a value, +1 or -1, and a marker, 1 at the one step whose value is asked for
    and 0 at all others. ``lead`` steps come before the marked one and ``delay`` after it. A
    sequence is right if the last output has the sign of the marked value (zero counts as -1 and is
    a tie), so the same weights serve every delay.

    Sequences come in pairs that differ in the marked value alone: what does not remember it
    gets one half, exactly. In the first four pairs the other values are edge cases: all +1, all
    -1, and alternating from either; in the rest they are random.
    """

    score_type: ClassVar[type[Score]] = Accuracy
    real_answers: ClassVar[bool] = False

    delay: int = 20
    require: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    lead: int = 8
    sequences: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        plain_numbers(self)
        whole_number("delay", self.delay, 1, _MAX_DELAY)
        whole_number("lead", self.lead, 0, _MAX_DELAY)
        whole_number("sequences", self.sequences, 2 * _EDGES, 1 << 20)
        whole_number("seed", self.seed, 0)
        if self.sequences % 2:
            raise DesignError(
                f"sequences={self.sequences}", "use an even number: the sequences come in pairs"
            )

    @property
    def features(self) -> int:
        return 2

    @property
    def input_format(self) -> Q:
        return Q(1, 0)

    @property
    def max_steps(self) -> int:
        return self.lead + 1 + self.delay

    def located(self, folder: Path) -> Recall:
        return self

    def samples(self) -> Samples:
        values = np.repeat(self._distractors(), 2, axis=0)
        marked = np.tile([1, -1], self.sequences // 2)
        values[:, self.lead] = marked
        x = np.zeros((self.sequences, self.max_steps, 2))
        x[:, :, 0] = values
        x[:, self.lead, 1] = 1
        return Samples(x, np.full(self.sequences, self.max_steps, np.int64), marked)

    def automaton(self, exact: bool = False) -> Automaton:
        """One marked value after any lead, with any values between: the answer is wanted at every
        later step, whatever ``delay`` says. With ``exact`` it is wanted ``delay`` steps after the
        mark alone, where the sequence ends, and the state counts the steps since the mark."""
        steps = self.delay if exact else 0
        after = np.full((1 + 2 * (steps + 1), len(_SYMBOLS)), FORBIDDEN)
        expected = np.full_like(after, UNWANTED)
        after[0] = 0, 0, 1, 2
        counted = np.arange(1, 1 + 2 * steps)
        after[counted, :2] = counted[:, None] + 2
        last = np.arange(1, 3) + 2 * steps
        if not exact:
            after[last, :2] = last[:, None]
            expected[last, :2] = [[0], [1]]
        else:
            expected[last - 2, :2] = [[0], [1]]
        return Automaton(_SYMBOLS.astype(np.float64), after, expected)

    def replayed(self, x: FloatArray) -> Samples:
        marked = x[x[:, 1] > 0, 0].astype(np.int64)
        return Samples(x[None], np.array([len(x)]), marked if len(marked) else None)

    def _distractors(self) -> NDArray[np.int64]:
        """The values of each pair, [pairs, steps]."""
        alternating = 1 - 2 * (np.arange(self.max_steps) % 2)
        ones = np.ones_like(alternating)
        rng = np.random.default_rng(self.seed)
        drawn = 2 * rng.integers(0, 2, (self.sequences // 2 - _EDGES, self.max_steps)) - 1
        return np.concatenate([[ones, -ones, alternating, -alternating], drawn])

    def prepared(self, samples: Samples) -> Samples:
        return samples

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Accuracy:
        expected = expected_answers(samples)
        if outputs.shape[2] != 1:
            raise DesignError(
                f"Recall: {outputs.shape[2]} outputs for one remembered value",
                "the last layer must give one unit",
            )
        if expected.ndim != 1 or not np.isin(expected, (-1, 1)).all():
            raise DesignError(
                f"Recall: y of shape {expected.shape} holds {expected.min()}..{expected.max()}",
                "it must hold one +1 or -1 a sequence, the marked value",
            )
        last = outputs[np.arange(len(outputs)), lengths - 1, 0]
        return Accuracy.of((last > 0) == (expected > 0), last == 0, last[:, None])
