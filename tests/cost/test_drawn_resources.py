"""The designs that were drawn by the hash of the commit that froze the calibration: their estimates
are those of now, and as near to synthesis as the documents say."""

import json
import sys

import pytest
from helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from calibrate import FAMILIES, POINTS, estimated, grid, percent
from drawn_designs import drawn_design
from drawn_resources import known, shares, summary

from rnnhw.cost.fpga.logic import calibration

MEASURED = [point for point in known() if "measured" in point]
# Shares of the designs that are within 10 % (LUT), within 5 % (FF), and equal: a little below
# those that were measured.
LEAST = {
    "ice40": {"lut": 0.75, "ff": 0.85, "dsp": 0.95, "block_ram": 0.98},
    "ecp5": {"lut": 0.65, "ff": 0.85, "dsp": 0.98, "block_ram": 0.98},
}


@pytest.mark.parametrize("family", LEAST)
def test_the_drawn_designs_are_as_near_as_the_documents_say(family):
    points = [point for point in MEASURED if point["family"] == family]
    assert len(points) >= 25
    assert len({point["index"] for point in points}) == len(points)
    assert len({(point["seed"], point["tool"]) for point in points}) == 1
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
    assert lut == pytest.approx(saved.pop("lut"), abs=1)
    assert figures == saved


def test_drawn_designs_are_the_same_again_and_have_no_constant_column():
    first, second = (drawn_design("a test", 3) for _ in range(2))
    assert first.emission.files == second.emission.files
    assert drawn_design("a test", 4).emission.files != first.emission.files


@pytest.mark.parametrize("family", FAMILIES)
def test_the_points_of_the_calibration_are_met(family):
    """Within the limits in as many of the points as they were fitted to."""
    lines = map(json.loads, POINTS.read_text().splitlines())
    points = [point for point in lines if point["family"] == family]
    points += grid(family)
    fit = calibration(family)
    assert fit.points == len(points) >= 8
    lut, ff = [], []
    for point in points:
        estimate = sum(amount * fit.luts[kind] for kind, amount in point["amounts"].items())
        lut.append(abs(percent(estimate, point["measured"]["lut"])))
        ff.append(abs(percent(point["estimated"]["ff"], point["measured"]["ff"])))
        for name in ("dsp", "block_ram"):
            assert point["estimated"][name] == point["measured"][name], point["name"]
    assert sum(error <= 15 for error in lut) >= 0.95 * len(lut)
    assert sum(error <= 5 for error in ff) >= 0.87 * len(ff)


def test_the_document_shows_what_was_measured():
    assert set(summary()) <= set((ROOT / "docs" / "measurements.md").read_text().splitlines())
