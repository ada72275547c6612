"""Figures of a run, as `simulate` and `verify` print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnhw.cli.blocks import Block, Text, assembled
from rnnhw.cli.show import aligned, number, verdict
from rnnhw.design.demands import Check
from rnnhw.design.tasks import Accuracy, Score, SquaredError
from rnnhw.design.underflow import AllZero
from rnnhw.execution.signal_error import SignalError
from rnnhw.numerics.cast import NOTHING, Events

__all__ = [
    "all_zero_lines",
    "check_lines",
    "events_table",
    "first_figure",
    "score_text",
    "unit_names",
]


def first_figure(score: Score) -> str:
    """The value of a score's first figure."""
    return f"{score.figures()[score.names[0]]:.4f}"


def score_text(score: Score) -> str:
    """The first figure, and behind it what says how much it is worth."""
    match score:
        case Accuracy():
            low, high = score.interval
            counted = f"{score.correct:,} of {score.total:,}"
            rest = f"{counted}; 95 % interval {low:.4f} to {high:.4f}"
            if score.ties:
                rest += f"; {number(score.ties, 'tie')}"
        case SquaredError():
            rest = f"r2 {score.r2:.4f}; {number(score.values, 'value')}"
        case _:
            others = list(score.figures().items())[1:]
            rest = ", ".join(f"{name} {value:.4f}" for name, value in others)
    if why := score.unjudged():
        rest = f"not judged: {why}; {rest}"
    return f"{first_figure(score)}  ({rest})" if rest else first_figure(score)


def events_table(events: Mapping[str, Events], lost: Mapping[str, int]) -> Block:
    """A row for each signal that clipped, wrapped or ``lost`` values to zero."""
    counts = {
        name: (*events.get(name, NOTHING), lost.get(name, 0))
        for name in dict.fromkeys((*events, *lost))
    }
    rows = [(name, each) for name, each in counts.items() if any(each)]
    if not rows:
        return Text("none: nothing clipped, wrapped or became zero")
    numbers = ("clipped high", "clipped low", "wrapped", "became zero")
    texts = [(name, *(f"{count:,}" for count in each)) for name, each in rows]
    return aligned(("signal", *numbers), texts, numbers)


def all_zero_lines(tensors: Sequence[AllZero], signals: Sequence[SignalError]) -> list[Block]:
    """A line for each tensor, its rows and signal of which nothing is left."""
    lines = []
    for zero in tensors:
        if zero.rows:
            rows = unit_names(zero.rows, "row")
            lines.append(f"{zero.name}: all weights of {rows} became zero")
        else:
            lines.append(f"{zero.name}: all zero")
    for signal in signals:
        if signal.zero_units:
            units = unit_names(signal.zero_units)
            lines.append(f"{signal.name}: zero at every step in {units}, unlike the reference")
    return [Text(line) for line in lines]


_NAMED_UNITS = 8


def unit_names(units: Sequence[int], noun: str = "unit") -> str:
    """``unit 3``, or ``units 3, 7 and 12 more``."""
    shown = ", ".join(map(str, units[:_NAMED_UNITS]))
    more = len(units) - _NAMED_UNITS
    return f"{noun}{'s' * (len(units) > 1)} {shown}" + (f" and {more:,} more" if more > 0 else "")


def check_lines(checks: Sequence[Check]) -> list[Block]:
    """PASS, FAIL or NOT JUDGED for each requirement."""
    lines: list[Block] = []
    for check in checks:
        bound = "at least" if check.kind == "min" else "at most"
        if check.unjudged:
            text = f"  {check.name}, {bound} {_figure(check.bound)}: {check.unjudged}"
            lines.append(assembled(("NOT JUDGED", "bold yellow"), text))
            continue
        figure = f"  {check.name} {_figure(check.value)}, {bound} {_figure(check.bound)}"
        lines.append(assembled(verdict(check.passed), figure))
    return lines


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
