"""The cost report: the types that :mod:`rnnhw.cost` fills in and the renderers print.

Every quantity carries its unit in its name. A :class:`~rnnhw.cost.figure.Figure` says how its
value is known; the value is null where it is not known or does not apply. Integers stay integers;
there is no time stamp and no path, so the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeVar

import msgspec

from rnnhw.cost.figure import Figure, derived, not_known, not_used, status_from
from rnnhw.cost.figure_table import OperatingPoint, Part, Totals, resource_rows

__all__ = [
    "LAYER_SCHEDULES",
    "SCHEMA_ID",
    "Chosen",
    "EnergyReport",
    "ErrorReport",
    "ExternalMemoryReport",
    "File",
    "Files",
    "LayerReport",
    "MemoryReport",
    "NodeReport",
    "PhaseReport",
    "PlanReport",
    "Report",
    "Resource",
    "RunReport",
    "ScheduleReport",
    "SignalReport",
    "SpanReport",
    "TargetReport",
    "fits_figure",
    "memories_of",
    "open_resources",
    "report_fields",
    "report_figures",
    "revised",
    "unknown_fields",
]

SCHEMA_ID = "urn:rnnhw:schema:cost-report:3"
"""The ``$id`` of the report's JSON schema, and the first value of every report."""

Chosen = Literal[
    "fewest resources that meet the deadline", "best throughput that fits", "fewest resources"
]
"""How the lanes of a plan are chosen; the first two fit, the last is for where nothing does."""


class File(Part, frozen=True, kw_only=True):
    """A file that the report depends on: its name without folders, and its contents' digest."""

    name: str
    sha256: str


class Files(Part, frozen=True, kw_only=True):
    """The files behind the report; null where there is none."""

    design: File | None
    weights: File | None
    data: File | None
    profile: File | None


class TargetReport(Part, frozen=True, kw_only=True):
    """The hardware that the report is for."""

    profile: str
    title: str
    kind: Literal["fpga", "microcontroller", "asic"]


class ExternalMemoryReport(Part, frozen=True, kw_only=True):
    """A memory beside the device that could stream weights; the peak is in 1e6 bytes a second."""

    name: str
    peak_mb_per_second: Figure


class Resource(Part, frozen=True, kw_only=True):
    """How much of one resource is used; ``percent`` is of the capacity, and a bound where ``used``
    or ``capacity`` is one. ``fits`` is null where that is not known."""

    name: str
    unit: str
    used: Figure
    capacity: Figure
    percent: float | None
    fits: bool | None

    @property
    def is_used(self) -> bool:
        """Whether the device has the resource and the design's use of it is asked."""
        return "not used" not in (self.used.status, self.capacity.status)

    @property
    def share(self) -> Figure:
        """``percent`` as a figure, with the bound that follows from amount and capacity."""
        if self.percent is None:
            unknown = self.used if self.used.value is None else self.capacity
            return Figure(None, unknown.status, unknown.note)
        bound = None if self.percent == 0 else (self.used / self.capacity).bound
        return Figure(self.percent, status_from(self.used, self.capacity), bound=bound)


class MemoryReport(Part, frozen=True, kw_only=True):
    """One memory of the accelerator, or ``copies`` of it; ``placement`` is block RAM, LUT RAM,
    registers or SRAM. Bits and block RAMs are those of all copies."""

    name: str
    holds: str
    depth_words: int
    width_bits: int
    stored_bits: int
    padded_bits: int
    placement: str
    block_rams: int
    copies: int = 1


class PhaseReport(Part, frozen=True, kw_only=True):
    """Rows on lanes in one phase of the step (see :mod:`rnnhw.accelerator.mapping.phases`)."""

    rows: int
    lanes: int
    groups: int
    columns: int
    group_interval_cycles: int
    transform_cycles: int
    post_processor_depth_cycles: int
    cycles: int


class EnergyReport(Part, frozen=True, kw_only=True):
    """One kind of operation or access of a layer: ``amount`` of them at ``each_pj``, null where
    no figure is known. ``unit`` says what is counted: operations, or bits through a port."""

    what: str
    unit: Literal["operations", "bits"]
    amount: int
    each_pj: float | None
    energy_pj: float | None
    note: str


class LayerReport(Part, frozen=True, kw_only=True):
    """One layer. ``counts`` are algorithmic, ``traffic`` is at the memories' ports, of one step.

    ``cycles_per_step`` is the layer's own step interval, ``step_latency_cycles`` from starting on a
    vector to its last result (of a layer with a state its loop latency, which is its interval
    unless sequences are interleaved or steps overlap), ``first_result_cycles`` to its first.
    ``lane_cycles`` say what the lanes do in ``round_steps`` steps of the whole network: "columns",
    and bubbles by what they wait for (see :mod:`rnnhw.accelerator.schedule.bubbles`).
    ``saturating_sequences`` is from how many interleaved sequences on more of them bring no more
    steps a second.

    ``cycles_basis`` is ``realised`` where ``emit`` writes the network as Verilog whose cycles these
    are, else ``modelled``, and ``assumptions`` say what of the layer is not emitted.
    """

    name: str
    runs: Literal["every step", "once a sequence"]
    lanes: Figure
    cycles_per_step: Figure
    instructions_per_step: Figure
    cycles_basis: Literal["realised", "modelled", "not known"]
    macs_per_step: int
    utilisation: Figure
    bound_by: Figure
    dsp_blocks: Figure
    block_rams: Figure
    luts: Figure
    flip_flops: Figure
    assumptions: tuple[str, ...]
    phases: tuple[PhaseReport, ...]
    memories: tuple[MemoryReport, ...]
    traffic: dict[str, int]
    counts: dict[str, int]
    energy: tuple[EnergyReport, ...] = ()
    recurrent: bool = False
    overlapped: bool = False
    steps_in_parallel: int = 1
    weights: Literal["on-chip", "streamed"] = "on-chip"
    step_latency_cycles: Figure = not_used()
    first_result_cycles: Figure = not_used()
    saturating_sequences: Figure = not_used()
    round_steps: int = 1
    lane_cycles: dict[str, int | float] = msgspec.field(default_factory=dict)

    @property
    def schedule(self) -> str:
        """The options of the layer's schedule, in words; empty by default."""
        words = ["overlap"] if self.overlapped else []
        words += [f"{self.steps_in_parallel} steps"] if self.steps_in_parallel > 1 else []
        words += ["streamed"] if self.weights == "streamed" else []
        return ", ".join(words)


LAYER_SCHEDULES = ("weights", "overlapped", "steps_in_parallel", "round_steps")
"""The fields of a layer that tell its schedule, in the order of the columns of CSV."""


class ScheduleReport(Part, frozen=True, kw_only=True):
    """How the layers share lanes, time and memory (see :mod:`rnnhw.design.schedule`).

    ``external_memory`` is what weights are streamed from, at ``external_bits_per_cycle`` of the
    lowest clock. ``shared_memories`` are the shared engine's. ``cycles_basis`` is that of the whole
    network: ``realised`` where that of every layer is and every operation over time can be emitted
    as Verilog, else ``modelled``, and ``assumptions`` say which operation can not.
    """

    engines: Literal["per-layer", "shared"]
    interleaved_sequences: int
    external_memory: str | None
    external_bits_per_cycle: Figure
    shared_memories: tuple[MemoryReport, ...] = ()
    cycles_basis: Literal["realised", "modelled", "not known"] = "not known"
    assumptions: tuple[str, ...] = ()


class SignalReport(Part, frozen=True, kw_only=True):
    """The word of a vector, of a trained tensor, or of the products inside a matrix product.

    Values are raw integers times ``resolution``, 2 to the power of minus ``fraction_bits``.
    ``lowest`` and ``highest`` bound what the operands' formats and the number of terms allow,
    whatever the weights; ``format_lowest`` and ``format_highest`` are the word's own limits.
    """

    name: str
    kind: Literal["tensor", "product", "signal"]
    role: str
    units: int
    format: str
    width_bits: int
    integer_bits: int
    fraction_bits: int
    signed: bool
    resolution: float
    lowest: float
    highest: float
    format_lowest: float
    format_highest: float


class NodeReport(Part, frozen=True, kw_only=True):
    """A layer, or an operation over time, as the network has it: vectors of ``units`` words.

    ``kind`` is what it is in words, ``structures`` are those of its recurrent matrices, ``state``
    how many words it keeps from step to step, and ``sources`` what it reads.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    units: int
    format: str
    width_bits: int
    state: int = 0
    structures: tuple[str, ...] = ()


class ErrorReport(Part, frozen=True, kw_only=True):
    """How far a signal is from the float reference, as values and in steps of its format;
    ``snr_db`` is null where the ratio is no finite number."""

    signal: str
    max_error: float
    max_error_lsb: float
    rms_error: float
    rms_error_lsb: float
    snr_db: float | None


class RunReport(Part, frozen=True, kw_only=True):
    """A run of the design in integers and in float, on its task or the user's data.

    ``figures`` have the names that ``verify`` judges by; ``measure`` names the first figure of the
    score, empty without one. ``errors`` are those of the signals that the float reference has, the
    output last.
    """

    sequences: int
    measure: str
    figures: dict[str, Figure]
    errors: tuple[ErrorReport, ...]


class SpanReport(Part, frozen=True, kw_only=True):
    """A layer at work on one step, in cycles from the sequence's first input element; ``step``
    counts from 0, and is null for a layer that runs once a sequence; so does ``sequence``, of those
    that are interleaved."""

    layer: str
    step: int | None
    start_cycle: int
    end_cycle: int
    sequence: int = 0


class PlanReport(Part, frozen=True, kw_only=True):
    """How the lanes were chosen, where they were left to :mod:`rnnhw.cost.search.lanes`.

    ``lanes`` by layer, of which ``chosen`` says what they are. ``met`` is whether they fit, and
    meet the deadline if there is one; ``missing`` says what is in the way if not. The clock is the
    lowest operating point's; ``most_cycles_per_step`` is what the deadline leaves at that clock,
    ``lowest_clock_mhz`` the clock at which these lanes just meet it, ``duty_cycle_percent`` the
    share of the time in which the slowest layer works. ``interleaved_sequences``, the layers that
    are ``overlapped`` and those whose weights are ``streamed`` were chosen where they were left
    open. ``short`` names the resources of which there is too little, each alone or all together.
    ``reasons`` are sentences for people.
    """

    goal: Literal["deadline", "throughput"]
    met: bool
    chosen: Chosen
    lanes: dict[str, int]
    clock_mhz: Figure
    required_steps_per_second: Figure
    most_cycles_per_step: Figure
    cycles_per_step: Figure
    bound_by: Figure
    lowest_clock_mhz: Figure
    duty_cycle_percent: Figure
    interleaved_sequences: int = 1
    overlapped: tuple[str, ...] = ()
    streamed: tuple[str, ...] = ()
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    short: tuple[str, ...] = ()


class Report(Part, frozen=True, kw_only=True, rename={"schema": "$schema"}):
    """Throughput and storage of one design on one target.

    ``operating_points`` go from the lowest clock to the highest. ``fits`` is null where an amount
    or capacity is not known; ``over_capacity`` names what does not fit. ``plan`` is
    null where the lanes were given. ``timeline`` holds the first steps of a sequence, layers in
    order; it is empty where cycles are not known. ``external_memories`` are those of the profile:
    ``schedule``, null on microcontrollers, says which of them is used. ``run`` is null where the
    design was not run.
    """

    schema: str
    rnnhw_version: str
    title: str
    files: Files
    settings: dict[str, bool | int | float | str | None]
    target: TargetReport
    fits: bool | None
    over_capacity: tuple[str, ...]
    totals: Totals
    operating_points: tuple[OperatingPoint, ...]
    resources: tuple[Resource, ...]
    layers: tuple[LayerReport, ...]
    signals: tuple[SignalReport, ...]
    network: tuple[NodeReport, ...]
    run: RunReport | None = None
    timeline: tuple[SpanReport, ...] = ()
    external_memories: tuple[ExternalMemoryReport, ...] = ()
    plan: PlanReport | None = None
    schedule: ScheduleReport | None = None
    notes: tuple[str, ...]


def memories_of(report: Report) -> Iterator[tuple[str, MemoryReport]]:
    """Every memory with the name of its layer; those of a shared engine are of "all layers"."""
    for layer in report.layers:
        yield from ((layer.name, memory) for memory in layer.memories)
    if report.schedule is not None:
        yield from (("all layers", memory) for memory in report.schedule.shared_memories)


_Part = TypeVar("_Part", bound=msgspec.Struct)


def revised(part: _Part, **changes: Any) -> _Part:
    """A part of a report with other values in some fields."""
    return msgspec.structs.replace(part, **changes)


def report_figures(report: Report) -> dict[str, Figure]:
    """Every figure of the report by the name that ``--min`` and ``--max`` take, those without a
    value too: their status and note say why.

    Totals, operating point and resources have plain names (``cycles_per_step``,
    ``steps_per_second``, ``lut_percent``), a layer's start with its name
    (``rnn.counts.multiplies``), those of a plan with ``plan.``. Of several operating points the
    lowest clock's is meant: it is the slowest.
    """
    figures = dict(_figures(report.totals))
    figures["fits"] = fits_figure(report)
    if report.operating_points:
        figures.update(_figures(report.operating_points[0]))
    else:
        clock = not_known("the profile knows no clock: give --clock-mhz")
        figures.update(dict.fromkeys(OperatingPoint.__struct_fields__, clock))
    for resource in report.resources:
        figures[f"{resource.name}_percent"] = resource.share
    if report.plan is not None:
        figures.update(_figures(report.plan, "plan."))
    for layer in report.layers:
        figures.update(_figures(layer, f"{layer.name}."))
        for group in ("traffic", "counts", "lane_cycles"):
            for name, count in getattr(layer, group).items():
                figures[f"{layer.name}.{group}.{name}"] = derived(count)
    if report.run is not None:
        figures.update(report.run.figures)
    return figures


def report_fields(report: Report) -> dict[str, float | int | bool]:
    """Every known number of :func:`report_figures`."""
    figures = report_figures(report).items()
    return {name: each.number for name, each in figures if each.number is not None}


def unknown_fields(report: Report) -> dict[str, Figure]:
    """Those of :func:`report_figures` that have no value."""
    return {name: each for name, each in report_figures(report).items() if each.value is None}


def fits_figure(report: Report) -> Figure:
    """Whether the design fits, as a figure: true, false, or not known with what is missing."""
    if not report.resources:
        return not_used("a process node has no capacity")
    if report.fits is None:
        return not_known(f"not known: {', '.join(open_resources(report.resources))}")
    return derived(report.fits, "; ".join(report.over_capacity))


def open_resources(resources: Iterable[Resource]) -> tuple[str, ...]:
    """Names of the resources of which it is not known whether they suffice."""
    rows = resource_rows()
    return tuple(
        rows[each.name].name if each.name in rows else each.name.replace("_", " ")
        for each in resources
        if each.fits is None and each.is_used
    )


def _figures(part: msgspec.Struct, prefix: str = "") -> Iterator[tuple[str, Figure]]:
    for name in part.__struct_fields__:
        value = getattr(part, name)
        figure = derived(value) if isinstance(value, int | float) else value
        if isinstance(figure, Figure):
            yield prefix + name, figure
