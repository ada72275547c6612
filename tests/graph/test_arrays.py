"""Steps on arrays against the golden model: every value and every cast that does not fit."""

import numpy as np
from helpers.graphs import cases, zero_shift_case
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
            found = values.T.astype(np.int64)
            name = scan.graph.signal(node)
            np.testing.assert_array_equal(found, expected.traces[name][:, 0], err_msg=name)
        outputs[scan] = step.values[scan.graph.output]
        clipped |= step.clipped
    return clipped - {""}


@given(cases(streaming=True))
@settings(max_examples=60)
def test_steps_on_arrays_are_the_golden_ones(case):
    assert_steps_are_golden(case)


def test_zero_may_be_shifted_by_any_amount():
    assert_steps_are_golden(zero_shift_case())
