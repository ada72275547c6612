"""What the post-processors read unit by unit: out of memories in the order of the units."""

from __future__ import annotations

from collections.abc import Iterator

from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.rows import LayerRows, Rows, Value
from rnnhw.graph.nodes import Gather, Input, Node, State

__all__ = ["crossing", "joined_by_unit", "phase_of", "read_late", "unit_reads"]


def phase_of(layer: LayerRows, node: Node | Rows) -> int:
    """The phase in which a node or rows are computed."""
    return node.phase if isinstance(node, Rows) else layer.phase(node)


def unit_reads(schedule: PostProcessorSchedule) -> list[Node]:
    """The inputs and states that a post-processor reads unit by unit, as often as it does."""
    return [v.node for v, _ in _reads(schedule) if isinstance(v.node, Input | State)]


def joined_by_unit(schedule: PostProcessorSchedule) -> list[Gather]:
    """What the post-processor reads out of memory in another order than it was written, or joined
    of several vectors."""
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
    """What is read unit by unit, with the phases that do; the output leaves in the last one."""
    layer = schedule.layer
    for reader in schedule.values:
        if not isinstance(reader.node, Gather):
            for value in layer.operands(reader):
                yield value, phase_of(layer, reader.node)
    for value in layer.values(layer.graph.output):
        yield value, layer.last_phase


def crossing(schedule: PostProcessorSchedule) -> list[Value]:
    """Results of one phase that a later phase reads unit by unit, in their own order."""
    layer = schedule.layer
    found: dict[Value, None] = {}
    for value, phase in _reads(schedule):
        formed = isinstance(value.node, Rows) or (
            layer.formed(value.node) and not layer.in_feed(value.node)
        )
        if formed and not isinstance(value.node, Gather) and phase > phase_of(layer, value.node):
            found[value] = None
    return list(found)
