"""What LUTs are for: amounts of each kind of logic in the static modules, from their parameters.

The amounts are counted from the modules' text: bits of adders, multiplexers, comparators and
counters. What one bit takes depends on the family and on the tool: it is calibrated
(``benchmarks/calibrate.py``), and a layer's LUTs are the sum over the kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from rnnhw.cost.fpga.context import Context, control_table, factor_widths
from rnnhw.cost.fpga.merge import distinct
from rnnhw.cost.fpga.multiplexers import chosen_bits, operands_of
from rnnhw.cost.fpga.primitives import memories
from rnnhw.rtl.modules import MODULES, module_table
from rnnhw.rtl.verilog_text import Instance, Module

__all__ = ["AMOUNTS", "KINDS", "lut_amounts", "multiplier_blocks"]

Amounts = Iterator[tuple[str, float]]

KINDS = {
    "layer": "control of a layer",
    "phases": "phases of a step, beyond the first",
    "counter": "bits of counters that start again at a number",
    "long counter": "such bits beyond the third of a counter",
    "address": "bits of addresses that are read one ahead, and start again at a number",
    "long address": "such bits beyond the third of an address",
    "plain counter": "bits of counters of the weights",
    "comparison": "bits of a column number compared with the ends of a feed",
    "position": "bits of positions of a window",
    "cyclic position": "bits of positions of a window that wraps around",
    "outside": "bits that are zero beyond the ends of a band",
    "base": "bits of a block's first element",
    "operand choice": "bits of operands chosen among feeds",
    "accumulator": "bits of accumulators",
    "outer accumulator": "bits of accumulators that multiplier blocks do not hold",
    "row": "bits of rows that move on in the drain",
    "bias": "bits of accumulators that a bias is added to",
    "head": "bits of accumulators without biases",
    "first value": "bits of states chosen at the first step",
    "first word": "bits of words of states chosen at the first step",
    "collision": "bits of memories read while they are written",
    "register memory": "bits of memories made of registers",
    "LUT RAM": "cells of 16 x 4",
    "LUT RAM choice": "bits chosen among cells",
    "LUT RAM choice ahead": "such bits by an address that is read one ahead",
    "block choice": "LUTs that choose bits among block RAMs",
    "rounding": "bits of adders that round",
    "saturation": "bits of words that saturate",
    "saturation of 5 inputs": "such bits that depend on 5 bits",
    "saturation of 6 inputs": "such bits that depend on 6 bits",
    "saturation of 7 inputs": "such bits that depend on 7 bits",
    "flat saturation": "LUTs of 4 inputs in such bits where no path of a layer has two levels",
    "excess": "bits above such words",
    "unsigned excess": "bits above words without a sign that saturate",
    "addition": "bits of sums",
    "subtraction": "bits of differences",
    "comparator": "bits of numbers that are limited",
    "selection": "bits chosen by a sign",
    "product": "bits times bits of products in logic",
    "joint": "bits of sums of partial products",
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
}
"""What each kind counts."""


def lut_amounts(module: Module, context: Context) -> dict[str, float]:
    """How much of each kind a layer has."""
    total: dict[str, float] = {"layer": 1}
    instances, names = distinct(module)
    vectors: set[tuple[str, ...]] = set()
    for instance in instances:
        if instance.module == "rnnhw_vector":
            depth, width = instance["BANKS"] << instance["INDEX_BITS"], instance["WIDTH"]
            written = names.written(instance)
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
        choices = sum(len(values) - 1 for values in operands_of(module).values())
        bits = lanes["OPERAND_WIDTH"] * choices
        total["operand choice"] = total.get("operand choice", 0) + bits
    total["word choice"] = total.get("word choice", 0) + chosen_bits(module)
    return total


def multiplier_blocks(module: Module, context: Context) -> int:
    """The multiplier blocks of a layer's lanes and products."""
    total = 0
    for i in distinct(module)[0]:
        if i.module == "rnnhw_lanes":
            operand = i["OPERAND_WIDTH"] - context.operands.low_zeros
            total += i["LANES"] * context.mapping.blocks(operand, i["WEIGHT_WIDTH"])
        elif i.module == "rnnhw_multiply":
            result = context.high(i.ports["y"], i["WIDTH"])
            total += context.mapping.blocks(*factor_widths(i, context), result)
    return total


def _none(i: Instance, context: Context) -> Amounts:
    yield from ()


# --- control and feeds ---------------------------------------------------------------------------
def _control(i: Instance, context: Context) -> Amounts:
    yield "phases", i["PHASES"] - 1
    yield from _counter("counter", i["COLUMN_BITS"])
    if max(control_table(i, "GROUPS")) > 1:
        yield from _counter("counter", i["GROUP_BITS"])


def _counter(kind: str, bits: int) -> Amounts:
    yield kind, bits
    yield f"long {kind}", max(bits - 3, 0)


def _broadcast(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * (2 if i["FIRST"] else 1)


def _block(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * (2 if i["FIRST"] else 1)
    yield "base", i["INDEX_BITS"] + i["GROUP_BITS"]


def _blocks(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * (2 if i["FIRST"] else 1) + i["INDEX_BITS"]
    yield "base", 2 * i["INDEX_BITS"]
    if i["LANES"] % i["ROWS"]:
        yield from _counter("counter", i["ROW_BITS"])


def _window(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * 2
    step = math.gcd(i["SPAN"], i["UNITS"]) if i["CYCLIC"] else i["SPAN"]
    bits = i["POSITION_BITS"] - ((step & -step).bit_length() - 1) / 2
    if i["CYCLIC"] and i["UNITS"] == 1 << i["INDEX_BITS"]:
        yield "position", i["INDEX_BITS"]
    else:
        yield ("cyclic position" if i["CYCLIC"] else "position"), bits
    if not i["CYCLIC"]:
        yield "outside", i["WIDTH"]


def _stride(i: Instance, context: Context) -> Amounts:
    yield "comparison", i["COLUMN_BITS"] * (2 if i["FIRST"] else 1)
    yield "base", i["WORD_BITS"]
    if i["UNITS"] > i["ELEMENTS"]:
        yield from _counter("address", i["WORD_BITS"])
    if i["GROUPS"] > 1:
        yield from _counter("counter", i["GROUP_BITS"])
    if i["OFFSETS"]:
        yield from _counter("counter", i["OFFSET_BITS"])
        # Each of its bits turns the word, as a choice of two for what is left of it behind.
        left = (min(i["ELEMENTS"], i["SPAN"] << bit) for bit in range(i["OFFSET_BITS"]))
        yield "operand choice", sum(left) * i["WIDTH"]


def _window_input(i: Instance, context: Context) -> Amounts:
    yield "ring", 3 * i["ADDRESS_BITS"] + i["FILL_BITS"]


# --- lanes and drain -----------------------------------------------------------------------------
def _lanes(i: Instance, context: Context) -> Amounts:
    mapping, lanes, zeros = context.mapping, i["LANES"], context.operands.low_zeros
    operand, weight = i["OPERAND_WIDTH"] - zeros, i["WEIGHT_WIDTH"]
    width = context.high(i.ports["sums"], i["WIDTH"]) - zeros
    single = len(mapping.pieces(operand, weight)) == 1 and not mapping.in_logic(operand, weight)
    inner = mapping.packed and single and not zeros and width <= mapping.rules.accumulators
    yield ("accumulator" if inner else "outer accumulator"), lanes * width
    yield from _partial(operand, weight, context, lanes)


def _partial(a: int, b: int, context: Context, count: int, result: int | None = None) -> Amounts:
    for x, y in context.mapping.in_logic(a, b, result):
        yield "product", count * x * y
    yield "joint", count * sum(context.mapping.joins(a, b))


def _drain(i: Instance, context: Context) -> Amounts:
    yield from _counter("counter", i["ROW_BITS"])
    if context.gates > 1:
        yield from _counter("counter", i["GATE_BITS"])
    yield from _snapshot(i, context)


def _snapshot(i: Instance, context: Context) -> Amounts:
    low, high = context.low(i.ports["value"]), context.high(i.ports["value"], i["WIDTH"])
    unread = min(low, i["BIAS_SHIFT"]) if i["BIAS"] else low
    row = max(high - max(unread, context.operands.low_zeros), 0)
    yield "row", (i["LANES"] - 1) * row
    if i["BIAS"]:
        yield "bias", max(high - max(unread, i["BIAS_SHIFT"]), 0)
        if i["BIAS"] == 1:
            yield from _counter("address", i["ADDRESS_BITS"])
    else:
        yield "head", high - low


# --- memories ------------------------------------------------------------------------------------
def _memory_logic(depth: int, width: int, context: Context, *, rewritten: bool = False) -> Amounts:
    match context.where(depth, width, rewritten=rewritten):
        case "registers":
            yield "register memory", depth * width
        case "LUT RAM":
            yield "LUT RAM", context.mapping.lut_ram_cells(depth, width)
            ahead = " ahead" if rewritten else ""
            yield f"LUT RAM choice{ahead}", width * (context.mapping.lut_ram_depth(depth) - 1)
        case _ if rewritten:
            yield "collision", width


def _vector(i: Instance, context: Context) -> Amounts:
    yield from _memory_logic(i["BANKS"] << i["INDEX_BITS"], i["WIDTH"], context)
    yield "first value", i["WIDTH"] if i.parameters.get("FIRST_VALUE") else 0


def _row(i: Instance, context: Context) -> Amounts:
    width = i["ELEMENTS"] * i["WIDTH"]
    yield from _counter("counter", i["WORD_BITS"])
    if i["ELEMENTS"] > 1:
        yield from _counter("counter", i["ELEMENT_BITS"])
    yield from _memory_logic(i["BANKS"] << i["WORD_BITS"], width, context)
    yield "first value", width if i.parameters.get("FIRST_VALUE") else 0


def _unit_address(i: Instance, context: Context) -> Amounts:
    yield from _counter("address", max((i["UNITS"] - 1).bit_length(), 1))
    yield "operand choice", i["WIDTH"]


def _unit_index(i: Instance, context: Context) -> Amounts:
    yield from _counter("address", i["INDEX_BITS"])


def _ring(i: Instance, context: Context) -> Amounts:
    yield from _memory_logic(i["DEPTH"], i["WIDTH"], context)
    yield "ring", 2 * i["ADDRESS_BITS"]


def _ring_words(i: Instance, context: Context) -> Amounts:
    yield from _memory_logic(i["WORDS"], i["ELEMENTS"] * i["WIDTH"], context)
    yield "ring", 2 * (i["ADDRESS_BITS"] - i["ELEMENT_BITS"])


def _unit_ram(i: Instance, context: Context) -> Amounts:
    bits = _index_bits(i)
    yield from _counter("address", bits)
    yield from _counter("counter", bits)
    yield from _memory_logic(1 << bits, i["WIDTH"], context, rewritten=True)
    yield "first value", i["WIDTH"]


def _unit_rom(i: Instance, context: Context) -> Amounts:
    yield from _counter("address", _index_bits(i))


def _unit_input(i: Instance, context: Context) -> Amounts:
    yield from _counter("address", i["INDEX_BITS"])
    yield from _memory_logic(2 << i["INDEX_BITS"], i["WIDTH"], context)


def _index_bits(i: Instance) -> int:
    return max((i["UNITS"] - 1).bit_length(), 1)


# --- transforms ----------------------------------------------------------------------------------
def _passes(i: Instance, context: Context) -> Amounts:
    yield from _counter("counter", i["CYCLE_BITS"])
    yield "passes", 1
    yield "pass", i["PASSES"]


def _transform(i: Instance, context: Context) -> Amounts:
    width = i["ELEMENTS"] * i["WIDTH"]
    yield "buffer", 2 * (i["WORD_BITS"] + 1)
    yield "word", width
    yield "first word", width if i["FIRST_VALUE"] else 0
    yield from _memory_logic(2 << i["WORD_BITS"], width, context)
    for _ in range(1, i["READERS"]):
        yield from _memory_logic(1 << i["WORD_BITS"], width, context)


def _words(i: Instance, context: Context) -> Amounts:
    width = i["ELEMENTS"] * i["WIDTH"]
    yield "first word", width if i["FIRST_VALUE"] else 0
    yield from _memory_logic(i["BANKS"] << i["WORD_BITS"], width, context)


def _pairs(i: Instance, context: Context) -> Amounts:
    width = i["WIDTH"] - context.zeros.get(i.ports["q"], 0)
    yield "pair feed", 1
    yield "plain counter", i["WORD_BITS"] + i["ELEMENT_BITS"]
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
    yield "plain counter", i["ADDRESS_BITS"]
    width = min(context.widest.get(i.ports["y"], i["WIDTH"]), i["WIDTH"])
    yield "bias word", i["ELEMENTS"] * width


def _element(i: Instance, context: Context) -> Amounts:
    yield "element", (i["ELEMENTS"] - 1) * i["WIDTH"]


def _steps(i: Instance, context: Context) -> Amounts:
    yield from _counter("counter", i["INDEX_BITS"])
    yield "steps", i["WIDTH"]


# --- operations ----------------------------------------------------------------------------------
def _cast(i: Instance, context: Context) -> Amounts:
    right = max(i["DROP"], 0)
    rounds = int(right > 0 and i["ROUNDING"] != 0 and not i.parameters.get("FOLDED"))
    whole = max(i["A_WIDTH"], right + 1) + rounds - right + max(-i["DROP"], 0)
    if rounds:
        yield "rounding", whole
    if i["OVERFLOW"] and whole > i["WIDTH"]:
        excess = whole - i["WIDTH"]
        inputs = excess + (1 if i["UNSIGNED"] else 2)
        bits = context.high(i.ports.get("y", ""), i["WIDTH"])
        if 5 <= inputs <= 7:
            if context.flat:
                yield "flat saturation", bits << (inputs - 4)
            else:
                yield f"saturation of {inputs} inputs", bits
        else:
            yield "saturation", bits
        yield ("unsigned excess" if i["UNSIGNED"] else "excess"), excess


def _add(i: Instance, context: Context) -> Amounts:
    low = max(context.low(i.ports["y"]), i["B_SHIFT"])
    low = max(low, i["A_SHIFT"]) if not i["SUBTRACT"] else low
    high = context.high(i.ports["y"], i["WIDTH"])
    yield ("subtraction" if i["SUBTRACT"] else "addition"), max(high - low, 0)


def _multiply(i: Instance, context: Context) -> Amounts:
    result = context.high(i.ports["y"], i["WIDTH"])
    yield from _partial(*factor_widths(i, context), context, 1, result)


def _register(i: Instance, context: Context) -> Amounts:
    yield "gate", int("==" in i.ports["en"])


def _total(i: Instance, context: Context) -> Amounts:
    yield "total", i["WIDTH"]
    yield from _counter("address", i["INDEX_BITS"])
    if i["UNITS"] > 1:
        yield from _memory_logic(1 << i["INDEX_BITS"], i["WIDTH"], context)


def _index(i: Instance, context: Context) -> Amounts:
    yield from _counter("counter", i["INDEX_BITS"])


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
        "rnnhw_clamp": _plain("comparator", "A_WIDTH"),
        "rnnhw_control": _control,
        "rnnhw_delay_word": _none,
        "rnnhw_drain": _drain,
        "rnnhw_element": _element,
        "rnnhw_gather": _in_its_holder,
        "rnnhw_input": _index,
        "rnnhw_lanes": _lanes,
        "rnnhw_last": _none,
        "rnnhw_lookup": _none,
        "rnnhw_multiply": _multiply,
        "rnnhw_neurons": _neurons,
        "rnnhw_pairs": _pairs,
        "rnnhw_passes": _passes,
        "rnnhw_register": _register,
        "rnnhw_resize_word": _none,
        "rnnhw_result": _index,
        "rnnhw_ring": _ring,
        "rnnhw_ring_words": _ring_words,
        "rnnhw_rom": _none,
        "rnnhw_row": _row,
        "rnnhw_select": _plain("selection", "WIDTH"),
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
        "rnnhw_weights": _plain("plain counter", "ADDRESS_BITS"),
        "rnnhw_window": _window,
        "rnnhw_window_input": _window_input,
        "rnnhw_words": _words,
    }
)
"""Logic of each static module."""
