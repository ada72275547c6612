"""Run a design on its task or on the user's data, in integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.counts import Counts
from rnnhw.design.design import Design
from rnnhw.design.tasks import (
    Samples,
    Score,
    answering,
    further_judges,
    judge_of,
    load_samples,
    score_names,
)
from rnnhw.design.underflow import AllZero, all_zero, stored_underflows
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.execution.batch import Batch, Quantised, make_batch
from rnnhw.execution.engine import EngineRun, Progress, check_threads
from rnnhw.execution.engine import run as run_engine
from rnnhw.execution.first_states import FirstStates, first_states
from rnnhw.files import check_output, written_whole
from rnnhw.graph.network import Network
from rnnhw.numerics.cast import Events, Q, real_values

__all__ = [
    "Simulation",
    "Started",
    "check_answers",
    "chosen_samples",
    "figure_names",
    "judged",
    "of_judged_output",
    "prepared",
    "score_figures",
    "score_unjudged",
    "simulate",
]


@dataclass(frozen=True, eq=False)
class Simulation:
    """What one run of a design gave.

    ``run`` holds raw integers (int64, [sequences, steps, units], zero past a sequence's length):
    ``run.outputs``, ``run.traces`` by signal, ``run.counts`` by layer, ``run.events`` by signal.
    Of several outputs ``run.outputs`` and ``outputs`` are the first, which ``score`` judges;
    ``run.by_output`` and :meth:`output` have all, ``further`` the scores of the others by name
    where the data has their answers.
    ``samples`` and ``batch`` are the inputs as real numbers and as raw integers; ``score`` is None
    where there are no answers to judge by.
    """

    design: Design
    samples: Samples
    batch: Batch
    run: EngineRun
    score: Score | None
    first: FirstStates = field(default_factory=FirstStates)
    further: Mapping[str, Score] = field(default_factory=dict)

    @property
    def outputs(self) -> NDArray[np.float64]:
        """The outputs as real numbers, [sequences, steps, units]."""
        return real_values(self.run.outputs, self.design.network.output.format)

    def output(self, name: str) -> NDArray[np.float64]:
        """One of the outputs as real numbers, [sequences, steps, units]; its lengths are
        ``run.by_output[name].lengths``.

        Raises:
            UsageError: no output has this name.
        """
        node = self.design.network.output_named(name)
        return real_values(self.run.by_output[name].values, node.format)

    @property
    def counts(self) -> Counts:
        """The measured counts of all layers together."""
        total = Counts()
        for counts in self.run.counts.values():
            total += counts
        return total

    @property
    def events(self) -> dict[str, Events]:
        """Events by name: ``input``, the tensors and first states at quantisation, the casts while
        running."""
        clipped = {"input": self.batch.clipped, **self.design.parameters.events}
        clipped |= self.first.events
        return {**clipped, **self.run.events}

    @cached_property
    def underflows(self) -> dict[str, int]:
        """By name: how many inputs, numbers of tensors and constants are not zero and became
        zero."""
        network, parameters = self.design.network, self.design.parameters
        stored = stored_underflows(network, parameters)
        return {"input": self.batch.underflows, **stored, **self.first.underflows}

    @cached_property
    def all_zero(self) -> list[AllZero]:
        """Tensors that are zero, and units of weight matrices that became zero."""
        return all_zero(self.design.network, self.design.parameters)

    @cached_property
    def zero_outputs(self) -> tuple[int, ...]:
        """The units of the first output that are zero at every step of every sequence."""
        return self.zero_units[self.design.network.output.name]

    @cached_property
    def zero_units(self) -> dict[str, tuple[int, ...]]:
        """By output the units that are zero at every step of every sequence."""
        # Past each length the outputs are zero too.
        return {
            name: tuple(np.flatnonzero(~given.values.any((0, 1))).tolist())
            for name, given in self.run.by_output.items()
        }

    def figures(self) -> dict[str, float]:
        """The figures that ``--min`` and ``--max`` can name."""
        casts = self.run.events.values()
        figures: dict[str, float] = {
            "saturations": sum(events.high + events.low for events in casts),
            "wraps": sum(events.wraps for events in casts),
            "input_clips": self.batch.clipped.total + self.first.clips,
            "weight_clips": sum(e.total for e in self.design.parameters.events.values()),
            "underflows": sum(self.underflows.values()),
            **dict(self.counts.flat()),
        }
        scores = {} if self.score is None else score_figures(self.score)
        for output, score in self.further.items():
            scores |= {f"{output}.{name}": value for name, value in score_figures(score).items()}
        return {**scores, **figures}

    def unjudged(self) -> dict[str, str]:
        """The figures that say nothing, with the reason."""
        found = {} if self.score is None else score_unjudged(self.score)
        for output, score in self.further.items():
            found |= {f"{output}.{name}": why for name, why in score_unjudged(score).items()}
        return found

    def save(self, path: Path) -> None:
        """Everything as plain arrays in one ``.npz``: raw integers and their scales. With several
        outputs all are there by name too: ``outputs.NAME``, ``lengths.NAME``.

        Raises:
            UsageError: the file cannot be written, or the design is read from it; an older one is
                left as it was.
        """
        check_output(path, self.design.files)
        network = self.design.network
        arrays: dict[str, NDArray[np.generic]] = {
            "outputs": self.run.outputs,
            "outputs.fraction": np.array(network.output.format.fraction),
            "lengths": self.run.lengths,
        }
        for node in network.outputs if len(network.outputs) > 1 else ():
            given = self.run.by_output[node.name]
            arrays[f"outputs.{node.name}"] = given.values
            arrays[f"outputs.{node.name}.fraction"] = np.array(node.format.fraction)
            arrays[f"lengths.{node.name}"] = given.lengths
        arrays |= {f"final.{name}": value for name, value in self.run.final.items()}
        for name, trace in self.run.traces.items():
            arrays[f"trace.{name}"] = trace
            arrays[f"trace.{name}.fraction"] = np.array(network.signal(name).format.fraction)
        for name, events in self.events.items():
            arrays[f"events.{name}"] = np.array(events, np.int64)
        for name, lost in self.underflows.items():
            arrays[f"underflows.{name}"] = np.array(lost, np.int64)
        for layer, counts in self.run.counts.items():
            for name, value in counts.flat():
                arrays[f"counts.{layer}.{name}"] = np.array(value, np.int64)
        with written_whole(path) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def chosen_samples(design: Design, data: Path | None) -> Samples:
    """The user's data if there is any, else the task's.

    Raises:
        DesignError: the data is wrong, or there is none.
    """
    if data is None and design.task is None:
        raise DesignError(f"{design.place}: the design has no task", "give data= of your own")
    real = None if design.task is None else design.task.real_answers
    given = None
    if data is not None:
        given = load_samples(
            data, real_answers=real, features=design.inputs, outputs=design.output_names
        )
    if design.task is None:
        assert given is not None
        return given
    try:
        return design.task.samples() if given is None else design.task.prepared(given)
    except RnnhwError as error:
        raise error.at(design.place) from None


def check_answers(design: Design, samples: Samples, place: str, names: Iterable[str]) -> None:
    """Refuse to judge a score where the expected answers are not known.

    Raises:
        UsageError: ``names`` has a figure of the task's scores, but there is no ``y``.
    """
    if design.task is None or samples.y is not None:
        return
    known = score_names(design.task.score_type)
    scores = [name for name in names if name in known]
    if scores:
        raise UsageError(
            f"{place}: no expected answers, so no {scores[0]}", "add an array y to the data"
        )


def figure_names(design: Design, samples: Samples) -> list[str]:
    """The names that :meth:`Simulation.figures` will have."""
    names = ["saturations", "wraps", "input_clips", "weight_clips", "underflows"]
    judged = judge_of(design.task, samples)
    if judged is not None:
        names += [*judged.score_type.names, *judged.score_type.tally_names]
    for output, labels in further_judges(samples).items():
        kind = labels.score_type
        names += [f"{output}.{name}" for name in (*kind.names, *kind.tally_names)]
    return [*names, *(name for name, _ in Counts().flat())]


def of_judged_output(error: RnnhwError, network: Network) -> RnnhwError:
    """What a task says of the output that it judges; of several the hint tells which."""
    if len(network.outputs) == 1:
        return error
    return type(error)(
        error.message,
        f"the task judges the first output, {network.output.name!r}: name the one that it is for "
        "first in Design(outputs=[...])",
    )


def score_figures(score: Score) -> dict[str, float]:
    """Figures and tallies of a score."""
    return {**score.figures(), **score.tallies()}


def score_unjudged(score: Score) -> dict[str, str]:
    """The figures of a score that say nothing, with the reason; tallies always count."""
    why = score.unjudged()
    return dict.fromkeys(score.names, why) if why else {}


def simulate(
    design: Design,
    data: Path | None = None,
    *,
    samples: Samples | None = None,
    initial: Mapping[str, NDArray[np.int64]] | None = None,
    traces: Iterable[str] = (),
    isa: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """Run ``design`` on its task, on the file ``data`` or on ``samples``.

    Args:
        design: with weights.
        data: an ``.npz`` with ``x`` [sequences, steps, features] and optional ``lengths``, ``y``
            and real first states (``rnn.h0``) [sequences, units].
        samples: the same as arrays.
        initial: raw first values of states by name, [sequences, units]; they win over the data's.
        traces: signals to record, named as ``rnnhw info DESIGN`` prints them.
        isa: the instruction set; None takes the fastest that runs here.
        threads: cores that share the sequences; None takes all. No result depends on it.
        progress: called with the sequences done and their number.

    Raises:
        DesignError: the design, its weights or the data are wrong.
        UsageError: the instruction set is not there, or ``threads`` is below one.
    """
    check_threads(threads)
    place = str(data) if data is not None else design.place
    network, parameters = design.network, design.parameters
    if samples is None:
        samples = chosen_samples(design, data)
    started = prepared(design, samples, place, initial)
    run = run_engine(
        network,
        parameters,
        started.batch,
        traces,
        isa=isa,
        threads=threads,
        progress=progress,
    )
    return judged(started, run, place)


@dataclass(frozen=True, eq=False)
class Started:
    """A design with its inputs as raw integers, ready to run."""

    design: Design
    samples: Samples
    batch: Batch
    first: FirstStates


def prepared(
    design: Design,
    samples: Samples,
    place: str,
    initial: Mapping[str, NDArray[np.int64]] | None = None,
    known: dict[Q, Quantised] | None = None,
) -> Started:
    """``design`` on ``samples``, which come from ``place``; ``known`` keeps quantised inputs for
    designs on the same samples (:func:`make_batch`).

    Raises:
        DesignError: the design, its weights or the samples are wrong.
    """
    network, _ = design.network, design.parameters  # what is wrong with them is told first
    try:
        first = first_states(network, samples)
        states = {**first.raw, **(initial or {})}
        batch = make_batch(network, samples.x, samples.lengths, states, known=known)
    except RnnhwError as error:
        raise error.at(place) from None
    return Started(design, samples, batch, first)


def judged(started: Started, run: EngineRun, place: str) -> Simulation:
    """A run with the scores of what it gave.

    Raises:
        DesignError: the task cannot judge it.
    """
    design, samples, network = started.design, started.samples, started.design.network
    score, judge = None, judge_of(design.task, samples)
    if judge is not None:
        outputs = real_values(run.outputs, network.output.format)
        try:
            score = judge.score(outputs, run.lengths, samples)
            score.figures()  # refuses targets by which nothing can be measured
        except RnnhwError as error:
            raise of_judged_output(error, network).at(place) from None
    further = {}
    for name, labels in further_judges(samples).items():
        node = network.output_named(name)
        given = run.by_output[name]
        values = real_values(given.values, node.format)
        try:
            further[name] = labels.score(values, given.lengths, answering(samples, name))
            further[name].figures()
        except RnnhwError as error:
            raise error.at(place) from None
    return Simulation(design, samples, started.batch, run, score, started.first, further)
