"""Networks that differ in formats and numbers alone, run on batches of their own.

They share a plan: every decision is made once, by what holds of all of them. Each gives what it
gives alone, bit for bit, count for count and event for event.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.weights import Parameters
from rnnhw.execution.batch import Batch
from rnnhw.execution.compiler import LANES, format_storage, plan_networks
from rnnhw.execution.engine import (
    EngineRun,
    byte_products,
    execute_by_lane,
    execute_shares,
    sides,
)
from rnnhw.execution.lane_formats import lanes_of, merged_by_lane
from rnnhw.execution.variants import PlansDifferError, structure_of
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Matvec

__all__ = ["Job", "run_together"]

_BY_LANE = 1.25
"""Time of a lane block whose lanes have constants of their own, in blocks with one for all."""

_OF_ALONE = 0.3
"""Time of one sequence alone, in lane blocks."""


@dataclass(frozen=True, eq=False)
class Job:
    """A network with the integers of its tensors, and what it runs on."""

    network: Network
    parameters: Parameters
    batch: Batch


def run_together(
    jobs: Sequence[Job],
    traces: Sequence[str] = (),
    *,
    isa: str | None = None,
    threads: int | None = None,
) -> list[EngineRun]:
    """The runs of all jobs, in their order.

    Args:
        jobs: networks of any structure; those of one structure share plans.
        traces: names of the signals to record.
        isa: the instruction set; None takes the fastest that runs here.
        threads: cores that share the sequences of a job; None takes all.

    Raises:
        UsageError: the instruction set is not there, or ``threads`` is below one.
        DesignError: a trace names no signal.
    """
    found: dict[int, EngineRun] = {}
    structures = [structure_of(job.network) if len(jobs) > 1 else None for job in jobs]
    shared = _SharedBlock()
    few = [place for place, job in enumerate(jobs) if job.batch.sequences < LANES]
    for places in _alike(few, lambda place: (structures[place], shared.of(jobs[place]))):
        if not _worth_lanes(len(places), jobs[places[0]].batch.sequences):
            continue
        for first in range(0, len(places), LANES):
            some = places[first : first + LANES]
            runs = _run_by_lane([jobs[place] for place in some], traces, isa, threads)
            found.update(zip(some, runs, strict=False))
    left = [place for place in range(len(jobs)) if place not in found]
    for places in _alike(left, lambda place: (structures[place], _words(jobs[place]))):
        runs = _run_group([jobs[place] for place in places], traces, isa, threads)
        found.update(zip(places, runs, strict=True))
    return [found[place] for place in range(len(jobs))]


def _alike(places: Sequence[int], likeness: Callable[[int], Hashable]) -> list[list[int]]:
    """The places in groups of those that are alike."""
    groups: dict[Hashable, list[int]] = {}
    for place in places:
        groups.setdefault(likeness(place) if len(places) > 1 else None, []).append(place)
    return list(groups.values())


def _words(job: Job) -> Hashable:
    """What decides in which words a network is computed: one with narrow words would be slower
    beside one with wide ones."""
    signals = job.network.signals().values()
    return job.batch.sequences, tuple(format_storage(node.format) for node in signals)


class _SharedBlock:
    """What networks that share lane blocks have in common: sequences, and the integers of their
    weights."""

    def __init__(self) -> None:
        self._known: list[NDArray[np.int64]] = []

    def of(self, job: Job) -> Hashable:
        """Equal for networks of one structure that can share blocks."""
        weights = {
            node.weights.key
            for scan in job.network.scans
            for node in scan.graph.nodes
            if isinstance(node, Matvec) and node.weights is not None
        }
        contents = tuple(self._place(job.parameters.raw[key]) for key in sorted(weights))
        return job.batch.inputs.shape, job.batch.lengths.tobytes(), contents

    def _place(self, numbers: NDArray[np.int64]) -> int:
        """The place of an equal array among those that are known."""
        for place, known in enumerate(self._known):
            if known is numbers or np.array_equal(known, numbers):
                return place
        self._known.append(numbers)
        return len(self._known) - 1


def _worth_lanes(networks: int, sequences: int) -> bool:
    """Whether blocks that networks share cost less than blocks, or single lanes, of their own."""
    if networks < 2:
        return False
    of_blocks, left = divmod(networks, LANES)
    shared = of_blocks * sequences
    if left:
        shared += -(-sequences // (LANES // left))
    own = sum(n / LANES if side == LANES else n * _OF_ALONE for side, n in _blocks(sequences))
    return shared * _BY_LANE < networks * own


def _blocks(sequences: int) -> list[tuple[int, int]]:
    """Sides and sequences, with those that fill up the last block."""
    return [(side, -(-count // side) * side) for side, count in _sides(sequences)]


def _run_by_lane(
    jobs: Sequence[Job], traces: Sequence[str], isa: str | None, threads: int | None
) -> list[EngineRun]:
    """Up to 16 jobs of one structure and of equal weights in the lanes of the same blocks; none
    where an instruction has no kernel by lane."""
    networks, parameters = [job.network for job in jobs], [job.parameters for job in jobs]
    lanes = lanes_of(len(jobs))
    try:
        plans = plan_networks(networks, parameters, LANES, traces, byte_products(isa), True)
        merged = merged_by_lane(plans, lanes)
    except PlansDifferError:
        return []
    batches = [job.batch for job in jobs]
    return execute_by_lane(merged, plans, batches, lanes, isa, threads)


def _run_group(
    jobs: Sequence[Job], traces: Sequence[str], isa: str | None, threads: int | None
) -> list[EngineRun]:
    """Jobs of one structure with words of the same kinds."""
    networks, parameters = [job.network for job in jobs], [job.parameters for job in jobs]
    blocks = _sides(jobs[0].batch.sequences)
    try:
        plans = [
            plan_networks(networks, parameters, side, traces, byte_products(isa))
            for side, _ in blocks
        ]
    except PlansDifferError:
        return [each for job in jobs for each in _run_group([job], traces, isa, threads)]
    counts = [count for _, count in blocks]
    return [
        execute_shares(list(zip(shares, counts, strict=True)), job.batch, isa, threads, None)
        for job, *shares in zip(jobs, *plans, strict=True)
    ]


def _sides(sequences: int) -> list[tuple[int, int]]:
    """The sides of a plan that runs once: a second one for the last few sequences costs more than
    the lanes that they leave empty."""
    return sides(sequences, LANES if sequences > LANES else None)
