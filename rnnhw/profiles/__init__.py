"""Target hardware as data: devices and boards, with a unit and a source for every number.

A profile is a TOML file beside this module, or a user's own file of the same form: `fpga` and
`microcontroller` say what it may hold, `schema` what every figure carries.
"""

from rnnhw.profiles.figures import sourced_figures, value_text
from rnnhw.profiles.fpga import (
    Dsp,
    ExternalMemory,
    FitConditions,
    Fpga,
    MemoryBlock,
    MemoryLayout,
    MemoryMode,
    MemoryModes,
    Operands,
    ResourceFit,
)
from rnnhw.profiles.loading import Profile, load_profile, profile_names, profile_sha256
from rnnhw.profiles.microcontroller import Microcontroller, OperationCost, OperationPoint
from rnnhw.profiles.schema import ClockRange, Figure, ProfileError, Sourced, UnknownProfileError

__all__ = [
    "ClockRange",
    "Dsp",
    "ExternalMemory",
    "Figure",
    "FitConditions",
    "Fpga",
    "MemoryBlock",
    "MemoryLayout",
    "MemoryMode",
    "MemoryModes",
    "Microcontroller",
    "Operands",
    "OperationCost",
    "OperationPoint",
    "Profile",
    "ProfileError",
    "ResourceFit",
    "Sourced",
    "UnknownProfileError",
    "load_profile",
    "profile_names",
    "profile_sha256",
    "sourced_figures",
    "value_text",
]
