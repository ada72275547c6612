"""Serial binary adder on a Walsh-Hadamard recurrence: 2-input neurons in log2(n) stages.

h[t] = sigmoid(W x[t] + after * (H (before * h[t-1])) + b), H the fixed Walsh-Hadamard matrix in the
sources' constant-geometry order: every unit sees every other's past through 4 stages of sums and
differences. 32 recurrent weights, 64 additions, no matrix.

`rnnhw prove`: right for sequences of any length at 5, 6, 8, 10 and 12 bits, open at 16; at 4 bits
wrong after 4 steps.
"""

from rnnhw import BinaryAddition, Design, Elman, Formats, Hadamard, Linear, Q, Sigmoid, Target


def design(word=8, operand_bits=8, hidden=16):
    """The adder with every stored number in ``word`` bits, 16-bit stages at ``word`` 8."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(hidden, recurrent=Hadamard(), activation=Sigmoid(), name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            state=Q(0, word, signed=False),
            stage=Q(7, word),  # 16 terms below 8 cannot clip
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        overrides={"rnn.U.after": Q(1, word - 2)},
        weights="adder_hadamard.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
