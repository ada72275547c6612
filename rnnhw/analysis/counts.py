"""Operations and memory accesses: the type, and the prediction from the step graph.

Counts are algorithmic: useful scalar operations of real sequences, valid steps and stored
weights, the same for every instruction set, padding and batch. Every stored word and operand is
read once by each operation that uses it. What a lane machine reads after reuse is another type
(:mod:`rnnhw.accelerator`).

:mod:`rnnhw.analysis.work` says what an operation does. The engine measures the same fields from the
rows and elements that its kernels iterate and shares no code with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from operator import add, attrgetter
from typing import Any

from rnnhw.analysis.work import work_of
from rnnhw.graph.network import (
    Last,
    Network,
    Reverse,
    Scan,
    Source,
    Steps,
    TimeNode,
    Total,
    Window,
    time_table,
)
from rnnhw.graph.nodes import (
    Cast,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Node,
    Reinterpret,
    State,
    StepGraph,
    Tensor,
    unwired,
)

__all__ = ["Access", "Counts", "layer_counts", "step_counts", "stored_vectors"]


@dataclass(frozen=True, slots=True)
class Access:
    """Accesses of one kind of memory, in words and in bits."""

    reads: int = 0
    writes: int = 0
    read_bits: int = 0
    write_bits: int = 0

    def __add__(self, other: Access) -> Access:
        if other is _NO_ACCESS:  # as most are: an operation reads one kind of memory or two
            return self
        if self is _NO_ACCESS:
            return other
        return Access(*map(add, _access_parts(self), _access_parts(other)))

    def __mul__(self, times: int) -> Access:
        if self is _NO_ACCESS:
            return self
        return Access(*(part * times for part in _access_parts(self)))


_access_parts = attrgetter(*(entry.name for entry in fields(Access)))
_NO_ACCESS = Access()


@dataclass(frozen=True, slots=True)
class Counts:
    """Scalar operations and memory accesses.

    ``adds`` includes subtractions, ``requantisations`` are casts that can change a value,
    ``shifts`` align operands of different scale. ``activations`` are vectors handed from one
    layer or phase to the next, other than a state that its layer keeps.
    """

    multiplies: int = 0
    adds: int = 0
    comparisons: int = 0
    shifts: int = 0
    lookups: int = 0
    requantisations: int = 0
    weights: Access = _NO_ACCESS
    biases: Access = _NO_ACCESS
    inputs: Access = _NO_ACCESS
    state: Access = _NO_ACCESS
    activations: Access = _NO_ACCESS
    tables: Access = _NO_ACCESS

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(add, _counts_parts(self), _counts_parts(other)))

    def __mul__(self, times: int) -> Counts:
        return Counts(*(part * times for part in _counts_parts(self)))

    @classmethod
    def reading(cls, memory: str, words: int, width: int) -> Counts:
        """``words`` words of ``width`` bits read from the memory of that field name."""
        access: dict[str, Any] = {memory: Access(reads=words, read_bits=words * width)}
        return cls(**access)

    @classmethod
    def writing(cls, memory: str, words: int, width: int) -> Counts:
        """``words`` words of ``width`` bits written to the memory of that field name."""
        access: dict[str, Any] = {memory: Access(writes=words, write_bits=words * width)}
        return cls(**access)

    def flat(self) -> Iterator[tuple[str, int]]:
        """Every integer with its name, ``weights.read_bits`` and the like for accesses."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Access):
                for part in fields(value):
                    yield f"{entry.name}.{part.name}", getattr(value, part.name)
            else:
                yield entry.name, value


_counts_parts = attrgetter(*(entry.name for entry in fields(Counts)))


@dataclass(frozen=True)
class _Step:
    """The context of a node for its counts: where the layer's inputs come from, and which
    results of the step are stored because a matrix-vector product reads them."""

    inputs: Sequence[str]
    stored: frozenset[Node]

    def reads(self, node: Node) -> Counts:
        """The accesses of one operation that reads all of ``node``."""
        width = node.format.width
        match node:
            case Input():
                return Counts.reading(self.inputs[node.position], node.units, width)
            case State():
                return Counts.reading("state", node.units, width)
            case Constant(tensor=None):
                return Counts()
            case Constant():
                memory = "biases" if node.role == "bias" else "weights"
                return Counts.reading(memory, node.units, width)
            case Reinterpret():
                return self.reads(node.a)
            case Cast(changes_nothing=True):
                return self.reads(node.a)
            case Gather():
                return self._gathered(node)
            case _ if node in self.stored:
                return Counts.reading("activations", node.units, width)
            case _:
                return Counts()  # a wire between two operations

    def _gathered(self, node: Gather) -> Counts:
        """Each element is read where it is stored."""
        total = Counts()
        for origin in node.origins:
            whole = self.reads(origin)
            for entry in fields(whole):
                access = getattr(whole, entry.name)
                if isinstance(access, Access) and access.reads:
                    total += Counts.reading(entry.name, 1, origin.format.width)
        return total


def stored_vectors(graph: StepGraph) -> frozenset[Node]:
    """Results of the step itself that a matrix-vector product reads, so that they are stored."""
    stored: set[Node] = set()
    for node in graph.nodes:
        if isinstance(node, Matvec):
            vector = unwired(node.vector)
            read = vector.origins if isinstance(vector, Gather) else (vector,)
            stored.update(v for v in read if not isinstance(v, Input | State | Constant))
    return frozenset(stored)


def _operation_counts(node: Node, step: _Step) -> Counts:
    """The work of an operation and what it reads; wiring reads nothing."""
    if isinstance(node, Gather) or unwired(node) is not node:
        return Counts()
    amounts: dict[str, int] = {}
    for work in work_of(node):
        amounts[work.kind] = amounts.get(work.kind, 0) + work.amount
    counts: Counts = Counts(**amounts)  # type: ignore[arg-type]
    match node:
        case Matvec(weights=Tensor() as weights):
            words = node.structure.stored_words(node.units, node.vector.units)
            width = node.structure.word_bits(weights.format.width)
            counts += Counts.reading("weights", words, width)
        case Lookup():
            counts += Counts.reading("tables", node.units, node.format.width)
        case _:
            pass
    for operand in node.operands:
        counts += step.reads(operand)
    return counts


def step_counts(graph: StepGraph, inputs: Sequence[str]) -> Counts:
    """One valid step of one sequence; ``inputs`` names the memory of each source."""
    step = _Step(inputs, stored_vectors(graph))
    total = Counts()
    for node in graph.nodes:
        total += _operation_counts(node, step)
    for node in step.stored:
        total += Counts.writing("activations", node.units, node.format.width)
    for state, _ in graph.updates:
        total += Counts.writing("state", state.units, state.format.width)
    if graph.output not in {value for _, value in graph.updates} | step.stored:
        total += Counts.writing("activations", graph.output.units, graph.output.format.width)
    return total


# --- over time ---------------------------------------------------------------------------------
def memory_of(node: TimeNode) -> str:
    """Which memory a layer reads when ``node`` is its source: ``inputs`` or ``activations``."""
    while isinstance(node, Window | Reverse | Last):
        node = node.sources[0]
    return "inputs" if isinstance(node, Source) else "activations"


def _free(node: TimeNode) -> Counts:
    return Counts()


def _scan(node: TimeNode) -> Counts:
    assert isinstance(node, Scan)
    return step_counts(node.graph, [memory_of(source) for source in node.sources])


def _total(node: TimeNode) -> Counts:
    source, width = node.sources[0], node.format.width
    return (
        Counts(adds=node.units)
        + Counts.reading(memory_of(source), node.units, source.format.width)
        + Counts.reading("state", node.units, width)
        + Counts.writing("state", node.units, width)
    )


TIME_COUNTS: dict[type, Callable[[TimeNode], Counts]] = dict(
    time_table(
        {
            Source: _free,
            Scan: _scan,
            Reverse: _free,
            Window: _free,
            Last: _free,
            Total: _total,
            Steps: _free,
        }
    )
)
"""Counts of one step of the node; for a total, of one step of its source."""


def layer_counts(network: Network, lengths: Sequence[int]) -> dict[str, Counts]:
    """The predicted counts of every layer for sequences of these lengths."""
    counts = {}
    for node in network.nodes:
        if isinstance(node, Scan | Total):
            timed = node.sources[0] if isinstance(node, Total) else node
            steps = int(timed.lengths_for(lengths).sum())
            counts[node.name] = TIME_COUNTS[type(node)](node) * steps
    return counts
