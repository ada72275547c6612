"""A greedy search for the fewest stored bits that keep the demands.

From one word for all variables, a move takes a bit off one variable or off a group of them; the
best move saves the most bits for what it loses. Groups matter where variables are coupled: the
gates of an LSTM share one table only as long as their formats are equal, so that a bit off one of
them alone adds a table.

A move's gain is measured when it is at the head of the queue and taken if it still beats what the
others promised (lazy evaluation; Minoux 1978, "Accelerated greedy algorithms for maximizing
submodular set functions"). Moves that break a demand are tried again when nothing else is left.

Of the hundreds of designs that a search runs, it keeps those that the drawn samples happen to
favour, so the last ones promise more than they keep on other draws. A second judge with other
samples may refuse the best move: it chooses none, so its samples favour the result less.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from rnnhw.design.design import Design
from rnnhw.errors import DesignError
from rnnhw.numerics.binary_point import PointRule, placed_point
from rnnhw.numerics.cast import Q
from rnnhw.study.word_lengths.judge import Judge, Outcome
from rnnhw.study.word_lengths.rounding import Rounding, in_formats
from rnnhw.study.word_lengths.variables import Variable

__all__ = ["Choice", "Sensitivity", "Words", "search"]

Words = Mapping[str, int]
"""The bits of every variable by name."""

Progress = Callable[[int, int], None]

_WORDS = (8, 10, 12, 16)
"""Words for all variables that are tried, until one keeps the demands."""

_LOST_BY_NOTHING = 0.002
"""What is added to the loss of a move before bits are divided by it, so that moves that lose
nothing are ordered by their bits."""


@dataclass(frozen=True)
class Sensitivity:
    """One bit less for a variable of the result: the bits that it would save, and the figures;
    None where the formats make no network."""

    name: str
    saved: int
    outcome: Outcome | None


@dataclass(frozen=True)
class Choice:
    """The formats of the variables and what they give.

    ``outcome`` is that on the samples that chose, ``confirmed`` that on those that may refuse a
    move, where there are such. ``evaluations`` counts the designs that were run; ``finished`` tells
    whether the search ended by itself.
    """

    formats: Mapping[str, Q]
    outcome: Outcome
    evaluations: int
    finished: bool
    sensitivities: tuple[Sensitivity, ...] = ()
    confirmed: Outcome | None = None


_Outcomes = dict[tuple[int, ...], Outcome | None]
"""What designs gave, by the bits of their variables."""


class _BudgetOverError(Exception):
    """No evaluation is left."""


@dataclass
class _Space:
    """Designs with other words, each run once."""

    judge: Judge
    variables: Sequence[Variable]
    rule: PointRule
    budget: int
    progress: Progress | None
    second: Judge | None = None
    rounding: Rounding | None = None
    outcomes: _Outcomes = field(default_factory=dict)
    confirmations: _Outcomes = field(default_factory=dict)
    points: dict[tuple[str, int], Q] = field(default_factory=dict)

    def formats(self, words: Words) -> dict[str, Q]:
        """The formats of the variables at ``words``."""
        for variable in self.variables:
            key = variable.name, words[variable.name]
            if key not in self.points:
                self.points[key] = placed_point(
                    variable.format, key[1], variable.values, self.rule, variable.function
                )
        return {name: self.points[name, bits] for name, bits in words.items()}

    def design(self, words: Words) -> Design:
        return in_formats(self.judge.design, self.formats(words), self.rounding)

    def outcome(self, words: Words) -> Outcome | None:
        """What a design with ``words`` gives; None where it is none."""
        return self._outcome(self.judge, self.outcomes, words)

    def confirmation(self, words: Words) -> Outcome | None:
        """What a design with ``words`` gives on the samples that confirm; None without any."""
        if self.second is None:
            return None
        return self._outcome(self.second, self.confirmations, words)

    def confirmed(self, words: Words) -> bool:
        """Whether it keeps the demands there too; True where nothing confirms."""
        if self.second is None:
            return True
        outcome = self.confirmation(words)
        return outcome is not None and self.second.demands.met(outcome.figures)

    @property
    def ran(self) -> int:
        """The designs that were run, twice where they were confirmed."""
        return len(self.outcomes) + len(self.confirmations)

    def _outcome(self, judge: Judge, known: _Outcomes, words: Words) -> Outcome | None:
        key = tuple(words[variable.name] for variable in self.variables)
        if key not in known:
            if self.ran >= self.budget:
                raise _BudgetOverError
            known[key] = judge.outcome(self.design(words))
            if self.progress is not None:
                self.progress(self.ran, self.budget)
        return known[key]

    def kept(self, words: Words) -> Outcome | None:
        """The outcome where it keeps the demands."""
        outcome = self.outcome(words)
        return outcome if outcome is not None and self.judge.demands.met(outcome.figures) else None


def search(
    judge: Judge,
    variables: Sequence[Variable],
    *,
    rule: PointRule = "mse",
    evaluations: int = 500,
    progress: Progress | None = None,
    second: Judge | None = None,
    rounding: Rounding | None = None,
) -> Choice:
    """The formats of ``variables`` with the fewest stored bits found that keep the demands.

    Args:
        judge: runs designs and holds them against the demands.
        variables: what may change (:func:`variables_of`).
        rule: how binary points are placed.
        evaluations: the most designs that are run; one that ``second`` runs too counts twice.
        progress: called with the designs run and the most.
        second: may refuse a move, on other samples.
        rounding: rounds the weights for the formats of a design; None: to nearest.

    Raises:
        DesignError: no word of up to 16 bits for all variables keeps the demands.
    """
    space = _Space(judge, variables, rule, evaluations, progress, second, rounding)
    finished = True
    best: Words | None = None
    try:
        for words in _starts(space):
            for better in _descent(space, words):
                if best is None or _bits(space, better) < _bits(space, best):
                    best = better
    except _BudgetOverError:
        finished = False
    if best is None:
        raise DesignError(
            f"{judge.design.place}: the first {evaluations} designs do not keep the demands",
            "run more designs, or demand less",
        )
    outcome, confirmed = space.outcome(best), space.confirmation(best)
    assert outcome is not None
    ran = space.ran
    sensitivities = tuple(_sensitivities(space, best, outcome))
    return Choice(space.formats(best), outcome, ran, finished, sensitivities, confirmed)


def _bits(space: _Space, words: Words) -> int:
    outcome = space.outcome(words)
    assert outcome is not None
    return outcome.bits


def _starts(space: _Space) -> list[Words]:
    """One word for all that keeps the demands: the first of the list, and the narrowest below."""
    for word in _WORDS:
        uniform = {variable.name: variable.bits(word) for variable in space.variables}
        if space.kept(uniform) is not None and space.confirmed(uniform):
            break
    else:
        figures = space.confirmation(uniform) or space.outcome(uniform)
        said = "" if figures is None else f": {_shown(figures.figures)}"
        raise DesignError(
            f"{space.judge.design.place}: no word of up to {_WORDS[-1]} bits keeps the demands"
            f"{said}; in float {_shown(space.judge.float_figures())}",
            "demand less, or train again",
        )
    starts: list[Words] = [uniform]
    for bits in range(word - 1, 1, -1):
        narrower = {variable.name: variable.bits(bits) for variable in space.variables}
        try:
            if space.kept(narrower) is None or not space.confirmed(narrower):
                break
        except _BudgetOverError:
            break
        starts[1:] = [narrower]
    # The narrow start first: it is near the end, and a short budget reaches it.
    return starts[::-1]


def _shown(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _moves(variables: Sequence[Variable]) -> list[tuple[str, ...]]:
    """The names that lose a bit together: each variable, and those of one layer and role."""
    groups: dict[tuple[str, str], list[str]] = {}
    for variable in variables:
        groups.setdefault((variable.layer, variable.role), []).append(variable.name)
    singles = [(variable.name,) for variable in variables]
    return [*singles, *(tuple(group) for group in groups.values() if len(group) > 1)]


def _moved(space: _Space, words: Words, move: Sequence[str]) -> Words | None:
    """``words`` after a move; None where a variable has no bit to lose."""
    least = {variable.name: variable.least_bits for variable in space.variables}
    if any(words[name] <= least[name] for name in move):
        return None
    return {**words, **{name: words[name] - 1 for name in move}}


def _descent(space: _Space, words: Words) -> Iterator[Words]:
    """Better and better words, from ``words`` down."""
    yield words
    moves = _moves(space.variables)
    taken = True
    while taken:
        taken = False
        for better in _round(space, words, moves):
            words, taken = better, True
            yield words


def _round(space: _Space, words: Words, moves: Sequence[tuple[str, ...]]) -> Iterator[Words]:
    """The best moves one after another, until none that was feasible so far is left."""
    order = count()
    queue: list[tuple[float, int, tuple[str, ...], int]] = []
    step = 0
    for move in moves:
        queue.append((-float("inf"), next(order), move, -1))
    heapq.heapify(queue)
    while queue:
        _, _, move, measured = heapq.heappop(queue)
        after = _moved(space, words, move)
        if after is None:
            continue
        if measured == step:
            if not space.confirmed(after):
                continue
            words = after
            step += 1
            yield words
            heapq.heappush(queue, (-float("inf"), next(order), move, -1))
            continue
        gain = _gain(space, words, after)
        if gain is not None:
            heapq.heappush(queue, (-gain, next(order), move, step))


def _gain(space: _Space, before: Words, after: Words) -> float | None:
    """Bits saved for what is lost; None where nothing is saved or a demand is broken. A move that
    saves no bit and loses nothing may open the way for others and gains 0."""
    now, then = space.outcome(before), space.kept(after)
    assert now is not None
    if then is None:
        return None
    lost = space.judge.demands.worsening(now.figures, then.figures)
    saved = now.bits - then.bits
    if saved < 0 or (saved == 0 and lost > 0):
        return None
    return saved / (lost + _LOST_BY_NOTHING)


def _sensitivities(space: _Space, words: Words, outcome: Outcome) -> Iterator[Sensitivity]:
    """One bit less for each variable that has one to lose; the budget does not count here."""
    space.budget = space.ran + len(space.variables)
    for variable in space.variables:
        after = _moved(space, words, (variable.name,))
        if after is not None:
            then = space.outcome(after)
            yield Sensitivity(variable.name, 0 if then is None else outcome.bits - then.bits, then)
