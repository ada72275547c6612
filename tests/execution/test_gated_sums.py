"""Gated sums: golden's integers and events in every cell, end and kind of factor."""

from itertools import product

import numpy as np
import pytest
from helpers.graphs import ISAS, assert_same_run, draw_batch, draw_parameters, one_layer

from rnnhw import GRU, LSTM, Design, Formats, Q
from rnnhw.execution import golden
from rnnhw.execution.compiler import plan_network
from rnnhw.execution.engine import execute
from rnnhw.execution.instructions import OPERATION
from rnnhw.execution.superinstructions import Fused
from rnnhw.layers.activations import SIGMOID, TANH
from rnnhw.layers.structures import Dense
from rnnhw.numerics.cast import Overflow, Rounding

UNITS = [
    3,
    16,
    37,
    70,
]  # part of a group of four vectors, a whole one, and more than a tile of both

SATURATING = [
    (Rounding.RND, Overflow.SAT),
    (Rounding.TRN, Overflow.SAT_SYM),
    (Rounding.RND_MIN_INF, Overflow.SAT),
]
OTHERS = [
    (Rounding.RND_CONV, Overflow.SAT),
    (Rounding.RND, Overflow.WRAP),
    (Rounding.TRN_ZERO, Overflow.SAT_ZERO),
]


def gated_rows(plan):
    """The gated sums of a plan, with their parts."""
    names = {number: name for name, number in OPERATION.items()}
    found = []
    for scan in plan.scans.values():
        for row in scan.instructions:
            if names[row["operation"]] == "gated_sum":
                parts = scan.instructions[row["start"] : row["start"] + 2 * row["low"] + 1]
                found.append((row, [names[part["operation"]] for part in parts]))
    return found


def assert_equal(monkeypatch, network, seed, gated, traces=()):
    """With gated sums and without: golden's integers, events and counts on every instruction set.
    ``gated``: whether there may be any."""
    rng = np.random.default_rng(seed)
    parameters, batch = draw_parameters(rng, network), draw_batch(rng, network, 19, 4)
    wanted = golden.run(network, parameters, batch, traces)
    for lanes in (16, 1):
        plan = plan_network(network, parameters, lanes, traces)
        with monkeypatch.context() as patch:
            patch.setattr("rnnhw.execution.compiler.fused", lambda tile, _: Fused(tile))
            patch.setattr("rnnhw.execution.compiler.with_gated_sums", lambda tile, *_: tile)
            expanded = plan_network(network, parameters, lanes, traces)
        assert bool(gated_rows(plan)) in gated and not gated_rows(expanded)
        for isa in ISAS:
            runs = [execute(each, batch, isa) for each in (plan, expanded)]
            for run in runs:
                assert_same_run(wanted, run)
            assert runs[0].counts == runs[1].counts
    return wanted


CELLS = {
    "LSTM": lambda units: LSTM(units, name="r"),
    "LSTM, coupled": lambda units: LSTM(units, coupled=True, name="r"),
    "GRU after": lambda units: GRU(units, reset="after", name="r"),
    "GRU before": lambda units: GRU(units, reset="before", name="r"),
}


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("cell", CELLS)
def test_cells_of_bytes_equal_golden(cell, units, monkeypatch):
    formats = Formats(
        input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7), cell=Q(2, 9), output=Q(0, 7)
    )
    network = Design([CELLS[cell](units)], formats, inputs=3).network
    run = assert_equal(monkeypatch, network, units, {True})
    assert sum(each.total for each in run.events.values()) > 0


@pytest.mark.parametrize("mode", [*SATURATING, *OTHERS], ids=lambda mode: f"{mode[0]}-{mode[1]}")
def test_only_casts_that_saturate_and_add_a_constant_are_taken(mode, monkeypatch):
    rounding, overflow = mode
    sides = {"rounding": rounding, "overflow": overflow}
    formats = Formats(
        input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5, **sides), state=Q(0, 7, **sides),
        cell=Q(1, 9, **sides), output=Q(0, 7, **sides),
    )  # fmt: skip
    network = Design([LSTM(21, name="r")], formats, inputs=3).network
    may_be = {mode in SATURATING}
    if overflow == Overflow.WRAP:
        may_be = {True, False}  # nothing can wrap in some
    assert_equal(monkeypatch, network, 3, may_be)


FACTORS = ["words", "8 bits", "16 bits", "signed gate", "unsigned gate", "gate of a sum"]
ENDS = ["bytes", "a table of bytes", "words", "words and 16 bits"]


def step_of(units, first, second, products, end):
    """A step whose state is a cast sum of products of two kinds of factors."""

    def factor(g, kind, name, x):
        if kind in ("words", "8 bits", "16 bits"):
            value = g.state(units, name)
            changed = g.cast(x, name)
            g.update(value, changed)
            return g.subtract(value, x) if kind == "words" else value
        words = x
        if kind == "gate of a sum":
            weights = [g.tensor(f"{name}.{n}", (units, units), "weight") for n in "WU"]
            words = g.add(
                *(
                    g.matvec(Dense(), w, x, units, name=f"{name}.{n}v")
                    for w, n in zip(weights, "WU", strict=True)
                )
            )
        table = SIGMOID if kind == "unsigned gate" else TANH
        return g.lookup(g.cast(words, f"{name}.z"), table, f"{name}.t", f"{name}.t")

    def step(g, x):
        sums = [
            g.multiply(factor(g, first, f"a{n}", x), factor(g, second, f"b{n}", x))
            for n in range(products)
        ]
        total = sums[0] if products == 1 else g.add(*sums)
        if products == 0:
            total = x
        s = g.state(units, "s")
        value = g.cast(total, "s")
        g.update(s, value)
        if end == "a table of bytes":
            return g.lookup(value, TANH, "s", "u")
        return g.subtract(value, s) if end == "words" else value

    return step


def format_of(kind):
    return Q(1, 12) if kind == "16 bits" else Q(1, 6)


@pytest.mark.parametrize("second", FACTORS)
@pytest.mark.parametrize("first", FACTORS)
@pytest.mark.parametrize("products", [1, 2])
def test_every_kind_of_factor_equals_golden(first, second, products, monkeypatch):
    units = 21
    formats = {"l.s": Q(0, 7), "l.u": Q(0, 7)}
    for n, (side, kind) in product(range(2), (("a", first), ("b", second))):
        entry = Q(0, 8, signed=False) if kind == "unsigned gate" else Q(0, 7)
        formats[f"l.{side}{n}"] = format_of(kind)
        formats |= {f"l.{side}{n}.z": Q(0, 7), f"l.{side}{n}.t": entry}
        formats |= {f"l.{side}{n}.{name}": Q(0, 7) for name in "WU"}
    step = step_of(units, first, second, products, "bytes")
    network = one_layer(step, Q(1, 6), formats, units)
    assert_equal(monkeypatch, network, products, {True})


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("units", UNITS)
def test_every_end_equals_golden(units, end, monkeypatch):
    state = Q(1, 12) if "words" in end else Q(0, 7)
    formats = {"l.s": state, "l.u": Q(0, 7)}
    for side, n in product("ab", range(2)):
        formats |= {f"l.{side}{n}": Q(1, 6), f"l.{side}{n}.z": Q(0, 7), f"l.{side}{n}.t": Q(0, 7)}
    step = step_of(units, "signed gate", "8 bits", 2, end)
    network = one_layer(step, Q(1, 6), formats, units)
    assert_equal(monkeypatch, network, units, {True})
    assert_equal(monkeypatch, network, units, {True}, ("l.s",))


def test_a_gate_that_ends_a_sum_is_no_factor_of_the_next():
    """The new gate of a GRU is looked up from a gated sum, and multiplied behind it."""
    formats = Formats(input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7), output=Q(0, 7))
    network = Design([GRU(16, name="r")], formats, inputs=3).network
    parameters = draw_parameters(np.random.default_rng(0), network)
    (new, parts), (state, others) = gated_rows(plan_network(network, parameters, 16))
    assert parts == ["cast_lookup", "load", "cast_lookup"] and new["a"] and new["low"] == 1
    assert others[-1] == "finish" and "cast_lookup" not in others and state["low"] == 2
