"""Hold rnnhw's estimates against published accelerators and against other tools.

    python benchmarks/accelerators.py [--quick] [-o result.json]

First: published recurrent accelerators, described in accelerators.toml, each with our machine's
estimate and the recurrence bound beside the published figure. Then: what qonnx, zigzag, vela and
scalesim count for one dense LSTM, run from their packages where they are installed
(`pip install '.[benchmarks]'`); --quick leaves the tools out. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import msgspec

from rnnhw import GRU, LSTM, Design, DesignError, Formats, Q
from rnnhw.accelerator import Accelerator, accelerator

DATA = Path(__file__).with_suffix(".toml")

Status = Literal["read", "simulated", "derived", "second-hand", "unconfirmed"]
"""How a figure is known, best first; accelerators.toml says what each means."""

STATUSES: Sequence[Status] = ("read", "simulated", "derived", "second-hand", "unconfirmed")

Unit = Literal["cycles a step", "us a step", "us a sequence", "GOp/s"]
"""What can be estimated: ``us`` are microseconds, an ``Op`` is a multiplication or an addition."""


class _Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of the data share."""


class Figure(_Base, frozen=True, kw_only=True):
    """A number in ``unit``, the key of its source, and how far it was confirmed."""

    value: int | float
    unit: str
    source: str
    status: Status
    note: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise ValueError(f"a value of {self.value}: leave a figure out if it is not known")
        if not self.unit.strip():
            raise ValueError("a figure without a unit")
        if self.status == "derived" and not self.note:
            raise ValueError(f"{self.value} {self.unit} is derived: its note must say from what")


class Source(_Base, frozen=True, kw_only=True):
    """Where a figure stands."""

    text: str

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("a source without text")


class WordBits(_Base, frozen=True, kw_only=True):
    """Bits of a weight, and of an input and a state."""

    weight: Figure
    state: Figure


class Point(_Base, frozen=True, kw_only=True):
    """A network on an architecture, with the figure that was published for it.

    ``work`` is the part of the multiplications that the published step did, where it is not all.
    """

    name: str
    cell: Literal["LSTM", "GRU"]
    inputs: Figure
    units: Figure
    lanes: Figure
    published: Figure
    layers: int = 1
    clock: Figure | None = None
    steps: Figure | None = None
    work: Figure | None = None

    def __post_init__(self) -> None:
        unit = self.published.unit
        if unit not in Unit.__args__:
            raise ValueError(f"{self.name}: no estimate of {unit!r}; known are {Unit.__args__}")
        for name, needed in (("clock", "cycles" not in unit), ("steps", "sequence" in unit)):
            if needed and getattr(self, name) is None:
                raise ValueError(f"{self.name}: {unit!r} needs {name}")
        for name in ("inputs", "units", "lanes", "steps"):
            figure = getattr(self, name)
            if figure is not None and not isinstance(figure.value, int):
                raise ValueError(f"{self.name}: {name} must be whole, not {figure.value}")

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure of the point."""
        found = (self.inputs, self.units, self.lanes, self.published)
        return found + tuple(f for f in (self.clock, self.steps, self.work) if f is not None)


class Architecture(_Base, frozen=True, kw_only=True):
    """Points that share a machine.

    ``one_engine``: the layers take turns, so their cycles add up. ``inputs_ahead``: W x is off
    the recurrent loop. ``copies``: sequences side by side, each on ``lanes`` of its own.
    ``calibrated_on``: the point whose published figure gives the bound's one constant; none, and
    the constant is 0.
    """

    name: str
    about: str
    word_bits: WordBits
    points: tuple[Point, ...]
    one_engine: bool = False
    inputs_ahead: bool = False
    copies: Figure | None = None
    calibrated_on: str = ""

    def __post_init__(self) -> None:
        names = [point.name for point in self.points]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{self.name}: points must exist and have names of their own")
        if self.calibrated_on and self.calibrated_on not in names:
            raise ValueError(
                f"{self.name}: calibrated on {self.calibrated_on!r}, which is no point"
            )
        if any(point.layers > 1 for point in self.points) and not self.one_engine:
            raise ValueError(f"{self.name}: several layers are estimated on one engine only")

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure of the architecture and its points."""
        shared = (self.word_bits.weight, self.word_bits.state)
        copies = () if self.copies is None else (self.copies,)
        return shared + copies + tuple(f for point in self.points for f in point.figures)


class NotEstimated(_Base, frozen=True, kw_only=True):
    """A published accelerator without enough figures for an estimate."""

    name: str
    why: str
    published: tuple[Figure, ...]


class Data(_Base, frozen=True, kw_only=True):
    """The whole of accelerators.toml."""

    sources: dict[str, Source]
    architectures: tuple[Architecture, ...]
    not_estimated: tuple[NotEstimated, ...]

    def __post_init__(self) -> None:
        used = {figure.source for figure in self.figures}
        if used != set(self.sources):
            raise ValueError(
                f"sources that are only named or only given: {used ^ set(self.sources)}"
            )

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure of the file."""
        found = tuple(f for architecture in self.architectures for f in architecture.figures)
        return found + tuple(f for each in self.not_estimated for f in each.published)


def load_data(path: Path = DATA) -> Data:
    """The checked contents of accelerators.toml.

    Raises:
        DesignError: the file breaks a rule; the message names the field.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Data)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, OSError) as error:
        raise DesignError(f"{path.name}: {error}", "mend the data file") from None


# --- estimates -----------------------------------------------------------------------------------
def design(architecture: Architecture, point: Point) -> Design:
    """The network of ``point`` in rnnhw's layers, with the architecture's words.

    Tables get 12 address bits at most: their size changes no cycle.
    """
    weight, state = (
        int(f.value) for f in (architecture.word_bits.weight, architecture.word_bits.state)
    )
    kinds = {"LSTM": LSTM, "GRU": GRU}
    layers = [kinds[point.cell](int(point.units.value), name=f"l{i}") for i in range(point.layers)]
    words = Formats(
        input=Q(0, state - 1),
        weight=Q(0, weight - 1),
        sum=Q(3, min(state, 12) - 4),
        state=Q(0, state - 1),
        cell=Q(3, state - 4),
    )
    return Design(layers=layers, formats=words, inputs=int(point.inputs.value))


def machine_cycles(architecture: Architecture, machine: Accelerator) -> int:
    """Cycles a step of our machine: all layers in turn on one engine, or the slowest layer's."""
    if architecture.one_engine:
        return sum(layer.cycles for layer in machine.layers)
    return machine.step_interval


def bound_work(architecture: Architecture, point: Point) -> Fraction:
    """MACs / lanes of the recurrent loop, summed over the layers and rounded up in each."""
    total = 0
    gates = {"LSTM": 4, "GRU": 3}[point.cell]
    units, inputs = int(point.units.value), int(point.inputs.value)
    part = Fraction(1) if point.work is None else Fraction(str(point.work.value))
    for layer in range(point.layers):
        columns = units + (units if layer else inputs) * (not architecture.inputs_ahead)
        total += math.ceil(gates * units * columns * part / int(point.lanes.value))
    return Fraction(total)


def in_unit(architecture: Architecture, point: Point, cycles: float, macs: int) -> float:
    """``cycles`` a step in the unit of the published figure."""
    clock = 0.0 if point.clock is None else point.clock.value
    match point.published.unit:
        case "us a step":
            return cycles / clock
        case "us a sequence":
            assert point.steps is not None
            return cycles * point.steps.value / clock
        case "GOp/s":
            copies = 1 if architecture.copies is None else architecture.copies.value
            return 2 * macs * copies * clock / cycles / 1000
    return float(cycles)


def published_cycles(architecture: Architecture, point: Point, macs: int) -> float:
    """Cycles a step that the published figure stands for."""
    value = point.published.value
    one = in_unit(architecture, point, 1.0, macs)
    return one / value if point.published.unit == "GOp/s" else value / one


@dataclass(frozen=True)
class Estimate:
    """What was published for one point, and both of ours in the same unit.

    ``constant``: cycles a layer and step that the bound adds; ``role`` says whether this point
    gave it ("calibrates"), is a test of it ("test"), or there is none ("").
    ``weakest`` is the status of the least certain figure that the comparison needs.
    """

    architecture: str
    point: str
    published: float
    unit: str
    weakest: Status
    machine: float
    machine_error_percent: float
    bound: float
    bound_error_percent: float
    constant: float
    role: Literal["", "calibrates", "test"]


def estimates(data: Data) -> Iterator[Estimate]:
    """Every point of ``data`` with rnnhw's machine and with the recurrence bound.

    The machine is :func:`rnnhw.accelerator.accelerator` on the published lanes (at most one a row).
    The bound is ceil(MACs / lanes) + constant cycles for every layer.
    """
    for architecture in data.architectures:
        constant = _constant(architecture)
        for point in architecture.points:
            machine = _machine(architecture, point)
            value = point.published.value
            ours = in_unit(architecture, point, machine_cycles(architecture, machine), machine.macs)
            cycles = float(bound_work(architecture, point) + constant * point.layers)
            bound = in_unit(architecture, point, cycles, machine.macs)
            part = "" if point.work is None else f", {point.work.value:.0%} of the work"
            yield Estimate(
                architecture.name,
                point.name + part,
                value,
                point.published.unit,
                _weakest(architecture, point),
                ours,
                100 * (ours - value) / value,
                bound,
                100 * (bound - value) / value,
                float(constant),
                _role(architecture, point),
            )


def _machine(architecture: Architecture, point: Point) -> Accelerator:
    return accelerator(design(architecture, point).network, int(point.lanes.value))


def _constant(architecture: Architecture) -> Fraction:
    for point in architecture.points:
        if point.name == architecture.calibrated_on:
            macs = _machine(architecture, point).macs
            cycles = Fraction(published_cycles(architecture, point, macs))
            return (cycles - bound_work(architecture, point)) / point.layers
    return Fraction(0)


def _role(architecture: Architecture, point: Point) -> Literal["", "calibrates", "test"]:
    if not architecture.calibrated_on:
        return ""
    return "calibrates" if point.name == architecture.calibrated_on else "test"


def _weakest(architecture: Architecture, point: Point) -> Status:
    """Of what enters the estimate or is compared with it."""
    words = (architecture.word_bits.weight, architecture.word_bits.state)
    copies = () if architecture.copies is None else (architecture.copies,)
    return max((f.status for f in (*words, *copies, *point.figures)), key=STATUSES.index)


# --- tables --------------------------------------------------------------------------------------
def number(value: float) -> str:
    """Whole numbers, and what is above 1000, in full; others with four digits."""
    return f"{value:,.0f}" if value >= 1000 or float(value).is_integer() else f"{value:.4g}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def estimates_table(found: Sequence[Estimate]) -> str:
    """One row a point."""
    head = ("architecture", "network", "published", "least certain figure")
    head += ("our machine", "error", "bound", "error", "constant")
    rows = []
    for each in found:
        constant = f"{each.constant:g}, {each.role}" if each.role else "none"
        rows.append(
            [
                each.architecture,
                each.point,
                f"{number(each.published)} {each.unit}",
                each.weakest,
                number(each.machine),
                f"{each.machine_error_percent:+.1f} %",
                number(each.bound),
                f"{each.bound_error_percent:+.1f} %",
                constant,
            ]
        )
    return markdown(head, rows)


def abouts(data: Data) -> str:
    """What the estimates of each architecture do and do not include."""
    return "\n".join(f"- **{each.name}**: {each.about}" for each in data.architectures)


def figures_table(data: Data) -> str:
    """Every figure of the data with its source and status; what several points share, once."""
    rows: dict[tuple[str, ...], None] = {}
    for architecture in data.architectures:
        for figure in architecture.figures:
            rows[_figure_row(architecture.name, figure)] = None
    for each in data.not_estimated:
        for figure in each.published:
            rows[_figure_row(each.name, figure)] = None
    return markdown(("of", "figure", "status", "source", "note"), list(rows))


def _figure_row(name: str, figure: Figure) -> tuple[str, ...]:
    value = f"{figure.value:,}" if isinstance(figure.value, int) else f"{figure.value:g}"
    return (name, f"{value} {figure.unit}", figure.status, figure.source, figure.note)


def not_estimated_table(data: Data) -> str:
    """What was published and why there is no estimate."""
    rows = []
    for each in data.not_estimated:
        known = "; ".join(f"{f.value:,} {f.unit} ({f.status})" for f in each.published)
        rows.append([each.name, known, each.why])
    return markdown(("accelerator", "published", "no estimate because"), rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave the other tools out")
    parser.add_argument("--figures", action="store_true", help="list every figure with its source")
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    data = load_data()
    found = list(estimates(data))
    print(estimates_table(found), not_estimated_table(data), abouts(data), sep="\n\n")
    if options.figures:
        print("", figures_table(data), sep="\n")
        print("", *(f"- {key}: {source.text}" for key, source in data.sources.items()), sep="\n")
    result: dict[str, object] = {"estimates": [asdict(each) for each in found]}
    if not options.quick:
        from tools import measure_all, ratios_table, tools_table

        rows = measure_all()
        print("", tools_table(rows), "", ratios_table(rows), sep="\n")
        result["tools"] = [asdict(row) for row in rows]
    if options.output is not None:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
