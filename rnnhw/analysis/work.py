"""The scalar operations of a step in one table, which counts, energy and processors read.

Work is algorithmic: useful operations of stored weights, the same for every instruction set, lane
and device. The engine measures the same from what its kernels iterate and shares no code with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rnnhw.graph.nodes import (
    Add,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    State,
    Subtract,
    operation_table,
)

__all__ = ["WORK", "Kind", "Row", "Work", "work_of"]

Kind = Literal["multiplies", "adds", "comparisons", "shifts", "lookups", "requantisations"]


@dataclass(frozen=True, slots=True)
class Work:
    """``amount`` scalar operations of one kind.

    ``widths`` are the bits of the operands: two of a product, that of the result of a sum, none of
    other kinds. ``wired`` are shifts by a number that is known, which cost hardware nothing.
    """

    kind: Kind
    amount: int
    widths: tuple[int, ...] = ()
    wired: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """The name of an operation in lists, and its work; "" where it has none."""

    name: str
    work: Callable[[Node], Iterable[Work]]


def work_of(node: Node) -> Iterator[Work]:
    """The work of a node, without what comes to nothing."""
    return (work for work in WORK[type(node)].work(node) if work.amount)


def _none(node: Node) -> Iterable[Work]:
    return ()


def _matvec(node: Node) -> Iterable[Work]:
    assert isinstance(node, Matvec)
    shape = node.units, node.vector.units
    terms = node.structure.multiplies(*shape)
    if terms:
        assert node.weights is not None
        yield Work("multiplies", terms, (node.weights.format.width, node.vector.format.width))
    adds = node.structure.adds(*shape, onto=node.start is not None)
    yield Work("adds", adds, (node.format.width,))
    casts = terms if node.product_cast_changes else 0
    if node.accumulator is not None:
        casts += terms + (node.units if node.start_cast_changes else 0)
    elif node.start is not None and node.start.format.fraction != node.product_format[0]:
        yield Work("shifts", node.units, wired=True)
    yield Work("requantisations", casts)


def _aligned(*operands: Node) -> Work:
    """The shifts that bring operands to the finest scale of them."""
    finest = max(node.format.fraction for node in operands)
    shifted = sum(node.units for node in operands if node.format.fraction != finest)
    return Work("shifts", shifted, wired=True)


def _add(node: Node) -> Iterable[Work]:
    assert isinstance(node, Add | Subtract)
    return Work("adds", node.units, (node.format.width,)), _aligned(node.a, node.b)


def _multiply(node: Node) -> Iterable[Work]:
    assert isinstance(node, Multiply)
    return (Work("multiplies", node.units, (node.a.format.width, node.b.format.width)),)


def _select(node: Node) -> Iterable[Work]:
    assert isinstance(node, Select)
    return Work("comparisons", node.units), _aligned(node.a, node.b)


def _shift(node: Node) -> Iterable[Work]:
    return (Work("shifts", node.units),)


def _clamp(node: Node) -> Iterable[Work]:
    return (Work("comparisons", 2 * node.units),)


def _cast(node: Node) -> Iterable[Work]:
    assert isinstance(node, Cast)
    return (Work("requantisations", 0 if node.changes_nothing else node.units),)


def _lookup(node: Node) -> Iterable[Work]:
    return (Work("lookups", node.units),)


WORK = operation_table(
    {
        Input: Row("", _none),
        State: Row("", _none),
        Constant: Row("", _none),
        Matvec: Row("products", _matvec),
        Add: Row("additions", _add),
        Subtract: Row("additions", _add),
        Multiply: Row("multiplications", _multiply),
        Select: Row("selections", _select),
        Shift: Row("shifts", _shift),
        Clamp: Row("clamps", _clamp),
        Gather: Row("", _none),
        Reinterpret: Row("", _none),
        Cast: Row("requantisations", _cast),
        Lookup: Row("lookups", _lookup),
    }
)
