"""Networks that differ in formats of signals alone, for lanes of one block."""

from dataclasses import replace

import numpy as np

from rnnhw import GRU, LSTM, Banded, Design, Elman, Formats, Hadamard, Last, Linear, Q
from rnnhw.execution.batch import make_batch
from rnnhw.execution.together import Job

__all__ = ["LAYERS", "lane_jobs"]


def lane_jobs(layers, count=16, sequences=1, steps=12, varied=("state", "cell", "sum")):
    """Jobs of a layer with other formats of its signals in each, and of the same weights; of a role
    that is not ``varied`` all have one format."""
    rng = np.random.default_rng(2)
    formats = Formats(
        input=Q(0, 7), weight=Q(0, 7), bias=Q(1, 6), state=Q(0, 7), cell=Q(3, 7), sum=Q(2, 5)
    )
    base = Design(layers, formats, inputs=5)
    shapes = {tensor.key: tensor.shape for tensor in base.network.tensors}
    numbers = {key: rng.uniform(-0.9, 0.9, shape) for key, shape in shapes.items()}
    if isinstance(getattr(layers[0], "recurrent", None), Banded):
        numbers["rnn.U"][[0, -1], [0, -1]] = 0  # the corners of a band
    base = replace(base, weights=numbers)
    x = rng.uniform(-1, 1, (sequences, steps, 5))
    jobs = []
    for number in range(count):
        state, whole = Q(0, 4 + number % 4), 1 + number // 4 % 4
        drawn = {"state": state, "cell": Q(3, 7 - number % 3), "sum": Q(whole, 7 - whole)}
        own = {role: drawn[role] for role in varied}
        design = replace(base, formats=replace(base.formats, **own))
        batch = make_batch(design.network, x)
        jobs.append(Job(design.network, design.parameters, batch))
    return jobs


LAYERS = {
    "elman": [Elman(40, name="rnn")],
    "lstm": [LSTM(20, name="rnn"), Linear(3, name="head")],
    "gru": [GRU(20, name="rnn")],
    "band": [Elman(40, recurrent=Banded(1, 1), name="rnn")],
    "hadamard": [Elman(32, recurrent=Hadamard(), name="rnn"), Last()],
}
