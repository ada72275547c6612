"""Curves over a parameter or a delay: inline SVG, fixed point drawn through and float dashed.

Across, everything is in per cent and down in pixels, like the drawings of a report.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rnnhw.report.markup import Markup, joined, tag
from rnnhw.report.table_cell import number

__all__ = ["Curve", "curves"]

_HEIGHT = 200
_MOST_TICKS = 8
_COLOURS = 8


@dataclass(frozen=True)
class Curve:
    """Values at the places of the axis, None where there is none; curves of one ``name`` have one
    colour and one entry in the legend, those of float are dashed."""

    name: str
    values: Sequence[float | None]
    dashed: bool = False


def curves(places: Sequence[str], drawn: Sequence[Curve], across: str, up: str) -> Markup:
    """The curves over ``places``, which are evenly spaced; nothing where no value is known."""
    known = [value for curve in drawn for value in curve.values if value is not None]
    known = [value for value in known if math.isfinite(value)]
    if not known:
        return Markup()
    low, high = _round_ends(min(known), max(known))
    names = list(dict.fromkeys(curve.name for curve in drawn))
    parts = [*_axes(places, low, high)]
    for curve in drawn:
        colour = f"k{names.index(curve.name) % _COLOURS}"
        parts += _line(curve, colour, low, high)
    svg = tag(
        "svg",
        *parts,
        tag("text", across, x="100%", y=_HEIGHT + 38, text_anchor="end", class_="tick"),
        role="img",
        aria_label=f"{up} over {across}",
        width="100%",
        height=_HEIGHT + 44,
    )
    legend = [
        tag("li", tag("i", class_=f"key c{index % _COLOURS}"), name)
        for index, name in enumerate(names)
        if name
    ]
    shown = [tag("ul", *legend, class_="legend")] if len(legend) > 1 else []
    return joined(*shown, tag("p", up, class_="axis"), svg)


def _round_ends(low: float, high: float) -> tuple[float, float]:
    """Round numbers around the values; zero is always one of them or between them."""
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return 0.0, 1.0
    step = _round_step((high - low) / 4)
    return step * math.floor(low / step), step * math.ceil(high / step)


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def _x(index: int, count: int) -> float:
    """From 0 at the left to 1; a single place is in the middle."""
    return 0.5 if count == 1 else 0.02 + 0.96 * index / (count - 1)


def _y(value: float, low: float, high: float) -> float:
    return _HEIGHT * (high - value) / (high - low)


def _share(share: float) -> str:
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


def _axes(places: Sequence[str], low: float, high: float) -> Iterable[Markup]:
    step = _round_step((high - low) / 4)
    for index in range(round((high - low) / step) + 1):
        value = low + index * step
        y = _y(value, low, high)
        yield tag("line", x1=0, x2="100%", y1=y, y2=y, class_="grid")
        text = number(round(value, 12))
        yield tag("text", text, x=-8, y=y + 4, text_anchor="end", class_="tick")
    every = -(-len(places) // _MOST_TICKS)
    for index, place in enumerate(places):
        if index % every == 0:
            x = _share(_x(index, len(places)))
            yield tag("line", x1=x, x2=x, y1=0, y2=_HEIGHT, class_="grid")
            yield tag("text", place, x=x, y=_HEIGHT + 18, text_anchor="middle", class_="tick")


def _line(curve: Curve, colour: str, low: float, high: float) -> Iterable[Markup]:
    count = len(curve.values)
    points = [
        (_x(index, count), _y(value, low, high), value)
        for index, value in enumerate(curve.values)
        if value is not None and math.isfinite(value)
    ]
    kind = f"curve {colour}" + (" dashed" if curve.dashed else "")
    for (x1, y1, _), (x2, y2, _) in pairwise(points):
        yield tag("line", x1=_share(x1), y1=y1, x2=_share(x2), y2=y2, class_=kind)
    if not curve.dashed:
        for x, y, value in points:
            title = tag("title", f"{curve.name}: {number(value)}" if curve.name else number(value))
            yield tag("circle", title, cx=_share(x), cy=y, r=3.5, class_=f"dot {colour}")
