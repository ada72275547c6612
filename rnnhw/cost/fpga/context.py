"""What the parameters of a layer's instances do not say, but their neighbours do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from rnnhw.cost.fpga.liveness import lowest_bits
from rnnhw.cost.fpga.merge import Names
from rnnhw.cost.fpga.multiplexers import has_partial_reset, operands_of
from rnnhw.cost.fpga.technology import TechnologyMapping
from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.verilog_text import Instance, Module

__all__ = ["Context", "Layout", "context_of", "control_table"]


Layout = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Context:
    """What an instance's parameters do not say.

    ``mapping`` is the technology mapping of the family; ``layout(depth, width)`` says how many
    block RAMs a memory fills, and into how many pieces its depth is cut.

    ``gates`` is the number of rows of a unit, ``operands`` that of different operands among those
    of all lanes. ``partial_reset_bits`` counts the bits of the pieces of operands, for a multiplier
    block, of which the columns of some feeds clear only a part; ``unsigned_operands`` tells that
    some operands have no sign.

    Of nets by name: ``lowest`` is the lowest bit that is read, ``widest`` the number of bits that
    are read of a word's elements, ``zeros`` the number of highest bits that are zero, ``reads`` the
    number of readers. ``pairs`` is the number of feeds of pairs.
    """

    mapping: TechnologyMapping
    layout: Layout
    gates: int
    operands: int
    partial_reset_bits: int
    unsigned_operands: bool
    lowest: dict[str, int]
    widest: dict[str, int]
    zeros: dict[str, int]
    reads: Counter[str]
    pairs: int

    def where(self, depth: int, width: int, *, rewritten: bool = False) -> str:
        """Where a memory without an attribute lies."""
        blocks, _ = self.layout(depth, width)
        return self.mapping.place(depth, width, blocks, rewritten=rewritten)


def context_of(module: Module, mapping: TechnologyMapping, layout: Layout, gates: int) -> Context:
    """The context of a layer's instances; ``gates`` rows a unit."""
    lanes = next((i for i in module.instances if i.module == "rnnhw_lanes"), None)
    zeros = _zeros(module)
    operands = operands_of(module)
    width = lanes["OPERAND_WIDTH"] if lanes is not None else 0
    partial_reset_bits = sum(
        len(bits)
        for alternatives in operands.values()
        for bits in mapping.spans(width)
        if has_partial_reset(alternatives, width, bits, zeros)
    )
    lowest = lowest_bits(module)
    read = {net for text in operands for net in re.findall(r"[A-Za-z_]\w*", text)}
    return Context(
        mapping,
        layout,
        gates,
        max(len(operands), 1),
        partial_reset_bits,
        not read.isdisjoint(zeros),
        lowest,
        _widest(module),
        zeros,
        Counter(net for i in module.instances for net in i.ports.values()),
        sum(i.module == "rnnhw_pairs" for i in module.instances),
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


def _zeros(module: Module) -> dict[str, int]:
    """How many of the highest bits of nets are zero: the sign of words without one."""
    zeros: dict[str, int] = {}
    names = Names(module.lines)
    for i in (*module.instances, *module.instances):  # some are written behind their readers
        facts = MODULES[i.module]
        result = i.ports.get(facts.result, "")
        source = names.of(i.ports.get(facts.passes, ""))
        if facts.may_lack_sign and i.parameters.get("UNSIGNED"):
            zeros[result] = 1
        elif source in zeros:
            zeros[result] = zeros[source]
        elif bits := _bits_of_bound(i, names, zeros):
            zeros[result] = max(i["WIDTH"] - bits, 0)
    return zeros


def _bits_of_bound(i: Instance, names: Names, zeros: dict[str, int]) -> int:
    """The bits of a constant less a number without a sign that it bounds; 0 for all else."""
    if i.module != "rnnhw_add" or not i["SUBTRACT"] or names.of(i.ports["b"]) not in zeros:
        return 0
    constant = _CONSTANT.fullmatch(i.ports["a"])
    return (int(constant[1], 16) << i["A_SHIFT"]).bit_length() if constant else 0


_CONSTANT = re.compile(r"\$signed\(\d+'h([0-9a-f]+)\)")


def control_table(control: Instance, name: str) -> list[int]:
    """A table of the control, in the order of the phases."""
    fields = re.findall(r"32'd(\d+)", str(control.parameters[name]))
    return [int(field) for field in reversed(fields)]
