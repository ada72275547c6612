"""Flip-flops of the static modules, counted from their parameters.

Each count is that of the module's text: what it declares, less what synthesis finds to be
constant, equal to another register, or read by nothing; and less what moves into the registers of
multiplier blocks (iCE40) or of block RAM.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rnnhw.rtl.liveness import lowest_bits
from rnnhw.rtl.text import Instance, Module

__all__ = ["Traits", "flip_flops"]


@dataclass(frozen=True)
class Traits:
    """What a family makes of multipliers and memories.

    ``pieces(a, b)`` are the widths of the products that a multiplier is cut into and that are no
    block; ``packed`` tells whether blocks take the registers around them, with accumulators of up
    to ``packed_accumulator`` bits. ``place(depth, width)`` is where a memory without an attribute
    lies; ``collision_registers`` tells that block RAM needs registers to read what it held before
    a write of the same cycle.
    """

    pieces: Callable[[int, int], list[tuple[int, int]]]
    packed: bool
    packed_accumulator: int
    place: Callable[[int, int], str]
    collision_registers: bool


@dataclass(frozen=True)
class _Context:
    """What an instance's parameters do not say."""

    traits: Traits
    gates: int
    operands: int  # different ones among those of all lanes
    lowest: Mapping[str, int]


def flip_flops(module: Module, traits: Traits, gates: int) -> int | None:
    """Flip-flops of a layer with ``gates`` rows a unit; None if it has a module that is not known
    here."""
    chosen = {re.sub(r"^.*?= ", "", line) for line in module.lines if "assign operands[" in line}
    context = _Context(traits, gates, max(len(chosen), 1), lowest_bits(module))
    total = _own(module)
    for instance in module.instances:
        count = _COUNTS.get(instance.module)
        if count is None:
            return None
        total += count(instance, context)
    return total


def _own(module: Module) -> int:
    """Registers of the layer's own text."""
    declared = module.registers
    reads = [line for line in module.declarations if line.endswith("_read;")]
    if reads:
        declared -= 1  # that of the last feed selects nothing
    control = next((i for i in module.instances if i.module == "rnnhw_control"), None)
    if control is None:
        return declared
    rows = _table(control, "ROWS")
    if len(rows) == 1:
        # The rows of a group are all or the last ones: a bit is constant, or tells which.
        last = _table(control, "LAST_ROWS")[0] if control["GROUP_BITS"] else rows[0]
        only = _table(control, "GROUPS")[0] == 1
        up = any(last >> bit & 1 and not rows[0] >> bit & 1 for bit in range(control["ROW_BITS"]))
        down = any(rows[0] >> bit & 1 and not last >> bit & 1 for bit in range(control["ROW_BITS"]))
        kept = 0 if only else up + down
        declared -= 4 * (control["ROW_BITS"] - kept)
    return declared


def _table(control: Instance, name: str) -> list[int]:
    """A table of the control, in the order of the phases."""
    fields = re.findall(r"32'd(\d+)", str(control.parameters[name]))
    return [int(field) for field in reversed(fields)]


def _low(instance: Instance, context: _Context, port: str) -> int:
    return context.lowest.get(instance.ports.get(port, ""), 0)


# --- control and feeds ---------------------------------------------------------------------------
def _control(i: Instance, context: _Context) -> int:
    counters = i["COLUMN_BITS"] + i["GROUP_BITS"]
    more = 1 + i["PHASE_BITS"] if i["PHASES"] > 1 else 0
    waits = i["TRANSFORM_BITS"] if any(_table(i, "TRANSFORM")) else 0
    return 3 + counters + more + waits


def _input(i: Instance, context: _Context) -> int:
    return 7 + i["INDEX_BITS"]


def _window_input(i: Instance, context: _Context) -> int:
    return 6 + 4 * i["ADDRESS_BITS"] + i["FILL_BITS"]


def _block(i: Instance, context: _Context) -> int:
    return max(i["INDEX_BITS"] - _even(i["COLUMNS"]), 0) + i["GROUP_BITS"]


def _window(i: Instance, context: _Context) -> int:
    step = math.gcd(i["SPAN"], i["UNITS"]) if i["CYCLIC"] else i["SPAN"]
    positions = 2 * i["POSITION_BITS"] - _even(step)
    return positions + (not i["CYCLIC"]) + (i["SPAN"] - 1) * i["WIDTH"]


def _even(number: int) -> int:
    """How often 2 divides a number."""
    return (number & -number).bit_length() - 1


# --- lanes and drain -----------------------------------------------------------------------------
def _lanes(i: Instance, context: _Context) -> int:
    marks = 10 if i.ports["snapshot"] == "1'b0" else 14
    operand, weight, width = i["OPERAND_WIDTH"], i["WEIGHT_WIDTH"], i["WIDTH"]
    traits = context.traits
    if not traits.packed:
        each = weight + min(operand + weight, width) + width
        return marks + i["LANES"] * each + context.operands * operand
    left = traits.pieces(operand, weight)
    each = width if left or width > traits.packed_accumulator else 0
    shared = 0
    for a, b in left:
        beyond = 0 if a + b == operand + weight else 16
        each += b + min(operand + weight, width) - beyond
        shared += a
    return marks + i["LANES"] * each + context.operands * shared


def _drain(i: Instance, context: _Context) -> int:
    low = _low(i, context, "value")
    gates = 2 * i["GATE_BITS"] if context.gates > 1 else 0
    row = i["WIDTH"] - (min(low, i["BIAS_SHIFT"]) if i["BIAS"] else low)
    return i["LANES"] * row + i["ROW_BITS"] + gates + 1 + i["WIDTH"] - low + _bias(i, context)


def _snapshot(i: Instance, context: _Context) -> int:
    low = _low(i, context, "value")
    row = i["WIDTH"] - (min(low, i["BIAS_SHIFT"]) if i["BIAS"] else low)
    return i["LANES"] * row + i["WIDTH"] - low + _bias(i, context)


def _bias(i: Instance, context: _Context) -> int:
    return i["ADDRESS_BITS"] if i["BIAS"] else 0


# --- memories ------------------------------------------------------------------------------------
def _held(depth: int, width: int, context: _Context) -> int:
    """Registers of a memory whose reads never meet its writes."""
    match context.traits.place(depth, width):
        case "registers":
            return depth * width + width
        case "LUT RAM":
            return width
    return 0


def _vector(i: Instance, context: _Context) -> int:
    return _held(i["BANKS"] << i["INDEX_BITS"], i["WIDTH"], context)


def _ring(i: Instance, context: _Context) -> int:
    return _held(i["DEPTH"], i["WIDTH"], context)


def _unit_ram(i: Instance, context: _Context) -> int:
    bits = _index_bits(i["UNITS"])
    held = _held(1 << bits, i["WIDTH"], context)
    if not held and context.traits.collision_registers:
        held = 2 * i["WIDTH"] + bits + 2
    return 2 * bits + held


def _unit_rom(i: Instance, context: _Context) -> int:
    return _index_bits(i["UNITS"])


def _unit_input(i: Instance, context: _Context) -> int:
    return i["INDEX_BITS"] + _held(2 << i["INDEX_BITS"], i["WIDTH"], context)


def _index_bits(units: int) -> int:
    return max((units - 1).bit_length(), 1)


def _total(i: Instance, context: _Context) -> int:
    held = _held(1 << i["INDEX_BITS"], i["WIDTH"], context) if i["UNITS"] > 1 else 0
    return i["INDEX_BITS"] + i["WIDTH"] + 1 + held


# --- operations ----------------------------------------------------------------------------------
def _result(i: Instance, context: _Context, width: int) -> int:
    return max(width - _low(i, context, "y"), 0)


def _cast(i: Instance, context: _Context) -> int:
    right, left = max(i["DROP"], 0), max(-i["DROP"], 0)
    rounds = int(right > 0 and i["ROUNDING"] != 0 and not i["FOLDED"])
    whole = max(i["A_WIDTH"], right + 1) + rounds - right
    result = min(i["WIDTH"], whole + left) - left
    wraps = i["OVERFLOW"] == 0
    held = (min(whole, i["WIDTH"]) if wraps else whole) if i["LATENCY"] == 2 else 0
    return held + result


def _multiply(i: Instance, context: _Context) -> int:
    a, b, width = i["A_WIDTH"], i["B_WIDTH"], i["WIDTH"]
    result = max(min(a + b, width) - _low(i, context, "y"), 0)
    if not context.traits.packed:
        return a + b + result
    left = context.traits.pieces(a, b)
    if not left:
        return 0
    ((x, y),) = left
    beyond = 0 if (x, y) == (min(a, b), max(a, b)) else 16
    return x + y + max(min(a + b, width) - max(beyond, _low(i, context, "y")), 0)


_COUNTS: Mapping[str, Callable[[Instance, _Context], int]] = {
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
    "rnnhw_register": lambda i, context: max(i["WIDTH"] - _low(i, context, "q"), 0),
}
"""Registers of each static module."""
