"""The designs that a search for word lengths can run, each run once and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from rnnhw.analysis.storage import stored_bits
from rnnhw.design.design import Design
from rnnhw.errors import DesignError
from rnnhw.numerics.binary_point import PointRule, placed_point
from rnnhw.numerics.cast import Q
from rnnhw.study.word_lengths.judge import Judge, Outcome
from rnnhw.study.word_lengths.rounding import Rounding, in_formats
from rnnhw.study.word_lengths.variables import Variable

__all__ = ["BudgetOverError", "Progress", "Space", "Words"]

Words = Mapping[str, int]
"""The bits of every variable by name."""

Progress = Callable[[int, int], None]

Outcomes = dict[tuple[int, ...], Outcome | None]
"""Outcomes of designs, by the bits of their variables."""


_TOGETHER = 16
"""Designs that run together at most: as many as a lane block has lanes."""


class BudgetOverError(Exception):
    """No evaluation is left."""


@dataclass
class Space:
    """Designs with other words.

    ``judge`` runs them; ``second`` has other samples and may refuse a design. ``budget`` is the
    most runs of both. ``rounding`` rounds the weights for the formats of a design; None: to
    nearest.
    """

    judge: Judge
    variables: Sequence[Variable]
    rule: PointRule
    budget: int
    progress: Progress | None = None
    second: Judge | None = None
    rounding: Rounding | None = None
    outcomes: Outcomes = field(default_factory=dict)
    confirmations: Outcomes = field(default_factory=dict)
    points: dict[tuple[str, int], Q] = field(default_factory=dict)
    sizes: dict[tuple[int, ...], int | None] = field(default_factory=dict)
    expected: dict[tuple[int, ...], Words] = field(default_factory=dict)
    foreseen: Outcomes = field(default_factory=dict)

    def key(self, words: Words) -> tuple[int, ...]:
        """The bits in the order of the variables."""
        return tuple(words[variable.name] for variable in self.variables)

    def uniform(self, word: int) -> Words:
        """One word for all variables, as far as they can have it."""
        return {variable.name: variable.bits(word) for variable in self.variables}

    def formats(self, words: Words) -> dict[str, Q]:
        """The formats of the variables at ``words``."""
        for variable in self.variables:
            key = variable.name, words[variable.name]
            if key not in self.points:
                self.points[key] = placed_point(
                    variable.format, key[1], variable.values, self.rule, variable.function
                )
        return {name: self.points[name, bits] for name, bits in words.items()}

    def stored(self, words: Words) -> int | None:
        """The stored bits, without a run; None where the formats make no network."""
        key = self.key(words)
        if key not in self.sizes:
            try:
                network = self.judge.design.with_formats(self.formats(words)).network
                self.sizes[key] = sum(stored_bits(network).values())
            except DesignError:
                self.sizes[key] = None
        return self.sizes[key]

    def outcome(self, words: Words) -> Outcome | None:
        """The outcome of a design with ``words``; None where it is none."""
        return self._outcome(self.judge, self.outcomes, words)

    def confirmation(self, words: Words) -> Outcome | None:
        """The outcome of a design with ``words`` on the samples that confirm; None without any."""
        if self.second is None:
            return None
        return self._outcome(self.second, self.confirmations, words)

    def kept(self, words: Words) -> Outcome | None:
        """The outcome where it keeps the demands."""
        outcome = self.outcome(words)
        return outcome if outcome is not None and self.judge.demands.met(outcome.figures) else None

    def confirmed(self, words: Words) -> bool:
        """Whether it keeps the demands on the samples that confirm; True where nothing confirms."""
        if self.second is None or not self.second.demands.any:
            return True
        outcome = self.confirmation(words)
        return outcome is not None and self.second.demands.met(outcome.figures)

    def expect(self, several: Iterable[Words]) -> None:
        """Announce words whose outcomes will be asked for: they run together with the first one
        that is. They count as run when they are asked for."""
        waiting = {self.key(words): words for words in several}
        self.expected = {key: words for key, words in waiting.items() if key not in self.outcomes}

    @property
    def ran(self) -> int:
        """The designs that were run, twice where they were confirmed."""
        return len(self.outcomes) + len(self.confirmations)

    def _outcome(self, judge: Judge, known: Outcomes, words: Words) -> Outcome | None:
        key = self.key(words)
        if key not in known:
            if self.ran >= self.budget:
                raise BudgetOverError
            if judge is self.judge and key in self.expected:
                self._run_expected()
            if judge is self.judge and key in self.foreseen:
                known[key] = self.foreseen.pop(key)
            else:
                known[key] = judge.outcome(self._design(words))
            if self.progress is not None:
                self.progress(self.ran, self.budget)
        return known[key]

    def _design(self, words: Words) -> Design:
        return in_formats(self.judge.design, self.formats(words), self.rounding)

    def _run_expected(self) -> None:
        """Run as many of the expected words as may still be asked for."""
        some = dict(islice(self.expected.items(), min(_TOGETHER, self.budget - self.ran)))
        for key in some:
            del self.expected[key]
        outcomes = self.judge.outcomes([self._design(words) for words in some.values()])
        self.foreseen |= dict(zip(some, outcomes, strict=True))
