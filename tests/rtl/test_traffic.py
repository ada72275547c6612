"""Reads and writes of every memory: what the machine says is what counters in the Verilog count."""

import random

import numpy as np
import pytest
from helpers.paths import DESIGNS
from helpers.port_counts import assert_ports_equal
from helpers.rtl_cases import Case, draw_batch, draw_case, draw_parameters, draw_woven
from helpers.tools import simulated

from rnnhw.accelerator import Basis, accelerator, lane_options
from rnnhw.design.design import Design, load
from rnnhw.errors import DesignError
from rnnhw.graph.builder import Formats
from rnnhw.layers.cells import (
    GRU,
    LSTM,
    Elman,
    JordanNetwork,
    Last,
    LeakyElman,
    Linear,
    Mean,
    MinGRU,
    Residual,
    Window,
)
from rnnhw.layers.structures import (
    Banded,
    BlockDiagonal,
    Butterfly,
    CyclicBand,
    Dense,
    Diagonal,
    Hadamard,
    InterleavedBlocks,
    LowRank,
    Monarch,
    Permutation,
    UnitWeights,
)
from rnnhw.numerics.cast import Q

FORMATS = Formats(
    input=Q(2, 5), weight=Q(1, 6), state=Q(0, 7), sum=Q(3, 4), cell=Q(2, 7), output=Q(2, 5)
)

LAYERS = {
    "elman": [Elman(8, name="a", initial=True)],
    "lstm": [LSTM(8, name="a", initial=True)],
    "peepholes": [LSTM(8, recurrent=Diagonal(), peephole=True, name="a")],
    "projection": [LSTM(9, peephole=True, projection=7, name="a")],
    "gru after": [GRU(8, reset="after", recurrent_bias=True, name="a")],
    "gru before": [GRU(8, reset="before", name="a", initial=True)],
    "leaky": [LeakyElman(11, leak=None, name="a", initial=True)],
    "mingru": [MinGRU(8, name="a", initial=True)],
    "jordan": [JordanNetwork(8, 3, name="a", initial=True)],
    "residual": [Residual([Elman(3, name="a")], name="r")],
    "last": [Elman(6, name="a"), Last(), Linear(4, name="b")],
    "mean": [Elman(6, name="a"), Mean(divide=False, name="m"), Linear(4, name="b")],
    "mean of one unit": [Elman(1, name="a"), Mean(divide=False, name="m"), Linear(4, name="b")],
    "divided mean": [Elman(6, name="a"), Mean(divide=True, name="m"), Linear(4, name="b")],
    "window": [Window(3), Elman(6, name="a")],
    "last window": [Window(3), Last(), Linear(5, name="a")],
    "window and transform": [Window(2), Linear(4, name="a"), Elman(4, name="b")],
}
STRUCTURES = (
    Banded(1, 2),
    BlockDiagonal(2),
    BlockDiagonal(4),
    Butterfly(),
    Butterfly(bias=True),
    CyclicBand(1, 2),
    Dense(),
    Diagonal(),
    Hadamard(before=True, after=True),
    InterleavedBlocks(2),
    LowRank(3),
    Monarch(2),
    Permutation([3, 1, 7, 0, 2, 6, 5, 4]),
    UnitWeights(),
)


def case_of(network, seed=0) -> Case:
    """A network with drawn numbers, on the second of its possible lanes."""
    r = random.Random(seed)
    lanes = {}
    for option in lane_options(network):
        legal = [count for count in option.lanes if count]
        if legal:
            lanes[option.name] = legal[min(1, len(legal) - 1)]
    return Case(network, lanes, draw_parameters(r, network), draw_batch(r, network))


@simulated
@pytest.mark.parametrize("name", LAYERS)
def test_every_cell_reads_and_writes_what_the_machine_says(name, tmp_path) -> None:
    network = Design(LAYERS[name], FORMATS, inputs=3, max_steps=6).network
    assert_ports_equal(case_of(network), tmp_path)


@simulated
@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
@pytest.mark.parametrize("cell", [Elman, GRU])
def test_every_structure_reads_and_writes_what_the_machine_says(cell, structure, tmp_path) -> None:
    layer = cell(8, recurrent=structure, initial=True, name="a")
    network = Design([layer], FORMATS, inputs=3, max_steps=6).network
    assert_ports_equal(case_of(network), tmp_path)


@simulated
@pytest.mark.parametrize("draw", [draw_case, draw_woven])
@pytest.mark.parametrize("first", [0, 100, 200, 300, 1470])
def test_random_networks_read_and_write_what_the_machine_says(draw, first, tmp_path) -> None:
    for seed in range(first, first + 10):
        try:
            case = draw(random.Random(seed))
        except DesignError:
            continue
        if accelerator(case.network, case.lanes).basis is Basis.REALISED:
            assert_ports_equal(case, tmp_path / str(seed))


@simulated
@pytest.mark.parametrize("name", ["recall_window", "speaker_tridiagonal"])
def test_designs_read_and_write_what_the_machine_says(name, tmp_path) -> None:
    network = load(DESIGNS / f"{name}.py").network
    case = case_of(network)
    assert np.max(case.batch.lengths) > 1
    assert_ports_equal(case, tmp_path)
