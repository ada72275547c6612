"""Designs side by side: the types, and how they are filled from reports and from designs alone.

A column is a report, or a design without hardware; a row is one of its figures under the name that
``--min`` and ``--max`` take.

    ratio = value / value of the baseline

There is no ratio to or of what is not known, is a bound, is negative, or is counted in
another unit (the block RAMs of two families), and none to zero. No file is read here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import msgspec

from rnnhw.cost.demands import FigureCheck, judge_report, unmet_plan
from rnnhw.cost.figure import Bound, Figure, derived, not_known, not_used
from rnnhw.cost.figure_table import (
    COMPARED,
    ROWS,
    Holds,
    OperatingPoint,
    figures_of,
    memory_rows,
    resource_rows,
)
from rnnhw.cost.model import (
    File,
    Files,
    Report,
    TargetReport,
    fits_figure,
    memories_of,
    report_figures,
)
from rnnhw.cost.provenance import plain_settings
from rnnhw.design.demands import Check, judge
from rnnhw.errors import UsageError, unknown_name
from rnnhw.report.table_cell import yes_or_no

__all__ = [
    "COMPARISON_SCHEMA_ID",
    "DESIGN_FIGURES",
    "NEVER",
    "Candidate",
    "Column",
    "ColumnCheck",
    "Comparison",
    "Entry",
    "FigureRow",
    "Group",
    "PlainDesign",
    "Scores",
    "StorageUse",
    "compare_candidates",
    "compare_reports",
]

COMPARISON_SCHEMA_ID = "urn:rnnhw:schema:comparison:2"
"""The ``$id`` of the comparison's JSON schema, and the first value of every comparison."""

Group = Literal["scores", "design", "speed", "work", "storage", "resources", "energy", "further"]
"""What a row is about, in the order in which it is asked: ``design`` is what follows from a design
without hardware, ``further`` is for those who look."""

NEVER = "never"
"""The reach of a recurrence whose units never meet."""

DESIGN_FIGURES: Mapping[str, tuple[str, Group]] = MappingProxyType(
    {
        "recurrent_weight_words": ("recurrent weights", "design"),
        "weight_words": ("weights", "design"),
        "multiplies_per_step": ("multiplies", "design"),
        "adds_per_step": ("adds", "design"),
        "reach_steps": ("reach, steps", "design"),
        "stored_bits": ("stored bits", "design"),
        "weight_bits": ("weight bits", "storage"),
        "bias_bits": ("bias bits", "storage"),
        "table_bits": ("table bits", "storage"),
        "state_bits": ("state bits", "storage"),
    }
)
"""The figures of a design without hardware: the title and group of every one.

``weight_words`` are all weights, the recurrent ones among them; operations are those of the layers
that run at every step. ``reach_steps`` is that of the recurrent layer that takes longest:
:data:`NEVER` where units never meet, not used without a recurrence, not known where it depends on
weights that there are not. ``stored_bits`` is the sum of the bits of the four kinds, each tensor
and each table of a layer once (:mod:`rnnhw.analysis.storage`)."""


class _Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all parts of the comparison."""


class Column(_Base, frozen=True, kw_only=True):
    """What one column was made from. ``report`` is the saved report that it was read from, null
    where the report was made for the comparison; ``rnnhw_version`` made the report. ``missing``
    says what is in the way of a plan, where lanes were to be chosen; ``target`` is null without
    hardware.

    ``design`` names the design without what tells its columns apart, ``varied`` are the values of
    the parameters that vary. ``measure`` is the score that designs are compared by, ``harder`` are
    the beginnings of the figures of harder samples by their name, both empty without a run;
    ``unjudged`` the scores that say nothing, with the reason."""

    name: str
    design: str
    title: str
    varied: dict[str, bool | int | float | str | None]
    measure: str
    harder: dict[str, str]
    unjudged: dict[str, str]
    report: File | None
    rnnhw_version: str
    files: Files
    settings: dict[str, bool | int | float | str | None]
    target: TargetReport | None
    over_capacity: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


class Entry(_Base, frozen=True, kw_only=True, omit_defaults=True):
    """A figure in a column. ``ratio`` is to the baseline, null where there is none. ``unit`` is
    what a resource is counted in, ``capacity`` how many of it the device has."""

    figure: Figure
    ratio: float | None = None
    unit: str = ""
    capacity: Figure | None = None


class FigureRow(_Base, frozen=True, kw_only=True):
    """One figure of every column, in the order of the columns."""

    name: str
    title: str
    group: Group
    entries: tuple[Entry, ...]


class StorageUse(_Base, frozen=True, kw_only=True):
    """What fills a memory of a column's device, by what is held, in ``unit``."""

    column: str
    resource: str
    unit: str
    held: dict[str, int]
    capacity: Figure


class ColumnCheck(_Base, frozen=True, kw_only=True, omit_defaults=True):
    """One demand on one column; ``bound`` is null where it is infinite, and ``value_is`` says what
    the value bounds, where it is not the figure itself. A value without end is :data:`NEVER`."""

    column: str
    name: str
    value: int | float | str
    bound: float | None
    kind: Literal["min", "max"]
    passed: bool
    value_is: Bound | None = None


class Comparison(_Base, frozen=True, kw_only=True, rename={"schema": "$schema"}):
    """Designs side by side; ``baseline`` names the column that ratios are to, null where there are
    none. ``settings`` are the parameters that were set for all designs, ``varied`` the names of
    those that vary. ``passed`` is whether every column meets every demand and every plan is met."""

    schema: str
    rnnhw_version: str
    settings: dict[str, bool | int | float | str | None]
    varied: tuple[str, ...]
    baseline: str | None
    columns: tuple[Column, ...]
    rows: tuple[FigureRow, ...]
    storage: tuple[StorageUse, ...]
    checks: tuple[ColumnCheck, ...]
    passed: bool

    @property
    def on_hardware(self) -> bool:
        """Whether there are costs on hardware."""
        return any(column.target is not None for column in self.columns)

    @property
    def measures(self) -> tuple[str, ...]:
        """The scores that designs are compared by, in order of first use."""
        return tuple(dict.fromkeys(column.measure for column in self.columns if column.measure))

    def row(self, name: str) -> FigureRow | None:
        """The row of this name, if any column has such a figure."""
        return next((row for row in self.rows if row.name == name), None)

    def figure(self, name: str, column: int) -> Figure:
        """The figure of this name in a column."""
        row = self.row(name)
        return not_used() if row is None else row.entries[column].figure


@dataclass(frozen=True)
class PlainDesign:
    """A design that is compared without hardware; ``figures`` are :data:`DESIGN_FIGURES`."""

    title: str
    rnnhw_version: str
    files: Files
    settings: dict[str, bool | int | float | str | None]
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Scores:
    """What a run of a design on its task gave: ``first`` are the figures that are shown first,
    ``details`` what else is known of them; the rest as :class:`Column` has it."""

    first: Mapping[str, Figure]
    details: Mapping[str, Figure]
    measure: str
    harder: Mapping[str, str] = field(default_factory=dict)
    unjudged: Mapping[str, str] = field(default_factory=dict)


NO_SCORES = Scores({}, {}, "")


@dataclass(frozen=True)
class Candidate:
    """A report or a design to compare, under a ``name`` of its own or one that tells it from the
    others, with the scores of its run, if it was run."""

    subject: Report | PlainDesign
    name: str = ""
    design: str = ""
    varied: Mapping[str, object] = field(default_factory=dict)
    saved: File | None = None
    scores: Scores = NO_SCORES

    @property
    def report(self) -> Report | None:
        """The costs on hardware."""
        return self.subject if isinstance(self.subject, Report) else None

    @property
    def scored(self) -> dict[str, Figure]:
        """Scores and details."""
        return {**self.scores.first, **self.scores.details}

    @property
    def known(self) -> dict[str, Figure]:
        """All figures that demands may name."""
        subject = self.subject
        figures = report_figures(subject) if isinstance(subject, Report) else subject.figures
        return {**figures, **self.scored}


_NO_BOUNDS: Mapping[str, float] = MappingProxyType({})


def compare_reports(
    reports: Sequence[Report],
    *,
    baseline: str | None = None,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
) -> Comparison:
    """Reports side by side, each named by its design and by what tells it from the others.

    Args:
        reports: at least one, in the order of the columns.
        baseline: the column that ratios are to; by default the first.
        minimum: the least value of named figures, in every column.
        maximum: the greatest value of named figures, in every column.

    Raises:
        UsageError: there is no report, no column of the baseline's name, or a figure is unknown
            or has no value in a column.
    """
    candidates = [Candidate(report) for report in reports]
    return compare_candidates(candidates, baseline=baseline, minimum=minimum, maximum=maximum)


def compare_candidates(
    candidates: Sequence[Candidate],
    *,
    baseline: str | None = None,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    settings: Mapping[str, object] | None = None,
    varied: Sequence[str] = (),
) -> Comparison:
    """As :func:`compare_reports`, of reports and designs with names and scores.

    Without hardware there are ratios only where a ``baseline`` is named.

    Raises:
        UsageError: as :func:`compare_reports`.
    """
    from rnnhw.version import __version__

    if not candidates:
        raise UsageError("nothing to compare", "name at least one design or saved report")
    names = _names(candidates)
    base = None if baseline is None else _index(names, baseline)
    if base is None and any(each.report is not None for each in candidates):
        base = 0
    judged = _judged(names, candidates, minimum or _NO_BOUNDS, maximum or _NO_BOUNDS)
    checks = [_column_check(name, check) for name, check in judged]
    columns = tuple(map(_column, names, candidates))
    return Comparison(
        schema=COMPARISON_SCHEMA_ID,
        rnnhw_version=__version__,
        settings=plain_settings(settings or {}),
        varied=tuple(varied),
        baseline=None if base is None else names[base],
        columns=columns,
        rows=tuple(_rows(candidates, base)),
        storage=tuple(
            use
            for name, candidate in zip(names, candidates, strict=True)
            if candidate.report is not None
            for use in _storage(name, candidate.report)
        ),
        checks=tuple(checks),
        passed=all(check.passed for check in checks)
        and not any(column.missing for column in columns),
    )


# --- columns -----------------------------------------------------------------------------------
def _stem(subject: Report | PlainDesign) -> str:
    design = subject.files.design
    return Path(design.name).stem if design else subject.title or "design"


def _names(candidates: Sequence[Candidate]) -> list[str]:
    """A name for each: the design's, then what tells those of the same name apart: settings,
    profile, clock, and in the end a number."""
    reports = [candidate.subject for candidate in candidates]
    names = [each.name or _stem(each.subject) for each in candidates]
    for same in _alike(names):
        settings = [reports[index].settings for index in same]
        keys = dict.fromkeys(key for each in settings for key in each)
        varied = [k for k in keys if len({repr(each.get(k)) for each in settings}) > 1]
        for index in same:
            found = reports[index].settings
            names[index] += "".join(f" {k}={found[k]}" for k in varied if k in found)
    profiles = [each.target.profile for each in reports if isinstance(each, Report)]
    if len(set(profiles)) > 1:
        for index, report in enumerate(reports):
            if isinstance(report, Report) and not candidates[index].name:
                names[index] += f" on {report.target.profile}"
    for same in _alike(names):
        clocks = [_clock_text(reports[index]) for index in same]
        if len(set(clocks)) > 1:
            for index, clock in zip(same, clocks, strict=True):
                names[index] += clock
    for same in _alike(names):
        for number, index in enumerate(same, 1):
            names[index] += f" #{number}"
    return names


def _alike(names: Sequence[str]) -> list[list[int]]:
    """The places of names that come more than once."""
    places: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        places.setdefault(name, []).append(index)
    return [same for same in places.values() if len(same) > 1]


def _clock_text(subject: Report | PlainDesign) -> str:
    points = subject.operating_points if isinstance(subject, Report) else ()
    return f" at {points[0].clock_mhz.value:g} MHz" if points else ""


def _index(names: Sequence[str], baseline: str) -> int:
    if baseline not in names:
        raise UsageError(*unknown_name("column", baseline, names))
    return names.index(baseline)


def _column(name: str, candidate: Candidate) -> Column:
    subject, report, scores = candidate.subject, candidate.report, candidate.scores
    return Column(
        name=name,
        design=candidate.design or candidate.name or _stem(subject),
        title=subject.title,
        varied=plain_settings(candidate.varied),
        measure=scores.measure,
        harder=dict(scores.harder),
        unjudged=dict(scores.unjudged),
        report=candidate.saved,
        rnnhw_version=subject.rnnhw_version,
        files=subject.files,
        settings=subject.settings,
        target=report.target if report else None,
        over_capacity=report.over_capacity if report else (),
        missing=unmet_plan(report) if report else (),
        notes=(*report.notes, *_assumptions(report)) if report else (),
    )


def _assumptions(report: Report) -> Iterator[str]:
    for layer in report.layers:
        yield from (f"{layer.name}: {assumption}" for assumption in layer.assumptions)


# --- demands -----------------------------------------------------------------------------------
def _judged(
    names: Sequence[str],
    candidates: Sequence[Candidate],
    minimum: Mapping[str, float],
    maximum: Mapping[str, float],
) -> Iterator[tuple[str, Check]]:
    """Every demand on every column, with the column's name."""
    known = [candidate.known for candidate in candidates]
    for name, candidate, own in zip(names, candidates, known, strict=True):
        for figure in (*minimum, *maximum):
            if figure not in own and any(figure in others for others in known):
                scored = any(figure in each.scored for each in candidates)
                why = "is not known: it was not simulated" if scored else "does not apply"
                raise UsageError(
                    f"{name}: {figure} {why}",
                    "compare without this column, or judge a figure that all columns have",
                )
        beside = candidate.scored if candidate.report else own
        scores = {}
        for score, found in beside.items():
            if found.value == NEVER:
                scores[score] = math.inf
            elif isinstance(found.value, int | float):
                scores[score] = found.value
            elif score in minimum or score in maximum:
                raise UsageError(f"{name}: {score} is {found.status}", found.note)
        try:
            checks: Sequence[Check] = (
                judge_report(candidate.report, minimum, maximum, scores)
                if candidate.report
                else judge(scores, minimum, maximum)
            )
        except UsageError as error:
            raise error.at(name) from None
        yield from ((name, check) for check in checks)


def _column_check(column: str, check: Check) -> ColumnCheck:
    value: int | float | str = int(check.value) if isinstance(check.value, bool) else check.value
    return ColumnCheck(
        column=column,
        name=check.name,
        value=NEVER if check.value == math.inf else value,
        bound=check.bound if math.isfinite(check.bound) else None,
        kind="min" if check.kind == "min" else "max",
        passed=check.passed,
        value_is=check.value_is if isinstance(check, FigureCheck) else None,
    )


# --- rows --------------------------------------------------------------------------------------
def _rows(candidates: Sequence[Candidate], base: int | None) -> Iterator[FigureRow]:
    columns = [dict(_entries(candidate)) for candidate in candidates]
    absent, unscored = Entry(figure=not_used()), Entry(figure=not_known("not simulated"))
    scored = {name for each in candidates for name in each.scored}
    for name, title, group in _places(candidates, columns):
        entries = [
            column.get(name, unscored if name in scored and not each.scored else absent)
            for column, each in zip(columns, candidates, strict=True)
        ]
        if all(entry.figure.status == "not used" for entry in entries):
            continue
        yield FigureRow(
            name=name,
            title=title,
            group=group,
            entries=tuple(
                entry if base is None else _with_ratio(entry, entries[base]) for entry in entries
            ),
        )


def _places(
    candidates: Sequence[Candidate], columns: Iterable[Mapping[str, Entry]]
) -> Iterator[tuple[str, str, Group]]:
    """Name, title and group of every row that there may be, in order."""
    scores = dict.fromkeys(name for each in candidates for name in each.scores.first)
    seen = set(scores)
    for name in scores:
        yield name, name.replace("_", " "), "scores"
    if all(each.report is None for each in candidates):
        seen.update(DESIGN_FIGURES)
        yield from ((name, *words) for name, words in DESIGN_FIGURES.items())
    for name in COMPARED:
        if name not in seen:
            seen.add(name)
            yield name, ROWS[name].heading, ROWS[name].section
    for name in dict.fromkeys(name for column in columns for name in column):
        if name not in seen:
            row = ROWS.get(name)
            yield name, row.heading if row else name.replace("_", " "), "further"


def _entries(candidate: Candidate) -> Iterator[tuple[str, Entry]]:
    """Every figure of the whole network by name."""
    for name, figure in candidate.scored.items():
        yield name, Entry(figure=figure)
    report = candidate.report
    if report is None:
        yield from ((name, Entry(figure=figure)) for name, figure in candidate.known.items())
        return
    yield "fits", Entry(figure=yes_or_no(fits_figure(report)))
    yield from ((name, Entry(figure=figure)) for name, figure in _point(report).items())
    used = {resource: row.key for resource, row in resource_rows().items()}
    resources = {used.get(each.name, each.name): each for each in report.resources}
    totals = dict(figures_of(report.totals))
    for name, figure in totals.items():
        if name in resources:
            resource = resources[name]
            yield name, Entry(figure=figure, unit=resource.unit, capacity=resource.capacity)
        else:
            yield name, Entry(figure=figure)
    for name, resource in resources.items():
        if name not in totals:
            unit, capacity = resource.unit, resource.capacity
            yield name, Entry(figure=resource.used, unit=unit, capacity=capacity)
        yield f"{resource.name}_percent", Entry(figure=resource.share)
    yield "cycles_basis", Entry(figure=_basis(report))


def _point(report: Report) -> dict[str, Figure]:
    """The figures at the lowest clock, which is the one that demands are on."""
    if report.operating_points:
        return dict(figures_of(report.operating_points[0]))
    unknown = report_figures(report)
    return {name: unknown[name] for name in OperatingPoint.__struct_fields__}


def _basis(report: Report) -> Figure:
    """How cycles are known where they are known least."""
    found = {layer.cycles_basis for layer in report.layers}
    if report.schedule is not None and report.schedule.cycles_basis == "modelled":
        found.add("modelled")
    if report.totals.cycles_per_step.value is None or "not known" in found:
        return not_known()
    return derived("modelled" if "modelled" in found else "realised")


def _with_ratio(entry: Entry, base: Entry) -> Entry:
    value, reference = entry.figure.value, base.figure.value
    if not isinstance(value, int | float) or not isinstance(reference, int | float):
        return entry
    if value < 0 or reference <= 0 or entry.unit != base.unit:
        return entry
    if entry.figure.bound is not None or base.figure.bound is not None:
        return entry
    return msgspec.structs.replace(entry, ratio=value / reference)


# --- storage -----------------------------------------------------------------------------------
_BYTES: Mapping[str, tuple[Holds, ...]] = MappingProxyType(
    {"flash": ("weights", "biases", "tables"), "ram": ("state", "vectors")}
)
"""The contents of the memories of a microcontroller."""


def _storage(name: str, report: Report) -> Iterator[StorageUse]:
    """The device's memories by what they hold, where all that is used of them is told."""
    for resource in report.resources:
        used = resource.used.value
        if not isinstance(used, int):
            continue
        if resource.name == "block_ram":
            held = _blocks(report)
        elif resource.name in _BYTES:
            held = _bytes(report, _BYTES[resource.name])
            # What the network keeps is not all: the rest is what a step needs in passing.
            held["scratch"] = used - sum(held.values())
        else:
            continue
        if min(held.values(), default=0) >= 0 and sum(held.values()) == used:
            yield StorageUse(
                column=name,
                resource=resource.name,
                unit=resource.unit,
                held={kind: amount for kind, amount in held.items() if amount},
                capacity=resource.capacity,
            )


def _blocks(report: Report) -> dict[str, int]:
    held: dict[str, int] = dict.fromkeys(get_args(Holds), 0)
    for _, memory in memories_of(report):
        held[memory.holds] = held.get(memory.holds, 0) + memory.block_rams
    return held


def _bytes(report: Report, kinds: Iterable[Holds]) -> dict[str, int]:
    held: dict[str, int] = {}
    rows = memory_rows("as memory")
    for kind in kinds:
        bits = getattr(report.totals, rows[kind].key).value
        held[kind] = bits // 8 if isinstance(bits, int) else 0
    return held
