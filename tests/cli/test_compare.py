"""``rnnhw compare`` over designs, profiles and saved reports: formats, demands, mistakes."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import DESIGNS

from rnnhw import estimate, load
from rnnhw.cli import main
from rnnhw.cost.model import SCHEMA_ID

LSTM, TRIDIAGONAL, MEAN = (
    str(DESIGNS / f"speaker_{name}.py") for name in ("lstm", "tridiagonal", "mean")
)
ADDER = str(DESIGNS / "adder_tridiagonal.py")
ON_ECP5 = ("--profile", "ecp5-25")
SUFFIXES = {"text": "txt", "csv": "csv", "markdown": "md", "json": "json", "html": "html"}


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command; what it prints on both streams."""
    monkeypatch.setattr("rnnhw.cli.progress._PATIENCE_SECONDS", 1e9)

    def call(*arguments, code=0, command="compare"):
        assert main([command, *map(str, arguments)]) == code
        out, err = capsys.readouterr()
        assert "Traceback" not in err and (err == "") == (code == 0)
        return err if code > 1 else (out, err) if code else out

    return call


# --- formats -----------------------------------------------------------------------------------
@pytest.mark.parametrize("format", SUFFIXES)
def test_the_suffix_chooses_the_format(run, tmp_path, format):
    file = tmp_path / f"costs.{SUFFIXES[format]}"
    assert run(LSTM, TRIDIAGONAL, *ON_ECP5, "-o", file) == ""
    assert run(LSTM, TRIDIAGONAL, *ON_ECP5, "--format", format) == file.read_text()
    for other in SUFFIXES.keys() - {format}:
        wrong = tmp_path / f"wrong.{SUFFIXES[other]}"
        assert "contradicts the suffix" in run(LSTM, "--format", format, "-o", wrong, code=2)
        assert not wrong.exists()


def test_designs_profiles_and_saved_reports_stand_side_by_side(run, tmp_path):
    saved = tmp_path / "before.json"
    run(LSTM, *ON_ECP5, "--lanes", 1, "-o", saved, command="report")
    out = run(LSTM, saved, *ON_ECP5, "--profile", "cortex-m4", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["name"], row["profile"]) for row in rows] == [
        ("speaker_lstm on ecp5-25", "ecp5-25"), ("speaker_lstm on cortex-m4", "cortex-m4"),
        ("before", "ecp5-25"),
    ]  # fmt: skip
    assert [row["lanes"] for row in rows] == ["8", "", "2"]
    luts = [row["luts"] for row in rows]
    assert luts[1] == "" and int(luts[0]) > int(luts[2]) > 0
    saved_alone = run(saved, "--format", "json")
    assert json.loads(saved_alone)["columns"][0]["report"]["name"] == "before.json"


def test_the_own_targets_are_taken_without_a_profile(run):
    data = json.loads(run(LSTM, ADDER, "--vary", "word=4,8", "--format", "json"))
    assert [column["name"] for column in data["columns"]] == [
        f"{name} word={word} on {profile}"
        for name, profile in (("speaker_lstm", "ecp5-25"), ("adder_tridiagonal", "ice40up5k"))
        for word in (4, 8)
    ]
    assert data["baseline"] == "speaker_lstm word=4 on ecp5-25" and data["passed"] is True


def test_the_baseline_can_be_any_column(run):
    out = run(LSTM, TRIDIAGONAL, *ON_ECP5, "--baseline", "speaker_tridiagonal")
    assert re.search(r"^cycles a step +[\d,]+ +[\d.]+x +\d+$", out, re.M)
    assert re.search(r"^steps a second +[\d,]+ +0\.[\d]+x +[\d,]+$", out, re.M)
    err = run(LSTM, TRIDIAGONAL, *ON_ECP5, "--baseline", "speaker_lst", code=2)
    assert err == (
        "error: unknown column 'speaker_lst'\nhint: did you mean 'speaker_lstm'? "
        "known: speaker_lstm, speaker_tridiagonal\n"
    )


def test_accuracy_is_shown_beside(run):
    out = run(LSTM, TRIDIAGONAL, *ON_ECP5, "--simulate", "--format", "markdown")
    assert "| accuracy | 0.9838 | 0.9757 (0.992x) |" in out
    assert "accuracy" not in run(LSTM, *ON_ECP5)


# --- demands -----------------------------------------------------------------------------------
@pytest.mark.parametrize("format", SUFFIXES)
def test_a_broken_demand_names_its_column_and_exits_1(run, format):
    command = (LSTM, TRIDIAGONAL, *ON_ECP5, "--format", format)
    cycles = estimate(load(LSTM), "ecp5-25").totals.cycles_per_step.value
    bound = f"cycles_per_step={cycles - 1}"
    out, err = run(*command, "--max", bound, "--min", "fits=1", code=1)
    assert out and err == f"error: speaker_lstm: cycles_per_step {cycles}, at most {cycles - 1}\n"
    assert run(*command, "--max", f"cycles_per_step={cycles}")


def test_report_and_compare_judge_alike(run):
    for demand, message in (
        ("energy_per_step_pj=1", "energy_per_step_pj is not known on asic-7nm\nhint: the node"),
        ("flash_bytes=1", "flash_bytes is not used on asic-7nm"),
        ("cycles=1", "unknown figure 'cycles'"),
    ):
        profile = ("--profile", "asic-7nm")
        alone = run(LSTM, *profile, "--max", demand, command="report", code=2)
        assert message in alone
        beside = run(LSTM, *profile, "--max", demand, code=2)
        assert beside == alone.replace("error: ", "error: speaker_lstm: ")


def test_unmet_lanes_fail(run):
    demand = ("--lanes", "auto", "--min", "steps_per_second=300000")
    out, err = run(TRIDIAGONAL, LSTM, *ON_ECP5, *demand, code=1)
    assert "speaker_lstm: lanes auto: " in out and out.count("FAIL") == 2
    assert re.search(r"^error: speaker_lstm: lanes auto: ", err, re.M)


# --- mistakes ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--profile", "ecp5"), 2, "unknown profile 'ecp5'"),
        (("--profile", "none.toml"), 3, "none.toml: cannot read this profile"),
        ((*ON_ECP5, *ON_ECP5), 2, "--profile ecp5-25 is given twice"),
        (("--lanes", "0"), 2, "Invalid value for '--lanes'"),
        (("--clock-mhz", "-3"), 2, f"{LSTM}: a clock of -3.0 MHz (on ecp5-25)"),
        (("none.json",), 3, "none.json: no such file"),
        (("none.py",), 3, "none.py: no such file"),
        ((LSTM,), 2, f"{LSTM} is given twice"),
        (("--set", "lanes=1"), 2, f"{LSTM}: unknown parameter 'lanes'"),
        (("-o", "nowhere/x.csv"), 2, "cannot write nowhere/x.csv"),
    ],
)
def test_a_mistake_is_told_with_its_place(run, arguments, code, message):
    err = run(LSTM, *arguments, code=code)
    assert message in err and len(err.splitlines()) <= 2


def test_a_report_of_another_schema_is_refused_with_the_cure(run, tmp_path):
    saved = tmp_path / "old.json"
    run(LSTM, *ON_ECP5, "-o", saved, command="report")
    saved.write_text(saved.read_text().replace(SCHEMA_ID, "urn:rnnhw:old"))
    err = run(LSTM, saved, code=3)
    assert f"{saved}: its schema is 'urn:rnnhw:old', a report's is {SCHEMA_ID!r}" in err
    assert "hint: save it again: rnnhw report DESIGN --format json" in err


def test_what_design_files_print_is_not_data(capsys, tmp_path):
    loud = tmp_path / "loud.py"
    loud.write_text(f"print('hello')\n{Path(ADDER).read_text()}")
    assert main(["compare", str(loud), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["columns"][0]["name"] == "loud" and err == "hello\n"


def test_a_comparison_loads_nothing_that_it_does_not_need():
    code = (
        "import sys; from rnnhw.cli import main; "
        f"main(['compare', {LSTM!r}, {TRIDIAGONAL!r}, '--profile', 'ice40up5k']); "
        "print('loaded:', *sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "rnnhw" in loaded and not loaded & {"scipy", "torch", "matplotlib", "pandas", "jinja2"}
