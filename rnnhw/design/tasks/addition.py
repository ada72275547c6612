"""Serial binary addition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.tasks.automaton import FORBIDDEN, UNWANTED, Automaton
from rnnhw.design.tasks.samples import FloatArray, IntArray, Samples, expected_answers
from rnnhw.design.tasks.scores import Accuracy, Score
from rnnhw.errors import DesignError, plain_numbers
from rnnhw.numerics.cast import Q

__all__ = ["BinaryAddition", "carry_chains"]

_COLUMNS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
"""The pairs of bits that a step can read."""


@dataclass(frozen=True)
class BinaryAddition:
    """Serial addition of two numbers, least significant bit first (Trask 2015, "Anyone Can Learn
    To Code an LSTM-RNN in Python").

    Step t reads one bit of each operand; a last step with zeros gives the carry out. Up to 8
    operand bits all pairs are run; beyond that ``random_pairs`` seeded ones and every carry
    chain (2**k - 1 plus 1, both ways). A word is correct if the output's sign is right at
    every bit; an output of zero says 0, and a word of such outputs alone is a tie.

    With ``chains`` the pairs are those of :func:`carry_chains` instead: they find the nets whose
    carry fades, which all pairs of 8 bits do not.

    ``lead`` steps of zeros come before the first bit and have no answer: behind ``Window(k)``,
    which gives an output only where all its k steps are there, ``lead=k - 1`` leaves every sum bit
    its output, and zeros add no carry.
    """

    score_type: ClassVar[type[Score]] = Accuracy
    real_answers: ClassVar[bool] = False

    operand_bits: int = 8
    require: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    random_pairs: int = 10_000
    seed: int = 0
    chains: bool = False
    lead: int = 0

    def __post_init__(self) -> None:
        plain_numbers(self)
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
        if self.chains:
            return carry_chains(bits, self.seed)
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

    def harder(self) -> dict[str, Samples]:
        """Carry chains of 32 bits."""
        return {"long chains": replace(self, operand_bits=32, chains=True).samples()}

    def automaton(self) -> Automaton:
        """Numbers of any length, bit by bit: the state is the carry. ``lead`` steps of zeros come
        first, without an answer."""
        carry = np.arange(2)[:, None]
        total = carry + _COLUMNS.sum(1)
        after = np.full((self.lead + 2, len(_COLUMNS)), FORBIDDEN)
        expected = np.full_like(after, UNWANTED)
        after[: self.lead, 0] = np.arange(1, self.lead + 1)
        after[self.lead :] = self.lead + (total >> 1)
        expected[self.lead :] = total & 1
        return Automaton(_COLUMNS.astype(np.float64), after, expected)

    def replayed(self, x: FloatArray) -> Samples:
        # `prepared` leads with zeros again; what is shorter than they are goes on with zeros.
        columns = np.pad(x[self.lead :], ((0, max(self.lead + 1 - len(x), 0)), (0, 0)))
        answers, carry = [], 0
        for column in columns.astype(np.int64).sum(1).tolist():
            answers.append((carry + column) & 1)
            carry = (carry + column) >> 1
        return Samples(columns[None], np.array([len(columns)]), np.array([answers]))

    def prepared(self, samples: Samples) -> Samples:
        if self.lead == 0:
            return samples
        led = np.pad(samples.x, ((0, 0), (self.lead, 0), (0, 0)))
        return replace(samples, x=led, lengths=samples.lengths + self.lead)

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Accuracy:
        expected = expected_answers(samples)
        if outputs.shape[2] != 1 or expected.shape != outputs.shape[:2]:
            raise DesignError(
                f"BinaryAddition: outputs of shape {outputs.shape} for sums of {expected.shape}",
                "the last layer must give one unit at every step, and a window of k steps needs "
                "BinaryAddition(lead=k - 1)",
            )
        valid = np.arange(outputs.shape[1]) < lengths[:, None]
        bits = outputs[:, :, 0]
        right = (((bits > 0) == (expected > 0)) | ~valid).all(1)
        # To choose vectors takes longer than all the rest.
        judged = outputs.reshape(-1, 1) if valid.all() else outputs[valid]
        return Accuracy.of(right, ((bits == 0) | ~valid).all(1), judged)


def carry_chains(bits: int, seed: int = 0) -> NDArray[np.int64]:
    """Operands [pairs, 2] with a carry chain of every length at every place of ``bits`` columns,
    and random pairs.

    A chain starts with a column that generates a carry, or one that kills it; the columns behind
    it, from none to all that are left, propagate what comes. The other columns are random. Each
    chain comes three times with a carry and three times without, beside two random pairs: 4,224
    pairs at 32 bits.
    """
    rng = np.random.default_rng(seed)
    first, last = np.triu_indices(bits)
    column = np.arange(bits)
    chained = (first[:, None] <= column) & (column <= last[:, None])
    head = column == first[:, None]
    pairs = [rng.integers(0, 2, (2, 2 * len(first), bits))]
    for carry in 3 * (0, 1):
        operands = rng.integers(0, 2, (2, len(first), bits))
        operands[1] = np.where(chained, 1 - operands[0], operands[1])
        pairs.append(np.where(head, carry, operands))
    powers = np.int64(1) << np.arange(bits, dtype=np.int64)
    drawn: NDArray[np.int64] = (np.concatenate(pairs, 1) @ powers).T
    return drawn
