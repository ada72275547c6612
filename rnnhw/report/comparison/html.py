"""The comparison as one HTML page that needs nothing else: no script, font or image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from rnnhw.cost.figure_table import memory_rows, resource_rows
from rnnhw.report.charts import Stack, stacks
from rnnhw.report.comparison import tables
from rnnhw.report.comparison.designs import designs_table
from rnnhw.report.comparison.model import Comparison, StorageUse
from rnnhw.report.comparison.score_chart import chart_legend, score_chart
from rnnhw.report.markup import Markup, joined, tag
from rnnhw.report.page import figure, page, remark, section, table_html
from rnnhw.report.settings import settings_text
from rnnhw.report.status_letters import status_legend
from rnnhw.report.table_cell import number, shown

__all__ = ["to_html"]

_KEPT: tuple[Literal["as memory", "stored"], ...] = ("as memory", "stored")


def to_html(comparison: Comparison) -> str:
    """The page; every text of the comparison is escaped.

    It is ASCII, so that it looks the same in whatever encoding it is written.
    """
    sections = list(_sections(comparison))
    return page(tables.heading(comparison), _header(comparison), sections, wide=True)


def _header(comparison: Comparison) -> Markup:
    parts = [tag("h1", tables.heading(comparison))]
    parts += [tag("p", target) for target in tables.targets(comparison)]
    if comparison.settings:
        settings = settings_text(comparison.settings)
        parts.append(tag("p", f"with {settings}", class_="muted"))
    if comparison.checks:
        kind, word = ("good", "PASS") if comparison.passed else ("bad", "FAIL")
        parts.append(tag("p", word, class_=f"verdict {kind}"))
    return tag("header", *parts)


def _sections(comparison: Comparison) -> Iterator[tuple[str, Markup]]:
    hardware = comparison.on_hardware
    name, table = (
        ("Costs", tables.costs_table(comparison))
        if hardware
        else ("Designs", designs_table(comparison))
    )
    charts = list(_charts(comparison))
    if not hardware:
        yield from charts
    notes = map(remark, tables.notes(comparison, starred=False))
    yield section(name, table_html(table, titled=False), *notes)
    if comparison.checks:
        yield section("Demands", _demands(comparison))
    if hardware:
        yield from charts
        cycles = list(_cycles(comparison))
        if cycles:
            yield section("Cycles", *cycles)
    yield section("Storage", *_storage(comparison))
    further = tables.further_table(comparison)
    if further.rows:
        yield section("Further figures", table_html(further, titled=False))
    assumptions = list(_assumptions(comparison))
    if assumptions:
        yield section("Assumptions", *assumptions)
    files = table_html(tables.files_table(comparison), titled=False)
    yield section("Sources", tag("div", files, class_="files"), status_legend())


def _charts(comparison: Comparison) -> Iterator[tuple[str, Markup]]:
    """The score of every design over its bits."""
    for measure in comparison.measures:
        chart = score_chart(comparison, measure)
        if chart:
            caption = "in integers; lines join the values of a varied parameter"
            drawing = figure(chart, caption, "plot")
            name = f"{_capitalised(measure)} over bits".replace("_", " ")
            yield section(name, chart_legend(comparison, measure), drawing)


def _demands(comparison: Comparison) -> Markup:
    lines = (
        tag(
            "li",
            tag("span", "pass" if each.passed else "FAIL", class_="good" if each.passed else "bad"),
            f" {tables.check_text(each)}",
        )
        for each in comparison.checks
    )
    return tag("ul", *lines, class_="notes")


def _cycles(comparison: Comparison) -> Iterator[Markup]:
    """A bar a column of what a step takes, on one scale."""
    for name in ("cycles_per_step", "instructions_per_step"):
        row = comparison.row(name)
        if row is None:
            continue
        bars = []
        for column, entry in zip(comparison.columns, row.entries, strict=True):
            figure = entry.figure
            if isinstance(figure.value, int):
                bars.append(Stack(column.name, {"": figure.value}, shown(figure).text))
            elif figure.status != "not used":
                bars.append(Stack(column.name, {}, figure.status, known=False))
        drawing = stacks(bars, row.title)
        if drawing:
            yield tag("h3", _capitalised(row.title))
            yield drawing


def _storage(comparison: Comparison) -> Iterator[Markup]:
    """What fills the memories: of the device where a capacity is known, and in bits."""
    for resource, used in resource_rows().items():
        bars = [_of_device(use) for use in comparison.storage if use.resource == resource]
        drawing = stacks(bars, used.unit or "blocks")
        if drawing:
            yield tag("h3", f"{_capitalised(used.name)}, of the device's")
            yield drawing
    for kept in _KEPT:
        rows = {holds: comparison.row(row.key) for holds, row in memory_rows(kept).items()}
        bars = []
        for index, column in enumerate(comparison.columns):
            parts: dict[str, int] = {}
            for holds, row in rows.items():
                value = row.entries[index].figure.value if row else None
                if isinstance(value, int):
                    parts[holds] = value
            bars.append(Stack(column.name, parts))
        drawing = stacks(bars, "bits")
        if drawing:
            yield tag("h3", f"{_capitalised(kept)}, bits")
            yield drawing


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def _of_device(use: StorageUse) -> Stack:
    total, whole = sum(use.held.values()), use.capacity.value
    if not isinstance(whole, int) or not whole:
        text = f"{number(total)} {use.unit}, capacity {use.capacity.status}"
        return Stack(use.column, use.held, text)
    share = f"{100 * total / whole:.1f} %"
    text = f"{number(total)} of {number(whole)} {use.unit} ({share})"
    return Stack(use.column, use.held, text, whole, over=total > whole)


def _assumptions(comparison: Comparison) -> Iterator[Markup]:
    """The assumptions that all columns share, once; then the others, column by column."""
    columns = comparison.columns
    shared = [n for n in columns[0].notes if all(n in column.notes for column in columns)]
    if shared:
        yield tag("ul", *(tag("li", note) for note in dict.fromkeys(shared)), class_="notes")
    for column in columns:
        own = [note for note in dict.fromkeys(column.notes) if note not in shared]
        if own:
            lines = tag("ul", *(tag("li", note) for note in own), class_="notes")
            yield joined(tag("h3", column.name), lines)
