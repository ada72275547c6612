"""Records what rnnhw prints and writes for every shipped design, to compare two versions.

    python benchmarks/record_outputs.py before     # in an environment with one version of rnnhw
    python benchmarks/record_outputs.py after      # in an environment with the other
    diff -r before after

A pattern after the folder, such as ``'adder_*.report.*'``, records some of the commands alone.

The folder holds one file for every command, with its exit code and standard output, and the files
that ``emit`` wrote. A command that is recorded already is not run again, so that an interrupted
recording resumes.
"""

import argparse
import contextlib
import io
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

from rnnhw.cli import main as rnnhw

DESIGNS = Path(__file__).resolve().parents[1] / "designs"
FORMATS = ("text", "csv", "markdown", "json", "html")
PROFILES = ("ice40up5k", "ecp5-85", "artix-7-35t", "cortex-m4", "asic-45nm")


def commands() -> dict[str, list[str]]:
    """Every recorded command by the name of its recording."""
    designs = sorted(path.name for path in DESIGNS.glob("*.py"))
    runs = {}
    for design in designs:
        stem = design.removesuffix(".py")
        for form in ("text", "json"):
            for verb in ("simulate", "verify"):
                runs[f"{stem}.{verb}.{form}"] = [verb, design, "--format", form]
        for form in FORMATS:
            runs[f"{stem}.report.{form}"] = ["report", design, "--format", form]
        for profile in PROFILES:
            for form in ("text", "json"):
                runs[f"{stem}.report.{profile}.{form}"] = [
                    *("report", design, "--profile", profile, "--format", form)
                ]
        runs[f"{stem}.report.auto"] = ["report", design, "--lanes", "auto"]
        runs[f"{stem}.emit"] = ["emit", design, "-o", "{folder}", "--format", "json"]
    for profile in sorted(DESIGNS.parent.glob("rnnhw/profiles/*.toml")):
        for design in ("adder_tridiagonal.py", "speaker_lstm.py"):
            runs[f"{design[:-3]}.report.{profile.stem}.csv"] = [
                *("report", design, "--profile", profile.stem, "--format", "csv")
            ]
    adders = [design for design in designs if design.startswith("adder_")]
    speakers = [design for design in designs if design.startswith("speaker_")]
    for form in FORMATS:
        runs[f"adders.compare.{form}"] = ["compare", *adders, "--format", form]
        runs[f"speakers.compare.{form}"] = [
            *("compare", *speakers, "--profile", "ecp5-25", "--profile", "cortex-m4"),
            *("--format", form),
        ]
    for form in ("text", "json"):
        runs[f"adders.compare.simulate.{form}"] = [
            "compare",
            *adders,
            "--simulate",
            "--format",
            form,
        ]
        runs[f"deep.compare.simulate.{form}"] = [
            *("compare", "deep_stack_head.py", "deep_stack_recurrent.py", "--simulate"),
            *("--format", form),
        ]
    for kind in (
        ("--engines", "shared"),
        ("--interleave", "4"),
        ("--weights", "streamed"),
        ("--overlap", "on"),
        ("--steps-in-parallel", "4"),
    ):
        for design in ("speaker_gru.py", "deep_stack_head.py", "adder_tridiagonal.py"):
            runs[f"{design[:-3]}.report.{kind[0][2:]}"] = [
                *("report", design, "--profile", "ecp5-85", *kind)
            ]
    return runs


def record(folder: Path, name: str, arguments: list[str]) -> str:
    """Run one command and write its recording; returns its name and exit code."""
    target = folder / name
    if target.exists():
        return f"{name}: recorded before"
    written = folder / f"{name}.files"
    shutil.rmtree(written, ignore_errors=True)
    os.chdir(DESIGNS)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = rnnhw([argument.replace("{folder}", str(written)) for argument in arguments])
    target.write_text(f"exit {code}\n{out.getvalue().replace(str(written), 'FOLDER')}")
    return f"{name}: exit {code}"


def main() -> None:
    """Record all commands, in two processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the recordings go")
    parser.add_argument("pattern", nargs="?", default="*", help="record these commands alone")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2) as pool:
        wanted = {name: run for name, run in commands().items() if fnmatch(name, asked.pattern)}
        runs = [pool.submit(record, folder, *run) for run in wanted.items()]
        for run in runs:
            print(run.result(), file=sys.stderr)


if __name__ == "__main__":
    main()
