"""Cost reports side by side: the types, and how they are filled from reports.

A column is a report, a row one of its figures under the name that ``--min`` and ``--max`` take.

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
from rnnhw.errors import UsageError, unknown_name
from rnnhw.report.table_cell import yes_or_no

__all__ = [
    "COMPARISON_SCHEMA_ID",
    "Candidate",
    "Column",
    "ColumnCheck",
    "CostComparison",
    "CostRow",
    "Entry",
    "Group",
    "StorageUse",
    "compare_candidates",
    "compare_reports",
]

COMPARISON_SCHEMA_ID = "urn:rnnhw:schema:cost-comparison:2"
"""The ``$id`` of the comparison's JSON schema, and the first value of every comparison."""

Group = Literal["scores", "speed", "work", "storage", "resources", "energy", "further"]
"""What a row is about, in the order in which it is asked; ``further`` is for those who look."""


class _Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of the comparison share."""


class Column(_Base, frozen=True, kw_only=True):
    """What one column was made from. ``report`` is the saved report that it was read from, null
    where the report was made for the comparison; ``rnnhw_version`` made the report. ``missing``
    says what is in the way of a plan, where lanes were to be chosen."""

    name: str
    title: str
    report: File | None
    rnnhw_version: str
    files: Files
    settings: dict[str, bool | int | float | str | None]
    target: TargetReport
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


class CostRow(_Base, frozen=True, kw_only=True):
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
    the value bounds, where it is not the figure itself."""

    column: str
    name: str
    value: int | float
    bound: float | None
    kind: Literal["min", "max"]
    passed: bool
    value_is: Bound | None = None


class CostComparison(_Base, frozen=True, kw_only=True, rename={"schema": "$schema"}):
    """Reports side by side; ``baseline`` names the column that ratios are to. ``passed`` is
    whether every column meets every demand and every plan is met."""

    schema: str
    rnnhw_version: str
    baseline: str
    columns: tuple[Column, ...]
    rows: tuple[CostRow, ...]
    storage: tuple[StorageUse, ...]
    checks: tuple[ColumnCheck, ...]
    passed: bool

    def row(self, name: str) -> CostRow | None:
        """The row of this name, if any column has such a figure."""
        return next((row for row in self.rows if row.name == name), None)


@dataclass(frozen=True)
class Candidate:
    """A report to compare, under a ``name`` of its own or one that tells it from the others;
    ``scores`` are figures beside the report's, ``details`` what else is known of them."""

    report: Report
    name: str = ""
    saved: File | None = None
    scores: Mapping[str, Figure] = field(default_factory=dict)
    details: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def scored(self) -> dict[str, Figure]:
        """Scores and details."""
        return {**self.scores, **self.details}


_NO_BOUNDS: Mapping[str, float] = MappingProxyType({})


def compare_reports(
    reports: Sequence[Report],
    *,
    baseline: str | None = None,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
) -> CostComparison:
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
) -> CostComparison:
    """As :func:`compare_reports`, of reports with names and scores.

    Raises:
        UsageError: as :func:`compare_reports`.
    """
    from rnnhw.version import __version__

    if not candidates:
        raise UsageError("nothing to compare", "name at least one design or saved report")
    names = _names(candidates)
    base = 0 if baseline is None else _index(names, baseline)
    judged = _judged(names, candidates, minimum or _NO_BOUNDS, maximum or _NO_BOUNDS)
    checks = [_column_check(name, check) for name, check in judged]
    columns = tuple(map(_column, names, candidates))
    return CostComparison(
        schema=COMPARISON_SCHEMA_ID,
        rnnhw_version=__version__,
        baseline=names[base],
        columns=columns,
        rows=tuple(_rows(candidates, base)),
        storage=tuple(
            use
            for name, candidate in zip(names, candidates, strict=True)
            for use in _storage(name, candidate.report)
        ),
        checks=tuple(checks),
        passed=all(check.passed for check in checks)
        and not any(column.missing for column in columns),
    )


# --- columns -----------------------------------------------------------------------------------
def _stem(report: Report) -> str:
    design = report.files.design
    return Path(design.name).stem if design else report.title or "design"


def _names(candidates: Sequence[Candidate]) -> list[str]:
    """A name for each: the design's, then what tells those of the same name apart: settings,
    profile, clock, and in the end a number."""
    reports = [candidate.report for candidate in candidates]
    names = [each.name or _stem(each.report) for each in candidates]
    for same in _alike(names):
        settings = [reports[index].settings for index in same]
        keys = dict.fromkeys(key for each in settings for key in each)
        varied = [k for k in keys if len({repr(each.get(k)) for each in settings}) > 1]
        for index in same:
            found = reports[index].settings
            names[index] += "".join(f" {k}={found[k]}" for k in varied if k in found)
    if len({report.target.profile for report in reports}) > 1:
        for index, report in enumerate(reports):
            if not candidates[index].name:
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


def _clock_text(report: Report) -> str:
    points = report.operating_points
    return f" at {points[0].clock_mhz.value:g} MHz" if points else ""


def _index(names: Sequence[str], baseline: str) -> int:
    if baseline not in names:
        raise UsageError(*unknown_name("column", baseline, names))
    return names.index(baseline)


def _column(name: str, candidate: Candidate) -> Column:
    report = candidate.report
    return Column(
        name=name,
        title=report.title,
        report=candidate.saved,
        rnnhw_version=report.rnnhw_version,
        files=report.files,
        settings=report.settings,
        target=report.target,
        over_capacity=report.over_capacity,
        missing=unmet_plan(report),
        notes=(*report.notes, *_assumptions(report)),
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
) -> Iterator[tuple[str, FigureCheck]]:
    """Every demand on every column, with the column's name."""
    known = [{**report_figures(c.report), **c.scored} for c in candidates]
    for name, candidate, own in zip(names, candidates, known, strict=True):
        for figure in (*minimum, *maximum):
            if figure not in own and any(figure in others for others in known):
                scored = any(figure in each.scored for each in candidates)
                why = "is not known: it was not simulated" if scored else "does not apply"
                raise UsageError(
                    f"{name}: {figure} {why}",
                    "compare without this column, or judge a figure that all columns have",
                )
        scores = {}
        for score, found in candidate.scored.items():
            if isinstance(found.value, int | float):
                scores[score] = found.value
            elif score in minimum or score in maximum:
                raise UsageError(f"{name}: {score} is {found.status}", found.note)
        try:
            checks = judge_report(candidate.report, minimum, maximum, scores)
        except UsageError as error:
            raise error.at(name) from None
        yield from ((name, check) for check in checks)


def _column_check(column: str, check: FigureCheck) -> ColumnCheck:
    return ColumnCheck(
        column=column,
        name=check.name,
        value=int(check.value) if isinstance(check.value, bool) else check.value,
        bound=check.bound if math.isfinite(check.bound) else None,
        kind="min" if check.kind == "min" else "max",
        passed=check.passed,
        value_is=check.value_is,
    )


# --- rows --------------------------------------------------------------------------------------
def _rows(candidates: Sequence[Candidate], base: int) -> Iterator[CostRow]:
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
        yield CostRow(
            name=name,
            title=title,
            group=group,
            entries=tuple(_with_ratio(entry, entries[base]) for entry in entries),
        )


def _places(
    candidates: Sequence[Candidate], columns: Iterable[Mapping[str, Entry]]
) -> Iterator[tuple[str, str, Group]]:
    """Name, title and group of every row that there may be, in order."""
    scores = dict.fromkeys(name for each in candidates for name in each.scores)
    seen = set(scores)
    for name in scores:
        yield name, name.replace("_", " "), "scores"
    for name in COMPARED:
        seen.add(name)
        yield name, ROWS[name].heading, ROWS[name].section
    for name in dict.fromkeys(name for column in columns for name in column):
        if name not in seen:
            row = ROWS.get(name)
            yield name, row.heading if row else name.replace("_", " "), "further"


def _entries(candidate: Candidate) -> Iterator[tuple[str, Entry]]:
    """Every figure of the whole network by name."""
    report = candidate.report
    for name, figure in candidate.scored.items():
        yield name, Entry(figure=figure)
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
"""What the memories of a microcontroller hold."""


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
