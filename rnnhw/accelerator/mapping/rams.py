"""Memories of vectors: inputs, states and what one phase hands to the next.

Their depth is a power of two. A vector that is read while the next one is written is there twice;
what feeds pairs or a selection lies in words of several elements.
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
    """``banks`` of a vector in words of ``word`` elements; the depth of each is a power of two."""
    depth = banks << address_bits(-(-node.units // word))
    words = node.units // word
    return Memory(name, role, depth, word * node.format.width, copies=copies, writes=words)


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
    layer: LayerRows,
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
    units: UnitReads,
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
    step: one for each vector that it is made of, two halves where a step reads what another one
    writes."""
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
    """The memories of a vector behind columns: a feed has one of its own, with the elements that
    it reads at once in a word."""
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
        own = name + f" {number}" * bool(number)
        depth = banks << address_bits(-(-units // word))
        width = word * vector.format.width
        memory = Memory(
            own,
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
    """Memories of results of one phase that a later phase reads unit by unit."""
    found: dict[tuple[Node, int], Held] = {}
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
        passes = sum(shapes[each].pass_words for each in chain.transforms)
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
    """The words that each reader of what a chain makes reads in a step: feeds, then
    post-processors, then other chains, which address it in all of their passes."""
    vector, layer = chain.vectors[-1], schedule.layer
    found = [
        phase.words(each) for phase in phases for each in phase.segments if each.vector is vector
    ]
    found += [
        layer.widths[number]
        for number in range(len(phases))
        if vector in schedule.fed_by_unit(number)
    ]
    shapes = {each.node: each for phase in phases for each in phase.transforms}
    found += [
        sum(shapes[node].pass_words for node in each.transforms)
        for each in chains
        if each.origin is vector
    ]
    return found
