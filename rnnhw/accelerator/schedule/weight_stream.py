"""Weights streamed from an external memory, every word once a step.

    load of a group of rows = ceil(words x word bits / bits a cycle of the external memory)
    interval = max(cycles of the compute, sum of all loads)

Instead of the weight ROM there is a buffer of ``slots`` groups of rows, two where that is enough (a
double buffer): while the lanes work on one, the loader fills the others, in order and across steps.
It starts on a slot when the lanes have read the last column of what was there. The slots are as
many as let the loader, or the lanes, work without a pause, so that the interval is the larger of
the two. K interleaved sequences take turns on a group of rows before the lanes go on to the next,
so that a word is read once for all of them:

    compute = (sum of all groups but the last) K PER + max(last column to last result, K PER)

Biases and tables stay on chip. Several layers share the external memory in fixed parts, in the
proportion of their weights. The peak bandwidth is what no access pattern exceeds: the cycles are a
lower bound of what a memory with pauses and refreshes takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate

from rnnhw.accelerator.mapping.layer import LayerMachine
from rnnhw.accelerator.mapping.memory import Memory, MemoryRole
from rnnhw.accelerator.schedule.layer_timing import Course, Pace, Run
from rnnhw.errors import DesignError

__all__ = [
    "Buffer",
    "Group",
    "Streamed",
    "buffered",
    "group_loads",
    "groups_of",
    "lead_cycles",
    "slots_for",
    "streamed_bits",
    "streaming_buffer",
]


@dataclass(frozen=True)
class Group:
    """One group of rows of all sequences that are interleaved: ``columns`` from its start to when
    its words are free, ``interval`` to the start of the next group, ``load`` to bring them."""

    columns: int
    interval: int
    load: int


def _weights(layer: LayerMachine) -> Memory | None:
    """The memory that can be streamed: one word a column, in order."""
    return next((m for m in layer.memories if m.role is MemoryRole.WEIGHTS), None)


def streamed_bits(layer: LayerMachine) -> int:
    """Bits of weights that a step brings, 0 where the layer has none in such words."""
    memory = _weights(layer)
    return memory.reads * memory.width if memory else 0


def group_loads(layer: LayerMachine, share: Fraction) -> list[int]:
    """Cycles to bring each group's words, at ``share`` bits a cycle."""
    memory = _weights(layer)
    assert memory is not None
    return [
        -(-phase.weight_columns * memory.width // share)
        for phase in layer.phases
        if phase.lanes
        for _ in range(phase.groups)
    ]


def lead_cycles(layer: LayerMachine) -> int:
    """Cycles of a step before the first group of rows."""
    cycles = 0
    for phase in layer.phases:
        if phase.lanes:
            return cycles + phase.transform_cycles
        cycles += phase.cycles
    return cycles


def groups_of(layer: LayerMachine, loads: Sequence[int], sequences: int = 1) -> list[Group]:
    """A step's groups of rows on the lanes of a layer; the last one's interval leads to the next
    step's first.

    Raises:
        DesignError: sequences cannot take turns group by group on this layer.
    """
    if sequences > 1 and (len(layer.phases) > 1 or layer.phases[0].transforms):
        raise DesignError(
            f"interleave={sequences}: layer {layer.name} streams its weights and works in several "
            "phases, or transforms a vector",
            "use interleave=1, or weights={...} with this layer 'on-chip'",
        )
    groups: list[Group] = []
    for phase in layer.phases:
        before = phase.transform_cycles if phase.lanes else phase.cycles
        if groups:
            groups[-1] = replace(groups[-1], interval=groups[-1].interval + before)
        if phase.lanes:
            columns = (sequences - 1) * phase.group_interval + phase.columns
            turn = sequences * phase.group_interval
            last = phase.columns + phase.latency_cycles
            groups += [Group(columns, turn, 0)] * (phase.groups - 1)
            groups.append(Group(columns, max(last, turn) if sequences > 1 else last, 0))
    lead = lead_cycles(layer)
    groups[-1] = replace(groups[-1], interval=groups[-1].interval + lead)
    return [replace(group, load=load) for group, load in zip(groups, loads, strict=True)]


def slots_for(groups: Sequence[Group]) -> int:
    """The least buffer, in groups, with which steps follow each other as fast as the lanes or the
    loader alone: at least two, at most all groups of a step and one more.

    Found on the periodic schedule with that interval: the lanes start on every group as soon as
    they can, the loader brings its words as late as it can, and a slot is taken from the start of
    a load to the last column.
    """
    interval = max(sum(g.interval for g in groups), sum(g.load for g in groups))
    count = len(groups)
    brought = list(accumulate(g.load for g in groups))
    start = [0] * count
    for _ in range(2):
        for k in range(count):
            before = start[k - 1] + groups[k - 1].interval - (0 if k else interval)
            start[k] = max(start[k], brought[k], before)
    late = list(start)
    for _ in range(2):
        for k in reversed(range(count)):
            after = late[(k + 1) % count] - groups[(k + 1) % count].load
            late[k] = min(late[k], after + (interval if k + 1 == count else 0))

    def enough(slots: int) -> bool:
        for k, group in enumerate(groups):
            rounds, other = divmod(k + slots, count)
            if late[other] + rounds * interval - groups[other].load < start[k] + group.columns:
                return False
        return True

    return next(n for n in range(2, count + 3) if n > count or enough(n))


def streaming_buffer(layers: Sequence[LayerMachine], slots: int) -> Memory:
    """A buffer of so many groups of any of the layers.

    It still stands for the bits that the network stores: they are outside.
    """
    memories = [memory for layer in layers if (memory := _weights(layer)) is not None]
    # A step may need all of its words, however many are skipped on the average.
    whole = [layer.computed or layer for layer in layers]
    phases = [phase for layer in whole for phase in layer.phases if phase.lanes]
    words = max(phase.weight_columns for phase in phases)
    width = max(memory.width for memory in memories)
    stored = sum(memory.stored_bits for memory in memories)
    return Memory("weight buffer", MemoryRole.WEIGHT_BUFFER, slots * words, width, stored)


def buffered(layer: LayerMachine, slots: int) -> LayerMachine:
    """The layer with a buffer of so many groups in place of its weight memory."""
    memory, buffer = _weights(layer), streaming_buffer([layer], slots)
    memories = tuple(buffer if each is memory else each for each in layer.memories)
    return replace(layer, memories=memories)


class Buffer:
    """The loader and the slots: when the words of each group are there.

    At the start of a sequence all slots are full.
    """

    def __init__(self, groups: Sequence[Group], slots: int) -> None:
        self._groups = groups
        self._started = 0
        self._slots = slots
        self._brought: deque[int] = deque([0] * slots)
        self._loaded = 0

    def start(self, earliest: int) -> int:
        """When the lanes start on the next group, if they can not before ``earliest``; its slot is
        then filled again."""
        start = max(earliest, self._brought.popleft())
        group = self._groups[self._started % len(self._groups)]
        coming = self._groups[(self._started + self._slots) % len(self._groups)]
        self._loaded = max(self._loaded, start + group.columns) + coming.load
        self._brought.append(self._loaded)
        self._started += 1
        return start

    @property
    def held(self) -> tuple[int, ...]:
        """When the loader is free, and when each slot is full."""
        return (self._loaded, *self._brought)


@dataclass(frozen=True)
class Streamed(Pace):
    """``groups`` of rows with their loads, ``slots`` of which the buffer holds; ``lead`` cycles go
    before the first group. ``sequences`` are interleaved, ``turn`` cycles apart, or as many steps
    taken together, 0 apart. ``bits`` come for all of them."""

    groups: tuple[Group, ...]
    slots: int
    lead: int
    sequences: int = 1
    turn: int = 0
    bits: int = 0

    @property
    def block(self) -> int:
        return self.sequences

    @property
    def load_cycles(self) -> int:
        """Cycles to bring all weights."""
        return sum(group.load for group in self.groups)

    @property
    def compute_cycles(self) -> int:
        return sum(group.interval for group in self.groups)

    @property
    def round_cycles(self) -> int:
        return max(self.compute_cycles, self.load_cycles)

    def course(self) -> Course:
        return _Streamed(self)


class _Streamed(Course):
    def __init__(self, pace: Streamed) -> None:
        self._pace = pace
        self._buffer = Buffer(pace.groups, pace.slots)
        self._next = 0
        # From the last group's start to the end of the first sequence's results.
        rest = sum(group.interval for group in pace.groups[:-1])
        if pace.turn:
            rest //= pace.sequences
        self._tail = pace.cycles - pace.lead - rest

    def run(self, ready: Sequence[int], free: int) -> list[Run]:
        pace = self._pace
        earliest = max(self._next - pace.lead, free, *ready) + pace.lead
        first = start = self._buffer.start(earliest)
        take = earliest - pace.lead if pace.lead else first
        for before in pace.groups[:-1]:
            start = self._buffer.start(start + before.interval)
        self._next = start + pace.groups[-1].interval
        held = self.held
        return [
            Run(take + k * pace.turn, start + k * pace.turn + self._tail, held)
            for k in range(len(ready))
        ]

    @property
    def held(self) -> tuple[int, ...]:
        return self._buffer.held
