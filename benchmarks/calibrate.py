"""Calibrate the estimate of LUTs against synthesis, and hold all estimates against a grid.

    python benchmarks/calibrate.py [--cache DIR] [--date YYYY-MM-DD]

Synthesises random designs and the grid of ``resource_points.py`` on both families, fits what one
of each kind of logic takes to the random designs, writes ``rnnhw/cost/fpga/calibration.toml`` (the
fit) and ``benchmarks/resources.json`` (the grid, whose points were not fitted, estimated and
measured), and prints the rows of the table in ``README.md``. With ``--cache`` results of the same
Verilog and tool are taken from there.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from resource_points import FAMILIES, GRID, PROFILES, Point, drawn, drawn_others, parameters
from rich.console import Console
from rich.progress import track
from scipy.optimize import nnls

from rnnhw.accelerator import Accelerator, accelerator
from rnnhw.commands.synth import synthesis_flow
from rnnhw.cost.fpga.logic import amounts_of
from rnnhw.cost.fpga.luts import KINDS
from rnnhw.cost.fpga.placement import dsp_blocks, place
from rnnhw.cost.fpga.technology import technology_of
from rnnhw.errors import RnnhwError
from rnnhw.profiles import load_profile
from rnnhw.profiles.device_families import device_families
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import sources, static_module, static_modules
from rnnhw.rtl.tools.yosys import Cells, Tool, required, synthesise

HERE = Path(__file__).parent
SEED = 7
PRIOR = {
    "layer": 15, "phases": 15, "counter": 1.5, "long counter": 0.5, "address": 2,
    "long address": 0.5, "position": 3, "cyclic position": 3, "base": 0.5, "outer accumulator": 2.5,
    "head": 0.5, "register memory": 0.7, "LUT RAM": 4, "rounding": 1.3, "subtraction": 1.5,
    "excess": 0.7, "unsigned excess": 0.5, "comparator": 4, "product": 1.5, "joint": 1.5,
    "ring": 2, "total": 1.5, "steps": 1.5, "passes": 8, "buffer": 3, "pair feed": 16,
    "pair sum": 3.7, "neuron choice": 2, "element": 0.7, "first value": 0.3,
}  # fmt: skip
OF_FAMILY = {
    "ice40": PRIOR,
    "ecp5": PRIOR | {
        "layer": 2, "phases": 10, "counter": 2.9, "address": 2.5, "position": 5.3,
        "cyclic position": 8.4, "outer accumulator": 2, "bias": 1.8, "rounding": 0.8,
        "saturation": 1.5, "excess": 0.3, "addition": 0.8, "subtraction": 2, "comparator": 2.5,
        "total": 2, "steps": 5, "passes": 55, "buffer": 2.5, "pair feed": 80, "pair sum": 3.2,
        "pair choice": 1.5, "phase choice": 4, "neuron choice": 2.5, "element": 1.35,
    },
}  # fmt: skip
"""LUTs of one of a kind as syntheses of single modules and earlier fits suggest; 1 for the others.
Where the designs say little of a kind, the fit stays near."""

CERTAIN = ("LUT RAM", "block choice", "operand choice", "word choice", "row")
"""Kinds of which netlists have as many LUTs as the prior says: the fit hardly moves them."""

STIFFNESS = 1.5e-2
"""How much one relative deviation from the prior weighs against one of a design's LUTs, squared:
what predicts designs best that were left out of the fit."""


def emission(point: Point) -> tuple[Emission, Accelerator]:
    """The Verilog of a point, and its machine."""
    network = point.design().network
    machine = accelerator(network, point.lanes)
    return emit_network("net", network, machine, parameters(network)), machine


def measured(made: Emission, family: str, tool: Tool, cache: Path | None) -> Cells | None:
    """What synthesis makes of it; None where the tool fails."""
    files = dict(made.files) | {f"{m}.v": static_module(m) for m in static_modules(made)}
    text = family + tool.version + json.dumps(files, sort_keys=True)
    kept = cache / f"{hashlib.sha1(text.encode()).hexdigest()}.json" if cache else None
    if kept is not None and kept.exists():
        found = json.loads(kept.read_text())
        return Cells(**found) if found else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).write_text(content)
        try:
            flow = synthesis_flow(device_families()[family])
            cells = synthesise(folder, sources(made), made.name, flow, tool)
        except RnnhwError as error:
            print(f"{family}: {error.message}")
            cells = None
    if kept is not None:
        kept.write_text(json.dumps(cells and asdict(cells)))
    return cells


def estimated(machine: Accelerator, family: str) -> tuple[np.ndarray, dict[str, int]]:
    """Amounts of logic by the order of KINDS, and the figures that are not fitted."""
    profile = load_profile(PROFILES[family])
    amounts, figures = np.zeros(len(KINDS)), {"ff": 0, "dsp": 0, "block_ram": 0}
    for layer in machine.layers:
        found = amounts_of(layer, profile, technology_of(profile))
        assert found is not None
        amounts += [found[0].get(kind, 0) for kind in KINDS]
        figures["ff"] += found[1]
        figures["dsp"] += dsp_blocks(layer, profile) or 0
        figures["block_ram"] += sum(place(memory, profile).blocks for memory in layer.memories)
    return amounts, figures


def fitted(amounts: np.ndarray, luts: np.ndarray, family: str) -> np.ndarray:
    """LUTs of one of each kind, none negative: least squares of the relative errors, with more
    weight where they are large, and near the prior."""
    prior = np.array([OF_FAMILY[family].get(kind, 1.0) for kind in KINDS])
    stiffness = STIFFNESS * np.array([100 if kind in CERTAIN else 1 for kind in KINDS])
    pull = np.sqrt(stiffness) / np.maximum(prior, 0.5)
    weights = np.ones(len(luts))
    for _ in range(4):
        rows = np.vstack([amounts / luts[:, None] * weights[:, None], np.diag(pull)])
        found, _ = nnls(rows, np.concatenate([weights, pull * prior]))
        errors = np.abs(amounts @ found / luts - 1)
        weights = np.sqrt(0.5 + np.minimum(errors / errors.mean(), 4))
    return found


def percent(estimate: float, count: int) -> float:
    """The error of an estimate."""
    return 100 * (estimate / count - 1)


def row(points: list[dict[str, Any]]) -> str:
    """A line of the table: a design on every family."""
    cells = [points[0]["design"], str(points[0]["lanes"])]
    for point in points:
        measured, estimate = point["measured"], point["estimated"]
        for name in ("lut", "ff"):
            error = percent(estimate[name], measured[name])
            cells.append(f"{measured[name]:,} ({error:+.0f} %)")
        cells += [str(measured["dsp"]), str(measured["block_ram"])]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Synthesise, fit, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    options = parser.parse_args()
    tool = required("yosys")
    fitted_to = [*drawn(42, SEED), *drawn(12, SEED, small=True), *drawn_others(48, SEED)]
    made = {point: emission(point) for point in [*fitted_to, *GRID]}
    toml = ["# Written by benchmarks/calibrate.py: LUTs of one of each kind of logic.\n"]
    results: list[dict[str, Any]] = []
    for family in FAMILIES:
        counted: dict[Point, Cells] = {}
        for point, (verilog, _) in track(made.items(), family, console=Console(stderr=True)):
            cells = measured(verilog, family, tool, options.cache)
            if cells is not None:
                counted[point] = cells
        estimates = {point: estimated(made[point][1], family) for point in counted}
        training = [point for point in counted if point not in GRID]
        amounts_of_all = np.array([estimates[point][0] for point in training])
        present = amounts_of_all.any(axis=0)
        unseen = [kind for kind, seen in zip(KINDS, present, strict=True) if not seen]
        each = fitted(
            amounts_of_all,
            np.array([counted[point].lut for point in training], float),
            family,
        )
        errors: dict[str, list[float]] = {"lut": [], "ff": []}
        for point in GRID:
            amounts, figures = estimates[point]
            estimate = {"lut": round(float(amounts @ each)), **figures}
            actual = asdict(counted[point])
            for resource, found in errors.items():
                found.append(abs(percent(estimate[resource], actual[resource])))
            results.append(
                {"family": family, "design": point.name, **asdict(point)}
                | {"estimated": estimate, "measured": actual}
            )
        toml += [
            f"\n[{family}]\n",
            f'tool = "{tool.version}, {synthesis_flow(device_families()[family]).command}"\n',
            f'date = "{options.date}"\npoints = {len(training)}\nheld_out = {len(GRID)}\n',
            *(f"{name}_error = {max(found):.1f}\n" for name, found in errors.items()),
            *(f"{name}_mean_error = {np.mean(found):.1f}\n" for name, found in errors.items()),
            f"unseen = {json.dumps(unseen)}\n",
            f"\n[{family}.luts]\n",
            *(f'"{kind}" = {value:.2f}\n' for kind, value in zip(KINDS, each, strict=True)),
        ]
        summary = ", ".join(
            f"{name} max {max(found):.1f} mean {np.mean(found):.1f} %"
            for name, found in errors.items()
        )
        print(f"{family}: {len(training)} points fitted; held out: {summary}")
    (HERE.parent / "rnnhw" / "cost" / "fpga" / "calibration.toml").write_text("".join(toml))
    data = {"tool": tool.version, "date": options.date, "points": results}
    (HERE / "resources.json").write_text(json.dumps(data, indent=1) + "\n")
    print("\n".join(rows(results)))


def rows(results: list[dict[str, Any]]) -> list[str]:
    """The lines of the table, a design on every family each."""
    by_point: dict[Point, list[dict[str, Any]]] = {point: [] for point in GRID}
    for each in results:
        by_point[Point(**{name: each[name] for name in Point.__dataclass_fields__})].append(each)
    return [row(found) for found in by_point.values()]


if __name__ == "__main__":
    main()
