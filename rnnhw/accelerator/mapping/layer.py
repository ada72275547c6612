"""One layer on the accelerator: phases, cycles, memories, multipliers and port traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from rnnhw.accelerator.mapping.emittability import obstacles
from rnnhw.accelerator.mapping.layer_memories import memories_of
from rnnhw.accelerator.mapping.memory import Memory
from rnnhw.accelerator.mapping.multiplier_widths import operand_bits, weight_bits
from rnnhw.accelerator.mapping.phases import Phase, phases_of
from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.roms import operand_format, weight_format
from rnnhw.accelerator.mapping.rows import LayerRows
from rnnhw.accelerator.mapping.traffic import Traffic, traffic_of
from rnnhw.accelerator.mapping.vector_feed import lanes_fit
from rnnhw.errors import DesignError
from rnnhw.graph.nodes import Input, Matvec, Multiply, StepGraph, unwired
from rnnhw.numerics.cast import Q

__all__ = [
    "Basis",
    "LayerMachine",
    "LayerVariants",
    "Multiplier",
    "layer_machine",
    "legal_lanes",
]


class Basis(Enum):
    """Where a layer's cycles come from.

    ``REALISED``: the layer can be emitted as Verilog (:mod:`rnnhw.rtl`), whose cycles these are.
    ``MODELLED``: the same rules, for a layer with something that is not emitted.
    """

    REALISED = "realised"
    MODELLED = "modelled"


@dataclass(frozen=True)
class Multiplier:
    """``count`` multipliers of operands of the words ``a`` and ``b``, signed as the hardware's."""

    count: int
    a: Q
    b: Q


@dataclass(frozen=True)
class LayerMachine:
    """One layer: its own lanes, memories and post-processor.

    ``inputs`` elements arrive each step; ``once`` tells a layer that runs once a sequence, behind
    the last step or a total, from one that runs at every step. ``macs`` are useful
    multiply-accumulates a run. ``cycles`` is from taking a vector to taking the next one.
    ``accumulator_bits`` is the widest accumulator, ``reads_inputs_by_unit`` tells that the
    post-processor reads elements of the input. ``graph`` is the step, None for a sum over time;
    ``windows`` are the steps that an input joins, by its position; ``counted`` the elements of the
    vectors whose number an input is.
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
    reads_inputs_by_unit: bool = False
    graph: StepGraph | None = field(default=None, repr=False, compare=False)
    windows: Mapping[int, int] = field(default_factory=dict, compare=False)
    counted: Mapping[int, int] = field(default_factory=dict, compare=False)

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


def legal_lanes(graph: StepGraph) -> Sequence[int]:
    """The numbers of lanes that a layer can have, ascending; empty where it has no products.

    At most one lane a row. Where something moves past the lanes unit by unit (the vector of a
    band, the weights of a Toeplitz matrix, the pairs of a butterfly stage), they must hold all
    rows of a unit; blocks need that or rows of one block alone.
    """
    return _legal_lanes(LayerRows(graph))


def _legal_lanes(plan: LayerRows) -> Sequence[int]:
    most = max((transform.vector.units // 2 for transform in _weighted(plan)), default=0)
    for phase in range(plan.last_phase + 1):
        most = max(most, sum(rows.units for rows in plan.phase_rows(phase)))
    fits = [lanes_fit(plan, p, most) for p in range(plan.last_phase + 1) if plan.phase_rows(p)]
    legal = [lanes for lanes in range(1, most + 1) if all(fit[lanes - 1] for fit in fits)]
    step = legal[0] if legal else 1
    evenly = range(step, most + 1, step)
    return evenly if legal == list(evenly) else tuple(legal)


def _weighted(plan: LayerRows) -> list[Matvec]:
    """The transforms that use the lanes' multipliers."""
    return [node for node in plan.transforms if node.weights is not None]


def _choose_lanes(name: str, legal: Sequence[int], lanes: int, exact: bool) -> int:
    if not legal:
        return 0
    chosen = lanes if exact else min(lanes, legal[-1])
    if chosen in legal:
        return chosen
    if not 1 <= chosen <= legal[-1]:
        reason = f"it has {legal[-1]} rows"
    elif isinstance(legal, range):
        reason = f"its columns need all {legal.step} rows of a unit on the lanes together"
    else:
        reason = "its columns need all rows of a unit on the lanes together, or rows of one block"
    if isinstance(legal, range):
        every = f"multiples of {legal.step} from" if legal.step > 1 else "from"
        every = f"{every} {legal[0]} to {legal[-1]}"
    else:
        every = ", ".join(map(str, legal[:12])) + (" ..." if len(legal) > 12 else "")
    raise DesignError(
        f"layer {name}: {chosen} lanes are not possible: {reason}",
        f"use {every}, for this layer alone with lanes={{{name!r}: {legal[0]}}}",
    )


# --- figures -----------------------------------------------------------------------------------
def _multipliers(
    plan: LayerRows, schedule: PostProcessorSchedule, phases: Sequence[Phase], lanes: int
) -> list[Multiplier]:
    found = []
    used = max((phase.lanes for phase in phases), default=0)
    used = max([used, *(t.width for phase in phases for t in phase.transforms if t.weighted)])
    if used:
        weights, operands = (
            max(bits(plan, phases, lanes), 0 if format is None else format.signed_width)
            for bits, format in (
                (weight_bits, weight_format(plan)),
                (operand_bits, operand_format(phases)),
            )
        )
        if weights and operands:
            found.append(Multiplier(used, Q(weights - 1, 0), Q(operands - 1, 0)))
    for node in schedule.multiplications():
        assert isinstance(node, Multiply)
        a, b = (Q(unwired(x).format.signed_width - 1, 0) for x in (node.a, node.b))
        found.append(Multiplier(1, a, b))
    return found


def _macs(plan: LayerRows) -> int:
    products = (*plan.products, *_weighted(plan))
    return sum(p.structure.multiplies(p.units, p.vector.units) for p in products)


def _accumulator_bits(plan: LayerRows) -> int:
    words = [plan.accumulator(phase) for phase in range(plan.last_phase + 1)]
    words = [word for phase, word in enumerate(words) if plan.phase_rows(phase)]
    words += [product.format for product in _weighted(plan)]
    return max((word.width for word in words), default=0)


def layer_machine(
    name: str,
    graph: StepGraph,
    lanes: int,
    *,
    exact: bool,
    once: bool,
    windows: Mapping[int, int] | None = None,
) -> LayerMachine:
    """A step graph on ``lanes`` lanes, fewer if it has fewer rows unless ``exact``. ``windows`` are
    the positions of the inputs that join steps.

    Raises:
        DesignError: the layer cannot have this number of lanes, or its structure has no feed.
    """
    variants = LayerVariants(name, graph, once=once, windows=windows)
    return variants.machine(_choose_lanes(name, variants.lanes, lanes, exact))


class LayerVariants:
    """A step graph on each number of lanes that it can have; what they share is found once.

    ``lanes`` are those numbers, ascending; empty for a layer without products, which is built
    with 0.
    """

    def __init__(
        self, name: str, graph: StepGraph, *, once: bool, windows: Mapping[int, int] | None = None
    ) -> None:
        self.name = name
        self.once = once
        self._windows = windows or {}
        self._graph = graph
        self._plan = LayerRows(graph)
        self._schedule = PostProcessorSchedule(self._plan)
        self.lanes = _legal_lanes(self._plan)

    def outline(self, lanes: int) -> tuple[int, tuple[Multiplier, ...]]:
        """The layer's cycles and multipliers, without the work of building the rest."""
        phases = self.phases(lanes)
        multipliers = _multipliers(self._plan, self._schedule, phases, lanes)
        return sum(phase.cycles for phase in phases), tuple(multipliers)

    def phases(self, lanes: int) -> tuple[Phase, ...]:
        """The layer's phases alone."""
        return phases_of(self._plan, self._schedule, lanes)

    def machine(self, lanes: int) -> LayerMachine:
        """The whole layer."""
        plan, schedule, phases = self._plan, self._schedule, self.phases(lanes)
        memories = memories_of(plan, schedule, phases)
        modelled = obstacles(plan, schedule, phases, self._windows)
        return LayerMachine(
            name=self.name,
            lanes=lanes,
            units=self._graph.output.units,
            inputs=sum(node.units for node in self._graph.nodes if isinstance(node, Input)),
            once=self.once,
            cycles=sum(phase.cycles for phase in phases),
            macs=_macs(plan),
            accumulator_bits=_accumulator_bits(plan),
            phases=phases,
            memories=memories,
            multipliers=tuple(_multipliers(plan, schedule, phases, lanes)),
            traffic=traffic_of(plan, schedule, phases, memories),
            basis=Basis.MODELLED if modelled else Basis.REALISED,
            assumptions=tuple(dict.fromkeys(what for _, what in modelled)),
            reads_inputs_by_unit=bool(schedule.inputs_by_unit),
            graph=self._graph,
        )
