"""Layers on each step's vector, without weights between its units, and the maximum over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rnnhw.errors import DesignError
from rnnhw.graph.builder import Formats, StepBuilder
from rnnhw.graph.network import NetworkBuilder, TimeNode, Total
from rnnhw.graph.nodes import Node
from rnnhw.layers.activations import Activation
from rnnhw.numerics.cast import interval_format
from rnnhw.numerics.tables import RealFunction, elementwise

__all__ = ["LayerNorm", "Max", "Pointwise", "Scale"]


@dataclass(frozen=True)
class Pointwise:
    """``y = f(x)``, element by element: cast to ``sum``, then ``activation`` gives ``output``."""

    activation: Activation
    formats: Formats = Formats()
    name: str = ""

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equation of one step."""
        return self.activation.apply(g, g.cast(x, "sum"), "output")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        return _scan(self, net, source, name)


@dataclass(frozen=True)
class Scale:
    """``y = a x + b``, element by element: a batch normalisation after training.

    Tensors: ``a`` (units,), and ``b`` (units,) if ``bias`` is set. ``y`` is exact unless the
    design gives ``output`` a format.
    """

    bias: bool = True
    formats: Formats = Formats()
    name: str = ""

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equation of one step."""
        y = g.multiply(g.constant("a", x.units, "weight"), x, "scaled")
        if self.bias:
            y = g.add(y, g.constant("b", x.units, "bias"), "shifted")
        return g.cast_if_given(y, "output")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        return _scan(self, net, source, name)


@dataclass(frozen=True)
class LayerNorm:
    """``y = a (x - mean) / sqrt(variance + epsilon) + b`` over the units of each step (Ba et al.
    2016, "Layer normalization", arXiv:1607.06450).

    Tensors: ``a`` (units,) if ``scale`` is set, ``b`` (units,) if ``bias`` is set. With n units
    nothing is divided: ``centred`` is n x minus the sum of x, exact or in the format ``stage``;
    its squares are summed exactly and cast to ``sum`` (signal ``squares.sum``), the address of a
    table whose entries (signal ``scale``, format ``weight``) are 1 / (n sqrt(variance +
    epsilon)). Casts: ``normalised`` in the format ``gate``, which falls back to ``state``, and
    ``output``.
    """

    epsilon: float = 1e-5
    scale: bool = True
    bias: bool = True
    formats: Formats = Formats()
    name: str = ""

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equations of one step."""
        units = x.units
        total = g.gather([_sum(g, x, "total")], [0] * units, "total_each")
        many = g.literal("n", [units] * units)
        centred = g.subtract(g.multiply(many, x, "n_x"), total, "deviation")
        centred = g.cast_if_given(centred, "stage", "centred")
        squares = _sum(g, g.multiply(centred, centred, "squares"), "squares")
        address = g.cast(squares, "sum", "squares.sum")
        factor = g.lookup(address, self._factor(units), "weight", "scale")
        each = g.gather([factor], [0] * units, "scale_each")
        y = g.cast(g.multiply(centred, each, "scaled"), "gate", "normalised")
        if self.scale:
            y = g.multiply(g.constant("a", units, "weight"), y, "weighted")
        if self.bias:
            y = g.add(y, g.constant("b", units, "bias"), "shifted")
        return g.cast(y, "output")

    def _factor(self, n: int) -> RealFunction:
        """By the sum of squares of ``centred``, which is n**3 times the variance."""

        def factor(squares: float) -> float:
            inner = max(squares, 0.0) / n**3 + self.epsilon
            return 1.0 / (n * math.sqrt(inner)) if inner > 0 else 0.0

        return elementwise(f"layer_norm({n}, {self.epsilon!r})", factor)

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        return _scan(self, net, source, name)


@dataclass(frozen=True)
class Max:
    """The largest value over the steps of each sequence, unit by unit, exact.

    The state counts from the least value of what is read, so that it starts at zero. The float
    reference starts from that value too: a real number below it reads as it.
    """

    formats: Formats = Formats()
    name: str = ""

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equations of one step."""
        low, high = x.interval
        fraction = x.format.fraction
        least = g.literal("least", [low] * x.units, fraction)
        above = g.subtract(x, least, "above")
        before = g.state(x.units, format=interval_format(0, high - low, fraction))
        ahead = g.subtract(above, before, "ahead")
        largest = g.update(before, g.select(ahead, above, before, "state"))
        return g.add(largest, least, "largest")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time and keep the last one."""
        _refuse_total(self, source)
        running = net.scan(f"{name}.running", [source], self.step, self.formats)
        return net.last(running, name)


def _sum(g: StepBuilder, vector: Node, name: str) -> Node:
    """The sum of all units, as one unit: halves are added until one is left."""
    count = 0
    while vector.units > 1:
        half = vector.units // 2
        added = g.add(
            g.gather([vector], range(half), f"{name}.low{count}"),
            g.gather([vector], range(half, 2 * half), f"{name}.high{count}"),
            f"{name}.half{count}",
        )
        if vector.units % 2:
            odd = [vector.units - 1 + half]
            added = g.gather([added, vector], [*range(half), *odd], f"{name}.odd{count}")
        vector, count = added, count + 1
    return vector


def _scan(
    layer: Pointwise | Scale | LayerNorm, net: NetworkBuilder, source: TimeNode, name: str
) -> TimeNode:
    _refuse_total(layer, source)
    return net.scan(name, [source], layer.step, layer.formats)


def _refuse_total(layer: object, source: TimeNode) -> None:
    if isinstance(source, Total):
        raise DesignError(
            f"{type(layer).__name__} cannot read an undivided mean: it is the number of steps "
            "times too large",
            "use Mean(divide=True)",
        )
