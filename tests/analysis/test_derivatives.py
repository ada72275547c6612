"""Derivatives of a step: against finite differences of the float reference, and by hand."""

import numpy as np
import pytest
from helpers import graphs
from hypothesis import given, settings

from rnnhw import GRU, LSTM, Design, Diagonal, Elman, Formats, Identity, LowRank, Q
from rnnhw.analysis.derivatives import recurrent_matrices, spectral_radius, step_derivatives
from rnnhw.execution.alone import LayerAlone

FORMATS = Formats(input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7), cell=Q(2, 7))


def designed(layer, inputs=2, seed=0):
    design = Design([layer], FORMATS, inputs=inputs)
    rng = np.random.default_rng(seed)
    arrays = {t.key: rng.uniform(-1, 1, t.shape) for t in design.network.tensors}
    return Design([layer], FORMATS, arrays, inputs=inputs)


@pytest.mark.parametrize("cell", [Elman, GRU, LSTM])
def test_the_jacobian_is_that_of_the_float_reference(cell):
    design = designed(cell(3, name="r"))
    [scan] = design.network.scans
    found = step_derivatives(scan.graph, design.parameters.values).jacobian()
    layer, small = LayerAlone(scan, design.parameters), 1e-6
    size = layer.state_units
    columns = []
    for sign in (1, -1):
        states = layer.parted(sign * small * np.eye(size))
        zero = np.zeros((size, 1, layer.inputs), np.int64)
        columns.append(layer.joined(layer.reference(zero, states)[1]))
    np.testing.assert_allclose(found, (columns[0] - columns[1]).T / (2 * small), atol=1e-6)


@pytest.mark.parametrize("structure", [Diagonal(), LowRank(2)])
def test_the_recurrent_matrix_of_a_composed_structure(structure):
    design = designed(Elman(4, recurrent=structure, name="r"))
    [scan] = design.network.scans
    [(name, found)] = recurrent_matrices(scan.graph, design.parameters.values).items()
    parameters = {
        key.removeprefix("r.U"): value
        for key, value in design.parameters.values.items()
        if key.startswith("r.U")
    }
    assert name == "r.sum"
    np.testing.assert_allclose(found, structure.full(parameters, 4, 4), atol=1e-12)


def test_every_gate_has_a_recurrent_matrix_and_a_linear_layer_one():
    design = designed(LSTM(3, name="r"))
    names = set(recurrent_matrices(design.network.scans[0].graph, design.parameters.values))
    assert names == {"r.i.sum", "r.f.sum", "r.g.sum", "r.o.sum"}
    design = designed(Elman(3, activation=Identity(), name="r"))
    found = recurrent_matrices(design.network.scans[0].graph, design.parameters.values)
    np.testing.assert_allclose(found["r.state"], design.parameters.values["r.U"])


def test_the_spectral_radius_by_hand():
    assert spectral_radius(np.array([[0.6, 0.8], [-0.8, 0.6]])) == pytest.approx(1)
    assert spectral_radius(np.array([[0.5, 100.0], [0.0, -0.75]])) == pytest.approx(0.75)
    assert np.isnan(spectral_radius(np.array([[np.inf]])))


@given(graphs.cases())
@settings(max_examples=20, deadline=None)
def test_what_is_called_linear_is_the_same_everywhere(case):
    """The float reference at a random point, from the value and the slopes at zero."""
    rng = np.random.default_rng(0)
    for scan in case.network.scans:
        found = step_derivatives(scan.graph, case.parameters.values)
        if not scan.graph.updates:
            continue
        layer = LayerAlone(scan, case.parameters)
        point = rng.integers(-3, 4, layer.state_units).astype(float)
        zero = np.zeros((1, 1, layer.inputs), np.int64)
        _, after = layer.reference(zero, layer.parted(point[None]))
        for state, new in scan.graph.updates:
            if not found.linear[new]:
                continue
            expected = found.values[new] + found.matrices[new][:, : len(point)] @ point
            given_ = after[scan.graph.state_name(state)][0]
            np.testing.assert_allclose(given_, expected, rtol=1e-9, atol=1e-9)
