"""The step graph: formats and intervals of results, and what the builder refuses."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.graphs import cases, golden_run, one_layer
from hypothesis import assume, given
from hypothesis import strategies as st

from rnnhw import DesignError, Formats
from rnnhw.execution import golden
from rnnhw.graph.builder import FormatScope, StepBuilder
from rnnhw.graph.nodes import (
    OPERATIONS,
    Cast,
    Constant,
    Input,
    Matvec,
    Reinterpret,
    operation_table,
)
from rnnhw.layers.structures import Dense, Diagonal
from rnnhw.numerics.cast import Overflow, Q, Rounding
from rnnhw.numerics.tables import SIGMOID

BYTE = Q(7, 0)


def builder(overrides=None, layer=None, design=None):
    levels = (layer or Formats(), design or Formats())
    return StepBuilder(FormatScope("l", overrides or {}, levels))


# --- intervals ---------------------------------------------------------------------------------
@given(cases())
def test_every_value_lies_in_its_interval_and_its_format(case):
    traces = golden.run(case.network, case.parameters, case.batch, case.traces).traces
    for name, node in case.network.signals().items():
        low, high = node.interval
        assert node.format.min <= low <= high <= node.format.max
        # Steps past a sequence's end are zero, whether the interval has a zero or not.
        assert min(low, 0) <= traces[name].min()
        assert traces[name].max() <= max(high, 0)


@given(cases())
def test_a_graph_holds_what_its_result_needs_and_nothing_else(case):
    for scan in case.network.scans:
        needed = {scan.graph.output} | {value for _, value in scan.graph.updates}
        needed |= {operand for node in scan.graph.nodes for operand in node.operands}
        needed |= {state for state, _ in scan.graph.updates}
        for node in scan.graph.nodes:
            assert node in needed or isinstance(node, Input)
        places = {node: place for place, node in enumerate(scan.graph.nodes)}
        for node in scan.graph.nodes:
            assert all(places[operand] < places[node] for operand in node.operands)


@pytest.mark.parametrize(
    ("operation", "interval", "fraction"),
    [
        ("add", (-512 - 8, 508 + 7), 3),
        ("subtract", (-512 - 7, 508 + 8), 3),
        ("multiply", (127 * -8, -128 * -8), 4),
        ("select", (-512, 508), 3),
    ],
)
def test_exact_results_have_the_interval_of_their_operands(operation, interval, fraction):
    g = builder()
    a, b = g.input(1, Q(6, 1)), g.input(1, Q(0, 3))
    node = g.select(a, a, b) if operation == "select" else getattr(g, operation)(a, b)
    assert node.interval == interval
    assert node.format.fraction == fraction
    narrower = Q(node.format.integer - 1, fraction)
    assert interval[0] < narrower.min or interval[1] > narrower.max


# --- order -------------------------------------------------------------------------------------
accumulators = st.builds(
    lambda width, fraction, rounding, overflow: Q(
        width - fraction - 1, fraction, True, rounding, overflow
    ),
    st.integers(3, 9),
    st.integers(-1, 5),
    st.sampled_from(list(Rounding)),
    st.sampled_from(list(Overflow)),
)


def sums(accumulator, product, weights, x, order):
    overrides = {"l.W": Q(3, 2), "l.b": Q(4, 3)}
    overrides |= {"l.accumulator": accumulator} if accumulator else {}
    overrides |= {"l.product": product} if product else {}

    def step(g, v):
        tensor = g.tensor("W", (1, len(weights)), "weight")
        return g.matvec(Dense(), tensor, v, 1, g.constant("b", 1, "bias"), name="a")

    network = one_layer(step, Q(3, 2), overrides, len(weights))
    found = golden_run(network, [[np.take(x, order)]], W=[np.take(weights, order)], b=[9])
    return network.signal("l.a"), found.outputs.tolist(), found.events


raw_rows = st.lists(st.tuples(st.integers(-32, 31), st.integers(-32, 31)), min_size=2, max_size=6)


@given(st.none() | accumulators, st.none() | accumulators, raw_rows, st.randoms())
def test_a_product_that_is_order_free_gives_the_same_in_any_order(
    accumulator, product, terms, random
):
    weights, x = zip(*terms, strict=True)
    order = list(range(len(x)))
    node, *expected = sums(accumulator, product, weights, x, order)
    assume(node.order_free)
    random.shuffle(order)
    _, *shuffled = sums(accumulator, product, weights, x, order)
    assert shuffled == expected


@pytest.mark.parametrize(
    ("accumulator", "free"),
    [
        (None, True),
        (Q(3, 0, overflow=Overflow.WRAP), True),
        (Q(3, 4, overflow=Overflow.WRAP, rounding=Rounding.RND_CONV), True),
        (Q(3, 0, overflow=Overflow.WRAP, rounding=Rounding.TRN), True),
        (Q(3, 0, overflow=Overflow.WRAP, rounding=Rounding.RND_CONV), False),
        (Q(3, 0, overflow=Overflow.WRAP, rounding=Rounding.TRN_ZERO), False),
        (Q(3, 4), False),
        (Q(3, 4, overflow=Overflow.WRAP_SM), False),
    ],
)
def test_which_accumulators_are_order_free(accumulator, free):
    node, *_ = sums(accumulator, None, [1, 2], [3, 4], [0, 1])
    assert node.order_free is free


@pytest.mark.parametrize("rounding", [r for r in Rounding if not r.shift_invariant])
def test_roundings_that_look_at_the_sum_do_depend_on_the_order(rounding):
    to = Q(7, 0, overflow=Overflow.WRAP, rounding=rounding)
    results = set()
    for weights in ([4, -2], [-2, 4]):  # 1 - 1/2 and -1/2 + 1
        network = one_layer(
            lambda g, v: g.matvec(Dense(), g.tensor("W", (1, 2), "weight"), v, 1, name="a"),
            Q(3, 0),
            {"l.W": Q(3, 2), "l.accumulator": to},
            2,
        )
        results.add(golden_run(network, [[[1, 1]]], W=[weights]).outputs.item())
    assert len(results) == 2


# --- formats -----------------------------------------------------------------------------------
def test_an_override_wins_over_the_layer_and_the_layer_over_the_design():
    design, layer = Formats(sum=Q(1, 1)), Formats(sum=Q(2, 2))
    assert builder(design=design).format("sum") == Q(1, 1)
    assert builder(layer=layer, design=design).format("sum") == Q(2, 2)
    overrides = {"l.sum": Q(3, 3)}
    assert builder(overrides, layer, design).format("sum") == Q(3, 3)
    assert builder(overrides, layer, design).format("sum", "other") == Q(2, 2)


def test_a_role_of_its_own_anywhere_wins_over_its_fallback():
    design, layer = Formats(bias=Q(1, 1)), Formats(weight=Q(2, 2))
    assert builder(layer=layer, design=design).format("bias") == Q(1, 1)
    assert builder(layer=layer, design=design).format("recurrent_weight") == Q(2, 2)


def test_a_missing_format_names_the_signal_and_the_cure():
    with pytest.raises(DesignError, match=r"l\.z: no format") as caught:
        builder().format("sum", "z")
    assert "Formats(sum=" in caught.value.hint
    assert "'l.z'" in caught.value.hint
    assert builder().optional_format("sum") is None


def test_formats_take_formats_only():
    with pytest.raises(DesignError, match=r"Formats\(sum=\.\.\.\) must be a Q"):
        Formats(sum=(3, 4))


# --- what is refused ---------------------------------------------------------------------------
def refused(message, write, overrides=None):
    with pytest.raises(DesignError, match=message) as caught:
        write(builder({"l.s": Q(3, 4), "l.y": Q(3, 4), **(overrides or {})}))
    return caught.value.hint


def test_a_result_wider_than_64_bits_names_the_signal():
    def write(g):
        x = g.input(1, Q(40, 0))
        g.multiply(x, x, "square")

    assert "accumulator" in refused(r"l\.square: the exact result needs .* 82 bits", write)


def test_a_sum_before_its_cast_must_fit_64_bits_too():
    overrides = {"l.W": Q(30, 0), "l.accumulator": Q(3, 30)}

    def write(g):
        x = g.input(4, Q(30, 0))
        g.matvec(Dense(), g.tensor("W", (1, 4), "weight"), x, 1, name="a")

    refused(r"l\.a: the exact result needs", write, overrides)


@pytest.mark.parametrize(
    ("message", "write"),
    [
        ("two signals have this name", lambda g: [g.literal("k", [1]), g.literal("k", [2])]),
        ("x has 2 units, expected 3", lambda g: g.add(g.literal("k", [1] * 3), g.input(2, BYTE))),
        (
            "x has 2 units, expected 1",
            lambda g: g.select(g.literal("a", [1]), g.literal("b", [1]), g.input(2, BYTE)),
        ),
        ("has 0 units", lambda g: g.input(0, BYTE)),
        ("s.previous is never updated", lambda g: g.build(g.state(1, "s"))),
        ("do not all lie in 0..1", lambda g: g.gather([g.input(2, BYTE)], [2])),
        ("do not all lie in 0..1", lambda g: g.gather([g.input(2, BYTE)], [-1])),
        ("do not all lie in 0..1", lambda g: g.gather([g.input(2, BYTE)], [])),
        ("cannot join", lambda g: g.gather([g.input(1, BYTE), g.input(1, Q(6, 1))], [0])),
        ("does not hold", lambda g: g.reinterpret(g.input(1, BYTE), Q(6, 0))),
        ("does not hold", lambda g: g.reinterpret(g.input(1, BYTE), Q(8, 0, signed=False))),
        ("limit 0.5 is not a value", lambda g: g.clamp(g.input(1, BYTE), 0.5, 2)),
        ("no value of", lambda g: g.clamp(g.input(1, BYTE), 2, 1)),
        ("no value of", lambda g: g.clamp(g.input(1, BYTE), 200, None)),
        (r"table addressed by .* 2\*\*21", lambda g: g.lookup(g.input(1, Q(20, 0)), SIGMOID, "y")),
    ],
)  # fmt: skip
def test_wrong_operations_are_refused(message, write):
    refused(message, write)


@pytest.mark.parametrize(
    "value",
    [
        lambda g: g.input(2, Q(3, 4)),  # units
        lambda g: g.input(1, Q(3, 3)),  # scale
        lambda g: g.input(1, Q(4, 4)),  # range
    ],
)
def test_a_state_takes_only_values_that_fit_it(value):
    hint = refused("do not fit the state", lambda g: g.update(g.state(1, "s"), value(g)))
    assert "cast" in hint


def test_a_state_is_updated_once():
    def write(g):
        s = g.state(1, "s")
        g.update(s, s)
        g.update(s, s)

    refused("updated twice", write)


@pytest.mark.parametrize("limit", [float("inf"), float("-inf"), float("nan")])
def test_a_clamp_limit_that_is_no_number_is_refused(limit):
    refused("clamp0", lambda g: g.clamp(g.input(1, BYTE), limit, None))


@pytest.mark.parametrize(("low", "high"), [(200, 300), (-300, -200), (-300, 300)])
def test_a_clamp_outside_its_operand_keeps_to_its_limits(low, high):
    network = one_layer(lambda g, x: g.clamp(x, low, high), BYTE)
    found = golden_run(network, [[[-128], [0], [127]]]).outputs.ravel()
    expected = np.clip([-128, 0, 127], low, high)
    np.testing.assert_array_equal(found, expected)
    node = network.scans[0].graph.output
    assert node.format.min <= node.interval[0] <= expected.min()
    assert expected.max() <= node.interval[1] <= node.format.max


# --- small things ------------------------------------------------------------------------------
def test_a_cast_that_covers_its_operand_changes_nothing():
    g = builder({"l.wide": Q(8, 0), "l.same": BYTE, "l.finer": Q(8, 1), "l.low": Q(6, 0)})
    x = g.input(1, BYTE)
    changes = {name: not g.cast(x, "sum", name).changes_nothing for name in ("wide", "same")}
    changes |= {name: not g.cast(x, "sum", name).changes_nothing for name in ("finer", "low")}
    assert changes == {"wide": False, "same": False, "finer": True, "low": True}


def test_a_symmetric_format_does_not_hold_the_lowest_word():
    symmetric = replace(BYTE, overflow=Overflow.SAT_SYM)
    g = builder({"l.y": symmetric})
    assert not g.cast(g.input(1, BYTE), "y").changes_nothing


def test_operands_are_found_in_every_field():
    g = builder()
    a, b, c = (g.literal(name, [1, 2]) for name in "abc")
    assert g.select(c, a, b).operands == (c, a, b)
    assert g.gather([a, b, a], [0]).operands == (a, b, a)
    assert g.reinterpret(a, Q(9, 9)).operands == (a,)
    assert a.operands == ()


def test_tensors_are_listed_once_in_order_of_use():
    def step(g, x):
        W = g.tensor("W", (2,), "weight")
        b = g.constant("b", 2, "bias")
        first = g.matvec(Diagonal(), W, x, 2, b, name="first")
        return g.add(first, g.matvec(Diagonal(), W, x, 2, name="second"))

    network = one_layer(step, BYTE, {"l.W": BYTE, "l.b": BYTE}, 2)
    assert [tensor.key for tensor in network.tensors] == ["l.b", "l.W"]


def test_inputs_keep_their_place_even_if_nothing_reads_them():
    network = one_layer(lambda g, x: g.literal("k", [1]), BYTE)
    assert [type(node) for node in network.scans[0].graph.nodes] == [Input, Constant]


def test_a_table_with_a_hole_or_too_much_fails():
    whole = dict.fromkeys(OPERATIONS, 0)
    assert operation_table(whole) is whole
    for node in OPERATIONS:
        with pytest.raises(TypeError, match=node.__name__):
            operation_table({op: 0 for op in OPERATIONS if op is not node})
    with pytest.raises(TypeError, match="int"):
        operation_table(whole | {int: 0})


def test_all_operations_are_in_the_closed_set():
    assert {Cast, Constant, Input, Matvec, Reinterpret} < set(OPERATIONS)
    assert len(OPERATIONS) == 14


def test_a_state_whose_name_is_no_role_is_given_a_format_by_its_name():
    with pytest.raises(DesignError, match=r"l\.h: no format") as caught:
        builder().state(4, "h")
    assert caught.value.hint == "give overrides={'l.h': Q(...)}"
    assert builder({"l.h": BYTE}).state(4, "h").format == BYTE
    assert builder().state(4, "h", format=BYTE).format == BYTE
