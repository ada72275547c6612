"""Every decision of benchmarks/known_proofs.csv, once more: verdict, states and depth.

    python benchmarks/known_proofs.py [--up-to STATES] [--log FILE]

The file holds what another search of the same networks found (a C program that was written for
them alone, without the engine): the reachable pairs of a network's and the automaton's state, the
greatest depth, and how long the shortest wrong sequence is. A row is one `rnnhw prove`. Rows are
run from the smallest on; the largest has 72 million states and needs 3 GB. The exit code is 1 if a
row comes out differently. What that search counted of the recall designs lacked the start, to which
nothing leads back: 5,092 and 547,358.
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import time
from pathlib import Path
from typing import TextIO

from rnnhw import load, prove
from rnnhw.design.claims import task_automaton
from rnnhw.proof.outcome import Outcome

FOLDER = Path(__file__).resolve().parent
DESIGNS = FOLDER.parent / "designs"
HEAD = ("proof", "verdict", "states", "depth", "CPU s", "as known")


def settings(text: str) -> dict[str, str]:
    """``NAME=VALUE`` words by name."""
    return dict(word.split("=") for word in text.split())


def known(up_to: int | None = None) -> list[dict[str, str]]:
    """The rows of the file, those of the fewest states first; a wrong design has few."""
    with (FOLDER / "known_proofs.csv").open() as file:
        rows = list(csv.DictReader(file))
    chosen = [row for row in rows if up_to is None or size(row) <= up_to]
    return sorted(chosen, key=size)


def size(row: dict[str, str]) -> int:
    """States that a row's search holds, or about 0 where it goes wrong."""
    return int(row["states"] or row["most states"] or 0)


def title(row: dict[str, str]) -> str:
    """The row as options of ``rnnhw prove``, in short."""
    words = [row["design"], row["settings"]]
    if row["equivalent to"]:
        words += ["=", row["equivalent to"], row["its settings"]]
    return " ".join(word for word in [*words, row["automaton"]] if word)


def decide(row: dict[str, str]) -> Outcome:
    """What a search says now."""
    design = load(DESIGNS / f"{row['design']}.py", settings(row["settings"]))
    other = None
    if row["equivalent to"]:
        other = load(DESIGNS / f"{row['equivalent to']}.py", settings(row["its settings"]))
    automaton = task_automaton(design, settings(row["automaton"]))
    most = int(row["most states"]) if row["most states"] else None
    return prove(design, automaton=automaton, equivalent_to=other, max_states=most).outcome


def differs(row: dict[str, str], outcome: Outcome) -> str:
    """What is not as the file says, or nothing; an empty cell of it is not known."""
    found = {"verdict": outcome.verdict.value, "depth": outcome.depth}
    if outcome.verdict.value == "closed":
        found["states"] = outcome.states
    wrong = [
        f"{key} {row[key]}" for key, value in found.items() if row[key] not in ("", str(value))
    ]
    return ", ".join(wrong)


def run(rows: list[dict[str, str]], log: TextIO) -> int:
    """Write a row of a table for each; how many differ."""
    wrong = 0
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", file=log, flush=True)
    for row in rows:
        began = time.process_time()
        outcome = decide(row)
        seconds = time.process_time() - began
        other = differs(row, outcome)
        wrong += bool(other)
        cells = [title(row), outcome.verdict.value, f"{outcome.states:,}", f"{outcome.depth:,}"]
        cells += [f"{seconds:.2f}", f"no: {other}" if other else "yes"]
        print(f"| {' | '.join(cells)} |", file=log, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{len(rows)} rows, {wrong} differ; {peak:,.0f} MB at the peak", file=log)
    return wrong


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--up-to", type=int, metavar="STATES", help="leave larger sets out")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write the table there")
    given = parser.parse_args()
    with given.log.open("w") if given.log else sys.stdout as log:
        wrong = run(known(given.up_to), log)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
