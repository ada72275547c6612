"""What a layer's module is made of: its memories and multipliers, as they are instantiated."""

from __future__ import annotations

from collections.abc import Iterator

from rnnhw.rtl.verilog_text import Instance, Module

__all__ = ["memories", "multipliers"]


def memories(module: Module) -> Iterator[tuple[int, int, bool]]:
    """Depth and width of every memory, and whether it is read-only."""
    for instance in module.instances:
        yield from _memories(instance)


def _memories(i: Instance) -> Iterator[tuple[int, int, bool]]:
    match i.module:
        case "rnnhw_weights":
            yield i["DEPTH"], i["WIDTH"], True
        case "rnnhw_drain" | "rnnhw_snapshot" if i["BIAS"] == 1:
            yield i["DEPTH"], i["BIAS_WIDTH"], True
        case "rnnhw_lookup":
            yield i["TABLES"] << i["ADDRESS_WIDTH"], i["WIDTH"], True
        case "rnnhw_unit_rom":
            yield i["UNITS"], i["WIDTH"], True
        case "rnnhw_vector":
            yield i["BANKS"] << i["INDEX_BITS"], i["WIDTH"], False
            if i.parameters.get("FIRST_VALUE") == 2:
                yield i["UNITS"], i["WIDTH"], True
        case "rnnhw_rom":
            yield i["DEPTH"], i["WIDTH"], True
        case "rnnhw_words" | "rnnhw_row":
            yield i["BANKS"] << i["WORD_BITS"], i["ELEMENTS"] * i["WIDTH"], False
            if i.parameters.get("FIRST_VALUE") == 2:
                yield i["WORDS"], i["ELEMENTS"] * i["WIDTH"], True
        case "rnnhw_transform":
            yield 2 << i["WORD_BITS"], i["ELEMENTS"] * i["WIDTH"], False
            for _ in range(1, i["READERS"]):
                yield 1 << i["WORD_BITS"], i["ELEMENTS"] * i["WIDTH"], False
            if i.parameters.get("FIRST_VALUE") == 2:
                yield i["WORDS"], i["ELEMENTS"] * i["WIDTH"], True
        case "rnnhw_bias_word":
            yield i["DEPTH"], i["ELEMENTS"] * i["BIAS_WIDTH"], True
        case "rnnhw_unit_input":
            yield 2 << i["INDEX_BITS"], i["WIDTH"], False
        case "rnnhw_unit_ram":
            yield 1 << max((i["UNITS"] - 1).bit_length(), 1), i["WIDTH"], False
        case "rnnhw_ring_words":
            yield i["WORDS"], i["ELEMENTS"] * i["WIDTH"], False
        case "rnnhw_ring":
            yield i["DEPTH"], i["WIDTH"], False
        case "rnnhw_total" if i["UNITS"] > 1:
            yield 1 << i["INDEX_BITS"], i["WIDTH"], False


def multipliers(module: Module) -> Iterator[tuple[int, int]]:
    """The widths of the signed operands of every multiplier."""
    for i in module.instances:
        if i.module == "rnnhw_lanes":
            yield from [(i["OPERAND_WIDTH"], i["WEIGHT_WIDTH"])] * i["LANES"]
        elif i.module == "rnnhw_multiply":
            yield i["A_WIDTH"], i["B_WIDTH"]
