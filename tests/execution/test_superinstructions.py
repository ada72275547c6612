"""Superinstructions against what they replace: equal integers, events and counts."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.graphs import ISAS, assert_same_run, draw_batch, draw_parameters, one_layer

from rnnhw.analysis.counts import layer_counts
from rnnhw.execution import golden
from rnnhw.execution.compiler import ANY_ISA, plan_network
from rnnhw.execution.engine import execute, runnable_products
from rnnhw.execution.instructions import OPERATION
from rnnhw.execution.quads import ByteProducts
from rnnhw.execution.superinstructions import Fused, fused
from rnnhw.layers.activations import SIGMOID, TANH
from rnnhw.layers.structures import Banded, Dense, Toeplitz
from rnnhw.numerics.cast import Overflow, Q, Rounding

UNITS = [3, 16, 33]  # a part of a register of quads, whole ones, and one row more
PARTS = ["cast and table", "cast", "table"]
# Products of bytes, of pairs, and of rows that read what stands behind the last unit.
STRUCTURES = [Dense(), Banded(1, 1), Toeplitz()]


def network(units, to, parts, structure=STRUCTURES[0]):
    """A recurrence whose state is a cast sum, looked up, or the input, looked up."""

    def step(g, x):
        s = g.state(units, "s")
        weights = g.tensor("W", structure.shape(units, units), "weight")
        if parts == "table":
            return g.update(s, g.lookup(x, TANH, "s", "t"))
        a = g.matvec(structure, weights, s, units, x, name="a")
        value = g.cast(a, "z")
        return g.update(s, g.lookup(value, TANH, "s", "t") if "table" in parts else value)

    overrides = {"l.W": Q(0, 5), "l.s": Q(1, 5), "l.t": Q(1, 5), "l.z": to}
    return one_layer(step, Q(1, 5), overrides, units)


def operations(plan):
    names = {number: name for name, number in OPERATION.items()}
    (scan,) = plan.scans.values()
    return {names[row["operation"]] for row in scan.instructions}


def plans_with_and_without(monkeypatch, *args):
    """A plan with superinstructions, and the same without."""
    whole = plan_network(*args)
    with monkeypatch.context() as patch:
        patch.setattr("rnnhw.execution.compiler.fused", lambda tile, is_register: Fused(tile))
        patch.setattr("rnnhw.execution.compiler.with_gated_sums", lambda tile, *_: tile)
        return whole, plan_network(*args)


def plan_of_one_pass(monkeypatch, *args):
    """A plan with superinstructions, but without gated sums of them."""
    with monkeypatch.context() as patch:
        patch.setattr("rnnhw.execution.compiler.with_gated_sums", lambda tile, *_: tile)
        return plan_network(*args)


def both_plans(monkeypatch, *args):
    """The same, of a step with something to finish."""
    whole, expanded = plans_with_and_without(monkeypatch, *args)
    assert "finish" in operations(whole) and "finish" not in operations(expanded)
    return whole, expanded


def assert_plans_agree(plans, wanted, batch):
    """Both on every instruction set: golden's integers and events, and counts alike."""
    for isa in ISAS:
        runs = [execute(plan, batch, isa) for plan in plans]
        for run in runs:
            assert_same_run(wanted, run)
        assert runs[0].counts == runs[1].counts


def assert_equal(monkeypatch, design, rng, traces=()):
    parameters, batch = draw_parameters(rng, design), draw_batch(rng, design, 19, 3)
    wanted = golden.run(design, parameters, batch, traces)
    for lanes in (16, 1):
        plans = both_plans(monkeypatch, design, parameters, lanes, traces)
        assert_plans_agree(plans, wanted, batch)


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
def test_a_finish_equals_its_expansion_in_every_mode(rounding, overflow, monkeypatch):
    to, rng = Q(0, 5, rounding=rounding, overflow=overflow), np.random.default_rng(5)
    assert_equal(monkeypatch, network(5, to, "cast and table"), rng)


@pytest.mark.parametrize("traces", [(), ("l.a",)])
@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("parts", PARTS)
def test_a_finish_equals_its_expansion_whatever_its_parts(parts, units, traces, monkeypatch):
    design, rng = network(units, Q(1, 5), parts), np.random.default_rng(units)
    traces = tuple(name for name in traces if name in design.signals())
    assert_equal(monkeypatch, design, rng, traces)


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_a_finish_packs_what_the_next_product_reads(structure, units, monkeypatch):
    design, rng = network(units, Q(1, 5), "cast and table", structure), np.random.default_rng(units)
    assert_equal(monkeypatch, design, rng)


@pytest.mark.parametrize(
    ("low", "packs", "finished"),
    [
        ([8, 8], [], True),
        ([8, 16], [], False),
        ([8, 8, 8], [], False),
        ([], [], False),
        ([], ["pack_bytes"], True),
        ([8], ["pack"], True),
        ([8], ["pack", "pack_bytes"], False),
        ([], ["pack"], False),  # which may read 0 to 255
    ],
)
def test_only_a_value_that_is_kept_as_bytes_alone_is_finished(low, packs, finished):
    cast = {"operation": OPERATION["cast_in_words"], "dst": 2, "a": 1, "cast": 0, "low": 0}
    cast |= {"events": 1}
    stores = [
        {"operation": OPERATION["store"], "dst": 3 + n, "a": 2, "low": bits}
        for n, bits in enumerate(low)
    ]
    stores += [
        {"operation": OPERATION[name], "dst": 13 + n, "a": 2, "low": -128}
        for n, name in enumerate(packs)
    ]
    found = fused([cast, *stores], lambda slot: slot < 3)
    assert (OPERATION["finish"] in {row["operation"] for row in found.rows}) == finished
    gone = [cast, *stores] if finished else []
    assert [row for row, _ in found.replaced] == gone
    assert fused([cast, *stores], lambda slot: False) == Fused([cast, *stores])


@pytest.mark.parametrize(("function", "entry"), [(TANH, Q(1, 5)), (SIGMOID, Q(0, 8, signed=False))])
@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("units", [5, 16, 35])
def test_a_gate_equals_its_expansion_in_every_mode(
    units, rounding, overflow, function, entry, monkeypatch
):
    """What is looked up is multiplied: it is read as words, of bytes with a sign or without. The
    state of 16 lanes, cast from the products, is finished in registers too; of one lane only where
    its tiles have whole chunks."""

    def step(g, x):
        s = g.state(units, "s")
        weights = g.tensor("W", (units, units), "weight")
        a = g.matvec(Dense(), weights, s, units, x, name="a")
        gate = g.lookup(g.cast(a, "z"), function, "t", "t")
        return g.update(s, g.cast(g.multiply(gate, x), "s"))

    to = Q(0, 5, rounding=rounding, overflow=overflow)
    formats = {"l.W": Q(0, 5), "l.s": replace(to, integer=1), "l.t": entry, "l.z": to}
    design = one_layer(step, Q(1, 5), formats, units)
    rng = np.random.default_rng(units)
    parameters, batch = draw_parameters(rng, design), draw_batch(rng, design, 19, 3)
    wanted = golden.run(design, parameters, batch)
    assert wanted.events["l.z"].total > 0
    for lanes in (16, 1):
        plans = plans_with_and_without(monkeypatch, design, parameters, lanes)
        assert ["cast_lookup" in operations(plan) for plan in plans] == [True, False]
        one_pass = plan_of_one_pass(monkeypatch, design, parameters, lanes)
        assert_plans_agree([one_pass, *plans], wanted, batch)


@pytest.mark.parametrize("fraction", [3, 20], ids=["32 bits", "64 bits"])
@pytest.mark.parametrize("first", [True, False], ids=["product first", "product second"])
@pytest.mark.parametrize("units", [5, 16, 35])
def test_a_product_and_an_addition_are_one(units, first, fraction, monkeypatch):
    """Either operand of the addition may be the product, and either may be shifted."""

    def step(g, x):
        s, t = g.state(units, "s"), g.state(units, "t")
        for state, addend in ((s, x), (t, g.literal("c", range(-units, 0), 0))):
            product = g.multiply(s, t)
            total = g.add(product, addend) if first else g.add(addend, product)
            g.update(state, g.cast(total, state.name.removesuffix(".previous")))
        return s

    state = Q(2, fraction, rounding=Rounding.RND_CONV)  # which no gated sum computes
    formats = {"l.s": state, "l.t": replace(state, fraction=fraction - 1)}
    design = one_layer(step, Q(1, 5), formats, units)
    rng = np.random.default_rng(units)
    parameters, batch = draw_parameters(rng, design), draw_batch(rng, design, 19, 3)
    wanted = golden.run(design, parameters, batch)
    for lanes in (16, 1):
        plans = plans_with_and_without(monkeypatch, design, parameters, lanes)
        whole, expanded = map(operations, plans)
        assert "multiply_add" in whole and "multiply" not in whole
        assert "multiply_add" not in expanded and {"multiply", "add"} <= expanded
        assert_plans_agree(plans, wanted, batch)


def test_a_product_that_another_reads_stays_alone(monkeypatch):
    def step(g, x):
        s = g.state(3, "s")
        square = g.multiply(s, s)
        g.update(s, g.cast(g.add(square, x), "s"))
        return g.subtract(square, x)

    design = one_layer(step, Q(1, 5), {"l.s": Q(1, 5)}, 3)
    parameters = draw_parameters(np.random.default_rng(0), design)
    for lanes in (16, 1):
        found = operations(plan_network(design, parameters, lanes))
        assert "multiply_add" not in found and "multiply" in found


@pytest.mark.parametrize("input", [Q(0, 7), Q(1, 5), Q(0, 8, signed=False)], ids=str)
@pytest.mark.parametrize("units", [3, 5, 16, 70])
def test_stored_bytes_are_packed_as_they_lie(units, input, monkeypatch):
    """An input of bytes that a product reads is packed before the steps; one without a sign is
    stored in 16 bits, and packed in each."""

    def step(g, x):
        s = g.state(units, "s")
        weights = g.tensor("W", (units, units), "weight")
        g.update(s, g.cast(g.matvec(Dense(), weights, x, units, name="a"), "s"))
        return s

    design = one_layer(step, input, {"l.W": Q(0, 5), "l.s": Q(1, 5)}, units)
    rng = np.random.default_rng(units)
    parameters, batch = draw_parameters(rng, design), draw_batch(rng, design, 19, 3)
    wanted = golden.run(design, parameters, batch)
    for lanes in (16, 1):
        plans = plans_with_and_without(monkeypatch, design, parameters, lanes)
        (scan,) = plans[0].scans.values()
        assert len(scan.packed_inputs) == input.signed
        assert_plans_agree(plans, wanted, batch)


@pytest.mark.parametrize("planned", [ANY_ISA, ByteProducts(32), ByteProducts(32, tiles=True)])
@pytest.mark.parametrize("units", [5, 64, 130])
def test_two_products_in_one_equal_both(units, planned, monkeypatch):
    """``W x + U h + b``, and a product more, which begins with both and stays alone."""

    def step(g, x):
        h, k = g.state(units, "h"), g.state(units, "k")
        tensors = [g.tensor(name, (units, units), "weight") for name in ("W", "U", "V")]
        start = g.literal("b", range(units), 7)
        first = g.matvec(Dense(), tensors[0], x, units, start, name="first")
        second = g.matvec(Dense(), tensors[1], h, units, first, name="second")
        third = g.matvec(Dense(), tensors[2], k, units, second, name="third")
        g.update(k, g.cast(first, "k"))
        return g.update(h, g.cast(third, "h"))

    formats = {f"l.{name}": Q(0, 7) for name in ("W", "U", "V", "h", "k")}
    design = one_layer(step, Q(0, 7), formats, units)
    rng = np.random.default_rng(units)
    parameters, batch = draw_parameters(rng, design), draw_batch(rng, design, 17, 2)
    raw = {key: value % 16 - 8 for key, value in parameters.raw.items()}  # for sums of 16 bits
    parameters = replace(parameters, raw=raw)
    wanted = golden.run(design, parameters, batch)
    for lanes in (16, 1):
        args = design, parameters, lanes, (), planned
        plan, expanded = plans_with_and_without(monkeypatch, *args)
        kernel = "rows_tiles" if planned.tiles and lanes == 16 and units >= 64 else "rows_bytes"
        rows = [row for scan in plan.scans.values() for row in scan.instructions]
        pairs = [row for row in rows if row["operation"] == OPERATION[kernel] and row["c"]]
        assert len(pairs) == 1
        for isa in ISAS:
            if runnable_products(isa).runs(planned):
                runs = [execute(each, batch, isa) for each in (plan, expanded)]
                for run in runs:
                    assert_same_run(wanted, run)
                assert runs[0].counts == runs[1].counts
                assert runs[0].counts["l"] == layer_counts(design, batch.lengths)["l"]
