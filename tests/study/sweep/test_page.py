"""The page of a sweep in a real browser."""

import pytest
from helpers.browser import laid_out
from helpers.paths import DESIGNS

from rnnhw import sweep
from rnnhw.study.sweep.page import sweep_page

pytestmark = pytest.mark.tools("chromium")

WIDTHS = [1300, 390]


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    pages = {}
    for name, designs in (("sweep", ["tridiagonal", "diagonal"]), ("all right", ["tridiagonal"])):
        result = sweep(
            [DESIGNS / f"adder_{design}.py" for design in designs],
            vary={"word": [6, 8]},
            settings={"operand_bits": "4"},
            workers=1,
        )
        pages[name] = sweep_page(result, "Sweep of adders")
    return laid_out(pages, WIDTHS, dark=False, folder=tmp_path_factory.mktemp("light"))


@pytest.mark.parametrize("name", ["sweep", "all right"])
def test_the_table_of_a_sweep_fits_a_window(light, name):
    assert light[name, 1300]["scrolled"] == []
    assert light[name, 390]["scrolled"] != []  # a phone moves the table, not the page
    for width in WIDTHS:
        found = light[name, width]
        assert (found["overflow"], found["outside"], found["cells"]) == (0, [], [])


@pytest.mark.parametrize("name", ["sweep", "all right"])
def test_the_axis_of_accuracy_ends_at_one(light, name):
    for drawing in light[name, 1300]["drawings"]:
        texts = {each["text"] for each in drawing["texts"]}
        assert "1" in texts and not texts & {"1.05", "1.1", "1.2"}
