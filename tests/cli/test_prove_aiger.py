"""``rnnhw prove --format aiger``: the claim as a file, and wrong calls."""

import pytest
from helpers.aiger import read_aiger
from helpers.paths import DESIGNS

from rnnhw import load
from rnnhw.cli.entry import main
from rnnhw.design.claims import claim_of
from rnnhw.proof.aiger import aiger

ADDER = str(DESIGNS / "adder_three_neurons.py")


def test_the_file_is_the_claim(capsys, tmp_path):
    place = tmp_path / "adder.aig"
    words = ["prove", ADDER, "--set", "word=4", "--format", "aiger", "-o", str(place)]
    assert main(words) == 0
    assert capsys.readouterr().out == ""
    claim = claim_of(load(ADDER, {"word": "4"}))
    assert place.read_bytes() == aiger(claim)
    assert place.read_bytes().endswith(f"c\nrnnhw claim {claim.digest}\n".encode())
    whole = read_aiger(place.read_bytes())
    assert main([*words, "--never", "rnn.sum"]) == 0
    assert len(read_aiger(place.read_bytes()).gates) != len(whole.gates)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--format aiger is a binary file"),
        (["-o", "-"], "--format aiger is a binary file"),
        (["-o", "a.aig", "-o", "b.aig"], "--format aiger is a binary file"),
        (["-o", "a.aig", "--max-states", "5"], "searches nothing"),
        (["-o", ADDER], "adder_three_neurons.py"),
        (["-o", "a.aig", "--never", "rnn.smu"], "rnn.smu"),
    ],
)
def test_wrong_calls_write_nothing(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["prove", ADDER, "--format", "aiger", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err and said.out == "" and list(tmp_path.iterdir()) == []
