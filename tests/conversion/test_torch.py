"""Trained torch layers run here: the float reference equals torch's output."""

import numpy as np
import pytest

from rnnhw import Bidirectional, Design, DesignError, Elman, Formats, Linear, Q
from rnnhw.conversion.torch import weights
from rnnhw.execution.reference import run_reference
from rnnhw.layers.cells import GRU, LSTM

torch = pytest.importorskip("torch", reason="the bridge from torch is tested against torch itself")

INPUTS, UNITS, STEPS = 5, 8, 20
FORMATS = Formats(
    input=Q(3, 12), weight=Q(3, 12), sum=Q(3, 6), cell=Q(4, 11), state=Q(1, 14), output=Q(3, 12)
)
KINDS = {
    "LSTM": (torch.nn.LSTM, LSTM, {}),
    "LSTM without bias": (torch.nn.LSTM, LSTM, {"bias": False}),
    "LSTM, projection": (torch.nn.LSTM, LSTM, {"proj_size": 3}),
    "GRU": (torch.nn.GRU, GRU, {}),
    "GRU without bias": (torch.nn.GRU, GRU, {"bias": False}),
    "RNN": (torch.nn.RNN, Elman, {}),
}


def made(kind, layers=1, **further):
    """The torch module, trained on nothing but random numbers, and the layers like it."""
    torch.manual_seed(4)
    module_kind, layer, more = KINDS[kind]
    module = module_kind(INPUTS, UNITS, num_layers=layers, batch_first=True, **more, **further)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    bias = more.get("bias", True)
    fields = {"bias": bias}
    if layer is not Elman:
        fields["recurrent_bias"] = bias
    if "proj_size" in more:
        fields["projection"] = more["proj_size"]
    return module, [layer(UNITS, name=f"rnn{k}", **fields) for k in range(layers)]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_float_reference_equals_torch(kind, layers):
    module, stack = made(kind, layers)
    module = module.double()
    arrays = weights(module, *[layer.name for layer in stack])
    design = Design(layers=stack, formats=FORMATS, inputs=INPUTS, weights=arrays)
    x = np.random.default_rng(0).normal(0, 1, (3, STEPS, INPUTS))
    with torch.no_grad():
        expected = module(torch.tensor(x))[0].numpy()
    found = run_reference(design.network, design.parameters, x, np.full(3, STEPS)).outputs
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_both_directions_equal_torch(kind, layers):
    module, stack = made(kind, layers, bidirectional=True)
    module = module.double()
    names = [f"both{k}" for k in range(layers)]
    stack = [Bidirectional(each, name=name) for each, name in zip(stack, names, strict=True)]
    arrays = weights(module, *names)
    design = Design(layers=stack, formats=FORMATS, inputs=INPUTS, weights=arrays)
    x = np.random.default_rng(0).normal(0, 1, (3, STEPS, INPUTS))
    with torch.no_grad():
        expected = module(torch.tensor(x))[0].numpy()
    found = run_reference(design.network, design.parameters, x, np.full(3, STEPS)).outputs
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_recipe_saves_a_model_that_runs(kind, tmp_path):
    """float32 weights through a file: within 1e-6 of torch's float32."""
    module, stack = made(kind)
    head = torch.nn.Linear(UNITS, 2)
    np.savez(tmp_path / "model.npz", **weights(module, "rnn0"), **weights(head, "out"))
    design = Design(
        layers=[*stack, Linear(2, name="out")],
        formats=FORMATS,
        inputs=INPUTS,
        weights=tmp_path / "model.npz",
    )
    x = np.random.default_rng(0).normal(0, 1, (3, STEPS, INPUTS)).astype(np.float32)
    with torch.no_grad():
        expected = head(module(torch.tensor(x))[0]).numpy()
    found = run_reference(design.network, design.parameters, x, np.full(3, STEPS)).outputs
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_what_is_not_known_is_refused():
    with pytest.raises(DesignError, match="1 layers, 2 are named"):
        weights(torch.nn.LSTM(2, 3), "a", "b")
    with pytest.raises(DesignError, match="2 layers, 1 are named"):
        weights(torch.nn.GRU(2, 3, num_layers=2), "a")
    with pytest.raises(DesignError, match="parameter in_proj_weight is unknown"):
        weights(torch.nn.MultiheadAttention(4, 1), "a")


def test_the_module_keeps_its_weights():
    module = torch.nn.RNN(2, 3).double()
    before = module.bias_ih_l0.detach().clone()
    weights(module, "a")["a.b"] += 1
    assert torch.equal(module.bias_ih_l0, before)
