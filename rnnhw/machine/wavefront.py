"""Layers with lanes of their own, as a wavefront over the steps of a sequence.

Layer l works on step t while layer l+1 works on step t-1:

    take_l(t) = max(full_l(t), take_l(t-1) + T_l, take_l+1(t-1));   full_l+1(t) = take_l(t) + T_l

where ``full`` is when a whole vector has arrived and ``take`` when the layer starts on it. In front
of every layer there are two buffers: one that it works on and one that is filled, so that a layer
may start on a vector once its readers have taken the one before. A buffer holds one vector; of each
of K interleaved sequences, which are the vectors 0 to K-1 of a step; or as many steps as the slower
of writer and reader takes together. What a layer itself makes of it is its pace.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rnnhw.machine.pace import Pace, Run

__all__ = ["Place", "longest_wait", "settled_interval", "wavefront"]


@dataclass(frozen=True)
class Place:
    """A layer of a stage: its pace, the positions in the stage of those that it reads, and the
    elements that arrive at each step where it reads none."""

    pace: Pace
    sources: tuple[int, ...]
    inputs: int


def wavefront(
    places: Sequence[Place], steps: int, sequences: int, *, from_input: bool
) -> list[list[Run]]:
    """Every layer's runs, from the start of the stage, step by step and within a step sequence by
    sequence.

    ``from_input`` tells that the vectors arrive element by element; else they wait in memory, the
    first ones there already.
    """
    total = steps * sequences
    readers = [[r for r, p in enumerate(places) if k in p.sources] for k in range(len(places))]
    courses = [place.pace.course() for place in places]
    runs: list[list[Run]] = [[] for _ in places]
    arrived: list[list[int]] = [[] for _ in places]

    def before(index: int, other: int, vector: int) -> int | None:
        """The vector that ``other`` must have taken before ``index`` may fill its buffer again."""
        if sequences > 1:
            return vector - sequences if vector >= sequences else None
        held = math.lcm(places[index].pace.block, places[other].pace.block)
        start = (vector // held - 1) * held
        return start if start >= 0 else None

    def arrival(index: int, vector: int) -> int | None:
        """When a vector has arrived; None while that is not known."""
        sources = places[index].sources
        if sources:
            if any(len(runs[source]) <= vector for source in sources):
                return None
            return max(runs[source][vector].end for source in sources)
        while len(arrived[index]) <= vector:
            at = len(arrived[index])
            room = before(index, index, at)
            if room is not None and len(runs[index]) <= room:
                return None
            start = max(
                arrived[index][-1] if at else 0, 0 if room is None else runs[index][room].take
            )
            loads = from_input or at >= sequences
            arrived[index].append(start + (places[index].inputs if loads else 0))
        return arrived[index][vector]

    def advance(index: int) -> bool:
        """Let a layer start on its next vectors, if all that this needs is known."""
        first = len(runs[index])
        if first == total:
            return False
        vectors = range(first, min(first + places[index].pace.block, total))
        ready, free = [], 0
        for vector in vectors:
            for reader in readers[index]:
                taken = before(index, reader, vector)
                if taken is not None:
                    if len(runs[reader]) <= taken:
                        return False
                    free = max(free, runs[reader][taken].take)
            at = arrival(index, vector)
            if at is None:
                return False
            ready.append(at)
        runs[index] += courses[index].run(ready, free)
        return True

    moved = True
    while moved:
        moved = False
        for index in range(len(places)):
            while advance(index):
                moved = True
    assert all(len(found) == total for found in runs), "a wavefront that stands still"
    return runs


def longest_wait(places: Sequence[Place]) -> int:
    """The most cycles that a vector is on its way from a layer to a reader of it, past the layers
    between: the reader's buffer has no room for the next one until then."""
    longest = 0
    for start in range(len(places)):
        ends: dict[int, int] = {start: places[start].pace.cycles}
        for index in range(start + 1, len(places)):
            known = [ends[source] for source in places[index].sources if source in ends]
            if known:
                if start in places[index].sources and len(known) > 1:
                    longest = max(longest, *known)
                ends[index] = max(known) + places[index].pace.cycles
    return longest


def settled_interval(places: Sequence[Place], sequences: int) -> Fraction:
    """Cycles of one step, of any sequence, to which a stage settles, by its recursion.

    For layers whose buffers wait for all sequences, where no sum of cycles says what sets the
    pace. The first steps are left out, until all layers have repeated themselves.
    """
    block = 1 if sequences > 1 else math.lcm(*(place.pace.block for place in places))
    rounds = _SETTLED * len(places)
    while True:
        runs = wavefront(places, rounds * block, sequences, from_input=True)
        taken = [[own[k].take for own in runs] for k in range(0, len(runs[0]), block * sequences)]
        for period in range(1, rounds // 4):
            gains = {
                after - before
                for k in range(rounds // 2, rounds)
                for before, after in zip(taken[k - period], taken[k], strict=True)
            }
            if len(gains) == 1:
                return Fraction(gains.pop(), period * block * sequences)
        rounds *= 2


_SETTLED = 16
"""Rounds a layer after which a stage is first looked at."""
