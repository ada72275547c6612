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
    "MemoryRole",
    "address_bits",
    "constant_role",
    "places",
    "settled",
    "stored_vectors",
    "tensors_behind",
]


class MemoryKind(Enum):
    """The kind of a memory's contents."""

    WEIGHTS = "weights"
    BIASES = "biases"
    TABLES = "tables"  # of functions, and of addresses
    STATE = "state"
    VECTORS = "vectors"  # inputs and intermediate vectors

    @property
    def rom(self) -> bool:
        """Whether the contents never change: these are asked to be block RAM by attribute."""
        return self in (MemoryKind.WEIGHTS, MemoryKind.BIASES, MemoryKind.TABLES)


class MemoryRole(Enum):
    """The purpose of a memory in its layer. Decisions about a memory read its role, or its kind.

    ``holds`` says it in words; ``kind`` is the kind of all memories of the role.
    """

    WEIGHTS = "wide words with a weight for every lane", MemoryKind.WEIGHTS
    WEIGHT_BUFFER = "groups of streamed weight words", MemoryKind.WEIGHTS
    DIAGONALS = "weights that move past the lanes, one a word", MemoryKind.WEIGHTS
    STAGE_WEIGHTS = "weights of butterfly stages in the feed", MemoryKind.WEIGHTS
    CONSTANT = "a trained vector that is read unit by unit or joined to others", MemoryKind.WEIGHTS
    CONSTANT_BIASES = "biases that are read unit by unit or joined to others", MemoryKind.BIASES
    WIRED = "a trained number that is wired: one for all units", MemoryKind.WEIGHTS
    WIRED_BIAS = "a bias that is wired: one for all units", MemoryKind.BIASES
    INITIAL_STATE = "the first value of a state", MemoryKind.WEIGHTS
    BIASES = "what the rows start from", MemoryKind.BIASES
    INPUT_BIASES = "what the rows of an input's own sum start from", MemoryKind.BIASES
    STAGE_BIASES = "what butterfly stages in the feed start from", MemoryKind.BIASES
    TABLE = "a function, or those of several gates", MemoryKind.TABLES
    PLACES = "the address of each element that is written", MemoryKind.TABLES
    ADDRESSES = "the address of each element that is read", MemoryKind.TABLES
    SOURCES = "which part of a joined vector an element is of", MemoryKind.TABLES
    STATE = "a state behind columns", MemoryKind.STATE
    STATE_BY_UNIT = "a further copy of a state, read unit by unit", MemoryKind.STATE
    STATE_TRANSFORM = "a state and the passes of its transform", MemoryKind.STATE
    TOTAL = "a sum over time", MemoryKind.STATE
    INPUT = "an input behind columns", MemoryKind.VECTORS
    INPUT_BY_UNIT = "an input that is read unit by unit", MemoryKind.VECTORS
    INPUT_ARRIVAL = "an input that waits for its transform", MemoryKind.VECTORS
    WINDOW_BUFFER = "the last steps of an input behind a window", MemoryKind.VECTORS
    INNER = "a vector that a phase forms for the columns of a later one", MemoryKind.VECTORS
    INNER_BY_UNIT = "a result that a later phase reads unit by unit", MemoryKind.VECTORS
    VECTOR_TRANSFORM = "the passes of the transform of a vector", MemoryKind.VECTORS
    TRANSFORM_RESULT = "a transformed vector for a further reader", MemoryKind.VECTORS

    def __init__(self, holds: str, kind: MemoryKind) -> None:
        self.holds = holds
        self.kind = kind


@dataclass(frozen=True)
class Memory:
    """One ROM or RAM of ``depth`` words of ``width`` bits, or several alike.

    ``name`` is for display alone. ``input_position`` is that of the input whose elements lie behind
    columns, or wait for a transform. ``rewritten``: a word may be read in the cycle in which it is
    written, and what it held before is wanted then. ``tables`` are the functions' tables in it, by
    contents, with their bits.

    ``reads`` and ``writes`` are the words that the ports of all copies read and write in a step of
    the layer; ``arrivals`` those that they write for each vector that arrives in front of a window,
    whether a step follows or not. What counts as a read: :mod:`rnnhw.accelerator.mapping.traffic`.
    """

    name: str
    role: MemoryRole
    depth: int
    width: int
    stored_bits: int = 0
    copies: int = 1
    rewritten: bool = False
    input_position: int | None = None
    tables: tuple[tuple[Hashable, int], ...] = ()
    reads: int = 0
    writes: int = 0
    arrivals: int = 0

    @property
    def kind(self) -> MemoryKind:
        """The kind of contents that all memories of this role hold."""
        return self.role.kind

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
    ones of one name are numbered. A word that stands for two, as for two biases of one row, or
    that lacks bits which cannot matter, stores no more than it has."""
    seen: set[Hashable] = set()
    named: dict[str, int] = {}
    memories = []
    for each in held:
        new = {what: bits for what, bits in each.holds if what not in seen}
        seen.update(new)
        name = each.memory.name
        number = named[name] = named.get(name, 0) + 1
        memory_name = f"{name} {number}" if number > 1 else name
        stored = min(sum(new.values()), each.memory.padded_bits)
        memories.append(replace(each.memory, name=memory_name, stored_bits=stored))
    return tuple(memories)


def address_bits(words: int) -> int:
    """Bits of an address of ``words`` words."""
    return max((words - 1).bit_length(), 1)


def tensors_behind(node: Node) -> tuple[tuple[Hashable, int], ...]:
    """The trained vectors that a constant is computed from, with their bits."""
    return tuple(
        (each.tensor.key, each.units * each.format.width)
        for each in ancestors(node)
        if isinstance(each, Constant) and each.tensor is not None
    )


def constant_role(node: Node, *, wired: bool = False) -> MemoryRole:
    """The role of a memory of a constant: that of biases where nothing else is behind it. One that
    is ``wired`` is none in the Verilog."""
    roles = {
        each.tensor.role
        for each in ancestors(node)
        if isinstance(each, Constant) and each.tensor is not None
    }
    if wired:
        return MemoryRole.WIRED_BIAS if roles == {"bias"} else MemoryRole.WIRED
    return MemoryRole.CONSTANT_BIASES if roles == {"bias"} else MemoryRole.CONSTANT


def stored_vectors(vector: Node) -> list[Node]:
    """The stored vectors behind a permutation, without repetitions."""
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
