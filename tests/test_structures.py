"""Structures: closed formulas against the enumerated rows, and brute force for the rest."""

import numpy as np
import pytest
from graphs import one_layer
from hypothesis import given
from hypothesis import strategies as st

from rnnhw import Banded, Dense, DesignError, Diagonal, Hadamard
from rnnhw.numerics import Q
from rnnhw.structures import FastWalshHadamard, WalshHadamardStage


@st.composite
def structures(draw, square=False):
    """A structure with rows and columns that it can have."""
    kind = draw(st.sampled_from([Dense, Banded, Diagonal, FastWalshHadamard, WalshHadamardStage]))
    n = draw(st.integers(1, 20))
    if kind is Banded:
        return Banded(draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))), n, n
    if kind is Dense:
        return Dense(), n, n if square else draw(st.integers(1, 20))
    if kind is Diagonal:
        return Diagonal(), n, n
    n = draw(st.sampled_from([2, 4, 8, 16]))
    return kind(), n, n


@given(structures())
def test_closed_formulas_equal_the_enumerated_rows(case):
    structure, rows, columns = case
    structure.check(rows, columns)
    listed = list(structure.rows(rows, columns))
    terms = sum(len(row.columns) for row in listed)
    assert len(listed) == rows
    assert structure.terms(rows, columns) == terms
    assert structure.multiplies(rows, columns) == (terms if structure.weighted else 0)
    assert structure.stored_words(rows, columns) == (terms if structure.weighted else 0)
    if structure.weighted:
        assert structure.adds(rows, columns) == terms


@given(structures())
def test_rows_are_ascending_and_name_each_parameter_once(case):
    structure, rows, columns = case
    used = []
    for row in structure.rows(rows, columns):
        assert list(row.columns) == sorted(set(row.columns))
        assert row.columns[0] >= 0 and row.columns[-1] < columns
        assert len(row.parameters) == len(row.columns)
        used += row.parameters
    if structure.weighted:
        assert len(set(used)) == len(used)
        assert max(used) < np.prod(structure.shape(rows, columns))
    else:
        assert set(used) <= {1, -1}


@pytest.mark.parametrize("lower", range(5))
@pytest.mark.parametrize("upper", range(5))
def test_a_band_is_stored_as_lapack_stores_it(lower, upper):
    n = 5
    rng = np.random.default_rng(lower * 5 + upper)
    full = rng.normal(size=(n, n))
    i, j = np.indices((n, n))
    full[(i - j > lower) | (j - i > upper)] = 0
    stored = np.zeros((lower + upper + 1, n))
    for row in range(n):
        for column in range(n):
            if full[row, column]:
                stored[upper + row - column, column] = full[row, column]
    structure = Banded(lower, upper)
    assert stored.shape == structure.shape(n, n)
    np.testing.assert_array_equal(structure.matrix(stored, n, n), full)


def test_matrices_of_the_other_structures():
    np.testing.assert_array_equal(
        Dense().matrix(np.arange(6.0), 2, 3), np.arange(6.0).reshape(2, 3)
    )
    np.testing.assert_array_equal(Diagonal().matrix(np.array([2.0, 3.0]), 2, 2), np.diag([2, 3]))
    signs = FastWalshHadamard().matrix(np.zeros(0), 8, 8)
    np.testing.assert_array_equal(signs @ signs, 8 * np.eye(8))
    stage = WalshHadamardStage().matrix(np.zeros(0), 4, 4)
    assert stage.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1], [1, -1, 0, 0], [0, 0, 1, -1]]


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_the_stages_multiply_to_the_transform(n):
    stage = WalshHadamardStage().matrix(np.zeros(0), n, n)
    whole = np.linalg.matrix_power(stage, n.bit_length() - 1)
    np.testing.assert_array_equal(whole, FastWalshHadamard().matrix(np.zeros(0), n, n))
    assert FastWalshHadamard().adds(n, n) == (n.bit_length() - 1) * WalshHadamardStage().adds(n, n)


@given(structures(square=True))
def test_reach_is_the_first_full_boolean_power(case):
    structure, n, _ = case
    size = int(np.prod(structure.shape(n, n))) if structure.weighted else 0
    connected = structure.matrix(np.ones(size), n, n) != 0
    power = np.eye(n, dtype=bool)
    expected = None
    for steps in range(1, 2 * n + 1):
        power = connected @ power
        if power.all():
            expected = steps
            break
    assert structure.reach(n) == expected


def test_hadamard_reaches_everything_in_one_step():
    assert Hadamard().reach(16) == 1


@given(structures(), st.integers(-20, 20), st.integers(0, 20), st.integers(1, 9), st.integers(0, 9))
def test_bounds_hold_and_are_met_by_extreme_values(case, low, span, negative, positive):
    structure, rows, columns = case
    vector = (low, low + span)
    weights = (-negative, positive)
    corners = [w * v for w in weights for v in vector]
    term = (min(corners), max(corners))
    if not structure.weighted:
        term = (min(vector[0], -vector[1]), max(-vector[0], vector[1]))
    bounds = structure.bounds(rows, columns, term, vector)
    least, most = [], []
    for row in structure.rows(rows, columns):
        if structure.weighted:
            least.append(min(corners) * len(row.columns))
            most.append(max(corners) * len(row.columns))
        else:
            least.append(sum(min(s * v for v in vector) for s in row.parameters))
            most.append(sum(max(s * v for v in vector) for s in row.parameters))
    assert bounds[0] <= min(least)
    assert bounds[1] >= max(most)
    widest = max(len(row.columns) for row in structure.rows(rows, columns))
    reached = widest == min(
        columns, getattr(structure, "lower", 0) + getattr(structure, "upper", columns) + 1
    )
    if term[0] <= 0 <= term[1] and (reached or not isinstance(structure, Banded)):
        assert bounds == (min(least), max(most))


@pytest.mark.parametrize(
    ("structure", "shape", "message", "hint"),
    [
        (Banded(1, 1), (4, 3), "needs a square matrix, got 4 x 3", ""),
        (Banded(4, 1), (4, 4), "wider than the matrix of 4 x 4", "at most 3"),
        (Diagonal(), (4, 3), "needs a square matrix, got 4 x 3", ""),
        (FastWalshHadamard(), (96, 96), "power-of-two width, got 96", "64 or 128"),
        (FastWalshHadamard(), (1, 1), "power-of-two width, got 1", "2 or 4"),
        (WalshHadamardStage(), (6, 6), "power-of-two width, got 6", "4 or 8"),
        (WalshHadamardStage(), (8, 4), "needs a square matrix, got 8 x 4", ""),
    ],
)
def test_matrices_that_a_structure_cannot_be_are_refused(structure, shape, message, hint):
    with pytest.raises(DesignError, match=message) as caught:
        structure.check(*shape)
    assert hint in caught.value.hint


def test_a_negative_band_is_refused():
    with pytest.raises(DesignError, match=r"Banded\(lower=-1, upper=1\)"):
        Banded(-1, 1)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("stage", [True, False])
def test_a_hadamard_recurrence_writes_its_parts(before, after, stage):
    def step(g, x):
        return g.linear(Hadamard(before, after), "U", x, 8, g.literal("b", [1] * 8), name="Uh")

    overrides = {"l.U.before": Q(3, 0), "l.U.after": Q(3, 0), "l.U.before_product": Q(6, 0)}
    overrides |= {f"l.U.stage{i}": Q(6, 0) for i in range(3)} if stage else {}
    network = one_layer(step, Q(3, 0), overrides, 8)
    keys = ["l.U.before"] * before + ["l.U.after"] * after
    assert [tensor.key for tensor in network.tensors] == keys
    names = set(network.signals())
    assert names.issuperset({"l.U.stage0", "l.U.stage2"} if stage else {"l.U.transform"})
    assert ("l.U.before_product" in names) == before
    assert "l.Uh" in names
