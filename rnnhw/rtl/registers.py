"""Flip-flops of the static modules, counted from their parameters.

Each count is that of the module's text: what it declares, less what synthesis finds to be
constant, equal to another register, or read by nothing; and less what moves into the registers of
multiplier blocks (iCE40) or of block RAM.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from rnnhw.rtl.liveness import lowest_bits
from rnnhw.rtl.mapping import Mapping
from rnnhw.rtl.merging import Names, distinct
from rnnhw.rtl.parts import memories
from rnnhw.rtl.text import Instance, Module

__all__ = ["Context", "Layout", "context_of", "flip_flops", "table"]


Layout = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Context:
    """What an instance's parameters do not say.

    ``gates`` are the rows of a unit, ``operands`` the different ones among those of all lanes;
    ``mixed`` tells that bits of an operand are zero in the columns of some feeds alone. ``lowest``
    are the lowest bits that are read of nets, ``unsigned`` the nets whose sign is zero;
    ``layout(depth, width)`` says how many block RAMs a memory fills, and into how many pieces its
    depth is cut.
    """

    mapping: Mapping
    layout: Layout
    gates: int
    operands: int
    mixed: bool
    lowest: dict[str, int]
    unsigned: frozenset[str]

    def where(self, depth: int, width: int, *, rewritten: bool = False) -> str:
        """Where a memory without an attribute lies."""
        blocks, _ = self.layout(depth, width)
        return self.mapping.place(depth, width, blocks, rewritten=rewritten)


def context_of(module: Module, mapping: Mapping, layout: Layout, gates: int) -> Context:
    """The context of a layer's instances; ``gates`` rows a unit."""
    chosen = {line.partition("= ")[2] for line in module.lines if "assign operands[" in line}
    feeds = [i for i in module.instances if i.module in ("rnnhw_vector", "rnnhw_ring")]
    signs = {i["UNSIGNED"] for i in feeds}
    mixed = any("?" in text and "'b0" in text for text in chosen) or len(signs) > 1
    unsigned = frozenset(i.ports["q"] for i in feeds if i["UNSIGNED"])
    lowest = lowest_bits(module)
    return Context(mapping, layout, gates, max(len(chosen), 1), mixed, lowest, unsigned)


def flip_flops(module: Module, context: Context) -> int | None:
    """Flip-flops of a layer; None if it has a module that is not known here."""
    total = _own(module)
    instances, names = distinct(module)
    alike: dict[Hashable, int] = {}
    for instance in instances:
        count = _COUNTS.get(instance.module)
        if count is None:
            return None
        total += count(instance, context)
        if instance.module in _ALIKE:
            alike |= _ALIKE[instance.module](instance, context, names)
    total += sum(alike.values())
    # Which of several block RAMs was read is kept beside them.
    for depth, width, rom in memories(module):
        if rom or context.where(depth, width) == "block RAM":
            total += (context.layout(depth, width)[1] - 1).bit_length()
    return total


def _own(module: Module) -> int:
    """Registers of the layer's own text."""
    declared = module.registers
    control = next((i for i in module.instances if i.module == "rnnhw_control"), None)
    if control is None:
        return declared
    rows = table(control, "ROWS")
    if len(rows) == 1:
        # The rows of a group are all or the last ones: a bit is constant, or tells which.
        last = table(control, "LAST_ROWS")[0] if control["GROUP_BITS"] else rows[0]
        only = table(control, "GROUPS")[0] == 1
        up = any(last >> bit & 1 and not rows[0] >> bit & 1 for bit in range(control["ROW_BITS"]))
        down = any(rows[0] >> bit & 1 and not last >> bit & 1 for bit in range(control["ROW_BITS"]))
        kept = 0 if only else up + down
        declared -= 4 * (control["ROW_BITS"] - kept)
    return declared


def table(control: Instance, name: str) -> list[int]:
    """A table of the control, in the order of the phases."""
    fields = re.findall(r"32'd(\d+)", str(control.parameters[name]))
    return [int(field) for field in reversed(fields)]


def _low(instance: Instance, context: Context, port: str) -> int:
    return context.lowest.get(instance.ports.get(port, ""), 0)


# --- control and feeds ---------------------------------------------------------------------------
def _control(i: Instance, context: Context) -> int:
    counters = i["COLUMN_BITS"] + i["GROUP_BITS"]
    more = 1 + i["PHASE_BITS"] if i["PHASES"] > 1 else 0
    waits = i["TRANSFORM_BITS"] if any(table(i, "TRANSFORM")) else 0
    return 3 + counters + more + waits


def _input(i: Instance, context: Context) -> int:
    return 7 + i["INDEX_BITS"]


def _window_input(i: Instance, context: Context) -> int:
    return 6 + 4 * i["ADDRESS_BITS"] + i["FILL_BITS"]


def _block(i: Instance, context: Context) -> int:
    return max(i["INDEX_BITS"] - _even(i["COLUMNS"]), 0) + i["GROUP_BITS"]


def _window(i: Instance, context: Context) -> int:
    step = math.gcd(i["SPAN"], i["UNITS"]) if i["CYCLIC"] else i["SPAN"]
    # Modulo a power of two only the index is left of a position.
    wraps = i["CYCLIC"] and i["UNITS"] == 1 << i["INDEX_BITS"]
    positions = 2 * i["INDEX_BITS" if wraps else "POSITION_BITS"] - _even(step)
    width = i["WIDTH"] - (i.ports["element"] in context.unsigned)
    return positions + (not i["CYCLIC"]) + (i["SPAN"] - 1) * width


def _even(number: int) -> int:
    """How often 2 divides a number."""
    return (number & -number).bit_length() - 1


# --- lanes and drain -----------------------------------------------------------------------------
def _lanes(i: Instance, context: Context) -> int:
    marks = 10 if i.ports["snapshot"] == "1'b0" else 14
    operand, weight, width = i["OPERAND_WIDTH"], i["WEIGHT_WIDTH"], i["WIDTH"]
    mapping = context.mapping
    if not mapping.packed:
        each = weight + min(operand + weight, width) + width
        return marks + i["LANES"] * each + _shared(operand, context)
    left = mapping.in_logic(operand, weight)
    each = width if left or width > mapping.packed_accumulator else 0
    # A register whose bits are cleared in different columns stays outside the blocks.
    shared = _shared(operand, context) if context.mixed and not left else 0
    for a, b in left:
        beyond = 0 if a + b == operand + weight else 16
        each += b + min(operand + weight, width) - beyond
        shared += context.operands * a
    return marks + i["LANES"] * each + shared


def _shared(operand: int, context: Context) -> int:
    """Operand registers of all lanes: one for those that get the same, and one for a sign that
    only some feeds have."""
    apart = bool(context.unsigned) and context.mixed
    return context.operands * (operand - apart) + apart


def _drain(i: Instance, context: Context) -> int:
    low = _low(i, context, "value")
    gates = 2 * i["GATE_BITS"] if context.gates > 1 else 0
    row = i["WIDTH"] - (min(low, i["BIAS_SHIFT"]) if i["BIAS"] else low)
    return i["LANES"] * row + i["ROW_BITS"] + gates + 1 + i["WIDTH"] - low + _bias(i, context)


def _snapshot(i: Instance, context: Context) -> int:
    low = _low(i, context, "value")
    row = i["WIDTH"] - (min(low, i["BIAS_SHIFT"]) if i["BIAS"] else low)
    return i["LANES"] * row + i["WIDTH"] - low + _bias(i, context)


def _bias(i: Instance, context: Context) -> int:
    return i["ADDRESS_BITS"] if i["BIAS"] == 1 else 0


# --- memories ------------------------------------------------------------------------------------
def _held(depth: int, width: int, context: Context, *, rewritten: bool = False) -> int:
    """Registers of a memory with one port to read."""
    match context.where(depth, width, rewritten=rewritten):
        case "registers":
            return depth * width + width
        case "LUT RAM":
            return width
    return 0


def _vector(i: Instance, context: Context) -> int:
    return _held(i["BANKS"] << i["INDEX_BITS"], i["WIDTH"], context)


def _ring(i: Instance, context: Context) -> int:
    return _held(i["DEPTH"], i["WIDTH"], context)


def _unit_ram(i: Instance, context: Context) -> int:
    bits = _index_bits(i["UNITS"])
    held = _held(1 << bits, i["WIDTH"], context, rewritten=True)
    if not held and context.mapping.collision_registers:
        held = 2 * i["WIDTH"] + bits + 2
    return 2 * bits + held


def _unit_rom(i: Instance, context: Context) -> int:
    return _index_bits(i["UNITS"])


def _unit_input(i: Instance, context: Context) -> int:
    return i["INDEX_BITS"] + _held(2 << i["INDEX_BITS"], i["WIDTH"], context)


def _index_bits(units: int) -> int:
    return max((units - 1).bit_length(), 1)


def _total(i: Instance, context: Context) -> int:
    held = _held(1 << i["INDEX_BITS"], i["WIDTH"], context) if i["UNITS"] > 1 else 0
    return i["INDEX_BITS"] + i["WIDTH"] + 1 + held


# --- transforms ----------------------------------------------------------------------------------
def _passes(i: Instance, context: Context) -> int:
    return 1 + (i["PASS_BITS"] if i["PASSES"] > 1 else 0) + i["CYCLE_BITS"]


def _transform(i: Instance, context: Context) -> int:
    address, width = i["WORD_BITS"] + 1, i["ELEMENTS"] * i["WIDTH"]
    counters = 2 * (i["WORD_BITS"] - 1)
    delays = 2 * (i["LATENCY"] + i["SECOND"])
    held = _read_while_written(address, width, context)
    return 1 + delays + counters + int(i["FIRST_VALUE"] != 0) + held


def _read_while_written(address: int, width: int, context: Context) -> int:
    """Registers of a memory that may be read while it is written."""
    held = _held(1 << address, width, context, rewritten=True)
    if not held and context.mapping.collision_registers:
        # The word written, the word read, which of them counts, and both addresses.
        held = 2 * width + address + 2
    return held


def _words(i: Instance, context: Context) -> int:
    address = i["WORD_BITS"] + i["BANKS"] - 1
    return _read_while_written(address, i["ELEMENTS"] * i["WIDTH"], context)


def _gathered(i: Instance, context: Context, names: Names) -> dict[Hashable, int]:
    """Elements that wait for the others of their word: alike where the same vector is written."""
    net, width = _element(i.ports["d"], i["WIDTH"])
    width -= names.of(net) in context.unsigned
    return {("gather", names.of(net), i["ELEMENTS"]): (i["ELEMENTS"] - 1) * width}


def _element(text: str, width: int) -> tuple[str, int]:
    """The net of an element, and its bits without copies of its sign."""
    copies = re.search(r"\{(\d+)\{", text)
    net = re.findall(r"[A-Za-z_]\w*", text)[-1]
    return net, width - int(copies[1]) if copies else width


def _neurons(i: Instance, context: Context) -> int:
    return 1 + 2 * i["ELEMENTS"] * i["WIDTH"]


def _columns(i: Instance, context: Context, names: Names) -> dict[Hashable, int]:
    """Two counts of the cycle, by which all choose."""
    return {"columns of neurons": 4}


def _sums(i: Instance, context: Context) -> int:
    return 3 * i["ELEMENTS"] * i["WIDTH"]


def _halves(i: Instance, context: Context, names: Names) -> dict[Hashable, int]:
    return {("halves of a pass", i.ports["second"]): 2}


def _pairs(i: Instance, context: Context) -> int:
    even = _even(2 * i["SPAN"])
    start = max(i["WORD_BITS"] + i["ELEMENT_BITS"] - even, 0)
    skipped = max(i["ELEMENT_BITS"] - even, 0) if i["OFFSETS"] else 0
    return start + 1 + skipped + i["HELD"] * i["ELEMENTS"] * i["WIDTH"]


def _odd(i: Instance, context: Context, names: Names) -> dict[Hashable, int]:
    return {("second of a pair", i["FIRST"] % 2): 1}


def _cast_word(i: Instance, context: Context) -> int:
    return i["ELEMENTS"] * _cast(i, context)


def _bias_word(i: Instance, context: Context) -> int:
    return i["ADDRESS_BITS"] + i["ELEMENTS"] * _result(i, context, i["WIDTH"])


def _delay_word(i: Instance, context: Context) -> int:
    return i["CYCLES"] * i["WIDTH"]


def _unit_index(i: Instance, context: Context) -> int:
    return i["INDEX_BITS"]


# --- operations ----------------------------------------------------------------------------------
def _result(i: Instance, context: Context, width: int) -> int:
    return max(width - _low(i, context, "y"), 0)


def _cast(i: Instance, context: Context) -> int:
    right, left = max(i["DROP"], 0), max(-i["DROP"], 0)
    rounds = int(right > 0 and i["ROUNDING"] != 0 and not i.parameters.get("FOLDED"))
    whole = max(i["A_WIDTH"], right + 1) + rounds - right
    result = min(i["WIDTH"], whole + left) - left
    wraps = i["OVERFLOW"] == 0
    held = (min(whole, i["WIDTH"]) if wraps else whole) if i["LATENCY"] == 2 else 0
    return held + result


def _multiply(i: Instance, context: Context) -> int:
    a, b, width = i["A_WIDTH"], i["B_WIDTH"], i["WIDTH"]
    result = max(min(a + b, width) - _low(i, context, "y"), 0)
    if not context.mapping.packed:
        return a + b + result
    left = context.mapping.in_logic(a, b)
    if not left:
        # So does one that is cleared in the first step.
        return sum(w for port, w in (("a", a), ("b", b)) if i.ports[port].endswith("_now"))
    ((x, y),) = left
    beyond = 0 if (x, y) == (min(a, b), max(a, b)) else 16
    return x + y + max(min(a + b, width) - max(beyond, _low(i, context, "y")), 0)


_COUNTS: dict[str, Callable[[Instance, Context], int]] = {
    "rnnhw_control": _control,
    "rnnhw_input": _input,
    "rnnhw_window_input": _window_input,
    "rnnhw_broadcast": lambda i, context: 0,
    "rnnhw_block": _block,
    "rnnhw_window": _window,
    "rnnhw_weights": lambda i, context: i["ADDRESS_BITS"],
    "rnnhw_lanes": _lanes,
    "rnnhw_drain": _drain,
    "rnnhw_snapshot": _snapshot,
    "rnnhw_vector": _vector,
    "rnnhw_ring": _ring,
    "rnnhw_unit_ram": _unit_ram,
    "rnnhw_unit_rom": _unit_rom,
    "rnnhw_unit_input": _unit_input,
    "rnnhw_result": lambda i, context: i["INDEX_BITS"],
    "rnnhw_total": _total,
    "rnnhw_steps": lambda i, context: i["INDEX_BITS"] + i["WIDTH"] + 1,
    "rnnhw_add": lambda i, context: _result(i, context, i["WIDTH"]),
    "rnnhw_select": lambda i, context: _result(i, context, i["WIDTH"]),
    "rnnhw_clamp": lambda i, context: min(i["WIDTH"], i["A_WIDTH"]),
    "rnnhw_cast": _cast,
    "rnnhw_lookup": lambda i, context: 0,
    "rnnhw_multiply": _multiply,
    "rnnhw_passes": _passes,
    "rnnhw_transform": _transform,
    "rnnhw_words": _words,
    "rnnhw_pairs": _pairs,
    "rnnhw_neurons": _neurons,
    "rnnhw_sums": _sums,
    "rnnhw_resize_word": lambda i, context: 0,
    "rnnhw_cast_word": _cast_word,
    "rnnhw_bias_word": _bias_word,
    "rnnhw_delay_word": _delay_word,
    "rnnhw_element": lambda i, context: i["ELEMENT_BITS"],
    "rnnhw_unit_index": _unit_index,
    "rnnhw_register": lambda i, context: max(i["WIDTH"] - _low(i, context, "q"), 0),
}
"""Registers of each static module."""

_ALIKE: dict[str, Callable[[Instance, Context, Names], dict[Hashable, int]]] = {
    "rnnhw_transform": _gathered,
    "rnnhw_words": _gathered,
    "rnnhw_neurons": _columns,
    "rnnhw_sums": _halves,
    "rnnhw_pairs": _odd,
}
"""Registers that several instances have in common, by what makes them alike."""
