"""Reach: after how many steps the past of every unit can affect every unit of a recurrent layer.

Boolean supports run through the step graph: for every element, which elements of the states
before the step it depends on. The updates close the loop, so that the supports of the new states
are the edges of a graph over state elements; the reach is the longest of its shortest paths.
Weight values play no part: an edge is a stored weight or a wire, even where the weight is zero.

A layer with several states (a cell beside the output) is judged by the state that is its output:
paths may lead through the others, but begin and end there. A unit reaches itself in no step, and
no reach is below one, so one unit has reach 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.dataflow import (
    Add,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Select,
    State,
    StepGraph,
    Subtract,
    operation_table,
)
from rnnhw.network import Network

__all__ = ["network_reach", "step_reach"]

Support = NDArray[np.bool_]
"""[units, state elements]: whether an element depends on a state element before the step."""


@dataclass
class _Run:
    """The supports of one step; ``places`` is where each state starts among all elements."""

    elements: int
    places: Mapping[State, int]
    values: dict[Node, Support] = field(default_factory=dict)


def _independent(run: _Run, node: Node) -> Support:
    return np.zeros((node.units, run.elements), bool)


def _state(run: _Run, node: State) -> Support:
    support = _independent(run, node)
    first = run.places[node]
    support[:, first : first + node.units] = np.eye(node.units, dtype=bool)
    return support


def _matvec(run: _Run, node: Matvec) -> Support:
    vector = run.values[node.vector]
    support = _independent(run, node) if node.start is None else run.values[node.start]
    if not vector.any():
        return support
    size = node.units, node.vector.units
    connected = np.zeros(size, bool)
    for index, row in enumerate(node.structure.rows(*size)):
        connected[index, list(row.columns)] = True
    return support | _product(connected, vector)


def _elementwise(run: _Run, node: Node) -> Support:
    support = _independent(run, node)
    for operand in node.operands:
        support |= run.values[operand]
    return support


def _gather(run: _Run, node: Gather) -> Support:
    joined = np.concatenate([run.values[part] for part in node.parts])
    return joined[list(node.indices)]


STEP_SUPPORTS: Mapping[type, Callable[..., Support]] = operation_table(
    {
        Input: _independent,
        State: _state,
        Constant: _independent,
        Matvec: _matvec,
        Add: _elementwise,
        Subtract: _elementwise,
        Multiply: _elementwise,
        Select: _elementwise,
        Clamp: _elementwise,
        Gather: _gather,
        Reinterpret: _elementwise,
        Cast: _elementwise,
        Lookup: _elementwise,
    }
)


def step_reach(graph: StepGraph) -> int | None:
    """Steps until every unit can affect every unit of the layer's output state; None: never.

    Where the output is no state, all states count together.

    Raises:
        ValueError: the layer has no state.
    """
    if not graph.updates:
        raise ValueError(f"{graph.layer} has no state")
    places: dict[State, int] = {}
    elements = 0
    for state, _ in graph.updates:
        places[state] = elements
        elements += state.units
    run = _Run(elements, places)
    for node in graph.nodes:
        run.values[node] = STEP_SUPPORTS[type(node)](run, node)
    edges = np.concatenate([run.values[value] for _, value in graph.updates])
    outputs = [state for state, value in graph.updates if value is graph.output] or list(places)
    judged = np.concatenate([places[state] + np.arange(state.units) for state in outputs])
    return _longest_path(edges, judged)


def network_reach(network: Network) -> dict[str, int | None]:
    """The reach of every recurrent layer by name; layers without a state are left out."""
    return {scan.name: step_reach(scan.graph) for scan in network.scans if scan.graph.updates}


def _product(a: Support, b: Support) -> Support:
    """The boolean matrix product: float32 counts up to 2**24 terms exactly, and is fast."""
    return (a.astype(np.float32) @ b.astype(np.float32)) > 0


def _longest_path(edges: Support, judged: NDArray[np.int64]) -> int | None:
    """The least k such that paths of at most k edges join every pair of ``judged``."""
    square = np.ix_(judged, judged)
    within = edges | np.eye(len(edges), dtype=bool)
    powers = [within]  # powers[i]: at most 2**i edges
    while not powers[-1][square].all():
        longer = _product(powers[-1], powers[-1])
        if (longer == powers[-1]).all():
            return None
        powers.append(longer)
    # The largest number of edges that does not yet suffice, bit by bit.
    short, steps = np.eye(len(edges), dtype=bool), 0
    for exponent in reversed(range(len(powers) - 1)):
        longer = _product(short, powers[exponent])
        if not longer[square].all():
            short, steps = longer, steps + (1 << exponent)
    return steps + 1
