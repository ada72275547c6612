"""Networks that differ in formats and numbers alone, run on batches of their own.

They share a plan: every decision is made once, by what holds of all of them. Each gives what it
gives alone, bit for bit, count for count and event for event.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rnnhw.design.weights import Parameters
from rnnhw.execution.batch import Batch
from rnnhw.execution.compiler import format_storage, plan_networks
from rnnhw.execution.engine import EngineRun, byte_products, execute_shares, run, sides
from rnnhw.execution.variants import PlansDifferError, structure_of
from rnnhw.graph.network import Network

__all__ = ["Job", "run_together"]


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
    groups: dict[Hashable, list[int]] = {}
    for place, job in enumerate(jobs):
        groups.setdefault((structure_of(job.network), _words(job)), []).append(place)
    found: dict[int, EngineRun] = {}
    for places in groups.values():
        runs = _run_group([jobs[place] for place in places], traces, isa, threads)
        found.update(zip(places, runs, strict=True))
    return [found[place] for place in range(len(jobs))]


def _words(job: Job) -> Hashable:
    """What decides in which words a network is computed: one with narrow words would be slower
    beside one with wide ones."""
    signals = job.network.signals().values()
    return job.batch.sequences, tuple(format_storage(node.format) for node in signals)


def _run_group(
    jobs: Sequence[Job], traces: Sequence[str], isa: str | None, threads: int | None
) -> list[EngineRun]:
    """Jobs of one structure with words of the same kinds."""
    networks, parameters = [job.network for job in jobs], [job.parameters for job in jobs]
    products = byte_products(isa)
    blocks = sides(jobs[0].batch.sequences)
    try:
        if len(jobs) == 1:
            raise PlansDifferError
        plans = [plan_networks(networks, parameters, side, traces, products) for side, _ in blocks]
    except PlansDifferError:
        return [
            run(job.network, job.parameters, job.batch, traces, isa=isa, threads=threads)
            for job in jobs
        ]
    counts = [count for _, count in blocks]
    return [
        execute_shares(list(zip(shares, counts, strict=True)), job.batch, isa, threads, None)
        for job, *shares in zip(jobs, *plans, strict=True)
    ]
