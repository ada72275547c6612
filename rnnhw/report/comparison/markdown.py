"""The comparison as Markdown, to paste into a README or an issue."""

from __future__ import annotations

from rnnhw.report.comparison import tables
from rnnhw.report.comparison.model import CostComparison
from rnnhw.report.markdown_table import escape_markdown, table_markdown

__all__ = ["to_markdown"]

_DIGITS = 16


def to_markdown(comparison: CostComparison) -> str:
    """A heading, the table, what failed and what it was made from; no text is markup."""
    blocks = [f"## {escape_markdown(tables.heading(comparison))}"]
    listed = [*tables.targets(comparison)]
    if listed:
        blocks.append("\n".join(f"- {escape_markdown(each)}" for each in listed))
    blocks.append(table_markdown(tables.costs_table(comparison)))
    failed = [f"FAIL {tables.check_text(each)}" for each in comparison.checks if not each.passed]
    listed = [*tables.notes(comparison), *failed]
    if listed:
        blocks.append("\n".join(f"- {escape_markdown(each)}" for each in listed))
    if comparison.checks:
        blocks.append(f"**{'PASS' if comparison.passed else 'FAIL'}**")
    files = tables.files_table(comparison, _DIGITS)
    blocks += [f"### {escape_markdown(files.title)}", table_markdown(files)]
    return "\n\n".join(blocks) + "\n"
