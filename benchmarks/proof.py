"""States a second, bytes a state and seconds of a check, for searches of the shipped designs.

    python benchmarks/proof.py [--large] [--max-states N] [--rounds N] [--threads N]
                               [--beside PROGRAM]

Rates are states expanded in a second of CPU time of one thread. "2 threads" is the time on the
clock of one thread by that of several; "2 searches" is how many searches of one thread, run at the
same time, are worth: what the machine's cores, caches and memory give. Both are taken one after the
other in each round, and only an idle machine tells anything. ``--beside``
names a program that searches the same net, for example one compiled for it alone. It is called as
``PROGRAM MAX_STATES adder DESIGN NAME=VALUE`` and prints ``N states`` and ``X M states/s``; it runs
once a round beside ours, so that both meet the same machine. It should count CPU time too.
``--max-states`` stops both where the large net has as many.
"""

import argparse
import re
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import rnnhw
from rnnhw.design.claims import claim_of
from rnnhw.proof.certificate import save
from rnnhw.proof.check import check
from rnnhw.proof.search import Search

DESIGNS = Path(__file__).resolve().parents[1] / "designs"
NETS = [("dense", 8), ("tridiagonal", 8), ("dense", 10), ("dense", 12), ("tridiagonal", 10)]
LARGE = ("tridiagonal", 12)
CHECKED = 1_000_000
"""Certificates of up to so many states are written and checked."""
SHARED = 100_000
"""Threads share searches of at least so many states."""


def search_once(claim, threads=1, most=None):
    """The search, its outcome, its seconds of CPU time and those on the clock."""
    search = Search(claim, threads=threads, max_states=most)
    search.begin()
    began = time.process_time(), time.monotonic()
    outcome = search.run()
    return search, outcome, time.process_time() - began[0], time.monotonic() - began[1]


def at_once(claim, count, most=None):
    """The seconds on the clock of so many searches of one thread at the same time."""
    began = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        for each in [pool.submit(search_once, claim, 1, most) for _ in range(count)]:
            each.result()
    return time.monotonic() - began


def beside_once(program, name, word, states, most=None):
    """States a second that the other program prints, in millions."""
    design = str(DESIGNS / f"adder_{name}.py")
    command = [program, str(most or 2 * states), "adder", design, f"word={word}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert most or f" {states} states" in f" {out}", out
    return max(float(rate) for rate in re.findall(r"([\d.]+) M states/s", out))


def certified(claim, search, outcome):
    """Bytes a state of the certificate, and seconds to write and to check it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "proof"
        began = time.process_time()
        save(path, search, outcome.verdict)
        written = time.process_time()
        assert not check(claim, path).fault
        size = path.stat().st_size / outcome.states
        return size, written - began, time.process_time() - written


def main():
    """Print a row a net."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="72 million states too: 3 GB")
    parser.add_argument("--max-states", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--beside", metavar="PROGRAM")
    given = parser.parse_args()
    heads = ["net", "states", "depth", "M states/s", "bytes a state", "file", "write s", "check s"]
    count = given.threads
    heads += [f"{count} threads", f"{count} searches", "beside"]
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    for name, word in [*NETS, *([LARGE] if given.large else [])]:
        claim = claim_of(rnnhw.load(DESIGNS / f"adder_{name}.py", {"word": word}))
        large = (name, word) == LARGE
        most = given.max_states if large else None
        rates, ratios, shares, limits = [], [], [], []
        for _ in range(1 if large else given.rounds):
            search, outcome, seconds, alone = search_once(claim, 1, most)
            rates.append(int(search.frontier.done.sum()) / seconds / 1e6)
            if outcome.states >= SHARED:
                shares.append(alone / search_once(claim, count, most)[3])
                if not large:
                    limits.append(count * alone / at_once(claim, count, most))
            if given.beside:
                other = beside_once(given.beside, name, word, outcome.states, most)
                ratios.append(rates[-1] / other)
        row = [f"{name} {word} bits", f"{outcome.states:,}", str(outcome.depth)]
        row += [f"{statistics.median(rates):.2f}", f"{search.bytes / outcome.states:.1f}"]
        if outcome.states <= CHECKED:
            size, write, checked = certified(claim, search, outcome)
            row += [f"{size:.2f} B", f"{write:.2f}", f"{checked:.2f}"]
        else:
            row += ["-", "-", "-"]
        row += [
            f"{statistics.median(each):.2f} x" if each else "-" for each in (shares, limits, ratios)
        ]
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
