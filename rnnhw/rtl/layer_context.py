"""A layer while it is written: its mapping, its numbers, and its module so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rnnhw.accelerator.mapping import (
    InputWindow,
    LayerRows,
    MappedLayer,
    Phase,
    PostProcessorSchedule,
    Transform,
)
from rnnhw.graph.nodes import Input, State
from rnnhw.rtl.memory_images import Numbers
from rnnhw.rtl.netlist import FALSE, TRUE, Expression, Net, Parameter, any_of, choice
from rnnhw.rtl.verilog_text import Module

__all__ = ["LayerContext"]


@dataclass(frozen=True)
class LayerContext:
    """The context of every part of a layer's module: the mapping, its numbers, the names of
    the control's nets."""

    module: Module
    mapping: MappedLayer
    numbers: Numbers

    @property
    def windows(self) -> Mapping[int, InputWindow]:
        """The inputs that join steps, by position."""
        return self.mapping.windows

    @property
    def rows(self) -> LayerRows:
        """The rows of the layer, their columns and the order of phases."""
        return self.mapping.rows

    @property
    def schedule(self) -> PostProcessorSchedule:
        """The cycles of the element-wise operations behind the rows."""
        return self.mapping.schedule

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of a step, in order."""
        return self.mapping.phases

    @cached_property
    def inputs(self) -> list[Input]:
        """The inputs of the layer."""
        return [node for node in self.rows.graph.nodes if isinstance(node, Input)]

    @cached_property
    def lanes(self) -> int:
        """The most lanes that a phase uses; 0 without products."""
        most = max(phase.lanes for phase in self.phases)
        return max(most, *(t.width for t in self.neurons)) if self.neurons else most

    @property
    def neurons(self) -> tuple[Transform, ...]:
        """The passes in front of columns that the lanes' multipliers do."""
        return self.mapping.weighted_passes

    @cached_property
    def accumulator_width(self) -> int:
        """Bits of the accumulators of all phases."""
        widths = [
            self.rows.accumulator(number).width
            for number in range(len(self.phases))
            if self.rows.phase_rows(number)
        ]
        return max([1, *widths, *(each.node.format.signed_width for each in self.neurons)])

    # --- phases ----------------------------------------------------------------------------------
    @property
    def alone(self) -> bool:
        """Whether there is one phase, which needs no telling apart."""
        return len(self.phases) == 1

    def prefix(self, number: int) -> str:
        """The prefix of the names of a phase's nets."""
        return "" if self.alone else f"p{number}_"

    @property
    def phase_bits(self) -> int:
        """Bits of the net ``phase``."""
        return max((len(self.phases) - 1).bit_length(), 1)

    def in_phase(self, number: int) -> Expression:
        """A condition that phase ``number`` is at work."""
        return TRUE if self.alone else Net("phase", self.phase_bits).equals(number).grouped

    def by_phase(self, values: Sequence[Expression]) -> Expression:
        """The value of the phase at work."""
        *others, last = values
        if len(set(values)) == 1:
            return last
        return choice(*((self.in_phase(n), v) for n, v in enumerate(others)), otherwise=last)

    # --- columns and rows ------------------------------------------------------------------------
    @property
    def column_bits(self) -> int:
        """Bits of the net ``column``."""
        return max(phase.group_interval for phase in self.phases).bit_length()

    @property
    def row_bits(self) -> int:
        """Bits of a number of rows on the lanes, up to all of them."""
        return max(self.lanes, 1).bit_length()

    @property
    def gate_bits(self) -> int:
        """Bits of the number of a row among those of its unit."""
        gates = max(1, *(phase.gates for phase in self.phases))
        return max((gates - 1).bit_length(), 1)

    def column_marks(self, columns: Sequence[int | None]) -> Expression:
        """A condition that the column at work is the marked one of its phase."""
        at, marks = Net("column", self.column_bits), []
        for number, column in enumerate(columns):
            if column is not None:
                here = at.equals(column)
                marks.append((here if self.alone else self.in_phase(number) & here).grouped)
        return Net("run") & any_of(*marks).grouped if marks else FALSE

    # --- images ----------------------------------------------------------------------------------
    def first_values(self, state: State) -> str:
        """The image of a state's first value other than zero."""
        values = self.numbers.first_values(state)
        name = f"{state.vector_name}_initial"
        return self.module.image(name, values, state.format.width)

    def first_words(self, state: State, elements: int, width: int) -> dict[str, Parameter]:
        """The parameters of a memory of words of ``elements`` elements for a state's first
        value."""
        if state.initial is None:
            return {"FIRST_VALUE": 1}
        values, mask = self.numbers.first_values(state), (1 << width) - 1
        words = [
            sum((value & mask) << (k * width) for k, value in enumerate(values[at : at + elements]))
            for at in range(0, len(values), elements)
        ]
        name = f"{state.vector_name}_initial_by{elements}x{width}"
        return {"FIRST_VALUE": 2, "FILE": self.module.image(name, words, elements * width)}
