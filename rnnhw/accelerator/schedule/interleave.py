"""Interleaving: K independent sequences take turns on a layer's lanes.

    busy = G PER (and the feed's transforms), at most T
    interval of K steps = max(K busy, T);   saturated from K = ceil(T / busy)

While a sequence waits for its recurrence the lanes do the same step of the next sequence. Assumed:
a bank of every state and vector memory for each sequence, a bank number beside the clear flag
through lanes and post-processor, and no gap from the last column of a sequence to the first of the
next. One post-processor is enough: P accumulators leave it in the PER cycles of the next group.
Only layers of one phase interleave so, since between two phases the lanes would be asked for by
two sequences at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnhw.accelerator.mapping.layer import MEASURED, LayerMachine
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.schedule.layer_timing import Course, IntArray, Pace, Run, spaced

__all__ = ["Interleaved", "busy_cycles", "busy_of", "interleaved", "no_interleave", "saturation"]


def busy_cycles(layer: LayerMachine) -> int:
    """Cycles of a step in which the lanes are not free for another sequence."""
    return busy_of(layer.phases, layer.cycles)


def busy_of(phases: Sequence[Phase], cycles: int) -> int:
    """The same of phases that take so many cycles in all."""
    busy = sum(p.transform_cycles + p.groups * p.group_interval for p in phases)
    return min(busy, cycles) if phases else cycles


def no_interleave(layer: LayerMachine) -> str:
    """Why a layer cannot take sequences in turns; empty where it can."""
    if layer.measured:
        return f"it {MEASURED}"
    count = len(layer.phases)
    return f"it works in {count} phases" if count > 1 else ""


def saturation(layer: LayerMachine) -> int:
    """The sequences from which on more of them bring no more steps a second."""
    return -(-layer.cycles // busy_cycles(layer))


def interleaved(layer: LayerMachine, sequences: int) -> Interleaved:
    """The pace of a layer with so many sequences."""
    # A layer that runs once a sequence keeps one sequence at a time where it has several phases.
    busy = layer.cycles if no_interleave(layer) else busy_cycles(layer)
    return Interleaved(layer.cycles, busy, sequences)


@dataclass(frozen=True)
class Interleaved(Pace):
    """``sequences`` in turn, each ``busy`` cycles on the lanes."""

    busy: int
    sequences: int

    @property
    def steps(self) -> int:
        return self.sequences

    @property
    def round_cycles(self) -> int:
        return max(self.sequences * self.busy, self.cycles)

    def course(self) -> Course:
        return _Interleaved(self)


class _Interleaved(Course):
    def __init__(self, pace: Interleaved) -> None:
        self._pace = pace
        self._taken: IntArray | None = None

    def run(self, ready: Sequence[int], free: int) -> list[Run]:
        """Of one step, which has a vector of every sequence."""
        takes, ends = self.turn(np.array(ready), np.full(len(ready), free))
        return [Run(take, end) for take, end in zip(takes.tolist(), ends.tolist(), strict=True)]

    def turn(self, ready: IntArray, free: IntArray) -> tuple[IntArray, IntArray]:
        pace = self._pace
        earliest = np.maximum(ready, free)
        if self._taken is not None:
            earliest = np.maximum(earliest, self._taken + pace.cycles)
            earliest[0] = max(earliest[0], self._taken[-1] + pace.busy)
        self._taken = spaced(earliest, pace.busy)
        return self._taken, self._taken + pace.cycles
