"""README and docs tell the truth: their console and Python blocks are run, their links exist."""

import re
import shutil
from pathlib import Path

import pytest
from helpers.pages import assert_printed, blocks
from helpers.paths import ROOT

from rnnhw.cli import main

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIAL = ROOT / "docs" / "tutorial.md"
"""Its blocks follow one another in a folder of their own: test_tutorial.py."""


CONSOLE = [block for page in PAGES if page != TUTORIAL for block in blocks(page, "console")]
PYTHON = [
    pytest.param(block, id=f"{page.stem}: {block.splitlines()[0]}")
    for page in PAGES
    for block in blocks(page, "python")
]


def commands():
    """(command, expected output) of every console block but the installations."""
    for block in dict.fromkeys(CONSOLE):
        command, _, expected = block.removeprefix("$ ").partition("\n")
        if not command.startswith("python -m pip"):
            yield command, expected


def test_there_are_blocks_to_run():
    assert len(list(commands())) >= 3
    assert len(PYTHON) >= 2
    assert sum("pip install" in block for block in blocks(PAGES[0], "console")) == 2


def expanded(word):
    """A word of a command as the shell gives it: files where it is a pattern."""
    if "*" not in word:
        return [word]
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(word))


_PRINTED = {}
"""Exit code, output and messages of the commands that ran: several pages show the same."""


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command of a page where the designs are; its exit code, output and messages."""

    def printed(command):
        if command not in _PRINTED:
            program, *words = command.split()
            assert program == "rnnhw"
            monkeypatch.chdir(ROOT)
            monkeypatch.setenv("NO_COLOR", "1")
            capsys.readouterr()
            code = main([path for word in words for path in expanded(word)])
            _PRINTED[command] = (code, *capsys.readouterr())
        return _PRINTED[command]

    return printed


@pytest.mark.parametrize(("command", "expected"), list(commands()), ids=lambda text: text[:50])
def test_a_console_block_prints_what_the_readme_shows(command, expected, run):
    if "--check" in command and shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    code, out, err = run(command)
    assert "Traceback" not in err
    assert code in (0, 1)
    assert_printed(expected, out)


@pytest.mark.parametrize("code", PYTHON)
def test_a_python_block_runs(code, monkeypatch, capsys, tmp_path):
    if "import torch" in code or ", torch" in code:
        pytest.importorskip("torch", reason="PyTorch is not installed")
        monkeypatch.chdir(tmp_path)
    else:
        monkeypatch.chdir(ROOT)
    scope = {}
    exec(compile(code, "README.md", "exec"), scope)
    if "run" in scope or "design" not in scope:
        assert capsys.readouterr().out
        return
    design = scope["design"]() if callable(scope["design"]) else scope["design"]
    assert design.network.tensors
    if tmp_path == Path.cwd():
        assert design.parameters.raw


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_the_readme_is_short():
    assert len(PAGES[0].read_text().splitlines()) <= 150


def test_every_page_has_one_place_on_the_site():
    nav = re.findall(r"^ +- ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(nav) == sorted(page.name for page in PAGES[1:])
