"""The elementwise operations in the arithmetic of every kind of value, held against golden."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from rnnhw.analysis.intervals import BOXES, Box
from rnnhw.execution.array_steps import RealArrays
from rnnhw.execution.golden import constant_values
from rnnhw.graph.arrays import ArrayStep
from rnnhw.graph.builder import FormatScope, StepBuilder
from rnnhw.graph.elementwise import ELEMENTWISE
from rnnhw.graph.nodes import (
    OPERATIONS,
    Add,
    Clamp,
    Multiply,
    Reinterpret,
    Select,
    Shift,
    Subtract,
)
from rnnhw.graph.ranges import interval_of
from rnnhw.numerics.cast import Q

PAIRS = list(product(range(-8, 8), range(-4, 4)))
"""All integers of 4 bits with all of 3 bits."""

WRITES = {
    "add": (Add, lambda g, a, b: g.add(a, b)),
    "subtract": (Subtract, lambda g, a, b: g.subtract(a, b)),
    "multiply": (Multiply, lambda g, a, b: g.multiply(a, b)),
    "square": (Multiply, lambda g, a, b: g.multiply(a, a)),
    "select": (Select, lambda g, a, b: g.select(a, a, b)),
    "shift": (Shift, lambda g, a, b: g.shift(a, g.literal("by", [2, 0, 1, 31] * 32))),
    "clamp": (Clamp, lambda g, a, b: g.clamp(a, -0.75, 1.0)),
    "floor": (Clamp, lambda g, a, b: g.clamp(a, 0.25, None)),
    "ceiling": (Clamp, lambda g, a, b: g.clamp(a, None, -0.5)),
    "no limit": (Clamp, lambda g, a, b: g.clamp(a, None, None)),
    "reinterpret": (Reinterpret, lambda g, a, b: g.reinterpret(a, Q(9, -5))),
}


@pytest.fixture(params=[(2, 0), (0, 3), (2, 2)], ids=lambda fractions: "{}-{}".format(*fractions))
def fractions(request):
    return request.param


@pytest.fixture(params=WRITES)
def operation(request, fractions):
    """A node, its graph of literals, and the values of both by golden."""
    kind, write = WRITES[request.param]
    g = StepBuilder(FormatScope("layer", {}, ()))
    a, b = (
        g.literal(name, [pair[place] for pair in PAIRS], fraction)
        for place, (name, fraction) in enumerate(zip("ab", fractions, strict=True))
    )
    if kind is Clamp:
        a = g.reinterpret(a, Q(3, 2))
    node = write(g, a, b)
    assert type(node) is kind
    graph = g.build(node)
    return node, graph, constant_values(graph, {})


def test_every_elementwise_operation_is_written_here():
    assert {kind for kind, _ in WRITES.values()} == set(ELEMENTWISE)
    assert set(ELEMENTWISE) < set(OPERATIONS)


@pytest.mark.parametrize("dtype", [np.int64, object])
def test_integers_in_arrays_are_golden(operation, dtype):
    node, graph, golden = operation
    step = ArrayStep(graph, [np.zeros((1, 1), dtype)], {}, {})
    assert step.values[node][:, 0].tolist() == golden[node]


def test_real_numbers_are_golden_at_the_scale_of_the_result(operation):
    node, _, golden = operation
    values = {n: np.array(golden[n]) * n.format.step for n in node.operands}
    run = SimpleNamespace(arithmetic=RealArrays(np), values=values)
    found = ELEMENTWISE[type(node)](run, node)
    assert found.tolist() == (np.array(golden[node]) * node.format.step).tolist()


def test_boxes_of_one_vector_are_golden(operation):
    node, _, golden = operation
    values = {n: Box.point(np.array(golden[n])) for n in node.operands}
    low, high = ELEMENTWISE[type(node)](SimpleNamespace(arithmetic=BOXES, values=values), node)
    assert low.tolist() == high.tolist() == golden[node]


def test_boxes_hold_what_their_corners_become(operation):
    node, _, golden = operation
    highs = {n: np.array(golden[n]) for n in node.operands}
    constant = node.by if isinstance(node, Shift) else None
    lows = {n: high if n is constant else high - 1 for n, high in highs.items()}
    kind, boxes = ELEMENTWISE[type(node)], {n: Box(lows[n], highs[n]) for n in highs}
    low, high = kind(SimpleNamespace(arithmetic=BOXES, values=boxes), node)
    for ends in product((lows, highs), repeat=len(boxes)):
        corner = {n: Box.point(end[n]) for n, end in zip(boxes, ends, strict=True)}
        value, _ = kind(SimpleNamespace(arithmetic=BOXES, values=corner), node)
        assert ((low <= value) & (value <= high)).all()


def test_the_interval_of_a_result_holds_golden_and_is_the_nodes(operation):
    node, _, golden = operation
    low, high = interval_of(node, {n: n.interval for n in node.operands})
    assert (low, high) == node.interval
    assert low <= min(golden[node])
    assert max(golden[node]) <= high
