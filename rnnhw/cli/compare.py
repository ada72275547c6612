"""``rnnhw compare``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

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
from rnnhw.report.json_text import json_text
from rnnhw.report.scores.page import to_html
from rnnhw.report.scores.tables import (
    check_text,
    comparison_csv,
    comparison_data,
    comparison_markdown,
    comparison_text,
)
from rnnhw.study.compare import compare_costs, is_saved
from rnnhw.study.scores import compare

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

    With --simulate and neither profile, clock, lanes nor report, a row each instead: the task's
    scores in float and fixed point, weights, operations, reach and storage. With them, the scores
    stand above the costs.

    --min and --max judge every column by the figures that report names.
    """
    shown = chosen_format(format, output, tuple(SUFFIXES))
    floors, ceilings = checked_bounds(output, minimum, maximum)
    given = chosen_lanes(lanes)
    if output is not None:
        check_output(output, items)
    costed = profile or given is not None or clock_mhz is not None or baseline is not None
    if simulated and not costed and not any(map(is_saved, items)):
        return _compare_scores(items, settings, vary, shown, output, floors, ceilings)
    # What design files print goes to stderr, because stdout is data.
    with shown_progress("designs") as progress, contextlib.redirect_stdout(sys.stderr):
        result = compare_costs(
            items,
            assignments("--set", settings),
            listed("--vary", vary),
            profiles=profile or (),
            clock_mhz=clock_mhz,
            lanes=given,
            baseline=baseline,
            simulate=simulated,
            minimum=floors,
            maximum=ceilings,
            progress=progress,
            loaded=lambda design: keep_inputs(output, design, profiles=profile or [None]),
        )
    match shown:
        case "text":
            deliver(side_by_side.to_text(result), output)
        case "json":
            deliver(side_by_side.to_json(result).decode(), output)
        case "csv":
            deliver(side_by_side.to_csv(result), output)
        case "markdown":
            deliver(side_by_side.to_markdown(result), output)
        case _:
            deliver(side_by_side.to_html(result), output)
    for each in result.checks:
        if not each.passed:
            complain(side_by_side.check_text(each), "")
    for column in result.columns:
        if column.missing:
            complain(f"{column.name}: lanes auto: {'; '.join(column.missing)}", "")
    return 0 if result.passed else 1


def _compare_scores(
    designs: Sequence[Path],
    settings: list[str] | None,
    vary: list[str] | None,
    shown: str,
    output: Path | None,
    floors: Mapping[str, float],
    ceilings: Mapping[str, float],
) -> int:
    """The table of scores and of what a design costs without hardware."""
    with shown_progress("rows") as progress, contextlib.redirect_stdout(sys.stderr):
        result = compare(
            designs,
            assignments("--set", settings),
            listed("--vary", vary),
            simulate=True,
            minimum=floors,
            maximum=ceilings,
            progress=progress,
            loaded=lambda design: keep_inputs(output, design),
        )
    match shown:
        case "text":
            deliver(comparison_text(result), output)
        case "json":
            deliver(json_text(comparison_data(result)), output)
        case "csv":
            deliver(comparison_csv(result), output)
        case "markdown":
            deliver(comparison_markdown(result), output)
        case _:
            deliver(to_html(result), output)
    if shown in ("csv", "markdown", "html"):
        for each in result.checks:
            if not each.check.passed:
                complain(check_text(each), "")
    return 0 if result.passed else 1
