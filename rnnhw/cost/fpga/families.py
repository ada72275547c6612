"""What yosys makes of multipliers and memories in the families of FPGAs that were measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rnnhw.profiles import Fpga

__all__ = ["MAPPINGS", "Mapping", "lut_ram_cells", "mapping_of"]

Where = Literal["block RAM", "LUT RAM", "registers"]


@dataclass(frozen=True)
class Mapping:
    """The rules of one family, as yosys 0.23 has them.

    A product is cut into pieces of up to ``port`` bits by ``port``; a piece becomes a block if both
    its operands have 2 bits and together ``least_bits``. ``packed`` tells whether blocks take in
    the registers around them, with accumulators of up to ``packed_accumulator`` bits.

    A memory without an attribute is made of registers up to ``register_bits`` bits a block RAM
    that it would fill, of LUT RAM up to ``lut_ram_cells`` cells of 16 x 4; one that is read while
    it is written up to so much more as ``rewritten_bits`` a bit of its width or
    ``rewritten_cells`` say. ``collision_registers`` tells that such a block RAM needs registers.

    ``choices`` are the LUTs that choose a bit out of 1, 2, ... block RAMs. Logic is mapped for as
    few levels as the deepest path has, then for few LUTs: where other paths are deeper than this
    choice, it takes its ``compact_choices``.
    """

    name: str
    port: int
    least_bits: int
    block_cost: int
    packed: bool = False
    packed_accumulator: int = 0
    register_bits: int = 0
    lut_ram_cells: int = 0
    rewritten_bits: int = 0
    rewritten_cells: int = 0
    collision_registers: bool = False
    choices: tuple[float, ...] = ()
    compact_choices: tuple[float, ...] = ()

    # --- multipliers -----------------------------------------------------------------------------
    def pieces(self, a: int, b: int) -> list[tuple[int, int]]:
        """The products of pieces of two signed operands: their widths, the smaller first."""
        return [tuple(sorted((x, y))) for x in self._cut(a) for y in self._cut(b)]  # type: ignore[misc]

    def spans(self, bits: int) -> list[range]:
        """The bits of an operand that each of its pieces has."""
        return [range(k, min(k + self.port, bits)) for k in range(0, max(bits - 1, 1), self.port)]

    def _cut(self, bits: int) -> list[int]:
        whole, rest = divmod(bits - 1, self.port)
        return [self.port] * whole + [rest + 1]

    def is_block(self, piece: tuple[int, int]) -> bool:
        """Whether a piece becomes a block."""
        return piece[0] > 1 and sum(piece) >= self.least_bits

    def blocks(self, a: int, b: int) -> int:
        """Multiplier blocks of a product."""
        return sum(map(self.is_block, self.pieces(a, b)))

    def in_logic(self, a: int, b: int) -> list[tuple[int, int]]:
        """The pieces that are no blocks."""
        return [piece for piece in self.pieces(a, b) if not self.is_block(piece)]

    def choice(self, pieces: int, *, compact: bool = False) -> float:
        """LUTs that choose one bit of ``pieces``; ``compact`` where other paths are deeper."""
        choices = self.compact_choices if compact and self.compact_choices else self.choices
        most = len(choices)
        if pieces <= most:
            return choices[pieces - 1]
        groups = -(-pieces // most)
        return groups * choices[-1] + self.choice(groups, compact=compact)

    # --- memories --------------------------------------------------------------------------------
    def layout(self, profile: Fpga, depth: int, width: int) -> tuple[int, int]:
        """The block RAMs of a memory, and how many pieces its depth is cut into.

        The columns of all pieces fill the blocks one behind the other: over the modes of D words
        of W bits, pieces = ceil(depth / D) and blocks = ceil(pieces width / W), with the least of
        ``block_cost`` blocks + width (pieces - 1) / 2.
        """
        found = []
        for mode in profile.block_ram.modes.shapes:
            pieces = -(-depth // mode.depth)
            blocks = -(-pieces * width // mode.width)
            found.append((self.block_cost * blocks + width * (pieces - 1) / 2, blocks, pieces))
        _, blocks, pieces = min(found)
        return blocks, pieces

    def place(self, depth: int, width: int, block_rams: int, *, rewritten: bool = False) -> Where:
        """Where a memory without an attribute lies that would fill ``block_rams`` of them."""
        bits = depth * width
        if self.lut_ram_cells:
            if bits <= 4:
                return "registers"
            most = self.lut_ram_cells + (self.rewritten_cells if rewritten else 0)
            return "LUT RAM" if lut_ram_cells(depth, width) <= most * block_rams else "block RAM"
        most = self.register_bits * block_rams + (self.rewritten_bits * width if rewritten else 0)
        return "registers" if bits <= most else "block RAM"


def lut_ram_cells(depth: int, width: int) -> int:
    """Cells of 16 words of 4 bits."""
    return -(-depth // 16) * -(-width // 4)


MAPPINGS: dict[str, Mapping] = {
    "ice40": Mapping(
        "ice40", port=16, least_bits=11, block_cost=64, packed=True, packed_accumulator=32,
        register_bits=64, rewritten_bits=1, collision_registers=True,
        choices=tuple(0.875 * others for others in range(64)),
    ),
    "ecp5": Mapping(
        "ecp5", port=18, least_bits=4, block_cost=128, lut_ram_cells=20, rewritten_cells=8,
        choices=(0, 1, 2, 4, 5, 5, 5, 5), compact_choices=(0, 1, 2, 2, 3, 4, 5, 5),
    ),
}  # fmt: skip
"""The rules by the family's name."""


def mapping_of(family: str) -> Mapping | None:
    """The rules of a profile's family; None where none were measured."""
    plain = family.lower()
    return next((found for name, found in MAPPINGS.items() if plain.startswith(name)), None)
