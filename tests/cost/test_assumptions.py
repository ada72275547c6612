"""A user's constants: the share of columns that are not zero, the cycles of a measured block."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnhw import (
    GRU,
    Banded,
    Design,
    DesignError,
    Elman,
    Formats,
    Linear,
    Mean,
    Q,
    Target,
    UsageError,
    emit,
    estimate,
)
from rnnhw.cost.model import Report, revised
from rnnhw.report import to_csv, to_html, to_json, to_markdown, to_text

FORMATS = Formats(
    input=Q(0, 7), weight=Q(0, 7), sum=Q(3, 6), state=Q(0, 7), recurrent_sum=Q(3, 8), output=Q(0, 7)
)
LAYERS = [GRU(64, name="rnn"), Linear(10, name="head")]
LANES = {"rnn": 8, "head": 2}


def designed(profile: str = "ecp5-85", layers: object = LAYERS, **target: object) -> Design:
    lanes = LANES if layers is LAYERS else 1
    return Design(
        layers,  # type: ignore[arg-type]
        FORMATS,
        inputs=32,
        max_steps=50,
        target=Target(profile, **{"lanes": lanes, **target}),  # type: ignore[arg-type]
    )


def report(profile: str = "ecp5-85", layers: object = LAYERS, **target: object) -> Report:
    return estimate(designed(profile, layers, **target))


def of(found: Report, name: str) -> object:
    return next(layer for layer in found.layers if layer.name == name)


# --- activity ------------------------------------------------------------------------------------
def test_the_cycles_are_those_of_a_delta_network() -> None:
    """ceil(g H / P) groups of the columns that are left, and what follows the last as before."""
    plain, sparse = report(), report(activity=0.25)
    groups, columns = 192 // 8, 32 + 64
    before, after = (of(each, "rnn").cycles_per_step.value for each in (plain, sparse))
    overhead = before - groups * columns
    assert after == groups * columns // 4 + overhead
    assert of(sparse, "rnn").macs_per_step == 192 * columns // 4
    assert of(sparse, "rnn").traffic["weight_reads"] == groups * columns // 4
    assert sparse.totals.macs_per_step.value == 192 * columns // 4 + 640 // 4
    for figure in ("weight_memory_bits", "luts", "flip_flops", "dsp_blocks", "block_rams"):
        assert getattr(sparse.totals, figure) == getattr(plain.totals, figure)
    assert of(sparse, "rnn").traffic["vector_reads"] == of(plain, "rnn").traffic["vector_reads"]


def test_a_share_is_of_the_layers_that_are_named() -> None:
    found, plain = report(activity={"rnn": 0.3}), report()
    assert of(found, "rnn").cycles_per_step.value < of(plain, "rnn").cycles_per_step.value
    assert of(found, "head").cycles_per_step == of(plain, "head").cycles_per_step
    assert of(found, "head").macs_per_step == of(plain, "head").macs_per_step


def test_all_columns_are_the_plain_machine() -> None:
    assert report(activity=1) == report()


def test_columns_that_rows_do_not_share_are_not_skipped() -> None:
    layers = [Elman(16, recurrent=Banded(1, 1), name="band")]
    found, plain = report(layers=layers, activity=0.5), report(layers=layers)
    assert of(plain, "band").macs_per_step - of(found, "band").macs_per_step == 16 * 32 // 2
    with pytest.raises(DesignError) as caught:
        report(
            layers=[Elman(32, inputs=Banded(1, 1), recurrent=Banded(1, 1), name="band"), *LAYERS],
            activity={"band": 0.5},
        )
    assert "layer band has no dense product" in caught.value.message
    assert caught.value.hint == "layers that have: rnn, head"
    alone = [Elman(32, inputs=Banded(1, 1), recurrent=Banded(1, 1), name="band")]
    with pytest.raises(DesignError, match=r"activity=0\.5: no layer has a dense product"):
        report(layers=alone, activity=0.5)


def test_the_energy_is_that_of_what_is_left() -> None:
    plain, sparse = report("asic-45nm"), report("asic-45nm", activity=0.25)

    def amounts(each: Report) -> dict[str, int]:
        return {part.what: part.amount for part in of(each, "rnn").energy}

    before, after = amounts(plain), amounts(sparse)
    products = "multiply 8 x 8 bits"
    assert before[products] - after[products] == 192 * 96 * 3 // 4
    assert after["weights read"] * 4 == before["weights read"]
    assert after["vectors read"] == before["vectors read"]
    energies = [each.totals.energy_per_step_pj.value for each in (plain, sparse)]
    assert 0.2 * energies[0] < energies[1] < 0.5 * energies[0]


def test_streamed_weights_of_skipped_columns_are_not_fetched() -> None:
    plain, sparse = (
        estimate(designed("arty-a7-100", weights="streamed", **more), clock_mhz=100)
        for more in ({}, {"activity": 0.25})
    )
    bits = [each.totals.streamed_bits_per_step.value for each in (plain, sparse)]
    assert bits[1] * 4 == bits[0]
    cycles = [each.totals.cycles_per_step.value for each in (plain, sparse)]
    assert cycles[1] < cycles[0]
    # A step may need all words, so the buffer has room for them.
    assert sparse.totals.weight_memory_bits.value >= plain.totals.weight_memory_bits.value


# --- step latency --------------------------------------------------------------------------------
def test_a_step_latency_stands_in_place_of_the_models() -> None:
    plain, found = report(), report(step_latency={"rnn": 500})
    layer = of(found, "rnn")
    assert layer.cycles_per_step.value == layer.step_latency_cycles.value == 500
    assert found.totals.cycles_per_step.value == 500
    # The step on both layers: the head follows as it did.
    head = of(plain, "head").cycles_per_step.value
    loads = plain.totals.step_latency_cycles.value - of(plain, "rnn").cycles_per_step.value - head
    assert found.totals.step_latency_cycles.value == loads + 500 + head
    assert found.totals.bound_by.value == "rnn: its step latency, as given"
    assert found.totals.utilisation.value is None and layer.utilisation.value is None
    assert layer.lane_cycles == {} and layer.phases == ()
    assert layer.macs_per_step == of(plain, "rnn").macs_per_step
    both = report(step_latency={"rnn": 500}, activity={"rnn": 0.25})
    assert of(both, "rnn").cycles_per_step.value == 500
    assert of(both, "rnn").macs_per_step == 192 * 96 // 4


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"engines": "shared"}, "engines='shared': layer rnn has a step latency"),
        ({"interleave": 4}, "interleave=4: layer rnn can not take turns"),
        ({"overlap": True}, "overlap=True: layer rnn can not"),
        ({"steps_in_parallel": {"head": 2}, "step_latency": {"head": 9}}, "layer head has a step"),
    ],
)
def test_schedules_of_a_measured_block_are_not_known(more: dict[str, object], message: str) -> None:
    with pytest.raises(DesignError) as caught:
        report(**{"step_latency": {"rnn": 500}, **more})
    assert message in caught.value.message


def test_a_sum_over_time_has_no_step_latency() -> None:
    layers = [Elman(4, name="rnn"), Mean(name="mean"), Linear(2, name="head")]
    with pytest.raises(DesignError, match="layer mean is a sum over time"):
        report(layers=layers, step_latency={"mean": 3})


# --- how it is told ------------------------------------------------------------------------------
@pytest.mark.parametrize("profile", ["ecp5-85", "asic-45nm"])
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"activity": 0.25}, "activity 0.25, assumed by the design"),
        ({"step_latency": {"rnn": 500}}, "a step takes 500 cycles, as the design says"),
    ],
)
def test_every_format_tells_the_assumption(
    profile: str, target: dict[str, object], said: str
) -> None:
    found = report(profile, **target)
    assert found.schedule is not None and found.schedule.cycles_basis == "modelled"
    assert {layer.cycles_basis for layer in found.layers} == {"modelled"}
    for text in (to_text(found), to_markdown(found), to_html(found), to_csv(found)):
        assert said in " ".join(text.split())
    data = json.loads(to_json(found))
    assert any(said in each for each in data["layers"][0]["assumptions"])
    assert any(note.startswith("cycles rest on what the design assumes of rnn") for note in
               data["notes"])  # fmt: skip


def test_a_microcontroller_does_not_use_them() -> None:
    plain, found = report("cortex-m4"), report("cortex-m4", activity=0.25)
    note = "activity and step_latency of the target are not used on a microcontroller"
    assert note in found.notes
    assert revised(found, notes=()) == revised(plain, notes=())


def test_lanes_are_not_chosen_by_what_is_assumed() -> None:
    with pytest.raises(UsageError, match="lanes auto with activity= or step_latency="):
        report(lanes="auto", activity=0.25)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"activity": 0}, "activity=0"),
        ({"activity": 1.5}, "activity=1.5"),
        ({"activity": {"rnn": True}}, "activity=True of rnn"),
        ({"activity": math.nan}, "activity=nan"),
        ({"step_latency": 100}, "step_latency=100"),
        ({"step_latency": {"rnn": 0}}, "step_latency of rnn=0"),
        ({"step_latency": {"rnn": 2.5}}, "step_latency of rnn=2.5"),
        ({"step_latency": {"rmn": 5}}, "step_latency: unknown layer 'rmn'"),
        ({"activity": {"rmn": 0.5}}, "activity: unknown layer 'rmn'"),
    ],
)
def test_wrong_constants_are_refused(target: dict[str, object], message: str) -> None:
    with pytest.raises(DesignError) as caught:
        report(**target)
    assert message in caught.value.message


@pytest.mark.tools("iverilog")
@pytest.mark.parametrize("lanes", [None, "auto"])
def test_what_is_emitted_skips_nothing(lanes: str | None, tmp_path: Path) -> None:
    layers = [Elman(5, name="rnn"), Linear(2, name="head")]
    design = designed(layers=layers, activity=0.5, step_latency={"rnn": 7})
    rng = np.random.default_rng(0)
    weights = {t.key: rng.normal(0, 0.5, t.shape) for t in design.network.tensors}
    np.savez(tmp_path / "x.npz", x=rng.uniform(-1, 1, (2, 4, 32)))
    if lanes == "auto":
        assert design.target is not None
        design = replace(design, steps_per_second=1.0)
        design = replace(design, target=replace(design.target, clock_mhz=50.0))
    design = replace(design, weights=weights)
    data = tmp_path / "x.npz"
    emitted = emit(design, tmp_path / "out", data=data, lanes=lanes, check=True)  # type: ignore
    assert emitted.passed
