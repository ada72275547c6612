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
from rnnhw.graph.nodes import Input, Matvec

__all__ = ["MEASURED", "Basis", "LayerMachine", "layer_machine"]

MEASURED = "has a step latency that is given: what a schedule would make of it is not known"
"""Why a layer whose cycles the user gave stands in the way of a schedule."""


class Basis(Enum):
    """Where a layer's cycles come from.

    ``REALISED``: the layer can be emitted as Verilog (:mod:`rnnhw.rtl`), whose cycles these are.
    ``MODELLED``: the same rules, for a layer with something that is not emitted.
    """

    REALISED = "realised"
    MODELLED = "modelled"


@dataclass(frozen=True, eq=False)
class LayerMachine:
    """The hardware of one layer: lanes, memories and post-processor.

    ``inputs`` elements arrive at every step; ``once`` tells a layer that runs once a sequence,
    behind the last step or a total, from one that runs at every step. ``cycles`` is the time from
    the start on one vector to the start on the next one. ``mapping`` is the step on its lanes, None
    for a sum over time; ``counted`` has, by the position of an input that counts vectors, the
    elements of those vectors.

    Where the user assumes a number instead of a computed one
    (:mod:`rnnhw.accelerator.schedule.assumptions`), ``computed`` is the layer without the
    assumption; ``given_phases`` are the phases with it (none for a block whose cycles the user has
    ``measured``), and ``skipped`` counts the multiply-accumulates that every product saves.
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
    computed: LayerMachine | None = field(default=None, repr=False, compare=False)
    given_phases: tuple[Phase, ...] | None = field(default=None, repr=False)
    measured: bool = False
    skipped: tuple[tuple[Matvec, int], ...] = ()

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of a step; none of a sum over time."""
        if self.given_phases is not None:
            return self.given_phases
        return self.mapping.phases if self.mapping else ()

    @property
    def macs(self) -> int:
        """Useful multiply-accumulates a run."""
        spared = sum(macs for _, macs in self.skipped)
        return self.mapping.macs - spared if self.mapping else 0

    @property
    def accumulator_bits(self) -> int:
        """Bits of the widest accumulator."""
        return self.mapping.accumulator_bits if self.mapping else 0

    @property
    def bound_by(self) -> str:
        """The cause of most cycles."""
        waits: dict[str, int] = {}
        if self.measured:
            return "its step latency, as given"
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
