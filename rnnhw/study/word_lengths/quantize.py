"""From a trained network to word lengths: chosen on one set of samples, judged once on another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.storage import stored_bits
from rnnhw.design.demands import Check, check_names
from rnnhw.design.demands import judge as judge_figures
from rnnhw.design.design import Design, load
from rnnhw.design.tasks import Samples
from rnnhw.design.tasks.recordings import Recorded
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.execution.reference import Reference, run_reference
from rnnhw.execution.simulate import Simulation, chosen_samples, simulate
from rnnhw.execution.verify import both_scores, both_unjudged
from rnnhw.numerics.binary_point import PointRule
from rnnhw.numerics.cast import Q
from rnnhw.study.word_lengths.goal import BestFigure, FewestBits, Goal, objective_named
from rnnhw.study.word_lengths.judge import Demands, Judge, float_figures
from rnnhw.study.word_lengths.rounding import Rounding, in_formats, rounding_of
from rnnhw.study.word_lengths.search import Choice, search
from rnnhw.study.word_lengths.variables import Variable, variables_of

__all__ = ["ROUNDINGS", "Quantized", "WeightRounding", "quantize"]

FloatArray = NDArray[np.float64]

WeightRounding = Literal["nearest", "compensated"]

ROUNDINGS: tuple[str, ...] = get_args(WeightRounding)
"""How weights are rounded, as ``--rounding`` names it."""

_CHOSEN = 4_096
"""Samples of a generated task that choose; the rest judges."""

_MOST_EXPONENT_BITS = 5
"""Five bits hold the longest shift."""

_OBJECTIVE = "snr_db"
"""The figure to make best where none is named: it tells designs apart whose decisions are equal."""

_ALL_SAMPLES = "all samples of the task"

_COPIES = 3
"""Noisy copies of every sequence."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """A design with chosen word lengths, beside the design before the search.

    ``choice`` holds the formats and what they give on ``samples``, which chose; ``before`` and
    ``after`` ran on the samples that judge, once, when everything was chosen, and ``reference`` is
    the float reference there. ``chosen_on`` names the samples that chose,
    ``judged_on`` those that judge. ``rounding`` rounds weights by the error of their sums; None:
    they are rounded to nearest.
    """

    design: Design
    variables: tuple[Variable, ...]
    choice: Choice
    before: Simulation
    after: Simulation
    float_figures: Mapping[str, float]
    reference: Reference
    demands: Demands
    goal: Goal
    samples: Samples
    chosen_on: str
    judged_on: str
    scale_exponent: Q | None = None
    rounding: Rounding | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of the figures that decided: the demanded ones, and the one to be best."""
        names = [*self.demands.minimum, *self.demands.maximum]
        if isinstance(self.goal, BestFigure):
            names.append(self.goal.objective.name)
        return tuple(dict.fromkeys(names))

    @cached_property
    def missed(self) -> tuple[Check, ...]:
        """What the task requires of scores and outputs, and the chosen design does not reach on
        the samples that judge."""
        task, score, samples = self.design.task, self.after.score, self.after.samples
        if task is None or score is None:
            return ()
        of_float = task.score(self.reference.outputs, self.reference.lengths, samples)
        figures = self.judged_after | both_scores(score, of_float)
        floors, ceilings = (
            {name: bound for name, bound in bounds.items() if name in figures}
            for bounds in (task.require, task.limit)
        )
        checks = judge_figures(figures, floors, ceilings, both_unjudged(score, of_float))
        return tuple(check for check in checks if not check.passed)

    @cached_property
    def rounded_weights(self) -> Mapping[str, FloatArray]:
        """The numbers that tensors store where they are not the nearest to the weights; none where
        all are."""
        return {} if self.rounding is None else self.rounding.weights(self.formats)

    @property
    def chosen(self) -> Design:
        """The design in the chosen formats, with weights rounded for them."""
        return in_formats(self.design, self.changes, self.rounding)

    @property
    def formats(self) -> Mapping[str, Q]:
        """The chosen formats by signal and tensor."""
        return self.choice.formats

    @property
    def changes(self) -> dict[str, Q]:
        """The arguments with which :meth:`Design.with_formats` gives the chosen design: the formats
        of signals and tensors, and that of the exponents where rows of weights got scales."""
        own = {} if self.scale_exponent is None else {"scale_exponent": self.scale_exponent}
        return {**own, **self.formats}

    @property
    def stored_before(self) -> dict[str, int]:
        """Stored bits by kind of the design as it was."""
        return stored_bits(self.design.network)

    @cached_property
    def judged_before(self) -> dict[str, float]:
        """The figures of the design as it was, on the samples that judge."""
        return _figures(self.before, self.reference)

    @cached_property
    def judged_after(self) -> dict[str, float]:
        """The figures of the chosen design there."""
        return _figures(self.after, self.reference)


def quantize(
    design: Design | str | Path,
    *,
    data: str | Path | None = None,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    choose_on: str | Path = "train",
    choose_on_test: bool = False,
    noise: float = 0.0,
    margin: float = 0.0,
    rule: PointRule = "mse",
    evaluations: int = 500,
    row_scales: int = 0,
    rounding: WeightRounding = "nearest",
    most_bits: int | None = None,
    objective: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Quantized:
    """Choose a word length and a binary point for the input, every tensor and every signal.

    Args:
        design: with weights, or the path of its file.
        data: an ``.npz`` of samples that judge in place of the task's.
        minimum: the least value of named figures on the samples that choose; by default what the
            task requires.
        maximum: the greatest value, likewise.
        choose_on: a split of the task's data (``train``, ``val``), or an ``.npz`` of samples, which
            a design without a task needs. Of a task that draws its samples, ``train`` is 4,096 of
            them.
        choose_on_test: allow the samples that judge, on which the figures then promise nothing.
        noise: choose on three copies of every sequence with normal noise of this standard
            deviation, relative to that of the feature; three other copies may refuse what the
            search takes.
        margin: added to the least values and taken from the greatest while choosing.
        rule: how binary points are placed: ``mse``, ``range`` or ``percentile``.
        evaluations: the most designs that are run.
        row_scales: bits of an exponent for every row of weights. The search then runs twice, with
            half of the evaluations a run, and keeps scales that are better; 0: none.
        rounding: ``nearest`` rounds every weight by itself, ``compensated`` the weights of a sum
            together, so that the sum's error on the samples that choose is small.
        most_bits: instead of the fewest stored bits, the best ``objective`` within so many. Then
            ``minimum`` and ``maximum`` are the only demands.
        objective: the figure to make best; ``snr_db`` by default.
        progress: called with the designs run and the most.

    Raises:
        DesignError: the design is wrong, or no words keep the demands within ``most_bits``.
        UsageError: a figure, a split or a number is not possible.
    """
    if not isinstance(design, Design):
        design = load(design)
    if evaluations < 1:
        raise UsageError(f"evaluations={evaluations}", "give at least 1")
    if not 0 <= row_scales <= _MOST_EXPONENT_BITS:
        raise UsageError(f"row_scales={row_scales}", f"give bits of 0 to {_MOST_EXPONENT_BITS}")
    if rounding not in ROUNDINGS:
        raise UsageError(f"unknown rounding {rounding!r}", f"known: {', '.join(ROUNDINGS)}")
    if not 0 <= noise < np.inf:
        raise UsageError(f"noise={noise}", "give a number from 0")
    demands = _demands(design, minimum, maximum, margin, required=most_bits is None)
    goal = _goal(demands, most_bits, objective)
    sets = _sets(design, data, choose_on, choose_on_test)
    if noise:
        sets = replace(
            sets,
            choosing=_noisy(sets.choosing, noise, seed=0),
            confirming=_noisy(sets.choosing, noise, seed=1),
            chosen_on=f"{_COPIES} copies of {sets.chosen_on} with noise of {noise:g}",
        )
    exponents = [None, *([Q(row_scales, 0, signed=False)] if row_scales else [])]
    found: list[tuple[Q | None, Judge, tuple[Variable, ...], Rounding | None, Choice]] = []
    # A rounding of the design's weights belongs to the formats that it has now.
    trained = design.with_rounded_weights(None)
    for number, exponent in enumerate(exponents):
        each = trained if exponent is None else trained.with_formats({"scale_exponent": exponent})
        judge = Judge(each, sets.choosing, demands)
        if isinstance(goal, BestFigure):
            check_names(judge.known, {goal.objective.name: 0.0})
        second = None if sets.confirming is None else Judge(each, sets.confirming, demands)
        variables = variables_of(each, sets.choosing)
        budget = evaluations // len(exponents)
        shown = progress and partial(_advance, progress, number * budget, evaluations)
        rounds = None if rounding == "nearest" else rounding_of(each, sets.choosing)
        choice = search(
            judge,
            variables,
            goal=goal,
            rule=rule,
            evaluations=budget,
            progress=shown,
            second=second,
            rounding=rounds,
        )
        found.append((exponent, judge, variables, rounds, choice))
    best = min(found, key=lambda each: goal.rank(each[-1].outcome))
    exponent, judge, variables, rounds, choice = best
    choice = replace(
        choice,
        greedy=sum(each[-1].greedy for each in found),
        traded=sum(each[-1].traded for each in found),
    )
    changes = dict(choice.formats) | ({} if exponent is None else {"scale_exponent": exponent})
    return Quantized(
        design,
        variables,
        choice,
        before=simulate(design, samples=sets.judging),
        after=simulate(in_formats(design, changes, rounds), samples=sets.judging),
        float_figures=judge.float_figures(),
        reference=run_reference(
            design.network, design.parameters, sets.judging.x, sets.judging.lengths
        ),
        demands=demands,
        goal=goal,
        samples=sets.choosing,
        chosen_on=sets.chosen_on,
        judged_on=sets.judged_on,
        scale_exponent=exponent,
        rounding=rounds,
    )


def _demands(
    design: Design,
    minimum: Mapping[str, float] | None,
    maximum: Mapping[str, float] | None,
    margin: float,
    *,
    required: bool,
) -> Demands:
    """The bounds with the margin; without any, and ``required``, what the task requires."""
    floors, ceilings = dict(minimum or {}), dict(maximum or {})
    if required and not (floors or ceilings):
        floors = dict(design.task.require) if design.task is not None else {}
        if not floors:
            raise UsageError(
                "nothing is demanded, so the shortest words would do",
                "give --min accuracy=0.965, --min agreement=0.99, --max rms=0.02 or --most-bits",
            )
    return Demands(
        {name: bound + margin for name, bound in floors.items()},
        {name: bound - margin for name, bound in ceilings.items()},
    )


def _goal(demands: Demands, most_bits: int | None, objective: str | None) -> Goal:
    if most_bits is None:
        if objective is not None:
            raise UsageError(
                f"objective {objective!r}: the fewest stored bits are searched",
                "give --most-bits too, or demand it by --min or --max",
            )
        return FewestBits(demands)
    if most_bits < 1:
        raise UsageError(f"most_bits={most_bits}", "give at least 1")
    return BestFigure(objective_named(objective or _OBJECTIVE), most_bits)


def _figures(run: Simulation, reference: Reference) -> dict[str, float]:
    score = {} if run.score is None else run.score.figures()
    return {**score, **float_figures(run, reference)}


def _advance(
    progress: Callable[[int, int], None], before: int, most: int, done: int, _most: int
) -> None:
    """The progress of one search of several."""
    progress(before + done, most)


@dataclass(frozen=True)
class _Sets:
    """Samples that choose, those that may refuse what the search takes, those that judge."""

    choosing: Samples
    chosen_on: str
    judging: Samples
    judged_on: str
    confirming: Samples | None = None


def _sets(
    design: Design, data: str | Path | None, choose_on: str | Path, choose_on_test: bool
) -> _Sets:
    judging, judged_on = _judging(design, None if data is None else Path(data))
    if Path(choose_on).suffix:
        file = Path(choose_on)
        if data is not None and file.exists() and file.samefile(data):
            _refuse_to_choose_on(file.name, choose_on_test)
        choosing = chosen_samples(design, file)
        if judging is None:
            return _Sets(choosing, file.name, choosing, f"{file.name}, which chose")
        return _Sets(choosing, file.name, judging, judged_on)
    task = design.task
    if task is None or judging is None:
        raise DesignError(
            f"{design.place}: the design has no task, so there is no split {str(choose_on)!r}",
            "--choose-on FILE.npz chooses, --data OTHER.npz judges; or give Design(task=...)",
        )
    if isinstance(task, Recorded):
        if choose_on == task.split and data is None:
            _refuse_to_choose_on(task.split, choose_on_test)
        try:
            choosing = replace(task, split=str(choose_on)).samples()
        except RnnhwError as error:
            raise error.at(design.place) from None
        return _Sets(choosing, str(choose_on), judging, judged_on)
    if choose_on != "train":
        raise UsageError(
            f"{design.place}: the task draws its samples and has no split {str(choose_on)!r}",
            "choose on train, which is a part of them, or on an .npz file",
        )
    drawn = judging if data is None else chosen_samples(design, None)
    count = len(drawn.lengths)
    few = np.sort(np.random.default_rng(0).permutation(count)[:_CHOSEN])
    name = f"{len(few):,} of the task's {count:,} samples"
    return _Sets(drawn.selected(few), name, judging, judged_on)


def _judging(design: Design, data: Path | None) -> tuple[Samples | None, str]:
    """The samples that judge and their name; None where there are neither data nor a task."""
    if data is None and design.task is None:
        return None, ""
    samples = chosen_samples(design, data)
    if data is not None:
        return samples, data.name
    return samples, design.task.split if isinstance(design.task, Recorded) else _ALL_SAMPLES


def _refuse_to_choose_on(name: str, allowed: bool) -> None:
    if not allowed:
        raise UsageError(
            f"choosing on {name}, which judges, says nothing about other samples",
            "choose on train, val or another file, or insist with --choose-on-test",
        )


def _noisy(samples: Samples, deviation: float, *, seed: int) -> Samples:
    """Three copies with normal noise, in units of every feature's standard deviation."""
    every = np.tile(np.arange(len(samples.lengths)), _COPIES)
    copies = samples.selected(every)
    valid = (np.arange(copies.x.shape[1]) < copies.lengths[:, None])[:, :, None]
    real = samples.x[np.arange(samples.x.shape[1]) < samples.lengths[:, None]]
    drawn = np.random.default_rng(seed).normal(size=copies.x.shape)
    return replace(copies, x=np.where(valid, copies.x + deviation * real.std(0) * drawn, 0.0))
