"""The report of a design on an FPGA: block RAMs, DSP blocks, LUTs and flip-flops."""

from __future__ import annotations

from collections.abc import Mapping

from rnnhw.accelerator import Accelerator, LayerMachine, Memory, Sequential, Streamed
from rnnhw.cost.accelerator import (
    accelerator_report,
    machine_at,
    machine_totals,
    modelled_notes,
    shared_memories,
)
from rnnhw.cost.capacity import fitting, resource_of
from rnnhw.cost.figure import Figure, derived, not_known, not_used, of_profile, total
from rnnhw.cost.figure_table import Totals
from rnnhw.cost.fpga.logic import has_constant_bits
from rnnhw.cost.fpga.placement import dsp_blocks, logic, multiplier_blocks, place
from rnnhw.cost.layers import MemoryPlacer, algorithmic_counts, machine_layer
from rnnhw.cost.model import (
    ExternalMemoryReport,
    Files,
    LayerReport,
    PlanReport,
    Report,
    Resource,
    TargetReport,
    open_resources,
    revised,
)
from rnnhw.cost.request import Request
from rnnhw.profiles import ExternalMemory, Fpga
from rnnhw.profiles.device_families import family_of

__all__ = ["fpga_report"]


def fpga_report(
    request: Request,
    profile: Fpga,
    files: Files,
    lanes: int | Mapping[str, int],
    plan: PlanReport | None = None,
) -> Report:
    """The report of a design on an FPGA, with the plan of its lanes where they were chosen.

    Raises:
        DesignError: a layer cannot have its lanes, or a schedule is not possible.
    """
    machine = machine_at(request, lanes)
    counts = algorithmic_counts(request.design.network)
    layers = tuple(
        _fpga_layer(machine, index, profile, counts[layer.name])
        for index, layer in enumerate(machine.layers)
    )
    common = shared_memories(machine, _placed_in(profile))
    totals = machine_totals(request, machine, layers)
    if machine.engine is not None:
        dsp = multiplier_blocks(machine.engine.multipliers, profile)
        totals = revised(
            totals,
            block_rams=total((totals.block_rams, *(derived(m.block_rams) for m in common))),
            dsp_blocks=not_used("none on the device") if dsp is None else derived(dsp),
        )
    resources = _fpga_resources(profile, totals)
    if request.streamer is not None and any(machine.streamed):
        resources += (_outside(request.streamer, machine),)
    fits, over = fitting(resources)
    notes = [*request.notes]
    if plan is not None:
        notes += [f"lanes auto: {reason}" for reason in (*plan.reasons, *plan.missing)]
        unasked = open_resources(resources)
        if unasked:
            notes.append(f"lanes auto: {', '.join(unasked)} not known, so no limit of the choice")
    if profile.dsp is None:
        notes.append("the device has no DSP blocks: products take LUTs, which are not estimated")
    if family_of(profile.family) is None:
        notes.append(
            f"the family {profile.family} is not known: it is taken to have no LUT RAM, so "
            "that small memories are registers"
        )
    notes += modelled_notes(machine)
    target = TargetReport(profile=profile.name, title=profile.title, kind="fpga")
    return revised(
        accelerator_report(request, machine, lanes, files, target, totals, layers, notes, common),
        fits=fits,
        over_capacity=over,
        resources=resources,
        external_memories=tuple(
            ExternalMemoryReport(name=memory.name, peak_mb_per_second=of_profile(memory.peak))
            for memory in profile.external_memories
        ),
        plan=plan,
    )


def _placed_in(profile: Fpga) -> MemoryPlacer:
    def placed(memory: Memory) -> tuple[str, int]:
        placement = place(memory, profile)
        return placement.where, placement.blocks

    return placed


def _fpga_resources(profile: Fpga, totals: Totals) -> tuple[Resource, ...]:
    ram, dsp = profile.block_ram, profile.dsp
    dsp_name = dsp.name if dsp else "DSP block"
    dsp_count = of_profile(dsp.count) if dsp else not_used("none on the device")
    return (
        resource_of("block_ram", ram.name, totals.block_rams, of_profile(ram.count)),
        resource_of("dsp", dsp_name, totals.dsp_blocks, dsp_count),
        resource_of("lut", profile.lut.unit, totals.luts, of_profile(profile.lut)),
        resource_of("ff", profile.ff.unit, totals.flip_flops, of_profile(profile.ff)),
    )


def _outside(memory: ExternalMemory, machine: Accelerator) -> Resource:
    """The words of weights in external memory."""
    bits = sum(pace.bits for pace in machine.paces if isinstance(pace, Streamed))
    return resource_of(
        "external_memory", "bytes", derived(-(-bits // 8)), of_profile(memory.capacity)
    )


def _fpga_layer(
    machine: Accelerator, index: int, profile: Fpga, counts: dict[str, int]
) -> LayerReport:
    layer = machine.layers[index]
    report = machine_layer(machine, index, counts, _placed_in(profile))
    luts, flip_flops = _logic(machine, index, profile)
    dsp = dsp_blocks(layer.computed or layer, profile)
    blocks = not_used("none on the device") if dsp is None else derived(dsp)
    if machine.engine is not None:
        blocks = not_used("shared by all layers")
    return revised(
        report,
        dsp_blocks=blocks,
        block_rams=_block_rams(sum(memory.block_rams for memory in report.memories), layer),
        luts=luts,
        flip_flops=flip_flops,
    )


def _block_rams(count: int, layer: LayerMachine) -> Figure:
    """The block RAMs of a layer: at most so many where a bit of its tables never changes."""
    if count and has_constant_bits(layer):
        note = "synthesis leaves out the bits that are the same in all words of a table"
        return derived(count, note, "at most")
    return derived(count)


def _logic(machine: Accelerator, index: int, profile: Fpga) -> tuple[Figure, Figure]:
    """LUTs and flip-flops of a layer."""
    if machine.engine is not None or not isinstance(machine.paces[index], Sequential):
        unknown = not_known("no fit was made with this schedule")
        return unknown, unknown
    layer = machine.layers[index]
    lut, ff = (
        not_known("the profile has no fit for this kind of layer")
        if found is None
        else derived(found.count, found.note)
        for found in logic(layer.computed or layer, profile)
    )
    return lut, ff
