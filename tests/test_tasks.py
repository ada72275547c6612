"""Tasks: the truth of their samples, their scores, and the user's own data."""

import functools
import math
import operator
from itertools import pairwise

import numpy as np
import pytest

from rnnhw import BinaryAddition, Classification, DesignError, Q
from rnnhw.tasks import (
    Accuracy,
    Samples,
    SquaredError,
    load_samples,
    samples_of,
    score_names,
    wilson_interval,
)


# --- Wilson ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_wilson_interval_of_the_literature(correct, total, low, high):
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("total", [1, 2, 7, 1000])
def test_the_wilson_interval_holds_its_fraction_and_is_symmetric(total):
    for correct in range(0, total + 1, max(total // 7, 1)):
        low, high = wilson_interval(correct, total)
        assert 0 <= low <= correct / total <= high <= 1
        mirrored = wilson_interval(total - correct, total)
        assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)
    assert wilson_interval(0, total)[0] == 0.0
    assert wilson_interval(total, total)[1] == 1.0


# --- scores ------------------------------------------------------------------------------------
def test_accuracies_add_up_and_lose_what_the_reference_has_more():
    assert Accuracy(3, 4) + Accuracy(1, 6) == Accuracy(4, 10)
    assert Accuracy(1, 4).figures() == {"accuracy": 0.25}
    assert Accuracy(1, 4).loss(Accuracy(3, 4)) == 0.5
    low, high = wilson_interval(1, 4)
    assert Accuracy(1, 4).details() == {
        "accuracy_interval_95": [low, high], "accuracy_correct": 1,
    }  # fmt: skip
    assert score_names(Accuracy) == ["accuracy", "float_accuracy", "accuracy_loss"]


def test_a_squared_error_is_that_of_numpy():
    rng = np.random.default_rng(0)
    targets = rng.normal(3, 2, (50, 1))
    outputs = targets + rng.normal(0, 0.5, (50, 1))
    score = SquaredError.of(outputs, targets)
    rms = np.sqrt(((outputs - targets) ** 2).mean())
    assert score.nrmse == pytest.approx(rms / targets.std(), rel=1e-12)
    assert score.r2 == pytest.approx(1 - (rms / targets.std()) ** 2, rel=1e-12)
    assert score.figures() == {"nrmse": score.nrmse, "r2": score.r2}
    assert score.details() == {"nrmse_values": 50}
    mean = SquaredError.of(np.full((50, 1), targets.mean()), targets)
    assert (mean.nrmse, mean.r2) == (pytest.approx(1), pytest.approx(0, abs=1e-12))
    exact = SquaredError.of(targets, targets)
    assert exact.figures() == {"nrmse": 0.0, "r2": 1.0}
    assert score.loss(exact) == score.nrmse and exact.loss(score) == -score.nrmse
    names = ["nrmse", "r2", "float_nrmse", "float_r2", "nrmse_loss"]
    assert score_names(SquaredError) == names


def test_every_output_has_its_own_mean():
    targets = np.array([[0.0, 1000.0], [2.0, 1004.0]])
    score = SquaredError.of(targets + np.array([[1.0, 0.0], [0.0, 0.0]]), targets)
    assert score.means == (1.0, 1002.0)
    assert score.nrmse == math.sqrt(1 / (2 + 8))


@pytest.mark.parametrize("mean", [0.0, -7.0, 1e6])
def test_squared_errors_of_parts_add_up_to_that_of_all(mean):
    rng = np.random.default_rng(1)
    targets = mean + rng.normal(0, 1, (40, 3)) * [1, 2, 3]
    outputs = targets + rng.normal(0, 0.1, (40, 3))
    whole = SquaredError.of(outputs, targets)
    cuts = [0, 1, 2, 17, 40]
    parts = [SquaredError.of(outputs[a:b], targets[a:b]) for a, b in pairwise(cuts)]
    total = functools.reduce(operator.add, parts)
    assert total.values == whole.values == 120
    assert total.nrmse == pytest.approx(whole.nrmse, rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e17])
def test_targets_that_never_change_have_no_normalised_error(value):
    targets = np.full((7, 2), value)
    score = SquaredError.of(targets + 1, targets) + SquaredError.of(targets[:3], targets[:3])
    for figures in (score.figures, lambda: score.nrmse, lambda: score.r2):
        with pytest.raises(DesignError, match="the 20 targets never change") as caught:
            figures()
        assert "targets that differ" in caught.value.hint


@pytest.mark.parametrize("wrong", [math.inf, math.nan, 1e200])
def test_an_output_without_bounds_gives_an_error_that_no_bound_lets_pass(wrong):
    score = SquaredError.of(np.array([[wrong], [0.0]]), np.array([[1.0], [2.0]]))
    assert not score.nrmse <= 1e300
    assert not score.r2 >= -1e300


# --- addition ----------------------------------------------------------------------------------
def number(bits):
    return sum(int(bit) << place for place, bit in enumerate(bits))


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_all_pairs_are_added_up_to_eight_bits(bits):
    task = BinaryAddition(bits)
    samples = task.samples()
    pairs = {(number(x[:, 0]), number(x[:, 1])) for x in samples.x}
    assert pairs == {(a, b) for a in range(2**bits) for b in range(2**bits)}
    assert len(samples.x) == 4**bits
    for x, y in zip(samples.x, samples.y, strict=True):
        assert number(y) == number(x[:, 0]) + number(x[:, 1])


@pytest.mark.parametrize("bits", [9, 16, 62])
def test_wide_words_are_seeded_and_hold_every_carry_chain(bits):
    task = BinaryAddition(bits, random_pairs=50)
    samples = task.samples()
    assert samples.x.shape == (50 + 2 * bits, bits + 1, 2)
    pairs = [(number(x[:, 0]), number(x[:, 1])) for x in samples.x]
    for k in range(1, bits + 1):
        assert (2**k - 1, 1) in pairs
        assert (1, 2**k - 1) in pairs
    assert max(map(max, pairs)) < 2**bits
    for (a, b), y in zip(pairs, samples.y, strict=True):
        assert number(y) == a + b
    again = BinaryAddition(bits, random_pairs=50).samples()
    np.testing.assert_array_equal(again.x, samples.x)
    other = BinaryAddition(bits, random_pairs=50, seed=1).samples()
    assert (other.x != samples.x).any()


def test_the_adder_describes_itself():
    task = BinaryAddition(8)
    assert (task.features, task.max_steps) == (2, 9)
    assert task.input_format == Q(1, 0, signed=False)
    assert task.samples().lengths.tolist() == [9] * 4**8


@pytest.mark.parametrize("bits", [0, 63, -1])
def test_operands_that_no_word_holds_are_refused(bits):
    with pytest.raises(DesignError, match=f"operand_bits={bits}"):
        BinaryAddition(bits)


def test_a_word_is_correct_if_every_bit_is():
    task = BinaryAddition(2)
    samples = task.samples()
    outputs = (samples.y * 2.0 - 1.0)[:, :, None]
    assert task.score(outputs, samples.lengths, samples) == Accuracy(16, 16)
    outputs[3, 1] *= -1
    outputs[5, 0] *= -1
    assert task.score(outputs, samples.lengths, samples) == Accuracy(14, 16)
    outputs[:] = 0.0  # zero is not positive: a zero bit
    assert task.score(outputs, samples.lengths, samples) == Accuracy(1, 16)
    assert Accuracy(14, 16).accuracy == 0.875
    assert Accuracy(14, 16).interval == wilson_interval(14, 16)


@pytest.mark.parametrize("shape", [(16, 3, 2), (16, 1, 1)])
def test_outputs_that_are_no_bits_are_refused(shape):
    task = BinaryAddition(2)
    samples = task.samples()
    with pytest.raises(DesignError, match="outputs of shape") as caught:
        task.score(np.zeros(shape), np.full(16, shape[1]), samples)
    assert "one unit at every step" in caught.value.hint


def test_lead_puts_zeros_before_the_first_bit_and_judges_the_same_sums():
    bare, led = BinaryAddition(3).samples(), BinaryAddition(3, lead=2).samples()
    assert not led.x[:, :2].any()
    np.testing.assert_array_equal(led.x[:, 2:], bare.x)
    np.testing.assert_array_equal(led.y, bare.y)
    assert led.lengths.tolist() == [6] * 4**3
    assert BinaryAddition(3, lead=2).max_steps == 6


def test_a_window_gives_every_bit_of_led_operands_its_own_columns():
    task = BinaryAddition(2, lead=1)
    samples = task.samples()
    outputs = (samples.y * 2.0 - 1.0)[:, :, None]
    assert task.score(outputs, samples.lengths - 1, samples) == Accuracy(16, 16)
    with pytest.raises(DesignError, match="outputs of shape") as caught:
        task.score(np.pad(outputs, ((0, 0), (0, 1), (0, 0))), samples.lengths, samples)
    assert "lead=k - 1" in caught.value.hint


def test_the_users_own_words_are_led_too():
    own = Samples(np.ones((2, 3, 2)), np.array([3, 2]), np.ones((2, 3), np.int64))
    led = BinaryAddition(8, lead=4).prepared(own)
    assert led.x.shape == (2, 7, 2) and not led.x[:, :4].any() and led.x[:, 4:].all()
    assert led.lengths.tolist() == [7, 6]
    assert led.y is own.y


@pytest.mark.parametrize("lead", [-1, 63, 1.5])
def test_a_lead_that_no_window_needs_is_refused(lead):
    with pytest.raises(DesignError, match=f"lead={lead}"):
        BinaryAddition(lead=lead)


# --- classification ----------------------------------------------------------------------------
def data(tmp_path, **changes):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 6), ("test", 4)):
        arrays[f"{split}_x"] = rng.normal(3, 2, (count, 5, 2))
        arrays[f"{split}_lengths"] = rng.integers(1, 5, count)
        arrays[f"{split}_y"] = np.arange(count) % 3
    arrays |= changes
    np.savez(tmp_path / "d.npz", **arrays)
    return arrays


def test_features_are_standardised_by_the_real_steps_of_the_training_split(tmp_path):
    arrays = data(tmp_path)
    task = Classification("d.npz").located(tmp_path)
    real = np.concatenate(
        [x[:n] for x, n in zip(arrays["train_x"], arrays["train_lengths"], strict=True)]
    )
    samples = task.samples()
    for i, steps in enumerate(arrays["test_lengths"]):
        expected = (arrays["test_x"][i, :steps] - real.mean(0)) / real.std(0)
        np.testing.assert_allclose(samples.x[i, :steps], expected, rtol=1e-12)
    assert task.features == 2
    assert task.max_steps == max(arrays["train_lengths"].max(), arrays["test_lengths"].max())
    plain = Classification("d.npz", standardise=False).located(tmp_path).samples()
    np.testing.assert_array_equal(plain.x[0, 0], arrays["test_x"][0, 0])


@pytest.mark.filterwarnings("error")
def test_a_feature_that_never_changes_is_refused_or_left_alone(tmp_path):
    arrays = data(tmp_path)
    for split in ("train", "test"):
        arrays[f"{split}_x"][:, :, 1] = 7.0
    data(tmp_path, **arrays)
    try:
        samples = Classification("d.npz").located(tmp_path).samples()
    except DesignError as error:
        assert "feature" in str(error)
    else:
        assert np.isfinite(samples.x).all()


def test_the_largest_output_of_the_last_real_step_is_the_answer():
    task = Classification("d.npz")
    samples = Samples(np.zeros((3, 2, 1)), np.array([2, 1, 2]), np.array([1, 0, 2]))
    outputs = np.zeros((3, 2, 3))
    outputs[0, 1] = [1, 5, 2]
    outputs[1, 0] = [4, 3, 3]
    outputs[1, 1] = [0, 9, 0]  # past the end
    outputs[2, 1] = [7, 7, 7]  # the first of equal ones
    assert task.score(outputs, samples.lengths, samples) == Accuracy(2, 3)


@pytest.mark.parametrize("y", [[0, 3], [-1, 0], [[0, 1], [1, 0]]])
def test_classes_that_the_network_does_not_have_are_refused(y):
    samples = Samples(np.zeros((2, 1, 1)), np.ones(2, int), np.array(y))
    with pytest.raises(DesignError, match=r"Classification: y of shape"):
        Classification("d.npz").score(np.zeros((2, 1, 3)), samples.lengths, samples)


def test_a_score_needs_expected_answers():
    samples = Samples(np.zeros((2, 1, 1)), np.ones(2, int))
    for task in (BinaryAddition(2), Classification("d.npz")):
        with pytest.raises(DesignError, match="no expected answers"):
            task.score(np.zeros((2, 1, 1)), samples.lengths, samples)


# --- the user's own data -----------------------------------------------------------------------
def test_own_data_may_leave_out_lengths_and_answers(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.ones((2, 3, 1), np.int8))
    samples = load_samples(tmp_path / "d.npz")
    assert samples.x.dtype == np.float64
    assert samples.lengths.tolist() == [3, 3]
    assert samples.y is None


def test_values_past_the_end_are_dropped():
    samples = samples_of("d", {"x": [[[1.0], [np.nan]]], "lengths": [1], "y": [1]})
    assert samples.x.tolist() == [[[1.0], [0.0]]]


X = np.zeros((2, 3, 1))


@pytest.mark.parametrize(
    ("arrays", "message", "hint"),
    [
        ({"y": [1]}, "d: no array x", "it holds y"),
        ({"x": np.zeros((2, 3))}, r"d: x has shape \(2, 3\)", "[sequences, steps, features]"),
        ({"x": np.zeros((0, 3, 1))}, "nothing to run", "at least one sequence"),
        ({"x": np.zeros((2, 0, 1))}, "nothing to run", ""),
        ({"x": np.zeros((2, 3, 0))}, "nothing to run", ""),
        ({"x": np.zeros((2, 3, 1), complex)}, "d: x holds complex128", ""),
        ({"x": np.array([[["a"]]])}, "d: x holds <U1", ""),
        ({"x": np.full((2, 3, 1), np.inf)}, r"d: x\[0, 0, 0\] is inf", "6 input values"),
        ({"x": X, "lengths": [3]}, r"d: lengths is int64 of shape \(1,\)", "2 whole numbers"),
        ({"x": X, "lengths": [3.0, 2.0]}, "d: lengths is float64", ""),
        ({"x": X, "lengths": [3, 4]}, r"d: lengths\[1\] is 4", "1 to 3 steps"),
        ({"x": X, "lengths": [0, 3]}, r"d: lengths\[0\] is 0", ""),
        ({"x": X, "y": [1]}, r"d: y is int64 of shape \(1,\)", "2 whole numbers"),
        ({"x": X, "y": [1.0, 2.0]}, "d: y is float64", ""),
        ({"x": X, "y": 1}, r"d: y is int64 of shape \(\)", "2 whole numbers"),
    ],
)
def test_wrong_data_is_refused(arrays, message, hint):
    with pytest.raises(DesignError, match=message) as caught:
        samples_of("d", arrays)
    assert hint in caught.value.hint


def test_unknown_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, labels=np.zeros(2))
    with pytest.raises(DesignError, match=r"d\.npz: unknown array labels") as caught:
        load_samples(tmp_path / "d.npz")
    assert "x, lengths and y" in caught.value.hint
