"""The cost of a design on a target: what is asked, and the report of the target's kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from rnnhw.cost.asic import asic_report
from rnnhw.cost.fpga_report import fpga_report, planned
from rnnhw.cost.microcontroller import microcontroller_report
from rnnhw.cost.model import Report
from rnnhw.cost.provenance import files_of
from rnnhw.cost.request import (
    Request,
    check_streaming,
    clocks_of,
    deadline_of,
    steps_of,
    streamer_of,
)
from rnnhw.design.design import Design
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import UsageError
from rnnhw.profiles import Asic, Fpga, Microcontroller, Profile, load_profile

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

    Raises:
        UsageError: nothing names a profile, the clock, the number of steps or the deadline is no
            such, or there is nothing to choose lanes by.
        DesignError: the design is wrong, or a layer cannot have its lanes.
    """
    target = design.target
    chosen = profile if profile is not None else target.profile if target else None
    if chosen is None:
        raise UsageError(
            f"{design.place}: no profile to report on",
            "name one with --profile, or give Design(target=Target('ice40up5k', lanes=4))",
        )
    loaded = load_profile(chosen) if isinstance(chosen, str) else chosen
    own = target is not None and loaded.name == target.profile
    # What a design says for another device is nothing to a microcontroller.
    unused = lanes is None and not own and isinstance(loaded, Microcontroller)
    if lanes is None:
        lanes = target.lanes if target else 1
    if isinstance(lanes, str) and lanes != "auto":
        raise UsageError(f"lanes={lanes!r}", "give a number, 'auto' or a number for each layer")
    if lanes == "auto" and not isinstance(loaded, Fpga) and not unused:
        raise UsageError(
            f"{design.place}: lanes auto: {loaded.name} is no FPGA, and lanes are chosen by what "
            "fits one",
            "give --lanes a number, or name an FPGA with --profile, such as ecp5-25",
        )
    target_mhz = target.clock_mhz if own and target is not None else None
    clocks, notes = clocks_of(loaded, clock_mhz, target_mhz)
    required = deadline_of(design, steps_per_second)
    if arrangement is None:
        arrangement = target.arrangement if target else Arrangement()
    request = Request(
        design,
        steps_of(design, steps),
        clocks,
        tuple(notes),
        required,
        arrangement,
        streamer_of(loaded),
    )
    files = files_of(design, chosen if isinstance(chosen, str) else loaded.name, chosen)
    if isinstance(loaded, Microcontroller):
        return microcontroller_report(request, loaded, files)
    if arrangement.streams:
        check_streaming(request, loaded)
    plan = None
    if isinstance(lanes, str):
        assert isinstance(loaded, Fpga)
        plan, chosen_arrangement = planned(request, loaded)
        request = replace(request, arrangement=chosen_arrangement)
        lanes = plan.lanes
    if isinstance(loaded, Asic):
        return asic_report(request, loaded, files, lanes)
    return fpga_report(request, loaded, files, lanes, plan)
