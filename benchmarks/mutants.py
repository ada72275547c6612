"""Changes one operator or number of golden, counts or the cycle formulas; tests must notice.

    nice -n 15 python benchmarks/mutants.py mutants.jsonl --seed 12 --number 300
    python benchmarks/mutants.py mutants.jsonl --survivors

A mutant is one place of a module (an operator, a comparison, a number, a condition) with another
meaning. ``--number`` of all places are drawn by ``--seed``. Each one runs against the test files of
its module alone, the quickest first, until one test fails. A line of
JSON is written for every mutant; those that are there already are not run again, so that an
interrupted check resumes.

The package is copied to a folder of its own and changed there. One process imports the libraries
and forks for every mutant. CPU time is limited, because a mutant may never end: that counts as
noticed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy  # noqa: F401 - imported once for all mutants
import pytest
import typer  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]

SCHEDULE = ("accelerator/test_schedule.py", "accelerator/test_settling.py")
LAYER = (
    "accelerator/test_layer.py",
    "accelerator/test_traffic.py",
    "accelerator/test_input_structures.py",
    "accelerator/test_layer_structures.py",
)
TESTS = {
    "execution/golden.py": ("execution/test_golden.py", "execution/test_time_operations.py"),
    "analysis/counts.py": ("analysis/test_counts.py",),
    "analysis/work.py": ("analysis/test_counts.py", "cost/test_energy.py"),
    "accelerator/mapping/phases.py": LAYER,
    "accelerator/schedule/bubbles.py": SCHEDULE,
    "accelerator/schedule/interleave.py": SCHEDULE,
    "accelerator/schedule/layer_timing.py": SCHEDULE,
    "accelerator/schedule/overlap.py": SCHEDULE,
    "accelerator/schedule/parallel_steps.py": SCHEDULE,
    "accelerator/schedule/settling.py": SCHEDULE,
    "accelerator/schedule/shared_engine.py": SCHEDULE,
    "accelerator/schedule/turns.py": SCHEDULE,
    "accelerator/schedule/wavefront.py": SCHEDULE,
    "accelerator/schedule/weight_stream.py": SCHEDULE,
}
"""The modules of ``rnnhw/`` that are changed, with the files of ``tests/`` that must notice."""

CPU_SECONDS = 120
"""What the tests of one mutant may take: several times what all of them take unchanged."""

BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Add,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
UNREAD = ast.Raise | ast.Assert | ast.JoinedStr
FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One changed place: ``place`` names it among all (module, its digest, line, column, kind)."""

    module: str
    place: str
    before: str
    after: str
    source: str


def changed(node: ast.AST) -> ast.AST | None:
    """The node with another meaning; None for a node that is left alone."""
    other = copy.deepcopy(node)
    match other:
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in BINARY:
            other.op = BINARY[type(op)]()
        case ast.Compare(ops=[op]):
            other.ops = [COMPARISONS[type(op)]()]
        case ast.BoolOp(op=op):
            other.op = ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            return other.operand
        case ast.Constant(value=bool(value)):
            other.value = not value
        case ast.Constant(value=int(value)):
            other.value = value + 1
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            other.func = ast.Name(FUNCTIONS[name], ast.Load())
        case ast.IfExp() | ast.If():
            other.test = ast.UnaryOp(ast.Not(), other.test)
        case _:
            return None
    return other


def places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Every node below ``node`` that runs, with its parent's field and index: no annotation, error
    message, assertion, decorator or ``strict`` of a zip."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or isinstance(child, UNREAD):
                continue
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue
            yield node, name, index if isinstance(value, list) else None
            yield from places(child)


def mutants_of(module: str) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its text."""
    text = (ROOT / "rnnhw" / module).read_bytes()
    tree, digest = ast.parse(text), hashlib.sha256(text).hexdigest()[:8]
    for parent, name, index in places(tree):
        value = getattr(parent, name)
        node = value if index is None else value[index]
        other = changed(node)
        if other is None:
            continue
        if index is None:
            setattr(parent, name, other)
        else:
            value[index] = other
        source = ast.unparse(ast.fix_missing_locations(tree))
        if index is None:
            setattr(parent, name, node)
        else:
            value[index] = node
        shown = [each.test if isinstance(each, ast.If) else each for each in (node, other)]
        where = f"{node.lineno}:{node.col_offset}:{type(node).__name__}"
        yield Mutant(module, f"{module}:{digest}:{where}", *map(ast.unparse, shown), source)


class _FirstFailure:
    """Notes the first test that fails, or the file that cannot be imported."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid


def run_tests(folder: Path, files: tuple[str, ...], *, cache: bool) -> tuple[str, float]:
    """What failed first of the tests, and the CPU seconds; '' where all pass."""
    total = 0.0
    for name in files:
        failed, seconds = run_file(folder, name, cache=cache)
        total += seconds
        if failed:
            return failed, total
    return "", total


def run_file(folder: Path, name: str, *, cache: bool) -> tuple[str, float]:
    """What failed first of one file of tests, which runs in a process of its own.

    ``cache`` keeps the byte code of what it imports.
    """
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.dont_write_bytecode = not cache
        sys.path.insert(0, str(folder))
        failure = _FirstFailure()
        options = ["-x", "-q", "-p", "no:cacheprovider", f"tests/{name}"]
        try:
            code = int(pytest.main(options, plugins=[failure]))
            answer = failure.name or f"exit code {code} of pytest" if code else "passed"
        except BaseException as error:  # the parent's work must not go on in this process
            answer = f"pytest raised {error!r}"
        os.write(writer, answer[:4000].encode())
        os._exit(0)
    os.close(writer)
    answer = os.read(reader, 4096).decode()
    os.close(reader)
    _, status, used = os.wait4(process, 0)
    if not answer:
        ended = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
        answer = f"no end within {CPU_SECONDS} s of CPU" if ended else f"wait status {status}"
    return "" if answer == "passed" else answer, used.ru_utime + used.ru_stime


def copied(folder: Path) -> None:
    """A copy of the package and the tests in ``folder``; all else by links."""
    for name in ("rnnhw", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for entry in ROOT.iterdir():
        if not entry.name.startswith(".") and not (folder / entry.name).exists():
            (folder / entry.name).symlink_to(entry)


def lot(seed: int, mutant: Mutant) -> str:
    """What a mutant is drawn by: a change of one module changes nothing for those of others."""
    return hashlib.sha256(f"{seed} {mutant.place}".encode()).hexdigest()


def check(results: Path, seed: int, number: int) -> None:
    """Run what is drawn and not yet in ``results``."""
    every = [mutant for module in TESTS for mutant in mutants_of(module)]
    drawn = sorted(every, key=lambda mutant: lot(seed, mutant))[:number]
    known = {result["place"] for result in read(results)}
    print(f"{len(every)} places, {len(drawn)} drawn, {len(known)} known", file=sys.stderr)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        for files in dict.fromkeys(TESTS.values()):
            failed, seconds = run_tests(folder, files, cache=True)
            print(f"unchanged {' '.join(files)}: {seconds:.1f} s of CPU", file=sys.stderr)
            if failed:
                raise SystemExit(f"the tests fail without a mutant: {failed}")
        for mutant in drawn:
            if mutant.place in known:
                continue
            path = folder / "rnnhw" / mutant.module
            unchanged = path.read_text()
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
                compiled.unlink()
            path.write_text(mutant.source)
            failed, seconds = run_tests(folder, TESTS[mutant.module], cache=False)
            path.write_text(unchanged)
            record = {
                "place": mutant.place,
                "before": mutant.before,
                "after": mutant.after,
                "noticed_by": failed,
                "cpu_seconds": round(seconds, 1),
            }
            with results.open("a") as file:
                file.write(json.dumps(record) + "\n")


def read(results: Path) -> list[dict[str, str]]:
    """The lines of the file of results."""
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text().splitlines()]


def show(results: Path) -> None:
    """Print what no test noticed, and how many there are of each module."""
    found = read(results)
    for result in found:
        if not result["noticed_by"]:
            print(f"{result['place']}: {result['before']}  ->  {result['after']}")
    for module in TESTS:
        its = [result for result in found if result["place"].startswith(f"{module}:")]
        alive = sum(not result["noticed_by"] for result in its)
        print(f"{module}: {len(its)} mutants, {alive} not noticed")


def main() -> None:
    """Run the check, or show what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="a line of JSON for every mutant")
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--survivors", action="store_true", help="show them and run nothing")
    asked = parser.parse_args()
    if asked.survivors:
        show(asked.results)
    else:
        check(asked.results.resolve(), asked.seed, asked.number)


if __name__ == "__main__":
    main()
