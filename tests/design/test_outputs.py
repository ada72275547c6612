"""Networks with several outputs: which they are, what each gives, and how each is judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.graphs import Case, assert_engine_equals_golden
from helpers.paths import DESIGNS

from rnnhw import (
    Bidirectional,
    Classification,
    Design,
    DesignError,
    Elman,
    Formats,
    Heads,
    Last,
    Linear,
    Mean,
    Q,
    ReLU,
    Residual,
    Samples,
    UsageError,
    load,
    prove,
    simulate,
    verify,
)
from rnnhw.cli import main
from rnnhw.execution.batch import make_batch
from rnnhw.execution.reference import run_reference
from rnnhw.study.word_lengths.judge import Demands, Judge

FORMATS = Formats(input=Q(0, 7), weight=Q(1, 6), sum=Q(3, 6), state=Q(0, 7), output=Q(2, 5))
RNN = Elman(6, name="rnn")
BRANCHES = Heads(
    [
        Linear(2, name="class"),
        [Linear(4, activation=ReLU(), name="middle"), Linear(1, name="confidence")],
        [Last(), Linear(3, name="end")],
    ]
)
LENGTHS = np.array([7, 3, 1, 5, 7])


def designed(*layers: object, **more: object) -> Design:
    design = Design(list(layers), FORMATS, inputs=3, max_steps=7, **more)  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    return replace(
        design, weights={t.key: rng.normal(0, 0.7, t.shape) for t in design.network.tensors}
    )


def samples() -> Samples:
    return Samples(np.random.default_rng(0).uniform(-1, 1, (5, 7, 3)), LENGTHS)


def names(design: Design) -> list[str]:
    return [node.name for node in design.network.outputs]


# --- which ---------------------------------------------------------------------------------------
def test_outputs_are_the_ends_of_the_heads_or_those_named() -> None:
    heads = designed(RNN, BRANCHES)
    assert names(heads) == ["class", "confidence", "end"]
    named = designed(RNN, BRANCHES, outputs=["end", "rnn", "class", "confidence"])
    assert names(named) == ["end", "rnn", "class", "confidence"]
    assert named.network.output.name == "end"
    assert names(designed(RNN, Linear(1, name="head"))) == ["head"]
    assert names(designed(RNN, Linear(1, name="head"), outputs=["head", "rnn"])) == ["head", "rnn"]
    inner = Heads([Linear(1, name="a"), Heads([Linear(1, name="b"), Linear(1, name="c")])])
    assert names(designed(RNN, inner)) == ["a", "b", "c"]


def test_heads_have_names_from_their_places() -> None:
    heads = Heads([Linear(1), [Linear(2, activation=ReLU()), Linear(1)]])
    assert names(designed(RNN, heads)) == ["heads1.0", "heads1.1.1"]


REFUSED = {
    "a name is unknown": (
        {"outputs": ["head", "rnm"]}, "outputs: unknown layer 'rnm'", "did you mean 'rnn'?",
    ),
    "a name stands twice": (
        {"outputs": ["head", "head"]}, "outputs: 'head' is named twice", "once",
    ),
    "text instead of a list": ({"outputs": "head"}, "outputs='head'", 'outputs=["rnn", "head"]'),
    "none at all": ({"outputs": []}, "outputs=[]", "name at least one"),
    "a layer is left over": (
        {"outputs": ["rnn"]}, "layer 'head' leads to no output", "Design(outputs=[...])",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_outputs_that_cannot_be_are_refused(case: str) -> None:
    more, message, hint = REFUSED[case]
    with pytest.raises(DesignError) as caught:
        designed(RNN, Linear(1, name="head"), **more)
    assert message in caught.value.message and hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Heads([Linear(1)]), Linear(1)], "layer 2 (Linear): a layer behind heads"),
        ([Heads([[Heads([Linear(1)]), Linear(1)]])], "a layer behind heads"),
        ([Residual([Heads([Linear(6)])])], "Heads inside of Residual"),
        ([Bidirectional(Heads([Linear(6)]))], "Heads inside of Bidirectional"),
        ([Heads([[Linear(0.5)]])], "units"),
    ],
)
def test_heads_stand_last(layers: list[object], message: str) -> None:
    with pytest.raises(DesignError) as caught:
        designed(RNN, *layers)
    assert message in caught.value.message or message in str(caught.value.hint)


def test_heads_are_layers() -> None:
    for wrong in ([], [[]], 3):
        with pytest.raises(DesignError, match="Heads"):
            Heads(wrong)  # type: ignore[arg-type]
    with pytest.raises(DesignError, match="the class Linear is not a layer"):
        designed(RNN, Heads([Linear]))  # type: ignore[list-item]


# --- what each gives -------------------------------------------------------------------------
def test_every_output_is_that_of_a_network_of_its_own() -> None:
    design = designed(RNN, BRANCHES, outputs=["confidence", "rnn", "end", "class"])
    network, given = design.network, samples()
    batch = make_batch(network, given.x, given.lengths)
    assert_engine_equals_golden(Case(network, design.parameters, batch, tuple(network.signals())))
    alone = {
        "class": [RNN, Linear(2, name="class")],
        "confidence": [RNN, *BRANCHES.chains[1]],
        "end": [RNN, *BRANCHES.chains[2]],
        "rnn": [RNN],
    }
    result = simulate(design, samples=given)
    exact = run_reference(network, design.parameters, given.x, given.lengths)
    for name, layers in alone.items():
        single = Design(layers, FORMATS, inputs=3)
        weights = {t.key: design.weights[t.key] for t in single.network.tensors}  # type: ignore
        single = replace(single, weights=weights)
        expected = simulate(single, samples=given)
        np.testing.assert_array_equal(result.output(name), expected.outputs)
        vectors = result.run.by_output[name]
        np.testing.assert_array_equal(vectors.lengths, expected.run.lengths)
        real = run_reference(single.network, single.parameters, given.x, given.lengths)
        np.testing.assert_array_equal(exact.by_output[name], real.outputs)
    np.testing.assert_array_equal(result.outputs, result.output("confidence"))
    with pytest.raises(UsageError, match="unknown output 'middle'"):
        result.output("middle")


def test_a_file_has_every_output_under_its_name(tmp_path: Path) -> None:
    design = designed(RNN, BRANCHES)
    result = simulate(design, samples=samples())
    result.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as saved:
        for name, vectors in result.run.by_output.items():
            np.testing.assert_array_equal(saved[f"outputs.{name}"], vectors.values)
            np.testing.assert_array_equal(saved[f"lengths.{name}"], vectors.lengths)
            assert saved[f"outputs.{name}.fraction"] == 5
        np.testing.assert_array_equal(saved["outputs"], result.run.outputs)
    simulate(designed(RNN, Linear(1, name="head")), samples=samples()).save(tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as saved:
        assert not [key for key in saved if key.startswith("outputs.head")]


# --- how each is judged --------------------------------------------------------------------------
def test_every_output_is_judged_and_no_name_means_the_worst() -> None:
    design = designed(RNN, BRANCHES, outputs=["class", "rnn", "confidence", "end"])
    given = samples()
    run = verify(design, samples=given, minimum={"end.snr_db": 1.0}, maximum={"rnn.max_error": 1.0})
    assert run.passed
    figures = run.figures()
    errors = {each.name: each for each in run.outputs}
    assert list(errors) == ["class", "rnn", "confidence", "end"]
    for name, error in errors.items():
        for figure, value in error.figures().items():
            assert figures[f"{name}.{figure}"] == value
    assert figures["max_error"] == max(each.max_error for each in run.outputs)
    assert figures["snr_db"] == min(each.snr_db for each in run.outputs)
    assert figures["snr_db"] < errors["rnn"].snr_db
    floor = (figures["snr_db"] + errors["rnn"].snr_db) / 2
    assert not verify(design, samples=given, minimum={"snr_db": floor}).passed
    assert verify(design, samples=given, minimum={"rnn.snr_db": floor}).passed
    with pytest.raises(UsageError, match=r"unknown figure 'middle\.max_eror'"):
        verify(design, samples=given, maximum={"middle.max_eror": 1.0})
    assert [each.name for each in run.sources[0].outputs] == list(errors)


def test_the_task_judges_the_first_output(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (20, 5, 3))
    parts = {f"{part}_{key}": value for part in ("train", "test") for key, value in (
        ("x", x), ("y", np.arange(20) % 2), ("lengths", np.full(20, 5)))}  # fmt: skip
    np.savez(tmp_path / "data.npz", **parts)
    task = Classification(str(tmp_path / "data.npz"), standardise=False)
    first = designed(RNN, BRANCHES, task=task)
    alone = designed(RNN, Linear(2, name="class"), task=task)
    alone = replace(alone, weights={k: first.weights[k] for k in alone.weights})  # type: ignore
    assert simulate(first).figures()["accuracy"] == simulate(alone).figures()["accuracy"]
    other = designed(RNN, BRANCHES, task=task, outputs=["confidence", "class", "end"])
    for run in (simulate, verify):
        with pytest.raises(DesignError, match="y of shape") as caught:
            run(other)
        assert "the task judges the first output, 'confidence'" in caught.value.hint


def test_a_proof_is_of_the_first_output() -> None:
    adder = load(DESIGNS / "adder_tridiagonal.py", {"operand_bits": 3})
    head = adder.layers[-1]
    more = replace(
        adder,
        layers=[*adder.layers[:-1], Heads([head, [Mean(), Linear(1, name="other")]])],
        weights={
            **adder.parameters.values, "other.W": np.ones((1, 16)), "other.b": np.zeros(1),
        },
    )  # fmt: skip
    found, expected = (prove(each, max_states=200).outcome for each in (more, adder))
    assert (found.verdict, found.states, found.depth) == (
        expected.verdict, expected.states, expected.depth,
    )  # fmt: skip


# --- what the commands show ----------------------------------------------------------------------
TEXT = """
import numpy as np
from rnnhw import *

def design():
    layers = [Elman(4, name="rnn"), Heads([Linear(1, name="sum"), Linear(2, name="carry")])]
    formats = Formats(input=Q(0, 7), weight=Q(1, 6), sum=Q(3, 6), state=Q(0, 7))
    rng = np.random.default_rng(0)
    more = dict(inputs=2, target=Target("ecp5-25"))
    tensors = Design(layers, formats, **more).network.tensors
    return Design(layers, formats, {t.key: rng.normal(0, 1, t.shape) for t in tensors}, **more)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["info"],
        ["simulate", "--data", "x.npz"],
        ["verify", "--data", "x.npz", "--max", "carry.max_error=9"],
        ["report"],
        ["report", "--simulate", "--data", "x.npz", "--max", "max_error=9"],
        ["emit", "--data", "x.npz", "-o", "out"],
    ],
    ids=" ".join,
)
def test_every_command_names_the_outputs(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.py").write_text(TEXT)
    np.savez("x.npz", x=np.random.default_rng(0).uniform(-1, 1, (2, 4, 2)))
    for form in ("text", "json"):
        assert main([words[0], "d.py", *words[1:], "--format", form]) == 0
        out = capsys.readouterr().out
        assert "sum" in out and "carry" in out
        if form == "json" and words[0] != "report":
            assert '"outputs": ' in out


# --- answers of further outputs ------------------------------------------------------------------
def labelled(folder: Path, **more: object) -> Path:
    """Data of the network of ``BRANCHES`` with answers to each of its outputs."""
    rng, given = np.random.default_rng(2), samples()
    answers = {
        "y": rng.integers(0, 2, 5),
        "y.confidence": rng.uniform(-1, 1, (5, 7, 1)),
        "y.end": rng.integers(0, 3, 5),
    }
    np.savez(folder / "x.npz", x=given.x, lengths=given.lengths, **(answers | more))  # type: ignore
    return folder / "x.npz"


def test_every_output_with_answers_has_its_score(tmp_path: Path) -> None:
    """As the first output of the same network has it."""
    data = labelled(tmp_path)
    design = designed(RNN, BRANCHES)
    run, check = simulate(design, data), verify(design, data, minimum={"end.accuracy": 0.0})
    with np.load(data) as arrays:
        answers = {name: arrays[f"y.{name}"] for name in ("confidence", "end")}
    for name, figure in (("confidence", "nrmse"), ("end", "accuracy")):
        others = [each for each in names(design) if each != name]
        first = designed(RNN, BRANCHES, outputs=[name, *others])
        alone = verify(
            first, samples=replace(samples(), y=answers[name]), maximum={"max_error": 9.0}
        )
        for prefix in ("", "float_"):
            expected = alone.figures()[f"{prefix}{figure}"]
            assert check.figures()[f"{name}.{prefix}{figure}"] == expected
        assert run.figures()[f"{name}.{figure}"] == alone.figures()[figure]
        assert f"{name}.{figure}_loss" in check.figures()
    assert check.passed and "confidence.accuracy" not in check.figures()
    assert not verify(design, data, minimum={"end.accuracy": 1.01}).passed
    with pytest.raises(UsageError, match=r"unknown figure 'end\.nrmse'"):
        verify(design, data, minimum={"end.nrmse": 0.0})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"y.class": np.zeros(5, int)}, r"y\.class are the answers of the first output"),
        ({"y.end": np.full(5, 7)}, r"y\.end: y of shape \(5,\) holds 7\.\.7"),
        ({"y.end": np.zeros(4, int)}, r"y\.end is int64 of shape \(4,\)"),
        ({"y.confidence": np.full((5, 7, 1), np.nan)}, r"y\.confidence\[0, 0, 0\] is nan"),
        ({"y.confidence": np.zeros((5, 7, 2))}, r"y\.confidence: 1 outputs for y of shape"),
        ({"y.middle": np.zeros(5)}, r"unknown answers 'y\.middle'"),
        ({"y.confidence": np.zeros(5, int)}, r"y\.confidence: one output unit tells no classes"),
    ],
)
def test_wrong_answers_are_refused(wrong: dict[str, object], message: str, tmp_path: Path) -> None:
    data = labelled(tmp_path, **wrong)
    for run in (simulate, verify):
        with pytest.raises(DesignError, match=message):
            run(designed(RNN, BRANCHES), data)


def test_commands_show_and_judge_the_score_of_every_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.py").write_text(TEXT)
    rng = np.random.default_rng(0)
    np.savez("x.npz", x=rng.uniform(-1, 1, (2, 4, 2)), **{"y.carry": np.array([0, 1])})
    accuracy = simulate(load("d.py"), Path("x.npz")).figures()["carry.accuracy"]
    data = ["d.py", "--data", "x.npz"]
    for words in (["simulate", *data], ["verify", *data], ["report", *data, "--simulate"]):
        met = [*words, "--min", f"carry.accuracy={accuracy}"]
        assert main(met) == 0
        assert "carry: accuracy" in (out := capsys.readouterr().out) or "carry.accuracy" in out
        assert main([*words, "--min", f"carry.accuracy={accuracy + 0.01}"]) == 1
        assert main([*met, "--format", "json"]) == 0
        assert "accuracy" in capsys.readouterr().out
    for name in ("carry.snr_db", "sum.snr_db"):
        assert main(["report", *data, "--simulate", "--min", f"{name}=-99"]) == 0
    assert main(["report", *data, "--simulate", "--min", "carry.snr_db=999"]) == 1
    assert main(["report", *data, "--simulate", "--min", "other.snr_db=9"]) == 2


def test_word_lengths_are_chosen_by_the_output_that_a_demand_names() -> None:
    given = replace(samples(), further={"end": np.array([0, 1, 2, 0, 1])})
    design = designed(RNN, BRANCHES)
    judge = Judge(design, given, Demands({"end.agreement": 0.5, "end.accuracy": 0.0}, {}))
    outcome = judge.outcome(design)
    assert outcome is not None
    figures = outcome.figures
    for figure, worst in (("agreement", min), ("rms", max)):
        alone = [figures[f"{name}.{figure}"] for name in names(design)]
        assert figures[figure] == worst(alone)
    assert len({figures[f"{name}.rms"] for name in names(design)}) == 3
    check = verify(design, samples=given, minimum={"end.accuracy": 0.0}).figures()
    assert figures["end.accuracy"] == check["end.accuracy"]
    assert judge.float_figures()["end.accuracy"] == check["end.float_accuracy"]
    with pytest.raises(UsageError, match=r"unknown figure 'middle\.agreement'"):
        Judge(design, given, Demands({"middle.agreement": 0.5}, {}))
