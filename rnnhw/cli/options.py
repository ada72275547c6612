"""Options that several commands share, and the text that they take."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rnnhw.design.schedule import SCHEDULES, Arrangement
from rnnhw.errors import UsageError

__all__ = [
    "NO_SCHEDULES",
    "PLAIN",
    "SUFFIXES",
    "AnalysisFormat",
    "AnalyzedDesigns",
    "Baseline",
    "Check",
    "ClockMhz",
    "CompareItems",
    "Data",
    "DesignFile",
    "Folder",
    "Format",
    "Isa",
    "Lanes",
    "Maximum",
    "Minimum",
    "Output",
    "Profile",
    "Profiles",
    "ReportFormat",
    "RunOutput",
    "Sequences",
    "Settings",
    "SimulatorName",
    "Vary",
    "Waves",
    "assignments",
    "bounds",
    "chosen_arrangement",
    "chosen_format",
    "chosen_lanes",
    "listed",
    "with_schedules",
]

# A file that cannot be read is told by its reader, like one that is not there.
DesignFile = Annotated[
    Path,
    typer.Argument(metavar="DESIGN", help="The design file.", show_default=False, readable=False),
]
CompareItems = Annotated[
    list[Path],
    typer.Argument(
        metavar="DESIGN|REPORT.json",
        help="Design files, and reports saved with --format json.",
        show_default=False,
        readable=False,
    ),
]
AnalyzedDesigns = Annotated[
    list[Path],
    typer.Argument(
        metavar="DESIGN",
        help="Design files; of several the memory is compared.",
        show_default=False,
        readable=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter of design(). Repeatable."),
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary", metavar="NAME=V1,V2", help="Vary a parameter of every design(). Repeatable."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE.npz",
        help="Your own x (as the network reads it), lengths, y and first states (rnn.h0) instead "
        "of the task's.",
        readable=False,
    ),
]
Isa = Annotated[
    str | None,
    typer.Option("--isa", metavar="NAME", help="Instruction set; default: the fastest here."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", help="Cores that share the work; default: all of them."),
]
_MOST_DIGITS = 18

SUFFIXES = {"text": ".txt", "csv": ".csv", "markdown": ".md", "json": ".json", "html": ".html"}
"""The formats of results, and what the names of their files end in."""

PLAIN = ("text", "json")
"""The formats of a command that makes no tables."""

Format = Annotated[str | None, typer.Option("--format", metavar="NAME", help="text or json.")]
AnalysisFormat = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="text, json or html.")
]
ReportFormat = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="text, csv, markdown, json or html.")
]


def _printed(place: Path | None) -> Path | None:
    """None, which is to print, for the place ``-``."""
    return None if place == Path("-") else place


Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write here instead of printing; - prints.",
        callback=_printed,
        readable=False,
    ),
]
RunOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="RUN.npz",
        help="Also save outputs, states, counts...",
        readable=False,
    ),
]
Minimum = Annotated[
    list[str] | None,
    typer.Option("--min", metavar="NAME=VALUE", help="Fail below this figure. Repeatable."),
]
Maximum = Annotated[
    list[str] | None,
    typer.Option("--max", metavar="NAME=VALUE", help="Fail above this figure. Repeatable."),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="NAME", help="Hardware profile, or a .toml file of your own."
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Hardware profile for every design, or a .toml file. Repeatable; default: their own.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline", metavar="COLUMN", help="The column that ratios are to; default: the first."
    ),
]
ClockMhz = Annotated[
    float | None,
    typer.Option("--clock-mhz", metavar="MHZ", help="Clock; default: both ends of the range."),
]
Lanes = Annotated[
    str | None,
    typer.Option(
        "--lanes",
        metavar="N|auto",
        help="Multiply-accumulate lanes a layer; auto: the fewest that meet the deadline.",
    ),
]
Folder = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        help="The folder to write.",
        show_default=False,
        readable=False,
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Run the test bench: every output and every cycle.")
]
SimulatorName = Annotated[
    str | None,
    typer.Option(
        "--simulator", metavar="NAME", help="iverilog, verilator or all; default: iverilog."
    ),
]
Waves = Annotated[
    Path | None,
    typer.Option(
        "--waves", metavar="FILE", help="Record the signals, as .vcd or .fst.", readable=False
    ),
]
Sequences = Annotated[
    int | None,
    typer.Option(
        "--sequences",
        metavar="N",
        help="Sequences in the test bench; default: the first that fit 50,000 cycles.",
    ),
]


NO_SCHEDULES: Mapping[str, str] = {}
"""No option of a schedule; the place where a command has them."""


def with_schedules(command: Callable[..., int]) -> Callable[..., int]:
    """The command with an option for every schedule, in place of its parameter ``schedules``.

    It gets them there as a mapping of names to texts; a schedule that was not given is left out.
    """

    @wraps(command)
    def run(**options: Any) -> int:
        texts = {name: options.pop(name) for name in SCHEDULES}
        given = {name: text for name, text in texts.items() if text is not None}
        return command(schedules=given, **options)

    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name != "schedules":
            parameters.append(parameter)
            continue
        for name, schedule in SCHEDULES.items():
            option = typer.Option(_option(name), metavar=schedule.metavar, help=schedule.help)
            kind = Annotated[str | None, option]
            parameters.append(parameter.replace(name=name, default=None, annotation=kind))
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def chosen_arrangement(given: Arrangement, schedules: Mapping[str, str]) -> Arrangement:
    """The design's arrangement with the texts of options in place of the schedules they name.

    Raises:
        UsageError: an option has no such value.
    """
    changes: dict[str, Any] = {}
    for name, text in schedules.items():
        words, option = SCHEDULES[name].words, _option(name)
        if text in words or not SCHEDULES[name].counts:
            changes[name] = words[_one_of(option, text, words)]
        else:
            changes[name] = _whole(option, text, "".join(f", or {word}" for word in words))
    return replace(given, **changes)


def _option(name: str) -> str:
    """The option that sets the parameter ``name`` of a function."""
    return f"--{name.replace('_', '-')}"


def _one_of(option: str, text: str, known: Iterable[str]) -> str:
    if text not in known:
        raise UsageError(f"Invalid value for '{option}': {text!r}", f"known: {', '.join(known)}")
    return text


def _whole(option: str, text: str, more: str = "") -> int:
    # More digits than these are no number of anything; Python refuses to read thousands.
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < 1:
        raise UsageError(
            f"Invalid value for '{option}': {_short(text)}",
            f"give a whole number, at least 1 and of at most {_MOST_DIGITS} digits{more}",
        )
    return int(text)


def _short(text: str) -> str:
    """A wrong value in a message."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def chosen_lanes(text: str | None) -> int | Literal["auto"] | None:
    """The value of ``--lanes``.

    Raises:
        UsageError: it is neither a whole number from 1 nor ``auto``.
    """
    if text is None or text == "auto":
        return "auto" if text else None
    try:
        lanes = int(text) if len(text) <= _MOST_DIGITS else 0
    except ValueError:
        lanes = 0
    if lanes < 1:
        raise UsageError(
            f"Invalid value for '--lanes': {_short(text)}",
            f"give a whole number, at least 1 and of at most {_MOST_DIGITS} digits, or auto",
        )
    return lanes


def assignments(option: str, texts: Iterable[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping.

    Raises:
        UsageError: a text has no ``=``, or a name comes twice.
    """
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {text!r}", f"write {option} NAME=VALUE")
        if name in pairs:
            raise UsageError(f"{option} {name} is given twice")
        pairs[name] = value
    return pairs


def listed(option: str, texts: Iterable[str] | None) -> dict[str, list[str]]:
    """``NAME=V1,V2,...`` texts as a mapping to the values; ``4:12`` are the whole numbers from 4 to
    12, ``4:12:2`` every second of them.

    Raises:
        UsageError: as :func:`assignments`, or a value is empty.
    """
    lists = {name: _expanded(text) for name, text in assignments(option, texts).items()}
    for name, values in lists.items():
        if "" in values:
            raise UsageError(
                f"{option} {name}={','.join(values)}: a value is empty",
                f"write {option} {name}=V1,V2,...",
            )
    return lists


_MOST_OF_A_RANGE = 10_000


def _expanded(text: str) -> list[str]:
    """The values that a text lists, its ranges written out."""
    values: list[str] = []
    for part in text.split(","):
        if not (match := re.fullmatch(r"(-?\d{1,18}):(-?\d{1,18})(?::(\d{1,18}))?", part)):
            values.append(part)
            continue
        first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if step < 1 or last < first or (last - first) // step >= _MOST_OF_A_RANGE:
            raise UsageError(
                f"{part}: no range of values", "write FIRST:LAST or FIRST:LAST:STEP, both included"
            )
        values += map(str, range(first, last + 1, step))
    return values


def bounds(option: str, texts: Iterable[str] | None) -> dict[str, float]:
    """``NAME=NUMBER`` texts as a mapping.

    Raises:
        UsageError: as :func:`assignments`, or a value is not a number.
    """
    numbers = {}
    for name, text in assignments(option, texts).items():
        try:
            numbers[name] = float(text)
        except ValueError:
            numbers[name] = math.nan
        if math.isnan(numbers[name]):
            raise UsageError(f"{option} {name}={text}: {text!r} is not a number")
    return numbers


def chosen_format(
    format: str | None, output: Path | None, known: Sequence[str], option: str = "--output"
) -> str:
    """The output format: the option's, else the one that the file's suffix names, else text.

    ``known`` are the formats that the command has; ``option`` takes the file. A suffix in capitals
    is the same one; with the option of the format a suffix that names none is as good as any.

    Raises:
        UsageError: the format is unknown, the suffix names none of the command's and there is no
            option, or the two contradict each other.
    """
    if format is not None and format not in known:
        raise UsageError(f"unknown format {format!r}", f"known: {', '.join(known)}")
    suffix = "" if output is None else output.suffix.lower()
    named = {ending: name for name, ending in SUFFIXES.items()}.get(suffix)
    if format is None:
        if suffix and named not in known:
            endings = ", ".join(SUFFIXES[name] for name in known)
            raise UsageError(
                f"{option} {output}: no format has the suffix {suffix}",
                f"known: {endings}; or say which with --format",
            )
        return named or "text"
    if named is not None and named != format:
        raise UsageError(
            f"--format {format} contradicts the suffix of {output}",
            f"name the file *{SUFFIXES[format]}, or leave out --format",
        )
    return format
