"""Maps a step graph to rows, gates and phases: what the lanes accumulate, and in which order.

A *row* is one accumulator: it starts from a constant and adds one column after another.

- A product that starts from another product continues its rows.
- A product over the inputs and one over the state share rows even when the cell needs them apart as
  well as together: a snapshot of the accumulator after the input columns gives the first, the sum
  minus the snapshot the second.

A *phase* is one walk over all units. A new phase begins where a product reads a vector that the
step itself computes. All vectors of a phase have one length, so rows of another length get another
phase; the vectors that other phases wait for come first.

A *gate* is one of the k rows of a unit when a phase of n units handles a vector of k n elements.

Invariants: every product belongs to exactly one ``Rows``; a node's phase is at least that of its
operands, and one more where it must read a whole vector; ``phase`` is final once no phase has
vectors of unequal lengths (the loop in ``LayerRows.__init__``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from rnnhw.accelerator.mapping.derived_states import DerivedState, derive_states
from rnnhw.accelerator.mapping.memory import stored_vectors
from rnnhw.accelerator.mapping.row_fusion import ROW_FUSION
from rnnhw.accelerator.mapping.transform_copies import duplicate_transforms
from rnnhw.errors import DesignError
from rnnhw.graph.nodes import (
    Add,
    Cast,
    Constant,
    Gather,
    Input,
    Matvec,
    Node,
    State,
    StepGraph,
    unwired,
)
from rnnhw.graph.rewrite import apply_rules
from rnnhw.layers.structures import ButterflyStage, FastWalshHadamard, WalshHadamardStage
from rnnhw.numerics.cast import Q, interval_format

__all__ = ["LayerRows", "Part", "Rows", "Value"]


class Part(Enum):
    """Which columns of a row a value is the sum of."""

    WHOLE = "whole"
    EARLY = "early"  # the snapshot after the input columns
    LATE = "late"  # the whole minus the snapshot

    __hash__ = object.__hash__  # a value is looked up often; Enum's own is of its name, in Python


def _no_accumulator(products: Sequence[Matvec], error: DesignError) -> DesignError:
    """The error that sums of ``products`` have no common word."""
    names = ", ".join(dict.fromkeys(product.name for product in products))
    return DesignError(
        f"{names}: the accumulators of the lanes need a wider word: {error.message}",
        "give them formats of closer scales, or an `accumulator` format",
    )


@dataclass(frozen=True, eq=False)
class Rows:
    """``units`` accumulators that add the same columns.

    ``values`` names the product whose result each part is. The accumulators start from the sum of
    ``constants``, of which the snapshot includes ``early_constants``; ``computed`` is a vector of
    the same step, which is added after the accumulator.
    """

    phase: int
    products: tuple[Matvec, ...]
    values: tuple[tuple[Part, Matvec], ...]
    constants: tuple[Node, ...]
    early_constants: tuple[Node, ...]
    computed: Node | None

    @property
    def units(self) -> int:
        """The number of accumulators."""
        return self.products[0].units

    def word(self, part: Part) -> tuple[Q, tuple[int, int]]:
        """The format of a part and the interval of its raw integers."""
        products = dict(self.values)
        if part in products:
            return products[part].format, products[part].interval
        # No product is the whole: the cell adds the two parts.
        fraction = max(product.format.fraction for product in products.values())
        low, high = (
            sum(p.interval[end] << (fraction - p.format.fraction) for p in products.values())
            for end in (0, 1)
        )
        try:
            return interval_format(low, high, fraction), (low, high)
        except DesignError as error:
            raise _no_accumulator(self.products, error) from None

    @property
    def snapshot(self) -> bool:
        """Whether the accumulator is also read after the input columns."""
        return any(part is Part.EARLY for part, _ in self.values)


class Value(NamedTuple):
    """One element a unit of a node: what the post-processor handles at a time.

    A node of k times the phase's units has k values, one a gate; ``part`` is set for accumulators.
    Values are tuples as they are made, and looked up, thousands of times a layer.
    """

    node: Node | Rows
    gate: int = 0
    part: Part | None = None


class LayerRows:
    """The rows and phases of a step graph.

    ``given`` is the graph of the network, ``graph`` the same with fused rows.
    """

    def __init__(self, graph: StepGraph) -> None:
        self.given = graph
        rewritten = apply_rules(graph, (*ROW_FUSION, duplicate_transforms))
        self.graph, self.kept = derive_states(rewritten)
        self._nodes = [node for node in self.graph.nodes if unwired(node) is node]
        self._ends = {unwired(node) for node in self.results}
        self._readers: dict[Node, list[Node]] = {}
        for node in self._nodes:
            for operand in node.operands:
                self._readers.setdefault(unwired(operand), []).append(node)
        self._leaves: dict[Node, frozenset[type[Node]]] = {}
        self._transforms: dict[Node, bool] = {}
        self._formed: dict[Node, bool] = {}
        self._phases: dict[Node, int] = {}
        self._not_before: dict[Node, int] = {}
        self._operands: dict[Value, Sequence[Value]] = {}
        while late := self._unequal():
            self._not_before |= late
            self._phases.clear()
            for known in ("last_phase", "rows", "_row_parts", "widths"):
                self.__dict__.pop(known, None)

    kept: Mapping[State, DerivedState]
    """The states that hold a vector computed from states of the network, so that the next step
    reads it instead of computing it anew."""

    # --- the graph ---------------------------------------------------------------------------
    @property
    def results(self) -> tuple[Node, ...]:
        """The nodes that leave the step: its output and the next value of every state."""
        return (self.graph.output, *(value for _, value in self.graph.updates))

    @property
    def products(self) -> list[Matvec]:
        """The matrix-vector products that have rows on the lanes."""
        return [n for n in self._nodes if isinstance(n, Matvec) and not self.is_transform(n)]

    @property
    def transforms(self) -> list[Matvec]:
        """The products that the feed in front of the lanes computes."""
        return [n for n in self._nodes if isinstance(n, Matvec) and self.is_transform(n)]

    def is_transform(self, node: Node) -> bool:
        """Whether the feed computes the node.

        It computes every Walsh-Hadamard transform, and a butterfly stage that starts from nothing
        or a constant and that only products read, directly or through casts. Any other stage has
        rows on the lanes.
        """
        if not isinstance(node, Matvec):
            return False
        if node not in self._transforms:
            fixed = isinstance(node.structure, FastWalshHadamard | WalshHadamardStage)
            self._transforms[node] = fixed or (
                isinstance(node.structure, ButterflyStage)
                and (node.start is None or self.leaves(node.start) <= {Constant})
                and self._only_swept(node)
            )
        return self._transforms[node]

    def _only_swept(self, node: Node, through: tuple[type[Node], ...] = (Cast,)) -> bool:
        """Whether only products read ``node``, as their vector, directly or ``through`` nodes of
        these types."""
        if node in self._ends or not self._readers.get(node):
            return False
        return all(
            self._only_swept(reader, through)
            if isinstance(reader, through)
            else _sweeps(reader, node)
            for reader in self._readers[node]
        )

    def in_feed(self, vector: Node) -> bool:
        """Whether ``vector`` is the result of a transform, or a cast of one."""
        vector = unwired(vector)
        return self.in_feed(vector.a) if isinstance(vector, Cast) else self.is_transform(vector)

    @cached_property
    def fed_by_unit(self) -> frozenset[Node]:
        """The results of the feed that the post-processor reads, or that leave the step."""
        return frozenset(
            node
            for node in self._nodes
            if self.in_feed(node)
            and (
                node in self._ends or any(not _sweeps(r, node) for r in self._readers.get(node, []))
            )
        )

    def leaves(self, node: Node) -> frozenset[type[Node]]:
        """The types of the inputs, states and constants that ``node`` is computed from."""
        if node not in self._leaves:
            if isinstance(node, Input | State | Constant):
                self._leaves[node] = frozenset([type(node)])
            else:
                self._leaves[node] = frozenset().union(*map(self.leaves, node.operands))
        return self._leaves[node]

    def is_constant(self, node: Node) -> bool:
        """Whether ``node`` is known at build time."""
        return self.leaves(node) <= {Constant} and not self.formed(node)

    def is_stored(self, vector: Node) -> bool:
        """Whether ``vector`` is read from memory: inputs, states or constants, perhaps permuted."""
        vector = unwired(vector)
        if isinstance(vector, Gather):
            return all(self.is_stored(part) for part in vector.parts)
        return isinstance(vector, Input | State | Constant)

    def formed(self, node: Node) -> bool:
        """Whether ``node`` depends on an accumulator of the same step."""
        if node not in self._formed:
            product = isinstance(node, Matvec) and not self.is_transform(node)
            self._formed[node] = product or any(self.formed(child) for child in node.operands)
        return self._formed[node]

    def is_early(self, product: Matvec) -> bool:
        """Whether the product reads neither states nor results of the step: its columns can come
        first."""
        return State not in self.leaves(product.vector) and not self.formed(product.vector)

    def stands_for(self, state: State) -> tuple[State, ...]:
        """The states of the network that ``state`` holds: itself, or those it is computed from."""
        return self.kept[state].states if state in self.kept else (state,)

    def needs_pass(self, vector: Node) -> bool:
        """Whether ``vector``, or a vector that it joins, is computed element by element within the
        step, so that its readers wait for a whole phase."""
        vector = unwired(vector)
        if self.in_feed(vector) or self.is_stored(vector):
            return False
        if isinstance(vector, Gather):
            return any(map(self.needs_pass, vector.parts))
        return self.formed(vector) or not self.is_constant(vector)

    @cached_property
    def passed(self) -> list[Node]:
        """The vectors that the step computes and products then read."""
        products = (*self.products, *self.transforms)
        vectors = dict.fromkeys(v for node in products for v in stored_vectors(node.vector))
        return [vector for vector in vectors if self.needs_pass(vector)]

    # --- phases ------------------------------------------------------------------------------
    def phase(self, node: Node) -> int:
        """The phase in which ``node`` is computed."""
        if node not in self._phases:
            if isinstance(node, Matvec):
                phase = self.vector_phase(node.vector)
                phase = max(phase, self.phase(node.start) if node.start else 0)
            else:
                phase = max((self.phase(operand) for operand in node.operands), default=0)
                phase = self._gather_phase(node, phase)
            self._phases[node] = max(phase, self._not_before.get(node, 0))
        return self._phases[node]

    def _gather_phase(self, node: Node, behind: int) -> int:
        """The phase of ``node``, whose operands are computed in phase ``behind``. A gather that
        reorders results comes one phase later; the output, where it is such a gather and has
        another length than the vectors beside it, after all phases."""
        if not self._reorders(node):
            return behind
        if node is not unwired(self.graph.output) or self._readers.get(node):
            return behind + 1
        others = {n: self.phase(n) for n in self._nodes if n is not node}
        beside = [n for n, phase in others.items() if phase > behind and self.formed(n)]
        if all(n.units == node.units for n in beside):
            return behind + 1
        return max(others.values()) + 1

    def _reorders(self, node: Node) -> bool:
        """Whether ``node`` permutes or joins results of the step for the post-processor, which then
        has to wait for all of them."""
        if not isinstance(node, Gather) or not self.formed(node) or self.in_feed(node):
            return False
        return (_is_spread(node) or not _is_slice(node)) and self._read_by_unit(node)

    def _is_inner_reordering(self, node: Node) -> bool:
        """Whether ``node`` reorders results and does not leave the step."""
        return node not in self._ends and self._reorders(node)

    def _read_by_unit(self, node: Node) -> bool:
        """Whether the post-processor reads ``node``, or it leaves the step."""
        return node in self._ends or any(
            _is_slice(reader) and self._read_by_unit(reader)
            if isinstance(reader, Gather)
            else not isinstance(reader, Matvec) or unwired(reader.vector) is not node
            for reader in self._readers.get(node, [])
        )

    def vector_phase(self, vector: Node) -> int:
        """The first phase that can read ``vector`` as a whole."""
        vector = unwired(vector)
        if isinstance(vector, Gather) and not self.in_feed(vector):
            return max(map(self.vector_phase, vector.parts))
        return self.phase(vector) + self.needs_pass(vector)

    @cached_property
    def last_phase(self) -> int:
        """The number of phases, less one."""
        return max(self.phase(node) for node in self._nodes)

    # --- phases of one length ----------------------------------------------------------------
    def _unequal(self) -> dict[Node, int]:
        """The nodes of the first phase that mixes lengths, and the phase that they have to wait
        for. The length that others wait for stays; empty when every phase has one length."""
        for phase in range(self.last_phase + 1):
            lengths: dict[int, list[Node]] = {}
            for group in self._connected_groups(phase):
                if self._is_repeated_number(group):
                    continue
                units = min(node.units for node in group)
                lengths.setdefault(units, []).extend(group)
            if len(lengths) > 1:
                # To put off a node puts off all that wait for it too, so that a length in which
                # every node waits for the others can not be the one that stays.
                first = [units for units, nodes in lengths.items() if _begins(nodes, lengths)]
                kept = max(first, key=lambda units: self._urgency(lengths[units]))
                return {
                    node: phase + 1
                    for units, nodes in lengths.items()
                    for node in nodes
                    if units != kept
                }
        output, last = unwired(self.graph.output), self.last_phase
        moved = self._not_before.get(output) == last
        if output.units != self.widths[last] and self.formed(output) and not moved:
            return {output: last + 1}
        return {}

    def _connected_groups(self, phase: int) -> list[set[Node]]:
        """The nodes that the lanes and the post-processor compute in a phase, in groups: nodes of
        two groups neither read one another nor share rows."""
        groups: list[set[Node]] = []

        def connect(nodes: set[Node], neighbours: set[Node]) -> None:
            """Join ``nodes`` and every group that holds one of ``neighbours``."""
            nonlocal groups
            joined = nodes.union(*(group for group in groups if group & neighbours))
            groups = [group for group in groups if not group & neighbours] + [joined]

        for node in self._nodes:
            if self.phase(node) != phase or self.in_feed(node) or self.is_constant(node):
                continue
            if isinstance(node, Input | State) or self._is_inner_reordering(node):
                continue
            if isinstance(node, Gather) and not self.formed(node):
                continue
            connect({node}, {unwired(operand) for operand in node.operands})
        for rows in self.phase_rows(phase):
            products: set[Node] = {product for _, product in rows.values}
            connect(products, products)
        return groups

    def _is_repeated_number(self, group: set[Node]) -> bool:
        """Whether the group computes one number that other nodes of the phase read in every unit.

        It is then computed anew in every unit: without products that takes no cycle, whereas a
        phase for it would.
        """
        if any(node.units > 1 or isinstance(node, Matvec) for node in group):
            return False
        readers = {
            reader for reader in self._nodes if reader not in group and group & set(reader.operands)
        }
        return self.graph.output not in group and all(
            isinstance(reader, Gather) and set(reader.indices) == {0} and len(reader.parts) == 1
            for reader in readers
        )

    def _urgency(self, nodes: Sequence[Node]) -> tuple[bool, bool, bool]:
        """A key by which vectors of several lengths are ordered: first those that products read,
        then those that lanes compute, the output last."""
        return (
            any(node in self.passed for node in nodes),
            any(map(self.formed, nodes)),
            unwired(self.graph.output) not in nodes,
        )

    # --- rows --------------------------------------------------------------------------------
    def _is_continued(self, product: Matvec) -> bool:
        """Whether the only reader of ``product`` is a product that starts from it."""
        readers = self._readers.get(product, [])
        return (
            product not in self._ends
            and len(readers) == 1
            and isinstance(readers[0], Matvec)
            and readers[0].start is not None
            and not self.is_transform(readers[0])
            and unwired(readers[0].start) is product
        )

    def _chain(self, last: Matvec) -> tuple[list[Matvec], Node | None]:
        """The products, in order, of the rows whose last product is ``last``, and their start."""
        chain = [last]
        while True:
            start = chain[0].start
            source = unwired(start) if start is not None else None
            if not (isinstance(source, Matvec) and source in self._continued):
                return chain, source
            chain.insert(0, source)

    @cached_property
    def _continued(self) -> set[Matvec]:
        """The products whose rows another product continues."""
        return {product for product in self.products if self._is_continued(product)}

    @cached_property
    def rows(self) -> tuple[Rows, ...]:
        """Every row of the step, in the order of the graph: gate by gate."""
        all_rows: list[Rows] = []
        for last in (p for p in self.products if p not in self._continued):
            chain, start = self._chain(last)
            constant = (start,) if start is not None and self.is_constant(start) else ()
            rows = Rows(
                phase=self.phase(last),
                products=tuple(chain),
                values=((Part.WHOLE, last),),
                constants=constant,
                early_constants=(),
                computed=None if constant else start,
            )
            position, shared = self._share(all_rows, rows)
            if shared is None:
                all_rows.append(rows)
            else:
                all_rows[position] = shared
        return tuple(all_rows)

    def _share(self, all_rows: list[Rows], new: Rows) -> tuple[int, Rows | None]:
        """The index of the rows that ``new`` can share by a snapshot, and the rows that do both;
        None when there are none."""
        for position, old in enumerate(all_rows):
            if old.snapshot or old.units != new.units:
                continue
            continues = new.computed is not None and new.computed is old.values[0][1]
            if old.computed is not None or (new.computed is not None and not continues):
                continue
            early, late = (old, new) if self._all_early(old) else (new, old)
            if not self._all_early(early) or any(map(self.is_early, late.products)):
                continue
            if continues and early is not old:
                continue
            if early.phase > late.phase:
                continue
            if early.phase < late.phase and not self._read_from(early.values[0][1], late.phase):
                continue
            whole = Part.WHOLE if continues else Part.LATE
            return position, Rows(
                phase=late.phase,
                products=early.products + late.products,
                values=((Part.EARLY, early.values[0][1]), (whole, late.values[0][1])),
                constants=early.constants + late.constants,
                early_constants=early.constants,
                computed=None,
            )
        return 0, None

    def _read_from(self, product: Matvec, phase: int) -> bool:
        """Whether every reader of ``product`` is content with its result in ``phase``. A product
        that reads it as its vector needs it one phase earlier."""
        return product not in self._ends and all(
            self.phase(reader) - (isinstance(reader, Matvec) and unwired(reader.vector) is product)
            >= phase
            for reader in self._readers.get(product, [])
        )

    def _all_early(self, rows: Rows) -> bool:
        return all(map(self.is_early, rows.products))

    @cached_property
    def _row_parts(self) -> dict[Node, tuple[Rows, Part]]:
        return {node: (rows, part) for rows in self.rows for part, node in rows.values}

    # --- units and gates ---------------------------------------------------------------------
    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Units of every phase: the length of the shortest vector that its post-processor
        handles."""
        widths: list[int] = []
        for phase in range(self.last_phase + 1):
            here = [n for n in self._nodes if self.phase(n) == phase and self.formed(n)]
            # A reordering is only an address: the phase that reads it has its length.
            here = [
                n for n in here if not isinstance(n, Matvec) and not self._is_inner_reordering(n)
            ]
            # A short vector on its way to a product's columns does not cut the others into gates.
            kept = [n.units for n in here if not self._only_swept(n, (Cast, Gather))]
            handled = kept or [n.units for n in here]
            rows = [rows.units for rows in self.rows if rows.phase == phase]
            passed = [n.units for n in self.passed if self.phase(n) == phase]
            others = [n for n in self._nodes if self.phase(n) == phase]
            changing = [n for n in others if not self.is_constant(n)]
            vectors = passed or [n.units for n in changing or others]
            widths.append(min(handled, default=max(rows, default=max(vectors, default=1))))
        return tuple(widths)

    def gates(self, node: Node | Rows, width: int) -> int:
        """The number of gates of a node in a phase of ``width`` units."""
        return -(-node.units // width)

    def phase_rows(self, phase: int) -> tuple[Rows, ...]:
        """The rows of one phase."""
        return tuple(rows for rows in self.rows if rows.phase == phase)

    def phase_gates(self, phase: int) -> int:
        """The number of rows a unit of one phase."""
        width = self.widths[phase]
        return sum(self.gates(rows, width) for rows in self.phase_rows(phase))

    def accumulator(self, phase: int) -> Q:
        """The format of the lanes' accumulators, which holds every row of the phase."""
        words = [
            word
            for rows in self.phase_rows(phase)
            for part in {Part.WHOLE, *dict(rows.values)}
            for word in [rows.word(part)[0]]
        ]
        fraction = max((word.fraction for word in words), default=0)
        width = max(
            (w.signed_width + fraction - w.fraction for w in words),
            default=1,
        )
        try:
            return Q(width - 1 - fraction, fraction)
        except DesignError as error:
            products = [node for rows in self.phase_rows(phase) for node in rows.products]
            raise _no_accumulator(products, error) from None

    def gate_index(self, value: Value) -> int:
        """The position of an accumulator among the rows of its unit."""
        index = value.gate
        for rows in self.phase_rows(value.node.phase if isinstance(value.node, Rows) else 0):
            if rows is value.node:
                return index
            index += self.gates(rows, self.widths[rows.phase])
        raise AssertionError("an accumulator outside its phase")

    # --- values ------------------------------------------------------------------------------
    def value(self, node: Node, gate: int, width: int) -> Value:
        """The value that ``gate`` of ``node`` is when nodes that only rewire are looked through."""
        node = unwired(node)
        if isinstance(node, Gather):
            piece = _piece(node, gate, width)
            if piece is None or self._is_addressed(node, *piece, width):
                return Value(node, gate)
            return self.value(*piece, width)
        if node in self._row_parts:
            rows, part = self._row_parts[node]
            return Value(rows, gate, part)
        if isinstance(node, Add):
            a, b = (self.value(operand, gate, width) for operand in (node.a, node.b))
            halves = {a.part, b.part} == {Part.EARLY, Part.LATE}
            if halves and (a.node, a.gate) == (b.node, b.gate):
                return Value(a.node, a.gate, Part.WHOLE)  # the accumulator itself
        return Value(node, gate if node.units > width else 0)

    def _is_addressed(self, node: Gather, part: Node, gate: int, width: int) -> bool:
        """Whether ``node``, a gate of ``part``, is read at another address than the unit's: one
        result that all units read, or a slice of a longer state or input."""
        if self.formed(node) and _is_spread(node):
            return True
        source = unwired(part)
        longer = source.units > width == node.units
        return longer and (isinstance(source, State) or (isinstance(source, Input) and gate > 0))

    def values(self, node: Node) -> Iterator[Value]:
        """All values of ``node``."""
        width = self.widths[self.phase(node)]
        for gate in range(self.gates(node, width)):
            yield self.value(node, gate, width)

    def operands(self, value: Value) -> Sequence[Value]:
        """The values that the operation of ``value`` reads; none for sources and accumulators."""
        if value not in self._operands:
            self._operands[value] = self._operands_of(value)
        return self._operands[value]

    def _operands_of(self, value: Value) -> list[Value]:
        node = value.node
        if isinstance(node, Rows):
            if value.part is Part.LATE:
                return [value._replace(part=part) for part in (Part.WHOLE, Part.EARLY)]
            return list(self.values(node.computed)) if node.computed is not None else []
        if self.in_feed(node):  # its result waits in memory
            return []
        if self.is_constant(node):
            return []
        if isinstance(node, Gather):
            return [value for part in node.parts for value in self.values(part)]
        phase, gate = self.phase(node), value.gate
        operands: list[Value] = []
        for operand in node.operands:
            value = self.value(operand, gate, self.widths[phase])
            computed = value.node.phase if isinstance(value.node, Rows) else self.phase(operand)
            kept = self.formed(operand) and computed < phase and not isinstance(value.node, Gather)
            if kept and self.widths[computed] != self.widths[phase]:
                operands.extend(self.values(operand))
            else:
                operands.append(value)
        return operands


def _sweeps(reader: Node, node: Node) -> bool:
    """Whether ``reader`` casts ``node``, or is a product that reads it only as its vector."""
    if isinstance(reader, Matvec):
        start = reader.start
        return unwired(reader.vector) is node and (start is None or unwired(start) is not node)
    return isinstance(reader, Cast)


def _begins(nodes: Sequence[Node], lengths: Mapping[int, Sequence[Node]]) -> bool:
    """Whether some of the ``nodes`` of one length wait for no node of another length in the same
    phase; ``lengths`` has the nodes of the phase by length."""
    others = {other for group in lengths.values() if group is not nodes for other in group}
    free: dict[Node, bool] = {}

    def is_free(node: Node) -> bool:
        if node not in free:
            free[node] = node not in others and all(map(is_free, node.operands))
        return free[node]

    return any(map(is_free, nodes))


def _is_slice(node: Gather) -> bool:
    """Whether the gather reads consecutive elements of one vector, or repeats its only element."""
    one = node.parts[0].units == 1 or len(set(node.indices)) == node.units
    return len(node.parts) == 1 and node.in_order and one


def _is_spread(node: Gather) -> bool:
    """Whether the gather repeats the only element of a vector."""
    return len(node.parts) == 1 and node.parts[0].units == 1 < node.units


def _piece(node: Gather, gate: int, width: int) -> tuple[Node, int] | None:
    """The part, and the gate of that part, that one gate of a gather equals; None when it equals
    none."""
    chosen = node.indices[gate * width : (gate + 1) * width] or node.indices
    first = 0
    for part in node.parts:
        start = chosen[0] - first
        if 0 <= start < part.units:
            if part.units == 1 and len(set(chosen)) == 1:
                return part, 0
            run = chosen == tuple(range(chosen[0], chosen[0] + len(chosen)))
            whole = start % width == 0 and start + len(chosen) <= part.units
            return (part, start // width) if run and whole else None
        first += part.units
    return None
