"""The report as text: tables for a console, plain where it is no terminal or NO_COLOR is set."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnnhw.costreport import Figure, LayerReport, OperatingPoint, Report, Resource
from rnnhw.report.energy import energy_tables

__all__ = ["print_report", "to_text"]

WIDTH = 80
"""Columns of text that is not written to a terminal."""


def to_text(report: Report, width: int = WIDTH) -> str:
    """The report as plain text of at most ``width`` columns."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, force_terminal=False, highlight=False
    )
    print_report(report, console)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def print_report(report: Report, console: Console) -> None:
    """Print the report; colour and width are the console's."""
    target = report.target
    console.print(Text(report.title or "untitled design", style="bold"))
    console.print(Text(f"on {target.title} ({target.profile})"))
    if report.settings:
        settings = ", ".join(f"{name}={value}" for name, value in report.settings.items())
        console.print(Text(f"with {settings}"))
    sections = [_speed(report), _work(report), _layers(report), *_storage(report)]
    for table in [*sections, _resources(report.resources), *energy_tables(report)]:
        if table is not None and table.row_count:
            console.print()
            console.print(table)
    console.print()
    if report.resources:
        console.print(_verdict(report))
    _print_notes(report, console)


# --- values ------------------------------------------------------------------------------------
def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _show(figure: Figure) -> str:
    if figure.value is None:
        return figure.status
    shown = _number(figure.value)
    if figure.note.startswith("a lower bound"):
        shown = f"{shown} or more"
    return f"{shown} *" if figure.status == "second-hand" else shown


def _percent(figure: Figure) -> str:
    if isinstance(figure.value, int | float):
        return f"{100 * figure.value:.1f} %"
    return figure.status


def _table(title: str, columns: Iterable[str], *, numbers_from: int = 1) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    table.title_style = "bold"
    columns = list(columns)
    table.show_header = any(columns)
    for index, column in enumerate(columns):
        table.add_column(
            column, justify="right" if index >= numbers_from else "left", overflow="fold"
        )
    return table


# --- tables ------------------------------------------------------------------------------------
def _speed(report: Report) -> Table:
    points = report.operating_points
    clocks = [f"at {_show(point.clock_mhz)} MHz" for point in points]
    table = _table("Speed", ["", *(clocks or ["clock not known"])])
    deadline = report.totals.required_steps_per_second.value is not None
    timed = report.totals.steps_per_sequence.value is not None

    def row(name: str, figures: list[Figure]) -> None:
        table.add_row(name, *(map(_show, figures) if figures else ["not known"]))

    def column(name: str) -> list[Figure]:
        return [getattr(point, name) for point in points]

    row("steps a second", column("steps_per_second"))
    row("step latency, us", column("step_latency_us"))
    if timed:
        row(
            f"sequence of {_show(report.totals.steps_per_sequence)} steps, us",
            column("sequence_time_us"),
        )
    if deadline:
        row("deadline slack, %", column("deadline_slack_percent"))
    return table


def _work(report: Report) -> Table:
    table = _table("Step", ["", ""])
    totals = report.totals
    cycles = totals.cycles_per_step
    shown = _show(cycles)
    if cycles.value is None and cycles.note:
        shown = f"{shown} ({cycles.note})"
    if totals.instructions_per_step.status != "not used":
        table.add_row("instructions a step", _show(totals.instructions_per_step))
    table.add_row("cycles a step", shown)
    if report.target.kind != "microcontroller":
        table.add_row("step latency, cycles", _show(totals.step_latency_cycles))
        if totals.cycles_after_last_step.value:
            table.add_row("cycles after the last step", _show(totals.cycles_after_last_step))
    table.add_row("MACs a step", _show(totals.macs_per_step))
    if totals.macs_after_last_step.value:
        table.add_row("MACs after the last step", _show(totals.macs_after_last_step))
    if totals.required_steps_per_second.value is not None:
        table.add_row("deadline, steps a second", _show(totals.required_steps_per_second))
        table.add_row("lowest clock that meets it, MHz", _show(totals.lowest_clock_mhz))
    table.add_row("lanes", _show(totals.lanes))
    table.add_row("utilisation", _percent(totals.utilisation))
    table.add_row("bound by", _show(totals.bound_by))
    return table


def _layers(report: Report) -> Table:
    lanes = report.target.kind != "microcontroller"
    if lanes:
        names = ["", "lanes", "cycles", "basis", "MACs", "utilisation", "bound by"]
        table = _table("Layers", names)
    else:
        table = _table("Layers", ["", "instructions", "cycles", "MACs"])
    for layer in report.layers:
        name = f"{layer.name} (once)" if layer.runs == "once a sequence" else layer.name
        macs = _number(layer.macs_per_step)
        cycles = _show(layer.cycles_per_step)
        if lanes:
            table.add_row(
                name,
                _show(layer.lanes),
                cycles,
                layer.cycles_basis,
                macs,
                _percent(layer.utilisation),
                _show(layer.bound_by),
            )
        else:
            table.add_row(name, _show(layer.instructions_per_step), cycles, macs)
    return table


def _storage(report: Report) -> list[Table]:
    totals = report.totals
    lanes = report.target.kind != "microcontroller"
    rows = [
        ("weights", totals.weight_bits, totals.weight_memory_bits),
        ("biases", totals.bias_bits, totals.bias_memory_bits),
        ("tables", totals.table_bits, totals.table_memory_bits),
        ("state", totals.state_bits, totals.state_memory_bits),
        ("vectors", totals.vector_bits, totals.vector_memory_bits),
    ]
    table = _table("Storage, bits", ["", "stored", "as memory"])
    for name, stored, memory in rows:
        table.add_row(name, _show(stored), _show(memory))
    return [table, _memories(report.layers)] if lanes else [table]


def _memories(layers: Iterable[LayerReport]) -> Table:
    table = _table("Memories", ["", "words x bits", "in", "block RAM"])
    for layer in layers:
        for memory in layer.memories:
            table.add_row(
                f"{layer.name}: {memory.name}",
                f"{memory.depth_words} x {memory.width_bits}",
                memory.placement,
                str(memory.block_rams) if memory.block_rams else "-",
            )
    return table


def _resources(resources: Iterable[Resource]) -> Table:
    table = _table("Resources", ["", "used", "of", "%"])
    for resource in resources:
        percent = "-" if resource.percent is None else f"{resource.percent:.1f}"
        name = {"block_ram": "block RAM", "dsp": "DSP", "lut": "LUT", "ff": "FF"}.get(
            resource.name, resource.name
        )
        name = name if resource.unit in (name, "bytes") else f"{name} ({resource.unit})"
        unit = ", bytes" if resource.unit == "bytes" else ""
        table.add_row(name + unit, _show(resource.used), _show(resource.capacity), percent)
    return table


def _verdict(report: Report) -> Text:
    if report.fits is None:
        return Text("fits: not known", style="bold")
    if report.fits:
        return Text("fits: yes", style="bold green")
    return Text(f"fits: no ({'; '.join(report.over_capacity)})", style="bold red")


def _points_second_hand(points: Iterable[OperatingPoint]) -> bool:
    return any(point.clock_mhz.status == "second-hand" for point in points)


def _print_notes(report: Report, console: Console) -> None:
    notes = list(report.notes)
    energies = (report.totals.operation_energy_per_step_pj, report.totals.energy_per_step_pj)
    second_hand = any(figure.status == "second-hand" for figure in energies)
    if second_hand or _points_second_hand(report.operating_points):
        notes.insert(0, "* second-hand: from a number that a third party reports")
    for layer in report.layers:
        notes.extend(f"{layer.name}: {assumption}" for assumption in layer.assumptions)
        for name, figure in (("LUT", layer.luts), ("FF", layer.flip_flops)):
            if figure.value is not None and figure.note:
                notes.append(f"{layer.name}: {_show(figure)} {name}, {figure.note}")
    for note in notes:
        console.print(Text(f"note: {note}"), soft_wrap=False)
