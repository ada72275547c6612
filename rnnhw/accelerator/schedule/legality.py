"""Checks which layers may use which schedule, and computes the pace of every layer.

| schedule | legal for |
|---|---|
| overlap | layers of one phase without transforms, that run at every step, in a chain |
| shared engine | any layers, one step of one sequence at a time |
| interleave | layers of one phase |
| streamed weights | layers that run at every step and have one weight word a column, in a chain |
| steps in parallel | layers without state that run at every step, in a chain (one sequence) |

A layer is in a chain when no layer of its stage reads two layers, or a layer and the input. Where a
branch is joined again, the buffers of two vectors between layers limit the pace, and no formula
here tells how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from rnnhw.accelerator.mapping.layer import MEASURED, Basis, LayerMachine
from rnnhw.accelerator.mapping.memory import Memory, MemoryKind
from rnnhw.accelerator.schedule.interleave import interleaved, no_interleave
from rnnhw.accelerator.schedule.layer_timing import Pace, Sequential
from rnnhw.accelerator.schedule.overlap import no_overlap, overlapped
from rnnhw.accelerator.schedule.parallel_steps import multiplied, together
from rnnhw.accelerator.schedule.wavefront import INPUT, Reads, layers_read
from rnnhw.accelerator.schedule.weight_stream import (
    Streamed,
    buffered,
    group_loads,
    groups_of,
    lead_cycles,
    slots_for,
    streamed_bits,
)
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError, unknown_name

__all__ = [
    "Bandwidth",
    "LayerPaces",
    "Stack",
    "arrange",
    "can_stream",
    "equipped",
    "streamed_layers",
]


@dataclass(frozen=True)
class Bandwidth:
    """An external memory: its name, and the bits that it delivers in a cycle of the accelerator."""

    memory: str
    bits_per_cycle: Fraction


@dataclass(frozen=True)
class Stack:
    """The layers of a network before a schedule is chosen.

    ``stages`` groups the layers between two points at which the end of a sequence is awaited,
    ``wavefronts`` those between two reversals. ``recurrent`` tells which layers keep a state,
    ``reads`` what a layer reads. ``obstacles`` names the time operations that have no Verilog, with
    their kind.
    """

    layers: tuple[LayerMachine, ...]
    stages: tuple[tuple[int, ...], ...]
    wavefronts: tuple[tuple[int, ...], ...]
    recurrent: tuple[bool, ...]
    reads: tuple[Reads, ...]
    elements: int
    obstacles: tuple[tuple[str, str], ...] = ()

    @property
    def timed(self) -> tuple[int, ...]:
        """The layers that run at every step."""
        return tuple(k for k, layer in enumerate(self.layers) if not layer.once)

    @property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """The layers that each layer reads."""
        return tuple(layers_read(reads) for reads in self.reads)

    def joins(self, index: int) -> bool:
        """Whether some layer of this layer's stage reads two layers, or a layer and the input."""
        stage = next(stage for stage in self.stages if index in stage)
        ways = {*stage, INPUT} if stage is self.stages[0] else {*stage}
        return any(len({e.source for e in self.reads[k].edges} & ways) > 1 for k in stage)


@dataclass(frozen=True)
class LayerPaces:
    """The layers under a schedule, and their paces.

    ``can_overlap`` tells the layers for which overlap is legal, whatever their lanes;
    ``overlapped`` those that do overlap, because they gain from it or were asked to.
    """

    layers: tuple[LayerMachine, ...]
    paces: tuple[Pace, ...]
    steps: tuple[int, ...]
    streamed: tuple[bool, ...]
    overlapped: tuple[bool, ...]
    can_overlap: tuple[bool, ...]


def arrange(stack: Stack, arrangement: Arrangement, bandwidth: Bandwidth | None) -> LayerPaces:
    """Returns the layers under ``arrangement``, with their paces.

    Raises:
        DesignError: a schedule is not legal for a layer or together with another schedule; the hint
            lists the layers for which it is.
    """
    sequences = _sequences(stack, arrangement)
    steps = _steps(stack, arrangement)
    streamed = streamed_layers(stack, arrangement)
    chosen, legal = _overlapped(stack, arrangement, sequences, steps, streamed)
    shared = arrangement.engines == "shared"
    if shared:
        _only_shared(arrangement, sequences, steps)
        for layer in stack.layers:
            if layer.measured:
                raise DesignError(
                    f"engines='shared': layer {layer.name} {MEASURED}",
                    "leave step_latency out, or use engines='per-layer'",
                )
    shares = _shares(stack, streamed, bandwidth, shared=shared)
    layers, paces = [], []
    for index, layer in enumerate(stack.layers):
        built, pace = _Layer(
            _one_by_one(layer) if _after_a_pass(stack, steps, index) else layer,
            sequences,
            steps[index],
            shares.get(index),
            overlap=chosen[index],
            shared=shared,
        ).schedule()
        layers.append(built)
        paces.append(pace)
    return LayerPaces(tuple(layers), tuple(paces), steps, streamed, chosen, legal)


def _after_a_pass(stack: Stack, steps: Sequence[int], index: int) -> bool:
    """Whether the layer is a sum over time that receives the vectors of several steps at once."""
    total = stack.layers[index].mapping is None
    return total and any(steps[s] > 1 for s in stack.sources[index])


def _one_by_one(layer: LayerMachine) -> LayerMachine:
    """A sum over time that adds one element a cycle out of a buffer, because the vectors of one
    pass arrive together."""
    assumption = "vectors of one pass added one by one, from a buffer"
    return replace(
        layer,
        cycles=layer.cycles + layer.units,
        basis=Basis.MODELLED,
        assumptions=(*layer.assumptions, assumption),
    )


# --- one layer ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Layer:
    """One layer with its schedule; ``share`` is its part of the external memory, in bits a cycle,
    when its weights are streamed."""

    machine: LayerMachine
    sequences: int
    steps: int
    share: Fraction | None
    overlap: bool
    shared: bool

    def schedule(self) -> tuple[LayerMachine, Pace]:
        """Returns the layer with the memories that its schedule needs, and its pace."""
        layer, pace, assumptions = self.machine, self._pace(), self._assumptions()
        slots = pace.slots if isinstance(pace, Streamed) and not self.shared else 0
        layer = equipped(layer, self.sequences, self.steps, slots)
        if assumptions:
            assumptions = [*layer.assumptions, *assumptions]
            layer = replace(layer, basis=Basis.MODELLED, assumptions=tuple(assumptions))
        return layer, pace

    def _pace(self) -> Pace:
        layer = self.machine
        if self.share is not None:
            loads = group_loads(layer, self.share)
            groups = tuple(groups_of(layer, loads, self.sequences))
            turn = layer.phases[0].group_interval if self.sequences > 1 else 0
            block = max(self.sequences, self.steps)
            slots = slots_for(groups)
            bits, lead = streamed_bits(layer), lead_cycles(layer)
            return Streamed(layer.cycles, groups, slots, lead, block, turn, bits)
        if self.sequences > 1:
            return interleaved(layer, self.sequences)
        if self.steps > 1:
            return together(layer, self.steps)
        return overlapped(layer) if self.overlap else Sequential(layer.cycles)

    def _assumptions(self) -> list[str]:
        """Sentences for the report on what the model assumes of the schedule."""
        assumptions = []
        if self.overlap:
            assumptions.append(
                "the next step's input columns in the drain, as measured on Verilog that is not "
                "emitted"
            )
        if self.sequences > 1:
            assumptions.append(
                f"{self.sequences} sequences take turns on the lanes without a gap, a bank of "
                "state and vectors for each"
            )
        if self.steps > 1:
            assumptions.append(
                f"{self.steps} steps in one pass, each with lanes, post-processor and banks of its "
                "own, for one read of weights and biases"
            )
        if self.shared:
            assumptions.append("lanes and post-processor of all layers in turn")
        if self.share is not None:
            assumptions.append("weights from an external memory at its peak, without pauses")
        return assumptions


def equipped(layer: LayerMachine, sequences: int, steps: int, slots: int) -> LayerMachine:
    """Returns the layer with the memories for ``sequences`` that take turns and for ``steps`` in
    one pass. With ``slots``, a buffer of that many groups of rows replaces its weight memory."""
    if steps > 1:
        layer = multiplied(layer, steps)
    if slots:
        layer = buffered(layer, slots)
    return _banked(layer, sequences) if sequences > 1 else layer


def _banked(layer: LayerMachine, sequences: int) -> LayerMachine:
    """Returns the layer with one bank a sequence in every memory of states and vectors."""

    def bank(memory: Memory) -> Memory:
        if memory.kind not in (MemoryKind.STATE, MemoryKind.VECTORS):
            return memory
        stored = memory.stored_bits * sequences
        return replace(memory, depth=memory.depth * sequences, stored_bits=stored)

    return replace(layer, memories=tuple(map(bank, layer.memories)))


# --- what is legal -----------------------------------------------------------------------------
def _names(stack: Stack, indices: Sequence[int]) -> str:
    """The names of layers, for a message."""
    return ", ".join(stack.layers[k].name for k in indices) or "none"


def _only_shared(arrangement: Arrangement, sequences: int, steps: Sequence[int]) -> None:
    """Raises a DesignError if a shared engine is combined with another schedule."""
    for name, value, is_set in (
        ("overlap", arrangement.overlap, arrangement.overlap is True),
        ("interleave", sequences, sequences > 1),
        ("steps_in_parallel", arrangement.steps_in_parallel, max(steps) > 1),
    ):
        if is_set:
            raise DesignError(
                f"engines='shared' with {name}={value!r}: a shared engine does one step of one "
                "sequence at a time, layer by layer",
                f"use engines='per-layer', or leave {name} out",
            )


def _sequences(stack: Stack, arrangement: Arrangement) -> int:
    """Returns the number of interleaved sequences, checked against every layer."""
    sequences = arrangement.interleave
    if not isinstance(sequences, int):
        raise DesignError(
            f"interleave={sequences!r} without lanes='auto': what is chosen, is chosen together",
            "give a number of sequences, or lanes='auto'",
        )
    if sequences > 1:
        if arrangement.overlap is True:
            raise DesignError(
                f"overlap=True with interleave={sequences}: the lanes of a draining step are "
                "another sequence's",
                "use one of the two, or overlap='auto'",
            )
        legal = [k for k in stack.timed if not no_interleave(stack.layers[k])]
        for index in stack.timed:
            if index not in legal:
                layer = stack.layers[index]
                raise DesignError(
                    f"interleave={sequences}: layer {layer.name} can not take turns: "
                    f"{no_interleave(layer)}",
                    f"use interleave=1; layers that can: {_names(stack, legal)}",
                )
    return sequences


def _steps(stack: Stack, arrangement: Arrangement) -> tuple[int, ...]:
    """Returns the steps that every layer takes in one pass, checked against every layer."""
    wanted = arrangement.steps_in_parallel
    legal = [
        k
        for k in stack.timed
        if not (stack.recurrent[k] or stack.joins(k) or stack.layers[k].measured)
    ]
    names = {layer.name: k for k, layer in enumerate(stack.layers)}
    if isinstance(wanted, Mapping):
        asked = by_layer(names, wanted, "steps_in_parallel")
    else:
        asked = dict.fromkeys(legal, wanted) if wanted > 1 else {}
    parallel = {k: steps for k, steps in asked.items() if steps > 1}
    if isinstance(wanted, int) and wanted > 1 and not parallel:
        raise DesignError(
            f"steps_in_parallel={wanted}: no layer without state runs each step in a chain",
            "leave it out, or add a head that runs at every step",
        )
    for index, steps in parallel.items():
        if index not in legal:
            layer = stack.layers[index]
            reason = "has a state, so that a step needs the one before"
            if layer.once:
                reason = "runs once a sequence"
            elif layer.measured:
                reason = MEASURED
            elif not stack.recurrent[index]:
                reason = "stands beside a branch that is joined again"
            raise DesignError(
                f"steps_in_parallel={steps}: layer {layer.name} {reason}",
                f"layers that can take steps together: {_names(stack, legal)}",
            )
    if parallel and arrangement.interleave != 1:
        raise DesignError(
            f"steps_in_parallel with interleave={arrangement.interleave!r}",
            "use one of the two: both share weight words among vectors",
        )
    return tuple(parallel.get(k, 1) for k in range(len(stack.layers)))


def _overlapped(
    stack: Stack,
    arrangement: Arrangement,
    sequences: int,
    steps: Sequence[int],
    streamed: Sequence[bool],
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Returns which layers overlap, and for which overlap is legal."""
    chosen, legal = [False] * len(stack.layers), [False] * len(stack.layers)
    if not arrangement.overlap or arrangement.engines == "shared":
        return tuple(chosen), tuple(legal)
    reasons: dict[int, str] = {}
    for index in stack.timed:
        layer = stack.layers[index]
        reason = no_overlap(layer)
        if sequences > 1:
            reason = reason or "its lanes take sequences in turns"
        if steps[index] > 1:
            reason = reason or "it takes several steps together"
        if streamed[index]:
            reason = reason or "its weights are streamed group by group"
        if stack.joins(index):
            reason = reason or "it stands beside a branch that is joined again"
        reasons[index] = reason
        gains = not reason and overlapped(layer).round_cycles < layer.cycles
        legal[index] = not reason
        chosen[index] = not reason and (gains or arrangement.overlap is True)
    if arrangement.overlap is True:
        for index, reason in reasons.items():
            # A layer without lanes has nothing to overlap and does not prevent others from it.
            if reason and (stack.layers[index].lanes or not any(chosen)):
                others = [k for k, why in reasons.items() if not why]
                raise DesignError(
                    f"overlap=True: layer {stack.layers[index].name} can not: {reason}",
                    f"use overlap='auto'; layers that can: {_names(stack, others)}",
                )
    return tuple(chosen), tuple(legal)


# --- external memory ---------------------------------------------------------------------------
def can_stream(stack: Stack, index: int) -> str:
    """Returns why a layer's weights cannot be streamed; an empty string when they can."""
    layer = stack.layers[index]
    if layer.once:
        return "runs once a sequence"
    if layer.measured:
        return MEASURED
    if not streamed_bits(layer):
        return "has no weights in a word a column"
    return "stands beside a branch that is joined again" if stack.joins(index) else ""


def streamed_layers(stack: Stack, arrangement: Arrangement) -> tuple[bool, ...]:
    """Returns, for every layer, whether its weights are streamed.

    Raises:
        DesignError: the weights of a layer that is named cannot be streamed, or those of no layer.
    """
    streamed = [False] * len(stack.layers)
    places = arrangement.weights
    if places == "auto":
        raise DesignError(
            "weights='auto' without lanes='auto': what is chosen, is chosen together",
            "use 'on-chip' or 'streamed', or lanes='auto'",
        )
    legal = [k for k in range(len(streamed)) if not can_stream(stack, k)]
    if isinstance(places, Mapping):
        names = {layer.name: k for k, layer in enumerate(stack.layers)}
        wanted = by_layer(names, places, "weights")
        for index, place in wanted.items():
            reason = can_stream(stack, index)
            if place == "streamed" and reason:
                raise DesignError(
                    f"weights='streamed': layer {stack.layers[index].name} {reason}",
                    f"layers whose weights can be streamed: {_names(stack, legal)}",
                )
            streamed[index] = place == "streamed"
    elif places == "streamed":
        if not legal:
            raise DesignError(
                "weights='streamed': no layer that runs each step has weights in a word a column, "
                "in a chain",
                "use weights='on-chip'",
            )
        for index in legal:
            streamed[index] = True
    return tuple(streamed)


_Value = TypeVar("_Value")


def by_layer(
    names: Mapping[str, int], values: Mapping[str, _Value], option: str
) -> dict[int, _Value]:
    """Returns the values of an ``option`` by the index of their layer.

    Raises:
        DesignError: there is no layer of a name.
    """
    for name in values:
        if name not in names:
            message, hint = unknown_name("layer", name, names)
            raise DesignError(f"{option}: {message}", hint)
    return {names[name]: value for name, value in values.items()}


def _shares(
    stack: Stack, streamed: Sequence[bool], bandwidth: Bandwidth | None, *, shared: bool
) -> dict[int, Fraction]:
    """Returns the bits a cycle of the external memory for every streamed layer: in proportion to
    its weights, or, on a shared engine, all of them."""
    bits = {k: streamed_bits(stack.layers[k]) for k, chosen in enumerate(streamed) if chosen}
    if not bits:
        return {}
    if bandwidth is None:
        raise DesignError(
            "weights='streamed' without the bandwidth of an external memory",
            "name a profile that has one, and a clock",
        )
    total = sum(bits.values())
    rate = bandwidth.bits_per_cycle
    return {k: rate if shared else rate * layer / total for k, layer in bits.items()}
