"""The report as Markdown, to paste into a README or an issue."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rnnhw.costreport import Report
from rnnhw.report import tables
from rnnhw.report.tables import Table
from rnnhw.report.values import Cell

__all__ = ["to_markdown"]


def to_markdown(report: Report) -> str:
    """Headings, tables with pipes and lists, as GitHub shows them; no text is markup."""
    blocks = [f"## {_escaped(report.title or 'untitled design')}", *_target(report)]
    for table in (
        tables.speed_table(report),
        tables.work_table(report),
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
            blocks += [f"### {_escaped(table.title)}", _piped(table)]
            if table.title == "Cycles":
                blocks.append(_escaped(tables.CYCLE_FORMULA))
    blocks += ["### Notes", "\n".join(f"- {_escaped(note)}" for note in tables.notes(report))]
    for table in (tables.sources_table(report), tables.files_table(report)):
        if table.rows:
            blocks += [f"### {_escaped(table.title)}", _piped(table)]
    return "\n\n".join(blocks) + "\n"


def _target(report: Report) -> Iterator[str]:
    lines = [f"on {_escaped(report.target.title)} ({_escaped(report.target.profile)})"]
    if report.settings:
        settings = ", ".join(f"{name}={value}" for name, value in report.settings.items())
        lines.append(f"with {_escaped(settings)}")
    lines.append(f"**{_escaped(tables.verdict(report))}**")
    yield "  \n".join(lines)


def _piped(table: Table) -> str:
    rules = [
        "---:" if index >= table.numbers_from else "---" for index in range(len(table.columns))
    ]
    heads = table.heads or [Cell("")] * len(table.columns)
    lines = [[_escaped(head.marked) for head in heads], rules]
    lines += [[_escaped(cell.marked) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Text that shows as it is: no emphasis, links, tables, HTML, formulas or mentions."""
    plain = " ".join(text.split())
    plain = re.sub(r"([\\`*\[\]|~$])", r"\\\1", plain)
    plain = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", plain)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
