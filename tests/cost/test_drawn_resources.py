"""The designs that were drawn by the hash of the commit that froze the calibration: their estimates
are those of now, and as near to synthesis as the documents say."""

import json
import sys

import pytest
from helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from calibrate import FAMILIES, LEFT_OUT, POINTS, design, estimated, grid, percent
from drawn_designs import drawn_design
from drawn_resources import LIMITS, TABLES, known, shares, summary, tables

from rnnhw.cost.fpga.logic import calibration

MEASURED = [point for point in known() if "measured" in point]
# Shares of the designs that are within 10 % (LUT), within 5 % (FF), and equal: a little below
# those that were measured.
LEAST = {
    "ice40": {"lut": 0.92, "ff": 0.92, "dsp": 0.95, "block_ram": 0.95},
    "ecp5": {"lut": 0.92, "ff": 0.92, "dsp": 0.95, "block_ram": 0.95},
}


@pytest.mark.parametrize("family", LEAST)
def test_the_drawn_designs_are_as_near_as_the_documents_say(family):
    points = [point for point in MEASURED if point["family"] == family]
    drawn = [point for point in known() if point["family"] == family]
    assert len({point["index"] for point in drawn}) == len(drawn) == 60
    assert len(points) >= 59  # yosys fails on one
    assert len({(point["seed"], point["tool"]) for point in drawn}) == 1
    for name, count in shares(points).items():
        assert count >= LEAST[family][name] * len(points), name


@pytest.mark.parametrize("point", MEASURED[::6], ids=lambda p: f"{p['family']}-{p['index']}")
def test_the_estimates_of_drawn_designs_are_those_of_now(point):
    drawn = drawn_design(point["seed"], point["index"])
    assert (drawn.name, drawn.lanes) == (point["name"], point["lanes"])
    amounts, figures = estimated(drawn.machine, point["family"])
    each = calibration(point["family"]).luts
    lut = sum(amount * each[kind] for kind, amount in amounts.items())
    saved = dict(point["estimated"])
    assert lut == pytest.approx(saved.pop("lut"), rel=0.003, abs=1)
    assert figures == saved


def test_drawn_designs_are_the_same_again_and_have_no_constant_column():
    first, second = (drawn_design("a test", 3) for _ in range(2))
    assert first.emission.files == second.emission.files
    assert drawn_design("a test", 4).emission.files != first.emission.files


@pytest.mark.parametrize("family", FAMILIES)
def test_the_points_of_the_calibration_are_met(family):
    """Every fifth of the drawn ones, and the grid."""
    lines = map(json.loads, POINTS.read_text().splitlines())
    points = [point for point in lines if point["family"] == family and "measured" in point]
    points = [p for p in points if (p["family"], p["seed"], p["index"]) not in LEFT_OUT]
    fit, on_grid = calibration(family), list(grid(family))
    assert fit.points == len(points) + len(on_grid) >= 8
    lut, ff = [], []
    some = points if len(points) < 20 else points[::5]
    for point in [*some, *on_grid]:
        if "amounts" in point:
            amounts, figures = point["amounts"], point["estimated"]
        else:
            drawn = design(point["seed"], point["index"])
            assert (drawn.name, drawn.lanes) == (point["name"], point["lanes"])
            amounts, figures = estimated(drawn.machine, family)
        estimate = sum(amount * fit.luts[kind] for kind, amount in amounts.items())
        lut.append(abs(percent(estimate, point["measured"]["lut"])))
        ff.append(abs(percent(figures["ff"], point["measured"]["ff"])))
        for name in ("dsp", "block_ram"):
            assert figures[name] == point["measured"][name], point.get("name", family)
    # The rules of logic follow the netlists of iCE40 and ECP5; 7 series makes shift registers of
    # some flip-flops.
    limit, share = (15, 0.95) if family in ("ice40", "ecp5") else (25, 0.75)
    ff_share = 0.3 if family == "xc7" else 0.87
    assert sum(error <= limit for error in lut) >= share * len(lut)
    assert sum(error <= 5 for error in ff) >= ff_share * len(ff)


@pytest.mark.parametrize(
    ("family", "index"),
    [
        ("ecp5", 9),  # a sum over time behind zeros
        ("ecp5", 18),  # a row of which two results read bits far from each other
        ("ecp5", 25),  # gates with zeros below
        ("ice40", 32),  # an accumulator that is too wide for a block before its top is cut
    ],
)
def test_flip_flops_of_what_the_designs_before_had_wrong(family, index):
    lines = map(json.loads, POINTS.read_text().splitlines())
    point = next(
        point
        for point in lines
        if (point["family"], point["index"]) == (family, index) and point["seed"][0] == "6"
    )
    _, figures = estimated(design(point["seed"], index).machine, family)
    assert figures["ff"] == pytest.approx(point["measured"]["ff"], rel=0.015)
    assert figures["dsp"] == point["measured"]["dsp"]


@pytest.mark.parametrize("family", LEAST)
def test_notes_tell_what_the_drawn_designs_show(family):
    """Of the points themselves, by way of the file that the script writes of them."""
    assert TABLES.read_text() == tables()
    points = [point for point in MEASURED if point["family"] == family]
    fit = calibration(family)
    for name, limit in LIMITS.items():
        near = sum(
            abs(percent(point["estimated"][name], point["measured"][name])) <= limit
            for point in points
        )
        said = f"within {limit:g} % in {near} of {len(points)} designs drawn at random"
        assert fit.note(name).startswith(said)


def test_a_family_without_drawn_designs_tells_of_its_own_points():
    fit = calibration("gw1n")
    assert fit.note("lut").startswith(f"within {fit.lut_error:g} % in 95 of 100 of {fit.points} ")


def test_the_document_shows_what_was_measured():
    assert set(summary()) <= set((ROOT / "docs" / "measurements.md").read_text().splitlines())
