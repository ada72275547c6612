"""The float reference: equal to the equations in NumPy, with every source of error by itself."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import elman

from rnnhw import Formats, HardTanh, Identity, Q, ReLU
from rnnhw.design.tasks import Samples
from rnnhw.execution.reference import SOURCES, run_reference
from rnnhw.execution.simulate import simulate
from rnnhw.numerics.cast import Overflow, Rounding

X, LENGTHS = elman.samples(), elman.LENGTHS
READOUTS = ["every", "last", "mean"]


def reference(design, quantised=(), traces=(), x=X):
    return run_reference(design.network, design.parameters, x, LENGTHS, traces, quantised)


def assert_close(result, outputs, atol=1e-12):
    for got, length, expected in zip(result.outputs, result.lengths, outputs, strict=True):
        assert len(expected) == length
        np.testing.assert_allclose(got[:length], expected, rtol=0, atol=atol)
        assert not got[length:].any()


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("structure", elman.STRUCTURES)
def test_it_is_the_equation_in_float64(structure, readout):
    design = elman.design(structure, readout)
    # The cast of the output is the identity too.
    result = reference(design, traces=["rnn.state", "rnn.sum"])
    outputs, states, sums = elman.numpy_elman(structure, elman.weights(structure), X, readout)
    assert_close(result, outputs)
    for name, expected in (("rnn.state", states), ("rnn.sum", sums)):
        for trace, length, each in zip(result.traces[name], LENGTHS, expected, strict=True):
            np.testing.assert_allclose(trace[:length], each, rtol=0, atol=1e-12)
            assert not trace[length:].any()


@pytest.mark.parametrize("structure", elman.STRUCTURES)
def test_inputs_past_the_length_change_nothing(structure):
    design, other = elman.design(structure), X.copy()
    other[np.arange(elman.STEPS) >= LENGTHS[:, None]] = np.nan
    np.testing.assert_array_equal(reference(design).outputs, reference(design, x=other).outputs)


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("input", {"x": elman.rounded(elman.FORMATS.input)}),
        ("weights", {"weights": elman.rounded(elman.FORMATS.weight)}),
        ("accumulator", {"to_sum": elman.rounded(elman.FORMATS.sum)}),
        ("state", {"to_state": elman.rounded(elman.FORMATS.state), "output": True}),
        (
            "tables",
            {
                "f": lambda z: elman.rounded(elman.FORMATS.state)(
                    np.tanh(elman.rounded(elman.FORMATS.sum)(z))
                )
            },
        ),
    ],
)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("structure", ["dense", "banded", "diagonal"])
def test_one_source_of_error_acts_alone(structure, readout, source, changes):
    design = elman.design(structure, readout)
    to_weights, to_input = changes.get("weights", elman.identity), changes.get("x", elman.identity)
    arrays = {key: to_weights(array) for key, array in elman.weights(structure).items()}
    hooks = {key: changes[key] for key in ("to_sum", "to_state", "f") if key in changes}
    outputs, *_ = elman.numpy_elman(structure, arrays, to_input(X), readout, **hooks)
    if changes.get("output"):
        outputs = [elman.rounded(elman.FORMATS.output)(each) for each in outputs]
    result = reference(design, [source])
    assert_close(result, outputs, atol=1e-9)
    assert not np.array_equal(result.outputs, reference(design).outputs)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("structure", elman.STRUCTURES)
def test_all_sources_together_are_the_engine(structure, readout, rounding):
    # Words this narrow are exact in float64: every error of the engine has one of the sources.
    formats = Formats(
        **{
            role: replace(getattr(elman.FORMATS, role), rounding=rounding, overflow=Overflow.SAT)
            for role in ("input", "weight", "sum", "state", "stage", "output")
        }
    )
    design = elman.design(structure, readout, formats)
    fixed = simulate(design, samples=Samples(X, LENGTHS))
    np.testing.assert_array_equal(reference(design, SOURCES).outputs, fixed.outputs)
    assert np.abs(reference(design).outputs - fixed.outputs).max() > 0


def test_casts_of_products_and_sums_are_errors_of_the_accumulator():
    formats = Formats(
        input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7),
        product=Q(0, 4), accumulator=Q(0, 5),
    )  # fmt: skip
    design = elman.design(formats=formats)
    fixed = simulate(design, samples=Samples(X, LENGTHS))
    assert sum(fixed.events[name].total for name in ("rnn.Wx", "rnn.Uh")) > 0
    np.testing.assert_array_equal(reference(design, SOURCES).outputs, fixed.outputs)
    alone = reference(design, ["accumulator"]).outputs
    assert 0 < np.abs(alone - reference(design).outputs).max() < 4


@pytest.mark.parametrize("activation", [Identity(), ReLU(), HardTanh()])
@pytest.mark.parametrize("structure", ["dense", "banded", "diagonal"])
def test_wide_formats_come_as_near_as_one_likes(structure, activation):
    wide = Formats(input=Q(2, 22), weight=Q(1, 22), sum=Q(8, 24), state=Q(8, 24))
    arrays = elman.weights(structure, scale=0.3)
    design = elman.design(structure, formats=wide, activation=activation, weights=arrays)
    fixed = simulate(design, samples=Samples(X, LENGTHS))
    assert not any(events.total for events in fixed.events.values())
    np.testing.assert_allclose(fixed.outputs, reference(design).outputs, rtol=0, atol=1e-5)


def test_an_unknown_source_is_refused():
    with pytest.raises(ValueError, match=r"unknown error sources \['noise'\]"):
        reference(elman.design(), ["noise"])
