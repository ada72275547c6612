"""Throughput, storage and energy of a design on a target. No kernel runs, no weights are read.

    clock and cycles:  steps/s = clock / cycles a step;  slack = 1 - required / reached time
    utilisation:       useful MACs / (lanes x cycles)

The cycles come from :mod:`rnnhw.machine` on an FPGA or ASIC and from the profile's measured figures
(:mod:`rnnhw.processor`) on a microcontroller; energy (:mod:`rnnhw.energy`) is of ASIC nodes alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

from rnnhw.arrangement import Arrangement
from rnnhw.chooser import choose
from rnnhw.costreport import (
    SCHEMA_ID,
    EnergyReport,
    ExternalMemoryReport,
    Figure,
    File,
    Files,
    LayerReport,
    MemoryReport,
    OperatingPoint,
    PhaseReport,
    PlanReport,
    Report,
    Resource,
    ScheduleReport,
    Status,
    TargetReport,
    Totals,
    derived,
    not_known,
    not_used,
    revised,
)
from rnnhw.counts import TIME_COUNTS
from rnnhw.design import Design
from rnnhw.energy import EnergyPart, LayerEnergy, energy
from rnnhw.errors import RnnhwError, UsageError
from rnnhw.machine import (
    Accelerator,
    Bandwidth,
    Memory,
    MemoryKind,
    Sequential,
    Streamed,
    accelerator,
    first_result_cycles,
    lane_cycles,
    saturation,
)
from rnnhw.network import Network
from rnnhw.placement import (
    dsp_blocks,
    logic,
    multiplier_blocks,
    place,
)
from rnnhw.processor import LayerProcessor, Processor, least_cycles, processor
from rnnhw.profiles import (
    Asic,
    ExternalMemory,
    Fpga,
    Microcontroller,
    Profile,
    load_profile,
    profile_names,
    profile_sha256,
)
from rnnhw.profiles import Figure as ProfileFigure
from rnnhw.timeline import processor_spans, wavefront_spans
from rnnhw.wordlengths import signal_reports

__all__ = ["estimate"]

Cycles: TypeAlias = int | Fraction

_NO_WEIGHTS = "no weights file is needed: every figure follows from the design and the profile"


@dataclass(frozen=True)
class _Request:
    """What every part of the estimate needs to know."""

    design: Design
    steps: int | None
    clocks: tuple[Figure, ...]
    notes: tuple[str, ...]
    required: float | None
    """The deadline: steps a second."""
    arrangement: Arrangement
    streamer: ExternalMemory | None = None
    """The external memory with the highest known peak."""


def estimate(
    design: Design,
    profile: Profile | str | None = None,
    *,
    clock_mhz: float | None = None,
    lanes: int | Mapping[str, int] | Literal["auto"] | None = None,
    steps: int | None = None,
    steps_per_second: float | None = None,
    arrangement: Arrangement | None = None,
) -> Report:
    """The cost of ``design`` on ``profile``.

    Args:
        profile: a profile, its name or the path of its file; by default the design's target.
        clock_mhz: one clock; by default both ends of the profile's range, and the design's own
            clock where the profile is the design's target.
        lanes: for every layer, or by layer name, or "auto" to have them chosen
            (:mod:`rnnhw.planner`); by default the target's, else 1.
        steps: steps of a sequence; by default the longest that the design allows.
        steps_per_second: a deadline beside the design's own; the higher one counts. Of
            interleaved sequences it is that of all together.
        arrangement: how layers share lanes, time and memory; by default the target's.

    Raises:
        UsageError: nothing names a profile, the clock, the number of steps or the deadline is no
            such, or there is nothing to choose lanes by.
        DesignError: the design is wrong, or a layer cannot have its lanes.
    """
    target = design.target
    chosen = profile if profile is not None else target.profile if target else None
    if chosen is None:
        raise UsageError(
            f"{design.place}: no profile to report on",
            "name one with --profile, or give Design(target=Target('ice40up5k', lanes=4))",
        )
    loaded = load_profile(chosen) if isinstance(chosen, str) else chosen
    own = target is not None and loaded.name == target.profile
    # What a design says for another device is nothing to a microcontroller.
    unused = lanes is None and not own and isinstance(loaded, Microcontroller)
    if lanes is None:
        lanes = target.lanes if target else 1
    if isinstance(lanes, str) and lanes != "auto":
        raise UsageError(f"lanes={lanes!r}", "give a number, 'auto' or a number for each layer")
    if lanes == "auto" and not isinstance(loaded, Fpga) and not unused:
        raise UsageError(
            f"{design.place}: lanes auto: {loaded.name} is no FPGA, and lanes are chosen by what "
            "fits one",
            "give --lanes a number, or name an FPGA with --profile, such as ecp5-25",
        )
    target_mhz = target.clock_mhz if own and target is not None else None
    clocks, notes = _clocks(loaded, clock_mhz, target_mhz)
    required = _deadline(design, steps_per_second)
    if arrangement is None:
        arrangement = target.arrangement if target else Arrangement()
    request = _Request(
        design,
        _steps(design, steps),
        clocks,
        tuple(notes),
        required,
        arrangement,
        _streamer(loaded),
    )
    files = _files(design, chosen if isinstance(chosen, str) else loaded.name, chosen)
    if isinstance(loaded, Microcontroller):
        return _microcontroller_report(request, loaded, files)
    if arrangement.streams:
        _can_stream(request, loaded)
    plan = None
    if isinstance(lanes, str):
        assert isinstance(loaded, Fpga)
        plan, chosen_arrangement = _planned(request, loaded)
        request = replace(request, arrangement=chosen_arrangement)
        lanes = plan.lanes
    if isinstance(loaded, Asic):
        return _asic_report(request, loaded, files, lanes)
    return _fpga_report(request, loaded, files, lanes, plan)


# --- inputs ------------------------------------------------------------------------------------
def _clocks(
    profile: Profile, clock_mhz: float | None, target_mhz: float | None
) -> tuple[tuple[Figure, ...], list[str]]:
    """The clocks to report at, ascending, and what must be said of them."""
    known = profile.clock_mhz
    notes = []
    for chosen in (clock_mhz, target_mhz):
        if chosen is not None and (not math.isfinite(chosen) or chosen <= 0):
            raise UsageError(f"a clock of {chosen} MHz", "give a positive number of MHz")
        if chosen is not None and known is not None and chosen > known.high.value:
            notes.append(
                f"{chosen:g} MHz is above the profile's {known.high.value:g} MHz ({known.of})"
            )
    if clock_mhz is not None:
        return (derived(clock_mhz, "as given"),), notes
    clocks = [] if target_mhz is None else [derived(target_mhz, "the clock of the design's target")]
    if known is not None:
        clocks += [_of_profile(known.low), _of_profile(known.high)]
        notes.append(f"clocks: {known.of}")
    elif isinstance(profile, Microcontroller):
        clocks.append(_of_profile(profile.clock_max_mhz))
    if not clocks:
        return (), ["the profile knows no clock: give --clock-mhz"]
    by_value = {float(clock.value or 0): clock for clock in clocks}
    return tuple(by_value[value] for value in sorted(by_value)), notes


def _of_profile(figure: ProfileFigure | None) -> Figure:
    if figure is None:
        return not_known("the profile has no figure")
    return Figure(figure.value, figure.status, figure.source)


def _steps(design: Design, steps: int | None) -> int | None:
    if steps is None:
        return design.max_steps or (design.task.max_steps if design.task else None)
    if steps < 1:
        raise UsageError(f"a sequence of {steps} steps", "give at least 1")
    return steps


def _deadline(design: Design, steps_per_second: float | None) -> float | None:
    """The higher of the design's deadline and a given one."""
    if steps_per_second is None:
        return design.steps_per_second
    if not math.isfinite(steps_per_second) or steps_per_second <= 0:
        raise UsageError(
            f"a deadline of {steps_per_second:g} steps a second", "give a positive number"
        )
    return max(steps_per_second, design.steps_per_second or 0)


def _streamer(profile: Profile) -> ExternalMemory | None:
    """The memory that weights would be streamed from."""
    if not isinstance(profile, Fpga):
        return None
    known = [memory for memory in profile.external_memories if memory.peak is not None]
    return max(known, key=lambda memory: memory.peak.value if memory.peak else 0, default=None)


def _can_stream(request: _Request, profile: Profile) -> None:
    """Refuse to stream weights from nowhere, or at a rate that is not known."""
    if request.streamer is None:
        able = [name for name in profile_names() if _streamer(load_profile(name)) is not None]
        raise UsageError(
            f"{request.design.place}: weights are streamed, but {profile.name} has no external "
            "memory of known bandwidth",
            f"use weights='on-chip', or a profile that has one: {', '.join(able)}",
        )
    if not request.clocks:
        raise UsageError(
            f"{request.design.place}: weights are streamed, and how many bits come in a cycle "
            "depends on a clock that is not known",
            "give --clock-mhz",
        )


def _bandwidth(request: _Request, clock: Figure | None) -> Bandwidth | None:
    """What the external memory brings in a cycle of ``clock``."""
    memory = request.streamer
    if memory is None or memory.peak is None or clock is None:
        return None
    assert isinstance(clock.value, int | float)
    bits = Fraction(memory.peak.value) * 8 / Fraction(clock.value)
    return Bandwidth(memory.name, bits)


def _file(path: Path) -> File | None:
    try:
        return File(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    except OSError:
        return None


def _files(design: Design, profile: str, given: Profile | str) -> Files:
    folder = design.path.parent if design.path else Path()
    weights, data = design.weights, getattr(design.task, "data", None)
    named = isinstance(given, str)
    profile_file = Path(profile).name.removesuffix(".toml") + ".toml"
    return Files(
        design=_file(design.path) if design.path else None,
        weights=_file(folder / weights) if isinstance(weights, str | Path) else None,
        data=_file(Path(data)) if isinstance(data, str | Path) else None,
        profile=File(name=profile_file, sha256=profile_sha256(profile)) if named else None,
    )


def _settings(design: Design) -> dict[str, bool | int | float | str | None]:
    return {
        name: value if value is None or isinstance(value, bool | int | float | str) else repr(value)
        for name, value in design.settings.items()
    }


def _version() -> str:
    import rnnhw

    return rnnhw.__version__


# --- figures -----------------------------------------------------------------------------------
def _known(value: float | str | None, note: str = "") -> Figure:
    return not_known(note) if value is None else derived(value, note)


def _computed(value: float, *inputs: Figure) -> Figure:
    """A figure that is as certain as what it is computed from."""
    second_hand = any(figure.status == "second-hand" for figure in inputs)
    status: Status = "second-hand" if second_hand else "derived"
    return Figure(value, status)


@dataclass(frozen=True)
class _Pace:
    """Cycles at one clock; None where they are not known. ``sequences`` are interleaved."""

    interval: Cycles | None
    latency: int | None
    sequence: int | None
    between: Cycles | None
    sequences: int = 1


def _operating_points(
    request: _Request, pace_at: Callable[[Figure], _Pace]
) -> tuple[OperatingPoint, ...]:
    points = []
    for clock in request.clocks:
        assert isinstance(clock.value, int | float)
        mhz, pace = clock.value, pace_at(clock)
        unused = not_used("the design names no deadline")
        slack = duty = not_known() if request.required else unused
        if request.required and pace.interval is not None:
            share = float(pace.interval) * request.required / (mhz * 1e6)
            slack = _computed(100 * (1 - share), clock)
            late = not_used("the clock is too low for the deadline")
            duty = _computed(100 * share, clock) if share <= 1 else late

        def microseconds(cycles: int | None, clock: Figure, mhz: float) -> Figure:
            return not_known() if cycles is None else _computed(cycles / mhz, clock)

        def rate(cycles: Cycles | None, clock: Figure, mhz: float, shared_by: int = 1) -> Figure:
            if cycles is None:
                return not_known()
            return _computed(mhz * 1e6 / (float(cycles) * shared_by), clock)

        alone = not_used("one sequence at a time")
        if pace.sequences > 1:
            alone = rate(pace.interval, clock, mhz, pace.sequences)
        points.append(
            OperatingPoint(
                clock_mhz=clock,
                steps_per_second=rate(pace.interval, clock, mhz),
                step_latency_us=microseconds(pace.latency, clock, mhz),
                sequence_time_us=microseconds(pace.sequence, clock, mhz),
                deadline_slack_percent=slack,
                steps_per_second_of_one_sequence=alone,
                sequences_per_second=rate(pace.between, clock, mhz),
                duty_cycle_percent=duty,
            )
        )
    return tuple(points)


def _count(cycles: Cycles) -> int | float:
    """Cycles as reports have them: whole where they are."""
    return cycles if isinstance(cycles, int) else float(cycles)


def _lowest_clock(request: _Request, interval: Cycles | None) -> Figure:
    if not request.required:
        return not_used("the design names no deadline")
    return _known(None if interval is None else float(interval) * request.required / 1e6)


def _required(request: _Request) -> Figure:
    if not request.required:
        return not_used("the design names no deadline")
    return derived(request.required)


def _resource(name: str, unit: str, used: Figure, capacity: Figure) -> Resource:
    amount, limit = used.value, capacity.value
    percent = fits = None
    if isinstance(amount, int | float) and isinstance(limit, int | float):
        fits = amount <= limit
        percent = 100 * amount / limit if limit else (0.0 if fits else None)
    return Resource(name=name, unit=unit, used=used, capacity=capacity, percent=percent, fits=fits)


def _verdict(
    resources: Sequence[Resource], needed: set[str]
) -> tuple[bool | None, tuple[str, ...]]:
    """Whether everything fits; unknown where a resource that must be known is not."""
    over = tuple(
        f"{resource.name}: {resource.used.value} of {resource.capacity.value} {resource.unit}"
        for resource in resources
        if resource.fits is False
    )
    if over:
        return False, over
    unknown = any(r.fits is None for r in resources if r.name in needed)
    return (None if unknown else True), ()


def _counts(network: Network) -> dict[str, dict[str, int]]:
    """The algorithmic counts of one step of every layer."""
    return {node.name: dict(TIME_COUNTS[type(node)](node).flat()) for node in network.nodes}


# --- the accelerator -----------------------------------------------------------------------------
def _machine(
    request: _Request, lanes: int | Mapping[str, int], clock: Figure | None = None
) -> Accelerator:
    """The accelerator at a clock: cycles depend on it where weights are streamed."""
    clock = clock or (request.clocks[0] if request.clocks else None)
    bandwidth = _bandwidth(request, clock)
    try:
        return accelerator(request.design.network, lanes, request.arrangement, bandwidth)
    except RnnhwError as error:
        raise error.at(request.design.place) from None


def _modelled(layers: Iterable[LayerReport]) -> list[str]:
    if all(layer.cycles_basis != "modelled" for layer in layers):
        return []
    return [
        "modelled: the rules of the layers that are emitted as Verilog, for one with something "
        "that is not; see the layer's assumptions"
    ]


# --- FPGA --------------------------------------------------------------------------------------
def _planned(request: _Request, profile: Fpga) -> tuple[PlanReport, Arrangement]:
    """The plan at the lowest clock, which is what --min judges."""
    try:
        clock = request.clocks[0] if request.clocks else None
        found = choose(
            request.design.network,
            profile,
            request.arrangement,
            clock=clock,
            steps_per_second=request.required,
            bandwidth=_bandwidth(request, clock),
        )
        return found.plan, found.arrangement
    except RnnhwError as error:
        raise error.at(request.design.place) from None


def _fpga_report(
    request: _Request,
    profile: Fpga,
    files: Files,
    lanes: int | Mapping[str, int],
    plan: PlanReport | None = None,
) -> Report:
    machine = _machine(request, lanes)
    counts = _counts(request.design.network)
    layers = tuple(
        _fpga_layer(machine, index, profile, counts[layer.name])
        for index, layer in enumerate(machine.layers)
    )
    common = _shared_memories(machine, _placed_in(profile))
    totals = _machine_totals(request, machine, layers)
    if machine.engine is not None:
        dsp = multiplier_blocks(machine.engine.multipliers, profile)
        totals = revised(
            totals,
            block_rams=_sum((totals.block_rams, *(derived(m.block_rams) for m in common))),
            dsp_blocks=not_used("none on the device") if dsp is None else derived(dsp),
        )
    resources = _fpga_resources(profile, totals)
    if request.streamer is not None and any(machine.streamed):
        resources += (_outside(request.streamer, machine),)
    needed = {"block_ram"} | ({"dsp"} if profile.dsp else {"lut"})
    fits, over = _verdict(resources, needed)
    notes = [*request.notes]
    if plan is not None:
        notes += [f"lanes auto: {reason}" for reason in (*plan.reasons, *plan.missing)]
    if profile.dsp is None:
        notes.append("the device has no DSP blocks: products take LUTs, which are not estimated")
    notes += _modelled(layers)
    target = TargetReport(profile=profile.name, title=profile.title, kind="fpga")
    return revised(
        _accelerator_report(request, machine, lanes, files, target, totals, layers, notes, common),
        fits=fits,
        over_capacity=over,
        resources=resources,
        external_memories=tuple(
            ExternalMemoryReport(name=memory.name, peak_mb_per_second=_of_profile(memory.peak))
            for memory in profile.external_memories
        ),
        plan=plan,
    )


def _accelerator_report(
    request: _Request,
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

    def pace_at(clock: Figure) -> _Pace:
        at = machine
        if any(machine.streamed) and clock is not request.clocks[0]:
            at = _machine(request, lanes, clock)
        steps = request.steps
        return _Pace(
            at.step_interval,
            at.step_latency,
            None if steps is None else at.sequence_cycles(steps),
            None if steps is None else at.sequence_interval(steps),
            at.sequences,
        )

    return Report(
        schema=SCHEMA_ID,
        rnnhw_version=_version(),
        title=request.design.title,
        files=files,
        settings=_settings(request.design),
        target=target,
        fits=None,
        over_capacity=(),
        totals=totals,
        operating_points=_operating_points(request, pace_at),
        resources=(),
        layers=layers,
        signals=signal_reports(request.design.network),
        timeline=wavefront_spans(machine, request.steps),
        schedule=_schedule(request, machine, common),
        notes=(*notes, *_schedule_notes(request, machine), _NO_WEIGHTS),
    )


def _schedule(
    request: _Request, machine: Accelerator, common: tuple[MemoryReport, ...]
) -> ScheduleReport:
    rate = not_used("no weights are streamed")
    if any(machine.streamed) and request.streamer is not None:
        bandwidth = _bandwidth(request, request.clocks[0])
        peak = _of_profile(request.streamer.peak)
        assert bandwidth is not None
        rate = Figure(float(bandwidth.bits_per_cycle), _computed(0, peak).status, peak.note)
    return ScheduleReport(
        engines="per-layer" if machine.engine is None else "shared",
        interleaved_sequences=machine.sequences,
        external_memory=machine.external_memory or None,
        external_bits_per_cycle=rate,
        shared_memories=common,
    )


def _schedule_notes(request: _Request, machine: Accelerator) -> Iterator[str]:
    """What is not the plain wavefront."""

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


def _shared_memories(
    machine: Accelerator, placed: Callable[[Memory], tuple[str, int]]
) -> tuple[MemoryReport, ...]:
    memories = machine.engine.memories if machine.engine else ()
    return tuple(_memory(memory, placed) for memory in memories)


def _memory(memory: Memory, placed: Callable[[Memory], tuple[str, int]]) -> MemoryReport:
    where, blocks = placed(memory)
    return MemoryReport(
        name=memory.name,
        holds=memory.kind.value,
        depth_words=memory.depth,
        width_bits=memory.width,
        stored_bits=memory.stored_bits,
        padded_bits=memory.padded_bits,
        placement=where,
        block_rams=blocks,
        copies=memory.copies,
    )


def _placed_in(profile: Fpga) -> Callable[[Memory], tuple[str, int]]:
    def placed(memory: Memory) -> tuple[str, int]:
        found = place(memory, profile)
        return found.where, found.blocks

    return placed


def _fpga_resources(profile: Fpga, totals: Totals) -> tuple[Resource, ...]:
    ram, dsp = profile.block_ram, profile.dsp
    dsp_name = dsp.name if dsp else "DSP block"
    dsp_count = _of_profile(dsp.count) if dsp else not_used("none on the device")
    return (
        _resource("block_ram", ram.name, totals.block_rams, _of_profile(ram.count)),
        _resource("dsp", dsp_name, totals.dsp_blocks, dsp_count),
        _resource("lut", profile.lut.unit, totals.luts, _of_profile(profile.lut)),
        _resource("ff", profile.ff.unit, totals.flip_flops, _of_profile(profile.ff)),
    )


def _outside(memory: ExternalMemory, machine: Accelerator) -> Resource:
    """The words of weights in external memory."""
    bits = sum(pace.bits for pace in machine.paces if isinstance(pace, Streamed))
    return _resource(
        "external_memory", "bytes", derived(-(-bits // 8)), _of_profile(memory.capacity)
    )


def _stored(machine: Accelerator, kind: MemoryKind) -> Figure:
    return derived(sum(m.stored_bits for _, m in machine.memories if m.kind is kind))


def _padded(machine: Accelerator, kind: MemoryKind) -> Figure:
    return derived(sum(m.padded_bits for _, m in machine.memories if m.kind is kind))


def _sum(figures: Iterable[Figure], note: str = "") -> Figure:
    """The sum, not known where a part of it is not."""
    total = 0
    for figure in figures:
        if figure.status == "not used":
            return figure
        if not isinstance(figure.value, int):
            return not_known(note or figure.note)
        total += figure.value
    return derived(total)


def _machine_totals(
    request: _Request, machine: Accelerator, layers: Sequence[LayerReport]
) -> Totals:
    steps = request.steps
    streamed = sum(
        _streamed_bits(machine, index) for index, mine in enumerate(machine.streamed) if mine
    )
    between = None if steps is None else _count(machine.sequence_interval(steps))
    return Totals(
        lanes=derived(machine.lanes),
        cycles_per_step=derived(_count(machine.step_interval)),
        instructions_per_step=not_used("the accelerator has no instructions"),
        step_latency_cycles=derived(machine.step_latency),
        cycles_after_last_step=derived(machine.tail),
        cycles_per_sequence=_known(None if steps is None else machine.sequence_cycles(steps)),
        steps_per_sequence=_known(steps),
        required_steps_per_second=_required(request),
        lowest_clock_mhz=_lowest_clock(request, machine.step_interval),
        macs_per_step=derived(machine.macs),
        macs_after_last_step=derived(sum(lay.macs for lay in machine.layers if lay.once)),
        utilisation=_known(machine.utilisation),
        bound_by=derived(machine.bound_by),
        first_result_latency_cycles=derived(machine.first_result_latency),
        cycles_between_sequences=_known(between),
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
        block_rams=_sum(layer.block_rams for layer in layers),
        dsp_blocks=_sum(layer.dsp_blocks for layer in layers),
        luts=_sum((layer.luts for layer in layers), "a layer has no fit"),
        flip_flops=_sum((layer.flip_flops for layer in layers), "a layer has no fit"),
        flash_bytes=not_used(),
        ram_bytes=not_used(),
    )


def _fpga_layer(
    machine: Accelerator, index: int, profile: Fpga, counts: dict[str, int]
) -> LayerReport:
    layer = machine.layers[index]
    report = _machine_layer(machine, index, counts, _placed_in(profile))
    luts, flip_flops = _logic(machine, index, profile)
    dsp = dsp_blocks(layer, profile)
    blocks = not_used("none on the device") if dsp is None else derived(dsp)
    if machine.engine is not None:
        blocks = not_used("shared by all layers")
    return revised(
        report,
        dsp_blocks=blocks,
        block_rams=derived(sum(memory.block_rams for memory in report.memories)),
        luts=luts,
        flip_flops=flip_flops,
    )


def _streamed_bits(machine: Accelerator, index: int) -> int:
    """Bits of weights that a layer's step brings, rounded up where several share them."""
    bits = machine.paces[index]
    assert isinstance(bits, Streamed)
    return -(-bits.bits // bits.block)


def _machine_layer(
    machine: Accelerator,
    index: int,
    counts: dict[str, int],
    placed: Callable[[Memory], tuple[str, int]],
) -> LayerReport:
    """One layer of the accelerator in any technology; ``placed`` gives a memory's place and block
    RAMs."""
    layer, pace = machine.layers[index], machine.paces[index]
    interval: Cycles = layer.cycles
    if not layer.once and machine.engine is None:
        interval = machine.interval_of(index)
    utilisation = machine.layer_utilisation(index)
    return LayerReport(
        name=layer.name,
        runs="once a sequence" if layer.once else "every step",
        lanes=derived(layer.lanes) if layer.lanes else not_used("no products"),
        cycles_per_step=derived(_count(interval)),
        instructions_per_step=not_used(),
        cycles_basis=layer.basis.value,
        recurrent=machine.recurrent[index],
        overlapped=machine.overlapped[index],
        steps_in_parallel=machine.steps[index],
        weights="streamed" if machine.streamed[index] else "on-chip",
        step_latency_cycles=derived(layer.cycles),
        first_result_cycles=derived(first_result_cycles(layer)),
        saturating_sequences=not_used("once a sequence")
        if layer.once
        else derived(saturation(layer)),
        round_steps=1 if layer.once else pace.steps,
        lane_cycles={name: _count(n) for name, n in lane_cycles(machine, index).items()},
        macs_per_step=layer.macs,
        utilisation=_known(utilisation) if layer.lanes else not_used("no products"),
        bound_by=derived(machine.layer_bound(index)),
        dsp_blocks=not_used(),
        block_rams=not_used(),
        luts=not_used(),
        flip_flops=not_used(),
        assumptions=layer.assumptions,
        phases=tuple(
            PhaseReport(
                rows=phase.rows,
                lanes=phase.lanes,
                groups=phase.groups,
                columns=phase.columns,
                group_interval_cycles=phase.group_interval,
                transform_cycles=phase.transform_cycles,
                post_processor_depth_cycles=phase.depth,
                cycles=phase.cycles,
            )
            for phase in layer.phases
        ),
        memories=tuple(_memory(memory, placed) for memory in layer.memories),
        traffic={entry.name: getattr(layer.traffic, entry.name) for entry in fields(layer.traffic)},
        counts=counts,
    )


def _logic(machine: Accelerator, index: int, profile: Fpga) -> tuple[Figure, Figure]:
    """LUTs and flip-flops of a layer."""
    if machine.engine is not None or not isinstance(machine.paces[index], Sequential):
        unknown = not_known("no fit was made with this schedule")
        return unknown, unknown
    lut, ff = (
        not_known("the profile has no fit for this kind of layer")
        if found is None
        else derived(found.count, found.note)
        for found in logic(machine.layers[index], profile)
    )
    return lut, ff


# --- ASIC --------------------------------------------------------------------------------------
_ALONE = "without wires, control, clock tree, registers and leakage"


def _asic_report(
    request: _Request, profile: Asic, files: Files, lanes: int | Mapping[str, int]
) -> Report:
    network, machine = request.design.network, _machine(request, lanes)
    counts = _counts(network)
    spent = energy(network, machine, profile)
    layers = tuple(
        revised(
            _machine_layer(machine, index, counts[layer.name], _in_sram),
            assumptions=(*layer.assumptions, *each.notes),
            energy=tuple(_energy_part(part) for part in (*each.operations, *each.accesses)),
        )
        for index, (layer, each) in enumerate(zip(machine.layers, spent, strict=True))
    )
    totals = revised(_machine_totals(request, machine, layers), **_energy_totals(profile, spent))
    notes = [*request.notes, *_modelled(layers)]
    notes.append(f"energy is that of operations and memory accesses, {_ALONE}")
    notes.append("energies at other widths and capacities than the cited are interpolated")
    notes.append("weights, biases and tables are kept in SRAM, each kind of a layer in one")
    sources = dict.fromkeys(each.source for each in (*profile.operations, *profile.accesses))
    notes += [f"energies from: {source}" for source in sources]
    target = TargetReport(profile=profile.name, title=profile.title, kind="asic")
    common = _shared_memories(machine, _in_sram)
    return _accelerator_report(
        request, machine, lanes, files, target, totals, layers, notes, common
    )


def _in_sram(memory: Memory) -> tuple[str, int]:
    return "SRAM", 0


def _energy_part(part: EnergyPart) -> EnergyReport:
    return EnergyReport(
        what=part.name,
        unit="operations" if part.unit == "operations" else "bits",
        amount=part.amount,
        each_pj=part.each,
        energy_pj=part.pj,
        note=part.note,
    )


def _energy_totals(profile: Asic, layers: Sequence[LayerEnergy]) -> dict[str, Figure]:
    cited = (*profile.operations, *profile.accesses)
    status: Status = "second-hand" if any(c.status == "second-hand" for c in cited) else "derived"

    def total(parts: Iterable[EnergyPart], *, bounded: bool) -> Figure:
        found = [part.pj for part in parts]
        if any(pj is None for pj in found):
            return not_known("the node has no figure for a part of it")
        bound = "a lower bound: " if bounded else "small memories at a larger one's figure, "
        return Figure(sum(pj for pj in found if pj is not None), status, bound + _ALONE)

    def summed(once: bool, *, operations: bool, accesses: bool) -> Figure:
        chosen = [layer for layer in layers if layer.once is once]
        parts = [part for layer in chosen for part in layer.operations if operations]
        parts += [part for layer in chosen for part in layer.accesses if accesses]
        bounded = not accesses or all(layer.bounded for layer in chosen)
        return total(parts, bounded=bounded)

    after = any(layer.once for layer in layers)
    return {
        "operation_energy_per_step_pj": summed(False, operations=True, accesses=False),
        "access_energy_per_step_pj": summed(False, operations=False, accesses=True),
        "energy_per_step_pj": summed(False, operations=True, accesses=True),
        "energy_after_last_step_pj": summed(True, operations=True, accesses=True)
        if after
        else not_used("no layer runs once a sequence"),
    }


# --- microcontroller -----------------------------------------------------------------------------
def _microcontroller_report(request: _Request, profile: Microcontroller, files: Files) -> Report:
    network = request.design.network
    cost = processor(network, profile)
    counts = _counts(network)
    totals = _microcontroller_totals(request, cost, profile)
    interval = _cycles(cost, cost.per_step)
    resources = (
        _resource("flash", "bytes", totals.flash_bytes, _of_profile(profile.flash)),
        _resource("ram", "bytes", totals.ram_bytes, _of_profile(profile.ram)),
    )
    fits, over = _verdict(resources, {"flash", "ram"})
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
        rnnhw_version=_version(),
        title=request.design.title,
        files=files,
        settings=_settings(request.design),
        target=TargetReport(profile=profile.name, title=profile.title, kind="microcontroller"),
        fits=fits,
        over_capacity=over,
        totals=totals,
        operating_points=_operating_points(
            request, lambda clock: _Pace(interval, interval, sequence, sequence)
        ),
        resources=resources,
        layers=tuple(_processor_layer(layer, counts[layer.name]) for layer in cost.layers),
        signals=signal_reports(network),
        timeline=processor_spans(cost, request.steps),
        notes=(*notes, _NO_WEIGHTS),
    )


def _cycles(cost: Processor, count: int | None) -> int | None:
    return count if cost.counted == "cycles" else None


def _counted(counted: str | None, wanted: str, count: int | None, bound: str = "") -> Figure:
    return _known(count if counted == wanted else None, bound if counted != wanted else "")


def _at_least(count: Figure, *, partial: bool) -> Figure:
    """``count``, marked as a lower bound where operations without a figure are left out."""
    if not partial or count.value is None:
        return count
    if count.value == 0:
        return not_known("no operation has a figure")
    return derived(count.value, "a lower bound: some operations have no figure")


def _lower_bound(request: _Request, cost: Processor, profile: Microcontroller) -> str:
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


def _microcontroller_totals(request: _Request, cost: Processor, profile: Microcontroller) -> Totals:
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
        cycles_per_sequence=_known(whole),
        steps_per_sequence=_known(request.steps),
        required_steps_per_second=_required(request),
        lowest_clock_mhz=_lowest_clock(request, interval),
        macs_per_step=derived(cost.macs),
        macs_after_last_step=derived(sum(lay.macs for lay in cost.layers if lay.once)),
        utilisation=not_used("one core"),
        bound_by=_known(f"{slowest.name}: {cost.counted}" if cost.counted else None),
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
        bound_by=_known(layer.counted),
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
