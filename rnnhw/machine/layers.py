"""One layer on the accelerator: phases, cycles, memories, multipliers and port traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from rnnhw.dataflow import (
    Cast,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Select,
    StepGraph,
)
from rnnhw.errors import DesignError
from rnnhw.machine.memories import Memory, memories_of, operand_format, weight_format
from rnnhw.machine.phases import Phase, phases_of
from rnnhw.machine.plan import Plan, Rows
from rnnhw.machine.schedule import Schedule
from rnnhw.numerics import Overflow, Q, Rounding
from rnnhw.structures import Dense

__all__ = ["Basis", "LayerMachine", "Multiplier", "Traffic", "layer_machine", "legal_lanes"]


class Basis(Enum):
    """Where a layer's cycles come from.

    ``MEASURED``: the formula equals the cycle counts of a Verilog prototype of exactly this
    family of layers. ``MODELLED``: the same rules, for a layer that was not built.
    """

    MEASURED = "measured"
    MODELLED = "modelled"


@dataclass(frozen=True)
class Multiplier:
    """``count`` multipliers of operands of the formats ``a`` and ``b``."""

    count: int
    a: Q
    b: Q


@dataclass(frozen=True)
class Traffic:
    """Accesses of the memories' ports in one step, after reuse by the lanes.

    A weight word holds a weight for every lane; an element of a vector is read once for all
    lanes. (:class:`rnnhw.counts.Counts` counts what the algorithm uses instead.)
    """

    weight_reads: int = 0
    weight_read_bits: int = 0
    bias_reads: int = 0
    bias_read_bits: int = 0
    vector_reads: int = 0
    vector_read_bits: int = 0
    vector_writes: int = 0
    vector_write_bits: int = 0
    table_reads: int = 0
    table_read_bits: int = 0


@dataclass(frozen=True)
class LayerMachine:
    """One layer: its own lanes, memories and post-processor.

    ``inputs`` elements arrive each step; ``once`` tells a layer that runs once a sequence, behind
    the last step or a total, from one that runs at every step. ``macs`` are useful
    multiply-accumulates a run. ``cycles`` is from taking a vector to taking the next one.
    ``accumulator_bits`` is the widest accumulator.
    """

    name: str
    lanes: int
    units: int
    inputs: int
    once: bool
    cycles: int
    macs: int
    accumulator_bits: int
    phases: tuple[Phase, ...]
    memories: tuple[Memory, ...]
    multipliers: tuple[Multiplier, ...]
    traffic: Traffic
    basis: Basis
    assumptions: tuple[str, ...]

    @property
    def utilisation(self) -> float | None:
        """Useful MACs of the MACs that the lanes could do; None without lanes."""
        return self.macs / (self.lanes * self.cycles) if self.lanes else None

    @property
    def bound_by(self) -> str:
        """What most of the cycles wait for."""
        waits: dict[str, int] = {}
        for phase in self.phases:
            for name, cycles in phase.bound_by.items():
                waits[name] = waits.get(name, 0) + cycles
        return max(waits, key=lambda name: waits[name]) if waits else "serial adder"


def _window_gates(plan: Plan) -> int:
    """The number that the lanes of a layer with windows must be a multiple of."""
    gates = 1
    for phase in phases_of(plan, Schedule(plan), 1):
        if any(segment.window is not None for segment in phase.segments):
            gates = max(gates, phase.gates)
    return gates


def legal_lanes(graph: StepGraph) -> range:
    """The numbers of lanes that a layer can have; empty where it has no products.

    At most one lane a row. A window (banded, diagonal) moves whole units past the lanes, so that
    the lanes must hold all rows of a unit.
    """
    plan = Plan(graph)
    phases = range(plan.last_phase + 1)
    most = max((sum(r.units for r in plan.phase_rows(p)) for p in phases), default=0)
    step = _window_gates(plan)
    return range(step, most + 1, step)


def _choose_lanes(name: str, graph: StepGraph, lanes: int, exact: bool) -> int:
    legal = legal_lanes(graph)
    if not legal:
        return 0
    chosen = lanes if exact else min(lanes, legal[-1])
    if chosen in legal:
        return chosen
    every = f"multiples of {legal.step} from" if legal.step > 1 else "from"
    reason = (
        f"a window over {legal.step} rows a unit needs whole units"
        if legal.step > 1 and 1 <= chosen <= legal[-1]
        else f"it has {legal[-1]} rows"
    )
    raise DesignError(
        f"layer {name}: {chosen} lanes are not possible: {reason}",
        f"use {every} {legal[0]} to {legal[-1]}, for this layer alone with "
        f"lanes={{{name!r}: {legal[0]}}}",
    )


# --- what was measured -------------------------------------------------------------------------
def _assumptions(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> list[str]:
    """How the layer differs from those whose cycles were measured."""
    found = []
    if len(phases) > 1:
        found.append("a phase for a product over a result of the same step")
    if any(not phase.lanes for phase in phases):
        found.append("a pass without products")
    if any(phase.transforms for phase in phases):
        found.append("the transform's feed in this accelerator")
    windows = [s.window for phase in phases for s in phase.segments if s.window is not None]
    if any(lower != upper for lower, upper in windows):
        found.append("an asymmetric band")
    early = [s for phase in phases for s in phase.segments if s.early]
    late = [s for phase in phases for s in phase.segments if not s.early]
    structures = [p.structure for p in plan.products if plan.is_early(p)]
    columns = len(early) != 1 or len(late) > 1 or any(s != Dense() for s in structures)
    if plan.products and columns:
        found.append("columns other than one dense input and one recurrent matrix")
    if any(p.product or (p.accumulator and not _wraps(p.accumulator)) for p in plan.products):
        found.append("casts inside the accumulation")
    if schedule.write_back() or schedule.on_arrival():
        found.append("operations on the way into a vector buffer")
    if any(rows.computed is not None for rows in plan.rows):
        found.append("a computed start of the accumulator")
    if any(state.initial is not None for state, _ in plan.graph.updates):
        found.append("a first state other than zero")
    for phase in phases:
        measured = (1, False), (4, False), (3, True)
        if phase.lanes and (phase.gates, phase.snapshot) not in measured:
            found.append(f"{phase.gates} rows a unit{' with a snapshot' * phase.snapshot}")
    nodes = [value.node for value in schedule.values if isinstance(value.node, Node)]
    if any(isinstance(node, Select) for node in nodes):
        found.append("a selection")
    if any(isinstance(node, Gather) for node in nodes):
        found.append("a permutation of results of the same step, taken as wiring")
    read = _read_by_unit(schedule)
    if any(isinstance(node, Input) for node in nodes if node in read):
        found.append("inputs read by the post-processor")
    trained = [n for n in nodes if plan.is_constant(n)]
    if any(not isinstance(n, Constant) or len(set(n.values)) != 1 for n in trained):
        found.append("trained vectors in the post-processor")
    casts = [node.format for node in nodes if isinstance(node, Cast)]
    if any((f.rounding, f.overflow) != (Rounding.RND, Overflow.SAT) for f in casts):
        found.append("casts other than half up with saturation")
    if not any(phase.depth for phase in phases):
        found.append("a result without a post-processor")
    return list(dict.fromkeys(found))


def _wraps(format: Q) -> bool:
    return format.overflow is Overflow.WRAP


def _read_by_unit(schedule: Schedule) -> set[Node | Rows]:
    return {
        operand.node
        for reader in schedule.values
        if reader.node not in schedule.edge
        for operand in schedule.plan.operands(reader)
    }


# --- figures -----------------------------------------------------------------------------------
def _multipliers(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> list[Multiplier]:
    found = []
    lanes = max(phase.lanes for phase in phases)
    weight, operand = weight_format(plan), operand_format(phases)
    if lanes and weight is not None and operand is not None:
        found.append(Multiplier(lanes, weight, operand))
    for node in schedule.multiplications():
        assert isinstance(node, Multiply)
        found.append(Multiplier(1, node.a.format, node.b.format))
    return found


def _traffic(
    plan: Plan, schedule: Schedule, phases: Sequence[Phase], memories: Sequence[Memory]
) -> Traffic:
    widths = {memory.name: memory.width for memory in memories}
    weight_reads = sum(phase.groups * phase.weight_columns for phase in phases if phase.lanes)
    rows = sum(rows.units for rows in plan.rows)
    bias_roms = [name for name in ("biases", "input biases") if name in widths]
    reads = writes = read_bits = write_bits = 0
    for phase in phases:
        for segment in phase.segments:
            fill = phase.window_units - 1 if segment.window is not None else 0
            elements = phase.groups * (segment.columns + fill)
            reads, read_bits = reads + elements, read_bits + elements * segment.vector.format.width
        for transform in phase.transforms:
            words = transform.stages * transform.words
            bits = words * transform.width * transform.node.format.width
            reads, read_bits = reads + words, read_bits + bits
            writes, write_bits = writes + words, write_bits + bits
    tables = table_bits = 0
    for value in schedule.values:
        node = value.node
        if isinstance(node, Lookup) and not plan.is_constant(node):
            tables += min(node.units, plan.widths[plan.phase(node)])
            table_bits += min(node.units, plan.widths[plan.phase(node)]) * node.format.width
    for _, new in plan.graph.updates:
        writes, write_bits = writes + new.units, write_bits + new.units * new.format.width
    for source in (n for n in plan.graph.nodes if isinstance(n, Input)):
        bits = source.units * source.format.width
        writes, write_bits = writes + source.units, write_bits + bits
    return Traffic(
        weight_reads,
        weight_reads * widths.get("weights", 0),
        rows * len(bias_roms),
        rows * sum(widths[name] for name in bias_roms),
        reads,
        read_bits,
        writes,
        write_bits,
        tables,
        table_bits,
    )


def _macs(products: Sequence[Matvec]) -> int:
    return sum(p.structure.multiplies(p.units, p.vector.units) for p in products)


def layer_machine(
    name: str, graph: StepGraph, lanes: int, *, exact: bool, once: bool
) -> LayerMachine:
    """A step graph on ``lanes`` lanes, fewer if it has fewer rows unless ``exact``.

    Raises:
        DesignError: the layer cannot have this number of lanes, or its structure has no feed.
    """
    plan = Plan(graph)
    schedule = Schedule(plan)
    chosen = _choose_lanes(name, graph, lanes, exact)
    phases = phases_of(plan, schedule, chosen)
    memories = memories_of(plan, schedule, phases)
    assumptions = _assumptions(plan, schedule, phases)
    return LayerMachine(
        name=name,
        lanes=chosen,
        units=graph.output.units,
        inputs=sum(node.units for node in graph.nodes if isinstance(node, Input)),
        once=once,
        cycles=sum(phase.cycles for phase in phases),
        macs=_macs(plan.products),
        accumulator_bits=max((product.format.width for product in plan.products), default=0),
        phases=phases,
        memories=memories,
        multipliers=tuple(_multipliers(plan, schedule, phases)),
        traffic=_traffic(plan, schedule, phases, memories),
        basis=Basis.MODELLED if assumptions else Basis.MEASURED,
        assumptions=tuple(assumptions),
    )
