"""Reach: closed formulas, hand-drawn layers, and the float reference perturbed unit by unit."""

import numpy as np
import pytest
from helpers.graphs import one_layer

from rnnhw import (
    GRU,
    LSTM,
    Banded,
    Bidirectional,
    BlockDiagonal,
    Butterfly,
    Circulant,
    CyclicBand,
    Dense,
    Design,
    DesignError,
    Diagonal,
    Elman,
    Formats,
    Hadamard,
    JordanNetwork,
    LeakyElman,
    Linear,
    LowRank,
    Mean,
    MinGRU,
    Monarch,
    Permutation,
    Q,
    Sigmoid,
    Sparse,
    Toeplitz,
    UnitWeights,
    Window,
)
from rnnhw.analysis.reach import network_reach, step_reach
from rnnhw.design.weights import Parameters
from rnnhw.execution.reference import run_reference
from rnnhw.layers.structures import FastWalshHadamard, WalshHadamardStage

FORMATS = Formats(
    input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7), cell=Q(4, 10), output=Q(2, 5)
)
TRIDIAGONAL = Banded(1, 1)


def network(*layers, inputs=3, formats=FORMATS):
    return Design(layers=list(layers), formats=formats, inputs=inputs, max_steps=8).network


def reach_of(layer):
    (found,) = network_reach(network(layer)).values()
    return found


# --- closed formulas ---------------------------------------------------------------------------
STRUCTURES = [
    Dense(), Diagonal(), Toeplitz(), Circulant(), UnitWeights(), FastWalshHadamard(),
    WalshHadamardStage(), Hadamard(), Butterfly(), Butterfly(Sigmoid(), bias=True),
    Banded(0, 0), Banded(1, 1), Banded(2, 1), Banded(1, 3), Banded(2, 2), Banded(1, 0),
    Banded(0, 3), CyclicBand(1, 1), CyclicBand(1, 0), CyclicBand(2, 3), BlockDiagonal(4),
    Monarch(4), LowRank(2), Diagonal() + LowRank(1), Permutation([1, 2, 3, 0]),
    Permutation([1, 0, 3, 2]) + Banded(1, 1), Banded(1, 1) @ Banded(1, 0),
    UnitWeights() + CyclicBand(0, 1) @ Diagonal(), Permutation([2, 3, 0, 1]) @ BlockDiagonal(2),
]  # fmt: skip
WIDTHS = [1, 2, 3, 4, 5, 8, 16, 17]


def squares():
    """Every structure at every width that it can have."""
    for structure in STRUCTURES:
        for n in WIDTHS:
            try:
                net = network(Elman(n, recurrent=structure))
            except DesignError:
                continue
            yield pytest.param(structure, net, n, id=f"{structure!r} {n}")


def test_every_structure_has_a_width():
    assert {repr(each.values[0]) for each in squares()} == {repr(each) for each in STRUCTURES}


@pytest.mark.parametrize(("structure", "net", "n"), list(squares()))
def test_a_layer_reaches_as_its_structure_says(structure, net, n):
    assert network_reach(net) == {"elman0": steps_between(structure, net, n)}


def steps_between(structure, net, n):
    """The longest of the shortest paths between units, by breadth-first search."""
    if "Sigmoid" in repr(structure):  # neurons are no matrix; their wiring is a butterfly's
        structure = Butterfly()
    rng = np.random.default_rng(1)
    tensors = {tensor.key: tensor.shape for tensor in net.tensors if ".U" in tensor.key}
    numbers = {key.partition(".U")[2]: rng.uniform(1, 2, tensors[key]) for key in tensors}
    edges = np.abs(structure.full(numbers, n, n)) > 1e-9
    steps = 1
    reached = np.eye(n, dtype=bool) | edges
    while not reached.all():
        further = reached | (edges.astype(int) @ reached.astype(int) > 0)
        if (further == reached).all():
            return None
        reached, steps = further, steps + 1
    return steps


def test_the_table_of_the_field():
    """Steps until every input reaches every unit, 16 units."""
    assert reach_of(Elman(16)) == 1
    assert reach_of(Elman(16, recurrent=TRIDIAGONAL)) == 15
    assert reach_of(Elman(16, recurrent=Banded(2, 2))) == 8
    assert reach_of(Elman(16, recurrent=Diagonal())) is None
    assert reach_of(Elman(16, recurrent=Hadamard())) == 1
    assert reach_of(Elman(1, recurrent=Diagonal())) == 1


def test_stages_in_one_step_reach_at_once_and_one_stage_a_step_takes_them_all():
    stages = Formats(stage=Q(6, 7))
    assert reach_of(Elman(16, recurrent=Hadamard(), formats=stages)) == 1
    assert reach_of(Elman(16, recurrent=WalshHadamardStage())) == 4


def test_the_kept_weights_of_a_sparse_recurrence_decide():
    layer = Elman(8, recurrent=Sparse(1, 4), name="rnn")
    ring, halves = np.zeros((2, 8, 8), np.int64)
    ring[np.arange(8), (np.arange(8) + 1) % 8] = 1
    halves[:4, :4] = halves[4:, 4:] = np.eye(4)
    # The second group of four columns keeps a zero: its first.
    assert network_reach(network(layer), {"rnn.U": ring}) == {"rnn": walked(ring)}
    assert network_reach(network(layer), {"rnn.U": halves}) == {"rnn": walked(halves)}
    assert walked(ring) and walked(halves) is None
    with pytest.raises(
        DesignError, match=r"rnn\.U: the reach of Sparse.* depends on which weights"
    ):
        network_reach(network(layer))


def walked(weights):
    """The reach of the places that Sparse(1, 4) stores, walked edge by edge."""
    edges = np.zeros((8, 8), bool)
    for row, first in np.ndindex(8, 2):
        group = weights[row, 4 * first : 4 * first + 4]
        edges[row, 4 * first + int(np.argmax(group != 0))] = True
    distances = []
    for source in range(8):
        at, seen, steps = {source}, {source}, 0
        while len(seen) < 8:
            at = {to for to in range(8) if edges[to, list(at)].any()}
            if at <= seen:
                return None
            seen, steps = seen | at, steps + 1
        distances.append(steps)
    return max(distances)


# --- cells -------------------------------------------------------------------------------------
def test_one_wide_gate_is_enough():
    for position in range(4):
        gates = [Diagonal()] * 4
        gates[position] = TRIDIAGONAL
        assert reach_of(LSTM(6, recurrent=gates)) == 5
        gates[position] = Dense()
        assert reach_of(LSTM(6, recurrent=gates)) == 1
    assert reach_of(LSTM(6, recurrent=Diagonal())) is None


def test_neighbours_on_different_sides_may_stand_in_different_gates():
    ahead, back = Banded(1, 0), Banded(0, 1)
    assert reach_of(GRU(6, recurrent=[ahead, ahead, ahead])) is None
    assert reach_of(GRU(6, recurrent=[ahead, back, Diagonal()])) == 5


def test_two_products_in_a_row_reach_twice_as_far():
    assert reach_of(GRU(9, recurrent=TRIDIAGONAL)) == 8
    assert reach_of(GRU(9, recurrent=TRIDIAGONAL, reset="before")) == 4


def test_a_dense_read_out_that_is_fed_back_mixes_everything():
    assert reach_of(JordanNetwork(8, 8, recurrent=Diagonal())) == 1
    assert reach_of(LSTM(8, recurrent=Diagonal(), peephole=True)) is None
    assert reach_of(LSTM(8, projection=3)) == 1


def test_units_without_a_recurrent_matrix_never_meet():
    assert reach_of(MinGRU(4)) is None
    assert reach_of(MinGRU(1)) == 1
    assert reach_of(LeakyElman(4, recurrent=TRIDIAGONAL)) == 3


def test_paths_may_lead_through_a_state_that_is_not_the_output():
    def step(g, x):
        h = g.state(4)
        c = g.state(4, "cell")
        g.update(c, g.cast(g.gather([h], [1, 2, 3, 0]), "cell"))
        return g.update(h, g.cast(g.add(h, c), "state", "new"))

    formats = Formats(state=Q(0, 7), cell=Q(0, 7))
    graph = one_layer(step, Q(0, 7), formats=formats).scans[0].graph
    assert step_reach(graph) == 6  # two steps for each of three places around the ring


def test_all_states_count_where_the_output_is_none_of_them():
    def step(g, x):
        a, b = g.state(1, "state"), g.state(1, "cell")
        g.update(b, g.cast(g.add(a, x), "cell"))
        g.update(a, g.cast(g.add(a, b), "state"))
        return g.add(a, b)

    formats = Formats(state=Q(0, 7), cell=Q(0, 7))
    assert step_reach(one_layer(step, Q(0, 7), formats=formats).scans[0].graph) == 1

    def apart(g, x):
        a, b = g.state(1, "state"), g.state(1, "cell")
        g.update(b, g.cast(g.add(b, x), "cell"))
        g.update(a, g.cast(g.add(a, b), "state"))
        return g.add(a, b)

    assert step_reach(one_layer(apart, Q(0, 7), formats=formats).scans[0].graph) is None


# --- networks ----------------------------------------------------------------------------------
def test_every_recurrent_layer_has_its_own_reach():
    stack = network(
        Window(2),
        Linear(4, name="in"),
        Elman(4, recurrent=TRIDIAGONAL, name="a"),
        Bidirectional(Elman(5, recurrent=Banded(2, 2)), Elman(3, recurrent=Diagonal()), name="b"),
        GRU(2, name="c"),
        Mean(),
        Linear(1, name="out"),
    )
    assert network_reach(stack) == {"a": 3, "b.forward": 2, "b.backward": None, "c": 1}


def test_a_layer_without_recurrence_has_none():
    feed_forward = network(Window(3), Linear(4, name="l"))
    assert network_reach(feed_forward) == {}
    with pytest.raises(ValueError, match="l has no state"):
        step_reach(feed_forward.scans[0].graph)


# --- brute force -------------------------------------------------------------------------------
PERTURBED = {
    "dense": Elman(6, initial=True),
    "tridiagonal": Elman(6, recurrent=TRIDIAGONAL, initial=True),
    "one-sided": Elman(6, recurrent=Banded(2, 0), initial=True),
    "lopsided": Elman(7, recurrent=Banded(1, 3), initial=True),
    "diagonal": Elman(6, recurrent=Diagonal(), initial=True),
    "hadamard": Elman(8, recurrent=Hadamard(), initial=True),
    "cyclic": Elman(7, recurrent=CyclicBand(2, 1), initial=True),
    "butterfly": Elman(8, recurrent=Butterfly(Sigmoid(), bias=True), initial=True),
    "ring": Elman(5, recurrent=Permutation([1, 2, 3, 4, 0]), initial=True),
    "blocks and a band": Elman(8, recurrent=BlockDiagonal(4) + Banded(0, 1), initial=True),
    "two bands": GRU(7, recurrent=Banded(1, 1) @ Banded(0, 1), initial=True),
    "one stage": Elman(8, recurrent=WalshHadamardStage(), initial=True),
    "LSTM": LSTM(5, initial=True),
    "LSTM tridiagonal": LSTM(5, recurrent=TRIDIAGONAL, initial=True),
    "LSTM by gate": LSTM(
        5, recurrent=[Diagonal(), Banded(1, 0), Diagonal(), Banded(0, 1)], initial=True
    ),
    "LSTM diagonal": LSTM(5, recurrent=Diagonal(), peephole=True, initial=True),
    "LSTM projected": LSTM(5, projection=3, initial=True),
    "GRU after": GRU(7, recurrent=TRIDIAGONAL, initial=True),
    "GRU before": GRU(7, recurrent=TRIDIAGONAL, reset="before", initial=True),
    "GRU by gate": GRU(5, recurrent=[Diagonal(), TRIDIAGONAL, Banded(2, 0)], initial=True),
    "minimal": MinGRU(4, initial=True),
    "leaky": LeakyElman(6, leak=0.5, recurrent=TRIDIAGONAL, initial=True),
    "Jordan": JordanNetwork(5, 3, initial=True),
}


def arrivals(net, seed):
    """The step at which a change of one unit's past is first seen in each unit, by brute force:
    [changed unit, units], 0 for the unit itself, infinite where it never is."""
    rng = np.random.default_rng(seed)
    values = {t.key: rng.uniform(-1.5, 1.5, t.shape) for t in net.tensors}
    (scan,) = net.scans
    ((key, units),) = (
        (state.initial.key, state.units)
        for state, value in scan.graph.updates
        if value is scan.graph.output
    )
    steps = 3 * units
    x = np.tile(rng.uniform(-1, 1, (1, 1, net.source.units)), (1, steps, 1))

    def outputs(values):
        return run_reference(net, Parameters(values, {}, {}), x, np.array([steps])).outputs[0]

    first, plain = np.full((units, units), np.inf), outputs(values)
    for unit in range(units):
        changed = values[key].copy()
        changed[unit] += 1.0
        seen = outputs({**values, key: changed}) != plain
        for other in np.flatnonzero(seen.any(0)):
            first[unit, other] = 1 + seen[:, other].argmax()
        first[unit, unit] = 0
    return first


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("layer", PERTURBED.values(), ids=PERTURBED)
def test_a_change_of_one_units_past_arrives_everywhere_after_so_many_steps(layer, seed):
    net = network(layer)
    longest = arrivals(net, seed).max()
    (found,) = network_reach(net).values()
    assert found == (None if np.isinf(longest) else longest)
