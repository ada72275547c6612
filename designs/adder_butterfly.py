"""Serial binary adder on a butterfly recurrence: trained 2 x 2 weights in log2(n) stages.

h[t] = sigmoid(W x[t] + B3 B2 B1 B0 h[t-1] + b), each stage in the sources' out-of-place order:
pairs in, first results to the lower half, second to the upper. Every unit sees every other's past
through 4 stages of 2-input sums: 128 recurrent weights.

`rnnhw prove`: right for sequences of any length at 5, 6, 8, 10, 12 and 16 bits; at 4 bits wrong
after 4 steps.
"""

from rnnhw import BinaryAddition, Butterfly, Design, Elman, Formats, Linear, Q, Sigmoid, Target


def design(word=8, operand_bits=8, hidden=16):
    """The adder with every stored number in ``word`` bits, 16-bit stages at ``word`` 8."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(hidden, recurrent=Butterfly(), activation=Sigmoid(), name="rnn"),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            state=Q(0, word, signed=False),
            stage=Q(7, word),  # wide enough that nothing clips
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights="adder_butterfly.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
