"""Speaker recogniser with a sliding window of three frames instead of a recurrence.

Nine speakers by two vowels, 12 cepstrum coefficients a frame (Japanese Vowels, see
data/README.md). v[t] = tanh(W [x[t]; x[t+1]; x[t+2]] + b); the mean of v over the windows feeds
the read-out. Right of the 370 official test utterances: 365 in float and at 8 bits, at least as
good as every recurrence beside it: on this task memory beyond three frames does not pay.
"""

from rnnhw import Classification, Design, Formats, Linear, Mean, Q, Tanh, Target, Window


def design(word=8, hidden=32, width=3):
    """Numbers have ``word`` bits."""
    return Design(
        task=Classification(
            "data/japanese_vowels.npz", require={"accuracy": 0.95}, limit={"accuracy_loss": 0.005}
        ),
        layers=[
            Window(width),
            Linear(
                hidden, activation=Tanh(), formats=Formats(output=Q(0, word - 1)), name="hidden"
            ),
            Mean(),
            Linear(9, name="head"),
        ],
        formats=Formats(
            input=Q(2, word - 3),
            weight=Q(1, word - 2),
            sum=Q(2, word - 3),  # the address of the tanh table: -4 to 4
        ),
        weights="speaker_window.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
