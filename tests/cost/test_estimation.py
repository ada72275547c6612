"""Cost: clocks, deadlines, capacities, provenance, and errors."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from helpers.machines import FORMATS, band, elman, hard_elman
from helpers.paths import DESIGNS

from rnnhw import (
    Banded,
    Design,
    DesignError,
    Elman,
    HardTanh,
    Last,
    Linear,
    Q,
    Target,
    UsageError,
    load,
)
from rnnhw.accelerator import accelerator
from rnnhw.analysis.counts import TIME_COUNTS, layer_counts
from rnnhw.cost.estimation import estimate
from rnnhw.cost.model import report_fields
from rnnhw.design.weights import Parameters
from rnnhw.graph.network import NetworkBuilder, TimeNode
from rnnhw.layers.cells import Layer
from rnnhw.layers.structures import (
    BlockDiagonal,
    Butterfly,
    CyclicBand,
    LowRank,
    Monarch,
    Sparse,
    Structure,
    Toeplitz,
    UnitWeights,
)
from rnnhw.profiles import Fpga, load_profile, profile_sha256
from rnnhw.report import to_html, to_markdown, to_text
from rnnhw.report.comparison.model import Candidate, compare_candidates
from rnnhw.rtl.network import emit_network

ADDER = DESIGNS / "adder_tridiagonal.py"


def _fpga(name: str) -> Fpga:
    profile = load_profile(name)
    assert isinstance(profile, Fpga)
    return profile


PROFILE = _fpga("ice40up5k")


# --- clocks and deadlines ------------------------------------------------------------------------
def test_both_ends_of_the_range_from_low_to_high() -> None:
    report = estimate(elman(32), "ice40up5k", lanes=4)
    assert PROFILE.clock_mhz is not None
    ends = [PROFILE.clock_mhz.low.value, PROFILE.clock_mhz.high.value]
    assert [point.clock_mhz.value for point in report.operating_points] == ends
    for point, mhz in zip(report.operating_points, ends, strict=True):
        assert point.steps_per_second.value == mhz * 1e6 / 332
        assert point.step_latency_us.value == 340 / mhz


def test_one_clock_as_given() -> None:
    (point,) = estimate(elman(32), "ice40up5k", lanes=4, clock_mhz=33.2).operating_points
    assert point.steps_per_second.value == pytest.approx(100_000)


@pytest.mark.parametrize("mhz", [0, -1, math.nan, math.inf])
def test_a_clock_is_positive(mhz: float) -> None:
    with pytest.raises(UsageError, match="clock"):
        estimate(elman(8), "ice40up5k", clock_mhz=mhz)


def test_a_clock_above_the_range_is_noted() -> None:
    assert any("above" in note for note in estimate(elman(8), PROFILE, clock_mhz=500).notes)
    assert not any("above" in note for note in estimate(elman(8), PROFILE, clock_mhz=1).notes)


@pytest.mark.parametrize(("rate", "slack"), [(50_000, 50), (100_000, 0), (200_000, -100)])
def test_deadline_slack_and_the_lowest_clock(rate: int, slack: float) -> None:
    design = elman(32, steps_per_second=rate)
    report = estimate(design, "ice40up5k", lanes=4, clock_mhz=33.2)
    assert report.operating_points[0].deadline_slack_percent.value == pytest.approx(slack)
    lowest = report.totals.lowest_clock_mhz.value
    assert lowest == 332 * rate / 1e6
    again = estimate(design, "ice40up5k", lanes=4, clock_mhz=332 * rate / 1e6)
    assert again.operating_points[0].deadline_slack_percent.value == pytest.approx(0)


def test_without_a_deadline_there_is_no_slack() -> None:
    report = estimate(elman(32), "ice40up5k")
    assert report.totals.lowest_clock_mhz.status == "not used"
    assert {p.deadline_slack_percent.status for p in report.operating_points} == {"not used"}


def test_a_sequence_takes_its_steps() -> None:
    assert estimate(elman(32), "ice40up5k").totals.cycles_per_sequence.status == "not known"
    report = estimate(elman(32), "ice40up5k", lanes=4, steps=10)
    assert report.totals.cycles_per_sequence.value == 8 + 10 * 332
    with pytest.raises(UsageError, match="0 steps"):
        estimate(elman(32), "ice40up5k", steps=0)


# --- the target ----------------------------------------------------------------------------------
def test_the_designs_own_target_is_the_default() -> None:
    report = estimate(load(ADDER))
    assert report.target.profile == "ice40up5k"
    assert [p.clock_mhz.value for p in report.operating_points] == [24, 45, 67]
    assert report.layers[0].lanes.value == 4
    assert report.totals.cycles_per_step.value == 40


def test_the_targets_clock_is_not_for_other_profiles() -> None:
    report = estimate(load(ADDER), "ecp5-25")
    assert 24 not in [point.clock_mhz.value for point in report.operating_points]
    assert report.layers[0].lanes.value == 4  # but its lanes are


def test_without_a_profile_nothing_can_be_said() -> None:
    with pytest.raises(UsageError, match="no profile") as refused:
        estimate(elman(8))
    assert "profile=" in refused.value.hint


def test_an_unknown_profile_lists_the_known() -> None:
    with pytest.raises(Exception, match="ice40up5q") as refused:
        estimate(elman(8), "ice40up5q")
    assert "ice40up5k" in str(getattr(refused.value, "hint", refused.value))


def test_wrong_lanes_name_the_design_file() -> None:
    with pytest.raises(DesignError, match=r"adder_tridiagonal\.py: layer rnn: 17 lanes"):
        estimate(load(ADDER), lanes={"rnn": 17})


# --- what fits -----------------------------------------------------------------------------------
def test_a_small_layer_fits() -> None:
    report = estimate(elman(32), "ice40up5k", lanes=4)
    assert report.fits is True
    assert report.over_capacity == ()
    fields = report_fields(report)
    assert fields["fits"] is True
    assert (fields["block_rams"], fields["dsp_blocks"]) == (8, 4)
    assert fields["dsp_percent"] == 50


@pytest.mark.parametrize(("lanes", "fits"), [(8, True), (9, False)])
def test_eight_dsp_blocks_are_eight_lanes(lanes: int, fits: bool) -> None:
    report = estimate(elman(32, band(3)), "ice40up5k", lanes=lanes)
    assert report.fits is fits
    assert bool(report.over_capacity) is not fits
    if not fits:
        assert report.over_capacity == ("dsp: 9 of 8 SB_MAC16",)


def test_weights_beyond_the_block_ram_do_not_fit() -> None:
    report = estimate(elman(512), "ice40up5k", lanes=4)
    assert report.fits is False
    assert report.over_capacity[0].startswith("block_ram:")


def test_a_device_without_multipliers_is_not_known_to_fit() -> None:
    bare = msgspec.structs.replace(PROFILE, dsp=None, fits=())
    report = estimate(elman(8), bare)
    assert report.fits is None
    assert report.totals.dsp_blocks.status == "not used"
    assert any("no DSP" in note for note in report.notes)


def test_logic_only_where_a_fit_is_and_with_its_conditions() -> None:
    profile = load_profile("zynq-7020")
    assert isinstance(profile, Fpga)
    # As if of a family that was not calibrated on the Verilog.
    profile = msgspec.structs.replace(profile, family="another")
    known = estimate(hard_elman(32), profile, lanes=4).layers[0].luts
    fit = next(f for f in profile.fits if (f.resource, f.structure) == ("lut", "dense"))
    assert known.value == fit.estimate(lanes=4, units=32)
    assert fit.tool in known.note
    assert "accumulator bits" in known.note
    bare = msgspec.structs.replace(profile, fits=())
    assert estimate(hard_elman(32), bare, lanes=4).totals.luts.value is None


@pytest.mark.parametrize(
    "structure",
    [
        BlockDiagonal(4),
        BlockDiagonal(3),
        CyclicBand(1, 1),
        Toeplitz(),
        Sparse(1, 2),
        UnitWeights(),
        Monarch(4),
        Butterfly(),
        LowRank(1),
        Banded(1, 1) + Banded(1, 1),
    ],
    ids=repr,
)
def test_logic_is_known_of_what_can_be_emitted_and_not_of_other_structures(
    structure: Structure,
) -> None:
    layer = Elman(12 if structure == BlockDiagonal(3) else 32, structure, HardTanh(), name="rnn")
    design = Design(layers=[layer], formats=replace(FORMATS, stage=Q(3, 4)), inputs=8)
    report = estimate(design, "ice40up5k", lanes=4)
    known = report.layers[0].cycles_basis == "realised"
    assert report.layers[0].luts.status == ("derived" if known else "not known")
    assert report.layers[0].flip_flops.status == ("derived" if known else "not known")
    layer_report = report.layers[0]
    assert (layer_report.cycles_basis == "modelled") == bool(layer_report.assumptions)
    for kind in ("weight", "bias", "table", "state", "vector"):
        stored = getattr(report.totals, f"{kind}_bits").value
        assert stored == getattr(estimate(design, "cortex-m4").totals, f"{kind}_bits").value


@pytest.mark.parametrize("profile", ["ecp5-25", "asic-45nm"])
def test_a_network_whose_time_operations_are_not_emitted_is_modelled(profile: str) -> None:
    """A layer that could be emitted alone is not realised where emit refuses the network."""

    class Backwards(Elman):
        """From the last step to the first."""

        def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
            return super().build(net, net.reverse(source, f"{name}.backwards"), name)

    design = Design(layers=[Backwards(3)], formats=FORMATS, inputs=2, max_steps=9)
    report = estimate(design, profile, clock_mhz=10)
    assert {layer.cycles_basis for layer in report.layers} == {"modelled"}
    assert report.schedule is not None
    assert report.schedule.cycles_basis == "modelled"
    assert report.schedule.assumptions
    totals, point = report.totals, report.operating_points[0]
    for figure in (
        totals.cycles_per_sequence,
        totals.cycles_between_sequences,
        point.sequence_time_us,
        point.sequences_per_second,
    ):
        assert figure.value is not None
        assert figure.note.startswith("modelled: ")
        for assumption in report.schedule.assumptions:
            assert assumption in figure.note
    assert totals.cycles_per_sequence.note in " ".join(report.notes)
    for text in (to_text(report), to_markdown(report), to_html(report)):
        assert "Reverse over time is not emitted" in " ".join(text.split())
    row = compare_candidates([Candidate(report)]).row("cycles_basis")
    assert row is not None
    assert row.entries[0] is not None
    assert row.entries[0].figure.value == "modelled"
    with pytest.raises(DesignError, match="Reverse over time cannot be emitted as Verilog"):
        emit_network("net", design.network, accelerator(design.network), Parameters({}, {}, {}))


def test_a_network_that_is_emitted_is_realised() -> None:
    report = estimate(load(ADDER), "ecp5-25")
    assert report.schedule is not None
    assert (report.schedule.cycles_basis, report.schedule.assumptions) == ("realised", ())
    assert report.totals.cycles_per_sequence.note == ""


# --- provenance ----------------------------------------------------------------------------------
def test_files_are_named_and_hashed(tmp_path: Path) -> None:
    copy = tmp_path / ADDER.name
    copy.write_bytes(ADDER.read_bytes())
    report = estimate(load(copy))
    digest = hashlib.sha256(ADDER.read_bytes()).hexdigest()
    assert report.files.design is not None
    assert (report.files.design.name, report.files.design.sha256) == (ADDER.name, digest)
    assert report.files.weights is None  # not there, and not needed
    assert report.files.data is None
    assert report.files.profile is not None
    assert report.files.profile.sha256 == profile_sha256("ice40up5k")
    (tmp_path / "adder_tridiagonal.npz").write_bytes(b"anything")
    weights = estimate(load(copy)).files.weights
    assert weights is not None
    assert weights.sha256 == hashlib.sha256(b"anything").hexdigest()


def test_settings_are_reported() -> None:
    report = estimate(load(ADDER, {"hidden": 24}))
    assert report.settings == {"word": 8, "operand_bits": 8, "hidden": 24}


def test_counts_are_those_of_the_counts_module() -> None:
    design = load(ADDER)
    report = estimate(design)
    for layer in report.layers:
        node = next(n for n in design.network.nodes if n.name == layer.name)
        assert layer.counts == dict(TIME_COUNTS[type(node)](node).flat())
    counted = layer_counts(design.network, [1]).values()
    multiplies = sum(counts.multiplies for counts in counted)
    assert sum(layer.counts["multiplies"] for layer in report.layers) == multiplies
    assert report.totals.macs_per_step.value == multiplies


def test_layers_behind_the_last_step_are_marked() -> None:
    layers: list[Layer] = [Elman(32, name="rnn"), Last(), Linear(10, name="head")]
    design = Design(layers=layers, formats=FORMATS, inputs=8)
    report = estimate(design, "ice40up5k")
    assert [layer.runs for layer in report.layers] == ["every step", "once a sequence"]
    assert report.totals.macs_after_last_step.value == 320


# --- microcontrollers ----------------------------------------------------------------------------
def test_instructions_bound_the_time() -> None:
    design = elman(32, target=Target("cortex-m4", lanes=4), steps_per_second=1000)
    report = estimate(design, steps=10)
    assert report.target.kind == "microcontroller"
    assert isinstance(report.totals.instructions_per_step.value, int)
    assert report.totals.cycles_per_step.bound == "at least"
    assert report.totals.cycles_per_step.value == report.totals.instructions_per_step.value
    assert report.totals.cycles_per_sequence.value == 10 * report.totals.cycles_per_step.value
    assert report.totals.lowest_clock_mhz.bound == "at least"
    assert report.totals.lanes.status == "not used"
    for point in report.operating_points:
        assert point.steps_per_second.bound == "at most"
        assert point.deadline_slack_percent.bound == "at most"
    first = to_text(report).splitlines()[2]
    assert first.startswith("fits: yes, at most ")
    assert report.fits is True
    assert report.layers[0].counts["multiplies"] == 32 * 40


def test_stored_bits_do_not_depend_on_the_target() -> None:
    design = load(ADDER)
    fpga, core = (estimate(design, name).totals for name in ("ice40up5k", "cortex-m4"))
    for kind in ("weight", "bias", "table", "state", "vector"):
        name = f"{kind}_bits"
        assert getattr(fpga, name).value == getattr(core, name).value, name


@pytest.mark.parametrize("family", ["MAX 10", "iCE40-like", "ECP5 Automotive"])
def test_no_lut_ram_is_guessed_of_a_family_that_is_not_known(family: str) -> None:
    known = estimate(elman(4), PROFILE, lanes=1)
    report = estimate(elman(4), msgspec.structs.replace(PROFILE, family=family), lanes=1)
    note = f"the family {family} is not known: it is taken to have no LUT RAM"
    assert any(text.startswith(note) for text in report.notes)
    assert not any("not known: it is taken" in text for text in known.notes)
    places = {memory.name: memory.placement for memory in report.layers[0].memories}
    assert "LUT RAM" not in places.values() and "registers" in places.values()
    assert places == {memory.name: memory.placement for memory in known.layers[0].memories}
