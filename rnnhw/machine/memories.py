"""The memories of a layer: depth x width of each, the bits that the network stores in it.

Weights, biases, constants and tables are ROMs; vectors are RAMs of a power-of-two depth. Depths
and widths are those of the Verilog prototype. ``stored_bits`` are the network's own bits,
``padded_bits`` those of the memory: a wide word has a field for every lane, a group of rows that
is not full still has its words, rows of unequal columns are filled up with zeros, and a vector
that is read while the next one is written is there twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from rnnhw.dataflow import Cast, Constant, Gather, Input, Lookup, Matvec, Node, State, unwired
from rnnhw.machine.phases import Phase, Transform
from rnnhw.machine.plan import Part, Plan, Rows
from rnnhw.machine.schedule import Schedule
from rnnhw.numerics import Q, Rounding, interval_format

__all__ = ["Memory", "MemoryKind", "memories_of"]


class MemoryKind(Enum):
    """What a memory holds."""

    WEIGHTS = "weights"
    BIASES = "biases"
    TABLES = "tables"
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


def _buffer(name: str, kind: MemoryKind, node: Node, stored: int, *, copies: int = 2) -> Memory:
    """``copies`` of a vector; the depth of each is a power of two."""
    return Memory(name, kind, copies << _address_bits(node.units), node.format.width, stored)


def memories_of(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> tuple[Memory, ...]:
    """Every memory of a layer, by name."""
    return (
        *_weights(plan, phases),
        *_biases(plan, schedule),
        *_constants(plan, schedule),
        *_tables(plan, schedule),
        *_vectors(plan, schedule, phases),
    )


# --- ROMs --------------------------------------------------------------------------------------
def _stored(products: Sequence[Matvec]) -> int:
    """Bits of the weights, each tensor once."""
    bits: dict[str, int] = {}
    for product in products:
        if product.weights is not None:
            words = product.structure.stored_words(product.units, product.vector.units)
            bits[product.weights.key] = words * product.weights.format.width
    return sum(bits.values())


def _widest(formats: Iterable[Q]) -> Q | None:
    return max(formats, key=lambda q: q.width + (not q.signed), default=None)


def weight_format(plan: Plan) -> Q | None:
    """The widest weight: the width of a lane's field in a weight word."""
    return _widest(p.weights.format for p in plan.products if p.weights is not None)


def operand_format(phases: Sequence[Phase]) -> Q | None:
    """The widest vector that the lanes multiply by weights."""
    return _widest(segment.vector.format for phase in phases for segment in phase.segments)


def _weights(plan: Plan, phases: Sequence[Phase]) -> Iterator[Memory]:
    depth = sum(phase.groups * phase.weight_columns for phase in phases if phase.lanes)
    weight = weight_format(plan)
    if depth and weight is not None:
        width = max(phase.lanes for phase in phases) * weight.width
        yield Memory("weights", MemoryKind.WEIGHTS, depth, width, _stored(plan.products))


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
def _sources(vector: Node) -> list[Node]:
    """The stored vectors behind a permutation."""
    vector = unwired(vector)
    if isinstance(vector, Gather):
        return [found for part in vector.parts for found in _sources(part)]
    return [vector]


def _vectors(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> Iterator[Memory]:
    swept = [p.vector for p in (*plan.products, *plan.transforms)]
    read_by_lanes = dict.fromkeys(found for vector in swept for found in _sources(vector))
    transforms = [t for phase in phases for t in phase.transforms]
    fed = {unwired(t.node.vector) for t in transforms}
    for node in plan.graph.nodes:
        bits = node.units * node.format.width
        if isinstance(node, Input):
            if node in read_by_lanes and node not in fed:
                yield _buffer(node.name, MemoryKind.VECTORS, node, bits)
        elif isinstance(node, State):
            name = node.name.removesuffix(".previous")
            buffered = node in read_by_lanes and node not in fed
            if buffered:
                yield _buffer(name, MemoryKind.STATE, node, bits)
            if node in _unit_reads(schedule):
                stored = 0 if buffered else bits
                yield _buffer(f"{name} by unit", MemoryKind.STATE, node, stored, copies=1)
    yield from _unit_inputs(schedule)
    for vector in read_by_lanes:
        formed = not isinstance(vector, Input | State | Constant)
        if formed and vector not in fed and not schedule.transform_depth(vector):
            copies = 1 if plan.formed(vector) else 2
            stored, kind = _replaced_state(plan, schedule, vector)
            yield _buffer(vector.name, kind, vector, stored, copies=copies)
    yield from _crossing(plan, schedule)
    yield from _transform_buffers(plan, schedule, transforms)


def _replaced_state(plan: Plan, schedule: Schedule, vector: Node) -> tuple[int, MemoryKind]:
    """A vector formed at write-back stands in memory for the state it is made from."""
    states = [n for n in _ancestors(vector) if isinstance(n, State)]
    if plan.formed(vector) or not states:
        return 0, MemoryKind.VECTORS
    direct = {found for p in (*plan.products, *plan.transforms) for found in _sources(p.vector)}
    direct |= set(_unit_reads(schedule))
    bits = sum(s.units * s.format.width for s in states if s not in direct)
    return bits, MemoryKind.STATE


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
        for value in schedule.plan.operands(reader)
        if isinstance(value.node, Node)
    ]


def _unit_inputs(schedule: Schedule) -> Iterator[Memory]:
    read = [node for node in _unit_reads(schedule) if isinstance(node, Input)]
    for node in dict.fromkeys(read):
        if node.units > 1:
            yield _buffer(f"{node.name} by unit", MemoryKind.VECTORS, node, 0)


def _phase(plan: Plan, node: Node | Rows) -> int:
    return node.phase if isinstance(node, Rows) else plan.phase(node)


def _crossing(plan: Plan, schedule: Schedule) -> Iterator[Memory]:
    """Results of one phase that a later phase reads unit by unit."""
    found: dict[str, Memory] = {}
    for reader in schedule.values:
        for value in plan.operands(reader):
            node = value.node
            if _phase(plan, reader.node) <= _phase(plan, node):
                continue
            if isinstance(node, Rows):
                node = dict(node.values)[value.part or Part.WHOLE]
            if plan.formed(node):
                name = f"{node.name} by unit"
                found[name] = _buffer(name, MemoryKind.VECTORS, node, 0, copies=1)
    yield from found.values()


def _transform_buffers(
    plan: Plan, schedule: Schedule, transforms: Sequence[Transform]
) -> Iterator[Memory]:
    """Two buffers of words of F elements, as wide as the last stage; stages in a row share."""
    chains: dict[Node, list[Transform]] = {}
    for transform in transforms:
        origin = unwired(transform.node.vector)
        while depths := schedule.transform_depth(origin):
            origin = unwired(next(iter(depths)).vector)
        chains.setdefault(origin, []).append(transform)
    for origin, chain in chains.items():
        bits = max(node.format.width for node in (origin, *(t.node for t in chain)))
        stored, kind = 0, MemoryKind.VECTORS
        if isinstance(origin, State):
            stored, kind = origin.units * origin.format.width, MemoryKind.STATE
        elif not plan.formed(origin):
            stored, kind = _replaced_state(plan, schedule, origin)
        yield Memory(
            f"{origin.name.removesuffix('.previous')} transform",
            kind,
            2 * chain[0].words,
            chain[0].width * bits,
            stored,
        )
