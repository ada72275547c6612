"""Automata of tasks: equal to their samples, and what is made of them keeps their sequences."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnhw import (
    BinaryAddition,
    Design,
    DesignError,
    Elman,
    Formats,
    ModuloCounter,
    Narma10,
    Parity,
    Recall,
    S3WordProblem,
    UsageError,
)
from rnnhw.design.claims import task_automaton
from rnnhw.design.tasks import FORBIDDEN, UNWANTED, Answer, Automaton, AutomatonTask


def walk(automaton, symbols):
    """The answers of a sequence of symbols; None where it is not in the language."""
    state, answers = 0, []
    for symbol in symbols:
        answers.append(int(automaton.expected[state, symbol]))
        state = int(automaton.next[state, symbol])
        if state == FORBIDDEN:
            return None
    return answers


def symbols_of(automaton, x):
    """The numbers of real input vectors [steps, features]."""
    return [int(np.flatnonzero((automaton.alphabet == step).all(1))[0]) for step in x]


@pytest.mark.parametrize(
    "task",
    [
        BinaryAddition(4),
        BinaryAddition(3, lead=2),
        Parity(8),
        ModuloCounter(7),
        ModuloCounter(6, modulus=5),
        S3WordProblem(3),
        S3WordProblem(12, sequences=50),
    ],
)
def test_the_automaton_answers_as_the_samples_do(task):
    automaton, samples = task.automaton(), task.samples()
    assert isinstance(task, AutomatonTask)
    for x, length, y in zip(samples.x, samples.lengths, samples.y, strict=True):
        answers = walk(automaton, symbols_of(automaton, x[:length]))
        assert [a for a in answers if a != UNWANTED] == y.tolist()


@pytest.mark.parametrize("exact", [False, True])
def test_recall_wants_the_marked_value_later(exact):
    task = Recall(5, sequences=40, lead=3)
    automaton, samples = task.automaton(exact=exact), task.samples()
    for x, y in zip(samples.x, samples.y, strict=True):
        answers = walk(automaton, symbols_of(automaton, x))
        asked = [UNWANTED] * 8 + [int(y > 0)] if exact else [UNWANTED] * 4 + [int(y > 0)] * 5
        assert answers == asked
        # One mark only, and with `exact` nothing behind the delay.
        assert walk(automaton, [*symbols_of(automaton, x), 3]) is None
        longer = walk(automaton, [*symbols_of(automaton, x), 0])
        assert longer is None if exact else longer == [*asked, int(y > 0)]


def test_what_is_no_automaton_is_not_taken_for_one():
    assert not isinstance(Narma10(), AutomatonTask)


@pytest.mark.parametrize("task", [Parity(4), ModuloCounter(4), S3WordProblem(2)])
def test_word_problems_score_the_answers_of_every_step(task):
    samples = task.samples()
    units = 1 if isinstance(task, Parity) else task.automaton().states
    right = np.eye(units)[samples.y] if units > 1 else samples.y[:, :, None] - 0.5
    assert task.score(right, samples.lengths, samples).figures() == {"accuracy": 1.0}
    wrong = right.copy()
    wrong[3, -1] = np.roll(right[3, -1], 1) if units > 1 else -right[3, -1]
    assert task.score(wrong, samples.lengths, samples).correct == len(samples.y) - 1
    none = task.score(right * 0, samples.lengths, samples)
    assert none.ties == len(samples.y) and none.unjudged()
    with pytest.raises(DesignError, match=f"{type(task).__name__}: outputs of shape"):
        task.score(right[:, 1:], samples.lengths, samples)


def test_s3_multiplies_in_the_order_that_it_says():
    """The transposition (0 1), then the cycle 0 -> 1 -> 2 -> 0: the product sends i where the cycle
    sends what the transposition gives."""
    automaton = S3WordProblem().automaton()
    transposition, cycle = 2, 3  # (1, 0, 2) and (1, 2, 0) in lexicographic order
    assert walk(automaton, [transposition, cycle]) == [2, 5]  # (2, 1, 0)
    assert walk(automaton, [cycle, transposition]) == [3, 1]  # (0, 2, 1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"alphabet": np.zeros((0, 1))}, "an alphabet of shape (0, 1)"),
        ({"alphabet": [[np.nan], [1]]}, "an alphabet of shape (2, 1)"),
        ({"next": [[0, 1]] * 3}, "answers of shape"),
        ({"next": [0, 1]}, "next states of shape (2,) for 2 symbols"),
        ({"next": [[0, 2], [0, 1]]}, "next states from 0 to 2"),
        ({"next": [[0, -2], [0, 1]]}, "next states from -2 to 1"),
        ({"expected": [[0, 2], [0, 1]]}, "answers from 0 to 2"),
    ],
)
def test_wrong_tables_are_refused(changed, words):
    tables = {"alphabet": [[0], [1]], "next": [[0, 1], [1, 0]], "expected": [[0, 1], [1, -1]]}
    Automaton(**tables)
    with pytest.raises(DesignError) as error:
        Automaton(**tables | changed)
    assert words in error.value.message and error.value.hint


# --- what is made of them ----------------------------------------------------------------------
@st.composite
def automata(draw):
    states, symbols = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    row = st.lists(st.integers(FORBIDDEN, states - 1), min_size=symbols, max_size=symbols)
    answers = st.lists(st.integers(UNWANTED, 2), min_size=symbols, max_size=symbols)
    return Automaton(
        np.arange(symbols)[:, None],
        np.array(draw(st.lists(row, min_size=states, max_size=states))),
        np.array(draw(st.lists(answers, min_size=states, max_size=states))),
        Answer.CLASS,
    )


def sequences(automaton, longest=5):
    for length in range(1, longest + 1):
        yield from product(range(automaton.symbols), repeat=length)


@given(automata())
def test_fewer_states_keep_every_sequence(automaton):
    asking, language = automaton.asking(), automaton.language()
    assert language.states <= asking.states <= automaton.states
    for word in sequences(automaton):
        answers = walk(automaton, word)
        asked = None if answers is None else [min(a, 0) for a in answers]
        assert walk(asking, word) == asked
        assert walk(language, word) == (None if answers is None else [UNWANTED] * len(word))


@given(automata(), st.integers(0, 3))
def test_a_late_output_is_not_asked_for_early(automaton, steps):
    late = automaton.after(steps)
    for word in sequences(automaton):
        answers = walk(automaton, word)
        hidden = None if answers is None else [UNWANTED] * min(steps, len(word)) + answers[steps:]
        assert walk(late, word) == hidden
    early = any(
        any(a != UNWANTED for a in answers[:steps])
        for word in sequences(automaton)
        if (answers := walk(automaton, word)) is not None
    )
    assert automaton.asks_within(steps) == early


def test_the_fewest_states_of_known_tasks():
    assert BinaryAddition(8).automaton().asking().states == 1
    assert BinaryAddition(8, lead=3).automaton().language().states == 4
    assert Recall(9).automaton().asking().states == 2
    assert Recall(9).automaton(exact=True).asking().states == 11
    assert S3WordProblem().automaton().language().states == 1


@dataclass(frozen=True)
class Counted(Parity):
    """A user's task whose automaton has parameters of its own."""

    def automaton(self, after=1, wanted="odd"):
        if after > 9:
            raise ValueError("too late")
        return Automaton(np.zeros((1, 1)), [[0]], [[int(wanted == "odd")]])


def test_arguments_of_an_automaton_are_read_as_the_types_of_their_defaults():
    design = Design([Elman(1, name="r")], Formats(), task=Counted(4))
    assert task_automaton(design, {"wanted": "even"}).expected.tolist() == [[0]]
    assert task_automaton(design, {"after": "9"}).expected.tolist() == [[1]]
    with pytest.raises(UsageError, match=r"unknown parameter 'aftr' of Counted\.automaton\(\)"):
        task_automaton(design, {"aftr": 1})
    with pytest.raises(UsageError, match="after='x' is not of type int") as caught:
        task_automaton(design, {"after": "x"})
    assert "--automaton after=VALUE" in caught.value.hint
    with pytest.raises(DesignError, match=r"Counted\.automaton\(\): ValueError: too late"):
        task_automaton(design, {"after": 10})


def test_an_automaton_whose_parameter_has_no_default_is_refused():
    @dataclass(frozen=True)
    class Needy(Parity):
        def automaton(self, after):
            raise AssertionError

    with pytest.raises(DesignError, match=r"parameter 'after' of Needy\.automaton\(\) has no def"):
        task_automaton(Design([Elman(1, name="r")], Formats(), task=Needy(4)))
