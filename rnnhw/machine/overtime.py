"""What the time operations of a network are in hardware, and which of them have no Verilog.

A window over time, or its last place alone, is the input memory of the layer that reads it; every
other operation is a stream of vectors of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    time_table,
)

__all__ = ["Joined", "joined", "obstacles_over_time"]


_EMITTED = time_table(
    {Source: True, Scan: True, Window: True, Last: True, Total: True, Steps: True, Reverse: False}
)

_UNREAD = "a window over time that no layer reads"


@dataclass(frozen=True)
class Joined:
    """An input that joins the last ``steps`` vectors of ``source``; ``last`` where only those at
    the end of a sequence are wanted."""

    source: TimeNode
    steps: int
    last: bool


def joined(node: TimeNode) -> Joined | None:
    """What a layer that reads ``node`` joins; None where that has a stream of its own."""
    if isinstance(node, Last) and isinstance(node.sources[0], Window):
        return Joined(node.sources[0].sources[0], node.sources[0].width, last=True)
    if isinstance(node, Window):
        return Joined(node.sources[0], node.width, last=False)
    return None


def obstacles_over_time(network: Network) -> list[tuple[str, str]]:
    """Which time operations :mod:`rnnhw.rtl` does not emit, each once; (operation, what)."""
    found = []
    for node in network.nodes:
        if joined(node) is not None:
            continue
        if not _EMITTED[type(node)]:
            found.append((node.name, f"{type(node).__name__} over time"))
        if any(joined(source) is not None for source in _streams(node)):
            found.append((node.name, _UNREAD))
    if joined(network.output) is not None:
        found.append((network.output.name, _UNREAD))
    return list(dict.fromkeys(found))


def _streams(node: TimeNode) -> list[TimeNode]:
    """The streams of vectors that ``node`` reads: a layer those in front of its windows."""
    if not isinstance(node, Scan):
        return list(node.sources)
    windows = [(source, joined(source)) for source in node.sources]
    return [source if window is None else window.source for source, window in windows]
