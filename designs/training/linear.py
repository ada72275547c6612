"""Build the linear filter, its recorded data and its weights in two bases.

Nothing is trained: eight resonators are drawn, hidden behind a random basis, run for the data,
and brought into real tridiagonal form. A table then shows what the basis costs in fixed point.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnhw import Q, jordan_form, load, verify
from rnnhw.conversion.jordan import JordanForm
from rnnhw.design.tasks import Samples

DESIGNS = Path(__file__).resolve().parent.parent
STATES, INPUTS, OUTPUTS = 16, 1, 2
RADII = (0.95, 0.99)
CONDITION = 10.0
SEED = 0
CONDITIONS, SEEDS, WORDS = (1.0, 3.0, 10.0, 30.0), (0, 1, 2), (8, 12, 16)
STEPS = 200
SEQUENCES = {"train": 16, "test": 32}
FILL = 0.9

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Filter:
    """``h[t] = U h[t-1] + W x[t]``, ``y[t] = V h[t]``."""

    U: FloatArray
    W: FloatArray
    V: FloatArray

    def states(self, x: FloatArray) -> FloatArray:
        """h [sequences, steps, states] for x [sequences, steps, inputs]."""
        h = np.zeros((len(x), len(self.U)))
        seen = []
        for t in range(x.shape[1]):
            h = h @ self.U.T + x[:, t] @ self.W.T
            seen.append(h)
        return np.stack(seen, 1)

    def tensors(self) -> dict[str, FloatArray]:
        """The filter by the keys of the designs."""
        return {"rnn.W": self.W, "rnn.U": self.U, "head.W": self.V}


def resonators(rng: np.random.Generator) -> FloatArray:
    """Rotations at eight frequencies evenly over the band, their radii evenly over RADII."""
    count = STATES // 2
    radii = rng.permutation(np.linspace(*RADII, count))
    angles = np.pi * (np.arange(count) + 0.5) / count
    whole = np.zeros((STATES, STATES))
    for k, (radius, angle) in enumerate(zip(radii, angles, strict=True)):
        s, w = radius * np.cos(angle), radius * np.sin(angle)
        whole[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = [[s, w], [-w, s]]
    return whole


def basis(rng: np.random.Generator, condition: float) -> FloatArray:
    """A random basis whose longest and shortest direction differ by the factor ``condition``."""
    left, right = (np.linalg.qr(rng.normal(size=(STATES, STATES)))[0] for _ in range(2))
    return left @ np.diag(np.geomspace(1, condition, STATES)) @ right


def build(condition: float = CONDITION, seed: int = SEED) -> tuple[Filter, dict[str, FloatArray]]:
    """The filter and its data, both splits; every state and output reaches FILL and no more."""
    rng = np.random.default_rng(seed)
    J, P = resonators(rng), basis(rng, condition)
    inverse = np.linalg.inv(P)
    raw = Filter(
        P @ J @ inverse,
        P @ rng.normal(size=(STATES, INPUTS)),
        rng.normal(size=(OUTPUTS, STATES)) @ inverse,
    )
    data = {
        f"{split}_x": rng.uniform(-1, 1, (count, STEPS, INPUTS)).astype(np.float32)
        for split, count in SEQUENCES.items()
    }
    every = np.concatenate([data["train_x"], data["test_x"]]).astype(np.float64)
    states = raw.states(every)
    scale = FILL / np.abs(states).max((0, 1))
    loudest = np.abs(states @ raw.V.T).max((0, 1))
    found = Filter(
        scale[:, None] * raw.U / scale,
        scale[:, None] * raw.W,
        FILL * raw.V / scale / loudest[:, None],
    )
    for split, count in SEQUENCES.items():
        y = found.states(data[f"{split}_x"].astype(np.float64)) @ found.V.T
        data[f"{split}_y"] = y.astype(np.float32)
        data[f"{split}_lengths"] = np.full(count, STEPS)
    return found, data


def convert(dense: dict[str, FloatArray]) -> JordanForm:
    """The filter of ``dense`` in real tridiagonal form, held against its outputs on the data."""
    form = jordan_form(replace(load(DESIGNS / "linear_recurrence.py"), weights=dense))
    if not form.accepted:
        raise SystemExit(f"the outputs differ by {form.max_error}, {form.bound} is allowed")
    return form


def fitting(tensor: FloatArray, word: int) -> Q:
    """The format of ``word`` bits that just holds a tensor."""
    integer = math.floor(math.log2(np.abs(tensor).max())) + 1
    return Q(integer, word - 1 - integer)


def noise_ratio(
    name: str, weights: dict[str, FloatArray], data: dict[str, FloatArray], word: int
) -> float:
    """The outputs' signal-to-noise ratio in dB at ``word`` bits, each tensor in its own format."""
    design = replace(
        load(DESIGNS / f"{name}.py", {"word": word}),
        weights=weights,
        overrides={key: fitting(tensor, word) for key, tensor in weights.items()},
    )
    x = data["test_x"].astype(np.float64)
    samples = Samples(x, np.full(len(x), STEPS), data["test_y"].astype(np.float64))
    return verify(design, samples=samples).output.snr_db


def row(condition: float, seed: int) -> str:
    """A row of the table: dense / tridiagonal at every word length."""
    found, data = build(condition, seed)
    form = convert(found.tensors())
    ratios = [
        f"{noise_ratio('linear_recurrence', found.tensors(), data, word):.1f} / "
        f"{noise_ratio('linear_recurrence_jordan', form.weights, data, word):.1f}"
        for word in WORDS
    ]
    return f"| {condition:g} | {seed} | {form.condition:.1f} | {' | '.join(ratios)} |"


def main() -> None:
    """Write the data and both weight files, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=DESIGNS, metavar="DIR", help="where to write")
    folder = parser.parse_args().out
    found, data = build()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "data" / "linear_recurrence.npz", **data)
    # In float64: that both designs compute the same is the point, and float32 would round it.
    np.savez(folder / "linear_recurrence.npz", **found.tensors())
    form = convert(found.tensors())
    np.savez(folder / "linear_recurrence_jordan.npz", **form.weights)
    print(
        f"condition {form.condition:.1f}, growth {form.growth:.1f}, non-zeros {form.nonzeros}, "
        f"spectral radius {form.spectral_radius:.4f}, float outputs within {form.max_error:.1e}"
    )
    for condition in CONDITIONS:
        for seed in SEEDS:
            print(row(condition, seed))


if __name__ == "__main__":
    main()
