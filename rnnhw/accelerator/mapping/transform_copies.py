"""Copies a transform that has several results, so that every copy has one.

The buffers of a feed hold the result behind one sequence of casts. Readers of a transform may stand
behind different casts, or some behind a cast and others behind none: every such vector gets a copy
of the transform, with equal bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rnnhw.graph.nodes import Cast, Matvec, Node, Reinterpret, StepGraph, unwired
from rnnhw.graph.rewrite import Replace, ends, rebuilt
from rnnhw.layers.structures import ButterflyStage, FastWalshHadamard, WalshHadamardStage

__all__ = ["duplicate_transforms"]


def duplicate_transforms(graph: StepGraph) -> Replace | None:
    """Writes one copy of each transform per distinct vector that is read of it, so that every feed
    buffer holds the casts of one row."""
    copied: dict[Node, Matvec] = {}
    for node in graph.nodes:
        if isinstance(node, Matvec):
            vectors = sorted(_vectors_read(graph, node), key=lambda vector: vector is not node)
            copied.update(dict.fromkeys(vectors[1:], node))

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        return _copy(node, copied[node], new) if node in copied else [node]

    return write if copied else None


def _vectors_read(graph: StepGraph, transform: Matvec) -> list[Node]:
    """The vectors that operations other than casts read of a transform; none where rows on the
    lanes compute it."""
    vectors: dict[Node, None] = {}
    swept = True
    pending: list[Node] = [transform]
    results = ends(graph)
    while pending:
        node = pending.pop(0)
        readers = list(dict.fromkeys(graph.readers.get(node, [])))
        non_cast_readers = [r for r in readers if not isinstance(r, Cast | Reinterpret)]
        pending += [reader for reader in readers if isinstance(reader, Cast | Reinterpret)]
        if non_cast_readers or node in results:
            vectors[unwired(node)] = None
        sweeps = all(
            isinstance(reader, Matvec) and reader.vector is node and reader.start is not node
            for reader in non_cast_readers
        )
        swept = swept and sweeps and node not in results
    fixed = isinstance(transform.structure, FastWalshHadamard | WalshHadamardStage)
    feed = fixed or (isinstance(transform.structure, ButterflyStage) and swept)
    return list(vectors) if feed else []


def _copy(vector: Node, transform: Matvec, new: Mapping[Node, Node]) -> list[Node]:
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
