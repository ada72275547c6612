"""Layers on zero input: which units stop above zero, counted by hand and by plain Python."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from helpers import graphs
from hypothesis import given, settings

from rnnhw import GRU, LSTM, Bidirectional, Design, Diagonal, Elman, Formats, Identity, Linear, Q
from rnnhw.design.tasks import Samples
from rnnhw.execution import cycles, golden, rest
from rnnhw.execution.alone import LayerAlone
from rnnhw.execution.batch import make_batch
from rnnhw.execution.rest import chosen_sequences, rest_of
from rnnhw.execution.verify import verify
from rnnhw.graph.network import NetworkBuilder
from rnnhw.numerics.cast import Rounding

LOOSE = {"max_error": 1e300}


def decaying(a, rounding=Rounding.RND, units=1, **more):
    """``h' = a h + x`` in whole numbers up to 127."""
    formats = Formats(input=Q(7, 0), weight=Q(1, 6), sum=Q(9, 6), state=Q(7, 0, rounding=rounding))
    weights = {"r.W": np.eye(units), "r.U": np.broadcast_to(a, (units,))}
    layer = Elman(units, recurrent=Diagonal(), activation=Identity(), bias=False, name="r")
    return replace(Design([layer], formats, weights, inputs=units), **more)


def impulse(value=100, units=1, sequences=1, steps=40):
    x = np.zeros((sequences, steps, units))
    x[:, 0] = value
    return Samples(x, np.full(sequences, steps))


# Dead band floor(0.5 / (1 - a)) by hand; a value that rounds up to itself never gets below.
@pytest.mark.parametrize(
    ("a", "rounding", "value", "stops"),
    [
        (0.5, "RND", 100, 1),
        (0.75, "RND", 100, 2),
        (0.984375, "RND", 100, 32),
        (0.984375, "TRN_ZERO", 100, 0),
        (0.5, "TRN", -100, 1),
        (0.75, "TRN", -100, 3),
        (0.75, "TRN", 100, 0),
        (-0.75, "RND_INF", 100, 2),
    ],
)
def test_a_decaying_state_stops_where_rounding_holds_it(a, rounding, value, stops):
    design = decaying(a, Rounding(rounding))
    result = verify(design, samples=impulse(value, steps=400), maximum=LOOSE)
    [layer] = result.rests
    [state] = layer.states
    assert (layer.layer, layer.repeating, layer.skipped) == ("r", 1, "")
    assert (state.name, state.units, state.largest_lsb) == ("r.state", 1, stops)
    assert state.stuck == ((0,) if stops else ())
    assert result.figures()["stuck_units"] == (stops > 0)


def test_it_can_be_demanded_that_nothing_stops():
    assert not verify(decaying(0.75), samples=impulse(), maximum={"stuck_units": 0}).passed
    design = decaying(0.75, Rounding.TRN_ZERO)
    assert verify(design, samples=impulse(), maximum={"stuck_units": 0}).passed


def test_units_are_told_apart_and_the_largest_of_all_sequences_counts():
    design = decaying([0.75, 0.0, 0.984375], units=3)
    samples = impulse(10, units=3, sequences=5)
    samples.x[2, 0, 2] = 100
    [layer] = verify(design, samples=samples, maximum=LOOSE).rests
    assert layer.states[0].stuck == (0, 2) and layer.states[0].largest_lsb == 32


def test_what_the_float_state_holds_too_is_not_stuck():
    weights = {"r.W": [[0.0]], "r.U": [0.5], "r.b": [1.5]}  # at rest at 3 in both
    design = decaying(0.5, weights=weights)
    design = replace(design, layers=[replace(design.layers[0], bias=True)])
    [layer] = verify(design, samples=impulse(), maximum=LOOSE).rests
    assert layer.repeating == 1 and layer.states[0].stuck == ()
    [layer] = verify(decaying(1.0), samples=impulse(), maximum=LOOSE).rests
    assert layer.states[0].stuck == ()


def test_a_float_state_that_grows_without_end_is_not_stuck():
    [layer] = verify(decaying(1.5), samples=impulse(1, steps=4), maximum=LOOSE).rests
    assert layer.repeating == 1 and layer.states[0].stuck == ()


def test_a_limit_cycle_counts_by_its_largest_value():
    # A damped resonator: the float one decays, the integers go round for ever.
    formats = Formats(input=Q(7, 0), weight=Q(1, 12), sum=Q(9, 12), state=Q(7, 0))
    weights = {"r.W": np.eye(2), "r.U": [[1.96 * np.cos(np.pi / 10), -(0.98**2)], [1, 0]]}
    layer = Elman(2, activation=Identity(), bias=False, name="r")
    design = Design([layer], formats, weights, inputs=2)
    samples = impulse(50, units=2, steps=900)
    samples.x[:, 0, 1] = 0
    result = verify(design, samples=samples, maximum=LOOSE)
    run = golden.run(design.network, design.parameters, make_batch(design.network, samples.x))
    cycle = run.outputs[0, 600:]
    assert len(np.unique(cycle, axis=0)) == 18
    [layer] = result.rests
    assert layer.states[0].stuck == (0, 1)
    assert layer.states[0].largest_lsb == np.abs(cycle).max()


def test_without_a_repeat_nothing_is_said_of_the_units(monkeypatch):
    monkeypatch.setattr(rest, "STEPS", 20)
    [layer] = verify(decaying(0.984375), samples=impulse(steps=2), maximum=LOOSE).rests
    assert (layer.sequences, layer.repeating, layer.states[0].stuck) == (1, 0, ())


@pytest.mark.parametrize("count", [1, 2, 16, 17, 100, 65536])
def test_at_most_sixteen_sequences_evenly_spaced(count):
    chosen = chosen_sequences(count)
    assert len(chosen) == min(count, 16)
    assert chosen[0] == 0 and chosen[-1] == count - 1
    assert len(chosen) < 2 or np.ptp(np.diff(chosen)) <= 1


def test_parts_of_the_sequences_give_the_same(monkeypatch):
    design = decaying([0.75, 0.984375], units=2)
    samples = impulse(100, units=2, sequences=40)
    samples.x[:, 0, 1] = np.arange(40)
    whole = verify(design, samples=samples, maximum=LOOSE)
    assert whole.rest_sequences == 16
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", 300)
    monkeypatch.setattr(cycles, "_PART_VALUES", 100)
    assert verify(design, samples=samples, maximum=LOOSE).rests == whole.rests


def test_every_state_of_every_recurrent_layer_is_run():
    formats = Formats(input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7), cell=Q(2, 7))
    layers = [
        LSTM(3, name="a"), Linear(2, name="b"), Bidirectional(GRU(2), name="c"),
    ]  # fmt: skip
    formats = replace(formats, output=Q(1, 6))
    design = Design(layers, formats, inputs=2)
    rng = np.random.default_rng(0)
    arrays = {t.key: rng.uniform(-0.5, 0.5, t.shape) for t in design.network.tensors}
    design = replace(design, weights=arrays)
    samples = Samples(rng.uniform(-1, 1, (20, 5, 2)), np.full(20, 5))
    result = verify(design, samples=samples, maximum=LOOSE)
    names = {each.layer: [state.name for state in each.states] for each in result.rests}
    assert names == {
        "a": ["a.cell", "a.state"],
        "c.forward": ["c.forward.state"],
        "c.backward": ["c.backward.state"],
    }


def test_a_layer_whose_input_cannot_be_zero_is_skipped():
    def above(g, x):
        return g.clamp(x, 1, 2, "above")

    def sums(g, x):
        h = g.state(1)
        return g.update(h, g.cast(g.add(x, h), "state"))

    net = NetworkBuilder(1, Q(3, 2), Formats(state=Q(3, 2)), {}, None)
    net.scan("rnn", [net.scan("clamped", [net.source], above, Formats())], sums, Formats())
    network = net.build()
    design = Design([Linear(1)], Formats())
    design.__dict__["network"] = network
    design = replace(design, weights={})
    design.__dict__["network"] = network
    result = verify(design, samples=impulse(), maximum=LOOSE)
    assert [each.skipped for each in result.rests] == ["its input cannot be zero"]
    demanded = verify(design, samples=impulse(), maximum={"stuck_units": 9})
    assert demanded.checks[0].unjudged == "rnn is not run on zero: its input cannot be zero"


def test_a_layer_of_several_inputs_reads_zero_at_all_of_them():
    def sums(g, a, b):
        h = g.state(1)
        total = g.add(g.add(a, b), g.multiply(h, g.literal("half", [1], 1)))
        return g.update(h, g.cast(total, "state"))

    net = NetworkBuilder(1, Q(3, 2), Formats(state=Q(6, 0)), {}, None)
    net.scan("rnn", [net.source, net.reverse(net.source, "back")], sums, Formats())
    network = net.build()
    design = Design([Linear(1)], Formats(), {})
    design.__dict__["network"] = network
    raw, real = {"rnn.state": np.array([[40]])}, {"rnn.state": np.array([[40.0]])}
    [layer] = rest_of(network, design.parameters, raw, real)
    assert layer.states[0].stuck == (0,) and layer.states[0].largest_lsb == 1


def by_hand(case, scan, states, steps):
    """The largest magnitudes while a layer repeats, how long that takes and how long it takes to
    get there, by the golden run; None without a repeat."""
    alone = LayerAlone(scan, case.parameters).network
    names = [scan.graph.state_name(state) for state, _ in scan.graph.updates]
    traces = [scan.graph.signal(state) for state, _ in scan.graph.updates]
    batch = make_batch(alone, np.zeros((1, steps, alone.source.units), int), None, states, raw=True)
    run = golden.run(alone, case.parameters, batch, traces)
    seen = {}
    for step in range(steps):
        key = tuple(run.traces[trace][0, step].tobytes() for trace in traces)
        if key in seen:
            cycle = slice(seen[key], step)
            heights = {
                name: np.abs(run.traces[trace][0, cycle]).max(0)
                for name, trace in zip(names, traces, strict=True)
            }
            return heights, step - seen[key], seen[key]
        seen[key] = step
    return None


@given(graphs.cases())
@settings(max_examples=25, deadline=None)
def test_cycles_of_random_layers_are_those_of_the_definition(case):
    steps = 24
    run = golden.run(case.network, case.parameters, case.batch)
    real = {
        name: value * case.network.states()[name].format.step for name, value in run.final.items()
    }
    with patch.object(rest, "STEPS", steps - 1):
        found = rest_of(case.network, case.parameters, run.final, real)
        scans = [scan for scan in case.network.scans if scan.graph.updates]
        assert [each.layer for each in found] == [scan.name for scan in scans]
        for scan, each in zip(scans, found, strict=True):
            if each.skipped:
                continue
            names = [scan.graph.state_name(state) for state, _ in scan.graph.updates]
            expected = [
                by_hand(case, scan, {name: run.final[name][k : k + 1] for name in names}, steps)
                for k in range(case.batch.sequences)
            ]
            assert each.repeating == sum(cycle is not None for cycle in expected)
            layer = LayerAlone(scan, case.parameters)
            zero = np.zeros((case.batch.sequences, layer.inputs), int)
            states = {name: run.final[name] for name in names}
            reached = cycles.find_cycles(layer, zero, states, steps - 1)
            for k, cycle in enumerate(expected):
                heights, period, transient = cycle or ({}, 0, 0)
                assert (reached.periods[k], reached.transients[k]) == (period, transient)
                for name in names:
                    height = heights.get(name, 0)
                    np.testing.assert_array_equal(reached.heights[name][k], height)
