"""Where recurrent layers come to rest: each runs alone on zero until its integers repeat.

A decaying state should end at zero. Rounding may stop it above: the integers then repeat at a
value that is not zero, while the float state decays on. Such units are named here.

- A layer starts from the states that it had behind the last step of some of the sequences, and
  reads zero at its inputs.
- It is deterministic, so a state that comes a second time comes for ever: the steps between are
  a cycle, often of one step.
- The float reference starts from the float states of that step and runs all of :data:`STEPS`,
  because no cycle ends it. It runs only where integers repeat at a value that is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.weights import Parameters
from rnnhw.execution.alone import LayerAlone
from rnnhw.execution.cycles import find_cycles
from rnnhw.graph.network import Network, Scan

__all__ = [
    "SEQUENCES",
    "STEPS",
    "LayerRest",
    "StateRest",
    "chosen_sequences",
    "float_heights",
    "rest_of",
]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

SEQUENCES = 16
"""From how many sequences' last states a layer runs, at most."""

STEPS = 4096
"""How long it runs, at most."""

_FLOAT_STEPS = 256
"""Steps of the reference between two looks at whether it still changes."""


@dataclass(frozen=True)
class StateRest:
    """The units of one state vector that stop.

    ``stuck`` units repeat at a value that is not zero, of at most ``largest_lsb`` steps of the
    state's format, while their reference is below half such a step.
    """

    name: str
    units: int
    stuck: tuple[int, ...] = ()
    largest_lsb: int = 0


@dataclass(frozen=True)
class LayerRest:
    """One recurrent layer: in ``repeating`` of ``sequences`` runs its integers repeat.

    ``skipped`` says why it could not be run.
    """

    layer: str
    sequences: int
    repeating: int
    states: tuple[StateRest, ...]
    skipped: str = ""


def chosen_sequences(count: int) -> IntArray:
    """At most :data:`SEQUENCES` of ``count`` sequences, evenly spaced, first and last included."""
    spread = np.linspace(0, count - 1, min(count, SEQUENCES)).round().astype(np.int64)
    # np.unique would import numpy.ma, which takes 10 ms.
    return np.array(list(dict.fromkeys(spread.tolist())), np.int64)


def rest_of(
    network: Network,
    parameters: Parameters,
    raw: Mapping[str, IntArray],
    real: Mapping[str, FloatArray],
    isa: str | None = None,
) -> list[LayerRest]:
    """Every recurrent layer on zero input.

    Args:
        network: its layers are run.
        parameters: their tensors.
        raw: integer states by name, [sequences, units], that the layers start from.
        real: the same of the float reference.
        isa: the instruction set.
    """
    return [
        _layer_rest(scan, parameters, raw, real, isa)
        for scan in network.scans
        if scan.graph.updates
    ]


def _layer_rest(
    scan: Scan,
    parameters: Parameters,
    raw: Mapping[str, IntArray],
    real: Mapping[str, FloatArray],
    isa: str | None,
) -> LayerRest:
    layer = LayerAlone(scan, parameters, isa)
    sequences = len(next(iter(raw.values())))
    still = tuple(StateRest(name, state.units) for name, state in layer.states.items())
    if not layer.reads_zero:
        reason = "its input cannot be zero"
        return LayerRest(scan.name, sequences, 0, still, reason)
    zero = np.zeros((sequences, layer.inputs), np.int64)
    cycles = find_cycles(layer, zero, {name: raw[name] for name in layer.states}, STEPS)
    heights = cycles.heights
    if not any(height.any() for height in heights.values()):
        return LayerRest(scan.name, sequences, cycles.repeating, still)
    floats = float_heights(layer, zero, {name: real[name] for name in layer.states}, STEPS)
    rests = []
    for each in still:
        height = heights[each.name]
        step = layer.states[each.name].format.step
        stuck = (height > 0) & (floats[each.name] < step / 2)
        units = tuple(np.flatnonzero(stuck.any(0)).tolist())
        largest = int(height[stuck].max()) if units else 0
        rests.append(replace(each, stuck=units, largest_lsb=largest))
    return LayerRest(scan.name, sequences, cycles.repeating, tuple(rests))


# --- float -------------------------------------------------------------------------------------
def float_heights(
    layer: LayerAlone, inputs: IntArray, states: Mapping[str, FloatArray], limit: int
) -> dict[str, FloatArray]:
    """The largest magnitudes of the float states over the last of ``limit`` steps, or over those
    where they no longer change, [sequences, units]. What leaves float64 is NaN or infinite.

    ``inputs``, raw [sequences, inputs], are read at every step.
    """
    held = np.repeat(inputs[:, None], _FLOAT_STEPS, axis=1)
    heights: dict[str, FloatArray] = {}
    for _ in range(0, limit, _FLOAT_STEPS):
        traces, states = layer.reference(held, states)
        heights = {name: np.abs(value).max(1) for name, value in traces.items()}
        if all(_settled(traces[name], states[name]) for name in states):
            break
    return heights


def _settled(trace: FloatArray, last: FloatArray) -> bool:
    """Whether a state no longer changes beyond the last bits of float64."""
    with np.errstate(invalid="ignore"):  # what has left float64 never settles
        change = np.abs(trace - last[:, None]).max(1)
    return bool((change <= 1e-12 * np.abs(last)).all())
