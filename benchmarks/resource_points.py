"""Designs whose resources are synthesised: the grid of 72 points, and others to calibrate on.

A point is a design with its lanes on one family of FPGAs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass

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
    Q,
    ReLU,
    Sigmoid,
    Sum,
    Tanh,
    Window,
)
from rnnhw.accelerator import Basis, accelerator, lane_options
from rnnhw.design.weights import Parameters, load_parameters
from rnnhw.errors import DesignError
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Node
from rnnhw.layers.structures import Structure

FAMILIES = ("ice40", "ecp5")
PROFILES = {"ice40": "ice40up5k", "ecp5": "ecp5-25"}

STRUCTURES = {
    "dense": Dense(),
    "tridiagonal": Banded(1, 1),
    "band": Banded(3, 3),
    "lower band": Banded(2, 0),
    "cyclic band": CyclicBand(1, 1),
    "wide cyclic band": CyclicBand(3, 2),
    "blocks of 4": BlockDiagonal(4),
    "blocks of 8": BlockDiagonal(8),
    "diagonal": Diagonal(),
}
CELLS = ("elman", "lstm", "gru", "head", "stack", "lstm, last, head")

OTHER_STRUCTURES: dict[str, Callable[[int], Structure]] = {
    "hadamard": lambda n: Hadamard(),
    "bare hadamard": lambda n: Hadamard(before=False, after=False),
    "diagonal and hadamard": lambda n: Sum(Diagonal(), Hadamard(before=False)),
    "butterfly": lambda n: Butterfly(),
    "biased butterfly": lambda n: Butterfly(bias=True),
    "butterfly of neurons": lambda n: Butterfly(Sigmoid(), bias=True),
    "low rank": lambda n: LowRank(max(n // 4, 1)),
}
"""Those of several passes or phases, by the number of units."""

OTHER_CELLS = (
    "elman",
    "lstm",
    "gru",
    "gru, reset before",
    "leaky",
    "jordan",
    "elman, mean, head",
    "elman, divided mean",
    "projected lstm",
    "mingru",
)
DENSE_CELLS = ("jordan", "projected lstm", "mingru")


@dataclass(frozen=True)
class LeakyReLU:
    """``f(z) = z`` where ``z >= 0``, else ``z / 8``."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        eighth = g.reinterpret(z, Q(z.format.integer - 3, z.format.fraction + 3))
        return g.cast(g.select(z, z, eighth), role, name)


ACTIVATIONS = {"relu": ReLU(), "leaky relu": LeakyReLU()}


@dataclass(frozen=True)
class Point:
    """``cell`` of ``units`` units with a recurrence, on ``lanes`` lanes, words of ``word`` bits
    behind ``inputs`` inputs. ``hard``: piecewise linear activations instead of tables; ``window``
    steps of the input at once; ``stages``: a word of its own between the factors of a recurrence;
    ``activation``: another one of :data:`ACTIVATIONS`."""

    cell: str
    structure: str
    units: int
    lanes: int
    word: int
    inputs: int = 8
    hard: bool = False
    unsigned: bool = False
    window: int = 1
    stages: bool = False
    activation: str = ""

    @property
    def name(self) -> str:
        """What a table calls it."""
        more = ", hard tanh" * self.hard + ", unsigned" * self.unsigned
        more += f", window of {self.window}" if self.window > 1 else ""
        more += ", stages" * self.stages + (f", {self.activation}" if self.activation else "")
        kind = self.cell if self.cell == "head" else f"{self.cell}, {self.structure}"
        return f"{kind} {self.units}, {self.inputs} inputs, {self.word} bits{more}"

    def design(self) -> Design:
        """The design, without weights."""
        word = self.word
        table = min(word, 8)
        formats = Formats(
            input=Q(0, word - 1),
            weight=Q(0, word - 1),
            gate=Q(0, word - 1),
            cell=Q(3, word - 1),
            state=Q(0, word, signed=False) if self.unsigned else Q(0, word - 1),
            sum=Q(2, table - 3),
            recurrent_sum=Q(3, word),
            stage=Q(3, word) if self.stages else None,
            output=Q(0, word - 1) if self.cell == "elman, divided mean" else None,
        )
        window = [Window(self.window)] if self.window > 1 else []
        layers = [*window, *self._layers()]
        return Design(layers=layers, formats=formats, inputs=self.inputs, max_steps=100)

    def _layers(self) -> list[object]:
        n = self.units
        if self.structure in STRUCTURES:
            structure = STRUCTURES[self.structure]
        else:
            structure = OTHER_STRUCTURES[self.structure](n)
        activation = HardTanh() if self.hard else Sigmoid() if self.unsigned else Tanh()
        activation = ACTIVATIONS.get(self.activation, activation)
        match self.cell:
            case "elman":
                return [Elman(n, structure, activation, name="rnn")]
            case "lstm":
                return [LSTM(n, structure, name="rnn")]
            case "gru":
                return [GRU(n, structure, name="rnn")]
            case "gru, reset before":
                return [GRU(n, structure, reset="before", name="rnn")]
            case "projected lstm":
                return [LSTM(n, structure, projection=max(n // 2, 1), name="rnn")]
            case "leaky":
                return [LeakyElman(n, None, structure, activation, initial=True, name="rnn")]
            case "mingru":
                return [MinGRU(n, name="rnn")]
            case "jordan":
                return [JordanNetwork(n, max(n // 2, 1), activation=activation, name="rnn")]
            case "elman, mean, head":
                head = Linear(9, name="head")
                return [Elman(n, structure, activation, name="rnn"), Mean(), head]
            case "elman, divided mean":
                return [Elman(n, structure, activation, name="rnn"), Mean(divide=True)]
            case "head":
                return [Linear(n, name="head")]
            case "stack":
                return [
                    Elman(n, structure, activation, name="rnn1"),
                    Elman(n, structure, activation, name="rnn2"),
                    Linear(10, name="head"),
                ]
        return [LSTM(n, structure, name="rnn"), Last(), Linear(9, name="head")]


GRID = (
    Point("elman", "dense", 4, 1, 4, inputs=2),
    Point("elman", "dense", 16, 4, 8),
    Point("elman", "dense", 32, 8, 8, hard=True),
    Point("elman", "dense", 64, 16, 8),
    Point("elman", "dense", 32, 4, 12),
    Point("elman", "dense", 64, 2, 16),
    Point("elman", "tridiagonal", 8, 2, 6, inputs=4),
    Point("elman", "band", 32, 4, 8),
    Point("elman", "tridiagonal", 64, 8, 8, unsigned=True),
    Point("elman", "band", 48, 6, 12),
    Point("elman", "cyclic band", 16, 4, 8),
    Point("elman", "wide cyclic band", 60, 10, 10),
    Point("elman", "blocks of 4", 16, 4, 8),
    Point("elman", "blocks of 8", 64, 8, 12),
    Point("elman", "diagonal", 12, 3, 8),
    Point("elman", "diagonal", 64, 4, 16),
    Point("lstm", "dense", 8, 4, 8),
    Point("lstm", "dense", 32, 4, 8),
    Point("lstm", "dense", 64, 8, 8),
    Point("lstm", "dense", 24, 12, 12),
    Point("lstm", "band", 32, 4, 8),
    Point("lstm", "diagonal", 16, 8, 8),
    Point("gru", "dense", 8, 3, 8),
    Point("gru", "dense", 32, 6, 8, inputs=12),
    Point("gru", "dense", 64, 1, 10),
    Point("gru", "tridiagonal", 24, 6, 12),
    Point("head", "dense", 10, 2, 8, inputs=32),
    Point("head", "dense", 64, 16, 12, inputs=16),
    Point("stack", "dense", 32, 2, 8),
    Point("lstm, last, head", "dense", 16, 4, 8, inputs=12),
    Point("elman", "hadamard", 32, 4, 8, stages=True),
    Point("elman", "butterfly", 16, 4, 8, unsigned=True, stages=True),
    Point("gru, reset before", "dense", 16, 4, 8),
    Point("elman", "low rank", 32, 4, 8, inputs=12),
    Point("elman", "tridiagonal", 32, 4, 8, window=3),
    Point("elman, mean, head", "butterfly of neurons", 16, 4, 8, inputs=12),
)
"""36 designs, each on both families."""


def drawn(count: int, seed: int, *, small: bool = False) -> list[Point]:
    """Other designs at random from the same range, each one that can have its lanes; ``small``:
    of few units, lanes and bits."""
    r = random.Random(seed)
    found: list[Point] = []
    while len(found) < count:
        cell = r.choice(["elman"] * 5 + ["lstm"] * 2 + ["gru"] * 2 + ["head", *CELLS[4:]])
        point = Point(
            cell,
            "dense" if cell == "head" or r.random() < 0.25 else r.choice(list(STRUCTURES)),
            r.choice([4, 5, 6, 8] if small else [4, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64]),
            r.randint(1, 2 if small else 16),
            r.choice([4, 5, 6] if small else [4, 5, 6, 7, 8, 8, 8, 9, 10, 12, 14, 16]),
            inputs=r.choice([2, 3, 4] if small else [2, 4, 8, 8, 12, 16, 32]),
            hard=cell in ("elman", "stack") and r.random() < 0.25,
            unsigned=cell in ("elman", "stack") and r.random() < 0.25,
        )
        if point in GRID or point in found or (point.hard and point.unsigned):
            continue
        if STRUCTURES[point.structure] == BlockDiagonal(8) and point.units % 8:
            continue
        if STRUCTURES[point.structure] == BlockDiagonal(4) and point.units % 4:
            continue
        first = lane_options(point.design().network)[0]
        if point.lanes in first.lanes:
            found.append(point)
    return found


def drawn_others(count: int, seed: int) -> list[Point]:
    """Designs at random of what :func:`drawn` has not: transforms, phases, windows, sums over
    time, and other activations; each one emitted on lanes that it can have. Cells and structures
    come in turn; those with accumulators of more than 48 bits are left out."""
    r = random.Random(seed)
    square = [cell for cell in OTHER_CELLS if cell not in DENSE_CELLS]
    kinds = [(cell, structure) for cell in square for structure in (*OTHER_STRUCTURES, "")]
    kinds += [(cell, "dense") for cell in DENSE_CELLS]
    found: list[Point] = []
    while len(found) < count:
        deck = r.sample(kinds, min(count - len(found), len(kinds)))
        found += [_other(r, *kind, found) for kind in deck]
    return [point for point in found if _accumulator(point) <= 48]


def _accumulator(point: Point) -> int:
    """Bits of the widest accumulator."""
    layers = accelerator(point.design().network, point.lanes).layers
    return max(layer.accumulator_bits for layer in layers)


def _other(r: random.Random, cell: str, structure: str, others: list[Point]) -> Point:
    """A design of a cell with a structure; without one, with a random one of one phase."""
    elman = cell.startswith("elman") or cell == "leaky"
    while True:
        several = structure in OTHER_STRUCTURES
        point = Point(
            cell,
            structure or r.choice(list(STRUCTURES)),
            r.choice([4, 8, 8, 16, 16, 32] if several else [4, 8, 12, 20, 24, 32]),
            r.choice([1, 2, 3, 4, 4, 5, 6, 8, 12]),
            r.choice([4, 6, 7, 8, 8, 8, 10, 12]),
            inputs=r.choice([2, 4, 8, 12]),
            unsigned=elman and r.random() < 0.3,
            window=r.choice([1, 1, 1, 2, 3]),
            stages=several and r.random() < 0.7,
            activation=r.choice(["", "", *ACTIVATIONS]) if elman else "",
        )
        if point in GRID or point in others:
            continue
        try:
            network = point.design().network
            if point.lanes not in lane_options(network)[0].lanes:
                continue
            machine = accelerator(network, point.lanes)
        except DesignError:
            continue
        if all(layer.basis is Basis.REALISED for layer in machine.layers):
            return point


def parameters(network: Network, seed: int = 1) -> Parameters:
    """Seeded numbers over the whole range of each tensor's word."""
    rng = np.random.default_rng(seed)
    values = {}
    for tensor in network.tensors:
        raw = rng.integers(tensor.format.lowest, tensor.format.max + 1, tensor.shape)
        values[tensor.key] = raw / 2.0**tensor.format.fraction
    for scan in network.scans:
        for node in scan.graph.nodes:
            weights = getattr(node, "weights", None)
            if weights is not None:
                used = np.zeros(values[weights.key].size, bool)
                for row in node.structure.rows(node.units, node.vector.units):
                    used[list(row.parameters)] = True
                values[weights.key] *= used.reshape(weights.shape)
    return load_parameters(network, values)


def described(point: Point) -> dict[str, object]:
    """The point as data."""
    return asdict(point)
