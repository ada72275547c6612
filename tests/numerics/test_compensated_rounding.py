"""Rounding by the error of sums: never worse than nearest, better where inputs go together."""

import numpy as np
import pytest

from rnnhw import Q
from rnnhw.numerics.cast import quantise, real_values
from rnnhw.numerics.compensated_rounding import Grids, round_compensated, sum_errors


def grids(*formats):
    return Grids(
        np.array([each.step for each in formats]),
        np.array([each.lowest for each in formats]),
        np.array([each.max for each in formats]),
    )


def correlated(rng, columns, samples=500):
    x = rng.normal(size=(samples, columns)) @ rng.normal(size=(columns, columns))
    return x, x.T @ x / samples


@pytest.mark.parametrize("seed", range(10))
def test_correlated_inputs_lose_less_than_by_nearest(seed):
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(2, 20))
    held = [Q(0, int(bits)) for bits in rng.integers(1, 6, columns)]
    values = rng.normal(scale=0.6, size=(30, columns))  # some clip
    x, moments = correlated(rng, columns)
    rounded = round_compensated(values, grids(*held), moments)
    nearest = grids(*held).nearest(values)
    errors = [np.square((values - each) @ x.T).mean() for each in (rounded, nearest)]
    assert errors[0] < 0.8 * errors[1]
    damped = moments + np.eye(columns) * 0.01 * np.diagonal(moments).mean()
    kept = sum_errors(values - rounded, damped) <= sum_errors(values - nearest, damped)
    assert kept.all()
    for column, format in enumerate(held):
        raw, events = quantise(rounded[:, column], format)
        assert np.array_equal(real_values(raw, format), rounded[:, column])
        assert not events.total


@pytest.mark.parametrize("seed", range(5))
def test_uncorrelated_inputs_are_rounded_to_nearest(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(20, 7))
    moments = np.diag(rng.uniform(0.1, 10, 7))
    rounded = round_compensated(values, grids(*[Q(1, 3)] * 7), moments)
    assert np.array_equal(rounded, real_values(quantise(values, Q(1, 3))[0], Q(1, 3)))


def test_numbers_that_the_formats_hold_stay():
    rng = np.random.default_rng(0)
    values = real_values(rng.integers(-8, 8, (20, 9)), Q(0, 3))
    _, moments = correlated(rng, 9)
    assert np.array_equal(round_compensated(values, grids(*[Q(0, 3)] * 9), moments), values)


def test_two_equal_inputs_share_what_neither_holds():
    """0.3 + 0.3 is 0.5 + 0 in steps of a half, and not 0.5 + 0.5: the clearest compensation."""
    rounded = round_compensated(np.array([[0.3, 0.3]]), grids(Q(1, 1), Q(1, 1)), np.ones((2, 2)))
    assert sorted(rounded[0].tolist()) == [0.0, 0.5]


def test_a_clip_is_made_good_by_another_column():
    held = grids(Q(0, 3), Q(3, 3))
    rounded = round_compensated(np.array([[2.0, 0.0]]), held, np.ones((2, 2)) + 1e-9 * np.eye(2))
    assert rounded.tolist() == [[0.875, 1.125]]


def test_inputs_that_are_always_zero_are_rounded_to_nearest():
    values = np.array([[0.3, -0.3]])
    rounded = round_compensated(values, grids(Q(0, 2), Q(0, 2)), np.zeros((2, 2)))
    assert rounded.tolist() == [[0.25, -0.25]]
