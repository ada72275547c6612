"""The HTML report in a real browser: nothing overflows or overlaps, at any width, light or dark.

Chromium lays the page out; a script that is added for the test measures it. Nothing is fetched.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from helpers.browser import laid_out, luminance, overlap
from helpers.machines import FORMATS
from helpers.paths import DESIGNS

from rnnhw import Bidirectional, Design, Elman, Formats, Linear, Q, Residual, load
from rnnhw.cost.estimation import estimate
from rnnhw.report import to_html

FOLDER = DESIGNS
pytestmark = pytest.mark.tools("chromium")

REPORTS = {
    "lstm": ("speaker_lstm", "ecp5-25", 4),
    "deep stack": ("deep_stack_head", "zynq-7020", 2),
    "butterfly": ("speaker_butterfly", "ice40up5k", 8),
    "microcontroller": ("adder_tridiagonal", "cortex-m4", 1),
}
WIDTHS = [1280, 390]

LONG = "a_name_as_long_as_any_that_a_layer_may_have_" + "x" * 19


@cache
def page(name: str) -> str:
    if name == "branches":
        layers = [
            Bidirectional(Elman(8), name="both"),
            Residual([Elman(16, name=LONG)], name="around", join="concatenate"),
            *(Linear(16, name=f"head{k}", formats=Formats(output=Q(0, 7))) for k in range(3)),
        ]
        return to_html(estimate(Design(layers, FORMATS, inputs=3), "ecp5-25"))
    if name == "long names":
        layers = [Elman(300, name=LONG), Linear(2, name=f"{LONG}2")]
        design = Design(layers=layers, formats=FORMATS, inputs=300, steps_per_second=1e7)
        return to_html(estimate(replace(design, title=LONG), "ice40up5k", lanes=2))
    design_name, profile, lanes = REPORTS[name]
    return to_html(estimate(load(FOLDER / f"{design_name}.py"), profile, lanes=lanes))


PAGES = [*REPORTS, "long names", "branches"]


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """Every page in every width as the browser lays it out."""
    folder = tmp_path_factory.mktemp("light")
    return laid_out({name: page(name) for name in PAGES}, WIDTHS, dark=False, folder=folder)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_overflows_and_no_two_labels_overlap(name: str, width: int, light) -> None:
    result = light[name, width]
    assert result["overflow"] == 0
    assert result["outside"] == []
    assert result["cells"] == []
    assert result["words"] > 100
    assert len(result["drawings"]) == (1 if name == "microcontroller" else 3)
    for drawing in result["drawings"]:
        texts = drawing["texts"]
        assert len(texts) > 5
        for index, text in enumerate(texts):
            assert text["size"] >= 10, text
            assert text["left"] >= 0 and text["right"] <= width, text
            assert text["bottom"] <= drawing["frame"]["bottom"] + 1, text
            for other in texts[index + 1 :]:
                assert not overlap(text, other), (text, other)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_follows_the_readers_scheme(dark: bool, light, tmp_path: Path) -> None:
    results = light
    if dark:
        results = laid_out({"lstm": page("lstm")}, [1280], dark=True, folder=tmp_path)
    result = results["lstm", 1280]
    ground, ink = luminance(result["page"]), luminance(result["ink"])
    assert (ground < ink) == dark
    assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) > 7  # WCAG 2, level AAA
