"""``rnnhw sweep``."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rnnhw.cli.blocks import Block, Text, group
from rnnhw.cli.inputs import checked_bounds, keep_inputs
from rnnhw.cli.options import (
    SUFFIXES,
    ClockMhz,
    Lanes,
    Output,
    Profile,
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
from rnnhw.cli.show import aligned, heading
from rnnhw.design.design import Design
from rnnhw.files import check_output
from rnnhw.report.csv_cell import cells
from rnnhw.report.markdown_table import escape_markdown, table_markdown
from rnnhw.study.sweep.document import sweep_json
from rnnhw.study.sweep.page import sweep_page
from rnnhw.study.sweep.storage import storage_file
from rnnhw.study.sweep.sweep import DEFAULT_OBJECTIVES, Sweep, sweep
from rnnhw.study.sweep.table import command_of, ordered, sweep_table

__all__ = ["sweep_command"]

Designs = Annotated[
    list[Path],
    typer.Argument(metavar="DESIGN", help="Design files.", show_default=False, readable=False),
]
Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        metavar="NAME[:more|:less]",
        help="A figure as JSON names it. Repeatable; the first is the vertical axis. Default: "
        "accuracy and stored_bits.",
    ),
]
Sampler = Annotated[
    str,
    typer.Option(metavar="NAME", help="grid, or random, nsga2 or tpe: --trials draws of the grid."),
]
Trials = Annotated[int, typer.Option(metavar="N", help="Draws of a sampler.")]
Seed = Annotated[int, typer.Option(metavar="N", help="The sampler's seed.")]
Workers = Annotated[int | None, typer.Option(metavar="N", help="Processes; default: one a core.")]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Measure on the Dask cluster there.")
]
LogFile = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Finished points, a line each; a sweep that was killed goes on from it.",
        readable=False,
    ),
]

OptunaStorage = Annotated[
    str | None,
    typer.Option(
        "--optuna-storage",
        metavar="URL|FILE",
        help="Also write every point as a trial for Optuna's dashboard: sqlite:///sweep.db, or a "
        "journal file.",
    ),
]


def sweep_command(
    designs: Designs,
    vary: Vary = None,
    settings: Settings = None,
    objective: Objectives = None,
    profile: Profile = None,
    clock_mhz: ClockMhz = None,
    lanes: Lanes = None,
    sampler: Sampler = "grid",
    trials: Trials = 100,
    seed: Seed = 0,
    workers: Workers = None,
    scheduler: Scheduler = None,
    log: LogFile = None,
    optuna_storage: OptunaStorage = None,
    format: ReportFormat = None,
    output: Output = None,
) -> int:
    """Measure designs over parameters; show the best ones.

    Every point is costed on its target and run on its task, on all cores. -o page.html draws the
    first objective over each other one. Values of --vary are lists (hidden=32,64) or ranges with
    both ends (word=4:12).
    """
    shown = chosen_format(format, output, tuple(SUFFIXES))
    checked_bounds(output, None, None)
    if output is not None and log is not None:
        check_output(output, [log])

    journal = None if optuna_storage is None else storage_file(optuna_storage)
    if journal is not None and log is not None:
        check_output(journal, [log], "--optuna-storage")

    def keep(design: Design) -> None:
        keep_inputs(output, design, profiles=[profile])
        keep_inputs(log, design, profiles=[profile], option="--log")
        keep_inputs(journal, design, profiles=[profile], option="--optuna-storage")

    # What design files print goes to stderr, because stdout is data.
    with shown_progress("points") as progress, contextlib.redirect_stdout(sys.stderr):
        result = sweep(
            designs,
            listed("--vary", vary),
            settings=assignments("--set", settings),
            objectives=objective or DEFAULT_OBJECTIVES,
            profile=profile,
            clock_mhz=clock_mhz,
            lanes=chosen_lanes(lanes),
            sampler=sampler,
            trials=trials,
            seed=seed,
            workers=workers,
            scheduler=scheduler,
            log=log,
            optuna_storage=optuna_storage,
            progress=progress,
            loaded=keep,
        )
    title = _title(result)
    match shown:
        case "text":
            deliver(_text(result, title), output)
        case "json":
            deliver(sweep_json(result).decode(), output)
        case "csv":
            deliver(_csv(result), output)
        case "markdown":
            table = table_markdown(sweep_table(result))
            deliver(f"# {escape_markdown(title)}\n\n{table}\n", output)
        case _:
            deliver(sweep_page(result, title), output)
    return 0


def _title(result: Sweep) -> str:
    names = list(dict.fromkeys(Path(point.file).stem for point in result.points))
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"Sweep of {shown}"


def _text(result: Sweep, title: str) -> Block:
    table = sweep_table(result)
    heads = [head.text for head in table.heads]
    rows = [[cell.text for cell in row] for row in table.rows]
    told = (
        "*: no other point beats it in "
        + " and ".join(each.name for each in result.objectives)
        + f"; ~: its interval reaches the best {result.objectives[0].name}"
        + ("; !: it cannot be" if result.failed else "")
    )
    return group(
        heading(title), aligned(heads, rows, heads[table.numbers_from :]), Text(told, "dim")
    )


def _csv(result: Sweep) -> str:
    figures = list(dict.fromkeys(name for each in result.results for name in each.figures))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(cells(["design", *result.varied, "front", *figures, "error", "command"]))
    for index in ordered(result):
        point, found = result.points[index], result.results[index]
        values = (found.figures.get(name) for name in figures)
        row: list[Any] = [Path(point.file).name, *point.values.values(), index in result.front]
        writer.writerow(cells([*row, *values, found.error, command_of(result, index)]))
    return text.getvalue()
