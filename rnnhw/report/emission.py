"""A design that was emitted as Verilog, and what its test bench found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rnnhw.design.design import Design
from rnnhw.numerics.cast import Q
from rnnhw.report.json_text import head, json_text
from rnnhw.report.markup import tag
from rnnhw.report.page import remark, section, table_html
from rnnhw.report.shown import Shown, design_page, design_title, screen
from rnnhw.report.table_cell import number
from rnnhw.report.tables import Table

__all__ = ["Bench", "BenchFound", "EmissionResult", "Port", "emission_page"]


class BenchFound(Protocol):
    """What one run of the test bench found (:class:`rnnhw.rtl.tools.check.BenchRun`)."""

    @property
    def simulator(self) -> str: ...
    @property
    def stalls(self) -> bool: ...
    @property
    def outputs(self) -> int: ...
    @property
    def vectors(self) -> int: ...
    @property
    def cycles(self) -> int: ...
    @property
    def differences(self) -> int: ...
    @property
    def late(self) -> int: ...
    @property
    def faults(self) -> int: ...
    @property
    def first(self) -> str | None: ...
    @property
    def passed(self) -> bool: ...


@dataclass(frozen=True)
class Port:
    """A stream of vectors: its port, the elements of a vector and their format. ``output`` is the
    name of an output in the design; the input and a single output have none."""

    name: str
    units: int
    format: Q
    output: str = ""


@dataclass(frozen=True)
class Bench:
    """The vectors that the test bench sends and expects."""

    sequences: int
    steps: int
    outputs: int


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class EmissionResult(Shown):
    """What was written and found.

    ``files`` are the names in ``directory``: ``generated`` sources, ``static`` modules, memory
    images and what tools read. ``top`` is the top module, ``lanes`` are those of every layer,
    ``ports`` the input's stream and then those of the outputs;
    ``bench`` is None where the design has no inputs of its own. ``runs`` are those of the test
    bench: two for every simulator, in the cycles of the model and with stalls.
    """

    design: Design
    directory: Path
    top: str
    files: tuple[str, ...]
    generated: tuple[str, ...]
    static: tuple[str, ...]
    lanes: Mapping[str, int]
    ports: tuple[Port, ...]
    bench: Bench | None
    runs: Sequence[BenchFound]

    __repr__ = Shown.__repr__

    @property
    def passed(self) -> bool:
        """Whether no run found a difference."""
        return all(run.passed for run in self.runs)

    def summary(self) -> str:
        """The folder, and a line for each run."""
        lines = [*design_title(self.design), self.written]
        lines += [
            f"{run_name(run)}: {run.outputs:,} outputs, {run.differences:,} wrong, "
            f"{run.late:,} late, {run.faults:,} faults"
            for run in self.runs
        ]
        return screen([*lines, *(["PASS" if self.passed else "FAIL"] if self.runs else [])])

    @property
    def written(self) -> str:
        """The files written and where, in a line."""
        lanes = ", ".join(f"{name} {count}" for name, count in self.lanes.items())
        count = f"{len(self.files):,} file{'s' * (len(self.files) != 1)}"
        return f"{self.directory}: {count}, top module {self.top}, lanes: {lanes}"

    def to_html(self) -> str:
        return emission_page(self)

    def to_json(self) -> str:
        return json_text(emission_data(self))

    def figures(self) -> dict[str, int | bool]:
        """Counts of what was written; with a check, of what all of its runs compared and found."""
        figures: dict[str, int | bool] = {"files": len(self.files)}
        figures |= {f"{name}.lanes": count for name, count in self.lanes.items()}
        if self.bench is not None:
            figures |= {"sequences": self.bench.sequences, "steps": self.bench.steps}
        if self.runs:
            figures |= {
                "compared_outputs": sum(run.outputs for run in self.runs),
                "wrong_outputs": sum(run.differences for run in self.runs),
                "wrong_cycles": sum(run.late for run in self.runs),
                "faults": sum(run.faults for run in self.runs),
                "passed": self.passed,
            }
        return figures


def run_name(run: BenchFound) -> str:
    """The simulator, and whether the run had stalls."""
    return f"{run.simulator}{', with stalls and a reset' if run.stalls else ''}"


def first_differences(result: EmissionResult) -> Iterator[str]:
    """A line for each run that found something."""
    for run in result.runs:
        if not run.passed:
            yield f"{run_name(run)}: {run.first or 'a difference that the bench did not print'}"


# --- tables ------------------------------------------------------------------------------------
def files_table(result: EmissionResult) -> Table:
    """The files by what they are."""
    images = sum(name.endswith(".hex") for name in result.files)
    table = Table("Files", ("what it is", "files"), numbers_from=2)
    table.add("generated", ", ".join(result.generated))
    table.add("static modules", ", ".join(result.static))
    table.add("memory images", f"{images}, *.hex")
    table.add("for tools", ", ".join(f"{result.top}.{end}" for end in ("f", "core", "h")))
    return table


def ports_table(result: EmissionResult) -> Table:
    """The streams of the input and of the outputs."""
    table = Table("Ports", ("port", "elements a vector", "format"))
    for port in result.ports:
        name = f"{port.name} ({port.output})" if port.output else port.name
        table.add(name, number(port.units), str(port.format))
    return table


def check_table(result: EmissionResult) -> Table:
    """A row for each run of the test bench."""
    heads = ("outputs", "steps", "cycles", "wrong outputs", "wrong cycles", "faults")
    table = Table("Check", ("simulator", *heads))
    for run in result.runs:
        steps = result.bench.steps if result.bench else 0
        late = "-" if run.stalls else number(run.late)
        counts = (run.outputs, steps, run.cycles, run.differences)
        table.add(run_name(run), *map(number, counts), late, number(run.faults))
    return table


CHECK_NOTE = (
    "outputs against the engine, cycles against the machine; faults: an X, or a vector too many,\n"
    "uninvited or missing; -: not compared"
)


def emission_page(result: EmissionResult) -> str:
    """What was written, and what the test bench found."""
    about = [tag("p", result.written)]
    if result.bench is None:
        about.append(tag("p", "no test bench: the design has no task and no data"))
    if result.runs:
        kind, word = ("good", "PASS") if result.passed else ("bad", "FAIL")
        about.append(tag("p", word, class_=f"verdict {kind}"))
    sections = []
    if result.runs:
        lines = [remark(difference) for difference in first_differences(result)]
        check = table_html(check_table(result), titled=False)
        sections.append(section("Check", check, *lines, remark(CHECK_NOTE)))
    sections.append(section("Files", table_html(files_table(result), titled=False)))
    sections.append(section("Ports", table_html(ports_table(result), titled=False)))
    return design_page("Verilog", result.design, about, sections)


def emission_data(result: EmissionResult) -> dict[str, Any]:
    """The same as what JSON holds."""
    source, first, *_ = result.ports
    data: dict[str, Any] = {
        **head("emission"),
        "design": result.design.path.name if result.design.path else None,
        "settings": dict(result.design.settings),
        "directory": str(result.directory),
        "top": result.top,
        "files": list(result.files),
        "lanes": dict(result.lanes),
        "input": _stream(source),
        "output": _stream(first),
    }
    if first.output:
        data["outputs"] = {
            port.output: {"port": port.name.removesuffix("_data"), **_stream(port)}
            for port in result.ports[1:]
        }
    if result.bench is not None:
        data["bench"] = vars(result.bench)
    if result.runs:
        data["runs"] = [{name: getattr(run, name) for name in _FOUND} for run in result.runs]
        data["passed"] = result.passed
    return data


_FOUND = (
    "simulator", "stalls", "outputs", "vectors", "cycles", "differences", "late", "faults",
    "first", "passed",
)  # fmt: skip


def _stream(port: Port) -> dict[str, Any]:
    return {
        "units": port.units,
        "width": port.format.width,
        "fraction": port.format.fraction,
        "signed": port.format.signed,
    }
