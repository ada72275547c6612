"""The plan: a network compiled into programs for the kernels, without knowing a cell.

A step graph is cut into phases: a product that reads a whole vector of the same step starts a new
one. A phase computes its vectors tile by tile. A tile's values are words of 32 bits, or of 64 where
their bounds need them, in registers: places in one arena that the next tile uses again. What is
read outside its phase is stored as narrow as its bounds allow: as bytes, 16, 32 or 64 bits, as
int16 pairs for products, as a step of a sequence. Every such form is written once, in the phase
that computes the value. Every matrix-vector product gets its kernel. Kernels and words depend on
proofs over formats and weights (:mod:`rnnhw.execution.bounds`); the result never does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.weights import Parameters
from rnnhw.execution.bounds import signed_bits, stored_bits
from rnnhw.execution.gated_sums import with_gated_sums
from rnnhw.execution.instructions import OPERATION, Row, instruction, packed, slots_written
from rnnhw.execution.plan import NetworkPlan, ScanPlan, SequencePlan, SlotPlan, StatePlan
from rnnhw.execution.products import EVERY_COLUMN, Product, RowsPlan
from rnnhw.execution.quads import TILE_COLUMNS, ByteProducts
from rnnhw.execution.superinstructions import fused
from rnnhw.execution.variants import (
    PlansDifferError,
    Variant,
    Varied,
    agreed,
    same_structure,
    varied,
)
from rnnhw.graph.network import (
    Last,
    Network,
    Reverse,
    Scan,
    Source,
    Steps,
    Total,
    Window,
    time_table,
)
from rnnhw.graph.nodes import (
    Add,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    State,
    Subtract,
    operation_table,
)
from rnnhw.layers.structures import FastWalshHadamard, WalshHadamardStage
from rnnhw.numerics.cast import (
    OVERFLOW_NUMBER,
    ROUNDING_NUMBER,
    Interval,
    Overflow,
    Q,
    rounded,
)

__all__ = [
    "LANES",
    "Symbols",
    "plan_network",
    "plan_networks",
    "plan_steps",
]

IntArray = NDArray[np.int64]

LANES = 16
"""Sequences that a lane block holds side by side."""

TILE_WORDS = 512
"""Words of a tile, ``RNNHW_TILE``: units of one sequence alone, or 32 units of 16 lanes. The larger
a tile, the fewer instructions are interpreted: of one sequence, a Hadamard layer of 1,024 units
takes .72 of the time of tiles of 128 words, and tiles of 1,024 gained nothing more; of 64, a
layer with gates of 256 units takes .95 of the time of tiles of 256 words (Zen 5, AVX-512)."""

BYTE_ENTRIES = 256
"""Entries of a table of bytes; fewer are filled up."""

ANY_ISA = ByteProducts()
"""The byte products of every instruction set."""

_ALIGNMENT = 64  # bytes: a cache line

# Ranks of phases; between them lie the levels of the nodes.
_PROLOGUE = -2  # before the first step only
_SOURCES = -1  # prepares inputs and states
_EPILOGUE = 1 << 30  # keeps inputs, states and constants as outputs and states

# Where single steps are taken: what a value depends on. Ranks of phases follow this order.
_OF_STATE = -(2 << 24)
_OF_SYMBOL = -(1 << 24)
_OF_STEP = 0


def format_bits(format: Q) -> int:
    """Bits of the signed word that holds the format."""
    return signed_bits((format.min, format.max))


def format_storage(format: Q) -> int:
    """Bits of a stored element of a format: 8, 16, 32 or 64."""
    return stored_bits((format.min, format.max))


def plan_network(
    network: Network,
    parameters: Parameters,
    lanes: int,
    traces: Iterable[str] = (),
    byte_products: ByteProducts = ANY_ISA,
) -> NetworkPlan:
    """Programs for blocks of ``lanes`` (16 or 1) sequences that also record ``traces``.

    :func:`rnnhw.execution.engine.plan_for` plans for an instruction set by its name.
    """
    return _plan([network], [parameters], lanes, tuple(traces), None, byte_products)[0]


def plan_networks(
    networks: Sequence[Network],
    parameters: Sequence[Parameters],
    lanes: int,
    traces: Iterable[str] = (),
    byte_products: ByteProducts = ANY_ISA,
    by_lane: bool = False,
) -> list[NetworkPlan]:
    """The programs of networks of one structure, which differ in constants alone: every network is
    computed in the words that the widest needs. ``by_lane`` leaves out what has no kernel whose
    lanes have constants of their own (:mod:`rnnhw.execution.lane_formats`).

    Raises:
        PlansDifferError: they need instructions of different kinds.
    """
    if by_lane:
        byte_products = replace(byte_products, short=False)
    return _plan(networks, parameters, lanes, tuple(traces), None, byte_products, by_lane)


@dataclass(frozen=True)
class Symbols:
    """The inputs of single steps from many states: so many vectors. Where no step is ``watched``
    (by traces or events), what depends on a symbol alone is computed once for all states, and what
    depends on a state alone once for all symbols."""

    count: int
    watched: bool


def plan_steps(
    network: Network,
    parameters: Parameters,
    symbols: Symbols,
    traces: Iterable[str] = (),
    byte_products: ByteProducts = ANY_ISA,
) -> NetworkPlan:
    """Programs for single steps of a network of scans (``rnnhw_take_step`` in ``ext``);
    ``byte_products`` as for :func:`plan_network`."""
    return _plan([network], [parameters], LANES, tuple(traces), symbols, byte_products)[0]


def _plan(
    networks: Sequence[Network],
    parameters: Sequence[Parameters],
    lanes: int,
    wanted: tuple[str, ...],
    symbols: Symbols | None,
    byte_products: ByteProducts,
    by_lane: bool = False,
) -> list[NetworkPlan]:
    if not same_structure(networks):
        raise PlansDifferError
    sequences: list[list[SequencePlan]] = [[] for _ in networks]
    scans: list[dict[Scan, ScanPlan]] = [{} for _ in networks]
    for nodes in zip(*(network.nodes for network in networks), strict=True):
        node, bits = nodes[0], max(format_storage(each.format) for each in nodes)
        windows = (each for each in networks[0].nodes if isinstance(each, Window))
        kept = max((each.width - 1 for each in windows if node in each.sources), default=0)
        number = TIME_NUMBERS[type(node)]
        for own, sequence in zip(nodes, sequences, strict=True):
            sequence.append(SequencePlan(own, bits, number, kept))
        layers = [own for own in nodes if isinstance(own, Scan)]
        if layers:
            planner = _ScanPlanner(
                layers, parameters, lanes, wanted, symbols, byte_products, by_lane
            )
            for own, plan, found in zip(layers, planner.plans(), scans, strict=True):
                found[own] = plan
    recorded = {
        name: max(format_storage(network.signal(name).format) for network in networks)
        for name in wanted
    }
    return [
        NetworkPlan(network, lanes, sequence, found, recorded, byte_products)
        for network, sequence, found in zip(networks, sequences, scans, strict=True)
    ]


# Every time operation must be one that ext/program.c runs.
TIME_NUMBERS: Mapping[type, int | None] = time_table(
    {Source: None, Scan: 0, Reverse: 1, Window: 2, Last: 3, Total: 4, Steps: 5}
)


SomeNode = TypeVar("SomeNode", bound=Node)

_PhaseKey = tuple[int, int]
"""Rank and units; phases run in ascending order."""


@dataclass
class _Phase:
    units: int
    whole: list[Row] = field(default_factory=list)
    tile: list[Row] = field(default_factory=list)


@dataclass
class _Place:
    """A slot before it has an address: its bytes, and how far a step and a tile move on. A view
    begins so many bytes behind another slot, (slot, bytes)."""

    size: int
    step: int = 0
    tile: int = 0
    outside: tuple[str, str] | None = None
    view: tuple[int, int] | None = None


class _ScanPlanner:
    """Writes the program of one step graph, or of several that differ in formats alone: nodes are
    those of the first."""

    def __init__(
        self,
        scans: Sequence[Scan],
        parameters: Sequence[Parameters],
        lanes: int,
        traces: tuple[str, ...],
        symbols: Symbols | None,
        byte_products: ByteProducts,
        by_lane: bool,
    ) -> None:
        self.scan = scans[0]
        self.by_lane = by_lane
        self.symbols = symbols
        self.graph = self.scan.graph
        first = Variant(self.scan, parameters[0])
        others = zip(scans[1:], parameters[1:], strict=True)
        self.variants = [first, *(Variant(scan, each, first) for scan, each in others)]
        self.lanes = lanes
        self.byte_products = replace(byte_products, tiles=byte_products.tiles and lanes == LANES)
        # At least the 16 rows that lie side by side; tiles of rows run ahead of several such tiles.
        by_tiles = self.byte_products.tiles
        self.tile_units = 16 if by_tiles else max(16, TILE_WORDS // lanes)
        self.traces = [(name, node) for name, node in self.graph.signals() if name in traces]
        self.bounds = {node: self._bounds(node) for node in self.graph.nodes}
        """The least and greatest integer of a node in all networks."""
        self.word = {node: self._word(node) for node in self.graph.nodes}
        self.products = {
            node: [
                each.products[each.own(node)].in_words(self.word[node]) for each in self.variants
            ]
            for node in self.variants[0].products
        }
        """The product of every network."""

        self.places: list[_Place] = []
        self.registers: dict[tuple[_PhaseKey, Node, int], int] = {}
        """The tile of a value in a phase, in words of 32 or 64 bits."""
        self.home: dict[Node, tuple[_PhaseKey, int]] = {}
        """The phase that computes a value tile by tile, and the bits of its words."""
        self.stored: dict[tuple[Node, int], int] = {}
        """The whole vector, by the bits of a stored element."""
        self.packed: dict[tuple[Node, str], int] = {}
        """The whole vector, as products read it, by the operation that packs it."""
        self.packed_states: list[tuple[State, str, int]] = []
        self.packed_inputs: list[list[int]] = []
        """Inputs that are packed for all steps of a chunk at once."""
        # Of every network one:
        self.casts: list[list[list[int]]] = []
        self.matrices: list[list[RowsPlan]] = []
        self.data: list[list[NDArray[np.signedinteger]]] = []
        self.constants: list[tuple[int, list[NDArray[np.signedinteger]]]] = []
        self.event_names: list[str] = []
        self.measured: dict[Node, Row] = {}
        self.aside: list[tuple[list[Row], Row]] = []
        """Instructions that no phase has, and the one that does their work and measures it."""
        self.scaled: dict[Node, tuple[int, int, int]] = {}
        """By transform: the bytes that it multiplies as it reads, their bits, and the factors."""
        self.phases: dict[_PhaseKey, _Phase] = {}
        self.levels: dict[Node, int] = {}
        self.kinds = self._kinds()
        self.prologue = _PROLOGUE if symbols is None else _OF_STATE + _PROLOGUE
        self.swaps: list[int] = []
        self.states: list[list[StatePlan]] = []

    # --- the whole ---------------------------------------------------------------------------
    def plans(self) -> list[ScanPlan]:
        """The finished program with the constants of every network."""
        # Slot 0: what an unused operand points at, and what a band reads in front of a vector.
        self._vector(2, 64)
        self._event("")  # event 0: what a cast without events counts into
        self._assign_levels()
        self._place_states()
        for node in self.graph.nodes:
            WRITERS[type(node)](self, node)
        self._finish_states()
        bits = max(format_storage(each.scan.format) for each in self.variants)
        stored = self._keep("output", "output", self.graph.output, bits)
        for name, node in self.traces:
            self._keep("trace", name, node, max(format_storage(q) for q in self._formats(node)))
        return self._assemble(stored)

    def _assemble(self, stored: Row) -> list[ScanPlan]:
        rows: list[Row] = []
        table = []
        keys = sorted(self.phases)
        replaced: list[tuple[Row, Row]] = []
        aside = list(self.aside)
        for key in keys:
            phase = self.phases[key]
            tile = fused(phase.tile, self._is_register)
            if not self.by_lane:
                tile = with_gated_sums(tile, self.casts, self._is_register)
            replaced += tile.replaced
            aside += tile.aside
            ahead, behind = self._run_ahead(tile.rows, phase.units)
            table.append([len(rows), len(phase.whole), len(ahead), len(behind), phase.units])
            rows += phase.whole + ahead + behind
        for parts, one in aside:  # no phase has them: that one counts their work there
            one["start"] = len(rows)
            rows += parts
        numbers = {id(row): index for index, row in enumerate(rows)}
        for row, instead in reversed(replaced):  # what replaces one may be replaced in its turn
            numbers[id(row)] = numbers[id(instead)]
        by_symbol = self._symbol_slots()
        slots: list[SlotPlan] = []
        arena = 0
        for slot, place in enumerate(self.places):
            if place.view is not None:
                of, skipped = place.view
                slots.append(SlotPlan(slots[of].offset + skipped, 0, place.tile, view=True))
                continue
            size = -(-place.size // _ALIGNMENT) * _ALIGNMENT
            inside = slot in by_symbol and place.outside is None
            step = size if inside else place.step
            slots.append(SlotPlan(arena, step, place.tile, place.outside))
            arena += size * (self.symbols.count if self.symbols is not None and inside else 1)
        measured = {node: numbers[id(row)] for node, row in self.measured.items()}
        common = ScanPlan(
            graph=self.graph,
            lanes=self.lanes,
            tile_units=self.tile_units,
            instructions=_aligned(packed(rows)),
            phases=np.array(table, np.int64).reshape(-1, 5),
            prologue=sum(self._runs_before(rank) for rank, _ in keys),
            symbol_phases=sum(self._kind_of_rank(rank) == _OF_SYMBOL for rank, _ in keys),
            symbol_slots=np.array(sorted(by_symbol), np.int64),
            slots=slots,
            swaps=np.array(self.swaps, np.int64).reshape(-1, 2),
            packed_inputs=np.array(self.packed_inputs, np.int64).reshape(-1, 4),
            states=[],
            casts=np.zeros((0, 7), np.int64),
            matrices=[],
            data=[],
            constants=[],
            arena_bytes=arena,
            event_names=self.event_names,
            measured={},
            output_store=numbers[id(stored)],
        )
        return [self._plan_of(place, common, rows, measured) for place in range(len(self.variants))]

    def _plan_of(
        self, place: int, common: ScanPlan, rows: Sequence[Row], measured: Mapping[Node, int]
    ) -> ScanPlan:
        """The program with the constants of one network."""
        variant, instructions = self.variants[place], common.instructions
        constants = [
            (number, name, value.values[place])
            for number, row in enumerate(rows)
            for name, value in row.items()
            if isinstance(value, Varied)
        ]
        if constants:
            instructions = instructions.copy()
            for number, name, value in constants:
                instructions[name][number] = value
            instructions = _aligned(instructions)
        own = {variant.own(node): number for node, number in measured.items()}
        return replace(
            common,
            graph=variant.graph,
            instructions=instructions,
            states=[each[place] for each in self.states],
            casts=np.array([each[place] for each in self.casts], np.int64).reshape(-1, 7),
            matrices=[each[place] for each in self.matrices],
            data=[each[place] for each in self.data],
            constants=[(slot, values[place]) for slot, values in self.constants],
            # What another network casts, this one only runs through its kernel.
            measured={node: number for node, number in own.items() if not _changes_nothing(node)},
        )

    def _run_ahead(self, tile: list[Row], units: int) -> tuple[list[Row], list[Row]]:
        """The products by tiles that need nothing of their own phase, and all other instructions.
        With more rows they read less: those of more than a step of tiles run for several tiles at
        once, into whole vectors."""
        here = slots_written(*tile)
        ahead = [
            row
            for row in tile
            if row["operation"] == OPERATION["rows_tiles"]
            and row.get("b", 0) not in here
            and self.matrices[row["rows"]][0].count.max() > TILE_COLUMNS
        ]
        for row in ahead:
            if self._is_register(row["dst"]):
                self.places[row["dst"]] = self._vector_place(units, row["bits"])
        return ahead, [row for row in tile if all(row is not other for other in ahead)]

    # --- single steps --------------------------------------------------------------------------
    def _kinds(self) -> dict[Node, int]:
        """The dependence of every node's value: the phases that compute it run as often."""
        kinds: dict[Node, int] = {}
        for node in self.graph.nodes:
            if self.symbols is None:
                kinds[node] = _OF_STEP
            elif isinstance(node, State):
                kinds[node] = _OF_STATE
            elif isinstance(node, Input):
                symbol = isinstance(self.scan.sources[node.position], Source)
                kinds[node] = _OF_SYMBOL if symbol else _OF_STEP
            elif self.symbols.watched:
                kinds[node] = _OF_STEP
            else:
                packed = node.vector if isinstance(node, Matvec) else None
                found = {
                    kinds[operand]
                    for operand in node.operands
                    if operand is packed or not isinstance(operand, Constant)
                }
                kinds[node] = found.pop() if len(found) == 1 else _OF_STEP
        return kinds

    @staticmethod
    def _kind_of_rank(rank: int) -> int:
        """The kind whose phases have such ranks: they lie less than 2**23 from it."""
        kinds = (_OF_STATE, _OF_SYMBOL)
        return next((kind for kind in kinds if rank < kind + (1 << 23)), _OF_STEP)

    def _runs_before(self, rank: int) -> bool:
        """Whether a phase runs before the first step only."""
        return self._kind_of_rank(rank) == _OF_STATE or rank == self.prologue

    def _symbol_slots(self) -> set[int]:
        """The slots that hold a vector a symbol: the input, and what is computed of it alone."""
        if self.symbols is None:
            return set()
        slots = {
            slot
            for slot, place in enumerate(self.places)
            if place.outside is not None
            and place.outside[0] == "input"
            and isinstance(self.scan.sources[int(place.outside[1])], Source)
        }
        for (rank, _), phase in self.phases.items():
            if self._kind_of_rank(rank) == _OF_SYMBOL:
                slots |= {
                    slot for row in (*phase.whole, *phase.tile) for slot in slots_written(row)
                }
        return slots

    # --- proofs ------------------------------------------------------------------------------
    def _own(self, node: SomeNode) -> list[SomeNode]:
        """The node of every network in the place of a node of the first."""
        return [each.own(node) for each in self.variants]

    def _formats(self, node: Node) -> list[Q]:
        """The format of a node in every network."""
        return [own.format for own in self._own(node)]

    def _fractions(self, node: Node) -> list[int]:
        """The fraction bits of a node in every network."""
        return [format.fraction for format in self._formats(node)]

    def _bounds(self, node: Node) -> Interval:
        lows, highs = zip(*(each.bounds[each.own(node)] for each in self.variants), strict=True)
        return min(lows), max(highs)

    def _word(self, node: Node) -> int:
        """Bits of the words in which the node is computed: they hold the result, the operands,
        and what the kernel computes or compares with on the way."""
        needed = [signed_bits(self.bounds[each]) for each in (node, *node.operands)]
        if isinstance(node, Cast):
            needed += [format_bits(format) for format in self._formats(node)]
        if isinstance(node, Matvec) and (node.product or node.accumulator):
            needed += [format_bits(format) for format in self._formats(node)]
            for own in self._own(node):
                needed += [signed_bits(interval) for interval in _ordered_intervals(own)]
        return 32 if max(needed) <= 32 else 64

    # --- places ------------------------------------------------------------------------------
    def _slot(self, place: _Place) -> int:
        self.places.append(place)
        return len(self.places) - 1

    def _vector_place(self, units: int, bits: int) -> _Place:
        # Elementwise kernels walk chunks of 16 elements, so the last one may be partly unused.
        size = -(-units * self.lanes // 16) * 16 * bits // 8
        return _Place(size, tile=self.tile_units * self.lanes * bits // 8)

    def _vector(self, units: int, bits: int) -> int:
        """A place for a whole vector."""
        return self._slot(self._vector_place(units, bits))

    def _register(self, word: int) -> int:
        """A place for one tile, used again by the next."""
        return self._slot(_Place(self.tile_units * self.lanes * word // 8))

    def _is_register(self, slot: int) -> bool:
        """Whether the slot is a place for one tile: what its phase alone reads."""
        place = self.places[slot]
        return place.tile == 0 and place.outside is None and place.view is None

    def _outside(self, kind: str, name: str, units: int, bits: int) -> int:
        """A sequence: the place moves on by one step of ``units`` vectors."""
        size = self.lanes * bits // 8
        return self._slot(_Place(0, units * size, self.tile_units * size, (kind, name)))

    def _origin(self, node: Node) -> Node:
        """The node whose integers ``node`` has."""
        while self._is_alias(node):
            node = node.operands[0]
        return node

    def _is_alias(self, node: Node) -> bool:
        if not isinstance(node, Cast):
            return isinstance(node, Reinterpret)
        return all(own.changes_nothing for own in self._own(node))

    # --- phases ------------------------------------------------------------------------------
    def _assign_levels(self) -> None:
        """A node's level is the number of whole vectors of this step that must come first. A
        product of what is there before is computed where it is read first, from a register."""
        readers: dict[Node, list[Node]] = {}
        for node in self.graph.nodes:
            level = 0
            for operand in node.operands:
                whole = self._reads_whole(node, operand)
                computed = not isinstance(self._origin(operand), Input | State | Constant)
                level = max(level, self.levels[operand] + (whole and computed))
                readers.setdefault(operand, []).append(node)
            self.levels[node] = level
        for node in self.graph.nodes:
            sources = all(
                isinstance(self._origin(operand), Input | State | Constant)
                for operand in node.operands
            )
            if isinstance(node, Matvec) and sources and node in readers:
                first = [self.levels[reader] for reader in readers[node]]
                ahead = [self._reads_whole(reader, node) for reader in readers[node]]
                self.levels[node] = max(0, min(first) - any(ahead))

    def _reads_whole(self, node: Node, operand: Node) -> bool:
        """Whether one unit of ``node`` needs more than the same unit of ``operand``."""
        if isinstance(node, Matvec) and operand is node.vector:
            return not self._is_diagonal(node)
        return isinstance(node, Gather)

    def _is_diagonal(self, node: Matvec) -> bool:
        """Whether a product has one exact term a row, which reads the unit of the row."""
        if node.product is not None or node.accumulator is not None or node not in self.products:
            return False
        product = self.products[node][0]
        return node.start is not node.vector and product.diagonal

    def _phase(self, key: _PhaseKey) -> _Phase:
        return self.phases.setdefault(key, _Phase(key[1]))

    def _own_phase(self, node: Node) -> _PhaseKey:
        """The phase that computes a node, or in which a source is converted."""
        kind = self.kinds[node]
        if isinstance(node, Input | State):
            return kind + _SOURCES, node.units
        return kind + self.levels[node], node.units

    # --- values and their forms --------------------------------------------------------------
    def _tile(self, node: Node, key: _PhaseKey, word: int) -> int:
        """The slot in which a phase finds the tile of a value in words of ``word`` bits."""
        origin = self._origin(node)
        place = key, origin, word
        if place not in self.registers:
            if origin in self.home and self.home[origin][0] == key:
                bits = self.home[origin][1]
                source = self.registers[key, origin, bits]
            elif isinstance(origin, Constant):
                return self._whole(origin, word)
            else:
                forms = self._forms(origin, key)
                bits = word if word in forms or self._from_elsewhere(origin, key) else min(forms)
                source = self._whole(origin, bits)
                if bits == word:
                    return source
            slot = self.registers[place] = self._register(word)
            self._add_tile(key, "load", word, dst=slot, a=source, low=bits)
        return self.registers[place]

    def _from_elsewhere(self, node: Node, key: _PhaseKey) -> bool:
        """Whether a phase runs more often than the one that computes a value: then it does not
        make the words of it anew."""
        home = self.home[node][0] if node in self.home else self._own_phase(node)
        return self._kind_of_rank(home[0]) != self._kind_of_rank(key[0])

    def _forms(self, node: Node, key: _PhaseKey) -> list[int]:
        """The bits of an element in which a phase finds, or can find, the whole vector."""
        if key[0] == self.prologue and isinstance(node, State):
            # Other forms of a state are computed in every step, not before the first.
            return [stored_bits(self.bounds[node])]
        known = [bits for stored, bits in self.stored if stored is node]
        return known or [stored_bits(self.bounds[node])]

    def _whole(self, node: Node, bits: int) -> int:
        """The slot of the whole vector with elements stored in ``bits``."""
        origin = self._origin(node)
        if (origin, bits) not in self.stored:
            if isinstance(origin, Constant):
                self.stored[origin, bits] = self._constant_slot(origin, bits)
                return self.stored[origin, bits]
            key = self._own_phase(origin)
            word = max(bits, 32)
            if origin in self.home:
                key, word = self.home[origin]
            tile = self._tile(origin, key, word)
            if bits == word and self.places[tile].tile == 0:
                # The register itself becomes the whole vector.
                self.places[tile] = self._vector_place(origin.units, bits)
                self.stored[origin, bits] = tile
            else:
                slot = self.stored[origin, bits] = self._vector(origin.units, bits)
                self._add_tile(key, "store", word, dst=slot, a=tile, low=bits)
        return self.stored[origin, bits]

    def _constant_slot(self, node: Constant, bits: int, shifts: Sequence[int] = ()) -> int:
        """A whole constant vector, aligned to the left by so many bits in every network."""
        slot, by_network = self._vector(node.units, bits), []
        for variant, shift in zip(self.variants, shifts or [0] * len(self.variants), strict=True):
            values = np.repeat(_constant_values(variant, node) << min(shift, 63), self.lanes)
            by_network.append(values.astype(f"i{bits // 8}"))
        self.constants.append((slot, by_network))
        return slot

    def _packed(self, node: Node, operation: str) -> int:
        """The slot of the whole vector in int16 pairs (``pack``) or in quads of bytes
        (``pack_bytes``), packed once for all that read it."""
        origin = self._origin(node)
        if operation == "pack_bytes" and (origin, operation) not in self.packed:
            self._pack_ahead(origin)
        if (origin, operation) not in self.packed:
            self.packed[origin, operation] = slot = self._packed_slot(origin.units, operation)
            match origin:
                case State():
                    self.packed_states.append((origin, operation, slot))
                    key = self.prologue, origin.units
                case Constant():
                    key = self.prologue, origin.units
                case _:
                    key = self.home[origin][0] if origin in self.home else self._own_phase(origin)
            low = self.bounds[origin][0]
            tile = self._tile(origin, key, 32)
            self._add_tile(key, operation, 32, dst=slot, a=tile, low=low)
        return self.packed[origin, operation]

    def _pack_ahead(self, origin: Node) -> None:
        """Let an input that lies in bytes be packed in front of the steps that read it: in a step
        that costs as much as an instruction."""
        if self.symbols is not None or not isinstance(origin, Input):
            return
        stored = self.stored.get((origin, 8))
        if stored is not None:
            units = -(-origin.units // TILE_COLUMNS) * TILE_COLUMNS
            slot = self._outside("packed", str(origin.position), units, 8)
            self.packed_inputs.append([slot, stored, self.bounds[origin][0], origin.units])
            self.packed[origin, "pack_bytes"] = slot

    def _packed_slot(self, units: int, operation: str) -> int:
        # A step of tiles reads as many columns, where there are none whatever lies there. Of one
        # lane `finish` writes pairs of 16 units at a time.
        size, group = (2, 16) if operation == "pack" else (1, TILE_COLUMNS)
        return self._slot(
            _Place(
                -(-units // group) * group * size * self.lanes,
                tile=self.tile_units * self.lanes * size,
            )
        )

    def _sink(self, node: Node, operation: str, word: int | None = None, **fields: int) -> Row:
        """One more form of a value, written where it is computed; a source's at the end."""
        origin = self._origin(node)
        key = _EPILOGUE, node.units
        if self.kinds[origin] != _OF_STEP:
            pass  # its phase does not run at every step
        elif origin in self.home:
            key, word = self.home[origin][0], word or self.home[origin][1]
        elif not isinstance(origin, Input | State | Constant):
            key = self._own_phase(origin)
        word = word or (32 if stored_bits(self.bounds[origin]) <= 32 else 64)
        return self._add_tile(key, operation, word, a=self._tile(origin, key, word), **fields)

    def _keep(self, kind: str, name: str, node: Node, bits: int) -> Row:
        """Store a vector of every step in a sequence outside."""
        slot = self._outside(kind, name, node.units, bits)
        return self._sink(node, "store", dst=slot, low=bits)

    # --- instructions ------------------------------------------------------------------------
    def _add_tile(self, key: _PhaseKey, operation: str, bits: int, **fields: int) -> Row:
        row = instruction(operation, bits, **fields)
        self._phase(key).tile.append(row)
        return row

    def _add_whole(self, node: Node, operation: str, bits: int, **fields: int) -> Row:
        """An instruction that writes the whole of ``node``, stored in ``bits``."""
        slot = self.stored[node, bits] = self._vector(node.units, bits)
        row = instruction(operation, max(bits, 32), dst=slot, units=node.units, **fields)
        self._phase(self._own_phase(node)).whole.append(row)
        return row

    def _result(self, node: Node) -> int:
        """The register in which the phase of the node computes it."""
        key, word = self._own_phase(node), self.word[node]
        self.home[node] = key, word
        slot = self.registers[key, node, word] = self._register(word)
        return slot

    def _operand(self, node: Node, operand: Node) -> int:
        """The tile of an operand where ``node`` is computed."""
        return self._tile(operand, self._own_phase(node), self.word[node])

    def _emit(self, node: Node, operation: str, **fields: int) -> Row:
        """A tile instruction that computes ``node`` into its register."""
        row = self._instruct(node, operation, dst=self._result(node), **fields)
        self.measured[node] = row
        return row

    def _instruct(self, node: Node, operation: str, **fields: int) -> Row:
        """A tile instruction on the way to ``node``."""
        return self._add_tile(self._own_phase(node), operation, self.word[node], **fields)

    def _event(self, name: str) -> int:
        self.event_names.append(name)
        return len(self.event_names) - 1

    def _cast_index(self, casts: Iterable[tuple[int, Q]]) -> int:
        """A cast from so many fraction bits to a format, in every network."""
        self.casts.append(
            [
                [
                    fraction - to.fraction,
                    to.width,
                    int(to.signed),
                    ROUNDING_NUMBER[to.rounding],
                    OVERFLOW_NUMBER[to.overflow],
                    to.lowest,
                    to.max,
                ]
                for fraction, to in casts
            ]
        )
        return len(self.casts) - 1

    def _data_index(self, values: Iterable[NDArray[np.signedinteger]]) -> int:
        """An array of every network."""
        self.data.append([np.ascontiguousarray(each) for each in values])
        return len(self.data) - 1

    # --- sources and states ------------------------------------------------------------------
    def _place_states(self) -> None:
        for state, _ in self.graph.updates:
            bits = stored_bits(self.bounds[state])
            before, after = self._vector(state.units, bits), self._vector(state.units, bits)
            self.stored[state, bits] = before
            name = self.graph.state_name(state)
            self.states.append(
                [
                    StatePlan(name, each.own(state), before, after, bits, _first(each, state))
                    for each in self.variants
                ]
            )
            self.swaps += [before, after]

    def _finish_states(self) -> None:
        """The values of the next step, as the states are stored and as products read them."""
        values = dict(self.graph.updates)
        for plan, *_ in self.states:
            self._sink(values[plan.node], "store", dst=plan.after, low=plan.bits)
        for state, operation, before in self.packed_states if self.symbols is None else ():
            after = self._packed_slot(state.units, operation)
            low = self.bounds[state][0]
            self._sink(values[state], operation, 32, dst=after, low=low)
            self.swaps += [before, after]

    # --- one writer an operation -------------------------------------------------------------
    def _input(self, node: Input) -> None:
        sources = [each.scan.sources[node.position] for each in self.variants]
        bits = max(format_storage(source.format) for source in sources)
        self.stored[node, bits] = self._outside("input", str(node.position), node.units, bits)

    def _placed(self, node: State | Constant | Reinterpret) -> None:
        """Constants lie where they are read, states are placed before all, others are aliases."""

    def _matvec(self, node: Matvec) -> None:
        if isinstance(node.structure, FastWalshHadamard | WalshHadamardStage):
            self._transform(node)
            return
        products = self.products[node]
        if not agreed(product.sums_once for product in products):
            self._ordered_rows(node)
            return
        if node.accumulator is None:
            self._exact_rows(node, self._result(node), self._fractions(node))
            return
        exact = self._register(self.word[node])
        to = [own.accumulator for own in self._own(node) if own.accumulator is not None]
        self._exact_rows(node, exact, [each.fraction for each in to])
        cast = self._cast_index((each.fraction, each) for each in to)
        event = self._event(self.graph.signal(node))
        self._instruct(node, "cast", dst=self._result(node), a=exact, cast=cast, events=event)

    def _exact_rows(self, node: Matvec, dst: int, fractions: Sequence[int]) -> None:
        """``dst = start + products`` at the scale of ``fractions``, exact."""
        of_products = [product.fraction for product in self.products[node]]
        aligns = fractions != of_products
        shift = _shifts(of_products, fractions)
        if node.start is not None and self.kinds[node.vector] < self.kinds[node]:
            # The products are computed as rarely as possible.
            key = self.kinds[node.vector] + self.levels[node], node.units
            products = self._vector(node.units, self.word[node])
            self._product(node, products, None, key)
            left = _shifts(self._fractions(node.start), fractions)
            start = self._operand(node, node.start) if left >= 0 else 0
            start = start or self._aligned_start(node, fractions)
            self._instruct(
                node, "add", dst=dst, a=products, b=start, shift_a=shift, shift_b=max(left, 0)
            )
            return
        if not aligns:
            self._product(node, dst, fractions)
            return
        products = self._register(self.word[node])
        self._product(node, products, None)
        if node.start is None:
            self._instruct(node, "shift", dst=dst, a=products, shift_a=shift)
            return
        start = self._aligned_start(node, fractions)
        self._instruct(node, "add", dst=dst, a=products, b=start, shift_a=shift)

    def _aligned_start(self, node: Matvec, fractions: Sequence[int]) -> int:
        """The slot of the start at the scale of ``fractions``; 0 if there is none.

        Where the accumulator is coarser the start is rounded, not fitted: whether the whole sum
        fits is asked at its end.
        """
        start, bits = node.start, self.word[node]
        if start is None:
            return 0
        given = self._fractions(start)
        shifts = [to - fraction for fraction, to in zip(given, fractions, strict=True)]
        constant = self._origin(start)
        if min(shifts) >= 0 < max(shifts) and isinstance(constant, Constant):
            return self._constant_slot(constant, bits, shifts)
        operand = self._operand(node, start)
        if not any(shifts):
            return operand
        aligned = self._register(bits)
        if min(shifts) >= 0:
            self._instruct(node, "shift", dst=aligned, a=operand, shift_a=varied(shifts))
            return aligned
        if max(shifts) > 0:
            raise PlansDifferError
        roundings = [own.accumulator.rounding for own in self._own(node) if own.accumulator]
        words = [
            Q(bits - 1 - fraction, fraction, True, rounding, Overflow.WRAP)
            for fraction, rounding in zip(fractions, roundings, strict=True)
        ]
        cast = self._cast_index(zip(given, words, strict=True))
        self._instruct(node, "cast", dst=aligned, a=operand, cast=cast)
        return aligned

    def _product(
        self,
        node: Matvec,
        dst: int,
        fractions: Sequence[int] | None,
        key: _PhaseKey | None = None,
    ) -> None:
        """``dst = start + products`` by the kernel that the proofs allow, in the phase ``key`` or
        else that of the node; with the start at the scale of ``fractions``, or without it."""
        key = key or self._own_phase(node)
        products, bits = self.products[node], self.word[node]
        fields, chunk = {"dst": dst}, EVERY_COLUMN
        word = np.dtype(f"i{bits // 8}")
        if bits == 64 and any(each.sum_bound >= 2**31 for each in products):
            largest = max(each.largest_term for each in products)
            chunk = (2**31 - 1) // max(largest, 1) // 2 * 2
        rows = None if self._is_diagonal(node) else self._rows_of_bytes(node)
        if rows is not None:
            kernel, weights = rows
            constants = None if fractions is None else self._constant_starts(node, fractions)
            if constants is not None:
                weights = [
                    replace(each, quads=each.quads and each.quads.begun_with(constant))
                    for each, constant in zip(weights, constants, strict=True)
                ]
            elif fractions is not None:
                fields["b"] = self._aligned_start(node, fractions)
            fields["rows"] = self._matrices(weights)
            fields["a"] = self._packed(node.vector, "pack_bytes")
            self.measured[node] = self._instruct(node, kernel, **fields)
            return
        if fractions is not None:
            fields["b"] = self._aligned_start(node, fractions)
        if self._is_diagonal(node):
            operation, element = "rows_diagonal", word
            fields["a"] = self._tile(node.vector, key, self.word[node])
        elif all(each.narrow for each in products) and chunk >= 2:
            operation, element = "rows_narrow", np.dtype(np.int16)
            fields["a"] = self._packed(node.vector, "pack")
        else:
            operation, element = "rows_wide", word
            fields["a"] = self._whole(node.vector, bits)
        if operation == "rows_narrow" and agreed(each.cast is not None for each in products):
            operation = "rows_cast"
            fields["low"] = int(agreed(each.products_fit for each in products))
            fields["product"] = self._cast_index(
                (each.exact_fraction, each.narrow_cast) for each in products
            )
            if agreed(own.product_cast_changes for own in self._own(node)):
                fields["product_events"] = self._event(f"{self.graph.signal(node)}.product")
        windows = self.lanes == 1 and operation == "rows_narrow" and chunk == EVERY_COLUMN
        fields["rows"] = self._matrix(node, element, chunk, element != word, windows)
        self.measured[node] = self._add_tile(key, operation, self.word[node], **fields)

    def _rows_of_bytes(self, node: Matvec) -> tuple[str, list[RowsPlan]] | None:
        """The kernel and the weights of a product of bytes, where it is one in all networks."""
        vector, planned = self._vector_bounds(node), self._byte_products(node)
        packed = self._weights(node, lambda product: product.packed_in_quads(vector, planned))
        if not self._takes_short(node):
            if packed is None:
                return None
            tiles = agreed(each.quads is not None and each.quads.tiles for each in packed)
            return "rows_tiles" if tiles else "rows_bytes", packed
        if packed is None:
            packed = self._in_windows(node)
            return None if packed is None else ("rows_short", packed)
        few = all(
            product.has_few_quads(rows)
            for product, rows in zip(self.products[node], packed, strict=True)
        )
        begins = few and any(
            other.start is not None
            and self._origin(other.start) is node
            and self._is_finished_with_its_start(other)
            for other in self.products
        )
        return "rows_short" if begins else "rows_bytes", packed

    def _is_finished_with_its_start(self, node: Matvec) -> bool:
        """Whether a kernel for rows of few quads computes a product and what it begins with."""
        if not self._takes_short(node):
            return False
        return self._is_diagonal(node) or self._in_windows(node) is not None

    def _in_windows(self, node: Matvec) -> list[RowsPlan] | None:
        """The weights of a band for products of bytes, where it is one in all networks."""
        vector = self._vector_bounds(node)
        return self._weights(node, lambda product: product.packed_in_windows(vector, self.lanes))

    def _vector_bounds(self, node: Matvec) -> Interval:
        return self.bounds[self._origin(node.vector)]

    def _weights(
        self, node: Matvec, packed: Callable[[Product], RowsPlan | None]
    ) -> list[RowsPlan] | None:
        """The weights of all networks by a function, once where these are equal, or None."""
        first, found = self.products[node][0], list[RowsPlan]()
        for product in self.products[node]:
            known = bool(found) and product.terms is first.terms and product.sums_in_words
            rows = found[0] if known else packed(product)
            if rows is None or rows.quads is None:
                return None
            found.append(rows)
        return found

    def _takes_short(self, node: Matvec) -> bool:
        """Whether kernels for rows of few quads take a product that is one of bytes."""
        return self.byte_products.short and self.word[node] == 32

    def _constant_starts(self, node: Matvec, fractions: Sequence[int]) -> list[IntArray] | None:
        """A constant start in every network at the scale of ``fractions``, with which sums of 32
        bits can begin. Lanes that have starts of their own share the weights, without any."""
        start = node.start
        constant = None if start is None else self._origin(start)
        if self.by_lane or self.word[node] > 32 or not isinstance(constant, Constant):
            return None
        assert start is not None
        shifts = [to - own for own, to in zip(self._fractions(start), fractions, strict=True)]
        if min(shifts) < 0:
            return None
        return [
            _constant_values(variant, constant) << min(shift, 31)
            for variant, shift in zip(self.variants, shifts, strict=True)
        ]

    def _matrices(self, rows: list[RowsPlan]) -> int:
        self.matrices.append(rows)
        return len(self.matrices) - 1

    def _byte_products(self, first: Matvec) -> ByteProducts:
        """How this product is planned. Tiles hold sums of 32 bits, and are worth it for a whole
        step of columns, or where another product by tiles goes on with the sums."""
        wide = any(
            node is first or (node.start and self._origin(node.start) is first)
            for node in self.products
            if node.vector.units >= TILE_COLUMNS
        )
        tiles = self.byte_products.tiles and self.word[first] == 32 and wide
        return replace(self.byte_products, tiles=tiles)

    def _matrix(
        self,
        node: Matvec,
        element: np.dtype[np.signedinteger],
        chunk: int,
        interleave: bool,
        windows: bool = False,
    ) -> int:
        """The weights as a kernel reads them; with one lane 16 rows may take the lanes' place."""
        interleave = interleave and self.lanes == 1
        known: dict[int, RowsPlan] = {}  # by their terms
        for each in self.products[node]:
            if id(each.terms) not in known:
                known[id(each.terms)] = each.packed(element, chunk, interleave, windows)
        return self._matrices([known[id(each.terms)] for each in self.products[node]])

    def _ordered_rows(self, node: Matvec) -> None:
        """Term by term, with a cast of every product and of every sum; of one network alone."""
        if len(self.variants) > 1:
            raise PlansDifferError
        product, to = self.products[node][0], node.accumulator
        signal, fraction = self.graph.signal(node), node.product_format[0]
        narrow = product.words_hold and product.narrow_terms
        in_words = product.words_hold and product.wide_words and product.bits == 64
        fields: dict[str, int] = {}
        if node.product_cast_changes:
            assert node.product is not None
            cast = product.narrow_cast if narrow or in_words else node.product
            fields["product"] = self._cast_index([(product.exact_fraction, cast)])
            fields["product_events"] = self._event(f"{signal}.product")
        if node.start is not None:
            fields["b"] = self._operand(node, node.start)
        if to is not None:
            finest = max(fraction, to.fraction)
            fields["shift_a"] = finest - to.fraction
            # Where 32-bit words add in a 64-bit program, only a zero is aligned by a word or more.
            most = 31 if product.words_hold else 63
            fields["shift_b"] = min(finest - fraction, most)
            fields["cast"] = self._cast_index([(finest, to)])
            fields["events"] = self._event(signal)
            if node.start is not None:
                fields["start"] = self._cast_index([(node.start.format.fraction, to)])
        else:
            fields["shift_b"] = node.format.fraction - fraction
            if node.start is not None:
                fields["shift_a"] = node.format.fraction - node.start.format.fraction
        element = np.dtype(np.int16 if narrow else f"i{product.bits // 8}")
        fields["rows"] = self._matrix(node, element, EVERY_COLUMN, True)
        fields["a"] = (
            self._packed(node.vector, "pack") if narrow else self._whole(node.vector, product.bits)
        )
        words = product.words_hold + (1 + product.terms_fit if in_words else 0)
        fields["low"] = int(product.terms_fit) if narrow else words
        self._emit(node, "rows_ordered_narrow" if narrow else "rows_ordered", **fields)

    def _transform(self, node: Matvec) -> None:
        """The Walsh-Hadamard transform of a whole vector or one stage of it, then the start."""
        word = self.word[node]
        if isinstance(node.structure, WalshHadamardStage):
            dst = self._result(node) if node.start is None else self._register(word)
            vector, units = self._whole(node.vector, word), node.units
            row = self._instruct(node, "stage", dst=dst, a=vector, low=units)
        else:
            scaled = self.scaled.get(node)
            vector, bits, data = scaled or self._unscaled(node.vector)
            fields = {"a": vector, "low": bits, "data": data}
            if node.start is None:
                row = self._add_whole(node, "transform", word, **fields)
            else:
                dst = self._vector(node.units, word)
                row = instruction("transform", word, dst=dst, units=node.units, **fields)
                self._phase(self._own_phase(node)).whole.append(row)
            if scaled:
                self.aside.append(([self.measured[node.vector]], row))
        self.measured[node] = row
        if node.start is not None:
            finest = self._fractions(node)
            shift = _shifts(self._fractions(node.vector), finest)
            start_shift = _shifts(self._fractions(node.start), finest)
            start = self._operand(node, node.start)
            self._instruct(
                node, "add", dst=self._result(node), a=dst, b=start,
                shift_a=shift, shift_b=start_shift,
            )  # fmt: skip

    def _shift_to(self, node: Node, operand: Node) -> int:
        """The bits that align an operand to the scale of a node."""
        return _shifts(self._fractions(operand), self._fractions(node))

    def _unscaled(self, vector: Node) -> tuple[int, int, int]:
        """The slot of what a transform reads, its bits, and no factors."""
        bits = stored_bits(self.bounds[self._origin(vector)])
        return self._whole(vector, bits), bits, 0

    def _transform_of(self, node: Multiply) -> tuple[Matvec, Node, Constant] | None:
        """The transform that alone reads bytes times constants, the bytes, and the constants: it
        multiplies as it reads."""
        readers = [each for each in self.graph.nodes if node in each.operands]
        values = [value for _, value in self.graph.updates] + [node for _, node in self.traces]
        if len(readers) != 1 or node in (*values, self.graph.output):
            return None
        reader, factors = readers[0], self._origin(node.a)
        vector = node.b if isinstance(factors, Constant) else node.a
        factors = factors if isinstance(factors, Constant) else self._origin(node.b)
        if not isinstance(reader, Matvec) or not isinstance(reader.structure, FastWalshHadamard):
            return None
        alike = self.kinds[reader] == self.kinds[vector] == self.kinds[node]
        if not isinstance(factors, Constant) or not alike or reader.start is node:
            return None
        return (reader, vector, factors) if self._has_bytes(vector) else None

    def _has_bytes(self, node: Node) -> bool:
        """Whether the whole vector can lie there in bytes."""
        origin = self._origin(node)
        return not isinstance(origin, Constant) and stored_bits(self.bounds[origin]) == 8

    def _elementwise(self, node: Add | Subtract) -> None:
        self._emit(
            node,
            "add" if isinstance(node, Add) else "subtract",
            a=self._operand(node, node.a),
            b=self._operand(node, node.b),
            shift_a=self._shift_to(node, node.a),
            shift_b=self._shift_to(node, node.b),
        )

    def _multiply(self, node: Multiply) -> None:
        scaled = None if self.by_lane else self._transform_of(node)
        if scaled is not None:
            reader, vector, factors = scaled
            word = f"i{self.word[reader] // 8}"
            data = self._data_index(
                _constant_values(variant, factors).astype(word) for variant in self.variants
            )
            self.scaled[reader] = self._whole(vector, 8), 8, data
            self.measured[node] = instruction("multiply", self.word[node])
            return
        self._emit(node, "multiply", a=self._operand(node, node.a), b=self._operand(node, node.b))

    def _select(self, node: Select) -> None:
        self._emit(
            node,
            "select",
            a=self._operand(node, node.a),
            b=self._operand(node, node.b),
            c=self._operand(node, node.s),
            shift_a=self._shift_to(node, node.a),
            shift_b=self._shift_to(node, node.b),
        )

    def _shift(self, node: Shift) -> None:
        self._emit(node, "shift_by", a=self._operand(node, node.a), b=self._operand(node, node.by))

    def _clamp(self, node: Clamp) -> None:
        # The result's ends are the limits that can act, and they fit the word.
        lows, highs = zip(*(each.bounds[each.own(node)] for each in self.variants), strict=True)
        self._emit(
            node, "clamp", a=self._operand(node, node.a), low=varied(lows), high=varied(highs)
        )

    def _gather(self, node: Gather) -> None:
        bits = stored_bits(self.bounds[node])
        where = [(part, unit) for part in node.parts for unit in range(part.units)]
        runs: list[list[int]] = []
        for index in node.indices:
            part, unit = where[index]
            slot = self._whole(part, bits)
            if runs and runs[-1][0] == slot and runs[-1][1] + runs[-1][2] == unit:
                runs[-1][2] += 1
            else:
                runs.append([slot, unit, 1])
        origin = self._origin(where[node.indices[0]][0])
        stays = self.symbols is None and not isinstance(origin, Input | State | Constant)
        if len(runs) == 1 and stays:
            # Neighbours of a value of this step, which nothing writes again, are read where they
            # are. A state changes its place, an input moves on, and so does what depends on a
            # symbol in a search.
            slot, unit, _ = runs[0]
            size = self.lanes * bits // 8
            view = _Place(0, tile=self.tile_units * size, view=(slot, unit * size))
            self.stored[node, bits] = self._slot(view)
            return
        data = self._data_index([np.array(runs, np.int64).ravel()] * len(self.variants))
        self._add_whole(node, "gather", bits, data=data, low=bits)

    def _cast(self, node: Cast) -> None:
        if self._is_alias(node):
            return
        fields = {
            "a": self._operand(node, node.a),
            "cast": self._cast_index(
                zip(self._fractions(node.a), self._formats(node), strict=True)
            ),
            "events": self._event(self.graph.signal(node)),
        }
        ends = [_cast_in_words(own, each.bounds[own.a]) for each, own in self._with_own(node)]
        if all(each is not None for each in ends):
            formats = zip(self._formats(node), ends, strict=True)
            proven = all(
                each is not None and to.lowest <= each[0] and each[1] <= to.max
                for to, each in formats
            )
            self._emit(node, "cast_in_words", low=int(proven), **fields)
        else:
            self._emit(node, "cast", **fields)

    def _with_own(self, node: SomeNode) -> list[tuple[Variant, SomeNode]]:
        return [(each, each.own(node)) for each in self.variants]

    def _lookup(self, node: Lookup) -> None:
        tables = [own.table.entries for own in self._own(node)]
        last = varied(len(entries) - 1 for entries in tables)
        if self._takes_byte_table(node):
            is_unsigned = int(self.bounds[node][1] > np.iinfo(np.int8).max)
            self._emit(
                node,
                "lookup_bytes",
                a=self._operand(node, node.a),
                data=self._data_index(map(_byte_table, tables)),
                low=is_unsigned,
                high=last,
            )
            return
        self._emit(
            node,
            "lookup",
            a=self._operand(node, node.a),
            data=self._data_index(each.astype(f"i{self.word[node] // 8}") for each in tables),
            high=last,
        )

    def _takes_byte_table(self, node: Lookup) -> bool:
        """Whether the entries are bytes, with or without a sign, few enough for the lookup in
        registers."""
        most = max(len(own.table.entries) for own in self._own(node))
        few = most <= BYTE_ENTRIES and self.word[node] == 32
        low, high = self.bounds[node]
        signed = stored_bits((low, high)) == 8
        return few and (signed or (low >= 0 and high <= np.iinfo(np.uint8).max))


WRITERS: Mapping[type, Callable[..., None]] = operation_table(
    {
        Input: _ScanPlanner._input,
        State: _ScanPlanner._placed,
        Constant: _ScanPlanner._placed,
        Matvec: _ScanPlanner._matvec,
        Add: _ScanPlanner._elementwise,
        Subtract: _ScanPlanner._elementwise,
        Multiply: _ScanPlanner._multiply,
        Select: _ScanPlanner._select,
        Shift: _ScanPlanner._shift,
        Clamp: _ScanPlanner._clamp,
        Gather: _ScanPlanner._gather,
        Reinterpret: _ScanPlanner._placed,
        Cast: _ScanPlanner._cast,
        Lookup: _ScanPlanner._lookup,
    }
)


def _first(variant: Variant, state: State) -> NDArray[np.int64]:
    """The first value of a state in one network."""
    own = variant.own(state)
    if own.initial is None:
        return np.zeros(own.units, np.int64)
    return variant.raw[own.initial.key]


def _constant_values(variant: Variant, node: Constant) -> IntArray:
    """The raw integers of a constant in a network, one a unit."""
    own = variant.own(node)
    if own.tensor is None:
        return np.array(own.values, np.int64)
    return variant.raw[own.tensor.key].ravel()


def _changes_nothing(node: Node) -> bool:
    """Whether a node is a cast whose result has the integers of its operand."""
    return isinstance(node, Cast) and node.changes_nothing


def _shifts(fractions: Sequence[int], to: Sequence[int]) -> int:
    """The shift from every network's fraction bits to those of ``to``."""
    return varied(finest - own for own, finest in zip(fractions, to, strict=True))


def _aligned(instructions: NDArray[np.void]) -> NDArray[np.void]:
    """Only a zero can be aligned by a whole word or more, and any shift keeps it."""
    for name in ("shift_a", "shift_b"):
        instructions[name] = np.minimum(instructions[name], instructions["bits"] - 1)
    return instructions


def _byte_table(entries: NDArray[np.int64]) -> NDArray[np.signedinteger]:
    """The entries of a table as bytes, filled up."""
    filled = np.zeros(BYTE_ENTRIES, np.int64)
    filled[: len(entries)] = entries
    return filled.astype(np.uint8).view(np.int8)


def _cast_in_words(node: Cast, values: Interval) -> Interval | None:
    """The ends of the rounded values where words of 32 bits hold all of a cast; else None."""
    to, drop = node.format, node.a.format.fraction - node.format.fraction
    if 0 <= drop <= 30 and format_bits(to) <= 31 and _rounds_in_words(values, drop):
        low, high = (rounded(end, drop, to.rounding) for end in values)
        return low, high
    return None


def _rounds_in_words(values: Interval, drop: int) -> bool:
    """Whether 32 bits hold every value and what rounding adds to it."""
    return signed_bits((values[0] - (1 << drop), values[1] + (1 << drop))) <= 32


def _ordered_intervals(node: Matvec) -> list[tuple[int, int]]:
    """The intervals of an element in the ordered kernel: exact products and sums before a cast."""
    low, high = node.vector.interval
    intervals = []
    if node.weights is not None:
        weight = node.weights.format
        corners = [a * b for a in (weight.lowest, weight.max) for b in (low, high)]
        intervals.append((min(corners), max(corners)))
    if node.accumulator is not None:
        fraction, term = node.product_format
        to = node.accumulator
        finest = max(fraction, to.fraction)
        word = [bound << (finest - to.fraction) for bound in (to.min, to.max)]
        part = [bound << (finest - fraction) for bound in term]
        intervals.append((word[0] + min(part[0], 0), word[1] + max(part[1], 0)))
        if node.start is not None:
            shift = max(to.fraction - node.start.format.fraction, 0)
            intervals.append((node.start.interval[0] << shift, node.start.interval[1] << shift))
    return intervals
