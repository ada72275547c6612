"""Recall of a marked input on an Elman network: a latch of tanh units.

x."""

from rnnhw import Design, Elman, Formats, Last, Linear, Q, Recall, Target


def design(word=8, delay=20, hidden=16):
    """Every number has ``word`` bits; ``delay`` needs no other weights."""
    return Design(
        task=Recall(delay, require={"accuracy": 1.0}),
        layers=[Elman(hidden, name="rnn"), Last(), Linear(1, name="head")],
        formats=Formats(
            weight=Q(1, word - 2),
            state=Q(0, word - 1),
            sum=Q(2, word - 3),  # the address of the tanh table: -4 to 4
        ),
        weights="recall_elman.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
