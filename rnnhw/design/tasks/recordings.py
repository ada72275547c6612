"""Tasks whose samples stand in a file, as recorded: training and test split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.tasks.samples import FloatArray, Samples, samples_of
from rnnhw.errors import DesignError
from rnnhw.files import open_npz
from rnnhw.numerics.cast import Q

__all__ = ["Recorded"]


@dataclass(frozen=True)
class Recorded:
    """The base of tasks that read their samples from a file."""

    real_answers: ClassVar[bool] = False

    data: str | Path
    split: str = "test"
    standardise: bool = True
    require: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    input_format: Q | None = None
    held_out: int = 0
    """Every ``held_out``-th training sequence is the split ``val``, and not in ``train``; 0: there
    is no such split. Features are shifted and scaled by both together."""

    def located(self, folder: Path) -> Self:
        return replace(self, data=folder / self.data)

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        wanted = {f"{split}_{key}" for split in ("train", "test") for key in ("x", "lengths", "y")}
        with open_npz(Path(self.data)) as archive:
            # Of what nobody reads the key alone is kept, for messages that list what is there.
            return {key: archive[key] if key in wanted else np.empty(0) for key in archive}

    def __post_init__(self) -> None:
        if isinstance(self.held_out, bool) or not isinstance(self.held_out, int):
            raise DesignError(f"held_out={self.held_out!r}", "give a whole number")
        if self.held_out < 0 or self.held_out == 1:
            raise DesignError(f"held_out={self.held_out}", "give 0, or a number from 2")

    def _split(self, split: str) -> Samples:
        if split == "val" and not self.held_out:
            raise DesignError(
                f"{self.data}: no split 'val'", "hold training sequences out: held_out=5"
            )
        if self.held_out and split in ("train", "val"):
            whole = self._recorded("train")
            last = np.arange(len(whole.lengths)) % self.held_out == self.held_out - 1
            return whole.selected(np.flatnonzero(last if split == "val" else ~last))
        return self._recorded(split)

    def _recorded(self, split: str) -> Samples:
        if split not in self._read:
            name, real = str(self.data), self.real_answers
            self._read[split] = samples_of(name, self._arrays, f"{split}_", real_answers=real)
        return self._read[split]

    @cached_property
    def _read(self) -> dict[str, Samples]:
        """Splits that were read and checked."""
        return {}

    @property
    def files(self) -> tuple[Path, ...]:
        return (Path(self.data),)

    @property
    def features(self) -> int:
        return int(self._split(self.split).x.shape[2])

    @property
    def max_steps(self) -> int:
        return max(int(self._split(split).lengths.max()) for split in ("train", "test"))

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation [features] over the real steps of the training split."""
        train = self._recorded("train")
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
