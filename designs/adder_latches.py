"""Serial binary adder of two hand-set latches on a diagonal recurrence: what training misses.

h[t] = tanh(w (a + b - 1) + u h[t-1]), u > 1: a unit keeps its sign until both bits are equal, so
its sign is the carry. Both units hold the same carry, with different gains, and their weighted
difference has the sign of the sum bit. They start at their resting value of "no carry". A diagonal
recurrence can hold a bit for ever, then; none of the trained ones does (`adder_diagonal`).

`rnnhw prove`: right for sequences of any length with a state of 4, 5, 6, 8, 10, 12 and 16 bits;
wrong after 3 steps with 3.
"""

from rnnhw import BinaryAddition, Design, Diagonal, Elman, Formats, Linear, Q, Tanh, Target


def design(word=8, operand_bits=8):
    """The adder with a state of ``word`` bits; the weights and the sums keep theirs."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(2, recurrent=Diagonal(), activation=Tanh(), initial=True, name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(10, 12),
            state=Q(0, word - 1),
            sum=Q(3, 6),  # the address of the tanh table: -8 to 8
        ),
        weights={
            "rnn.W": [[1.58057, 1.58057], [3.83002, 3.83002]],
            "rnn.U": [1.2, 2.0],
            "rnn.b": [-1.58057, -3.83002],
            "rnn.h0": [-0.65857, -0.9575],
            "head.W": [[19.57662, -17.90803]],
            "head.b": [0.0],
        },
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
