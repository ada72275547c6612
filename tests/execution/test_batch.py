"""What goes into a run: inputs, lengths and initial states are checked at the door."""

import numpy as np
import pytest
from helpers.graphs import one_layer

from rnnhw import DesignError, Formats, Overflow, Q, UsageError
from rnnhw.execution.batch import event_signals, make_batch
from rnnhw.graph.network import NetworkBuilder
from rnnhw.layers.structures import Diagonal
from rnnhw.numerics.cast import Events

BYTE = Q(3, 4)


def network(format=BYTE, state=BYTE):
    def step(g, x):
        s = g.state(2, "s")
        return g.update(s, g.cast(x, "s"))

    return one_layer(step, format, {"l.s": state}, 2)


def test_real_inputs_are_cast_and_clipped_ones_counted():
    batch = make_batch(network(), [[[0.5, 100.0], [-0.03125, -100.0], [99.0, 99.0]]], [2])
    assert batch.inputs[0].tolist() == [[8, 127], [0, -128], [0, 0]]
    assert batch.clipped == Events(high=1, low=1)
    assert batch.lengths.tolist() == [2]
    assert batch.sequences == 1


def test_whole_inputs_are_cast_as_they_are():
    wide = Q(60, 3)
    x = np.array([[[2**53 + 1, -(2**53) - 1]]])
    assert make_batch(network(wide, wide), x).inputs[0].tolist() == [[2**56 + 8, -(2**56) - 8]]


def test_what_lies_past_the_end_is_never_looked_at():
    x = np.array([[[1.0, 1.0], [np.nan, np.inf]]])
    assert make_batch(network(), x, [1]).inputs[0].tolist() == [[16, 16], [0, 0]]
    raw = np.array([[[1, 1], [10**6, 10**6]]])
    assert make_batch(network(), raw, [1], raw=True).inputs[0].tolist() == [[1, 1], [0, 0]]


def test_lengths_default_to_all_steps():
    assert make_batch(network(), np.zeros((2, 3, 2))).lengths.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3)), r"input: shape \(2, 3\)"),
        (np.zeros((0, 3, 2)), r"input: shape \(0, 3, 2\)"),
        (np.zeros((2, 0, 2)), r"input: shape \(2, 0, 2\)"),
        (np.zeros((2, 3, 5)), "5 features, but the network reads 2"),
        (np.full((1, 1, 2), np.nan), "input: value nan"),
        (np.zeros((1, 1, 2), complex), "complex128 instead of real"),
        (np.array([[["a", "b"]]]), "instead of real"),
    ],
)
def test_wrong_inputs_are_refused(x, message):
    with pytest.raises(DesignError, match=message):
        make_batch(network(), x)


@pytest.mark.parametrize("value", [128, -129, 2**40])
def test_raw_inputs_outside_the_format_are_refused(value):
    with pytest.raises(DesignError, match=r"outside Q\(3, 4\)"):
        make_batch(network(), np.array([[[0, value]]]), raw=True)


def test_raw_inputs_of_unsigned_words_do_not_wrap():
    x = np.array([[[0, 2**64 - 1]]], np.uint64)
    with pytest.raises(DesignError, match="outside"):
        make_batch(network(), x, raw=True)


def test_the_word_that_a_symmetric_format_never_gives_is_refused():
    # Every proof over the input's interval starts from -127.
    symmetric = network(Q(3, 4, overflow=Overflow.SAT_SYM))
    make_batch(symmetric, np.array([[[0, -127]]]), raw=True)
    with pytest.raises(DesignError, match="outside"):
        make_batch(symmetric, np.array([[[0, -128]]]), raw=True)


def test_raw_inputs_must_be_whole_numbers():
    with pytest.raises(DesignError, match="float64 instead of whole raw integers"):
        make_batch(network(), np.zeros((1, 1, 2)), raw=True)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 0], r"lengths\[1\] is 0"),
        ([4, 1], r"lengths\[0\] is 4"),
        ([3], r"lengths: int64 of shape \(1,\)"),
        ([1.0, 2.0], "lengths: float64"),
    ],
)
def test_wrong_lengths_are_refused(lengths, message):
    with pytest.raises(DesignError, match=message):
        make_batch(network(), np.zeros((2, 3, 2)), lengths)


def test_sequences_longer_than_a_total_is_made_for_are_refused():
    net = NetworkBuilder(1, Q(3, 4), Formats(), {}, 4)
    net.total(net.source, "t")
    make_batch(net.build(), np.zeros((1, 4, 1)))
    with pytest.raises(DesignError, match=r"sequence 1 has 5 steps.* made for 4") as caught:
        make_batch(net.build(), np.zeros((2, 5, 1)), [4, 5])
    assert "max_steps" in caught.value.hint


def test_sequences_shorter_than_a_window_are_refused():
    net = NetworkBuilder(1, Q(3, 4), Formats(), {}, None)
    net.last(net.window(net.source, "w", 3), "end")
    make_batch(net.build(), np.zeros((1, 3, 1)))
    with pytest.raises(DesignError, match="sequence 1 has 2 steps, too few for 'w'"):
        make_batch(net.build(), np.zeros((2, 3, 1)), [3, 2])


def test_initial_states_are_raw_integers_by_name():
    batch = make_batch(network(), np.zeros((2, 1, 2)), None, {"l.s": [[1, -128], [3, 127]]})
    assert batch.initial["l.s"].tolist() == [[1, -128], [3, 127]]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([[1, 2]], r"initial state l\.s: int64 of shape \(1, 2\)"),
        ([[0.0, 0.0]] * 2, r"initial state l\.s: float64"),
        ([[0, 128], [0, 0]], r"initial state l\.s: raw integers outside"),
        ([[0, -129], [0, 0]], r"initial state l\.s: raw integers outside"),
    ],
)
def test_wrong_initial_states_are_refused(state, message):
    with pytest.raises(DesignError, match=message):
        make_batch(network(), np.zeros((2, 1, 2)), None, {"l.s": state})


def test_an_unknown_state_is_a_usage_error():
    with pytest.raises(UsageError, match=r"unknown state 'l\.h'") as caught:
        make_batch(network(), np.zeros((2, 1, 2)), None, {"l.h": [[0, 0]] * 2})
    assert "l.s" in caught.value.hint


def test_events_are_counted_under_casts_products_and_accumulators():
    def step(g, x):
        W = g.tensor("W", (2,), "weight")
        exact = g.matvec(Diagonal(), W, x, 2, name="a")
        return g.cast(exact, "y")

    formats = {"l.W": Q(3, 0), "l.y": Q(3, 4)}
    plain = one_layer(step, Q(3, 4), formats, 2)
    assert [name for name, _ in event_signals(plain)] == ["l.y"]
    casting = formats | {"l.product": Q(3, 4), "l.accumulator": Q(3, 4)}
    both = one_layer(step, Q(3, 4), casting, 2)
    assert [name for name, _ in event_signals(both)] == ["l.a.product", "l.a", "l.y"]
