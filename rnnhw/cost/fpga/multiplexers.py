"""Multiplexers in a layer's text: operands of its lanes, weights, results of passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from rnnhw.rtl.netlist import Bit, Choice, Concat, Constant, Expression, Net, Repeat, Slice
from rnnhw.rtl.verilog_text import Module

__all__ = ["OperandBits", "alternatives", "chosen_bits", "has_partial_reset", "operands_of"]

Zeros: TypeAlias = Mapping[Expression, int]
"""How many of the highest bits of nets are zero, and of the elements of such as are words."""

Source: TypeAlias = tuple[tuple[Expression, ...], tuple[Bit | None, ...]]
"""Conditions, and the bits that are chosen by them."""


def operands_of(module: Module) -> list[Expression]:
    """The operands of the lanes: lanes that get the same have one."""
    nets = {i.port("operands") for i in module.instances if i.module == "rnnhw_lanes"}
    values = (
        value
        for target, value in module.assigns
        if isinstance(target, Slice) and target.net in nets
    )
    return list(dict.fromkeys(values))


def alternatives(value: Expression) -> tuple[Expression, ...]:
    """The values that a choice selects from; a value that is no choice, alone."""
    return value.values if isinstance(value, Choice) else (value,)


def has_partial_reset(operand: Expression, some: range, zeros: Zeros) -> bool:
    """Whether the register behind a choice clears ``some`` of its bits in other cycles than the
    rest: those that are zero in the first alternative alone, or in all others.

    The choice of the first alternative becomes their reset; choices behind it stay logic.
    """
    first, *others = (_bits(value, zeros) for value in alternatives(operand))
    if not others:
        return False

    def ways(bits: range) -> set[tuple[bool, bool]]:
        found = {(first[k] is None, all(other[k] is None for other in others)) for k in bits}
        return found - {(True, True)}

    return len(ways(some)) > 1 or bool(
        ways(some) - {(False, False)} and ways(range(len(first))) - ways(some)
    )


def chosen_bits(module: Module) -> int:
    """Bits of weights and of results of passes, each once for every value but the first."""
    ports = {"rnnhw_lanes": "weights", "rnnhw_transform": "result"}
    nets = {i.port(ports[i.module]) for i in module.instances if i.module in ports}
    chosen = {net: value for net, value in module.drivers.items() if net in nets}
    return sum(net.bits * (len(alternatives(value)) - 1) for net, value in chosen.items())


class OperandBits:
    """The alternatives of each bit of the lanes' operands: registers with equal alternatives are
    one, and a bit that is always zero needs none."""

    def __init__(self, operands: Sequence[Expression], zeros: Zeros) -> None:
        self._operands = [_sources(operand, zeros) for operand in operands]
        chosen = any(isinstance(operand, Choice) for operand in operands)
        self.low_zeros = 0 if chosen else min(map(_low_zeros, self._operands), default=0)
        """Lowest bits that are zero in all lanes, as synthesis finds before it maps multipliers:
        it finds zeros that all alternatives of a choice share only after that."""

    def choices(self, inputs: Mapping[Expression, int], *, wide: bool) -> int:
        """LUTs of 4 inputs that choose the bits of the lanes' operands; bits of equal alternatives
        share one. ``inputs`` are the further inputs of a net's values; ``wide`` tells that larger
        LUTs are built from these, twice as many for each further input."""
        sources = {source for operand in self._operands for source in operand if source}
        return sum(_choices(values, inputs, wide=wide) for _, values in sources)

    def registers(self, bits: Iterable[int] | None = None) -> int:
        """Registers of some of the bits, or of all."""
        chosen = None if bits is None else set(bits)
        return len(
            {
                source
                for operand in self._operands
                for bit, source in enumerate(operand)
                if source and (chosen is None or bit in chosen)
            }
        )


def _low_zeros(operand: Sequence[Source | None]) -> int:
    return next((bit for bit, source in enumerate(operand) if source), 0)


def _sources(operand: Expression, zeros: Zeros) -> list[Source | None]:
    """The alternatives of each bit, from the lowest on; None where it is zero in all of them."""
    conditions = operand.conditions if isinstance(operand, Choice) else ()
    columns = zip(*(_bits(value, zeros) for value in alternatives(operand)), strict=True)
    return [(conditions, column) if any(column) else None for column in columns]


def _choices(values: Sequence[Bit | None], inputs: Mapping[Expression, int], *, wide: bool) -> int:
    """LUTs that choose a bit. Zero beside several values takes no further one; zero beside one
    value resets its register, in a family with wide LUTs only where it is the first choice."""
    first, *others = values
    bits = {value for value in values if value}
    if len(others) > 1:
        return max(len(bits) - 1, 1)
    more = sum(inputs.get(bit.net, 0) for bit in bits)
    if len(bits) == 1 and not (wide and first and others):
        return int(more > 1)  # a number or zero in the first step resets it too
    further = max(more + len(bits) - 3, 0)
    return 1 + (further if wide else -(-further // 3))


def _bits(value: Expression, zeros: Zeros) -> list[Bit | None]:
    """The bits of an operand from the lowest one on; None for one that is always zero."""
    match value:
        case Constant(value=0, width=width):
            return [None] * width
        case Net() | Slice():
            net, low = (value, 0) if isinstance(value, Net) else (value.net, value.low)
            known = value.width - zeros.get(net, 0)
            return [Bit(net, low + k) if k < known else None for k in range(value.width)]
        case Bit():  # a sign
            return [None if value.net in zeros else value]
        case Repeat((operand,), count):
            return _bits(operand, zeros) * count
        case Concat(parts):
            return [bit for part in reversed(parts) for bit in _bits(part, zeros)]
    raise AssertionError(f"{value} is no operand")
