"""Vectors in memory that are read element by element: as they arrive or are written, or in an
order of their reader's, perhaps joined of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnnhw.accelerator.mapping import Source, address_bits, places, select_rom, sources_of
from rnnhw.graph import nodes
from rnnhw.graph.nodes import Input, Node, State
from rnnhw.rtl.layer_context import LayerContext
from rnnhw.rtl.netlist import (
    FALSE,
    FIRST_STEP,
    Constant,
    Net,
    Parameter,
    aligned,
    choice,
    concat,
    zeros,
)
from rnnhw.rtl.verilog_text import Wiring, wired

__all__ = ["Vectors"]


@dataclass(frozen=True)
class _Order:
    """The contents of a memory: ``units`` elements, those of ``source`` at their places, read by
    ``bits`` bits of address."""

    source: Source
    units: int

    @property
    def bits(self) -> int:
        """Bits of an address."""
        return address_bits(self.units)

    @property
    def kept(self) -> bool:
        """Whether every element lies where it is in the source."""
        return self.source.first == 0


class Vectors:
    """Writes the memories of a layer's vectors.

    ``written`` are those of states and results, by vector: names in front of ``_we``,
    ``_write_index`` and ``_d``, which the post-processors drive.
    """

    def __init__(self, context: LayerContext) -> None:
        self._context = context
        self.written: dict[Node, list[str]] = {}

    def read(
        self, name: str, vector: Node, index: Net, element: Net, advance: Net | None = None
    ) -> None:
        """The memory ``name`` of a vector, whose ``element`` follows ``index`` by one cycle;
        ``advance`` leads from one unit to the next where units are read."""
        (*joined, only) = sources_of(vector)
        module, width = self._context.module, vector.format.signed_width
        if not joined:
            stored = only.node.format.signed_width
            order = _Order(only, only.words(vector.units))
            index = self._address(name, only, index, advance)
            if stored == width:
                self._memory(name, order, index, element)
                return
            net = module.wire(f"{name}_stored", stored)
            self._memory(name, order, index, net)
            module.assign(element, aligned(net, width))
            return
        elements = []
        for number, source in enumerate((*joined, only)):
            memory = f"{name}_{number}"
            net = module.wire(f"{memory}_element", source.node.format.signed_width)
            order = _Order(source, source.words(vector.units))
            self._memory(memory, order, self._address(memory, source, index, advance), net)
            elements.append(aligned(net, width))
        chosen = self._select(name, vector, index)
        *others, last = elements
        cases = ((chosen.equals(number), other) for number, other in enumerate(others))
        module.assign(element, choice(*cases, otherwise=last))

    def _address(self, name: str, source: Source, index: Net, advance: Net | None) -> Net:
        """The address at which a memory is read: ``index``, or that of the element of each unit
        where one has several."""
        if not source.reads:
            return index
        assert advance is not None, "columns read a copy"
        module, bits = self._context.module, address_bits(source.node.units)
        address = module.wire(f"{name}_address", bits, signed=False)
        module.instance(
            "rnnhw_unit_address",
            f"{name}_addresses",
            {
                "UNITS": len(source.reads),
                "WIDTH": bits,
                "FIRST": source.reads[0],
                "FILE": module.image(f"{name}_addresses", source.reads, bits),
            },
            {**wired("clk rst"), "next": advance, "index": address},
        )
        return address

    def _select(self, name: str, vector: Node, index: Net) -> Net:
        """The number of the source of an element, one cycle behind its index."""
        module, select = self._context.module, select_rom(vector)
        assert select is not None
        width = select[1]
        order = {source.node: number for number, source in enumerate(sources_of(vector))}
        numbers = [order[node] for node, _ in places(vector)]
        chosen = module.wire(f"{name}_chosen", width, signed=False)
        module.instance(
            "rnnhw_rom",
            f"{name}_sources",
            {
                "WIDTH": width,
                "DEPTH": vector.units,
                "ADDRESS_BITS": address_bits(vector.units),
                "FILE": module.image(f"{name}_sources", numbers, width),
            },
            {"clk": "clk", "address": index, "q": chosen},
        )
        return chosen

    # --- one memory ------------------------------------------------------------------------------
    def _memory(self, name: str, order: _Order, index: Net, element: Net) -> None:
        node = order.source.node
        if isinstance(node, nodes.Constant):
            self._constant(name, node, order, index, element)
        elif isinstance(node, Input) and node.position in self._context.windows:
            assert order.kept, "an obstacle"
            self._ring(name, node, self._context.windows[node.position].steps, index, element)
        else:
            self._vector(name, node, order, index, element)

    def _vector(self, name: str, node: Node, order: _Order, index: Net, element: Net) -> None:
        parameters: dict[str, Parameter] = {
            "UNITS": order.units,
            "WIDTH": node.format.width,
            "UNSIGNED": int(not node.format.signed),
            "INDEX_BITS": order.bits,
            "BANKS": 2 if isinstance(node, Input | State) else 1,
        }
        ports: dict[str, Wiring] = {"clk": "clk", "first": FALSE}
        if isinstance(node, State):
            parameters |= self._first_value(name, node, order)
            ports["first"] = FIRST_STEP
        self._context.module.instance(
            "rnnhw_vector",
            f"{name}_vector",
            parameters,
            {**ports, **self._written(name, node, order), "read_index": index, "q": element},
        )

    def _written(self, name: str, node: Node, order: _Order) -> dict[str, Wiring]:
        """The write port of a memory, each element where it belongs."""
        ports = self.written_by(name, node)
        as_counted = order.kept and order.bits == address_bits(node.units)
        return ports if as_counted else ports | self._placed(name, order, ports)

    def written_by(self, name: str, node: Node) -> dict[str, Wiring]:
        """The write port of the memory ``name`` of a vector, element by element in order."""
        if isinstance(node, Input):
            x = node.name
            ports = {"we": f"{x}_valid", "write_index": f"{x}_index", "d": f"{x}_data"}
            return {**ports, **wired("write_bank read_bank", f"{x}_")}
        module, bank = self._context.module, Net("bank")
        self.written.setdefault(node, []).append(name)
        module.declare(f"{name}_we")
        module.declare(f"{name}_write_index", address_bits(node.units))
        module.declare(f"{name}_d", node.format.signed_width, signed=True)
        return {**wired("we write_index d", f"{name}_"), "write_bank": ~bank, "read_bank": bank}

    def _placed(self, name: str, order: _Order, ports: Mapping[str, Wiring]) -> dict[str, Wiring]:
        """The write port of a memory in another order: the place of each element in turn."""
        module, source, bits = self._context.module, order.source, order.bits
        if source.first is not None:
            spare = bits - address_bits(source.node.units)
            counted = module.value(ports["write_index"])
            if spare:
                counted = concat(zeros(spare), counted)
            if source.first:
                counted += Constant(source.first, bits)
            return {"write_index": module.wire(f"{name}_place", bits, counted, signed=False)}
        width = bits + source.partly
        words = [0 if p is None else p + (source.partly << bits) for p in source.places]
        place = module.wire(f"{name}_place", width, signed=False)
        module.instance(
            "rnnhw_unit_rom",
            f"{name}_places",
            {
                "UNITS": source.node.units,
                "WIDTH": width,
                "UNSIGNED": 0,
                "FILE": module.image(f"{name}_places", words, width),
            },
            {**wired("clk rst"), "next": ports["we"], "q": place},
        )
        if not source.partly:
            return {"write_index": place}
        enable = module.value(ports["we"]) & place.bit(bits)
        return {"we": enable, "write_index": place.slice(bits - 1, 0)}

    # --- kinds -----------------------------------------------------------------------------------
    def _ring(self, name: str, vector: Input, steps: int, index: Net, element: Net) -> None:
        """The memory of the last steps of an input."""
        x, depth = vector.name, vector.units // steps * (steps + 1)
        self._context.module.instance(
            "rnnhw_ring",
            f"{name}_vector",
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
                "index": index,
                "q": element,
            },
        )

    def _constant(
        self, name: str, node: nodes.Constant, order: _Order, index: Net, element: Net
    ) -> None:
        module, format = self._context.module, node.format
        values = _at_places(self._context.numbers.constants[node], order)
        q = element
        if not format.signed:
            q = module.wire(f"{name}_word", format.width, signed=False)
            module.assign(element, concat(FALSE, q))
        module.instance(
            "rnnhw_rom",
            f"{name}_constant",
            {
                "WIDTH": format.width,
                "DEPTH": order.units,
                "ADDRESS_BITS": order.bits,
                "FILE": module.image(f"{name}_constant", values, format.width),
            },
            {"clk": "clk", "address": index, "q": q},
        )

    def _first_value(self, name: str, state: State, order: _Order) -> dict[str, Parameter]:
        if state.initial is None:
            return {"FIRST_VALUE": 1}
        if order.kept and order.units == state.units:
            return {"FIRST_VALUE": 2, "FILE": self._context.first_values(state)}
        values = _at_places(self._context.numbers.first_values(state), order)
        file = self._context.module.image(f"{name}_initial", values, state.format.width)
        return {"FIRST_VALUE": 2, "FILE": file}


def _at_places(values: list[int], order: _Order) -> list[int]:
    """The elements of a vector at their places, zeros elsewhere."""
    words = [0] * order.units
    for value, place in zip(values, order.source.places, strict=True):
        if place is not None:
            words[place] = value
    return words
