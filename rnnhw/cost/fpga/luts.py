"""Amounts of each kind of LUT logic in the static modules, from their parameters.

The amounts are counted from the modules' text: bits of adders, multiplexers, comparators and
counters. What one bit takes depends on the family and on the tool: it is calibrated
(``benchmarks/calibrate.py``), and a layer's LUTs are the sum over the kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from rnnhw.cost.fpga.context import (
    Context,
    control_table,
    factor_widths,
    product_bits,
)
from rnnhw.cost.fpga.merge import distinct
from rnnhw.cost.fpga.multiplexers import alternatives, chosen_bits, operands_of
from rnnhw.cost.fpga.primitives import memories
from rnnhw.cost.fpga.technology import TechnologyMapping
from rnnhw.cost.fpga.wide_luts import (
    SAT_SYM,
    clamp_luts,
    saturation_luts,
    significant_bits,
    zero_luts,
)
from rnnhw.rtl.modules import MODULES, clamp_limits, module_table
from rnnhw.rtl.netlist import Expression, Instance, Operation, walk
from rnnhw.rtl.verilog_text import Module

__all__ = ["AMOUNTS", "KINDS", "has_three_levels", "lut_amounts", "multiplier_blocks"]

Amounts = Iterator[tuple[str, float]]

KINDS = {
    "layer": "control of a layer",
    "phases": "phases of a step, beyond the first",
    "input": "inputs, with their two banks",
    "result": "results, with their counts of units",
    "carry": "LUTs that the carry chains of adders of the family take",
    "narrow adder": "bits of adders too narrow for a carry chain",
    "counter": "bits of counters too narrow for a carry chain, that start again at a number",
    "long counter": "other counters that start again at a number",
    "address": "bits of addresses that are read one ahead, and start again at a number",
    "long address": "such bits of addresses that have a carry chain",
    "comparison": "bits of a column number compared with the ends of a feed",
    "index": "bits of a column number less the first one of a feed",
    "position": "bits of positions of a window",
    "cyclic position": "bits of positions of a window that wraps around",
    "window choice": "bits of a window's newest element, which are zero beyond the ends of a band",
    "base": "bits of a block's first element",
    "operand choice": "bits of operands chosen among feeds",
    "accumulator": "bits of accumulators, which start from zero",
    "row": "bits of rows that move on in the drain",
    "head": "bits of accumulators without biases",
    "first value": "bits of states chosen at the first step",
    "initial value": "bits of states that start from trained numbers",
    "first word": "bits of words of states chosen at the first step",
    "collision": "bits of memories read while they are written",
    "register choice": "LUTs that choose among the words of memories made of registers",
    "register word": "words of memories made of registers",
    "LUT RAM": "cells of 16 x 4",
    "LUT RAM choice": "bits chosen among cells",
    "LUT RAM choice ahead": "such bits by an address that is read one ahead",
    "shallow choice ahead": "such bits where no path has 3 levels",
    "LUT RAM choice behind": "such bits by an address that starts again behind a sum",
    "block choice": "LUTs that choose bits among block RAMs",
    "tie": "casts whose rounding depends on the number",
    "saturation": "bits of words that saturate, but for their sign",
    "saturation of 7 inputs": "such bits that depend on 6 bits above, where no path has 3 levels",
    "saturation of two levels": "such bits that depend on 8 bits above and more, where no path has "
    "3 levels",
    "excess": "bits above such words, beyond the first two",
    "shallow excess": "such bits where no path has 3 levels",
    "symmetric saturation": "bits of words without a most negative number",
    "sign-magnitude wrap": "bits of words that wrap as sign and magnitude",
    "difference": "bits of differences, of which a LUT inverts one operand",
    "comparator": "bits of numbers that are limited",
    "floor": "bits of numbers that are limited from below alone",
    "selection": "bits chosen by a sign",
    "shift by a bit": "bits of numbers that are shifted or not",
    "shift by two bits": "bits of numbers that are shifted by 0 to 3 of some power of two",
    "product": "bits times bits of products in logic",
    "joint": "bits of sums of more than two partial products",
    "gate": "registers of one gate among several",
    "ring": "bits of addresses of a window over time",
    "total": "bits of sums over time",
    "steps": "bits of the number of steps",
    "passes": "sequencers of passes over vectors",
    "pass": "passes over vectors",
    "buffer": "bits of addresses of a transform's buffers",
    "word": "bits of words chosen in front of a transform's memory",
    "word choice": "bits of words that are kept, and of weights and results of passes chosen",
    "pair feed": "feeds of pairs",
    "pair choice": "bits of operands chosen of pairs",
    "phase choice": "such bits of pairs of several feeds",
    "neuron choice": "bits of operands of neurons chosen of pairs of words",
    "pair sum": "bits of sums or differences of pairs",
    "element": "bits of a word that an element is chosen of",
    "bias word": "bits of words that biases are added to",
    "wide saturation": "LUTs of 4 inputs that fit words, in wide ones",
    "wide limit": "LUTs of 4 inputs that limit numbers, in wide ones",
    "joint addition": "LUTs that make two numbers of three partial products",
    "product by a bit": "bits of products of which one operand has one",
}
"""The unit of each kind."""


def lut_amounts(module: Module, context: Context) -> dict[str, float]:
    """How much of each kind a layer has."""
    total: dict[str, float] = {"layer": 1}
    instances, sources = distinct(module)
    vectors: set[tuple[Expression, ...]] = set()
    for instance in instances:
        if instance.module == "rnnhw_vector":
            depth, width = instance["BANKS"] << instance["INDEX_BITS"], instance["WIDTH"]
            written = sources.written(instance)
            if written in vectors and context.where(depth, width) == "registers":
                continue
            vectors.add(written)
        for kind, amount in AMOUNTS[instance.module](instance, context):
            total[kind] = total.get(kind, 0) + amount
    # The address of a unit's memory, read one ahead, has more levels than such a choice, and so
    # has the control of several phases.
    compact = any(
        MODULES[i.module].reads_ahead or (i.module == "rnnhw_control" and i["PHASES"] > 1)
        for i in instances
    )
    total["block choice"] = sum(
        width
        * context.mapping.rules.block_choice.of(context.layout(depth, width)[1], compact=compact)
        for depth, width, rom in memories(module)
        if rom or context.where(depth, width) == "block RAM"
    )
    lanes = next((i for i in module.instances if i.module == "rnnhw_lanes"), None)
    if lanes is not None:
        choices = context.operands.choices(context.inputs, wide=context.mapping.rules.wide_luts)
        total["operand choice"] = total.get("operand choice", 0) + choices
    total["initial value"] = context.initial_bits
    total["word choice"] = total.get("word choice", 0) + chosen_bits(module)
    return total


def multiplier_blocks(module: Module, context: Context) -> int:
    """The multiplier blocks of a layer's lanes and products."""
    total = 0
    for i in distinct(module)[0]:
        if i.module == "rnnhw_lanes":
            zeros = context.operands.low_zeros
            operand, result = i["OPERAND_WIDTH"] - zeros, i["WIDTH"] - zeros
            spans = context.mapping.block_spans(operand, i["WEIGHT_WIDTH"], result, blocks=True)
            # The sum's highest bits may be read by nothing, nor then the pieces that lie there.
            read = context.high(i.ports["sums"], i["WIDTH"]) - zeros
            total += i["LANES"] * sum(x.start + y.start < read for x, y in spans)
        elif i.module == "rnnhw_multiply":
            total += context.mapping.blocks(*factor_widths(i, context), product_bits(i, context))
    return total


def has_three_levels(module: Module, mapping: TechnologyMapping) -> bool:
    """Whether some path of a layer has three levels of LUTs of up to 7 inputs."""
    if mapping.rules.by_levels:
        return any(map(_needs_three_levels, module.instances))
    chosen = any(len(alternatives(operand)) > 5 for operand in operands_of(module))
    return chosen or any(map(_is_deep, module.instances))


def _is_deep(i: Instance) -> bool:
    """Whether an instance needs a third level of LUTs of up to 7 inputs, as netlists have them."""
    match i.module:
        case "rnnhw_cast":
            rounds = i["DROP"] > 0 and i["ROUNDING"] != 0 and not i.parameters.get("FOLDED")
            excess = i["A_WIDTH"] - i["DROP"] + rounds - i["WIDTH"] - i["UNSIGNED"]
            return i["OVERFLOW"] != 0 and excess > 11
        case "rnnhw_control":
            counters = i["COLUMN_BITS"] + i["GROUP_BITS"]
            return i["COLUMN_BITS"] > 6 or i["PHASES"] > 2 or (i["PHASES"] > 1 and counters > 12)
        case "rnnhw_passes":
            return i["CYCLE_BITS"] > 4
    return i.module in ("rnnhw_pairs", "rnnhw_stride")


def _needs_three_levels(i: Instance) -> bool:
    """The same where logic is mapped by its levels: the widths are those of netlists."""
    match i.module:
        case "rnnhw_cast":
            rounds = i["DROP"] > 0 and i["ROUNDING"] != 0 and not i.parameters.get("FOLDED")
            top = i["A_WIDTH"] - i["DROP"] + rounds - i["WIDTH"] + 1 - i["UNSIGNED"]
            # Whether a word would hold its most negative number depends on all of its bits.
            return i["OVERFLOW"] != 0 and top > (8 if i["OVERFLOW"] == SAT_SYM else 14)
        case "rnnhw_clamp":
            least, greatest = clamp_limits(i)
            bits = i["A_WIDTH"]
            if not least or greatest == (1 << bits) - 1:
                return False
            return bits > {2: 24, 3: 13}.get(significant_bits(least, bits), 10)
        case "rnnhw_ring":  # three cells of LUT RAM, and addresses that start again at an odd depth
            return i["DEPTH"] % 2 > 0 and i["DEPTH"] > 32
        case "rnnhw_control":
            return i["COLUMN_BITS"] > 6 or i["PHASES"] > 2
    return False


def _none(i: Instance, context: Context) -> Amounts:
    yield from ()


# --- control and feeds ---------------------------------------------------------------------------
def _control(i: Instance, context: Context) -> Amounts:
    yield "phases", i["PHASES"] - 1
    yield from _counter(i["COLUMN_BITS"], context)
    if max(control_table(i, "GROUPS")) > 1:
        yield from _counter(i["GROUP_BITS"], context)


def _adder(bits: int, context: Context, unread: int = 0) -> Amounts:
    """An adder of ``bits`` bits, of whose sum nothing reads the lowest ``unread``."""
    if context.mapping.is_chained(bits):
        yield "carry", context.mapping.carry_luts(bits, min(unread, bits))
    else:
        yield "narrow adder", max(bits, 0)


def _counter(bits: int, context: Context) -> Amounts:
    if context.mapping.is_chained(bits):
        yield "carry", context.mapping.carry_luts(bits)
        yield "long counter", 1
    else:
        yield "counter", bits


def _address(bits: int, context: Context) -> Amounts:
    yield "address", bits
    if context.mapping.is_chained(bits):
        yield "carry", context.mapping.carry_luts(bits)
        yield "long address", bits


def _broadcast(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * (2 if i["FIRST"] else 1)
    yield from _index_of_column(i)


def _index_of_column(i: Instance) -> Amounts:
    """The column less the first one: below its lowest bit that is one nothing changes."""
    if i["FIRST"]:
        unchanged = (i["FIRST"] & -i["FIRST"]).bit_length() - 1
        yield "index", max(i["INDEX_BITS"] - unchanged, 0)


def _block(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * (2 if i["FIRST"] else 1)
    yield "base", i["INDEX_BITS"] + i["GROUP_BITS"]


def _blocks(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * (2 if i["FIRST"] else 1) + i["INDEX_BITS"]
    yield "base", 2 * i["INDEX_BITS"]
    if i["LANES"] % i["ROWS"]:
        yield from _counter(i["ROW_BITS"], context)


def _window(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * 2
    step = math.gcd(i["SPAN"], i["UNITS"]) if i["CYCLIC"] else i["SPAN"]
    bits = i["POSITION_BITS"] - ((step & -step).bit_length() - 1) / 2
    if i["CYCLIC"] and i["UNITS"] == 1 << i["INDEX_BITS"]:
        yield "position", i["INDEX_BITS"]
    else:
        yield ("cyclic position" if i["CYCLIC"] else "position"), bits
    if not i["CYCLIC"] and i["SPAN"] > 1:
        yield "window choice", i["WIDTH"]


def _stride(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * (2 if i["FIRST"] else 1)
    yield "base", i["WORD_BITS"]
    if i["UNITS"] > i["ELEMENTS"]:
        yield from _address(i["WORD_BITS"], context)
    if i["GROUPS"] > 1:
        yield from _counter(i["GROUP_BITS"], context)
    if i["OFFSETS"]:
        yield from _counter(i["OFFSET_BITS"], context)
        # Each of its bits turns the word, as a choice of two for what is left of it behind.
        left = (min(i["ELEMENTS"], i["SPAN"] << bit) for bit in range(i["OFFSET_BITS"]))
        yield "operand choice", sum(left) * i["WIDTH"]


def _window_input(i: Instance, context: Context) -> Amounts:
    if context.mapping.rules.by_levels:
        depth, bits = i["EACH"] * (i["STEPS"] + 1), i["ADDRESS_BITS"]
        yield "counter", 5 * bits
        if depth & (depth - 1):
            yield from _modulo(bits, context, 4)
    else:
        yield "ring", 3 * i["ADDRESS_BITS"] + i["FILL_BITS"]
    yield "input", 1


# --- lanes and drain -----------------------------------------------------------------------------
def _lanes(i: Instance, context: Context) -> Amounts:
    mapping, lanes, zeros = context.mapping, i["LANES"], context.operands.low_zeros
    operand, weight = i["OPERAND_WIDTH"] - zeros, i["WEIGHT_WIDTH"]
    width = context.high(i.ports["sums"], i["WIDTH"]) - zeros
    single = len(mapping.pieces(operand, weight)) == 1 and not mapping.in_logic(operand, weight)
    inner = mapping.packed and single and not zeros and i["WIDTH"] <= mapping.rules.accumulators
    yield "accumulator", lanes * width
    if not inner:
        yield "carry", lanes * mapping.carry_luts(width)
    yield from _partial(operand, weight, context, lanes, width, i["WIDTH"] - zeros)


def _partial(a: int, b: int, context: Context, count: int, result: int, mapped: int) -> Amounts:
    """Pieces of products in logic, and the adders that join them; ``mapped`` bits of a product are
    wanted before it shows that only ``result`` are read."""
    if context.mapping.rules.by_levels:
        yield from _joint(a, b, context, count, result, mapped)
        return
    for x, y in context.mapping.in_logic(a, b, result):
        yield "product", count * x * y
    joins = context.mapping.joins(a, b, result)
    for bits in joins:
        for kind, amount in _adder(bits, context):
            yield kind, count * amount
    if len(joins) > 1:
        yield "joint", count * sum(joins)


def _joint(a: int, b: int, context: Context, count: int, result: int, mapped: int) -> Amounts:
    """The same where yosys adds all pieces of a product at once."""
    for x, y in context.mapping.in_logic(a, b, result):
        if x == 1:  # the highest bit: a number is subtracted or not
            yield "product by a bit", count * y
            yield "carry", count * context.mapping.carry_luts(y + 1)
        else:
            yield "product", count * x * y
    adders, joint = context.mapping.joint_sums(a, b, result, mapped)
    for bits in adders:
        for kind, amount in _adder(bits, context):
            yield kind, count * amount
    yield "joint addition", count * joint


def _drain(i: Instance, context: Context) -> Amounts:
    yield from _counter(i["ROW_BITS"], context)
    if context.gates > 1:
        yield from _counter(i["GATE_BITS"], context)
    yield from _snapshot(i, context)


def _snapshot(i: Instance, context: Context) -> Amounts:
    low, high = context.lowest(i.ports["value"]), context.high(i.ports["value"], i["WIDTH"])
    unread = min(low, i["BIAS_SHIFT"]) if i["BIAS"] else low
    row = max(high - max(unread, context.operands.low_zeros), 0)
    row -= context.gaps(i.ports["value"], i["BIAS_SHIFT"] if i["BIAS"] else high)
    # Nothing moves into the last row: its bits are cleared, under the register's enable.
    cleared = context.mapping.rules.clears_enabled or context.deep or i["LANES"] == 1
    yield "row", (i["LANES"] - 1 if cleared else i["LANES"]) * row
    if i["BIAS"]:
        start = max(unread, i["BIAS_SHIFT"])
        yield from _adder(max(high - start, 0), context, max(low - start, 0))
        if i["BIAS"] == 1:
            yield from _address(i["ADDRESS_BITS"], context)
    else:
        yield "head", high - low


# --- memories ------------------------------------------------------------------------------------
def _memory_logic(
    depth: int, width: int, context: Context, *, rewritten: bool = False, address: str = ""
) -> Amounts:
    """A memory's logic; ``address``: of such a choice among its cells."""
    address = "ahead" if rewritten else address
    match context.where(depth, width, rewritten=rewritten):
        case "registers":
            yield "register choice", width * _choice_luts(depth)
            yield "register word", depth
        case "LUT RAM":
            yield "LUT RAM", context.mapping.lut_ram_cells(depth, width)
            cells = context.mapping.lut_ram_depth(depth)
            choices = width * (cells - 1)
            if context.mapping.rules.by_levels and not address:
                # Two LUTs and a multiplexer choose among three, four and three among four.
                yield "LUT RAM choice", choices + width / 2 * (cells > 3 and not context.deep)
                return
            if context.mapping.rules.by_levels and address == "behind":
                choices = width * (cells > 1)
            yield f"LUT RAM choice {address}".strip(), choices
            if address == "ahead" and not context.deep:
                yield "shallow choice ahead", choices
        case _ if rewritten:
            yield "collision", width


def _choice_luts(words: int) -> int:
    """LUTs of 4 inputs that choose one bit of ``words``: two choose among four."""
    if words <= 1:
        return 0
    return 2 * (words // 4) + (0, 0, 1, 2)[words % 4] + _choice_luts(-(-words // 4))


def _vector(i: Instance, context: Context) -> Amounts:
    yield from _memory_logic(i["BANKS"] << i["INDEX_BITS"], i["WIDTH"], context)
    yield "first value", i["WIDTH"] if i.parameters.get("FIRST_VALUE") else 0


def _row(i: Instance, context: Context) -> Amounts:
    width = i["ELEMENTS"] * i["WIDTH"]
    yield from _counter(i["WORD_BITS"], context)
    if i["ELEMENTS"] > 1:
        yield from _counter(i["ELEMENT_BITS"], context)
    yield from _memory_logic(i["BANKS"] << i["WORD_BITS"], width, context)
    yield "first value", width if i.parameters.get("FIRST_VALUE") else 0


def _unit_address(i: Instance, context: Context) -> Amounts:
    yield from _address(max((i["UNITS"] - 1).bit_length(), 1), context)
    yield "operand choice", i["WIDTH"]


def _unit_index(i: Instance, context: Context) -> Amounts:
    yield from _address(i["INDEX_BITS"], context)


def _ring(i: Instance, context: Context) -> Amounts:
    wraps = "behind" if i["DEPTH"] & (i["DEPTH"] - 1) else ""
    address = "" if context.mapping.rules.by_levels else wraps
    yield from _memory_logic(i["DEPTH"], i["WIDTH"], context, address=address)
    where = context.where(i["DEPTH"], i["WIDTH"])
    if context.mapping.rules.by_levels and wraps and where == "LUT RAM" and not context.deep:
        # The address is known behind a level: two LUTs of 7 inputs choose among three cells.
        yield "LUT RAM choice", 12 * i["WIDTH"] * (context.mapping.lut_ram_depth(i["DEPTH"]) > 2)
    if context.mapping.rules.by_levels:
        bits = i["ADDRESS_BITS"]
        yield "counter", 2 * bits if bits > 3 else 4
        if wraps:
            yield from _modulo(bits, context, 2)
    else:
        yield "ring", 2 * i["ADDRESS_BITS"]


def _modulo(bits: int, context: Context, chains: int) -> Amounts:
    """The carry chains of addresses of ``bits`` bits that start again at a depth."""
    if context.mapping.is_chained(bits + 1):
        yield "carry", chains * context.mapping.carry_luts(bits + 1)


def _ring_words(i: Instance, context: Context) -> Amounts:
    yield from _memory_logic(i["WORDS"], i["ELEMENTS"] * i["WIDTH"], context)
    yield "ring", 2 * (i["ADDRESS_BITS"] - i["ELEMENT_BITS"])


def _unit_ram(i: Instance, context: Context) -> Amounts:
    bits = _index_bits(i)
    yield from _address(bits, context)
    yield from _counter(bits, context)
    yield from _memory_logic(1 << bits, i["WIDTH"], context, rewritten=True)
    yield "first value", i["WIDTH"]


def _unit_rom(i: Instance, context: Context) -> Amounts:
    yield from _address(_index_bits(i), context)


def _unit_input(i: Instance, context: Context) -> Amounts:
    yield from _address(i["INDEX_BITS"], context)
    yield from _memory_logic(2 << i["INDEX_BITS"], i["WIDTH"], context)


def _index_bits(i: Instance) -> int:
    return max((i["UNITS"] - 1).bit_length(), 1)


# --- transforms ----------------------------------------------------------------------------------
def _passes(i: Instance, context: Context) -> Amounts:
    yield from _counter(i["CYCLE_BITS"], context)
    yield "passes", 1
    yield "pass", i["PASSES"]


def _transform(i: Instance, context: Context) -> Amounts:
    width = i["ELEMENTS"] * i["WIDTH"]
    yield "buffer", 2 * (i["WORD_BITS"] + 1)
    yield "word", width
    yield "first word", width if i["FIRST_VALUE"] else 0
    address = "behind" if context.mapping.rules.by_levels else ""
    yield from _memory_logic(2 << i["WORD_BITS"], width, context, address=address)
    for _ in range(1, i["READERS"]):
        yield from _memory_logic(1 << i["WORD_BITS"], width, context, address=address)


def _words(i: Instance, context: Context) -> Amounts:
    width = i["ELEMENTS"] * i["WIDTH"]
    yield "first word", width if i["FIRST_VALUE"] else 0
    yield from _memory_logic(i["BANKS"] << i["WORD_BITS"], width, context)


def _pairs(i: Instance, context: Context) -> Amounts:
    width = i["WIDTH"] - context.zeros.get(i.ports["q"], 0)
    yield "pair feed", 1
    yield from _adder(i["WORD_BITS"] + i["ELEMENT_BITS"], context)
    yield "word choice", i["HELD"] * i["ELEMENTS"] * width
    if context.pairs > 1:
        yield "phase choice", i["SPAN"] * width
    else:
        yield "pair choice", i["SPAN"] * width
    if i["OFFSETS"]:
        yield "element", i["SPAN"] * 2 * width * i["ELEMENT_BITS"]


def _neurons(i: Instance, context: Context) -> Amounts:
    yield "neuron choice", i["ELEMENTS"] * i["WIDTH"]


def _sums(i: Instance, context: Context) -> Amounts:
    yield "pair sum", i["ELEMENTS"] * (i["WIDTH"] + 1)


def _cast_word(i: Instance, context: Context) -> Amounts:
    for kind, amount in _cast(i, context):
        yield kind, i["ELEMENTS"] * amount


def _bias_word(i: Instance, context: Context) -> Amounts:
    yield from _adder(i["ADDRESS_BITS"], context)
    width = min(context.widest.get(i.ports["y"], i["WIDTH"]), i["WIDTH"])
    yield "bias word", i["ELEMENTS"] * width


def _element(i: Instance, context: Context) -> Amounts:
    yield "element", (i["ELEMENTS"] - 1) * i["WIDTH"]


def _steps(i: Instance, context: Context) -> Amounts:
    yield from _counter(i["INDEX_BITS"], context)
    yield "steps", i["WIDTH"]


# --- operations ----------------------------------------------------------------------------------
def _cast(i: Instance, context: Context) -> Amounts:
    right = max(i["DROP"], 0)
    rounds = int(right > 0 and i["ROUNDING"] != 0 and not i.parameters.get("FOLDED"))
    whole = max(i["A_WIDTH"], right + 1) + rounds - right + max(-i["DROP"], 0)
    if rounds:
        yield from _rounding(i, context, whole)
    if i["OVERFLOW"] and whole > i["WIDTH"]:
        yield from _fit(i, context, whole - i["WIDTH"])


def _rounding(i: Instance, context: Context, whole: int) -> Amounts:
    """The adder that rounds: of half a unit it starts at that bit, else at the lowest."""
    held = min(whole, i["WIDTH"]) if i["OVERFLOW"] == _WRAP else whole
    below = 1 if i["ROUNDING"] == _RND else i["DROP"]
    yield from _adder(held + below, context, below)
    if i["ROUNDING"] != _RND:
        yield "tie", 1


def _fit(i: Instance, context: Context, excess: int) -> Amounts:
    """Bits that saturate: each depends on whether the bits above the word, and its sign, differ."""
    zeros = max(-i["DROP"], 0)
    bits = min(context.high(i.port("y"), i["WIDTH"]), i["WIDTH"] - 1 + i["UNSIGNED"])
    bits = max(bits - zeros, 0)
    top = excess + 1 - i["UNSIGNED"]
    if context.mapping.rules.by_levels:
        if i["OVERFLOW"] == _SAT_ZERO:
            luts = zero_luts(bits + 1 - i["UNSIGNED"], top, deep=context.deep)
        else:
            luts = saturation_luts(bits, top, i["OVERFLOW"], deep=context.deep)
        yield "wide saturation", luts
        return
    yield "excess", max(top - 3, 0)
    if i["OVERFLOW"] == _SAT_ZERO:
        return  # the register is cleared
    yield "saturation", bits
    if not context.deep:
        yield "shallow excess", max(top - 3, 0)
        if top == 6:
            yield "saturation of 7 inputs", bits
        elif top > 7:
            yield "saturation of two levels", bits
    if i["OVERFLOW"] == _SAT_SYM:
        yield "symmetric saturation", bits
    if i["OVERFLOW"] == _WRAP_SM:
        yield "sign-magnitude wrap", bits


_RND = 2
_WRAP, _SAT_ZERO, _SAT_SYM, _WRAP_SM = 0, 2, 3, 4
"""Of the modes of rnnhw_cast."""


def _add(i: Instance, context: Context) -> Amounts:
    a = i["A_SHIFT"] + context.low.zeros.get(i.ports["a"], 0)
    b = i["B_SHIFT"] + context.low.zeros.get(i.ports["b"], 0)
    start = b if i["SUBTRACT"] else max(a, b)
    low, high = context.lowest(i.ports["y"]), context.high(i.ports["y"], i["WIDTH"])
    bits = max(high - start - context.zeros.get(i.ports["y"], 0), 0)
    yield from _adder(bits, context, max(low - start, 0))
    if i["SUBTRACT"] and not context.mapping.rules.carry.inverts:
        yield "difference", min(bits, i["B_WIDTH"])


def _clamp(i: Instance, context: Context) -> Amounts:
    """Comparisons without a sign, the sign bit inverted: none with the least or the greatest
    number, and none in a carry chain with a power of two, which some bits alone tell."""
    bits = i["A_WIDTH"]
    least, greatest = clamp_limits(i)
    below = bits - (least & -least).bit_length() + 1 if least & (least - 1) else 0
    if below > _LUT_COMPARISON:
        yield from _adder(below, context, below)
    if greatest != (1 << bits) - 1:
        if bits > _LUT_COMPARISON:
            yield from _adder(bits, context, bits)
        if context.mapping.rules.by_levels and least:
            y = i.ports["y"]
            zeros = (least & -least).bit_length() - 1
            read = max(min(context.high(y, bits), zeros) - context.lowest(y), 0)
            yield "wide limit", clamp_luts(bits, read, least, deep=context.deep)
        else:
            yield "comparator", bits
    elif least:
        yield "floor", bits


_LUT_COMPARISON = 4
"""Bits of a number that a LUT compares with a constant: yosys calls cmp2lut.v with LUT_WIDTH=4."""


def _multiply(i: Instance, context: Context) -> Amounts:
    mapped = i["WIDTH"] - context.low.zeros.get(i.ports["y"], 0)
    yield from _partial(*factor_widths(i, context), context, 1, product_bits(i, context), mapped)


def _shift(i: Instance, context: Context) -> Amounts:
    # In halves: a shift by one bit chooses among two numbers, one by two bits among four.
    width, bits = min(i["A_WIDTH"], context.high(i.ports["y"], i["WIDTH"])), i["BY_WIDTH"] - 1
    yield "shift by a bit", width * (bits % 2)
    yield "shift by two bits", width * (bits // 2)


def _register(i: Instance, context: Context) -> Amounts:
    conditions = (each for each in walk(i.ports["en"]) if isinstance(each, Operation))
    yield "gate", int(any(each.operator == "==" for each in conditions))


def _total(i: Instance, context: Context) -> Amounts:
    yield "total", i["WIDTH"]
    yield from _adder(i["WIDTH"], context)
    yield from _address(i["INDEX_BITS"], context)
    if i["UNITS"] > 1:
        ahead = "ahead" if context.mapping.rules.by_levels else ""
        yield from _memory_logic(1 << i["INDEX_BITS"], i["WIDTH"], context, address=ahead)


def _input(i: Instance, context: Context) -> Amounts:
    yield from _counter(i["INDEX_BITS"], context)
    yield "input", 1


def _weights(i: Instance, context: Context) -> Amounts:
    yield from _adder(i["ADDRESS_BITS"], context)


def _result(i: Instance, context: Context) -> Amounts:
    yield "result", 1
    yield from _counter(i["INDEX_BITS"], context)


def _plain(kind: str, parameter: str) -> Callable[[Instance, Context], Amounts]:
    def amounts(i: Instance, context: Context) -> Amounts:
        yield kind, i[parameter]

    return amounts


_in_its_holder = _none
"""Only other static modules instantiate it, and their amounts have its logic."""

AMOUNTS: Mapping[str, Callable[[Instance, Context], Amounts]] = module_table(
    {
        "rnnhw_add": _add,
        "rnnhw_bias": _in_its_holder,
        "rnnhw_bias_word": _bias_word,
        "rnnhw_block": _block,
        "rnnhw_blocks": _blocks,
        "rnnhw_broadcast": _broadcast,
        "rnnhw_cast": _cast,
        "rnnhw_cast_word": _cast_word,
        "rnnhw_clamp": _clamp,
        "rnnhw_control": _control,
        "rnnhw_delay_word": _none,
        "rnnhw_drain": _drain,
        "rnnhw_element": _element,
        "rnnhw_gather": _in_its_holder,
        "rnnhw_input": _input,
        "rnnhw_lanes": _lanes,
        "rnnhw_last": _none,
        "rnnhw_lookup": _none,
        "rnnhw_multiply": _multiply,
        "rnnhw_neurons": _neurons,
        "rnnhw_pairs": _pairs,
        "rnnhw_passes": _passes,
        "rnnhw_register": _register,
        "rnnhw_resize_word": _none,
        "rnnhw_result": _result,
        "rnnhw_ring": _ring,
        "rnnhw_ring_words": _ring_words,
        "rnnhw_rom": _none,
        "rnnhw_row": _row,
        "rnnhw_select": _plain("selection", "WIDTH"),
        "rnnhw_shift": _shift,
        "rnnhw_snapshot": _snapshot,
        "rnnhw_steps": _steps,
        "rnnhw_stride": _stride,
        "rnnhw_sums": _sums,
        "rnnhw_total": _total,
        "rnnhw_transform": _transform,
        "rnnhw_unit_address": _unit_address,
        "rnnhw_unit_index": _unit_index,
        "rnnhw_unit_input": _unit_input,
        "rnnhw_unit_ram": _unit_ram,
        "rnnhw_unit_rom": _unit_rom,
        "rnnhw_vector": _vector,
        "rnnhw_weights": _weights,
        "rnnhw_window": _window,
        "rnnhw_window_input": _window_input,
        "rnnhw_words": _words,
    }
)
"""Logic of each static module."""
