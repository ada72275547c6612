"""Speaker recogniser with a learned butterfly: 320 recurrent weights in five stages of pairs.

Nine speakers by two vowels, 12 cepstrum coefficients a frame (Japanese Vowels, see
data/README.md). h[t] = tanh(W x[t] + U h[t-1] + b), U the product of five sparse stages that let
every unit read every other; the mean of h over the frames feeds the read-out. Right of the 370
official test utterances: 360 in float and at 8 bits. A window of three frames without recurrence
gets 365 and the bare mean of the frames 352: see speaker_window and speaker_mean.
"""

from rnnhw import Butterfly, Classification, Design, Elman, Formats, Linear, Mean, Q, Target


def design(word=8, hidden=32):
    """Numbers have ``word`` bits, those between two stages four more."""
    return Design(
        task=Classification(
            "data/japanese_vowels.npz", require={"accuracy": 0.95}, limit={"accuracy_loss": 0.005}
        ),
        layers=[
            Elman(hidden, recurrent=Butterfly(), name="rnn"),
            Mean(),
            Linear(9, name="head"),
        ],
        formats=Formats(
            input=Q(2, word - 3),
            weight=Q(1, word - 2),
            state=Q(0, word - 1),
            stage=Q(3, word),
            sum=Q(2, word - 3),  # the address of the tanh table: -4 to 4
        ),
        weights="speaker_butterfly.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
