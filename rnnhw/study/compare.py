"""Designs side by side, without hardware or on profiles beside saved reports: which shall it be?

Costs on hardware are :func:`rnnhw.cost.estimate`'s, for which no kernel runs; what follows from a
design alone, and scores where they are asked for, are :func:`rnnhw.study.scores.evaluate`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rnnhw.cost.demands import planned_deadline
from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure import Figure, derived, not_known, not_used
from rnnhw.cost.model import File, Report, report_figures
from rnnhw.cost.provenance import files_of_design, settings_of, version
from rnnhw.design.design import Design
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.profiles import load_profile
from rnnhw.report.comparison.model import (
    DESIGN_FIGURES,
    NEVER,
    NO_SCORES,
    Candidate,
    Comparison,
    PlainDesign,
    Scores,
    compare_candidates,
)
from rnnhw.report.saved import read_report
from rnnhw.study.variants import Item, check_items, check_varied, labels_of, variants_of

if TYPE_CHECKING:
    from rnnhw.study.scores import Row, Value

__all__ = ["compare", "compare_costs", "is_saved"]

Lanes = int | Mapping[str, int] | Literal["auto"] | None
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Variant:
    """A design with one combination of values, and its scores."""

    design: Design
    label: str
    varied: Mapping[str, object]
    scores: Scores = NO_SCORES


def is_saved(item: Item) -> bool:
    """Whether an item is a file with a saved report, not a design."""
    return not isinstance(item, Design) and Path(item).suffix.lower() == ".json"


def compare(
    designs: Sequence[Item],
    settings: Mapping[str, object] | None = None,
    vary: Mapping[str, Sequence[object]] | None = None,
    *,
    baseline: str | None = None,
    simulate: bool = False,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    progress: Progress | None = None,
    loaded: Callable[[Design], None] | None = None,
) -> Comparison:
    """Designs side by side without hardware, for every combination of the values to ``vary``.

    Without ``simulate`` no kernel runs, and no weights are read but those of N:M sparse
    recurrences, whose reach they decide.

    Args:
        designs: design files, or designs.
        settings: parameters of all files; text is read as the type of the default.
        vary: the values of parameters, likewise.
        baseline: the column that ratios are to; by default there are none.
        simulate: run every design on its task, in float and in integers.
        minimum: the least value of named figures, of every design.
        maximum: the greatest value of named figures, of every design.
        progress: called with the designs simulated and their number.
        loaded: called with every design when all are loaded and nothing has run.

    Raises:
        DesignError: a design, its weights or its data are wrong; before anything is run.
        UsageError: a parameter or a figure is unknown, something is given twice, or a score that
            is demanded says nothing.
    """
    from rnnhw.study.scores import evaluate

    floors, ceilings = minimum or {}, maximum or {}
    rows = evaluate(
        designs,
        settings,
        vary,
        simulate=simulate,
        asked=(*floors, *ceilings),
        progress=progress,
        loaded=loaded,
    )
    return compare_candidates(
        [_plain_candidate(row) for row in rows],
        baseline=baseline,
        minimum=floors,
        maximum=ceilings,
        settings={name: rows[0].design.settings[name] for name in settings or {}},
        varied=tuple(vary or {}),
    )


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
) -> Comparison:
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
        index: [
            _Variant(each.design, label.removesuffix(".py"), each.varied)
            for each in variants_of(item, settings or {}, vary or {})
        ]
        for index, (item, label) in enumerate(zip(items, labels_of(items), strict=True))
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
    given = next((each[0].design.settings for each in variants.values()), {})
    return compare_candidates(
        columns,
        baseline=baseline,
        minimum=floors,
        maximum=ceilings,
        settings={name: given[name] for name in settings or {}},
        varied=tuple(vary or {}),
    )


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
                yield Candidate(
                    report, design=variant.label, varied=variant.varied, scores=variant.scores
                )


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
    """Refuse items named twice, and options that saved reports cannot follow."""
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
    """The design on every profile, or on that of its target; its network is built once."""
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
def _asked_scores(reports: Sequence[Report], names: Iterable[str]) -> list[str]:
    """Those of the ``names`` that no report knows."""
    known = {name for report in reports for name in report_figures(report)}
    asked = [name for name in names if name not in known]
    for name in asked:
        if name in DESIGN_FIGURES:
            raise UsageError(
                f"{name} is no figure of a report or score", "leave out --profile to judge it"
            )
    return asked


def _scored(
    designs: Sequence[Item],
    variants: Mapping[int, Sequence[_Variant]],
    settings: Mapping[str, object] | None,
    vary: Mapping[str, Sequence[object]] | None,
    asked: Iterable[str],
    progress: Progress | None,
) -> dict[int, list[_Variant]]:
    """The variants with the scores of their simulations; a misspelt name is an error before."""
    from rnnhw.study.scores import evaluate

    rows = iter(evaluate(designs, settings, vary, simulate=True, asked=asked, progress=progress))
    return {
        index: [replace(variant, scores=_scores(next(rows))) for variant in each]
        for index, each in variants.items()
    }


def _scores(row: Row) -> Scores:
    """The scores of a row as figures; none of a row that was not run."""
    if not row.measure:
        return NO_SCORES
    first = [f"float_{row.measure}", row.measure]
    first += [f"{prefix}{row.measure}" for prefix in row.harder.values()]
    figures = {name: _score(row, name) for name in (*first, *row.scores)}
    return Scores(
        first={name: figures[name] for name in first},
        details={name: figure for name, figure in figures.items() if name not in first},
        measure=row.measure,
        harder=row.harder,
        unjudged=row.unjudged,
    )


def _score(row: Row, name: str) -> Figure:
    value = row.scores[name]
    if value is None or not math.isfinite(value):
        return not_known("not finite")
    why = row.unjudged.get(name)
    note = f"not judged: {why}" if why else "simulated on the design's task"
    return Figure(value, "measured", note)


def _plain_candidate(row: Row) -> Candidate:
    """A design without hardware."""
    design = row.design
    subject = PlainDesign(
        title=design.title,
        rnnhw_version=version(),
        files=files_of_design(design),
        settings=settings_of(design),
        figures={name: _design_figure(value) for name, value in row.costs.items()},
    )
    label = row.label.removesuffix(".py")
    varied = "".join(f" {name}={value}" for name, value in row.varied.items())
    return Candidate(
        subject, name=f"{label}{varied}", design=label, varied=row.varied, scores=_scores(row)
    )


def _design_figure(value: Value) -> Figure:
    if value is None:
        return not_used("there is no recurrence")
    if math.isnan(value):
        return not_known("it depends on weights that are not there")
    return derived(NEVER if value == math.inf else value)
