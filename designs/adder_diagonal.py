"""Serial binary adder on a diagonal recurrence: an honest failure.

h[t] = sigmoid(W x[t] + u * h[t-1] + b): each unit sees its own past alone. Trained by the recipe
of the other adders it adds six words in ten of 8 bits and one in eight of 32 bits: `rnnhw verify`
exits 1 and should. (Two latches set by hand can add: `adder_latches`.) Nor do more units help: of
the nets at `--set hidden=4`, 8 and 32 the widest gets 75.3 % of the words of 8 bits.

`rnnhw prove`: wrong after 3 steps at 4, 6, 8, 10, 12 and 16 bits, after 2 at 5.
"""

from rnnhw import BinaryAddition, Design, Diagonal, Elman, Formats, Linear, Q, Sigmoid, Target


def design(word=8, operand_bits=8, hidden=16):
    """The adder with every number in ``word`` bits."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(hidden, recurrent=Diagonal(), activation=Sigmoid(), name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            state=Q(0, word, signed=False),
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights="adder_diagonal.npz" if hidden == 16 else f"adder_diagonal_h{hidden}.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
