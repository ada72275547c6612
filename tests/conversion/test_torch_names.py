"""PyTorch's parameter names without PyTorch: what becomes of each."""

import numpy as np
import pytest

from rnnhw import GRU, LSTM, Bidirectional, Design, DesignError, Elman, Formats, Q
from rnnhw.conversion.torch import weights

INPUTS, UNITS = 3, 2
GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1}
FORMATS = Formats(input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7), cell=Q(2, 6))


class Tensor:
    """As much of a torch tensor as the bridge asks for."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.values


class Module:
    """A recurrent module of torch's names and shapes."""

    def __init__(self, mode, layers, directions):
        self.mode = mode
        rng, rows = np.random.default_rng(1), GATES[mode] * UNITS
        self.parameters = {}
        for layer in range(layers):
            inputs = INPUTS if layer == 0 else UNITS * directions
            for end in ("", "_reverse")[:directions]:
                for stem, shape in (
                    ("weight_ih", (rows, inputs)), ("weight_hh", (rows, UNITS)),
                    ("bias_ih", (rows,)), ("bias_hh", (rows,)),
                ):  # fmt: skip
                    self.parameters[f"{stem}_l{layer}{end}"] = rng.normal(size=shape)

    def named_parameters(self):
        return ((name, Tensor(values)) for name, values in self.parameters.items())


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("mode", GATES)
def test_both_directions_have_keys_of_their_own(mode, layers):
    module = Module(mode, layers, 2)
    names = ["a", "b"][:layers]
    arrays = weights(module, *names)
    for layer, name in enumerate(names):
        for end, direction in (("", "forward"), ("_reverse", "backward")):
            for stem, key in (("weight_ih", "W"), ("weight_hh", "U")):
                expected = module.parameters[f"{stem}_l{layer}{end}"]
                np.testing.assert_array_equal(arrays[f"{name}.{direction}.{key}"], expected)
            first, second = (
                module.parameters[f"{stem}_l{layer}{end}"] for stem in ("bias_ih", "bias_hh")
            )
            bias = arrays[f"{name}.{direction}.b"]
            if mode == "RNN_TANH":
                np.testing.assert_array_equal(bias, first + second)
            else:
                np.testing.assert_array_equal(bias, first)
                np.testing.assert_array_equal(arrays[f"{name}.{direction}.b2"], second)
    kind = {
        "LSTM": LSTM(UNITS, recurrent_bias=True), "GRU": GRU(UNITS, recurrent_bias=True),
        "RNN_TANH": Elman(UNITS),
    }[mode]  # fmt: skip
    stack = [Bidirectional(kind, name=name) for name in names]
    design = Design(stack, FORMATS, arrays, inputs=INPUTS)
    assert set(design.parameters.raw) == set(arrays)


@pytest.mark.parametrize("mode", GATES)
def test_one_direction_keeps_its_keys(mode):
    arrays = weights(Module(mode, 1, 1), "a")
    assert {key.rpartition(".")[0] for key in arrays} == {"a"}


def test_what_is_named_like_nothing_known_is_refused():
    module = Module("GRU", 1, 2)
    module.parameters["weight_xx_lost_reverse"] = np.zeros(1)
    with pytest.raises(DesignError, match="parameter weight_xx_lost_reverse is unknown"):
        weights(module, "a")
    with pytest.raises(DesignError, match="2 layers, 1 are named"):
        weights(Module("LSTM", 2, 2), "a")
