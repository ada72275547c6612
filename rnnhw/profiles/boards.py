"""Boards: what stands around a device, and the memories and clocks outside of it."""

from __future__ import annotations

from rnnhw.profiles.schema import (
    Base,
    FieldError,
    SourcedValue,
    check_count,
    check_text,
    check_unit,
)

__all__ = ["Board", "ClockSource", "ExternalMemory"]


class ExternalMemory(Base, frozen=True, kw_only=True):
    """A memory outside the programmable logic or the microcontroller.

    `peak` is its bandwidth in MB/s (1e6 bytes), which no access pattern exceeds, `capacity` its
    size in bytes; at least one of the two is known.
    """

    name: str
    peak: SourcedValue | None = None
    capacity: SourcedValue | None = None
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name")
        if self.peak is not None:
            check_unit("peak", self.peak, "MB/s")
        if self.capacity is not None:
            check_count("capacity", self.capacity, "bytes")
        if self.peak is None and self.capacity is None:
            raise FieldError(
                "peak", None, "neither peak nor capacity is given", "give one, or leave it all out"
            )


class ClockSource(Base, frozen=True, kw_only=True):
    """An oscillator of `frequency` MHz that a board gives to its device."""

    name: str
    frequency: SourcedValue
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name")
        check_unit("frequency", self.frequency, "MHz")


class Board(Base, frozen=True, kw_only=True, tag_field="kind", tag="board"):
    """What a board adds to the device that it `extends`: a profile's name, or a .toml file beside.

    A board is read as its device with the board's names, its memories and clocks behind the
    device's own, and its flash where the device has none.
    """

    name: str
    title: str
    vendor: str
    extends: str
    flash: SourcedValue | None = None
    external_memories: tuple[ExternalMemory, ...] = ()
    clock_sources: tuple[ClockSource, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name", "title", "vendor", "extends")
        if self.flash is not None:
            check_count("flash", self.flash, "bytes")
