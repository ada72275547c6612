"""One figure, one value: text, CSV, Markdown, HTML and JSON of random reports agree."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from helpers.report_formats import assert_formats_agree
from helpers.rtl_cases import draw_lanes, draw_stack

from rnnhw.cost.estimation import estimate
from rnnhw.cost.model import Report
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError

PROFILES = ("ecp5-25", "ice40up5k", "gw1nr-9", "zynq-7020", "asic-45nm", "cortex-m4", "cortex-m33")


def drawn(seed: int) -> Report | None:
    """A random stack on a random device; None where the formats make no network."""
    r = random.Random(seed)
    try:
        design = draw_stack(r, 8)
        lanes = draw_lanes(r, design.network)
    except DesignError:
        return None
    return estimate(
        design,
        r.choice(PROFILES),
        lanes=lanes,
        clock_mhz=r.choice([None, 12.5, 40]),
        steps_per_second=r.choice([None, 1000.0]),
        arrangement=Arrangement(engines="shared") if r.random() < 0.2 else None,
    )


@pytest.mark.parametrize("seed", range(40))
def test_every_format_gives_every_figure_one_value(seed: int, tmp_path: Path) -> None:
    report = drawn(seed)
    if report is None:
        pytest.skip("no network")
    assert_formats_agree(report, tmp_path / "saved.json")
