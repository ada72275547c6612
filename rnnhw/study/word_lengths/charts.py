"""Word lengths as drawings: bits before and after, and what one bit less would lose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rnnhw.report.axis import Axis, without_outliers
from rnnhw.report.charts import Stack, stacks
from rnnhw.report.markup import Markup, tag
from rnnhw.report.svg import across, short_name, svg
from rnnhw.report.table_cell import number
from rnnhw.study.word_lengths.goal import BestFigure
from rnnhw.study.word_lengths.quantize import Quantized
from rnnhw.study.word_lengths.search import Sensitivity

__all__ = ["sensitivity_chart", "words_chart"]

_ROW, _TOP, _BOTTOM = 20.0, 22.0, 26.0
_LEFT, _RIGHT = 0.2, 0.82
"""The shares of the width between which a figure's axis lies: names before it, bits behind it."""

_NAME = 22


def words_chart(result: Quantized) -> Markup:
    """A bar a variable: the bits that it has, and those that it lost or got."""
    bars = []
    for variable in result.variables:
        before, after = variable.format.width, result.formats[variable.name].width
        parts = {
            "chosen": min(before, after),
            "taken off": max(before - after, 0),
            "added": max(after - before, 0),
        }
        words = f"{before} to {after} bits" if before != after else f"{after} bits"
        bars.append(Stack(variable.name, parts, words))
    return stacks(bars, "bits")


def sensitivity_chart(result: Quantized, figure: str) -> Markup:
    """The wanted ``figure`` with one bit less of each variable, beside the bounds and the figure
    that was chosen; nothing where no variable has a bit to lose."""
    rows = [
        sensitivity for sensitivity in result.choice.sensitivities if _known(sensitivity, figure)
    ]
    if not rows:
        return Markup()
    demands, goal = result.demands, result.goal
    bounds = [each[figure] for each in (demands.minimum, demands.maximum) if figure in each]
    more = figure in demands.minimum
    if isinstance(goal, BestFigure) and not bounds:
        more = goal.objective.sense == "more"
    chosen = result.choice.outcome.figures[figure]
    values = [*(_figure(row, figure) for row in rows), *bounds, chosen]
    axis = Axis.over(without_outliers(values, more_is_better=more), may_be_logarithmic=False)
    bottom = _TOP + _ROW * len(rows)
    parts = [*_grid(axis, bottom)]
    for bound in bounds:
        parts += _line(axis, bound, bottom, "frontier")
    parts += _line(axis, chosen, bottom, "flow")
    for index, each in enumerate(rows):
        kept = each.outcome is not None and result.demands.met(each.outcome.figures)
        parts += _row(each, figure, axis, chosen, _TOP + _ROW * (index + 0.5), kept)
    parts.append(tag("text", "bits saved", x="100%", y=_TOP - 10, class_="faint end"))
    return svg(bottom + _BOTTOM, f"{figure} with one bit less of each signal", *parts)


def _known(each: Sensitivity, figure: str) -> bool:
    return each.outcome is not None and math.isfinite(each.outcome.figures[figure])


def _figure(each: Sensitivity, figure: str) -> float:
    assert each.outcome is not None
    return each.outcome.figures[figure]


def _place(axis: Axis, value: float) -> str:
    return across(_LEFT + (_RIGHT - _LEFT) * axis.share(value))


def _grid(axis: Axis, bottom: float) -> Iterator[Markup]:
    for value in axis.ticks():
        x = _place(axis, value)
        yield tag("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_="grid")
        yield tag("text", number(value), x=x, y=bottom + 18, class_="faint middle")


def _line(axis: Axis, value: float, bottom: float, kind: str) -> Sequence[Markup]:
    x = _place(axis, value)
    title = tag("title", number(value))
    return [tag("line", title, x1=x, x2=x, y1=_TOP - 4, y2=bottom, class_=kind)]


def _row(
    each: Sensitivity, figure: str, axis: Axis, chosen: float, y: float, kept: bool
) -> Iterator[Markup]:
    """The name, a line from the chosen figure to the one with a bit less, and the bits saved."""
    value, colour = _figure(each, figure), "0" if kept else "4"
    title = tag("title", f"{each.name} with one bit less: {figure} {number(value)}")
    name = tag("title", each.name)
    yield tag("text", name, short_name(each.name, _NAME), x=0, y=y + 4, class_="small")
    ends = {"x1": _place(axis, chosen), "x2": _place(axis, value)}
    yield tag("line", y1=y, y2=y, class_=f"series s{colour}", **ends)
    yield tag("circle", title, cx=_place(axis, value), cy=y, r=4.5, class_=f"dot d{colour}")
    yield tag("text", f"{each.saved:,}", x="100%", y=y + 4, class_="small end")
