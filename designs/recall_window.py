"""Recall of one marked input from a sliding window of eight steps: an honest failure.

Each step reads a value, +1 or -1, and a marker; the sign of the output is to be that of the one
marked value, `delay` steps later. A window of k steps into a small net is exact up to k - 1 steps
back (every window of 8 was tried, at 8 and at 6 bits) and knows nothing beyond: one half right,
which is chance. At the default delay of 20 `rnnhw verify` exits 1 and should; with
`--set delay=7` it passes.

`rnnhw prove` asks at every later step: wrong after 9 steps at 6, 8, 10 and 12 bits, where the mark
has left the window, and after 8 at 4 and 5 bits. Asked exactly 7 steps after the mark
(`task.automaton(exact=True)` from Python) it is right at 5, 6, 8, 10 and 12 bits.
"""

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
