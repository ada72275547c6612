"""Vectors that lie in memory in another order than the one in which they are written.

A result (or an element of an input) is written to its place in the order of those who read it: a
ROM gives the places one behind the other, at no cycle; where they follow one another, counting
does. A joined vector has a memory for each of the vectors that it is made of, all read together,
and a ROM that says for each of its elements in which of them it is. Nothing of this costs the
network a stored bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rnnhw.accelerator.mapping.memory import address_bits, places
from rnnhw.graph.nodes import Gather, Node, unwired

__all__ = ["Source", "address_roms", "is_repeated", "select_rom", "sources_of"]


@dataclass(frozen=True)
class Source:
    """One of the vectors that a vector is made of: ``places[i]`` is where its element i lies, None
    where nobody reads it."""

    node: Node
    places: tuple[int | None, ...]

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
    """The vectors that ``vector`` is made of, in the order of their first elements in it."""
    stored = unwired(vector)
    if not isinstance(stored, Gather):
        return (Source(stored, tuple(range(stored.units))),)
    found: dict[Node, list[int | None]] = {}
    for place, (node, index) in enumerate(places(vector)):
        found.setdefault(node, [None] * node.units)[index] = place
    return tuple(Source(node, tuple(own)) for node, own in found.items())


def is_repeated(vector: Node) -> bool:
    """Whether an element is in ``vector`` more than once."""
    found = places(vector)
    return len(set(found)) < len(found)


def address_roms(vector: Node) -> Iterator[tuple[str, Source, int]]:
    """The ROMs of places of a vector: name, what they are of, and bits of a word. The highest bit
    tells an element that has a place, where some have none."""
    if not isinstance(unwired(vector), Gather):
        return
    sources = sources_of(vector)
    for source in sources:
        if source.first is None:
            of = f" of {source.node.name}" * (len(sources) > 1)
            bits = address_bits(vector.units) + source.partly
            yield f"{vector.name} addresses{of}", source, bits


def select_rom(vector: Node) -> tuple[str, int] | None:
    """The ROM that tells which vector an element is of: name and bits of a word; None for a vector
    of one."""
    count = len(sources_of(vector)) if isinstance(unwired(vector), Gather) else 1
    return (f"{vector.name} sources", address_bits(count)) if count > 1 else None
