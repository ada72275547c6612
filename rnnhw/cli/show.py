"""How results look as text: titles, aligned tables, numbers with units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rnnhw.counts import Counts
from rnnhw.dataflow import Constant, Matvec, Node, Reinterpret
from rnnhw.design import Design
from rnnhw.numerics import Events
from rnnhw.profiles import Fpga, Profile, sourced_figures, value_text
from rnnhw.simulate import Simulation
from rnnhw.tasks import Score
from rnnhw.verify import Check, Verification

__all__ = [
    "console",
    "design_info",
    "profile_info",
    "simulation_text",
    "system_info",
    "verification_text",
]


def console() -> Console:
    """Standard output: never wrapped to a narrow default where it is no terminal."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=120, highlight=False)


def _table(*columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    numbers = set(right)
    for column in columns:
        table.add_column(
            column, justify="right" if column in numbers else "left", no_wrap=True, overflow="fold"
        )
    return table


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _title(design: Design) -> Text:
    settings = ", ".join(f"{name}={value}" for name, value in design.settings.items())
    title = Text(design.title, style="bold")
    return title.append(f"\n{design.place}" + (f" ({settings})" if settings else ""), "dim")


def _percent(score: Score) -> str:
    low, high = score.interval
    return (
        f"{score.accuracy:.4f}  ({score.correct:,} of {score.total:,}; "
        f"95 % interval {low:.4f} to {high:.4f})"
    )


def _events_table(events: Mapping[str, Events]) -> RenderableType:
    rows = [(name, each) for name, each in events.items() if each.total]
    if not rows:
        return Text("none: nothing clipped or wrapped")
    table = _table("signal", "high", "low", "wrapped", right=("high", "low", "wrapped"))
    for name, each in rows:
        table.add_row(name, *(f"{count:,}" for count in each))
    return table


def _counts_table(layers: Mapping[str, Counts], total: Counts) -> RenderableType:
    names = [name for name, value in total.flat() if value]
    if len(layers) == 1:
        layers = {}
    table = _table("count", *layers, "total", right=(*layers, "total"))
    columns = [dict(counts.flat()) for counts in (*layers.values(), total)]
    for name in names:
        table.add_row(name.replace(".", " ").replace("_", " "), *(f"{c[name]:,}" for c in columns))
    return table


def _checks(checks: Sequence[Check]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for check in checks:
        sign = ">=" if check.kind == "min" else "<="
        word = Text("PASS ", "bold green") if check.passed else Text("FAIL ", "bold red")
        lines.append(word.append(f"{check.name} {_figure(check.value)} {sign} {check.bound:g}", ""))
    return lines


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def simulation_text(simulation: Simulation, checks: Sequence[Check]) -> RenderableType:
    """What ``rnnhw simulate`` prints."""
    run, network = simulation.run, simulation.design.network
    outputs = simulation.outputs
    valid = np.arange(outputs.shape[1]) < run.lengths[:, None]
    steps = int(simulation.batch.lengths.sum())
    parts: list[RenderableType] = [
        _title(simulation.design),
        Text(
            f"\n{simulation.batch.sequences:,} sequences, {steps:,} steps, kernels: {run.isa}"
            f"\noutputs: {network.output.format}, {valid.sum():,} of {network.output.units} "
            f"{'unit' if network.output.units == 1 else 'units'}"
        ),
    ]
    table = _table("output", "min", "mean", "max", right=("min", "mean", "max"))
    for unit in range(network.output.units):
        values = outputs[:, :, unit][valid]
        table.add_row(str(unit), *(f"{f:.6g}" for f in (values.min(), values.mean(), values.max())))
    parts.append(table)
    if simulation.score is not None:
        parts.append(Text(f"\naccuracy  {_percent(simulation.score)}"))
    parts += [_heading("events"), _events_table(simulation.events)]
    parts += [_heading("counts"), _counts_table(run.counts, simulation.counts)]
    if checks:
        parts += [Text(""), *_checks(checks)]
    return Group(*parts)


def verification_text(result: Verification) -> RenderableType:
    """What ``rnnhw verify`` prints."""
    errors = _table(
        "signal",
        "format",
        "max LSB",
        "rms LSB",
        "max",
        "SNR dB",
        "worst (sequence, step, unit)",
        right=("max LSB", "rms LSB", "max", "SNR dB"),
    )
    formats = {name: node.format for name, node in result.design.network.signals().items()}
    for signal in (*result.signals, result.output):
        format = formats.get(signal.name, result.design.network.output.format)
        errors.add_row(
            signal.name,
            str(format),
            f"{signal.max_error_lsb:.3f}",
            f"{signal.rms_error_lsb:.3f}",
            f"{signal.max_error:.4g}",
            _decibels(signal.snr_db),
            ", ".join(map(str, signal.worst)),
        )
    sources = _table(
        "only this quantised",
        "max LSB",
        "rms LSB",
        "SNR dB",
        "accuracy",
        right=("max LSB", "rms LSB", "SNR dB", "accuracy"),
    )
    for source in result.sources:
        sources.add_row(
            source.source,
            f"{source.output.max_error_lsb:.3f}",
            f"{source.output.rms_error_lsb:.3f}",
            _decibels(source.output.snr_db),
            "" if source.score is None else f"{source.score.accuracy:.4f}",
        )
    parts: list[RenderableType] = [
        _title(result.design),
        _heading(f"error against the float reference, {result.sequences:,} sequences"),
        errors,
        _heading("output error by source"),
        sources,
        _heading("events"),
        _events_table(result.events),
    ]
    if result.score is not None and result.float_score is not None:
        parts += [
            Text(f"\naccuracy, fixed point  {_percent(result.score)}"),
            Text(f"accuracy, float        {_percent(result.float_score)}"),
        ]
    verdict = Text("PASS", "bold green") if result.passed else Text("FAIL", "bold red")
    return Group(*parts, Text(""), *_checks(result.checks), verdict)


def _decibels(value: float) -> str:
    return "exact" if math.isinf(value) else f"{value:.1f}"


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
    time = _table("layer", "operation", "reads", "units", "format", right=("units",))
    for layer in network.nodes:
        time.add_row(
            layer.name,
            type(layer).__name__.lower(),
            ", ".join(source.name for source in layer.sources),
            f"{layer.units:,}",
            str(layer.format),
        )
    signals = _table("signal", "operation", "reads", "units", "format", right=("units",))
    for scan in network.scans:
        for name, node in scan.graph.signals():
            reads = ", ".join(operand.name for operand in node.operands)
            signals.add_row(name, _operation(node), reads, f"{node.units:,}", str(node.format))
    tensors = _table("tensor", "shape", "role", "format")
    for tensor in network.tensors:
        tensors.add_row(tensor.key, str(tensor.shape), tensor.role, str(tensor.format))
    parts: list[RenderableType] = [_title(design)]
    if design.notes:
        parts.append(Text(f"\n{design.notes}"))
    parts += [_heading("layers"), time, _heading("signals"), signals]
    parts += [_heading("tensors"), tensors]
    return Group(*parts)


def system_info(
    versions: Mapping[str, str], isas: Mapping[str, bool], chosen: str, profiles: Sequence[str]
) -> RenderableType:
    """What ``rnnhw info`` prints."""
    table = _table("kernels", "this processor", "")
    for name, runs in isas.items():
        table.add_row(name, "runs them" if runs else "lacks them", "default" * (name == chosen))
    return Group(
        Text(", ".join(f"{name} {version}" for name, version in versions.items())),
        Text(""),
        table,
        Text(f"\nprofiles: {', '.join(profiles)}"),
    )


def profile_info(profiles: Sequence[Profile], *, sources: bool) -> RenderableType:
    """What ``rnnhw profiles`` prints: a line each, or every figure of one with its source."""
    if not sources:
        table = _table("profile", "kind", "device")
        for profile in profiles:
            table.add_row(profile.name, _kind(profile), profile.title)
        return table
    parts: list[RenderableType] = []
    for profile in profiles:
        parts.append(Text(f"{profile.title} ({profile.name}, {_kind(profile)})", "bold"))
        for path, figure in sourced_figures(profile):
            line = Text(f"\n{path}  ").append(value_text(figure), "bold")
            parts.append(line.append(f"  [{figure.status}]", "dim"))
            parts.append(Padding(Text(figure.source), (0, 0, 0, 4)))
            if figure.note:
                parts.append(Padding(Text(f"note: {figure.note}"), (0, 0, 0, 4)))
    return Group(*parts)


def _kind(profile: Profile) -> str:
    return "FPGA" if isinstance(profile, Fpga) else "microcontroller"
