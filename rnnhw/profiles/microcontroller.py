"""Microcontrollers: memory, clock and measured costs of operations."""

from __future__ import annotations

from typing import Literal

from rnnhw.profiles.boards import ClockSource, ExternalMemory
from rnnhw.profiles.schema import (
    Base,
    ClockRange,
    FieldError,
    Sourced,
    SourcedValue,
    check_count,
    check_number,
    check_positive,
    check_text,
    check_unit,
)

__all__ = [
    "CostUnit",
    "InstructionCycles",
    "MacPeak",
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
_CYCLE_UNITS: tuple[CostUnit, ...] = ("cycles/MAC", "cycles/butterfly", "cycles/value")
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
    """The cost of one operation on a processor, in `unit`, at the sizes that were measured.

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

    @property
    def counted(self) -> Literal["instructions", "cycles"]:
        """The unit of the cost."""
        return "cycles" if self.unit in _CYCLE_UNITS else "instructions"

    def at(self, size: int | None = None) -> float:
        """The cost at `size`, in `unit`.

        Between two points it is linear in 1/size, as it is for a fixed cost a row spread over the
        row's terms; outside the points the nearest two are extended, never below 0. Raises
        ValueError if a size is needed and is absent or below 1.
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


class InstructionCycles(Sourced, frozen=True, kw_only=True):
    """Clock cycles of one `instruction`, from `low` to `high` where they vary.

    Cycles of the instruction alone: loads, branches and wait states come on top.
    """

    unit: Literal["cycles"]
    instruction: str
    low: int
    high: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text(self, "instruction")
        check_positive(self, "low", "high")
        if self.low > self.high:
            raise FieldError("low", self.low, f"is above high {self.high}", "exchange the two")


class MacPeak(Sourced, frozen=True, kw_only=True):
    """The most multiply-accumulates a cycle on operands of `operand_bits`, with no loads counted.

    It bounds cycles from below and is no estimate of them.
    """

    unit: Literal["MAC/cycle"]
    operand_bits: int
    value: int | float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "operand_bits")
        check_number("value", self.value)
        if self.value == 0:
            raise FieldError("value", self.value, "must be above 0", "leave a figure out")


class Microcontroller(Base, frozen=True, kw_only=True, tag_field="kind", tag="microcontroller"):
    """A microcontroller: memory in bytes, clock in MHz and measured operation costs.

    `issue_width` (instructions/cycle) turns instruction counts into a lower bound of cycles, and
    `mac_peaks` products where no instructions were counted; `flash_wait_states` (cycles) at the
    highest clock says why it is only a bound. `flash` is None where it is not known, or where
    there is none on the chip and the board brings it. `extends` names the device of a board, and
    is set by the board.
    """

    name: str
    title: str
    vendor: str
    part: str
    core: str
    ram: SourcedValue
    clock_max_mhz: SourcedValue
    flash: SourcedValue | None = None
    clock_mhz: ClockRange | None = None
    issue_width: SourcedValue | None = None
    flash_wait_states: SourcedValue | None = None
    instruction_cycles: tuple[InstructionCycles, ...] = ()
    mac_peaks: tuple[MacPeak, ...] = ()
    operations: tuple[OperationCost, ...] = ()
    external_memories: tuple[ExternalMemory, ...] = ()
    clock_sources: tuple[ClockSource, ...] = ()
    extends: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name", "title", "vendor", "part", "core")
        if self.flash is not None:
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

    def mac_peak(self, bits: int) -> float | None:
        """The most MACs a cycle on operands of `bits` bits; None: not known.

        The figure of the narrowest operands that are wide enough, else of the widest: wider
        operands are never faster.
        """
        peaks = sorted((peak.operand_bits, peak.value) for peak in self.mac_peaks)
        if not peaks:
            return None
        return next((value for width, value in peaks if width >= bits), peaks[-1][1])

    def costs(self, operation: Operation) -> tuple[OperationCost, ...]:
        """All costs of one operation, in file order; empty means not known."""
        return tuple(cost for cost in self.operations if cost.operation == operation)
