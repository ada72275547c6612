"""The engine: plans run by the compiled kernels, with measured counts and exact events.

Equal to :mod:`rnnhw.execution.golden` bit for bit, on every instruction set and for every batch.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.counts import Counts, memory_of, stored_vectors
from rnnhw.design.weights import Parameters
from rnnhw.errors import UsageError, unknown_name
from rnnhw.execution import _engine
from rnnhw.execution.batch import Batch, event_signals
from rnnhw.execution.compiler import (
    INSTRUCTION,
    LANES,
    NetworkPlan,
    ScanPlan,
    StatePlan,
    plan_network,
)
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
    State,
    Subtract,
)
from rnnhw.layers.structures import FastWalshHadamard, WalshHadamardStage
from rnnhw.numerics.cast import Events

__all__ = ["EngineRun", "available_isas", "execute", "run", "select_isa"]

if _engine.instruction_bytes() != INSTRUCTION.itemsize:
    raise ImportError("the compiled engine is of another version: build rnnhw again")

Progress = Callable[[int, int], None]

_SLICE_STEPS = 1 << 16
"""Sequence steps between two reports of progress."""


_KEPT_PLANS = 8
"""Plans that are kept for the same parameters: other lanes, other traces."""


@dataclass(frozen=True, eq=False)
class _Work:
    """What the kernels tallied: by layer, elements and terms of every instruction; by total over
    time, additions."""

    plan: NetworkPlan
    units: Mapping[Scan, NDArray[np.int64]]
    terms: Mapping[Scan, NDArray[np.int64]]
    adds: Mapping[TimeNode, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class EngineRun:
    """A :class:`~rnnhw.execution.batch.Run` with the work of every layer, measured while it ran.

    ``packed_outputs`` and ``packed_traces`` are in the narrowest integers of their formats, in
    which sums soon overflow; ``outputs`` and ``traces`` are made from them when they are asked for.
    """

    packed_outputs: NDArray[np.signedinteger]
    lengths: NDArray[np.int64]
    final: Mapping[str, NDArray[np.int64]]
    packed_traces: Mapping[str, NDArray[np.signedinteger]]
    events: Mapping[str, Events]
    work: _Work
    isa: str

    @cached_property
    def outputs(self) -> NDArray[np.int64]:
        """Raw integers [sequences, steps, units], zero past each of ``lengths``."""
        return self.packed_outputs.astype(np.int64)

    @cached_property
    def traces(self) -> Mapping[str, NDArray[np.int64]]:
        """The signals asked for, [sequences, steps, units]."""
        return {name: trace.astype(np.int64) for name, trace in self.packed_traces.items()}

    @cached_property
    def counts(self) -> Mapping[str, Counts]:
        """Operations and memory accesses by layer, worked out when they are first asked for."""
        return _measured(self.work)


def available_isas() -> dict[str, bool]:
    """The instruction sets in this build, slowest first, and whether this processor runs each."""
    return dict(_engine.built_isas())


def select_isa(name: str | None) -> tuple[int, str]:
    """Number and name of an instruction set; the fastest that runs here if none is named.

    Raises:
        UsageError: it is not built or this processor lacks it.
    """
    isas = available_isas()
    names = list(isas)
    if name is None:
        name = [candidate for candidate in names if isas[candidate]][-1]
    if name not in isas:
        raise UsageError(*unknown_name("instruction set", name, isas))
    if not isas[name]:
        usable = ", ".join(candidate for candidate in names if isas[candidate])
        raise UsageError(f"this processor has no {name}", f"it runs {usable}")
    return names.index(name), name


def run(
    network: Network,
    parameters: Parameters,
    batch: Batch,
    traces: Iterable[str] = (),
    *,
    isa: str | None = None,
    lanes: int | None = None,
    progress: Progress | None = None,
) -> EngineRun:
    """The network on a batch.

    ``lanes`` is 16 (sequences side by side) or 1 (one after the other); None chooses.
    ``progress`` is called with the sequences done and their number.

    Raises:
        UsageError: the instruction set is not there.
        DesignError: a trace names no signal.
    """
    wanted = tuple(dict.fromkeys(traces))
    for name in wanted:
        network.signal(name)
    select_isa(isa)
    if lanes not in (None, 1, LANES):
        raise UsageError(f"lanes={lanes}", f"use 1 or {LANES}, or leave it out")
    # Two sequences one after the other cost less than a block of 16 lanes with 14 empty.
    chosen = lanes or (LANES if batch.sequences > 2 else 1)
    return execute(_planned(network, parameters, chosen, wanted), batch, isa, progress)


@dataclass(eq=False)
class _Kept:
    """The plans for one network and the integers that they were made of."""

    network: Network
    raw: Mapping[str, NDArray[np.int64]]
    plans: dict[tuple[int, tuple[str, ...]], NetworkPlan] = field(default_factory=dict)

    def holds(self, network: Network, parameters: Parameters) -> bool:
        """Whether the plans are of these: an array may have been written to since."""
        return self.network is network and all(
            np.array_equal(values, parameters.raw[key]) for key, values in self.raw.items()
        )


_kept: WeakKeyDictionary[Parameters, _Kept] = WeakKeyDictionary()  # a plan knows no parameters
_kept_lock = threading.Lock()


def _planned(
    network: Network, parameters: Parameters, lanes: int, traces: tuple[str, ...]
) -> NetworkPlan:
    """The plan, made once while the parameters live and are not changed."""
    key = lanes, traces
    with _kept_lock:
        kept = _kept.get(parameters)
    if kept is None or not kept.holds(network, parameters):
        raw = {tensor.key: parameters.raw[tensor.key].copy() for tensor in network.tensors}
        kept = _Kept(network, raw)
    plan = kept.plans.get(key)
    if plan is None:
        plan = plan_network(network, parameters, lanes, traces)
        with _kept_lock:
            if len(kept.plans) == _KEPT_PLANS:
                del kept.plans[next(iter(kept.plans))]
            kept.plans[key] = plan
            _kept[parameters] = kept
    return plan


def execute(
    plan: NetworkPlan, batch: Batch, isa: str | None = None, progress: Progress | None = None
) -> EngineRun:
    """Run a plan on a batch that was made for its network."""
    network = plan.network
    level, isa_name = select_isa(isa)
    program = _engine.Program(plan, level)
    sequences, longest = batch.sequences, int(batch.lengths.max())
    program.reserve(longest)
    states = [state for scan in plan.scans.values() for state in scan.states]
    initial = {state.name: np.ascontiguousarray(_initial(batch, state)) for state in states}
    final = {name: np.zeros_like(value) for name, value in initial.items()}
    inputs = np.ascontiguousarray(batch.inputs)
    steps = inputs.shape[1]
    shape = sequences, network.output.steps_for(steps), network.output.units
    outputs = np.zeros(shape, f"i{plan.sequences[-1].bits // 8}")
    output_lengths = np.zeros(sequences, np.int64)
    traces = {
        name: np.zeros(
            (sequences, network.scan_of(name).steps_for(steps), network.signal(name).units),
            f"i{bits // 8}",
        )
        for name, bits in plan.traces.items()
    }
    # Sequences of like length share a block, so that few lanes wait for the longest.
    order = np.argsort(-batch.lengths, kind="stable")
    part = max(_SLICE_STEPS // (plan.lanes * longest), 1) * plan.lanes
    for first in range(0, sequences, part):
        program.run(
            inputs,
            batch.lengths,
            order[first : first + part],
            initial,
            outputs,
            output_lengths,
            final,
            traces,
        )
        if progress is not None:
            progress(min(first + part, sequences), sequences)
    events = {name: Events() for name, _ in event_signals(network)}
    for scan, _ in program.scans:
        for name, row in zip(scan.plan.event_names, scan.events.tolist(), strict=True):
            if name:
                events[name] += Events(*row)
    return EngineRun(
        packed_outputs=outputs,
        lengths=output_lengths,
        final=final,
        packed_traces=traces,
        events=events,
        work=_Work(
            plan=plan,
            units={node: scan.units_done for scan, node in program.scans},
            terms={node: scan.terms_done for scan, node in program.scans},
            adds=dict(zip(network.nodes[1:], program.total_adds.tolist(), strict=True)),
        ),
        isa=isa_name,
    )


def _initial(batch: Batch, state: StatePlan) -> NDArray[np.int64]:
    """The first value of a state for every sequence, [sequences, units]."""
    given = batch.initial.get(state.name)
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
    """What one layer's instructions did, told as scalar operations and memory accesses."""

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
        # Valid steps that the program ran: the output is stored once in each.
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
