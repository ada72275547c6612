"""The exponents of per-channel power-of-two scales: chosen, or given by the weights file."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.scaled import EXPONENT, FORMATS, MULTIPLIED, MULTIPLIER, scaled

from rnnhw import GRU, LSTM, Banded, DesignError, Elman, simulate, verify
from rnnhw.design.tasks.samples import Samples
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import available_isas, run
from rnnhw.execution.reference import run_reference
from rnnhw.numerics.cast import quantise, real_values

LAYERS = [
    Elman(5, name="rnn"),
    LSTM(5, name="rnn"),
    LSTM(5, peephole=True, projection=4, name="rnn"),
    GRU(5, recurrent_bias=True, name="rnn"),
    GRU(5, reset="before", name="rnn"),
]
OWN = replace(FORMATS, recurrent_scale_exponent=EXPONENT)
NONE = replace(FORMATS, scale_exponent=None)
ALL = {
    "shared exponents": FORMATS,
    "own exponents": OWN,
    "shared multipliers": MULTIPLIED,
    "own multipliers": replace(MULTIPLIED, recurrent_scale=MULTIPLIER),
}
RNG = np.random.default_rng(0)
SAMPLES = Samples(RNG.normal(size=(5, 9, 3)), np.array([9, 1, 4, 9, 7]))


@pytest.mark.parametrize("formats", ALL.values(), ids=ALL)
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_every_kernel_equals_golden_and_the_reference_stays(layer, formats):
    design = scaled(layer, formats)
    batch = make_batch(design.network, SAMPLES.x, SAMPLES.lengths)
    wanted = golden.run(design.network, design.parameters, batch)
    for isa, here in available_isas().items():
        for lanes in (1, 16):
            if here:
                found = run(design.network, design.parameters, batch, isa=isa, lanes=lanes)
                np.testing.assert_array_equal(found.outputs, wanted.outputs)
    plain = scaled(layer, NONE)
    real, same = (
        run_reference(d.network, d.parameters, SAMPLES.x, SAMPLES.lengths).outputs
        for d in (design, plain)
    )
    np.testing.assert_allclose(real, same, rtol=0, atol=1e-12)


def test_the_exponents_chosen_have_the_least_error():
    design = scaled(Elman(6, recurrent=Banded(1, 1), name="rnn"), OWN)
    given, format = design.parameters.given, FORMATS.weight
    band = given["rnn.U"]
    reach = [range(max(0, i - 1), min(6, i + 2)) for i in range(6)]
    of_band = [[band[1 + i - j, j] for j in reach[i]] for i in range(6)]
    for key, each in (("rnn.W", given["rnn.W"]), ("rnn.U", of_band)):
        chosen = given[f"{key}.exponent"]
        for row, exponent in zip(each, chosen, strict=True):
            errors = []
            for e in range(4):
                scaled_row = np.array(row) / 2**e
                stored = real_values(quantise(scaled_row, format)[0], format) * 2**e
                errors.append(float(((stored - row) ** 2).sum()))
            assert exponent == int(np.argmin(errors))
    assert len(set(given["rnn.W.exponent"])) > 1


def test_scales_bring_eight_bit_weights_nearer_to_the_reference():
    found = {}
    for name, formats in (("none", NONE), ("shared", FORMATS)):
        design = scaled(LSTM(16, name="rnn"), formats, seed=3)
        parameters = design.parameters
        stored = real_values(parameters.raw["rnn.W"], FORMATS.weight)
        if formats is FORMATS:
            stored = np.ldexp(stored, parameters.raw["rnn.W.exponent"][:, None])
        found[name] = np.abs(stored - parameters.given["rnn.W"]).mean()
    assert found["shared"] < found["none"] / 2


def test_given_exponents_are_taken():
    design = scaled(Elman(5, name="rnn"))
    exponents = np.array([0, 1, 2, 3, 0])
    weights = {**design.parameters.given, "rnn.W.exponent": exponents}
    again = replace(design, weights=weights)
    np.testing.assert_array_equal(again.parameters.raw["rnn.W.exponent"], exponents)
    np.testing.assert_array_equal(again.parameters.given["rnn.U"], design.parameters.given["rnn.U"])
    scale = np.exp2(exponents)[:, None]
    np.testing.assert_array_equal(again.parameters.values["rnn.U"] * scale, weights["rnn.U"])
    np.testing.assert_array_equal(again.parameters.values["rnn.b"] * scale[:, 0], weights["rnn.b"])


@pytest.mark.parametrize("wrong", [4, -1, 0.5])
def test_given_exponents_that_are_none_are_refused(wrong):
    design = scaled(Elman(5, name="rnn"))
    weights = {**design.parameters.given, "rnn.W.exponent": np.array([0, 1, wrong, 0, 0])}
    message = rf"rnn\.W\.exponent\[2\] is {wrong}, no whole number of 0 to 3"
    with pytest.raises(DesignError, match=message):
        _ = replace(design, weights=weights).parameters


def test_multipliers_are_the_least_by_which_nothing_clips():
    design = scaled(Elman(5, name="rnn"), MULTIPLIED)
    parameters = design.parameters
    chosen = parameters.given["rnn.W.scale"]
    step, most = MULTIPLIER.step, FORMATS.weight.max * FORMATS.weight.step
    both = np.concatenate([parameters.given["rnn.W"], parameters.given["rnn.U"]], axis=1)
    largest = np.abs(both).max(axis=1)
    assert (largest / chosen <= most).all() and (largest > most * (chosen - step)).all()
    assert not parameters.events["rnn.W"].total and not parameters.events["rnn.U"].total


def test_multipliers_that_are_given_are_stored_in_their_format():
    design = scaled(Elman(5, name="rnn"), MULTIPLIED)
    wanted = np.array([1.0, 2.3, 0.51, 7.0, 4.0])
    again = replace(design, weights={**design.parameters.given, "rnn.W.scale": wanted})
    stored = again.parameters.raw["rnn.W.scale"] * MULTIPLIER.step
    assert np.abs(stored - wanted).max() <= MULTIPLIER.step / 2
    np.testing.assert_allclose(
        again.parameters.values["rnn.W"] * stored[:, None], design.parameters.given["rnn.W"]
    )
    wanted[2] = 0.001
    again = replace(design, weights={**design.parameters.given, "rnn.W.scale": wanted})
    with pytest.raises(DesignError, match=r"rnn\.W\.scale\[2\] is 0\.001, which is zero or less"):
        _ = again.parameters


def test_a_run_counts_the_shifts_and_the_exponents():
    shared, none = (simulate(scaled(LSTM(5, name="rnn"), f), samples=SAMPLES).counts
                    for f in (FORMATS, NONE))  # fmt: skip
    steps = int(SAMPLES.lengths.sum())
    rows = 4 * 5 + 3
    assert shared.shifts - none.shifts == rows * steps
    assert shared.weights.read_bits - none.weights.read_bits == 2 * rows * steps
    assert shared.multiplies == none.multiplies


def test_verify_judges_scaled_weights():
    result = verify(scaled(LSTM(5, name="rnn")), samples=SAMPLES, minimum={"snr_db": 20})
    assert result.passed
