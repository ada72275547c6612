"""Target hardware as data: devices and boards, with a unit and a source for every number.

A profile is a TOML file beside this module, or a user's own file of the same form: `fpga`,
`microcontroller`, `asic` and `boards` say what it may hold, `schema` what every figure carries.
"""

from rnnhw.profiles.asic import AccessEnergy, Asic, Energy, OperationEnergy
from rnnhw.profiles.boards import Board, ClockSource, ExternalMemory
from rnnhw.profiles.fpga import (
    Dsp,
    FitConditions,
    Fpga,
    MemoryBlock,
    MemoryLayout,
    MemoryMode,
    MemoryModes,
    Operands,
    Packing,
    ResourceFit,
)
from rnnhw.profiles.listing import sourced_figures, unknown_figures, value_text
from rnnhw.profiles.loader import (
    Profile,
    kind_of,
    load_profile,
    profile_files,
    profile_names,
    profile_sha256,
)
from rnnhw.profiles.microcontroller import (
    InstructionCycles,
    MacPeak,
    Microcontroller,
    OperationCost,
    OperationPoint,
)
from rnnhw.profiles.schema import (
    ClockRange,
    ProfileError,
    Sourced,
    SourcedValue,
    UnknownProfileError,
)

__all__ = [
    "AccessEnergy",
    "Asic",
    "Board",
    "ClockRange",
    "ClockSource",
    "Dsp",
    "Energy",
    "ExternalMemory",
    "FitConditions",
    "Fpga",
    "InstructionCycles",
    "MacPeak",
    "MemoryBlock",
    "MemoryLayout",
    "MemoryMode",
    "MemoryModes",
    "Microcontroller",
    "Operands",
    "OperationCost",
    "OperationEnergy",
    "OperationPoint",
    "Packing",
    "Profile",
    "ProfileError",
    "ResourceFit",
    "Sourced",
    "SourcedValue",
    "UnknownProfileError",
    "kind_of",
    "load_profile",
    "profile_files",
    "profile_names",
    "profile_sha256",
    "sourced_figures",
    "unknown_figures",
    "value_text",
]
