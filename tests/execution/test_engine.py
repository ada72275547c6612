"""The engine equals the golden run bit for bit, and its counts equal the prediction."""

import gc
import random
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from helpers.graphs import (
    BYTE_WEIGHTS,
    ISAS,
    Attempts,
    Case,
    assert_engine_equals_golden,
    assert_same_run,
    byte_case,
    cases,
    draw_batch,
    draw_case,
    draw_parameters,
    one_layer,
    raw_parameters,
    zero_shift_case,
    zero_words_case,
)
from hypothesis import given, settings

from rnnhw import Formats
from rnnhw.analysis.counts import layer_counts
from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError, UsageError
from rnnhw.execution import engine, golden
from rnnhw.execution.batch import Batch, make_batch
from rnnhw.execution.compiler import ANY_ISA, plan_network
from rnnhw.execution.engine import (
    available_isas,
    execute,
    run,
    runnable_products,
    select_isa,
)
from rnnhw.execution.instructions import OPERATION
from rnnhw.execution.quads import ByteProducts
from rnnhw.graph.network import TIME_OPERATIONS, NetworkBuilder
from rnnhw.graph.nodes import OPERATIONS, Matvec
from rnnhw.layers.structures import (
    Banded,
    BlockDiagonal,
    CyclicBand,
    Dense,
    Diagonal,
    FastWalshHadamard,
    Toeplitz,
    WalshHadamardStage,
)
from rnnhw.numerics.cast import Events, Overflow, Q, Rounding

EXAMPLES = settings.default.max_examples
NAMES = {number: name for name, number in OPERATION.items()}


def operations(plan):
    """Names of the instructions in a plan."""
    return {NAMES[row["operation"]] for scan in plan.scans.values() for row in scan.instructions}


# --- equality ----------------------------------------------------------------------------------
@given(cases())
@settings(max_examples=3 * EXAMPLES)
def test_engine_equals_golden_on_random_networks(case):
    assert_engine_equals_golden(case)


@pytest.mark.parametrize("isa", ["plain", "avx2", "avx512"])
def test_engine_equals_golden_on_seeded_networks(isa):
    if isa not in ISAS:
        pytest.skip(f"this build or processor has no {isa}")
    for seed in range(20):  # benchmarks/fuzz_engine.py has more
        assert_engine_equals_golden(draw_case(random.Random(seed)), [isa])


def test_a_zero_may_be_aligned_by_more_bits_than_its_element_has():
    assert_engine_equals_golden(zero_shift_case())


def test_a_zero_term_is_aligned_by_less_than_the_words_that_add_it():
    """52 bits were undefined behaviour in C; benchmarks/fuzz_engine.py found it."""
    case = zero_words_case()
    assert_engine_equals_golden(case)
    for lanes in (16, 1):
        for scan in plan_network(case.network, case.parameters, lanes).scans.values():
            rows = scan.instructions
            ordered = rows[rows["operation"] == OPERATION["rows_ordered_narrow"]]
            assert ordered["bits"].tolist() == [64] and ordered["shift_b"].tolist() == [31]


TIMES = {
    "reverse": lambda net, source, name: net.reverse(source, name),
    "window": lambda net, source, name: net.window(source, name, 2),
    "last": lambda net, source, name: net.last(source, name),
    "total": lambda net, source, name: net.total(source, name),
    "steps": lambda net, source, name: net.steps(source, name),
}


@pytest.mark.parametrize("scanned", [False, True], ids=["output", "scanned"])
@pytest.mark.parametrize("second", TIMES)
@pytest.mark.parametrize("first", TIMES)
def test_every_pair_of_time_operations(first, second, scanned):
    if second == "window" and first in ("last", "total", "steps"):
        pytest.skip("one step has no window of two")
    net = NetworkBuilder(3, Q(4, 3), Formats(), {}, 6)
    node = TIMES[second](net, TIMES[first](net, net.source, "first"), "second")
    if scanned:
        net.scan("l", [node], lambda g, x: g.add(x, g.literal("one", [1] * x.units)), Formats())
    network, rng = net.build(), np.random.default_rng(3)
    batch = draw_batch(rng, network, 18, 6, 3)
    case = Case(network, raw_parameters(network), batch, tuple(network.signals()))
    assert_engine_equals_golden(case)


def test_the_random_networks_reach_every_operation_kernel_and_mode(monkeypatch):
    monkeypatch.setattr("rnnhw.execution.compiler.TILE_WORDS", 128)  # as half of them run
    attempts, seen = Attempts(), set()
    events = Events()
    for seed in range(300, 700):
        case = draw_case(random.Random(seed), attempts)
        seen |= {type(node) for node in case.network.nodes}
        seen |= {("batch", case.batch.sequences)}
        for lanes in (16, 1):
            plan = plan_network(case.network, case.parameters, lanes)
            for scan in plan.scans.values():
                for row in scan.instructions:
                    kernel = NAMES[row["operation"]], int(row["bits"])
                    seen |= {kernel, (*kernel, int(row["low"]))}
                seen |= {("interleaved", rows.interleaved) for rows in scan.matrices}
                seen |= {("chunked", rows.chunk < rows.count.max()) for rows in scan.matrices}
                if lanes == 1:
                    seen |= {("tiles", min(-(-int(row[4]) // 128), 2)) for row in scan.phases}
        for scan in case.network.scans:
            for node in scan.graph.nodes:
                seen.add(type(node))
                if isinstance(node, Matvec):
                    seen.add(type(node.structure))
                    for kind in ("product", "accumulator"):
                        to = getattr(node, kind)
                        seen |= {(kind, to.rounding), (kind, to.overflow)} if to else set()
        if seed < 360:
            run_ = golden.run(case.network, case.parameters, case.batch)
            for name, counted in run_.events.items():
                events += counted
                seen |= {("product events",)} if "product" in name and counted.total else set()
    assert attempts.refused < attempts.tried / 50
    assert min(events) > 100
    wanted = {*OPERATIONS, *TIME_OPERATIONS, ("product events",)}
    wanted |= {Dense, Banded, Diagonal, FastWalshHadamard, WalshHadamardStage}
    wanted |= {("batch", size) for size in (1, 2, 3, 16, 17, 33)}
    wanted |= {("interleaved", True), ("chunked", True), ("tiles", 2)}
    wanted |= {
        (kind, mode) for kind in ("product", "accumulator") for mode in [*Rounding, *Overflow]
    }
    wanted |= {(name, bits) for name in OPERATION for bits in (32, 64)}
    packs = ("pack", "pack_bytes", "pack_stored")
    wanted -= {(name, 64) for name in (*packs, "lookup_bytes", "cast_lookup", "finish")}
    wanted -= {("gated_sum", 64)}
    wanted |= {("gated_sum", 32, products) for products in (1, 2)}
    # Planned for some instruction sets alone.
    apart = ("rows_tiles", "rows_short", "finish_rows")
    wanted -= {(name, bits) for name in apart for bits in (32, 64)}
    stored = [(word, bits) for word in (32, 64) for bits in (8, 16, 32, 64)]
    wanted |= {("store", *each) for each in stored} | {("load", *each) for each in stored}
    wanted -= {("store", 64, 64), ("load", 32, 32), ("load", 64, 64)}
    wanted |= {("transform", 32, bits) for bits in (8, 16, 32)}
    wanted |= {("rows_ordered", bits, words) for bits, words in [(32, 0), (32, 1)]}
    wanted |= {("rows_ordered", 64, words) for words in (0, 1, 3)}
    wanted -= {("cast_in_words", 64)}
    wanted |= {("cast_in_words", 32, proven) for proven in (0, 1)}
    wanted |= {("lookup_bytes", 32, is_unsigned) for is_unsigned in (0, 1)}
    wanted |= {("rows_cast", 64, proven) for proven in (0, 1)}
    # They need a start far wider than their sum: PATHS has one of each.
    wanted -= {("rows_ordered_narrow", 64), ("rows_bytes", 64)}
    missing = wanted - seen
    assert not missing


# --- every kernel on purpose -------------------------------------------------------------------
def recurrence(structure, units, weight, state, product=None, accumulator=None, input=None):
    """``s' = cast(x + structure s)``; the sum is the output, exact where it can be."""
    overrides = {"l.W": weight, "l.s": state}
    overrides |= {"l.product": product} if product else {}
    overrides |= {"l.accumulator": accumulator} if accumulator else {}

    def step(g, x):
        s = g.state(units, "s")
        weights = g.tensor("W", structure.shape(units, units), "weight")
        a = g.matvec(structure, weights, s, units, x, name="a")
        g.update(s, g.cast(a, "s"))
        return a

    return one_layer(step, input or Q(4, 3), overrides, units)


def transforms(structure):
    def step(g, x):
        s = g.state(32, "s")
        g.update(s, g.cast(g.matvec(structure, None, s, 32, x, name="a"), "s"))
        return g.gather([s, x], range(0, 64, 3))

    return one_layer(step, Q(4, 3), {"l.s": Q(4, 3)}, 32)


PATHS = {
    "bytes": (recurrence(Dense(), 37, Q(3, 4), Q(4, 3)), {"rows_bytes", "pack_stored"}, 32),
    "bytes in 64 bits": (
        recurrence(Dense(), 37, Q(3, 4), Q(4, 3), input=Q(20, 20)),
        {"rows_bytes", "load"},
        64,
    ),
    "narrow": (recurrence(Dense(), 37, Q(3, 4), Q(5, 3)), {"rows_narrow", "pack"}, 32),
    "narrow band": (recurrence(Banded(3, 2), 37, Q(3, 4), Q(4, 3)), {"rows_narrow"}, 32),
    "diagonal": (recurrence(Diagonal(), 37, Q(3, 4), Q(4, 3)), {"rows_diagonal"}, 32),
    "diagonal in 64 bits": (recurrence(Diagonal(), 37, Q(3, 20), Q(4, 30)), {"rows_diagonal"}, 64),
    "narrow in 64 bits": (recurrence(Dense(), 9, Q(0, 14), Q(0, 15)), {"rows_narrow"}, 64),
    "wide": (recurrence(Dense(), 37, Q(3, 13), Q(4, 3)), {"rows_wide"}, 32),
    "wide in 64 bits": (recurrence(Dense(), 37, Q(3, 20), Q(4, 30)), {"rows_wide", "load"}, 64),
    "ordered": (
        recurrence(Dense(), 37, Q(3, 4), Q(4, 3), accumulator=Q(4, 7)),
        {"rows_ordered_narrow"},
        32,
    ),
    "ordered and wrapping": (
        recurrence(
            Dense(),
            37,
            Q(3, 4),
            Q(4, 3),
            accumulator=Q(2, 3, rounding=Rounding.RND_CONV, overflow=Overflow.WRAP),
        ),
        {"rows_ordered_narrow"},
        32,
    ),
    "ordered in 64 bits": (
        recurrence(Banded(9, 9), 37, Q(3, 20), Q(4, 20), accumulator=Q(4, 30)),
        {"rows_ordered"},
        64,
    ),
    "ordered, narrow in 64 bits": (
        recurrence(Dense(), 37, Q(3, 4), Q(4, 3), accumulator=Q(4, 7), input=Q(20, 20)),
        {"rows_ordered_narrow", "load"},
        64,
    ),
    "ordered products, narrow in 64 bits": (
        recurrence(Dense(), 37, Q(3, 4), Q(4, 3), Q(3, 2), Q(5, 2), input=Q(20, 20)),
        {"rows_ordered_narrow", "load"},
        64,
    ),
    "ordered, wide operands": (
        recurrence(Dense(), 37, Q(3, 14), Q(4, 3), accumulator=Q(4, 7)),
        {"rows_ordered"},
        32,
    ),
    "ordered, wide products": (
        recurrence(Dense(), 37, Q(9, 20), Q(4, 20), Q(4, 9), Q(4, 9)),
        {"rows_ordered"},
        64,
    ),
    "ordered products": (
        recurrence(Dense(), 37, Q(3, 4), Q(4, 3), product=Q(3, 2), accumulator=Q(5, 2)),
        {"rows_ordered_narrow"},
        32,
    ),
    "every product rounded": (
        recurrence(
            Dense(),
            37,
            Q(3, 4),
            Q(4, 3),
            accumulator=Q(2, 3, rounding=Rounding.TRN, overflow=Overflow.WRAP),
        ),
        {"rows_cast", "cast"},
        32,
    ),
    "proven to fit": (
        recurrence(Dense(), 37, Q(3, 4), Q(5, 3), accumulator=Q(20, 7)),
        {"rows_narrow", "cast"},
        32,
    ),
    "transform": (transforms(FastWalshHadamard()), {"transform", "gather"}, 32),
    "stage": (transforms(WalshHadamardStage()), {"stage", "gather"}, 32),
}


@pytest.mark.parametrize("lanes", [16, 1])
@pytest.mark.parametrize("path", PATHS)
def test_every_kernel_is_taken_and_equals_golden(path, lanes):
    network, expected, word = PATHS[path]
    rng = np.random.default_rng(7)
    for _ in range(4):
        parameters = draw_parameters(rng, network)
        planned = ByteProducts(32) if "bytes" in path else ANY_ISA
        plan = plan_network(network, parameters, lanes, byte_products=planned)
        assert expected <= operations(plan)
        for scan in plan.scans.values():
            used = {NAMES[row["operation"]]: int(row["bits"]) for row in scan.instructions}
            products = {bits for name, bits in used.items() if name.startswith("rows")}
            assert products <= {word}
        batch = draw_batch(rng, network, 17, 3)
        wanted = golden.run(network, parameters, batch)
        for isa in ISAS:
            if runnable_products(isa).runs(planned):
                assert_same_run(wanted, execute(plan, batch, isa))


@pytest.mark.parametrize("kind", BYTE_WEIGHTS)
@pytest.mark.parametrize("state", [Q(4, 3), Q(0, 8, signed=False)])
def test_bytes_at_their_extremes(kind, state):
    case = byte_case(kind, state)
    wanted = golden.run(case.network, case.parameters, case.batch)
    kinds = (ByteProducts(16), ByteProducts(32), ByteProducts(32, tiles=True))
    for lanes, products in product((16, 1), kinds):
        plan = plan_network(case.network, case.parameters, lanes, byte_products=products)
        narrow = kind == "extreme" and products.sum_bits == 16
        kernel = "rows_tiles" if products.tiles and lanes == 16 else "rows_bytes"
        assert ("rows_narrow" if narrow else kernel) in operations(plan)
        for isa in ISAS:
            if runnable_products(isa).runs(products):
                assert_same_run(wanted, execute(plan, case.batch, isa))


def repeated(batch, order):
    """The sequences of a batch, numbered by ``order``."""
    initial = {name: value[order] for name, value in batch.initial.items()}
    return Batch(batch.inputs[order], batch.lengths[order], initial)


@pytest.fixture
def beside(monkeypatch):
    """The lane blocks that each program runs side by side."""
    made, program = [], engine._engine.Program

    def make(plan, level, blocks):
        made.append(blocks)
        return program(plan, level, blocks)

    monkeypatch.setattr("rnnhw.execution._engine.Program", make)
    return made


def constant_start(structure, units):
    """``s' = cast(x + (b + W s))``: the product needs nothing of its own phase."""

    def step(g, x):
        s = g.state(units, "s")
        weights = g.tensor("W", structure.shape(units, units), "weight")
        start = g.literal("b", range(units), 7)
        a = g.matvec(structure, weights, s, units, start, name="a")
        g.update(s, g.cast(g.add(a, x), "s"))
        return a

    return one_layer(step, Q(4, 3), {"l.W": Q(0, 7), "l.s": Q(4, 3)}, units)


@cache
def alone_runs(kind, units, constant):
    """A case of bytes whose sequences differ in length, and golden's run of each. Sums begin with
    the input, or with a constant: then products by tiles run ahead."""
    case = byte_case(kind, Q(4, 3), units)
    if constant:
        case = replace(case, network=constant_start(Dense(), units))
    inputs = np.random.default_rng(2).integers(-128, 128, case.batch.inputs.shape)
    batch = replace(case.batch, inputs=inputs, lengths=np.array([2] * 5 + [1] * 13))
    case = replace(case, batch=batch)
    return case, [
        golden.run(case.network, case.parameters, repeated(case.batch, [i]), case.traces)
        for i in range(18)
    ]


SUMS = {
    "16 bits": ByteProducts(16),
    "32 bits": ByteProducts(32),
    "tiles": ByteProducts(32, tiles=True),
    "tiles ahead": ByteProducts(32, tiles=True),
    "pairs": None,
}


@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize("units", [67, 270])  # 270 columns take two passes
@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5])
def test_lane_blocks_side_by_side_equal_each_alone(blocks, units, sums, beside):
    """Their states differ, and so do their lengths: the last ones end before the others."""
    kind, ahead = "spikes" if sums == "16 bits" else "extreme", sums == "tiles ahead"
    case, alone = alone_runs(kind, units, ahead)
    network, parameters = case.network, case.parameters
    order = np.arange(16 * blocks - 3) * 5 % 18
    batch = repeated(case.batch, order)
    planned = SUMS[sums] or ANY_ISA
    plan = plan_network(network, parameters, 16, case.traces, planned)
    kernel = "rows_narrow" if sums == "pairs" else "rows_tiles" if "tiles" in sums else "rows_bytes"
    assert kernel in operations(plan)
    assert any(phase[2] for scan in plan.scans.values() for phase in scan.phases) == ahead
    for isa in ISAS:
        if not runnable_products(isa).runs(planned):
            continue
        beside.clear()
        found = execute(plan, batch, isa)
        assert beside == [min(blocks, 4)]
        for place, i in enumerate(order):
            np.testing.assert_array_equal(found.outputs[place], alone[i].outputs[0])
            for name, trace in found.traces.items():
                np.testing.assert_array_equal(trace[place], alone[i].traces[name][0])
            for name, value in found.final.items():
                np.testing.assert_array_equal(value[place], alone[i].final[name][0])
        for name, events in found.events.items():
            assert events == sum((alone[i].events[name] for i in order), Events())
        assert found.counts["l"] == layer_counts(network, batch.lengths)["l"]


@pytest.mark.parametrize(
    ("structure", "units", "expected"),
    [(Dense(), 20, 3), (Diagonal(), 30_000, 1), (Dense(), 400, 3)],
)
def test_lane_blocks_run_side_by_side_where_they_share_weights_or_are_small(
    structure, units, expected, beside
):
    network = recurrence(structure, units, Q(3, 4), Q(4, 3))
    parameters = draw_parameters(np.random.default_rng(0), network)
    batch = draw_batch(np.random.default_rng(1), network, 36, 2)
    execute(plan_network(network, parameters, 16), batch)
    assert beside == [expected]


# --- programs of earlier runs -------------------------------------------------------------------
def several_runs():
    """A plan, and batches of other lengths and other states, each with golden's run."""
    network = recurrence(Banded(1, 1), 37, Q(3, 4), Q(4, 3))
    rng = np.random.default_rng(3)
    parameters = draw_parameters(rng, network)
    batches = [draw_batch(rng, network, sequences, 3) for sequences in (33, 33, 17, 5)]
    wanted = [golden.run(network, parameters, batch) for batch in batches]
    return network, parameters, batches, wanted


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("lanes", [16, 1])
def test_a_run_by_the_program_of_another_run_equals_golden(lanes, isa, beside):
    """Nothing of one run is in the next one's values, events and counts."""
    network, parameters, batches, wanted = several_runs()
    plan = plan_network(network, parameters, lanes)
    for batch, golden_run in zip(2 * batches, 2 * wanted, strict=True):
        found = execute(plan, batch, isa)
        assert_same_run(golden_run, found)
        assert found.counts["l"] == layer_counts(network, batch.lengths.tolist())["l"]
    assert 0 < len(beside) < 2 * len(batches)


def test_runs_of_a_plan_at_once_have_programs_of_their_own():
    network, parameters, batches, wanted = several_runs()
    plan = plan_network(network, parameters, 16)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: execute(plan, batch), 20 * batches))
    for each, golden_run in zip(found, 20 * wanted, strict=True):
        assert_same_run(golden_run, each)
    programs = [program for idle in plan.idle.values() for program in idle]
    assert 0 < len(programs) <= 8 and len({id(program) for program in programs}) == len(programs)


def test_a_plan_keeps_no_program_that_is_large_or_for_other_steps(monkeypatch):
    network, parameters, batches, _ = several_runs()
    plan = plan_network(network, parameters, 16)
    execute(plan, batches[0])
    first = list(plan.idle)
    longer = draw_batch(np.random.default_rng(0), network, 33, 7)
    longer = replace(longer, lengths=np.full(33, 7))
    execute(plan, longer)
    assert len(plan.idle) == 1 and list(plan.idle) != first
    monkeypatch.setattr(engine, "_KEPT_BYTES", 1)
    other = plan_network(network, parameters, 16)
    execute(other, longer)
    assert not other.idle


def test_a_plan_and_its_programs_are_let_go_together():
    network, parameters, batches, _ = several_runs()
    plan = plan_network(network, parameters, 16)
    execute(plan, batches[0])
    assert plan.idle
    gone = weakref.ref(plan)
    del plan
    gc.collect()
    assert gone() is None


def test_tiles_of_rows_that_read_other_columns():
    """Two blocks of 16 rows are added side by side where they read the same ones: the fifth and the
    sixth do not."""
    network = constant_start(BlockDiagonal(80), 160)
    parameters = draw_parameters(np.random.default_rng(0), network)
    batch = draw_batch(np.random.default_rng(1), network, 40, 2)
    planned = ByteProducts(32, tiles=True)
    plan = plan_network(network, parameters, 16, byte_products=planned)
    assert any(phase[2] for scan in plan.scans.values() for phase in scan.phases)
    wanted = golden.run(network, parameters, batch)
    for isa in ISAS:
        if runnable_products(isa).runs(planned):
            assert_same_run(wanted, execute(plan, batch, isa))


@pytest.mark.parametrize("units", [64, 129, 270])  # one step of tiles, three, five
def test_tiles_of_any_number_of_steps(units):
    case = byte_case("extreme", Q(4, 3), units)
    wanted = golden.run(case.network, case.parameters, case.batch)
    planned = ByteProducts(32, tiles=True)
    plan = plan_network(case.network, case.parameters, 16, byte_products=planned)
    assert "rows_tiles" in operations(plan)
    for isa in ISAS:
        if runnable_products(isa).runs(planned):
            found = execute(plan, case.batch, isa)
            assert_same_run(wanted, found)
            assert found.counts["l"] == layer_counts(case.network, case.batch.lengths)["l"]


def test_a_plan_for_sums_that_an_instruction_set_has_not_is_refused(monkeypatch):
    network, *_ = PATHS["bytes"]
    parameters = draw_parameters(np.random.default_rng(0), network)
    batch = draw_batch(np.random.default_rng(1), network, 2, 3)
    monkeypatch.setattr("rnnhw.execution._engine.byte_sums", lambda level: 16)
    plan = plan_network(network, parameters, 16, byte_products=ByteProducts(32))
    with pytest.raises(UsageError, match="sums of bytes in 32 bits, which plain has not"):
        execute(plan, batch, "plain")


WORDS = {
    "int16 operands": (Q(2, 4), Q(4, 5)),
    "wide operands": (Q(12, 4), Q(3, 3)),
    "wide products": (Q(9, 22), Q(9, 8)),
}


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
def test_products_and_sums_in_every_mode(rounding, overflow):
    """Over rows that take the lanes' place and one that is left, pairs in two runs, shared
    weights; accumulators that drop bits of a product and that do not; signed and not."""
    rng = np.random.default_rng(17)
    events, drawn = Events(), 0
    for structure in (Dense(), CyclicBand(9, 6), Toeplitz()):
        for weight, state in WORDS.values():
            for fraction in (
                weight.fraction + state.fraction - 3,
                weight.fraction + state.fraction,
            ):
                signed = drawn % 4 > 0 or overflow is Overflow.WRAP_SM
                word = Q(14 - fraction, fraction, signed, rounding, overflow)
                product = [
                    None,
                    word,
                    replace(word, rounding=Rounding.RND_CONV, overflow=overflow),
                ][drawn % 3]
                network = recurrence(structure, 17, weight, state, product, word)
                parameters = draw_parameters(rng, network)
                batch = draw_batch(rng, network, 4, 2)
                case = Case(network, parameters, batch, ("l.a",))
                events += assert_engine_equals_golden(case).events["l.a"]
                drawn += 1
    assert (events.wraps if overflow.wraps else min(events.high, events.low)) > 100


EXTREMES = {
    "all lowest": (-(2**15), -(2**15)),
    "all highest": (2**15 - 1, 2**15 - 1),
    "opposite": (-(2**15), 2**15 - 1),
}


@pytest.mark.parametrize("lanes", [16, 1])
@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("accumulator", [None, Q(1, 30), Q(1, 30, overflow=Overflow.WRAP)])
def test_int16_pairs_at_their_extremes(extreme, lanes, accumulator):
    weight, first = EXTREMES[extreme]
    network = recurrence(Dense(), 35, Q(0, 15), Q(0, 15), accumulator=accumulator)
    parameters = raw_parameters(network, W=np.full((35, 35), weight))
    initial = {"l.s": np.full((3, 35), first)}
    batch = make_batch(network, np.zeros((3, 2, 35), int), None, initial, raw=True)
    wanted = golden.run(network, parameters, batch)
    for isa in ISAS:
        assert_same_run(wanted, run(network, parameters, batch, isa=isa, lanes=lanes))


@pytest.mark.parametrize("lanes", [16, 1])
def test_long_int16_sums_are_taken_in_chunks(lanes):
    network = recurrence(Dense(), 35, Q(0, 15), Q(0, 15))
    parameters = raw_parameters(network, W=np.full((35, 35), 2**15 - 1))
    plan = plan_network(network, parameters, lanes)
    (rows,) = next(iter(plan.scans.values())).matrices
    assert rows.weights.dtype == np.int16
    assert rows.chunk == 2


def test_one_lane_interleaves_sixteen_rows():
    network, *_ = PATHS["narrow"]
    parameters = raw_parameters(network, W=np.arange(37 * 37).reshape(37, 37) % 200 - 100)
    for lanes, expected in ((1, True), (16, False)):
        plan = plan_network(network, parameters, lanes)
        assert [m.interleaved for s in plan.scans.values() for m in s.matrices] == [expected]


# --- plans -------------------------------------------------------------------------------------
@pytest.fixture
def planned(monkeypatch):
    """What has been planned: lanes and traces."""
    calls = []

    def plan(network, parameters, lanes, traces, byte_sums):
        calls.append((lanes, traces))
        return plan_network(network, parameters, lanes, traces, byte_sums)

    monkeypatch.setattr(engine, "plan_network", plan)
    return calls


def test_a_plan_is_made_once(planned):
    case = draw_case(random.Random(1))
    first = run(case.network, case.parameters, case.batch, case.traces)
    for _ in range(3):
        again = run(case.network, case.parameters, case.batch, case.traces)
        assert_same_run(first, again)
        assert again.counts == first.counts
    run(case.network, case.parameters, case.batch, isa=ISAS[-1], lanes=16)
    run(case.network, case.parameters, case.batch, lanes=16)
    run(case.network, case.parameters, case.batch, lanes=1)
    names = tuple(case.traces)
    assert len(planned) == 3
    assert {traces for _, traces in planned} == {names, ()}


def test_a_plan_is_made_anew_for_changed_weights_and_other_networks(planned):
    network = recurrence(Dense(), 5, Q(3, 4), Q(4, 3))
    parameters = raw_parameters(network, W=np.full((5, 5), 3))
    batch = draw_batch(np.random.default_rng(1), network, 3, 4)
    run(network, parameters, batch)
    parameters.raw["l.W"][0, 0] = -9
    assert_same_run(golden.run(network, parameters, batch), run(network, parameters, batch))
    assert len(planned) == 2
    other = recurrence(Banded(4, 4), 5, Q(3, 4), Q(4, 3), accumulator=Q(2, 3))
    same_keys = Parameters(parameters.values, {"l.W": np.ones((9, 5), np.int64)}, {})
    for made in (network, other, network):
        given = parameters if made is network else same_keys
        assert_same_run(golden.run(made, given, batch), run(made, given, batch))
    assert len(planned) == 3


def test_plans_go_with_the_parameters():
    network = recurrence(Dense(), 5, Q(3, 4), Q(4, 3))
    parameters = raw_parameters(network, W=np.full((5, 5), 3))
    batch = draw_batch(np.random.default_rng(1), network, 3, 4)
    for count in range(12):  # more sets of traces than are kept
        run(network, parameters, batch, ["l.a", "l.s"][: count % 3], lanes=[1, 16][count % 2])
    kept = weakref.ref(parameters)
    del parameters
    gc.collect()
    assert kept() is None


def test_threads_share_plans(planned):
    case = draw_case(random.Random(5))
    expected = golden.run(case.network, case.parameters, case.batch, case.traces)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(
            lambda _: run(case.network, case.parameters, case.batch, case.traces), range(24)
        ):
            assert_same_run(expected, found)
    assert 1 <= len(planned) <= 4


# --- runs --------------------------------------------------------------------------------------
@given(cases(streaming=True))
def test_a_sequence_in_pieces_gives_what_the_whole_gives(case):
    network, parameters, batch = case.network, case.parameters, case.batch
    whole = run(network, parameters, batch)
    first = np.minimum(batch.lengths, max(int(batch.lengths.max()) // 2, 1))
    piece = make_batch(network, batch.inputs, first, batch.initial, raw=True)
    begun = run(network, parameters, piece)
    final = {name: value.copy() for name, value in begun.final.items()}
    joined = [list(begun.outputs[i, :n]) for i, n in enumerate(first)]
    events = dict(begun.events)
    more = np.flatnonzero(batch.lengths > first)
    if len(more):
        longest = int((batch.lengths - first)[more].max())
        x = np.zeros((len(more), longest, batch.inputs.shape[2]), np.int64)
        for row, i in enumerate(more):
            x[row, : batch.lengths[i] - first[i]] = batch.inputs[i, first[i] : batch.lengths[i]]
        states = {name: value[more] for name, value in final.items()}
        rest = make_batch(network, x, (batch.lengths - first)[more], states, raw=True)
        ended = run(network, parameters, rest)
        for row, i in enumerate(more):
            joined[i] += list(ended.outputs[row, : batch.lengths[i] - first[i]])
        for name, value in ended.final.items():
            final[name][more] = value
        events = {name: events[name] + ended.events[name] for name in events}
    for i, outputs in enumerate(joined):
        np.testing.assert_array_equal(outputs, whole.outputs[i, : batch.lengths[i]])
    for name, value in whole.final.items():
        np.testing.assert_array_equal(final[name], value)
    assert events == whole.events


@given(cases())
def test_a_sequence_does_not_notice_its_neighbours(case):
    whole = run(case.network, case.parameters, case.batch)
    order = np.argsort(case.batch.inputs.sum((1, 2)), kind="stable")[::-1]
    for chosen in (order, order[:1]):
        initial = {name: value[chosen] for name, value in case.batch.initial.items()}
        part = make_batch(
            case.network, case.batch.inputs[chosen], case.batch.lengths[chosen], initial, raw=True
        )
        found = run(case.network, case.parameters, part)
        steps = found.outputs.shape[1]
        np.testing.assert_array_equal(found.outputs, whole.outputs[chosen, :steps])
        for name, value in whole.final.items():
            np.testing.assert_array_equal(found.final[name], value[chosen])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("lanes", [16, 1])
@pytest.mark.parametrize(
    ("state", "kernel", "skipped_rows"),
    [(Q(5, 3), "rows_narrow", [5]), (Q(4, 3), "rows_bytes", range(12))],  # bytes: whole panels
)
def test_rows_skipped_on_purpose_show_in_counts_and_outputs(
    lanes, isa, state, kernel, skipped_rows
):
    network = recurrence(Dense(), 12, Q(3, 4), state)
    parameters = raw_parameters(network, W=np.full((12, 12), 5))
    batch = make_batch(network, np.ones((4, 3, 12), int), [3, 1, 2, 3], raw=True)
    honest = execute(plan_network(network, parameters, lanes), batch, isa)
    predicted = layer_counts(network, [3, 1, 2, 3])["l"]
    assert honest.counts["l"] == predicted
    plan = plan_network(network, parameters, lanes)
    assert kernel in operations(plan)
    rows = next(iter(plan.scans.values())).matrices[0]
    rows.count[skipped_rows] = rows.terms[skipped_rows] = 0
    skipped = execute(plan, batch, isa)
    missing = 9 * 12 * len(skipped_rows)
    assert predicted.multiplies - skipped.counts["l"].multiplies == missing
    assert predicted.weights.reads - skipped.counts["l"].weights.reads == missing
    assert (skipped.outputs != honest.outputs).any()


def test_progress_ends_at_the_number_of_sequences():
    network, *_ = PATHS["narrow"]
    rng = np.random.default_rng(1)
    batch = draw_batch(rng, network, 33, 2)
    seen = []
    run(
        network,
        draw_parameters(rng, network),
        batch,
        progress=lambda done, of: seen.append((done, of)),
    )
    assert seen[-1] == (33, 33)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_traces_may_be_asked_for_twice_and_leave_the_counts_alone():
    network, *_ = PATHS["narrow"]
    rng = np.random.default_rng(1)
    parameters, batch = draw_parameters(rng, network), draw_batch(rng, network, 5, 3)
    plain = run(network, parameters, batch)
    traced = run(network, parameters, batch, ["l.a", "l.s", "l.a"])
    assert list(traced.traces) == ["l.a", "l.s"]
    assert traced.counts == plain.counts
    np.testing.assert_array_equal(traced.traces["l.a"], traced.outputs)


def test_the_default_isa_is_the_fastest_that_runs_here():
    assert select_isa(None)[1] == ISAS[-1]
    assert next(iter(available_isas())) == "plain"
    assert available_isas()["plain"]


def test_an_unknown_instruction_set_is_a_usage_error():
    with pytest.raises(UsageError, match="unknown instruction set 'sse9'") as caught:
        select_isa("sse9")
    assert "plain" in caught.value.hint


def test_an_instruction_set_that_the_processor_lacks_is_a_usage_error(monkeypatch):
    monkeypatch.setattr(
        "rnnhw.execution.instruction_sets.available_isas", lambda: {"plain": True, "avx9": False}
    )
    with pytest.raises(UsageError, match="no avx9") as caught:
        select_isa("avx9")
    assert "plain" in caught.value.hint


@pytest.mark.parametrize("lanes", [2, 15, 32, -1])
def test_other_numbers_of_lanes_are_a_usage_error(lanes):
    network, *_ = PATHS["narrow"]
    rng = np.random.default_rng(1)
    with pytest.raises(UsageError, match="lanes"):
        run(network, draw_parameters(rng, network), draw_batch(rng, network, 3, 2), lanes=lanes)


def test_an_unknown_trace_is_refused_with_the_known_ones():
    network, *_ = PATHS["narrow"]
    rng = np.random.default_rng(1)
    with pytest.raises(DesignError, match=r"unknown signal 'l\.b'") as caught:
        run(network, draw_parameters(rng, network), draw_batch(rng, network, 1, 1), ["l.b"])
    assert "l.a" in caught.value.hint


def test_a_state_in_several_forms_starts_with_its_first_value():
    """One of its forms is made in every step, the pairs of its first value before all steps."""

    def step(g, x):
        s = g.state(8, "s")
        pairs = g.cast(g.matvec(WalshHadamardStage(), None, s, 8, name="pairs"), "p")
        a = g.matvec(Dense(), g.tensor("W", (8, 8), "weight"), s, 8, x, name="a")
        return g.update(s, g.cast(g.add(a, pairs), "s"))

    network = one_layer(step, Q(4, 3), {"l.s": Q(4, 3), "l.p": Q(4, 3), "l.W": Q(3, 4)}, 8)
    rng = np.random.default_rng(5)
    parameters = draw_parameters(rng, network)
    first = {"l.s": rng.integers(-128, 128, (17, 8))}
    batch = make_batch(network, rng.integers(-128, 128, (17, 3, 8)), initial=first, raw=True)
    assert_engine_equals_golden(Case(network, parameters, batch, tuple(network.signals())))


# --- threads ------------------------------------------------------------------------------------
@pytest.mark.parametrize("sequences", [1, 3, 17, 70])
def test_no_result_depends_on_the_threads(sequences):
    """Blocks of 16, what is left one by one, lengths that differ, states, traces and events."""
    network = recurrence(Dense(), 20, Q(3, 4), Q(4, 3), accumulator=Q(4, 7))
    rng = np.random.default_rng(sequences)
    parameters = draw_parameters(rng, network)
    batch = draw_batch(rng, network, sequences, 40)
    signals = tuple(network.signals())
    wanted = golden.run(network, parameters, batch, signals)
    assert sum(events.total for events in wanted.events.values())
    counts = layer_counts(network, batch.lengths.tolist())
    for threads in (None, 1, 2, 5):
        told = []
        found = run(
            network, parameters, batch, signals, threads=threads,
            progress=lambda *done, told=told: told.append(done),
        )  # fmt: skip
        assert_same_run(wanted, found)
        assert {layer: dict(c.flat()) for layer, c in found.counts.items()} == {
            layer: dict(c.flat()) for layer, c in counts.items()
        }
        assert told[-1] == (sequences, sequences)
        assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_few_sequences_more_than_a_block_run_alone():
    network = recurrence(Dense(), 20, Q(3, 4), Q(4, 3))
    parameters = draw_parameters(np.random.default_rng(0), network)
    for sequences, lanes in [(3, [1]), (4, [16]), (16, [16]), (19, [16, 1]), (20, [16])]:
        batch = draw_batch(np.random.default_rng(1), network, sequences, 3)
        found = run(network, parameters, batch)
        assert [work.plan.lanes for work in found.work] == lanes


@pytest.mark.parametrize("name", ["threads", "chunk"])
@pytest.mark.parametrize("value", [0, -1])
def test_threads_and_steps_of_a_chunk_are_at_least_one(name, value):
    network = recurrence(Dense(), 20, Q(3, 4), Q(4, 3))
    parameters = draw_parameters(np.random.default_rng(0), network)
    batch = draw_batch(np.random.default_rng(1), network, 2, 3)
    with pytest.raises(UsageError, match=f"{name}={value}"):
        run(network, parameters, batch, **{name: value})


def test_a_batch_that_does_not_fit_is_refused_before_it_is_read():
    network = recurrence(Dense(), 20, Q(3, 4), Q(4, 3))
    plan = plan_network(network, draw_parameters(np.random.default_rng(0), network), 1)
    inputs, lengths = np.zeros((2, 3, 20), np.int64), np.array([3, 1])
    states = {"l.s": np.zeros((2, 20), np.int64)}
    execute(plan, Batch(inputs, lengths, states))
    for wrong in (
        lambda: Batch(inputs, np.array([3, 4]), {}),
        lambda: Batch(inputs, lengths[:1], {}),
        lambda: Batch(inputs[0], lengths, {}),
        lambda: Batch(inputs, lengths, {"l.s": states["l.s"][:1]}),
        lambda: execute(plan, Batch(inputs[:, :, :19], lengths, {})),
        lambda: execute(plan, Batch(inputs, lengths, {"l.s": states["l.s"][:, :19]})),
    ):
        with pytest.raises(ValueError, match=r"inputs|first states"):
            wrong()


# --- chunks ------------------------------------------------------------------------------------
def running_sum(steps):
    """A network of two inputs, and the states that add up what they were before."""
    net = NetworkBuilder(2, Q(4, 3), Formats(), {"l.s": Q(4, 3)}, steps)

    def step(g, x):
        s = g.state(x.units, "s")
        g.update(s, g.cast(g.add(s, x), "s"))
        return s

    return net, net.scan("l", [net.source], step, Formats())


def windows_over_a_state():
    """Windows of a window of a state, beside a window as wide as both, and their last values."""
    net, state = running_sum(12)
    twice = net.window(net.window(state, "first", 5), "second", 3)
    once = net.window(state, "wide", 7)

    def sums(g, a, b):
        return g.add(g.gather([a], [2 * i for i in range(b.units)]), b)

    both = net.scan("sums", [twice, once], sums, Formats())
    net.last(both, "last")
    return net.build()


@pytest.mark.parametrize("lanes", [16, 1])
@pytest.mark.parametrize("chunk", [*range(1, 10), 12, None])
def test_windows_reach_back_over_as_many_chunks_as_they_need(chunk, lanes):
    network = windows_over_a_state()
    batch = draw_batch(np.random.default_rng(3), network, 18, 12, 7)
    case = Case(network, raw_parameters(network), batch, tuple(network.signals()))
    expected = golden.run(case.network, case.parameters, batch, case.traces)
    found = run(network, case.parameters, batch, case.traces, lanes=lanes, chunk=chunk)
    assert_same_run(expected, found)


@pytest.mark.parametrize("lanes", [16, 1])
def test_a_run_that_keeps_no_step_needs_no_memory_for_steps(lanes):
    """100,000 steps of 28 bytes: inputs, states, their windows of three."""
    net, state = running_sum(100_000)
    net.total(net.window(state, "windows", 3), "total")
    network = net.build()
    batch = draw_batch(np.random.default_rng(3), network, 1, 100_000, 100_000)
    parameters = raw_parameters(network)
    run(network, parameters, batch, lanes=lanes)
    tracemalloc.start()
    try:
        run(network, parameters, batch, lanes=lanes)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_000_000


def test_an_interrupt_ends_the_threads(monkeypatch):
    """What the progress raises leaves the run; no task begins after it."""
    network = recurrence(Dense(), 20, Q(3, 4), Q(4, 3))
    parameters = draw_parameters(np.random.default_rng(0), network)
    batch = draw_batch(np.random.default_rng(1), network, 160, 40)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(network, parameters, batch, threads=2, progress=stop)
    assert run(network, parameters, batch, threads=2).lengths.tolist() == batch.lengths.tolist()


def test_an_error_in_another_thread_leaves_the_run(monkeypatch):
    network = recurrence(Dense(), 20, Q(3, 4), Q(4, 3))
    parameters = draw_parameters(np.random.default_rng(0), network)
    batch = draw_batch(np.random.default_rng(1), network, 160, 40)
    whole, began = engine._Programs.run, threading.Event()

    def fail(programs, order, arrays):
        if threading.current_thread() is threading.main_thread():
            assert began.wait(60)  # or this thread would run all
            return whole(programs, order, arrays)
        began.set()
        raise MemoryError("no more")

    monkeypatch.setattr(engine._Programs, "run", fail)
    with pytest.raises(MemoryError, match="no more"):
        run(network, parameters, batch, threads=2)


def test_what_programs_write_in_every_step_shares_no_cache_line():
    """Two threads took a third more CPU time each where their tallies lay side by side."""
    network = recurrence(Dense(), 20, Q(3, 4), Q(4, 3))
    plan = plan_network(network, draw_parameters(np.random.default_rng(0), network), 16)
    ((scan, _node),) = engine._engine.Program(plan, 0, 1).scans
    for array in (scan.units_done, scan.terms_done, scan.events):
        begin, memory = array.ctypes.data, array.base
        assert memory.ctypes.data + 128 <= begin
        assert begin + array.nbytes + 128 <= memory.ctypes.data + memory.nbytes
