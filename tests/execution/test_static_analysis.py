"""The C sources have no finding of a static analyser, by the commands of CONTRIBUTING.md."""

import re
import shlex
import subprocess

import pytest
from helpers.paths import ROOT


def command(program):
    """The words of the command, its patterns expanded."""
    (text,) = re.findall(rf"`({program} [^`]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    for word in shlex.split(text):
        yield from (
            sorted(str(p.relative_to(ROOT)) for p in ROOT.glob(word)) if "*" in word else [word]
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [pytest.param(name, marks=pytest.mark.tools(name)) for name in ("cppcheck", "clang-tidy")],
)
def test_the_c_sources_have_no_finding(program):
    words = list(command(program))
    assert sum(word.endswith(".c") for word in words) >= 8
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    # clang-tidy counts on stderr what it suppresses in the headers of the system.
    findings = re.sub(r"\d+ warnings? generated\.\n", "", done.stdout + done.stderr)
    assert (done.returncode, findings) == (0, "")
