"""Bands of bytes: their weights in windows are the matrix, and their kernels equal golden."""

import random
from dataclasses import replace

import numpy as np
import pytest
from helpers.graphs import (
    ISAS,
    Case,
    assert_same_run,
    band_case,
    draw_batch,
    draw_parameters,
    one_layer,
)
from helpers.structured import draw_structured
from hypothesis import assume, given
from hypothesis import strategies as st

from rnnhw import Elman, Formats, Hadamard
from rnnhw.analysis.counts import layer_counts
from rnnhw.design.design import Design
from rnnhw.execution import golden
from rnnhw.execution.batch import Batch
from rnnhw.execution.compiler import ANY_ISA, plan_network
from rnnhw.execution.engine import execute, plan_for, run, runnable_products
from rnnhw.execution.instructions import OPERATION
from rnnhw.execution.quads import ByteProducts
from rnnhw.execution.superinstructions import Fused
from rnnhw.execution.windows import pack_windows
from rnnhw.graph.nodes import Multiply
from rnnhw.layers.structures import Banded, Dense, Diagonal
from rnnhw.numerics.cast import Overflow, Q, Rounding

SHORT = ByteProducts(32, short=True)
RUNNING = [isa for isa in ISAS if runnable_products(isa).runs(SHORT)]
NAMES = {number: name for name, number in OPERATION.items()}
BYTE = Q(0, 7)

# The first column of a row stands at every place within a quad, and rows read one quad to five.
BANDS = [(1, 1), (0, 2), (2, 0), (3, 3), (0, 6), (7, 1), (8, 7), (5, 0)]


def operations(plan):
    """The instructions in order, by name."""
    return [NAMES[row["operation"]] for scan in plan.scans.values() for row in scan.instructions]


def plan_of(case, lanes, planned=SHORT):
    return plan_network(case.network, case.parameters, lanes, case.traces, planned)


def assert_kernels_equal_golden(case, kernel, lanes=(16, 1)):
    """The kernel is taken, on every instruction set that has it, and so are counts."""
    wanted = golden.run(case.network, case.parameters, case.batch, case.traces)
    counts = layer_counts(case.network, case.batch.lengths.tolist())
    for side in lanes:
        plan = plan_of(case, side)
        assert kernel in operations(plan)
        for isa in RUNNING:
            found = execute(plan, case.batch, isa)
            assert_same_run(wanted, found)
            assert dict(found.counts["l"].flat()) == dict(counts["l"].flat())
    return wanted


def test_some_instruction_set_runs_them():
    assert "plain" in RUNNING and "avx2" not in RUNNING


# --- weights -------------------------------------------------------------------------------------
@st.composite
def bands(draw):
    """A window, and the terms of its rows: some columns of it, of any that the vector has."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, first, taps = (
        draw(st.integers(1, 70)),
        draw(st.integers(-15, 0)),
        draw(st.integers(1, 16)),
    )
    row = np.repeat(np.arange(rows), taps)
    column = row + first + np.tile(np.arange(taps), rows)
    kept = (column >= 0) & (rng.random(len(row)) < 0.9)
    assume(kept.any())
    return (first, taps), row[kept], column[kept], rng.integers(-128, 128, kept.sum())


@given(bands(), st.integers(-128, 0), st.sampled_from([16, 1]))
def test_windows_hold_the_matrix(band, low, lanes):
    (first, taps), row, column, weights = band
    packed = pack_windows((first, taps), row, column, weights, (low, low + 255), lanes)
    assert packed.weights.ctypes.data % 64 == 0
    rows, margin = 16 * len(packed.first), 32
    found = np.zeros((rows, rows + 2 * margin), int)
    stored = packed.weights.reshape(-1, packed.windows, 16 if lanes == 1 else 4, 4)
    for group, window, inside, tap in np.ndindex(stored.shape):
        r = group * stored.shape[2] + inside
        begin = r if lanes == 1 else group * stored.shape[2]
        found[r, margin + begin + packed.first[0] + 4 * window + tap] += stored[
            group, window, inside, tap
        ]
    expected = np.zeros_like(found)
    expected[row, margin + column] = weights
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(packed.begins(0), low * expected.sum(1))
    np.testing.assert_array_equal(packed.begins(128), (low + 128) * expected.sum(1))
    if lanes == 16:
        assert packed.first[0] % 4 == 0


# --- kernels -------------------------------------------------------------------------------------
@pytest.mark.parametrize("units", [35, 64, 131])  # rows left over, whole fours, and both
@pytest.mark.parametrize(("lower", "upper"), BANDS)
def test_bands_of_every_width_and_place(lower, upper, units):
    case = band_case(Banded(lower, upper), units, BYTE, seed=units)
    wanted = assert_kernels_equal_golden(case, "finish_rows")
    assert wanted.events["l.h"].total > 0


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("units", [70, 520])  # through memory, in one part and in several
def test_every_cast_behind_them(units, rounding, overflow):
    to = Q(0, 7, rounding=rounding, overflow=overflow)
    wanted = assert_kernels_equal_golden(band_case(Banded(1, 1), units, to), "finish_rows")
    assert wanted.events["l.h"].total > 0


@pytest.mark.parametrize(
    ("state", "kernel"),
    [
        (Q(-2, 7), "finish_rows"),
        (Q(0, 7, signed=False), "finish_rows"),
        (Q(1, 7, signed=False), "rows_short"),  # 255 is stored in 16 bits
        (Q(4, 3), "rows_short"),  # what sums begin with is added at another scale
    ],
)
def test_states_with_and_without_a_sign(state, kernel):
    assert_kernels_equal_golden(band_case(Banded(2, 1), 37, state), kernel)


@pytest.mark.parametrize("units", [16384, 16400])
def test_as_many_clipped_elements_as_16_bits_count_and_more(units):
    """Lanes count in 16 bits where these hold what all units of a lane can be."""
    case = band_case(Banded(1, 0), units, Q(-4, 7), inputs=1)
    order = np.arange(17)
    batch = Batch(case.batch.inputs[order, :1], np.ones(17, int), {
        name: value[order] for name, value in case.batch.initial.items()
    })  # fmt: skip
    case = replace(case, batch=batch)
    wanted = assert_kernels_equal_golden(case, "finish_rows", [16])
    assert wanted.events["l.h"].total > 17 * units // 2


@pytest.mark.parametrize("traces", [("l.a",), ("l.begins",)])
@pytest.mark.parametrize("units", [5, 64, 77])
def test_sums_that_others_read_too(units, traces):
    """Then they are words: of the band, or of what its sums begin with."""
    assert_kernels_equal_golden(band_case(Banded(1, 1), units, BYTE, traces=traces), "rows_short")


@pytest.mark.parametrize("inputs", [1, 32, 33])
def test_what_they_begin_with_is_short_as_long_as_it_has_few_quads(inputs):
    case = band_case(Banded(1, 1), 40, BYTE, inputs=inputs)
    assert_kernels_equal_golden(case, "finish_rows")
    for lanes in (16, 1):
        assert ("rows_bytes" in operations(plan_of(case, lanes))) == (inputs > 32)


@pytest.mark.parametrize("lanes", [16, 1])
def test_a_step_of_nothing_else_takes_all_tiles_at_once(lanes):
    """Its phase has one instruction, which runs once whatever the number of units is."""
    case = band_case(Banded(1, 1), 1100, BYTE)
    (scan,) = plan_of(case, lanes).scans.values()
    assert [NAMES[row["operation"]] for row in scan.instructions[-3:]] == [
        "finish_rows", "rows_short", "rows_short",
    ]  # fmt: skip
    assert scan.phases[-1].tolist()[1:] == [0, 0, 1, 1100]
    assert_kernels_equal_golden(case, "finish_rows", [lanes])


def test_they_equal_what_they_replace(monkeypatch):
    case = band_case(Banded(3, 2), 75, BYTE)
    whole = {lanes: plan_of(case, lanes) for lanes in (16, 1)}
    monkeypatch.setattr("rnnhw.execution.compiler.fused", lambda tile, is_register: Fused(tile))
    for lanes, plan in whole.items():
        expanded = plan_of(case, lanes)
        assert "finish_rows" in operations(plan) and "finish_rows" not in operations(expanded)
        for isa in RUNNING:
            found = [execute(each, case.batch, isa) for each in (plan, expanded)]
            assert_same_run(*found)
            assert found[0].counts == found[1].counts


def elman_case(structure, units, formats, traces=(), seed=1):
    """A layer with a bias whose weights and first states reach both ends of their formats."""
    layers = [Elman(units, recurrent=structure, name="l")]
    network = Design(layers, formats, inputs=7).network
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(rng, network)
    for key, raw in parameters.raw.items():
        ends = next(t.format for t in network.tensors if t.key == key)
        extreme = rng.random(raw.shape) < 0.5
        raw[extreme] = rng.choice([ends.min, ends.max], raw.shape)[extreme]
    return Case(network, parameters, draw_batch(rng, network, 35, 3), traces)


@pytest.mark.parametrize("input", [BYTE, Q(2, 5)], ids=["one scale", "two scales"])
@pytest.mark.parametrize("units", [5, 37, 64, 1040])
def test_a_diagonal_is_added_to_what_it_begins_with(units, input):
    """The sums of `W x + b` are shifted where the diagonal has a finer scale."""
    formats = Formats(input=input, weight=BYTE, bias=BYTE, sum=Q(2, 5), state=BYTE)
    case = elman_case(Diagonal(), units, formats)
    wanted = assert_kernels_equal_golden(case, "finish_rows")
    assert sum(events.total for events in wanted.events.values()) > 0
    for lanes in (16, 1):
        (scan,) = plan_of(case, lanes).scans.values()
        rows = scan.instructions[scan.instructions["operation"] == OPERATION["rows_diagonal"]]
        assert len(rows) == 1 and rows["start"] > 0 and (rows["shift_a"] > 0) == (input != BYTE)
    assert_kernels_equal_golden(
        elman_case(Diagonal(), units, formats, tuple(case.network.signals())), "rows_diagonal"
    )


@pytest.mark.parametrize("units", [2, 16, 64, 1024])
def test_a_hadamard_layer_ends_in_one_instruction(units):
    """A product of the input alone is computed where its sums are read: behind the transform."""
    formats = Formats(input=BYTE, weight=BYTE, bias=BYTE, sum=Q(2, 5), state=BYTE)
    case = elman_case(Hadamard(), units, formats)
    for key, raw in case.parameters.raw.items():
        if key.endswith(".after"):
            np.floor_divide(raw, 16, out=raw)  # for sums of 32 bits
    assert_kernels_equal_golden(case, "finish_rows")
    for lanes in (16, 1):
        (scan,) = plan_of(case, lanes).scans.values()
        assert scan.phases[-1].tolist()[1:] == [1, 0, 1, units]
        rows = scan.instructions[scan.instructions["operation"] == OPERATION["rows_diagonal"]]
        assert len(rows) == 1 and rows["start"] > 0 and rows["shift_a"] > 0


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    ("units", "weight", "word"),
    [
        *((units, BYTE, 32) for units in (2, 8, 64, 1024)),
        (2, Q(0, 24), 64),
        (64, Q(0, 20), 64),
        (1024, Q(0, 20), 64),
    ],
)
def test_a_transform_multiplies_bytes_as_it_reads_them(units, weight, word, traced):
    """By every instruction set, in words of 32 bits and, where weights are large, of 64: unless
    somebody else wants the products."""
    formats = Formats(input=BYTE, weight=weight, bias=BYTE, sum=Q(2, 5), state=BYTE)
    case = elman_case(Hadamard(), units, formats)
    (scan,) = case.network.scans
    graph = scan.graph
    (product,) = (graph.signal(node) for node in graph.nodes if isinstance(node, Multiply))
    case = replace(case, traces=(product,) if traced else ())
    wanted = golden.run(case.network, case.parameters, case.batch, case.traces)
    counts = layer_counts(case.network, case.batch.lengths.tolist())
    for lanes in (16, 1):
        plan = plan_of(case, lanes, ANY_ISA)
        (scan,) = plan.scans.values()
        rows = scan.instructions[scan.instructions["operation"] == OPERATION["transform"]]
        assert (rows["low"] == 8).tolist() == [not traced] and rows["bits"].tolist() == [word]
        assert (rows["start"] >= 0).tolist() == [not traced]
        for isa in ISAS:
            found = execute(plan, case.batch, isa)
            assert_same_run(wanted, found)
            assert dict(found.counts["l"].flat()) == dict(counts["l"].flat())


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_lane_blocks_side_by_side(blocks):
    case = band_case(Banded(1, 2), 67, BYTE)
    order = np.arange(16 * blocks - 3) * 5 % 35
    wanted = golden.run(case.network, case.parameters, case.batch)
    batch = case.batch
    batch = Batch(
        batch.inputs[order],
        batch.lengths[order],
        {name: value[order] for name, value in batch.initial.items()},
    )
    for isa in RUNNING:
        found = execute(plan_of(case, 16), batch, isa)
        np.testing.assert_array_equal(found.outputs, wanted.outputs[order])
        np.testing.assert_array_equal(found.final["l.h"], wanted.final["l.h"][order])


def test_random_layers_equal_golden_and_reach_every_form():
    """With what sums begin with at a coarser scale or at none, which ends in other instructions."""
    seen = set()
    for seed in range(60):
        case = draw_structured(random.Random(seed))
        wanted = golden.run(case.network, case.parameters, case.batch, case.traces)
        counts = layer_counts(case.network, case.batch.lengths.tolist())
        for lanes in (16, 1):
            plan = plan_of(case, lanes)
            (scan,) = plan.scans.values()
            for row in scan.instructions:
                name = NAMES[row["operation"]]
                seen |= {(name, lanes), (name, bool(row["start"] >= 0))}
            for isa in RUNNING:
                found = execute(plan, case.batch, isa)
                assert_same_run(wanted, found)
                assert dict(found.counts["l"].flat()) == dict(counts["l"].flat())
    for kernel in ("rows_short", "finish_rows", "transform", "rows_diagonal"):
        assert {(kernel, 16), (kernel, 1), (kernel, True)} <= seen


# --- where they are taken ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("structure", "weight", "state", "input", "kernel"),
    [
        (Banded(1, 1), Q(0, 7), BYTE, BYTE, "rows_short"),
        (Banded(8, 8), Q(0, 7), BYTE, BYTE, "rows_narrow"),  # 17 columns
        (Banded(1, 1), Q(0, 8), BYTE, BYTE, "rows_narrow"),  # weights are no bytes
        (Banded(1, 1), Q(0, 7), Q(0, 8), BYTE, "rows_narrow"),  # the vector is none
        (Banded(1, 1), Q(0, 7), BYTE, Q(20, 20), "rows_narrow"),  # words have 64 bits
        (Dense(), Q(0, 7), BYTE, BYTE, "rows_bytes"),
    ],
)
def test_bands_of_bytes_are_taken_where_32_bits_hold_their_sums(
    structure, weight, state, input, kernel
):
    def step(g, x):
        h = g.state(40, "h")
        U = g.tensor("U", structure.shape(40, 40), "weight")
        a = g.matvec(structure, U, h, 40, x, name="a")
        g.update(h, g.cast(a, "h"))
        return a

    network = one_layer(step, input, {"l.U": weight, "l.h": state}, 40)
    rng = np.random.default_rng(3)
    parameters = draw_parameters(rng, network)
    parameters.raw["l.U"].flat[:200] = weight.max
    batch = draw_batch(rng, network, 18, 3)
    wanted = golden.run(network, parameters, batch)
    for lanes in (16, 1):
        plan = plan_network(network, parameters, lanes, byte_products=SHORT)
        found = operations(plan)
        assert kernel in found and ({*found} & {"rows_short"}) <= {kernel}
        assert "rows_short" not in operations(plan_network(network, parameters, lanes))
        for isa in RUNNING:
            assert_same_run(wanted, execute(plan, batch, isa))
    assert not ANY_ISA.short


@pytest.mark.skipif("avx512" not in ISAS, reason="this build or processor has no avx512")
def test_avx512_takes_them_by_itself():
    layers = [Elman(70, recurrent=Banded(1, 1), name="l")]
    formats = Formats(input=BYTE, weight=BYTE, bias=BYTE, sum=Q(2, 5), state=BYTE)
    network = Design(layers, formats, inputs=8).network
    rng = np.random.default_rng(1)
    parameters, batch = draw_parameters(rng, network), draw_batch(rng, network, 19, 4)
    wanted = golden.run(network, parameters, batch)
    for lanes in (16, 1):
        assert "finish_rows" in operations(plan_for(network, parameters, lanes, isa="avx512"))
        found = run(network, parameters, batch, isa="avx512", lanes=lanes)
        assert_same_run(wanted, found)


@pytest.mark.parametrize("state", [BYTE, Q(4, 3), Q(0, 7, signed=False)], ids=str)
@pytest.mark.parametrize("structure", [Banded(1, 1), Dense()], ids=repr)
def test_a_constant_that_sums_begin_with_is_part_of_the_weights(structure, state):
    """A bias is added to what undoes the offset of bytes, at the scale of the sum: no instruction
    reads it."""

    def step(g, x):
        h = g.state(40, "h")
        U = g.tensor("U", structure.shape(40, 40), "weight")
        begins = g.literal("b", range(-20, 20), 5)
        a = g.matvec(structure, U, h, 40, begins, name="a")
        g.update(h, g.cast(g.add(a, x), "h"))
        return a

    network = one_layer(step, BYTE, {"l.U": BYTE, "l.h": state}, 40)
    rng = np.random.default_rng(0)
    parameters, batch = draw_parameters(rng, network), draw_batch(rng, network, 18, 3)
    wanted = golden.run(network, parameters, batch)
    kernel = OPERATION["rows_bytes" if isinstance(structure, Dense) else "rows_short"]
    for lanes in (16, 1):
        plan = plan_network(network, parameters, lanes, byte_products=SHORT)
        (scan,) = plan.scans.values()
        rows = scan.instructions[scan.instructions["operation"] == kernel]
        assert rows["b"].tolist() == [0]
        for isa in RUNNING:
            assert_same_run(wanted, execute(plan, batch, isa))
