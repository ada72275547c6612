"""The definition against numbers worked out by hand."""

import numpy as np
import pytest
from helpers.graphs import golden_run, one_layer

from rnnhw import DesignError, Elman, Formats, ReLU
from rnnhw.graph.network import NetworkBuilder
from rnnhw.layers.structures import Dense, FastWalshHadamard, WalshHadamardStage
from rnnhw.numerics.cast import Events, Overflow, Q, Rounding
from rnnhw.numerics.tables import RealFunction

BYTE = Q(7, 0)


def row(accumulator=None, product=None, terms=2, weight=BYTE, start=True):
    """One unit: ``b + W x`` with the formats of its product and accumulator."""
    overrides = {"l.W": weight, "l.b": BYTE}
    overrides |= {"l.accumulator": accumulator} if accumulator else {}
    overrides |= {"l.product": product} if product else {}

    def step(g, x):
        b = g.constant("b", 1, "bias") if start else None
        return g.matvec(Dense(), g.tensor("W", (1, terms), "weight"), x, 1, b, name="a")

    return one_layer(step, BYTE, overrides, terms)


def sum_of(network, weights, b=0):
    """Result and events of the row's ``a`` for inputs of one."""
    raw = {"W": [weights]} | ({"b": [b]} if b is not None else {})
    found = golden_run(network, [[[1] * len(weights)]], **raw)
    return int(found.outputs[0, 0, 0]), found.events


# --- sums --------------------------------------------------------------------------------------
def test_an_exact_sum_has_no_events():
    assert sum_of(row(), [100, 100], 100) == (300, {})


def test_the_bias_comes_first_and_clips_with_the_first_add():
    # 100 + 100 = 200 -> 127, then 127 - 100 = 27; with the bias last it would be 100.
    value, events = sum_of(row(Q(7, 0)), [100, -100], 100)
    assert value == 27
    assert events == {"l.a": Events(high=1)}


def test_columns_are_added_in_ascending_order():
    # 100 - 100 = 0, 0 + 100 = 100: the same terms in the other order do not clip.
    assert sum_of(row(Q(7, 0)), [-100, 100], 100) == (100, {"l.a": Events()})


def test_every_add_that_clips_is_an_event():
    value, events = sum_of(row(Q(7, 0), terms=4), [100, 100, -128, -128], 100)
    # 200 -> 127, 227 -> 127, -1, -129 -> -128
    assert value == -128
    assert events["l.a"] == Events(high=2, low=1)


def test_a_start_that_does_not_fit_the_accumulator_clips_first():
    assert sum_of(row(Q(3, 0)), [-1, 0], 100) == (6, {"l.a": Events(high=1)})


def test_a_wrapping_accumulator_whose_start_comes_back_into_the_word_counts_no_event():
    # 100 wraps to -28; -28 - 60 = -88 wraps to 40, which is the sum.
    network = row(Q(6, 0, overflow=Overflow.WRAP), terms=1)
    assert sum_of(network, [-60], 100) == (40, {"l.a": Events()})


@pytest.mark.parametrize(
    ("weights", "value", "wraps"),
    [([100, -100], 100, 0), ([100, 100], 44, 1), ([-100, -128], -128, 0), ([127, 127], 98, 1)],
)
def test_a_wrapping_accumulator_counts_one_event_if_the_final_sum_is_outside(weights, value, wraps):
    network = row(Q(7, 0, overflow=Overflow.WRAP))
    assert sum_of(network, weights, 100) == (value, {"l.a": Events(wraps=wraps)})


@pytest.mark.parametrize(
    ("overflow", "weights", "value", "events"),
    [
        (Overflow.SAT_ZERO, [100, -100], -100, Events(high=1)),
        (Overflow.SAT_SYM, [-128, -128], -127, Events(low=2)),
        # 200 = 0 1100 1000b: the deleted bit 8 is 0, bit 7 is 1: ~72 -> 0011 0111b = 55; then -45.
        (Overflow.WRAP_SM, [100, -100], -45, Events(wraps=1)),
    ],
)
def test_other_accumulators_count_every_add(overflow, weights, value, events):
    start = 100 if weights[0] > 0 else -100
    assert sum_of(row(Q(7, 0, overflow=overflow)), weights, start) == (value, {"l.a": events})


@pytest.mark.parametrize(
    ("rounding", "value"),
    [
        (Rounding.TRN, -1),  # 0, 0, -1
        (Rounding.TRN_ZERO, 0),  # 0, 0, 0
        (Rounding.RND, 2),  # 1, 2, 1.5 -> 2
        (Rounding.RND_ZERO, 0),  # 0, 0, 0
        (Rounding.RND_INF, 2),  # 1, 2, 1.5 -> 2
        (Rounding.RND_MIN_INF, -1),  # 0, 0, -1
        (Rounding.RND_CONV, 0),  # 0, 0, 0
        (Rounding.RND_CONV_ODD, 1),  # 1, 1, 0.5 -> 1
    ],
)
def test_the_accumulator_rounds_after_every_add(rounding, value):
    # 1/2 + 1/2 - 1/2 in an accumulator of whole numbers.
    network = row(Q(7, 0, rounding=rounding), terms=3, weight=Q(6, 1), start=False)
    assert sum_of(network, [1, 1, -1], None) == (value, {"l.a": Events()})


def test_an_accumulator_may_be_finer_than_the_products():
    assert sum_of(row(Q(7, 2)), [3, 4], 5) == (12 << 2, {"l.a": Events()})


def test_a_product_has_the_fraction_bits_of_both_operands_before_its_cast():
    # An input of 1/16 times 24/16 is 24/256: 6 of 1/64.
    network = one_layer(
        lambda g, x: g.matvec(Dense(), g.tensor("W", (1, 1), "weight"), x, 1, None, name="a"),
        Q(3, 4),
        {"l.W": Q(3, 4), "l.product": Q(3, 6)},
    )
    assert sum_of(network, [24], None) == (6, {"l.a.product": Events()})


def test_a_product_is_cast_before_it_is_added():
    # Products 3/4 and 1/4 -> 1 and 0 with ties up; -9 3/4 -> -10 -> -8, once.
    network = row(product=Q(3, 0), terms=3, weight=Q(5, 2), start=False)
    assert sum_of(network, [3, 1, -39], None) == (-7, {"l.a.product": Events(low=1)})


def test_product_and_accumulator_events_have_names_of_their_own():
    network = row(Q(3, 0), Q(3, 0))
    # start 0; 100 -> 7 (product), 7 fits; 7 + 7 -> 7 (accumulator)
    _, events = sum_of(network, [100, 100], 0)
    assert events == {"l.a.product": Events(high=2), "l.a": Events(high=1)}


# --- other operations --------------------------------------------------------------------------
def test_elementwise_operations_align_to_the_finer_scale():
    def step(g, x):
        quarter = g.literal("quarter", [1], 2)
        nodes = [g.add(x, quarter), g.subtract(x, quarter), g.multiply(x, quarter)]
        chosen = g.select(x, x, quarter)
        return g.gather([*nodes[:2], g.reinterpret(nodes[2], Q(7, 2)), chosen], range(4))

    found = golden_run(one_layer(step, BYTE), [[[3], [-3], [0]]])
    assert found.outputs[0].tolist() == [[13, 11, 3, 12], [-11, -13, -3, 1], [1, -1, 0, 0]]


def test_a_clamp_limits_and_raises_no_event():
    network = one_layer(lambda g, x: g.clamp(x, -2, 5), BYTE)
    found = golden_run(network, [[[-128], [-2], [0], [5], [127]]])
    assert found.outputs.ravel().tolist() == [-2, -2, 0, 5, 5]
    assert found.events == {}


def test_gather_reads_the_joined_parts_in_any_order():
    def step(g, x):
        y = g.add(x, g.literal("ten", [10, 10, 10]))
        return g.gather([x, y], [5, 0, 0, 3])

    assert golden_run(one_layer(step, BYTE, units=3), [[[1, 2, 3]]]).outputs[0, 0].tolist() == [
        13,
        1,
        1,
        11,
    ]


def test_a_lookup_is_addressed_by_the_bits_of_the_word():
    square = RealFunction("square", lambda value: value * value, lambda values: values * values)
    network = one_layer(lambda g, x: g.lookup(x, square, "output"), Q(2, 0), {"l.output": Q(6, 0)})
    found = golden_run(network, [[[-4], [-1], [0], [3]]])
    assert found.outputs.ravel().tolist() == [16, 1, 0, 9]


def test_a_cast_counts_under_its_own_name():
    network = one_layer(lambda g, x: g.cast(x, "output", "y"), Q(3, 4), {"l.y": Q(2, 0)})
    found = golden_run(network, [[[8], [7], [-8], [127], [-128]]])  # 1/2, just below, -1/2...
    assert found.outputs.ravel().tolist() == [1, 0, 0, 3, -4]
    assert found.events == {"l.y": Events(high=1, low=1)}


# --- recurrences -------------------------------------------------------------------------------
def elman():
    layer = Elman(2, activation=ReLU(), name="l")
    formats = Formats(weight=Q(3, 0), sum=Q(6, 0), state=Q(3, 0))
    net = NetworkBuilder(1, Q(3, 0), formats, {}, None)
    layer.build(net, net.source, "l")
    return net.build()


ELMAN = {"W": [[1], [2]], "U": [[1, -1], [0, 1]], "b": [1, -2]}


def test_an_elman_layer_by_hand():
    # t=1: 1+1, 2-2;  t=2: 2+1+2-0, 4-2+0;  t=3: 3+1+5-2, 6-2+2;  t=4: 3+1+7-6, 6-2+6 = 10 -> 7
    # t=5: -8+1+5-7 = -9 -> 0, -16-2+7 = -11 -> 0
    found = golden_run(elman(), [[[1], [2], [3], [3], [-8]]], traces=["l.Uh"], **ELMAN)
    assert found.outputs[0].tolist() == [[2, 0], [5, 2], [7, 6], [5, 7], [0, 0]]
    assert found.traces["l.Uh"][0].tolist() == [[2, 0], [5, 2], [7, 6], [5, 10], [-9, -11]]
    assert found.events == {"l.sum": Events(), "l.state": Events(high=1)}
    assert found.final["l.state"].tolist() == [[0, 0]]


def test_an_elman_layer_goes_on_from_an_initial_state():
    found = golden_run(elman(), [[[2], [3]]], initial={"l.state": [[2, 0]]}, **ELMAN)
    assert found.outputs[0].tolist() == [[5, 2], [7, 6]]


def test_steps_past_the_length_do_not_exist():
    x = [[[1], [2], [3]], [[1], [7], [7]]]
    found = golden_run(elman(), x, [3, 1], traces=["l.sum"], **ELMAN)
    assert found.lengths.tolist() == [3, 1]
    assert found.outputs[1].tolist() == [[2, 0], [0, 0], [0, 0]]
    assert found.traces["l.sum"][1].tolist() == [[2, 0], [0, 0], [0, 0]]
    assert found.final["l.state"].tolist() == [[7, 6], [2, 0]]


def test_states_change_together_after_the_step():
    def step(g, x):
        a, b = g.state(1, "a"), g.state(1, "b")
        g.update(a, b)
        g.update(b, x)
        return g.gather([a, b], [0, 1])

    network = one_layer(step, BYTE, {"l.a": BYTE, "l.b": BYTE})
    found = golden_run(network, [[[1], [2], [3]]], initial={"l.a": [[8]], "l.b": [[9]]})
    assert found.outputs[0].tolist() == [[8, 9], [9, 1], [1, 2]]
    assert {name: value.tolist() for name, value in found.final.items()} == {
        "l.a": [[2]],
        "l.b": [[3]],
    }


def test_an_unknown_trace_is_refused():
    with pytest.raises(DesignError, match=r"unknown signal 'l\.h'"):
        golden_run(elman(), [[[1]]], traces=["l.h"], **ELMAN)


# --- transforms --------------------------------------------------------------------------------
def sylvester(n):
    return np.kron(sylvester(n // 2), [[1, 1], [1, -1]]) if n > 1 else np.array([[1]])


@pytest.mark.parametrize("n", [2, 4, 8, 32])
def test_the_fast_transform_is_sylvesters_matrix(n):
    def step(g, x):
        return g.matvec(FastWalshHadamard(), None, x, n, name="H")

    found = golden_run(one_layer(step, BYTE, units=n), np.eye(n, dtype=int)[None])
    np.testing.assert_array_equal(found.outputs[0].T, sylvester(n))


@pytest.mark.parametrize("n", [2, 4, 8, 32])
def test_all_constant_geometry_stages_are_sylvesters_matrix(n):
    def step(g, x):
        for index in range(n.bit_length() - 1):
            x = g.matvec(WalshHadamardStage(), None, x, n, name=f"stage{index}")
        return x

    found = golden_run(one_layer(step, BYTE, units=n), np.eye(n, dtype=int)[None])
    np.testing.assert_array_equal(found.outputs[0].T, sylvester(n))


def test_a_stage_puts_sums_into_the_lower_half():
    def step(g, x):
        return g.matvec(WalshHadamardStage(), None, x, 4, name="stage")

    found = golden_run(one_layer(step, BYTE, units=4), [[[1, 2, 30, 40]]])
    assert found.outputs[0, 0].tolist() == [3, 70, -1, -10]


# --- time --------------------------------------------------------------------------------------
def timed(write, units=2):
    net = NetworkBuilder(units, BYTE, Formats(), {}, 4)
    write(net)
    return net.build()


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda n: n.reverse(n.source, "y"), [[3, 30], [2, 20], [1, 10]]),
        (lambda n: n.window(n.source, "y", 2), [[1, 10, 2, 20], [2, 20, 3, 30]]),
        (lambda n: n.last(n.source, "y"), [[3, 30]]),
        (lambda n: n.total(n.source, "y"), [[6, 60]]),
        (lambda n: n.steps(n.source, "y"), [[3]]),
        (lambda n: n.last(n.window(n.source, "w", 2), "y"), [[2, 20, 3, 30]]),
        (lambda n: n.window(n.window(n.source, "v", 2), "y", 2), [[1, 10, 2, 20, 2, 20, 3, 30]]),
        (lambda n: n.total(n.window(n.source, "w", 2), "y"), [[3, 30, 5, 50]]),
    ],
)
def test_time_operations(write, expected):
    # One junk step past the end.
    found = golden_run(timed(write), [[[1, 10], [2, 20], [3, 30], [99, 99]]], [3])
    assert found.lengths.tolist() == [len(expected)]
    assert found.outputs[0, : len(expected)].tolist() == expected
    assert not found.outputs[0, len(expected) :].any()
