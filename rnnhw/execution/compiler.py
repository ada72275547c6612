"""The plan: a network compiled into programs for the kernels, without knowing a cell.

A step graph is cut into phases (a product that reads a vector of the same step starts a new
one), every vector gets a place in one arena, every matrix-vector product its kernel. The kernel
depends on proofs over formats and weights; the result never does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.weights import Parameters
from rnnhw.execution.products import EVERY_COLUMN, Product, RowsPlan
from rnnhw.graph.network import (
    Last,
    Network,
    Reverse,
    Scan,
    Source,
    Steps,
    TimeNode,
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
    State,
    StepGraph,
    Subtract,
    operation_table,
)
from rnnhw.layers.structures import FastWalshHadamard, WalshHadamardStage
from rnnhw.numerics.cast import Overflow, Q, Rounding

__all__ = ["INSTRUCTION", "LANES", "NetworkPlan", "ScanPlan", "plan_network"]

LANES = 16
"""Sequences that a lane block holds side by side."""

# fmt: off
_FIELDS = (
    "operation", "units", "dst", "a", "b", "c", "shift_a", "shift_b", "low", "high", "data",
    "rows", "accumulate", "cast", "product", "start", "events", "product_events",
)
_OPERATIONS = (
    "add", "subtract", "multiply", "select", "clamp", "shift", "cast", "lookup", "rows_narrow",
    "rows_wide", "rows_cast", "rows_ordered", "rows_ordered_narrow", "load", "store", "pack",
    "gather", "transform",
)
# fmt: on

INSTRUCTION = np.dtype([(name, np.int64) for name in _FIELDS])
"""One instruction; the fields are those of ``rnnhw_instruction`` in ``ext/program.h``."""

OPERATION = {name: number for number, name in enumerate(_OPERATIONS)}
"""Numbers of ``enum rnnhw_operation``."""

ROUNDING = {mode: number for number, mode in enumerate(Rounding)}
OVERFLOW = {mode: number for number, mode in enumerate(Overflow)}
_ALIGNMENT = 64  # bytes: a cache line
_INPUTS = -1  # the rank of phases that only prepare inputs


@dataclass(frozen=True)
class SlotPlan:
    """A vector's place: ``offset`` in the arena, or an outside buffer (``outside``)."""

    offset: int
    step_bytes: int
    tile_bytes: int
    outside: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class StatePlan:
    """The slots of a state before and after the step, and its raw value before the first."""

    name: str
    node: State
    before: int
    after: int
    initial: NDArray[np.int64]


@dataclass(eq=False)
class ScanPlan:
    """The program of one layer (``rnnhw_scan`` in ``ext/program.h``)."""

    graph: StepGraph
    bits: int
    lanes: int
    tile_units: int
    instructions: NDArray[np.void]
    phases: NDArray[np.int64]
    slots: list[SlotPlan]
    swaps: NDArray[np.int64]
    states: list[StatePlan]
    casts: NDArray[np.int64]
    matrices: list[RowsPlan]
    data: list[NDArray[np.signedinteger]]
    constants: list[tuple[int, NDArray[np.signedinteger]]]
    arena_bytes: int
    event_names: list[str]
    measured: dict[Node, int]
    """The instruction whose work counts as the node's."""
    output_store: int
    """The instruction that stores the output of every step."""


@dataclass(frozen=True, eq=False)
class SequencePlan:
    """A time operation and the bits of an element of its vectors.

    ``operation`` is its number in ``ext/program.h``; the network's input has none.
    """

    node: TimeNode
    bits: int
    operation: int | None


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """Programs and sequences of a network, in the order in which they run."""

    network: Network
    lanes: int
    sequences: list[SequencePlan]
    scans: dict[Scan, ScanPlan]
    traces: tuple[str, ...]


def signed_bits(interval: tuple[int, int]) -> int:
    """Bits of the signed word that holds every integer of the interval."""
    low, high = interval
    return max(high.bit_length() if high > 0 else 0, (-low - 1).bit_length() if low < 0 else 0) + 1


def format_bits(format: Q) -> int:
    """Bits of the signed word that holds the format."""
    return signed_bits((format.min, format.max))


def sequence_bits(node: TimeNode) -> int:
    """Element bits of a time operation's vectors: 32 or 64."""
    return 32 if format_bits(node.format) <= 32 else 64


def plan_network(
    network: Network, parameters: Parameters, lanes: int, traces: Iterable[str] = ()
) -> NetworkPlan:
    """Programs for blocks of ``lanes`` (16 or 1) sequences that also record ``traces``."""
    wanted = tuple(traces)
    sequences = []
    scans = {}
    for node in network.nodes:
        sequences.append(SequencePlan(node, sequence_bits(node), TIME_NUMBERS[type(node)]))
        if isinstance(node, Scan):
            scans[node] = _ScanPlanner(node, parameters, lanes, wanted).plan()
    return NetworkPlan(network, lanes, sequences, scans, wanted)


# Every time operation must be one that ext/program.c runs.
TIME_NUMBERS: Mapping[type, int | None] = time_table(
    {Source: None, Scan: 0, Reverse: 1, Window: 2, Last: 3, Total: 4, Steps: 5}
)


@dataclass
class _Phase:
    units: int
    whole: list[dict[str, int]] = field(default_factory=list)
    tile: list[dict[str, int]] = field(default_factory=list)


class _ScanPlanner:
    """Writes the program of one step graph."""

    def __init__(
        self, scan: Scan, parameters: Parameters, lanes: int, traces: tuple[str, ...]
    ) -> None:
        self.scan = scan
        self.graph = scan.graph
        self.raw = parameters.raw
        self.lanes = lanes
        # One tile of a 32-bit vector is 1 KB with 16 lanes; with one lane it is 128 units.
        self.tile_units = 16 if lanes == LANES else 128
        self.traces = [(name, node) for name, node in self.graph.signals() if name in traces]
        self.watched = {self.graph.output, *(traced for _, traced in self.traces)}
        self.watched |= {value for _, value in self.graph.updates}
        self.bits = 32 if max(map(self._needed_bits, self.graph.nodes)) <= 32 else 64
        self.bytes = self.bits // 8
        self.element = np.dtype(f"i{self.bytes}")

        self.arena = 0
        self.slots: list[SlotPlan] = []
        self.slot_of: dict[Node, int] = {}
        self.packed_of: dict[Node, int] = {}
        self.casts: list[list[int]] = []
        self.matrices: list[RowsPlan] = []
        self.data: list[NDArray[np.signedinteger]] = []
        self.constants: list[tuple[int, NDArray[np.signedinteger]]] = []
        self.event_names: list[str] = []
        self.measured: dict[Node, dict[str, int]] = {}
        self.prologue = _Phase(1)
        self.epilogue = _Phase(1)
        self.phases: dict[tuple[int, int], _Phase] = {}
        self.levels: dict[Node, int] = {}
        self.swaps: list[int] = []
        self.states: list[StatePlan] = []

    # --- the whole ---------------------------------------------------------------------------
    def plan(self) -> ScanPlan:
        """The finished program."""
        self._full_slot(1)  # slot 0: what an unused operand points at
        self._event("")  # event 0: what a cast without events counts into
        self._assign_levels()
        self._place_states()
        for node in self.graph.nodes:
            WRITERS[type(node)](self, node)
        self._finish_states()
        stored = self._write_output("output", "output", self.graph.output, sequence_bits(self.scan))
        for name, node in self.traces:
            self._write_output("trace", name, node, 64)
        return self._assemble(stored)

    def _assemble(self, stored: dict[str, int]) -> ScanPlan:
        phases = [self.prologue, *(self.phases[key] for key in sorted(self.phases)), self.epilogue]
        rows: list[dict[str, int]] = []
        table = []
        for phase in phases:
            table.append([len(rows), len(phase.whole), len(phase.tile), phase.units])
            rows += phase.whole + phase.tile
        instructions = np.zeros(max(len(rows), 1), INSTRUCTION)
        for name in ("cast", "product", "start"):
            instructions[name] = -1
        numbers = {}
        for index, row in enumerate(rows):
            numbers[id(row)] = index
            for name, value in row.items():
                instructions[index][name] = value
        # Only a zero can be aligned by a whole element or more, and any shift keeps it.
        for name in ("shift_a", "shift_b"):
            instructions[name] = np.minimum(instructions[name], self.bits - 1)
        return ScanPlan(
            graph=self.graph,
            bits=self.bits,
            lanes=self.lanes,
            tile_units=self.tile_units,
            instructions=instructions,
            phases=np.array(table, np.int64),
            slots=self.slots,
            swaps=np.array(self.swaps, np.int64).reshape(-1, 2),
            states=self.states,
            casts=np.array(self.casts, np.int64).reshape(-1, 7),
            matrices=self.matrices,
            data=self.data,
            constants=self.constants,
            arena_bytes=self.arena,
            event_names=self.event_names,
            measured={node: numbers[id(row)] for node, row in self.measured.items()},
            output_store=numbers[id(stored)],
        )

    # --- proofs ------------------------------------------------------------------------------
    def _needed_bits(self, node: Node) -> int:
        """Element bits that the node's result, and what its kernel holds before, need."""
        needed = [format_bits(node.format)]
        if isinstance(node, Matvec) and (node.product or node.accumulator):
            needed += [signed_bits(interval) for interval in _ordered_intervals(node)]
        return max(needed)

    # --- places ------------------------------------------------------------------------------
    def _slot(
        self, size: int, *, step: int = 0, tile: int = 0, outside: tuple[str, str] | None = None
    ) -> int:
        self.slots.append(SlotPlan(self.arena, step, tile, outside))
        if outside is None:
            self.arena += -(-size // _ALIGNMENT) * _ALIGNMENT
        return len(self.slots) - 1

    def _vector_bytes(self, units: int) -> int:
        # Elementwise kernels walk chunks of 16 elements, so the last one may be partly unused.
        return -(-units * self.lanes // 16) * 16 * self.bytes

    def _full_slot(self, units: int) -> int:
        """A place for a whole vector."""
        tile = self.tile_units * self.lanes * self.bytes
        return self._slot(self._vector_bytes(units), tile=tile)

    def _register(self) -> int:
        """A place for one tile, used again by the next."""
        return self._slot(self._vector_bytes(self.tile_units))

    def _outside(self, kind: str, name: str, units: int, bits: int) -> int:
        """A sequence: the place moves on by one step of ``units`` vectors."""
        size = self.lanes * bits // 8
        return self._slot(0, step=units * size, tile=self.tile_units * size, outside=(kind, name))

    def _packed(self, node: Node) -> int:
        """The slot with ``node`` in int16 pairs, packed once for all that read it."""
        if node not in self.packed_of:
            size = -(-node.units // 2) * 4 * self.lanes
            self.packed_of[node] = slot = self._slot(size)
            row = self._row("pack", dst=slot, a=self.slot_of[node], units=node.units)
            match self._origin(node):
                case State() as state:
                    self.prologue.whole.append(row)
                    after = self._slot(size)
                    value = self._state_plan(state).after
                    self.epilogue.whole.append(
                        self._row("pack", dst=after, a=value, units=node.units)
                    )
                    self.swaps += [slot, after]
                case Constant():
                    self.prologue.whole.append(row)
                case Input():
                    self._phase(_INPUTS, node.units).whole.append(row)
                case _:
                    packing = 2 * self.levels[node] + 1
                    self._phase(packing, node.units).whole.append(row)
        return self.packed_of[node]

    def _origin(self, node: Node) -> Node:
        """The node whose slot ``node`` shares."""
        while self._is_alias(node):
            node = node.operands[0]
        return node

    @staticmethod
    def _is_alias(node: Node) -> bool:
        return isinstance(node, Reinterpret) or (isinstance(node, Cast) and node.changes_nothing)

    # --- phases ------------------------------------------------------------------------------
    def _assign_levels(self) -> None:
        """A node's level is the number of whole vectors of this step that must come first."""
        for node in self.graph.nodes:
            level = 0
            for operand in node.operands:
                whole = self._reads_whole(node, operand)
                computed = not isinstance(self._origin(operand), Input | State | Constant)
                level = max(level, self.levels[operand] + (whole and computed))
            self.levels[node] = level

    @staticmethod
    def _reads_whole(node: Node, operand: Node) -> bool:
        """Whether one unit of ``node`` needs more than the same unit of ``operand``."""
        return isinstance(node, Gather) or (isinstance(node, Matvec) and operand is node.vector)

    def _phase(self, rank: int, units: int) -> _Phase:
        """Phases run in order of rank: 2 * level computes, 2 * level + 1 packs its results."""
        return self.phases.setdefault((rank, units), _Phase(units))

    def _own_phase(self, node: Node) -> _Phase:
        return self._phase(2 * self.levels[node], node.units)

    def _tile(self, node: Node) -> list[dict[str, int]]:
        return self._own_phase(node).tile

    def _needs_whole_vector(self, node: Node) -> bool:
        """Whether anything reads the node outside its own tile."""
        same = [node]
        for alias in same:  # which grows
            if alias in self.watched:
                return True
            for other in self.graph.readers.get(alias, ()):
                if self._reads_whole(other, alias) or self.levels[other] != self.levels[node]:
                    return True
                if self._is_alias(other):
                    same.append(other)
        return False

    # --- instructions ------------------------------------------------------------------------
    @staticmethod
    def _row(operation: str, **fields: int) -> dict[str, int]:
        return {"operation": OPERATION[operation], **fields}

    def _emit(self, node: Node, operation: str, **fields: int) -> dict[str, int]:
        """A tile instruction that computes ``node`` into its slot."""
        row = self._row(operation, dst=self.slot_of[node], **fields)
        self._tile(node).append(row)
        self.measured[node] = row
        return row

    def _give_slot(self, node: Node) -> int:
        if node not in self.slot_of:
            whole = self._needs_whole_vector(node)
            self.slot_of[node] = self._full_slot(node.units) if whole else self._register()
        return self.slot_of[node]

    def _event(self, name: str) -> int:
        self.event_names.append(name)
        return len(self.event_names) - 1

    def _cast_index(self, fraction: int, to: Q) -> int:
        self.casts.append(
            [
                fraction - to.fraction,
                to.width,
                int(to.signed),
                ROUNDING[to.rounding],
                OVERFLOW[to.overflow],
                to.lowest,
                to.max,
            ]
        )
        return len(self.casts) - 1

    def _data_index(self, values: NDArray[np.signedinteger]) -> int:
        self.data.append(np.ascontiguousarray(values))
        return len(self.data) - 1

    # --- sources and states ------------------------------------------------------------------
    def _place_states(self) -> None:
        taken: set[Node] = set()
        for state, value in self.graph.updates:
            before, after = self._full_slot(state.units), self._full_slot(state.units)
            self.slot_of[state] = before
            # A computed value is written straight into the state's place, once.
            computed = not isinstance(value, Input | State | Constant)
            if computed and value not in taken and not self._is_alias(value):
                self.slot_of[value] = after
                taken.add(value)
            name = self.graph.state_name(state)
            first = (
                np.zeros(state.units, np.int64)
                if state.initial is None
                else self.raw[state.initial.key]
            )
            self.states.append(StatePlan(name, state, before, after, first))
            self.swaps += [before, after]

    def _state_plan(self, state: State) -> StatePlan:
        return next(plan for plan in self.states if plan.node is state)

    def _finish_states(self) -> None:
        """Values that lie elsewhere are copied into their state, before the state is packed."""
        copies = []
        for state, value in self.graph.updates:
            after = self._state_plan(state).after
            if self.slot_of[value] != after:
                copies.append(
                    self._row(
                        "store", dst=after, a=self.slot_of[value], units=state.units, low=self.bits
                    )
                )
        self.epilogue.whole[:0] = copies

    def _write_output(self, kind: str, name: str, node: Node, bits: int) -> dict[str, int]:
        """Store a vector of every step in a sequence outside."""
        slot = self._outside(kind, name, node.units, bits)
        row = self._row("store", dst=slot, a=self.slot_of[node], units=node.units, low=bits)
        self.epilogue.whole.append(row)
        return row

    # --- one writer an operation -------------------------------------------------------------
    def _input(self, node: Input) -> None:
        bits = sequence_bits(self.scan.sources[node.position])
        outside = self._outside("input", str(node.position), node.units, bits)
        if bits == self.bits:
            self.slot_of[node] = outside
            return
        self.slot_of[node] = slot = self._full_slot(node.units)
        load = self._row("load", dst=slot, a=outside, units=node.units, low=bits)
        self._phase(_INPUTS, node.units).whole.append(load)

    def _state(self, node: State) -> None:
        pass  # placed before everything else

    def _constant(self, node: Constant) -> None:
        values = (
            np.array(node.values, np.int64)
            if node.tensor is None
            else self.raw[node.tensor.key].ravel()
        )
        self.slot_of[node] = slot = self._full_slot(node.units)
        self.constants.append((slot, np.repeat(values, self.lanes).astype(self.element)))

    def _matvec(self, node: Matvec) -> None:
        if isinstance(node.structure, FastWalshHadamard | WalshHadamardStage):
            self._transform(node)
            return
        self._give_slot(node)
        product = Product(node, self.raw, self.bits)
        if not product.sums_once:
            self._ordered_rows(product)
            return
        to = node.accumulator
        if to is None:
            self._exact_rows(product, self.slot_of[node], node.format.fraction)
            return
        exact = self._register()
        self._exact_rows(product, exact, to.fraction)
        cast = self._cast_index(to.fraction, to)
        event = self._event(self.graph.signal(node))
        self._tile(node).append(
            self._row("cast", dst=self.slot_of[node], a=exact, cast=cast, events=event)
        )

    def _exact_rows(self, product: Product, dst: int, fraction: int) -> None:
        """``dst = start + products`` at the scale of ``fraction``, exact."""
        node = product.node
        shift = fraction - product.fraction
        rows, operand, operation = self._kernel(product)
        start, start_fraction = self._rounded_start(node, fraction)
        if node.start is None and shift == 0:
            self._product(product, operation, dst=dst, a=operand, rows=rows)
        elif shift == 0:
            self._tile(node).append(
                self._row("shift", dst=dst, a=start, shift_a=fraction - start_fraction)
            )
            self._product(product, operation, dst=dst, a=operand, rows=rows, accumulate=1)
        else:
            products = self._register()
            self._product(product, operation, dst=products, a=operand, rows=rows)
            if node.start is None:
                last = self._row("shift", dst=dst, a=products, shift_a=shift)
            else:
                last = self._row(
                    "add",
                    dst=dst,
                    a=products,
                    b=start,
                    shift_a=shift,
                    shift_b=fraction - start_fraction,
                )
            self._tile(node).append(last)

    def _rounded_start(self, node: Matvec, fraction: int) -> tuple[int, int]:
        """Slot and fraction of the start, rounded where the accumulator is coarser, not fitted:
        whether the whole sum fits is asked at its end."""
        if node.start is None:
            return 0, fraction
        slot, given = self.slot_of[node.start], node.start.format.fraction
        if given <= fraction:
            return slot, given
        assert node.accumulator is not None
        word = Q(self.bits - 1 - fraction, fraction, True, node.accumulator.rounding, Overflow.WRAP)
        rounded = self._register()
        self._tile(node).append(
            self._row("cast", dst=rounded, a=slot, cast=self._cast_index(given, word))
        )
        return rounded, fraction

    def _product(self, product: Product, operation: str, **fields: int) -> None:
        node = product.node
        if operation == "rows_cast":
            assert product.cast is not None
            fields["product"] = self._cast_index(product.exact_fraction, product.narrow_cast)
            fields["low"] = int(product.products_fit)
            if node.product_cast_changes:
                fields["product_events"] = self._event(f"{self.graph.signal(node)}.product")
        row = self._row(operation, **fields)
        self._tile(node).append(row)
        self.measured[node] = row

    def _kernel(self, product: Product) -> tuple[int, int, str]:
        """Matrix, operand slot and kernel of a product whose sum is exact."""
        vector, chunk = product.node.vector, EVERY_COLUMN
        if self.bits == 64 and product.sum_bound >= 2**31:
            chunk = (2**31 - 1) // max(product.largest_term, 1) // 2 * 2
        if product.narrow and chunk >= 2:
            kernel = "rows_narrow" if product.cast is None else "rows_cast"
            return self._matrix(product, np.dtype(np.int16), chunk), self._packed(vector), kernel
        return self._matrix(product, self.element), self.slot_of[vector], "rows_wide"

    def _matrix(
        self, product: Product, element: np.dtype[np.signedinteger], chunk: int = EVERY_COLUMN
    ) -> int:
        """The weights as a kernel reads them; with one lane all but one take 16 rows for lanes."""
        interleave = self.lanes == 1 and (element != self.element or not product.sums_once)
        self.matrices.append(product.packed(element, chunk, interleave))
        return len(self.matrices) - 1

    def _ordered_rows(self, product: Product) -> None:
        """Term by term, with a cast of every product and of every sum."""
        node, to = product.node, product.node.accumulator
        signal, fraction = self.graph.signal(node), node.product_format[0]
        narrow = product.words_hold and product.narrow_terms
        in_words = product.words_hold and product.wide_words and self.bits == 64
        fields: dict[str, int] = {}
        if node.product_cast_changes:
            assert node.product is not None
            cast = product.narrow_cast if narrow or in_words else node.product
            fields["product"] = self._cast_index(product.exact_fraction, cast)
            fields["product_events"] = self._event(f"{signal}.product")
        if node.start is not None:
            fields["b"] = self.slot_of[node.start]
        if to is not None:
            finest = max(fraction, to.fraction)
            fields["shift_a"] = finest - to.fraction
            fields["shift_b"] = finest - fraction
            fields["cast"] = self._cast_index(finest, to)
            fields["events"] = self._event(signal)
            if node.start is not None:
                fields["start"] = self._cast_index(node.start.format.fraction, to)
        else:
            fields["shift_b"] = node.format.fraction - fraction
            if node.start is not None:
                fields["shift_a"] = node.format.fraction - node.start.format.fraction
        fields["rows"] = self._matrix(product, np.dtype(np.int16) if narrow else self.element)
        fields["a"] = self._packed(node.vector) if narrow else self.slot_of[node.vector]
        words = product.words_hold + (1 + product.terms_fit if in_words else 0)
        fields["low"] = int(product.terms_fit) if narrow else words
        self._emit(node, "rows_ordered_narrow" if narrow else "rows_ordered", **fields)

    def _transform(self, node: Matvec) -> None:
        """Walsh-Hadamard stages of a whole vector, then the start if there is one."""
        full = isinstance(node.structure, FastWalshHadamard)
        stages = node.units.bit_length() - 1 if full else 1
        self.slot_of.setdefault(node, self._full_slot(node.units))
        dst = self.slot_of[node] if node.start is None else self._full_slot(node.units)
        row = self._row(
            "transform",
            dst=dst,
            a=self.slot_of[node.vector],
            b=self._full_slot(node.units),
            units=node.units,
            low=stages,
        )
        self._own_phase(node).whole.append(row)
        self.measured[node] = row
        if node.start is not None:
            shift = node.format.fraction - node.vector.format.fraction
            start_shift = node.format.fraction - node.start.format.fraction
            self._tile(node).append(
                self._row(
                    "add",
                    dst=self.slot_of[node],
                    a=dst,
                    b=self.slot_of[node.start],
                    shift_a=shift,
                    shift_b=start_shift,
                )
            )

    def _elementwise(self, node: Add | Subtract) -> None:
        self._give_slot(node)
        self._emit(
            node,
            "add" if isinstance(node, Add) else "subtract",
            a=self.slot_of[node.a],
            b=self.slot_of[node.b],
            shift_a=node.format.fraction - node.a.format.fraction,
            shift_b=node.format.fraction - node.b.format.fraction,
        )

    def _multiply(self, node: Multiply) -> None:
        self._give_slot(node)
        self._emit(node, "multiply", a=self.slot_of[node.a], b=self.slot_of[node.b])

    def _select(self, node: Select) -> None:
        self._give_slot(node)
        self._emit(
            node,
            "select",
            a=self.slot_of[node.a],
            b=self.slot_of[node.b],
            c=self.slot_of[node.s],
            shift_a=node.format.fraction - node.a.format.fraction,
            shift_b=node.format.fraction - node.b.format.fraction,
        )

    def _clamp(self, node: Clamp) -> None:
        self._give_slot(node)
        # The result's ends are the limits that can act, and they fit the element.
        low, high = node.interval
        self._emit(node, "clamp", a=self.slot_of[node.a], low=low, high=high)

    def _gather(self, node: Gather) -> None:
        self.slot_of.setdefault(node, self._full_slot(node.units))
        where = [(self.slot_of[part], unit) for part in node.parts for unit in range(part.units)]
        wires = np.array([where[index] for index in node.indices], np.int64)
        self._own_phase(node).whole.append(
            self._row(
                "gather",
                dst=self.slot_of[node],
                units=node.units,
                data=self._data_index(wires.ravel()),
            )
        )

    def _alias(self, node: Node) -> None:
        self.slot_of[node] = self.slot_of[node.operands[0]]

    def _cast(self, node: Cast) -> None:
        if self._is_alias(node):
            self._alias(node)
            return
        self._give_slot(node)
        self._emit(
            node,
            "cast",
            a=self.slot_of[node.a],
            cast=self._cast_index(node.a.format.fraction, node.format),
            events=self._event(self.graph.signal(node)),
        )

    def _lookup(self, node: Lookup) -> None:
        self._give_slot(node)
        self._emit(
            node,
            "lookup",
            a=self.slot_of[node.a],
            data=self._data_index(node.table.entries.astype(self.element)),
            high=len(node.table.entries) - 1,
        )


WRITERS: Mapping[type, Callable[..., None]] = operation_table(
    {
        Input: _ScanPlanner._input,
        State: _ScanPlanner._state,
        Constant: _ScanPlanner._constant,
        Matvec: _ScanPlanner._matvec,
        Add: _ScanPlanner._elementwise,
        Subtract: _ScanPlanner._elementwise,
        Multiply: _ScanPlanner._multiply,
        Select: _ScanPlanner._select,
        Clamp: _ScanPlanner._clamp,
        Gather: _ScanPlanner._gather,
        Reinterpret: _ScanPlanner._alias,
        Cast: _ScanPlanner._cast,
        Lookup: _ScanPlanner._lookup,
    }
)


def _ordered_intervals(node: Matvec) -> list[tuple[int, int]]:
    """What the ordered kernel holds in an element: exact products and sums before a cast."""
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
