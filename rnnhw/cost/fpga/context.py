"""Facts about a layer's instances that their neighbours say and their parameters do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rnnhw.cost.fpga.liveness import ALL_BITS, BitsRead, bits_read
from rnnhw.cost.fpga.merge import Sources
from rnnhw.cost.fpga.multiplexers import (
    OperandBits,
    has_partial_reset,
    operands_of,
)
from rnnhw.cost.fpga.technology import TechnologyMapping
from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.netlist import (
    FIRST_STEP,
    Choice,
    Concat,
    Constant,
    Expression,
    Instance,
    Net,
    net_of,
    number_of,
)
from rnnhw.rtl.verilog_text import Module

__all__ = ["Context", "Layout", "context_of", "control_table", "factor_widths"]


@dataclass(frozen=True)
class LowBits:
    """Of nets, how many of the lowest bits are ``zeros``, and how many ``repeats`` of the lowest
    one there are: registers of the same are one."""

    zeros: Mapping[Expression, int]
    repeats: Mapping[Expression, int]


Layout = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Context:
    """Facts about instances that their parameters do not say.

    ``mapping`` is the technology mapping of the family; ``layout(depth, width)`` says how many
    block RAMs a memory fills, and into how many pieces its depth is cut.

    ``gates`` is the number of rows of a unit, ``operands`` what the bits of the lanes' operands
    are chosen among. ``partly_cleared`` are the bits of the pieces of operands, for a multiplier
    block, of which the columns of some feeds clear only a part; ``unsigned`` are the nets of words
    without a sign.

    Of nets: ``read`` are the bits that are read, from the lowest to the highest, ``widest``
    the number of bits that are read of a word's elements, ``zeros`` the number of highest bits that
    are zero, ``low`` what is known of the lowest ones, ``reads`` the number of readers, ``cleared``
    those that are zero in the first step, ``inputs`` what a feed's elements depend on beside what
    was read. ``pairs`` is the number of feeds of pairs, ``initial_bits`` are those of states that
    start from trained numbers; ``deep`` tells that some path has three levels of LUTs of up to 7
    inputs.
    """

    mapping: TechnologyMapping
    layout: Layout
    gates: int
    operands: OperandBits
    partly_cleared: frozenset[int]
    unsigned: frozenset[Expression]
    read: BitsRead
    widest: Mapping[Expression, int]
    zeros: Mapping[Expression, int]
    low: LowBits
    reads: Counter[Expression]
    cleared: frozenset[Net]
    pairs: int
    inputs: Mapping[Expression, int]
    initial_bits: int
    deep: bool

    def lowest(self, net: Expression) -> int:
        """The lowest bit of a net that is read and may be one."""
        return max(self.read.span.get(net, ALL_BITS).start, self.low.zeros.get(net, 0))

    def high(self, net: Expression, width: int) -> int:
        """The bits up to the highest one that is read of a net of ``width`` bits."""
        return min(self.read.span.get(net, ALL_BITS).stop, width)

    def gaps(self, net: Expression, below: int) -> int:
        """The bits of a net below one that nothing reads, though it reads some on both sides."""
        return sum(bit < below for bit in self.read.gaps.get(net, ()))

    def where(self, depth: int, width: int, *, rewritten: bool = False) -> str:
        """Where a memory without an attribute lies."""
        blocks, _ = self.layout(depth, width)
        return self.mapping.place(depth, width, blocks, rewritten=rewritten)


def context_of(
    module: Module, mapping: TechnologyMapping, layout: Layout, gates: int, *, deep: bool
) -> Context:
    """The context of a layer's instances; ``gates`` rows a unit, ``deep`` as in
    :class:`Context`."""
    lanes = next((i for i in module.instances if i.module == "rnnhw_lanes"), None)
    unsigned: set[Expression] = set()
    zeros = _zeros(module, unsigned)
    operands = operands_of(module)
    width = lanes["OPERAND_WIDTH"] if lanes is not None else 0
    partly_cleared = frozenset(
        bit
        for operand in operands
        for bits in mapping.spans(width)
        if has_partial_reset(operand, bits, zeros)
        for bit in bits
    )
    bits = OperandBits(operands, zeros)
    first = {
        net: value.values[0]
        for net, value in module.wires.items()
        if isinstance(value, Choice) and value.conditions[0] == FIRST_STEP
    }
    return Context(
        mapping,
        layout,
        gates,
        bits,
        partly_cleared,
        frozenset(unsigned),
        bits_read(module),
        _widest(module),
        zeros,
        _low_bits(module, bits.low_zeros),
        Counter(net for i in module.instances for net in i.ports.values()),
        frozenset(net for net, value in first.items() if isinstance(value, Constant)),
        sum(i.module == "rnnhw_pairs" for i in module.instances),
        _inputs(module),
        sum(net.bits for net, value in first.items() if isinstance(value, Net)),
        deep,
    )


def _widest(module: Module) -> dict[Expression, int]:
    """The bits that are read of the elements of words that are only resized."""
    widths: dict[Expression, int] = {}
    others: set[Expression] = set()
    for i in module.instances:
        net = net_of(i.port("a"))
        if net is None:
            continue
        if i.module == "rnnhw_resize_word":
            widths[net] = max(i["WIDTH"] - i["SHIFT"], widths.get(net, 0))
        else:
            others.add(net)
    return {net: bits for net, bits in widths.items() if net not in others}


def _zeros(module: Module, unsigned: set[Expression]) -> dict[Expression, int]:
    """How many of the highest bits of nets are zero: the sign of words without one, which are
    added to ``unsigned``, and what a bound leaves zero."""
    zeros: dict[Expression, int] = {}
    sources = Sources(module)
    for i in (*module.instances, *module.instances):  # some are written behind their readers
        facts = MODULES[i.module]
        result, source = i.port(facts.result), sources.of(i.port(facts.passes))
        if facts.may_lack_sign and i.parameters.get("UNSIGNED"):
            zeros[result] = 1
            unsigned.add(result)
        elif source in zeros:
            zeros[result] = zeros[source]
            unsigned.update({result} if source in unsigned else ())
        elif bits := _bits_of_bound(i, sources, zeros):
            zeros[result] = max(i["WIDTH"] - bits, 0)
    return zeros


def _low_bits(module: Module, of_sums: int) -> LowBits:
    """The known lowest bits of nets, where those ``of_sums`` of the lanes' are zero."""
    zeros: dict[Expression, int] = {}
    repeats: dict[Expression, int] = {}
    sources = Sources(module)
    for i in (*module.instances, *module.instances):  # some are written behind their readers
        facts = MODULES[i.module]
        result, source = i.port(facts.result), sources.of(i.port(facts.passes))
        match i.module:
            case "rnnhw_drain" | "rnnhw_snapshot":
                zeros[i.ports["value"]] = min(of_sums, i["BIAS_SHIFT"]) if i["BIAS"] else of_sums
            case "rnnhw_cast" if i["DROP"] < 0:
                saturates = i["OVERFLOW"] and i["A_WIDTH"] - i["DROP"] > i["WIDTH"]
                (repeats if saturates else zeros)[result] = -i["DROP"]
            case _ if facts.low_zeros is not None:
                of_ports = {port: zeros.get(sources.of(net), 0) for port, net in i.ports.items()}
                zeros[result] = facts.low_zeros(i, of_ports.__getitem__)
            case _ if facts.passes:
                for known in (zeros, repeats):
                    if source in known:
                        known[result] = known[source]
    return LowBits(zeros, repeats)


def _bits_of_bound(i: Instance, sources: Sources, zeros: Mapping[Expression, int]) -> int:
    """The bits of a constant less a number without a sign that it bounds; 0 for all else."""
    if i.module != "rnnhw_add" or not i["SUBTRACT"] or sources.of(i.ports["b"]) not in zeros:
        return 0
    return (number_of(i.ports["a"]) << i["A_SHIFT"]).bit_length()


def _inputs(module: Module) -> dict[Expression, int]:
    """Further inputs of the elements of feeds beside the words read: the first step, with a
    trained number, and whether a window of one element is beyond the ends of a band."""
    inputs: dict[Expression, int] = {}
    for i in (*module.instances, *module.instances):  # some are written behind their readers
        if i.module == "rnnhw_vector":
            inputs[i.ports["q"]] = i["FIRST_VALUE"] if "FIRST_VALUE" in i.parameters else 0
        elif i.module == "rnnhw_window" and i["SPAN"] == 1:
            inputs[i.ports["window"]] = inputs.get(i.ports["element"], 0) + (not i["CYCLIC"])
    return inputs


def factor_widths(multiply: Instance, context: Context) -> tuple[int, int]:
    """The widths of a product's operands without zeros above their sign and below all others."""
    a, b = (
        multiply[f"{port.upper()}_WIDTH"]
        - max(context.zeros.get(net, 0) - 1, 0)
        - context.low.zeros.get(net, 0)
        for port in ("a", "b")
        for net in [multiply.ports[port]]
    )
    return a, b


def product_bits(multiply: Instance, context: Context) -> int:
    """The bits of a product up to the highest one that is read, without zeros below."""
    y = multiply.ports["y"]
    return context.high(y, multiply["WIDTH"]) - context.low.zeros.get(y, 0)


def control_table(control: Instance, name: str) -> list[int]:
    """A table of the control, in the order of the phases."""
    fields = control.parameters[name]
    assert isinstance(fields, Concat)
    return [field.value for field in reversed(fields.operands) if isinstance(field, Constant)]
