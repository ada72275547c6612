"""Weights of a sum rounded together: which sums there are, and what the rounding brings."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.paths import DESIGNS

from rnnhw import (
    GRU,
    Dense,
    Design,
    Elman,
    Formats,
    Linear,
    Q,
    Sparse,
    Toeplitz,
    UsageError,
    load,
    quantize,
    simulate,
)
from rnnhw.design.tasks import Samples
from rnnhw.execution.reference import run_reference
from rnnhw.numerics.cast import quantise, real_values
from rnnhw.numerics.compensated_rounding import round_compensated
from rnnhw.study.word_lengths.rounding import rounding_of

SHORT = Q(0, 3)


def samples(seed=0, inputs=4):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 9, inputs)) @ rng.normal(size=(inputs, inputs)) + 0.5
    return Samples(x, rng.integers(5, 10, 40), None)


def design(recurrent, **settings):
    """An Elman layer of 8 units on 4 inputs with weights of 4 bits, all else wide."""
    found = Design(
        layers=[Elman(8, recurrent=recurrent, name="rnn"), Linear(3, name="head")],
        formats=Formats(
            input=Q(6, 12), weight=SHORT, bias=Q(1, 8), state=Q(0, 15), sum=Q(5, 9), **settings
        ),
        inputs=4,
        max_steps=9,
    )
    rng = np.random.default_rng(3)
    weights = {each.key: rng.normal(scale=0.4, size=each.shape) for each in found.network.tensors}
    return replace(found, weights=weights)


def output_error(found, on):
    run = simulate(found, samples=on)
    real = run_reference(found.network, found.parameters, on.x, on.lengths)
    return float(np.square(run.outputs - real.outputs).mean())


def test_sums_have_a_smaller_error_on_other_samples_too():
    found = design(Dense())
    rounding = rounding_of(found, samples(0))
    assert not rounding.left
    rounded = found.with_rounded_weights(rounding.weights({}))
    assert set(rounded.rounded_weights.source) == {each.key for each in found.network.tensors}
    assert output_error(rounded, samples(0)) < 0.8 * output_error(found, samples(0))
    # The same mixing of inputs with other draws: what was learned of it is not of the draws alone.
    other = replace(samples(0), x=samples(0).x[::-1], lengths=samples(0).lengths[::-1])
    assert output_error(rounded, other) < 0.8 * output_error(found, other)


def test_the_bias_takes_the_mean_error():
    """On inputs that never change a row has one sum, which a bias of fine steps makes exact."""
    found = design(Dense())
    constant = Samples(np.full((3, 1, 4), 0.7), np.ones(3, np.int64), None)
    rounding = rounding_of(found, constant)
    weights = rounding.weights({})
    values = found.parameters.values
    inputs = np.full(4, 0.7)
    lost = (weights["rnn.W"] - values["rnn.W"]) @ inputs + weights["rnn.b"] - values["rnn.b"]
    nearest = real_values(quantise(values["rnn.W"], SHORT)[0], SHORT)
    assert np.abs((nearest - values["rnn.W"]) @ inputs).max() > 0.05
    assert np.abs(lost).max() < 0.01


def test_a_rounding_depends_on_formats_and_is_kept(monkeypatch):
    found, runs = design(Dense()), []
    monkeypatch.setattr(
        "rnnhw.study.word_lengths.rounding.round_compensated",
        lambda *arguments: runs.append(arguments) or round_compensated(*arguments),
    )
    rounding = rounding_of(found, samples())
    first = rounding.weights({})
    finer = rounding.weights({"rnn.W": Q(1, 10)})
    assert len(runs) == 3  # two sums, one of them in two formats
    assert np.array_equal(rounding.weights({})["rnn.U"], first["rnn.U"]) and len(runs) == 3
    assert np.array_equal(finer["head.W"], first["head.W"])
    assert not np.array_equal(finer["rnn.U"], first["rnn.U"])  # what a finer W need not make good
    error = np.abs(finer["rnn.W"] - found.parameters.values["rnn.W"]).max()
    assert 0 < error < np.abs(first["rnn.W"] - found.parameters.values["rnn.W"]).max()


def test_rows_that_share_weights_and_rows_with_scales_are_rounded_to_nearest():
    shared = rounding_of(design(Toeplitz()), samples())
    assert shared.left == {"rnn.U": "its rows share weights"}
    assert set(shared.weights({})) == {"rnn.W", "rnn.b", "head.W", "head.b"}
    scaled = design(Dense()).with_formats({"scale_exponent": Q(1, 0, signed=False)})
    rounding = rounding_of(scaled, samples())
    assert rounding.left["rnn.U"] == rounding.left["head.W"] == "its rows have scales"
    assert rounding.weights({}) == {}


def test_added_products_are_one_sum_and_those_read_otherwise_are_not():
    """W x and U h of the gates r and z are added; U h of n is multiplied by r first."""
    found = Design(
        layers=[GRU(4, name="rnn")],
        formats=Formats(input=Q(6, 12), weight=SHORT, bias=Q(1, 8), state=Q(0, 15), sum=Q(5, 9)),
        inputs=4,
        max_steps=9,
    )
    rng = np.random.default_rng(3)
    weights = {each.key: rng.normal(scale=0.4, size=each.shape) for each in found.network.tensors}
    found = replace(found, weights=weights)
    rounding = rounding_of(found, samples())
    fine = Q(1, 12)
    lost = rounding.weights({"rnn.U": fine})["rnn.U"] - found.parameters.values["rnn.U"]
    # A fine U makes good what a coarse W loses, where both are of one sum.
    assert np.abs(lost[:8]).max() > 8 * fine.step
    assert np.abs(lost[8:]).max() < 2 * fine.step
    coarse = rounding.weights({})
    rounded = found.with_rounded_weights(coarse)
    assert output_error(rounded, samples()) < output_error(found, samples())


def test_weights_without_a_connection_stay_zero():
    structure = Sparse(2, 4)
    found = design(structure)
    drawn = np.random.default_rng(3).normal(scale=0.4, size=(8, 8))
    values = {**found.weights, "rnn.U": structure.project(drawn).parameters[""]}
    found = replace(found, weights=values)
    weights = rounding_of(found, samples()).weights({})
    assert np.count_nonzero(values["rnn.U"]) == 32
    assert not weights["rnn.U"][values["rnn.U"] == 0].any()
    rounded = found.with_rounded_weights(weights)
    assert output_error(rounded, samples()) < output_error(found, samples())


def test_quantize_stores_fewer_bits_or_as_many_and_gives_the_design():
    trained = load(DESIGNS / "speaker_tridiagonal.py")
    # The training split judges here: what the test split says is told once, in the docs.
    train = replace(trained, task=replace(trained.task, split="train"))
    demand = {"minimum": {"snr_db": 15}, "choose_on_test": True, "evaluations": 60}
    plain = quantize(train, **demand)
    rounded = quantize(train, rounding="compensated", **demand)
    assert rounded.choice.outcome.bits < 0.95 * plain.choice.outcome.bits
    assert plain.rounding is None and plain.rounded_weights == {}
    run = simulate(rounded.chosen)
    assert np.array_equal(run.run.outputs, rounded.after.run.outputs)
    assert rounded.judged_after["snr_db"] >= 15
    nearest = simulate(rounded.design.with_formats(rounded.changes))
    assert not np.array_equal(nearest.run.outputs, run.run.outputs)
    # A rounding of the weights is no weight: it is chosen again, from those that were trained.
    again = quantize(rounded.chosen, rounding="compensated", **demand)
    assert again.choice.outcome.bits == rounded.choice.outcome.bits
    with pytest.raises(UsageError, match="unknown rounding 'up'"):
        quantize(trained, rounding="up")
