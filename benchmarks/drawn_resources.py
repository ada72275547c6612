"""Hold the frozen estimates against 60 designs a family that nothing was fitted to.

    python benchmarks/drawn_resources.py [--seed COMMIT] [--count 60] [--families ice40,ecp5]
    python benchmarks/drawn_resources.py --summary

Draws the designs of ``drawn_designs.py`` by the hash of the commit that froze a family's
calibration (by default that of its points, or the last one that changed ``calibration.toml``),
synthesises each, and appends it to ``drawn_resources.jsonl``; what stands there already is not done
again, so it may be stopped and called anew. A design on which the tool fails is kept as failed and
counts for nothing.
The summary is the table of ``docs/measurements.md``, and writes
``rnnhw/cost/fpga/drawn_designs.toml``, of which the notes of reports tell.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

from calibrate import FAMILIES, estimated, synthesised
from drawn_designs import drawn_design
from rich.console import Console
from rich.progress import track

from rnnhw.cost.fpga.logic import calibration
from rnnhw.rtl.tools.yosys import required

HERE = Path(__file__).parent
POINTS = HERE / "drawn_resources.jsonl"
TABLES = HERE.parent / "rnnhw" / "cost" / "fpga" / "drawn_designs.toml"
LIMITS = {"lut": 10.0, "ff": 5.0}
"""Percent by which an estimate may be off; multiplier blocks and block RAM must be equal."""


def frozen(family: str) -> str:
    """The commit that froze a family's calibration: that of the points that are there, or else the
    last one that changed the file."""
    for point in known():
        if point["family"] == family:
            return str(point["seed"])
    command = ["git", "log", "-1", "--format=%H", "--", "rnnhw/cost/fpga/calibration.toml"]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=HERE.parent
    ).stdout.strip()


def known() -> list[dict[str, Any]]:
    """The points that are there."""
    lines = POINTS.read_text().splitlines() if POINTS.exists() else []
    return [json.loads(line) for line in lines]


def measure(commit: str, count: int, families: list[str]) -> None:
    """Append what is missing of the designs that are drawn by ``commit``, or by each family's."""
    tool = required("yosys")
    done = {(point["family"], point["seed"], point["index"]) for point in known()}
    seeds = {family: commit or frozen(family) for family in families}
    for index in track(range(count), "designs", console=Console(stderr=True)):
        for family, seed in seeds.items():
            if (family, seed, index) in done:
                continue
            drawn = drawn_design(seed, index)
            each = calibration(family)
            assert each is not None
            amounts, figures = estimated(drawn.machine, family)
            lut = round(sum(amount * each.luts[kind] for kind, amount in amounts.items()))
            point = synthesised(family, seed, drawn, index, tool)
            point["estimated"] = {"lut": lut, **figures}
            with POINTS.open("a") as file:
                file.write(json.dumps(point) + "\n")


def error(point: dict[str, Any], resource: str) -> float:
    """By how many percent an estimate is off."""
    estimate, count = point["estimated"][resource], point["measured"][resource]
    return 100 * (estimate / count - 1) if count else 0.0


def shares(points: list[dict[str, Any]]) -> dict[str, int]:
    """How many points are within the limits, by resource."""
    near = {
        name: sum(abs(error(point, name)) <= limit for point in points)
        for name, limit in LIMITS.items()
    }
    equal = {
        name: sum(point["estimated"][name] == point["measured"][name] for point in points)
        for name in ("dsp", "block_ram")
    }
    return near | equal


def summary() -> list[str]:
    """A line of the table for every family."""
    lines = []
    for family in FAMILIES:
        points = [p for p in known() if p["family"] == family and "measured" in p]
        failed = sum(p["family"] == family and "failed" in p for p in known())
        if not points:
            continue
        found, n = shares(points), len(points)
        cells = [f"{found[name]} ({100 * found[name] / n:.0f} %)" for name in found]
        worst = [f"{max(abs(error(p, name)) for p in points):.1f} %" for name in LIMITS]
        lines.append(f"| {' | '.join([family, str(n), str(failed), *cells, *worst])} |")
    return lines


def tables() -> str:
    """The text of ``drawn_designs.toml``."""
    text = (
        "# Written by benchmarks/drawn_resources.py: designs that no calibration was fitted to.\n"
    )
    for family in FAMILIES:
        points = [p for p in known() if p["family"] == family and "measured" in p]
        if points:
            found = shares(points)
            lines = [
                f"[{family}]",
                f'commit = "{points[0]["seed"]}"',
                f"designs = {len(points)}",
            ]
            for name, limit in LIMITS.items():
                lines += [f"{name} = {found[name]}", f"{name}_percent = {limit:g}"]
            text += "\n" + "\n".join(lines) + "\n"
    return text


def main() -> None:
    """Measure, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default="")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--families", default="ice40,ecp5")
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    if not options.summary:
        measure(options.seed, options.count, options.families.split(","))
    TABLES.write_text(tables())
    print("\n".join(summary()))


if __name__ == "__main__":
    main()
