"""One class a sequence, from a file of recorded data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rnnhw.design.tasks.recordings import Recorded
from rnnhw.design.tasks.samples import FloatArray, IntArray, Samples, expected_answers
from rnnhw.design.tasks.scores import Accuracy, Score
from rnnhw.errors import DesignError

__all__ = ["Classification", "classified"]


@dataclass(frozen=True)
class Classification(Recorded):
    """One class a sequence: the largest output of the last step is the answer (the first of
    several equal ones).

    ``data`` is an ``.npz`` with ``{split}_x`` [sequences, steps, features], ``{split}_lengths``
    and ``{split}_y`` for the splits ``train`` and ``test``. With ``standardise`` every feature is
    shifted and scaled by the mean and standard deviation of the training split's real steps, as
    a host would do before the accelerator.
    """

    score_type: ClassVar[type[Score]] = Accuracy

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Accuracy:
        return classified("Classification", outputs, lengths, samples)


def classified(task: str, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Accuracy:
    """How many classes ``y`` [sequences] the outputs [sequences, steps, units] answer.

    The answer is the largest output of the last step, the first of several equal ones: a tie.

    Raises:
        DesignError: ``y`` does not hold one class of the network a sequence, or is not known, or
            there is one class alone, which every output would answer.
    """
    expected = expected_answers(samples)
    classes = outputs.shape[2]
    if expected.ndim != 1 or expected.min() < 0 or expected.max() >= classes:
        raise DesignError(
            f"{task}: y of shape {expected.shape} holds {expected.min()}..{expected.max()}",
            f"it must hold one class of 0..{classes - 1} a sequence",
        )
    if classes == 1:
        raise DesignError(
            f"{task}: one output unit tells no classes apart",
            "give a unit for each class, or real answers y [sequences, steps, 1 output]",
        )
    last = outputs[np.arange(len(outputs)), lengths - 1]
    tied = (last == last.max(1, keepdims=True)).sum(1) > 1
    return Accuracy.of(last.argmax(1) == expected, tied, last)
