"""Serial binary adder on a tridiagonal recurrence: three weights a unit.

h[t] = sigmoid(W x[t] + U h[t-1] + b), U tridiagonal; least significant bit first (Trask 2015). Each
unit sees its neighbours' past: 46 recurrent weights instead of 256, and it adds as exactly. So do
the nets that were trained at `--set hidden=4`, 8 and 32.
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
