"""NARMA-10 forecast by an LSTM: 8-bit weights, 12-bit signals.

y[t+1] = 0.3 y[t] + 0.05 y[t] (y[t] + ... + y[t-9]) + 1.5 u[t-9] u[t] + 0.1 (Atiya & Parlos 2000)
from u alone: ten steps of memory and a product of inputs. nrmse 0.032 in float, 0.037 in fixed
point; a linear map of the last 30 inputs gets 0.381, the mean 1. 8-bit weights cost little, 8-bit
signals much: they give 0.238, for a state is fed back with its rounding (training/README.md).
"""

from rnnhw import LSTM, Design, Formats, Linear, Narma10, Q, Target


def design(word=8, signal=12, hidden=32):
    """Weights have ``word`` bits; states, gates, biases and the tables' addresses ``signal``."""
    return Design(
        task=Narma10(limit={"nrmse": 0.05, "nrmse_loss": 0.01}),
        layers=[LSTM(hidden, name="rnn"), Linear(1, name="head")],
        formats=Formats(
            input=Q(0, signal - 1, signed=False),
            weight=Q(1, word - 2),
            bias=Q(2, signal - 3),
            state=Q(0, signal - 1),
            cell=Q(1, signal - 2),
            sum=Q(2, signal - 3),  # the address of the tanh and sigmoid tables: -4 to 4
        ),
        weights="narma10.npz",
        target=Target("ecp5-25", lanes=8, clock_mhz=60),
    )
