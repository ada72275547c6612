"""The findings quote what the tour's commands print, whose blocks are run."""

from helpers.pages import blocks
from helpers.paths import ROOT


def test_every_quoted_row_is_one_that_a_command_of_the_tour_prints():
    tour = (ROOT / "docs" / "tour.md").read_text().splitlines()
    quoted = [
        line
        for block in blocks(ROOT / "docs" / "findings.md", "text")
        for line in block.splitlines()
    ]
    assert len(quoted) >= 10
    assert [line for line in quoted if line not in tour] == []
