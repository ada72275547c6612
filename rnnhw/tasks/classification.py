"""One class a sequence, from a file of recorded data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError
from rnnhw.numerics import Q
from rnnhw.tasks.samples import FloatArray, IntArray, Samples, expected_answers, samples_of
from rnnhw.tasks.scores import Accuracy, Score
from rnnhw.weights import read_npz

__all__ = ["Classification"]


@dataclass(frozen=True)
class Classification:
    """One class a sequence: the largest output of the last step is the answer (the first of
    several equal ones).

    ``data`` is an ``.npz`` with ``{split}_x`` [sequences, steps, features], ``{split}_lengths``
    and ``{split}_y`` for the splits ``train`` and ``test``. With ``standardise`` every feature is
    shifted and scaled by the mean and standard deviation of the training split's real steps, as
    a host would do before the accelerator.
    """

    score_type: ClassVar[type[Score]] = Accuracy

    data: str | Path
    split: str = "test"
    standardise: bool = True
    require: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    input_format: Q | None = None

    def located(self, folder: Path) -> Classification:
        return replace(self, data=folder / self.data)

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return read_npz(Path(self.data))

    def _split(self, split: str) -> Samples:
        return samples_of(str(self.data), self._arrays, f"{split}_")

    @property
    def features(self) -> int:
        return int(self._split(self.split).x.shape[2])

    @property
    def max_steps(self) -> int:
        return max(int(self._split(split).lengths.max()) for split in ("train", "test"))

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation [features] over the real steps of the training split."""
        train = self._split("train")
        real = train.x[np.arange(train.x.shape[1]) < train.lengths[:, None]]
        return real.mean(0), real.std(0)

    def samples(self) -> Samples:
        return self.prepared(self._split(self.split))

    def prepared(self, samples: Samples) -> Samples:
        if not self.standardise or samples.x.shape[2] != self.features:
            return samples  # the network refuses a wrong number of features by name
        mean, deviation = self.moments()
        constant = np.flatnonzero(deviation == 0)
        if len(constant):
            raise DesignError(
                f"{self.data}: feature {constant[0]} of train_x never changes",
                "leave it out, or set standardise=False",
            )
        return replace(samples, x=(samples.x - mean) / deviation)

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Accuracy:
        expected = expected_answers(samples)
        classes = outputs.shape[2]
        if expected.ndim != 1 or expected.min() < 0 or expected.max() >= classes:
            raise DesignError(
                f"Classification: y of shape {expected.shape} holds "
                f"{expected.min()}..{expected.max()}",
                f"it must hold one class of 0..{classes - 1} a sequence",
            )
        answers = outputs[np.arange(len(outputs)), lengths - 1].argmax(1)
        return Accuracy(int((answers == expected).sum()), len(answers))
