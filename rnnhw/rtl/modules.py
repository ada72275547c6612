"""The static Verilog modules: one row each, with all that is asked of a module beside its text.

``verilog/NAME.v`` is the module; a test holds the rows against the texts. What LUTs and flip-flops
a module takes stands in :mod:`rnnhw.cost.fpga`, in tables that pass through :func:`module_table`,
so that a new module cannot be forgotten there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from rnnhw.graph.nodes import Add, Multiply, Select, Shift, Subtract
from rnnhw.rtl.netlist import Instance, number_of

__all__ = [
    "MODULES",
    "OPERATION_MODULES",
    "MemoryShape",
    "OperationModule",
    "StaticModule",
    "module_table",
]

Row = TypeVar("Row")


class MemoryShape(NamedTuple):
    """A memory of ``depth`` words of ``width`` bits; ``rom`` tells that nothing writes it."""

    depth: int
    width: int
    rom: bool


def _no_memory(i: Instance) -> Iterator[MemoryShape]:
    yield from ()


def _no_product(i: Instance) -> Iterator[tuple[int, int]]:
    yield from ()


@dataclass(frozen=True)
class StaticModule:
    """The facts of one static module; ``Instance`` holds the parameters.

    ``inputs`` and ``outputs`` are its ports in the order of the text, ``holds`` the static modules
    that it instantiates itself. ``result`` is the output that carries
    the value, where one does. ``memories`` and ``multipliers`` (the widths of both signed operands)
    count those of the modules that it holds too.

    ``lowest_bit_read(instance, port, bit)`` is the lowest bit of an operand that the bits of the
    result from ``bit`` on depend on; without it all bits are read. ``bits_needed(instance, port,
    bits)`` is the number of lowest bits that the lowest ``bits`` of the result depend on; without
    it all. ``low_zeros(instance, known)`` is the number of lowest bits of the result that are zero,
    where ``known(port)`` of an operand's are. ``passes`` is the input whose
    value becomes the result, sign and all. ``may_lack_sign`` tells that the result is one number,
    whose highest bit is zero where the parameter UNSIGNED is set. ``reads_ahead`` tells
    that it counts the units by an address that is one ahead of them. ``merges`` tells that
    synthesis makes one of instances with the same parameters and inputs.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    holds: tuple[str, ...] = ()
    result: str = ""
    memories: Callable[[Instance], Iterator[MemoryShape]] = _no_memory
    multipliers: Callable[[Instance], Iterator[tuple[int, int]]] = _no_product
    lowest_bit_read: Callable[[Instance, str, int], int] | None = None
    bits_needed: Callable[[Instance, str, int], int] | None = None
    low_zeros: Callable[[Instance, Callable[[str], int]], int] | None = None
    passes: str = ""
    may_lack_sign: bool = False
    reads_ahead: bool = False
    merges: bool = False


# --- memories ------------------------------------------------------------------------------------
def _rom(i: Instance) -> Iterator[MemoryShape]:
    yield MemoryShape(i["DEPTH"], i["WIDTH"], rom=True)


def _biases(i: Instance) -> Iterator[MemoryShape]:
    if i["BIAS"] == 1:
        yield MemoryShape(i["DEPTH"], i["BIAS_WIDTH"], rom=True)


def _bias_words(i: Instance) -> Iterator[MemoryShape]:
    yield MemoryShape(i["DEPTH"], i["ELEMENTS"] * i["BIAS_WIDTH"], rom=True)


def _lookup_tables(i: Instance) -> Iterator[MemoryShape]:
    yield MemoryShape(i["TABLES"] << i["ADDRESS_WIDTH"], i["WIDTH"], rom=True)


def _unit_rom(i: Instance) -> Iterator[MemoryShape]:
    yield MemoryShape(i["UNITS"], i["WIDTH"], rom=True)


def _unit_ram(i: Instance) -> Iterator[MemoryShape]:
    yield MemoryShape(1 << max((i["UNITS"] - 1).bit_length(), 1), i["WIDTH"], rom=False)


def _unit_input(i: Instance) -> Iterator[MemoryShape]:
    yield MemoryShape(2 << i["INDEX_BITS"], i["WIDTH"], rom=False)


def _vector(i: Instance) -> Iterator[MemoryShape]:
    yield MemoryShape(i["BANKS"] << i["INDEX_BITS"], i["WIDTH"], rom=False)
    yield from _first_values(i, i["UNITS"], i["WIDTH"])


def _words(i: Instance) -> Iterator[MemoryShape]:
    width = i["ELEMENTS"] * i["WIDTH"]
    yield MemoryShape(i["BANKS"] << i["WORD_BITS"], width, rom=False)
    yield from _first_values(i, i["WORDS"], width)


def _transform_buffers(i: Instance) -> Iterator[MemoryShape]:
    width = i["ELEMENTS"] * i["WIDTH"]
    yield MemoryShape(2 << i["WORD_BITS"], width, rom=False)
    for _ in range(1, i["READERS"]):
        yield MemoryShape(1 << i["WORD_BITS"], width, rom=False)
    yield from _first_values(i, i["WORDS"], width)


def _first_values(i: Instance, depth: int, width: int) -> Iterator[MemoryShape]:
    if i.parameters.get("FIRST_VALUE") == 2:
        yield MemoryShape(depth, width, rom=True)


def _ring(i: Instance) -> Iterator[MemoryShape]:
    yield MemoryShape(i["DEPTH"], i["WIDTH"], rom=False)


def _ring_words(i: Instance) -> Iterator[MemoryShape]:
    yield MemoryShape(i["WORDS"], i["ELEMENTS"] * i["WIDTH"], rom=False)


def _totals(i: Instance) -> Iterator[MemoryShape]:
    if i["UNITS"] > 1:
        yield MemoryShape(1 << i["INDEX_BITS"], i["WIDTH"], rom=False)


# --- multipliers ---------------------------------------------------------------------------------
def _lane_products(i: Instance) -> Iterator[tuple[int, int]]:
    yield from [(i["OPERAND_WIDTH"], i["WEIGHT_WIDTH"])] * i["LANES"]


def _product(i: Instance) -> Iterator[tuple[int, int]]:
    yield i["A_WIDTH"], i["B_WIDTH"]


# --- bits that are read --------------------------------------------------------------------------
def _sum_bits(i: Instance, port: str, bit: int) -> int:
    # No carry comes from below the higher shift.
    needed = min(bit, max(i["A_SHIFT"], i["B_SHIFT"]))
    return max(needed - i["A_SHIFT" if port == "a" else "B_SHIFT"], 0)


def _cast_bits(i: Instance, port: str, bit: int) -> int:
    # All that is dropped stays unread, but for the bit that it rounds by; and so does what nothing
    # reads of the result, unless a number is compared with the most negative one.
    drop = max(i["DROP"], 0)
    truncates, half_up, symmetric = 0, 2, 3
    if i["DROP"] <= 0 or i.parameters.get("FOLDED") or i["ROUNDING"] == truncates:
        return drop if i["OVERFLOW"] == symmetric else max(i["DROP"] + bit, 0)
    return max(drop - 1, 0) if i["ROUNDING"] == half_up else 0


def _select_bits(i: Instance, port: str, bit: int) -> int:
    if port == "s":
        return i["S_WIDTH"] - 1
    return max(bit - i["A_SHIFT" if port == "a" else "B_SHIFT"], 0)


def _resize_bits(i: Instance, port: str, bit: int) -> int:
    return max(bit - i["SHIFT"], 0)


def _same_bits(i: Instance, port: str, bit: int) -> int:
    return bit


def _stored_bits(i: Instance, port: str, bit: int) -> int:
    return bit if port == "d" else 0


def _sum_bits_needed(i: Instance, port: str, bits: int) -> int:
    # No carry comes from above.
    return max(bits - i["A_SHIFT" if port == "a" else "B_SHIFT"], 0)


def _cast_bits_needed(i: Instance, port: str, bits: int) -> int:
    truncates, half_up, wraps = 0, 2, 0
    drop, whole = i["DROP"], i["A_WIDTH"] - i["DROP"] + 1
    up = i.parameters.get("FOLDED") or i["ROUNDING"] in (truncates, half_up)
    if (i["OVERFLOW"] == wraps or whole <= i["WIDTH"]) and (up or drop <= 0):
        return max(min(bits, i["WIDTH"]) + drop, 0)
    return i["A_WIDTH"]


def _sum_zeros(i: Instance, known: Callable[[str], int]) -> int:
    return min(known("a") + i["A_SHIFT"], known("b") + i["B_SHIFT"])


def _product_zeros(i: Instance, known: Callable[[str], int]) -> int:
    return known("a") + known("b")


def _clamp_zeros(i: Instance, known: Callable[[str], int]) -> int:
    values = [number_of(i.parameters[limit]) for limit in ("LOW", "HIGH")]
    ones = [(value & -value).bit_length() - 1 for value in values if value]
    return min(known("a"), *ones) if ones else min(known("a"), i["WIDTH"])


def clamp_limits(clamp: Instance) -> tuple[int, int]:
    """The limits of a clamp as the module compares them: without a sign, its bit inverted."""
    sign = 1 << (clamp["A_WIDTH"] - 1)
    low, high = (number_of(clamp.parameters[limit]) for limit in ("LOW", "HIGH"))
    return low ^ sign, high ^ sign


def _clamp_bits(i: Instance, port: str, bit: int) -> int:
    """All are compared with a limit that is not the greatest number; none below the lowest bit that
    is one are with the lower limit."""
    least, greatest = clamp_limits(i)
    if greatest != (1 << i["A_WIDTH"]) - 1:
        return 0
    return min(bit, (least & -least).bit_length() - 1) if least else bit


def _clamp_bits_needed(i: Instance, port: str, bits: int) -> int:
    least, greatest = clamp_limits(i)
    return bits if not least and greatest == (1 << i["A_WIDTH"]) - 1 else i["A_WIDTH"]


def _row_bits_needed(i: Instance, port: str, bits: int) -> int:
    # Of each row alike.
    return bits if port == "sums" else 32


def _select_bits_needed(i: Instance, port: str, bits: int) -> int:
    return i["S_WIDTH"] if port == "s" else _sum_bits_needed(i, port, bits)


def _shift_bits_needed(i: Instance, port: str, bits: int) -> int:
    # A shift to the left: no bit of the result depends on a higher one of the number.
    return bits if port == "a" else i["BY_WIDTH"]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# --- the table -----------------------------------------------------------------------------------
MODULES: Mapping[str, StaticModule] = {
    "rnnhw_add": StaticModule(
        _names("clk en a b"),
        _names("y"),
        result="y",
        lowest_bit_read=_sum_bits,
        bits_needed=_sum_bits_needed,
        low_zeros=_sum_zeros,
        merges=True,
    ),
    "rnnhw_bias": StaticModule(
        _names("clk rst next"),
        _names("bias"),
        holds=_names("rnnhw_rom"),
        result="bias",
        memories=_biases,
    ),
    "rnnhw_bias_word": StaticModule(
        _names("clk rewind next biased a"),
        _names("y"),
        holds=_names("rnnhw_weights"),
        result="y",
        memories=_bias_words,
        lowest_bit_read=_same_bits,
    ),
    "rnnhw_block": StaticModule(_names("clk begins group_ends run column"), _names("active index")),
    "rnnhw_blocks": StaticModule(
        _names("clk begins group_ends run column"), _names("active index")
    ),
    "rnnhw_broadcast": StaticModule(_names("run column"), _names("active index")),
    "rnnhw_cast": StaticModule(
        _names("clk en a"),
        _names("y"),
        result="y",
        lowest_bit_read=_cast_bits,
        bits_needed=_cast_bits_needed,
        may_lack_sign=True,
        merges=True,
    ),
    "rnnhw_cast_word": StaticModule(
        _names("clk a"),
        _names("y"),
        holds=_names("rnnhw_cast"),
        result="y",
        lowest_bit_read=_cast_bits,
        merges=True,
    ),
    "rnnhw_clamp": StaticModule(
        _names("clk en a"),
        _names("y"),
        result="y",
        merges=True,
        lowest_bit_read=_clamp_bits,
        bits_needed=_clamp_bits_needed,
        low_zeros=_clamp_zeros,
    ),
    "rnnhw_control": StaticModule(
        _names("clk rst go done"),
        _names("take idle begins finish bank run phase column last_column group_ends rows"),
    ),
    "rnnhw_delay_word": StaticModule(_names("clk a"), _names("y"), result="y", merges=True),
    "rnnhw_drain": StaticModule(
        _names("clk rst load count last_gate counted sums"),
        _names("shift valid gate value"),
        holds=_names("rnnhw_bias"),
        result="value",
        memories=_biases,
        bits_needed=_row_bits_needed,
    ),
    "rnnhw_element": StaticModule(_names("clk index words"), _names("word q"), result="q"),
    "rnnhw_gather": StaticModule(_names("clk we element d"), _names("full q"), result="q"),
    "rnnhw_input": StaticModule(
        _names("clk rst valid first last take"),
        _names("ready pending write_bank read_bank index is_first is_last"),
    ),
    "rnnhw_lanes": StaticModule(
        _names("clk rst valid first last snapshot operands weights"),
        _names("sums sums_valid snapshot_valid"),
        result="sums",
        multipliers=_lane_products,
    ),
    "rnnhw_last": StaticModule(_names("x_valid x_last"), _names("y_valid")),
    "rnnhw_lookup": StaticModule(
        _names("clk en select a"),
        _names("y"),
        result="y",
        memories=_lookup_tables,
        may_lack_sign=True,
    ),
    "rnnhw_multiply": StaticModule(
        _names("clk en a b"),
        _names("y"),
        result="y",
        multipliers=_product,
        bits_needed=_same_bits,
        low_zeros=_product_zeros,
    ),
    "rnnhw_neurons": StaticModule(
        _names("clk rst active cycle q"), _names("issue starts ends operands"), result="operands"
    ),
    "rnnhw_pairs": StaticModule(
        _names("clk begins group_ends run column q"), _names("active word window"), result="window"
    ),
    "rnnhw_passes": StaticModule(_names("clk rst begins"), _names("run pass cycle")),
    "rnnhw_register": StaticModule(
        _names("clk en d"),
        _names("q"),
        result="q",
        lowest_bit_read=_same_bits,
        bits_needed=_same_bits,
        passes="d",
        merges=True,
    ),
    "rnnhw_resize_word": StaticModule(
        _names("a"), _names("y"), result="y", lowest_bit_read=_resize_bits, merges=True
    ),
    "rnnhw_result": StaticModule(_names("clk rst valid"), _names("index done")),
    "rnnhw_ring": StaticModule(
        _names("clk we write_address d base index"),
        _names("q"),
        result="q",
        memories=_ring,
        may_lack_sign=True,
    ),
    "rnnhw_ring_words": StaticModule(
        _names("clk we write_address d base word"),
        _names("q"),
        holds=_names("rnnhw_gather"),
        result="q",
        memories=_ring_words,
    ),
    "rnnhw_rom": StaticModule(_names("clk address"), _names("q"), result="q", memories=_rom),
    "rnnhw_row": StaticModule(
        _names("clk rst first we write_bank d read_bank word"),
        _names("q"),
        holds=_names("rnnhw_rom"),
        result="q",
        memories=_words,
    ),
    "rnnhw_select": StaticModule(
        _names("clk en s a b"),
        _names("y"),
        result="y",
        lowest_bit_read=_select_bits,
        bits_needed=_select_bits_needed,
        merges=True,
    ),
    "rnnhw_shift": StaticModule(
        _names("clk en a by"), _names("y"), result="y", bits_needed=_shift_bits_needed, merges=True
    ),
    "rnnhw_snapshot": StaticModule(
        _names("clk rst load sums shift counted"),
        _names("value"),
        holds=_names("rnnhw_bias"),
        result="value",
        memories=_biases,
        bits_needed=_row_bits_needed,
    ),
    "rnnhw_steps": StaticModule(
        _names("clk rst x_valid x_first x_last"),
        _names("y_valid y_data"),
        holds=_names("rnnhw_result"),
        result="y_data",
    ),
    "rnnhw_stride": StaticModule(
        _names("clk begins group_ends run column q"), _names("active word window"), result="window"
    ),
    "rnnhw_sums": StaticModule(_names("clk second q"), _names("y"), result="y"),
    "rnnhw_total": StaticModule(
        _names("clk rst x_valid x_first x_last x_data"),
        _names("y_valid y_data"),
        result="y_data",
        memories=_totals,
    ),
    "rnnhw_transform": StaticModule(
        _names("clk rst active turns first neurons cycle result we write_index d word given"),
        _names("next q"),
        holds=_names("rnnhw_gather rnnhw_rom"),
        result="q",
        memories=_transform_buffers,
    ),
    "rnnhw_unit_address": StaticModule(
        _names("clk rst next"), _names("index"), memories=_unit_rom, reads_ahead=True
    ),
    "rnnhw_unit_index": StaticModule(_names("clk rst next"), _names("index"), reads_ahead=True),
    "rnnhw_unit_input": StaticModule(
        _names("clk rst we write_bank write_index d read_bank next"),
        _names("q"),
        holds=_names("rnnhw_vector"),
        result="q",
        memories=_unit_input,
        may_lack_sign=True,
        reads_ahead=True,
    ),
    "rnnhw_unit_ram": StaticModule(
        _names("clk rst next we d"),
        _names("q"),
        result="q",
        memories=_unit_ram,
        lowest_bit_read=_stored_bits,
        bits_needed=_same_bits,
        may_lack_sign=True,
        reads_ahead=True,
    ),
    "rnnhw_unit_rom": StaticModule(
        _names("clk rst next"),
        _names("q"),
        result="q",
        memories=_unit_rom,
        may_lack_sign=True,
        reads_ahead=True,
    ),
    "rnnhw_vector": StaticModule(
        _names("clk first we write_bank write_index d read_bank read_index"),
        _names("q"),
        holds=_names("rnnhw_rom"),
        result="q",
        memories=_vector,
        may_lack_sign=True,
    ),
    "rnnhw_weights": StaticModule(
        _names("clk rewind next"), _names("q"), holds=_names("rnnhw_rom"), result="q", memories=_rom
    ),
    "rnnhw_window": StaticModule(
        _names("clk begins group_ends run column element"),
        _names("active index window"),
        result="window",
        passes="element",
    ),
    "rnnhw_window_input": StaticModule(
        _names("clk rst valid first last take idle"),
        _names("ready pending write_address base is_first is_last"),
    ),
    "rnnhw_words": StaticModule(
        _names("clk first we write_bank write_index d read_bank word"),
        _names("q"),
        holds=_names("rnnhw_gather rnnhw_rom"),
        result="q",
        memories=_words,
        passes="d",
    ),
}
"""Every static module by its name."""


class OperationModule(NamedTuple):
    """How the static module ``module`` computes an elementwise operation.

    An operand is the port of its name (``a``) with a parameter for its width (``A_WIDTH``); those
    that are ``aligned`` have one for a shift to the left (``A_SHIFT``) too. ``constants`` are
    further parameters.
    """

    module: str
    aligned: str = ""
    constants: Mapping[str, int] = MappingProxyType({})


OPERATION_MODULES: Mapping[type, OperationModule] = {
    Add: OperationModule("rnnhw_add", "ab", {"SUBTRACT": 0}),
    Subtract: OperationModule("rnnhw_add", "ab", {"SUBTRACT": 1}),
    Multiply: OperationModule("rnnhw_multiply"),
    Select: OperationModule("rnnhw_select", "ab"),
    Shift: OperationModule("rnnhw_shift"),
}
"""The elementwise operations whose parameters follow from their operands."""


def module_table(table: Mapping[str, Row]) -> Mapping[str, Row]:
    """``table`` itself, if it has a row for every static module.

    Raises:
        TypeError: a module is missing or one too many is there.
    """
    missing = sorted(MODULES.keys() - table.keys())
    surplus = sorted(table.keys() - MODULES.keys())
    if missing or surplus:
        raise TypeError(f"table of static modules: missing {missing}, unknown {surplus}")
    return table
