"""Activations: what a cell does with its cast sum."""

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
    """``f(z) = z``."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.cast(z, role, name)


@dataclass(frozen=True)
class ReLU:
    """``f(z) = max(z, 0)``."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.cast(g.clamp(z, 0, None), role, name)


@dataclass(frozen=True)
class HardTanh:
    """``f(z) = min(max(z, -1), 1)``."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.cast(g.clamp(z, -1, 1), role, name)


@dataclass(frozen=True)
class Tanh:
    """A table of tanh; the ``sum`` format is its address."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.lookup(z, TANH, role, name)


@dataclass(frozen=True)
class Sigmoid:
    """A table of 1 / (1 + exp(-z)); the ``sum`` format is its address."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.lookup(z, SIGMOID, role, name)
