"""The engine: plans run by the compiled kernels, with measured counts and exact events.

Equal to :mod:`rnnhw.execution.golden` bit for bit, on every instruction set and for every batch.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from queue import SimpleQueue
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.counts import Counts, memory_of, stored_vectors
from rnnhw.design.weights import Parameters
from rnnhw.errors import UsageError
from rnnhw.execution import _engine
from rnnhw.execution.batch import Batch, Vectors, event_signals
from rnnhw.execution.compiler import LANES, plan_network
from rnnhw.execution.instruction_sets import available_isas, select_isa
from rnnhw.execution.instructions import INSTRUCTION
from rnnhw.execution.plan import NetworkPlan, ScanPlan, StatePlan
from rnnhw.execution.quads import ByteProducts
from rnnhw.graph.network import Network, Scan, TimeNode, Total
from rnnhw.graph.nodes import (
    Add,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    State,
    Subtract,
)
from rnnhw.layers.structures import FastWalshHadamard, WalshHadamardStage
from rnnhw.numerics.cast import Events

__all__ = [
    "EngineRun",
    "available_isas",
    "execute",
    "execute_by_lane",
    "execute_shares",
    "plan_for",
    "run",
    "select_isa",
    "sides",
]

if _engine.instruction_bytes() != INSTRUCTION.itemsize:
    raise ImportError("the compiled engine is of another version: build rnnhw again")

Progress = Callable[[int, int], None]

_SLICE_STEPS = 1 << 16
"""Sequence steps between two reports of progress."""


_WORTH_THREADS = 1 << 26
"""Multiply-accumulates below which threads, which take about a millisecond to begin, are used only
if they are asked for."""

_SHARED_WEIGHTS = 1 << 17
"""Bytes of weights that are worth to be read once for several lane blocks, whatever else must leave
the caches for that."""

_NEAR_BYTES = 1 << 20
"""Bytes of the vectors of several lane blocks that a second-level cache holds."""

_LINE = 64
"""Bytes of a cache line."""

_CHUNK_BYTES = 1 << 18
"""Bytes of the sequences of all layers, at the steps of a chunk, that it holds beside them."""

_LEAST_CHUNK = 4
"""Steps of a chunk at least, so that a layer's weights are not called back for every one."""

_UNIT_WORK = 16
"""Multiply-accumulates that the elementwise operations behind a row are worth."""

_ALONE = 3
"""Sequences that cost less one after the other than as a block of 16 lanes with the rest empty."""

_KEPT_PLANS = 8
"""Plans that are kept for the same parameters: other lanes, other traces."""

_KEPT_PROGRAMS = 8
"""Programs that a plan keeps for its next run: one a thread."""

_KEPT_BYTES = 1 << 24
"""Bytes of their memory at most. What is given back to the system must be mapped again, page by
page: that took half of a run of 40 steps of a Hadamard layer."""


@dataclass(frozen=True, eq=False)
class _Work:
    """Tallies of the kernels under one plan: by layer, elements and terms of every instruction;
    by total over time, additions."""

    plan: NetworkPlan
    units: Mapping[Scan, NDArray[np.int64]]
    terms: Mapping[Scan, NDArray[np.int64]]
    adds: Mapping[TimeNode, int]

    def share(self, plan: NetworkPlan, count: int) -> _Work:
        """That of one of ``count`` networks of one structure which did the same work; ``plan`` is
        its own."""
        layers = dict(zip(self.plan.scans, plan.scans, strict=True))
        nodes = dict(zip(self.plan.network.nodes, plan.network.nodes, strict=True))
        return _Work(
            plan,
            {layers[layer]: done // count for layer, done in self.units.items()},
            {layers[layer]: done // count for layer, done in self.terms.items()},
            {nodes[node]: done // count for node, done in self.adds.items()},
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class EngineRun:
    """A :class:`~rnnhw.execution.batch.Run` with the work of every layer, measured while it ran.

    ``packed`` and ``packed_traces`` are in the narrowest integers of their formats, in which sums
    soon overflow; ``by_output``, ``outputs`` and ``traces`` widen them on demand. ``packed`` has
    every output by name with its lengths; ``outputs`` and ``lengths`` are those of the first.
    """

    packed: Mapping[str, tuple[NDArray[np.signedinteger], NDArray[np.int64]]]
    final: Mapping[str, NDArray[np.int64]]
    packed_traces: Mapping[str, NDArray[np.signedinteger]]
    events: Mapping[str, Events]
    work: Sequence[_Work]
    isa: str

    @cached_property
    def by_output(self) -> Mapping[str, Vectors]:
        """Every output by its name."""
        return {
            name: Vectors(values.astype(np.int64), lengths)
            for name, (values, lengths) in self.packed.items()
        }

    @cached_property
    def outputs(self) -> NDArray[np.int64]:
        """Raw integers [sequences, steps, units], zero past a sequence's length."""
        return next(iter(self.by_output.values())).values

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The steps of every sequence of ``outputs``."""
        return next(iter(self.packed.values()))[1]

    @cached_property
    def traces(self) -> Mapping[str, NDArray[np.int64]]:
        """The signals asked for, [sequences, steps, units]."""
        return {name: trace.astype(np.int64) for name, trace in self.packed_traces.items()}

    @cached_property
    def counts(self) -> Mapping[str, Counts]:
        """Operations and memory accesses by layer, worked out when they are first asked for."""
        total: dict[str, Counts] = {}
        for work in self.work:
            for layer, counts in _measured(work).items():
                total[layer] = total.get(layer, Counts()) + counts
        return total


def byte_products(isa: str | None) -> ByteProducts:
    """How products of bytes are planned for an instruction set, the fastest here if none is
    named."""
    level, _ = select_isa(isa)
    return ByteProducts(
        _engine.byte_sums(level), _engine.prefers_tiles(level), _engine.prefers_short(level)
    )


def runnable_products(isa: str | None) -> ByteProducts:
    """The plans for products of bytes that an instruction set, the fastest here if none is named,
    can run, be they fast or not."""
    level, _ = select_isa(isa)
    return ByteProducts(
        _engine.byte_sums(level), _engine.has_tiles(level), _engine.has_short(level)
    )


def plan_for(
    network: Network,
    parameters: Parameters,
    lanes: int,
    traces: Iterable[str] = (),
    isa: str | None = None,
) -> NetworkPlan:
    """The plan that is fastest on an instruction set, by default on the fastest here."""
    return plan_network(network, parameters, lanes, traces, byte_products(isa))


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    network: Network,
    parameters: Parameters,
    batch: Batch,
    traces: Iterable[str] = (),
    *,
    isa: str | None = None,
    lanes: int | None = None,
    threads: int | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> EngineRun:
    """The network on a batch.

    Args:
        network: what runs.
        parameters: the integers of its tensors.
        batch: the inputs, in the formats and units of the network.
        traces: names of the signals to record.
        isa: the instruction set; None takes the fastest that runs here.
        lanes: 16 (sequences side by side) or 1 (one after the other); None chooses.
        threads: cores that share the sequences; None takes all. No result depends on it.
        chunk: steps that a layer takes before the next layer takes the same ones; None chooses. No
            result depends on it, and it has no effect where a node needs whole sequences.
        progress: called with the sequences done and their number.

    Raises:
        UsageError: the instruction set is not there, or lanes, threads or chunk are no such number.
        DesignError: a trace names no signal.
    """
    wanted = tuple(dict.fromkeys(traces))
    for name in wanted:
        network.signal(name)
    products = byte_products(isa)
    if lanes not in (None, 1, LANES):
        raise UsageError(f"lanes={lanes}", f"use 1 or {LANES}, or leave it out")
    check_threads(threads)
    if chunk is not None and chunk < 1:
        raise UsageError(f"chunk={chunk}", "use 1 step or more, or leave it out")
    shares = [
        (_planned(network, parameters, side, wanted, products), count)
        for side, count in sides(batch.sequences, lanes)
    ]
    return execute_shares(shares, batch, isa, threads, progress, chunk)


def sides(sequences: int, lanes: int | None = None) -> list[tuple[int, int]]:
    """How many sequences run in blocks of how many lanes; ``lanes`` takes one side for all."""
    alone = 0 if lanes == LANES else sequences
    if lanes is None:
        alone = sequences % LANES if sequences % LANES <= _ALONE else 0
    return [(side, n) for side, n in ((LANES, sequences - alone), (1, alone)) if n]


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that cannot be.

    Raises:
        UsageError: it is not at least one.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads={threads}", "use 1 or more, or leave it out for all cores")


_PlanKey = tuple[int, tuple[str, ...], ByteProducts]
"""Lanes, traces, and how products of bytes are planned."""


@dataclass(eq=False)
class _Kept:
    """The plans of one network, and the integers of its parameters that they hold."""

    network: Network
    raw: Mapping[str, NDArray[np.int64]]
    plans: dict[_PlanKey, NetworkPlan] = field(default_factory=dict)

    def holds(self, network: Network, parameters: Parameters) -> bool:
        """Whether the plans are of these: an array may have been written to since."""
        return self.network is network and all(
            np.array_equal(values, parameters.raw[key]) for key, values in self.raw.items()
        )


_kept: WeakKeyDictionary[Parameters, _Kept] = WeakKeyDictionary()  # a plan knows no parameters
_kept_lock = threading.Lock()


def _planned(
    network: Network,
    parameters: Parameters,
    lanes: int,
    traces: tuple[str, ...],
    products: ByteProducts,
) -> NetworkPlan:
    """The plan, computed once as long as the parameters live and do not change."""
    key = lanes, traces, products
    with _kept_lock:
        kept = _kept.get(parameters)
    if kept is None or not kept.holds(network, parameters):
        raw = {tensor.key: parameters.raw[tensor.key].copy() for tensor in network.tensors}
        kept = _Kept(network, raw)
    plan = kept.plans.get(key)
    if plan is None:
        plan = plan_network(network, parameters, lanes, traces, products)
        with _kept_lock:
            if len(kept.plans) == _KEPT_PLANS:
                del kept.plans[next(iter(kept.plans))]
            kept.plans[key] = plan
            _kept[parameters] = kept
    return plan


def execute(
    plan: NetworkPlan,
    batch: Batch,
    isa: str | None = None,
    progress: Progress | None = None,
    threads: int | None = 1,
) -> EngineRun:
    """Run a plan on a batch for the same network."""
    return execute_shares([(plan, batch.sequences)], batch, isa, threads, progress)


class _Arrays:
    """The arrays that a run reads and writes; no sequences share an element."""

    def __init__(
        self,
        plan: NetworkPlan,
        inputs: Sequence[NDArray[np.int64]],
        rows: NDArray[np.int64],
        lengths: NDArray[np.int64],
        initial: Mapping[str, NDArray[np.int64]],
    ) -> None:
        """``rows`` are those that the sequences have of the inputs, arrays of one shape [rows,
        steps, features] one behind the other."""
        network, sequences = plan.network, len(lengths)
        (shape,) = {each.shape for each in inputs}
        if shape[2] != network.source.units:
            raise ValueError(f"{shape[2]} inputs instead of {network.source.units}")
        self.lengths = lengths
        self.inputs = [np.ascontiguousarray(each) for each in inputs]
        self.rows = rows
        steps = shape[1]
        self.initial = {name: np.ascontiguousarray(values) for name, values in initial.items()}
        self.final = {name: np.zeros_like(value) for name, value in self.initial.items()}
        stored = {sequence.node: sequence.bits for sequence in plan.sequences}
        self.outputs: dict[str, tuple[NDArray[np.signedinteger], NDArray[np.int64]]] = {
            node.name: (
                self._array(node, node.units, steps, stored[node]),
                np.zeros(sequences, np.int64),
            )
            for node in network.outputs
        }
        self.traces = {
            name: self._array(network.scan_of(name), network.signal(name).units, steps, bits)
            for name, bits in plan.traces.items()
        }

    def _array(
        self, node: TimeNode, units: int, steps: int, bits: int
    ) -> NDArray[np.signedinteger]:
        """[sequences, steps, units] for vectors of the steps of ``node``, zero past every length.

        What a run writes is not cleared: pages would be touched twice. It begins at a cache line:
        kernels write whole ones.
        """
        longest, lengths = node.steps_for(steps), node.lengths_for(self.lengths)
        size = len(lengths) * longest * units * bits // 8
        room = np.empty(size + _LINE, np.uint8)
        begin = -room.ctypes.data % _LINE
        array = room[begin : begin + size].view(f"i{bits // 8}")
        array = array.reshape(len(lengths), longest, units)
        for sequence in np.flatnonzero(lengths < longest).tolist():
            array[sequence, lengths[sequence] :] = 0
        return array


class _Programs:
    """The programs of one plan, of which a thread takes a free one, or else a new one."""

    def __init__(self, plan: NetworkPlan, level: int, room: int, blocks: int) -> None:
        self.plan = plan
        self.programs: list[_engine.Program] = []
        self._level, self._room, self._blocks = level, room, blocks
        self._free: list[_engine.Program] = []
        self._lock = threading.Lock()

    def run(self, order: NDArray[np.int64], arrays: _Arrays) -> int:
        """Run the sequences numbered by ``order``; how many they are."""
        with self._lock:
            program = self._free.pop() if self._free else None
        if program is None:
            program = self._idle() or self._new()
            with self._lock:
                self.programs.append(program)
        program.run(
            arrays.inputs,
            arrays.rows,
            arrays.lengths,
            order,
            arrays.initial,
            arrays.outputs,
            arrays.final,
            arrays.traces,
        )
        with self._lock:
            self._free.append(program)
        return int((order >= 0).sum())

    @property
    def _key(self) -> tuple[Any, int, int, int]:
        return _engine.Program, self._level, self._room, self._blocks

    def _idle(self) -> _engine.Program | None:
        """A program of an earlier run of the plan."""
        with _kept_lock:
            idle = self.plan.idle.get(self._key)
            return idle.pop() if idle else None

    def _new(self) -> _engine.Program:
        program = _engine.Program(self.plan, self._level, self._blocks)
        program.reserve(self._room)
        return program

    def keep(self) -> None:
        """Let the next run of the plan have the programs, with empty tallies, unless they are
        large. Those for another number of steps are let go."""
        scans = (scan.arena_bytes for scan in self.plan.scans.values())
        size = sum(scans) + self._room * self.plan.lanes * self.plan.step_bytes
        if size * self._blocks * len(self.programs) > _KEPT_BYTES:
            return
        for program in self.programs:
            program.total_adds[:] = 0
            for scan, _ in program.scans:
                for tally in (scan.units_done, scan.terms_done, scan.events):
                    tally[:] = 0
                if scan.lane_events is not None:
                    scan.lane_events[:] = 0
        with _kept_lock:
            kept = self.plan.idle.get(self._key, [])
            self.plan.idle.clear()
            self.plan.idle[self._key] = (kept + self.programs)[:_KEPT_PROGRAMS]

    def work(self) -> _Work:
        """The sum of all tallies."""
        network = self.plan.network
        units: dict[Scan, NDArray[np.int64]] = {}
        terms: dict[Scan, NDArray[np.int64]] = {}
        for program in self.programs:
            for scan, node in program.scans:
                units[node] = units.get(node, 0) + scan.units_done
                terms[node] = terms.get(node, 0) + scan.terms_done
        adds = sum(program.total_adds for program in self.programs)
        by_node = dict(zip(network.nodes[1:], np.asarray(adds).tolist(), strict=True))
        return _Work(self.plan, units, terms, by_node)

    def events(self, lanes: Sequence[int] = ()) -> Iterator[tuple[str, Events]]:
        """The events of every signal, once for each program; of some ``lanes`` where they count
        their own."""
        for program in self.programs:
            for scan, _ in program.scans:
                by_lane = bool(lanes and scan.plan.by_lane)  # else it has no casts
                counted = scan.lane_events[:, lanes].sum(1) if by_lane else scan.events
                rows = counted.tolist()
                for name, row in zip(scan.plan.event_names, rows, strict=True):
                    if name:
                        yield name, Events(*row)


def execute_shares(
    shares: Sequence[tuple[NetworkPlan, int]],
    batch: Batch,
    isa: str | None,
    threads: int | None,
    progress: Progress | None,
    chunk: int | None = None,
) -> EngineRun:
    """Run the longest sequences by the first plan, so many of them, the next by the next."""
    level, isa_name = select_isa(isa)
    for share, _ in shares:
        if not runnable_products(isa).runs(share.byte_products):
            tiles = " and by tiles" if share.byte_products.tiles else ""
            raise UsageError(
                f"a plan for sums of bytes in {share.byte_products.sum_bits} bits{tiles}, which "
                f"{isa_name} has not",
                f"plan with plan_for(..., isa={isa_name!r})",
            )
    plan, longest = shares[0][0], int(batch.lengths.max())
    rows = np.arange(batch.sequences)
    arrays = _Arrays(plan, [batch.inputs], rows, batch.lengths, _initial(plan, batch))
    # Sequences of like length share a block, so that few lanes wait for the longest.
    order = np.argsort(-batch.lengths, kind="stable")
    of_share = [-(-count // share.lanes) for share, count in shares]
    if threads is None and batch.sequences * longest * _step_work(plan) < _WORTH_THREADS:
        threads = 1
    used = min(threads or cores(), sum(of_share))
    tasks, programs, first = [], [], 0
    for (share, count), blocks in zip(shares, of_share, strict=True):
        part = max(_SLICE_STEPS // (share.lanes * longest), 1)
        # Side by side they read weights once, but each thread is to have some.
        beside = min(part, _most_beside(share), -(-blocks // used))
        if used > 1:  # some parts for each thread, so that none waits long for the last
            part = min(part, max(-(-blocks // (4 * used)), beside))
        room = _chunk(share, longest, beside, chunk)
        programs.append(_Programs(share, level, room, beside))
        for begin in range(first, first + count, part * share.lanes):
            end = min(begin + part * share.lanes, first + count)
            tasks.append((programs[-1], order[begin:end]))
        first += count
    done = 0
    for count in _done(tasks, arrays, used):
        done += count
        if progress is not None:
            progress(done, batch.sequences)
    events, work = _all_events(plan, programs), [each.work() for each in programs]
    for each in programs:
        each.keep()
    return EngineRun(
        packed=arrays.outputs,
        final=arrays.final,
        packed_traces=arrays.traces,
        events=events,
        work=work,
        isa=isa_name,
    )


def execute_by_lane(
    plan: NetworkPlan,
    plans: Sequence[NetworkPlan],
    batches: Sequence[Batch],
    lanes: Sequence[int],
    isa: str | None,
    threads: int | None,
) -> list[EngineRun]:
    """Run networks whose lanes share blocks; their batches have the same lengths.

    Args:
        plan: those of ``plans``, of one network each, as one
            (:func:`rnnhw.execution.lane_formats.merged_by_lane`).
        plans: the programs of the networks, which tell what their work counts as.
        batches: what the networks run on.
        lanes: the network of every lane of a block, -1 where it stays empty.
        isa: the instruction set; None takes the fastest.
        threads: cores that share the blocks; None takes all where that is worth it.
    """
    level, isa_name = select_isa(isa)
    lengths, sequences = batches[0].lengths, batches[0].sequences
    inputs = {id(batch.inputs): batch.inputs for batch in batches}
    first = {each: place * sequences for place, each in enumerate(inputs)}
    rows = [first[id(batch.inputs)] + np.arange(sequences) for batch in batches]
    states = [_initial(each, batch) for each, batch in zip(plans, batches, strict=True)]
    arrays = _Arrays(
        plan,
        list(inputs.values()),
        np.concatenate(rows),
        np.tile(lengths, len(batches)),
        {name: np.concatenate([each[name] for each in states]) for name in states[0]},
    )
    order = _order_by_lane(lengths, lanes)
    blocks, longest = len(order) // LANES, int(lengths.max())
    if threads is None and len(batches) * sequences * longest * _step_work(plan) < _WORTH_THREADS:
        threads = 1
    used = min(threads or cores(), blocks)
    beside = min(_most_beside(plan), -(-blocks // used))
    programs = _Programs(plan, level, _chunk(plan, longest, beside, None), beside)
    parts = np.split(order, range(beside * LANES, len(order), beside * LANES))
    for _ in _done([(programs, part) for part in parts], arrays, used):
        pass
    whole, count = programs.work(), len(batches)
    return [
        EngineRun(
            packed={
                name: (values[of], ends[of]) for name, (values, ends) in arrays.outputs.items()
            },
            final={name: values[of] for name, values in arrays.final.items()},
            packed_traces={name: values[of] for name, values in arrays.traces.items()},
            events=_all_events(own, [programs], [k for k in range(LANES) if lanes[k] == place]),
            # Every network takes the same steps, and has the same instructions.
            work=[whole.share(own, count)],
            isa=isa_name,
        )
        for place, own in enumerate(plans)
        for of in [slice(place * sequences, (place + 1) * sequences)]
    ]


def _order_by_lane(lengths: NDArray[np.int64], lanes: Sequence[int]) -> NDArray[np.int64]:
    """The sequence of every lane of block after block, of all networks' one behind the other; the
    longest come first, -1 stands for none."""
    longest_first = np.argsort(-lengths, kind="stable")
    each = lanes.count(0)
    blocks = -(-len(lengths) // each)
    padded = np.full(blocks * each, -1)
    padded[: len(lengths)] = longest_first
    order = np.full((blocks, LANES), -1)
    taken: Counter[int] = Counter()
    for lane, place in enumerate(lanes):
        if place >= 0:
            own = padded[taken[place] :: each]
            order[:, lane] = np.where(own < 0, -1, own + place * len(lengths))
            taken[place] += 1
    return order.ravel()


def _all_events(
    plan: NetworkPlan, programs: Iterable[_Programs], lanes: Sequence[int] = ()
) -> dict[str, Events]:
    """The events of every signal of a network, of some ``lanes`` where they count their own."""
    events = {name: Events() for name, _ in event_signals(plan.network)}
    for each in programs:
        for name, counted in each.events(lanes):
            events[name] += counted
    return events


def _most_beside(plan: NetworkPlan) -> int:
    """Lane blocks that run side by side at most: they have weights to share, or vectors so short
    that those of all stay in a cache."""
    if plan.lanes < LANES:
        return 1
    weights = sum(rows.weights.nbytes for scan in plan.scans.values() for rows in scan.matrices)
    if weights >= _SHARED_WEIGHTS:
        return _engine.most_blocks()
    vectors = max((scan.arena_bytes for scan in plan.scans.values()), default=1)
    return min(max(_NEAR_BYTES // vectors, 1), _engine.most_blocks())


def _chunk(plan: NetworkPlan, longest: int, blocks: int, wanted: int | None) -> int:
    """Steps of so many lane blocks that a layer takes before the next layer takes them: as many as
    stay in a cache until then, and until the last are copied out."""
    if plan.needs_whole_sequences:
        return longest
    if wanted is None:
        wanted = max(_CHUNK_BYTES // (plan.lanes * plan.step_bytes * blocks), _LEAST_CHUNK)
    return min(wanted, longest)


def _step_work(plan: NetworkPlan) -> int:
    """About how many multiply-accumulates one step of one sequence is worth."""
    rows = [rows for scan in plan.scans.values() for rows in scan.matrices]
    return sum(each.all_terms + _UNIT_WORK * len(each.terms) for each in rows)


def _done(
    tasks: Sequence[tuple[_Programs, NDArray[np.int64]]], arrays: _Arrays, threads: int
) -> Iterator[int]:
    """Run all tasks, this thread among the others, and tell after each how many sequences it ran.

    A pool of threads took .4 ms more a run: it starts one thread more, and then this one.
    """
    left = deque(tasks)
    done: SimpleQueue[int | BaseException] = SimpleQueue()

    def run_next() -> bool:
        try:
            programs, order = left.popleft()
        except IndexError:
            return False
        done.put(programs.run(order, arrays))
        return True

    def run_all() -> None:
        try:
            while run_next():
                pass
        except BaseException as error:
            done.put(error)

    others = [threading.Thread(target=run_all) for _ in range(threads - 1)]
    try:
        for thread in others:
            thread.start()
        for _ in tasks:
            if done.empty():
                run_next()
            count = done.get()
            if isinstance(count, BaseException):
                raise count
            yield count
    finally:
        left.clear()
        for thread in others:
            thread.join()


def _initial(plan: NetworkPlan, batch: Batch) -> dict[str, NDArray[np.int64]]:
    """The first value of every state for every sequence, [sequences, units]."""
    states = [state for scan in plan.scans.values() for state in scan.states]
    return {state.name: _first(batch, state) for state in states}


def _first(batch: Batch, state: StatePlan) -> NDArray[np.int64]:
    given = batch.initial.get(state.name)
    if given is not None and given.shape != (batch.sequences, len(state.initial)):
        raise ValueError(f"{state.name}: first states of shape {given.shape}")
    return np.tile(state.initial, (batch.sequences, 1)) if given is None else given


# --- measured counts ---------------------------------------------------------------------------
def _measured(work: _Work) -> dict[str, Counts]:
    """Counts by layer from what the kernels tallied: elements, rows and terms of real steps."""
    counts = {}
    for node in work.plan.network.nodes:
        if isinstance(node, Scan):
            plan = work.plan.scans[node]
            counts[node.name] = _Tally(node, plan, work.units[node], work.terms[node]).counts()
        elif isinstance(node, Total):
            counts[node.name] = _total_counts(node, work.adds[node])
    return counts


def _total_counts(node: Total, adds: int) -> Counts:
    source, width = node.sources[0], node.format.width
    return (
        Counts(adds=adds)
        + Counts.reading(memory_of(source), adds, source.format.width)
        + Counts.reading("state", adds, width)
        + Counts.writing("state", adds, width)
    )


class _Tally:
    """The work of one layer's instructions, as scalar operations and memory accesses."""

    def __init__(
        self, scan: Scan, plan: ScanPlan, units: NDArray[np.int64], terms: NDArray[np.int64]
    ) -> None:
        self.scan = scan
        self.plan = plan
        self.units = units
        self.terms = terms
        self.stored = stored_vectors(plan.graph)

    def counts(self) -> Counts:
        """The layer's counts."""
        graph = self.plan.graph
        total = Counts()
        for node, instruction in self.plan.measured.items():
            done, terms = int(self.units[instruction]), int(self.terms[instruction])
            if isinstance(node, Matvec):
                total += self._matvec(node, instruction, done, terms)
                continue
            total += self._elementwise(node, done)
            for operand in node.operands:
                total += self._read(operand, done)
        # Valid steps that the program ran: a step stores the output once.
        steps = int(self.units[self.plan.output_store]) // graph.output.units
        updated = {value for _, value in graph.updates}
        for node in self.stored | ({graph.output} - updated):
            total += Counts.writing("activations", steps * node.units, node.format.width)
        for state, _ in graph.updates:
            total += Counts.writing("state", steps * state.units, state.format.width)
        return total

    def _read(self, node: Node, done: int) -> Counts:
        """``done`` elements of an operand were read, where they are stored at all."""
        width = node.format.width
        match node:
            case Reinterpret():
                return self._read(node.a, done)
            case Cast(changes_nothing=True):
                return self._read(node.a, done)
            case Gather():
                each = done // node.units
                origins = Counter(node.origins).items()
                return sum((self._read(node, each * n) for node, n in origins), Counts())
            case Input():
                memory = memory_of(self.scan.sources[node.position])
                return Counts.reading(memory, done, width)
            case State():
                return Counts.reading("state", done, width)
            case Constant(tensor=None):
                return Counts()
            case Constant():
                return Counts.reading("biases" if node.role == "bias" else "weights", done, width)
            case _ if node in self.stored:
                return Counts.reading("activations", done, width)
            case _:
                return Counts()

    @staticmethod
    def _elementwise(node: Node, done: int) -> Counts:
        match node:
            case Add() | Subtract() | Select():
                finest = node.format.fraction
                aligned = sum(part.format.fraction < finest for part in (node.a, node.b))
                if isinstance(node, Select):
                    return Counts(comparisons=done, shifts=aligned * done)
                return Counts(adds=done, shifts=aligned * done)
            case Multiply():
                return Counts(multiplies=done)
            case Shift():
                return Counts(shifts=done)
            case Clamp():
                return Counts(comparisons=2 * done)
            case Cast():
                return Counts(requantisations=done)
            case Lookup():
                return Counts(lookups=done) + Counts.reading("tables", done, node.format.width)
            case _:
                raise AssertionError(node)

    def _matvec(self, node: Matvec, instruction: int, rows: int, terms: int) -> Counts:
        onto = rows if node.start is not None else 0
        match node.structure:
            case FastWalshHadamard():
                total = Counts(adds=rows * (node.units.bit_length() - 1) + onto)
            case WalshHadamardStage():
                total = Counts(adds=rows + onto)
            case _:
                assert node.weights is not None
                # The first of a 2-input neuron's terms is added to nothing but a start.
                alone = rows - onto if node.structure.pairwise else 0
                total = Counts(multiplies=terms, adds=terms - alone)
                matrix = self.plan.matrices[self.plan.instructions[instruction]["rows"]]
                words = terms * matrix.words // matrix.all_terms
                width = node.structure.word_bits(node.weights.format.width)
                total += Counts.reading("weights", words, width)
        casts = terms * (node.product_cast_changes + (node.accumulator is not None))
        casts += rows * node.start_cast_changes
        total += Counts(requantisations=casts)
        if node.start is not None:
            total += self._read(node.start, rows)
            if node.accumulator is None and (node.start.format.fraction != node.product_format[0]):
                total += Counts(shifts=rows)
        return total + self._read(node.vector, rows // node.units * node.vector.units)
