"""``rnnhw emit``: the folder, the check that finds differences, and mistakes."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.paths import DESIGNS
from helpers.tools import linted, simulated

from rnnhw import emit, load
from rnnhw.cli import main
from rnnhw.commands import emit as emitter
from rnnhw.execution.simulate import simulate

ADDER, SPEAKER = str(DESIGNS / "adder_tridiagonal.py"), str(DESIGNS / "speaker_mean.py")
SMALL = ("--set", "operand_bits=3")

PLAIN = '''"""A layer without a task."""
from rnnhw import *


def design(both=False):
    layer = Elman(2, bias=False, name="rnn")
    names = ["bidirectional0.forward", "bidirectional0.backward"] if both else ["rnn"]
    numbers = {"W": [[0.3, 0.5], [-1, 0.25]], "U": [[0.5, 0.25], [0, -0.75]]}
    return Design(
        inputs=2,
        layers=[Bidirectional(layer) if both else layer],
        formats=Formats(input=Q(0, 7), weight=Q(1, 6), state=Q(0, 7), sum=Q(2, 5)),
        weights={f"{name}.{key}": value for name in names for key, value in numbers.items()},
    )
'''


COMMAND = "emit"  # that ``refused`` runs


@pytest.fixture
def said(capsys):
    """Run emit, which may say nothing on stderr but what it waits for; its standard output."""

    def run(*arguments, code=0):
        assert main(["emit", *map(str, arguments)]) == code
        out, err = capsys.readouterr()
        assert all(re.match(r"(iverilog|verilator): \w+ing ", line) for line in err.splitlines())
        return out

    return run


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.py"
    path.write_text(PLAIN)
    return path


# --- the folder ----------------------------------------------------------------------------------
def test_the_folder_is_written_and_described(said, tmp_path):
    out = said(ADDER, *SMALL, "-o", tmp_path / "adder")
    names = {path.name for path in (tmp_path / "adder").iterdir()}
    assert {"adder_tridiagonal.v", "adder_tridiagonal_tb.v", "rnnhw_cast.v"} <= names
    assert f"{tmp_path / 'adder'}: {len(names)} files, top module adder_tridiagonal" in out
    assert "lanes: rnn 4, head 1" in out
    assert re.search(r"^x_data +2 +Q\(1, 0, signed=False\) 1b$", out, re.M)
    assert re.search(r"^y_data +1 +Q\(8, 12\) 21b$", out, re.M)
    # nothing was simulated; the folders' own names may hold any word
    told = out.replace(str(ADDER), "").replace(str(tmp_path), "")
    assert "check" not in told and "PASS" not in told


def test_files_of_another_design_in_the_folder_are_told(said, plain, tmp_path, capsys):
    folder = tmp_path / "rtl"
    said(ADDER, "-o", folder, *SMALL)
    said(ADDER, "-o", folder, *SMALL)
    (folder / "Makefile").write_text("all:\n")
    said(ADDER, "-o", folder, *SMALL)  # its own files, and one that is none of a design
    before = set(folder.glob("adder_*"))
    assert main(["emit", str(plain), "-o", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "also holds" not in out and err.count("\n") == 1
    assert err.startswith(f"note: {folder} also holds adder_tridiagonal.core, ")
    also = re.search(r"and (\d+) more, which this design does not have", err)
    mine = {path.name for path in folder.glob("plain*")}
    lost = {path.name for path in folder.glob("rnnhw_*.v")} - set(
        emit(str(plain), tmp_path / "alone").files
    )
    assert mine and int(also[1]) == len(before) + len(lost) - 5
    assert {path for path in before if path.exists()} == before


def test_every_static_module_of_the_folder_is_there_with_those_it_uses(said, tmp_path):
    said(ADDER, *SMALL, "-o", tmp_path)
    defined = {path.stem for path in tmp_path.glob("*.v")}
    for path in tmp_path.glob("rnnhw_*.v"):
        code = re.sub(r"//.*", "", path.read_text())
        assert set(re.findall(r"\brnnhw_\w+", code)) <= defined, path.name
    listed = (tmp_path / "adder_tridiagonal.f").read_text().split("\n")
    assert {f"{name}.v" for name in defined if not name.endswith("_tb")} <= set(listed)


def test_json_tells_the_same(said, tmp_path):
    data = json.loads(said(ADDER, *SMALL, "-o", tmp_path, "--format", "json", "--sequences", "3"))
    assert data["top"] == "adder_tridiagonal" and data["lanes"] == {"rnn": 4, "head": 1}
    assert data["files"] == sorted(path.name for path in tmp_path.iterdir())
    assert data["input"] == {"units": 2, "width": 1, "fraction": 0, "signed": False}
    assert data["output"] == {"units": 1, "width": 21, "fraction": 12, "signed": True}
    assert data["bench"] == {"sequences": 3, "steps": 12, "outputs": 12}
    assert "runs" not in data and "passed" not in data


def test_the_bench_holds_what_the_engine_computes(tmp_path):
    design = load(ADDER, {"operand_bits": 3})
    result = emit(design, tmp_path)
    run = simulate(design).run
    assert result.stimulus.sequences == 64  # all: they fit
    np.testing.assert_array_equal(result.stimulus.outputs, run.outputs.reshape(-1, 1))
    fewer = emit(load(ADDER), tmp_path).stimulus
    assert 10 < fewer.sequences < 65_536
    assert 0.9 * emitter.DEFAULT_CYCLES < fewer.cycles[-1] < emitter.DEFAULT_CYCLES
    assert emit(load(ADDER), tmp_path, sequences=1).stimulus.sequences == 1


def test_lanes_are_the_targets_or_those_given(said, tmp_path):
    for options, lanes in (
        ((), {"rnn": 4, "head": 1}),
        (("--lanes", "2"), {"rnn": 2, "head": 1}),
    ):
        out = said(ADDER, *SMALL, "-o", tmp_path, "--format", "json", *options)
        assert json.loads(out)["lanes"] == lanes
    chosen = json.loads(said(ADDER, "-o", tmp_path, "--format", "json", "--lanes", "auto"))["lanes"]
    assert chosen["rnn"] > 4


def test_a_design_without_a_task_has_a_bench_where_there_is_data(said, plain, tmp_path):
    out = said(plain, "-o", tmp_path / "out")
    assert "no test bench: the design has no task and no --data" in out
    assert not (tmp_path / "out" / "plain_tb.v").exists()
    x = np.random.default_rng(0).uniform(-1, 1, (3, 5, 2))
    np.savez(tmp_path / "x.npz", x=x, lengths=[5, 1, 3])
    options = ("--data", tmp_path / "x.npz", "--format", "json")
    data = json.loads(said(plain, "-o", tmp_path / "out", *options))
    assert data["bench"] == {"sequences": 3, "steps": 9, "outputs": 18}
    assert (tmp_path / "out" / "plain_tb.v").exists()


# --- the check -----------------------------------------------------------------------------------
@simulated
def test_a_check_counts_what_it_compared(said, tmp_path):
    out = said(ADDER, *SMALL, "-o", tmp_path, "--check")
    assert "check: 64 sequences, 256 steps, 256 outputs" in out
    assert re.search(r"^iverilog [\d.]+ +256 +256 +[\d,]+ +0 +0 +0$", out, re.M)
    assert re.search(
        r"^iverilog [\d.]+, with stalls and a reset +256 +256 +[\d,]+ +0 +- +0$", out, re.M
    )
    assert out.endswith("PASS\n")


@simulated
@linted
def test_all_simulators_agree_in_every_cycle(said, tmp_path):
    options = ("--check", "--simulator", "all", "--format", "json", "--sequences", "20")
    data = json.loads(said(SPEAKER, "-o", tmp_path, *options))
    runs = data["runs"]
    assert data["passed"] and [run["stalls"] for run in runs] == [False, True] * 2
    assert [run["simulator"].split()[0] for run in runs] == ["iverilog"] * 2 + ["verilator"] * 2
    assert runs[0]["cycles"] == runs[2]["cycles"] < runs[1]["cycles"]
    assert {run["outputs"] for run in runs} == {data["bench"]["outputs"]} == {180}


@simulated
def test_a_cycle_that_differs_fails_with_the_first(said, tmp_path, monkeypatch):
    true = emitter.output_cycles
    monkeypatch.setattr(
        emitter, "output_cycles", lambda *given: [c + (i >= 5) for i, c in enumerate(true(*given))]
    )
    out = said(ADDER, *SMALL, "-o", tmp_path, "--check", code=1)
    assert out.endswith("FAIL\n")
    (told,) = re.findall(
        r"^iverilog [\d.]+: sequence 1, step 1: expected in cycle (\d+), came in cycle (\d+)$",
        out, re.M,
    )  # fmt: skip
    assert int(told[0]) == int(told[1]) + 1
    options = ("--check", "--format", "json")
    data = json.loads(said(ADDER, *SMALL, "-o", tmp_path, *options, code=1))
    assert not data["passed"] and [run["passed"] for run in data["runs"]] == [False, True]
    assert data["runs"][0]["late"] == 251 and data["runs"][0]["differences"] == 0


@simulated
def test_a_weight_that_differs_fails_with_the_first(said, tmp_path, monkeypatch):
    true = emitter.emit_network

    def broken(*given):
        emission = true(*given)
        (image,) = (name for name in emission.files if re.search("head.*weights.*hex", name))
        text = re.sub(r"^[^/\n].*$", lambda word: "0" * len(word[0]), emission.files[image],
                      flags=re.M)  # fmt: skip
        return replace(emission, files={**emission.files, image: text})

    monkeypatch.setattr(emitter, "emit_network", broken)
    out = said(ADDER, *SMALL, "-o", tmp_path, "--check", code=1)
    design = load(ADDER, {"operand_bits": 3})
    first = int(simulate(design).run.outputs[0, 0, 0])
    assert re.search(rf"sequence 0, step 0, unit 0: expected {first}, got -?\d+$", out, re.M)
    assert out.endswith("FAIL\n")


@simulated
def test_waves_have_the_names_of_the_signals(said, tmp_path):
    waves = tmp_path / "adder.vcd"
    said(ADDER, *SMALL, "-o", tmp_path / "out", "--check", "--sequences", "1", "--waves", waves)
    names = set(re.findall(r"\$var \w+ +\d+ \S+ (\w+)", waves.read_text()))
    assert {"state", "clk", "x_data", "y_data"} <= names


# --- mistakes ------------------------------------------------------------------------------------
def test_options_that_need_a_check_say_so(refused, tmp_path):
    for option in (("--simulator", "all"), ("--waves", tmp_path / "w.vcd")):
        err = refused(2, ADDER, "-o", tmp_path / "out", *option)
        assert f"{option[0]} is for a check" in err and "add --check" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--sequences", "0"), "0 sequences"),
        (("--check", "--simulator", "modelsim"), "unknown simulator 'modelsim'"),
        (("--lanes", "0"), "--lanes"),
        (("--format", "xml"), "unknown format 'xml'"),
    ],
)
def test_wrong_values_are_usage_errors(refused, tmp_path, options, text):
    assert text in refused(2, ADDER, "-o", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


@simulated
@linted
def test_waves_of_two_simulators_do_not_fit_one_file(refused, tmp_path):
    waves = ("--waves", tmp_path / "w.vcd")
    assert "two simulators" in refused(
        2, ADDER, "-o", tmp_path / "out", "--check", "--simulator", "all", *waves
    )


def test_an_output_folder_is_demanded(refused):
    assert "--output" in refused(2, ADDER)


def test_a_missing_simulator_names_its_package(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    err = refused(2, ADDER, "-o", tmp_path / "out", "--check")
    assert "iverilog is not installed" in err and "apt install iverilog" in err
    assert not (tmp_path / "out").exists()


def test_a_file_of_somebody_else_is_in_the_way(refused, tmp_path):
    (tmp_path / "adder_tridiagonal.v").write_text("module mine; endmodule\n")
    assert "was not written by rnnhw" in refused(2, ADDER, *SMALL, "-o", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["adder_tridiagonal.v"]


def test_what_cannot_be_emitted_is_a_design_error(refused, plain, tmp_path):
    err = refused(3, plain, "--set", "both=true", "-o", tmp_path / "out")
    assert err.count("plain.py: ") == 1 and "cannot be emitted as Verilog" in err
    assert not (tmp_path / "out").exists()


@simulated
def test_a_check_needs_inputs(refused, plain, tmp_path):
    assert "the design has no task" in refused(3, plain, "-o", tmp_path / "out", "--check")
    assert not (tmp_path / "out").exists()


# --- the datasheet -------------------------------------------------------------------------------
def test_the_timing_of_the_datasheet_is_that_of_the_machine(tmp_path):
    text = (DESIGNS.parent / "docs" / "stream-interface.md").read_text()
    cycles = emit(load(ADDER), tmp_path, sequences=1).stimulus.cycles
    assert f"an output every {cycles[1] - cycles[0]} cycles" in text
    (axis,) = re.findall(r"^cycle +(.*)$", text, re.M)
    assert {str(cycle) for cycle in cycles[:2]} <= set(axis.split())
