"""The cost report: the types that :mod:`rnnhw.cost` fills in and the renderers print.

Every quantity carries its unit in its name. A :class:`~rnnhw.cost.figure.Figure` says how its
value is known; the value is null where it is not known or does not apply. Integers stay integers;
there is no time stamp and no path, so the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeVar

import msgspec

from rnnhw.cost.figure import Figure, not_known, not_used
from rnnhw.cost.figure_table import OperatingPoint, Part, Totals

__all__ = [
    "SCHEMA_ID",
    "Chosen",
    "EnergyReport",
    "ExternalMemoryReport",
    "File",
    "Files",
    "LayerReport",
    "MemoryReport",
    "PhaseReport",
    "PlanReport",
    "Report",
    "Resource",
    "ScheduleReport",
    "SignalReport",
    "SpanReport",
    "TargetReport",
    "memories_of",
    "report_fields",
    "revised",
    "unknown_fields",
]

SCHEMA_ID = "urn:rnnhw:schema:cost-report:1"
"""The ``$id`` of the report's JSON schema, and the first value of every report."""

Chosen = Literal[
    "fewest resources that meet the deadline", "best throughput that fits", "fewest resources"
]
"""What the lanes of a plan are; the first two fit, the last is for where nothing does."""


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
    """How much of one resource is used; ``percent`` is of the capacity."""

    name: str
    unit: str
    used: Figure
    capacity: Figure
    percent: float | None
    fits: bool | None


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

    ``cycles_basis`` is ``realised`` where the layer can be emitted as Verilog whose cycles these
    are, else ``modelled``, and ``assumptions`` say what is not emitted.
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
    open. ``reasons`` are sentences for people.
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


class Report(Part, frozen=True, kw_only=True, rename={"schema": "$schema"}):
    """Throughput and storage of one design on one target.

    ``operating_points`` go from the lowest clock to the highest. ``fits`` is null where a
    capacity that matters is not known; ``over_capacity`` names what does not fit. ``plan`` is
    null where the lanes were given. ``timeline`` holds the first steps of a sequence, layers in
    order; it is empty where cycles are not known. ``external_memories`` are those of the profile:
    ``schedule``, null on microcontrollers, says which of them is used.
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


def _figures(part: msgspec.Struct, prefix: str = "") -> Iterator[tuple[str, float | int | bool]]:
    for name in part.__struct_fields__:
        value = getattr(part, name)
        value = value.value if isinstance(value, Figure) else value
        if isinstance(value, int | float):
            yield prefix + name, value


def report_fields(report: Report) -> dict[str, float | int | bool]:
    """Every known number of the report by the name that ``--min`` and ``--max`` take.

    Totals, operating point and resources have plain names (``cycles_per_step``,
    ``steps_per_second``, ``lut_percent``), a layer's start with its name
    (``rnn.counts.multiplies``), those of a plan with ``plan.``. Of several operating points the
    lowest clock's is meant: it is the slowest.
    """
    fields: dict[str, float | int | bool] = dict(_figures(report.totals))
    if report.fits is not None:
        fields["fits"] = report.fits
    if report.operating_points:
        fields.update(_figures(report.operating_points[0]))
    for resource in report.resources:
        if resource.percent is not None:
            fields[f"{resource.name}_percent"] = resource.percent
    if report.plan is not None:
        fields.update(_figures(report.plan, "plan."))
    for layer in report.layers:
        fields.update(_figures(layer, f"{layer.name}."))
        for group in ("traffic", "counts", "lane_cycles"):
            for name, count in getattr(layer, group).items():
                fields[f"{layer.name}.{group}.{name}"] = count
    return fields


def unknown_fields(report: Report) -> dict[str, Figure]:
    """Every figure of the report that has no value, by the name that `report_fields` would give
    it: its status and note say why."""
    fields = dict(_unknown(report.totals))
    if report.operating_points:
        fields.update(_unknown(report.operating_points[0]))
    else:
        clock = not_known("the profile knows no clock: give --clock-mhz")
        fields.update(dict.fromkeys(OperatingPoint.__struct_fields__, clock))
    for resource in report.resources:
        if resource.percent is None:
            unknown = resource.used if resource.used.value is None else resource.capacity
            fields[f"{resource.name}_percent"] = unknown
    for layer in report.layers:
        fields.update((f"{layer.name}.{name}", value) for name, value in _unknown(layer))
    return fields


def _unknown(part: msgspec.Struct) -> Iterator[tuple[str, Figure]]:
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if isinstance(value, Figure) and value.value is None:
            yield name, value
