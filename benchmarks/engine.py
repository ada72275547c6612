"""Measure the engine beside its peers: one run, interleaved, CPU time.

    python benchmarks/engine.py [--quick] [-o result.json]

Every peer computes the same Elman step, h' = f(W x + U h + b), on the same numbers; those in
integers are checked to give the engine's very bits. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when NumPy loads its libraries

import numpy as np
from machine import Peak, load, processor
from numpy.typing import NDArray

from rnnhw import Banded, Dense, Design, Elman, Formats, Hadamard, Q, simulate
from rnnhw.design.tasks import Samples
from rnnhw.execution import engine, golden
from rnnhw.execution.batch import Batch, make_batch
from rnnhw.graph.nodes import Lookup

IntArray = NDArray[np.int64]
Array = NDArray[np.generic]
Peer = Callable[[int], IntArray | None]
"""Runs that many steps; integer peers give the raw outputs [sequences, steps, units]."""

INPUTS = 8
FORMATS = Formats(input=Q(0, 7), weight=Q(0, 7), bias=Q(0, 7), sum=Q(2, 5), state=Q(0, 7))
"""Eight bits everywhere; the sum is exact in 32 bits before it is cast to the table's address."""

SIMULATE = "rnnhw simulate()"

HEAVY_LOAD = 0.5
"""Runnable processes a core, beside this one, above which the table carries a warning."""


@dataclass(frozen=True)
class Case:
    """A layer and a batch; ``steps`` keeps the engine busy for about 20 ms."""

    structure: Dense | Banded | Hadamard
    batch: int
    hidden: int
    steps: int

    @property
    def name(self) -> str:
        """How the table calls it."""
        return f"{self.structure.name} batch {self.batch} hidden {self.hidden}"

    @property
    def unit(self) -> str:
        """What is counted: multiply-accumulates, or additions where the transform has no others."""
        return "Gadd/s" if isinstance(self.structure, Hadamard) else "GMAC/s"


CASES = [
    Case(Dense(), 64, 64, 600),
    Case(Dense(), 64, 256, 120),
    Case(Dense(), 64, 1024, 12),
    Case(Dense(), 1, 64, 20000),
    Case(Dense(), 1, 256, 4000),
    Case(Dense(), 1, 1024, 300),
    Case(Banded(1, 1), 64, 256, 300),
    Case(Banded(1, 1), 64, 1024, 80),
    Case(Hadamard(), 64, 256, 150),
]


@dataclass
class Problem:
    """A case with its numbers: seeded, uniform, with some sums that saturate."""

    case: Case
    design: Design = field(init=False)
    samples: Samples = field(init=False)
    batch: Batch = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(1)
        n, case = self.case.hidden, self.case
        weights = {"rnn.W": rng.uniform(-1, 1, (n, INPUTS)), "rnn.b": rng.uniform(-1, 1, n)}
        match case.structure:
            case Dense():
                weights["rnn.U"] = rng.uniform(-1, 1, (n, n)) * 3 / math.sqrt(n)
            case Banded():
                band = rng.uniform(-1, 1, (3, n))
                band[0, 0] = band[2, -1] = 0  # corners outside the matrix
                weights["rnn.U"] = band
            case Hadamard():
                weights["rnn.U.before"] = rng.uniform(-1, 1, n)
                weights["rnn.U.after"] = rng.uniform(-1, 1, n) / math.sqrt(n)
        layer = Elman(n, recurrent=case.structure, name="rnn")
        self.design = Design(layers=[layer], formats=FORMATS, weights=weights, inputs=INPUTS)
        x = rng.uniform(-1, 1, (case.batch, case.steps, INPUTS))
        self.samples = Samples(x, np.full(case.batch, case.steps), None)
        self.batch = make_batch(self.design.network, x)

    @property
    def raw(self) -> dict[str, IntArray]:
        """The quantised tensors."""
        return dict(self.design.parameters.raw)

    @property
    def table(self) -> IntArray:
        """The entries of tanh by the eight bits of the sum."""
        graph = self.design.network.scans[0].graph
        return next(node.table.entries for node in graph.nodes if isinstance(node, Lookup))


# --- peers: each gives a function of the number of steps ------------------------------------------
def engine_peer(problem: Problem, isa: str) -> Peer:
    """The engine with a plan made before."""
    lanes = 16 if problem.case.batch > 2 else 1
    plan = engine.plan_for(problem.design.network, problem.design.parameters, lanes, isa=isa)
    batch = problem.batch
    parts = {}

    def run(steps: int) -> IntArray:
        if steps not in parts:
            lengths = np.full(batch.sequences, steps)
            inputs = np.ascontiguousarray(batch.inputs[:, :steps])
            parts[steps] = Batch(inputs, lengths, batch.initial)
        return engine.execute(plan, parts[steps], isa).outputs

    return run


def simulate_peer(problem: Problem) -> Peer:
    """The whole call: inputs quantised, plan made, run."""

    def run(steps: int) -> IntArray:
        samples = problem.samples
        part = Samples(samples.x[:, :steps], np.minimum(samples.lengths, steps))
        return simulate(problem.design, samples=part).run.outputs

    return run


def golden_peer(problem: Problem) -> Peer:
    """The definition in Python integers."""

    def run(steps: int) -> IntArray:
        inputs = problem.batch.inputs[:, :steps]
        batch = Batch(inputs, np.full(len(inputs), steps), problem.batch.initial)
        return golden.run(problem.design.network, problem.design.parameters, batch).outputs

    return run


def numpy_peer(problem: Problem, dtype: type) -> Peer:
    """The integer step in NumPy, matrices of ``dtype`` (float64 is exact: sums stay below 2^53)."""
    raw, table = problem.raw, problem.table
    w = np.ascontiguousarray(raw["rnn.W"].T.astype(dtype))
    recurrent, fraction = numpy_recurrence(problem, dtype)
    drop = fraction - FORMATS.sum.fraction
    x = problem.batch.inputs.astype(dtype)

    def run(steps: int) -> IntArray:
        h = np.zeros((problem.case.batch, problem.case.hidden), dtype)
        outputs = np.zeros((problem.case.batch, steps, problem.case.hidden), np.int64)
        for t in range(steps):
            wx = (x[:, t] @ w).astype(np.int64) + (raw["rnn.b"] << 7)
            sums = recurrent(h).astype(np.int64) + (wx << (fraction - 14))
            rounded = (sums + (1 << (drop - 1))) >> drop
            state = table[np.clip(rounded, FORMATS.sum.min, FORMATS.sum.max) & 255]
            outputs[:, t] = state
            h = state.astype(dtype)
        return outputs

    return run


def numpy_recurrence(problem: Problem, dtype: type) -> tuple[Callable[[Array], Array], int]:
    """The exact U h of all sequences [sequences, units], and its fraction bits."""
    raw, n = problem.raw, problem.case.hidden
    match problem.case.structure:
        case Dense():
            u = np.ascontiguousarray(raw["rnn.U"].T.astype(dtype))
            return lambda h: h @ u, 14
        case Banded():
            upper, middle, lower = raw["rnn.U"].astype(dtype)

            def band(h: Array) -> Array:
                sums = middle * h
                sums[:, :-1] += upper[1:] * h[:, 1:]
                sums[:, 1:] += lower[:-1] * h[:, :-1]
                return sums

            return band, 14
        case Hadamard():
            before, after = raw["rnn.U.before"].astype(dtype), raw["rnn.U.after"].astype(dtype)

            def transform(h: Array) -> Array:
                v = before * h
                for _ in range(n.bit_length() - 1):
                    v = np.hstack([v[:, ::2] + v[:, 1::2], v[:, ::2] - v[:, 1::2]])
                return after * v

            return transform, 21


def apytypes_peer(problem: Problem) -> Peer:
    """APyTypes: exact matrix products, one cast, the table looked up in NumPy."""
    import apytypes
    from apytypes import APyFixedArray

    def fixed(raw: IntArray) -> APyFixedArray:
        return APyFixedArray(raw, int_bits=1, frac_bits=7)

    raw, table = problem.raw, problem.table
    w, u, b = fixed(raw["rnn.W"]), fixed(raw["rnn.U"]), fixed(raw["rnn.b"][:, None])
    x = [fixed(step) for step in np.ascontiguousarray(problem.batch.inputs.transpose(1, 2, 0))]
    rounding, overflow = apytypes.QuantizationMode.RND, apytypes.OverflowMode.SAT

    def run(steps: int) -> IntArray:
        h = fixed(np.zeros((problem.case.hidden, problem.case.batch), np.int64))
        outputs = np.zeros((problem.case.batch, steps, problem.case.hidden), np.int64)
        for t in range(steps):
            sums = (w @ x[t]) + (u @ h) + b
            z = sums.cast(int_bits=3, frac_bits=5, quantization=rounding, overflow=overflow)
            state = table[z.to_bits(numpy=True)]
            outputs[:, t] = state.T
            h = fixed(np.ascontiguousarray(state))
        return outputs

    return run


def torch_peer(problem: Problem) -> Peer:
    """torch.nn.RNN in float32, one thread: the same work without any fixed-point effect."""
    import torch

    torch.set_num_threads(1)
    rnn = torch.nn.RNN(INPUTS, problem.case.hidden, batch_first=True)
    x = torch.tensor(problem.samples.x, dtype=torch.float32)

    def run(steps: int) -> None:
        with torch.inference_mode():
            rnn(x[:, :steps])

    return run


def peers(problem: Problem, skipped: dict[str, str]) -> dict[str, Peer]:
    """Every peer that can run the case, the engine's instruction sets first, fastest last."""
    isas = [isa for isa, runs in engine.available_isas().items() if runs]
    found = {f"rnnhw {isa}": engine_peer(problem, isa) for isa in isas}
    found[SIMULATE] = simulate_peer(problem)
    found["NumPy int64"] = numpy_peer(problem, np.int64)
    dense = isinstance(problem.case.structure, Dense)
    if dense:
        found["NumPy float64"] = numpy_peer(problem, np.float64)
    if problem.case == CASES[0]:
        found["golden"] = golden_peer(problem)
    optional = {"APyTypes": apytypes_peer, "torch float32": torch_peer} if dense else {}
    for name, peer in optional.items():
        try:
            found[name] = peer(problem)
        except ImportError as error:
            skipped[name] = str(error)
    return found


# --- measuring ------------------------------------------------------------------------------------
def steps_for(peer: Peer, most: int, seconds: float) -> int:
    """Steps that keep a peer busy for about ``seconds``: at least one, at most ``most``."""
    steps = 1
    while True:
        begin = time.process_time()
        peer(steps)
        spent = time.process_time() - begin
        if spent > seconds / 4 or steps == most:
            return max(1, min(most, int(steps * seconds / max(spent, 1e-9))))
        steps = min(most, 4 * steps)


def check(problem: Problem, found: dict[str, Peer]) -> None:
    """Every peer in integers gives the engine's bits.

    Raises:
        SystemExit: one does not.
    """
    steps = min(problem.case.steps, 3)
    exact = next(iter(found.values()))(steps)
    for name, peer in found.items():
        given = peer(steps)
        if given is not None and not np.array_equal(given, exact):
            raise SystemExit(f"error: {problem.case.name}: {name} differs from the engine")


def measure(case: Case, peak: Peak, rounds: int, skipped: dict[str, str]) -> dict[str, object]:
    """One case: rounds in which every peer runs once, so that noise meets all alike."""
    problem = Problem(case)
    found = peers(problem, skipped)
    check(problem, found)
    steps = {name: steps_for(peer, case.steps, 0.03) for name, peer in found.items()}
    steps[SIMULATE] = case.steps  # however long planning takes
    work = work_per_step(problem)
    rates: dict[str, list[float]] = {name: [] for name in found}
    limits: list[float] = []
    for _ in range(rounds):
        limit = peak.rates() if peak.works else None
        if limit is not None:
            limits.append(limit["vpaddd" if case.unit == "Gadd/s" else "vpmaddwd"])
        for name, peer in found.items():
            begin = time.process_time()
            peer(steps[name])
            spent = time.process_time() - begin
            rates[name].append(1e-9 * work * steps[name] / spent)
    fastest = [name for name in found if name.startswith("rnnhw")][-2]
    rows = [
        {
            "peer": name,
            "median": statistics.median(values),
            "best": max(values),
            "microseconds_per_step": 1e-3 * work / max(values),
            "engine_over_peer": median_ratio(rates[fastest], values),
            "of_peak": median_ratio(values, limits) if limits else None,
        }
        for name, values in rates.items()
    ]
    peak_row = {"median": statistics.median(limits), "best": max(limits)} if limits else None
    return {"case": case.name, "unit": case.unit, "peak": peak_row, "rows": rows}


def work_per_step(problem: Problem) -> int:
    """Multiply-accumulates (for a transform: additions) of one step of all sequences."""
    run = simulate(problem.design, samples=problem.samples).run
    counts = run.counts["rnn"]
    done = counts.adds if problem.case.unit == "Gadd/s" else counts.multiplies
    return done // problem.case.steps


def median_ratio(above: list[float], below: list[float]) -> float:
    """The median over rounds of the ratio within one round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


# --- telling --------------------------------------------------------------------------------------
def versions() -> dict[str, str]:
    """Of Python and of what is measured."""
    found = {"python": platform.python_version()}
    for name in ("rnnhw", "numpy", "apytypes", "torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def print_case(result: dict[str, object]) -> None:
    """One case as a table."""
    peak, unit = result["peak"], result["unit"]
    limit = f", AVX2 peak {peak['best']:.0f}" if peak else ""
    print(f"\n{result['case']} ({unit}{limit})")
    print(f"  {'':18}{'median':>9}{'best':>9}{'us/step':>10}{'engine is':>12}{'of peak':>9}")
    for row in result["rows"]:
        of_peak = f"{row['of_peak']:9.1%}" if row["of_peak"] is not None else ""
        print(
            f"  {row['peer']:18}{row['median']:9.3g}{row['best']:9.3g}"
            f"{row['microseconds_per_step']:10.3g}{row['engine_over_peer']:11.3g}x{of_peak}"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three rounds instead of eleven")
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    busy = load()
    about = {"processor": processor(), "versions": versions(), "load_per_core": busy}
    print(about["processor"], *(f"{name} {v}" for name, v in versions().items()), sep=", ")
    if busy is not None and busy > HEAVY_LOAD:
        print(f"warning: load {busy:.1f} a core; trust ratios, not rates", file=sys.stderr)
    skipped: dict[str, str] = {}
    peak = Peak(skipped)
    results = []
    for case in CASES:
        results.append(measure(case, peak, 3 if options.quick else 11, skipped))
        print_case(results[-1])
    for name, reason in skipped.items():
        print(f"\nskipped {name}: {reason}")
    if options.output is not None:
        options.output.write_text(json.dumps({**about, "cases": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
