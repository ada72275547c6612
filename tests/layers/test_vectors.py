"""Layers on each step's vector, the maximum over time, tables of further functions, and the
variants of LSTM and Bidirectional: golden = engine, and equations in float64."""

import math

import numpy as np
import pytest
from helpers.graphs import assert_same_run
from hypothesis import given
from hypothesis import strategies as st

from rnnhw import (
    ELU,
    GELU,
    GRU,
    LSTM,
    Affine,
    Bidirectional,
    Clipped,
    Design,
    DesignError,
    Elman,
    Exponential,
    Formats,
    HardSigmoid,
    HardTanh,
    Identity,
    Last,
    LayerNorm,
    LeakyReLU,
    Linear,
    Max,
    Mean,
    Pointwise,
    Q,
    ReLU,
    Scale,
    ScaledTanh,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedReLU,
)
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import run
from rnnhw.execution.reference import run_reference
from rnnhw.layers.activations import real_function

INPUTS = 3
FORMATS = Formats(
    input=Q(1, 6), weight=Q(2, 8), sum=Q(4, 5), cell=Q(3, 6), state=Q(2, 7), output=Q(3, 7)
)


def run_both(layers, lengths=(6, 1, 4), seed=3, inputs=INPUTS, scale=0.5):
    """Golden = engine on random weights; weights, inputs, golden's run, the float reference's."""
    rng = np.random.default_rng(seed)
    bare = Design(layers=layers, formats=FORMATS, inputs=inputs, max_steps=12)
    weights = {t.key: rng.normal(0, scale, t.shape) for t in bare.network.tensors}
    made = Design(layers=layers, formats=FORMATS, inputs=inputs, max_steps=12, weights=weights)
    x = rng.normal(0, 0.7, (len(lengths), max(lengths), inputs))
    batch = make_batch(made.network, x, np.array(lengths))
    expected = golden.run(made.network, made.parameters, batch)
    for lanes in (16, 1):
        assert_same_run(expected, run(made.network, made.parameters, batch, lanes=lanes))
    return weights, x, expected, run_reference(made.network, made.parameters, x, np.array(lengths))


# --- tables --------------------------------------------------------------------------------------
FUNCTIONS = {
    Affine(0.5, 0.25): lambda z: 0.5 * z + 0.25,
    LeakyReLU(0.1): lambda z: z if z > 0 else 0.1 * z,
    ThresholdedReLU(0.5): lambda z: z if z >= 0.5 else 0.0,
    ScaledTanh(1.5, 0.75): lambda z: 1.5 * math.tanh(0.75 * z),
    HardSigmoid(): lambda z: min(max(0.2 * z + 0.5, 0), 1),
    HardSigmoid(1 / 6): lambda z: min(max(z / 6 + 0.5, 0), 1),
    ELU(0.7): lambda z: z if z > 0 else 0.7 * (math.exp(z) - 1),
    ELU(1.67, 1.05): lambda z: 1.05 * (z if z > 0 else 1.67 * (math.exp(z) - 1)),
    Softsign(): lambda z: z / (1 + abs(z)),
    Softplus(): lambda z: math.log(1 + math.exp(z)),
    SiLU(): lambda z: z / (1 + math.exp(-z)),
    GELU(): lambda z: z * (1 + math.erf(z / 2**0.5)) / 2,
    GELU(tanh=True): lambda z: (
        z / 2 * (1 + math.tanh((2 / math.pi) ** 0.5 * (z + 0.044715 * z**3)))
    ),
    Exponential(): math.exp,
    Clipped(Tanh(), 0.3): lambda z: math.tanh(min(max(z, -0.3), 0.3)),
    Clipped(ReLU(), 0.3): lambda z: min(max(z, 0), 0.3),
    Clipped(HardSigmoid(0.5), 0.3): lambda z: 0.5 * min(max(z, -0.3), 0.3) + 0.5,
}


@pytest.mark.parametrize("activation", FUNCTIONS, ids=repr)
def test_a_table_holds_its_function(activation):
    function = real_function(activation)
    z = np.concatenate([np.linspace(-4, 4, 129), [0.5, -0.5, 0.3]]).reshape(2, -1)
    expected = np.vectorize(FUNCTIONS[activation], otypes=[float])(z)
    np.testing.assert_allclose(function(z), expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(function(z), np.vectorize(function.scalar, otypes=[float])(z))


def test_functions_of_other_parameters_have_other_names():
    names = [real_function(activation).name for activation in FUNCTIONS]
    assert len(set(names)) == len(names)


def test_functions_far_out_do_not_overflow():
    for activation in FUNCTIONS:
        if not isinstance(activation, Exponential):
            assert np.isfinite(real_function(activation)(np.array([-1e4, 1e4]))).all(), activation
    assert real_function(Exponential())(np.array([1e4]))[0] == math.inf


def test_an_activation_of_another_kind_cannot_be_clipped():
    class Own:
        def apply(self, g, z, role, name=""):
            return g.cast(z, role, name)

    with pytest.raises(DesignError, match="does not say which real function"):
        Clipped(Own(), 1.0).function  # noqa: B018


@pytest.mark.parametrize("activation", [*FUNCTIONS, Identity(), HardTanh()], ids=repr)
def test_a_pointwise_layer_is_its_activation(activation):
    _, x, found, reference = run_both([Pointwise(activation, name="p")])
    function = real_function(activation)
    np.testing.assert_allclose(reference.outputs[0], function(x[0]), rtol=0, atol=1e-14)
    address = np.clip(np.floor(np.clip(np.floor(x[0] * 64 + 0.5), -128, 127) / 2 + 0.5), -512, 511)
    expected = np.floor(function(address / 32) * 128 + 0.5)
    np.testing.assert_array_equal(found.outputs[0], np.clip(expected, -1024, 1023))


# --- vectors -------------------------------------------------------------------------------------
def test_a_scale_is_a_product_and_a_sum():
    weights, x, _, reference = run_both([Scale(name="s")])
    expected = weights["s.a"] * x + weights["s.b"]
    np.testing.assert_allclose(reference.outputs[0], expected[0], rtol=0, atol=1e-14)
    weights, x, _, reference = run_both([Scale(bias=False, name="s")])
    np.testing.assert_allclose(reference.outputs[0], (weights["s.a"] * x)[0], rtol=0, atol=1e-14)


@pytest.mark.parametrize("inputs", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("parts", [(True, True), (True, False), (False, False)])
def test_layer_normalisation(inputs, parts):
    scale, bias = parts
    layer = LayerNorm(0.01, scale=scale, bias=bias, name="n")
    weights, x, _, reference = run_both([layer], inputs=inputs)
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 0.01)
    expected = expected * weights.get("n.a", 1) + weights.get("n.b", 0)
    np.testing.assert_allclose(reference.outputs[0], expected[0], rtol=0, atol=1e-12)


def test_layer_normalisation_without_epsilon_gives_zero_for_equal_units():
    _, _, found, _ = run_both([LayerNorm(0.0, scale=False, bias=False, name="n")], inputs=1)
    assert (found.outputs == 0).all()


@given(st.data())
def test_a_maximum_is_that_of_the_real_steps(data):
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    seed = data.draw(st.integers(0, 1000))
    _, x, found, reference = run_both([Max(name="m")], lengths, seed)
    raw = np.clip(np.floor(x * 64 + 0.5), -128, 127)
    for index, length in enumerate(lengths):
        np.testing.assert_array_equal(found.outputs[index, 0], raw[index, :length].max(0))
        expected = np.maximum(x[index, :length].max(0), -2)
        np.testing.assert_allclose(reference.outputs[index, 0], expected, rtol=0, atol=1e-14)


def test_a_maximum_of_negative_numbers_is_negative():
    design = Design(layers=[Max(name="m")], formats=FORMATS, inputs=1, weights={})
    batch = make_batch(design.network, np.array([[[-2.0], [-1.0], [-1.5]]]))
    assert run(design.network, design.parameters, batch).outputs.item() == -64


def test_a_maximum_behind_layers_and_in_front_of_one():
    _, _, found, reference = run_both([Elman(4, name="rnn"), Max(), Linear(2, name="head")])
    assert found.outputs.shape == reference.outputs.shape == (3, 1, 2)


@pytest.mark.parametrize("layer", [Pointwise(ReLU()), Scale(), LayerNorm(), Max()])
def test_an_undivided_mean_is_refused(layer):
    with pytest.raises(DesignError, match="cannot read an undivided mean"):
        _ = Design([Mean(), layer], FORMATS, inputs=3, max_steps=4).network


# --- variants of cells ---------------------------------------------------------------------------
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_coupled_gates_forget_what_they_do_not_take_in():
    layer = LSTM(4, coupled=True, peephole=True, cell_activation=Softsign(), name="c")
    weights, x, _, reference = run_both([layer], lengths=(5,))
    assert weights["c.W"].shape == (12, INPUTS)
    assert set(weights) == {"c.W", "c.U", "c.b", "c.p.i", "c.p.o"}
    h = c = np.zeros(4)
    for t in range(5):
        a = np.split(weights["c.W"] @ x[0, t] + weights["c.U"] @ h + weights["c.b"], 3)
        i = sigmoid(a[0] + weights["c.p.i"] * c)
        c = (1 - i) * c + i * np.tanh(a[1])
        h = sigmoid(a[2] + weights["c.p.o"] * c) * (c / (1 + abs(c)))
        np.testing.assert_allclose(reference.outputs[0, t], h, rtol=0, atol=1e-12)


JOINS = {
    "concatenate": lambda a, b: np.concatenate([a, b], -1),
    "add": lambda a, b: a + b,
    "mean": lambda a, b: (a + b) / 2,
    "multiply": lambda a, b: a * b,
}


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("join", JOINS)
def test_both_directions_are_joined(join, last):
    lengths = (6, 1, 4)
    layer = Bidirectional(GRU(4), Elman(4), join=join, last=last, name="two")
    weights, x, found, reference = run_both([layer], lengths)
    for index, length in enumerate(lengths):
        parts = []
        for kind, name, order in ((GRU, "forward", 1), (Elman, "backward", -1)):
            own = {
                key.replace(f"two.{name}", "c"): value
                for key, value in weights.items()
                if key.startswith(f"two.{name}")
            }
            made = Design([kind(4, name="c")], FORMATS, inputs=INPUTS, weights=own)
            sequence = x[index : index + 1, :length][:, ::order]
            outputs = run_reference(
                made.network, made.parameters, sequence, np.array([length])
            ).outputs[0]
            parts.append(outputs[-1:] if last else outputs[::order])
        expected = JOINS[join](*parts)
        np.testing.assert_allclose(
            reference.outputs[index, : len(expected)], expected, rtol=0, atol=1e-12
        )
    assert found.outputs.shape[1] == (1 if last else 6)


def test_another_join_is_refused():
    with pytest.raises(DesignError, match="join='sum'"):
        Bidirectional(GRU(4), join="sum")


def test_the_last_of_both_is_not_the_last_step_of_both():
    _, _, last, _ = run_both([Bidirectional(GRU(4), last=True, name="two")])
    _, _, steps, _ = run_both([Bidirectional(GRU(4), name="two"), Last()])
    np.testing.assert_array_equal(last.outputs[:, 0, :4], steps.outputs[:, 0, :4])
    assert (last.outputs[0, 0, 4:] != steps.outputs[0, 0, 4:]).any()
