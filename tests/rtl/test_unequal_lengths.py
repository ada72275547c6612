"""Vectors of several lengths in one step: each length has phases of its own."""

import random
from dataclasses import dataclass

import pytest
from helpers.port_counts import assert_ports_equal
from helpers.rtl_cases import Case, draw_batch, draw_lanes, draw_mixed_gates, draw_parameters
from helpers.tools import simulated
from helpers.verilog import assert_equal_in_verilog

from rnnhw.accelerator import Basis, accelerator
from rnnhw.design.design import Design
from rnnhw.errors import DesignError
from rnnhw.graph.builder import Formats
from rnnhw.layers.cells import GRU, LSTM, Elman, JordanNetwork, LeakyElman, MinGRU
from rnnhw.layers.structures import Dense, Diagonal, LowRank
from rnnhw.numerics.cast import Q

FORMATS = Formats(
    input=Q(2, 5), weight=Q(1, 6), state=Q(0, 7), sum=Q(3, 4), cell=Q(2, 7), output=Q(2, 5)
)


@dataclass(frozen=True)
class ZeroPoint:
    """A cell that subtracts the zero point of its input before it multiplies it."""

    units: int
    name: str = "a"

    def step(self, g, x):
        h = g.state(self.units)
        zero = g.literal("zero", [3 + k for k in range(x.units)], x.format.fraction)
        uh = g.linear(Dense(), "U", h, self.units, name="Uh")
        wx = g.linear(Dense(), "W", g.subtract(x, zero, "xz"), self.units, name="Wx")
        return g.update(h, g.cast(g.add(uh, wx), "state"))

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, FORMATS)


@dataclass(frozen=True)
class StateSpace:
    """A cell whose output is of another length than its state, and made of the last one."""

    units: int
    outputs: int
    name: str = "a"

    def step(self, g, x):
        h = g.state(self.units)
        wx = g.linear(Dense(), "B", x, self.units, name="Bx")
        total = g.linear(Dense(), "A", h, self.units, wx, name="Ah")
        y = g.cast(g.linear(Dense(), "C", h, self.outputs, name="Ch"), "output")
        g.update(h, g.cast(total, "state"))
        return y

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, FORMATS)


LOW = LowRank
CELLS = {  # with the length of each phase
    "a gate of its own": (GRU(2, recurrent=(Dense(), Dense(), LOW(1)), name="a"), 3, (1, 2)),
    "ranks": (GRU(4, recurrent=(LOW(1), LOW(2), LOW(1)), name="a"), 3, (1, 2, 4)),
    "a sum": (Elman(2, recurrent=Diagonal() @ Diagonal() + LOW(1), name="a"), 3, (2, 1, 2)),
    "low rank inputs": (GRU(8, inputs=LOW(2), recurrent_bias=True, name="a"), 8, (2, 8)),
    "both": (
        LSTM(
            4,
            recurrent=(LOW(1), LOW(2), Dense(), Diagonal()),
            inputs=(LOW(2), LOW(3), Dense(), Dense()),
            peephole=True,
            name="a",
        ),
        5,
        None,
    ),
    "candidate": (MinGRU(4, inputs=(LOW(1), LOW(3)), name="a"), 4, None),
    "fed back": (JordanNetwork(6, 4, inputs=LOW(2), recurrent=LOW(3), name="a"), 4, None),
    "leaky": (LeakyElman(6, inputs=LOW(2), recurrent=LOW(3) + LOW(1), name="a"), 4, None),
    "fewer units than inputs": (ZeroPoint(2), 3, (3, 2)),
    "more units than inputs": (ZeroPoint(3), 2, (2, 3)),
    "fewer outputs than units": (StateSpace(4, 3), 3, (4, 3)),
    "more outputs than units": (StateSpace(3, 5), 2, (3, 5)),
    "twice the outputs": (StateSpace(4, 8), 2, (4, 8)),
}


@simulated
@pytest.mark.parametrize("name", CELLS)
def test_each_length_has_phases_of_its_own(name, tmp_path) -> None:
    layer, inputs, widths = CELLS[name]
    network = Design([layer], FORMATS, inputs=inputs).network
    for seed in range(2):
        r = random.Random(seed)
        lanes, parameters = draw_lanes(r, network), draw_parameters(r, network)
        case = Case(network, lanes, parameters, draw_batch(r, network))
        machine = accelerator(network, case.lanes)
        assert machine.basis is Basis.REALISED
        (only,) = machine.layers
        assert widths in (None, only.mapping.rows.widths)
        assert_equal_in_verilog(case, tmp_path / f"values{seed}")
        assert_ports_equal(case, tmp_path / f"ports{seed}")


@simulated
@pytest.mark.parametrize("first", range(0, 40, 10))
def test_random_gates_of_several_lengths(first, tmp_path) -> None:
    ran = 0
    for seed in range(first, first + 10):
        try:
            case = draw_mixed_gates(random.Random(seed))
        except DesignError:
            continue
        if accelerator(case.network, case.lanes).basis is Basis.REALISED:
            assert_equal_in_verilog(case, tmp_path / f"values{seed}")
            assert_ports_equal(case, tmp_path / f"ports{seed}")
            ran += 1
    assert ran >= 5


def test_formats_alone_stand_against_gates_of_several_lengths() -> None:
    for seed in range(200):
        try:
            case = draw_mixed_gates(random.Random(seed))
        except DesignError:
            continue
        for layer in accelerator(case.network, case.lanes).layers:
            assert all("accumulator" in what for what in layer.assumptions), seed
