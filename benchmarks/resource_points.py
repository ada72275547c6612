"""Designs whose resources are synthesised: the grid of 60 points, and others to calibrate on.

A point is a design with its lanes on one family of FPGAs.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass

import numpy as np

from rnnhw import (
    GRU,
    LSTM,
    Banded,
    BlockDiagonal,
    CyclicBand,
    Dense,
    Design,
    Diagonal,
    Elman,
    Formats,
    HardTanh,
    Last,
    Linear,
    Q,
    Sigmoid,
    Tanh,
)
from rnnhw.machine import layer_choices
from rnnhw.network import Network
from rnnhw.weights import Parameters, load_parameters

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


@dataclass(frozen=True)
class Point:
    """``cell`` of ``units`` units with a recurrence, on ``lanes`` lanes, words of ``word`` bits
    behind ``inputs`` inputs. ``hard``: piecewise linear activations instead of tables."""

    cell: str
    structure: str
    units: int
    lanes: int
    word: int
    inputs: int = 8
    hard: bool = False
    unsigned: bool = False

    @property
    def name(self) -> str:
        """What a table calls it."""
        more = ", hard tanh" * self.hard + ", unsigned" * self.unsigned
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
        )
        return Design(layers=self._layers(), formats=formats, inputs=self.inputs)

    def _layers(self) -> list[object]:
        structure, n = STRUCTURES[self.structure], self.units
        activation = HardTanh() if self.hard else Sigmoid() if self.unsigned else Tanh()
        match self.cell:
            case "elman":
                return [Elman(n, structure, activation, name="rnn")]
            case "lstm":
                return [LSTM(n, structure, name="rnn")]
            case "gru":
                return [GRU(n, structure, name="rnn")]
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
)
"""30 designs, each on both families."""


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
        first = layer_choices(point.design().network)[0]
        if point.lanes in first.lanes:
            found.append(point)
    return found


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
