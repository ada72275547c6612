"""``rnnhw analyze``."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from rnnhw.cli.inputs import keep_inputs
from rnnhw.cli.options import (
    AnalysisFormat,
    AnalyzedDesigns,
    Data,
    Isa,
    Output,
    Settings,
    Vary,
    assignments,
    chosen_format,
    listed,
)
from rnnhw.cli.output import deliver
from rnnhw.cli.progress import shown_progress
from rnnhw.dynamics.analyze import analyze
from rnnhw.errors import UsageError
from rnnhw.execution.engine import select_isa
from rnnhw.files import check_output, check_writable
from rnnhw.report import analysis

__all__ = ["analyze_command"]


def analyze_command(
    designs: AnalyzedDesigns,
    settings: Settings = None,
    vary: Vary = None,
    alone: Annotated[
        bool, typer.Option("--no-vary", help="Do not draw figures over the parameter word.")
    ] = False,
    data: Data = None,
    isa: Isa = None,
    format: AnalysisFormat = None,
    output: Output = None,
) -> int:
    """Ranges of all signals, and what fixed point does to memory.

    For every signal the range on the task and one that is guaranteed for sequences of any length;
    for every recurrent layer dead band, attractors, merge time, warm-up, memory capacity, spectral
    radius and how long answers are kept, each beside its float value. A parameter "word" is varied
    from 4 to 16 unless --vary, --no-vary or --set word=... say otherwise.
    """
    shown = chosen_format(format, output, ("text", "json", "html"))
    if alone and vary:
        raise UsageError("--no-vary contradicts --vary", "give one of them")
    if output is not None:
        check_output(output, designs)
        check_writable(output)
    select_isa(isa)
    varied = listed("--vary", vary) if vary else None
    # What design files print goes to stderr, because stdout is data.
    with shown_progress("parts") as progress, contextlib.redirect_stdout(sys.stderr):
        result = analyze(
            designs,
            assignments("--set", settings),
            {} if alone else varied,
            data,
            isa=isa,
            progress=progress,
            loaded=lambda design: keep_inputs(output, design, data),
        )
    match shown:
        case "text":
            deliver(analysis.to_text(result), output)
        case "json":
            deliver(analysis.to_json(result).decode(), output)
        case _:
            deliver(analysis.to_html(result), output)
    return 0
