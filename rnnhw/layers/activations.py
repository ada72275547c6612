"""Activations: what a cell does with its cast sum.

An activation reads the sum after its cast to the format ``sum`` and gives its value in the format
of the role that the cell asks for: ``state``, ``gate`` or ``output``. Tables have one entry for
every word of ``sum``, at most 2**20; their entries are the function in float64, cast. In the float
reference an activation is the function itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.nodes import Node
from rnnhw.numerics.tables import SIGMOID, TANH

__all__ = ["Activation", "HardTanh", "Identity", "ReLU", "Sigmoid", "Tanh"]


class Activation(Protocol):
    """Writes ``f(z)`` in the format of ``role``; ``z`` is already cast to ``sum``."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        """The node that holds ``f(z)``, called ``name``, or after ``role`` if that is empty."""
        ...


@dataclass(frozen=True)
class Identity:
    """``f(z) = z``, cast: a linear recurrence. It clips or wraps where the state's format ends."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.cast(z, role, name)


@dataclass(frozen=True)
class ReLU:
    """``f(z) = max(z, 0)``, cast. It has no upper bound: the format of the result sets one."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.cast(g.clamp(z, 0, None), role, name)


@dataclass(frozen=True)
class HardTanh:
    """``f(z) = min(max(z, -1), 1)``, cast: no table. A format below 1, such as ``Q(0, 7)``, clips
    the 1."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.cast(g.clamp(z, -1, 1), role, name)


@dataclass(frozen=True)
class Tanh:
    """A table of tanh; the ``sum`` format is its address. Its values need a sign."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.lookup(z, TANH, role, name)


@dataclass(frozen=True)
class Sigmoid:
    """A table of 1 / (1 + exp(-z)); the ``sum`` format is its address. Its values lie between 0
    and 1, so ``Q(0, 8, signed=False)`` spends no bit on a sign."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.lookup(z, SIGMOID, role, name)
