"""``rnnhw quantize``: what it prints and writes, and what it refuses."""

import json

import pytest
from helpers.paths import DESIGNS

from rnnhw import load
from rnnhw.cli import main

COMMAND = "quantize"
ADDER = DESIGNS / "adder_tridiagonal.py"
SMALL = ["--set", "hidden=4", "--set", "operand_bits=3"]


def test_it_prints_every_format_and_writes_a_design_that_runs(tmp_path, capsys):
    place = tmp_path / "chosen.py"
    assert main(["quantize", str(ADDER), *SMALL, "-o", str(place)]) == 0
    out = capsys.readouterr().out
    for name in ("rnn.W", "rnn.U", "rnn.sum", "rnn.state", "head.b"):
        assert f"\n{name} " in out
    assert "stored bits" in out and "cost on ice40up5k" in out and "designs were run" in out
    assert main(["verify", str(place)]) == 0
    assert load(place).settings == load(ADDER, {"hidden": 4, "operand_bits": 3}).settings


def test_json_has_the_same(tmp_path, capsys):
    place = tmp_path / "chosen.py"
    arguments = [*SMALL, "--evaluations", "20", "--min", "accuracy=0.9", "-o", str(place)]
    assert main(["quantize", str(ADDER), *arguments, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["$schema"] == "urn:rnnhw:schema:quantization:1"
    assert found["demands"] == {"min": {"accuracy": 0.9}, "max": {}}
    chosen = load(place).network
    for tensor in chosen.tensors:
        words = found["formats"][tensor.key]["chosen"]
        assert (words["integer"], words["fraction"]) == (
            tensor.format.integer,
            tensor.format.fraction,
        )
    bits = found["stored_bits"]["chosen"]
    assert bits["all"] == sum(bits[kind] for kind in ("weights", "biases", "tables", "state"))
    assert found["figures"]["chosen"]["accuracy"] >= 0.9
    assert not found["finished"] and found["evaluations"] == 20
    assert found["cost"]["profile"] == "ice40up5k"


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (2, ["--point", "best"], "'best'"),
        (2, ["-o", "chosen.txt"], "name it *.py"),
        (2, ["--min", "speed=1"], "unknown figure 'speed'"),
        (2, ["--choose-on", "val"], "no split 'val'"),
        (3, ["--choose-on", "nothing.npz"], "nothing.npz"),
        (2, ["--noise", "-1"], "noise=-1"),
        (3, ["--max", "rms=0.000001"], "no word of up to 16 bits"),
    ],
)
def test_what_cannot_be_done_is_told(refused, code, arguments, said):
    assert said in refused(code, ADDER, *SMALL, *arguments)


def test_it_writes_over_no_input(refused, tmp_path):
    copy = tmp_path / "adder.py"
    copy.write_text(ADDER.read_text().replace('"adder_', f'"{DESIGNS}/adder_'))
    assert "cannot write" in refused(2, copy, *SMALL, "-o", copy)
