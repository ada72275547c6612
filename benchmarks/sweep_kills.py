"""Sweeps that are killed at random times, and what they lose: nothing.

    python benchmarks/sweep_kills.py [--kills 20] [--seed 0]

Each trial runs `rnnhw sweep` on two processes and kills, with SIGKILL, the parent or one of its
workers at a random time; then the same command goes on from the log. Held against a sweep that
nobody killed: the same results, bit for bit; each point once in the log; after the parent's death
no finished point is run again; a killed worker has at most one point started twice. A design file
that notes the process in which it is made tells what was started.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORDS = range(4, 16)
DESIGN = '''"""An adder that notes which process makes it."""

import os
from pathlib import Path

from rnnhw import load


def design(word=8):
    with Path(os.environ["MADE"]).open("a") as file:
        file.write(f"{{os.getpid()}} {{word}}\\n")
    settings = {{"word": word, "hidden": 4, "operand_bits": 7}}
    return load({base!r}, settings).with_formats({{}})
'''


@dataclass(frozen=True)
class Trial:
    """What one kill did: who was killed and how many points were finished then, those that were
    run again though they were finished, those that were started more than once, and whether the
    results are those of the sweep that nobody killed."""

    victim: str
    finished: int
    again: tuple[int, ...]
    twice: tuple[int, ...]
    equal: bool

    @property
    def sound(self) -> bool:
        """Whether nothing was lost."""
        return self.equal and not self.again and len(self.twice) <= 1


def write_design(folder):
    """The design file of all trials."""
    base = str(ROOT / "designs" / "adder_tridiagonal.py")
    (folder / "adder.py").write_text(DESIGN.format(base=base))
    return folder / "adder.py"


def start(design, log, made, result):
    """A sweep as a process of its own group."""
    command = [sys.executable, "-m", "rnnhw", "sweep", str(design), "--workers", "2"]
    command += ["--vary", f"word={WORDS[0]}:{WORDS[-1]}", "--log", str(log), "-o", str(result)]
    environment = {**os.environ, "MADE": str(made), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def whole(design, folder):
    """The results of a sweep that nobody kills, and the seconds from its log's first line on."""
    log = folder / "whole.log"
    process = start(design, log, folder / "whole.made", folder / "whole.json")
    wait_until(lambda: log.exists() and log.stat().st_size)
    begin = time.monotonic()
    assert process.wait() == 0
    return (folder / "whole.json").read_bytes(), time.monotonic() - begin


def wait_until(condition, seconds=600.0):
    """Wait for a condition, but not for ever."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)


def children(pid):
    """The processes that a process has started and that run Python's spawn."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            line = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"spawn_main" in line:
                found.append(int(child))
    return found


def logged(log):
    """The words of the finished points, in the order of the log."""
    if not log.exists():
        return []
    lines = [line for line in log.read_bytes().splitlines(True)[1:] if line.endswith(b"\n")]
    return [json.loads(line)["values"]["word"] for line in lines]


def started(made, without):
    """The words of the points that were started, by processes other than ``without``."""
    if not made.exists():
        return []
    pairs = [map(int, line.split()) for line in made.read_text().splitlines()]
    return [word for pid, word in pairs if pid != without]


def trial(design, folder, expected, seconds, victim, seed):
    """Kill ``victim`` (parent or worker) within the ``seconds`` after the log's first line."""
    folder.mkdir()
    log, first, second = folder / "log", folder / "first", folder / "second"
    process = start(design, log, first, folder / "result.json")
    wait_until(lambda: (log.exists() and log.stat().st_size) or process.poll() is not None)
    wait = random.Random(seed).uniform(0.0, 1.0) * seconds
    wait_until(lambda: process.poll() is not None, wait)
    workers = children(process.pid) if process.poll() is None else []
    finished = logged(log)
    if victim == "parent":
        process.kill()
        finished = logged(log)
    elif workers:
        os.kill(random.Random(seed).choice(workers), signal.SIGKILL)
    process.wait()
    twice = [word for word, count in Counter(started(first, process.pid)).items() if count > 1]
    following = start(design, log, second, folder / "result.json")
    assert following.wait() == 0
    again = set(finished) & set(started(second, following.pid))
    words = logged(log)
    equal = (folder / "result.json").read_bytes() == expected
    equal = equal and sorted(words) == list(WORDS) and words[: len(finished)] == finished
    return Trial(victim, len(finished), tuple(sorted(again)), tuple(twice), equal)


def main():
    """Print a line a kill; exit 1 where one lost something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        design = write_design(folder)
        expected, seconds = whole(design, folder)
        print(f"{len(WORDS)} points in {seconds:.1f} s")
        for number in range(2 * given.kills):
            victim, seed = ("parent", "worker")[number % 2], given.seed + number // 2
            found = trial(design, folder / str(number), expected, seconds, victim, seed)
            failed += not found.sound
            print(
                f"{victim:6} seed {seed:3}: {found.finished:2} of {len(WORDS)} finished, again "
                f"{list(found.again)}, started twice {list(found.twice)}, "
                f"{'equal' if found.equal else 'NOT EQUAL'}",
                flush=True,
            )
    print(f"{2 * given.kills} kills, {failed} that lost something")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
