"""The comparison as tables of text: what text, Markdown and HTML have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rnnhw.cost.figure import BOUND_WORDS
from rnnhw.cost.figure_table import ROWS, Row
from rnnhw.cost.model import TargetReport
from rnnhw.report.comparison.designs import legend
from rnnhw.report.comparison.model import ColumnCheck, Comparison, Entry, FigureRow
from rnnhw.report.table_cell import Cell, ratio, worded
from rnnhw.report.tables import Table

__all__ = [
    "check_text",
    "costs_table",
    "files_table",
    "further_table",
    "heading",
    "notes",
    "targets",
]


_SCORE = Row("score")
"""How a figure is shown that is in no report."""


def heading(comparison: Comparison) -> str:
    """What is compared, and on what."""
    columns = comparison.columns
    names = {
        (column.files.design.sha256 if column.files.design else column.title) for column in columns
    }
    profiles = {target.profile: target for target in _targets(comparison)}
    designs = f"{len(names)} designs" if len(names) > 1 else "One design"
    if not profiles:
        return designs + (f", {len(columns)} rows" if len(columns) > len(names) else "")
    if len(columns) > max(len(names), len(profiles)):
        designs += f", {len(columns)} columns"
    if len(profiles) == 1:
        (target,) = profiles.values()
        return f"{designs} on {target.title} ({target.profile})"
    return f"{designs} on {len(profiles)} targets"


def _targets(comparison: Comparison) -> Iterator[TargetReport]:
    return (column.target for column in comparison.columns if column.target is not None)


def targets(comparison: Comparison) -> Iterator[str]:
    """The devices by name, where there are several."""
    found = {target.profile: target.title for target in _targets(comparison)}
    if len(found) > 1:
        yield from (f"{profile}: {title}" for profile, title in found.items())


# --- figures -----------------------------------------------------------------------------------
def costs_table(comparison: Comparison) -> Table:
    """The figures that are asked for first, in that order."""
    return _table(comparison, "Costs", _first_rows(comparison))


def further_table(comparison: Comparison) -> Table:
    """All other figures of the whole network."""
    rows = (row for row in comparison.rows if row.group == "further")
    return _table(comparison, "Further figures", rows)


def _first_rows(comparison: Comparison) -> Iterator[FigureRow]:
    """Without those that are a part of nothing known."""
    for row in comparison.rows:
        known = any(entry.figure.value is not None for entry in row.entries)
        if row.group != "further" and (known or not _is_share(row)):
            yield row


def _is_share(row: FigureRow) -> bool:
    """Whether the row's figures are in hundredths of something."""
    return row.name in ROWS and ROWS[row.name].is_share


def _table(comparison: Comparison, title: str, rows: Iterable[FigureRow]) -> Table:
    heads = [
        Cell(column.name, beside="baseline" if column.name == comparison.baseline else "")
        for column in comparison.columns
    ]
    table = Table(title, ("", *heads))
    if len(heads) == 1:
        table = Table(title, ("", Cell(heads[0].text)))
    above: FigureRow | None = None
    for row in rows:
        cells = [
            _cell(row, entry, beside=column.name != comparison.baseline)
            for entry, column in zip(row.entries, comparison.columns, strict=True)
        ]
        if above is not None and row.group == "resources" and _is_share(row):
            # On the same device the amounts, which stand above, have the same ratio.
            cells = [
                replace(cell, beside="") if amount.ratio is not None else cell
                for cell, amount in zip(cells, above.entries, strict=True)
            ]
        table.add(_title(row), *cells)
        above = row
    return table


def _units(row: FigureRow) -> list[str]:
    return list(dict.fromkeys(entry.unit for entry in row.entries if entry.unit))


def _title(row: FigureRow) -> str:
    """The row's title, with the unit that its resource is counted in everywhere."""
    units = _units(row)
    plain = len(units) != 1 or units[0] in ("bytes", row.title)
    return row.title if plain else f"{row.title} ({units[0]})"


def _cell(row: FigureRow, entry: Entry, *, beside: bool) -> Cell:
    figure = entry.figure
    if figure.status == "not used":
        return Cell("-", note=figure.note)
    cell = worded(ROWS.get(row.name, _SCORE), figure)
    if len(_units(row)) > 1 and figure.value is not None:
        cell = replace(cell, text=f"{cell.text} {entry.unit}")
    if beside and entry.ratio is not None:
        cell = replace(cell, beside=ratio(entry.ratio))
    return cell


# --- what the figures are worth ------------------------------------------------------------------
def check_text(check: ColumnCheck) -> str:
    """One demand: whose, what it is and what it should be."""
    bound = "at least" if check.kind == "min" else "at most"
    limit = "infinity" if check.bound is None else _whole(check.bound)
    value = check.value if isinstance(check.value, str) else _whole(check.value)
    if check.value_is is not None:
        value = f"{value} {BOUND_WORDS[check.value_is]}"
    return f"{check.column}: {check.name} {value}, {bound} {limit}"


def _whole(value: float) -> str:
    """Whole numbers in all their digits, others in six."""
    return f"{value:.0f}" if value == round(value) else f"{value:g}"


def notes(comparison: Comparison, *, starred: bool = True) -> Iterator[str]:
    """Notes on the table; of stars, where they are ``starred``."""
    if not comparison.on_hardware:
        yield from (" ".join(lines) for lines in legend(comparison, blanks=False))
        return
    columns, rows = comparison.columns, list(_first_rows(comparison))
    if len(columns) > 1:
        yield f"ratios (x) are to {comparison.baseline}; -: does not apply"
    if starred and any(e.figure.status == "second-hand" for row in rows for e in row.entries):
        yield "* second-hand: from a number that a third party reports"
    for column in columns:
        if column.over_capacity:
            yield f"{column.name}: does not fit ({'; '.join(column.over_capacity)})"
        if column.missing:
            yield f"{column.name}: lanes auto: {'; '.join(column.missing)}"


def files_table(comparison: Comparison, digits: int = 64) -> Table:
    """What every column was made from, and the first ``digits`` of each digest."""
    first = "SHA-256" if digits == 64 else f"SHA-256, first {digits} digits"
    columns = comparison.columns
    kinds = [
        kind
        for kind in columns[0].files.__struct_fields__
        if any(getattr(column.files, kind) for column in columns)
    ]
    saved = ["saved report"] if any(column.report for column in columns) else []
    table = Table(f"Made from, {first}", ("", "rnnhw", *kinds, *saved), numbers_from=9)
    for column in columns:
        files = [getattr(column.files, kind) for kind in kinds]
        files += [column.report] if saved else []
        digests = (file.sha256[:digits] if file else "-" for file in files)
        table.add(column.name, column.rnnhw_version, *digests)
    return table
