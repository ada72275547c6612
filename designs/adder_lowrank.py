"""Serial binary adder on a diagonal plus rank one: a bus that every unit writes and reads.

h[t] = sigmoid(W x[t] + d * h[t-1] + left (right h[t-1]) + b): beside its own past each unit sees
one number, a weighted sum of all. 48 recurrent weights, and every unit reaches every other in a
step; with the 16 of the diagonal alone the net fails (the design of that name).

`rnnhw prove`: right for sequences of any length at 4, 5, 6, 8, 10, 12 and 16 bits.
"""

from rnnhw import (
    BinaryAddition,
    Design,
    Diagonal,
    Elman,
    Formats,
    Linear,
    LowRank,
    Q,
    Sigmoid,
    Target,
)


def design(word=8, operand_bits=8, hidden=16):
    """The adder with every stored number in ``word`` bits, the inner sum in 16 at ``word`` 8."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(hidden, recurrent=Diagonal() + LowRank(1), activation=Sigmoid(), name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            state=Q(0, word, signed=False),
            stage=Q(7, word),  # 16 terms below 8 cannot clip
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights="adder_lowrank.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
