"""Speaker recogniser with a tridiagonal recurrence: 94 recurrent weights instead of 1024.

Nine speakers by two vowels, 12 cepstrum coefficients a frame (Japanese Vowels, see
data/README.md). h[t] = tanh(W x[t] + U h[t-1] + b), U tridiagonal; the mean of h over the frames
feeds the read-out. Right of the 370 official test utterances: 361 in float and at 8 bits; read
out at the last frame instead (its own training): 360 and 361. A window of three frames without
recurrence gets 365 and the bare mean of the frames 352: see speaker_window and speaker_mean.
"""

from rnnhw import Banded, Classification, Design, Elman, Formats, Last, Linear, Mean, Q, Target


def design(word=8, hidden=32, readout="mean", held_out=0):
    """``readout`` is "mean", or "last" with weights trained for it; numbers have ``word`` bits."""
    last = readout == "last"
    return Design(
        task=Classification(
            "data/japanese_vowels.npz",
            require={"accuracy": 0.95},
            limit={"accuracy_loss": 0.005},
            held_out=held_out,  # 5: weights of a training without every fifth utterance
        ),
        layers=[
            Elman(hidden, recurrent=Banded(1, 1), name="rnn"),
            Last() if last else Mean(),
            Linear(9, name="head"),
        ],
        formats=Formats(
            input=Q(2, word - 3),
            weight=Q(1, word - 2),
            state=Q(0, word - 1),
            sum=Q(2, word - 3),  # the address of the tanh table: -4 to 4
        ),
        weights=f"speaker_tridiagonal{'_last' if last else '_val' if held_out else ''}.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
