"""The command line: what each command prints, writes and exits with."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import DESIGNS

import rnnhw
from rnnhw import load
from rnnhw.cli import commands, main
from rnnhw.execution.simulate import simulate
from rnnhw.execution.verify import verify
from rnnhw.profiles import profile_names

ADDER = str(DESIGNS / "adder_tridiagonal.py")
DIAGONAL = str(DESIGNS / "adder_diagonal.py")
SPEAKER = str(DESIGNS / "speaker_hadamard.py")
SERIES = str(DESIGNS / "narma10.py")
WINDOW = str(DESIGNS / "recall_window.py")
SMALL = ("--set", "operand_bits=4")
COMMANDS = list(commands.COMMANDS)


@pytest.fixture
def said(capsys, monkeypatch):
    """Run a command that must succeed silently; its standard output."""
    monkeypatch.setattr("rnnhw.cli.progress._PATIENCE_SECONDS", 1e9)

    def run(*arguments, code=0):
        assert main([str(each) for each in arguments]) == code
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return run


def rnnhw_process(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "rnnhw", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip


# --- simulate ----------------------------------------------------------------------------------
def test_simulate_prints_outputs_accuracy_events_and_counts(said):
    out = said("simulate", ADDER, *SMALL)
    assert out.startswith(
        "Serial binary adder on a tridiagonal recurrence: three weights a unit.\n"
    )
    assert "(word=8, operand_bits=4, hidden=16)" in out
    assert re.search(r"^256 sequences, 1,280 steps, kernels: \w+$", out, re.M)
    assert re.search(r"^1,280 outputs of 1 unit, Q\(8, 12\) 21b$", out, re.M)
    assert re.search(r"^0 +-\d+\.\d+ +-?\d+\.\d+ +\d+\.\d+$", out, re.M)
    assert "accuracy  1.0000  (256 of 256; 95 % interval 0.9852 to 1.0000)" in out
    assert re.search(r"^rnn\.sum +[\d,]+ +[\d,]+ +0 +0$", out, re.M)
    assert re.search(r"^rnn\.U +0 +0 +0 +1$", out, re.M)
    assert re.search(r"^multiplies +99,840 +20,480 +120,320$", out, re.M)
    assert re.search(r"^weights read, bits +798,720 +163,840 +962,560$", out, re.M)
    assert not re.search(r" $", out, re.M)


def test_simulate_prints_how_far_a_forecast_is_off(said):
    score = simulate(load(SERIES)).score
    out = said("simulate", SERIES, "--max", "nrmse=0.5", "--min", "r2=0.9")
    line = f"nrmse  {score.nrmse:.4f}  (r2 {score.r2:.4f}; 8,000 values)"
    assert re.search(rf"^{re.escape(line)}$", out, re.M)
    assert f"PASS  r2 {score.r2:.6g}, at least 0.9\n" in out
    assert f"PASS  nrmse {score.nrmse:.6g}, at most 0.5\n" in out and "accuracy" not in out
    data = json.loads(said("simulate", SERIES, "--format", "json", "--max", "nrmse=0", code=1))
    assert (data["nrmse"], data["r2"], data["nrmse_values"]) == (score.nrmse, score.r2, 8000)
    assert "accuracy" not in data and data["passed"] is False


def test_a_delay_needs_no_other_weights(said):
    for delay, right in (("1", 1000), ("7", 1000), ("8", 500), ("200", 500)):
        out = said("simulate", WINDOW, "--set", f"delay={delay}", "--format", "json")
        assert json.loads(out)["accuracy_correct"] == right


def test_simulate_json_is_the_run_with_whole_numbers(said):
    out = said("simulate", SPEAKER, "--format", "json", "--max", "wraps=0", "--min", "accuracy=.9")
    data = json.loads(out)
    result = simulate(load(SPEAKER))
    assert data["accuracy"] == result.score.accuracy
    assert data["accuracy_correct"] == 357 and data["sequences"] == 370
    assert data["accuracy_interval_95"] == list(result.score.interval)
    assert data["events"]["input"] == {"high": 0, "low": 2, "wraps": 0}
    for layer, counts in result.run.counts.items():
        for name, value in counts.flat():
            shown = data["counts"][layer]
            for part in name.split("."):
                shown = shown[part]
            assert shown == value and type(shown) is int
    assert data["total_counts"]["multiplies"] == result.counts.multiplies
    assert [check["passed"] for check in data["checks"]] == [True, True]
    assert data["passed"] is True
    assert out == said("simulate", SPEAKER, "--format", "json", "--max", "wraps=0",
                       "--min", "accuracy=.9")  # fmt: skip


def test_simulate_saves_the_run_with_its_traces(said, tmp_path):
    run = tmp_path / "run.npz"
    said("simulate", ADDER, *SMALL, "-o", run, "--trace", "rnn.state")
    result = simulate(load(ADDER, {"operand_bits": 4}), traces=["rnn.state"])
    with np.load(run, allow_pickle=False) as saved:
        np.testing.assert_array_equal(saved["outputs"], result.run.outputs)
        np.testing.assert_array_equal(saved["trace.rnn.state"], result.run.traces["rnn.state"])
        np.testing.assert_array_equal(saved["final.rnn.state"], result.run.final["rnn.state"])
        assert "trace.rnn.sum" not in saved
    said("simulate", ADDER, *SMALL, "-o", run, "--trace", "all")
    with np.load(run, allow_pickle=False) as saved:
        names = {key[6:] for key in saved.files if key.startswith("trace.")}
    assert {name for name in names if not name.endswith(".fraction")} == set(
        load(ADDER).network.signals()
    )
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_simulate_runs_the_users_own_data(said, tmp_path):
    bits = np.array([[[1, 1], [0, 1], [0, 0]], [[1, 0], [0, 0], [0, 0]]])  # 1 + 3, 1 + 0
    np.savez(tmp_path / "d.npz", x=bits, lengths=[3, 2], y=[[0, 0, 1], [1, 0, 0]])
    out = said("simulate", ADDER, "--data", tmp_path / "d.npz", "--min", "accuracy=1")
    assert "2 sequences, 5 steps" in out and "PASS  accuracy 1, at least 1" in out
    np.savez(tmp_path / "d.npz", x=bits)
    assert "accuracy" not in said("simulate", ADDER, "--data", tmp_path / "d.npz")


def test_simulate_fails_where_a_bound_is_broken_and_says_so(said):
    out = said("simulate", ADDER, *SMALL, "--max", "saturations=0", code=1)
    assert re.search(r"^FAIL  saturations [\d,]+, at most 0$", out, re.M)
    command = ("simulate", ADDER, *SMALL, "--max", "saturations=0", "--format", "json")
    assert json.loads(said(*command, code=1))["passed"] is False


@pytest.mark.parametrize(
    "isa", [n for n, runs in rnnhw.execution.engine.available_isas().items() if runs]
)
def test_an_instruction_set_can_be_forced(said, isa):
    out = said("simulate", ADDER, *SMALL, "--isa", isa, "--format", "json")
    assert json.loads(out)["isa"] == isa


def test_rows_of_stacked_gates_are_no_units(said):
    """The weights of an LSTM of 32 units that became zero are in rows of four gates."""
    for command in ("simulate", "verify"):
        out = said(command, SERIES)
        rows = re.search(r"^rnn\.W: all weights of rows ([\d, ]+) became zero$", out, re.M)[1]
        data = json.loads(said(command, SERIES, "--format", "json"))
        assert list(map(int, rows.split(", "))) == data["all_zero"]["rnn.W"]
        assert max(data["all_zero"]["rnn.W"]) >= 32


# --- verify ------------------------------------------------------------------------------------
def test_verify_prints_errors_by_signal_and_source_and_the_verdict(said):
    out = said("verify", SPEAKER)
    row = r"^rnn\.state +Q\(0, 7\) 8b +65\.70 +2\.601 +0\.5133 +0\.02032 +32\.3 +160,5,24$"
    assert re.search(row, out, re.M)
    for source in ("input", "weights", "state", "tables", "accumulator"):
        assert re.search(rf"^{source} +[\d.,]+ +[\d.,]+ +\d+\.\d +0\.9\d+$", out, re.M)
    assert "accuracy, fixed point  0.9649  (357 of 370; 95 % interval 0.9408 to 0.9794)" in out
    assert "accuracy, float        0.9649  (357 of 370;" in out
    assert out.endswith(
        "PASS  accuracy 0.964865, at least 0.95\nPASS  accuracy_loss 0, at most 0.005\n\nPASS\n"
    )


def test_verify_judges_a_forecast_beside_the_float_reference(said):
    result = verify(load(SERIES))
    out = said("verify", SERIES)
    assert re.search(r"^source +max LSB +rms LSB +SNR dB +nrmse$", out, re.M)
    for name, score in (("fixed point", result.score), ("float      ", result.float_score)):
        assert f"\nnrmse, {name}  {score.nrmse:.4f}  (r2 {score.r2:.4f}; 8,000 values)\n" in out
    loss = result.score.nrmse - result.float_score.nrmse
    assert result.figures()["nrmse_loss"] == loss
    assert f"PASS  nrmse_loss {loss:.6g}, at most" in out and out.endswith("\nPASS\n")
    command = ("verify", SERIES, "--format", "json", "--max", "float_nrmse=0")
    data = json.loads(said(*command, code=1))
    assert data["float_nrmse"] == pytest.approx(result.float_score.nrmse)
    assert data["float_r2"] == pytest.approx(1 - data["float_nrmse"] ** 2)
    assert data["sources"]["weights"]["nrmse"] == result.sources[1].score.nrmse


def test_verify_exits_1_where_the_design_fails(said):
    out = said("verify", DIAGONAL, *SMALL, code=1)
    assert out.endswith("\nFAIL\n") and "FAIL  accuracy 0." in out
    out = said("verify", SPEAKER, "--min", "snr_db=60", "--max", "rnn.sum.max_error_lsb=1", code=1)
    assert "FAIL  snr_db 38." in out and "FAIL  rnn.sum.max_error_lsb 155." in out
    assert "PASS  accuracy 0.964865, at least 0.95" in out and out.endswith("\nFAIL\n")


def test_verify_json_is_the_verification(said):
    data = json.loads(said("verify", SPEAKER, "--format", "json"))
    result = verify(load(SPEAKER))
    assert data["output"]["max_error_lsb"] == pytest.approx(result.output.max_error_lsb)
    assert data["signals"]["rnn.state"]["worst_sequence_step_unit"] == [160, 5, 24]
    assert data["float_accuracy_correct"] == 357
    assert data["sources"]["weights"]["accuracy_correct"] == 357
    assert data["events"]["rnn.sum"] == result.events["rnn.sum"]._asdict()
    assert data["passed"] is True
    assert [check["name"] for check in data["checks"]] == ["accuracy", "accuracy_loss"]


def test_json_knows_no_infinity(said, tmp_path):
    np.savez(tmp_path / "d.npz", x=np.zeros((1, 1, 2)))
    design = tmp_path / "d.py"
    design.write_text(
        "from rnnhw import *\ndef design(bound=float('inf'), format=Q(3, 0)):\n"
        "    return Design(inputs=2, layers=[Linear(1, name='head')],\n"
        "        formats=Formats(input=format, weight=format),\n"
        "        weights={'head.W': [[1, 2]], 'head.b': [3]})\n"
    )
    command = ("verify", design, "--data", tmp_path / "d.npz", "--max", "max_error=0")
    data = json.loads(said(*command, "--format", "json"))
    assert data["output"]["snr_db"] is None and data["output"]["max_error"] == 0
    assert data["settings"] == {"bound": None, "format": "Q(3, 0) 4b"}
    assert data["checks"] == [
        {"name": "max_error", "value": 0.0, "bound": 0.0, "kind": "max", "unjudged": "",
         "passed": True}
    ]  # fmt: skip
    assert re.search(r"^output +Q\(.*\) +\d+b +0 +0 +0 +0 +exact +-$", said(*command), re.M)


SMALL_NET = (
    "from rnnhw import *\nimport numpy as np\n"
    "def design(weight=1.0, feedback=0.5, steps=4):\n"
    "    return Design([Elman(2, recurrent=Diagonal(), activation=Identity(), name='rnn'),\n"
    "        Last(), Linear(2, name='head')], inputs=2, max_steps=steps,\n"
    "        formats=Formats(input=Q(1, 6), weight=Q(3, 4), sum=Q(5, 8), state=Q(5, 8)),\n"
    "        weights={'rnn.W': np.eye(2) * weight, 'rnn.U': [feedback] * 2, 'rnn.b': [0.0, 0.0],\n"
    "            'head.W': np.eye(2), 'head.b': [0.0, 0.0]})\n"
)


@pytest.fixture
def net(tmp_path):
    """A design without a task, and labelled data of two classes that it tells apart."""
    (tmp_path / "d.py").write_text(SMALL_NET)
    x = np.zeros((4, 3, 2))
    x[[0, 1], :, 0], x[[2, 3], :, 1] = 1, 1
    np.savez(tmp_path / "d.npz", x=x, y=[0, 0, 1, 0])
    np.savez(tmp_path / "plain.npz", x=x)
    np.savez(tmp_path / "real.npz", x=x, y=np.arange(24.0).reshape(4, 3, 2))
    np.savez(tmp_path / "flat.npz", x=x, y=[0.0, 0.5, 1.0, 0.0])
    return tmp_path


@pytest.mark.parametrize("command", ["simulate", "verify"])
def test_json_says_what_it_is_and_whose(said, net, command):
    run = (command, net / "d.py", "--data", net / "plain.npz", "--max", "wraps=0")
    data = json.loads(said(*run, "--format", "json"))
    kind = {"simulate": "simulation", "verify": "verification"}[command]
    assert list(data.items())[:2] == [
        ("$schema", f"urn:rnnhw:schema:{kind}:1"), ("rnnhw_version", rnnhw.__version__),
    ]  # fmt: skip


def test_labels_are_used_without_a_task(said, net, capsys):
    for command in ("simulate", "verify"):
        run = (command, net / "d.py", "--data")
        out = said(*run, net / "d.npz", "--min", "accuracy=0.75")
        assert "0.7500  (3 of 4; 95 % interval" in out and "PASS  accuracy 0.75, at least" in out
        assert "nrmse" in said(*run, net / "real.npz", "--max", "nrmse=9")
        assert main([str(each) for each in (*run, net / "flat.npz", "--max", "wraps=0")]) == 3
        out, err = capsys.readouterr()
        assert out == "" and "y is float64 of shape (4,)" in err
        assert "real numbers [4 sequences, 3 steps, outputs]" in err


def test_verify_prints_its_table_where_nothing_is_required(net, capsys):
    command = ["verify", str(net / "d.py"), "--data", str(net / "plain.npz")]
    assert main(command) == 2
    out, err = capsys.readouterr()
    assert "error against the float reference, 4 sequences" in out
    assert out.endswith("\nNOT JUDGED: nothing is required\n")
    assert "d.py: nothing is required, so nothing can pass\nhint: give the task require" in err
    assert main([*command, "--format", "json"]) == 2
    data = json.loads(capsys.readouterr().out)
    assert data["checks"] == [] and data["passed"] is False


@pytest.mark.parametrize("command", ["simulate", "verify"])
def test_a_demand_on_what_says_nothing_exits_2_and_says_why(net, capsys, command):
    run = [command, str(net / "d.py"), "--data", str(net / "d.npz"), "--set", "weight=0.01"]
    why = "all outputs are equal, whatever the input"
    assert main([*run, "--min", "accuracy=0.1", "--max", "wraps=0"]) == 2
    out, err = capsys.readouterr()
    assert err == f"error: accuracy is not judged: {why}\n"
    assert f"NOT JUDGED  accuracy, at least 0.1: {why}\nPASS  wraps 0, at most 0\n" in out
    assert f"(not judged: {why}; 3 of 4; 95 % interval 0.3006 to 0.9544; 4 ties)" in out
    assert main([*run, "--min", "accuracy=0.1", "--format", "json"]) == 2
    data = json.loads(capsys.readouterr().out)
    assert data["checks"][0]["unjudged"] == why and data["passed"] is False
    assert data["accuracy_not_judged"] == why and data["ties"] == 4
    assert main([*run, "--max", "wraps=0", "--max", "ties=4"]) == 0


def test_what_becomes_zero_is_told(said, net):
    run = (
        net / "d.py",
        "--data",
        net / "plain.npz",
        "--set",
        "weight=0.01",
        "--set",
        "feedback=0.01",
    )
    for command in ("simulate", "verify"):
        out = said(command, *run, "--max", "underflows=4")
        assert re.search(r"^rnn\.W +0 +0 +0 +2$", out, re.M)
        assert "\nrnn.W: all zero\nrnn.U: all zero\n" in out
        data = json.loads(said(command, *run, "--max", "underflows=3", "--format", "json", code=1))
        assert data["underflows"]["rnn.W"] == 2 and data["underflows"]["input"] == 0
        assert data["all_zero"]["rnn.U"] == []
    assert "rnn.sum: zero at every step in units 0, 1, unlike the reference" in out
    assert "output: zero at every step in units 0, 1\n" in said("simulate", *run)
    assert json.loads(said("simulate", *run, "--format", "json"))["zero_outputs"] == [0, 1]
    plain = (net / "d.py", "--data", net / "plain.npz", "--format", "json")
    assert json.loads(said("simulate", *plain))["zero_outputs"] == []


def test_verify_tells_which_units_stop_on_zero_input(said, net):
    run = ("verify", net / "d.py", "--data", net / "plain.npz", "--set", "feedback=0.9")
    out = said(*run, "--max", "stuck_units=0", code=1)
    assert "\non zero input, from the last states of 4 sequences\n" in out
    assert "\nrnn.state: 2 of 2 units stop at up to 4 LSB\n" in out
    data = json.loads(said(*run, "--max", "wraps=0", "--format", "json"))
    assert data["zero_input"] == {
        "sequences": 4,
        "max_steps": 4096,
        "layers": {"rnn": {
            "skipped": None,
            "repeating_sequences": 4,
            "states": {"rnn.state": {"units": 2, "stuck_units": [0, 1], "largest_lsb": 4}},
        }},
    }  # fmt: skip


def test_a_float_reference_without_end_is_a_wrong_design(net, capsys):
    np.savez(net / "long.npz", x=np.ones((2, 1000, 2)), y=[0, 0])
    run = ["verify", str(net / "d.py"), "--data", str(net / "long.npz"), "--set", "feedback=3"]
    assert main([*run, "--set", "steps=1000", "--min", "accuracy=0"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"long\.npz: the float reference of rnn\.\w+ is inf at step \d+ of seq", err)


# --- files and formats -------------------------------------------------------------------------
@pytest.mark.parametrize("command", ["verify", "report"])
def test_a_file_holds_what_would_have_been_printed(said, tmp_path, command):
    for suffix, arguments in (("txt", ()), ("json", ("--format", "json"))):
        printed = said(command, SPEAKER, *arguments)
        assert said(command, SPEAKER, "-o", tmp_path / f"r.{suffix}") == ""
        assert (tmp_path / f"r.{suffix}").read_text() == printed
    json.loads((tmp_path / "r.json").read_text())
    said(command, SPEAKER, "--format", "json", "-o", tmp_path / "r.dat")
    assert (tmp_path / "r.dat").read_text() == (tmp_path / "r.json").read_text()


def test_a_report_can_be_held_against_bounds(capsys):
    assert main(["report", SPEAKER, "--max", "cycles_per_step=1"]) == 1
    out, err = capsys.readouterr()
    assert "Speed" in out and err.startswith("error: cycles_per_step is ")
    assert main(["report", SPEAKER, "--min", "steps_per_second=1"]) == 0
    capsys.readouterr()


def test_a_bound_on_what_is_not_known_says_why(capsys):
    cases = {
        ("gw1nr-9", "steps_per_second"): "hint: the profile knows no clock: give --clock-mhz",
        ("cortex-m33", "cycles_per_step"): "error: cycles_per_step is not known on cortex-m33",
        ("asic-45nm", "flash_bytes"): "error: flash_bytes is not used on asic-45nm",
        ("asic-7nm", "energy_per_step_pj"): "hint: the node has no figure for a part of it",
    }
    for (profile, name), message in cases.items():
        assert main(["report", SPEAKER, "--profile", profile, "--min", f"{name}=1"]) == 2
        out, err = capsys.readouterr()
        assert out == "" and message in err
    clocked = ["--clock-mhz", "27", "--min", "steps_per_second=1"]
    assert main(["report", SPEAKER, "--profile", "gw1nr-9", *clocked]) == 0


# --- info and profiles -------------------------------------------------------------------------
def test_info_describes_the_build(said):
    out = said("info")
    assert out.startswith(f"rnnhw {rnnhw.__version__}, Python 3.")
    assert re.search(r"^plain +runs them", out, re.M) and out.count("default") == 1
    assert "cortex-m4, cortex-m55, cortex-m7, ecp5-25" in out


def test_info_describes_a_design(said):
    out = said("info", SPEAKER)
    for row in (
        r"mean1 +total +rnn +32 +Q\(5, 7\) 13b",
        r"rnn\.U\.stage0 +cast +U\.pairs0 +32 +Q\(6, 9\) 16b",
        r"rnn\.Uh +matvec diagonal +U\.stage4, Wx +32 +Q\(8, 15\) 24b",
        r"head\.W +9 x 32 +weight +Q\(1, 6\) 8b",
    ):
        assert re.search(rf"^{row}$", out, re.M), row
    assert "Nine speakers by two vowels" in out
    assert re.search(r"rnn\.W +64 x 12 ", said("info", SPEAKER, "--set", "hidden=64"))


def test_profiles_list_each(said):
    kinds = r"(FPGA|microcontroller|ASIC|FPGA board|microcontroller board)"
    out = said("profiles")
    for name in profile_names():
        assert re.search(rf"^{name} +{kinds} +\w", out, re.M), name


@pytest.mark.parametrize("name", profile_names())
def test_profiles_show_every_source(said, name):
    out = said("profiles", name)
    assert f"({name}, " in out
    profile = rnnhw.profiles.load_profile(name)
    assert profile.note in out
    for path, figure in rnnhw.profiles.sourced_figures(profile):
        assert f"\n{path}  " in out and figure.source in out and f"[{figure.status}]" in out


# --- the program -------------------------------------------------------------------------------
USAGES = {
    "sweep": "DESIGN...",
    "compare": "DESIGN|REPORT.json...",
    "report": "DESIGN",
    "info": "[DESIGN]",
    "new": "NAME",
}


@pytest.mark.parametrize(("command", "arguments"), USAGES.items())
def test_the_usage_has_the_arguments_as_one_writes_them(said, command, arguments):
    line = said(command, "--help").splitlines()[0]
    assert line == f"Usage: rnnhw {command} [OPTIONS] {arguments}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_fits_a_terminal(said, command):
    out = said(command, "--help")
    assert out.startswith(f"Usage: rnnhw {command} ")
    summary = re.search(rf"^  {command} +(.+)$", said("--help"), re.M)[1]
    assert summary.endswith(".") and "..." not in summary


def test_the_version_and_no_command_at_all(said, capsys):
    assert said("--version") == f"rnnhw {rnnhw.__version__}\n"
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("Usage: rnnhw [OPTIONS] COMMAND")


def test_the_exit_code_is_the_process_own():
    assert rnnhw_process("info").returncode == 0
    failed = rnnhw_process("verify", DIAGONAL, *SMALL)
    assert (failed.returncode, failed.stderr) == (1, "")
    wrong = rnnhw_process("verify", DIAGONAL, "--set", "word=many")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    missing = rnnhw_process("info", "none.py")
    assert missing.returncode == 3
    assert missing.stderr.splitlines()[0] == "error: none.py: no such file or directory"


@pytest.mark.parametrize("command", [("info", SPEAKER), ("verify", DIAGONAL, *SMALL)])
def test_a_reader_that_has_seen_enough_is_no_error(command):
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [sys.executable, "-m", "rnnhw", *command],
        stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    os.close(writing)
    assert process.stderr == b""
    assert process.returncode == (command[0] == "verify")  # the verdict is not lost


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_told():
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "rnnhw", "info"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert process.returncode == 2
    assert process.stderr == "error: cannot write to standard output: no space left on device\n"


def test_a_narrow_character_set_replaces_what_it_lacks(tmp_path):
    design = tmp_path / "d.py"
    design.write_text((DESIGNS / "adder_dense.py").read_text().replace("Serial", "Séri\u2211l"))
    process = rnnhw_process("info", design, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert process.returncode == 0 and process.stdout.startswith("S?ri?l binary adder")


def test_colours_are_for_terminals_without_no_color():
    def shown(**environment):
        return rnnhw_process("verify", ADDER, *SMALL, env={**os.environ, **environment}).stdout

    assert "\x1b" not in shown()
    assert "\x1b[1;32mPASS" in shown(FORCE_COLOR="1", TERM="xterm")
    assert "\x1b[1;32m" not in shown(FORCE_COLOR="1", TERM="xterm", NO_COLOR="1")


@pytest.mark.parametrize("columns", [20, 80, 120])
def test_numbers_are_never_cut_in_a_narrow_terminal(columns):
    narrow = {**os.environ, "COLUMNS": str(columns), "FORCE_COLOR": "1", "NO_COLOR": "1"}
    out = rnnhw_process("verify", SPEAKER, env={**narrow, "TERM": "xterm"}).stdout
    plain = re.sub(r"\x1b\[[\d;]*m", "", out)
    for number in ("65.70", "2.601", "0.5133", "0.02032", "160,5,24", "60,036", "4,982", "7,908"):
        assert re.search(rf"(?<![\d.,]){number}(?![\d.])", plain), number
    if columns == 80:
        assert max(map(len, plain.splitlines())) <= 80


def test_progress_is_for_stderr_and_for_those_who_wait(capsys, monkeypatch):
    monkeypatch.setattr("rnnhw.cli.progress._PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", 20_000)
    assert main(["verify", ADDER, *SMALL, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["passed"] is True
    assert re.fullmatch(r"(sequences: \d+ of 256\n)+", err)
    assert "256 of 256" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_leaves_nothing_half_written(tmp_path):
    steps = 3_000_000
    np.savez(tmp_path / "long.npz", x=np.ones((1, steps, 2), np.uint8))
    (tmp_path / "run.npz").write_bytes(b"older")
    # The interrupt must come when the command runs, however long a busy machine takes to import.
    command = "import sys; from rnnhw.cli import main; print('imported', flush=True); "
    process = subprocess.Popen(
        [
            sys.executable, "-c", f"{command}sys.exit(main(sys.argv[1:]))",
            "simulate", ADDER, "--data", "long.npz", "-o", "run.npz",
        ],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == b"imported\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b"" and b"Traceback" not in err
    assert (tmp_path / "run.npz").read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.npz", "run.npz"]
