"""Measure the goals that need no peer: cores, simulate(), memory, commands, growth.

    python benchmarks/goals_alone.py [--rounds N]

``goals.py`` runs them behind its rows, with how time grows.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rnnhw import Banded, Dense, Design, Elman, Formats, Hadamard, Last, Q, simulate
from rnnhw.design.tasks import Samples
from rnnhw.execution import engine
from rnnhw.execution.batch import Batch, make_batch
from rnnhw.layers.structures import Structure

DESIGNS = Path(__file__).parents[1] / "designs"
INPUTS = 8
BYTE = Q(0, 7)
FORMATS = Formats(input=BYTE, weight=BYTE, bias=BYTE, sum=Q(2, 5), state=BYTE)


@dataclass(frozen=True)
class Goal:
    """One figure: what it is, the median and the spread of its rounds, and what it should be."""

    name: str
    unit: str
    values: Sequence[float]
    goal: float
    at_least: bool = True

    def record(self) -> dict[str, Any]:
        """The figure for JSON."""
        middle = statistics.median(self.values)
        return {
            "figure": self.name,
            "unit": self.unit,
            "median": middle,
            "least": min(self.values),
            "most": max(self.values),
            "goal": f"{'>=' if self.at_least else '<='} {self.goal:g}",
            "met": middle >= self.goal if self.at_least else middle <= self.goal,
        }


def elman(structure: Structure, hidden: int, *heads: object) -> Design:
    """An Elman layer of bytes with seeded weights, and layers behind it."""
    layers = [Elman(hidden, recurrent=structure, name="rnn"), *heads]
    empty = Design(inputs=INPUTS, layers=layers, formats=FORMATS)
    rng = np.random.default_rng(0)
    weights = {
        tensor.key: rng.uniform(-1, 1, tensor.shape) / math.sqrt(tensor.shape[-1])
        for tensor in empty.network.tensors
    }
    if isinstance(structure, Banded):
        weights["rnn.U"][[0, 2], [0, -1]] = 0  # corners outside the matrix
    return Design(inputs=INPUTS, layers=layers, formats=FORMATS, weights=weights)


def batch_of(design: Design, sequences: int, steps: int) -> Batch:
    """Seeded inputs."""
    x = np.random.default_rng(1).uniform(-1, 1, (sequences, steps, INPUTS))
    return make_batch(design.network, x)


def seconds(run: Callable[[], object], clock: Callable[[], float]) -> float:
    """What one call takes."""
    begin = clock()
    run()
    return clock() - begin


# --- cores ----------------------------------------------------------------------------------------
def two_cores(rounds: int) -> Iterator[Goal]:
    """Wall time of one thread by that of two; and whether the machine had two cores to give: of two
    runs of one thread after the other, by that of both at once in two processes."""
    if engine.cores() < 2:
        return
    design = elman(Dense(), 256)
    batch = batch_of(design, 64, 4_000)

    def run(threads: int) -> Callable[[], object]:
        return lambda: engine.run(design.network, design.parameters, batch, threads=threads)

    run(2)()
    command = [sys.executable, __file__, "--busy"]
    ratios, controls = [], []
    for _ in range(rounds):
        ratios.append(seconds(run(1), time.perf_counter) / seconds(run(2), time.perf_counter))
        alone = _busy_seconds(command, 1)
        controls.append(2 * alone / _busy_seconds(command, 2))
    yield Goal("two threads, 64 sequences", "x one", ratios, 1.85)
    yield Goal("control: two processes", "x one", controls, 1.85)


def _busy_seconds(command: list[str], count: int) -> float:
    """The longest wall time that any of so many processes, which begin together, says it took."""
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(count)]
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return max(float(process.communicate()[0]) for process in running)


def busy() -> None:
    """The control's process: says that it is ready, waits, and tells how long the work took."""
    design = elman(Dense(), 256)
    batch = batch_of(design, 64, 4_000)

    def run() -> None:
        engine.run(design.network, design.parameters, batch, threads=1)

    run()
    print("ready", flush=True)
    sys.stdin.readline()
    print(seconds(run, time.perf_counter))


# --- around the kernels ---------------------------------------------------------------------------
def simulate_over_execute(rounds: int) -> Iterator[Goal]:
    """CPU time of the whole call, inputs quantised and figures worked out, by that of the run."""
    design = elman(Dense(), 256)
    x = np.random.default_rng(1).uniform(-1, 1, (64, 400, INPUTS))
    samples = Samples(x, np.full(64, 400))
    batch = make_batch(design.network, x)

    def whole() -> object:
        return simulate(design, samples=samples, threads=1)

    def run() -> object:
        return engine.run(design.network, design.parameters, batch, threads=1)

    whole()
    ratios = [
        seconds(whole, time.thread_time) / seconds(run, time.thread_time) for _ in range(rounds)
    ]
    yield Goal("simulate() over the run", "x", ratios, 1.1, at_least=False)


def memory(rounds: int) -> Iterator[Goal]:
    """Bytes that a run allocates at its peak, beyond its inputs."""
    del rounds  # the same every time
    for heads, sequences, steps in (((), 16, 2_000), ((Last(),), 1, 100_000)):
        design = elman(Dense(), 64, *heads)
        batch = batch_of(design, sequences, steps)
        engine.run(design.network, design.parameters, batch, threads=1)
        tracemalloc.start()
        engine.run(design.network, design.parameters, batch, threads=1)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if heads:
            yield Goal("memory, 100,000 steps, last kept", "MB", [most / 1e6], 1, at_least=False)
        else:
            each = most / (sequences * steps * 64)
            yield Goal("memory, an output element", "bytes", [each], 1.2, at_least=False)


def commands(rounds: int) -> Iterator[Goal]:
    """CPU time of commands by that of importing what the command line stands on. All byte code is
    there before, as it is of an installed package."""
    adder = str(DESIGNS / "adder_tridiagonal.py")
    python = [sys.executable, "-c", "import numpy, typer"]
    for arguments, goal in ((["--version"], 1.3), (["info", adder], 1.3), (["verify", adder], 4)):
        command = [sys.executable, "-m", "rnnhw", *arguments]
        ratios = []
        with tempfile.TemporaryDirectory() as folder:
            for call in (python, command):
                _call(call, folder)
            for _ in range(max(rounds, 15)):
                base = seconds(partial(_call, python, folder), _children)
                ratios.append(seconds(partial(_call, command, folder), _children) / base)
        name = " ".join(["rnnhw", *arguments[:1]])
        yield Goal(name, "x importing", ratios, goal, at_least=False)


def _call(command: list[str], compiled: str) -> None:
    """Run a command with byte code in the folder ``compiled``."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, **silent, env=environment, check=True)


def _children() -> float:
    """CPU time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # finer than os.times
    return used.ru_utime + used.ru_stime


GOALS = (two_cores, simulate_over_execute, memory, commands)


# --- growth ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Series:
    """How the time of a run grows with one size: CPU seconds at every size, and the exponent of the
    power law that fits them best (least squares of the logarithms)."""

    name: str
    sizes: Sequence[int]
    times: Sequence[float]

    @property
    def exponent(self) -> float:
        """1: in proportion, 2: with the square."""
        return float(np.polyfit(np.log(self.sizes), np.log(self.times), 1)[0])

    def record(self) -> dict[str, Any]:
        """The series for JSON."""
        return {
            "series": self.name,
            "sizes": list(self.sizes),
            "microseconds": [1e6 * each for each in self.times],
            "exponent": self.exponent,
        }


UNITS = (128, 256, 512, 1024, 2048)


def growth(rounds: int) -> Iterator[Series]:
    """A run's time, planned before, by units, sequences and steps."""
    for name, structure in (
        ("dense", Dense()),
        ("tridiagonal", Banded(1, 1)),
        ("FWHT", Hadamard()),
    ):
        times = [_least(elman(structure, units), 16, 50, rounds) for units in UNITS]
        yield Series(f"{name}, units", UNITS, times)
    design, counts = elman(Dense(), 256), (16, 32, 64, 128, 256)
    yield Series("dense, sequences", counts, [_least(design, n, 50, rounds) for n in counts])
    lengths = (50, 200, 800, 3200)
    yield Series("dense, steps", lengths, [_least(design, 16, n, rounds) for n in lengths])


def _least(design: Design, sequences: int, steps: int, rounds: int) -> float:
    """The least CPU seconds of a run."""
    batch = batch_of(design, sequences, steps)

    def run() -> object:
        return engine.run(design.network, design.parameters, batch, threads=1)

    run()
    return min(seconds(run, time.thread_time) for _ in range(rounds))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--busy", action="store_true", help="be a process of the control")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if options.busy:
        busy()
        return
    for goals in GOALS:
        for goal in goals(options.rounds):
            print(goal.record(), flush=True)


if __name__ == "__main__":
    main()
