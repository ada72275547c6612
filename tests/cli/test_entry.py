"""Nothing that happens shows a traceback, and nothing that stops a command leaves a file."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.paths import DESIGNS, ROOT

from rnnhw.cli import main
from rnnhw.cli.entry import _foreign_place
from rnnhw.report.csv_cell import cell

ADDER = str(DESIGNS / "adder_tridiagonal.py")


def source(before="", within="", layer="Elman(2, name='rnn')", more=""):
    return (
        '"""A small net."""\nfrom rnnhw import *\nfrom dataclasses import dataclass\n'
        f"{before}\n"
        f"def design(text='a'):\n    {within or 'pass'}\n"
        f"    return Design([{layer}], Formats(input=Q(1, 6), weight=Q(1, 6), state=Q(0, 7),\n"
        "        sum=Q(2, 5)), inputs=1, target=Target('ecp5-25'),\n"
        "        weights={'rnn.W': [[0.5]] * 2, 'rnn.U': [[0.5, 0], [0, 0.5]], 'rnn.b': [0, 0]}"
        f"{more})\n"
    )


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with a design and data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.py").write_text(source())
    np.savez("x.npz", x=np.zeros((2, 3, 1)))
    return tmp_path


@pytest.fixture
def said(capsys):
    """Run a command; its exit code, and what it said in at most an error and a hint."""

    def run(*arguments):
        code = main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err and out == ""
        lines = err.splitlines()
        assert len(lines) <= 2 and lines[0].startswith("error: ")
        assert all(line.startswith("hint: ") for line in lines[1:])
        return code, err

    return run


VERIFY = ("verify", "d.py", "--data", "x.npz", "--max", "max_error=1")


# --- what nobody foresaw -------------------------------------------------------------------------
def test_a_defect_is_told_in_a_line_with_how_to_report_it(said, capsys, monkeypatch):
    monkeypatch.setattr("rnnhw.cli.report.estimate", None)
    code, err = said("report", "d.py")
    assert code == 70
    assert re.match(
        r"error: rnnhw failed: TypeError: .* \(report\.py:\d+\)\nhint: .*report it", err
    )
    assert main(["report", "d.py", "--debug"]) == 70
    assert "Traceback (most recent call last):" in capsys.readouterr().err
    assert main(["--debug", "report", "none.py"]) == 3
    assert "DesignError: none.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "foreign"),
    [
        ("/usr/lib/python3/dist-packages/typer/core.py", False),
        ("/home/me/.local/lib/python3.11/site-packages/typer/core.py", False),
        (str(ROOT / "rnnhw" / "cli" / "report.py"), False),
        ("/home/me/designs/adder.py", True),
    ],
)
def test_an_installed_package_is_not_the_users_own_code(file, foreign):
    names = {}
    exec(compile("\ndef fail():\n    raise TypeError", file, "exec"), names)
    with pytest.raises(TypeError) as caught:
        names["fail"]()
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)  # without this test
    assert _foreign_place(error) == (f"{file}: line 3" if foreign else None)


BROKEN = """
class Broken(Exception):
    def __str__(self):
        raise ValueError
"""
AT_ONCE = {
    "sys.exit(0)": "line 6: SystemExit: 0",
    "sys.exit": "line 6: SystemExit: no message",
    "GeneratorExit": "line 6: GeneratorExit: no message",
    "KeyboardInterrupt": "line 6: KeyboardInterrupt: no message",
    "KeyboardInterrupt('now')": "line 6: KeyboardInterrupt: now",
    "ValueError('one\\ntwo\\x1b[31m')": r"line 6: ValueError: one\u000atwo\u001b[31m",
    "BaseException": "line 6: BaseException: no message",
}


@pytest.mark.parametrize(("error", "message"), AT_ONCE.items())
@pytest.mark.parametrize("command", [VERIFY, ("info", "d.py"), ("compare", "d.py")], ids=str)
def test_whatever_a_design_raises_ends_in_a_line(folder, said, command, error, message):
    raised = error.replace("sys.exit(0)", "SystemExit(0)").replace("sys.exit", "SystemExit")
    (folder / "d.py").write_text(source(within=f"raise {raised}"))
    code, err = said(*command)
    assert code == 3 and f"error: d.py: {message}\n" in err


def test_an_exception_without_words_is_told(folder, said):
    (folder / "d.py").write_text(source(before=BROKEN, within="raise Broken"))
    code, err = said(*VERIFY)
    assert code == 3 and "Broken: no message: its __str__ raises ValueError" in err


LATER = """
class Bad:
    def __repr__(self):
        raise SystemExit(0)


@dataclass(frozen=True)
class Layer(Elman):
    def build(self, net, source, name):
        raise {error}


@dataclass(frozen=True)
class Own(Design):
    @property
    def network(self):
        raise {error}


class Work:
    features, max_steps, input_format, require, limit, real_answers = 1, 3, None, {{}}, {{}}, False
    score_type = None

    def located(self, folder):
        return self

    def samples(self):
        raise {error}
"""


@pytest.mark.parametrize(
    "error", ["SystemExit(0)", "GeneratorExit", "KeyboardInterrupt", "OSError"]
)
@pytest.mark.parametrize("where", ["layer", "network", "task"])
def test_what_a_design_raises_later_ends_in_a_line_too(folder, said, where, error):
    before = LATER.format(error=error)
    text = source(before=before, layer="Layer(2, name='rnn')" if where == "layer" else "Elman(2)")
    if where == "network":
        text = text.replace("return Design(", "return Own(")
    if where == "task":
        text = source(before=before, more=", task=Work()")
    (folder / "d.py").write_text(text)
    command = ("verify", "d.py", "--max", "max_error=1") if where == "task" else VERIFY
    code, err = said(*command)
    assert code == 3 and err.startswith("error: d.py: ")
    assert error.removesuffix("(0)") in err


def test_a_line_is_one_that_can_be_read(folder, said):
    (folder / "d.py").write_text(source(within="raise ValueError('[' * 100_000)"))
    code, err = said(*VERIFY)
    assert code == 3 and "d.py: line 6: ValueError: [[[" in err and len(err) < 1000


def test_verify_tells_its_verdict_wherever_its_table_goes(folder, capfd):
    assert main([*VERIFY, "-o", "v.txt"]) == 0
    out, err = capfd.readouterr()
    assert out == err == "" and (folder / "v.txt").read_text().endswith("\nPASS\n")
    process = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m rnnhw {' '.join(VERIFY)} >&-"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert process.returncode == 0 and process.stderr == "PASS\n"


def test_text_of_others_is_shown_and_not_run(folder, capsys):
    text = source().replace("A small net.", "\\x1b[2J\\x07red\\x9b31m \\u202e")
    (folder / "d.py").write_text(text)
    for command in (
        ["info", "d.py"],
        VERIFY,
        ["report", "d.py", "--set", "text=\x1b[31m"],
        ["report", "d.py", "--set", "text=\x1b[31m", "--format", "markdown"],
        ["report", "d.py", "--format", "html", "-o", "r.html"],
        ["report", "d.py", "--set", "text=\x1b[31m", "--format", "csv"],
    ):
        assert main(list(command)) == 0
        captured = capsys.readouterr()
        for stream in (captured.out, captured.err):
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", stream)
    assert "\x1b" not in (folder / "r.html").read_text()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"), ("+1", "+1"), ("-2.5e3", "-2.5e3"),
        ("@SUM(A1)", "'@SUM(A1)"), ("-", "'-"), ("+x", "'+x"), (" =1+1", "' =1+1"), (-3, -3),
        ("a=b", "a=b"), ("\t=1", r"\u0009=1"), ("", ""),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(value, shown):
    assert cell(value) == shown


def test_no_cell_of_a_csv_file_is_a_formula(folder, capsys):
    name = "=HYPERLINK(1)"
    text = source(layer=f"Elman(2, name='{name}')").replace("'rnn.", f"'{name}.")
    (folder / "=d.py").write_text(text)
    for command in ("report", "compare"):
        assert main([command, "=d.py", "--format", "csv"]) == 0
        out = capsys.readouterr().out
        assert name in out if command == "report" else True
        assert not re.search(r"(^|,)\"?[=@]", out, re.M) and "'=d" in out


# --- signals -------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0])
def test_a_signal_leaves_nothing_behind(tmp_path, number, seconds):
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    words = ["emit", ADDER, "-o", str(out), "--check", "--sequences", "200"]
    # Behind the first imports of Python itself, whose interrupts are not ours.
    code = "from rnnhw.cli import main; print('ready', flush=True); raise SystemExit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(seconds)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if process.returncode != 0:
        assert process.returncode in {128 + number, -number}
        assert "Traceback" not in err
    assert not list(scratch.iterdir())
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left in (before, sorted([*before, "out"]))
    if out.exists():
        assert (out / "adder_tridiagonal.core").exists()
