"""A drawing of the network: what reads what, how wide the vectors are, and in which words.

Layers stand one below the other, the input at the top. What reads the one above it has an arrow
from there, what reads another one a line on the left. Layers in a row that are alike are one box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rnnhw.cost.model import NodeReport, Report, revised
from rnnhw.report.markup import Markup, tag
from rnnhw.report.svg import across, short_name, svg
from rnnhw.report.table_cell import number

__all__ = ["network_drawing"]

_BOX, _GAP = 44, 20
_ROW = _BOX + _GAP
_LINE = 12
"""Pixels between two lines on the left."""

_MOST_LINES = 5
"""Lines side by side: more of them share the outermost."""

_NAME = 20
_KIND = 19
_WIDTH = 0.8


@dataclass(frozen=True)
class _Box:
    """A layer, or ``count`` of them in a row that are alike."""

    first: NodeReport
    last: NodeReport
    count: int = 1


def network_drawing(report: Report) -> Markup:
    """Every layer of the network in a box; nothing for a report of none."""
    boxes = _boxes(report.network)
    if not boxes:
        return Markup()
    places = {box.last.name: row for row, box in enumerate(boxes)}
    lines = _lines(boxes, places)
    left = _LINE * (1 + max((slot for *_, slot in lines), default=-1)) + (8 if lines else 0)
    parts: list[Markup] = []
    for row, box in enumerate(boxes):
        if row and boxes[row - 1].last.name in box.first.sources:
            parts += _arrow_down(left + 24, _ROW * row - _GAP, _ROW * row)
        parts += _box(box, left, _ROW * row)
    for source, reader, slot in lines:
        parts += _line_beside(left, left - _LINE * (slot + 1), source, reader)
    label = "The network: " + ", then ".join(_title(box) for box in boxes)
    return svg(_ROW * len(boxes) - _GAP + 2, label, *parts)


def _boxes(nodes: Sequence[NodeReport]) -> list[_Box]:
    """One box for layers in a row of which each reads the one before alone and all are alike."""
    readers: dict[str, int] = {}
    for node in nodes:
        for name in node.sources:
            readers[name] = readers.get(name, 0) + 1
    boxes: list[_Box] = []
    for node in nodes:
        before = boxes[-1] if boxes else None
        if (
            before is not None
            and node.sources == (before.last.name,)
            and readers[before.last.name] == 1
            and _alike(before.last, node)
        ):
            boxes[-1] = replace(before, last=node, count=before.count + 1)
        else:
            boxes.append(_Box(node, node))
    return boxes


def _alike(a: NodeReport, b: NodeReport) -> bool:
    """Whether two layers differ in their names and sources alone."""
    return revised(a, name="", sources=()) == revised(b, name="", sources=())


def _lines(boxes: Sequence[_Box], places: dict[str, int]) -> list[tuple[int, int, int]]:
    """Rows of a source and of a reader that is not below it, and how far left the line runs."""
    wanted = [
        (places[name], row)
        for row, box in enumerate(boxes)
        for name in box.first.sources
        if places[name] != row - 1
    ]
    lines: list[tuple[int, int, int]] = []
    for source, reader in sorted(wanted, key=lambda line: line[1] - line[0]):
        taken = {s for a, b, s in lines if a < reader and source < b}
        slot = next(s for s in range(len(wanted) + 1) if s not in taken)
        lines.append((source, reader, min(slot, _MOST_LINES - 1)))
    return lines


def _title(box: _Box) -> str:
    node = box.last
    name = node.name if box.count == 1 else f"{box.first.name} to {node.name}"
    return f"{name} ({_kind(box)}): {node.units:,} x {node.format}"


def _kind(box: _Box) -> str:
    node = box.last
    kind = f"{box.count} x {node.kind}" if box.count > 1 else node.kind
    return ", ".join([kind, *node.structures])


def _box(box: _Box, left: int, top: int) -> Iterator[Markup]:
    node = box.last
    kind = "state" if node.state else "plain" if node.sources else "end"
    name = node.name if box.count == 1 else f"{box.first.name} - {node.name}"
    title = tag("title", _title(box))
    yield tag(
        "rect",
        title,
        x=left,
        y=top + 1,
        rx=4,
        width=across(_WIDTH),
        height=_BOX,
        class_=f"box {kind}",
    )
    inside = left + 10
    yield tag("text", title, short_name(name, _NAME), x=inside, y=top + 19, class_="name")
    yield tag("text", short_name(_kind(box), _KIND), x=inside, y=top + 36, class_="faint small")
    right: dict[str, str | float] = {"x": across(_WIDTH), "dx": left - 10, "text_anchor": "end"}
    bits = "1 bit" if node.width_bits == 1 else f"{node.width_bits} bits"
    words = f"{bits}, {_numbers(node.format)}"
    yield tag("text", number(node.units), y=top + 19, class_="name", **right)
    yield tag("text", words, y=top + 36, class_="faint small", **right)


def _numbers(format: str) -> str:
    """Integer and fraction bits alone: ``Q(0, 7)``, whatever the modes."""
    first, second = format.rstrip(")").split(", ")[:2]
    return f"{first}, {second})"


def _arrow_down(x: int, top: int, bottom: int) -> Iterator[Markup]:
    yield tag("line", x1=x, x2=x, y1=top + 1, y2=bottom, class_="flow")
    head = f"M{x - 4} {bottom - 5}L{x} {bottom + 1}L{x + 4} {bottom - 5}"
    yield tag("path", d=head, class_="flow")


def _line_beside(left: int, x: int, source: int, reader: int) -> Iterator[Markup]:
    """From the side of a box to that of another one further down."""
    start, end = _ROW * source + _BOX - 8, _ROW * reader + 10
    yield tag("path", d=f"M{left} {start}H{x}V{end}H{left}", class_="flow")
    yield tag("path", d=f"M{left - 6} {end - 4}L{left} {end}L{left - 6} {end + 4}", class_="flow")
