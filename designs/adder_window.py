"""Serial binary adder without a recurrence, a window of 4 columns: an honest failure.

v[t] = sigmoid(W [x[t-3]; x[t-2]; x[t-1]; x[t]] + b) feeds the head; 3 columns of zeros lead the
operands. The window knows the carry unless all columns before the last propagate it, 1 case in 8,
and then has to guess: in long words a bit is wrong with probability 2^-4, and no training helps.

`rnnhw prove`: wrong after 8 steps at 5, 6, 8, 10, 12 and 16 bits, after 7 at 4; 3 of them lead.
"""

from rnnhw import BinaryAddition, Design, Formats, Linear, Q, Sigmoid, Target, Window


def design(word=8, operand_bits=8, hidden=16, width=4):
    """The adder with every number in ``word`` bits."""
    return Design(
        task=BinaryAddition(operand_bits, require={"accuracy": 1.0}, lead=width - 1),
        layers=[
            Window(width),
            Linear(
                hidden,
                activation=Sigmoid(),
                formats=Formats(output=Q(0, word, signed=False)),
                name="hidden",
            ),
            Linear(1, name="head"),
        ],
        formats=Formats(
            weight=Q(3, word - 4),
            sum=Q(3, word - 4),  # the address of the sigmoid table: -8 to 8
        ),
        weights="adder_window.npz",
        target=Target("ice40up5k", lanes=4, clock_mhz=24),
    )
