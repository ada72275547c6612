"""A claim as one circuit: a design beside its automaton, for model checkers that read AIGER.

The circuit has the network's states and the automaton's as latches, reads the number of a symbol
and has one output: whether the step breaks the claim. It is written operation by operation from
the step graph and shares no code with the search, the engine or the Verilog, so a model checker
that decides it is a second prover.

A symbol that the language forbids (and a number that is none) leads to a state from which nothing
is wrong any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.claims import Claim, Subject
from rnnhw.design.tasks import FORBIDDEN, UNWANTED, Answer, Automaton
from rnnhw.graph.elementwise import ELEMENTWISE, Arithmetic
from rnnhw.graph.network import Scan, TimeNode
from rnnhw.graph.nodes import (
    Cast,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Node,
    State,
    StepGraph,
    operation_table,
)
from rnnhw.numerics.cast import Overflow, Q
from rnnhw.proof.circuit import FALSE, Circuit, Latch, Word

__all__ = ["Attached", "aiger", "attach"]

IntArray = NDArray[np.int64]
Words = list[Word]


class _Scaled(NamedTuple):
    """A word times a power of two, which a sum adds without gates of its own."""

    factor: int
    word: Word


Terms = Sequence[Word | _Scaled]


@dataclass(frozen=True)
class _Circuits(Arithmetic[Terms]):
    """The arithmetic of raw integers as words; results are words, aligned operands scaled."""

    circuit: Circuit

    def _words(self, a: Terms) -> Words:
        return [self.circuit.sum(0, [x]) if isinstance(x, _Scaled) else x for x in a]

    def _sums(self, a: Terms, b: Terms, sign: int) -> Words:
        scaled = (
            (x if isinstance(x, _Scaled) else _Scaled(1, x) for x in words) for words in (a, b)
        )
        pairs = zip(*scaled, strict=True)
        return [self.circuit.sum(0, [p, (sign * q.factor, q.word)]) for p, q in pairs]

    def add(self, a: Terms, b: Terms) -> Words:
        return self._sums(a, b, 1)

    def subtract(self, a: Terms, b: Terms) -> Words:
        return self._sums(a, b, -1)

    def multiply(self, a: Terms, b: Terms) -> Words:
        pairs = zip(self._words(a), self._words(b), strict=True)
        return [self.circuit.multiply(p, q) for p, q in pairs]

    def select(self, s: Terms, a: Terms, b: Terms) -> Words:
        first, second = self._words(a), self._words(b)
        triples = zip(self._words(s), first, second, strict=True)
        return [self.circuit.choose(sign.sign ^ 1, p, q) for sign, p, q in triples]

    def shift(self, a: Terms, by: Terms) -> Words:
        pairs = zip(self._words(a), self._words(by), strict=True)
        return [self.circuit.sum(0, [(1 << places.low, word)]) for word, places in pairs]

    def clamp(self, a: Terms, low: int | None, high: int | None, fraction: int) -> Words:
        limited = []
        for word in self._words(a):
            least = word.low if low is None else low
            most = max(word.high, least) if high is None else high
            limited.append(self.circuit.clamp(word, least, most))
        return limited

    def align(self, a: Terms, places: int) -> Terms:
        return [_Scaled(1 << places, word) for word in self._words(a)]


@dataclass
class _Step:
    """One step of a layer: the words of every node.

    ``clipped`` collects, by the names of casts asked for, where one meets a value that does not
    fit.
    """

    circuit: Circuit
    graph: StepGraph
    tensors: Mapping[str, list[int]]
    inputs: Sequence[Words]
    states: Mapping[State, Words]
    clipped: dict[str, list[int]]
    values: dict[Node, Words] = field(default_factory=dict)

    @property
    def arithmetic(self) -> _Circuits:
        """What words can do element by element."""
        return _Circuits(self.circuit)

    def cast(self, name: str, word: Word, fraction: int, to: Q) -> Word:
        """The word in the format ``to``."""
        if name in self.clipped:
            self.clipped[name].append(self.circuit.clips(word, fraction, to))
        return self.circuit.cast(word, fraction, to)


# --- the step operations -----------------------------------------------------------------------
def _input(step: _Step, node: Input) -> Words:
    return step.inputs[node.position]


def _state(step: _Step, node: State) -> Words:
    return step.states[node]


def _constant(step: _Step, node: Constant) -> Words:
    raw = list(node.values) if node.tensor is None else step.tensors[node.tensor.key]
    return [step.circuit.constant(value) for value in raw]


def _matvec(step: _Step, node: Matvec) -> Words:
    flat = None if node.weights is None else step.tensors[node.weights.key]
    stored = np.array([] if flat is None else flat, np.int64)
    starts: Sequence[Word | None] = [None] * node.units
    if node.start is not None:
        starts = step.values[node.start]
    vector, found = step.values[node.vector], []
    rows = node.structure.stored_rows(stored, node.units, node.vector.units)
    for start, row in zip(starts, rows, strict=True):
        factors = row.parameters if flat is None else [flat[k] for k in row.parameters]
        words = [vector[column] for column in row.columns]
        found.append(_sum(step, node, start, list(zip(factors, words, strict=True))))
    return found


def _sum(step: _Step, node: Matvec, start: Word | None, terms: list[tuple[int, Word]]) -> Word:
    """``start`` plus the products, cast as the node demands."""
    circuit, name = step.circuit, step.graph.signal(node)
    fraction, _ = node.product_format
    if node.product is not None:
        assert node.weights is not None
        exact = node.weights.format.fraction + node.vector.format.fraction
        products = [circuit.sum(0, [term]) for term in terms]
        of_product = f"{name}.product"
        terms = [(1, step.cast(of_product, each, exact, node.product)) for each in products]
    scale = node.format.fraction
    begun = 0 if node.start is None else node.start.format.fraction
    if node.accumulator is None:
        scaled = [(factor << (scale - fraction), word) for factor, word in terms]
        first = [] if start is None else [(1 << (scale - begun), start)]
        return circuit.sum(0, [*first, *scaled])
    to = node.accumulator
    finest = max(fraction, to.fraction)
    total = circuit.constant(0) if start is None else circuit.cast(start, begun, to)
    casts = [] if start is None else [(start, begun, total)]
    for factor, word in terms:
        added = [(1 << (finest - to.fraction), total), (factor << (finest - fraction), word)]
        raw = circuit.sum(0, added)
        total = circuit.cast(raw, finest, to)
        casts.append((raw, finest, total))
    if name in step.clipped:
        step.clipped[name].append(_sum_clips(circuit, casts, to))
    return total


def _sum_clips(circuit: Circuit, casts: list[tuple[Word, int, Word]], to: Q) -> int:
    """Whether a sum counts an event: one that wraps if it stands for another sum in the end, any
    other if a cast on the way does not fit."""
    if to.overflow is not Overflow.WRAP:
        return circuit.any(circuit.clips(raw, fraction, to) for raw, fraction, _ in casts)
    excess = []
    for raw, fraction, cast in casts:
        whole = circuit.rounded(raw, fraction - to.fraction, to.rounding)
        excess += [(1, whole), (-1, cast)]
    return circuit.any(circuit.sum(0, excess).bits)


def _gather(step: _Step, node: Gather) -> Words:
    joined = [word for part in node.parts for word in step.values[part]]
    return [joined[index] for index in node.indices]


def _cast(step: _Step, node: Cast) -> Words:
    fraction, name = node.a.format.fraction, step.graph.signal(node)
    return [step.cast(name, word, fraction, node.format) for word in step.values[node.a]]


def _lookup(step: _Step, node: Lookup) -> Words:
    entries, width = node.table.entries.tolist(), node.a.format.width
    return [
        step.circuit.lookup([word.bit(place) for place in range(width)], entries)
        for word in step.values[node.a]
    ]


STEP_CIRCUITS: Mapping[type, Callable[..., Words]] = operation_table(
    {
        Input: _input,
        State: _state,
        Constant: _constant,
        Matvec: _matvec,
        **ELEMENTWISE,
        Gather: _gather,
        Cast: _cast,
        Lookup: _lookup,
    }
)


# --- networks ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Attached:
    """The words of a network's output and of every signal at this step, and by cast asked for the
    literals of the values that do not fit."""

    outputs: Words
    signals: Mapping[str, Words]
    clipped: Mapping[str, list[int]]


def attach(
    circuit: Circuit, subject: Subject, inputs: Words, never: Sequence[str] = ()
) -> Attached:
    """Write a network of scans into ``circuit``, with latches for its states."""
    tensors = {key: raw.ravel().tolist() for key, raw in subject.parameters.raw.items()}
    clipped: dict[str, list[int]] = {name: [] for name in never}
    found: dict[TimeNode, Words] = {subject.network.source: inputs}
    signals: dict[str, Words] = {}
    for node in subject.network.nodes[1:]:
        assert isinstance(node, Scan)
        graph = node.graph
        latches = {state: _latches(circuit, tensors, state) for state, _ in graph.updates}
        states = {state: _words(state, bits) for state, bits in latches.items()}
        sources = [found[source] for source in node.sources]
        step = _Step(circuit, graph, tensors, sources, states, clipped)
        for operation in graph.nodes:
            step.values[operation] = STEP_CIRCUITS[type(operation)](step, operation)
            signals[graph.signal(operation)] = step.values[operation]
        for state, new in graph.updates:
            for bits, word in zip(latches[state], step.values[new], strict=True):
                for place, latch in enumerate(bits):
                    latch.following = word.bit(place)
        found[node] = step.values[graph.output]
    return Attached(found[subject.network.output], signals, clipped)


def _latches(circuit: Circuit, tensors: Mapping[str, list[int]], state: State) -> list[list[Latch]]:
    first = [0] * state.units if state.initial is None else tensors[state.initial.key]
    width = state.format.width
    return [[circuit.latch(value >> place & 1) for place in range(width)] for value in first]


def _words(state: State, latches: list[list[Latch]]) -> Words:
    top = [] if state.format.signed else [FALSE]
    low, high = state.format.min, state.format.max
    return [Word((*(latch.literal for latch in bits), *top), low, high) for bits in latches]


# --- the property ------------------------------------------------------------------------------
def aiger(claim: Claim) -> bytes:
    """The binary AIGER file of a claim: its output is 1 at a step that breaks it.

    Inputs are the bits of a symbol's number, least significant first; latches are the bits of the
    automaton's state, then of the networks' states layer by layer and unit by unit. The comment
    holds the digest of the claim.
    """
    automaton, circuit = claim.automaton, Circuit()
    bits = max((automaton.symbols - 1).bit_length(), 1)
    symbol = [circuit.input() for _ in range(bits)]
    tables = _Tables(automaton, bits)
    state = [circuit.latch(0) for _ in range(tables.state_bits)]
    address = [*symbol, *(latch.literal for latch in state)]
    following = circuit.lookup(address, tables.following)
    for place, latch in enumerate(state):
        latch.following = following.bit(place)
    attached = []
    for index, subject in enumerate(claim.subjects):
        never = claim.never if index == 0 else ()
        attached.append(attach(circuit, subject, _inputs(circuit, symbol, subject), never))
    allowed = circuit.lookup(address, tables.allowed).bit(0)
    broken = circuit.both(allowed, _bound_broken(circuit, claim, attached[0]))
    if any(tables.wanted):
        wanted = circuit.lookup(address, tables.wanted).bit(0)
        answers = [_answer(circuit, each.outputs, automaton.answer) for each in attached]
        right = answers[1] if len(answers) > 1 else circuit.lookup(address, tables.expected)
        width = max(len(right.bits), len(answers[0].bits))
        pairs = ((answers[0].bit(place), right.bit(place)) for place in range(width))
        differs = circuit.any(circuit.xor(a, b) for a, b in pairs)
        broken = circuit.either(broken, circuit.both(wanted, differs))
    return circuit.aiger([broken], f"rnnhw claim {claim.digest}")


def _inputs(circuit: Circuit, symbol: Sequence[int], subject: Subject) -> Words:
    """The input vector of a symbol; a number that is no symbol reads as the first."""
    rows = subject.symbols
    missing = (1 << len(symbol)) - len(rows)
    padded = np.concatenate([rows, np.repeat(rows[:1], missing, axis=0)])
    return [circuit.lookup(symbol, column.tolist()) for column in padded.T]


def _bound_broken(circuit: Circuit, claim: Claim, found: Attached) -> int:
    """Whether a signal leaves its bounds, or a cast meets what does not fit."""
    literals = [literal for each in found.clipped.values() for literal in each]
    for name, (low, high) in claim.within.items():
        literals += [circuit.outside(word, low, high) for word in found.signals[name]]
    return circuit.any(literals)


class _Tables:
    """The automaton over addresses of symbol bits and state bits, with a state for what is over."""

    def __init__(self, automaton: Automaton, bits: int) -> None:
        columns = 1 << bits
        whole = automaton.symbols == columns and (automaton.next != FORBIDDEN).all()
        states = automaton.states + (not whole)
        self.state_bits = (states - 1).bit_length()
        over = automaton.states
        following = np.full((1 << self.state_bits, columns), 0 if whole else over)
        allowed, wanted = np.zeros_like(following), np.zeros_like(following)
        expected = np.zeros_like(following)
        inside = slice(automaton.states), slice(automaton.symbols)
        following[inside] = np.where(automaton.next == FORBIDDEN, over, automaton.next)
        allowed[inside] = automaton.next != FORBIDDEN
        asked = (automaton.next != FORBIDDEN) & (automaton.expected != UNWANTED)
        wanted[inside] = asked
        expected[inside] = np.where(asked, automaton.expected, 0)
        self.following = following.ravel().tolist()
        self.allowed = allowed.ravel().tolist()
        self.wanted = wanted.ravel().tolist()
        self.expected = expected.ravel().tolist()


def _answer(circuit: Circuit, outputs: Sequence[Word], answer: Answer) -> Word:
    """The answer that outputs are: of a sign 0 or 1, of classes the first of the largest."""
    if answer is Answer.SIGN:
        return circuit.word((circuit.less(outputs[0], 1) ^ 1, FALSE), 0, 1)
    best, index = outputs[0], circuit.constant(0)
    for number, word in enumerate(outputs[1:], 1):
        greater = circuit.sum(0, [(1, best), (-1, word)]).sign
        best = circuit.choose(greater, word, best)
        index = circuit.choose(greater, circuit.constant(number), index)
    return index
