"""What one step asks of the lanes: rows, the columns they add, and the order of phases.

A *row* is one accumulator. Products that start from one another share rows; a product over the
inputs and one over the state that are needed both together and apart share rows too: a snapshot
of the accumulator after the input columns gives the first, a subtraction the second. A product
over a result of the same step starts a new *phase*. So do rows of another length: a phase walks
vectors of one length, and what others wait for comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from rnnhw.accelerator.mapping.derived_states import DerivedState, derive_states
from rnnhw.accelerator.mapping.memory import stored_vectors
from rnnhw.accelerator.mapping.row_fusion import fuse_rows
from rnnhw.accelerator.mapping.transform_copies import duplicate_transforms
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
from rnnhw.layers.structures import ButterflyStage, FastWalshHadamard, WalshHadamardStage
from rnnhw.numerics.cast import Q, interval_format

__all__ = ["LayerRows", "Part", "Rows", "Value"]


class Part(Enum):
    """Which columns of a row a value holds."""

    WHOLE = "whole"
    EARLY = "early"  # the snapshot after the input columns
    LATE = "late"  # the whole minus the snapshot


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that share their columns: ``units`` accumulators.

    ``values`` says which product each part is. ``constant`` starts the accumulator and is known
    at build time (``early_constant``: the part of it that the snapshot needs as well);
    ``computed`` is a start of the same step, added behind the accumulator.
    """

    phase: int
    products: tuple[Matvec, ...]
    values: tuple[tuple[Part, Matvec], ...]
    constants: tuple[Node, ...]
    early_constants: tuple[Node, ...]
    computed: Node | None

    @property
    def units(self) -> int:
        """Rows of one product."""
        return self.products[0].units

    def word(self, part: Part) -> tuple[Q, tuple[int, int]]:
        """The format and the raw interval of a part: of the product that it is, or exact ones."""
        known = dict(self.values)
        if part in known:
            return known[part].format, known[part].interval
        # The whole that an addition of both parts stands for.
        fraction = max(product.format.fraction for product in known.values())
        low, high = (
            sum(p.interval[end] << (fraction - p.format.fraction) for p in known.values())
            for end in (0, 1)
        )
        return interval_format(low, high, fraction), (low, high)

    @property
    def snapshot(self) -> bool:
        """Whether the accumulator is also read after the input columns."""
        return any(part is Part.EARLY for part, _ in self.values)


@dataclass(frozen=True)
class Value:
    """One gate's worth of a node: what the post-processor handles for every unit.

    A node of k times the phase's units is k values; ``part`` is set for accumulators.
    """

    node: Node | Rows
    gate: int = 0
    part: Part | None = None


class LayerRows:
    """The rows and phases of a step graph."""

    def __init__(self, graph: StepGraph) -> None:
        self.given = graph
        self.graph, self.kept = derive_states(duplicate_transforms(fuse_rows(graph)))
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
        while late := self._unequal():
            self._not_before |= late
            self._phases.clear()
            for known in ("last_phase", "rows", "_row_parts", "widths"):
                self.__dict__.pop(known, None)

    kept: Mapping[State, DerivedState]
    """The states that stand for vectors made of states."""

    # --- the graph ---------------------------------------------------------------------------
    @property
    def results(self) -> tuple[Node, ...]:
        """What the step has to deliver: its output and every state's next value."""
        return (self.graph.output, *(value for _, value in self.graph.updates))

    @property
    def products(self) -> list[Matvec]:
        """The matrix-vector products that the lanes compute."""
        return [n for n in self._nodes if isinstance(n, Matvec) and not self.is_transform(n)]

    @property
    def transforms(self) -> list[Matvec]:
        """The products that the lanes' feed computes."""
        return [n for n in self._nodes if isinstance(n, Matvec) and self.is_transform(n)]

    def is_transform(self, node: Node) -> bool:
        """Whether the lanes' feed computes the node.

        A Walsh-Hadamard transform always; a butterfly stage where nothing but columns or another
        transform reads it, through casts at most, and it starts from nothing or a constant. Any
        other stage has rows on the lanes.
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
        """Whether products alone read ``node``, as their vector, ``through`` casts at most."""
        if node in self._ends or not self._readers.get(node):
            return False
        return all(
            self._only_swept(reader, through)
            if isinstance(reader, through)
            else _sweeps(reader, node)
            for reader in self._readers[node]
        )

    def in_feed(self, vector: Node) -> bool:
        """Whether ``vector`` is what the lanes' feed makes: a transform, or casts on the way out
        of one."""
        vector = unwired(vector)
        return self.in_feed(vector.a) if isinstance(vector, Cast) else self.is_transform(vector)

    @cached_property
    def fed_by_unit(self) -> frozenset[Node]:
        """What the lanes' feed makes and other operations than its own and products read, or the
        step delivers."""
        return frozenset(
            node
            for node in self._nodes
            if self.in_feed(node)
            and (
                node in self._ends or any(not _sweeps(r, node) for r in self._readers.get(node, []))
            )
        )

    def leaves(self, node: Node) -> frozenset[type[Node]]:
        """The kinds of source that ``node`` is made from."""
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
        """Whether ``vector`` lies in memory as it is: inputs or states, perhaps permuted."""
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
        """Whether the product reads inputs only, so that its columns can come first."""
        return State not in self.leaves(product.vector) and not self.formed(product.vector)

    def stands_for(self, state: State) -> tuple[State, ...]:
        """The states of the network that ``state`` holds: itself, or those that it is made of."""
        return self.kept[state].states if state in self.kept else (state,)

    def needs_pass(self, vector: Node) -> bool:
        """Whether ``vector``, or one that it is joined of, is formed element by element within the
        step, before it is read."""
        vector = unwired(vector)
        if self.in_feed(vector) or self.is_stored(vector):
            return False
        if isinstance(vector, Gather):
            return any(map(self.needs_pass, vector.parts))
        return self.formed(vector) or not self.is_constant(vector)

    @cached_property
    def passed(self) -> list[Node]:
        """The vectors that are formed within the step, before products read them."""
        products = (*self.products, *self.transforms)
        vectors = dict.fromkeys(v for node in products for v in stored_vectors(node.vector))
        return [vector for vector in vectors if self.needs_pass(vector)]

    # --- phases ------------------------------------------------------------------------------
    def phase(self, node: Node) -> int:
        """The phase in which ``node`` is computed."""
        if node not in self._phases:
            if isinstance(node, Matvec):
                found = self.vector_phase(node.vector)
                found = max(found, self.phase(node.start) if node.start else 0)
            else:
                found = max((self.phase(operand) for operand in node.operands), default=0)
                found = self._gather_phase(node, found)
            self._phases[node] = max(found, self._not_before.get(node, 0))
        return self._phases[node]

    def _gather_phase(self, node: Node, behind: int) -> int:
        """The phase of ``node``, whose operands are there in ``behind``: what turns results round
        comes in the next one, and an output of another length than its others behind all."""
        if not self._turns(node):
            return behind
        if node is not unwired(self.graph.output) or self._readers.get(node):
            return behind + 1
        others = {n: self.phase(n) for n in self._nodes if n is not node}
        beside = [n for n, phase in others.items() if phase > behind and self.formed(n)]
        if all(n.units == node.units for n in beside):
            return behind + 1
        return max(others.values()) + 1

    def _turns(self, node: Node) -> bool:
        """Whether operations read results of the step in another order, or joined: then all of them
        have to be there."""
        if not isinstance(node, Gather) or not self.formed(node) or self.in_feed(node):
            return False
        return (_is_spread(node) or not _is_slice(node)) and self._read_by_unit(node)

    def _only_turned(self, node: Node) -> bool:
        """Whether operations alone read ``node``, in another order than it was written."""
        return node not in self._ends and self._turns(node)

    def _read_by_unit(self, node: Node) -> bool:
        """Whether something else than the columns of products reads ``node``, or another order."""
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
        """Products and vectors that cannot be handled in the phase in which they could be computed,
        with the next one: a phase walks vectors of one length."""
        for phase in range(self.last_phase + 1):
            lengths: dict[int, list[Node]] = {}
            for together in self._handled_together(phase):
                if self._walked_along(together):
                    continue
                units = min(node.units for node in together)
                lengths.setdefault(units, []).extend(together)
            if len(lengths) > 1:
                kept = max(lengths, key=lambda units: self._urgency(lengths[units]))
                return {
                    node: phase + 1
                    for units, nodes in lengths.items()
                    for node in nodes
                    if units != kept
                }
        output, last = unwired(self.graph.output), self.last_phase
        alone = self._not_before.get(output) == last
        if output.units != self.widths[last] and self.formed(output) and not alone:
            return {output: last + 1}
        return {}

    def _handled_together(self, phase: int) -> list[set[Node]]:
        """What the lanes and the post-processor of a phase compute, apart where nothing of one part
        reads something of another one."""
        found: list[set[Node]] = []
        for node in self._nodes:
            if self.phase(node) != phase or self.in_feed(node) or self.is_constant(node):
                continue
            if isinstance(node, Input | State) or self._only_turned(node):
                continue
            if isinstance(node, Gather) and not self.formed(node):
                continue
            read = {unwired(operand) for operand in node.operands}
            joined = {node}.union(*(part for part in found if part & read))
            found = [part for part in found if not part & read] + [joined]
        shared = [{product for _, product in rows.values} for rows in self.phase_rows(phase)]
        for values in shared:
            joined = set(values).union(*(part for part in found if part & values))
            found = [part for part in found if not part & values] + [joined]
        return found

    def _walked_along(self, together: set[Node]) -> bool:
        """Whether one number, which all units of the same phase read, is computed anew for each of
        them: without products that costs no cycle, and a phase of its own would."""
        if any(node.units > 1 or isinstance(node, Matvec) for node in together):
            return False
        readers = {
            reader
            for reader in self._nodes
            if reader not in together and together & set(reader.operands)
        }
        return self.graph.output not in together and all(
            isinstance(each, Gather) and set(each.indices) == {0} and len(each.parts) == 1
            for each in readers
        )

    def _urgency(self, nodes: Sequence[Node]) -> tuple[bool, bool, bool]:
        """What comes first of vectors of several lengths: what products read, what lanes compute;
        the output last."""
        return (
            any(node in self.passed for node in nodes),
            any(map(self.formed, nodes)),
            unwired(self.graph.output) not in nodes,
        )

    # --- rows --------------------------------------------------------------------------------
    def _chained(self, product: Matvec) -> bool:
        """Whether ``product`` is only the start of one other product: they share rows."""
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
        """The products that end in ``last``, first one first, and what they start from."""
        chain = [last]
        while True:
            start = chain[0].start
            before = unwired(start) if start is not None else None
            if not (isinstance(before, Matvec) and before in self._inner):
                return chain, before
            chain.insert(0, before)

    @cached_property
    def _inner(self) -> set[Matvec]:
        return {product for product in self.products if self._chained(product)}

    @cached_property
    def rows(self) -> tuple[Rows, ...]:
        """Every row of the step, in the order of the graph: gate by gate."""
        found: list[Rows] = []
        for last in (p for p in self.products if p not in self._inner):
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
            position, shared = self._share(found, rows)
            if shared is None:
                found.append(rows)
            else:
                found[position] = shared
        return tuple(found)

    def _share(self, found: list[Rows], new: Rows) -> tuple[int, Rows | None]:
        """``new`` in the rows of an earlier one that stops where ``new`` goes on."""
        for position, old in enumerate(found):
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
        """Whether nothing reads ``product`` before ``phase``; who reads it as a vector needs it a
        phase earlier."""
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
        """Units of each phase: the shortest vector that its post-processor handles."""
        found: list[int] = []
        for phase in range(self.last_phase + 1):
            here = [n for n in self._nodes if self.phase(n) == phase and self.formed(n)]
            # What is only read in another order than it was written asks nothing of its phase.
            here = [n for n in here if not isinstance(n, Matvec) and not self._only_turned(n)]
            # A short vector on its way to a product's columns does not cut the others into gates.
            kept = [n.units for n in here if not self._only_swept(n, (Cast, Gather))]
            handled = kept or [n.units for n in here]
            rows = [rows.units for rows in self.rows if rows.phase == phase]
            passed = [n.units for n in self.passed if self.phase(n) == phase]
            others = [n for n in self._nodes if self.phase(n) == phase]
            changing = [n for n in others if not self.is_constant(n)]
            vectors = passed or [n.units for n in changing or others]
            found.append(min(handled, default=max(rows, default=max(vectors, default=1))))
        return tuple(found)

    def gates(self, node: Node | Rows, width: int) -> int:
        """How many values of ``width`` units a node is."""
        return -(-node.units // width)

    def phase_rows(self, phase: int) -> tuple[Rows, ...]:
        """The rows of one phase."""
        return tuple(rows for rows in self.rows if rows.phase == phase)

    def phase_gates(self, phase: int) -> int:
        """Rows a unit of one phase."""
        width = self.widths[phase]
        return sum(self.gates(rows, width) for rows in self.phase_rows(phase))

    def accumulator(self, phase: int) -> Q:
        """The word of the lanes' accumulators: it holds every row of the phase, aligned."""
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
        return Q(width - 1 - fraction, fraction)

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
        """What ``gate`` of ``node`` is, seen through wiring."""
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
        """Whether ``node``, a gate of ``part``, is read out of a memory of its own: a result that
        all units read, or a part of a longer state or input."""
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

    def operands(self, value: Value) -> list[Value]:
        """What the operation behind ``value`` reads; nothing for sources and accumulators."""
        node = value.node
        if isinstance(node, Rows):
            if value.part is Part.LATE:
                return [replace(value, part=part) for part in (Part.WHOLE, Part.EARLY)]
            return list(self.values(node.computed)) if node.computed is not None else []
        if self.in_feed(node):  # its result waits in memory
            return []
        if self.is_constant(node):
            return []
        if isinstance(node, Gather):
            return [found for part in node.parts for found in self.values(part)]
        phase, gate = self.phase(node), value.gate
        found: list[Value] = []
        for operand in node.operands:
            value = self.value(operand, gate, self.widths[phase])
            own = value.node.phase if isinstance(value.node, Rows) else self.phase(operand)
            kept = self.formed(operand) and own < phase and not isinstance(value.node, Gather)
            if kept and self.widths[own] != self.widths[phase]:
                found.extend(self.values(operand))
            else:
                found.append(value)
        return found


def _sweeps(reader: Node, node: Node) -> bool:
    """Whether ``reader`` reads ``node`` as the vector of a product alone, or casts it."""
    if isinstance(reader, Matvec):
        start = reader.start
        return unwired(reader.vector) is node and (start is None or unwired(start) is not node)
    return isinstance(reader, Cast)


def _is_slice(node: Gather) -> bool:
    """Whether it reads neighbours of one vector in order, or its only element for all."""
    one = node.parts[0].units == 1 or len(set(node.indices)) == node.units
    return len(node.parts) == 1 and node.in_order and one


def _is_spread(node: Gather) -> bool:
    """Whether it is the only element of one vector, for several units."""
    return len(node.parts) == 1 and node.parts[0].units == 1 < node.units


def _piece(node: Gather, gate: int, width: int) -> tuple[Node, int] | None:
    """The part and gate of it that one gate of a gather is, where it is one of them in order."""
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
