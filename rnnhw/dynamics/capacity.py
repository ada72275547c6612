"""Memory capacity: how much of its past inputs can be read from a layer's state.

Every element of the input is driven by independent uniform noise over the range that it has on the
task; for each delay k the best linear readout of the state, fitted on one half of the steps,
predicts the input of k steps before on the other half. The capacity is the sum of R^2 over delays
from 0 and over elements: at most the number of state elements (Jaeger 2002, "Short term memory in
echo state networks"; Dambre et al. 2012, "Information processing capacity of dynamical systems").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.dynamics.model import Capacity
from rnnhw.execution.alone import LayerAlone

__all__ = ["capacity"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)

_SEQUENCES = 16
_WASHED = 256
"""Steps before the first that is used: the start is forgotten, and every delay has its past."""
_FEWEST_DELAYS, _MOST_DELAYS = 32, 128
_LEAST_R2 = 0.01
"""The least R2 that counts: chance reaches smaller ones, which are taken as zero."""


def capacity(layer: LayerAlone, low: IntArray, high: IntArray, seed: int = 0) -> Capacity | None:
    """The capacity with inputs, raw, between ``low`` and ``high``; None where nothing varies."""
    moving = np.flatnonzero(high > low)
    if not len(moving):
        return None
    units = layer.state_units
    # The capacity is shared by all inputs: of many, none can be remembered for long.
    delays = min(_MOST_DELAYS, max(_FEWEST_DELAYS, 4 * units // len(moving)))
    steps = _WASHED + max(256, 4 * units)
    rng = np.random.default_rng(seed)
    drive = rng.integers(low, high, (_SEQUENCES, steps, layer.inputs), endpoint=True)
    first = layer.first_states(_SEQUENCES)
    run = layer.run(drive, first)
    fixed = layer.joined(_shifted(layer.before(run), run.final))
    before, last = layer.reference(drive, layer.real_states(first))
    floats = layer.joined(_shifted(before, last))
    targets = np.stack(
        [drive[:, _WASHED - k : steps - k][:, :, moving] for k in range(delays)], axis=2
    ).astype(np.float64)
    curve = _r2(fixed[:, _WASHED:].astype(np.float64), targets)
    finite = bool(np.isfinite(floats).all())
    float_curve = _r2(floats[:, _WASHED:].astype(np.float64), targets) if finite else None

    def total(curve: FloatArray) -> float:
        # A state of so many elements holds no more; what samples say beyond that is their scatter.
        return min(float(curve.sum()) * len(moving), float(units))

    return Capacity(
        bound=units,
        capacity=total(curve),
        float_capacity=None if float_curve is None else total(float_curve),
        last_delay=_last(curve),
        float_last_delay=None if float_curve is None else _last(float_curve),
        r2=tuple(curve.tolist()),
        float_r2=() if float_curve is None else tuple(float_curve.tolist()),
    )


def _shifted(
    before: Mapping[str, NDArray[Number]], last: Mapping[str, NDArray[Number]]
) -> dict[str, NDArray[Number]]:
    """The states behind every step, of those before every step and the last."""
    return {
        name: np.concatenate([value[:, 1:], last[name][:, None]], axis=1)
        for name, value in before.items()
    }


def _r2(states: FloatArray, targets: FloatArray) -> FloatArray:
    """By delay the mean R^2 over elements: ``states`` [sequences, steps, units], ``targets``
    [sequences, steps, delays, elements]; fitted on the even sequences, judged on the odd."""
    delays, elements = targets.shape[2:]
    fit, test = (
        np.concatenate([part.reshape(-1, part.shape[-1]), np.ones((part[..., 0].size, 1))], axis=1)
        for part in (states[::2], states[1::2])
    )
    wanted, truth = (part.reshape(-1, delays * elements) for part in (targets[::2], targets[1::2]))
    scale = np.maximum(np.abs(fit).max(0), 1e-300)
    weights = np.linalg.lstsq(fit / scale, wanted, rcond=None)[0]
    rest = truth - (test / scale) @ weights
    r2 = 1 - (rest**2).sum(0) / ((truth - truth.mean(0)) ** 2).sum(0)
    kept = np.where(r2 >= _LEAST_R2, r2, 0.0)
    mean: FloatArray = kept.reshape(delays, elements).mean(1)
    return mean


def _last(curve: FloatArray) -> int | None:
    """The greatest delay whose R^2 is above one half; None where there is none."""
    above = np.flatnonzero(curve > 0.5)
    return int(above[-1]) if len(above) else None
