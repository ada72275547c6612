"""One layer as a Verilog module: control, feeds, lanes, drain and post-processors wired together.

What it wires are the phases, segments and times of :mod:`rnnhw.accelerator`; nothing here knows a
cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnnhw.accelerator.mapping import (
    InputWindow,
    MappedLayer,
    StepMapping,
    Value,
    address_bits,
    map_layer,
)
from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError
from rnnhw.graph.nodes import Input, Node, State
from rnnhw.rtl.column_feeds import Column, Columns
from rnnhw.rtl.layer_context import LayerContext
from rnnhw.rtl.memory_images import Numbers, Shape
from rnnhw.rtl.names import Names, numbered
from rnnhw.rtl.netlist import (
    FIRST_STEP,
    Concat,
    Constant,
    Declaration,
    Expression,
    Net,
    Parameter,
    all_of,
    any_of,
    choice,
    concat,
    zeros,
)
from rnnhw.rtl.postprocessor import Accumulators, PostProcessor
from rnnhw.rtl.transforms import Transforms
from rnnhw.rtl.unit_memories import UnitMemories
from rnnhw.rtl.vector_memories import Vectors
from rnnhw.rtl.verilog_text import Module, Outline, wired

__all__ = ["emit_layer", "outline_layer"]


def emit_layer(
    name: str, mapping: MappedLayer, parameters: Parameters, images: Names | None = None
) -> Module:
    """The module ``name`` of a mapped layer. No memory image has one of the names ``images``, which
    hold those of the layer afterwards.

    Raises:
        DesignError: the layer has something that cannot be emitted; the message says what.
    """
    taken = Names() if images is None else images

    def trial(mapping: MappedLayer) -> Module:
        module = Module(name, image_names=taken.copy().fresh)
        return _write(module, mapping, Numbers(mapping, parameters))

    module = trial(mapping)
    if module.nets_meet:  # the cell's name for a signal is ours for a net
        step = StepMapping(numbered(mapping.graph), mapping.windows)
        module = trial(map_layer(step, mapping.lanes))
        assert not module.nets_meet
    taken.take(file.removesuffix(".hex") for file in module.images)
    return module


def outline_layer(mapping: MappedLayer) -> Outline:
    """The module of :func:`emit_layer` without the trained numbers: its instances with their
    parameters, which no number changes.

    Raises:
        DesignError: the layer has something that cannot be emitted; the message says what.
    """
    outline = Outline("layer")
    _write(outline, mapping, Shape(mapping))
    return outline


def _write(module: Module, mapping: MappedLayer, numbers: Numbers) -> Module:
    for where, what, cure in mapping.obstacles:
        raise DesignError(f"{where}: {what} cannot be emitted as Verilog", cure)
    _Layer(LayerContext(module, mapping, numbers)).write()
    return module


@dataclass(frozen=True)
class _Sink:
    """Where results of one phase go: a state's next value, a vector of a later phase, or the
    layer's output."""

    node: Node
    state: State | None = None
    output: bool = False


class _Layer:
    def __init__(self, context: LayerContext) -> None:
        self._context = context
        self._vectors = Vectors(context)
        self._columns = Columns(context, self._vectors)
        self._transforms = Transforms(context, self._columns)
        self._units = UnitMemories(context, self._vectors, self._transforms.by_unit)
        self._early = Net("row_early_sum", context.accumulator_width, signed=True)
        """The sum of a row's early columns, where a phase takes a snapshot."""

    # --- the whole -------------------------------------------------------------------------------
    def write(self) -> None:
        """Write everything, from the ports to the results."""
        self._ports()
        self._control()
        self._arrivals()
        stages = self._transforms.write()
        self._multiply([*stages, *self._columns.write(self._transforms)])
        self._units.prepare()
        self._results()
        self._units.finish()
        self._transforms.finish()
        self._context.module.ignore_unread(self._early, *self._transforms.read_by_unit)

    def _ports(self) -> None:
        module = self._context.module
        module.port("input", "clk")
        module.port("input", "rst")
        for node in self._context.inputs:
            x = node.name
            for flag in ("valid", "first", "last"):
                module.port("input", f"{x}_{flag}")
            module.port("input", f"{x}_data", node.format.signed_width, signed=True)
            module.port("output", f"{x}_ready")
        for flag in ("valid", "first", "last"):
            module.port("output", f"y_{flag}")
        module.port(
            "output", "y_data", self._context.rows.graph.output.format.signed_width, signed=True
        )
        module.port("input", "y_ready")

    # --- control ---------------------------------------------------------------------------------
    def _table(self, values: Sequence[int]) -> Concat:
        """A field of 32 bits for each phase, the first one lowest."""
        return Concat(tuple(Constant(value, 32) for value in reversed(values)))

    def _control(self) -> None:
        module, phases = self._context.module, self._context.phases
        pending = (Net(f"{node.name}_pending") for node in self._context.inputs)
        module.comment("what is at work")
        flags = "take begins finish bank run idle last_column group_ends done"
        for flag in flags.split():
            module.declare(flag)
        module.declare("phase", self._context.phase_bits)
        module.declare("column", self._context.column_bits)
        module.declare("group_rows", self._context.row_bits)
        module.instance(
            "rnnhw_control",
            "control",
            {
                "PHASES": len(phases),
                "PHASE_BITS": self._context.phase_bits,
                "COLUMN_BITS": self._context.column_bits,
                "GROUP_BITS": max(p.groups for p in phases).bit_length(),
                "ROW_BITS": self._context.row_bits,
                "TRANSFORM_BITS": max(max(p.transform_cycles for p in phases).bit_length(), 1),
                "COLUMNS": self._table([p.columns for p in phases]),
                "PERIOD": self._table([p.group_interval for p in phases]),
                "GROUPS": self._table([p.groups for p in phases]),
                "ROWS": self._table([max(p.lanes, 1) for p in phases]),
                "LAST_ROWS": self._table([p.last_rows for p in phases]),
                "TRANSFORM": self._table([p.transform_cycles for p in phases]),
            },
            {
                **wired("clk rst"),
                "go": all_of(*pending, module.nets["y_ready"]),
                **wired("done take begins finish bank run phase column idle last_column"),
                **wired("group_ends"),
                "rows": "group_rows",
            },
        )

    def _arrivals(self) -> None:
        for node in self._context.inputs:
            x, bits = node.name, address_bits(node.units)
            self._context.module.comment(f"arrival of {x}: {node.units} of {node.format}")
            if node.position in self._context.windows:
                self._window_arrival(node, self._context.windows[node.position])
                continue
            for flag in ("pending", "write_bank", "read_bank", "is_first", "is_last"):
                self._context.module.declare(f"{x}_{flag}")
            self._context.module.wire(f"{x}_index", bits, signed=False)
            self._context.module.instance(
                "rnnhw_input",
                f"{x}_input",
                {"UNITS": node.units, "INDEX_BITS": bits},
                {
                    **wired("clk rst"),
                    **wired("valid first last", f"{x}_"),
                    **wired("take"),
                    **wired("ready pending write_bank read_bank index is_first is_last", f"{x}_"),
                },
            )
        x = self._context.inputs[0].name
        self._context.module.wire(FIRST_STEP.name, 0, f"{x}_is_first", signed=False)

    def _window_arrival(self, node: Input, window: InputWindow) -> None:
        x, steps = node.name, window.steps
        each = node.units // steps
        bits = address_bits(each * (steps + 1))
        for flag in ("pending", "is_first", "is_last"):
            self._context.module.declare(f"{x}_{flag}")
        for address in ("address", "base"):
            self._context.module.wire(f"{x}_{address}", bits, signed=False)
        self._context.module.instance(
            "rnnhw_window_input",
            f"{x}_input",
            {
                "EACH": each,
                "STEPS": steps,
                "LAST": int(window.last),
                "FILL_BITS": steps.bit_length(),
                "ADDRESS_BITS": bits,
            },
            {
                **wired("clk rst"),
                **wired("valid first last", f"{x}_"),
                **wired("take idle"),
                **wired("ready pending", f"{x}_"),
                "write_address": f"{x}_address",
                **wired("base is_first is_last", f"{x}_"),
            },
        )

    # --- lanes -----------------------------------------------------------------------------------
    def _multiply(self, columns: Sequence[Column]) -> None:
        module, lanes, width = (
            self._context.module,
            self._context.lanes,
            self._context.accumulator_width,
        )
        module.comment("lanes")
        module.declare("sums", max(lanes, 1) * width)
        module.declare("sums_valid")
        if not columns:
            self._pass_alone(width)
            return
        issued = [column.active for column in columns]
        stages = self._transforms.neurons
        row_issues = issued[len(stages) :]
        operand = self._columns.operand_width
        reads = [module.delayed(Net(f"{active.name}_read"), active) for active in issued[:-1]]
        operands = module.wire("operands", lanes * operand, signed=False)
        for lane in range(lanes):
            *others, last = (column.operands[lane] for column in columns)
            chosen = choice(*zip(reads, others, strict=True), otherwise=last)
            module.assign(operands.element(lane, operand), chosen)
        weight = self._context.numbers.weight_width()
        issues: list[Expression] = []
        if row_issues:
            issues.append(module.wire("column_issue", 0, any_of(*row_issues), signed=False))
            weights: Expression = self._column_weights(weight)
        starts = self._context.column_marks(
            [min(phase.starts, default=None) for phase in self._context.phases]
        )
        if stages:
            rows = weight if row_issues else 0
            weight = max(rows, self._context.mapping.stage_weight_bits)
            weights = self._stage_weights(rows, weight)
            issues.append(module.nets["stage_issue"])
            starts = any_of(starts.grouped, *(module.nets[f"{name}_starts"] for name in stages))
        ends = [
            phase.early_columns - 1 if phase.snapshot else None for phase in self._context.phases
        ]
        module.declare("snapshot_valid")
        module.instance(
            "rnnhw_lanes",
            "lanes",
            {"LANES": lanes, "OPERAND_WIDTH": operand, "WEIGHT_WIDTH": weight, "WIDTH": width},
            {
                **wired("clk rst"),
                "valid": any_of(*issues),
                "first": starts,
                "last": "last_column",
                "snapshot": self._context.column_marks(ends),
                "operands": operands,
                "weights": weights,
                **wired("sums sums_valid snapshot_valid"),
            },
        )
        self._drain(width)

    def _column_weights(self, weight: int) -> Net:
        """The memory with a word of weights for every column of rows; returns the net of the
        current one."""
        module, lanes = self._context.module, self._context.lanes
        words = self._context.numbers.weight_words(weight)
        file = module.image("weights", words, lanes * weight)
        net = module.wire("column_weights", lanes * weight, signed=False)
        module.instance(
            "rnnhw_weights",
            "weight_memory",
            {
                "WIDTH": lanes * weight,
                "DEPTH": len(words),
                "ADDRESS_BITS": address_bits(len(words)),
                "FILE": file,
            },
            {"clk": "clk", "rewind": "take", "next": "column_issue", "q": net},
        )
        return net

    def _stage_weights(self, row_bits: int, weight: int) -> Expression:
        """The weights of the column at the lanes, ``weight`` bits each: those of a stage, or those
        of rows, ``row_bits`` wide in their memory, if there are any."""
        module, width = self._context.module, self._context.lanes * weight
        stages = self._transforms.weights(weight)
        idle = width - self._transforms.elements * weight
        words = concat(zeros(idle), stages) if idle else stages
        if not row_bits:
            return words
        column = (module.nets["column_weights"], self._context.lanes, row_bits, weight)
        rows = self._transforms.resized("weights_of_rows", *column)
        read = module.delayed(Net("stage_read"), "stage_issue")
        return module.wire("weights", width, choice((read, words), otherwise=rows), signed=False)

    def _pass_alone(self, width: int) -> None:
        """No products: units pass one a cycle, as if lanes had summed nothing."""
        module = self._context.module
        alone = Net("alone", 4, lowest=1)
        module.statements.append(Declaration(alone, kind="reg"))
        moved = concat(alone.slice(3, 1), module.nets["last_column"])
        module.clocked(alone, choice((module.nets["rst"], zeros(4)), otherwise=moved))
        module.assign("sums_valid", alone.bit(4))
        module.assign("sums", zeros(width))
        self._drain(width)

    def _drain(self, width: int) -> None:
        module = self._context.module
        module.comment("rows leave one a cycle")
        rows = sum(
            len(self._context.numbers.rows(number)) for number in range(len(self._context.phases))
        )
        counted = [
            Constant(int(bool(self._context.rows.phase_rows(n))), 1, "b")
            for n in range(len(self._context.phases))
        ]
        gates = [
            Constant(max(phase.gates, 1) - 1, self._context.gate_bits)
            for phase in self._context.phases
        ]
        bits = self._context.row_bits
        module.declare("row_shifts")
        behind = module.declare_as(Net("group_rows_behind", 4 * bits), "reg")
        module.declare("group_rows_out", bits)
        module.wire("row_valid", 0, signed=False)
        module.wire("row_gate_", self._context.gate_bits, signed=False)
        module.wire("row_sum", width)
        module.wire("row_has_bias", 0, self._context.by_phase(counted), signed=False)
        module.instance(
            "rnnhw_drain",
            "drain",
            {
                "LANES": max(self._context.lanes, 1),
                "WIDTH": width,
                "ROW_BITS": bits,
                "GATE_BITS": self._context.gate_bits,
                **self._bias("biases", early=False, rows=rows, width=width),
            },
            {
                **wired("clk rst"),
                "load": "sums_valid",
                "count": "group_rows_out",
                "last_gate": self._context.by_phase(gates),
                "counted": "row_has_bias",
                **wired("sums"),
                "shift": "row_shifts",
                "valid": "row_valid",
                "gate": "row_gate_",
                "value": "row_sum",
            },
        )
        # The group's number of rows travels with its last column.
        later = concat(behind.slice(3 * bits - 1, 0), module.nets["group_rows"])
        module.clocked(behind, later)
        module.assign("group_rows_out", behind.slice(4 * bits - 1, 3 * bits))
        if any(phase.snapshot for phase in self._context.phases):
            module.wire(self._early.name, width)
            module.instance(
                "rnnhw_snapshot",
                "snapshot",
                {
                    "LANES": self._context.lanes,
                    "WIDTH": width,
                    **self._bias("input_biases", early=True, rows=rows, width=width),
                },
                {
                    **wired("clk rst"),
                    "load": "snapshot_valid",
                    **wired("sums"),
                    "shift": "row_shifts",
                    "counted": "row_has_bias",
                    "value": self._early,
                },
            )

    def _bias(self, name: str, *, early: bool, rows: int, width: int) -> dict[str, Parameter]:
        mapping = self._context.mapping
        bits, shift = mapping.bias_word(early=early)
        unstored = {"BIAS_WIDTH": 1, "DEPTH": max(rows, 1), "ADDRESS_BITS": 1}
        if not bits:
            return {"BIAS": 0, **unstored}
        common = None if early else mapping.common_start
        if common is not None:
            return {"BIAS": 2, "BIAS_SHIFT": common, **unstored}
        words = [word >> shift for word in self._context.numbers.biases(early=early)]
        file = self._context.module.image(name, words, bits)
        return {
            "BIAS": 1,
            "BIAS_WIDTH": bits,
            "BIAS_SHIFT": shift,
            "DEPTH": rows,
            "ADDRESS_BITS": address_bits(rows),
            "FILE": file,
        }

    # --- results ---------------------------------------------------------------------------------
    def _sinks(self, number: int) -> Iterator[_Sink]:
        rows = self._context.rows
        for state, new in rows.graph.updates:
            if rows.phase(new) == number:
                yield _Sink(new, state=state)
        for vector in dict.fromkeys([*rows.passed, *self._units.handed]):
            if rows.phase(vector) == number:
                yield _Sink(vector)
        if rows.last_phase == number:
            yield _Sink(rows.graph.output, output=True)

    def _value(self, node: Node) -> Value:
        """The one value of each unit that a sink's node is."""
        (value,) = self._context.rows.values(node)
        return value

    def _results(self) -> None:
        done = []
        for number in range(len(self._context.phases)):
            done.append(self._result(number))
        self._context.module.assign("done", any_of(*done))

    def _result(self, number: int) -> Net:
        """The post-processor of one phase with all that takes its results."""
        module, rows = self._context.module, self._context.rows
        alone, prefix = self._context.alone, self._context.prefix(number)
        module.comment("post-processor" if alone else f"post-processor of phase {number}")
        row = module.nets["row_valid"]
        valid = row if alone else (row & self._context.in_phase(number)).grouped
        word = rows.accumulator(number)
        sums = Accumulators(
            valid=valid,
            gate=module.nets["row_gate_"],
            value=module.nets["row_sum"],
            early=self._early,
            fraction=word.fraction,
        )
        processor = PostProcessor(
            module,
            rows,
            self._context.schedule,
            number,
            sums,
            self._context.numbers.constants,
            self._units.read,
            self._units.row_exponents,
        )
        sinks = [(sink, self._value(sink.node)) for sink in self._sinks(number)]
        crossing = self._units.crossing(number)
        for value in [*(value for _, value in sinks), *crossing]:
            processor.note(value)
        counters: dict[int, tuple[Net, Net]] = {}
        units = rows.widths[number]

        def counter(cycle: int) -> tuple[Net, Net]:
            """Counts the units at a cycle of theirs; gives the nets of the index and of the end."""
            if cycle not in counters:
                name = f"{prefix}result{cycle}"
                index = module.wire(f"{name}_index", address_bits(units), signed=False)
                ends = module.wire(f"{name}_done", 0, signed=False)
                module.instance(
                    "rnnhw_result",
                    name,
                    {"UNITS": units, "INDEX_BITS": address_bits(units)},
                    {
                        **wired("clk rst"),
                        "valid": processor.token(cycle),
                        "index": index,
                        "done": ends,
                    },
                )
                counters[cycle] = index, ends
            return counters[cycle]

        for sink, value in sinks:
            width = (sink.state or sink.node).format.signed_width
            if sink.output:
                module.drive(
                    {
                        "y_valid": processor.token(processor.depth),
                        "y_data": processor.read(value, processor.depth, width),
                        "y_first": FIRST_STEP,
                        "y_last": f"{self._context.inputs[0].name}_is_last",
                    }
                )
                continue
            cycle = processor.written_at(value)
            target = sink.state or sink.node
            for feed in self._vectors.written.get(target, []):
                module.drive(
                    {
                        f"{feed}_we": processor.token(cycle),
                        f"{feed}_write_index": counter(cycle)[0],
                        f"{feed}_d": processor.read(value, cycle, width),
                    }
                )
            self._units.write(target, processor, value, cycle)
        for value in crossing:
            self._units.write(value, processor, value, processor.written_at(value))
        _, done = counter(processor.depth)
        processor.finish()
        return done
