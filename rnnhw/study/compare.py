"""Designs on hardware profiles and saved reports, side by side: which one shall it be?

The costs are :func:`rnnhw.cost.estimate`'s, for which no kernel runs; only where scores are asked
for does :func:`rnnhw.study.scores.compare` run the designs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rnnhw.cost import estimate
from rnnhw.cost.demands import planned_deadline
from rnnhw.cost.figure import Figure, not_known
from rnnhw.cost.model import File, Report, report_figures
from rnnhw.design.design import Design
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.profiles import load_profile
from rnnhw.report.comparison.model import Candidate, CostComparison, compare_candidates
from rnnhw.report.saved import read_report
from rnnhw.study.variants import Item, check_items, check_varied, variants_of

if TYPE_CHECKING:
    from rnnhw.report.scores.model import Row

__all__ = ["compare_costs", "is_saved"]

Lanes = int | Mapping[str, int] | Literal["auto"] | None
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Variant:
    """A design with one combination of values, and its scores."""

    design: Design
    scores: Mapping[str, Figure] = field(default_factory=dict)
    details: Mapping[str, Figure] = field(default_factory=dict)


def is_saved(item: Item) -> bool:
    """Whether an item is a file with a saved report, not a design."""
    return not isinstance(item, Design) and Path(item).suffix.lower() == ".json"


def compare_costs(
    items: Sequence[Item],
    settings: Mapping[str, object] | None = None,
    vary: Mapping[str, Sequence[object]] | None = None,
    *,
    profiles: Sequence[str] = (),
    clock_mhz: float | None = None,
    lanes: Lanes = None,
    baseline: str | None = None,
    simulate: bool = False,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    progress: Progress | None = None,
    loaded: Callable[[Design], None] | None = None,
) -> CostComparison:
    """The costs of designs and of saved reports side by side.

    Columns are in the order of the items; those of a design file vary as the values do, the
    last parameter fastest, each on every profile.

    Args:
        items: design files, designs, and reports saved as ``.json``, which stay as they are.
        settings: parameters of all design files; text is read as the type of the default.
        vary: the values of parameters, likewise.
        profiles: profiles for every design; by default each design's own target.
        clock_mhz: one clock, as :func:`rnnhw.cost.estimate` takes it.
        lanes: likewise.
        baseline: the column that ratios are to; by default the first.
        simulate: run every design on its task and set its scores beside.
        minimum: the least value of named figures, in every column.
        maximum: the greatest value of named figures, in every column.
        progress: called with the designs simulated and their number.
        loaded: called with every design when all are loaded and nothing has run.

    Raises:
        DesignError: a design is wrong, or a profile cannot take it.
        UsageError: a file is no report, or a profile, parameter, column or figure is unknown or
            given twice.
    """
    designs = [item for item in items if not is_saved(item)]
    _check_items(items, designs, profiles, settings, vary, clock_mhz, lanes, simulate)
    for profile in profiles:
        load_profile(profile)  # a misspelt name is told before the work
    saved = {
        index: read_report(item)
        for index, item in enumerate(items)
        if not isinstance(item, Design) and is_saved(item)
    }
    floors, ceilings = minimum or {}, maximum or {}
    variants = {
        index: [_Variant(each.design) for each in variants_of(item, settings or {}, vary or {})]
        for index, item in enumerate(items)
        if index not in saved
    }
    if loaded is not None:
        for variant in (variant for each in variants.values() for variant in each):
            loaded(variant.design)
    reports = {
        (index, place): list(_reports(variant.design, profiles, clock_mhz, lanes, floors))
        for index, found in variants.items()
        for place, variant in enumerate(found)
    }
    columns = list(_candidates(items, saved, variants, reports))
    if simulate:
        compare_candidates(columns, baseline=baseline)  # likewise a misspelt baseline
        made = [report for each in reports.values() for report in each]
        asked = _asked_scores(made, (*floors, *ceilings))
        variants = _scored(designs, variants, settings, vary, asked, progress)
        columns = list(_candidates(items, saved, variants, reports))
    return compare_candidates(columns, baseline=baseline, minimum=floors, maximum=ceilings)


def _candidates(
    items: Sequence[Item],
    saved: Mapping[int, tuple[Report, File]],
    variants: Mapping[int, Sequence[_Variant]],
    reports: Mapping[tuple[int, int], Sequence[Report]],
) -> Iterator[Candidate]:
    for index, item in enumerate(items):
        if index in saved and not isinstance(item, Design):
            report, origin = saved[index]
            yield Candidate(report, name=Path(item).stem, saved=origin)
        for place, variant in enumerate(variants.get(index, ())):
            for report in reports[index, place]:
                yield Candidate(report, scores=variant.scores, details=variant.details)


def _check_items(
    items: Sequence[Item],
    designs: Sequence[Item],
    profiles: Sequence[str],
    settings: Mapping[str, object] | None,
    vary: Mapping[str, Sequence[object]] | None,
    clock_mhz: float | None,
    lanes: Lanes,
    simulate: bool,
) -> None:
    """Refuse what is given twice, and what saved reports cannot follow."""
    if not items:
        raise UsageError("nothing to compare", "name at least one design or saved report")
    check_items(items, "name each file once")
    for index, profile in enumerate(profiles):
        if profile in profiles[:index]:
            raise UsageError(f"--profile {profile} is given twice")
    given = {
        "--profile": profiles,
        "--set": settings,
        "--vary": vary,
        "--clock-mhz": clock_mhz,
        "--lanes": lanes,
        "--simulate": simulate,
    }
    if not designs:
        for option, value in given.items():
            if value:
                raise UsageError(
                    f"{option} is for designs, and there are saved reports alone",
                    "name a design file too, or leave it out: saved reports stay as they are",
                )
    check_varied(settings or {}, vary or {})


def _reports(
    design: Design,
    profiles: Sequence[str],
    clock_mhz: float | None,
    lanes: Lanes,
    floors: Mapping[str, float],
) -> Iterator[Report]:
    """The design on every profile, or on its own target's; its network is built once."""
    own = design.target
    chosen = lanes if lanes is not None else own.lanes if own else None
    for profile in profiles or (None,):
        try:
            yield estimate(
                design,
                profile,
                clock_mhz=clock_mhz,
                lanes=lanes,
                steps_per_second=planned_deadline(chosen, floors),
                tries_lanes=False,
            )
        except RnnhwError as error:
            named = _named(error, design, profile)
            if own and profile is None and clock_mhz is None and lanes is None and not floors:
                # All that was asked is what the design says itself.
                raise DesignError(named.message, named.hint) from None
            raise named from None


def _named(error: RnnhwError, design: Design, profile: str | None) -> RnnhwError:
    """The error with the design and the profile that it is about."""
    if design.place not in error.message:
        error = error.at(design.place)
    target = profile or (design.target.profile if design.target else None)
    if target is None or target in error.message:
        return error
    return type(error)(f"{error.message} (on {target})", error.hint)


# --- scores ------------------------------------------------------------------------------------
def _asked_scores(reports: Sequence[Report], names: Iterable[str]) -> dict[str, float]:
    """Those of the ``names`` that no report knows, each with a bound that nothing breaks."""
    from rnnhw.report.scores.model import COSTS

    known = {name for each in reports for name in report_figures(each)}
    asked = {name: -math.inf for name in names if name not in known}
    for name in asked:
        if name in COSTS:
            raise UsageError(
                f"{name} is no figure of a report or score", "leave out --profile to judge it"
            )
    return asked


def _scored(
    designs: Sequence[Item],
    variants: Mapping[int, Sequence[_Variant]],
    settings: Mapping[str, object] | None,
    vary: Mapping[str, Sequence[object]] | None,
    asked: Mapping[str, float],
    progress: Progress | None,
) -> dict[int, list[_Variant]]:
    """The variants with what the simulation of each gives; a misspelt name is told before it."""
    from rnnhw.study.scores import compare

    found = compare(designs, settings, vary, simulate=True, minimum=asked, progress=progress)
    rows = iter(found.rows)
    return {
        index: [_with_scores(variant, next(rows)) for variant in each]
        for index, each in variants.items()
    }


def _with_scores(variant: _Variant, row: Row) -> _Variant:
    first = [f"float_{row.measure}", row.measure]
    first += [f"{prefix}{row.measure}" for prefix in row.harder.values()]
    scores, details = {}, {}
    for name in (*first, *row.scores):
        value = row.scores[name]
        if value is None or not math.isfinite(value):
            figure = not_known("not finite")
        else:
            figure = Figure(value, "measured", "simulated on the design's task")
        if name in first:
            scores[name] = figure
        else:
            details[name] = figure
    return replace(variant, scores=scores, details=details)
