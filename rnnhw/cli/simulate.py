"""``rnnhw simulate``."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnhw.cli.inputs import checked_bounds, keep_inputs, load_design
from rnnhw.cli.options import (
    PLAIN,
    Data,
    DesignFile,
    Format,
    Isa,
    Maximum,
    Minimum,
    RunOutput,
    Settings,
    Threads,
    chosen_format,
)
from rnnhw.cli.output import judged_code, show
from rnnhw.cli.progress import shown_progress
from rnnhw.cli.show_simulate import simulation_text
from rnnhw.design.demands import check_bounds, check_names, judge
from rnnhw.design.design import Design
from rnnhw.errors import UsageError, unknown_name
from rnnhw.execution.engine import check_threads, select_isa
from rnnhw.execution.simulate import (
    check_answers,
    chosen_samples,
    figure_names,
    simulate,
)
from rnnhw.report.json_text import json_text
from rnnhw.report.run_data import simulation_data

__all__ = ["simulate_command"]

Traces = Annotated[
    list[str] | None,
    typer.Option(
        "--trace", metavar="SIGNAL", help="Record this signal in the output. Repeatable; or all."
    ),
]


def simulate_command(
    design: DesignFile,
    settings: Settings = None,
    data: Data = None,
    isa: Isa = None,
    threads: Threads = None,
    trace: Traces = None,
    format: Format = None,
    output: RunOutput = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
) -> int:
    """Run a design in integers; count and judge.

    Prints the outputs' range, the score on the task, what was saturated or wrapped, and the
    operations and memory accesses that were executed.
    """
    if output is not None and output.suffix.lower() != ".npz":
        raise UsageError(f"--output {output}: simulate writes .npz", "name the file *.npz")
    shown = chosen_format(format, None, PLAIN)
    floors, ceilings = checked_bounds(output, minimum, maximum)
    check_bounds(floors, ceilings)
    loaded = load_design(design, settings)
    keep_inputs(output, loaded, data)
    traces = trace or []
    if "all" in traces:
        traces = list(loaded.network.signals())
    if traces and output is None:
        raise UsageError("--trace records into a file", "give --output RUN.npz")
    for name in traces:
        _known_signal(loaded, name)
    select_isa(isa)
    check_threads(threads)
    # A misspelt name is told before the work.
    samples = chosen_samples(loaded, data)
    check_answers(loaded, samples, str(data or design), (*floors, *ceilings))
    check_names(figure_names(loaded, samples), floors, ceilings)
    with shown_progress("sequences") as progress:
        result = simulate(
            loaded,
            data,
            samples=samples,
            traces=traces,
            isa=isa,
            threads=threads,
            progress=progress,
        )
    checks = judge(result.figures(), floors, ceilings, result.unjudged())
    if output is not None:
        result.save(output)
    show(
        simulation_text(result, checks)
        if shown == "text"
        else json_text(simulation_data(result, checks))
    )
    return judged_code(checks)


def _known_signal(design: Design, name: str) -> None:
    signals = design.network.signals()
    if name not in signals:
        raise UsageError(*unknown_name("signal", name, signals))
