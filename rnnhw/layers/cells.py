"""Layers: cells that write one timestep, and operations over time.

A cell is a few lines on a :class:`~rnnhw.graph.builder.StepBuilder`; nothing else in rnnhw knows
it.

What all layers share:

- ``units`` is the width of the state. A layer reads one vector a step and gives one of ``units``
  elements; steps and sequences are what they were.
- ``name`` stands before the layer's signals and tensors (``rnn.state``, ``rnn.W``). Where it is
  empty the layer is called after its kind in lower case and its position among the design's
  layers: ``elman0``, ``linear1``.
- Tensors are arrays of real numbers in the weights file. Where gates are stacked in one tensor,
  they stand in the order that the cell gives.
- ``formats`` are the layer's own formats by role; they win over the design's.
  ``recurrent_weight`` and ``bias`` fall back to ``weight``, ``gate`` to ``state``.
- ``initial`` makes the first state a tensor; otherwise it is zero, or what the data give.
  ``bias=False`` leaves the bias out, and its tensor.
- A design is refused with a :class:`~rnnhw.errors.DesignError` that names the signal where a role
  that the layer needs has no format, a structure cannot have the size, or an exact number would
  be wider than 64 bits: when its network is built, not when the layer is made.

The gated cells name their signals alike: ``i.sum`` is the sum of gate i in the format ``sum``
(the address of its table), ``i`` the gate in the format ``gate``, which is the state's where the
design gives none. All sums and products between two casts are exact.

Every cell has two kinds of matrices, each with a structure of its own: ``inputs`` is that of W,
which multiplies what the cell reads, ``recurrent`` that of U, which multiplies its state. With one
``Dense()`` the matrices of all gates are one tensor; else each gate has its own. Both add into one
sum: the bias, then W x, then U h; where U alone is one ``Dense()`` matrix, U h, then W x.

A cell with ``output`` gives the next layer its new state in that format, wider or narrower than
the state's (signal ``output``): rounded from the exact number, or from a second table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, TypedDict

from rnnhw.errors import DesignError
from rnnhw.graph.builder import Formats, StepBuilder
from rnnhw.graph.network import NetworkBuilder, TimeNode, Total
from rnnhw.graph.nodes import LINEAR, Constant, Node, State
from rnnhw.graph.row_scales import Exponents
from rnnhw.layers.activations import Activation, Sigmoid, Tanh
from rnnhw.layers.structures import Dense, Structure
from rnnhw.numerics.cast import Q, quantise, underflows
from rnnhw.numerics.tables import RECIPROCAL

__all__ = [
    "GRU",
    "LSTM",
    "Bidirectional",
    "Elman",
    "Heads",
    "JordanNetwork",
    "Last",
    "Layer",
    "LeakyElman",
    "Linear",
    "Mean",
    "MinGRU",
    "Residual",
    "Reverse",
    "Window",
]

GateStructures = Structure | Sequence[Structure]
"""One structure for a matrix of all gates, or one for each gate in gate order."""

_TRAINED = "recurrent_weight"


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

    Needs formats of ``weight``, ``sum`` and ``state``.

    ``inputs`` is the structure of W, ``recurrent`` that of U. Tensors: ``W`` (units, inputs) or the
    structure's, ``U`` (the structure's), ``b`` (units,), and ``h0`` (units,) if ``initial`` is set.
    The sum is exact, is cast to ``sum``, and ``activation`` gives the new state in the format
    ``state``.
    """

    units: int
    recurrent: Structure = Dense()
    activation: Activation = Tanh()
    bias: bool = True
    initial: bool = False
    formats: Formats = Formats()
    name: str = ""
    output: Q | None = None
    inputs: Structure = Dense()

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equations of one step."""
        h = g.state(self.units, **_first("h0", self.initial))
        wx = _input_sums(g, self.inputs, x, self.units, self.bias)
        a = g.linear(self.recurrent, "U", h, self.units, wx, role=_TRAINED, name="Uh")
        z = g.cast(a, "sum")
        return _updated(g, h, self.output, lambda role: self.activation.apply(g, z, role))

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        return _scan(self, net, source, name)


@dataclass(frozen=True)
class LeakyElman:
    """``h' = (1 - a) h + a f(W x + U h + b)``: leaky integrator units (Jaeger 2001, "The echo
    state approach to analysing and training recurrent neural networks").

    Needs formats of ``weight``, ``sum`` and ``state``. The leak is a fraction: a format of
    ``recurrent_weight`` with few fraction bits rounds it to 0 or 1.

    ``leak`` is a, one number for all units, rounded to the format of ``recurrent_weight`` (the
    float reference takes the rounded number too); None: trained for every unit, tensor ``a``
    (units,). ``inputs`` is the structure of W, ``recurrent`` that of U. Other tensors: ``W``
    (units, inputs) or the structure's, ``U`` (the structure's), ``b`` (units,), and ``h0`` (units,)
    if ``initial`` is set. Casts: ``sum``; ``candidate`` (f) and ``state``, both in the format
    ``state``.
    """

    units: int
    leak: float | None = None
    recurrent: Structure = Dense()
    activation: Activation = Tanh()
    bias: bool = True
    initial: bool = False
    formats: Formats = Formats()
    name: str = ""
    output: Q | None = None
    inputs: Structure = Dense()

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equations of one step."""
        h = g.state(self.units, **_first("h0", self.initial))
        wx = _input_sums(g, self.inputs, x, self.units, self.bias)
        s = g.linear(self.recurrent, "U", h, self.units, wx, role=_TRAINED, name="Uh")
        candidate = self.activation.apply(g, g.cast(s, "sum"), "state", "candidate")
        a = self._leak(g)
        mixed = _mix(g, a, candidate, h)
        return _updated(g, h, self.output, lambda role: g.cast(mixed, role))

    def _leak(self, g: StepBuilder) -> Node:
        """The number a of every unit."""
        if self.leak is None:
            return g.constant("a", self.units, _TRAINED)
        format = g.format(_TRAINED, "a")
        raw, events = quantise([self.leak], format)
        if events.total:
            raise DesignError(
                f"leak {self.leak} does not fit {format}",
                f"give {_TRAINED} (or the signal `a`) a format that holds it",
            )
        lost = self.units * underflows([self.leak], raw, format)
        return g.literal("a", [int(raw[0])] * self.units, format.fraction, underflows=lost)

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        return _scan(self, net, source, name)


@dataclass(frozen=True)
class JordanNetwork:
    """``h = f(W x + U y[t-1] + b)``, ``y = g(V h + c)``: the output is fed back, so the state is
    as wide as the output (Jordan 1986, "Serial order: a parallel distributed processing
    approach").

    Needs formats of ``weight``, ``sum`` and ``state``. It gives ``outputs`` elements a step. The
    hidden layer and the output share ``state``: with a tanh in one and a sigmoid in the other it
    must be signed, or ``overrides={"rnn.hidden": ...}`` gives them formats of their own.

    ``inputs`` is the structure of W, ``recurrent`` that of U. Tensors: ``W`` (units, inputs) or the
    structure's, ``U`` (the structure's, of units x outputs), ``b`` (units,), ``V`` (outputs,
    units), ``c`` (outputs,), and ``y0`` (outputs,) if ``initial`` is set. Casts: ``hidden.sum`` and
    ``state.sum`` in the format ``sum``; ``hidden`` (h) and ``state`` (y) in the format ``state``.
    """

    units: int
    outputs: int
    recurrent: Structure = Dense()
    activation: Activation = Tanh()
    output_activation: Activation = Sigmoid()
    bias: bool = True
    initial: bool = False
    formats: Formats = Formats()
    name: str = ""
    output: Q | None = None
    inputs: Structure = Dense()

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equations of one step."""
        y = g.state(self.outputs, **_first("y0", self.initial))
        wx = _input_sums(g, self.inputs, x, self.units, self.bias)
        a = g.linear(self.recurrent, "U", y, self.units, wx, role=_TRAINED, name="Uy")
        h = self.activation.apply(g, g.cast(a, "sum", "hidden.sum"), "state", "hidden")
        c = g.constant("c", self.outputs, "bias") if self.bias else None
        vh = g.linear(Dense(), "V", h, self.outputs, c, role=_TRAINED, name="Vh")
        z = g.cast(vh, "sum", "state.sum")
        return _updated(g, y, self.output, lambda role: self.output_activation.apply(g, z, role))

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        return _scan(self, net, source, name)


@dataclass(frozen=True)
class LSTM:
    """Long short-term memory with forget gates (Gers, Schmidhuber & Cummins 2000, "Learning to
    forget"), optional peepholes (Gers & Schmidhuber 2000, "Recurrent nets that time and count")
    and an optional projection (Sak, Senior & Beaufays 2014, arXiv:1402.1128).

        i = s(W_i x + U_i h + b_i + p_i c)      g = t(W_g x + U_g h + b_g)
        f = s(W_f x + U_f h + b_f + p_f c)      c' = f c + i g
        o = s(W_o x + U_o h + b_o + p_o c')     h' = o t(c'), or P (o t(c'))

    ``cell_activation`` is the function of c' alone; None: ``activation``, as that of g. With
    ``coupled`` f is 1 - i and has no weights (Greff et al. 2017, "LSTM: a search space odyssey"):
    the gates are three, i, g, o.

    ``inputs`` (of W) and ``recurrent`` (of U) are one structure for all gates, or a sequence of
    one a gate, in the order i, f, g, o. Tensors, stacked in that order: ``W`` (4*units, inputs),
    ``b`` (4*units,), ``b2`` the same if ``recurrent_bias`` is set (both are added); the recurrence
    is ``U`` (4*units, state) for one ``Dense()``, else ``U.i``, ``U.f``, ``U.g``, ``U.o``, each the
    structure's of units x state; so is W, of units x inputs. ``peephole`` adds ``p.i``, ``p.f``,
    ``p.o`` (units,); ``projection`` is the width of the projected state and adds ``P`` (projection,
    units); ``initial`` adds ``h0`` (the state's width,) and ``c0`` (units,).

    Casts: ``i.sum``... and ``cell.sum`` (the argument of t) in the format ``sum``; the gates
    ``i``, ``f``, ``g``, ``o`` and ``cell.squashed`` (t(c')) in ``gate``, which falls back to
    ``state``; ``cell`` (c') in its own format; ``state``; with a projection also ``hidden``
    (o t(c')) in the format ``state``.

    Needs formats of ``weight``, ``sum``, ``cell`` and ``state``. The cell grows beyond 1 where the
    forget gate is near 1: give ``cell`` integer bits, and watch its events. An ``activation``
    without a bound clips ``g`` and ``cell.squashed`` to the format of ``gate``. PyTorch's layer has
    two biases: ``recurrent_bias=True``.
    """

    units: int
    recurrent: GateStructures = Dense()
    activation: Activation = Tanh()
    gate_activation: Activation = Sigmoid()
    bias: bool = True
    recurrent_bias: bool = False
    peephole: bool = False
    projection: int | None = None
    initial: bool = False
    formats: Formats = Formats()
    name: str = ""
    output: Q | None = None
    inputs: GateStructures = Dense()
    cell_activation: Activation | None = None
    coupled: bool = False

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equations of one step."""
        h = g.state(self.projection or self.units, **_first("h0", self.initial))
        c = g.state(self.units, "cell", **_first("c0", self.initial))
        gates = "igo" if self.coupled else "ifgo"
        b = _biases(g, len(gates) * self.units, self.bias, self.recurrent_bias)
        w, u = _W(self.inputs, x), _U(self.recurrent, h)
        i, *forget, n, o = _gate_sums(g, gates, self.units, b, w, u)
        i = self._gate(g, "i", i, c)
        f = self._gate(g, "f", forget[0], c) if forget else g.subtract(_one(g, i), i, "f")
        n = _gate(g, self.activation, n, "g")
        new = g.update(c, g.cast(g.add(g.multiply(f, c), g.multiply(i, n)), "cell"))
        o = self._gate(g, "o", o, new)
        squash = self.cell_activation or self.activation
        y = g.multiply(o, _gate(g, squash, new, "cell", "cell.squashed"))
        if self.projection:
            hidden = g.cast(y, "state", "hidden")
            y = g.linear(Dense(), "P", hidden, self.projection, role=_TRAINED, name="Ph")
        return _updated(g, h, self.output, lambda role: g.cast(y, role))

    def _gate(self, g: StepBuilder, name: str, total: Node, cell: Node) -> Node:
        if self.peephole:
            total = g.add(total, g.multiply(g.constant(f"p.{name}", self.units, _TRAINED), cell))
        return _gate(g, self.gate_activation, total, name)

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        return _scan(self, net, source, name)


@dataclass(frozen=True)
class GRU:
    """Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), the reset gate before or after the
    recurrent product.

        r = s(W_r x + U_r h + b_r)      n = t(W_n x + b_n + r (U_n h + b2_n))    reset="after"
        z = s(W_z x + U_z h + b_z)      n = t(W_n x + b_n + U_n (r h))           reset="before"
        h' = (1 - z) n + z h

    ``inputs`` (of W) and ``recurrent`` (of U) are one structure for all gates, or a sequence of
    three in the order r, z, n. Tensors, stacked in that order: ``W`` (3*units, inputs), ``b``
    (3*units,), ``b2`` (3*units,) if ``recurrent_bias`` is set (reset="after" only; its first two
    parts are added to b's); the recurrence is ``U`` (3*units, units) for one ``Dense()`` and
    reset="after", else ``U.r``, ``U.z``, ``U.n``, each the structure's; W is one tensor for one
    ``Dense()``, else ``W.r``, ``W.z``, ``W.n``; ``initial`` adds ``h0`` (units,).

    Casts: ``r.sum``... in the format ``sum``; the gates ``r``, ``z``, ``n`` in ``gate``, which
    falls back to ``state``; ``state``; for reset="after" ``n.recurrent_sum`` (U_n h + b2_n) in
    ``recurrent_sum``, left exact without one; for reset="before" ``reset_state`` (r h) in the
    format ``state``.

    Needs formats of ``weight``, ``sum`` and ``state``. An ``activation`` without a bound clips the
    candidate ``n`` to the format of ``gate``. PyTorch's layer is reset="after" with two biases:
    ``recurrent_bias=True``; Keras's with ``reset_after=False`` is reset="before". Here z keeps the
    old state; other texts let it take the new one.
    """

    units: int
    recurrent: GateStructures = Dense()
    reset: Literal["after", "before"] = "after"
    activation: Activation = Tanh()
    gate_activation: Activation = Sigmoid()
    bias: bool = True
    recurrent_bias: bool = False
    initial: bool = False
    formats: Formats = Formats()
    name: str = ""
    output: Q | None = None
    inputs: GateStructures = Dense()

    def __post_init__(self) -> None:
        if self.reset not in ("after", "before"):
            raise DesignError(f"GRU(reset={self.reset!r})", "use 'after' or 'before'")
        if self.recurrent_bias and self.reset == "before":
            raise DesignError(
                "GRU(reset='before') has one bias: a recurrent one would only add to it",
                "add both biases into `b`, or use reset='after'",
            )

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equations of one step."""
        h = g.state(self.units, **_first("h0", self.initial))
        b = _biases(g, 3 * self.units, self.bias)
        wx = _onto(g, _W(self.inputs, x), "rzn", self.units, b)
        write = self._reset_after if self.reset == "after" else self._reset_before
        z, n = write(g, h, wx)
        mixed = _mix(g, z, h, n)
        return _updated(g, h, self.output, lambda role: g.cast(mixed, role))

    def _reset_after(self, g: StepBuilder, h: Node, wx: _Sums) -> tuple[Node, Node]:
        """The gates z and n."""
        b2 = g.constant("b2", 3 * self.units, "bias") if self.recurrent_bias else None
        hr, hz, hn = _gate_sums(g, "rzn", self.units, b2, _U(self.recurrent, h, like=wx))
        xr, xz, xn = _parts(g, wx, "rzn")
        r = _gate(g, self.gate_activation, g.add(xr, hr), "r")
        z = _gate(g, self.gate_activation, g.add(xz, hz), "z")
        hn = g.cast_if_given(hn, "recurrent_sum", "n.recurrent_sum")
        return z, _gate(g, self.activation, g.add(xn, g.multiply(r, hn)), "n")

    def _reset_before(self, g: StepBuilder, h: Node, wx: _Sums) -> tuple[Node, Node]:
        """The gates z and n."""
        sr, sz, sn = _each(self.recurrent, "recurrent", "rzn")
        xr, xz, xn = _parts(g, wx, "rzn")
        r = _gate(g, self.gate_activation, _one_gate(g, _U(sr, h), "r", self.units, xr), "r")
        z = _gate(g, self.gate_activation, _one_gate(g, _U(sz, h), "z", self.units, xz), "z")
        kept = g.cast(g.multiply(r, h), "state", "reset_state")
        total = _one_gate(g, _U(sn, kept), "n", self.units, xn)
        return z, _gate(g, self.activation, total, "n")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        return _scan(self, net, source, name)


@dataclass(frozen=True)
class MinGRU:
    """``z = s(W_z x + b_z)``, ``c = W_h x + b_h``, ``h' = (1 - z) h + z c``: no recurrent matrix
    (Feng et al. 2024, "Were RNNs all we needed?", arXiv:2410.01201).

    Needs formats of ``weight``, ``sum`` and ``state``. The candidate has no activation: it clips
    where ``state`` has too few integer bits. Here z takes the new value and in a :class:`GRU` the
    old one.

    ``inputs`` is one structure of W for both, or a sequence of two in the order z, h. Tensors,
    stacked in that order: ``W`` (2*units, inputs) for one ``Dense()``, else ``W.z`` and ``W.h``,
    ``b`` (2*units,), and ``h0`` (units,) if ``initial`` is set. Casts: ``z.sum`` in the format
    ``sum``; ``z`` in ``gate``, which falls back to ``state``; ``candidate`` (c) and ``state`` in
    the format ``state``.
    """

    units: int
    gate_activation: Activation = Sigmoid()
    bias: bool = True
    initial: bool = False
    formats: Formats = Formats()
    name: str = ""
    output: Q | None = None
    inputs: GateStructures = Dense()

    def step(self, g: StepBuilder, x: Node) -> Node:
        """The equations of one step."""
        h = g.state(self.units, **_first("h0", self.initial))
        b = _biases(g, 2 * self.units, self.bias)
        xz, xh = _gate_sums(g, "zh", self.units, b, _W(self.inputs, x))
        z = _gate(g, self.gate_activation, xz, "z")
        candidate = g.cast(xh, "state", "candidate")
        mixed = _mix(g, z, candidate, h)
        return _updated(g, h, self.output, lambda role: g.cast(mixed, role))

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        return _scan(self, net, source, name)


# --- what cells share --------------------------------------------------------------------------
class _Cell(Protocol):
    @property
    def formats(self) -> Formats: ...

    @property
    def output(self) -> Q | None: ...

    def step(self, g: StepBuilder, x: Node) -> Node: ...


def _scan(cell: _Cell, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
    """Run the cell's step over time."""
    _refuse_total(type(cell).__name__, source)
    formats = cell.formats if cell.output is None else replace(cell.formats, output=cell.output)
    return net.scan(name, [source], cell.step, formats)


def _updated(g: StepBuilder, h: State, output: Q | None, write: Callable[[str], Node]) -> Node:
    """Give ``h`` its new value and return what the next layer reads: the same value, or with
    ``output`` its number in a format of its own, rounded from the exact one and not from the
    state's. ``write`` writes the number in the format of a role."""
    new = g.update(h, write("state"))
    return new if output is None else write("output")


class _First(TypedDict):
    first: str
    initial: str


def _first(key: str, trained: bool) -> _First:
    """How a state names its first value: data may give it, and the weights do if it is trained."""
    return {"first": key, "initial": key if trained else ""}


def _biases(g: StepBuilder, units: int, bias: bool, second: bool = False) -> Node | None:
    """``b + b2``, or what there is of them."""
    start = g.constant("b", units, "bias") if bias else None
    if second:
        b2 = g.constant("b2", units, "bias")
        start = b2 if start is None else g.add(start, b2, "biases")
    return start


def _input_sums(g: StepBuilder, inputs: Structure, x: Node, units: int, bias: bool) -> Node:
    """``W x + b``, exact."""
    return g.linear(inputs, "W", x, units, _biases(g, units, bias), name="Wx")


_Sums = Node | list[Node]
"""The sums of all gates: one vector, or one a gate."""


def _parts(g: StepBuilder, sums: _Sums, gates: str) -> list[Node]:
    """``sums`` gate by gate, taken apart by wiring where they are one vector."""
    if isinstance(sums, list):
        return sums
    units = sums.units // len(gates)
    return [
        g.gather([sums], range(k * units, (k + 1) * units), f"{sums.name}.{gate}")
        for k, gate in enumerate(gates)
    ]


class _Gates(NamedTuple):
    """The matrices ``key`` of all gates, which multiply ``vector``; ``given_as`` is the argument
    that gives their structures. Their rows share the scales of the sums ``like``."""

    key: str
    given_as: str
    structures: GateStructures
    vector: Node
    role: str
    name: str
    like: _Sums | None = None

    def exponents(self, g: StepBuilder, gate: int, units: int) -> Exponents | None:
        """The exponents that the rows of a gate share, if any."""
        if isinstance(self.like, list):
            return g.exponents(self.like[gate])
        whole = None if self.like is None else g.exponents(self.like)
        return whole and whole.at(range(gate * units, (gate + 1) * units))

    @property
    def stacked(self) -> bool:
        """Whether one tensor holds those of all gates."""
        return self.structures == Dense()


def _W(structures: GateStructures, x: Node) -> _Gates:
    return _Gates("W", "inputs", structures, x, "weight", "Wx")


def _U(structures: GateStructures, h: Node, like: _Sums | None = None) -> _Gates:
    return _Gates("U", "recurrent", structures, h, _TRAINED, "Uh", like)


def _each(structures: GateStructures, given_as: str, gates: str) -> tuple[Structure, ...]:
    """The structure of every gate's matrix."""
    by_gate = tuple(structures) if isinstance(structures, Sequence) else (structures,) * len(gates)
    if len(by_gate) != len(gates):
        raise DesignError(
            f"{len(by_gate)} structures of {given_as}= for the gates {', '.join(gates)}",
            f"give one structure, or a sequence of {len(gates)} in this order",
        )
    return by_gate


def _one_gate(
    g: StepBuilder,
    matrix: _Gates,
    gate: str,
    units: int,
    start: Node | None,
    exponents: Exponents | None = None,
) -> Node:
    """``start + matrix @ vector`` of one gate, whose structure ``matrix`` has."""
    key, _, structure, vector, role, name, _ = matrix
    assert isinstance(structure, Structure)
    named = f"{name}.{gate}"
    return g.linear(
        structure, f"{key}.{gate}", vector, units, start, role=role, name=named, exponents=exponents
    )


def _onto(g: StepBuilder, matrix: _Gates, gates: str, units: int, start: _Sums | None) -> _Sums:
    """``start + matrix @ vector`` of all gates; ``start`` is one vector of all, or one a gate."""
    if matrix.stacked and not isinstance(start, list):
        key, _, _, vector, role, name, like = matrix
        rows, shared = units * len(gates), None if like is None else _shared(g, like)
        return g.linear(Dense(), key, vector, rows, start, role=role, name=name, exponents=shared)
    starts = [None] * len(gates) if start is None else _parts(g, start, gates)
    each = _each(matrix.structures, matrix.given_as, gates)
    return [
        _one_gate(
            g,
            matrix._replace(structures=structure),
            gate,
            units,
            begin,
            matrix.exponents(g, number, units),
        )
        for number, (structure, gate, begin) in enumerate(zip(each, gates, starts, strict=True))
    ]


def _shared(g: StepBuilder, like: _Sums) -> Exponents | None:
    """The exponents of all rows of ``like``; None where they are no elements of one constant."""
    return g.exponents(*(like if isinstance(like, list) else [like]))


def _gate_sums(
    g: StepBuilder, gates: str, units: int, start: Node | None, *matrices: _Gates
) -> list[Node]:
    """``start`` and the products of all ``matrices`` gate by gate; ``start`` holds all gates, as a
    stacked matrix does, which comes before others."""
    total: _Sums | None = start
    for matrix in sorted(matrices, key=lambda each: not each.stacked):
        total = _onto(g, matrix, gates, units, total)
    assert total is not None
    return _parts(g, total, gates)


def _gate(g: StepBuilder, activation: Activation, total: Node, stem: str, name: str = "") -> Node:
    """The function of ``total``: cast to ``sum``, then the function's value in ``gate``."""
    return activation.apply(g, g.cast(total, "sum", f"{stem}.sum"), "gate", name or stem)


def _mix(g: StepBuilder, z: Node, a: Node, b: Node) -> Node:
    """``z a + (1 - z) b``, exact."""
    return g.add(g.multiply(z, a), g.multiply(g.subtract(_one(g, z), z), b))


def _one(g: StepBuilder, z: Node) -> Node:
    """The literal 1 on z's scale."""
    fraction = max(z.format.fraction, 0)
    return g.literal("one", [1 << fraction] * z.units, fraction)


# --- without state -----------------------------------------------------------------------------
@dataclass(frozen=True)
class Linear:
    """``y = f(W x + b)`` at every step, without state; ``f`` is the identity if left out.

    Needs a format of ``weight``; with an activation also of ``sum`` and ``output``.

    ``structure`` is that of W: ``Linear(64, structure=BlockDiagonal(8))`` is a grouped layer.
    Tensors: ``W`` (units, inputs) or the structure's, ``b`` (units,). Without activation ``y`` is
    exact unless the design gives ``output`` a format. Behind an undivided :class:`Mean` the bias is
    multiplied by the number of steps, so that ``y`` is that number times the linear layer of the
    mean.
    """

    units: int
    activation: Activation | None = None
    bias: bool = True
    formats: Formats = Formats()
    name: str = ""
    structure: Structure = Dense()

    def step(self, g: StepBuilder, x: Node, steps: Node | None = None) -> Node:
        """The equations of one step."""
        b = g.constant("b", self.units, "bias") if self.bias else None
        if b is not None and steps is not None:
            b = g.multiply(b, g.gather([steps], [0] * self.units, "steps"), "b_total")
        a = g.linear(self.structure, "W", x, self.units, b, name="Wx")
        if self.activation is None:
            return g.cast_if_given(a, "output")
        return self.activation.apply(g, g.cast(a, "sum"), "output")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the step over time."""
        if not isinstance(source, Total):
            return net.scan(name, [source], self.step, self.formats)
        if self.activation is not None:
            _refuse_total("an activation", source)
        steps = [net.steps(source.sources[0], f"{name}.steps")] if self.bias else []
        scan = net.scan(name, [source, *steps], self.step, self.formats)
        if any(_scaled(node) for node in scan.graph.nodes if node is not scan.graph.output):
            _refuse_total(f"{self.structure!r}, which casts or adds between its factors,", source)
        return scan


def _scaled(node: Node) -> bool:
    """Whether an operation knows the scale of its operands: a number of steps times them is not
    that number times its result."""
    bias = isinstance(node, Constant) and node.role == "bias" and node.name != "b"
    return bias or not isinstance(node, LINEAR)


@dataclass(frozen=True)
class Window:
    """The sources' sliding window: ``width`` consecutive steps as one vector, oldest first.

    It gives ``width * inputs`` elements a step, from the ``width``-th step of a sequence on; to
    run a shorter sequence is an error.
    """

    width: int
    name: str = ""

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Join the steps."""
        _refuse_total("Window", source)
        return net.window(source, name, self.width)


@dataclass(frozen=True)
class Reverse:
    """The steps of each sequence in opposite order: two of them around a layer run it backward."""

    name: str = ""

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Turn the steps round."""
        _refuse_total("Reverse", source)
        return net.reverse(source, name)


@dataclass(frozen=True)
class Last:
    """The last step of each sequence alone: layers behind it run once a sequence."""

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

    Needs no format undivided, else those of ``weight`` and ``output``. The design must know the
    longest sequence (``max_steps`` or a task): it sets the word of the total. Undivided it is as
    many times too large as there are steps, so that only a :class:`Linear` layer without an
    activation may read it.
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


# --- compositions ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Bidirectional:
    """A layer run forward and another run backward, side by side: at every step the forward
    output, then the backward one, which has read the rest of the sequence (Schuster & Paliwal
    1997, "Bidirectional recurrent neural networks").

    ``backward`` is the backward layer, ``layer`` again if left out. Tensors: those of the layers
    under ``NAME.forward`` and ``NAME.backward``. ``join`` is what becomes of the two outputs: one
    vector of both, or their exact sum, mean or product. With ``last`` it gives one step: what
    each layer gives when it has read the whole sequence, the backward one at the first step.
    """

    layer: Layer
    backward: Layer | None = None
    name: str = ""
    join: Literal["concatenate", "add", "mean", "multiply"] = "concatenate"
    last: bool = False

    def __post_init__(self) -> None:
        if self.join not in _JOINS:
            raise DesignError(f"Bidirectional(join={self.join!r})", f"use one of {list(_JOINS)}")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run both, the second between two reversals, and join them."""
        ahead = self.layer.build(net, source, f"{name}.forward")
        other = self.backward or self.layer
        back = other.build(net, net.reverse(source, f"{name}.reversed"), f"{name}.backward")
        if self.last:
            both: list[TimeNode] = [
                net.last(ahead, f"{name}.forward_last"),
                net.last(back, f"{name}.backward_last"),
            ]
        else:
            both = [ahead, net.reverse(back, f"{name}.restored")]
        return net.scan(name, both, _JOINS[self.join], Formats())


@dataclass(frozen=True)
class Residual:
    """Layers with a skip connection around them (He et al. 2016, arXiv:1512.03385): the last
    one's output and the first one's input, added or, with ``join="concatenate"``, side by side.

    The sum is exact unless the design gives ``output`` a format (signal ``NAME.output``). The
    layers are built under ``NAME.0``, ``NAME.1``... or under their own names.
    """

    layers: Sequence[Layer]
    join: Literal["add", "concatenate"] = "add"
    formats: Formats = Formats()
    name: str = ""

    def __post_init__(self) -> None:
        if self.join not in ("add", "concatenate"):
            raise DesignError(f"Residual(join={self.join!r})", "use 'add' or 'concatenate'")
        if not isinstance(self.layers, Sequence) or not self.layers:
            raise DesignError(
                f"Residual(layers={self.layers!r})", "give a list of at least one layer"
            )

    def step(self, g: StepBuilder, before: Node, after: Node) -> Node:
        """The skip connection."""
        if self.join == "concatenate":
            return _concatenate(g, after, before)
        return g.cast_if_given(g.add(after, before, "sum"), "output")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Run the layers, then join."""
        _refuse_total("Residual", source)
        after = source
        for position, layer in enumerate(self.layers):
            after = layer.build(net, after, layer.name or f"{name}.{position}")
        _refuse_total("a skip connection", after)
        if after.steps_for(_MANY_STEPS) != source.steps_for(_MANY_STEPS):
            raise DesignError(
                f"a skip connection around {after.name!r}: it gives fewer steps than it reads",
                "leave Window and Last outside",
            )
        return net.scan(name, [source, after], self.step, self.formats)


@dataclass(frozen=True)
class Heads:
    """Several outputs of one network: every head reads what stands before, and gives one of them.

    ``heads`` are layers, or lists of layers from first to last; the outputs are called after the
    last layer of each. A head of one layer is built under its own name or ``NAME.0``, ``NAME.1``
    by its position; of several under their own or ``NAME.0.0``, ``NAME.0.1``... Nothing stands
    behind heads. The task judges the first output, unless ``Design(outputs=...)`` orders them
    otherwise.
    """

    heads: Sequence[Layer | Sequence[Layer]]
    name: str = ""

    def __post_init__(self) -> None:
        chains = self.heads if isinstance(self.heads, Sequence) else ()
        if not chains or any(isinstance(chain, Sequence) and not chain for chain in chains):
            raise DesignError(
                f"Heads({self.heads!r})", "give a list of heads, each a layer or a list of layers"
            )

    @property
    def chains(self) -> tuple[tuple[Layer, ...], ...]:
        """The layers of every head."""
        return tuple(tuple(head) if isinstance(head, Sequence) else (head,) for head in self.heads)

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        """Build every head on ``source``, and make what it gives an output."""
        end = source
        for position, chain in enumerate(self.chains):
            end = source
            for depth, layer in enumerate(chain):
                under = f"{name}.{position}" + (f".{depth}" if len(chain) > 1 else "")
                end = layer.build(net, end, layer.name or under)
            if not isinstance(chain[-1], Heads):  # these have given their own
                net.give(end)
        return end


_MANY_STEPS = 1 << 20
"""More steps than any window joins."""


def _concatenate(g: StepBuilder, a: Node, b: Node) -> Node:
    return g.gather([a, b], range(a.units + b.units), "both")


def _added(g: StepBuilder, a: Node, b: Node) -> Node:
    return g.add(a, b, "both")


def _mean(g: StepBuilder, a: Node, b: Node) -> Node:
    """Half the sum: its integers under a finer scale."""
    both = g.add(a, b, "sum")
    half = replace(both.format, integer=both.format.integer - 1, fraction=both.format.fraction + 1)
    return g.reinterpret(both, half, "both")


def _multiplied(g: StepBuilder, a: Node, b: Node) -> Node:
    return g.multiply(a, b, "both")


_JOINS: Mapping[str, Callable[[StepBuilder, Node, Node], Node]] = {
    "concatenate": _concatenate,
    "add": _added,
    "mean": _mean,
    "multiply": _multiplied,
}
