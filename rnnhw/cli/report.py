"""``rnnhw report``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from rnnhw.cli.complaints import complain
from rnnhw.cli.inputs import checked_bounds, keep_inputs, load_design
from rnnhw.cli.options import (
    NO_SCHEDULES,
    SUFFIXES,
    ClockMhz,
    Data,
    DesignFile,
    Lanes,
    Maximum,
    Minimum,
    Output,
    Profile,
    ReportFormat,
    Settings,
    chosen_arrangement,
    chosen_format,
    chosen_lanes,
    with_schedules,
)
from rnnhw.cli.output import deliver, exit_code
from rnnhw.cli.progress import shown_progress
from rnnhw.cost.demands import check_demands, judge_report, planned_deadline, unmet_plan
from rnnhw.cost.estimation import estimate
from rnnhw.design.design import Design
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError, UsageError
from rnnhw.execution.simulate import check_answers, chosen_samples
from rnnhw.execution.verify import run_figure_names, verify
from rnnhw.report import to_csv, to_html, to_json, to_markdown, to_text
from rnnhw.study.run_report import with_run

__all__ = ["report_command"]


@with_schedules
def report_command(
    design: DesignFile,
    settings: Settings = None,
    profile: Profile = None,
    clock_mhz: ClockMhz = None,
    lanes: Lanes = None,
    schedules: Mapping[str, str] = NO_SCHEDULES,
    format: ReportFormat = None,
    output: Output = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
    simulated: Annotated[
        bool,
        typer.Option("--simulate", help="Also run it, in integers and in float: score and errors."),
    ] = False,
    data: Data = None,
) -> int:
    """Throughput and storage on a target.

    Every figure follows from the design and the hardware profile: no weights are needed, but with
    --simulate. -o chooses the format by the file's suffix: .txt, .csv (a row a layer), .md, .json
    or .html.

    With --lanes auto the fewest lanes that meet the deadline are chosen (the design's, or --min
    steps_per_second), without a deadline the best throughput that fits; the exit code is 1 where
    there are no such lanes.
    """
    shown = chosen_format(format, output, tuple(SUFFIXES))
    floors, ceilings = checked_bounds(output, minimum, maximum)
    given = chosen_lanes(lanes)
    loaded = load_design(design, settings)
    keep_inputs(output, loaded, data, profiles=[profile])
    if data is not None and not simulated:
        raise UsageError("--data is what the design runs on", "give --simulate too")
    target_lanes = loaded.target.lanes if loaded.target else None
    own = loaded.target.arrangement if loaded.target else Arrangement()
    arrangement = chosen_arrangement(own, schedules)
    schedule = arrangement == own
    rest = schedule and loaded.target is not None
    rest &= not (profile or clock_mhz or lanes or floors)
    with _blamed(loaded, schedule=schedule, rest=rest):
        report = estimate(
            loaded,
            profile,
            clock_mhz=clock_mhz,
            lanes=given,
            steps_per_second=planned_deadline(target_lanes if given is None else given, floors),
            arrangement=arrangement,
        )
    if simulated:
        # What cannot be judged is told before the work.
        samples = chosen_samples(loaded, data)
        check_answers(loaded, samples, str(data or design), (*floors, *ceilings))
        check_demands(report, floors, ceilings, run_figure_names(loaded, samples))
        with shown_progress("sequences") as progress:
            run = verify(loaded, data, samples=samples, progress=progress, by_task=False)
        report = with_run(report, run, data)
    checks = judge_report(report, floors, ceilings)
    match shown:
        case "text":
            deliver(to_text(report), output)
        case "json":
            deliver(to_json(report).decode(), output)
        case "csv":
            deliver(to_csv(report), output)
        case "markdown":
            deliver(to_markdown(report), output)
        case _:
            deliver(to_html(report), output)
    for check in checks:
        if not check.passed:
            value = f"{check.value:g}{check.bound_words}"
            complain(f"{check.name} is {value}, --{check.kind} {check.bound:g}", "")
    missing = unmet_plan(report)
    if missing:
        complain("lanes auto: " + "; ".join(missing), "")
    return 1 if missing else exit_code(checks)


@contextlib.contextmanager
def _blamed(design: Design, *, schedule: bool, rest: bool) -> Iterator[None]:
    """Errors with the exit code of who is to blame: the design or an option.

    ``schedule`` tells whether the schedule is the design's own, ``rest`` whether all that is asked
    for is.
    """
    _ = design.network  # what is wrong with it no option can mend
    try:
        yield
    except DesignError as error:
        if schedule:
            raise
        raise UsageError(error.message, error.hint) from None
    except UsageError as error:
        if not rest:
            raise
        raise DesignError(error.message, error.hint) from None
