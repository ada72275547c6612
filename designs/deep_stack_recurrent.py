"""Deep stack: nine recurrent layers, one on the other.

"""

from rnnhw import Classification, Design, Elman, Formats, Linear, Mean, Q, Target


def design(word=8, hidden=32):
    """Numbers have ``word`` bits."""
    return Design(
        task=Classification(
            "data/japanese_vowels.npz", require={"accuracy": 0.95}, limit={"accuracy_loss": 0.005}
        ),
        layers=[
            *(Elman(hidden, name=f"rnn{k}") for k in range(1, 10)),
            Mean(),
            Linear(9, name="head"),
        ],
        formats=Formats(
            input=Q(2, word - 3),
            weight=Q(0, word - 1),
            state=Q(0, word - 1),
            sum=Q(2, word - 3),  # the address of the tanh tables: -4 to 4
        ),
        weights="deep_stack_recurrent.npz",
        target=Target("ecp5-25", lanes=2, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
