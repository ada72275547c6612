"""A design beside its automaton as one circuit: the property for model checkers that read AIGER.

The circuit has the network's states and the automaton's as latches, reads the number of a symbol
and has one output: whether the step's answer is wrong. It is written operation by operation from
the step graph and shares no code with the search, the engine or the Verilog, so a model checker
that decides it is a second prover.

A symbol that the language forbids (and a number that is none) leads to a state from which nothing
is wrong any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.design import Design
from rnnhw.design.tasks import FORBIDDEN, UNWANTED, Answer, Automaton
from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError
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
    runs_once,
    time_table,
)
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
    StepGraph,
    Subtract,
    operation_table,
)
from rnnhw.numerics.cast import quantise
from rnnhw.proof.circuit import FALSE, Circuit, Latch, Word
from rnnhw.version import __version__

__all__ = ["aiger", "attach"]

IntArray = NDArray[np.int64]
Words = list[Word]


@dataclass
class _Step:
    """One step of a layer: the words of every node."""

    circuit: Circuit
    tensors: Mapping[str, list[int]]
    inputs: Sequence[Words]
    states: Mapping[State, Words]
    values: dict[Node, Words] = field(default_factory=dict)


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
        found.append(_sum(step.circuit, node, start, list(zip(factors, words, strict=True))))
    return found


def _sum(circuit: Circuit, node: Matvec, start: Word | None, terms: list[tuple[int, Word]]) -> Word:
    """``start`` plus the products, cast as the node demands."""
    fraction, _ = node.product_format
    if node.product is not None:
        assert node.weights is not None
        exact = node.weights.format.fraction + node.vector.format.fraction
        products = [circuit.sum(0, [term]) for term in terms]
        terms = [(1, circuit.cast(product, exact, node.product)) for product in products]
    scale = node.format.fraction
    begun = 0 if node.start is None else node.start.format.fraction
    if node.accumulator is None:
        scaled = [(factor << (scale - fraction), word) for factor, word in terms]
        first = [] if start is None else [(1 << (scale - begun), start)]
        return circuit.sum(0, [*first, *scaled])
    to = node.accumulator
    finest = max(fraction, to.fraction)
    total = circuit.constant(0) if start is None else circuit.cast(start, begun, to)
    for factor, word in terms:
        added = [(1 << (finest - to.fraction), total), (factor << (finest - fraction), word)]
        total = circuit.cast(circuit.sum(0, added), finest, to)
    return total


def _linear(step: _Step, node: Add | Subtract, sign: int) -> Words:
    scale = node.format.fraction
    a, b = 1 << (scale - node.a.format.fraction), sign << (scale - node.b.format.fraction)
    pairs = zip(step.values[node.a], step.values[node.b], strict=True)
    return [step.circuit.sum(0, [(a, p), (b, q)]) for p, q in pairs]


def _add(step: _Step, node: Add) -> Words:
    return _linear(step, node, 1)


def _subtract(step: _Step, node: Subtract) -> Words:
    return _linear(step, node, -1)


def _multiply(step: _Step, node: Multiply) -> Words:
    pairs = zip(step.values[node.a], step.values[node.b], strict=True)
    return [step.circuit.multiply(p, q) for p, q in pairs]


def _select(step: _Step, node: Select) -> Words:
    scale = node.format.fraction
    a, b = (
        [step.circuit.sum(0, [(1 << (scale - part.format.fraction), word)]) for word in words]
        for part, words in ((node.a, step.values[node.a]), (node.b, step.values[node.b]))
    )
    triples = zip(step.values[node.s], a, b, strict=True)
    return [step.circuit.choose(s.sign ^ 1, p, q) for s, p, q in triples]


def _clamp(step: _Step, node: Clamp) -> Words:
    return [step.circuit.clamp(word, *node.limits) for word in step.values[node.a]]


def _gather(step: _Step, node: Gather) -> Words:
    joined = [word for part in node.parts for word in step.values[part]]
    return [joined[index] for index in node.indices]


def _reinterpret(step: _Step, node: Reinterpret) -> Words:
    return step.values[node.a]


def _cast(step: _Step, node: Cast) -> Words:
    fraction = node.a.format.fraction
    return [step.circuit.cast(word, fraction, node.format) for word in step.values[node.a]]


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
        Add: _add,
        Subtract: _subtract,
        Multiply: _multiply,
        Select: _select,
        Clamp: _clamp,
        Gather: _gather,
        Reinterpret: _reinterpret,
        Cast: _cast,
        Lookup: _lookup,
    }
)


# --- the time operations -----------------------------------------------------------------------
@dataclass
class _Walk:
    """The network over time: what each time operation gives at this step."""

    circuit: Circuit
    tensors: Mapping[str, list[int]]
    first: Words
    values: dict[TimeNode, Words] = field(default_factory=dict)


def _source(walk: _Walk, node: Source) -> Words:
    return walk.first


def _scan(walk: _Walk, node: Scan) -> Words:
    graph = node.graph
    once = runs_once(node)  # it begins anew at the end of every sequence
    latches = {state: _latches(walk, state) for state, _ in graph.updates if not once}
    states = {state: _words(state, bits) for state, bits in latches.items()}
    if once:
        states = {state: _initial(walk, state) for state, _ in graph.updates}
    values = _run(walk, graph, [walk.values[source] for source in node.sources], states)
    for state, new in graph.updates:
        for bits, word in zip(latches.get(state, []), values[new], strict=False):
            for place, latch in enumerate(bits):
                latch.following = word.bit(place)
    return values[graph.output]


def _run(
    walk: _Walk, graph: StepGraph, inputs: Sequence[Words], states: Mapping[State, Words]
) -> dict[Node, Words]:
    step = _Step(walk.circuit, walk.tensors, inputs, states)
    for node in graph.nodes:
        step.values[node] = STEP_CIRCUITS[type(node)](step, node)
    return step.values


def _first(walk: _Walk, state: State) -> list[int]:
    return [0] * state.units if state.initial is None else walk.tensors[state.initial.key]


def _initial(walk: _Walk, state: State) -> Words:
    return [walk.circuit.constant(value) for value in _first(walk, state)]


def _latches(walk: _Walk, state: State) -> list[list[Latch]]:
    width = state.format.width
    return [
        [walk.circuit.latch(value >> place & 1) for place in range(width)]
        for value in _first(walk, state)
    ]


def _words(state: State, latches: list[list[Latch]]) -> Words:
    top = [] if state.format.signed else [FALSE]
    low, high = state.format.min, state.format.max
    return [Word((*(latch.literal for latch in bits), *top), low, high) for bits in latches]


def _same(walk: _Walk, node: TimeNode) -> Words:
    """The last step of a sequence that ends here is this one."""
    return walk.values[node.sources[0]]


def _refused(walk: _Walk, node: TimeNode) -> Words:
    kind = type(node).__name__
    raise DesignError(
        f"{node.name}: no circuit of {kind}, which needs more of a sequence than its last step",
        "write the circuit of a network without it; `rnnhw prove` searches windows too",
    )


TIME_CIRCUITS: Mapping[type, Callable[..., Words]] = time_table(
    {
        Source: _source,
        Scan: _scan,
        Reverse: _refused,
        Window: _refused,
        Last: _same,
        Total: _refused,
        Steps: _refused,
    }
)


def attach(circuit: Circuit, network: Network, parameters: Parameters, inputs: Words) -> list[Word]:
    """Write a network into ``circuit``, with latches for its states, and give its output words.

    Raises:
        DesignError: it has an operation over time that needs more than the steps before.
    """
    tensors = {key: raw.ravel().tolist() for key, raw in parameters.raw.items()}
    walk = _Walk(circuit, tensors, inputs)
    for node in network.nodes:
        walk.values[node] = TIME_CIRCUITS[type(node)](walk, node)
    return walk.values[network.output]


# --- the property ------------------------------------------------------------------------------
def aiger(design: Design, automaton: Automaton) -> bytes:
    """The binary AIGER file of ``design`` beside ``automaton``: its output is 1 at a wrong answer.

    Inputs are the bits of a symbol's number, least significant first; latches are the bits of the
    automaton's state, then of the network's states unit by unit.

    Raises:
        DesignError: the automaton's vectors or answers do not fit the network, or it has an
            operation over time that no circuit of a step has.
    """
    network = design.network
    raw = _raw_symbols(design, automaton)
    circuit = Circuit()
    bits = max((automaton.symbols - 1).bit_length(), 1)
    symbol = [circuit.input() for _ in range(bits)]
    tables = _Tables(automaton, bits)
    state = [circuit.latch(0) for _ in range(tables.state_bits)]
    address = [*symbol, *(latch.literal for latch in state)]
    following = circuit.lookup(address, tables.following)
    for place, latch in enumerate(state):
        latch.following = following.bit(place)
    padded = np.concatenate([raw, np.repeat(raw[:1], (1 << bits) - len(raw), axis=0)])
    inputs = [circuit.lookup(symbol, column.tolist()) for column in padded.T]
    outputs = attach(circuit, network, design.parameters, inputs)
    wanted = circuit.lookup(address, tables.wanted).bit(0)
    answer = _answer(circuit, outputs, automaton.answer)
    expected = circuit.lookup(address, tables.expected)
    width = max(len(answer.bits), len(expected.bits))
    differs = circuit.any(circuit.xor(answer.bit(i), expected.bit(i)) for i in range(width))
    name = design.path.stem if design.path else "design"
    settings = " ".join(f"{key}={value}" for key, value in design.settings.items())
    comment = f"rnnhw {__version__}: {name} {settings}".strip()
    return circuit.aiger([circuit.both(wanted, differs)], comment.replace("\n", " "))


class _Tables:
    """The automaton over addresses of symbol bits and state bits, with a state for what is over."""

    def __init__(self, automaton: Automaton, bits: int) -> None:
        columns = 1 << bits
        whole = automaton.symbols == columns and (automaton.next != FORBIDDEN).all()
        states = automaton.states + (not whole)
        self.state_bits = (states - 1).bit_length()
        over = automaton.states
        following = np.full((1 << self.state_bits, columns), 0 if whole else over)
        wanted, expected = np.zeros_like(following), np.zeros_like(following)
        inside = slice(automaton.states), slice(automaton.symbols)
        following[inside] = np.where(automaton.next == FORBIDDEN, over, automaton.next)
        asked = (automaton.next != FORBIDDEN) & (automaton.expected != UNWANTED)
        wanted[inside] = asked
        expected[inside] = np.where(asked, automaton.expected, 0)
        self.following = following.ravel().tolist()
        self.wanted = wanted.ravel().tolist()
        self.expected = expected.ravel().tolist()


def _raw_symbols(design: Design, automaton: Automaton) -> IntArray:
    """The alphabet as the network reads it, raw [symbols, features]."""
    source = design.network.source
    if automaton.alphabet.shape[1] != source.units:
        raise DesignError(
            f"{design.place}: symbols of {automaton.alphabet.shape[1]} numbers, "
            f"but the network reads {source.units}",
            "give the automaton of the design's own task",
        )
    units = design.network.output.units
    most = int(automaton.expected.max())
    if automaton.answer is Answer.SIGN and units != 1:
        raise DesignError(
            f"{design.place}: {units} outputs for the sign of one",
            "the last layer must be Linear(1)",
        )
    if automaton.answer is Answer.CLASS and most >= units:
        raise DesignError(
            f"{design.place}: {units} outputs for {most + 1} classes", "give one output a class"
        )
    return quantise(automaton.alphabet, source.format)[0]


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
