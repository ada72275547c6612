"""Reach: after how many steps the past of every unit can affect every unit of a recurrent layer.

Boolean supports run through the step graph: for every element, which elements of the states
before the step it depends on. The updates close the loop, so that the supports of the new states
are the edges of a graph over state elements; the reach is the longest of its shortest paths.
Weight values play no part: an edge is a stored weight or a wire, even where the weight is zero.
Only where the weights decide which of them are stored (N:M sparsity), they are looked at.

A layer with several states (a cell beside the output) is judged by the state that is its output:
paths may lead through the others, but begin and end there. A unit reaches itself in no step, and
no reach is below one, so one unit has reach 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError
from rnnhw.graph.elementwise import ELEMENTWISE
from rnnhw.graph.matrix import Matrix, Row
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import (
    Cast,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Node,
    State,
    StepGraph,
    operation_table,
)

__all__ = ["diameter", "network_reach", "step_edges", "step_reach"]

Weights = Mapping[str, NDArray[np.int64]]
"""Raw integers of the tensors, by key."""

Support = NDArray[np.bool_]
"""[units, state elements]: whether an element depends on a state element before the step."""


@dataclass
class _Run:
    """The supports of one step; ``places`` is where each state starts among all elements."""

    weights: Weights | None
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
    connected = np.zeros(size, np.float32)
    for index, row in enumerate(_rows(run, node)):
        connected[index, list(row.columns)] = 1
    # float32 counts up to 2**24 terms exactly, and multiplies fast.
    return support | (connected @ vector.astype(np.float32) > 0)


def _rows(run: _Run, node: Matvec) -> Iterator[Row]:
    structure, size = node.structure, (node.units, node.vector.units)
    if node.weights is None or type(structure).stored_rows is Matrix.stored_rows:
        return structure.rows(*size)
    if run.weights is None:
        raise DesignError(
            f"{node.weights.key}: the reach of {structure!r} depends on which weights are kept",
            "give the design its weights",
        )
    return structure.stored_rows(run.weights[node.weights.key].ravel(), *size)


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
        **dict.fromkeys(ELEMENTWISE, _elementwise),
        Gather: _gather,
        Cast: _elementwise,
        Lookup: _elementwise,
    }
)


def _places(graph: StepGraph) -> dict[State, int]:
    """Where each state starts among the elements of all."""
    places: dict[State, int] = {}
    elements = 0
    for state, _ in graph.updates:
        places[state] = elements
        elements += state.units
    return places


def step_edges(graph: StepGraph, weights: Weights | None = None) -> Support:
    """Which elements of the states each element of the new states depends on, [to, from].

    Raises:
        DesignError: that depends on weights, and there are none.
    """
    elements = sum(state.units for state, _ in graph.updates)
    run = _Run(weights, elements, _places(graph))
    for node in graph.nodes:
        run.values[node] = STEP_SUPPORTS[type(node)](run, node)
    return np.concatenate([run.values[value] for _, value in graph.updates])


def step_reach(graph: StepGraph, weights: Weights | None = None) -> int | None:
    """Steps until every unit can affect every unit of the layer's output state; None: never.

    Where the output is no state, all states count together.

    Raises:
        ValueError: the layer has no state.
        DesignError: the reach depends on weights, and there are none.
    """
    if not graph.updates:
        raise ValueError(f"{graph.layer} has no state")
    edges = step_edges(graph, weights)
    places = _places(graph)
    outputs = [state for state, value in graph.updates if value is graph.output] or list(places)
    judged = np.concatenate([places[state] + np.arange(state.units) for state in outputs])
    return diameter(edges, judged)


def network_reach(network: Network, weights: Weights | None = None) -> dict[str, int | None]:
    """The reach of every recurrent layer by name; layers without a state are left out.

    Raises:
        DesignError: as :func:`step_reach`.
    """
    recurrent = [scan for scan in network.scans if scan.graph.updates]
    return {scan.name: step_reach(scan.graph, weights) for scan in recurrent}


def diameter(
    support: NDArray[np.bool_], among: Sequence[int] | NDArray[np.int64] | None = None
) -> int | None:
    """Most steps that any unit needs to affect any other, by the connections [to, from]; None if
    some never does. A single unit counts as one step.

    With ``among`` the paths begin and end at these units, and may lead through all.
    """
    n = len(support)
    asked = np.arange(n) if among is None else np.asarray(among)
    pairs = np.ix_(asked, asked)
    links = (support | np.eye(n, dtype=bool)).astype(np.float32)
    # Powers of links by squaring; then the least exponent that connects all, bit by bit.
    powers = [links]
    while not powers[-1][pairs].all():
        squared = np.minimum(powers[-1] @ powers[-1], 1)
        if (squared == powers[-1]).all():
            return None
        powers.append(squared)
    steps, reached = 0, np.eye(n, dtype=np.float32)
    for exponent in range(len(powers) - 2, -1, -1):
        further = np.minimum(powers[exponent] @ reached, 1)
        if not further[pairs].all():
            steps, reached = steps + (1 << exponent), further
    return steps + 1
