"""A network as a machine without end: every step reads one input and gives one output.

A proof for sequences of any length asks what a network gives if its sequence ends after this
step. :class:`Last` then changes nothing, a :class:`Window` is a shift register, and what needs the
whole sequence (:class:`Reverse`) or grows with it (:class:`Total`, :class:`Steps`) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rnnhw.errors import DesignError
from rnnhw.graph.network import (
    Last,
    Network,
    Reverse,
    Scan,
    Source,
    Steps,
    TimeNode,
    Total,
    Window,
    time_table,
)
from rnnhw.graph.nodes import Gather, Input, Node, State, StepGraph, previous

__all__ = ["Streamed", "streamed"]


@dataclass(frozen=True, eq=False)
class Streamed:
    """``network`` has scans alone. Its outputs of the first ``late`` steps stand for none; with
    ``last`` a sequence's answer is its last output alone."""

    network: Network
    late: int
    last: bool


def streamed(network: Network) -> Streamed:
    """``network`` as scans that give, at every step, the output of the sequence up to there; of
    several outputs the first.

    Raises:
        DesignError: a layer has no finite state, or one that such a sequence would not give.
    """
    stream = _Stream({}, {}, set())
    for node in network.nodes:
        WRITERS[type(node)](stream, node)
    output, last = network.output, network.output in stream.once
    stands = stream.node[output]
    nodes = tuple(dict.fromkeys(stream.node.values()))
    if not any(stands in node.sources for node in nodes):
        # What follows a Last is no longer behind it.
        nodes = (*(node for node in nodes if node is not stands), stands)
    return Streamed(Network(nodes, (stands,)), stream.late[output], last)


@dataclass
class _Stream:
    """The replacement of every node so far, its late steps, and the nodes behind a Last."""

    node: dict[TimeNode, TimeNode]
    late: dict[TimeNode, int]
    once: set[TimeNode]

    def put(self, node: TimeNode, stands: TimeNode, late: int, *, once: bool = False) -> None:
        self.node[node] = stands
        self.late[node] = late
        if once or any(source in self.once for source in node.sources):
            self.once.add(node)


def _source(stream: _Stream, node: Source) -> None:
    stream.put(node, node, 0)


def _scan(stream: _Stream, node: Scan) -> None:
    late = max(stream.late[source] for source in node.sources)
    if node.graph.updates:
        if any(source in stream.once for source in node.sources):
            raise DesignError(
                f"layer {node.name!r} has a state but runs once, behind the last step: it has no "
                "state that goes on",
                "put the recurrent layer before Last()",
            )
        if late:
            raise DesignError(
                f"layer {node.name!r} has a state behind a window, which gives it no input in the "
                f"first {late} steps",
                "put the recurrent layer before the window",
            )
    sources = tuple(stream.node[source] for source in node.sources)
    same = all(a is b for a, b in zip(sources, node.sources, strict=True))
    stream.put(node, node if same else replace(node, sources=sources), late)


def _last(stream: _Stream, node: Last) -> None:
    (source,) = node.sources
    stream.put(node, stream.node[source], stream.late[source], once=True)


def _window(stream: _Stream, node: Window) -> None:
    (source,) = node.sources
    if source in stream.once:
        raise DesignError(
            f"layer {node.name!r}: a window of the last step alone", "put the window before Last()"
        )
    late = stream.late[source] + node.width - 1
    graph = _shift_register(node.name, source, node.width)
    stands = Scan(
        name=node.name,
        units=node.units,
        format=node.format,
        interval=node.interval,
        sources=(stream.node[source],),
        graph=graph,
    )
    stream.put(node, stands, late)


def _shift_register(layer: str, source: TimeNode, width: int) -> StepGraph:
    """The step of a window: its states hold the ``width - 1`` steps before, oldest first."""
    units, format = source.units, source.format
    # The register starts with zeros, which the source may never give.
    interval = (min(source.interval[0], 0), max(source.interval[1], 0))

    def vector(name: str) -> State:
        return State(name=name, units=units, format=format, interval=interval, initial=None)

    states = [vector(previous(f"before{ago}")) for ago in range(width - 1, 0, -1)]
    new = Input(name="x", units=units, format=format, interval=source.interval, position=0)
    held: list[Node] = [*states, new]
    window = Gather(
        name="window",
        units=units * width,
        format=format,
        interval=interval,
        parts=tuple(held),
        indices=tuple(range(units * width)),
    )
    updates = tuple(zip(states, held[1:], strict=True))
    return StepGraph(layer, (*held, window), updates, window)


def _refused(why: str, cure: str) -> Callable[[_Stream, TimeNode], None]:
    def refuse(_stream: _Stream, node: TimeNode) -> None:
        raise DesignError(f"layer {node.name!r} {why}", cure)

    return refuse


_SUM = _refused(
    "is a sum over the whole sequence, which grows without end",
    "judge the last step: Last() instead of Mean()",
)

WRITERS: Mapping[type, Callable[..., None]] = time_table(
    {
        Source: _source,
        Scan: _scan,
        Reverse: _refused(
            "reads the sequence from its end, so no step has an answer before the last",
            "prove a network that runs forward alone",
        ),
        Window: _window,
        Last: _last,
        Total: _SUM,
        Steps: _SUM,
    }
)
