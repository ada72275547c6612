"""The instructions of the kernels: their numbers and fields, as ``ext/program.h`` has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnnhw.execution._engine import elementwise_names

__all__ = ["INSTRUCTION", "OPERATION", "Row", "instruction", "packed", "slots_written"]

# fmt: off
_FIELDS = (
    "operation", "bits", "units", "dst", "a", "b", "c", "shift_a", "shift_b", "low", "high",
    "data", "rows", "cast", "product", "start", "events", "product_events", "by_lane",
)
_OPERATIONS = (
    *elementwise_names(),
    "cast", "cast_in_words", "lookup", "lookup_bytes", "cast_lookup", "finish", "gated_sum",
    "finish_rows", "load", "store", "pack", "pack_bytes", "pack_stored", "stage", "rows_diagonal",
    "rows_narrow", "rows_bytes", "rows_tiles", "rows_short", "rows_wide", "rows_cast",
    "rows_ordered", "rows_ordered_narrow", "gather", "transform",
)
# fmt: on

INSTRUCTION = np.dtype([(name, np.int64) for name in _FIELDS])
"""One instruction; the fields are those of ``rnnhw_instruction`` in ``ext/program.h``."""

OPERATION = {name: number for number, name in enumerate(_OPERATIONS)}
"""Numbers of ``enum rnnhw_operation``."""

Row = dict[str, int]
"""An instruction while a program is planned: the fields that it sets."""


def instruction(operation: str, bits: int, **fields: int) -> Row:
    """An instruction on words of so many bits."""
    return {"operation": OPERATION[operation], "bits": bits, **fields}


def packed(rows: Sequence[Row]) -> NDArray[np.void]:
    """Instructions as the kernels read them, at least one; of the fields that a row does not set
    the numbers of an array are -1 and all others 0."""
    unset = dict.fromkeys(_FIELDS, 0) | dict.fromkeys(("cast", "product", "start", "by_lane"), -1)
    return np.array([tuple((unset | row).values()) for row in rows or [Row()]], INSTRUCTION)


def slots_written(*rows: Row) -> set[int]:
    """The slots that instructions write; 0 stands for none."""
    slots = {row.get("dst", 0) for row in rows}
    for row in rows:
        if row["operation"] in (OPERATION["finish"], OPERATION["finish_rows"]):
            slots |= {row.get("b", 0), row.get("c", 0)}
    return slots - {0}
