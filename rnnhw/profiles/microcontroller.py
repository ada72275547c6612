"""Microcontroller boards: memory, clock and measured costs of operations."""

from __future__ import annotations

from typing import Literal

from rnnhw.profiles.schema import (
    Base,
    ClockRange,
    FieldError,
    Figure,
    Sourced,
    check_count,
    check_number,
    check_positive,
    check_text,
    check_unit,
)

__all__ = [
    "CostUnit",
    "Microcontroller",
    "Operation",
    "OperationCost",
    "OperationPoint",
    "SizeName",
]

Operation = Literal[
    "matvec_dense",
    "matvec_banded",
    "hadamard",
    "lookup",
    "multiply_requantise",
    "lstm_step",
    "gru_step",
]
CostUnit = Literal[
    "instructions/MAC",
    "instructions/butterfly",
    "instructions/value",
    "cycles/MAC",
    "cycles/butterfly",
    "cycles/value",
]
SizeName = Literal["none", "units", "diagonals", "length"]


class OperationPoint(Base, frozen=True, kw_only=True):
    """One measured cost `value` at one `size`; the size is absent where it plays no part."""

    value: int | float
    size: int | None = None

    def __post_init__(self) -> None:
        check_number("value", self.value)
        if self.size is not None:
            check_positive(self, "size")


class OperationCost(Sourced, frozen=True, kw_only=True):
    """What one operation costs on a processor, in `unit`, at the sizes that were measured.

    `unit` starts with what was counted: instructions are executed instructions, cycles are clock
    cycles; the two are not the same number. `size_name` says what the points' sizes are: the
    units of a layer, the diagonals of a band, or the length of a transform. `operand_bits` is the
    width of the operands and `variant` tells operations of one name apart.
    """

    unit: CostUnit
    operation: Operation
    operand_bits: int
    size_name: SizeName
    points: tuple[OperationPoint, ...]
    variant: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "operand_bits")
        sizes = [point.size for point in self.points]
        if self.size_name == "none":
            if sizes != [None]:
                raise FieldError(
                    "points",
                    sizes,
                    "size_name 'none' takes one point without size",
                    "remove the sizes or name what they count",
                )
        elif not sizes or None in sizes:
            raise FieldError(
                "points",
                sizes,
                f"every point needs a size in {self.size_name}",
                "give each point a size",
            )
        elif any(b <= a for a, b in zip(self._sizes(), self._sizes()[1:], strict=False)):
            raise FieldError("points", sizes, "sizes must increase", "sort them, without repeats")

    def covers(self, size: int) -> bool:
        """Whether `size` lies inside the measured sizes (always, where size plays no part)."""
        sizes = self._sizes()
        return not sizes or sizes[0] <= size <= sizes[-1]

    def at(self, size: int | None = None) -> float:
        """The cost at `size`, in `unit`.

        Between two points it is linear in 1/size, as it is for a fixed cost a row spread over the
        row's terms; outside the points the nearest two are extended (`covers` tells), never below
        0. Raises ValueError if a size is needed and is absent or below 1.
        """
        if self.size_name == "none":
            return float(self.points[0].value)
        if size is None or size < 1:
            raise ValueError(f"{self.operation} needs its {self.size_name}, 1 or more; got {size}")
        if len(self.points) == 1:
            return float(self.points[0].value)
        sizes = self._sizes()
        upper = next((i for i, s in enumerate(sizes) if i > 0 and size <= s), len(sizes) - 1)
        low, high = self.points[upper - 1], self.points[upper]
        a, b = sizes[upper - 1], sizes[upper]
        share = (1 / a - 1 / size) / (1 / a - 1 / b)
        return max(0.0, low.value + share * (high.value - low.value))

    def _sizes(self) -> list[int]:
        return [point.size for point in self.points if point.size is not None]


class Microcontroller(Base, frozen=True, kw_only=True, tag_field="kind", tag="microcontroller"):
    """A microcontroller board: memory in bytes, clock in MHz and measured operation costs.

    `issue_width` (instructions/cycle) turns instruction counts into a lower bound of cycles;
    `flash_wait_states` (cycles) at the highest clock says why it is only a bound.
    """

    name: str
    title: str
    vendor: str
    part: str
    core: str
    flash: Figure
    ram: Figure
    clock_max_mhz: Figure
    clock_mhz: ClockRange | None = None
    issue_width: Figure | None = None
    flash_wait_states: Figure | None = None
    operations: tuple[OperationCost, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name", "title", "vendor", "part", "core")
        check_count("flash", self.flash, "bytes")
        check_count("ram", self.ram, "bytes")
        check_unit("clock_max_mhz", self.clock_max_mhz, "MHz")
        if self.issue_width is not None:
            check_unit("issue_width", self.issue_width, "instructions/cycle")
        if self.flash_wait_states is not None:
            check_count("flash_wait_states", self.flash_wait_states, "cycles")
        if self.clock_mhz is not None and self.clock_mhz.high.value > self.clock_max_mhz.value:
            raise FieldError(
                "clock_mhz.high.value",
                self.clock_mhz.high.value,
                f"is above clock_max_mhz {self.clock_max_mhz.value}",
                "correct one of the two",
            )

    def costs(self, operation: Operation) -> tuple[OperationCost, ...]:
        """All costs of one operation, in file order; empty means not known."""
        return tuple(cost for cost in self.operations if cost.operation == operation)
