"""Designs side by side as one HTML page: the score over the stored bits, and the table."""

from __future__ import annotations

from rnnhw.report.markup import Markup, tag
from rnnhw.report.page import figure, page, remark, section, table_html
from rnnhw.report.scores.chart import chart_legend, score_chart
from rnnhw.report.scores.model import Comparison
from rnnhw.report.scores.tables import check_text, columns_of, legend
from rnnhw.report.table_cell import settings_text
from rnnhw.report.tables import Table

__all__ = ["to_html"]


def to_html(comparison: Comparison) -> str:
    """The page; every text of the comparison is escaped."""
    labels = dict.fromkeys(row.label for row in comparison.rows)
    title = f"{len(labels)} designs" if len(labels) > 1 else next(iter(labels))
    if len(comparison.rows) > len(labels):
        title += f", {len(comparison.rows)} rows"
    settings = settings_text(comparison.settings)
    parts = [tag("h1", title)]
    if settings:
        parts.append(tag("p", f"with {settings}", class_="muted"))
    if comparison.checks:
        kind, word = ("good", "PASS") if comparison.passed else ("bad", "FAIL")
        parts.append(tag("p", word, class_=f"verdict {kind}"))
    return page(title, tag("header", *parts), _sections(comparison), wide=True)


def _sections(comparison: Comparison) -> list[tuple[str, Markup]]:
    found = []
    for measure in comparison.measures:
        chart = score_chart(comparison, measure)
        if chart:
            caption = "in integers; lines join the values of a varied parameter"
            drawing = figure(chart, caption, "plot")
            name = f"{measure[0].upper()}{measure[1:]} over bits".replace("_", " ")
            found.append(section(name, chart_legend(comparison, measure), drawing))
    lines = map(remark, legend(comparison).splitlines())
    found.append(section("Designs", table_html(_table(comparison), titled=False), *lines))
    if comparison.checks:
        demands = (
            tag(
                "li",
                tag("span", "pass" if each.check.passed else "FAIL"),
                f" {check_text(each)}",
            )
            for each in comparison.checks
        )
        found.insert(0, section("Demands", tag("ul", *demands, class_="notes")))
    return found


def _table(comparison: Comparison) -> Table:
    columns = columns_of(comparison)
    texts = sum(not column.number for column in columns)
    table = Table("Designs", tuple(column.full for column in columns), numbers_from=texts)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add(*map(str, cells))
    return table
