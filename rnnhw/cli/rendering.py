"""Text for a terminal, a pipe or a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment

from rnnhw.errors import escaped

__all__ = ["rendered"]


def rendered(content: RenderableType, stream: IO[str]) -> str:
    """The text that suits ``stream``: its colours, its width where it is a terminal.

    Words wrap in a narrow terminal but numbers are never cut; nothing wraps in a pipe or a file.
    """
    content = _Escaped(content)
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    free = Measurement.get(console, console.options.update(max_width=1 << 20), content)
    console.width = max(console.width, free.minimum) if console.is_terminal else free.maximum
    with console.capture() as capture:
        console.print(content)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


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
