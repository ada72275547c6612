"""The RAMs of a layer: inputs, states, and vectors that one phase hands to the next.

Every depth is a power of two. A vector that is read while its successor is written has two banks.
The memory of a feed that reads pairs or a selection has words of several elements.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from rnnhw.accelerator.mapping.memory import Held, Memory, MemoryRole, address_bits, stored_vectors
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.rows import LayerRows, Part, Rows
from rnnhw.accelerator.mapping.transform_chains import Chain, chains_of
from rnnhw.accelerator.mapping.unit_reads import (
    UnitReads,
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
    """A memory with ``banks`` of a vector in words of ``word`` elements; the depth of a bank is a
    power of two."""
    depth = banks << address_bits(-(-node.units // word))
    words = node.units // word
    return Memory(name, role, depth, word * node.format.width, copies=copies, writes=words)


def _role(node: Node, state: MemoryRole, arriving: MemoryRole, inner: MemoryRole) -> MemoryRole:
    """The role of a vector's memory: ``state``, ``arriving`` for an input, ``inner`` for a vector
    that the step computes."""
    if isinstance(node, State):
        return state
    return arriving if isinstance(node, Input) else inner


def _bits(layer: LayerRows, node: Node) -> tuple[tuple[Hashable, int], ...]:
    """The inputs and states of the network that ``node`` holds, with their bits; nothing for a
    vector that the step computes."""
    if not isinstance(node, Input | State):
        return ()
    held = layer.stands_for(node) if isinstance(node, State) else (node,)
    return tuple((each, each.units * each.format.width) for each in held)


def rams_of(
    layer: LayerRows,
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
    units: UnitReads,
) -> Iterator[Held]:
    """Every RAM of a layer."""
    transforms = [t for phase in phases for t in phase.transforms]
    direct = dict.fromkeys(node for p in layer.products for node in stored_vectors(p.vector))
    multiplied = [p.vector for p in (*layer.products, *layer.transforms)]
    read_by_lanes = dict.fromkeys(node for vector in multiplied for node in stored_vectors(vector))
    transformed = {unwired(t.node.vector) for t in transforms}
    buffered = [node for node in read_by_lanes if node in direct or node not in transformed]
    by_unit = unit_reads(schedule)
    late = read_late(schedule)
    for node in layer.graph.nodes:
        if isinstance(node, Input | State):
            name = node.vector_name
            if node in buffered:
                yield from _fed(phases, name, node, _bits(layer, node))
            if node in by_unit and isinstance(node, State):
                # The phase that writes it may overwrite what it has read; other phases may not.
                banks = 2 if node in late else 1
                memory = _buffer(f"{name} by unit", MemoryRole.STATE_BY_UNIT, node, banks=banks)
                memory = replace(memory, rewritten=banks == 1, reads=units.of_node(node))
                yield Held(memory, _bits(layer, node))
    for node in dict.fromkeys(by_unit):
        if isinstance(node, Input):
            copies = max(schedule.times_read_by_unit(node), 1)
            memory = _buffer(f"{node.name} by unit", MemoryRole.INPUT_BY_UNIT, node)
            memory = replace(
                memory,
                copies=copies,
                reads=units.of_node(node),
                writes=copies * memory.writes,
            )
            yield Held(memory, _bits(layer, node))
    for vector in buffered:
        if not isinstance(vector, Input | State | Constant) and not layer.in_feed(vector):
            yield from _fed(phases, vector.name, vector, (), banks=1)
    for vector in joined_by_unit(schedule):
        yield from _joined(layer, vector, units.of_node(vector))
    yield from _crossing(layer, schedule, units)
    yield from _transform_buffers(layer, schedule, phases)


def _joined(layer: LayerRows, vector: Gather, reads: int) -> Iterator[Held]:
    """The memories of a permuted or joined vector that is read unit by unit, ``reads`` words a
    step: one for every vector that it is gathered from, with two banks for an input or a state,
    which one step writes and the next one reads."""
    sources = [s for s in sources_of(vector) if not isinstance(s.node, Constant)]
    for source in sources:
        node = source.node
        role = _role(
            node, MemoryRole.STATE_BY_UNIT, MemoryRole.INPUT_BY_UNIT, MemoryRole.INNER_BY_UNIT
        )
        of = f" of {node.name}" * (len(sources) > 1)
        banks = 2 if isinstance(node, Input | State) else 1
        depth = banks << address_bits(source.words(vector.units))
        name, writes = f"{vector.name} by unit{of}", source.stored
        memory = Memory(name, role, depth, node.format.width, reads=reads, writes=writes)
        yield Held(memory, _bits(layer, node))


def _fed(
    phases: Sequence[Phase],
    name: str,
    vector: Node,
    bits: tuple[tuple[Hashable, int], ...],
    *,
    banks: int = 2,
) -> Iterator[Held]:
    """The memories of a vector that products read as columns: one for every size of word in which
    their feeds read it."""
    shapes: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for phase in phases:
        for segment in phase.segments:
            for source in sources_of(segment.vector):
                if source.node is vector:
                    words = phase.words(segment), source.stored // segment.word
                    shapes.setdefault((segment.vector.units, segment.word), []).append(words)
    shapes = shapes or {(vector.units, 1): [(0, vector.units)]}
    role = _role(vector, MemoryRole.STATE, MemoryRole.INPUT, MemoryRole.INNER)
    position = vector.position if isinstance(vector, Input) else None
    for number, ((units, word), ports) in enumerate(shapes.items()):
        depth = banks << address_bits(-(-units // word))
        width = word * vector.format.width
        memory = Memory(
            name + f" {number}" * bool(number),
            role,
            depth,
            width,
            copies=len(ports),
            input_position=position,
            reads=sum(reads for reads, _ in ports),
            writes=sum(writes for _, writes in ports),
        )
        yield Held(memory, bits)


def _crossing(
    layer: LayerRows, schedule: PostProcessorSchedule, units: UnitReads
) -> Iterator[Held]:
    """The memories of results that a later phase reads unit by unit."""
    memories: dict[tuple[Node, int], Held] = {}
    for value in crossing(schedule):
        node = value.node
        if isinstance(node, Rows):
            parts = dict(node.values)
            node = parts.get(value.part or Part.WHOLE, node.values[-1][1])
        name = f"{node.name}{f'[{value.gate}]' if value.gate else ''} by unit"
        writes = layer.widths[phase_of(layer, value.node)]
        memory = Memory(
            name,
            MemoryRole.INNER_BY_UNIT,
            1 << address_bits(writes),
            node.format.width,
            rewritten=True,
            reads=units.of(value),
            writes=writes,
        )
        memories[node, value.gate] = Held(memory)
    yield from memories.values()


def _transform_buffers(
    layer: LayerRows, schedule: PostProcessorSchedule, phases: Sequence[Phase]
) -> Iterator[Held]:
    """The ping-pong buffers of every chain, in words of F elements as wide as its widest vector,
    with a copy of the result for every reader after the first. An input waits in a further memory
    while the buffers are busy."""
    shapes = {t.node: t for phase in phases for t in phase.transforms}
    chains = chains_of(layer)
    for chain in chains:
        origin, shape = chain.origin, shapes[chain.transforms[0]]
        state = isinstance(origin, State)
        role = MemoryRole.STATE_TRANSFORM if state else MemoryRole.VECTOR_TRANSFORM
        group = chain.transforms[0] if chain.weighted else origin
        name = f"{group.vector_name} transform"
        passes = sum(shapes[node].pass_words for node in chain.transforms)
        readers = _readers(chain, chains, schedule, phases)
        memory = Memory(
            name,
            role,
            2 * shape.words,
            shape.width * chain.element_bits,
            reads=passes + sum(readers[:1]),
            writes=passes + (0 if chain.elsewhere else shape.words),
        )
        yield Held(memory, () if isinstance(origin, Input) else _bits(layer, origin))
        if isinstance(origin, Input):
            words = Memory(
                f"{origin.name} before {name}",
                MemoryRole.INPUT_ARRIVAL,
                2 * shape.words,
                shape.width * origin.format.width,
                input_position=origin.position,
                reads=passes,
                writes=shape.words,
            )
            yield Held(words, _bits(layer, origin))
        copies = len(readers) - 1
        if copies > 0:
            results = Memory(
                f"{name} result",
                MemoryRole.TRANSFORM_RESULT,
                shape.words,
                shape.width * chain.element_bits,
                copies=copies,
                reads=sum(readers[1:]),
                writes=copies * passes,
            )
            yield Held(results)


def _readers(
    chain: Chain,
    chains: Sequence[Chain],
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
) -> list[int]:
    """The words a step that every reader of a chain's result reads: feeds, then post-processors,
    then other chains, which address it in all of their passes."""
    vector, layer = chain.vectors[-1], schedule.layer
    by_feeds = [
        phase.words(segment)
        for phase in phases
        for segment in phase.segments
        if segment.vector is vector
    ]
    by_post_processors = [
        layer.widths[number]
        for number in range(len(phases))
        if vector in schedule.fed_by_unit(number)
    ]
    shapes = {t.node: t for phase in phases for t in phase.transforms}
    by_chains = [
        sum(shapes[node].pass_words for node in other.transforms)
        for other in chains
        if other.origin is vector
    ]
    return by_feeds + by_post_processors + by_chains
