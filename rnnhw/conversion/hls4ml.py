"""hls4ml's networks, equal to its compiled C++ model in every output bit.

hls4ml (https://github.com/fastmachinelearning/hls4ml, rules of release 1.3.0) writes C++ over
``ap_fixed`` or ``ac_fixed``, in which an assignment is a cast and everything else is exact. Its
layers are therefore ordinary graphs: a dense layer casts every product and every sum to
``accum_t``, the bias first; an activation is a cast to the address of a table, a lookup and a
cast. :func:`network` builds them from the C++ types and the integers of a model:

* Vitis and Vivado: ``LSTM`` (gates i, f, c, o), ``GRU`` (reset-after, in Keras's order z, r, h
  or PyTorch's r, z, n) and ``MLP`` (dense, tanh, sigmoid, relu, linear), strategy Latency;
* Quartus: ``SimpleRNN``.

Anything else is refused, for its arithmetic is not known here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError
from rnnhw.execution import engine
from rnnhw.execution.batch import Batch, Run, make_batch
from rnnhw.graph.builder import Formats, StepBuilder
from rnnhw.graph.network import Network, NetworkBuilder, TimeNode
from rnnhw.graph.nodes import Node, State
from rnnhw.layers.structures import Dense
from rnnhw.numerics.cast import NOTHING, Overflow, Q, Rounding, real_values
from rnnhw.numerics.tables import SIGMOID, TANH, RealFunction

__all__ = ["Imported", "network", "parse_type"]

IntArray = NDArray[np.int64]
Meta = Mapping[str, Any]
Arrays = Mapping[str, ArrayLike]


@dataclass(frozen=True, eq=False)
class Imported:
    """A model as a network with its parameters.

    ``rows`` tells a model of single vectors, x [rows, features], from one of sequences,
    x [sequences, steps, features]; ``every_step`` one that gives all steps from one that gives
    the last.
    """

    network: Network
    parameters: Parameters
    rows: bool
    every_step: bool

    def batch(self, x: ArrayLike) -> Batch:
        """Raw inputs in hls4ml's shape, checked."""
        given = np.asarray(x)
        return make_batch(self.network, given[:, None] if self.rows else given, raw=True)

    def outputs(self, run: Run | engine.EngineRun) -> IntArray:
        """Raw outputs in hls4ml's shape, [rows or sequences, units] or with steps between."""
        return run.outputs if self.every_step else run.outputs[:, 0]

    def run(self, x: ArrayLike, *, isa: str | None = None, lanes: int | None = None) -> IntArray:
        """Raw outputs for raw inputs, by the engine."""
        batch = self.batch(x)
        return self.outputs(engine.run(self.network, self.parameters, batch, isa=isa, lanes=lanes))


def network(meta: Meta, arrays: Arrays) -> Imported:
    """The network of an hls4ml model.

    ``meta`` names ``kind`` (LSTM, GRU, SimpleRNN or RNN, MLP), ``backend``, ``strategy``, the C++
    typedefs under ``types``, ``table_size``, ``activation``, ``recurrent_activation``,
    ``gate_order`` and ``return_sequences``; an MLP lists its ``layers``. ``arrays`` holds the raw
    integers of the C++ model. Vitis: ``W_int`` [inputs, gates * units], ``U_int``
    [units, gates * units], ``b_int`` and ``bu_int`` [gates * units]. Quartus: ``W_int``
    [units, inputs], ``U_int`` [units, units], ``b_int``, and ``bu_int`` from PyTorch alone. An
    MLP's layers name theirs, [inputs, units] and [units].

    Raises:
        DesignError: a layer, layout or type is not one whose arithmetic is known here.
    """
    kind, backend = str(meta.get("kind")), str(meta.get("backend"))
    vendor = "Vitis" if backend in ("Vivado", "VivadoAccelerator") else backend
    strategy = str(meta.get("strategy", "Latency"))
    if vendor == "Vitis" and strategy.lower() != "latency":
        raise DesignError(f"hls4ml: strategy {strategy} is unknown", "use Latency")
    if (vendor, kind) == ("Vitis", "MLP"):
        return _feed_forward(meta, arrays)
    if (vendor, kind) in _CELLS:
        return _recurrent(meta, arrays, *_CELLS[vendor, kind])
    known = ", ".join(f"{a} {b}" for a, b in (*_CELLS, ("Vitis", "MLP")))
    raise DesignError(f"hls4ml: {backend} {kind} is unknown", f"known: {known}")


# --- types -------------------------------------------------------------------------------------
_TYPE = re.compile(r"(a[pc])_(u?)(fixed|int)<([^<>]*)>")


def parse_type(text: str) -> Q:
    """The format of a C++ type such as ``ap_fixed<16,6,AP_RND,AP_SAT,0>``, ``ac_fixed<16,6,true>``.

    Raises:
        DesignError: it is no ``ap_(u)fixed``, ``ap_(u)int``, ``ac_fixed`` or ``ac_int``, or has
            other saturation bits than 0.
    """
    match = _TYPE.fullmatch(re.sub(r"\s", "", str(text)))
    if match is None:
        raise DesignError(f"hls4ml: {text!r} is no fixed-point type of C++")
    library, unsigned, kind, listed = match.groups()
    parts = listed.split(",")
    try:
        width = int(parts.pop(0))
        integer = int(parts.pop(0)) if kind == "fixed" else width
        signed = not unsigned
        if library == "ac":
            signed = {"true": True, "false": False, "1": True, "0": False}[parts.pop(0)]
        rounding = Rounding(_mode(parts.pop(0))) if parts else Rounding.TRN
        overflow = Overflow(_mode(parts.pop(0))) if parts else Overflow.WRAP
        understood = parts in ([], ["0"])
    except (ValueError, KeyError, IndexError):
        understood = False
    if not understood:
        raise DesignError(f"hls4ml: the type {text!r} is not understood")
    return Q.ap_fixed(width, integer, rounding, overflow, signed=signed)


def _mode(name: str) -> str:
    return re.sub(r"^A[PC]_", "", name)


class _Types:
    """The typedefs of a recurrent model; those of its layer begin with one name."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types
        layers = [key.removesuffix("_accum_t") for key in types if key.endswith("_accum_t")]
        if len(layers) != 1:
            raise DesignError(
                f"hls4ml: {len(layers)} accumulator types, but a recurrent model has one",
                f"types: {', '.join(types)}",
            )
        self._layer = layers[0]

    def __getitem__(self, names: str) -> Q:
        """The format of the first of ``names`` (parted by blanks) that there is."""
        for name in names.split():
            for key in (f"{self._layer}_{name}_t", f"{name}_t"):
                if key in self._types:
                    return parse_type(self._types[key])
        raise DesignError(f"hls4ml: no type {names}_t", f"types: {', '.join(self._types)}")


# --- functions ---------------------------------------------------------------------------------
def _float_sigmoid(value: float) -> float:
    """``float(1.0 / (1 + expf(-x)))`` of C++: float32 but for the division.

    expf is taken to be the correctly rounded exponential. glibc's can differ from that in the
    last bit, but does so at no argument of a table of up to 8192 entries.
    """
    denominator = np.float32(1.0) + np.float32(math.exp(-value))
    return float(np.float32(1.0 / float(denominator)))


@dataclass(frozen=True)
class _Function:
    """A function with a table over -reach..reach: as Vitis samples it, and in double.

    Vitis's tanh is taken in double; a C library whose ``tanh(float)`` is chosen instead could
    differ in entries of 14 or more fraction bits (hls4ml's have 10 unless asked otherwise).
    """

    reach: int
    sampled: RealFunction
    exact: RealFunction


_FUNCTIONS = {
    "sigmoid": _Function(8, RealFunction("sigmoid", _float_sigmoid, SIGMOID.vector), SIGMOID),
    "tanh": _Function(4, TANH, TANH),
}


# --- what steps are written with ---------------------------------------------------------------
class _Writer:
    """Writes one layer's step with a format for every signal, as C++ has a type for every
    variable. The formats go where the builder looks for them: into the network's overrides.
    """

    def __init__(self, g: StepBuilder, layer: str, overrides: dict[str, Q]) -> None:
        self.g = g
        self._layer = layer
        self._overrides = overrides

    def typed(self, name: str, format: Q) -> str:
        """``name``, declared with its format."""
        self._overrides[f"{self._layer}.{name}"] = format
        return name

    def state(self, name: str, units: int, format: Q) -> State:
        """A vector that starts at zero."""
        return self.g.state(units, self.typed(name, format))

    def cast(self, a: Node, format: Q, name: str, role: str = "sum") -> Node:
        """``a`` assigned to a variable."""
        return self.g.cast(a, role, self.typed(name, format))

    def bias(self, name: str, units: int, format: Q) -> Node:
        """A trained vector."""
        return self.g.constant(self.typed(name, format), units, "bias")

    def product(
        self, key: str, format: Q, x: Node, units: int, start: Node | None, name: str
    ) -> Node:
        """``start + W x`` in the layer's accumulator."""
        weights = self.g.tensor(self.typed(key, format), (units, x.units), "weight")
        return self.g.matvec(Dense(), weights, x, units, start, name=name)

    def parts(self, vector: Node, count: int) -> list[Node]:
        """A vector taken apart: wiring."""
        units = vector.units // count
        ends = range(0, vector.units, units)
        return [self.g.gather([vector], range(first, first + units)) for first in ends]


Activate = Callable[[_Writer, Node, str, Q, str], Node]
"""(writer, argument, function, format of the value, name) to the value."""


@dataclass(frozen=True)
class _Tables:
    """The tables of a layer: how many entries, of which format."""

    size: int
    entry: Q

    @property
    def bits(self) -> int:
        """Bits of an address."""
        if self.size < 16 or self.size & (self.size - 1):
            raise DesignError(
                f"hls4ml: a table of {self.size} entries", "use a power of two, 16 or more"
            )
        return self.size.bit_length() - 1

    def vitis(self, w: _Writer, z: Node, function: str, result: Q, name: str) -> Node:
        """``table[clamp(trunc(z N / R) + N/2, 0, N - 1)]``, R twice the reach.

        The index without N/2 is z in steps of R/N, truncated toward zero and limited to
        -N/2..N/2-1: a cast to a signed word of log2 N bits, whose value is the argument at which
        hls4ml sampled the entry.
        """
        if function not in _FUNCTIONS:
            return _without_table(w, z, function, result, name)
        reach = _FUNCTIONS[function].reach.bit_length() - 1
        address = Q(reach, self.bits - 1 - reach, rounding=Rounding.TRN_ZERO)
        at = w.cast(z, address, f"{name}.address")
        entry = w.typed(f"{name}.entry", self.entry)
        looked_up = w.g.lookup(at, _FUNCTIONS[function].sampled, "gate", entry)
        return w.cast(looked_up, result, name, "gate")

    def quartus(self, w: _Writer, z: Node, function: str, result: Q, name: str) -> Node:
        """``table[min(floor(|z| N / M), N - 1)]``, M the reach, entries sampled in double in the
        middle of their steps of M/N; |z| has z's type. For z < 0 tanh is the opposite of the
        entry and the sigmoid one minus it.

        hls4ml reads outside its table where |z| is M exactly, or is negative because the type
        wraps; those take the last and the first entry here.
        """
        if function not in _FUNCTIONS:
            return _without_table(w, z, function, result, name)
        f, g = _FUNCTIONS[function], w.g
        reach, half = f.reach.bit_length() - 1, f.reach / (2 * self.size)
        zero = g.literal(f"{name}.zero", [0] * z.units)
        opposite = w.cast(g.subtract(zero, z), z.format, f"{name}.opposite")
        address = Q(reach, self.bits - reach, signed=False, rounding=Rounding.TRN)
        at = w.cast(g.select(z, z, opposite), address, f"{name}.address")
        middle = RealFunction(function, lambda x: f.exact.scalar(x + half), f.exact.vector)
        looked_up = g.lookup(at, middle, "gate", w.typed(f"{name}.entry", self.entry))
        above = w.cast(looked_up, result, f"{name}.above", "gate")
        turn = zero if function == "tanh" else g.literal(f"{name}.one", [1] * z.units)
        below = w.cast(g.subtract(turn, above), result, f"{name}.below", "gate")
        return w.cast(g.select(z, above, below), result, name, "gate")


def _without_table(w: _Writer, z: Node, function: str, result: Q, name: str) -> Node:
    match function:
        case "relu":
            return w.cast(w.g.clamp(z, 0, None), result, name, "gate")
        case "linear":
            return w.cast(z, result, name, "gate")
    known = ", ".join([*_FUNCTIONS, "relu", "linear"])
    raise DesignError(f"hls4ml: activation {function!r} is unknown", f"known: {known}")


# --- recurrent layers --------------------------------------------------------------------------
@dataclass(frozen=True)
class _Cell:
    """A recurrent layer: its sizes, types and functions; ``torch`` is PyTorch's gate order, and
    ``biases`` whether there is a recurrent one."""

    units: int
    types: _Types
    tables: _Tables
    function: str
    gate_function: str
    torch: bool
    biases: bool

    def _sums(self, w: _Writer, x: Node, h: Node, gates: int) -> tuple[Node, Node]:
        """``W x + b`` and ``U h + b2``: Vitis casts every product, and every sum from the bias
        on, to the accumulator's type."""
        rows, types = gates * self.units, self.types
        for role in ("product", "accumulator"):
            w.typed(role, types["accum"])
        b = w.bias("b", rows, types["bias"])
        b2 = w.bias("b2", rows, types["recurrent_bias bias"]) if self.biases else None
        u = types["recurrent_weight weight"]
        return (
            w.product("W", types["weight"], x, rows, b, "Wx"),
            w.product("U", u, h, rows, b2, "Uh"),
        )

    def _vitis(self, w: _Writer, z: Node, function: str, name: str) -> Node:
        return self.tables.vitis(w, z, function, self.types["accum"], name)

    def lstm(self, w: _Writer, x: Node) -> Node:
        """``c' = i g + f c``, ``h' = o t(c')``."""
        g, accum, result = w.g, self.types["accum"], self.types["result"]
        h, c = w.state("state", self.units, result), w.state("cell", self.units, result)
        zi, zf, zc, zo = w.parts(w.cast(g.add(*self._sums(w, x, h, 4)), accum, "sum"), 4)
        i = self._vitis(w, zi, self.gate_function, "i")
        f = self._vitis(w, zf, self.gate_function, "f")
        o = self._vitis(w, zo, self.gate_function, "o")
        n = self._vitis(w, zc, self.function, "g")
        new = w.cast(g.add(g.multiply(n, i), g.multiply(c, f)), result, "cell", "cell")
        g.update(c, new)
        y = g.multiply(o, self._vitis(w, new, self.function, "cell.squashed"))
        return g.update(h, w.cast(y, result, "state", "state"))

    def gru(self, w: _Writer, x: Node) -> Node:
        """``n = t(a_n + r r_n)``, ``h' = n (1 - z) + h z``."""
        g, accum, result = w.g, self.types["accum"], self.types["result"]
        h = w.state("state", self.units, result)
        a, r = self._sums(w, x, h, 3)
        (a0, a1, an), (r0, r1, rn) = w.parts(a, 3), w.parts(r, 3)
        order = "rz" if self.torch else "zr"
        gates = {}
        for gate, left, right in zip(order, (a0, a1), (r0, r1), strict=True):
            total = w.cast(g.add(left, right), accum, f"{gate}.sum")
            gates[gate] = self._vitis(w, total, self.gate_function, gate)
        z = gates["z"]
        kept = w.cast(g.multiply(gates["r"], rn), accum, "n.recurrent_sum")
        n = self._vitis(w, w.cast(g.add(an, kept), accum, "n.sum"), self.function, "n")
        fraction = max(z.format.fraction, 0)
        one = g.literal("one", [1 << fraction] * self.units, fraction)
        y = g.add(g.multiply(n, g.subtract(one, z)), g.multiply(h, z))
        return g.update(h, w.cast(y, result, "state", "state"))

    def simple(self, w: _Writer, x: Node) -> Node:
        """``h' = t(W x + b + U h + b2)``: Quartus casts after every add, not the products; the
        state has the input's type."""
        g, types = w.g, self.types
        accum, result = types["accum"], types["input"]
        if (types["result"].width, types["result"].fraction) != (result.width, result.fraction):
            raise DesignError("hls4ml: Quartus SimpleRNN with an input type other than its result")
        h = w.state("state", self.units, result)
        w.typed("accumulator", accum)
        wx = w.product("W", types["weight"], x, self.units, None, "Wx")
        uh = w.product("U", types["recurrent_weight weight"], h, self.units, None, "Uh")
        a = w.cast(g.add(wx, w.bias("b", self.units, types["bias"])), accum, "input_sum")
        if self.biases:
            b2 = w.bias("b2", self.units, types["recurrent_bias bias"])
            uh = w.cast(g.add(uh, b2), accum, "recurrent_sum")
        z = w.cast(g.add(a, uh), accum, "sum")
        return g.update(h, self.tables.quartus(w, z, self.function, result, "state"))


_CELLS: Mapping[tuple[str, str], tuple[int, bool, Callable[[_Cell, _Writer, Node], Node]]] = {
    ("Vitis", "LSTM"): (4, True, _Cell.lstm),
    ("Vitis", "GRU"): (3, True, _Cell.gru),
    ("Quartus", "SimpleRNN"): (1, False, _Cell.simple),
    ("Quartus", "RNN"): (1, False, _Cell.simple),
}
"""Gates, whether the matrices are stored [columns, rows], and the step."""

_ORDERS = {"LSTM": {"i,f,c,o": False}, "GRU": {"z,r,h": False, "r,z,n": True}}
"""Known orders of gates, and whether it is PyTorch's."""


def _torch_order(meta: Meta) -> bool:
    orders = _ORDERS.get(meta["kind"])
    if orders is None:
        return False
    order = re.sub(r"\s", "", str(meta.get("gate_order", "")).partition("(")[0])
    if order not in orders:
        raise DesignError(
            f"hls4ml: gate order {order!r} of {meta['kind']} is unknown",
            f"known: {' or '.join(orders)}",
        )
    return orders[order]


def _recurrent(
    meta: Meta,
    arrays: Arrays,
    gates: int,
    by_columns: bool,
    step: Callable[[_Cell, _Writer, Node], Node],
) -> Imported:
    types, torch = _Types(_needed(meta, "types")), _torch_order(meta)
    raw = {
        f"rnn.{key}": _integers(arrays, name, by_columns)
        for key, name in {"W": "W_int", "U": "U_int", "b": "b_int", "b2": "bu_int"}.items()
        if name in arrays or key != "b2"
    }
    rows, units = raw["rnn.U"].shape if raw["rnn.U"].ndim == 2 else (0, 0)
    if rows != gates * units or raw["rnn.W"].ndim != 2:
        shapes = {name: np.shape(arrays[name]) for name in ("W_int", "U_int")}
        raise DesignError(f"hls4ml: arrays of shapes {shapes} are no {meta['kind']}")
    cell = _Cell(
        units=units,
        types=types,
        tables=_Tables(int(_needed(meta, "table_size")), types["table"]),
        function=str(meta.get("activation", "tanh")),
        gate_function=str(meta.get("recurrent_activation", "sigmoid")),
        torch=torch,
        biases="rnn.b2" in raw,
    )
    overrides: dict[str, Q] = {}
    net = NetworkBuilder(raw["rnn.W"].shape[1], types["input"], Formats(), overrides, None)
    scan = net.scan(
        "rnn", [net.source], lambda g, x: step(cell, _Writer(g, "rnn", overrides), x), Formats()
    )
    every_step = bool(meta.get("return_sequences", False))
    if not every_step:
        net.last(scan, "last")
    made = net.build()
    return Imported(made, _parameters(made, raw), rows=False, every_step=every_step)


# --- feed-forward networks ---------------------------------------------------------------------
def _feed_forward(meta: Meta, arrays: Arrays) -> Imported:
    layers = _with_model_types(_needed(meta, "layers"), meta.get("types", {}))
    raw: dict[str, IntArray] = {}
    overrides: dict[str, Q] = {}
    features = len(_integers(arrays, f"{_needed(layers[0], 'w')}_int"))
    first = parse_type(_needed(layers[0], "in_t"))
    net = NetworkBuilder(features, first, Formats(), overrides, None)
    source: TimeNode = net.source
    for position, layer in enumerate(layers):
        read, got = parse_type(_needed(layer, "in_t")), source.format
        if (read.width, read.fraction, read.signed) != (got.width, got.fraction, got.signed):
            raise DesignError(f"hls4ml: layer {position} reads {read}, but gets {got}")
        name, units = f"layer{position}", source.units
        if _needed(layer, "op") == "dense":
            raw[f"{name}.W"] = _integers(arrays, f"{_needed(layer, 'w')}_int", transposed=True)
            raw[f"{name}.b"] = _integers(arrays, f"{_needed(layer, 'b')}_int")
            units = raw[f"{name}.b"].size
        step = partial(_feed_forward_step, layer, units, name, overrides)
        source = net.scan(name, [source], step, Formats())
    made = net.build()
    return Imported(made, _parameters(made, raw), rows=True, every_step=False)


def _with_model_types(
    layers: Sequence[Mapping[str, Any]], types: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """The layers with the model's typedefs, which are the truth where a layer's list differs.

    The typedefs of a dense layer and of its activation begin with one name; the layers' names
    come in their order.
    """
    names = iter([key.removesuffix("_accum_t") for key in types if key.endswith("_accum_t")])
    name = ""
    found: list[Mapping[str, Any]] = []
    for layer in layers:
        op = _needed(layer, "op")
        if op == "dense":
            name = next(names, "")
        stem = name if op == "dense" else f"{name}_{op}"
        kinds = ("weight_t", "bias_t", "accum_t", "table_t")
        given = {kind: types[f"{stem}_{kind}"] for kind in kinds if f"{stem}_{kind}" in types}
        found.append({**layer, **given})
    return found


def _feed_forward_step(
    layer: Mapping[str, Any],
    units: int,
    name: str,
    overrides: dict[str, Q],
    g: StepBuilder,
    x: Node,
) -> Node:
    w, result = _Writer(g, name, overrides), parse_type(_needed(layer, "out_t"))
    if layer["op"] != "dense":
        entry = parse_type(layer.get("table_t", "ap_fixed<18,8>"))
        tables = _Tables(int(layer.get("table_size", 1024)), entry)
        return tables.vitis(w, x, str(layer["op"]), result, "output")
    weight, bias, accum = (
        parse_type(_needed(layer, key)) for key in ("weight_t", "bias_t", "accum_t")
    )
    for role in ("product", "accumulator"):
        w.typed(role, accum)
    b = w.bias("b", units, bias)
    return w.cast(w.product("W", weight, x, units, b, "Wx"), result, "output", "output")


def _needed(meta: Mapping[str, Any], name: str) -> Any:
    if name not in meta:
        raise DesignError(f"hls4ml: no {name!r} in the model's description")
    return meta[name]


def _integers(arrays: Arrays, name: str, transposed: bool = False) -> IntArray:
    if name not in arrays:
        raise DesignError(f"hls4ml: no array {name}", f"there are: {', '.join(arrays)}")
    given = np.asarray(arrays[name])
    if given.dtype.kind not in "iu":
        raise DesignError(f"hls4ml: {name} holds {given.dtype}, not raw integers")
    return given.astype(np.int64).T if transposed else given.astype(np.int64)


def _parameters(network: Network, raw: Mapping[str, IntArray]) -> Parameters:
    """The raw integers as parameters, checked against the tensors' shapes and words."""
    for tensor in network.tensors:
        given, format = raw[tensor.key], tensor.format
        if given.shape != tensor.shape:
            raise DesignError(
                f"hls4ml: {tensor.key} has shape {given.shape}, the layer needs {tensor.shape}"
            )
        if given.min() < format.lowest or given.max() > format.max:
            raise DesignError(f"hls4ml: {tensor.key} has integers outside {format}")
    kept = {tensor.key: np.ascontiguousarray(raw[tensor.key]) for tensor in network.tensors}
    values = {t.key: real_values(kept[t.key], t.format) for t in network.tensors}
    return Parameters(values, kept, dict.fromkeys(kept, NOTHING))
