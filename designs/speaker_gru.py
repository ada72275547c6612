"""Speaker recogniser with a GRU: 3072 recurrent weights, three quarters of an LSTM's.

Nine speakers by two vowels, 12 cepstrum coefficients a frame (Japanese Vowels, see
data/README.md). Dense gates r, z, n, the reset gate behind the recurrent product; the state after
the last frame feeds the read-out. Right of the 370 official test utterances: 364 in float and at
8 bits. A window of three frames without recurrence gets 365 and the bare mean of the frames 352:
see speaker_window and speaker_mean.
"""

from rnnhw import GRU, Classification, Design, Formats, Last, Linear, Q, Target


def design(word=8, hidden=32, held_out=0):
    """Numbers have ``word`` bits, but for sums: see the formats."""
    return Design(
        task=Classification(
            "data/japanese_vowels.npz",
            require={"accuracy": 0.95},
            limit={"accuracy_loss": 0.005},
            held_out=held_out,  # 5: weights of a training without every fifth utterance
        ),
        layers=[GRU(hidden, name="rnn"), Last(), Linear(9, name="head")],
        formats=Formats(
            input=Q(2, word - 3),
            weight=Q(0, word - 1),
            state=Q(0, word - 1),  # the gates too
            sum=Q(3, 4),  # the address of the tables: -8 to 8, 256 entries
            recurrent_sum=Q(3, word),  # what the reset gate multiplies
        ),
        weights="speaker_gru_val.npz" if held_out else "speaker_gru.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
