"""The comparison's page in a real browser: nothing overflows, at any width, light or dark."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from helpers.browser import laid_out, luminance, overlap
from helpers.machines import elman
from helpers.paths import DESIGNS

from rnnhw import compare_costs, compare_reports, estimate
from rnnhw.report.comparison import to_html

pytestmark = pytest.mark.tools("chromium")

FOLDER = DESIGNS
LONG = "a_name_that_is_longer_than_any_that_we_would_give_to_a_design" * 2
UNBROKEN = "x" * 90


@cache
def page(name: str) -> str:
    if name == "ten designs":
        files = sorted(FOLDER.glob("speaker_*.py"))
        found = compare_costs(files, profiles=["ice40up5k"], maximum={"cycles_per_step": 1000})
    elif name == "mixed targets":
        files = [FOLDER / "speaker_lstm.py", FOLDER / "adder_tridiagonal.py"]
        found = compare_costs(files, profiles=["zynq-7020", "cortex-m4", "asic-7nm"], lanes=4)
    else:
        titles = (LONG, UNBROKEN)
        designs = [replace(elman(600), title=title) for title in titles]
        found = compare_reports([estimate(design, "ice40up5k") for design in designs])
    return to_html(found)


PAGES = ["ten designs", "mixed targets", "long names"]
WIDTHS = [1280, 390]


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """Every page in every width as the browser lays it out."""
    folder = tmp_path_factory.mktemp("light")
    return laid_out({name: page(name) for name in PAGES}, WIDTHS, dark=False, folder=folder)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_overflows(name: str, width: int, light) -> None:
    result = light[name, width]
    assert result["overflow"] == 0
    assert result["outside"] == []
    assert result["cells"] == []
    assert result["words"] > 80
    assert len(result["bars"]) >= 6
    for bar in result["bars"]:
        for index, part in enumerate(bar):
            assert part["left"] >= 0 and part["right"] <= width + 1, part
            assert not any(overlap(part, other) for other in bar[index + 1 :]), bar


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_follows_the_readers_scheme(dark: bool, light, tmp_path: Path) -> None:
    results = light
    if dark:
        ten = {"ten designs": page("ten designs")}
        results = laid_out(ten, [1280], dark=True, folder=tmp_path)
    result = results["ten designs", 1280]
    ground, ink = luminance(result["page"]), luminance(result["ink"])
    assert (ground < ink) == dark
    assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) > 7  # WCAG 2, level AAA
