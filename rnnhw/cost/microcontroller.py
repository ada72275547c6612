"""The report of a design on a microcontroller: measured cycles or instructions, flash and RAM."""

from __future__ import annotations

import math

from rnnhw.cost.figures import (
    algorithmic_counts,
    if_known,
    of_profile,
    resource_of,
    verdict,
)
from rnnhw.cost.model import (
    SCHEMA_ID,
    Figure,
    Files,
    LayerReport,
    Report,
    TargetReport,
    Totals,
    derived,
    not_known,
    not_used,
)
from rnnhw.cost.operating_point import Timing, lowest_clock, operating_points, required_rate
from rnnhw.cost.processor import LayerProcessor, Processor, least_cycles, processor
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
    interval = _cycles(cost, cost.per_step)
    resources = (
        resource_of("flash", "bytes", totals.flash_bytes, of_profile(profile.flash)),
        resource_of("ram", "bytes", totals.ram_bytes, of_profile(profile.ram)),
    )
    fits, over = verdict(resources, {"flash", "ram"})
    notes = [*request.notes, "lanes are not used on a microcontroller"]
    notes.append("flash and RAM are those of the network: the program itself is not counted")
    if cost.counted == "instructions":
        notes.append("time is not known: the profile counts instructions, not cycles")
    if cost.counted is None:
        notes.append("time is not known: the profile has no figures for what the network does")
    sequence = None
    after = _cycles(cost, cost.after_last_step)
    if request.steps is not None and interval is not None and after is not None:
        sequence = request.steps * interval + after
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
        operating_points=operating_points(
            request, lambda clock: Timing(interval, interval, sequence, sequence)
        ),
        resources=resources,
        layers=tuple(_processor_layer(layer, counts[layer.name]) for layer in cost.layers),
        signals=signal_reports(network),
        timeline=processor_spans(cost, request.steps),
        notes=(*notes, NO_WEIGHTS),
    )


def _cycles(cost: Processor, count: int | None) -> int | None:
    return count if cost.counted == "cycles" else None


def _counted(counted: str | None, wanted: str, count: int | None, bound: str = "") -> Figure:
    return if_known(count if counted == wanted else None, bound if counted != wanted else "")


def _at_least(count: Figure, *, partial: bool) -> Figure:
    """``count``, marked as a lower bound where operations without a figure are left out."""
    if not partial or count.value is None:
        return count
    if count.value == 0:
        return not_known("no operation has a figure")
    return derived(count.value, "a lower bound: some operations have no figure")


def _lower_bound(request: Request, cost: Processor, profile: Microcontroller) -> str:
    """The fewest cycles of a step, where cycles are not known."""
    bounds = []
    if cost.counted == "instructions" and profile.issue_width is not None and cost.per_step:
        issued = math.ceil(cost.per_step / profile.issue_width.value)
        bounds.append((issued, "the core's issue width"))
    multiplied = least_cycles(request.design.network, profile)
    if cost.counted != "cycles" and multiplied is not None:
        bounds.append((multiplied, "the peak of the multipliers"))
    if not bounds:
        return ""
    least, reason = max(bounds)
    return f"at least {least:,}, {reason}"


def _microcontroller_totals(request: Request, cost: Processor, profile: Microcontroller) -> Totals:
    interval = _cycles(cost, cost.per_step)
    after = _cycles(cost, cost.after_last_step)
    known = request.steps is not None and interval is not None and after is not None
    whole = (request.steps or 0) * (interval or 0) + (after or 0) if known else None
    slowest = max(cost.layers, key=lambda layer: layer.per_step or 0)
    bound = _lower_bound(request, cost, profile)
    return Totals(
        lanes=not_used("one core"),
        cycles_per_step=_at_least(
            _counted(cost.counted, "cycles", cost.per_step, bound), partial=cost.partial
        ),
        instructions_per_step=_at_least(
            _counted(cost.counted, "instructions", cost.per_step), partial=cost.partial
        ),
        step_latency_cycles=_counted(cost.counted, "cycles", cost.per_step, bound),
        cycles_after_last_step=_counted(cost.counted, "cycles", cost.after_last_step),
        cycles_per_sequence=if_known(whole),
        steps_per_sequence=if_known(request.steps),
        required_steps_per_second=required_rate(request),
        lowest_clock_mhz=lowest_clock(request, interval),
        macs_per_step=derived(cost.macs),
        macs_after_last_step=derived(sum(lay.macs for lay in cost.layers if lay.once)),
        utilisation=not_used("one core"),
        bound_by=if_known(f"{slowest.name}: {cost.counted}" if cost.counted else None),
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
        block_rams=not_used(),
        dsp_blocks=not_used(),
        luts=not_used(),
        flip_flops=not_used(),
        flash_bytes=derived(cost.flash_bytes),
        ram_bytes=derived(cost.ram_bytes),
    )


def _processor_layer(layer: LayerProcessor, counts: dict[str, int]) -> LayerReport:
    unused = not_used()
    return LayerReport(
        name=layer.name,
        runs="once a sequence" if layer.once else "every step",
        lanes=unused,
        cycles_per_step=_at_least(
            _counted(layer.counted, "cycles", layer.per_step), partial=layer.partial
        ),
        instructions_per_step=_at_least(
            _counted(layer.counted, "instructions", layer.per_step), partial=layer.partial
        ),
        cycles_basis="modelled" if layer.counted == "cycles" else "not known",
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
