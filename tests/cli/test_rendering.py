"""Plain text of blocks is what rich makes of them where nothing is a terminal."""

import io
import subprocess
import sys

import pytest
from helpers.paths import DESIGNS
from hypothesis import given
from hypothesis import strategies as st

from rnnhw.cli.blocks import Table, Text, assembled, group
from rnnhw.cli.rendering import may_be_terminal, plain, rendered
from rnnhw.cli.terminal import rendered_by_rich

ADDER = str(DESIGNS / "adder_three_neurons.py")

LETTERS = st.sampled_from(["a", "B", "7", ",", "é", "網", "→", "_"])
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=9), max_size=5).map(" ".join)
LINES = st.lists(WORDS, min_size=1, max_size=3).map("\n".join)
STYLES = st.sampled_from(["", "bold", "dim", "bold red"])


@st.composite
def tables(draw):
    columns = draw(st.integers(1, 4))
    heads = [f"{name}{draw(WORDS)}" for name in "abcd"[:columns]]
    rows = draw(st.lists(st.lists(LINES, min_size=columns, max_size=columns), max_size=4))
    return Table(heads, rows, frozenset(draw(st.sets(st.sampled_from(heads)))))


@st.composite
def texts(draw):
    text = Text(draw(LINES), draw(STYLES), indent=draw(st.sampled_from([0, 4])))
    for more in draw(st.lists(WORDS, max_size=2)):
        text = text.append(more, draw(STYLES))
    return text


BLOCKS = st.recursive(
    texts() | tables(), lambda each: st.lists(each, max_size=3).map(lambda some: group(*some))
)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@given(BLOCKS)
def test_plain_text_is_that_of_rich(block):
    shown = group(Text("A title"), block)
    assert plain(shown) == rendered_by_rich(shown, io.StringIO())


def test_what_controls_a_terminal_is_escaped():
    table = Table(["a", "b"], [["\x1b[1m", "7"], ["x\u202e", "12345"]], frozenset("b"))
    assert plain(group(Text("t\x07"), table)).splitlines() == [
        "t\\u0007",
        "a              b",
        "─" * 16,
        "\\u001b[1m      7",
        "x\\u202e    12345",
    ]


def test_a_text_of_parts_is_one_line():
    text = assembled(("PASS", "bold green"), "  all", Text(" of", "dim").append(" them"))
    assert plain(text) == "PASS  all of them\n"
    assert text.spans == (("PASS", "bold green"), ("  all", ""), (" of", "dim"), (" them", ""))


def test_a_terminal_is_rendered_by_rich(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert rendered(Text("a", "bold"), io.StringIO()) == "a\n"
    assert rendered(Text("a", "bold"), Terminal()) == "\x1b[1ma\x1b[0m\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert may_be_terminal(io.StringIO())
    assert rendered(Text("a", "bold"), io.StringIO()) == "\x1b[1ma\x1b[0m\n"


def test_a_file_has_no_colours_even_where_they_are_forced(tmp_path, monkeypatch):
    from rnnhw.cli import main

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert main(["verify", ADDER, "-o", str(tmp_path / "v.txt")]) == 0
    assert "\x1b" not in (tmp_path / "v.txt").read_text()


@pytest.mark.parametrize("command", ["info", "verify", "simulate"])
def test_rich_is_for_terminals(command):
    code = "import sys, rnnhw.cli; rnnhw.cli.main(sys.argv[1:]); print(*sys.modules)"
    asked = [sys.executable, "-c", code, command, ADDER]
    out = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert not {"rich.console", "rich.progress", "rich.table"} & set(out.splitlines()[-1].split())
