"""Points of a grid that Optuna's samplers draw, for grids too large to measure whole.

The parent alone asks and tells, in batches of one size, and always from the first trial on: a
sweep that goes on from its log asks the same questions and gets the answers from the log. So the
points are those of a sweep that was never interrupted, whatever ran them. (A sampler that is
resumed from Optuna's own storage draws others: its state is not stored.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rnnhw.study.sweep.front import Objective
from rnnhw.study.sweep.point import Measured, Point
from rnnhw.study.sweep.storage import optuna_module

__all__ = ["SAMPLERS", "drawn_points"]

SAMPLERS = ("random", "nsga2", "tpe")

_BATCH = 16
"""Trials that are asked for before their results are told. TPE's draws depend on it."""


def drawn_points(
    points: Sequence[Point],
    shape: Mapping[str, int],
    objectives: Sequence[Objective],
    sampler: str,
    trials: int,
    seed: int,
    measured: Callable[[Sequence[Point]], Sequence[Measured]],
) -> list[Point]:
    """The points of ``trials`` draws in the order of the draws, without repetitions.

    Args:
        points: the whole grid, the last axis fastest.
        shape: the axes of the grid with their lengths.
        objectives: what the sampler learns from.
        sampler: one of :data:`SAMPLERS`.
        trials: the number of draws; the same point may be drawn again.
        seed: of the sampler.
        measured: gives the results of points.

    Raises:
        UsageError: Optuna is not installed.
    """
    optuna = optuna_module(f"--sampler {sampler}")
    study = optuna.create_study(
        directions=["maximize"] * len(objectives), sampler=_sampler(optuna, sampler, seed)
    )
    axes = {
        name: optuna.distributions.IntDistribution(0, length - 1) for name, length in shape.items()
    }
    drawn: dict[str, Point] = {}
    for first in range(0, trials, _BATCH):
        asked = [study.ask(axes) for _ in range(min(_BATCH, trials - first))]
        batch = [points[_place(shape, trial.params)] for trial in asked]
        drawn.update({point.key: point for point in batch})
        for trial, found in zip(asked, measured(batch), strict=True):
            worth = [objective.worth(found.figures) for objective in objectives]
            if None in worth or not all(math.isfinite(each) for each in worth):  # type: ignore[arg-type]
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, worth)
    return list(drawn.values())


def _place(shape: Mapping[str, int], chosen: Mapping[str, int]) -> int:
    place = 0
    for name, length in shape.items():
        place = place * length + chosen[name]
    return place


def _sampler(optuna: Any, name: str, seed: int) -> Any:
    kinds: dict[str, Callable[[], Any]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=_BATCH),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
    }
    return kinds[name]()
