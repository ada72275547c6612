"""The memories of a layer: depth x width of each, the bits that the network stores in it.

Weights, biases, constants and tables are ROMs; vectors are RAMs of a power-of-two depth. Depths
and widths are those of the Verilog prototype. ``stored_bits`` are the network's own bits,
``padded_bits`` those of the memory: a wide word has a field for every lane, a group of rows that
is not full still has its words, rows of unequal columns are filled up with zeros, and a vector
that is read while the next one is written is there twice.

A wide word's fields hold the widest weight with its index, where a structure stores one. The
diagonals of a Toeplitz or circulant matrix lie one a word in a memory of their own and move past
the lanes; the weights of butterfly stages in the feed lie in words of F. Elements in an order
that counting does not give are read through a ROM of addresses: the network stores nothing there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from rnnhw.dataflow import Cast, Constant, Gather, Input, Lookup, Matvec, Node, State, unwired
from rnnhw.machine.feeds import Feed
from rnnhw.machine.phases import Phase, Transform
from rnnhw.machine.plan import Part, Plan, Rows
from rnnhw.machine.schedule import Schedule
from rnnhw.numerics import Q, Rounding, interval_format
from rnnhw.structures import Circulant, Toeplitz

__all__ = [
    "Memory",
    "MemoryKind",
    "handed_bits",
    "memories_of",
    "operand_format",
    "shifted",
    "stored_vectors",
    "weight_format",
]


class MemoryKind(Enum):
    """What a memory holds."""

    WEIGHTS = "weights"
    BIASES = "biases"
    TABLES = "tables"  # of functions, and of addresses
    STATE = "state"
    VECTORS = "vectors"  # inputs and intermediate vectors

    @property
    def rom(self) -> bool:
        """Whether the contents never change: these are asked to be block RAM by attribute."""
        return self in (MemoryKind.WEIGHTS, MemoryKind.BIASES, MemoryKind.TABLES)


@dataclass(frozen=True)
class Memory:
    """One ROM or RAM of ``depth`` words of ``width`` bits."""

    name: str
    kind: MemoryKind
    depth: int
    width: int
    stored_bits: int

    @property
    def padded_bits(self) -> int:
        """Bits of the memory."""
        return self.depth * self.width


def _address_bits(words: int) -> int:
    return max((words - 1).bit_length(), 1)


def _buffer(name: str, kind: MemoryKind, node: Node, *, copies: int = 2, word: int = 1) -> Memory:
    """``copies`` of a vector in words of ``word`` elements; the depth of each is a power of
    two."""
    depth = copies << _address_bits(-(-node.units // word))
    return Memory(name, kind, depth, word * node.format.width, 0)


def memories_of(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> tuple[Memory, ...]:
    """Every memory of a layer, by name."""
    return (
        *_weights(plan, phases),
        *_biases(plan, schedule),
        *_stage_biases(phases),
        *_constants(plan, schedule),
        *_tables(plan, schedule),
        *_addresses(plan, schedule, phases),
        *_vectors(plan, schedule, phases),
    )


# --- ROMs --------------------------------------------------------------------------------------
def _stored(products: Iterable[Matvec]) -> dict[str, int]:
    """Bits of the weights by tensor: the words of the structure with the index that they need."""
    bits: dict[str, int] = {}
    for product in products:
        if product.weights is not None:
            words = product.structure.stored_words(product.units, product.vector.units)
            width = product.structure.word_bits(product.weights.format.width)
            bits[product.weights.key] = words * width
    return bits


def _widest(formats: Iterable[Q]) -> Q | None:
    return max(formats, key=lambda q: q.width + (not q.signed), default=None)


def weight_format(plan: Plan) -> Q | None:
    """The widest weight that the lanes multiply by."""
    products = (*plan.products, *plan.transforms)
    return _widest(p.weights.format for p in products if p.weights is not None)


def operand_format(phases: Sequence[Phase]) -> Q | None:
    """The widest vector that the lanes multiply by weights."""
    columns = [segment.vector.format for phase in phases for segment in phase.segments]
    fed = [t.node.vector.format for phase in phases for t in phase.transforms if t.weight_words]
    return _widest(columns + fed)


def shifted(plan: Plan, phases: Sequence[Phase]) -> list[tuple[Phase, Matvec]]:
    """The products whose weights move past the lanes from stored diagonals, with their phases."""
    return [
        (phase, product)
        for number, phase in enumerate(phases)
        if any(segment.feed is Feed.DIAGONALS for segment in phase.segments)
        for rows in plan.phase_rows(number)
        for product in rows.products
        if isinstance(product.structure, Toeplitz | Circulant)
    ]


def staged(phases: Sequence[Phase]) -> list[Transform]:
    """The transforms with weights."""
    return [each for phase in phases for each in phase.transforms if each.weight_words]


def _weights(plan: Plan, phases: Sequence[Phase]) -> Iterator[Memory]:
    bits = _stored(node for node in plan.given.nodes if isinstance(node, Matvec))
    apart = [product for _, product in shifted(plan, phases)]
    passes = staged(phases)
    # Every tensor is stored once, also where it is read in two ways.
    own = {p.weights.key: bits.pop(p.weights.key, 0) for p in apart if p.weights is not None}
    fed = sum(bits.pop(t.node.weights.key, 0) for t in passes if t.node.weights is not None)
    depth = sum(phase.groups * phase.weight_columns for phase in phases if phase.lanes)
    fields = [
        product.structure.word_bits(product.weights.format.width)
        for product in plan.products
        if product.weights is not None and product not in apart
    ]
    if depth and fields:
        width = max(phase.lanes for phase in phases) * max(fields)
        yield Memory("weights", MemoryKind.WEIGHTS, depth, width, sum(bits.values()))
    for product in apart:
        assert product.weights is not None
        words = product.structure.stored_words(product.units, product.vector.units)
        key, width = product.weights.key, product.weights.format.width
        name = f"{product.name} diagonals"
        yield Memory(name, MemoryKind.WEIGHTS, words, width, own.pop(key, 0))
    if passes:
        depth = sum(each.weight_words for each in passes)
        width = max(each.width * _weight_bits(each) for each in passes)
        yield Memory("stage weights", MemoryKind.WEIGHTS, depth, width, fed)


def _weight_bits(transform: Transform) -> int:
    assert transform.node.weights is not None
    return transform.node.weights.format.width


def _bias_interval(rows: Rows, constants: Sequence[Node], half: int) -> tuple[int, int, int]:
    fraction = rows.values[-1][1].format.fraction
    low = high = 0
    for constant in constants:
        shift = fraction - constant.format.fraction
        # A narrower accumulator rounds its start; the word is then the accumulator's scale.
        bounds = [b << shift if shift >= 0 else b >> -shift for b in constant.interval]
        low, high = low + bounds[0], high + bounds[1]
    return low, high + half, fraction


def _half(schedule: Schedule, rows: Rows) -> int:
    """The largest rounding constant that the bias ROM carries."""
    halves = [0]
    for cast in schedule.values:
        node = cast.node
        if not isinstance(node, Cast) or not schedule.folded(cast):
            continue
        drop = node.a.format.fraction - node.format.fraction
        mine = schedule.plan.operands(cast)[0].node is rows
        if mine and drop > 0 and node.format.rounding is not Rounding.TRN:
            halves.append(1 << (drop - 1))
    return max(halves)


def _biases(plan: Plan, schedule: Schedule) -> Iterator[Memory]:
    widths: dict[str, list[int]] = {"biases": [], "input biases": []}
    stored: dict[Node, int] = {}
    for rows in plan.rows:
        choices = {"biases": (rows.constants, _half(schedule, rows))}
        if rows.snapshot:
            choices["input biases"] = (rows.early_constants, 0)
        for name, (constants, half) in choices.items():
            low, high, fraction = _bias_interval(rows, constants, half)
            if (low, high) != (0, 0):
                word = interval_format(low, high, fraction).width + (low >= 0)
                widths[name].append(word)
        stored.update({c: c.units * c.format.width for c in rows.constants})
    depth = sum(rows.units for rows in plan.rows)
    for name, found in widths.items():
        if found:
            bits = sum(stored.values()) if name == "biases" else 0
            yield Memory(name, MemoryKind.BIASES, depth, max(found), bits)


def _stage_biases(phases: Sequence[Phase]) -> Iterator[Memory]:
    """What butterfly stages in the feed start from, in words of F."""
    started = [(each, each.node.start) for each in staged(phases) if each.node.start is not None]
    if started:
        depth = sum(each.words for each, _ in started)
        width = max(each.width * start.format.width for each, start in started)
        bits = sum(start.units * start.format.width for _, start in started)
        yield Memory("stage biases", MemoryKind.BIASES, depth, width, bits)


def _constants(plan: Plan, schedule: Schedule) -> Iterator[Memory]:
    """Trained vectors that the post-processor reads, and trained first states."""
    read = [v.node for v in schedule.values if isinstance(v.node, Node)]
    for node in dict.fromkeys(read):
        uniform = isinstance(node, Constant) and len(set(node.values)) == 1
        if plan.is_constant(node) and not uniform:
            bits = node.units * node.format.width
            yield Memory(node.name, MemoryKind.WEIGHTS, node.units, node.format.width, bits)
    for state, _ in plan.graph.updates:
        if state.initial is not None:
            bits = state.units * state.format.width
            name = f"{state.name.removesuffix('.previous')}.initial"
            yield Memory(name, MemoryKind.WEIGHTS, state.units, state.format.width, bits)


def _tables(plan: Plan, schedule: Schedule) -> Iterator[Memory]:
    """A ROM for each lookup; the gates that share one serial cast share one ROM."""
    shared: dict[tuple[Q, int], dict[tuple[str, Q], int]] = {}
    for value in schedule.values:
        node = value.node
        if not isinstance(node, Lookup) or plan.is_constant(node):
            continue
        bits = (1 << node.table.address.width) * node.format.width
        if schedule.serial(value):
            tables = shared.setdefault((node.table.address, node.format.width), {})
            tables[(node.table.function.name, node.format)] = bits
        else:
            suffix = f"[{value.gate}]" if value.gate else ""
            depth = 1 << node.table.address.width
            name = f"{node.name} table{suffix}"
            yield Memory(name, MemoryKind.TABLES, depth, node.format.width, bits)
    for (address, width), tables in shared.items():
        name = "gate tables " + "+".join(dict.fromkeys(function for function, _ in tables))
        depth = len(tables) << address.width
        yield Memory(name, MemoryKind.TABLES, depth, width, sum(tables.values()))


# --- RAMs --------------------------------------------------------------------------------------
def stored_vectors(vector: Node) -> list[Node]:
    """The stored vectors behind a permutation."""
    vector = unwired(vector)
    if isinstance(vector, Gather):
        return [found for part in vector.parts for found in stored_vectors(part)]
    return [vector]


def _ordered(vector: Node) -> bool:
    """Whether counting gives the addresses of a vector's elements."""
    vector = unwired(vector)
    return not isinstance(vector, Gather) or (vector.in_order and all(map(_ordered, vector.parts)))


def _permuted_by_unit(plan: Plan, schedule: Schedule) -> list[Gather]:
    """What the post-processor reads out of memory in another order than its units'."""
    return [
        node
        for node in schedule.gathered
        if node not in schedule.edge
        and plan.is_stored(node)
        and not plan.is_constant(node)
        and not _ordered(node)
    ]


def _addresses(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> Iterator[Memory]:
    """ROMs of addresses: for vectors and results whose order counting does not give."""
    vectors = [unwired(product.vector) for product in (*plan.products, *plan.transforms)]
    permuted = [vector for vector in vectors if not _ordered(vector)]
    for vector in dict.fromkeys([*permuted, *_permuted_by_unit(plan, schedule)]):
        width = _address_bits(sum(part.units for part in dict.fromkeys(stored_vectors(vector))))
        yield Memory(f"{vector.name} addresses", MemoryKind.TABLES, vector.units, width, 0)
    for number, phase in enumerate(phases):
        if phase.by_block:
            units = plan.widths[number]
            name = f"phase {number} write addresses"
            yield Memory(name, MemoryKind.TABLES, units, _address_bits(units), 0)


@dataclass(frozen=True)
class _Buffer:
    """A RAM whose bits are those of ``holds``: inputs and states, in whatever form."""

    memory: Memory
    holds: tuple[Node, ...]


def _vectors(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> Iterator[Memory]:
    """All RAMs. An input or a state is stored once, in the first of them that holds it."""
    stored: set[Node] = set()
    for buffer in _buffers(plan, schedule, phases):
        new = [node for node in dict.fromkeys(buffer.holds) if node not in stored]
        stored.update(new)
        bits = sum(node.units * node.format.width for node in new)
        yield replace(buffer.memory, stored_bits=bits)


def _buffers(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> Iterator[_Buffer]:
    transforms = [t for phase in phases for t in phase.transforms]
    direct = dict.fromkeys(found for p in plan.products for found in stored_vectors(p.vector))
    swept = [p.vector for p in (*plan.products, *plan.transforms)]
    read_by_lanes = dict.fromkeys(found for vector in swept for found in stored_vectors(vector))
    fed = {unwired(t.node.vector) for t in transforms}
    buffered = [node for node in read_by_lanes if node in direct or node not in fed]
    words = _words(phases)
    by_unit = _unit_reads(schedule)
    shuffled = {v for each in _permuted_by_unit(plan, schedule) for v in stored_vectors(each)}
    for node in plan.graph.nodes:
        if isinstance(node, Input | State):
            name = node.name.removesuffix(".previous")
            kind = MemoryKind.STATE if isinstance(node, State) else MemoryKind.VECTORS
            if node in buffered:
                yield _Buffer(_buffer(name, kind, node, word=words.get(node, 1)), (node,))
            if node in by_unit and isinstance(node, State):
                # Read in its own order it is written behind the reading, in any other beside it.
                copies = 2 if node in shuffled else 1
                yield _Buffer(_buffer(f"{name} by unit", kind, node, copies=copies), (node,))
    for node in dict.fromkeys(by_unit):
        if isinstance(node, Input) and node.units > 1:
            yield _Buffer(_buffer(f"{node.name} by unit", MemoryKind.VECTORS, node), (node,))
    for vector in buffered:
        if not isinstance(vector, Input | State | Constant) and not plan.in_feed(vector):
            holds, kind = _replaced_states(plan, schedule, vector)
            copies = 1 if plan.formed(vector) else 2
            word = words.get(vector, 1)
            memory = _buffer(vector.name, kind, vector, copies=copies, word=word)
            yield _Buffer(memory, holds)
    yield from _crossing(plan, schedule)
    yield from _transform_buffers(plan, schedule, transforms)


def _words(phases: Sequence[Phase]) -> dict[Node, int]:
    """The elements that a memory has to give at once, for every vector behind columns."""
    words: dict[Node, int] = {}
    for phase in phases:
        for segment in phase.segments:
            for source in stored_vectors(segment.vector):
                words[source] = max(words.get(source, 1), segment.word)
    return words


def _replaced_states(
    plan: Plan, schedule: Schedule, vector: Node
) -> tuple[tuple[Node, ...], MemoryKind]:
    """A vector formed at write-back stands in memory for the states that it is made from."""
    states = [n for n in _ancestors(vector) if isinstance(n, State)]
    if plan.formed(vector) or not states:
        return (), MemoryKind.VECTORS
    swept = [p.vector for p in (*plan.products, *plan.transforms)]
    direct = {found for each in swept for found in stored_vectors(each)}
    direct |= set(_unit_reads(schedule))
    return tuple(state for state in states if state not in direct), MemoryKind.STATE


def _ancestors(node: Node) -> list[Node]:
    found, pending = [], [node]
    while pending:
        top = pending.pop()
        found.append(top)
        pending.extend(operand for operand in top.operands if operand not in found)
    return list(dict.fromkeys(found))


def _unit_reads(schedule: Schedule) -> list[Node]:
    """Nodes that an operation of the post-processor reads unit by unit."""
    return [
        value.node
        for reader in schedule.values
        if reader.node not in schedule.edge
        if not isinstance(reader.node, Gather) or reader.node in schedule.gathered
        for value in schedule.plan.operands(reader)
        if isinstance(value.node, Node)
    ]


def _phase(plan: Plan, node: Node | Rows) -> int:
    return node.phase if isinstance(node, Rows) else plan.phase(node)


def _crossing(plan: Plan, schedule: Schedule) -> Iterator[_Buffer]:
    """Results of one phase that a later phase reads unit by unit."""
    found: dict[str, _Buffer] = {}
    for reader in schedule.values:
        for value in plan.operands(reader):
            node = value.node
            if _phase(plan, reader.node) <= _phase(plan, node):
                continue
            if isinstance(node, Rows):
                parts = dict(node.values)
                node = parts.get(value.part or Part.WHOLE, node.values[-1][1])
            if plan.formed(node):
                name = f"{node.name} by unit"
                found[name] = _Buffer(_buffer(name, MemoryKind.VECTORS, node, copies=1), ())
    yield from found.values()


def _transform_buffers(
    plan: Plan, schedule: Schedule, transforms: Sequence[Transform]
) -> Iterator[_Buffer]:
    """Two buffers of words of F elements, as wide as the last stage; stages in a row share.

    Stages with weights that start from one vector have two buffers each: it is written to all.
    """
    chains: dict[Node, list[Transform]] = {}
    origins: dict[Node, Node] = {}
    for transform in transforms:
        head, origin = transform.node, unwired(transform.node.vector)
        while depths := schedule.transform_depth(origin):
            head = next(iter(depths))
            origin = unwired(head.vector)
        group = origin if head.weights is None else head
        chains.setdefault(group, []).append(transform)
        origins[group] = origin
    for group, chain in chains.items():
        origin, first = origins[group], chain[0]
        holds: tuple[Node, ...] = (origin,)
        kind = MemoryKind.STATE if isinstance(origin, State) else MemoryKind.VECTORS
        if not isinstance(origin, Input | State):
            holds, kind = _replaced_states(plan, schedule, origin)
        width = max(origin.format.width, *(handed_bits(plan, schedule, each) for each in chain))
        name = f"{group.name.removesuffix('.previous')} transform"
        memory = Memory(name, kind, 2 * first.words, first.width * width, 0)
        yield _Buffer(memory, holds)


def handed_bits(plan: Plan, schedule: Schedule, transform: Transform) -> int:
    """Bits of what a transform writes: with weights, behind the casts that follow."""
    if not transform.weight_words:
        return transform.node.format.width
    vectors = [product.vector for product in (*plan.products, *plan.transforms)]
    return max(
        vector.format.width
        for vector in vectors
        if transform.node in schedule.transform_depth(vector)
    )
