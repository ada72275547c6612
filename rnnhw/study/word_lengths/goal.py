"""The goal of a search: the fewest stored bits, or the best figure within some."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnnhw.study.sweep.front import Objective, objective_of
from rnnhw.study.word_lengths.judge import SENSES, Demands, Outcome, is_ratio

FloatArray = NDArray[np.float64]

__all__ = ["BestFigure", "FewestBits", "Goal", "error_power", "objective_named"]

_FREE = 0.01
"""A growth of the error's power, as a share of it, that is added to that of a trade before the bits
divide it, so that trades that lose less are ordered by their bits."""

_TOLERANCE = 2.0
"""A trade is not run where its predicted power is so many times that of every design that kept the
demands, or, where a figure is to be best, of the design at hand. On speaker_tridiagonal 1.25 misses
a tenth of the gains, and 4 takes a sixth more runs and finds no more."""

Rank = tuple[float, ...]


def error_power(outcome: Outcome) -> float:
    """The mean square of the distance from the float outputs, of the worst output."""
    return float(outcome.figures["rms"]) ** 2


@dataclass(frozen=True)
class FewestBits:
    """The fewest stored bits that keep the demands; of as many, those with the least error."""

    demands: Demands

    def rank(self, outcome: Outcome) -> Rank:
        """Less is better."""
        return outcome.bits, error_power(outcome)

    def most_bits(self, bits: int) -> int:
        """The most stored bits of a design that is better than one of ``bits``."""
        return bits - 1

    def reached(self, bits: int) -> bool:
        """Whether a descent need not go on at ``bits``."""
        return False

    def loss(self, before: Outcome, after: Outcome) -> float:
        """How much nearer to the bounds ``after`` is; 0 where it is no nearer."""
        return self.demands.worsening(before.figures, after.figures)

    def most_power(self, now: float, kept: float) -> float:
        """The largest predicted power of an error that is worth a run, by that of the design at
        hand and the largest of a design that kept the demands."""
        return _TOLERANCE * kept

    def order(self, growth: FloatArray, bits: FloatArray) -> FloatArray:
        """Less is more promising, of trades that save, or free to spend, ``bits``, and by which
        the error's power grows by a share of it."""
        order: FloatArray = (np.maximum(growth, 0) + _FREE) / bits
        return order


@dataclass(frozen=True)
class BestFigure:
    """The best figure within ``most`` stored bits; of as good ones, the least error."""

    objective: Objective
    most: int

    def rank(self, outcome: Outcome) -> Rank:
        """Less is better; a design that stores too many bits is worse than one that does not."""
        worth = self.objective.worth(outcome.figures)
        worth = -math.inf if worth is None or math.isnan(worth) else worth
        beyond = max(outcome.bits - self.most, 0)
        return beyond, -worth, error_power(outcome), outcome.bits

    def most_bits(self, bits: int) -> int:
        """The most stored bits of a design that is better than one of ``bits``."""
        return self.most

    def reached(self, bits: int) -> bool:
        """Whether a descent need not go on at ``bits``."""
        return bits <= self.most

    def loss(self, before: Outcome, after: Outcome) -> float:
        """What is lost of a fraction, and the growth of the error's root mean square."""
        growth = 0.0
        if error_power(before) > 0:
            growth = (error_power(after) / error_power(before)) ** 0.5 - 1
        lost = 0.0
        if not is_ratio(self.objective.name) and self.objective.sense == "more":
            lost = before.figures[self.objective.name] - after.figures[self.objective.name]
        return max(growth, 0.0) + max(lost, 0.0)

    def most_power(self, now: float, kept: float) -> float:
        """The largest predicted power of an error that is worth a run."""
        return _TOLERANCE * now

    def order(self, growth: FloatArray, bits: FloatArray) -> FloatArray:
        """Less is more promising."""
        return growth


Goal = FewestBits | BestFigure


def objective_named(text: str) -> Objective:
    """The figure to make best, as ``--objective`` names it; ``NAME.snr_db`` is that of the output
    NAME, and :more or :less behind a name tells which way a figure is better.

    Raises:
        UsageError: nothing tells which way the figure is better.
    """
    name, colon, _ = text.partition(":")
    figure = name.rpartition(".")[2]
    if not colon and figure in SENSES:
        return Objective(name, SENSES[figure])
    return replace(objective_of(text if colon else figure), name=name)
