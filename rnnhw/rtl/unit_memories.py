"""Memories that a post-processor reads unit by unit: states, inputs, results of earlier phases,
constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnhw.accelerator.mapping import Part, Rows, Shifter, Value, address_bits, phase_of, sources_of
from rnnhw.graph.nodes import Gather, Input, Node, State, unwired
from rnnhw.numerics.cast import Q
from rnnhw.rtl.layer_context import LayerContext
from rnnhw.rtl.netlist import FIRST_STEP, Expression, Net, any_of, choice, zeros
from rnnhw.rtl.postprocessor import PostProcessor
from rnnhw.rtl.vector_memories import Vectors
from rnnhw.rtl.verilog_text import wired

__all__ = ["UnitMemories"]


class UnitMemories:
    """Writes those memories of a layer. ``transformed(node, advance)`` gives the net with the
    current unit's element of a transform that ``advance`` moves on; ``vectors`` writes memories in
    an order of their own."""

    def __init__(
        self,
        context: LayerContext,
        vectors: Vectors,
        transformed: Callable[[Node, Expression], Net],
    ) -> None:
        self._context = context
        self._vectors = vectors
        self._beside: dict[Node, str] = {}
        self._transformed = transformed
        self._rams: dict[Value | Node, str] = {}
        self._advances: dict[str, list[Expression]] = {}

    def prepare(self) -> None:
        """The memories that are not written behind the reading: of permuted and joined vectors, and
        of states that are read in a later phase than their next values are written."""
        context, module = self._context, self._context.module
        vectors: list[Node] = [
            *context.mapping.joined_by_unit,
            *(s for s, _ in context.rows.graph.updates if s in context.mapping.read_late),
        ]
        for vector in vectors:
            module.comment(f"{vector.vector_name} by unit, in two halves")
            name = module.fresh(f"{vector.vector_name}_by_unit")
            self._beside[vector], self._advances[name] = name, []
            bits = address_bits(vector.units)
            advance = module.declare(f"{name}_next")
            index, sources = Net(f"{name}_index", bits), sources_of(vector)
            if len(sources) > 1 or not sources[0].reads:
                index = module.wire(index.name, bits, signed=False)
                module.instance(
                    "rnnhw_unit_index",
                    f"{name}_counter",
                    {"UNITS": vector.units, "INDEX_BITS": bits},
                    {**wired("clk rst"), "next": advance, "index": index},
                )
            element = module.wire(f"{name}_q", vector.format.signed_width)
            self._vectors.read(name, vector, index, element, advance)

    @property
    def handed(self) -> list[Node]:
        """Results that are read unit by unit in another order, or joined, in a later phase."""
        rows = self._context.rows
        sources = (source.node for vector in self._beside for source in sources_of(vector))
        return [node for node in dict.fromkeys(sources) if rows.formed(node)]

    def finish(self) -> None:
        """Let every memory move on whenever one of its readers does."""
        for ram, advances in self._advances.items():
            self._context.module.assign(f"{ram}_next", any_of(*advances))

    def crossing(self, number: int) -> list[Value]:
        """Results of phase ``number`` that a later phase reads unit by unit."""
        rows = self._context.rows
        return [
            value
            for value in self._context.mapping.crossing
            if number == phase_of(rows, value.node)
        ]

    def write(self, key: Value | Node, processor: PostProcessor, value: Value, at: int) -> None:
        """Write ``value`` where it is read unit by unit, now or in a later phase."""
        if key not in self._wanted:
            return
        ram = self.ram(key)
        width = _format(key).signed_width
        self._context.module.drive(
            {f"{ram}_we": processor.token(at), f"{ram}_d": processor.read(value, at, width)}
        )

    @property
    def _wanted(self) -> set[Value | Node]:
        """States and results of earlier phases that a post-processor reads."""
        wanted: set[Value | Node] = set()
        for number in range(len(self._context.phases)):
            wanted.update(self.crossing(number))
        sinks = {unwired(node) for node in self._context.rows.results}
        for reader in self._context.schedule.values:
            for value in self._context.rows.operands(reader):
                if isinstance(value.node, State) and not isinstance(reader.node, Gather):
                    wanted.add(value.node)
        wanted.update(node for node in sinks if isinstance(node, State))
        return wanted - set(self._beside)

    def read(self, value: Value, units: int, advance: Expression) -> Net:
        """The net with the current unit's word of a memory that ``advance`` moves on."""
        module, node = self._context.module, value.node
        if isinstance(node, Node) and self._context.rows.is_constant(node):
            return self._unit_rom(node, value.gate, units, advance)
        if isinstance(node, Node) and node in self._beside:
            name = self._beside[node]
            self._advances[name].append(advance)
            return module.nets[f"{name}_q"]
        if isinstance(node, Input):
            return self._unit_input(node, units, advance)
        if isinstance(node, Node) and self._context.rows.in_feed(node):
            return self._transformed(node, advance)
        if isinstance(node, State):
            ram = self.ram(node)
            self._advances[ram].append(advance)
            width = node.format.signed_width
            first: Expression = zeros(width)
            if node.initial is not None:
                first = self._unit_initial(node, advance)
            now = choice((FIRST_STEP, first), otherwise=module.nets[f"{ram}_q"])
            return module.wire(f"{ram}_now", width, now)
        ram = self.ram(value)
        self._advances[ram].append(advance)
        return module.nets[f"{ram}_q"]

    def ram(self, key: Value | Node) -> str:
        """The memory of a state or of a result for a later phase; declared on first use."""
        if key in self._rams:
            return self._rams[key]
        module = self._context.module
        if isinstance(key, Value):
            named = key.node.products[-1] if isinstance(key.node, Rows) else key.node
            units = self._context.rows.widths[self._context.rows.phase(named)]
            name = f"{named.name}{key.gate or ''}_by_unit"
        else:
            units = key.units
            name = f"{key.vector_name}_by_unit"
        format = _format(key)
        ram = module.fresh(name)
        self._rams[key] = ram
        self._advances[ram] = []
        width = format.signed_width
        module.declare(f"{ram}_next")
        module.declare(f"{ram}_we")
        module.declare(f"{ram}_d", width, signed=True)
        module.declare(f"{ram}_q", width, signed=True)
        module.instance(
            "rnnhw_unit_ram",
            f"{ram}_memory",
            {"UNITS": units, "WIDTH": format.width, "UNSIGNED": int(not format.signed)},
            {**wired("clk rst"), **wired("next q we d", f"{ram}_")},
        )
        return ram

    def _rom(self, name: str, format: Q, values: Sequence[int], advance: Expression) -> Net:
        module = self._context.module
        q = module.wire(name, format.signed_width)
        file = module.image(name, values, format.width)
        module.instance(
            "rnnhw_unit_rom",
            f"{q.name}_memory",
            {
                "UNITS": len(values),
                "WIDTH": format.width,
                "UNSIGNED": int(not format.signed),
                "FILE": file,
            },
            {**wired("clk rst"), "next": advance, "q": q},
        )
        return q

    def _unit_rom(self, node: Node, gate: int, units: int, advance: Expression) -> Net:
        numbers = self._context.numbers.constants[node]
        if len(numbers) > units:
            numbers = numbers[gate * units : (gate + 1) * units]
        return self._rom(f"{node.name}{gate or ''}_by_unit", node.format, numbers, advance)

    def row_exponents(self, shifter: Shifter, name: str, advance: Expression) -> Net:
        """The net with what the current row of a phase is shifted by."""
        words = self._context.numbers.row_exponents(shifter)
        return self._rom(name, shifter.exponent, words, advance)

    def _unit_initial(self, state: State, advance: Expression) -> Net:
        values = self._context.numbers.first_values(state)
        name = f"{state.vector_name}_initial_by_unit"
        return self._rom(name, state.format, values, advance)

    def _unit_input(self, node: Input, units: int, advance: Expression) -> Net:
        """The first ``units`` elements of an input, or its only one for all of them."""
        assert node.position not in self._context.windows, "an obstacle"
        module, x = self._context.module, node.name
        q = module.wire(f"{x}_by_unit", node.format.signed_width)
        module.instance(
            "rnnhw_unit_input",
            f"{q.name}_memory",
            {
                "UNITS": min(units, node.units),
                "WIDTH": node.format.width,
                "UNSIGNED": int(not node.format.signed),
                "INDEX_BITS": address_bits(node.units),
            },
            {
                **wired("clk rst"),
                "we": f"{x}_valid",
                **wired("write_bank", f"{x}_"),
                "write_index": f"{x}_index",
                "d": f"{x}_data",
                **wired("read_bank", f"{x}_"),
                "next": advance,
                "q": q,
            },
        )
        return q


def _format(key: Value | Node) -> Q:
    """The word of a state, or of a result for a later phase."""
    if isinstance(key, Value) and isinstance(key.node, Rows):
        return key.node.word(key.part or Part.WHOLE)[0]
    node = key.node if isinstance(key, Value) else key
    assert isinstance(node, Node)
    return node.format
