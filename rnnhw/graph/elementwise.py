"""The meaning of the elementwise operations, once for values of every kind.

A row writes an operation in the arithmetic of its run, so that an interpreter says what that
arithmetic is for its values (integers, real numbers, ranges, derivatives, circuits) and not what
every operation is. A new elementwise operation is a row here. The definition in Python integers
(:mod:`rnnhw.execution.golden`) is written apart, and tests hold these rows against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from rnnhw.graph.nodes import (
    Add,
    Clamp,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    Subtract,
)

__all__ = ["ELEMENTWISE", "Arithmetic"]

V = TypeVar("V")


class Arithmetic(Generic[V]):
    """The elementwise operations on vectors of one kind of value.

    Values are raw integers, or the real numbers that these stand for: only the last three methods
    tell the two apart. What stands here holds of raw integers that have Python's operators.
    """

    def add(self, a: V, b: V) -> V:
        """``a + b``, of one scale."""
        return a + b  # type: ignore[operator, no-any-return]

    def subtract(self, a: V, b: V) -> V:
        """``a - b``, of one scale."""
        return a - b  # type: ignore[operator, no-any-return]

    def multiply(self, a: V, b: V) -> V:
        """``a * b``."""
        return a * b  # type: ignore[operator, no-any-return]

    def square(self, a: V) -> V:
        """``a * a``, where it is known that both are the same vector."""
        return self.multiply(a, a)

    def select(self, s: V, a: V, b: V) -> V:
        """``a`` where ``s >= 0``, else ``b``, both of one scale."""
        raise NotImplementedError

    def shift(self, a: V, by: V) -> V:
        """``a * 2**by`` at the scale of ``a``; ``by`` is constant, 0 or more."""
        return a << by  # type: ignore[operator, no-any-return]

    def clamp(self, a: V, low: int | None, high: int | None, fraction: int) -> V:
        """``a`` within limits, which are raw integers of so many fraction bits; None: no limit."""
        raise NotImplementedError

    def align(self, a: V, places: int) -> V:
        """The same numbers as raw integers with ``places`` fraction bits more, 0 or more."""
        return a << places if places else a  # type: ignore[operator, return-value]

    def reinterpret(self, a: V, places: int) -> V:
        """The numbers for which the same raw integers stand with ``places`` fraction bits less."""
        return a


class Run(Protocol[V]):
    """A step of a graph: the values of operands, and their arithmetic."""

    @property
    def arithmetic(self) -> Arithmetic[V]: ...
    @property
    def values(self) -> Mapping[Node, V]: ...


def _aligned(run: Run[V], operand: Node, node: Node) -> V:
    """An operand at the scale of the result."""
    places = node.format.fraction - operand.format.fraction
    return run.arithmetic.align(run.values[operand], places)


def _add(run: Run[V], node: Add) -> V:
    return run.arithmetic.add(_aligned(run, node.a, node), _aligned(run, node.b, node))


def _subtract(run: Run[V], node: Subtract) -> V:
    return run.arithmetic.subtract(_aligned(run, node.a, node), _aligned(run, node.b, node))


def _multiply(run: Run[V], node: Multiply) -> V:
    if node.a is node.b:
        return run.arithmetic.square(run.values[node.a])
    return run.arithmetic.multiply(run.values[node.a], run.values[node.b])


def _select(run: Run[V], node: Select) -> V:
    a, b = _aligned(run, node.a, node), _aligned(run, node.b, node)
    return run.arithmetic.select(run.values[node.s], a, b)


def _shift(run: Run[V], node: Shift) -> V:
    return run.arithmetic.shift(run.values[node.a], run.values[node.by])


def _clamp(run: Run[V], node: Clamp) -> V:
    fraction = node.a.format.fraction
    return run.arithmetic.clamp(run.values[node.a], node.low, node.high, fraction)


def _reinterpret(run: Run[V], node: Reinterpret) -> V:
    places = node.a.format.fraction - node.format.fraction
    return run.arithmetic.reinterpret(run.values[node.a], places)


ELEMENTWISE: Mapping[type, Callable[..., Any]] = {
    Add: _add,
    Subtract: _subtract,
    Multiply: _multiply,
    Select: _select,
    Shift: _shift,
    Clamp: _clamp,
    Reinterpret: _reinterpret,
}
"""The result of every elementwise operation, of a run and the node."""
