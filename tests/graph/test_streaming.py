"""A network step by step gives what the whole network gives for the sequence up to there."""

import numpy as np
import pytest

from rnnhw import (
    Design,
    DesignError,
    Elman,
    Formats,
    Last,
    Linear,
    Mean,
    Q,
    Reverse,
    Window,
)
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.graph.network import Scan
from rnnhw.graph.streaming import streamed

FORMATS = Formats(
    input=Q(1, 3), weight=Q(1, 4), sum=Q(2, 4), state=Q(0, 5), output=Q(2, 5), cell=Q(1, 4)
)
RNN = Elman(3, name="rnn")
HEAD = Linear(2, name="head")


def built(*layers):
    design = Design(layers=layers, formats=FORMATS, inputs=2, max_steps=20)
    rng = np.random.default_rng(1)
    weights = {t.key: rng.normal(0, 0.8, t.shape) for t in design.network.tensors}
    return Design(layers=layers, formats=FORMATS, inputs=2, max_steps=20, weights=weights)


@pytest.mark.parametrize(
    ("layers", "late", "last"),
    [
        ((RNN, HEAD), 0, False),
        ((RNN, Last(), HEAD), 0, True),
        ((Window(4), HEAD), 3, False),
        ((RNN, Window(3), HEAD), 2, False),
        ((RNN, Window(3), Last(), HEAD), 2, True),
        ((Window(3), Window(2), HEAD), 3, False),
        ((Window(1), RNN), 0, False),
    ],
)
def test_every_step_gives_the_answer_of_the_sequence_up_to_there(layers, late, last):
    design = built(*layers)
    network, stream = design.network, streamed(design.network)
    assert (stream.late, stream.last) == (late, last)
    assert all(isinstance(node, Scan) for node in stream.network.nodes[1:])
    x = np.random.default_rng(2).integers(-16, 16, (3, 9, 2))
    batch = make_batch(stream.network, x, raw=True)
    steps = golden.run(stream.network, design.parameters, batch).outputs
    for count in range(late + 1, 10):
        whole = golden.run(network, design.parameters, make_batch(network, x[:, :count], raw=True))
        np.testing.assert_array_equal(steps[:, count - 1], whole.outputs[:, -1])


def test_what_is_scans_alone_stays_the_same():
    design = built(RNN, HEAD)
    assert streamed(design.network).network.nodes == design.network.nodes


@pytest.mark.parametrize(
    ("layers", "words", "cure"),
    [
        ((RNN, Mean(), HEAD), "a sum over the whole sequence", "Last"),
        ((Reverse(), RNN), "reads the sequence from its end", "runs forward"),
        ((RNN, Last(), Elman(2, name="again")), "has a state but runs once", "before Last"),
        ((Window(3), RNN), "has a state behind a window", "before the window"),
        ((RNN, Last(), Window(1), HEAD), "a window of the last step alone", "before Last"),
    ],
)
def test_what_has_no_finite_state_is_refused_with_a_cure(layers, words, cure):
    with pytest.raises(DesignError) as error:
        streamed(built(*layers).network)
    assert words in error.value.message and error.value.message.startswith("layer '")
    assert cure in error.value.hint
