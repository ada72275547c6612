"""What is left "auto": weights, sequences, overlap and a shared engine, chosen with the lanes."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.machines import FORMATS, elman
from helpers.paths import DESIGNS

from rnnhw import (
    Arrangement,
    Design,
    DesignError,
    Elman,
    Linear,
    LowRank,
    Residual,
    Target,
    UsageError,
    load,
)
from rnnhw.accelerator import accelerator
from rnnhw.cli import main
from rnnhw.cost.estimation import estimate
from rnnhw.cost.model import Report
from rnnhw.profiles import load_profile

LARGE = Design(
    layers=[Elman(2000, name="rnn"), Elman(16, name="small"), Linear(10, name="out")],
    formats=FORMATS,
    inputs=64,
)
SMALL = Design(
    layers=[Elman(8, name="a"), Elman(8, name="b"), Linear(3, name="out")],
    formats=FORMATS,
    inputs=4,
)
JOINED = Design(
    layers=[Elman(8, name="a"), Residual([Elman(8, name="b")]), Linear(3, name="o")],
    formats=FORMATS,
    inputs=4,
)


def report(design: Design, profile: str, rate: float | None = None, **options: Any) -> Report:
    arrangement = Arrangement(**options)
    return estimate(
        design,
        profile,
        lanes="auto",
        clock_mhz=50,
        steps_per_second=rate,
        arrangement=arrangement,
    )


def kept(found: Report) -> None:
    """What a plan says is what the report has."""
    assert found.plan is not None
    plan = found.plan
    assert plan.cycles_per_step.value == found.totals.cycles_per_step.value
    assert plan.bound_by.value == found.totals.bound_by.value
    assert found.schedule is not None
    assert plan.interleaved_sequences == found.schedule.interleaved_sequences
    named = {layer.name: layer for layer in found.layers}
    assert set(plan.overlapped) == {n for n, layer in named.items() if layer.overlapped}
    assert set(plan.streamed) == {n for n, x in named.items() if x.weights == "streamed"}
    if plan.met:
        assert not found.over_capacity
        required = plan.required_steps_per_second.value
        if required is not None:
            assert found.operating_points[0].steps_per_second.value >= required  # type: ignore[operator]


# --- weights -------------------------------------------------------------------------------------
def test_weights_stay_on_chip_where_they_fit() -> None:
    found = report(SMALL, "zynq-7020", 1000)
    kept(found)
    assert found.plan is not None and found.plan.met and not found.plan.streamed
    assert "weights fit on chip" in found.plan.reasons


def test_only_what_must_is_streamed() -> None:
    found = report(LARGE, "zynq-7020", 10)
    kept(found)
    assert found.plan is not None and found.plan.met
    assert found.plan.streamed == ("rnn",)
    assert any("must be streamed" in reason for reason in found.plan.reasons)
    assert found.schedule is not None and found.schedule.external_memory is not None


def test_a_device_without_external_memory_says_so() -> None:
    found = report(elman(128), "ice40up5k", 10)
    assert found.plan is not None and not found.plan.met
    assert any("no external memory" in reason for reason in found.plan.reasons)
    assert any("block_ram" in text for text in found.plan.missing)


def test_weights_that_were_told_to_stay_are_not_streamed() -> None:
    found = report(LARGE, "zynq-7020", 10, weights="on-chip")
    assert found.plan is not None and not found.plan.met and not found.plan.streamed


def test_streaming_too_slowly_does_not_help() -> None:
    found = report(LARGE, "arty-a7-35", 49_000)
    assert found.plan is not None and not found.plan.met
    assert "weights: streamed ones would not help" in found.plan.reasons


# --- sequences and overlap -----------------------------------------------------------------------
def test_overlap_needs_fewer_lanes() -> None:
    rates = [50e6 / cycles for cycles in range(20, 60, 5)]
    fewer = 0
    for rate in rates:
        plain, overlap = (report(SMALL, "ecp5-25", rate, overlap=o) for o in (False, "auto"))
        kept(plain)
        kept(overlap)
        assert plain.plan is not None and overlap.plan is not None
        if plain.plan.met:
            assert overlap.plan.met
            before, after = (sum(p.plan.lanes.values()) for p in (plain, overlap))  # type: ignore[union-attr]
            assert after <= before
            fewer += after < before
    assert fewer


def test_the_fewest_sequences_that_meet_the_deadline() -> None:
    one = report(SMALL, "ecp5-25", 50e6 / 40, interleave="auto")
    more = report(SMALL, "ecp5-25", 50e6 / 22, interleave="auto")
    for found in (one, more):
        kept(found)
        assert found.plan is not None and found.plan.met
    assert one.plan is not None and one.plan.interleaved_sequences == 1
    assert more.plan is not None and more.plan.interleaved_sequences > 1
    fewer = report(SMALL, "ecp5-25", 50e6 / 22, interleave=more.plan.interleaved_sequences - 1)
    assert fewer.plan is not None and not fewer.plan.met


def test_without_a_deadline_sequences_bring_throughput() -> None:
    alone, turns = (report(SMALL, "ecp5-25", interleave=k) for k in (1, "auto"))
    kept(turns)
    rates = [r.operating_points[0].steps_per_second.value for r in (alone, turns)]
    assert rates[1] > rates[0]  # type: ignore[operator]


def test_layers_that_can_not_take_turns_keep_one_sequence() -> None:
    found = report(elman(8, LowRank(2)), "ecp5-25", 1000, interleave="auto")
    kept(found)
    assert any("can not take turns" in r for r in found.plan.reasons)  # type: ignore[union-attr]


# --- as built ------------------------------------------------------------------------------------
@pytest.mark.parametrize("cycles", [40, 60, 80, 100, 150, 300])
def test_a_branch_keeps_the_deadline_or_says_that_it_does_not(cycles: int) -> None:
    found = report(JOINED, "ecp5-25", 50e6 / cycles)
    kept(found)
    assert found.plan is not None
    a, b = (layer.cycles_per_step.value for layer in found.layers[:2])
    assert found.totals.cycles_per_step.value == a + b  # type: ignore[operator]
    if not found.plan.met:
        best = accelerator(JOINED.network, 16).step_interval
        assert best > cycles and found.plan.missing


# --- one engine ----------------------------------------------------------------------------------
def test_a_shared_engine_has_the_fewest_lanes_that_meet_the_deadline() -> None:
    for cycles in (100, 150, 250, 400):
        found = report(SMALL, "ecp5-25", 50e6 / cycles, engines="shared")
        kept(found)
        assert found.plan is not None and found.plan.met
        lanes = found.totals.lanes.value
        assert isinstance(lanes, int)
        for fewer in range(1, lanes):
            machine = accelerator(SMALL.network, fewer, Arrangement(engines="shared"))
            assert machine.step_interval > cycles


def test_a_shared_engine_that_can_not_says_what_is_missing() -> None:
    found = report(SMALL, "ecp5-25", 50e6 / 20, engines="shared")
    kept(found)
    assert found.plan is not None and not found.plan.met
    assert "the deadline leaves 20" in found.plan.missing[0]
    best = report(SMALL, "ecp5-25", engines="shared")
    assert best.totals.cycles_per_step.value == found.totals.cycles_per_step.value


def test_a_shared_engine_streams_what_does_not_fit() -> None:
    found = report(LARGE, "zynq-7020", 5, engines="shared")
    kept(found)
    assert found.plan is not None and found.plan.met and found.plan.streamed == ("rnn",)


def test_a_deadline_needs_a_clock() -> None:
    for engines in ("per-layer", "shared"):
        with pytest.raises(UsageError, match="knows no clock"):
            estimate(
                SMALL,
                "ecp5-85",
                lanes="auto",
                steps_per_second=10,
                arrangement=Arrangement(engines=engines),  # type: ignore[arg-type]
            )
    assert load_profile("ecp5-85").clock_mhz is None


# --- the command line ----------------------------------------------------------------------------
def test_a_minimum_is_the_deadline(capsys: pytest.CaptureFixture[str]) -> None:
    deep = str(DESIGNS / "deep_stack_head.py")
    base = ["report", deep, "--profile", "zynq-7020", "--lanes", "auto", "--overlap", "auto"]
    assert main([*base, "--min", "steps_per_second=200000"]) == 0
    assert "for 200000 steps a second" in " ".join(capsys.readouterr().out.split())
    assert main([*base, "--min", "steps_per_second=900000"]) == 1
    assert "missing" in capsys.readouterr().err


def test_what_is_open_needs_open_lanes() -> None:
    design = load(DESIGNS / "deep_stack_head.py")
    for options in ({"weights": "auto"}, {"interleave": "auto"}):
        with pytest.raises(DesignError) as refused:
            estimate(design, arrangement=Arrangement(**options))  # type: ignore[arg-type]
        assert "without lanes='auto'" in refused.value.message
    target = Target("ecp5-25", lanes="auto", weights="auto", interleave="auto", overlap="auto")
    kept(estimate(Design(SMALL.layers, FORMATS, inputs=4, target=target), clock_mhz=50))
