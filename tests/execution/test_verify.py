"""Verification: the errors are those that a few lines of NumPy find, and so is the verdict."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers import elman

import rnnhw.execution.verify
from rnnhw import (
    LSTM,
    BinaryAddition,
    Classification,
    Design,
    DesignError,
    Diagonal,
    Elman,
    Formats,
    Identity,
    Last,
    Linear,
    Q,
    Regression,
    UsageError,
)
from rnnhw.design.demands import Check, judge
from rnnhw.design.tasks import Samples
from rnnhw.execution.reference import SOURCES, run_reference
from rnnhw.execution.simulate import simulate
from rnnhw.execution.verify import SignalError, _figure_names, compared_signals, verify

X, LENGTHS = elman.samples(), elman.LENGTHS
LOOSE = {"max_error": 1e300}


def verified(design, **options):
    return verify(design, samples=Samples(X, LENGTHS), maximum=LOOSE, **options)


@pytest.mark.parametrize("readout", ["every", "last", "mean"])
@pytest.mark.parametrize("structure", elman.STRUCTURES)
def test_errors_are_those_of_numpy(structure, readout):
    design = elman.design(structure, readout)
    result = verified(design)
    run = simulate(design, samples=Samples(X, LENGTHS), traces=["rnn.state", "rnn.sum"])
    outputs, states, sums = elman.numpy_elman(structure, elman.weights(structure), X, readout)
    signals = {signal.name: signal for signal in result.signals}
    for signal, fixed, exact, format in (
        (signals["rnn.state"], run.run.traces["rnn.state"], states, Q(0, 7)),
        (signals["rnn.sum"], run.run.traces["rnn.sum"], sums, Q(2, 5)),
        (result.output, run.run.outputs, outputs, Q(4, 6)),
    ):
        errors = [
            np.abs(got[: len(real)] / 2.0**format.fraction - real)
            for got, real in zip(fixed, exact, strict=True)
        ]
        every = np.concatenate([each.ravel() for each in errors])
        power = sum((real**2).sum() for real in exact)
        assert signal.max_error == pytest.approx(every.max(), rel=1e-12)
        assert signal.max_error_lsb == pytest.approx(every.max() * 2**format.fraction, rel=1e-12)
        assert signal.rms_error == pytest.approx(math.sqrt((every**2).mean()), rel=1e-12)
        assert signal.rms_error_lsb == pytest.approx(
            signal.rms_error * 2**format.fraction, rel=1e-12
        )
        snr = 10 * math.log10(power / (every**2).sum())
        assert signal.snr_db == pytest.approx(snr, abs=1e-9)
        sequence, step, unit = signal.worst
        assert errors[sequence][step, unit] == pytest.approx(every.max(), rel=1e-12)
    assert result.sequences == len(LENGTHS)
    assert result.events == run.events


def test_the_worst_place_is_where_the_error_was_planted():
    exact = np.zeros((3, 4, 2))
    fixed = exact.copy()
    fixed[1, 2, 1], fixed[2, 0, 0] = -0.5, 0.25
    fixed[0, 3, 0] = 99.0  # past the length
    signal = SignalError("s", 0.25)
    signal.add(10, fixed, exact + 0.0, np.array([3, 4, 1]))
    assert signal.worst == (11, 2, 1)
    assert (signal.max_error, signal.max_error_lsb) == (0.5, 2.0)
    assert signal.rms_error == math.sqrt((0.25 + 0.0625) / 16)
    assert signal.snr_db == -math.inf
    signal.add(20, fixed[:1] * 0, exact[:1], np.array([4]))
    assert signal.worst == (11, 2, 1)


def test_an_exact_signal_has_no_end_of_snr():
    formats = Formats(input=Q(1, 0), weight=Q(1, 0), sum=Q(9, 0), state=Q(9, 0))
    ones = {key: np.ones_like(array) for key, array in elman.weights("diagonal").items()}
    design = elman.design("diagonal", formats=formats, activation=Identity(), weights=ones)
    samples = Samples(np.ones_like(X), LENGTHS)
    result = verify(design, samples=samples, minimum={"snr_db": 500}, maximum={"max_error": 0})
    assert (result.output.snr_db, result.output.max_error) == (math.inf, 0)
    assert result.passed


@pytest.mark.parametrize("slice_values", [1, 40, 100])
@pytest.mark.parametrize("readout", ["every", "mean"])
def test_slices_give_the_same_as_everything_at_once(monkeypatch, readout, slice_values):
    seen = []
    whole = verified(elman.design("banded", readout))
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", slice_values)
    sliced = verified(elman.design("banded", readout), progress=lambda *done: seen.append(done))
    assert len(seen) > 1 and seen[-1] == (len(LENGTHS), len(LENGTHS))
    assert sliced.events == whole.events
    for one, other in zip(
        [*sliced.signals, sliced.output], [*whole.signals, whole.output], strict=True
    ):
        assert (one.name, one.worst, one.values) == (other.name, other.worst, other.values)
        assert one.max_error == pytest.approx(other.max_error, rel=1e-12)
        assert one.rms_error == pytest.approx(other.rms_error, rel=1e-12)
        assert one.snr_db == pytest.approx(other.snr_db, rel=1e-12)


def test_slices_tell_the_sequence_by_its_own_number(monkeypatch):
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", 1)
    design = replace(elman.design(readout="mean"), max_steps=5)
    with pytest.raises(DesignError, match="sequence 3 has 6 steps"):
        verify(design, samples=Samples(X, np.array([1, 2, 3, 6, 1])), maximum=LOOSE)


def test_every_source_of_error_is_told_apart():
    result = verified(elman.design())
    assert [each.source for each in result.sources] == list(SOURCES)
    for each in result.sources:
        assert each.output.max_error > 0
        assert each.score is None
    assert {signal.name for signal in result.signals} == {"rnn.sum", "rnn.state", "head.output"}


@pytest.mark.parametrize("scale", [2**-6, 2**-7])
def test_inputs_that_the_format_holds_are_no_source_of_error(scale, monkeypatch):
    """The reference does not run for them, and nothing that is told changes."""
    x = np.round(elman.samples(scale=0.9) / scale) * scale + 0.0  # for Q(1, 6), which has no -0.0
    samples, design, ran = Samples(x, LENGTHS), elman.design(), []
    monkeypatch.setattr(
        rnnhw.execution.verify,
        "run_reference",
        lambda *a, **options: (ran.append(a[5:]), run_reference(*a, **options))[1],
    )
    result = verify(design, samples=samples, maximum=LOOSE)
    held = scale == 2**-6
    alone = {source for given in ran for sources in given for source in sources}
    assert alone == set(SOURCES) - ({"input"} if held else set())
    assert (result.sources[0].output.max_error == 0) == held
    monkeypatch.setattr(rnnhw.execution.verify, "exact_inputs", lambda *_: False)
    assert verify(design, samples=samples, maximum=LOOSE).figures() == result.figures()


def test_only_signals_that_lose_something_are_compared():
    names = set(compared_signals(elman.design("hadamard").network))
    assert {"rnn.U.before_product", "rnn.U.stage0", "rnn.U.stage2", "rnn.sum"} <= names
    assert not names & {"rnn.Wx", "rnn.Uh", "rnn.b", "rnn.x"}


@pytest.mark.parametrize("kind", ["min", "max"])
def test_a_check_of_what_is_no_number_fails(kind):
    assert not Check("snr_db", math.nan, 0.0, kind).passed
    assert Check("snr_db", 1.0, 1.0, kind).passed
    assert Check("snr_db", math.inf, 40.0, "min").passed
    assert Check("saturations", 0, 0, "max").passed
    assert not Check("saturations", 1, 0, "max").passed


def test_a_reference_beyond_float64_passes_nothing():
    # 2**64 a step over 40 steps: the saturated state is finite, the real one is not.
    formats = Formats(input=Q(1, 0), weight=Q(30, 0), sum=Q(9, 0), state=Q(9, 0))
    weights = elman.weights("diagonal")
    weights["rnn.U"] = np.full(elman.UNITS, 1e9)
    weights["rnn.W"] = np.ones((elman.UNITS, elman.INPUTS))
    design = elman.design("diagonal", formats=formats, activation=Identity(), weights=weights)
    design = replace(design, max_steps=60)
    samples = Samples(np.ones((1, 60, elman.INPUTS)), np.array([60]))
    with pytest.raises(DesignError) as caught:
        verify(design, samples=samples, maximum={"max_error": 1e300, "rms_error": 1e300})
    message = r"design: the float reference of rnn\.Uh is inf at step 35 of sequence 0, unit 0"
    assert re.fullmatch(message, caught.value.message)
    for steps in (2, 30, 34):
        samples = Samples(np.ones((1, steps, elman.INPUTS)), np.array([steps]))
        assert not verify(design, samples=samples, minimum={"snr_db": 40}).passed


def test_not_a_number_stays_the_largest_error():
    signal, lengths = SignalError("s", 1.0), np.array([1])
    for first, value in enumerate([1.0, math.nan, 5.0, math.nan]):
        signal.add(first, np.zeros((1, 1, 1)), np.full((1, 1, 1), value), lengths)
    assert math.isnan(signal.max_error) and signal.worst == (1, 0, 0)
    assert math.isnan(signal.snr_db)


def test_bounds_of_the_call_win_over_those_of_the_task():
    task = BinaryAddition(2, require={"accuracy": 0.0}, limit={"accuracy_loss": 1.0})
    weights = elman.weights("dense")
    weights["rnn.W"] = weights["rnn.W"][:, :2]
    weights["head.W"], weights["head.b"] = weights["head.W"][:1], weights["head.b"][:1]
    design = elman.design(weights=weights, task=task)
    design = replace(
        design, inputs=2, layers=[design.layers[0], replace(design.layers[1], units=1)]
    )
    assert verify(design).passed
    result = verify(design, minimum={"accuracy": 1.1, "snr_db": -1e9}, maximum={"wraps": 0})
    checks = {(check.name, check.kind): (check.bound, check.passed) for check in result.checks}
    assert checks == {
        ("accuracy", "min"): (1.1, False),
        ("snr_db", "min"): (-1e9, True),
        ("accuracy_loss", "max"): (1.0, True),
        ("wraps", "max"): (0, True),
    }
    assert not result.passed


def test_every_figure_can_be_named():
    result = verified(elman.design())
    names = result.figures()
    assert verified(elman.design(), minimum=dict.fromkeys(names, -1e300)).passed
    assert {"max_error_lsb", "saturations", "input_clips", "rnn.sum.snr_db"} <= set(names)
    for name in ("saturations", "wraps", "input_clips", "weight_clips", "underflows"):
        assert isinstance(names[name], int)
    with pytest.raises(UsageError, match="unknown figure 'frob'"):
        judge(names, {"frob": 1}, {})


def test_nothing_required_is_no_pass():
    result = verify(elman.design(), samples=Samples(X, LENGTHS))
    assert result.checks == [] and not result.passed
    assert result.output.max_error > 0


def test_a_misspelt_figure_is_told_before_the_work(monkeypatch):
    monkeypatch.setattr(rnnhw.execution.verify, "run_engine", None)
    with pytest.raises(UsageError, match="unknown figure 'snr'"):
        verify(elman.design(), samples=Samples(X, LENGTHS), minimum={"snr": 1})


def test_scores_add_up_over_slices(monkeypatch, tmp_path):
    y = np.array([0, 1, 1, 0, 1])
    np.savez(tmp_path / "t.npz", test_x=X, test_y=y, train_x=X, test_lengths=LENGTHS)
    task = Classification(tmp_path / "t.npz", standardise=False, require={"accuracy": 0.0})
    design = elman.design(readout="last", task=task)
    whole = verify(design)
    assert whole.score.total == whole.float_score.total == 5
    outputs, *_ = elman.numpy_elman("dense", elman.weights("dense"), X, "last")
    right = sum(each[0].argmax() == expected for each, expected in zip(outputs, y, strict=True))
    assert whole.float_score.correct == right
    loss = whole.figures()["accuracy_loss"]
    assert loss == whole.float_score.accuracy - whole.score.accuracy
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", 1)
    assert verify(design).score == whole.score
    assert all(each.score.total == 5 for each in verify(design).sources)


def forecast(folder, y, readout="every", **arguments):
    np.savez(folder / "r.npz", test_x=X, test_y=y, train_x=X, train_y=y, test_lengths=LENGTHS)
    task = Regression(folder / "r.npz", standardise=False, **arguments)
    return elman.design(readout=readout, task=task)


@pytest.mark.parametrize("readout", ["every", "last"])
def test_a_forecast_is_judged_by_its_normalised_error(monkeypatch, tmp_path, readout):
    y = np.random.default_rng(4).normal(2, 3, (5, elman.STEPS, elman.OUTPUTS))
    design = forecast(tmp_path, y, readout, limit={"nrmse": 1e9})
    whole = verify(design)
    outputs, *_ = elman.numpy_elman("dense", elman.weights("dense"), X, readout)
    errors, targets = zip(
        *(
            (o - t[n - len(o) : n], t[n - len(o) : n])
            for o, t, n in zip(outputs, y, LENGTHS, strict=True)
        ),
        strict=True,
    )
    errors, targets = np.concatenate(errors), np.concatenate(targets)
    nrmse = math.sqrt((errors**2).sum() / ((targets - targets.mean(0)) ** 2).sum())
    assert whole.float_score.values == targets.size
    assert whole.float_score.nrmse == pytest.approx(nrmse, rel=1e-12)
    figures = whole.figures()
    assert figures["nrmse"] == simulate(design).score.nrmse
    assert figures["float_r2"] == pytest.approx(1 - nrmse**2, rel=1e-12)
    assert figures["nrmse_loss"] == figures["nrmse"] - figures["float_nrmse"]
    assert sorted(figures) == sorted(_figure_names(design, design.task.samples()))
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", 1)
    sliced = verify(design)
    assert sliced.score.values == whole.score.values
    for name in ("nrmse", "r2", "float_nrmse", "float_r2", "nrmse_loss"):
        assert sliced.figures()[name] == pytest.approx(figures[name], rel=1e-9, abs=1e-12)


def test_a_slice_of_equal_targets_is_no_error_but_equal_targets_are(monkeypatch, tmp_path):
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", 1)
    y = np.zeros((5, elman.STEPS, elman.OUTPUTS))
    with pytest.raises(DesignError, match="design: the 40 targets never change"):
        verify(forecast(tmp_path, y, limit={"nrmse": 1.0}))
    y += np.arange(5)[:, None, None]  # different from sequence to sequence
    assert verify(forecast(tmp_path, y, limit={"nrmse": 1e9})).passed


# --- what cannot be judged ---------------------------------------------------------------------
def linear(weight, units=2, **more):
    """A layer of given weights on two inputs, in words that hold small whole numbers."""
    formats = Formats(input=Q(3, 4), weight=Q(3, 4))
    arrays = {"h.W": weight, "h.b": np.zeros(units)}
    layers = [Linear(units, name="h")]
    return replace(Design(layers, formats, arrays, inputs=2, max_steps=1000), **more)


def labelled(x, y):
    x = np.array(x, float)
    return Samples(x, np.full(len(x), x.shape[1]), np.array(y))


EYE = np.eye(2)
FOUR = [[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.5]], [[0.5, 1.0]]]
FIGURES = ["accuracy", "float_accuracy", "accuracy_loss"]


def test_the_answer_is_the_lowest_of_equal_outputs_and_a_tie():
    samples = labelled([[[1.0, 1.0]], [[0.0, 1.0]], [[0.5, 0.5]]], [0, 1, 1])
    result = verify(linear(EYE), samples=samples, maximum={"ties": 2})
    assert (result.score.correct, result.score.total, result.score.ties) == (2, 3, 2)
    assert result.figures()["ties"] == result.figures()["float_ties"] == 2
    assert type(result.figures()["ties"]) is int
    assert result.passed
    assert not verify(linear(EYE), samples=samples, maximum={"ties": 1}).passed


@pytest.mark.parametrize(
    ("design", "samples", "why"),
    [
        (linear(EYE * 0), labelled(FOUR, [0, 0, 0, 0]), "all outputs are equal"),
        (
            linear(EYE * 0, layers=[Linear(2, name="h")], weights={"h.W": EYE * 0, "h.b": [1, 0]}),
            labelled(FOUR, [0, 0, 0, 0]), "all outputs are equal",
        ),
        (linear([[1, 0], [1, 0]]), labelled(FOUR, [0, 0, 0, 0]), "every answer is a tie"),
        (linear(EYE), labelled(FOUR[:1], [0]), "one sequence says nothing of the accuracy"),
    ],
)  # fmt: skip
def test_an_accuracy_that_says_nothing_is_not_judged(design, samples, why):
    for figure in FIGURES:
        for bounds in ({"minimum": {figure: -1}}, {"maximum": {figure: 2}}):
            result = verify(design, samples=samples, **bounds)
            assert why in result.checks[0].unjudged
            assert not result.passed
    # Error figures are judged as always.
    result = verify(design, samples=samples, maximum={"max_error": 0.1, "ties": 4})
    assert result.passed
    assert set(result.unjudged()) >= set(FIGURES)


def test_where_only_the_integers_say_nothing_the_float_accuracy_is_judged():
    design = linear(EYE / 64)  # every weight becomes zero
    samples = labelled(FOUR, [0, 1, 0, 1])
    demands = {"float_accuracy": 1.0, "accuracy": 0.0, "accuracy_loss": -1.0}
    result = verify(design, samples=samples, minimum=demands)
    reasons = {check.name: check.unjudged for check in result.checks}
    assert reasons["float_accuracy"] == ""
    assert reasons["accuracy"] == reasons["accuracy_loss"] != ""
    assert result.float_score.accuracy == 1.0 and result.score.ties == 4


def test_the_ratio_of_an_exact_constant_is_not_judged():
    samples = labelled([[[1.0, 2.0]], [[1.0, 2.0]]], [0, 1])
    result = verify(linear(EYE), samples=samples, minimum={"snr_db": 40})
    assert result.checks[0].unjudged == "the reference of output never changes"
    assert not result.passed
    assert verify(linear(EYE), samples=labelled(FOUR, [0] * 4), minimum={"snr_db": 40}).passed


@pytest.mark.parametrize("bound", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("kind", ["minimum", "maximum"])
def test_a_bound_that_is_not_finite_is_refused_before_the_work(monkeypatch, kind, bound):
    monkeypatch.setattr(rnnhw.execution.verify, "run_engine", None)
    samples = labelled(FOUR, [0] * 4)
    with pytest.raises(UsageError, match=r"snr_db: nothing can be judged by the bound"):
        verify(linear(EYE), samples=samples, **{kind: {"snr_db": bound}})


@pytest.mark.parametrize("bound", [np.float32(1), np.int64(1), 1, True])
def test_every_kind_of_number_is_a_bound(bound):
    samples = labelled(FOUR, [0, 1, 0, 1])
    assert verify(linear(EYE), samples=samples, maximum={"max_error": bound}).passed
    with pytest.raises(UsageError, match=r"max_error: the bound '0\.9' is not a number"):
        verify(linear(EYE), samples=samples, maximum={"max_error": "0.9"})


def test_a_demand_on_what_was_not_measured_is_a_wrong_call(tmp_path):
    np.savez(tmp_path / "t.npz", test_x=X, test_y=np.zeros(5, int), train_x=X)
    task = Classification(tmp_path / "t.npz", standardise=False, require={"accuracy": 0.0})
    design = elman.design(readout="last", task=task)
    with pytest.raises(UsageError, match="no expected answers, so no accuracy"):
        verify(design, samples=Samples(X, LENGTHS))


def test_any_signal_can_be_judged():
    design = elman.design()
    seen = {signal.name for signal in verified(design).signals}
    assert "rnn.Uh" not in seen and "rnn.x" not in seen
    demands = {"rnn.Uh.snr_db": 1.0, "rnn.state.previous.snr_db": 1.0, "rnn.x.snr_db": 1.0}
    result = verify(design, samples=Samples(X, LENGTHS), minimum=demands)
    assert result.passed
    assert {signal.name for signal in result.signals} == seen | {
        "rnn.Uh", "rnn.state.previous", "rnn.x",
    }  # fmt: skip
    for name in ("max_error", "max_error_lsb", "rms_error", "rms_error_lsb"):
        broken = verify(design, samples=Samples(X, LENGTHS), maximum={f"rnn.Uh.{name}": 0})
        assert not broken.passed and broken.checks[0].value > 0
    with pytest.raises(UsageError, match=r"unknown figure 'rnn\.Uh\.saturations'"):
        verify(design, samples=Samples(X, LENGTHS), maximum={"rnn.Uh.saturations": 0})


@pytest.mark.parametrize(("cell", "passes"), [(4, False), (9, True)])
def test_a_cell_far_off_behind_a_squashed_output_can_be_caught(cell, passes):
    formats = Formats(
        input=Q(1, 6), weight=Q(3, 12), sum=Q(3, 12), cell=Q(cell, 11), state=Q(0, 15)
    )
    weights = {"r.W": [[0], [0], [0.55], [0]], "r.U": [[0]] * 4, "r.b": [7.9, 7.9, 0, 7.9]}
    design = Design([LSTM(1, name="r")], formats, weights, inputs=1)
    samples = Samples(np.ones((1, 1000, 1)), np.array([1000]))
    assert verify(design, samples=samples, minimum={"snr_db": 60}).passed
    assert verify(design, samples=samples, minimum={"r.cell.snr_db": 40}).passed is passes


def test_a_source_of_error_that_leaves_float64_has_no_score():
    # Rounded to whole numbers the feedback is 2 instead of 1: 2**1100 is beyond float64.
    formats = Formats(
        input=Q(1, 0), weight=Q(2, 4), recurrent_weight=Q(2, 0), sum=Q(9, 4), state=Q(9, 4)
    )
    weights = {"r.W": [[1.0, 0.0], [0.0, 1.0]], "r.U": [1.5, 1.5], "r.b": [0.0, 0.0]}
    layers = [Elman(2, recurrent=Diagonal(), activation=Identity(), name="r"), Last()]
    design = Design(layers, formats, weights, inputs=2)
    x = np.zeros((2, 1100, 2))
    x[0, 0, 0] = x[1, 0, 1] = 1
    result = verify(design, samples=labelled(x, [0, 1]), minimum={"accuracy": 0})
    scores = {each.source: each.score for each in result.sources}
    assert scores["weights"] is None and scores["state"].accuracy == 1.0
    assert result.float_score.accuracy == 1.0


# --- labels without a task ---------------------------------------------------------------------
def test_whole_labels_are_classes_and_real_ones_targets():
    design = linear(EYE)
    result = verify(design, samples=labelled(FOUR, [0, 1, 0, 0]), minimum={"accuracy": 0.75})
    assert result.passed and result.score.correct == result.float_score.correct == 3
    targets = np.array(FOUR) + 0.25
    result = verify(design, samples=labelled(FOUR, targets), maximum={"nrmse": 1})
    assert result.passed
    assert result.score.nrmse == simulate(design, samples=labelled(FOUR, targets)).score.nrmse
    spread = ((targets - targets.mean((0, 1))) ** 2).sum()
    assert result.score.nrmse == pytest.approx(math.sqrt(8 * 0.0625 / spread))


@pytest.mark.parametrize("y", [[0, 1, 2, 0], [0, -1, 0, 1], [[0, 1]] * 4])
def test_labels_that_the_network_cannot_answer_are_refused(y):
    for verb in (simulate, lambda *a, **o: verify(*a, maximum=LOOSE, **o)):
        with pytest.raises(DesignError, match="y of shape") as caught:
            verb(linear(EYE), samples=labelled(FOUR, y))
        assert caught.value.hint == "it must hold one class of 0..1 a sequence"
