"""The question of an estimate: target, lanes, clocks, steps, deadline, source of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from rnnhw.accelerator import Bandwidth, LaneOptions, lane_options
from rnnhw.cost.figure import Figure, derived, of_profile
from rnnhw.design.design import Design
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError, RnnhwError, UsageError, few, plain_number
from rnnhw.profiles import (
    ExternalMemory,
    Fpga,
    Microcontroller,
    Profile,
    load_profile,
    profile_names,
)

__all__ = [
    "Request",
    "bandwidth_at",
    "check_streaming",
    "clocks_of",
    "deadline_of",
    "request_of",
    "steps_of",
    "streamer_of",
]


@dataclass(frozen=True)
class Request:
    """The question of an estimate, for all of its parts.

    ``target`` is the profile as it was named, or itself; ``options`` are the layers of the network
    on any lanes.
    """

    design: Design
    target: Profile | str
    profile: Profile
    lanes: int | Mapping[str, int] | Literal["auto"]
    options: tuple[LaneOptions, ...]
    steps: int | None
    clocks: tuple[Figure, ...]
    notes: tuple[str, ...]
    required: float | None
    """The deadline: steps a second."""
    arrangement: Arrangement
    streamer: ExternalMemory | None = None
    """The external memory with the highest known peak."""
    tries_lanes: bool = True
    """Whether to look for fewer lanes that are faster, and note them."""


def request_of(
    design: Design,
    profile: Profile | str | None = None,
    *,
    clock_mhz: float | None = None,
    lanes: int | Mapping[str, int] | Literal["auto"] | None = None,
    steps: int | None = None,
    steps_per_second: float | None = None,
    arrangement: Arrangement | None = None,
) -> Request:
    """The request for these arguments of :func:`rnnhw.cost.estimation.estimate`.

    Raises:
        UsageError: nothing names a profile, the clock, the number of steps or the deadline is no
            such, or lanes are "auto" for what is no FPGA.
        DesignError: the design's target names a profile that cannot be read.
    """
    target = design.target
    chosen = profile if profile is not None else target.profile if target else None
    if chosen is None:
        raise UsageError(
            f"{design.place}: no profile to report on",
            "name one with profile=, or give Design(target=Target('ice40up5k', lanes=4))",
        )
    try:
        loaded = load_profile(chosen) if isinstance(chosen, str) else chosen
    except RnnhwError as error:
        if profile is not None:
            raise
        raise DesignError(f"{design.place}: target: {error.message}", error.hint) from None
    own = target is not None and loaded.name == target.profile
    # What a design says for another device is nothing to a microcontroller.
    unused = lanes is None and not own and isinstance(loaded, Microcontroller)
    if lanes is None:
        lanes = target.lanes if target else 1
    lanes, clock_mhz = plain_number(lanes), plain_number(clock_mhz)
    steps, steps_per_second = plain_number(steps), plain_number(steps_per_second)
    for name, value in (("clock_mhz", clock_mhz), ("steps_per_second", steps_per_second)):
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
            raise UsageError(f"{name}={value!r}", "give a number")
    by_layer = lanes.values() if isinstance(lanes, Mapping) else [lanes]
    for count in by_layer:
        whole = isinstance(count, int) and not isinstance(count, bool)
        if not whole and (count != "auto" or isinstance(lanes, Mapping)):
            raise UsageError(
                f"lanes={count!r}", "give a whole number, 'auto' or a number for each layer"
            )
    if lanes == "auto" and not isinstance(loaded, Fpga) and not unused:
        raise UsageError(
            f"{design.place}: lanes auto: {loaded.name} is no FPGA, and lanes are chosen by what "
            "fits one",
            "give lanes= as a number, or name an FPGA with profile=, such as ecp5-25",
        )
    target_mhz = target.clock_mhz if own and target is not None else None
    clocks, notes = clocks_of(loaded, clock_mhz, target_mhz)
    required, steps = deadline_of(design, steps_per_second), steps_of(design, steps)
    if arrangement is None:
        arrangement = target.arrangement if target else Arrangement()
    if lanes == "auto" and arrangement.assumes and not unused:
        raise UsageError(
            f"{design.place}: lanes auto with activity= or step_latency=: lanes are chosen by "
            "cycles that are computed",
            "give lanes= as a number, or leave the assumptions out of the design's Target",
        )
    return Request(
        design,
        chosen,
        loaded,
        lanes,
        lane_options(design.network),
        steps,
        clocks,
        tuple(notes),
        required,
        arrangement,
        streamer_of(loaded),
    )


def clocks_of(
    profile: Profile, clock_mhz: float | None, target_mhz: float | None
) -> tuple[tuple[Figure, ...], list[str]]:
    """The clocks to report at, ascending, and what must be said of them."""
    known = profile.clock_mhz
    notes = []
    for chosen in (clock_mhz, target_mhz):
        if chosen is not None and (not math.isfinite(chosen) or chosen <= 0):
            raise UsageError(f"a clock of {chosen} MHz", "give a positive number of MHz")
        if chosen is not None and known is not None and chosen > known.high.value:
            notes.append(
                f"{chosen:g} MHz is above the profile's {known.high.value:g} MHz ({known.of})"
            )
    if clock_mhz is not None:
        return (derived(clock_mhz, "as given"),), notes
    clocks = [] if target_mhz is None else [derived(target_mhz, "the clock of the design's target")]
    if known is not None:
        clocks += [of_profile(known.low), of_profile(known.high)]
        notes.append(f"clocks: {known.of}")
    elif isinstance(profile, Microcontroller):
        clocks.append(of_profile(profile.clock_max_mhz))
    if not clocks:
        return (), ["the profile knows no clock: give --clock-mhz"]
    by_value = {float(clock.value or 0): clock for clock in clocks}
    return tuple(by_value[value] for value in sorted(by_value)), notes


def steps_of(design: Design, steps: int | None) -> int | None:
    """The steps of a sequence: those given, else the most that the design allows.

    Raises:
        UsageError: they are fewer than one.
    """
    if steps is None:
        return design.max_steps or (design.task.max_steps if design.task else None)
    if steps < 1:
        raise UsageError(f"a sequence of {steps} steps", "give at least 1")
    return steps


def deadline_of(design: Design, steps_per_second: float | None) -> float | None:
    """The higher of the design's deadline and a given one."""
    if steps_per_second is None:
        return design.steps_per_second
    if not math.isfinite(steps_per_second) or steps_per_second <= 0:
        raise UsageError(
            f"a deadline of {steps_per_second:g} steps a second", "give a positive number"
        )
    return max(steps_per_second, design.steps_per_second or 0)


def streamer_of(profile: Profile) -> ExternalMemory | None:
    """The memory that weights would be streamed from."""
    if not isinstance(profile, Fpga):
        return None
    known = [memory for memory in profile.external_memories if memory.peak is not None]
    return max(known, key=lambda memory: memory.peak.value if memory.peak else 0, default=None)


def check_streaming(request: Request, profile: Profile) -> None:
    """Refuse to stream weights from nowhere, or at a rate that is not known."""
    if request.streamer is None:
        able = [name for name in profile_names() if streamer_of(load_profile(name)) is not None]
        raise UsageError(
            f"{request.design.place}: weights are streamed, but {profile.name} has no external "
            "memory of known bandwidth",
            f"use weights='on-chip', or a profile that has one: {few(able)}",
        )
    if not request.clocks:
        raise UsageError(
            f"{request.design.place}: weights are streamed, and how many bits come in a cycle "
            "depends on a clock that is not known",
            "give clock_mhz=",
        )


def bandwidth_at(request: Request, clock: Figure | None) -> Bandwidth | None:
    """The bits that the external memory delivers in a cycle of ``clock``."""
    memory = request.streamer
    if memory is None or memory.peak is None or clock is None:
        return None
    assert isinstance(clock.value, int | float)
    bits = Fraction(memory.peak.value) * 8 / Fraction(clock.value)
    return Bandwidth(memory.name, bits)
