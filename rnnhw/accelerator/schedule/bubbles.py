"""Where the cycles of a layer's lanes go: columns, and the bubbles by what they wait for.

| cause | cycles |
|---|---|
| window fill | idle columns that fill a window, a register or a snapshot |
| post-processor | PER - C between groups: the accumulators leave one a cycle |
| transform | the feed's passes before the columns |
| recurrence latency | from the last column to the next step's first, with a state |
| drain | the same without a state, where the steps do not overlap |
| external memory | weights that are not there yet |
| slower neighbour | other layers of the wavefront, the input or a branch |
| other layers | a shared engine at work on them |
"""

from __future__ import annotations

from fractions import Fraction

from rnnhw.accelerator.schedule.accelerator import Accelerator, whole

__all__ = ["lane_cycles"]


def lane_cycles(machine: Accelerator, index: int) -> dict[str, int | Fraction]:
    """The cycles of a round of a layer that runs at every step, "columns" first; their sum is the
    machine's step interval times the steps of a round. Empty for a layer without lanes, and
    for one whose cycles the user has measured."""
    layer, pace = machine.layers[index], machine.paces[index]
    if layer.once or layer.measured or not layer.lanes:
        return {}
    runs = machine.sequences
    columns = swept = rows = waited = transforms = 0
    for phase in layer.phases:
        rows += phase.row_cycles
        transforms += phase.transform_cycles
        if phase.lanes:
            columns += phase.groups * sum(segment.columns for segment in phase.segments)
            swept += phase.groups * phase.columns
            waited += phase.row_cycles - phase.groups * phase.columns
        else:
            waited += phase.row_cycles
    total = machine.step_interval * pace.steps
    if machine.engine is None:
        computed, round_cycles = pace.compute_cycles, pace.round_cycles
        outside = total - round_cycles
        others = "slower neighbour"
    else:
        computed = layer.cycles
        round_cycles = computed + machine.engine.loading
        outside = total - round_cycles
        others = "other layers"
    latency = "recurrence latency" if machine.recurrent[index] else "drain"
    cycles_by_name: dict[str, int | Fraction] = {
        "columns": runs * columns,
        "window fill": runs * (swept - columns),
        "post-processor": runs * waited,
        "transform": runs * transforms,
        latency: computed - runs * (rows + transforms),
        "external memory": round_cycles - computed,
        others: whole(Fraction(outside)),
    }
    return {name: cycles for name, cycles in cycles_by_name.items() if cycles or name == "columns"}
