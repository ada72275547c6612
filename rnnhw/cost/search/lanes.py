"""The lanes of every layer, chosen: the fewest resources for a deadline, or the best throughput.

    minimise  (DSP blocks, block RAM, lanes) of all layers, in this order
    so that   cycles of every layer that runs each step <= clock / deadline
              DSP blocks, block RAM, and where fits are known LUT and FF <= the profile's

Without a deadline the most cycles a step are the fewest at which that has an answer. On a device
without DSP blocks multipliers stand for them, with no capacity.

Neither cycles nor block RAM fall with every further lane (a window takes longer to fill, a wider
word wastes blocks), so nothing is assumed: every legal number of lanes is a choice. The order is
kept by addition, so the sum of every layer's least choice is the least; only where that sum is
over a capacity are the layers combined, keeping what no other combination beats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from rnnhw.accelerator import (
    LaneOptions,
    LayerMachine,
    Phase,
    busy_of,
    equipped,
    lane_options,
    overlapped_phase,
)
from rnnhw.cost.figure import Figure, Status, derived, not_known, not_used
from rnnhw.cost.fpga.placement import logic, multiplier_blocks, place
from rnnhw.cost.model import Chosen, PlanReport
from rnnhw.errors import UsageError
from rnnhw.graph.network import Network
from rnnhw.profiles import Fpga

__all__ = ["Mode", "plan_lanes"]


@dataclass(frozen=True)
class Mode:
    """How a layer takes its steps: whether they overlap, how many sequences are interleaved, how
    many steps it takes together, and whether its weights are streamed (into two groups of rows)."""

    overlap: bool = False
    sequences: int = 1
    steps: int = 1
    streamed: bool = False

    def interval(self, phases: Sequence[Phase], cycles: int) -> int | Fraction:
        """Cycles of a step of a layer of these phases, where no weight is waited for."""
        if self.sequences > 1 and len(phases) < 2:
            busy = busy_of(phases, cycles)
            return Fraction(max(self.sequences * busy, cycles), self.sequences)
        if self.steps > 1:
            return Fraction(cycles, self.steps)
        return min(cycles, overlapped_phase(phases[0]).round_cycles) if self.overlap else cycles


_PLAIN = Mode()

_Cost: TypeAlias = tuple[int, int, int, int, int]
"""DSP blocks (or multipliers), block RAM, lanes, LUT and FF: the first three are minimised in this
order, a capacity may bound any. LUT and FF are 0 where a layer has no fit."""

_DSP, _BLOCK_RAM, _LANES, _LUT, _FF = range(5)
_RESOURCES = {_DSP: "dsp", _BLOCK_RAM: "block_ram", _LUT: "lut", _FF: "ff"}

_Combination: TypeAlias = tuple[_Cost, tuple[int, ...]]
"""Summed costs and the lanes of every layer."""


def plan_lanes(
    network: Network,
    profile: Fpga,
    *,
    clock: Figure | None = None,
    steps_per_second: float | None = None,
    modes: Mapping[str, Mode] | None = None,
    options: Sequence[LaneOptions] | None = None,
) -> PlanReport:
    """The lanes of every layer of ``network`` on ``profile``.

    ``modes`` are the schedules of layers by name, plain where left out; ``options`` are the
    :func:`rnnhw.accelerator.lane_options` of the network, where it was mapped before.

    ``clock`` in MHz is needed for a deadline of ``steps_per_second``. Where the deadline cannot
    be met, or nothing fits, the plan is the nearest there is (the best throughput that fits, else
    the fewest resources), is not ``met``, and says what is missing.

    Raises:
        UsageError: the deadline has no clock or is no positive number, or nothing bounds the
            lanes.
        DesignError: a structure has no feed.
    """
    search = _Search(options or lane_options(network), profile, modes or {})
    if steps_per_second is None:
        if profile.dsp is None:
            raise UsageError(
                f"lanes auto: {profile.name} has no DSP blocks and what multipliers take in LUT is "
                "not known, so nothing bounds the lanes",
                "give a deadline (steps_per_second in the design, or steps_per_second=), or "
                "a number of lanes",
            )
        return _throughput_plan(search, clock)
    if not (math.isfinite(steps_per_second) and steps_per_second > 0):
        raise UsageError(
            f"lanes auto: a deadline of {steps_per_second:g} steps a second",
            "give a positive number",
        )
    if clock is None or not isinstance(clock.value, int | float):
        raise UsageError(
            f"lanes auto: {profile.name} knows no clock, so it is not known how many cycles "
            f"{steps_per_second:g} steps a second leave",
            "give clock_mhz=",
        )
    return _deadline_plan(search, clock, float(clock.value), steps_per_second)


# --- plans -------------------------------------------------------------------------------------
def _throughput_plan(search: _Search, clock: Figure | None) -> PlanReport:
    best = search.fastest()
    if best is None:
        return _report(
            search,
            search.least(None),
            clock,
            chosen="fewest resources",
            reasons=("nothing fits; shown are the fewest multipliers, then block RAM, then lanes",),
            missing=tuple(search.missing(None)),
        )
    faster = next(search.missing(search.next_faster(best))).text
    return _report(
        search,
        best,
        clock,
        chosen="best throughput that fits",
        reasons=(
            f"the best throughput that fits {search.profile.name}, and the fewest multipliers, "
            "then block RAM, then lanes that reach it",
            f"a faster step is out of reach: {faster}",
            *search.compromise(best, search.interval(best)),
        ),
    )


def _deadline_plan(search: _Search, clock: Figure, mhz: float, rate: float) -> PlanReport:
    limit = _most_cycles(mhz, rate)
    allowed = f"{rate:g} steps a second at {mhz:g} MHz: at most {limit:,} cycles a step"
    best = search.fewest(limit)
    if best is not None:
        return _report(
            search,
            best,
            clock,
            rate,
            chosen="fewest resources that meet the deadline",
            reasons=(
                f"the fewest multipliers, then block RAM, then lanes for {allowed}",
                *search.compromise(best, limit),
            ),
        )
    fastest = search.fastest()
    if fastest is not None:
        shown = "shown is the best throughput that fits"
    else:
        shown = "nothing fits; shown are the fewest multipliers, then block RAM, then lanes"
    return _report(
        search,
        fastest or search.least(None),
        clock,
        rate,
        chosen="best throughput that fits" if fastest else "fewest resources",
        reasons=(f"no lanes that fit meet {allowed}; {shown}",),
        missing=tuple(search.missing(limit)),
    )


def _most_cycles(mhz: float, rate: float) -> int:
    """The most cycles a step that reach ``rate``, by the very division that reports do."""
    hz = mhz * 1e6
    cycles = int(min(hz / rate, 2.0**53))
    while cycles and hz / cycles < rate:
        cycles -= 1
    return cycles + 1 if hz / (cycles + 1) >= rate else cycles


def _report(
    search: _Search,
    lanes: Sequence[int],
    clock: Figure | None,
    rate: float | None = None,
    *,
    chosen: Chosen,
    reasons: tuple[str, ...],
    missing: tuple[_Lack, ...] = (),
) -> PlanReport:
    interval, slowest = search.interval(lanes), search.slowest(lanes)
    on = f" on {_count(slowest.lanes, 'lane')}" if slowest.lanes else ""
    told = [
        *reasons,
        f"{slowest.name} bounds the step interval: {_told(interval)} cycles{on}, "
        f"{slowest.bound_by}",
    ]
    most = required = lowest = duty = not_used("no deadline")
    if rate is not None and clock is not None and isinstance(clock.value, int | float):
        status: Status = "second-hand" if clock.status == "second-hand" else "derived"
        mhz = float(clock.value)
        limit, least_mhz = _most_cycles(mhz, rate), float(interval) * rate / 1e6
        most, required, lowest = Figure(limit, status), derived(rate), derived(least_mhz)
        told.append(f"on these lanes the lowest clock that meets it is {least_mhz:.4g} MHz")
        if interval <= limit:
            duty = Figure(100 * float(interval) * rate / (mhz * 1e6), status)
            told[-1] += f"; at {mhz:g} MHz the duty cycle is {duty.value:.3g} %"
        else:
            duty = not_used("the clock is too low for the deadline")
    once = [layer.name for layer in search.layers if not layer.timed]
    if once:
        told.append(
            f"{', '.join(once)}: once a sequence, not in the step interval, so the fewest resources"
        )
    return PlanReport(
        goal="throughput" if rate is None else "deadline",
        met=not missing,
        chosen=chosen,
        lanes={
            layer.name: count for layer, count in zip(search.layers, lanes, strict=True) if count
        },
        clock_mhz=clock or not_known("the profile knows no clock"),
        required_steps_per_second=required,
        most_cycles_per_step=most,
        cycles_per_step=derived(interval if isinstance(interval, int) else float(interval)),
        bound_by=derived(f"{slowest.name}: {slowest.bound_by}"),
        lowest_clock_mhz=lowest,
        duty_cycle_percent=duty,
        reasons=tuple(told),
        missing=tuple(each.text for each in missing),
        short=tuple(dict.fromkeys(name for each in missing for name in each.resources)),
    )


def _told(cycles: int | Fraction) -> str:
    return f"{cycles:,}" if isinstance(cycles, int) else f"{float(cycles):,.1f}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# --- one layer ---------------------------------------------------------------------------------
class _Layer:
    """The resources and cycles of one layer on each number of lanes; computed when first asked
    for, and kept."""

    def __init__(self, options: LaneOptions, profile: Fpga, mode: Mode) -> None:
        self.name = options.name
        self.timed = True
        self._mode = mode
        self._options = options
        self._profile = profile
        self._outlines: dict[int, tuple[int | Fraction, int]] = {}
        self._blocks: dict[int, int] = {}
        self._costs: dict[int, _Cost] = {}
        first = options.machine(options.lanes[0])
        # The logic is known without further schedules.
        plain = mode == _PLAIN
        lut, ff = logic(first, profile)
        self.fits_known = (
            plain and lut is not None,
            plain and ff is not None,
        )
        """Whether LUT and FF are known."""

    @property
    def lanes(self) -> Sequence[int]:
        """Every legal number of lanes."""
        return self._options.lanes

    def machine(self, lanes: int) -> LayerMachine:
        """The layer on that many lanes a step."""
        mode, slots = self._mode, 2 if self._mode.streamed else 0
        return equipped(self._options.machine(lanes), mode.sequences, mode.steps, slots)

    def cycles(self, lanes: int) -> int | Fraction:
        """Cycles a step, 0 where the layer does not run each step."""
        return self._outline(lanes)[0] if self.timed else 0

    def multipliers(self, lanes: int) -> int:
        """DSP blocks; multipliers where the device has none."""
        return self._outline(lanes)[1]

    def _outline(self, lanes: int) -> tuple[int | Fraction, int]:
        if lanes not in self._outlines:
            cycles, multipliers = self._options.outline(lanes)
            blocks = multiplier_blocks(multipliers, self._profile)
            count = sum(each.count for each in multipliers) if blocks is None else blocks
            interval: int | Fraction = cycles
            if self._mode != _PLAIN:
                interval = self._mode.interval(self._options.phases(lanes), cycles)
            self._outlines[lanes] = interval, count * self._mode.steps
        return self._outlines[lanes]

    def blocks(self, lanes: int) -> int:
        """Block RAM."""
        if lanes not in self._blocks:
            memories = self.machine(lanes).memories
            self._blocks[lanes] = sum(place(each, self._profile).blocks for each in memories)
        return self._blocks[lanes]

    def cost(self, lanes: int) -> _Cost:
        """Everything that the layer takes; LUT and FF take most of the time of a search."""
        if lanes not in self._costs:
            lut = ff = None
            if any(self.fits_known):
                lut, ff = logic(self.machine(lanes), self._profile)
            self._costs[lanes] = (
                self.multipliers(lanes),
                self.blocks(lanes),
                lanes,
                lut.count if lut is not None and self.fits_known[0] else 0,
                ff.count if ff is not None and self.fits_known[1] else 0,
            )
        return self._costs[lanes]

    def amount(self, resource: int, lanes: int) -> int:
        """The layer's use of one resource."""
        if resource == _DSP:
            return self.multipliers(lanes)
        return self.blocks(lanes) if resource == _BLOCK_RAM else self.cost(lanes)[resource]

    def within(self, limit: int | Fraction | None) -> list[int]:
        """The lanes on which the layer takes at most ``limit`` cycles a step."""
        return [lanes for lanes in self.lanes if limit is None or self.cycles(lanes) <= limit]

    def least(self, limit: int | Fraction | None) -> int | None:
        """The lanes of those with the least cost."""
        lanes = self.within(limit)
        if not lanes:
            return None
        fewest = min(map(self.multipliers, lanes))
        # Lanes differ, so LUT and FF never decide.
        return min(
            (n for n in lanes if self.multipliers(n) == fewest), key=lambda n: (self.blocks(n), n)
        )


# --- search ------------------------------------------------------------------------------------
class _Lack(NamedTuple):
    """The reason why lanes do not fit, in words, and the resources that are short."""

    text: str
    resources: tuple[str, ...] = ()


class _Search:
    """The lanes of all layers together."""

    def __init__(
        self, options: Sequence[LaneOptions], profile: Fpga, modes: Mapping[str, Mode]
    ) -> None:
        self.profile = profile
        self.layers = [_Layer(each, profile, modes.get(each.name, _PLAIN)) for each in options]
        if any(not each.once for each in options):
            for layer, each in zip(self.layers, options, strict=True):
                layer.timed = not each.once
        lut, ff = (all(known) for known in zip(*(x.fits_known for x in self.layers), strict=True))
        self._capacity = (
            profile.dsp.count.value if profile.dsp else math.inf,
            profile.block_ram.count.value,
            math.inf,
            profile.lut.value if lut else math.inf,
            profile.ff.value if ff else math.inf,
        )

    # --- what a choice gives ---------------------------------------------------------------------
    def interval(self, lanes: Sequence[int]) -> int | Fraction:
        """Cycles from one step to the next."""
        return max(layer.cycles(n) for layer, n in zip(self.layers, lanes, strict=True))

    def next_faster(self, lanes: Sequence[int]) -> int | Fraction:
        """The longest interval below that of ``lanes``, of any layer on any lanes."""
        interval = self.interval(lanes)
        if isinstance(interval, int):
            return interval - 1
        shorter = {x.cycles(n) for x in self.layers for n in x.lanes}
        return max((each for each in shorter if each < interval), default=Fraction(0))

    def slowest(self, lanes: Sequence[int]) -> LayerMachine:
        """The first layer that takes the whole interval."""
        pairs = [pair for pair in zip(self.layers, lanes, strict=True) if pair[0].timed]
        layer, count = max(pairs, key=lambda pair: pair[0].cycles(pair[1]))
        return layer.machine(count)

    def _total(self, lanes: Sequence[int]) -> _Cost:
        return _sum([layer.cost(n) for layer, n in zip(self.layers, lanes, strict=True)])

    def _over(self, cost: Sequence[int]) -> list[int]:
        """The resources of which ``cost`` has more than there is."""
        return [k for k, limit in enumerate(self._capacity) if cost[k] > limit]

    # --- the best choice -------------------------------------------------------------------------
    def least(self, limit: int | Fraction | None) -> tuple[int, ...]:
        """The least cost within ``limit`` cycles, whether it fits or not; empty if there is
        none."""
        lanes = [layer.least(limit) for layer in self.layers]
        return () if None in lanes else tuple(n for n in lanes if n is not None)

    def fewest(self, limit: int | Fraction | None) -> tuple[int, ...] | None:
        """The least cost that fits within ``limit`` cycles."""
        least = self.least(limit)
        if not least:
            return None
        over = self._over(self._total(least))
        if not over:
            return least
        if _DSP in over or any(self._shortfalls(limit)):
            return None
        return self._combined(limit)

    def fastest(self) -> tuple[int, ...] | None:
        """The least cost of those that fit and have the shortest interval."""
        best = self.fewest(None)
        if best is None:
            return None
        limits = sorted({layer.cycles(n) for layer in self.layers for n in self._affordable(layer)})
        low, high = 0, len(limits)
        while low < high:
            middle = (low + high) // 2
            fewest = self.fewest(limits[middle])
            if fewest is None:
                low = middle + 1
            else:
                high, best = middle, fewest
        return best

    def _affordable(self, layer: _Layer, limit: int | Fraction | None = None) -> list[int]:
        """The lanes within ``limit`` whose multipliers alone fit."""
        dsp = self._capacity[_DSP]
        return [lanes for lanes in layer.within(limit) if layer.multipliers(lanes) <= dsp]

    def _combined(self, limit: int | Fraction | None) -> tuple[int, ...] | None:
        """The least fitting sum of one candidate of every layer."""
        front: list[_Combination] = [((0, 0, 0, 0, 0), ())]
        for layer in self.layers:
            candidates = [(layer.cost(n), (n,)) for n in self._affordable(layer, limit)]
            own = self._unbeaten(candidates)
            sums = [
                (_sum([cost, more]), lanes + mine) for cost, lanes in front for more, mine in own
            ]
            front = self._unbeaten([each for each in sums if not self._over(each[0])])
        return front[0][1] if front else None

    def _unbeaten(self, combinations: Sequence[_Combination]) -> list[_Combination]:
        """Those, least first, that no lesser one beats in every resource with a capacity.

        In a sum the lesser one in place of the beaten one is less, and fits where that fits.
        """
        bounded = [k for k in (_BLOCK_RAM, _LUT, _FF) if self._capacity[k] < math.inf]
        kept: list[_Combination] = []
        lowest: list[tuple[int, ...]] = []
        for combination in sorted(combinations):
            mine = tuple(combination[0][k] for k in bounded)
            if not any(_none_more(other, mine) for other in lowest):
                lowest = [other for other in lowest if not _none_more(mine, other)] + [mine]
                kept.append(combination)
        return kept

    # --- what is missing -------------------------------------------------------------------------
    def missing(self, limit: int | Fraction | None) -> Iterator[_Lack]:
        """Why no lanes fit within ``limit`` cycles."""
        slow = False
        for layer in self.layers:
            if limit is not None and layer.timed and not layer.within(limit):
                slow = True
                best = min(layer.lanes, key=layer.cycles)
                on = f" (on {_count(best, 'lane')})" if best else ""
                cycles = layer.cycles(best)
                yield _Lack(
                    f"{layer.name} needs {_told(cycles)} cycles at its best{on}, "
                    f"{_told(cycles - limit)} more than {_told(limit)}"
                )
        resources = list(self._shortfalls(None if slow else limit))
        yield from resources
        if not slow and not resources:
            over = "; ".join(each.text for each in self._amounts(self._total(self.least(limit))))
            limited = [k for k, there in enumerate(self._capacity) if there < math.inf]
            yield _Lack(
                f"no lanes hold all resources at once, the fewest multipliers take {over}",
                tuple(_RESOURCES[k] for k in limited if k in _RESOURCES),
            )

    def _shortfalls(self, limit: int | Fraction | None) -> Iterator[_Lack]:
        """The resources of which even the choice that takes least of it takes too much."""
        # One of these choices is the least cost, so only what that has too much of can be short.
        counts = [self._affordable(each, limit) or each.within(limit) for each in self.layers]
        for k in self._over(self._total(self.least(limit))):
            least = [0] * len(self._capacity)
            least[k] = sum(
                min(layer.amount(k, n) for n in lanes)
                for layer, lanes in zip(self.layers, counts, strict=True)
            )
            yield from self._amounts(least, "at least ")

    def _amounts(self, cost: Sequence[int], at_least: str = "") -> list[_Lack]:
        profile = self.profile
        units = {
            _DSP: profile.dsp.name if profile.dsp else "multipliers",
            _BLOCK_RAM: profile.block_ram.name,
            _LUT: profile.lut.unit,
            _FF: profile.ff.unit,
        }
        return [
            _Lack(
                f"{_RESOURCES[k]}: {at_least}{cost[k]:,} of {self._capacity[k]:,} {units[k]}, "
                f"{cost[k] - self._capacity[k]:,} missing",
                (_RESOURCES[k],),
            )
            for k in self._over(cost)
        ]

    def compromise(self, lanes: Sequence[int], limit: int | Fraction) -> Iterator[str]:
        """The reasons why the plan does not have the fewest multipliers."""
        least = self.least(limit)
        if least != tuple(lanes):
            over = "; ".join(each.text for each in self._amounts(self._total(least)))
            yield f"the fewest multipliers would not fit, {over}"


def _sum(costs: Sequence[_Cost]) -> _Cost:
    a, b, c, d, e = (sum(column) for column in zip(*costs, strict=True))
    return a, b, c, d, e


def _none_more(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True))
