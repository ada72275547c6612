"""Vectors that lie in memory in another order than the one in which they are written.

A result (or an element of an input) is written to its place in the order in which it is read: a
ROM gives the places one behind the other, at no cycle; a counter does where they follow one
another. A joined vector has one memory for every vector that it joins. All are read together, and a
ROM selects the memory of an element. A vector of which an element is read several times lies in the
order of its elements, and a ROM gives the addresses to read. The network stores none of these ROMs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rnnhw.accelerator.mapping.memory import address_bits, places
from rnnhw.graph.nodes import Gather, Node, unwired

__all__ = ["Source", "address_roms", "is_repeated", "select_rom", "sources_of"]


@dataclass(frozen=True)
class Source:
    """One of the vectors that a vector joins: ``places[i]`` is where its element i lies, None where
    nobody reads it.

    Where the joined vector has an element of this one several times, ``reads`` are the addresses at
    which all elements of the joined vector are read, 0 for those of other vectors. Otherwise
    ``reads`` is empty, and an element is read at its place.
    """

    node: Node
    places: tuple[int | None, ...]
    reads: tuple[int, ...] = ()

    def words(self, units: int) -> int:
        """Words of the memory of this part of a vector of ``units``."""
        return self.node.units if self.reads else units

    @property
    def first(self) -> int | None:
        """The place of element 0 where all follow one another; else None."""
        first = self.places[0]
        if first is None or self.places != tuple(range(first, first + len(self.places))):
            return None
        return first

    @property
    def stored(self) -> int:
        """How many of its elements have a place."""
        return sum(place is not None for place in self.places)

    @property
    def partly(self) -> bool:
        """Whether some of its elements have no place."""
        return None in self.places


def sources_of(vector: Node) -> tuple[Source, ...]:
    """The vectors that ``vector`` joins, in the order of their first elements in it."""
    stored = unwired(vector)
    if not isinstance(stored, Gather):
        return (Source(stored, tuple(range(stored.units))),)
    places_by_node: dict[Node, list[int | None]] = {}
    elements = places(vector)
    for place, (node, index) in enumerate(elements):
        places_by_node.setdefault(node, [None] * node.units)[index] = place
    return tuple(_source(node, at, elements) for node, at in places_by_node.items())


def _source(node: Node, at: list[int | None], elements: tuple[tuple[Node, int], ...]) -> Source:
    """The part of ``elements`` that is of ``node``, whose elements lie at the places ``at``."""
    count = sum(source is node for source, _ in elements)
    if count == sum(place is not None for place in at):
        return Source(node, tuple(at))
    reads = tuple(index if source is node else 0 for source, index in elements)
    return Source(node, tuple(range(node.units)), reads)


def is_repeated(vector: Node) -> bool:
    """Whether an element is in ``vector`` more than once."""
    elements = places(vector)
    return len(set(elements)) < len(elements)


def address_roms(vector: Node) -> Iterator[tuple[str, Source, int]]:
    """The ROMs of places of a vector, or of what is read: name, what they are of, and bits of a
    word. The highest bit tells an element that has a place, where some have none."""
    if not isinstance(unwired(vector), Gather):
        return
    sources = sources_of(vector)
    for source in sources:
        of = f" of {source.node.name}" * (len(sources) > 1)
        if source.reads:
            yield f"{vector.name} addresses{of}", source, address_bits(source.node.units)
        elif source.first is None:
            bits = address_bits(vector.units) + source.partly
            yield f"{vector.name} addresses{of}", source, bits


def select_rom(vector: Node) -> tuple[str, int] | None:
    """The ROM that tells which vector an element is of: name and bits of a word; None for a vector
    of one."""
    count = len(sources_of(vector)) if isinstance(unwired(vector), Gather) else 1
    return (f"{vector.name} sources", address_bits(count)) if count > 1 else None
