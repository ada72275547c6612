"""When results leave the accelerator while sequences stream through it back to back.

The recurrence of the wavefront (:mod:`rnnhw.machine.accelerator`), carried on from one sequence to
the next: every layer starts on its next vector as soon as it is free, the vector is there, and all
that read its results have room for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnhw.errors import DesignError
from rnnhw.machine.built import Accelerator
from rnnhw.network import Last, Network, Scan, Source, Steps, TimeNode, Total, Window

__all__ = ["output_cycles"]

_Waits = dict[tuple[TimeNode, TimeNode], tuple[int, int]]


def output_cycles(network: Network, accelerator: Accelerator, lengths: Sequence[int]) -> list[int]:
    """The cycle of the last element of every output vector, for sequences of ``lengths`` steps.

    Cycle 0 brings the first input element; a vector is sent as soon as there is room for it, its
    elements without a gap, and the outputs are taken at once.

    Raises:
        DesignError: the network needs a whole sequence before it goes on.
    """
    stream = _Stream(network, accelerator)
    ends = [stream.step(last=step == steps - 1) for steps in lengths for step in range(steps)]
    return [end - 1 for end in ends if end is not None]


COUNT_CYCLES = 1
"""The number of steps leaves one cycle behind the last element."""


class _Stream:
    """The layers with the times of the vectors that they took last."""

    def __init__(self, network: Network, accelerator: Accelerator) -> None:
        self._network = network
        self._cycles = {layer.name: layer.cycles for layer in accelerator.layers}
        self._free: dict[TimeNode, int] = {}  # when a layer can take its next vector
        self._seen: dict[TimeNode, int] = {}  # steps of this sequence that a window has seen
        # When the last vector came to a reader from a source, and when the reader took it.
        self._waits: dict[tuple[TimeNode, TimeNode], tuple[int, int]] = {}
        self._readers = {node: self._scans_behind(node) for node in network.nodes}

    def _scans_behind(self, node: TimeNode) -> list[tuple[TimeNode, TimeNode]]:
        """The layers that take what ``node`` gives, perhaps through a filter, each with the
        source that it takes it from."""
        found: list[tuple[TimeNode, TimeNode]] = []
        for reader in self._network.nodes:
            if node in reader.sources:
                direct = isinstance(reader, Scan)
                found += [(node, reader)] if direct else self._scans_behind(reader)
        return found

    def _with_room(self, node: TimeNode, at: int, waits: _Waits) -> int:
        """The first cycle from ``at`` on in which no vector waits where ``node``'s will go."""
        for edge in sorted(self._readers[node], key=lambda edge: waits.get(edge, (0, 0))):
            came, taken = waits.get(edge, (0, 0))
            if came <= at < taken:
                at = taken
        return at

    def step(self, *, last: bool) -> int | None:
        """One input vector goes through; the cycle behind its last output element, if any."""
        full: dict[TimeNode, int] = {}
        waits = dict(self._waits)  # of the vectors before this one
        for node in self._network.nodes:
            if not all(source in full for source in node.sources):
                continue
            there = max((full[source] for source in node.sources), default=0)
            free = max(there, self._free.get(node, 0))
            match node:
                case Source():
                    # A vector is sent behind the one before, as soon as there is room.
                    full[node] = self._with_room(node, free, waits) + node.units
                    self._free[node] = full[node]
                case Scan():
                    at = self._with_room(node, free, waits)
                    self._take(node, full, at)
                    full[node] = self._free[node] = at + self._cycles[node.name]
                case Last() if last:
                    full[node] = there
                case Total() if last:
                    full[node] = there + self._cycles[node.name]
                case Steps() if last:
                    full[node] = there + COUNT_CYCLES
                case Window():
                    self._seen[node] = self._seen.get(node, 0) + 1
                    if self._seen[node] >= node.width:
                        full[node] = there
                    else:
                        self._held(node, there)
                    if last:
                        self._seen[node] = 0
                case Last(sources=(Window() as window,)):
                    self._held(window, there)
                case Last() | Total() | Steps():
                    pass
                case _:
                    raise DesignError(
                        f"{node.name}: {type(node).__name__} over time does not stream",
                        "rnnhw report gives the cycles of one sequence",
                    )
        return full.get(self._network.output)

    def _held(self, window: TimeNode, there: int) -> None:
        """A vector that starts no step has its place in the ring once no step reads it."""
        for edge in self._readers[window]:
            self._waits[edge] = there, max(there, self._free.get(edge[1], 0))

    def _take(self, reader: TimeNode, full: Mapping[TimeNode, int], at: int) -> None:
        for source in reader.sources:
            self._waits[source, reader] = full[source], at
