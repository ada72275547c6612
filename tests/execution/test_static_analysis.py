"""The C sources have no finding of a static analyser, by the command of CONTRIBUTING.md."""

import re
import shlex
import subprocess

import pytest
from helpers.paths import ROOT


def command():
    """The words of the command, its patterns expanded."""
    (text,) = re.findall(r"`(cppcheck [^`]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    for word in shlex.split(text):
        yield from (
            sorted(str(p.relative_to(ROOT)) for p in ROOT.glob(word)) if "*" in word else [word]
        )


@pytest.mark.slow
@pytest.mark.tools("cppcheck")
def test_the_c_sources_have_no_finding():
    words = list(command())
    assert sum(word.endswith(".c") for word in words) >= 8
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
