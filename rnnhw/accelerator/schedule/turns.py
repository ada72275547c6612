"""Layers that share no lanes, as a wavefront over the steps of interleaved sequences.

The recursion is that of :mod:`rnnhw.accelerator.schedule.wavefront` with buffers that hold one
vector for every one of K sequences: the vector of step t and sequence k waits until that of step
t-1 and the same sequence was taken. A step waits for earlier steps and for places in front alone,
so that the times of its K vectors are computed at once, as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnhw.accelerator.schedule.layer_timing import IntArray, Run
from rnnhw.accelerator.schedule.wavefront import Edge, Place, readers_of

__all__ = ["Turns", "wavefront_in_turns"]


@dataclass
class Turns:
    """A place's runs. For every step from ``first`` on, an array over the sequences: ``takes`` are
    the cycles in which the place starts on the vectors, ``ends`` those behind the results."""

    first: int
    takes: list[IntArray] = field(default_factory=list)
    ends: list[IntArray] = field(default_factory=list)
    held: list[tuple[int, ...]] = field(default_factory=list)
    """The other cycles that later runs depend on, by step."""

    def runs(self, sequences: int | None = None) -> list[tuple[int, int, Run]]:
        """Step, sequence and run of every vector of the first ``sequences``, or of all."""
        return [
            (step, sequence, Run(take, end))
            for step, (takes, ends) in enumerate(
                zip(self.takes, self.ends, strict=True), self.first
            )
            for sequence, (take, end) in enumerate(
                zip(takes[:sequences].tolist(), ends[:sequences].tolist(), strict=True)
            )
        ]

    def taken(self, step: int) -> IntArray | None:
        """When the vectors of a step are taken; None where the place does not run on it."""
        return self.takes[step - self.first] if step >= self.first else None


def wavefront_in_turns(places: Sequence[Place], steps: int, sequences: int) -> list[Turns]:
    """Every place's runs on ``steps`` steps of ``sequences`` that are interleaved."""
    readers = readers_of(places)
    courses = [place.pace.course() for place in places]
    turns = [Turns(max(r.first, steps - 1) if (r := p.reads).last else r.first) for p in places]
    for step in range(steps):
        for index, place in enumerate(places):
            if step < turns[index].first:
                continue
            ready = np.zeros(sequences, np.int64)
            for edge in place.reads.edges:
                source = turns[edge.source]
                ready = np.maximum(ready, source.ends[step - source.first] + edge.delay)
            free = np.zeros(sequences, np.int64)
            for reader, edge in () if place.open else readers[index]:
                if (room := _room(places[reader], turns[reader], edge, step)) is not None:
                    free = np.maximum(free, room)
            takes, ends = courses[index].turn(ready, free)
            turns[index].takes.append(takes)
            turns[index].ends.append(ends)
            turns[index].held.append(courses[index].held)
    return turns


def _room(reader: Place, taken: Turns, edge: Edge, step: int) -> IntArray | None:
    """When a reader's buffer has room for the vectors of a step; None where it has from the first.

    A window lies in a memory that the last step alone may read too.
    """
    if reader.reads.last and not edge.window:
        return None
    return taken.taken(step - 1)
