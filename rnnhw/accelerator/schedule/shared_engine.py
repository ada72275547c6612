"""A shared engine: one set of lanes and one post-processor run all layers in turn.

    interval of a step = sum of all layers' cycles (no wavefront)
    lanes = the most of any layer;   multipliers = lanes + those of the largest post-processor

Every layer keeps its cycles, states and vectors; a layer with fewer rows leaves lanes idle. One
memory, as wide as the widest word, holds the weights of all layers, another one their biases; equal
tables are stored once. While the lanes work on a step, the elements of the next step arrive. With
streamed weights, one loader fills one buffer with the weights of all layers in turn, ahead of the
lanes; the interval is then the larger of the sum of all cycles and the sum of all loads.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from rnnhw.accelerator.mapping.layer import LayerMachine
from rnnhw.accelerator.mapping.memory import Held, Memory, MemoryRole, settled
from rnnhw.accelerator.mapping.multipliers import Multiplier
from rnnhw.accelerator.schedule.layer_timing import Run
from rnnhw.accelerator.schedule.weight_stream import Buffer, Group

__all__ = ["SharedStep", "Stint", "common_memories", "common_multipliers", "in_turn", "private"]

_COMMON = (MemoryRole.WEIGHTS, MemoryRole.BIASES, MemoryRole.TABLE)
_FEEDS_LANES = (
    MemoryRole.WEIGHTS,
    MemoryRole.WEIGHT_BUFFER,
    MemoryRole.STAGE_WEIGHTS,
    MemoryRole.DIAGONALS,
)


@dataclass(frozen=True)
class Stint:
    """One layer's part of a step: its ``cycles``, and its groups of rows if their weights are
    streamed, the first one after ``lead`` cycles."""

    cycles: int
    groups: tuple[Group, ...] = ()
    lead: int = 0


@dataclass(frozen=True)
class SharedStep:
    """A step of all layers in turn; the weight buffer holds ``slots`` groups."""

    stints: tuple[Stint, ...]
    inputs: int
    slots: int = 2

    @property
    def groups(self) -> tuple[Group, ...]:
        """The streamed groups of a step; their intervals include the cycles of layers between."""
        groups: list[Group] = []
        lead = waiting = 0
        for stint in self.stints:
            if not stint.groups:
                waiting += stint.cycles
                continue
            waiting += stint.lead
            if groups:
                groups[-1] = replace(groups[-1], interval=groups[-1].interval + waiting)
            else:
                lead = waiting
            # The interval of a layer's last group counts the lead of the layer's next step.
            last = stint.groups[-1]
            groups += [*stint.groups[:-1], replace(last, interval=last.interval - stint.lead)]
            waiting = 0
        if groups:
            last = groups[-1]
            groups[-1] = replace(last, interval=last.interval + waiting + lead)
        return tuple(groups)

    @property
    def compute_cycles(self) -> int:
        """Cycles of all layers."""
        return sum(stint.cycles for stint in self.stints)

    @property
    def load_cycles(self) -> int:
        """Cycles to bring all streamed weights."""
        return sum(group.load for stint in self.stints for group in stint.groups)

    @property
    def interval(self) -> int:
        """Cycles from one step to the next."""
        return max(self.compute_cycles, self.load_cycles)


def in_turn(step: SharedStep, steps: int, *, from_input: bool) -> list[list[Run]]:
    """Returns the runs of every layer over a sequence of ``steps`` steps, in cycles from its
    start."""
    runs: list[list[Run]] = [[] for _ in step.stints]
    buffer = Buffer(step.groups, step.slots) if step.groups else None
    arrived = step.inputs if from_input else 0
    free = 0
    for _ in range(steps):
        at = max(free, arrived)
        arrived = at + step.inputs
        for layer_runs, stint in zip(runs, step.stints, strict=True):
            take = at
            if buffer is not None and stint.groups:
                at += stint.lead
                for position, group in enumerate(stint.groups):
                    started = buffer.start(at)
                    if not position and not stint.lead:
                        take = started
                    at = started + group.interval
                # The last group's interval counts the lead of the layer's next step.
                at -= stint.lead
            else:
                at += stint.cycles
            layer_runs.append(Run(take, at, buffer.held if buffer else ()))
        free = at
    return runs


# --- memories and multipliers of the engine ------------------------------------------------------
def _is_common(memory: Memory) -> bool:
    return memory.role in _COMMON


def _feeds_lanes(memory: Memory) -> bool:
    return memory.role in _FEEDS_LANES


def private(layer: LayerMachine) -> LayerMachine:
    """Returns the layer without the memories that belong to the engine."""
    return replace(layer, memories=tuple(m for m in layer.memories if not _is_common(m)))


def common_memories(layers: Iterable[LayerMachine]) -> tuple[Memory, ...]:
    """Returns the engine's memories: one for the words of all layers by role, and one a table."""
    layers = tuple(layers)
    by_role: dict[MemoryRole, list[Memory]] = {}
    for layer in layers:
        for memory in filter(_is_common, layer.memories):
            if memory.role is not MemoryRole.TABLE:
                by_role.setdefault(memory.role, []).append(memory)
    joined = tuple(
        Memory(
            memories[0].name,
            role,
            sum(memory.depth for memory in memories),
            max(memory.width for memory in memories),
            sum(memory.stored_bits for memory in memories),
        )
        for role, memories in by_role.items()
    )
    return (*joined, *_common_tables(layers))


def _common_tables(layers: Iterable[LayerMachine]) -> tuple[Memory, ...]:
    """One memory for all equal tables, with as many copies as the layer that reads most of them
    at a time."""
    tables: dict[Hashable, Memory] = {}
    for layer in layers:
        of_layer: dict[Hashable, Memory] = {}
        for memory in layer.memories:
            if memory.role is MemoryRole.TABLE:
                key: Hashable = (memory.depth, memory.width, memory.tables)
                copies = memory.copies + (of_layer[key].copies if key in of_layer else 0)
                of_layer[key] = replace(of_layer.get(key, memory), copies=copies)
        for key, memory in of_layer.items():
            if key not in tables or tables[key].copies < memory.copies:
                tables[key] = memory
    return settled(Held(memory, memory.tables) for memory in tables.values())


def common_multipliers(layers: Sequence[LayerMachine]) -> tuple[Multiplier, ...]:
    """Returns the multipliers of the lanes, for the widest operands of all layers, and those of the
    post-processor that has most."""
    on_lanes: list[Multiplier] = []
    post_processors: list[list[Multiplier]] = []
    for layer in layers:
        # Lanes that add without weights have no multipliers.
        first = 1 if layer.lanes and any(map(_feeds_lanes, layer.memories)) else 0
        on_lanes += layer.multipliers[:first]
        post_processors.append(list(layer.multipliers[first:]))
    multipliers = list(
        max(post_processors, key=lambda group: sum(m.count for m in group), default=[])
    )
    if on_lanes:
        lanes = max(m.count for m in on_lanes)
        a, b = max(m.a_bits for m in on_lanes), max(m.b_bits for m in on_lanes)
        multipliers.insert(0, Multiplier(lanes, a, b))
    return tuple(multipliers)
