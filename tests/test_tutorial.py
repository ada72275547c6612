"""The tutorial, followed as a new user follows it: from the page alone, in an empty folder."""

import os
import re
import subprocess
import sys

import pytest
from helpers.pages import assert_printed
from helpers.paths import ROOT

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r'```(\w+)(?: title="([^"]+)")?\n(.*?)```', PAGE, re.DOTALL)
"""Language, file name and text of every block."""


def edit(file, diff):
    """Change the lines of a file as a block of ``-`` and ``+`` lines says."""
    text = file.read_text()
    for old, new in re.findall(r"^-(.*)\n\+(.*)$", diff, re.MULTILINE):
        assert text.count(f"{old}\n") == 1
        text = text.replace(old, new)
    file.write_text(text)


def run(command, folder):
    """The finished process of a command of the page."""
    program, *words = command.split()
    start = {"python": [sys.executable], "rnnhw": [sys.executable, "-m", "rnnhw"]}[program]
    return subprocess.run(
        [*start, *words], cwd=folder, env={**os.environ, "NO_COLOR": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.tools("iverilog")
def test_the_tutorial_leads_to_a_verified_and_emitted_network(tmp_path):
    codes = []
    for language, name, text in BLOCKS:
        if language == "python":
            (tmp_path / name).write_text(text)
        elif language == "diff":
            edit(tmp_path / name, text)
        elif language == "console":
            command, _, expected = text.removeprefix("$ ").partition("\n")
            if "pip install" not in command:
                done = run(command, tmp_path)
                assert_printed(expected, done.stdout)
                codes.append((command.split()[1], done.returncode))
    assert [code for command, code in codes if command == "verify"] == [1, 1, 0]
    assert all(code == 0 for command, code in codes if command != "verify")
    assert (tmp_path / "build" / "denoise.f").exists()
