"""Random layers whose recurrence is a band, a diagonal or a Hadamard matrix of bytes: few of the
general networks have products so short, and fewer end a step in them."""

import numpy as np
from helpers.graphs import Case, draw_batch, draw_parameters

from rnnhw import Design, Elman, Formats, Hadamard, Q
from rnnhw.layers.structures import Banded, Diagonal
from rnnhw.numerics.cast import Overflow, Rounding


def draw_structured(rng):
    """A layer of bytes with a band, a diagonal or a Hadamard matrix, in any mode of rounding."""
    units, inputs = rng.choice([2, 8, 17, 64, 70]), rng.randint(1, 40)
    band = Banded(rng.randint(0, min(units - 1, 8)), rng.randint(0, min(units - 1, 7)))
    powers = [Hadamard()] if units in (2, 8, 64) else []
    structure = rng.choice([band, band, Diagonal(), *powers])

    def byte():
        fraction, modes = (
            rng.randint(4, 7),
            (rng.choice(list(Rounding)), rng.choice(list(Overflow))),
        )
        return Q(7 - fraction, fraction, True, *modes)

    formats = Formats(input=byte(), weight=byte(), bias=byte(), sum=byte(), state=byte())
    network = Design([Elman(units, recurrent=structure, name="l")], formats, inputs=inputs).network
    drawn = np.random.default_rng(rng.randrange(2**32))
    parameters = draw_parameters(drawn, network)
    traces = tuple(name for name in network.signals() if rng.random() < 0.1)
    return Case(network, parameters, draw_batch(drawn, network, rng.randint(1, 35), 3), traces)
