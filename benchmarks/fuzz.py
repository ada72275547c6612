"""Random designs on random profiles and schedules through the commands.

    python benchmarks/fuzz.py FOLDER [--seeds FIRST:END] [--minutes M]

Every design is reported, and one of ``compare``, ``verify``, ``simulate``, ``emit`` and another
``report`` is run on it. Every command must end with exit code 0 or 1, or with an error in at most
two lines and code 2 or 3; text, CSV, Markdown, HTML and JSON of a report must give every figure one
value. Anything else is printed with its seed and kept in ``FOLDER/SEED``. Seeds that are done stand
in ``FOLDER/done.jsonl`` with the commit and are left out by the next call, so that a run can be
stopped and resumed; those with faults run again on another commit. The exit code is 1 where a seed
failed. Needs the extra ``test``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from helpers.commits import commit
from helpers.layers import LayerWriter
from helpers.report_formats import assert_formats_agree

from rnnhw.cli import main as rnnhw
from rnnhw.design.design import load
from rnnhw.errors import RnnhwError
from rnnhw.profiles import profile_names
from rnnhw.report.saved import read_report

ROLES = ("input", "weight", "sum", "state", "cell", "output", "stage")
OPTIONAL = ("product", "accumulator", "gate", "recurrent_weight", "recurrent_sum", "bias")
EXPONENTS = ("scale_exponent", "recurrent_scale_exponent")


def format_text(rng: random.Random, role: str) -> str:
    """A format; narrow ones and empty parts are as likely as sensible ones."""
    # A sum addresses tables, which take seconds from 2**18 entries on.
    most = 8 if role == "sum" else 16
    whole = rng.choice([0, 0, 1, 2, 3, min(5, most // 2), min(9, most // 2)])
    fraction = rng.choice([each for each in (0, 1, 3, 4, 7, 8, 12, 16) if each <= most])
    more = ""
    if whole + fraction and rng.random() < 0.15:
        more += ", signed=False"
    if rng.random() < 0.15:
        more += f", overflow=Overflow.{rng.choice(['WRAP', 'SAT', 'SAT_SYM', 'SAT_ZERO'])}"
    if rng.random() < 0.15:
        more += f", rounding=Rounding.{rng.choice(['TRN', 'RND', 'RND_CONV', 'TRN_ZERO'])}"
    return f"Q({whole}, {fraction}{more})"


def design_text(rng: random.Random) -> str:
    """The text of a design file, mostly a right one."""
    inputs = rng.choice([1, 2, 3, 8])
    writer = LayerWriter(rng, inputs, fine=False)
    layers = [writer.layer() for _ in range(rng.randint(1, 3))]
    layers += [writer.heads()] if rng.random() < 0.2 else writer.end()
    outputs = None
    if len(layers) > 1 and rng.random() < 0.1:
        outputs = rng.sample([layers[0].name, layers[-1].name], 2)
    formats = {role: format_text(rng, role) for role in ROLES}
    if rng.random() < 0.7:  # one for all values, as a right design often has
        formats |= dict.fromkeys(("input", "state", "cell", "output"), formats["state"])
    formats |= {role: format_text(rng, role) for role in OPTIONAL if rng.random() < 0.2}
    formats |= {
        role: f"Q({rng.randint(1, 3)}, 0, signed=False)" for role in EXPONENTS if rng.random() < 0.1
    }
    lanes = rng.choice(["1", "1", "2", "2", "3", "8", "'auto'", "{'l1': 2}"])
    target = [f"'{rng.choice(profile_names())}'", f"lanes={lanes}"]
    for option, values in {
        "engines": ["'shared'"], "overlap": ["True", "'auto'"], "interleave": ["2", "5", "'auto'"],
        "weights": ["'streamed'", "'auto'", "'on-chip'"], "steps_in_parallel": ["2", "4"],
        "clock_mhz": ["12", "99.5"],
        "activity": ["0.25", "{'l1': 0.5}"], "step_latency": ["{'l1': 77}"],
    }.items():  # fmt: skip
        if rng.random() < 0.1:
            target.append(f"{option}={rng.choice(values)}")
    steps = rng.choice([1, 2, 7, 40])
    deadline = rng.choice(["None", "None", "None", "1", "1e5", "1e12"])
    return (
        '"""A random design."""\n'
        "from rnnhw import *\nfrom rnnhw.layers.structures import *\nimport numpy as np\n\n"
        "# A format shows its modes by their names.\n"
        "globals().update(Rounding.__members__), globals().update(Overflow.__members__)\n\n\n"
        "def design(zero=False):\n"
        f"    layers = {layers!r}\n"
        f"    formats = Formats({', '.join(f'{r}={q}' for r, q in formats.items())})\n"
        f"    more = dict(inputs={inputs}, max_steps={steps},\n"
        f"                steps_per_second={deadline}, target=Target({', '.join(target)}),\n"
        f"                outputs={outputs!r})\n"
        "    rng = np.random.default_rng(0)\n"
        "    tensors = Design(layers, formats, **more).network.tensors\n"
        "    weights = {t.key: rng.uniform(-1, 1, t.shape) * (not zero) for t in tensors}\n"
        "    return Design(layers, formats, weights=weights, **more)\n"
    )


def commands(rng: random.Random, folder: Path) -> list[list[str]]:
    """What is run on the design in ``folder``: a report, and something else."""
    file, profile = str(folder / "d.py"), rng.choice(profile_names())
    schedule = rng.choice(
        [[], [], [], ["--overlap", "on"], ["--engines", "shared"], ["--interleave", "3"],
         ["--weights", "streamed"], ["--steps-in-parallel", "2"], ["--lanes", "auto"],
         ["--lanes", "100000"], ["--clock-mhz", "1e9"]],
    )  # fmt: skip
    where = rng.choice([[], ["--profile", profile]])
    data = ["--data", str(folder / "x.npz")]
    others = [
        ["report", file, "--profile", rng.choice(profile_names()), "--lanes", "2", "-o",
         str(folder / f"r.{rng.choice(['txt', 'csv', 'md', 'html'])}")],
        ["compare", file, "--profile", profile, "--profile", "asic-45nm", "--format",
         rng.choice(["text", "json", "csv", "markdown", "html"])],
        ["verify", file, *data, "--max", "saturations=1e9"],
        ["simulate", file, *data, "--format", rng.choice(["text", "json"])],
        ["emit", file, *data, "-o", str(folder / "out"), "--lanes", rng.choice("1234")],
    ]  # fmt: skip
    report = ["report", file, *where, *schedule, "-o", str(folder / "r.json")]
    return [report, rng.choice(others)]


def run(words: list[str]) -> tuple[int, str]:
    """How a command ends, and what is wrong with that; empty: nothing."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = rnnhw(words)
    said = [line for line in err.getvalue().splitlines() if not line.startswith("hint: ")]
    fine = code == 0 or (code == 1 and words[0] in ("report", "compare", "verify"))
    if code in (2, 3) and len(said) == 1 and said[0].startswith("error: "):
        fine = True
    return code, "" if fine else f"exit {code}: {' '.join(words)}: {err.getvalue().strip()}"


def seed_outcomes(seed: int, folder: Path) -> tuple[dict[str, int], list[str]]:
    """The exit codes by command and the faults that one seed shows; its files stay where there are
    any."""
    rng, place = random.Random(seed), folder / str(seed)
    place.mkdir(parents=True, exist_ok=True)
    (place / "d.py").write_text(design_text(rng))
    features = 2
    with contextlib.suppress(RnnhwError):
        features = load(place / "d.py").network.source.units
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 7, features))
    np.savez(place / "x.npz", x=x, lengths=[7, 5])
    codes, faults = {}, []
    for index, words in enumerate(commands(rng, place)):
        code, fault = run(words)
        codes["first report" if index == 0 else words[0]] = code
        faults += [fault] if fault else []
    if (place / "r.json").exists():
        try:
            assert_formats_agree(read_report(place / "r.json")[0], place / "saved.json")
        except Exception:
            faults.append(traceback.format_exc(limit=-3))
    if not faults:
        shutil.rmtree(place)
    return codes, faults


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
    done = {entry["seed"]: entry for entry in map(json.loads, lines)}
    here, until = commit(), time.monotonic() + 60 * options.minutes
    for seed in range(first, end):
        if time.monotonic() > until:
            break
        before = done.get(seed)
        if before is None or (before["faults"] and before.get("commit") != here):
            codes, faults = seed_outcomes(seed, options.folder)
            done[seed] = {"seed": seed, "commit": here, "codes": codes, "faults": faults}
            with record.open("a") as file:
                file.write(json.dumps(done[seed]) + "\n")
            for fault in faults:
                show(f"seed {seed}: {fault}")
    ends = Counter(f"{c} {code}" for each in done.values() for c, code in each["codes"].items())
    told = ", ".join(f"{name}: {count:,}" for name, count in sorted(ends.items()))
    show(f"commands and how often they ended with which exit code: {told}")
    bad = [seed for seed, each in done.items() if each["faults"]]
    show(f"{len(done):,} seeds, {len(bad):,} with faults")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
