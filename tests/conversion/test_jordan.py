"""The real tridiagonal form: of matrices, of designs, and the worked example."""

import importlib.util
import re
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers.paths import DESIGNS
from hypothesis import assume, given
from hypothesis import strategies as st

import rnnhw
from rnnhw import (
    GRU,
    LSTM,
    Banded,
    Bidirectional,
    BlockDiagonal,
    Butterfly,
    Circulant,
    CyclicBand,
    Dense,
    Design,
    DesignError,
    Diagonal,
    Elman,
    Formats,
    Hadamard,
    Identity,
    JordanNetwork,
    Last,
    LeakyElman,
    Linear,
    LowRank,
    Mean,
    MinGRU,
    Monarch,
    Permutation,
    Q,
    ReLU,
    Residual,
    Sparse,
    Tanh,
    Toeplitz,
    UnitWeights,
    UsageError,
    Window,
    jordan_form,
    load,
    simulate,
    verify,
)
from rnnhw.conversion import jordan as conversion
from rnnhw.conversion.tridiagonal import block_form, tridiagonal_form
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.reference import run_reference
from rnnhw.numerics.cast import quantise, real_values

scipy = pytest.importorskip("scipy", reason="the form needs the extra `jordan`")

EPS = np.finfo(float).eps


# --- matrices ----------------------------------------------------------------------------------
def chain(value, length):
    """A textbook Jordan block of a real eigenvalue."""
    return value * np.eye(length) + np.eye(length, k=1)


def pair(s, w):
    return np.array([[s, w], [-w, s]])


def pairs(s, w, length):
    """A textbook real Jordan block of a complex pair: identity blocks above the diagonal."""
    return np.kron(np.eye(length), pair(s, w)) + np.kron(np.eye(length, k=1), np.eye(2))


def joined(*blocks):
    n = sum(len(block) for block in blocks)
    whole, at = np.zeros((n, n)), 0
    for block in blocks:
        whole[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return whole


def basis(n, condition, seed):
    """A random basis with the given condition number."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
    return left @ np.diag(np.geomspace(1, 1 / condition, n)) @ right


def hidden(matrix, condition=10.0, seed=0):
    """The matrix in a random basis: similar, and without any visible structure."""
    P = basis(len(matrix), condition, seed)
    return P @ matrix @ np.linalg.inv(P)


def residual(A, T, J):
    """``A T - T J`` relative to its terms, in units of float64's precision."""
    size = np.linalg.norm(A) * np.linalg.norm(T)
    return np.linalg.norm(A @ T - T @ J) / (EPS * len(A) * size) if size else 0.0


def band(J):
    """Diagonals below and above the main one that are not zero."""
    rows, columns = np.nonzero(J)
    return max((rows - columns).max(initial=0), 0), max((columns - rows).max(initial=0), 0)


def blocks(J):
    """The finest cut of J into diagonal blocks, as slices."""
    n, first, found = len(J), 0, []
    for stop in range(1, n + 1):
        if not J[first:stop, stop:].any() and not J[stop:, first:stop].any():
            found.append(slice(first, stop))
            first = stop
    return found


def impulses(A, steps=40):
    """The powers of A times its first column: what a recurrence answers to an impulse."""
    state = np.eye(len(A))[:, 0]
    answers = [state]
    for _ in range(steps):
        answers.append(A @ answers[-1])
    return np.array(answers)


def error(A, T, J, steps=40):
    """The largest error of the impulse answer in the new coordinates."""
    state, found = np.linalg.solve(T, np.eye(len(A))[:, 0]), []
    for _ in range(steps + 1):
        found.append(T @ state)
        state = J @ state
    expected = impulses(A, steps)
    return np.abs(np.array(found) - expected).max() / np.abs(expected).max()


@st.composite
def matrices(draw):
    """Matrices of all kinds: whole numbers (often defective), random, and hidden Jordan forms."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n = draw(st.integers(1, 12))
    match draw(st.sampled_from(["whole", "random", "sparse", "jordan", "triangular"])):
        case "whole":
            return rng.integers(-1, 2, (n, n)).astype(float)
        case "random":
            return rng.normal(size=(n, n)) * 10.0 ** rng.integers(-6, 7)
        case "sparse":
            return rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.3)
        case "triangular":
            return np.triu(rng.integers(-2, 3, (n, n))).astype(float)
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        value, length = rng.choice([-0.5, 0.2, 0.9]), int(rng.integers(1, 4))
        real = chain(value, length) + 10.0 ** -rng.integers(3, 20) * rng.normal(size=(length,) * 2)
        parts.append(real if rng.random() < 0.5 else pairs(value, 0.7, length))
    return hidden(joined(*parts), 10.0, seed)


@given(matrices(), st.sampled_from([10.0, 100.0, 1000.0]))
def test_the_form_is_similar_and_its_growth_is_limited(A, growth):
    form = block_form(A, growth)
    T, J = tridiagonal_form(A, growth)
    np.testing.assert_array_equal(form.J, J)
    np.testing.assert_array_equal(form.T, T)
    assert form.growth <= growth
    assert np.linalg.matrix_rank(T) == len(A)
    assert residual(A, T, J) < 1000
    # Equal traces of powers: the same eigenvalues, which defective ones do not show accurately.
    for power in (1, 2, 3):
        expected = np.trace(np.linalg.matrix_power(A, power))
        slack = 1e3 * EPS * len(A) ** 2 * np.linalg.norm(A) ** power * np.linalg.cond(T)
        assert abs(np.trace(np.linalg.matrix_power(J, power)) - expected) <= slack


@given(matrices())
def test_blocks_are_disjoint_and_of_the_forms_that_are_promised(A):
    _, J = tridiagonal_form(A)
    cut = blocks(J)
    assert sum(block.stop - block.start for block in cut) == len(A)
    for block in cut:
        part = J[block, block]
        lower, upper = band(part)
        assert lower <= 1
        if upper > 1:  # kept whole: the Schur form
            assert not np.tril(part, -2).any()
            assert not (np.diag(part, -1)[:-1] * np.diag(part, -1)[1:]).any()


@st.composite
def separated(draw):
    """A matrix whose eigenvalues lie at least 0.1 apart, with the numbers of real and pairs."""
    places = st.integers(-9, 9)
    real = draw(st.lists(places, max_size=8, unique=True))
    pairs_ = draw(st.lists(st.tuples(places, st.integers(1, 9)), max_size=4, unique=True))
    assume(real or pairs_)
    parts = [np.array([[value / 10]]) for value in real]
    parts += [pair(s / 10, w / 10) for s, w in pairs_]
    return (
        hidden(joined(*parts), 10.0, draw(st.integers(0, 2**32 - 1))),
        len(real),
        len(pairs_),
    )


@given(separated())
def test_separate_eigenvalues_give_entries_and_rotations_alone(case):
    A, real, complex_ = case
    T, J = tridiagonal_form(A, 1000.0)
    sizes = sorted(block.stop - block.start for block in blocks(J))
    assert sizes == [1] * real + [2] * complex_
    assert np.count_nonzero(J) <= real + 4 * complex_
    for block in blocks(J):
        part = J[block, block]
        if len(part) == 2:
            assert part[0, 0] == part[1, 1] and part[0, 1] == -part[1, 0]
    found, expected = np.linalg.eigvals(J), np.linalg.eigvals(A)
    for value in expected:
        assert np.abs(found - value).min() < 1e-11
    assert residual(A, T, J) < 100


@pytest.mark.parametrize("seed", range(6))
def test_a_random_matrix_of_16_needs_about_28_numbers(seed):
    A = np.random.default_rng(seed).normal(size=(16, 16)) / 4
    T, J = tridiagonal_form(A)
    assert 24 <= np.count_nonzero(J) <= 32
    assert band(J) == (1, 1)
    assert error(A, T, J) < 1e-12


DEFECTIVE = {
    "real 2": joined(chain(0.9, 2), np.diag([0.1, -0.5, 0.3])),
    "real 3": joined(chain(0.9, 3), np.diag([0.1, -0.5, 0.3])),
    "real 4": joined(chain(0.9, 4), np.diag([0.1, -0.5])),
    "two real": joined(chain(0.9, 2), chain(-0.4, 3), pair(0.1, 0.8)),
    "pair 2": joined(pairs(0.6, 0.7, 2), np.diag([0.1, -0.5])),
    "pair 3": joined(pairs(0.3, 0.7, 3), np.diag([0.1])),
    "near 1e-3": joined(chain(0.9, 2) + np.diag([0, 1e-3]), np.diag([0.1, -0.5])),
    "near 1e-7": joined(chain(0.9, 2) + np.diag([0, 1e-7]), np.diag([0.1, -0.5])),
    "near 1e-12": joined(chain(0.9, 2) + np.diag([0, 1e-12]), np.diag([0.1, -0.5])),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", DEFECTIVE)
def test_defective_matrices_are_tridiagonal_and_better_conditioned_than_eigenvectors(name, seed):
    A = hidden(DEFECTIVE[name], 10.0, seed)
    T, J = tridiagonal_form(A)
    assert max(band(J)) == 1
    assert error(A, T, J) < 1e-11
    assert np.linalg.cond(T) < 1e3
    vectors = np.linalg.eig(A)[1]
    assert np.linalg.cond(vectors) > (1e2 if name == "near 1e-3" else 1e4)
    assert np.linalg.cond(vectors) > np.linalg.cond(T)


def test_eigenvectors_lose_what_the_form_keeps():
    """On a defective pair: half of the digits are gone with eigenvectors, none with the form."""
    A = hidden(DEFECTIVE["pair 2"])
    values, vectors = np.linalg.eig(A)
    blind = error(A, vectors, np.diag(values))
    T, J = tridiagonal_form(A)
    assert error(A, T, J) < 1e-13
    assert blind > 1e-10
    assert np.linalg.cond(vectors) > 1e7
    assert np.linalg.cond(T) < 1e3


def test_blocks_of_a_defective_pair_are_coupled_by_one_entry():
    _, J = tridiagonal_form(hidden(pairs(0.6, 0.7, 3)), 1000.0)
    assert blocks(J) == [slice(0, 6)]
    for first in (0, 2, 4):
        np.testing.assert_allclose(J[first, first], 0.6, atol=1e-4)
        np.testing.assert_allclose(J[first, first + 1], -J[first + 1, first])
        np.testing.assert_allclose(abs(J[first, first + 1]), 0.7, atol=1e-4)
    coupling = J.copy()
    for first in (0, 2, 4):
        coupling[first : first + 2, first : first + 2] = 0
    assert list(zip(*np.nonzero(coupling), strict=True)) == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    ("A", "nonzeros"),
    [
        (np.zeros((5, 5)), 0),
        ([[0.3]], 1),
        ([[0]], 0),
        (np.eye(6), 6),
        (np.diag([0.5, -0.25, 0.125]), 3),
        (np.roll(np.eye(8), 1, 0), 2 + 3 * 4 - 2),  # two pure rotations by a right angle: 2 zeros
        (chain(0.5, 5), 9),
        (pair(0.6, 0.7), 4),
        ([[0.0, 1.0], [0.0, 0.0]], 1),
    ],
    ids=["zero", "1x1", "1x1 zero", "unit", "diagonal", "cycle", "chain", "pair", "nilpotent"],
)
def test_simple_matrices(A, nonzeros):
    T, J = tridiagonal_form(A)
    A = np.array(A, float)
    assert np.count_nonzero(np.abs(J) > 1e-12) == nonzeros
    assert max(band(J)) <= 1
    np.testing.assert_allclose(A @ T, T @ J, atol=1e-14)
    if np.count_nonzero(A - np.diag(np.diag(A))) == 0:
        np.testing.assert_array_equal(np.sort(np.diag(J)), np.sort(np.diag(A)))
        np.testing.assert_array_equal(np.count_nonzero(T, axis=0), 1)


@pytest.mark.parametrize("seed", range(4))
def test_an_eigenvalue_repeated_without_a_chain_stays_on_the_diagonal(seed):
    for values in ([0.5, 0.5, 0.5, 0.2, 0.2, -0.3], [1.0] * 5, [0.0, 0.0, 0.7, 0.7]):
        T, J = tridiagonal_form(hidden(np.diag(values), 10.0, seed))
        np.testing.assert_array_equal(J, np.diag(np.diag(J)))
        np.testing.assert_allclose(np.sort(np.diag(J)), np.sort(values), atol=1e-13)
        assert np.linalg.cond(T) < 100


def test_chains_that_share_an_eigenvalue_stay_whole():
    A = hidden(joined(pairs(0.6, 0.7, 2), pair(0.6, 0.7), np.diag([0.1])))
    T, J = tridiagonal_form(A)
    assert band(J)[1] > 1
    assert sorted(block.stop - block.start for block in blocks(J)) == [1, 6]
    assert error(A, T, J) < 1e-13


def test_a_coupling_of_equal_eigenvalues_is_removed_where_that_is_possible():
    """The first unit reads the third's past, but so does the second, which makes up for it."""
    A = np.array([[0.5, 0.0, 1.0], [0.0, 0.5, 1.0], [0.0, 0.0, 0.5]])
    T, J = tridiagonal_form(A)
    assert sorted(block.stop - block.start for block in blocks(J)) == [1, 2]
    np.testing.assert_allclose(A @ T, T @ J, atol=1e-15)


def test_the_growth_is_the_norm_of_the_decoupling():
    assert block_form([[0.5, 3.0], [0.0, 0.25]], 100).growth == pytest.approx(3 / 0.25)
    assert block_form(np.eye(3), 100).growth == 0
    twice = [[0.5, 3.0, 0], [0.0, 0.25, 0], [0, 0, 0.1]]
    assert block_form(twice, 100).growth == pytest.approx(3 / 0.25)  # the largest, not the last


def test_the_columns_of_the_transformation_are_of_one_size():
    for matrix in DEFECTIVE.values():
        T, J = tridiagonal_form(hidden(matrix))
        for block in blocks(J):
            size = np.linalg.norm(T[:, block]) / np.sqrt(block.stop - block.start)
            assert 2**-0.51 < size < 2**0.51


def test_a_smaller_growth_keeps_more_together():
    A = np.triu(np.random.default_rng(3).normal(size=(12, 12)))
    sizes = [len(blocks(tridiagonal_form(A, growth)[1])) for growth in (1.0, 100.0, 1e6)]
    assert sizes[0] < sizes[1] < sizes[2] == 12


def test_a_large_matrix_takes_no_time():
    A = np.random.default_rng(0).normal(size=(128, 128)) / 11
    T, J = tridiagonal_form(A)
    assert band(J) == (1, 1) and residual(A, T, J) < 100
    _, shift = tridiagonal_form(np.eye(64, k=1))
    np.testing.assert_array_equal(shift, np.eye(64, k=1))


@pytest.mark.parametrize(
    ("A", "message"),
    [
        (np.zeros((2, 3)), r"shape \(2, 3\)"),
        (np.zeros((0, 0)), r"shape \(0, 0\)"),
        ([1.0, 2.0], r"shape \(2,\)"),
        ([[np.nan]], "finite real"),
        ([[1j]], "finite real"),
        ([["a"]], "finite real"),
    ],
)
def test_what_is_no_real_square_matrix_is_refused(A, message):
    with pytest.raises(DesignError, match=message):
        tridiagonal_form(A)


@pytest.mark.parametrize("growth", [0.5, -1, float("nan")])
def test_a_senseless_growth_is_refused(growth):
    with pytest.raises(UsageError, match="growth="):
        tridiagonal_form(np.eye(2), growth)


@pytest.fixture
def without_scipy(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "scipy"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "scipy", None)


def test_without_scipy_the_error_names_the_extra(without_scipy):
    with pytest.raises(DesignError, match="needs SciPy") as caught:
        tridiagonal_form(np.eye(2))
    assert "rnnhw[jordan]" in caught.value.hint


# --- designs -----------------------------------------------------------------------------------
N, INPUTS, OUTPUTS, STEPS = 8, 2, 3, 24
FORMATS = Formats(
    input=Q(0, 15), weight=Q(4, 15), sum=Q(5, 10), state=Q(5, 18), stage=Q(7, 20), cell=Q(3, 12)
)
MIXED = joined(pair(0.3, 0.85), pair(-0.6, 0.7), chain(0.8, 2), np.diag([0.5, -0.9]))
U = hidden(MIXED, 5.0)


def tensors(**more):
    rng = np.random.default_rng(5)
    arrays = {
        "rnn.W": rng.normal(size=(N, INPUTS)),
        "rnn.U": U,
        "rnn.b": rng.normal(size=N) / 10,
        "head.W": rng.normal(size=(OUTPUTS, N)),
        "head.b": rng.normal(size=OUTPUTS),
    }
    arrays |= {key: rng.normal(size=shape) / 4 for key, shape in more.items()}
    return {key: value for key, value in arrays.items() if value.size}


def made(*behind, arrays=None, formats=FORMATS, **fields):
    """A linear recurrence `rnn` with layers behind it; a head if there are none."""
    fields = {"activation": Identity(), "name": "rnn", **fields}
    arrays = tensors() if arrays is None else arrays
    own = [layer.name for layer in (Elman(N, **fields), *behind) if layer.name]
    layers = [Elman(N, **fields), *(behind or (Linear(OUTPUTS, name="head"),))]
    own = own if behind else ["rnn", "head"]
    kept = {key: value for key, value in arrays.items() if key.split(".")[0] in own}
    return Design(layers=layers, formats=formats, inputs=INPUTS, weights=kept, max_steps=STEPS)


def looped(arrays, x, h0=0.0):
    """Outputs of the recurrence and its head, written from the equations."""
    h, outputs = np.zeros((len(x), N)) + h0, []
    bias = arrays.get("rnn.b", 0.0)
    for t in range(x.shape[1]):
        h = h @ arrays["matrix"].T + x[:, t] @ arrays["rnn.W"].T + bias
        outputs.append(h @ arrays["head.W"].T + arrays["head.b"])
    return np.stack(outputs, 1)


NOISE = np.random.default_rng(9).uniform(-1, 1, (4, STEPS, INPUTS))
FULL = np.full(4, STEPS)


def outputs(design, x=NOISE):
    return run_reference(design.network, design.parameters, x, FULL).outputs


def test_the_new_design_gives_the_outputs_of_the_equations():
    form = jordan_form(made())
    arrays = {**tensors(), "matrix": U}
    np.testing.assert_allclose(outputs(form.design), looped(arrays, NOISE), atol=1e-12)
    assert form.accepted and 0 < form.max_error <= form.bound < 1e-9
    assert form.warnings == ()
    assert form.layer == "rnn" and form.structure == Banded(1, 1)
    assert form.nonzeros == (64, 4 + 4 + 3 + 2)
    assert form.design.layers[0].recurrent == Banded(1, 1)
    np.testing.assert_allclose(U @ form.T, form.T @ form.J, atol=1e-13)
    np.testing.assert_allclose(form.condition, np.linalg.cond(form.T))
    np.testing.assert_allclose(form.spectral_radius, np.abs(np.linalg.eigvals(MIXED)).max())


def test_the_new_design_runs_in_integers_and_saves(tmp_path):
    form = jordan_form(made())
    np.savez(tmp_path / "form.npz", **form.weights)
    design = replace(form.design, weights=tmp_path / "form.npz")
    batch = make_batch(design.network, NOISE, FULL)
    expected = golden.run(design.network, design.parameters, batch)
    found = simulate(design, samples=rnnhw.design.tasks.Samples(NOISE, FULL))
    np.testing.assert_array_equal(found.run.outputs, expected.outputs)
    np.testing.assert_allclose(found.outputs, outputs(form.design), atol=0.01)
    assert found.run.counts["rnn"].multiplies == 4 * STEPS * (3 * N - 2 + N * INPUTS)


def test_an_initial_state_is_transformed():
    arrays = tensors(**{"rnn.h0": (N,)})
    form = jordan_form(made(arrays=arrays, initial=True))
    expected = looped({**arrays, "matrix": U}, NOISE, arrays["rnn.h0"])
    np.testing.assert_allclose(outputs(form.design), expected, atol=1e-12)
    assert not np.allclose(expected, looped({**arrays, "matrix": U}, NOISE))
    np.testing.assert_allclose(form.T @ form.weights["rnn.h0"], arrays["rnn.h0"], atol=1e-12)


STRUCTURES = {
    "dense": (Dense(), {"rnn.U": (N, N)}),
    "banded": (Banded(1, 1), {"rnn.U": (3, N)}),
    "diagonal": (Diagonal(), {"rnn.U": (N,)}),
    "hadamard": (Hadamard(), {"rnn.U.before": (N,), "rnn.U.after": (N,)}),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", STRUCTURES)
def test_a_recurrence_of_any_structure_is_converted(name, bias):
    structure, shapes = STRUCTURES[name]
    arrays = tensors()
    del arrays["rnn.U"]
    if not bias:
        del arrays["rnn.b"]
    rng = np.random.default_rng(2)
    arrays |= {key: rng.normal(size=shape) / 3 for key, shape in shapes.items()}
    if name == "banded":
        arrays["rnn.U"][0, 0] = arrays["rnn.U"][2, -1] = 0
        matrix = structure.matrix(arrays["rnn.U"], N, N)
    elif name == "hadamard":
        signs = [[(-1) ** (i & j).bit_count() for j in range(N)] for i in range(N)]
        matrix = arrays["rnn.U.after"][:, None] * signs * arrays["rnn.U.before"]
    else:
        matrix = structure.matrix(arrays["rnn.U"], N, N)
    overrides = {f"{key}": Q(3, 12) for key in shapes}
    old = replace(made(arrays=arrays, recurrent=structure, bias=bias), overrides=overrides)
    form = jordan_form(old)
    expected = looped({**arrays, "matrix": matrix}, NOISE)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs(form.design), expected, atol=1e-11 * scale)
    assert form.accepted
    assert form.nonzeros[0] == np.count_nonzero(matrix)
    assert form.design.layers[0].bias == bias
    assert set(form.weights) == set(form.design.parameters.values)
    assert [key for key in form.weights if "U" in key] == ["rnn.U"]


COMPOSED = [
    BlockDiagonal(4),
    CyclicBand(1, 1),
    Toeplitz(),
    Circulant(),
    Sparse(2, 4),
    LowRank(2),
    Monarch(4),
    Butterfly(),
    Permutation((3, 1, 0, 2, 7, 4, 5, 6)),
    UnitWeights(),
    Diagonal() + LowRank(1),
    BlockDiagonal(4) @ Permutation((7, 0, 3, 2, 5, 4, 1, 6)),
]


@pytest.mark.parametrize("structure", COMPOSED, ids=repr)
def test_every_other_structure_is_converted(structure):
    try:
        fitted = structure.project(np.random.default_rng(3).normal(size=(N, N)) / 4)
        own = fitted.tensors("rnn.U")
    except DesignError:  # there is no way to fit it
        made_of = replace(made(recurrent=structure), weights=None).network.tensors
        rng = np.random.default_rng(3)
        own = {each.key: rng.normal(size=each.shape) / 2 for each in made_of if ".U" in each.key}
    arrays = {key: value for key, value in tensors().items() if key != "rnn.U"}
    old = made(arrays=arrays | own, recurrent=structure)
    form = jordan_form(old)
    found, expected = outputs(form.design), outputs(old)
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())
    assert form.accepted
    whole = structure.full({key.removeprefix("rnn.U"): own[key] for key in own}, N, N)
    assert form.nonzeros[0] <= (whole != 0).sum()


READERS = {
    "linear": ([Linear(OUTPUTS, name="out")], {"out.W": (OUTPUTS, N), "out.b": (OUTPUTS,)}),
    "elman": (
        [Elman(4, name="out")],
        {"out.W": (4, N), "out.U": (4, 4), "out.b": (4,)},
    ),
    "leaky": (
        [LeakyElman(4, leak=0.5, name="out")],
        {"out.W": (4, N), "out.U": (4, 4), "out.b": (4,)},
    ),
    "lstm": ([LSTM(4, name="out")], {"out.W": (16, N), "out.U": (16, 4), "out.b": (16,)}),
    "gru": (
        [GRU(4, formats=Formats(state=Q(0, 9)), name="out")],
        {"out.W": (12, N), "out.U": (12, 4), "out.b": (12,)},
    ),
    "minimal gru": ([MinGRU(4, name="out")], {"out.W": (8, N), "out.b": (8,)}),
    "jordan": (
        [JordanNetwork(4, 2, name="out")],
        {
            "out.W": (4, N),
            "out.U": (4, 2),
            "out.b": (4,),
            "out.V": (2, 4),
            "out.c": (2,),
        },
    ),
    "window": (
        [Window(3), Linear(OUTPUTS, name="out")],
        {"out.W": (OUTPUTS, 3 * N), "out.b": (OUTPUTS,)},
    ),
    "windows": (
        [Window(2), Window(3), Linear(OUTPUTS, bias=False, name="out")],
        {"out.W": (OUTPUTS, 6 * N)},
    ),
    "last": ([Last(), Linear(OUTPUTS, name="out")], {"out.W": (OUTPUTS, N), "out.b": (OUTPUTS,)}),
    "mean": ([Mean(), Linear(OUTPUTS, name="out")], {"out.W": (OUTPUTS, N), "out.b": (OUTPUTS,)}),
    "divided": (
        [Mean(divide=True, formats=Formats(output=Q(5, 12))), Linear(OUTPUTS, name="out")],
        {"out.W": (OUTPUTS, N), "out.b": (OUTPUTS,)},
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_every_kind_of_reader_gets_the_transformed_weights(name):
    layers, shapes = READERS[name]
    old = made(*layers, arrays=tensors(**shapes))
    form = jordan_form(old)
    assert form.accepted and len(form.design.layers) == len(old.layers)
    np.testing.assert_allclose(outputs(form.design), outputs(old), atol=1e-11)
    assert not np.allclose(form.weights["out.W"], old.weights["out.W"])
    for key in shapes:
        if key != "out.W":
            np.testing.assert_array_equal(form.weights[key], old.weights[key])


BARE = {
    "nothing": [],
    "last": [Last()],
    "mean": [Mean()],
    "window": [Window(2)],
    "skip": [Residual([Linear(N, name="inner")])],
    "both ways": [Bidirectional(Elman(3), name="ways")],
}


@pytest.mark.parametrize("name", BARE)
def test_where_no_weights_read_the_state_a_layer_turns_it_back(name):
    layers = BARE[name]
    arrays = tensors(**{"inner.W": (N, N), "inner.b": (N,)})
    if name == "both ways":
        for way in ("forward", "backward"):
            arrays |= {f"ways.{way}.W": np.ones((3, N)) / 9, f"ways.{way}.b": np.zeros(3)}
            arrays |= {f"ways.{way}.U": np.eye(3) / 2}
    wanted = {"nothing": "rnn", "skip": "rnn inner", "both ways": "rnn ways"}.get(name, "rnn")
    kept = {key: value for key, value in arrays.items() if key.split(".")[0] in wanted.split()}
    # Names that follow from the position must not move with the inserted layer.
    recurrence = Elman(N, activation=Identity(), name="rnn")
    old = Design(
        layers=[recurrence, *layers],
        formats=FORMATS,
        inputs=INPUTS,
        weights=kept,
        max_steps=STEPS,
    )
    form = jordan_form(old)
    assert form.accepted
    np.testing.assert_allclose(outputs(form.design), outputs(old), atol=1e-11)
    assert form.design.layers[1] == Linear(
        N, bias=False, formats=Formats(output=FORMATS.state), name="rnn_output"
    )
    assert any("rnn_output turns its state back, 64 more weights" in w for w in form.warnings)


def test_layers_without_names_keep_those_of_their_positions():
    arrays = {
        "elman0.W": np.ones((3, INPUTS)), "elman0.U": np.diag([0.5, 0.4, 0.1]),
        "elman0.b": np.zeros(3), "elman2.W": np.ones((2, 3)), "elman2.U": np.eye(2) / 2,
        "elman2.b": np.zeros(2),
    }  # fmt: skip
    layers = [Elman(3, activation=Identity()), Residual([Window(1)]), Elman(2)]
    old = Design(layers=layers, formats=FORMATS, inputs=INPUTS, weights=arrays)
    form = jordan_form(old)
    assert [layer.name for layer in form.design.layers] == [
        "elman0", "elman0_output", "residual1", "elman2",
    ]  # fmt: skip
    np.testing.assert_allclose(outputs(form.design), outputs(old), atol=1e-12)


def test_one_of_several_is_converted_by_name():
    arrays = tensors()
    arrays = {
        **{key.replace("rnn", "first"): value for key, value in arrays.items()},
        **{f"second.{key}": np.eye(N) / 2 for key in "WU"},
        "second.b": np.zeros(N),
    }
    linear = {"activation": Identity()}
    layers = [
        Elman(N, name="first", **linear),
        Elman(N, name="second", **linear),
        Linear(OUTPUTS, name="head"),
    ]
    old = Design(layers=layers, formats=FORMATS, inputs=INPUTS, weights=arrays)
    with pytest.raises(DesignError, match="2 linear recurrences: first, second"):
        jordan_form(old)
    for name in ("first", "second"):
        form = jordan_form(old, name)
        assert form.layer == name and form.accepted
        np.testing.assert_allclose(outputs(form.design), outputs(old), atol=1e-11)


REFUSED = {
    "tanh": (Elman(N, name="rnn"), "Tanh is not linear"),
    "relu": (Elman(N, activation=ReLU(), name="rnn"), "ReLU is not linear"),
    "structured inputs": (
        Elman(N, inputs=LowRank(1), activation=Identity(), name="rnn"),
        "its input matrix LowRank\\(rank=1\\) becomes T\\^-1 W, which is dense",
    ),
    "lstm": (LSTM(N, name="rnn"), "LSTM multiplies its state by gates"),
    "gru": (GRU(N, name="rnn"), "GRU multiplies its state by gates"),
    "minimal gru": (MinGRU(N, name="rnn"), "MinGRU multiplies its state by gates"),
    "leaky": (LeakyElman(N, activation=Identity(), name="rnn"), "is not an Elman layer"),
    "jordan": (JordanNetwork(N, N, activation=Identity(), name="rnn"), "is not an Elman layer"),
    "ways": (Bidirectional(Elman(N, activation=Identity()), name="rnn"), "within Bidirectional"),
    "skip": (Residual([Elman(N, activation=Identity())], name="rnn"), "within Residual"),
    "none": (Linear(N, name="rnn"), "no linear recurrence"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_linear_recurrence_is_refused_with_the_reason(name):
    layer, reason = REFUSED[name]
    old = Design(layers=[layer, Linear(2)], formats=FORMATS, inputs=INPUTS, weights={})
    for chosen in (None, "rnn"):
        with pytest.raises(DesignError, match=reason) as caught:
            jordan_form(old, chosen)
        assert caught.value.message.startswith("design: no linear recurrence to convert")
        assert caught.value.hint
    with pytest.raises(DesignError, match=r"layer linear1: it has no recurrence"):
        jordan_form(old, "linear1")
    with pytest.raises(UsageError, match="unknown layer 'rn'") as wrong:
        jordan_form(old, "rn")
    assert "did you mean 'rnn'" in wrong.value.hint


def test_tanh_is_refused_for_a_reason():
    """The same change of coordinates under tanh: another network."""
    T, J = tridiagonal_form(U)
    h = g = np.zeros(N)
    b = np.linspace(-1, 1, N)
    worst = 0.0
    for _ in range(20):
        h, g = np.tanh(U @ h + b), np.tanh(J @ g + np.linalg.solve(T, b))
        worst = max(worst, np.abs(T @ g - h).max())
    assert worst > 0.1


def test_a_design_without_weights_is_refused():
    with pytest.raises(DesignError, match="the design has no weights"):
        jordan_form(replace(made(), weights=None))


def test_an_activation_within_the_recurrence_is_refused():
    butterfly = Butterfly(activation=ReLU())
    arrays = {**tensors(), **{f"rnn.U.{k}": np.ones((N // 2, 2, 2)) for k in range(3)}}
    del arrays["rnn.U"]
    with pytest.raises(DesignError, match=r"layer rnn: Butterfly\(.* has activations, which are"):
        jordan_form(made(arrays=arrays, recurrent=butterfly))


def test_constants_within_the_recurrence_go_to_the_bias():
    shapes = {f"rnn.U.{k}": (N // 2, 2, 2) for k in range(3)}
    arrays = tensors(**shapes, **{f"rnn.U.bias{k}": (N,) for k in range(2)})
    del arrays["rnn.U"], arrays["rnn.b"]
    old = made(arrays=arrays, recurrent=Butterfly(bias=True), bias=False)
    form = jordan_form(old)
    np.testing.assert_allclose(outputs(form.design), outputs(old), atol=1e-12)
    assert form.design.layers[0].bias and np.abs(form.weights["rnn.b"]).max() > 0.01
    assert [key for key in form.weights if key.startswith("rnn.U")] == ["rnn.U"]


# --- what the form reports ---------------------------------------------------------------------
def test_outputs_that_differ_are_not_accepted(monkeypatch):
    right = conversion.block_form

    def wrong(matrix, limit):
        form = right(matrix, limit)
        return replace(form, J=form.J * (1 + 1e-9))

    monkeypatch.setattr(conversion, "block_form", wrong)
    form = jordan_form(made())
    assert not form.accepted and form.max_error > form.bound
    assert any("not accepted: the float outputs differ" in warning for warning in form.warnings)


def test_outputs_that_overflow_are_not_accepted():
    arrays = {**tensors(), "rnn.U": 1e30 * np.eye(N)}
    form = jordan_form(made(arrays=arrays))
    assert not form.accepted
    assert not replace(form, bound=np.inf, max_error=np.inf).accepted
    assert not replace(form, bound=1.0, max_error=np.nan).accepted


def test_the_quantised_spectral_radii_are_those_of_the_rounded_matrices():
    format = Q(1, 3)
    formats = replace(FORMATS, recurrent_weight=format)
    arrays = {**tensors(), "rnn.U": hidden(MIXED * 1.07, 5.0)}
    form = jordan_form(made(arrays=arrays, formats=formats))

    def radius(matrix):
        rounded = real_values(quantise(matrix, format)[0], format)
        return np.abs(np.linalg.eigvals(rounded)).max()

    before, after = form.quantised_radius
    np.testing.assert_allclose([before, after], [radius(arrays["rnn.U"]), radius(form.J)])
    assert before != pytest.approx(form.spectral_radius, abs=1e-3)
    assert after >= 1 > form.spectral_radius
    assert any(
        f"spectral radius of {after:.6g}" in warning and "fraction bits" in warning
        for warning in form.warnings
    )
    fine = jordan_form(made(arrays=arrays))
    assert fine.quantised_radius[1] < 1 and fine.warnings == ()


def test_every_state_fills_its_format_but_for_an_eighth():
    form = jordan_form(made())
    low, high = form.ranges.min(), form.ranges.max()
    assert high <= 28 and low > 14 / 4  # of 32; a rotation has one scale for both
    x, lengths = conversion._samples(form.design)
    found = run_reference(form.design.network, form.design.parameters, x, lengths, ["rnn.state"])
    np.testing.assert_allclose(np.abs(found.traces["rnn.state"]).max((0, 1)), form.ranges)


def test_a_narrow_sum_limits_the_states_too():
    form = jordan_form(made(formats=replace(FORMATS, sum=Q(2, 12))))
    assert 1.75 < form.ranges.max() <= 3.5


def test_a_rotation_has_one_scale_and_a_noisy_state_none():
    J = joined(pair(0.3, 0.85), chain(0.8, 2), np.array([[0.5]]))
    factors = conversion._factors(np.array([0.1, 3.0, 0.1, 3.0, 1e-20]), J, 8.0)
    np.testing.assert_array_equal(factors, [2, 2, 64, 2, 1])
    unit = np.ones(5)
    np.testing.assert_array_equal(conversion._factors(unit, J, 0.0), unit)
    np.testing.assert_array_equal(conversion._factors(unit * np.inf, J, 8.0), unit)


def test_initial_states_count_in_the_ranges():
    arrays = tensors(**{"rnn.h0": (N,)})
    arrays["rnn.h0"] *= 1000
    formats = replace(FORMATS, state=Q(12, 18), sum=Q(12, 10))
    form = jordan_form(made(arrays=arrays, initial=True, formats=formats))
    assert form.ranges.max() <= 0.875 * 2**12
    assert np.all(np.abs(form.weights["rnn.h0"]) <= form.ranges * (1 + 1e-9))
    assert np.abs(form.weights["rnn.h0"]).max() > 0.4 * 2**12


def test_the_formats_of_the_new_design_scale_its_states():
    small = replace(FORMATS, state=Q(0, 18), weight=Q(6, 15))
    assert 0.4375 < jordan_form(made(), formats=small).ranges.max() <= 0.875
    overrides = {"rnn.state": Q(1, 18)}
    assert 0.875 < jordan_form(made(), overrides=overrides).ranges.max() <= 1.75


def test_a_format_of_the_recurrence_is_kept_and_those_of_its_parts_are_not():
    old = replace(made(), overrides={"rnn.U": Q(2, 20), "rnn.b": Q(3, 20)})
    assert jordan_form(old).design.overrides == old.overrides
    assert jordan_form(old).design.network.tensors[2].format == Q(2, 20)


def test_states_that_no_input_moves_keep_their_scale():
    arrays = {**tensors(), "rnn.U": np.diag(np.linspace(0.1, 0.8, N)), "rnn.b": np.zeros(N)}
    arrays["rnn.W"][2] = 0
    form = jordan_form(made(arrays=arrays))
    assert form.accepted and np.count_nonzero(form.ranges == 0) == 1


def test_clipped_weights_are_told_and_new_formats_hold_them():
    narrow = replace(FORMATS, weight=Q(0, 15), recurrent_weight=Q(1, 15))
    form = jordan_form(made(formats=narrow))
    assert any(warning.startswith("rnn.W: ") and "clip" in warning for warning in form.warnings)
    overrides = {"rnn.W": Q(5, 12), "rnn.b": Q(5, 12), "head.W": Q(3, 12), "head.b": Q(3, 12)}
    form = jordan_form(made(formats=narrow), overrides=overrides)
    assert form.warnings == () and form.design.overrides == overrides
    form = jordan_form(made(formats=narrow), formats=FORMATS)
    assert form.warnings == () and form.design.formats == FORMATS


def test_chains_that_share_an_eigenvalue_widen_the_band_and_are_told():
    matrix = joined(pairs(0.6, 0.7, 2), pair(0.6, 0.7), np.diag([0.1, 0.2]))
    form = jordan_form(made(arrays={**tensors(), "rnn.U": hidden(matrix)}))
    assert form.structure.upper > 1 and form.accepted
    assert any("cannot be told apart need Banded(" in warning for warning in form.warnings)


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_recurrences(n):
    arrays = {
        "rnn.W": np.ones((n, INPUTS)), "rnn.U": np.eye(n) / 2, "rnn.b": np.ones(n),
        "head.W": np.ones((1, n)), "head.b": np.zeros(1),
    }  # fmt: skip
    layers = [Elman(n, activation=Identity(), name="rnn"), Linear(1, name="head")]
    old = Design(layers=layers, formats=FORMATS, inputs=INPUTS, weights=arrays)
    form = jordan_form(old)
    assert form.structure == Banded(n - 1, n - 1) and form.accepted
    np.testing.assert_allclose(outputs(form.design), outputs(old), atol=1e-13)


def test_an_unsigned_state_is_told():
    form = jordan_form(made(formats=replace(FORMATS, state=Q(5, 10, signed=False))))
    assert any("do not fit its formats" in warning for warning in form.warnings)


def test_the_activation_is_named_in_the_refusal():
    with pytest.raises(DesignError, match=r"Tanh\(T g\) is not T Tanh\(g\)"):
        jordan_form(made(activation=Tanh()))


# --- the worked example ------------------------------------------------------------------------
FOLDER = DESIGNS
NOTES = (FOLDER / "training" / "README.md").read_text()
NAMES = ("linear_recurrence", "linear_recurrence_jordan")


def filters():
    return [load(FOLDER / f"{name}.py") for name in NAMES]


@cache
def example(name, word=12):
    return verify(load(FOLDER / f"{name}.py", {"word": word}))


def stated_in(design):
    return " ".join(f"{design.title} {design.notes}".split())


def test_the_filters_are_as_exact_at_every_word_length_as_their_docstrings_say():
    found = [[f"{example(name, word).output.snr_db:.1f}" for word in (8, 12, 16)] for name in NAMES]
    for design, expected in zip(filters(), (found, found[::-1]), strict=True):
        text = stated_in(design)
        stated = re.findall(r"([\d.]+), ([\d.]+) and ([\d.]+) dB", text)
        assert [list(ratios) for ratios in stated] == expected


@pytest.mark.parametrize(("word", "passed"), [(8, [False, True]), (12, [True, True])])
def test_at_8_bits_the_filter_passes_in_tridiagonal_form_alone(word, passed):
    assert [example(name, word).passed for name in NAMES] == passed
    for name in NAMES:
        figures = example(name, word).figures()
        assert figures["weight_clips"] == 0
        assert figures["float_r2"] > 1 - 1e-12


def test_both_filters_give_the_same_float_outputs():
    samples = filters()[0].task.samples()
    dense, form = (
        run_reference(each.network, each.parameters, samples.x, samples.lengths).outputs
        for each in filters()
    )
    assert 0 < np.abs(dense - form).max() < 1e-13
    assert np.abs(dense - samples.y).max() < 1e-6  # recorded in float32


def test_the_filters_have_as_many_weights_as_stated():
    dense, form = filters()
    assert np.count_nonzero(dense.parameters.values["rnn.U"]) == 256
    stored = form.parameters.values["rnn.U"]
    matrix = Banded(1, 1).matrix(stored, 16, 16)
    assert np.count_nonzero(matrix) == 32 and np.abs(matrix).max() < 1
    steps = dense.task.samples().lengths.sum()
    multiplies = [simulate(each).run.counts["rnn"].multiplies / steps for each in (dense, form)]
    assert multiplies == [256 + 16, 46 + 16]
    assert "256 recurrent weights" in stated_in(dense)
    assert "46 recurrent weights instead of 256" in stated_in(form)
    assert "32 of its 46 weights not zero, none above 1" in stated_in(form)
    assert [block.stop - block.start for block in blocks(matrix)] == [2] * 8
    for block in blocks(matrix):
        (s, w), (opposite, again) = matrix[block, block]
        assert (s, w) == (again, -opposite)
        assert 0.95 - 1e-9 <= np.hypot(s, w) <= 0.99 + 1e-9


@pytest.fixture(scope="module")
def script():
    """designs/training/linear.py as a module."""
    specification = importlib.util.spec_from_file_location(
        "linear_filter", FOLDER / "training" / "linear.py"
    )
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look it up
    specification.loader.exec_module(module)
    yield module
    del sys.modules[specification.name]


def test_the_saved_filters_are_those_that_the_script_builds(script):
    found, data = script.build()
    dense, form = filters()
    for key, tensor in found.tensors().items():
        np.testing.assert_allclose(dense.parameters.values[key], tensor, rtol=1e-9)
    samples = dense.task.samples()
    np.testing.assert_array_equal(samples.x, data["test_x"])
    np.testing.assert_allclose(samples.y, data["test_y"], atol=1e-6)
    # The order of the poles and the signs may depend on the processor, the poles do not.
    converted = script.convert(found.tensors())
    saved = Banded(1, 1).matrix(form.parameters.values["rnn.U"], 16, 16)
    poles, saved_poles = (
        sorted(np.abs(np.linalg.eigvals(matrix))) for matrix in (converted.J, saved)
    )
    np.testing.assert_allclose(poles, saved_poles, atol=1e-12)
    condition = re.search(r"condition number (12\.\d)", NOTES)
    assert float(condition[1]) == pytest.approx(converted.condition, abs=0.05)
    assert converted.nonzeros == (256, 32) and "32 numbers that are not" in NOTES
    assert converted.max_error < 1e-13


ROWS = [
    (float(condition), int(seed), [float(number) for number in re.findall(r"-?[\d.]+", rest)])
    for condition, seed, rest in re.findall(
        r"^\| (\d+) \| (\d) \| ([-\d./ |]+) \|$", NOTES, re.MULTILINE
    )
]
"""Of the table of bases: condition, seed, and condition of T with six ratios in dB."""


def test_the_table_of_bases_has_every_row(script):
    assert [row[:2] for row in ROWS] == [
        (condition, seed) for condition in script.CONDITIONS for seed in script.SEEDS
    ]
    better = [dense - form for c, _, (_, *all_) in ROWS if c == 1 for dense, form in [all_[:2]]]
    assert round(max(better)) == 8  # as the text below the table says
    assert all(numbers[1] < 0 for condition, _, numbers in ROWS if condition == 30)


@pytest.mark.parametrize("row", ROWS[::3], ids=str)
def test_the_table_of_bases_is_what_is_measured(script, row):
    condition, seed, stated = row
    found = re.findall(r"-?[\d.]+", script.row(condition, seed))[2:]
    np.testing.assert_allclose([float(number) for number in found], stated, atol=0.11)


def test_what_rounded_weights_cost_in_an_orthogonal_basis_is_what_is_stated(script):
    found, data = script.build(1.0, 2)
    form = script.convert(found.tensors())
    stated = re.search(
        r"those alone, seed 2 at 8 bits: ([\d.]+) against ([\d.]+) dB.* up to (\d+) %, .* (\d+) %",
        NOTES.replace("\n", " "),
    ).groups()
    alone, moved = [], []
    for design, matrix, tensors in zip(
        filters(), (found.U, form.J), (found.tensors(), form.weights), strict=True
    ):
        formats = {key: script.fitting(tensor, 8) for key, tensor in tensors.items()}
        mine = replace(design, weights=tensors, overrides=formats)
        x, lengths = data["test_x"].astype(float), data["test_lengths"]
        exact, rounded = (
            run_reference(mine.network, mine.parameters, x, lengths, quantised=sources).outputs
            for sources in ([], ["weights"])
        )
        alone.append(10 * np.log10((exact**2).sum() / ((rounded - exact) ** 2).sum()))
        poles = np.linalg.eigvals(matrix)
        format = formats["rnn.U"]
        new = np.linalg.eigvals(real_values(quantise(matrix, format)[0], format))
        moves = np.abs(new[:, None] - poles).min(0) / (1 - np.abs(poles))
        moved.append(100 * moves.max())
    np.testing.assert_allclose(alone, [float(stated[0]), float(stated[1])], atol=0.11)
    np.testing.assert_allclose(moved[::-1], [float(stated[2]), float(stated[3])], atol=0.6)


def test_a_reader_with_a_structure_of_its_own_is_refused():
    layers = [
        Elman(N, activation=Identity(), name="rnn"),
        Linear(N, structure=Diagonal(), name="head"),
    ]
    design = Design(layers=layers, formats=FORMATS, inputs=INPUTS)
    rng = np.random.default_rng(0)
    numbers = {tensor.key: rng.normal(0, 0.1, tensor.shape) for tensor in design.network.tensors}
    with pytest.raises(DesignError, match=r"layer head reads the state by Diagonal\(\)"):
        jordan_form(Design(layers=layers, formats=FORMATS, inputs=INPUTS, weights=numbers))
