"""``rnnhw prove``: its answers, its files, its mistakes."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest
from helpers.paths import DESIGNS, ROOT

from rnnhw import UsageError, load, prove
from rnnhw.cli import main

COMMAND = "prove"
TRIDIAGONAL = str(DESIGNS / "adder_tridiagonal.py")
DENSE = str(DESIGNS / "adder_dense.py")
NEURONS = str(DESIGNS / "adder_three_neurons.py")


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command; what it prints on both streams."""
    monkeypatch.setattr("rnnhw.cli.progress._PATIENCE_SECONDS", 1e9)

    def call(*arguments, code=0, command=COMMAND):
        assert main([command, *map(str, arguments)]) == code
        return capsys.readouterr()

    return call


# --- answers -----------------------------------------------------------------------------------
def test_a_design_is_right_for_ever(run, tmp_path):
    out, err = run(TRIDIAGONAL, "--set", "word=6", "-o", tmp_path / "adder.proof")
    assert err == ""
    closed = "closed: 31,958 states, depth 37: right for sequences of any length"
    assert out.splitlines()[1] == closed
    out, err = run(TRIDIAGONAL, "--set", "word=6", "--check", tmp_path / "adder.proof")
    assert err == "" and out == (
        "certificate holds: right for sequences of any length: 31,958 states, 127,832 steps "
        "checked\n"
    )


def test_five_bits_are_wrong_and_simulate_says_so_too(run, tmp_path):
    file = tmp_path / "cex.npz"
    out, err = run(TRIDIAGONAL, "--set", "word=5", "-o", file, code=1)
    lines = out.splitlines()
    assert err == "" and lines[1].startswith("wrong after 11 steps: no shorter sequence")
    assert lines[3].split() == ["step", "input", "answer", "expected"]
    rows = [line.split() for line in lines[4:15]]
    a, b = (sum(int(row[k]) << t for t, row in enumerate(rows)) for k in (1, 2))
    assert (a, b) == (1027, 2045)
    assert [row[3] for row in rows] == list("00000000000")
    assert [row[4] for row in rows] == list("00000000001")
    assert lines[15] == "step 11: the answer is wrong"
    replay = f"replay: rnnhw simulate {TRIDIAGONAL} --set word=5 --data {file}"
    assert lines[16:18] == [replay, ""]
    replayed = tmp_path / "run.npz"
    run(TRIDIAGONAL, "--set", "word=5", "--data", file, "-o", replayed, command="simulate")
    with np.load(replayed) as arrays:
        assert (arrays["outputs"][0, :, 0] > 0).sum() == 0
    simulated = ("--set", "word=5", "--data", file, "--format", "json")
    assert json.loads(run(TRIDIAGONAL, *simulated, command="simulate").out)["accuracy"] == 0.0


def test_a_window_goes_wrong_behind_its_lead_and_simulate_says_so_too(run, tmp_path):
    file, window = tmp_path / "cex.npz", str(DESIGNS / "adder_window.py")
    assert "replay" not in run(window, code=1).out
    file = file.with_name("a b.npz")
    out, _ = run(window, "-o", file, code=1)
    assert "wrong after 8 steps" in out
    (replay,) = (line for line in out.splitlines() if line.startswith("replay: rnnhw simulate "))
    again = run(*shlex.split(replay)[3:], command="simulate")
    assert re.search(r"^accuracy .* 0\.0000 ", again.out, re.M)
    simulated = run(window, "--data", file, "--format", "json", command="simulate")
    found = json.loads(simulated.out)
    assert (found["steps"], found["accuracy"]) == (8, 0.0)


def test_recall_from_a_window_goes_wrong_where_the_mark_has_left_it(run, tmp_path):
    file, window = tmp_path / "cex.npz", str(DESIGNS / "recall_window.py")
    out, _ = run(window, "-o", file, code=1)
    assert "wrong after 9 steps" in out
    simulated = run(window, "--data", file, "--format", "json", command="simulate")
    assert json.loads(simulated.out)["accuracy"] == 0.0


def test_an_argument_of_the_automaton_asks_for_one_delay_alone(run, tmp_path):
    file, window = tmp_path / "recall.proof", str(DESIGNS / "recall_window.py")
    near, far = ("--set", "delay=7"), ("--set", "delay=8")
    exact = ("--automaton", "exact=true")
    every, _ = run(window, *near, code=1)  # a later delay is beyond the window
    assert "wrong after 9 steps" in every
    assert "closed" in run(window, *near, *exact, "-o", file).out
    assert "certificate holds" in run(window, *near, *exact, "--check", file).out
    assert "another claim" in run(window, *near, "--check", file, code=1).out
    counterexample = tmp_path / "cex.npz"
    assert "wrong after 9" in run(window, *far, *exact, "-o", counterexample, code=1).out
    simulated = ("--data", counterexample, "--format", "json")
    assert json.loads(run(window, *simulated, command="simulate").out)["accuracy"] == 0.0
    circuits = [tmp_path / "every.aig", tmp_path / "exact.aig"]
    run(window, *near, "--format", "aiger", "-o", circuits[0])
    run(window, *near, *exact, "--format", "aiger", "-o", circuits[1])
    assert circuits[0].read_bytes() != circuits[1].read_bytes()


def test_designs_of_two_tasks_are_compared_by_the_first_and_it_is_said(run):
    """Both read two inputs; nobody means to add by a network that recalls."""
    recall = str(DESIGNS / "recall_elman.py")
    out, err = run(NEURONS, "--equivalent-to", recall, code=1)
    assert "wrong after 1 step" in out
    assert err.startswith("note: ") and "recall_elman.py has another task (Recall)" in err
    assert "those of" in err and "adder_three_neurons.py (BinaryAddition)" in err
    _, err = run(NEURONS, "--equivalent-to", NEURONS, "--set-other", "word=6")
    assert err == ""


def test_two_designs_are_equivalent_or_not(run):
    out, _ = run(DENSE, "--set", "word=4", "--equivalent-to", TRIDIAGONAL, "--set-other", "word=4")
    assert "closed: 5,361 states, depth 16: equal sign of both" in out
    out, _ = run(TRIDIAGONAL, "--set", "word=4", "--equivalent-to", DENSE)
    assert "closed: 5,361 states, depth 16" in out
    out, _ = run(TRIDIAGONAL, "--set", "word=4", "--equivalent-to", DENSE, "--set-other", "word=8")
    assert "closed: 40,175 states, depth 24" in out
    out, _ = run(TRIDIAGONAL, "--set", "word=5", "--equivalent-to", DENSE, code=1)
    lines = out.splitlines()
    assert lines[3].split() == ["step", "input", "answer", "other"]
    assert "step 11: the answers differ" in lines


def test_settings_that_only_the_first_design_has_stay_there(run):
    out, _ = run(NEURONS, "--set", "gain=8", "--set", "word=4", "--equivalent-to", TRIDIAGONAL)
    assert "closed: 775 states" in out


def test_bounds_on_signals(run):
    out, _ = run(NEURONS, "--within", "rnn.state=0:1")
    assert "rnn.state within its bounds for sequences of any length" in out
    out, _ = run(NEURONS, "--within", "rnn.state=:0.5", code=1)
    assert "step 1: rnn.state leaves its bounds" in out
    out, _ = run(NEURONS, "--never", "rnn.sum", code=1)
    assert "step 1: rnn.sum meets a value that does not fit" in out


def test_an_open_search_is_no_pass_and_goes_on(run, tmp_path):
    file = tmp_path / "search"
    word = ("--set", "word=6")
    out, err = run(TRIDIAGONAL, *word, "--max-states", 1000, "-o", file, code=4)
    assert err == f"note: {file} keeps the search: with --resume {file} it goes on\n"
    assert out.splitlines()[1] == (
        "open at 1,058 states: right for every sequence of up to 5 steps; stopped by more than "
        "1,000 states"
    )
    assert main([COMMAND, TRIDIAGONAL, *word, "--check", str(file)]) == 3
    out, _ = run(TRIDIAGONAL, *word, "--resume", file, "-o", tmp_path / "adder.proof")
    assert "closed: 31,958 states, depth 37" in out
    run(TRIDIAGONAL, *word, "-o", tmp_path / "whole.proof")
    assert (tmp_path / "adder.proof").read_bytes() == (tmp_path / "whole.proof").read_bytes()
    out, err = run(TRIDIAGONAL, *word, "--memory", "200K", code=4)
    assert err == "note: nothing is kept of this search: with -o FILE it can go on\n"
    assert "stopped by the memory of 204,800 bytes" in out


def test_another_design_is_refused_by_a_certificate(run, tmp_path):
    file = tmp_path / "adder.proof"
    run(NEURONS, "-o", file)
    out, _ = run(NEURONS, "--set", "word=6", "--check", file, code=1)
    assert "refused" in out and "another design, or for another claim" in out
    assert "certificate holds" in run(NEURONS, "--check", file, "--golden").out


def test_json_says_the_same(run, tmp_path):
    file = tmp_path / "adder.proof"
    closed = json.loads(run(NEURONS, "-o", file, "--format", "json").out)
    assert closed["$schema"] == "urn:rnnhw:schema:proof:1"
    assert (closed["verdict"], closed["passed"]) == ("closed", True)
    assert (closed["states"], closed["depth"]) == (12, 3) and closed["counterexample"] is None
    checked = json.loads(run(NEURONS, "--check", file, "--format", "json").out)
    assert (checked["states"], checked["steps"], checked["passed"]) == (12, 48, True)
    assert checked["claim_sha256"] == closed["claim_sha256"]
    wrong = json.loads(run(TRIDIAGONAL, "--set", "word=5", "--format", "json", code=1).out)
    assert wrong["depth"] == 11 and not wrong["passed"]
    assert wrong["counterexample"]["symbols"] == [3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 3]
    assert wrong["counterexample"]["expected"] == [0] * 10 + [1]
    other = ("--equivalent-to", TRIDIAGONAL, "--set-other", "word=4", "--format", "json")
    equal = json.loads(run(NEURONS, *other).out)
    assert (equal["equivalent_to"], equal["other_settings"]["word"]) == (
        "adder_tridiagonal.py", 4,
    )  # fmt: skip


def test_verify_says_that_it_only_samples(run):
    out, _ = run(NEURONS, "--set", "operand_bits=4", command="verify")
    assert "samples only: `rnnhw prove` decides" in out


# --- files and mistakes ------------------------------------------------------------------------
def test_a_file_that_is_not_written_is_told(run, tmp_path):
    both = ("-o", tmp_path / "cex.npz", "-o", tmp_path / "adder.proof")
    _, err = run(NEURONS, *both)
    assert "cex.npz is not written: there is no counterexample" in err
    assert (tmp_path / "adder.proof").exists() and not (tmp_path / "cex.npz").exists()
    (tmp_path / "adder.proof").unlink()
    _, err = run(TRIDIAGONAL, "--set", "word=5", *both, code=1)
    assert "adder.proof is not written: nothing is proved" in err
    assert (tmp_path / "cex.npz").exists() and not (tmp_path / "adder.proof").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--golden",), "--golden is for --check"),
        (("--set-other", "word=4"), "--set-other is for a second design"),
        (("--within", "rnn.state"), "--within"),
        (("--within", "rnn.state=5"), "write --within SIGNAL=LOW:HIGH"),
        (("--within", "rnn.state=a:b"), "'a' is not a number"),
        (("--within", "rnn.state=1:nan"), "'nan' is not a number"),
        (("--within", "rnn.state=1e999:"), "'1e999' is not a number"),
        (("--within", "rnn.stat=0:1"), "did you mean 'rnn.state'?"),
        (("--within", "rnn.state=0.7:0.2"), "give the lower bound first"),
        (("--never", "rnn.Wx"), "unknown cast 'rnn.Wx'"),
        (("--max-states", "0"), "--max-states"),
        (("--memory", "lots"), "Invalid value for '--memory'"),
        (("--memory", "0G"), "Invalid value for '--memory'"),
        (("--memory", "10"), "the memory is too small"),
        (("--isa", "abacus"), "unknown instruction set 'abacus'"),
        (("--threads", "0"), "error: --threads 0"),
        (("--check", "x", "--threads", "2"), "searches nothing"),
        (("-o", "-"), "name a file"),
        (("-o", "a.npz", "-o", "b.npz"), "both take the counterexample"),
        (("-o", NEURONS), "this run reads that file"),
        (("--check", "x", "--max-states", "5"), "--check reads a certificate and searches nothing"),
        (("--set", "word=no"), "word='no' is not of type int"),
        (("--automaton", "exact=true"), "unknown parameter 'exact' of BinaryAddition.automaton()"),
        (("--automaton", "exact"), "write --automaton NAME=VALUE"),
        (("--format", "csv"), "unknown format 'csv'"),
        (("--equivalent-to", TRIDIAGONAL, "--set-other", "wrd=4"), "did you mean 'word'?"),
    ],
)
def test_wrong_calls_are_told_in_a_line(refused, arguments, words):
    assert words in refused(2, NEURONS, *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((DESIGNS / "speaker_mean.py",), "Classification has none"),
        ((DESIGNS / "speaker_mean.py", "--automaton", "exact=true"), "Classification has none"),
        ((NEURONS, "--check", "missing"), "missing: no certificate"),
        ((NEURONS, "--resume", "missing"), "missing: no search that can go on"),
        ((NEURONS, "--equivalent-to", "missing.py"), "missing.py: no such file"),
        (
            (NEURONS, "--equivalent-to", DESIGNS / "speaker_tridiagonal.py"),
            "is a sum over the whole sequence, which grows without end",
        ),
    ],
)
def test_wrong_designs_and_files_are_told_in_a_line(refused, arguments, words):
    assert words in refused(3, *arguments)


def test_from_python():
    proof = prove(load(NEURONS), within={"rnn.state": (0.0, None)})
    assert proof.closed and proof.counterexample is None
    with pytest.raises(UsageError, match="max_states=0"):
        prove(load(NEURONS), max_states=0)
    lstm = load(DESIGNS / "recall_lstm.py", {"delay": 2})
    exact = prove(lstm, automaton=lstm.task.automaton(exact=True))
    assert exact.closed


def test_an_interrupt_is_answered_before_the_search_is_written(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    said = []
    monkeypatch.setattr("rnnhw.proof.prove.Search.run", interrupted)
    monkeypatch.setattr("rnnhw.proof.prove.save", lambda *_: said.append(capsys.readouterr().err))
    main(["prove", NEURONS, "-o", str(tmp_path / "search")])
    main(["prove", NEURONS])
    assert said == [f"note: writing the search to {tmp_path / 'search'}\n"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_an_interrupt_leaves_a_search_that_goes_on(tmp_path):
    file = tmp_path / "search"
    command = [sys.executable, "-m", "rnnhw", "prove", TRIDIAGONAL, "--set", "word=12"]
    process = subprocess.Popen(
        [*command, "-o", str(file), "--max-states", "3000000"],
        cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stderr:  # a first line of progress: the search runs
        if line.startswith("states expanded"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    if process.returncode == 4:  # it was faster than the interrupt
        assert "open at" in out
        return
    assert process.returncode == 130 and "interrupted" in err and out == ""
    kept = f"note: {file} keeps the search: with --resume {file} it goes on\n"
    assert f"note: writing the search to {file}\n{kept}" in err
    assert [each.name for each in tmp_path.iterdir()] == ["search"]
    assert (
        main(["prove", TRIDIAGONAL, "--set", "word=12", "--resume", str(file), "--max-states", "1"])
        == 4
    )
