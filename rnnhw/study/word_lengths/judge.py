"""Whether a design with other formats still answers as demanded, on the samples that choose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.storage import stored_bits
from rnnhw.design.demands import check_bounds, check_names
from rnnhw.design.design import Design
from rnnhw.design.tasks import (
    Accuracy,
    Classification,
    Samples,
    SquaredError,
    Task,
    answering,
    further_judges,
    judge_of,
)
from rnnhw.errors import DesignError, UsageError
from rnnhw.execution.reference import Reference, run_reference
from rnnhw.execution.signal_error import snr_db
from rnnhw.execution.simulate import Simulation
from rnnhw.execution.simulate_batch import Attempts
from rnnhw.graph.network import Network

__all__ = ["FIGURES", "SENSES", "Demands", "Judge", "Outcome", "float_figures", "is_ratio"]

FloatArray = NDArray[np.float64]

FIGURES = ("agreement", "rms", "snr_db")
"""What is measured against the float reference, whether answers are known or not. ``agreement``:
the share of sequences with the same decision at the last step of a classification (and where a
design without a task has a class for every sequence), at every step of any other task: the largest
output, or the sign of a single one. ``rms``: the root of the mean
squared difference of all outputs at all steps. For a network with several outputs a figure is that
of the worst output, and ``NAME.agreement`` that of the output NAME. Of the first output, which the
task judges, the last step alone counts."""


SENSES: Mapping[str, Literal["more", "less"]] = {
    "agreement": "more", "rms": "less", "snr_db": "more",
}  # fmt: skip
"""Which way :data:`FIGURES` are better."""

_EQUAL = {"agreement": 1.0, "rms": 0.0, "snr_db": math.inf}
"""The figures of outputs that are those of the float reference."""


@dataclass(frozen=True)
class Demands:
    """Least and greatest values of named figures: of the task's score, and of :data:`FIGURES`."""

    minimum: Mapping[str, float]
    maximum: Mapping[str, float]

    def __post_init__(self) -> None:
        check_bounds(self.minimum, self.maximum)

    @property
    def any(self) -> bool:
        """Whether anything is demanded."""
        return bool(self.minimum or self.maximum)

    def met(self, figures: Mapping[str, float]) -> bool:
        """Whether all are kept; NaN keeps none."""
        return all(figures[name] >= bound for name, bound in self.minimum.items()) and all(
            figures[name] <= bound for name, bound in self.maximum.items()
        )

    def worsening(self, before: Mapping[str, float], after: Mapping[str, float]) -> float:
        """How much nearer to the bounds ``after`` is than ``before``, 0 where it is no nearer: a
        fraction as it is, an error as a share of its bound, and so the error that an SNR tells."""
        lost = [
            _error_share(after[name], bound) - _error_share(before[name], bound)
            if is_ratio(name)
            else before[name] - after[name]
            for name, bound in self.minimum.items()
        ]
        lost += [
            (after[name] - before[name]) / (bound or 1) for name, bound in self.maximum.items()
        ]
        return sum(max(each, 0.0) for each in lost)


def is_ratio(name: str) -> bool:
    """Whether a figure is a signal-to-noise ratio in decibels."""
    return name.rpartition(".")[2] == "snr_db"


def _error_share(snr_db: float, bound: float) -> float:
    """The error at an SNR as a share of that at ``bound``."""
    return float(10 ** ((bound - snr_db) / 20))


@dataclass(frozen=True)
class Outcome:
    """Stored bits by kind, and the figures on the samples that choose."""

    stored: Mapping[str, int]
    figures: Mapping[str, float]

    @property
    def bits(self) -> int:
        """All stored bits."""
        return sum(self.stored.values())


class Judge:
    """Runs a design with other formats on ``samples`` and compares it with the float reference.

    The float reference does not depend on formats and runs once.
    """

    def __init__(self, design: Design, samples: Samples, demands: Demands) -> None:
        """Refuse demands on figures that there are not.

        Raises:
            UsageError: a figure is unknown.
            DesignError: the design or its weights are wrong, or there is no answer to judge by.
        """
        self.design, self.samples, self.demands = design, samples, demands
        self._attempts = Attempts(samples)
        judged = judge_of(design.task, samples)
        names = () if judged is None else judged.score_type.names
        if judged is None:
            _check_answers(design.task, (*demands.minimum, *demands.maximum))
        known = [*names, *_float_names(design.network)]
        for output, labels in further_judges(samples).items():
            known += [f"{output}.{name}" for name in labels.score_type.names]
        check_names(known, demands.minimum, demands.maximum)
        self.known = tuple(known)

    @cached_property
    def reference(self) -> Reference:
        """The float reference on the samples."""
        network, parameters = self.design.network, self.design.parameters
        return run_reference(network, parameters, self.samples.x, self.samples.lengths)

    def float_figures(self) -> dict[str, float]:
        """The figures of the float reference itself."""
        names = _float_names(self.design.network)
        figures = {name: _EQUAL[name.rpartition(".")[2]] for name in names}
        judged = judge_of(self.design.task, self.samples)
        if judged is not None:
            run = self.reference
            figures |= judged.score(run.outputs, run.lengths, self.samples).figures()
        for name, labels in further_judges(self.samples).items():
            node, answered = self.design.network.output_named(name), answering(self.samples, name)
            lengths = node.lengths_for(answered.lengths)
            score = labels.score(self.reference.by_output[name], lengths, answered)
            figures |= {f"{name}.{figure}": value for figure, value in score.figures().items()}
        return figures

    def outcome(self, design: Design) -> Outcome | None:
        """That of one design (:meth:`outcomes`)."""
        return self.outcomes([design])[0]

    def outcomes(self, designs: Sequence[Design]) -> list[Outcome | None]:
        """What every one of ``designs``, which are this one with other formats, stores and answers.
        None where its formats make no network."""
        runs = self._attempts.simulations(designs)
        return [None if isinstance(run, DesignError) else self._outcome(run) for run in runs]

    def _outcome(self, run: Simulation) -> Outcome:
        figures = float_figures(run, self.reference)
        scores = {f"{name}.": score for name, score in run.further.items()}
        if run.score is not None:
            scores[""] = run.score
        for start, score in scores.items():
            why = score.unjudged()
            figures |= {
                f"{start}{name}": np.nan if why else value
                for name, value in score.figures().items()
            }
        return Outcome(stored_bits(run.design.network), figures)


def float_figures(run: Simulation, reference: Reference) -> dict[str, float]:
    """:data:`FIGURES` of a run beside the float reference on the same samples."""
    network, task, y = run.design.network, run.design.task, run.samples.y
    classes = task is None and y is not None and y.dtype.kind != "f"
    differences = []
    for node in network.outputs:
        last = node is network.output and (classes or isinstance(task, Classification))
        exact, lengths = reference.by_output[node.name], run.run.by_output[node.name].lengths
        differences.append(_against(run.output(node.name), exact, lengths, last))
    figures = {
        "agreement": min(difference["agreement"] for difference in differences),
        "rms": max(difference["rms"] for difference in differences),
        "snr_db": min(difference["snr_db"] for difference in differences),
    }
    for name, each in zip(_several(network), differences, strict=False):
        figures |= {f"{name}.{figure}": value for figure, value in each.items()}
    return figures


def _several(network: Network) -> list[str]:
    """The names of the outputs, where there are several."""
    names = [node.name for node in network.outputs]
    return names if len(names) > 1 else []


def _float_names(network: Network) -> list[str]:
    """The figures against the float reference: of all outputs, and by output where several are."""
    return [*FIGURES, *(f"{output}.{name}" for output in _several(network) for name in FIGURES)]


def _check_answers(task: Task | None, demanded: Sequence[str]) -> None:
    """Refuse to demand a score of samples without answers."""
    scores = task.score_type.names if task is not None else (*Accuracy.names, *SquaredError.names)
    missing = [name for name in demanded if name in scores]
    if missing:
        raise UsageError(
            f"no expected answers among the samples that choose, so no {missing[0]}",
            "add an array y to them, or demand agreement or rms",
        )


def _against(
    outputs: FloatArray, exact: FloatArray, lengths: NDArray[np.int64], last: bool
) -> dict[str, float]:
    """:data:`FIGURES` of outputs [sequences, steps, units]; decisions of the last step alone?"""
    valid = np.arange(outputs.shape[1]) < lengths[:, None]
    judged = np.arange(outputs.shape[1]) == lengths[:, None] - 1 if last else valid
    same = (_decisions(outputs) == _decisions(exact)) | ~judged
    squares, exact_squares = ((of**2)[valid] for of in (outputs - exact, exact))
    return {
        "agreement": float(same.all(1).mean()),
        "rms": float(np.sqrt(squares.mean())),
        "snr_db": snr_db(float(exact_squares.sum()), float(squares.sum())),
    }


def _decisions(outputs: FloatArray) -> NDArray[np.int64]:
    """The largest output at every step, the first of equal ones; the sign of a single one."""
    if outputs.shape[2] == 1:
        return (outputs[:, :, 0] > 0).astype(np.int64)
    largest: NDArray[np.int64] = outputs.argmax(2)
    return largest
