"""Serial binary adder of three hand-set neurons, exact from 4 bits on.

t_k[t] = [a + b + c >= k] for k = 1, 2, 3, written as sigmoid(8 (a + b + c - k) + 4): the carry c is
t_2 one step before, the sum bit is t_1 - t_2 + t_3. The recurrence is tridiagonal, 7 weights, of
which the 3 in the middle column are not zero. Nothing is trained: what the other adders learn with
16 units takes 3.

`rnnhw prove`: right for sequences of any length at 4, 5, 6, 8, 10, 12 and 16 bits.
"""

from rnnhw import Banded, BinaryAddition, Design, Elman, Formats, Linear, Q, Sigmoid, Target


def design(word=8, operand_bits=8, gain=8):
    """The adder with every number in ``word`` bits."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(3, recurrent=Banded(1, 1), activation=Sigmoid(), name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(4, word - 5),
            bias=Q(5, word - 6),
            state=Q(0, word, signed=False),
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights={
            "rnn.W": [[gain, gain], [gain, gain], [gain, gain]],
            "rnn.U": [[0, gain, 0], [0, gain, 0], [0, gain, 0]],  # above, on, below the diagonal
            "rnn.b": [-gain / 2, -3 * gain / 2, -5 * gain / 2],
            "head.W": [[gain, -gain, gain]],
            "head.b": [-gain / 2],
        },
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
