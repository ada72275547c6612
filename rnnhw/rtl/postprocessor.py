"""The post-processor of one phase: the step graph's element-wise operations as instances.

Time 0 of a unit is the cycle in which its last accumulator is visible (``token[0]``); every
operation is started by the token of its own cycle, so that any unit may follow any number of
cycles behind the one before. A value that is visible at t holds until the next unit's, one
interval later; a reader beyond that reads copies (one register for each interval, not one for each
cycle). Times are those of :class:`rnnhw.accelerator.mapping.PostProcessorSchedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from rnnhw.accelerator.mapping import (
    LayerRows,
    Part,
    PostProcessorSchedule,
    Rows,
    Shifter,
    Value,
    cast_latency,
    uniform,
    word_of,
)
from rnnhw.graph import nodes
from rnnhw.graph.elementwise import ELEMENTWISE
from rnnhw.graph.nodes import (
    Cast,
    Clamp,
    Gather,
    Input,
    Lookup,
    Matvec,
    Node,
    Reinterpret,
    Shift,
    State,
    operation_table,
)
from rnnhw.numerics.cast import OVERFLOW_NUMBER, ROUNDING_NUMBER, Overflow, Q
from rnnhw.numerics.tables import Table
from rnnhw.rtl.modules import OPERATION_MODULES
from rnnhw.rtl.netlist import (
    FALSE,
    Bit,
    Bits,
    Constant,
    Expression,
    Net,
    Number,
    Parameter,
    Signed,
    aligned,
    choice,
    concat,
    literal,
    zeros,
)
from rnnhw.rtl.verilog_text import Module, Wiring

__all__ = ["Accumulators", "PostProcessor"]

_ALWAYS = -(10**6)


@dataclass(frozen=True)
class Accumulators:
    """The outputs of the lanes: their nets, and the scale of a phase's sums."""

    valid: Expression
    gate: Net
    value: Net
    early: Net
    fraction: int


@dataclass
class _Timed:
    """A number, visible at ``time`` of its unit; a constant is always there."""

    number: Number
    time: int
    copies: list[Net] = field(default_factory=list)


@dataclass
class _Read:
    """A value that is read unit by unit: the cycles in which operations read it."""

    cycles: list[int] = field(default_factory=list)

    def advance(self, interval: int) -> int:
        """The cycle in which the memory moves on to the next unit."""
        return min(max(self.cycles), min(self.cycles) + interval - 1)


class PostProcessor:
    """Writes the operations of one phase into a module.

    ``by_unit(value, units, advance)`` instantiates a memory that is read unit by unit, moved on by
    the net ``advance``, and gives its output net; ``by_row(shifter, name, advance)`` does so for
    the exponents of a shifter; ``constants`` are the values known at build time.
    """

    def __init__(
        self,
        module: Module,
        rows: LayerRows,
        schedule: PostProcessorSchedule,
        phase: int,
        sums: Accumulators,
        constants: Mapping[Node, list[int]],
        by_unit: Callable[[Value, int, Expression], Net],
        by_row: Callable[[Shifter, str, Expression], Net],
    ) -> None:
        self._module = module
        self._rows = rows
        self._schedule = schedule
        self._phase = phase
        self._sums = sums
        self._constants = constants
        self._by_unit = by_unit
        self._by_row = by_row
        self._gates = max(rows.phase_gates(phase), 1)
        self._nets: dict[Value, _Timed] = {}
        self._reads: dict[Value, _Read] = {}
        self._casts: dict[tuple[object, ...], Net] = {}
        self._tables: dict[tuple[object, ...], Net] = {}
        self._shifters: dict[Shifter, Net] = {}
        self._last_token = 0
        self._last_row_token = 0
        self.depth = schedule.depth(phase)
        prefix = f"p{phase}_" if rows.last_phase else ""
        # How many bits the tokens have is known when all their readers are written.
        self._token = Net(module.fresh(f"{prefix}token"))
        self._row_token = Net(module.fresh(f"{prefix}row_token"))
        self._row_gate = module.fresh(f"{prefix}row_gate")
        self._prefix = prefix

    # --- what the layer asks ---------------------------------------------------------------------
    def note(self, value: Value) -> None:
        """Announce a result that is asked for, before anything is written."""
        for operand, at in self._uses(value, max(self._schedule.time(value, self._phase), 0)):
            if self._schedule.is_stored(operand, self._phase):
                self._reads.setdefault(operand, _Read()).cycles.append(at)

    def written_at(self, value: Value) -> int:
        """When a memory can take ``value``: once it is there, and once what it replaces is read."""
        time = max(self._schedule.time(value, self._phase), 0)
        for read in self._reads.values():
            time = max(time, read.advance(self._gates))
        return min(time, self.depth)

    def token(self, cycle: int) -> Bit:
        """The bit that is high in the ``cycle`` of every unit."""
        self._last_token = max(self._last_token, cycle)
        return self._token.bit(cycle)

    def read(self, value: Value, cycle: int, width: int) -> Number:
        """The net that holds ``value`` in ``cycle``, in ``width`` bits; written on first use."""
        number = self._copy(self._net(value), cycle)
        if number.width == width:
            return number
        if not isinstance(number, Net):
            number = self._module.wire(f"{self._prefix}constant", number.width, number)
        held = self._module.wire(f"{number.name}_of{width}", width)
        more = width > number.width
        self._module.assign(held, aligned(number, width) if more else _low(number, width))
        return held

    def finish(self) -> None:
        """Write the tokens that were used."""
        sums, last = self._sums, self._sums.valid
        if self._gates > 1:
            last = sums.valid & sums.gate.equals(self._gates - 1)
            self._shift_register(self._row_token, sums.valid, self._last_row_token)
            for stage in range(self._last_row_token + 1):
                if stage:
                    self._module.delayed(self._gate(stage), self._gate(stage - 1))
                else:
                    self._module.assign(self._module.declare_as(self._gate(0), "wire"), sums.gate)
        self._shift_register(self._token, last, self._last_token)

    def _gate(self, stage: int) -> Net:
        """The number of the row among those of its unit, ``stage`` cycles later."""
        return Net(f"{self._row_gate}{stage}", self._sums.gate.width)

    # --- times -----------------------------------------------------------------------------------
    def _uses(self, value: Value, cycle: int) -> Iterator[tuple[Value, int]]:
        """``value`` read at ``cycle``, and everything that is read to compute it."""
        pending, seen = [(value, cycle)], set()
        while pending:
            top, at = pending.pop()
            yield top, at
            if top in seen or self._schedule.is_stored(top, self._phase):
                continue
            seen.add(top)
            start = self._start(top)
            pending += [(operand, start) for operand in self._schedule.operands(top)]

    def _start(self, value: Value) -> int:
        """The cycle in which the operation behind ``value`` reads its operands."""
        times = [self._schedule.time(o, self._phase) for o in self._schedule.operands(value)]
        if isinstance(value.node, Rows) and value.part is not Part.LATE:
            times.append(self._captured(value))
        return max([0, *times])

    def _captured(self, value: Value) -> int:
        """When an accumulator is there for all later cycles of its unit."""
        if self._gates == 1:
            return 0
        return 1 - (self._gates - 1 - self._rows.gate_index(value))

    # --- nets ------------------------------------------------------------------------------------
    def _net(self, value: Value) -> _Timed:
        if value not in self._nets:
            self._nets[value] = self._written(value)
        return self._nets[value]

    def _written(self, value: Value) -> _Timed:
        node = value.node
        if self._schedule.is_stored(value, self._phase):
            return self._stored(value)
        if isinstance(node, Rows):
            return self._accumulator(value)
        if self._schedule.serial(value):
            return self._serial(value)
        return _OPERATIONS[type(node)](self, value)

    def _copy(self, net: _Timed, cycle: int) -> Number:
        """``net`` as it is read in ``cycle``: itself, or a copy where it has moved on."""
        number = net.number
        if not isinstance(number, Net):
            return number
        behind = max(0, (cycle - net.time) // self._gates)
        while len(net.copies) < behind:
            older = net.copies[-1] if net.copies else number
            count = len(net.copies) + 1
            copy = self._module.wire(f"{number.name}_{count}", number.width)
            self._register(copy, self.token(net.time + count * self._gates - 1), older)
            net.copies.append(copy)
        return net.copies[behind - 1] if behind else number

    def _register(self, net: Net, enable: Expression, source: Expression) -> None:
        ports: dict[str, Wiring] = {"clk": "clk", "en": enable, "d": source, "q": net}
        name = f"{net.name}_register"
        self._module.instance("rnnhw_register", name, {"WIDTH": net.width}, ports)

    def _gate_register(self, net: Net, stage: int, gate: int, source: Expression) -> None:
        """A register that takes what comes ``stage`` cycles behind the row of a gate."""
        self._register(net, self._row_at(stage) & self._gate(stage).equals(gate), source)

    def _new(self, value: Value) -> Net:
        """The net of a result, declared."""
        assert isinstance(value.node, Node)
        suffix = f"_{value.gate}" if value.gate else ""
        width = self._schedule.bits(value, self._phase)
        return self._module.wire(f"{value.node.name}{suffix}", width)

    def _result(self, value: Value, result: Net) -> _Timed:
        return _Timed(result, self._schedule.time(value, self._phase))

    def _stored(self, value: Value) -> _Timed:
        node = value.node
        if isinstance(node, Node) and self._rows.is_constant(node):
            numbers = self._constants[node]
            if uniform(node):
                width = max(node.format.signed_width, 1)
                return _Timed(literal(numbers[0], width), _ALWAYS)
        advance = self._reads[value].advance(self._gates)
        units = self._rows.widths[self._phase]
        net = self._by_unit(value, units, self.token(advance))
        return _Timed(net, advance + 1 - self._gates)

    # --- accumulators ----------------------------------------------------------------------------
    def _sliced(self, value: Value) -> Bits:
        """The accumulator at the scale of its row: the bits below hold nothing."""
        assert isinstance(value.node, Rows)
        source = self._sums.early if value.part is Part.EARLY else self._sums.value
        drop = self._sums.fraction - word_of(value).fraction
        return source.slice(source.width - 1, drop) if drop else source

    def _accumulator(self, value: Value) -> _Timed:
        assert isinstance(value.node, Rows)
        rows = value.node
        if value.part is Part.LATE:
            return self._difference(value)
        source = self._sliced(value)
        width = min(source.width, word_of(value).signed_width)
        name, low = self._row_name(value), _low(source, width)
        if self._gates == 1:
            net = _Timed(self._module.wire(name, width, low), 0)
        else:
            wire = self._module.wire(name, width)
            self._gate_register(wire, 0, self._rows.gate_index(value), low)
            net = _Timed(wire, self._captured(value))
        if rows.computed is None or value.part is Part.EARLY:
            return net
        (start,) = self._rows.operands(value)
        cycle = self._start(value)
        other = self._net(start)
        result = self._module.wire(f"{name}_started", width)
        shift = word_of(value).fraction - word_of(start).fraction
        numbers = [self._copy(net, cycle), self._copy(other, cycle)]
        self._add(result, numbers, [0, shift], cycle)
        return _Timed(result, cycle + 1)

    def _difference(self, value: Value) -> _Timed:
        """The late columns alone: the whole row minus its snapshot, in the row's word."""
        operands = self._rows.operands(value)
        nets = [self._net(operand) for operand in operands]
        fractions = [word_of(operand).fraction for operand in operands]
        width, fraction = word_of(value).signed_width, word_of(value).fraction
        finest = max(fraction, *fractions)
        cycle = self._start(value)
        # Bits below the row's own scale cancel: both hold what the early columns put there.
        full = width + finest - fraction
        net = self._module.wire(f"{self._row_name(value)}{'_scaled' * (finest > fraction)}", full)
        shifts = [finest - each for each in fractions]
        numbers = [self._copy(operand, cycle) for operand in nets]
        self._add(net, numbers, shifts, cycle, subtract=True)
        if finest > fraction:
            bits = Signed(net.slice(full - 1, finest - fraction))
            net = self._module.wire(self._row_name(value), width, bits)
        return _Timed(net, cycle + 1)

    def _row_name(self, value: Value) -> str:
        assert isinstance(value.node, Rows)
        products = dict(value.node.values)
        product = products.get(value.part or Part.WHOLE, value.node.products[-1])
        suffix = f"_{value.gate}" if value.gate else ""
        if value.part is Part.WHOLE and value.part not in products:
            suffix += "_whole"
        return f"{product.name}{suffix}"

    # --- in front of the gate registers ----------------------------------------------------------
    def _row_at(self, stage: int) -> Bit:
        self._last_row_token = max(self._last_row_token, stage)
        return self._row_token.bit(stage)

    def _serial(self, value: Value) -> _Timed:
        """A shift, a cast and a table that all gates share, or some of these, then a register for
        each gate."""
        net, stage, index = self._shared(value)
        result = self._new(value)
        self._gate_register(result, stage, index, net)
        return self._result(value, result)

    def _shared(self, value: Value) -> tuple[Net, int, int]:
        """The net of an operation that all gates share, the cycle behind the row's in which it is
        there, and the gate's number."""
        (operand, *_) = self._rows.operands(value)
        if isinstance(value.node, Shift):
            shifted = self._shared_shift(value, self._sliced(operand))
            return shifted, 1, self._rows.gate_index(operand)
        if isinstance(value.node, Lookup):
            net, stage, index = self._shared(operand)
            return self._shared_table(value, net, stage), stage + 1, index
        source: Bits
        if isinstance(operand.node, Rows):
            source, stage, index = self._sliced(operand), 0, self._rows.gate_index(operand)
        else:
            source, stage, index = self._shared(operand)
        net, latency = self._shared_cast(value, source, stage)
        return net, stage + latency, index

    def _shared_shift(self, value: Value, source: Bits) -> Net:
        """The shifter of all gates, with the memory of what each row is shifted by."""
        shifter = self._schedule.shifter(value)
        assert shifter is not None
        if shifter not in self._shifters:
            name = f"{self._prefix}row_shift{len(self._shifters)}"
            net = self._module.wire(name, shifter.result.signed_width)
            by = self._by_row(shifter, f"{name}_by", self._row_at(0))
            bits = min(source.width, shifter.row_bits)
            self._shift(net, _low(source, bits), by, self._row_at(0))
            self._shifters[shifter] = net
        return self._shifters[shifter]

    def _shared_cast(self, value: Value, source: Bits, stage: int) -> tuple[Net, int]:
        """The net of a cast, and its latency."""
        node = value.node
        assert isinstance(node, Cast)
        folded = self._schedule.folded(value)
        latency = cast_latency(node, folded)
        drop = node.a.format.fraction - node.format.fraction
        key = source, drop, node.format, folded
        bits = self._schedule.bits(value, self._phase)
        if key not in self._casts:
            name = f"{self._prefix}row_cast{len(self._casts)}"
            wire = self._module.wire(name, bits)
            enable = concat(self._row_at(stage + latency - 1), self._row_at(stage))
            self._cast(wire, node, folded, _low(source, source.width), enable)
            self._casts[key] = wire
        return self._casts[key], latency

    def _shared_table(self, value: Value, net: Net, stage: int) -> Net:
        """The table of a gate among those of all gates behind one cast."""
        node = value.node
        assert isinstance(node, Lookup)
        key = net, node.table.format
        if key in self._tables:
            return self._tables[key]
        gates = self._gates_behind(net, node.table.format)
        tables = list({n.table.contents: n.table for n in gates.values()}.values())
        numbers = {table.contents: number for number, table in enumerate(tables)}
        bits = max((len(tables) - 1).bit_length(), 1)
        name = f"{self._prefix}row_table{len(self._tables)}"
        result = self._module.wire(name, node.format.signed_width)
        cases = (
            (self._gate(stage).equals(gate), Constant(number, bits))
            for gate, n in gates.items()
            if (number := numbers[n.table.contents])
        )
        select = choice(*cases, otherwise=Constant(0, bits))
        self._lookup(result, result.name, tables, net, self._row_at(stage), select)
        self._tables[key] = result
        return result

    def _gates_behind(self, net: Net, format: Q) -> dict[int, Lookup]:
        """The lookups of this phase that read the shared cast ``net``, by gate."""
        lookups: dict[int, Lookup] = {}
        for value in self._schedule.values:
            node = value.node
            if not isinstance(node, Lookup) or node.table.format != format:
                continue
            if not self._schedule.serial(value) or self._rows.phase(node) != self._phase:
                continue
            (cast,) = self._rows.operands(value)
            shared, _, gate = self._shared(cast)
            if shared == net:
                lookups[gate] = node
        return lookups

    # --- operations ------------------------------------------------------------------------------
    def _instance(
        self,
        module: str,
        result: Net,
        parameters: Mapping[str, Parameter],
        ports: Mapping[str, Expression],
    ) -> None:
        self._module.instance(
            module, f"{result.name}_unit", parameters, {"clk": "clk", **ports, "y": result}
        )

    def _add(
        self,
        result: Net,
        operands: Sequence[Number],
        shifts: Sequence[int],
        cycle: int,
        *,
        subtract: bool = False,
    ) -> None:
        """An adder of two numbers, shifted left, that starts in ``cycle``."""
        a, b = operands
        self._instance(
            "rnnhw_add",
            result,
            {
                "A_WIDTH": a.width,
                "A_SHIFT": shifts[0],
                "B_WIDTH": b.width,
                "B_SHIFT": shifts[1],
                "WIDTH": result.width,
                "SUBTRACT": int(subtract),
            },
            {"en": self.token(cycle), "a": a, "b": b},
        )

    def _read(self, value: Value) -> tuple[list[Number], int]:
        """The operands as they are read, and the cycle."""
        cycle, operands = self._start(value), self._rows.operands(value)
        nets = [self._net(operand) for operand in operands]
        return [self._copy(net, cycle) for net in nets], cycle

    def elementwise(self, value: Value) -> _Timed:
        """An elementwise operation as its static module."""
        node, facts = value.node, OPERATION_MODULES[type(value.node)]
        assert isinstance(node, Node)
        numbers, cycle = self._read(value)
        names = [each.name for each in fields(node) if isinstance(getattr(node, each.name), Node)]
        result, ports = self._new(value), dict(zip(names, numbers, strict=True))
        parameters: dict[str, Parameter] = {}
        for operand, (name, number) in zip(node.operands, ports.items(), strict=True):
            parameters[f"{name.upper()}_WIDTH"] = number.width
            if name in facts.aligned:
                shift = node.format.fraction - operand.format.fraction
                parameters[f"{name.upper()}_SHIFT"] = shift
        parameters |= {"WIDTH": result.width, **facts.constants}
        tokens = [self.token(cycle + each) for each in range(self._schedule.latency(value))]
        enable = concat(*reversed(tokens)) if len(tokens) > 1 else tokens[0]
        self._instance(facts.module, result, parameters, {"en": enable, **ports})
        return self._result(value, result)

    def _shift(self, result: Net, a: Number, by: Number, enable: Expression) -> None:
        self._instance(
            "rnnhw_shift",
            result,
            {"A_WIDTH": a.width, "BY_WIDTH": by.width, "WIDTH": result.width},
            {"en": enable, "a": a, "by": by},
        )

    def clamp(self, value: Value) -> _Timed:
        """A value limited from below and above."""
        node = value.node
        assert isinstance(node, Clamp)
        (a,), cycle = self._read(value)
        result = self._new(value)
        # Limits beyond the operand's word limit nothing: they are drawn in to fit it.
        ends = -(1 << (a.width - 1)), (1 << (a.width - 1)) - 1
        low, high = (min(max(limit, ends[0]), ends[1]) for limit in node.limits)
        self._instance(
            "rnnhw_clamp",
            result,
            {
                "A_WIDTH": a.width,
                "LOW": literal(low, a.width),
                "HIGH": literal(high, a.width),
                "WIDTH": result.width,
            },
            {"en": self.token(cycle), "a": a},
        )
        return self._result(value, result)

    def cast(self, value: Value) -> _Timed:
        """A value rounded and fitted into a word."""
        node = value.node
        assert isinstance(node, Cast)
        (a,), cycle = self._read(value)
        folded = self._schedule.folded(value)
        result = self._new(value)
        latency = cast_latency(node, folded)
        enable = concat(self.token(cycle + latency - 1), self.token(cycle))
        self._cast(result, node, folded, a, enable)
        return self._result(value, result)

    def _cast(
        self, result: Net, node: Cast, folded: bool, source: Number, enable: Expression
    ) -> None:
        """A cast; where its result has fewer bits than the word, it fits."""
        fits = result.width < node.format.signed_width
        self._instance(
            "rnnhw_cast",
            result,
            {
                "A_WIDTH": source.width,
                "DROP": node.a.format.fraction - node.format.fraction,
                "ROUNDING": ROUNDING_NUMBER[node.format.rounding],
                "OVERFLOW": OVERFLOW_NUMBER[Overflow.WRAP if fits else node.format.overflow],
                "WIDTH": result.width if fits else node.format.width,
                "UNSIGNED": int(not node.format.signed),
                "FOLDED": int(folded),
                "LATENCY": cast_latency(node, folded),
            },
            {"en": enable, "a": source},
        )

    def lookup(self, value: Value) -> _Timed:
        """An entry of a table."""
        node = value.node
        assert isinstance(node, Lookup)
        (a,), cycle = self._read(value)
        result = self._new(value)
        name = f"{result.name}_table"
        self._lookup(result, name, [node.table], a, self.token(cycle), FALSE)
        return self._result(value, result)

    def _lookup(
        self,
        result: Net,
        name: str,
        tables: Sequence[Table],
        number: Number,
        enable: Expression,
        select: Expression,
    ) -> None:
        """Tables of one format in one memory, ``name``, of which the number ``select`` is read."""
        assert isinstance(number, Net), "a table of a constant is a constant"
        words = [int(entry) for table in tables for entry in table.entries]
        unsigned, address = all(table.unsigned for table in tables), tables[0].address.width
        width, whole = tables[0].word_bits(unsigned), address <= number.width
        self._instance(
            "rnnhw_lookup",
            result,
            {
                "ADDRESS_WIDTH": address,
                "WIDTH": width,
                "UNSIGNED": int(unsigned),
                "TABLES": len(tables),
                "SELECT_WIDTH": max((len(tables) - 1).bit_length(), 1),
                "FILE": self._module.table(name, words, width),
            },
            {
                "en": enable,
                "select": select,
                "a": number.slice(address - 1, 0) if whole else aligned(number, address),
            },
        )

    def refuse(self, value: Value) -> _Timed:
        """An operation that has no place in a post-processor."""
        raise AssertionError(f"{value.node} is no operation of a post-processor")

    def _shift_register(self, bits: Net, head: Expression, last: int) -> None:
        """A net whose bit k is ``head``, k cycles later."""
        module = self._module
        token = module.declare_as(Net(bits.name, last + 1), "wire")
        if not last:
            module.assign(token, head)
            return
        behind = module.declare_as(Net(f"{token.name}_behind", last, lowest=1), "reg")
        module.assign(token, concat(behind, head))
        moved = token.slice(last - 1, 0)
        module.clocked(behind, choice((module.nets["rst"], zeros(last)), otherwise=moved))


def _low(source: Bits, width: int) -> Number:
    """The low ``width`` bits of a number."""
    if isinstance(source, Net):
        return source if width == source.width else Signed(source.slice(width - 1, 0))
    return Signed(source.net.slice(source.low + width - 1, source.low))


_OPERATIONS: Mapping[type, Callable[[PostProcessor, Value], _Timed]] = operation_table(
    {
        Input: PostProcessor.refuse,
        State: PostProcessor.refuse,
        nodes.Constant: PostProcessor.refuse,
        Matvec: PostProcessor.refuse,
        **dict.fromkeys(ELEMENTWISE, PostProcessor.elementwise),
        Clamp: PostProcessor.clamp,
        Gather: PostProcessor.refuse,
        Reinterpret: PostProcessor.refuse,
        Cast: PostProcessor.cast,
        Lookup: PostProcessor.lookup,
    }
)
