"""Linear filter in real Jordan form: 46 recurrent weights instead of 256, the same outputs.

linear_recurrence in other coordinates, made by rnnhw.jordan_form: the eight resonators are eight
2x2 rotations [[s, w], [-w, s]] in a tridiagonal matrix, 32 of its 46 weights not zero, none above
1. In float64 the outputs differ by less than 1e-13; in fixed point rounding moves the poles less:
at 8, 12 and 16 bits the signal-to-noise ratio is 19.4, 43.9 and 69.5 dB, against 4.0, 33.5 and
53.7 dB of the full matrix.
"""

from rnnhw import Banded, Design, Elman, Formats, Identity, Linear, Q, Regression, Target


def design(word=12, states=16):
    """The filter with every stored number in ``word`` bits."""
    return Design(
        task=Regression(
            "data/linear_recurrence.npz",
            standardise=False,
            limit={"nrmse": 0.2, "nrmse_loss": 0.2},
        ),
        layers=[
            Elman(states, recurrent=Banded(1, 1), activation=Identity(), bias=False, name="rnn"),
            Linear(2, bias=False, name="head"),
        ],
        formats=Formats(
            input=Q(0, word - 1),
            weight=Q(0, word - 1),
            sum=Q(0, word - 1),
            state=Q(0, word - 1),
        ),
        overrides={"rnn.W": Q(-2, word + 1)},
        weights="linear_recurrence_jordan.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
    )
