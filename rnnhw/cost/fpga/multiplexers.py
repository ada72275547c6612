"""What a layer's own text chooses among: the operands of its lanes, weights, results of passes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from rnnhw.rtl.verilog_text import Module

__all__ = ["OperandBits", "chosen_bits", "has_partial_reset", "operands_of"]

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

    def ways(some: range) -> set[tuple[bool, bool]]:
        found = {(bit in first, all(bit in zeros for zeros in others)) for bit in some}
        return found - {(True, True)}

    return len(ways(bits)) > 1 or bool(
        ways(bits) - {(False, False)} and ways(range(width)) - ways(bits)
    )


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


class OperandBits:
    """What each bit of the lanes' operands is chosen among: registers of the same are one, and none
    is needed for a bit that is always zero.

    ``zeros`` are the numbers of highest bits that are zero, by the nets' names.
    """

    def __init__(self, module: Module, width: int, zeros: Mapping[str, int]) -> None:
        texts = [match[1] for line in module.lines if (match := _OPERAND.match(line))]
        self._lanes = [_sources(text, width, zeros) for text in texts]
        chosen = any(len(_alternatives(text)) > 1 for text in texts)
        lows = [int(low[1]) if (low := _LOW.search(text)) else 0 for text in texts]
        self.low_zeros = 0 if chosen else min(lows, default=0)
        """Lowest bits that are zero in all lanes, as synthesis finds before it maps multipliers:
        zeros that each of several values has are found behind that."""

    def choices(self, inputs: Mapping[str, int], *, wide: bool) -> int:
        """LUTs of 4 inputs that choose the bits of the lanes' operands: those of the same bits are
        one. ``inputs`` are those that the values of a net have beside it, by its name; ``wide``
        tells that LUTs of more inputs are made of them, twice as many for each further input."""
        sources = {source for lane in self._lanes for source in lane if source is not None}
        return sum(_choices(source, inputs, wide=wide) for source in sources)

    def registers(self, bits: Iterable[int] | None = None) -> int:
        """Registers of some of the bits, or of all."""
        chosen = None if bits is None else set(bits)
        return len(
            {
                source
                for lane in self._lanes
                for bit, source in enumerate(lane)
                if source is not None and (chosen is None or bit in chosen)
            }
        )


def _sources(text: str, width: int, zeros: Mapping[str, int]) -> list[tuple[str, ...] | None]:
    """What each bit is chosen among, from the lowest one on; None where it is zero in all."""
    conditions = tuple(re.split(r" \? | : ", text)[:-1:2])
    columns = zip(*(_bits_of(value, width, zeros) for value in _alternatives(text)), strict=True)
    return [(*conditions, *column) if any(column) else None for column in columns]


def _choices(source: tuple[str, ...], inputs: Mapping[str, int], *, wide: bool) -> int:
    """LUTs that choose a bit. Zero beside several values takes no further one; zero beside one
    value resets its register, in a family with wide LUTs only where it is the first choice."""
    first, *others = source[len(source) // 2 :]
    values = {value for value in (first, *others) if value}
    if len(others) > 1:
        return max(len(values) - 1, 1)
    more = sum(inputs.get(value.partition("[")[0], 0) for value in values)
    if len(values) == 1 and not (wide and first and others):
        return int(more > 1)  # a number or zero in the first step resets it too
    further = max(more + len(values) - 3, 0)
    return 1 + (further if wide else -(-further // 3))


def _bits_of(value: str, width: int, zeros: Mapping[str, int]) -> list[str]:
    """The bits of ``{{n{x[k]}}, x, m'b0}`` or a part of it, from the lowest on; zero is empty."""
    if _ZERO.fullmatch(value):
        return [""] * width
    low, copies = _LOW.search(value), re.search(r"\{(\d+)\{", value)
    fill = re.match(r"\{(\d+)'b0,", value)
    below, above = int(low[1]) if low else 0, int((copies or fill or [0, 0])[1])
    name = re.findall(r"[A-Za-z_]\w*(?:\[\d+:\d+\])?", re.sub(r"\d+'b0", "", value))[-1]
    net, _, places = name.partition("[")
    start = int(places[:-1].partition(":")[2]) if places else 0
    bits = [f"{net}[{start + bit}]" for bit in range(width - below - above)]
    sign = "" if net in zeros or fill else bits[-1] if bits else ""
    if net in zeros and bits:
        bits[len(bits) - zeros[net] :] = [""] * zeros[net]
    return [""] * below + bits + [sign] * above
