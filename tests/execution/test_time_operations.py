"""Every time operation after every other, on sequences of different lengths: golden, engine and
float reference give the same, and nothing past a length counts."""

from itertools import product

import numpy as np
import pytest
from helpers.layers import FINE, ClampedGate
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnhw import (
    GRU,
    LSTM,
    Bidirectional,
    Design,
    Elman,
    Formats,
    HardTanh,
    Last,
    LeakyElman,
    Linear,
    Mean,
    MinGRU,
    Q,
    Residual,
    Reverse,
    Window,
)
from rnnhw.design.weights import load_parameters
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import run
from rnnhw.execution.reference import run_reference
from rnnhw.graph.network import Network, NetworkBuilder
from rnnhw.layers.structures import Dense
from rnnhw.numerics.cast import real_values

LENGTHS = np.array([4, 7, 5, 6, 4])
STEPS = int(LENGTHS.max())
EXACT = Formats(weight=Q(1, 0), recurrent_weight=Q(1, 0), state=Q(30, 6))


def recurrent(g, *sources):
    """``h' = h U + sum of W x``: whole weights, so that a wide word holds every value."""
    h = g.state(2)
    total = None
    for index, source in enumerate(sources):
        total = g.linear(Dense(), f"W{index}", source, 2, total)
    total = g.linear(Dense(), "U", h, 2, total, role="recurrent_weight")
    return g.update(h, g.cast(total, "state"))


OPERATIONS = {
    "scan": lambda net, source, name: net.scan(name, [source], recurrent, Formats()),
    "reverse": lambda net, source, name: net.reverse(source, name),
    "window": lambda net, source, name: net.window(source, name, 2),
    "last": lambda net, source, name: net.last(source, name),
    "total": lambda net, source, name: net.total(source, name),
    "steps": lambda net, source, name: net.steps(source, name),
    "both": lambda net, source, name: net.scan(
        name, [source, net.reverse(source, f"{name}.back")], recurrent, Formats()
    ),
}


def exact_network(kinds):
    """The operations one after the other, or None where a window has nothing to read."""
    net = NetworkBuilder(2, Q(1, 6), EXACT, {}, STEPS)
    source = net.source
    for index, kind in enumerate(kinds):
        if kind == "window" and source.steps_for(int(LENGTHS.min())) < 2:
            return None
        source = OPERATIONS[kind](net, source, f"{kind}{index}")
    network = net.build()
    # Every operation is an output, so that each is compared.
    return Network(network.nodes, tuple(reversed(network.nodes[1:])))


def assert_all_agree(network, parameters, x, lengths, tolerance):
    """Golden and engine are equal, the reference is near; past each length all are zero."""
    junk = x.copy()
    junk[np.arange(x.shape[1]) >= lengths[:, None]] = np.nan
    batch = make_batch(network, x, lengths)
    traces = list(network.signals())
    defined = golden.run(network, parameters, batch, traces)
    assert not any(events.total for events in defined.events.values())
    for lanes in (1, 16):
        found = run(network, parameters, batch, traces, lanes=lanes)
        np.testing.assert_array_equal(found.outputs, defined.outputs)
        np.testing.assert_array_equal(found.lengths, defined.lengths)
        for name, vectors in defined.by_output.items():
            np.testing.assert_array_equal(found.by_output[name].values, vectors.values)
            np.testing.assert_array_equal(found.by_output[name].lengths, vectors.lengths)
    real = run_reference(network, parameters, junk, lengths, traces)
    np.testing.assert_array_equal(real.lengths, defined.lengths)
    fixed = real_values(defined.outputs, network.output.format)
    np.testing.assert_allclose(real.outputs, fixed, rtol=0, atol=tolerance)
    assert not real.outputs[np.arange(fixed.shape[1]) >= real.lengths[:, None]].any()
    for node in network.outputs:
        fixed = real_values(defined.by_output[node.name].values, node.format)
        np.testing.assert_allclose(real.by_output[node.name], fixed, rtol=0, atol=tolerance)
    for name, node in network.signals().items():
        value = real_values(defined.traces[name], node.format)
        np.testing.assert_allclose(real.traces[name], value, rtol=0, atol=tolerance)
    for name, state in network.states().items():
        value = real_values(defined.final[name], state.format)
        np.testing.assert_allclose(real.final[name], value, rtol=0, atol=tolerance)


def whole_weights(network, rng):
    arrays = {t.key: rng.integers(-1, 1, t.shape, endpoint=True) for t in network.tensors}
    return load_parameters(network, arrays)


@pytest.mark.parametrize("first", OPERATIONS)
@pytest.mark.parametrize("second", OPERATIONS)
def test_values_that_every_word_holds_are_equal(first, second):
    rng = np.random.default_rng(7)
    for more in ((), *((third,) for third in OPERATIONS)):
        network = exact_network((first, second, *more))
        if network is not None:
            x = rng.integers(-128, 127, (len(LENGTHS), STEPS, 2), endpoint=True) / 64
            assert_all_agree(network, whole_weights(network, rng), x, LENGTHS, 1e-12)


@given(st.lists(st.sampled_from(list(OPERATIONS)), min_size=1, max_size=5), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_longer_chains_are_equal_too(kinds, seed):
    network = exact_network(kinds)
    if network is None:
        return
    rng = np.random.default_rng(seed)
    shortest = next(n for n in range(1, 9) if all(o.steps_for(n) for o in network.nodes))
    lengths = rng.integers(min(shortest, STEPS), STEPS, 4, endpoint=True)
    x = rng.integers(-128, 127, (4, STEPS, 2), endpoint=True) / 64
    assert_all_agree(network, whole_weights(network, rng), x, lengths, 1e-12)


HARD, GATE = {"activation": HardTanh()}, {"gate_activation": ClampedGate()}
CELLS = [
    Elman(3, **HARD),
    Elman(2, initial=True, **HARD),
    LSTM(3, peephole=True, **HARD, **GATE),
    GRU(3, **HARD, **GATE),
    GRU(2, reset="before", **HARD, **GATE),
    LeakyElman(3, leak=0.25, **HARD),
    MinGRU(3, **GATE),
    Linear(3),
    Linear(2, activation=HardTanh()),
    Window(2),
    Reverse(),
    Bidirectional(Elman(2, **HARD)),
    Bidirectional(GRU(2, **HARD, **GATE), MinGRU(1, **GATE)),
    Residual([Elman(3, **HARD), Linear(2)], join="concatenate"),
]
ENDS = [[], [Last()], [Mean(divide=True)], [Mean(), Linear(2)], [Last(), Elman(2, **HARD)]]


def test_a_window_before_a_mean_counts_no_window_past_the_end():
    layers = [Window(2), Mean(), Linear(1, bias=False, name="h")]
    design = Design(layers, Formats(input=Q(1, 14), weight=Q(1, 14)), inputs=1, max_steps=4)
    x = np.array([[1, 0.5, 0, 0], [1, 0.5, 0.25, 0.125]])[:, :, None]
    lengths = np.array([2, 4])
    parameters = load_parameters(design.network, {"h.W": [[1.0, 0.0]]})
    real = run_reference(design.network, parameters, x, lengths)
    np.testing.assert_array_equal(real.outputs[:, 0, 0], [1.0, 1.75])
    assert_all_agree(design.network, parameters, x, lengths, 0)


@given(st.lists(st.sampled_from(CELLS), min_size=1, max_size=3), st.sampled_from(ENDS),
       st.integers(0, 99))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_random_networks_of_24_fraction_bits_are_near(layers, end, seed):
    layers = [*layers, *end]
    design = Design(layers, FINE, inputs=2, max_steps=STEPS)
    network, rng = design.network, np.random.default_rng(seed)
    arrays = {t.key: rng.uniform(-0.4, 0.4, t.shape) for t in network.tensors}
    x = rng.uniform(-1, 1, (len(LENGTHS), STEPS, 2))
    assert_all_agree(network, load_parameters(network, arrays), x, LENGTHS, 3e-6)


def test_a_layer_between_two_reversals_is_the_backward_half_of_a_bidirectional_one():
    alone = Design([Reverse(), GRU(3, **HARD, **GATE, name="g"), Reverse()], FINE, inputs=2)
    both = Design([Bidirectional(GRU(3, **HARD, **GATE), name="g")], FINE, inputs=2)
    rng = np.random.default_rng(1)
    arrays = {t.key: rng.uniform(-0.4, 0.4, t.shape) for t in alone.network.tensors}
    doubled = {key.replace("g.", "g.backward."): value for key, value in arrays.items()}
    doubled |= {key.replace("g.", "g.forward."): value for key, value in arrays.items()}
    x = rng.uniform(-1, 1, (len(LENGTHS), STEPS, 2))
    batch = make_batch(alone.network, x, LENGTHS)
    one = run(alone.network, load_parameters(alone.network, arrays), batch)
    two = run(both.network, load_parameters(both.network, doubled), batch)
    np.testing.assert_array_equal(one.outputs, two.outputs[:, :, 3:])


def test_every_pair_of_operations_was_run():
    assert all(exact_network(pair) for pair in product(OPERATIONS, ["scan", "reverse", "last"]))
