"""Real targets at every step, from a file of recorded data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rnnhw.design.tasks.recordings import Recorded
from rnnhw.design.tasks.samples import FloatArray, IntArray, Samples, expected_answers
from rnnhw.design.tasks.scores import Score, SquaredError
from rnnhw.errors import DesignError, plain_numbers, whole_number

__all__ = ["Regression", "squared_error"]


@dataclass(frozen=True)
class Regression(Recorded):
    """Real targets at every step.

    ``data`` is an ``.npz`` with ``{split}_x`` [sequences, steps, features], ``{split}_lengths``
    and real ``{split}_y`` [sequences, steps, outputs] for the splits ``train`` and ``test``. With
    ``standardise`` every feature is shifted and scaled by the mean and standard deviation of the
    training split's real steps, as a host would do before the accelerator; targets stay as they
    are. The first ``washout`` steps of each sequence are run but not judged. A network that gives
    fewer steps than it reads is judged at the last ones.
    """

    score_type: ClassVar[type[Score]] = SquaredError
    real_answers: ClassVar[bool] = True

    washout: int = 0

    def __post_init__(self) -> None:
        plain_numbers(self)
        whole_number("washout", self.washout, 0)

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> SquaredError:
        return squared_error("Regression", outputs, lengths, samples, self.washout)


def squared_error(
    task: str, outputs: FloatArray, lengths: IntArray, samples: Samples, washout: int = 0
) -> SquaredError:
    """The error of outputs [sequences, steps, units] against ``y`` [sequences, steps, units].

    The last outputs of a sequence answer its last steps: a network that gives fewer steps than
    it reads (a window, the last state) is judged where it gives some. Targets of the first
    ``washout`` steps are left out.

    Raises:
        DesignError: the shapes disagree, ``y`` is not known, or a sequence has nothing to judge.
    """
    expected = expected_answers(samples)
    if expected.ndim != 3 or expected.shape[2] != outputs.shape[2]:
        raise DesignError(
            f"{task}: {outputs.shape[2]} outputs for y of shape {expected.shape}",
            "the last layer must give one unit for each of y's [sequences, steps, outputs]",
        )
    short = np.flatnonzero(samples.lengths <= washout)
    if len(short):
        raise DesignError(
            f"{task}: a sequence of {samples.lengths[short[0]]} steps, but the first {washout} "
            "are not judged",
            "give longer sequences or a shorter washout",
        )
    steps = np.arange(outputs.shape[1])
    targets = steps + (samples.lengths - lengths)[:, None]
    sequence, step = np.nonzero((steps < lengths[:, None]) & (targets >= washout))
    return SquaredError.of(outputs[sequence, step], expected[sequence, targets[sequence, step]])
