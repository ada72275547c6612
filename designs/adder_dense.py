"""Serial binary adder on a fully connected recurrence: the sources' starting point.

h[t] = sigmoid(W x[t] + U h[t-1] + b), U dense; least significant bit first (Trask 2015, "Anyone
Can Learn To Code an LSTM-RNN in Python"). 16 x 16 recurrent weights for a state of one bit, the
carry: the designs beside this one ask how many are needed. `--set hidden=4`, 8 or 32 runs nets that
were trained at that width; all are exact.

`rnnhw prove`: right for sequences of any length at 4, 5, 6, 8, 10 and 12 bits, at every width.
"""

from rnnhw import BinaryAddition, Design, Elman, Formats, Linear, Q, Sigmoid, Target


def design(word=8, operand_bits=8, hidden=16):
    """The adder with every number in ``word`` bits."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(hidden, activation=Sigmoid(), name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            state=Q(0, word, signed=False),
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights="adder_dense.npz" if hidden == 16 else f"adder_dense_h{hidden}.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
