"""The post-processor of one phase: the step graph's element-wise operations as instances.

Time 0 of a unit is the cycle in which its last accumulator is visible (``token[0]``); every
operation is started by the token of its own cycle, so that any unit may follow any number of
cycles behind the one before. A value that is visible at t holds until the next unit's, one
interval later; a reader beyond that reads copies (one register for each interval, not one for each
cycle). Times are those of :class:`rnnhw.accelerator.mapping.PostProcessorSchedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

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
)
from rnnhw.numerics.cast import OVERFLOW_NUMBER, ROUNDING_NUMBER, Overflow, Q
from rnnhw.rtl.verilog_text import Module, literal

__all__ = ["Accumulators", "PostProcessor"]

_ALWAYS = -(10**6)


@dataclass(frozen=True)
class Accumulators:
    """What leaves the lanes: net names, the width of the sums, and the scale of a phase's."""

    valid: str
    gate: str
    value: str
    early: str
    gate_bits: int
    width: int
    fraction: int


@dataclass
class _Net:
    """A signed net, visible at ``time`` of its unit; with ``constant`` it never changes."""

    name: str
    width: int
    time: int
    constant: bool = False
    copies: list[str] = field(default_factory=list)


@dataclass
class _Read:
    """What is read unit by unit: the cycles in which operations read it."""

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
        by_unit: Callable[[Value, int, str], str],
        by_row: Callable[[Shifter, str, str], str],
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
        self._nets: dict[Value, _Net] = {}
        self._reads: dict[Value, _Read] = {}
        self._casts: dict[tuple[object, ...], str] = {}
        self._tables: dict[tuple[object, ...], str] = {}
        self._shifters: dict[Shifter, str] = {}
        self._last_token = 0
        self._last_row_token = 0
        self.depth = schedule.depth(phase)
        prefix = f"p{phase}_" if rows.last_phase else ""
        self._token = module.fresh(f"{prefix}token")
        self._row_token = module.fresh(f"{prefix}row_token")
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

    def token(self, cycle: int) -> str:
        """The net that is high in the ``cycle`` of every unit."""
        self._last_token = max(self._last_token, cycle)
        return f"{self._token}[{cycle}]"

    def read(self, value: Value, cycle: int, width: int) -> str:
        """The net that holds ``value`` in ``cycle``, in ``width`` bits; written on first use."""
        net = self._net(value)
        name = self._copy(net, cycle)
        if net.width == width:
            return name
        if net.constant:
            name = self._module.wire(f"{self._prefix}constant", net.width, name)
        held = self._module.wire(f"{name}_of{width}", width)
        if net.width > width:
            self._module.add(f"assign {held} = {_low(name, width, net.width)};")
        else:
            extended = f"{{{width - net.width}{{{name}[{net.width - 1}]}}}}"
            self._module.add(f"assign {held} = {{{extended}, {name}}};")
        return held

    def finish(self) -> None:
        """Write the tokens that were used."""
        sums, last = self._sums, self._sums.valid
        if self._gates > 1:
            last = f"{sums.valid} & ({sums.gate} == {self._gate(self._gates - 1)})"
            self._shift_register(self._row_token, sums.valid, self._last_row_token)
            bits = self._gate_bits
            for stage in range(self._last_row_token + 1):
                name = f"{self._row_gate}{stage}"
                self._module.declarations.append(
                    f"{'reg' if stage else 'wire'} [{bits - 1}:0] {name};"
                )
                if stage:
                    before = f"{self._row_gate}{stage - 1}"
                    self._module.add(f"always @(posedge clk) {name} <= {before};")
                else:
                    self._module.add(f"assign {name} = {sums.gate};")
        self._shift_register(self._token, last, self._last_token)

    @property
    def _gate_bits(self) -> int:
        return self._sums.gate_bits

    def _gate(self, index: int) -> str:
        return f"{self._gate_bits}'d{index}"

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
    def _net(self, value: Value) -> _Net:
        if value not in self._nets:
            self._nets[value] = self._written(value)
        return self._nets[value]

    def _written(self, value: Value) -> _Net:
        node = value.node
        if self._schedule.is_stored(value, self._phase):
            return self._stored(value)
        if isinstance(node, Rows):
            return self._accumulator(value)
        if self._schedule.serial(value):
            return self._serial(value)
        return _OPERATIONS[type(node)](self, value)

    def _copy(self, net: _Net, cycle: int) -> str:
        """``net`` as it is read in ``cycle``: itself, or a copy where it has moved on."""
        behind = 0 if net.constant else max(0, (cycle - net.time) // self._gates)
        while len(net.copies) < behind:
            older = net.copies[-1] if net.copies else net.name
            count = len(net.copies) + 1
            name = self._module.wire(f"{net.name}_{count}", net.width)
            at = net.time + count * self._gates - 1
            self._register(name, net.width, self.token(at), older)
            net.copies.append(name)
        return net.copies[behind - 1] if behind else net.name

    def _register(self, name: str, width: int, enable: str, source: str) -> None:
        ports = {"clk": "clk", "en": enable, "d": source, "q": name}
        self._module.instance("rnnhw_register", f"{name}_register", {"WIDTH": width}, ports)

    def _new(self, value: Value) -> _Net:
        """The net of a result, declared."""
        assert isinstance(value.node, Node)
        suffix = f"_{value.gate}" if value.gate else ""
        width = self._schedule.bits(value, self._phase)
        name = self._module.wire(f"{value.node.name}{suffix}", width)
        return _Net(name, width, self._schedule.time(value, self._phase))

    def _stored(self, value: Value) -> _Net:
        node = value.node
        if isinstance(node, Node) and self._rows.is_constant(node):
            numbers = self._constants[node]
            if uniform(node):
                width = max(node.format.signed_width, 1)
                return _Net(literal(numbers[0], width), width, _ALWAYS, constant=True)
        format = word_of(value)
        advance = self._reads[value].advance(self._gates)
        units = self._rows.widths[self._phase]
        name = self._by_unit(value, units, self.token(advance))
        return _Net(name, format.signed_width, advance + 1 - self._gates)

    # --- accumulators ----------------------------------------------------------------------------
    def _sliced(self, value: Value) -> tuple[str, int]:
        """The accumulator at the scale of its row: the bits below hold nothing. (net, width)"""
        assert isinstance(value.node, Rows)
        source = self._sums.early if value.part is Part.EARLY else self._sums.value
        drop = self._sums.fraction - word_of(value).fraction
        if not drop:
            return source, self._sums.width
        return f"$signed({source}[{self._sums.width - 1}:{drop}])", self._sums.width - drop

    def _accumulator(self, value: Value) -> _Net:
        assert isinstance(value.node, Rows)
        rows = value.node
        if value.part is Part.LATE:
            return self._difference(value)
        source, full = self._sliced(value)
        width = min(full, word_of(value).signed_width)
        name = self._row_name(value)
        if self._gates == 1:
            net = _Net(self._module.wire(name, width, _low(source, width, full)), width, 0)
        else:
            index = self._rows.gate_index(value)
            wire = self._module.wire(name, width)
            enable = f"{self._row_at(0)} & ({self._row_gate}0 == {self._gate(index)})"
            self._register(wire, width, enable, _low(source, width, full))
            net = _Net(wire, width, self._captured(value))
        if rows.computed is None or value.part is Part.EARLY:
            return net
        (start,) = self._rows.operands(value)
        cycle = self._start(value)
        other = self._net(start)
        result = self._module.wire(f"{name}_started", width)
        shift = word_of(value).fraction - word_of(start).fraction
        self._instance(
            "rnnhw_add",
            result,
            {
                "A_WIDTH": width,
                "A_SHIFT": 0,
                "B_WIDTH": other.width,
                "B_SHIFT": shift,
                "WIDTH": width,
                "SUBTRACT": 0,
            },
            {"en": self.token(cycle), "a": self._copy(net, cycle), "b": self._copy(other, cycle)},
        )
        return _Net(result, width, cycle + 1)

    def _difference(self, value: Value) -> _Net:
        """The late columns alone: the whole row minus its snapshot, in the row's word."""
        operands = self._rows.operands(value)
        whole, early = (self._net(operand) for operand in operands)
        fractions = [word_of(operand).fraction for operand in operands]
        width, fraction = word_of(value).signed_width, word_of(value).fraction
        finest = max(fraction, *fractions)
        cycle = self._start(value)
        # Bits below the row's own scale cancel: both hold what the early columns put there.
        full = width + finest - fraction
        name = self._module.wire(f"{self._row_name(value)}{'_scaled' * (finest > fraction)}", full)
        self._instance(
            "rnnhw_add",
            name,
            {
                "A_WIDTH": whole.width,
                "A_SHIFT": finest - fractions[0],
                "B_WIDTH": early.width,
                "B_SHIFT": finest - fractions[1],
                "WIDTH": full,
                "SUBTRACT": 1,
            },
            {
                "en": self.token(cycle),
                "a": self._copy(whole, cycle),
                "b": self._copy(early, cycle),
            },
        )
        if finest > fraction:
            bits = f"$signed({name}[{full - 1}:{finest - fraction}])"
            name = self._module.wire(self._row_name(value), width, bits)
        return _Net(name, width, cycle + 1)

    def _row_name(self, value: Value) -> str:
        assert isinstance(value.node, Rows)
        products = dict(value.node.values)
        product = products.get(value.part or Part.WHOLE, value.node.products[-1])
        suffix = f"_{value.gate}" if value.gate else ""
        if value.part is Part.WHOLE and value.part not in products:
            suffix += "_whole"
        return f"{product.name}{suffix}"

    # --- in front of the gate registers ----------------------------------------------------------
    def _row_at(self, stage: int) -> str:
        self._last_row_token = max(self._last_row_token, stage)
        return f"{self._row_token}[{stage}]"

    def _serial(self, value: Value) -> _Net:
        """A shift, a cast and a table that all gates share, or some of these, then a register for
        each gate."""
        net, stage, index = self._shared(value)
        result = self._new(value)
        enable = f"{self._row_at(stage)} & ({self._row_gate}{stage} == {self._gate(index)})"
        self._register(result.name, result.width, enable, net)
        return result

    def _shared(self, value: Value) -> tuple[str, int, int]:
        """The net of an operation that all gates share, the cycle behind the row's in which it is
        there, and the gate's number."""
        (operand, *_) = self._rows.operands(value)
        if isinstance(value.node, Shift):
            source, width = self._sliced(operand)
            return self._shared_shift(value, source, width), 1, self._rows.gate_index(operand)
        if isinstance(value.node, Lookup):
            net, stage, index = self._shared(operand)
            return self._shared_table(value, operand, index, net, stage), stage + 1, index
        if isinstance(operand.node, Rows):
            source, width = self._sliced(operand)
            stage, index = 0, self._rows.gate_index(operand)
        else:
            source, stage, index = self._shared(operand)
            width = self._schedule.bits(operand, self._phase)
        net, latency = self._shared_cast(value, source, width, stage)
        return net, stage + latency, index

    def _shared_shift(self, value: Value, source: str, width: int) -> str:
        """The shifter of all gates, with the memory of what each row is shifted by."""
        shifter = self._schedule.shifter(value)
        assert shifter is not None
        if shifter not in self._shifters:
            name = f"{self._prefix}row_shift{len(self._shifters)}"
            net = self._module.wire(name, shifter.result.signed_width)
            by = self._by_row(shifter, f"{name}_by", self._row_at(0))
            bits = min(width, shifter.row_bits)
            self._shift_instance(
                net,
                (_low(source, bits, width), bits),
                (by, shifter.exponent.signed_width),
                shifter.result.signed_width,
                self._row_at(0),
            )
            self._shifters[shifter] = net
        return self._shifters[shifter]

    def _shared_cast(self, value: Value, source: str, width: int, stage: int) -> tuple[str, int]:
        """The net of a cast from ``width`` bits, and its latency."""
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
            enable = f"{{{self._row_at(stage + latency - 1)}, {self._row_at(stage)}}}"
            self._cast_instance(wire, bits, node, folded, source, width, enable)
            self._casts[key] = wire
        return self._casts[key], latency

    def _shared_table(self, value: Value, operand: Value, index: int, net: str, stage: int) -> str:
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
        words = [int(entry) for table in tables for entry in table.entries]
        unsigned = all(table.unsigned for table in tables)
        name = self._module.wire(
            f"{self._prefix}row_table{len(self._tables)}", node.format.signed_width
        )
        width = node.table.word_bits(unsigned)
        file = self._module.table(name, words, width)
        chosen = "".join(
            f"{self._row_gate}{stage} == {self._gate(gate)} ? {bits}'d{number} : "
            for gate, n in gates.items()
            if (number := numbers[n.table.contents])
        )
        self._row_at(stage)
        address = node.table.address.width
        self._instance(
            "rnnhw_lookup",
            name,
            {
                "ADDRESS_WIDTH": address,
                "WIDTH": width,
                "UNSIGNED": int(unsigned),
                "TABLES": len(tables),
                "SELECT_WIDTH": bits,
                "FILE": f'"{file}"',
            },
            {
                "en": self._row_at(stage),
                "select": f"{chosen}{bits}'d0",
                "a": _address(net, self._schedule.bits(operand, self._phase), address),
            },
        )
        self._tables[key] = name
        return name

    def _gates_behind(self, net: str, format: Q) -> dict[int, Lookup]:
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
        self, module: str, name: str, parameters: Mapping[str, int | str], ports: Mapping[str, str]
    ) -> None:
        self._module.instance(
            module, f"{name}_unit", parameters, {"clk": "clk", **ports, "y": name}
        )

    def _two(self, value: Value) -> tuple[list[_Net], list[str], int]:
        """The operands' nets, as they are read, and the cycle."""
        cycle, operands = self._start(value), self._rows.operands(value)
        nets = [self._net(operand) for operand in operands]
        return nets, [self._copy(net, cycle) for net in nets], cycle

    def _shifts(self, value: Value, *operands: Node) -> list[int]:
        assert isinstance(value.node, Node)
        return [value.node.format.fraction - operand.format.fraction for operand in operands]

    def add(self, value: Value) -> _Net:
        """A sum or a difference."""
        node = value.node
        assert isinstance(node, Add | Subtract)
        (a, b), read, cycle = self._two(value)
        shifts = self._shifts(value, node.a, node.b)
        result = self._new(value)
        self._instance(
            "rnnhw_add",
            result.name,
            {
                "A_WIDTH": a.width,
                "A_SHIFT": shifts[0],
                "B_WIDTH": b.width,
                "B_SHIFT": shifts[1],
                "WIDTH": result.width,
                "SUBTRACT": int(isinstance(node, Subtract)),
            },
            {"en": self.token(cycle), "a": read[0], "b": read[1]},
        )
        return result

    def multiply(self, value: Value) -> _Net:
        """A product."""
        node = value.node
        assert isinstance(node, Multiply)
        (a, b), read, cycle = self._two(value)
        result = self._new(value)
        self._instance(
            "rnnhw_multiply",
            result.name,
            {"A_WIDTH": a.width, "B_WIDTH": b.width, "WIDTH": result.width},
            {"en": f"{{{self.token(cycle + 1)}, {self.token(cycle)}}}", "a": read[0], "b": read[1]},
        )
        return result

    def select(self, value: Value) -> _Net:
        """One of two values by a third one's sign."""
        node = value.node
        assert isinstance(node, Select)
        (s, a, b), read, cycle = self._two(value)
        shifts = self._shifts(value, node.a, node.b)
        result = self._new(value)
        self._instance(
            "rnnhw_select",
            result.name,
            {
                "S_WIDTH": s.width,
                "A_WIDTH": a.width,
                "A_SHIFT": shifts[0],
                "B_WIDTH": b.width,
                "B_SHIFT": shifts[1],
                "WIDTH": result.width,
            },
            {"en": self.token(cycle), "s": read[0], "a": read[1], "b": read[2]},
        )
        return result

    def shift(self, value: Value) -> _Net:
        """A value times a power of two of its unit."""
        node = value.node
        assert isinstance(node, Shift)
        (a, by), read, cycle = self._two(value)
        result = self._new(value)
        self._shift_instance(
            result.name, (read[0], a.width), (read[1], by.width), result.width, self.token(cycle)
        )
        return result

    def _shift_instance(
        self, name: str, a: tuple[str, int], by: tuple[str, int], width: int, enable: str
    ) -> None:
        self._instance(
            "rnnhw_shift",
            name,
            {"A_WIDTH": a[1], "BY_WIDTH": by[1], "WIDTH": width},
            {"en": enable, "a": a[0], "by": by[0]},
        )

    def clamp(self, value: Value) -> _Net:
        """A value limited from below and above."""
        node = value.node
        assert isinstance(node, Clamp)
        (a,), read, cycle = self._two(value)
        result = self._new(value)
        # Limits beyond the operand's word limit nothing: they are drawn in to fit it.
        ends = -(1 << (a.width - 1)), (1 << (a.width - 1)) - 1
        low, high = (min(max(limit, ends[0]), ends[1]) for limit in node.limits)
        self._instance(
            "rnnhw_clamp",
            result.name,
            {
                "A_WIDTH": a.width,
                "LOW": literal(low, a.width),
                "HIGH": literal(high, a.width),
                "WIDTH": result.width,
            },
            {"en": self.token(cycle), "a": read[0]},
        )
        return result

    def cast(self, value: Value) -> _Net:
        """A value rounded and fitted into a word."""
        node = value.node
        assert isinstance(node, Cast)
        (a,), read, cycle = self._two(value)
        folded = self._schedule.folded(value)
        result = self._new(value)
        latency = cast_latency(node, folded)
        enable = f"{{{self.token(cycle + latency - 1)}, {self.token(cycle)}}}"
        self._cast_instance(result.name, result.width, node, folded, read[0], a.width, enable)
        return result

    def _cast_instance(
        self,
        name: str,
        bits: int,
        node: Cast,
        folded: bool,
        source: str,
        width: int,
        enable: str,
    ) -> None:
        """A cast from ``width`` bits; where its result has fewer bits than the word, it fits."""
        fits = bits < node.format.signed_width
        self._instance(
            "rnnhw_cast",
            name,
            {
                "A_WIDTH": width,
                "DROP": node.a.format.fraction - node.format.fraction,
                "ROUNDING": ROUNDING_NUMBER[node.format.rounding],
                "OVERFLOW": OVERFLOW_NUMBER[Overflow.WRAP if fits else node.format.overflow],
                "WIDTH": bits if fits else node.format.width,
                "UNSIGNED": int(not node.format.signed),
                "FOLDED": int(folded),
                "LATENCY": cast_latency(node, folded),
            },
            {"en": enable, "a": source},
        )

    def lookup(self, value: Value) -> _Net:
        """An entry of a table."""
        node = value.node
        assert isinstance(node, Lookup)
        (a,), read, cycle = self._two(value)
        result = self._new(value)
        words = [int(entry) for entry in node.table.entries]
        unsigned = node.table.unsigned
        width = node.table.word_bits(unsigned)
        file = self._module.table(f"{result.name}_table", words, width)
        address = node.table.address.width
        self._instance(
            "rnnhw_lookup",
            result.name,
            {
                "ADDRESS_WIDTH": address,
                "WIDTH": width,
                "UNSIGNED": int(unsigned),
                "TABLES": 1,
                "SELECT_WIDTH": 1,
                "FILE": f'"{file}"',
            },
            {
                "en": self.token(cycle),
                "select": "1'b0",
                "a": _address(read[0], a.width, address),
            },
        )
        return result

    def refuse(self, value: Value) -> _Net:
        """An operation that has no place in a post-processor."""
        raise AssertionError(f"{value.node} is no operation of a post-processor")

    def _shift_register(self, name: str, head: str, last: int) -> None:
        module = self._module
        module.declarations.append(f"wire [{last}:0] {name};")
        if not last:
            module.add(f"assign {name} = {head};")
            return
        module.declarations.append(f"reg [{last}:1] {name}_behind;")
        module.add(
            f"assign {name} = {{{name}_behind, {head}}};",
            f"always @(posedge clk) {name}_behind <= rst ? {last}'b0 : {name}[{last - 1}:0];",
        )


def _address(net: str, width: int, bits: int) -> str:
    """The ``bits`` of a net of ``width`` bits that address a table of its format."""
    if bits <= width:
        return f"{net}[{bits - 1}:0]"
    return f"{{{{{bits - width}{{{net}[{width - 1}]}}}}, {net}}}"


def _low(source: str, width: int, full: int) -> str:
    """The low ``width`` bits of a net of ``full``."""
    if width == full:
        return source
    bare = source.removeprefix("$signed(").removesuffix(")")
    if bare.endswith("]"):
        name, _, span = bare.rpartition("[")
        low = int(span.removesuffix("]").split(":")[1])
        return f"$signed({name}[{low + width - 1}:{low}])"
    return f"$signed({bare}[{width - 1}:0])"


_OPERATIONS: Mapping[type, Callable[[PostProcessor, Value], _Net]] = operation_table(
    {
        Input: PostProcessor.refuse,
        State: PostProcessor.refuse,
        Constant: PostProcessor.refuse,
        Matvec: PostProcessor.refuse,
        Add: PostProcessor.add,
        Subtract: PostProcessor.add,
        Multiply: PostProcessor.multiply,
        Select: PostProcessor.select,
        Shift: PostProcessor.shift,
        Clamp: PostProcessor.clamp,
        Gather: PostProcessor.refuse,
        Reinterpret: PostProcessor.refuse,
        Cast: PostProcessor.cast,
        Lookup: PostProcessor.lookup,
    }
)
