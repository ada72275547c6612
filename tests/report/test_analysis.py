"""Analyses as text, JSON and HTML: what is known stands in all of them, and the rest says so."""

import json
import re
from dataclasses import replace
from functools import cache

import pytest
from helpers.browser import laid_out
from helpers.paths import DESIGNS
from helpers.schemas import valid

from rnnhw import UsageError, analyze
from rnnhw.dynamics.analyze import WORDS
from rnnhw.report.analysis import analysis_schema, to_html, to_json, to_text
from rnnhw.report.analysis.charts import Curve, curves

RECALL, JORDAN = DESIGNS / "recall_elman.py", DESIGNS / "linear_recurrence_jordan.py"
HOLDS = "twins merge|memory capacity|spectral radius|dead band|warm-up|held input|zero input"


@cache
def found():
    """Two designs over three words, of which two are too narrow and too wide."""
    return analyze([RECALL, JORDAN], vary={"word": [0, 6, 40]})


def test_every_format_has_every_figure():
    analysis = found()
    text, page = to_text(analysis), to_html(analysis)
    for design in analysis.designs:
        assert design.title in text
        for signal in design.ranges:
            assert signal.name in page and signal.format.split(",")[0] in page
        for layer in design.layers:
            for words in HOLDS.split("|"):
                assert words in text and words in page, words
            assert f"{layer.capacity.capacity:.4g}" in text
            assert f"{layer.capacity.capacity:.4g}" in page
    assert page.isascii() and "<script" not in page and "http" not in page
    assert len(text.splitlines()[3]) <= 120
    assert re.search(r"R2 of the input", page) and page.count("<svg") >= 6


def test_structures_are_drawn_together_over_the_delays_of_the_longest():
    analysis = found()
    page = to_html(analysis)
    part = page[page.index(">By structure</h2>") :]
    drawing = part[part.index("R2 of the input") : part.index("</svg>")]
    titles = [
        f"{design.design}: {layer.layer}" for design in analysis.designs for layer in design.layers
    ]
    assert len(titles) == 2
    for title in titles:
        assert part.index(f"{title}</li>") < part.index("<svg") and f"{title}: " in drawing
    # A curve with fewer delays ends where it ends.
    first, second = analysis.designs
    [layer] = first.layers
    kept = replace(layer.capacity, r2=(0.5, 0.25), float_r2=(0.5, 0.25))
    shorter = replace(first, layers=(replace(layer, capacity=kept),))
    page = to_html(replace(analysis, designs=(shorter, second)))
    part = page[page.index(">By structure</h2>") :]
    drawing = part[part.index("R2 of the input") : part.index("</svg>")]
    assert drawing.count("dot k0") == 2 < drawing.count("dot k1")
    places = re.findall(r'cx="([\d.]+)%"[^>]*class="dot k1"', drawing)
    assert re.findall(r'cx="([\d.]+)%"[^>]*class="dot k0"', drawing) == places[:2]


def test_json_is_valid_and_what_is_not_known_is_null():
    data = json.loads(to_json(found()))
    valid(data, analysis_schema)
    assert data["$schema"] == "urn:rnnhw:schema:analysis:1" and data["rnnhw_version"]
    assert (
        data["varied"] == "word" and [each["value"] for each in data["variants"]] == [0, 6, 40] * 2
    )
    [memory] = data["designs"][1]["layers"]
    assert memory["retention"] is None and "retention" in memory["notes"][-1]


def test_a_variant_that_cannot_be_is_told():
    for each in found().variants:
        assert bool(each.layers) == (each.value == 6.0) != bool(each.error)
        assert each.error == "" or each.error.split(": ", 1)[1][:20] in to_html(found())


def test_word_is_varied_only_where_nobody_says_otherwise(monkeypatch):
    monkeypatch.setattr("rnnhw.dynamics.analyze.WORDS", (4,))
    design, small = DESIGNS / "adder_three_neurons.py", {"operand_bits": 2}
    assert [each.value for each in analyze([design], small).variants] == [4, 8]
    assert analyze([design], small, vary={}).variants == ()
    assert analyze([design], {**small, "word": 6}).variants == ()
    assert WORDS == (4, 6, 8, 10, 12, 16)


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        ({"word": [4], "operand_bits": [8]}, "varies one parameter"),
        ({"word": ["x"]}, "'x' is not a number"),
        ({"wrod": [4]}, "unknown parameter"),
    ],
)
def test_what_cannot_be_varied_is_refused(vary, words):
    with pytest.raises(UsageError, match=words):
        analyze([DESIGNS / "adder_three_neurons.py"], vary=vary)


def test_curves_leave_out_what_is_not_known_and_float_is_dashed():
    drawn = curves(
        ["4", "6", "8"],
        [
            Curve("a", [1.0, None, 3.0]),
            Curve("a", [2.0, 2.0, float("inf")], True),
            Curve("b", [0.5] * 3),
        ],
        "word",
        "steps",
    )
    assert drawn.count("<circle") == 5 and drawn.count("dashed") == 1
    assert drawn.count('class="key') == 2
    assert curves(["4"], [Curve("", [None])], "word", "steps") == ""
    one = curves(["4"], [Curve("", [0.0])], "word", "steps")
    assert 'cx="50%"' in one and 'cy="200"' in one


@pytest.mark.tools("chromium")
def test_nothing_overflows_in_a_browser(tmp_path):
    pages = {"analysis": to_html(found())}
    results = laid_out(pages, [1280, 390], dark=False, folder=tmp_path)
    for (_, width), result in results.items():
        assert result["overflow"] == 0 and result["outside"] == [] and result["cells"] == []
        assert len(result["drawings"]) >= 6
        for drawing in result["drawings"]:
            for text in drawing["texts"]:
                assert text["right"] <= width + 1, text
