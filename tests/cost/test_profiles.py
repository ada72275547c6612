"""Every shipped profile reports on designs of every kind, and says honestly what is not known."""

from __future__ import annotations

import msgspec
import pytest
from helpers.machines import elman, scanned
from helpers.schemas import valid

from rnnhw import Design, Diagonal, load
from rnnhw.accelerator import accelerator
from rnnhw.cost.estimation import estimate
from rnnhw.cost.model import report_fields, unknown_fields
from rnnhw.cost.processor import least_cycles
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.nodes import Node
from rnnhw.profiles import Asic, Fpga, Microcontroller, load_profile, profile_names, profile_sha256
from rnnhw.report import report_schema, to_csv, to_html, to_json, to_markdown, to_text

DESIGNS = {
    name: load(f"designs/{name}.py")
    for name in ("adder_tridiagonal", "speaker_lstm", "speaker_mean", "deep_stack_head")
}


@pytest.mark.parametrize("name", profile_names())
@pytest.mark.parametrize("design", DESIGNS)
def test_every_profile_reports(design: str, name: str) -> None:
    profile = load_profile(name)
    report = estimate(DESIGNS[design], name)
    assert report.target.profile == name
    assert report.files.profile is not None
    assert report.files.profile.sha256 == profile_sha256(name)
    value = msgspec.json.decode(to_json(report))
    valid(value, report_schema)
    text = to_text(report)
    assert profile.title in text
    assert profile.title in to_html(report)
    assert profile.title in to_markdown(report)
    assert to_csv(report).count("\n") == 1 + len(report.layers)
    if isinstance(profile, Microcontroller):
        assert report.totals.ram_bytes.value
        known = profile.flash is not None
        assert (report.fits is None) is not known
    else:
        machine = accelerator(DESIGNS[design].network, {})
        assert [layer.name for layer in report.layers] == [each.name for each in machine.layers]
        assert isinstance(report.totals.cycles_per_step.value, int)
        assert isinstance(profile, Fpga) is bool(report.resources)
    if not report.operating_points:
        assert "not known: give --clock-mhz: the clock is not known" in text
        assert unknown_fields(report)["steps_per_second"].note.endswith("give --clock-mhz")
        clocked = estimate(DESIGNS[design], name, clock_mhz=50)
        assert isinstance(clocked.operating_points[0].steps_per_second.value, float)


@pytest.mark.parametrize("name", ["cortex-m33", "cortex-m4", "gw1nr-9", "asic-7nm", "ecp5-25"])
def test_a_figure_is_known_or_unknown_and_never_both(name: str) -> None:
    report = estimate(DESIGNS["speaker_mean"], name)
    known, unknown = set(report_fields(report)), set(unknown_fields(report))
    assert known and unknown
    assert known.isdisjoint(unknown)
    assert {f.status for f in unknown_fields(report).values()} <= {"not known", "not used"}


@pytest.mark.parametrize(
    ("name", "least", "reason"),
    [
        # 16 x 24 products of 8 bits in an Elman layer of 16 units behind 8 inputs.
        ("cortex-m0plus", 768, "the peak of the multipliers"),
        ("cortex-m7", 192, "the peak of the multipliers"),
        ("atmega328p", 768, "the peak of the multipliers"),
        ("rp2040", 768, "the peak of the multipliers"),
        ("gap9", 11, "the peak of the multipliers"),
        ("cortex-m55", 48, "the peak of the multipliers"),
    ],
)
def test_the_fewest_cycles_by_hand(name: str, least: int, reason: str) -> None:
    report = estimate(elman(16), name, clock_mhz=3)
    cycles = report.totals.cycles_per_step
    assert (cycles.value, cycles.bound) == (least, "at least")
    assert cycles.note == f"a lower bound: {reason}"
    rate = report.operating_points[0].steps_per_second
    assert (rate.value, rate.bound) == (pytest.approx(3e6 / least), "at most")


def test_the_larger_bound_counts() -> None:
    profile = load_profile("cortex-m4")
    assert isinstance(profile, Microcontroller)
    network = elman(16).network
    assert least_cycles(network, profile) == 192
    totals = estimate(elman(16), profile).totals
    cycles, instructions = totals.cycles_per_step, totals.instructions_per_step
    assert cycles.note.endswith("the instructions at the core's issue width")
    assert cycles.value == instructions.value
    assert cycles.bound == "at least"
    assert cycles.number is not None and cycles.number > 192


def test_no_peak_no_bound() -> None:
    for name in ("cortex-m33", "esp32"):
        totals = estimate(elman(16), name).totals
        assert totals.cycles_per_step.value is None and totals.cycles_per_step.note == ""
        assert totals.instructions_per_step.value is None


def test_a_diagonal_product_alone_is_no_accumulation() -> None:
    def step(g: StepBuilder, x: Node) -> Node:
        return g.cast(g.linear(Diagonal(), "D", x, 8, None), "state", "y")

    profile = load_profile("cortex-m0plus")
    assert isinstance(profile, Microcontroller)
    assert least_cycles(scanned(step), profile) == 0


def test_energies_only_on_asic_nodes() -> None:
    for name in profile_names():
        report = estimate(DESIGNS["adder_tridiagonal"], name)
        known = report.totals.operation_energy_per_step_pj.status != "not used"
        assert known is isinstance(load_profile(name), Asic)


def test_a_board_reports_what_its_device_does() -> None:
    design: Design = DESIGNS["speaker_lstm"]
    board, device = estimate(design, "icebreaker"), estimate(design, "ice40up5k")
    assert (board.totals, board.layers, board.resources) == (
        device.totals, device.layers, device.resources,
    )  # fmt: skip
    assert board.operating_points == device.operating_points
    assert board.target.profile == "icebreaker"
