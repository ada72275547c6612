"""Texts and paths of the command line pass pydantic by, and become what typer makes of them."""

import functools
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import DESIGNS

from rnnhw.cli import commands, main, plain_values

ADDER = str(DESIGNS / "adder_tridiagonal.py")
LINES = [
    "new adder",
    "import net.onnx -o net.py --word 12 --task t --force",
    "simulate d.py --set a=1 --set b=2 --data x.npz -o run.npz --threads 2",
    "verify d.py --min accuracy=1 --max mse=2 -o -",
    "verify d.py -o there.json --isa plain",
    "prove d.py --within a=1 --check a.npz --memory 2GB",
    "analyze d.py e.py --vary word=4:6 --no-vary",
    "report d.py --profile ecp5-25 --clock-mhz 25 --lanes auto --format json",
    "compare d.py saved.json --profile a --profile b --simulate",
    "sweep d.py e.py --vary word=4,5",
    "quantize d.py -o q.py",
    "emit d.py -o folder --check --sequences 3 --simulator all",
    "synth d.py",
    "profiles",
    "profiles ecp5-25",
    "info",
    "info d.py --set word=8",
]


def values(line, monkeypatch):
    """What the function of a command is called with, each value with its type."""
    name, *words = line.split()
    module = importlib.import_module(f"rnnhw.cli.{commands.COMMANDS[name]}")
    function, given = getattr(module, f"{name}_command"), {}

    @functools.wraps(function)
    def record(**found):
        given.update(found)
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(module, f"{name}_command", record)
        assert main([name, *words]) == 0
    return {name: (value, type(value)) for name, value in given.items()}


@pytest.mark.parametrize("line", LINES)
def test_values_are_those_that_typer_makes(line, monkeypatch):
    mine = values(line, monkeypatch)
    assert mine
    monkeypatch.setattr(plain_values, "_take_plain_values", lambda *_: None)
    assert mine == values(line, monkeypatch)


def test_the_lines_name_every_command():
    assert {line.split()[0] for line in LINES} == set(commands.COMMANDS)


@pytest.mark.parametrize(
    "words", [["verify"], ["info", ADDER, "--threads", "many"], ["verify", ADDER, "--threads", "x"]]
)
def test_what_is_wrong_is_told_as_typer_tells_it(words, monkeypatch, capsys):
    assert main(words) == 2
    mine = capsys.readouterr()
    monkeypatch.setattr(plain_values, "_take_plain_values", lambda *_: None)
    assert main(words) == 2
    assert capsys.readouterr() == mine


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_typer_is_not_to_look_at_what_lies_at_a_path(name):
    """What it looks at it would have to be asked."""
    module = importlib.import_module(f"rnnhw.cli.{commands.COMMANDS[name]}")
    written = inspect.signature(getattr(module, f"{name}_command"), eval_str=True).parameters
    for parameter in written.values():
        if plain_values._kind(parameter.annotation) is Path:
            (about,) = parameter.annotation.__metadata__
            asked = about.exists, about.readable, about.writable, about.resolve_path
            assert asked == (False,) * 4 and about.file_okay and about.dir_okay, parameter
            assert not about.allow_dash and about.path_type is about.parser is None, parameter


def loaded_by(*words):
    """The modules that a command imports."""
    code = "import sys, rnnhw.cli; rnnhw.cli.main(sys.argv[1:]); print(*sys.modules)"
    asked = [sys.executable, "-c", code, *words]
    out = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    return set(out.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["info"], ["info", ADDER, "--set", "word=6"]])
def test_a_command_with_texts_and_paths_does_without_pydantic(words):
    assert "pydantic" not in loaded_by(*words)


def test_the_text_of_a_design_needs_no_costs_profiles_or_json():
    loaded = loaded_by("info", ADDER)
    assert "rnnhw.layers.cells" in loaded
    assert not loaded & {"msgspec", "tomllib", "json", "hashlib", "rich.console", "tempfile"}
    assert not loaded & {"rnnhw.cost.figure", "rnnhw.profiles", "rnnhw.report.table_cell"}
    assert not any(name.startswith(("rnnhw.execution.", "rnnhw.accelerator.")) for name in loaded)
