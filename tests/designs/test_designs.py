"""The designs: bits, verdicts and every number that their files and the training notes state."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers.paths import DESIGNS

from rnnhw import Arrangement, Classification, DesignError, estimate, load
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.compiler import LANES, plan_network
from rnnhw.execution.engine import available_isas, execute
from rnnhw.execution.engine import run as run_engine
from rnnhw.execution.reference import run_reference
from rnnhw.execution.simulate import simulate
from rnnhw.execution.verify import verify
from rnnhw.numerics.cast import quantise

FOLDER = DESIGNS
FILES = sorted(path.stem for path in FOLDER.glob("*.py"))
SPEAKERS = [name for name in FILES if name.startswith("speaker")]
STACKS = ["deep_stack_head", "deep_stack_recurrent"]
TWO_READOUTS = ["speaker_dense", "speaker_hadamard", "speaker_tridiagonal"]
BASELINES = ["speaker_mean", "speaker_window"]
ISAS = [name for name, runs in available_isas().items() if runs]
NOTES = (FOLDER / "training" / "README.md").read_text()

VARIANTS = {name: (name, {}) for name in FILES}
VARIANTS |= {f"{name}_last": (name, {"readout": "last"}) for name in TWO_READOUTS}
WIDENED = ["adder_dense", "adder_diagonal", "adder_tridiagonal"]
VARIANTS |= {f"{name}_h{n}": (name, {"hidden": n}) for name in WIDENED for n in (4, 8, 32)}
ADDERS = [variant for variant in VARIANTS if variant.startswith("adder")]
FAILING = {"adder_window", "recall_window"}
FAILING |= {name for name in ADDERS if name.startswith("adder_diagonal")}
"""Designs that are in the box because they fail, and say so."""

EXACT = [name for name in ADDERS if name not in FAILING]

RIGHT = {
    "speaker_dense": (354, 355),
    "speaker_dense_last": (358, 358),
    "speaker_tridiagonal": (361, 361),
    "speaker_tridiagonal_last": (360, 361),
    "speaker_hadamard": (357, 357),
    "speaker_hadamard_last": (362, 363),
    "speaker_butterfly": (360, 360),
    "speaker_lstm": (364, 364),
    "speaker_lstm_tridiagonal": (364, 364),
    "speaker_gru": (364, 364),
    "speaker_indrnn": (362, 361),
    "speaker_window": (365, 365),
    "speaker_mean": (352, 352),
    "deep_stack_head": (363, 364),
    "deep_stack_recurrent": (360, 360),
}
"""Utterances of 370 that are recognised: in float, at 8 bits."""


def design(variant, **settings):
    name, own = VARIANTS[variant]
    return load(FOLDER / f"{name}.py", {**own, **settings})


_SAMPLES = {}


def samples_of(task):
    """The samples of a task, and its harder ones by name; drawn once, as many designs share it."""
    key = repr(task)
    if key not in _SAMPLES:
        _SAMPLES[key] = task.samples(), task.harder()
    return _SAMPLES[key]


@cache
def verified(variant):
    settings = {"operand_bits": 5} if variant in ADDERS else {}
    return verify(design(variant, **settings))


@cache
def golden_run(variant):
    """The design, 18 sequences of its task, and what golden makes of them with every signal."""
    chosen = design(variant)
    network, samples = chosen.network, chosen.task.samples()
    every = np.linspace(0, len(samples.lengths) - 1, 18).astype(int)
    steps = min(samples.x.shape[1], 40)
    lengths = np.minimum(samples.lengths[every], steps)
    batch = make_batch(network, samples.x[every, :steps], lengths)
    return chosen, batch, golden.run(network, chosen.parameters, batch, list(network.signals()))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_engine_gives_the_golden_bits_on_the_real_task(variant, isa):
    chosen, batch, expected = golden_run(variant)
    network, parameters = chosen.network, chosen.parameters
    traces = list(network.signals())
    result = run_engine(network, parameters, batch, traces, isa=isa)
    np.testing.assert_array_equal(result.outputs, expected.outputs)
    np.testing.assert_array_equal(result.lengths, expected.lengths)
    assert result.events == expected.events
    for name in traces:
        np.testing.assert_array_equal(result.traces[name], expected.traces[name], err_msg=name)
    for name, final in expected.final.items():
        np.testing.assert_array_equal(result.final[name], final)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_verdict_is_the_one_that_the_design_announces(variant):
    result = verified(variant)
    assert result.passed == (variant not in FAILING)
    assert {check.name for check in result.checks} >= {result.score.names[0]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_weight_clips(variant):
    assert verified(variant).figures()["weight_clips"] == 0


@pytest.mark.parametrize(("variant", "right"), RIGHT.items())
def test_speakers_are_recognised_as_often_as_stated(variant, right):
    result = verified(variant)
    assert (result.float_score.correct, result.score.correct) == right
    assert result.score.total == 370
    assert result.float_score.accuracy >= 0.95
    assert abs(result.figures()["accuracy_loss"]) <= 0.005
    table = re.search(rf"^\| `{variant}` \|.*$", NOTES, re.MULTILINE)[0].split("|")
    assert tuple(int(cell.split()[0]) for cell in table[4:6]) == right
    for cell, count in zip(table[4:6], right, strict=True):
        assert f"({100 * count / 370:.1f} %)" in cell


@pytest.mark.parametrize("variant", RIGHT)
@pytest.mark.parametrize("word", [6, 4])
def test_speakers_of_fewer_bits_are_recognised_as_often_as_the_notes_say(variant, word):
    table = re.search(rf"^\| `{variant}` \|.*$", NOTES, re.MULTILINE)[0].split("|")
    stated = int(table[{6: 6, 4: 7}[word]])
    assert simulate(design(variant, word=word)).score.correct == stated


@pytest.mark.parametrize("word", [8, 6, 4])
def test_the_speakers_that_pass_at_each_word_length_are_those_that_the_notes_name(word):
    passing = set()
    for variant in RIGHT:
        table = re.search(rf"^\| `{variant}` \|.*$", NOTES, re.MULTILINE)[0].split("|")
        in_float, right = (
            int(table[column].split()[0]) for column in (4, {8: 5, 6: 6, 4: 7}[word])
        )
        if right >= 0.95 * 370 and in_float - right <= 0.005 * 370:
            passing.add(variant)
    text = re.search(r"All pass at 8 bits; at 6\s+bits (.*) do not,(.*) do\.", NOTES, re.DOTALL)
    failing_6, passing_4 = (set(re.findall("`(\\w+)`", part)) for part in text.groups())
    assert passing == {8: set(RIGHT), 6: set(RIGHT) - failing_6, 4: passing_4}[word]


@pytest.mark.parametrize("variant", [name for name in RIGHT if name not in BASELINES])
def test_speakers_reach_the_floor_of_their_kind(variant):
    gated = variant.startswith(("speaker_lstm", "speaker_gru"))
    assert verified(variant).float_score.accuracy >= (0.965 if gated else 0.95)


def test_every_speaker_is_stated():
    assert set(RIGHT) == {name for name in VARIANTS if name.startswith(("speaker", "deep_stack"))}


@pytest.mark.parametrize("name", [*SPEAKERS, *STACKS])
def test_the_counts_in_a_speakers_docstring_are_those(name):
    text = " ".join(design(name).notes.split())
    (mean,) = re.findall(r"(\d+) in float(?: and at 8 bits|, (\d+) at 8 bits)", text)
    assert (int(mean[0]), int(mean[1] or mean[0])) == RIGHT[name]
    if name in TWO_READOUTS:
        last = re.search(r"\(its own training\): (\d+) and (\d+)", text)
        assert tuple(map(int, last.groups())) == RIGHT[f"{name}_last"]
    if name not in (*BASELINES, *STACKS):
        rivals = re.search(r"recurrence gets (\d+) and the bare mean of the frames (\d+)", text)
        assert tuple(map(int, rivals.groups())) == (
            RIGHT["speaker_window"][1],
            RIGHT["speaker_mean"][1],
        )


def test_two_of_the_test_inputs_clip_as_the_notes_say():
    result = verified("speaker_dense")
    samples = result.design.task.samples()
    stated = re.search(r"(\d+) of the ([\d,]+) test inputs clip, no weight does", NOTES)
    values = int(samples.lengths.sum()) * samples.x.shape[2]
    assert result.figures()["input_clips"] == int(stated[1])
    assert values == int(stated[2].replace(",", ""))


@pytest.mark.parametrize(
    ("name", "words", "recurrent"),
    [
        ("adder_dense", 256, "16 x 16 recurrent weights"),
        ("adder_tridiagonal", 46, "46 recurrent weights"),
        ("adder_hadamard", 32, "32 recurrent weights"),
        ("adder_blockdiagonal", 64, "64 recurrent weights"),
        ("adder_lowrank", 48, "48 recurrent weights"),
        ("adder_butterfly", 128, "128 recurrent weights"),
        ("adder_butterfly_neurons", 128, "128 recurrent weights and 48 stage biases"),
        ("adder_jordan", 64, "32 weights back and 32 forth"),
        ("adder_three_neurons", 3, "7 weights, of which the 3 in the middle column are not zero"),
        ("speaker_tridiagonal", 94, "94 recurrent weights"),
        ("speaker_hadamard", 64, "64 recurrent weights"),
        ("speaker_butterfly", 320, "320 recurrent weights"),
        ("speaker_lstm", 4096, "4096 recurrent weights"),
        ("speaker_lstm_tridiagonal", 376, "376 recurrent weights instead of 4096"),
        ("speaker_gru", 3072, "3072 recurrent weights"),
        ("speaker_indrnn", 96, "96 recurrent weights"),
    ],
)
def test_the_recurrent_weights_are_as_many_as_stated(name, words, recurrent):
    chosen = design(name)
    assert recurrent in " ".join(f"{chosen.title} {chosen.notes}".split())
    tensors = {tensor.key: tensor.role for tensor in chosen.network.tensors}
    values = chosen.parameters.values
    trained = [values[key] for key, role in tensors.items() if role == "recurrent_weight"]
    assert sum(int((array != 0).sum()) for array in trained) == words


def test_the_stages_of_neurons_have_as_many_biases_as_stated():
    values = design("adder_butterfly_neurons").parameters.values
    assert sum(array.size for key, array in values.items() if ".U.bias" in key) == 48


def test_the_independent_units_keep_within_their_limit_and_words_as_the_notes_say():
    chosen = design("speaker_indrnn")
    states = [f"rnn{k}.state" for k in (1, 2, 3)]
    assert all(np.abs(chosen.parameters.values[f"rnn{k}.U"]).max() <= 1 for k in (1, 2, 3))
    samples = replace(chosen.task, split="train").samples()
    result = run_reference(chosen.network, chosen.parameters, samples.x, samples.lengths, states)
    real = np.arange(samples.x.shape[1]) < samples.lengths[:, None]
    clipped = []
    for name in states:
        values = result.traces[name][real]
        _, events = quantise(values, chosen.network.signal(name).format)
        clipped.append(events.total / values.size)
    shares = f"{100 * min(clipped):.2f} to {100 * max(clipped):.2f} %"
    assert f"clips {shares} of the training set's states" in " ".join(NOTES.split())


def weight_bits_read(report):
    """Bits of weights that all layers read at each step."""
    every_step = [layer for layer in report.layers if layer.runs == "every step"]
    return sum(layer.traffic["weight_read_bits"] for layer in every_step)


@pytest.mark.parametrize("name", STACKS)
def test_a_stacks_figures_are_those_of_its_report(name):
    text = " ".join(design(name).notes.split())
    own, other = (estimate(design(each)).totals for each in (name, *set(STACKS) - {name}))
    assert own.macs_per_step.value == other.macs_per_step.value
    assert own.step_latency_cycles.value == other.step_latency_cycles.value
    stated = {float(n.replace(",", "")) for n in re.findall(r"\d+,\d+(?:\.\d+)?", text)}
    figures = ("macs_per_step", "step_latency_cycles", "cycles_per_step", "cycles_per_sequence")
    for figure in (*figures, "state_bits"):
        assert getattr(own, figure).value in stated, figure
    known = {getattr(each, figure).value for each in (own, other) for figure in figures}
    assert stated <= known | {own.state_bits.value, other.state_bits.value} | scheduled(name)


def scheduled(name):
    """The figures of a stack on the other schedules that its docstring names."""
    if name == "deep_stack_recurrent":
        chosen = design(name)
        faster = (Arrangement(overlap="auto"), Arrangement(interleave=2))
        totals = [estimate(chosen, arrangement=each).totals for each in faster]
        assert [each.cycles_per_step.value for each in totals] == [1025, 1024]
        return {each.cycles_per_step.value for each in totals}
    plain, pairs = design(name), design(name, parallel=2, head_lanes=1)
    before, after = estimate(plain), estimate(pairs)
    assert after.totals.lanes.value == before.totals.lanes.value
    assert after.totals.cycles_per_step.value < before.totals.cycles_per_step.value
    heads = [layer for layer in after.layers if layer.name.startswith("dense")]
    assert all(not layer.recurrent and layer.steps_in_parallel == 2 for layer in heads)
    four = estimate(design(name, parallel=4), "zynq-7020")
    recurrent = estimate(design("deep_stack_recurrent")).totals.cycles_per_step
    assert four.totals.cycles_per_step.value == recurrent.value
    assert four.totals.bound_by.value.startswith("rnn")
    assert four.fits is None and not four.over_capacity  # LUTs are not known
    assert four.totals.dsp_blocks.value == 57
    return {
        after.totals.cycles_per_step.value,
        after.totals.step_latency_cycles.value,
        weight_bits_read(before),
        weight_bits_read(after),
    }


def test_both_stacks_multiply_equally_often():
    head, recurrent = (simulate(design(name)).counts.multiplies for name in STACKS)
    assert head == recurrent


def test_the_baseline_has_as_many_numbers_as_stated():
    chosen = design("speaker_mean")
    assert "117 numbers" in " ".join(chosen.notes.split())
    assert sum(values.size for values in chosen.parameters.values.values()) == 117


@pytest.mark.parametrize("name", EXACT)
def test_adders_are_exact_on_every_pair_of_8_bits(name):
    score = simulate(design(name)).score
    assert (score.correct, score.total) == (65536, 65536)


@pytest.mark.parametrize("name", EXACT)
def test_adders_are_exact_on_32_bits_and_on_every_carry_chain(name):
    chosen = design(name, operand_bits=32)
    pairs = {tuple(pair) for pair in chosen.task.operands()[:64].tolist()}
    assert {((1 << k) - 1, 1) for k in range(1, 33)} <= pairs
    result = simulate(chosen)
    assert result.score.correct == result.score.total == 10_064
    assert result.batch.inputs.shape == (10_064, 33, 2)


def cells(name):
    """The notes' row of an adder: in float, at 8, 6 and 4 bits."""
    return re.search(rf"^\| `{name}` \|.*$", NOTES, re.MULTILINE)[0].split("|")[3:7]


def percent(score):
    return f"{100 * score.accuracy:.1f}".removesuffix(".0")


WORDS = {8: 1, 6: 2, 4: 3}
"""Word lengths of the notes, and the cells that tell about them."""


@pytest.mark.parametrize("name", ADDERS)
@pytest.mark.parametrize("word", WORDS)
def test_adders_of_fewer_bits_are_right_as_often_as_the_notes_say(name, word):
    stated = cells(name)[WORDS[word]].split("P")[0].split("/")
    chosen, wide = design(name, word=word), design(name, word=word, operand_bits=32)
    samples, harder = samples_of(chosen.task)
    (chains,) = harder.values()
    measured = (
        simulate(chosen, samples=samples),
        simulate(wide, samples=samples_of(wide.task)[0]),
        simulate(wide, samples=chains),
    )
    assert [percent(result.score) for result in measured] == [text.strip() for text in stated]


@pytest.mark.parametrize("name", ADDERS)
def test_adders_in_float_are_right_as_often_as_the_notes_say(name):
    chosen = design(name)
    samples, _ = samples_of(chosen.task)
    result = run_reference(chosen.network, chosen.parameters, samples.x, samples.lengths)
    score = chosen.task.score(result.outputs, result.lengths, samples)
    assert percent(score) == cells(name)[0].split("/")[0].strip()


COLUMNS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
SEARCH_LIMIT = 40_000
"""Pairs after which a proof is given up here; the longer ones of the notes take many seconds."""


def reachable_pairs(chosen):
    """The pairs (state, true carry) that an adder reaches from its first ones, breadth first over
    the four columns; None as soon as one of them gives a wrong bit, or if SEARCH_LIMIT are not
    enough. If the search ends, operands of any length are added right."""
    network = chosen.network
    ((name, state),) = network.states().items()
    plan = plan_network(network, chosen.parameters, LANES)
    states, carries = np.zeros((1, state.units), np.int64), np.zeros(1, np.int64)
    if state.initial is not None:
        states[0] = chosen.parameters.raw[state.initial.key].ravel()
    seen = {(states.tobytes(), 0)}
    while len(states) and len(seen) <= SEARCH_LIMIT:
        columns = np.tile(COLUMNS, (len(states), 1))[:, None]
        totals = columns.sum((1, 2)) + carries.repeat(4)
        run = execute(plan, make_batch(network, columns, initial={name: states.repeat(4, 0)}))
        if ((run.outputs[:, 0, 0] > 0) != (totals % 2 == 1)).any():
            return None
        fresh = {}
        for row, carry in zip(run.final[name], (totals >= 2).tolist(), strict=True):
            key = row.tobytes(), int(carry)
            if key not in seen:
                fresh[key] = row
        seen |= fresh.keys()
        states = np.array(list(fresh.values())).reshape(-1, state.units)
        carries = np.array([carry for _, carry in fresh], np.int64)
    return None if len(states) else len(seen)


@pytest.mark.parametrize("name", [name for name in ADDERS if name != "adder_window"])
@pytest.mark.parametrize("word", WORDS)
def test_adders_are_proved_where_the_notes_say(name, word):
    stated = re.search(r"P ([\d,]+)", cells(name)[WORDS[word]])
    pairs = int(stated[1].replace(",", "")) if stated else None
    expected = pairs if pairs is None or pairs <= SEARCH_LIMIT else None
    assert reachable_pairs(design(name, word=word)) == expected


def test_the_diagonal_adder_fails_as_its_docstring_says():
    score = simulate(design("adder_diagonal")).score
    assert 0.6 < score.accuracy < 0.7  # six words in ten of 8 bits
    score = simulate(design("adder_diagonal", operand_bits=32)).score
    assert score.accuracy == pytest.approx(1 / 8, abs=0.015)  # one in eight of 32 bits


def test_the_window_is_wrong_in_one_bit_of_sixteen():
    chosen = design("adder_window", operand_bits=62)
    result = simulate(chosen)
    wrong = (result.run.outputs[:, :, 0] > 0) != (result.samples.y > 0)
    assert not wrong[:, :4].any()  # the zeros before the operands are in the window
    drawn = wrong[2 * 62 :, 16:]
    assert "probability 2^-4" in " ".join(chosen.notes.split())
    assert drawn.mean() == pytest.approx(2**-4, abs=0.001)


def test_no_window_of_4_columns_adds_better():
    """Every content of the window has one answer; the best is the more frequent one."""
    result = simulate(design("adder_window"))
    windows = np.lib.stride_tricks.sliding_window_view(result.samples.x.astype(int), 4, 1)
    contents = windows.reshape(*windows.shape[:2], 8) @ (1 << np.arange(8))
    truth = result.samples.y > 0
    counts = np.stack([np.bincount(contents[truth == bit], minlength=256) for bit in (0, 1)])
    wrong = (result.run.outputs[:, :, 0] > 0) != truth
    assert wrong.sum() == counts.min(0).sum() > 0


def test_the_jordan_network_feeds_back_sum_bit_and_carry():
    chosen = design("adder_jordan")
    assert list(chosen.network.states()) == ["rnn.state"]
    result = simulate(chosen, traces=["rnn.state"])
    half = 2 ** (chosen.network.signal("rnn.state").format.fraction - 1)
    outputs = result.run.traces["rnn.state"] > half
    steps = np.arange(9)
    taken = chosen.task.operands()[:, None] % (2 << steps)[:, None]
    np.testing.assert_array_equal(outputs[:, :, 0], result.samples.y)
    np.testing.assert_array_equal(outputs[:, :, 1], taken.sum(2) >> (steps + 1))


def test_a_width_without_weights_names_the_file_that_is_missing():
    with pytest.raises(DesignError, match=r"adder_dense_h12\.npz: no such file"):
        simulate(design("adder_dense", hidden=12))


@pytest.mark.parametrize("name", ["adder_butterfly", "adder_hadamard", "adder_lowrank"])
@pytest.mark.parametrize("word", WORDS)
def test_nothing_clips_between_the_factors_as_the_notes_say(name, word):
    chosen = design(name, word=word, operand_bits=32)
    (chains,) = chosen.task.harder().values()
    for samples in (chosen.task.samples(), chains):
        events = simulate(chosen, samples=samples).run.events
        between = [found for signal, found in events.items() if signal.startswith("rnn.U.")]
        assert between and not any(found.total for found in between)


def test_more_diagonal_units_fail_as_often_as_the_docstring_says():
    chosen = design("adder_diagonal", hidden=32)
    stated = re.search(r"gets ([\d.]+) % of the words of 8 bits", " ".join(chosen.notes.split()))
    assert percent(simulate(chosen).score) == stated[1]


@pytest.mark.parametrize("name", FILES)
def test_a_design_has_a_title_notes_a_task_and_a_target(name):
    chosen = design(name)
    assert chosen.title.endswith(".") and len(chosen.title) <= 98
    assert chosen.notes and chosen.target is not None
    if isinstance(chosen.task, Classification):
        assert chosen.task.require == {"accuracy": 0.95}
    elif "accuracy" in chosen.task.score_type.names:
        assert chosen.task.require == {"accuracy": 1.0}
    else:
        assert set(chosen.task.limit) == {"nrmse", "nrmse_loss"}
