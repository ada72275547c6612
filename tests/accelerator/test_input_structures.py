"""Structures of input matrices on lanes: cycles by hand, and what every group of rows reads."""

from dataclasses import dataclass

import pytest
from helpers.machines import FORMATS
from hypothesis import given
from hypothesis import strategies as st

from rnnhw.accelerator import Basis, accelerator, legal_lanes
from rnnhw.accelerator.mapping import Feed
from rnnhw.design.design import Design
from rnnhw.graph.builder import Formats
from rnnhw.layers.activations import Tanh
from rnnhw.layers.cells import GRU, LSTM, Elman, Linear, MinGRU
from rnnhw.layers.structures import Banded, BlockDiagonal, Dense, Diagonal, LowRank
from rnnhw.numerics.cast import Q


def network_of(layer, inputs):
    return Design([layer], FORMATS, inputs=inputs).network


def machine_of(layer, inputs, lanes):
    (only,) = accelerator(network_of(layer, inputs), lanes).layers
    return only


def grouped(units, block):
    return Linear(units, activation=Tanh(), structure=BlockDiagonal(block), name="a")


@pytest.mark.parametrize(
    ("inputs", "block", "lanes", "columns", "feed"),
    [  # 64 rows; a block has `block` rows and inputs * block / 64 columns
        (128, 8, 8, 16, Feed.BLOCK),  # a group is a block
        (128, 8, 4, 16, Feed.BLOCK),  # two groups a block
        (128, 8, 16, 32, Feed.BLOCKS),  # two whole blocks
        (128, 8, 6, 32, Feed.BLOCKS),  # six rows lie in two blocks at most
        (128, 8, 12, 32, Feed.BLOCKS),  # twelve, which start at a fourth row or a block's first
        (128, 8, 11, 48, Feed.BLOCKS),  # eleven in three
        (128, 8, 64, 128, Feed.BROADCAST),  # all of them: dense columns
        (32, 8, 8, 4, Feed.BLOCK),
        (32, 8, 24, 12, Feed.BLOCKS),  # three whole blocks; the last group has two
        (64, 64, 8, 64, Feed.BROADCAST),
    ],
)
def test_a_grouped_layer_reads_its_blocks_alone(inputs, block, lanes, columns, feed):
    machine = machine_of(grouped(64, block), inputs, lanes)
    (phase,) = machine.phases
    (segment,) = phase.segments
    assert (segment.feed, segment.columns) == (feed, columns)
    groups = -(-64 // lanes)
    last = 64 - (groups - 1) * lanes
    each = max(columns, lanes)
    assert machine.cycles == (groups - 1) * each + columns + 7 + last - 1 + 2
    assert machine.macs == 64 * inputs * block // 64
    weights = next(m for m in machine.memories if m.name == "weights")
    assert (weights.depth, weights.stored_bits) == (groups * columns, machine.macs * 8)
    assert machine.traffic.vector_reads == groups * columns
    assert machine.basis is Basis.REALISED


@dataclass(frozen=True)
class Parts:
    """A product put together from dense ones of slices, which may add onto those of other slices;
    or all of the whole input."""

    groups: int
    units: int
    chained: bool = False
    shared: bool = False
    order: tuple = ()
    scale: Q | None = None
    name: str = "a"

    def step(self, g, x):
        size, parts = x.units // self.groups, []
        x = g.reinterpret(x, self.scale) if self.scale else x
        for k in range(self.groups):
            own = x
            if not self.shared:
                own = g.gather([x], range(k * size, (k + 1) * size), f"part{k}")
            start = None
            if self.chained:
                start = g.linear(Dense(), f"V{k}", own, self.units, name=f"v{k}")
            parts.append(g.linear(Dense(), f"W{k}", own, self.units, start, name=f"y{k}"))
        n = self.groups * self.units
        total = g.gather(parts, self.order or range(n), "all")
        return g.cast(total, "output")

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, Formats())


def structures_of(layer, inputs, lanes=4):
    mapping = machine_of(layer, inputs, lanes).mapping
    return [type(product.structure) for product in mapping.rows.products]


def test_a_product_put_together_from_blocks_costs_its_blocks():
    """The case of a grouped layer written by hand: 8 groups of 8 x 8 on 8 lanes."""
    by_hand = machine_of(Parts(8, 8), 64, 8)
    square = machine_of(Linear(64, bias=False, structure=BlockDiagonal(8), name="a"), 64, 8)
    assert by_hand.cycles == square.cycles == 79
    assert [(m.depth, m.width, m.stored_bits) for m in by_hand.memories] == [
        (m.depth, m.width, m.stored_bits) for m in square.memories
    ]
    assert by_hand.macs == square.macs == 512
    assert machine_of(Linear(64, bias=False, name="a"), 64, 8).cycles == 527


@pytest.mark.parametrize(
    ("layer", "inputs", "expected"),
    [
        (Parts(4, 3), 8, [BlockDiagonal]),
        (Parts(4, 3, chained=True), 8, [BlockDiagonal, BlockDiagonal]),
        (Parts(4, 3, shared=True), 8, [Dense]),
        (Parts(4, 3, order=tuple(range(11, -1, -1))), 8, [BlockDiagonal]),
        (Parts(4, 3, order=(0, *range(11))), 8, [Dense] * 4),  # not every element once
        (Parts(4, 3, scale=Q(0, 7)), 8, [BlockDiagonal]),
    ],
    ids=repr,
)
def test_what_is_put_together_is_one_product(layer, inputs, expected):
    assert structures_of(layer, inputs) == expected


@pytest.mark.parametrize("cell", [Elman, GRU, LSTM, MinGRU])
def test_blocks_of_inputs_take_any_number_of_lanes(cell):
    network = network_of(cell(8, inputs=BlockDiagonal(2), name="a"), 12)
    gates = {Elman: 1, GRU: 3, LSTM: 4, MinGRU: 2}[cell]
    assert list(legal_lanes(network.scans[0].graph)) == list(range(1, 8 * gates + 1))


@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(2, 6), st.sampled_from([1, 2, 4]), st.data()
)
def test_every_group_reads_the_blocks_of_its_rows(block, inputs, count, gates, data):
    units = block * count
    structure = BlockDiagonal(block)
    layer = {
        1: Linear(units, structure=structure, name="a"),
        2: MinGRU(units, inputs=structure, name="a"),
        4: LSTM(units, inputs=structure, recurrent=Diagonal(), name="a"),
    }[gates]
    network = network_of(layer, inputs * count)
    lanes = data.draw(st.sampled_from(list(legal_lanes(network.scans[0].graph))))
    (machine,) = accelerator(network, lanes).layers
    (phase,) = machine.phases
    segment = phase.segments[0]
    if segment.feed is not Feed.BLOCKS:
        return
    assert inputs < segment.columns < inputs * count
    latest = inputs * count - segment.columns
    for first in range(0, phase.rows, phase.lanes):
        rows = range(first, min(first + phase.lanes, phase.rows))
        start = min(first // (gates * block) * inputs, latest)
        read = range(start, start + segment.columns)
        for row in rows:
            own = row // gates // block * inputs
            assert own in read and own + inputs - 1 in read


def test_square_blocks_are_fed_as_in_a_recurrent_matrix():
    for lanes in (1, 2, 4, 6, 8):
        ahead = machine_of(grouped(16, 4), 16, lanes)
        (segment,) = ahead.phases[0].segments
        assert segment.feed is (Feed.BLOCK if 4 % lanes == 0 else Feed.WINDOW)


@pytest.mark.parametrize(
    "structure", [BlockDiagonal(2), BlockDiagonal(4), LowRank(2), Banded(1, 1), Diagonal(), Dense()]
)
@pytest.mark.parametrize("cell", [Elman, GRU, LSTM, MinGRU])
def test_input_matrices_of_every_cell_are_emitted(cell, structure):
    machine = machine_of(cell(8, inputs=structure, name="a"), 8, 4 if cell is Elman else 12)
    assert machine.basis is Basis.REALISED, machine.assumptions
