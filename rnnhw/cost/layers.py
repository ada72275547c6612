"""A layer of the accelerator in a report, in any technology."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TypeAlias

from rnnhw.accelerator import Accelerator, Memory, first_result_cycles, lane_cycles, saturation
from rnnhw.analysis.counts import TIME_COUNTS
from rnnhw.cost.figure import Cycles, derived, if_known, not_used, whole_count
from rnnhw.cost.model import LayerReport, MemoryReport, PhaseReport
from rnnhw.graph.network import Network

__all__ = ["MemoryPlacer", "algorithmic_counts", "machine_layer", "memory_report"]

MemoryPlacer: TypeAlias = Callable[[Memory], tuple[str, int]]
"""A memory's place and block RAMs in a technology."""


def machine_layer(
    machine: Accelerator,
    index: int,
    counts: dict[str, int],
    placed: MemoryPlacer,
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
        cycles_per_step=derived(whole_count(interval)),
        instructions_per_step=not_used(),
        cycles_basis=machine.basis.value,
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
        lane_cycles={name: whole_count(n) for name, n in lane_cycles(machine, index).items()},
        macs_per_step=layer.macs,
        utilisation=if_known(utilisation) if layer.lanes else not_used("no products"),
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
        memories=tuple(memory_report(memory, placed) for memory in layer.memories),
        traffic={entry.name: getattr(layer.traffic, entry.name) for entry in fields(layer.traffic)},
        counts=counts,
    )


def memory_report(memory: Memory, placed: MemoryPlacer) -> MemoryReport:
    """One memory where a technology places it."""
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


def algorithmic_counts(network: Network) -> dict[str, dict[str, int]]:
    """The algorithmic counts of one step of every layer."""
    return {node.name: dict(TIME_COUNTS[type(node)](node).flat()) for node in network.nodes}
