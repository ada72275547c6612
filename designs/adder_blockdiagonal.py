"""Serial binary adder on a block-diagonal recurrence: four groups that never meet.

h[t] = sigmoid(W x[t] + U h[t-1] + b), U of four 4 x 4 blocks: a unit sees the past of its own group
alone, however long one waits, and the groups meet only in the head. 64 recurrent weights.

`rnnhw prove`: right for sequences of any length at 4, 5, 6, 8, 10 and 12 bits; open at 16.
"""

from rnnhw import BinaryAddition, BlockDiagonal, Design, Elman, Formats, Linear, Q, Sigmoid, Target


def design(word=8, operand_bits=8, hidden=16):
    """The adder with every number in ``word`` bits."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(hidden, recurrent=BlockDiagonal(4), activation=Sigmoid(), name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            state=Q(0, word, signed=False),
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights="adder_blockdiagonal.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
