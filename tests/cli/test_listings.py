"""``rnnhw info`` and ``rnnhw profiles`` as JSON, and what every command's JSON begins with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.paths import DESIGNS

from rnnhw import __version__, load, profile_names
from rnnhw.cli import main

ADDER = str(DESIGNS / "adder_tridiagonal.py")
SMALL = ("--set", "operand_bits=3")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> Any:
        assert main([*words, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        (("info",), "info:1"),
        (("info", ADDER), "design:1"),
        (("profiles",), "profiles:1"),
        (("profiles", "cortex-m4"), "profiles:1"),
        (("simulate", ADDER, *SMALL), "simulation:1"),
        (("verify", ADDER, *SMALL), "verification:1"),
        (("report", ADDER), "cost-report:3"),
        (("compare", ADDER), "comparison:2"),
        (("compare", ADDER, *SMALL, "--simulate"), "comparison:2"),
        (("emit", ADDER, *SMALL, "-o", "out"), "emission:1"),
    ],
)
def test_every_command_names_its_schema_and_version_first(
    words: tuple[str, ...], schema: str, printed: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    found = printed(*words)
    assert list(found)[:2] == ["$schema", "rnnhw_version"]
    assert found["$schema"] == f"urn:rnnhw:schema:{schema}"
    assert found["rnnhw_version"] == __version__


def test_profiles_say_what_each_can_answer(printed: Any) -> None:
    found = {each["name"]: each["answers"] for each in printed("profiles")["profiles"]}
    assert list(found) == list(profile_names())
    assert found["ecp5-25"] == {"cycles": "yes", "time": "yes", "energy": "-", "luts": "yes"}
    assert found["gw1nr-9"]["time"] == "with --clock-mhz" and found["gw1nr-9"]["luts"] == "yes"
    assert found["cortex-m4"] == {
        "cycles": "a bound",
        "time": "a bound",
        "energy": "-",
        "luts": "-",
    }
    assert found["esp32"]["cycles"] == "no"
    assert found["asic-45nm"]["energy"] == "yes"


def test_one_profile_has_its_sources(printed: Any, capsys: Any) -> None:
    (found,) = printed("profiles", "ice40up5k")["profiles"]
    assert found["kind"] == "FPGA" and found["figures"]
    for figure in found["figures"]:
        assert figure["source"] and figure["status"] and figure["text"]
    assert main(["profiles", "ice40up5k"]) == 0
    assert "answers: cycles: yes, time: yes" in capsys.readouterr().out


def test_a_design_is_described(printed: Any) -> None:
    found, network = printed("info", ADDER), load(ADDER).network
    assert [layer["name"] for layer in found["layers"]] == [node.name for node in network.nodes]
    assert [tensor["key"] for tensor in found["tensors"]] == [t.key for t in network.tensors]
    assert {signal["name"] for signal in found["signals"]} >= {"input", "rnn.state", "rnn.W"}
