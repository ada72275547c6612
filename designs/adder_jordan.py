"""Serial binary adder as a Jordan network: its outputs, sum bit and carry, are fed back.

h[t] = sigmoid(W x[t] + U y[t-1] + b), y[t] = sigmoid(V h[t] + c). The outputs y, the whole state,
had sum bit and carry as targets (Jordan 1986); the head compares the first with one half. 32
weights back and 32 forth, one after the other in a step.

`rnnhw prove`: right for sequences of any length at 4, 5, 6, 8, 10, 12 and 16 bits.
"""

from rnnhw import BinaryAddition, Design, Formats, JordanNetwork, Linear, Q, Sigmoid, Target


def design(word=8, operand_bits=8, hidden=16):
    """The adder with every number in ``word`` bits."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            JordanNetwork(hidden, outputs=2, activation=Sigmoid(), name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            state=Q(0, word, signed=False),
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights="adder_jordan.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
