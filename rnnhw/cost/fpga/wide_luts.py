"""The LUTs of logic after synthesis where a LUT of up to 7 inputs is built from LUTs of 4.

yosys 0.23 maps such logic (``abc -lut 4:7``) for the least levels of its deepest path before it
saves LUTs, and a LUT of 7 inputs counts as eight of 4. What a piece takes depends on the levels
that are left for it: two, or three where some path of the layer needs them (``deep``). It writes a
LUT once for every register that it drives, though several are cleared by the same condition.

The counts are those of single instances in netlists of the calibration's points.
"""

from __future__ import annotations

__all__ = ["SAT_SYM", "clamp_luts", "saturation_luts", "significant_bits", "zero_luts"]

SAT_SYM, _WRAP_SM = 3, 4
"""Of the modes of rnnhw_cast."""


def significant_bits(limit: int, bits: int) -> int:
    """The bits of a limit from its lowest one on."""
    return bits - (limit & -limit).bit_length() + 1


def saturation_luts(bits: int, top: int, mode: int, *, deep: bool) -> float:
    """LUTs that fit ``bits`` bits of a word, by the ``top`` bits that tell whether it overflows:
    those above the word, and its sign."""
    if mode == SAT_SYM:
        return _symmetric_luts(bits, top, deep=deep)
    if mode == _WRAP_SM:
        return bits + 9 if top < 7 else 4 * bits + 7
    if top <= 5:
        return bits + max(top - 3, 0)
    if deep:
        return bits + 2 + -(-top // 3) - (top == 6)
    each, once = _IN_TWO_LEVELS.get(top, (4, 2 * top - 5))
    return each * bits + once


_IN_TWO_LEVELS = {
    6: (4, 2),
    7: (1, 10),
    8: (4, 4),
    9: (4, 15),
    10: (4, 10),
    11: (4, 15),
    12: (4, 18),
}
"""LUTs a bit, and those that all bits share, by the bits that tell of an overflow."""


def _symmetric_luts(bits: int, top: int, *, deep: bool) -> float:
    inputs = top + bits
    if deep:
        return bits + 8 + inputs / 2
    if top == 7:
        return bits + 12
    return 8 * bits + 1 if inputs > 9 else 2.5 * bits


def zero_luts(bits: int, top: int, *, deep: bool) -> float:
    """LUTs that clear ``bits`` bits of a word where it overflows."""
    if top <= 3:
        return 1
    each = 1 if deep else 4 if top == 7 else 2
    return each * bits + -(-top // 3)


def clamp_luts(bits: int, cleared: int, least: int, *, deep: bool) -> float:
    """LUTs that limit a number of ``bits`` bits from below, to ``least``, and from above.

    Below their lowest one the limits are zero: ``cleared`` of these bits are read, and cleared
    beyond a limit.
    """
    significant = significant_bits(least, bits)
    if deep:
        each = {2: 2, 3: 4}.get(significant, 1)
    elif significant == 2:
        each = 3 if cleared < 8 else 4 if cleared < 12 else 8
    elif bits < 8:
        each = 1
    else:
        each = 8 if bits < 15 or significant == 3 else 4
    return each * (cleared + 1) + 0.6 * bits
