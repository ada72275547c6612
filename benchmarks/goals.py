"""Measure how fast the engine runs beside its peers, row by row, with the goal of each row.

    python benchmarks/goals.py [ROW...] [--rounds N] [--isa NAME] [-o result.json] [--plot FILE]

Every round runs the engine and the peer of a row one after the other, pinned to one core, in
thread CPU time, counters and events on. A row's figure is the median over the rounds of the ratio
within one round; its spread is the least and the greatest. A peer that is not installed and an
instruction set that is not built or does not run here print "not run". Nothing is measured before
a slice of the row equals golden bit for bit, events too. `of peak` is the share of the
multiply-accumulates that ``peak.c`` reached before and after the rounds with the instruction of the
row.

Behind the rows come the goals that need no peer (``goals_alone.py``) and how time grows with units,
sequences and steps; naming rows leaves them out. ``--plot`` draws all as SVG, PDF or PNG.

The peers come with ``pip install 'rnnhw[peers]'``.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when the libraries load

import numpy as np
from goals_alone import BYTE, GOALS, INPUTS, growth
from goals_alone import FORMATS as ELMAN_FORMATS
from machine import Peak, processor

from rnnhw import (
    GRU,
    LSTM,
    Banded,
    Butterfly,
    Dense,
    Design,
    Elman,
    Formats,
    Hadamard,
    Q,
)
from rnnhw.analysis.counts import layer_counts
from rnnhw.execution import engine, golden
from rnnhw.execution.batch import Batch, make_batch

Steps = Callable[[int], object]
"""Runs that many steps of all sequences."""

FORMATS = {
    "elman": ELMAN_FORMATS,
    "gated": Formats(input=BYTE, weight=BYTE, bias=BYTE, sum=Q(3, 4), state=BYTE, cell=Q(4, 7)),
    "butterfly": Formats(
        input=BYTE, weight=Q(1, 6), bias=BYTE, sum=Q(2, 5), state=BYTE, stage=Q(3, 8)
    ),
}
"""Eight bits everywhere, as in ``engine.py``; the stages of a butterfly have twelve."""


class MissingPeerError(Exception):
    """The peer is not installed, with the reason."""


@dataclass(frozen=True)
class Row:
    """A layer, a batch, whom it is measured against, and what its ratio should be."""

    kind: str
    batch: int
    hidden: int
    peer: str
    goal: float
    isa: str
    """The instruction set that the goal is for."""
    steps: int

    @property
    def name(self) -> str:
        """How the table calls it, and how the command line chooses it."""
        return f"{self.kind}-b{self.batch}-h{self.hidden}"


ROWS = [
    Row("elman", 64, 64, "torch float32", 9, "avx512", 600),
    Row("elman", 64, 256, "torch float32", 6.5, "avx512", 120),
    Row("elman", 64, 1024, "torch float32", 5.8, "avx512", 60),
    Row("elman", 64, 1024, "torch float32, AVX2", 2, "avx2", 60),
    Row("elman", 64, 64, "torch float32", 15, "amx", 600),
    Row("elman", 64, 256, "torch float32", 20, "amx", 120),
    Row("elman", 64, 1024, "torch float32", 28, "amx", 60),
    Row("elman", 1, 64, "torch float32", 60, "avx512", 20000),
    Row("elman", 1, 256, "torch float32", 13, "avx512", 4000),
    Row("elman", 1, 1024, "torch float32", 7.5, "avx512", 300),
    Row("lstm", 64, 256, "onnxruntime int8", 2, "avx512", 40),
    Row("lstm", 64, 1024, "onnxruntime int8", 1.4, "avx512", 24),
    Row("lstm", 1, 64, "onnxruntime int8", 2.5, "avx512", 4000),
    Row("lstm", 1, 256, "onnxruntime int8", 1.6, "avx512", 1000),
    Row("lstm", 1, 1024, "onnxruntime int8", 1.4, "avx512", 80),
    Row("gru", 64, 256, "torch int8", 2.5, "avx512", 60),
    Row("gru", 64, 1024, "torch int8", 1.6, "avx512", 32),
    Row("tridiagonal", 64, 1024, "scipy dia int32", 4, "avx512", 80),
    Row("tridiagonal", 1, 1024, "scipy dia int32", 15, "avx512", 3000),
    Row("tridiagonal", 1, 4096, "scipy dia int32", 6, "avx512", 800),
    Row("hadamard", 64, 1024, "C transform int32", 1.3, "avx512", 40),
    Row("hadamard", 1, 1024, "C transform int32", 4, "avx512", 1200),
    Row("butterfly", 64, 256, "scipy csr int32", 1, "avx512", 60),
    Row("butterfly", 1, 256, "scipy csr int32", 1, "avx512", 1500),
]


@dataclass(eq=False)
class Problem:
    """A row with its numbers: seeded, uniform, with some sums that saturate."""

    row: Row
    design: Design = field(init=False)
    weights: dict[str, Any] = field(init=False)
    x: Any = field(init=False)
    batch: Batch = field(init=False)

    def __post_init__(self) -> None:
        rng, n, kind = np.random.default_rng(1), self.row.hidden, self.row.kind
        structure = {
            "tridiagonal": Banded(1, 1), "hadamard": Hadamard(), "butterfly": Butterfly(),
        }.get(kind, Dense())  # fmt: skip
        gated = {"lstm": LSTM, "gru": GRU}.get(kind)
        layer = gated(n, name="rnn") if gated else Elman(n, recurrent=structure, name="rnn")
        formats = FORMATS["gated" if gated else "butterfly" if kind == "butterfly" else "elman"]
        tensors = Design(layers=[layer], formats=formats, inputs=INPUTS).network.tensors
        weights = {tensor.key: rng.uniform(-1, 1, tensor.shape) for tensor in tensors}
        for key, value in weights.items():
            if key.endswith(".U") and isinstance(structure, Dense):
                weights[key] = value * 3 / math.sqrt(n)
            elif key.endswith(".U"):
                value[0, 0] = value[2, -1] = 0  # corners outside the matrix
            elif key.endswith(".after"):
                weights[key] = value / math.sqrt(n)
        self.weights = weights
        self.design = Design(layers=[layer], formats=formats, weights=weights, inputs=INPUTS)
        self.x = rng.uniform(-1, 1, (self.row.batch, self.row.steps, INPUTS))
        self.batch = make_batch(self.design.network, self.x)

    def part(self, steps: int) -> Batch:
        """The first steps of every sequence."""
        inputs = np.ascontiguousarray(self.batch.inputs[:, :steps])
        return Batch(inputs, np.full(len(inputs), steps), self.batch.initial)


# --- the engine and its peers ---------------------------------------------------------------------
def engine_steps(problem: Problem, isa: str | None) -> Steps:
    """The engine with a plan made before, on one core."""
    network, parameters = problem.design.network, problem.design.parameters
    lanes = 16 if problem.row.batch > 2 else 1
    plan = engine.plan_for(network, parameters, lanes, isa=isa)
    parts: dict[int, Batch] = {}

    def run(steps: int) -> object:
        if steps not in parts:
            parts[steps] = problem.part(steps)
        return engine.execute(plan, parts[steps], isa)

    return run


def torch_steps(problem: Problem) -> Steps:
    """torch in float32, or with dynamically quantised int8 products."""
    import torch

    torch.set_num_threads(1)
    kinds = {"elman": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    kind = kinds[problem.row.kind]
    module = kind(INPUTS, problem.row.hidden).eval()
    if problem.row.peer.endswith("int8"):
        quantise = torch.ao.quantization.quantize_dynamic
        module = quantise(torch.nn.ModuleDict({"rnn": module}), {kind}, dtype=torch.qint8)["rnn"]
    x = torch.tensor(np.ascontiguousarray(problem.x.transpose(1, 0, 2)), dtype=torch.float32)

    def run(steps: int) -> None:
        with torch.inference_mode():
            module(x[:steps])

    return run


def onnxruntime_steps(problem: Problem) -> Steps:
    """onnxruntime's LSTM with dynamically quantised int8 products."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    n, batch, rng = problem.row.hidden, problem.row.batch, np.random.default_rng(0)
    tensors = {
        "W": rng.uniform(-1, 1, (1, 4 * n, INPUTS)),
        "R": rng.uniform(-1, 1, (1, 4 * n, n)) / math.sqrt(n),
        "B": np.zeros((1, 8 * n)),
    }
    node = helper.make_node("LSTM", ["x", "W", "R", "B"], ["y"], hidden_size=n)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["steps", batch, INPUTS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        whole, quantised = f"{folder}/float.onnx", f"{folder}/int8.onnx"
        onnx.save(model, whole)
        quantize_dynamic(whole, quantised, weight_type=QuantType.QInt8)
        session = onnxruntime.InferenceSession(
            quantised, options, providers=["CPUExecutionProvider"]
        )
    x = np.ascontiguousarray(problem.x.transpose(1, 0, 2)).astype(np.float32)
    return lambda steps: session.run(None, {"x": x[:steps]})


def scipy_steps(problem: Problem) -> Steps:
    """SciPy's sparse product alone: no cast, no function, no output of every step."""
    from scipy import sparse

    n, batch = problem.row.hidden, problem.row.batch
    raw = problem.design.parameters.raw
    if problem.row.kind == "tridiagonal":
        offsets = [1, 0, -1]
        factors = [sparse.dia_array((raw["rnn.U"].astype(np.int32), offsets), shape=(n, n))]
    else:
        keys = sorted(key for key in raw if key.startswith("rnn.U."))
        factors = [_stage(raw[key].astype(np.int32), n) for key in keys]
    x = np.ones((n, batch) if batch > 1 else n, np.int32)

    def run(steps: int) -> None:
        for _ in range(steps):
            value = x
            for factor in factors:
                value = factor @ value

    return run


def _stage(weights: Any, n: int) -> Any:
    """One stage of a butterfly as a sparse matrix."""
    from scipy import sparse

    rows = np.concatenate([np.arange(n // 2), np.arange(n // 2, n)]).repeat(2)
    columns = np.tile(np.arange(n), 2)
    values = np.concatenate([weights[:, 0].ravel(), weights[:, 1].ravel()])
    return sparse.csr_array((values, (rows, columns)), shape=(n, n))


def c_steps(problem: Problem) -> Steps:
    """The transform alone, in plain C compiled with -O3."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise MissingPeerError("no C compiler (cc)")
    source = Path(__file__).with_name("transform.c")
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/transform.so"
        command = [compiler, "-O3", "-shared", "-fPIC", str(source), "-o", library]
        subprocess.run(command, check=True)
        transforms = ctypes.CDLL(library).transforms
    vectors = np.zeros((problem.row.batch, problem.row.hidden), np.int32)
    place, number = ctypes.c_void_p(vectors.ctypes.data), ctypes.c_int64
    n, count = number(problem.row.hidden), number(problem.row.batch)

    def run(steps: int) -> None:
        transforms(place, n, count, number(steps))
        assert vectors[0, 0] == 0

    return run


PEERS: dict[str, Callable[[Problem], Steps]] = {
    "torch": torch_steps,
    "onnxruntime": onnxruntime_steps,
    "scipy": scipy_steps,
    "C": c_steps,
}


def peer_steps(problem: Problem) -> Steps:
    """The peer of a row.

    Raises:
        MissingPeerError: it is not installed.
    """
    peer = problem.row.peer
    if peer.endswith("AVX2") and os.environ.get("ATEN_CPU_CAPABILITY") != "avx2":
        raise MissingPeerError("set ATEN_CPU_CAPABILITY=avx2 and ONEDNN_MAX_CPU_ISA=AVX2 for it")
    try:
        return PEERS[peer.split()[0]](problem)
    except ImportError as error:
        raise MissingPeerError(str(error)) from error


# --- measuring ------------------------------------------------------------------------------------
def steps_for(run: Steps, most: int, seconds: float) -> int:
    """Steps that keep a peer busy for about ``seconds``: at least one, at most ``most``."""
    steps = 1
    while True:
        begin = time.thread_time()
        run(steps)
        spent = time.thread_time() - begin
        if spent > seconds / 4 or steps == most:
            return max(1, min(most, int(steps * seconds / max(spent, 1e-9))))
        steps = min(most, 4 * steps)


def check(problem: Problem, isa: str | None) -> None:
    """The engine equals golden on a slice.

    Raises:
        SystemExit: it does not.
    """
    network, parameters = problem.design.network, problem.design.parameters
    batch = make_batch(network, problem.x[:1, :2])
    expected = golden.run(network, parameters, batch)
    for lanes in (1, 16):
        found = engine.run(network, parameters, batch, isa=isa, lanes=lanes)
        same = np.array_equal(found.outputs, expected.outputs)
        if not same or found.events != expected.events:
            raise SystemExit(f"error: {problem.row.name}: the engine differs from golden")


PEAKS = {"avx2": "vpmaddwd", "avx512": "vpdpbusd", "amx": "tdpbusd"}
"""The instruction whose peak a dense row of an instruction set is held against."""


def multiplies(problem: Problem) -> int:
    """Multiply-accumulates of one step of all sequences."""
    network = problem.design.network
    return problem.row.batch * sum(
        counts.multiplies for counts in layer_counts(network, [1]).values()
    )


def measure(
    row: Row, isa: str | None, rounds: int, seconds: float = 0.02, peak: Peak | None = None
) -> dict[str, Any]:
    """One row: microseconds a step of both, their ratio with its spread, the share of the peak."""
    problem = Problem(row)
    if isa is None and engine.available_isas().get(row.isa, False):
        isa = row.isa
    check(problem, isa)
    result: dict[str, Any] = {"row": row.name, "peer": row.peer, "goal": row.goal}
    result |= {"goal_isa": row.isa, "isa": engine.select_isa(isa)[1]}
    runs = {"engine": engine_steps(problem, isa)}
    try:
        runs["peer"] = peer_steps(problem)
    except MissingPeerError as error:
        result["not_run"] = str(error)
    instruction = PEAKS.get(result["isa"]) if row.kind in ("elman", "lstm", "gru") else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: its int8 will move to another package
        most = {"engine": row.steps, "peer": row.steps}
        if row.peer.startswith(("scipy", "C ")):
            most["peer"] = 10**6  # no inputs, no outputs: as many steps as are wanted
        steps = {name: steps_for(run, most[name], seconds) for name, run in runs.items()}
        times: dict[str, list[float]] = {name: [] for name in runs}
        limits = [_rates(peak)]  # not between: it takes the caches
        for name, run in runs.items():
            run(steps[name])
        for _ in range(rounds):
            for name, run in runs.items():
                begin = time.thread_time()
                run(steps[name])
                times[name].append((time.thread_time() - begin) / steps[name])
    for name, spent in times.items():
        result[f"{name}_us"] = 1e6 * statistics.median(spent)
    if "peer" in times:
        ratios = [p / e for p, e in zip(times["peer"], times["engine"], strict=True)]
        result |= {"ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    limits.append(_rates(peak))
    reached = [rates[instruction] for rates in limits if rates and instruction in rates]
    if reached:
        rate = 1e-9 * multiplies(problem) / statistics.median(times["engine"])
        result["of_peak"] = rate / statistics.mean(reached)
    return result


def _rates(peak: Peak | None) -> dict[str, float] | None:
    return peak.rates() if peak is not None and peak.works else None


# --- telling --------------------------------------------------------------------------------------
def lines(results: list[dict[str, Any]]) -> Iterator[str]:
    """The table of the rows."""
    yield (
        f"{'row':24}{'peer':22}{'isa':8}{'us/step':>10}{'peer':>10}{'ratio':>8}"
        f"{'least..most':>16}{'of peak':>9}{'goal':>7}  for"
    )
    for r in results:
        built = engine.available_isas().get(r["goal_isa"], False)
        share = f"{r['of_peak']:9.0%}" if "of_peak" in r else f"{'':9}"
        goal = f"{share}{r['goal']:7.3g}  {r['goal_isa']}{'' if built else ' (not run)'}"
        head = f"{r['row']:24}{r['peer']:22}{r['isa']:8}{r['engine_us']:10.2f}"
        if "ratio" in r:
            spread = f"{r['least']:.2f}..{r['most']:.2f}"
            yield f"{head}{r['peer_us']:10.2f}{r['ratio']:8.2f}{spread:>16}{goal}"
        else:
            yield f"{head}{'not run':>10}{'':24}{goal}: {r['not_run']}"


def alone_lines(results: list[dict[str, Any]]) -> Iterator[str]:
    """The table of the goals that need no peer."""
    yield f"\n{'figure':34}{'median':>9}{'least..most':>18}  {'unit':14}{'goal':>8}"
    for r in results:
        spread = f"{r['least']:.3g}..{r['most']:.3g}"
        met = "" if r["met"] else "  missed"
        yield f"{r['figure']:34}{r['median']:9.3g}{spread:>18}  {r['unit']:14}{r['goal']:>8}{met}"


def growth_lines(results: list[dict[str, Any]]) -> Iterator[str]:
    """The table of how time grows."""
    yield f"\n{'time grows with':22}{'exponent':>9}  microseconds at each size"
    for r in results:
        pairs = zip(r["sizes"], r["microseconds"], strict=True)
        at = "  ".join(f"{size}: {spent:.0f}" for size, spent in pairs)
        yield f"{r['series']:22}{r['exponent']:9.2f}  {at}"


def draw(path: Path, rows: list[dict[str, Any]], series: list[dict[str, Any]]) -> None:
    """Ratios beside their goals, and times by size in logarithms."""
    from matplotlib.figure import Figure

    ran = [row for row in rows if "ratio" in row]
    figure = Figure(figsize=(12, 2 + 0.28 * max(len(ran), 8)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    places = range(len(ran))
    left.barh(places, [row["ratio"] for row in ran], color="tab:blue", label="measured")
    left.plot([row["goal"] for row in ran], places, "k|", markersize=12, label="goal")
    left.axvline(1, color="tab:red", linewidth=1, label="as fast as the peer")
    left.set_yticks(places, [f"{row['row']}, {row['isa']} : {row['peer']}" for row in ran])
    left.invert_yaxis()
    left.set_xscale("log")
    left.set_xlabel("times as fast as the peer")
    left.legend()
    for each in series:
        label = f"{each['series']} ({each['exponent']:.2f})"
        right.loglog(each["sizes"], each["microseconds"], "o-", label=label)
    right.set_xlabel("units, sequences or steps")
    right.set_ylabel("microseconds a run")
    right.legend(title="series (exponent)")
    figure.savefig(path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", help="the start of the rows' names; all if none")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--isa",
        help="an instruction set of the engine; that of each goal if none, or else the fastest",
    )
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON")
    parser.add_argument("--plot", type=Path, help="draw them; needs matplotlib")
    options = parser.parse_args()
    if options.plot is not None and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: python -m pip install matplotlib")
    everywhere = None
    if hasattr(os, "sched_setaffinity"):
        everywhere = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(everywhere)})
    skipped: dict[str, str] = {}
    peak = Peak(skipped)
    rates = _rates(peak)
    print(
        processor(), *(f"{name} {rate:.0f}" for name, rate in (rates or skipped).items()), sep=", "
    )
    results: dict[str, list[dict[str, Any]]] = {"rows": [], "alone": [], "growth": []}

    def tell(kind: str, record: dict[str, Any], table: Callable[..., Iterator[str]]) -> None:
        results[kind].append(record)
        told = list(table([record]))
        print("\n".join(told if len(results[kind]) == 1 else told[1:]), flush=True)

    for row in ROWS:
        if not options.rows or any(row.name.startswith(start) for start in options.rows):
            tell("rows", measure(row, options.isa, options.rounds, peak=peak), lines)
    if not options.rows:
        for series in growth(options.rounds):
            tell("growth", series.record(), growth_lines)
        if everywhere is not None:
            os.sched_setaffinity(0, everywhere)
        for goals in GOALS:
            for goal in goals(options.rounds):
                tell("alone", goal.record(), alone_lines)
    if options.output is not None:
        options.output.write_text(json.dumps(results, indent=1) + "\n")
    if options.plot is not None:
        draw(options.plot, results["rows"], results["growth"])


if __name__ == "__main__":
    main()
