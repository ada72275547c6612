"""A report says realised of what emit writes, of nothing else; and says what lanes do not bring."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from helpers.machines import BYTE, FORMATS, elman
from helpers.paths import DESIGNS
from helpers.rtl_cases import draw_lanes, draw_parameters, draw_stack

from rnnhw import (
    Banded,
    Bidirectional,
    Circulant,
    Design,
    Elman,
    HardTanh,
    Linear,
    LowRank,
    Monarch,
    Product,
    Sum,
    Target,
    load,
)
from rnnhw.accelerator import lane_options
from rnnhw.commands.emit import emission_of, machine_of
from rnnhw.cost.estimation import estimate
from rnnhw.cost.model import Report
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError
from rnnhw.rtl.network import emit_network


def is_realised(report: Report) -> bool:
    """Whether the report says so of the network, and with one voice."""
    assert report.schedule is not None
    said = {report.schedule.cycles_basis, *(layer.cycles_basis for layer in report.layers)}
    assert len(said) == 1
    return said == {"realised"}


@pytest.mark.parametrize("path", sorted(DESIGNS.glob("*.py")), ids=lambda path: path.stem)
def test_a_design_is_realised_where_emit_writes_it(path) -> None:
    design = load(path)
    report = estimate(design, None if design.target else "ecp5-25")
    try:
        emission_of(design, machine_of(design, None))
    except DesignError as refused:
        assert "cannot be emitted" in refused.message
        assert not is_realised(report)
        assert "modelled:" in " ".join(report.notes)
    else:
        assert is_realised(report)


@pytest.mark.parametrize("block", range(8))
def test_a_random_network_is_realised_where_emit_writes_it(block: int) -> None:
    for seed in range(10 * block, 10 * block + 10):
        r = random.Random(seed)
        try:
            design = draw_stack(r, 8)
            if r.random() < 0.2:
                first, *others = design.layers
                design = replace(design, layers=[Bidirectional(first, name="both"), *others])
            network = design.network
        except DesignError:
            continue  # the formats make no network
        lanes, parameters = draw_lanes(r, network), draw_parameters(r, network)
        report = estimate(design, "ecp5-25", lanes=lanes)
        machine = machine_of(design, lanes)
        if is_realised(report):
            assert emit_network("net", network, machine, parameters).files
        else:
            with pytest.raises(DesignError, match="cannot be emitted as Verilog"):
                emit_network("net", network, machine, parameters)


@pytest.mark.parametrize("overlap", [False, "auto"])
@pytest.mark.parametrize("layer", [Linear(4, name="head"), Elman(4, activation=HardTanh())])
def test_a_schedule_that_is_left_open_is_emitted_where_none_is_chosen(overlap, layer) -> None:
    """A schedule that is chosen is refused, and modelled; none is as if none were left open."""
    target = Target("ecp5-25", lanes=2, overlap=overlap)
    design = Design(layers=[layer], formats=FORMATS, inputs=4, target=target)
    report = estimate(design)
    if is_realised(report):
        assert machine_of(design, None).lanes == 2
    else:
        assert overlap == "auto"
        with pytest.raises(DesignError, match="a target with overlap cannot be emitted yet"):
            machine_of(design, None)


# --- lanes ----------------------------------------------------------------------------------------
def lane_notes_of(report: Report) -> list[str]:
    return [note for note in report.notes if "more lanes are slower" in note]


def test_lanes_that_slow_a_layer_are_told() -> None:
    structure = Product(LowRank(1), Monarch(4))
    design = elman(8, structure)
    cycles = {
        lanes: estimate(design, "ecp5-25", lanes=lanes).layers[0].cycles_per_step.number
        for lanes in (2, 3)
    }
    assert cycles[3] > cycles[2]
    (note,) = lane_notes_of(estimate(design, "ecp5-25", lanes=3))
    assert note == (
        f"rnn: more lanes are slower here: {cycles[3]} cycles on 3 lanes, {cycles[2]} on 2"
    )
    assert not lane_notes_of(estimate(design, "ecp5-25", lanes=1))
    assert not lane_notes_of(estimate(design, "ecp5-25", lanes=3, tries_lanes=False))


@pytest.mark.parametrize("overlap", [False, True])
def test_slower_lanes_are_told_on_every_number_of_lanes(overlap: bool) -> None:
    design = elman(9, Sum(Banded(1, 1), Circulant()))
    arrangement = Arrangement(overlap=overlap)
    cycles: dict[int, float] = {}
    for lanes in lane_options(design.network)[0].lanes:
        report = estimate(design, "asic-45nm", lanes=lanes, arrangement=arrangement)
        interval = report.totals.cycles_per_step.number
        assert interval is not None
        faster = any(other < interval for other in cycles.values())
        assert bool(lane_notes_of(report)) is faster, lanes
        cycles[lanes] = interval


def test_lanes_without_a_row_are_told() -> None:
    layers = [Elman(6, activation=HardTanh(), name="rnn"), Linear(3, name="head")]
    design = Design(layers=layers, formats=replace(FORMATS, input=BYTE), inputs=4)
    wanted = "of 100,000 lanes a layer has no more than it has rows: rnn 6, head 3"
    assert wanted in estimate(design, "ecp5-25", lanes=100_000).notes
    assert "of 4 lanes a layer has no more than it has rows: head 3" in " ".join(
        estimate(design, "ecp5-25", lanes=4).notes
    )
    assert "than it has rows" not in " ".join(estimate(design, "ecp5-25", lanes=3).notes)
