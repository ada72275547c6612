"""Random designs on random profiles and schedules through report, compare and emit.

    python benchmarks/fuzz.py FOLDER [--seeds FIRST:END] [--minutes M]

Every run must end with exit code 0 or 1, or with an error in at most two lines and code 2 or 3;
anything else is printed with its seed and kept in ``FOLDER/SEED``. Seeds that are done stand in
``FOLDER/done.jsonl`` and are left out by the next call, so that a run can be stopped and resumed.
The exit code is 1 where a seed failed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnnhw.cli import main as rnnhw
from rnnhw.design.design import load
from rnnhw.errors import RnnhwError
from rnnhw.profiles import profile_names

ROLES = ("input", "weight", "sum", "gate", "state", "cell", "output", "bias", "recurrent_sum")
OPTIONAL = ("product", "accumulator", "stage", "output", "recurrent_sum", "bias", "gate")
ACTIVATIONS = ("Tanh()", "Sigmoid()", "HardTanh()", "ReLU()", "Identity()")


def format_text(rng: random.Random) -> str:
    """A format; narrow ones and empty parts are as likely as sensible ones."""
    whole = rng.choice([0, 0, 1, 2, 3, 5, 9])
    fraction = rng.choice([0, 1, 3, 4, 7, 8, 12, 16])
    more = ""
    if rng.random() < 0.15:
        more += ", signed=False"
    if rng.random() < 0.15:
        more += f", overflow=Overflow.{rng.choice(['WRAP', 'SAT', 'SAT_SYM', 'SAT_ZERO'])}"
    if rng.random() < 0.15:
        more += f", rounding=Rounding.{rng.choice(['TRN', 'RND', 'RND_CONV', 'TRN_ZERO'])}"
    return f"Q({whole}, {fraction}{more})"


def structure_text(rng: random.Random, units: int, depth: int = 0) -> str:
    """A structure for a square matrix of ``units``."""
    simple = [
        "Dense()", f"Banded({rng.randrange(units)}, {rng.randrange(units)})", "Diagonal()",
        "Circulant()", "Toeplitz()",
        f"LowRank({rng.randint(1, units)})", f"BlockDiagonal({rng.randint(1, units)})",
        f"CyclicBand({rng.randint(1, 3)})", "Hadamard()", "Butterfly()", f"Monarch({units})",
        "UnitWeights()", f"Permutation({rng.sample(range(units), units)})",
        f"Sparse({rng.randint(1, 2)}, {rng.randint(2, 4)})",
    ]  # fmt: skip
    if depth < 2 and rng.random() < 0.2:
        kind = rng.choice(["Sum", "Product"])
        parts = [structure_text(rng, units, depth + 1) for _ in range(2)]
        return f"{kind}({', '.join(parts)})"
    return rng.choice(simple)


def layer_text(rng: random.Random, number: int) -> str:
    """A layer with options at random."""
    units = rng.choice([1, 2, 3, 4, 5, 8, 16, 17])
    name = f"name='l{number}'"
    recurrent = f"recurrent={structure_text(rng, units)}"
    activation = f"activation={rng.choice(ACTIVATIONS)}"
    return rng.choice(
        [
            f"Elman({units}, {recurrent}, {activation}, {name})",
            f"LeakyElman({units}, {recurrent}, {name})",
            f"LSTM({units}, {recurrent}, {name})",
            f"LSTM({units}, projection={rng.randint(1, units)}, {name})",
            f"GRU({units}, {recurrent}, reset={rng.choice(['after', 'before'])!r}, {name})",
            f"MinGRU({units}, {name})",
            f"JordanNetwork({units}, {rng.randint(1, 4)}, {name})",
            f"Linear({units}, {activation}, {name})",
            f"Linear({units}, bias=False, {name})",
            f"Window({rng.randint(1, 4)}, {name})",
            f"Last({name})",
            f"Mean({name}{rng.choice(['', ', divide=True', ', divide=False'])})",
            f"Bidirectional(Elman({units}, {activation}), {name})",
            f"Residual([Elman({units}, {activation})], {name})",
        ]
    )


def heads_text(rng: random.Random) -> str:
    """Two or three heads, one layer or a list of two each."""
    heads = []
    for place in range(rng.randint(2, 3)):
        chain = [layer_text(rng, 10 * (place + 1) + k) for k in range(rng.choice([1, 1, 2]))]
        heads.append(chain[0] if len(chain) == 1 else f"[{', '.join(chain)}]")
    return f"Heads([{', '.join(heads)}])"


def design_text(rng: random.Random) -> str:
    """The text of a design file, mostly a right one."""
    layers = [layer_text(rng, number) for number in range(rng.randint(1, 3))]
    outputs = ["None"]
    if rng.random() < 0.2:
        layers.append(heads_text(rng))
    elif rng.random() < 0.1 and len(layers) > 1:
        outputs = [f"['l{len(layers) - 1}', 'l0']", f"['l0', 'l{len(layers) - 1}']"]
    # Often one format for all, as a right design has; sums need room.
    formats = {role: format_text(rng) for role in ROLES if role not in OPTIONAL}
    formats |= {role: format_text(rng) for role in OPTIONAL if rng.random() < 0.2}
    formats.setdefault("gate", formats["state"])
    formats.setdefault("output", formats["state"])
    lanes = rng.choice(["1", "2", "3", "8", "'auto'", "{'l0': 2}"])
    target = [f"'{rng.choice(profile_names())}'", f"lanes={lanes}"]
    for option, values in {
        "engines": ["'shared'"], "overlap": ["True", "'auto'"], "interleave": ["2", "5", "'auto'"],
        "weights": ["'streamed'", "'auto'", "'on-chip'"], "steps_in_parallel": ["2", "4"],
        "clock_mhz": ["12", "99.5"],
        "activity": ["0.25", "{'l0': 0.5}"], "step_latency": ["{'l0': 77}"],
    }.items():  # fmt: skip
        if rng.random() < 0.2:
            target.append(f"{option}={rng.choice(values)}")
    steps = rng.choice([1, 2, 7, 40])
    deadline = rng.choice(["None", "None", "1", "1e5", "1e12"])
    return (
        '"""A random design."""\n'
        "from rnnhw import *\nimport numpy as np\n\n\ndef design(zero=False):\n"
        f"    layers = [{', '.join(layers)}]\n"
        f"    formats = Formats({', '.join(f'{r}={q}' for r, q in formats.items())})\n"
        f"    more = dict(inputs={rng.choice([1, 2, 3, 8])}, max_steps={steps},\n"
        f"                steps_per_second={deadline}, target=Target({', '.join(target)}),\n"
        f"                outputs={rng.choice(outputs)})\n"
        "    rng = np.random.default_rng(0)\n"
        "    tensors = Design(layers, formats, **more).network.tensors\n"
        "    weights = {t.key: rng.uniform(-1, 1, t.shape) * (not zero) for t in tensors}\n"
        "    return Design(layers, formats, weights=weights, **more)\n"
    )


def commands(rng: random.Random, folder: Path) -> list[list[str]]:
    """What is run on the design in ``folder``."""
    file, profile = str(folder / "d.py"), rng.choice(profile_names())
    schedule = rng.choice(
        [[], ["--overlap", "on"], ["--engines", "shared"], ["--interleave", "3"],
         ["--weights", "streamed"], ["--steps-in-parallel", "2"], ["--lanes", "auto"],
         ["--lanes", "100000"], ["--clock-mhz", "1e9"]],
    )  # fmt: skip
    data = str(folder / "x.npz")
    return [
        ["report", file, "--format", rng.choice(["text", "json", "csv", "markdown", "html"])],
        ["report", file, "--profile", profile, *schedule, "-o", str(folder / "r.json")],
        ["report", file, "--profile", rng.choice(profile_names()), "--lanes", "2"],
        ["compare", file, "--profile", profile, "--profile", "asic-45nm", "--format", "csv"],
        ["verify", file, "--data", data, "--max", "saturations=1e9"],
        ["emit", file, "--data", data, "-o", str(folder / "out"), "--lanes", rng.choice("1234")],
    ]


def outcome(words: list[str]) -> str | None:
    """What is wrong with how a command ends; None: nothing."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = rnnhw(words)
    said = [line for line in err.getvalue().splitlines() if not line.startswith("hint: ")]
    fine = code == 0 or (code == 1 and words[0] in ("report", "compare", "verify"))
    if code in (2, 3) and len(said) == 1 and said[0].startswith("error: "):
        fine = True
    return None if fine else f"exit {code}: {' '.join(words)}: {err.getvalue().strip()}"


def seed_outcomes(seed: int, folder: Path) -> list[str]:
    """The faults that one seed shows; its files stay where there are any."""
    rng, place = random.Random(seed), folder / str(seed)
    place.mkdir(parents=True, exist_ok=True)
    (place / "d.py").write_text(design_text(rng))
    features = 2
    with contextlib.suppress(RnnhwError):
        features = load(place / "d.py").network.source.units
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 7, features))
    np.savez(place / "x.npz", x=x, lengths=[7, 5])
    faults = [fault for fault in map(outcome, commands(rng, place)) if fault is not None]
    if not faults:
        shutil.rmtree(place)
    return faults


def main(show: Callable[[str], None] = print) -> int:
    """Run the seeds that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", default="0:1000", help="FIRST:END")
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    first, end = map(int, options.seeds.split(":"))
    options.folder.mkdir(parents=True, exist_ok=True)
    record = options.folder / "done.jsonl"
    lines = record.read_text().splitlines() if record.exists() else []
    done = {entry["seed"]: entry["faults"] for entry in map(json.loads, lines)}
    until = time.monotonic() + 60 * options.minutes
    for seed in range(first, end):
        if time.monotonic() > until:
            break
        if seed not in done:
            done[seed] = seed_outcomes(seed, options.folder)
            with record.open("a") as file:
                file.write(json.dumps({"seed": seed, "faults": done[seed]}) + "\n")
            for fault in done[seed]:
                show(f"seed {seed}: {fault}")
    bad = [seed for seed, faults in done.items() if faults]
    show(f"{len(done):,} seeds, {len(bad):,} with faults")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
