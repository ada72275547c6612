"""The ticks of an axis: round, and values that the figure may have."""

import pytest

from rnnhw.report.axis import Axis


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([1.0, 1.0], [1.0]),  # accuracies: not .95, 1 and 1.05
        ([0.9973], [0.9973]),
        ([0.0, 0.0], [0.0]),
        ([0.125, 1.0], [0.2, 0.4, 0.6, 0.8, 1.0]),
        ([0.0, 1.0], [0.0, 0.5, 1.0]),
        ([0.1, 0.3], [0.1, 0.15, 0.2, 0.25, 0.3]),
        ([-0.3, -0.1], [-0.3, -0.25, -0.2, -0.15, -0.1]),
        ([-5.0, 5.0], [-5.0, 0.0, 5.0]),
    ],
)
def test_linear_ticks_are_round_and_among_the_values(values, ticks):
    axis = Axis.over(values, may_be_logarithmic=False)
    assert list(axis.ticks()) == pytest.approx(ticks)
    assert all(0 < axis.share(value) < 1 for value in values)  # with room for a dot


def test_logarithmic_ticks_are_one_two_and_five():
    axis = Axis.over([450, 11_510], may_be_logarithmic=True)
    assert list(axis.ticks()) == [500, 1000, 2000, 5000, 10_000]
