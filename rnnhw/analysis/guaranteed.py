"""Guaranteed ranges: bounds of every signal that hold for sequences of any length and any input.

Layer by layer, three ways that all hold, and the narrowest of them:

- *interval*: the boxes of the states grow step by step until a step adds nothing (a fixed point),
  or jump to the ends of their formats where that takes too long;
- *affine*: a few steps of affine forms from within those boxes, and the same number from the
  first states, so that every step of every run is one of them;
- *l1*: for linear recurrences the sum of the impulse responses, as long as no cast clips.

Nothing here changes a format, a width or a cost: these are bounds for these weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.affine import run_steps
from rnnhw.analysis.intervals import Box, step_boxes
from rnnhw.analysis.linear_bounds import linear_bounds
from rnnhw.graph.network import (
    Last,
    Network,
    Reverse,
    Scan,
    Source,
    Steps,
    TimeNode,
    Total,
    Window,
    time_table,
)
from rnnhw.graph.nodes import Matvec, Node, State
from rnnhw.numerics.cast import real_values

__all__ = ["LayerRanges", "guaranteed_ranges"]

IntArray = NDArray[np.int64]

_PATIENCE = 300
"""Steps of interval arithmetic before what still grows jumps to the ends of its format."""

_AFFINE_STEPS = 16
"""Steps of affine forms: more tell more, and cost the square."""

_FORM_VALUES = 1 << 22
"""Coefficients that may be held at once: fewer affine steps where they would be more."""


@dataclass(frozen=True, eq=False)
class LayerRanges:
    """The box of every node of a layer, and the name of what bounds it: ``interval``, ``affine``
    or ``l1``.

    ``unclipped`` are the l1 bounds of a linear layer as if no word had an end: what its sums
    would need where a cast may clip. Empty where the layer is not linear, or does not decay.
    """

    boxes: Mapping[Node, Box]
    by: Mapping[Node, str]
    unclipped: Mapping[Node, Box] = field(default_factory=dict)


@dataclass
class _Walk:
    tensors: Mapping[str, IntArray]
    first: Mapping[str, Box]
    sequences: dict[TimeNode, Box] = field(default_factory=dict)
    layers: dict[Scan, LayerRanges] = field(default_factory=dict)


def guaranteed_ranges(
    network: Network, tensors: Mapping[str, IntArray], first: Mapping[str, Box] | None = None
) -> dict[Scan, LayerRanges]:
    """The ranges of every layer.

    Args:
        network: its input may be anything that its format holds.
        tensors: the raw integers by key.
        first: what the states named here may be before the first step; the others are what the
            design says.
    """
    walk = _Walk(tensors, first or {})
    for node in network.nodes:
        walk.sequences[node] = TIME_BOXES[type(node)](walk, node)
    return walk.layers


def _source(walk: _Walk, node: Source) -> Box:
    low, high = node.interval
    return Box(np.full(node.units, low), np.full(node.units, high))


def _unchanged(walk: _Walk, node: TimeNode) -> Box:
    return walk.sequences[node.sources[0]]


def _window(walk: _Walk, node: Window) -> Box:
    box = walk.sequences[node.sources[0]]
    return Box(np.tile(box.low, node.width), np.tile(box.high, node.width))


def _total(walk: _Walk, node: Total) -> Box:
    box, most = walk.sequences[node.sources[0]], node.max_steps
    return Box(np.minimum(box.low, box.low * most), np.maximum(box.high, box.high * most))


def _steps(walk: _Walk, node: Steps) -> Box:
    return Box(np.array([1]), np.array([node.max_steps]))


def _scan(walk: _Walk, node: Scan) -> Box:
    ranges = _Layer(node, walk).ranges()
    walk.layers[node] = ranges
    return ranges.boxes[node.graph.output]


TIME_BOXES: Mapping[type, Callable[..., Box]] = time_table(
    {
        Source: _source,
        Scan: _scan,
        Reverse: _unchanged,
        Window: _window,
        Last: _unchanged,
        Total: _total,
        Steps: _steps,
    }
)


class _Layer:
    def __init__(self, scan: Scan, walk: _Walk) -> None:
        self._graph, self._tensors = scan.graph, walk.tensors
        self._inputs = [walk.sequences[source] for source in scan.sources]
        self._matrices: dict[Matvec, IntArray] = {}
        self._first = {
            state: walk.first.get(scan.graph.state_name(state), self._start(state))
            for state, _ in scan.graph.updates
        }

    def _start(self, state: State) -> Box:
        if state.initial is None:
            return Box.point(np.zeros(state.units, np.int64))
        return Box.point(self._tensors[state.initial.key].ravel())

    def ranges(self) -> LayerRanges:
        states = self._fixed_point()
        boxes = self._step(states)
        by = dict.fromkeys(self._graph.nodes, "interval")
        if not self._graph.updates:
            return LayerRanges(boxes, by)
        narrowed = dict(boxes)
        linear = linear_bounds(self._graph, self._real(), self._inputs, self._first)
        if linear is not None and linear.holds:
            _narrow(narrowed, by, linear.boxes, "l1")
            within = {s: narrowed[new].joined(self._first[s]) for s, new in self._graph.updates}
            states = {state: states[state].within(within[state]) for state in states}
            _narrow(narrowed, by, self._step(states), "l1")
        else:
            _narrow(narrowed, by, self._affine(states), "affine")
        unclipped = linear.boxes if linear is not None else {}
        return LayerRanges(narrowed, by, unclipped)

    def _real(self) -> dict[str, NDArray[np.float64]]:
        tensors = {}
        for tensor in self._graph.tensors:
            tensors[tensor.key] = real_values(self._tensors[tensor.key], tensor.format)
        return tensors

    def _step(self, states: Mapping[State, Box]) -> dict[Node, Box]:
        return step_boxes(self._graph, self._tensors, states, self._inputs, self._matrices)

    def _fixed_point(self) -> dict[State, Box]:
        """Boxes of the states before any step: no step leads out of them."""
        states = dict(self._first)
        for turn in range(_PATIENCE + len(states) + 1):
            boxes = self._step(states)
            grown = {s: states[s].joined(boxes[new]) for s, new in self._graph.updates}
            if grown == states:
                return states
            if turn >= _PATIENCE:
                grown = {
                    state: box if box == states[state] else box.joined(Box.of(state))
                    for state, box in grown.items()
                }
            states = grown
        return states

    def _affine(self, states: Mapping[State, Box]) -> dict[Node, Box]:
        units = sum(node.units for node in self._graph.nodes)
        steps = min(_AFFINE_STEPS, int(_FORM_VALUES / max(units, 1) ** 2))
        if steps < 1:
            return {}
        run = self._graph, self._tensors, self._matrices
        ranges = run_steps(*run, states, self._inputs, steps + 1)[-1]
        for boxes in run_steps(*run, self._first, self._inputs, steps):
            ranges = {node: box.joined(boxes[node]) for node, box in ranges.items()}
        return ranges


def _narrow(
    boxes: dict[Node, Box], by: dict[Node, str], other: Mapping[Node, Box], name: str
) -> None:
    """Cut ``boxes`` by others that hold too, and note where that helps."""
    for node, box in other.items():
        cut = boxes[node].within(box)
        if cut != boxes[node]:
            boxes[node], by[node] = cut, name
