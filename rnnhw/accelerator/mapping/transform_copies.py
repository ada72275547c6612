"""One vector for each transform: a feed's buffers hold what one row of casts makes of it.

What hands on several vectors (behind different casts, or with and without one) is computed once
for each of them: equal in every bit.
"""

from __future__ import annotations

from dataclasses import replace

from rnnhw.accelerator.mapping.row_fusion import rebuilt
from rnnhw.graph.nodes import Cast, Matvec, Node, Reinterpret, StepGraph, unwired
from rnnhw.layers.structures import ButterflyStage, FastWalshHadamard, WalshHadamardStage

__all__ = ["duplicate_transforms"]


def duplicate_transforms(graph: StepGraph) -> StepGraph:
    """Returns ``graph`` with one copy of each transform per distinct vector that is read of it, so
    that every feed buffer holds the casts of one row."""
    copied: dict[Node, Matvec] = {}
    for node in graph.nodes:
        if isinstance(node, Matvec):
            vectors = sorted(_vectors_read(graph, node), key=lambda vector: vector is not node)
            copied.update(dict.fromkeys(vectors[1:], node))
    if not copied:
        return graph
    new: dict[Node, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        copies = _copy(node, copied[node], new) if node in copied else [rebuilt(node, new)]
        nodes += copies
        new[node] = copies[-1]
    updates = tuple((state, new[value]) for state, value in graph.updates)
    return StepGraph(graph.layer, tuple(nodes), updates, new[graph.output])


def _vectors_read(graph: StepGraph, transform: Matvec) -> list[Node]:
    """The vectors that operations other than casts read of a transform; none where rows on the
    lanes compute it."""
    found: dict[Node, None] = {}
    swept = True
    pending: list[Node] = [transform]
    ends = {graph.output, *(value for _, value in graph.updates)}
    while pending:
        node = pending.pop(0)
        readers = [each for each in graph.nodes if node in each.operands]
        own = [each for each in readers if not isinstance(each, Cast | Reinterpret)]
        pending += [each for each in readers if isinstance(each, Cast | Reinterpret)]
        if own or node in ends:
            found[unwired(node)] = None
        sweeps = all(
            isinstance(each, Matvec) and each.vector is node and each.start is not node
            for each in own
        )
        swept = swept and sweeps and node not in ends
    fixed = isinstance(transform.structure, FastWalshHadamard | WalshHadamardStage)
    feed = fixed or (isinstance(transform.structure, ButterflyStage) and swept)
    return list(found) if feed else []


def _copy(vector: Node, transform: Matvec, new: dict[Node, Node]) -> list[Node]:
    """A copy of ``transform`` and of all operations from it to ``vector``, in order."""
    path = [vector]
    while path[0] is not transform:
        (source,) = path[0].operands
        path.insert(0, source)
    copies: list[Node] = []
    known: dict[Node, Node] = dict(new)
    for node in path:
        copy = rebuilt(node, known)
        name = node.name if node is vector else f"{node.name}.for_{vector.name}"
        known[node] = replace(copy, name=name)
        copies.append(known[node])
    return copies
