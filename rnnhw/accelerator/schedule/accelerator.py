"""The whole accelerator over the steps of a sequence: intervals, latencies, and when what works.

The layers run as a wavefront (:mod:`rnnhw.accelerator.schedule.wavefront`) or in turn on one engine
(:mod:`rnnhw.accelerator.schedule.shared_engine`). What stands behind a reversal waits until all in
front of it have finished the sequence; on one engine so does what stands behind the last step or a
total.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np

from rnnhw.accelerator.mapping.layer import Basis, LayerMachine
from rnnhw.accelerator.mapping.memory import Memory
from rnnhw.accelerator.mapping.multipliers import Multiplier
from rnnhw.accelerator.schedule.interleave import Interleaved
from rnnhw.accelerator.schedule.layer_timing import IntArray, Loaded, Pace, Sequential
from rnnhw.accelerator.schedule.settling import (
    Shortened,
    last_end,
    settled_interval,
    settled_sequence,
    shortened,
)
from rnnhw.accelerator.schedule.shared_engine import SharedStep, in_turn
from rnnhw.accelerator.schedule.turns import wavefront_in_turns
from rnnhw.accelerator.schedule.wavefront import (
    INPUT,
    Edge,
    Place,
    Reads,
    layers_read,
    longest_wait,
    wavefront,
)

__all__ = ["Accelerator", "Engine", "Span", "first_result_cycles", "whole"]

# Cycles follow from the layers' paces and from what they read alone: designs that differ in formats
# have mostly the same, and a sweep over them took a seventh of its time to find them again.
_last_end = lru_cache(maxsize=256)(last_end)
_settled_sequence = lru_cache(maxsize=256)(settled_sequence)


@dataclass(frozen=True)
class Span:
    """The layer at ``index`` on step ``step`` of sequence ``sequence``, from cycle ``start`` to
    before ``end``."""

    index: int
    step: int
    start: int
    end: int
    sequence: int = 0


@dataclass(frozen=True)
class Engine:
    """One engine for all layers: what it has once, and a step of every stage."""

    lanes: int
    memories: tuple[Memory, ...]
    multipliers: tuple[Multiplier, ...]
    stages: tuple[SharedStep, ...]

    @property
    def loading(self) -> int:
        """Cycles of a step in which all wait for weights."""
        return sum(step.interval - step.compute_cycles for step in self.stages)


@dataclass(frozen=True)
class Accelerator:
    """The machines of all layers in the order of the network, and the pace of every layer.

    A stage of ``stages`` stands behind the last step, a total or a reversal of the one before;
    between two of ``wavefronts`` there is a reversal. ``recurrent`` tells the layers that keep a
    state, ``reads`` what each reads; ``elements`` are those of an input vector. ``sequences`` are
    interleaved, ``steps`` are how many a layer takes together, ``engine`` is what all layers share
    where they share one. ``obstacles`` are the time operations that have no Verilog, and what they
    are.
    """

    layers: tuple[LayerMachine, ...]
    stages: tuple[tuple[int, ...], ...]
    wavefronts: tuple[tuple[int, ...], ...]
    recurrent: tuple[bool, ...]
    reads: tuple[Reads, ...]
    elements: int
    paces: tuple[Pace, ...]
    steps: tuple[int, ...]
    streamed: tuple[bool, ...]
    overlapped: tuple[bool, ...]
    sequences: int = 1
    engine: Engine | None = None
    external_memory: str = ""
    obstacles: tuple[tuple[str, str], ...] = ()

    @property
    def basis(self) -> Basis:
        """Where the cycles of the whole come from: realised where every layer and every time
        operation is."""
        realised = all(layer.basis is Basis.REALISED for layer in self.layers)
        return Basis.REALISED if realised and not self.obstacles else Basis.MODELLED

    @property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """The layers that each layer reads."""
        return tuple(layers_read(reads) for reads in self.reads)

    # --- each step -----------------------------------------------------------------------------
    @property
    def timed(self) -> tuple[int, ...]:
        """The layers that set the pace: those that run each step, or all if none does."""
        timed = [k for k, layer in enumerate(self.layers) if not layer.once]
        return tuple(timed or range(len(self.layers)))

    def interval_of(self, index: int) -> int | Fraction:
        """Cycles of one step, of any sequence, that a layer alone allows."""
        pace = self.paces[index]
        return whole(Fraction(pace.round_cycles, pace.steps))

    @cached_property
    def step_interval(self) -> int | Fraction:
        """Cycles from one step, of any sequence, to the next, once all layers have work."""
        return self._pace_of_all[0]

    @property
    def bound_by(self) -> str:
        """The cause that sets the step interval."""
        return self._pace_of_all[1]

    @cached_property
    def _pace_of_all(self) -> tuple[int | Fraction, str]:
        if self.engine is not None:
            return self._shared_interval(self.engine)
        index = self.slowest_index
        slowest = self.interval_of(index), f"{self.layers[index].name}: {self.layer_bound(index)}"
        for position, members in enumerate(self.wavefronts):
            each_step = [k for k in members if not self.layers[k].once]
            if not each_step:
                continue
            places, _ = self._places(position)
            waited = whole(Fraction(longest_wait(places), self.sequences))
            if waited > slowest[0]:
                slowest = waited, "a branch: its vectors wait until they are read together"
            shares = self.sequences > 1 and len(each_step) > 1
            if shares and any(self.streamed[k] for k in each_step):
                settled = whole(settled_interval(places, self.sequences))
                if settled > slowest[0]:
                    slowest = settled, "the buffers between layers: they wait for all sequences"
            if position == 0 and self.elements > slowest[0]:
                slowest = self.elements, "the input: its elements arrive one a cycle"
        return slowest

    def _shared_interval(self, engine: Engine) -> tuple[int, str]:
        steps = [
            step
            for step, stage in zip(engine.stages, self.stages, strict=True)
            if not all(self.layers[k].once for k in stage)
        ] or list(engine.stages)
        interval = sum(step.interval for step in steps)
        if interval > sum(step.compute_cycles for step in steps):
            return interval, f"external memory: {self.external_memory}"
        slowest = self.layers[self.slowest_index]
        return interval, f"all layers in turn, most {slowest.name}: {slowest.bound_by}"

    def layer_bound(self, index: int) -> str:
        """The cause of most cycles of a layer, without those of other layers."""
        layer, pace = self.layers[index], self.paces[index]
        if not layer.once and pace.round_cycles > pace.compute_cycles:
            return "external memory"
        if isinstance(pace, Interleaved) and pace.sequences * pace.busy < pace.cycles:
            return "recurrence latency"
        return layer.bound_by

    @property
    def slowest_index(self) -> int:
        """The position of the first layer that takes most cycles a step."""
        return max(self.timed, key=self.interval_of)

    @property
    def slowest(self) -> LayerMachine:
        """The first layer that takes most cycles a step."""
        return self.layers[self.slowest_index]

    @cached_property
    def step_latency(self) -> int:
        """Cycles from the first input element of a step to the last result of its last layer, at
        rest before; where layers take several steps together, with the arrival of the others."""
        return max(span.end for span in self._first_step)

    @cached_property
    def first_result_latency(self) -> int:
        """Cycles from the first input element of a step to the first result of its last layer; of
        the one in front of a total, which has a result after the last step alone."""
        computed = [
            span
            for span in self._first_step
            if self.layers[span.index].phases or self.layers[span.index].measured
        ]
        last = max(computed or self._first_step, key=lambda span: span.end)
        layer = self.layers[last.index]
        return last.end - layer.cycles + first_result_cycles(layer)

    @cached_property
    def _first_step(self) -> list[Span]:
        steps = math.lcm(*self.steps) if self.sequences == 1 else 1
        if self.engine is not None:
            spans = self._shared_spans(self.engine, 0, steps, 0)
        else:
            spans = self._wavefront_spans(0, steps, 0, 1, full_windows=True)
        first = [span for span in spans if span.step == 0 and span.sequence == 0]
        return [span for span in first if not self.layers[span.index].once] or first

    @property
    def tail(self) -> int:
        """Cycles of the layers that run once, after the last step, one after the other."""
        return sum(layer.cycles for layer in self.layers if layer.once)

    @property
    def macs(self) -> int:
        """Useful MACs of one step, without the layers that run once a sequence."""
        return sum(layer.macs for layer in self.layers if not layer.once)

    @property
    def lanes(self) -> int:
        """All lanes."""
        return self.engine.lanes if self.engine else sum(layer.lanes for layer in self.layers)

    @property
    def utilisation(self) -> float | None:
        """Useful MACs a step of what all lanes could do in a step interval; None without lanes, or
        where the user has measured the cycles of a layer."""
        if any(layer.measured for layer in self.layers):
            return None
        if self.engine is not None:
            lanes = self.engine.lanes
        else:
            lanes = sum(layer.lanes for layer in self.layers if not layer.once)
        return float(self.macs / (lanes * Fraction(self.step_interval))) if lanes else None

    def layer_utilisation(self, index: int) -> float | None:
        """Useful MACs of a layer's rounds of what its lanes could do in them alone."""
        layer, pace = self.layers[index], self.paces[index]
        if not layer.lanes or layer.measured:
            return None
        steps = 1 if layer.once else pace.steps
        cycles = layer.cycles if layer.once else pace.round_cycles
        return layer.macs * steps / (layer.lanes * cycles)

    @property
    def memories(self) -> tuple[tuple[str, Memory], ...]:
        """Every memory with the name of its layer, or "all layers"."""
        of_layers = [(layer.name, memory) for layer in self.layers for memory in layer.memories]
        common = self.engine.memories if self.engine else ()
        return (*of_layers, *(("all layers", memory) for memory in common))

    # --- a sequence ------------------------------------------------------------------------------
    def sequence_cycles(self, steps: int) -> int:
        """Cycles from the first input element to the last result of a sequence, of all that are
        interleaved."""
        if steps not in self._cycles:
            cycles = self._stage_cycles(steps)
            self._cycles[steps] = cycles or steps * self.elements
        return self._cycles[steps]

    def _stage_cycles(self, steps: int) -> int:
        """Cycles of all wavefronts, or of all stages on one engine, one after the other."""
        if self.engine is None:
            places = [self._places(position) for position in range(len(self.wavefronts))]
            return sum(
                _last_end(tuple(each), steps, self.sequences, len(members))
                for each, members in places
            )
        cycles = 0
        for position, step in enumerate(self.engine.stages):
            once = all(self.layers[index].once for index in self.stages[position])

            def times(
                count: int, step: SharedStep = step, first: bool = position == 0
            ) -> list[IntArray]:
                runs = in_turn(step, count, from_input=first)
                return [np.array([(run.take, run.end, *run.held) for run in own]) for own in runs]

            short = Shortened(1) if once else shortened(steps, times)
            runs = in_turn(step, short.steps, from_input=position == 0)
            cycles += max(own[-1].end for own in runs) + short.cycles
        return cycles

    def sequence_interval(self, steps: int) -> int | Fraction:
        """Cycles from one sequence to the next, back to back, on the average of those that are
        interleaved.

        Without reversals the next sequence's steps follow those of the last, while layers that run
        once a sequence work beside them on other lanes.
        """
        if steps not in self._intervals:
            self._intervals[steps] = self._sequence_interval(steps)
        return self._intervals[steps]

    @cached_property
    def _cycles(self) -> dict[int, int]:
        """Results of :meth:`sequence_cycles` by steps: every clock of a report asks anew."""
        return {}

    @cached_property
    def _intervals(self) -> dict[int, int | Fraction]:
        """Results of :meth:`sequence_interval` by steps."""
        return {}

    def _sequence_interval(self, steps: int) -> int | Fraction:
        if self.engine is not None:
            each_step = any(not layer.once for layer in self.layers)
            return steps * (self.step_interval if each_step else 0) + self.tail
        if len(self.wavefronts) > 1:
            return whole(Fraction(self.sequence_cycles(steps), self.sequences))
        if self.plain:
            return whole(_settled_sequence(tuple(self._places(0)[0]), steps))
        longest = Fraction(steps * self.elements)
        for index, layer in enumerate(self.layers):
            pace, runs = self.paces[index], max(steps - self.reads[index].first, 0)
            if layer.once:
                cycles = Fraction(layer.cycles)
            elif pace.block > 1 and self.sequences == 1:
                cycles = Fraction(-(-runs // pace.block) * pace.round_cycles)
            else:
                cycles = runs * Fraction(self.interval_of(index))
            longest = max(longest, cycles + self._refill(index, steps))
        slowest = self.interval_of(self.slowest_index)
        timed = any(not layer.once for layer in self.layers)
        if timed and self.step_interval > slowest and max(self.steps) == 1:
            longest = max(longest, steps * Fraction(self.step_interval))
        return whole(longest)

    def _refill(self, index: int, steps: int) -> int | Fraction:
        """Cycles in which a window fills anew, with nothing for its reader to do."""
        sources = self.sources[index]
        lost = self.reads[index].first - max((self.reads[k].first for k in sources), default=0)
        if not lost:
            return 0
        if self.layers[index].once:
            return 0 if sources else (steps - 1) * self.elements
        return lost * max((self.interval_of(k) for k in sources), default=self.elements)

    def stream(self, output: Reads, lengths: Sequence[int]) -> list[int]:
        """The cycles in which the vectors that ``output`` reads are there, for sequences of
        ``lengths`` steps back to back, of layers without a reversal that take one step after the
        other."""
        places, _ = self._places(0)
        placed = tuple(replace(edge, source=edge.source + 1) for edge in output.edges)
        sink = Place(Sequential(0), replace(output, edges=placed))
        return [run.take for run in wavefront([*places, sink], lengths)[-1].values()]

    def spans(self, steps: int, sequences: int | None = None) -> tuple[Span, ...]:
        """Every layer's work on every step, of the first ``sequences`` of those that are
        interleaved or of all; cycle 0 brings the first input element."""
        spans: list[Span] = []
        groups = self.wavefronts if self.engine is None else self.stages
        for position in range(len(groups)):
            begin = max((span.end for span in spans), default=0)
            if self.engine is None:
                spans += self._wavefront_spans(position, steps, begin, sequences)
            else:
                spans += self._shared_spans(self.engine, position, steps, begin)
        return tuple(spans)

    def _shared_spans(self, engine: Engine, position: int, steps: int, begin: int) -> list[Span]:
        stage = self.stages[position]
        count = 1 if all(self.layers[index].once for index in stage) else steps
        runs = in_turn(engine.stages[position], count, from_input=position == 0)
        return [
            Span(index, step, begin + run.take, begin + run.end)
            for index, layer_runs in zip(stage, runs, strict=True)
            for step, run in enumerate(layer_runs)
        ]

    def _wavefront_spans(
        self,
        position: int,
        steps: int,
        begin: int,
        sequences: int | None = None,
        *,
        full_windows: bool = False,
    ) -> list[Span]:
        """The spans of a wavefront, from cycle ``begin`` on, of the first ``sequences`` or of all;
        ``full_windows``: from the first step on, as if others had been before."""
        places, members = self._places(position)
        if full_windows:
            places = [replace(p, reads=replace(p.reads, first=0)) for p in places]
        if self.sequences > 1:
            turns = wavefront_in_turns(places, steps, self.sequences)[-len(members) :]
            runs = [by_step.runs(sequences) for by_step in turns]
        else:
            waves = wavefront(places, [steps])[-len(members) :]
            runs = [[(step, 0, run) for step, run in by_step.items()] for by_step in waves]
        return [
            Span(
                index,
                0 if self.layers[index].once else step,
                begin + run.take,
                begin + run.end,
                sequence,
            )
            for index, by_step in zip(members, runs, strict=True)
            for step, sequence, run in by_step
        ]

    @property
    def plain(self) -> bool:
        """Whether no layers share lanes and every layer takes one step after the other."""
        one_by_one = all(isinstance(pace, Sequential) for pace in self.paces)
        return self.engine is None and self.sequences == 1 and one_by_one

    def _places(self, position: int) -> tuple[list[Place], tuple[int, ...]]:
        """The places of a wavefront, its layers last, and these layers.

        In front stands the input; for a layer that reads nothing but what the wavefront before has
        left in memory, what loads that.
        """
        members = self.wavefronts[position]
        places: list[Place] = []
        front: dict[int, int] = {}
        if position == 0:
            front[INPUT] = 0
            places.append(Place(Sequential(self.elements)))
        edges = {
            index: [e for e in self.reads[index].edges if e.source in (*front, *members)]
            for index in members
        }
        loads = {}
        for index in members:
            if not edges[index]:
                loads[index] = [Edge(len(places))]
                loaded = Loaded(self.layers[index].inputs, self.sequences)
                places.append(Place(loaded, replace(self.reads[index], edges=())))
        numbers = front | {index: len(places) + at for at, index in enumerate(members)}
        for index in members:
            placed = [replace(edge, source=numbers[edge.source]) for edge in edges[index]]
            reads = replace(self.reads[index], edges=tuple(placed or loads[index]))
            places.append(Place(self.paces[index], reads, self._is_open(index)))
        return places, members

    def _is_open(self, index: int) -> bool:
        """Whether a layer is a sum over time that takes elements as they come."""
        one_by_one = all(self.steps[source] == 1 for source in self.sources[index])
        return self.layers[index].mapping is None and one_by_one


def first_result_cycles(layer: LayerMachine) -> int:
    """Cycles from taking a vector to the first unit's result, where no weight is waited for; an
    upper bound for a layer whose cycles the user has measured."""
    if layer.measured:
        return layer.cycles
    if not layer.phases:
        return min(layer.cycles, 1)
    last = layer.phases[-1]
    before = sum(phase.cycles for phase in layer.phases[:-1]) + last.transform_cycles
    groups, position = divmod(max(last.gates, 1) - 1, max(last.lanes, 1))
    if position > last.last_rows - 1 and groups == last.groups - 1:
        position = last.last_rows - 1
    skipped = (last.groups - 1 - groups) * last.group_interval + last.last_rows - 1 - position
    return before + last.row_cycles + last.latency_cycles - skipped


def whole(value: Fraction) -> int | Fraction:
    """An integer where it is one."""
    return int(value) if value.denominator == 1 else value
