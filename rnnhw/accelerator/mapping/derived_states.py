"""Stores a vector that follows from states alone as a further state.

An operation between a state and the product that reads it (the first diagonal of a Hadamard
matrix) runs when the state is written: its result for the next step follows from the new value of
the state, bit for bit. The result is therefore a state too, and its first value follows from the
first values of the states that it is computed from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rnnhw.graph.elementwise import ELEMENTWISE
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
    Tensor,
    previous,
    unwired,
)
from rnnhw.graph.ranges import interval_of
from rnnhw.graph.rewrite import ancestors, live, rebuilt, rewrite
from rnnhw.numerics.cast import Interval

__all__ = ["DerivedState", "derive_states"]


@dataclass(frozen=True)
class DerivedState:
    """A new state and its meaning: ``vector`` of the network, which follows from ``states``."""

    vector: Node
    states: tuple[State, ...]

    def first_value(self, layer: str) -> StepGraph:
        """The graph whose output is the first value of the new state of ``layer``, out of the first
        values of ``states``."""
        first: dict[Node, Node] = {}
        for node in ancestors(self.vector):
            first[node] = _constant(node) if isinstance(node, State) else rebuilt(node, first)
        return StepGraph(layer, tuple(first.values()), (), first[self.vector])


def derive_states(graph: StepGraph) -> tuple[StepGraph, Mapping[State, DerivedState]]:
    """Returns ``graph`` with a state in place of every vector that follows from states alone, and
    the vector of the network that each new state stands for. Unread states are dropped."""
    vectors = _made_of_states(graph)
    if not vectors:
        return graph, {}
    kept: dict[State, DerivedState] = {}

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if node not in vectors:
            return [node]
        sources = tuple(n for n in ancestors(node) if isinstance(n, State))
        state = State(
            name=previous(node.name),
            units=node.units,
            format=node.format,
            interval=node.interval,
            role=node.role,
            initial=_first_value(node, sources),
        )
        kept[state] = DerivedState(node, sources)
        return [state]

    derived = rewrite(graph, write)
    nodes, updates = list(derived.nodes), list(derived.updates)
    following: dict[Node, Node] = dict(updates)
    for state, each in kept.items():
        updates.append((state, _next(each.vector, following, nodes)))
    whole = replace(derived, nodes=tuple(nodes), updates=tuple(updates))
    return live(whole, unread_states=False), kept


def _made_of_states(graph: StepGraph) -> list[Node]:
    """The outermost operations on states and constants alone that products read."""
    derived: dict[Node, None] = {}
    pending = [node.vector for node in graph.nodes if isinstance(node, Matvec)]
    while pending:
        node = unwired(pending.pop())
        if isinstance(node, Gather):
            pending.extend(node.parts)
        elif node.operands:
            kinds = {type(each) for each in ancestors(node)}
            if State in kinds and not kinds & {Input, Matvec}:
                derived[node] = None
    return list(derived)


def _next(vector: Node, following: dict[Node, Node], nodes: list[Node]) -> Node:
    """``vector`` of the states' next values, added to ``nodes``."""
    for node in ancestors(vector):
        if node in following:
            continue
        if isinstance(node, Constant):
            following[node] = node
            continue
        made = rebuilt(node, following)
        following[node] = made = made if made is node else replace(made, name=f"{node.name}.next")
        if made not in nodes:
            nodes.append(made)
    return following[vector]


# --- first values ------------------------------------------------------------------------------
def _first_value(vector: Node, states: tuple[State, ...]) -> Tensor | None:
    """None where the first value is zero whatever the trained numbers are."""
    if all(state.initial is None for state in states) and _first_range(vector, {}) == (0, 0):
        return None
    return Tensor(f"{vector.name}.first", (vector.units,), "state", vector.format)


def _constant(state: State) -> Constant:
    """A state's first value."""
    zeros = () if state.initial else (0,) * state.units
    return Constant(
        name=state.name,
        units=state.units,
        format=state.format,
        interval=state.interval,
        tensor=state.initial,
        values=zeros,
    )


def _first_range(node: Node, known: dict[Node, Interval]) -> Interval:
    """An interval that holds every value of ``node`` where all states are zero."""
    if node not in known:
        operands = [_first_range(operand, known) for operand in node.operands]
        known[node] = _of_operands(node, operands, known)
    return known[node]


def _of_operands(
    node: Node, operands: Sequence[Interval], known: Mapping[Node, Interval]
) -> Interval:
    match node:
        case State():
            return 0, 0
        case Gather() | Cast() if all(operand == (0, 0) for operand in operands):
            return 0, 0
        case Lookup() if operands == [(0, 0)]:
            return int(node.table.entries[0]), int(node.table.entries[0])
        case _ if type(node) in ELEMENTWISE:
            return interval_of(node, known)
        case _:
            return node.interval
