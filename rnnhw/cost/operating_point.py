"""Speed at each clock, and the deadline: cycles become seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnnhw.cost.figure import Figure, derived, not_used
from rnnhw.cost.figure_table import OperatingPoint
from rnnhw.cost.request import Request

__all__ = ["Timing", "lowest_clock", "operating_points", "required_rate"]


@dataclass(frozen=True)
class Timing:
    """Cycles at one clock: between two steps, of a step, of a sequence, and between two sequences.

    ``sequences`` are interleaved; the note of what is about whole sequences is kept.
    """

    interval: Figure
    latency: Figure
    sequence: Figure
    between: Figure
    sequences: int = 1


def operating_points(
    request: Request, timing_at: Callable[[Figure], Timing]
) -> tuple[OperatingPoint, ...]:
    """Rates, times and slack at every clock of the request."""
    return tuple(_operating_point(request, clock, timing_at(clock)) for clock in request.clocks)


def _operating_point(request: Request, clock: Figure, timing: Timing) -> OperatingPoint:
    hertz = clock * 1e6
    alone = not_used("one sequence at a time")
    if timing.sequences > 1:
        alone = hertz / (timing.interval * timing.sequences)
    slack = duty = not_used("the design names no deadline")
    if request.required:
        share = timing.interval * request.required / hertz
        slack, duty = 100 * (1 - share), 100 * share
        if share.number is not None and share.number > 1:
            duty = not_used("the clock is too low for the deadline")
    return OperatingPoint(
        clock_mhz=clock,
        steps_per_second=hertz / timing.interval,
        step_latency_us=timing.latency / clock,
        sequence_time_us=_noted(timing.sequence / clock, timing.sequence),
        deadline_slack_percent=slack,
        steps_per_second_of_one_sequence=alone,
        sequences_per_second=_noted(hertz / timing.between, timing.between),
        duty_cycle_percent=duty,
    )


def _noted(result: Figure, source: Figure) -> Figure:
    """A known ``result`` with the note of what it is computed from."""
    return result if result.value is None else result.noted(source.note)


def lowest_clock(request: Request, interval: Figure) -> Figure:
    """The clock in MHz at which the deadline is just met, ``interval`` cycles a step."""
    if not request.required:
        return not_used("the design names no deadline")
    return interval * request.required / 1e6


def required_rate(request: Request) -> Figure:
    """The deadline in steps a second."""
    if not request.required:
        return not_used("the design names no deadline")
    return derived(request.required)
