"""Layers that share no lanes, as a wavefront over the steps of sequences.

Layer l works on step t while layer l+1 works on step t-1:

    take_l(t) = max(full_l(t), take_l(t-1) + T_l, take_l+1(t-1));   full_l+1(t) = take_l(t) + T_l

where ``full`` is when a whole vector has arrived and ``take`` when the layer starts on it. In front
of every layer there are two buffers: one that it works on and one that is filled, so that a layer
may start on a vector once its readers have taken the one before. A buffer holds one vector, or as
many steps as the slower of writer and reader takes together. The pace of a layer says how it takes
the vectors that are there. The input is a place like any other: it sends the elements of a vector
without a gap. :mod:`rnnhw.accelerator.schedule.turns` treats interleaved sequences.

A window over time lies in its reader's memory: a vector that completes no window has its place
there once the reader has ended the step that it works on.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from rnnhw.accelerator.schedule.layer_timing import Pace, Run

__all__ = [
    "INPUT",
    "Edge",
    "Place",
    "Reads",
    "layers_read",
    "longest_wait",
    "readers_of",
    "wavefront",
]

INPUT = -1
"""The source of what reads the network's input."""


@dataclass(frozen=True)
class Edge:
    """The results of place ``source`` on their way to a reader: those of the ``last`` step alone,
    as steps of a ``window``, ``delay`` cycles behind."""

    source: int
    last: bool = False
    window: bool = False
    delay: int = 0


@dataclass(frozen=True)
class Reads:
    """The steps of a sequence that a layer or an output reads: from ``first`` on, or the ``last``
    alone."""

    edges: tuple[Edge, ...] = ()
    first: int = 0
    last: bool = False


def layers_read(reads: Reads) -> tuple[int, ...]:
    """The sources but for the input, without repetitions."""
    return tuple(dict.fromkeys(edge.source for edge in reads.edges if edge.source != INPUT))


@dataclass(frozen=True)
class Place:
    """A layer, or the input, which reads nothing. One that is ``open`` adds what streams past to a
    sum: it has no buffer, and its reader's room is its source's."""

    pace: Pace
    reads: Reads = Reads()
    open: bool = False


def readers_of(places: Sequence[Place]) -> list[list[tuple[int, Edge]]]:
    """Of every place the readers whose buffers its results fill, past sums that are ``open``."""
    readers: list[list[tuple[int, Edge]]] = [[] for _ in places]
    for index in reversed(range(len(places))):
        for reader, place in enumerate(places):
            for edge in place.reads.edges:
                if edge.source == index:
                    readers[index] += readers[reader] if place.open else [(reader, edge)]
    return readers


def wavefront(places: Sequence[Place], lengths: Sequence[int]) -> list[dict[int, Run]]:
    """Every place's runs by vector, for sequences of ``lengths`` steps back to back.

    Vectors are the steps, counted over all lengths.
    """
    wave = _Wave(places, lengths)
    moved = True
    while moved:
        moved = False
        for index in range(len(places)):
            while wave.advance(index):
                moved = True
    assert wave.done, "a wavefront that stands still"
    return wave.runs


class _UnknownError(Exception):
    """Something that must be known first."""


class _Wave:
    def __init__(self, places: Sequence[Place], lengths: Sequence[int]) -> None:
        self._places = places
        self._vectors = [self._vectors_of(place.reads, lengths) for place in places]
        self._courses = [place.pace.course() for place in places]
        self.runs: list[dict[int, Run]] = [{} for _ in places]
        self._readers = readers_of(places)
        # What a buffer holds of a place, by its readers.
        self._held = [
            [math.lcm(place.pace.block, places[reader].pace.block) for reader, _ in readers]
            for place, readers in zip(places, self._readers, strict=True)
        ]

    def _vectors_of(self, reads: Reads, lengths: Sequence[int]) -> list[int]:
        """The vectors on which a place runs, ascending."""
        vectors: list[int] = []
        begin = 0
        for length in lengths:
            first = max(reads.first, length - 1) if reads.last else reads.first
            vectors += range(begin + first, begin + length)
            begin += length
        return vectors

    @property
    def done(self) -> bool:
        """Whether all runs are known."""
        return all(
            len(vectors) == len(runs)
            for vectors, runs in zip(self._vectors, self.runs, strict=True)
        )

    def advance(self, index: int) -> bool:
        """Let a place start on its next vectors, if all that this needs is known."""
        place, runs, all_vectors = self._places[index], self.runs[index], self._vectors[index]
        vectors = all_vectors[len(runs) : len(runs) + place.pace.block]
        if not vectors:
            return False
        try:
            ready = [self._arrival(place, vector) for vector in vectors]
            free = 0 if place.open else self._free(index, vectors)
        except _UnknownError:
            return False
        for vector, run in zip(vectors, self._courses[index].run(ready, free), strict=True):
            runs[vector] = run
        return True

    def _run(self, index: int, vector: int) -> Run:
        run = self.runs[index].get(vector)
        if run is None:
            raise _UnknownError
        return run

    def _full(self, edge: Edge, vector: int) -> int:
        return self._run(edge.source, vector).end + edge.delay

    def _arrival(self, place: Place, vector: int) -> int:
        """When all of a vector has arrived."""
        arrival = 0
        for edge in place.reads.edges:
            arrival = max(arrival, self._full(edge, vector))
        return arrival

    def _free(self, index: int, vectors: Sequence[int]) -> int:
        """When all readers have room for the vectors."""
        free = 0
        for (reader, edge), held in zip(self._readers[index], self._held[index], strict=True):
            for vector in vectors:
                if held > 1:
                    room = self._in_blocks(reader, vector, held)
                elif edge.window:
                    room = self._in_ring(index, reader, vector)
                else:
                    room = self._in_turn(reader, vector)
                free = max(free, room)
        return free

    def _in_blocks(self, reader: int, vector: int, held: int) -> int:
        """Room in a buffer of so many vectors, once the reader has taken the first of another."""
        reads = self._places[reader].reads
        start = (vector // held - 1) * held
        return 0 if reads.last or start < reads.first else self._run(reader, start).take

    def _in_turn(self, reader: int, vector: int) -> int:
        """Room in a buffer of one vector, once the reader has taken the last that was there."""
        vectors = self._vectors[reader]
        position = bisect_left(vectors, vector) - 1
        return self._run(reader, vectors[position]).take if position >= 0 else 0

    def _in_ring(self, index: int, reader: int, vector: int) -> int:
        """Room in a window, once the reader has started on it or, where the last vector filled
        none, ended what it worked on."""
        written, read_vectors = self._vectors[index], self._vectors[reader]
        position = bisect_left(written, vector) - 1
        if position < 0:
            return 0
        read = bisect_left(read_vectors, written[position])
        if read < len(read_vectors) and read_vectors[read] == written[position]:
            return self._run(reader, read_vectors[read]).take
        return self._run(reader, read_vectors[read - 1]).end if read else 0


def longest_wait(places: Sequence[Place]) -> int:
    """The most cycles that a vector is on its way from a place to a reader of it, past the places
    between: the reader's buffer has no room for the next one until then."""
    longest = 0
    for start in range(len(places)):
        ends: dict[int, int] = {start: places[start].pace.cycles}
        for index in range(start + 1, len(places)):
            reads = places[index].reads
            edges = [] if reads.last else [edge.source for edge in reads.edges]
            known = [ends[source] for source in edges if source in ends]
            if known:
                if start in edges and len(known) > 1:
                    longest = max(longest, *known)
                ends[index] = max(known) + places[index].pace.cycles
    return longest
