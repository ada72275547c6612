"""Changes one operator or number of golden, counts or the cycle formulas; tests must notice.

    nice -n 10 python benchmarks/mutants.py [--seed 12] [--number 300] [--keep FOLDER]
    python benchmarks/mutants.py --again
    python benchmarks/mutants.py --show

A mutant is one place of a module (an operator, a comparison, a number, a condition) with another
meaning. ``--number`` of all places are drawn by ``--seed``. A line of JSON is written for every
mutant; those that are there already are not run again, so that an interrupted check resumes.
``--again`` runs those once more that no test noticed, after new tests were written, and forgets
those whose module has changed.

How a mutant stays cheap:

1. The tests run once with a trace, which notes the lines of the modules that every test executes.
   A mutant runs the tests that execute its statement, the quickest first, until one fails.
2. One process imports and collects all tests. It forks for every mutant, and the child puts the
   mutant's code into the functions that exist already. Where a statement runs during imports, the
   child would be too late: such a mutant is written to a file, and its tests start from nothing.
3. A test may take four times its CPU time and four seconds more, because a mutant may never end:
   that counts as noticed, and the table counts it apart.

Package and tests are copied first, so that work on them goes on meanwhile.
"""

from __future__ import annotations

import argparse
import ast
import copy
import functools
import gc
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import numpy  # noqa: F401 - imported once for all mutants
import pytest
import typer  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_suffix(".jsonl")

MODULES = (
    "execution/golden.py",
    "analysis/counts.py",
    "analysis/work.py",
    "accelerator/mapping/phases.py",
    "accelerator/schedule/bubbles.py",
    "accelerator/schedule/interleave.py",
    "accelerator/schedule/layer_timing.py",
    "accelerator/schedule/overlap.py",
    "accelerator/schedule/parallel_steps.py",
    "accelerator/schedule/settling.py",
    "accelerator/schedule/shared_engine.py",
    "accelerator/schedule/turns.py",
    "accelerator/schedule/wavefront.py",
    "accelerator/schedule/weight_stream.py",
)
"""The modules of ``rnnhw/`` that are changed."""

TESTS = (
    "accelerator/test_input_structures.py",
    "accelerator/test_layer.py",
    "accelerator/test_layer_structures.py",
    "accelerator/test_layer_timing.py",
    "accelerator/test_schedule.py",
    "accelerator/test_settling.py",
    "accelerator/test_traffic.py",
    "analysis/test_counts.py",
    "cost/test_energy.py",
    "cost/test_schedules.py",
    "execution/test_first_states.py",
    "execution/test_golden.py",
    "execution/test_rest.py",
    "execution/test_time_operations.py",
)
"""The files of ``tests/`` that must notice: those that hold these modules' results to numbers or to
a second way to them. None runs another program, and none compares the Verilog."""

CPU_FACTOR = 4
"""How much longer than usual (and a second) a test may take before it counts as endless."""

MEMORY_BYTES = 8 << 30
"""The address space of one mutant: an endless loop that appends must not take the machine's."""

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


@dataclass(frozen=True)
class Site:
    """A node that runs, with the field of its parent that holds it, and the statement and the
    function around it. ``function`` is empty for what runs when the module is imported."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None
    statement: ast.stmt
    function: str

    def replace(self, node: ast.AST) -> None:
        """Put another node in this place of the tree."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node

    def lines(self) -> range:
        """The lines of which the trace meets one whenever the node runs: from the first of the
        statement to the last of the node."""
        last = self.node.test if isinstance(self.node, ast.If) else self.node
        return range(self.statement.lineno, last.end_lineno + 1)


def sites(node: ast.AST, statement: ast.stmt | None = None, function: str = "") -> Iterator[Site]:
    """Every node below ``node`` that runs, in the order of the text: no annotation, error message,
    assertion, decorator or ``strict`` of a zip."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        inside = function
        if name == "body" and isinstance(node, ast.FunctionDef | ast.ClassDef):
            within = isinstance(node, ast.FunctionDef) or function
            inside = f"{function}.{node.name}".lstrip(".") if within else ""
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or isinstance(child, UNREAD):
                continue
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue
            around = child if isinstance(child, ast.stmt) else statement
            place = index if isinstance(value, list) else None
            if around is not None:
                yield Site(child, node, name, place, around, inside)
            yield from sites(child, around, inside)


@dataclass(frozen=True)
class Mutant:
    """One changed place, the ``ordinal``-th of the module whose code (without comments and
    docstrings) has ``digest``; ``lines`` and ``function`` say where it is."""

    module: str
    digest: str
    ordinal: int
    lines: range
    function: str
    before: str
    after: str

    @property
    def place(self) -> str:
        """Names the mutant among all."""
        return f"{self.module}:{self.digest}:{self.ordinal}"

    def tree(self, root: Path) -> ast.Module:
        """The module in ``root`` with the changed place; every line keeps its number."""
        tree = _parsed(root, self.module)
        site, other = list(_changes(tree))[self.ordinal]
        site.replace(other)
        return ast.fix_missing_locations(tree)


def _parsed(root: Path, module: str) -> ast.Module:
    return ast.parse((root / "rnnhw" / module).read_bytes())


def _changes(tree: ast.Module) -> Iterator[tuple[Site, ast.AST]]:
    for site in sites(tree):
        other = changed(site.node)
        if other is not None:
            yield site, other


def _digest(tree: ast.Module) -> str:
    """Of the code alone: a sentence that is written anew changes no mutant."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_docstring(line)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:8]


def _is_docstring(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def mutants_of(module: str) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its text."""
    tree = _parsed(ROOT, module)
    digest = _digest(tree)
    for ordinal, (site, other) in enumerate(_changes(tree)):
        pair = (node.test if isinstance(node, ast.If) else node for node in (site.node, other))
        yield Mutant(module, digest, ordinal, site.lines(), site.function, *map(ast.unparse, pair))


def drawn_mutants(seed: int, number: int) -> list[Mutant]:
    """``number`` of all, in the order of their draw. A change of one module changes nothing for
    the others, for a hash of its name draws a mutant."""
    every = [mutant for module in MODULES for mutant in mutants_of(module)]

    def lot(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed} {mutant.place}".encode()).hexdigest()

    return sorted(every, key=lot)[:number]


# --- which tests execute which lines -----------------------------------------------------------
@dataclass(frozen=True)
class Executed:
    """What a test executes of the modules, line numbers by module, and its CPU seconds."""

    lines: dict[str, list[int]]
    seconds: float

    def meets(self, mutant: Mutant) -> bool:
        """Whether the test executes the mutant's statement; for one that runs when the module is
        imported, whether the test executes anything of the module."""
        lines = self.lines.get(mutant.module, [])
        return any(line in mutant.lines for line in lines) if mutant.function else bool(lines)


class Trace:
    """Notes the lines of the modules in ``folder`` that run."""

    def __init__(self, folder: Path) -> None:
        self.module_of = {str(folder / "rnnhw" / module): module for module in MODULES}
        self.lines: dict[str, set[int]] = defaultdict(set)

    def __enter__(self) -> Trace:
        self.lines.clear()
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, _event: str, _argument: object) -> object:
        code = frame.f_code
        module = self.module_of.get(code.co_filename)
        if module is None or code.co_name == "<module>":
            return None
        lines = self.lines[module]
        lines.add(frame.f_lineno)

        def line(frame: FrameType, _event: str, _argument: object) -> object:
            lines.add(frame.f_lineno)
            return line

        return line

    def sorted_lines(self) -> dict[str, list[int]]:
        """The lines as JSON writes them."""
        return {module: sorted(lines) for module, lines in self.lines.items()}


def cpu_seconds() -> float:
    """Of this process and of the programs that it has run."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def executed_lines(items: list[pytest.Item], folder: Path) -> dict[str, Executed]:
    """What every test executes; in a child, as tests leave things behind."""

    def trace_all(write: Callable[[str], None]) -> None:
        failure = _first_failure(items[0].session)
        caches = _caches()
        for item in items:
            for cache in caches:
                cache.cache_clear()
            begin = cpu_seconds()
            with Trace(folder) as trace:
                _run(item, None)
            if failure.name:
                raise SystemExit(f"the tests fail without a mutant: {failure.name}")
            executed = Executed(trace.sorted_lines(), round(cpu_seconds() - begin, 3))
            write(json.dumps([item.nodeid, asdict(executed)]))

    lines, status, _ = in_child(trace_all)
    if status:
        raise SystemExit(f"the trace of the tests ended with {status}: {lines[-1:]}")
    return {name: Executed(**fields) for name, fields in map(json.loads, lines)}


def _caches() -> list[functools._lru_cache_wrapper[object]]:
    """The caches of the package's functions. A test that takes a result out of one would seem to
    execute nothing of what computed it."""
    return [
        value
        for value in gc.get_objects()
        if isinstance(value, functools._lru_cache_wrapper) and value.__module__.startswith("rnnhw")
    ]


# --- one mutant -------------------------------------------------------------------------------
def in_child(work: Callable[[Callable[[str], None]], None]) -> tuple[list[str], str, float]:
    """Run ``work`` in a fork of this process: the lines that it wrote, what it died of ('' where it
    ended well), and its CPU seconds."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        code = 0
        try:
            work(lambda line: _write(writer, line))
        except BaseException as error:  # the parent's work must not go on in this process
            _write(writer, f"{type(error).__name__}: {error}")
            code = 1
        os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as file:
        lines = file.read().splitlines()
    _, status, used = os.wait4(process, 0)
    if os.WIFSIGNALED(status):
        died = signal.Signals(os.WTERMSIG(status)).name
    else:
        died = f"exit code {os.WEXITSTATUS(status)}" if status else ""
    return lines, died, used.ru_utime + used.ru_stime


def _write(writer: int, line: str) -> None:
    data = line.replace("\n", " ").encode() + b"\n"
    while data:
        data = data[os.write(writer, data) :]


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


def _first_failure(session: pytest.Session) -> _FirstFailure:
    failure = _FirstFailure()
    session.config.pluginmanager.register(failure)
    return failure


def _run(item: pytest.Item, following: pytest.Item | None) -> None:
    item.ihook.pytest_runtest_protocol(item=item, nextitem=following)


def _limit_cpu(seconds: float) -> int:
    """Let this process use as much more CPU time and not more; the whole seconds of that."""
    limit = int(CPU_FACTOR * (1 + seconds))
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + limit, most))
    return limit


def answer_of(lines: list[str], died: str, seconds: float) -> tuple[str, float]:
    """The last line that a child wrote, or what ended it; and its CPU seconds.

    Raises:
        SystemExit: the child failed outside of the tests.
    """
    if died.startswith("exit code"):
        raise SystemExit(f"a mutant could not be run: {lines[-1]}")
    return (f"{died}: {lines[-1]}" if died not in ("", "SIGXCPU") else lines[-1]), seconds


def codes_of(code: CodeType) -> Iterator[CodeType]:
    """A code object and all those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_of(constant)


def put_into_functions(code: CodeType) -> None:
    """Give the functions that come from the module of ``code`` what it says of them."""
    new = {(part.co_qualname, part.co_firstlineno): part for part in codes_of(code)}
    for value in gc.get_objects():
        if isinstance(value, FunctionType) and value.__code__.co_filename == code.co_filename:
            value.__code__ = new[value.__code__.co_qualname, value.__code__.co_firstlineno]


def noticed_in_functions(
    session: pytest.Session, mutant: Mutant, folder: Path, executed: dict[str, Executed]
) -> tuple[str, float]:
    """What test notices a mutant of code that runs in tests alone, and the CPU seconds."""
    tests = [item for item in session.items if executed[item.nodeid].meets(mutant)]
    tests.sort(key=lambda item: executed[item.nodeid].seconds)

    def work(write: Callable[[str], None]) -> None:
        failure = _first_failure(session)
        put_into_functions(compile(mutant.tree(folder), folder / "rnnhw" / mutant.module, "exec"))
        for item, following in zip_longest(tests, tests[1:]):
            limit = _limit_cpu(executed[item.nodeid].seconds)
            write(f"no end within {limit} s of CPU: {item.nodeid}")
            _run(item, following)
            if failure.name:
                write(failure.name)
                return
        write("")

    return answer_of(*in_child(work))


def noticed_from_imports(
    mutant: Mutant, folder: Path, costs: dict[str, float]
) -> tuple[str, float]:
    """What test notices a mutant of code that runs when modules are imported, and the CPU seconds.
    ``costs`` has the files of tests that execute anything of the module, and their CPU seconds."""
    path, total = folder / "rnnhw" / mutant.module, 0.0
    unchanged = path.read_text()
    try:
        forget_compiled(path)
        path.write_text(ast.unparse(mutant.tree(folder)))
        for name in sorted(costs, key=costs.__getitem__):
            failed, seconds = run_file(folder, name, costs[name])
            total += seconds
            if failed:
                return failed, total
        return "", total
    finally:
        path.write_text(unchanged)
        forget_compiled(path)


def forget_compiled(path: Path) -> None:
    """Remove the byte code of a module."""
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()


def run_file(folder: Path, name: str, expected: float) -> tuple[str, float]:
    """What failed first of one file of tests, in a process that has imported nothing of ``folder``;
    and the CPU seconds, of which ``expected`` are usual."""

    def work(write: Callable[[str], None]) -> None:
        write(f"no end within {_limit_cpu(expected + 1)} s of CPU: {name}")
        sys.dont_write_bytecode = True
        failure = _FirstFailure()
        code = int(run_pytest(folder, ["-x", name], failure))
        write(failure.name or (f"exit code {code} of pytest" if code else ""))

    return answer_of(*in_child(work))


def run_pytest(folder: Path, arguments: list[str], plugin: object) -> int:
    """Run pytest on the copy in ``folder``."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    options = ["-p", "no:cacheprovider", f"--basetemp={folder / 'temp'}"]
    return pytest.main([*options, *arguments], plugins=[plugin])


# --- all mutants ------------------------------------------------------------------------------
def copied(folder: Path) -> None:
    """A copy of the package and the tests in ``folder``; all else by links."""
    for name in ("rnnhw", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for entry in ROOT.iterdir():
        if not entry.name.startswith(".") and not (folder / entry.name).exists():
            (folder / entry.name).symlink_to(entry)


def all_executed(session: pytest.Session, folder: Path, keep: Path) -> dict[str, Executed]:
    """What every test of the session executes, by its name. A file of tests is traced again where
    its text or that of a module has changed since ``keep`` was written."""
    modules = b"".join((folder / "rnnhw" / name).read_bytes() for name in MODULES)
    executed = {}
    for name in TESTS:
        text = modules + (folder / "tests" / name).read_bytes()
        path = keep / f"{Path(name).stem}-{hashlib.sha256(text).hexdigest()[:12]}.json"
        if not path.exists():
            items = [item for item in session.items if item.nodeid.startswith(f"tests/{name}::")]
            traced = executed_lines(items, folder)
            path.write_text(json.dumps({name: asdict(test) for name, test in traced.items()}))
        tests = json.loads(path.read_text())
        executed |= {name: Executed(**fields) for name, fields in tests.items()}
    return executed


class FromFunctions:
    """Runs mutants where pytest would run the tests that it has collected. Those of code that runs
    during imports are left over."""

    def __init__(self, folder: Path, keep: Path, mutants: list[Mutant], results: Path) -> None:
        self.folder, self.keep, self.mutants, self.results = folder, keep, mutants, results
        self.imports = Trace(folder)

    def pytest_collection(self) -> None:
        self.imports.__enter__()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.imports.__exit__()
        if session.testsfailed:
            raise SystemExit("some tests cannot be collected without a mutant")
        executed = all_executed(session, self.folder, self.keep)
        early = Executed(self.imports.sorted_lines(), 0)
        for mutant in self.mutants:
            if mutant.function and not early.meets(mutant):
                noticed = noticed_in_functions(session, mutant, self.folder, executed)
                record(self.results, mutant, *noticed)
        of_file: dict[str, float] = defaultdict(float)
        for name, test in executed.items():
            of_file[name.partition("::")[0]] += test.seconds
        seconds: dict[str, dict[str, float]] = {module: {} for module in MODULES}
        for name, test in executed.items():
            file = name.partition("::")[0]
            for module in test.lines:
                seconds[module][file] = of_file[file]
        (self.folder / "executed.json").write_text(json.dumps(seconds))
        return True


def record(results: Path, mutant: Mutant, noticed_by: str, seconds: float) -> None:
    """Add a line to the results."""
    line = {
        "place": mutant.place,
        "line": mutant.lines.stop - 1,
        "function": mutant.function,
        "before": mutant.before,
        "after": mutant.after,
        "noticed_by": noticed_by,
        "cpu_seconds": round(seconds, 1),
    }
    with results.open("a") as file:
        file.write(json.dumps(line) + "\n")


def check(results: Path, keep: Path, mutants: list[Mutant]) -> None:
    """Run the mutants that are not yet in ``results``."""

    def unknown() -> list[Mutant]:
        known = {result["place"] for result in read(results)}
        return [mutant for mutant in mutants if mutant.place not in known]

    print(f"{len(mutants)} drawn, {len(unknown())} to run", file=sys.stderr)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        copied(folder)
        executed = folder / "executed.json"

        def run_collected(write: Callable[[str], None]) -> None:
            files = [f"tests/{name}" for name in TESTS]
            code = run_pytest(folder, files, FromFunctions(folder, keep, unknown(), results))
            write(f"exit code {code} of pytest")

        lines, died, _ = in_child(run_collected)
        if died or not executed.exists():
            raise SystemExit(f"the run of the tests ended: {died} {lines[-1:]}")
        seconds = json.loads(executed.read_text())
        for mutant in unknown():
            record(results, mutant, *noticed_from_imports(mutant, folder, seconds[mutant.module]))


def read(results: Path) -> list[dict[str, str]]:
    """The lines of the file of results."""
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text().splitlines()]


def unexplained(result: dict[str, str]) -> bool:
    """Whether no test noticed a mutant and nobody has said why it is equivalent."""
    return not result["noticed_by"] and not result.get("equivalent_because")


def forget_unexplained(results: Path, mutants: list[Mutant]) -> None:
    """Leave out of the results what no test noticed and what is not among ``mutants``. The lines of
    the others are told as they are now."""
    drawn = {mutant.place: mutant for mutant in mutants}
    kept = [
        result | {"line": drawn[result["place"]].lines.stop - 1}
        for result in read(results)
        if result["place"] in drawn and not unexplained(result)
    ]
    results.write_text("".join(json.dumps(result) + "\n" for result in kept))


def figures(results: list[dict[str, str]]) -> list[int]:
    """How many mutants there are, and of these: noticed by a test that fails, endless, equivalent,
    and not noticed."""
    equivalent = sum(bool(result.get("equivalent_because")) for result in results)
    endless = sum(result["noticed_by"].startswith("no end within") for result in results)
    alive = sum(map(unexplained, results))
    return [len(results), len(results) - endless - equivalent - alive, endless, equivalent, alive]


def table(results: list[dict[str, str]]) -> str:
    """The figures of every module, as the documents print them."""
    header = ["module", "mutants", "a test fails", "a test never ends", "equivalent", "not noticed"]
    rows = [header, ["---"] * len(header)]
    for module in MODULES:
        of_module = [result for result in results if result["place"].startswith(f"{module}:")]
        rows.append([f"`{module}`", *map(str, figures(of_module))])
    rows.append(["all", *map(str, figures(results))])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def show(results: list[dict[str, str]]) -> None:
    """Print what no test noticed, and the figures of every module."""
    for result in results:
        if not result["noticed_by"]:
            module, line = result["place"].partition(":")[0], result["line"]
            print(
                f"{module}:{line} {result['function']}: {result['before']}  ->  {result['after']}"
            )
            print(f"    {result.get('equivalent_because', 'not noticed')}")
    print(table(results), end="")


def main() -> None:
    """Run the check, or show what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS, help="JSON lines")
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="a folder for what the tests execute")
    parser.add_argument("--again", action="store_true", help="run again what no test noticed")
    parser.add_argument("--show", action="store_true", help="show the results and run nothing")
    asked = parser.parse_args()
    if asked.show:
        show(read(asked.results))
        return
    mutants = drawn_mutants(asked.seed, asked.number)
    if asked.again:
        forget_unexplained(asked.results, mutants)
    with tempfile.TemporaryDirectory() as name:
        keep = (asked.keep or Path(name)).resolve()
        keep.mkdir(parents=True, exist_ok=True)
        check(asked.results.resolve(), keep, mutants)


if __name__ == "__main__":
    main()
