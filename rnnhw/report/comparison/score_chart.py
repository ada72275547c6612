"""The score of every design over its bits: what does a structure, what does a word buy?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rnnhw.report.comparison.model import Comparison
from rnnhw.report.markup import Markup, joined, tag
from rnnhw.report.svg import across, svg

__all__ = ["chart_legend", "score_chart"]

_HEIGHT = 260
_COLOURS = 8
_ROUND = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class _Point:
    label: str
    bits: int
    score: float
    title: str


def score_chart(comparison: Comparison, measure: str) -> Markup:
    """The columns that have this figure, a colour a design, joined where a parameter is varied;
    nothing for fewer than two."""
    points = list(_points(comparison, measure))
    if len(points) < 2:
        return Markup()
    labels = list(dict.fromkeys(point.label for point in points))
    left, right = _octaves([point.bits for point in points])
    low, high, step = _scale([point.score for point in points])

    scales = _Scales(left, right, low, high)
    parts = [*_axes(scales, step)]
    for index, label in enumerate(labels):
        own = sorted((p for p in points if p.label == label), key=lambda p: p.bits)
        parts += _series(scales, own, f"s{index % _COLOURS}")
    axis = tag("text", "stored bits", x="100%", y=_HEIGHT + 40, text_anchor="end", class_="tick")
    drawing = svg(_HEIGHT + 46, f"{measure} over stored bits, logarithmic", *parts, axis)
    return joined(tag("p", measure.replace("_", " "), class_="axis"), drawing)


@dataclass(frozen=True)
class _Scales:
    """Powers of two across, and scores up."""

    left: int
    right: int
    low: float
    high: float

    def x(self, bits: float) -> str:
        """From the left, in per cent."""
        return across((math.log2(bits) - self.left) / (self.right - self.left))

    def y(self, score: float) -> float:
        """From the top, in pixels."""
        return _HEIGHT * (self.high - score) / (self.high - self.low)


def _axes(scales: _Scales, step: float) -> Iterator[Markup]:
    octaves = scales.right - scales.left
    for power in range(scales.left, scales.right + 1):
        x = scales.x(2.0**power)
        yield tag("line", x1=x, x2=x, y1=0, y2=_HEIGHT, class_="grid")
        if (power - scales.left) % -(-octaves // 5) == 0:
            yield tag(
                "text",
                f"{2**power:,}",
                x=x,
                y=_HEIGHT + 20,
                text_anchor={scales.left: "start", scales.right: "end"}.get(power, "middle"),
                class_="tick",
            )
    for index in range(round((scales.high - scales.low) / step) + 1):
        y = scales.y(scales.low + index * step)
        yield tag("line", x1=0, x2="100%", y1=y, y2=y, class_="grid")
        text = f"{scales.low + index * step:.4g}"
        yield tag("text", text, x=-8, y=y + 4, text_anchor="end", class_="tick")


def _series(scales: _Scales, points: Sequence[_Point], colour: str) -> Iterator[Markup]:
    for a, b in pairwise(points):
        yield tag(
            "line",
            x1=scales.x(a.bits),
            x2=scales.x(b.bits),
            y1=scales.y(a.score),
            y2=scales.y(b.score),
            class_=f"series {colour}",
        )
    for point in points:
        dot = tag("title", point.title)
        x, y = scales.x(point.bits), scales.y(point.score)
        yield tag("circle", dot, cx=x, cy=y, r=5, class_=f"dot {colour}")


def chart_legend(comparison: Comparison, measure: str) -> Markup:
    """Which colour is which design."""
    labels = list(dict.fromkeys(point.label for point in _points(comparison, measure)))
    items = (
        tag("li", tag("i", class_=f"key c{index % _COLOURS}"), label)
        for index, label in enumerate(labels)
    )
    return tag("ul", *items, class_="legend")


def _points(comparison: Comparison, measure: str) -> Iterator[_Point]:
    """A point for each design and word length; on several targets a design is the same one."""
    seen = set()
    for place, column in enumerate(comparison.columns):
        score = comparison.figure(measure, place).number
        bits = [comparison.figure(name, place).value for name in _STORED]
        if score is None or measure in column.unjudged:
            continue
        if not all(isinstance(each, int) for each in bits):
            continue
        stored = sum(each for each in bits if isinstance(each, int))
        varied = "".join(f", {name}={value}" for name, value in column.varied.items())
        title = f"{column.design}{varied}: {measure} {score:.4g}, {stored:,} bits"
        if stored and title not in seen:
            seen.add(title)
            yield _Point(column.design, stored, score, title)


_STORED = ("weight_bits", "bias_bits", "table_bits", "state_bits")


def _octaves(values: Sequence[float]) -> tuple[int, int]:
    left = math.floor(math.log2(min(values)))
    return left, max(math.ceil(math.log2(max(values))), left + 1)


def _scale(values: Sequence[float]) -> tuple[float, float, float]:
    """The least and the greatest round value around all, and the step between lines."""
    span = max(values) - min(values) or abs(values[0]) or 1.0
    power = 10 ** math.floor(math.log10(span / 4))
    step = next(each * power for each in _ROUND if each * power >= span / 4)
    low, high = math.floor(min(values) / step) * step, math.ceil(max(values) / step) * step
    return low, high if high > low else low + step, step
