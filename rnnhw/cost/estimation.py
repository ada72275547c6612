"""The cost of a design on a target: what is asked, and the report of the target's kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from rnnhw.cost.asic import asic_report
from rnnhw.cost.fpga_report import fpga_report
from rnnhw.cost.microcontroller import microcontroller_report
from rnnhw.cost.model import Report
from rnnhw.cost.provenance import files_of
from rnnhw.cost.request import check_streaming, request_of
from rnnhw.cost.search.schedules import choose_lanes
from rnnhw.design.design import Design
from rnnhw.design.schedule import Arrangement
from rnnhw.profiles import Asic, Microcontroller, Profile

__all__ = ["estimate"]


def estimate(
    design: Design,
    profile: Profile | str | None = None,
    *,
    clock_mhz: float | None = None,
    lanes: int | Mapping[str, int] | Literal["auto"] | None = None,
    steps: int | None = None,
    steps_per_second: float | None = None,
    arrangement: Arrangement | None = None,
    tries_lanes: bool = True,
) -> Report:
    """The cost of ``design`` on ``profile``.

    Args:
        profile: a profile, its name or the path of its file; by default the design's target.
        clock_mhz: one clock; by default both ends of the profile's range, and the design's own
            clock where the profile is the design's target.
        lanes: for every layer, or by layer name, or "auto" to have them chosen
            (:mod:`rnnhw.cost.search.lanes`); by default the target's, else 1.
        steps: steps of a sequence; by default the longest that the design allows.
        steps_per_second: a deadline beside the design's own; the higher one counts. Of
            interleaved sequences it is that of all together.
        arrangement: how layers share lanes, time and memory; by default the target's.
        tries_lanes: note the layers that would be faster on fewer lanes, for which up to 512 other
            numbers of lanes are tried a layer. No figure depends on it.

    Raises:
        UsageError: nothing names a profile, the clock, the number of steps or the deadline is no
            such, or there is nothing to choose lanes by.
        DesignError: the design is wrong, or a layer cannot have its lanes.
    """
    request = request_of(
        design,
        profile,
        clock_mhz=clock_mhz,
        lanes=lanes,
        steps=steps,
        steps_per_second=steps_per_second,
        arrangement=arrangement,
    )
    request = replace(request, tries_lanes=tries_lanes)
    loaded, lanes, target = request.profile, request.lanes, request.target
    files = files_of(design, target if isinstance(target, str) else loaded.name, target)
    if isinstance(loaded, Microcontroller):
        return microcontroller_report(request, loaded, files)
    if request.arrangement.streams:
        check_streaming(request, loaded)
    plan = None
    if isinstance(lanes, str):
        choice = choose_lanes(request)
        request = replace(request, arrangement=choice.arrangement)
        plan, lanes = choice.plan, choice.plan.lanes
    if isinstance(loaded, Asic):
        return asic_report(request, loaded, files, lanes)
    return fpga_report(request, loaded, files, lanes, plan)
