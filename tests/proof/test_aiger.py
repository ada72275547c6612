"""Circuits of steps: equal to the engine bit for bit, and decided by a public model checker."""

import random
import re
import shutil
import subprocess

import numpy as np
import pytest
from helpers import graphs
from helpers.aiger import read_aiger, run_aiger
from helpers.paths import ROOT
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnnhw import (
    Answer,
    Automaton,
    Design,
    DesignError,
    Elman,
    Formats,
    Linear,
    Q,
    Recall,
    load,
)
from rnnhw.design.claims import Subject, claim_of
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import run
from rnnhw.graph.nodes import Matvec
from rnnhw.numerics.cast import Overflow, Rounding, cast
from rnnhw.proof.aiger import aiger, attach
from rnnhw.proof.circuit import Circuit, Word
from rnnhw.proof.invariant import invariant_check

CHECKER = shutil.which("yosys-abc") or shutil.which("berkeley-abc")
needs_checker = pytest.mark.skipif(CHECKER is None, reason="no yosys-abc here")


def adder(name, **given):
    return load(ROOT / "designs" / f"adder_{name}.py", given)


def integers(bits):
    """The numbers of two's complement bits, least significant first along the last axis."""
    weights = 2.0 ** np.arange(bits.shape[-1])
    weights[-1] *= -1
    return (bits * weights).sum(-1).astype(np.int64)


def whole_word(circuit, width):
    """All numbers of a signed word, as inputs."""
    bits = tuple(circuit.input() for _ in range(width))
    return Word(bits, -(1 << (width - 1)), (1 << (width - 1)) - 1)


def every_value(width):
    values = np.arange(-(1 << (width - 1)), 1 << (width - 1))
    return values, (values[:, None] >> np.arange(width) & 1).astype(bool)


def results(circuit, word, bits):
    """The integers of a word for input bits [values, inputs]."""
    found = run_aiger(read_aiger(circuit.aiger(word.bits)), bits[:, None])[:, 0]
    return integers(found)


# --- words -------------------------------------------------------------------------------------
@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("overflow", list(Overflow))
@pytest.mark.parametrize("signed", [True, False])
def test_a_cast_of_every_byte_is_that_of_the_definition(rounding, overflow, signed):
    if overflow is Overflow.WRAP_SM and not signed:
        return
    values, bits = every_value(8)
    for fraction, to in [(4, Q(1, 2)), (4, Q(0, 1)), (0, Q(2, 1)), (2, Q(9, 1)), (9, Q(-1, 3))]:
        if to.width - 1 + signed < 1:
            continue
        target = Q(to.integer, to.fraction, signed, rounding, overflow)
        circuit = Circuit()
        word = circuit.cast(whole_word(circuit, 8), fraction, target)
        expected = [cast(value, fraction, target)[0] for value in values.tolist()]
        np.testing.assert_array_equal(results(circuit, word, bits), expected)


@pytest.mark.parametrize("entries", [[3], [-1, 5], [0, 0, 7, -8], list(range(-8, 8))])
def test_a_lookup_gives_every_entry(entries):
    circuit = Circuit()
    width = (len(entries) - 1).bit_length()
    word = circuit.lookup([circuit.input() for _ in range(width)], entries)
    bits = (np.arange(len(entries))[:, None] >> np.arange(width) & 1).astype(bool)
    if width:
        np.testing.assert_array_equal(results(circuit, word, bits), entries)
    else:
        assert (word.low, word.high) == (3, 3)


@pytest.mark.parametrize("limits", [(-3, 5), (-8, 7), (2, 2), (-20, -9), (9, 20), (0, 7), (-8, 0)])
def test_a_clamp_and_a_product_of_every_pair(limits):
    values, bits = every_value(4)
    circuit = Circuit()
    word = circuit.clamp(whole_word(circuit, 4), *limits)
    np.testing.assert_array_equal(results(circuit, word, bits), np.clip(values, *limits))
    circuit = Circuit()
    product = circuit.multiply(whole_word(circuit, 4), whole_word(circuit, 4))
    pairs = np.array([[*a, *b] for a in bits for b in bits])
    expected = (values[:, None] * values).ravel()
    np.testing.assert_array_equal(results(circuit, product, pairs), expected)


# --- networks ----------------------------------------------------------------------------------
def small(case):
    """Whether the circuit of a random network is made in a moment."""
    terms = 0
    for scan in case.network.scans:
        for node in scan.graph.nodes:
            terms += node.units * node.format.width
            if isinstance(node, Matvec):
                each = node.structure.terms(node.units, node.vector.units)
                terms += each * node.format.width * (1 if node.accumulator is None else 4)
    return terms < 6000


@given(st.integers(0, 10**6).map(lambda seed: graphs.draw_case(random.Random(seed), None, True)))
@settings(max_examples=30, deadline=None)
def test_random_networks_are_golden_bit_for_bit(case):
    assume(small(case))
    network, source = case.network, case.network.source
    circuit, inputs = Circuit(), []
    for _ in range(source.units):
        bits = [circuit.input() for _ in range(source.format.width)]
        top = () if source.format.signed else (0,)
        inputs.append(Word((*bits, *top), *source.interval))
    outputs = attach(
        circuit, Subject(network, case.parameters, np.zeros((1, 1), int)), inputs
    ).outputs
    places = [bit for word in outputs for bit in word.bits]
    x = case.batch.inputs
    read = (x[..., None] >> np.arange(source.format.width) & 1).astype(bool)
    found = run_aiger(read_aiger(circuit.aiger(places)), read.reshape(*x.shape[:2], -1))
    batch = make_batch(network, x, raw=True)
    expected = golden.run(network, case.parameters, batch).outputs
    first = 0
    for unit, word in enumerate(outputs):
        part = found[..., first : first + len(word.bits)]
        first += len(word.bits)
        np.testing.assert_array_equal(integers(part), expected[..., unit])


def wrong_steps(design, automaton, symbols):
    """Where the design's answers differ from the automaton's: [sequences, steps]."""
    x = automaton.alphabet[symbols]
    network = design.network
    found = run(network, design.parameters, make_batch(network, x))
    answers = found.outputs.argmax(2)
    if automaton.answer is Answer.SIGN:
        answers = (found.outputs[:, :, 0] > 0).astype(int)
    state, alive = np.zeros(len(x), int), np.ones(len(x), bool)
    wrong = np.zeros(symbols.shape, bool)
    for step, symbol in enumerate(symbols.T):
        expected, after = automaton.expected[state, symbol], automaton.next[state, symbol]
        alive &= after >= 0
        wrong[:, step] = alive & (expected >= 0) & (answers[:, step] != expected)
        state = np.where(alive, after, 0)
    return wrong


def as_bits(symbols, width):
    return (symbols[..., None] >> np.arange(width) & 1).astype(bool)


@pytest.mark.parametrize("name", ["tridiagonal", "dense", "diagonal", "butterfly", "lowrank"])
def test_the_property_of_an_adder_is_wrong_where_the_engine_is(name):
    design = adder(name, word=4)
    automaton = design.task.automaton()
    symbols = np.random.default_rng(0).integers(0, 4, (64, 100))
    found = run_aiger(read_aiger(aiger(claim_of(design, automaton))), as_bits(symbols, 2))[..., 0]
    np.testing.assert_array_equal(found, wrong_steps(design, automaton, symbols))
    assert found.any() == (name in ("diagonal", "butterfly"))


def classifier(outputs=3, seed=0):
    """A random network with an automaton of five symbols, missing edges and classes."""
    rng = np.random.default_rng(seed)
    formats = Formats(input=Q(1, 2), weight=Q(1, 3), sum=Q(2, 3), state=Q(0, 4))
    layers = [Elman(3, initial=True, name="r"), Linear(outputs, name="o")]
    design = Design(layers, formats, inputs=2)
    arrays = {t.key: rng.uniform(-1.5, 1.5, t.shape) for t in design.network.tensors}
    after = rng.integers(-1, 3, (3, 5))
    expected = rng.integers(-1, outputs, (3, 5))
    automaton = Automaton(rng.uniform(-1.8, 1.8, (5, 2)), after, expected, Answer.CLASS)
    return Design(layers, formats, arrays, inputs=2), automaton


@pytest.mark.parametrize("seed", range(4))
def test_classes_missing_edges_and_symbols_that_are_none(seed):
    design, automaton = classifier(seed=seed)
    symbols = np.random.default_rng(seed).integers(0, 5, (200, 12))
    circuit = read_aiger(aiger(claim_of(design, automaton)))
    found = run_aiger(circuit, as_bits(symbols, 3))[..., 0]
    np.testing.assert_array_equal(found, wrong_steps(design, automaton, symbols))
    assert found.any() and not found.all()
    symbols[:, 0] = 6  # after what is no symbol nothing is wrong
    assert not run_aiger(circuit, as_bits(symbols, 3)).any()


def test_recall_behind_its_last_step():
    design = load(ROOT / "designs" / "recall_elman.py", {"word": 4})
    automaton = Recall(5).automaton()
    x = automaton.alphabet
    rng = np.random.default_rng(1)
    symbols = rng.integers(0, 2, (20, 9))
    symbols[:, 3] += 2
    found = run_aiger(read_aiger(aiger(claim_of(design, automaton))), as_bits(symbols, 2))[..., 0]
    network = design.network
    for steps in range(1, 10):  # the network ends in a Last: a sequence for each length
        batch = make_batch(network, x[symbols[:, :steps]])
        answer = run(network, design.parameters, batch).outputs[:, 0, 0] > 0
        wanted = symbols[:, 3] == 3
        expected = (answer != wanted) if steps > 4 else np.zeros(20, bool)
        np.testing.assert_array_equal(found[:, steps - 1], expected)


def answers_of(design, x):
    """Raw outputs of the last layer at every step [sequences, steps, units]."""
    network = design.network
    return run(network, design.parameters, make_batch(network, x)).outputs


def test_equal_signs_of_two_designs():
    designs = adder("butterfly", word=4), adder("tridiagonal", word=4)
    claim = claim_of(designs[0], other=designs[1])
    symbols = np.random.default_rng(3).integers(0, 4, (64, 60))
    found = run_aiger(read_aiger(aiger(claim)), as_bits(symbols, 2))[..., 0]
    x = claim.automaton.alphabet[symbols]
    first, second = (answers_of(design, x)[..., 0] > 0 for design in designs)
    np.testing.assert_array_equal(found, first != second)
    assert found.any()


def test_a_window_is_a_shift_register():
    design = adder("window", word=4)
    automaton = claim_of(design).automaton
    symbols = np.random.default_rng(4).integers(0, 4, (64, 40))
    late = next(n.width - 1 for n in design.network.nodes if hasattr(n, "width"))
    symbols[:, :late] = 0
    found = run_aiger(read_aiger(aiger(claim_of(design))), as_bits(symbols, 2))[..., 0]
    assert not found[:, :late].any()
    outputs = answers_of(design, automaton.alphabet[symbols])[..., 0] > 0
    state = np.zeros(64, int)
    for step, symbol in enumerate(symbols.T):
        expected = automaton.expected[state, symbol]
        state = automaton.next[state, symbol]
        if step >= late:
            wrong = (expected >= 0) & (outputs[:, step - late] != expected)
            np.testing.assert_array_equal(found[:, step], wrong)
    assert found.any()


@pytest.mark.parametrize("overflow", [Overflow.SAT, Overflow.WRAP, Overflow.SAT_ZERO])
def test_bounds_of_signals_and_casts_that_never_clip(overflow):
    rng = np.random.default_rng(5)
    word = Q(1, 3, overflow=overflow)
    formats = Formats(
        input=Q(1, 2), weight=Q(1, 3), sum=Q(1, 3), state=Q(0, 4), accumulator=word,
        product=Q(0, 4, overflow=overflow),
    )  # fmt: skip
    layers = [Elman(3, name="r"), Linear(1, name="o")]
    design = Design(layers, formats, inputs=2)
    arrays = {t.key: rng.uniform(-1.5, 1.5, t.shape) for t in design.network.tensors}
    design = Design(layers, formats, arrays, inputs=2)
    after, wanted = np.zeros((1, 4), int), np.zeros((1, 4), int)
    automaton = Automaton(rng.uniform(-1.8, 1.8, (4, 2)), after, wanted)
    symbols = rng.integers(0, 4, (40, 12))
    x = automaton.alphabet[symbols]
    network, bits = design.network, as_bits(symbols, 2)
    traced = run(network, design.parameters, make_batch(network, x), ["r.state"])
    states = traced.traces["r.state"]
    low, high = int(states.min()) + 1, int(states.max())
    claim = claim_of(design, automaton, within={"r.state": (low, high)})
    found = run_aiger(read_aiger(aiger(claim)), bits)[..., 0]
    outside = ((states < low) | (states > high)).any(2)
    np.testing.assert_array_equal(found, outside)
    assert outside.any()
    for name in ("r.Uh", "r.Wx", "r.Uh.product", "r.sum", "o.Wx"):
        claim = claim_of(design, automaton, never=(name,))
        found = run_aiger(read_aiger(aiger(claim)), bits)[..., 0]
        for sequence in range(6):  # events up to each step, from runs of every length
            counts = [0]
            for steps in range(1, 13):
                batch = make_batch(network, x[sequence : sequence + 1, :steps])
                counts.append(golden.run(network, design.parameters, batch).events[name].total)
            np.testing.assert_array_equal(found[sequence], np.diff(counts) > 0)


# --- a public model checker --------------------------------------------------------------------
def checked(folder, script, seconds=120):
    """What ABC prints; it runs in ``folder``."""
    done = subprocess.run(
        [CHECKER, "-c", script],
        cwd=folder, capture_output=True, text=True, timeout=seconds, check=True,
    )  # fmt: skip
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


@needs_checker
@pytest.mark.parametrize(
    ("name", "settings", "decision"),
    [
        ("three_neurons", {"word": 4}, "Property proved"),
        ("three_neurons", {"word": 8}, "Property proved"),
        ("tridiagonal", {"word": 4, "hidden": 4}, "Property proved"),
        ("tridiagonal", {"word": 6, "hidden": 4}, "Property proved"),
        ("butterfly_neurons", {"word": 4}, "Property proved"),
        ("jordan", {"word": 4}, "Property proved"),
        ("lowrank", {"word": 4}, "Property proved"),
        ("dense", {"word": 4, "hidden": 4}, "Property proved"),
        ("tridiagonal", {"word": 4, "hidden": 8}, "Property proved"),
        # Three steps: frames are counted from 0.
        ("diagonal", {"word": 4}, "was asserted in frame 2"),
    ],
)
def test_a_model_checker_decides_as_the_search_does(tmp_path, name, settings, decision):
    design = adder(name, **settings)
    (tmp_path / "net.aig").write_bytes(aiger(claim_of(design)))
    found = checked(tmp_path, "read_aiger net.aig; dc2; scorr; dc2; pdr -T 60")
    assert decision in found


@needs_checker
@pytest.mark.parametrize("hidden", [8, pytest.param(16, marks=pytest.mark.slow)])
def test_larger_invariants_of_the_raw_circuit_pass_a_sat_check(tmp_path, hidden):
    circuit = aiger(claim_of(adder("tridiagonal", word=4, hidden=hidden)))
    (tmp_path / "net.aig").write_bytes(circuit)
    checked(tmp_path, "read_aiger net.aig; pdr -d -I net.pla", 1200)
    question = invariant_check(circuit, (tmp_path / "net.pla").read_text())
    (tmp_path / "check.cnf").write_text(question)
    found = re.search(r"(UN)?SATISFIABLE", checked(tmp_path, "satoko check.cnf", 600))[0]
    assert found == "UNSATISFIABLE"


@needs_checker
@pytest.mark.parametrize(
    ("name", "settings"),
    [("three_neurons", {"word": 8}), ("tridiagonal", {"word": 4, "hidden": 4})],
)
def test_the_invariant_of_the_raw_circuit_passes_a_sat_check(tmp_path, name, settings):
    design = adder(name, **settings)
    circuit = aiger(claim_of(design))
    (tmp_path / "net.aig").write_bytes(circuit)
    checked(tmp_path, "read_aiger net.aig; pdr -T 60 -d -I net.pla")
    invariant = (tmp_path / "net.pla").read_text()

    def solved(text):
        (tmp_path / "check.cnf").write_text(invariant_check(circuit, text))
        return re.search(r"(UN)?SATISFIABLE", checked(tmp_path, "satoko check.cnf"))[0]

    assert solved(invariant) == "UNSATISFIABLE"
    lines = invariant.splitlines()
    cubes = [index for index, line in enumerate(lines) if line[:1] in "01-"]
    fewer = [line for index, line in enumerate(lines) if index not in cubes]
    assert solved("\n".join(fewer)) == "SATISFIABLE"
    assert "SATISFIABLE" in {solved("\n".join(lines[:k] + lines[k + 1 :])) for k in cubes}
    # What speaks of the simplified circuit certifies nothing about the design.
    checked(tmp_path, "read_aiger net.aig; dc2; scorr; dc2; pdr -T 60 -d -I simple.pla")
    assert solved((tmp_path / "simple.pla").read_text()) == "SATISFIABLE"


@pytest.mark.parametrize(
    ("invariant", "words"),
    [
        (".ilb lo00 lo99\n11 1\n", "latch 99 of a circuit that has"),
        (".ilb a b\n11 1\n", "names no latches"),
        (".ilb lo00 lo01\n1 1\n", "is no cube of 2 latches"),
        (".ilb lo00 lo01\n-0 1\n", "the first state, all latches 0, meets cube 0"),
    ],
)
def test_an_invariant_of_something_else_is_refused(invariant, words):
    design = adder("three_neurons", word=4)
    circuit = aiger(claim_of(design))
    with pytest.raises(DesignError, match=words):
        invariant_check(circuit, invariant)


@pytest.mark.parametrize("data", [b"", b"aag 1 1 0 1 0\n2\n2\n", b"aig 3 1 0 1 2\n6\n\x02"])
def test_a_file_that_is_no_circuit_is_refused(data):
    with pytest.raises(DesignError, match="no binary AIGER file"):
        invariant_check(data, "")
