"""FPGAs: memories, multiplier blocks, and what the reference accelerator took of them."""

from __future__ import annotations

from typing import Literal

from rnnhw.profiles.boards import ClockSource, ExternalMemory
from rnnhw.profiles.schema import (
    Base,
    ClockRange,
    FieldError,
    Sourced,
    SourcedValue,
    check_count,
    check_number,
    check_positive,
    check_text,
)

__all__ = [
    "Dsp",
    "FitConditions",
    "Fpga",
    "MemoryBlock",
    "MemoryLayout",
    "MemoryMode",
    "MemoryModes",
    "Operands",
    "Packing",
    "ResourceFit",
    "Structure",
]

Structure = Literal["dense", "banded", "hadamard"]

_LUT_UNITS = ("LUT4", "LUT5", "LUT6", "ALUT", "ALM")


class MemoryMode(Base, frozen=True, kw_only=True):
    """One shape that a memory block can take: `depth` words of `width` bits."""

    depth: int
    width: int

    def __post_init__(self) -> None:
        check_positive(self, "depth", "width")


class MemoryModes(Sourced, frozen=True, kw_only=True):
    """All shapes of one kind of block, from one source; the unit is fixed."""

    unit: Literal["words x bits"]
    shapes: tuple[MemoryMode, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shapes:
            raise FieldError("shapes", [], "needs a shape", "list at least one {depth, width}")


class MemoryLayout(Base, frozen=True, kw_only=True):
    """How one memory is cut into blocks: `deep` blocks in depth times `wide` blocks in width."""

    mode: MemoryMode
    deep: int
    wide: int

    @property
    def blocks(self) -> int:
        """Blocks used."""
        return self.deep * self.wide


class MemoryBlock(Base, frozen=True, kw_only=True):
    """One kind of on-chip memory block.

    `count` is in blocks and `capacity` in bits a block. `initialised` says whether a bitstream can
    set its contents: a memory that cannot is no home for weights, biases or tables.
    """

    name: str
    count: SourcedValue
    capacity: SourcedValue
    ports: Literal["single", "simple-dual", "true-dual"]
    initialised: bool
    modes: MemoryModes
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name")
        check_count("count", self.count, "blocks")
        check_count("capacity", self.capacity, "bits")
        for shape in self.modes.shapes:
            if shape.depth * shape.width > self.capacity.value:
                raise FieldError(
                    "modes.shapes",
                    f"{shape.depth} x {shape.width}",
                    f"a shape holds more than the block's {self.capacity.value} bits",
                    "correct the shape or the capacity",
                )

    def layout(self, depth: int, width: int) -> MemoryLayout:
        """Cut a memory of `depth` words of `width` bits into the fewest blocks.

        Of equal layouts the one with the fewest blocks in depth is taken: it needs the smallest
        read multiplexer. Raises ValueError if depth or width is below 1.
        """
        if depth < 1 or width < 1:
            raise ValueError(f"a memory needs depth and width of at least 1, got {depth} x {width}")
        layouts = (
            MemoryLayout(
                mode=mode, deep=_ceil_div(depth, mode.depth), wide=_ceil_div(width, mode.width)
            )
            for mode in self.modes.shapes
        )
        return min(layouts, key=lambda layout: (layout.blocks, layout.deep))

    def blocks(self, depth: int, width: int) -> int:
        """Blocks for `depth` words of `width` bits: the minimum over the modes.

        Raises ValueError if depth or width is below 1.
        """
        return self.layout(depth, width).blocks


class Operands(Sourced, frozen=True, kw_only=True):
    """The operand widths, in bits and as two's complement, that one multiplier block takes.

    `unsigned` says whether the block also multiplies unsigned operands of these widths; if not,
    an unsigned operand costs one bit more.
    """

    unit: Literal["bits"]
    width_a: int
    width_b: int
    unsigned: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "width_a", "width_b")


class Packing(Sourced, frozen=True, kw_only=True):
    """How many narrow products one multiplier block makes at once.

    `products` of at most `width_a` by `width_b` bits each; `shared` says whether they must have
    one operand in common, as the rows of a matrix have when they read the same element.
    """

    unit: Literal["products a block"]
    products: int
    width_a: int
    width_b: int
    shared: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "width_a", "width_b")
        if self.products < 2:
            raise FieldError(
                "products", self.products, "packing is of 2 products or more", "remove the packing"
            )


class Dsp(Base, frozen=True, kw_only=True):
    """The multiplier blocks of an FPGA; `count` is in blocks.

    `packings` are what a block can do beyond one product. No estimate uses them: the reference
    accelerator gives every lane a block of its own.
    """

    name: str
    count: SourcedValue
    operands: Operands
    packings: tuple[Packing, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name")
        check_count("count", self.count, "blocks")

    def blocks_per_multiply(
        self, bits_a: int, bits_b: int, *, signed_a: bool = True, signed_b: bool = True
    ) -> int:
        """Blocks for one product of `bits_a` by `bits_b` bits, at least 1.

        The longer operand goes to the wider port; each operand is cut into pieces that fit its
        port, and every pair of pieces takes a block. This is an upper bound: a tool may put a
        narrow product, or a remainder of a few bits, into LUTs instead (see `note`). Raises
        ValueError if a width is below 1.
        """
        if bits_a < 1 or bits_b < 1:
            raise ValueError(f"a product needs operands of 1 bit or more, got {bits_a} x {bits_b}")
        ports = self.operands
        if not ports.unsigned:
            bits_a += not signed_a
            bits_b += not signed_b
        # Of a split signed operand only the top piece has the sign, so in a block without
        # unsigned operands the lower pieces lose one bit.
        lost = 0 if ports.unsigned else 1
        short, long = sorted((bits_a, bits_b))
        narrow, wide = sorted((ports.width_a, ports.width_b))
        return _pieces(long, wide, lost) * _pieces(short, narrow, lost)


class FitConditions(Base, frozen=True, kw_only=True):
    """The designs that a fit was checked on, from lowest to highest; outside it extrapolates.

    Widths are in bits; `inputs` is the length of the input vector, `lanes` and `units` are those
    of the layer, `groups` is the number of rows that a lane computes and `half_width` the number
    of diagonals on each side of a band's middle one (absent where there is no band).
    """

    weight_bits: tuple[int, int]
    activation_bits: tuple[int, int]
    accumulator_bits: tuple[int, int]
    inputs: tuple[int, int]
    lanes: tuple[int, int]
    units: tuple[int, int]
    groups: tuple[int, int]
    half_width: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in self._ranges().items():
            if not 1 <= low <= high:
                raise FieldError(
                    name, [low, high], "must rise from 1 or more", "write [lowest, highest]"
                )

    def unmet(self, **design: int) -> tuple[str, ...]:
        """Names of the conditions that a design does not meet, in this type's order.

        Raises ValueError unless the design gives every condition's value by name.
        """
        ranges = self._ranges()
        missing = [name for name in ranges if name not in design]
        if missing:
            raise ValueError(f"the conditions of a fit need {', '.join(missing)}")
        return tuple(
            name for name, (low, high) in ranges.items() if not low <= design[name] <= high
        )

    def _ranges(self) -> dict[str, tuple[int, int]]:
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if value is not None}


class ResourceFit(Sourced, frozen=True, kw_only=True):
    """LUTs or flip-flops of the reference accelerator: base + per_lane P + per_unit N, in `unit`.

    `tool` names the synthesis tool and its version: another version gives other counts.
    `error_percent` is the largest deviation from synthesised counts within the conditions.
    """

    resource: Literal["lut", "ff"]
    structure: Structure
    cell: str
    tool: str
    base: int | float
    per_lane: int | float
    per_unit: int | float
    error_percent: int | float
    conditions: FitConditions

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text(self, "cell", "tool")
        for name in ("base", "per_lane", "per_unit", "error_percent"):
            check_number(name, getattr(self, name))

    def estimate(self, *, lanes: int, units: int) -> int:
        """The resource for `lanes` multiply-accumulate lanes and a layer of `units`, in `unit`.

        It says nothing of the other conditions: ask `conditions.unmet` before believing it.
        Raises ValueError if lanes or units is below 1.
        """
        if lanes < 1 or units < 1:
            raise ValueError(f"a layer has at least 1 lane and unit, got {lanes} and {units}")
        return round(self.base + self.per_lane * lanes + self.per_unit * units)


class Fpga(Base, frozen=True, kw_only=True, tag_field="kind", tag="fpga"):
    """An FPGA: what it holds and how fast the reference accelerator ran on it.

    `block_ram` is the memory that holds weights; `extra_memories` are other kinds. `fits_of`
    names a profile of the same family whose fits hold here too: a synthesis that is not told the
    device gives the same cells. `extends` names the device of a board, and is set by the board.
    A figure that no source supports is None or absent, which means not known.
    """

    name: str
    title: str
    vendor: str
    part: str
    family: str
    lut: SourcedValue
    ff: SourcedValue
    block_ram: MemoryBlock
    dsp: Dsp | None = None
    extra_memories: tuple[MemoryBlock, ...] = ()
    external_memories: tuple[ExternalMemory, ...] = ()
    clock_sources: tuple[ClockSource, ...] = ()
    clock_mhz: ClockRange | None = None
    fits: tuple[ResourceFit, ...] = ()
    fits_of: str = ""
    extends: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        check_text(self, "name", "title", "vendor", "part", "family")
        check_count("lut", self.lut, *_LUT_UNITS)
        check_count("ff", self.ff, "FF")
        seen = set()
        for index, fit in enumerate(self.fits):
            wanted = self.lut.unit if fit.resource == "lut" else self.ff.unit
            if fit.unit != wanted:
                raise FieldError(
                    f"fits[{index}].unit",
                    fit.unit,
                    f"differs from the device's {fit.resource} unit {wanted!r}",
                    "give both in one unit",
                )
            key = (fit.resource, fit.structure, fit.cell)
            if key in seen:
                raise FieldError(
                    f"fits[{index}]", " ".join(key), "is a second fit of one kind", "keep one"
                )
            seen.add(key)

    def memory_blocks(self, depth: int, width: int) -> int:
        """Block RAMs for a memory of `depth` words of `width` bits.

        Raises ValueError if depth or width is below 1.
        """
        return self.block_ram.blocks(depth, width)

    def dsp_blocks_per_multiply(
        self, bits_a: int, bits_b: int, *, signed_a: bool = True, signed_b: bool = True
    ) -> int:
        """DSP blocks for one product, at least 1; see `Dsp.blocks_per_multiply`.

        Raises ValueError if a width is below 1, or if the device has no DSP blocks: the product
        is then made of LUTs, which is another count and not 0 blocks.
        """
        if self.dsp is None:
            raise ValueError(f"{self.name} has no DSP blocks")
        return self.dsp.blocks_per_multiply(bits_a, bits_b, signed_a=signed_a, signed_b=signed_b)


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _pieces(bits: int, port: int, lost: int) -> int:
    return 1 if bits <= port else 1 + _ceil_div(bits - port, port - lost)
