"""A user's constants in place of the model's: columns that are zero, and blocks that were measured.

A delta network (Neil et al. 2017, "Delta networks for optimized recurrent network computation")
multiplies what has changed: a column of zero is skipped by all rows at once. ``activity`` is the
share of columns that are left. It shortens the columns of dense products, whose element is the same
on all lanes, with their multiply-accumulates and weight words; everything else stays. What does the
skipping is not part of the machine, nor of what is emitted.

``step_latency`` are the cycles of a step of a layer that the user has measured: they replace all
that the model says of its cycles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from rnnhw.accelerator.mapping.layer import Basis, LayerMachine
from rnnhw.accelerator.mapping.mapped_layer import MappedLayer
from rnnhw.accelerator.mapping.memory import MemoryRole
from rnnhw.accelerator.mapping.traffic import traffic_of
from rnnhw.accelerator.mapping.vector_feed import Feed, Segment
from rnnhw.accelerator.schedule.legality import Stack, by_layer
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError
from rnnhw.graph.nodes import Matvec
from rnnhw.layers.structures import Dense

__all__ = ["with_assumptions"]


def with_assumptions(stack: Stack, arrangement: Arrangement) -> Stack:
    """The layers with what the arrangement's ``activity`` and ``step_latency`` say of them.

    Raises:
        DesignError: a layer is unknown, or its constant says nothing of it.
    """
    if not arrangement.assumes:
        return stack
    names = {layer.name: index for index, layer in enumerate(stack.layers)}
    layers = list(stack.layers)
    for index, share in _activities(stack, names, arrangement.activity).items():
        layers[index] = _active(layers[index], share)
    for index, cycles in by_layer(names, arrangement.step_latency, "step_latency").items():
        layers[index] = _measured(layers[index], cycles)
    return replace(stack, layers=tuple(layers))


def _activities(
    stack: Stack, names: Mapping[str, int], given: float | Mapping[str, float]
) -> dict[int, float]:
    able = [index for index, layer in enumerate(stack.layers) if _skipping(layer)]
    if not isinstance(given, Mapping):
        if given != 1 and not able:
            raise DesignError(
                f"activity={given:g}: no layer has a dense product whose columns all its rows "
                "could skip",
                "leave it out",
            )
        return {} if given == 1 else dict.fromkeys(able, given)
    activities = by_layer(names, given, "activity")
    for index in activities:
        if index not in able:
            some = ", ".join(stack.layers[k].name for k in able) or "none"
            raise DesignError(
                f"activity: layer {stack.layers[index].name} has no dense product whose columns "
                "all its rows could skip",
                f"layers that have: {some}",
            )
    return activities


# --- activity ------------------------------------------------------------------------------------
def _skips(mapping: MappedLayer, phase: int, segment: int) -> bool:
    """Whether all rows could skip a column of a segment of a phase together."""
    feed = mapping.phases[phase].segments[segment].feed
    products = mapping.products(phase)[segment]
    return feed is Feed.BROADCAST and all(isinstance(p.structure, Dense) for p in products)


def _skipping(layer: LayerMachine) -> list[tuple[int, int]]:
    """The phase and the place of every segment of which columns can be skipped."""
    mapping = layer.mapping
    if mapping is None:
        return []
    return [
        (number, place)
        for number, phase in enumerate(mapping.phases)
        for place in range(len(phase.segments))
        if phase.lanes and _skips(mapping, number, place)
    ]


def _active(layer: LayerMachine, share: float) -> LayerMachine:
    """The layer where ``share`` of the columns are not zero, on the average."""
    mapping = layer.mapping
    assert mapping is not None
    places = _skipping(layer)

    def left(segment: Segment, *place: int) -> Segment:
        if place not in places:
            return segment
        return replace(segment, columns=math.ceil(segment.columns * share))

    phases = tuple(
        replace(
            phase,
            segments=tuple(left(each, number, at) for at, each in enumerate(phase.segments)),
        )
        for number, phase in enumerate(mapping.phases)
    )
    skipped: dict[Matvec, int] = {}
    for number, place in places:
        for product in mapping.products(number)[place]:
            macs = product.structure.multiplies(product.units, product.vector.units)
            skipped[product] = macs - math.ceil(macs * share)
    words = sum(phase.groups * phase.weight_columns for phase in phases if phase.lanes)
    memories = tuple(
        replace(memory, reads=words) if memory.role is MemoryRole.WEIGHTS else memory
        for memory in layer.memories
    )
    told = (
        f"activity {share:g}, assumed by the design: on the average so much of the columns of "
        "dense products is not zero, and the others are skipped. The emitted Verilog skips none; "
        "what skips them is not in the resources"
    )
    return replace(
        _assumed(layer, told),
        cycles=sum(phase.cycles for phase in phases),
        memories=memories,
        traffic=traffic_of(memories, arriving=not layer.once),
        given_phases=phases,
        skipped=tuple(skipped.items()),
    )


# --- step latency --------------------------------------------------------------------------------
def _measured(layer: LayerMachine, cycles: int) -> LayerMachine:
    """The layer as a block of which a step takes so many ``cycles``."""
    if layer.mapping is None:
        raise DesignError(
            f"step_latency: layer {layer.name} is a sum over time, which takes elements at once",
            "leave it out",
        )
    told = (
        f"a step takes {cycles:,} cycles, as the design says: neither computed nor measured here; "
        "one step follows the other"
    )
    return replace(_assumed(layer, told), cycles=cycles, given_phases=(), measured=True)


def _assumed(layer: LayerMachine, told: str) -> LayerMachine:
    return replace(
        layer,
        basis=Basis.MODELLED,
        assumptions=(*layer.assumptions, told),
        computed=layer.computed or layer,
    )
