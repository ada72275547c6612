"""Speaker recogniser with a Walsh-Hadamard recurrence: 64 recurrent weights, no matrix.

Nine speakers by two vowels, 12 cepstrum coefficients a frame (Japanese Vowels, see
data/README.md). h[t] = tanh(W x[t] + after * (H (before * h[t-1])) + b), H the fixed Walsh-
Hadamard matrix; the mean of h over the frames feeds the read-out. Right of the 370 official test
utterances: 357 in float and at 8 bits; read out at the last frame instead (its own training): 362
and 363. A window of three frames without recurrence gets 365 and the bare mean of the frames 352:
see speaker_window and speaker_mean.
"""

from rnnhw import Classification, Design, Elman, Formats, Hadamard, Last, Linear, Mean, Q, Target


def design(word=8, hidden=32, readout="mean"):
    """``readout`` is "mean", or "last" with weights trained for it; numbers have ``word`` bits."""
    last = readout == "last"
    return Design(
        task=Classification(
            "data/japanese_vowels.npz", require={"accuracy": 0.95}, limit={"accuracy_loss": 0.005}
        ),
        layers=[
            Elman(hidden, recurrent=Hadamard(), name="rnn"),
            Last() if last else Mean(),
            Linear(9, name="head"),
        ],
        formats=Formats(
            input=Q(2, word - 3),
            weight=Q(1, word - 2),
            state=Q(0, word - 1),
            stage=Q(6, word + 1),  # 32 terms below 2 cannot clip
            sum=Q(2, word - 3),  # the address of the tanh table: -4 to 4
        ),
        weights="speaker_hadamard_last.npz" if last else "speaker_hadamard.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
