"""What a power-of-two scale a row of weights brings on a trained LSTM: the error of its states.

    python benchmarks/row_scales.py [--bits 8,6] [--data FEATURES.npz]

The network is the LSTM of Silero VAD (MIT), 128 units behind 128 features, out of the package
silero-vad: ``python -m pip install "rnnhw[models]"``. Only the weights are rounded; everything else
is float64. The error is the mean squared one of all states over ``x`` [sequences, steps, 128] of
the file, or over drawn spectra: bands of different power that swell and fade.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnhw import LSTM, Design, Formats, Q
from rnnhw.errors import UsageError
from rnnhw.execution.reference import run_reference
from rnnhw.importers.torch.tensors import opened_safetensors

UNITS = 128
EXPONENT = Q(2, 0, signed=False)
WIDE = Formats(input=Q(6, 16), bias=Q(4, 20), sum=Q(7, 9), cell=Q(8, 22), state=Q(1, 18))


def weights() -> dict[str, NDArray[np.float64]]:
    """The LSTM's tensors; its gates stand as ours do.

    Raises:
        UsageError: the package is not installed.
    """
    found = find_spec("silero_vad")
    if found is None or found.origin is None:
        raise UsageError("the package silero-vad is not installed", "pip install 'rnnhw[models]'")
    file = Path(found.origin).parent / "data" / "silero_vad_16k.safetensors"
    with opened_safetensors(file) as tensors:
        names = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "b2": "bias_hh"}
        return {
            f"rnn.{own}": np.asarray(tensors[f"lstm_cell.{name}"].read(), np.float64)
            for own, name in names.items()
        }


def features(sequences: int = 8, steps: int = 187) -> NDArray[np.float64]:
    """Magnitudes of noise in bands whose power is log-normal, under slow envelopes."""
    rng = np.random.default_rng(0)
    bands = np.exp(rng.normal(size=(sequences, 1, UNITS)))
    periods, phases = rng.uniform(20, 60, (sequences, 1, 1)), rng.uniform(0, 6, (sequences, 1, 1))
    swell = np.sin(2 * np.pi * np.arange(steps)[None, :, None] / periods + phases)
    noise = np.abs(rng.normal(size=(sequences, steps, UNITS)))
    return 0.1 * bands * (0.1 + 0.9 * np.clip(swell, 0, 1)) * noise


class Errors:
    """The error of the states of one network and input, by the formats of the weights."""

    def __init__(self, numbers: dict[str, NDArray[np.float64]], x: NDArray[np.float64]) -> None:
        self.numbers, self.x = numbers, x
        self.expected = self._states(Formats(weight=Q(4, 20)), ())

    def _states(self, formats: Formats, quantised: tuple[str, ...]) -> NDArray[np.float64]:
        layer = LSTM(UNITS, recurrent_bias=True, name="rnn", formats=formats)
        design = Design([layer], WIDE, self.numbers, inputs=UNITS)
        lengths = np.full(len(self.x), self.x.shape[1])
        run = run_reference(design.network, design.parameters, self.x, lengths, quantised=quantised)
        return run.outputs

    def decibels(self, **formats: Q) -> float:
        """Power of the states over that of their error, the weights in these formats."""
        error = self._states(Formats(**formats), ("weights",)) - self.expected
        return float(10 * np.log10((self.expected**2).mean() / (error**2).mean()))

    def best(self, bits: int, **formats: Q) -> float:
        """The same with the binary point that is best for words of ``bits``."""
        points = range(bits - 3, bits + 1)
        return max(self.decibels(weight=Q(bits - 1 - n, n), **formats) for n in points)

    def row(self, bits: int) -> tuple[float, float, float]:
        """One format for each word, one exponent a unit, one a unit and matrix."""
        own = {"scale_exponent": EXPONENT, "recurrent_scale_exponent": EXPONENT}
        return (
            self.best(bits),
            self.best(bits, scale_exponent=EXPONENT),
            self.best(bits, **own),
        )


def main() -> None:
    """Print a line a word length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", default="8,6")
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    x = features() if given.data is None else np.load(given.data, allow_pickle=False)["x"]
    errors = Errors(weights(), x)
    print(f"{'bits':>4}{'none':>9}{'a unit':>9}{'a unit and matrix':>19}   dB of the states")
    for bits in map(int, given.bits.split(",")):
        none, unit, matrix = errors.row(bits)
        print(f"{bits:>4}{none:>9.1f}{unit:>9.1f}{matrix:>19.1f}")


if __name__ == "__main__":
    main()
