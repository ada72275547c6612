"""Layers: cells that write one timestep, and operations over time.

A cell is a few lines on a :class:`~rnnhw.dataflow.StepBuilder`; nothing else in rnnhw knows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rnnhw.activations import Activation, Tanh
from rnnhw.dataflow import Formats, Node, StepBuilder
from rnnhw.errors import DesignError
from rnnhw.network import NetworkBuilder, TimeNode, Total
from rnnhw.structures import Dense, Structure
from rnnhw.tables import RECIPROCAL

__all__ = ["Elman", "Last", "Layer", "Linear", "Mean", "Window"]


class Layer(Protocol):
    """One entry of a design's ``layers``."""

    @property
    def name(self) -> str:
        """The layer's name; empty for the default, the kind and the position."""
        ...

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Write the layer behind ``source`` and return what it gives."""
        ...


def _refuse_total(kind: str, source: TimeNode) -> None:
    if isinstance(source, Total):
        raise DesignError(
            f"{kind} cannot read an undivided mean: it is the number of steps times too large",
            "use Mean(divide=True), or read it with a Linear layer without activation",
        )


@dataclass(frozen=True)
class Elman:
    """``h' = f(W x + U h + b)`` (Elman 1990, "Finding structure in time").

    ``recurrent`` is the structure of U. Tensors: ``W`` (units, inputs), ``U`` (the structure's),
    ``b`` (units,), and ``h0`` (units,) if ``initial`` is set. The sum is exact, is cast to
    ``sum``, and ``activation`` gives the new state in the format ``state``.
    """

    units: int
    recurrent: Structure = Dense()
    activation: Activation = Tanh()
    bias: bool = True
    initial: bool = False
    formats: Formats = Formats()
    name: str = ""

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equations of one step."""
        h = g.state(self.units, initial="h0" if self.initial else "")
        b = g.constant("b", self.units, "bias") if self.bias else None
        wx = g.linear(Dense(), "W", x, self.units, b, name="Wx")
        a = g.linear(self.recurrent, "U", h, self.units, wx, role="recurrent_weight", name="Uh")
        return g.update(h, self.activation.apply(g, g.cast(a, "sum"), "state"))

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        _refuse_total("Elman", source)
        return net.scan(name, [source], self.step, self.formats)


@dataclass(frozen=True)
class Linear:
    """``y = f(W x + b)`` at every step, without state; ``f`` is the identity if left out.

    Tensors: ``W`` (units, inputs), ``b`` (units,). Without activation ``y`` is exact unless the
    design gives ``output`` a format. Behind an undivided :class:`Mean` the bias is multiplied by
    the number of steps, so that ``y`` is that number times the linear layer of the mean.
    """

    units: int
    activation: Activation | None = None
    bias: bool = True
    formats: Formats = Formats()
    name: str = ""

    def step(self, g: StepBuilder, x: Node, steps: Node | None = None) -> Node:
        """The equations of one step."""
        b = g.constant("b", self.units, "bias") if self.bias else None
        if b is not None and steps is not None:
            b = g.multiply(b, g.gather([steps], [0] * self.units, "steps"), "b_total")
        a = g.linear(Dense(), "W", x, self.units, b, name="Wx")
        if self.activation is None:
            return g.cast_if_given(a, "output")
        return self.activation.apply(g, g.cast(a, "sum"), "output")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        sources = [source]
        if isinstance(source, Total):
            if self.activation is not None:
                _refuse_total("an activation", source)
            if self.bias:
                sources.append(net.steps(source.sources[0], f"{name}.steps"))
        return net.scan(name, sources, self.step, self.formats)


@dataclass(frozen=True)
class Window:
    """The sources' sliding window: ``width`` consecutive steps as one vector, oldest first."""

    width: int
    name: str = ""

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Join the steps."""
        _refuse_total("Window", source)
        return net.window(source, name, self.width)


@dataclass(frozen=True)
class Last:
    """The last step of each sequence alone."""

    name: str = ""

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Keep the last step."""
        _refuse_total("Last", source)
        return net.last(source, name)


@dataclass(frozen=True)
class Mean:
    """The mean over the steps of each sequence.

    Undivided (the default) it is the exact total: no divider is needed before an argmax.
    With ``divide`` it is the total times the reciprocal of the number of steps from a table,
    in the format ``output``; the table's entries have the format ``weight``.
    """

    divide: bool = False
    formats: Formats = Formats()
    name: str = ""

    def step(self, g: StepBuilder, total: Node, steps: Node) -> Node:
        """The division."""
        reciprocal = g.lookup(steps, RECIPROCAL, "weight", "reciprocal")
        each = g.gather([reciprocal], [0] * total.units, "reciprocal_each")
        return g.cast(g.multiply(total, each, "product"), "output")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Sum over time, and divide if asked."""
        _refuse_total("Mean", source)
        if not self.divide:
            return net.total(source, name)
        total = net.total(source, f"{name}.total")
        steps = net.steps(source, f"{name}.steps")
        return net.scan(name, [total, steps], self.step, self.formats)
