"""Read-only memories of a layer: weights, biases, constants, tables of functions and addresses.

A wide weight word has a field for every lane, as wide as the widest weight with its index, where a
structure stores one. Another memory holds the diagonals of a Toeplitz or circulant matrix, one a
word, which move past the lanes; the weights of butterfly stages in the feed lie in words of F.
Vectors in an order that counting does not give have ROMs of addresses
(:mod:`rnnhw.accelerator.mapping.vector_layout`): the network stores nothing there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from rnnhw.accelerator.mapping.memory import (
    Held,
    Memory,
    MemoryRole,
    constant_role,
    stored_vectors,
    tensors_behind,
)
from rnnhw.accelerator.mapping.multiplier_widths import (
    stage_bias_bits,
    stage_weight_bits,
    weight_bits,
)
from rnnhw.accelerator.mapping.phases import Phase, Transform
from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule, uniform
from rnnhw.accelerator.mapping.rows import LayerRows, Part, Rows
from rnnhw.accelerator.mapping.transform_chains import chains_of
from rnnhw.accelerator.mapping.unit_reads import (
    UnitReads,
    joined_by_unit,
    read_late,
    unit_reads,
)
from rnnhw.accelerator.mapping.vector_feed import Feed
from rnnhw.accelerator.mapping.vector_layout import address_roms, select_rom, sources_of
from rnnhw.graph.nodes import Cast, Constant, Gather, Lookup, Matvec, Node, State
from rnnhw.layers.structures import Circulant, Toeplitz
from rnnhw.numerics.cast import Q

__all__ = [
    "bias_word",
    "common_start",
    "operand_format",
    "roms_of",
    "shifted",
    "weight_format",
]


def roms_of(
    layer: LayerRows,
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
    units: UnitReads,
) -> Iterator[Held]:
    """Every ROM of a layer."""
    yield from _weights(layer, phases)
    yield from _biases(layer, schedule)
    yield from _stage_biases(phases)
    yield from _row_exponents(layer, schedule, phases)
    yield from _constants(layer, schedule, phases, units)
    yield from _tables(layer, schedule, phases, units)
    yield from _addresses(schedule, phases, units)


# --- weights -----------------------------------------------------------------------------------
def _bits(product: Matvec) -> tuple[Hashable, int]:
    """A product's tensor with its bits: the words of the structure and their indices."""
    assert product.weights is not None
    words = product.structure.stored_words(product.units, product.vector.units)
    width = product.structure.word_bits(product.weights.format.width)
    return product.weights.key, words * width


def _widest(formats: Iterable[Q]) -> Q | None:
    return max(formats, key=lambda q: q.signed_width, default=None)


def weight_format(layer: LayerRows) -> Q | None:
    """The widest weight that the lanes multiply by."""
    products = (*layer.products, *layer.transforms)
    return _widest(p.weights.format for p in products if p.weights is not None)


def operand_format(phases: Sequence[Phase]) -> Q | None:
    """The widest vector that the lanes multiply by weights."""
    columns = [segment.vector.format for phase in phases for segment in phase.segments]
    fed = [t.node.vector.format for phase in phases for t in phase.transforms if t.weight_words]
    return _widest(columns + fed)


def shifted(layer: LayerRows, phases: Sequence[Phase]) -> list[tuple[Phase, Matvec]]:
    """The products whose weights move past the lanes from stored diagonals, with their phases."""
    return [
        (phase, product)
        for number, phase in enumerate(phases)
        if any(segment.feed is Feed.DIAGONALS for segment in phase.segments)
        for rows in layer.phase_rows(number)
        for product in rows.products
        if isinstance(product.structure, Toeplitz | Circulant)
    ]


def staged(phases: Sequence[Phase]) -> list[Transform]:
    """The transforms with weights."""
    return [each for phase in phases for each in phase.transforms if each.weight_words]


def _weights(layer: LayerRows, phases: Sequence[Phase]) -> Iterator[Held]:
    moved = shifted(layer, phases)
    apart = [product for _, product in moved]
    passes = staged(phases)
    for phase, product in moved:
        assert product.weights is not None
        words = product.structure.stored_words(product.units, product.vector.units)
        width = product.weights.format.width
        reads = phase.groups * (product.vector.units + phase.window_units - 1)
        name = f"{product.name} diagonals"
        memory = Memory(name, MemoryRole.DIAGONALS, words, width, reads=reads)
        yield Held(memory, (_bits(product),))
    if passes:
        depth = sum(each.weight_words for each in passes)
        width = max(each.width for each in passes) * stage_weight_bits(passes)
        memory = Memory("stage weights", MemoryRole.STAGE_WEIGHTS, depth, width, reads=depth)
        yield Held(memory, tuple(_bits(each.node) for each in passes))
    depth = sum(phase.groups * phase.weight_columns for phase in phases if phase.lanes)
    lanes = max((phase.lanes for phase in phases), default=0)
    indices = [
        product.structure.word_bits(product.weights.format.width) - product.weights.format.width
        for product in layer.products
        if product.weights is not None and product not in apart
    ]
    if depth:
        width = lanes * (weight_bits(layer, phases, lanes) + max(indices, default=0))
        # The tensors as the network has them: slices of one are parts of it.
        matvecs = [node for node in layer.given.nodes if isinstance(node, Matvec) and node.weights]
        memory = Memory("weights", MemoryRole.WEIGHTS, depth, width, reads=depth)
        yield Held(memory, tuple(map(_bits, matvecs)))


def _bias_interval(
    layer: LayerRows, rows: Rows, constants: Sequence[Node], half: int
) -> tuple[int, int]:
    """The bounds of what rows start from, at the scale of their phase's accumulators."""
    scale = layer.accumulator(rows.phase).fraction
    fraction = rows.word(Part.WHOLE)[0].fraction
    low = high = 0
    for constant in constants:
        shift = scale - constant.format.fraction
        # A narrower accumulator rounds its start; the word is then the accumulator's scale.
        bounds = [b << shift if shift >= 0 else b >> -shift for b in constant.interval]
        low, high = low + bounds[0], high + bounds[1]
    return low, high + (half << (scale - fraction))


def bias_word(layer: LayerRows, schedule: PostProcessorSchedule, *, early: bool) -> tuple[int, int]:
    """Bits of the biases' words, of the snapshot's if ``early``, and the zeros below them; no bits
    where all are zero.

    Signed, and no wider than the accumulators, in which sums are exact modulo their word.
    """
    widths, shifts = [0], []
    for rows in layer.rows:
        gates = range(layer.gates(rows, layer.widths[rows.phase]))
        halves = {0 if early else schedule.rounding_constant(rows, gate) for gate in gates}
        constants = rows.early_constants if early else rows.constants
        low, high = _bias_interval(layer, rows, constants, max(halves))
        if (low, high) == (0, 0):
            continue
        widths.append(1 + max(max(high, 0).bit_length(), max(~low, 0).bit_length()))
        scale, fraction = layer.accumulator(rows.phase).fraction, rows.word(Part.WHOLE)[0].fraction
        shifts += [max(scale - constant.format.fraction, 0) for constant in constants]
        shifts += [_zeros(half) + scale - fraction for half in halves if half]
    accumulators = [layer.accumulator(rows.phase).width for rows in layer.rows]
    shift = min(shifts, default=0)
    return max(min(max(widths), max(accumulators, default=0)) - shift, 0), shift


def common_start(layer: LayerRows, schedule: PostProcessorSchedule) -> int | None:
    """The power of two that every row starts from, at the scale of the accumulators, because its
    cast rounds and it has no bias; None where rows differ. It needs no memory."""
    starts = set()
    for rows in layer.rows:
        shift = layer.accumulator(rows.phase).fraction - rows.word(Part.WHOLE)[0].fraction
        for gate in range(layer.gates(rows, layer.widths[rows.phase])):
            half = schedule.rounding_constant(rows, gate)
            power = half > 0 and half & (half - 1) == 0  # rounding half down adds one less
            starts.add(None if rows.constants or not power else _zeros(half) + shift)
    return starts.pop() if len(starts) == 1 else None


def _zeros(number: int) -> int:
    """The zero bits below the lowest one."""
    return (number & -number).bit_length() - 1


def _biases(layer: LayerRows, schedule: PostProcessorSchedule) -> Iterator[Held]:
    depth = sum(rows.units for rows in layer.rows)
    holds = [held for rows in layer.rows for c in rows.constants for held in tensors_behind(c)]
    for role, early in ((MemoryRole.BIASES, False), (MemoryRole.INPUT_BIASES, True)):
        bits, _ = bias_word(layer, schedule, early=early)
        if bits and (early or common_start(layer, schedule) is None):
            name = "input biases" if early else "biases"
            yield Held(Memory(name, role, depth, bits, reads=depth), tuple(holds))


def _stage_biases(phases: Sequence[Phase]) -> Iterator[Held]:
    """The biases of butterfly stages in the feed, in words of F."""
    started = [(each, each.node.start) for each in staged(phases) if each.node.start is not None]
    if started:
        depth = sum(each.words for each, _ in started)
        width = max(each.width for each in staged(phases)) * stage_bias_bits(staged(phases))
        holds = [held for _, start in started for held in tensors_behind(start)]
        memory = Memory("stage biases", MemoryRole.STAGE_BIASES, depth, width, reads=depth)
        yield Held(memory, tuple(holds))


def _constants(
    layer: LayerRows,
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
    units: UnitReads,
) -> Iterator[Held]:
    """Trained vectors that the post-processor reads, and trained first states."""
    read: dict[Node, set[int]] = {}
    for value in schedule.values:
        if isinstance(value.node, Node) and layer.is_constant(value.node):
            read.setdefault(value.node, set()).add(value.gate)
    for node, gates in read.items():
        if uniform(node):
            behind = tensors_behind(node)
            if behind:
                role = constant_role(node, wired=True)
                yield Held(Memory(node.name, role, 1, node.format.width), behind)
        else:
            # Every gate of a unit reads a memory of this constant, in every phase that does.
            widths = [
                layer.widths[number]
                for number in range(len(phases))
                if any(value.node is node for value in schedule.read_by_unit(number))
            ]
            memory = Memory(
                node.name,
                constant_role(node),
                min(node.units, max(widths, default=node.units)),
                node.format.width,
                copies=max(len(gates), schedule.times_read_by_unit(node)),
                reads=units.of_node(node),
            )
            yield Held(memory, tensors_behind(node))
    for state, _ in layer.graph.updates:
        if state.initial is not None:
            name = f"{state.vector_name}.initial"
            initials = [(each.initial, each) for each in layer.stands_for(state)]
            holds = [(t.key, each.units * each.format.width) for t, each in initials if t]
            # One beside every memory of the state.
            shapes: dict[tuple[int, int], list[int]] = {}
            for depth, width, reads in _shapes(layer, schedule, phases, state, units):
                shapes.setdefault((depth, width), []).append(reads)
            for number, ((depth, width), beside) in enumerate(shapes.items()):
                memory = Memory(
                    name + f" {number}" * bool(number),
                    MemoryRole.INITIAL_STATE,
                    depth,
                    width,
                    copies=len(beside),
                    reads=sum(beside),
                )
                yield Held(memory, tuple(holds))


def _row_exponents(
    layer: LayerRows, schedule: PostProcessorSchedule, phases: Sequence[Phase]
) -> Iterator[Held]:
    """The exponents of the shifters behind the accumulators, a word a row of their phase."""
    for shifter, values in schedule.shifters().items():
        behind = [layer.operands(value)[1].node for value in values]
        holds = [held for by in behind if isinstance(by, Node) for held in tensors_behind(by)]
        rows, width = phases[shifter.phase].rows, shifter.exponent.width
        memory = Memory("row exponents", MemoryRole.CONSTANT, rows, width, reads=rows)
        yield Held(memory, tuple(holds))


def _shapes(
    layer: LayerRows,
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
    state: State,
    units: UnitReads,
) -> list[tuple[int, int, int]]:
    """Words and their bits of every memory of a state, less those for its next value, and the reads
    of a step. (A post-processor has a memory of first values for each time that it reads.)"""
    width = state.format.width
    shapes = [
        (segment.vector.units // segment.word, width * segment.word, phase.words(segment))
        for phase in phases
        for segment in phase.segments
        if state in stored_vectors(segment.vector)
    ]
    shapes += [
        (source.words(vector.units), width, units.of_node(vector))
        for vector in joined_by_unit(schedule)
        for source in sources_of(vector)
        if source.node is state
    ]
    if state in read_late(schedule):
        shapes.append((state.units, width, units.of_node(state)))
    elif state in unit_reads(schedule):
        times = max(schedule.times_read_by_unit(state), 1)
        shapes += [(state.units, width, units.of_node(state) // times)] * times
    words = {each.node: each for phase in phases for each in phase.transforms}
    for chain in chains_of(layer):
        if chain.origin is state:
            shape = words[chain.transforms[0]]
            passes = sum(words[each].pass_words for each in chain.transforms)
            shapes.append((shape.words, shape.width * chain.element_bits, passes))
    return shapes


# --- tables ------------------------------------------------------------------------------------
def _table(node: Lookup) -> tuple[Hashable, int]:
    """A function's table by its contents, with its bits."""
    return node.table.contents, node.table.stored_bits


def _tables(
    layer: LayerRows,
    schedule: PostProcessorSchedule,
    phases: Sequence[Phase],
    units: UnitReads,
) -> Iterator[Held]:
    """A ROM for each lookup; the gates of a phase that share one serial cast share one ROM, which
    every row of the phase reads."""
    shared: dict[tuple[int, tuple[object, ...]], dict[tuple[int, int, str], Lookup]] = {}
    for value in schedule.values:
        node = value.node
        if not isinstance(node, Lookup) or layer.is_constant(node):
            continue
        if schedule.serial(value):
            (cast,) = schedule.layer.operands(value)
            assert isinstance(cast.node, Cast)
            shifter = schedule.shifter(schedule.layer.operands(cast)[0])
            drop = cast.node.a.format.fraction - cast.node.format.fraction
            phase = schedule.layer.phase(node)
            kind = drop, cast.node.format, schedule.folded(cast), node.table.format, shifter
            shared.setdefault((phase, kind), {}).setdefault(node.table.contents, node)
        else:
            suffix = f"[{value.gate}]" if value.gate else ""
            depth = 1 << node.table.address.width
            name = f"{node.name} table{suffix}"
            width = node.table.word_bits(node.table.unsigned)
            held = (_table(node),)
            memory = Memory(name, MemoryRole.TABLE, depth, width, tables=held)
            yield Held(replace(memory, reads=units.computed(value)), held)
    for (phase, _), tables in shared.items():
        name = "gate tables " + "+".join(n.table.function.name for n in tables.values())
        address = next(iter(tables.values())).table.address
        unsigned = all(node.table.unsigned for node in tables.values())
        width = max(node.table.word_bits(unsigned) for node in tables.values())
        depth, holds = len(tables) << address.width, tuple(map(_table, tables.values()))
        memory = Memory(name, MemoryRole.TABLE, depth, width, tables=holds)
        yield Held(replace(memory, reads=phases[phase].rows), holds)


def _ordered(
    schedule: PostProcessorSchedule, phases: Sequence[Phase], units: UnitReads
) -> dict[Node, list[int]]:
    """The vectors that are stored in the order of a reader, with the reads a step of every memory
    that holds them."""
    reads: dict[Node, list[int]] = {}
    for phase in phases:
        for segment in phase.segments:
            reads.setdefault(segment.vector, []).append(phase.words(segment))
    for vector in joined_by_unit(schedule):
        reads.setdefault(vector, []).append(units.of_node(vector))
    return reads


def _addresses(
    schedule: PostProcessorSchedule, phases: Sequence[Phase], units: UnitReads
) -> Iterator[Held]:
    """ROMs of addresses: for vectors whose order counting does not give, and joined ones. A place
    is read for each element that is written, all others for each that is read."""
    for vector, ports in _ordered(schedule, phases, units).items():
        copies, reads = len(ports), sum(ports)
        for name, source, bits in address_roms(vector):
            depth = source.node.units
            if source.reads:
                memory = Memory(name, MemoryRole.ADDRESSES, vector.units, bits, copies=copies)
                yield Held(replace(memory, reads=reads))
            elif not isinstance(source.node, Constant):
                memory = Memory(name, MemoryRole.PLACES, depth, bits, copies=copies)
                yield Held(replace(memory, reads=copies * depth))
        for source in sources_of(vector) if isinstance(vector, Gather) else ():
            if isinstance(source.node, Constant):
                name, width = f"{vector.name} of {source.node.name}", source.node.format.width
                role = constant_role(source.node)
                words = source.words(vector.units)
                memory = Memory(name, role, words, width, copies=copies)
                yield Held(replace(memory, reads=reads), tensors_behind(source.node))
        selects = select_rom(vector)
        if selects is not None:
            name, bits = selects
            memory = Memory(name, MemoryRole.SOURCES, vector.units, bits, copies=copies)
            yield Held(replace(memory, reads=reads))
