"""Demands on figures that are exact, bounds, or not known."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from helpers.machines import elman
from hypothesis import given
from hypothesis import strategies as st

from rnnhw import Sparse
from rnnhw.cli import main
from rnnhw.cost.demands import judge_report
from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure import Bound, Figure, derived
from rnnhw.cost.model import Report, report_figures, revised
from rnnhw.errors import UsageError
from rnnhw.profiles import Microcontroller, OperationCost, load_profile
from rnnhw.report import to_csv, to_html, to_json, to_markdown, to_text
from rnnhw.report.comparison.model import compare_reports

EXACT = estimate(elman(4), "ecp5-25", lanes=2, clock_mhz=50, steps=10)
UNKNOWN_LUTS = '''"""Twenty banded layers for a Tang Nano 9K."""
from rnnhw import Banded, Design, Elman, Formats, HardTanh, Q, Target

def design(profile="gw1nr-9", layers=20):
    layer = dict(recurrent=Banded(8, 8), activation=HardTanh(), bias=False)
    formats = Formats(input=Q(0, 15), weight=Q(0, 15), sum=Q(3, 12), state=Q(0, 15))
    target = Target(profile, lanes=1, clock_mhz=30)
    names = [f"l{number}" for number in range(layers)]
    return Design([Elman(24, name=name, **layer) for name in names], formats, inputs=24,
                  target=target)
'''


def bounded_at(value: float, bound: Bound | None) -> Report:
    """A report of which the cycles of a step are ``value``, or bounded by it."""
    cycles = Figure(value, "derived", "some operations have no figure", bound)
    return revised(EXACT, totals=revised(EXACT.totals, cycles_per_step=cycles))


@pytest.mark.parametrize(
    ("bound", "kind", "limit", "passed"),
    [
        (None, "min", 50, True),
        (None, "min", 51, False),
        (None, "max", 50, True),
        (None, "max", 49, False),
        ("at least", "min", 50, True),
        ("at least", "min", 51, None),
        ("at least", "max", 49, False),
        ("at least", "max", 50, None),
        ("at most", "max", 50, True),
        ("at most", "max", 49, None),
        ("at most", "min", 51, False),
        ("at most", "min", 50, None),
    ],
)
def test_a_bound_is_judged_where_it_decides(
    bound: Bound | None, kind: str, limit: float, passed: bool | None
) -> None:
    report, demand = bounded_at(50, bound), {"cycles_per_step": limit}
    minimum, maximum = (demand, {}) if kind == "min" else ({}, demand)
    if passed is None:
        with pytest.raises(UsageError) as refused:
            judge_report(report, minimum, maximum)
        said = f"cycles_per_step is {bound} 50 on ecp5-25: whether it keeps --{kind} {limit}"
        assert str(refused.value).startswith(said)
        assert refused.value.hint == "some operations have no figure"
        with pytest.raises(UsageError):
            compare_reports([report], minimum=minimum, maximum=maximum)
        return
    assert [check.passed for check in judge_report(report, minimum, maximum)] == [passed]
    (check,) = compare_reports([report], minimum=minimum, maximum=maximum).checks
    assert (check.passed, check.value_is) == (passed, bound)


@given(
    value=st.integers(0, 20),
    further=st.integers(0, 20),
    bound=st.sampled_from(["at least", "at most"]),
    kind=st.sampled_from(["min", "max"]),
    limit=st.integers(0, 40),
)
def test_no_true_value_contradicts_a_judgement(
    value: int, further: int, bound: Bound, kind: str, limit: int
) -> None:
    demand = {"cycles_per_step": float(limit)}
    demands = (demand, {}) if kind == "min" else ({}, demand)
    true = value + further if bound == "at least" else value - further
    try:
        (judged,) = judge_report(bounded_at(value, bound), *demands)
    except UsageError:
        return
    (exact,) = judge_report(bounded_at(true, None), *demands)
    assert judged.passed == exact.passed


def test_the_share_of_a_bound_is_a_bound() -> None:
    blocks = derived(7, bound="at most")
    resources = tuple(
        revised(each, used=blocks, percent=100 * 7 / 56) if each.name == "block_ram" else each
        for each in EXACT.resources
    )
    report = revised(EXACT, resources=resources)
    assert report_figures(report)["block_ram_percent"] == derived(12.5, bound="at most")
    assert "12.5 or less" in to_text(report)
    with pytest.raises(UsageError):
        judge_report(report, {"block_ram_percent": 10}, {})


def test_a_lower_bound_in_a_profile_of_the_users_own_is_not_a_speed() -> None:
    """The operations of a Cortex-M4 as cycles, where some have no figure."""
    profile = load_profile("cortex-m4")
    assert isinstance(profile, Microcontroller)
    text = msgspec.json.encode(profile.operations).decode().replace('"instructions/', '"cycles/')
    operations = msgspec.json.decode(text, type=tuple[OperationCost, ...])
    mine = msgspec.structs.replace(profile, operations=operations)
    report = estimate(elman(16, Sparse(2, 4), steps_per_second=100.0), mine, steps=10)
    rate = report_figures(report)["steps_per_second"]
    assert rate.bound == "at most" and rate.number is not None
    with pytest.raises(UsageError, match="steps_per_second is at most"):
        judge_report(report, {"steps_per_second": rate.number / 2}, {})
    (check,) = judge_report(report, {"steps_per_second": 2 * rate.number}, {})
    assert not check.passed


# --- whether it fits ------------------------------------------------------------------------------
def report_of(tmp_path: Path, *arguments: str) -> int:
    design = tmp_path / "unknown_luts.py"
    design.write_text(UNKNOWN_LUTS)
    return main(["report", str(design), *arguments])


def test_nothing_fits_while_a_resource_is_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ("--engines", "shared")
    assert report_of(tmp_path, *shared) == 0
    assert "fits: not known (LUT, FF not known)" in capsys.readouterr().out
    assert report_of(tmp_path, *shared, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["fits"] is None
    assert report_of(tmp_path, *shared, "--format", "markdown") == 0
    assert "**fits: not known (LUT, FF not known)**" in capsys.readouterr().out
    assert report_of(tmp_path, *shared, "--format", "html") == 0
    page = capsys.readouterr().out
    assert '<p class="verdict open">fits: not known (LUT, FF not known)</p>' in page
    assert report_of(tmp_path, *shared, "--format", "csv") == 0
    assert capsys.readouterr().out.splitlines()[1].split(",")[2] == "not known"


@pytest.mark.parametrize(
    ("profile", "layers", "engines", "code"),
    [
        ("ecp5-25", 1, "per-layer", 0),
        ("ecp5-25", 60, "per-layer", 1),
        ("gw1nr-9", 20, "per-layer", 1),
        ("gw1nr-9", 2, "shared", 2),
    ],
)
def test_a_demand_that_a_design_fits_passes_fails_or_is_refused(
    tmp_path: Path,
    profile: str,
    layers: int,
    engines: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = ["--set", f"profile={profile}", "--set", f"layers={layers}", "--engines", engines]
    assert report_of(tmp_path, *chosen, "--min", "fits=1") == code
    said = capsys.readouterr().err
    if code == 2:
        assert "fits is not known on gw1nr-9" in said and "LUT, FF" in said


@pytest.mark.parametrize("profile", ["ecp5-25", "ice40up5k", "gw1nr-9", "artix-7-35t", "zu3eg"])
def test_what_fits_has_no_open_resource(profile: str) -> None:
    report = estimate(elman(4), profile, lanes=2)
    open_ones = [each.name for each in report.resources if each.is_used and each.fits is None]
    assert (report.fits is None) is bool(open_ones)
    for render in (to_text, to_markdown, to_html):
        word = "not known (" if report.fits is None else "yes"
        assert f"fits: {word}" in render(report)
    assert to_csv(report) and to_json(report)
