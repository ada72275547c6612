"""Measure what formats by lane cost, and what a batch of designs gains.

    python benchmarks/lane_formats.py [--isa NAME] [--rounds N] [--steps N]

Sixteen designs of a layer differ in the formats of their states, cells and sums, and have the same
weights. The first table runs 16 sequences as one lane block: with one format in all lanes (each of
the sixteen in turn) and with a format a lane. The second runs one sequence under each design: one
after the other as `simulate` does, and together as `simulate_batch` does, with the plans in the
time. Rounds interleave what is compared, in thread CPU time on one thread; a ratio is the median
over the rounds. Every result by lane is held against the design alone before anything is measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when the library loads

import numpy as np
from machine import processor

from rnnhw import GRU, LSTM, Banded, Design, Elman, Formats, Q
from rnnhw.design.weights import Parameters
from rnnhw.execution import engine
from rnnhw.execution.batch import make_batch
from rnnhw.execution.compiler import LANES, plan_networks
from rnnhw.execution.lane_formats import lanes_of, merged_by_lane
from rnnhw.execution.together import Job, run_together

INPUTS = 16

_LONGER = 4
"""Times as many steps for the first table, of which what a run begins and ends with is no part."""

FORMATS = [
    (Q(0, state), Q(whole, 7 - whole)) for state, whole in product((4, 5, 6, 7), (1, 2, 3, 4))
]
LAYERS = {
    "Elman, H = 64": Elman(64, name="rnn"),
    "Elman, H = 256": Elman(256, name="rnn"),
    "tridiagonal, n = 1,024": Elman(1024, recurrent=Banded(1, 1), name="rnn"),
    "LSTM, H = 64": LSTM(64, name="rnn"),
    "LSTM, H = 256": LSTM(256, name="rnn"),
    "GRU, H = 64": GRU(64, name="rnn"),
}


def designs_of(layer: Elman | LSTM | GRU) -> list[Design]:
    """Sixteen designs of a layer in other formats of its signals."""
    byte = Q(0, 7)
    formats = Formats(input=byte, weight=byte, bias=Q(1, 6), state=byte, cell=Q(3, 7), sum=Q(2, 5))
    base = Design([layer], formats, inputs=INPUTS)
    rng = np.random.default_rng(0)
    weights = {
        tensor.key: rng.normal(0, tensor.shape[-1] ** -0.5, tensor.shape).clip(-0.9, 0.9)
        for tensor in base.network.tensors
    }
    if isinstance(getattr(layer, "recurrent", None), Banded):
        weights["rnn.U"][[0, -1], [0, -1]] = 0  # the corners of a band
    return [
        replace(
            base,
            weights=weights,
            formats=replace(formats, state=state, cell=Q(3, state.fraction), sum=sums),
        )
        for state, sums in FORMATS
    ]


def interleaved(runs: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """The seconds of every run in every round."""
    times = []
    for _ in range(rounds):
        times.append([])
        for run in runs:
            begin = time.thread_time()
            run()
            times[-1].append(time.thread_time() - begin)
    return times


def by_lane(designs: Sequence[Design], steps: int, isa: str | None, rounds: int) -> str:
    """A row of the first table."""
    x = np.random.default_rng(1).uniform(-1, 1, (LANES, steps, INPUTS))
    networks = [design.network for design in designs]
    parameters = [design.parameters for design in designs]
    lanes, products = lanes_of(LANES), engine.byte_products(isa)
    plans = plan_networks(networks, parameters, LANES, (), products, by_lane=True)
    merged = merged_by_lane(plans, lanes)
    own = [make_batch(network, x[k : k + 1]) for k, network in enumerate(networks)]
    whole = [make_batch(network, x) for network in networks]
    alone = [
        engine.plan_for(network, each, LANES, isa=isa)
        for network, each in zip(networks, parameters, strict=True)
    ]
    found = engine.execute_by_lane(merged, plans, own, lanes, isa, 1)
    for plan, batch, run in zip(alone, own, found, strict=True):
        exact = engine.execute(plan, batch, isa)
        assert np.array_equal(run.outputs, exact.outputs) and run.events == exact.events
    runs = [lambda: engine.execute_by_lane(merged, plans, own, lanes, isa, 1)]
    for plan, batch in zip(alone, whole, strict=True):
        runs.append(lambda plan=plan, batch=batch: engine.execute(plan, batch, isa))
    times = interleaved(runs, rounds)
    ratios = [row[0] / statistics.mean(row[1:]) for row in times]
    micro = [statistics.median(column) / steps * 1e6 for column in zip(*times, strict=True)]
    return (
        f"{min(micro[1:]):.2f} to {max(micro[1:]):.2f} | {statistics.mean(micro[1:]):.2f} "
        f"| {micro[0]:.2f} | {statistics.median(ratios):.2f}"
    )


def studied(designs: Sequence[Design], steps: int, isa: str | None, rounds: int) -> str:
    """A row of the second table: designs of equal and of other weights."""
    x = np.random.default_rng(1).uniform(-1, 1, (1, steps, INPUTS))
    texts = []
    for other_weights in (False, True):
        jobs = []
        for number, design in enumerate(designs):
            raw = dict(design.parameters.raw)
            if other_weights:
                raw["rnn.U"] = np.roll(raw["rnn.U"], number, 0)
            parameters = replace(design.parameters, raw=raw)
            jobs.append(Job(design.network, parameters, make_batch(design.network, x)))
        times = interleaved([partial(_each, jobs, isa), partial(_together, jobs, isa)], rounds)
        ratio = statistics.median(one / both for one, both in times)
        alone, shared = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
        texts.append(f"{alone:.1f} | {shared:.1f} | {ratio:.2f}")
    return " | ".join(texts)


def _each(jobs: Sequence[Job], isa: str | None) -> None:
    for job in jobs:
        engine.run(job.network, _fresh(job.parameters), job.batch, isa=isa, threads=1)


def _together(jobs: Sequence[Job], isa: str | None) -> None:
    run_together(jobs, isa=isa, threads=1)


def _fresh(parameters: Parameters) -> Parameters:
    """The same numbers, for which no plan is kept."""
    return replace(parameters)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isa", help="the instruction set; by default the fastest here")
    parser.add_argument("--rounds", type=int, default=9, help="rounds, each of all runs")
    parser.add_argument("--steps", type=int, default=4000, help="steps of a sequence")
    options = parser.parse_args()
    level = options.isa or engine.select_isa(None)[1]
    long = _LONGER * options.steps
    print(f"{processor()}, {level}, median of {options.rounds} rounds\n")
    print(f"{long:,} steps:\n")
    print("| 16 sequences | one format, us a step | mean | 16 formats | ratio |")
    print("|---|---|---|---|---|")
    for name, layer in LAYERS.items():
        print(f"| {name} | {by_lane(designs_of(layer), long, level, options.rounds)} |")
    print(f"\n{options.steps:,} steps:\n")
    print("| 16 designs, one sequence, ms | equal weights: alone | together | ratio "
          "| other weights: alone | together | ratio |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for name, layer in LAYERS.items():
        print(f"| {name} | {studied(designs_of(layer), options.steps, level, options.rounds)} |")


if __name__ == "__main__":
    main()
