"""Computes when a long sequence ends, in a time that does not grow with its steps.

The state of a schedule at a step is a vector of times, and of what the buffers of streamed weights
hold. The next state depends on those of a few steps before. If, for more consecutive steps than
anything waits for, every state equals the one ``period`` steps earlier plus ``cycles``, then all
later states do too. Leaving out n such periods lets a sequence end exactly n times ``cycles``
earlier.
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
"""Rounds a place, or sequences, that are simulated before the first check."""

_FIRST_STEPS = 64
"""Steps of a sequence that are simulated before the first check of their middle half."""


@dataclass(frozen=True)
class Shortened:
    """A sequence of fewer ``steps`` that ends ``cycles`` earlier."""

    steps: int
    cycles: int = 0


def shortened(
    steps: int, times: Callable[[int], Sequence[IntArray]], *, block: int = 1, first: int = 0
) -> Shortened:
    """Returns a sequence without the repeated periods of its middle; the whole one if it has none.

    Args:
        steps: the length of the sequence.
        times: simulates a number of steps; returns arrays [step, ...] that together are the state
            of a step, with the last step in the last row of every array.
        block: the number of steps that are taken together.
        first: the first step at which all places run.
    """
    count = max(_FIRST_STEPS, 16 * block, 4 * (first + 1))
    while 2 * count < steps:
        repeated = _period(_middle(times(count), count), block)
        if repeated is not None:
            period, cycles = repeated
            rest = count + (steps - count) % period
            if rest == count or _period(_middle(times(rest), rest), block) == repeated:
                return Shortened(rest, (steps - rest) // period * cycles)
        count *= 2
    return Shortened(steps)


def _middle(times: Sequence[IntArray], steps: int) -> IntArray:
    """The states of the middle half of the steps, one a row."""

    def middle(rows: IntArray) -> IntArray:
        return rows.reshape(len(rows), -1)[len(rows) - steps + steps // 4 :][: steps // 2]

    return np.concatenate([middle(rows) for rows in times], axis=1)


def _period(times: IntArray, block: int) -> tuple[int, int] | None:
    """The number of steps after which all rows repeat, and the cycles between; None if they do
    not."""
    for period in range(block, len(times) // 4 + 1, block):
        gains = times[period:] - times[:-period]
        if gains.size and gains.min() == gains.max():
            return period, int(gains[0, 0])
    return None


# --- wavefronts --------------------------------------------------------------------------------
def last_end(places: Sequence[Place], steps: int, sequences: int, count: int) -> int:
    """Returns the first cycle after the last result of the last ``count`` places; 0 if none runs.

    Args:
        places: of a wavefront, in order.
        steps: the length of a sequence.
        sequences: how many are interleaved.
        count: how many places, from the last one, are looked at.
    """
    first = max(place.reads.first for place in places)
    if sequences > 1:
        simulated: dict[int, list[Turns]] = {}

        def in_turns(count: int) -> list[IntArray]:
            simulated[count] = wavefront_in_turns(places, count, sequences)
            return _times_in_turns(places, simulated[count])

        short = shortened(steps, in_turns, first=first)
        runs = simulated.get(short.steps) or wavefront_in_turns(places, short.steps, sequences)
        ends = [int(turns.ends[-1].max()) for turns in runs[-count:] if turns.ends]
    else:
        block = math.lcm(*(place.pace.block for place in places))
        short = shortened(steps, partial(_times, places, 1), block=block, first=first)
        ends = [
            max(run.end for run in runs_of_place.values())
            for runs_of_place in wavefront(places, [short.steps])[-count:]
            if runs_of_place
        ]
    return max(ends) + short.cycles if ends else 0


def _times(places: Sequence[Place], count: int, steps: int) -> list[IntArray]:
    """The state of every place that runs at every step, for ``count`` sequences of ``steps``
    steps: arrays [step, sequence, times]."""
    runs = wavefront(places, [steps] * count)
    return [
        np.array([(run.take, run.end, *run.held) for run in by_step.values()], np.int64)
        .reshape(count, len(by_step) // count, -1)
        .swapaxes(0, 1)
        for by_step, place in zip(runs, places, strict=True)
        if not place.reads.last
    ]


def _times_in_turns(places: Sequence[Place], turns: Sequence[Turns]) -> list[IntArray]:
    """The state of every place that runs at every step, for interleaved sequences: arrays [step,
    times]."""
    return [
        np.concatenate([np.array(turn.takes), np.array(turn.ends), np.array(turn.held)], axis=1)
        for turn, place in zip(turns, places, strict=True)
        if not place.reads.last
    ]


def settled_interval(places: Sequence[Place], sequences: int) -> Fraction:
    """Returns the cycles a step, of one of the interleaved ``sequences``, once the pace is steady.

    This simulates the wavefront until every place repeats itself. It serves layers whose buffers
    wait for all sequences: for them no formula gives the pace.
    """
    first = max(place.reads.first for place in places)
    rounds = _SETTLED * len(places)
    while True:
        steps = first + rounds
        turns = wavefront_in_turns(places, steps, sequences)
        timed = [turn for turn, place in zip(turns, places, strict=True) if not place.reads.last]
        rows = [
            [int(turn.takes[step - turn.first][0]) for turn in timed]
            for step in range(first, steps)
        ]
        gain = _gain(rows)
        if gain is not None:
            return gain / sequences
        rounds *= 2


def settled_sequence(places: Sequence[Place], steps: int) -> Fraction:
    """Returns the cycles from one sequence of ``steps`` steps to the next, of many back to back,
    once the pace is steady. The places take one step after the other.

    The slowest place sets the pace. Places in front of it may run ahead for long, until the last
    buffer between is full. The end of a place's k-th sequence is a maximum of sums that grow in
    proportion to k, one for every cycle of waits; such a maximum is convex in k, so its gains never
    shrink, and the place with the largest gain is the one that sets the pace.
    """
    count = _SETTLED if steps else 0
    first = max((place.reads.first for place in places), default=0)
    while count:
        short = shortened(steps, partial(_times, places, count), first=first)
        runs = wavefront(places, [short.steps] * count)
        ends = [[run.end for run in by_step.values()] for by_step in runs if by_step]
        rows = [
            [place[(k + 1) * (len(place) // count) - 1] for place in ends] for k in range(count)
        ]
        advances = [last - half for half, last in zip(rows[count // 2 - 1], rows[-1], strict=True)]
        slowest = [k for k, advance in enumerate(advances) if advance == max(advances)]
        gain = _gain([[row[k] for k in slowest] for row in rows])
        if gain is not None:
            return gain + short.cycles
        count *= 2
    return Fraction(0)


def _gain(cycles: Sequence[Sequence[int]]) -> Fraction | None:
    """The cycles from a row to the next if the second half of the rows repeats itself with one
    period in all columns; None if it does not."""
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
