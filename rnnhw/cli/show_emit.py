"""How an emitted design looks as text for a console."""

from __future__ import annotations

import textwrap

from rnnhw.cli.blocks import Block, Text, group
from rnnhw.cli.show import aligned, heading, number, title, verdict
from rnnhw.report.emission import (
    CHECK_NOTE,
    EmissionResult,
    check_table,
    files_table,
    first_differences,
    ports_table,
)
from rnnhw.report.tables import Table

__all__ = ["emitted_text"]


def emitted_text(emitted: EmissionResult) -> Block:
    """The text of ``rnnhw emit``."""
    parts: list[Block] = [
        title(emitted.design),
        Text(f"\n{emitted.written}"),
        _aligned(files_table(emitted)),
        heading("ports beside clk, rst and valid, ready, first and last of each stream"),
        _aligned(ports_table(emitted), numbers_to=2),
    ]
    if emitted.bench is None:
        parts.append(Text("\nno test bench: the design has no task and no --data"))
    if emitted.runs:
        parts += _check(emitted)
    return group(*parts)


def _aligned(table: Table, numbers_to: int | None = None) -> Block:
    heads = [each.text for each in table.heads]
    rows = [[_listed(cell.text) for cell in row] for row in table.rows]
    return aligned(heads, rows, heads[table.numbers_from : numbers_to])


def _listed(names: str) -> str:
    """Names in lines that fit a terminal beside what they are."""
    return "\n".join(textwrap.wrap(names, 76, break_on_hyphens=False))


def _check(emitted: EmissionResult) -> list[Block]:
    assert emitted.bench is not None
    bench = emitted.bench
    return [
        heading(
            f"check: {number(bench.sequences, 'sequence')}, {number(bench.steps, 'step')}, "
            f"{number(bench.outputs, 'output')}"
        ),
        _aligned(check_table(emitted)),
        Text(CHECK_NOTE, "dim"),
        Text(""),
        *map(Text, first_differences(emitted)),
        verdict(emitted.passed),
    ]
