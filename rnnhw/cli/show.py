"""How results look as text: titles, aligned tables, numbers with units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rnnhw.analysis.counts import Counts
from rnnhw.design.demands import Check
from rnnhw.design.design import Design
from rnnhw.design.tasks import Accuracy, AutomatonTask, Score, SquaredError
from rnnhw.design.underflow import AllZero
from rnnhw.execution.rest import STEPS
from rnnhw.execution.signal_error import SignalError
from rnnhw.execution.simulate import Simulation
from rnnhw.execution.verify import Verification
from rnnhw.graph.nodes import Constant, Matvec, Node, Reinterpret
from rnnhw.numerics.cast import NOTHING, Events
from rnnhw.profiles import Profile, kind_of, sourced_figures, unknown_figures, value_text
from rnnhw.report.answers import answers
from rnnhw.report.table_cell import settings_text

__all__ = [
    "aligned",
    "design_info",
    "heading",
    "number",
    "profile_info",
    "profile_list",
    "simulation_text",
    "system_info",
    "title",
    "verdict",
    "verification_text",
]


def aligned(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str]) -> Table:
    """A table whose columns ``right`` hold numbers."""
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
    )
    rows, numbers = list(rows), set(right)
    for index, column in enumerate(columns):
        if column in numbers:
            width = max((len(row[index]) for row in rows), default=0)
            table.add_column(column, justify="right", min_width=width)
        else:
            table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def heading(text: str) -> Text:
    """A heading with an empty line above it."""
    return Text(f"\n{text}", style="bold")


def title(design: Design) -> Text:
    """The design's title, its file and its settings."""
    settings = settings_text(design.settings)
    place = f"\n{design.place}" + (f" ({settings})" if settings else "")
    return Text.assemble((design.title, "bold"), (place, "dim"))


def _first(score: Score) -> str:
    return f"{score.figures()[score.names[0]]:.4f}"


def _score(score: Score) -> str:
    """The first figure, and behind it what says how much it is worth."""
    match score:
        case Accuracy():
            low, high = score.interval
            counted = f"{score.correct:,} of {score.total:,}"
            rest = f"{counted}; 95 % interval {low:.4f} to {high:.4f}"
            if score.ties:
                rest += f"; {number(score.ties, 'tie')}"
        case SquaredError():
            rest = f"r2 {score.r2:.4f}; {number(score.values, 'value')}"
        case _:
            others = list(score.figures().items())[1:]
            rest = ", ".join(f"{name} {value:.4f}" for name, value in others)
    if why := score.unjudged():
        rest = f"not judged: {why}; {rest}"
    return f"{_first(score)}  ({rest})" if rest else _first(score)


def _events_table(events: Mapping[str, Events], lost: Mapping[str, int]) -> RenderableType:
    counts = {
        name: (*events.get(name, NOTHING), lost.get(name, 0))
        for name in dict.fromkeys((*events, *lost))
    }
    rows = [(name, each) for name, each in counts.items() if any(each)]
    if not rows:
        return Text("none: nothing clipped, wrapped or became zero")
    numbers = ("clipped high", "clipped low", "wrapped", "became zero")
    texts = [(name, *(f"{count:,}" for count in each)) for name, each in rows]
    return aligned(("signal", *numbers), texts, numbers)


def _zeros(tensors: Sequence[AllZero], signals: Sequence[SignalError]) -> list[RenderableType]:
    """A line for each tensor, row of weights and signal of which nothing is left."""
    lines = []
    for zero in tensors:
        if zero.units:
            lines.append(f"{zero.name}: all weights of {_units(zero.units)} became zero")
        else:
            lines.append(f"{zero.name}: all zero")
    for signal in signals:
        if signal.zero_units:
            units = _units(signal.zero_units)
            lines.append(f"{signal.name}: zero at every step in {units}, unlike the reference")
    return [Text(line) for line in lines]


_NAMED_UNITS = 8


def _units(units: Sequence[int]) -> str:
    """``unit 3``, or ``units 3, 7 and 12 more``."""
    shown = ", ".join(map(str, units[:_NAMED_UNITS]))
    more = len(units) - _NAMED_UNITS
    return f"unit{'s' * (len(units) > 1)} {shown}" + (f" and {more:,} more" if more > 0 else "")


def _rests(result: Verification) -> list[RenderableType]:
    """What recurrent layers do on zero input."""
    if not result.rests:
        return []
    started = number(result.rest_sequences, "sequence")
    if result.rest_sequences < result.sequences:
        started = f"{result.rest_sequences:,} of {number(result.sequences, 'sequence')}"
    lines = []
    for rest in result.rests:
        if rest.skipped:
            lines.append(f"{rest.layer}: not run, because {rest.skipped}")
            continue
        for state in rest.states:
            stuck = f"{len(state.stuck):,} of {number(state.units, 'unit')} stop"
            limit = f" at up to {state.largest_lsb:,} LSB" if state.stuck else ""
            lines.append(f"{state.name}: {stuck}{limit}")
        if endless := rest.sequences - rest.repeating:
            runs = number(endless, "sequence")
            lines.append(f"{rest.layer}: {runs} without a repeat within {STEPS:,} steps")
    title = f"on zero input, from the last states of {started}"
    note = "stop: the integers repeat at a value that is not zero, in float below half an LSB"
    return [heading(title), *map(Text, lines), Text(note, "dim")]


def _counts_table(layers: Mapping[str, Counts], total: Counts) -> RenderableType:
    names = [name for name, value in total.flat() if value]
    if len(layers) == 1:
        layers = {}
    columns = [dict(counts.flat()) for counts in (*layers.values(), total)]
    rows = [(_count_name(name), *(f"{column[name]:,}" for column in columns)) for name in names]
    return aligned(("count", *layers, "total"), rows, (*layers, "total"))


def _count_name(name: str) -> str:
    """``weights.reads`` counts words, ``weights.read_bits`` bits."""
    memory, dot, access = name.partition(".")
    if not dot:
        return memory
    return f"{memory} {access[:-5]}, bits" if access.endswith("_bits") else f"{memory} {access}"


def _checks(checks: Sequence[Check]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for check in checks:
        bound = "at least" if check.kind == "min" else "at most"
        if check.unjudged:
            text = f"  {check.name}, {bound} {_figure(check.bound)}: {check.unjudged}"
            lines.append(Text.assemble(("NOT JUDGED", "bold yellow"), text))
            continue
        figure = f"  {check.name} {_figure(check.value)}, {bound} {_figure(check.bound)}"
        lines.append(Text.assemble(verdict(check.passed), figure))
    return lines


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def simulation_text(simulation: Simulation, checks: Sequence[Check]) -> RenderableType:
    """What ``rnnhw simulate`` prints."""
    run, network = simulation.run, simulation.design.network
    steps = int(simulation.batch.lengths.sum())
    parts: list[RenderableType] = [
        title(simulation.design),
        Text(
            f"\n{number(simulation.batch.sequences, 'sequence')}, {number(steps, 'step')}, "
            f"kernels: {run.isa}"
        ),
    ]
    for node in network.outputs:
        values, lengths = simulation.output(node.name), run.by_output[node.name].lengths
        valid = np.arange(values.shape[1]) < lengths[:, None]
        name = f"{node.name}: " if len(network.outputs) > 1 else ""
        parts += [
            Text(f"{name}{valid.sum():,} outputs of {number(node.units, 'unit')}, {node.format}"),
            _outputs_table(values, valid),
        ]
    if simulation.score is not None:
        name = simulation.score.names[0]
        parts.append(Text(f"\n{name}  {_score(simulation.score)}"))
    for output, score in simulation.further.items():
        parts.append(Text(f"{output}: {score.names[0]}  {_score(score)}"))
    parts += [heading("events"), _events_table(simulation.events, simulation.underflows)]
    parts += _zeros(simulation.all_zero, ())
    for name, units in simulation.zero_units.items():
        if units:
            called = name if len(network.outputs) > 1 else "output"
            parts.append(Text(f"{called}: zero at every step in {_units(units)}"))
    parts += [heading("counts"), _counts_table(run.counts, simulation.counts)]
    if checks:
        parts += [Text(""), *_checks(checks)]
    return Group(*parts)


_SHOWN_OUTPUTS = 20


def _outputs_table(outputs: NDArray[np.float64], valid: NDArray[np.bool_]) -> RenderableType:
    """The range of each output unit."""
    columns, units = ("min", "mean", "max"), outputs.shape[2]
    rows = []
    for unit in range(min(units, _SHOWN_OUTPUTS)):
        values = outputs[:, :, unit][valid]
        figures = (values.min(), values.mean(), values.max())
        rows.append((str(unit), *(f"{figure:.6g}" for figure in figures)))
    table = aligned(("unit", *columns), rows, columns)
    if units == len(rows):
        return table
    return Group(table, Text(f"and {units - len(rows):,} more; --output RUN.npz holds all"))


def number(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def verification_text(result: Verification) -> RenderableType:
    """What ``rnnhw verify`` prints."""
    network = result.design.network
    formats = {name: node.format for name, node in network.signals().items()}
    for signal, node in zip(result.outputs, network.outputs, strict=True):
        formats[signal.name] = node.format
    numbers = ("max LSB", "rms LSB", "max", "rms", "SNR dB", "worst at")
    errors = [
        (
            signal.name,
            str(formats[signal.name]),
            _short(signal.max_error_lsb),
            _short(signal.rms_error_lsb),
            _short(signal.max_error),
            _short(signal.rms_error),
            _decibels(signal.snr_db),
            ",".join(map(str, signal.worst)) if signal.max_error else "-",
        )
        for signal in (*result.signals, *result.outputs)
    ]
    scored = [result.score.names[0]] if result.score else []
    unscored = ["-"] if scored else []
    columns = ("max LSB", "rms LSB", "SNR dB", *scored)
    several = len(result.outputs) > 1
    sources = [
        (
            f"{each.source}: {output.name}" if several else each.source,
            _short(output.max_error_lsb),
            _short(output.rms_error_lsb),
            _decibels(output.snr_db),
            *([_first(each.score)] if each.score and output is each.output else unscored),
        )
        for each in result.sources
        for output in each.outputs
    ]
    parts: list[RenderableType] = [
        title(result.design),
        heading(f"error against the float reference, {number(result.sequences, 'sequence')}"),
        aligned(("signal", "format", *numbers), errors, numbers),
        Text("in least significant bits of the format and as values; at sequence,step,unit", "dim"),
        heading("error of the outputs with one source of error alone"),
        aligned(("source", *columns), sources, columns),
        heading("events"),
        _events_table(result.events, result.underflows),
        *_zeros(result.all_zero, result.signals),
        *_rests(result),
    ]
    if result.score is not None and result.float_score is not None:
        parts += [
            Text(f"\n{scored[0]}, fixed point  {_score(result.score)}"),
            Text(f"{scored[0]}, float        {_score(result.float_score)}"),
        ]
    for name, (score, of_float) in result.further.items():
        parts += [
            Text(f"{name}: {score.names[0]}, fixed point  {_score(score)}"),
            Text(f"{name}: {score.names[0]}, float        {_score(of_float)}"),
        ]
    if result.score is not None:
        task: object = result.design.task
        if isinstance(task, AutomatonTask):
            parts.append(Text("samples only: `rnnhw prove` decides", "dim"))
    return Group(*parts, Text(""), *_checks(result.checks), Text(""), _judgement(result))


def _judgement(result: Verification) -> Text:
    """PASS, FAIL, or why there is neither."""
    if not result.checks:
        return Text("NOT JUDGED: nothing is required", "bold yellow")
    if any(check.unjudged for check in result.checks):
        return Text("NOT JUDGED", "bold yellow")
    return verdict(result.passed)


def verdict(passed: bool) -> Text:
    """PASS or FAIL."""
    return Text.assemble(("PASS", "bold green") if passed else ("FAIL", "bold red"))


def _short(value: float) -> str:
    """Four digits that count, and no more."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-4 <= abs(value) < 1e7:
        return f"{value:,.{max(3 - math.floor(math.log10(abs(value))), 0)}f}"
    return f"{value:.3e}"


def _decibels(value: float) -> str:
    return "exact" if value == math.inf else f"{value:.1f}"


def _operation(node: Node) -> str:
    match node:
        case Matvec():
            inside = [
                f"{name} {format}"
                for name, format in (("product", node.product), ("accumulator", node.accumulator))
                if format is not None
            ]
            return " ".join([f"matvec {node.structure.name}", *inside])
        case Constant(tensor=None):
            return "literal"
        case Reinterpret():
            return "reinterpret"
        case _:
            return type(node).__name__.lower()


def design_info(design: Design) -> RenderableType:
    """What ``rnnhw info DESIGN`` prints: the graph over time, signals, tensors."""
    network = design.network
    layers = [
        (
            layer.name,
            type(layer).__name__.lower(),
            ", ".join(source.name for source in layer.sources),
            f"{layer.units:,}",
            str(layer.format),
        )
        for layer in network.nodes
    ]
    signals = [
        (
            name,
            _operation(node),
            ", ".join(operand.name for operand in node.operands),
            f"{node.units:,}",
            str(node.format),
        )
        for scan in network.scans
        for name, node in scan.graph.signals()
    ]
    tensors = [
        (tensor.key, " x ".join(map(str, tensor.shape)), tensor.role, str(tensor.format))
        for tensor in network.tensors
    ]
    parts: list[RenderableType] = [title(design)]
    if design.notes:
        parts.append(Text(f"\n{design.notes}"))
    graph = ("operation", "reads", "units", "format")
    parts += [heading("layers"), aligned(("layer", *graph), layers, ["units"])]
    parts += [heading("signals"), aligned(("signal", *graph), signals, ["units"])]
    if len(network.outputs) > 1:
        parts.append(Text(f"\noutputs: {', '.join(node.name for node in network.outputs)}"))
    parts += [heading("tensors of the weights file")]
    parts += [aligned(("tensor", "shape", "role", "format"), tensors, ["shape"])]
    return Group(*parts)


def system_info(
    versions: Mapping[str, str], isas: Mapping[str, bool], chosen: str, profiles: Sequence[str]
) -> RenderableType:
    """What ``rnnhw info`` prints."""
    rows = [
        (name, "runs them" if runs else "lacks them", "default" * (name == chosen))
        for name, runs in isas.items()
    ]
    table = aligned(("kernels", "this processor", ""), rows, ())
    return Group(
        Text(", ".join(f"{name} {version}" for name, version in versions.items())),
        Text(""),
        table,
        Text(f"\nprofiles: {', '.join(profiles)}"),
    )


def profile_list(profiles: Sequence[Profile]) -> RenderableType:
    """What ``rnnhw profiles`` prints: a line a profile."""
    rows = [
        (profile.name, kind_of(profile), *answers(profile).values(), profile.title)
        for profile in profiles
    ]
    return aligned(("profile", "kind", "cycles", "time", "energy", "LUTs", "device"), rows, ())


def profile_info(profile: Profile) -> RenderableType:
    """What ``rnnhw profiles NAME`` prints: every figure with its source."""
    unknown = ", ".join(unknown_figures(profile))
    able = ", ".join(f"{what}: {known}" for what, known in answers(profile).items())
    parts: list[RenderableType] = [
        Text(f"{profile.title} ({profile.name}, {kind_of(profile)})", "bold"),
        Text(f"answers: {able}"),
    ]
    parts += [Text(line) for line in (profile.note, unknown and f"not known: {unknown}") if line]
    for path, figure in sourced_figures(profile):
        line = Text(f"\n{path}  ").append(value_text(figure), "bold")
        parts.append(line.append(f"  [{figure.status}]", "dim"))
        parts.append(Padding(Text(figure.source), (0, 0, 0, 4)))
        if figure.note:
            parts.append(Padding(Text(f"note: {figure.note}"), (0, 0, 0, 4)))
    return Group(*parts)
