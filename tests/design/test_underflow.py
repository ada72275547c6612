"""What quantisation turns into zero is counted, and named where nothing is left."""

import numpy as np
import pytest

from rnnhw import Diagonal, Elman, Formats, LeakyElman, Q, simulate
from rnnhw.design.design import Design
from rnnhw.design.tasks import Samples
from rnnhw.design.underflow import AllZero, all_zero, stored_underflows
from rnnhw.execution.batch import make_batch
from rnnhw.numerics.cast import Overflow, Rounding, quantise, underflows

FORMATS = Formats(input=Q(1, 4), weight=Q(1, 4), sum=Q(3, 4), state=Q(1, 4))


def test_an_underflow_is_what_is_not_zero_and_becomes_zero():
    values = np.array([0.0, -0.0, 0.4, -0.4, 0.5, -0.5, 0.6, 1e-300, 5e-324, 1.0, 16.0])
    for rounding, lost in (("RND", 5), ("TRN", 5), ("TRN_ZERO", 7), ("RND_INF", 4)):
        to = Q(3, 0, rounding=Rounding(rounding))
        raw, _ = quantise(values, to)
        assert underflows(values, raw, to) == lost, rounding
        assert underflows(values, raw, to) == sum(
            v != 0 and q == 0 for v, q in zip(values, raw, strict=True)
        )


@pytest.mark.parametrize("overflow", [Overflow.WRAP, Overflow.SAT_ZERO])
def test_a_large_number_that_becomes_zero_is_an_overflow(overflow):
    to = Q(3, 0, overflow=overflow)
    raw, events = quantise([16.0, 0.25], to)
    assert not raw.any() and events.total == 1
    assert underflows([16.0, 0.25], raw, to) == 1


def network(arrays, **more):
    layer = Elman(2, name="r", **more)
    return Design([layer], FORMATS, arrays, inputs=2)


def test_weights_biases_and_inputs_count():
    arrays = {"r.W": [[0.01, 1], [0, 0.02]], "r.U": [[0.5, 0.5], [0.5, 0.5]], "r.b": [0.01, 0.5]}
    design = network(arrays)
    assert design.parameters.underflows == {"r.W": 2, "r.U": 0, "r.b": 1}
    x = np.array([[[0.01, 0.0], [0.5, 0.02]], [[0.5, 0.5], [0.001, 0.001]]])
    samples = Samples(x, np.array([2, 1]))
    result = simulate(design, samples=samples)
    assert make_batch(design.network, x, [2, 1]).underflows == 2  # the rest is past the end
    assert result.underflows == {"input": 2, "r.W": 2, "r.U": 0, "r.b": 1}
    assert result.figures()["underflows"] == 5
    assert result.figures()["weight_clips"] == 0


def test_tensors_and_units_without_anything_left_are_named():
    arrays = {"r.W": [[0.01, 0.02], [0, 0.5]], "r.U": [[0.01] * 2] * 2, "r.b": [0, 0]}
    design = network(arrays)
    found = all_zero(design.network, design.parameters)
    assert found == [AllZero("r.b"), AllZero("r.U"), AllZero("r.W", (0,))]


def test_a_unit_of_a_structure_is_named_by_its_row():
    arrays = {"r.W": np.ones((2, 2)), "r.U": [0.5, 0.01], "r.b": [1, 1]}
    design = network(arrays, recurrent=Diagonal())
    assert all_zero(design.network, design.parameters) == [AllZero("r.U", (1,))]


def test_a_constant_of_the_design_counts_too():
    arrays = {"r.W": np.ones((3, 2)), "r.U": np.ones((3, 3)), "r.b": np.ones(3)}
    design = Design([LeakyElman(3, leak=0.01, name="r")], FORMATS, arrays, inputs=2)
    assert stored_underflows(design.network, design.parameters)["r.a"] == 3
    assert all_zero(design.network, design.parameters) == [AllZero("r.a")]
    kept = Design([LeakyElman(3, leak=0.5, name="r")], FORMATS, arrays, inputs=2)
    assert sum(stored_underflows(kept.network, kept.parameters).values()) == 0
