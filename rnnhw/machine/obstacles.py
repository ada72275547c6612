"""What of a layer has no Verilog: its cycles are modelled by the rules of what has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rnnhw.dataflow import Input, Matvec, Node, State, unwired
from rnnhw.machine.chains import obstacles_of_chains
from rnnhw.machine.feeds import Feed
from rnnhw.machine.phases import Phase
from rnnhw.machine.plan import Plan, Rows
from rnnhw.machine.schedule import Schedule
from rnnhw.numerics import Overflow

__all__ = ["obstacles"]


def obstacles(
    plan: Plan, schedule: Schedule, phases: Sequence[Phase], windows: Mapping[int, int]
) -> list[tuple[str, str]]:
    """Where in a layer is what :mod:`rnnhw.rtl` does not emit, each thing once; (signal or layer,
    what). ``windows`` are the steps that an input joins, by its position."""
    found = [
        *_of_columns(plan, phases),
        *obstacles_of_chains(plan),
        *_of_rows(plan, phases),
        *_of_states(plan, schedule),
        *_of_operations(plan, schedule),
        *_of_results(plan),
        *_of_windows(plan, schedule, phases, windows),
    ]
    return list(dict.fromkeys(found))


def _of_columns(plan: Plan, phases: Sequence[Phase]) -> Iterator[tuple[str, str]]:
    layer = plan.graph.layer
    for phase in phases:
        for segment in phase.segments:
            stored = isinstance(segment.vector, Input | State) or plan.needs_pass(segment.vector)
            stored = stored or plan.in_feed(segment.vector)
            if segment.feed in (Feed.DIAGONALS, Feed.SELECTION):
                yield layer, f"a feed by {segment.feed.value}{segment.note and f': {segment.note}'}"
            elif segment.feed is Feed.BROADCAST and segment.note:
                yield layer, segment.note
            if not stored:
                yield layer, f"the permuted or joined vector {segment.vector.name!r}"
        if phase.by_block:
            yield layer, "rows block by block, each result with an address of its own"


def _of_rows(plan: Plan, phases: Sequence[Phase]) -> Iterator[tuple[str, str]]:
    layer = plan.graph.layer
    for number, phase in enumerate(phases):
        if plan.phase_rows(number) and phase.rows != plan.widths[number] * phase.gates:
            yield layer, "rows of unequal length in one phase"
    for product in (*plan.products, *plan.transforms):
        yield from _of_product(plan, product)
    for row in plan.rows:
        accumulates = any(product.accumulator is not None for product in row.products)
        if row.snapshot and accumulates:
            yield layer, "a sum used in parts, in an accumulator of its own word"


def _of_product(plan: Plan, product: Matvec) -> Iterator[tuple[str, str]]:
    where = plan.graph.signal(product)
    if product.product_cast_changes:
        yield where, "a cast of every product"
    accumulator = product.accumulator
    if accumulator is None:
        return
    if accumulator.overflow is not Overflow.WRAP:
        yield where, f"an accumulator that does not wrap ({accumulator})"
    if not accumulator.signed and not plan.is_transform(product):
        yield where, f"an unsigned accumulator of rows ({accumulator})"
    if accumulator.fraction < product.product_format[0]:
        yield where, f"an accumulator that drops bits of the products ({accumulator})"


def _of_states(plan: Plan, schedule: Schedule) -> Iterator[tuple[str, str]]:
    for state, new in plan.graph.updates:
        late = [
            reader.node.phase if isinstance(reader.node, Rows) else plan.phase(reader.node)
            for reader in schedule.values
            for value in plan.operands(reader)
            if value.node is state
        ]
        if late and max(late) > plan.phase(new):
            yield plan.graph.signal(state), "a state that is read after its next value is written"


def _of_operations(plan: Plan, schedule: Schedule) -> Iterator[tuple[str, str]]:
    for gather in schedule.gathered:
        if not plan.is_constant(gather):
            yield plan.graph.signal(gather), "a permutation within a step"
    for reader in schedule.values:
        operands = plan.operands(reader)
        if isinstance(reader.node, Rows):
            wanted = 2 if len(operands) == 2 else min(len(operands), 1)
        else:
            wanted = len(reader.node.operands) if operands else 0
        if len(operands) != wanted:
            yield _name(plan, reader.node), "a part of a longer result of an earlier phase"
        for value in operands:
            stored = isinstance(value.node, Input | State)
            if value.gate and (
                stored or (isinstance(value.node, Node) and plan.in_feed(value.node))
            ):
                yield _name(plan, value.node), "a vector longer than those that it is used with"


def _name(plan: Plan, node: Node | Rows) -> str:
    return plan.graph.signal(node.products[-1] if isinstance(node, Rows) else node)


def _of_results(plan: Plan) -> Iterator[tuple[str, str]]:
    for node in (*plan.results, *plan.passed):
        if node.units != plan.widths[plan.phase(node)] or len(list(plan.values(node))) != 1:
            yield plan.graph.signal(node), "results of several gates at once"


def _of_windows(
    plan: Plan, schedule: Schedule, phases: Sequence[Phase], windows: Mapping[int, int]
) -> Iterator[tuple[str, str]]:
    layer = plan.graph.layer
    paired = [s for phase in phases for s in phase.segments if s.feed is Feed.PAIRS]
    words = [(segment.vector, segment.word) for segment in paired]
    words += [(unwired(t.node.vector), t.width) for phase in phases for t in phase.transforms]
    for vector, word in words:
        steps = windows.get(vector.position, 0) if isinstance(vector, Input) else 0
        # A word would hold elements of several steps, each with an address of its own.
        if steps and vector.units // steps % word:
            yield layer, f"words of {word} elements out of a window of shorter steps"
    if any(node.position in windows for node in schedule.inputs_by_unit):
        yield layer, "a window over time that is read by unit"
