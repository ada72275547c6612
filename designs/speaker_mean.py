"""Speaker recogniser without memory: the mean of the frames and one linear layer.

Nine speakers by two vowels, 12 cepstrum coefficients a frame (Japanese Vowels, see
data/README.md). Right of the 370 official test utterances: 352 in float and at 8 bits, with 117
numbers. The baseline that every recurrence has to beat.
"""

from rnnhw import Classification, Design, Formats, Linear, Mean, Q, Target


def design(word=8):
    """Numbers have ``word`` bits."""
    return Design(
        task=Classification(
            "data/japanese_vowels.npz", require={"accuracy": 0.95}, limit={"accuracy_loss": 0.005}
        ),
        layers=[Mean(), Linear(9, name="head")],
        formats=Formats(input=Q(2, word - 3), weight=Q(1, word - 2)),
        weights="speaker_mean.npz",
        target=Target("ecp5-25", lanes=4, clock_mhz=60),
        steps_per_second=100,  # a frame every 10 ms
    )
