"""The plan: packed weights hold the matrix, and every choice of a kernel is proved."""

import numpy as np
import pytest
from helpers.graphs import cases, one_layer, raw_parameters
from hypothesis import given
from hypothesis import strategies as st

from rnnhw.execution.compiler import (
    ANY_ISA,
    WRITERS,
    format_bits,
    plan_network,
    signed_bits,
)
from rnnhw.execution.instructions import INSTRUCTION, OPERATION
from rnnhw.execution.quads import ByteProducts
from rnnhw.graph.nodes import OPERATIONS, Matvec
from rnnhw.layers.structures import Dense, FastWalshHadamard, WalshHadamardStage
from rnnhw.numerics.cast import Overflow, Q, Rounding


@given(st.integers(-(2**62), 2**62), st.integers(0, 2**62))
def test_signed_bits_is_the_narrowest_word(low, span):
    high = low + span
    bits = signed_bits((low, high))
    assert -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)
    if bits > 1:
        assert low < -(2 ** (bits - 2)) or high >= 2 ** (bits - 2)


def test_unsigned_formats_need_one_bit_more():
    assert format_bits(Q(3, 4)) == 8
    assert format_bits(Q(4, 4, signed=False)) == 9


def unpacked(rows, index, columns, group):
    """Row ``index`` of the packed weights as a full row, laid out as kernels.h says."""
    count, offset = int(rows.count[index]), int(rows.offset[index])
    if rows.quads is not None:
        block, within = divmod(index, 16)
        begin, end = rows.quads.extra[block : block + 2]
        quads = count // 4 + end - begin
        stored = rows.weights[offset : offset + 64 * quads].reshape(quads, 16, 4)[:, within]
        starts = rows.first[index] + 4 * np.arange(count // 4)
        starts = np.append(starts, rows.quads.extra_columns[begin:end])
        full = np.zeros(columns + 4, np.int64)
        np.add.at(full, (starts[:, None] + np.arange(4)).ravel(), stored.ravel())
        assert not full[columns:].any()
        return full[:columns]
    if rows.taps:
        taps = rows.weights.reshape(-1, rows.taps, 16)[index // 16, :, index % 16]
        assert (taps >> 16 == 0).all()
        wide = np.zeros(columns + 64, np.int64)  # with room for what lies outside the matrix
        first = 32 + index + rows.first[index]
        wide[first : first + rows.taps] = taps.astype(np.int16)
        assert not wide[:32].any() and not wide[32 + columns :].any()
        return wide[32 : 32 + columns]
    whole = len(rows.count) // 16 * 16
    if rows.interleaved and index < whole:
        block = rows.weights[offset : offset + 16 * count].reshape(count // group, 16, group)
        packed = block[:, index % 16].ravel()
    else:
        packed = rows.weights[offset : offset + count]
    full = np.zeros(columns + group, np.int64)
    if rows.columns is None:
        full[rows.first[index] : rows.first[index] + count] = packed
    else:
        starts = rows.columns[offset // group : (offset + count) // group]
        np.add.at(full, (starts[:, None] + np.arange(group)).ravel(), packed)
    shared = rows.words < rows.all_terms  # what slides past the end meets the packed zero
    assert shared or not full[columns:].any()
    return full[:columns]


@given(cases())
def test_packed_weights_are_the_matrix(case):
    for lanes in (16, 1):
        plan = plan_network(case.network, case.parameters, lanes)
        for scan, compiled in plan.scans.items():
            products = [
                node
                for node in scan.graph.nodes
                if isinstance(node, Matvec)
                and not isinstance(node.structure, FastWalshHadamard | WalshHadamardStage)
            ]
            assert len(products) == len(compiled.matrices)
            for node, rows in zip(products, compiled.matrices, strict=True):
                pairs = rows.weights.dtype == np.int16
                raw = case.parameters.raw[node.weights.key].ravel()
                listed = node.structure.stored_rows(raw, node.units, node.vector.units)
                for index, row in enumerate(listed):
                    expected = np.zeros(node.vector.units, np.int64)
                    expected[list(row.columns)] = raw[list(row.parameters)]
                    found = unpacked(rows, index, node.vector.units, 1 + pairs)
                    np.testing.assert_array_equal(found, expected)
                    assert rows.terms[index] == len(row.columns)
                    if pairs and not rows.taps:
                        assert rows.first[index] % 2 == rows.count[index] % 2 == 0


@given(cases())
def test_places_are_aligned_and_apart(case):
    for lanes in (16, 1):
        for scan in plan_network(case.network, case.parameters, lanes).scans.values():
            inside = [s.offset for s in scan.slots if s.outside is None and not s.view]
            assert all(offset % 64 == 0 for offset in inside)
            assert inside == sorted(set(inside))
            assert max(inside, default=0) < scan.arena_bytes


BYTE = Q(0, 7)


def dense(accumulator=None, weight=BYTE, state=BYTE, product=None):
    overrides = {"l.W": weight, "l.s": state}
    overrides |= {"l.product": product} if product else {}
    overrides |= {"l.accumulator": accumulator} if accumulator else {}

    def step(g, x):
        s = g.state(8, "s")
        a = g.matvec(Dense(), g.tensor("W", (8, 8), "weight"), s, 8, name="a")
        return g.update(s, g.cast(a, "s"))

    return one_layer(step, Q(0, 7), overrides, 8)


def kernels(network, W, lanes=16, byte_products=ANY_ISA):
    names = {number: name for name, number in OPERATION.items()}
    parameters = raw_parameters(network, W=np.full((8, 8), W))
    (scan,) = plan_network(network, parameters, lanes, byte_products=byte_products).scans.values()
    found = {names[row["operation"]] for row in scan.instructions}
    return {name for name in found if name.startswith("rows_")}


@pytest.mark.parametrize(
    ("accumulator", "weight", "kernel"),
    [
        (None, 127, "rows_narrow"),  # every 16-bit sum of bytes would overflow
        (None, 64, "rows_bytes"),
        (Q(0, 14), 1, "rows_bytes"),
        (Q(0, 14), 16, "rows_bytes"),  # 8 * 16 * -128 is -2**14, 8 * 16 * 127 is less than 2**14
        (Q(0, 14), -16, "rows_ordered_narrow"),  # 2**14: one too many
        (Q(0, 14), 17, "rows_ordered_narrow"),
        (Q(0, 14, overflow=Overflow.SAT_SYM), 16, "rows_ordered_narrow"),
        (Q(0, 14, overflow=Overflow.SAT_SYM), 15, "rows_bytes"),
        (Q(0, 14, overflow=Overflow.WRAP), 127, "rows_narrow"),
        (Q(0, 14, overflow=Overflow.WRAP_SM), 127, "rows_ordered_narrow"),
        (Q(0, 14, overflow=Overflow.WRAP_SM), 15, "rows_bytes"),
        (Q(0, 14, signed=False), 1, "rows_ordered_narrow"),
        # Dropped bits: of every product alone where the rounding does not look at the sum.
        (Q(0, 13), 1, "rows_cast"),
        (Q(0, 13), 127, "rows_ordered_narrow"),
        (Q(0, 13, overflow=Overflow.WRAP), 127, "rows_cast"),
        (Q(0, 13, rounding=Rounding.RND_CONV), 1, "rows_ordered_narrow"),
        (Q(0, 13, rounding=Rounding.RND_CONV, overflow=Overflow.WRAP), 1, "rows_ordered_narrow"),
    ],
)
def test_sums_are_ordered_unless_a_bound_proves_that_nothing_clips(accumulator, weight, kernel):
    assert kernels(dense(accumulator), weight) == {kernel}


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
def test_hls4mls_accumulators_take_the_kernels_in_32_bit_words(rounding, overflow):
    """Products and sums cast to one word: out of order where the sum wraps."""
    word = Q(3, 6, rounding=rounding, overflow=overflow)
    expected = "rows_cast" if overflow is Overflow.WRAP else "rows_ordered_narrow"
    for state, kernel in ((Q(5, 7), expected), (Q(20, 7), "rows_ordered")):
        assert kernels(dense(word, Q(2, 7), state, word), 100) == {kernel}
        assert kernels(dense(word, Q(2, 7), state, word), 100, lanes=1) == {kernel}


@pytest.mark.parametrize(
    ("bias", "kernel"),
    [
        (120, "rows_bytes"),  # 8 * 1 * 127 + 120 * 128 = 16376 < 2**14
        (121, "rows_ordered_narrow"),
        (-120, "rows_bytes"),  # 8 * 1 * -128 - 120 * 128 = -2**14
        (-121, "rows_ordered_narrow"),
    ],
)
def test_a_constant_start_counts_with_its_values(bias, kernel):
    def step(g, x):
        start = g.literal("b", [bias << 7] * 8, 14)
        a = g.matvec(Dense(), g.tensor("W", (8, 8), "weight"), x, 8, start, name="a")
        return g.cast(a, "y")

    overrides = {"l.W": BYTE, "l.y": BYTE, "l.accumulator": Q(0, 14)}
    assert kernels(one_layer(step, Q(0, 7), overrides, 8), 1) == {kernel}


@pytest.mark.parametrize(
    ("weight", "state", "kernel"),
    [
        (Q(0, 15), Q(0, 7), "rows_narrow"),
        (Q(0, 7), Q(0, 15), "rows_narrow"),
        (Q(0, 7), Q(0, 16, signed=False), "rows_wide"),  # 65535 is no int16
        (Q(0, 7), Q(0, 15, signed=False), "rows_narrow"),
        (Q(0, 7), Q(0, 16), "rows_wide"),
    ],
)
def test_int16_pairs_are_taken_where_both_sides_fit(weight, state, kernel):
    assert kernels(dense(None, weight, state), 100) == {kernel}


@pytest.mark.parametrize("lanes", [16, 1])
@pytest.mark.parametrize(
    ("weight", "state", "kernel"),
    [
        (127, Q(0, 7), "rows_bytes"),
        (-128, Q(0, 8, signed=False), "rows_bytes"),
        (128, Q(0, 7), "rows_narrow"),
        (127, Q(1, 7), "rows_narrow"),
    ],
)
def test_bytes_are_taken_where_32_bits_hold_their_sums(weight, state, kernel, lanes):
    network = dense(None, Q(0, 15), state)
    assert kernels(network, weight, lanes, byte_products=ByteProducts(32)) == {kernel}


def test_small_weights_of_a_wide_format_are_pairs_too():
    # The weights themselves prove the path; the format of the result does not know them.
    wide = dense(None, Q(0, 20), Q(0, 7))
    assert kernels(wide, 2**15 - 1) == {"rows_narrow"}
    assert kernels(wide, 2**15) == {"rows_wide"}


def test_a_product_on_a_value_of_the_same_step_starts_a_phase():
    def step(g, x):
        W = g.tensor("W", (8, 8), "weight")
        first = g.cast(g.matvec(Dense(), W, x, 8, name="a"), "y")
        return g.matvec(Dense(), W, first, 8, name="b")

    network = one_layer(step, Q(0, 7), {"l.W": Q(0, 7), "l.y": Q(0, 7)}, 8)
    parameters = raw_parameters(network, W=np.zeros((8, 8)))
    (scan,) = plan_network(network, parameters, 16).scans.values()
    tiled = [row for row in scan.phases if row[3]]
    assert len(tiled) == 2


def test_every_operation_has_a_writer_and_instructions_are_plain_rows():
    assert set(WRITERS) == set(OPERATIONS)
    assert {INSTRUCTION[name] for name in INSTRUCTION.names} == {np.dtype(np.int64)}
