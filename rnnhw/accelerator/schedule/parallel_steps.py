"""Steps in parallel: a layer without state takes R steps together.

    R P lanes, one pass of T cycles for R steps

The R input vectors lie in R banks and share every weight word and every bias. P lanes and a
post-processor with tables and multipliers work on one vector. The layer waits until R steps have
arrived, and all R results are there at once; the next layer reads them one by one, or together.
The last steps of a sequence that do not fill a pass take a whole one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rnnhw.accelerator.mapping.layer import LayerMachine
from rnnhw.accelerator.mapping.memory import MemoryKind
from rnnhw.accelerator.mapping.multipliers import Multiplier
from rnnhw.accelerator.mapping.traffic import traffic_of
from rnnhw.accelerator.schedule.layer_timing import Course, Pace, Run

__all__ = ["Together", "multiplied", "together"]


def together(layer: LayerMachine, steps: int) -> Together:
    """The pace of a layer that takes so many steps together."""
    return Together(layer.cycles, steps)


def multiplied(layer: LayerMachine, steps: int) -> LayerMachine:
    """The layer with the lanes, post-processors and banks for so many steps; weights once.

    Its traffic is still that of one step: its share of the common reads, rounded up.
    """
    kept = (MemoryKind.WEIGHTS, MemoryKind.BIASES)
    memories = []
    for memory in layer.memories:
        if memory.kind in kept:
            memories.append(replace(memory, reads=-(-memory.reads // steps)))
        else:
            # The tables are copies of one another, the vectors are others.
            stored = memory.stored_bits * (1 if memory.kind is MemoryKind.TABLES else steps)
            memories.append(replace(memory, copies=memory.copies * steps, stored_bits=stored))
    return replace(
        layer,
        lanes=layer.lanes * steps,
        traffic=traffic_of(memories),
        memories=tuple(memories),
        multipliers=tuple(
            Multiplier(each.count * steps, each.a_bits, each.b_bits) for each in layer.multipliers
        ),
    )


@dataclass(frozen=True)
class Together(Pace):
    """``together`` steps in one pass."""

    together: int

    @property
    def block(self) -> int:
        return self.together

    @property
    def round_cycles(self) -> int:
        return self.cycles

    def course(self) -> Course:
        return _Together(self.cycles)


class _Together(Course):
    def __init__(self, cycles: int) -> None:
        self._cycles = cycles
        self._next = 0

    def run(self, ready: Sequence[int], free: int) -> list[Run]:
        take = max(self._next, free, *ready)
        self._next = take + self._cycles
        return [Run(take, self._next)] * len(ready)
