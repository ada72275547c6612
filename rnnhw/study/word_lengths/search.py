"""The search for word lengths: starts, greedy descents from them, trades from where these end.

Of the hundreds of designs that a search runs, it keeps those that the drawn samples happen to
favour, so the last ones promise more than they keep on other draws. A second judge with other
samples may refuse the best move: it chooses none, so its samples favour the result less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rnnhw.errors import DesignError
from rnnhw.numerics.binary_point import PointRule
from rnnhw.numerics.cast import Q
from rnnhw.study.word_lengths.exchange import exchanges
from rnnhw.study.word_lengths.goal import BestFigure, FewestBits, Goal
from rnnhw.study.word_lengths.greedy import descent, moved, outcome_of
from rnnhw.study.word_lengths.judge import Judge, Outcome
from rnnhw.study.word_lengths.rounding import Rounding
from rnnhw.study.word_lengths.space import BudgetOverError, Progress, Space, Words
from rnnhw.study.word_lengths.variables import Variable

__all__ = ["Choice", "Sensitivity", "Words", "search"]

_WORDS = (8, 10, 12, 16)
"""Words for all variables that are tried, until one keeps the demands."""

_HIGHER_START = 2
"""Bits by which the second start of a search within some bits is wider than the first, at least;
from 8 bits speaker_tridiagonal reaches 17.7 dB within 2,988, from 6 bits 16.4."""


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
    move, where there are such. ``greedy`` and ``traded`` count the designs that the greedy search
    and the trades behind it ran; ``finished`` tells whether the search ended by itself.
    """

    formats: Mapping[str, Q]
    outcome: Outcome
    greedy: int
    traded: int
    finished: bool
    sensitivities: tuple[Sensitivity, ...] = ()
    confirmed: Outcome | None = None

    @property
    def evaluations(self) -> int:
        """All designs that were run."""
        return self.greedy + self.traded


def search(
    judge: Judge,
    variables: Sequence[Variable],
    *,
    goal: Goal | None = None,
    rule: PointRule = "mse",
    evaluations: int = 500,
    progress: Progress | None = None,
    second: Judge | None = None,
    rounding: Rounding | None = None,
) -> Choice:
    """The best formats of ``variables`` found that keep the demands.

    Args:
        judge: runs designs and holds them against the demands.
        variables: what may change (:func:`variables_of`).
        goal: what is best; None: the fewest stored bits.
        rule: how binary points are placed.
        evaluations: the most designs that are run; one that ``second`` runs too counts twice.
        progress: called with the designs run and the most.
        second: may refuse a move, on other samples.
        rounding: rounds the weights for the formats of a design; None: to nearest.

    Raises:
        DesignError: no word of up to 16 bits for all variables keeps the demands, or no words found
            that do store as few bits as the goal allows.
    """
    space = Space(judge, variables, rule, evaluations, progress, second, rounding)
    run = _Run(space, FewestBits(judge.demands) if goal is None else goal)
    run.search()
    best = run.result()
    outcome = outcome_of(space, best)
    traded = space.ran - run.greedy
    space.budget = space.ran + len(variables) + 1  # what is shown of the result is no search
    confirmed = space.confirmation(best)
    return Choice(
        space.formats(best),
        outcome,
        run.greedy,
        traded,
        run.finished,
        tuple(_sensitivities(space, best, outcome)),
        confirmed,
    )


class _Run:
    """One search: the best words so far, and the designs that its greedy part ran."""

    def __init__(self, space: Space, goal: Goal) -> None:
        self.space, self.goal = space, goal
        self.best: Words | None = None
        self.finished = True
        self.greedy = 0

    def search(self) -> None:
        """Descents from every start, then trades from the best end."""
        try:
            if isinstance(self.goal, BestFigure):
                widest, starts = _starts_within(self.space, self.goal.most)
            else:
                widest, starts = _starts(self.space)
            for words in starts:
                self._keep(descent(self.space, self.goal, words))
            self.greedy = self.space.ran
            self._fit(widest)
            self._keep(exchanges(self.space, self.goal, self._found, widest))
        except BudgetOverError:
            self.finished = False
            self.greedy = self.greedy or self.space.ran

    def result(self) -> Words:
        """The best words.

        Raises:
            DesignError: none were found.
        """
        place, budget = self.space.judge.design.place, self.space.budget
        if self.best is None:
            raise DesignError(
                f"{place}: the first {budget} designs do not keep the demands",
                "run more designs, or demand less",
            )
        if not self._fits(self.best):
            bits = outcome_of(self.space, self.best).bits
            raise DesignError(
                f"{place}: the fewest stored bits found that keep the demands are {bits:,}",
                f"--most-bits {bits}, or demand less"
                + ("" if self.finished else f", or run more than {budget} designs"),
            )
        return self.best

    @property
    def _found(self) -> Words:
        assert self.best is not None
        return self.best

    def _fit(self, widest: int) -> None:
        """Where demands keep descents from the bits that the goal allows, the fewest bits."""
        if self._fits(self._found):
            return
        fewest = FewestBits(self.space.judge.demands)
        self._keep(descent(self.space, fewest, self._found))
        self._keep(exchanges(self.space, fewest, self._found, widest))

    def _fits(self, words: Words) -> bool:
        goal = self.goal
        return isinstance(goal, FewestBits) or goal.reached(outcome_of(self.space, words).bits)

    def _keep(self, words: Iterator[Words]) -> None:
        for better in words:
            if self.best is None or self._rank(better) < self._rank(self.best):
                self.best = better

    def _rank(self, words: Words) -> tuple[float, ...]:
        return self.goal.rank(outcome_of(self.space, words))


def _starts(space: Space) -> tuple[int, list[Words]]:
    """One word for all that keeps the demands: the first of the list, and the narrowest below."""
    word = _first_kept(space, _WORDS)
    starts = [space.uniform(word)]
    for bits in range(word - 1, 1, -1):
        narrower = space.uniform(bits)
        try:
            if space.kept(narrower) is None or not space.confirmed(narrower):
                break
        except BudgetOverError:
            break
        starts[1:] = [narrower]
    # The narrow start first: it is near the end, and a short budget reaches it.
    return word, starts[::-1]


def _starts_within(space: Space, most: int) -> tuple[int, list[Words]]:
    """One word for all that keeps the demands and stores more than ``most`` bits, and a wider one;
    the widest word where that stores less.

    Raises:
        DesignError: the shortest words store more.
    """
    shortest = space.stored(space.uniform(1))
    if shortest is not None and shortest > most:
        raise DesignError(
            f"{space.judge.design.place}: no words store at most {most:,} bits: the shortest "
            f"store {shortest:,}",
            f"--most-bits {shortest} or more, or a smaller network",
        )
    last = _WORDS[-1]
    above = [word for word in range(2, last + 1) if (space.stored(space.uniform(word)) or 0) > most]
    word = _first_kept(space, above or [last])
    wider = min(max(word + _HIGHER_START, _WORDS[0]), last)
    return wider, [space.uniform(each) for each in dict.fromkeys((word, wider))]


def _first_kept(space: Space, words: Sequence[int]) -> int:
    """The first word for all variables that keeps the demands."""
    for word in words:
        uniform = space.uniform(word)
        if space.kept(uniform) is not None and space.confirmed(uniform):
            return word
    figures = space.confirmation(uniform) or space.outcome(uniform)
    said = "" if figures is None else f": {_shown(figures.figures)}"
    raise DesignError(
        f"{space.judge.design.place}: no word of up to {words[-1]} bits keeps the demands"
        f"{said}; in float {_shown(space.judge.float_figures())}",
        "demand less, or train again",
    )


def _shown(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _sensitivities(space: Space, words: Words, outcome: Outcome) -> Iterator[Sensitivity]:
    """One bit less for each variable that has one to lose."""
    narrower = [moved(space, words, (variable.name,)) for variable in space.variables]
    space.expect(filter(None, narrower))
    for variable, after in zip(space.variables, narrower, strict=True):
        if after is not None:
            then = space.outcome(after)
            yield Sensitivity(variable.name, 0 if then is None else outcome.bits - then.bits, then)
