"""Where results go: no input of the run is written over, and a suffix means what it says."""

import os
import re

import numpy as np
import pytest

from rnnhw import UsageError, load
from rnnhw.cli import main
from rnnhw.design.tasks import Samples
from rnnhw.execution.simulate import simulate
from rnnhw.profiles import load_profile, profile_files

DESIGN = """
from rnnhw import *


def design(task=False):
    read = Regression("data.npz", standardise=False, limit={"nrmse": 9}) if task else None
    return Design(
        [Elman(2, name="rnn"), Linear(1, name="head")],
        Formats(input=Q(1, 6), weight=Q(1, 6), state=Q(0, 7), sum=Q(2, 5)),
        inputs=1, weights="w.npz", target=Target("own.toml"), task=read,
    )
"""
WEIGHTS = {
    "rnn.W": [[0.5], [0.25]],
    "rnn.U": [[0.5, 0], [0, 0.5]],
    "rnn.b": [0, 0],
    "head.W": [[1, -1]],
    "head.b": [0],
}
X = np.linspace(-1, 1, 12).reshape(2, 6, 1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A design with weights, data, a profile on another profile, and a saved report."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.py").write_text(DESIGN)
    np.savez("w.npz", **WEIGHTS)
    np.savez("x.npz", x=X)
    np.savez(
        "data.npz", **{f"{s}_{k}": v for s in ("train", "test") for k, v in (("x", X), ("y", X))}
    )
    (tmp_path / "own.toml").write_text(
        'kind = "board"\nname = "own"\ntitle = "Own"\nvendor = "me"\nextends = "ecp5-25"\n'
    )
    assert load_profile("own.toml").name == "own"
    assert main(["report", "d.py", "-o", "old.json"]) == 0
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


RUNS = {
    "simulate d.py --data x.npz -o x.npz": "x.npz",
    "simulate d.py --data x.npz -o w.npz": "w.npz",
    "simulate d.py --set task=true -o data.npz": "data.npz",
    "verify d.py --data x.npz --max max_error=1 --format json -o x.npz": "x.npz",
    "verify d.py --data x.npz --max max_error=1 --format text -o d.py": "d.py",
    "report d.py --format text -o d.py": "d.py",
    "report d.py --format json -o w.npz": "w.npz",
    "report d.py --set task=true --format json -o data.npz": "data.npz",
    "report d.py --format text -o own.toml": "own.toml",
    "compare d.py old.json -o old.json": "old.json",
    "compare d.py --format csv -o d.py": "d.py",
    "compare d.py --format csv -o w.npz": "w.npz",
    "compare d.py --format csv -o own.toml": "own.toml",
    "compare d.py --set task=true --simulate --format csv -o data.npz": "data.npz",
    "synth d.py --format json -o w.npz": "w.npz",
    "sweep d.py --set task=true --format json -o w.npz": "w.npz",
    "sweep d.py --set task=true --format json -o data.npz": "data.npz",
    "sweep d.py --set task=true --format json -o own.toml": "own.toml",
    "sweep d.py --set task=true --log w.npz": "w.npz",
    "sweep d.py --set task=true --log own.toml": "own.toml",
    "sweep d.py --set task=true --log d.py": "d.py",
}


@pytest.mark.parametrize(("command", "name"), RUNS.items())
@pytest.mark.parametrize("link", [None, os.symlink, os.link], ids=["same", "symlink", "hard link"])
def test_no_result_takes_the_place_of_what_the_run_reads(folder, capsys, command, name, link):
    command = command.split()
    if link is not None:
        command[-1] = f"link{(folder / name).suffix}"
        link(name, command[-1])
    before = contents(folder)
    assert main(command) == 2
    out, err = capsys.readouterr()
    assert out == "" and f"error: cannot write {command[-1]}: this run reads that file" in err
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["w.npz", "data.npz", "own.toml", "x.npz", "d.py"])
@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symlink", "hard link"])
def test_a_design_file_takes_the_place_of_nothing_that_is_read(folder, capsys, name, link):
    link(name, "chosen.py")
    before = contents(folder)
    words = ["--set", "task=true", "--choose-on", "x.npz", "-o", "chosen.py"]
    assert main(["quantize", "d.py", *words]) == 2
    assert "error: cannot write chosen.py: this run reads that file" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_sweep_tells_its_log_from_its_result(folder, capsys):
    (folder / "log").write_text("")
    assert main(["sweep", "d.py", "--format", "json", "--log", "log", "-o", "log"]) == 2
    assert "error: cannot write log: this run reads that file" in capsys.readouterr().err
    assert main(["sweep", "d.py", "--log", "d.py"]) == 2
    assert "hint: choose another place with --log" in capsys.readouterr().err


def test_the_files_of_a_profile_are_those_of_the_user(folder):
    (folder / "mine.TOML").write_text((folder / "own.toml").read_text())
    assert [str(path) for path in profile_files("mine.TOML")] == ["mine.TOML"]
    assert profile_files("ecp5-25") == []


WRONG = {
    "report d.py -o r.pdf": "no format has the suffix .pdf\nhint: known: .txt, .csv, .md, ",
    "report d.py -o r.htm": "no format has the suffix .htm",
    "verify d.py --data x.npz --max max_error=1 -o r.html": "suffix .html\nhint: known: .txt, ",
    "compare d.py -o r.xlsx": "no format has the suffix .xlsx",
    "report d.py --format json -o r.TXT": "--format json contradicts the suffix of r.TXT",
    "verify d.py --data x.npz --format json -o r.html": "--format json contradicts the suffix",
    "simulate d.py --data x.npz -o -": "simulate writes .npz",
    "emit d.py --data x.npz -o -": "a folder cannot go to standard output",
    "emit d.py --data x.npz -o out --check --waves w.txt": "waves are recorded as .vcd or .fst",
    "emit d.py --data x.npz -o out --check --waves x.npz": "waves are recorded as .vcd or .fst",
}


@pytest.mark.parametrize(("command", "message"), WRONG.items())
def test_a_suffix_that_says_nothing_or_something_else_is_refused(folder, capsys, command, message):
    before = contents(folder)
    assert main(command.split()) == 2
    assert message in capsys.readouterr().err
    assert contents(folder) == before and not (folder / "out").exists()


def test_suffixes_ignore_case_and_a_format_takes_any_suffix(folder, capsys):
    for name, start in (("r.JSON", "{"), ("r.Html", "<!doctype html>"), ("r.CSV", "design,")):
        assert main(["report", "d.py", "-o", name]) == 0
        assert (folder / name).read_text().lower().startswith(start)
    assert main(["simulate", "d.py", "--data", "x.npz", "-o", "r.NPZ"]) == 0
    assert "outputs" in np.load("r.NPZ")
    assert main(["report", "d.py", "--format", "json", "-o", "r.xyz"]) == 0
    assert (folder / "r.xyz").read_bytes() == (folder / "r.JSON").read_bytes()
    assert main(["compare", "d.py", "r.JSON", "-o", "c.md"]) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_design_that_may_not_be_read_is_like_one_that_is_not_there(folder, capsys):
    (folder / "d.py").chmod(0)
    for name in ("d.py", "none.py"):
        assert main(["report", name]) == 3
        assert capsys.readouterr().err.startswith(f"error: {name}: ")


@pytest.mark.parametrize("command", ["info", "report", "emit -o out", "compare"])
def test_an_error_names_its_file_once(folder, capsys, command):
    (folder / "d.py").write_text(DESIGN.replace("input=Q(1, 6), ", ""))
    verb, *more = command.split()
    assert main([verb, "d.py", *more]) == 3
    err = capsys.readouterr().err
    assert err.count("d.py") == 1 and "input: no format" in err


DIGITS = "9" * 5_000


@pytest.mark.parametrize(
    "options",
    [
        f"--interleave {DIGITS}", f"--lanes {DIGITS}", f"--steps-in-parallel {DIGITS}",
        "--profile deep.toml", "--profile digits.toml", "--clock-mhz 1e400", "--lanes 2.5",
    ],
    ids=lambda options: options[:25],
)  # fmt: skip
def test_hostile_options_and_files_are_told_in_a_line(folder, capsys, options):
    (folder / "deep.toml").write_text("a = " + "[" * 100_000)
    (folder / "digits.toml").write_text(f"a = {DIGITS}")
    assert main(["report", "d.py", *options.split()]) == (3 if "toml" in options else 2)
    err = capsys.readouterr().err
    assert err.count("\n") <= 2 and max(map(len, err.splitlines())) < 200


HOSTILE = {
    "deep": b"[" * 100_000, "digits": DIGITS.encode(), "twice": b'{"a": 1, "a": 2}',
    "bytes": b"\xff\xfe", "empty": b"", "schema": b'{"$schema": ["x"]}', "NaN": b"NaN",
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_report_is_told_in_a_line(folder, capsys, content):
    (folder / "r.json").write_bytes(content)
    assert main(["compare", "r.json"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("error: r.json: ") and err.count("\n") <= 2
    assert max(map(len, err.splitlines())) < 200


def test_a_dash_is_standard_output(folder, capsys):
    capsys.readouterr()
    assert main(["report", "d.py", "--format", "json", "-o", "-"]) == 0
    assert capsys.readouterr().out == (folder / "old.json").read_text()
    assert main(["report", "d.py", "-o", "/dev/null"]) == 0
    assert re.fullmatch("", capsys.readouterr().out)
    assert not (folder / "-").exists()


FAULTS = {
    # By the design's target, or by an option: the same fault.
    ("interleave='auto'", "--interleave auto"): "interleave='auto' without lanes='auto'",
    ("engines='shared', overlap=True", "--engines shared --overlap on"): "with overlap=True",
    ("weights='streamed'", "--weights streamed"): "has no external memory of known bandwidth",
    ("lanes={'zz': 2}", None): "unknown layer 'zz'",
    ("lanes=2.5", "--lanes 2.5"): "2.5",
    ("clock_mhz=-3.0", "--clock-mhz -3"): "-3.0",
}


@pytest.mark.parametrize(("ways", "message"), FAULTS.items(), ids=str)
def test_a_wrong_value_is_3_in_the_design_and_2_in_an_option(folder, capsys, ways, message):
    value, options = ways
    (folder / "wrong.py").write_text(DESIGN.replace('"own.toml"', f'"ecp5-25", {value}'))
    assert main(["report", "wrong.py"]) == 3
    assert message in capsys.readouterr().err
    if options is not None:
        (folder / "right.py").write_text(DESIGN.replace('"own.toml"', '"ecp5-25"'))
        assert main(["report", "right.py", *options.split()]) == 2
        assert message in capsys.readouterr().err


def test_a_run_that_is_saved_keeps_its_weights(folder):
    made = simulate(load("d.py"), samples=Samples(X, np.array([6, 6])))
    before = contents(folder)
    with pytest.raises(UsageError, match=r"cannot write w\.npz: this run reads that file"):
        made.save(folder.joinpath("w.npz").relative_to(folder))
    assert contents(folder) == before
