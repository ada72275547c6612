"""Counts: the closed formulas against numbers worked out on paper."""

import numpy as np
import pytest
from helpers.graphs import Case, assert_engine_equals_golden, draw_batch, draw_parameters, one_layer

from rnnhw import Banded, Design, Elman, Formats, Hadamard, HardTanh, Last, Linear, Mean, Q, Window
from rnnhw.analysis import counts
from rnnhw.analysis.counts import Access, Counts, layer_counts, step_counts
from rnnhw.analysis.work import WORK
from rnnhw.graph.network import TIME_OPERATIONS, time_table
from rnnhw.graph.nodes import OPERATIONS, operation_table
from rnnhw.layers.structures import Dense
from rnnhw.numerics.cast import Overflow

FORMATS = {"input": Q(3, 4), "weight": Q(1, 6), "sum": Q(3, 4), "state": Q(0, 7)}


def network(*layers, inputs=3, **formats):
    return Design(list(layers), Formats(**(FORMATS | formats)), inputs=inputs, max_steps=9).network


def step(*layers, **more):
    """Counts of one step of the only layer."""
    ((_, found),) = layer_counts(network(*layers, **more), [1]).items()
    return found


def edge_case(design):
    rng = np.random.default_rng(1)
    return Case(design, draw_parameters(rng, design), draw_batch(rng, design, 3, 2), ())


def words(reads=0, writes=0, width=8):
    return Access(reads, writes, reads * width, writes * width)


def test_a_dense_elman_step():
    # W 2 x 3, U 2 x 2: 10 products. The bias (6 fraction bits) is aligned to W x (10), that to
    # U h (13): two shifts a unit. Every number is 8 bits wide.
    assert step(Elman(2)) == Counts(
        multiplies=10,
        adds=10,
        shifts=4,
        requantisations=2,
        lookups=2,
        weights=words(10),
        biases=words(2),
        inputs=words(3),
        state=words(2, 2),
        tables=words(2),
    )


def test_a_banded_elman_step():
    # U is 4 x 4 with one band on each side: 4 + 3 + 3 = 10 weights; W 4 x 3.
    assert step(Elman(4, recurrent=Banded(1, 1))) == Counts(
        multiplies=22,
        adds=22,
        shifts=8,
        requantisations=4,
        lookups=4,
        weights=words(22),
        biases=words(4),
        inputs=words(3),
        state=words(4, 4),
        tables=words(4),
    )


def test_a_hadamard_elman_step():
    # W 12 products, 4 before, 4 x log2(4) additions, 4 products after. before * h is 16 bits
    # wide (2**14 is reached), the transform of it 18 (2**16 is).
    assert step(Elman(4, recurrent=Hadamard())) == Counts(
        multiplies=20,
        adds=24,
        shifts=8,
        requantisations=4,
        lookups=4,
        weights=words(20),
        biases=words(4),
        inputs=words(3),
        state=words(4, 4),
        activations=Access(8, 8, 4 * 16 + 4 * 18, 4 * 16 + 4 * 18),
        tables=words(4),
    )


def test_a_staged_hadamard_casts_between_the_stages():
    staged = step(Elman(4, recurrent=Hadamard(), bias=False), stage=Q(3, 4))
    # before_product, two stages and the sum are cast
    assert staged.requantisations == 16
    assert staged.adds == 24
    # before_product and both stages are read by a product: 3 vectors of 8-bit words
    assert staged.activations == words(12, 12)


def test_a_clamp_is_two_comparisons_and_its_cast_one_requantisation():
    found = step(Elman(3, activation=HardTanh()))
    assert (found.comparisons, found.requantisations, found.lookups) == (6, 6, 0)


def test_a_head_reads_activations_and_writes_its_output():
    # y = W h + b: 2 products, 8 + 8 + 1 bits; b is aligned.
    design = network(Elman(2, name="rnn"), Linear(1, name="y"))
    found = layer_counts(design, [1])["y"]
    width = design.output.format.width
    assert found == Counts(
        multiplies=2,
        adds=2,
        shifts=1,
        weights=words(2),
        biases=words(1),
        activations=Access(2, 1, 16, width),
    )


def test_products_and_accumulators_requantise_every_term():
    plain = step(Linear(2, bias=False))
    assert plain.requantisations == 0
    assert step(Linear(2, bias=False), product=Q(3, 4)).requantisations == 6
    assert step(Linear(2, bias=False), accumulator=Q(5, 10)).requantisations == 6
    assert step(Linear(2), product=Q(3, 4), accumulator=Q(5, 10)).requantisations == 14
    wide = Q(20, 10, overflow=Overflow.WRAP)  # the product passes unchanged: no cast
    assert step(Linear(2, bias=False), product=wide).requantisations == 0


def test_what_moves_no_bit_costs_nothing():
    def write(g, x):
        joined = g.gather([x, x], [0, 3, 2])
        return g.cast(g.reinterpret(joined, Q(4, 4)), "y")

    found = layer_counts(one_layer(write, Q(3, 4), {"l.y": Q(5, 4)}, 2), [1])["l"]
    assert found == Counts(activations=Access(0, 3, 0, 30))


def test_a_gather_reads_each_element_where_it_is_stored():
    def write(g, x):
        s = g.state(2, "s")
        g.update(s, s)
        inner = g.gather([x, s], [0, 2, 3, 3])  # one input, three words of state
        outer = g.gather([inner, x], [3, 1, 0, 4])  # s[1], s[0], x[0], x[0]
        return g.add(outer, outer, "twice")

    found = layer_counts(one_layer(write, Q(3, 4), {"l.s": Q(3, 4)}, 2), [1])["l"]
    assert found.inputs == words(4)
    assert found.state == words(4, 2)
    assert found.adds == 4


def test_a_total_adds_every_step_of_its_source():
    found = layer_counts(network(Mean(name="m")), [5, 2])["m"]
    width = 12  # 9 steps of 8 bits
    assert found == Counts(adds=21, inputs=words(21), state=words(21, 21, width))


def test_counts_are_per_valid_step_of_every_sequence():
    design = network(Window(3), Elman(2, name="rnn"), Last(), Linear(1, name="y"))
    (scan, _) = design.scans
    once = step_counts(scan.graph, ["inputs"])
    found = layer_counts(design, [3, 4, 7])
    assert found["rnn"] == once * (1 + 2 + 5)
    assert found["y"].multiplies == 3 * 2


def test_stored_vectors_are_what_a_product_reads():
    def write(g, x):
        doubled = g.add(x, x, "doubled")
        aliased = g.reinterpret(doubled, Q(9, 0))
        return g.linear(Dense(), "W", aliased, 1)

    design = one_layer(write, Q(7, 0), {"l.W": Q(3, 0)}, 2)
    stored = counts.stored_vectors(design.scans[0].graph)
    assert {node.name for node in stored} == {"doubled"}


def test_a_cast_that_changes_nothing_is_no_vector_of_its_own():
    def write(g, x):
        doubled = g.add(x, x, "doubled")  # 9 bits
        wider = g.cast(doubled, "sum", "wider")
        h = g.state(1, "h")
        same = g.cast(h, "state", "same")
        product = g.linear(Dense(), "W", wider, 1, name="Wx")
        g.update(h, g.cast(g.add(product, same, "plus"), "state", "h.new"))
        return product

    overrides = {"l.W": Q(3, 0), "l.wider": Q(6, 4), "l.h": Q(3, 4), "l.same": Q(7, 4)}
    design = one_layer(write, Q(3, 4), overrides | {"l.h.new": Q(3, 4)}, 2)
    stored = counts.stored_vectors(design.scans[0].graph)
    assert {node.name for node in stored} == {"doubled"}
    found = layer_counts(design, [1])["l"]
    # x + x, the product of two terms, and h + W d: doubled is written and read once, in its own
    # 9 bits, and h read from where it is stored. Wx is the output: up to
    # 2 x 2**10 x 2**3 = 2**14 by the range of the cast, one more than 15 bits hold.
    assert found == Counts(
        multiplies=2,
        adds=5,
        requantisations=1,
        weights=words(2, width=4),
        inputs=words(4),
        state=words(1, 1),
        activations=Access(2, 3, 2 * 9, 2 * 9 + 16),
    )
    assert_engine_equals_golden(edge_case(design))


def test_a_product_reads_each_gathered_result_where_it_is_stored():
    def write(g, x):
        doubled = g.add(x, x, "doubled")  # 9 bits
        chosen = g.gather([doubled, g.add(x, x, "unread"), x], [1, 1, 0, 4], "chosen")
        return g.linear(Dense(), "W", chosen, 1, name="Wx")

    design = one_layer(write, Q(3, 4), {"l.W": Q(3, 0)}, 2)
    found = layer_counts(design, [1])["l"]
    # Three elements of doubled and one input; both its elements were written. Nothing takes an
    # element of the second sum, so that it is not stored.
    assert found == Counts(
        multiplies=4,
        adds=8,
        weights=words(4, width=4),
        inputs=Access(9, 0, 72, 0),
        activations=Access(3, 3, 3 * 9, 2 * 9 + 15),
    )
    assert_engine_equals_golden(edge_case(design))


def test_counts_add_multiply_and_flatten():
    one = Counts(multiplies=2, weights=Access(1, 2, 3, 4))
    assert one + one == one * 2
    flat = dict((one * 3).flat())
    assert flat["multiplies"] == 6
    assert flat["weights.write_bits"] == 12
    assert len(flat) == 6 + 6 * 4


@pytest.mark.parametrize("missing", OPERATIONS)
def test_a_table_of_work_with_a_hole_fails(missing):
    assert set(WORK) == set(OPERATIONS)
    table = {op: row for op, row in WORK.items() if op is not missing}
    with pytest.raises(TypeError, match=missing.__name__):
        operation_table(table)


@pytest.mark.parametrize("missing", TIME_OPERATIONS)
def test_a_time_count_table_with_a_hole_fails(missing):
    assert set(counts.TIME_COUNTS) == set(TIME_OPERATIONS)
    table = {op: row for op, row in counts.TIME_COUNTS.items() if op is not missing}
    with pytest.raises(TypeError, match=missing.__name__):
        time_table(table)
