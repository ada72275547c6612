"""Activations: each writes its function of a cast sum."""

import math

import numpy as np
import pytest
from helpers.graphs import golden_run, one_layer

from rnnhw import HardTanh, Identity, Q, ReLU, Sigmoid, Tanh
from rnnhw.graph.nodes import Cast, Clamp, Input, Lookup
from rnnhw.numerics.cast import quantise

Z, STATE = Q(2, 5), Q(0, 7)
FUNCTIONS = {
    Identity(): lambda z: z,
    ReLU(): lambda z: max(z, 0.0),
    HardTanh(): lambda z: min(max(z, -1.0), 1.0),
    Tanh(): math.tanh,
    Sigmoid(): lambda z: 1 / (1 + math.exp(-z)),
}


@pytest.mark.parametrize("activation", FUNCTIONS, ids=lambda a: type(a).__name__)
def test_an_activation_is_its_function_rounded_once(activation):
    network = one_layer(lambda g, z: activation.apply(g, z, "state"), Z, {"l.state": STATE})
    words = np.arange(Z.min, Z.max + 1)
    found = golden_run(network, words[None, :, None]).outputs.ravel()
    expected, _ = quantise([FUNCTIONS[activation](z * Z.step) for z in words.tolist()], STATE)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("activation", "operations"),
    [
        (Identity(), [Cast]),
        (ReLU(), [Clamp, Cast]),
        (HardTanh(), [Clamp, Cast]),
        (Tanh(), [Lookup]),
        (Sigmoid(), [Lookup]),
    ],
)
def test_what_an_activation_writes(activation, operations):
    network = one_layer(lambda g, z: activation.apply(g, z, "state"), Z, {"l.state": STATE})
    graph = network.scans[0].graph
    assert [type(node) for node in graph.nodes] == [Input, *operations]
    assert graph.output.name == "state"
