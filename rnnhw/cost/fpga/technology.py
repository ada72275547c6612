"""What synthesis makes of multipliers and memories, by the rules of a family that was measured."""

from __future__ import annotations

import itertools
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
            (min(width_a, width_b), max(width_a, width_b))
            for width_a in self._piece_widths(a)
            for width_b in self._piece_widths(b)
        ]

    def spans(self, bits: int) -> list[range]:
        """The bits of an operand that each of its pieces has."""
        port = self.rules.multiplier_port
        return [range(low, min(low + port, bits)) for low in range(0, max(bits - 1, 1), port)]

    def _piece_widths(self, bits: int) -> list[int]:
        port = self.rules.multiplier_port
        whole, rest = divmod(bits - 1, port)
        return [port] * whole + [rest + 1]

    def _piece_spans(self, bits: int) -> list[range]:
        starts = itertools.count(0, self.rules.multiplier_port)
        widths = self._piece_widths(bits)
        return [range(at, at + width) for at, width in zip(starts, widths, strict=False)]

    def is_block(self, piece: tuple[int, int]) -> bool:
        """Whether a piece becomes a multiplier block."""
        return piece[0] > 1 and sum(piece) >= self.rules.multiplier_least

    def blocks(self, a: int, b: int) -> int:
        """Multiplier blocks of a product of ``a`` by ``b`` bits."""
        return sum(map(self.is_block, self.pieces(a, b)))

    def block_spans(self, a: int, b: int, *, blocks: bool) -> list[tuple[range, range]]:
        """The bits of both operands of the pieces that become blocks, or of the others."""
        return [
            (x, y)
            for x in self._piece_spans(a)
            for y in self._piece_spans(b)
            if self.is_block((min(len(x), len(y)), max(len(x), len(y)))) == blocks
        ]

    def in_logic(self, a: int, b: int) -> list[tuple[int, int]]:
        """The pieces that are no blocks."""
        return [piece for piece in self.pieces(a, b) if not self.is_block(piece)]

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
