"""Random layers of every kind, as a user writes them: structures for both of a cell's matrices."""

from dataclasses import dataclass, replace

import numpy as np
from helpers.graphs import draw_composition, draw_elementary

from rnnhw import (
    ELU,
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Design,
    Elman,
    Formats,
    HardSigmoid,
    HardTanh,
    Heads,
    Identity,
    JordanNetwork,
    Last,
    LayerNorm,
    LeakyElman,
    Linear,
    LowRank,
    Max,
    Mean,
    MinGRU,
    Monarch,
    Pointwise,
    ReLU,
    Residual,
    Reverse,
    Scale,
    Sigmoid,
    Sparse,
    Tanh,
    Toeplitz,
    Window,
)
from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError
from rnnhw.graph.nodes import Matvec
from rnnhw.layers.structures import BlockDiagonal
from rnnhw.numerics.cast import Events, Overflow, Q, Rounding, quantise

UNITS = [1, 2, 3, 4, 5, 8, 16, 17]
MOST_INPUTS = 34
"""Elements of the widest vector that a layer reads."""


@dataclass(frozen=True)
class ClampedGate:
    """``f(z) = min(max(z, 0), 1)``: a gate without a table."""

    def apply(self, g, z, role, name=""):
        return g.cast(g.clamp(z, 0, 1), role, name)


FINE = Formats(  # no table: it would need an address of 24 bits
    input=Q(1, 24),
    weight=Q(1, 24),
    sum=Q(7, 24),
    recurrent_sum=Q(5, 24),
    stage=Q(6, 24),
    state=Q(4, 24),
    cell=Q(5, 24),
    output=Q(8, 24),
)


def draw_structure(rng, rows, columns):
    """A structure that a matrix of ``rows`` x ``columns`` can have."""
    kinds = [Dense(), Toeplitz(), LowRank(rng.randint(1, 3)), BlockDiagonal(rng.randint(1, rows)),
             Sparse(1, 2), Monarch(rng.randint(1, rows))]  # fmt: skip
    if rows == columns:
        kinds += [draw_elementary(rng, rows), draw_elementary(rng, rows)]
        kinds += [draw_composition(rng, rows), draw_composition(rng, rows)]
    structure = rng.choice(kinds)
    try:
        structure.check(rows, columns)
    except DesignError:
        return Dense()
    return structure


class LayerWriter:
    """Draws layers one behind the other; ``width`` is that of what the next one reads."""

    def __init__(self, rng, width, fine):
        self.rng, self.width, self.fine, self.number = rng, width, fine, 0

    def chance(self, of):
        return self.rng.randint(1, of) == of

    def name(self):
        self.number += 1
        return f"l{self.number}"

    def activation(self):
        if self.fine:
            return HardTanh()
        return self.rng.choice(
            [Tanh(), Sigmoid(), HardTanh(), ReLU(), Identity(), ELU(), HardSigmoid()]
        )

    def gate(self):
        return ClampedGate() if self.fine else self.rng.choice([Sigmoid(), HardSigmoid()])

    def output(self):
        """A format of what the next layer reads, or None for the state's."""
        if not self.chance(4):
            return None
        return Q(3, 24) if self.fine else draw_format(self.rng)

    def structures(self, gates, rows, columns):
        """One structure for all of a cell's gates, or one for each."""
        if self.chance(3):
            return tuple(draw_structure(self.rng, rows, columns) for _ in range(gates))
        return draw_structure(self.rng, rows, columns)

    def cell(self, most=UNITS[-1]):
        """A recurrent layer and the width of what it gives."""
        rng = self.rng
        units = rng.choice([each for each in UNITS if each <= most])
        kind = rng.choice([Elman, LeakyElman, LSTM, GRU, MinGRU, JordanNetwork])
        options = {"bias": not self.chance(4), "initial": self.chance(3), "output": self.output()}
        if kind in (Elman, LeakyElman):
            options |= {"recurrent": draw_structure(rng, units, units)}
            options |= {"inputs": draw_structure(rng, units, self.width)}
            if kind is LeakyElman and self.chance(2):
                options["leak"] = rng.choice([0.25, 0.5])
            return kind(units, activation=self.activation(), **options), units
        if kind is JordanNetwork:
            outputs = rng.choice(UNITS[:5])
            options |= {"recurrent": draw_structure(rng, units, outputs)}
            options |= {"inputs": draw_structure(rng, units, self.width)}
            options |= {"output_activation": self.activation()}
            return kind(units, outputs, activation=self.activation(), **options), outputs
        if kind is MinGRU:
            inputs = self.structures(2, units, self.width)
            return kind(units, gate_activation=self.gate(), inputs=inputs, **options), units
        options |= {"activation": self.activation(), "gate_activation": self.gate()}
        if kind is GRU:
            options |= {"recurrent": self.structures(3, units, units)}
            options |= {"inputs": self.structures(3, units, self.width)}
            options |= {"reset": rng.choice(["after", "before"])}
            options |= {"recurrent_bias": options["reset"] == "after" and self.chance(2)}
            return kind(units, **options), units
        options |= {"coupled": self.chance(4), "peephole": self.chance(3)}
        options |= {"recurrent_bias": self.chance(4)}
        state = units
        if self.chance(3):
            state = options["projection"] = rng.randint(1, units)
        gates = 4 - options["coupled"]
        options |= {"recurrent": self.structures(gates, units, state)}
        options |= {"inputs": self.structures(gates, units, self.width)}
        return kind(units, **options), state

    def named(self, layer):
        """``layer`` with a name, as a design writes it."""
        return replace(layer, name=self.name())

    def layer(self):
        """The next layer, whose width is noted."""
        rng = self.rng
        kind = rng.choice(
            ["cell"] * 6 + ["linear"] * 3
            + ["window", "reverse", "both", "residual", "scale", "pointwise", "norm"]
        )  # fmt: skip
        if kind == "window" and 2 * self.width <= MOST_INPUTS:
            self.width *= 2
            return self.named(Window(2))
        if kind == "linear":
            units = rng.choice(UNITS)
            structure = draw_structure(rng, units, self.width)
            activation = rng.choice([None, self.activation()])
            self.width = units
            bias = not self.chance(4)
            return self.named(Linear(units, activation, structure=structure, bias=bias))
        if kind == "reverse":
            return self.named(Reverse())
        if kind == "both":
            join = rng.choice(["concatenate", "concatenate", "add", "mean", "multiply"])
            cell, width = self.cell(8)
            self.width = 2 * width if join == "concatenate" else width
            return self.named(Bidirectional(cell, join=join, last=self.chance(4)))
        if kind == "residual":
            cell, width = self.cell(8)
            join = "add" if width == self.width and self.chance(2) else "concatenate"
            self.width += width if join == "concatenate" else 0
            return self.named(Residual((self.named(cell),), join=join))
        if kind == "scale":
            return self.named(Scale(bias=self.chance(2)))
        if kind == "pointwise":
            return self.named(Pointwise(self.activation()))
        if kind == "norm" and not self.fine and self.width > 1:
            return self.named(LayerNorm())
        cell, self.width = self.cell()
        return self.named(cell)

    def heads(self):
        """Two or three heads of one or two layers, which all read what stands before."""
        heads, width = [], self.width
        for _ in range(self.rng.choice([2, 2, 3])):
            self.width = width
            heads.append([self.layer() for _ in range(self.rng.choice([1, 1, 2]))])
        return self.named(Heads(heads))

    def end(self):
        """The last layers: what is read at the end of a sequence."""
        mean = [self.named(Mean(divide=True))]
        total = [self.named(Mean()), self.named(Linear(self.rng.choice(UNITS)))]
        kinds = [[], [], [self.named(Last())], mean, total, [self.named(Max())]]
        return self.rng.choice(kinds)


def draw_format(rng):
    """A format of at most 10 bits, which the address of a table may have."""
    width, signed = rng.choice([2, 3, 4, 6, 8, 8, 9, 10]), rng.randint(1, 5) < 5
    fraction = rng.randint(-1, width)
    overflow = rng.choice(list(Overflow))
    if overflow is Overflow.WRAP_SM and not signed:
        overflow = Overflow.WRAP
    return Q(width - fraction - signed, fraction, signed, rng.choice(list(Rounding)), overflow)


def draw_formats(rng):
    """Formats of all roles that a design needs, and of some more."""
    roles = ["input", "weight", "sum", "state", "cell", "output", "stage"]
    roles += [role for role in ("recurrent_weight", "bias", "gate", "recurrent_sum")
              if rng.random() < 0.3]  # fmt: skip
    if rng.random() < 0.2:
        roles += [rng.choice(["product", "accumulator"])]
    exponents = {
        role: Q(rng.randint(1, 3), 0, signed=False)
        for role in ("scale_exponent", "recurrent_scale_exponent")
        if rng.random() < 0.1
    }
    return Formats(**{role: draw_format(rng) for role in roles}, **exponents)


def draw_design(rng, steps, fine):
    """A design of 1 to 3 layers that the builder accepts; with ``fine`` all of its formats have 24
    fraction bits and it has no table."""
    while True:
        inputs = rng.choice([1, 2, 3, 5, 8])
        writer = LayerWriter(rng, inputs, fine)
        layers = [writer.layer() for _ in range(rng.randint(1, 3))]
        layers += [writer.heads()] if rng.random() < 0.1 else writer.end()
        formats = FINE if fine else draw_formats(rng)
        design = Design(layers, formats, inputs=inputs, max_steps=steps)
        try:
            nodes = design.network.nodes
        except DesignError:
            continue
        if all(node.steps_for(steps) >= 1 for node in nodes):  # windows may need more
            return design


def small_parameters(rng, network):
    """Real weights that let no value grow, and their raw integers."""
    values = {
        tensor.key: rng.uniform(-0.6, 0.6, tensor.shape) / max(tensor.shape[-1], 1) ** 0.5
        for tensor in network.tensors
    }
    for scan in network.scans:
        for node in scan.graph.nodes:
            if isinstance(node, Matvec) and isinstance(node.structure, Sparse):
                whole = values[node.weights.key]
                held = node.structure.stored_rows(whole.ravel(), *whole.shape)
                kept = np.zeros(whole.size, bool)
                for row in held:
                    kept[list(row.parameters)] = True
                whole.flat[~kept] = 0
    raw = {t.key: quantise(values[t.key], t.format)[0] for t in network.tensors}
    return Parameters(values, raw, {key: Events() for key in raw})
