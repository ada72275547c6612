"""Guaranteed ranges: nothing that golden computes lies outside, and worst cases are reached."""

import numpy as np
import pytest
from helpers import graphs
from hypothesis import given, settings

from rnnhw import Design, Diagonal, Elman, Formats, Identity, Linear, Q, Tanh
from rnnhw.analysis.guaranteed import guaranteed_ranges
from rnnhw.analysis.intervals import Box, cast_box, unfitted
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.numerics.cast import Overflow, Rounding, cast_array, rounded


def ranges_of(network, parameters, first=None):
    """By signal: least and greatest raw integer, [units] each, and what bounds them."""
    found = {}
    for scan, ranges in guaranteed_ranges(network, parameters.raw, first).items():
        for name, node in scan.graph.signals():
            found[name] = ranges.boxes[node], ranges.by[node]
    return found


@given(graphs.cases())
@settings(max_examples=25, deadline=None)
def test_no_trace_of_a_random_network_leaves_its_range(case):
    first = {name: Box(value.min(0), value.max(0)) for name, value in case.batch.initial.items()}
    found = ranges_of(case.network, case.parameters, first)
    run = golden.run(case.network, case.parameters, case.batch, case.traces)
    lengths = case.batch.lengths.tolist()
    for name, trace in run.traces.items():
        scan = case.network.scan_of(name)
        box, _ = found[name]
        node = case.network.signal(name)
        assert box.low.min() >= node.interval[0] and box.high.max() <= node.interval[1]
        for values, length in zip(trace, lengths, strict=True):
            valid = values[: scan.steps_for(length)]
            assert (valid >= box.low).all() and (valid <= box.high).all(), name


WHOLE = Q(4, 0)


def linear(a, *, state=None, sum=None, inputs=1, b=None, word=WHOLE):
    """``h' = A h + B x`` with whole inputs of ``word``."""
    a = np.array(a, float)
    units = len(a)
    formats = Formats(
        input=word,
        weight=Q(2, 10),
        sum=sum or Q(12, 12),
        state=state or Q(12, 12),
    )
    layer = Elman(units, activation=Identity(), bias=False, name="r")
    weights = {"r.W": np.ones((units, inputs)) if b is None else b, "r.U": a}
    return Design([layer], formats, weights, inputs=inputs)


def worst_output(design, steps, unit=0):
    """The greatest value of a unit under the inputs that the impulse response asks for."""
    network, parameters = design.network, design.parameters
    a, b = parameters.values["r.U"], parameters.values["r.W"]
    response = [np.linalg.matrix_power(a, k)[unit] @ b for k in range(steps)]
    low, high = network.source.interval
    x = np.where(np.array(response)[::-1] > 0, high, low)[None]
    run = golden.run(network, parameters, make_batch(network, x, raw=True), ["r.state"])
    return int(run.traces["r.state"][0, -1, unit])


@pytest.mark.parametrize(
    "a",
    [
        [[0.5]],
        [[-0.75]],
        [[0.5, 0.75], [-0.75, 0.5]],  # a rotation: an interval grows without end
        [[0.875, 1.0], [0.0, 0.875]],
    ],
)
def test_the_worst_input_reaches_the_l1_bound(a):
    design = linear(a)
    box, by = ranges_of(design.network, design.parameters)["r.state"]
    # Where no two terms of a sum cancel, intervals are exact already.
    assert by == ("l1" if np.min(a) < 0 and len(a) > 1 else "interval")
    reached = worst_output(design, 300)
    # Rounding errors are bounded as if the worst came together: a few LSB of 2**12 in a unit.
    assert reached <= box.high[0] <= reached + 20


def test_an_interval_of_a_rotation_is_the_word_and_its_l1_bound_is_not():
    design = linear([[0.5, 0.75], [-0.75, 0.5]])
    state = design.network.signal("r.state")
    box, by = ranges_of(design.network, design.parameters)["r.state"]
    assert by == "l1" and box.high.max() < state.format.max / 10


def test_a_linear_layer_that_can_clip_keeps_its_word_and_says_what_it_would_need():
    design = linear([[0.9]], state=Q(6, 8), sum=Q(12, 12))
    [(scan, ranges)] = guaranteed_ranges(design.network, design.parameters.raw).items()
    z = next(node for name, node in scan.graph.signals() if name == "r.Uh")
    # 16 / (1 - 0.9) = 160 needs two bits more than Q(6, 8) has.
    assert ranges.unclipped[z].low[0] * z.format.step == pytest.approx(-160, rel=0.02)
    new = scan.graph.updates[0][1]
    assert ranges.boxes[new].low[0] == new.format.lowest


@pytest.mark.parametrize("a", [1.0, 1.5])
def test_a_linear_layer_that_does_not_decay_has_no_l1_bound(a):
    design = linear([[a]])
    [ranges] = guaranteed_ranges(design.network, design.parameters.raw).values()
    assert ranges.unclipped == {}


def test_affine_forms_know_that_a_value_cancels_itself():
    def step(g, x):
        h = g.state(1, "h")
        limited = g.clamp(h, -3, 3)
        g.update(h, g.cast(g.subtract(g.add(x, limited), limited), "h"))
        return h

    network = graphs.one_layer(step, Q(3, 4), {"l.h": Q(7, 0)})
    design = graphs.raw_parameters(network)
    box, by = ranges_of(network, design)["l.h"]
    assert (box.low[0], box.high[0], by) == (-8, 8, "affine")


def test_a_tanh_layer_is_bounded_by_its_table():
    formats = Formats(input=Q(0, 3), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7))
    weights = {"r.W": [[0.5]], "r.U": [0.25]}
    layer = Elman(1, recurrent=Diagonal(), activation=Tanh(), bias=False, name="r")
    design = Design([layer, Linear(1, bias=False, name="o")], formats,
                    {**weights, "o.W": [[1.0]]}, inputs=1)  # fmt: skip
    found = ranges_of(design.network, design.parameters)
    box, _ = found["r.state"]
    x = np.full((1, 200, 1), -8)
    run = golden.run(design.network, design.parameters,
                     make_batch(design.network, x, raw=True), ["r.state"])  # fmt: skip
    assert box.low[0] == run.traces["r.state"].min()


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("overflow", list(Overflow))
def test_every_mode_of_a_cast_has_its_range(rounding, overflow):
    """Against all 256 operands, for intervals of every kind."""
    to = Q(3, 1, rounding=rounding, overflow=overflow)
    whole = np.arange(-128, 128)
    results = cast_array(whole, 3, to)[0]
    for low, high in [(-128, 127), (-5, 5), (0, 3), (60, 127), (-128, -90), (-3, -3), (62, 66)]:
        box = Box(np.array([low]), np.array([high]))
        part = results[(whole >= low) & (whole <= high)]
        found = cast_box(box, 3, to)
        assert found.low[0] <= part.min() and found.high[0] >= part.max()
        if not overflow.wraps and overflow is not Overflow.SAT_ZERO:
            assert (found.low[0], found.high[0]) == (part.min(), part.max())
        ends = rounded(low, 2, rounding), rounded(high, 2, rounding)
        assert unfitted(box, 3, to) == ends
