"""The whole network on its machines: layers as a wavefront over the steps of a sequence.

Every layer has its own machine; layer l works on step t while layer l+1 works on step t-1:

    take_l(t) = max(full_l(t), take_l(t-1) + T_l, take_l+1(t-1))
    full_l+1(t) = take_l(t) + T_l

where ``full`` is when a whole vector has arrived and ``take`` when the layer starts on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rnnhw.errors import DesignError, unknown_name
from rnnhw.machine.layers import (
    Basis,
    LayerMachine,
    LayerVariants,
    Multiplier,
    layer_machine,
)
from rnnhw.machine.memory import Memory, MemoryKind
from rnnhw.machine.traffic import Traffic
from rnnhw.network import (
    Last,
    Network,
    Reverse,
    Scan,
    Source,
    Steps,
    TimeNode,
    Total,
    Window,
)

__all__ = ["Accelerator", "LayerChoices", "Span", "accelerator", "layer_choices"]

_TOTAL_CYCLES = 1  # a sum leaves one cycle behind its element


@dataclass(frozen=True)
class Span:
    """The layer at ``index`` on its step ``step``, from cycle ``start`` to before ``end``."""

    index: int
    step: int
    start: int
    end: int


@dataclass(frozen=True)
class Accelerator:
    """Machines in the order of the network.

    ``stages`` are the machines that run as one wavefront; a stage behind the last step, a total
    or a reversal waits until the stage before it has finished the sequence.
    """

    layers: tuple[LayerMachine, ...]
    stages: tuple[tuple[int, ...], ...]
    sources: tuple[tuple[int, ...], ...]

    @property
    def step_interval(self) -> int:
        """Cycles from one step to the next, once the wavefront is full: the slowest layer's."""
        per_step = [layer.cycles for layer in self.layers if not layer.once]
        return max(per_step, default=max(layer.cycles for layer in self.layers))

    @property
    def slowest(self) -> LayerMachine:
        """The layer that sets the step interval."""
        per_step = [layer for layer in self.layers if not layer.once] or list(self.layers)
        return max(per_step, key=lambda layer: layer.cycles)

    @property
    def step_latency(self) -> int:
        """Cycles from the first input element of one step to the last result of its last layer."""
        first = [index for index in self.stages[0] if not self.sources[index]]
        done: dict[int, int] = {}
        for index in self.stages[0]:
            before = [done[source] for source in self.sources[index] if source in done]
            done[index] = max(before, default=0) + self.layers[index].cycles
        return max((self.layers[index].inputs for index in first), default=0) + max(done.values())

    @property
    def tail(self) -> int:
        """Cycles of the layers that run once, after the last step."""
        return sum(layer.cycles for layer in self.layers if layer.once)

    @property
    def macs(self) -> int:
        """Useful MACs of one step, without the layers that run once a sequence."""
        return sum(layer.macs for layer in self.layers if not layer.once)

    @property
    def utilisation(self) -> float | None:
        """Useful MACs a step of what all lanes could do in a step interval."""
        lanes = sum(layer.lanes for layer in self.layers if not layer.once)
        return self.macs / (lanes * self.step_interval) if lanes else None

    @property
    def memories(self) -> tuple[tuple[str, Memory], ...]:
        """Every memory with the name of its layer."""
        return tuple((layer.name, memory) for layer in self.layers for memory in layer.memories)

    def sequence_cycles(self, steps: int) -> int:
        """Cycles from the first input element to the last result of a sequence."""
        return max(span.end for span in self.spans(steps))

    def spans(self, steps: int) -> tuple[Span, ...]:
        """Every layer's work on every step; cycle 0 brings the first input element."""
        found: list[Span] = []
        for position, stage in enumerate(self.stages):
            once = all(self.layers[index].once for index in stage)
            begin = max((span.end for span in found), default=0)
            wave = self._wavefront(stage, 1 if once else steps, from_input=position == 0)
            found += [Span(index, step, begin + at, begin + end) for index, step, at, end in wave]
        return tuple(found)

    def _wavefront(
        self, stage: tuple[int, ...], steps: int, *, from_input: bool
    ) -> list[tuple[int, int, int, int]]:
        """Layer, step, start and end of all work in one stage, from the start of the stage."""
        readers = {
            index: [other for other in stage if index in self.sources[other]] for index in stage
        }
        taken: dict[int, int] = {}
        found = []
        for step in range(steps):
            before, full = dict(taken), dict[int, int]()
            for index in stage:
                layer = self.layers[index]
                mine = [full[source] for source in self.sources[index] if source in full]
                load = layer.inputs if from_input or step else 0
                at = max(mine) if mine else before.get(index, 0) + load
                if step:
                    at = max(at, before[index] + layer.cycles)
                    at = max([at, *(before[reader] for reader in readers[index])])
                taken[index] = at
                full[index] = at + layer.cycles
                found.append((index, step, at, full[index]))
        return found


def _through(node: TimeNode) -> list[TimeNode]:
    """The machines (or the input) that feed ``node``, seen through free time operations."""
    found: list[TimeNode] = []
    for source in node.sources:
        if isinstance(source, Window | Reverse | Last | Steps):
            found.extend(_through(source))
        else:
            found.append(source)
    return found


def _stage(node: TimeNode, known: Mapping[TimeNode, int]) -> int:
    """How many times the sequence had to end before ``node`` can start."""
    found = 0
    for source in node.sources:
        if isinstance(source, Scan | Total | Source):
            # A layer behind a total waits for the end of the sequence; one behind a scan does not.
            found = max(found, known.get(source, 0) + isinstance(source, Total))
        else:
            barrier = isinstance(source, Last | Reverse | Steps)
            found = max(found, _stage(source, known) + barrier)
    return found


def _once(node: TimeNode) -> bool:
    return any(isinstance(s, Last | Total | Steps) or _once(s) for s in node.sources)


def _window_buffer(node: Scan, machine: LayerMachine) -> LayerMachine:
    """The input memory behind a window: a shift buffer of its steps and one that arrives."""
    memories = list(machine.memories)
    inputs = machine.inputs
    for position, source in enumerate(node.sources):
        if not isinstance(source, Window):
            continue
        each = source.sources[0].units
        inputs -= source.units - each
        name = "x" if position == 0 else f"x{position}"
        for index, memory in enumerate(memories):
            if memory.name == name:
                depth = (source.width + 1) * each
                memories[index] = replace(memory, depth=depth)
    return replace(machine, memories=tuple(memories), inputs=inputs)


def _total(node: Total) -> LayerMachine:
    bits = node.units * node.format.width
    depth = 1 << max((node.units - 1).bit_length(), 1)
    return LayerMachine(
        name=node.name,
        lanes=0,
        units=node.units,
        inputs=node.units,
        once=_once(node),
        cycles=_TOTAL_CYCLES,
        macs=0,
        accumulator_bits=0,
        phases=(),
        memories=(Memory("total", MemoryKind.STATE, depth, node.format.width, bits),),
        multipliers=(),
        traffic=Traffic(
            vector_reads=2 * node.units,
            vector_read_bits=bits + node.units * node.sources[0].format.width,
            vector_writes=node.units,
            vector_write_bits=bits,
        ),
        basis=Basis.MODELLED,
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


def accelerator(network: Network, lanes: int | Mapping[str, int] = 1) -> Accelerator:
    """The machines of a network.

    ``lanes`` for every layer (a layer with fewer rows gets as many as it has rows), or by layer
    name (1 where left out).

    Raises:
        DesignError: a layer cannot have its number of lanes; the hint lists those it can have.
    """
    chosen = _lanes(network, lanes)
    exact = not isinstance(lanes, int)
    machines: list[LayerMachine] = []
    where: dict[TimeNode, int] = {}
    stages: dict[TimeNode, int] = {}
    sources: list[tuple[int, ...]] = []
    for node in network.nodes:
        if isinstance(node, Scan):
            given = exact and node.name in lanes  # type: ignore[operator]
            machine = layer_machine(
                node.name, node.graph, chosen[node.name], exact=given, once=_once(node)
            )
            machines.append(_window_buffer(node, machine))
        elif isinstance(node, Total):
            machines.append(_total(node))
        else:
            continue
        where[node] = len(machines) - 1
        stages[node] = _stage(node, stages)
        feeds = dict.fromkeys(where[source] for source in _through(node) if source in where)
        sources.append(tuple(feeds))
    last = max(stages.values(), default=0)
    grouped = tuple(
        tuple(where[node] for node, found in stages.items() if found == stage)
        for stage in range(last + 1)
    )
    return Accelerator(tuple(machines), tuple(s for s in grouped if s), tuple(sources))


# --- choices -----------------------------------------------------------------------------------
class LayerChoices:
    """One layer of a network on each number of lanes that it can have, as :func:`accelerator`
    builds it.

    ``lanes`` are those numbers, ascending; 0 alone for a layer without products.
    """

    def __init__(self, node: Scan | Total) -> None:
        self.name = node.name
        self.once = _once(node)
        self._node = node
        self._variants = (
            LayerVariants(node.name, node.graph, once=self.once) if isinstance(node, Scan) else None
        )
        legal = self._variants.lanes if self._variants else ()
        self.lanes: Sequence[int] = legal or (0,)

    def outline(self, lanes: int) -> tuple[int, tuple[Multiplier, ...]]:
        """The cycles and multipliers of :meth:`machine`, without the work of building the rest."""
        if self._variants is not None:
            return self._variants.outline(lanes)
        machine = self.machine(lanes)
        return machine.cycles, machine.multipliers

    def machine(self, lanes: int) -> LayerMachine:
        """The layer on ``lanes`` lanes."""
        if isinstance(self._node, Total):
            return _total(self._node)
        assert self._variants is not None
        return _window_buffer(self._node, self._variants.machine(lanes))


def layer_choices(network: Network) -> tuple[LayerChoices, ...]:
    """The layers of a network in the order of the accelerator's.

    Raises:
        DesignError: a structure has no feed.
    """
    return tuple(LayerChoices(node) for node in network.nodes if isinstance(node, Scan | Total))
