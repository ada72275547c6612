"""How ``rnnhw quantize`` shows what it chose."""

from __future__ import annotations

from rnnhw.cli.blocks import Block, Content, Text, group
from rnnhw.cli.show import aligned, heading, title
from rnnhw.report.markdown_table import escape_markdown, table_markdown
from rnnhw.report.tables import Table
from rnnhw.study.word_lengths.costs import Costs
from rnnhw.study.word_lengths.data import quantized_csv, quantized_json
from rnnhw.study.word_lengths.page import quantized_page
from rnnhw.study.word_lengths.quantize import Quantized
from rnnhw.study.word_lengths.tables import LESS, bounds_text, ended, missed_text, tables_of

__all__ = ["quantized_in"]


def quantized_in(format: str, result: Quantized, costs: Costs | None, command: str) -> Content:
    """The result in the named format."""
    match format:
        case "text":
            return _text(result, costs)
        case "json":
            return quantized_json(result, costs, command).decode()
        case "csv":
            return quantized_csv(result)
        case "markdown":
            return _markdown(result, costs, command)
        case _:
            return quantized_page(result, costs, command)


def _text(result: Quantized, costs: Costs | None) -> Block:
    parts: list[Block] = [title(result.design)]
    for table in tables_of(result, costs):
        parts += [heading(table.title), _aligned(table)]
        if table.title == "formats":
            parts.append(Text(LESS, "dim"))
    parts += [Text(""), Text(ended(result))]
    if missed_text(result):
        parts.append(Text(missed_text(result)))
    return group(*parts)


def _aligned(table: Table) -> Block:
    """Its numbers to the right, but for the columns of text among them."""
    heads = [head.text for head in table.heads]
    rows = [[cell.starred for cell in row] for row in table.rows]
    words = ("format", "one bit less")
    return aligned(heads, rows, [name for name in heads[table.numbers_from :] if name not in words])


def _markdown(result: Quantized, costs: Costs | None, command: str) -> str:
    design = result.design
    said = f"Wanted on {result.chosen_on}: {bounds_text(result)}. {ended(result)}."
    parts = [
        f"# {escape_markdown(f'Word lengths of {design.title or design.place}')}",
        escape_markdown(f"{said} {missed_text(result)}".rstrip()),
    ]
    for table in tables_of(result, costs):
        parts += [f"## {escape_markdown(table.title)}", table_markdown(table)]
        if table.title == "formats":
            parts.append(escape_markdown(LESS))
    return "\n\n".join([*parts, f"    {command}"]) + "\n"
