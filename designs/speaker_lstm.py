"""Speaker recogniser with an LSTM: memory behind gates, 4096 recurrent weights.

Nine speakers by two vowels, 12 cepstrum coefficients a frame (Japanese Vowels, see
data/README.md). Dense gates i, f, g, o; the state after the last frame feeds the read-out. Right
of the 370 official test utterances: 364 in float and at 8 bits. A window of three frames without
recurrence gets 365 and the bare mean of the frames 352: see speaker_window and speaker_mean.
"""

from rnnhw import LSTM, Classification, Design, Formats, Last, Linear, Q, Target


def design(word=8, hidden=32, held_out=0):
    """Numbers have ``word`` bits, but for sums and cells: see the formats."""
    return Design(
        task=Classification(
            "data/japanese_vowels.npz",
            require={"accuracy": 0.95},
            limit={"accuracy_loss": 0.005},
            held_out=held_out,  # 5: weights of a training without every fifth utterance
        ),
        layers=[LSTM(hidden, name="rnn"), Last(), Linear(9, name="head")],
        formats=Formats(
            input=Q(2, word - 3),
            weight=Q(0, word - 1),
            bias=Q(1, word - 2),
            state=Q(0, word - 1),  # the gates too
            cell=Q(4, word - 1),  # cells grow over many frames: -16 to 16
            sum=Q(3, 4),  # the address of the tables: -8 to 8, 256 entries
        ),
        weights="speaker_lstm_val.npz" if held_out else "speaker_lstm.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
