"""The commands. Each reads its options, calls one library function and shows what it gave."""

from __future__ import annotations

import io
import json
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy
import typer
from rich.console import Console, RenderableType

import rnnhw
from rnnhw.cli.options import (
    ClockMhz,
    Data,
    DesignFile,
    Format,
    Isa,
    Lanes,
    Maximum,
    Minimum,
    Output,
    Profile,
    Settings,
    assignments,
    bounds,
    chosen_format,
)
from rnnhw.cli.progress import shown_progress
from rnnhw.cli.show import (
    console,
    design_info,
    profile_info,
    simulation_text,
    system_info,
    verification_text,
)
from rnnhw.cost import estimate
from rnnhw.costreport import report_fields
from rnnhw.design import load
from rnnhw.engine import available_isas, select_isa
from rnnhw.errors import RnnhwError, UsageError
from rnnhw.profiles import load_profile, profile_names
from rnnhw.report import to_json, to_text
from rnnhw.simulate import Simulation, simulate, written_whole
from rnnhw.verify import Check, Verification, judge, verify

__all__ = ["main"]

app = typer.Typer(
    name="rnnhw",
    help="Simulate, verify and cost fixed-point recurrent accelerators, bit for bit.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

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
    output: Output = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
) -> int:
    """Run a design in integers: outputs, accuracy, measured counts, events."""
    if output is not None and output.suffix != ".npz":
        raise UsageError(f"--output {output}: simulate writes .npz", "name the file *.npz")
    shown = chosen_format(format, None, {"text": "", "json": ""})
    floors, ceilings = bounds("--min", minimum), bounds("--max", maximum)
    loaded = load(design, assignments("--set", settings))
    traces = trace or []
    if "all" in traces:
        traces = list(loaded.network.signals())
    if traces and output is None:
        raise UsageError("--trace records into a file", "give --output RUN.npz")
    select_isa(isa)
    with shown_progress("sequences") as progress:
        result = simulate(loaded, data, traces=traces, isa=isa, progress=progress)
    checks = judge(result.figures(), floors, ceilings)
    if output is not None:
        result.save(output)
    _show(simulation_text(result, checks) if shown == "text" else _json(_simulation(result)))
    return _exit_code(checks)


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
    """Compare with the float reference and judge by what is required. Exit code 1: FAIL."""
    shown = chosen_format(format, output, {"text": ".txt", "json": ".json"})
    floors, ceilings = bounds("--min", minimum), bounds("--max", maximum)
    loaded = load(design, assignments("--set", settings))
    select_isa(isa)
    with shown_progress("sequences") as progress:
        result = verify(loaded, data, minimum=floors, maximum=ceilings, isa=isa, progress=progress)
    _deliver(verification_text(result) if shown == "text" else _json(_verification(result)), output)
    return _exit_code(result.checks)


@app.command("report")
def report_command(
    design: DesignFile,
    settings: Settings = None,
    profile: Profile = None,
    clock_mhz: ClockMhz = None,
    lanes: Lanes = None,
    format: Format = None,
    output: Output = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
) -> int:
    """Throughput and storage on a hardware profile. Works without weights."""
    shown = chosen_format(format, output, {"text": ".txt", "json": ".json"})
    floors, ceilings = bounds("--min", minimum), bounds("--max", maximum)
    loaded = load(design, assignments("--set", settings))
    report = estimate(loaded, profile, clock_mhz=clock_mhz, lanes=lanes)
    checks = judge(report_fields(report), floors, ceilings)
    _deliver(to_text(report) if shown == "text" else to_json(report).decode(), output)
    for check in checks:
        if not check.passed:
            _complain(f"{check.name} is {check.value:g}, --{check.kind} {check.bound:g}", "")
    return _exit_code(checks)


@app.command("profiles")
def profiles_command(
    name: Annotated[
        str | None, typer.Argument(help="A profile's name, or a .toml file.", show_default=False)
    ] = None,
) -> int:
    """List the hardware profiles, or one with its figures and their sources."""
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
    """What is built and runs here; or a design's layers, signals, formats and tensors."""
    if design is not None:
        _show(design_info(load(design, assignments("--set", settings))))
        return 0
    if settings:
        raise UsageError("--set needs a design file")
    versions = {
        "rnnhw": rnnhw.__version__,
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
    }
    _show(system_info(versions, available_isas(), select_isa(None)[1], profile_names()))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 1 (a check failed), 2 (usage) or 3 (design)."""
    try:
        code = typer.main.get_command(app)(
            args=None if arguments is None else list(arguments),
            prog_name="rnnhw",
            standalone_mode=False,
        )
    except RnnhwError as error:
        _complain(error.message, error.hint)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted", "")
        return 130
    except BrokenPipeError:
        # The reader of a pipe (head, less) has seen enough.
        sys.stderr.close()
        return 0
    except Exception as error:
        # Typer's own errors about options; it exports no base class of them.
        if not hasattr(error, "format_message"):
            raise
        _complain(error.format_message().rstrip("."), "rnnhw COMMAND --help lists the options")
        return 2
    return int(code or 0)


def _complain(message: str, hint: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def _show(content: RenderableType) -> None:
    if isinstance(content, str):
        sys.stdout.write(content)
    else:
        console().print(content)


def _deliver(content: RenderableType, output: Path | None) -> None:
    """Print, or write a file that is plain text."""
    if output is None:
        _show(content)
        return
    text = io.StringIO()
    if isinstance(content, str):
        text.write(content)
    else:
        Console(file=text, width=120, highlight=False).print(content)
    with written_whole(output) as file:
        file.write(text.getvalue().encode())


def _exit_code(checks: Iterable[Check]) -> int:
    return 0 if all(check.passed for check in checks) else 1


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def _finite(value: float) -> float | None:
    """JSON knows no infinity: an exact signal has no SNR."""
    return value if abs(value) != float("inf") else None


def _simulation(result: Simulation) -> dict[str, Any]:
    return {
        "design": result.design.place,
        "settings": dict(result.design.settings),
        "isa": result.run.isa,
        "sequences": result.batch.sequences,
        "steps": int(result.batch.lengths.sum()),
        **_score("accuracy", result.score),
        "events": {name: events._asdict() for name, events in result.events.items()},
        "counts": {layer: asdict(counts) for layer, counts in result.run.counts.items()},
        "total_counts": asdict(result.counts),
    }


def _score(name: str, score: Any) -> dict[str, Any]:
    if score is None:
        return {}
    return {
        name: score.accuracy,
        f"{name}_interval_95": list(score.interval),
        f"{name}_correct": score.correct,
    }


def _verification(result: Verification) -> dict[str, Any]:
    def error(signal: Any) -> dict[str, Any]:
        return {
            "max_error": signal.max_error,
            "max_error_lsb": signal.max_error_lsb,
            "rms_error": signal.rms_error,
            "rms_error_lsb": signal.rms_error_lsb,
            "snr_db": _finite(signal.snr_db),
            "worst_sequence_step_unit": list(signal.worst),
        }

    return {
        "design": result.design.place,
        "settings": dict(result.design.settings),
        "sequences": result.sequences,
        **_score("accuracy", result.score),
        **_score("float_accuracy", result.float_score),
        "output": error(result.output),
        "signals": {signal.name: error(signal) for signal in result.signals},
        "sources": {
            each.source: {**error(each.output), **_score("accuracy", each.score)}
            for each in result.sources
        },
        "events": {name: events._asdict() for name, events in result.events.items()},
        "checks": [{**asdict(check), "passed": check.passed} for check in result.checks],
        "passed": result.passed,
    }
