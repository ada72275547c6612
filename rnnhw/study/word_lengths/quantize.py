"""From a trained network to word lengths: chosen on one set of samples, judged once on another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from rnnhw.analysis.storage import stored_bits
from rnnhw.design.design import Design, load
from rnnhw.design.tasks import Samples, load_samples
from rnnhw.design.tasks.recordings import Recorded
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.execution.simulate import Simulation, simulate
from rnnhw.numerics.binary_point import PointRule
from rnnhw.numerics.cast import Q
from rnnhw.study.word_lengths.judge import Demands, Judge
from rnnhw.study.word_lengths.search import Choice, search
from rnnhw.study.word_lengths.variables import Variable, variables_of

__all__ = ["Quantized", "quantize"]

_CHOSEN = 4_096
"""Samples of a generated task that choose; the rest judges."""

_MOST_EXPONENT_BITS = 5
"""Five bits hold the longest shift."""

_COPIES = 3
"""Noisy copies of every sequence."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """A design with chosen word lengths, beside the one that it was made from.

    ``choice`` holds the formats and what they give on ``samples``, which chose; ``before`` and
    ``after`` ran on the samples that judge, once, when everything was chosen. ``chosen_on`` names
    the samples that chose, ``judged_on`` those that judge.
    """

    design: Design
    variables: tuple[Variable, ...]
    choice: Choice
    before: Simulation
    after: Simulation
    float_figures: Mapping[str, float]
    demands: Demands
    samples: Samples
    chosen_on: str
    judged_on: str
    scale_exponent: Q | None = None

    @property
    def formats(self) -> Mapping[str, Q]:
        """The chosen formats by signal and tensor."""
        return self.choice.formats

    @property
    def changes(self) -> dict[str, Q]:
        """What :meth:`Design.with_formats` makes the chosen design of: the formats, and that of the
        exponents where rows of weights have scales of their own now."""
        own = {} if self.scale_exponent is None else {"scale_exponent": self.scale_exponent}
        return {**own, **self.formats}

    @property
    def stored_before(self) -> dict[str, int]:
        """Stored bits by kind of the design as it was."""
        return stored_bits(self.design.network)


def quantize(
    design: Design | str | Path,
    *,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    choose_on: str | Path = "train",
    choose_on_test: bool = False,
    noise: float = 0.0,
    margin: float = 0.0,
    rule: PointRule = "mse",
    evaluations: int = 500,
    row_scales: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Quantized:
    """Choose a word length and a binary point for the input, every tensor and every signal.

    Args:
        design: with weights and a task, or the path of its file.
        minimum: the least value of named figures on the samples that choose; by default what the
            task requires.
        maximum: the greatest value, likewise.
        choose_on: a split of the task's data (``train``, ``val``), or an ``.npz`` of samples. Of a
            task that draws its samples, ``train`` is 4,096 of them.
        choose_on_test: allow ``test``, on which the figures then promise nothing.
        noise: choose on three copies of every sequence with normal noise of this standard
            deviation, in units of each feature's own.
        margin: added to the least values and taken from the greatest while choosing.
        rule: how binary points are placed: ``mse``, ``range`` or ``percentile``.
        evaluations: the most designs that are run.
        row_scales: bits of an exponent for every row of weights. The search then runs twice, with
            half of the designs each, and rows have scales where that stores fewer bits; 0: none.
        progress: called with the designs run and the most.

    Raises:
        DesignError: the design is wrong, has no task, or no words keep the demands.
        UsageError: a figure, a split or a number is not possible.
    """
    if not isinstance(design, Design):
        design = load(design)
    if design.task is None:
        raise DesignError(f"{design.place}: the design has no task", "give Design(task=...)")
    if evaluations < 1:
        raise UsageError(f"evaluations={evaluations}", "give at least 1")
    if not 0 <= row_scales <= _MOST_EXPONENT_BITS:
        raise UsageError(f"row_scales={row_scales}", f"give bits of 0 to {_MOST_EXPONENT_BITS}")
    if not 0 <= noise < np.inf:
        raise UsageError(f"noise={noise}", "give a number from 0")
    floors = dict(design.task.require if not (minimum or maximum) else minimum or {})
    demands = Demands(
        {name: bound + margin for name, bound in floors.items()},
        {name: bound - margin for name, bound in (maximum or {}).items()},
    )
    chosen, judging, name = _samples(design, choose_on, choose_on_test)
    if noise:
        chosen = _noisy(chosen, noise)
        name = f"{_COPIES} copies of {name} with noise of {noise:g}"
    exponents = [None, *([Q(row_scales, 0, signed=False)] if row_scales else [])]
    found: list[tuple[Q | None, Judge, tuple[Variable, ...], Choice]] = []
    for number, exponent in enumerate(exponents):
        each = design if exponent is None else design.with_formats({"scale_exponent": exponent})
        judge = Judge(each, chosen, demands)
        variables = variables_of(each, chosen)
        budget = evaluations // len(exponents)
        shown = progress and partial(_advance, progress, number * budget, evaluations)
        choice = search(judge, variables, rule=rule, evaluations=budget, progress=shown)
        found.append((exponent, judge, variables, choice))
    exponent, judge, variables, choice = min(found, key=lambda each: each[-1].outcome.bits)
    choice = replace(choice, evaluations=sum(each[-1].evaluations for each in found))
    changes = dict(choice.formats) | ({} if exponent is None else {"scale_exponent": exponent})
    return Quantized(
        design,
        variables,
        choice,
        before=simulate(design, samples=judging),
        after=simulate(design.with_formats(changes), samples=judging),
        float_figures=judge.float_figures(),
        demands=demands,
        samples=chosen,
        chosen_on=name,
        judged_on=_judging_name(design),
        scale_exponent=exponent,
    )


def _advance(
    progress: Callable[[int, int], None], before: int, most: int, done: int, _most: int
) -> None:
    """The progress of one search of several."""
    progress(before + done, most)


def _judging_name(design: Design) -> str:
    return design.task.split if isinstance(design.task, Recorded) else "all samples of the task"


def _samples(
    design: Design, choose_on: str | Path, choose_on_test: bool
) -> tuple[Samples, Samples, str]:
    """The samples that choose, those that judge, and the name of the first."""
    task = design.task
    assert task is not None
    try:
        judging = task.samples()
        if Path(choose_on).suffix:
            file = Path(choose_on)
            given = load_samples(
                file,
                real_answers=task.real_answers,
                features=design.inputs,
                outputs=design.output_names,
            )
            return task.prepared(given), judging, file.name
        if isinstance(task, Recorded):
            if choose_on == task.split and not choose_on_test:
                raise UsageError(
                    f"choosing on {task.split}, which judges, says nothing about other samples",
                    "choose on train or val, or insist with --choose-on-test",
                )
            return replace(task, split=str(choose_on)).samples(), judging, str(choose_on)
    except RnnhwError as error:
        raise error.at(design.place) from None
    if choose_on != "train":
        raise UsageError(
            f"{design.place}: the task draws its samples and has no split {str(choose_on)!r}",
            "choose on train, which is a part of them, or on an .npz file",
        )
    count = len(judging.lengths)
    few = np.sort(np.random.default_rng(0).permutation(count)[:_CHOSEN])
    name = f"{len(few):,} of the task's {count:,} samples"
    return judging.selected(few), judging, name


def _noisy(samples: Samples, deviation: float) -> Samples:
    """Three copies with normal noise, in units of every feature's standard deviation."""
    every = np.tile(np.arange(len(samples.lengths)), _COPIES)
    copies = samples.selected(every)
    valid = (np.arange(copies.x.shape[1]) < copies.lengths[:, None])[:, :, None]
    real = samples.x[np.arange(samples.x.shape[1]) < samples.lengths[:, None]]
    drawn = np.random.default_rng(0).normal(size=copies.x.shape)
    return replace(copies, x=np.where(valid, copies.x + deviation * real.std(0) * drawn, 0.0))
