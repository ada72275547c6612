"""How expected answers are judged: by the design's task, or by the labels alone.

A task judges the first output. Further ones are judged by labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from rnnhw.design.tasks.classification import classified
from rnnhw.design.tasks.regression import squared_error
from rnnhw.design.tasks.samples import FloatArray, IntArray, Samples
from rnnhw.design.tasks.scores import Accuracy, Score, SquaredError
from rnnhw.design.tasks.task import Task

__all__ = ["Judge", "answering", "further_judges", "judge_of"]


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
    ones a class for every sequence (:func:`classified`). Errors call them by their ``key``."""

    real: bool
    key: str = "y"

    @property
    def score_type(self) -> type[Score]:
        return SquaredError if self.real else Accuracy

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Score:
        judged = squared_error if self.real else classified
        return judged(self.key, outputs, lengths, samples)


def judge_of(task: Task | None, samples: Samples) -> Judge | None:
    """The judge of the samples; None where no answers are known."""
    if samples.y is None:
        return None
    return task or Labels(samples.y.dtype.kind == "f")


def further_judges(samples: Samples) -> dict[str, Labels]:
    """The judges of the further outputs whose answers are known, by the output's name."""
    return {
        name: Labels(answers.dtype.kind == "f", f"y.{name}")
        for name, answers in samples.further.items()
    }


def answering(samples: Samples, output: str) -> Samples:
    """``samples`` with the answers of a further output as their ``y``."""
    return replace(samples, y=samples.further[output])
