"""The benchmarks still run on the package as it is: one small case each, no time judged."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.paths import BENCHMARKS, ROOT
from helpers.tools import simulated

FOLDER = BENCHMARKS


@pytest.fixture
def benchmark(monkeypatch):
    """The module of a benchmark; what it does to the environment is undone."""

    def load(name):
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            monkeypatch.setenv(variable, "1")
        monkeypatch.syspath_prepend(FOLDER)  # some import others
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
        spec.loader.exec_module(module)
        return module

    return load


SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if "__main__" in path.read_text())


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_benchmark_has_help(script):
    done = subprocess.run(
        [sys.executable, "-W", "error", FOLDER / script, "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"usage: {script}" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("kind", ["Dense", "Banded", "Hadamard"])
def test_peers_of_the_engine_give_its_bits_and_rates(benchmark, kind):
    engine = benchmark("engine")
    structure = {"Banded": (1, 1)}.get(kind, ())
    case = engine.Case(getattr(engine, kind)(*structure), 3, 8, 4)
    result = engine.measure(case, SimpleNamespace(works=False), 1, {})
    rows = {row["peer"]: row for row in result["rows"]}
    assert {"rnnhw plain", "rnnhw simulate()", "NumPy int64"} <= set(rows)
    assert all(row["median"] > 0 for row in rows.values())
    assert result["peak"] is None


def test_mutants_are_one_place_each_and_leave_the_source_alone(benchmark, monkeypatch, tmp_path):
    mutants = benchmark("mutants")
    source = (
        "def least(a, b=1):\n    assert a > 0\n    return a if a < b and a != 3 else min(a, -b)\n"
    )
    (tmp_path / "rnnhw").mkdir()
    (tmp_path / "rnnhw" / "small.py").write_text(source)
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    drawn = list(mutants.mutants_of("small.py"))
    pairs = {(mutant.before, mutant.after) for mutant in drawn}
    assert pairs == {
        ("1", "2"),
        ("3", "4"),
        ("a < b", "a <= b"),
        ("a != 3", "a == 3"),
        ("a < b and a != 3", "a < b or a != 3"),
        ("min(a, -b)", "max(a, -b)"),
        ("-b", "b"),
        (
            "a if a < b and a != 3 else min(a, -b)",
            "a if not (a < b and a != 3) else min(a, -b)",
        ),
    }
    sources = {ast.unparse(mutant.tree(tmp_path)) for mutant in drawn}
    assert len(sources) == len({mutant.place for mutant in drawn}) == 8
    assert all(source.count("assert a > 0") == 1 for source in sources)
    # The default is computed when the module is imported, all else in the function.
    assert [mutant.before for mutant in drawn if not mutant.function] == ["1"]
    assert {(m.function, *m.lines) for m in drawn if m.function} == {("least", 3)}
    digests = {mutant.digest for mutant in drawn}
    (tmp_path / "rnnhw" / "small.py").write_text('"""What it is."""\n\n' + source + "# done\n")
    assert {mutant.digest for mutant in mutants.mutants_of("small.py")} == digests


MUTATED = """
LIMIT = 2


def least(a, b):
    return a if a < b else b


def count(n):
    k = 0
    while k < n:
        k += 1
    return k


def unread():
    return 7
"""

NOTICING = """
from rnnhw.small import LIMIT, count, least

def test_limit(): assert LIMIT == 2

def test_count(): assert count(5) == 5

def test_least(): assert (least(1, 2), least(2, 1), least(2, 2)) == (1, 1, 2)
"""

CHECK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import mutants
mutants.ROOT, mutants.MODULES, mutants.TESTS = Path.cwd(), ("small.py",), ("test_small.py",)
mutants.CPU_FACTOR = 1
results = Path("results.jsonl")
for _ in range(2):
    drawn = mutants.drawn_mutants(12, 100)
    mutants.forget_unexplained(results, drawn)
    mutants.check(results, Path.cwd(), drawn)
mutants.show(mutants.read(results))
"""


def test_mutants_are_noticed_by_what_executes_them(tmp_path):
    """By a test that fails, in functions and in what an import runs; by one that does not end; or
    not at all. Known ones are not run again."""
    for name in ("rnnhw", "tests"):
        (tmp_path / name).mkdir()
    (tmp_path / "rnnhw" / "__init__.py").touch()
    (tmp_path / "rnnhw" / "small.py").write_text(MUTATED)
    (tmp_path / "tests" / "test_small.py").write_text(NOTICING)
    (tmp_path / "results.jsonl").touch()
    command = [sys.executable, "-c", CHECK, str(FOLDER)]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    noticed = {(line["before"], line["after"]): line["noticed_by"] for line in lines}
    test = "tests/test_small.py::test_"
    # An endless loop is told with its test, the seconds before it depend on the machine.
    endless = noticed.pop(("k += 1", "k -= 1"))
    assert endless.startswith("no end within") and endless.endswith(f"{test}count")
    assert noticed == {
        ("2", "3"): f"{test}limit",
        ("a < b", "a <= b"): "",
        ("a if a < b else b", "a if not a < b else b"): f"{test}least",
        ("0", "1"): "",
        ("k < n", "k <= n"): f"{test}count",
        ("1", "2"): f"{test}count",
        ("7", "8"): "",
    }
    assert "| all | 8 | 4 | 1 | 0 | 3 |" in shown.stdout
    assert "8 drawn, 8 to run" in shown.stderr and "8 drawn, 3 to run" in shown.stderr


def test_known_mutants_are_noticed_or_equivalent(benchmark):
    """The recorded check, and the document that tells its figures."""
    mutants = benchmark("mutants")
    results = mutants.read(mutants.RESULTS)
    number, failing, endless, equivalent, alive = mutants.figures(results)
    assert number == len({result["place"] for result in results}) >= 300
    assert failing + endless >= 0.95 * (number - equivalent)
    assert failing + endless + equivalent + alive == number
    assert all(
        result.get("equivalent_because", "") == "" for result in results if result["noticed_by"]
    )
    document = (ROOT / "docs" / "measurements.md").read_text()
    assert mutants.table(results) in document
    for result in results:
        if reason := result.get("equivalent_because"):
            assert reason in document


def test_lines_of_code_are_those_that_do_something(benchmark):
    lines = benchmark("code_lines")
    text = '"""Doc\nstring."""\n\n# why\nONE = (\n    1\n)\n"""What it is."""\n\n\n'
    python = f'{text}def f():\n    """Doc."""\n'
    assert lines.python_lines(python + "    return ONE  # it\n") == 5
    assert lines.c_lines("/* a\n b */\nint x; // why\n\n// no\nint y;\n") == 2
    assert lines.cython_lines('"""Doc\nstring."""\n# why\ncdef int x = 1  # it\n') == 1


def test_random_networks_agree_and_a_run_resumes(benchmark, monkeypatch, tmp_path):
    """A hundredth of what the script runs."""
    fuzz, shown = benchmark("fuzz_engine"), []
    monkeypatch.setattr(fuzz, "BLOCK", 50)
    for end in (50, 500):
        monkeypatch.setattr(sys, "argv", ["fuzz_engine.py", str(tmp_path), f"--seeds=0:{end}"])
        assert fuzz.main(shown.append) == 0, shown
        assert shown[-1].startswith(f"{end} networks, ")
    assert "not reached: nothing" in shown
    wrong = fuzz.Events(high=1)
    monkeypatch.setattr(fuzz, "weighted", lambda events, times: wrong)
    monkeypatch.setattr(sys, "argv", ["fuzz_engine.py", str(tmp_path), "--seeds=500:502"])
    assert fuzz.main(shown.append) == 1
    assert any(line.startswith("seed 50") and "AssertionError" in line for line in shown)


def test_random_designs_end_in_a_report_or_a_line_and_a_run_resumes(
    benchmark, monkeypatch, tmp_path
):
    fuzz, shown = benchmark("fuzz"), []
    for end in (6, 12):
        command = ["fuzz.py", str(tmp_path), "--seeds", f"0:{end}"]
        monkeypatch.setattr(sys, "argv", command)
        assert fuzz.main(shown.append) == 0
        assert shown.pop() == f"{end} seeds, 0 with faults"
        assert shown.pop().startswith("commands and how often they ended")
    monkeypatch.setattr(fuzz, "rnnhw", lambda words: 70)
    monkeypatch.setattr(sys, "argv", [*command[:-1], "0:13"])
    assert fuzz.main(shown.append) == 1
    assert shown[0].startswith("seed 12: exit 70: report ")
    assert (tmp_path / "12" / "d.py").exists()


@pytest.mark.parametrize(
    "kind",
    ["files", pytest.param("names", marks=simulated), pytest.param("kills", marks=simulated)],
)
def test_hostile_files_names_and_kills_do_no_harm(benchmark, monkeypatch, tmp_path, kind):
    hostile, shown = benchmark("hostile"), []
    counts = {"files": 15, "names": 5, "kills": 1}
    options = [f"--{each}={count * (each == kind)}" for each, count in counts.items()]
    monkeypatch.setattr(sys, "argv", ["hostile.py", str(tmp_path), *options])
    assert hostile.main(shown.append) == 0, shown
    assert shown[0].startswith(f"{counts[kind]} tried, 0 with faults")


def test_the_modes_of_hls4ml_are_measured(benchmark, monkeypatch):
    modes = benchmark("hls4ml")
    for name, value in {"UNITS": 4, "STEPS": 2, "BATCHES": (3, 1)}.items():
        monkeypatch.setattr(modes, name, value)
    types = list(modes.models())
    assert len(types) == 4 * 7 * 5
    result = modes.measure(types[0], None, 1)
    assert set(result["milliseconds"]) == {"batch 3", "batch 1"}
    assert result["kernels"] and min(result["milliseconds"].values()) > 0


@pytest.mark.parametrize(
    ("kind", "peer"),
    [("tridiagonal", "scipy dia int32"), ("butterfly", "scipy csr int32"), ("lstm", "none int8")],
)
def test_a_row_has_a_ratio_or_says_why_it_did_not_run(benchmark, monkeypatch, kind, peer):
    goals = benchmark("goals")

    def missing(problem):
        raise ImportError("No module named 'none'")

    monkeypatch.setitem(goals.PEERS, "none", missing)
    row = goals.Row(kind, 3, 8, peer, 2.0, "none", 4)
    result = goals.measure(row, "plain", 1, 1e-4)
    assert result["engine_us"] > 0
    line = list(goals.lines([result]))[-1]
    assert "(not run)" in line  # of the goal, whose instruction set is not built
    if peer.startswith("scipy"):
        assert result["least"] <= result["ratio"] <= result["most"]
    else:
        assert "ratio" not in result and line.endswith(": No module named 'none'")


def test_a_killed_worker_and_a_killed_parent_lose_nothing(benchmark, tmp_path):
    """The 20 kills of each are the script's; here one of each, on fewer points."""
    if not Path("/proc/self/task").exists():
        pytest.skip("the processes of a sweep are found in /proc")
    kills = benchmark("sweep_kills")
    kills.WORDS = range(4, 8)
    design = kills.write_design(tmp_path)
    expected, seconds = kills.whole(design, tmp_path)
    for victim in ("parent", "worker"):
        found = kills.trial(design, tmp_path / victim, expected, seconds, victim, 3)
        assert found.sound, found


def test_lanes_of_other_formats_equal_each_design_alone(benchmark, monkeypatch, capsys):
    """The script compares before it measures: two rounds of a few steps."""
    lanes = benchmark("lane_formats")
    argv = ["lane_formats.py", "--isa", "plain", "--rounds", "1", "--steps", "2"]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(lanes, "LAYERS", dict(list(lanes.LAYERS.items())[:1]))
    lanes.main()
    assert capsys.readouterr().out.count("| Elman, H = 64 |") == 2
