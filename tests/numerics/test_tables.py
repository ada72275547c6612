"""Tables: every word of the address, rounded once."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnhw import DesignError, Q
from rnnhw.numerics.cast import Rounding, quantise
from rnnhw.numerics.tables import MAX_ADDRESS_BITS, RECIPROCAL, SIGMOID, TANH, RealFunction, Table

LINE = RealFunction("line", lambda value: value, lambda values: values)


@pytest.mark.parametrize("address", [Q(2, 3), Q(2, 3, signed=False), Q(-2, 9), Q(0, 0), Q(5, -2)])
def test_entries_stand_in_the_order_of_the_address_bits(address):
    table = Table.sample(LINE, address, Q(10, 12))
    assert len(table.entries) == 2**address.width
    for raw in range(address.min, address.max + 1):
        bits = raw & ((1 << address.width) - 1)
        assert table.entries[bits] * 2.0**-12 == raw * address.step


@given(st.sampled_from([SIGMOID, TANH, RECIPROCAL]), st.sampled_from(list(Rounding)))
def test_an_entry_is_the_function_rounded_once(function, rounding):
    address, to = Q(3, 3), Q(2, 9, rounding=rounding)
    table = Table.sample(function, address, to)
    for bits in range(128):
        raw = bits - 128 * (bits > 63)
        expected, _ = quantise([function.scalar(raw * address.step)], to)
        assert table.entries[bits] == expected[0]


def test_the_functions():
    assert SIGMOID.scalar(0.0) == 0.5
    assert SIGMOID.scalar(1.0) == pytest.approx(1 / (1 + math.exp(-1)), abs=1e-16)
    assert SIGMOID.scalar(-1000.0) == 0.0
    assert SIGMOID.scalar(1000.0) == 1.0
    assert TANH.scalar(0.5) == math.tanh(0.5)
    assert RECIPROCAL.scalar(4.0) == 0.25
    assert RECIPROCAL.scalar(0.0) == 0.0


@pytest.mark.parametrize("function", [SIGMOID, TANH, RECIPROCAL])
def test_the_vector_form_is_the_scalar_one_to_the_last_bits(function):
    values = np.concatenate([np.linspace(-30, 30, 601), [0.0, -800.0, 800.0, 1e-300]])
    expected = [function.scalar(value) for value in values.tolist()]
    np.testing.assert_allclose(function(values), expected, rtol=1e-14, atol=1e-300)
    assert function(values.reshape(5, -1)).shape == (5, 121)


def test_a_table_of_too_many_entries_is_refused():
    Table.sample(LINE, Q(11, 0), Q(3, 4))
    with pytest.raises(DesignError, match=r"line table addressed by .* 2\*\*21 entries") as caught:
        Table.sample(LINE, Q(MAX_ADDRESS_BITS, 0), Q(3, 4))
    assert "20 bits" in caught.value.hint


def test_a_users_function_is_sampled_anew_and_entries_of_others_are_kept():
    gain = [1.0]
    function = RealFunction("gain", lambda value: gain[0] * value, lambda values: values)
    before = Table.sample(function, Q(2, 0), Q(5, 0)).entries.tolist()
    gain[0] = 2.0
    after = Table.sample(function, Q(2, 0), Q(5, 0)).entries.tolist()
    assert after == [2 * entry for entry in before] != before
    one, other = (Table.sample(TANH, Q(2, 3), Q(0, 7)) for _ in range(2))
    assert one is not other and one.entries is other.entries
    with pytest.raises(ValueError, match="read-only"):
        one.entries[0] = 1
