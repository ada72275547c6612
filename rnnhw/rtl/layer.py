"""One layer as a Verilog module: control, feeds, lanes, drain and post-processors wired together.

What it wires are the phases, segments and times of :mod:`rnnhw.machine`; nothing here knows a cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rnnhw.dataflow import Input, Matvec, Node, State, StepGraph, unwired
from rnnhw.errors import DesignError
from rnnhw.machine.feeds import Feed, Segment
from rnnhw.machine.memory import address_bits
from rnnhw.machine.phases import Phase, phases_of
from rnnhw.machine.plan import Part, Plan, Rows, Value
from rnnhw.machine.schedule import Schedule
from rnnhw.numerics import Overflow, Q
from rnnhw.rtl.images import Numbers
from rnnhw.rtl.post import Accumulators, PostProcessor
from rnnhw.rtl.text import Module, net_width
from rnnhw.weights import Parameters

__all__ = ["emit_layer"]


def emit_layer(
    name: str,
    graph: StepGraph,
    lanes: int,
    parameters: Parameters,
    windows: Mapping[int, int] | None = None,
) -> Module:
    """The module ``name`` of a layer on ``lanes`` lanes, as :func:`rnnhw.machine.layer_machine`
    builds it. ``windows`` says how many steps an input joins, by its position.

    Raises:
        DesignError: the layer has something that cannot be emitted; the message says what.
    """
    return _Layer(name, graph, lanes, parameters, windows or {}).module


@dataclass(frozen=True)
class _Sink:
    """Where results of one phase go: a state's next value, a vector of a later phase, or the
    layer's output."""

    node: Node
    state: State | None = None
    output: bool = False


class _Layer:
    def __init__(
        self,
        name: str,
        graph: StepGraph,
        lanes: int,
        parameters: Parameters,
        windows: Mapping[int, int],
    ) -> None:
        self.module = Module(name)
        self._windows = windows
        self._plan = plan = Plan(graph)
        self._schedule = Schedule(plan)
        self._phases = phases_of(plan, self._schedule, lanes)
        self._lanes = max(phase.lanes for phase in self._phases)
        self._numbers = Numbers(plan, self._schedule, self._phases, lanes, parameters)
        self._inputs = [node for node in plan.graph.nodes if isinstance(node, Input)]
        _refuse(plan, self._schedule, self._phases)
        self._feeds: dict[Node, list[str]] = {}  # vector -> the names of its memories
        self._unit_rams: dict[Value | Node, str] = {}
        self._advances: dict[str, list[str]] = {}
        self._accumulator = self._widest()
        self._write()

    def _widest(self) -> int:
        found = [
            self._plan.accumulator(number).width
            for number in range(len(self._phases))
            if self._plan.phase_rows(number)
        ]
        return max(found, default=1)

    # --- the whole -------------------------------------------------------------------------------
    def _write(self) -> None:
        self._ports()
        self._control()
        self._arrivals()
        active = self._columns()
        self._multiply(active)
        self._results()
        for ram, advances in self._advances.items():
            self.module.add(f"assign {ram}_next = {' | '.join(advances)};")

    def _ports(self) -> None:
        module = self.module
        module.port("input", "clk")
        module.port("input", "rst")
        for node in self._inputs:
            x = node.name
            for flag in ("valid", "first", "last"):
                module.port("input", f"{x}_{flag}")
            module.port("input", f"{x}_data", net_width(node.format), signed=True)
            module.port("output", f"{x}_ready")
        for flag in ("valid", "first", "last"):
            module.port("output", f"y_{flag}")
        module.port("output", "y_data", net_width(self._plan.graph.output.format), signed=True)
        module.port("input", "y_ready")

    # --- control ---------------------------------------------------------------------------------
    @property
    def _phase_bits(self) -> int:
        return max((len(self._phases) - 1).bit_length(), 1)

    @property
    def _column_bits(self) -> int:
        return max(max(phase.group_interval for phase in self._phases).bit_length(), 1)

    @property
    def _row_bits(self) -> int:
        return max(self._lanes, 1).bit_length()

    def _table(self, values: Sequence[int]) -> str:
        """A field of 32 bits for each phase, the first one lowest."""
        return "{" + ", ".join(f"32'd{value}" for value in reversed(values)) + "}"

    def _control(self) -> None:
        module, phases = self.module, self._phases
        module.comment("what is at work")
        flags = "take begins finish bank run idle last_column group_ends done"
        for flag in flags.split():
            module.declare(flag)
        module.declare("phase", self._phase_bits)
        module.declare("column", self._column_bits)
        module.declare("group_rows", self._row_bits)
        module.instance(
            "rnnhw_control",
            "control",
            {
                "PHASES": len(phases),
                "PHASE_BITS": self._phase_bits,
                "COLUMN_BITS": self._column_bits,
                "GROUP_BITS": max(p.groups for p in phases).bit_length(),
                "ROW_BITS": self._row_bits,
                "TRANSFORM_BITS": max(max(p.transform_cycles for p in phases).bit_length(), 1),
                "COLUMNS": self._table([p.columns for p in phases]),
                "PERIOD": self._table([p.group_interval for p in phases]),
                "GROUPS": self._table([p.groups for p in phases]),
                "ROWS": self._table([max(p.lanes, 1) for p in phases]),
                "LAST_ROWS": self._table([p.last_rows for p in phases]),
                "TRANSFORM": self._table([p.transform_cycles for p in phases]),
            },
            {
                "clk": "clk",
                "rst": "rst",
                "go": " & ".join([*(f"{x.name}_pending" for x in self._inputs), "y_ready"]),
                "done": "done",
                "take": "take",
                "begins": "begins",
                "finish": "finish",
                "bank": "bank",
                "run": "run",
                "phase": "phase",
                "column": "column",
                "idle": "idle",
                "last_column": "last_column",
                "group_ends": "group_ends",
                "rows": "group_rows",
            },
        )

    def _in_phase(self, number: int) -> str:
        """A condition that phase ``number`` is at work."""
        return "1'b1" if len(self._phases) == 1 else f"(phase == {self._phase_bits}'d{number})"

    def _arrivals(self) -> None:
        for node in self._inputs:
            x, bits = node.name, address_bits(node.units)
            self.module.comment(f"arrival of {x}: {node.units} of {node.format}")
            if node.position in self._windows:
                self._window_arrival(node, self._windows[node.position])
                continue
            for flag in ("pending", "write_bank", "read_bank", "is_first", "is_last"):
                self.module.declare(f"{x}_{flag}")
            self.module.wire(f"{x}_index", bits, signed=False)
            self.module.instance(
                "rnnhw_input",
                f"{x}_input",
                {"UNITS": node.units, "INDEX_BITS": bits},
                {
                    "clk": "clk",
                    "rst": "rst",
                    "valid": f"{x}_valid",
                    "first": f"{x}_first",
                    "last": f"{x}_last",
                    "take": "take",
                    "ready": f"{x}_ready",
                    "pending": f"{x}_pending",
                    "write_bank": f"{x}_write_bank",
                    "read_bank": f"{x}_read_bank",
                    "index": f"{x}_index",
                    "is_first": f"{x}_is_first",
                    "is_last": f"{x}_is_last",
                },
            )
        x = self._inputs[0].name
        self.module.wire("first_step", 1, f"{x}_is_first", signed=False)

    def _window_arrival(self, node: Input, steps: int) -> None:
        x, each = node.name, node.units // steps
        bits = address_bits(each * (steps + 1))
        for flag in ("pending", "is_first", "is_last"):
            self.module.declare(f"{x}_{flag}")
        for address in ("address", "base"):
            self.module.wire(f"{x}_{address}", bits, signed=False)
        self.module.instance(
            "rnnhw_window_input",
            f"{x}_input",
            {
                "EACH": each,
                "STEPS": steps,
                "FILL_BITS": steps.bit_length(),
                "ADDRESS_BITS": bits,
            },
            {
                "clk": "clk",
                "rst": "rst",
                "valid": f"{x}_valid",
                "first": f"{x}_first",
                "last": f"{x}_last",
                "take": "take",
                "idle": "idle",
                "ready": f"{x}_ready",
                "pending": f"{x}_pending",
                "write_address": f"{x}_address",
                "base": f"{x}_base",
                "is_first": f"{x}_is_first",
                "is_last": f"{x}_is_last",
            },
        )

    # --- columns ---------------------------------------------------------------------------------
    def _columns(self) -> list[tuple[int, str, list[str]]]:
        """The feeds of every phase; (phase, active in this column, operand of each lane)."""
        found = []
        width = self._operand_width()
        for number, phase in enumerate(self._phases):
            for position, segment in enumerate(phase.segments):
                found.append((number, *self._feed(number, phase, position, segment, width)))
        return found

    def _operand_width(self) -> int:
        widths = [
            net_width(segment.vector.format) + self._numbers.shift(number, position)
            for number, phase in enumerate(self._phases)
            for position, segment in enumerate(phase.segments)
        ]
        return max(widths, default=1)

    def _feed(
        self, number: int, phase: Phase, position: int, segment: Segment, width: int
    ) -> tuple[str, list[str]]:
        module, vector = self.module, segment.vector
        prefix = f"p{number}_" if len(self._phases) > 1 else ""
        name = f"{prefix}feed{position}"
        bits, own = address_bits(vector.units), net_width(vector.format)
        what = f"{vector.name.removesuffix('.previous')} by {segment.feed.value}"
        module.comment(f"columns {phase.starts[position]} on: {what}")
        module.wire(f"{name}_active", 1, signed=False)
        module.wire(f"{name}_index", bits, signed=False)
        module.wire(f"{name}_element", own)
        common = {"FIRST": phase.starts[position], "COLUMN_BITS": self._column_bits}
        run = "run" if len(self._phases) == 1 else f"run & {self._in_phase(number)}"
        ports = {"run": run, "column": "column", "active": f"{name}_active"}
        moving = {"clk": "clk", "begins": "begins", "group_ends": "group_ends"}
        span = phase.window_units
        match segment.feed:
            case Feed.BROADCAST:
                module.instance(
                    "rnnhw_broadcast",
                    name,
                    {"COLUMNS": segment.columns, **common, "INDEX_BITS": bits},
                    {**ports, "index": f"{name}_index"},
                )
            case Feed.BLOCK:
                groups = segment.columns * phase.gates // phase.lanes
                module.instance(
                    "rnnhw_block",
                    name,
                    {
                        "COLUMNS": segment.columns,
                        **common,
                        "GROUPS": groups,
                        "GROUP_BITS": max((groups - 1).bit_length(), 1),
                        "INDEX_BITS": bits,
                    },
                    {**moving, **ports, "index": f"{name}_index"},
                )
            case _:
                assert segment.window is not None
                reach = vector.units + span * (phase.groups + 1) + sum(segment.window) + 1
                module.wire(f"{name}_window", span * own, signed=False)
                module.instance(
                    "rnnhw_window",
                    name,
                    {
                        "UNITS": vector.units,
                        "LOWER": segment.window[0],
                        "COLUMNS": segment.columns,
                        "SPAN": span,
                        **common,
                        "CYCLIC": int(segment.feed is Feed.CYCLIC),
                        "WIDTH": own,
                        "INDEX_BITS": bits,
                        "POSITION_BITS": reach.bit_length() + 1,
                    },
                    {
                        **moving,
                        **ports,
                        "element": f"{name}_element",
                        "index": f"{name}_index",
                        "window": f"{name}_window",
                    },
                )
        self._vector(name, vector)
        shift = self._numbers.shift(number, position)
        if segment.window is None:
            operand = _aligned(f"{name}_element", own, 0, shift, width)
            return f"{name}_active", [operand] * self._lanes
        rows = max(phase.gates, 1)
        units = [_aligned(f"{name}_window", own, unit * own, shift, width) for unit in range(span)]
        return f"{name}_active", [units[min(lane // rows, span - 1)] for lane in range(self._lanes)]

    def _vector(self, feed: str, vector: Node) -> None:
        """The memory behind a feed."""
        module, bits = self.module, address_bits(vector.units)
        parameters: dict[str, int | str] = {
            "UNITS": vector.units,
            "WIDTH": vector.format.width,
            "UNSIGNED": int(not vector.format.signed),
            "INDEX_BITS": bits,
            "BANKS": 2,
        }
        ports = {"clk": "clk", "first": "1'b0"}
        if isinstance(vector, Input) and vector.position in self._windows:
            self._ring(feed, vector, self._windows[vector.position])
            return
        if isinstance(vector, Input):
            x = vector.name
            written = {
                "we": f"{x}_valid",
                "write_bank": f"{x}_write_bank",
                "write_index": f"{x}_index",
                "d": f"{x}_data",
                "read_bank": f"{x}_read_bank",
            }
        else:
            self._feeds.setdefault(vector, []).append(feed)
            module.declare(f"{feed}_we")
            module.declare(f"{feed}_write_index", bits)
            module.declare(f"{feed}_d", net_width(vector.format), signed=True)
            written = {
                "we": f"{feed}_we",
                "write_bank": "~bank",
                "write_index": f"{feed}_write_index",
                "d": f"{feed}_d",
                "read_bank": "bank",
            }
            if isinstance(vector, State):
                parameters |= self._first_value(vector)
                ports["first"] = "first_step"
            else:
                parameters["BANKS"] = 1
        module.instance(
            "rnnhw_vector",
            f"{feed}_vector",
            parameters,
            {**ports, **written, "read_index": f"{feed}_index", "q": f"{feed}_element"},
        )

    def _ring(self, feed: str, vector: Input, steps: int) -> None:
        """The memory of the last steps of an input."""
        x, depth = vector.name, vector.units // steps * (steps + 1)
        self.module.instance(
            "rnnhw_ring",
            f"{feed}_vector",
            {
                "DEPTH": depth,
                "WIDTH": vector.format.width,
                "UNSIGNED": int(not vector.format.signed),
                "ADDRESS_BITS": address_bits(depth),
                "INDEX_BITS": address_bits(vector.units),
            },
            {
                "clk": "clk",
                "we": f"{x}_valid",
                "write_address": f"{x}_address",
                "d": f"{x}_data",
                "base": f"{x}_base",
                "index": f"{feed}_index",
                "q": f"{feed}_element",
            },
        )

    def _first_value(self, state: State) -> dict[str, int | str]:
        if state.initial is None:
            return {"FIRST_VALUE": 1}
        return {"FIRST_VALUE": 2, "FILE": f'"{self._initial(state)}"'}

    def _initial(self, state: State) -> str:
        assert state.initial is not None
        name = f"{state.name.removesuffix('.previous')}_initial"
        values = self._numbers.tensor(state.initial).ravel().tolist()
        return self.module.image(name, values, state.format.width)

    # --- lanes -----------------------------------------------------------------------------------
    def _multiply(self, feeds: Sequence[tuple[int, str, list[str]]]) -> None:
        module, lanes, width = self.module, self._lanes, self._accumulator
        module.comment("lanes")
        module.declare("sums", max(lanes, 1) * width)
        module.declare("sums_valid")
        if not feeds:
            self._pass_alone(width)
            return
        issued = [active for _, active, _ in feeds]
        module.wire("issue", 1, " | ".join(issued), signed=False)
        operand = self._operand_width()
        for active in issued:
            module.declarations.append(f"reg {active}_read;")
            module.add(f"always @(posedge clk) {active}_read <= {active};")
        module.wire("operands", lanes * operand, signed=False)
        for lane in range(lanes):
            *chosen, (_, _, final) = feeds
            chain = "".join(f"{active}_read ? {own[lane]} : " for _, active, own in chosen)
            module.add(
                f"assign operands[{(lane + 1) * operand - 1}:{lane * operand}] = "
                f"{chain}{final[lane]};"
            )
        weight = self._numbers.weight_width()
        words = self._numbers.weight_words(weight)
        file = module.image("weights", words, lanes * weight)
        module.wire("weights", lanes * weight, signed=False)
        module.instance(
            "rnnhw_weights",
            "weight_memory",
            {
                "WIDTH": lanes * weight,
                "DEPTH": len(words),
                "ADDRESS_BITS": address_bits(len(words)),
                "FILE": f'"{file}"',
            },
            {"clk": "clk", "rewind": "take", "next": "issue", "q": "weights"},
        )
        starts = self._marks([min(phase.starts, default=None) for phase in self._phases])
        ends = [phase.early_columns - 1 if phase.snapshot else None for phase in self._phases]
        module.declare("snapshot_valid")
        module.instance(
            "rnnhw_lanes",
            "lanes",
            {"LANES": lanes, "OPERAND_WIDTH": operand, "WEIGHT_WIDTH": weight, "WIDTH": width},
            {
                "clk": "clk",
                "rst": "rst",
                "valid": "issue",
                "first": starts,
                "last": "last_column",
                "snapshot": self._marks(ends),
                "operands": "operands",
                "weights": "weights",
                "sums": "sums",
                "sums_valid": "sums_valid",
                "snapshot_valid": "snapshot_valid",
            },
        )
        self._drain(width)

    def _marks(self, columns: Sequence[int | None]) -> str:
        """A condition that the column is the marked one of its phase."""
        found = []
        for number, column in enumerate(columns):
            if column is not None:
                here = f"(column == {self._column_bits}'d{column})"
                alone = len(self._phases) == 1
                found.append(here if alone else f"({self._in_phase(number)} & {here})")
        return f"run & ({' | '.join(found)})" if found else "1'b0"

    def _pass_alone(self, width: int) -> None:
        """No products: units pass one a cycle, as if lanes had summed nothing."""
        module = self.module
        module.add("reg [4:1] passing;")
        module.add("always @(posedge clk) passing <= rst ? 4'b0 : {passing[3:1], last_column};")
        module.add("assign sums_valid = passing[4];", f"assign sums = {width}'b0;")
        self._drain(width)

    @property
    def _gate_bits(self) -> int:
        gates = max(1, *(phase.gates for phase in self._phases))
        return max((gates - 1).bit_length(), 1)

    def _by_phase(self, values: Sequence[str]) -> str:
        """The value of the phase at work."""
        *others, last = values
        chosen = "".join(f"{self._in_phase(n)} ? {value} : " for n, value in enumerate(others))
        return last if len(set(values)) == 1 else chosen + last

    def _drain(self, width: int) -> None:
        module = self.module
        module.comment("rows leave one a cycle")
        rows = sum(len(self._numbers.rows(number)) for number in range(len(self._phases)))
        counted = [f"1'b{int(bool(self._plan.phase_rows(n)))}" for n in range(len(self._phases))]
        gates = [f"{self._gate_bits}'d{max(phase.gates, 1) - 1}" for phase in self._phases]
        module.declare("row_shifts")
        module.wire("row_valid", 1, signed=False)
        module.wire("row_gate_", self._gate_bits, signed=False)
        module.wire("row_sum", width)
        module.wire("row_has_bias", 1, self._by_phase(counted), signed=False)
        module.instance(
            "rnnhw_drain",
            "drain",
            {
                "LANES": max(self._lanes, 1),
                "WIDTH": width,
                "ROW_BITS": self._row_bits,
                "GATE_BITS": self._gate_bits,
                **self._bias("biases", early=False, rows=rows, width=width),
            },
            {
                "clk": "clk",
                "rst": "rst",
                "load": "sums_valid",
                "count": "group_rows_out",
                "last_gate": self._by_phase(gates),
                "counted": "row_has_bias",
                "sums": "sums",
                "shift": "row_shifts",
                "valid": "row_valid",
                "gate": "row_gate_",
                "value": "row_sum",
            },
        )
        # The group's number of rows travels with its last column.
        module.declarations.append(f"reg [{self._row_bits * 4 - 1}:0] group_rows_behind;")
        module.declare("group_rows_out", self._row_bits)
        low = self._row_bits * 3
        module.add(
            "always @(posedge clk) group_rows_behind <= "
            f"{{group_rows_behind[{low - 1}:0], group_rows}};",
            f"assign group_rows_out = group_rows_behind[{self._row_bits * 4 - 1}:{low}];",
        )
        if any(phase.snapshot for phase in self._phases):
            module.wire("row_early_sum", width)
            module.instance(
                "rnnhw_snapshot",
                "snapshot",
                {
                    "LANES": self._lanes,
                    "WIDTH": width,
                    **self._bias("input_biases", early=True, rows=rows, width=width),
                },
                {
                    "clk": "clk",
                    "rst": "rst",
                    "load": "snapshot_valid",
                    "sums": "sums",
                    "shift": "row_shifts",
                    "counted": "row_has_bias",
                    "value": "row_early_sum",
                },
            )

    def _bias(self, name: str, *, early: bool, rows: int, width: int) -> dict[str, int | str]:
        words = self._numbers.biases(early=early)
        if not any(words):
            return {"BIAS": 0, "BIAS_WIDTH": 1, "DEPTH": max(rows, 1), "ADDRESS_BITS": 1}
        # Sums are exact modulo the accumulator's word: so may the biases be.
        needed = 1 + max(max(word.bit_length(), (~word).bit_length()) for word in words)
        bits = min(max(needed, 1), width)
        file = self.module.image(name, words, bits)
        return {
            "BIAS": 1,
            "BIAS_WIDTH": bits,
            "DEPTH": rows,
            "ADDRESS_BITS": address_bits(rows),
            "FILE": f'"{file}"',
        }

    # --- results ---------------------------------------------------------------------------------
    def _sinks(self, number: int) -> Iterator[_Sink]:
        plan = self._plan
        for state, new in plan.graph.updates:
            if plan.phase(new) == number:
                yield _Sink(new, state=state)
        formed = [unwired(p.vector) for p in plan.products if plan.needs_pass(p.vector)]
        for vector in dict.fromkeys(formed):
            if plan.phase(vector) == number:
                yield _Sink(vector)
        if plan.phase(plan.graph.output) == number:
            yield _Sink(plan.graph.output, output=True)

    def _crossing(self, number: int) -> list[Value]:
        """Results of phase ``number`` that a later phase reads unit by unit."""
        plan, found = self._plan, dict[Value, None]()
        for reader in self._schedule.values:
            later = reader.node.phase if isinstance(reader.node, Rows) else plan.phase(reader.node)
            for value in plan.operands(reader):
                own = value.node.phase if isinstance(value.node, Rows) else plan.phase(value.node)
                formed = isinstance(value.node, Rows) or plan.formed(value.node)
                if formed and own == number < later:
                    found[value] = None
        return list(found)

    def _value(self, node: Node) -> Value:
        """The one value a unit that a sink's node is."""
        found = list(self._plan.values(node))
        width = self._plan.widths[self._plan.phase(node)]
        if len(found) != 1 or node.units != width:
            raise DesignError(
                f"{self._plan.graph.signal(node)}: {node.units} results of {width} units",
                "results of several gates at once are not emitted; rnnhw report gives their cycles",
            )
        return found[0]

    def _results(self) -> None:
        done = []
        for number in range(len(self._phases)):
            done.append(self._result(number))
        self.module.add(f"assign done = {' | '.join(done)};")

    def _result(self, number: int) -> str:
        """The post-processor of one phase with all that takes its results."""
        module, plan = self.module, self._plan
        alone = len(self._phases) == 1
        prefix = "" if alone else f"p{number}_"
        module.comment("post-processor" if alone else f"post-processor of phase {number}")
        valid = "row_valid" if alone else f"(row_valid & {self._in_phase(number)})"
        word = plan.accumulator(number)
        sums = Accumulators(
            valid=valid,
            gate="row_gate_",
            value="row_sum",
            early="row_early_sum",
            gate_bits=self._gate_bits,
            width=self._accumulator,
            fraction=word.fraction,
        )
        post = PostProcessor(
            module, plan, self._schedule, number, sums, self._numbers.constants, self._by_unit
        )
        sinks = [(sink, self._value(sink.node)) for sink in self._sinks(number)]
        crossing = self._crossing(number)
        for value in [*(value for _, value in sinks), *crossing]:
            post.note(value)
        counters: dict[int, str] = {}
        units = plan.widths[number]

        def counter(cycle: int) -> str:
            """Counts the units at a cycle of theirs; gives the index net."""
            if cycle not in counters:
                index = f"{prefix}result{cycle}"
                module.wire(f"{index}_index", address_bits(units), signed=False)
                module.wire(f"{index}_done", 1, signed=False)
                module.instance(
                    "rnnhw_result",
                    index,
                    {"UNITS": units, "INDEX_BITS": address_bits(units)},
                    {
                        "clk": "clk",
                        "rst": "rst",
                        "valid": post.token(cycle),
                        "index": f"{index}_index",
                        "done": f"{index}_done",
                    },
                )
                counters[cycle] = index
            return counters[cycle]

        for sink, value in sinks:
            if sink.output:
                module.add(
                    f"assign y_valid = {post.token(post.depth)};",
                    f"assign y_data = {post.read(value, post.depth)};",
                    "assign y_first = first_step;",
                    f"assign y_last = {self._inputs[0].name}_is_last;",
                )
                continue
            cycle = post.written_at(value)
            target = sink.state or sink.node
            for feed in self._feeds.get(target, []):
                module.add(
                    f"assign {feed}_we = {post.token(cycle)};",
                    f"assign {feed}_write_index = {counter(cycle)}_index;",
                    f"assign {feed}_d = {post.read(value, cycle)};",
                )
            self._write_unit_ram(target, post, value, cycle)
        for value in crossing:
            self._write_unit_ram(value, post, value, post.written_at(value))
        done = f"{counter(post.depth)}_done"
        post.finish()
        return done

    def _write_unit_ram(
        self, key: Value | Node, post: PostProcessor, value: Value, at: int
    ) -> None:
        """Write ``value`` where it is read unit by unit, now or in a later phase."""
        if key not in self._read_by_unit:
            return
        ram = self._unit_ram(key)
        self.module.add(
            f"assign {ram}_we = {post.token(at)};", f"assign {ram}_d = {post.read(value, at)};"
        )

    @property
    def _read_by_unit(self) -> set[Value | Node]:
        """States and results of earlier phases that a post-processor reads."""
        found: set[Value | Node] = set()
        for number in range(len(self._phases)):
            found.update(self._crossing(number))
        sinks = {unwired(node) for node in self._plan.results}
        for reader in self._schedule.values:
            for value in self._plan.operands(reader):
                if isinstance(value.node, State):
                    found.add(value.node)
        found.update(node for node in sinks if isinstance(node, State))
        return found

    # --- memories that are read unit by unit -----------------------------------------------------
    def _by_unit(self, node: Node | Rows, value: Value, advance: str) -> str:
        """The net with the current unit's word of a memory that ``advance`` moves on."""
        module = self.module
        if isinstance(node, Node) and self._plan.is_constant(node):
            return self._unit_rom(node, value.gate, advance)
        if isinstance(node, Input):
            return self._unit_input(node, advance)
        if isinstance(node, State):
            ram = self._unit_ram(node)
            self._advances[ram].append(advance)
            width = net_width(node.format)
            blank = f"{width}'b0"
            if node.initial is not None:
                blank = self._unit_initial(node, advance)
            chosen = f"first_step ? {blank} : {ram}_q"
            return module.wire(f"{ram}_now", width, chosen)
        ram = self._unit_ram(value)
        self._advances[ram].append(advance)
        return f"{ram}_q"

    def _unit_ram(self, key: Value | Node) -> str:
        """The memory of a state or of a result for a later phase; declared on first use."""
        if key in self._unit_rams:
            return self._unit_rams[key]
        module = self.module
        if isinstance(key, Value):
            format: Q = (
                key.node.word(key.part or Part.WHOLE)[0]
                if isinstance(key.node, Rows)
                else key.node.format
            )
            named = key.node.products[-1] if isinstance(key.node, Rows) else key.node
            units = self._plan.widths[self._plan.phase(named)]
            name = f"{named.name}{key.gate or ''}_by_unit"
        else:
            format, units = key.format, key.units
            name = f"{key.name.removesuffix('.previous')}_by_unit"
        ram = module.fresh(name)
        self._unit_rams[key] = ram
        self._advances[ram] = []
        width = net_width(format)
        module.declare(f"{ram}_next")
        module.declare(f"{ram}_we")
        module.declare(f"{ram}_d", width, signed=True)
        module.declare(f"{ram}_q", width, signed=True)
        module.instance(
            "rnnhw_unit_ram",
            f"{ram}_memory",
            {"UNITS": units, "WIDTH": format.width, "UNSIGNED": int(not format.signed)},
            {
                "clk": "clk",
                "rst": "rst",
                "next": f"{ram}_next",
                "q": f"{ram}_q",
                "we": f"{ram}_we",
                "d": f"{ram}_d",
            },
        )
        return ram

    def _rom(self, name: str, format: Q, values: Sequence[int], advance: str) -> str:
        module = self.module
        q = module.wire(name, net_width(format))
        file = module.image(name, values, format.width)
        module.instance(
            "rnnhw_unit_rom",
            f"{q}_memory",
            {
                "UNITS": len(values),
                "WIDTH": format.width,
                "UNSIGNED": int(not format.signed),
                "FILE": f'"{file}"',
            },
            {"clk": "clk", "rst": "rst", "next": advance, "q": q},
        )
        return q

    def _unit_rom(self, node: Node, gate: int, advance: str) -> str:
        width = self._plan.widths[0]
        numbers = self._numbers.constants[node]
        if len(numbers) > width:
            numbers = numbers[gate * width : (gate + 1) * width]
        return self._rom(f"{node.name}{gate or ''}_by_unit", node.format, numbers, advance)

    def _unit_initial(self, state: State, advance: str) -> str:
        assert state.initial is not None
        values = self._numbers.tensor(state.initial).ravel().tolist()
        name = f"{state.name.removesuffix('.previous')}_initial_by_unit"
        return self._rom(name, state.format, values, advance)

    def _unit_input(self, node: Input, advance: str) -> str:
        if node.position in self._windows:
            raise DesignError(
                f"{self._plan.graph.layer}: a window over time that is read element by element "
                "cannot be emitted as Verilog",
                "rnnhw report still gives its modelled cycles",
            )
        module, x = self.module, node.name
        q = module.wire(f"{x}_by_unit", net_width(node.format))
        module.instance(
            "rnnhw_unit_input",
            f"{q}_memory",
            {
                "UNITS": node.units,
                "WIDTH": node.format.width,
                "UNSIGNED": int(not node.format.signed),
                "INDEX_BITS": address_bits(node.units),
            },
            {
                "clk": "clk",
                "rst": "rst",
                "we": f"{x}_valid",
                "write_bank": f"{x}_write_bank",
                "write_index": f"{x}_index",
                "d": f"{x}_data",
                "read_bank": f"{x}_read_bank",
                "next": advance,
                "q": q,
            },
        )
        return q


def _aligned(name: str, width: int, low: int, shift: int, operand: int) -> str:
    """Bits ``low`` on of a net, ``width`` of them, shifted left and extended to an operand."""
    whole = low == 0 and not name.endswith("_window")
    bits = name if whole else f"{name}[{low + width - 1}:{low}]"
    sign = f"{name}[{low + width - 1}]"
    extended = operand - width - shift
    parts = [f"{{{extended}{{{sign}}}}}"] * bool(extended) + [bits] + [f"{shift}'b0"] * bool(shift)
    return parts[0] if len(parts) == 1 else "{" + ", ".join(parts) + "}"


# --- what cannot be emitted ----------------------------------------------------------------------
def _refuse(plan: Plan, schedule: Schedule, phases: Sequence[Phase]) -> None:
    """Name the first thing of a layer that has no hardware here.

    Raises:
        DesignError: there is one.
    """
    for what, where in _obstacles(plan, schedule, phases):
        raise DesignError(
            f"{where}: {what} cannot be emitted as Verilog",
            "rnnhw report still gives its modelled cycles and storage",
        )


def _obstacles(
    plan: Plan, schedule: Schedule, phases: Sequence[Phase]
) -> Iterator[tuple[str, str]]:
    layer = plan.graph.layer
    if schedule.write_back() or schedule.on_arrival():
        yield "an operation between a vector and the product that reads it", layer
    for phase in phases:
        for segment in phase.segments:
            stored = isinstance(segment.vector, Input | State) or plan.needs_pass(segment.vector)
            if segment.feed not in (Feed.BROADCAST, Feed.WINDOW, Feed.CYCLIC, Feed.BLOCK):
                yield f"a feed by {segment.feed.value}", layer
            if not stored:
                yield f"the permuted or joined vector {segment.vector.name!r}", layer
        if phase.transforms:
            yield "a transform in front of the columns", layer
        if phase.by_block:
            yield "rows in the order of interleaved blocks", layer
    for number, phase in enumerate(phases):
        rows = plan.phase_rows(number)
        if rows and phase.rows != plan.widths[number] * phase.gates:
            yield "rows of unequal length in one phase", layer
    for product in plan.products:
        yield from _of_product(plan, product)
    for row in plan.rows:
        accumulates = any(product.accumulator is not None for product in row.products)
        if row.snapshot and accumulates:
            yield "a sum used in parts, in an accumulator of its own word", layer
        if len(row.constants) + len(row.early_constants) > 2:
            yield "more than two biases of a row", layer
    for state, new in plan.graph.updates:
        late = [
            plan.phase(reader.node)
            for reader in schedule.values
            if isinstance(reader.node, Node)
            for value in plan.operands(reader)
            if value.node is state
        ]
        if late and max(late) > plan.phase(new):
            yield f"the state {state.name!r}, read after its next value is written", layer


def _of_product(plan: Plan, product: Matvec) -> Iterator[tuple[str, str]]:
    where = plan.graph.signal(product)
    if product.product_cast_changes:
        yield "a cast of every product", where
    accumulator = product.accumulator
    if accumulator is None:
        return
    if accumulator.overflow is not Overflow.WRAP:
        yield f"an accumulator that does not wrap ({accumulator})", where
    if accumulator.fraction < product.product_format[0]:
        yield f"an accumulator that drops bits of the products ({accumulator})", where
