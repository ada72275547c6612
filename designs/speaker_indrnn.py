"""Speaker recogniser with three layers of independent units: 96 recurrent weights.

Nine speakers by two vowels, 12 cepstrum coefficients a frame (Japanese Vowels, see
data/README.md). h[t] = max(W x[t] + u * h[t-1] + b, 0): a unit reads its own past alone, the next
layer mixes them (IndRNN, Li et al. 2018; the diagonal case of arXiv:1905.12340); the mean of the
third layer over the frames feeds the read-out. Right of the 370 official test utterances: 362 in
float, 361 at 8 bits. The states have no bound, and grow from layer to layer: 4, 6 and 8 integer
bits. At 4 bits all told that leaves too little. A window of three frames without recurrence gets
365 and the bare mean of the frames 352: see speaker_window and speaker_mean.
"""

from rnnhw import Classification, Design, Diagonal, Elman, Formats, Linear, Mean, Q, ReLU, Target


def design(word=8, hidden=32):
    """Numbers have ``word`` bits, sums in front of a ReLU one more for their sign."""

    def layer(name, integer):
        ranges = Formats(
            sum=Q(integer, word - integer), state=Q(integer, word - integer, signed=False)
        )
        return Elman(hidden, recurrent=Diagonal(), activation=ReLU(), formats=ranges, name=name)

    return Design(
        task=Classification(
            "data/japanese_vowels.npz", require={"accuracy": 0.95}, limit={"accuracy_loss": 0.005}
        ),
        layers=[
            layer("rnn1", integer=4),
            layer("rnn2", integer=6),
            layer("rnn3", integer=8),
            Mean(),
            Linear(9, name="head"),
        ],
        formats=Formats(input=Q(2, word - 3), weight=Q(1, word - 2)),
        weights="speaker_indrnn.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
