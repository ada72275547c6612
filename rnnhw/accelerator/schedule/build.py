"""The machines of a network, layer by layer, and how they follow one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rnnhw.accelerator.mapping.layer import (
    Basis,
    LayerMachine,
    LayerVariants,
    Multiplier,
    layer_machine,
)
from rnnhw.accelerator.mapping.memory import Memory, MemoryKind, address_bits
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.traffic import Traffic
from rnnhw.accelerator.schedule.accelerator import Accelerator, Engine
from rnnhw.accelerator.schedule.legality import Arranged, Bandwidth, Stack, arrange
from rnnhw.accelerator.schedule.shared_engine import (
    SharedStep,
    Stint,
    common_memories,
    common_multipliers,
    private,
)
from rnnhw.accelerator.schedule.time_operations import (
    joined,
    obstacles_over_time,
    reads_of,
    reversals,
    runs_once,
    stage_of,
)
from rnnhw.accelerator.schedule.wavefront import Reads
from rnnhw.accelerator.schedule.weight_stream import Streamed, slots_for, streaming_buffer
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError, unknown_name
from rnnhw.graph.network import Network, Scan, Steps, TimeNode, Total, Window

__all__ = ["LaneOptions", "accelerator", "lane_options", "stack_of"]

_TOTAL_CYCLES = 1  # a sum leaves one cycle behind its element


def _windows(node: Scan) -> dict[int, int]:
    """The steps that inputs join, by the inputs' positions."""
    found = {at: joined(source) for at, source in enumerate(node.sources)}
    return {at: window.steps for at, window in found.items() if window is not None}


def _window_buffer(node: Scan, machine: LayerMachine) -> LayerMachine:
    """The input memory behind a window: a shift buffer of its steps and one that arrives."""
    memories = list(machine.memories)
    inputs = machine.inputs
    windows = {
        position: source.width
        for position, source in enumerate(node.sources)
        if isinstance(source, Window)
    }
    counted = {
        position: source.sources[0].units
        for position, source in enumerate(node.sources)
        if isinstance(source, Steps)
    }
    for position, source in enumerate(node.sources):
        if not isinstance(source, Window):
            continue
        each = source.sources[0].units
        inputs -= source.units - each
        name = "x" if position == 0 else f"x{position}"
        for index, memory in enumerate(memories):
            if memory.name == name or memory.name.startswith(f"{name} before "):
                word = memory.width // source.format.width
                depth = (source.width + 1) * each // word
                memories[index] = replace(memory, depth=depth)
    return replace(
        machine, memories=tuple(memories), inputs=inputs, windows=windows, counted=counted
    )


def _total(node: Total) -> LayerMachine:
    width = node.format.signed_width
    bits = node.units * node.format.width
    return LayerMachine(
        name=node.name,
        lanes=0,
        units=node.units,
        inputs=node.units,
        once=runs_once(node),
        cycles=_TOTAL_CYCLES,
        macs=0,
        accumulator_bits=0,
        phases=(),
        memories=(Memory("total", MemoryKind.STATE, 1 << address_bits(node.units), width, bits),),
        multipliers=(),
        traffic=Traffic(
            vector_reads=2 * node.units,
            vector_read_bits=bits + node.units * node.sources[0].format.width,
            vector_writes=node.units,
            vector_write_bits=bits,
        ),
        basis=Basis.REALISED,
        assumptions=(),
    )


def _lanes(network: Network, lanes: int | Mapping[str, int]) -> dict[str, int]:
    names = [scan.name for scan in network.scans]
    given = dict.fromkeys(names, lanes) if isinstance(lanes, int) else dict(lanes)
    for name, count in given.items():
        if name not in names:
            message, hint = unknown_name("layer", name, names)
            raise DesignError(f"lanes: {message}", hint)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise DesignError(
                f"layer {name}: {count!r} lanes are not possible",
                "use a whole number, at least 1",
            )
    return {name: given.get(name, 1) for name in names}


def accelerator(
    network: Network,
    lanes: int | Mapping[str, int] = 1,
    arrangement: Arrangement | None = None,
    bandwidth: Bandwidth | None = None,
) -> Accelerator:
    """The machines of a network.

    ``lanes`` for every layer (a layer with fewer rows gets as many as it has rows), or by layer
    name (1 where left out). ``bandwidth`` is that of the memory that weights are streamed from.

    Raises:
        DesignError: a layer cannot have its number of lanes, or a schedule is not possible; the
            hint lists what is.
    """
    return _arranged(stack_of(network, lanes), arrangement or Arrangement(), bandwidth)


def stack_of(network: Network, lanes: int | Mapping[str, int] = 1) -> Stack:
    """The machines of a network before anything is arranged.

    Raises:
        DesignError: a layer cannot have its number of lanes, or there is no layer.
    """
    if not any(isinstance(node, Scan | Total) for node in network.nodes):
        raise DesignError(
            "no layer computes anything: there is no accelerator", "add one that does"
        )
    chosen = _lanes(network, lanes)
    exact = not isinstance(lanes, int)

    def machine(node: Scan | Total) -> LayerMachine:
        if isinstance(node, Total):
            return _total(node)
        given = exact and node.name in lanes  # type: ignore[operator]
        built = layer_machine(
            node.name,
            node.graph,
            chosen[node.name],
            exact=given,
            once=runs_once(node),
            windows=_windows(node),
        )
        return _window_buffer(node, built)

    return _stacked(network, machine)


def _stacked(network: Network, machine: Callable[[Scan | Total], LayerMachine]) -> Stack:
    machines: list[LayerMachine] = []
    recurrent: list[bool] = []
    reads: list[Reads] = []
    where: dict[TimeNode, int] = {}
    stages: dict[TimeNode, int] = {}
    for node in network.nodes:
        if not isinstance(node, Scan | Total):
            continue
        machines.append(machine(node))
        recurrent.append(isinstance(node, Total) or bool(node.graph.updates))
        reads.append(reads_of(node, where))
        where[node] = len(machines) - 1
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
    """The positions of equal numbers, in the order of the numbers."""
    return tuple(
        tuple(at for at, mine in enumerate(numbers) if mine == number)
        for number in sorted(set(numbers))
    )


def _arranged(stack: Stack, arrangement: Arrangement, bandwidth: Bandwidth | None) -> Accelerator:
    found = arrange(stack, arrangement, bandwidth)
    engine, layers = None, found.layers
    if arrangement.engines == "shared":
        engine = _engine(stack, found)
        layers = tuple(map(private, layers))
    return Accelerator(
        layers,
        stack.stages,
        stack.wavefronts,
        stack.recurrent,
        stack.reads,
        stack.elements,
        found.paces,
        found.steps,
        found.streamed,
        found.overlapped,
        sequences=arrangement.interleave if isinstance(arrangement.interleave, int) else 1,
        engine=engine,
        external_memory=bandwidth.memory if bandwidth and any(found.streamed) else "",
        obstacles=stack.obstacles,
    )


def _engine(stack: Stack, found: Arranged) -> Engine:
    steps, slots = [], 0
    for position, stage in enumerate(stack.stages):
        stints = []
        for index in stage:
            pace = found.paces[index]
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
        replace(layer, memories=tuple(m for m in layer.memories if m.name != "weights"))
        if streamed
        else layer
        for layer, streamed in zip(found.layers, found.streamed, strict=True)
    ]
    outside = [
        layer for layer, streamed in zip(found.layers, found.streamed, strict=True) if streamed
    ]
    buffer = (streaming_buffer(outside, slots),) if outside else ()
    return Engine(
        max(layer.lanes for layer in found.layers),
        (*common_memories(on_chip), *buffer),
        common_multipliers(found.layers),
        tuple(steps),
    )


# --- choices -----------------------------------------------------------------------------------
class LaneOptions:
    """One layer of a network on each number of lanes that it can have, as :func:`accelerator`
    builds it.

    ``lanes`` are those numbers, ascending; 0 alone for a layer without products.
    """

    def __init__(self, node: Scan | Total) -> None:
        self.name = node.name
        self.once = runs_once(node)
        self._node = node
        self._variants = (
            LayerVariants(node.name, node.graph, once=self.once, windows=_windows(node))
            if isinstance(node, Scan)
            else None
        )
        legal = self._variants.lanes if self._variants else ()
        self.lanes: Sequence[int] = legal or (0,)

    def outline(self, lanes: int) -> tuple[int, tuple[Multiplier, ...]]:
        """The cycles and multipliers of :meth:`machine`, without the work of building the rest."""
        if self._variants is not None:
            return self._variants.outline(lanes)
        machine = self.machine(lanes)
        return machine.cycles, machine.multipliers

    def phases(self, lanes: int) -> tuple[Phase, ...]:
        """The phases of :meth:`machine`, without the rest; none where nothing is multiplied."""
        return self._variants.phases(lanes) if self._variants is not None else ()

    def machine(self, lanes: int) -> LayerMachine:
        """The layer on ``lanes`` lanes."""
        if isinstance(self._node, Total):
            return _total(self._node)
        assert self._variants is not None
        return _window_buffer(self._node, self._variants.machine(lanes))


def lane_options(network: Network) -> tuple[LaneOptions, ...]:
    """The layers of a network in the order of the accelerator's.

    Raises:
        DesignError: a structure has no feed.
    """
    return tuple(LaneOptions(node) for node in network.nodes if isinstance(node, Scan | Total))
