"""The interface of all tasks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from rnnhw.design.tasks.samples import FloatArray, IntArray, Samples
from rnnhw.design.tasks.scores import Score
from rnnhw.numerics.cast import Q

__all__ = ["HarderTask", "Task"]


class Task(Protocol):
    """The purpose of a design: its samples and how its outputs are judged."""

    score_type: ClassVar[type[Score]]
    """The kind of its scores: what ``require`` and ``limit`` can name."""

    real_answers: ClassVar[bool]
    """Whether ``y`` is real, [sequences, steps, outputs], or holds whole numbers."""

    @property
    def features(self) -> int:
        """Input features at each step."""
        ...

    @property
    def input_format(self) -> Q | None:
        """The natural format of the inputs, if there is one."""
        ...

    @property
    def max_steps(self) -> int:
        """Steps of the longest sequence."""
        ...

    @property
    def require(self) -> Mapping[str, float]:
        """What ``verify`` demands: the least value of a named figure."""
        ...

    def located(self, folder: Path) -> Task:
        """The same task with data files taken relative to ``folder``."""
        ...

    def samples(self) -> Samples:
        """The inputs, with the expected outputs."""
        ...

    def prepared(self, samples: Samples) -> Samples:
        """Data of the user's own as the network reads it: what a host does before."""
        ...

    @property
    def limit(self) -> Mapping[str, float]:
        """What ``verify`` demands: the greatest value of a named figure."""
        ...

    def score(self, outputs: FloatArray, lengths: IntArray, samples: Samples) -> Score:
        """Judge outputs [sequences, steps, units], ``lengths`` of them valid, against samples.

        Raises:
            DesignError: the outputs are not of the task's kind, or ``y`` is not known.
        """
        ...


@runtime_checkable
class HarderTask(Protocol):
    """A task that has harder samples, which show errors that its usual samples do not."""

    def harder(self) -> Mapping[str, Samples]:
        """Further samples by a short name in words; judged like the task's own."""
        ...
