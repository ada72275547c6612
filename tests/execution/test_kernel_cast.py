"""The C kernels' cast equals every golden vector of ap_fixed and ac_fixed, and golden itself."""

import numpy as np
import pytest
from helpers.casts import compiled_cast, formats, golden_casts, raws
from hypothesis import given

from rnnhw.execution.engine import available_isas
from rnnhw.numerics.cast import cast_array

ISAS = [
    pytest.param(
        isa, marks=pytest.mark.skipif(not runs, reason=f"this processor has no {isa} instructions")
    )
    for isa, runs in available_isas().items()
]


@pytest.mark.parametrize("wide", [False, True], ids=["32-bit", "64-bit"])
@pytest.mark.parametrize("isa", ISAS)
def test_every_golden_cast_in_c(isa, wide):
    for key, source, to, expected in golden_casts():
        raw = np.arange(source.min, source.max + 1)
        values, events = compiled_cast(raw, source, to, isa, wide)
        np.testing.assert_array_equal(values, expected, err_msg=key)
        assert events == cast_array(raw, source.fraction, to)[1], key


@pytest.mark.parametrize("isa", ISAS)
@given(raw=raws, source=formats(modes=False), to=formats())
def test_c_equals_numpy_for_any_two_formats(isa, raw, source, to):
    inside = np.array([source.min, source.max, np.clip(raw, source.min, source.max), 0])
    values, events = compiled_cast(inside, source, to, isa, wide=False)
    expected, seen = cast_array(inside, source.fraction, to)
    np.testing.assert_array_equal(values, expected)
    assert events == seen
