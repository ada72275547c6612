"""Rewriting of step graphs: one engine that applies a rule to every node in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TypeAlias

from rnnhw.graph.nodes import Input, Node, StepGraph

__all__ = ["Rule", "ancestors", "ends", "live", "rebuilt", "rewrite"]

Rule: TypeAlias = Callable[[Node, Mapping[Node, Node]], Sequence[Node] | Node]
"""What stands in place of a node, by the node and the replacements of all nodes before it.

A sequence of nodes takes its place, and its readers read the last of these: ``[node]`` stands for
the node on its new operands, an empty sequence drops a node that nothing reads. A single node is
one that is in the new graph already, which readers read instead.
"""


def rewrite(graph: StepGraph, rule: Rule) -> StepGraph:
    """``graph`` with ``rule`` applied to every node, operands first.

    The rule must keep every state that has a next value.
    """
    nodes: list[Node] = []
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        replacement = rule(node, new)
        if isinstance(replacement, Node):
            new[node] = replacement
            continue
        written = list(replacement)
        if written == [node]:
            written = [rebuilt(node, new)]
        nodes.extend(written)
        if written:
            new[node] = written[-1]
    updates = tuple((state, new[value]) for state, value in graph.updates)
    return StepGraph(graph.layer, tuple(nodes), updates, new[graph.output])


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


def ancestors(node: Node) -> list[Node]:
    """``node`` and all that it is made from, operands first."""
    visited: dict[Node, None] = {}

    def visit(reader: Node) -> None:
        for operand in reader.operands:
            if operand not in visited:
                visit(operand)
        visited[reader] = None

    visit(node)
    return list(visited)


def ends(graph: StepGraph) -> set[Node]:
    """What a step delivers: its output and every state's next value."""
    return {graph.output, *(value for _, value in graph.updates)}


def live(graph: StepGraph) -> StepGraph:
    """``graph`` without the operations that nothing reads; inputs and states stay."""
    read = ends(graph) | {state for state, _ in graph.updates}
    for node in reversed(graph.nodes):
        if node in read:
            read.update(node.operands)
    nodes = tuple(node for node in graph.nodes if node in read or isinstance(node, Input))
    return replace(graph, nodes=nodes)
