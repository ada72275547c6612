"""The HTML report in a real browser: nothing overflows or overlaps, at any width, light or dark.

Chromium lays the page out; a script that is added for the test measures it. Nothing is fetched.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from machines import FORMATS

from rnnhw import Design, Elman, Linear, load
from rnnhw.cost import estimate
from rnnhw.report import to_html

FOLDER = Path(__file__).parents[1] / "designs"
BROWSER = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        if (found := shutil.which(name))
    ),
    None,
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

REPORTS = {
    "lstm": ("speaker_lstm", "ecp5-25", 4),
    "deep stack": ("deep_stack_head", "zynq-7020", 2),
    "butterfly": ("speaker_butterfly", "ice40up5k", 8),
    "microcontroller": ("adder_tridiagonal", "cortex-m4", 1),
}
WIDTHS = [1280, 390]

MEASURE = """
<script>
const box = element => {
  const r = element.getBoundingClientRect();
  return {text: element.textContent, left: r.left, right: r.right, top: r.top, bottom: r.bottom,
          size: parseFloat(getComputedStyle(element).fontSize)};
};
const colour = (element, name) => getComputedStyle(element)[name];
const root = document.documentElement;
const result = {
  overflow: root.scrollWidth - root.clientWidth,
  width: root.clientWidth,
  page: colour(document.body, "backgroundColor"),
  ink: colour(document.body, "color"),
  drawings: [...document.querySelectorAll("svg")].map(
    svg => ({frame: box(svg), texts: [...svg.querySelectorAll("text")].map(box)})),
  words: [...document.querySelectorAll("h1, h2, h3, p, li, dt, dd, th, td")].length,
  outside: [...document.querySelectorAll("body *")].filter(
    e => !e.closest(".scroll, .unseen, svg") && e.getBoundingClientRect().right > root.clientWidth
  ).map(e => e.outerHTML.slice(0, 80)),
  cells: [...document.querySelectorAll("td, th")].filter(
    e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent),
};
const out = parent.document.createElement("pre");
out.id = "measured";
out.textContent = JSON.stringify(result);
parent.document.body.append(out);
</script>
"""


LONG = "a_name_that_is_longer_than_any_that_we_would_give_to_a_layer" * 2


@cache
def page(name: str) -> str:
    if name == "long names":
        layers = [Elman(300, name=LONG), Linear(2, name=f"{LONG}2")]
        design = Design(layers=layers, formats=FORMATS, inputs=300, steps_per_second=1e7)
        return to_html(estimate(replace(design, title=LONG), "ice40up5k", lanes=2))
    design_name, profile, lanes = REPORTS[name]
    return to_html(estimate(load(FOLDER / f"{design_name}.py"), profile, lanes=lanes))


def measured(name: str, width: int, *, dark: bool, folder: Path) -> dict:
    """The page as the browser lays it out."""
    file = folder / "report.html"
    inner = html.escape(page(name).replace("</body>", f"{MEASURE}</body>"))
    # In a frame, because a window has a least width.
    file.write_text(f'<!DOCTYPE html><iframe srcdoc="{inner}" style="border: 0; width: {width}px">')
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'browser'}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--window-size=1400,1000",
        "--dump-dom",
        file.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="measured">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    result = json.loads(html.unescape(found[1]))
    assert result["width"] == width
    return result


def overlap(a: dict, b: dict) -> bool:
    """Whether two boxes share more than their rims."""
    across = min(a["right"], b["right"]) - max(a["left"], b["left"])
    down = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
    return across > 1 and down > 3  # the boxes of two lines of text share some of their leading


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [*REPORTS, "long names"])
def test_nothing_overflows_and_no_two_labels_overlap(name: str, width: int, tmp_path: Path) -> None:
    result = measured(name, width, dark=False, folder=tmp_path)
    assert result["overflow"] == 0
    assert result["outside"] == []
    assert result["cells"] == []
    assert result["words"] > 100
    assert len(result["drawings"]) == (0 if name == "microcontroller" else 2)
    for drawing in result["drawings"]:
        texts = drawing["texts"]
        assert len(texts) > 5
        for index, text in enumerate(texts):
            assert text["size"] >= 10, text
            assert text["left"] >= 0 and text["right"] <= width, text
            assert text["bottom"] <= drawing["frame"]["bottom"] + 1, text
            for other in texts[index + 1 :]:
                assert not overlap(text, other), (text, other)


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance of ``rgb(r, g, b)``."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_follows_the_readers_scheme(dark: bool, tmp_path: Path) -> None:
    result = measured("lstm", 1280, dark=dark, folder=tmp_path)
    ground, ink = luminance(result["page"]), luminance(result["ink"])
    assert (ground < ink) == dark
    assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) > 7  # WCAG 2, level AAA
