"""How expected answers are judged: by the design's task, or by the labels alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rnnhw.design.tasks.classification import classified
from rnnhw.design.tasks.regression import squared_error
from rnnhw.design.tasks.samples import FloatArray, IntArray, Samples
from rnnhw.design.tasks.scores import Accuracy, Score, SquaredError
from rnnhw.design.tasks.task import Task

__all__ = ["Judge", "judge_of"]


class Judge(Protocol):
    """What scores outputs against expected answers: a task, or :class:`Labels`."""

    @property
    def score_type(self) -> type[Score]:
        """The kind of its scores."""
        ...

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Score:
        """Judge outputs [sequences, steps, units], ``lengths`` of them valid, against samples.

        Raises:
            DesignError: the outputs are not of the answers' kind.
        """
        ...


@dataclass(frozen=True)
class Labels:
    """Answers without a task: real ones are targets at every step (:func:`squared_error`), whole
    ones a class for every sequence (:func:`classified`)."""

    real: bool

    @property
    def score_type(self) -> type[Score]:
        return SquaredError if self.real else Accuracy

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Score:
        judged = squared_error if self.real else classified
        return judged("y", outputs, lengths, samples)


def judge_of(task: Task | None, samples: Samples) -> Judge | None:
    """What judges the samples; None where no answers are known."""
    if samples.y is None:
        return None
    return task or Labels(samples.y.dtype.kind == "f")
