"""Recall of one marked input by an Elman network: proved for any delay.

Each step reads a value, +1 or -1, and a marker; the sign of the output is to be that of the one
marked value, `delay` steps later, whatever came between. h[t] = tanh(W x[t] + U h[t-1] + b): a
latch needs no gates. `rnnhw prove`: right at every later step, after any lead, at 4, 5, 6, 8, 10
and 12 bits; the weights were trained on up to 30 steps (see training/README.md).
"""

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
