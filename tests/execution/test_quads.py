"""Weights in quads: they are the matrix, and no sum of bytes leaves 16 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnhw.execution.quads import ByteProducts, pack_quads


@st.composite
def matrices(draw):
    """Rows in neighbouring columns, and the bounds of a vector."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, columns = draw(st.integers(1, 40)), draw(st.integers(1, 140))
    scale = draw(st.sampled_from([1, 5, 20, 60, 200]))
    weights = np.clip(np.rint(rng.normal(0, scale, rows * columns)), -128, 127).astype(np.int64)
    low = draw(st.integers(-128, 0))
    high = draw(st.integers(max(low, 0), low + 255))
    first = np.full(rows, draw(st.integers(0, 5)))
    return first, np.full(rows, columns), weights, (low, high)


def halves(quads):
    """Least and greatest share of the two 16-bit sums of quads [.., rows, 4] by unsigned bytes."""
    pairs = quads.astype(np.int64).reshape(*quads.shape[:-1], 2, 2)
    return np.minimum(pairs, 0).sum(-1), np.maximum(pairs, 0).sum(-1)


@given(matrices(), st.sampled_from([16, 32]))
def test_quads_hold_the_matrix_and_their_sums_fit(matrix, sum_bits):
    first, count, weights, (low, high) = matrix
    packed = pack_quads(first, count, weights, (low, high), ByteProducts(sum_bits))
    if packed is None:
        assert sum_bits == 16 and np.abs(weights).max() > 64
        return
    columns = int(first[0] + count[0])
    found = np.zeros((16 * len(packed.first), columns + 8), np.int64)
    assert packed.weights.ctypes.data % 64 == 0
    for block, (begin, end) in enumerate(zip(packed.extra, packed.extra[1:], strict=False)):
        quads = int(packed.count[block]) // 4
        stored = packed.weights[packed.offset[block] :][: 64 * (quads + end - begin)]
        stored = stored.reshape(-1, 16, 4)
        starts = np.append(
            packed.first[block] + 4 * np.arange(quads), packed.extra_columns[begin:end]
        )
        for start, quad in zip(starts, stored, strict=True):
            found[16 * block : 16 * block + 16, start : start + 4] += quad
        if sum_bits == 16:
            groups = [
                stored[k : min(k + packed.depth, quads)] for k in range(0, quads, packed.depth)
            ]
            for group in [*groups, *stored[quads:, None]]:
                least, most = (part.sum(0) * (high - low) for part in halves(group))
                assert least.min() >= -(2**15) and most.max() < 2**15
    expected = np.zeros_like(found)
    expected[: len(first), first[0] : columns] = weights.reshape(len(first), -1)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(packed.begins(0), low * expected.sum(1))
    # Kernels of signed bytes read a vector less 128.
    np.testing.assert_array_equal(packed.begins(128), (low + 128) * expected.sum(1))


@given(matrices())
def test_tiles_hold_the_matrix_too(matrix):
    first, count, weights, (low, high) = matrix
    packed = pack_quads(first, count, weights, (low, high), ByteProducts(32, tiles=True))
    assert packed.tiles and packed.weights.ctypes.data % 64 == 0
    columns = int(first[0] + count[0])
    found = np.zeros((16 * len(packed.first), columns + 80), np.int64)
    for block, (start, offset) in enumerate(zip(packed.first, packed.offset, strict=True)):
        steps = int(packed.count[block]) // 64
        stored = packed.weights[offset:][: 1024 * steps].reshape(steps, 16, 64)
        rows = stored.transpose(1, 0, 2).reshape(16, -1)
        found[16 * block : 16 * block + 16, start : start + 64 * steps] += rows
    expected = np.zeros_like(found)
    expected[: len(first), first[0] : columns] = weights.reshape(len(first), -1)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(packed.correction, low * expected.sum(1))


def test_a_deeper_sum_is_taken_for_smaller_weights():
    rng = np.random.default_rng(0)
    count, depths = np.full(64, 256), []
    for scale in (2, 12, 28):
        weights = np.clip(np.rint(rng.normal(0, scale, 64 * 256)), -128, 127).astype(np.int64)
        packed = pack_quads(np.zeros(64, np.int64), count, weights, (-128, 127), ByteProducts())
        depths.append(packed.depth)
    assert depths == sorted(depths, reverse=True) and depths[0] == 16 and depths[2] < 4


@pytest.mark.parametrize("first", [np.arange(64), np.arange(64) // 8 * 8])
def test_rows_that_share_few_columns_are_not_filled_up(first):
    """A band of three diagonals, and blocks of eight rows."""
    count = np.full(64, 3 if first[1] else 8)
    weights = np.ones(int(count.sum()), np.int64)
    assert pack_quads(first, count, weights, (-128, 127), ByteProducts()) is None


def test_blocks_of_sixteen_rows_are_taken():
    first, count = np.repeat([0, 16, 32], 16), np.full(48, 16)
    packed = pack_quads(first, count, np.arange(48 * 16) % 5 - 2, (-128, 127), ByteProducts())
    assert packed.first.tolist() == [0, 16, 32]
