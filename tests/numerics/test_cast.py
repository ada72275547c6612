"""The cast: golden Python integers, NumPy and ac_types/ap_types agree on every value."""

import numpy as np
import pytest
from helpers.casts import formats, golden_casts, raws
from hypothesis import given
from hypothesis import strategies as st

from rnnhw.errors import DesignError
from rnnhw.numerics import _quantise
from rnnhw.numerics.cast import (
    Events,
    Overflow,
    Q,
    Rounding,
    cast,
    cast_array,
    interval_format,
    quantise,
)


def test_every_golden_cast_of_ap_fixed_and_ac_fixed():
    modes = set()
    count = 0
    for key, source, to, expected in golden_casts():
        count += 1
        modes.add((to.rounding, to.overflow))
        raw = np.arange(source.min, source.max + 1)
        numpy_values, numpy_events = cast_array(raw, source.fraction, to)
        golden = [cast(int(value), source.fraction, to) for value in raw]
        np.testing.assert_array_equal(numpy_values, expected, err_msg=key)
        np.testing.assert_array_equal([value for value, _ in golden], expected, err_msg=key)
        total = Events()
        for _, events in golden:
            total += events
        assert numpy_events == total, key
    assert count > 100
    assert {rounding for rounding, _ in modes} == set(Rounding)
    assert {overflow for _, overflow in modes} == set(Overflow)


@given(raws, st.integers(-70, 130), formats())
def test_numpy_cast_equals_golden(raw, fraction, to):
    value, events = cast(raw, fraction, to)
    array, seen = cast_array(np.array([raw]), fraction, to)
    assert int(array[0]) == value
    assert seen == events
    assert to.min <= value <= to.max


@given(raws, formats())
def test_cast_to_the_own_format_changes_nothing(raw, to):
    inside = max(to.lowest, min(to.max, raw))
    assert cast(inside, to.fraction, to) == (inside, Events())


@given(st.floats(allow_nan=False, allow_infinity=False), formats())
def test_quantise_is_the_cast_of_the_exact_real(value, to):
    numerator, denominator = value.as_integer_ratio()
    expected, events = cast(numerator, denominator.bit_length() - 1, to)
    raw, seen = quantise(np.array([value]), to)
    assert (int(raw[0]), seen) == (expected, events)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**40), st.integers(-40, 40))
def test_interval_format_is_the_narrowest(low, span, fraction):
    high = min(low + span, 2**63 - 1)
    narrowest = interval_format(low, high, fraction)
    assert narrowest.min <= low <= high <= narrowest.max
    if narrowest.width > 1:
        half = Q(narrowest.integer - 1, fraction, narrowest.signed)
        assert low < half.min or high > half.max


def test_formats_print_their_width():
    assert str(Q(4, 3)) == "Q(4, 3) 8b"
    assert str(Q(0, 8, signed=False)) == "Q(0, 8, signed=False) 8b"
    assert str(Q.ap_fixed(16, 6)) == "Q(5, 10, rounding=TRN, overflow=WRAP) 16b"
    assert Q(-2, 9).width == 8
    assert Q(9, -2).step == 4.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((60, 4), "65 bits"),
        ((60, 4, False), "64 bits"),
        ((-4, 3), "0 bits"),
        ((1.5, 3), "whole number"),
        ((1, 3, True, "UP"), "'UP'"),
        ((1, 3, False, Rounding.RND, Overflow.WRAP_SM), "signed formats only"),
    ],
)
def test_impossible_formats_are_refused(arguments, message):
    with pytest.raises(DesignError, match=message):
        Q(*arguments)


@pytest.mark.parametrize(
    ("value", "what"),
    [("nan", "is not a number"), ("inf", "is infinite"), ("-inf", "is infinite")],
)
def test_quantise_refuses_what_is_not_finite(value, what):
    with pytest.raises(DesignError, match=rf"^value {value} at index \[0, 1\] {what}$"):
        quantise([[0.0, float(value)]], Q(3, 4))


WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(2**53, 2**53 + 4)


@given(st.lists(WHOLE, min_size=1), formats())
def test_whole_numbers_are_quantised_as_they_are(values, to):
    expected = [cast(value, 0, to) for value in values]
    kinds = [np.int64, np.uint64] if min(values) >= 0 else [np.int64]
    for kind in kinds:
        raw, seen = quantise(np.array(values, kind), to)
        assert raw.tolist() == [each for each, _ in expected]
        assert seen == sum((events for _, events in expected), Events())


@pytest.mark.parametrize("value", [2**63 + 1, 2**64 - 1, 2**70 + 1, -(2**63) - 1])
def test_whole_numbers_that_nothing_holds_are_refused(value):
    with pytest.raises(DesignError, match=rf"^value {value} at index \[1\] is beyond 64 bits$"):
        quantise(np.array([0, value], np.uint64 if 0 < value < 2**64 else object), Q(3, 4))
    assert quantise([0, 2**70], Q(3, 4))[0].tolist() == [0, 127]  # float64 holds it


@given(
    st.sampled_from([0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 0.0, -0.0, 5e-324, -5e-324])
    | st.floats(-4, 4),
    st.sampled_from([np.nextafter, None]),
    st.sampled_from(list(Rounding)),
)
def test_quantise_decides_ties_and_their_neighbours_exactly(value, neighbour, rounding):
    near = float(np.nextafter(value, 0.0)) if neighbour else value
    to = Q(4, 0, rounding=rounding)
    numerator, denominator = near.as_integer_ratio()
    expected, _ = cast(numerator, denominator.bit_length() - 1, to)
    assert int(quantise([near], to)[0][0]) == expected


def edges():
    """Ties, their neighbours, and what a double tells to the last bit: some thousand numbers."""
    wholes = [0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 2**31]
    wholes += [2**power + more for power in (48, 49) for more in (-1, 0, 1)]
    near = np.array([whole + part / 4 for whole in wholes for part in range(-3, 4)])
    near = np.concatenate([near, np.nextafter(near, 0), np.nextafter(near, np.inf)])
    near = near[np.abs(near) < 2.0**50]
    return np.concatenate([near, -near, np.random.default_rng(0).uniform(-300, 300, 333)])


@pytest.fixture(params=[False, True], ids=["any processor", "portably"])
def processor(request):
    _quantise.portably(request.param)
    yield
    _quantise.portably(False)


@pytest.mark.parametrize("wide", [8, 48, 64])
@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
def test_many_numbers_at_once_are_quantised_like_each(processor, rounding, overflow, wide):
    """Kernels take several numbers at a time, and the last ones one by one."""
    to = Q(wide - 1, 0, rounding=rounding, overflow=overflow)
    values = edges()
    pairs = [value.as_integer_ratio() for value in values.tolist()]
    wanted = [cast(above, below.bit_length() - 1, to) for above, below in pairs]
    raw, events = quantise(values, to)
    assert raw.tolist() == [value for value, _ in wanted]
    assert events == sum((seen for _, seen in wanted), Events())
    assert (events.total > 0) == (wide < 64)


@pytest.mark.parametrize("wrong", [2.0**50, 1e300, 5e-324])
def test_a_number_that_a_scaled_double_cannot_tell_is_cast_exactly(wrong):
    to = Q(62, 1 if wrong > 1 else -1)
    values = np.concatenate([np.full(37, 0.5), [wrong, -wrong]])
    pairs = [value.as_integer_ratio() for value in values.tolist()]
    wanted = [cast(above, below.bit_length() - 1, to)[0] for above, below in pairs]
    assert quantise(values, to)[0].tolist() == wanted
