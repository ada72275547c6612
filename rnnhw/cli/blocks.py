"""What commands show: lines with styles, tables, and groups of them.

:mod:`rnnhw.cli.rendering` makes text of them. They are not rich's own, because rich takes longer
to import than most commands to work, and a terminal alone needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["Block", "Content", "Group", "Table", "Text", "assembled", "group"]


@dataclass(frozen=True)
class Text:
    """Lines that wrap where a terminal is narrow. ``style`` is rich's (``bold``, ``dim``, ``bold
    red``), ``more`` are further texts on the same line with styles of their own; all is moved
    ``indent`` columns to the right."""

    text: str
    style: str = ""
    more: tuple[tuple[str, str], ...] = ()
    indent: int = 0

    @property
    def spans(self) -> tuple[tuple[str, str], ...]:
        """The texts with their styles."""
        return ((self.text, self.style), *self.more)

    def append(self, text: str, style: str = "") -> Text:
        """This text with another behind it."""
        return replace(self, more=(*self.more, (text, style)))


@dataclass(frozen=True)
class Table:
    """Columns under their heads; those in ``right`` hold numbers, which are never cut."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str]


@dataclass(frozen=True)
class Group:
    """Blocks below each other."""

    blocks: tuple[Block, ...]


Block = Text | Table | Group
Content = Block | str
"""What a command shows: blocks, or text that is written already."""


def assembled(*parts: str | Text | tuple[str, str]) -> Text:
    """One text of several, each a text or a text and its style."""
    spans: list[tuple[str, str]] = []
    for part in parts:
        match part:
            case str():
                spans.append((part, ""))
            case Text():
                spans += part.spans
            case _:
                spans.append(part)
    (text, style), *more = spans
    return Text(text, style, tuple(more))


def group(*blocks: Block) -> Group:
    """Blocks below each other."""
    return Group(blocks)
