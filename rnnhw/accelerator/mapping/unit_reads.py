"""The reads of the post-processors from memories, unit by unit in the order of the units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.rows import LayerRows, Rows, Value
from rnnhw.accelerator.mapping.vector_layout import sources_of
from rnnhw.graph.nodes import Gather, Input, Node, State

__all__ = ["UnitReads", "crossing", "joined_by_unit", "phase_of", "read_late", "unit_reads"]


def phase_of(layer: LayerRows, node: Node | Rows) -> int:
    """The phase in which a node or rows are computed."""
    return node.phase if isinstance(node, Rows) else layer.phase(node)


def unit_reads(schedule: PostProcessorSchedule) -> list[Node]:
    """The inputs and states that a post-processor reads unit by unit, as often as it does."""
    return [v.node for v, _ in _reads(schedule) if isinstance(v.node, Input | State)]


def joined_by_unit(schedule: PostProcessorSchedule) -> list[Gather]:
    """The vectors that the post-processor reads out of memory in another order than that of their
    writes, or joined of several vectors."""
    gathered = dict.fromkeys(schedule.gathered)
    return [node for node in gathered if not schedule.layer.is_constant(node)]


def read_late(schedule: PostProcessorSchedule) -> frozenset[State]:
    """The states that an operation reads in a later phase than that of their next values."""
    layer = schedule.layer
    written = {state: layer.phase(new) for state, new in layer.graph.updates}
    return frozenset(
        value.node
        for value, phase in _reads(schedule)
        if isinstance(value.node, State) and phase > written[value.node]
    )


def _reads(schedule: PostProcessorSchedule) -> Iterator[tuple[Value, int]]:
    """Values that are read unit by unit, with the phases that do; the output leaves in the last."""
    layer = schedule.layer
    for reader in schedule.values:
        if not isinstance(reader.node, Gather):
            for value in layer.operands(reader):
                yield value, phase_of(layer, reader.node)
    for value in layer.values(layer.graph.output):
        yield value, layer.last_phase


def crossing(schedule: PostProcessorSchedule) -> list[Value]:
    """Results of one phase that a later phase reads unit by unit, in the order of the units."""
    layer = schedule.layer
    values: dict[Value, None] = {}
    for value, phase in _reads(schedule):
        formed = isinstance(value.node, Rows) or (
            layer.formed(value.node) and not layer.in_feed(value.node)
        )
        if formed and not isinstance(value.node, Gather) and phase > phase_of(layer, value.node):
            values[value] = None
    return list(values)


class UnitReads:
    """How often the post-processors of a step read a value that waits in a memory, and compute any
    other value: once for every unit of a phase that needs it."""

    def __init__(self, schedule: PostProcessorSchedule) -> None:
        self._layer = schedule.layer
        self._operands = schedule.operands
        self._read: Counter[Value] = Counter()
        self._computed: Counter[Value] = Counter()
        between = crossing(schedule)
        roots = self._roots(schedule)
        for phase in range(self._layer.last_phase + 1):
            values = [value for root in roots[phase] for value in self._layer.values(root)]
            values += [value for value in between if phase_of(self._layer, value.node) == phase]
            for value in self._used(values, phase):
                counts = self._read if self._waits(value, phase) else self._computed
                counts[value] += self._layer.widths[phase]

    def of(self, value: Value) -> int:
        """Units for which a value is read."""
        return self._read[value]

    def of_node(self, node: Node) -> int:
        """Units for which a node is read, its gates counted apart."""
        return sum(count for value, count in self._read.items() if value.node is node)

    def computed(self, value: Value) -> int:
        """Units for which a value is computed."""
        return self._computed[value]

    def _roots(self, schedule: PostProcessorSchedule) -> list[list[Node]]:
        """The nodes that the post-processor of a phase writes, by phase, without the results that a
        later phase reads unit by unit in the order of the units."""
        layer = self._layer
        beside = [*joined_by_unit(schedule), *read_late(schedule)]
        handed = [source.node for vector in beside for source in sources_of(vector)]
        nodes = [new for _, new in layer.graph.updates]
        nodes += [*layer.passed, *(node for node in handed if layer.formed(node))]
        roots: list[list[Node]] = [[] for _ in range(layer.last_phase + 1)]
        for node in dict.fromkeys(nodes):
            roots[layer.phase(node)].append(node)
        roots[-1].append(layer.graph.output)
        return roots

    def _used(self, values: list[Value], phase: int) -> set[Value]:
        """``values`` and what they are computed from, up to what waits in a memory."""
        pending, seen = list(values), set[Value]()
        while pending:
            value = pending.pop()
            if value not in seen:
                seen.add(value)
                if not self._waits(value, phase):
                    pending += self._operands(value)
        return seen

    def _waits(self, value: Value, phase: int) -> bool:
        """Whether a value lies in a memory when a phase begins, or never changes."""
        node, layer = value.node, self._layer
        if isinstance(node, Rows):
            return node.phase < phase
        if layer.is_constant(node) or isinstance(node, Input | State | Gather):
            return True
        return layer.in_feed(node) or (layer.formed(node) and layer.phase(node) < phase)
