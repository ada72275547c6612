"""One engine for all layers: one set of lanes and one post-processor do them in turn.

    interval of a step = sum of all layers' cycles (no wavefront)
    lanes = the most of any layer;   multipliers = lanes + those of the largest post-processor

Each layer keeps its own cycles, state and vectors; a layer with fewer rows leaves lanes idle. The
weights of all layers lie one behind the other in one memory, as wide as the widest word, and so do
the biases; equal tables of several layers are one. While the lanes work on a step the elements of
the next one arrive. Where weights are streamed one loader brings those of all layers in turn into
one buffer, ahead of the lanes: the interval is the larger of all cycles and all loads.
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
    """One layer's part of a step: its ``cycles``, and its groups of rows where their weights are
    streamed. ``lead`` cycles go before the first group."""

    cycles: int
    groups: tuple[Group, ...] = ()
    lead: int = 0


@dataclass(frozen=True)
class SharedStep:
    """A step of all layers, in turn. ``slots`` of the buffer hold a group each."""

    stints: tuple[Stint, ...]
    inputs: int
    slots: int = 2

    @property
    def groups(self) -> tuple[Group, ...]:
        """The streamed groups of a step; what other layers take lies between them."""
        found: list[Group] = []
        lead = waiting = 0
        for stint in self.stints:
            if not stint.groups:
                waiting += stint.cycles
                continue
            waiting += stint.lead
            if found:
                found[-1] = replace(found[-1], interval=found[-1].interval + waiting)
            else:
                lead = waiting
            # By itself a layer's last group leads to its own next step.
            last = stint.groups[-1]
            found += [*stint.groups[:-1], replace(last, interval=last.interval - stint.lead)]
            waiting = 0
        if found:
            last = found[-1]
            found[-1] = replace(last, interval=last.interval + waiting + lead)
        return tuple(found)

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
    """Every layer's runs over a sequence, from the start of its first step."""
    runs: list[list[Run]] = [[] for _ in step.stints]
    buffer = Buffer(step.groups, step.slots) if step.groups else None
    arrived = step.inputs if from_input else 0
    free = 0
    for _ in range(steps):
        at = max(free, arrived)
        arrived = at + step.inputs
        for own, stint in zip(runs, step.stints, strict=True):
            take = at
            if buffer is not None and stint.groups:
                at += stint.lead
                for position, group in enumerate(stint.groups):
                    started = buffer.start(at)
                    if not position and not stint.lead:
                        take = started
                    at = started + group.interval
                # The last group's interval leads to the first group of the layer's next step.
                at -= stint.lead
            else:
                at += stint.cycles
            own.append(Run(take, at, buffer.held if buffer else ()))
        free = at
    return runs


# --- what is there once --------------------------------------------------------------------------
def _is_common(memory: Memory) -> bool:
    return memory.role in _COMMON


def _feeds_lanes(memory: Memory) -> bool:
    return memory.role in _FEEDS_LANES


def private(layer: LayerMachine) -> LayerMachine:
    """The layer without the memories that are those of the engine."""
    return replace(layer, memories=tuple(m for m in layer.memories if not _is_common(m)))


def common_memories(layers: Iterable[LayerMachine]) -> tuple[Memory, ...]:
    """The engine's memories: the layers' words one behind the other, and every table once."""
    layers = tuple(layers)
    found: dict[MemoryRole, list[Memory]] = {}
    for layer in layers:
        for memory in filter(_is_common, layer.memories):
            if memory.role is not MemoryRole.TABLE:
                found.setdefault(memory.role, []).append(memory)
    joined = tuple(
        Memory(
            parts[0].name,
            role,
            sum(memory.depth for memory in parts),
            max(memory.width for memory in parts),
            sum(memory.stored_bits for memory in parts),
        )
        for role, parts in found.items()
    )
    return (*joined, *_common_tables(layers))


def _common_tables(layers: Iterable[LayerMachine]) -> tuple[Memory, ...]:
    """A memory for all equal tables, with the copies of the layer that reads most at once."""
    found: dict[Hashable, Memory] = {}
    for layer in layers:
        mine: dict[Hashable, Memory] = {}
        for memory in layer.memories:
            if memory.role is MemoryRole.TABLE:
                key: Hashable = (memory.depth, memory.width, memory.tables)
                copies = memory.copies + (mine[key].copies if key in mine else 0)
                mine[key] = replace(mine.get(key, memory), copies=copies)
        for key, memory in mine.items():
            if key not in found or found[key].copies < memory.copies:
                found[key] = memory
    return settled(Held(memory, memory.tables) for memory in found.values())


def common_multipliers(layers: Sequence[LayerMachine]) -> tuple[Multiplier, ...]:
    """The lanes' multipliers, for the widest operands, and those of the post-processor with most
    of them."""

    def split(layer: LayerMachine) -> tuple[list[Multiplier], list[Multiplier]]:
        mine = list(layer.multipliers)
        # Lanes that add without weights have no multipliers.
        first = 1 if layer.lanes and any(map(_feeds_lanes, layer.memories)) else 0
        return mine[:first], mine[first:]

    on_lanes = [each for layer in layers for each in split(layer)[0]]
    others = [split(layer)[1] for layer in layers]
    found = list(max(others, key=lambda each: sum(m.count for m in each), default=[]))
    if on_lanes:
        lanes = max(each.count for each in on_lanes)
        a = max((each.a for each in on_lanes), key=lambda q: q.signed_width)
        b = max((each.b for each in on_lanes), key=lambda q: q.signed_width)
        found.insert(0, Multiplier(lanes, a, b))
    return tuple(found)
