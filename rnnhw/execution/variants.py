"""Networks that differ in formats and numbers alone: what they have in common, and what is theirs.

A plan of several such networks makes every decision once, by what holds of all of them, and keeps
the constants of each.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from rnnhw.design.weights import Parameters
from rnnhw.execution.bounds import bounds_of
from rnnhw.execution.products import Product
from rnnhw.graph.network import Network, Scan, TimeNode
from rnnhw.graph.nodes import Clamp, Constant, Gather, Input, Matvec, Node, State, StepGraph

__all__ = [
    "PlansDifferError",
    "Variant",
    "Varied",
    "agreed",
    "always_zero",
    "same_structure",
    "structure_of",
    "varied",
]

SomeNode = TypeVar("SomeNode", bound=Node)
Value = TypeVar("Value")


class PlansDifferError(Exception):
    """Networks of one structure need instructions of different kinds."""


class Varied(int):
    """A constant of an instruction that is not the same in all networks of a plan: the number of
    the first network, and those of all as ``values``."""

    values: tuple[int, ...]

    def __new__(cls, values: Sequence[int]) -> Varied:
        """The constants of the networks, in their order."""
        constant = super().__new__(cls, values[0])
        constant.values = tuple(values)
        return constant


def varied(values: Iterable[int]) -> int:
    """One constant of an instruction, by the numbers of all networks."""
    all_values = tuple(values)
    return all_values[0] if len(set(all_values)) == 1 else Varied(all_values)


def always_zero(constant: int) -> bool:
    """Whether a constant of an instruction is 0 in all networks."""
    return not any(constant.values if isinstance(constant, Varied) else (constant,))


def agreed(values: Iterable[Value]) -> Value:
    """What holds of all networks.

    Raises:
        PlansDifferError: it is not the same for all.
    """
    first, *others = values
    if any(other != first for other in others):
        raise PlansDifferError
    return first


class Variant:
    """A layer of one of the networks: its nodes in the place of those of the first network, its
    integers, and what is proved of them."""

    def __init__(self, scan: Scan, parameters: Parameters, first: Variant | None = None) -> None:
        self.scan = scan
        self.graph = scan.graph
        self.raw = parameters.raw
        known = None if first is None else {of.name: each for of, each in first.products.items()}
        self.bounds, products = bounds_of(self.graph, self.raw, known)
        self.products: dict[Matvec, Product] = products
        places = self.graph if first is None else first.graph
        self._own = dict(zip(places.nodes, self.graph.nodes, strict=True))

    def own(self, node: SomeNode) -> SomeNode:
        """The node of this network in the place of a node of the first one."""
        own = self._own[node]
        assert isinstance(own, type(node))
        return own


def same_structure(networks: Sequence[Network]) -> bool:
    """Whether networks are equal but for formats, intervals, tables and integers."""
    return len({structure_of(network) for network in networks}) == 1


def structure_of(network: Network) -> Hashable:
    """What networks have in common that are equal but for formats, intervals, tables and
    integers."""
    places = {node: place for place, node in enumerate(network.nodes)}
    nodes = tuple(_time_node(node, places) for node in network.nodes)
    return nodes, tuple(places[node] for node in network.outputs)


def _time_node(node: TimeNode, places: dict[TimeNode, int]) -> tuple[object, ...]:
    sources = tuple(places[source] for source in node.sources)
    width = getattr(node, "width", None)
    graph = _step_graph(node.graph) if isinstance(node, Scan) else ()
    return type(node), node.name, node.units, width, sources, graph


def _step_graph(graph: StepGraph) -> tuple[object, ...]:
    places = {node: place for place, node in enumerate(graph.nodes)}
    nodes = tuple(
        (
            type(node),
            node.name,
            node.role,
            node.units,
            tuple(places[operand] for operand in node.operands),
            _detail(node),
        )
        for node in graph.nodes
    )
    updates = tuple((places[state], places[value]) for state, value in graph.updates)
    return nodes, updates, places[graph.output]


def _detail(node: Node) -> tuple[object, ...]:
    """What else a node is, besides its operands."""
    match node:
        case Input():
            return (node.position,)
        case State():
            return (node.initial and node.initial.key, node.first)
        case Constant():
            return (node.tensor and node.tensor.key,)
        case Matvec():
            kinds = node.product is None, node.accumulator is None
            return (node.structure, node.weights and node.weights.key, *kinds)
        case Clamp():
            return (node.low is None, node.high is None)
        case Gather():
            return node.indices
        case _:
            return ()
