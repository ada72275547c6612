"""The comparison as Markdown, to paste into a README or an issue."""

from __future__ import annotations

from rnnhw.report.comparison import tables
from rnnhw.report.comparison.designs import designs_table
from rnnhw.report.comparison.model import Comparison
from rnnhw.report.markdown_table import escape_markdown, table_markdown
from rnnhw.report.settings import settings_text

__all__ = ["to_markdown"]

_DIGITS = 16


def to_markdown(comparison: Comparison) -> str:
    """A heading, the table, what failed and the sources; no text is markup."""
    blocks = [f"## {escape_markdown(tables.heading(comparison))}"]
    listed = [*tables.targets(comparison)]
    if comparison.settings:
        listed.append(f"with {settings_text(comparison.settings)}")
    if listed:
        blocks.append("\n".join(f"- {escape_markdown(each)}" for each in listed))
    shown = tables.costs_table if comparison.on_hardware else designs_table
    blocks.append(table_markdown(shown(comparison)))
    failed = [f"FAIL {tables.check_text(each)}" for each in comparison.checks if not each.passed]
    listed = [*tables.notes(comparison), *failed]
    if listed:
        blocks.append("\n".join(f"- {escape_markdown(each)}" for each in listed))
    if comparison.checks:
        blocks.append(f"**{'PASS' if comparison.passed else 'FAIL'}**")
    files = tables.files_table(comparison, _DIGITS)
    blocks += [f"### {escape_markdown(files.title)}", table_markdown(files)]
    return "\n\n".join(blocks) + "\n"
