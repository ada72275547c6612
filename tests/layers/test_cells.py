"""Every cell: its equations in float64, golden = engine, counts, and its errors."""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from helpers.graphs import ISAS, assert_same_run, draw_composition, draw_elementary, edge_first
from helpers.paths import ROOT
from hypothesis import given
from hypothesis import strategies as st

from rnnhw import (
    Banded,
    BlockDiagonal,
    Butterfly,
    Circulant,
    CyclicBand,
    Dense,
    Design,
    DesignError,
    Diagonal,
    Formats,
    Hadamard,
    HardTanh,
    Identity,
    LowRank,
    Monarch,
    Permutation,
    Q,
    ReLU,
    Sigmoid,
    Sparse,
    Tanh,
    Toeplitz,
    UnitWeights,
)
from rnnhw.analysis.counts import layer_counts
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import run
from rnnhw.execution.reference import run_reference
from rnnhw.graph.nodes import Matvec
from rnnhw.layers.cells import (
    GRU,
    LSTM,
    Bidirectional,
    Elman,
    JordanNetwork,
    Last,
    LeakyElman,
    Linear,
    Mean,
    MinGRU,
    Residual,
    Window,
)
from rnnhw.layers.structures import FastWalshHadamard
from rnnhw.numerics.cast import Overflow, Rounding

UNITS, INPUTS = 8, 3

BYTES = Formats(
    input=Q(0, 7),
    weight=Q(0, 7),
    bias=Q(1, 10),
    sum=Q(3, 4),
    gate=Q(0, 8, signed=False),
    cell=Q(3, 6),
    state=Q(0, 7),
)
MIXED = Formats(
    input=Q(1, 9, overflow=Overflow.WRAP),
    weight=Q(0, 6, rounding=Rounding.RND_CONV),
    recurrent_weight=Q(1, 8),
    bias=Q(1, 5),
    sum=Q(2, 5, rounding=Rounding.TRN, overflow=Overflow.SAT_SYM),
    recurrent_sum=Q(1, 7, rounding=Rounding.TRN_ZERO, overflow=Overflow.WRAP),
    cell=Q(2, 11, rounding=Rounding.RND_INF),
    state=Q(1, 9, rounding=Rounding.RND_ZERO, overflow=Overflow.WRAP),
)
NARROW_SUMS = replace(
    BYTES,
    product=Q(1, 5, rounding=Rounding.TRN, overflow=Overflow.WRAP),
    accumulator=Q(2, 5, rounding=Rounding.RND, overflow=Overflow.SAT),
)
FORMATS = {"bytes": BYTES, "mixed": MIXED, "narrow sums": NARROW_SUMS}


def design(layer, formats=BYTES, **more):
    layers = layer if isinstance(layer, list) else [layer]
    return Design(layers=layers, formats=formats, inputs=INPUTS, max_steps=12, **more)


def draw_weights(network, rng):
    """Numbers of some size for every tensor; zero where a structure has no connection."""
    weights = {tensor.key: rng.normal(0, 0.5, tensor.shape) for tensor in network.tensors}
    for scan in network.scans:
        for node in scan.graph.nodes:
            if isinstance(node, Matvec) and node.weights:
                used = np.zeros(node.weights.shape, bool)
                stored = weights[node.weights.key]
                if isinstance(node.structure, Sparse):
                    stored[:] = node.structure.project(stored).matrix
                for row in node.structure.rows(node.units, node.vector.units):
                    used.flat[list(row.parameters)] = True
                stored[~used] = 0
    return weights


# --- independent equations ---------------------------------------------------------------------
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def walsh(n):
    matrix = np.ones((1, 1))
    while len(matrix) < n:
        matrix = np.kron(matrix, [[1, 1], [1, -1]])
    return matrix


def expand(w, key, structure):
    """The matrix of a structure's parameters, written out."""
    if structure in MADE.values():
        tensors = {name.removeprefix(key): v for name, v in w.items() if name.startswith(key)}
        return structure.full(tensors, UNITS, UNITS)
    if isinstance(structure, Hadamard):
        n = len(w[f"{key}.before"])
        return w[f"{key}.after"][:, None] * walsh(n) * w[f"{key}.before"]
    stored = w[key]
    if isinstance(structure, Diagonal):
        return np.diag(stored)
    if isinstance(structure, Banded):
        n = stored.shape[1]
        rows, columns = np.indices((n, n))
        inside = (rows - columns <= structure.lower) & (columns - rows <= structure.upper)
        return np.where(
            inside, stored[(structure.upper + rows - columns) % len(stored), columns], 0
        )
    return stored


def gate_matrices(w, layer, gates):
    """U of every gate."""
    if layer.recurrent == Dense() and "c.U" in w:
        return np.split(w["c.U"], len(gates))
    many = layer.recurrent if isinstance(layer.recurrent, tuple) else [layer.recurrent] * len(gates)
    return [expand(w, f"c.U.{gate}", s) for gate, s in zip(gates, many, strict=True)]


def elman(layer, w, x, h):
    return np.tanh(x @ w["c.W"].T + h @ expand(w, "c.U", layer.recurrent).T + w["c.b"]), None


def leaky(layer, w, x, h):
    a = layer.leak if layer.leak is not None else w["c.a"]
    return (1 - a) * h[0] + a * elman(layer, w, x, h[0])[0], None


def jordan(layer, w, x, y):
    hidden = np.tanh(x @ w["c.W"].T + y[0] @ expand(w, "c.U", layer.recurrent).T + w["c.b"])
    return sigmoid(hidden @ w["c.V"].T + w["c.c"]), None


def lstm(layer, w, x, states):
    h, c = states
    both = w["c.b"] + w.get("c.b2", 0)
    a = np.split(x @ w["c.W"].T + both, 4, axis=-1)
    i, f, g, o = (
        part + h @ u.T for part, u in zip(a, gate_matrices(w, layer, "ifgo"), strict=True)
    )
    p = [w.get(f"c.p.{gate}", 0) for gate in "ifo"]
    c = sigmoid(f + p[1] * c) * c + sigmoid(i + p[0] * c) * np.tanh(g)
    h = sigmoid(o + p[2] * c) * np.tanh(c)
    return (h @ w["c.P"].T if layer.projection else h), c


def gru(layer, w, x, states):
    h = states[0]
    a = np.split(x @ w["c.W"].T + w["c.b"], 3, axis=-1)
    ur, uz, un = gate_matrices(w, layer, "rzn")
    br, bz, bn = np.split(w.get("c.b2", np.zeros(3 * UNITS)), 3)
    r, z = sigmoid(a[0] + h @ ur.T + br), sigmoid(a[1] + h @ uz.T + bz)
    inner = r * (h @ un.T + bn) if layer.reset == "after" else (r * h) @ un.T
    n = np.tanh(a[2] + inner)
    return (1 - z) * n + z * h, None


def min_gru(layer, w, x, states):
    z, candidate = np.split(x @ w["c.W"].T + w["c.b"], 2, axis=-1)
    z = sigmoid(z)
    return (1 - z) * states[0] + z * candidate, None


def elman_step(layer, w, x, states):
    return elman(layer, w, x, states[0])


@dataclass
class Kind:
    layer: object
    step: object
    first: tuple = ("h0",)


MADE = {
    "cyclic band": CyclicBand(1, 1),
    "blocks": BlockDiagonal(4),
    "Toeplitz": Toeplitz(),
    "circulant": Circulant(),
    "2:4": Sparse(2, 4),
    "butterfly": Butterfly(),
    "Monarch": Monarch(2),
    "unit weights": UnitWeights(),
    "diagonal and rank 1": Diagonal() + LowRank(1),
    "turned diagonal": Diagonal() @ Permutation([*range(1, UNITS), 0]),
    "D H D": Diagonal() @ FastWalshHadamard() @ Diagonal(),
}
"""Structures whose matrix tests/test_structures.py holds against the definition."""

STRUCTURES = {
    "dense": Dense(),
    "band": Banded(1, 1),
    "lower band": Banded(2, 0),
    "diagonal": Diagonal(),
    "Hadamard": Hadamard(),
    **MADE,
}


def with_structures(kind, layer, step, first=("h0",), gates=0):
    for title, structure in STRUCTURES.items():
        yield f"{kind}, {title}", Kind(replace(layer, recurrent=structure), step, first)
    if gates:
        many = (Diagonal(), Dense(), Banded(1, 1), Hadamard())[:gates]
        yield f"{kind}, one a gate", Kind(replace(layer, recurrent=many), step, first)


def name(kind, **fields):
    return kind(name="c", initial=True, **fields)


CELLS = {
    **dict(with_structures("Elman", name(Elman, units=UNITS), elman_step)),
    **dict(with_structures("leaky", name(LeakyElman, units=UNITS), leaky)),
    "leaky, literal": Kind(name(LeakyElman, units=UNITS, leak=0.375), leaky),
    **dict(
        with_structures("Jordan", name(JordanNetwork, units=UNITS, outputs=UNITS), jordan, ("y0",))
    ),
    "Jordan, narrow": Kind(name(JordanNetwork, units=UNITS, outputs=2), jordan, ("y0",)),
    **dict(with_structures("LSTM", name(LSTM, units=UNITS), lstm, ("h0", "c0"), 4)),
    "LSTM, two biases": Kind(name(LSTM, units=UNITS, recurrent_bias=True), lstm, ("h0", "c0")),
    "LSTM, peephole": Kind(name(LSTM, units=UNITS, peephole=True), lstm, ("h0", "c0")),
    "LSTM, projection": Kind(
        name(LSTM, units=UNITS, projection=5, peephole=True), lstm, ("h0", "c0")
    ),
    **dict(with_structures("GRU", name(GRU, units=UNITS), gru, ("h0",), 3)),
    "GRU, two biases": Kind(name(GRU, units=UNITS, recurrent_bias=True), gru),
    **dict(with_structures("GRU before", name(GRU, units=UNITS, reset="before"), gru, ("h0",), 3)),
    "minGRU": Kind(name(MinGRU, units=UNITS), min_gru),
}


@pytest.mark.parametrize("title", CELLS)
def test_the_float_reference_follows_the_equations(title):
    kind = CELLS[title]
    rng = np.random.default_rng(3)
    network = design(kind.layer).network
    weights = draw_weights(network, rng)
    parameters = design(kind.layer, weights=weights).parameters
    x, lengths = rng.normal(0, 1, (4, 7, INPUTS)), np.array([7, 1, 3, 7])
    found = run_reference(network, parameters, x, lengths)
    states = [np.tile(weights[f"c.{key}"], (4, 1)) for key in kind.first]
    for t in range(7):
        h, c = kind.step(kind.layer, weights, x[:, t], states)
        states = [h, c]
        valid = t < lengths
        np.testing.assert_allclose(found.outputs[valid, t], h[valid], rtol=0, atol=1e-9)
        assert (found.outputs[~valid, t] == 0).all()


@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("title", CELLS)
def test_engine_equals_golden_and_counts_equal_predictions(title, formats):
    kind = CELLS[title]
    rng = np.random.default_rng(11)
    network = design(kind.layer, FORMATS[formats]).network
    weights = draw_weights(network, rng)
    parameters = design(kind.layer, FORMATS[formats], weights=weights).parameters
    lengths = np.array([5, 1, 2, 5, 4])
    wanted = network.source.format
    x = edge_first(rng, (5, 5, INPUTS), wanted.lowest, wanted.max)
    states = {
        key: edge_first(rng, (5, state.units), *state.interval)
        for key, state in network.states().items()
    }
    predicted = layer_counts(network, lengths.tolist())
    for initial in ({}, states):
        batch = make_batch(network, x, lengths, initial, raw=True)
        expected = golden.run(network, parameters, batch)
        for isa in ISAS:
            for lanes in (16, 1):
                found = run(network, parameters, batch, isa=isa, lanes=lanes)
                assert_same_run(expected, found)
                assert found.counts == predicted


GATES = {Elman: 1, LeakyElman: 1, JordanNetwork: 1, LSTM: 4, GRU: 3, MinGRU: 2, Linear: 1}


@st.composite
def cells_of_structures(draw):
    """A cell with random structures, or one a gate, neurons within them included."""
    rng = draw(st.randoms(use_true_random=False))
    kind = rng.choice(list(GATES))

    def structures(elementary, composition):
        drawn = [rng.choice([elementary, composition])() for _ in range(GATES[kind])]
        gated = kind in (LSTM, GRU, MinGRU) and rng.randint(0, 1)
        return tuple(drawn) if gated else drawn[0]

    fields, inputs = {"initial": True}, INPUTS
    if kind in (MinGRU, Linear) or rng.randint(0, 1):
        inputs = rng.choice([UNITS, UNITS, 4, 12])
        square = inputs == UNITS
        blocks = [size for size in (1, 2, 4, 8) if inputs % (UNITS // size) == 0]
        rectangular = [*map(BlockDiagonal, blocks), LowRank(2), Toeplitz(), Dense()]
        fields["structure" if kind is Linear else "inputs"] = structures(
            lambda: draw_elementary(rng, UNITS) if square else rng.choice(rectangular),
            lambda: draw_composition(rng, UNITS) if square else rng.choice(rectangular),
        )
    if kind not in (MinGRU, Linear):
        fields["recurrent"] = structures(
            lambda: draw_elementary(rng, UNITS), lambda: draw_composition(rng, UNITS)
        )
    if kind is Linear:
        del fields["initial"]
    if kind is JordanNetwork:
        fields["outputs"] = UNITS
    if kind is GRU:
        fields["reset"] = rng.choice(["after", "before"])
    if kind is LSTM:
        fields["peephole"] = rng.randint(0, 1) == 1
    stage = rng.choice([None, Q(2, 9)])
    formats = replace(rng.choice(list(FORMATS.values())), stage=stage)
    made = Design([kind(UNITS, name="c", **fields)], formats, inputs=inputs, max_steps=12)
    return made, rng.randint(0, 2**32 - 1)


@given(cells_of_structures())
def test_every_cell_runs_every_structure_exactly(case):
    """The engine gives the golden bits, events and counts, and the float reference is near."""
    chosen, seed = case
    rng = np.random.default_rng(seed)
    network = chosen.network
    parameters = replace(chosen, weights=draw_weights(network, rng)).parameters
    lengths = np.array([3, 1, 2])
    source = network.source.format
    x = edge_first(rng, (3, 3, network.source.units), source.lowest, source.max)
    batch = make_batch(network, x, lengths, raw=True)
    expected = golden.run(network, parameters, batch)
    predicted = layer_counts(network, lengths.tolist())
    for isa in ISAS:
        for lanes in (16, 1):
            found = run(network, parameters, batch, isa=isa, lanes=lanes)
            assert_same_run(expected, found)
            assert found.counts == predicted
    exact = run_reference(network, parameters, x * source.step, lengths)
    assert np.isfinite(exact.outputs).all()


@pytest.mark.parametrize("title", CELLS)
def test_every_cast_has_a_name_of_its_own_that_an_override_reaches(title):
    kind = CELLS[title]
    network = design(kind.layer).network
    for signal, node in network.signals().items():
        if node.role and type(node).__name__ in ("Cast", "Lookup"):
            other = Q(4, 3, overflow=Overflow.WRAP)
            changed = Design(
                layers=[kind.layer], formats=BYTES, inputs=INPUTS, overrides={signal: other}
            )
            assert changed.network.signal(signal).format == other


# --- input matrices ----------------------------------------------------------------------------
def with_dense_inputs(layer, w, inputs):
    """The layer with one dense W of the same numbers."""
    argument = "structure" if isinstance(layer, Linear) else "inputs"
    given = getattr(layer, argument)
    gates = {LSTM: "ifgo", GRU: "rzn", MinGRU: "zh"}.get(type(layer), "")
    each = given if isinstance(given, tuple) else (given,) * max(len(gates), 1)
    keys = [f"c.W.{gate}" for gate in gates] or ["c.W"]
    matrices = []
    for key, structure in zip(keys, each, strict=True):
        own = {name.removeprefix(key): v for name, v in w.items() if name.startswith(key)}
        matrices.append(structure.full(own, UNITS, inputs))
    kept = {name: v for name, v in w.items() if not name.startswith("c.W")}
    return replace(layer, **{argument: Dense()}), {**kept, "c.W": np.vstack(matrices)}


SQUARE = [BlockDiagonal(2), LowRank(3), Banded(1, 2), Diagonal(), Monarch(2), Hadamard()]
SQUARE += [Diagonal() @ Permutation([*range(1, UNITS), 0]), UnitWeights() + LowRank(1)]
RECTANGULAR = [BlockDiagonal(2), BlockDiagonal(4), LowRank(2), Toeplitz(), Sparse(1, 2)]
LAYERS = {kind.__name__: kind for kind in GATES}


@pytest.mark.parametrize("recurrent", [Dense(), Diagonal()], ids=repr)
@pytest.mark.parametrize(
    ("structure", "inputs"),
    [
        *((s, UNITS) for s in SQUARE),
        *((s, 12) for s in RECTANGULAR),
        *((s, 4) for s in RECTANGULAR),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_structured_input_matrix_is_the_dense_one_of_its_numbers(
    kind, structure, inputs, recurrent
):
    kind, fields = LAYERS[kind], {}
    if kind is JordanNetwork:
        fields["outputs"] = UNITS
    if kind in (MinGRU, Linear):
        if recurrent != Dense():
            return
    else:
        fields["recurrent"] = recurrent
    if kind is Linear:
        layer = Linear(UNITS, structure=structure, name="c")
    elif kind in (LSTM, GRU, MinGRU):
        one_a_gate = (structure, *(Dense(),) * (GATES[kind] - 1))
        layer = kind(UNITS, inputs=one_a_gate, name="c", **fields)
    else:
        layer = kind(UNITS, inputs=structure, name="c", **fields)
    rng = np.random.default_rng(7)
    network = Design([layer], BYTES, inputs=inputs, max_steps=4).network
    weights = draw_weights(network, rng)
    dense, expanded = with_dense_inputs(layer, weights, inputs)
    x, lengths = rng.normal(0, 1, (3, 4, inputs)), np.array([4, 1, 3])
    found, expected = (
        run_reference(made.network, made.parameters, x, lengths).outputs
        for made in (
            Design([each], BYTES, inputs=inputs, max_steps=4, weights=numbers)
            for each, numbers in ((layer, weights), (dense, expanded))
        )
    )
    assert found.any()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_grouped_layer_stores_its_blocks_alone():
    layer = Linear(64, structure=BlockDiagonal(8), bias=False, name="c")
    network = Design([layer], BYTES, inputs=128).network
    (tensor,) = network.tensors
    assert (tensor.key, tensor.shape) == ("c.W", (8, 8, 16))
    assert layer_counts(network, [1])["c"].multiplies == 64 * 16


def test_each_gate_has_a_tensor_unless_all_are_one_dense_matrix():
    def keys(**fields):
        layer = LSTM(4, name="c", bias=False, **fields)
        return [tensor.key for tensor in Design([layer], BYTES, inputs=4).network.tensors]

    assert keys() == ["c.W", "c.U"]
    assert keys(inputs=Diagonal()) == ["c.U", "c.W.i", "c.W.f", "c.W.g", "c.W.o"]
    assert keys(inputs=Diagonal(), recurrent=Diagonal()) == [
        f"c.{matrix}.{gate}" for matrix in "WU" for gate in "ifgo"
    ]


@pytest.mark.parametrize(
    "structure", [LowRank(2), Butterfly(activation=Tanh()), Butterfly(bias=True)], ids=repr
)
def test_an_undivided_mean_is_read_by_no_structure_that_casts(structure):
    layers = [Mean(name="m"), Linear(8, structure=structure, name="c")]
    formats = replace(BYTES, stage=Q(2, 5))
    with pytest.raises(DesignError, match="casts or adds between its factors, cannot read an und"):
        _ = Design(layers, formats, inputs=8, max_steps=4).network
    if isinstance(structure, LowRank):
        assert Design(layers, BYTES, inputs=8, max_steps=4).network


def test_what_is_no_structure_is_refused_with_an_example():
    with pytest.raises(DesignError, match=r"c\.W: 8 is not a structure"):
        _ = design(Elman(4, inputs=8, name="c")).network
    with pytest.raises(DesignError, match="structure=the class BlockDiagonal"):
        _ = design(Linear(4, structure=BlockDiagonal, name="c")).network


# --- formats -----------------------------------------------------------------------------------
def test_gates_fall_back_to_the_states_format():
    layer = LSTM(4, name="c")
    network = design(layer, replace(BYTES, gate=None)).network
    assert network.signal("c.i").format == BYTES.state
    assert network.signal("c.cell").format == BYTES.cell
    assert network.signal("c.i.sum").format == network.signal("c.cell.sum").format == BYTES.sum


def test_a_cell_state_needs_a_format_of_its_own():
    with pytest.raises(DesignError, match=r"c\.cell: no format"):
        _ = design(LSTM(4, name="c"), replace(BYTES, cell=None)).network


def test_one_minus_a_gate_is_exact_at_both_ends():
    """z = 0 keeps the candidate and z = 1 the state, bit for bit."""
    layer = GRU(2, name="c", gate_activation=Identity(), activation=Identity())
    formats = Formats(
        input=Q(3, 8), weight=Q(3, 8), bias=Q(3, 8), sum=Q(3, 8), gate=Q(3, 8), state=Q(3, 8)
    )
    weights = {"c.W": np.zeros((6, INPUTS)), "c.U": np.zeros((6, 2))}
    weights["c.b"] = np.array([0, 0, 1, 0, 0.5, -0.25])
    made = Design(layers=[layer], formats=formats, inputs=INPUTS, weights=weights)
    initial = {"c.state": np.array([[77, 99]])}
    batch = make_batch(made.network, np.zeros((1, 1, INPUTS)), None, initial)
    found = run(made.network, made.parameters, batch)
    assert found.outputs.tolist() == [[[77, -64]]]


# --- leaks -------------------------------------------------------------------------------------
def test_a_literal_leak_is_rounded_to_the_weights_format():
    layer = LeakyElman(2, leak=0.1, name="c")
    node = design(layer, replace(BYTES, recurrent_weight=Q(0, 8, signed=False))).network.signal(
        "c.a"
    )
    assert node.values == (26, 26)


def test_a_leak_that_does_not_fit_is_refused():
    with pytest.raises(DesignError, match=r"leak 1\.0 does not fit Q\(0, 7\)"):
        _ = design(LeakyElman(2, leak=1.0)).network


# --- what is refused ---------------------------------------------------------------------------
def test_wrong_numbers_of_structures_are_refused():
    with pytest.raises(DesignError, match="2 structures of recurrent= for the gates i, f, g, o"):
        _ = design(LSTM(4, recurrent=(Dense(), Dense()))).network
    with pytest.raises(DesignError, match="4 structures of recurrent= for the gates r, z, n"):
        _ = design(GRU(4, recurrent=(Dense(),) * 4)).network
    with pytest.raises(DesignError, match="3 structures of inputs= for the gates z, h"):
        _ = design(MinGRU(4, inputs=(Dense(),) * 3)).network


def test_a_projection_needs_a_rectangular_structure():
    with pytest.raises(DesignError, match="needs a square matrix"):
        _ = design(LSTM(4, recurrent=Diagonal(), projection=2)).network


def test_a_reset_before_has_one_bias_and_other_resets_do_not_exist():
    with pytest.raises(DesignError, match="one bias"):
        GRU(4, reset="before", recurrent_bias=True)
    with pytest.raises(DesignError, match="reset='never'"):
        GRU(4, reset="never")


@pytest.mark.parametrize("layer", [LSTM(4), GRU(4), MinGRU(4), JordanNetwork(4, 2), LeakyElman(4)])
def test_an_undivided_mean_is_refused(layer):
    with pytest.raises(DesignError, match="cannot read an undivided mean"):
        _ = design([Mean(), layer]).network


# --- activations -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("activation", "function"),
    [
        (Identity(), lambda z: z),
        (ReLU(), lambda z: np.maximum(z, 0)),
        (HardTanh(), lambda z: np.clip(z, -1, 1)),
        (Tanh(), np.tanh),
        (Sigmoid(), sigmoid),
    ],
)
def test_an_lstm_takes_any_activation(activation, function):
    layer = LSTM(UNITS, activation=activation, gate_activation=Sigmoid(), name="c")
    rng = np.random.default_rng(0)
    weights = draw_weights(design(layer).network, rng)
    made = design(layer, weights=weights)
    x = rng.normal(0, 1, (2, 1, INPUTS))
    found = run_reference(made.network, made.parameters, x, np.array([1, 1])).outputs[:, 0]
    i, _, g, o = np.split(x[:, 0] @ weights["c.W"].T + weights["c.b"], 4, axis=-1)
    c = sigmoid(i) * function(g)
    np.testing.assert_allclose(found, sigmoid(o) * function(c), rtol=0, atol=1e-9)


# --- compositions ------------------------------------------------------------------------------
def both_runs(made, seed=5, lengths=(6, 1, 4)):
    """Engine = golden on random inputs; the batch, the engine's run and the float reference's."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.5, (len(lengths), max(lengths), INPUTS))
    batch = make_batch(made.network, x, np.array(lengths))
    expected = golden.run(made.network, made.parameters, batch)
    for lanes in (16, 1):
        found = run(made.network, made.parameters, batch, lanes=lanes)
        assert_same_run(expected, found)
    return x, expected, run_reference(made.network, made.parameters, x, np.array(lengths))


def weighted(layers, seed=1, **more):
    bare = design(layers, **more)
    weights = draw_weights(bare.network, np.random.default_rng(seed))
    return design(layers, weights=weights, **more), weights


def test_bidirectional_is_a_layer_forward_and_a_layer_on_the_reversed_sequence():
    made, weights = weighted([Bidirectional(LSTM(4), backward=GRU(3), name="two")])
    lengths = (6, 1, 4)
    x, found, reference = both_runs(made, lengths=lengths)
    for direction, layer, part in (
        ("forward", LSTM(4, name="one"), slice(0, 4)),
        ("backward", GRU(3, name="one"), slice(4, 7)),
    ):
        prefix = f"two.{direction}."
        own = {
            key.replace(prefix, "one."): value
            for key, value in weights.items()
            if key.startswith(prefix)
        }
        alone = design(layer, weights=own)
        for index, length in enumerate(lengths):
            steps = slice(None, None, -1) if direction == "backward" else slice(None)
            sequence = x[index : index + 1, :length][:, steps]
            batch = make_batch(alone.network, sequence)
            expected = golden.run(alone.network, alone.parameters, batch).outputs[0][steps]
            np.testing.assert_array_equal(found.outputs[index, :length, part], expected)
    assert reference.outputs.shape == (3, 6, 7)


@pytest.mark.parametrize("lengths", [(6, 1, 4), (1,)])
def test_residual_adds_what_its_layers_read(lengths):
    inner = [Linear(5, Tanh(), name="wide"), Elman(INPUTS)]
    made, weights = weighted([Residual(inner, name="skip")], formats=replace(BYTES, output=Q(0, 7)))
    assert set(weights) == {"wide.W", "wide.b", "skip.1.W", "skip.1.U", "skip.1.b"}
    x, found, _ = both_runs(made, lengths=lengths)
    plain = Design(
        layers=[inner[0], replace(inner[1], name="second")],
        formats=replace(BYTES, output=Q(0, 7)),
        inputs=INPUTS,
        weights={key.replace("skip.1", "second"): value for key, value in weights.items()},
    )
    batch = make_batch(plain.network, x, np.array(lengths))
    inside = golden.run(plain.network, plain.parameters, batch)
    clipped = np.clip(inside.outputs + batch.inputs, -128, 127)
    np.testing.assert_array_equal(found.outputs, clipped)


def test_residual_concatenates():
    made, _ = weighted([Residual([MinGRU(4)], join="concatenate", name="skip"), Last(), Linear(2)])
    assert made.network.scans[1].units == 4 + INPUTS
    both_runs(made)


def test_a_skip_around_fewer_steps_or_a_sum_is_refused():
    for inner in (Window(2), Last(), Mean(divide=False)):
        with pytest.raises(DesignError, match="a skip connection"):
            _ = design(Residual([inner])).network
    with pytest.raises(DesignError, match="join='multiply'"):
        Residual([], join="multiply")


def test_stacks_of_any_depth():
    layers = [
        LSTM(8, recurrent=Banded(1, 1)),
        Residual([Bidirectional(GRU(4, reset="before"))]),
        Residual([LeakyElman(8, leak=0.25, recurrent=Hadamard())], name="late"),
        JordanNetwork(6, 4),
        Last(),
        *[Linear(5, ReLU()) for _ in range(6)],
        Linear(2),
    ]
    made, _ = weighted(layers, formats=replace(BYTES, output=Q(0, 7)))
    both_runs(made)


def test_a_sequence_in_pieces_equals_it_whole():
    made, _ = weighted([LSTM(8, projection=3, name="a"), GRU(4, name="b")])
    x = np.random.default_rng(2).normal(0, 0.5, (3, 9, INPUTS))
    whole = run(made.network, made.parameters, make_batch(made.network, x))
    first = run(made.network, made.parameters, make_batch(made.network, x[:, :4]))
    rest = run(made.network, made.parameters, make_batch(made.network, x[:, 4:], None, first.final))
    np.testing.assert_array_equal(
        whole.outputs, np.concatenate([first.outputs, rest.outputs], axis=1)
    )
    assert set(whole.final) == {"a.state", "a.cell", "b.state"}


# --- who knows a cell --------------------------------------------------------------------------
def test_nothing_but_cells_knows_a_cell():
    names = re.compile(r"LSTM|GRU|Elman|Jordan|\bgated\b", re.IGNORECASE)
    files = [path for path in (ROOT / "ext").iterdir() if path.suffix != ".o"]
    inner = ["analysis/counts", "graph/nodes", "graph/builder", "graph/network"]
    inner += ["execution/batch", "execution/compiler", "execution/engine"]
    inner += ["execution/golden", "execution/reference"]
    files += [ROOT / "rnnhw" / f"{module}.py" for module in inner]
    assert len(files) > 15
    for path in files:
        if not path.match("_*.c"):
            assert not names.search(path.read_text()), path
