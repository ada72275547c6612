"""Markdown tables and text, as GitHub shows them."""

from __future__ import annotations

import re

from rnnhw.report.table_cell import Cell
from rnnhw.report.tables import Table

__all__ = ["escape_markdown", "table_markdown"]


def table_markdown(table: Table) -> str:
    """The table with pipes; no text in it is markup."""
    rules = [
        "---:" if index >= table.numbers_from else "---" for index in range(len(table.columns))
    ]
    heads = table.heads or [Cell("")] * len(table.columns)
    lines = [[escape_markdown(head.marked) for head in heads], rules]
    lines += [[escape_markdown(cell.marked) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escape_markdown(text: str) -> str:
    """Text that shows as it is: no emphasis, links, tables, HTML, formulas or mentions."""
    plain = " ".join(text.split())
    plain = re.sub(r"([\\`*\[\]|~$])", r"\\\1", plain)
    plain = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", plain)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
