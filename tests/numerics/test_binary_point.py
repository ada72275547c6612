"""Binary points: the best of all by brute force, and what each rule promises."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnhw import Overflow, Q, UsageError
from rnnhw.numerics.binary_point import placed_point
from rnnhw.numerics.cast import quantise, real_values
from rnnhw.numerics.tables import SIGMOID

SCALES = st.sampled_from([1e-6, 0.01, 0.3, 1.0, 7.9, 8.0, 1000.0])


@st.composite
def numbers(draw):
    seed, scale = draw(st.integers(0, 10**6)), draw(SCALES)
    rng = np.random.default_rng(seed)
    heavy = rng.standard_t(3, 300) if draw(st.booleans()) else rng.uniform(-1, 1, 300)
    return scale * heavy


def error(values, format, function=None):
    held = real_values(quantise(values, format)[0], format)
    if function is not None:
        held, values = function(held), function(values)
    return ((held - values) ** 2).mean()


@given(numbers(), st.integers(2, 12), st.booleans())
def test_no_other_point_has_a_smaller_error(values, width, signed):
    values = values if signed else np.abs(values)
    chosen = placed_point(Q(0, 8, signed=signed), width, values)
    assert chosen.width == width and chosen.signed == signed
    magnitude = width - signed
    others = [Q(n, magnitude - n, signed=signed) for n in range(-30, 12)]
    assert error(values, chosen) <= min(error(values, other) for other in others) * (1 + 1e-12)


@given(numbers(), st.integers(3, 12))
def test_the_range_holds_every_value_but_for_the_rounding_of_the_largest(values, width):
    chosen = placed_point(Q(3, 4), width, values, "range")
    assert np.abs(values).max() <= 2.0**chosen.integer
    assert np.abs(values).max() >= 2.0 ** (chosen.integer - 1)


def test_a_few_large_values_do_not_move_the_percentile():
    values = np.concatenate([np.full(9_999, 0.9), [500.0]])
    assert placed_point(Q(3, 4), 8, values, "percentile").integer == 0
    assert placed_point(Q(3, 4), 8, values, "range").integer == 9


def test_an_address_is_judged_behind_the_tables_function():
    values = np.linspace(-20, 20, 4001)
    alone, behind = (placed_point(Q(3, 4), 4, values, "mse", f) for f in (None, SIGMOID))
    assert behind.integer < alone.integer
    assert error(values, behind, SIGMOID) < error(values, alone, SIGMOID)


def test_a_format_that_wraps_has_the_range():
    values = np.concatenate([np.full(9_999, 0.1), [5.0]])
    wrapping = replace(Q(3, 4), overflow=Overflow.WRAP)
    assert placed_point(wrapping, 4, values).integer == 3
    assert placed_point(wrapping, 4, values).overflow is Overflow.WRAP
    assert placed_point(Q(3, 4), 4, values).integer < 3


def test_zeros_have_a_point_and_an_unknown_rule_is_told():
    assert placed_point(Q(3, 4), 6, np.zeros(5)).width == 6
    with pytest.raises(UsageError, match="unknown rule") as refused:
        placed_point(Q(3, 4), 6, np.zeros(5), "best")
    assert "mse, range, percentile" in refused.value.hint
