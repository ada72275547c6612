"""Twin runs: after how many steps two runs on one input, from different states, are the same.

A layer whose twins merge forgets where it started (the echo state property; Jaeger 2001). In
integers twins can become equal, and equal states stay equal; float states only come nearer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rnnhw.dynamics.attractors import random_states
from rnnhw.dynamics.model import MergeTime
from rnnhw.execution.alone import LayerAlone

__all__ = ["merge_time", "warm_up"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

WITHIN_LSB = 1
_PAIRS = 15
_OFFSETS = 8
_PART_VALUES = 1 << 22
"""State values that are held at once: bounds the memory, not the result."""


def merge_time(layer: LayerAlone, drive: IntArray) -> MergeTime:
    """A run from the design's first state and others from states all over their formats.

    ``drive``, raw [steps, inputs], is what all of them read.
    """
    others = random_states(layer, _PAIRS, 1)
    first = layer.first_states(_PAIRS)
    inputs = np.repeat(drive[None], _PAIRS, axis=0)
    return _merge(layer, inputs, first, others)


def warm_up(layer: LayerAlone, drive: IntArray) -> MergeTime:
    """A fresh run beside one that has read the ``drive`` before, at several places of it."""
    steps = len(drive) // 2
    places = np.linspace(0, steps, _OFFSETS + 1).astype(np.int64)[1:]
    warm: dict[str, list[IntArray]] = {name: [] for name in layer.states}
    states, done = layer.first_states(1), 0
    for place in places.tolist():
        run = layer.run(drive[None, done:place], states)
        states, done = {name: run.final[name] for name in states}, place
        for name, value in states.items():
            warm[name].append(value)
    inputs = np.stack([drive[place : place + steps] for place in places])
    warmed = {name: np.concatenate(values) for name, values in warm.items()}
    return _merge(layer, inputs, layer.first_states(len(places)), warmed)


def _merge(
    layer: LayerAlone,
    inputs: IntArray,
    first: Mapping[str, IntArray],
    second: Mapping[str, IntArray],
) -> MergeTime:
    """Twins on raw ``inputs`` [pairs, steps, inputs] from two states each [pairs, units]."""
    pairs, steps = inputs.shape[:2]
    both = np.concatenate([inputs, inputs])
    raw = {name: np.concatenate([first[name], second[name]]) for name in layer.states}
    real = layer.real_states(raw)
    lsb = layer.of_each_unit([state.format.step for state in layer.states.values()])
    apart = np.zeros((4, pairs), np.int64)
    part = max(_PART_VALUES // (len(both) * layer.state_units), 1)
    for begin in range(0, steps, part):
        given = both[:, begin : begin + part]
        at = begin + np.arange(1, given.shape[1] + 1)
        run = layer.run(given, raw)
        behind = layer.joined(layer.before(run))
        raw = {name: run.final[name] for name in raw}
        before, real = layer.reference(given, real)
        floats = layer.joined(before)
        gap = np.abs(behind[:pairs] - behind[pairs:])
        with np.errstate(invalid="ignore"):
            float_gap = np.abs(floats[:pairs] - floats[pairs:])
        for row, near in enumerate(
            (gap == 0, gap <= WITHIN_LSB, float_gap <= lsb / 2, float_gap <= WITHIN_LSB * lsb)
        ):
            last = np.where(~near.all(2), at, 0).max(1)
            apart[row] = np.maximum(apart[row], last)
    ends = [int(row.max()) if (row < steps).all() else None for row in apart]
    merged = int((apart[0] < steps).sum())
    return MergeTime(pairs, steps, WITHIN_LSB, merged, *ends)
