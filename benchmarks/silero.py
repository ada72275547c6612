"""Word lengths for the LSTM and head of Silero VAD, from its ONNX file to stored bits.

    python -m pip install 'rnnhw[models]'
    python benchmarks/silero.py [--rms 0.02] [--margin AMOUNT] [--sequences 6] [--evaluations 600]

The package silero-vad (MIT) holds the network; its convolutions run in onnxruntime on synthetic
audio: voiced sounds of changing pitch and formants with pauses, in noise. Some sequences choose,
as many others judge. Decisions are speech or not at a probability of one half.

The error on sequences that did not choose is larger. Without --margin a first search on half of
the sequences that choose tells how many times, on the other half, and the second search, on all of
them, keeps so many times away from --rms. Each has half of the evaluations.
"""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rnnhw import import_network, load
from rnnhw.execution.reference import run_reference
from rnnhw.study.word_lengths.quantize import quantize

RATE, WINDOW, CONTEXT = 16_000, 512, 64
FRONT_END = "/Transpose_output_0"
"""What the LSTM reads: [steps, 1, 128]."""


def audio(seed, seconds=6):
    """Sounds of a voice with pauses, in noise [samples]."""
    rng = np.random.default_rng(seed)
    count = seconds * RATE
    time = np.arange(count) / RATE
    heard = np.zeros(count)
    begin = 0.2
    while begin < seconds - 0.5:
        length = rng.uniform(0.3, 1.2)
        part = (time >= begin) & (time < begin + length)
        own = time[part] - begin
        pitch = rng.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(2, 5) * own))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        formants = [rng.uniform(*span) for span in ((300, 800), (900, 2200), (2300, 3200))]
        for harmonic in range(1, 30):
            frequency = harmonic * pitch.mean()
            gain = sum(np.exp(-(((frequency - each) / 150) ** 2)) for each in formants) + 0.02
            heard[part] += gain * np.sin(harmonic * phase) * np.sin(np.pi * own / length)
        begin += length + rng.uniform(0.1, 0.6)
    return (0.2 * heard / np.abs(heard).max() + rng.normal(0, 0.005, count)).astype(np.float32)


def features(model, sounds):
    """What the convolutions give for sequences of audio: [sequences, steps, 128]."""
    import onnx
    import onnxruntime
    from onnx.utils import Extractor

    whole = onnx.shape_inference.infer_shapes(onnx.load(model))
    front = Extractor(whole).extract_model(["input"], [FRONT_END])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(front.SerializeToString(), options)
    found = []
    for sound in sounds:
        padded = np.concatenate([np.zeros(CONTEXT, np.float32), sound])
        steps = (len(sound)) // WINDOW
        frames = [padded[k * WINDOW : k * WINDOW + WINDOW + CONTEXT] for k in range(steps)]
        found.append(session.run(None, {"input": np.stack(frames)})[0][:, 0])
    return np.stack(found)


def task_file(model, folder, sequences):
    """An .npz with features of audio, and what the network says in float as the answers: as many
    sequences of the split test behind as many of the split train."""
    x = features(model, [audio(seed) for seed in range(2 * sequences)])
    np.savez(folder / "audio.npz", x=x)
    options = {"start": FRONT_END, "force": True}
    import_network(model, folder / "plain.py", data=folder / "audio.npz", **options)
    design = load(folder / "plain.py")
    lengths = np.full(len(x), x.shape[1])
    y = run_reference(design.network, design.parameters, x, lengths).outputs
    arrays = {}
    for split, part in (("train", slice(0, sequences)), ("test", slice(sequences, None))):
        arrays |= {f"{split}_x": x[part], f"{split}_lengths": lengths[part], f"{split}_y": y[part]}
    np.savez(folder / "task.npz", **arrays)
    return folder / "task.npz"


def kept_rms(model, folder, rms, evaluations, sequences):
    """The error to demand of sequences that choose, so that others keep ``rms``: measured on two
    halves of those that choose."""
    half = chosen(model, folder, rms / 2, evaluations // 2, sequences // 2)
    here, there = half.choice.outcome.figures["rms"], half.judged_after["rms"]
    print(f"{here:.4f} where chosen, {there:.4f} on others that choose", flush=True)
    return rms * min(here / there, 1.0)


def chosen(model, folder, rms, evaluations, sequences):
    """The result of the search for the fewest stored bits that keep ``rms``."""
    data = task_file(model, folder, sequences)
    options = {"start": FRONT_END, "force": True, "task": "regression"}
    import_network(model, folder / "silero.py", data=data, **options)
    return quantize(
        folder / "silero.py",
        maximum={"rms": rms},
        evaluations=evaluations,
        progress=lambda done, most: print(f"{done} of {most}", end="\r", flush=True),
    )


def changed_decisions(result):
    """Decisions of the samples that judge that differ from those in float, and their number."""
    wanted = result.after.samples.y > 0.5
    return int(((result.after.outputs > 0.5) != wanted).sum()), wanted.size


def main():
    """Print the bits, the error and the decisions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rms", type=float, default=0.02)
    parser.add_argument("--margin", type=float)
    parser.add_argument("--sequences", type=int, default=6)
    parser.add_argument("--evaluations", type=int, default=600)
    given = parser.parse_args()
    package = find_spec("silero_vad")
    if package is None or package.origin is None:
        raise SystemExit("the package silero-vad is not installed: pip install 'rnnhw[models]'")
    model = Path(package.origin).parent / "data" / "silero_vad_16k_sequence.onnx"
    with tempfile.TemporaryDirectory() as name:
        folder, evaluations, sequences = Path(name), given.evaluations, given.sequences
        if given.margin is None:
            rms = kept_rms(model, folder, given.rms, evaluations, sequences)
            evaluations //= 2
        else:
            rms = given.rms - given.margin
        result = chosen(model, folder, rms, evaluations, sequences)
    outcome = result.choice.outcome
    changed, count = changed_decisions(result)
    error = result.after.outputs - result.after.samples.y
    print(
        f"stored bits {sum(result.stored_before.values()):,} to {outcome.bits:,}; rms "
        f"{outcome.figures['rms']:.4f} on those that chose, {np.sqrt((error**2).mean()):.4f} on "
        f"those that judge; {changed} of {count} decisions differ; {result.choice.evaluations} "
        f"designs{'' if result.choice.finished else ', the limit'}"
    )
    for variable, format in result.formats.items():
        print(f"  {variable:24} {format}")


if __name__ == "__main__":
    main()
