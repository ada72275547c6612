"""What the float reference reads of a network: networks of equal contents have one float reference.

Word lengths are not read, so the rows of a comparison that differ in them alone have equal
contents. Where a format does enter the real numbers (the step of a constant, of a limit), the real
numbers are compared; tensors are compared as the arrays that the reference multiplies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.weights import Parameters
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
)
from rnnhw.graph.nodes import (
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
    Shift,
    State,
    StepGraph,
    Subtract,
    Tensor,
)

__all__ = ["array_contents", "reference_contents"]


def array_contents(values: NDArray[Any]) -> Hashable:
    """Equal for arrays of equal shape, type and bits."""
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    return values.shape, values.dtype.str, digest


def reference_contents(network: Network, parameters: Parameters) -> Hashable:
    """Equal for networks whose float references give equal outputs for equal inputs.

    Unequal contents say nothing: a function that was built twice is another function.
    """
    places = {node: index for index, node in enumerate(network.nodes)}
    return places[network.output], tuple(
        (
            type(node),
            node.units,
            tuple(places[source] for source in node.sources),
            _over_time(parameters, node),
        )
        for node in network.nodes
    )


def _over_time(parameters: Parameters, node: TimeNode) -> Hashable:
    match node:
        case Scan():
            return _scan(parameters, node.graph)
        case Window():
            return node.width
        case Source() | Reverse() | Last() | Total() | Steps():
            return None
        case _:  # an operation that is not known here is equal to itself alone
            return node


def _scan(parameters: Parameters, graph: StepGraph) -> Hashable:
    # The inside of an approximation changes nothing: its node is the real function.
    stand_ins, inner = graph.functions(), graph.inner_nodes()
    outer = [each for each in graph.nodes if each not in inner]
    places = {each: index for index, each in enumerate(outer)}

    def contents(each: Node) -> Hashable:
        if each in stand_ins:
            instead = stand_ins[each]
            return instead.function, each.units, places[instead.argument]
        operands = tuple(places[operand] for operand in each.operands)
        return type(each), each.units, operands, _step(parameters, each)

    updates = tuple((places[state], places[new]) for state, new in graph.updates)
    return tuple(map(contents, outer)), updates, places[graph.output]


def _step(parameters: Parameters, node: Node) -> Hashable:
    """What the meaning of a node depends on besides its operands."""
    match node:
        case Input():
            return node.position
        case Constant(tensor=Tensor() as tensor) | State(initial=Tensor() as tensor):
            return array_contents(parameters.values[tensor.key])
        case Constant():
            return tuple(value * node.format.step for value in node.values)
        case Matvec():
            stored = np.zeros(0) if node.weights is None else parameters.values[node.weights.key]
            return array_contents(node.structure.matrix(stored, node.units, node.vector.units))
        case Clamp():
            limits, step = (node.low, node.high), node.a.format.step
            return tuple(None if limit is None else limit * step for limit in limits)
        case Gather():
            return node.indices
        case Reinterpret():
            return node.a.format.fraction - node.format.fraction
        case Lookup():
            return node.table.function
        case State() | Add() | Subtract() | Multiply() | Select() | Shift() | Cast():
            return None
        case _:  # as over time
            return node
