"""What fixed point does to the memory of recurrences, structure by structure.

    python benchmarks/memory.py [--quick] [--seeds N] [--choices] [-o result.json]

Memory capacity of linear recurrences of 16 units with a spectral radius of 0.95, in float and with
words of 8 and 6 bits for everything: mean over seeds, with the least and the greatest, and the
spectral radius of the quantised matrix. The same at 8 bits by how much of the word the state uses,
which decides as much as the structure. The dead band of a decaying
unit by its factor and rounding mode, found from every value of the word, beside
floor(0.5 / (1 - a)). And the starts from which a resonator in direct form, on zero input, ends in a
cycle above half scale, with a sum that wraps and one that saturates.

``--choices`` prints the capacities alone, by choices that figures of other sources often leave
untold: how the input is scaled, how its weights are drawn, and which delays are summed.

The figures are those of `rnnhw analyze`; docs/memory.md defines them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnhw import Banded, Dense, Design, Diagonal, Elman, Formats, Hadamard, Identity, Q
from rnnhw.analysis.derivatives import spectral_radius, step_derivatives
from rnnhw.dynamics.attractors import dead_band_starts, held, random_states
from rnnhw.dynamics.capacity import capacity
from rnnhw.execution.alone import LayerAlone
from rnnhw.execution.cycles import find_cycles
from rnnhw.layers.structures import Structure
from rnnhw.numerics.cast import Overflow, Rounding, real_values

UNITS, RADIUS = 16, 0.95
WORDS = (8, 6)
PEAK = 0.9
"""The largest float state, of 1: signals use their words well."""
HEADROOM = (0, 1, 2, 3)
"""Bits of the word that the state leaves unused beyond that."""
Array = np.ndarray


# --- recurrences -------------------------------------------------------------------------------
def scaled(matrix: Array, radius: float = RADIUS) -> Array:
    """The matrix with this spectral radius."""
    return matrix * (radius / np.abs(np.linalg.eigvals(matrix)).max())


def dense(rng: np.random.Generator) -> tuple[Structure, Mapping[str, Array]]:
    """Independent normal entries."""
    return Dense(), {"r.U": scaled(rng.normal(size=(UNITS, UNITS)))}


def diagonal(rng: np.random.Generator) -> tuple[Structure, Mapping[str, Array]]:
    """Real poles, uniform in -radius..radius."""
    return Diagonal(), {"r.U": rng.uniform(-RADIUS, RADIUS, UNITS)}


def tridiagonal(rng: np.random.Generator) -> tuple[Structure, Mapping[str, Array]]:
    """Independent normal entries in three diagonals."""
    whole = np.triu(np.tril(rng.normal(size=(UNITS, UNITS)), 1), -1)
    structure = Banded(1, 1)
    return structure, structure.project(scaled(whole)).tensors("r.U")


def rotations(rng: np.random.Generator) -> tuple[Structure, Mapping[str, Array]]:
    """2x2 blocks of the same radius, angles evenly spaced with a little chance."""
    count = UNITS // 2
    angles = np.pi * (np.arange(count) + 0.5 + rng.uniform(-0.25, 0.25, count)) / count
    whole = np.zeros((UNITS, UNITS))
    for index, angle in enumerate(angles):
        c, s = RADIUS * np.cos(angle), RADIUS * np.sin(angle)
        place = slice(2 * index, 2 * index + 2)
        whole[place, place] = [[c, s], [-s, c]]
    structure = Banded(1, 1)
    return structure, structure.project(whole).tensors("r.U")


def hadamard(rng: np.random.Generator) -> tuple[Structure, Mapping[str, Array]]:
    """D1 H D2 with random signs: orthogonal but for the radius."""
    structure = Hadamard()
    shared = {
        "r.U.before": rng.choice([-1.0, 1.0], UNITS),
        "r.U.after": rng.choice([-1.0, 1.0], UNITS) * RADIUS / np.sqrt(UNITS),
    }
    return structure, shared


STRUCTURES: Mapping[str, Callable[[np.random.Generator], tuple[Structure, Mapping[str, Array]]]] = {
    "random dense": dense,
    "real diagonal": diagonal,
    "random tridiagonal": tridiagonal,
    "2x2 rotations": rotations,
    "D1 H D2": hadamard,
}


# --- memory capacity ---------------------------------------------------------------------------
def linear_layer(
    structure: Structure, weights: Mapping[str, Array], inputs: Array, word: int, gain: float = 1.0
) -> LayerAlone:
    """``h' = U h + W x`` with every number in ``word`` bits, ``U`` between -2 and 2, ``W`` scaled
    by ``gain`` and its word to it."""
    formats = Formats(
        input=Q(0, word - 1),
        weight=Q(1, word - 2),
        sum=Q(0, word - 1),
        state=Q(0, word - 1),
    )
    bits = int(np.floor(np.log2(np.abs(gain * inputs).max()))) + 1
    design = Design(
        [Elman(UNITS, recurrent=structure, activation=Identity(), bias=False, name="r")],
        formats,
        {**weights, "r.W": gain * inputs},
        inputs=1,
        overrides={"r.W": Q(bits, word - 1 - bits)},
    )
    [scan] = design.network.scans
    return LayerAlone(scan, design.parameters)


def full_scale_gain(layer: LayerAlone, drive: Array) -> float:
    """By how much the input may grow until the largest float state is :data:`PEAK`."""
    before, _ = layer.reference(drive, layer.real_states(layer.first_states(len(drive))))
    return PEAK / max(float(np.abs(value).max()) for value in before.values())


def capacities(name: str, seed: int) -> dict[str, float]:
    """Capacity in float, by word and by headroom, and radius by word, of one random recurrence."""
    rng = np.random.default_rng(seed)
    structure, weights = STRUCTURES[name](rng)
    inputs = rng.uniform(-1, 1, (UNITS, 1))
    wide = linear_layer(structure, weights, inputs, 16)
    drive = rng.integers(-(1 << 15), 1 << 15, (16, 1024, 1))
    gain = full_scale_gain(wide, drive)
    found: dict[str, float] = {}
    for word, unused in [*((word, 0) for word in WORDS), *((WORDS[0], n) for n in HEADROOM[1:])]:
        layer = linear_layer(structure, weights, inputs, word, gain / 2**unused)
        low, high = np.array([layer.network.source.interval[0]]), np.array([2 ** (word - 1) - 1])
        result = capacity(layer, low, high, seed)
        assert result is not None
        found[f"{unused} unused" if unused else f"{word} bits"] = result.capacity
        found.setdefault("float", result.float_capacity or float("nan"))
        if not unused:
            found[f"radius, {word} bits"] = quantised_radius(layer)
    return found


@dataclass(frozen=True)
class Choice:
    """What a capacity depends on beside structure and word."""

    name: str
    weights: Callable[[np.random.Generator], Array]
    rms: bool = False
    scale: float = PEAK
    """The largest float state, or with ``rms`` the root of the states' mean square; of 1."""
    first: int = 0
    """The first delay that is summed."""


def uniform_weights(rng: np.random.Generator) -> Array:
    """Between -1 and 1."""
    return rng.uniform(-1, 1, (UNITS, 1))


CHOICES = (
    Choice("as above", uniform_weights),
    Choice("largest state 0.5", uniform_weights, scale=0.5),
    Choice("rms of the states 0.1", uniform_weights, rms=True, scale=0.1),
    Choice("rms of the states 0.5", uniform_weights, rms=True, scale=0.5),
    Choice("normal input weights", lambda rng: rng.normal(size=(UNITS, 1))),
    Choice("input weights 1 or -1", lambda rng: rng.choice([-1.0, 1.0], (UNITS, 1))),
    Choice("delays from 1 on", uniform_weights, first=1),
    Choice("largest state 0.5, delays from 1 on", uniform_weights, scale=0.5, first=1),
)


def chosen_capacity(name: str, choice: Choice, word: int, seed: int) -> float:
    """The capacity of one random recurrence under a choice."""
    rng = np.random.default_rng(seed)
    structure, weights = STRUCTURES[name](rng)
    inputs = choice.weights(rng)
    wide = linear_layer(structure, weights, inputs, 16)
    drive = rng.integers(-(1 << 15), 1 << 15, (16, 1024, 1))
    before, _ = wide.reference(drive, wide.real_states(wide.first_states(len(drive))))
    [states] = before.values()
    size = np.sqrt((states**2).mean()) if choice.rms else np.abs(states).max()
    layer = linear_layer(structure, weights, inputs, word, choice.scale / float(size))
    low, high = np.array([layer.network.source.interval[0]]), np.array([2 ** (word - 1) - 1])
    result = capacity(layer, low, high, seed)
    assert result is not None
    return min(float(sum(result.r2[choice.first :])), UNITS)


def by_choice(seeds: int) -> str:
    """The table of ``--choices``."""
    rows = []
    for choice in CHOICES:
        cells = []
        for name in STRUCTURES:
            means = [
                np.mean([chosen_capacity(name, choice, word, seed) for seed in range(seeds)])
                for word in WORDS
            ]
            cells.append(", ".join(f"{mean:.1f}" for mean in means))
        rows.append([choice.name, *cells])
    words = " and ".join(map(str, WORDS))
    return table(
        f"Memory capacity at {words} bits by choice, {seeds} seeds", ["", *STRUCTURES], rows
    )


def quantised_radius(layer: LayerAlone) -> float:
    """The spectral radius of the recurrent matrix in its words."""
    return spectral_radius(
        step_derivatives(
            layer.scan.graph,
            {
                tensor.key: real_values(layer.parameters.raw[tensor.key], tensor.format)
                for tensor in layer.scan.graph.tensors
            },
        ).jacobian()
    )


# --- dead bands and wraparound -----------------------------------------------------------------
def decaying(factor: float, rounding: Rounding) -> LayerAlone:
    """``h' = a h`` in whole numbers up to 127."""
    formats = Formats(
        input=Q(7, 0), weight=Q(0, 10), sum=Q(8, 10), state=Q(7, 0, rounding=rounding)
    )
    layer = Elman(1, recurrent=Diagonal(), activation=Identity(), bias=False, name="r")
    design = Design([layer], formats, {"r.W": [[0.5]], "r.U": [factor]}, inputs=1)
    [scan] = design.network.scans
    return LayerAlone(scan, design.parameters)


def dead_band(factor: float, rounding: Rounding) -> int:
    """In LSB, from every value of the word."""
    layer = decaying(factor, rounding)
    starts, exact = dead_band_starts(layer, layer.first_states(1))
    assert exact
    zero = np.zeros((len(starts["r.state"]), 1), np.int64)
    [band] = held(layer, zero, starts).dead_bands(exact)
    assert band.exact and band.lsb is not None
    return band.lsb


ANGLES = (5, 4, 3)
"""Poles at an angle of pi over these."""


def restless(overflow: Overflow, part: int, runs: int = 1024) -> float:
    """The share of starts from which ``h0' = 2 r cos(pi/part) h0 - r^2 h1, h1' = h0``, r = 0.98,
    ends in a cycle above half scale on zero input."""
    radius = 0.98
    matrix = np.array([[2 * radius * np.cos(np.pi / part), -(radius**2)], [1, 0]])
    word = Q(0, 7)
    formats = Formats(input=word, weight=Q(1, 12), sum=Q(0, 7, overflow=overflow), state=word)
    layer = Elman(2, activation=Identity(), bias=False, name="r")
    design = Design([layer], formats, {"r.U": matrix, "r.W": np.zeros((2, 1))}, inputs=1)
    [scan] = design.network.scans
    alone = LayerAlone(scan, design.parameters)
    starts = random_states(alone, runs, 0)
    cycles = find_cycles(alone, np.zeros((runs, 1), np.int64), starts, 4096)
    assert cycles.repeating == runs
    return float((cycles.heights["r.state"].max(1) > word.max // 2).mean())


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text in columns."""
    lines = [heads, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(heads))]
    shown = ("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines)
    return "\n".join([title, *(line.rstrip() for line in shown), ""])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--choices", action="store_true", help="capacities by choice, alone")
    options = parser.parse_args()
    seeds = 2 if options.quick else options.seeds
    if options.choices:
        print(by_choice(seeds))
        return
    result: dict[str, object] = {"units": UNITS, "radius": RADIUS, "seeds": seeds}
    heads = ["float", *(f"{word} bits" for word in WORDS)]
    radii = [f"radius, {word} bits" for word in WORDS]
    unused = [f"{n} unused" for n in HEADROOM[1:]]
    rows, by_headroom, kept = [], [], {}
    for name in STRUCTURES:
        found = [capacities(name, seed) for seed in range(seeds)]
        columns = {head: [each[head] for each in found] for head in found[0]}
        mean = {head: float(np.mean(values)) for head, values in columns.items()}
        kept[name] = {"mean": mean, "seeds": columns}
        cells = [f"{mean[h]:.1f} ({min(columns[h]):.1f}-{max(columns[h]):.1f})" for h in heads]
        rows.append([name, *cells, *(f"{mean[head]:.3f}" for head in radii)])
        by_headroom.append([name, *(f"{mean[head]:.1f}" for head in [heads[1], *unused])])
    result["capacity"] = kept
    print(table(f"Memory capacity of {UNITS}, {seeds} seeds", ["", *heads, *radii], rows))
    heads = [f"{n} bit{'s' * (n != 1)} unused" for n in HEADROOM]
    print(table(f"The same at {WORDS[0]} bits, by headroom", ["", *heads], by_headroom))
    factors = (0.5, 0.75, 0.875, 0.9375, 0.984375, 0.990234375)
    modes = (Rounding.RND, Rounding.RND_CONV, Rounding.TRN, Rounding.TRN_ZERO)
    bands = {str(a): {mode.value: dead_band(a, mode) for mode in modes} for a in factors}
    result["dead_band_lsb"] = bands
    rows = [
        [f"{a:.4g}", str(int(0.5 / (1 - a))), *(str(bands[str(a)][mode.value]) for mode in modes)]
        for a in factors
    ]
    heads = ["a", "floor(.5/(1-a))", *(mode.value for mode in modes)]
    print(table("Dead band of h' = a h, LSB", heads, rows))
    ends = {
        each.value: {f"pi/{part}": restless(each, part) for part in ANGLES}
        for each in (Overflow.WRAP, Overflow.SAT)
    }
    result["above_half_scale"] = ends
    rows = [[n, *(f"{100 * share:.0f} %" for share in v.values())] for n, v in ends.items()]
    heads = ["sum", *(f"pi/{part}" for part in ANGLES)]
    print(table("Starts of a resonator that end in a cycle above half scale", heads, rows))
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
