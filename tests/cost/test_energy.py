"""Energy on ASIC nodes: by hand, equal to the counts and the machine's traffic, and its edges."""

from __future__ import annotations

import msgspec
import pytest
from helpers.machines import elman, head

import rnnhw
from rnnhw import Banded, Design, Elman, Formats, Hadamard, Last, Linear, Q, Window, load
from rnnhw.accelerator import MemoryKind, accelerator
from rnnhw.analysis.counts import TIME_COUNTS
from rnnhw.analysis.work import Kind
from rnnhw.cost.energy import energy, layer_operations
from rnnhw.cost.estimation import estimate
from rnnhw.cost.model import Report, report_fields
from rnnhw.profiles import Asic, load_profile
from rnnhw.report import to_text

ADDER = "designs/adder_tridiagonal.py"


def node(name: str) -> Asic:
    profile = load_profile(name)
    assert isinstance(profile, Asic)
    return profile


OLD = node("asic-45nm")


def parts(report: Report, layer: str) -> dict[str, tuple[int, float | None]]:
    found = next(each for each in report.layers if each.name == layer)
    return {part.what: (part.amount, part.energy_pj) for part in found.energy}


def test_a_layer_by_hand() -> None:
    report = estimate(head(16, 4), OLD, lanes=2)
    found = parts(report, "head")
    # 4 x 16 products of 8 x 8 bits, each added in 20 bits: 16 terms of up to 2^14, and the bias.
    assert found["multiply 8 x 8 bits"] == (64, pytest.approx(64 * 0.2))
    adder = 0.03 + (20 - 8) / (32 - 8) * (0.1 - 0.03)
    assert found["add 20 bits"] == (64, pytest.approx(64 * adder))
    # Two lanes: a word of 2 x 8 bits for each of 2 groups and 16 columns, at 10 pJ a 64 bits.
    assert found["weights read"] == (2 * 16 * 16, pytest.approx(2 * 16 * 16 * 10 / 64))
    # Biases of 14 bits take one more with the rounding constant in them.
    assert found["biases read"] == (4 * 15, pytest.approx(4 * 15 * 10 / 64))
    # Each group reads the 16 inputs, which were written once.
    assert found["vectors read"] == (2 * 16 * 8, pytest.approx(2 * 16 * 8 * 10 / 64))
    assert found["vectors written"] == (16 * 8, pytest.approx(16 * 8 * 10 / 64))
    totals = report.totals
    operations = 64 * 0.2 + 64 * adder
    assert totals.operation_energy_per_step_pj.value == pytest.approx(operations)
    assert totals.operation_energy_per_step_pj.status == "second-hand"
    whole = sum(pj for _, pj in found.values() if pj is not None)
    assert totals.energy_per_step_pj.value == pytest.approx(whole)
    accesses = totals.access_energy_per_step_pj.value
    assert accesses == pytest.approx(whole - operations)
    assert totals.energy_after_last_step_pj.status == "not used"


@pytest.mark.parametrize(
    "design",
    [
        elman(16),
        elman(16, Banded(1, 1)),
        elman(16, Hadamard()),
        load(ADDER),
        load("designs/speaker_lstm.py"),
        load("designs/speaker_gru.py"),
        load("designs/speaker_mean.py"),
        load("designs/speaker_butterfly.py"),
        load("designs/adder_lowrank.py"),
        load("designs/recall_window.py"),
    ],
    ids=lambda design: design.title.split(":")[0][:40],
)
def test_operations_are_those_of_the_counts(design: Design) -> None:
    seen = 0
    for layer in design.network.nodes:
        counted = TIME_COUNTS[type(layer)](layer)
        mine: dict[Kind, int] = {}
        for each in layer_operations(layer):
            mine[each.kind] = mine.get(each.kind, 0) + each.amount
        kinds: tuple[Kind, ...] = ("multiplies", "adds", "requantisations", "comparisons")
        for kind in kinds:
            amount = getattr(counted, kind)
            assert mine.pop(kind, 0) == amount
            seen += amount
        assert mine == {}
    assert seen


def test_accesses_are_the_machines_traffic() -> None:
    design = load("designs/speaker_lstm.py")
    machine = accelerator(design.network, 4)
    for layer, spent in zip(machine.layers, energy(design.network, machine, OLD), strict=True):
        bits = {part.name: part.amount for part in spent.accesses}
        traffic = layer.traffic
        expected = {
            "weights read": traffic.weight_read_bits,
            "biases read": traffic.bias_read_bits,
            "tables read": traffic.table_read_bits,
            "vectors read": traffic.vector_read_bits,
            "vectors written": traffic.vector_write_bits,
        }
        assert bits == {name: count for name, count in expected.items() if count}


def test_a_last_window_takes_in_every_step_and_is_read_after_the_last() -> None:
    formats = Formats(input=Q(0, 7), weight=Q(0, 7), sum=Q(3, 4), output=Q(0, 7))
    layers = [Window(3), Last(), Linear(4, name="head")]
    report = estimate(Design(layers, formats, inputs=2, max_steps=9), OLD)
    found = parts(report, "head")
    each = 10 / 64
    assert found["vectors written at every step"] == (2 * 8, pytest.approx(2 * 8 * each))
    assert "vectors written" not in found
    assert report.totals.energy_per_step_pj.value == pytest.approx(2 * 8 * each)
    after = sum(pj for name, (_, pj) in found.items() if "every step" not in name and pj)
    assert report.totals.energy_after_last_step_pj.value == pytest.approx(after)


def test_a_memory_is_priced_by_its_size_and_small_ones_as_the_smallest() -> None:
    large = elman(256)  # 264 x 256 weights: 66 KiB
    machine = accelerator(large.network, 4)
    (spent,) = energy(large.network, machine, OLD)
    by_name = {part.name: part for part in spent.accesses}
    weights = sum(m.padded_bits for m in machine.layers[0].memories if m.kind is MemoryKind.WEIGHTS)
    assert weights == 264 * 256 * 8
    low, high, at = (kib**0.5 for kib in (32, 1024, weights / 8192))
    expected = (20 + (at - low) / (high - low) * 80) / 64
    assert by_name["weights read"].each == pytest.approx(expected)
    assert by_name["weights read"].note == ""
    assert by_name["biases read"].each == 10 / 64
    assert by_name["biases read"].note == "figure for 8 KiB used"
    assert not spent.bounded
    small = msgspec.structs.replace(
        OLD, accesses=(msgspec.structs.replace(OLD.accesses[0], capacity_bytes=1),)
    )
    (bounded,) = energy(large.network, machine, small)
    assert bounded.bounded
    assert estimate(large, small, lanes=4).totals.energy_per_step_pj.bound == "at least"
    assert estimate(large, OLD, lanes=4).totals.energy_per_step_pj.bound is None


def test_fewer_recurrent_weights_cost_less() -> None:
    dense, banded = (
        estimate(elman(64, recurrent), OLD, lanes=4).totals.energy_per_step_pj.value
        for recurrent in (None, Banded(1, 1))
    )
    assert isinstance(dense, float) and isinstance(banded, float)
    assert banded < dense / 3


def test_narrower_words_cost_less() -> None:
    costs = [
        estimate(load(ADDER, {"word": word}), OLD).totals.energy_per_step_pj.value
        for word in (4, 6, 8)
    ]
    assert costs == sorted(costs) and costs[0] != costs[-1]


def test_what_has_no_figure_is_not_known_and_said() -> None:
    report = estimate(load(ADDER), "asic-7nm")
    totals = report.totals
    assert isinstance(totals.operation_energy_per_step_pj.value, float)
    assert totals.operation_energy_per_step_pj.bound == "at least"
    assert totals.access_energy_per_step_pj.value is None
    assert totals.energy_per_step_pj.status == "not known"
    assert {p.energy_pj for p in report.layers[0].energy if p.unit == "bits"} == {None}
    bare = msgspec.structs.replace(OLD, operations=())
    silent = estimate(load(ADDER), bare).totals
    assert silent.operation_energy_per_step_pj.status == "not known"
    assert silent.energy_per_step_pj.value is None


def test_requantisations_are_told_to_be_left_out() -> None:
    (layer,) = estimate(elman(16), OLD).layers
    assert "energy not counted, for want of a figure: 16 requantisations" in layer.assumptions


def test_layers_behind_the_last_step_are_apart() -> None:
    byte = Q(0, 7)
    formats = Formats(input=byte, weight=byte, sum=Q(3, 4), state=byte, output=Q(3, 4))
    layers = [Elman(8, name="rnn"), Last(), Linear(2, name="out")]
    totals = estimate(Design(layers, formats, inputs=3), OLD).totals
    alone = estimate(Design(layers[:1], formats, inputs=3), OLD).totals
    assert totals.energy_per_step_pj.value == alone.energy_per_step_pj.value
    assert alone.energy_after_last_step_pj.status == "not used"
    assert isinstance(totals.energy_after_last_step_pj.value, float)


def test_the_machine_is_that_of_an_fpga() -> None:
    design = load(ADDER)
    asic, fpga = estimate(design, OLD, clock_mhz=100), estimate(design, "ecp5-25", clock_mhz=100)
    assert asic.operating_points == fpga.operating_points
    for field in ("cycles_per_step", "weight_bits", "weight_memory_bits", "utilisation"):
        assert getattr(asic.totals, field) == getattr(fpga.totals, field)
    assert asic.resources == () and asic.fits is None
    assert asic.totals.block_rams.status == asic.totals.flash_bytes.status == "not used"
    assert fpga.totals.energy_per_step_pj.status == "not used"


def test_the_text_says_amounts_and_unit_energies() -> None:
    report = estimate(load(ADDER), OLD)
    text = to_text(report)
    assert "fits: not asked" in text
    for layer in report.layers:
        for part in layer.energy:
            assert f"{layer.name}: {part.what}" in text
            assert part.each_pj is not None and f"{part.each_pj:.4g}" in text
    assert "or more *" in text and "second-hand" in text
    assert "without wires, control" in " ".join(text.split())
    sources = {each.source for each in (*OLD.operations, *OLD.accesses)}
    assert {f"energies from: {source}" for source in sources} <= set(report.notes)
    assert "Energy" not in to_text(estimate(load(ADDER), "ecp5-25"))


def test_energies_can_be_judged() -> None:
    fields = report_fields(estimate(load(ADDER), OLD))
    assert fields["energy_per_step_pj"] > fields["operation_energy_per_step_pj"] > 0


def test_wrong_lanes_name_the_design() -> None:
    with pytest.raises(rnnhw.DesignError, match=r"adder_tridiagonal\.py: layer rnn: 17 lanes"):
        estimate(load(ADDER), OLD, lanes={"rnn": 17})
