"""Speed at each clock, and the deadline: cycles become seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnnhw.cost.figures import Cycles, computed, if_known
from rnnhw.cost.model import Figure, OperatingPoint, derived, not_known, not_used
from rnnhw.cost.request import Request

__all__ = ["Timing", "lowest_clock", "operating_points", "required_rate"]


@dataclass(frozen=True)
class Timing:
    """Cycles at one clock; None where they are not known. ``sequences`` are interleaved; ``note``
    is about whole sequences."""

    interval: Cycles | None
    latency: int | None
    sequence: int | None
    between: Cycles | None
    sequences: int = 1
    note: str = ""


def operating_points(
    request: Request, timing_at: Callable[[Figure], Timing]
) -> tuple[OperatingPoint, ...]:
    """Rates, times and slack at every clock of the request."""
    points = []
    for clock in request.clocks:
        assert isinstance(clock.value, int | float)
        mhz, timing = clock.value, timing_at(clock)
        unused = not_used("the design names no deadline")
        slack = duty = not_known() if request.required else unused
        if request.required and timing.interval is not None:
            share = float(timing.interval) * request.required / (mhz * 1e6)
            slack = computed(100 * (1 - share), clock)
            late = not_used("the clock is too low for the deadline")
            duty = computed(100 * share, clock) if share <= 1 else late

        def microseconds(cycles: int | None, clock: Figure, mhz: float, note: str = "") -> Figure:
            return not_known() if cycles is None else computed(cycles / mhz, clock, note=note)

        def rate(
            cycles: Cycles | None, clock: Figure, mhz: float, shared_by: int = 1, note: str = ""
        ) -> Figure:
            if cycles is None:
                return not_known()
            return computed(mhz * 1e6 / (float(cycles) * shared_by), clock, note=note)

        alone = not_used("one sequence at a time")
        if timing.sequences > 1:
            alone = rate(timing.interval, clock, mhz, timing.sequences)
        points.append(
            OperatingPoint(
                clock_mhz=clock,
                steps_per_second=rate(timing.interval, clock, mhz),
                step_latency_us=microseconds(timing.latency, clock, mhz),
                sequence_time_us=microseconds(timing.sequence, clock, mhz, timing.note),
                deadline_slack_percent=slack,
                steps_per_second_of_one_sequence=alone,
                sequences_per_second=rate(timing.between, clock, mhz, note=timing.note),
                duty_cycle_percent=duty,
            )
        )
    return tuple(points)


def lowest_clock(request: Request, interval: Cycles | None) -> Figure:
    """The clock in MHz at which the deadline is just met."""
    if not request.required:
        return not_used("the design names no deadline")
    return if_known(None if interval is None else float(interval) * request.required / 1e6)


def required_rate(request: Request) -> Figure:
    """The deadline in steps a second."""
    if not request.required:
        return not_used("the design names no deadline")
    return derived(request.required)
