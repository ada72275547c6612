"""A sweep: designs and values in a grid, or drawn by a sampler; measured; the front."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rnnhw.design.design import Design
from rnnhw.errors import UsageError, unknown_name
from rnnhw.study.sweep.cluster import cluster_points
from rnnhw.study.sweep.front import Objective, front, objective_of
from rnnhw.study.sweep.log import open_log
from rnnhw.study.sweep.point import Lanes, Measured, Point, Question, points_of
from rnnhw.study.sweep.sampling import SAMPLERS, drawn_points
from rnnhw.study.sweep.storage import StoredTrials
from rnnhw.study.sweep.workers import measured_points

__all__ = ["DEFAULT_OBJECTIVES", "Sweep", "sweep"]

DEFAULT_OBJECTIVES = ("accuracy", "stored_bits")


@dataclass(frozen=True, eq=False)
class Sweep:
    """Points in the order of the grid or of the draws, and what was measured of them."""

    varied: tuple[str, ...]
    objectives: tuple[Objective, ...]
    question: Question
    points: tuple[Point, ...]
    results: tuple[Measured, ...]

    @cached_property
    def front(self) -> tuple[int, ...]:
        """The indices of the points that no other beats in every objective."""
        return tuple(front([result.figures for result in self.results], self.objectives))

    @property
    def failed(self) -> tuple[int, ...]:
        """The indices of the points that cannot be."""
        return tuple(index for index, each in enumerate(self.results) if each.error)

    @cached_property
    def _best(self) -> dict[Objective, float | None]:
        """The best worth of every objective; None where no point has it."""
        best = {}
        for objective in self.objectives:
            worths = [objective.worth(result.figures) for result in self.results]
            best[objective] = max((worth for worth in worths if worth is not None), default=None)
        return best

    def reaches_best(self, index: int, objective: Objective) -> bool:
        """Whether the interval of a point's figure reaches the best value of the sweep: so many
        samples do not tell the two apart."""
        best = self._best[objective]
        end = "high" if objective.sense == "more" else "low"
        value = self.results[index].figures.get(f"{objective.name}_interval_95_{end}")
        worth = objective.worth({objective.name: value})
        return best is not None and worth is not None and worth >= best


def sweep(
    designs: str | Path | Sequence[str | Path],
    vary: Mapping[str, Sequence[Any]] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    profile: str | Path | None = None,
    clock_mhz: float | None = None,
    lanes: Lanes = None,
    sampler: str = "grid",
    trials: int = 100,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    log: str | Path | None = None,
    optuna_storage: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    loaded: Callable[[Design], None] | None = None,
) -> Sweep:
    """Measure designs over varied parameters, and find those that no other beats.

    Args:
        designs: design files, or one.
        vary: the values of parameters of all designs; text is read as the type of the default.
        settings: parameters of all designs that do not vary.
        objectives: names of figures, as JSON has them, with ``:more`` or ``:less`` where the
            figure is a score of your own.
        profile: the profile of all designs; by default each design's target.
        clock_mhz: one clock, as :func:`rnnhw.estimate` takes it.
        lanes: likewise.
        sampler: ``grid`` measures every combination; ``random``, ``nsga2`` and ``tpe`` draw
            ``trials`` of them with Optuna.
        seed: of the sampler.
        workers: processes; by default one a core. No figure depends on it.
        scheduler: the address of a Dask cluster, which then measures instead.
        log: a file that holds what is finished; a sweep that was killed goes on from it.
        optuna_storage: a URL such as ``sqlite:///sweep.db``, or the path of a journal file, where
            every finished point becomes a trial for Optuna's dashboard.
        progress: called with the points that are finished and their number.
        loaded: called with the design of every point when nothing has run.

    Raises:
        DesignError: a design is wrong, or the log is none.
        UsageError: a parameter, an objective or a sampler is unknown.
    """
    files = [designs] if isinstance(designs, str | Path) else list(designs)
    target = None if profile is None else str(profile)
    question = Question(dict(settings or {}), target, clock_mhz, lanes)
    wanted = tuple(objective_of(text) for text in objectives)
    if len(wanted) < 1 or len({each.name for each in wanted}) < len(wanted):
        raise UsageError("objectives must be different figures", "name each once")
    if sampler not in ("grid", *SAMPLERS):
        raise UsageError(*unknown_name("sampler", sampler, ["grid", *SAMPLERS]))
    if trials < 1:
        raise UsageError(f"trials={trials}", "give at least 1")
    if workers is not None and workers < 1:
        raise UsageError(f"workers={workers}", "give at least 1")
    count = workers or os.cpu_count() or 1
    varied = dict(vary or {})
    points = tuple(points_of(files, varied, question, loaded))
    if not points:
        raise UsageError("nothing to measure", "name a design file, and values to vary")

    def measuring(some: Sequence[Point], asked: Question) -> Iterator[tuple[Point, Measured]]:
        if scheduler is not None:
            return cluster_points(some, asked, scheduler)
        return measured_points(some, asked, count)

    trials_there: StoredTrials | None = None
    if optuna_storage is not None:
        trials_there = StoredTrials(optuna_storage, points, varied, wanted)
    whole = len(points) if sampler == "grid" else min(trials, len(points))
    with open_log(None if log is None else Path(log)) as book:
        done = sum(each.key in book.known for each in points)

        def measured(some: Sequence[Point]) -> list[Measured]:
            nonlocal done
            unknown = {each.key: each for each in some if each.key not in book.known}
            for point, found in measuring(list(unknown.values()), question):
                book.add(point, found)
                done += 1
                if trials_there is not None:
                    trials_there.add(point, found)
                if progress is not None:
                    progress(done, whole)
            if trials_there is not None:  # those of the log
                for each in some:
                    trials_there.add(each, book.known[each.key])
            return [book.known[each.key] for each in some]

        if sampler != "grid":
            shape = {
                "design": len(files),
                **{f"={name}": len(each) for name, each in varied.items()},
            }
            points = tuple(drawn_points(points, shape, wanted, sampler, trials, seed, measured))
        results = tuple(measured(points))
    _check_objectives(wanted, results)
    return Sweep(tuple(varied), wanted, question, points, results)


def _check_objectives(objectives: Sequence[Objective], results: Sequence[Measured]) -> None:
    """Refuse an objective that no point has."""
    known = sorted({name for result in results for name in result.figures})
    for objective in objectives:
        if known and objective.name not in known:
            raise UsageError(*unknown_name("objective", objective.name, known))
