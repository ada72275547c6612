"""Steps on arrays against the golden model: every value and every cast that does not fit."""

import random

import numpy as np
from helpers.graphs import cases, draw_case, zero_shift_case
from hypothesis import given, settings

from rnnhw.execution import golden
from rnnhw.execution.batch import Batch, event_signals
from rnnhw.graph.arrays import ArrayStep


def assert_steps_are_golden(case):
    """The first step of every sequence, layer by layer, in 64 bits and in Python integers."""
    network, parameters = case.network, case.parameters
    inputs = np.ascontiguousarray(case.batch.inputs[:, :1])
    count = len(inputs)
    initial = {
        name: case.batch.initial.get(name, np.zeros((count, state.units), np.int64))
        for name, state in network.states().items()
    }
    batch = Batch(inputs, np.ones(count, np.int64), initial)
    expected = golden.run(network, parameters, batch, tuple(network.signals()))
    told = {name for name, _ in event_signals(network) if expected.events[name].total}
    for kind in (np.int64, object):
        assert _compared(case, expected, inputs, initial, kind) == told


def _compared(case, expected, inputs, initial, kind):
    """The casts that met a value that does not fit, once all values are found equal."""
    network, parameters = case.network, case.parameters
    raw = {key: values.ravel().astype(kind) for key, values in parameters.raw.items()}
    outputs = {network.source: inputs[:, 0].T.astype(kind)}
    clipped = set()
    for scan in network.scans:
        states = {
            state: initial[scan.graph.state_name(state)].T.astype(kind)
            for state, _ in scan.graph.updates
        }
        step = ArrayStep(scan.graph, [outputs[source] for source in scan.sources], states, raw)
        for node, values in step.values.items():
            found = np.broadcast_to(values.T.astype(np.int64), (len(inputs), node.units))
            name = scan.graph.signal(node)
            np.testing.assert_array_equal(found, expected.traces[name][:, 0], err_msg=name)
        outputs[scan] = step.values[scan.graph.output]
        clipped |= step.clipped
    return clipped - {""}


def test_what_all_states_share_is_computed_once():
    """An input [units, 1] beside states [units, states], through gathers and sums of both."""
    case = draw_case(random.Random(5), streaming=True)
    network, raw = case.network, case.parameters.raw
    raw = {key: values.ravel() for key, values in raw.items()}
    scan = network.scans[0]
    rng = np.random.default_rng(0)
    one = case.batch.inputs[0, :1].T
    states = {
        s: rng.integers(s.format.min, s.format.max, (s.units, 7), endpoint=True)
        for s, _ in scan.graph.updates
    }
    shared = ArrayStep(scan.graph, [one], states, raw)
    apart = ArrayStep(scan.graph, [np.repeat(one, 7, 1)], states, raw)
    assert states and any(values.shape[1] == 7 for values in shared.values.values())
    for node, values in apart.values.items():
        np.testing.assert_array_equal(
            np.broadcast_to(shared.values[node], (node.units, 7)),
            np.broadcast_to(values, (node.units, 7)),
        )
    assert shared.clipped == apart.clipped


@given(cases(streaming=True))
@settings(max_examples=60)
def test_steps_on_arrays_are_the_golden_ones(case):
    assert_steps_are_golden(case)


def test_zero_may_be_shifted_by_any_amount():
    assert_steps_are_golden(zero_shift_case())
