"""The accelerator in a report, in any technology: totals, schedule, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rnnhw.accelerator import Accelerator, Basis, MemoryKind, Streamed, accelerator, saturation
from rnnhw.cost.figure import (
    Figure,
    derived,
    if_known,
    not_known,
    not_used,
    of_profile,
    status_from,
    total,
    whole_count,
)
from rnnhw.cost.figure_table import Totals, totals_of
from rnnhw.cost.lane_notes import lane_notes
from rnnhw.cost.layers import MemoryPlacer, memory_report
from rnnhw.cost.model import (
    SCHEMA_ID,
    Files,
    LayerReport,
    MemoryReport,
    Report,
    ScheduleReport,
    TargetReport,
)
from rnnhw.cost.nodes import node_reports
from rnnhw.cost.operating_point import Timing, lowest_clock, operating_points, required_rate
from rnnhw.cost.provenance import NO_WEIGHTS, settings_of, version
from rnnhw.cost.request import Request, bandwidth_at
from rnnhw.cost.signals import signal_reports
from rnnhw.cost.timeline import wavefront_spans
from rnnhw.errors import RnnhwError

__all__ = [
    "accelerator_report",
    "machine_at",
    "machine_totals",
    "modelled_notes",
    "shared_memories",
]


def machine_at(
    request: Request, lanes: int | Mapping[str, int], clock: Figure | None = None
) -> Accelerator:
    """The accelerator at a clock: cycles depend on it where weights are streamed."""
    clock = clock or (request.clocks[0] if request.clocks else None)
    bandwidth = bandwidth_at(request, clock)
    try:
        return accelerator(
            request.design.network,
            lanes,
            request.arrangement,
            bandwidth,
            options=request.options,
        )
    except RnnhwError as error:
        raise error.at(request.design.place) from None


def accelerator_report(
    request: Request,
    machine: Accelerator,
    lanes: int | Mapping[str, int],
    files: Files,
    target: TargetReport,
    totals: Totals,
    layers: tuple[LayerReport, ...],
    notes: Sequence[str],
    common: tuple[MemoryReport, ...],
) -> Report:
    """The report of an accelerator in any technology; whether it fits is not asked."""

    def timing_at(clock: Figure) -> Timing:
        at = machine
        if any(machine.streamed) and clock is not request.clocks[0]:
            at = machine_at(request, lanes, clock)
        sequence, between = _of_sequences(request, at)
        return Timing(
            derived(whole_count(at.step_interval)),
            derived(at.step_latency),
            sequence,
            between,
            at.sequences,
        )

    return Report(
        schema=SCHEMA_ID,
        rnnhw_version=version(),
        title=request.design.title,
        files=files,
        settings=settings_of(request.design),
        target=target,
        fits=None,
        over_capacity=(),
        totals=totals,
        operating_points=operating_points(request, timing_at),
        resources=(),
        layers=layers,
        signals=signal_reports(request.design.network),
        network=node_reports(request.design.network),
        timeline=wavefront_spans(machine, request.steps),
        schedule=_schedule(request, machine, common),
        notes=(
            *notes,
            *lane_notes(request, machine, lanes),
            *_shifter_notes(machine),
            *_schedule_notes(request, machine),
            NO_WEIGHTS,
        ),
    )


def machine_totals(request: Request, machine: Accelerator, layers: Sequence[LayerReport]) -> Totals:
    """The totals in any technology; no energy."""
    streamed = sum(
        _streamed_bits(machine, index) for index, mine in enumerate(machine.streamed) if mine
    )
    sequence, between = _of_sequences(request, machine)
    interval = derived(whole_count(machine.step_interval))
    return totals_of(
        lanes=derived(machine.lanes),
        cycles_per_step=interval,
        instructions_per_step=not_used("the accelerator has no instructions"),
        step_latency_cycles=derived(machine.step_latency),
        cycles_after_last_step=derived(machine.tail),
        cycles_per_sequence=sequence,
        steps_per_sequence=if_known(request.steps),
        required_steps_per_second=required_rate(request),
        lowest_clock_mhz=lowest_clock(request, interval),
        macs_per_step=derived(machine.macs),
        macs_after_last_step=derived(sum(lay.macs for lay in machine.layers if lay.once)),
        utilisation=if_known(machine.utilisation),
        bound_by=derived(machine.bound_by),
        first_result_latency_cycles=derived(machine.first_result_latency),
        cycles_between_sequences=between,
        streamed_bits_per_step=derived(streamed) if streamed else not_used("all on chip"),
        weight_bits=_stored(machine, MemoryKind.WEIGHTS),
        bias_bits=_stored(machine, MemoryKind.BIASES),
        table_bits=_stored(machine, MemoryKind.TABLES),
        state_bits=_stored(machine, MemoryKind.STATE),
        vector_bits=_stored(machine, MemoryKind.VECTORS),
        weight_memory_bits=_padded(machine, MemoryKind.WEIGHTS),
        bias_memory_bits=_padded(machine, MemoryKind.BIASES),
        table_memory_bits=_padded(machine, MemoryKind.TABLES),
        state_memory_bits=_padded(machine, MemoryKind.STATE),
        vector_memory_bits=_padded(machine, MemoryKind.VECTORS),
        block_rams=total(layer.block_rams for layer in layers),
        dsp_blocks=total(layer.dsp_blocks for layer in layers),
        luts=total((layer.luts for layer in layers), "a layer has no fit"),
        flip_flops=total((layer.flip_flops for layer in layers), "a layer has no fit"),
    )


def _of_sequences(request: Request, machine: Accelerator) -> tuple[Figure, Figure]:
    """The cycles of a sequence, and from the start of one to that of the next."""
    steps, note = request.steps, _over_time(machine)
    if steps is None:
        return not_known(note), not_known(note)
    between = whole_count(machine.sequence_interval(steps))
    return derived(machine.sequence_cycles(steps), note), derived(between, note)


def shared_memories(machine: Accelerator, placed: MemoryPlacer) -> tuple[MemoryReport, ...]:
    """The memories of a shared engine, in place of those of its layers."""
    memories = machine.engine.memories if machine.engine else ()
    return tuple(memory_report(memory, placed) for memory in memories)


def modelled_notes(machine: Accelerator) -> list[str]:
    """Notes for cycles that are not those of emitted Verilog."""
    notes = []
    assumed = [layer.name for layer in machine.layers if layer.computed is not None]
    if assumed:
        notes.append(
            f"cycles rest on what the design assumes of {', '.join(assumed)}, which is neither "
            "computed nor measured here; see the layer's assumptions"
        )
    modelled = [
        layer.name for layer in machine.layers if (layer.computed or layer).basis is Basis.MODELLED
    ]
    if modelled:
        notes.append(
            "modelled: the rules of the layers that are emitted as Verilog, for one with something "
            "that is not; see the layer's assumptions"
        )
    if (modelled or machine.obstacles) and len(modelled) < len(machine.layers):
        reasons = modelled + [where for where, _ in machine.obstacles]
        notes.append(
            "nothing of a network is emitted where a part is not: no layer is realised beside "
            + ", ".join(reasons)
        )
    if machine.obstacles:
        notes.append(f"cycles of whole sequences are {_over_time(machine)}")
    return notes


def _shifter_notes(machine: Accelerator) -> Iterator[str]:
    """The shifters of layers whose rows have power-of-two scales."""
    for layer in machine.layers:
        shifters = layer.mapping.shifters if layer.mapping is not None else {}
        listed = [
            f"{count} of {bits} bits by up to {most}"
            for (bits, most), count in sorted(shifters.items())
        ]
        if listed:
            yield f"{layer.name}: shifters of scaled rows: {', '.join(listed)}"


def _not_emitted(machine: Accelerator) -> tuple[str, ...]:
    """The operations over time that have no Verilog."""
    return tuple(f"{where}: {what} is not emitted" for where, what in machine.obstacles)


def _over_time(machine: Accelerator) -> str:
    """A note on the cycles of a whole sequence; empty where there is none."""
    return f"modelled: {'; '.join(_not_emitted(machine))}" if machine.obstacles else ""


def _schedule(
    request: Request, machine: Accelerator, common: tuple[MemoryReport, ...]
) -> ScheduleReport:
    rate = not_used("no weights are streamed")
    if any(machine.streamed) and request.streamer is not None:
        bandwidth = bandwidth_at(request, request.clocks[0])
        peak = of_profile(request.streamer.peak)
        assert bandwidth is not None
        rate = Figure(float(bandwidth.bits_per_cycle), status_from(peak), peak.note)
    return ScheduleReport(
        engines="per-layer" if machine.engine is None else "shared",
        interleaved_sequences=machine.sequences,
        external_memory=machine.external_memory or None,
        external_bits_per_cycle=rate,
        shared_memories=common,
        cycles_basis=machine.basis.value,
        assumptions=_not_emitted(machine),
    )


def _schedule_notes(request: Request, machine: Accelerator) -> Iterator[str]:
    """Notes on every difference from the plain wavefront."""

    def named(chosen: Sequence[bool]) -> str:
        return ", ".join(
            layer.name for layer, mine in zip(machine.layers, chosen, strict=True) if mine
        )

    if machine.engine is not None:
        yield (
            f"one engine for all layers, {machine.engine.lanes} lanes: a step is the sum of their "
            "cycles"
        )
    if any(machine.overlapped):
        yield f"the next step's inputs overlap the drain: {named(machine.overlapped)}"
    if machine.sequences > 1:
        most = max(saturation(machine.layers[k]) for k in machine.timed)
        yield (
            f"{machine.sequences} independent sequences take turns; steps a second are those of "
            f"all together, and from {most} sequences on there are no more"
        )
    for steps in sorted({count for count in machine.steps if count > 1}):
        yield f"{steps} steps in one pass: {named([count == steps for count in machine.steps])}"
    if any(machine.streamed):
        mhz = request.clocks[0].value
        yield (
            f"weights from {machine.external_memory}, at its peak bandwidth, which nothing "
            f"exceeds: {named(machine.streamed)}; cycles a step are those at {mhz:g} MHz"
        )


def _streamed_bits(machine: Accelerator, index: int) -> int:
    """Bits of weights that a layer's step brings, rounded up where several share them."""
    bits = machine.paces[index]
    assert isinstance(bits, Streamed)
    return -(-bits.bits // bits.block)


def _stored(machine: Accelerator, kind: MemoryKind) -> Figure:
    return derived(sum(m.stored_bits for _, m in machine.memories if m.kind is kind))


def _padded(machine: Accelerator, kind: MemoryKind) -> Figure:
    return derived(sum(m.padded_bits for _, m in machine.memories if m.kind is kind))
