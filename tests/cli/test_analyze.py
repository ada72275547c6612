"""The command: formats, files that are kept, and wrong calls."""

import json

import pytest
from helpers.paths import DESIGNS

from rnnhw.cli.entry import main

SMALL = ("--set", "operand_bits=2")
ADDER = str(DESIGNS / "adder_three_neurons.py")


def called(capsys, *words):
    code = main(["analyze", *map(str, words)])
    done = capsys.readouterr()
    return code, done.out, done.err


def test_text_is_printed_and_files_are_chosen_by_their_suffix(capsys, tmp_path):
    code, out, _ = called(capsys, ADDER, "--no-vary", *SMALL)
    assert code == 0 and "Memory of" in out and "Ranges" in out
    for suffix, begins in ((".html", "<!DOCTYPE html>"), (".json", "{"), (".txt", "")):
        place = tmp_path / f"a{suffix}"
        code, out, _ = called(capsys, ADDER, "--no-vary", *SMALL, "-o", place)
        assert code == 0 and out == "" and place.read_text().startswith(begins)
    assert json.loads((tmp_path / "a.json").read_text())["variants"] == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--format", "csv"], 2, "unknown format"),
        (["--no-vary", "--vary", "word=4"], 2, "contradicts --vary"),
        (["--vary", "word=4", "--vary", "operand_bits=8"], 2, "varies one parameter"),
        (["--isa", "mmx"], 2, "unknown instruction set"),
        (["-o", ADDER, "--format", "text"], 2, "adder_three_neurons.py"),
        (["--data", "missing.npz", "--no-vary"], 3, "missing.npz"),
    ],
)
def test_wrong_calls_end_in_one_line(capsys, words, code, message):
    found, out, said = called(capsys, ADDER, *words)
    assert (found, out) == (code, "") and message in said and "Traceback" not in said
