"""Profiles: every figure is sourced, memory and DSP arithmetic is right, errors name the cure."""

import hashlib
import math
import re
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from rnnhw.errors import RnnhwError
from rnnhw.profiles import (
    Asic,
    Energy,
    FitConditions,
    Fpga,
    MemoryMode,
    Microcontroller,
    ProfileError,
    Sourced,
    UnknownProfileError,
    kind_of,
    load_profile,
    profile_names,
    profile_sha256,
    unknown_figures,
)

NAMES = [
    *("alveo-u250", "artix-7-100t", "artix-7-35t", "arty-a7-100", "arty-a7-35", "asic-45nm"),
    *("asic-7nm", "atmega328p", "cortex-m0plus", "cortex-m3", "cortex-m33", "cortex-m4"),
    *("cortex-m55", "cortex-m7", "ecp5-25", "ecp5-45", "ecp5-85", "esp32", "gap9", "gw1nr-9"),
    *("gw2ar-18", "ice40up5k", "icebreaker", "raspberry-pi-pico", "rp2040", "tang-nano-20k"),
    *("tang-nano-9k", "ulx3s-85", "zu3eg", "zu7ev", "zynq-7020"),
]
FPGAS = ["ecp5-25", "ice40up5k", "zynq-7020"]  # those with measured syntheses


def sourced(value):
    """Every Sourced value in a profile, at any depth."""
    if isinstance(value, Sourced):
        yield value
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from sourced(getattr(value, field))
    elif isinstance(value, tuple):
        for item in value:
            yield from sourced(item)


def shipped_text(name):
    return (resources.files("rnnhw.profiles") / f"{name}.toml").read_text()


def whole_text(name, family):
    """A shipped profile with what it leaves to its family, as a user's may have it."""
    shared = shipped_text(f"families/{family}")
    modes, operands = (
        re.search(rf"^\[{table}\]\n(.*?)(?=^\[|\Z)", shared, re.DOTALL | re.MULTILINE)[1]
        for table in ("block_ram", "multiplier")
    )
    return f"{shipped_text(name)}\n[block_ram.modes]\n{modes}\n[dsp.operands]\n{operands}"


def fpga(name):
    profile = load_profile(name)
    assert isinstance(profile, Fpga)
    return profile


@pytest.fixture
def m4():
    profile = load_profile("cortex-m4")
    assert isinstance(profile, Microcontroller)
    return profile


# --- the shipped data --------------------------------------------------------------------------


def test_what_ships():
    assert profile_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_unit_source_and_status(name):
    profile = load_profile(name)
    assert profile.name == name
    figures = list(sourced(profile))
    assert len(figures) >= 3
    for figure in figures:
        assert figure.unit.strip()
        assert figure.source.strip()
        assert figure.status in {"measured", "vendor", "tool", "second-hand", "derived"}


@pytest.mark.parametrize("name", NAMES)
def test_text_runs_on_one_line_and_names_no_place_on_this_machine(name):
    profile = load_profile(name)
    for each in (profile, *sourced(profile)):
        for text in (getattr(each, "source", ""), each.note):
            assert "\n" not in text
            assert not re.search(r"(^|\s)/\w", text)
            assert "not citable" not in text


def test_totals():
    assert [fpga(n).lut.value for n in FPGAS] == [24288, 5280, 53200]
    assert [fpga(n).ff.value for n in FPGAS] == [24288, 5280, 106400]
    assert [fpga(n).dsp.count.value for n in FPGAS] == [28, 8, 220]
    assert [fpga(n).block_ram.count.value for n in FPGAS] == [56, 30, 280]
    assert [fpga(n).block_ram.capacity.value for n in FPGAS] == [18432, 4096, 18432]


# By hand from the tools' and vendors' reports: LUT, flip-flops, block RAM of 18 kbit, DSP blocks.
DEVICES = {
    "ecp5-45": (43848, 43848, 108, 72),
    "ecp5-85": (83640, 83640, 208, 156),
    "gw1nr-9": (8640, 6480, 26, 20),
    "gw2ar-18": (20736, 15552, 46, 48),
    "artix-7-35t": (20800, 41600, 2 * 50, 90),
    "artix-7-100t": (63400, 126800, 2 * 135, 240),
    "zu3eg": (71000, 2 * 71000, 412, 360),
    "zu7ev": (230000, 2 * 230000, 610, 1728),
    "alveo-u250": (4 * 375000, 4 * 2 * 375000, 4 * 2 * 576, 4 * 2880),
}


@pytest.mark.parametrize(("name", "totals"), DEVICES.items())
def test_devices_by_hand(name, totals):
    device = fpga(name)
    counts = device.lut, device.ff, device.block_ram.count, device.dsp.count
    assert tuple(figure.value for figure in counts) == totals
    assert device.block_ram.capacity.value == 18432
    assert {(m.depth, m.width) for m in device.block_ram.modes.shapes} == {
        (512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1),
    }  # fmt: skip
    assert device.clock_mhz is None  # nothing was placed and routed on any of them


@pytest.mark.parametrize(
    ("name", "bits", "blocks"),
    [
        # The widest signed product of one block, and one bit more on each side of it.
        ("gw1nr-9", (18, 18), 1), ("gw1nr-9", (18, 19), 2), ("gw1nr-9", (19, 19), 4),
        ("artix-7-35t", (25, 18), 1), ("artix-7-35t", (26, 18), 2), ("artix-7-35t", (25, 19), 2),
        ("zu7ev", (27, 18), 1), ("zu7ev", (28, 18), 2), ("zu7ev", (27, 19), 2),
    ],
)  # fmt: skip
def test_dsp_geometry_by_hand(name, bits, blocks):
    assert fpga(name).dsp_blocks_per_multiply(*bits) == blocks


def test_packing_is_told_and_not_counted():
    packed = {n: [(p.products, p.width_a, p.shared) for p in fpga(n).dsp.packings] for n in FPGAS}
    assert packed == {
        "ice40up5k": [(2, 8, False)],
        "ecp5-25": [(2, 9, False)],
        "zynq-7020": [(2, 8, True), (4, 4, True)],
    }
    assert all(fpga(name).dsp_blocks_per_multiply(4, 4) == 1 for name in FPGAS)


def test_ultraram_holds_no_weights_by_itself():
    for name, blocks in (("zu7ev", 92), ("alveo-u250", 4 * 320)):
        (uram,) = fpga(name).extra_memories
        assert (uram.count.value, uram.initialised) == (blocks, False)
        assert (uram.blocks(4096, 72), uram.blocks(4097, 73)) == (1, 4)
    assert fpga("zu3eg").extra_memories == ()


# By hand from board files, data sheets and documentation: flash and RAM in bytes, MHz.
CHIPS = {
    "cortex-m0plus": (262144, 32768, 48),
    "cortex-m3": (128 << 10, 20 << 10, 72),
    "cortex-m4": (2 << 20, 640 << 10, 120),
    "cortex-m7": (1 << 20, 320 << 10, 216),
    "cortex-m33": (2 << 20, 768 << 10, 160),
    "cortex-m55": (2 << 20, 1344 << 10, 220),
    "atmega328p": (32 << 10, 2 << 10, 16),
    "rp2040": (None, 264 << 10, 133),
    "raspberry-pi-pico": (2 << 20, 264 << 10, 133),
    "esp32": (4 << 20, 320 << 10, 240),
    "gap9": (None, 1400000, 370),
}


@pytest.mark.parametrize(("name", "figures"), CHIPS.items())
def test_microcontrollers_by_hand(name, figures):
    chip = load_profile(name)
    flash = None if chip.flash is None else chip.flash.value
    assert (flash, chip.ram.value, chip.clock_max_mhz.value) == figures


@pytest.mark.parametrize(
    ("name", "dense", "banded", "requantised"),
    [
        # Instructions a MAC of a dense product of 128 units and of a 3-wide band, and those of a
        # product and its requantisation, as counted in the emulator.
        ("cortex-m3", 3.67, 8.7, 33.0),
        ("cortex-m4", 2.27, 8.7, 27.1),
        ("cortex-m55", 0.58, 8.4, 5.8),
    ],
)
def test_counted_instructions_by_hand(name, dense, banded, requantised):
    chip = load_profile(name)
    for operation, size, value in (
        ("matvec_dense", 128, dense),
        ("matvec_banded", 3, banded),
        ("multiply_requantise", None, requantised),
    ):
        (cost,) = chip.costs(operation)
        assert cost.unit.startswith("instructions")
        assert cost.at(size) == value


@pytest.mark.parametrize(
    ("name", "bits", "peak"),
    [
        ("cortex-m0plus", 8, 0.5),  # MULS and ADDS of a cycle each
        ("cortex-m3", 8, 0.5),  # MLA of two cycles
        ("cortex-m4", 8, 2),  # SMLAD: two products of 16 bits, the narrowest figure
        ("cortex-m4", 32, 2),  # no wider figure: the widest bounds it
        ("cortex-m7", 16, 2),  # one MAC pipe
        ("cortex-m55", 8, 8),  # 16 lanes in two cycles
        ("cortex-m55", 9, 4),  # 8 lanes of 16 bits
        ("atmega328p", 8, 0.5),  # MUL of two cycles
        ("gap9", 8, 36),  # nine cores, four products each
        ("cortex-m33", 8, None),
        ("esp32", 8, None),
    ],
)
def test_mac_peaks_by_hand(name, bits, peak):
    assert load_profile(name).mac_peak(bits) == peak


def test_instruction_cycles_say_that_they_vary():
    cycles = {c.instruction: (c.low, c.high) for c in load_profile("cortex-m3").instruction_cycles}
    assert cycles["MUL"] == (1, 1)
    assert cycles["SMLAL, UMLAL"] == (4, 7)
    muls = load_profile("cortex-m0plus").instruction_cycles[0]
    assert (muls.instruction, muls.low, muls.high) == ("MULS", 1, 32)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_known_is_absent_and_never_zero(name):
    profile = load_profile(name)
    zeros = [f for f in sourced(profile) if getattr(f, "value", 1) == 0]
    assert zeros == []
    assert all(hasattr(profile, each) for each in unknown_figures(profile))


def test_unknown_figures_are_named():
    assert unknown_figures(load_profile("zu3eg")) == ["clock_mhz", "fits"]
    assert "operations" in unknown_figures(load_profile("esp32"))
    assert unknown_figures(load_profile("asic-7nm")) == ["voltage", "accesses", "clock_mhz"]
    assert "flash" in unknown_figures(load_profile("rp2040"))
    assert "flash" not in unknown_figures(load_profile("raspberry-pi-pico"))


# --- ASIC nodes --------------------------------------------------------------------------------


def asic(name):
    node = load_profile(name)
    assert isinstance(node, Asic)
    return node


def test_energies_by_hand():
    old, new = asic("asic-45nm"), asic("asic-7nm")
    assert (old.add(8).pj, old.add(32).pj) == (0.03, 0.1)  # Horowitz, ISSCC 2014
    assert (old.multiply(8, 8).pj, old.multiply(32, 32).pj) == (0.2, 3.1)
    assert (new.add(8).pj, new.add(32).pj) == (0.007, 0.03)  # Jouppi et al., ISCA 2021
    assert (new.multiply(8, 8).pj, new.multiply(32, 32).pj) == (0.07, 1.48)
    assert [old.access(64, 8 * 1024 * kb).pj for kb in (8, 32, 1024)] == [10, 20, 100]
    assert old.access(8, 8 * 8192) == Energy(1.25)  # a byte of an 8 KiB memory
    assert new.access(64, 8 * 8192) is None
    (dram,) = [a for a in old.accesses if a.memory == "dram"]
    assert (dram.value, dram.word_bits) == (1300, 64)


def test_energies_between_and_outside_of_figures():
    node = asic("asic-45nm")
    assert node.add(20).pj == pytest.approx((0.03 + 0.1) / 2)
    assert node.multiply(8, 16).pj == pytest.approx(0.2 + 2.9 * 64 / 960)  # linear in 8 x 16
    assert node.multiply(16, 8).pj == node.multiply(8, 16).pj
    assert node.add(4).pj == pytest.approx(0.03 / 2)
    assert node.add(64).pj == pytest.approx(0.1 * 2)
    assert node.multiply(4, 8).pj == pytest.approx(0.2 / 2)
    # the root of 18 KiB is half way between those of 8 and 32 KiB
    assert node.access(64, 8 * 18 * 1024).pj == pytest.approx(15)
    assert node.access(64, 8) == Energy(10, "figure for 8 KiB used")
    assert node.access(64, 1 << 30) == Energy(100, "figure for 1024 KiB used")
    assert node.add(8).note == ""
    assert node.add(9).note == "9 bits interpolated"
    assert node.multiply(4, 8).note == "4 x 8 bits in proportion to 8"
    silent = msgspec.structs.replace(node, operations=())
    assert silent.add(8) is silent.multiply(8, 8) is None


# --- boards and shared fits --------------------------------------------------------------------


def test_a_board_is_its_device_and_what_it_adds():
    board, device = load_profile("arty-a7-35"), fpga("artix-7-35t")
    assert (board.name, board.extends) == ("arty-a7-35", "artix-7-35t")
    assert (board.lut, board.dsp, board.block_ram) == (device.lut, device.dsp, device.block_ram)
    assert board.fits == device.fits
    (memory,) = board.external_memories
    assert (memory.peak.value, memory.capacity.value) == (1600, 256 << 20)  # 800 MT/s x 2 bytes
    (clock,) = board.clock_sources
    assert (clock.frequency.value, clock.frequency.unit) == (100, "MHz")
    nano = load_profile("tang-nano-9k")
    assert nano.external_memories == fpga("gw1nr-9").external_memories
    assert nano.external_memories[0].peak.value == 333 * 16 // 8


def test_kinds_for_people():
    kinds = {name: kind_of(load_profile(name)) for name in NAMES}
    assert kinds["ulx3s-85"] == "FPGA board"
    assert kinds["raspberry-pi-pico"] == "microcontroller board"
    assert (kinds["ecp5-85"], kinds["gap9"], kinds["asic-7nm"]) == (
        "FPGA", "microcontroller", "ASIC",
    )  # fmt: skip


def test_fits_hold_for_a_family_that_is_synthesised_alike():
    assert fpga("ecp5-45").fits == fpga("ecp5-85").fits == fpga("ecp5-25").fits != ()
    assert fpga("artix-7-100t").fits == fpga("zynq-7020").fits
    assert fpga("zu3eg").fits == fpga("gw2ar-18").fits == ()


def test_sha256_is_that_of_every_file_behind_a_profile():
    files = ("arty-a7-35", "artix-7-35t", "families/xc7", "zynq-7020", "families/xc7")
    content = "".join(map(shipped_text, files)).encode()
    assert profile_sha256("arty-a7-35") == hashlib.sha256(content).hexdigest()
    content = "".join(map(shipped_text, files[1:])).encode()
    assert profile_sha256("artix-7-35t") == hashlib.sha256(content).hexdigest()


def test_only_memories_without_initial_contents_are_marked():
    assert all(fpga(name).block_ram.initialised for name in FPGAS)
    (spram,) = fpga("ice40up5k").extra_memories
    assert (spram.name, spram.initialised, spram.ports) == ("SPRAM", False, "single")
    assert spram.count.value * spram.capacity.value == 1 << 20
    assert spram.blocks(16384, 16) == 1
    assert spram.blocks(16385, 17) == 4


def test_a_board(m4):
    assert (m4.flash.value, m4.ram.value) == (2 << 20, 640 << 10)
    assert (m4.clock_max_mhz.value, m4.clock_max_mhz.unit) == (120, "MHz")


def test_profiles_are_immutable_values():
    assert load_profile("ecp5-25") == load_profile("ecp5-25")
    assert hash(load_profile("ecp5-25")) == hash(load_profile("ecp5-25"))
    with pytest.raises(AttributeError):
        load_profile("ecp5-25").name = "other"


def test_sha256_is_that_of_the_file():
    content = shipped_text("cortex-m4").encode()
    assert profile_sha256("cortex-m4") == hashlib.sha256(content).hexdigest()


# --- memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "depth", "width", "blocks"),
    [
        ("ice40up5k", 1, 1, 1),
        ("ice40up5k", 256, 16, 1),
        ("ice40up5k", 257, 16, 2),
        ("ice40up5k", 256, 17, 2),
        ("ice40up5k", 512, 8, 1),
        ("ice40up5k", 2048, 2, 1),
        ("ice40up5k", 2049, 2, 2),
        ("ice40up5k", 300, 12, 2),  # 256x16: 2*1; 512x8: 1*2; 1024x4: 1*3
        ("ecp5-25", 512, 36, 1),
        ("ecp5-25", 513, 36, 2),
        ("ecp5-25", 512, 37, 2),
        ("ecp5-25", 16384, 1, 1),
        ("ecp5-25", 2048, 9, 1),
        ("ecp5-25", 4096, 9, 2),  # 2048x9: 2*1; 4096x4: 1*3
        ("zynq-7020", 1024, 18, 1),
        ("zynq-7020", 1025, 18, 2),
        ("zynq-7020", 3000, 20, 5),  # 512x36: 6*1; 1024x18: 3*2; 2048x9: 2*3; 4096x4: 1*5
    ],
)
def test_memory_blocks_by_hand(name, depth, width, blocks):
    assert fpga(name).memory_blocks(depth, width) == blocks


@pytest.mark.parametrize(
    ("name", "units", "lanes", "blocks"),
    [
        # Block RAMs of synthesised dense Elman layers (8 inputs, 8-bit weights, yosys 0.23). The
        # weights are units/lanes * (8 + units) words of 8 * lanes bits. On UP5K the input and the
        # state vector take one EBR each, the other two devices keep them in LUTs; the 2 RAMB36 of
        # the last row are 4 RAMB18.
        ("ice40up5k", 32, 4, 6 - 2),
        ("ice40up5k", 64, 8, 14 - 2),
        ("ecp5-25", 32, 4, 1),
        ("ecp5-25", 64, 8, 4),
        ("zynq-7020", 32, 4, 1),
        ("zynq-7020", 64, 8, 4),
    ],
)
def test_memory_blocks_as_synthesised(name, units, lanes, blocks):
    assert fpga(name).memory_blocks(units // lanes * (8 + units), 8 * lanes) == blocks


def test_equal_layouts_prefer_fewer_blocks_in_depth():
    layout = fpga("ice40up5k").block_ram.layout(320, 32)  # 4 as 256x16 (2 deep) or 512x8 (1 deep)
    assert (layout.mode, layout.deep, layout.wide) == (MemoryMode(depth=512, width=8), 1, 4)
    assert layout.blocks == 4


@pytest.mark.parametrize("name", FPGAS)
def test_blocks_hold_the_bits_and_never_fall_with_size(name):
    ram = fpga(name).block_ram
    for depth in (1, 2, 255, 256, 257, 511, 512, 513, 1024, 5000):
        for width in (1, 2, 3, 8, 9, 16, 17, 36, 72, 100):
            layout = ram.layout(depth, width)
            assert layout.deep * layout.mode.depth >= depth
            assert layout.wide * layout.mode.width >= width
            assert layout.blocks >= math.ceil(depth * width / ram.capacity.value)
            assert ram.blocks(depth + 1, width) >= layout.blocks
            assert ram.blocks(depth, width + 1) >= layout.blocks


@pytest.mark.parametrize(("depth", "width"), [(0, 8), (8, 0), (-1, 8)])
def test_a_memory_without_words_or_bits_is_an_error(depth, width):
    with pytest.raises(ValueError, match="at least 1"):
        fpga("ecp5-25").memory_blocks(depth, width)


# --- multipliers -------------------------------------------------------------------------------

# DSP blocks of one registered product, yosys 0.23, synth_ice40 -dsp, synth_ecp5 and synth_xilinx:
# device, bits, signed, blocks. All of these were made without LUTs beside the adders.
SYNTHESISED_PRODUCTS = [
    ("ice40up5k", 8, 8, True, 1),
    ("ice40up5k", 4, 8, False, 1),
    ("ice40up5k", 8, 16, False, 1),
    ("ice40up5k", 16, 16, False, 1),
    ("ice40up5k", 16, 18, True, 2),
    ("ice40up5k", 8, 22, True, 2),
    ("ice40up5k", 24, 24, True, 4),
    ("ice40up5k", 32, 32, False, 4),
    ("ecp5-25", 4, 4, True, 1),
    ("ecp5-25", 18, 18, False, 1),
    ("ecp5-25", 8, 22, True, 2),
    ("ecp5-25", 18, 26, True, 2),
    ("ecp5-25", 20, 20, True, 4),
    ("ecp5-25", 36, 36, False, 4),
    ("zynq-7020", 18, 25, True, 1),
    ("zynq-7020", 25, 8, True, 1),
    ("zynq-7020", 8, 25, False, 2),
    ("zynq-7020", 17, 24, False, 1),
    ("zynq-7020", 18, 18, False, 2),
    ("zynq-7020", 18, 26, True, 2),
    ("zynq-7020", 25, 25, True, 2),
    ("zynq-7020", 24, 25, False, 4),
    ("zynq-7020", 19, 26, True, 4),
    ("zynq-7020", 34, 34, True, 4),
    ("zynq-7020", 36, 36, True, 6),
]
# The same where the tool put the product, or a remainder, into LUTs: ours is the larger count.
PRODUCTS_PARTLY_IN_LUTS = [
    ("ice40up5k", 4, 4, True, 0),
    ("ice40up5k", 8, 17, True, 1),
    ("ice40up5k", 18, 18, True, 3),
    ("ice40up5k", 34, 34, True, 8),
    ("ecp5-25", 8, 19, True, 1),
    ("ecp5-25", 19, 26, True, 2),
    ("zynq-7020", 4, 4, True, 0),
]


@pytest.mark.parametrize(("name", "a", "b", "signed", "blocks"), SYNTHESISED_PRODUCTS)
def test_dsp_blocks_as_synthesised(name, a, b, signed, blocks):
    device = fpga(name)
    for bits in ((a, b), (b, a)):
        got = device.dsp_blocks_per_multiply(*bits, signed_a=signed, signed_b=signed)
        assert got == blocks


@pytest.mark.parametrize(("name", "a", "b", "signed", "blocks"), PRODUCTS_PARTLY_IN_LUTS)
def test_dsp_blocks_are_an_upper_bound(name, a, b, signed, blocks):
    got = fpga(name).dsp_blocks_per_multiply(a, b, signed_a=signed, signed_b=signed)
    assert got > blocks


def test_one_unsigned_operand_costs_a_bit_where_blocks_are_signed():
    assert fpga("zynq-7020").dsp_blocks_per_multiply(8, 25, signed_b=False) == 2
    assert fpga("zynq-7020").dsp_blocks_per_multiply(8, 25, signed_a=False) == 1
    assert fpga("ecp5-25").dsp_blocks_per_multiply(18, 18, signed_b=False) == 1


def test_never_zero_dsp_blocks():
    for name in FPGAS:
        assert fpga(name).dsp_blocks_per_multiply(1, 1) == 1
    with pytest.raises(ValueError, match="1 bit or more"):
        fpga("ecp5-25").dsp_blocks_per_multiply(0, 8)
    without = msgspec.structs.replace(fpga("ecp5-25"), dsp=None)
    with pytest.raises(ValueError, match="ecp5-25 has no DSP blocks"):
        without.dsp_blocks_per_multiply(8, 8)


# --- fits --------------------------------------------------------------------------------------

# LUTs and flip-flops of Elman layers with 32 units on 4 lanes as synthesised, yosys 0.23: device,
# structure, LUT, FF. The bands have half-width 1.
SYNTHESISED_LAYERS = [
    ("ice40up5k", "dense", 439, 265),
    ("ice40up5k", "banded", 623, 451),
    ("ice40up5k", "hadamard", 850, 574),
    ("ecp5-25", "dense", 734, 514),
    ("ecp5-25", "banded", 909, 678),
    ("ecp5-25", "hadamard", 1032, 821),
    ("zynq-7020", "dense", 262, 272),
    ("zynq-7020", "banded", 388, 412),
    ("zynq-7020", "hadamard", 467, 515),
]


def fit_of(name, resource, structure):
    """The fit of one resource of an Elman layer with one structure."""
    (fit,) = (
        fit for fit in fpga(name).fits if (fit.resource, fit.structure) == (resource, structure)
    )
    return fit


@pytest.mark.parametrize(("name", "structure", "lut", "ff"), SYNTHESISED_LAYERS)
def test_fits_keep_their_error_where_synthesised(name, structure, lut, ff):
    for resource, measured in (("lut", lut), ("ff", ff)):
        fit = fit_of(name, resource, structure)
        estimate = fit.estimate(lanes=4, units=32)
        assert abs(estimate - measured) <= measured * fit.error_percent / 100


def test_a_fit_needs_a_layer():
    fit = fit_of("ecp5-25", "lut", "dense")
    assert fit.estimate(lanes=4, units=32) == round(234 + 89.4 * 4 + 4.45 * 32)
    with pytest.raises(ValueError, match="at least 1 lane"):
        fit.estimate(lanes=0, units=32)


def test_conditions_name_what_a_design_breaks():
    design = {
        "weight_bits": 8,
        "activation_bits": 8,
        "accumulator_bits": 32,
        "inputs": 8,
        "lanes": 4,
        "units": 32,
        "groups": 8,
        "half_width": 1,
    }
    dense = fit_of("ice40up5k", "lut", "dense").conditions
    banded = fit_of("ice40up5k", "lut", "banded").conditions
    assert dense.unmet(**design) == banded.unmet(**design) == ()
    design |= {"units": 128, "weight_bits": 6, "half_width": 9}
    assert dense.unmet(**design) == ("weight_bits", "units")
    assert banded.unmet(**design) == ("weight_bits", "units", "half_width")
    del design["half_width"]
    assert dense.unmet(**design) == ("weight_bits", "units")
    with pytest.raises(ValueError, match="need half_width"):
        banded.unmet(**design)


def test_conditions_rise():
    fields = [name for name in FitConditions.__struct_fields__ if name != "half_width"]
    with pytest.raises(ValueError, match="units: must rise"):
        FitConditions(**dict.fromkeys(fields, (1, 8)) | {"units": (64, 16)})


# --- microcontroller ---------------------------------------------------------------------------


def test_costs_say_what_they_count(m4):
    counted = {(c.operation, c.unit.split("/")[0]) for c in m4.operations}
    assert ("matvec_dense", "instructions") in counted
    assert ("lstm_step", "cycles") in counted
    assert ("matvec_dense", "cycles") not in counted


def test_costs_pass_through_their_points(m4):
    for cost in m4.operations:
        for point in cost.points:
            assert cost.at(point.size) == pytest.approx(point.value, rel=1e-12)


def test_costs_between_points_are_linear_in_the_reciprocal(m4):
    (dense,) = m4.costs("matvec_dense")
    # 1/24 lies at (1/16 - 1/24) / (1/16 - 1/64) = 4/9 of the way from 16 to 64
    assert dense.at(24) == pytest.approx(5.50 + 4 / 9 * (2.68 - 5.50))
    assert dense.at(256) < dense.at(128)
    assert dense.at(8) > dense.at(16)


def test_a_size_is_asked_for_only_where_it_plays_a_part(m4):
    sigmoid, _ = m4.costs("lookup")
    assert sigmoid.at() == sigmoid.at(7) == 25.0
    (dense,) = m4.costs("matvec_dense")
    for size in (None, 0):
        with pytest.raises(ValueError, match="needs its units"):
            dense.at(size)


def test_published_cycles_follow_from_their_sources(m4):
    lstm = next(c for c in m4.costs("lstm_step") if c.unit == "cycles/MAC")
    gru = next(c for c in m4.costs("gru_step") if c.unit == "cycles/MAC")
    assert lstm.at() == round(565.3515e-3 * 120e6 / 2702400, 1)
    assert gru.at() == round(374.4158e-3 * 120e6 / 2094400, 1)


# --- errors ------------------------------------------------------------------------------------


def test_a_users_file_loads_by_path(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(whole_text("ice40up5k", "ice40").replace('"ice40up5k"', '"mine"'))
    assert load_profile(file).name == load_profile(str(file)).name == "mine"
    assert profile_sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()


# Text of a shipped file, its replacement, then parts of the message and of the hint.
BROKEN_FIELDS = [
    ('kind = "fpga"', "", "kind: missing", "", "one of fpga, microcontroller, asic, board"),
    ('kind = "fpga"', 'kind = "gpu"', "kind: ", "'gpu'", "one of fpga, microcontroller, asic"),
    ('kind = "fpga"', 'kind = "asic"', "vendor: unknown field", "'Lattice'", "remove it"),
    ("products = 2", "products = 1", "dsp.packings[0].products: packing", "1", "remove"),
    ("value = 5280", "", "lut.value: missing", "", "add it"),
    ("value = 5280", "value = nan", "lut.value: must be finite", "nan", "leave a figure out"),
    ("value = 5280", "value = inf", "lut.value: must be finite", "inf", "leave a figure out"),
    ("value = 5280", "value = -1", "lut.value: must be finite and not", "-1", "leave a figure"),
    ("value = 5280", "value = 5280.5", "lut.value: must be a whole", "5280.5", "without a po"),
    ("value = 5280", 'value = "5280"', "lut.value: must be a number", "'5280'", "quotes"),
    ("value = 5280", "value = true", "lut.value: must be a number", "True", "number alone"),
    ('unit = "LUT4"', "", "lut.unit: missing", "", "name the unit"),
    ('unit = "LUT4"', 'unit = " "', "lut.unit: must not be blank", "' '", "name the unit"),
    ('unit = "LUT4"', 'unit = "kLUT"', "lut.unit: must be 'LUT4'", "'kLUT'", "convert"),
    ('unit = "LUT4"', 'unit = "LUT6"', "fits[0].unit: differs", "'LUT4'", "one unit"),
    ('unit = "MHz"', 'unit = "GHz"', "clock_mhz.low.unit: must be 'MHz'", "'GHz'", "convert"),
    ('status = "tool"', 'status = "guess"', "lut.status: ", "'guess'", "one of derived"),
    ('status = "tool"', "", "lut.status: missing", "", "one of derived, measured, second-ha"),
    ('source = "next', 'sauce = "next', "lut.sauce: unknown field", "'next", "'source'?"),
    ("[lut]", "[colour]\nx = 1\n[lut]", "colour: unknown field", "{'x': 1}", "remove it"),
    ("depth = 256", "depth = 0", "block_ram.modes.shapes[0].depth: must", "0", "correct"),
    ("depth = 256", "depth = 512", "block_ram.modes.shapes: a shape", "'512 x 16'", "correct"),
    ("depth = 256, ", "", "block_ram.modes.shapes[0].depth: missing", "", "add it"),
    ('ports = "single"', 'ports = "one"', "extra_memories[0].ports: ", "'one'", "simple-dual"),
    ("initialised = true", "initialised = 1", "block_ram.initialised: must", "1", "true or"),
    ("value = 45", "value = 68", "clock_mhz.low.value: is above", "68", "exchange"),
    ("units = [16, 64]", "units = [64]", "fits[0].conditions.units: ", "[64]", "shipped"),
    ("units = [16, 64]", "units = 64", "fits[0].conditions.units: must be an", "64", "[brackets]"),
    ("width_a = 16", "width_a = 16.5", "dsp.operands.width_a: must be a whole", "16.5", "poi"),
    ('part = "iCE40UP5K-SG48"', "part = 5", "part: must be text", "5", "quotes"),
]


@pytest.mark.parametrize("case", BROKEN_FIELDS, ids=lambda case: case[1] or f"no {case[0]}")
def test_a_broken_field_names_file_field_value_and_cure(tmp_path, case):
    old, new, field, value, cure = case
    text = whole_text("ice40up5k", "ice40")
    assert old in text
    file = tmp_path / "broken.toml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ProfileError) as caught:
        load_profile(file)
    assert str(file) in caught.value.message
    assert f": {field}" in caught.value.message
    assert value in caught.value.message
    assert cure in caught.value.hint
    assert str(caught.value) == f"{caught.value.message}; {caught.value.hint}"


def test_a_blank_source_says_what_a_source_is(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text(re.sub(r'source = ".*?"', 'source = ""', shipped_text("ice40up5k"), count=1))
    with pytest.raises(ProfileError, match=r"lut\.source: must not be blank, got ''; name the doc"):
        load_profile(file)


def test_a_missing_source_says_what_a_source_is(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text(re.sub(r'source = ".*?"\n', "", shipped_text("ice40up5k"), count=1))
    with pytest.raises(ProfileError, match=r"lut\.source: missing; add it: name the document"):
        load_profile(file)


def test_a_second_fit_of_one_kind_is_an_error(tmp_path):
    text = shipped_text("ice40up5k")
    file = tmp_path / "broken.toml"
    file.write_text(text + text[text.index("\n[[fits]]") :])
    with pytest.raises(ProfileError, match=r"fits\[6\]: is a second fit .*'lut dense elman'"):
        load_profile(file)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("{ size = 64, value = 2.68 }", "{ value = 2.68 }", "points: every point needs a size"),
        ("{ size = 64, value = 2.68 }", "{ size = 16, value = 2.68 }", "points: sizes must incr"),
        ("{ size = 64, value = 2.68 }", "{ size = 64, value = -2 }", "points[1].value: must be fi"),
        ("{ value = 25.0 }", "{ value = 25.0, size = 3 }", "points: size_name 'none' takes one"),
        ('operation = "lookup"', 'operation = "look"', "operation: is not a value it takes"),
        ('unit = "instructions/MAC"', 'unit = "ns"', "unit: is not a value it takes"),
        ("value = 2097152", "value = 2097152.5", "flash.value: must be a whole number"),
        ('unit = "bytes"', 'unit = "kB"', "flash.unit: must be 'bytes'"),
        ("value = 120", "value = 100", "clock_mhz.high.value: is above clock_max_mhz 100"),
    ],
)
def test_a_broken_microcontroller(tmp_path, old, new, problem):
    text = shipped_text("cortex-m4")
    assert old in text
    file = tmp_path / "broken.toml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ProfileError, match=re.escape(problem)):
        load_profile(file)


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("asic-45nm", "word_bits = 64", "word_bits = 0", "accesses[0].word_bits: must be at least"),
        ("asic-45nm", "capacity_bytes = 8192\n", "", "accesses[0].capacity_bytes: an SRAM has a"),
        ("asic-45nm", 'unit = "nm"', 'unit = "um"', "node.unit: must be 'nm'"),
        ("asic-45nm", 'unit = "pJ"', 'unit = "fJ"', "operations[0].unit: is not a value it takes"),
        ("asic-45nm", "operand_bits = 32", "operand_bits = 8", "operations[1]: is there twice"),
        ("asic-45nm", '"multiply"', '"divide"', "operations[2].operation: is not a value it takes"),
        ("asic-45nm", "value = 0.03", "value = -0.03", "operations[0].value: must be finite and"),
        ("cortex-m3", "low = 4\nhigh = 7", "low = 8\nhigh = 7", "low: is above high 7, got 8"),
        ("cortex-m7", 'value = 2\nunit = "MAC', 'value = 0\nunit = "MAC', "must be above 0"),
        ("cortex-m7", 'unit = "MAC/cycle"', 'unit = "MAC"', "mac_peaks[0].unit: is not a value"),
        ("gw1nr-9", 'unit = "MB/s"', 'unit = "MB"', "external_memories[0].peak.unit: must be"),
    ],
)
def test_other_broken_files(tmp_path, name, old, new, problem):
    text = shipped_text(name)
    assert old in text
    file = tmp_path / "broken.toml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ProfileError) as caught:
        load_profile(file)
    assert problem in caught.value.message
    assert caught.value.message.startswith(f"{file}: ")
    assert caught.value.hint


BOARD = """kind = "board"
name = "mine"
title = "My board"
vendor = "me"
extends = "ecp5-85"
"""


def test_a_users_board_extends_a_shipped_device_or_a_file_beside_it(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(BOARD)
    assert load_profile(file).lut == fpga("ecp5-85").lut
    (tmp_path / "device.toml").write_text(whole_text("gw2ar-18", "gw2a"))
    file.write_text(BOARD.replace("ecp5-85", "device.toml"))
    assert load_profile(file).dsp == fpga("gw2ar-18").dsp
    content = file.read_bytes() + (tmp_path / "device.toml").read_bytes()
    assert profile_sha256(file) == hashlib.sha256(content).hexdigest()


FLASH = """
[flash]
value = 1024
unit = "bytes"
status = "measured"
source = "this test"
"""


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (BOARD.replace("ecp5-85", "ecp5-84"), "extends: unknown profile 'ecp5-84'", "'ecp5-85'?"),
        (BOARD.replace("ecp5-85", "no.toml"), "extends: ", "give the path"),
        (BOARD.replace("ecp5-85", "ulx3s-85"), "extends: 'ulx3s-85' is a board", "an FPGA or"),
        (BOARD.replace("ecp5-85", "mine.toml"), "extends: 'mine.toml' is a board", "an FPGA or"),
        (BOARD.replace("ecp5-85", "asic-7nm"), "extends: 'asic-7nm' is an ASIC", "an FPGA or"),
        (BOARD.replace("ecp5-85", ""), "extends: must not be blank", "name the profile of"),
        (BOARD.replace("title", "tilte"), "tilte: unknown field", "title"),
        (BOARD + FLASH, "flash: 'ecp5-85' is an FPGA and has no program", "external_memories"),
        (
            BOARD.replace("ecp5-85", "cortex-m4") + FLASH,
            "flash: 'cortex-m4' has its own program memory",
            "external_memories",
        ),
        (
            BOARD + '[[external_memories]]\nname = "RAM"\n',
            "external_memories[0].peak: neither peak nor capacity is given",
            "leave it all out",
        ),
    ],
)
def test_a_broken_board_says_what_and_how(tmp_path, text, message, hint):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ProfileError) as caught:
        load_profile(file)
    assert f"{file}: {message}" in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ecp5-25", "ecp5-85", "fits_of: 'ecp5-85' has no fits of its own"),
        ("ecp5-25", "zynq-7020", "fits_of: 'zynq-7020' has LUT6, not LUT4"),
        ("ecp5-25", "cortex-m4", "fits_of: 'cortex-m4' has no fits of its own"),
        ("ecp5-25", "ecp6-25", "fits_of: unknown profile 'ecp6-25'"),
        ("fits_of", "extends", "extends: a device extends nothing, got 'ecp5-25'"),
    ],
)
def test_wrong_references_of_a_device(tmp_path, old, new, message):
    file = tmp_path / "mine.toml"
    file.write_text(shipped_text("ecp5-45").replace(old, new, 1))
    with pytest.raises(ProfileError) as caught:
        load_profile(file)
    assert f"{file}: {message}" in caught.value.message


def test_a_device_with_fits_takes_no_second_ones(tmp_path):
    file = tmp_path / "mine.toml"
    text = shipped_text("ice40up5k")
    file.write_text(text.replace("family =", 'fits_of = "ecp5-25"\nfamily =', 1))
    with pytest.raises(ProfileError, match=r"mine\.toml: fits\[6\]: is a second fit") as caught:
        load_profile(file)
    assert caught.value.hint == "remove the fit or fits_of"


def test_files_that_are_no_toml(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text("kind = \n")
    with pytest.raises(ProfileError, match=r"broken\.toml: not a TOML file: .*line 1"):
        load_profile(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match="not a TOML file"):
        load_profile(file)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(ProfileError, match=r"none\.toml: cannot read .*No such file"):
        load_profile(tmp_path / "none.toml")
    with pytest.raises(ProfileError, match=r"ends in \.toml"):
        load_profile("devices/ecp5-25")
    with pytest.raises(ProfileError, match=r"ends in \.toml"):
        load_profile(Path("ecp5-25"))


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownProfileError) as caught:
        load_profile("ice40up5")
    assert caught.value.message == "unknown profile 'ice40up5'"
    assert "did you mean 'ice40up5k'?" in caught.value.hint
    assert "ice40up5k" in caught.value.hint
    assert f" and {len(NAMES) - 5} more" in caught.value.hint
    with pytest.raises(UnknownProfileError, match=r"known: alveo-u250, artix"):
        profile_sha256("")


def test_profile_errors_are_value_errors_and_rnnhws_own():
    assert issubclass(ProfileError, ValueError)
    assert issubclass(ProfileError, RnnhwError)
    assert (ProfileError.exit_code, UnknownProfileError.exit_code) == (3, 2)
