"""Multipliers and memories after synthesis, by the rules of a family that was measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from rnnhw.profiles import Fpga
from rnnhw.profiles.device_families import DeviceFamily, LutRam, TechnologyRules, family_of

__all__ = ["TechnologyMapping", "technology_mapping", "technology_of"]

Where = Literal["block RAM", "LUT RAM", "registers"]


@dataclass(frozen=True)
class TechnologyMapping:
    """The technology mapping of a family: the decisions that follow from its ``rules``.

    ``name`` is the family's, ``lut_ram`` its smallest memory of LUTs, None where it has none.
    """

    name: str
    rules: TechnologyRules
    lut_ram: LutRam | None

    # --- multipliers -----------------------------------------------------------------------------
    @property
    def packed(self) -> bool:
        """Whether multiplier blocks take in the registers around them, accumulators too."""
        return self.rules.accumulators > 0

    def pieces(self, a: int, b: int) -> list[tuple[int, int]]:
        """The products of pieces of two signed operands of ``a`` and ``b`` bits: their widths, the
        smaller first."""
        return [
            (min(len(x), len(y)), max(len(x), len(y)))
            for x in self.spans(a, wide=a > b)
            for y in self.spans(b, wide=b >= a)
        ]

    def spans(self, bits: int, *, wide: bool = False) -> list[range]:
        """The bits of an operand that each of its pieces has; ``wide``: of the wider operand."""
        port = self.rules.multiplier_port
        most = self.rules.multiplier_wide_port or port if wide else port
        piece = self.rules.multiplier_slice or port
        slices = -(-max(bits - most, 0) // piece)
        starts = [piece * index for index in range(slices + 1)]
        ends = [*starts[1:], bits]
        return [range(start, end) for start, end in zip(starts, ends, strict=True)]

    def is_block(self, piece: tuple[int, int]) -> bool:
        """Whether a piece becomes a multiplier block."""
        return piece[0] > 1 and sum(piece) >= self.rules.multiplier_least

    def blocks(self, a: int, b: int, result: int | None = None) -> int:
        """Multiplier blocks of a product of ``a`` by ``b`` bits, of which the lowest ``result``
        are wanted: mul2dsp.v cuts before it is seen that nothing reads a piece that lies above."""
        return len(self.block_spans(a, b, result, blocks=True))

    def is_too_narrow(self, result: int | None) -> bool:
        """Whether so few bits of a product are wanted that it is not mapped to blocks at all."""
        return result is not None and result < self.rules.multiplier_least

    def block_spans(
        self, a: int, b: int, result: int | None = None, *, blocks: bool
    ) -> list[tuple[range, range]]:
        """The bits of both operands of the pieces that become blocks, or of the others. Pieces that
        lie above the lowest ``result`` bits of the product, which are wanted, are left out."""
        none = self.is_too_narrow(result)
        return [
            (x, y)
            for x in self.spans(a, wide=a > b)
            for y in self.spans(b, wide=b >= a)
            if (self._is_product_block(x, y) and not none) == blocks
            if result is None or x.start + y.start < result
        ]

    def in_logic(self, a: int, b: int, result: int | None = None) -> list[tuple[int, int]]:
        """The pieces that are no blocks."""
        spans = self.block_spans(a, b, result, blocks=False)
        return [(min(len(x), len(y)), max(len(x), len(y))) for x, y in spans]

    def joins(self, a: int, b: int, result: int | None = None) -> list[int]:
        """The bits of each adder in logic that joins pieces of a product of ``a`` by ``b`` bits, of
        which the lowest ``result`` are wanted.

        mul2dsp.v cuts the wider operand, then the other one, and adds each piece to the sum of the
        lower ones from its own lowest bit on. Blocks with adders add to a block's sum themselves.
        """
        narrow, wide = sorted((a, b))
        rows, columns = self.spans(wide, wide=True), self.spans(narrow)
        end = a + b if result is None else min(result, a + b)
        found = []
        for x in rows:
            for y in columns[1:]:
                if not (self.packed and self._is_product_block(x, y)):
                    found.append(min(len(x) + narrow, end - x.start) - y.start)
        for x in rows[1:]:
            chained = self.packed and len(columns) == 1 and self._is_product_block(x, columns[0])
            if not chained:
                found.append(end - x.start)
        return [bits for bits in found if bits > 0]

    def joint_sums(
        self, a: int, b: int, result: int | None = None, mapped: int | None = None
    ) -> tuple[list[int], int]:
        """The bits of each adder that joins pieces of a product where yosys adds as many as it can
        at once (its macc), and the LUTs that make two numbers of three.

        A sum of pieces of the narrower operand joins the others where it is as wide as they are,
        so that it cannot overflow before them. That is settled where ``mapped`` bits are wanted, of
        which the lowest ``result`` are read.
        """
        narrow, wide = sorted((a, b))
        rows, columns = self.spans(wide, wide=True), self.spans(narrow)
        end = a + b if result is None else min(result, a + b)
        whole = end if mapped is None else min(mapped, a + b)
        adders, terms = [], len(rows)
        for x in rows:
            for y in columns[1:]:
                if len(rows) == 1 or (x.start == 0 and len(x) + narrow >= whole):
                    terms += 1
                else:
                    adders.append(min(len(x) + narrow, end - x.start) - y.start)
        first = self.rules.multiplier_slice or self.rules.multiplier_port
        joint = 0
        if terms == 2:
            adders.append(end - first)
        elif terms > 2:
            adders.append(end)
            joint = max((terms - 2) * (2 * (end - first) - 1), 0)
        return [bits for bits in adders if bits > 0], joint

    def _is_product_block(self, x: range, y: range) -> bool:
        return self.is_block((min(len(x), len(y)), max(len(x), len(y))))

    # --- adders ----------------------------------------------------------------------------------
    def is_chained(self, bits: int) -> bool:
        """Whether an adder of ``bits`` bits becomes a carry chain."""
        return bits >= self.rules.carry.least

    def carry_luts(self, bits: int, unread: int = 0) -> int:
        """LUTs of the carry chain of an adder of ``bits`` bits, of which nothing reads the lowest
        ``unread``."""
        carry = self.rules.carry
        held = bits - unread if carry.drops_unread else bits
        return carry.luts * -(-held // carry.bits)

    # --- memories --------------------------------------------------------------------------------
    def layout(self, profile: Fpga, depth: int, width: int) -> tuple[int, int]:
        """The block RAMs of a memory, and how many pieces its depth is cut into.

        The columns of all pieces fill the blocks one behind the other: over the modes of D words
        of W bits, pieces = ceil(depth / D) and blocks = ceil(pieces width / W), with the least of
        ``block_ram_cost`` blocks + width (pieces - 1) / 2.
        """
        layouts = []
        for mode in profile.block_ram.modes.shapes:
            pieces = -(-depth // mode.depth)
            blocks = -(-pieces * width // mode.width)
            cost = self.rules.block_ram_cost * blocks + width * (pieces - 1) / 2
            layouts.append((cost, blocks, pieces))
        _, blocks, pieces = min(layouts)
        return blocks, pieces

    def place(self, depth: int, width: int, block_rams: int, *, rewritten: bool = False) -> Where:
        """Where a memory without an attribute lies that would fill ``block_rams`` of them."""
        bits = depth * width
        rules = self.rules
        if self.lut_ram is not None:
            if bits <= 4:
                return "registers"
            most = rules.lut_ram_cells + (rules.rewritten_cells if rewritten else 0)
            cells = self.lut_ram_cells(depth, width)
            return "LUT RAM" if cells <= most * block_rams else "block RAM"
        most = rules.register_bits * block_rams + (rules.rewritten_bits * width if rewritten else 0)
        return "registers" if bits <= most else "block RAM"

    def lut_ram_cells(self, depth: int, width: int) -> int:
        """Smallest memories of LUTs in one of ``depth`` words of ``width`` bits."""
        return self.lut_ram_depth(depth) * -(-width // self._lut_ram.width)

    def lut_ram_depth(self, depth: int) -> int:
        """Smallest memories of LUTs that lie one behind the other in ``depth`` words."""
        return -(-depth // self._lut_ram.depth)

    @property
    def _lut_ram(self) -> LutRam:
        if self.lut_ram is None:
            raise ValueError(f"{self.name} has no LUT RAM")
        return self.lut_ram


def technology_mapping(family: DeviceFamily | None) -> TechnologyMapping | None:
    """The technology mapping of a family; None where its synthesis was not measured."""
    if family is None or family.technology is None:
        return None
    return TechnologyMapping(family.name, family.technology, family.lut_ram)


def technology_of(profile: Fpga) -> TechnologyMapping | None:
    """The technology mapping of a profile's family; None where its synthesis was not measured."""
    return _technology_by_name(profile.family)


@cache
def _technology_by_name(profile_family: str) -> TechnologyMapping | None:
    return technology_mapping(family_of(profile_family))
