"""What is proved of a product holds for the vectors that try it hardest."""

import random

import numpy as np
import pytest
from helpers.graphs import draw_case, one_layer, raw_parameters
from hypothesis import given
from hypothesis import strategies as st

from rnnhw.execution.products import EVERY_COLUMN, MOST_PAIRS, Product
from rnnhw.graph.nodes import Constant, Matvec
from rnnhw.layers.structures import Banded, Dense
from rnnhw.numerics.cast import Overflow, Q, Rounding, cast, rounded


def by_format(node):
    """The bounds of a product's operands, by their formats alone."""
    return {operand: operand.interval for operand in node.operands}


def products(case):
    """Every weighted product of a case, for both sizes of element, with its flat weights."""
    raw = case.parameters.raw
    for scan in case.network.scans:
        for node in scan.graph.nodes:
            if isinstance(node, Matvec) and node.weights is not None:
                for bits in (32, 64):
                    yield Product(node, raw, bits, by_format(node)), raw[node.weights.key].ravel()


def start_ends(node, raw):
    """The least and the greatest start of every row."""
    match node.start:
        case None:
            return [(0, 0)] * node.units
        case Constant(tensor=None):
            return [(value, value) for value in node.start.values]
        case Constant():
            return [(value, value) for value in raw[node.start.tensor.key].ravel().tolist()]
    return [node.start.interval] * node.units


def hardest(product, row, weights, upwards):
    """A row's terms, as they are added, for the vector that drives its partial sums furthest."""
    low, high = product.node.vector.interval
    chosen = [high if (weight > 0) == upwards else low for weight in weights[list(row.parameters)]]
    terms = [int(w) * x for w, x in zip(weights[list(row.parameters)], chosen, strict=True)]
    if product.cast is not None:
        terms = [cast(term, product.exact_fraction, product.cast)[0] for term in terms]
    return [term for term in terms if (term > 0) == upwards]


@given(st.integers(0, 2**32 - 1))
def test_no_partial_sum_leaves_its_bounds(seed):
    for product, weights in products(draw_case(random.Random(seed))):
        node = product.node
        for row in node.structure.stored_rows(weights, node.units, node.vector.units):
            for upwards in (False, True):
                terms = hardest(product, row, weights, upwards)
                assert abs(sum(terms)) <= product.sum_bound
                assert all(abs(term) <= product.largest_term for term in terms)


@given(st.integers(0, 2**32 - 1))
def test_what_is_cast_once_never_clips_on_the_way(seed):
    case = draw_case(random.Random(seed))
    for product, weights in products(case):
        node, to = product.node, product.node.accumulator
        if to is None or to.overflow is Overflow.WRAP or not product.sums_once:
            continue
        starts = start_ends(node, case.parameters.raw)
        fraction = to.fraction if node.start is None else node.start.format.fraction
        rows = node.structure.stored_rows(weights, node.units, node.vector.units)
        for ends, row in zip(starts, rows, strict=True):
            for upwards in (False, True):
                total = rounded(ends[upwards], fraction - to.fraction, to.rounding)
                for term in hardest(product, row, weights, upwards):
                    total += term << (to.fraction - product.fraction)
                assert to.lowest <= total <= to.max


@pytest.mark.parametrize("rounding", Rounding)
def test_an_accumulator_drops_bits_of_every_product_where_rounding_ignores_whole_numbers(rounding):
    def step(g, x):
        return g.matvec(Dense(), g.tensor("W", (4, 4), "weight"), x, 4, name="a")

    to = Q(9, 3, rounding=rounding, overflow=Overflow.WRAP)
    network = one_layer(step, Q(0, 7), {"l.W": Q(0, 7), "l.accumulator": to}, 4)
    node = network.signal("l.a")
    product = Product(node, raw_parameters(network, W=np.ones((4, 4))).raw, 64, by_format(node))
    assert (product.cast is not None) == product.sums_once == rounding.shift_invariant
    if product.cast is not None:
        assert (product.cast.fraction, product.cast.rounding) == (3, rounding)
        assert product.products_fit


def test_bounds_of_a_wide_cast_do_not_leave_64_bits():
    """An unsigned accumulator clips negative sums, however wide the word of a product is."""

    def step(g, x):
        return g.matvec(Dense(), g.tensor("W", (4, 4), "weight"), x, 4, name="a")

    to = Q(19, 3, signed=False)
    network = one_layer(step, Q(0, 7), {"l.W": Q(0, 7), "l.accumulator": to}, 4)
    for weight in (100, -100):
        raw = raw_parameters(network, W=np.full((4, 4), weight)).raw
        for bits in (32, 64):
            node = network.signal("l.a")
            assert not Product(node, raw, bits, by_format(node)).sums_once


@pytest.mark.parametrize("chunk", [4, EVERY_COLUMN])
@pytest.mark.parametrize("units", [6, 7, 11, 16])
@pytest.mark.parametrize("half_width", [0, 1, 2, 3, 4])
def test_few_pairs_hold_the_band(half_width, units, chunk):
    structure = Banded(half_width, half_width)

    def step(g, x):
        s = g.state(units, "s")
        weights = g.tensor("W", structure.shape(units, units), "weight")
        a = g.matvec(structure, weights, s, units, name="a")
        return g.update(s, g.cast(g.add(a, x), "s"))

    design = one_layer(step, Q(1, 5), {"l.W": Q(0, 5), "l.s": Q(1, 5)}, units)
    raw = {"l.W": np.arange(1, 1 + np.prod(structure.shape(units, units)))}
    (node,) = (n for n in design.scans[0].graph.nodes if isinstance(n, Matvec))
    plan = Product(node, raw, 64, by_format(node)).packed(np.dtype(np.int16), chunk, False)
    columns = units + units % 2
    if plan.pairs:
        assert plan.pairs <= min(MOST_PAIRS, chunk // 2)
        assert (plan.count == 2 * plan.pairs).all() and (plan.first % 2 == 0).all()
        assert (plan.offset == 2 * plan.pairs * np.arange(units)).all()
        assert (plan.first >= 0).all() and (plan.first + plan.count <= columns).all()
    rows = structure.rows(units, units)
    most = max(-(-(row.columns[-1] + 1) // 2) - row.columns[0] // 2 for row in rows)
    assert plan.pairs == (most if most <= min(MOST_PAIRS, chunk // 2) else 0)
    held = np.zeros((units, columns))
    for row in range(units):
        here = slice(plan.offset[row], plan.offset[row] + plan.count[row])
        held[row, plan.first[row] : plan.first[row] + plan.count[row]] = plan.weights[here]
    assert np.array_equal(held[:, :units], structure.matrix(raw["l.W"], units, units))
    assert not held[:, units:].any()
