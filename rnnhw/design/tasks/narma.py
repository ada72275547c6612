"""The NARMA-10 series: a forecast that needs ten steps of memory and products of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from rnnhw.design.tasks.regression import squared_error
from rnnhw.design.tasks.samples import FloatArray, IntArray, Samples
from rnnhw.design.tasks.scores import Score, SquaredError
from rnnhw.errors import plain_numbers, whole_number

__all__ = ["Narma10"]

_ORDER = 10
_LARGEST = 1.0
"""Where a series counts as diverging."""


@dataclass(frozen=True)
class Narma10:
    """The nonlinear autoregressive moving average of order 10 (Atiya & Parlos 2000, "New results
    on recurrent network training: unifying the algorithms and accelerating convergence").

        y[t+1] = 0.3 y[t] + 0.05 y[t] (y[t] + ... + y[t-9]) + 1.5 u[t-9] u[t] + 0.1

    u is uniform in [0, 0.5); before a sequence u and y are zero. Step t reads u[t] and gives
    y[t+1]; the network does not see y. The first ``washout`` steps of each sequence are run but
    not judged. For some u the series grows without end: a sequence that leaves -1 to 1 is drawn
    again (some five in a thousand of 250 steps).
    """

    score_type: ClassVar[type[Score]] = SquaredError
    real_answers: ClassVar[bool] = True
    input_format: ClassVar[None] = None

    steps: int = 250
    require: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    sequences: int = 40
    washout: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        plain_numbers(self)
        whole_number("steps", self.steps, 1, 10_000)
        whole_number("sequences", self.sequences, 1, 1 << 16)
        whole_number("washout", self.washout, 0, self.steps - 1)
        whole_number("seed", self.seed, 0)

    @property
    def features(self) -> int:
        return 1

    @property
    def max_steps(self) -> int:
        return self.steps

    def located(self, folder: Path) -> Narma10:
        return self

    def samples(self) -> Samples:
        rng = np.random.default_rng(self.seed)
        u = np.empty((self.sequences, self.steps))
        y = np.empty_like(u)
        missing = np.arange(self.sequences)
        while len(missing):
            u[missing] = rng.uniform(0, 0.5, (len(missing), self.steps))
            y[missing] = narma10(u[missing])
            missing = missing[~(np.abs(y[missing]) <= _LARGEST).all(1)]
        lengths = np.full(self.sequences, self.steps, np.int64)
        return Samples(u[:, :, None], lengths, y[:, :, None])

    def prepared(self, samples: Samples) -> Samples:
        return samples

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> SquaredError:
        return squared_error("Narma10", outputs, lengths, samples, self.washout)


def narma10(u: FloatArray) -> FloatArray:
    """y[t+1] for u[t], both [sequences, steps]; what diverges ends in infinities or NaN."""
    before = np.zeros((len(u), _ORDER))
    inputs, outputs = np.concatenate([before, u], 1), np.concatenate([before, u * 0], 1)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(_ORDER, inputs.shape[1]):
            last = outputs[:, t - _ORDER : t]
            outputs[:, t] = (
                0.3 * last[:, -1]
                + 0.05 * last[:, -1] * last.sum(1)
                + 1.5 * inputs[:, t - _ORDER + 1] * inputs[:, t]
                + 0.1
            )
    return outputs[:, _ORDER:]
