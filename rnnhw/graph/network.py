"""The network over time: a closed set of operations on whole sequences.

A :class:`Scan` runs a step graph at every step; the other operations rearrange or reduce
sequences. Steps past a sequence's length do not exist: they change no state, output, count or
event. There is no feedback between layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.errors import DesignError, UsageError, check_name, unknown_name
from rnnhw.graph.builder import Formats, FormatScope, MissingFormat, StepBuilder
from rnnhw.graph.nodes import Cast, Matvec, Node, State, StepGraph, Tensor
from rnnhw.numerics.cast import Interval, Q, interval_format

__all__ = [
    "TIME_OPERATIONS",
    "Last",
    "Network",
    "NetworkBuilder",
    "Reverse",
    "Scan",
    "Source",
    "Steps",
    "TimeNode",
    "Total",
    "Window",
    "event_signals",
    "runs_once",
    "time_table",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class TimeNode:
    """A sequence of vectors: ``units`` raw integers of ``format`` at every step."""

    name: str
    units: int
    format: Q
    interval: Interval
    sources: tuple[TimeNode, ...]

    def length(self, steps: int) -> int:
        """Steps that this operation gives for a source of ``steps`` steps."""
        return steps

    def steps_for(self, inputs: int) -> int:
        """Steps that this operation gives for a network input of ``inputs`` steps."""
        return self.length(self.sources[0].steps_for(inputs) if self.sources else inputs)

    def lengths_for(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The same for the length of every sequence, [sequences]."""
        known, places = np.unique(np.asarray(inputs, np.int64), return_inverse=True)
        return np.array([self.steps_for(steps) for steps in known.tolist()], np.int64)[places]


@dataclass(frozen=True, eq=False, kw_only=True)
class Source(TimeNode):
    """The input of the network."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Scan(TimeNode):
    """A step graph, run at every step with its state carried on. ``kind`` is the class of the layer
    that wrote it, for people; empty where a plain function did."""

    graph: StepGraph
    kind: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Reverse(TimeNode):
    """The steps in opposite order."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Window(TimeNode):
    """``width`` consecutive steps as one vector, oldest first; whole windows only."""

    width: int

    def length(self, steps: int) -> int:
        return max(steps - self.width + 1, 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Last(TimeNode):
    """The last step alone."""

    def length(self, steps: int) -> int:
        return 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Total(TimeNode):
    """The exact sum over all steps, of which there are at most ``max_steps``."""

    max_steps: int

    def length(self, steps: int) -> int:
        return 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Steps(TimeNode):
    """The number of steps of the source, as a vector of one unit."""

    max_steps: int

    def length(self, steps: int) -> int:
        return 1


TIME_OPERATIONS: tuple[type[TimeNode], ...] = (
    Source,
    Scan,
    Reverse,
    Window,
    Last,
    Total,
    Steps,
)
"""The closed set."""

Meaning = TypeVar("Meaning")
Kind = TypeVar("Kind", bound=TimeNode)


def time_table(table: Mapping[type, Meaning]) -> Mapping[type, Meaning]:
    """``table`` itself, if it gives every time operation a meaning.

    Raises:
        TypeError: an operation is missing or one too many is there.
    """
    if set(table) != set(TIME_OPERATIONS):
        names = sorted(op.__name__ for op in set(table) ^ set(TIME_OPERATIONS))
        raise TypeError(f"time operation table: missing or unknown {names}")
    return table


@dataclass(frozen=True, eq=False)
class Network:
    """Time operations in an order in which sources come first.

    ``outputs`` are what the network gives, in the order of the design; the last operation alone
    where none are named. Every operation but the input leads to one of them.
    """

    nodes: tuple[TimeNode, ...]
    outputs: tuple[TimeNode, ...] = ()

    def __post_init__(self) -> None:
        if not self.outputs:
            object.__setattr__(self, "outputs", self.nodes[-1:])

    @property
    def source(self) -> Source:
        """The input of the network."""
        node = self.nodes[0]
        assert isinstance(node, Source)
        return node

    @property
    def output(self) -> TimeNode:
        """The network's output; of several outputs the first, which a task judges."""
        return self.outputs[0]

    def output_named(self, name: str) -> TimeNode:
        """One of the outputs.

        Raises:
            UsageError: none has this name.
        """
        outputs = {node.name: node for node in self.outputs}
        if name not in outputs:
            raise UsageError(*unknown_name("output", name, outputs))
        return outputs[name]

    def only(self, output: TimeNode) -> Network:
        """What ``output`` depends on, as a network of this output alone, its last operation."""
        if self.nodes[-1] is output and self.outputs == (output,):
            return self
        needed = _needed([output])
        nodes = (node for node in self.nodes if node in needed and node is not output)
        return Network((*nodes, output))

    @property
    def scans(self) -> tuple[Scan, ...]:
        """The layers that run a step graph, in order."""
        return tuple(node for node in self.nodes if isinstance(node, Scan))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor that the weights file must hold."""
        return tuple(tensor for scan in self.scans for tensor in scan.graph.tensors)

    @property
    def max_steps(self) -> int | None:
        """The longest sequence for which the words of all totals suffice; None: no limit."""
        limits = [node.max_steps for node in self.nodes if isinstance(node, Total | Steps)]
        return min(limits, default=None)

    def states(self) -> dict[str, Node]:
        """The state vectors by name (``rnn.state``), with their nodes before the step."""
        return {
            scan.graph.state_name(state): state
            for scan in self.scans
            for state, _ in scan.graph.updates
        }

    def first_states(self) -> dict[str, tuple[str, State]]:
        """By the keys under which data may give first values: the states' names and nodes."""
        return {
            state.first or scan.graph.state_name(state): (scan.graph.state_name(state), state)
            for scan in self.scans
            for state, _ in scan.graph.updates
        }

    @cached_property
    def _signals(self) -> Mapping[str, tuple[Scan, Node]]:
        """The layer and node of every signal: a run asks for each by its name."""
        return {name: (scan, node) for scan in self.scans for name, node in scan.graph.signals()}

    def signals(self) -> dict[str, Node]:
        """Every signal of every layer by its full name."""
        return {name: node for name, (_, node) in self._signals.items()}

    def scan_of(self, signal: str) -> Scan:
        """The layer that a signal belongs to.

        Raises:
            DesignError: there is no such signal.
        """
        return self._signal(signal)[0]

    def signal(self, name: str) -> Node:
        """The node of one signal.

        Raises:
            DesignError: there is none of this name.
        """
        return self._signal(name)[1]

    def _signal(self, name: str) -> tuple[Scan, Node]:
        if name not in self._signals:
            raise DesignError(*unknown_name("signal", name, self._signals))
        return self._signals[name]


_MANY_STEPS = (1 << 40, (1 << 40) + 1)
"""Two lengths beyond any window: sources that agree on both agree on all."""


class NetworkBuilder:
    """Writes a :class:`Network`; a layer's only tool."""

    def __init__(
        self,
        units: int,
        format: Q,
        formats: Formats,
        overrides: Mapping[str, Q],
        max_steps: int | None,
        missing: list[MissingFormat] | None = None,
    ) -> None:
        self._formats = formats
        self._overrides = overrides
        self._max_steps = max_steps
        self._missing = missing
        interval = (format.lowest, format.max)
        self.source = Source(
            name="input", units=units, format=format, interval=interval, sources=()
        )
        self._nodes: list[TimeNode] = [self.source]
        self._ends: list[TimeNode] = []

    def scan(
        self,
        name: str,
        sources: Sequence[TimeNode],
        step: Callable[..., Node],
        formats: Formats,
    ) -> Scan:
        """Run the step that ``step(g, *inputs)`` writes; ``name`` is the layer's.

        Raises:
            DesignError: the sources do not have equally many steps, or the step is wrong.
        """
        for inputs in _MANY_STEPS:
            if len({source.steps_for(inputs) for source in sources}) > 1:
                names = ", ".join(repr(source.name) for source in sources)
                raise DesignError(f"{names} do not have equally many steps", "read them apart")
        g = StepBuilder(FormatScope(name, self._overrides, (formats, self._formats), self._missing))
        vectors = [g.input(source.units, source.format, source.interval) for source in sources]
        graph = g.build(step(g, *vectors))
        out = graph.output
        return self._put(
            Scan(
                name=name,
                units=out.units,
                format=out.format,
                interval=out.interval,
                sources=tuple(sources),
                graph=graph,
                kind=type(writer).__name__ if (writer := getattr(step, "__self__", None)) else "",
            )
        )

    def reverse(self, source: TimeNode, name: str) -> Reverse:
        """The steps of ``source`` in opposite order."""
        return self._put(_like(Reverse, source, name))

    def window(self, source: TimeNode, name: str, width: int) -> Window:
        """``width`` consecutive steps of ``source`` as one vector."""
        if width < 1:
            raise DesignError(f"a window of {width} steps", "use at least one")
        return self._put(_like(Window, source, name, units=source.units * width, width=width))

    def last(self, source: TimeNode, name: str) -> Last:
        """The last step of ``source``."""
        return self._put(_like(Last, source, name))

    def total(self, source: TimeNode, name: str) -> Total:
        """The exact sum over the steps of ``source``."""
        limit = self._step_limit()
        low, high = source.interval
        interval = (min(low, low * limit), max(high, high * limit))
        format = interval_format(*interval, source.format.fraction)
        return self._put(
            _like(Total, source, name, format=format, interval=interval, max_steps=limit)
        )

    def steps(self, source: TimeNode, name: str) -> Steps:
        """How many steps ``source`` has."""
        limit = self._step_limit()
        format = interval_format(0, limit, 0)
        return self._put(
            _like(Steps, source, name, units=1, format=format, interval=(0, limit), max_steps=limit)
        )

    def give(self, node: TimeNode) -> None:
        """Make ``node`` an output, behind those that are there."""
        self._ends.append(node)

    @property
    def ends(self) -> tuple[TimeNode, ...]:
        """The outputs so far."""
        return tuple(self._ends)

    def build(self, outputs: Sequence[str] | None = None) -> Network:
        """The finished network, with the operations called ``outputs`` as its outputs; left out:
        those that :meth:`give` has named, or the operation written last.

        Raises:
            DesignError: there is no such operation, or one leads to no output.
        """
        ends = self.ends if outputs is None else tuple(map(self._operation, outputs))
        network = Network(tuple(self._nodes), ends)
        needed = _needed(ends or self._nodes)
        for node in network.nodes[1:]:
            if node not in needed:
                raise DesignError(
                    f"layer {node.name!r} leads to no output: nothing reads it",
                    "leave it out, or name it in Design(outputs=[...])",
                )
        return network

    def _operation(self, name: str) -> TimeNode:
        """The layer or operation called ``name``."""
        known = {node.name: node for node in self._nodes[1:]}
        if name not in known:
            message, hint = unknown_name("layer", name, known)
            raise DesignError(f"outputs: {message}", hint)
        return known[name]

    def _step_limit(self) -> int:
        if self._max_steps is None:
            raise DesignError(
                "a sum over time needs the greatest number of steps: its word depends on it",
                "give Design(max_steps=...)",
            )
        return self._max_steps

    def _put(self, node: Kind) -> Kind:
        check_name(node.name, None)
        if any(node.name == other.name for other in self._nodes):
            raise DesignError(f"two layers are named {node.name!r}", "give each its own name=")
        self._nodes.append(node)
        return node


def event_signals(network: Network) -> Iterable[tuple[str, Node]]:
    """Every name under which events are counted, in order, with its node.

    A cast counts under its own name; a matrix-vector product under its name for the
    accumulator, and under ``name.product`` for the casts of single products.
    """
    for name, node in network.signals().items():
        if isinstance(node, Cast):
            yield name, node
        elif isinstance(node, Matvec):
            if node.product is not None:
                yield f"{name}.product", node
            if node.accumulator is not None:
                yield name, node


def _needed(outputs: Iterable[TimeNode]) -> set[TimeNode]:
    """``outputs`` and all that they depend on."""
    needed: set[TimeNode] = set()
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting += node.sources
    return needed


def runs_once(node: TimeNode) -> bool:
    """Whether ``node`` has one vector a sequence in front of it, however long that is."""
    return any(isinstance(s, Last | Total | Steps) or runs_once(s) for s in node.sources)


def _like(
    kind: type[Kind],
    source: TimeNode,
    name: str,
    *,
    units: int | None = None,
    format: Q | None = None,
    interval: Interval | None = None,
    **more: int,
) -> Kind:
    """A time operation whose vectors are those of its source, but for the arguments."""
    return kind(
        name=name,
        units=units or source.units,
        format=format or source.format,
        interval=interval or source.interval,
        sources=(source,),
        **more,
    )
