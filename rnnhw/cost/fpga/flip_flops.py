"""Flip-flops of the static modules, counted from their parameters.

Each count is that of the module's text: what it declares, less what synthesis finds to be
constant, equal to another register, or read by nothing; and less what moves into the registers of
multiplier blocks (iCE40) or of block RAM.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from rnnhw.cost.fpga.context import Context, control_table, factor_widths, product_bits
from rnnhw.cost.fpga.merge import Sources, distinct
from rnnhw.cost.fpga.primitives import memories
from rnnhw.rtl.modules import module_table
from rnnhw.rtl.netlist import FALSE, Concat, Expression, Instance, Repeat
from rnnhw.rtl.verilog_text import Module

__all__ = ["REGISTERS", "Registers", "flip_flops"]


def flip_flops(module: Module, context: Context) -> int:
    """Flip-flops of a layer."""
    total = _text_registers(module)
    instances, sources = distinct(module)
    shared: dict[Hashable, int] = {}
    for instance in instances:
        registers = REGISTERS[instance.module]
        total += registers.count(instance, context)
        for key, bits in registers.shared(instance, context, sources).items():
            shared[key] = max(bits, shared.get(key, 0))
    total += sum(shared.values())
    # Which of several block RAMs was read is kept beside them.
    for depth, width, rom in memories(module):
        if rom or context.where(depth, width) == "block RAM":
            total += (context.layout(depth, width)[1] - 1).bit_length()
    return total


def _text_registers(module: Module) -> int:
    """Registers that the layer's text declares, without those of its instances."""
    declared = module.registers
    control = next((i for i in module.instances if i.module == "rnnhw_control"), None)
    if control is None:
        return declared
    rows = control_table(control, "ROWS")
    if len(rows) == 1:
        # The rows of a group are all or the last ones: a bit is constant, or tells which.
        last = control_table(control, "LAST_ROWS")[0] if control["GROUP_BITS"] else rows[0]
        only = control_table(control, "GROUPS")[0] == 1
        up = any(last >> bit & 1 and not rows[0] >> bit & 1 for bit in range(control["ROW_BITS"]))
        down = any(rows[0] >> bit & 1 and not last >> bit & 1 for bit in range(control["ROW_BITS"]))
        bits = 0 if only else up + down
        declared -= 4 * (control["ROW_BITS"] - bits)
    return declared


def _low(instance: Instance, context: Context, port: str) -> int:
    return context.lowest(instance.port(port))


# --- control and feeds ---------------------------------------------------------------------------
def _control(i: Instance, context: Context) -> int:
    counters = i["COLUMN_BITS"] + i["GROUP_BITS"]
    more = 1 + i["PHASE_BITS"] if i["PHASES"] > 1 else 0
    waits = i["TRANSFORM_BITS"] if any(control_table(i, "TRANSFORM")) else 0
    return 3 + counters + more + waits


def _input(i: Instance, context: Context) -> int:
    return 7 + i["INDEX_BITS"]


def _window_input(i: Instance, context: Context) -> int:
    return 6 + 4 * i["ADDRESS_BITS"] + i["FILL_BITS"]


def _block(i: Instance, context: Context) -> int:
    return max(i["INDEX_BITS"] - _even(i["COLUMNS"]), 0) + i["GROUP_BITS"]


def _blocks(i: Instance, context: Context) -> int:
    rest = i["LANES"] % i["ROWS"]
    step = i["INPUTS"] if rest else i["LANES"] // i["ROWS"] * i["INPUTS"]
    bases = 2 * i["INDEX_BITS"] - _even(step) - _even(math.gcd(step, i["UNITS"] - i["COLUMNS"]))
    return bases + (i["ROW_BITS"] - _even(math.gcd(rest, i["ROWS"])) if rest else 0)


def _window(i: Instance, context: Context) -> int:
    step = math.gcd(i["SPAN"], i["UNITS"]) if i["CYCLIC"] else i["SPAN"]
    # Modulo a power of two only the index is left of a position.
    wraps = i["CYCLIC"] and i["UNITS"] == 1 << i["INDEX_BITS"]
    positions = 2 * i["INDEX_BITS" if wraps else "POSITION_BITS"] - _even(step)
    width = i["WIDTH"] - context.zeros.get(i.ports["element"], 0)
    return positions + (not i["CYCLIC"]) + (i["SPAN"] - 1) * width


def _even(number: int) -> int:
    """How often 2 divides a number."""
    return (number & -number).bit_length() - 1


def _stride(i: Instance, context: Context) -> int:
    bases = i["WORD_BITS"] if i["UNITS"] // i["ELEMENTS"] > 1 else 0
    groups = i["GROUP_BITS"] if i["GROUPS"] > 1 else 0
    offsets = 2 * i["OFFSET_BITS"] if i["OFFSETS"] else 0
    return i["WORD_BITS"] + bases + groups + offsets


# --- lanes and drain -----------------------------------------------------------------------------
def _lanes(i: Instance, context: Context) -> int:
    marks = 10 if i.ports["snapshot"] == FALSE else 14
    if context.mapping.rules.shift_registers:
        marks -= 6  # whether a column is valid, and the first, three cycles later
    zeros = context.operands.low_zeros
    operand, weight = i["OPERAND_WIDTH"] - zeros, i["WEIGHT_WIDTH"]
    width = context.high(i.ports["sums"], i["WIDTH"]) - zeros
    product = min(operand + weight, width)
    mapping = context.mapping
    if not mapping.packed:
        return marks + i["LANES"] * (weight + product + width) + context.operands.registers()
    left = mapping.block_spans(operand, weight, i["WIDTH"] - zeros, blocks=False)
    # Sums of several products, wide ones, and those behind zeros stay outside the blocks.
    joint = len(mapping.pieces(operand, weight)) > 1
    inner = not joint and not left and not zeros and i["WIDTH"] <= mapping.rules.accumulators
    lane = 0 if inner else width
    # The product is mapped before it shows that a sum's highest bits are not read.
    product = min(operand + weight, i["WIDTH"] - zeros)
    lane += _bits(left, 1) + _result_bits(operand, weight, product, context)
    # So does an operand's register whose bits are cleared in different columns.
    outside = {zeros + bit for span, _ in left for bit in span} | context.partly_cleared
    shared = context.operands.registers(outside)
    return marks + i["LANES"] * lane + shared


def _bits(spans: list[tuple[range, range]], side: int) -> int:
    """Bits of an operand that some of the pieces have."""
    return len({bit for pair in spans for bit in pair[side]})


def _result_bits(a: int, b: int, width: int, context: Context, low: int = 0) -> int:
    """Bits of a product's register outside of blocks: those from the lowest one on that logic adds
    to, for a piece that is no block or for two blocks at one place; below it they stay in blocks.

    yosys 0.23 on iCE40: 32 of 24 x 24, 18 of 17 x 17, 37 of 20 x 33.
    """
    left = context.mapping.block_spans(a, b, width, blocks=False)
    places = [x.start + y.start for x, y in context.mapping.block_spans(a, b, width, blocks=True)]
    added = [place for place in places if places.count(place) > 1]
    added += [x.start + y.start for x, y in left]
    sliced = context.mapping.rules.multiplier_slice if len(places) > 1 else 0
    # What a block hands on is shifted by a slice; the bits of the slice go past it.
    return sliced + (max(width - max(min(added), low), 0) if added else 0)


def _drain(i: Instance, context: Context) -> int:
    gates = 2 * i["GATE_BITS"] if context.gates > 1 else 0
    return _rows(i, context) + i["ROW_BITS"] + gates + 1


def _snapshot(i: Instance, context: Context) -> int:
    return _rows(i, context)


def _rows(i: Instance, context: Context) -> int:
    """Registers of rows, of the one that leaves with its bias, and of the bias's address."""
    low, high = _low(i, context, "value"), context.high(i.ports["value"], i["WIDTH"])
    unread = min(low, i["BIAS_SHIFT"]) if i["BIAS"] else low
    row = max(high - max(unread, context.operands.low_zeros), 0)
    value = high - low - context.gaps(i.ports["value"], high)
    # The adder of a bias needs all bits from its lowest one on.
    row -= context.gaps(i.ports["value"], i["BIAS_SHIFT"] if i["BIAS"] else high)
    return i["LANES"] * row + value + _bias(i, context)


def _bias(i: Instance, context: Context) -> int:
    return i["ADDRESS_BITS"] if i["BIAS"] == 1 else 0


# --- memories ------------------------------------------------------------------------------------
def _memory_registers(depth: int, width: int, context: Context) -> int:
    """Registers of a memory with one port to read."""
    match context.where(depth, width):
        case "registers":
            return depth * width + width
        case "LUT RAM":
            return width
    return 0


def _vector(i: Instance, context: Context, sources: Sources) -> dict[Hashable, int]:
    """Registers of vectors with the same words are one, and so are those of what is read."""
    depth, width = i["BANKS"] << i["INDEX_BITS"], i["WIDTH"]
    written = sources.written(i)
    where = context.where(depth, width)
    if where == "block RAM":
        return {}
    if where == "registers":
        # Where it lies is decided before bits that are always zero are removed.
        net = sources.of(i.ports["d"])
        above = max(context.zeros.get(net, 0) - i["UNSIGNED"], 0)
        width = max(width - context.low.zeros.get(net, 0) - above, 0)
    held: dict[Hashable, int] = {("words", *written): depth * width if where == "registers" else 0}
    held["word", *written, sources.of(i.ports["read_index"])] = width
    return held


def _row(i: Instance, context: Context) -> int:
    width, elements = i["WIDTH"], i["ELEMENTS"]
    gathered = (elements - 1) * width + i["ELEMENT_BITS"] if elements > 1 else 0
    held = _memory_registers(i["BANKS"] << i["WORD_BITS"], elements * width, context)
    return i["WORD_BITS"] + gathered + held


def _ring(i: Instance, context: Context) -> int:
    return _memory_registers(i["DEPTH"], i["WIDTH"], context)


def _unit_ram(i: Instance, context: Context) -> int:
    bits = _index_bits(i["UNITS"])
    read = _result(i, context, i["WIDTH"], "q")
    # Where it lies is decided before the bits that nothing reads are removed.
    match context.where(1 << bits, i["WIDTH"], rewritten=True):
        case "registers":
            return 2 * bits + (read << bits) + read
        case "LUT RAM":
            return 2 * bits + read
    if context.mapping.rules.collision_registers:
        # The word written, the word read, which of them counts, and both addresses.
        return 2 * bits + 2 * read + bits + 2
    return 2 * bits


def _unit_address(i: Instance, context: Context) -> int:
    return max((i["UNITS"] - 1).bit_length(), 1) + i["WIDTH"]


def _unit_rom(i: Instance, context: Context) -> int:
    return _index_bits(i["UNITS"])


def _unit_input(i: Instance, context: Context) -> int:
    return i["INDEX_BITS"] + _memory_registers(2 << i["INDEX_BITS"], i["WIDTH"], context)


def _index_bits(units: int) -> int:
    return max((units - 1).bit_length(), 1)


def _total(i: Instance, context: Context) -> int:
    held = _memory_registers(1 << i["INDEX_BITS"], i["WIDTH"], context) if i["UNITS"] > 1 else 0
    return i["INDEX_BITS"] + i["WIDTH"] + 1 + held


# --- transforms ----------------------------------------------------------------------------------
def _passes(i: Instance, context: Context) -> int:
    return 1 + (i["PASS_BITS"] if i["PASSES"] > 1 else 0) + i["CYCLE_BITS"]


def _transform(i: Instance, context: Context) -> int:
    address, width = i["WORD_BITS"] + 1, i["ELEMENTS"] * i["WIDTH"]
    counters = 2 * (i["WORD_BITS"] - 1)
    slow, sums = i["LATENCY"] + i["SECOND"], i["SUMS"]
    delay = max(slow, sums + 1)
    delays = delay + (sums + 1 + delay if sums else delay)
    held = _memory_registers(1 << address, width, context)
    copies = (i["READERS"] - 1) * _memory_registers(1 << i["WORD_BITS"], width, context)
    return 1 + delays + counters + int(i["FIRST_VALUE"] != 0) + held + copies


def _words(i: Instance, context: Context) -> int:
    return _memory_registers(i["BANKS"] << i["WORD_BITS"], i["ELEMENTS"] * i["WIDTH"], context)


def _ring_words(i: Instance, context: Context) -> int:
    return _memory_registers(i["WORDS"], i["ELEMENTS"] * i["WIDTH"], context)


def _gather_registers(i: Instance, context: Context, sources: Sources) -> dict[Hashable, int]:
    """Elements that wait for the others of their word: alike where the same vector is written."""
    if i.parameters.get("FIRST_VALUE") == 3:
        return {}
    value, width = i.ports["d"], i["WIDTH"]
    match value:
        case Concat((Repeat(count=copies), net)):  # of its sign
            value, width = net, width - copies
    source = sources.of(value)
    width -= context.zeros.get(source, 0)
    return {("gather", source, i["ELEMENTS"]): (i["ELEMENTS"] - 1) * width}


def _neurons(i: Instance, context: Context) -> int:
    return 1 + 2 * i["ELEMENTS"] * i["WIDTH"]


def _column_counts(i: Instance, context: Context, sources: Sources) -> dict[Hashable, int]:
    """Two counts of the cycle, by which all choose."""
    return {"columns of neurons": 4}


def _sums(i: Instance, context: Context) -> int:
    return 3 * i["ELEMENTS"] * i["WIDTH"]


def _half_of_pass(i: Instance, context: Context, sources: Sources) -> dict[Hashable, int]:
    return {("halves of a pass", i.ports["second"]): 2}


def _pairs(i: Instance, context: Context) -> int:
    even = _even(2 * i["SPAN"])
    start = max(i["WORD_BITS"] + i["ELEMENT_BITS"] - even, 0)
    skipped = max(i["ELEMENT_BITS"] - even, 0) if i["OFFSETS"] else 0
    width = i["WIDTH"] - context.zeros.get(i.ports["q"], 0)
    return start + 1 + skipped + i["HELD"] * i["ELEMENTS"] * width


def _second_of_pair(i: Instance, context: Context, sources: Sources) -> dict[Hashable, int]:
    return {("second of a pair", i["FIRST"] % 2): 1}


def _cast_word(i: Instance, context: Context) -> int:
    return 0 if _copies(i) else i["ELEMENTS"] * _cast(i, context)


def _copies(i: Instance) -> bool:
    """Whether a cast of words changes nothing."""
    return i["DROP"] == 0 and (i["OVERFLOW"] == 0 or i["WIDTH"] >= i["A_WIDTH"])


def _copy_registers(i: Instance, context: Context, sources: Sources) -> dict[Hashable, int]:
    if not _copies(i):
        return {}
    return {("copy", sources.word(i.ports["a"])): i["ELEMENTS"] * min(i["A_WIDTH"], i["WIDTH"])}


def _delay_registers(i: Instance, context: Context, sources: Sources) -> dict[Hashable, int]:
    """A copy of a word, or such a cast of it: registers of the same bits are one."""
    return {("copy", sources.word(i.ports["a"])): i["WIDTH"]}


def _bias_word(i: Instance, context: Context) -> int:
    width = min(context.widest.get(i.ports["y"], i["WIDTH"]), i["WIDTH"])
    return i["ADDRESS_BITS"] + i["ELEMENTS"] * _result(i, context, width)


def _delay_word(i: Instance, context: Context) -> int:
    return (i["CYCLES"] - 1) * i["WIDTH"]


# --- operations ----------------------------------------------------------------------------------
def _result(i: Instance, context: Context, width: int, port: str = "y") -> int:
    """The bits of a result that are read."""
    net = i.ports[port]
    alike = max(context.low.repeats.get(net, 0) - 1, 0)
    return max(context.high(net, width) - max(context.lowest(net), alike), 0)


def _sum(i: Instance, context: Context) -> int:
    return _result(i, context, i["WIDTH"] - context.zeros.get(i.ports["y"], 0))


def _cast(i: Instance, context: Context) -> int:
    right, left = max(i["DROP"], 0), max(-i["DROP"], 0)
    rounds = int(right > 0 and i["ROUNDING"] != 0 and not i.parameters.get("FOLDED"))
    whole = max(i["A_WIDTH"], right + 1) + rounds - right
    low = max(context.lowest(i.port("y")), left)
    result = max(min(context.high(i.port("y"), i["WIDTH"]), whole + left) - low, 0)
    wraps = i["OVERFLOW"] == 0
    held = (min(whole, i["WIDTH"]) if wraps else whole) if i["LATENCY"] == 2 else 0
    return held + result


def _multiply(i: Instance, context: Context) -> int:
    (a, b), zeros = factor_widths(i, context), context.low.zeros.get(i.ports["y"], 0)
    low = _low(i, context, "y") - zeros
    width = min(a + b, product_bits(i, context))
    if not context.mapping.packed:
        return max(width - low, 0)
    # The operand bits of pieces in logic, each held once, and the result where logic adds to it.
    left = context.mapping.block_spans(a, b, width, blocks=False)
    return _bits(left, 0) + _bits(left, 1) + _result_bits(a, b, width, context, low)


def _factor_registers(i: Instance, context: Context, sources: Sources) -> dict[Hashable, int]:
    """The operands of products outside of blocks: alike where they load the same together."""
    mapping = context.mapping
    if mapping.packed and mapping.in_logic(*factor_widths(i, context), product_bits(i, context)):
        return {}
    enables = sources.of(i.ports["en"])
    loads = enables.operands[1:] if isinstance(enables, Concat) else ()
    found: dict[Hashable, int] = {}
    for port in ("a", "b"):
        net = i.ports[port]
        bits = i[f"{port.upper()}_WIDTH"] - context.zeros.get(net, 0)
        bits -= context.low.zeros.get(net, 0)
        if mapping.packed and not _is_cleared(net, context):
            # Nor does the piece with the sign of a word that has none go into a block.
            rest = bits - mapping.spans(bits + 1)[-1].start
            bits = rest if sources.of(net) in context.unsigned else 0
        if bits > 0:
            found["factor", sources.of(net), loads] = bits
    return found


def _register(i: Instance, context: Context) -> int:
    return _result(i, context, i["WIDTH"] - context.zeros.get(i.ports["q"], 0), "q")


def _is_cleared(net: Expression, context: Context) -> bool:
    """Whether a value becomes a register that is cleared in the first step: several registers of
    one value, with separate enables, are not."""
    return net in context.cleared and context.reads[net] == 1


def _steps(i: Instance, context: Context) -> int:
    return i["INDEX_BITS"] + i["WIDTH"] + 1


def _select(i: Instance, context: Context) -> int:
    return _result(i, context, i["WIDTH"])


def _clamp(i: Instance, context: Context) -> int:
    return _result(i, context, min(i["WIDTH"], i["A_WIDTH"]))


def _shift(i: Instance, context: Context) -> int:
    return _result(i, context, i["WIDTH"])


def _none(i: Instance, context: Context) -> int:
    return 0


_in_its_holder = _none
"""Only other static modules instantiate it, and their counts have its registers."""


def _parameter(name: str) -> Callable[[Instance, Context], int]:
    def count(i: Instance, context: Context) -> int:
        return i[name]

    return count


def _nothing_shared(i: Instance, context: Context, sources: Sources) -> dict[Hashable, int]:
    return {}


# --- the table -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Registers:
    """How to count the registers of a static module: those of one instance, and those that several
    instances have in common, by what makes them alike."""

    count: Callable[[Instance, Context], int]
    shared: Callable[[Instance, Context, Sources], dict[Hashable, int]] = _nothing_shared


REGISTERS: Mapping[str, Registers] = module_table(
    {
        "rnnhw_add": Registers(_sum),
        "rnnhw_bias": Registers(_in_its_holder),
        "rnnhw_bias_word": Registers(_bias_word),
        "rnnhw_block": Registers(_block),
        "rnnhw_blocks": Registers(_blocks),
        "rnnhw_broadcast": Registers(_none),
        "rnnhw_cast": Registers(_cast),
        "rnnhw_cast_word": Registers(_cast_word, _copy_registers),
        "rnnhw_clamp": Registers(_clamp),
        "rnnhw_control": Registers(_control),
        "rnnhw_delay_word": Registers(_delay_word, _delay_registers),
        "rnnhw_drain": Registers(_drain),
        "rnnhw_element": Registers(_parameter("ELEMENT_BITS")),
        "rnnhw_gather": Registers(_in_its_holder),
        "rnnhw_input": Registers(_input),
        "rnnhw_lanes": Registers(_lanes),
        "rnnhw_last": Registers(_none),
        "rnnhw_lookup": Registers(_none),
        "rnnhw_multiply": Registers(_multiply, _factor_registers),
        "rnnhw_neurons": Registers(_neurons, _column_counts),
        "rnnhw_pairs": Registers(_pairs, _second_of_pair),
        "rnnhw_passes": Registers(_passes),
        "rnnhw_register": Registers(_register),
        "rnnhw_resize_word": Registers(_none),
        "rnnhw_result": Registers(_parameter("INDEX_BITS")),
        "rnnhw_ring": Registers(_ring),
        "rnnhw_ring_words": Registers(_ring_words, _gather_registers),
        "rnnhw_rom": Registers(_none),
        "rnnhw_row": Registers(_row),
        "rnnhw_select": Registers(_select),
        "rnnhw_shift": Registers(_shift),
        "rnnhw_snapshot": Registers(_snapshot),
        "rnnhw_steps": Registers(_steps),
        "rnnhw_stride": Registers(_stride),
        "rnnhw_sums": Registers(_sums, _half_of_pass),
        "rnnhw_total": Registers(_total),
        "rnnhw_transform": Registers(_transform, _gather_registers),
        "rnnhw_unit_address": Registers(_unit_address),
        "rnnhw_unit_index": Registers(_parameter("INDEX_BITS")),
        "rnnhw_unit_input": Registers(_unit_input),
        "rnnhw_unit_ram": Registers(_unit_ram),
        "rnnhw_unit_rom": Registers(_unit_rom),
        "rnnhw_vector": Registers(_none, _vector),
        "rnnhw_weights": Registers(_parameter("ADDRESS_BITS")),
        "rnnhw_window": Registers(_window),
        "rnnhw_window_input": Registers(_window_input),
        "rnnhw_words": Registers(_words, _gather_registers),
    }
)
"""Registers of each static module."""
