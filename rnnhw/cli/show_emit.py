"""How an emitted design looks: as text for a console, and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from rnnhw.cli.show import aligned, heading, number, title, verdict
from rnnhw.commands.emit import Emitted
from rnnhw.numerics.cast import Q
from rnnhw.report.json_text import head
from rnnhw.rtl.project import static_modules
from rnnhw.rtl.tools.check import BenchRun

__all__ = ["emitted_data", "emitted_text"]


def emitted_text(emitted: Emitted) -> RenderableType:
    """What ``rnnhw emit`` prints."""
    emission, design = emitted.emission, emitted.design
    lanes = ", ".join(f"{name} {count}" for name, count in emitted.lanes.items())
    generated = [name for name in emission.files if name.endswith(".v")]
    bench = [f"{emission.name}_tb.v"] if emitted.stimulus else []
    images = sum(name.endswith(".hex") for name in emitted.files)
    files = [
        ("generated", _listed([*generated, *bench])),
        ("static modules", _listed(static_modules(emission))),
        ("memory images", f"{images}, *.hex"),
        ("for tools", ", ".join(f"{emission.name}.{end}" for end in ("f", "core", "h"))),
    ]
    ports = [
        ("x_data", f"{emission.inputs:,}", str(emission.input_format)),
        ("y_data", f"{emission.outputs:,}", str(emission.output_format)),
    ]
    parts: list[RenderableType] = [
        title(design),
        Text(
            f"\n{emitted.directory}: {number(len(emitted.files), 'file')}, "
            f"top module {emission.name}, lanes: {lanes}"
        ),
        aligned(("what it is", "files"), files, ()),
        heading("ports beside clk, rst and valid, ready, first and last of each stream"),
        aligned(("port", "elements a vector", "format"), ports, ("elements a vector",)),
    ]
    if emitted.stimulus is None:
        parts.append(Text("\nno test bench: the design has no task and no --data"))
    if emitted.runs:
        parts += _check(emitted)
    return Group(*parts)


def _listed(names: Sequence[str]) -> str:
    """Names in lines that fit a terminal beside what they are."""
    return "\n".join(textwrap.wrap(", ".join(names), 76, break_on_hyphens=False))


def _check(emitted: Emitted) -> list[RenderableType]:
    assert emitted.stimulus is not None
    stimulus = emitted.stimulus
    steps = len(stimulus.inputs)
    numbers = ("outputs", "steps", "cycles", "wrong outputs", "wrong cycles", "faults")
    rows = [
        (
            f"{run.simulator}{', with stalls and a reset' if run.stalls else ''}",
            f"{run.outputs:,}",
            f"{steps:,}",
            f"{run.cycles:,}",
            f"{run.differences:,}",
            "-" if run.stalls else f"{run.late:,}",
            f"{run.faults:,}",
        )
        for run in emitted.runs
    ]
    due = len(stimulus.outputs) * emitted.emission.outputs
    parts: list[RenderableType] = [
        heading(
            f"check: {number(stimulus.sequences, 'sequence')}, {number(steps, 'step')}, "
            f"{number(due, 'output')}"
        ),
        aligned(("simulator", *numbers), rows, numbers),
        Text(
            "outputs against the engine, cycles against the machine; faults: an X, or a vector "
            "too many,\nuninvited or missing; -: not compared",
            "dim",
        ),
        Text(""),
    ]
    parts += [
        Text(f"{run.simulator}{', with stalls and a reset' if run.stalls else ''}: {_first(run)}")
        for run in emitted.runs
        if not run.passed
    ]
    return [*parts, verdict(emitted.passed)]


def _first(run: BenchRun) -> str:
    return run.first or "a difference that the bench did not print"


def emitted_data(emitted: Emitted) -> dict[str, Any]:
    """The same as what JSON holds."""
    emission, stimulus = emitted.emission, emitted.stimulus
    data: dict[str, Any] = {
        **head("emission"),
        "design": emitted.design.path.name if emitted.design.path else None,
        "settings": dict(emitted.design.settings),
        "directory": str(emitted.directory),
        "top": emission.name,
        "files": list(emitted.files),
        "lanes": dict(emitted.lanes),
        "input": _stream(emission.inputs, emission.input_format),
        "output": _stream(emission.outputs, emission.output_format),
    }
    if stimulus is not None:
        data["bench"] = {
            "sequences": stimulus.sequences,
            "steps": len(stimulus.inputs),
            "outputs": len(stimulus.outputs) * emission.outputs,
        }
    if emitted.runs:
        data["runs"] = [{**asdict(run), "passed": run.passed} for run in emitted.runs]
        data["passed"] = emitted.passed
    return data


def _stream(units: int, format: Q) -> dict[str, Any]:
    return {
        "units": units,
        "width": format.width,
        "fraction": format.fraction,
        "signed": format.signed,
    }
