"""The public verbs: what they take, what they refuse at once, and how their results show."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.paths import DESIGNS

import rnnhw
from rnnhw import (
    Banded,
    BinaryAddition,
    Design,
    DesignError,
    Elman,
    Formats,
    Linear,
    Mean,
    Q,
    ReLU,
    Samples,
    Target,
    UsageError,
    Window,
)
from rnnhw.cli import main
from rnnhw.cost.estimation import estimate
from rnnhw.profiles import Fpga
from rnnhw.report import to_json
from rnnhw.report.comparison.model import compare_reports
from rnnhw.report.synthesis import Resource
from rnnhw.rtl.tools.check import BenchRun
from rnnhw.rtl.tools.yosys import SeedClock

ADDER = DESIGNS / "adder_tridiagonal.py"
SMALL = rnnhw.load(ADDER, {"operand_bits": 4})
WORDS = Formats(
    input=Q(0, 7), weight=Q(0, 7), sum=Q(3, 4), state=Q(0, 7), output=Q(0, 7), gate=Q(0, 7)
)
BARE = replace(SMALL, task=None, inputs=2, formats=replace(SMALL.formats, input=Q(1, 0)))
"""Without a task: nothing is required of it."""

SCREEN = 40


# --- what they take ------------------------------------------------------------------------------
def test_a_design_may_be_a_path(tmp_path: Path) -> None:
    assert rnnhw.estimate(str(ADDER)) == rnnhw.estimate(rnnhw.load(ADDER))
    assert rnnhw.estimate(ADDER, "ecp5-25").target.profile == "ecp5-25"
    dense = str(DESIGNS / "adder_dense.py")
    assert [column.name for column in rnnhw.compare(dense).columns] == ["adder_dense"]
    assert rnnhw.emit(str(ADDER), str(tmp_path / "out")).passed


def test_data_may_be_an_array_samples_or_a_file(tmp_path: Path) -> None:
    x = np.random.default_rng(1).choice([0.0, 1.0], (3, 5, 2))
    np.savez(tmp_path / "x.npz", x=x)
    runs = [
        rnnhw.simulate(SMALL, data)
        for data in (x, x.tolist(), str(tmp_path / "x.npz"), tmp_path / "x.npz")
    ]
    runs.append(rnnhw.simulate(SMALL, Samples(x, np.full(3, 5))))
    runs.append(rnnhw.simulate(SMALL, samples=Samples(x, np.full(3, 5))))
    for run in runs:
        np.testing.assert_array_equal(run.outputs, runs[0].outputs)
    one = rnnhw.simulate(SMALL, x[1])
    np.testing.assert_array_equal(one.outputs[0], runs[0].outputs[1])
    assert rnnhw.verify(BARE, x, minimum={"snr_db": np.float32(1)}).sequences == 3


def test_designs_are_compared_as_they_are() -> None:
    other = rnnhw.load(ADDER, {"operand_bits": 3})
    costs = rnnhw.compare_costs([SMALL, other])
    assert [column.settings["operand_bits"] for column in costs.columns] == [4, 3]
    assert set(costs.figures()) == {column.name for column in costs.columns}
    rows = rnnhw.compare([SMALL, DESIGNS / "adder_dense.py"], simulate=False)
    assert [each.name for each in rows.columns] == ["adder_tridiagonal", "adder_dense"]
    bare = Design([Elman(4, name="rnn")], WORDS, inputs=2)
    twin = Design([Elman(5, name="rnn")], WORDS, inputs=2)
    assert [c.name for c in rnnhw.compare([bare, twin]).columns] == ["design #1", "design #2"]


def test_one_signal_may_stand_alone() -> None:
    run = rnnhw.simulate(SMALL, np.zeros((1, 2, 2)), traces="rnn.state")
    assert list(run.run.traces) == ["rnn.state"]


def test_numpy_numbers_are_numbers() -> None:
    n = np.int64
    layers = [
        Window(n(2)),
        Elman(np.int32(4), recurrent=Banded(n(1), np.uint8(1)), name="rnn"),
        Mean(),
        Linear(n(2), name="out"),
    ]
    target = Target("ecp5-25", lanes={"rnn": n(2), "out": n(1)}, clock_mhz=np.float32(50))
    mine = Design(layers, WORDS, inputs=n(3), max_steps=n(7), target=target)
    plain = Design(
        [Window(2), Elman(4, recurrent=Banded(1, 1), name="rnn"), Mean(), Linear(2, name="out")],
        WORDS, inputs=3, max_steps=7,
        target=Target("ecp5-25", lanes={"rnn": 2, "out": 1}, clock_mhz=50.0),
    )  # fmt: skip
    assert Q(n(2), n(5)) == Q(2, 5) and type(Q(n(2), n(5)).integer) is int
    assert to_json(rnnhw.estimate(mine)) == to_json(rnnhw.estimate(plain))
    assert rnnhw.estimate(mine, lanes=n(1), steps=n(5)) == rnnhw.estimate(plain, lanes=1, steps=5)
    assert BinaryAddition(n(4)) == BinaryAddition(4)
    with pytest.raises(DesignError, match="units=True"):
        rnnhw.estimate(Design([Elman(True)], WORDS, inputs=2), "ecp5-25")


# --- what they refuse ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rnnhw.simulate(5), "5 is no design"),
        (lambda: rnnhw.verify(None), "None is no design"),
        (lambda: rnnhw.estimate(Elman), "is no design"),
        (lambda: rnnhw.simulate(SMALL, object()), "data=<object"),
        (lambda: rnnhw.simulate(SMALL, [[[0]]], samples=Samples(None, None)), "data and samples"),
        (lambda: rnnhw.verify(SMALL, minimum={"accuracy": "0.9"}), "accuracy='0.9'"),
        (lambda: rnnhw.verify(SMALL, maximum=3), "maximum=3"),
        (lambda: rnnhw.estimate(SMALL, clock_mhz="60"), "clock_mhz='60'"),
        (lambda: rnnhw.estimate(SMALL, 5), "int is no profile"),
        (lambda: rnnhw.compare([5]), "int to compare"),
        (lambda: rnnhw.compare(5), "int to compare"),
        (lambda: rnnhw.compare([SMALL], vary={"word": [4]}), "made already"),
        (lambda: rnnhw.compare_costs([SMALL, SMALL]), "given twice"),
        (lambda: rnnhw.emit(SMALL, "out", data=3), "data=3"),
        (lambda: rnnhw.emit(SMALL, 5), "directory=5"),
        (lambda: rnnhw.load(None), "NoneType to load"),
        (lambda: rnnhw.compare_reports(5), "int to compare"),
        (lambda: rnnhw.compare_reports(["a.json"]), "str to compare"),
    ],
)  # fmt: skip
def test_what_is_of_no_such_type_is_refused_at_once(call: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()


@pytest.mark.parametrize(
    ("layer", "message", "hint"),
    [
        (Elman(4, activation="tanh"), "activation='tanh'", "write activation=Tanh()"),
        (Linear(4, activation="relu"), "activation='relu'", "write activation=ReLU()"),
        (Elman(4, activation=max), "activation=", "for example activation=Tanh()"),
        (Elman(4, recurrent="dense"), "'dense' is not a structure", "Dense()"),
    ],
)
def test_a_name_of_a_function_says_what_to_write(layer: Any, message: str, hint: str) -> None:
    with pytest.raises(DesignError) as caught:
        _ = Design([layer], WORDS, inputs=2).network
    assert message in caught.value.message and hint in caught.value.hint


def test_all_missing_formats_are_told_at_once() -> None:
    layers = [Elman(4, name="rnn"), Linear(2, activation=ReLU(), name="out")]
    with pytest.raises(DesignError) as caught:
        _ = Design(layers, Formats(weight=Q(0, 7)), inputs=2).network
    assert caught.value.message == (
        "design: input, rnn.state, rnn.sum, out.sum, out.output: no format"
    )
    assert "Formats(input=Q(...), state=Q(...), sum=Q(...), output=Q(...))" in caught.value.hint
    found = Formats(weight=Q(0, 7), input=Q(0, 7), state=Q(0, 7), sum=Q(3, 4), output=Q(0, 7))
    _ = Design(layers, found, inputs=2).network


# --- how they show -------------------------------------------------------------------------------
VERBS = ("simulate", "verify", "estimate", "compare", "compare_costs", "compare_reports")


@cache
def results() -> dict[str, Any]:
    run = rnnhw.estimate(SMALL)
    found = {
        "simulate": rnnhw.simulate(SMALL),
        "verify": rnnhw.verify(SMALL),
        "estimate": run,
        "compare": rnnhw.compare([SMALL, DESIGNS / "adder_dense.py"]),
        "compare_costs": rnnhw.compare_costs([SMALL, DESIGNS / "speaker_lstm.py"]),
        "compare_reports": rnnhw.compare_reports([run, rnnhw.estimate(SMALL, "ecp5-25")]),
    }
    assert tuple(found) == VERBS
    return found


def emitted(folder: Path) -> Any:
    """An emission with two runs of its bench, the second of which found something."""
    runs = [
        BenchRun("simulator 1", False, 40, 20, 300, 0, 0, 0, None),
        BenchRun("simulator 1", True, 40, 20, 900, 2, 0, 1, "0 5 1 is 3, not 4"),
    ]
    return replace(rnnhw.emit(SMALL, folder / "out"), runs=tuple(runs))


def synthesised(folder: Path) -> Any:
    """A synthesis whose estimate of LUTs is not known."""
    resources = (
        Resource("LUT", "LUT4", None, 350, 5280, "luts"),
        Resource("FF", "FF", 90, 100, 5280, "flip_flops"),
    )
    profile, clocks = rnnhw.load_profile("ice40up5k"), (SeedClock(1, 21.5), SeedClock(2, 20.0))
    assert isinstance(profile, Fpga)
    return rnnhw.Synthesis(SMALL, profile, {"rnn": 2}, resources, clocks, ("yosys 1",), ("a note",))


def test_an_emission_and_a_synthesis_show_the_same_everywhere(tmp_path: Path) -> None:
    found, counted = emitted(tmp_path), synthesised(tmp_path)
    figures = found.figures()
    assert (figures["wrong_outputs"], figures["faults"], figures["passed"]) == (2, 1, False)
    assert figures["files"] == len(found.files) and figures["compared_outputs"] == 80
    data = json.loads(found.to_json())
    assert data["runs"][1] == {**vars(found.runs[1]), "passed": False}
    assert data["input"] == {"units": 2, "width": 1, "fraction": 0, "signed": False}
    for shown in (repr(found), found.to_html()):
        assert "FAIL" in shown and "simulator 1, with stalls and a reset" in shown
    assert "0 5 1 is 3, not 4" in found.to_html()
    assert counted.figures() == {
        "luts": 350,
        "luts_estimated": None,
        "luts_difference_percent": None,
        "flip_flops": 100,
        "flip_flops_estimated": 90,
        "flip_flops_difference_percent": pytest.approx(-10),
        "clock_mhz_min": 20.0,
        "clock_mhz_max": 21.5,
    }
    for shown in (repr(counted), counted.to_html()):
        assert "not known" in shown and "a note" in shown
        assert "highest clock: 20.0 to 21.5 MHz (2 seeds)" in shown
    assert json.loads(counted.to_json())["clocks_mhz"] == {"1": 21.5, "2": 20.0}


@pytest.mark.parametrize("made", [emitted, synthesised])
def test_what_tools_made_shows_itself_like_the_other_results(made: Any, tmp_path: Path) -> None:
    shows_itself(made(tmp_path))


@pytest.mark.parametrize("verb", VERBS)
def test_a_result_prints_in_a_screen_and_shows_as_a_page(verb: str) -> None:
    shows_itself(results()[verb])


def shows_itself(result: Any) -> None:
    text = repr(result)
    assert text == str(result) and 1 <= len(text.splitlines()) <= SCREEN
    assert "object at" not in text and "\x1b" not in text
    page = result.to_html()
    assert page.startswith("<!DOCTYPE html>") and page.isascii()
    frame = result._repr_html_()
    assert html.unescape(frame.split('srcdoc="')[1].split('"')[0]) == page
    assert json.loads(result.to_json())["$schema"].startswith("urn:rnnhw:schema:")
    assert result.figures()


def test_a_deep_network_still_prints_in_a_screen() -> None:
    layers = [Elman(4, name=f"layer{k}") for k in range(60)]
    report = rnnhw.estimate(Design(layers, WORDS, inputs=2), "ecp5-25")
    assert len(repr(report).splitlines()) == SCREEN
    assert "lines more: .to_html() shows all" in repr(report)


def test_names_do_not_run_in_a_terminal() -> None:
    evil = replace(SMALL, title="\x1b[31mred")
    assert "\x1b" not in repr(rnnhw.simulate(evil, np.zeros((1, 1, 2))))


def test_the_command_prints_what_the_function_gives(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--set", "operand_bits=4", "--format", "json"]
    for verb in ("simulate", "verify"):
        assert main([verb, str(ADDER), *words]) == 0
        assert capsys.readouterr().out == results()[verb].to_json()


def test_an_unjudged_result_says_so() -> None:
    x = np.zeros((2, 3, 2))
    assert repr(rnnhw.verify(BARE, x)).splitlines()[-1] == "NOT JUDGED: nothing is required"
    broken = rnnhw.verify(BARE, x, maximum={"max_error": 0})
    assert repr(broken).splitlines()[-1].startswith("FAIL: max_error ")


def test_what_is_written_is_told_in_a_few_lines(tmp_path: Path) -> None:
    said = repr(rnnhw.emit(SMALL, tmp_path / "out"))
    assert f"\n{tmp_path / 'out'}: " in said and "top module adder_tridiagonal" in said
    assert len(said.splitlines()) <= SCREEN


def test_formats_show_those_that_are_given() -> None:
    assert repr(Formats(weight=Q(2, 5))) == "Formats(weight=Q(2, 5))"
    assert "formats=Formats()" in repr(Design([Elman(4, name="rnn")], WORDS, inputs=2))


def test_a_result_equals_what_it_shows() -> None:
    mine, inner = rnnhw.estimate(SMALL), estimate(SMALL)
    assert mine == inner and inner == mine
    assert [mine != inner, inner != mine] == [False, False]
    assert mine != estimate(SMALL, "ecp5-25") and mine != 3
    assert rnnhw.compare_reports([mine]) == compare_reports([inner])
