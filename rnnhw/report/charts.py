"""The report's drawings: inline SVG and bars of plain elements, without scripts.

Across, everything is in per cent and down in pixels, so that text keeps its size on any screen
and a drawing is as wide as its column. Colours are classes of the page's style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rnnhw.cost.model import LayerReport, Report, Resource, SignalReport, SpanReport, memories_of
from rnnhw.report.markup import Markup, breakable, joined, tag
from rnnhw.report.roofline import RooflinePoint, roofline, streamed_bits
from rnnhw.report.status_letters import cell_html
from rnnhw.report.svg import across, short_name, svg
from rnnhw.report.table_cell import number, shown, tenths
from rnnhw.report.tables import layer_name, resource_name

__all__ = [
    "Stack",
    "memory_bars",
    "resource_meters",
    "roofline_chart",
    "stacked_bars",
    "stacks",
    "timeline_chart",
    "word_bars",
]

_PHONE = 290
"""The narrowest drawing, in pixels: what must not touch is kept apart on it."""

_DIGIT = 6.4
"""The width of a digit in pixels, at the size of the drawings' text."""

_COLOURS = 8


# --- timeline ----------------------------------------------------------------------------------
_ROW, _BAR = 42, 17
_MOST_TICKS = 5


def timeline_chart(report: Report) -> Markup:
    """A row a layer, a bar for each step that it works on; nothing where cycles are not known or
    nothing takes any."""
    end = max((span.end_cycle for span in report.timeline), default=0)
    if end == 0:
        return Markup()
    bottom = _ROW * len(report.layers)
    parts = [*_cycle_axis(end, bottom)]
    for index, layer in enumerate(report.layers):
        parts += _timeline_row(report, layer, end, _ROW * index)
    return svg(bottom + 26, "Cycles in which each layer works on each step", *parts)


def _together(spans: Sequence[SpanReport]) -> list[list[SpanReport]]:
    """The steps that a layer takes in one pass; else each by itself."""
    groups: list[list[SpanReport]] = []
    for span in spans:
        before = groups[-1][-1] if groups else None
        cycles = span.start_cycle, span.end_cycle
        if before is not None and (before.start_cycle, before.end_cycle) == cycles:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


def _timeline_row(report: Report, layer: LayerReport, end: int, top: int) -> list[Markup]:
    title = tag("title", layer.name)
    parts = [tag("text", title, short_name(layer.name), x=0, y=top + 14, class_="name")]
    spans = [span for span in report.timeline if span.layer == layer.name]
    y = top + 20
    if not spans:
        later = "after the last step" if layer.runs == "once a sequence" else "later"
        parts.append(tag("text", later, x=0, y=y + 13, class_="faint"))
    for together in _together(spans):
        span, last = together[0], together[-1]
        width = (span.end_cycle - span.start_cycle) / end
        steps = "" if span.step is None or last.step is None else str(span.step + 1)
        if steps and span is not last:
            steps += f"-{(last.step or 0) + 1}"
        step = f"step{'s' * ('-' in steps)} {steps}" if steps else "once"
        if any(each.sequence for each in report.timeline):
            step += f" of sequence {span.sequence + 1}"
        cycles = f"cycles {span.start_cycle:,} to {span.end_cycle:,}"
        colour = "once" if span.step is None else f"t{span.step % 3}"
        if width * _PHONE < 2:
            colour += " thin"
        parts.append(
            tag(
                "rect",
                tag("title", f"{layer.name}, {step}: {cycles}"),
                x=across(span.start_cycle / end),
                y=y,
                width=across(width),
                height=_BAR,
                class_=f"span {colour}",
            )
        )
        text = steps
        if text and width * _PHONE > _DIGIT * len(text) + 1:
            middle = (span.start_cycle + span.end_cycle) / 2 / end
            label = tag("text", text, x=across(middle), y=y + 13, class_=f"in {colour}")
            parts.append(label)
    return parts


def _round_step(least: float) -> int:
    """The smallest 1, 2 or 5 times a power of ten that is at least ``least``."""
    power = 10 ** math.floor(math.log10(max(least, 1)))
    return next(int(m * power) for m in (1, 2, 5, 10) if m * power >= least)


def _cycle_axis(end: int, bottom: int) -> Iterable[Markup]:
    step = _round_step(end / _MOST_TICKS)
    for cycle in range(0, end + 1, step):
        x = across(cycle / end)
        yield tag("line", x1=x, x2=x, y1=0, y2=bottom + 5, class_="grid")
        anchor = "start" if cycle == 0 else "end" if cycle > 0.93 * end else "middle"
        yield tag("text", f"{cycle:,}", x=x, y=bottom + 19, text_anchor=anchor, class_="tick")


# --- roofline ----------------------------------------------------------------------------------
_HEIGHT = 270
_LABEL_HEIGHT = 15
_NEAR = 8


class _Scales:
    """Two logarithmic axes around all points and roofs, with an octave to spare."""

    def __init__(self, points: Sequence[RooflinePoint]) -> None:
        across = [p.macs_per_bit for p in points] + [p.lanes / p.port_bits for p in points]
        up = [p.macs_per_cycle for p in points] + [p.lanes for p in points]
        self.left, self.right = _octaves(across)
        self.low, self.high = _octaves(up)

    def x(self, value: float) -> float:
        """From 0 at the left to 1."""
        return (math.log2(value) - self.left) / (self.right - self.left)

    def y(self, value: float) -> float:
        """From 0 pixels at the top."""
        return _HEIGHT * (self.high - math.log2(value)) / (self.high - self.low)


def _octaves(values: Sequence[float]) -> tuple[int, int]:
    logs = [math.log2(value) for value in values]
    return math.floor(min(logs)) - 1, math.ceil(max(logs)) + 1


def roofline_chart(report: Report) -> Markup:
    """MACs a cycle over MACs a weight bit; nothing where no layer has lanes and weights."""
    points = roofline(report)
    if not points:
        return Markup()
    scales = _Scales(points)
    parts = [*_log_axes(scales)]
    for bits, name in ((bits, name) for name, bits in streamed_bits(report).items()):
        parts += _slope(scales, bits, max(point.lanes for point in points), "streamed", name)
    for lanes, port in sorted({(point.lanes, point.port_bits) for point in points}):
        parts += _slope(scales, port, lanes, "roof", f"{lanes} lanes, {port} bits a cycle")
        ridge = max(scales.x(lanes / port), 0.0)
        y = scales.y(lanes)
        parts.append(tag("line", x1=across(ridge), x2="100%", y1=y, y2=y, class_="roof"))
    parts += _roof_labels(scales, sorted({point.lanes for point in points}))
    parts += _points(scales, points)
    axis = tag(
        "text", "MACs a weight bit", x="100%", y=_HEIGHT + 40, text_anchor="end", class_="tick"
    )
    label = "Roofline: MACs a cycle over MACs a weight bit, both logarithmic"
    return svg(_HEIGHT + 46, label, *parts, axis)


def _slope(scales: _Scales, bits: float, lanes: int, colour: str, name: str) -> list[Markup]:
    """What a memory of ``bits`` a cycle allows, up to where the lanes limit."""
    first = max(2.0**scales.left, 2.0**scales.low / bits)
    last = min(2.0**scales.right, lanes / bits)
    if first >= last:
        return []
    ends: dict[str, str | float] = {
        "x1": across(scales.x(first)),
        "y1": scales.y(first * bits),
        "x2": across(scales.x(last)),
        "y2": scales.y(last * bits),
    }
    return [tag("line", tag("title", name), class_=colour, **ends)]


def _log_axes(scales: _Scales) -> Iterable[Markup]:
    for power in _every(scales.left, scales.right, 6):
        x = across(scales.x(2.0**power))
        yield tag("line", x1=x, x2=x, y1=0, y2=_HEIGHT, class_="grid")
        yield tag("text", _power(power), x=x, y=_HEIGHT + 20, text_anchor="middle", class_="tick")
    for power in _every(scales.low, scales.high, 9):
        y = scales.y(2.0**power)
        yield tag("line", x1=0, x2="100%", y1=y, y2=y, class_="grid")
        yield tag("text", _power(power), x=-8, y=y + 4, text_anchor="end", class_="tick")


def _every(low: int, high: int, most: int) -> range:
    return range(low, high + 1, -(-(high - low + 1) // most))


def _power(power: int) -> str:
    return f"{2**power:,}" if power >= 0 else f"1/{2**-power:,}"


def _roof_labels(scales: _Scales, lanes: Sequence[int]) -> Iterable[Markup]:
    """How many lanes each roof is, from the top down, where there is room."""
    free = float("inf")
    for count in sorted(lanes):
        y = scales.y(count) - 5
        if y < free:
            noun = "lane" if count == 1 else "lanes"
            yield tag(
                "text", f"{count} {noun}", x="100%", y=y, text_anchor="end", class_="roofname"
            )
            free = y - _LABEL_HEIGHT


def _points(scales: _Scales, points: Sequence[RooflinePoint]) -> Iterable[Markup]:
    placed = [(scales.x(p.macs_per_bit) * _PHONE, scales.y(p.macs_per_cycle), p) for p in points]
    for x, y, point in placed:
        title = f"{point.number} {point.layer}: {number(point.macs_per_cycle)} MACs a cycle"
        dot = tag("title", title)
        yield tag("circle", dot, cx=across(x / _PHONE), cy=y, r=5, class_="point")
    taken = [_Box(x - 6, x + 6, y - 6, y + 6) for x, y, _ in placed]
    for group in _clusters(placed):
        text = _ranges([point.number for _, _, point in group])
        x, y = max(x for x, _, _ in group), max(y for _, y, _ in group)
        half = _DIGIT * len(text) / 2 + 2
        x = min(max(x, half), _PHONE - half)
        box = _Box(x - half, x + half, y + 8, y + 8 + _LABEL_HEIGHT)
        while any(box.touches(other) for other in taken):
            box = replace(box, top=box.top + 4, bottom=box.bottom + 4)
        taken.append(box)
        at: dict[str, str | float] = {"x": across(x / _PHONE), "y": box.bottom - 4}
        yield tag("text", text, text_anchor="middle", class_="pointname", **at)


@dataclass(frozen=True)
class _Box:
    """A rectangle in pixels, y downwards."""

    left: float
    right: float
    top: float
    bottom: float

    def touches(self, other: _Box) -> bool:
        """Whether the two have a point in common."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


_Placed = tuple[float, float, RooflinePoint]


def _clusters(placed: Iterable[_Placed]) -> list[list[_Placed]]:
    """Points so close that one label serves them."""
    groups: list[list[_Placed]] = []
    for each in placed:
        near = [
            group
            for group in groups
            if any(abs(x - each[0]) < _NEAR and abs(y - each[1]) < _NEAR for x, y, _ in group)
        ]
        merged = [each, *(other for group in near for other in group)]
        groups = [group for group in groups if group not in near] + [merged]
    return groups


def _ranges(numbers: Sequence[int]) -> str:
    """1, 2, 3, 5 as ``1-3, 5``."""
    runs: list[list[int]] = []
    for value in sorted(numbers):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


# --- bars --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Stack:
    """One bar: its name, its parts, and the text behind it. ``whole`` is what a full bar stands
    for, the longest bar of all where there is none; ``over`` is whether more than that is used, and
    ``known`` whether there is anything to draw."""

    name: str
    parts: Mapping[str, int]
    count: str = ""
    whole: int | None = None
    over: bool = False
    known: bool = True


def stacks(bars: Sequence[Stack], unit: str) -> Markup:
    """Bars with a legend; nothing where they have no parts."""
    kinds = list(dict.fromkeys(k for bar in bars for k, count in bar.parts.items() if count))
    most = max((sum(bar.parts.values()) for bar in bars), default=0)
    if not most:
        return Markup()
    colour = {kind: f"c{index % _COLOURS}" for index, kind in enumerate(kinds)}
    legend = (tag("li", tag("i", class_=f"key {colour[kind]}"), kind) for kind in kinds)
    found = []
    for bar in bars:
        total = sum(bar.parts.values())
        scale = max(total, most if bar.whole is None else bar.whole, 1)
        count = tag("span", bar.count or number(total), class_="count bad" if bar.over else "count")
        where = "track" if bar.known else "track unknown"
        track = tag("span", *_segments(bar.parts, kinds, colour, scale, unit), class_=where)
        name = tag("span", breakable(bar.name), class_="what")
        found.append(tag("div", name, track, count, class_="bar"))
    shown = [tag("ul", *legend, class_="legend")] if kinds != [""] else []
    return joined(*shown, tag("div", *found, class_="bars"))


def stacked_bars(
    report: Report, parts: Callable[[LayerReport], Mapping[str, int]], unit: str
) -> Markup:
    """A bar a layer of what ``parts`` gives, all on one scale, with a legend."""
    return stacks([Stack(layer_name(layer), parts(layer)) for layer in report.layers], unit)


def _segments(
    row: Mapping[str, int], kinds: Sequence[str], colour: Mapping[str, str], most: int, unit: str
) -> Iterable[Markup]:
    for kind in kinds:
        if count := row.get(kind, 0):
            title = f"{kind}: {count:,} {unit}" if kind else f"{count:,} {unit}"
            width = f"width:{across(count / most)}"
            yield tag("i", class_=colour[kind], style=width, title=title)


def resource_meters(report: Report) -> Markup:
    """How much of each resource is used, of the whole; empty where that is not known."""
    return tag("div", *map(_meter, report.resources), class_="bars")


def _meter(resource: Resource) -> Markup:
    share = resource.percent
    if share is None:
        inner, track = [], "track unknown"
    else:
        over = " over" if resource.fits is False else ""
        width = f"width:{across(min(share / 100, 1))}"
        inner, track = [tag("i", class_=f"used{over}", style=width)], "track"
    used, capacity = shown(resource.used), shown(resource.capacity)
    known = "" if share is None else f" ({tenths(resource.share, ' %').text})"
    return tag(
        "div",
        tag("span", resource_name(resource), class_="what"),
        tag("span", *inner, class_=track),
        tag("span", cell_html(used), " of ", cell_html(capacity), known, class_="count"),
        class_="bar",
    )


def memory_bars(report: Report) -> Markup:
    """Every memory's bits: what the network stores, and what the memory has beside it."""
    memories = list(memories_of(report))
    most = max((memory.padded_bits for _, memory in memories), default=0)
    if not most:
        return Markup()
    bars = []
    for owner, memory in memories:
        stored = min(memory.stored_bits, memory.padded_bits)
        title = f"{memory.stored_bits:,} of {memory.padded_bits:,} bits stored"
        where = f"{memory.block_rams} block RAM" if memory.block_rams else memory.placement
        bars.append(
            tag(
                "div",
                tag("span", f"{owner}: {memory.name}", class_="what"),
                tag(
                    "span",
                    tag("i", class_="c0", style=f"width:{across(stored / most)}"),
                    tag(
                        "i",
                        class_="pad",
                        style=f"width:{across((memory.padded_bits - stored) / most)}",
                    ),
                    class_="track",
                    title=title,
                ),
                tag(
                    "span",
                    f"{f'{memory.copies} of ' if memory.copies > 1 else ''}"
                    f"{memory.depth_words} x {memory.width_bits} = {memory.padded_bits:,} bits, "
                    f"{where}",
                    class_="count",
                ),
                class_="bar",
            )
        )
    legend = tag(
        "ul",
        tag("li", tag("i", class_="key c0"), "stored by the network"),
        tag("li", tag("i", class_="key pad"), "empty: padding, second copies"),
        class_="legend",
    )
    return joined(legend, tag("div", *bars, class_="bars"))


# --- words -------------------------------------------------------------------------------------
def word_bars(signals: Sequence[SignalReport]) -> list[Markup]:
    """Each word's bits in place around the binary point, all on one scale."""
    if not signals:
        return []
    high = max(0, *(signal.integer_bits + signal.signed for signal in signals))
    low = min(0, *(-signal.fraction_bits for signal in signals))
    scale = max(high - low, 1)

    def bar(signal: SignalReport) -> Markup:
        top = signal.integer_bits
        bottom = -signal.fraction_bits
        point = min(max(0, bottom), top)
        edges = [top + signal.signed, top, point, bottom]
        parts = [
            tag(
                "i",
                class_=name,
                style=f"left:{across((high - above) / scale)};"
                f"width:{across((above - below) / scale)}",
            )
            for name, (above, below) in zip(("sign", "whole", "part"), pairwise(edges), strict=True)
            if above > below
        ]
        parts.append(tag("i", class_="point", style=f"left:{across(high / scale)}"))
        title = f"{signal.width_bits} bits: {signal.format}"
        return tag("span", *parts, class_="word", title=title)

    return [bar(signal) for signal in signals]
