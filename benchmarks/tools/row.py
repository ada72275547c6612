"""A row of the table, and the LSTM that every tool counts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INPUTS", "STEPS", "UNITS", "Row"]

INPUTS, UNITS, STEPS = 16, 64, 28
"""The LSTM: 16 inputs, 64 units, 28 steps; 8-bit weights where the tool knows of words."""


@dataclass(frozen=True)
class Row:
    """What a tool counts for one step of the LSTM; None where it gives no such number.

    ``macs`` multiply-accumulates of the products; ``other`` element-wise multiplications and
    additions and table look-ups; ``weight_bytes`` read; ``vector_bytes`` of inputs, states and
    intermediate results, read and written; ``cycles`` of its own machine. ``given`` is how the
    network was described to it, ``note`` what it says itself.
    """

    tool: str
    given: str
    version: str = ""
    macs: float | None = None
    other: float | None = None
    weight_bytes: float | None = None
    vector_bytes: float | None = None
    cycles: float | None = None
    note: str = ""
