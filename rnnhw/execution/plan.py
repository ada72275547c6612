"""A compiled network as data: what :mod:`rnnhw.execution.compiler` writes and the engine runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnhw.execution.products import RowsPlan
from rnnhw.execution.quads import ByteProducts
from rnnhw.graph.network import Network, Reverse, Scan, TimeNode
from rnnhw.graph.nodes import Node, State, StepGraph

__all__ = ["LaneConstants", "NetworkPlan", "ScanPlan", "SequencePlan", "SlotPlan", "StatePlan"]


@dataclass(frozen=True)
class SlotPlan:
    """A vector's place: ``offset`` in the arena, or an outside buffer (``outside``). A ``view`` is
    a part of another one's place."""

    offset: int
    step_bytes: int
    tile_bytes: int
    outside: tuple[str, str] | None = None
    view: bool = False


@dataclass(frozen=True, eq=False)
class StatePlan:
    """The slots of a state before and after the step, and its raw value before the first."""

    name: str
    node: State
    before: int
    after: int
    bits: int
    initial: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LaneConstants:
    """Constants of an instruction by lane (``rnnhw_by_lane`` in ``ext/program.h``): the modes of
    its cast, whether lanes have tables of their own, and [kinds, 16 lanes]."""

    rounding: int
    fit: int
    tables: bool
    constants: NDArray[np.int64]


@dataclass(eq=False)
class ScanPlan:
    """The program of one layer (``rnnhw_scan`` in ``ext/program.h``)."""

    graph: StepGraph
    lanes: int
    tile_units: int
    instructions: NDArray[np.void]
    phases: NDArray[np.int64]
    prologue: int
    """Phases, in front of the others, that run before the first step only."""
    symbol_phases: int
    """Phases behind those that run once a symbol (:func:`rnnhw.execution.compiler.plan_steps`)."""
    symbol_slots: NDArray[np.int64]
    """The slots that move on by a step from one symbol to the next."""
    slots: list[SlotPlan]
    swaps: NDArray[np.int64]
    packed_inputs: NDArray[np.int64]
    """Inputs to pack before the steps of a chunk (``rnnhw_packed_input`` in ``ext/program.h``)."""
    states: list[StatePlan]
    casts: NDArray[np.int64]
    matrices: list[RowsPlan]
    data: list[NDArray[np.signedinteger]]
    constants: list[tuple[int, NDArray[np.signedinteger]]]
    arena_bytes: int
    event_names: list[str]
    measured: dict[Node, int]
    """The instruction whose work counts as the node's."""
    output_store: int
    """The instruction that stores the output of every step."""
    by_lane: Sequence[LaneConstants] = ()
    """The constants of instructions whose lanes have their own."""


@dataclass(frozen=True, eq=False)
class SequencePlan:
    """A time operation, the bits of a stored element of its vectors, and how many steps before the
    present ones its readers need.

    ``operation`` is its number in ``ext/program.h``; the network's input has none.
    """

    node: TimeNode
    bits: int
    operation: int | None
    kept: int


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """Programs and sequences of a network, in the order in which they run."""

    network: Network
    lanes: int
    sequences: list[SequencePlan]
    scans: dict[Scan, ScanPlan]
    traces: dict[str, int]
    """The signals that are recorded, and the bits in which their elements are stored."""
    byte_products: ByteProducts
    """What an instruction set must be able to do at least."""
    idle: dict[Any, list[Any]] = field(init=False, default_factory=dict, repr=False)
    """Programs of the extension that are bound to the plan and run nothing, for the next run: by
    their class, the instruction set, the steps that they have room for, and the lane blocks."""

    @property
    def step_bytes(self) -> int:
        """The bytes that a step of one lane takes in all sequences, traces and packed inputs."""
        sequences = sum(each.node.units * each.bits for each in self.sequences)
        traces = sum(self.network.signal(name).units * bits for name, bits in self.traces.items())
        packed = sum(
            scan.slots[int(slot)].step_bytes
            for scan in self.scans.values()
            for slot in scan.packed_inputs[:, 0]
        )
        return (sequences + traces) // 8 + packed // self.lanes

    @property
    def needs_whole_sequences(self) -> bool:
        """Whether a node needs the last step of a sequence for its first."""
        return any(isinstance(each.node, Reverse) for each in self.sequences)
