"""Folders of the source tree that tests read."""

from pathlib import Path

__all__ = ["BENCHMARKS", "DESIGNS", "GOLDEN", "ROOT", "TESTS"]

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
DESIGNS = ROOT / "designs"
BENCHMARKS = ROOT / "benchmarks"
GOLDEN = TESTS / "golden"
