"""What a layer may hold that has no hardware here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnnhw.dataflow import Input, Matvec, Node, State
from rnnhw.errors import DesignError
from rnnhw.machine.feeds import Feed
from rnnhw.machine.phases import Phase
from rnnhw.machine.plan import Plan
from rnnhw.machine.schedule import Schedule
from rnnhw.numerics import Overflow

__all__ = ["refuse"]


def refuse(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> None:
    """Name the first thing of a layer that has no hardware here.

    Raises:
        DesignError: there is one.
    """
    for what, where in _obstacles(plan, schedule, phases):
        raise DesignError(
            f"{where}: {what} cannot be emitted as Verilog",
            "rnnhw report still gives its modelled cycles and storage",
        )


def _obstacles(
    plan: Plan, schedule: Schedule, phases: Sequence[Phase]
) -> Iterator[tuple[str, str]]:
    layer = plan.graph.layer
    if schedule.write_back() or schedule.on_arrival():
        yield "an operation between a vector and the product that reads it", layer
    for phase in phases:
        for segment in phase.segments:
            stored = isinstance(segment.vector, Input | State) or plan.needs_pass(segment.vector)
            if segment.feed not in (Feed.BROADCAST, Feed.WINDOW, Feed.CYCLIC, Feed.BLOCK):
                yield f"a feed by {segment.feed.value}", layer
            if not stored:
                yield f"the permuted or joined vector {segment.vector.name!r}", layer
        if phase.transforms:
            yield "a transform in front of the columns", layer
        if phase.by_block:
            yield "rows in the order of interleaved blocks", layer
    for number, phase in enumerate(phases):
        rows = plan.phase_rows(number)
        if rows and phase.rows != plan.widths[number] * phase.gates:
            yield "rows of unequal length in one phase", layer
    for product in plan.products:
        yield from _of_product(plan, product)
    for row in plan.rows:
        accumulates = any(product.accumulator is not None for product in row.products)
        if row.snapshot and accumulates:
            yield "a sum used in parts, in an accumulator of its own word", layer
        if len(row.constants) + len(row.early_constants) > 2:
            yield "more than two biases of a row", layer
    for state, new in plan.graph.updates:
        late = [
            plan.phase(reader.node)
            for reader in schedule.values
            if isinstance(reader.node, Node)
            for value in plan.operands(reader)
            if value.node is state
        ]
        if late and max(late) > plan.phase(new):
            yield f"the state {state.name!r}, read after its next value is written", layer


def _of_product(plan: Plan, product: Matvec) -> Iterator[tuple[str, str]]:
    where = plan.graph.signal(product)
    if product.product_cast_changes:
        yield "a cast of every product", where
    accumulator = product.accumulator
    if accumulator is None:
        return
    if accumulator.overflow is not Overflow.WRAP:
        yield f"an accumulator that does not wrap ({accumulator})", where
    if accumulator.fraction < product.product_format[0]:
        yield f"an accumulator that drops bits of the products ({accumulator})", where
