"""Serial binary adder on a butterfly of neurons: 2 inputs, a bias and a sigmoid each.

h[t] = sigmoid(W x[t] + B3 s(B2 s(B1 s(B0 h[t-1] + c0) + c1) + c2) + b), s the sigmoid: the sources'
2-input neurons in log2(n) stages. 128 recurrent weights and 48 stage biases; no number between
the stages is wider than the state.

`rnnhw prove`: right for sequences of any length at 4, 5, 6, 8, 10, 12 and 16 bits.
"""

from rnnhw import BinaryAddition, Butterfly, Design, Elman, Formats, Linear, Q, Sigmoid, Target


def design(word=8, operand_bits=8, hidden=16):
    """The adder with every number in ``word`` bits."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}),
        layers=[
            Elman(
                hidden,
                recurrent=Butterfly(activation=Sigmoid(), bias=True),
                activation=Sigmoid(),
                name="rnn",
            ),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            state=Q(0, word, signed=False),
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights="adder_butterfly_neurons.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
