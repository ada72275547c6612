"""What a layer's own text chooses among: the operands of its lanes, weights, results of passes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from rnnhw.rtl.verilog_text import Module

__all__ = ["chosen_bits", "has_partial_reset", "operands_of"]

_OPERAND = re.compile(r"^assign operands\[\d+:\d+\] = (.*);$")
_CHOSEN = re.compile(r"^(?:wire \[(\d+):0\] weights|assign (transform\d+_result)) = (.*);$")
_ZERO = re.compile(r"\d+'b0")
_LOW = re.compile(r", (\d+)'b0\}$")
_TOP = re.compile(r"\{(\d+)'b0,|\{\{(\d+)\{")


def operands_of(module: Module) -> dict[str, list[str]]:
    """What each operand is chosen among, by its text: lanes that get the same have one."""
    texts = [match[1] for line in module.lines if (match := _OPERAND.match(line))]
    return {text: _alternatives(text) for text in texts}


def _alternatives(text: str) -> list[str]:
    """The values of ``a ? x : b ? y : z``."""
    *chosen, last = re.split(r" \? | : ", text)
    return [*chosen[1::2], last]


def has_partial_reset(
    alternatives: Sequence[str], width: int, bits: range, unsigned: Collection[str]
) -> bool:
    """Whether the register behind a choice clears some of ``bits`` in other cycles than the
    rest: those that are zero in the first alternative alone, or in all others.

    The choice of the first alternative becomes their reset; choices behind it stay logic.
    """
    if len(alternatives) < 2:
        return False
    first, *others = (_zeros(value, width, unsigned) for value in alternatives)
    ways = {(bit in first, all(bit in zeros for zeros in others)) for bit in bits}
    return len(ways - {(True, True)}) > 1


def _zeros(text: str, width: int, unsigned: Collection[str]) -> set[int]:
    """The bits of an operand that are always zero."""
    if _ZERO.fullmatch(text):
        return set(range(width))
    low, top = _LOW.search(text), _TOP.match(text)
    high = int(top[1] or 0) if top else 0
    nets = set(re.findall(r"[A-Za-z_]\w*", text))
    if nets & set(unsigned):
        high = max(high, 1 + int(top[2] or 0) if top else 1)
    return {*range(int(low[1]) if low else 0), *range(width - high, width)}


def chosen_bits(module: Module) -> int:
    """Bits of weights and of results of passes, each once for every value but the first."""
    text = "\n".join(module.declarations)
    bits = 0
    for line in module.lines:
        match = _CHOSEN.match(line)
        if match is None:
            continue
        high = match[1] or re.findall(rf"\[(\d+):0\] {match[2]};", text)[0]
        bits += (int(high) + 1) * (len(_alternatives(match[3])) - 1)
    return bits
