"""Every structure on the accelerator: cycles, memories and counts by formulas and by hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from helpers.graphs import (
    Case,
    cases,
    draw_batch,
    draw_case,
    draw_composition,
    draw_elementary,
    draw_parameters,
)
from helpers.machines import FORMATS, Step, band, elman, gru, lstm, scanned
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnhw import GRU, LSTM, Banded, Dense, Design, DesignError, Diagonal, Elman, Hadamard, Q, Tanh
from rnnhw.accelerator import (
    Basis,
    Feed,
    LayerMachine,
    MemoryKind,
    MemoryRole,
    accelerator,
    legal_lanes,
)
from rnnhw.accelerator.mapping.phases import NEURON_CYCLES
from rnnhw.accelerator.mapping.row_fusion import ROW_FUSION, tensor_values
from rnnhw.accelerator.mapping.transform_copies import duplicate_transforms
from rnnhw.cost.processor import processor
from rnnhw.design.weights import Parameters
from rnnhw.execution import golden
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.network import Network, Scan
from rnnhw.graph.nodes import Node
from rnnhw.graph.rewrite import Rule, apply_rules
from rnnhw.layers.cells import Layer
from rnnhw.layers.structures import (
    BlockDiagonal,
    Butterfly,
    ButterflyStage,
    Circulant,
    CyclicBand,
    Elementary,
    FastWalshHadamard,
    InterleavedBlocks,
    LowRank,
    Monarch,
    Permutation,
    Product,
    Sparse,
    Structure,
    Sum,
    Toeplitz,
    UnitWeights,
)
from rnnhw.numerics.cast import Events
from rnnhw.profiles import load_profile

BYTE = 8
STAGED = replace(FORMATS, stage=Q(3, 4))


def one(network: Network, lanes: int) -> LayerMachine:
    (only,) = accelerator(network, lanes).layers
    return only


def elman_on(
    lanes: int, units: int, structure: Structure, formats: object = FORMATS
) -> LayerMachine:
    layer = Elman(units, recurrent=structure, name="rnn")
    return one(Design(layers=[layer], formats=formats, inputs=8).network, lanes)  # type: ignore[arg-type]


def gated(
    cell: type[LSTM] | type[GRU], units: int, structure: Structure, **more: object
) -> Network:
    layer = cell(units, recurrent=structure, name="rnn", **more)  # type: ignore[arg-type]
    return Design(layers=[layer], formats=FORMATS, inputs=8).network


def phase_cycles(rows: int, lanes: int, columns: int, depth: int) -> int:
    """The measured formula: (G-1) PER + C + 7 + REM-1 + D."""
    groups = -(-rows // lanes)
    last = rows - (groups - 1) * lanes
    return (groups - 1) * max(columns, lanes) + columns + 7 + last - 1 + depth


def step_cycles(units: int, lanes: int, columns: int, filled: int = 0) -> int:
    """One layer with 8 inputs, a sum's cast and a table; ``filled``: the lanes that wait for a
    window or a register."""
    return phase_cycles(units, lanes, max(8, filled) + columns, 2)


def memory(machine: LayerMachine, name: str) -> tuple[int, int, int]:
    found = {m.name: (m.depth, m.width, m.stored_bits) for m in machine.memories}
    assert len(found) == len(machine.memories)
    return found[name]


SIZES = [(16, 1), (16, 4), (16, 16), (32, 6), (30, 4), (12, 5), (24, 2), (18, 9)]


# --- by hand -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("structure", "cycles"),
    [  # 16 units on 4 lanes behind 8 inputs: 4 groups, C + 3 C + 7 + 3 + 2 for one phase
        (BlockDiagonal(4), 4 * 12 + 12),
        (BlockDiagonal(2), 4 * 11 + 12),  # 4 lanes hold two blocks: 3 columns
        (CyclicBand(1, 1), 4 * 11 + 12),
        (Toeplitz(), 4 * 24 + 12),
        (Circulant(), 4 * 24 + 12),
        (Sparse(2, 4), 4 * 16 + 12),
        (UnitWeights(), 4 * 8 + 14),  # an addition, and a rounding constant that is not folded
        (LowRank(1), (16 + 7 + 0 + 1) + 4 * 9 + 12),
        (Monarch(4), (4 * 4 + 7 + 3 + 1) + 4 * 12 + 12),
        (Butterfly(), 3 * (4 + 6 + 2) + 4 * 10 + 12),  # 4 words: 2 x 4 cycles are fewer
        # Two words hold a group's pairs: the columns start behind the first one's reading.
        (Butterfly(Tanh()), 3 * (3 * 4 + 3 + 7 + 3 + 2) + 4 * 10 + 12),
        (Diagonal() + LowRank(1), (16 + 7 + 0 + 1) + 4 * 10 + 12),
        (Banded(1, 1) @ Dense(), (4 * 16 + 7 + 3 + 1) + 4 * 11 + 12),
    ],
    ids=repr,
)
def test_sixteen_units_on_four_lanes(structure: Structure, cycles: int) -> None:
    assert elman_on(4, 16, structure, STAGED).cycles == cycles


# --- one product: cycles, weight words and stored bits ------------------------------------------
@pytest.mark.parametrize(
    ("n", "p", "k"), [(n, p, k) for n, p in SIZES for k in (1, 2, 3, 6) if n % k == 0]
)
def test_blocks_are_broadcast_where_the_lanes_lie_in_one(n: int, p: int, k: int) -> None:
    machine = elman_on(p, n, BlockDiagonal(k))
    inside = k % p == 0
    columns = k if inside else 2 * k - 1
    assert machine.cycles == step_cycles(n, p, columns, 0 if inside else p)
    assert machine.macs == n * (8 + k)
    groups = -(-n // p)
    assert memory(machine, "weights") == (groups * (8 + columns), p * BYTE, BYTE * n * (8 + k))
    assert machine.basis is Basis.REALISED, machine.assumptions


def test_one_block_is_a_dense_matrix_and_blocks_of_one_a_diagonal() -> None:
    for lanes in (1, 3, 4, 16):
        whole = elman_on(lanes, 16, BlockDiagonal(16))
        dense = elman_on(lanes, 16, Dense())
        assert (whole.cycles, whole.memories) == (dense.cycles, dense.memories)
        single = elman_on(lanes, 16, BlockDiagonal(1))
        diagonal = elman_on(lanes, 16, Diagonal())
        assert (single.cycles, single.memories) == (diagonal.cycles, diagonal.memories)


@pytest.mark.parametrize(("n", "p"), SIZES)
@pytest.mark.parametrize(("lower", "upper"), [(1, 1), (0, 3), (4, 2)])
def test_a_cyclic_band_is_a_window(n: int, p: int, lower: int, upper: int) -> None:
    machine = elman_on(p, n, CyclicBand(lower, upper))
    columns = lower + upper + 1
    assert machine.cycles == step_cycles(n, p, columns, p)
    depth = -(-n // p) * (8 + columns)
    assert memory(machine, "weights") == (depth, p * BYTE, BYTE * n * (8 + columns))
    assert machine.traffic.vector_reads == -(-n // p) * (8 + columns + p - 1)
    assert machine.basis is Basis.REALISED, machine.assumptions


@pytest.mark.parametrize(("n", "p"), SIZES)
@pytest.mark.parametrize("structure", [Toeplitz(), Circulant()])
def test_shared_diagonals_move_past_the_lanes(n: int, p: int, structure: Structure) -> None:
    machine = elman_on(p, n, structure)
    assert machine.cycles == step_cycles(n, p, n, p)
    words = 2 * n - 1 if structure == Toeplitz() else n
    groups = -(-n // p)
    assert memory(machine, "weights") == (groups * 8, p * BYTE, BYTE * n * 8)
    assert memory(machine, "Uh diagonals") == (words, BYTE, BYTE * words)
    assert machine.traffic.weight_reads == groups * (8 + n + p - 1)
    assert machine.traffic.weight_read_bits == groups * (8 * p + n + p - 1) * BYTE
    assert machine.macs == n * (8 + n)


@pytest.mark.parametrize(("kept", "of", "index"), [(1, 2, 1), (2, 2, 1), (1, 3, 2), (2, 6, 3)])
@pytest.mark.parametrize(("n", "p"), [(n, p) for n, p in SIZES if n % 6 == 0])
def test_sparse_lanes_select_by_an_index(*, n: int, p: int, kept: int, of: int, index: int) -> None:
    machine = elman_on(p, n, Sparse(kept, of))
    columns = n // of * kept
    assert machine.cycles == step_cycles(n, p, columns)
    stored = n * 8 * BYTE + n * columns * (BYTE + index)
    assert memory(machine, "weights") == (-(-n // p) * (8 + columns), p * (BYTE + index), stored)
    # The state lies in words of a group, twice, each of a power-of-two depth.
    words = 1 << max((-(-n // of) - 1).bit_length(), 1)
    assert memory(machine, "state") == (2 * words, of * BYTE, n * BYTE)
    assert machine.multipliers[0].a_bits == BYTE  # the index is not multiplied
    assert machine.macs == n * (8 + columns)  # stored weights alone


@pytest.mark.parametrize(("n", "p"), SIZES)
def test_unit_weights_are_an_addition_behind_the_accumulator(n: int, p: int) -> None:
    machine = elman_on(p, n, UnitWeights())
    # The bias no longer holds the rounding constant: add, two cycles of cast, table.
    assert machine.cycles == phase_cycles(n, p, 8, 1 + 2 + 1)
    assert memory(machine, "state by unit")[2] == n * BYTE
    assert machine.macs == 8 * n
    assert machine.basis is Basis.REALISED, machine.assumptions


@pytest.mark.parametrize(("n", "p"), SIZES)
def test_a_permutation_is_written_through_addresses(n: int, p: int) -> None:
    turned = Permutation([*range(1, n), 0])
    machine, plain = elman_on(p, n, turned), elman_on(p, n, UnitWeights())
    assert machine.cycles == plain.cycles
    assert memory(machine, "U.permuted addresses") == (n, (n - 1).bit_length(), 0)
    # The old state is read in another order than the new one is written: it is there twice.
    alone, twice = memory(plain, "state by unit"), memory(machine, "U.permuted by unit")
    assert twice == (2 * alone[0], alone[1], n * BYTE)
    assert machine.basis is Basis.REALISED, machine.assumptions
    in_order = elman_on(p, n, Permutation(range(n)))
    assert in_order.memories == plain.memories


@pytest.mark.parametrize(("n", "p"), SIZES)
def test_dense_columns_come_in_any_order(n: int, p: int) -> None:
    turned = Permutation([*range(1, n), 0])
    machine, plain = elman_on(p, n, Dense() @ turned), elman_on(p, n, Dense())
    assert machine.cycles == plain.cycles
    shapes = [[(m.depth, m.width) for m in each.memories] for each in (machine, plain)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(("n", "p"), SIZES)
def test_a_window_slides_over_a_vector_in_its_own_order(n: int, p: int) -> None:
    turned = Permutation([*range(1, n), 0])
    machine, plain = elman_on(p, n, Banded(1, 1) @ turned), elman_on(p, n, Banded(1, 1))
    assert machine.cycles == plain.cycles
    shapes = [Counter((m.depth, m.width) for m in each.memories) for each in (machine, plain)]
    assert shapes[0] - shapes[1] == Counter([(n, (n - 1).bit_length())])  # the addresses
    assert machine.basis is Basis.REALISED, machine.assumptions


@pytest.mark.parametrize(("n", "p"), SIZES)
def test_results_that_are_permuted_wait_for_one_another(n: int, p: int) -> None:
    turned = Permutation([*range(1, n), 0])
    machine, plain = elman_on(p, n, turned @ Banded(1, 1)), elman_on(p, n, Banded(1, 1))
    assert [phase.rows for phase in machine.phases][:1] == [phase.rows for phase in plain.phases]
    assert machine.phases[1].rows == n
    assert memory(machine, "U.0.permuted addresses") == (n, (n - 1).bit_length(), 0)
    assert machine.basis is Basis.REALISED, machine.assumptions


# --- several products ----------------------------------------------------------------------------
@pytest.mark.parametrize(("n", "p"), SIZES)
@pytest.mark.parametrize("rank", [1, 3])
def test_low_rank_is_a_phase_of_few_rows(n: int, p: int, rank: int) -> None:
    machine = elman_on(p, n, LowRank(rank), STAGED)
    first = phase_cycles(rank, min(p, rank), n, 1)  # the rounding constant is in the bias
    assert [phase.cycles for phase in machine.phases] == [first, step_cycles(n, p, rank)]
    assert machine.macs == n * 8 + 2 * n * rank
    groups = -(-rank // min(p, rank)), -(-n // p)
    depth = groups[0] * n + groups[1] * (8 + rank)
    assert memory(machine, "weights") == (depth, p * BYTE, BYTE * machine.macs)
    assert memory(machine, "U.inner")[2] == 0
    assert machine.traffic.vector_writes == 8 + n + rank


def test_diagonal_and_low_rank_add_their_columns() -> None:
    machine = elman_on(4, 16, Diagonal() + LowRank(2))
    assert [phase.columns for phase in machine.phases] == [16, 8 + 1 + 2]
    assert machine.macs == 16 * (8 + 1 + 4)


@pytest.mark.parametrize(
    ("parts", "columns"),
    [
        ((Banded(1, 1), Banded(2, 2)), 3 + 5),
        ((Dense(), Dense()), 32),
        ((Dense(), Toeplitz()), 32),
        ((BlockDiagonal(4), BlockDiagonal(8)), 12),
        ((CyclicBand(1, 1), Banded(1, 1)), 6),
        ((Sparse(1, 4), Sparse(2, 4)), 12),
    ],
)
def test_a_sum_has_the_columns_of_its_parts(
    parts: tuple[Structure, Structure], columns: int
) -> None:
    first, second = parts
    machine = elman_on(4, 16, first + second)
    (phase,) = machine.phases
    assert phase.rows == 16
    assert sum(segment.columns for segment in phase.segments) == 8 + columns
    assert 0 < machine.macs <= machine.lanes * machine.cycles


@pytest.mark.parametrize(
    "first",
    [
        UnitWeights(),
        UnitWeights() + Permutation([*range(1, 16), 0]),
        UnitWeights() + Hadamard(after=False),
    ],
)
def test_an_addend_waits_behind_the_columns(first: Structure) -> None:
    ahead, behind = elman_on(4, 16, first + Dense()), elman_on(4, 16, Dense() + first)
    assert ahead.phases[-1].rows == 16
    assert ahead.phases[-1].columns == 8 + 16
    assert (ahead.cycles, ahead.macs) == (behind.cycles, behind.macs)
    assert ahead.traffic == behind.traffic


def test_an_addend_keeps_its_place_in_a_narrow_accumulator() -> None:
    # There the sum after every term matters: nothing is moved.
    narrow = replace(FORMATS, accumulator=Q(3, 10))
    machine = elman_on(4, 16, UnitWeights() + Dense(), narrow)
    assert machine.phases[0].rows == 32


def test_a_product_is_a_phase_for_every_factor() -> None:
    machine = elman_on(4, 16, Banded(1, 1) @ BlockDiagonal(4) @ Dense())
    assert [phase.columns for phase in machine.phases] == [16, 4, 8 + 3]
    assert machine.cycles == sum(
        [phase_cycles(16, 4, 16, 0), phase_cycles(16, 4, 4, 0), phase_cycles(16, 4, 11, 2)]
    )
    assert machine.basis is Basis.REALISED, machine.assumptions


@pytest.mark.parametrize(
    ("n", "k", "p", "word"),
    [
        (16, 4, 4, 4),
        (16, 4, 2, 2),
        (16, 8, 2, 2),
        (24, 4, 2, 2),
        (16, 4, 8, 4),  # two rows of the table on the lanes
        (12, 4, 3, 4),  # groups start anywhere in a word of all four
        (12, 3, 4, 3),
        (16, 4, 1, 1),
    ],
)
def test_monarch_reads_words_of_neighbours(n: int, k: int, p: int, word: int) -> None:
    machine = elman_on(p, n, Monarch(k))
    first, second = machine.phases
    aligned = k % p == 0
    assert (first.columns, second.columns) == (k if aligned else p + 2 * k - 1, 8 + n // k)
    outer = second.segments[-1]
    assert (outer.feed, outer.word) == (Feed.STRIDE, word)
    depth, width, _ = memory(machine, outer.vector.name)
    assert (depth, width) == (
        1 << max((n // word - 1).bit_length(), 1),
        word * outer.vector.format.width,
    )
    assert memory(machine, "weights")[2] == BYTE * n * (8 + k + n // k)
    assert machine.traffic.table_reads == n
    assert machine.basis is Basis.REALISED, machine.assumptions


def test_lanes_of_monarch_hold_whole_units_or_a_part_of_one() -> None:
    lanes = legal_lanes(gated(LSTM, 16, Monarch(4)).scans[0].graph)
    assert list(lanes)[:4] == [1, 2, 4, 8]
    assert all(4 % p == 0 or p % 4 == 0 for p in lanes)


@pytest.mark.parametrize("indices", [[0, 1, 2, 2], [3, 2, 1, 0]])
def test_an_element_may_have_several_places_in_a_vector(indices: list[int]) -> None:
    def step(g: StepBuilder, x: Node) -> Node:
        h = g.state(4)
        woven = g.gather([h], indices, "woven")
        wx = g.linear(Dense(), "W", x, 4, name="Wx")
        both = g.linear(Banded(1, 1), "U", woven, 4, wx, name="Uh")
        return g.update(h, g.cast(both, "state"))

    (machine,) = accelerator(scanned(step), 2).layers
    assert machine.assumptions == () and machine.basis is Basis.REALISED


def test_a_joined_vector_is_its_parts_for_dense_columns_and_two_memories_for_others() -> None:
    def step_with(structure: Structure) -> Step:
        def step(g: StepBuilder, x: Node) -> Node:
            h = g.state(8)
            both = g.gather([x, h], [*range(8, 16, 2), *range(0, 8, 2)], "both")
            whole = g.gather([x, h], range(16), "whole")
            wx = g.linear(Dense(), "W", whole, 8, name="Wx")
            return g.update(h, g.cast(g.linear(structure, "U", both, 8, wx, name="Uh"), "state"))

        return step

    (machine,) = accelerator(scanned(step_with(Banded(1, 1))), 2).layers
    assert machine.basis is Basis.REALISED
    (phase,) = machine.phases
    # The inputs' columns come first; the joined vector waits for the state.
    assert [(s.vector.units, s.early) for s in phase.segments] == [
        (8, True),
        (8, False),
        (8, False),
    ]
    assert memory(machine, "both sources") == (8, 1, 0)
    assert memory(machine, "both addresses of x") == (8, 3 + 1, 0)
    assert memory(machine, "both addresses of state.previous") == (8, 3 + 1, 0)
    held = [m for m in machine.memories if m.kind in (MemoryKind.STATE, MemoryKind.VECTORS)]
    assert sorted((m.name, m.copies) for m in held) == [("state", 2), ("x", 2)]


def test_a_state_is_there_twice_where_it_is_read_behind_its_next_value() -> None:
    def step_with(late: bool) -> Step:
        def step(g: StepBuilder, x: Node) -> Node:
            h, c = g.state(8), g.state(8, "cell")
            a = g.cast(g.linear(Dense(), "W", x, 8, name="Wx"), "state", "a")
            g.update(c, g.cast(g.add(a, c, "kept"), "cell"))
            second = g.linear(Dense(), "U", a, 8, name="Ua")
            return g.update(h, g.cast(g.add(second, c if late else h, "sum"), "state"))

        return step

    (late,), (early,) = (accelerator(scanned(step_with(k)), 2).layers for k in (True, False))
    assert late.basis is Basis.REALISED
    assert memory(late, "cell by unit")[0] == 2 * memory(early, "cell by unit")[0]


def test_interleaved_blocks_side_by_side_are_dense_columns() -> None:
    alone = elman_on(4, 16, InterleavedBlocks(4))
    assert alone.phases[0].columns == 8 + 16
    beside = elman_on(4, 16, InterleavedBlocks(4) + Banded(1, 1))
    assert sum(s.columns for s in beside.phases[0].segments) == 8 + 16 + 3
    assert (alone.basis, beside.basis) == (Basis.REALISED, Basis.REALISED)


# --- butterflies ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("n", "p"), [(2, 1), (2, 2), (8, 1), (8, 3), (16, 4), (16, 8), (16, 16), (64, 4), (64, 6)]
)
def test_linear_butterfly_stages_run_in_the_feed(n: int, p: int) -> None:
    machine = elman_on(p, n, Butterfly(), STAGED)
    (phase,) = machine.phases
    width = 1 << (max(min(p, n // 2), 1).bit_length() - 1)
    words, stages = n // width, n.bit_length() - 1
    # All stages but the last; each is followed by a cast of two cycles.
    each = max(2 * words, words + NEURON_CYCLES + 2)
    # The lanes get a stage's last column a cycle late: long stages leave none for the rows' first.
    late = int(stages > 1 and each == 2 * words)
    assert phase.transform_cycles == (stages - 1) * each + late
    assert {(t.stage_cycles, t.pass_words) for t in phase.transforms} <= {(each, words)}
    assert machine.cycles == phase.transform_cycles + step_cycles(n, p, 2)
    assert machine.macs == n * 8 + 2 * n * stages
    assert memory(machine, "weights") == (-(-n // p) * 10, p * BYTE, BYTE * n * 10)
    if stages > 1:
        depth = (stages - 1) * 2 * words
        assert memory(machine, "stage weights") == (depth, width * BYTE, depth * width * BYTE)
        assert depth * width == 2 * n * (stages - 1)
        assert memory(machine, "U.pairs0 transform") == (2 * words, width * BYTE, n * BYTE)
    assert machine.basis is Basis.REALISED


def test_biases_of_linear_stages_lie_in_words_of_the_feed() -> None:
    machine = elman_on(4, 16, Butterfly(bias=True), STAGED)
    assert memory(machine, "stage biases") == (3 * 4, 4 * 14, 3 * 16 * 14)
    # Each of the 3 stages is a cycle longer for its bias.
    assert machine.cycles == elman_on(4, 16, Butterfly(), STAGED).cycles + 3


@pytest.mark.parametrize(("n", "p"), [(4, 2), (16, 4), (16, 8), (32, 8)])
def test_stages_with_activations_are_a_phase_each(n: int, p: int) -> None:
    machine = elman_on(p, n, Butterfly(Tanh(), bias=True))
    *neurons, last = machine.phases
    assert len(neurons) == n.bit_length() - 2
    # The pairs of p lanes lie in two words: three columns, and p lanes drain for p cycles.
    groups = n // p
    assert {phase.cycles for phase in neurons} == {(groups - 1) * max(3, p) + 3 + 7 + p - 1 + 2}
    assert last.cycles == step_cycles(n, p, 2)
    width = 1 << (max(min(p, n // 2), 1).bit_length() - 1)
    assert memory(machine, "U.neurons0")[1] == width * BYTE
    assert all(s.feed is Feed.PAIRS for phase in neurons for s in phase.segments)


@pytest.mark.parametrize(("p", "held"), [(1, 2), (3, 3), (4, 2), (5, 3), (12, 3), (16, 4)])
def test_pairs_wait_for_the_words_that_hold_them(p: int, held: int) -> None:
    # 16 units: words of 1, 2, 4, 4, 8 and 8; 2p elements, which for p = 5 may start
    # within a word.
    first = elman_on(p, 16, Butterfly(Tanh())).phases[0]
    assert first.columns == held - 1 + 2
    (segment,) = first.segments
    assert first.starts == (held - 1,)
    assert first._reads(held - 1, segment, segment.word) == (0, 1)  # one word a cycle from 0 on


def test_a_transform_reads_and_writes_all_words_in_every_stage() -> None:
    """16 units in words of 4: four stages behind the vector; a broadcast reads the result."""
    machine = elman_on(4, 16, Hadamard())
    (buffers,) = (m for m in machine.memories if m.name == "U.scaled transform")
    assert (buffers.reads, buffers.writes) == (4 * 4 + 4 * 4, 4 * 4 + 4)


def test_the_lanes_end_a_weighted_stage_before_anything_else() -> None:
    """They get its last column one cycle behind the 2 x 16 cycles that read it."""
    (phase,) = elman_on(1, 16, Butterfly(), STAGED).phases
    alone = replace(phase, segments=())
    assert (alone.transforms[-1].last_cycles, alone.settling_cycles) == (2 * 16, 1)


def test_a_transform_writes_no_word_that_the_stage_before_still_writes() -> None:
    """A weighted stage of 16 words before sums and differences, both in the same two buffers."""
    (stage, *_) = elman_on(1, 16, Butterfly(), STAGED).phases[0].transforms
    (sums,) = elman_on(1, 16, Hadamard(before=False, after=False)).phases[0].transforms
    assert (stage.words, sums.words, sums.latency) == (16, 16, 3)
    before = replace(stage, tail=2, readers=(sums,))
    # Its last word comes from pair 7, which is read in cycle 28, and is written 8 + 2 cycles later.
    assert before.readable(15) == 28 + 8 + 2 + 1
    # All words are read in 32 cycles, and in order; the first write of the sums must wait longer.
    assert before.last_cycles == 39 - 3


def test_columns_that_read_out_of_order_wait_for_the_last_word() -> None:
    # 8 words of one element, max(8, 4 + 3) cycles a stage; the last word can be read 3 cycles
    # behind it, and a cyclic band reads it in column 1.
    transform = Hadamard(before=False, after=False)
    ordered, cyclic = (
        elman_on(1, 8, Dense() @ band @ transform).phases[0]
        for band in (Banded(1, 1), CyclicBand(1, 1))
    )
    assert (ordered.transform_cycles, cyclic.transform_cycles) == (3 * 8, 3 * 8 + 2)


def test_a_stage_that_a_permutation_follows_has_rows() -> None:
    turned = Permutation([*range(1, 16), 0])
    machine = elman_on(4, 16, Banded(1, 1) @ turned @ Butterfly(), STAGED)
    first, second = machine.phases
    assert len(first.transforms) == 3  # the fourth stage's results are addressed one by one
    assert (first.columns, second.columns) == (3, 8 + 3)
    # Dense columns take them in the order in which they come.
    (only,) = elman_on(4, 16, Dense() @ turned @ Butterfly(), STAGED).phases
    assert (len(only.transforms), only.columns) == (4, 8 + 16)


def test_a_stage_that_is_a_start_has_rows() -> None:
    machine = one(gated(GRU, 8, Butterfly() + Dense()), 3)
    assert 0 < machine.macs <= machine.lanes * machine.cycles
    assert [len(phase.transforms) for phase in machine.phases] == [3 * 2]


def test_the_fixed_transform_keeps_its_adders() -> None:
    machine = elman_on(4, 64, Hadamard(before=False))
    assert machine.cycles == 252
    assert MemoryRole.STAGE_WEIGHTS not in [m.role for m in machine.memories]


# --- gates ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("b", [0, 1, 3])
@pytest.mark.parametrize(("n", "p"), [(8, 4), (32, 4), (32, 8), (12, 16)])
def test_a_banded_lstm_has_four_rows_a_unit(n: int, p: int, b: int) -> None:
    machine = one(gated(LSTM, n, Banded(b, b)), p)
    (phase,) = machine.phases
    assert (phase.gates, phase.rows) == (4, 4 * n)
    # CX = max(NX, U), CH = 2b + 1, D = 12: facts of the measured family.
    assert machine.cycles == phase_cycles(4 * n, p, max(8, p // 4) + 2 * b + 1, 12)
    assert machine.basis is Basis.REALISED, machine.assumptions
    apart = one(scanned(lstm(n, band(b))), p)
    assert (machine.cycles, machine.macs) == (apart.cycles, apart.macs)
    assert [(m.depth, m.width) for m in machine.memories] == [
        (m.depth, m.width) for m in apart.memories
    ]
    assert memory(machine, "weights")[2] == BYTE * machine.macs
    assert memory(machine, "biases")[2] == 14 * 4 * n


@pytest.mark.parametrize("b", [0, 1, 3])
@pytest.mark.parametrize(("n", "p"), [(8, 3), (32, 3), (32, 6), (32, 12)])
def test_a_banded_gru_has_three_rows_a_unit_and_a_snapshot(n: int, p: int, b: int) -> None:
    machine = one(gated(GRU, n, Banded(b, b)), p)
    (phase,) = machine.phases
    assert (phase.gates, phase.rows, phase.snapshot) == (3, 3 * n, True)
    # CX = max(NX, U, P), D = 13.
    assert machine.cycles == phase_cycles(3 * n, p, max(8, p) + 2 * b + 1, 13)
    assert machine.basis is Basis.REALISED, machine.assumptions


def test_slices_of_a_dense_product_follow_its_dense_form() -> None:
    whole, apart = one(gated(GRU, 32, Dense()), 4), one(scanned(gru(32)), 4)
    assert whole.cycles == apart.cycles == 983


def test_a_reset_before_the_product_runs_its_candidate_in_a_second_phase() -> None:
    machine = one(gated(GRU, 16, Dense(), reset="before"), 4)
    first, second = machine.phases
    assert (first.rows, second.rows) == (32, 16)
    assert (first.columns, second.columns) == (24, 24)
    assert memory(machine, "weights")[2] == BYTE * 3 * 16 * 24


@pytest.mark.parametrize("structure", [BlockDiagonal(4), Toeplitz(), LowRank(2), Butterfly()])
def test_gates_share_the_columns_of_a_vector(structure: Structure) -> None:
    machine = one(gated(LSTM, 16, structure), 8)
    last = machine.phases[-1]
    assert last.gates == 4
    columns = {"block diagonal": 4, "toeplitz": 16, "low rank": 4 * 2, "butterfly": 4 * 2}
    late = sum(segment.columns for segment in last.segments if not segment.early)
    assert late == columns[structure.name]
    stored = sum(m.stored_bits for m in machine.memories if m.kind is MemoryKind.WEIGHTS)
    assert stored == BYTE * 4 * (16 * 8 + structure.stored_words(16, 16))


def test_input_sums_wait_for_the_phase_that_adds_to_them() -> None:
    machine = one(gated(GRU, 16, LowRank(2)), 6)
    first, second = machine.phases
    assert (first.rows, second.rows) == (6, 48)
    assert second.snapshot


# --- lanes ---------------------------------------------------------------------------------------
def legal(network: Network) -> list[int]:
    return list(legal_lanes(network.scans[0].graph))


def test_blocks_of_gates_take_whole_units_or_a_part_of_a_block() -> None:
    # 4 units x 4 gates are 16 rows a block: their divisors, or whole units in a window.
    found = legal(gated(LSTM, 16, BlockDiagonal(4)))
    assert found == sorted({1, 2, 4, 8, 16} | set(range(4, 65, 4)))
    with pytest.raises(DesignError) as refused:
        accelerator(gated(LSTM, 16, BlockDiagonal(4)), 6)
    assert "rows of one block" in refused.value.message
    assert "use 1, 2, 4, 8, 12" in refused.value.hint


@pytest.mark.parametrize(
    ("structure", "step"), [(Toeplitz(), 4), (ButterflyStage(), 4), (Sparse(1, 2), 1)]
)
def test_what_moves_past_the_lanes_needs_whole_units(structure: Structure, step: int) -> None:
    assert legal(gated(LSTM, 8, structure)) == list(range(step, 33, step))


@pytest.mark.parametrize("structure", [BlockDiagonal(4), Toeplitz(), Monarch(4), Butterfly()])
def test_one_row_a_unit_takes_any_number_of_lanes(structure: Structure) -> None:
    assert legal(elman(16, structure).network) == list(range(1, 17))


# --- every composition ---------------------------------------------------------------------------
CORE = load_profile("cortex-m4")


def draw_layer(rng: random.Random, units: int) -> tuple[Layer, list[Structure], int]:
    """A layer with its recurrent structures and the number of its gates."""

    def draw() -> Structure:
        pick = draw_elementary if rng.random() < 0.3 else draw_composition
        return pick(rng, units)  # type: ignore[no-any-return]

    kind = rng.randint(0, 3)
    if kind == 0:
        structure = draw()
        return Elman(units, recurrent=structure, name="rnn"), [structure], 1
    if kind == 1:
        each = [draw() for _ in range(4)]
        return LSTM(units, recurrent=each, name="rnn"), each, 4
    each = [draw() for _ in range(3)]
    reset = "after" if kind == 2 else "before"
    return GRU(units, recurrent=each, reset=reset, name="rnn"), each, 3  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_every_composition_has_consistent_figures_or_a_clear_error(rng: random.Random) -> None:
    units = rng.choice([1, 2, 3, 4, 6, 8, 12, 16])
    layer, structures, gates = draw_layer(rng, units)
    design = Design(layers=[layer], formats=rng.choice([FORMATS, STAGED]), inputs=8)
    try:
        network = design.network
    except DesignError as error:
        assert "exact result needs" in error.message  # a word of more than 64 bits
        return
    possible = legal(network)
    for lanes in {1, rng.choice([2, 3, 4, 8]), possible[0], rng.choice(possible), possible[-1]}:
        try:
            machine = one(network, lanes)
        except DesignError as error:
            assert lanes not in possible
            assert "lanes are not possible" in error.message and error.hint
            continue
        assert min(lanes, possible[-1]) in possible
        check_figures(machine, structures, units, gates)
        core = processor(network, CORE)  # type: ignore[arg-type]
        (program,) = core.layers
        for kind in MemoryKind:
            held = [m for m in machine.memories if m.kind is kind]
            stored = sum(m.stored_bits for m in held)
            if kind is MemoryKind.BIASES and any(m.stored_bits == m.padded_bits for m in held):
                # Two biases of one row may be one word here; a microcontroller stores both.
                assert stored <= program.bits(kind.value)
            elif kind is not MemoryKind.VECTORS:
                assert stored == program.bits(kind.value), kind
        assert program.macs == machine.macs


def fronts(structure: Structure) -> int:
    """Diagonals in front of transforms: multiplied behind the state, not on the lanes."""
    if isinstance(structure, Hadamard):
        return int(structure.before)
    return sum(map(fronts, getattr(structure, "parts", ())))


def weight_bits(structure: Structure, units: int) -> int:
    """Bits of the stored weights by the closed formulas, with the indices of sparse rows."""
    if isinstance(structure, Sum | Product):
        return sum(weight_bits(part, units) for part in structure.parts)
    width = structure.word_bits(BYTE) if isinstance(structure, Elementary) else BYTE
    return structure.stored_words(units, units) * width


def check_figures(
    machine: LayerMachine, structures: list[Structure], units: int, gates: int
) -> None:
    assert machine.cycles > 0
    assert machine.macs == gates * units * 8 + sum(
        structure.multiplies(units, units) - units * fronts(structure) for structure in structures
    )
    assert 0 < machine.macs <= machine.lanes * machine.cycles
    names = [memory.name for memory in machine.memories]
    assert len(set(names)) == len(names)
    for each in machine.memories:
        assert each.padded_bits >= each.stored_bits, each
        assert min(each.depth, each.width) > 0
    stored = sum(m.stored_bits for m in machine.memories if m.kind is MemoryKind.WEIGHTS)
    assert stored == BYTE * gates * units * 8 + sum(weight_bits(s, units) for s in structures)
    traffic = machine.traffic
    assert traffic.weight_read_bits >= BYTE * machine.macs / max(machine.lanes, 1)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_every_step_graph_has_a_machine_or_a_clear_error(case: Case) -> None:
    try:
        machine = accelerator(case.network, 4)  # type: ignore[arg-type]
    except DesignError as error:
        assert "lanes are not possible" in error.message or "need a wider word" in error.message
        return
    for layer in machine.layers:
        assert layer.cycles > 0
        assert not layer.lanes or 0 <= layer.macs <= layer.lanes * layer.cycles
        assert layer.basis is Basis.MODELLED or not layer.assumptions


@pytest.mark.parametrize(
    ("seed", "word"),
    [(4632, r"Q\(88, 7\) has 96 bits"), (60584, r"Q\(65, 26\) has 92 bits")],
    ids=["of a row", "of a phase"],
)
def test_sums_of_scales_that_no_accumulator_holds_are_a_clear_error(seed: int, word: str) -> None:
    network = draw_case(random.Random(seed)).network
    said = rf"^layer\d: .*: the accumulators of the lanes need a wider word: {word}"
    with pytest.raises(DesignError, match=said) as raised:
        accelerator(network, 4)
    assert raised.value.hint is not None and "closer scales" in raised.value.hint


def test_operands_of_several_scales_may_need_more_bits_than_a_format_has() -> None:
    """One of 73 bits was refused as a format of that many."""
    network = draw_case(random.Random(1873)).network
    multipliers = [each for layer in accelerator(network, 4).layers for each in layer.multipliers]
    assert max(each.b_bits for each in multipliers) > 64


# --- rewriting -----------------------------------------------------------------------------------
RULES = (*ROW_FUSION, duplicate_transforms)


def rewritten_case(
    network: Network, parameters: Parameters, rules: Sequence[Rule]
) -> tuple[Network, Parameters, int]:
    """The network of one layer after ``rules``, with the slices of its tensors, and how many
    operations are others."""
    source, scan = network.nodes
    assert isinstance(scan, Scan)
    graph = apply_rules(scan.graph, rules)
    raw = {tensor.key: tensor_values(parameters.raw, tensor) for tensor in graph.tensors}
    values = {tensor.key: raw[tensor.key] * tensor.format.step for tensor in graph.tensors}
    events = {key: Events() for key in raw}
    others = len(set(graph.nodes) - set(scan.graph.nodes))
    changed = Network((source, replace(scan, graph=graph)))
    return changed, Parameters(values, raw, events), others


def assert_rewritten_alike(network: Network, seed: int, rules: Sequence[Rule] = RULES) -> int:
    """The same outputs and states; the number of operations that are others."""
    data = np.random.default_rng(seed)
    parameters = draw_parameters(data, network)
    batch = draw_batch(data, network, 2, 3)
    changed, sliced, others = rewritten_case(network, parameters, rules)
    expected, found = golden.run(network, parameters, batch), golden.run(changed, sliced, batch)
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    for name, value in expected.final.items():
        np.testing.assert_array_equal(found.final[name], value)
    return others


JOINED = UnitWeights() + Permutation([1, 2, 3, 0]) + Dense()


@pytest.mark.parametrize(
    "network",
    [
        gated(LSTM, 4, Banded(1, 1), recurrent_bias=True),
        gated(GRU, 4, Banded(1, 1), recurrent_bias=True),
        gated(GRU, 4, Butterfly(), reset="before"),
        elman(4, JOINED).network,
    ],
)
def test_rules_write_other_operations_and_change_no_bit(network: Network) -> None:
    assert [assert_rewritten_alike(network, seed) > 0 for seed in range(3)] == [True] * 3


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_rules_change_no_bit(rng: random.Random) -> None:
    layer, _, _ = draw_layer(rng, rng.choice([1, 2, 3, 4]))
    design = Design(layers=[layer], formats=rng.choice([FORMATS, STAGED]), inputs=2)
    try:
        network = design.network
    except DesignError:  # a word of more than 64 bits
        return
    seed = rng.randint(0, 2**32 - 1)
    assert_rewritten_alike(network, seed)
    assert_rewritten_alike(network, seed, [rng.choice(RULES)])


def dense(g: StepBuilder, key: str, vector: Node, start: Node | None = None) -> Node:
    weights = g.tensor(key, (4, vector.units), "weight")
    return g.matvec(Dense(), weights, vector, 4, start, name=f"{key}v")


def hadamard(g: StepBuilder, name: str, vector: Node, start: Node | None = None) -> Node:
    return g.matvec(FastWalshHadamard(), None, vector, vector.units, start, name=name)


def rotated(g: StepBuilder, x: Node) -> Node:
    return g.gather([x], [*range(1, 8), 0])


def join(g: StepBuilder, x: Node) -> Node:
    return g.gather([dense(g, "W", x), dense(g, "V", x)], range(8))


def two_slices(g: StepBuilder, x: Node) -> Node:
    whole = dense(g, "W", x)
    low, high = g.gather([whole], [0]), g.gather([whole], [1, 2, 3])
    return g.gather([high, low], range(4))


def addition(g: StepBuilder, x: Node) -> Node:
    return dense(g, "V", x, g.add(dense(g, "W", x), g.literal("one", [1] * 4)))


def two_vectors(g: StepBuilder, x: Node) -> Node:
    whole = hadamard(g, "whole", x)
    return g.add(g.clamp(whole, -1, 1), g.clamp(g.cast(whole, "sum", "short"), -1, 1))


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        ("_drop_identity_gathers", lambda g, x: dense(g, "W", g.gather([x], range(8)))),
        ("_fuse_joins", join),
        ("_from_zero", lambda g, x: hadamard(g, "h", x, rotated(g, x))),
        ("_shared_transforms", lambda g, x: g.add(hadamard(g, "a", x), hadamard(g, "b", x))),
        ("_unpermute", lambda g, x: dense(g, "W", rotated(g, x))),
        ("_copy_gathers", lambda g, x: hadamard(g, "a", rotated(g, x))),
        ("_split_slices", two_slices),
        ("_add_last", addition),
        ("duplicate_transforms", two_vectors),
    ],
)
def test_every_rule_alone_changes_a_graph_and_no_bit(rule: str, step: Step) -> None:
    (alone,) = [each for each in RULES if each.__name__ == rule]
    assert assert_rewritten_alike(scanned(step), 1, [alone]) > 0
