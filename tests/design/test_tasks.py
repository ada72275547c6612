"""Tasks: the truth of their samples, their scores, and the user's own data."""

import functools
import math
import operator
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from rnnhw import BinaryAddition, Classification, DesignError, Narma10, Q, Recall, Regression
from rnnhw.design.tasks import (
    Accuracy,
    Samples,
    SquaredError,
    load_samples,
    samples_of,
    score_names,
    wilson_interval,
)
from rnnhw.design.tasks.narma import narma10


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
    names = ["accuracy", "ties", "float_accuracy", "float_ties", "accuracy_loss"]
    assert score_names(Accuracy) == names


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
    tasks = [BinaryAddition(2), Classification("d.npz"), Recall(), Narma10(), Regression("d.npz")]
    for task in tasks:
        with pytest.raises(DesignError, match="no expected answers"):
            task.score(np.zeros((2, 1, 1)), samples.lengths, samples)


# --- recall ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("delay", "lead"), [(1, 0), (1, 8), (7, 2), (200, 8)])
def test_one_step_is_marked_and_its_value_expected(delay, lead):
    task = Recall(delay, lead=lead, sequences=64)
    samples = task.samples()
    assert samples.x.shape == (64, task.max_steps, task.features) == (64, lead + 1 + delay, 2)
    assert samples.lengths.tolist() == [task.max_steps] * 64
    values, marker = samples.x[:, :, 0], samples.x[:, :, 1]
    assert (np.abs(values) == 1).all()
    assert (marker.sum(1) == 1).all() and (marker[:, -1 - delay] == 1).all()
    np.testing.assert_array_equal(values[:, -1 - delay], samples.y)
    assert samples.y.dtype == np.int64


def test_pairs_differ_in_the_marked_value_alone_and_edges_come_first():
    samples = Recall(5, lead=2, sequences=40).samples()
    values = samples.x[:, :, 0]
    others = np.delete(values, 2, axis=1)
    np.testing.assert_array_equal(others[::2], others[1::2])
    assert samples.y.tolist() == [1, -1] * 20
    for pair, (first, second) in enumerate([(1, 1), (-1, -1), (1, -1), (-1, 1)]):
        assert others[2 * pair].tolist() == [first, second] + [second, first] * 2 + [second]
    drawn = np.unique(others[8::2], axis=0)
    assert len(drawn) > 12
    assert (others[8:].mean(0) != 1).all() and (others[8:].mean(0) != -1).all()


def test_recall_is_seeded():
    one, same, other = Recall(9), Recall(9), Recall(9, seed=1)
    np.testing.assert_array_equal(one.samples().x, same.samples().x)
    assert (one.samples().x != other.samples().x).any()
    np.testing.assert_array_equal(one.samples().x[:8], other.samples().x[:8])
    assert one.input_format == Q(1, 0)


def test_the_sign_of_the_last_output_answers():
    task = Recall(3, lead=1, sequences=8)
    samples = task.samples()
    outputs = np.zeros((8, 5, 1))
    outputs[:, -1, 0] = samples.y * 1e-9
    assert task.score(outputs, samples.lengths, samples) == Accuracy(8, 8)
    outputs[0, -1] *= -1
    assert task.score(outputs, samples.lengths, samples) == Accuracy(7, 8)
    for constant in (0.0, 1.0, -1.0):  # chance is one half, exactly; zero counts as -1
        outputs[:] = constant
        assert task.score(outputs, samples.lengths, samples) == Accuracy(4, 8)
    # a network behind Last gives one step
    one = samples.y[:, None, None] * 1.0
    assert task.score(one, np.ones(8, int), samples) == Accuracy(8, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delay": 0}, "delay=0"),
        ({"delay": -1}, "delay=-1"),
        ({"delay": 4097}, "delay=4097"),
        ({"delay": 2.0}, r"delay=2\.0"),
        ({"delay": True}, "delay=True"),
        ({"lead": -1}, "lead=-1"),
        ({"sequences": 6}, "sequences=6"),
        ({"sequences": 9}, "sequences=9"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_a_recall_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(DesignError, match=message) as caught:
        Recall(**arguments)
    assert caught.value.hint.startswith("use ")


@pytest.mark.parametrize("y", [[0] * 8, [2, -1] * 4, [[1], [-1]] * 4])
def test_an_answer_that_is_no_sign_is_refused(y):
    task = Recall(3, lead=1, sequences=8)
    samples = task.samples()
    wrong = Samples(samples.x, samples.lengths, np.array(y))
    with pytest.raises(DesignError, match="Recall: y of shape"):
        task.score(np.zeros((8, 5, 1)), samples.lengths, wrong)
    with pytest.raises(DesignError, match="Recall: 2 outputs"):
        task.score(np.zeros((8, 5, 2)), samples.lengths, samples)


# --- narma-10 ----------------------------------------------------------------------------------
def test_narma10_obeys_its_equation():
    task = Narma10(60, sequences=7, washout=20)
    samples = task.samples()
    assert samples.x.shape == samples.y.shape == (7, 60, 1) == (7, task.max_steps, task.features)
    assert samples.lengths.tolist() == [60] * 7
    u, y = samples.x[:, :, 0], samples.y[:, :, 0]
    assert u.min() >= 0 and 0.45 < u.max() < 0.5
    before = np.zeros((7, 10))
    u, y = np.concatenate([before, u], 1), np.concatenate([before, y], 1)
    for t in range(9, 69):  # y of the equation's y[t] stands at t here: y[t + 1] answers u[t + 1]
        expected = (
            0.3 * y[:, t]
            + 0.05 * y[:, t] * y[:, t - 9 : t + 1].sum(1)
            + 1.5 * u[:, t - 8] * u[:, t + 1]
            + 0.1
        )
        np.testing.assert_allclose(y[:, t + 1], expected, rtol=1e-12)


def test_narma10_is_seeded_and_real():
    np.testing.assert_array_equal(Narma10().samples().y, Narma10().samples().y)
    assert (Narma10().samples().y != Narma10(seed=1).samples().y).any()
    assert Narma10().input_format is None and Narma10.real_answers


def test_a_diverging_series_is_drawn_again():
    u = np.full((1, 250), 0.5)
    with np.errstate(all="raise"):
        assert not (np.abs(narma10(u)) <= 1).all()
    samples = Narma10(2000, sequences=50).samples()
    assert np.abs(samples.y).max() <= 1
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 0.5, (50, 2000))
    diverged = ~(np.abs(narma10(first)) <= 1).all(1)
    assert diverged.any()  # else nothing is tested here
    np.testing.assert_array_equal(samples.x[~diverged, :, 0], first[~diverged])
    assert (samples.x[diverged, :, 0] != first[diverged]).any(1).all()


def test_the_washout_is_not_judged():
    task = Narma10(40, sequences=3, washout=15)
    samples = task.samples()
    outputs = samples.y.copy()
    outputs[:, :15] = 99
    score = task.score(outputs, samples.lengths, samples)
    assert (score.values, score.nrmse) == (3 * 25, 0.0)
    outputs[1, 15] += 0.5
    judged = samples.y[:, 15:]
    expected = 0.5 / math.sqrt(judged.size) / judged.std()
    assert task.score(outputs, samples.lengths, samples).nrmse == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps=0"),
        ({"steps": 10_001}, "steps=10001"),
        ({"sequences": 0}, "sequences=0"),
        ({"washout": 250}, "washout=250"),
        ({"steps": 30}, "washout=50"),
        ({"washout": -1}, "washout=-1"),
    ],
)
def test_a_series_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(DesignError, match=message):
        Narma10(**arguments)


# --- regression --------------------------------------------------------------------------------
def regression(tmp_path, washout=0, **changes):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 6), ("test", 4)):
        arrays[f"{split}_x"] = rng.normal(3, 2, (count, 5, 2))
        arrays[f"{split}_lengths"] = rng.integers(2, 6, count)
        arrays[f"{split}_y"] = rng.normal(-1, 3, (count, 5, 3))
    np.savez(tmp_path / "r.npz", **arrays | changes)
    return Regression("r.npz", washout=washout).located(tmp_path)


@pytest.mark.parametrize("washout", [0, 1])
def test_real_targets_are_read_and_judged_where_there_are_some(tmp_path, washout):
    task = regression(tmp_path, washout)
    samples = task.samples()
    assert samples.y.dtype == np.float64 and samples.y.shape == (4, 5, 3)
    assert (task.features, task.max_steps) == (2, 5)
    outputs = np.random.default_rng(1).normal(size=samples.y.shape)
    score = task.score(outputs, samples.lengths, samples)
    each = zip(outputs, samples.y, samples.lengths, strict=True)
    errors, targets = zip(
        *((o[washout:n] - y[washout:n], y[washout:n]) for o, y, n in each), strict=True
    )
    errors, targets = np.concatenate(errors), np.concatenate(targets)
    assert score.values == targets.size
    variance = ((targets - targets.mean(0)) ** 2).sum()
    assert score.nrmse == pytest.approx(math.sqrt((errors**2).sum() / variance), rel=1e-12)


def test_a_network_that_gives_fewer_steps_is_judged_at_the_last_ones(tmp_path):
    samples = regression(tmp_path).samples()
    task = regression(tmp_path, 1)
    width = 2
    outputs = np.zeros((4, 4, 3))
    for o, y, n in zip(outputs, samples.y, samples.lengths, strict=True):
        o[: n - 1] = y[1:n]
    exact = task.score(outputs, samples.lengths - (width - 1), samples)
    assert (exact.nrmse, exact.values) == (0.0, 3 * int((samples.lengths - 1).sum()))
    last = samples.y[np.arange(4), samples.lengths - 1][:, None]
    exact = task.score(last, np.ones(4, int), samples)
    assert (exact.nrmse, exact.values) == (0.0, 12)


Y = np.arange(60.0).reshape(4, 5, 3)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:3], r"test_y is float64 of shape \(3, 5, 3\)"),
        (Y[:, :4], r"test_y is float64 of shape \(4, 4, 3\)"),
        (Y[:, :, 0], r"test_y is float64 of shape \(4, 5\)"),
        (Y[:, :, :0], r"test_y is float64 of shape \(4, 5, 0\)"),
        (Y.astype(complex), "test_y is complex128"),
        (Y.astype(str), "test_y is <U"),
        (np.where(Y == 16, np.nan, Y), r"test_y\[1, 0, 1\] is nan"),
        (np.where(Y == 0, np.inf, Y), r"test_y\[0, 0, 0\] is inf"),
    ],
)
def test_wrong_targets_are_refused(tmp_path, y, message):
    task = regression(tmp_path, test_y=y, test_lengths=np.array([5, 2, 3, 5]))
    with pytest.raises(DesignError, match=message):
        task.samples()


def test_targets_past_the_end_may_be_anything(tmp_path):
    y = Y.copy()
    y[1, 2:] = np.nan
    samples = regression(tmp_path, test_y=y, test_lengths=np.array([5, 2, 3, 5])).samples()
    assert not samples.y[1, 2:].any()
    np.testing.assert_array_equal(samples.y[0], Y[0])


def test_outputs_that_do_not_fit_the_targets_are_refused(tmp_path):
    task = regression(tmp_path)
    samples = task.samples()
    with pytest.raises(DesignError, match=r"Regression: 2 outputs for y of shape \(4, 5, 3\)"):
        task.score(np.zeros((4, 5, 2)), samples.lengths, samples)
    with pytest.raises(DesignError, match="3 outputs for y of shape"):
        whole = Samples(samples.x, samples.lengths, np.zeros(4, int))
        task.score(np.zeros((4, 5, 3)), samples.lengths, whole)
    late = regression(tmp_path, 4)
    with pytest.raises(DesignError, match=r"Regression: a sequence of \d steps, but the first 4"):
        late.score(np.zeros((4, 5, 3)), samples.lengths, samples)


@pytest.mark.parametrize("washout", [-1, 1.5, True])
def test_a_washout_that_is_no_number_of_steps_is_refused(washout):
    with pytest.raises(DesignError, match=f"washout={washout}"):
        Regression("r.npz", washout=washout)


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


def test_own_targets_may_be_real_where_the_task_says_so(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=X + 0.5)
    assert (load_samples(tmp_path / "d.npz", real_answers=True).y == X + 0.5).all()
    with pytest.raises(DesignError, match=r"d\.npz: y is float64 of shape \(2, 3, 1\)"):
        load_samples(tmp_path / "d.npz")


def test_unknown_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, labels=np.zeros(2))
    with pytest.raises(DesignError, match=r"d\.npz: unknown array labels") as caught:
        load_samples(tmp_path / "d.npz")
    assert "x, lengths and y" in caught.value.hint


def test_whole_inputs_that_float64_does_not_hold_are_refused():
    x = np.zeros((1, 3, 1), np.int64)
    x[0, 1] = x[0, 2] = 2**53 + 1
    with pytest.raises(DesignError, match=r"d: x\[0, 1, 0\] is 9007199254740993, which float64"):
        samples_of("d", {"x": x})
    assert samples_of("d", {"x": x, "lengths": [1]}).x.ravel().tolist() == [0, 0, 0]
    x[0, 1] = x[0, 2] = 2**53
    assert samples_of("d", {"x": x}).x[0, 1] == 2**53


def test_a_file_of_inputs_is_in_memory_once_and_an_array_is_left_alone(tmp_path):
    x = np.zeros((4, 1 << 16, 2))
    np.savez(tmp_path / "d.npz", x=x)
    tracemalloc.start()
    load_samples(tmp_path / "d.npz")
    assert tracemalloc.get_traced_memory()[1] < 1.5 * x.nbytes
    tracemalloc.stop()
    x[:, 1:] = 1.0
    assert samples_of("d", {"x": x, "lengths": [1] * 4}).x.sum() == 0
    assert x[:, 1:].all()
