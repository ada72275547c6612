"""The post-processor: when each element-wise operation of a step starts and ends.

One accumulator leaves the lanes a cycle. Time 0 is the cycle in which the last gate of a unit is
visible; every operation starts as soon as its operands are there. Registers keep the gates before
the last one, one register a gate, behind the cast and the table that read that gate alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rnnhw.accelerator.mapping.memory import stored_vectors
from rnnhw.accelerator.mapping.rows import LayerRows, Part, Rows, Value
from rnnhw.graph.elementwise import ELEMENTWISE
from rnnhw.graph.nodes import (
    Add,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    State,
    Subtract,
    operation_table,
    unwired,
)
from rnnhw.graph.rewrite import ancestors
from rnnhw.numerics.cast import Q, Rounding

__all__ = ["PostProcessorSchedule", "Shifter", "cast_latency", "uniform", "word_of"]

_WAITING = -(10**6)  # stored before the phase begins


def cast_latency(cast: Cast, folded: bool) -> int:
    """Cycles of a cast: one to add the rounding constant unless the bias holds it, one to fit."""
    return 2 if _adds_to_round(cast, folded) else 1


def _adds_to_round(cast: Cast, folded: bool) -> bool:
    """Whether a cast adds a rounding constant itself."""
    drops = cast.a.format.fraction > cast.format.fraction
    return drops and cast.format.rounding is not Rounding.TRN and not folded


def uniform(node: Node) -> bool:
    """Whether a constant is one number for all units, which needs no memory."""
    if node.units == 1:
        return True
    sources = [each for each in ancestors(node) if isinstance(each, Constant)]
    return all(len(set(each.values)) == 1 for each in sources)


def word_of(value: Value) -> Q:
    """The word of a value, or of a part of a row."""
    node = value.node
    return node.word(value.part or Part.WHOLE)[0] if isinstance(node, Rows) else node.format


def _constant(cast: Cast) -> int:
    """The constant that rounding adds before the bits are dropped."""
    drop = cast.a.format.fraction - cast.format.fraction
    if drop <= 0 or cast.format.rounding is Rounding.TRN:
        return 0
    return (1 << (drop - 1)) - (cast.format.rounding is Rounding.RND_MIN_INF)


def _cast(node: Node) -> int:
    assert isinstance(node, Cast)
    return cast_latency(node, folded=False)


def _cycles(cycles: int) -> Callable[[Node], int]:
    return lambda node: cycles


LATENCY = operation_table(
    {
        Input: _cycles(0),
        State: _cycles(0),
        Constant: _cycles(0),
        Matvec: _cycles(0),
        **dict.fromkeys(ELEMENTWISE, _cycles(1)),
        Multiply: _cycles(2),
        Reinterpret: _cycles(0),
        Gather: _cycles(0),
        Cast: _cast,
        Lookup: _cycles(1),
    }
)
"""Cycles of each operation, those of its Verilog module. An elementwise one has one, unless its row
says otherwise."""


class Shifter(NamedTuple):
    """One shifter in front of the gate registers of a phase: it takes rows of
    ``row_bits`` with ``fraction`` bits of fraction, shifted into words of ``result`` by exponents
    that are read row by row."""

    phase: int
    fraction: int
    row_bits: int
    result: Q
    exponent: Q


class PostProcessorSchedule:
    """The values of a step with their times, phase by phase."""

    def __init__(self, layer: LayerRows) -> None:
        self.layer = layer
        self._readers: dict[Value, list[Value | None]] = {}
        for root in self._roots():
            for value in layer.values(root):
                self._visit(value, None)
        for value in [each for each in self._readers if self._serial_shift(each)]:
            self._leave_out_exponents(value)
        self._times: dict[tuple[int, Value], int] = {}
        self._bits: dict[tuple[int, Value], int] = {}
        self._depths: dict[int, int] = {}
        self._handled_in: dict[int, frozenset[Value]] = {}

    def _roots(self) -> Iterator[Node]:
        yield from self.layer.results
        for product in (*self.layer.products, *self.layer.transforms):
            yield from stored_vectors(product.vector)

    def _visit(self, value: Value, reader: Value | None) -> None:
        known = value in self._readers
        self._readers.setdefault(value, []).append(reader)
        if not known:
            for operand in self.layer.operands(value):
                self._visit(operand, value)

    def _leave_out_exponents(self, shift: Value) -> None:
        """A shift of all gates reads its exponents row by row, not unit by unit."""
        _, exponents = self.layer.operands(shift)
        self._readers[exponents].remove(shift)
        if not self._readers[exponents]:
            del self._readers[exponents]

    def operands(self, value: Value) -> Sequence[Value]:
        """The operands of the operation behind ``value`` that are read unit by unit."""
        operands = self.layer.operands(value)
        return operands[:1] if self._serial_shift(value) else operands

    @property
    def values(self) -> tuple[Value, ...]:
        """The values that the step computes or reads, without repetitions."""
        return tuple(self._readers)

    @property
    def gathered(self) -> list[Gather]:
        """The gathers that the post-processor reads unit by unit: not those whose elements are
        addressed when they are read as columns, nor slices of whole gates."""
        return [
            value.node
            for value in self._readers
            if isinstance(value.node, Gather) and self._by_unit(value)
        ]

    def _by_unit(self, value: Value) -> bool:
        """Whether an operation reads a gather; one of a gather reads what is behind that."""
        if value.node in {unwired(node) for node in self.layer.results}:
            return True
        return any(
            reader is not None and not isinstance(reader.node, Gather)
            for reader in self._readers[value]
        )

    def read_by_unit(self, phase: int) -> frozenset[Value]:
        """The values that the post-processor of a phase reads unit by unit and no post-processor of
        the step computes: inputs, states, constants, results of transforms in the feed."""
        return frozenset(value for value in self._handled(phase) if self._is_source(value))

    def _handled(self, phase: int) -> frozenset[Value]:
        """The values that the post-processor of a phase reads or computes for its results."""
        if phase not in self._handled_in:
            self._handled_in[phase] = frozenset(self._walked(phase))
        return self._handled_in[phase]

    def _walked(self, phase: int) -> Iterator[Value]:
        layer = self.layer
        roots = [node for node in (*layer.results, *layer.passed) if layer.phase(node) == phase]
        pending = [value for root in roots for value in layer.values(root)]
        made = [value for value in self._readers if self._formed_in(value) == phase]
        pending += [value for value in made if not self._fed(value)]
        seen: set[Value] = set()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            if self._is_source(value) or isinstance(value.node, Gather):
                # The operands of a permuted or joined vector are not read unit by unit.
                yield value
            elif self._formed_in(value) in (None, phase):
                yield value
                pending += self.operands(value)

    def _is_source(self, value: Value) -> bool:
        """Whether no operation of a post-processor computes ``value``."""
        return not isinstance(value.node, Rows) and not self.layer.operands(value)

    def fed_by_unit(self, phase: int) -> frozenset[Node]:
        """Results of transforms in the feed that the post-processor of a phase reads by unit."""
        return frozenset(
            value.node
            for value in self.read_by_unit(phase)
            if isinstance(value.node, Node) and self.layer.in_feed(value.node)
        )

    def times_read_by_unit(self, node: Node) -> int:
        """How many post-processors read ``node`` unit by unit, its gates counted apart."""
        phases = range(self.layer.last_phase + 1)
        return sum(value.node is node for phase in phases for value in self.read_by_unit(phase))

    def _fed(self, value: Value) -> bool:
        return isinstance(value.node, Node) and self.layer.in_feed(value.node)

    def _formed_in(self, value: Value) -> int | None:
        """The last phase whose accumulators ``value`` depends on; None without any."""
        if isinstance(value.node, Rows):
            return value.node.phase
        return self.layer.phase(value.node) if self.layer.formed(value.node) else None

    @property
    def inputs_by_unit(self) -> list[Input]:
        """The inputs whose elements the post-processor reads."""
        return [
            operand.node
            for reader in self._readers
            for operand in self.layer.operands(reader)
            if isinstance(operand.node, Input)
        ]

    def multiplications(self) -> Iterator[tuple[int, int]]:
        """The bits of both operands of every multiplier: a multiply operation needs one in every
        phase that computes it."""
        phases = range(self.layer.last_phase + 1)
        for value in self._readers:
            if not isinstance(value.node, Multiply) or self.layer.is_constant(value.node):
                continue
            computed = [phase for phase in phases if value in self._handled(phase)]
            for phase in computed or phases[-1:]:
                a, b = (self.bits(operand, phase) for operand in self.layer.operands(value))
                yield a, b

    # --- words -------------------------------------------------------------------------------
    def is_stored(self, value: Value, phase: int) -> bool:
        """Whether ``value`` waits for a phase in a memory of words unit by unit, or is a
        constant."""
        node, layer = value.node, self.layer
        if isinstance(node, Rows):
            return node.phase < phase
        if layer.is_constant(node) or isinstance(node, Input | State | Constant | Gather):
            return True
        if layer.in_feed(node):
            return True
        return layer.formed(node) and layer.phase(node) < phase

    def bits(self, value: Value, phase: int) -> int:
        """The bits of ``value`` in the post-processor of a phase, as a signed number.

        They are fewer than its word's where that has more integer bits than the operands can fill,
        as behind a cast to more fraction bits. The bits above would repeat the sign, and
        ``synth_ice40 -dsp`` of yosys 0.23 leaves such bits of a product undriven where it takes the
        product's register into a multiplier block.
        """
        key = phase, value
        if key not in self._bits:
            word = word_of(value).signed_width
            self._bits[key] = min(word, self._needed_bits(value, phase) or word)
        return self._bits[key]

    def _needed_bits(self, value: Value, phase: int) -> int | None:
        """The bits that an operation's result can fill; None for what is no such operation."""
        node = value.node
        if isinstance(node, Rows) or self.is_stored(value, phase) or self._serial_shift(value):
            return None
        operands = self.layer.operands(value)
        widths = [self.bits(operand, phase) for operand in operands]
        aligned = [
            width + node.format.fraction - word_of(operand).fraction
            for width, operand in zip(widths, operands, strict=True)
        ]
        match node:
            case Add() | Subtract():
                return max(aligned) + 1
            case Multiply():
                return sum(widths)
            case Select():
                return max(aligned[1:])
            case Shift():
                return widths[0] + node.by.interval[1]
            case Clamp():
                return widths[0]
            case Cast() if node.format.signed:
                return self._cast_bits(value, operands[0], widths[0])
        return None

    def _cast_bits(self, value: Value, operand: Value, width: int) -> int:
        node = value.node
        assert isinstance(node, Cast)
        if self._serial_cast(value) and isinstance(operand.node, Rows):
            # All gates share it: it takes the whole accumulator, at the scale of the row.
            accumulator = self.layer.accumulator(operand.node.phase)
            below = accumulator.fraction - word_of(operand).fraction
            width = accumulator.signed_width - below
        drop = node.a.format.fraction - node.format.fraction
        return max(width, drop + 1) - drop + _adds_to_round(node, self.folded(value))

    # --- accumulators ------------------------------------------------------------------------
    def only_cast(self, value: Value) -> Value | None:
        """The cast that alone reads an accumulator."""
        reader = self._only_reader(value)
        return reader if reader is not None and isinstance(reader.node, Cast) else None

    def _only_reader(self, value: Value) -> Value | None:
        """The operation that alone reads an accumulator."""
        readers = self._readers.get(value, [])
        if not isinstance(value.node, Rows) or value.part is not Part.WHOLE:
            return None
        if value.node.computed is not None or len(readers) != 1:
            return None
        return readers[0]

    def folded(self, cast: Value) -> bool:
        """Whether the bias holds the rounding constant of a cast: of one that alone reads the
        row, half up (or no rounding at all), where the sum with the constant fits the row's
        word."""
        if not isinstance(cast.node, Cast) or not cast.node.format.rounding.shift_invariant:
            return False
        for operand in self.layer.operands(cast):
            if self.only_cast(operand) == cast:
                assert isinstance(operand.node, Rows)
                word, bounds = operand.node.word(Part.WHOLE)
                return bounds[1] + _constant(cast.node) <= word.max
        return False

    def rounding_constant(self, rows: Rows, gate: int) -> int:
        """The constant in the biases of one gate of ``rows`` that rounds the only cast which reads
        the gate, at the row's scale."""
        cast = self.only_cast(Value(rows, gate, Part.WHOLE))
        if cast is None or not self.folded(cast):
            return 0
        assert isinstance(cast.node, Cast)
        return _constant(cast.node)

    def _serial_cast(self, value: Value) -> bool:
        """Whether ``value`` is a cast that all gates share in front of the gate registers."""
        if not isinstance(value.node, Cast) or self._fed(value):
            return False
        source = self.layer.operands(value)[0]
        if self._serial_shift(source):
            return self._readers[source] == [value]
        return self._alone_behind_gates(source, value)

    def _alone_behind_gates(self, source: Value, reader: Value) -> bool:
        """Whether ``source`` is an accumulator of several gates that ``reader`` alone reads."""
        return (
            isinstance(source.node, Rows)
            and self.layer.phase_gates(source.node.phase) > 1
            and self._only_reader(source) == reader
        )

    def _serial_shift(self, value: Value) -> bool:
        """Whether ``value`` is a shift that all gates share in front of the gate registers."""
        if not isinstance(value.node, Shift) or uniform(value.node.by) or self._fed(value):
            return False
        operands = self.layer.operands(value)
        return bool(operands) and self._alone_behind_gates(operands[0], value)

    def shifter(self, value: Value) -> Shifter | None:
        """The shifter behind the accumulators that computes ``value``; None where none does."""
        if not self._serial_shift(value):
            return None
        assert isinstance(value.node, Shift)
        row = self.layer.operands(value)[0].node
        assert isinstance(row, Rows)
        word = row.word(Part.WHOLE)[0]
        exponent = value.node.by.format
        return Shifter(row.phase, word.fraction, word.signed_width, value.node.format, exponent)

    def shifters(self) -> dict[Shifter, list[Value]]:
        """The shifters behind the accumulators, with the values that they compute."""
        values: dict[Shifter, list[Value]] = {}
        for value in self._readers:
            shifter = self.shifter(value)
            if shifter is not None:
                values.setdefault(shifter, []).append(value)
        return values

    def shifter_widths(self) -> Counter[tuple[int, int]]:
        """How many shifters the post-processors have, by the bits of what they shift and the
        longest shift; those of all gates of a phase once."""
        widths = Counter((shifter.row_bits, shifter.exponent.max) for shifter in self.shifters())
        for value in self._readers:
            node = value.node
            if not isinstance(node, Shift) or self.serial(value) or self.layer.is_constant(node):
                continue
            widths[node.a.format.signed_width, node.by.interval[1]] += 1
        return widths

    def serial(self, value: Value) -> bool:
        """Whether ``value`` is computed in front of the gate registers."""
        if isinstance(value.node, Shift):
            return self._serial_shift(value)
        if isinstance(value.node, Lookup):
            source = self.layer.operands(value)[0]
            return self._readers[source] == [value] and self._serial_cast(source)
        return self._serial_cast(value)

    # --- times -------------------------------------------------------------------------------
    def time(self, value: Value, phase: int) -> int:
        """The cycle in which ``value`` is there."""
        key = phase, value
        if key not in self._times:
            self._times[key] = self._time(value, phase)
        return self._times[key]

    def _time(self, value: Value, phase: int) -> int:
        node, layer = value.node, self.layer
        if isinstance(node, Rows):
            return _WAITING if node.phase < phase else self._accumulated(value)
        if layer.formed(node) and layer.phase(node) < phase:
            return _WAITING
        operands = layer.operands(value)
        if not operands:
            return _WAITING
        if self.serial(value):
            return self.time(operands[0], phase) + (
                cast_latency(node, self.folded(value)) if isinstance(node, Cast) else 1
            )
        ready = max(self.time(operand, phase) for operand in operands)
        if isinstance(node, Gather):
            return ready
        return max(0, ready) + self.latency(value)

    def latency(self, value: Value) -> int:
        """Cycles of the operation behind ``value``."""
        assert isinstance(value.node, Node)
        if isinstance(value.node, Cast) and self.folded(value):
            return cast_latency(value.node, folded=True)
        return LATENCY[type(value.node)](value.node)

    def _accumulated(self, value: Value) -> int:
        assert isinstance(value.node, Rows)
        phase = value.node.phase
        if value.part is Part.LATE:
            return max(0, *(self.time(half, phase) for half in self.layer.operands(value))) + 1
        gates = self.layer.phase_gates(phase)
        captured = 0 if gates == 1 else 1 - (gates - 1 - self.layer.gate_index(value))
        starts = self.layer.operands(value)
        if not starts:
            return captured
        return max(0, captured, *(self.time(start, phase) for start in starts)) + 1

    def depth(self, phase: int) -> int:
        """D: cycles from a unit's last accumulator to its last result."""
        if phase not in self._depths:
            self._depths[phase] = self._depth(phase)
        return self._depths[phase]

    def _depth(self, phase: int) -> int:
        layer, deepest = self.layer, 0
        results = {unwired(node) for node in (*layer.results, *layer.passed)}
        for value in self._readers:
            node = value.node
            if isinstance(node, Rows):
                here = node.phase == phase
            else:
                handled = layer.formed(node) and not layer.in_feed(node)
                here = layer.phase(node) == phase and (handled or node in results)
            if here:
                deepest = max(deepest, self.time(value, phase))
        return deepest
