"""Chosen word lengths as an HTML page that needs nothing else, and no script."""

from __future__ import annotations

from rnnhw.report.markup import Markup, joined, tag
from rnnhw.report.page import figure, page, remark, section, table_html
from rnnhw.report.settings import settings_text
from rnnhw.study.word_lengths.charts import sensitivity_chart, words_chart
from rnnhw.study.word_lengths.costs import Costs
from rnnhw.study.word_lengths.quantize import Quantized
from rnnhw.study.word_lengths.tables import (
    LESS,
    bounds_text,
    cost_table,
    ended,
    figures_table,
    formats_table,
    missed_text,
    stored_table,
)

__all__ = ["quantized_page"]


def quantized_page(result: Quantized, costs: Costs | None, command: str) -> str:
    """The bits of every signal, what one bit less would lose, costs, figures, and the ``command``
    that chose them."""
    design = result.design
    title = f"Word lengths of {design.title.partition(':')[0].rstrip('.') or design.place}"
    sections = [
        section("Words", figure(words_chart(result), "bits of every signal and tensor")),
        *_sensitivities(result),
        section("Formats", table_html(formats_table(result), titled=False), remark(LESS)),
        section("Stored bits", table_html(stored_table(result), titled=False)),
    ]
    if costs is not None:
        table = cost_table(costs)
        heading = f"{table.title[0].upper()}{table.title[1:]}"
        sections.append(section(heading, table_html(table, titled=False)))
    sections += [
        section("Figures", table_html(figures_table(result), titled=False)),
        section("Command", tag("p", tag("code", command))),
    ]
    return page(title, _header(result, title), sections, wide=True)


def _header(result: Quantized, title: str) -> Markup:
    design = result.design
    settings = settings_text(design.settings)
    place = f"{design.place} ({settings})" if settings else design.place
    before, after = sum(result.stored_before.values()), result.choice.outcome.bits
    lines = [
        tag("p", place, class_="muted"),
        tag("p", f"{after:,} stored bits, before {before:,}"),
        remark(
            f"Wanted on {result.chosen_on}: {bounds_text(result)}. "
            f"Judged once on {result.judged_on}. {ended(result)}."
        ),
    ]
    if missed_text(result):
        lines.append(remark(missed_text(result)))
    return tag("header", tag("h1", title), *lines)


def _sensitivities(result: Quantized) -> list[tuple[str, Markup]]:
    """A drawing for every wanted figure."""
    drawings = []
    for name in result.wanted:
        drawing = sensitivity_chart(result, name)
        if drawing:
            caption = (
                f"{name} on the samples that chose, with one bit less of each signal; the full "
                "line is what was chosen, the dashed one what is demanded; a point beyond an end "
                "lies on it. Less than no bit is saved where signals would no longer share a table"
            )
            drawings.append(figure(drawing, caption))
    return [section("Sensitivity", joined(*drawings))] if drawings else []
