"""One design with one combination of values, and what is measured of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from rnnhw.analysis.storage import stored_bits
from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure import Bound
from rnnhw.cost.model import report_figures
from rnnhw.design.design import Design, load
from rnnhw.design.tasks import Samples, Task
from rnnhw.design.tasks.recordings import Recorded
from rnnhw.errors import RnnhwError, UsageError
from rnnhw.execution.simulate import simulate
from rnnhw.profiles import profile_files
from rnnhw.version import __version__

__all__ = ["Measured", "Point", "Question", "Recordings", "measure", "points_of"]

Lanes = int | Literal["auto"] | None


@dataclass(frozen=True)
class Question:
    """What is asked of every point: the hardware of :func:`rnnhw.estimate`, and parameters that
    all designs have."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    profile: str | None = None
    clock_mhz: float | None = None
    lanes: Lanes = None


@dataclass(frozen=True)
class Point:
    """A design file and the values of the varied parameters, as the design's types.

    ``key`` is a digest of everything that its figures depend on: the text of the design and of
    the files that it reads, all parameters, the question and the version of rnnhw.
    """

    file: str
    values: Mapping[str, Any]
    key: str

    @property
    def label(self) -> str:
        """The design's name and the values."""
        values = (f"{name}={value}" for name, value in self.values.items())
        return " ".join((Path(self.file).stem, *values))


@dataclass(frozen=True)
class Measured:
    """The figures of a point by the names that JSON has; ``bounds`` tell ``at least`` or ``at
    most`` where a figure is only that. ``error`` is why there are none, ``unjudged`` by name why a
    figure says nothing, as an accuracy where all outputs are equal."""

    key: str
    figures: Mapping[str, float | None] = field(default_factory=dict)
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    error: str = ""
    unjudged: Mapping[str, str] = field(default_factory=dict)


def points_of(
    files: Sequence[str | Path],
    vary: Mapping[str, Sequence[Any]],
    question: Question,
    loaded: Callable[[Design], None] | None = None,
) -> Iterator[Point]:
    """Every design with every combination of values, the last parameter fastest; each design is
    handed to ``loaded``.

    Raises:
        DesignError: a design is wrong.
        UsageError: a parameter is unknown, set and varied, or a point comes twice.
    """
    for name in vary:
        if name in question.settings:
            raise UsageError(f"{name} is both set and varied", "leave out one of the two")
    digests: dict[Path, str] = {}
    seen: dict[str, str] = {}
    for file in files:
        for values in product(*vary.values()):
            chosen = {**question.settings, **dict(zip(vary, values, strict=True))}
            design = load(file, chosen)
            if loaded is not None:
                loaded(design)
            point = Point(
                str(file),
                {name: design.settings[name] for name in vary},
                _key(design, question, digests),
            )
            if point.key in seen:
                raise UsageError(
                    f"{point.label} comes twice", "name each design and each value once"
                )
            seen[point.key] = point.label
            yield point


def _key(design: Design, question: Question, digests: dict[Path, str]) -> str:
    target = question.profile or (design.target.profile if design.target else None)
    read = [*design.files, *([] if target is None else profile_files(target))]
    for file in read:
        if file not in digests:
            # What is not there is told when the point is measured.
            content = file.read_bytes() if file.is_file() else b""
            digests[file] = hashlib.sha256(content).hexdigest()
    told = [
        __version__,
        [(file.name, digests[file]) for file in read],
        {name: repr(value) for name, value in design.settings.items()},
        [question.profile and Path(question.profile).name, question.clock_mhz, question.lanes],
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


class Recordings:
    """The data file of the last point, read and checked: points that differ in formats have the
    same. To read it again took a tenth of the time of 60 points."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._samples: Samples | None = None

    def shared_with(self, design: Design) -> tuple[Design, Samples | None]:
        """The design with the task that is known where it has an equal one, and its samples."""
        if self._task is None or design.task != self._task:
            return design, None
        return replace(design, task=self._task), self._samples

    def keep(self, design: Design, samples: Samples) -> None:
        """Remember the samples of a design that was run, where they come from a file."""
        task: object = design.task
        if isinstance(task, Recorded):
            self._task, self._samples = design.task, samples


def measure(point: Point, question: Question, recordings: Recordings | None = None) -> Measured:
    """Cost a point and run it on its task, where it has one.

    A point that cannot be is a result too: its error. Anything else that goes wrong is raised.
    """
    try:
        return _measured(point, question, recordings or Recordings())
    except RnnhwError as error:
        return Measured(point.key, error=error.message)


def _measured(point: Point, question: Question, recordings: Recordings) -> Measured:
    design = load(point.file, {**question.settings, **point.values})
    design, samples = recordings.shared_with(design)
    figures: dict[str, float | None] = {}
    bounds: dict[str, Bound] = {}
    if design.target is not None or question.profile is not None:
        report = estimate(
            design,
            question.profile,
            clock_mhz=question.clock_mhz,
            lanes=question.lanes,
            tries_lanes=False,
        )
        for name, figure in report_figures(report).items():
            if "." in name:
                continue  # of a layer, or of the plan
            figures[name] = figure.number
            if figure.bound is not None:
                bounds[name] = figure.bound
    figures["stored_bits"] = sum(stored_bits(design.network).values())
    unjudged: dict[str, str] = {}
    if design.task is not None:
        run = simulate(design, samples=samples)
        recordings.keep(design, run.samples)
        assert run.score is not None
        unjudged = run.unjudged()
        for name, value in run.score.figures().items():
            figures[name] = value if name not in unjudged and math.isfinite(value) else None
        for name, value in run.score.details().items():
            if isinstance(value, Sequence):
                figures[f"{name}_low"], figures[f"{name}_high"] = value
    return Measured(point.key, figures, bounds, unjudged=unjudged)
