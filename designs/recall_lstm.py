"""Recall of one marked input by an LSTM: right at 8 and 6 bits, slowly lost at 4.

Each step reads a value, +1 or -1, and a marker; the sign of the output is to be that of the one
marked value, `delay` steps later, whatever came between. Eight units recall all 1,000 sequences
over 1, 20, 100, 1000 and 4000 steps in float, at 8 and at 6 bits; at 4 bits 999 over 100, 986 over
1000 and 955 over 4000 steps. The same weights serve every delay: `--set delay=1000`.

`rnnhw prove`: right at every later step at 6 bits; wrong after 12 steps at 4 bits, after 37 at 5;
open at 8, 10 and 12. Right at 8 bits if it is asked 5 steps later alone: `--set delay=5 --automaton
exact=true`.
"""

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
