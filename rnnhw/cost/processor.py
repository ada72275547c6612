"""The network on a microcontroller: instructions or cycles a step, flash and RAM.

Costs come from a profile's measured figures, each by operation, operand width and size. A size
between two measured ones is interpolated, one outside is clamped to the nearest and noted.
Instructions are not cycles: where a profile only knows instructions, the time is not known.

A cast behind a dense product is part of the product's figure (the measured kernels requantise
their outputs), a multiplication and the cast behind it are one "multiply + requantise".

Structures that were not measured take the nearest figure and say so: rows that read neighbours
(blocks, Toeplitz, what is kept of a sparse row) that of dense rows of their length, a cyclic band
and butterfly stages that of a band. What they add to it (decoding a sparse index, permuting) has
no figure: the sum is then a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rnnhw.analysis.work import WORK
from rnnhw.graph.matrix import Matrix
from rnnhw.graph.network import Network, Scan, Total, runs_once
from rnnhw.graph.nodes import (
    Cast,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Shift,
    State,
    StepGraph,
    unwired,
)
from rnnhw.layers.structures import (
    Banded,
    BlockDiagonal,
    ButterflyStage,
    Circulant,
    CyclicBand,
    Dense,
    Diagonal,
    FastWalshHadamard,
    Sparse,
    Toeplitz,
    WalshHadamardStage,
)
from rnnhw.numerics.cast import Q
from rnnhw.profiles import Microcontroller, OperationCost
from rnnhw.profiles.microcontroller import Operation

__all__ = ["Counted", "LayerProcessor", "Processor", "least_cycles", "processor"]

Counted = Literal["instructions", "cycles"]
_VIEWS = (Gather, Reinterpret)
_KINDS = ("weights", "biases", "tables", "state", "vectors")
_UNITS: tuple[Counted, ...] = ("cycles", "instructions")


@dataclass(frozen=True)
class Work:
    """``amount`` MACs, butterflies or values of one measured operation.

    ``size`` is what the figure depends on, ``bits`` the wider operand, ``variant`` a function,
    ``figure`` the name of what was measured, where it is not the same. Without a figure for work
    that is ``essential`` the layer's sum is not known; other work is left out of it.
    """

    operation: Operation | None
    name: str
    amount: int
    size: int
    bits: int
    variant: str = ""
    figure: str = ""
    essential: bool = False


@dataclass(frozen=True)
class Stored:
    """Numbers that are kept: ``bits`` as the network stores them, ``bytes`` as the program does
    (in integers of 8, 16, 32 or 64 bits, vectors that need it twice)."""

    bits: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class LayerProcessor:
    """One layer. ``counted`` says what ``per_step`` counts; both None: not known.

    ``stored`` is by ``weights``, ``biases``, ``tables`` (flash), ``state`` and ``vectors`` (RAM),
    and by what it is, equal for what layers share; ``scratch_bytes`` is RAM that layers share.
    ``partial`` tells that some operations have no figure, so that ``per_step`` is a lower bound.
    """

    name: str
    once: bool
    macs: int
    counted: Counted | None
    per_step: int | None
    partial: bool
    stored: Mapping[str, Mapping[object, Stored]]
    scratch_bytes: int
    notes: tuple[str, ...]

    @property
    def has_cycles(self) -> bool:
        """Whether cycles are known, as a lower bound at least: zero of operations without a figure
        is none."""
        return self.counted == "cycles" and not (self.partial and not self.per_step)

    def bits(self, kind: str) -> int:
        """Bits of one kind that the network stores for the layer."""
        return sum(each.bits for each in self.stored.get(kind, {}).values())

    def bytes(self, kind: str) -> int:
        """Bytes of one kind that the program stores for the layer."""
        return sum(each.bytes for each in self.stored.get(kind, {}).values())


@dataclass(frozen=True)
class Processor:
    """The network on one core, layer after layer."""

    layers: tuple[LayerProcessor, ...]
    counted: Counted | None

    @property
    def per_step(self) -> int | None:
        """Instructions or cycles of one step, without the layers that run once a sequence."""
        return self._sum(once=False)

    @property
    def after_last_step(self) -> int | None:
        """Instructions or cycles of the layers that run once a sequence."""
        return self._sum(once=True)

    def _sum(self, *, once: bool) -> int | None:
        layers = [layer for layer in self.layers if layer.once is once]
        cycles = [layer.per_step for layer in layers if layer.per_step is not None]
        # Nothing but operations without a figure is not known, rather than 0.
        unknown = not any(cycles) and any(layer.partial for layer in layers)
        return None if unknown or len(cycles) < len(layers) else sum(cycles)

    @property
    def partial(self) -> bool:
        """Whether :attr:`per_step` is a lower bound: some operations have no figure."""
        return any(layer.partial for layer in self.layers if not layer.once)

    @property
    def partial_after_last_step(self) -> bool:
        """Whether :attr:`after_last_step` is a lower bound."""
        return any(layer.partial for layer in self.layers if layer.once)

    @property
    def macs(self) -> int:
        """Useful MACs of one step."""
        return sum(layer.macs for layer in self.layers if not layer.once)

    def bits(self, kind: str) -> int:
        """Bits that the network stores of one kind."""
        return sum(each.bits for each in self._stored(kind))

    def bytes(self, kind: str) -> int:
        """Bytes that the program stores of one kind."""
        return sum(each.bytes for each in self._stored(kind))

    def _stored(self, kind: str) -> Iterable[Stored]:
        """Everything of one kind once, whichever layers read it."""
        stored: dict[object, Stored] = {}
        for layer in self.layers:
            stored |= layer.stored.get(kind, {})
        return stored.values()

    @property
    def flash_bytes(self) -> int:
        """Weights, biases and tables; the program is not counted."""
        return sum(self.bytes(kind) for kind in ("weights", "biases", "tables"))

    @property
    def ram_bytes(self) -> int:
        """States and buffers, and the scratch memory that the hungriest layer needs."""
        scratch = max((layer.scratch_bytes for layer in self.layers), default=0)
        return self.bytes("state") + self.bytes("vectors") + scratch


def storage_bytes(width: int) -> int:
    """Bytes of the smallest C integer (8, 16, 32 or 64 bits) that holds ``width`` bits."""
    return next(size for size in (1, 2, 4, 8) if width <= 8 * size)


def _bytes(words: int, format: Q) -> int:
    return words * storage_bytes(format.width)


# --- work ----------------------------------------------------------------------------------------
Worker = Callable[[Node], Iterable[Work]]
_DENSE, _BANDED = "dense MACs", "banded MACs"


def _row_length(structure: Matrix, rows: int, columns: int) -> int | None:
    """Terms of a row that the dense figure is used for; None where it is not."""
    match structure:
        case Dense() | Toeplitz() | Circulant():
            return columns
        case BlockDiagonal():
            return structure.inputs(rows, columns)
        case Sparse(kept=kept, of=of):
            return columns // of * kept
        case _:
            return None


def _matvec(node: Node) -> Iterable[Work]:
    assert isinstance(node, Matvec)
    structure, shape = node.structure, (node.units, node.vector.units)
    bits = max(node.vector.format.width, node.weights.format.width if node.weights else 0)
    macs = structure.multiplies(*shape)
    name = f"{structure.name} MACs"
    length = _row_length(structure, *shape)
    if length is not None:
        yield Work("matvec_dense", name, macs, length, bits, figure=_DENSE)
        if isinstance(structure, Sparse):
            yield Work(None, "index decodings", macs, length, bits)
        return
    match structure:
        case Banded(lower=lower, upper=upper) | CyclicBand(lower=lower, upper=upper):
            yield Work("matvec_banded", name, macs, lower + upper + 1, bits, figure=_BANDED)
        case Diagonal():
            yield Work("matvec_banded", _BANDED, macs, 1, bits)
        case ButterflyStage():
            yield Work("matvec_banded", "butterfly MACs", macs, 2, bits, figure=_BANDED)
        case FastWalshHadamard() | WalshHadamardStage():
            butterflies = structure.adds(*shape) // 2
            yield Work("hadamard", "butterflies", butterflies, shape[1], node.format.width)
        case other:
            yield Work(None, f"{other!r} products", macs, shape[1], bits, essential=True)


def _gather(node: Node) -> Iterable[Work]:
    assert isinstance(node, Gather)
    if not node.in_order:
        yield Work(None, "permuted elements", node.units, node.units, node.format.width)


def _multiply(node: Node) -> Iterable[Work]:
    assert isinstance(node, Multiply)
    bits = max(node.a.format.width, node.b.format.width)
    yield Work("multiply_requantise", "multiplications", node.units, node.units, bits)


def _cast(node: Node) -> Iterable[Work]:
    assert isinstance(node, Cast)
    source = node.a
    while isinstance(source, Reinterpret | Gather | Shift):
        source = source.parts[0] if isinstance(source, Gather) else source.a
    dense = isinstance(source, Matvec) and (
        _row_length(source.structure, source.units, source.vector.units) is not None
    )
    if not (node.changes_nothing or dense or isinstance(source, Multiply)):
        yield Work(
            "multiply_requantise", "requantisations", node.units, node.units, node.format.width
        )


def _lookup(node: Node) -> Iterable[Work]:
    assert isinstance(node, Lookup)
    bits = max(node.table.address.width, node.format.width)
    yield Work("lookup", "lookups", node.units, node.units, bits, node.table.function.name)


MEASURED: Mapping[type[Node], Worker] = {
    Matvec: _matvec,
    Multiply: _multiply,
    Gather: _gather,
    Cast: _cast,
    Lookup: _lookup,
}
"""The operations that profiles may have figures for."""


def _node_work(node: Node) -> Iterable[Work]:
    """The cost of a node: an operation that does work, but that no profile measures, is a value
    a unit that is not counted."""
    if type(node) in MEASURED:
        yield from MEASURED[type(node)](node)
    elif name := WORK[type(node)].name:
        yield Work(None, name, node.units, node.units, node.format.width)


# --- prices ------------------------------------------------------------------------------------
def _price(profile: Microcontroller, work: Work, counted: Counted) -> OperationCost | None:
    """The figure for ``work``: of the function if there is one, of operands wide enough."""
    if work.operation is None:
        return None
    costs = [c for c in profile.costs(work.operation) if c.counted == counted]
    costs = [c for c in costs if work.variant in c.variant] or costs
    wide = [c for c in costs if c.operand_bits >= work.bits]
    if wide:
        return min(wide, key=lambda cost: cost.operand_bits)
    return max(costs, key=lambda cost: cost.operand_bits, default=None)


@dataclass(frozen=True)
class _Price:
    """The sum of all prices, None where it is not known: a lower bound where it is ``partial``,
    for want of figures. ``notes`` are what has to be known about it."""

    amount: int | None
    partial: bool
    notes: tuple[str, ...]


def _not_counted(listed: str) -> str:
    return f"not counted, for want of a figure: {listed}"


def _priced(profile: Microcontroller, works: Iterable[Work], counted: Counted) -> _Price:
    """The sum of the costs of ``works`` in the profile's figures."""
    total, notes = 0.0, list[str]()
    missing: dict[str, int] = {}
    for work in works:
        cost = _price(profile, work, counted)
        if cost is None:
            missing[work.name] = missing.get(work.name, 0) + work.amount
            if work.operation is not None or work.essential:
                note = f"no figure for {work.name} in {counted}"
                return _Price(None, partial=False, notes=(note,))
            continue
        if work.figure and work.figure != work.name:
            notes.append(f"{work.name}: figure for {work.figure} used")
        size = work.size
        sizes = [point.size for point in cost.points if point.size is not None]
        if sizes and not sizes[0] <= size <= sizes[-1]:
            size = min(max(size, sizes[0]), sizes[-1])
            notes.append(
                f"{work.name}: figure for {size} {cost.size_name} used for {work.size}, "
                "outside of what was measured"
            )
        if cost.operand_bits < work.bits:
            notes.append(
                f"{work.name}: figure for {cost.operand_bits}-bit operands used "
                f"for {work.bits} bits"
            )
        if work.variant not in cost.variant:
            notes.append(f"{work.name}: figure for {cost.variant} used for {work.variant}")
        total += work.amount * cost.at(size)
    if missing:
        listed = ", ".join(f"{count} {name}" for name, count in missing.items())
        notes.append(_not_counted(listed))
    return _Price(round(total), bool(missing), tuple(dict.fromkeys(notes)))


# --- memory ------------------------------------------------------------------------------------
def _stored(words: int, format: Q, copies: int = 1) -> Stored:
    return Stored(words * format.width, copies * _bytes(words, format))


def _stored_weights(node: Matvec, format: Q) -> Stored:
    """The words of the structure; an index beside a weight is a separate integer."""
    words = node.structure.stored_words(node.units, node.vector.units)
    width = node.structure.word_bits(format.width)
    index = width - format.width
    each = storage_bytes(format.width) + (storage_bytes(index) if index else 0)
    return Stored(words * width, words * each)


def _read_whole(node: Node) -> Iterable[Node]:
    """The vectors whose elements ``node`` reads in another order than its own units'."""
    if isinstance(node, Matvec):
        vector = unwired(node.vector)
        return vector.origins if isinstance(vector, Gather) else (vector,)
    return node.origins if isinstance(node, Gather) and not node.in_order else ()


def _layer_storage(scan: Scan) -> dict[str, dict[object, Stored]]:
    """The storage of a layer by kind: every tensor once, and every table by its contents.

    A state that a product reads is needed until all of the new one is there: it is there twice.
    """
    storage: dict[str, dict[object, Stored]] = {kind: {} for kind in _KINDS}
    swept = {
        storage
        for node in scan.graph.nodes
        if isinstance(node, Matvec | Gather)
        for storage in _read_whole(node)
    }
    for node in scan.graph.nodes:
        match node:
            case Matvec(weights=tensor) if tensor is not None:
                storage["weights"][tensor.key] = _stored_weights(node, tensor.format)
            case Constant(tensor=tensor) if tensor is not None:
                kind = "biases" if tensor.role == "bias" else "weights"
                storage[kind][tensor.key] = _stored(node.units, tensor.format)
            case State():
                copies = 2 if node in swept else 1
                storage["state"][node] = _stored(node.units, node.format, copies)
                if node.initial is not None:
                    storage["weights"][node.initial.key] = _stored(node.units, node.format)
            case Lookup(table=table):
                entries = 1 << table.address.width
                stored = Stored(table.stored_bits, _bytes(entries, table.format))
                storage["tables"][table.contents, table.format] = stored
            case Gather() if not node.in_order:
                elements = sum(part.units for part in node.parts)
                width = max((elements - 1).bit_length(), 1)
                # The network stores no wiring; the program needs a list of indices.
                storage["tables"][node] = Stored(0, node.units * storage_bytes(width))
            case _:
                pass
    for source in scan.sources:
        storage["vectors"][scan.name, source] = _stored(source.units, source.format)
    return storage


def _last_reads(graph: StepGraph) -> dict[Node, int]:
    """The position of the last operation that reads each node, through views of it as well."""
    end = len(graph.nodes)
    last = dict.fromkeys((graph.output, *(value for _, value in graph.updates)), end)
    for index, node in reversed(list(enumerate(graph.nodes))):
        until = last.get(node, index) if isinstance(node, _VIEWS) else index
        for operand in node.operands:
            last[operand] = max(last.get(operand, 0), until)
    return last


def _scratch_bytes(graph: StepGraph) -> int:
    """The most that is alive at once when the operations run one after the other, whole vectors
    at a time; a kernel that fuses them needs less. A product adds to its start in place if
    nothing else reads it; new states are written where they are kept."""
    last = _last_reads(graph)
    kept = {value for _, value in graph.updates}
    alive: dict[Node, int] = {}
    most = 0
    for index, node in enumerate(graph.nodes):
        if isinstance(node, Matvec) and node.start is not None and last[node.start] == index:
            alive.pop(node.start, None)
        if not isinstance(node, (Input, State, Constant, *_VIEWS)) and node not in kept:
            alive[node] = _bytes(node.units, node.format)
        most = max(most, sum(alive.values()))
        alive = {each: size for each, size in alive.items() if last.get(each, index) > index}
    return most


def _layer(profile: Microcontroller, scan: Scan, once: bool, counted: Counted) -> LayerProcessor:
    works = [work for node in scan.graph.nodes for work in _node_work(node)]
    price = _priced(profile, works, counted)
    products = [node for node in scan.graph.nodes if isinstance(node, Matvec)]
    return LayerProcessor(
        name=scan.name,
        once=once,
        macs=sum(p.structure.multiplies(p.units, p.vector.units) for p in products),
        counted=counted if price.amount is not None else None,
        per_step=price.amount,
        partial=price.partial,
        stored=_layer_storage(scan),
        scratch_bytes=_scratch_bytes(scan.graph),
        notes=price.notes,
    )


def _total(node: Total, once: bool) -> LayerProcessor:
    return LayerProcessor(
        name=node.name,
        once=once,
        macs=0,
        counted=None,
        per_step=0,
        partial=True,
        stored={"state": {node: _stored(node.units, node.format)}},
        scratch_bytes=0,
        notes=(_not_counted(f"{node.units} additions"),),
    )


def processor(network: Network, profile: Microcontroller) -> Processor:
    """The network on a microcontroller, in cycles where every figure is known in cycles, else in
    instructions."""
    nodes = [node for node in network.nodes if isinstance(node, Scan | Total)]
    result = Processor((), None)
    for counted in _UNITS:
        layers = tuple(
            _layer(profile, node, runs_once(node), counted)
            if isinstance(node, Scan)
            else _total(node, runs_once(node))
            for node in nodes
        )
        # What only moves words is not known, rather than 0.
        known = bool(layers) and all(layer.per_step is not None for layer in layers)
        result = Processor(layers, counted if known else None)
        if known:
            break
    return result


def least_cycles(network: Network, profile: Microcontroller) -> int | None:
    """The fewest cycles of a step that the multipliers allow, loads and all else left out.

    None: the profile knows no peak.
    """
    total = 0.0
    for scan in network.scans:
        for node in scan.graph.nodes:
            if isinstance(node, Matvec) and not runs_once(scan):
                products = node.structure.multiplies(node.units, node.vector.units)
                # Without a start, the first product of a row is added to nothing.
                macs = products if node.start is not None else max(products - node.units, 0)
                weight_bits = node.weights.format.width if node.weights else 0
                peak = profile.mac_peak(max(node.vector.format.width, weight_bits))
                if peak is None:
                    return None
                total += macs / peak
    return math.ceil(total)
