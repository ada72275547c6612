"""The report of a design on a microcontroller: measured cycles or instructions, flash and RAM."""

from __future__ import annotations

import math

from rnnhw.cost.capacity import fitting, resource_of
from rnnhw.cost.figure import Figure, derived, if_known, not_known, not_used, of_profile
from rnnhw.cost.figure_table import Totals, totals_of
from rnnhw.cost.layers import algorithmic_counts
from rnnhw.cost.model import (
    SCHEMA_ID,
    Files,
    LayerReport,
    Report,
    TargetReport,
)
from rnnhw.cost.nodes import node_reports
from rnnhw.cost.operating_point import Timing, lowest_clock, operating_points, required_rate
from rnnhw.cost.processor import Counted, LayerProcessor, Processor, least_cycles, processor
from rnnhw.cost.provenance import NO_WEIGHTS, settings_of, version
from rnnhw.cost.request import Request
from rnnhw.cost.signals import signal_reports
from rnnhw.cost.timeline import processor_spans
from rnnhw.profiles import Microcontroller

__all__ = ["microcontroller_report"]


def microcontroller_report(request: Request, profile: Microcontroller, files: Files) -> Report:
    """The report of a design on a microcontroller."""
    network = request.design.network
    cost = processor(network, profile)
    counts = algorithmic_counts(network)
    totals = _microcontroller_totals(request, cost, profile)
    timing = Timing(
        interval=totals.cycles_per_step,
        latency=totals.step_latency_cycles,
        sequence=totals.cycles_per_sequence,
        between=totals.cycles_per_sequence,
    )
    resources = (
        resource_of("flash", "bytes", totals.flash_bytes, of_profile(profile.flash)),
        resource_of("ram", "bytes", totals.ram_bytes, of_profile(profile.ram)),
    )
    fits, over = fitting(resources)
    notes = [*request.notes, "lanes are not used on a microcontroller"]
    if request.arrangement.assumes:
        notes.append("activity and step_latency of the target are not used on a microcontroller")
    notes.append("flash and RAM are those of the network: the program itself is not counted")
    if cost.counted == "instructions":
        notes.append(f"the profile counts instructions, not cycles: {_time(totals)}")
    if cost.counted is None:
        notes.append(f"the profile has no figures for what the network does: {_time(totals)}")
    return Report(
        schema=SCHEMA_ID,
        rnnhw_version=version(),
        title=request.design.title,
        files=files,
        settings=settings_of(request.design),
        target=TargetReport(profile=profile.name, title=profile.title, kind="microcontroller"),
        fits=fits,
        over_capacity=over,
        totals=totals,
        operating_points=operating_points(request, lambda clock: timing),
        resources=resources,
        layers=tuple(_processor_layer(layer, counts[layer.name]) for layer in cost.layers),
        signals=signal_reports(network),
        network=node_reports(network),
        timeline=processor_spans(cost, request.steps),
        notes=(*notes, NO_WEIGHTS),
    )


def _time(totals: Totals) -> str:
    """A note on the time where cycles are not measured."""
    cycles = totals.cycles_per_step
    return (
        "time is not known"
        if cycles.value is None
        else f"times are bounds, from {cycles.note.removeprefix('a lower bound: ')}"
    )


def _amount(
    counted: Counted | None, wanted: Counted, count: int | None, *, partial: bool
) -> Figure:
    """``count``, where that is what was ``counted``: a lower bound where it is ``partial``, that
    is where operations without a figure are left out."""
    if counted != wanted or count is None:
        return not_known()
    if not partial:
        return derived(count)
    if count == 0:
        return not_known("no operation has a figure")
    return derived(count, "some operations have no figure", "at least")


def _least_cycles(
    cost: Processor, profile: Microcontroller, count: int | None, multiplied: int | None
) -> Figure:
    """A lower bound of cycles that are not known: those in which the core can issue ``count``
    instructions, or in which its multipliers do the products."""
    bounds = []
    if cost.counted == "instructions" and profile.issue_width is not None and count:
        issued = math.ceil(count / profile.issue_width.value)
        bounds.append((issued, "the instructions at the core's issue width"))
    if multiplied:
        bounds.append((multiplied, "the peak of the multipliers"))
    if not bounds:
        return not_known()
    least, reason = max(bounds)
    return derived(least, f"a lower bound: {reason}", "at least")


def _microcontroller_totals(request: Request, cost: Processor, profile: Microcontroller) -> Totals:
    if cost.counted == "cycles":
        interval = _amount("cycles", "cycles", cost.per_step, partial=cost.partial)
        after = _amount(
            "cycles", "cycles", cost.after_last_step, partial=cost.partial_after_last_step
        )
    else:
        multiplied = least_cycles(request.design.network, profile)
        interval = _least_cycles(cost, profile, cost.per_step, multiplied)
        after = _least_cycles(cost, profile, cost.after_last_step, None)
        if after.value is None:
            after = derived(0, "a lower bound: none", "at least")
    sequence = not_known() if request.steps is None else interval * request.steps + after
    slowest = max(cost.layers, key=lambda layer: layer.per_step or 0, default=None)
    return totals_of(
        lanes=not_used("one core"),
        cycles_per_step=interval,
        instructions_per_step=_amount(
            cost.counted, "instructions", cost.per_step, partial=cost.partial
        ),
        step_latency_cycles=interval,
        cycles_after_last_step=after,
        cycles_per_sequence=sequence,
        steps_per_sequence=if_known(request.steps),
        required_steps_per_second=required_rate(request),
        lowest_clock_mhz=lowest_clock(request, interval),
        macs_per_step=derived(cost.macs),
        macs_after_last_step=derived(sum(lay.macs for lay in cost.layers if lay.once)),
        utilisation=not_used("one core"),
        bound_by=if_known(f"{slowest.name}: {cost.counted}" if slowest and cost.counted else None),
        weight_bits=derived(cost.bits("weights")),
        bias_bits=derived(cost.bits("biases")),
        table_bits=derived(cost.bits("tables")),
        state_bits=derived(cost.bits("state")),
        vector_bits=derived(cost.bits("vectors")),
        weight_memory_bits=derived(8 * cost.bytes("weights")),
        bias_memory_bits=derived(8 * cost.bytes("biases")),
        table_memory_bits=derived(8 * cost.bytes("tables")),
        state_memory_bits=derived(8 * cost.bytes("state")),
        vector_memory_bits=derived(8 * cost.bytes("vectors")),
        flash_bytes=derived(cost.flash_bytes),
        ram_bytes=derived(cost.ram_bytes),
    )


def _processor_layer(layer: LayerProcessor, counts: dict[str, int]) -> LayerReport:
    unused = not_used()
    return LayerReport(
        name=layer.name,
        runs="once a sequence" if layer.once else "every step",
        lanes=unused,
        cycles_per_step=_amount(layer.counted, "cycles", layer.per_step, partial=layer.partial),
        instructions_per_step=_amount(
            layer.counted, "instructions", layer.per_step, partial=layer.partial
        ),
        cycles_basis="modelled" if layer.has_cycles else "not known",
        macs_per_step=layer.macs,
        utilisation=unused,
        bound_by=if_known(layer.counted),
        dsp_blocks=unused,
        block_rams=unused,
        luts=unused,
        flip_flops=unused,
        assumptions=layer.notes,
        phases=(),
        memories=(),
        traffic={},
        counts=counts,
    )
