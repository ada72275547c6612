"""Families of FPGAs: what all devices of a family have in common, and what tools make of it.

A family is a TOML file in ``families``. A profile belongs to the family that lists the profile's
``family``; a name that no family lists belongs to none, and nothing is guessed from its letters.
What synthesis was calibrated on has its LUTs in ``rnnhw/cost/fpga/calibration.toml``, under the
family's name. So a new family is one file here, and one table there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

import msgspec

from rnnhw.profiles.fpga import MemoryModes, Operands
from rnnhw.profiles.schema import (
    Base,
    FieldError,
    Sourced,
    check_number,
    check_positive,
    check_text,
)

__all__ = [
    "BlockChoice",
    "DeviceFamily",
    "LutRam",
    "PlaceAndRoute",
    "RouterDevice",
    "Synthesis",
    "TechnologyRules",
    "device_families",
    "family_file",
    "family_of",
]


class LutRam(Sourced, frozen=True, kw_only=True):
    """The smallest memory that LUTs make: `depth` words of `width` bits, in words x bits."""

    depth: int
    width: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "depth", "width")


class RouterDevice(Base, frozen=True, kw_only=True):
    """The options that name a device to the router, for profiles with one of these `parts`."""

    parts: tuple[str, ...]
    options: tuple[str, ...]


class PlaceAndRoute(Base, frozen=True, kw_only=True):
    """The program that places and routes: its name, its options, and the devices it knows."""

    tool: str
    options: tuple[str, ...]
    devices: tuple[RouterDevice, ...]

    def __post_init__(self) -> None:
        check_text(self, "tool")

    def device(self, part: str) -> RouterDevice | None:
        """The device that a profile's part is; None where the program has none."""
        return next((device for device in self.devices if part in device.parts), None)


class Synthesis(Sourced, frozen=True, kw_only=True):
    """The command of yosys, and what each cell of its netlist counts as, in resources a cell.

    `luts`, `multipliers` and `block_rams` are by the cell's name; cells whose name starts with one
    of `flip_flops` are one flip-flop. `before` are commands in front of the main one, which names
    the top module itself.
    """

    command: str
    luts: Mapping[str, int]
    flip_flops: tuple[str, ...]
    multipliers: Mapping[str, int]
    block_rams: Mapping[str, int]
    before: tuple[str, ...] = ()
    place_and_route: PlaceAndRoute | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text(self, "command")


class BlockChoice(Sourced, frozen=True, kw_only=True):
    """LUTs that choose one bit out of 1, 2, ... block RAMs: a list, or so many `per_block` beyond
    the first up to `most` block RAMs.

    Logic is mapped for as few levels as the deepest path has, then for few LUTs: where other paths
    are deeper than this choice, it takes the `compact` ones.
    """

    luts: tuple[float, ...] = ()
    compact: tuple[float, ...] = ()
    per_block: float = 0
    most: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for number in (*self.luts, *self.compact, self.per_block):
            check_number("luts", number)
        if bool(self.luts) == bool(self.most):
            raise FieldError("luts", self.luts, "needs a list, or per_block and most", "give one")

    def of(self, blocks: int, *, compact: bool = False) -> float:
        """LUTs that choose one bit out of ``blocks``, at least 1; ``compact`` where other paths are
        deeper."""
        table = self._table(compact=compact)
        if blocks <= len(table):
            return table[blocks - 1]
        groups = -(-blocks // len(table))
        return groups * table[-1] + self.of(groups, compact=compact)

    def _table(self, *, compact: bool) -> tuple[float, ...]:
        if self.most:
            return tuple(self.per_block * others for others in range(self.most))
        return self.compact if compact and self.compact else self.luts


class CarryChain(Sourced, frozen=True, kw_only=True):
    """The carry chains that adders of `least` bits and more become: `luts` a cell of `bits` bits.

    `drops_unread` tells that a bit of a sum that nothing reads takes no LUT: the carry has a cell
    of its own. `inverts` tells that a cell inverts an operand, so that a difference takes no more
    than a sum.
    """

    least: int
    bits: int
    luts: int
    drops_unread: bool = False
    inverts: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "least", "bits", "luts")


class TechnologyRules(Sourced, frozen=True, kw_only=True):
    """What synthesis makes of multipliers and memories, in bits unless said otherwise.

    A product is cut into pieces of up to `multiplier_port` bits by `multiplier_port`, or by
    `multiplier_wide_port` of the wider operand; what is wider is cut off in slices of
    `multiplier_slice` bits (both 0: as wide as `multiplier_port`). A piece becomes a block if both
    its operands have 2 bits and together `multiplier_least`.
    `accumulators` are the widest sums that blocks hold, with the registers around them; 0 if blocks
    hold neither.

    A block RAM costs as much as `block_ram_cost` bits of the choice among several. A memory
    without an attribute is made of registers up to `register_bits` a block RAM that it would fill,
    of LUT RAM up to `lut_ram_cells` of the smallest ones; one that is read while it is written up
    to so much more as `rewritten_bits` a bit of its width or `rewritten_cells` say.
    `collision_registers` tells that such a block RAM needs registers, `shift_registers` that LUTs
    delay a bit by three cycles and more, `clears_enabled` that a flip-flop's enable holds for its
    reset too, `wide_luts` that LUTs and multiplexers behind them make LUTs of more inputs,
    `by_levels` that it was measured what these take in two levels of LUTs and in three.
    """

    multiplier_port: int
    multiplier_least: int
    block_ram_cost: int
    multiplier_wide_port: int = 0
    multiplier_slice: int = 0
    accumulators: int = 0
    register_bits: int = 0
    rewritten_bits: int = 0
    lut_ram_cells: int = 0
    rewritten_cells: int = 0
    collision_registers: bool = False
    shift_registers: bool = False
    clears_enabled: bool = False
    wide_luts: bool = False
    by_levels: bool = False
    block_choice: BlockChoice
    carry: CarryChain

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "multiplier_port", "multiplier_least", "block_ram_cost")


class DeviceFamily(Base, frozen=True, kw_only=True):
    """One family of FPGAs.

    `profile_families` are what profiles of its devices say as their `family`. `block_ram` are the
    shapes of a block RAM, `multiplier` the operands of a multiplier block (absent: none): a profile
    may leave both out. `lut_ram` is the memory of LUTs (absent: none). `synthesis` is absent where
    `rnnhw synth` cannot have it, and `technology` where nobody measured what synthesis does.
    """

    name: str
    title: str
    vendor: str
    profile_families: tuple[str, ...]
    block_ram: MemoryModes
    multiplier: Operands | None = None
    lut_ram: LutRam | None = None
    synthesis: Synthesis | None = None
    technology: TechnologyRules | None = None
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name", "title", "vendor")


@cache
def device_families() -> Mapping[str, DeviceFamily]:
    """Every family by its name, which is its file's, in alphabetical order."""
    files = sorted(_folder().iterdir(), key=lambda file: file.name)
    tables = [tomllib.loads(file.read_text()) for file in files]
    families = msgspec.convert(tables, list[DeviceFamily])
    return MappingProxyType({family.name: family for family in families})


@cache
def family_of(profile_family: str) -> DeviceFamily | None:
    """The family that lists a profile's ``family`` in upper or lower case; None if none does."""
    plain = profile_family.casefold()
    for family in device_families().values():
        if plain in map(str.casefold, family.profile_families):
            return family
    return None


def family_file(profile_family: str) -> bytes:
    """The bytes of the file of the family that lists a profile's ``family``; none if none does."""
    family = family_of(profile_family)
    return (_folder() / f"{family.name}.toml").read_bytes() if family else b""


def _folder() -> Traversable:
    return resources.files(__package__) / "families"
