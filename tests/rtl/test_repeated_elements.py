"""Vectors of which an element is in several places: broadcasts, repetitions, tiles, joined ones."""

import random
from dataclasses import dataclass

import pytest
from helpers.port_counts import assert_ports_equal
from helpers.rtl_cases import Case, draw_batch, draw_lanes, draw_parameters, draw_spread
from helpers.tools import simulated
from helpers.verilog import assert_equal_in_verilog

from rnnhw.accelerator import Basis, accelerator
from rnnhw.design.design import Design
from rnnhw.errors import DesignError
from rnnhw.graph.builder import Formats
from rnnhw.layers.activations import HardTanh, Sigmoid
from rnnhw.layers.structures import BlockDiagonal, Dense
from rnnhw.numerics.cast import Q


@dataclass(frozen=True)
class SelectiveStateSpace:
    """Mamba's recurrence (Gu & Dao 2023, arXiv:2312.00752) with a gate in place of exp(Delta A):
    h[i, n] = s(Delta[i] + a[i, n]) h[i, n] + Delta[i] x[i] B[n], y[i] = sum over n of h[i, n] C[n].
    """

    states: int
    stacked: bool = False
    name: str = "a"

    def step(self, g, x):
        d, n = x.units, self.states
        h = g.state(d * n)
        if self.stacked:
            whole = g.linear(Dense(), "W", x, d + 2 * n, name="projected")
            ends = (0, d), (d, d + n), (d + n, d + 2 * n)
            delta, b, c = (g.gather([whole], range(*end), f"p{k}") for k, end in enumerate(ends))
        else:
            delta = g.linear(Dense(), "W", x, d, name="Wx")
            b, c = (g.linear(Dense(), key, x, n, name=f"{key}x") for key in "BC")
        delta = HardTanh().apply(g, g.cast(delta, "sum", "delta.sum"), "gate", "delta")
        b, c = g.cast(b, "gate", "b"), g.cast(c, "gate", "c")
        each = [i // n for i in range(d * n)]
        tiled = [i % n for i in range(d * n)]
        wide = g.gather([delta], each, "delta_each")
        total = g.add(wide, g.constant("a", d * n, "weight"))
        decay = Sigmoid().apply(g, g.cast(total, "sum", "decay.sum"), "gate", "decay")
        driven = g.multiply(
            g.multiply(wide, g.gather([x], each, "x_each")), g.gather([b], tiled, "b_each")
        )
        new = g.update(h, g.cast(g.add(g.multiply(decay, h), driven), "state"))
        read = g.cast(g.multiply(new, g.gather([c], tiled, "c_each")), "state", "read")
        return g.cast(g.linear(BlockDiagonal(1), "S", read, d, name="y"), "output")

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, Formats())


@dataclass(frozen=True)
class Attention:
    """A scalar gate for all units, out of a product of one row; and parts of a longer state."""

    units: int
    name: str = "a"

    def step(self, g, x):
        n = self.units
        h = g.state(2 * n)
        one = g.cast(g.linear(Dense(), "w", h, 1, name="score"), "gate")
        wx = g.cast(g.linear(Dense(), "W", x, n, name="Wx"), "state", "candidate")
        old = g.gather([h], range(n, 2 * n), "old")
        mixed = g.add(g.multiply(g.gather([one], [0] * n, "one_each"), wx), old)
        new = g.cast(mixed, "output")
        joined = g.gather([g.cast(mixed, "state", "kept"), wx], range(2 * n), "both")
        g.update(h, joined)
        return new

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, Formats())


FORMATS = Formats(
    input=Q(1, 4), weight=Q(1, 4), state=Q(1, 5), sum=Q(2, 4), gate=Q(1, 5), output=Q(2, 5)
)
CELLS = {
    "selective": (SelectiveStateSpace(3), 4),
    "one state": (SelectiveStateSpace(1), 3),
    "one channel": (SelectiveStateSpace(4), 1),
    "stacked": (SelectiveStateSpace(2, stacked=True), 5),
    "attention": (Attention(4), 3),
}


@simulated
@pytest.mark.parametrize("name", CELLS)
def test_cells_that_spread_their_elements(name, tmp_path) -> None:
    layer, inputs = CELLS[name]
    network = Design([layer], FORMATS, inputs=inputs, max_steps=6).network
    for seed in range(2):
        r = random.Random(seed)
        lanes, parameters = draw_lanes(r, network), draw_parameters(r, network)
        case = Case(network, lanes, parameters, draw_batch(r, network))
        machine = accelerator(network, case.lanes)
        assert machine.basis is Basis.REALISED, machine.layers[0].assumptions
        assert_equal_in_verilog(case, tmp_path / f"values{seed}")
        assert_ports_equal(case, tmp_path / f"ports{seed}")


@simulated
@pytest.mark.parametrize("first", range(0, 60, 15))
def test_random_vectors_with_repeated_elements(first, tmp_path) -> None:
    for seed in range(first, first + 15):
        try:
            case = draw_spread(random.Random(seed))
        except DesignError:
            continue
        assert accelerator(case.network, case.lanes).basis is Basis.REALISED, seed
        assert_equal_in_verilog(case, tmp_path / f"values{seed}")
        assert_ports_equal(case, tmp_path / f"ports{seed}")
