"""Networks for the tests of machines: 8-bit layers written on the builders, by their equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from rnnhw import Banded, Dense, Design, Elman, Formats, HardTanh, Linear, Q, Tanh
from rnnhw.accelerator import LayerMachine
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.network import Network, NetworkBuilder
from rnnhw.graph.nodes import Node, State
from rnnhw.layers.structures import Structure
from rnnhw.numerics.tables import SIGMOID, TANH

Step = Callable[[StepBuilder, Node], Node]

BYTE = Q(0, 7)
FORMATS = Formats(
    input=BYTE,
    weight=BYTE,
    bias=Q(-1, 14),  # with the rounding constant it still fits 16 bits
    sum=Q(3, 4),
    gate=BYTE,
    cell=Q(3, 4),
    state=BYTE,
    output=Q(3, 4),
)


def elman(units: int, recurrent: Structure | None = None, **more: object) -> Design:
    """One Elman layer behind 8 inputs."""
    layer = Elman(units, recurrent=recurrent or Dense(), activation=Tanh(), name="rnn")
    return Design(layers=[layer], formats=FORMATS, inputs=8, **more)  # type: ignore[arg-type]


def hard_elman(units: int) -> Design:
    """One Elman layer without a table."""
    layer = Elman(units, activation=HardTanh(), name="rnn")
    return Design(layers=[layer], formats=FORMATS, inputs=8)


def head(inputs: int, units: int) -> Design:
    """One layer without state."""
    return Design(layers=[Linear(units, name="head")], formats=FORMATS, inputs=inputs)


def scanned(step: Step, inputs: int = 8, formats: Formats = FORMATS) -> Network:
    """A network of one layer that runs ``step``."""
    net = NetworkBuilder(inputs, BYTE, formats, {}, None)
    net.scan("rnn", [net.source], step, formats)
    return net.build()


def lstm(units: int, recurrent: Structure | None = None) -> Step:
    """Four gates a unit, each its own two products."""
    structure = recurrent or Dense()

    def step(g: StepBuilder, x: Node) -> Node:
        h, c = g.state(units), g.state(units, "cell")
        z = []
        for gate in "ifgo":
            b = g.constant(f"b{gate}", units, "bias")
            wx = g.linear(Dense(), f"W{gate}", x, units, b)
            z.append(g.cast(g.linear(structure, f"U{gate}", h, units, wx), "sum", f"sum{gate}"))
        return _lstm_tail(g, h, c, z)

    return step


def lstm_in_one(units: int) -> Step:
    """The same with the four gates in one product, taken apart behind it."""

    def step(g: StepBuilder, x: Node) -> Node:
        h, c = g.state(units), g.state(units, "cell")
        wx = g.linear(Dense(), "W", x, 4 * units, g.constant("b", 4 * units, "bias"))
        a = g.linear(Dense(), "U", h, 4 * units, wx)
        slices = [g.gather([a], range(k * units, (k + 1) * units)) for k in range(4)]
        z = [g.cast(part, "sum", f"sum{gate}") for part, gate in zip(slices, "ifgo", strict=True)]
        return _lstm_tail(g, h, c, z)

    return step


def lstm_cast_in_one(units: int) -> Step:
    """The same, taken apart behind the cast."""

    def step(g: StepBuilder, x: Node) -> Node:
        h, c = g.state(units), g.state(units, "cell")
        wx = g.linear(Dense(), "W", x, 4 * units, g.constant("b", 4 * units, "bias"))
        a = g.cast(g.linear(Dense(), "U", h, 4 * units, wx), "sum")
        z = [g.gather([a], range(k * units, (k + 1) * units)) for k in range(4)]
        return _lstm_tail(g, h, c, z)

    return step


def _lstm_tail(g: StepBuilder, h: State, c: State, z: list[Node]) -> Node:
    functions = (SIGMOID, SIGMOID, TANH, SIGMOID)
    i, f, n, o = (
        g.lookup(part, function, "gate", f"gate{k}")
        for k, (part, function) in enumerate(zip(z, functions, strict=True))
    )
    new = g.cast(g.add(g.multiply(f, c), g.multiply(i, n)), "cell")
    g.update(c, new)
    inner = new if new.format.width == 8 else g.cast(new, "sum", "cell_sum")
    y = g.multiply(o, g.lookup(inner, TANH, "gate", "squashed"))
    return g.update(h, g.cast(y, "state"))


def gru(units: int, hidden: Q | None = None) -> Step:
    """Reset after: the candidate needs W x and U h apart, the gates need their sum."""

    def step(g: StepBuilder, x: Node) -> Node:
        h = g.state(units)
        gates = []
        for gate in "zr":
            b = g.constant(f"b{gate}", units, "bias")
            wx = g.linear(Dense(), f"W{gate}", x, units, b)
            a = g.linear(Dense(), f"U{gate}", h, units, wx)
            gates.append(g.lookup(g.cast(a, "sum", f"sum{gate}"), SIGMOID, "gate", gate))
        z, r = gates
        ax = g.linear(Dense(), "Wn", x, units, g.constant("bx", units, "bias"))
        ah = g.linear(Dense(), "Un", h, units, g.constant("bh", units, "bias"))
        if hidden is not None:
            ah = g.cast(ah, "recurrent_sum")
        mixed = g.add(g.multiply(r, ah), ax)
        n = g.lookup(g.cast(mixed, "sum", "sumn"), TANH, "gate", "n")
        one = g.literal("one", [1 << 7] * units, 7)
        new = g.add(g.multiply(g.subtract(one, z), n), g.multiply(z, h))
        return g.update(h, g.cast(new, "state"))

    return step


def band(width: int) -> Banded:
    """The symmetric band of half-width ``width``."""
    return Banded(width, width)


def same_machine(a: LayerMachine, b: LayerMachine) -> bool:
    """Whether two layers have equal figures; their mappings are objects of their own."""
    names = [entry.name for entry in fields(a) if entry.compare and entry.name != "mapping"]
    return all(getattr(a, name) == getattr(b, name) for name in names)
