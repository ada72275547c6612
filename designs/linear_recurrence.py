"""Linear filter behind a random basis: 256 recurrent weights.

h[t] = U h[t-1] + W x[t], y[t] = V h[t]: eight resonators, poles of radius 0.95 to 0.99, one input,
two outputs. A basis of condition number 10 hides them, so U is full and rounding it moves the
poles: at 8, 12 and 16 bits the outputs have a signal-to-noise ratio of 4.0, 33.5 and 53.7 dB.
linear_recurrence_jordan computes the same with 46 recurrent weights: 19.4, 43.9 and 69.5 dB.
"""

from rnnhw import Design, Elman, Formats, Identity, Linear, Q, Regression, Target


def design(word=12, states=16):
    """The filter with every stored number in ``word`` bits."""
    return Design(
        task=Regression(
            "data/linear_recurrence.npz",
            standardise=False,
            limit={"nrmse": 0.2, "nrmse_loss": 0.2},
        ),
        layers=[
            Elman(states, activation=Identity(), bias=False, name="rnn"),
            Linear(2, bias=False, name="head"),
        ],
        formats=Formats(
            input=Q(0, word - 1),
            weight=Q(2, word - 3),
            sum=Q(0, word - 1),
            state=Q(0, word - 1),
        ),
        overrides={"rnn.W": Q(-2, word + 1), "head.W": Q(1, word - 2)},
        weights="linear_recurrence.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
    )
