"""Recall of a marked input from a sliding window of eight steps: an honest failure beyond it.

x."""

from rnnhw import Design, Formats, Last, Linear, Q, Recall, Tanh, Target, Window


def design(word=8, delay=20, width=8, hidden=16):
    """Every number has ``word`` bits; ``delay`` needs no other weights."""
    return Design(
        task=Recall(delay, require={"accuracy": 1.0}),
        layers=[
            Window(width),
            Last(),
            Linear(
                hidden, activation=Tanh(), formats=Formats(output=Q(0, word - 1)), name="hidden"
            ),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(1, word - 2),
            sum=Q(2, word - 3),  # the address of the tanh table: -4 to 4
        ),
        weights="recall_window.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
