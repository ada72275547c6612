"""``rnnhw new``, completion by the shell, progress of other programs, and exits without a word."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.paths import DESIGNS

from rnnhw.cli import main
from rnnhw.cli.progress import shown_steps

STREAMED = """
from rnnhw import *

def design():
    words = Formats(input=Q(0, 7), weight=Q(0, 7), sum=Q(3, 4), state=Q(0, 7))
    target = Target("ecp5-25", clock_mhz=20, weights="streamed")
    return Design([Elman(4, name="a")], words, inputs=2, target=target)
"""


# --- new -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["first", "my.py", "an odd name", 'quo"""te', "sub/deep"])
def test_a_new_design_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    assert main(["new", name]) == 0
    file = capsys.readouterr().out.splitlines()[0]
    assert Path(file).read_text().startswith('"""')
    assert main(["verify", file, "--set", "operand_bits=3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "PASS"
    assert main(["report", file, "--min", "fits=1"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("to start from.")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("there", 2, "there.py is there already"),
        ("none/of/these", 2, "none/of/these.py"),
        ("", 2, "names no file"),
        ("a\x1bb", 2, "control characters"),
        ("x" * 80, 2, "80 characters"),
    ],
)
def test_a_new_design_takes_no_place_of_another(
    name: str, code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").write_text("mine")
    assert main(["new", name]) == code
    assert words in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there.py", "mine")]


# --- completion ----------------------------------------------------------------------------------
def completed(words: str, place: int) -> list[str]:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(place), "_RNNHW_COMPLETE": "complete_bash"}
    found = subprocess.run(
        [sys.executable, "-m", "rnnhw"],
        env={**os.environ, **asked}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stderr == ""
    return found.stdout.split()


def test_the_shell_completes_commands_and_options() -> None:
    assert completed("rnnhw s", 1) == ["simulate", "sweep", "synth"]
    assert completed("rnnhw report --prof", 2) == ["--profile"]


def test_the_script_of_a_shell_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Which shell called depends on the processes above, and in the background there is none.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert main(["--show-completion", "bash"]) == 0
    assert "_rnnhw_completion()" in capsys.readouterr().out


# --- progress ------------------------------------------------------------------------------------
def test_steps_are_told_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    with shown_steps() as step:
        step("building")
        assert said.getvalue() == ""
        deadline = time.monotonic() + 10
        while "building" not in said.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
        step("running")
    assert said.getvalue() == "building...\nrunning...\n"


def test_quick_steps_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_steps() as step:
        step("building")
    assert capsys.readouterr().err == ""


# --- one exit code for one kind of fault ---------------------------------------------------------
COMMANDS = ("simulate", "verify", "report", "compare", "info", "emit")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file"),
        ("import os\nos._exit(0)\n", "line 2: SystemExit: 0"),
        ("def design():\n    import os\n    os._exit(0)\n", "line 3: SystemExit: 0"),
        ("def design(:\n", "line 1"),
    ],
)
def test_a_design_that_cannot_be_read_exits_3_whatever_the_command(
    command: str, text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    more = ["-o", str(tmp_path / "out")] if command == "emit" else []
    assert main([command, str(file), *more]) == 3
    said = capsys.readouterr().err
    assert words in said and said.count(str(file)) == 1
    assert not (tmp_path / "out").exists()


def test_a_child_of_a_design_may_end_as_it_likes(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    adder = (DESIGNS / "adder_tridiagonal.py").read_text()
    fork = "import os\nchild = os.fork()\nif not child:\n    os._exit(7)\nos.waitpid(child, 0)\n"
    file.write_text(f"{adder}\n{fork}")
    assert main(["info", str(file)]) == 0


@pytest.mark.parametrize("command", ["report", "compare", "emit"])
def test_a_target_that_cannot_be_exits_3_whatever_the_command(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(STREAMED)
    more = ["-o", str(tmp_path / "out")] if command == "emit" else []
    assert main([command, str(file), *more]) == 3
    assert str(file) in capsys.readouterr().err
    if command != "emit":
        assert main([command, str(file), "--profile", "ecp5-25"]) == 2
