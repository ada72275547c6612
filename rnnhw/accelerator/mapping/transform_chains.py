"""Transforms that follow one another over one vector, with the casts between them.

The feed of a chain has two buffers of words: a pass reads one and writes the other. The vector
lies in the first buffer when the step begins. A vector that arrives at any time, or that another
chain computes, lies in a further memory. Columns, post-processors or other chains read the result
of the last pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rnnhw.accelerator.mapping.rows import LayerRows
from rnnhw.graph.nodes import Cast, Input, Matvec, Node, State, unwired
from rnnhw.layers.structures import FastWalshHadamard

__all__ = ["Chain", "chains_of", "obstacles_of_chains"]


@dataclass(frozen=True)
class Chain:
    """``transforms`` in order over ``origin``; ``made`` tells that another chain computes
    ``origin``. ``vectors[k]`` is the result of transform k behind the casts ``casts[k]``."""

    origin: Node
    made: bool
    transforms: tuple[Matvec, ...]
    casts: tuple[tuple[Cast, ...], ...]
    vectors: tuple[Node, ...]

    @property
    def weighted(self) -> tuple[Matvec, ...]:
        """The transforms that the lanes' multipliers do."""
        return tuple(node for node in self.transforms if node.weights is not None)

    @property
    def mixed(self) -> bool:
        """Whether other transforms are among them."""
        return 0 < len(self.weighted) < len(self.transforms)

    @property
    def elsewhere(self) -> bool:
        """Whether the vector lies in no buffer when the step begins."""
        return self.made or isinstance(self.origin, Input)

    @property
    def element_bits(self) -> int:
        """Bits of an element of the buffers, as a signed number of any of the vectors, or of what
        lies between the stages of a whole transform: a bit less than its exact result."""
        vectors = [vector.format.signed_width for vector in (self.origin, *self.vectors)]
        whole = [n for n in self.transforms if isinstance(n.structure, FastWalshHadamard)]
        return max(*vectors, *(node.format.signed_width - 1 for node in whole))

    @property
    def operand_bits(self) -> int:
        """Bits of the widest element that the lanes multiply, as a signed number; 0 without."""
        return max((node.vector.format.signed_width for node in self.weighted), default=0)

    @property
    def started(self) -> bool:
        """Whether a stage starts from a bias."""
        return any(node.start is not None for node in self.transforms)


def _feed_of(layer: LayerRows, vector: Node) -> tuple[Matvec, tuple[Cast, ...]] | None:
    """The transform whose result ``vector`` is, and the casts between them in order; None where it
    is the result of another operation."""
    casts: list[Cast] = []
    node = unwired(vector)
    while isinstance(node, Cast):
        casts.insert(0, node)
        node = unwired(node.a)
    if isinstance(node, Matvec) and layer.is_transform(node):
        return node, tuple(casts)
    return None


def _readers(layer: LayerRows) -> dict[Matvec, tuple[Node, list[Matvec]]]:
    """For each transform, the vector behind its casts and the products and transforms that read
    it. Post-processors may read it too."""
    readers_of: dict[Matvec, tuple[Node, list[Matvec]]] = {
        node: (node, []) for node in layer.transforms
    }
    for vector in layer.fed_by_unit:
        source = _feed_of(layer, vector)
        assert source is not None
        readers_of[source[0]] = vector, []
    for product in (*layer.products, *layer.transforms):
        source = _feed_of(layer, product.vector)
        if source is not None:
            _, readers = readers_of[source[0]]
            readers_of[source[0]] = unwired(product.vector), [*readers, product]
    return readers_of


def chains_of(layer: LayerRows) -> list[Chain]:
    """The chains of a layer. A transform with several readers ends its chain."""
    read = _readers(layer)
    onward = {node: _follower(layer, read, node) for node in layer.transforms}
    inner = set(onward.values())
    chains = []
    for head in layer.transforms:
        if head in inner:
            continue
        transforms: list[Matvec] = []
        casts: list[tuple[Cast, ...]] = []
        vectors: list[Node] = []
        node: Matvec | None = head
        while node is not None:
            vector, _ = read[node]
            source = _feed_of(layer, vector)
            assert source is not None
            transforms.append(node)
            casts.append(source[1])
            vectors.append(vector)
            node = onward[node]
        origin = unwired(head.vector)
        made = layer.in_feed(origin)
        chains.append(Chain(origin, made, tuple(transforms), tuple(casts), tuple(vectors)))
    return chains


def _follower(
    layer: LayerRows, read: dict[Matvec, tuple[Node, list[Matvec]]], node: Matvec
) -> Matvec | None:
    """The transform that is the only reader of ``node``; None where there is no such one."""
    vector, readers = read[node]
    alone = len(readers) == 1 and vector not in layer.fed_by_unit
    return readers[0] if alone and readers[0] in read else None


def obstacles_of_chains(layer: LayerRows) -> Iterator[tuple[str, str]]:
    """Obstacles to emitting the chains: the signal, and the part without Verilog in words."""
    for chain in chains_of(layer):
        stored = isinstance(chain.origin, Input | State) or layer.needs_pass(chain.origin)
        if not stored and not chain.made:
            yield layer.graph.signal(chain.origin), "a transform of a permuted or joined vector"
