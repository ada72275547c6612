"""``rnnhw quantize``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from rnnhw.cli.complaints import complain
from rnnhw.cli.inputs import checked_bounds, keep_inputs, load_design
from rnnhw.cli.options import (
    SUFFIXES,
    Data,
    DesignFile,
    Maximum,
    Minimum,
    Profile,
    ReportFormat,
    Settings,
    chosen_format,
)
from rnnhw.cli.output import deliver, exit_code, show
from rnnhw.cli.progress import shown_progress
from rnnhw.cli.show_quantize import quantized_in
from rnnhw.errors import UsageError
from rnnhw.files import check_writable, written_whole
from rnnhw.numerics.binary_point import RULES
from rnnhw.study.word_lengths.costs import costs_of
from rnnhw.study.word_lengths.design_file import design_file_text, rounded_weights_bytes
from rnnhw.study.word_lengths.quantize import quantize
from rnnhw.study.word_lengths.tables import missed_text

__all__ = ["quantize_command"]

DesignOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="CHOSEN.py",
        help="Also write a design file with the chosen formats; it loads this design. Rounded "
        "weights go into the .npz beside it.",
        readable=False,
    ),
]
ChooseOn = Annotated[
    str,
    typer.Option(
        "--choose-on", metavar="SPLIT|FILE.npz", help="The samples that choose: train, val, a file."
    ),
]
ChooseOnTest = Annotated[
    bool, typer.Option("--choose-on-test", help="Allow to choose on the split that judges.")
]
Noise = Annotated[
    float,
    typer.Option(
        metavar="SIGMA",
        help="Choose on three copies of every sequence with normal noise, in units of each "
        "feature's standard deviation.",
    ),
]
Margin = Annotated[
    float, typer.Option(metavar="AMOUNT", help="Keep this far from every bound while choosing.")
]
Point = Annotated[
    str, typer.Option(metavar="RULE", help="Binary points by mse, range or percentile.")
]
Evaluations = Annotated[int, typer.Option(metavar="N", help="The most designs that are run.")]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Also write the report here: .html, .md, .csv, .json or .txt.",
        readable=False,
    ),
]

RowScales = Annotated[
    int,
    typer.Option(
        "--row-scales",
        metavar="BITS",
        help="Give rows of weights power-of-two scales, exponents of BITS, where that stores less.",
    ),
]
WeightsRounding = Annotated[
    str,
    typer.Option(
        metavar="RULE",
        help="Round weights to nearest, or compensated: those of a sum together, so that the "
        "sum's error is small.",
    ),
]
MostBits = Annotated[
    int | None,
    typer.Option(
        "--most-bits",
        metavar="N",
        help="Instead of the fewest stored bits, the best figure within N.",
    ),
]
BestObjective = Annotated[
    str | None,
    typer.Option(
        "--objective",
        metavar="FIGURE",
        help="The figure to make best within --most-bits; snr_db unless named.",
    ),
]


def quantize_command(
    design: DesignFile,
    settings: Settings = None,
    data: Data = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
    choose_on: ChooseOn = "train",
    choose_on_test: ChooseOnTest = False,
    noise: Noise = 0.0,
    margin: Margin = 0.0,
    point: Point = "mse",
    evaluations: Evaluations = 500,
    row_scales: RowScales = 0,
    rounding: WeightsRounding = "nearest",
    most_bits: MostBits = None,
    objective: BestObjective = None,
    profile: Profile = None,
    format: ReportFormat = None,
    output: DesignOutput = None,
    report: ReportFile = None,
) -> int:
    """Choose word lengths that keep a demand.

    A word length and a binary point for every signal and tensor: the fewest stored bits that keep
    --min and --max (by default what the task requires) on the samples that choose. Figures are
    those of the task, agreement with the float reference (--min agreement=0.99) or the error of
    the outputs (--max rms=0.02). --most-bits N turns it round: the best figure within N stored
    bits. The task's own samples, or --data, judge once, at the end: the exit code is 1 where the
    chosen design misses what the task requires on them. A design without a task needs
    --choose-on FILE.npz.
    """
    known = tuple(SUFFIXES)
    shown = chosen_format(format, None, known)
    reported = chosen_format(None, report, known, "--report")
    if output is not None and output.suffix.lower() != ".py":
        raise UsageError(f"--output {output}: not a design file", "name it *.py")
    if report is not None:
        check_writable(report)
    floors, ceilings = checked_bounds(output, minimum, maximum)
    if point not in RULES:
        raise UsageError(f"Invalid value for '--point': {point!r}", f"known: {', '.join(RULES)}")
    loaded = load_design(design, settings)
    weights = output.with_suffix(".npz") if output and rounding != "nearest" else None
    if weights is not None:
        check_writable(weights)
    chosen_on = Path(choose_on) if Path(choose_on).suffix else None
    for place in (output, weights, report):
        for read in (chosen_on, data):
            keep_inputs(place, loaded, read, profiles=[profile])
    with shown_progress("designs") as progress:
        result = quantize(
            loaded,
            data=data,
            minimum=floors,
            maximum=ceilings,
            choose_on=choose_on,
            choose_on_test=choose_on_test,
            noise=noise,
            margin=margin,
            rule=point,  # type: ignore[arg-type]
            evaluations=evaluations,
            row_scales=row_scales,
            rounding=rounding,  # type: ignore[arg-type]
            most_bits=most_bits,
            objective=objective,
            progress=progress,
        )
    costs, command = costs_of(result, profile), _command(sys.argv)
    if output is not None:
        content = rounded_weights_bytes(result)
        rounded = (weights, content) if weights is not None and content else None
        text = design_file_text(result, output, command, rounded)
        if rounded is not None:
            with written_whole(rounded[0]) as file:
                file.write(content)
        deliver(text, output)
    if report is not None:
        deliver(quantized_in(reported, result, costs, command), report)
    show(quantized_in(shown, result, costs, command))
    if missed := missed_text(result):
        complain(missed, "")
    return exit_code(result.missed)


def _command(words: list[str]) -> str:
    """The command line that writes the file."""
    return shlex.join(["rnnhw", *words[1:]])
