"""One layer on a number of lanes: cycles, memories, traffic and Verilog follow from its mapping.

:func:`map_layer` maps a layer once for a number of lanes, and all modules read that value. A
:class:`StepMapping` holds what does not depend on the number of lanes, once for a layer. Both
compute a fact when it is first asked for, and keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rnnhw.accelerator.mapping.emittability import Obstacle, obstacles
from rnnhw.accelerator.mapping.input_window import InputWindow
from rnnhw.accelerator.mapping.layer_memories import memories_of
from rnnhw.accelerator.mapping.memory import Memory
from rnnhw.accelerator.mapping.multiplier_widths import (
    operand_bits,
    segment_shift,
    stage_bias_bits,
    stage_weight_bits,
    weight_bits,
)
from rnnhw.accelerator.mapping.multipliers import Multiplier, multipliers_of
from rnnhw.accelerator.mapping.phases import Phase, Transform, phases_of
from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule
from rnnhw.accelerator.mapping.roms import bias_word, common_start
from rnnhw.accelerator.mapping.rows import LayerRows, Value
from rnnhw.accelerator.mapping.traffic import Traffic, traffic_of
from rnnhw.accelerator.mapping.transform_chains import Chain, chains_of
from rnnhw.accelerator.mapping.unit_reads import crossing, joined_by_unit, read_late
from rnnhw.accelerator.mapping.vector_feed import lanes_fit, products_of
from rnnhw.graph.nodes import Gather, Matvec, State, StepGraph

__all__ = ["MappedLayer", "StepMapping", "legal_lanes", "map_layer"]


@dataclass(frozen=True, eq=False)
class StepMapping:
    """The part of a layer's mapping that does not depend on the number of lanes.

    ``graph`` is the step as the network has it, ``windows`` are the inputs that join steps, by
    position.
    """

    graph: StepGraph
    windows: Mapping[int, InputWindow] = field(default_factory=dict)

    @cached_property
    def rows(self) -> LayerRows:
        """The rows, their columns and the order of phases."""
        return LayerRows(self.graph)

    @cached_property
    def schedule(self) -> PostProcessorSchedule:
        """The cycles of the element-wise operations behind the rows."""
        return PostProcessorSchedule(self.rows)

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """The chains of transforms in front of the columns."""
        return tuple(chains_of(self.rows))

    @cached_property
    def weighted_transforms(self) -> tuple[Matvec, ...]:
        """The transforms that use the lanes' multipliers."""
        return tuple(node for node in self.rows.transforms if node.weights is not None)

    @cached_property
    def legal_lanes(self) -> Sequence[int]:
        """The numbers of lanes that the layer can have (:func:`legal_lanes`).

        Raises:
            DesignError: a structure has no feed.
        """
        rows = self.rows
        most = max((node.vector.units // 2 for node in self.weighted_transforms), default=0)
        for phase in range(rows.last_phase + 1):
            most = max(most, sum(group.units for group in rows.phase_rows(phase)))
        fits = [lanes_fit(rows, p, most) for p in range(rows.last_phase + 1) if rows.phase_rows(p)]
        legal = [lanes for lanes in range(1, most + 1) if all(fit[lanes - 1] for fit in fits)]
        step = legal[0] if legal else 1
        evenly = range(step, most + 1, step)
        return evenly if legal == list(evenly) else tuple(legal)

    @cached_property
    def macs(self) -> int:
        """Useful multiply-accumulates of a step."""
        products = (*self.rows.products, *self.weighted_transforms)
        return sum(p.structure.multiplies(p.units, p.vector.units) for p in products)

    @cached_property
    def accumulator_bits(self) -> int:
        """Bits of the widest accumulator; 0 without products."""
        rows = self.rows
        phases = [phase for phase in range(rows.last_phase + 1) if rows.phase_rows(phase)]
        words = [rows.accumulator(phase) for phase in phases]
        words += [product.format for product in self.weighted_transforms]
        return max((word.width for word in words), default=0)


@dataclass(frozen=True)
class MappedLayer:
    """A layer on ``lanes`` lanes in ``phases``; 0 lanes where nothing is multiplied."""

    step: StepMapping = field(compare=False, repr=False)
    lanes: int
    phases: tuple[Phase, ...]

    # --- what does not depend on the lanes -------------------------------------------------------
    @property
    def graph(self) -> StepGraph:
        """The step as the network has it; :attr:`LayerRows.graph` is what the lanes compute."""
        return self.step.graph

    @property
    def windows(self) -> Mapping[int, InputWindow]:
        """The inputs that join steps, by position."""
        return self.step.windows

    @property
    def rows(self) -> LayerRows:
        """The rows, their columns and the order of phases."""
        return self.step.rows

    @property
    def schedule(self) -> PostProcessorSchedule:
        """The cycles of the element-wise operations behind the rows."""
        return self.step.schedule

    @property
    def chains(self) -> tuple[Chain, ...]:
        """The chains of transforms in front of the columns."""
        return self.step.chains

    @property
    def macs(self) -> int:
        """Useful multiply-accumulates of a step."""
        return self.step.macs

    @property
    def accumulator_bits(self) -> int:
        """Bits of the widest accumulator; 0 without products."""
        return self.step.accumulator_bits

    # --- figures ---------------------------------------------------------------------------------
    @property
    def cycles(self) -> int:
        """Cycles of a step."""
        return sum(phase.cycles for phase in self.phases)

    @cached_property
    def memories(self) -> tuple[Memory, ...]:
        """Every memory; that of an input which joins steps is sized as if it held one vector."""
        return memories_of(self.rows, self.schedule, self.phases)

    @cached_property
    def multipliers(self) -> tuple[Multiplier, ...]:
        """The multipliers of the lanes, and those of the post-processors."""
        return multipliers_of(self.rows, self.schedule, self.phases, self.lanes)

    @property
    def shifters(self) -> Mapping[tuple[int, int], int]:
        """The number of shifters by the bits of what they shift and the longest shift."""
        return self.schedule.shifter_widths()

    @cached_property
    def traffic(self) -> Traffic:
        """Accesses of the memories in a step."""
        return traffic_of(self.memories)

    @cached_property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """The obstacles to emitting the layer; none where it can be emitted."""
        return tuple(obstacles(self.rows, self.schedule, self.phases, self.windows))

    # --- the lanes' operands ---------------------------------------------------------------------
    def products(self, phase: int) -> tuple[tuple[Matvec, ...], ...]:
        """The products whose terms each segment of a phase holds."""
        return products_of(self.rows, phase, self.lanes)

    def segment_shift(self, phase: int, segment: int) -> int:
        """By how many bits the operands of a segment move to meet the accumulators."""
        return segment_shift(self.rows, self.phases, self.lanes, phase, segment)

    @cached_property
    def operand_bits(self) -> int:
        """Bits of the widest operand of the columns, moved to meet the accumulators; 0 without
        columns."""
        return operand_bits(self.rows, self.phases, self.lanes)

    @cached_property
    def weight_bits(self) -> int:
        """Bits of the widest weight of the columns, signed; 0 without columns."""
        return weight_bits(self.rows, self.phases, self.lanes)

    @cached_property
    def weighted_passes(self) -> tuple[Transform, ...]:
        """The passes in front of columns that the lanes' multipliers do."""
        return tuple(t for phase in self.phases for t in phase.transforms if t.weighted)

    @property
    def stage_weight_bits(self) -> int:
        """Bits of the widest weight of these passes, signed; 0 without any."""
        return stage_weight_bits(self.weighted_passes)

    @property
    def stage_bias_bits(self) -> int:
        """Bits of the widest number that such a pass starts from; 0 where all start from zero."""
        return stage_bias_bits(self.weighted_passes)

    # --- biases ----------------------------------------------------------------------------------
    def bias_word(self, *, early: bool) -> tuple[int, int]:
        """Bits of the biases' words, of the snapshot's if ``early``, and the zeros below them."""
        return bias_word(self.rows, self.schedule, early=early)

    @property
    def common_start(self) -> int | None:
        """The power of two that every row starts from, which needs no memory; None where rows
        differ."""
        return common_start(self.rows, self.schedule)

    # --- reads of the post-processors ------------------------------------------------------------
    @property
    def reads_inputs_by_unit(self) -> bool:
        """Whether a post-processor reads elements of an input."""
        return bool(self.schedule.inputs_by_unit)

    @cached_property
    def joined_by_unit(self) -> tuple[Gather, ...]:
        """The permuted or joined vectors that a post-processor reads out of memory."""
        return tuple(joined_by_unit(self.schedule))

    @cached_property
    def read_late(self) -> frozenset[State]:
        """The states that an operation reads in a later phase than that of their next values."""
        return read_late(self.schedule)

    @cached_property
    def crossing(self) -> tuple[Value, ...]:
        """Results of one phase that a later phase reads unit by unit, in the order of the units."""
        return tuple(crossing(self.schedule))


def map_layer(step: StepMapping, lanes: int) -> MappedLayer:
    """The layer on ``lanes`` lanes, one of :attr:`StepMapping.legal_lanes` or 0 without products.

    Raises:
        DesignError: a structure has no feed.
    """
    return MappedLayer(step, lanes, phases_of(step.rows, step.schedule, lanes))


def legal_lanes(graph: StepGraph) -> Sequence[int]:
    """The numbers of lanes that a layer can have, ascending; empty where it has no products.

    At most one lane a row. Where something moves past the lanes unit by unit (the vector of a
    band, the weights of a Toeplitz matrix, the pairs of a butterfly stage), they must hold all
    rows of a unit; blocks need that or rows of one block alone.
    """
    return StepMapping(graph).legal_lanes
