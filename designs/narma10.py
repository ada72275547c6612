"""NARMA-10 forecast by an LSTM: 8-bit weights, 12-bit signals.

x."""

from rnnhw import LSTM, Design, Formats, Linear, Narma10, Q, Target


def design(word=8, signal=12, hidden=32):
    """Weights have ``word`` bits; states, gates, biases and the tables' addresses ``signal``."""
    return Design(
        task=Narma10(limit={"nrmse": 0.06, "nrmse_loss": 0.02}),
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
