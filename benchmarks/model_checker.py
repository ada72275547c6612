"""What a public model checker makes of serial adders written as AIGER.

    python benchmarks/model_checker.py [--quick] [--invariants] [--seconds N] [-o result.json]

For each design the AND gates of the circuit, the seconds to write it, and what ABC's
`dc2; scorr; dc2; pdr` says within so many seconds, beside `rnnhw prove`. With `--invariants` the
inductive invariants that `pdr` finds on the raw circuit, and whether a SAT solver agrees that each
is one. Needs yosys-abc.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rnnhw.design.claims import claim_of
from rnnhw.design.design import load
from rnnhw.proof.aiger import aiger
from rnnhw.proof.invariant import invariant_check
from rnnhw.proof.prove import prove

DESIGNS = Path(__file__).parents[1] / "designs"
NETS = (
    ("three_neurons", {"word": 4}),
    ("three_neurons", {"word": 8}),
    ("three_neurons", {"word": 12}),
    ("tridiagonal", {"word": 4, "hidden": 4}),
    ("tridiagonal", {"word": 6, "hidden": 4}),
    ("tridiagonal", {"word": 8, "hidden": 4}),
    ("butterfly_neurons", {"word": 4}),
    ("jordan", {"word": 4}),
    ("jordan", {"word": 8}),
    ("lowrank", {"word": 4}),
    ("dense", {"word": 4, "hidden": 4}),
    ("dense", {"word": 8, "hidden": 4}),
    ("tridiagonal", {"word": 4, "hidden": 8}),
    ("tridiagonal", {"word": 4}),
    ("diagonal", {"word": 4}),
    ("tridiagonal", {"word": 5}),
    ("dense", {"word": 4}),
    ("jordan", {"word": 12}),
)
QUICK = 8
CERTIFIED = (
    ("three_neurons", {"word": 8}),
    ("tridiagonal", {"word": 4, "hidden": 4}),
    ("tridiagonal", {"word": 4, "hidden": 8}),
    ("tridiagonal", {"word": 4}),
)
"""Nets whose invariants are checked."""


def decided(checker: str, file: Path, seconds: int) -> str:
    """What the checker says, in a word or two."""
    script = f"read_aiger {file.name}; dc2; scorr; dc2; pdr -T {seconds}"
    try:
        done = subprocess.run(
            [checker, "-c", script], cwd=file.parent, capture_output=True, text=True,
            timeout=4 * seconds + 60, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "undecided"
    if "Property proved" in done.stdout:
        return "proved"
    wrong = re.search(r"asserted in frame (\d+)", done.stdout)
    return f"wrong after {int(wrong[1]) + 1}" if wrong else "undecided"


def title(name: str, settings: dict[str, int]) -> str:
    """A net in words."""
    return f"{name} {' '.join(f'{key}={value}' for key, value in settings.items())}"


def invariants(checker: str, seconds: int) -> list[dict[str, object]]:
    """A row for each of the nets whose invariants are checked; exits where one is refuted."""
    rows: list[dict[str, object]] = []
    print("| adder | cubes | bytes | pdr, s | SAT, s | |\n|---|---|---|---|---|---|")
    for name, settings in CERTIFIED:
        data = aiger(claim_of(load(DESIGNS / f"adder_{name}.py", settings)))
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "net.aig").write_bytes(data)
            script = f"read_aiger net.aig; pdr -T {seconds} -d -I net.pla"
            found, searched = ran(checker, script, folder)
            if "Property proved" not in found:
                print(f"| {title(name, settings)} | - | - | {searched:.1f} | - | undecided |")
                continue
            invariant = Path(folder, "net.pla").read_text()
            Path(folder, "net.cnf").write_text(invariant_check(data, invariant))
            said, solved = ran(checker, "satoko net.cnf", folder)
        row: dict[str, object] = {
            "net": title(name, settings),
            "cubes": sum(line.startswith(("0", "1", "-")) for line in invariant.splitlines()),
            "bytes": len(invariant),
            "pdr_s": searched,
            "sat_s": solved,
            "holds": "UNSATISFIABLE" in said,
        }
        rows.append(row)
        print(
            f"| {row['net']} | {row['cubes']} | {row['bytes']:,} | {searched:.1f} | {solved:.1f} "
            f"| {'holds' if row['holds'] else 'refuted'} |",
            flush=True,
        )
        if not row["holds"]:
            sys.exit(f"{row['net']}: the invariant is refuted")
    return rows


def ran(checker: str, script: str, folder: str) -> tuple[str, float]:
    """What the checker prints, and its seconds."""
    began = time.perf_counter()
    done = subprocess.run(
        [checker, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout, time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the smallest nets alone")
    parser.add_argument("--invariants", action="store_true", help="check invariants instead")
    parser.add_argument("--seconds", type=int, default=25)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    checker = shutil.which("yosys-abc") or shutil.which("berkeley-abc")
    if checker is None:
        sys.exit("yosys-abc is not installed: apt install yosys")
    if options.invariants:
        checked = invariants(checker, options.seconds)
        if options.output:
            options.output.write_text(json.dumps(checked, indent=2) + "\n")
        return
    rows = []
    print("| adder | ANDs | written, s | checker | s | search | states |")
    print("|---|---|---|---|---|---|---|")
    for name, settings in NETS[: QUICK if options.quick else None]:
        design = load(DESIGNS / f"adder_{name}.py", settings)
        began = time.perf_counter()
        data = aiger(claim_of(design))
        written = time.perf_counter() - began
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "net.aig")
            file.write_bytes(data)
            began = time.perf_counter()
            said = decided(checker, file, options.seconds)
            took = time.perf_counter() - began
        outcome = prove(design).outcome
        wrong = f"wrong after {outcome.depth}"
        found = {"closed": "proved", "wrong": wrong}.get(outcome.verdict.value, "open")
        row = {
            "net": title(name, settings),
            "ands": int(data.split(b"\n", 1)[0].split()[5]),
            "written_s": written,
            "checker": said,
            "checker_s": took,
            "search": found,
            "states": outcome.states,
        }
        rows.append(row)
        print(
            f"| {row['net']} | {row['ands']:,} | {written:.2f} | {said} | {took:.1f} | {found} "
            f"| {outcome.states:,} |",
            flush=True,
        )
        if said not in (found, "undecided"):
            sys.exit(f"{row['net']}: the checker says {said}, the search {found}")
    if options.output:
        options.output.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
