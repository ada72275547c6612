"""Chosen lanes: the best of all combinations, what is missing where there are none, and errors."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from helpers.machines import FORMATS, band, elman, same_machine
from helpers.paths import DESIGNS
from helpers.schemas import valid
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnhw import (
    LSTM,
    Bidirectional,
    BlockDiagonal,
    Design,
    DesignError,
    Elman,
    HardTanh,
    Last,
    Linear,
    Mean,
    Target,
    UnitWeights,
    UsageError,
    Window,
    load,
)
from rnnhw.accelerator import LaneOptions, LayerMachine, accelerator, lane_options
from rnnhw.cli import main
from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure import derived
from rnnhw.cost.fpga.placement import dsp_blocks, logic, place
from rnnhw.cost.model import PlanReport, report_fields
from rnnhw.cost.search.lanes import plan_lanes
from rnnhw.layers.cells import Layer
from rnnhw.profiles import Fpga, load_profile
from rnnhw.profiles.fpga import MemoryMode
from rnnhw.report import report_schema, to_json, to_text

DEEP = DESIGNS / "deep_stack_head.py"


def _fpga(name: str) -> Fpga:
    profile = load_profile(name)
    assert isinstance(profile, Fpga)
    return profile


def _block_ram(profile: Fpga, depth: int, width: int) -> Fpga:
    """Small blocks of one shape: more lanes can then take fewer of them, and fewer more."""
    capacity = msgspec.structs.replace(profile.block_ram.capacity, value=depth * width)
    shapes = (MemoryMode(depth=depth, width=width),)
    modes = msgspec.structs.replace(profile.block_ram.modes, shapes=shapes)
    block = msgspec.structs.replace(profile.block_ram, capacity=capacity, modes=modes)
    # Of a family that was not measured: the profile's own fits and modes hold, which make the
    # choice hard.
    return msgspec.structs.replace(profile, block_ram=block, family="GW1N")


ICE = _block_ram(_fpga("ice40up5k"), 8, 24)


def _sized(profile: Fpga, **counts: int) -> Fpga:
    """``profile`` with other amounts of ``dsp``, ``block_ram``, ``lut`` and ``ff``."""

    def figure(old: Any, value: int) -> Any:
        return msgspec.structs.replace(old, value=value)

    changes: dict[str, Any] = {}
    for name, value in counts.items():
        old = getattr(profile, name)
        if name in ("dsp", "block_ram"):
            changes[name] = msgspec.structs.replace(old, count=figure(old.count, value))
        else:
            changes[name] = figure(old, value)
    return msgspec.structs.replace(profile, **changes)


def _design(*layers: Layer, **more: Any) -> Design:
    return Design(layers=layers, formats=FORMATS, inputs=3, **more)


ROOMY = _sized(ICE, dsp=1000, block_ram=1000)

NETS = {
    "dense": _design(Elman(6, name="rnn"), Linear(5, name="head")),
    "bands": _design(Elman(16, band(2), name="a"), Elman(10, band(1), name="b")),
    "one fit": _design(Elman(14, activation=HardTanh(), name="rnn")),
    "two fits": _design(
        Elman(9, activation=HardTanh(), name="a"), Elman(12, band(1), HardTanh(), name="b")
    ),
    "three fits": _design(
        Elman(3, activation=HardTanh(), name="a"),
        Elman(13, band(1), HardTanh(), name="b"),
        Elman(7, band(1), HardTanh(), name="c"),
    ),
    "blocks": _design(Elman(12, BlockDiagonal(3), name="rnn"), Linear(4, name="head")),
    "gates": _design(LSTM(3, band(1), name="rnn"), Linear(7, name="head")),
    "once": _design(Elman(8, name="rnn"), Last(), Linear(5, name="head")),
    "window": _design(Window(3), Linear(9, name="wide"), Linear(4, name="head")),
    "over time": _design(
        Elman(5, name="rnn"), Mean(name="mean"), Linear(4, name="head"), max_steps=7
    ),
    "both ways": _design(
        Bidirectional(Elman(5, band(1), name="rnn"), name="two"), Linear(4, name="head")
    ),
    "all once": _design(Last(), Linear(9, name="a"), Linear(6, name="b")),
    "no weights": _design(Window(2), Linear(4, name="in"), Elman(4, UnitWeights(), name="rnn")),
}


@dataclass(frozen=True)
class Row:
    """One combination of lanes and what the whole network takes on it."""

    lanes: tuple[int, ...]
    interval: int
    dsp: int
    block_ram: int
    lut: int | None
    ff: int | None

    @property
    def cost(self) -> tuple[int, int, int]:
        return self.dsp, self.block_ram, sum(self.lanes)

    def fits(self, profile: Fpga) -> bool:
        assert profile.dsp is not None
        pairs = [
            (self.dsp, profile.dsp.count.value),
            (self.block_ram, profile.block_ram.count.value),
            (self.lut, profile.lut.value),
            (self.ff, profile.ff.value),
        ]
        return all(used is None or used <= there for used, there in pairs)


@cache
def mapped(name: str) -> tuple[LaneOptions, ...]:
    """All layers: plans of one network share what was mapped."""
    return lane_options(NETS[name].network)


def laned(name: str) -> tuple[LaneOptions, ...]:
    """The layers that have lanes."""
    return tuple(each for each in mapped(name) if each.lanes[-1] > 0)


def planned(name: str, profile: Fpga, **deadline: Any) -> PlanReport:
    return plan_lanes(NETS[name].network, profile, options=mapped(name), **deadline)


@cache
def rows(name: str) -> tuple[Row, ...]:
    """Every combination of legal lanes, each on an accelerator built for it."""
    network = NETS[name].network
    names, found = [each.name for each in laned(name)], []
    costs: dict[tuple[str, int], LayerCost] = {}  # it depends on the layer and its lanes alone
    for lanes in itertools.product(*(each.lanes for each in laned(name))):
        machine = accelerator(network, dict(zip(names, lanes, strict=True)))
        for layer in machine.layers:
            if (layer.name, layer.lanes) not in costs:
                costs[layer.name, layer.lanes] = layer_cost(layer)
        of_layers = [costs[layer.name, layer.lanes] for layer in machine.layers]
        dsp, block_rams, luts, ffs = zip(*of_layers, strict=True)
        found.append(
            Row(lanes, machine.step_interval, sum(dsp), sum(block_rams), total(luts), total(ffs))
        )
    return tuple(found)


LayerCost: TypeAlias = tuple[int, int, int | None, int | None]
"""DSP blocks, block RAM, LUT and FF."""


def layer_cost(layer: LayerMachine) -> LayerCost:
    luts, ffs = (None if each is None else each.count for each in logic(layer, ICE))
    block_rams = sum(place(memory, ICE).blocks for memory in layer.memories)
    return dsp_blocks(layer, ICE) or 0, block_rams, luts, ffs


def total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def plan(name: str, profile: Fpga, limit: int | None) -> PlanReport:
    """The plan for at most ``limit`` cycles a step; None: the best throughput."""
    if limit is None:
        return planned(name, profile)
    return planned(name, profile, clock=derived(1.0), steps_per_second=1e6 / limit)


def row_of(name: str, found: PlanReport) -> Row:
    lanes = tuple(found.lanes[each.name] for each in laned(name))
    assert len(lanes) == len(found.lanes)
    return next(row for row in rows(name) if row.lanes == lanes)


def quickest(found: Sequence[Row]) -> tuple[int, tuple[int, int, int]]:
    """The shortest interval and the least cost at it."""
    interval = min(row.interval for row in found)
    return interval, min(row.cost for row in found if row.interval == interval)


# --- the best of all -----------------------------------------------------------------------------
def check_against_all(name: str, profile: Fpga, limit: int | None) -> str:
    """The plan beside every combination; which of its three outcomes it was."""
    found = plan(name, profile, limit)
    mine = row_of(name, found)
    every = rows(name)
    fitting = [row for row in every if row.fits(profile)]
    in_time = [row for row in fitting if limit is None or row.interval <= limit]
    assert found.cycles_per_step.value == mine.interval
    assert found.met is bool(in_time)
    assert bool(found.missing) is not found.met
    if limit is not None and in_time:
        assert found.chosen == "fewest resources that meet the deadline"
        assert mine.fits(profile)
        assert mine.interval <= limit
        assert mine.cost == min(row.cost for row in in_time)
    elif fitting:
        assert found.chosen == "best throughput that fits"
        assert mine.fits(profile)
        assert (mine.interval, mine.cost) == quickest(fitting)
    else:
        assert found.chosen == "fewest resources"
        assert mine.cost == min(row.cost for row in every)
    return found.chosen if found.met else f"{found.chosen}, unmet"


def test_there_are_many_combinations() -> None:
    assert all(len(rows(name)) > 1 for name in NETS)
    assert sum(len(rows(name)) for name in NETS) > 500
    assert any(row.lut is not None for row in rows("one fit"))
    assert any(row.lut is not None for row in rows("two fits"))


def test_a_choice_is_the_layer_that_the_accelerator_has() -> None:
    for name, design in NETS.items():
        choices = lane_options(design.network)
        for pick in (0, -1):
            lanes = {each.name: each.lanes[pick] for each in laned(name)}
            machine = accelerator(design.network, lanes)
            layers = [each.machine(each.lanes[pick]) for each in choices]
            assert all(map(same_machine, machine.layers, layers))
            assert len(machine.layers) == len(layers)
        for each in choices:
            for count in each.lanes:
                layer = each.machine(count)
                assert each.outline(count) == (layer.cycles, layer.multipliers)
                assert layer.once is each.once


def test_neither_cycles_nor_block_ram_fall_with_every_lane() -> None:
    """What the planner must not assume."""
    one = rows("one fit")
    assert any(a.block_ram > b.block_ram for a, b in itertools.pairwise(one))
    assert any(a.block_ram < b.block_ram for a, b in itertools.pairwise(one))
    fast = [row.interval for row in rows("bands") if row.lanes[1] == 10]
    assert any(a < b for a, b in itertools.pairwise(fast))


@pytest.mark.parametrize("name", NETS)
def test_with_room_the_plan_is_the_best_of_all_at_every_deadline(name: str) -> None:
    intervals = sorted({row.interval for row in rows(name)})
    for limit in {x + d for x in intervals for d in (-1, 0)}:
        check_against_all(name, ROOMY, limit)
    assert check_against_all(name, ROOMY, None) == "best throughput that fits"


@pytest.mark.parametrize("name", NETS)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_the_plan_is_the_best_of_all_where_resources_are_short(
    name: str, data: st.DataObject
) -> None:
    every = rows(name)

    def around(values: Sequence[int | None]) -> int:
        known = sorted({value for value in values if value is not None}) or [1000]
        return max(1, data.draw(st.sampled_from(known)) + data.draw(st.sampled_from([-1, 0, 0])))

    profile = _sized(
        ICE,
        dsp=around([row.dsp for row in every]),
        block_ram=around([row.block_ram for row in every]),
        lut=around([row.lut for row in every]),
        ff=around([row.ff for row in every]),
    )
    limit = data.draw(st.none() | st.sampled_from(sorted({row.interval for row in every})))
    check_against_all(name, profile, limit)


def _short(name: str) -> Iterator[tuple[Fpga, int | None, bool]]:
    """Block RAM between the least and what the fewest multipliers take, at every deadline."""
    for limit in sorted({row.interval for row in rows(name)}):
        within = [row for row in rows(name) if row.interval <= limit]
        fewest = min(within, key=lambda row: row.cost)
        for blocks in range(min(row.block_ram for row in within), fewest.block_ram):
            dsp = max(row.dsp for row in within)
            yield _sized(ICE, dsp=dsp, block_ram=blocks), limit, True
            yield _sized(ICE, dsp=fewest.dsp, block_ram=blocks), limit, False


@pytest.mark.parametrize("name", ["one fit", "two fits", "dense"])
def test_block_ram_can_ask_for_more_lanes(name: str) -> None:
    outcomes = []
    for profile, limit, room in _short(name):
        outcomes.append(check_against_all(name, profile, limit))
        found = plan(name, profile, limit)
        told = any("the fewest multipliers would not fit, block_ram" in x for x in found.reasons)
        if room:
            assert found.met
            assert told
    assert "fewest resources that meet the deadline" in outcomes
    assert {outcome.endswith("unmet") for outcome in outcomes} == {True, False}


def test_every_combination_is_found_where_just_it_fits() -> None:
    """Layers of unlike LUT a lane, in devices that have just the block RAM and LUT of a choice."""
    for row in rows("three fits"):
        assert row.lut is not None
        profile = _sized(ROOMY, block_ram=row.block_ram, lut=row.lut)
        check_against_all("three fits", profile, row.interval)
    assert len(rows("three fits")) > 200


def test_what_is_chosen_is_what_the_report_is_of() -> None:
    for name, design in NETS.items():
        report = estimate(design, _sized(ICE, block_ram=1000), lanes="auto")
        assert report.plan is not None
        assert report.fits is not False
        row = row_of(name, report.plan)
        totals = report.totals
        assert (totals.dsp_blocks.value, totals.block_rams.value) == (row.dsp, row.block_ram)
        assert totals.lanes.value == sum(row.lanes)
        assert totals.luts.value == row.lut
        assert totals.cycles_per_step.value == report.plan.cycles_per_step.value == row.interval
        assert report.plan.bound_by.value == totals.bound_by.value
        shown = {layer.name: layer.lanes.value for layer in report.layers if layer.lanes.value}
        assert shown == report.plan.lanes


# --- deadlines -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NETS)
def test_a_shorter_deadline_never_takes_fewer_lanes(name: str) -> None:
    limits = sorted({row.interval for row in rows(name)}, reverse=True)
    plans = [plan(name, ROOMY, limit) for limit in limits]
    for slower, faster in itertools.pairwise(plans):
        assert all(slower.lanes[layer] <= faster.lanes[layer] for layer in slower.lanes)
    assert plans[0].lanes == dict.fromkeys(plans[0].lanes, 1) or name == "gates"
    assert plans[-1].met


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 30), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_a_shorter_deadline_never_takes_fewer_multipliers(
    one: int, other: int, dsp: int, blocks: int
) -> None:
    profile = _sized(ICE, dsp=dsp, block_ram=blocks)
    slower, faster = (plan("two fits", profile, x) for x in (max(one, other), min(one, other)))
    if faster.met:
        assert slower.met
        assert row_of("two fits", slower).dsp <= row_of("two fits", faster).dsp


@given(st.floats(1e-3, 1e3), st.integers(20, 2000))
@settings(max_examples=100, deadline=None)
def test_the_deadline_in_cycles_is_that_of_the_reports_own_division(
    mhz: float, cycles: int
) -> None:
    exact = mhz * 1e6 / cycles
    for rate in (exact, math.nextafter(exact, math.inf), math.nextafter(exact, 0)):
        found = planned("dense", ICE, clock=derived(mhz), steps_per_second=rate)
        most = found.most_cycles_per_step.value
        assert isinstance(most, int)
        assert mhz * 1e6 / most >= rate > mhz * 1e6 / (most + 1)


def test_a_deadline_beyond_all_measure() -> None:
    for rate, met in ((1e-300, True), (1e300, False)):
        found = planned("dense", ROOMY, clock=derived(24.0), steps_per_second=rate)
        assert found.met is met
        assert found.most_cycles_per_step.value // 2**53 == met  # type: ignore[operator]


def test_the_lowest_clock_and_the_duty_cycle() -> None:
    design = replace(load(DEEP), steps_per_second=10_000)
    report = estimate(design, lanes="auto")
    found = report.plan
    assert found is not None
    assert (found.goal, found.met) == ("deadline", True)
    assert found.clock_mhz.value == 60  # the target's, the lowest of the operating points
    assert found.most_cycles_per_step.value == 6000
    cycles = found.cycles_per_step.value
    assert isinstance(cycles, int)
    assert found.lowest_clock_mhz.value == cycles * 10_000 / 1e6
    assert found.lowest_clock_mhz.value == report.totals.lowest_clock_mhz.value
    assert found.duty_cycle_percent.value == pytest.approx(100 * cycles / 6000)
    again = estimate(design, lanes="auto", clock_mhz=float(found.lowest_clock_mhz.value or 0))
    assert again.plan is not None
    assert again.plan.lanes == found.lanes
    assert again.plan.duty_cycle_percent.value == pytest.approx(100)
    assert report_fields(report)["plan.duty_cycle_percent"] == found.duty_cycle_percent.value
    assert report_fields(report)["plan.met"] is True


def test_a_duty_cycle_is_as_certain_as_its_clock() -> None:
    certain = estimate(load(DEEP), "ecp5-25", lanes="auto").plan
    told = estimate(load(DEEP), "zynq-7020", lanes="auto").plan
    assert certain is not None
    assert told is not None
    assert (certain.duty_cycle_percent.status, told.duty_cycle_percent.status) == (
        "derived",
        "second-hand",
    )


def test_the_higher_deadline_counts() -> None:
    design = replace(load(DEEP), steps_per_second=50_000)
    for given_rate, counts in ((10.0, 50_000), (60_000.0, 60_000), (None, 50_000)):
        report = estimate(design, "zynq-7020", lanes="auto", steps_per_second=given_rate)
        assert report.totals.required_steps_per_second.value == counts
        assert report.plan is not None
        assert report.plan.required_steps_per_second.value == counts
        assert report_fields(report)["steps_per_second"] >= counts


# --- what is missing -----------------------------------------------------------------------------
def test_the_layers_that_are_too_slow_on_any_lanes() -> None:
    limit = min(row.interval for row in rows("bands")) - 1
    found = plan("bands", ROOMY, limit)
    assert not found.met
    machines = {each.name: each for each in lane_options(NETS["bands"].network)}
    least = {
        name: min((each.machine(n).cycles, n) for n in each.lanes)
        for name, each in machines.items()
    }
    slow = {name: best for name, best in least.items() if best[0] > limit}
    assert found.missing == tuple(
        f"{name} needs {cycles} cycles at its best (on {lanes} lanes), "
        f"{cycles - limit} more than {limit}"
        for name, (cycles, lanes) in slow.items()
    )
    assert len(slow) > 0
    assert any(lanes < machines[name].lanes[-1] for name, (_, lanes) in slow.items())
    assert found.duty_cycle_percent.status == "not used"
    assert found.reasons[0].endswith("shown is the best throughput that fits")


def test_the_multipliers_that_a_deadline_lacks() -> None:
    limit = min(row.interval for row in rows("dense"))
    needed = min(row.dsp for row in rows("dense") if row.interval <= limit)
    found = plan("dense", _sized(ICE, dsp=needed - 2, block_ram=1000), limit)
    assert found.missing == (f"dsp: at least {needed} of {needed - 2} SB_MAC16, 2 missing",)
    assert found.chosen == "best throughput that fits"


def test_the_block_ram_that_is_lacking_at_any_speed() -> None:
    least = min(row.block_ram for row in rows("dense"))
    profile = _sized(ICE, dsp=1000, block_ram=least - 1)
    for limit in (None, 10_000):
        found = plan("dense", profile, limit)
        assert found.missing == (f"block_ram: at least {least} of {least - 1} EBR, 1 missing",)
        assert found.chosen == "fewest resources"
        assert "nothing fits" in found.reasons[0]


def test_the_resource_that_is_short_is_told_where_another_suffices() -> None:
    every = rows("two fits")
    few = min(every, key=lambda row: row.dsp)
    least = min(row.block_ram for row in every)
    found = plan("two fits", _sized(ICE, dsp=few.dsp, block_ram=least - 1), None)
    assert not found.met
    assert "block_ram: " in found.missing[0]


def test_why_not_faster() -> None:
    profile = _sized(ICE, dsp=6, block_ram=1000)
    found = plan("dense", profile, None)
    interval = row_of("dense", found).interval
    needed = min(row.dsp for row in rows("dense") if row.interval < interval)
    assert found.reasons[1] == (
        f"a faster step is out of reach: dsp: at least {needed} of 6 SB_MAC16, {needed - 6} missing"
    )
    roomy = plan("dense", ROOMY, None)
    least = min(row.interval for row in rows("dense"))
    assert roomy.reasons[1].endswith(f"1 more than {least - 1}")


def test_layers_that_run_once_get_the_fewest() -> None:
    found = plan("once", ROOMY, None)
    assert found.lanes["head"] == 1
    assert found.lanes["rnn"] > 1
    assert any(reason.startswith("head: once a sequence") for reason in found.reasons)


# --- devices -------------------------------------------------------------------------------------
BARE = msgspec.structs.replace(ROOMY, dsp=None, fits=())


def test_without_dsp_blocks_a_deadline_counts_multipliers() -> None:
    every = rows("dense")  # a multiplier is one block here
    for limit in sorted({row.interval for row in every}):
        found = plan("dense", BARE, limit)
        assert found.met
        best = min(row.cost for row in every if row.interval <= limit)
        assert row_of("dense", found).cost == best


def test_without_dsp_blocks_nothing_bounds_the_throughput() -> None:
    with pytest.raises(UsageError, match="nothing bounds the lanes") as refused:
        estimate(NETS["dense"], BARE, lanes="auto")
    assert "deadline" in refused.value.hint
    report = estimate(NETS["dense"], BARE, lanes="auto", steps_per_second=1e5)
    assert report.fits is None


def test_a_deadline_needs_a_clock() -> None:
    clockless = msgspec.structs.replace(ROOMY, clock_mhz=None)
    design = NETS["dense"]
    with pytest.raises(UsageError, match="knows no clock") as refused:
        estimate(design, clockless, lanes="auto", steps_per_second=1e5)
    assert refused.value.hint == "give clock_mhz="
    report = estimate(design, clockless, lanes="auto", steps_per_second=1e5, clock_mhz=24)
    assert report.plan is not None
    assert report.plan.met
    without = estimate(design, clockless, lanes="auto")
    assert without.plan is not None
    assert without.plan.clock_mhz.status == "not known"


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_a_deadline_is_a_positive_number(rate: float) -> None:
    with pytest.raises(UsageError, match="deadline of"):
        estimate(NETS["dense"], ICE, lanes="auto", steps_per_second=rate)
    with pytest.raises(UsageError, match="deadline of"):
        planned("dense", ICE, clock=derived(1.0), steps_per_second=rate)


def test_lanes_are_chosen_on_an_fpga_alone() -> None:
    with pytest.raises(UsageError, match="lanes auto: cortex-m4 is no FPGA"):
        estimate(elman(8), "cortex-m4", lanes="auto")
    with pytest.raises(UsageError, match="cortex-m4 is no FPGA"):
        estimate(elman(8, target=Target("cortex-m4", lanes="auto")))
    with pytest.raises(UsageError, match="asic-45nm is no FPGA"):
        estimate(elman(8), "asic-45nm", lanes="auto")
    other = elman(8, target=Target("ice40up5k", lanes="auto"))
    with pytest.raises(UsageError, match="asic-45nm is no FPGA"):
        estimate(other, "asic-45nm")
    assert estimate(other, "cortex-m4").plan is None  # lanes are nothing to it
    assert estimate(other).plan is not None
    assert estimate(other, "ecp5-25").plan is not None
    assert estimate(other, lanes=1).plan is None


def test_lanes_are_a_number_or_auto() -> None:
    with pytest.raises(DesignError, match="lanes='many' of the target"):
        Target("ecp5-25", lanes="many")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="lanes='many'"):
        estimate(elman(8), "ecp5-25", lanes="many")  # type: ignore[call-overload,arg-type]


# --- the report ----------------------------------------------------------------------------------
@pytest.mark.parametrize("profile", ["ecp5-25", "zynq-7020", "ice40up5k"])
def test_a_plan_is_in_every_format_and_the_same_each_time(profile: str) -> None:
    reports = [estimate(load(DEEP), profile, lanes="auto") for _ in range(2)]
    assert to_json(reports[0]) == to_json(reports[1])
    value = json.loads(to_json(reports[0]))
    valid(value, report_schema)
    found = reports[0].plan
    assert found is not None
    assert value["plan"]["met"] is found.met is (profile != "ice40up5k")
    text = " ".join(to_text(reports[0]).split())
    for reason in (*found.reasons, *found.missing):
        assert f"note: lanes auto: {reason}" in text
    assert any("bounds the step interval" in reason for reason in found.reasons)


def test_a_report_on_given_lanes_has_no_plan() -> None:
    report = estimate(load(DEEP), lanes=2)
    assert report.plan is None
    assert json.loads(to_json(report))["plan"] is None


# --- the command line ----------------------------------------------------------------------------
def run(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    code = main(["report", str(DEEP), *options])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_plans_for_the_designs_deadline(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--profile", "zynq-7020", "--lanes", "auto")
    assert (code, err) == (0, "")
    assert "lanes auto: the fewest multipliers" in out


def test_the_command_plans_for_a_minimum(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--profile", "zynq-7020", "--format", "json", "--min", "steps_per_second=100000")
    code, out, err = run(capsys, "--lanes", "auto", *options)
    assert (code, err) == (0, "")
    value = json.loads(out)
    assert value["plan"]["required_steps_per_second"]["value"] == 100_000
    assert value["operating_points"][0]["steps_per_second"]["value"] >= 100_000
    code, out, err = run(capsys, "--lanes", "1", *options)
    assert code == 1
    assert json.loads(out)["totals"]["required_steps_per_second"]["value"] == 100


def test_the_command_fails_where_nothing_meets_the_deadline(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--lanes", "auto", "--min", "steps_per_second=100000")
    code, out, err = run(capsys, *options)
    assert code == 1
    assert "error: steps_per_second is " in err
    assert "error: lanes auto: dsp: at least " in err
    assert "no lanes that fit meet 100000 steps a second at 60 MHz" in " ".join(out.split())
    # Also where only the design asks for it.
    code, out, err = run(capsys, "--profile", "ice40up5k", "--lanes", "auto")
    assert code == 1
    assert err.startswith("error: lanes auto: dsp: at least ")
    assert "nothing fits" in out


@pytest.mark.parametrize("lanes", ["0", "-1", "four", "Auto", "", "2.5"])
def test_other_lanes_are_refused(capsys: pytest.CaptureFixture[str], lanes: str) -> None:
    code, out, err = run(capsys, "--lanes", lanes)
    assert (code, out) == (2, "")
    assert err == (
        f"error: Invalid value for '--lanes': {lanes!r}\n"
        "hint: give a whole number, at least 1 and of at most 18 digits, or auto\n"
    )


def test_the_command_refuses_a_microcontroller(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--profile", "cortex-m4", "--lanes", "auto")
    assert (code, out) == (2, "")
    assert "lanes auto: cortex-m4 is no FPGA" in err
    assert "hint: give --lanes as a number, or name an FPGA with --profile" in err


def test_a_design_file_can_ask_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "d.py"
    text = (
        "from rnnhw import Design, Elman, Formats, Q, Target\n"
        "def design():\n"
        "    formats = Formats(input=Q(0, 7), weight=Q(0, 7), sum=Q(3, 4), state=Q(0, 7))\n"
        "    return Design(layers=[Elman(40, name='rnn')], formats=formats, inputs=4,\n"
        "                  target=Target('ecp5-25', lanes='auto'))\n"
    )
    file.write_text(text)
    assert main(["report", str(file), "--format", "json", "--min", "steps_per_second=1e5"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["plan"]["required_steps_per_second"]["value"] == 1e5
    file.write_text(text.replace("'auto'", "'all'"))
    assert main(["report", str(file)]) == 3
    err = capsys.readouterr().err
    assert "line 5: lanes='all' of the target" in err
    assert "Traceback" not in err
