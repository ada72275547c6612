"""Deep stack: three recurrent layers and a feed-forward head of six.

The task of speaker_dense (Japanese Vowels, see data/README.md); the mean of the last layer over
the frames feeds the read-out. The inner layers of the head are half as wide again as a recurrent
one, so that with w = 3 n / 2 the six multiply as often as six recurrent layers, n w + 4 w w + w n
= 6 (n n + n n): 17,792 multiplications a step, the same as deep_stack_recurrent. The time is
another: on two lanes a layer `rnnhw report` gives both a step latency of 8,999 cycles, but 1,162
cycles from step to step here, at the pace of the widest layer, and 1,034 there, so 41,705 and
38,121 cycles for 29 steps. Only three layers keep a state: 1,184 bits, there 2,720. The head may
take steps together, which no recurrent layer can. With parallel=2 and head_lanes=1 it has as many
lanes and takes no longer (1,156.5 cycles), but reads every weight once for two steps, in all 93,184
bits a step instead of 142,336; the price is the wait for the second step, 16,203 cycles of latency.
With parallel=4 the recurrent layers alone set the pace of 1,034, on 57 DSP blocks (a Zynq-7020 has
them). Right of the 370 official test utterances: 363 in float, 364 at 8 bits.
"""

from rnnhw import Classification, Design, Elman, Formats, Linear, Mean, Q, Tanh, Target


def design(word=8, hidden=32, parallel=1, head_lanes=2):
    """Numbers have ``word`` bits; the six layers of the head take ``parallel`` steps together, each
    step on ``head_lanes`` lanes a layer."""

    def dense(name, units):
        formats = Formats(output=Q(0, word - 1))
        return Linear(units, activation=Tanh(), formats=formats, name=name)

    return Design(
        task=Classification(
            "data/japanese_vowels.npz", require={"accuracy": 0.95}, limit={"accuracy_loss": 0.005}
        ),
        layers=[
            *(Elman(hidden, name=f"rnn{k}") for k in range(1, 4)),
            *(dense(f"dense{k}", hidden * 3 // 2) for k in range(1, 6)),
            dense("dense6", hidden),
            Mean(),
            Linear(9, name="head"),
        ],
        formats=Formats(
            input=Q(2, word - 3),
            weight=Q(1, word - 2),
            state=Q(0, word - 1),
            sum=Q(2, word - 3),  # the address of the tanh tables: -4 to 4
        ),
        weights="deep_stack_head.npz",
        target=Target(
            "ecp5-25",
            lanes={
                **{f"rnn{k}": 2 for k in range(1, 4)},
                **{f"dense{k}": head_lanes for k in range(1, 7)},
                "head": 2,
            },
            clock_mhz=60,
            steps_in_parallel={f"dense{k}": parallel for k in range(1, 7)},
        ),
        steps_per_second=100,  # a frame every 10 ms
    )
