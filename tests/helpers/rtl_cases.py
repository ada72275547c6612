"""Random layers and stacks for the Verilog emitter, with edge-first weights and inputs.

Everything is drawn from one ``random.Random``.
"""

import random
from dataclasses import dataclass, replace

import numpy as np
from helpers.outputs import some_outputs

from rnnhw.accelerator import lane_options
from rnnhw.accelerator.schedule.time_operations import window_source
from rnnhw.design.design import Design
from rnnhw.design.weights import Parameters
from rnnhw.execution.batch import Batch
from rnnhw.graph.builder import Formats
from rnnhw.layers.activations import HardTanh, Identity, ReLU, Sigmoid, Tanh
from rnnhw.layers.cells import (
    GRU,
    LSTM,
    Elman,
    JordanNetwork,
    Last,
    LeakyElman,
    Linear,
    Mean,
    MinGRU,
    Residual,
    Window,
)
from rnnhw.layers.structures import (
    Banded,
    BlockDiagonal,
    Butterfly,
    CyclicBand,
    Dense,
    Diagonal,
    Hadamard,
    InterleavedBlocks,
    LowRank,
    Monarch,
    Permutation,
    Product,
    Sum,
    UnitWeights,
)
from rnnhw.layers.structures.transforms import FastWalshHadamard
from rnnhw.numerics.cast import Overflow, Q, Rounding


@dataclass(frozen=True)
class Case:
    """A network on the accelerator with numbers and input."""

    network: object
    lanes: dict
    parameters: Parameters
    batch: Batch


def draw_format(r, low=2, high=10, *, signed=None, plain=False):
    """A format of ``low`` to ``high`` bits; ``plain`` rounds half up and saturates."""
    width = r.randint(low, high)
    fraction = r.randint(0, width)
    is_signed = r.random() < 0.8 if signed is None else signed
    rounding = Rounding.RND if plain or r.random() < 0.5 else r.choice(list(Rounding))
    overflow = Overflow.SAT if plain or r.random() < 0.5 else r.choice(list(Overflow))
    if overflow is Overflow.WRAP_SM and not is_signed:
        overflow = Overflow.WRAP
    return Q(width - fraction - is_signed, fraction, is_signed, rounding, overflow)


def draw_accumulator(r):
    """A word that wraps, with all fraction bits that a product can have."""
    fraction = r.choice([18, 20])
    return Q(r.randint(4, 24) - fraction, fraction, True, Rounding.TRN, Overflow.WRAP)


def draw_formats(r):
    """A format for every role."""
    table = draw_format(r, 2, 8)
    widest = 18 if r.random() < 0.1 else 9
    return Formats(
        input=draw_format(r, 1, widest, plain=True),
        weight=draw_format(r, 2, widest, signed=r.random() < 0.9, plain=True),
        recurrent_weight=draw_format(r, 2, widest, signed=True, plain=True),
        bias=draw_format(r, 2, 12, signed=True, plain=True),
        sum=table,
        recurrent_sum=draw_format(r, 4, 14, signed=True) if r.random() < 0.5 else None,
        gate=draw_format(r, 2, 8),
        cell=draw_format(r, 4, 12, signed=True),
        state=draw_format(r, 2, 9),
        stage=draw_format(r, 4, 12, signed=True) if r.random() < 0.5 else None,
        output=draw_format(r, 2, 12) if r.random() < 0.7 else None,
        accumulator=draw_accumulator(r) if r.random() < 0.15 else None,
    )


def draw_structure(r, n):
    """A recurrent matrix that can be emitted, of n units."""
    divisors = [k for k in range(1, n + 1) if n % k == 0]
    choices = [
        Dense(),
        Dense(),
        Diagonal(),
        Banded(r.randint(0, min(n - 1, 4)), r.randint(0, min(n - 1, 4))),
        Banded(1, 1) if n > 1 else Dense(),
        BlockDiagonal(r.choice(divisors)),
        LowRank(r.randint(1, max(n // 2, 1))),
        UnitWeights(),
        Monarch(r.choice(divisors)),
        Monarch(r.choice(divisors)),
        InterleavedBlocks(r.choice(divisors)),
        draw_permutation(r, n),
    ]
    if n > 1 and n & (n - 1) == 0:
        neurons = r.choice([None, None, draw_activation(r)])
        choices += [
            Hadamard(before=r.random() < 0.5, after=r.random() < 0.8),
            Butterfly(activation=neurons, bias=r.random() < 0.5),
        ]
        # Chains of both kinds, and transforms with several readers.
        first, second = r.choice(choices[-2:]), r.choice([*choices[-2:], FastWalshHadamard()])
        choices.append(r.choice([Product, Sum])(first, second))
    if n > 2:
        width = r.randint(0, min(n - 1, 5))
        lower = r.randint(0, width)
        choices.append(CyclicBand(lower, width - lower))
    style = r.random()
    if style < 0.2:
        return Sum(r.choice(choices), r.choice(choices[:5]))
    if style < 0.3:
        return Product(r.choice(choices), draw_permutation(r, n))
    if style < 0.35:
        return Product(draw_permutation(r, n), r.choice(choices))
    return r.choice(choices)


def draw_permutation(r, n):
    """Units in any order."""
    indices = list(range(n))
    r.shuffle(indices)
    return Permutation(indices)


def draw_activation(r):
    """An activation."""
    return r.choice([Tanh(), Sigmoid(), HardTanh(), ReLU(), Identity()])


def draw_layer(r, units, name, formats):
    """A layer."""
    structure = draw_structure(r, units)
    bias, initial = r.random() < 0.8, r.random() < 0.3
    common = {"formats": formats, "name": name, "bias": bias}
    gates = {"activation": draw_activation(r), "gate_activation": draw_activation(r)}
    kind = r.choice(["elman", "elman", "lstm", "gru", "leaky", "mingru", "jordan", "linear"])
    match kind:
        case "elman":
            return Elman(
                units, recurrent=structure, activation=draw_activation(r), initial=initial, **common
            )
        case "leaky":
            return LeakyElman(
                units,
                leak=r.choice([None, 0.5]),
                recurrent=structure,
                activation=draw_activation(r),
                initial=initial,
                **common,
            )
        case "lstm":
            return LSTM(
                units,
                recurrent=structure,
                peephole=r.random() < 0.3,
                recurrent_bias=r.random() < 0.3,
                projection=r.choice([None, None, r.randint(1, units)]),
                initial=initial,
                **gates,
                **common,
            )
        case "gru":
            return GRU(
                units,
                recurrent=structure,
                reset=r.choice(["after", "before"]),
                recurrent_bias=r.random() < 0.5,
                initial=initial,
                **gates,
                **common,
            )
        case "mingru":
            return MinGRU(
                units, gate_activation=gates["gate_activation"], initial=initial, **common
            )
        case "jordan":
            return JordanNetwork(
                units,
                r.randint(1, units),
                activation=draw_activation(r),
                output_activation=draw_activation(r),
                initial=initial,
                **common,
            )
    return Linear(units, activation=r.choice([None, draw_activation(r)]), **common)


def draw_input_structure(r, units, inputs):
    """An input matrix that can be emitted, of units x inputs."""
    if inputs == units and r.random() < 0.6:
        return draw_structure(r, units)
    divisors = [k for k in range(1, units + 1) if units % k == 0]
    blocks = BlockDiagonal(r.choice([k for k in divisors if inputs % (units // k) == 0]))
    return r.choice([Dense(), LowRank(r.randint(1, min(units, inputs))), blocks, blocks, blocks])


def draw_structured_inputs(r):
    """A layer whose input matrices have structures, perhaps with another one behind it."""
    formats = draw_formats(r)
    count = r.randint(1, 6)
    units = count * r.choice([1, 2, 2, 3])
    inputs = r.choice([units, count * r.randint(1, 5), r.randint(1, 12)])
    layer = draw_layer(r, units, "structured", formats)
    drawn = tuple(draw_input_structure(r, units, inputs) for _ in range(4))
    if isinstance(layer, Linear):
        layer = replace(layer, structure=drawn[0])
    else:
        gates = {LSTM: 4, GRU: 3, MinGRU: 2}.get(type(layer))
        own = gates is not None and r.random() < 0.5
        layer = replace(layer, inputs=drawn[:gates] if own else drawn[0])
    layers = [layer]
    if r.random() < 0.3:
        layers.append(Linear(r.randint(1, 6), name="head", formats=formats))
    network = Design(layers=layers, formats=formats, inputs=inputs).network
    return Case(
        network, draw_lanes(r, network), draw_parameters(r, network), draw_batch(r, network)
    )


def draw_mixed_gates(r):
    """A gated layer whose gates have structures of their own, in W and in U."""
    formats = draw_formats(r)
    units = r.choice([2, 3, 4, 6, 8])
    inputs = r.choice([units, units, r.randint(1, 9)])

    def draw(width):
        ranks = [LowRank(r.randint(1, min(units, width))) for _ in range(3)]
        if width != units:
            return r.choice([Dense(), *ranks])
        return r.choice([*ranks, draw_structure(r, units), Diagonal() @ Diagonal() + ranks[0]])

    kind, gates = r.choice([(LSTM, 4), (GRU, 3), (GRU, 3), (MinGRU, 2), (Elman, 1)])
    fields = {"inputs": tuple(draw(inputs) for _ in range(gates))}
    if kind is not MinGRU:
        fields["recurrent"] = tuple(draw(units) for _ in range(gates))
    if kind is Elman:
        fields = {name: given[0] for name, given in fields.items()}
    if kind is GRU:
        fields["reset"] = r.choice(["after", "before"])
    if kind is LSTM:
        fields["peephole"] = r.random() < 0.3
        fields["projection"] = r.choice([None, None, units])
    layer = kind(units, name="mixed", initial=r.random() < 0.5, **fields)
    network = Design(layers=[layer], formats=formats, inputs=inputs).network
    parameters = draw_parameters(r, network)
    return Case(network, draw_lanes(r, network), parameters, draw_batch(r, network))


@dataclass(frozen=True)
class Grouped:
    """A cell whose sums are put together from ``groups`` dense products, as ``seed`` says: of
    slices of a vector, or all of one."""

    groups: int
    units: int
    seed: int
    formats: object
    name: str

    def step(self, g, x):
        r, n = random.Random(self.seed), self.groups * self.units
        h = g.state(n)
        bias = g.constant("b", n, "bias")
        parts = []
        recurrent, shared, started = r.random() < 0.4, r.random() < 0.3, r.random() < 0.7
        source = h if recurrent or x.units % self.groups else x
        for k in range(self.groups):
            own = source
            if not shared:
                size = source.units // self.groups
                own = g.gather([source], range(k * size, (k + 1) * size), f"part{k}")
            slot = range(k * self.units, (k + 1) * self.units)
            start = g.gather([bias], slot, f"b{k}") if started else None
            if r.random() < 0.3:
                start = g.linear(Dense(), f"V{k}", own, self.units, start, name=f"v{k}")
            parts.append(g.linear(Dense(), f"W{k}", own, self.units, start, name=f"y{k}"))
        order = list(range(n))
        if r.random() < 0.3:
            r.shuffle(order)
        total = g.gather(parts, order, "all")
        if r.random() < 0.5:
            other = x if recurrent else h
            total = g.linear(Dense(), "U", other, n, total, role="recurrent_weight", name="Uh")
        return g.update(h, g.cast(total, "state"))

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, self.formats)


def draw_grouped(r):
    """A layer of that cell."""
    formats = replace(draw_formats(r), accumulator=None)
    groups, units = r.randint(2, 4), r.randint(1, 4)
    layer = Grouped(groups, units, r.randint(0, 1 << 30), formats, "grouped")
    inputs = groups * r.randint(1, 4) if r.random() < 0.8 else r.randint(1, 9)
    network = Design(layers=[layer], formats=formats, inputs=inputs).network
    parameters = draw_parameters(r, network)
    return Case(network, draw_lanes(r, network), parameters, draw_batch(r, network))


@dataclass(frozen=True)
class Spread:
    """A cell with vectors of which an element is in several places, as ``seed`` says: of inputs,
    states, constants and results, alone or joined, read by operations and by columns."""

    units: int
    seed: int
    formats: object
    name: str

    def step(self, g, x):
        r, n = random.Random(self.seed), self.units
        h = g.state(n, initial=r.choice(["", "h0"]))
        bias = g.constant("b", r.randint(1, n), "bias")
        small = r.randint(1, n)
        inner = g.linear(Dense(), "A", h if r.random() < 0.5 else x, small, name="Av")
        inner = g.cast(inner, "state", "inner")
        spread = [self.spread(g, r, [inner], "of_result")]
        if r.random() < 0.6:
            spread.append(self.spread(g, r, [x], "of_input"))
        if r.random() < 0.4:
            spread.append(self.spread(g, r, [bias], "of_constant"))
        if r.random() < 0.6:
            joined = [h, inner] if r.random() < 0.7 else [h]
            spread.append(self.spread(g, r, joined, "joined"))
        r.shuffle(spread)
        total = spread[0]
        for number, vector in enumerate(spread[1:]):
            total = g.add(total, vector, f"total{number}")
        if r.random() < 0.5:
            key = {"role": "recurrent_weight", "name": "Uv"}
            source = self.spread(g, r, [r.choice([h, inner, x])], "columns")
            total = g.add(total, g.linear(Dense(), "U", source, n, **key), "with_columns")
        return g.update(h, g.cast(total, "state"))

    def spread(self, g, r, parts, name):
        count = sum(part.units for part in parts)
        chosen = [r.randrange(count) for _ in range(self.units)]
        style = r.random()
        if style < 0.3:
            chosen = [k % count for k in range(self.units)]
        elif style < 0.5:
            chosen = [k * count // self.units for k in range(self.units)]
        return g.gather(parts, chosen, name)

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, self.formats)


def draw_spread(r):
    """A layer of that cell."""
    formats = replace(draw_formats(r), accumulator=None)
    layer = Spread(r.randint(1, 9), r.randint(0, 1 << 30), formats, "spread")
    network = Design(layers=[layer], formats=formats, inputs=r.randint(1, 9)).network
    parameters = draw_parameters(r, network)
    return Case(network, draw_lanes(r, network), parameters, draw_batch(r, network))


@dataclass(frozen=True)
class Woven:
    """A cell of two states whose vectors are permuted, joined, cut and read late, as ``seed`` says:
    whatever is wired from operation to operation."""

    units: int
    seed: int
    formats: object
    name: str

    def step(self, g, x):
        r, n = random.Random(self.seed), self.units
        h = g.state(n, initial=r.choice(["", "h0"]))
        c = g.state(n, "cell", initial=r.choice(["", "c0"]))
        bias = g.constant("b", n, "bias")
        parts = [h] if x.format.fraction != h.format.fraction or r.random() < 0.3 else [x, h]
        r.shuffle(parts)
        joined = self.wired(g, r, parts, "joined")
        first = self.product(g, r, "A", joined, bias)
        a = g.cast(first, "state", "a")
        second = self.product(g, r, "B", self.wired(g, r, [a], "turned"), None)
        second = g.add(second, self.turned(g, r, c, "past"), "second")
        if r.random() < 0.5:
            second = g.add(second, self.turned(g, r, a, "again"), "third")
        new = g.cast(second, "state")
        if r.random() < 0.5:
            g.update(c, g.cast(g.add(c, a, "kept"), "cell"))
        else:
            g.update(c, g.cast(g.add(self.turned(g, r, h, "old"), a, "kept"), "cell"))
        g.update(h, new)
        end = r.random()
        if end < 0.2:
            return g.gather([new, a], range(2 * n), "both")
        return self.turned(g, r, new, "shown") if end < 0.5 else new

    def wired(self, g, r, parts, name):
        """Elements of the parts: all in order, in another order, or some."""
        count = sum(part.units for part in parts)
        chosen = list(range(count))
        if r.random() < 0.6:
            r.shuffle(chosen)
        if r.random() < 0.3:
            del chosen[r.randint(1, count) :]
        return g.gather(parts, chosen, name)

    def turned(self, g, r, vector, name):
        chosen = list(range(vector.units))
        r.shuffle(chosen)
        return g.gather([vector], chosen, name) if r.random() < 0.5 else vector

    def product(self, g, r, key, vector, start):
        structure = Dense()
        if vector.units == self.units and r.random() < 0.7:
            structure = draw_structure(r, self.units)
        return g.linear(
            structure, key, vector, self.units, start, role="recurrent_weight", name=f"{key}v"
        )

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, self.formats)


def draw_woven(r):
    """A layer of that cell, perhaps with another behind it, whose input may lie at the state's
    scale."""
    formats = draw_formats(r)
    if r.random() < 0.7:
        fraction = formats.state.fraction
        formats = replace(formats, input=Q(r.randint(1, 4), fraction, r.random() < 0.7))
    units = r.choice([r.randint(2, 12), 8])
    layers = [Woven(units, r.randint(0, 1 << 30), formats, "woven")]
    if r.random() < 0.3:
        layers.append(Linear(r.randint(1, 6), name="head", formats=formats))
    network = Design(layers=layers, formats=formats, inputs=r.randint(1, 9)).network
    parameters = draw_parameters(r, network)
    return Case(network, draw_lanes(r, network), parameters, draw_batch(r, network))


def draw_raw(r, tensor):
    """Raw integers of a tensor: edges first, then anything."""
    low, high = tensor.format.lowest, tensor.format.max
    edges = [low, high, low + 1, -1, 0, 1]
    edges = [e for e in edges if low <= e <= high]
    size = int(np.prod(tensor.shape))
    style = r.random()
    if style < 0.15:
        values = [r.choice([low, high]) for _ in range(size)]
    else:
        values = [
            r.choice(edges) if r.random() < 0.3 else r.randint(low, high) for _ in range(size)
        ]
    return np.array(values, np.int64).reshape(tensor.shape)


def draw_parameters(r, network):
    """Numbers for every tensor of a network."""
    raw = {tensor.key: draw_raw(r, tensor) for tensor in network.tensors}
    return Parameters({key: value.astype(float) for key, value in raw.items()}, raw, {})


def draw_batch(r, network, steps=4, sequences=3):
    """Sequences that start at the edges of the input format."""
    format = network.source.format
    low, high = format.lowest, format.max
    lengths = [r.randint(1, steps) for _ in range(sequences)]
    needed = 1 + sum(node.width - 1 for node in network.nodes if type(node).__name__ == "Window")
    lengths = [max(length, needed) for length in lengths]
    shape = sequences, max(lengths), network.source.units
    values = np.array([r.randint(low, high) for _ in range(int(np.prod(shape)))]).reshape(shape)
    values[0, 0] = low
    values[-1, 0] = high
    return Batch(values.astype(np.int64), np.array(lengths, np.int64), {})


def draw_lanes(r, network):
    """A legal number of lanes for each layer."""
    found = {}
    for choice in lane_options(network):
        legal = [lanes for lanes in choice.lanes if 0 < lanes <= 24]
        if legal:
            found[choice.name] = r.choice([legal[0], legal[-1], r.choice(legal)])
    return found


def draw_stack(r, widest=12):
    """The design of a stack of one to three layers."""
    formats = draw_formats(r)
    if r.random() < 0.05:
        widest = 70
    layers = []
    for index in range(r.choice([1, 1, 1, 2, 3])):
        units = r.choice([r.randint(1, widest), 1 << r.randint(1, widest.bit_length() - 1)])
        layer = draw_layer(r, units, f"layer{index}", draw_formats(r))
        layers.append(layer)
        if r.random() < 0.1:
            layers[-1] = Residual([layer], name=f"skip{index}", formats=formats)
    if r.random() < 0.2:
        layers[:0] = [Window(r.randint(1, 3)), Last()][: r.choice([1, 1, 2])]
    end = r.random()
    if end < 0.2:
        layers.append(Last())
    elif end < 0.4:
        layers.append(Mean(divide=r.random() < 0.3, formats=formats))
    if end < 0.4 or r.random() < 0.2:
        layers.append(Linear(r.randint(1, widest), name="head", formats=formats))
    return Design(layers=layers, formats=formats, inputs=r.randint(1, widest), max_steps=30)


def _is_stream(node):
    """Whether the vectors of an operation are a stream, and not a window in its reader's memory."""
    return window_source(node) is None


def draw_case(r, widest=12):
    """A stack of one to three layers with numbers and input."""
    network = some_outputs(draw_stack(r, widest).network, _is_stream)
    parameters = draw_parameters(r, network)
    return Case(network, draw_lanes(r, network), parameters, draw_batch(r, network))
