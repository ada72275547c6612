"""The commands. Each reads its options, calls one library function and shows what it gave."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Annotated, Any

import numpy
import typer
from rich.console import RenderableType

from rnnhw.cli.complaints import complain
from rnnhw.cli.options import (
    SUFFIXES,
    Baseline,
    ClockMhz,
    CompareItems,
    Data,
    DesignFile,
    Engines,
    Folder,
    Format,
    Interleave,
    Isa,
    Lanes,
    Maximum,
    Minimum,
    Output,
    Overlap,
    Profile,
    Profiles,
    ReportFormat,
    RunOutput,
    Sequences,
    Settings,
    SimulatorName,
    StepsInParallel,
    Vary,
    Waves,
    Weights,
    assignments,
    bounds,
    chosen_arrangement,
    chosen_format,
    chosen_lanes,
    listed,
)
from rnnhw.cli.options import (
    Check as CheckOption,
)
from rnnhw.cli.progress import shown_progress
from rnnhw.cli.show import (
    design_info,
    profile_info,
    rendered,
    simulation_text,
    system_info,
    verification_text,
)
from rnnhw.cli.show_compare import (
    check_text,
    comparison_csv,
    comparison_data,
    comparison_markdown,
    comparison_text,
)
from rnnhw.cli.show_emit import emitted_data, emitted_text
from rnnhw.cli.show_synth import synthesis_data, synthesis_text
from rnnhw.commands.emit import emit
from rnnhw.commands.synth import synth
from rnnhw.cost import estimate
from rnnhw.cost.demands import judge_report, planned_deadline, unmet_plan
from rnnhw.design.demands import Check, check_bounds, check_names, judge
from rnnhw.design.design import Design, load
from rnnhw.design.schedule import Arrangement
from rnnhw.design.tasks import Score
from rnnhw.design.underflow import AllZero
from rnnhw.errors import DesignError, UsageError, escaped, unknown_name
from rnnhw.execution.engine import available_isas, select_isa
from rnnhw.execution.rest import STEPS, LayerRest
from rnnhw.execution.simulate import (
    Simulation,
    check_answers,
    chosen_samples,
    figure_names,
    simulate,
)
from rnnhw.execution.verify import Verification, verify
from rnnhw.files import check_output, check_writable, written_whole
from rnnhw.profiles import ProfileError, load_profile, profile_files, profile_names
from rnnhw.report import comparison as side_by_side
from rnnhw.report import to_csv, to_html, to_json, to_markdown, to_text
from rnnhw.study.compare import compare_costs, is_saved
from rnnhw.study.scores import compare
from rnnhw.version import __version__

__all__ = ["run"]

app = typer.Typer(
    name="rnnhw",
    help="Simulate, verify and cost fixed-point recurrent accelerators, bit for bit.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PLAIN = ("text", "json")
"""The formats of a command that makes no tables."""

Traces = Annotated[
    list[str] | None,
    typer.Option(
        "--trace", metavar="SIGNAL", help="Record this signal in the output. Repeatable; or all."
    ),
]


@app.command("simulate")
def simulate_command(
    design: DesignFile,
    settings: Settings = None,
    data: Data = None,
    isa: Isa = None,
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
    shown = chosen_format(format, None, _PLAIN)
    floors, ceilings = _bounds(output, minimum, maximum)
    check_bounds(floors, ceilings)
    loaded = _load(design, settings)
    _check_output(output, loaded, data)
    traces = trace or []
    if "all" in traces:
        traces = list(loaded.network.signals())
    if traces and output is None:
        raise UsageError("--trace records into a file", "give --output RUN.npz")
    for name in traces:
        _known_signal(loaded, name)
    select_isa(isa)
    # A misspelt name is told before the work.
    samples = chosen_samples(loaded, data)
    check_answers(loaded, samples, str(data or design), (*floors, *ceilings))
    check_names(figure_names(loaded, samples), floors, ceilings)
    with shown_progress("sequences") as progress:
        result = simulate(loaded, data, samples=samples, traces=traces, isa=isa, progress=progress)
    checks = judge(result.figures(), floors, ceilings, result.unjudged())
    if output is not None:
        result.save(output)
    _show(
        simulation_text(result, checks) if shown == "text" else _json(_simulation(result, checks))
    )
    return _judged_code(checks)


@app.command("verify")
def verify_command(
    design: DesignFile,
    settings: Settings = None,
    data: Data = None,
    isa: Isa = None,
    format: Format = None,
    output: Output = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
) -> int:
    """Compare with the float reference; PASS or FAIL.

    Judged by what the design requires and by --min and --max, of the outputs or of any signal
    (--min rnn.cell.snr_db=40). The exit code is 1 on FAIL, and 2 where nothing is required or a
    figure says nothing, such as the accuracy of one sequence.
    """
    shown = chosen_format(format, output, _PLAIN)
    floors, ceilings = _bounds(output, minimum, maximum)
    loaded = _load(design, settings)
    _check_output(output, loaded, data)
    select_isa(isa)
    with shown_progress("sequences") as progress:
        result = verify(loaded, data, minimum=floors, maximum=ceilings, isa=isa, progress=progress)
    _deliver(verification_text(result) if shown == "text" else _json(_verification(result)), output)
    if not result.checks:
        complain(
            f"{loaded.place}: nothing is required, so nothing can pass",
            "give the task require={...}, or --min NAME=VALUE / --max NAME=VALUE",
        )
        return 2
    code = _judged_code(result.checks)
    if output is None and sys.stdout is None:  # closed by the caller, who has no verdict yet
        print("FAIL" if code else "PASS", file=sys.stderr)
    return code


@app.command("report")
def report_command(
    design: DesignFile,
    settings: Settings = None,
    profile: Profile = None,
    clock_mhz: ClockMhz = None,
    lanes: Lanes = None,
    engines: Engines = None,
    overlap: Overlap = None,
    interleave: Interleave = None,
    weights: Weights = None,
    steps_in_parallel: StepsInParallel = None,
    format: ReportFormat = None,
    output: Output = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
) -> int:
    """Throughput and storage on a target.

    Every figure follows from the design and the hardware profile: no weights are needed. -o
    chooses the format by the file's suffix: .txt, .csv (a row a layer), .md, .json or .html.

    With --lanes auto the fewest lanes that meet the deadline are chosen (the design's, or --min
    steps_per_second), without a deadline the best throughput that fits; the exit code is 1 where
    there are no such lanes.
    """
    shown = chosen_format(format, output, tuple(SUFFIXES))
    floors, ceilings = _bounds(output, minimum, maximum)
    given = chosen_lanes(lanes)
    loaded = _load(design, settings)
    _check_output(output, loaded, profiles=[profile])
    target_lanes = loaded.target.lanes if loaded.target else None
    own = loaded.target.arrangement if loaded.target else Arrangement()
    arrangement = chosen_arrangement(
        own,
        engines=engines,
        overlap=overlap,
        interleave=interleave,
        weights=weights,
        steps_in_parallel=steps_in_parallel,
    )
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
    checks = judge_report(report, floors, ceilings)
    match shown:
        case "text":
            _deliver(to_text(report), output)
        case "json":
            _deliver(to_json(report).decode(), output)
        case "csv":
            _deliver(to_csv(report), output)
        case "markdown":
            _deliver(to_markdown(report), output)
        case _:
            _deliver(to_html(report), output)
    for check in checks:
        if not check.passed:
            value = f"{check.value:g}{check.bound_words}"
            complain(f"{check.name} is {value}, --{check.kind} {check.bound:g}", "")
    missing = unmet_plan(report)
    if missing:
        complain("lanes auto: " + "; ".join(missing), "")
    return 1 if missing else _exit_code(checks)


@app.command("compare")
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
    floors, ceilings = _bounds(output, minimum, maximum)
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
            loaded=lambda design: _check_output(output, design, profiles=profile or [None]),
        )
    match shown:
        case "text":
            _deliver(side_by_side.to_text(result), output)
        case "json":
            _deliver(side_by_side.to_json(result).decode(), output)
        case "csv":
            _deliver(side_by_side.to_csv(result), output)
        case "markdown":
            _deliver(side_by_side.to_markdown(result), output)
        case _:
            _deliver(side_by_side.to_html(result), output)
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
    if shown == "html":
        raise UsageError(
            "--format html is for costs on hardware", "name a --profile, or choose another format"
        )
    with shown_progress("rows") as progress, contextlib.redirect_stdout(sys.stderr):
        result = compare(
            designs,
            assignments("--set", settings),
            listed("--vary", vary),
            simulate=True,
            minimum=floors,
            maximum=ceilings,
            progress=progress,
            loaded=lambda design: _check_output(output, design),
        )
    match shown:
        case "text":
            _deliver(comparison_text(result), output)
        case "json":
            _deliver(_json(comparison_data(result)), output)
        case "csv":
            _deliver(comparison_csv(result), output)
        case _:
            _deliver(comparison_markdown(result), output)
    if shown in ("csv", "markdown"):
        for each in result.checks:
            if not each.check.passed:
                complain(check_text(each), "")
    return 0 if result.passed else 1


@app.command("emit")
def emit_command(
    design: DesignFile,
    output: Folder,
    settings: Settings = None,
    data: Data = None,
    lanes: Lanes = None,
    check: CheckOption = False,
    simulator: SimulatorName = None,
    waves: Waves = None,
    sequences: Sequences = None,
    format: Format = None,
) -> int:
    """Write a design as Verilog-2005.

    The folder holds the sources, their memory images, a test bench with the design's real inputs
    and the outputs of the engine, a file list, a FuseSoC core and a C header. With --check the
    test bench is run, in the cycles of the machine and once more with gaps, stalls and a reset on
    the way; the exit code is 1 where an output or a cycle differs.
    """
    shown = chosen_format(format, None, _PLAIN)
    given = chosen_lanes(lanes)
    loaded = _load(design, settings)
    if output == Path("-"):
        raise UsageError("--output -: a folder cannot go to standard output", "name a folder")
    result = emit(
        loaded,
        output,
        data=data,
        lanes=given,
        sequences=sequences,
        check=check,
        simulator=simulator,
        waves=waves,
    )
    _show(emitted_text(result) if shown == "text" else _json(emitted_data(result)))
    return 0 if result.passed else 1


@app.command("synth")
def synth_command(
    design: DesignFile,
    profile: Profile = None,
    settings: Settings = None,
    lanes: Lanes = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", help="Place and route with so many seeds.")
    ] = 1,
    no_place: Annotated[
        bool, typer.Option("--no-place", help="Synthesise alone: no clock.")
    ] = False,
    format: Format = None,
    output: Output = None,
) -> int:
    """Synthesise a design's Verilog and show the estimate beside it.

    With yosys, and nextpnr for iCE40 and ECP5. LUTs, flip-flops, multiplier blocks and block RAM
    before placement; the highest clock of each seed.
    """
    shown = chosen_format(format, output, _PLAIN)
    if output is not None:
        check_writable(output)
    loaded = _load(design, settings)
    _check_output(output, loaded, profiles=[profile])
    result = synth(
        loaded,
        profile,
        lanes=chosen_lanes(lanes),
        seeds=seeds,
        placed=not no_place,
    )
    _deliver(synthesis_text(result) if shown == "text" else _json(synthesis_data(result)), output)
    return 0


@app.command("profiles")
def profiles_command(
    name: Annotated[
        str | None, typer.Argument(help="A profile's name, or a .toml file.", show_default=False)
    ] = None,
) -> int:
    """List hardware profiles, or one with sources.

    With a name: every figure of that profile and where it comes from.
    """
    _show(
        profile_info(
            [load_profile(each) for each in ([name] if name else profile_names())],
            sources=name is not None,
        )
    )
    return 0


@app.command("info")
def info_command(
    design: Annotated[
        Path | None, typer.Argument(help="A design file.", show_default=False)
    ] = None,
    settings: Settings = None,
) -> int:
    """Describe this build, or a design.

    With a design: its layers, signals, formats and tensors.
    """
    if design is not None:
        _show(design_info(_load(design, settings)))
        return 0
    if settings:
        raise UsageError("--set needs a design file")
    versions = {
        "rnnhw": __version__,
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
    }
    _show(system_info(versions, available_isas(), select_isa(None)[1], profile_names()))
    return 0


def _print_version(wanted: bool) -> None:
    if wanted:
        _show(f"rnnhw {__version__}\n")
        raise typer.Exit()


@app.callback(no_args_is_help=True)
def _every_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in rnnhw an error comes from.")
    ] = False,
) -> None:
    """Take the options that need no command."""


def run(words: Sequence[str]) -> int:
    """Run a command; the exit code. Whatever goes wrong is raised."""
    # Not the command's own main(): it makes another exception of an interrupt.
    command = typer.main.get_command(app)
    try:
        with command.make_context("rnnhw", list(words)) as context:
            return int(command.invoke(context) or 0)
    except typer.Exit as ended:  # of --help and --version
        return ended.exit_code


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


def _load(design: Path, settings: list[str] | None) -> Design:
    """The design; what its file prints goes to stderr, because stdout is data."""
    with contextlib.redirect_stdout(sys.stderr):
        return load(design, assignments("--set", settings))


def _check_output(
    output: Path | None,
    design: Design,
    data: Path | None = None,
    profiles: Sequence[str | None] = (),
) -> None:
    """Refuse to write over what the run reads; a profile of None is the design's target's."""
    if output is None:
        return
    inputs = [*design.files, *([data] if data is not None else [])]
    for profile in profiles:
        name = profile or (design.target.profile if design.target else None)
        with contextlib.suppress(ProfileError):  # told by what reads it
            inputs += [] if name is None else profile_files(name)
    check_output(output, inputs)


def _bounds(
    output: Path | None, minimum: list[str] | None, maximum: list[str] | None
) -> tuple[dict[str, float], dict[str, float]]:
    """``--min`` and ``--max``, after a look at the place of the result: both before the work."""
    if output is not None:
        check_writable(output)
    return bounds("--min", minimum), bounds("--max", maximum)


def _known_signal(design: Design, name: str) -> None:
    signals = design.network.signals()
    if name not in signals:
        raise UsageError(*unknown_name("signal", name, signals))


def _show(content: RenderableType) -> None:
    """Print on standard output; a reader that has seen enough (head, less) is no error."""
    stream = sys.stdout
    if stream is None:  # closed by the caller: rnnhw ... >&-
        return
    encoding = stream.encoding or "utf-8"
    try:
        text = _plain_text(content, stream)
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends: into nothing then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        reason = str(error.strerror).lower()
        raise UsageError(f"cannot write to standard output: {reason}") from None


def _deliver(content: RenderableType, output: Path | None) -> None:
    """Print, or write a file that is plain text."""
    if output is None:
        _show(content)
        return
    text = _plain_text(content, io.StringIO())
    with written_whole(output) as file:
        file.write(text.encode())


def _plain_text(content: RenderableType, stream: IO[str]) -> str:
    """The text of what is shown, in which no character of another's controls a terminal."""
    if isinstance(content, str):
        return escaped(content, keep="\n\t")
    return rendered(content, stream)


def _exit_code(checks: Iterable[Check]) -> int:
    return 0 if all(check.passed for check in checks) else 1


def _judged_code(checks: Sequence[Check]) -> int:
    """The exit code of demands, of which those on figures that say nothing are a wrong call."""
    unjudged = [check for check in checks if check.unjudged]
    for check in unjudged:
        complain(f"{check.name} is not judged: {check.unjudged}", "")
    return 2 if unjudged else _exit_code(checks)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """What JSON can hold: infinities and NaN become null, unknown objects their text."""
    match value:
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
    return str(value)


def _judgement(checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "checks": [{**asdict(check), "passed": check.passed} for check in checks],
        "passed": bool(checks) and all(check.passed for check in checks),
    }


def _head(kind: str) -> dict[str, Any]:
    """What JSON of a command begins with."""
    return {"$schema": f"urn:rnnhw:schema:{kind}:1", "rnnhw_version": __version__}


def _simulation(result: Simulation, checks: Sequence[Check]) -> dict[str, Any]:
    return {
        **_head("simulation"),
        "design": result.design.path.name if result.design.path else None,
        "settings": dict(result.design.settings),
        "isa": result.run.isa,
        "sequences": result.batch.sequences,
        "steps": int(result.batch.lengths.sum()),
        **_score(result.score),
        "events": {name: events._asdict() for name, events in result.events.items()},
        "underflows": result.underflows,
        "all_zero": _all_zero(result.all_zero),
        "zero_outputs": list(result.zero_outputs),
        "counts": {layer: asdict(counts) for layer, counts in result.run.counts.items()},
        "total_counts": asdict(result.counts),
        **(_judgement(checks) if checks else {}),
    }


def _score(score: Score | None, prefix: str = "") -> dict[str, Any]:
    if score is None:
        return {}
    fields = {**score.figures(), **score.details(), **score.tallies()}
    if why := score.unjudged():
        fields[f"{score.names[0]}_not_judged"] = why
    return {f"{prefix}{name}": value for name, value in fields.items()}


def _all_zero(zeros: Iterable[AllZero]) -> dict[str, list[int]]:
    """By tensor the units whose weights became zero; an empty list is the whole tensor."""
    return {zero.name: list(zero.units) for zero in zeros}


def _verification(result: Verification) -> dict[str, Any]:
    def error(signal: Any) -> dict[str, Any]:
        return {
            "max_error": signal.max_error,
            "max_error_lsb": signal.max_error_lsb,
            "rms_error": signal.rms_error,
            "rms_error_lsb": signal.rms_error_lsb,
            "snr_db": signal.snr_db,
            "worst_sequence_step_unit": list(signal.worst),
        }

    return {
        **_head("verification"),
        "design": result.design.path.name if result.design.path else None,
        "settings": dict(result.design.settings),
        "sequences": result.sequences,
        **_score(result.score),
        **_score(result.float_score, "float_"),
        "output": error(result.output),
        "signals": {signal.name: error(signal) for signal in result.signals},
        "sources": {
            each.source: {**error(each.output), **_score(each.score)} for each in result.sources
        },
        "events": {name: events._asdict() for name, events in result.events.items()},
        "underflows": dict(result.underflows),
        "all_zero": _all_zero(result.all_zero),
        "zero_units": {
            signal.name: list(signal.zero_units) for signal in result.signals if signal.zero_units
        },
        "zero_input": {
            "sequences": result.rest_sequences,
            "max_steps": STEPS,
            "layers": {rest.layer: _rest(rest) for rest in result.rests},
        },
        **_judgement(result.checks),
    }


def _rest(rest: LayerRest) -> dict[str, Any]:
    return {
        "skipped": rest.skipped or None,
        "repeating_sequences": rest.repeating,
        "states": {
            state.name: {
                "units": state.units,
                "stuck_units": list(state.stuck),
                "largest_lsb": state.largest_lsb,
            }
            for state in rest.states
        },
    }
