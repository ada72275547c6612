"""The README tells the truth: its console and Python blocks are run, its links exist."""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT

TEXT = (ROOT / "README.md").read_text()
CONSOLE = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def commands():
    """(command, expected output) of every console block but the installations."""
    for block in CONSOLE:
        command, _, expected = block.removeprefix("$ ").partition("\n")
        if not command.startswith("python -m pip"):
            yield command, expected


def test_there_are_blocks_to_run():
    assert len(list(commands())) >= 3
    assert len(PYTHON) >= 2
    assert sum("pip install" in block for block in CONSOLE) == 2


def expanded(word):
    """A word of a command as the shell gives it: files where it is a pattern."""
    if "*" not in word:
        return [word]
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(word))


@pytest.mark.parametrize(("command", "expected"), list(commands()), ids=lambda text: text[:50])
def test_a_console_block_prints_what_the_readme_shows(command, expected):
    program, *words = command.split()
    assert program == "rnnhw"
    if "--check" in words and shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    arguments = [path for word in words for path in expanded(word)]
    done = subprocess.run(
        [sys.executable, "-m", "rnnhw", *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)
    # The kernels' name depends on the processor, a simulator's version on the system.
    found = re.sub(r"kernels: \w+", "kernels: avx2", done.stdout)
    found = re.sub(r"iverilog [\d.]+", "iverilog 11.0", found)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(expected, found, flags), found


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.splitlines()[0])
def test_a_python_block_runs(code, monkeypatch, capsys, tmp_path):
    if "import torch" in code or ", torch" in code:
        pytest.importorskip("torch", reason="PyTorch is not installed")
        monkeypatch.chdir(tmp_path)
    else:
        monkeypatch.chdir(ROOT)
    scope = {}
    exec(compile(code, "README.md", "exec"), scope)
    if "run" in scope:
        assert capsys.readouterr().out
        return
    design = scope["design"]() if callable(scope["design"]) else scope["design"]
    assert design.network.tensors
    if tmp_path == Path.cwd():
        assert design.parameters.raw


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("http") or (ROOT / target).exists(), target
