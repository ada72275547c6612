"""Where recurrent layers come to rest: each runs alone on zero until its integers repeat.

A decaying state should end at zero. Rounding may stop it above: the integers then repeat at a
value that is not zero, while the float state decays on. Such units are named here.

- A layer starts from the states that it had behind the last step of some of the sequences, and
  reads zero at its own inputs.
- It is deterministic, so a state that comes a second time comes for ever: the steps between are
  a cycle, often of one step.
- The float reference starts from its own last states and runs all of :data:`STEPS`, because it
  has no cycle that would end it. It runs only where integers repeat at a value that is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.weights import Parameters
from rnnhw.execution.batch import make_batch
from rnnhw.execution.compiler import LANES, plan_network
from rnnhw.execution.engine import execute
from rnnhw.execution.reference import run_reference
from rnnhw.graph.network import Network, Scan, Source, TimeNode
from rnnhw.graph.nodes import Constant, Input, State, StepGraph
from rnnhw.numerics.cast import Q

__all__ = ["SEQUENCES", "STEPS", "LayerRest", "StateRest", "chosen_sequences", "rest_of"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Vectors = dict[str, IntArray]

SEQUENCES = 16
"""From how many sequences' last states a layer runs, at most."""

STEPS = 4096
"""How long it runs, at most."""

_PART_VALUES = 1 << 22
"""State values that are held at once: bounds the memory, not the result."""
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
    return np.unique(np.linspace(0, count - 1, min(count, SEQUENCES)).round().astype(np.int64))


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
    states = {scan.graph.state_name(state): state for state, _ in scan.graph.updates}
    sequences = len(next(iter(raw.values())))
    still = tuple(StateRest(name, state.units) for name, state in states.items())
    if not all(source.interval[0] <= 0 <= source.interval[1] for source in scan.sources):
        reason = "its input cannot be zero"
        return LayerRest(scan.name, sequences, 0, still, reason)
    alone = _on_zero(scan)
    cycle = _Autonomous(alone, scan, parameters, isa).run({name: raw[name] for name in states})
    heights = {name: height for name, height in cycle.heights.items() if height.any()}
    if not heights:
        return LayerRest(scan.name, sequences, cycle.repeating, still)
    floats = _float_heights(alone, parameters, scan.graph, {name: real[name] for name in states})
    rests = []
    for each in still:
        height = cycle.heights[each.name]
        stuck = (height > 0) & (floats[each.name] < states[each.name].format.step / 2)
        units = tuple(np.flatnonzero(stuck.any(0)).tolist())
        largest = int(height[stuck].max()) if units else 0
        rests.append(replace(each, stuck=units, largest_lsb=largest))
    return LayerRest(scan.name, sequences, cycle.repeating, tuple(rests))


# --- the layer alone ---------------------------------------------------------------------------
def _on_zero(scan: Scan) -> Network:
    """The layer alone; what it reads is zero, whatever the network's own input is."""
    source = Source(name="input", units=1, format=Q(1, 0), interval=(-2, 1), sources=())
    zeros = [
        _zeros(source, node, f"{scan.name}.zero{index}") for index, node in enumerate(scan.sources)
    ]
    return Network((source, *zeros, replace(scan, sources=tuple(zeros))))


def _zeros(source: Source, node: TimeNode, name: str) -> Scan:
    """Zero at every step, as wide as ``node`` and in its format."""
    read = Input(
        name="x", units=1, format=source.format, interval=source.interval, role="input", position=0
    )
    zero = Constant(
        name="zero",
        units=node.units,
        format=node.format,
        interval=node.interval,
        tensor=None,
        values=(0,) * node.units,
    )
    graph = StepGraph(name, (read, zero), (), zero)
    return Scan(
        name=name,
        units=node.units,
        format=node.format,
        interval=node.interval,
        sources=(source,),
        graph=graph,
    )


# --- integers ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Cycle:
    """How many sequences repeat, and the largest magnitude of every state while they do,
    [sequences, units]; zero where a sequence does not repeat."""

    repeating: int
    heights: Vectors


class _Autonomous:
    """Runs a layer on zero and finds where its integer state repeats."""

    def __init__(self, alone: Network, scan: Scan, parameters: Parameters, isa: str | None) -> None:
        names = {scan.graph.state_name(state): state for state, _ in scan.graph.updates}
        self._signals = {name: scan.graph.signal(state) for name, state in names.items()}
        self._units = sum(state.units for state in names.values())
        self._plan = plan_network(alone, parameters, LANES, tuple(self._signals.values()))
        self._network, self._isa = alone, isa

    def _steps(self, states: Vectors, steps: int) -> tuple[Vectors, Vectors]:
        """The states before each of ``steps`` steps, [sequences, steps, units], and behind the
        last."""
        count = len(next(iter(states.values())))
        zero = np.zeros((count, steps, 1), np.int64)
        batch = make_batch(self._network, zero, None, states, raw=True)
        run = execute(self._plan, batch, self._isa)
        before = {name: run.traces[signal] for name, signal in self._signals.items()}
        return before, {name: run.final[name] for name in states}

    def run(self, states: Vectors) -> _Cycle:
        """From ``states`` [sequences, units] on until every sequence repeats, or :data:`STEPS`."""
        count = len(next(iter(states.values())))
        largest = max(_PART_VALUES // (count * self._units), 1)
        seen: list[dict[bytes, int]] = [{} for _ in range(count)]
        periods = np.zeros(count, np.int64)
        reached = {name: np.zeros_like(value) for name, value in states.items()}
        done, part = 0, 16
        while done <= STEPS and not periods.all():
            part = min(4 * part, largest, STEPS + 1 - done)
            before, states = self._steps(states, part)
            joined = np.concatenate(list(before.values()), axis=2)
            for index in np.flatnonzero(periods == 0).tolist():
                for step, row in enumerate(joined[index]):
                    key = blake2b(row.tobytes(), digest_size=16).digest()
                    first = seen[index].setdefault(key, done + step)
                    if first < done + step:
                        periods[index] = done + step - first
                        for name, value in before.items():
                            reached[name][index] = value[index, step]
                        break
            done += part
        return _Cycle(int((periods > 0).sum()), self._heights(reached, periods, largest))

    def _heights(self, states: Vectors, periods: IntArray, largest: int) -> Vectors:
        """The largest magnitudes over one period from ``states`` on."""
        heights = {name: np.abs(value) for name, value in states.items()}
        done, longest = 1, int(periods.max())
        if longest > 1:
            _, states = self._steps(states, 1)
        while done < longest:
            part = min(longest - done, largest)
            before, states = self._steps(states, part)
            inside = (done + np.arange(part) < periods[:, None])[:, :, None]
            for name, value in before.items():
                height = np.where(inside, np.abs(value), 0).max(1)
                heights[name] = np.maximum(heights[name], height)
            done += part
        return {name: np.where(periods[:, None] > 0, h, 0) for name, h in heights.items()}


# --- float -------------------------------------------------------------------------------------
def _float_heights(
    alone: Network,
    parameters: Parameters,
    graph: StepGraph,
    states: dict[str, FloatArray],
) -> dict[str, FloatArray]:
    """The largest magnitudes of the float states over the last steps of :data:`STEPS`, or over
    those where they no longer change, [sequences, units]. What leaves float64 is NaN or
    infinite."""
    signals = {graph.state_name(state): graph.signal(state) for state in _states(graph)}
    count = len(next(iter(states.values())))
    zero = np.zeros((count, _FLOAT_STEPS, 1))
    lengths = np.full(count, _FLOAT_STEPS)
    heights: dict[str, FloatArray] = {}
    for _ in range(0, STEPS, _FLOAT_STEPS):
        run = run_reference(
            alone, parameters, zero, lengths, signals.values(), initial=states, finite=False
        )
        traces = {name: run.traces[signal] for name, signal in signals.items()}
        heights = {name: np.abs(value).max(1) for name, value in traces.items()}
        states = {name: run.final[name] for name in states}
        if all(_settled(traces[name], states[name]) for name in states):
            break
    return heights


def _settled(trace: FloatArray, last: FloatArray) -> bool:
    """Whether a state no longer changes beyond the last bits of float64."""
    with np.errstate(invalid="ignore"):  # what has left float64 never settles
        change = np.abs(trace - last[:, None]).max(1)
    return bool((change <= 1e-12 * np.abs(last)).all())


def _states(graph: StepGraph) -> list[State]:
    return [state for state, _ in graph.updates]
