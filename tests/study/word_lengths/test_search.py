"""The search: against every combination of words, against its own greedy part, and its budget."""

from functools import cache
from itertools import product

import numpy as np
import pytest
from helpers.paths import DESIGNS

from rnnhw import DesignError, UsageError, load
from rnnhw.analysis.storage import stored_bits
from rnnhw.study.word_lengths import search as search_module
from rnnhw.study.word_lengths.error_model import noise_of_bits
from rnnhw.study.word_lengths.goal import BestFigure, FewestBits, error_power, objective_named
from rnnhw.study.word_lengths.judge import Demands, Judge, Outcome
from rnnhw.study.word_lengths.quantize import quantize
from rnnhw.study.word_lengths.search import search
from rnnhw.study.word_lengths.space import BudgetOverError, Space
from rnnhw.study.word_lengths.variables import variables_of

ADDER = DESIGNS / "adder_tridiagonal.py"
NOTHING = Demands({}, {})
MOST = 6
"""The widest word of the combinations: the results have none that is wider."""

TRADED = ("rnn.W", "rnn.U", "rnn.state")
RAISED = ("rnn.W", "rnn.b", "rnn.state")
FOUR = ("rnn.W", "rnn.U", "rnn.b", "rnn.state")


@cache
def adder():
    design = load(ADDER, {"hidden": 4, "operand_bits": 3})
    return design, design.task.samples()


def judge_of(demands):
    return Judge(*adder(), demands)


@cache
def variables(names=None):
    return [each for each in variables_of(*adder()) if names is None or each.name in names]


@cache
def every_outcome(names):
    """What every combination of words up to MOST bits gives."""
    some = variables(names)
    space = Space(judge_of(NOTHING), some, "mse", 10**6)
    combinations = product(*(range(each.least_bits, MOST + 1) for each in some))
    words = [dict(zip(names_of(some), bits, strict=True)) for bits in combinations]
    return [outcome for outcome in map(space.outcome, words) if outcome is not None]


def names_of(some):
    return [each.name for each in some]


@pytest.fixture
def without_trades(monkeypatch):
    """Searches that end where the greedy part ends."""

    def greedy(*arguments, **options):
        with monkeypatch.context() as patched:
            patched.setattr(search_module, "exchanges", lambda *_: iter(()))
            return search(*arguments, **options)

    return greedy


def test_trades_reach_the_fewest_bits_where_the_greedy_search_does_not(without_trades):
    demands = Demands({"accuracy": 1.0}, {})
    fewest = min(each.bits for each in every_outcome(TRADED) if demands.met(each.figures))
    assert without_trades(judge_of(demands), variables(TRADED)).outcome.bits > fewest
    choice = search(judge_of(demands), variables(TRADED))
    assert choice.outcome.bits == fewest and choice.finished and choice.traded > 0


def test_trades_reach_the_best_figure_where_the_greedy_search_does_not(without_trades):
    most = 692
    goal = BestFigure(objective_named("snr_db"), most)
    within = [each for each in every_outcome(RAISED) if each.bits <= most]
    best = max(each.figures["snr_db"] for each in within)
    alone = without_trades(judge_of(NOTHING), variables(RAISED), goal=goal)
    assert alone.outcome.figures["snr_db"] < best
    choice = search(judge_of(NOTHING), variables(RAISED), goal=goal)
    assert choice.outcome.bits <= most and choice.outcome.figures["snr_db"] == best


@pytest.mark.parametrize("objective", ["rms", "accuracy", "agreement"])
def test_the_best_figure_within_some_bits_is_as_good_as_trying_everything(objective):
    wanted = objective_named(objective)
    for most in (422, 920):
        within = [each for each in every_outcome(TRADED) if each.bits <= most]
        best = max(wanted.worth(each.figures) for each in within)
        found = search(judge_of(NOTHING), variables(TRADED), goal=BestFigure(wanted, most))
        assert found.outcome.bits <= most and wanted.worth(found.outcome.figures) == best


@pytest.mark.parametrize(
    "demands",
    [
        Demands({"accuracy": 1.0}, {}),
        Demands({"agreement": 0.95, "snr_db": 12.0}, {}),
        Demands({}, {"rms": 0.5}),
    ],
)
def test_trades_never_end_with_more_bits_than_the_greedy_search(without_trades, demands):
    alone = without_trades(judge_of(demands), variables(FOUR))
    choice = search(judge_of(demands), variables(FOUR))
    assert choice.outcome.bits <= alone.outcome.bits and choice.greedy == alone.evaluations
    assert demands.met(choice.outcome.figures)
    again = search(judge_of(demands), variables(FOUR))
    assert again.formats == choice.formats and again.evaluations == choice.evaluations


def test_no_more_designs_are_run_than_there_may_be():
    demands = Demands({}, {"rms": 0.5})
    whole = search(judge_of(demands), variables(FOUR))
    assert whole.finished and whole.traded > 2
    bits = []
    for most in (5, whole.greedy, whole.greedy + 2, whole.evaluations):
        ran = []
        found = search(
            judge_of(demands),
            variables(FOUR),
            evaluations=most,
            progress=lambda done, _, ran=ran: ran.append(done),
        )
        assert found.evaluations == most and found.greedy == min(most, whole.greedy)
        assert found.finished == (most == whole.evaluations)
        assert ran == list(range(1, len(ran) + 1)) and len(ran) <= most + len(FOUR) + 1
        bits.append(found.outcome.bits)
    assert bits == sorted(bits, reverse=True) and bits[-1] == whole.outcome.bits


def test_the_words_that_a_search_may_have_are_told_without_a_run():
    some = variables()
    space = Space(judge_of(NOTHING), some, "mse", 0)
    words = space.uniform(5)
    network = adder()[0].with_formats(space.formats(words)).network
    assert space.stored(words) == sum(stored_bits(network).values()) and space.ran == 0
    with pytest.raises(BudgetOverError):
        space.outcome(words)


def test_a_demand_holds_within_some_bits_too():
    goal = BestFigure(objective_named("snr_db"), 1200)
    demands = Demands({}, {"rms": 0.5})
    fewest = search(judge_of(demands), variables(TRADED)).outcome.bits
    assert fewest <= 1200
    found = search(judge_of(demands), variables(TRADED), goal=goal)
    assert found.outcome.bits <= 1200 and demands.met(found.outcome.figures)
    tight = BestFigure(objective_named("snr_db"), fewest - 200)
    with pytest.raises(DesignError, match=f"that keep the demands are {fewest:,}") as refused:
        search(judge_of(demands), variables(TRADED), goal=tight)
    assert f"--most-bits {fewest}" in refused.value.hint


def test_the_shortest_words_are_told_where_they_store_too_much():
    shortest = Space(judge_of(NOTHING), variables(), "mse", 0)
    bits = shortest.stored(shortest.uniform(1))
    goal = BestFigure(objective_named("rms"), bits - 1)
    with pytest.raises(DesignError, match=f"the shortest store {bits:,}"):
        search(judge_of(NOTHING), variables(), goal=goal)
    goal = BestFigure(objective_named("rms"), bits)
    assert search(judge_of(NOTHING), variables(), goal=goal).outcome.bits == bits


def test_the_error_model_has_the_noise_of_every_variable():
    """Designs whose error is exactly the sum that the model assumes."""
    some = variables(TRADED)
    space = Space(judge_of(NOTHING), some, "mse", 0)
    factors = np.array([3.0, 0.25, 7.0])

    def ran(*bits):
        power = 0.5 + (factors * 4.0 ** -np.array(bits)).sum()
        space.outcomes[bits] = Outcome({}, {"rms": power**0.5})

    ran(4, 5, 6), ran(3, 5, 6), ran(4, 4, 6), ran(4, 5, 5), ran(3, 4, 6)
    words = dict(zip(names_of(some), (4, 5, 6), strict=True))
    assert noise_of_bits(space, words) == pytest.approx(factors)
    space.outcomes.pop((4, 5, 5))
    assert noise_of_bits(space, words) == pytest.approx([3.0, 0.25, 0.0])


def test_of_as_few_bits_the_least_error_is_best_and_of_as_good_figures_too():
    def outcome(bits, rms, accuracy):
        return Outcome({"weights": bits}, {"rms": rms, "accuracy": accuracy})

    fewest = FewestBits(NOTHING)
    assert fewest.rank(outcome(10, 0.1, 1)) < fewest.rank(outcome(10, 0.2, 1))
    assert fewest.rank(outcome(9, 0.9, 1)) < fewest.rank(outcome(10, 0.1, 1))
    best = BestFigure(objective_named("accuracy"), 10)
    assert best.rank(outcome(10, 0.1, 0.9)) < best.rank(outcome(9, 0.2, 0.9))
    assert best.rank(outcome(10, 0.9, 0.9)) < best.rank(outcome(10, 0.1, 0.8))
    assert best.rank(outcome(10, 0.9, 0.1)) < best.rank(outcome(11, 0.1, 1.0))
    assert best.rank(outcome(10, 0.9, 0.0)) < best.rank(outcome(10, 0.1, float("nan")))
    assert error_power(outcome(1, 0.5, 1)) == 0.25


def test_objectives_say_which_way_they_are_better():
    assert objective_named("snr_db").sense == objective_named("class.agreement").sense == "more"
    assert objective_named("rms").sense == objective_named("nrmse").sense == "less"
    assert objective_named("end.accuracy").name == "end.accuracy"
    assert objective_named("mine:less").sense == "less"
    with pytest.raises(UsageError, match="more or less of it"):
        objective_named("mine")


def test_quantize_within_some_bits_is_told_by_the_result():
    design = adder()[0]
    found = quantize(design, most_bits=600)
    assert found.demands == NOTHING and found.wanted == ("snr_db",)
    assert found.choice.outcome.bits <= 600
    right = quantize(design, most_bits=600, objective="accuracy", minimum={"snr_db": 3.0})
    assert right.wanted == ("snr_db", "accuracy")
    assert right.choice.outcome.figures["accuracy"] == 1.0


def test_what_the_task_requires_and_the_choice_misses_is_listed():
    design = adder()[0]  # requires an accuracy of 1
    assert quantize(design, evaluations=3).missed == ()
    (missed,) = quantize(design, most_bits=120, evaluations=40).missed
    assert missed.name == "accuracy" and missed.value < missed.bound == 1.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"objective": "rms"}, "the fewest stored bits are searched"),
        ({"most_bits": 0}, "most_bits=0"),
        ({"most_bits": 900, "objective": "speed"}, "more or less of it"),
        ({"most_bits": 900, "objective": "luts"}, "unknown figure 'luts'"),
    ],
)
def test_what_cannot_be_best_is_told(given, said):
    with pytest.raises(UsageError, match=said):
        quantize(adder()[0], **given)
