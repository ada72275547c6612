"""Serial binary adder on a tridiagonal recurrence: three weights a unit.

h[t] = sigmoid(W x[t] + U h[t-1] + b), U tridiagonal; least significant bit first (Trask 2015). Each
unit sees its neighbours' past: 46 recurrent weights instead of 256, and it adds as exactly. So do
the nets that were trained at `--set hidden=4`, 8 and 32.

`rnnhw prove`: right for sequences of any length at 4, 6, 8, 10 and 12 bits, with hidden=4 and 8 at
4, 5, 6, 8, 10 and 12, with hidden=32 at 4, 5, 6 and 8 (open at 10 and 12). At 5 bits it is wrong
after 11 steps: 1027 + 2045.
"""

from rnnhw import Banded, BinaryAddition, Design, Elman, Formats, Linear, Q, Sigmoid, Target


def design(word=8, operand_bits=8, hidden=16):
    """The adder with every number in ``word`` bits."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(hidden, recurrent=Banded(1, 1), activation=Sigmoid(), name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            state=Q(0, word, signed=False),
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights="adder_tridiagonal.npz" if hidden == 16 else f"adder_tridiagonal_h{hidden}.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
