"""Random networks through golden, the engine and the float reference.

    python benchmarks/fuzz_engine.py FOLDER [--seeds FIRST:END] [--sanitized] [--minutes M]

Half of the networks are step graphs over every operation, half are layers with a structure drawn
for each of their matrices; sequences differ in length, and states start at values of their own. The
engine must give golden's outputs, final states, traces and events and the predicted counts, on
every instruction set that this machine has, with 16 lanes and with one, and shared by threads. A
third of the layers have 24 fraction bits and no table: where nothing clips, the float reference
must be within 3e-6 of golden.

``--sanitized`` runs the same with an extension that is built with the address and
undefined-behaviour sanitizers (needs gcc); what the sanitizers say ends a block as a fault.

A line of ``FOLDER/done.jsonl`` is a block of 100 seeds with the commit, what was run, what was
reached and its faults; the next call leaves it out, so that a run can be stopped and resumed, but
runs those with faults again on another commit. The exit code is 1 where something failed. Needs the
extra ``test``.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from helpers import graphs, layers, sanitized
from helpers.commits import commit
from helpers.structured import draw_structured

from rnnhw.analysis.counts import layer_counts
from rnnhw.execution import compiler, golden
from rnnhw.execution.batch import Batch, Run, Vectors, make_batch
from rnnhw.execution.compiler import plan_network
from rnnhw.execution.engine import execute, run
from rnnhw.execution.instructions import OPERATION
from rnnhw.execution.plan import NetworkPlan
from rnnhw.execution.quads import ByteProducts
from rnnhw.execution.reference import run_reference
from rnnhw.graph.network import TIME_OPERATIONS
from rnnhw.graph.nodes import OPERATIONS, Cast, Matvec
from rnnhw.layers import cells, vectors
from rnnhw.layers.structures import Elementary
from rnnhw.numerics.cast import Events, Overflow, Q, Rounding, quantise, real_values

BLOCK = 100
GOLDEN_BUDGET = 4_000
"""Scalar operations of golden's sequences, roughly; the engine runs several copies of each."""

TILES = ByteProducts(32, tiles=True)
"""The products that AMX alone chooses, and that plain C runs too."""

TOLERANCE = 3e-6
SIZES = [1, 2, 3, 16, 17, 33, 68]
NAMES = {number: name for name, number in OPERATION.items()}


@dataclass
class Done:
    """What a block ran, reached and found wrong."""

    networks: int = 0
    runs: int = 0
    near: int = 0
    worst: float = 0.0
    reached: Counter[str] = field(default_factory=Counter)
    faults: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Drawn:
    """A network with its distinct sequences, and how often and where the batch holds each."""

    network: Any
    parameters: Any
    distinct: Batch
    order: np.ndarray
    reached: set[str]
    real: dict[str, Any] | None = None
    """What the float reference reads, where it is held against golden."""

    @property
    def batch(self) -> Batch:
        """The sequences in the order in which the engine runs them."""
        whole = self.distinct
        initial = {name: value[self.order] for name, value in whole.initial.items()}
        return Batch(whole.inputs[self.order], whole.lengths[self.order], initial)


# --- drawing -------------------------------------------------------------------------------------
def order(rng: random.Random, cost: float, steps: int) -> np.ndarray:
    """Which of its distinct sequences a batch holds in which place."""
    count = rng.choice(SIZES)
    distinct = max(min(count, int(GOLDEN_BUDGET / (cost * steps + 1))), 1)
    places = list(range(distinct)) + [rng.randrange(distinct) for _ in range(count - distinct)]
    rng.shuffle(places)
    return np.array(places)


def drawn_graph(rng: random.Random) -> Drawn:
    """A network of random step graphs."""
    steps = rng.choice([4, 5, 7])
    network = graphs._write_network(rng, steps, graphs.Attempts(), False)
    return with_data(rng, network, steps, set())


def drawn_layers(rng: random.Random, fine: bool) -> Drawn:
    """A network of random layers; ``fine``: with wide formats, for the float reference."""
    steps = rng.choice([3, 4, 6])
    design = layers.draw_design(rng, steps, fine)
    reached = {f"layer {type(each).__name__}" for each in flat(design.layers)}
    drawn = with_data(rng, design.network, steps, reached)
    return real_data(rng, drawn) if fine else drawn


def flat(written: Any) -> Iterator[Any]:
    """All layers, those within others too."""
    for each in written:
        yield each
        yield from flat(getattr(each, "layers", ()))
        yield from flat([each.layer] if hasattr(each, "layer") else ())
        for head in getattr(each, "chains", ()):
            yield from flat(head)


def with_data(rng: random.Random, network: Any, steps: int, reached: set[str]) -> Drawn:
    """``network`` with edge-first tensors, inputs and states."""
    shortest = graphs._shortest(network, steps)
    longest = rng.randint(shortest, steps)
    places = order(rng, graphs._cost(network), longest)
    data = np.random.default_rng(rng.randint(0, 2**32 - 1))
    parameters = graphs.draw_parameters(data, network)
    batch = graphs.draw_batch(data, network, int(places.max()) + 1, longest, shortest)
    return Drawn(network, parameters, batch, places, reached)


def real_data(rng: random.Random, drawn: Drawn) -> Drawn:
    """``drawn`` with small real tensors, inputs and states."""
    data = np.random.default_rng(rng.randint(0, 2**32 - 1))
    network, lengths = drawn.network, drawn.distinct.lengths
    x = data.uniform(-1, 1, drawn.distinct.inputs.shape)
    states = network.states()
    first = {}
    for name in drawn.distinct.initial:
        low, high = (end * states[name].format.step for end in states[name].interval)
        shape = len(lengths), states[name].units
        first[name] = data.uniform(max(-0.5, low), min(0.5, high), shape)
    raw = {name: quantise(value, states[name].format)[0] for name, value in first.items()}
    parameters = layers.small_parameters(data, network)
    batch = make_batch(network, x, lengths, raw)
    real = {"x": x, "lengths": lengths, "initial": first}
    return Drawn(network, parameters, batch, drawn.order, drawn.reached, real)


BY_HAND = [
    graphs.zero_shift_case,
    graphs.zero_words_case,
    *(partial(graphs.byte_case, kind, Q(4, 3), 33) for kind in graphs.BYTE_WEIGHTS),
    partial(graphs.byte_case, "extreme", Q(4, 3), 75),  # tiles of AMX have 64 columns
]
"""Corners that a draw rarely meets, in place of the first seeds."""


def drawn(seed: int) -> Drawn:
    """The network of a seed."""
    if seed < len(BY_HAND):
        case = BY_HAND[seed]()
        places = np.arange(case.batch.sequences)
        return Drawn(case.network, case.parameters, case.batch, places, set())
    rng = random.Random(seed)
    if seed % 8 == 7:
        case = draw_structured(rng)
        places = np.arange(case.batch.sequences)
        return Drawn(case.network, case.parameters, case.batch, places, set())
    if rng.random() < 0.5:
        return drawn_graph(rng)
    return drawn_layers(rng, rng.random() < 1 / 3)


# --- judging -------------------------------------------------------------------------------------
def defined(each: Drawn, traces: tuple[str, ...]) -> tuple[Run, Run]:
    """Golden on the distinct sequences, and as the batch holds them: a sequence does not notice
    the others, so that one in five places is run once and its events count five times."""
    alone = []
    for index in range(each.distinct.sequences):
        at = slice(index, index + 1)
        initial = {name: value[at] for name, value in each.distinct.initial.items()}
        one = Batch(each.distinct.inputs[at], each.distinct.lengths[at], initial)
        alone.append(golden.run(each.network, each.parameters, one, traces))
    places = each.order
    times = np.bincount(places, minlength=len(alone)).tolist()

    def joined(read: Callable[[Run], np.ndarray]) -> np.ndarray:
        return np.concatenate([read(one) for one in alone])

    whole = Run(
        joined(lambda one: one.outputs),
        joined(lambda one: one.lengths),
        {name: joined(lambda one, n=name: one.final[n]) for name in alone[0].final},
        {name: joined(lambda one, n=name: one.traces[n]) for name in alone[0].traces},
        {name: weighted([one.events[name] for one in alone], times) for name in alone[0].events},
        {
            name: Vectors(
                joined(lambda one, n=name: one.by_output[n].values),
                joined(lambda one, n=name: one.by_output[n].lengths),
            )
            for name in alone[0].by_output
        },
    )
    return whole, Run(
        whole.outputs[places],
        whole.lengths[places],
        {name: value[places] for name, value in whole.final.items()},
        {name: value[places] for name, value in whole.traces.items()},
        whole.events,
        {
            name: Vectors(vectors.values[places], vectors.lengths[places])
            for name, vectors in whole.by_output.items()
        },
    )


def weighted(events: list[Events], times: list[int]) -> Events:
    """The sum of ``events``, each so many times."""
    columns = zip(*events, strict=True)
    return Events(*(sum(n * t for n, t in zip(c, times, strict=True)) for c in columns))


def hold(seed: int, done: Done) -> None:
    """Run the network of a seed; AssertionError where something disagrees."""
    each, rng = drawn(seed), random.Random(f"runs of {seed}")
    names = tuple(each.network.signals())
    traces = rng.choice([names, names, (), tuple(rng.sample(names, (len(names) + 1) // 2))])
    if each.real is not None:
        traces = names
    alone, expected = defined(each, traces)
    batch = each.batch
    predicted = layer_counts(each.network, batch.lengths.tolist())
    forms: list[dict[str, Any]] = [
        {"isa": isa, "lanes": lanes} for isa in graphs.ISAS for lanes in (16, 1)
    ]
    if batch.sequences > 1:
        forms.append({"isa": rng.choice(graphs.ISAS), "threads": rng.choice([2, 3])})
    kernels: set[str] = set()
    compiler.TILE_WORDS = rng.choice([128, 512])  # with 128 most layers have several tiles
    if "amx" not in graphs.ISAS:
        forms.append({"isa": "plain", "tiles": True})
    for form in forms:
        kept = rng.choice([traces, ()])  # what is traced is no part of a superinstruction
        if "tiles" in form:
            plan = plan_network(each.network, each.parameters, 16, kept, TILES)
            found = execute(plan, batch, "plain")
        else:
            form |= {"chunk": rng.choice([None, 1, 2, 3])}
            found = run(each.network, each.parameters, batch, kept, **{"threads": 1, **form})
        seen = {name: expected.traces[name] for name in kept}
        graphs.assert_same_run(replace(expected, traces=seen), found)
        assert found.counts.keys() == predicted.keys(), form
        for layer, counts in predicted.items():
            assert dict(found.counts[layer].flat()) == dict(counts.flat()), (form, layer)
        done.runs += 1
        for work in found.work:
            kernels |= instructions(work.plan)
    if each.real is not None:
        hold_reference(each, alone, done)
    done.networks += 1
    done.reached.update(each.reached | operations(each.network) | kernels)


def hold_reference(each: Drawn, expected: Run, done: Done) -> None:
    """The float reference within the tolerance of golden, where nothing clipped."""
    if any(events.total for events in expected.events.values()):
        return
    assert each.real is not None
    x, lengths, first = each.real["x"].copy(), each.real["lengths"], each.real["initial"]
    x[np.arange(x.shape[1]) >= lengths[:, None]] = np.nan
    names = list(each.network.signals())
    real = run_reference(each.network, each.parameters, x, lengths, names, initial=first)
    np.testing.assert_array_equal(real.lengths, expected.lengths)
    outputs = {node.name: node.format for node in each.network.outputs}
    judged = [
        (name, real.by_output[name], expected.by_output[name].values, format)
        for name, format in outputs.items()
    ]
    signals, states = each.network.signals(), each.network.states()
    judged += [(n, real.traces[n], expected.traces[n], signals[n].format) for n in names]
    judged += [(n, real.final[n], expected.final[n], states[n].format) for n in states]
    for name, value, raw, format in judged:
        error = float(np.abs(value - real_values(raw, format)).max(initial=0.0))
        assert error <= TOLERANCE, f"reference of {name} is {error:.3g} off"
        done.worst = max(done.worst, error)
    done.near += 1


def operations(network: Any) -> set[str]:
    """The operations, structures and modes of a network, by name."""
    seen = {f"time {type(node).__name__}" for node in network.nodes}
    for scan in network.scans:
        for node in scan.graph.nodes:
            seen.add(f"step {type(node).__name__}")
            casts = [node.format] if isinstance(node, Cast) else []
            if isinstance(node, Matvec):
                seen.add(f"structure {type(node.structure).__name__}")
                casts += [to for to in (node.product, node.accumulator) if to is not None]
            seen |= {f"mode {to.rounding.value} {to.overflow.value}" for to in casts}
    return seen


def instructions(plan: NetworkPlan) -> set[str]:
    """The instructions of a plan, by name, word and lanes."""
    return {
        f"kernel {NAMES[row['operation']]}, {row['bits']} bits, {plan.lanes} lanes"
        for scan in plan.scans.values()
        for row in scan.instructions
    }


def reachable() -> set[str]:
    """What there is, as far as it is listed somewhere; kernels without their bits and lanes."""
    layer_kinds = {name for each in (cells, vectors) for name in each.__all__} - {"Layer"}
    return (
        {f"layer {name}" for name in layer_kinds}
        | {f"step {kind.__name__}" for kind in OPERATIONS}
        | {f"time {kind.__name__}" for kind in TIME_OPERATIONS}
        | {f"structure {kind.__name__}" for kind in elementary(Elementary)}
        | {f"mode {r.value} {o.value}" for r in Rounding for o in Overflow}
        | {f"kernel {name}" for name in OPERATION}
    )


def elementary(kind: type) -> Iterator[type]:
    """The structures of one matrix."""
    for each in kind.__subclasses__():
        if not each.__name__.startswith("_"):
            yield each
        yield from elementary(each)


# --- running -------------------------------------------------------------------------------------
def block(first: int, end: int, folder: Path) -> Done:
    """The networks of the seeds ``first`` to ``end``."""
    done = Done()
    for seed in range(first, end):
        (folder / "seed").write_text(str(seed))  # what ran when a process dies
        try:
            hold(seed, done)
        except Exception:
            done.faults.append({"seed": seed, "what": traceback.format_exc(limit=-4)})
    return done


def sanitized_tree(folder: Path, here: str) -> Path:
    """The package with a sanitized extension, built once for a commit."""
    assert sanitized.runtime(), "needs gcc with its sanitizers, on Linux"
    tree, half = (folder / f"{name}-{here}" for name in ("sanitized", "half"))
    if here.endswith("+"):
        shutil.rmtree(tree, ignore_errors=True)
    if not tree.exists():
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        sanitized.build(half)
        half.rename(tree)
    return tree.resolve()


def sanitized_block(first: int, end: int, folder: Path, tree: Path) -> Done:
    """The same in a process of its own with the extension of ``tree``."""
    part = Path(tempfile.mkdtemp(dir=folder)).resolve()  # the process works in another folder
    words = [sys.executable, "-c", RUN, str(tree), __file__, str(part), f"{first}:{end}"]
    ran = subprocess.run(
        words, cwd=tree, env=sanitized.environment(), capture_output=True, text=True, check=False
    )
    lines = list(entries(part / "done.jsonl"))
    done = Done(reached=Counter())
    for entry in lines:
        done = Done(**{key: entry[key] for key in vars(done)})
        done.reached = Counter(done.reached)
    text = ran.stdout + ran.stderr
    if not lines or "Sanitizer" in text or "runtime error" in text:
        seed = int((part / "seed").read_text()) if (part / "seed").exists() else first
        done.faults.append({"seed": seed, "what": text[-4000:]})
    shutil.rmtree(part)
    return done


RUN = """
import runpy, sys
tree, script, folder, seeds = sys.argv[1:]
sys.path.insert(0, tree)
import rnnhw
assert rnnhw.__file__.startswith(tree), rnnhw.__file__
sys.argv = [script, folder, "--seeds", seeds]
runpy.run_path(script, run_name="__main__")
"""


def entries(record: Path) -> Iterator[dict[str, Any]]:
    """The blocks that are done; a line that was cut off when the machine stopped is left out."""
    for line in record.read_text().splitlines() if record.exists() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def summary(done: list[dict[str, Any]]) -> Iterator[str]:
    """What all blocks ran and reached."""
    total: Counter[str] = Counter()
    for entry in done:
        total.update(entry["reached"])
    networks, runs, near = (sum(each[key] for each in done) for key in ("networks", "runs", "near"))
    bad = sum(len(each["faults"]) for each in done)
    worst = max((each["worst"] for each in done), default=0.0)
    kinds = {name.split(",")[0] for name in total}
    yield "reached, and by how many networks:"
    yield from (f"  {name}: {count:,}" for name, count in sorted(total.items()))
    yield f"not reached: {', '.join(sorted(reachable() - kinds)) or 'nothing'}"
    yield (
        f"{networks:,} networks, {runs:,} runs, {bad:,} faults; float reference of {near:,} at "
        f"most {worst:.2g} off; instruction sets {', '.join(graphs.ISAS)}; commits "
        f"{', '.join(sorted({each['commit'] for each in done}))}"
    )


def main(show: Callable[[str], None] = print) -> int:
    """Run the blocks that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", default="0:50000", help="FIRST:END")
    parser.add_argument("--sanitized", action="store_true")
    parser.add_argument("--minutes", type=float, default=600.0)
    options = parser.parse_args()
    begin, last = map(int, options.seeds.split(":"))
    options.folder.mkdir(parents=True, exist_ok=True)
    record = options.folder / "done.jsonl"
    done = {(each["first"], each["end"]): each for each in entries(record)}
    here = commit()
    until = time.monotonic() + 60 * options.minutes
    tree = sanitized_tree(options.folder, here) if options.sanitized else None
    for first in range(begin, last, BLOCK):
        end = min(first + BLOCK, last)
        before = done.get((first, end))
        if before is not None and (not before["faults"] or before["commit"] == here):
            continue
        if time.monotonic() > until:
            break
        if tree is None:
            ran = block(first, end, options.folder)
        else:
            ran = sanitized_block(first, end, options.folder, tree)
        entry = {"first": first, "end": end, "commit": here, **vars(ran)}
        done[first, end] = entry
        with record.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        for fault in ran.faults:
            show(f"seed {fault['seed']}: {fault['what']}")
    found = list(done.values())
    for line in summary(found):
        show(line)
    return 1 if any(each["faults"] for each in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
