"""Blocks in a terminal: its colours and its width, by rich."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from rich import box
from rich import console as rich
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text as RichText

from rnnhw.cli.blocks import Block, Table, Text
from rnnhw.errors import escaped

__all__ = ["rendered_by_rich"]


def rendered_by_rich(block: Block, stream: IO[str]) -> str:
    """The text that suits ``stream``: its colours, its width where it is a terminal.

    Words wrap in a narrow terminal but numbers are never cut; nothing wraps in a pipe or a file.
    """
    content = _Escaped(_of_rich(block))
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    free = Measurement.get(console, console.options.update(max_width=1 << 20), content)
    console.width = max(console.width, free.minimum) if console.is_terminal else free.maximum
    with console.capture() as capture:
        console.print(content)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _of_rich(block: Block) -> RenderableType:
    match block:
        case Text():
            text = RichText.assemble(*block.spans)
            return Padding(text, (0, 0, 0, block.indent)) if block.indent else text
        case Table():
            return _table(block)
    return rich.Group(*map(_of_rich, block.blocks))


def _table(table: Table) -> RichTable:
    shown = RichTable(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
    )
    for index, head in enumerate(table.heads):
        if head in table.right:
            lines = (line for row in table.rows for line in row[index].split("\n"))
            width = max(map(len, lines), default=0)
            shown.add_column(head, justify="right", min_width=width)
        else:
            shown.add_column(head, overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    return shown


@dataclass(frozen=True)
class _Escaped:
    """Text to show, with the control characters of texts that are not ours as escapes."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.content, options):
            text = segment.text if segment.control else escaped(segment.text, keep="\n\t")
            yield Segment(text, segment.style, segment.control)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self.content)
