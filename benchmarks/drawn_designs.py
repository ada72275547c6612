"""Designs at random over formats, cells, structures and lanes, whose resources are synthesised.

A design follows from a seed and an index alone: :func:`drawn_design`. Its words have 2 to 32 bits,
its layers 2 to 32 units; the numbers of its memories have no column (bit of a word) that is
constant, which synthesis would drop.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_, or_

import numpy as np

from rnnhw import (
    GRU,
    LSTM,
    Banded,
    BlockDiagonal,
    Butterfly,
    CyclicBand,
    Dense,
    Design,
    Diagonal,
    Elman,
    Formats,
    Hadamard,
    HardTanh,
    JordanNetwork,
    Last,
    LeakyElman,
    Linear,
    LowRank,
    Mean,
    MinGRU,
    Overflow,
    Q,
    ReLU,
    Rounding,
    Sigmoid,
    Tanh,
    Window,
)
from rnnhw.accelerator import Accelerator, Basis, accelerator, lane_options
from rnnhw.cost.fpga.logic import has_constant_bits
from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Tensor
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.network import emit_network

__all__ = ["ROW_SCALES", "Drawn", "drawn_design"]

MOST_LANES = 4
MOST_UNITS = 32
ROW_SCALES = "row scales"
"""A seed of the calibration."""


@dataclass(frozen=True)
class Drawn:
    """A drawn design: what a table calls it, its machine and its Verilog with numbers."""

    name: str
    lanes: dict[str, int]
    machine: Accelerator
    emission: Emission


def drawn_design(seed: str, index: int) -> Drawn:
    """The design of an index: the first of a sequence, which seed and index start, that can be
    emitted with numbers of which no column is constant.

    With :data:`ROW_SCALES` as its seed the rows of its weights have scales, powers of two.
    """
    r = random.Random(f"{seed}/{index}")
    while True:
        try:
            name, design = _design(r)
            if seed == ROW_SCALES:
                bits = r.randint(1, 4)
                scaled = replace(design.formats, scale_exponent=Q(bits, 0, signed=False))
                name, design = f"{name}, scales of {bits}", replace(design, formats=scaled)
            network = design.network
            lanes = _lanes(r, network)
            machine = accelerator(network, lanes)
        except DesignError:
            continue
        if any(layer.basis is not Basis.REALISED for layer in machine.layers):
            continue
        # No numbers change a table. They are drawn all the same: what is drawn behind them is then
        # the same too.
        constant_table = any(map(has_constant_bits, machine.layers))
        for _ in range(20):
            numbers = _numbers(r, network)
            if constant_table:
                continue
            emission = emit_network("net", network, machine, numbers)
            if not _has_constant_column(emission):
                return Drawn(name, lanes, machine, emission)


# --- formats -------------------------------------------------------------------------------------
def _word(r: random.Random, low: int, high: int, *, plain: bool = False, signed: bool = True) -> Q:
    """A word of ``low`` to ``high`` bits; ``plain``: that rounds to nearest and saturates."""
    width = r.randint(low, high)
    rounding, overflow = Rounding.RND, Overflow.SAT
    if not plain:
        rounding = r.choices([Rounding.RND, Rounding.TRN, r.choice(list(Rounding))], [7, 2, 1])[0]
        overflow = r.choices([Overflow.SAT, Overflow.WRAP, r.choice(list(Overflow))], [8, 1, 1])[0]
        if overflow is Overflow.WRAP_SM and not signed:
            overflow = Overflow.WRAP
    integer = r.randint(0, min(3, width - signed))
    return Q(integer, width - integer - signed, signed, rounding, overflow)


def _formats(r: random.Random, *, tables: bool, unsigned: bool) -> Formats:
    """A format for every role: half of the designs have words of up to 16 bits, the others of up
    to 32; the arguments of ``tables`` have 4 to 10."""
    most = r.choice([16, 32])
    common = r.randint(4, 16)
    least = 2 if r.random() < 0.2 else 4

    def word(low: int, *, plain: bool = False, signed: bool = True) -> Q:
        if r.random() < 0.4:
            return _word(r, common, common, plain=plain, signed=signed)
        return _word(r, low, most, plain=plain, signed=signed)

    return Formats(
        input=word(least, plain=True, signed=r.random() < 0.9),
        weight=word(least, plain=True),
        recurrent_weight=word(least, plain=True) if r.random() < 0.4 else None,
        bias=word(4, plain=True) if r.random() < 0.4 else None,
        sum=_word(r, 4, 10) if tables else word(4),
        recurrent_sum=word(4) if r.random() < 0.5 else None,
        gate=word(4) if r.random() < 0.6 else None,
        cell=word(6),
        state=word(4, signed=not unsigned),
        stage=word(4) if r.random() < 0.5 else None,
        output=word(4) if r.random() < 0.3 else None,
    )


# --- layers --------------------------------------------------------------------------------------
def _structure(r: random.Random, n: int):
    divisors = [k for k in range(2, n + 1) if n % k == 0]
    plain = [
        Dense(),
        Diagonal(),
        Banded(1, 1),
        Banded(r.randint(0, min(3, n - 1)), r.randint(0, min(3, n - 1))),
        CyclicBand(1, 1) if n > 2 else Dense(),
        BlockDiagonal(r.choice(divisors)),
    ]
    choices = [*plain, plain[0], plain[0], LowRank(max(n // 4, 1))]
    if n > 2 and n & (n - 1) == 0 and r.random() < 0.1:
        choices = [
            Hadamard(before=r.random() < 0.5, after=r.random() < 0.8),
            Butterfly(bias=r.random() < 0.5),
        ]
    return r.choice(choices)


def _design(r: random.Random) -> tuple[str, Design]:
    """A design without numbers, and its name."""
    cell = r.choices(
        ["elman", "lstm", "gru", "leaky", "mingru", "jordan", "head"], [6, 4, 4, 2, 2, 1, 1]
    )[0]
    n = r.choice([r.randint(2, MOST_UNITS), 1 << r.randint(1, 5)])
    structure = Dense() if cell in ("mingru", "jordan", "head") else _structure(r, n)
    kind = r.choices(["tanh", "sigmoid", "hard", "relu"], [5, 2, 2, 1])[0]
    unsigned = cell == "elman" and kind in ("sigmoid", "relu")
    tables = kind in ("tanh", "sigmoid") or cell == "jordan"
    formats = _formats(r, tables=tables, unsigned=unsigned)
    activation = {"tanh": Tanh(), "sigmoid": Sigmoid(), "hard": HardTanh(), "relu": ReLU()}[kind]
    gate = Sigmoid() if tables else HardTanh()
    squash = Tanh() if kind == "sigmoid" else activation
    more = {"initial": r.random() < 0.2, "name": "rnn"}
    layer: object
    match cell:
        case "elman":
            layer = Elman(n, structure, activation, bias=r.random() < 0.9, **more)
        case "leaky":
            layer = LeakyElman(n, None, structure, squash, **more)
        case "lstm":
            peephole, projection = r.random() < 0.2, r.choice([None, None, None, max(n // 2, 1)])
            layer = LSTM(
                n, structure, squash, gate, peephole=peephole, projection=projection, **more
            )
            cell += ", peepholes" * peephole + ", projected" * bool(projection)
        case "gru":
            reset = r.choice(["after", "before"])
            layer = GRU(n, structure, reset, squash, gate, **more)
            cell += f", reset {reset}"
        case "mingru":
            layer = MinGRU(n, gate, **more)
        case "jordan":
            layer = JordanNetwork(n, max(n // 2, 1), Dense(), squash, **more)
        case _:
            layer = Linear(n, name="rnn")
    layers: list[object] = [layer]
    end = r.random()
    names = [cell if cell in ("mingru", "jordan", "head") else f"{cell}, {_called(structure)}"]
    if r.random() < 0.1:
        layers.insert(0, Window(r.randint(2, 3)))
        names.insert(0, "window")
    if end < 0.08:
        layers += [Last(), Linear(r.randint(2, 10), name="head")]
        names.append("last, head")
    elif end < 0.16 and not unsigned:
        layers += [Mean(), Linear(r.randint(2, 10), name="head")]
        names.append("mean, head")
    elif end < 0.2:
        layers.append(Elman(r.randint(2, 16), activation=activation, name="rnn2"))
        names.append("elman")
    inputs = r.randint(1, 12)
    words = "/".join(
        str(getattr(formats, role).width) for role in ("input", "weight", "sum", "state")
    )
    name = f"{'; '.join(names)}, {n} units, {inputs} inputs, {kind}, bits {words}"
    return name, Design(layers=layers, formats=formats, inputs=inputs, max_steps=50)


def _called(structure: object) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(structure).__name__).lower()


def _lanes(r: random.Random, network: Network) -> dict[str, int]:
    """A legal number of lanes for each layer."""
    found = {}
    for choice in lane_options(network):
        legal = [lanes for lanes in choice.lanes if 0 < lanes <= MOST_LANES]
        if legal:
            found[choice.name] = r.choice([r.choice(legal), r.choice(legal[:3])])
    return found


# --- numbers -------------------------------------------------------------------------------------
def _numbers(r: random.Random, network: Network) -> Parameters:
    """Numbers over the whole range of each tensor, every second one the complement of the one
    before it, so that few of its bits are constant."""
    raw = {tensor.key: _raw(r, tensor) for tensor in network.tensors}
    for scan in network.scans:
        for node in scan.graph.nodes:
            weights = getattr(node, "weights", None)
            if weights is not None:
                used = np.zeros(raw[weights.key].size, bool)
                for row in node.structure.rows(node.units, node.vector.units):
                    used[list(row.parameters)] = True
                raw[weights.key] *= used.reshape(weights.shape)
    return Parameters({key: value.astype(float) for key, value in raw.items()}, raw, {})


def _raw(r: random.Random, tensor: Tensor) -> np.ndarray:
    low, high = tensor.format.lowest, tensor.format.max
    values: list[int] = []
    for at in range(int(np.prod(tensor.shape))):
        values.append(low + high - values[-1] if at % 2 else r.randint(low, high))
    return np.array(values, np.int64).reshape(tensor.shape)


def _has_constant_column(emission: Emission) -> bool:
    """Whether a bit is the same in all words of a memory."""
    widths = dict(_rom_widths(emission))
    for file, text in emission.files.items():
        words = [int(word, 16) for word in text.split()] if file.endswith(".hex") else []
        if len(words) > 1:
            changing = reduce(or_, words) & ~reduce(and_, words)
            if ~changing & ((1 << widths[file]) - 1):
                return True
    return False


def _rom_widths(emission: Emission) -> Iterator[tuple[str, int]]:
    """The width of every ROM by its file; that of the biases beside others stands apart."""
    for text in emission.files.values():
        for parameters in re.findall(r"rnnhw_\w+ #\((.*?)\)\s*\w+ \(", text, re.DOTALL):
            for file in re.findall(r"\.FILE\(\"(.*?)\"\)", parameters):
                width = re.search(r"\.BIAS_WIDTH\((\d+)\)", parameters)
                width = width or re.search(r"\.WIDTH\((\d+)\)", parameters)
                assert width is not None
                yield file, int(width[1])
