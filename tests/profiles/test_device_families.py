"""Families of FPGAs: one entry each, which the profiles and the calibration agree with."""

import re
import tomllib
from importlib import resources

import pytest

from rnnhw.cost.fpga.logic import calibration
from rnnhw.profiles import Fpga, load_profile, profile_names, profile_sha256
from rnnhw.profiles.device_families import (
    BlockChoice,
    device_families,
    family_file,
    family_of,
)

FPGAS = {
    name: profile for name in profile_names() if isinstance(profile := load_profile(name), Fpga)
}


def test_a_file_has_its_familys_name_and_is_read():
    files = (resources.files("rnnhw.profiles") / "families").iterdir()
    assert {file.name.removesuffix(".toml") for file in files} == set(device_families())
    assert {"ice40", "ecp5", "xc7"} <= set(device_families())


def test_no_two_families_list_one_name():
    names = [
        name.casefold() for family in device_families().values() for name in family.profile_families
    ]
    assert len(names) == len(set(names)) > 10


@pytest.mark.parametrize("name", FPGAS)
def test_shipped_profiles_have_what_their_family_has(name):
    profile = FPGAS[name]
    family = family_of(profile.family)
    assert family is not None
    assert profile.block_ram.modes.shapes == family.block_ram.shapes
    if profile.dsp is not None:
        assert profile.dsp.operands == family.multiplier


def test_a_family_is_known_by_its_whole_name_alone():
    assert family_of("ICE40 ultraplus").name == family_of("iCE40 HX").name == "ice40"
    for name in ("MAX 10", "iCE40 UltraPlus II", "ECP", "ecp55", "", "Series 7"):
        assert family_of(name) is None
        assert family_file(name) == b""


def test_only_the_ice40_has_no_lut_ram():
    without = {name for name, family in device_families().items() if family.lut_ram is None}
    assert without == {"ice40"}


def test_what_is_calibrated_was_measured():
    text = (resources.files("rnnhw.cost.fpga") / "calibration.toml").read_text()
    measured = {n for n, family in device_families().items() if family.technology is not None}
    assert set(tomllib.loads(text)) == measured == set(device_families())
    for name in measured:
        command = device_families()[name].synthesis.command
        assert calibration(name).tool.endswith(f", {command}")


def test_the_router_knows_a_part_by_its_whole_name():
    routers = {
        name: family.synthesis.place_and_route
        for name, family in device_families().items()
        if family.synthesis and family.synthesis.place_and_route
    }
    assert set(routers) == {"ice40", "ecp5"}
    for profile in FPGAS.values():
        family = family_of(profile.family).name
        if family in routers:
            assert routers[family].device(profile.part) is not None
    assert routers["ecp5"].device("LFE5U-25F-CABGA381").options[0] == "--25k"
    assert routers["ecp5"].device("LFE5U-25F-CABGA256") is None


def test_a_choice_among_block_rams_is_a_list_or_a_step():
    of = {"unit": "LUT", "status": "measured", "source": "by hand"}
    step = BlockChoice(per_block=0.5, most=4, **of)
    assert [step.of(blocks) for blocks in (1, 2, 4, 5, 8)] == [0, 0.5, 1.5, 3.5, 3.5]
    listed = BlockChoice(luts=(0, 1, 3), compact=(0, 2, 2), **of)
    assert [listed.of(blocks) for blocks in (1, 3, 4)] == [0, 3, 7]
    assert listed.of(2, compact=True) == 2
    for wrong in ({}, {"luts": (0, 1), "most": 2}):
        with pytest.raises(ValueError, match="give one"):
            BlockChoice(**wrong, **of)


def test_a_profile_may_leave_to_its_family_what_all_its_devices_have(tmp_path):
    short = (resources.files("rnnhw.profiles") / "ecp5-45.toml").read_text()
    assert "[block_ram.modes]" not in short and "[dsp.operands]" not in short
    family = (resources.files("rnnhw.profiles") / "families" / "ecp5.toml").read_text()
    tables = re.findall(r"\n\[(?:block_ram|multiplier)\]\n.*?(?=\n\[|\Z)", family, flags=re.DOTALL)
    assert len(tables) == 2
    named = "".join(tables).replace("[block_ram]", "[block_ram.modes]")
    mine, whole = tmp_path / "mine.toml", tmp_path / "whole.toml"
    mine.write_text(short)
    whole.write_text(short + named.replace("[multiplier]", "[dsp.operands]"))
    assert load_profile(mine) == load_profile(whole)
    # The report says by this number which data it was made with.
    assert profile_sha256(mine) != profile_sha256(whole)
    mine.write_text(short.replace('"ECP5"', '"ECP6"'))
    with pytest.raises(ValueError, match=r"dsp\.operands: missing|block_ram\.modes: missing"):
        load_profile(mine)
