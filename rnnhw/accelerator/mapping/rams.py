"""Memories of vectors: inputs, states and what one phase hands to the next.

Their depth is a power of two. A vector that is read while the next one is written is there twice;
what feeds pairs or a selection lies in words of several elements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from rnnhw.accelerator.mapping.memory import Held, Memory, MemoryRole, address_bits, stored_vectors
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.rows import LayerRows, Part, Rows
from rnnhw.accelerator.mapping.transform_chains import Chain, chains_of
from rnnhw.accelerator.mapping.unit_reads import (
    crossing,
    joined_by_unit,
    phase_of,
    read_late,
    unit_reads,
)
from rnnhw.accelerator.mapping.vector_layout import sources_of
from rnnhw.graph.nodes import Constant, Gather, Input, Node, State, unwired

__all__ = ["rams_of"]


def _buffer(
    name: str, role: MemoryRole, node: Node, *, banks: int = 2, word: int = 1, copies: int = 1
) -> Memory:
    """``banks`` of a vector in words of ``word`` elements; the depth of each is a power of two."""
    depth = banks << address_bits(-(-node.units // word))
    return Memory(name, role, depth, word * node.format.width, copies=copies)


def _role(node: Node, state: MemoryRole, arriving: MemoryRole, inner: MemoryRole) -> MemoryRole:
    """The role of a memory of a vector by where the vector comes from."""
    if isinstance(node, State):
        return state
    return arriving if isinstance(node, Input) else inner


def _bits(layer: LayerRows, node: Node) -> tuple[tuple[Hashable, int], ...]:
    """What the network stores of an input or a state; nothing of what a step hands on."""
    if not isinstance(node, Input | State):
        return ()
    held = layer.stands_for(node) if isinstance(node, State) else (node,)
    return tuple((each, each.units * each.format.width) for each in held)


def rams_of(
    layer: LayerRows, schedule: PostProcessorSchedule, phases: Sequence[Phase]
) -> Iterator[Held]:
    """Every RAM of a layer."""
    transforms = [t for phase in phases for t in phase.transforms]
    direct = dict.fromkeys(found for p in layer.products for found in stored_vectors(p.vector))
    swept = [p.vector for p in (*layer.products, *layer.transforms)]
    read_by_lanes = dict.fromkeys(found for vector in swept for found in stored_vectors(vector))
    fed = {unwired(t.node.vector) for t in transforms}
    buffered = [node for node in read_by_lanes if node in direct or node not in fed]
    by_unit = unit_reads(schedule)
    late = read_late(schedule)
    for node in layer.graph.nodes:
        if isinstance(node, Input | State):
            name = node.name.removesuffix(".previous")
            if node in buffered:
                yield from _fed(phases, name, node, _bits(layer, node))
            if node in by_unit and isinstance(node, State):
                # Read in the phase that writes it it is written behind the reading, else beside it.
                banks = 2 if node in late else 1
                memory = _buffer(f"{name} by unit", MemoryRole.STATE_BY_UNIT, node, banks=banks)
                yield Held(replace(memory, rewritten=banks == 1), _bits(layer, node))
    for node in dict.fromkeys(by_unit):
        if isinstance(node, Input):
            copies = max(schedule.times_read_by_unit(node), 1)
            memory = _buffer(f"{node.name} by unit", MemoryRole.INPUT_BY_UNIT, node)
            yield Held(replace(memory, copies=copies), _bits(layer, node))
    for vector in buffered:
        if not isinstance(vector, Input | State | Constant) and not layer.in_feed(vector):
            yield from _fed(phases, vector.name, vector, (), banks=1)
    for vector in joined_by_unit(schedule):
        yield from _joined(layer, vector)
    yield from _crossing(layer, schedule)
    yield from _transform_buffers(layer, schedule, phases)


def _joined(layer: LayerRows, vector: Gather) -> Iterator[Held]:
    """The memories of a permuted or joined vector that is read unit by unit: one for each vector
    that it is made of, two halves where a step reads what another one writes."""
    sources = [s.node for s in sources_of(vector) if not isinstance(s.node, Constant)]
    for node in sources:
        role = _role(
            node, MemoryRole.STATE_BY_UNIT, MemoryRole.INPUT_BY_UNIT, MemoryRole.INNER_BY_UNIT
        )
        of = f" of {node.name}" * (len(sources) > 1)
        banks = 2 if isinstance(node, Input | State) else 1
        depth = banks << address_bits(vector.units)
        memory = Memory(f"{vector.name} by unit{of}", role, depth, node.format.width)
        yield Held(memory, _bits(layer, node))


def _fed(
    phases: Sequence[Phase],
    name: str,
    vector: Node,
    bits: tuple[tuple[Hashable, int], ...],
    *,
    banks: int = 2,
) -> Iterator[Held]:
    """The memories of a vector behind columns: a feed has one of its own, with the elements that
    it reads at once in a word."""
    shapes = Counter(
        (segment.vector.units, segment.word)
        for phase in phases
        for segment in phase.segments
        if vector in stored_vectors(segment.vector)
    ) or {(vector.units, 1): 1}
    role = _role(vector, MemoryRole.STATE, MemoryRole.INPUT, MemoryRole.INNER)
    position = vector.position if isinstance(vector, Input) else None
    for number, ((units, word), copies) in enumerate(shapes.items()):
        own = name + f" {number}" * bool(number)
        depth = banks << address_bits(-(-units // word))
        width = word * vector.format.width
        yield Held(Memory(own, role, depth, width, copies=copies, input_position=position), bits)


def _crossing(layer: LayerRows, schedule: PostProcessorSchedule) -> Iterator[Held]:
    """Memories of results of one phase that a later phase reads unit by unit."""
    found: dict[tuple[Node, int], Held] = {}
    for value in crossing(schedule):
        node = value.node
        if isinstance(node, Rows):
            parts = dict(node.values)
            node = parts.get(value.part or Part.WHOLE, node.values[-1][1])
        name = f"{node.name}{f'[{value.gate}]' if value.gate else ''} by unit"
        depth = 1 << address_bits(layer.widths[phase_of(layer, value.node)])
        memory = Memory(name, MemoryRole.INNER_BY_UNIT, depth, node.format.width, rewritten=True)
        found[node, value.gate] = Held(memory)
    yield from found.values()


def _transform_buffers(
    layer: LayerRows, schedule: PostProcessorSchedule, phases: Sequence[Phase]
) -> Iterator[Held]:
    """Two buffers of words of F elements for each chain, as wide as its widest vector; a copy of
    the result for each of its readers but one. A vector that arrives while they are at work waits
    in words of its own."""
    shapes = {each.node: each for phase in phases for each in phase.transforms}
    chains = chains_of(layer)
    for chain in chains:
        origin, shape = chain.origin, shapes[chain.transforms[0]]
        own = isinstance(origin, State)
        role = MemoryRole.STATE_TRANSFORM if own else MemoryRole.VECTOR_TRANSFORM
        group = chain.transforms[0] if chain.weighted else origin
        name = f"{group.name.removesuffix('.previous')} transform"
        memory = Memory(name, role, 2 * shape.words, shape.width * chain.element_bits)
        yield Held(memory, () if isinstance(origin, Input) else _bits(layer, origin))
        if isinstance(origin, Input):
            words = Memory(
                f"{origin.name} before {name}",
                MemoryRole.INPUT_ARRIVAL,
                2 * shape.words,
                shape.width * origin.format.width,
                input_position=origin.position,
            )
            yield Held(words, _bits(layer, origin))
        copies = _readers(chain, chains, schedule, phases) - 1
        if copies > 0:
            width = shape.width * chain.element_bits
            results = Memory(
                f"{name} result", MemoryRole.TRANSFORM_RESULT, shape.words, width, copies=copies
            )
            yield Held(results)


def _readers(
    chain: Chain, chains: Sequence[Chain], schedule: PostProcessorSchedule, phases: Sequence[Phase]
) -> int:
    """How many feeds, post-processors and other chains read what a chain makes."""
    vector = chain.vectors[-1]
    feeds = sum(each.vector is vector for phase in phases for each in phase.segments)
    others = sum(each.origin is vector for each in chains)
    by_unit = sum(vector in schedule.fed_by_unit(number) for number in range(len(phases)))
    return feeds + others + by_unit
