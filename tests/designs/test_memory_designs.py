"""The designs for memory: every number that their files and the training notes state."""

import importlib.util
import re
import sys
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from helpers.paths import DESIGNS

from rnnhw import Narma10, Recall, load
from rnnhw.design.tasks import Samples
from rnnhw.execution.batch import make_batch
from rnnhw.execution.golden import run as run_golden
from rnnhw.execution.reference import run_reference
from rnnhw.execution.simulate import simulate
from rnnhw.execution.verify import verify

FOLDER = DESIGNS
RECALLS = ["recall_elman", "recall_lstm", "recall_window"]
NOTES = (FOLDER / "training" / "README.md").read_text()
DELAYS = (1, 7, 8, 20, 100, 1000, 4000)


def design(name, **settings):
    return load(FOLDER / f"{name}.py", settings)


def text(name):
    chosen = design(name)
    return " ".join(f"{chosen.title} {chosen.notes}".split())


def prover():
    path = FOLDER / "training" / "recall_proof.py"
    spec = importlib.util.spec_from_file_location("recall_proof", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["recall_proof"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


PROOF = prover()


def in_float(chosen):
    samples = chosen.task.samples()
    result = run_reference(chosen.network, chosen.parameters, samples.x, samples.lengths)
    return chosen.task.score(result.outputs, result.lengths, samples)


def rows(stem):
    """The cells of the notes' rows that begin with ``stem``."""
    lines = re.findall(rf"^\| `{stem}` \|(.*)\|$", NOTES, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines]


# --- recall ------------------------------------------------------------------------------------
def test_the_notes_hold_a_row_for_every_net_and_word():
    for name in RECALLS:
        assert [row[0] for row in rows(name)] == ["float", "8 bits", "6 bits", "4 bits"]
        assert all(len(row) == 2 + len(DELAYS) for row in rows(name))
    heads = " | ".join(map(str, DELAYS))
    assert f"| net | word | {heads} | any delay |" in NOTES


@pytest.mark.parametrize("place", range(len(DELAYS)), ids=DELAYS)
@pytest.mark.parametrize("name", RECALLS)
def test_nets_recall_as_often_as_the_notes_say(name, place):
    for word, *recalled, _ in rows(name):
        if word == "float":
            score = in_float(design(name, delay=DELAYS[place]))
        else:
            bits = int(word.split()[0])
            score = simulate(design(name, delay=DELAYS[place], word=bits)).score
        assert score.total == 1000
        assert score.correct == int(recalled[place].replace(",", "")), word


@pytest.mark.parametrize("name", ["recall_elman", "recall_lstm"])
def test_proofs_are_those_of_the_notes(name):
    for word, *_, stated in rows(name):
        if word == "float":
            assert stated == "-"
            continue
        proof = PROOF.prove_recall(design(name, word=int(word.split()[0])))
        if proof.holds:
            assert stated == f"proved, {proof.pairs:,} pairs"
        else:
            assert stated == ("open" if proof.right else "refuted")


def test_a_search_that_is_cut_short_proves_nothing():
    chosen = design("recall_elman")
    proof = PROOF.prove_recall(chosen, limit=100)
    assert not proof.holds and proof.right and proof.pairs > 100


def test_a_net_that_forgets_is_refuted():
    chosen = design("recall_elman")
    arrays = dict(chosen.parameters.values)
    arrays["rnn.U"] = arrays["rnn.U"] * 0.5
    assert simulate(replace(chosen, weights=arrays)).score.accuracy < 1
    proof = PROOF.prove_recall(replace(chosen, weights=arrays))
    assert not proof.right and not proof.holds


def test_what_is_proved_is_what_golden_does_step_by_step():
    # Sequences that the task does not draw: other leads, runs of equal values.
    chosen = design("recall_elman", word=4)
    for lead, delay in product((0, 1, 30), (1, 2, 60)):
        task = Recall(delay, lead=lead, sequences=12, seed=5)
        samples = task.samples()
        batch = make_batch(chosen.network, samples.x, samples.lengths)
        result = run_golden(chosen.network, chosen.parameters, batch)
        assert task.score(result.outputs, result.lengths, samples).correct == 12


@pytest.mark.parametrize("word", [8, 6])
def test_the_window_is_exact_on_every_window(word):
    chosen = design("recall_window", word=word)
    width = 8
    values = np.array(list(product((1.0, -1.0), repeat=width)))
    for place in range(width - 1):  # the marked step is 7 to 1 steps back
        marker = np.zeros_like(values)
        marker[:, place] = 1
        samples = Samples(
            np.stack([values, marker], -1),
            np.full(len(values), width),
            values[:, place].astype(np.int64),
        )
        assert simulate(chosen, samples=samples).score.accuracy == 1.0


@pytest.mark.parametrize("word", [8, 6, 4])
@pytest.mark.parametrize("delay", [8, 9, 200])
def test_the_window_knows_nothing_of_what_it_has_lost(delay, word):
    score = simulate(design("recall_window", delay=delay, word=word)).score
    assert (score.correct, score.total) == (500, 1000)


def test_verdicts_are_those_that_the_designs_announce():
    assert verify(design("recall_elman")).passed
    assert verify(design("recall_lstm")).passed
    assert not verify(design("recall_window")).passed
    assert verify(design("recall_window", delay=7)).passed
    for name in RECALLS:
        assert design(name).task.delay == 20
    assert "honest failure" in text("recall_window")


def test_the_counts_in_the_docstring_of_the_lstm_are_those_of_the_notes():
    table = {row[0]: dict(zip(DELAYS, row[1:], strict=False)) for row in rows("recall_lstm")}
    words = text("recall_lstm")
    assert "all 1,000 sequences over 1, 20, 100, 1000 and 4000 steps in float, at 8 and at" in words
    for word, delay in product(("float", "8 bits", "6 bits"), (1, 20, 100, 1000, 4000)):
        assert table[word][delay] == "1000"
    for right, delay in re.findall(r"(\d+) over (\d+)", words.partition("at 4 bits")[2]):
        assert table["4 bits"][int(delay)] == right


# --- narma-10 ----------------------------------------------------------------------------------
@cache
def narma(word=8, signal=12):
    return simulate(design("narma10", word=word, signal=signal)).score


def test_the_forecast_is_as_good_as_stated():
    result = verify(design("narma10"))
    assert result.passed
    figures = result.figures()
    fixed, real = f"{figures['nrmse']:.3f}", f"{figures['float_nrmse']:.3f}"
    assert f"nrmse {real} in float, {fixed} in fixed point" in text("narma10")
    assert f"8-bit signals much: they give {narma(8, 8).nrmse:.3f}" in text("narma10")
    assert figures["nrmse_loss"] == figures["nrmse"] - figures["float_nrmse"] < 0.01
    assert figures["weight_clips"] == figures["input_clips"] == figures["saturations"] == 0
    assert result.score.nrmse == pytest.approx(narma().nrmse, rel=1e-9)
    assert result.score.values == 40 * 200


@pytest.mark.parametrize("word", [16, 8, 6, 4])
@pytest.mark.parametrize("signal", [16, 12, 10, 8])
def test_fewer_bits_cost_as_much_as_the_notes_say(word, signal):
    (row,) = (row for row in rows("narma10") if row[0] == f"{word} bits")
    stated = row[1 + [16, 12, 10, 8].index(signal)]
    assert f"{narma(word, signal).nrmse:.3f}" == stated


def test_the_float_row_of_the_notes_is_that():
    (row,) = (row for row in rows("narma10") if row[0] == "float")
    assert set(row[1:]) == {f"{in_float(design('narma10')).nrmse:.3f}"}


def test_the_baselines_are_those_of_least_squares():
    """A linear map of the last inputs, fitted to other series of the same kind."""
    words = text("narma10")
    stated = re.search(r"linear map of the last (\d+) inputs gets ([\d.]+)", words)
    taps = int(stated[1])

    def seen(samples):
        padded = np.pad(samples.x[:, :, 0], ((0, 0), (taps - 1, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, taps, axis=1)
        return np.concatenate([windows, np.ones((*windows.shape[:2], 1))], -1)

    other, task = Narma10(sequences=200, seed=1100), design("narma10").task
    train, test = other.samples(), task.samples()
    inputs = seen(train)[:, other.washout :].reshape(-1, taps + 1)
    best = np.linalg.lstsq(inputs, train.y[:, other.washout :].ravel(), rcond=None)[0]
    linear = task.score((seen(test) @ best)[:, :, None], test.lengths, test).nrmse
    assert f"{linear:.3f}" == stated[2]
    mean = np.full_like(test.y, test.y[:, task.washout :].mean())
    assert task.score(mean, test.lengths, test).nrmse == pytest.approx(1)
    assert narma().nrmse < linear / 5


def test_narma10_is_forecast_from_what_was_read_alone():
    chosen = design("narma10")
    samples = chosen.task.samples()
    changed = samples.x.copy()
    changed[:, 100] = 0.5 - changed[:, 100]
    outputs = simulate(chosen, samples=replace(samples, x=changed)).outputs
    before = simulate(chosen, samples=samples).outputs
    np.testing.assert_array_equal(outputs[:, :100], before[:, :100])
    assert (outputs[:, 100:] != before[:, 100:]).any((1, 2)).all()
