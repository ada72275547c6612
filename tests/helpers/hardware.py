"""Accelerators run cycle by cycle, token by token: columns, accumulators, buffers and a loader that
move one cycle at a time. Nothing here adds up cycles: the closed formulas are held against it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

Wait = Callable[[], bool]
Process = Generator[Wait | None, None, None]
"""Yields what it waits for, None for the next cycle."""


@dataclass
class Part:
    """Rows on lanes: what one pass of a layer does, without any sum over it."""

    rows: int
    lanes: int
    columns: int
    depth: int
    transform: int = 0
    word_bits: int = 0
    words: int = 0


@dataclass
class Layer:
    """One layer; ``state_column`` where it overlaps, ``share`` bits a cycle where it streams into
    ``slots`` groups, ``together`` steps in one pass."""

    parts: list[Part]
    inputs: int
    sources: list[int] = field(default_factory=list)
    state_column: int | None = None
    share: Fraction | None = None
    slots: int = 2
    together: int = 1


class Clock:
    """Processes and events, one cycle after the other."""

    def __init__(self) -> None:
        self.now = 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._sleeping: list[Process] = []
        self._waiting: list[tuple[Wait, Process]] = []

    def at(self, cycle: int, act: Callable[[], None]) -> None:
        """Do something in a cycle, at once if it is this one."""
        if cycle <= self.now:
            act()
            return
        self._count += 1
        heapq.heappush(self._events, (cycle, self._count, act))

    def add(self, process: Process) -> None:
        self._sleeping.append(process)

    def tick(self) -> None:
        """One cycle: everything that can happen in it happens."""
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
        awake, self._sleeping = self._sleeping, []
        while True:
            for process in awake:
                for wanted in process:
                    if wanted is None:
                        self._sleeping.append(process)
                        break
                    if not wanted():
                        self._waiting.append((wanted, process))
                        break
            awake = [process for wanted, process in self._waiting if wanted()]
            if not awake:
                break
            self._waiting = [pair for pair in self._waiting if pair[1] not in awake]
        self.now += 1


class Buffer:
    """Two halves in front of a reader: one is read while the other is filled."""

    def __init__(self, held: int) -> None:
        self._held = held
        self.filled_blocks = 0  # halves that the reader has turned to
        self.arrived: set[int] = set()

    def room(self, vector: int) -> bool:
        """Whether the half for this vector is no longer read."""
        return vector // self._held <= self.filled_blocks

    def take(self, vector: int) -> None:
        assert vector in self.arrived
        self.filled_blocks = max(self.filled_blocks, vector // self._held + 1)


class Machine:
    """Layers with engines of their own, or one for all; runs until all vectors are done.

    ``sequences`` interleave; ``takes[layer][vector]`` and ``ends[layer][vector]`` are cycles, a
    vector is step * sequences + sequence.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        steps: int,
        sequences: int = 1,
        *,
        shared: bool = False,
        shared_slots: int = 2,
    ) -> None:
        self.clock = Clock()
        self.layers = layers
        self.total = steps * sequences
        self.sequences = sequences
        self.takes: list[dict[int, int]] = [{} for _ in layers]
        self.ends: list[dict[int, int]] = [{} for _ in layers]
        self._buffers: list[dict[int, list[Buffer]]] = []
        for layer in layers:
            found = {}
            for source in layer.sources or [-1]:
                other = layers[source].together if source >= 0 else layer.together
                held = max(layer.together, other)
                found[source] = [Buffer(held) for _ in range(sequences)]
            self._buffers.append(found)
        for index, layer in enumerate(layers):
            if not layer.sources:
                self.clock.add(self._port(index, layer))
        if shared:
            self.clock.add(self._all_in_turn(shared_slots))
            return
        for index, layer in enumerate(layers):
            self.clock.add(self._engine(index, layer))

    def run(self) -> None:
        while any(len(ends) < self.total for ends in self.ends) or self.clock.now <= max(
            max(ends.values()) for ends in self.ends
        ):
            self.clock.tick()
            assert self.clock.now < 2_000_000, "it stands still"

    # --- vectors -------------------------------------------------------------------------------
    def _port(self, index: int, layer: Layer) -> Process:
        """The source: an element a cycle, as soon as there is room."""
        (buffers,) = self._buffers[index].values()
        for vector in range(self.total):
            buffer, step = buffers[vector % self.sequences], vector // self.sequences
            yield lambda b=buffer, s=step: b.room(s)
            for _ in range(layer.inputs):
                yield None
            buffer.arrived.add(step)

    def _arrived(self, index: int, vector: int) -> bool:
        step = vector // self.sequences
        return all(
            step in buffers[vector % self.sequences].arrived
            for buffers in self._buffers[index].values()
        )

    def _room(self, index: int, vector: int) -> bool:
        step = vector // self.sequences
        return all(
            found[index][vector % self.sequences].room(step)
            for found in self._buffers
            if index in found
        )

    def _take(self, index: int, vector: int) -> None:
        self.takes[index][vector] = self.clock.now
        for buffers in self._buffers[index].values():
            buffers[vector % self.sequences].take(vector // self.sequences)

    def _deliver(self, index: int, vector: int, cycle: int) -> None:
        """The results of a vector, all there in ``cycle``."""

        def act() -> None:
            self.ends[index][vector] = cycle
            for found in self._buffers:
                if index in found:
                    buffer = found[index][vector % self.sequences]
                    buffer.arrived.add(vector // self.sequences)

        self.clock.at(cycle, act)

    # --- engines ---------------------------------------------------------------------------------
    def _engine(self, index: int, layer: Layer) -> Process:
        if layer.share is not None:
            store = _Store(self.clock, layer.slots)
            self.clock.add(store.fill(_step_words(layer), layer.share or Fraction(1)))
            if self.sequences > 1:
                return self._group_by_group(index, layer, store)
            return self._in_order(index, layer, store)
        if layer.state_column is not None:
            return self._overlapping(index, layer)
        if self.sequences > 1:
            return self._in_turns(index, layer)
        return self._in_order(index, layer, None)

    def _in_order(self, index: int, layer: Layer, store: _Store | None) -> Process:
        for first in range(0, self.total, layer.together):
            vectors = range(first, min(first + layer.together, self.total))
            yield lambda v=vectors: all(self._arrived(index, n) and self._room(index, n) for n in v)
            if store is not None and not layer.parts[0].transform:
                yield store.ready
            # The words may come after another vector left: nothing that was there goes away.
            for vector in vectors:
                self._take(index, vector)
            yield from self._pass(layer, store)
            for vector in vectors:
                self._deliver(index, vector, self.clock.now)

    def _pass(self, layer: Layer, store: _Store | None) -> Process:
        """From taking a vector to its last result."""
        for part in layer.parts:
            for _ in range(part.transform):
                yield None
            left = part.rows
            while left:
                if store is not None and part.lanes:
                    yield store.ready
                    store.open()
                for _ in range(part.columns):
                    yield None
                if store is not None and part.lanes:
                    store.close()
                rows = min(left, max(part.lanes, 1))
                left -= rows
                if left:  # the accumulators leave before the next ones are there
                    for _ in range(max(rows, 1) - part.columns):
                        yield None
            for _ in range(7 + rows - 1 + part.depth):
                yield None

    def _overlapping(self, index: int, layer: Layer) -> Process:
        (part,) = layer.parts
        groups = -(-part.rows // part.lanes)
        slot = max(part.columns, part.lanes)
        written = 0
        for vector in range(self.total):
            yield lambda v=vector: self._arrived(index, v)
            self._take(index, vector)
            yield None
            last_rows = part.rows - (groups - 1) * part.lanes
            for column in range(groups * slot):
                if column == layer.state_column:
                    yield lambda v=vector, w=written: self.clock.now >= w and self._room(index, v)
                if column == (groups - 1) * slot + part.columns - 1:
                    written = self.clock.now + 7 + last_rows - 1 + part.depth
                    self._deliver(index, vector, written)
                yield None

    def _in_turns(self, index: int, layer: Layer) -> Process:
        for vector in range(self.total):
            yield (
                lambda v=vector: (
                    self._arrived(index, v)
                    and self._room(index, v)
                    and (v < self.sequences or v - self.sequences in self.ends[index])
                )
            )
            self._take(index, vector)
            if len(layer.parts) > 1:
                yield from self._pass(layer, None)
                self._deliver(index, vector, self.clock.now)
                continue
            (part,) = layer.parts
            for _ in range(part.transform):
                yield None
            left, ended = part.rows, None
            while left:
                rows = min(left, max(part.lanes, 1))
                left -= rows
                for cycle in range(max(part.columns, part.lanes, 1)):
                    if ended is not None and self.clock.now >= ended:
                        break
                    yield None
                    if cycle + 1 == part.columns and not left:
                        ended = self.clock.now + 7 + rows - 1 + part.depth
                        self._deliver(index, vector, ended)
                if not part.columns and not left:
                    ended = self.clock.now - 1 + 7 + rows - 1 + part.depth
                    self._deliver(index, vector, ended)

    def _group_by_group(self, index: int, layer: Layer, store: _Store) -> Process:
        (part,) = layer.parts
        for first in range(0, self.total, self.sequences):
            vectors = range(first, first + self.sequences)
            yield lambda v=vectors: all(self._arrived(index, n) and self._room(index, n) for n in v)
            if first:
                yield lambda f=first: f - self.sequences in self.ends[index]
            yield store.ready
            left = part.rows
            taken = False
            while left:
                yield store.ready
                store.open()
                rows = min(left, part.lanes)
                left -= rows
                for turn, vector in enumerate(vectors):
                    if not taken:
                        self._take(index, vector)
                    for cycle in range(max(part.columns, part.lanes)):
                        yield None
                        if cycle + 1 == part.columns:
                            if turn + 1 == self.sequences:
                                store.close()
                            if not left:
                                end = self.clock.now + 7 + rows - 1 + part.depth
                                self._deliver(index, vector, end)
                taken = True

    def _all_in_turn(self, slots: int) -> Process:
        streamed = [layer for layer in self.layers if layer.share is not None]
        store = _Store(self.clock, slots)
        if streamed:
            words = [word for layer in streamed for word in _step_words(layer)]
            self.clock.add(store.fill(words, streamed[0].share or Fraction(1)))
        for vector in range(self.total):
            for index, layer in enumerate(self.layers):
                yield lambda i=index, v=vector: self._arrived(i, v)
                mine = store if layer.share is not None else None
                if mine is not None and not layer.parts[0].transform:
                    yield mine.ready
                self._take(index, vector)
                yield from self._pass(layer, mine)
                self._deliver(index, vector, self.clock.now)


def _step_words(layer: Layer) -> list[int]:
    """Bits of each group of a step."""
    return [
        part.words * part.word_bits
        for part in layer.parts
        if part.lanes
        for _ in range(-(-part.rows // part.lanes))
    ]


class _Store:
    """A buffer of groups of weight words, and its loader; full at the start."""

    def __init__(self, clock: Clock, slots: int) -> None:
        self._clock = clock
        self._free = 0
        self._full = slots
        self._loads = slots

    def ready(self) -> bool:
        return self._full > 0

    def open(self) -> None:
        assert self._full
        self._full -= 1

    def close(self) -> None:
        self._free += 1

    def fill(self, bits: Sequence[int], rate: Fraction) -> Process:
        """Groups of ``bits`` one after the other, ``rate`` of them a cycle."""
        arriving, whole = rate.as_integer_ratio()  # in parts of a bit, as integers are fast
        while True:
            yield lambda: self._free > 0
            self._free -= 1
            missing = bits[self._loads % len(bits)] * whole
            self._loads += 1
            while missing > 0:
                yield None
                missing -= arriving
            self._full += 1
