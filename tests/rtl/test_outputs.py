"""Several outputs as streams of their own: values, cycles, and a bench that sees each."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnhw import Design, Elman, Formats, Heads, Last, Linear, Mean, Q, Window, emit
from rnnhw.commands.emit import emission_of, machine_of
from rnnhw.commands.synth import _pins
from rnnhw.rtl.bench import stimulus_of
from rnnhw.rtl.project import write_project
from rnnhw.rtl.tools.check import check
from rnnhw.rtl.tools.simulators import SIMULATORS

FORMATS = Formats(input=Q(0, 7), weight=Q(1, 6), sum=Q(3, 6), state=Q(0, 7), output=Q(2, 5))


def designed(*layers: object, **more: object) -> Design:
    design = Design(list(layers), FORMATS, inputs=3, max_steps=6, **more)  # type: ignore[arg-type]
    rng = np.random.default_rng(3)
    return replace(
        design, weights={t.key: rng.normal(0, 0.7, t.shape) for t in design.network.tensors}
    )


DESIGNS = {
    "two heads": designed(
        Elman(5, name="rnn"), Heads([Linear(2, name="a"), [Linear(7, name="m"), Linear(1)]])
    ),
    "the state beside the head": designed(
        Elman(5, name="rnn"), Linear(2, name="head"), outputs=["head", "rnn"]
    ),
    "every step and once a sequence": designed(
        Elman(4, name="rnn"),
        Heads([[Last(), Linear(3, name="end")], Linear(2, name="a"), [Mean(), Linear(1)]]),
    ),
    "fewer steps behind a window": designed(
        Heads([[Window(2), Linear(3, name="w")], Elman(4, name="rnn")])
    ),
}


def data(folder: Path) -> Path:
    x = np.random.default_rng(0).uniform(-1, 1, (4, 6, 3))
    np.savez(folder / "x.npz", x=x, lengths=[6, 2, 3, 5])
    return folder / "x.npz"


@pytest.mark.tools("iverilog")
@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("name", DESIGNS)
def test_every_output_is_right_in_its_cycle(name: str, lanes: int, tmp_path: Path) -> None:
    design = DESIGNS[name]
    emitted = emit(design, tmp_path / "out", data=data(tmp_path), lanes=lanes, check=True)
    assert emitted.passed, emitted
    stimulus = emitted.stimulus
    assert stimulus is not None
    assert all(len(due.vectors) for due in stimulus.due)
    assert {run.outputs for run in emitted.runs} == {stimulus.elements}
    ports = emitted.emission.output_ports
    assert [port.port for port in ports] == ["y", "y1", "y2"][: len(ports)]
    assert [port.name for port in ports] == [node.name for node in design.network.outputs]


@pytest.mark.tools("iverilog")
@pytest.mark.parametrize("wrong", ["value", "cycle", "missing", "surplus"])
def test_a_fault_of_the_second_output_is_found_and_named(wrong: str, tmp_path: Path) -> None:
    design = DESIGNS["the state beside the head"]
    emitted = emit(design, tmp_path / "out", data=data(tmp_path))
    right = emitted.stimulus
    assert right is not None
    due = right.due[1]
    vectors, cycles, places, ends = due.vectors.copy(), list(due.cycles), due.places, due.ends
    if wrong == "value":
        vectors[3, 2] ^= 1
    elif wrong == "cycle":
        cycles[3] += 1
    elif wrong == "missing":
        vectors, cycles = np.vstack([vectors, vectors[-1:]]), [*cycles, cycles[-1] + 1]
        places, ends = (*places, (9, 9)), (*ends, ends[-1])
    else:
        vectors, cycles, places, ends = vectors[:-1], cycles[:-1], places[:-1], ends[:-1]
    other = replace(due, vectors=vectors, cycles=tuple(cycles), places=places, ends=ends)
    stimulus = replace(right, due=(right.due[0], other))
    write_project(emitted.emission, tmp_path / "out", stimulus)
    found, _ = check(emitted.emission, stimulus, tmp_path / "out", SIMULATORS["iverilog"])
    assert not found.passed and found.first is not None
    assert found.first.startswith("output rnn: ")
    said = {
        "value": "sequence 0, step 3, unit 2: expected",
        "cycle": "sequence 0, step 3: expected in cycle",
        "missing": "sequence 9, step 9, unit 0 has not come",
        "surplus": "an output after the last one",
    }
    assert said[wrong] in found.first


def test_one_output_needs_no_name() -> None:
    design = designed(Elman(5, name="rnn"), Linear(2, name="head"))
    emission = emission_of(design, machine_of(design, 1))
    assert emission.further == () and emission.output_name == ""
    assert [port.name for port in emission.output_ports] == [""]


@pytest.mark.tools("iverilog")
def test_the_frame_for_placement_connects_every_port(tmp_path: Path) -> None:
    """A port that is left open would let synthesis drop the logic behind it."""
    emitted = emit(DESIGNS["two heads"], tmp_path / "out", data=data(tmp_path))
    (tmp_path / "out" / "pins.v").write_text(_pins(emitted.emission, "pins"))
    files = (tmp_path / "out" / f"{emitted.emission.name}.f").read_text().splitlines()
    sources = [line for line in files if not line.startswith("//")]
    done = subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-s", "pins", "-o", "pins.out", *sources, "pins.v"],
        cwd=tmp_path / "out", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "pins" not in done.stderr.replace("pins.out", ""), done.stderr


def test_the_stimulus_refuses_too_few_cycles() -> None:
    x = np.zeros((1, 2, 1), np.int64)
    lengths = np.array([2])
    with pytest.raises(ValueError, match="1 cycles for 2 output vectors"):
        stimulus_of(x, lengths, x, lengths, (1, 2), further=[(x, lengths, (1,))])
