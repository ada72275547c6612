"""Random networks over the whole closed set of operations, with edge-first data.

Everything is drawn from one ``random.Random``: Hypothesis gives one that shrinks
(:func:`cases`), the sanitizer run seeds its own.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import cycle, product
from unittest.mock import patch

import numpy as np
from helpers.outputs import some_outputs
from hypothesis import strategies as st

from rnnhw.analysis.counts import layer_counts
from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError
from rnnhw.execution import compiler, golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import available_isas, run
from rnnhw.graph.builder import Formats
from rnnhw.graph.network import NetworkBuilder
from rnnhw.graph.nodes import Matvec
from rnnhw.layers.activations import ReLU, Sigmoid
from rnnhw.layers.structures import (
    Banded,
    BlockDiagonal,
    Butterfly,
    ButterflyStage,
    Circulant,
    CyclicBand,
    Dense,
    Diagonal,
    FastWalshHadamard,
    Hadamard,
    InterleavedBlocks,
    LowRank,
    Monarch,
    Permutation,
    Product,
    Sparse,
    Sum,
    Toeplitz,
    UnitWeights,
    WalshHadamardStage,
)
from rnnhw.numerics.cast import Events, Overflow, Q, Rounding
from rnnhw.numerics.tables import RECIPROCAL, RealFunction

UNITS = [1, 2, 3, 4, 5, 8, 15, 16, 17, 24, 31, 33, 40]
LONG = [129, 144, 150, 260]  # more than one tile of units with one lane
NARROW = [1, 2, 3, 4, 6, 8, 8, 8, 10, 12, 15, 16, 16]
WIDE = [4, 8, 12, 16, 17, 18, 20, 24, 31, 32, 33, 40]
ISAS = [name for name, here in available_isas().items() if here]
OVERFLOWS = list(Overflow)
ROUNDINGS = list(Rounding)

GOLDEN_BUDGET = 30_000
"""Scalar operations that the golden run of one case may take, roughly."""


def fitted_format(width, fraction, signed, rounding, overflow):
    """A format of these parts, made legal."""
    if overflow is Overflow.WRAP_SM and not signed:
        overflow = Overflow.WRAP
    return Q(width - fraction - signed, fraction, signed, rounding, overflow)


def edge_first(rng, shape, low, high):
    """Raw integers of ``low..high``: edges, powers of two with their neighbours, or anything."""
    mode = rng.integers(0, 8)
    if mode == 0:
        return np.full(shape, low, np.int64)
    if mode == 1:
        return np.full(shape, high, np.int64)
    edges = {low, low + 1, -1, 0, 1, high - 1, high}
    for power in range(max(high.bit_length(), (-low).bit_length())):
        edges |= {s * (1 << power) + d for s in (1, -1) for d in (-1, 0, 1)} | {3 << power}
    inside = np.array(sorted(edge for edge in edges if low <= edge <= high), np.int64)
    anything = rng.integers(low, high, shape, np.int64, endpoint=True)
    if mode == 2:
        return anything
    return np.where(rng.random(shape) < 0.7, rng.choice(inside, shape), anything)


@dataclass
class Case:
    """A network with everything that a run of it needs."""

    network: object
    parameters: object
    batch: object
    traces: tuple

    def __repr__(self):
        lines = [f"batch {self.batch.inputs.shape}, lengths {self.batch.lengths.tolist()}"]
        for node in self.network.nodes:
            sources = ", ".join(source.name for source in node.sources)
            lines.append(f"{node.name} = {type(node).__name__}({sources}) {node.units}")
            graph = getattr(node, "graph", None)
            for step in graph.nodes if graph else ():
                operands = ", ".join(operand.name for operand in step.operands)
                more = ""
                if isinstance(step, Matvec):
                    weights = step.weights and step.weights.format
                    more = f" {step.structure} {weights=!s} {step.product=!s} {step.accumulator=!s}"
                lines.append(
                    f"    {step.name} = {type(step).__name__}({operands}) "
                    f"{step.units} x {step.format!s} {step.interval}{more}"
                )
            for state, value in graph.updates if graph else ():
                lines.append(f"    next {state.name} = {value.name}")
        return "\n".join(lines)


def divisors(n):
    return [size for size in range(1, n + 1) if n % size == 0]


def draw_rectangular_blocks(rng, columns):
    """Blocks that share ``columns``, with any number of outputs each, and the rows of all."""
    count, block = rng.choice(divisors(columns)), rng.choice([1, 2, 3, 5])
    return BlockDiagonal(block), block * count


def draw_elementary(rng, n):
    """A random elementary structure of n columns, square unless it is Dense or Toeplitz."""
    lower = rng.randint(0, n - 1)
    of = rng.choice(divisors(n))
    kinds = [
        Dense(),
        Dense(),
        Toeplitz(),
        Circulant(),
        Diagonal(),
        Banded(rng.randint(0, n - 1), rng.randint(0, n - 1)),
        Banded(min(1, n - 1), min(1, n - 1)),
        Banded(n - 1, n - 1),
        CyclicBand(lower, rng.randint(0, n - 1 - lower)),
        CyclicBand(1, 1) if n > 2 else Diagonal(),
        BlockDiagonal(rng.choice(divisors(n))),
        InterleavedBlocks(rng.choice(divisors(n))),
        Sparse(rng.randint(1, of), of),
        Sparse(rng.randint(1, of), of),
    ]
    if n > 1 and n & (n - 1) == 0:
        kinds += [ButterflyStage()] * 2
    return rng.choice(kinds)


def draw_composition(rng, n, depth=2):
    """A random square structure of n units made of others."""
    power = n > 1 and n & (n - 1) == 0
    kinds = [
        Permutation(rng.sample(range(n), n)),
        UnitWeights(),
        LowRank(rng.randint(1, min(n, 3))),
        Monarch(rng.choice(divisors(n))),
    ]
    if power and n <= 16:
        neurons = rng.choice([None, None, Sigmoid(), ReLU()])
        kinds += [Hadamard(rng.randint(0, 1) == 1, rng.randint(0, 1) == 1)]
        kinds += [Butterfly(neurons, rng.randint(0, 1) == 1)] * 2
    if depth:

        def part():
            if rng.randint(1, 2) == 1:
                return draw_elementary(rng, n)
            return draw_composition(rng, n, depth - 1)

        parts = [part() for _ in range(rng.randint(2, 3))]
        kinds += [Sum(*parts), Product(*parts)] * 2
    return rng.choice(kinds)


class Attempts:
    """How many operations were tried, and how many the builder refused as too wide."""

    def __init__(self):
        self.tried = self.refused = 0


class StepWriter:
    """Writes one random step graph through a StepBuilder."""

    def __init__(self, rng, layer, overrides, wide, long, attempts):
        self.rng, self.layer, self.overrides = rng, layer, overrides
        self.widths = NARROW if not wide else WIDE
        self.wide, self.long, self.attempts = wide, long, attempts
        self.count = 0

    # --- draws -------------------------------------------------------------------------------
    def chance(self, of):
        return self.rng.randint(1, of) == of

    def name(self, stem):
        self.count += 1
        return f"{stem}{self.count}"

    def format(self, width=None, fraction=None, signed=None):
        rng = self.rng
        width = width or rng.choice(self.widths)
        fraction = rng.randint(-3, min(width, 14) + 3) if fraction is None else fraction
        signed = (not self.chance(4)) if signed is None else signed
        return fitted_format(width, fraction, signed, rng.choice(ROUNDINGS), rng.choice(OVERFLOWS))

    def give(self, name, format):
        self.overrides[f"{self.layer}.{name}"] = format

    def pick(self, units=None, widest=64):
        """A node of the pool; it is cast, gathered or made where none fits."""
        fitting = [n for n in self.pool if units in (None, n.units)]
        if not fitting:
            source = self.rng.choice(self.pool)
            node = self.gathered([source], units)
        else:
            node = self.rng.choice(fitting[-6:])
        return node if node.format.width <= widest else self.cast(node, widest=widest)

    def formats(self):
        """What the parts of a composition fall back to."""
        return Formats(
            recurrent_weight=self.format(self.rng.randint(1, 8)),
            bias=self.format(),
            stage=self.rng.choice([None, self.format(self.rng.randint(2, 12))]),
            sum=self.format(self.rng.randint(2, 8)),
            gate=self.format(self.rng.randint(2, 10)),
        )

    def keep(self, node):
        self.pool.append(node)
        return node

    # --- the step ----------------------------------------------------------------------------
    def step(self, g, *inputs):
        self.g, self.pool = g, list(inputs)
        rng = self.rng
        sizes = LONG if self.long else UNITS
        states = []
        for index in range(rng.choice([1, 1, 2, 3])):
            name = f"s{index}"
            self.give(name, self.format())
            initial = f"{name}.first" if self.chance(2) else ""
            states.append(self.keep(g.state(rng.choice(sizes), name, initial=initial)))
        wanted = [
            self.matvec, self.matvec, self.matvec, self.matvec, self.cast, self.arithmetic,
            self.arithmetic, self.select, self.clamp, self.gather, self.reinterpret, self.lookup,
            self.constant, self.transform, self.composition, self.shift, self.gated,
        ]  # fmt: skip
        for _ in range(rng.randint(1, 9)):
            self.attempt(rng.choice(wanted))
        for index, state in enumerate(states):
            self.update(state, f"s{index}", states)
        return self.rng.choice(self.pool[-5:])

    def attempt(self, operation):
        self.attempts.tried += 1
        try:
            operation()
        except DesignError as error:
            if "the exact result needs" not in error.message:
                raise
            self.attempts.refused += 1

    def update(self, state, name, states):
        """Let the state follow a fitting node, another state, or a new cast or lookup."""
        low, high = state.interval
        fitting = [
            node
            for node in self.pool
            if node.units == state.units
            and node.format.fraction == state.format.fraction
            and low <= node.interval[0]
            and node.interval[1] <= high
        ]
        if fitting and self.chance(3):
            self.g.update(state, self.rng.choice(fitting))
            return
        operand = self.pick(state.units)
        self.give(name, state.format)
        if operand.format.width <= 10 and self.chance(3):
            value = self.g.lookup(operand, self.function(operand.format, state.format), name)
        else:
            value = self.g.cast(operand, name)
        self.g.update(state, self.keep(value))

    # --- one method an operation -------------------------------------------------------------
    def constant(self):
        units = self.rng.choice([node.units for node in self.pool])
        if self.chance(3):
            values = [self.rng.randint(-9, 9) for _ in range(min(units, 40))]
            self.keep(self.g.literal(self.name("literal"), values, self.rng.randint(-2, 4)))
            return
        name = self.name("b")
        self.give(name, self.format())
        self.keep(self.g.constant(name, units, self.rng.choice(["bias", "weight"])))

    def cast(self, node=None, widest=64):
        node = node or self.pick()
        width = min(self.rng.choice(self.widths), widest)
        drop = self.rng.choice([0, 0, 1, 2, 3, 4, 7, -1, -2, -5, 12, 30, 61, 64, 70, -30])
        fraction = max(min(node.format.fraction - drop, 24), -48)
        name = self.name("cast")
        self.give(name, self.format(width, fraction))
        return self.keep(self.g.cast(node, "sum", name))

    def arithmetic(self):
        a = self.pick(widest=44)
        b = self.pick(a.units, widest=58 - a.format.width)
        operation = self.rng.choice([self.g.add, self.g.subtract, self.g.multiply])
        result = operation(a, b)
        if operation == self.g.multiply and self.chance(2):  # nothing else reads the product
            terms = [result, self.pick(a.units, widest=20)]
            result = self.g.add(*self.rng.sample(terms, 2))
        self.keep(result)

    def select(self):
        s = self.pick()
        self.keep(self.g.select(s, self.pick(s.units), self.pick(s.units)))

    def clamp(self):
        node = self.pick(widest=50)
        low, high = node.interval
        limits = sorted(self.rng.randint(low, high) for _ in range(2))
        if self.chance(4):
            limits = [low - 3, high + 5]
        scale = 2.0**-node.format.fraction
        given = [None if self.chance(3) else limit * scale for limit in limits]
        self.keep(self.g.clamp(node, *given))

    def shift(self):
        """By a tensor, by literals, or by elements of one of them in another order."""
        bits = self.rng.choice([1, 2, 2, 3, 4, 5])
        node = self.pick(widest=62 - (1 << bits))
        units = self.rng.choice([node.units, 2 * node.units])
        name = self.name("e")
        if self.chance(3):
            most = (1 << bits) - 1
            by = self.g.literal(name, [self.rng.randint(0, most) for _ in range(units)])
        else:
            self.give(name, Q(bits, 0, signed=False))
            by = self.g.constant(name, units, "scale_exponent")
        if units != node.units:
            by = self.g.gather([by], self.rng.sample(range(units), node.units))
        self.keep(self.g.shift(node, by))

    def gathered(self, parts, units):
        total = sum(part.units for part in parts)
        first = self.rng.randint(0, total - 1)
        step = self.rng.choice([1, 1, 1, 3, -1])
        indices = [(first + step * index) % total for index in range(units)]
        return self.keep(self.g.gather(parts, indices))

    def gather(self):
        first = self.pick()
        alike = [n for n in self.pool if n.format.fraction == first.format.fraction]
        parts = [first, *(self.rng.choice(alike) for _ in range(self.rng.randint(0, 2)))]
        units = self.rng.choice([first.units, self.rng.choice(UNITS)])
        self.gathered(parts, min(units, 40))

    def reinterpret(self):
        node = self.pick()
        low, high = node.interval
        signed = low < 0 or self.chance(2)
        needed = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0, 1) + signed
        width = min(needed + self.rng.choice([0, 0, 1, 5]), 64 if signed else 63)
        self.keep(self.g.reinterpret(node, self.format(width, None, signed)))

    def function(self, address, format):
        """Values over the whole range of ``format``, its edges and beyond included."""
        turns = 2.0**address.fraction * 12.9898
        scale = 1.1 * format.step * max(format.max, 1)
        return RealFunction(
            "wave",
            lambda value: math.sin(value * turns) * scale,
            lambda values: np.sin(values * turns) * scale,
        )

    def lookup(self):
        node = self.pick(widest=10)
        name = self.name("table")
        self.give(name, self.format())
        self.keep(self.g.lookup(node, self.function(node.format, self.g.format(name)), name))

    def gate(self, units):
        """A sum that is cast to an index, and looked up."""
        words = self.pick(units, widest=40)
        if self.chance(3):
            words = self.g.add(words, self.pick(units, widest=20))
        name, table = self.name("gate"), self.name("gated")
        width = self.rng.choice([3, 8, 8, 9])
        self.give(name, self.usual(width, words.format.fraction - self.rng.randint(0, 9)))
        address = self.g.cast(words, "sum", name)
        self.give(table, self.usual(8, 6))
        return self.g.lookup(address, self.function(address.format, self.g.format(table)), table)

    def usual(self, width, fraction):
        """Mostly a format that rounds to the nearest and saturates."""
        if self.chance(4):
            return self.format(width, fraction)
        return fitted_format(width, fraction, not self.chance(4), Rounding.RND, Overflow.SAT)

    def gated(self):
        """A cast sum of products of gates, as cells end their steps."""
        units = self.pick().units
        products = []
        for _ in range(self.rng.choice([1, 2, 2])):
            first = self.gate(units)
            second = self.gate(units) if self.chance(3) else self.pick(units, widest=16)
            products.append(self.g.multiply(first, second))
        total = products[0]
        if len(products) == 2:
            total = self.g.add(*products)
        elif self.chance(2):
            total = self.g.add(*self.rng.sample([total, self.pick(units, widest=20)], 2))
        name = self.name("state")
        drop = self.rng.choice([0, 3, 7, 9])
        self.give(name, self.usual(self.rng.choice([8, 8, 12, 16]), total.format.fraction - drop))
        self.keep(self.g.cast(total, "sum", name))

    def transform(self):
        """Walsh-Hadamard: all stages, one stage, or between diagonals and casts."""
        powers = [n for n in self.pool if n.units in (2, 4, 8, 16)] or [
            self.gathered([self.pick()], self.rng.choice([2, 4, 8, 16]))
        ]
        vector = self.rng.choice(powers)
        if self.chance(2):  # few are wider than 32 bits
            vector = max(powers, key=lambda node: node.format.width)
        units = vector.units
        start = self.pick(units) if self.chance(2) else None
        if self.chance(2):
            structure = self.rng.choice([FastWalshHadamard(), WalshHadamardStage()])
            name = self.name("stages")
            self.keep(self.g.matvec(structure, None, vector, units, start, name=name))
            return
        key = self.name("H")
        for part in ("before", "after"):
            self.give(f"{key}.{part}", self.format(self.rng.randint(1, 12)))
        if self.chance(2):
            stage = self.format(self.rng.randint(2, 12))
            self.give(f"{key}.before_product", stage)
            for index in range(4):
                self.give(f"{key}.stage{index}", stage)
        structure = Hadamard(before=self.chance(2), after=self.chance(2))
        node = self.g.linear(structure, key, vector, units, start)
        if node not in self.pool:
            self.keep(node)

    def composition(self):
        """Structures made of structures, with random formats for all that they name."""
        vector = self.pick(widest=12)
        key, name = self.name("C"), self.name("made")
        structure = draw_composition(self.rng, vector.units)
        start = self.pick(vector.units, widest=40) if self.chance(2) else None
        if self.chance(4):
            self.give("accumulator", self.format(self.rng.randint(8, 30)))
        if self.chance(6):
            self.give("product", self.format(self.rng.randint(2, 20)))
        try:
            node = self.g.linear(
                structure, key, vector, vector.units, start, role="recurrent_weight", name=name
            )
        finally:
            for role in ("product", "accumulator"):
                self.overrides.pop(f"{self.layer}.{role}", None)
        if node not in self.pool:
            self.keep(node)

    def accumulate(self, fraction, width):
        """An accumulator for terms of this scale and width."""
        bits = max(min(width + self.rng.randint(-4, 9), 48), 1)
        finer = fraction - self.rng.choice([0, 0, 0, 1, 2, 5, -1, -3])
        self.give("accumulator", self.format(bits, finer))

    def matvec(self):
        rng = self.rng
        pairs = self.wide and self.chance(3)  # int16 operands in a 64-bit program
        vector = self.pick(widest=16 if pairs or not self.wide else 40)
        units = vector.units
        structure = draw_elementary(rng, units)
        if isinstance(structure, Dense | Toeplitz):
            units = rng.choice(LONG if self.long else UNITS)
            units = units if units * vector.units < 9000 else 3
        elif type(structure) is BlockDiagonal and self.chance(2):
            structure, units = draw_rectangular_blocks(rng, vector.units)
        start = self.pick(units, widest=50) if self.chance(2) else None
        key = self.name("W")
        width = 16 if pairs else min(rng.choice(self.widths), 54 - vector.format.width)
        weight = self.format(max(width, 1))
        self.give(key, weight)
        fraction = weight.fraction + vector.format.fraction
        term = weight.width + vector.format.width
        if self.chance(3):  # as hls4ml does: products and sums in one word, which clips
            one = self.format(rng.randint(2, min(term + 4, 31)), fraction - rng.randint(-1, 9))
            self.give("accumulator", one)
            if not self.chance(3):
                other = replace(one, rounding=rng.choice(ROUNDINGS), overflow=one.overflow)
                self.give("product", rng.choice([one, other]))
        elif self.chance(5):
            product = self.format(rng.randint(1, min(term + 2, 40)), fraction - rng.randint(-2, 9))
            self.give("product", product)
            if self.chance(3):
                self.accumulate(product.fraction, product.width)
        elif self.chance(3):
            self.accumulate(fraction, term)
        try:
            weights = self.g.tensor(key, structure.shape(units, vector.units), "weight")
            name = f"{key}v"
            self.keep(self.g.matvec(structure, weights, vector, units, start, name=name))
            if self.chance(6):  # the same tensor read twice
                other = self.pick(vector.units, widest=54 - weight.width)
                again = self.g.matvec(structure, weights, other, units, None, name=f"{name}2")
                self.keep(again)
        finally:
            for role in ("product", "accumulator"):
                self.overrides.pop(f"{self.layer}.{role}", None)


def _write_network(rng, steps, attempts, streaming):
    """A random network for sequences of up to ``steps`` steps; scans alone if ``streaming``."""
    wide, long = rng.randint(1, 3) == 3, rng.randint(1, 10) == 10
    overrides = {}
    writer = StepWriter(rng, "", overrides, wide, long, attempts)
    format = writer.format()
    net = NetworkBuilder(rng.choice([1, 2, 3, 5, 7, 16, 17]), format, Formats(), overrides, steps)
    source = net.source
    scans = rng.choice([1, 1, 1, 2, 3])
    for index in range(scans):
        before = [[], [], ["reverse"], ["window"], ["last"]]
        before += [["window", "reverse"], ["window", "window"], ["window", "last"]]
        for place, kind in enumerate([] if streaming else rng.choice(before)):
            name = f"{kind}{index}_{place}"
            if kind == "window":
                width = rng.randint(1, 3)
                if source.units * width <= 60 and source.steps_for(steps) >= width:
                    source = net.window(source, name, width)
            else:
                source = getattr(net, kind)(source, name)
        sources = [source]
        if not streaming and rng.randint(1, 4) == 4:  # both directions in one step
            sources.append(net.reverse(source, f"other{index}"))
        layer = f"layer{index}"
        writer = StepWriter(rng, layer, overrides, wide, long, attempts)
        source = net.scan(layer, sources, writer.step, writer.formats())
    end = "" if streaming else rng.choice(["", "", "last", "total", "mean", "reverse", "window"])
    if end in ("last", "reverse"):
        getattr(net, end)(source, "end")
    elif end == "window" and source.units <= 40:
        net.window(source, "end", min(source.steps_for(steps), 2))
    elif end in ("total", "mean") and source.format.width <= 40:
        total = net.total(source, "end")
        if end == "mean":
            overrides["mean.reciprocal"] = Q(0, 8, signed=False)
            overrides["mean.output"] = writer.format()
            net.scan("mean", [total, net.steps(source, "end.steps")], _mean, Formats())
    return net.build() if streaming else some_outputs(net.build())


def _mean(g, total, steps):
    reciprocal = g.lookup(steps, RECIPROCAL, "weight", "reciprocal")
    each = g.gather([reciprocal], [0] * total.units, "each")
    return g.cast(g.multiply(total, each), "output")


def _cost(network):
    """Roughly what one step costs the golden run."""
    cost = 0
    for scan in network.scans:
        for node in scan.graph.nodes:
            cost += node.units
            if isinstance(node, Matvec):
                casts = bool(node.product) + bool(node.accumulator)
                cost += node.structure.terms(node.units, node.vector.units) * (0.2 + 3 * casts)
    return cost


def _shortest(network, steps):
    """The fewest input steps with which everything in the network has one."""
    return next(
        length
        for length in range(1, steps + 1)
        if all(node.steps_for(length) >= 1 for node in network.nodes)
    )


def draw_parameters(rng, network):
    """Raw tensors at the edges of their formats."""
    raw = {
        tensor.key: edge_first(rng, tensor.shape, tensor.format.lowest, tensor.format.max)
        for tensor in network.tensors
    }
    for scan in network.scans:
        for node in scan.graph.nodes:
            if isinstance(node, Matvec) and isinstance(node.structure, Sparse):
                stored = raw[node.weights.key]
                held = np.zeros(stored.size, bool)
                for row in node.structure.stored_rows(stored.ravel(), *stored.shape):
                    held[list(row.parameters)] = True
                stored.flat[~held] = 0
    values = {t.key: raw[t.key] * t.format.step for t in network.tensors}
    return Parameters(values, raw, {key: Events() for key in raw})


def draw_batch(rng, network, sequences, longest, shortest=1):
    """Edge-first inputs of different lengths, junk past each end, states that are not zero."""
    source = network.source
    shape = (sequences, longest, source.units)
    x = edge_first(rng, shape, *source.interval)
    lengths = rng.integers(shortest, longest, sequences, endpoint=True)
    lengths[rng.integers(0, sequences)] = longest
    initial = {
        name: edge_first(rng, (sequences, state.units), *state.interval)
        for name, state in network.states().items()
        if rng.random() < 0.6
    }
    return make_batch(network, x, lengths, initial, raw=True)


def draw_case(rng, attempts=None, streaming=False):
    """A random case from a ``random.Random``."""
    steps = rng.choice([4, 5, 7])
    network = _write_network(rng, steps, attempts or Attempts(), streaming)
    shortest = _shortest(network, steps)
    cost = _cost(network)
    sequences = rng.choice([1, 2, 3, 16, 17, 33])
    longest = rng.randint(shortest, steps)
    while sequences > 1 and cost * longest * sequences > GOLDEN_BUDGET:
        sequences = {33: 17, 17: 16, 16: 3, 3: 2, 2: 1}[sequences]
    data = np.random.default_rng(rng.randint(0, 2**32 - 1))
    parameters = draw_parameters(data, network)
    batch = draw_batch(data, network, sequences, longest, shortest)
    return Case(network, parameters, batch, tuple(network.signals()))


def cases(streaming=False):
    """Hypothesis strategy: random cases that shrink towards few and small operations.

    ``streaming`` networks are scans alone, which can run a sequence in pieces.
    """
    return st.randoms(use_true_random=False).map(lambda rng: draw_case(rng, None, streaming))


# --- networks by hand --------------------------------------------------------------------------
def one_layer(step, format, overrides=None, units=1, formats=None):
    """A network of one layer ``l`` whose step is written by ``step(g, x)``."""
    net = NetworkBuilder(units, format, formats or Formats(), overrides or {}, None)
    net.scan("l", [net.source], step, Formats())
    return net.build()


def raw_parameters(network, **raw):
    """Parameters with the raw integers of every tensor (``W`` for ``l.W``)."""
    given = {t.key: np.array(raw[t.key.partition(".")[2]], np.int64) for t in network.tensors}
    assert all(given[t.key].shape == t.shape for t in network.tensors)
    values = {t.key: given[t.key] * t.format.step for t in network.tensors}
    return Parameters(values, given, {key: Events() for key in given})


def golden_run(network, x, lengths=None, initial=None, traces=(), **raw):
    """The golden run on raw inputs [sequences, steps, features]."""
    batch = make_batch(network, np.array(x, np.int64), lengths, initial, raw=True)
    return golden.run(network, raw_parameters(network, **raw), batch, traces)


def zero_shift_case():
    """A value that is always zero, aligned further than a 32-bit element is wide."""

    def step(g, x):
        s = g.state(1, "s")
        zero = g.clamp(x, 0, 0)
        g.update(s, g.cast(g.add(zero, g.literal("fine", [1], 40)), "s"))
        chosen = g.select(s, zero, g.literal("finer", [3], 45))
        weights = g.tensor("W", (1, 1), "weight")
        return g.gather([g.matvec(Dense(), weights, chosen, 1, zero, name="a")], [0])

    overrides = {"l.s": Q(-36, 40), "l.W": Q(2, 0), "l.accumulator": Q(-40, 45)}
    network = one_layer(step, Q(3, 0), overrides)
    batch = make_batch(network, np.full((3, 2, 1), -5), [2, 1, 2], raw=True)
    return Case(network, raw_parameters(network, W=[[2]]), batch, tuple(network.signals()))


def zero_words_case():
    """A term that is always zero, aligned further than the 32-bit words of a 64-bit program that
    add it."""

    def step(g, x):
        s = g.state(1, "s")
        zero = g.cast(x, "sum", "zero")
        total = g.matvec(Dense(), g.tensor("W", (1, 1), "weight"), zero, 1, x, name="a")
        g.update(s, g.cast(g.add(total, zero), "s"))
        return total

    overrides = {"l.s": Q(7, 0), "l.W": Q(2, 0), "l.zero": Q(55, -48), "l.accumulator": Q(18, 4)}
    network = one_layer(step, Q(40, 0), overrides)
    x = np.array([[[5], [-9]], [[1 << 39], [-(1 << 40)]], [[0], [1]]])
    batch = make_batch(network, x, [2, 1, 2], raw=True)
    return Case(network, raw_parameters(network, W=[[2]]), batch, tuple(network.signals()))


BYTE_WEIGHTS = ("small", "normal", "spikes", "extreme")
"""Kinds of weights by how many quads of them may be added in 16 bits: from many to none."""


def byte_weights(kind, rng, shape):
    """Weights of one kind."""
    small = rng.integers(-3, 4, shape)
    if kind == "small":
        return small
    if kind == "normal":  # as trained weights are: few are large
        return np.clip(np.rint(rng.normal(0, 28, shape)), -128, 127).astype(int)
    if kind == "spikes":
        return np.where(rng.random(shape) < 0.01, -128, small)
    return rng.choice([-128, 127], shape)


def byte_case(kind, state, units=75):
    """A recurrence of bytes: several groups of quads, rows and columns left over, and vectors at
    both ends of their format."""

    def step(g, x):
        s = g.state(units, "s")
        a = g.matvec(Dense(), g.tensor("W", (units, units), "weight"), s, units, x, name="a")
        g.update(s, g.cast(a, "s"))
        return a

    network = one_layer(step, Q(4, 3), {"l.W": Q(0, 7), "l.s": state}, units)
    rng = np.random.default_rng(7)
    parameters = raw_parameters(network, W=byte_weights(kind, rng, (units, units)))
    first = rng.choice([state.min, state.max], (18, units))
    first[0], first[1] = state.min, state.max
    first[2:10] = rng.integers(state.min, state.max + 1, (8, units))
    inputs = np.zeros((18, 2, units), int)
    batch = make_batch(network, inputs, None, {"l.s": first}, raw=True)
    return Case(network, parameters, batch, tuple(network.signals()))


def band_case(structure, units, state, inputs=5, traces=(), seed=7):
    """``h' = cast(W x + U h + b)`` of bytes with a narrow U: bands and what their sums begin with,
    from vectors and weights at both ends of their formats."""

    def step(g, x):
        h = g.state(units, "h")
        W = g.tensor("W", Dense().shape(units, inputs), "weight")
        U = g.tensor("U", structure.shape(units, units), "weight")
        begins = g.matvec(Dense(), W, x, units, g.literal("b", range(units), 9), name="begins")
        a = g.matvec(structure, U, h, units, begins, name="a")
        return g.update(h, g.cast(a, "h"))

    network = one_layer(step, Q(0, 7), {"l.W": Q(0, 7), "l.U": Q(0, 7), "l.h": state}, inputs)
    rng = np.random.default_rng(seed)
    band = byte_weights("extreme", rng, structure.shape(units, units))
    for i in range(structure.upper):  # corners outside the matrix
        band[i, : structure.upper - i] = 0
    for i in range(structure.lower):
        band[structure.upper + 1 + i, units - 1 - i :] = 0
    parameters = raw_parameters(network, W=byte_weights("extreme", rng, (units, inputs)), U=band)
    first = rng.choice([state.min, state.max], (35, units))
    first[2:10] = rng.integers(state.min, state.max + 1, (8, units))
    raw = rng.integers(-128, 128, (35, 3, inputs))
    batch = make_batch(network, raw, rng.integers(1, 4, 35), {"l.h": first}, raw=True)
    return Case(network, parameters, batch, traces)


# --- what equality means -----------------------------------------------------------------------
def assert_same_run(expected, found):
    """Outputs, lengths, final states, traces and events are equal bit for bit."""
    np.testing.assert_array_equal(found.lengths, expected.lengths)
    np.testing.assert_array_equal(found.outputs, expected.outputs, err_msg="outputs")
    assert list(found.by_output) == list(expected.by_output)
    for name, vectors in expected.by_output.items():
        given = found.by_output[name]
        np.testing.assert_array_equal(given.lengths, vectors.lengths, err_msg=name)
        np.testing.assert_array_equal(given.values, vectors.values, err_msg=name)
    for kind in ("final", "traces"):
        assert getattr(found, kind).keys() == getattr(expected, kind).keys()
        for name, value in getattr(expected, kind).items():
            np.testing.assert_array_equal(
                getattr(found, kind)[name], value, err_msg=f"{kind} {name}"
            )
    assert found.events == expected.events


def assert_engine_equals_golden(case, isas=ISAS, lanes=(16, 1)):
    """The engine on every instruction set and layout, in chunks of any number of steps, gives the
    golden run and the counts."""
    network, parameters, batch, traces = case.network, case.parameters, case.batch, case.traces
    expected = golden.run(network, parameters, batch, traces)
    predicted = layer_counts(network, batch.lengths.tolist())
    chunks = cycle((None, 1, 3, 2, 1))
    few = patch.object(compiler, "TILE_WORDS", 128)  # several tiles in small networks
    for isa, side in product(isas, lanes):
        with few if batch.lengths.sum() % 2 else nullcontext():
            found = run(network, parameters, batch, traces, isa=isa, lanes=side, chunk=next(chunks))
        assert found.isa == isa
        assert_same_run(expected, found)
        assert found.counts.keys() == predicted.keys()
        for layer, counts in predicted.items():
            assert dict(found.counts[layer].flat()) == dict(counts.flat()), layer
    return expected
