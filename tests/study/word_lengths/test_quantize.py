"""Word lengths that keep the demands, and the design file that has them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from helpers.paths import DESIGNS

from rnnhw import DesignError, Formats, Q, UsageError, load, simulate
from rnnhw.analysis.storage import stored_bits
from rnnhw.numerics.binary_point import placed_point
from rnnhw.study.word_lengths.design_file import design_file_text
from rnnhw.study.word_lengths.judge import Demands, Judge
from rnnhw.study.word_lengths.quantize import quantize
from rnnhw.study.word_lengths.search import search
from rnnhw.study.word_lengths.variables import MOST_ADDRESS_BITS, variables_of

ADDER = DESIGNS / "adder_tridiagonal.py"
SPEAKER = DESIGNS / "speaker_lstm.py"


def small_adder(**settings):
    return load(ADDER, {"hidden": 4, "operand_bits": 4, **settings})


def test_the_variables_are_all_formats_of_the_design():
    design = load(SPEAKER)
    task = replace(design.task, split="train")
    found = {each.name: each for each in variables_of(design, task.samples())}
    network = design.network
    assert set(found) == {
        "input",
        *(tensor.key for tensor in network.tensors),
        *(name for name, node in network.signals().items() if node.role and name in found),
    }
    assert {"rnn.i.sum", "rnn.cell", "rnn.state", "rnn.i", "head.W"} <= set(found)
    addresses = {name for name, each in found.items() if each.function is not None}
    assert addresses == {f"rnn.{each}.sum" for each in ("i", "f", "g", "o", "cell")}
    assert found["rnn.i.sum"].bits(16) == MOST_ADDRESS_BITS and found["rnn.W"].bits(16) == 16
    assert np.array_equal(found["head.W"].values, design.parameters.values["head.W"].ravel())


def test_every_variable_takes_another_format():
    """A format that the network does not follow would be a promise without a memory."""
    design = load(SPEAKER)
    variables = variables_of(design, design.task.samples())
    others = {
        each.name: replace(each.format, fraction=each.format.fraction - 1) for each in variables
    }
    network = design.with_formats(others).network
    signals = {name: node.format for name, node in network.signals().items()}
    tensors = {tensor.key: tensor.format for tensor in network.tensors}
    followed = {"input": network.source.format, **signals, **tensors}
    assert {name: followed[name] for name in others} == others


def test_padding_is_no_value_of_a_signal():
    design = small_adder()
    samples = design.task.samples()
    longer = replace(samples, x=np.pad(samples.x, ((0, 0), (0, 7), (0, 0))))
    for short, long in zip(
        variables_of(design, samples), variables_of(design, longer), strict=True
    ):
        assert short.name == long.name and np.array_equal(
            np.sort(short.values), np.sort(long.values)
        )


@pytest.mark.parametrize("word", [8, 12])
def test_what_is_chosen_keeps_the_demands_and_stores_less(word):
    design = small_adder(word=word)
    result = quantize(design)
    chosen = design.with_formats(result.formats)
    assert result.choice.finished and result.demands.minimum == {"accuracy": 1.0}
    assert result.after.score.accuracy == 1.0
    assert sum(stored_bits(chosen.network).values()) == result.choice.outcome.bits
    assert result.choice.outcome.bits < sum(result.stored_before.values()) / 3


def test_rows_have_scales_where_that_stores_less():
    task = small_adder()
    with pytest.raises(UsageError, match="row_scales=6"):
        quantize(task, row_scales=6)
    plain, either = quantize(task), quantize(task, row_scales=1, evaluations=1000)
    assert either.choice.outcome.bits <= plain.choice.outcome.bits
    assert either.choice.evaluations > plain.choice.evaluations
    chosen = task.with_formats(either.changes)
    assert sum(stored_bits(chosen.network).values()) == either.choice.outcome.bits
    scaled = [t for t in chosen.network.tensors if t.role == "scale_exponent"]
    assert bool(scaled) == (either.scale_exponent is not None)


def test_one_bit_less_anywhere_is_told_and_breaks_a_demand_or_saves_nothing():
    result = quantize(small_adder())
    assert result.choice.sensitivities
    for each in result.choice.sensitivities:
        format = result.formats[each.name]
        assert format.width > 1 + format.signed
        broken = each.outcome is None or not result.demands.met(each.outcome.figures)
        assert broken or each.saved <= 0, each.name


def test_the_search_is_as_good_as_trying_everything():
    """Three variables of one network, every combination of words."""
    design = small_adder()
    samples = design.task.samples()
    judge = Judge(design, samples, Demands({"accuracy": 1.0}, {}))
    names = ("rnn.U", "rnn.sum", "rnn.state")  # others keep their 8 bits
    variables = [each for each in variables_of(design, samples) if each.name in names]
    choice = search(judge, variables)
    best = choice.outcome.bits
    for bits in product(range(1, 7), repeat=len(variables)):
        if any(n < each.least_bits for n, each in zip(bits, variables, strict=True)):
            continue
        formats = {each.name: _point(each, n) for n, each in zip(bits, variables, strict=True)}
        outcome = judge.outcome(design.with_formats(formats))
        if outcome is not None and judge.demands.met(outcome.figures):
            assert outcome.bits >= best, bits


def test_a_second_judge_refuses_moves_and_its_runs_count():
    design = small_adder()
    samples = design.task.samples()
    variables = variables_of(design, samples)
    judge = Judge(design, samples, Demands({"accuracy": 1.0}, {}))
    alone = search(judge, variables)
    near = Demands({}, {"rms": 0.9 * alone.outcome.figures["rms"]})
    kept = search(judge, variables, second=Judge(design, samples, near))
    assert alone.confirmed is None and near.met(kept.confirmed.figures)
    assert judge.demands.met(kept.outcome.figures)
    assert kept.confirmed.stored == kept.outcome.stored
    assert kept.outcome.bits > alone.outcome.bits
    few = search(judge, variables, evaluations=20, second=Judge(design, samples, near))
    assert few.evaluations == 20 and not few.finished and near.met(few.confirmed.figures)
    nothing = Judge(design, samples, Demands({}, {"rms": 1e-9}))
    with pytest.raises(DesignError, match="no word of up to 16 bits"):
        search(judge, variables, second=nothing)
    with pytest.raises(DesignError, match="the first 1 designs do not keep"):
        search(judge, variables, evaluations=1, second=nothing)


def _point(variable, bits):
    return placed_point(variable.format, bits, variable.values, "mse", variable.function)


def test_a_design_may_be_the_path_of_its_file():
    result = quantize(str(ADDER), minimum={"accuracy": 0.5}, evaluations=1)
    assert result.design.settings == load(ADDER).settings


def test_a_short_budget_ends_the_search_and_says_so():
    result = quantize(small_adder(), evaluations=12)
    assert not result.choice.finished
    assert result.demands.met(result.choice.outcome.figures)


def test_figures_against_the_float_reference_are_those_of_the_definition():
    design = load(SPEAKER, {"word": 4})
    samples = replace(design.task, split="train").samples()
    judge = Judge(design, samples, Demands({"agreement": 0.5}, {}))
    run = simulate(design, samples=samples)
    step = design.network.output.format.step
    last = run.run.outputs[:, 0] * step, judge.reference.outputs[:, 0]
    figures = judge.outcome(design).figures
    assert figures["agreement"] == np.mean(last[0].argmax(1) == last[1].argmax(1))
    assert figures["rms"] == pytest.approx(np.sqrt(((last[0] - last[1]) ** 2).mean()), rel=1e-12)
    noise = ((last[0] - last[1]) ** 2).sum()
    assert figures["snr_db"] == pytest.approx(10 * np.log10((last[1] ** 2).sum() / noise))
    assert figures["accuracy"] == run.score.accuracy
    assert judge.float_figures()["snr_db"] == np.inf
    adder = small_adder()
    judge = Judge(adder, adder.task.samples(), Demands({"agreement": 0.5}, {}))
    signs = np.sign(judge.reference.outputs[:, :, 0]) > 0
    outputs = simulate(adder).run.outputs[:, :, 0] > 0
    assert judge.outcome(adder).figures["agreement"] == (signs == outputs).all(1).mean()


def test_an_snr_is_demanded_and_its_loss_is_that_of_the_error():
    found = quantize(small_adder(), minimum={"snr_db": 20.0}, evaluations=40)
    assert found.choice.outcome.figures["snr_db"] >= 20
    bounds = Demands({"y.snr_db": 20.0}, {})
    assert bounds.met({"y.snr_db": np.inf}) and not bounds.met({"y.snr_db": -np.inf})
    assert bounds.worsening({"y.snr_db": np.inf}, {"y.snr_db": 40.0}) == pytest.approx(0.1)
    error = Demands({}, {"rms": 0.1})
    assert bounds.worsening({"y.snr_db": 30.0}, {"y.snr_db": 26.0}) == pytest.approx(
        error.worsening({"rms": 0.1 * 10**-0.5}, {"rms": 0.1 * 10**-0.3})
    )


def test_noise_is_in_units_of_each_feature_and_leaves_padding_alone():
    design = load(SPEAKER)
    task = replace(design.task, split="train", standardise=False)
    plain = replace(design, task=replace(design.task, standardise=False))
    result = quantize(plain, minimum={"agreement": 0.0}, noise=0.5, evaluations=2)
    values = next(each for each in result.variables if each.name == "input").values
    original = task.samples()
    valid = np.arange(original.x.shape[1]) < original.lengths[:, None]
    real = original.x[valid]
    expected = np.sqrt(real.var() + (0.5 * real.std(0)).__pow__(2).mean())
    assert values.std() == pytest.approx(expected, rel=0.03)
    assert expected > 1.02 * real.std()
    assert result.chosen_on == "3 copies of train with noise of 0.5"
    other = result.choice.confirmed.figures
    assert other["rms"] != result.choice.outcome.figures["rms"]  # other noise


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"minimum": {"accurracy": 0.9}}, "accurracy"),
        ({"minimum": {"accuracy": float("nan")}}, "nan"),
        ({"evaluations": 0}, "evaluations=0"),
        ({"noise": -1.0}, "noise=-1"),
        ({"choose_on": "val"}, "has no split 'val'"),
        ({"rule": "best"}, "unknown rule"),
    ],
)
def test_what_cannot_be_chosen_is_told(given, said):
    with pytest.raises(UsageError, match=said):
        quantize(small_adder(), **given)


def test_nothing_demanded_is_told():
    design = small_adder()
    design = replace(design, task=replace(design.task, require={}))
    with pytest.raises(UsageError, match="nothing is demanded"):
        quantize(design)


def test_the_split_that_judges_does_not_choose():
    with pytest.raises(UsageError, match="choosing on test") as refused:
        quantize(load(SPEAKER), choose_on="test")
    assert "--choose-on-test" in refused.value.hint
    result = quantize(load(SPEAKER), choose_on="test", choose_on_test=True, evaluations=2)
    assert (result.chosen_on, result.judged_on) == ("test", "test")


def test_demands_that_no_word_keeps_are_told_with_what_there_is():
    with pytest.raises(DesignError, match="no word of up to 16 bits") as refused:
        quantize(small_adder(), maximum={"rms": 1e-9})
    assert "rms" in refused.value.message and "demand less" in refused.value.hint


def test_the_design_file_has_the_formats_the_parameters_and_the_data(tmp_path):
    design = small_adder()
    formats = {"rnn.U": Q(3, 1), "rnn.state": Q(0, 6, signed=False, rounding="TRN")}
    formats |= {"rnn.W": Q(3, 2, overflow="SAT_SYM")}
    result = quantize(design, evaluations=2)
    result = replace(result, choice=replace(result.choice, formats=formats))
    place = tmp_path / "chosen.py"
    place.write_text(design_file_text(result, place, 'rnnhw quantize "x\\y"""'))
    chosen = load(place)
    assert chosen.settings == design.settings and chosen.notes
    tensors = {tensor.key: tensor.format for tensor in chosen.network.tensors}
    assert tensors["rnn.U"] == formats["rnn.U"] and tensors["rnn.W"] == formats["rnn.W"]
    assert chosen.network.signal("rnn.state").format == formats["rnn.state"]
    expected = simulate(design.with_formats(formats)).run.outputs
    assert np.array_equal(simulate(chosen).run.outputs, expected)
    assert load(place, {"operand_bits": 3}).task.operand_bits == 3
    assert ADDER.samefile(chosen.bases[0]) and chosen.bases[0] in chosen.files
    text = place.read_text()
    assert text.index("Q, Overflow, Rounding, load") > 0


def test_a_design_without_a_file_has_no_design_file(tmp_path):
    design = replace(small_adder(), path=None, weights=dict(small_adder().parameters.values))
    result = quantize(design, evaluations=2)
    with pytest.raises(DesignError, match="did not come from a design file"):
        design_file_text(result, tmp_path / "x.py", "")


def test_the_input_is_chosen_where_the_design_gives_it():
    design = small_adder()
    given = replace(design, formats=replace(design.formats, input=Q(1, 6)))
    names = {each.name for each in variables_of(given, given.task.samples())}
    assert "input" in names
    assert "input" not in {each.name for each in variables_of(design, design.task.samples())}
    assert isinstance(given.formats, Formats)


def test_held_out_sequences_are_neither_in_train_nor_lost():
    task = load(SPEAKER).task
    whole = replace(task, split="train").samples()
    held = replace(task, held_out=5)
    train, val = (replace(held, split=name).samples() for name in ("train", "val"))
    last = np.arange(len(whole.lengths)) % 5 == 4
    assert np.array_equal(val.x, whole.x[last]) and np.array_equal(train.x, whole.x[~last])
    assert len(val.lengths) == 54 and np.array_equal(held.samples().x, task.samples().x)
    with pytest.raises(DesignError, match="no split 'val'"):
        replace(task, split="val").samples()
    for wrong in (1, -1, 2.5, True):
        with pytest.raises(DesignError, match="held_out"):
            replace(task, held_out=wrong)


@pytest.mark.parametrize("name", ["speaker_lstm", "speaker_gru", "speaker_tridiagonal"])
def test_nets_with_held_out_utterances_answer_the_test_as_the_notes_say(name):
    design = load(DESIGNS / f"{name}.py", {"held_out": 5})
    right = {"speaker_lstm": 361, "speaker_gru": 362, "speaker_tridiagonal": 357}
    assert simulate(design).score.correct == right[name]
