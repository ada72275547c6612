"""Errors: exit codes, places and hints."""

import ast
import re

import pytest
from helpers.paths import ROOT

from rnnhw.errors import DesignError, RnnhwError, UsageError, unknown_name


def test_exit_codes():
    assert [kind.exit_code for kind in (RnnhwError, UsageError, DesignError)] == [1, 2, 3]


def test_a_place_comes_before_the_message_and_keeps_kind_and_hint():
    error = DesignError("too wide", "cast it").at("layer 0").at("x.py")
    assert isinstance(error, DesignError)
    assert str(error) == "x.py: layer 0: too wide"
    assert (error.message, error.hint) == ("x.py: layer 0: too wide", "cast it")


def test_an_unknown_name_lists_the_known_and_the_nearest():
    assert unknown_name("layer", "rn", ["rnn", "head"]) == (
        "unknown layer 'rn'",
        "did you mean 'rnn'? known: head, rnn",
    )
    assert unknown_name("layer", "zzz", []) == ("unknown layer 'zzz'", "known: none")


def test_a_command_names_its_options_where_a_function_names_parameters():
    hint = "give lanes= as a number, or clock_mhz=; lanes='auto' and activity= stay: lanes="
    error = UsageError("waves= is for a check", hint)
    error.name_options({"lanes": "--lanes", "clock_mhz": "--clock-mhz", "waves": "--waves"})
    assert error.message == "--waves is for a check"
    assert error.hint == (
        "give --lanes as a number, or --clock-mhz; lanes='auto' and activity= stay: --lanes"
    )


@pytest.mark.parametrize(
    ("error", "given", "message"),
    [
        (UsageError("threads=0"), ["--threads"], "--threads 0"),
        (UsageError("threads=0: a=b"), ["verify", "--threads", "0"], "--threads 0: a=b"),
        (UsageError("threads=0"), ["--lanes"], "threads=0"),  # from somewhere else
        (UsageError("x: threads=0"), ["--threads"], "x: threads=0"),
        (DesignError("threads=0"), ["--threads"], "threads=0"),  # the design's
        (UsageError("seed=0"), ["--seed"], "seed=0"),
    ],
)
def test_a_wrong_call_names_the_option_that_was_given(error, given, message):
    error.name_options({"threads": "--threads", "lanes": "--lanes"}, given)
    assert error.message == message


WITHOUT_OPTIONS = ("accelerator", "commands", "cost", "execution", "files", "graph", "rtl")
"""Packages whose errors name parameters alone, so that they read well from Python too."""


@pytest.mark.parametrize("package", WITHOUT_OPTIONS)
def test_errors_of_the_library_name_no_option(package):
    for path in (ROOT / "rnnhw" / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "UsageError",
                "DesignError",
            ):
                texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
                options = [t for t in texts if re.search(r"(?<![\w-])--[a-z]", str(t))]
                assert options == [], f"{path}:{node.lineno}"
