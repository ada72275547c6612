"""Structures of input matrices in Verilog: every value, every cycle, every read and write."""

import random
from dataclasses import dataclass

import pytest
from helpers.port_counts import assert_ports_equal
from helpers.rtl_cases import (
    Case,
    draw_batch,
    draw_grouped,
    draw_parameters,
    draw_structured_inputs,
)
from helpers.tools import simulated
from helpers.verilog import assert_equal_in_verilog

from rnnhw.accelerator import Basis, accelerator, lane_options
from rnnhw.accelerator.mapping import Feed
from rnnhw.design.design import Design
from rnnhw.errors import DesignError
from rnnhw.graph.builder import Formats
from rnnhw.layers.cells import GRU, LSTM, Elman, JordanNetwork, LeakyElman, Linear, MinGRU
from rnnhw.layers.structures import (
    Banded,
    BlockDiagonal,
    Butterfly,
    CyclicBand,
    Diagonal,
    Hadamard,
    LowRank,
    Monarch,
    Permutation,
)
from rnnhw.numerics.cast import Q

FORMATS = Formats(
    input=Q(2, 5), weight=Q(1, 6), state=Q(0, 7), sum=Q(3, 4), cell=Q(2, 7), output=Q(2, 5)
)


def assert_equal(case, folder) -> None:
    """Bit for bit, cycle for cycle, port for port."""
    assert_equal_in_verilog(case, folder / "values")
    assert_ports_equal(case, folder / "ports")


@simulated
@pytest.mark.parametrize("first", range(0, 80, 10))
def test_random_layers_with_structured_inputs(first, tmp_path) -> None:
    ran = 0
    for seed in range(first, first + 10):
        try:
            case = draw_structured_inputs(random.Random(seed))
        except DesignError:
            continue
        if accelerator(case.network, case.lanes).basis is Basis.REALISED:
            assert_equal(case, tmp_path / str(seed))
            ran += 1
    assert ran >= 5


@simulated
@pytest.mark.parametrize("first", range(0, 60, 15))
def test_random_sums_put_together_from_parts(first, tmp_path) -> None:
    for seed in range(first, first + 15):
        try:
            case = draw_grouped(random.Random(seed))
        except DesignError:
            continue
        assert accelerator(case.network, case.lanes).basis is Basis.REALISED
        assert_equal(case, tmp_path / str(seed))


SQUARE = (
    BlockDiagonal(2),
    BlockDiagonal(4),
    LowRank(2),
    Banded(1, 2),
    Diagonal(),
    CyclicBand(1, 1),
    Monarch(2),
    Butterfly(),
    Hadamard(),
    Permutation([3, 1, 7, 0, 2, 6, 5, 4]),
)
CELLS = {
    "Elman": lambda s: Elman(8, inputs=s, initial=True, name="a"),
    "LeakyElman": lambda s: LeakyElman(8, inputs=s, name="a"),
    "JordanNetwork": lambda s: JordanNetwork(8, 3, inputs=s, name="a"),
    "LSTM": lambda s: LSTM(8, inputs=s, recurrent=Diagonal(), name="a"),
    "GRU before": lambda s: GRU(8, inputs=s, reset="before", name="a"),
    "MinGRU": lambda s: MinGRU(8, inputs=s, name="a"),
    "Linear": lambda s: Linear(8, structure=s, name="a"),
}


def case_of(layer, inputs, number) -> Case:
    """The layer with drawn numbers, on one of its possible lanes."""
    r = random.Random(number)
    network = Design([layer], FORMATS, inputs=inputs).network
    (option,) = lane_options(network)
    legal = [count for count in option.lanes if count]
    lanes = {"a": legal[number * 7 % len(legal)]} if legal else {}
    return Case(network, lanes, draw_parameters(r, network), draw_batch(r, network, 4, 2))


@simulated
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_takes_every_structure(cell, tmp_path) -> None:
    for number, structure in enumerate(SQUARE):
        case = case_of(CELLS[cell](structure), 8, number)
        assert accelerator(case.network, case.lanes).basis is Basis.REALISED, structure
        assert_equal(case, tmp_path / str(number))


@simulated
@pytest.mark.parametrize("block", [1, 2, 3, 5])
@pytest.mark.parametrize("inputs", [1, 2, 3, 4])
def test_blocks_of_every_shape_on_lanes_that_hold_several(block, inputs, tmp_path) -> None:
    """Runs of blocks that start in, end with and reach beyond a block."""
    if block == inputs:
        return
    layer = Linear(5 * block, structure=BlockDiagonal(block), name="a")
    network = Design([layer], FORMATS, inputs=5 * inputs).network
    r, fed = random.Random(block), set()
    parameters, batch = draw_parameters(r, network), draw_batch(r, network, 3, 2)
    several = {2, 3, block + 1, 2 * block, 3 * block + 1, 5 * block - 1}
    for lanes in (count for count in several if 1 < count < 5 * block):
        case = Case(network, {"a": lanes}, parameters, batch)
        (machine,) = accelerator(network, case.lanes).layers
        fed.update(segment.feed for segment in machine.phases[0].segments)
        assert_equal(case, tmp_path / str(lanes))
    assert Feed.BLOCKS in fed


@dataclass(frozen=True)
class Halves:
    """The halves of a product, multiplied: its rows are two gates to the post-processor."""

    structure: object
    name: str = "a"

    def step(self, g, x):
        y = g.linear(self.structure, "W", x, 8, name="y")
        halves = [g.gather([y], range(4 * k, 4 * k + 4), f"y{k}") for k in range(2)]
        return g.cast(g.multiply(*halves), "output")

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, Formats())


@simulated
def test_rows_of_every_structure_are_taken_apart(tmp_path) -> None:
    for number, structure in enumerate((*SQUARE[:-1], BlockDiagonal(1))):
        case = case_of(Halves(structure), 8, number)
        assert accelerator(case.network, case.lanes).basis is Basis.REALISED, structure
        assert_equal(case, tmp_path / str(number))
    case = case_of(Halves(BlockDiagonal(2)), 20, 3)
    assert_equal(case, tmp_path / "wide")
