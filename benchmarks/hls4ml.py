"""Time hls4ml's LSTM in the engine for every rounding and overflow of its accumulator.

    python benchmarks/hls4ml.py [--quick] [--isa plain] [-o result.json]

A Vitis LSTM of 16 inputs and 128 units on sequences of 50 steps, as hls4ml types it: every
product and every sum is cast to the accumulator. Random weights and inputs; thread CPU time of a
run whose plan is made already, and of planning alone. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when NumPy loads its libraries

import numpy as np

from rnnhw.conversion import hls4ml
from rnnhw.execution import engine
from rnnhw.execution.compiler import plan_network
from rnnhw.execution.instructions import OPERATION
from rnnhw.numerics.cast import Overflow, Rounding

INPUTS, UNITS, STEPS = 16, 128, 50
HLS4ML_MILLISECONDS = 50.0
"""One sequence in hls4ml 1.3.0's own compiled C simulation of this network with its default types:
measured elsewhere, once, on one core (g++ 12.2)."""
BATCHES = (64, 1)
KERNELS = {number: name for name, number in OPERATION.items()}


@dataclass(frozen=True)
class Types:
    """The C++ types of a model: one for inputs, states and weights, and the accumulator."""

    name: str
    word: str
    accumulator: str

    def imported(self) -> hls4ml.Imported:
        """The LSTM with these types and random numbers."""
        rng = np.random.default_rng(1)
        named = ("input", "result", "rnn_weight", "rnn_recurrent_weight")
        named += ("rnn_bias", "rnn_recurrent_bias")
        types = {f"{name}_t": f"ap_fixed<{self.word}>" for name in named}
        types |= {"rnn_table_t": "ap_fixed<18,8>", "rnn_accum_t": self.accumulator}
        meta = {
            "kind": "LSTM",
            "backend": "Vitis",
            "types": types,
            "table_size": 1024,
            "gate_order": "i,f,c,o",
        }
        rows, reach = 4 * UNITS, 1 / np.sqrt(UNITS)
        shapes = {"W": (INPUTS, rows), "U": (UNITS, rows), "b": rows, "bu": rows}
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


def models() -> Iterator[Types]:
    """Every mode of accumulators that hold most sums, clip most of them, round hard, or are fed
    by words beyond 16 bits."""
    words = {
        "16 bits": ("16,6", "16,6"),
        "16 bits, narrow sums": ("16,6", "12,2"),
        "16 bits, coarse sums": ("16,6", "14,6"),
        "18 bits": ("18,8", "18,8"),
    }
    for name, (word, accumulator) in words.items():
        for rounding in Rounding:
            if rounding is Rounding.RND_CONV_ODD:
                continue  # of ac_fixed alone
            for overflow in Overflow:
                modes = f"{rounding.value} {overflow.value}"
                kind = f"ap_fixed<{accumulator},AP_{rounding.value},AP_{overflow.value}>"
                yield Types(f"{name}, {modes}", word, kind)


def measure(types: Types, isa: str | None, rounds: int) -> dict[str, object]:
    """Milliseconds a sequence for every batch, milliseconds of planning, and the kernels."""
    model = types.imported()
    rng = np.random.default_rng(2)
    spent: dict[str, float] = {}
    kernels: set[str] = set()
    planning = 0.0
    for sequences in BATCHES:
        batch = model.batch(rng.integers(-1024, 1024, (sequences, STEPS, INPUTS)))
        make = partial(plan_network, model.network, model.parameters, 16 if sequences > 2 else 1)
        planning = max(planning, milliseconds(make, rounds))
        plan = make()
        run = partial(engine.execute, plan, batch, isa)
        spent[f"batch {sequences}"] = milliseconds(run, rounds) / sequences
        for scan in plan.scans.values():
            kernels |= {KERNELS[int(row["operation"])] for row in scan.instructions}
    rows = sorted(kernel for kernel in kernels if kernel.startswith("rows"))
    return {"model": types.name, "milliseconds": spent, "planning": planning, "kernels": rows}


def line(name: str, spent: Sequence[float]) -> str:
    """A row of the table: milliseconds a sequence and how often they go into hls4ml's."""
    cells = (f"{each:14.3f}{HLS4ML_MILLISECONDS / each:7.0f}x" for each in spent)
    return f"{name:36}" + "".join(cells)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure each once")
    parser.add_argument("--isa", help="instruction set; the fastest if none is named")
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    name = engine.select_isa(options.isa)[1]
    load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 0.0
    print(f"LSTM {INPUTS} to {UNITS}, {STEPS} steps, {name}; load {load:.1f} a core")
    print(f"hls4ml 1.3.0, measured elsewhere: {HLS4ML_MILLISECONDS} ms a sequence\n")
    head = "".join(f"{f'batch {sequences}, ms':>14}{'ratio':>8}" for sequences in BATCHES)
    print(f"{'accumulator':36}{head}{'plan, ms':>10}  kernels")
    results = []
    for types in models():
        found = measure(types, options.isa, 1 if options.quick else 5)
        results.append(found)
        row = line(types.name, list(found["milliseconds"].values()))
        print(f"{row}{found['planning']:10.1f}  {' '.join(found['kernels'])}", flush=True)
    for title, reduced in (("slowest", max), ("median", statistics.median)):
        times = [[each["milliseconds"][f"batch {n}"] for each in results] for n in BATCHES]
        print(line(title, [reduced(column) for column in times]))
    if options.output is not None:
        about = {"isa": name, "load_per_core": load, "hls4ml_milliseconds": HLS4ML_MILLISECONDS}
        options.output.write_text(json.dumps({**about, "models": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
