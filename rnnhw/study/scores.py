"""What designs cost without hardware and how they score: does full connectivity pay?

One row a design and combination of values. What a design costs follows from its graph alone; only
where scores are asked for do the float reference and the engine run.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.counts import TIME_COUNTS, Counts
from rnnhw.analysis.reach import network_reach
from rnnhw.analysis.storage import stored_bits, stored_words
from rnnhw.design.design import Design
from rnnhw.design.tasks import HarderTask, Samples, Score, Task
from rnnhw.design.tasks.recordings import Recorded
from rnnhw.errors import DesignError, RnnhwError, UsageError, unknown_name
from rnnhw.execution.batch import Quantised, make_batch
from rnnhw.execution.compiler import LANES
from rnnhw.execution.reference import run_reference
from rnnhw.execution.reference_contents import array_contents, reference_contents
from rnnhw.execution.simulate import chosen_samples
from rnnhw.execution.together import Job, run_together
from rnnhw.graph.network import Network, Total
from rnnhw.numerics.cast import Q, real_values
from rnnhw.report.comparison.model import DESIGN_FIGURES
from rnnhw.study.variants import Item, check_items, check_varied, labels_of, variants_of

__all__ = ["Row", "Value", "evaluate"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Progress = Callable[[int, int], None]
Value = int | float | None

_MANY_STEPS = 1 << 40
"""More steps than any window joins."""

_KEPT_VALUES = 1 << 23
"""Outputs of float references that are kept for the rows that have the same: 64 MB."""


@dataclass(frozen=True, eq=False)
class Row:
    """One design with one combination of values.

    ``varied`` are the varied parameters as the design's types; ``costs`` are
    :data:`~rnnhw.report.comparison.model.DESIGN_FIGURES`: a reach is infinite where units never
    meet, None without a recurrence, NaN where it depends on weights that there are not.
    ``scores`` are empty without a run; else they hold every figure NAME of the task's score as
    ``float_NAME`` and ``NAME``, on harder samples as ``SAMPLES_NAME``, with its details.
    """

    design: Design
    label: str
    varied: Mapping[str, object]
    costs: Mapping[str, Value]
    scores: Mapping[str, Value] = field(default_factory=dict)
    measure: str = ""
    """The figure that the task's scores are compared by; empty without a run."""
    unjudged: Mapping[str, str] = field(default_factory=dict)
    """The scores that say nothing, with the reason."""
    harder: Mapping[str, str] = field(default_factory=dict)
    """The harder sets of samples, and what the scores of each begin with."""

    @property
    def values(self) -> dict[str, Value]:
        """Scores and costs by name."""
        return {**self.scores, **self.costs}


def evaluate(
    designs: Sequence[Item],
    settings: Mapping[str, object] | None = None,
    vary: Mapping[str, Sequence[object]] | None = None,
    *,
    simulate: bool = False,
    asked: Iterable[str] = (),
    progress: Progress | None = None,
    loaded: Callable[[Design], None] | None = None,
) -> list[Row]:
    """The designs in order, for every combination of the values to ``vary``, the last parameter
    changing fastest.

    Without ``simulate`` no kernel runs, and no weights are read but those of N:M sparse
    recurrences, whose reach they decide.

    Args:
        designs: design files, or designs.
        settings: parameters of all files; text is read as the type of the default.
        vary: the values of parameters, likewise.
        simulate: run every row on its task, in float and in integers.
        asked: the names of figures that every row must have.
        progress: called with the rows simulated and their number.
        loaded: called with every row's design when all are loaded and nothing has run.

    Raises:
        DesignError: a design, its weights or its data are wrong; before anything is run.
        UsageError: a parameter or a figure is unknown, something is given twice, or a score that
            is asked for says nothing.
    """
    tasks = _Tasks()
    rows = list(_costed(designs, settings or {}, vary or {}, tasks))
    for row in rows:
        if loaded is not None:
            loaded(row.design)
    trials = [_prepared(row, tasks) for row in rows] if simulate else []
    names = list(asked)
    _check_varied(vary or {}, [*DESIGN_FIGURES, *(name for each in trials for name in each.scores)])
    for index, row in enumerate(rows):
        known = [name for name, value in row.costs.items() if value is not None]
        scored = trials[index].scores if trials else ()
        _check_names(row, [*scored, *known], names)
    references = _References()
    done = 0
    for places in _together(trials):
        finished = _scored([trials[place] for place in places], references, tasks)
        for place, found in zip(places, finished, strict=True):
            rows[place] = found
            done += 1
            if progress is not None:
                progress(done, len(rows))
    for row in rows:
        for name in names:
            if why := row.unjudged.get(name):
                raise UsageError(f"{row.design.place}: {name} is not judged: {why}")
    return rows


# --- loading -----------------------------------------------------------------------------------
def _costed(
    designs: Sequence[Item],
    settings: Mapping[str, object],
    vary: Mapping[str, Sequence[object]],
    tasks: _Tasks,
) -> Iterator[Row]:
    """Every row with its costs."""
    if not designs:
        raise UsageError("nothing to compare", "name at least one design file")
    check_varied(settings, vary)
    check_items(designs, "name each design once")
    for item, label in zip(designs, labels_of(designs), strict=True):
        for variant in variants_of(item, settings, vary):
            design = tasks.shared(variant.design)
            yield Row(design, label, variant.varied, _costs(design))


def _check_varied(vary: Iterable[str], figures: Iterable[str]) -> None:
    """Refuse to vary what would be a second column of the same name."""
    taken = {"design", *figures}
    for name in vary:
        if name in taken:
            raise UsageError(
                f"cannot vary {name!r}: a column has this name", "rename the design's parameter"
            )


def _check_names(row: Row, known: Sequence[str], names: Iterable[str]) -> None:
    """Refuse bounds on figures that this row has not."""
    for name in names:
        if name not in known:
            message, hint = unknown_name("figure", name, known)
            raise UsageError(f"{row.design.place}: {message}", hint)


# --- costs: no kernel runs ---------------------------------------------------------------------
def _costs(design: Design) -> dict[str, Value]:
    network = design.network
    words, bits, counts = stored_words(network), stored_bits(network), _step_counts(network)
    recurrent = words.get("recurrent_weight", 0)
    return {
        "recurrent_weight_words": recurrent,
        "weight_words": words.get("weight", 0) + recurrent,
        "multiplies_per_step": counts.multiplies,
        "adds_per_step": counts.adds,
        "reach_steps": _longest_reach(design),
        "stored_bits": sum(bits.values()),
        "weight_bits": bits["weights"],
        "bias_bits": bits["biases"],
        "table_bits": bits["tables"],
        "state_bits": bits["state"],
    }


def _step_counts(network: Network) -> Counts:
    """The predicted counts of one step of the layers that run at every step."""
    total = Counts()
    for node in network.nodes:
        # A sum over time gives one step, but adds at every step of its source.
        timed = node.sources[0] if isinstance(node, Total) else node
        if timed.steps_for(_MANY_STEPS) > 1:
            total += TIME_COUNTS[type(node)](node)
    return total


def _longest_reach(design: Design) -> Value:
    try:
        reaches = network_reach(design.network)
    except DesignError:
        # Which weights a structure keeps may decide: only then are they read.
        if design.weights is None:
            return math.nan
        reaches = network_reach(design.network, design.parameters.raw)
    found = [math.inf if reach is None else reach for reach in reaches.values()]
    return max(found, default=None)


# --- scores ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Trial:
    """A row that is ready to run; ``contents`` are equal for rows whose samples are equal."""

    row: Row
    task: Task
    contents: Hashable
    scores: tuple[str, ...]


class _Tasks:
    """Tasks that read their samples from a file, which rows of other formats have too: it is read
    once."""

    def __init__(self) -> None:
        self._known: list[Task] = []
        self._sets: dict[int, Mapping[str, Samples]] = {}

    def shared(self, design: Design) -> Design:
        """The design with the task that is known, where that is equal to its own."""
        own = design.task
        if own is None or not _reads_file(own):
            return design
        for known in self._known:
            if known == own:
                return design if known is own else replace(design, task=known)
        self._known.append(own)
        return design

    def sets(self, design: Design, task: Task) -> Mapping[str, Samples]:
        """The task's samples under an empty name, then its harder ones."""
        if not any(known is task for known in self._known):
            return _sample_sets(design, task)
        if id(task) not in self._sets:
            self._sets[id(task)] = _sample_sets(design, task)
        return self._sets[id(task)]


def _reads_file(task: object) -> bool:
    return isinstance(task, Recorded)


def _contents(task: Task, sets: Mapping[str, Samples]) -> Hashable:
    """Equal for equal sets of samples, as far as it costs little to tell."""
    if _reads_file(task):  # one object for rows of equal tasks
        return tuple((name, id(samples)) for name, samples in sets.items())
    if any(len(samples.lengths) >= LANES for samples in sets.values()):
        return object()  # they fill lane blocks: to run them together gains little
    return tuple(
        (name, *(None if each is None else array_contents(each) for each in arrays))
        for name, samples in sets.items()
        for arrays in [(samples.x, samples.lengths, samples.y)]
    )


def _prepared(row: Row, tasks: _Tasks) -> _Trial:
    """The row with its samples, after a look at all that running it needs."""
    design = row.design
    if design.task is None:
        raise DesignError(
            f"{design.place}: the design has no task to simulate",
            "compare its costs alone, which need no task",
        )
    _ = design.network, design.parameters
    sets = tasks.sets(design, design.task)
    columns: list[str] = []
    try:
        for name, samples in sets.items():
            make_batch(design.network, samples.x, samples.lengths)
            silent = _columns(_prefix(name), design.task.score(*_silence(design, samples), samples))
            names = [*(each for each, _ in silent), f"{_prefix(name)}sequences"]
            columns += names if name else [*(f"float_{each}" for each in names[:-1]), *names]
    except RnnhwError as error:
        raise error.at(design.place) from None
    return _Trial(row, design.task, _contents(design.task, sets), tuple(columns))


def _silence(design: Design, samples: Samples) -> tuple[FloatArray, IntArray]:
    """Outputs that are zero, and their lengths: what a task cannot judge, it refuses here."""
    output = design.network.output
    lengths = output.lengths_for(samples.lengths)
    steps = output.steps_for(samples.x.shape[1])
    return np.zeros((len(lengths), steps, output.units)), lengths


def _sample_sets(design: Design, task: Task) -> dict[str, Samples]:
    """The task's samples under an empty name, then its harder ones."""
    own = chosen_samples(design, None)
    return {"": own, **(task.harder() if isinstance(task, HarderTask) else {})}


def _prefix(name: str) -> str:
    """The beginning of the column names of a set of samples."""
    return f"{name.replace(' ', '_')}_" if name else ""


class _References:
    """Outputs of float references: rows that differ in word lengths alone have the same."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[FloatArray, IntArray]] = {}

    def outputs(
        self, design: Design, contents: Hashable, samples: Samples
    ) -> tuple[FloatArray, IntArray]:
        """The reference's outputs and their lengths; ``contents`` are those of the design."""
        key = (contents, array_contents(samples.x), array_contents(samples.lengths))
        if key not in self._kept:
            run = run_reference(design.network, design.parameters, samples.x, samples.lengths)
            self._kept[key] = (run.outputs, run.lengths)
            while sum(outputs.size for outputs, _ in self._kept.values()) > _KEPT_VALUES:
                oldest = next(iter(self._kept))
                if oldest == key:
                    return self._kept.pop(key)
                del self._kept[oldest]
        return self._kept[key]


def _together(trials: Sequence[_Trial]) -> list[list[int]]:
    """The places of neighbours that have the same samples, at most so many as share lane blocks."""
    groups: list[list[int]] = []
    last: Hashable = None
    for place, trial in enumerate(trials):
        if trial.contents == last and len(groups[-1]) < LANES:
            groups[-1].append(place)
        else:
            groups.append([place])
        last = trial.contents
    return groups


def _scored(trials: Sequence[_Trial], references: _References, tasks: _Tasks) -> list[Row]:
    """The rows, whose samples are the same, with their scores."""
    fixed: list[dict[str, Score]] = [{} for _ in trials]
    sets = tasks.sets(trials[0].row.design, trials[0].task)
    for name, samples in sets.items():
        known: dict[Q, Quantised] = {}
        jobs = []
        for trial in trials:
            design = trial.row.design
            try:
                batch = make_batch(design.network, samples.x, samples.lengths, known=known)
            except RnnhwError as error:
                raise error.at(design.place) from None
            jobs.append(Job(design.network, design.parameters, batch))
        runs = deque(run_together(jobs, threads=1))
        for trial, scores in zip(trials, fixed, strict=True):
            run, format = runs.popleft(), trial.row.design.network.output.format
            try:
                outputs = real_values(run.outputs, format)
                scores[name] = trial.task.score(outputs, run.lengths, samples)
            except RnnhwError as error:
                raise error.at(trial.row.design.place) from None
    return [
        _with_scores(trial, sets, own, references) for trial, own in zip(trials, fixed, strict=True)
    ]


def _with_scores(
    trial: _Trial,
    sets: Mapping[str, Samples],
    fixed: Mapping[str, Score],
    references: _References,
) -> Row:
    """The row with its scores; ``fixed`` has those in fixed point by the names of the sets."""
    scores: dict[str, Value] = {}
    unjudged: dict[str, str] = {}
    try:
        for name, samples in sets.items():
            prefix = _prefix(name)
            found = {prefix: fixed[name]}
            if not name:
                found = {"float_": _float_score(trial, samples, references), **found}
            for start, score in found.items():
                scores |= _columns(start, score)
                if why := score.unjudged():
                    unjudged |= {f"{start}{figure}": why for figure in score.names}
            scores[f"{prefix}sequences"] = len(samples.lengths)
    except RnnhwError as error:
        raise error.at(trial.row.design.place) from None
    measure = trial.task.score_type.names[0]
    harder = {name: _prefix(name) for name in sets if name}
    return replace(trial.row, scores=scores, measure=measure, harder=harder, unjudged=unjudged)


def _columns(prefix: str, score: Score) -> Iterator[tuple[str, Value]]:
    """Figures and details of a score; the two ends of an interval are two columns."""
    for name, value in {**score.figures(), **score.details()}.items():
        if isinstance(value, Sequence):
            low, high = value
            yield f"{prefix}{name}_low", low
            yield f"{prefix}{name}_high", high
        else:
            yield f"{prefix}{name}", value


def _float_score(trial: _Trial, samples: Samples, references: _References) -> Score:
    """The score of the float reference, in parts that fit comfortably in memory."""
    design = trial.row.design
    contents = reference_contents(design.network, design.parameters)
    total: Score | None = None
    for _, part in samples.parts(sum(node.units for node in design.network.nodes)):
        outputs, lengths = references.outputs(design, contents, part)
        score = trial.task.score(outputs, lengths, part)
        total = score if total is None else total + score
    assert total is not None
    return total
