"""Retention: how long a state keeps the answer of its sequence after the sequence has ended."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.tasks import Samples
from rnnhw.dynamics.model import Retention
from rnnhw.execution.alone import LayerAlone

__all__ = ["retention"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_DELAYS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
_MOST_CLASSES = 32
_LEAST_EACH = 4
_SMALL = 1e-6
"""Ridge, relative to the mean square of the states: it only decides between equal readouts."""


def retention(
    layer: LayerAlone,
    samples: Samples,
    chosen: IntArray,
    last: Mapping[str, IntArray],
    last_real: Mapping[str, FloatArray],
) -> Retention | str:
    """The accuracy over delays of sequences ``chosen`` from their ``last`` states, or why there is
    none.

    For every delay another readout (linear least squares on the classes) is fitted to every second
    sequence of a class and judged on the others.
    """
    if samples.y is None or samples.y.ndim != 1 or samples.y.dtype.kind not in "iu":
        return "retention: the task has no one answer a sequence"
    if not layer.reads_zero:
        return "retention: the layer's input cannot be zero"
    answers = samples.y[chosen]
    classes, index, counts = np.unique(answers, return_inverse=True, return_counts=True)
    if not 2 <= len(classes) <= _MOST_CLASSES or counts.min() < _LEAST_EACH:
        return "retention: the answers are not a few classes with some sequences each"
    fitted = np.zeros(len(chosen), bool)
    for each in range(len(classes)):
        fitted[np.flatnonzero(index == each)[::2]] = True
    held = np.zeros((len(chosen), _DELAYS[-1], layer.inputs), np.int64)
    run = layer.run(held, {name: last[name] for name in layer.states})
    fixed = layer.joined(layer.before(run)).astype(np.float64)
    before, _ = layer.reference(held, {name: last_real[name] for name in layer.states})
    floats = layer.joined(before)
    delays = [delay for delay in _DELAYS if delay < _DELAYS[-1]]
    return Retention(
        classes=len(classes),
        sequences=len(chosen),
        chance=float(counts.max() / counts.sum()),
        delays=tuple(delays),
        accuracy=tuple(_accuracy(fixed[:, d], index, fitted) for d in delays),
        float_accuracy=tuple(_accuracy(floats[:, d], index, fitted) for d in delays),
    )


def _accuracy(states: FloatArray, index: IntArray, fitted: NDArray[np.bool_]) -> float:
    if not np.isfinite(states).all():
        return float("nan")
    scale = np.maximum(np.abs(states).max(), 1e-300)
    x = np.concatenate([states / scale, np.ones((len(states), 1))], axis=1)
    wanted = np.eye(int(index.max()) + 1)[index]
    a = x[fitted]
    ridge = _SMALL * max(float((a**2).mean()), 1e-12) * np.eye(a.shape[1])
    weights = np.linalg.solve(a.T @ a + len(a) * ridge, a.T @ wanted[fitted])
    guessed = (x[~fitted] @ weights).argmax(1)
    return float((guessed == index[~fitted]).mean())
