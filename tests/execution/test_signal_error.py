"""The error of a signal over sequences that are all as long as the array, and over shorter ones."""

import numpy as np
import pytest

from rnnhw.execution.signal_error import SignalError


def error_of(fixed, exact, lengths):
    error = SignalError("a", 0.25)
    half = len(fixed) // 2
    for part in (slice(0, half), slice(half, None)):
        if len(fixed[part]):
            error.add(part.start, fixed[part], exact[part], lengths[part])
    return error


# As many vectors as one row of 64 holds, and fewer and more.
@pytest.mark.parametrize("sequences", [1, 3, 16, 21, 32, 100])
@pytest.mark.parametrize("ragged", [False, True])
def test_figures_are_those_of_plain_numpy(sequences, ragged):
    r = np.random.default_rng(sequences)
    steps, units = 4, 3
    exact = r.normal(size=(sequences, steps, units))
    fixed = np.round(exact * 4) / 4
    exact[:, :, 1], fixed[:, :, 1] = 0.5, 0.25  # never changes
    fixed[:, :, 2] = 0  # zero, but its reference is not
    lengths = r.integers(1, steps + 1, sequences) if ragged else np.full(sequences, steps)
    found = error_of(fixed, exact, lengths)
    valid = np.arange(steps) < lengths[:, None]
    errors = np.abs(fixed - exact)[valid]
    assert found.values == errors.size
    assert found.max_error == errors.max()
    assert np.abs(fixed - exact)[found.worst] == errors.max()
    assert found.squares == pytest.approx((errors**2).sum(), rel=1e-12)
    assert found.reference_squares == pytest.approx((exact[valid] ** 2).sum(), rel=1e-12)
    zero = ~fixed[valid].any(0) & exact[valid].any(0)
    assert 2 in found.zero_units and found.zero_units == tuple(np.flatnonzero(zero))
    assert found.constant == bool((exact[valid] == exact[valid][0]).all())


@pytest.mark.parametrize("place", [0, 63, 64, 99, 1023, 1024, 1087, 1088, 1099])
def test_one_vector_of_many_is_enough_for_a_unit(place):
    exact = np.ones((1, 1100, 2))
    fixed = np.zeros((1, 1100, 2))
    lengths = np.array([1100])
    assert error_of(fixed, exact, lengths).constant
    assert error_of(fixed, exact, lengths).zero_units == (0, 1)
    exact[0, place, 0] = 2.0
    fixed[0, place, 1] = 0.25
    found = error_of(fixed, exact, lengths)
    assert not found.constant and found.zero_units == (0,)
