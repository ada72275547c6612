"""What the parameters of a layer's instances do not say, but their neighbours do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rnnhw.cost.fpga.liveness import ALL_BITS, bits_read
from rnnhw.cost.fpga.merge import Names
from rnnhw.cost.fpga.multiplexers import OperandBits, has_partial_reset, operands_of
from rnnhw.cost.fpga.technology import TechnologyMapping
from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.verilog_text import Instance, Module

__all__ = ["Context", "Layout", "context_of", "control_table", "factor_widths"]


Layout = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Context:
    """What an instance's parameters do not say.

    ``mapping`` is the technology mapping of the family; ``layout(depth, width)`` says how many
    block RAMs a memory fills, and into how many pieces its depth is cut.

    ``gates`` is the number of rows of a unit, ``operands`` what the bits of the lanes' operands
    are chosen among. ``partly_cleared`` are the bits of the pieces of operands, for a multiplier
    block, of which the columns of some feeds clear only a part; ``unsigned`` are the nets of words
    without a sign.

    Of nets by name: ``read`` are the bits that are read, from the lowest to the highest, ``widest``
    the number of bits that are read of a word's elements, ``zeros`` the number of highest bits that
    are zero, ``reads`` the number of readers, ``cleared`` those that are zero in the first step.
    ``pairs`` is the number of feeds of pairs; ``flat`` tells that no path has two levels of LUTs.
    """

    mapping: TechnologyMapping
    layout: Layout
    gates: int
    operands: OperandBits
    partly_cleared: frozenset[int]
    unsigned: frozenset[str]
    read: Mapping[str, range]
    widest: dict[str, int]
    zeros: dict[str, int]
    reads: Counter[str]
    cleared: frozenset[str]
    pairs: int
    flat: bool

    def low(self, net: str) -> int:
        """The lowest bit that is read of a net."""
        return self.read.get(net, ALL_BITS).start

    def high(self, net: str, width: int) -> int:
        """The bits up to the highest one that is read of a net of ``width`` bits."""
        return min(self.read.get(net, ALL_BITS).stop, width)

    def where(self, depth: int, width: int, *, rewritten: bool = False) -> str:
        """Where a memory without an attribute lies."""
        blocks, _ = self.layout(depth, width)
        return self.mapping.place(depth, width, blocks, rewritten=rewritten)


def context_of(module: Module, mapping: TechnologyMapping, layout: Layout, gates: int) -> Context:
    """The context of a layer's instances; ``gates`` rows a unit."""
    lanes = next((i for i in module.instances if i.module == "rnnhw_lanes"), None)
    unsigned: set[str] = set()
    zeros = _zeros(module, unsigned)
    operands = operands_of(module)
    width = lanes["OPERAND_WIDTH"] if lanes is not None else 0
    partly_cleared = frozenset(
        bit
        for alternatives in operands.values()
        for bits in mapping.spans(width)
        if has_partial_reset(alternatives, width, bits, zeros)
        for bit in bits
    )
    return Context(
        mapping,
        layout,
        gates,
        OperandBits(module, width, zeros),
        partly_cleared,
        frozenset(unsigned),
        bits_read(module),
        _widest(module),
        zeros,
        Counter(net for i in module.instances for net in i.ports.values()),
        frozenset(match[1] for line in module.lines if (match := _CLEARED.match(line))),
        sum(i.module == "rnnhw_pairs" for i in module.instances),
        _is_flat(module, operands),
    )


def _widest(module: Module) -> dict[str, int]:
    """The bits that are read of the elements of words that are only resized."""
    widths: dict[str, int] = {}
    others: set[str] = set()
    for i in module.instances:
        net = i.ports.get("a", "").partition("[")[0]
        if i.module == "rnnhw_resize_word":
            widths[net] = max(i["WIDTH"] - i["SHIFT"], widths.get(net, 0))
        else:
            others.add(net)
    return {net: bits for net, bits in widths.items() if net not in others}


def _zeros(module: Module, unsigned: set[str]) -> dict[str, int]:
    """How many of the highest bits of nets are zero: the sign of words without one, which are
    added to ``unsigned``, and what a bound leaves zero."""
    zeros: dict[str, int] = {}
    names = Names(module.lines)
    for i in (*module.instances, *module.instances):  # some are written behind their readers
        facts = MODULES[i.module]
        result = i.ports.get(facts.result, "")
        source = names.of(i.ports.get(facts.passes, ""))
        if facts.may_lack_sign and i.parameters.get("UNSIGNED"):
            zeros[result] = 1
            unsigned.add(result)
        elif source in zeros:
            zeros[result] = zeros[source]
            unsigned.update({result} if source in unsigned else ())
        elif bits := _bits_of_bound(i, names, zeros):
            zeros[result] = max(i["WIDTH"] - bits, 0)
    return zeros


def _bits_of_bound(i: Instance, names: Names, zeros: dict[str, int]) -> int:
    """The bits of a constant less a number without a sign that it bounds; 0 for all else."""
    if i.module != "rnnhw_add" or not i["SUBTRACT"] or names.of(i.ports["b"]) not in zeros:
        return 0
    constant = _CONSTANT.fullmatch(i.ports["a"])
    return (int(constant[1], 16) << i["A_SHIFT"]).bit_length() if constant else 0


def _is_flat(module: Module, operands: Mapping[str, list[str]]) -> bool:
    """Whether no path of a layer needs a second level of LUTs of up to 7 inputs."""
    if any(len(alternatives) > 4 for alternatives in operands.values()):
        return False
    return not any(map(_has_levels, module.instances))


def _has_levels(i: Instance) -> bool:
    """Whether an instance needs a second level of LUTs of up to 7 inputs."""
    match i.module:
        case "rnnhw_control":
            return i["PHASES"] > 1
        case "rnnhw_unit_ram" | "rnnhw_unit_rom":
            return i["UNITS"] > 32  # an address of 6 bits beside its reset and its enable
        case "rnnhw_cast":
            return i["OVERFLOW"] != 0 and i["A_WIDTH"] - i["DROP"] + 1 - i["WIDTH"] > 6
    return i.module in ("rnnhw_transform", "rnnhw_pairs", "rnnhw_passes", "rnnhw_stride")


_CLEARED = re.compile(r"^wire .*?(\w+) = first_step \? \d+'b0 : ")
_CONSTANT = re.compile(r"\$signed\(\d+'h([0-9a-f]+)\)")


def factor_widths(multiply: Instance, context: Context) -> tuple[int, int]:
    """The widths of a product's operands without zeros above their sign."""
    a, b = (
        multiply[f"{port.upper()}_WIDTH"] - max(context.zeros.get(multiply.ports[port], 0) - 1, 0)
        for port in ("a", "b")
    )
    return a, b


def control_table(control: Instance, name: str) -> list[int]:
    """A table of the control, in the order of the phases."""
    fields = re.findall(r"32'd(\d+)", str(control.parameters[name]))
    return [int(field) for field in reversed(fields)]
