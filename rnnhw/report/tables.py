"""The report as tables of text: what text, Markdown and HTML have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from rnnhw.cost.figure import not_known
from rnnhw.cost.figure_table import (
    ENERGY,
    SPEED,
    STEP_CYCLES,
    STEP_WORK,
    Line,
    Totals,
    figures_of,
    memory_rows,
    resource_rows,
)
from rnnhw.cost.model import (
    LayerReport,
    Report,
    Resource,
    ScheduleReport,
    memories_of,
    open_resources,
)
from rnnhw.report.roofline import roofline
from rnnhw.report.table_cell import Cell, number, percentage, shown, tenths, worded

__all__ = [
    "CYCLE_FORMULA",
    "LANE_CYCLES",
    "Table",
    "energies_table",
    "energy_table",
    "errors_table",
    "files_table",
    "highlights",
    "lanes_table",
    "layer_name",
    "layers_table",
    "memories_table",
    "notes",
    "operations",
    "operations_table",
    "phases_table",
    "resource_name",
    "resources_table",
    "roofline_table",
    "run_table",
    "sources_table",
    "speed_table",
    "storage_table",
    "traffic",
    "traffic_table",
    "unknown_speed",
    "verdict",
    "verdict_resources",
    "words_table",
    "work_table",
]

CYCLE_FORMULA = "cycles = X + (G - 1) PER + C + 7 + (REM - 1) + D, with REM = rows - (G - 1) P"
"""How a phase's cycles follow from its row (see :mod:`rnnhw.accelerator.mapping.phases`)."""


LANE_CYCLES = (
    "columns",
    "window fill",
    "post-processor",
    "transform",
    "recurrence latency",
    "drain",
    "external memory",
    "slower neighbour",
    "other layers",
)
"""What lanes do, or wait for, in the order of the columns (see
:mod:`rnnhw.accelerator.schedule.bubbles`)."""


@dataclass
class Table:
    """Rows of cells under ``columns``; those from ``numbers_from`` on hold numbers."""

    title: str
    columns: tuple[Cell | str, ...]
    numbers_from: int = 1
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def add(self, *cells: Cell | str) -> None:
        """One more row."""
        self.rows.append(_cells(cells))

    @property
    def heads(self) -> tuple[Cell, ...]:
        """The columns' names; empty where none has one."""
        return _cells(self.columns) if any(self.columns) else ()


def _cells(cells: Iterable[Cell | str]) -> tuple[Cell, ...]:
    return tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells)


def layer_name(layer: LayerReport) -> str:
    """The layer, and whether it runs once a sequence."""
    return f"{layer.name} (once)" if layer.runs == "once a sequence" else layer.name


# --- speed -------------------------------------------------------------------------------------
def speed_table(report: Report) -> Table:
    """A column for each clock."""
    points = report.operating_points
    clocks = [shown(point.clock_mhz) for point in points]
    heads = [replace(clock, text=f"at {clock.text} MHz") for clock in clocks]
    table = Table("Speed", ("", *heads))
    totals = report.totals
    told = {name: shown(figure).marked for name, figure in figures_of(totals)}
    for line in SPEED:
        figures = [getattr(point, line.key) for point in points]
        known = any(figure.value is not None for figure in figures)
        if known and any(line.stands(figure, totals) for figure in figures):
            cells: list[Cell | str] = [worded(line.row, figure) for figure in figures]
            table.add(line.row.line.format_map(told), *cells)
    if not table.rows:
        table = Table("Speed", ("", ""), numbers_from=2)
        table.add(SPEED[0].row.line, f"not known: {unknown_speed(report)}")
    return table


def unknown_speed(report: Report) -> str:
    """Why no figure of speed is known, and what gives one."""
    if not report.operating_points:
        return "give --clock-mhz: the clock is not known"
    return "the cycles of a step are not known"


def work_table(report: Report) -> Table:
    """One step of the whole network."""
    table = Table("Step", ("", ""))
    _add_lines(table, STEP_CYCLES, report.totals)
    if report.schedule is not None:
        for name, value in _schedule(report.schedule):
            table.add(name, value)
    _add_lines(table, STEP_WORK, report.totals)
    return table


def _add_lines(table: Table, lines: Iterable[Line], totals: Totals) -> None:
    """Those of the ``lines`` that stand in a report with these totals."""
    for line in lines:
        figure = getattr(totals, line.key)
        if line.stands(figure, totals):
            cell = worded(line.row, figure)
            if line.explained and figure.value is None and figure.note:
                cell = replace(cell, text=f"{cell.text} ({figure.note})")
            table.add(line.row.line, cell)


def _schedule(schedule: ScheduleReport) -> Iterator[tuple[str, Cell | str]]:
    """Differences from the default schedule: an engine a layer, one sequence, weights on chip."""
    if schedule.engines == "shared":
        yield "engine", "one for all layers"
    if schedule.interleaved_sequences > 1:
        yield "sequences in turn", number(schedule.interleaved_sequences)
    if schedule.external_memory is not None:
        yield "weights from", schedule.external_memory
        yield "bits a cycle from there", shown(schedule.external_bits_per_cycle)
    if schedule.assumptions:
        yield "cycles of whole sequences", schedule.cycles_basis


# --- a run ---------------------------------------------------------------------------------------
def run_table(report: Report) -> Table:
    """What running the design gave; the figures of the float reference beside those of integers."""
    run = report.run
    if run is None:
        return Table("", ())
    table = Table(f"Run on {number(run.sequences)} sequences", ("", "integers", "float"))
    for name, figure in run.figures.items():
        output, dot, plain = name.rpartition(".")
        if plain.startswith("float_") or (plain.endswith(ERRORS) and "loss" not in plain):
            continue
        other = run.figures.get(f"{output}{dot}float_{plain}")
        table.add(name.replace("_", " "), shown(figure), shown(other) if other else "")
    return table


ERRORS = ("max_error", "max_error_lsb", "rms_error", "rms_error_lsb", "snr_db")
"""Figures of a run that another table shows."""


def errors_table(report: Report) -> Table:
    """How far every signal that the float reference has is from it."""
    heads = ("", "max LSB", "rms LSB", "max", "rms", "SNR, dB")
    table = Table("Error against the float reference", heads)
    for error in report.run.errors if report.run else ():
        values = (error.max_error_lsb, error.rms_error_lsb, error.max_error, error.rms_error)
        ratio = "-" if error.snr_db is None else f"{error.snr_db:.1f}"
        table.add(error.signal, *map(number, values), ratio)
    return table


# --- layers ------------------------------------------------------------------------------------
def layers_table(report: Report) -> Table:
    """A row a layer."""
    lanes = report.target.kind != "microcontroller"
    if lanes:
        names = ("", "lanes", "cycles", "basis", "MACs", "utilisation", "bound by")
        scheduled = any(layer.schedule for layer in report.layers)
        table = Table("Layers", (*names, "schedule") if scheduled else names)
    else:
        counted = {
            name: [getattr(layer, key) for layer in report.layers]
            for name, key in (
                ("instructions", "instructions_per_step"),
                ("cycles", "cycles_per_step"),
            )
        }
        # Nor does a column say more where no layer's figure is known.
        known = [name for name, each in counted.items() if any(f.value is not None for f in each)]
        table = Table("Layers", ("", *known, "MACs"))
    for index, layer in enumerate(report.layers):
        macs, cycles = number(layer.macs_per_step), shown(layer.cycles_per_step)
        if lanes:
            table.add(
                layer_name(layer),
                shown(layer.lanes),
                cycles,
                layer.cycles_basis,
                macs,
                percentage(layer.utilisation),
                shown(layer.bound_by),
                *([layer.schedule] if scheduled else []),
            )
        else:
            table.add(layer_name(layer), *(shown(counted[name][index]) for name in known), macs)
    return table


def lanes_table(report: Report) -> Table:
    """What the lanes of every layer do in a round of steps: columns, and bubbles by cause."""
    rows = {layer_name(each): each for each in report.layers if each.lane_cycles}
    there = {name for row in rows.values() for name in row.lane_cycles}
    names = [name for name in LANE_CYCLES if name in there]
    rounds = any(row.round_steps > 1 for row in rows.values())
    heads = ("", *(["steps"] if rounds else []), *names, "in all")
    table = Table("Cycles of the lanes, by what they wait for", heads)
    for name, layer in rows.items():
        cycles = [layer.lane_cycles.get(each, 0) for each in names]
        steps = [number(layer.round_steps)] if rounds else []
        table.add(name, *steps, *map(number, cycles), number(sum(cycles)))
    return table


def phases_table(report: Report) -> Table:
    """The terms of the cycle formula, so that every layer's cycles can be recomputed by hand."""
    columns = ("", "rows", "lanes P", "groups G", "columns C", "interval PER", "last rows REM")
    table = Table("Cycles", (*columns, "transform X", "depth D", "cycles"))
    for layer in report.layers:
        for index, phase in enumerate(layer.phases):
            last = phase.rows - (phase.groups - 1) * max(phase.lanes, 1)
            name = layer_name(layer)
            table.add(
                name if len(layer.phases) == 1 else f"{name}, phase {index + 1}",
                *(
                    number(value)
                    for value in (
                        phase.rows,
                        phase.lanes,
                        phase.groups,
                        phase.columns,
                        phase.group_interval_cycles,
                        last,
                        phase.transform_cycles,
                        phase.post_processor_depth_cycles,
                        phase.cycles,
                    )
                ),
            )
    return table


def roofline_table(report: Report) -> Table:
    """What the lanes and the weight memory allow each layer, and what it reaches."""
    columns = ("", "MACs a weight bit", "weight bits a cycle", "lanes", "bound", "reached", "%")
    table = Table("Roofline, MACs a cycle", columns)
    for point in roofline(report):
        table.add(
            f"{point.number} {point.layer}",
            number(point.macs_per_bit),
            number(point.port_bits),
            number(point.lanes),
            number(point.bound),
            number(point.macs_per_cycle),
            f"{100 * point.macs_per_cycle / point.bound:.1f}",
        )
    return table


# --- operations and memory ---------------------------------------------------------------------
def operations(layer: LayerReport) -> dict[str, int]:
    """The algorithm's operations of one step by kind."""
    return {name: count for name, count in layer.counts.items() if "." not in name}


def traffic(layer: LayerReport) -> dict[str, int]:
    """Bits that move in one step by memory: at the ports where there are such, else counted."""
    accesses = {}
    for name, count in (layer.traffic or layer.counts).items():
        if name.endswith("_bits"):
            words = name.removesuffix("_bits").replace(".", " ").replace("_", " ").split()
            kind = " ".join(words[:-1])
            plural = {"weight": "weights", "bias": "biases", "vector": "vectors", "table": "tables"}
            verb = "written" if words[-1] == "write" else "read"
            accesses[f"{plural.get(kind, kind)} {verb}"] = count
    return accesses


def _by_layer(title: str, rows: Iterable[tuple[str, dict[str, int]]]) -> Table:
    rows = list(rows)
    names = dict.fromkeys(name for _, row in rows for name, count in row.items() if count)
    table = Table(title, ("", *names))
    for layer, row in rows:
        table.add(layer, *(number(row.get(name, 0)) for name in names))
    return table


def operations_table(report: Report) -> Table:
    """Operations of one step by layer."""
    rows = ((layer_name(layer), operations(layer)) for layer in report.layers)
    return _by_layer("Operations of one step", rows)


def traffic_table(report: Report) -> Table:
    """Bits that move in one step by layer."""
    ports = any(layer.traffic for layer in report.layers)
    where = "bits at the memories' ports" if ports else "bits that the algorithm uses"
    rows = ((layer_name(layer), traffic(layer)) for layer in report.layers)
    return _by_layer(f"Memory traffic of one step, {where}", rows)


# --- storage -----------------------------------------------------------------------------------
def storage_table(report: Report) -> Table:
    """The storage of the network, and the memories that hold it."""
    totals = report.totals
    table = Table("Storage, bits", ("", "stored", "as memory"))
    memories = memory_rows("as memory")
    for holds, stored in memory_rows("stored").items():
        figures = (getattr(totals, row.key) for row in (stored, memories[holds]))
        table.add(holds, *map(shown, figures))
    return table


def memories_table(report: Report) -> Table:
    """Every memory of the accelerator."""
    table = Table("Memories", ("", "words x bits", "in", "block RAM"))
    for owner, memory in memories_of(report):
        times = f"{memory.copies} of " if memory.copies > 1 else ""
        table.add(
            f"{owner}: {memory.name}",
            f"{times}{memory.depth_words} x {memory.width_bits}",
            memory.placement,
            str(memory.block_rams) if memory.block_rams else "-",
        )
    return table


def resource_name(resource: Resource) -> str:
    """The resource in words, with the name that its vendor gives it."""
    row = resource_rows().get(resource.name)
    if row is not None and row.unit:
        return row.line
    name = row.name if row else resource.name.replace("_", " ")
    if resource.unit == "bytes":
        return f"{name}, bytes"
    return name if resource.unit == name else f"{name} ({resource.unit})"


def resources_table(report: Report) -> Table:
    """The use of the device."""
    table = Table("Resources", ("", "used", "of", "%"))
    for resource in report.resources:
        share = "-" if resource.percent is None else tenths(resource.share)
        table.add(resource_name(resource), shown(resource.used), shown(resource.capacity), share)
    return table


def verdict(report: Report) -> str:
    """Whether the design fits, and what does not."""
    if not report.resources:
        return "fits: not asked, a process node has no capacity"
    if report.fits is None:
        return f"fits: not known ({', '.join(open_resources(report.resources))} not known)"
    if report.fits:
        return "fits: yes"
    return f"fits: no ({'; '.join(report.over_capacity)})"


def highlights(report: Report) -> Iterator[str]:
    """What is asked first beside the verdict: the rate at the lowest clock, the known shares of
    the device, and the score where the design was run."""
    rate = report.operating_points[0].steps_per_second if report.operating_points else not_known()
    if rate.number is None:
        yield f"steps/s not known ({unknown_speed(report)})"
    else:
        bound = f"{rate.bound} " if rate.bound else ""
        clock = shown(report.operating_points[0].clock_mhz).text
        yield f"{bound}{number(rate.number)} steps/s at {clock} MHz"
    for name, resource in verdict_resources(report):
        if resource.percent is not None:
            bound = f"{resource.share.bound} " if resource.share.bound else ""
            yield f"{name} {bound}{resource.percent:.1f} %"

    run = report.run
    if run is not None and run.measure and run.figures[run.measure].value is not None:
        yield f"{run.measure.replace('_', ' ')} {shown(run.figures[run.measure]).text}"


def verdict_resources(report: Report) -> Iterator[tuple[str, Resource]]:
    """The resources that a verdict tells, by name: without flip-flops."""
    rows = resource_rows()
    for resource in report.resources:
        if resource.name in rows and resource.name != "ff" and resource.is_used:
            yield rows[resource.name].name, resource


# --- energy ------------------------------------------------------------------------------------
def energy_table(report: Report) -> Table:
    """Energy of the whole network, where the target has energies."""
    table = Table("Energy, pJ", ("", ""))
    _add_lines(table, ENERGY, report.totals)
    return table


def energies_table(report: Report) -> Table:
    """What each layer's operations and accesses add to it, to be recomputed by hand."""
    table = Table("Energy by layer", ("", "amount", "pJ each", "pJ"))
    for layer in report.layers:
        for part in layer.energy:
            unit = ", bits" if part.unit == "bits" else ""
            each, total = (
                Cell("not known", "not known", part.note)
                if value is None
                else Cell(number(value), note=part.note)
                for value in (part.each_pj, part.energy_pj)
            )
            table.add(f"{layer_name(layer)}: {part.what}{unit}", number(part.amount), each, total)
    return table


# --- words, notes, sources ---------------------------------------------------------------------
def words_table(report: Report) -> Table:
    """Every signal and tensor with its word."""
    columns = ("", "elements", "format", "bits", "lowest", "highest", "resolution")
    table = Table("Word lengths", columns)
    for signal in report.signals:
        table.add(
            signal.name,
            number(signal.units),
            signal.format,
            number(signal.width_bits),
            number(signal.lowest),
            number(signal.highest),
            f"2^{-signal.fraction_bits}",
        )
    return table


def notes(report: Report, *, starred: bool = True) -> Iterator[str]:
    """Notes on the figures; of stars, where they are ``starred``."""
    totals = report.totals
    figures = [point.clock_mhz for point in report.operating_points]
    figures += [totals.operation_energy_per_step_pj, totals.energy_per_step_pj]
    if starred and any(figure.status == "second-hand" for figure in figures):
        yield "* second-hand: from a number that a third party reports"
    yield from report.notes
    for layer in report.layers:
        for assumption in layer.assumptions:
            yield f"{layer.name}: {assumption}"
        for name, figure in (("LUT", layer.luts), ("FF", layer.flip_flops)):
            if figure.value is not None and figure.note:
                yield f"{layer.name}: {shown(figure).marked} {name}, {figure.note}"


def sources_table(report: Report) -> Table:
    """The numbers that were read somewhere, how they are known and where they stand."""
    table = Table("Sources", ("", "value", "known as", "source"), numbers_from=4)
    figures = [("clock, MHz", point.clock_mhz) for point in report.operating_points]
    figures += [
        (f"{resource_name(resource)}, capacity", resource.capacity) for resource in report.resources
    ]
    figures += [
        (f"{memory.name}, peak, MB/s", memory.peak_mb_per_second)
        for memory in report.external_memories
    ]
    for name, figure in figures:
        if figure.value is not None and figure.note:
            table.add(name, number(figure.value), figure.status, figure.note)
    return table


def files_table(report: Report, digits: int = 64) -> Table:
    """The files behind the report, and the first ``digits`` of each digest."""
    first = "SHA-256" if digits == 64 else f"SHA-256, first {digits} digits"
    title = f"Made by rnnhw {report.rnnhw_version} from"
    table = Table(title, ("", "file", first), numbers_from=3)
    for name in ("design", "weights", "data", "profile"):
        file = getattr(report.files, name)
        table.add(name, file.name if file else "none", file.sha256[:digits] if file else "")
    return table
