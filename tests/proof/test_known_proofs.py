"""Reachable sets that another search of the same networks found: verdict, states and depth."""

import importlib.util
import io

import pytest
from helpers.paths import BENCHMARKS

QUICK = 300_000
"""States of the rows that always run; the others are slow and the largest needs 3 GB."""


def script():
    path = BENCHMARKS / "known_proofs.py"
    spec = importlib.util.spec_from_file_location("benchmark_known_proofs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KNOWN = script()


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row,
            id=KNOWN.title(row).replace(" ", "-"),
            marks=[pytest.mark.slow] if KNOWN.size(row) > QUICK else [],
        )
        for row in KNOWN.known()
    ],
)
def test_the_search_finds_what_is_known(row):
    assert KNOWN.differs(row, KNOWN.decide(row)) == ""


def test_a_difference_is_told_and_counted():
    row = next(row for row in KNOWN.known() if row["states"] == "775")
    log = io.StringIO()
    assert KNOWN.run([row, {**row, "depth": "11"}], log) == 1
    assert "| no: depth 11 |" in log.getvalue() and "2 rows, 1 differ" in log.getvalue()
