"""The costs of designs on hardware, alone and side by side: the public verbs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from rnnhw.commands.given import design_of, number_bounds
from rnnhw.cost import estimation
from rnnhw.cost.model import Report
from rnnhw.design.design import Design
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import UsageError
from rnnhw.profiles import Profile
from rnnhw.report.comparison import model
from rnnhw.report.results import (
    ComparisonResult,
    ReportResult,
    result_of,
)
from rnnhw.study import compare as study
from rnnhw.study.variants import Item

__all__ = ["compare", "compare_costs", "compare_reports", "estimate"]

Place = str | os.PathLike[str]
Progress = Callable[[int, int], None]


def estimate(
    design: Design | Place,
    profile: Profile | Place | None = None,
    *,
    clock_mhz: float | None = None,
    lanes: int | Mapping[str, int] | Literal["auto"] | None = None,
    steps: int | None = None,
    steps_per_second: float | None = None,
    arrangement: Arrangement | None = None,
) -> ReportResult:
    """The cost of a design on a profile.

    Args:
        design: a design, or the path of its file.
        profile: a profile, its name or the path of its file; by default the design's target.
        clock_mhz: one clock; by default both ends of the profile's range, and the design's own
            clock where the profile is the design's target.
        lanes: for every layer, or by layer name, or "auto" to have them chosen; by default the
            target's, else 1.
        steps: steps of a sequence; by default the longest that the design allows.
        steps_per_second: a deadline beside the design's own; the higher one counts. Of
            interleaved sequences it is that of all together.
        arrangement: how layers share lanes, time and memory; by default the target's.

    Raises:
        UsageError: an argument is of no such type, nothing names a profile, the clock, the number
            of steps or the deadline is no such, or there is nothing to choose lanes by.
        DesignError: the design is wrong, or a layer cannot have its lanes.
    """
    named = os.fspath(profile) if isinstance(profile, os.PathLike) else profile
    if not isinstance(named, Profile | str | None):
        raise UsageError(
            f"{type(profile).__name__} is no profile", "give a profile, its name or its file"
        )
    report = estimation.estimate(
        design_of(design),
        named,
        clock_mhz=clock_mhz,
        lanes=lanes,
        steps=steps,
        steps_per_second=steps_per_second,
        arrangement=arrangement,
    )
    return result_of(ReportResult, report)


def compare_costs(
    items: Place | Design | Sequence[Place | Design],
    settings: Mapping[str, object] | None = None,
    vary: Mapping[str, Sequence[object]] | None = None,
    *,
    profiles: str | Sequence[str] = (),
    clock_mhz: float | None = None,
    lanes: int | Mapping[str, int] | Literal["auto"] | None = None,
    baseline: str | None = None,
    simulate: bool = False,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> ComparisonResult:
    """The costs of designs and of saved reports side by side.

    Columns are in the order of the items; those of a design file vary as the values do, the last
    parameter fastest, each on every profile.

    Args:
        items: designs, design files, and reports saved as ``.json``, which stay as they are.
        settings: parameters of all design files; text is read as the type of the default.
        vary: the values of parameters, likewise.
        profiles: profiles for every design; by default each design's own target.
        clock_mhz: one clock, as :func:`estimate` takes it.
        lanes: likewise.
        baseline: the column that ratios are to; by default the first.
        simulate: run every design on its task and set its scores beside.
        minimum: the least value of named figures, in every column.
        maximum: the greatest value of named figures, in every column.
        progress: called with the designs simulated and their number.

    Raises:
        DesignError: a design is wrong, or a profile cannot take it.
        UsageError: an argument is of no such type, a file is no report, or a profile, parameter,
            column or figure is unknown or given twice.
    """
    comparison = study.compare_costs(
        _listed(items),
        settings,
        vary,
        profiles=(profiles,) if isinstance(profiles, str) else profiles,
        clock_mhz=clock_mhz,
        lanes=lanes,
        baseline=baseline,
        simulate=simulate,
        minimum=number_bounds("minimum", minimum),
        maximum=number_bounds("maximum", maximum),
        progress=progress,
    )
    return result_of(ComparisonResult, comparison)


def compare(
    designs: Place | Design | Sequence[Place | Design],
    settings: Mapping[str, object] | None = None,
    vary: Mapping[str, Sequence[object]] | None = None,
    *,
    simulate: bool = False,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> ComparisonResult:
    """Designs side by side without hardware, for every combination of the values to ``vary``.

    Args:
        designs: designs, and paths of design files.
        settings: parameters of all design files; text is read as the type of the default.
        vary: the values of parameters, likewise.
        simulate: run every design on its task, in float and in integers.
        minimum: the least value of named figures, of every design.
        maximum: the greatest value of named figures, of every design.
        progress: called with the designs simulated and their number.

    Raises:
        DesignError: a design, its weights or its data are wrong; before anything is run.
        UsageError: an argument is of no such type, a parameter or a figure is unknown, something
            is given twice, or a score that is demanded says nothing.
    """
    comparison = study.compare(
        _listed(designs),
        settings,
        vary,
        simulate=simulate,
        minimum=number_bounds("minimum", minimum),
        maximum=number_bounds("maximum", maximum),
        progress=progress,
    )
    return result_of(ComparisonResult, comparison)


def _listed(items: Place | Design | Sequence[Place | Design]) -> list[Item]:
    """Several items, or one that stands alone."""
    listed = [items] if isinstance(items, str | os.PathLike | Design) else items
    if not isinstance(listed, Sequence):
        raise UsageError(f"{type(items).__name__} to compare", "give a list of designs")
    for item in listed:
        if not isinstance(item, str | os.PathLike | Design):
            raise UsageError(
                f"{type(item).__name__} to compare", "give designs, design files or saved reports"
            )
    return [item if isinstance(item, Design) else Path(item) for item in listed]


def compare_reports(
    reports: Sequence[Report],
    *,
    baseline: str | None = None,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
) -> ComparisonResult:
    """Reports side by side, each named by its design and by what tells it from the others.

    Args:
        reports: at least one, in the order of the columns.
        baseline: the column that ratios are to; by default the first.
        minimum: the least value of named figures, in every column.
        maximum: the greatest value of named figures, in every column.

    Raises:
        UsageError: there is no report, no column of the baseline's name, or a figure is unknown
            or has no value in a column.
    """
    listed: object = reports
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise UsageError(f"{type(listed).__name__} to compare", "give a list of reports")
    for each in listed:
        if not isinstance(each, Report):
            raise UsageError(
                f"{type(each).__name__} to compare",
                "give what estimate() gives; compare_costs() takes designs and files",
            )
    comparison = model.compare_reports(reports, baseline=baseline, minimum=minimum, maximum=maximum)
    return result_of(ComparisonResult, comparison)
