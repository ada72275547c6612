"""One layer of the accelerator: its mapping with the figures that a schedule may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from rnnhw.accelerator.mapping.mapped_layer import MappedLayer
from rnnhw.accelerator.mapping.memory import Memory
from rnnhw.accelerator.mapping.multipliers import Multiplier
from rnnhw.accelerator.mapping.phases import Phase
from rnnhw.accelerator.mapping.traffic import Traffic
from rnnhw.graph.nodes import Input

__all__ = ["Basis", "LayerMachine", "layer_machine"]


class Basis(Enum):
    """Where a layer's cycles come from.

    ``REALISED``: the layer can be emitted as Verilog (:mod:`rnnhw.rtl`), whose cycles these are.
    ``MODELLED``: the same rules, for a layer with something that is not emitted.
    """

    REALISED = "realised"
    MODELLED = "modelled"


@dataclass(frozen=True, eq=False)
class LayerMachine:
    """One layer: its own lanes, memories and post-processor.

    ``inputs`` elements arrive each step; ``once`` tells a layer that runs once a sequence, behind
    the last step or a total, from one that runs at every step. ``cycles`` is from taking a vector
    to taking the next one. ``mapping`` is the step on its lanes, None for a sum over time;
    ``counted`` the elements of the vectors whose number an input is, by the input's position.
    """

    name: str
    lanes: int
    units: int
    inputs: int
    once: bool
    cycles: int
    memories: tuple[Memory, ...]
    multipliers: tuple[Multiplier, ...]
    traffic: Traffic
    basis: Basis
    assumptions: tuple[str, ...]
    mapping: MappedLayer | None = field(default=None, repr=False)
    counted: Mapping[int, int] = field(default_factory=dict, compare=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of a step; none of a sum over time."""
        return self.mapping.phases if self.mapping else ()

    @property
    def macs(self) -> int:
        """Useful multiply-accumulates a run."""
        return self.mapping.macs if self.mapping else 0

    @property
    def accumulator_bits(self) -> int:
        """Bits of the widest accumulator."""
        return self.mapping.accumulator_bits if self.mapping else 0

    @property
    def bound_by(self) -> str:
        """What most of the cycles wait for."""
        waits: dict[str, int] = {}
        for phase in self.phases:
            for name, cycles in phase.bound_by.items():
                waits[name] = waits.get(name, 0) + cycles
        return max(waits, key=lambda name: waits[name]) if waits else "serial adder"


def layer_machine(name: str, mapping: MappedLayer, *, once: bool) -> LayerMachine:
    """The layer ``name`` as it is mapped, before any schedule."""
    graph = mapping.graph
    return LayerMachine(
        name=name,
        lanes=mapping.lanes,
        units=graph.output.units,
        inputs=sum(node.units for node in graph.nodes if isinstance(node, Input)),
        once=once,
        cycles=mapping.cycles,
        memories=mapping.memories,
        multipliers=mapping.multipliers,
        traffic=mapping.traffic,
        basis=Basis.MODELLED if mapping.obstacles else Basis.REALISED,
        assumptions=tuple(dict.fromkeys(each.what for each in mapping.obstacles)),
        mapping=mapping,
    )
