"""Recall of a marked input on an LSTM.

x."""

from rnnhw import LSTM, Design, Formats, Last, Linear, Q, Recall, Target


def design(word=8, delay=20, hidden=8):
    """Every number has ``word`` bits; ``delay`` needs no other weights."""
    return Design(
        task=Recall(delay, require={"accuracy": 1.0}),
        layers=[LSTM(hidden, name="rnn"), Last(), Linear(1, name="head")],
        formats=Formats(
            weight=Q(1, word - 2),
            state=Q(0, word - 1),
            cell=Q(2, word - 3),
            sum=Q(2, word - 3),  # the address of the tanh and sigmoid tables: -4 to 4
        ),
        weights="recall_lstm.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
