"""Overlap: the next step's input columns run while the last step drains.

    SC = columns before the first that needs the state: CX - (U - 1) with a window, CX with a
         broadcast, C - 1 without recurrence
    T_ov = max(G PER + 1, T - 1 - SC)

The lanes start on a vector one cycle after the last column of the one before; they stop in front of
column SC until the last step's results are written. Equal to the cycle, as were stacks of such
layers step by step, to a Verilog prototype of one-phase layers; it is not emitted.
Only a layer of one phase without transforms can overlap: a transform needs the whole vector, a
second phase the lanes. Nor can one whose post-processor reads its input again, since the buffer is
given back when the columns have passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnhw.accelerator.mapping.layer import MEASURED, LayerMachine
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.vector_feed import Feed, Segment
from rnnhw.accelerator.schedule.layer_timing import Course, Pace, Run

__all__ = ["Overlapped", "no_overlap", "overlapped", "overlapped_phase", "state_column"]


def state_column(phase: Phase) -> int:
    """SC: the column in front of which a step has to wait for the state."""
    needed = [
        start - _columns_ahead(phase, segment)
        for start, segment in zip(phase.starts, phase.segments, strict=True)
        if not segment.early
    ]
    return max(min(needed), 0) if needed else max(phase.columns - 1, 0)


def _columns_ahead(phase: Phase, segment: Segment) -> int:
    """Columns before its first one in which a segment begins to read its vector."""
    if segment.window is not None:
        return phase.window_units - 1
    if segment.feed is Feed.PAIRS:
        return segment.pair_words(phase.window_units) - 1
    return 0


def no_overlap(layer: LayerMachine) -> str:
    """Why a layer cannot overlap its steps; empty where it can."""
    if layer.measured:
        return f"it {MEASURED}"
    if len(layer.phases) != 1 or not layer.lanes:
        count = len(layer.phases)
        return f"it works in {count} phases" if count > 1 and layer.lanes else "it has no lanes"
    if layer.phases[0].transforms:
        return "it transforms a whole vector before its columns"
    if layer.mapping is not None and layer.mapping.reads_inputs_by_unit:
        return "its post-processor reads the input again"
    return ""


def overlapped(layer: LayerMachine) -> Overlapped:
    """The pace of a layer that can overlap."""
    (phase,) = layer.phases
    return overlapped_phase(phase)


def overlapped_phase(phase: Phase) -> Overlapped:
    """The pace of a layer of one phase."""
    return Overlapped(phase.cycles, phase.groups * phase.group_interval, state_column(phase))


@dataclass(frozen=True)
class Overlapped(Pace):
    """``columns`` is G PER, the cycles in which the lanes are busy; ``wait`` is SC."""

    columns: int
    wait: int

    @property
    def round_cycles(self) -> int:
        return max(self.columns + 1, self.cycles - 1 - self.wait)

    def course(self) -> Course:
        return _Overlapped(self)


class _Overlapped(Course):
    def __init__(self, pace: Overlapped) -> None:
        self._pace = pace
        self._resumed: int | None = None
        self._end = 0

    def run(self, ready: Sequence[int], free: int) -> list[Run]:
        pace = self._pace
        take = max(ready)
        if self._resumed is not None:
            take = max(take, self._resumed - pace.wait + pace.columns)
        resumed = max(take + 1 + pace.wait, free)
        if self._resumed is not None:
            resumed = max(resumed, self._end)
        self._resumed = resumed
        self._end = resumed - 1 - pace.wait + pace.cycles
        return [Run(take, self._end)]
