"""How a synthesised design looks as text for a console."""

from __future__ import annotations

from rnnhw.cli.blocks import Block, Text, group
from rnnhw.cli.show import aligned, title
from rnnhw.report.synthesis import SynthesisResult, resources_table

__all__ = ["synthesis_text"]


def synthesis_text(result: SynthesisResult) -> Block:
    """The text of ``rnnhw synth``."""
    table = resources_table(result)
    heads = [each.text for each in table.heads]
    rows = [[cell.text for cell in row] for row in table.rows]
    parts: list[Block] = [
        title(result.design),
        Text(f"\n{result.machine}"),
        aligned(heads, rows, heads[table.numbers_from :]),
    ]
    parts += [Text(f"\n{line}") for line in result.clock]
    if result.notes:
        parts.append(Text("\n" + "\n".join(result.notes)))
    parts.append(Text(f"tools: {'; '.join(result.tools)}", "dim"))
    return group(*parts)
