"""Blocks as text: plain in a pipe or a file, by rich in a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import IO

from rnnhw.cli.blocks import Block, Group, Table, Text
from rnnhw.errors import escaped

__all__ = ["may_be_terminal", "plain", "rendered"]


def rendered(block: Block, stream: IO[str]) -> str:
    """The text that suits ``stream``: with colours and its width where it is a terminal."""
    if may_be_terminal(stream):
        from rnnhw.cli.terminal import rendered_by_rich

        return rendered_by_rich(block, stream)
    return plain(block)


def may_be_terminal(stream: IO[str]) -> bool:
    """Whether rich may take a stream for a terminal."""
    return stream.isatty() or bool({"FORCE_COLOR", "TTY_COMPATIBLE"} & os.environ.keys())


def plain(block: Block) -> str:
    """The text without colours, on lines as long as they are; what would control a terminal is
    escaped."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(block))


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Text():
            text = "".join(text for text, _ in block.spans)
            yield from (f"{'':{block.indent}}{line}" for line in _split(text))
        case Table():
            yield from _table_lines(block)
        case Group():
            for each in block.blocks:
                yield from _lines(each)


def _split(text: str) -> list[str]:
    """The lines of a text."""
    return escaped(text, keep="\n\t").expandtabs(8).split("\n")


def _table_lines(table: Table) -> Iterator[str]:
    rows = [[_split(cell) for cell in row] for row in (table.heads, *table.rows)]
    columns = list(zip(*rows, strict=True))
    widths = [max(_width(line) for cell in column for line in cell) for column in columns]
    for number, row in enumerate(rows):
        for cells in zip_longest(*row, fillvalue=""):
            yield _GAP.join(_padded(table.heads, table.right, widths, cells))
        if number == 0:
            yield "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))


_GAP = "  "


def _padded(
    heads: Sequence[str], right: frozenset[str], widths: Sequence[int], cells: Sequence[str]
) -> Iterator[str]:
    for head, width, cell in zip(heads, widths, cells, strict=True):
        room = " " * (width - _width(cell))
        yield room + cell if head in right else cell + room


def _width(text: str) -> int:
    """The columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
