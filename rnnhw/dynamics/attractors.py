"""Attractors: where a layer ends when its input is held, in integers exactly and in float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.reach import step_edges
from rnnhw.dynamics.model import Amplitude, AttractorReport, DeadBand
from rnnhw.execution.alone import LayerAlone
from rnnhw.execution.cycles import Cycles, find_cycles

__all__ = ["Attractors", "dead_band_starts", "held", "random_states"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

STEPS = 4096
"""A cycle is looked for within so many steps; the float layer runs as many."""

_PART_STEPS = 256
_STARTS = 48
_TRIED_BITS = 10
"""The widest word of which every value is a start, where units see themselves alone."""


@dataclass(frozen=True, eq=False)
class _Settling:
    """The float runs: by state the largest magnitudes and the swings of the last
    :data:`_PART_STEPS` steps [sequences, units]; the steps until every unit stays within half an
    LSB of its end [sequences]; whether a run has such an end; and how many such ends there are."""

    heights: Mapping[str, FloatArray]
    swings: Mapping[str, FloatArray]
    steps: IntArray
    settled: NDArray[np.bool_]
    distinct: int


@dataclass(frozen=True, eq=False)
class Attractors:
    """The cycles of a layer at held inputs, and what its float reference does."""

    layer: LayerAlone
    cycles: Cycles
    floats: _Settling

    def report(self, words: str) -> AttractorReport:
        """The figures; ``words`` say what is held."""
        cycles, floats = self.cycles, self.floats
        repeats = cycles.periods > 0
        everywhere = bool(repeats.all())
        transients = cycles.transients[repeats]
        settled = bool(floats.settled.all())
        return AttractorReport(
            held=words,
            runs=len(repeats),
            steps=STEPS,
            repeating=cycles.repeating,
            distinct=len(self._entries(repeats)),
            longest_period=int(cycles.periods.max()) if repeats.any() else None,
            transient=float(np.median(transients)) if repeats.any() else None,
            longest_transient=int(transients.max()) if everywhere else None,
            float_settled=int(floats.settled.sum()),
            float_distinct=floats.distinct,
            float_transient=int(floats.steps.max()) if settled else None,
            amplitudes=tuple(self._amplitudes()),
        )

    def _entries(self, repeats: NDArray[np.bool_]) -> set[tuple[bytes, ...]]:
        """Keys that tell the cycles apart: their periods and the bounds of every unit."""
        parts = [self.cycles.periods[:, None]]
        for name in self.layer.states:
            parts += [self.cycles.least[name], self.cycles.most[name]]
        rows = np.concatenate(parts, axis=1)[repeats]
        return {(row.tobytes(),) for row in rows}

    def _amplitudes(self) -> list[Amplitude]:
        found = []
        for name, state in self.layer.states.items():
            height = int(self.cycles.heights[name].max(initial=0))
            swing = int((self.cycles.most[name] - self.cycles.least[name]).max(initial=0))
            ends = self.floats.heights[name], self.floats.swings[name]
            value, moved = (_finite(float(end.max(initial=0))) for end in ends)
            if self.cycles.repeating:
                real = height * state.format.step
                found.append(Amplitude(name, height, swing, real, value, moved))
            else:
                found.append(Amplitude(name, None, None, None, value, moved))
        return found

    def dead_bands(self, exact: bool) -> list[DeadBand]:
        """Of every state the largest magnitude that only the integers keep."""
        found = []
        for name, state in self.layer.states.items():
            height, step = self.cycles.heights[name], state.format.step
            kept = np.where(self.floats.heights[name] < step / 2, height, 0)
            largest = int(kept.max(initial=0))
            if not self.cycles.repeating:
                found.append(DeadBand(name, None, None, False))
                continue
            everywhere = exact and bool((self.cycles.periods > 0).all())
            found.append(DeadBand(name, largest, largest * step, everywhere))
        return found


def held(layer: LayerAlone, inputs: IntArray, states: Mapping[str, IntArray]) -> Attractors:
    """Run ``layer`` from ``states`` [sequences, units] with ``inputs`` [sequences, inputs] held."""
    cycles = find_cycles(layer, inputs, dict(states), STEPS)
    return Attractors(layer, cycles, _settling(layer, inputs, layer.real_states(states)))


def random_states(layer: LayerAlone, count: int, seed: int) -> dict[str, IntArray]:
    """Raw states all over their formats: the two corners first, then random ones."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, state in layer.states.items():
        low, high = state.format.lowest, state.format.max
        values = rng.integers(low, high, (count, state.units), endpoint=True)
        values[:1], values[1:2] = high, low
        found[name] = values
    return found


def dead_band_starts(
    layer: LayerAlone, last: Mapping[str, IntArray]
) -> tuple[dict[str, IntArray], bool]:
    """The states from which a dead band is looked for, and whether they are all that matter.

    Where every unit sees itself alone, a run for each value of the word tries every state of every
    unit; else the ``last`` states of the task, the corners and random states.
    """
    if len(layer.states) == 1:
        [(name, state)] = layer.states.items()
        edges = step_edges(layer.scan.graph, layer.parameters.raw)
        alone = bool((edges <= np.eye(state.units, dtype=bool)).all())
        if alone and state.format.width <= _TRIED_BITS:
            values = np.arange(state.format.lowest, state.format.max + 1)
            return {name: np.repeat(values[:, None], state.units, axis=1)}, True
    found = random_states(layer, _STARTS, 0)
    return {name: np.concatenate([last[name], found[name]]) for name in found}, False


def _settling(layer: LayerAlone, inputs: IntArray, states: Mapping[str, FloatArray]) -> _Settling:
    half = layer.of_each_unit([s.format.step / 2 for s in layer.states.values()])
    held_inputs = np.repeat(inputs[:, None], _PART_STEPS, axis=1)
    first, now = dict(states), dict(states)
    parts = 0
    while True:
        before, now = layer.reference(held_inputs, now)
        parts += 1
        joined, last = layer.joined(before), layer.joined(now)
        with np.errstate(invalid="ignore"):
            near = np.asarray(np.abs(joined - last[:, None]) <= half, np.bool_)
        still = np.asarray(near.all(axis=(1, 2)), np.bool_)
        if parts * _PART_STEPS >= STEPS or bool(still.all()):
            break
    heights = {name: np.abs(value).max(1) for name, value in before.items()}
    with np.errstate(invalid="ignore"):
        swings = {name: np.ptp(value, axis=1) for name, value in before.items()}
    # Once more from the start, now that the ends are known.
    steps, now = np.zeros(len(inputs), np.int64), first
    for part in range(parts):
        before, now = layer.reference(held_inputs, now)
        with np.errstate(invalid="ignore"):
            away = ~(np.abs(layer.joined(before) - last[:, None]) <= half).all(2)
        at = part * _PART_STEPS + np.arange(1, _PART_STEPS + 1)
        steps = np.maximum(steps, np.where(away, at, 0).max(1))
    return _Settling(heights, swings, steps, still, _distinct(last[still], 2 * half))


def _distinct(points: FloatArray, apart: FloatArray) -> int:
    """How many of ``points`` [points, units] differ by more than ``apart`` in some unit."""
    found: list[FloatArray] = []
    for point in points:
        if all((np.abs(point - other) > apart).any() for other in found):
            found.append(point)
    return len(found)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
