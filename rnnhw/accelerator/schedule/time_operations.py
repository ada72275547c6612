"""What the time operations of a network are in hardware, and which of them have no Verilog.

A window over time, or its last place alone, is the input memory of the layer that reads it; every
other operation is a further stream of vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnnhw.accelerator.mapping.input_window import InputWindow
from rnnhw.accelerator.schedule.wavefront import INPUT, Edge, Reads
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
    runs_once,
    time_table,
)

__all__ = [
    "WindowSource",
    "obstacles_over_time",
    "output_reads",
    "reads_of",
    "reversals",
    "stage_of",
    "window_source",
]

_COUNT_CYCLES = 1  # the number of steps leaves one cycle behind the last element

_EMITTED = time_table(
    {Source: True, Scan: True, Window: True, Last: True, Total: True, Steps: True, Reverse: False}
)

_UNREAD = "a window over time that no layer reads"


@dataclass(frozen=True)
class WindowSource:
    """The source of a window that a layer reads: the window joins vectors of ``source``."""

    source: TimeNode
    window: InputWindow


def window_source(node: TimeNode) -> WindowSource | None:
    """The window that a layer which reads ``node`` joins; None where ``node`` is a stream."""
    last = isinstance(node, Last)
    window = node.sources[0] if last else node
    if not isinstance(window, Window):
        return None
    return WindowSource(window.sources[0], InputWindow(window.width, last))


def obstacles_over_time(network: Network) -> list[tuple[str, str]]:
    """The time operations that :mod:`rnnhw.rtl` does not emit: pairs (operation, reason), no pair
    twice."""
    places = []
    for node in network.nodes:
        if window_source(node) is not None:
            continue
        if not _EMITTED[type(node)]:
            places.append((node.name, f"{type(node).__name__} over time"))
        if any(window_source(source) is not None for source in _streams(node)):
            places.append((node.name, _UNREAD))
    places += [(node.name, _UNREAD) for node in network.outputs if window_source(node) is not None]
    return list(dict.fromkeys(places))


def _streams(node: TimeNode) -> list[TimeNode]:
    """The streams of vectors that ``node`` reads: a layer those in front of its windows."""
    if not isinstance(node, Scan):
        return list(node.sources)
    windows = [(source, window_source(source)) for source in node.sources]
    return [source if front is None else front.source for source, front in windows]


# --- who waits for what --------------------------------------------------------------------------
def reads_of(node: TimeNode, where: Mapping[TimeNode, int]) -> Reads:
    """A layer's reads, seen through free time operations; ``where`` are the layers in front."""
    edges = tuple(_edge(source, where) for source in node.sources)
    return Reads(edges, _lost(node), runs_once(node))


def output_reads(network: Network, output: TimeNode | None = None) -> Reads:
    """The reads of ``output``, the first one if left out, by the positions of the layers."""
    output = output or network.output
    layers = [node for node in network.nodes if isinstance(node, Scan | Total)]
    edge = _edge(output, {node: position for position, node in enumerate(layers)})
    return Reads((edge,), _lost(output), edge.last or runs_once(output))


def stage_of(node: TimeNode, known: Mapping[TimeNode, int]) -> int:
    """How many times the sequence had to end before ``node`` can start."""
    stage = 0
    for source in node.sources:
        if isinstance(source, Scan | Total | Source):
            # A layer behind a total waits for the end of the sequence; one behind a scan does not.
            stage = max(stage, known.get(source, 0) + isinstance(source, Total))
        else:
            barrier = isinstance(source, Last | Reverse | Steps)
            stage = max(stage, stage_of(source, known) + barrier)
    return stage


def reversals(node: TimeNode) -> int:
    """The most reversals on a way from the input to ``node``."""
    return isinstance(node, Reverse) + max(map(reversals, node.sources), default=0)


def _lost(node: TimeNode) -> int:
    """How many steps of a sequence are no whole window in front of ``node``, or in it."""
    lost = node.width - 1 if isinstance(node, Window) else 0
    return lost + max(map(_lost, node.sources), default=0)


def _edge(source: TimeNode, where: Mapping[TimeNode, int]) -> Edge:
    last = window = False
    delay = 0
    while not isinstance(source, Scan | Total | Source):
        last |= isinstance(source, Last | Steps)
        window |= isinstance(source, Window)
        delay += _COUNT_CYCLES if isinstance(source, Steps) else 0
        (source,) = source.sources
    return Edge(where.get(source, INPUT), last or isinstance(source, Total), window, delay)
