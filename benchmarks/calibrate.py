"""Calibrate the estimate of LUTs against synthesis, and hold all estimates against a grid.

    python benchmarks/calibrate.py [--draw N] [--families ice40,ecp5] [--date YYYY-MM-DD]

Fits what one of each kind of logic takes to the points of ``calibration_points.jsonl`` and of the
grid of ``resource_points.py`` (``resources.json``), and writes
``rnnhw/cost/fpga/calibration.toml``. With ``--draw`` it first synthesises the designs 0 to N - 1 of
``drawn_designs.py`` with the seed "calibration", as far as they are not among the points, and
appends them. A point is a seed and an index with what was measured: its amounts of logic are
counted anew each time.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from drawn_designs import Drawn, drawn_design
from resource_points import GRID, Point
from rich.console import Console
from rich.progress import track

from rnnhw.accelerator import Accelerator, accelerator
from rnnhw.commands.synth import synthesis_flow
from rnnhw.cost.fpga.logic import amounts_of, calibration, layer_parameters
from rnnhw.cost.fpga.luts import KINDS
from rnnhw.cost.fpga.placement import dsp_blocks, place
from rnnhw.cost.fpga.technology import technology_of
from rnnhw.errors import RnnhwError
from rnnhw.profiles import load_profile
from rnnhw.profiles.device_families import device_families
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.project import sources, static_module, static_modules
from rnnhw.rtl.tools.yosys import Cells, Tool, required, synthesise

HERE = Path(__file__).parent
POINTS = HERE / "calibration_points.jsonl"
LEFT_OUT = {("ice40", "calibration", 11), ("xc7", "calibration", 11)}
"""Points that the fits leave out.

yosys 0.23 had removed their machines, memories and all, when the fits were made (see
``docs/verilog.md``). They were synthesised again since the emitted files avoid that.
"""
FAMILIES = {
    "ice40": "ice40up5k", "ecp5": "ecp5-25", "xc7": "artix-7-35t", "xcup": "zu3eg",
    "gw1n": "gw1nr-9",
}  # fmt: skip
"""A profile of each family that is synthesised. GW2A's cells are GW1N's."""
PRIOR = {
    "layer": 12, "phases": 6, "input": 5, "result": 2, "narrow adder": 1.5, "counter": 1.2,
    "address": 2, "comparison": 0.2, "index": 0.8, "position": 4.3, "cyclic position": 5,
    "base": 0.5, "head": 0.1, "first value": 0.03, "LUT RAM": 4, "saturation of two levels": 0.1,
    "saturation of 7 inputs": 0.1, "shallow choice ahead": 0.1,
    "excess": 0.6, "shallow excess": 0.1, "difference": 0.8, "comparator": 1.2, "floor": 0.1,
    "product": 1.8, "joint": 0.3, "ring": 2, "total": 0.5, "steps": 1.5, "passes": 8, "buffer": 3,
    "pair feed": 16, "pair sum": 3.7, "neuron choice": 2, "element": 0.7,
    "shift by a bit": 0.96, "shift by two bits": 2.1,
}  # fmt: skip
OF_FAMILY = {
    "ice40": PRIOR,
    "ecp5": PRIOR | {
        "layer": 8, "address": 1.5, "long counter": 2, "position": 5, "cyclic position": 8.4,
        "saturation of 7 inputs": 2.7, "saturation of two levels": 4, "shallow excess": 0.5,
        "shallow choice ahead": 3, "LUT RAM choice behind": 2, "comparator": 2.6, "floor": 1,
        "joint": 0.1, "steps": 5, "passes": 20, "buffer": 2.5, "pair feed": 20, "pair sum": 3.2,
        "pair choice": 1, "phase choice": 4, "neuron choice": 1, "element": 1.35,
        "shift by a bit": 1, "shift by two bits": 3.9, "joint addition": 1,
    },
}  # fmt: skip
OF_FAMILY["gw1n"] = OF_FAMILY["ecp5"] | {"passes": 30, "pair feed": 60}
_SIX_INPUTS = {
    "layer": 8, "phases": 6, "saturation": 0.6, "excess": 0.3, "comparator": 1.5, "position": 3,
    "cyclic position": 3, "pair sum": 2, "passes": 6, "pair feed": 10, "product": 1.2,
    "address": 1.2, "counter": 1, "steps": 1, "register choice": 0.5, "difference": 0.1,
    "shift by a bit": 1.05, "shift by two bits": 2,
}  # fmt: skip
OF_FAMILY["xc7"] = PRIOR | _SIX_INPUTS
OF_FAMILY["xcup"] = PRIOR | _SIX_INPUTS | {"LUT RAM": 8}
"""LUTs of one of a kind as syntheses of single modules and earlier fits suggest; 1 for the others.
Where the designs say little of a kind, the fit stays near."""

CERTAIN = (
    "carry", "accumulator", "row", "saturation", "initial value", "collision", "register choice",
    "LUT RAM", "LUT RAM choice", "LUT RAM choice ahead", "block choice", "word choice", "tie",
    "first value", "head", "wide saturation", "wide limit", "joint addition", "product by a bit",
)  # fmt: skip
"""Kinds of which netlists have as many LUTs as the prior says: the fit hardly moves them."""

STIFFNESS = 3e-2
"""How much one relative deviation from the prior weighs against one of a design's LUTs, squared:
what predicts designs best that were left out of the fit."""


def measured(made: Emission, family: str, tool: Tool) -> Cells | str:
    """What synthesis makes of it, or what the tool says where it fails."""
    files = dict(made.files) | {f"{m}.v": static_module(m) for m in static_modules(made)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).write_text(content)
        try:
            flow = synthesis_flow(device_families()[family])
            return synthesise(folder, sources(made), made.name, flow, tool)
        except RnnhwError as error:
            return error.message


def estimated(machine: Accelerator, family: str) -> tuple[dict[str, float], dict[str, int]]:
    """Amounts of logic by kind, and the figures that are not fitted."""
    profile = load_profile(FAMILIES[family])
    amounts: dict[str, float] = {}
    figures = {"ff": 0, "dsp": 0, "block_ram": 0}
    for layer in machine.layers:
        found = amounts_of(layer, profile, technology_of(profile))
        assert found is not None
        for kind, amount in found[0].items():
            amounts[kind] = round(amounts.get(kind, 0) + amount, 3)
        figures["ff"] += found[1]
        figures["dsp"] += dsp_blocks(layer, profile) or 0
        figures["block_ram"] += sum(place(memory, profile).blocks for memory in layer.memories)
    return amounts, figures


def ranges(machine: Accelerator) -> dict[str, list[int]]:
    """The parameters of a machine's layers from lowest to highest."""
    found: dict[str, list[int]] = {}
    for layer in machine.layers:
        for name, value in layer_parameters(layer).items():
            known = found.get(name, [value, value])
            found[name] = [min(value, known[0]), max(value, known[1])]
    return found


def synthesised(family: str, seed: str, drawn: Drawn, index: int, tool: Tool) -> dict[str, Any]:
    """A drawn design as it is measured."""
    cells = measured(drawn.emission, family, tool)
    point: dict[str, Any] = {
        "family": family, "seed": seed, "index": index, "name": drawn.name, "lanes": drawn.lanes,
        "tool": tool.version,
    }  # fmt: skip
    return point | ({"failed": cells} if isinstance(cells, str) else {"measured": asdict(cells)})


def fitted(amounts: np.ndarray, luts: np.ndarray, family: str) -> np.ndarray:
    """LUTs of one of each kind, none negative: least squares of the relative errors, with more
    weight where they are large, and near the prior."""
    from scipy.optimize import nnls

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


@cache
def design(seed: str, index: int) -> Drawn:
    """A design as it is drawn, once for all families."""
    return drawn_design(seed, index)


def points(family: str) -> Iterator[dict[str, Any]]:
    """The measured points of a family, as they are estimated now.

    Raises:
        ValueError: the design of a seed and an index is no longer the one that was measured.
    """
    for line in POINTS.read_text().splitlines() if POINTS.exists() else []:
        point = json.loads(line)
        left_out = (point["family"], point["seed"], point["index"]) in LEFT_OUT
        if point["family"] == family and "measured" in point and not left_out:
            drawn = design(point["seed"], point["index"])
            if (drawn.name, drawn.lanes) != (point["name"], point["lanes"]):
                raise ValueError(f"{point['seed']} {point['index']} is {drawn.name}: draw it anew")
            amounts, figures = estimated(drawn.machine, family)
            more = {"amounts": amounts, "estimated": figures, "ranges": ranges(drawn.machine)}
            yield point | more


def grid(family: str) -> Iterator[dict[str, Any]]:
    """The points of the grid as they are estimated now, and as they were measured."""
    data = json.loads((HERE / "resources.json").read_text())
    for found in data["points"]:
        if found["family"] == family:
            point = Point(**{name: found[name] for name in Point.__dataclass_fields__})
            machine = accelerator(point.design().network, point.lanes)
            amounts, figures = estimated(machine, family)
            yield found | {"amounts": amounts, "estimated": figures, "ranges": ranges(machine)}


def vector(amounts: dict[str, float]) -> list[float]:
    """Amounts in the order of KINDS."""
    return [amounts.get(kind, 0) for kind in KINDS]


def draw(families: list[str], count: int) -> None:
    """Synthesise what is missing of the drawn designs, and append it to the points."""
    tool = required("yosys")
    known = POINTS.read_text().splitlines() if POINTS.exists() else []
    done = {(p["family"], p["seed"], p["index"]) for p in map(json.loads, known)}
    for index in track(range(count), "designs", console=Console(stderr=True)):
        for family in families:
            if (family, "calibration", index) not in done:
                drawn = design("calibration", index)
                point = synthesised(family, "calibration", drawn, index, tool)
                with POINTS.open("a") as file:
                    file.write(json.dumps(point) + "\n")


def calibrated(family: str, date: str) -> dict[str, str]:
    """The tables of a family in the file of calibrations; those of others stay as they are."""
    drawn, known = list(points(family)), list(grid(family))
    every = [*drawn, *known]
    amounts = np.array([vector(point["amounts"]) for point in every])
    luts = np.array([point["measured"]["lut"] for point in every], float)
    each = fitted(amounts, luts, family)
    left_out = []
    for index in range(len(every)):
        others = np.arange(len(every)) != index
        found = float(amounts[index] @ fitted(amounts[others], luts[others], family))
        left_out.append(abs(percent(found, luts[index])))
    fifths = np.random.default_rng(0).permutation(len(every)) % 5
    by_fifths = [
        abs(percent(float(amounts[index] @ coefficients), luts[index]))
        for fifth in range(5)
        for coefficients in [fitted(amounts[fifths != fifth], luts[fifths != fifth], family)]
        for index in np.flatnonzero(fifths == fifth)
        if index < len(drawn)
    ]
    near_drawn, near_fifths = np.array(left_out[: len(drawn)]) <= 10, np.array(by_fifths) <= 10
    ff = [abs(percent(p["estimated"]["ff"], p["measured"]["ff"])) for p in every]
    unseen = [kind for kind, seen in zip(KINDS, amounts.any(axis=0), strict=True) if not seen]
    limits: dict[str, list[int]] = {}
    for point in every:
        for name, (low, high) in point["ranges"].items():
            lowest, highest = limits.get(name, [low, high])
            limits[name] = [min(low, lowest), max(high, highest)]
    command = synthesis_flow(device_families()[family]).command
    print(
        f"{family}: {len(every)} points; left out of the fit: LUT within 10 % in "
        f"{np.mean(np.array(left_out) <= 10):.0%} of all, {np.mean(near_drawn):.0%} of the drawn, "
        f"{np.mean(near_fifths):.0%} of these by fifths, mean {np.mean(left_out):.1f} %; "
        f"FF within 5 % in {np.mean(np.array(ff) <= 5):.0%}"
    )
    lines = [
        f'tool = "{every[0].get("tool", "yosys 0.23")}, {command}"',
        f'date = "{date}"',
        f"points = {len(every)}",
        f"lut_error = {np.quantile(left_out, 0.95):.1f}",
        f"ff_error = {np.quantile(ff, 0.95):.1f}",
        f"lut_mean_error = {np.mean(left_out):.1f}",
        f"ff_mean_error = {np.mean(ff):.1f}",
        f"unseen = {json.dumps(unseen)}",
    ]
    table = [f'"{kind}" = {value:.2f}' for kind, value in zip(KINDS, each, strict=True)]
    limit = [f'"{name}" = {json.dumps(value)}' for name, value in sorted(limits.items())]
    names = ("gw1n", "gw2a") if family == "gw1n" else (family,)
    return {
        name: "\n".join(
            [
                "",
                f"[{name}]",
                *lines,
                "",
                f"[{name}.range]",
                *limit,
                "",
                f"[{name}.luts]",
                *table,
                "",
            ]
        )
        for name in names
    }


def main() -> None:
    """Draw, fit, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", type=int, default=0)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    options = parser.parse_args()
    families = options.families.split(",")
    draw(families, options.draw)
    head = "# Written by benchmarks/calibrate.py: LUTs of one of each kind of logic.\n"
    file = HERE.parent / "rnnhw" / "cost" / "fpga" / "calibration.toml"
    kept = re.split(r"^(?=\n\[\w+\]$)", file.read_text(), flags=re.MULTILINE)[1:]
    tables = {re.findall(r"\w+", table)[0]: table for table in kept}
    for family in families:
        tables |= calibrated(family, options.date)
    file.write_text(head + "".join(tables.values()))
    calibration.cache_clear()
    regrid()


def regrid() -> None:
    """Write the grid's estimates as they are now into ``resources.json``."""
    file = HERE / "resources.json"
    data = json.loads(file.read_text())
    for found in data["points"]:
        point = Point(**{name: found[name] for name in Point.__dataclass_fields__})
        machine = accelerator(point.design().network, point.lanes)
        amounts, figures = estimated(machine, found["family"])
        each = calibration(found["family"])
        assert each is not None
        lut = sum(amount * each.luts[kind] for kind, amount in amounts.items())
        found["estimated"] = {"lut": round(lut), **figures}
    file.write_text(json.dumps(data, indent=1) + "\n")


def rows(results: list[dict[str, Any]]) -> list[str]:
    """The lines of the table of the grid, a design on every family each."""
    by_point: dict[Point, list[dict[str, Any]]] = {point: [] for point in GRID}
    for each in results:
        by_point[Point(**{name: each[name] for name in Point.__dataclass_fields__})].append(each)
    return [row(found) for found in by_point.values()]


if __name__ == "__main__":
    main()
