"""Hostile files, hostile names and kills: nothing wrong, lost or let in.

    python benchmarks/hostile.py FOLDER [--files N] [--names N] [--kills N] [--minutes M]

files   damaged and forged .npz, .toml and .json: every command ends in a result or in an error of
        one line with exit code 3, in bounded memory.
names   layers, signals and design files of random names: emitted, and run in iverilog.
kills   ``emit``, ``simulate``, ``report`` and ``sweep`` onto a result that exists, killed at a
        random time: the old files or the new, the user's own files, and after SIGTERM and SIGINT
        nothing else; a sweep goes on from its log.

What is done stands in ``FOLDER/done.jsonl`` with the commit and is left out by the next call, so
that a run can be stopped and resumed. The exit code is 1 where something failed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from helpers.commits import commit

from rnnhw.cli import main as rnnhw
from rnnhw.rtl.modules import MODULES

DESIGN = """
from rnnhw import *
from dataclasses import dataclass
from rnnhw.layers.structures import Dense
import numpy as np

A, B, SIGNALS = {names!r}


@dataclass(frozen=True)
class Cell:
    name: str = ""
    formats = Formats()

    def step(self, g, x):
        bias, wx, uh, total, limited = SIGNALS
        h = g.state(2, "state")
        a = g.linear(Dense(), "W", x, 2, g.constant(bias, 2, "bias"), name=wx)
        a = g.linear(Dense(), "U", h, 2, a, role="recurrent_weight", name=uh)
        t = g.clamp(g.cast(a, "sum", total), -1.0, 1.0, limited)
        return g.update(h, g.cast(g.add(t, h), "state", "new"))

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, self.formats)


def design(seed=0):
    layers = [Elman(2, name=A), Cell(name=B)]
    formats = Formats(input=Q(0, 5), weight=Q(0, 5), sum=Q(2, 4), state=Q(1, 5))
    more = dict(inputs=2, max_steps=9, target=Target("ecp5-25"))
    rng = np.random.default_rng(seed)
    tensors = Design(layers, formats, **more).network.tensors
    weights = {{t.key: rng.uniform(-1, 1, t.shape) for t in tensors}}
    return Design(layers, formats, weights={weights}, **more)
"""
PLAIN = ("rnn", "more", ("b", "Wx", "Uh", "z", "t"))


def outcome(words: list[str], codes: set[int]) -> str | None:
    """What is wrong with how a command ends; None: nothing."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = rnnhw(words)
    said = [line for line in err.getvalue().splitlines() if not line.startswith("hint: ")]
    if code in codes and (code == 0 or (len(said) == 1 and len(said[0]) < 1000)):
        return None
    return f"exit {code}: {' '.join(words)}: {err.getvalue()[:600].strip()}"


# --- files ---------------------------------------------------------------------------------------
def prepared(folder: Path) -> dict[str, bytes]:
    """A design with weights, data, a profile and a saved report; their contents by name."""
    (folder / "d.py").write_text(DESIGN.format(names=PLAIN, weights="'w.npz'"))
    scope: dict[str, object] = {}
    exec(DESIGN.format(names=PLAIN, weights="weights"), scope)
    made = scope["design"]()  # type: ignore[operator]
    np.savez_compressed(folder / "w.npz", **made.weights)
    np.savez(folder / "x.npz", x=np.zeros((2, 7, 2)), lengths=[7, 5])
    profile = ROOT / "rnnhw" / "profiles" / "ecp5-25.toml"
    (folder / "p.toml").write_bytes(profile.read_bytes())
    assert outcome(["report", str(folder / "d.py"), "-o", str(folder / "r.json")], {0}) is None
    return {name: (folder / name).read_bytes() for name in ("w.npz", "x.npz", "p.toml", "r.json")}


def damaged(rng: random.Random, content: bytes, text: bool) -> bytes:
    """``content`` with bytes changed, left out, doubled, or put in from a list of bad ones."""
    for _ in range(rng.choice([1, 1, 2, 5])):
        place = rng.randrange(len(content) + 1)
        end = min(place + rng.choice([1, 2, 30, 400]), len(content))
        evil = rng.choice(
            [b"9" * 5_000, b"[" * 100_000, b"1e999", b"NaN", b"-1", b"\x1b[31m", b'"', b"\n", b"{}"]
            if text
            else [b"\xff" * 8, b"\0" * 8, b"PK\x01\x02", os.urandom(4)]
        )  # fmt: skip
        content = rng.choice(
            [
                content[:place] + evil + content[end:],
                content[:place] + content[end:],
                content[:place],
                content[:end] + content[place:],
            ]
        )
    return content


def forged(rng: random.Random, path: Path) -> None:
    """An archive whose headers lie."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key in rng.sample(["x", "lengths", "y", "rnn.W", "junk"], rng.randint(1, 4)):
            shape = rng.choice([(10**30,), (1 << 33, 1 << 33), (-1, 2), (2, 7, 2), (), (10**9, 0)])
            head = {"descr": rng.choice(["<f8", "|O", "<U9", "<M8[s]"]), "fortran_order": False}
            file = io.BytesIO()
            np.lib.format.write_array_header_1_0(file, {**head, "shape": shape})
            data = bytes(rng.choice([0, 8, 224, 1 << 26]))
            archive.writestr(f"{key}.npy", file.getvalue() + data)


def hostile_file(seed: int, folder: Path) -> str | None:
    """One damaged or forged file through the command that reads it."""
    rng = random.Random(seed)
    whole = prepared(folder)
    name = rng.choice(list(whole))
    path, design = folder / name, str(folder / "d.py")
    if name.endswith(".npz") and rng.random() < 0.4:
        forged(rng, path)
    else:
        path.write_bytes(damaged(rng, whole[name], not name.endswith(".npz")))
    data = ["--data", str(folder / "x.npz")]
    words = {
        "w.npz": ["simulate", design, *data],
        "x.npz": ["simulate", design, *data],
        "p.toml": ["report", design, "--profile", str(path)],
        "r.json": ["compare", str(path), design],
    }[name]
    return outcome(words, {0, 2, 3} if name == "r.json" else {0, 3})


# --- names ---------------------------------------------------------------------------------------
def hostile_name(seed: int, folder: Path) -> str | None:
    """One design of random names, emitted and run in iverilog."""
    rng = random.Random(seed)
    ours = ["x", "y", "clk", "tb", "unused", "row_sum", "sums", "phase", "state_by_unit_d", "run"]
    ours += ["weights", "rst", "module", "wire", "casex", "input", "x_valid", *sorted(MODULES)]

    def name() -> str:
        word = rng.choice(ours)
        if rng.random() < 0.4:
            letters = "abxy_ -+*/\\\"'`$#@;:()[]{}<>|~^&%!?éßΩ漢🎉\n\x1b\0\u202e01"
            word = "".join(rng.choice(letters) for _ in range(rng.randint(1, 12)))
        return word + rng.choice(["", "", "", "_", "_x", "_valid", "_weights", "z" * 60])

    names = (name(), name(), tuple(name() for _ in range(5)))
    stem = "".join(c for c in name() if c not in "/\0") or "d"
    path = folder / f"{stem}.py"
    with contextlib.suppress(OSError):
        path.write_text(DESIGN.format(names=names, weights="weights"))
    np.savez(folder / "x.npz", x=np.random.default_rng(seed).uniform(-1, 1, (2, 4, 2)))
    words = ["emit", str(path), "--data", str(folder / "x.npz"), "-o", str(folder / "out")]
    return outcome([*words, "--lanes", "2", "--check"], {0, 3})


# --- kills ---------------------------------------------------------------------------------------
OUTPUTS = {"emit": "out", "simulate": "out.npz", "report": "out.html", "sweep": "out.json"}
"""Where each command that is killed writes."""


def words_of(command: str, folder: Path, new: bool) -> list[str]:
    """The command line that writes the ``new`` result, or the old one."""
    words = [command, str(folder / "d.py"), "-o", str(folder / OUTPUTS[command])]
    if command == "sweep":
        values = "seed=1,2,3" if new else "seed=0"
        words += ["--vary", values, "--objective", "stored_bits", "--workers", "1"]
        return [*words, "--log", str(folder / "log")]
    words += ["--set", f"seed={int(new)}"]
    return words if command == "report" else [*words, "--data", str(folder / "x.npz")]


def written(place: Path) -> dict[str, bytes]:
    """What stands at ``place``, a file or a folder."""
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    return {file.name: file.read_bytes() for file in files}


def kill(seed: int, folder: Path) -> str | None:
    """A command with other weights onto a result that exists, killed at a random time."""
    rng = random.Random(seed)
    command = rng.choice(list(OUTPUTS))
    place, scratch = folder / OUTPUTS[command], folder / "scratch"
    (folder / "d.py").write_text(DESIGN.format(names=PLAIN, weights="weights"))
    np.savez(folder / "x.npz", x=np.zeros((2, 7, 2)))
    scratch.mkdir()
    whole: list[dict[str, bytes]] = []
    for new in (True, False):
        assert (wrong := outcome(words_of(command, folder, new), {0})) is None, wrong
        (folder / "log").unlink(missing_ok=True)
        whole.append(written(place))
    if place.is_dir():
        (place / "mine.txt").write_text("mine")
    before = {each.name for each in folder.iterdir()}
    stop = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    words = words_of(command, folder, new=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "rnnhw", *words, *(["--check"] if command == "emit" else [])],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    seconds = rng.uniform(0.1, 2.5)
    time.sleep(seconds)
    process.send_signal(stop)
    _, err = process.communicate(timeout=300)
    told = f"{command}, {stop.name} after {seconds:.3f} s: "
    found = written(place)
    if place.is_dir() and found.pop("mine.txt", b"") != b"mine":
        return told + "the user's file is gone"
    if found not in whole:
        return told + "neither the old files nor the new"
    left = {each.name for each in folder.iterdir()} - before - {"log"}
    if stop != signal.SIGKILL and (left or any(scratch.iterdir())):
        return told + f"left {sorted(left)} {sorted(e.name for e in scratch.iterdir())}"
    if command == "sweep":  # it goes on from its log
        if wrong := outcome(words, {0}):
            return told + wrong
        if written(place) != whole[0]:
            return told + "the sweep that goes on gives something else"
    # Before our first line runs, an interrupt is Python's to tell.
    return told + err if "Traceback" in err and "entry.py" in err else None


KINDS: dict[str, Callable[[int, Path], str | None]] = {
    "files": hostile_file,
    "names": hostile_name,
    "kills": kill,
}


def main(show: Callable[[str], None] = print) -> int:
    """Run what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for kind, count in {"files": 1500, "names": 500, "kills": 100}.items():
        parser.add_argument(f"--{kind}", type=int, default=count, metavar="N")
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    record = options.folder / "done.jsonl"
    lines = record.read_text().splitlines() if record.exists() else []
    done = {(each["kind"], each["seed"]): each["fault"] for each in map(json.loads, lines)}
    here, until = commit(), time.monotonic() + 60 * options.minutes
    due = [(kind, seed) for kind in KINDS for seed in range(getattr(options, kind))]
    for kind, seed in due:
        if (kind, seed) in done or time.monotonic() > until:
            continue
        place = (options.folder / f"{kind}-{seed}").resolve()
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        fault = done[kind, seed] = KINDS[kind](seed, place)
        with record.open("a") as file:
            entry = {"kind": kind, "seed": seed, "commit": here, "fault": fault}
            file.write(json.dumps(entry) + "\n")
        if fault is None:
            shutil.rmtree(place)
        else:
            show(f"{kind} {seed}: {fault}")
    bad = sum(fault is not None for fault in done.values())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    show(f"{len(done):,} tried, {bad:,} with faults; at most {most:,} MiB")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
