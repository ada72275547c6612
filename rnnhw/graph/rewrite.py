"""Rewriting of step graphs: one engine that applies rules until none finds anything to change.

A rule looks at a whole graph and says what takes the place of which nodes. The engine does the
rest: it puts readers on their new operands, carries the updates of states, the approximations and
the row scales along, and drops operations that nothing reads any more. A rule must end, that is
find nothing in the graph that it leaves, and must change no value of the output and the states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TypeAlias

from rnnhw.graph.nodes import Approximation, Input, Node, StepGraph

__all__ = [
    "Replace",
    "Rule",
    "ancestors",
    "apply_rules",
    "ends",
    "live",
    "read_instead",
    "rebuilt",
    "rewrite",
]

Replace: TypeAlias = Callable[[Node, Mapping[Node, Node]], Sequence[Node] | Node]
"""The replacement of a node, by the node and the replacements of all nodes before it.

A sequence of nodes takes its place, and its readers read the last of these: ``[node]`` stands for
the node on its new operands, an empty sequence drops a node that nothing reads. A single node is
one that is in the new graph already, which readers read instead.
"""

Rule: TypeAlias = Callable[[StepGraph], Replace | None]
"""How a graph is changed; None where the rule finds nothing in it."""


def apply_rules(graph: StepGraph, rules: Iterable[Rule]) -> StepGraph:
    """``graph`` after every rule in turn, each as often as it finds something to change."""
    for rule in rules:
        while (replacement := rule(graph)) is not None:
            graph = live(rewrite(graph, replacement))
    return graph


def rewrite(graph: StepGraph, replacement_of: Replace) -> StepGraph:
    """``graph`` with every node replaced, operands first.

    Every state that has a next value must be kept. An approximation of a node that is dropped is
    dropped with it.
    """
    nodes: list[Node] = []
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        replacement = replacement_of(node, new)
        if isinstance(replacement, Node):
            new[node] = replacement
            continue
        written = list(replacement)
        if written == [node]:
            written = [rebuilt(node, new)]
        nodes.extend(written)
        if written:
            new[node] = written[-1]
    return replace(
        graph,
        nodes=tuple(nodes),
        updates=tuple((state, new[value]) for state, value in graph.updates),
        output=new[graph.output],
        approximations=tuple(
            Approximation(each.function, new[each.argument], new[each.node])
            for each in graph.approximations
            if each.argument in new and each.node in new
        ),
    )


def read_instead(other: Mapping[Node, Node]) -> Replace | None:
    """Puts the readers of every key of ``other`` on its value, an earlier node; None if empty."""
    return (lambda node, new: new[other[node]] if node in other else [node]) if other else None


def rebuilt(node: Node, new: Mapping[Node, Node]) -> Node:
    """``node`` on the new operands; itself where none changed."""
    changed: dict[str, Node | tuple[Node, ...]] = {}
    for entry in fields(node):
        value = getattr(node, entry.name)
        if isinstance(value, Node):
            changed[entry.name] = new[value]
        elif isinstance(value, tuple) and value and isinstance(value[0], Node):
            changed[entry.name] = tuple(new[part] for part in value)
    if all(getattr(node, name) == value for name, value in changed.items()):
        return node
    return replace(node, **changed)  # type: ignore[arg-type]


def ancestors(*nodes: Node) -> list[Node]:
    """``nodes`` and all nodes that they depend on, operands first."""
    visited: dict[Node, None] = {}
    pending = [(node, False) for node in reversed(nodes)]
    while pending:
        node, operands_are_visited = pending.pop()
        if operands_are_visited:
            visited[node] = None
        elif node not in visited:
            pending.append((node, True))
            pending += [(operand, False) for operand in reversed(node.operands)]
    return list(visited)


def ends(graph: StepGraph) -> set[Node]:
    """The results of a step: its output and every state's next value."""
    return {graph.output, *(value for _, value in graph.updates)}


def live(graph: StepGraph, *, unread_states: bool = True) -> StepGraph:
    """``graph`` without the operations that nothing reads; its inputs stay.

    ``unread_states`` keeps the states that nothing but their next value depends on.
    """
    following = dict[Node, Node](graph.updates)
    arguments = {each.node: each.argument for each in graph.approximations}
    pending = [graph.output]
    if unread_states:
        pending += following
    read: set[Node] = set()
    while pending:
        node = pending.pop()
        if node not in read:
            read.add(node)
            pending += node.operands
            pending += [also[node] for also in (following, arguments) if node in also]
    return replace(
        graph,
        nodes=tuple(node for node in graph.nodes if node in read or isinstance(node, Input)),
        updates=tuple(update for update in graph.updates if update[0] in read),
        approximations=tuple(each for each in graph.approximations if each.node in read),
    )
