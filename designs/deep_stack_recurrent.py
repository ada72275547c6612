"""Deep stack: nine recurrent layers, one on the other.

The task of speaker_dense (Japanese Vowels, see data/README.md); the mean of the last layer over
the frames feeds the read-out. As many layers as deep_stack_head and exactly as many
multiplications, 17,792 a step, but every layer waits for its own last step: each has a state,
2,720 bits together with the sum for the mean, and none can take several steps at once (see
deep_stack_head for what that gives). On two lanes a layer `rnnhw report` gives a step latency of
8,999 cycles, 1,034 cycles from step to step, since no layer is wider than the others, and 38,121
cycles for 29 steps. What is left to gain is the wait for the state: with `--overlap auto` 1,025
cycles, with `--interleave 2`, two sequences in turn, 1,024. Right of the 370 official test
utterances: 360 in float and at 8 bits.
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
            weight=Q(1, word - 2),
            state=Q(0, word - 1),
            sum=Q(2, word - 3),  # the address of the tanh tables: -4 to 4
        ),
        weights="deep_stack_recurrent.npz",
        target=Target("ecp5-25", lanes=2, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
