"""Deep stack: three recurrent layers and a feed-forward head of six.

"""

from rnnhw import Classification, Design, Elman, Formats, Linear, Mean, Q, Tanh, Target


def design(word=8, hidden=32):
    """Numbers have ``word`` bits."""
    wide = hidden * 3 // 2
    return Design(
        task=Classification(
            "data/japanese_vowels.npz", require={"accuracy": 0.95}, limit={"accuracy_loss": 0.005}
        ),
        layers=[
            *(Elman(hidden, name=f"rnn{k}") for k in range(1, 4)),
            *(Linear(wide, activation=Tanh(), name=f"dense{k}") for k in range(1, 6)),
            Linear(hidden, activation=Tanh(), name="dense6"),
            Mean(),
            Linear(9, name="head"),
        ],
        formats=Formats(
            input=Q(2, word - 3),
            weight=Q(0, word - 1),
            state=Q(0, word - 1),
            sum=Q(2, word - 3),  # the address of the tanh tables: -4 to 4
            output=Q(0, word - 1),
        ),
        weights="deep_stack_head.npz",
        target=Target("ecp5-25", lanes=2, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
