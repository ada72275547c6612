"""Time hls4ml's LSTM in the engine for every rounding and overflow of its accumulator.

    python benchmarks/hls4ml.py [--quick] [--isa plain]

A Vitis LSTM of 16 inputs and 128 units on sequences of 50 steps, as hls4ml types it: every
product and every sum is cast to the accumulator. Random weights and inputs; thread CPU time of a
run whose plan is made already, and of planning alone. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when NumPy loads its libraries

import numpy as np

from rnnhw import engine
from rnnhw.importers import hls4ml
from rnnhw.numerics import Overflow, Rounding
from rnnhw.plan import OPERATION, plan_network

INPUTS, UNITS, STEPS = 16, 128, 50
HLS4ML_MILLISECONDS = 50.0
"""One sequence in hls4ml 1.3.0's own compiled C simulation of this network with its default types:
measured elsewhere, once, on one core (g++ 12.2)."""
BATCHES = (64, 1)
KERNELS = {number: name for name, number in OPERATION.items()}


def imported(accumulator: str) -> hls4ml.Imported:
    """The LSTM with 16-bit types, its accumulator as given."""
    rng = np.random.default_rng(1)
    types = dict.fromkeys(
        ("input_t", "result_t", "rnn_weight_t", "rnn_recurrent_weight_t", "rnn_bias_t"),
        "ap_fixed<16,6>",
    )
    types |= {"rnn_recurrent_bias_t": "ap_fixed<16,6>", "rnn_table_t": "ap_fixed<18,8>"}
    meta = {
        "kind": "LSTM",
        "backend": "Vitis",
        "types": {**types, "rnn_accum_t": accumulator},
        "table_size": 1024,
        "gate_order": "i,f,c,o",
    }
    reach = 1 / np.sqrt(UNITS)
    shapes = {"W": (INPUTS, 4 * UNITS), "U": (UNITS, 4 * UNITS), "b": 4 * UNITS, "bu": 4 * UNITS}
    arrays = {
        f"{name}_int": np.round(rng.uniform(-reach, reach, shape) * 1024).astype(np.int64)
        for name, shape in shapes.items()
    }
    return hls4ml.network(meta, arrays)


def milliseconds(run: Callable[[], object], rounds: int) -> float:
    """The least thread CPU time of a call."""
    times = []
    for _ in range(rounds):
        begin = time.thread_time()
        run()
        times.append(time.thread_time() - begin)
    return 1e3 * min(times)


def accumulators() -> Iterator[tuple[str, str]]:
    """A title and a C++ type for every mode, in the default word and in two that clip or round
    sums themselves."""
    for word, what in (("16,6", "default word"), ("12,2", "narrow"), ("14,6", "coarse")):
        for rounding in Rounding:
            if rounding is Rounding.RND_CONV_ODD:
                continue  # of ac_fixed alone
            for overflow in Overflow:
                modes = f"AP_{rounding.value},AP_{overflow.value}"
                yield f"{what} {rounding.value} {overflow.value}", f"ap_fixed<{word},{modes}>"


def measure(accumulator: str, isa: str | None, rounds: int) -> tuple[list[float], float, str]:
    """Milliseconds a sequence for every batch, milliseconds of planning, and the kernels."""
    model = imported(accumulator)
    rng = np.random.default_rng(2)
    found, kernels, planning = [], set(), 0.0
    for sequences in BATCHES:
        lanes = 16 if sequences > 2 else 1
        batch = model.batch(rng.integers(-1024, 1024, (sequences, STEPS, INPUTS)))
        begin = time.thread_time()
        plan = plan_network(model.network, model.parameters, lanes)
        planning = max(planning, 1e3 * (time.thread_time() - begin))
        spent = milliseconds(lambda: engine.execute(plan, batch, isa), rounds)
        found.append(spent / sequences)
        for scan in plan.scans.values():
            kernels |= {KERNELS[int(row["operation"])] for row in scan.instructions}
    return found, planning, " ".join(sorted(k for k in kernels if k.startswith("rows")))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure each once")
    parser.add_argument("--isa", help="instruction set; the fastest if none is named")
    options = parser.parse_args()
    name = engine.select_isa(options.isa)[1]
    load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 0.0
    print(f"LSTM {INPUTS} to {UNITS}, {STEPS} steps, {name}; load {load:.1f} a core")
    print(f"hls4ml 1.3.0, measured elsewhere: {HLS4ML_MILLISECONDS} ms a sequence\n")
    print(f"{'accumulator':36}", end="")
    for sequences in BATCHES:
        print(f"{f'batch {sequences}, ms':>14}{'ratio':>8}", end="")
    print(f"{'plan, ms':>10}  kernels")
    worst: list[list[float]] = [[] for _ in BATCHES]
    for title, accumulator in accumulators():
        found, planning, kernels = measure(accumulator, options.isa, 1 if options.quick else 5)
        print(f"{title:36}", end="")
        for spent, kept in zip(found, worst, strict=True):
            kept.append(spent)
            print(f"{spent:14.3f}{HLS4ML_MILLISECONDS / spent:7.0f}x", end="")
        print(f"{planning:10.1f}  {kernels}")
        sys.stdout.flush()
    print(f"\n{'slowest':36}", end="")
    for kept in worst:
        print(f"{max(kept):14.3f}{HLS4ML_MILLISECONDS / max(kept):7.0f}x", end="")
    print(f"\n{'median':36}", end="")
    for kept in worst:
        middle = statistics.median(kept)
        print(f"{middle:14.3f}{HLS4ML_MILLISECONDS / middle:7.0f}x", end="")
    print()


if __name__ == "__main__":
    main()
