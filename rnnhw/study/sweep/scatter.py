"""Two objectives of a sweep as a scatter plot: a dot is a point, the front is a step line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, takewhile
from pathlib import Path

from rnnhw.cost.figure_table import ROWS
from rnnhw.report.axis import Axis, without_outliers
from rnnhw.report.markup import Markup, tag
from rnnhw.report.svg import across, svg
from rnnhw.report.table_cell import number
from rnnhw.study.sweep.front import Objective, front
from rnnhw.study.sweep.sweep import Sweep

__all__ = ["COLOURS", "scatter"]

COLOURS = 8

_Place = Callable[[float, float], tuple[str, float]]

_TOP, _HEIGHT, _BOTTOM = 12.0, 300.0, 44.0
_LEFT = 0.09
"""The share of the width that is left to the numbers of the vertical axis."""


def scatter(result: Sweep, other: Objective, colours: dict[str, int]) -> Markup:
    """The first objective over ``other``; nothing where fewer than two points have both."""
    first = result.objectives[0]
    points = [
        (index, float(x), float(y))
        for index, each in enumerate(result.results)
        if (x := each.figures.get(other.name)) is not None
        and (y := each.figures.get(first.name)) is not None
    ]
    if len(points) < 2:
        return Markup()
    across_axis = Axis.over([x for _, x, _ in points], may_be_logarithmic=True)
    heights = without_outliers([y for *_, y in points], more_is_better=first.sense == "more")
    up_axis = Axis.over(heights, may_be_logarithmic=False)

    def place(x: float, y: float) -> tuple[str, float]:
        share = _LEFT + (1 - _LEFT) * across_axis.share(x)
        return across(share), _TOP + _HEIGHT * (1 - up_axis.share(y))

    figures = [result.results[index].figures for index, *_ in points]
    best = {points[place_][0] for place_ in front(figures, (first, other))}
    parts = [
        *_grid(across_axis, up_axis, place),
        *_steps([(x, y) for index, x, y in points if index in best], other, up_axis, place),
    ]
    for index, x, y in points:
        if index in best:
            parts += _interval(result, index, colours, place(x, y)[0], up_axis)
    for (x, y), members in _together(points).items():
        parts.append(_dot(result, members, place(x, y), best, colours))
    parts += _labels(result, [point for point in points if point[0] in best], across_axis, up_axis)
    label = f"{_name(other)}; {_name(first)} upwards"
    middle = tag("text", label, x=across(0.5), y=_TOP + _HEIGHT + 38, class_="faint middle")
    return svg(_TOP + _HEIGHT + _BOTTOM, f"{_name(first)} against {_name(other)}", *parts, middle)


def _name(objective: Objective) -> str:
    row = ROWS.get(objective.name)
    return row.heading if row is not None else objective.name.replace("_", " ")


def _grid(across_axis: Axis, up_axis: Axis, place: _Place) -> Iterator[Markup]:
    bottom = _TOP + _HEIGHT
    for value in across_axis.ticks():
        x, _ = place(value, up_axis.low)
        yield tag("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_="grid")
        yield tag("text", number(value), x=x, y=bottom + 18, class_="faint middle")
    for value in up_axis.ticks():
        _, y = place(across_axis.high, value)
        yield tag("line", x1=across(_LEFT), x2="100%", y1=y, y2=y, class_="grid")
        yield tag("text", number(value), x=0, y=y + 4, class_="faint")


def _steps(
    best: Sequence[tuple[float, float]], other: Objective, up_axis: Axis, place: _Place
) -> Iterator[Markup]:
    """The front as a step: between two points the better known one holds."""
    corners = sorted(set(best), key=lambda each: each[0], reverse=other.sense == "more")
    for (x, y), (further, higher) in pairwise(corners):
        left, level = place(x, y)
        right, top = place(further, higher)
        yield tag("line", x1=left, x2=right, y1=level, y2=level, class_="frontier")
        yield tag("line", x1=right, x2=right, y1=level, y2=top, class_="frontier")


def _together(points: Sequence[tuple[int, float, float]]) -> dict[tuple[float, float], list[int]]:
    """The points by their place: equal ones are one dot."""
    found: dict[tuple[float, float], list[int]] = {}
    for index, x, y in points:
        found.setdefault((x, y), []).append(index)
    return found


def _interval(
    result: Sweep, index: int, colours: dict[str, int], x: str, up_axis: Axis
) -> Iterator[Markup]:
    """The 95 % interval of a point's first objective, where it has one."""
    ends = _ends(result, index)
    if ends is not None:
        low, high = (_TOP + _HEIGHT * (1 - up_axis.share(end)) for end in ends)
        colour = colours[result.points[index].file] % COLOURS
        yield tag("line", x1=x, x2=x, y1=low, y2=high, class_=f"series s{colour}")


def _ends(result: Sweep, index: int) -> tuple[float, float] | None:
    """The ends of the 95 % interval of the first objective."""
    name, figures = result.objectives[0].name, result.results[index].figures
    ends = [figures.get(f"{name}_interval_95_{end}") for end in ("low", "high")]
    low, high = ends
    return None if low is None or high is None else (low, high)


def _dot(
    result: Sweep,
    members: Sequence[int],
    place: tuple[str, float],
    best: set[int],
    colours: dict[str, int],
) -> Markup:
    lines = [_told(result, index) for index in members]
    on_front = any(index in best for index in members)
    kind = f"dot d{colours[result.points[members[0]].file] % COLOURS}"
    x, y = place
    title, radius = tag("title", "\n".join(lines)), 6.0 if on_front else 4.0
    kind = kind if on_front else f"{kind} hollow"
    if colours[result.points[members[0]].file] < COLOURS:
        return tag("circle", title, cx=x, cy=y, r=radius, class_=kind)
    # Beyond the last colour they begin again, as squares.
    moved = f"translate({-radius:g} {-radius:g})"
    size = {"width": 2 * radius, "height": 2 * radius}
    return tag("rect", title, x=x, y=y, **size, transform=moved, class_=kind)


_LABEL_HEIGHT, _LABEL_WIDTH = 14.0, 0.17


def _labels(
    result: Sweep, best: Sequence[tuple[int, float, float]], across_axis: Axis, up_axis: Axis
) -> Iterator[Markup]:
    """The names of the points on the front, but for those that would lie on another."""
    shared = _shared_start([Path(point.file).stem for point in result.points])
    taken: list[tuple[float, float]] = []
    for index, x, y in sorted(best, key=lambda each: -up_axis.share(each[2])):
        share = _LEFT + (1 - _LEFT) * across_axis.share(x)
        height = _TOP + _HEIGHT * (1 - up_axis.share(y))
        near = (
            abs(share - other) < _LABEL_WIDTH and abs(height - level) < _LABEL_HEIGHT
            for other, level in taken
        )
        if any(near):
            continue
        taken.append((share, height))
        text = result.points[index].label[shared:]
        end = share > 1 - _LABEL_WIDTH
        yield tag(
            "text",
            text,
            x=across(share),
            y=height,
            dx=-10 if end else 10,
            dy=-8 if end or height > _TOP + _HEIGHT - _LABEL_HEIGHT else 16,
            class_="small end" if end else "small",
        )


def _shared_start(names: Sequence[str]) -> int:
    """Letters up to the last underscore that all names begin with."""
    if len(set(names)) < 2:
        return 0
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in same).rfind("_") + 1


def _told(result: Sweep, index: int) -> str:
    figures = result.results[index].figures
    values = (
        f"{_name(objective)} {number(value)}"
        for objective in result.objectives
        if (value := figures.get(objective.name)) is not None
    )
    ends = _ends(result, index)
    interval = "" if ends is None else f"; 95 % interval {number(ends[0])} to {number(ends[1])}"
    return f"{result.points[index].label}: {', '.join(values)}{interval}"
