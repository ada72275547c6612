"""The memories and multipliers of a layer's module, as they are instantiated."""

from __future__ import annotations

from collections.abc import Iterator

from rnnhw.rtl.modules import MODULES, MemoryShape
from rnnhw.rtl.verilog_text import Module

__all__ = ["memories", "multipliers"]


def memories(module: Module) -> Iterator[MemoryShape]:
    """Every memory of a layer, in the order of the instances."""
    for instance in module.instances:
        yield from MODULES[instance.module].memories(instance)


def multipliers(module: Module) -> Iterator[tuple[int, int]]:
    """The widths of the signed operands of every multiplier."""
    for instance in module.instances:
        yield from MODULES[instance.module].multipliers(instance)
