"""The report as Markdown, to paste into a README or an issue."""

from __future__ import annotations

from collections.abc import Iterator

from rnnhw.cost.model import Report
from rnnhw.report import tables
from rnnhw.report.markdown_table import escape_markdown, table_markdown
from rnnhw.report.settings import settings_text

__all__ = ["to_markdown"]


def to_markdown(report: Report) -> str:
    """Headings, tables with pipes and lists, as GitHub shows them; no text is markup."""
    blocks = [f"## {escape_markdown(report.title or 'untitled design')}", *_target(report)]
    for table in (
        tables.speed_table(report),
        tables.work_table(report),
        tables.run_table(report),
        tables.errors_table(report),
        tables.layers_table(report),
        tables.lanes_table(report),
        tables.phases_table(report),
        tables.roofline_table(report),
        tables.operations_table(report),
        tables.traffic_table(report),
        tables.storage_table(report),
        tables.memories_table(report),
        tables.resources_table(report),
        tables.energy_table(report),
        tables.energies_table(report),
        tables.words_table(report),
    ):
        if table.rows:
            blocks += [f"### {escape_markdown(table.title)}", table_markdown(table)]
            if table.title == "Cycles":
                blocks.append(escape_markdown(tables.CYCLE_FORMULA))
    blocks += [
        "### Notes",
        "\n".join(f"- {escape_markdown(note)}" for note in tables.notes(report)),
    ]
    for table in (tables.sources_table(report), tables.files_table(report)):
        if table.rows:
            blocks += [f"### {escape_markdown(table.title)}", table_markdown(table)]
    return "\n\n".join(blocks) + "\n"


def _target(report: Report) -> Iterator[str]:
    lines = [
        f"on {escape_markdown(report.target.title)} ({escape_markdown(report.target.profile)})"
    ]
    verdict = f"**{escape_markdown(tables.verdict(report))}**"
    lines.append(", ".join([verdict, *map(escape_markdown, tables.highlights(report))]))
    if report.settings:
        settings = settings_text(report.settings)
        lines.append(f"with {escape_markdown(settings)}")
    yield "  \n".join(lines)
