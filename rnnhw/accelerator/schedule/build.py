"""Builds the accelerator of a network: maps every layer to lanes and applies the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rnnhw.accelerator.mapping.input_window import InputWindow
from rnnhw.accelerator.mapping.layer import Basis, LayerMachine, layer_machine
from rnnhw.accelerator.mapping.mapped_layer import MappedLayer, StepMapping, map_layer
from rnnhw.accelerator.mapping.memory import Memory, MemoryRole, address_bits
from rnnhw.accelerator.mapping.multipliers import Multiplier
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.traffic import traffic_of
from rnnhw.accelerator.schedule.accelerator import Accelerator, Engine
from rnnhw.accelerator.schedule.assumptions import with_assumptions
from rnnhw.accelerator.schedule.legality import Bandwidth, LayerPaces, Stack, arrange
from rnnhw.accelerator.schedule.shared_engine import (
    SharedStep,
    Stint,
    common_memories,
    common_multipliers,
    private,
)
from rnnhw.accelerator.schedule.time_operations import (
    obstacles_over_time,
    reads_of,
    reversals,
    stage_of,
    window_source,
)
from rnnhw.accelerator.schedule.wavefront import Reads
from rnnhw.accelerator.schedule.weight_stream import Streamed, slots_for, streaming_buffer
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError, unknown_name
from rnnhw.graph.network import Network, Scan, Steps, TimeNode, Total, runs_once

__all__ = ["LaneOptions", "accelerator", "lane_options", "stack_of"]

_TOTAL_CYCLES = 1  # from the last element to the sum


def _windows(node: Scan) -> dict[int, InputWindow]:
    """The inputs of a layer that join several steps, by position."""
    sources = {at: window_source(source) for at, source in enumerate(node.sources)}
    return {at: source.window for at, source in sources.items() if source is not None}


def _window_buffer(
    node: Scan, windows: Mapping[int, InputWindow], machine: LayerMachine
) -> LayerMachine:
    """Returns the layer with a ring buffer as the memory of every windowed input: the steps of the
    window, and the step that arrives."""
    memories = list(machine.memories)
    inputs = machine.inputs
    counted = {
        position: source.sources[0].units
        for position, source in enumerate(node.sources)
        if isinstance(source, Steps)
    }
    for position, window in windows.items():
        source = node.sources[position]
        step_units = source.units // window.steps
        inputs -= source.units - step_units
        for index, memory in enumerate(memories):
            if memory.input_position == position:
                word = memory.width // source.format.width
                memories[index] = replace(
                    memory,
                    role=MemoryRole.WINDOW_BUFFER,
                    depth=(window.steps + 1) * step_units // word,
                    writes=0,
                    arrivals=memory.writes // window.steps,
                )
    # A layer that runs once a sequence still receives a vector at every step.
    traffic = traffic_of(memories, arriving=not machine.once)
    return replace(
        machine, memories=tuple(memories), inputs=inputs, traffic=traffic, counted=counted
    )


def _total(node: Total) -> LayerMachine:
    """The machine of a sum over time."""
    accesses = node.units if node.units > 1 else 0  # one sum lies in a register
    memory = Memory(
        "total",
        MemoryRole.TOTAL,
        1 << address_bits(node.units),
        node.format.signed_width,
        node.units * node.format.width,
        reads=accesses,
        writes=accesses,
    )
    return LayerMachine(
        name=node.name,
        lanes=0,
        units=node.units,
        inputs=node.units,
        once=runs_once(node),
        cycles=_TOTAL_CYCLES,
        memories=(memory,),
        multipliers=(),
        traffic=traffic_of([memory]),
        basis=Basis.REALISED,
        assumptions=(),
    )


def _lanes(network: Network, lanes: int | Mapping[str, int]) -> dict[str, int]:
    """Returns the lanes of every layer by name; 1 for layers that ``lanes`` does not name."""
    names = [scan.name for scan in network.scans]
    by_name = dict.fromkeys(names, lanes) if isinstance(lanes, int) else dict(lanes)
    for name, count in by_name.items():
        if name not in names:
            message, hint = unknown_name("layer", name, names)
            raise DesignError(f"lanes: {message}", hint)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise DesignError(
                f"layer {name}: {count!r} lanes are not possible",
                "use a whole number, at least 1",
            )
    return {name: by_name.get(name, 1) for name in names}


def accelerator(
    network: Network,
    lanes: int | Mapping[str, int] = 1,
    arrangement: Arrangement | None = None,
    bandwidth: Bandwidth | None = None,
    *,
    options: Sequence[LaneOptions] | None = None,
) -> Accelerator:
    """Returns the accelerator that runs ``network``.

    Args:
        network: the network.
        lanes: for every layer (a layer with fewer rows gets as many as it has rows), or by layer
            name (1 for layers that are not named).
        arrangement: the schedule; None for one layer after the other.
        bandwidth: of the memory from which weights are streamed.
        options: the :func:`lane_options` of the network, to reuse their mapping.

    Raises:
        DesignError: a layer cannot have its number of lanes, or a schedule is not legal; the hint
            lists what is.
    """
    stack = stack_of(network, lanes, options=options)
    return _accelerator(stack, arrangement or Arrangement(), bandwidth)


def stack_of(
    network: Network,
    lanes: int | Mapping[str, int] = 1,
    *,
    options: Sequence[LaneOptions] | None = None,
) -> Stack:
    """Returns the machines of a network before a schedule is applied; the arguments are those of
    :func:`accelerator`.

    Raises:
        DesignError: a layer cannot have its number of lanes, or there is no layer.
    """
    if not any(isinstance(node, Scan | Total) for node in network.nodes):
        raise DesignError(
            "no layer computes anything: there is no accelerator", "add one that does"
        )
    chosen = _lanes(network, lanes)
    by_name = set() if isinstance(lanes, int) else set(lanes)
    return _stacked(
        network,
        [
            layer.machine(layer.legal(chosen.get(layer.name, 0), exact=layer.name in by_name))
            for layer in options or lane_options(network)
        ],
    )


def _stacked(network: Network, machines: Sequence[LayerMachine]) -> Stack:
    """The machines with what they read, and their groups between waits."""
    recurrent: list[bool] = []
    reads: list[Reads] = []
    where: dict[TimeNode, int] = {}
    stages: dict[TimeNode, int] = {}
    for node in network.nodes:
        if not isinstance(node, Scan | Total):
            continue
        recurrent.append(isinstance(node, Total) or bool(node.graph.updates))
        reads.append(reads_of(node, where))
        where[node] = len(where)
        stages[node] = stage_of(node, stages)
    return Stack(
        tuple(machines),
        _grouped([stages[node] for node in where]),
        _grouped([reversals(node) for node in where]),
        tuple(recurrent),
        tuple(reads),
        network.source.units,
        tuple(obstacles_over_time(network)),
    )


def _grouped(numbers: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The positions of equal numbers, in ascending order of the numbers."""
    return tuple(
        tuple(position for position, number in enumerate(numbers) if number == value)
        for value in sorted(set(numbers))
    )


def _accelerator(
    stack: Stack, arrangement: Arrangement, bandwidth: Bandwidth | None
) -> Accelerator:
    """The accelerator of ``stack`` under a schedule."""
    stack = with_assumptions(stack, arrangement)
    paced = arrange(stack, arrangement, bandwidth)
    engine, layers = None, paced.layers
    if arrangement.engines == "shared":
        engine = _engine(stack, paced)
        layers = tuple(map(private, layers))
    return Accelerator(
        layers,
        stack.stages,
        stack.wavefronts,
        stack.recurrent,
        stack.reads,
        stack.elements,
        paced.paces,
        paced.steps,
        paced.streamed,
        paced.overlapped,
        sequences=arrangement.interleave if isinstance(arrangement.interleave, int) else 1,
        engine=engine,
        external_memory=bandwidth.memory if bandwidth and any(paced.streamed) else "",
        obstacles=stack.obstacles,
    )


def _engine(stack: Stack, paced: LayerPaces) -> Engine:
    """The shared engine of all layers."""
    steps, slots = [], 0
    for position, stage in enumerate(stack.stages):
        stints = []
        for index in stage:
            pace = paced.paces[index]
            groups = pace.groups if isinstance(pace, Streamed) else ()
            lead = pace.lead if isinstance(pace, Streamed) else 0
            stints.append(Stint(pace.cycles, groups, lead))
        arriving = [stack.layers[k].inputs for k in stage if not stack.sources[k]]
        step = SharedStep(tuple(stints), max(arriving, default=0) if position == 0 else 0)
        if step.groups:
            step = replace(step, slots=slots_for(step.groups))
            slots = max(slots, step.slots)
        steps.append(step)
    on_chip = [
        replace(
            layer, memories=tuple(m for m in layer.memories if m.role is not MemoryRole.WEIGHTS)
        )
        if streamed
        else layer
        for layer, streamed in zip(paced.layers, paced.streamed, strict=True)
    ]
    outside = [
        layer for layer, streamed in zip(paced.layers, paced.streamed, strict=True) if streamed
    ]
    buffer = (streaming_buffer(outside, slots),) if outside else ()
    return Engine(
        max(layer.lanes for layer in paced.layers),
        (*common_memories(on_chip), *buffer),
        common_multipliers(paced.layers),
        tuple(steps),
    )


# --- lanes -------------------------------------------------------------------------------------
class LaneOptions:
    """One layer of a network on any legal number of lanes, as :func:`accelerator` builds it.

    A mapping and a machine are computed when they are first needed, once a number of lanes.
    """

    def __init__(self, node: Scan | Total) -> None:
        self.name = node.name
        self.once = runs_once(node)
        self._node = node
        self._step = StepMapping(node.graph, _windows(node)) if isinstance(node, Scan) else None
        self._mapped: dict[int, MappedLayer] = {}
        self._machines: dict[int, LayerMachine] = {}

    @property
    def lanes(self) -> Sequence[int]:
        """The numbers of lanes, ascending; 0 alone for a layer without products.

        Raises:
            DesignError: a structure has no feed.
        """
        return (self._step.legal_lanes if self._step else ()) or (0,)

    def legal(self, lanes: int, *, exact: bool) -> int:
        """Returns the lanes that the layer uses of ``lanes``: fewer if it has fewer rows.

        Raises:
            DesignError: the number is not legal for the layer (with ``exact``: not this very
                number), or its structure has no feed.
        """
        if self.lanes[-1] == 0:
            return 0
        chosen = lanes if exact else min(lanes, self.lanes[-1])
        if chosen not in self.lanes:
            raise _illegal(self.name, self.lanes, chosen)
        return chosen

    def mapping(self, lanes: int) -> MappedLayer:
        """The layer's step on ``lanes`` lanes. A sum over time has none: it must not be asked."""
        assert self._step is not None
        if lanes not in self._mapped:
            self._mapped[lanes] = map_layer(self._step, lanes)
        return self._mapped[lanes]

    def outline(self, lanes: int) -> tuple[int, tuple[Multiplier, ...]]:
        """The cycles and multipliers of :meth:`machine`, without building its memories."""
        layer = self.machine(lanes) if self._step is None else self.mapping(lanes)
        return layer.cycles, layer.multipliers

    def phases(self, lanes: int) -> tuple[Phase, ...]:
        """The phases of :meth:`machine`; none for a sum over time."""
        return self.mapping(lanes).phases if self._step is not None else ()

    def machine(self, lanes: int) -> LayerMachine:
        """The layer on ``lanes`` lanes."""
        if lanes not in self._machines:
            self._machines[lanes] = self._built(lanes)
        return self._machines[lanes]

    def _built(self, lanes: int) -> LayerMachine:
        if isinstance(self._node, Total):
            return _total(self._node)
        try:
            layer = layer_machine(self.name, self.mapping(lanes), once=self.once)
        except DesignError as error:  # of its sums: lanes are legal here
            raise error.at(self.name) from None
        assert self._step is not None
        return _window_buffer(self._node, self._step.windows, layer)


def _illegal(name: str, legal: Sequence[int], lanes: int) -> DesignError:
    """The error for a number of lanes that a layer cannot have, with the numbers that it can."""
    if not 1 <= lanes <= legal[-1]:
        reason = f"it has {legal[-1]} rows"
    elif isinstance(legal, range):
        reason = f"its columns need all {legal.step} rows of a unit on the lanes together"
    else:
        reason = "its columns need all rows of a unit on the lanes together, or rows of one block"
    if isinstance(legal, range):
        every = f"multiples of {legal.step} from" if legal.step > 1 else "from"
        every = f"{every} {legal[0]} to {legal[-1]}"
    else:
        every = ", ".join(map(str, legal[:12])) + (" ..." if len(legal) > 12 else "")
    return DesignError(
        f"layer {name}: {lanes} lanes are not possible: {reason}",
        f"use {every}, for this layer alone with lanes={{{name!r}: {legal[0]}}}",
    )


def lane_options(network: Network) -> tuple[LaneOptions, ...]:
    """Returns the layers of a network, in the accelerator's order."""
    return tuple(LaneOptions(node) for node in network.nodes if isinstance(node, Scan | Total))
