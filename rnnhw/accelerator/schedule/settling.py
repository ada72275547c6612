"""What a schedule settles to, in a time that does not grow with the steps of a sequence.

A vector waits for others of a few steps before. Let all that is to be known of a step, its times
and what its weights' buffer holds, be that of ``period`` steps before and ``cycles`` later, for
more steps in a row than anything waits for. Then the next steps repeat them too, and the sequence
ends as one without any number of such periods ends, by their cycles later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from rnnhw.accelerator.schedule.layer_timing import IntArray
from rnnhw.accelerator.schedule.turns import Turns, wavefront_in_turns
from rnnhw.accelerator.schedule.wavefront import Place, wavefront

__all__ = ["Shortened", "last_end", "settled_interval", "settled_sequence", "shortened"]

_SETTLED = 16
"""Rounds a place, or sequences, after which they are first looked at."""

_FIRST_STEPS = 64
"""Steps of a sequence after which its middle half is first looked at."""


@dataclass(frozen=True)
class Shortened:
    """A sequence of fewer ``steps``, whose end comes ``cycles`` earlier."""

    steps: int
    cycles: int = 0


def shortened(
    steps: int, times: Callable[[int], Sequence[IntArray]], *, block: int = 1, first: int = 0
) -> Shortened:
    """The sequence of ``steps`` steps without periods of its middle; itself where there are none.

    Args:
        steps: of the sequence.
        times: for a number of steps, arrays [step, ...] of all that is to be known of each; the
            last row of all is the last step's.
        block: steps that are taken together.
        first: the first step on which all run.
    """
    count = max(_FIRST_STEPS, 16 * block, 4 * (first + 1))
    while 2 * count < steps:
        found = _period(_middle(times(count), count), block)
        if found is not None:
            period, cycles = found
            rest = count + (steps - count) % period
            if rest == count or _period(_middle(times(rest), rest), block) == found:
                return Shortened(rest, (steps - rest) // period * cycles)
        count *= 2
    return Shortened(steps)


def _middle(times: Sequence[IntArray], steps: int) -> IntArray:
    """The middle half of the steps, all that is known of one in a row."""
    return np.concatenate(
        [own.reshape(len(own), -1)[len(own) - steps + steps // 4 :][: steps // 2] for own in times],
        axis=1,
    )


def _period(times: IntArray, block: int) -> tuple[int, int] | None:
    """Steps after which all rows repeat, and the cycles between."""
    for period in range(block, len(times) // 4 + 1, block):
        gains = times[period:] - times[:-period]
        if gains.size and gains.min() == gains.max():
            return period, int(gains[0, 0])
    return None


# --- wavefronts --------------------------------------------------------------------------------
def last_end(places: Sequence[Place], steps: int, sequences: int, count: int) -> int:
    """The first cycle after the last result of the last ``count`` places on ``steps`` steps; 0
    where none of them runs."""
    first = max(place.reads.first for place in places)
    if sequences > 1:
        turns: dict[int, list[Turns]] = {}

        def in_turns(count: int) -> list[IntArray]:
            turns[count] = wavefront_in_turns(places, count, sequences)
            return _times_in_turns(places, turns[count])

        short = shortened(steps, in_turns, first=first)
        runs = turns.get(short.steps) or wavefront_in_turns(places, short.steps, sequences)
        ends = [int(own.ends[-1].max()) for own in runs[-count:] if own.ends]
    else:
        block = math.lcm(*(place.pace.block for place in places))
        short = shortened(steps, partial(_times, places, 1), block=block, first=first)
        ends = [
            max(run.end for run in own.values())
            for own in wavefront(places, [short.steps])[-count:]
            if own
        ]
    return max(ends) + short.cycles if ends else 0


def _times(places: Sequence[Place], count: int, steps: int) -> list[IntArray]:
    """Of every place that runs at every step, what is known of each: [step, sequence, times]."""
    runs = wavefront(places, [steps] * count)
    return [
        np.array([(run.take, run.end, *run.held) for run in own.values()], np.int64)
        .reshape(count, len(own) // count, -1)
        .swapaxes(0, 1)
        for own, place in zip(runs, places, strict=True)
        if not place.reads.last
    ]


def _times_in_turns(places: Sequence[Place], turns: Sequence[Turns]) -> list[IntArray]:
    """The same of interleaved sequences, [step, times]."""
    return [
        np.concatenate([np.array(own.takes), np.array(own.ends), np.array(own.held)], axis=1)
        for own, place in zip(turns, places, strict=True)
        if not place.reads.last
    ]


def settled_interval(places: Sequence[Place], sequences: int) -> Fraction:
    """Cycles of one step, of any of the interleaved ``sequences``, to which places settle, by
    their recursion.

    For layers whose buffers wait for all sequences, where no sum of cycles says what sets the
    pace. The first steps are left out, until all layers have repeated themselves.
    """
    first = max(place.reads.first for place in places)
    rounds = _SETTLED * len(places)
    while True:
        steps = first + rounds
        turns = wavefront_in_turns(places, steps, sequences)
        found = [own for own, place in zip(turns, places, strict=True) if not place.reads.last]
        rows = [
            [int(own.takes[step - own.first][0]) for own in found] for step in range(first, steps)
        ]
        gain = _gain(rows)
        if gain is not None:
            return gain / sequences
        rounds *= 2


def settled_sequence(places: Sequence[Place], steps: int) -> Fraction:
    """Cycles from one sequence of ``steps`` steps to the next, of many back to back, to which
    places settle that take one step after the other.

    The slowest place sets them. Those in front of it may be ahead for long, until the last buffer
    between is full, at gains below its own: the end of a place's k-th sequence is the largest of
    sums that grow evenly with k, one a cycle of waits, and such a maximum is convex.
    """
    count = _SETTLED if steps else 0
    first = max((place.reads.first for place in places), default=0)
    while count:
        short = shortened(steps, partial(_times, places, count), first=first)
        runs = wavefront(places, [short.steps] * count)
        ends = [[run.end for run in own.values()] for own in runs if own]
        each = [len(own) // count for own in ends]
        rows = [
            [own[(k + 1) * n - 1] for own, n in zip(ends, each, strict=True)] for k in range(count)
        ]
        advances = [last - half for half, last in zip(rows[count // 2 - 1], rows[-1], strict=True)]
        slowest = [k for k, advance in enumerate(advances) if advance == max(advances)]
        gain = _gain([[row[k] for k in slowest] for row in rows])
        if gain is not None:
            return gain + short.cycles
        count *= 2
    return Fraction(0)


def _gain(cycles: Sequence[Sequence[int]]) -> Fraction | None:
    """Cycles from a row to the next where the second half repeats itself in all columns."""
    count = len(cycles)
    for period in range(1, count // 4):
        gains = {
            after - before
            for k in range(count // 2, count)
            for before, after in zip(cycles[k - period], cycles[k], strict=True)
        }
        if len(gains) == 1:
            return Fraction(gains.pop(), period)
    return None
