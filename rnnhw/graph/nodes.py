"""The step graph: one timestep of a layer over a closed set of integer operations.

A cell writes its equations once, on a :class:`StepBuilder`; every interpreter (golden, engine,
reference, counts, machine) reads the same :class:`StepGraph`. All operations act on vectors of
raw integers; every result is exact except a :class:`Cast`'s (and a :class:`Matvec`'s with a
``product`` or ``accumulator`` format, which casts inside). Formats of exact results follow from
integer intervals of the operands' formats, never from weight values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.graph.matrix import Matrix
from rnnhw.numerics.cast import Interval, Overflow, Q
from rnnhw.numerics.tables import Table

__all__ = [
    "LINEAR",
    "MOST_SHIFT",
    "OPERATIONS",
    "Add",
    "Approximation",
    "Cast",
    "Clamp",
    "Constant",
    "Gather",
    "Input",
    "Lookup",
    "Matvec",
    "Multiply",
    "Node",
    "Reinterpret",
    "RowScale",
    "Select",
    "Shift",
    "State",
    "StepGraph",
    "Subtract",
    "Tensor",
    "operation_table",
    "previous",
    "unwired",
]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Numbers from the weights file: ``key`` in it, its shape, and the format they are cast to.

    ``role`` says which of the format roles it has: ``weight``, ``recurrent_weight``, ``bias`` or
    ``state`` (an initial state).
    """

    key: str
    shape: tuple[int, ...]
    role: str
    format: Q


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """The result of one operation: ``units`` raw integers of ``format``.

    ``interval`` bounds the raw integers; ``role`` is the format role of the signal (empty for an
    exact result); ``name`` is unique in the layer.
    """

    name: str
    units: int
    format: Q
    interval: Interval
    role: str = ""

    @property
    def vector_name(self) -> str:
        """The name of the vector, which a state shares with the value that it has next."""
        return self.name.removesuffix(_PREVIOUS)

    @cached_property
    def operands(self) -> tuple[Node, ...]:
        """The nodes that this one reads, in order."""
        operands: list[Node] = []
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Node):
                operands.append(value)
            elif isinstance(value, tuple) and value and isinstance(value[0], Node):
                operands.extend(value)
        return tuple(operands)


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Node):
    """A vector from outside, new at every step: source number ``position`` of the layer."""

    position: int


@dataclass(frozen=True, eq=False, kw_only=True)
class State(Node):
    """A vector kept from the step before; ``initial`` (None is zero) holds its first value.

    ``first`` is the key under which data may give another first value (``rnn.h0``).
    """

    initial: Tensor | None
    first: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Constant(Node):
    """A vector that never changes: a tensor of the weights file, or literal raw integers.

    ``underflows`` of the literals stand for numbers that are not zero.
    """

    tensor: Tensor | None
    values: tuple[int, ...] = ()
    underflows: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Matvec(Node):
    """``start + structure(weights) @ vector``, terms added in the order of the structure's rows
    (ascending columns but for a cyclic band).

    Without formats the sum is exact. ``product`` casts every product; ``accumulator`` casts the
    start first and then after every add.
    """

    structure: Matrix
    weights: Tensor | None
    vector: Node
    start: Node | None
    product: Q | None
    accumulator: Q | None

    @property
    def product_format(self) -> tuple[int, Interval]:
        """Fraction bits and raw interval of one product, cast to ``product`` if there is one."""
        if self.product is not None:
            return self.product.fraction, (self.product.lowest, self.product.max)
        return _product(self.weights.format if self.weights else None, self.vector)

    @property
    def product_cast_changes(self) -> bool:
        """Whether the cast to ``product`` can change a product."""
        if self.product is None:
            return False
        weight = self.weights.format if self.weights else None
        return not _unchanged(*_product(weight, self.vector), self.product)

    @property
    def start_cast_changes(self) -> bool:
        """Whether the cast of the start to ``accumulator`` can change it."""
        if self.start is None or self.accumulator is None:
            return False
        return not _unchanged(self.start.format.fraction, self.start.interval, self.accumulator)

    @property
    def order_free(self) -> bool:
        """Whether the terms may be added in any order without changing one bit of the result.

        Without an accumulator, or with one that wraps: casting after every add is then the exact
        sum of the separately rounded products modulo the word, unless the accumulator drops bits
        of a product under a rounding that looks at the sum.
        """
        if self.accumulator is None:
            return True
        if self.accumulator.overflow is not Overflow.WRAP:
            return False
        drops = self.product_format[0] > self.accumulator.fraction
        return not drops or self.accumulator.rounding.shift_invariant


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Node):
    """``a + b``, element by element."""

    a: Node
    b: Node


@dataclass(frozen=True, eq=False, kw_only=True)
class Subtract(Node):
    """``a - b``, element by element."""

    a: Node
    b: Node


@dataclass(frozen=True, eq=False, kw_only=True)
class Multiply(Node):
    """``a * b``, element by element."""

    a: Node
    b: Node


@dataclass(frozen=True, eq=False, kw_only=True)
class Select(Node):
    """``a`` where ``s >= 0``, else ``b``."""

    s: Node
    a: Node
    b: Node


@dataclass(frozen=True, eq=False, kw_only=True)
class Shift(Node):
    """``a * 2**by``, element by element: a shift to the left by what ``by`` says for each unit.

    ``by`` is constant: a :class:`Constant` or elements of one, whole numbers of 0 to
    :data:`MOST_SHIFT`.
    """

    a: Node
    by: Node


@dataclass(frozen=True, eq=False, kw_only=True)
class Clamp(Node):
    """``a`` limited to ``low..high``, raw integers of the operand's scale; None: no limit."""

    a: Node
    low: int | None
    high: int | None

    @property
    def limits(self) -> Interval:
        """The two limits; where there is none, the end of the operand's range."""
        low, high = self.a.interval
        return low if self.low is None else self.low, high if self.high is None else self.high


@dataclass(frozen=True, eq=False, kw_only=True)
class Gather(Node):
    """Element ``indices[i]`` of the concatenated ``parts``: wiring, no hardware."""

    parts: tuple[Node, ...]
    indices: tuple[int, ...]

    @property
    def origins(self) -> tuple[Node, ...]:
        """For each element the node that holds it, behind all wiring."""
        elements: list[Node] = []
        for part in self.parts:
            behind = unwired(part)
            elements += behind.origins if isinstance(behind, Gather) else [behind] * part.units
        return tuple(elements[index] for index in self.indices)

    @property
    def in_order(self) -> bool:
        """Whether it reads neighbours in order, or one element for all: nothing has to list the
        indices."""
        first, count = self.indices[0], len(self.indices)
        return self.indices in (tuple(range(first, first + count)), (first,) * count)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reinterpret(Node):
    """The same raw integers under another scale."""

    a: Node


@dataclass(frozen=True, eq=False, kw_only=True)
class Cast(Node):
    """``a`` rounded and fitted into ``format``: the one operation that loses information."""

    a: Node

    @property
    def changes_nothing(self) -> bool:
        """Whether every possible operand passes unchanged (same scale, range covered)."""
        return _unchanged(self.a.format.fraction, self.a.interval, self.format)


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Node):
    """Entry ``a`` of a table."""

    a: Node
    table: Table


OPERATIONS: tuple[type[Node], ...] = (
    Input,
    State,
    Constant,
    Matvec,
    Add,
    Subtract,
    Multiply,
    Select,
    Shift,
    Clamp,
    Gather,
    Reinterpret,
    Cast,
    Lookup,
)
"""The closed set."""

LINEAR = (Input, State, Constant, Matvec, Add, Subtract, Multiply, Shift, Gather, Reinterpret)
"""Operations that scale with their operands: no limit, sign, table or rounding acts in them."""

MOST_SHIFT = 31
"""The longest :class:`Shift`: one more moves every bit out of the engine's words of 32 bits."""

Meaning = TypeVar("Meaning")

_PREVIOUS = ".previous"
"""The ending of a state's name: it is the vector of the step before."""


def previous(name: str) -> str:
    """The name of the state that keeps the vector ``name`` for the next step."""
    return name + _PREVIOUS


def operation_table(table: Mapping[type, Meaning]) -> Mapping[type, Meaning]:
    """``table`` itself, if it gives every operation a meaning.

    Every interpreter passes its table through here when it is imported, so a new operation
    cannot be forgotten anywhere.

    Raises:
        TypeError: an operation is missing or one too many is there.
    """
    missing = [op.__name__ for op in OPERATIONS if op not in table]
    surplus = [op.__name__ for op in table if op not in OPERATIONS]
    if missing or surplus:
        raise TypeError(f"operation table: missing {missing}, unknown {surplus}")
    return table


@dataclass(frozen=True, eq=False)
class Approximation:
    """``node`` stands for the real function ``function`` of the values of ``argument``."""

    function: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    argument: Node
    node: Node


@dataclass(frozen=True, eq=False)
class RowScale:
    """Elements of a tensor that are stored divided by a scale of their row.

    Element ``positions[k]`` (flat) of the tensor ``key`` stands for what is stored times the scale
    of row ``rows[k]``: ``2**e`` where the tensor ``of_rows`` holds exponents e, itself where it
    holds multipliers. ``chosen_by`` tells whether these elements choose the scales where the
    weights file does not give them: weights do, a bias follows.
    """

    key: str
    of_rows: str
    positions: NDArray[np.int64]
    rows: NDArray[np.int64]
    chosen_by: bool


@dataclass(frozen=True, eq=False)
class StepGraph:
    """One timestep of a layer: nodes in an order in which operands come first.

    ``updates`` pairs each state with the node whose value it has at the next step.
    ``approximations`` are read by the float reference alone; ``scales`` say how its tensors follow
    from the numbers of the weights file.
    """

    layer: str
    nodes: tuple[Node, ...]
    updates: tuple[tuple[State, Node], ...]
    output: Node
    approximations: tuple[Approximation, ...] = ()
    scales: tuple[RowScale, ...] = ()

    def functions(self) -> dict[Node, Approximation]:
        """What every node stands for that stands for a real function."""
        return {each.node: each for each in self.approximations}

    def inner_nodes(self) -> frozenset[Node]:
        """The nodes that nothing reads but the insides of approximations."""
        if not self.approximations:
            return frozenset()
        ends = {each.node for each in self.approximations}
        outside = {self.output, *(value for _, value in self.updates)} | ends
        outside |= {each.argument for each in self.approximations}
        inner: set[Node] = set()
        for node in reversed(self.nodes):
            readers = [reader for reader in self.nodes if node in reader.operands]
            free = isinstance(node, Input | State) or node in outside or not readers
            if not free and all(reader in ends or reader in inner for reader in readers):
                inner.add(node)
        return frozenset(inner)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors that the graph reads, in order of first use, without repetitions."""
        tensors: dict[str, Tensor] = {}
        for node in self.nodes:
            for tensor in node_tensors(node):
                tensors.setdefault(tensor.key, tensor)
        return tuple(tensors.values())

    @cached_property
    def readers(self) -> Mapping[Node, list[Node]]:
        """The nodes that read each node, once for every operand that it is."""
        readers: dict[Node, list[Node]] = {}
        for node in self.nodes:
            for operand in node.operands:
                readers.setdefault(operand, []).append(node)
        return readers

    def signal(self, node: Node) -> str:
        """The full name of a node: layer, dot, name."""
        return f"{self.layer}.{node.name}"

    def state_name(self, state: Node) -> str:
        """The name of a state vector without its step: ``rnn.state``."""
        return f"{self.layer}.{state.vector_name}"

    def signals(self) -> tuple[tuple[str, Node], ...]:
        """Every named vector with its full name; a state is named after its new value."""
        return tuple((self.signal(node), node) for node in self.nodes)


def node_tensors(node: Node) -> tuple[Tensor, ...]:
    """The tensors that one node reads."""
    match node:
        case Matvec(weights=Tensor() as tensor):
            return (tensor,)
        case Constant(tensor=Tensor() as tensor) | State(initial=Tensor() as tensor):
            return (tensor,)
        case _:
            return ()


def unwired(node: Node) -> Node:
    """The node behind reinterpretations and casts that change nothing: they move no bit."""
    while isinstance(node, Reinterpret) or (isinstance(node, Cast) and node.changes_nothing):
        node = node.a
    return node


def _unchanged(fraction: int, interval: Interval, to: Q) -> bool:
    """Whether a cast to ``to`` changes no integer of ``interval``."""
    return fraction == to.fraction and to.lowest <= interval[0] and interval[1] <= to.max


def _product(weight: Q | None, vector: Node) -> tuple[int, Interval]:
    low, high = vector.interval
    if weight is None:  # a structure of +1 and -1
        bound = max(-low, high)
        return vector.format.fraction, (min(low, -high), bound)
    corners = [a * b for a in (weight.lowest, weight.max) for b in (low, high)]
    return weight.fraction + vector.format.fraction, (min(corners), max(corners))
