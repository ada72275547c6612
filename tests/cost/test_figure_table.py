"""The table of figures: complete, in the order of the fields, and true to the arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from helpers.machines import elman

from rnnhw import Sparse
from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure import Figure, derived, not_known, not_used
from rnnhw.cost.figure_table import (
    COMPARED,
    ENERGY,
    LAYER_COLUMNS,
    ROWS,
    SPEED,
    STEP_CYCLES,
    STEP_WORK,
    TILES,
    Holds,
    Line,
    OperatingPoint,
    Section,
    Totals,
    figures_of,
    memory_rows,
    resource_rows,
    totals_of,
)
from rnnhw.cost.model import LayerReport, Report
from rnnhw.profiles import Microcontroller, OperationCost, load_profile
from rnnhw.report import to_csv, to_html, to_json, to_markdown, to_text
from rnnhw.report.saved import read_report


@pytest.mark.parametrize("part", [Totals, OperatingPoint])
def test_rows_are_the_fields_in_their_order(part: type[Totals | OperatingPoint]) -> None:
    fields = part.__struct_fields__
    assert tuple(key for key in ROWS if key in fields) == fields
    assert all(ROWS[key].key == key for key in fields)


def test_a_layers_figures_have_rows() -> None:
    (layer,) = estimate(elman(8), "ecp5-25").layers
    figures = [n for n in LayerReport.__struct_fields__ if isinstance(getattr(layer, n), Figure)]
    assert set(figures) <= set(ROWS) and set(LAYER_COLUMNS) <= set(figures)


def test_views_name_rows_once_and_by_section() -> None:
    for view in (SPEED, STEP_CYCLES + STEP_WORK, ENERGY, TILES):
        keys = [line.key for line in view]
        assert len(keys) == len(set(keys)) and set(keys) <= set(ROWS)
        totals = set(Totals.__struct_fields__)
        assert {each for line in view for each in (line.given, line.instead_of)} <= totals | {""}
    assert len(set(COMPARED)) == len(COMPARED)
    sections = [ROWS[key].section for key in COMPARED]
    assert sections == sorted(sections, key=get_args(Section).index)
    assert {key for key, row in ROWS.items() if row.is_share} == {
        key for key in ROWS if key.endswith("_percent")
    }
    assert set(resource_rows()) == {"block_ram", "dsp", "lut", "ff", "flash", "ram"}
    assert tuple(memory_rows("stored")) == tuple(memory_rows("as memory")) == get_args(Holds)


def test_units_end_keys_where_there_are_units() -> None:
    units = {"us": "_us", "MHz": "_mhz", "pJ": "_pj", "%": "_percent", "bytes": "_bytes"}
    for key, row in ROWS.items():
        if row.unit in units:
            assert key.endswith(units[row.unit])
        assert row.heading.count(row.unit) <= 1 or not row.unit


def test_totals_that_are_not_named_do_not_exist_on_the_target() -> None:
    totals = totals_of(lanes=derived(3))
    assert dict(figures_of(totals)) == {
        name: derived(3) if name == "lanes" else not_used() for name in Totals.__struct_fields__
    }
    with pytest.raises(TypeError, match="cycles"):
        totals_of(cycles=derived(3))


def test_lines_stand_where_they_say() -> None:
    totals = totals_of(lanes=derived(3), macs_per_step=not_known())
    for shown, stands in {
        "always": (True, True, True, True),
        "used": (False, True, True, True),
        "known": (False, False, True, True),
        "not zero": (False, False, False, True),
    }.items():
        figures = (not_used(), not_known(), derived(0), derived(2))
        line = Line("lanes", shown=shown)  # type: ignore[arg-type]
        assert tuple(line.stands(figure, totals) for figure in figures) == stands
    assert Line("luts", given="lanes").stands(derived(1), totals)
    assert not Line("luts", given="macs_per_step").stands(derived(1), totals)
    assert not Line("luts", instead_of="macs_per_step").stands(derived(1), totals)
    assert Line("luts", instead_of="utilisation").stands(derived(1), totals)


# --- bounds ------------------------------------------------------------------------------------
def counted_in_cycles() -> Report:
    """A network with operations that have no figure, on a profile that knows cycles."""
    profile = load_profile("cortex-m4")
    assert isinstance(profile, Microcontroller)
    text = msgspec.json.encode(profile.operations).decode().replace('"instructions/', '"cycles/')
    costs = msgspec.json.decode(text, type=tuple[OperationCost, ...])
    design = elman(16, Sparse(2, 4), steps_per_second=100.0)
    return estimate(design, msgspec.structs.replace(profile, operations=costs), steps=10)


RULES = {
    **dict.fromkeys(("cycles_per_step", "step_latency_cycles", "cycles_per_sequence"), "at least"),
    **dict.fromkeys(("lowest_clock_mhz", "step_latency_us", "sequence_time_us"), "at least"),
    "duty_cycle_percent": "at least",
    **dict.fromkeys(("steps_per_second", "sequences_per_second"), "at most"),
    "deadline_slack_percent": "at most",
}
"""What a lower bound of the cycles of a step makes of every figure; of others nothing."""


def test_what_follows_from_a_lower_bound_of_cycles_is_a_bound_by_its_rule() -> None:
    report = counted_in_cycles()
    totals, point = report.totals, report.operating_points[0]
    assert totals.cycles_per_step.bound == "at least"
    for name, figure in (*figures_of(totals), *figures_of(point)):
        if figure.value is not None:
            assert figure.bound == RULES.get(name), name
    assert point.steps_per_second.bound == point.deadline_slack_percent.bound == "at most"
    exact = estimate(elman(16, steps_per_second=100.0), "ecp5-25", steps=10)
    parts = (exact.totals, *exact.operating_points)
    assert not any(figure.bound for part in parts for _, figure in figures_of(part))


def test_bounds_are_shown_and_saved(tmp_path: Path) -> None:
    report = counted_in_cycles()
    rate = report.operating_points[0].steps_per_second.number
    for render in (to_text, to_markdown, to_html):
        assert f"{rate:,.0f} or less" in render(report)
    assert to_csv(report)
    path = tmp_path / "saved.json"
    path.write_bytes(to_json(report))
    assert read_report(path)[0] == report
    saved = json.loads(to_json(report))["operating_points"][0]["steps_per_second"]
    assert saved["bound"] == "at most" and "note" not in saved
