"""What was measured, and how a layer differs from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnnhw.dataflow import Cast, Constant, Input, Node, Select, State
from rnnhw.machine.memory import Memory
from rnnhw.machine.phases import BUTTERFLY_CYCLES, Phase
from rnnhw.machine.plan import Plan, Rows
from rnnhw.machine.schedule import Schedule
from rnnhw.numerics import Overflow, Q, Rounding
from rnnhw.structures import Dense

__all__ = ["assumptions_of", "reads_inputs_by_unit"]


def assumptions_of(
    plan: Plan, schedule: Schedule, phases: Sequence[Phase], memories: Sequence[Memory]
) -> list[str]:
    """How the layer differs from those whose cycles were measured."""
    found = [
        *_of_phases(phases, memories),
        *_of_columns(plan, phases),
        *_of_rows(plan, schedule, phases),
        *_of_operations(plan, schedule),
    ]
    if not all(phase.depth for phase in phases):
        found.append("a result without a post-processor")
    return list(dict.fromkeys(found))


def _of_phases(phases: Sequence[Phase], memories: Sequence[Memory]) -> Iterator[str]:
    if len(phases) > 1:
        yield "a phase for a product over a result of the same step"
    if any(not phase.lanes for phase in phases):
        yield "a pass without products"
    if any(phase.transforms for phase in phases):
        yield "the transform's feed in this accelerator"
    if any(each.weight_words for phase in phases for each in phase.transforms):
        yield (
            "butterfly stages in that feed on the lanes' multipliers, "
            f"{BUTTERFLY_CYCLES} cycles from a pair to what is made of it"
        )
    for phase in phases:
        yield from (segment.note for segment in phase.segments if segment.note)
    windows = [s.window for phase in phases for s in phase.segments if s.window is not None]
    if any(lower != upper for lower, upper in windows):
        yield "an asymmetric band"
    if any(phase.by_block for phase in phases):
        yield "rows block by block, each result with an address of its own"
    if any(memory.name.endswith(" addresses") for memory in memories):
        yield "a ROM of addresses"


def _of_columns(plan: Plan, phases: Sequence[Phase]) -> Iterator[str]:
    early = [s for phase in phases for s in phase.segments if s.early]
    late = [s for phase in phases for s in phase.segments if not s.early]
    structures = [p.structure for p in plan.products if plan.is_early(p)]
    if plan.products and (
        len(early) != 1 or len(late) > 1 or any(s != Dense() for s in structures)
    ):
        yield "columns other than one dense input and one recurrent matrix"
    swept = [p.vector for p in (*plan.products, *plan.transforms)]
    recurrent = any(State in plan.leaves(vector) for vector in swept)
    if plan.graph.updates and plan.products and not recurrent:
        yield "a state without a recurrent product"
    if any(p.product or (p.accumulator and not _wraps(p.accumulator)) for p in plan.products):
        yield "casts inside the accumulation"


def _of_rows(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> Iterator[str]:
    if schedule.write_back() or schedule.on_arrival():
        yield "operations on the way into a vector buffer"
    if any(rows.computed is not None for rows in plan.rows):
        yield "a computed start of the accumulator"
    if any(state.initial is not None for state, _ in plan.graph.updates):
        yield "a first state other than zero"
    for phase in phases:
        measured = (1, False), (4, False), (3, True)
        if phase.lanes and (phase.gates, phase.snapshot) not in measured:
            yield f"{phase.gates} rows a unit{' with a snapshot' * phase.snapshot}"


def _of_operations(plan: Plan, schedule: Schedule) -> Iterator[str]:
    nodes = [value.node for value in schedule.values if isinstance(value.node, Node)]
    if any(isinstance(node, Select) for node in nodes):
        yield "a selection"
    wired = [node for node in schedule.gathered if not plan.is_stored(node)]
    if wired:
        yield "a permutation of results of the same step, taken as wiring"
    if reads_inputs_by_unit(schedule):
        yield "inputs read by the post-processor"
    trained = [n for n in nodes if plan.is_constant(n)]
    if any(not isinstance(n, Constant) or len(set(n.values)) != 1 for n in trained):
        yield "trained vectors in the post-processor"
    casts = [node.format for node in nodes if isinstance(node, Cast)]
    if any((f.rounding, f.overflow) != (Rounding.RND, Overflow.SAT) for f in casts):
        yield "casts other than half up with saturation"


def reads_inputs_by_unit(schedule: Schedule) -> bool:
    """Whether the post-processor reads elements of an input."""
    return any(isinstance(node, Input) for node in _read_by_unit(schedule))


def _wraps(format: Q) -> bool:
    return format.overflow is Overflow.WRAP


def _read_by_unit(schedule: Schedule) -> set[Node | Rows]:
    return {
        operand.node
        for reader in schedule.values
        if reader.node not in schedule.edge
        for operand in schedule.plan.operands(reader)
    }
