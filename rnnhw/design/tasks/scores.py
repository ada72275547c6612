"""How well a network did on a task."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError

__all__ = ["Accuracy", "Score", "SquaredError", "score_names", "wilson_interval"]

FloatArray = NDArray[np.float64]


class Score(Protocol):
    """How well outputs meet what was expected, over some sequences; scores of parts add up."""

    names: ClassVar[tuple[str, ...]]
    """Names of :meth:`figures`; the first is the one that comparisons show."""

    tally_names: ClassVar[tuple[str, ...]]
    """Names of :meth:`tallies`."""

    def __add__(self, other: Self, /) -> Self:
        """The score of both parts together."""
        ...

    def figures(self) -> dict[str, float]:
        """The numbers that bounds can name."""
        ...

    def loss(self, reference: Self) -> float:
        """How much worse the first figure is than that of ``reference``; negative: better."""
        ...

    def details(self) -> dict[str, Any]:
        """What else a report holds, under names that begin with a figure's."""
        ...

    def tallies(self) -> dict[str, int]:
        """Whole numbers beside the figures that bounds can name too: :attr:`tally_names`."""
        ...

    def unjudged(self) -> str:
        """Why :meth:`figures` say nothing of the network; empty where they do."""
        ...


def score_names(kind: type[Score]) -> list[str]:
    """The names of a score's figures, of the float reference's, and of the loss between them."""
    names = (*kind.names, *kind.tally_names)
    return [*names, *(f"float_{name}" for name in names), f"{kind.names[0]}_loss"]


@dataclass(frozen=True)
class Accuracy:
    """``correct`` of ``total`` sequences, ``ties`` of which no output decides.

    ``least`` and ``most`` are the ends of every output unit over all that was judged; two scores
    are equal whatever these and the ties are.
    """

    names: ClassVar[tuple[str, ...]] = ("accuracy",)
    tally_names: ClassVar[tuple[str, ...]] = ("ties",)

    correct: int
    total: int
    ties: int = field(default=0, compare=False)
    least: tuple[float, ...] = field(default=(), compare=False)
    most: tuple[float, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, right: NDArray[np.bool_], tied: NDArray[np.bool_], judged: FloatArray) -> Accuracy:
        """The score of answers, from what is true of every sequence and all output vectors
        [vectors, units] that were judged."""
        # NumPy is fast along rows alone.
        units = np.ascontiguousarray(judged.T)
        least, most = (tuple(end.tolist()) for end in (units.min(1), units.max(1)))
        return cls(int(right.sum()), len(right), int(tied.sum()), least, most)

    def __add__(self, other: Accuracy) -> Accuracy:
        return Accuracy(
            self.correct + other.correct,
            self.total + other.total,
            self.ties + other.ties,
            tuple(min(pair) for pair in zip(self.least, other.least, strict=True)),
            tuple(max(pair) for pair in zip(self.most, other.most, strict=True)),
        )

    @property
    def accuracy(self) -> float:
        """The fraction of correct sequences."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy."""
        return wilson_interval(self.correct, self.total)

    def figures(self) -> dict[str, float]:
        return {"accuracy": self.accuracy}

    def loss(self, reference: Accuracy) -> float:
        return reference.accuracy - self.accuracy

    def details(self) -> dict[str, Any]:
        return {"accuracy_interval_95": list(self.interval), "accuracy_correct": self.correct}

    def tallies(self) -> dict[str, int]:
        return {"ties": self.ties}

    def unjudged(self) -> str:
        if self.total == 1:
            return "one sequence says nothing of the accuracy"
        if self.least and self.least == self.most:
            return "all outputs are equal, whatever the input"
        return "every answer is a tie" if self.ties == self.total else ""


@dataclass(frozen=True)
class SquaredError:
    """How far ``values`` real outputs are from their targets.

    ``squares`` is the sum of the squared errors of all of them; ``means`` and ``deviations``
    hold, for every output unit, the mean of its targets and the sum of their squared differences
    from it.
    """

    names: ClassVar[tuple[str, ...]] = ("nrmse", "r2")
    tally_names: ClassVar[tuple[str, ...]] = ()

    values: int
    squares: float
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @classmethod
    def of(cls, outputs: FloatArray, targets: FloatArray) -> SquaredError:
        """The score of outputs against targets, both [values, units]."""
        # A reference that grows beyond float64 gives an infinite or NaN error, which no bound
        # lets pass: nothing to warn of.
        with np.errstate(over="ignore", invalid="ignore"):
            squares = float(((outputs - targets) ** 2).sum())
        # From the first target on: targets that never change then differ by nothing at all.
        means = targets[0] + (targets - targets[0]).mean(0)
        deviations = ((targets - means) ** 2).sum(0)
        return cls(targets.size, squares, tuple(means.tolist()), tuple(deviations.tolist()))

    def __add__(self, other: SquaredError) -> SquaredError:
        """Parts join by their means, which loses nothing where the mean is large (Chan, Golub &
        LeVeque 1983, "Algorithms for computing the sample variance")."""
        values = self.values + other.values
        weight = self.values / len(self.means) * other.values / values
        parts = zip(self.means, other.means, self.deviations, other.deviations, strict=True)
        joined = [
            (m + (n - m) * other.values / values, d + e + (n - m) ** 2 * weight)
            for m, n, d, e in parts
        ]
        means, deviations = zip(*joined, strict=True)
        return SquaredError(values, self.squares + other.squares, means, deviations)

    @property
    def nrmse(self) -> float:
        """Root of the mean squared error over the targets' standard deviation: 1 is the mean of
        the targets given as every output.

        Raises:
            DesignError: the targets never change.
        """
        return math.sqrt(self._unexplained)

    @property
    def r2(self) -> float:
        """The fraction of the targets' variance that the outputs explain, 1 - nrmse**2.

        Raises:
            DesignError: the targets never change.
        """
        return 1.0 - self._unexplained

    @property
    def _unexplained(self) -> float:
        variance = sum(self.deviations)
        if variance == 0:
            raise DesignError(
                f"the {self.values:,} targets never change, so no error can be measured by their "
                "standard deviation",
                "give targets that differ",
            )
        return self.squares / variance

    def figures(self) -> dict[str, float]:
        return {"nrmse": self.nrmse, "r2": self.r2}

    def loss(self, reference: SquaredError) -> float:
        return self.nrmse - reference.nrmse

    def details(self) -> dict[str, Any]:
        return {"nrmse_values": self.values}

    def tallies(self) -> dict[str, int]:
        return {}

    def unjudged(self) -> str:
        return ""


def wilson_interval(correct: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a fraction (Wilson 1927), 95 % for the default ``z``."""
    p = correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    # At 0 and 1 the exact bound is the fraction itself; rounding must not pass it.
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == total else min(1.0, centre + half)
    return low, high
