"""Modules of PyTorch: outputs of the engine bit for bit, and gradients of the float network."""

import random
from dataclasses import replace

import numpy as np
import pytest
from helpers.graphs import ISAS, draw_case
from helpers.paths import DESIGNS
from helpers.scaled import FORMATS as SCALED
from helpers.scaled import MULTIPLIED, scaled

from rnnhw import (
    GRU,
    LSTM,
    Banded,
    Bidirectional,
    Butterfly,
    Design,
    DesignError,
    Elman,
    Formats,
    Hadamard,
    Heads,
    Last,
    Linear,
    Mean,
    Overflow,
    Q,
    ReLU,
    Rounding,
    Sparse,
    Window,
    load,
)
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import run as run_engine
from rnnhw.execution.reference import run_reference
from rnnhw.numerics.cast import real_values

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'rnnhw[train]'")
from rnnhw.torch import QuantizedNetwork  # noqa: E402

FORMATS = Formats(
    input=Q(2, 5), weight=Q(1, 6), bias=Q(1, 6), sum=Q(3, 4), recurrent_sum=Q(3, 6),
    gate=Q(0, 7), cell=Q(3, 6), state=Q(0, 7), stage=Q(3, 6),
)  # fmt: skip
OWN_SCALES = replace(SCALED, recurrent_scale_exponent=SCALED.scale_exponent)


def assert_bit_for_bit(design, x, lengths):
    module = QuantizedNetwork(design)
    batch = make_batch(design.network, x, lengths)
    expected = run_engine(design.network, design.parameters, batch).by_output
    outputs = design.network.outputs

    def given():
        """The outputs by name; a network of one gives it alone."""
        found = module(torch.tensor(x), torch.tensor(lengths))
        found = {outputs[0].name: found} if len(outputs) == 1 else found
        assert list(found) == [node.name for node in outputs]
        return {name: values.detach().numpy() for name, values in found.items()}

    for node, found in zip(outputs, given().values(), strict=True):
        assert np.array_equal(found, expected[node.name].values * node.format.step)
    module.quantized = False
    begins = module.to_design().parameters  # which are not the design's where others were rounded
    reference = run_reference(design.network, begins, x, lengths).by_output
    for name, found in given().items():
        exact = reference[name]
        assert np.abs(found - exact).max() <= 1e-12 * max(np.abs(exact).max(), 1)


@pytest.mark.parametrize("file", sorted(DESIGNS.glob("*.py")), ids=lambda file: file.stem)
def test_every_shipped_design_is_equal_bit_for_bit(file):
    design = load(file)
    samples = design.task.samples()
    some = np.random.default_rng(0).permutation(len(samples.lengths))[:10]
    lengths = np.minimum(samples.lengths[some], 60)
    assert_bit_for_bit(design, samples.x[some][:, : lengths.max()], lengths)


@pytest.mark.parametrize("formats", [SCALED, OWN_SCALES, MULTIPLIED], ids=["one", "own", "real"])
@pytest.mark.parametrize("layer", [LSTM(5, name="rnn"), GRU(5, name="rnn")], ids=repr)
def test_scaled_rows_are_equal_bit_for_bit_before_and_after_training(layer, formats):
    design = scaled(layer, formats)
    x, lengths = np.random.default_rng(0).normal(size=(4, 7, 3)), np.array([7, 1, 4, 7])
    assert_bit_for_bit(design, x, lengths)
    module = QuantizedNetwork(design)
    exponents = {
        k: v.clone() for k, v in module.tensors.items() if k.endswith(("/exponent", "/scale"))
    }
    assert exponents and not any(module.tensors[key].requires_grad for key in exponents)
    optimiser = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 0.5)
    module(torch.tensor(x), torch.tensor(lengths)).square().sum().backward()
    optimiser.step()
    trained = module.to_design()
    assert all(torch.equal(module.tensors[key], value) for key, value in exponents.items())
    assert not np.array_equal(trained.parameters.raw["rnn.W"], design.parameters.raw["rnn.W"])
    assert_bit_for_bit(trained, x, lengths)


def test_weights_rounded_elsewhere_are_equal_bit_for_bit_and_end_where_training_begins():
    design = load(DESIGNS / "adder_tridiagonal.py", {"hidden": 4, "operand_bits": 3})
    tensor = next(each for each in design.network.tensors if each.key == "rnn.U")
    numbers = design.parameters.raw["rnn.U"] * tensor.format.step
    numbers[1, 1] += tensor.format.step
    rounded = design.with_rounded_weights({"rnn.U": numbers})
    samples = design.task.samples()
    assert_bit_for_bit(rounded, samples.x[:50], samples.lengths[:50])
    trained = QuantizedNetwork(rounded).to_design()
    assert trained.rounded_weights is None
    assert np.array_equal(trained.parameters.values["rnn.U"], numbers)


def test_exponents_of_drawn_weights_fit_them():
    design = replace(scaled(LSTM(5, name="rnn")), weights=None)
    module = QuantizedNetwork(design)
    weights = module.weights()
    drawn = {k: v for k, v in weights.items() if not k.endswith("exponent")}
    chosen = replace(design, weights=drawn).parameters.given
    np.testing.assert_array_equal(weights["rnn.W.exponent"], chosen["rnn.W.exponent"])


LAYERS = {
    "elman banded": [Elman(6, recurrent=Banded(1, 1), name="a")],
    "lstm": [LSTM(5, name="a"), Last(), Linear(2, name="b")],
    "gru butterfly": [GRU(8, recurrent=Butterfly(), name="a")],
    "elman hadamard": [Elman(8, recurrent=Hadamard(), activation=ReLU(), name="a")],
    "two ways": [Bidirectional(Elman(3, name="x"), name="a"), Mean()],
    "window": [Window(3), Elman(4, name="a")],
    "heads": [Elman(4, name="a"), Heads([Linear(2, name="b"), [Last(), Linear(1, name="c")]])],
}


def drawn(layers, formats=FORMATS, seed=0):
    """A design with random weights, and unequal random sequences with values at the edges."""
    rng = np.random.default_rng(seed)
    design = Design(layers=layers, formats=formats, inputs=3, max_steps=9)
    torch.manual_seed(seed)
    weights = {key: 3 * each for key, each in QuantizedNetwork(design).weights().items()}
    for tensor in design.network.tensors:
        if tensor.role == "bias":
            weights[tensor.key] = rng.normal(0, 1.5, tensor.shape)
    x = rng.normal(0, 3, (7, 9, 3))
    x[0] = rng.choice([-4.0, 4.0, 0.0, 127.5 / 32], (9, 3))
    return replace(design, weights=weights), x, np.array([9, 3, 4, 5, 9, 7, 8])


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rounding", [Rounding.RND, Rounding.TRN, Rounding.RND_CONV])
@pytest.mark.parametrize("overflow", [Overflow.SAT, Overflow.WRAP, Overflow.SAT_ZERO])
def test_layers_are_equal_in_every_mode(name, rounding, overflow):
    modes = {
        role: Q(q.integer, q.fraction, rounding=rounding, overflow=overflow)
        for role in ("sum", "recurrent_sum", "cell", "state", "stage")
        if (q := getattr(FORMATS, role))
    }
    assert_bit_for_bit(*drawn(LAYERS[name], replace(FORMATS, **modes)))


def test_gradients_without_formats_are_those_of_finite_differences():
    design, x, lengths = drawn([LSTM(3, name="a"), Last(), Linear(1, name="b")])
    module = QuantizedNetwork(design)
    module.quantized = False
    loss = (module(torch.tensor(x), torch.tensor(lengths)) ** 2).sum()
    loss.backward()

    def value(weights):
        changed = replace(design, weights=weights)
        outputs = run_reference(changed.network, changed.parameters, x, lengths).outputs
        return (outputs**2).sum()

    weights = module.weights()
    for tensor in design.network.tensors:
        gradient = module.tensors[tensor.key.replace(".", "/")].grad.numpy()
        for place in list(np.ndindex(tensor.shape))[::5]:
            step = np.zeros(tensor.shape)
            step[place] = 1e-5
            plus = value({**weights, tensor.key: weights[tensor.key] + step})
            minus = value({**weights, tensor.key: weights[tensor.key] - step})
            assert gradient[place] == pytest.approx((plus - minus) / 2e-5, rel=1e-5, abs=1e-7)


def test_a_gradient_passes_a_cast_but_not_where_it_saturates():
    design, *_ = drawn([Linear(1, name="a")], Formats(input=Q(2, 5), weight=Q(1, 6), bias=Q(1, 6)))
    module = QuantizedNetwork(design)
    for weight, passes in ((0.503, True), (1.99, True), (5.0, False), (-5.0, False)):
        with torch.no_grad():
            module.tensors["a/W"][:] = weight
        module.zero_grad()
        module(torch.ones(1, 1, 3)).sum().backward()
        assert bool((module.tensors["a/W"].grad != 0).all()) == passes


def test_training_through_the_integers_learns_and_comes_back_as_a_design(tmp_path):
    torch.manual_seed(0)
    layers = [Elman(8, recurrent=Banded(1, 1), name="rnn"), Linear(1, name="head")]
    design = Design(layers=layers, formats=FORMATS, inputs=1)
    module = QuantizedNetwork(design)
    x = torch.randint(0, 2, (64, 8, 1)).double()
    wanted = torch.roll(x, 1, 1)
    wanted[:, 0] = 0
    optimiser = torch.optim.Adam(module.parameters(), 0.03)
    losses = []
    for _ in range(60):
        loss = ((module(x) - wanted) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    trained = module.to_design()
    run = run_engine(trained.network, trained.parameters, make_batch(trained.network, x.numpy()))
    found = run.outputs * trained.network.output.format.step
    assert np.array_equal(found, module(x).detach().numpy())
    module.save(tmp_path / "weights.npz")
    again = replace(design, weights=tmp_path / "weights.npz")
    for key, values in again.parameters.raw.items():
        assert np.array_equal(values, trained.parameters.raw[key])


def test_what_float64_cannot_hold_or_torch_would_reorder_is_told():
    wide = replace(FORMATS, input=Q(2, 25), weight=Q(2, 29))
    with pytest.raises(DesignError, match=r"may have \d+ bits"):
        QuantizedNetwork(Design(layers=[Linear(4, name="a")], formats=wide, inputs=3))
    ordered = replace(FORMATS, accumulator=Q(2, 5))
    with pytest.raises(DesignError, match="while it adds"):
        QuantizedNetwork(Design(layers=[Linear(4, name="a")], formats=ordered, inputs=3))
    sparse = [Elman(8, recurrent=Sparse(2, 4), name="a")]
    with pytest.raises(DesignError, match="chooses its words by value"):
        QuantizedNetwork(Design(layers=sparse, formats=FORMATS, inputs=3))


def test_random_networks_are_equal_bit_for_bit():
    """Networks over the whole set of operations; those that torch would reorder are refused."""
    assert ISAS
    equal = 0
    for seed in range(300):
        case = draw_case(random.Random(seed))
        equal += not case.batch.initial and _equal_or_refused(case)
    assert equal >= 20


def _equal_or_refused(case):
    raw = case.parameters.raw
    values = {each.key: real_values(raw[each.key], each.format) for each in case.network.tensors}
    design = Design(layers=[], formats=Formats(), weights=values)
    # No layers of a design file make such a network.
    object.__setattr__(design, "network", case.network)
    object.__setattr__(design, "parameters", replace(case.parameters, values=values))
    try:
        module = QuantizedNetwork(design)
    except DesignError:
        return False
    expected = run_engine(case.network, case.parameters, case.batch).by_output
    x = torch.tensor(real_values(case.batch.inputs, case.network.source.format))
    found = module(x, torch.tensor(case.batch.lengths))
    for node in case.network.outputs:
        values = (found if len(case.network.outputs) == 1 else found[node.name]).detach().numpy()
        assert np.array_equal(values, expected[node.name].values * node.format.step)
    return True
