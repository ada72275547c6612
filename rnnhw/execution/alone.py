"""Runs one layer of a network alone, on inputs that the caller chooses.

One source holds the raw integers of all that the layer reads, side by side; scans of wiring hand
every source of the layer its part, in the format of that source. So a caller can hold the layer at
any input and start it from any state, in integers and in the float reference. Both run the layer as
they do in its network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.weights import Parameters
from rnnhw.execution.batch import make_batch
from rnnhw.execution.compiler import LANES
from rnnhw.execution.engine import EngineRun, execute, plan_for
from rnnhw.execution.plan import NetworkPlan
from rnnhw.execution.reference import Reference, run_reference
from rnnhw.graph.network import Network, Scan, Source, TimeNode
from rnnhw.graph.nodes import Cast, Gather, Input, Reinterpret, State, StepGraph
from rnnhw.numerics.cast import Q, interval_format, real_values

__all__ = ["LayerAlone", "layer_alone"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)


def layer_alone(scan: Scan) -> Network:
    """The network of one layer; its input is the raw integers of the layer's sources, joined."""
    low = min(0, *(node.interval[0] for node in scan.sources))
    high = max(0, *(node.interval[1] for node in scan.sources))
    word = interval_format(low, high, 0)
    units = sum(node.units for node in scan.sources)
    source = Source(name="input", units=units, format=word, interval=(low, high), sources=())
    parts, first = [], 0
    for index, node in enumerate(scan.sources):
        parts.append(_part(source, node, first, f"{scan.name}.read{index}"))
        first += node.units
    return Network((source, *parts, replace(scan, sources=tuple(parts))))


def _part(source: Source, node: TimeNode, first: int, name: str) -> Scan:
    """The elements of ``source`` from ``first`` on, as ``node`` would give them."""
    word = source.format
    read = Input(
        name="x",
        units=source.units,
        format=word,
        interval=source.interval,
        role="input",
        position=0,
    )
    chosen = Gather(
        name="chosen",
        units=node.units,
        format=word,
        interval=source.interval,
        parts=(read,),
        indices=tuple(range(first, first + node.units)),
    )
    scale = node.format.fraction
    scaled = Reinterpret(
        name="scaled",
        units=node.units,
        format=Q(word.integer - scale, scale, word.signed),
        interval=source.interval,
        a=chosen,
    )
    given = Cast(
        name="given", units=node.units, format=node.format, interval=node.interval, a=scaled
    )
    graph = StepGraph(name, (read, chosen, scaled, given), (), given)
    return Scan(
        name=name,
        units=node.units,
        format=node.format,
        interval=node.interval,
        sources=(source,),
        graph=graph,
    )


@dataclass(frozen=True, eq=False)
class LayerAlone:
    """A recurrent layer with its tensors, run from any states on any raw inputs."""

    scan: Scan
    parameters: Parameters
    isa: str | None = None

    @cached_property
    def network(self) -> Network:
        """The layer alone."""
        return layer_alone(self.scan)

    @property
    def inputs(self) -> int:
        """How many numbers the layer reads at a step."""
        return self.network.source.units

    @cached_property
    def states(self) -> dict[str, State]:
        """The state vectors by name, before the step."""
        graph = self.scan.graph
        return {graph.state_name(state): state for state, _ in graph.updates}

    @property
    def state_units(self) -> int:
        """The elements of all states together."""
        return sum(state.units for state in self.states.values())

    @property
    def reads_zero(self) -> bool:
        """Whether every source of the layer can be zero."""
        return all(low <= 0 <= high for low, high in (s.interval for s in self.scan.sources))

    @cached_property
    def _plan(self) -> NetworkPlan:
        signals = tuple(self._signals.values())
        return plan_for(self.network, self.parameters, LANES, signals, self.isa)

    @cached_property
    def _signals(self) -> dict[str, str]:
        return {name: self.scan.graph.signal(state) for name, state in self.states.items()}

    def first_states(self, sequences: int) -> dict[str, IntArray]:
        """The first states of the design, [sequences, units]."""
        first = {}
        for name, state in self.states.items():
            raw = np.zeros(state.units, np.int64)
            if state.initial is not None:
                raw = self.parameters.raw[state.initial.key].ravel()
            first[name] = np.tile(raw, (sequences, 1))
        return first

    def real_states(self, raw: Mapping[str, IntArray]) -> dict[str, FloatArray]:
        """The real numbers that raw states stand for."""
        return {name: real_values(raw[name], each.format) for name, each in self.states.items()}

    def run(self, inputs: IntArray, states: Mapping[str, IntArray]) -> EngineRun:
        """The engine on raw ``inputs`` [sequences, steps, :attr:`inputs`]."""
        batch = make_batch(self.network, inputs, None, states, raw=True)
        return execute(self._plan, batch, self.isa)

    def before(self, run: EngineRun) -> dict[str, IntArray]:
        """The states before each step of a run, [sequences, steps, units]."""
        return {name: run.traces[signal] for name, signal in self._signals.items()}

    def reference(
        self, inputs: IntArray, states: Mapping[str, FloatArray], finite: bool = False
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """The float reference on the same inputs: the states before each step, and the last."""
        lengths = np.full(inputs.shape[0], inputs.shape[1])
        run = self._reference(inputs.astype(np.float64), lengths, states, finite)
        before = {name: run.traces[signal] for name, signal in self._signals.items()}
        return before, {name: run.final[name] for name in self.states}

    def _reference(
        self, x: FloatArray, lengths: IntArray, states: Mapping[str, FloatArray], finite: bool
    ) -> Reference:
        with np.errstate(over="ignore", invalid="ignore"):
            return run_reference(
                self.network,
                self.parameters,
                x,
                lengths,
                self._signals.values(),
                initial=states,
                finite=finite,
            )

    def joined(self, states: Mapping[str, NDArray[Number]]) -> NDArray[Number]:
        """All states side by side along the last axis."""
        return np.concatenate([states[name] for name in self.states], axis=-1)

    def parted(self, joined: NDArray[Number]) -> dict[str, NDArray[Number]]:
        """The inverse of :meth:`joined`."""
        parts: dict[str, NDArray[Number]] = {}
        first = 0
        for name, state in self.states.items():
            parts[name] = joined[..., first : first + state.units]
            first += state.units
        return parts

    def of_each_unit(self, values: Iterable[Sequence[float] | float]) -> FloatArray:
        """One number a state (its step, say), repeated for all units of the state, and joined."""
        pairs = zip(self.states.values(), values, strict=True)
        return np.concatenate([np.full(state.units, value) for state, value in pairs])
