"""Bounds: arithmetic on figures never says more than follows from the operands."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rnnhw.cost.figure import (
    Bound,
    Figure,
    derived,
    is_within,
    not_known,
    not_used,
    of_profile,
    status_from,
    total,
)

BOUNDS = st.sampled_from(["at least", "at most", None])
NUMBERS = st.integers(-50, 50)
COUNTS = st.integers(0, 50)


@st.composite
def estimates(draw: st.DrawFn, least: int = -50) -> tuple[Figure, int]:
    """A figure and a true value, not below ``least``, that agrees with it."""
    true = draw(st.integers(least, 50))
    distance = draw(COUNTS)
    bound: Bound | None = draw(BOUNDS)
    value = {"at least": max(true - distance, least), "at most": true + distance}.get(
        bound or "", true
    )
    return derived(value, bound=bound), true


def holds(figure: Figure, true: float) -> bool:
    """Whether a true value agrees with a figure."""
    if figure.value is None:
        return True
    assert figure.number is not None
    tolerance = 1e-9 * max(1.0, abs(figure.number))
    match figure.bound:
        case "at least":
            return true >= figure.number - tolerance
        case "at most":
            return true <= figure.number + tolerance
        case None:
            return true == figure.number


@pytest.mark.parametrize("compute", [operator.add, operator.sub])
@given(a=estimates(), b=estimates())
def test_sums_and_differences_hold_for_every_true_value(
    compute: Callable[[Any, Any], Any], a: tuple[Figure, int], b: tuple[Figure, int]
) -> None:
    assert holds(compute(a[0], b[0]), compute(a[1], b[1]))


@given(a=estimates(0), b=estimates(0))
def test_products_of_what_is_not_negative_hold(
    a: tuple[Figure, int], b: tuple[Figure, int]
) -> None:
    assert holds(a[0] * b[0], a[1] * b[1])


@given(a=estimates(0), b=estimates(1))
def test_quotients_by_what_is_positive_hold(a: tuple[Figure, int], b: tuple[Figure, int]) -> None:
    assert holds(a[0] / b[0], a[1] / b[1])


@given(a=estimates(), factor=NUMBERS)
def test_exact_factors_of_any_sign_hold(a: tuple[Figure, int], factor: int) -> None:
    assert holds(a[0] * factor, a[1] * factor) and holds(factor * a[0], factor * a[1])
    assume(factor != 0)
    assert holds(a[0] / factor, a[1] / factor)


@given(a=estimates(1), dividend=NUMBERS)
def test_exact_dividends_of_any_sign_hold(a: tuple[Figure, int], dividend: int) -> None:
    assert holds(dividend / a[0], dividend / a[1])


@given(parts=st.lists(estimates()))
def test_totals_hold(parts: list[tuple[Figure, int]]) -> None:
    assert holds(total(figure for figure, _ in parts), sum(true for _, true in parts))


@given(used=estimates(0), capacity=estimates(0))
def test_what_is_said_to_fit_fits(used: tuple[Figure, int], capacity: tuple[Figure, int]) -> None:
    said = is_within(used[0], capacity[0])
    assert said is None or said == (used[1] <= capacity[1])
    if used[0].bound is None and capacity[0].bound is None:
        assert said is not None


@given(a=NUMBERS, b=NUMBERS)
def test_exact_figures_give_exact_results(a: int, b: int) -> None:
    x, y = derived(a), derived(b)
    assert x + y == derived(a + b) and x - b == derived(a - b) and a - y == derived(a - b)
    assert x * y == derived(a * b)
    assert x / y == (derived(a / b) if b else not_known("divided by zero"))


def test_bounds_are_kept_where_they_agree_and_never_invented() -> None:
    least, most, exact = derived(4, bound="at least"), derived(4, bound="at most"), derived(2)
    assert (least + exact).bound == (exact * least).bound == (least / exact).bound == "at least"
    assert (exact / least).bound == (exact - least).bound == (least * -1).bound == "at most"
    assert (least + least).bound == (least * least).bound == (least / most).bound == "at least"
    assert (least - most).bound == "at least" and (most / least).bound == "at most"
    for contradiction in (least + most, least - least, least * most, least / least):
        assert contradiction.status == "not known" and contradiction.bound is None
    assert (0 * least) == derived(0)


def test_a_rate_from_a_lower_bound_of_cycles_is_an_upper_bound() -> None:
    cycles = derived(569, bound="at least")
    rate, slack = derived(80e6) / cycles, 100 * (1 - cycles * 1000 / 80e6)
    assert (rate.number, rate.bound) == (80e6 / 569, "at most")
    assert slack.bound == "at most"


@pytest.mark.parametrize("absent", [not_known("why"), not_used("why")])
def test_what_is_not_there_stays_so(absent: Figure) -> None:
    seven = derived(7, bound="at least")
    for result in (absent + seven, seven - absent, absent * 0, seven / absent, 1 / absent):
        assert (result.value, result.status, result.note) == (None, absent.status, "")
    assert total([seven, absent]) == absent
    assert is_within(absent, seven) is is_within(seven, absent) is None


def test_a_result_is_as_certain_as_its_least_certain_operand() -> None:
    quoted = Figure(3, "second-hand", "a forum")
    assert (derived(1) + quoted).status == status_from(quoted) == "second-hand"
    assert (derived(1) + Figure(3, "vendor", "a sheet")) == derived(4)
    assert of_profile(None).status == "not known"


def test_only_numbers_have_bounds() -> None:
    with pytest.raises(ValueError, match="at least None: a bound needs a number"):
        Figure(None, "not known", bound="at least")
    with pytest.raises(ValueError, match="'rnn': a bound needs a number"):
        derived("rnn", bound="at most")
    assert (derived("rnn") + 1).status == "not known"
