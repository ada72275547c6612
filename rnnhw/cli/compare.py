"""``rnnhw compare``."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated, Any

import typer

from rnnhw.cli.complaints import complain
from rnnhw.cli.inputs import checked_bounds, keep_inputs
from rnnhw.cli.options import (
    SUFFIXES,
    Baseline,
    ClockMhz,
    CompareItems,
    Lanes,
    Maximum,
    Minimum,
    Output,
    Profiles,
    ReportFormat,
    Settings,
    Vary,
    assignments,
    chosen_format,
    chosen_lanes,
    listed,
)
from rnnhw.cli.output import deliver
from rnnhw.cli.progress import shown_progress
from rnnhw.files import check_output
from rnnhw.report import comparison as side_by_side
from rnnhw.report.comparison.model import Comparison
from rnnhw.study.compare import compare, compare_costs, is_saved

__all__ = ["compare_command"]


def compare_command(
    items: CompareItems,
    profile: Profiles = None,
    settings: Settings = None,
    vary: Vary = None,
    clock_mhz: ClockMhz = None,
    lanes: Lanes = None,
    baseline: Baseline = None,
    simulated: Annotated[
        bool, typer.Option("--simulate", help="Also run each: scores in float and fixed point.")
    ] = False,
    format: ReportFormat = None,
    output: Output = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
) -> int:
    """Designs, profiles and saved reports side by side.

    A column for each design, combination of varied values and profile, and for each saved report;
    ratios to the first or to --baseline. No kernel runs and no weights are read for a cost.

    With --simulate and neither profile, clock, lanes, baseline nor report, a row each instead: the
    task's scores in float and fixed point, weights, operations, reach and storage. With them, the
    scores stand above the costs.

    --min and --max judge every column by the figures that report names.
    """
    shown = chosen_format(format, output, tuple(SUFFIXES))
    floors, ceilings = checked_bounds(output, minimum, maximum)
    given = chosen_lanes(lanes)
    if output is not None:
        check_output(output, items)
    costed = profile or given is not None or clock_mhz is not None or baseline is not None
    plain = simulated and not costed and not any(map(is_saved, items))
    options: dict[str, Any] = {
        "simulate": simulated,
        "minimum": floors,
        "maximum": ceilings,
        "loaded": lambda design: keep_inputs(
            output, design, profiles=() if plain else profile or [None]
        ),
    }
    parameters = assignments("--set", settings), listed("--vary", vary)
    # What design files print goes to stderr, because stdout is data.
    with shown_progress("designs") as progress, contextlib.redirect_stdout(sys.stderr):
        if plain:
            result = compare(items, *parameters, progress=progress, **options)
        else:
            result = compare_costs(
                items,
                *parameters,
                profiles=profile or (),
                clock_mhz=clock_mhz,
                lanes=given,
                baseline=baseline,
                progress=progress,
                **options,
            )
    deliver(_rendered(result, shown), output)
    for each in result.checks:
        if not each.passed:
            complain(side_by_side.check_text(each), "")
    for column in result.columns:
        if column.missing:
            complain(f"{column.name}: lanes auto: {'; '.join(column.missing)}", "")
    return 0 if result.passed else 1


def _rendered(result: Comparison, shown: str) -> str:
    match shown:
        case "text":
            return side_by_side.to_text(result)
        case "json":
            return side_by_side.to_json(result).decode()
        case "csv":
            return side_by_side.to_csv(result)
        case "markdown":
            return side_by_side.to_markdown(result)
    return side_by_side.to_html(result)
