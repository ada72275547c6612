"""One memory of a layer, and what the network stores in it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

from rnnhw.graph.nodes import Constant, Gather, Node, unwired
from rnnhw.graph.rewrite import ancestors

__all__ = [
    "Held",
    "Memory",
    "MemoryKind",
    "address_bits",
    "places",
    "settled",
    "stored_vectors",
    "tensors_behind",
]


class MemoryKind(Enum):
    """What a memory holds."""

    WEIGHTS = "weights"
    BIASES = "biases"
    TABLES = "tables"  # of functions, and of addresses
    STATE = "state"
    VECTORS = "vectors"  # inputs and intermediate vectors

    @property
    def rom(self) -> bool:
        """Whether the contents never change: these are asked to be block RAM by attribute."""
        return self in (MemoryKind.WEIGHTS, MemoryKind.BIASES, MemoryKind.TABLES)


@dataclass(frozen=True)
class Memory:
    """One ROM or RAM of ``depth`` words of ``width`` bits, or several alike.

    ``rewritten``: a word may be read in the cycle in which it is written, and what it held before
    is wanted then.
    """

    name: str
    kind: MemoryKind
    depth: int
    width: int
    stored_bits: int = 0
    copies: int = 1
    rewritten: bool = False

    @property
    def padded_bits(self) -> int:
        """Bits of the memory, or of all alike."""
        return self.copies * self.depth * self.width


@dataclass(frozen=True)
class Held:
    """A memory and those numbers of the network that it holds, in whatever form: by what they
    are, with the bits that the network stores of them."""

    memory: Memory
    holds: tuple[tuple[Hashable, int], ...] = ()


def settled(held: Iterable[Held]) -> tuple[Memory, ...]:
    """The memories with their stored bits: everything is stored once, in the first of them. Later
    ones of one name are numbered."""
    seen: set[Hashable] = set()
    named: dict[str, int] = {}
    found = []
    for each in held:
        new = {what: bits for what, bits in each.holds if what not in seen}
        seen.update(new)
        name = each.memory.name
        number = named[name] = named.get(name, 0) + 1
        own = f"{name} {number}" if number > 1 else name
        found.append(replace(each.memory, name=own, stored_bits=sum(new.values())))
    return tuple(found)


def address_bits(words: int) -> int:
    """Bits of an address of ``words`` words."""
    return max((words - 1).bit_length(), 1)


def tensors_behind(node: Node) -> tuple[tuple[Hashable, int], ...]:
    """The trained vectors that a constant is made from, with their bits."""
    return tuple(
        (each.tensor.key, each.units * each.format.width)
        for each in ancestors(node)
        if isinstance(each, Constant) and each.tensor is not None
    )


def stored_vectors(vector: Node) -> list[Node]:
    """The stored vectors behind a permutation, each once."""
    vector = unwired(vector)
    if not isinstance(vector, Gather):
        return [vector]
    return list(dict.fromkeys(node for node, _ in places(vector)))


def places(vector: Node) -> tuple[tuple[Node, int], ...]:
    """For each element of ``vector`` the stored vector that holds it, and its index there."""
    vector = unwired(vector)
    if isinstance(vector, Gather):
        joined = [place for part in vector.parts for place in places(part)]
        return tuple(joined[index] for index in vector.indices)
    return tuple((vector, index) for index in range(vector.units))
