"""Transforms that follow one another over one vector, with the casts between them.

The feed of a chain has two buffers of words: a pass reads one and writes the other. The vector
lies in the first when the step begins; columns (or the post-processor) read what the last pass
wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from rnnhw.dataflow import Cast, Matvec, Node, State, unwired
from rnnhw.machine.plan import Plan

__all__ = ["Chain", "chains_of", "obstacles_of_chains"]


@dataclass(frozen=True)
class Chain:
    """``transforms`` in order over ``origin``; ``vectors[k]`` is what transform k hands on, behind
    the casts ``casts[k]``."""

    origin: Node
    transforms: tuple[Matvec, ...]
    casts: tuple[tuple[Cast, ...], ...]
    vectors: tuple[Node, ...]

    @property
    def weighted(self) -> bool:
        """Whether the lanes' multipliers do the work."""
        return self.transforms[0].weights is not None

    @property
    def element_bits(self) -> int:
        """Bits of an element of the buffers, as a signed number of any of the vectors."""
        formats = (vector.format for vector in (self.origin, *self.vectors))
        return max(format.signed_width for format in formats)

    @property
    def started(self) -> bool:
        """Whether a stage starts from a bias."""
        return any(node.start is not None for node in self.transforms)


def _handed(plan: Plan, vector: Node) -> tuple[Matvec, tuple[Cast, ...]] | None:
    """The transform whose feed makes ``vector`` with the casts behind it, first one first; None
    where other operations do, or no transform."""
    casts: list[Cast] = []
    node = unwired(vector)
    while isinstance(node, Cast):
        casts.insert(0, node)
        node = unwired(node.a)
    if isinstance(node, Matvec) and plan.is_transform(node):
        return node, tuple(casts)
    return None


def _swept(plan: Plan) -> dict[Matvec, dict[Node, list[Matvec]]]:
    """The vectors that each transform hands to products and transforms, with these."""
    found: dict[Matvec, dict[Node, list[Matvec]]] = {node: {} for node in plan.transforms}
    for product in (*plan.products, *plan.transforms):
        source = _handed(plan, product.vector)
        if source is not None:
            found[source[0]].setdefault(unwired(product.vector), []).append(product)
    return found


def chains_of(plan: Plan) -> list[Chain]:
    """The chains of a layer. A transform with several readers ends its chain."""
    swept = _swept(plan)
    onward = {node: _follower(swept, node) for node in plan.transforms}
    inner = set(onward.values())
    found = []
    for head in plan.transforms:
        if head in inner:
            continue
        transforms: list[Matvec] = []
        casts: list[tuple[Cast, ...]] = []
        vectors: list[Node] = []
        node: Matvec | None = head
        while node is not None:
            vector = next(iter(swept[node]), node)
            source = _handed(plan, vector)
            assert source is not None
            transforms.append(node)
            casts.append(source[1])
            vectors.append(vector)
            node = onward[node]
        origin = unwired(head.vector)
        found.append(Chain(origin, tuple(transforms), tuple(casts), tuple(vectors)))
    return found


def _follower(swept: dict[Matvec, dict[Node, list[Matvec]]], node: Matvec) -> Matvec | None:
    """The transform that alone reads ``node``."""
    readers = [reader for own in swept[node].values() for reader in own]
    return readers[0] if len(readers) == 1 and readers[0] in swept else None


def obstacles_of_chains(plan: Plan, by_unit: Collection[Node]) -> Iterator[tuple[str, str]]:
    """What of the chains has no Verilog; ``by_unit`` are the nodes that post-processors read."""
    signal, found = plan.graph.signal, chains_of(plan)
    swept = _swept(plan)
    for vector in {unwired(p.vector) for p in (*plan.products, *plan.transforms)}:
        if plan.in_feed(vector) and _handed(plan, vector) is None:
            yield signal(vector), "an operation other than a cast behind a transform"
    for node in plan.transforms:
        readers = [reader for own in swept[node].values() for reader in own]
        onward = [reader for reader in readers if reader in swept]
        if len(swept[node]) + (node in by_unit) > 1 or (onward and len(readers) > 1):
            yield signal(node), "a transform that is read in several ways"
        if node.weights is None and (node.start is not None or _casts_inside(node)):
            yield signal(node), "a transform onto a start, or with casts inside"
        if node.accumulator is not None and not node.accumulator.signed:
            yield signal(node), "an unsigned accumulator"
    for chain in found:
        if len({node.weights is None for node in chain.transforms}) > 1:
            yield signal(chain.origin), "stages with and without weights over one vector"
        stored = isinstance(chain.origin, State) or plan.needs_pass(chain.origin)
        if not stored and not plan.in_feed(chain.origin):
            yield signal(chain.origin), "a transform of what arrives"
        first = plan.vector_phase(chain.transforms[0].vector)
        if any(s is chain.origin and plan.phase(new) < first for s, new in plan.graph.updates):
            yield signal(chain.origin), "a state that is transformed after it is written"


def _casts_inside(node: Matvec) -> bool:
    return node.product_cast_changes or node.accumulator is not None
