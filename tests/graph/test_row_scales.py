"""Per-channel power-of-two scales in the step graph: where sums of scaled rows are shifted."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from helpers.scaled import EXPONENT, FORMATS, MULTIPLIED, MULTIPLIER, scaled

from rnnhw import (
    GRU,
    LSTM,
    BlockDiagonal,
    Dense,
    Design,
    DesignError,
    Elman,
    Formats,
    LowRank,
    MinGRU,
    Q,
    Sigmoid,
    Tanh,
    Toeplitz,
)
from rnnhw.graph.builder import FormatScope, StepBuilder
from rnnhw.graph.nodes import Add, Gather, Matvec, Multiply, Shift

OWN = replace(FORMATS, recurrent_scale_exponent=EXPONENT)


def shifts(layer, formats=FORMATS):
    """What each shift of a layer's step reads."""
    graph = Design([layer], formats, inputs=3).network.scans[0].graph
    return [node for node in graph.nodes if isinstance(node, Shift)]


def test_without_exponents_nothing_is_shifted():
    assert shifts(LSTM(4, name="rnn"), replace(FORMATS, scale_exponent=None)) == []


def test_a_sum_of_two_products_and_a_bias_is_shifted_once():
    (shift,) = shifts(Elman(4, name="rnn"))
    assert isinstance(shift.a, Matvec) and shift.a.name == "Uh" and shift.a.start.name == "Wx"
    assert shift.by.tensor.key == "rnn.W.exponent"
    low, high = shift.a.interval
    assert shift.interval == (low << 3, high << 3)
    assert shift.format.fraction == shift.a.format.fraction


def test_own_exponents_of_the_recurrent_matrix_shift_both_products():
    first, second = shifts(Elman(4, name="rnn"), OWN)
    assert [first.a.name, second.a.name] == ["Wx", "Uh.product"]
    assert second.a.start is None and second.by.tensor.key == "rnn.U.exponent"


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (LSTM(4, name="rnn"), 4),
        (LSTM(4, recurrent=BlockDiagonal(2), recurrent_bias=True, name="rnn"), 4),
        (GRU(4, name="rnn"), 4),  # r and z whole; n in two parts, for the gate between them
        (GRU(4, reset="before", name="rnn"), 3),
        (MinGRU(4, name="rnn"), 2),
    ],
)
def test_gates_share_the_exponents_of_w(layer, count):
    found = shifts(layer)
    assert len(found) == count
    assert all(isinstance(shift.a, Gather | Add | Matvec) for shift in found)
    constants = {shift.by.parts[0] if isinstance(shift.by, Gather) else shift.by for shift in found}
    assert [constant.tensor.key for constant in constants] == ["rnn.W.exponent"]


def test_every_factor_of_a_product_has_its_own():
    layer = Elman(4, recurrent=LowRank(2), name="rnn")
    network = Design([layer], replace(FORMATS, stage=Q(2, 6)), inputs=3).network
    keys = [tensor.key for tensor in network.tensors if tensor.role == "scale_exponent"]
    assert len(keys) == 2 and "rnn.W.exponent" in keys


@dataclass(frozen=True)
class Gated:
    """A user's cell on the builder alone."""

    units: int
    name: str = "rnn"

    def step(self, g, x):
        h = g.state(self.units)
        wx = g.linear(Dense(), "W", x, self.units, g.constant("b", self.units, "bias"), name="Wx")
        uh = g.linear(Dense(), "U", h, self.units, wx, role="recurrent_weight", name="Uh")
        gate = Sigmoid().apply(g, g.cast(uh, "sum"), "gate", "f")
        change = g.multiply(gate, g.subtract(Tanh().apply(g, g.cast(wx, "sum", "t"), "gate"), h))
        return g.update(h, g.cast(g.add(h, change), "state"))

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, Formats())


def test_what_reads_a_part_of_a_sum_reads_it_shifted():
    names = [shift.a.name for shift in shifts(Gated(4))]
    assert sorted(names) == ["Uh", "Wx"]


# --- errors --------------------------------------------------------------------------------------
@pytest.mark.parametrize("wrong", [Q(2, 0), Q(2, 1, signed=False), Q(6, 0, signed=False)])
def test_a_format_that_is_none_of_exponents_is_refused(wrong):
    with pytest.raises(DesignError, match="exponents are whole numbers of 0 to at most 31"):
        Formats(scale_exponent=wrong)


def test_scales_with_a_sign_and_both_kinds_at_once_are_refused():
    with pytest.raises(DesignError, match="scales of rows have no sign"):
        Formats(scale=Q(2, 5))
    with pytest.raises(DesignError, match=r"rnn\.W: its rows have exponents and multipliers"):
        shifts(Elman(4, name="rnn"), replace(FORMATS, scale=MULTIPLIER))


def test_multipliers_multiply_the_whole_sum_once():
    graph = Design([Elman(4, name="rnn")], MULTIPLIED, inputs=3).network.scans[0].graph
    (product,) = (node for node in graph.nodes if isinstance(node, Multiply))
    assert product.a.name == "Uh" and product.b.tensor.key == "rnn.W.scale"
    assert not any(isinstance(node, Shift) for node in graph.nodes)


def test_rows_that_share_weights_are_refused():
    with pytest.raises(DesignError, match=r"rnn\.U: rows of Toeplitz\(\) share weights"):
        shifts(Elman(4, recurrent=Toeplitz(), name="rnn"))


def builder():
    return StepBuilder(FormatScope("l", {}, (FORMATS,)))


def test_a_bias_of_scaled_rows_that_something_else_reads_is_refused():
    g = builder()
    x, b = g.input(3, Q(1, 6)), g.constant("b", 3, "bias")
    total = g.linear(Dense(), "W", x, 3, b, name="Wx")
    output = g.cast(g.add(g.cast(total, "sum"), b), "state")
    with pytest.raises(DesignError, match=r"l\.b starts a sum of scaled rows, and add0 reads it"):
        g.build(output)


def test_a_shift_by_something_else_than_small_constants_is_refused():
    g = builder()
    x = g.input(3, Q(3, 0, signed=False))
    with pytest.raises(DesignError, match="which is not constant"):
        g.shift(x, x)
    with pytest.raises(DesignError, match="raw -1 to 32"):
        g.shift(x, g.literal("by", [-1, 0, 32]))
    assert g.shift(x, g.literal("few", [0, 1, 5])).interval == (0, 7 << 5)


def test_a_start_that_is_no_bias_is_added_behind():
    g = builder()
    x, other = g.input(3, Q(1, 6)), g.input(3, Q(1, 6))
    total = g.linear(Dense(), "W", x, 3, other, name="Wx")
    assert isinstance(total, Add) and total.name == "Wx"
    assert total.a is other and isinstance(total.b, Shift)


def test_the_elements_of_every_tensor_have_one_scale():
    graph = scaled(LSTM(4, recurrent=BlockDiagonal(2), name="rnn")).network.scans[0].graph
    for key, size in (("rnn.W", 48), ("rnn.U.g", 8), ("rnn.b", 16)):
        positions = np.concatenate([s.positions for s in graph.scales if s.key == key])
        np.testing.assert_array_equal(np.sort(positions), np.arange(size))
