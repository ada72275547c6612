"""Structures: closed formulas against the enumerated rows, and brute force for the rest."""

import random

import numpy as np
import pytest
from helpers.graphs import (
    draw_composition,
    draw_elementary,
    draw_rectangular_blocks,
    golden_run,
    one_layer,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnhw import (
    Banded,
    BlockDiagonal,
    Butterfly,
    Circulant,
    CyclicBand,
    Dense,
    Design,
    DesignError,
    Diagonal,
    Elman,
    Hadamard,
    LowRank,
    Monarch,
    Permutation,
    Product,
    Sigmoid,
    Sparse,
    Sum,
    Toeplitz,
    UnitWeights,
)
from rnnhw.analysis.counts import step_counts
from rnnhw.analysis.reach import diameter, network_reach
from rnnhw.design.weights import Parameters, load_parameters
from rnnhw.execution.compiler import plan_network
from rnnhw.graph.builder import Formats
from rnnhw.graph.nodes import Matvec
from rnnhw.layers.structures import (
    ButterflyStage,
    Elementary,
    FastWalshHadamard,
    InterleavedBlocks,
    WalshHadamardStage,
)
from rnnhw.numerics.cast import Events, Q


@st.composite
def structures(draw, square=False):
    """An elementary structure with rows and columns that it can have."""
    rng = draw(st.randoms(use_true_random=False))
    n = rng.choice([1, 2, 3, 4, 5, 6, 8, 9, 12, 16, 20])
    structure = draw_elementary(rng, n)
    if n > 1 and n & (n - 1) == 0 and rng.randint(1, 4) == 4:
        structure = rng.choice([FastWalshHadamard(), WalshHadamardStage()])
    if type(structure) is BlockDiagonal and not square:
        return *draw_rectangular_blocks(rng, n), n
    free = isinstance(structure, Dense | Toeplitz) and not square
    return structure, rng.randint(1, 20) if free else n, n


def pattern(structure, rows, columns, seed=0):
    """Random flat weights as the structure stores them, many of them zero."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-3, 4, structure.shape(rows, columns))
    if isinstance(structure, Sparse):
        weights = structure.project(weights.astype(float)).matrix.astype(int)
    return weights.ravel()


@given(structures())
def test_closed_formulas_equal_the_enumerated_rows(case):
    structure, rows, columns = case
    structure.check(rows, columns)
    weights = pattern(structure, rows, columns) if structure.weighted else np.zeros(0)
    listed = list(structure.stored_rows(weights, rows, columns))
    terms = sum(len(row.columns) for row in listed)
    assert len(listed) == rows
    assert structure.terms(rows, columns) == terms
    assert structure.multiplies(rows, columns) == (terms if structure.weighted else 0)
    stored = {parameter for row in listed for parameter in row.parameters}
    assert structure.stored_words(rows, columns) == (len(stored) if structure.weighted else 0)
    if structure.pairwise:
        stages = rows.bit_length() - 1 if isinstance(structure, FastWalshHadamard) else 1
        assert structure.adds(rows, columns) == rows * stages
        assert structure.adds(rows, columns, onto=True) == rows * (stages + 1)
    else:
        assert structure.adds(rows, columns) == structure.adds(rows, columns, True) == terms


@given(structures())
def test_rows_name_each_column_once_and_only_parameters_that_are_there(case):
    structure, rows, columns = case
    for row in structure.rows(rows, columns):
        assert len(set(row.columns)) == len(row.columns) == len(row.parameters)
        if not isinstance(structure, CyclicBand):
            assert list(row.columns) == sorted(row.columns)
        assert min(row.columns) >= 0 and max(row.columns) < columns
        if structure.weighted:
            assert min(row.parameters) >= 0
            assert max(row.parameters) < np.prod(structure.shape(rows, columns))
        else:
            assert set(row.parameters) <= {1, -1}


@given(structures())
def test_a_nm_row_holds_every_weight_that_is_not_zero(case):
    structure, rows, columns = case
    if not structure.weighted:
        return
    weights = pattern(structure, rows, columns)
    whole = structure.matrix(weights, rows, columns)
    held = np.zeros((rows, columns))
    for index, row in enumerate(structure.stored_rows(weights, rows, columns)):
        held[index, list(row.columns)] = weights[list(row.parameters)]
    np.testing.assert_array_equal(held, whole)


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


def test_where_each_parameter_of_a_structure_stands():
    toeplitz = Toeplitz().matrix(np.arange(1.0, 6), 3, 3)
    assert toeplitz.tolist() == [[3, 4, 5], [2, 3, 4], [1, 2, 3]]
    assert Toeplitz().matrix(np.arange(1.0, 5), 2, 3).tolist() == [[2, 3, 4], [1, 2, 3]]
    circulant = Circulant().matrix(np.array([1.0, 2, 3]), 3, 3)
    assert circulant.tolist() == [[1, 3, 2], [2, 1, 3], [3, 2, 1]]
    stored = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
    cyclic = CyclicBand(1, 1).matrix(stored, 4, 4)
    assert cyclic.tolist() == [[5, 2, 0, 12], [9, 6, 3, 0], [0, 10, 7, 4], [1, 0, 11, 8]]
    blocks = BlockDiagonal(2).matrix(np.arange(1.0, 9).reshape(2, 2, 2), 4, 4)
    assert blocks.tolist() == [[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 5, 6], [0, 0, 7, 8]]
    wide = BlockDiagonal(1).matrix(np.arange(1.0, 7).reshape(2, 1, 3), 2, 6)
    np.testing.assert_array_equal(wide, [[1, 2, 3, 0, 0, 0], [0, 0, 0, 4, 5, 6]])
    tall = BlockDiagonal(2).matrix(np.arange(1.0, 5).reshape(2, 2, 1), 4, 2)
    np.testing.assert_array_equal(tall, [[1, 0], [2, 0], [0, 3], [0, 4]])
    turned = InterleavedBlocks(2).matrix(np.arange(1.0, 9).reshape(2, 2, 2), 4, 4)
    assert turned.tolist() == [[1, 2, 0, 0], [0, 0, 5, 6], [3, 4, 0, 0], [0, 0, 7, 8]]
    stage = ButterflyStage().matrix(np.arange(1.0, 9), 4, 4)
    assert stage.tolist() == [[1, 2, 0, 0], [0, 0, 5, 6], [3, 4, 0, 0], [0, 0, 7, 8]]
    outer = {".left": np.array([[1.0], [2]]), ".right": np.array([[3.0, 4, 5]])}
    assert LowRank(1).full(outer, 2, 3).tolist() == [[3, 4, 5], [6, 8, 10]]
    assert Permutation([1, 2, 0]).full({}, 3, 3).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_a_monarch_mixes_rows_then_columns_of_the_table_of_units():
    rng = np.random.default_rng(0)
    inner, outer, x = rng.normal(size=(3, 2, 2)), rng.normal(size=(2, 3, 3)), rng.normal(size=6)
    table = np.stack([inner[p] @ x.reshape(3, 2)[p] for p in range(3)])
    table = np.stack([outer[r] @ table[:, r] for r in range(2)], 1)
    found = Monarch(2).full({".inner": inner, ".outer": outer}, 6, 6) @ x
    np.testing.assert_allclose(found, table.ravel())


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_the_stages_multiply_to_the_transform(n):
    stage = WalshHadamardStage().matrix(np.zeros(0), n, n)
    whole = np.linalg.matrix_power(stage, n.bit_length() - 1)
    np.testing.assert_array_equal(whole, FastWalshHadamard().matrix(np.zeros(0), n, n))
    assert FastWalshHadamard().adds(n, n) == (n.bit_length() - 1) * WalshHadamardStage().adds(n, n)


def connections(structure, n):
    """Which input of n can affect which output, whatever the weights."""
    support = np.zeros((n, n), bool)
    for index, row in enumerate(structure.rows(n, n)):
        support[index, list(row.columns)] = True
    return support


def reach(structure, n):
    """Steps until every unit of a recurrence of this structure has affected every other."""
    layer = Elman(n, recurrent=structure)
    formats = Formats(input=Q(5, 0), weight=Q(3, 0), state=Q(2, 4), sum=Q(6, 4))
    network = Design(layers=[layer], formats=formats, inputs=1, max_steps=2).network
    (steps,) = network_reach(network).values()
    return steps


def steps_to_reach_all(support):
    """Brute force: how far the farthest pair of units is apart."""
    n = len(support)
    reached, steps = np.eye(n, dtype=bool), 0
    while not reached.all() or steps == 0:
        further = reached | (support.astype(int) @ reached.astype(int) > 0)
        steps += 1
        if (further == reached).all() and n > 1:
            return None
        reached = further
    return steps


@given(structures(square=True))
def test_diameter_is_how_far_the_farthest_units_are_apart(case):
    structure, n, _ = case
    support = connections(structure, n)
    assert support.any()
    assert diameter(support) == steps_to_reach_all(support)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0, 0.6))
def test_the_diameter_of_any_connections(n, seed, density):
    support = np.random.default_rng(seed).random((n, n)) < density
    assert diameter(support) == steps_to_reach_all(support)


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
    if term[0] <= 0 <= term[1] and not isinstance(structure, Banded | Sparse):
        assert bounds == (min(least), max(most))
    if isinstance(structure, Banded) and structure.lower + structure.upper < columns - 1:
        widest = max(len(row.columns) for row in structure.rows(rows, columns))
        if widest == structure.lower + structure.upper + 1 and term[0] <= 0 <= term[1]:
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
        (ButterflyStage(), (96, 96), "Butterfly needs a power-of-two width, got 96", "64 or 128"),
        (Butterfly(), (12, 12), "Butterfly needs a power-of-two width, got 12", "8 or 16"),
        (Hadamard(), (8, 4), "needs a square matrix, got 8 x 4", ""),
        (CyclicBand(2, 1), (3, 3), "meets itself in a matrix of 3 x 3", "at most 2"),
        (CyclicBand(1, 1), (4, 3), "needs a square matrix", ""),
        (BlockDiagonal(4), (6, 6), "6 units are not whole blocks", "1, 2, 3, 6"),
        (BlockDiagonal(4), (8, 5), "2 blocks cannot share 5 columns", "use a block of 8"),
        (BlockDiagonal(1), (6, 4), "6 blocks cannot share 4 columns", "use a block of 3, 6"),
        (InterleavedBlocks(2), (4, 8), "needs a square matrix, got 4 x 8", ""),
        (Monarch(2), (4, 8), "needs a square matrix, got 4 x 8", ""),
        (Monarch(4), (6, 6), "6 units are not whole blocks", "1, 2, 3, 6"),
        (Circulant(), (3, 4), "needs a square matrix", ""),
        (Sparse(2, 4), (6, 6), "6 columns are not whole groups of 4", "multiple of 4"),
        (LowRank(4), (3, 9), "LowRank", "at most 3"),
        (Permutation([1, 0]), (3, 3), "permutes 2 units, the matrix is 3 x 3", ""),
        (UnitWeights(), (3, 4), "needs a square matrix", ""),
        (Diagonal() + LowRank(1), (3, 4), "Diagonal.* needs a square matrix", ""),
        (Diagonal() @ Dense(), (3, 4), "Diagonal.* needs a square matrix", ""),
    ],
)
def test_matrices_that_a_structure_cannot_be_are_refused(structure, shape, message, hint):
    with pytest.raises(DesignError, match=message) as caught:
        structure.check(*shape)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Banded(-1, 1), r"Banded\(lower=-1, upper=1\)"),
        (lambda: CyclicBand(1, -1), r"CyclicBand\(lower=1, upper=-1\)"),
        (lambda: BlockDiagonal(0), "a block has at least one unit"),
        (lambda: Monarch(0), "a block has at least one unit"),
        (lambda: LowRank(0), "the rank is at least 1"),
        (lambda: Sparse(3, 2), "keep 1 to 2 weights of 2"),
        (lambda: Sparse(0, 4), "keep 1 to 4 weights of 4"),
        (lambda: Permutation([0, 0, 2]), "an index is missing or there twice"),
        (lambda: Sum(Diagonal()), "give at least two parts"),
        (lambda: Product(Diagonal(), 3), "3 is not a structure"),
        (lambda: Diagonal() + 3, "3 is not a structure"),
        (lambda: Diagonal() @ Dense, "is not a structure"),
        (lambda: Permutation([0, "a"]), "indices must be whole numbers"),
        (lambda: BlockDiagonal("4"), r"BlockDiagonal\(block='4'\): block must be of type int"),
        (lambda: Banded(1.5, 1), "lower must be of type int"),
        (lambda: Monarch(True), "block must be of type int"),
        (lambda: Hadamard(before=3), "before must be of type bool"),
        (lambda: Butterfly(activation=Sigmoid), r"write activation=Sigmoid\(...\)"),
    ],
)
def test_structures_that_cannot_be_are_refused(make, message):
    with pytest.raises(DesignError, match=message):
        make()


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


# --- science: the table of costs ---------------------------------------------------------------
N, B, K, R = 64, 3, 8, 2
STAGES = 6
COSTS = [
    (Dense(), N * N, N * N, N * N, 1),
    (Banded(B, B), N * 7 - B * 4, N * 7 - B * 4, N * 7 - B * 4, 21),
    (CyclicBand(B, B), N * 7, N * 7, N * 7, 11),
    (Diagonal(), N, N, N, None),
    (BlockDiagonal(K), N * K, N * K, N * K, None),
    (Diagonal() + LowRank(R), N + 2 * N * R, N + 2 * N * R, N + 2 * N * R, 1),
    (FastWalshHadamard(), 0, N * STAGES, 0, 1),
    (Hadamard(), 2 * N, N * STAGES + N, 2 * N, 1),
    (Diagonal() @ FastWalshHadamard() @ Diagonal(), 2 * N, N * STAGES + 2 * N, 2 * N, 1),
    (Butterfly(), 2 * N * STAGES, N * STAGES, 2 * N * STAGES, 1),
    (Butterfly(bias=True), 2 * N * STAGES, N * STAGES + N * (STAGES - 1), 2 * N * STAGES, 1),
    (Monarch(K), N * (K + N // K), N * (K + N // K), N * (K + N // K), 1),
    (Circulant(), N * N, N * N, N, 1),
    (Toeplitz(), N * N, N * N, 2 * N - 1, 1),
    (UnitWeights(), 0, 0, 0, None),
    (Permutation([*range(1, N), 0]), 0, 0, 0, N - 1),
]


@pytest.mark.parametrize(("structure", "multiplies", "adds", "words", "steps"), COSTS)
def test_costs_are_those_of_the_literature(structure, multiplies, adds, words, steps):
    assert structure.multiplies(N, N) == multiplies
    assert structure.adds(N, N) == adds
    assert structure.stored_words(N, N) == words
    assert reach(structure, N) == steps


def test_nm_words_carry_their_place():
    structure = Sparse(2, 4)
    assert structure.multiplies(N, N) == structure.stored_words(N, N) == N * N // 2
    assert structure.word_bits(8) == 10
    assert [Sparse(1, of).word_bits(8) for of in (1, 2, 3, 8, 9)] == [8, 9, 10, 11, 12]


# --- compositions ------------------------------------------------------------------------------
FORMATS = Formats(weight=Q(3, 0), bias=Q(3, 0))


@st.composite
def linear_structures(draw):
    """A structure that is a matrix, of n units, with random integer parameters."""
    rng = draw(st.randoms(use_true_random=False))
    n = rng.choice([2, 3, 4, 6, 8])
    linear = False
    while not linear:
        structure = draw_composition(rng, n)
        linear = not any(word in repr(structure) for word in ("bias=True", "Sigmoid", "ReLU"))
    return structure, n, rng.randint(0, 2**32 - 1)


def network_of(structure, n, onto):
    """One layer that gives the structure times its input, onto a vector or by itself."""

    def step(g, x):
        start = g.literal("start", [5] * n) if onto else None
        product = g.linear(structure, "U", x, n, start, role="weight", name="Uh")
        return product if product is not x else g.gather([x], range(n))

    return one_layer(step, Q(5, 0), units=n, formats=FORMATS)


def draw_tensors(network, seed):
    """Small integers for every tensor, N:M zeros where they belong."""
    rng = np.random.default_rng(seed)
    found = {tensor.key: rng.integers(-2, 3, tensor.shape) for tensor in network.tensors}
    for scan in network.scans:
        for node in scan.graph.nodes:
            if isinstance(node, Matvec) and isinstance(node.structure, Sparse):
                given = found[node.weights.key].astype(float)
                found[node.weights.key] = node.structure.project(given).matrix
    return found


@settings(deadline=None)
@given(linear_structures(), st.booleans())
def test_what_is_written_is_the_matrix_with_the_costs_that_compose(case, onto):
    structure, n, seed = case
    network = network_of(structure, n, onto)
    counts = step_counts(network.scans[0].graph, ["inputs"])
    assert counts.multiplies == structure.multiplies(n, n)
    assert counts.adds == structure.adds(n, n, onto)
    tensors = draw_tensors(network, seed)
    assert sum(
        node.structure.stored_words(node.units, node.vector.units)
        for node in network.scans[0].graph.nodes
        if isinstance(node, Matvec)
    ) + sum(
        node.units for node in network.scans[0].graph.nodes if getattr(node, "tensor", None)
    ) == structure.stored_words(n, n)
    parameters = {key.removeprefix("l.U"): np.array(v, float) for key, v in tensors.items()}
    whole = structure.full(parameters, n, n)
    raw = {key.removeprefix("l."): v for key, v in tensors.items()}
    outputs = golden_run(network, np.eye(n)[:, None], **raw).outputs[:, 0]
    np.testing.assert_array_equal(outputs.T, whole + 5 * onto)


@settings(deadline=None)
@given(linear_structures())
def test_the_reach_of_a_composition_is_that_of_its_matrix(case):
    structure, n, seed = case
    if "Sparse" in repr(structure):
        return
    rng = np.random.default_rng(seed)
    network = network_of(structure, n, onto=False)
    numbers = {each.key: rng.uniform(1, 2, each.shape) for each in network.tensors}
    parameters = {key.removeprefix("l.U"): value for key, value in numbers.items()}
    whole = structure.full(parameters, n, n)
    assert reach(structure, n) == steps_to_reach_all(np.abs(whole) > 1e-9)


def test_operators_build_flat_sums_and_products():
    assert Diagonal() + LowRank(1) + UnitWeights() == Sum(Diagonal(), LowRank(1), UnitWeights())
    assert Diagonal() @ Dense() @ Diagonal() == Product(Diagonal(), Dense(), Diagonal())
    assert (
        repr(Diagonal() @ (Dense() + Diagonal())) == "Product(Diagonal(), Sum(Dense(), Diagonal()))"
    )


def test_a_product_casts_what_its_factors_hand_on():
    structure = Diagonal() @ Permutation([1, 0]) @ BlockDiagonal(2)

    def step(g, x):
        return g.linear(structure, "U", x, 2, name="Uh")

    formats = Formats(weight=Q(3, 0), stage=Q(2, 0))
    signals = set(one_layer(step, Q(3, 0), units=2, formats=formats).signals())
    assert signals == {"l.x", "l.U.factor2", "l.U.stage2", "l.U.factor1", "l.Uh"}


def test_neurons_between_the_stages_of_a_butterfly():
    structure = Butterfly(Sigmoid(), bias=True)

    def step(g, x):
        return g.linear(structure, "U", x, 4, name="Uh")

    formats = Formats(weight=Q(3, 0), sum=Q(3, 2), state=Q(0, 8, signed=False))
    network = one_layer(step, Q(3, 0), units=4, formats=formats)
    assert {t.key: t.shape for t in network.tensors} == {
        "l.U.bias0": (4,),
        "l.U.0": (2, 2, 2),
        "l.U.1": (2, 2, 2),
    }
    assert {"l.U.sum0", "l.U.neurons0", "l.Uh"} <= set(network.signals())
    stage = np.arange(1, 9).reshape(2, 2, 2)
    x = np.array([1, -2, 3, 1])
    run = golden_run(
        network, x[None, None], traces=["l.U.pairs0"], **{
            "U.0": stage, "U.1": stage, "U.bias0": [1, -1, 2, 0]
        },
    )  # fmt: skip
    expected = [1 * 1 - 2 * 2 + 1, 5 * 3 + 6 * 1 - 1, 3 * 1 - 4 * 2 + 2, 7 * 3 + 8 * 1 + 0]
    assert run.traces["l.U.pairs0"][0, 0].tolist() == expected
    with pytest.raises(DesignError, match="is no matrix"):
        structure.full({}, 4, 4)
    with pytest.raises(DesignError, match="no way to fit it"):
        structure.project(np.eye(4))


@pytest.mark.parametrize("n", [2, 4, 8, 32])
def test_an_in_place_butterfly_is_the_same_matrix(n):
    stages = n.bit_length() - 1
    rng = np.random.default_rng(n)
    own, partner = rng.normal(size=(2, stages, n))
    h = rng.normal(size=n)
    expected = h
    for s in range(stages):
        expected = own[s] * expected + partner[s] * expected[np.arange(n) ^ (1 << s)]
    found = Butterfly().full(Butterfly.from_in_place(own, partner), n, n) @ h
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_in_place_stages_of_a_wrong_shape_are_refused():
    with pytest.raises(DesignError, match=r"shapes \(2, 8\) and \(2, 8\)"):
        Butterfly.from_in_place(np.zeros((2, 8)), np.zeros((2, 8)))
    with pytest.raises(DesignError, match="in-place stages"):
        Butterfly.from_in_place(np.zeros((3, 8)), np.zeros((3, 4)))


# --- projection --------------------------------------------------------------------------------
FITTED = [
    Dense(),
    Banded(2, 1),
    CyclicBand(1, 1),
    Diagonal(),
    BlockDiagonal(4),
    InterleavedBlocks(4),
    Toeplitz(),
    Circulant(),
    Sparse(2, 4),
    LowRank(2),
    Monarch(4),
    Hadamard(),
    Hadamard(before=False),
    Hadamard(after=False),
    Hadamard(before=False, after=False),
    Butterfly(),
    Permutation(range(15, -1, -1)),
    UnitWeights(),
    FastWalshHadamard(),
    Diagonal() + LowRank(1),
    Banded(1, 1) + LowRank(2),
]


@pytest.mark.parametrize("structure", FITTED, ids=repr)
def test_a_matrix_of_the_structure_is_found_again(structure):
    rng = np.random.default_rng(0)
    first = structure.project(rng.normal(size=(16, 16)))
    assert first.error < 1 or not first.parameters or isinstance(structure, UnitWeights)
    again = structure.project(first.matrix)
    np.testing.assert_allclose(again.matrix, first.matrix, atol=1e-5)
    assert again.error < 1e-5
    np.testing.assert_array_equal(structure.full(again.parameters, 16, 16), again.matrix)


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (3, 12)])
def test_rectangular_blocks_are_fitted_block_by_block(shape):
    matrix = np.random.default_rng(0).normal(size=shape)
    found = BlockDiagonal(shape[0] // 3).project(matrix)
    expected = np.zeros(shape)
    for block in range(3):
        own = tuple(slice(block * size // 3, (block + 1) * size // 3) for size in shape)
        expected[own] = matrix[own]
    np.testing.assert_array_equal(found.matrix, expected)
    assert found.parameters[""].shape == (3, shape[0] // 3, shape[1] // 3)


@pytest.mark.parametrize("structure", FITTED, ids=repr)
def test_no_neighbour_is_nearer_than_the_projection(structure):
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(16, 16))
    found = structure.project(matrix)
    distance = np.linalg.norm(matrix - found.matrix)
    assert found.error == pytest.approx(distance / np.linalg.norm(matrix))
    greedy = isinstance(structure, Butterfly)  # only its stages are optimal one by one
    for _ in range(50):
        moved = {
            key: values + 1e-2 * rng.normal(size=values.shape) * (values != 0)
            for key, values in found.parameters.items()
        }
        farther = np.linalg.norm(matrix - structure.full(moved, 16, 16))
        assert greedy or farther >= distance - 1e-9


def test_a_butterfly_is_recovered_from_its_matrix():
    rng = np.random.default_rng(2)
    given = {f".{s}": rng.normal(size=(32, 2, 2)) for s in range(6)}
    matrix = Butterfly().full(given, 64, 64)
    assert Butterfly().project(matrix).error < 1e-12
    signs = FastWalshHadamard().matrix(np.zeros(0), 16, 16)
    assert Butterfly().project(signs).error < 1e-12


def test_a_projection_is_saved_under_the_keys_of_the_design():
    found = (Diagonal() + LowRank(1)).project(np.diag([1.0, 2.0]) + 1)
    shapes = {key: values.shape for key, values in found.tensors("rnn.U").items()}
    assert shapes == {"rnn.U.0": (2,), "rnn.U.1.left": (2, 1), "rnn.U.1.right": (1, 2)}
    assert found.error < 1e-6


def test_what_cannot_be_projected_is_refused():
    with pytest.raises(DesignError, match="no way to fit it"):
        (Diagonal() @ Dense()).project(np.eye(3))
    with pytest.raises(DesignError, match="finite matrix"):
        Dense().project(np.full((2, 2), np.nan))
    with pytest.raises(DesignError, match="finite matrix"):
        Dense().project(np.zeros(3))
    with pytest.raises(DesignError, match="needs a square matrix"):
        Banded(1, 1).project(np.zeros((3, 4)))
    assert Diagonal().project(np.zeros((3, 3))).error == 0


# --- weights and kernels -----------------------------------------------------------------------
def test_too_many_weights_in_a_group_are_refused_with_their_place():
    def step(g, x):
        return g.linear(Sparse(1, 4), "U", x, 2, name="Uh")

    network = one_layer(step, Q(3, 0), units=8, formats=FORMATS)
    values = np.zeros((2, 8))
    values[1, 5:7] = 1
    with pytest.raises(DesignError, match=r"l\.U\[1, 4:8\] has 2 weights .* keeps 1") as caught:
        load_parameters(network, {"l.U": values})
    assert "project" in caught.value.hint


@pytest.mark.parametrize("structure", [Toeplitz(), Circulant(), Sparse(1, 4), CyclicBand(1, 1)])
@pytest.mark.parametrize("lanes", [16, 1])
def test_no_structure_is_expanded_to_dense_for_the_kernels(structure, lanes):
    def step(g, x):
        return g.linear(structure, "U", x, 64, name="Uh")

    network = one_layer(step, Q(3, 0), units=64, formats=FORMATS)
    raw = {tensor.key: np.zeros(tensor.shape, np.int64) for tensor in network.tensors}
    parameters = Parameters(raw, raw, {key: Events() for key in raw})
    (rows,) = next(iter(plan_network(network, parameters, lanes).scans.values())).matrices
    # Pairs of int16 columns can double what scattered columns hold.
    assert rows.weights.size <= 2 * structure.terms(64, 64)
    if isinstance(structure, Toeplitz | Circulant):
        assert rows.weights.size == 128


def test_every_structure_has_a_name():
    def family(kind):
        return {kind, *(x for sub in kind.__subclasses__() for x in family(sub))}

    for kind in family(Elementary):
        assert kind is Elementary or (isinstance(kind.name, str) and kind.name)


def test_drawn_structures_cover_all_kinds():
    rng = random.Random(0)
    drawn = {type(draw_elementary(rng, 8)) for _ in range(300)}
    drawn |= {type(draw_composition(rng, 8)) for _ in range(300)}
    assert len(drawn) >= 17
