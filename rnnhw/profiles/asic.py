"""ASIC nodes: what an operation and a memory access cost in energy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rnnhw.profiles.schema import (
    Base,
    ClockRange,
    FieldError,
    Sourced,
    SourcedValue,
    check_number,
    check_positive,
    check_text,
    check_unit,
)

__all__ = ["AccessEnergy", "Asic", "Energy", "OperationEnergy"]


@dataclass(frozen=True)
class Energy:
    """Picojoules, and how they were come by: empty where a figure says exactly this."""

    pj: float
    note: str = ""


class OperationEnergy(Sourced, frozen=True, kw_only=True):
    """Energy of one integer operation on operands of `operand_bits` bits."""

    unit: Literal["pJ"]
    operation: Literal["add", "multiply"]
    operand_bits: int
    value: int | float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "operand_bits")
        check_number("value", self.value)


class AccessEnergy(Sourced, frozen=True, kw_only=True):
    """Energy of reading or writing one word of `word_bits` bits of a memory.

    `capacity_bytes` is the size of an on-chip memory and absent for DRAM.
    """

    unit: Literal["pJ"]
    memory: Literal["sram", "dram"]
    word_bits: int
    value: int | float
    capacity_bytes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "word_bits")
        check_number("value", self.value)
        if (self.capacity_bytes is None) is (self.memory == "sram"):
            raise FieldError(
                "capacity_bytes",
                self.capacity_bytes,
                "an SRAM has a capacity and a DRAM none",
                "add or remove it",
            )
        if self.capacity_bytes is not None:
            check_positive(self, "capacity_bytes")


class Asic(Base, frozen=True, kw_only=True, tag_field="kind", tag="asic"):
    """A process node: `node` in nm, `voltage` in V, energies in pJ.

    Energies leave out wires, control, clock tree and leakage. A node has no capacity, and no clock
    unless a source says so.
    """

    name: str
    title: str
    node: SourcedValue
    voltage: SourcedValue | None = None
    operations: tuple[OperationEnergy, ...] = ()
    accesses: tuple[AccessEnergy, ...] = ()
    clock_mhz: ClockRange | None = None
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name", "title")
        check_unit("node", self.node, "nm")
        if self.voltage is not None:
            check_unit("voltage", self.voltage, "V")
        for field in ("operations", "accesses"):
            keys = [_key(energy) for energy in getattr(self, field)]
            for index, key in enumerate(keys):
                if key in keys[:index]:
                    raise FieldError(
                        f"{field}[{index}]", " ".join(map(str, key)), "is there twice", "keep one"
                    )

    def add(self, bits: int) -> Energy | None:
        """One addition or subtraction of `bits` bits; None: not known.

        Between two figures it is linear in the bits, outside of them proportional to the bits.
        """
        return self._operation("add", bits, 1, f"{bits} bits")

    def multiply(self, bits_a: int, bits_b: int) -> Energy | None:
        """One product of `bits_a` by `bits_b` bits; None: not known.

        Between two figures it is linear in the product of the widths, as an array multiplier's
        cells are, outside of them proportional to it.
        """
        return self._operation("multiply", bits_a * bits_b, 2, f"{bits_a} x {bits_b} bits")

    def access(self, bits: int, capacity_bits: int) -> Energy | None:
        """Reading or writing `bits` bits of an on-chip memory of `capacity_bits`; None: not known.

        In proportion to the bits of a word. Between two figures it is linear in the square root
        of the capacity, as the lengths of the word and bit lines are; outside of them it is that
        of the nearest.
        """
        figures = sorted(
            (a.capacity_bytes, a.value / a.word_bits)
            for a in self.accesses
            if a.capacity_bytes is not None
        )
        if not figures:
            return None
        capacity = capacity_bits / 8
        lowest, highest = figures[0][0], figures[-1][0]
        nearest = min(max(capacity, lowest), highest)
        roots = [(math.sqrt(size), pj) for size, pj in figures]
        note = "" if nearest == capacity else f"figure for {_size(int(nearest))} used"
        return Energy(bits * _between(roots, math.sqrt(nearest)), note)

    def _operation(
        self, operation: Literal["add", "multiply"], size: int, power: int, shown: str
    ) -> Energy | None:
        figures = sorted(
            (each.operand_bits**power, each.operand_bits, each.value)
            for each in self.operations
            if each.operation == operation
        )
        if not figures:
            return None
        points = [(float(at), value) for at, _, value in figures]
        (low, low_bits, low_pj), (high, high_bits, high_pj) = figures[0], figures[-1]
        if size < low:
            return Energy(low_pj * size / low, f"{shown} in proportion to {low_bits}")
        if size > high:
            return Energy(high_pj * size / high, f"{shown} in proportion to {high_bits}")
        inside = "" if any(at == size for at, _ in points) else f"{shown} interpolated"
        return Energy(_between(points, size), inside)


def _key(energy: OperationEnergy | AccessEnergy) -> tuple[object, ...]:
    if isinstance(energy, OperationEnergy):
        return energy.operation, energy.operand_bits
    return energy.memory, energy.capacity_bytes


def _between(points: Sequence[tuple[float, float]], at: float) -> float:
    """The value at `at`, linear between the points, which it does not leave."""
    for (low, low_value), (high, high_value) in pairwise(points):
        if low <= at <= high:
            return low_value + (at - low) / (high - low) * (high_value - low_value)
    return points[0][1]


def _size(size: int) -> str:
    return f"{size >> 10} KiB" if size % 1024 == 0 else f"{size} bytes"
