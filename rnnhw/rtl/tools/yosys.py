"""Synthesis of an emitted network: yosys for its cells, nextpnr for its clock."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnhw.errors import RnnhwError, UsageError

__all__ = [
    "FAMILIES",
    "Cells",
    "Family",
    "Placed",
    "Tool",
    "find_tool",
    "place",
    "required",
    "synthesise",
]

_SECONDS = 3600.0


@dataclass(frozen=True)
class Family:
    """A family of FPGAs that yosys knows: its command, and what each cell counts as.

    ``lut``, ``dsp`` and ``block_ram`` are the number of LUTs, multiplier blocks and block RAMs by
    the cell's name; cells whose name starts with one of ``ff`` are flip-flops. ``router`` is the
    program that places and routes, where there is one.
    """

    name: str
    command: str
    lut: Mapping[str, int]
    ff: tuple[str, ...]
    dsp: Mapping[str, int]
    block_ram: Mapping[str, int]
    router: str | None = None

    def cells(self, by_type: Mapping[str, int]) -> Cells:
        """The resources of a netlist's cells."""

        def total(weights: Mapping[str, int]) -> int:
            return sum(count * weights.get(kind, 0) for kind, count in by_type.items())

        return Cells(
            lut=total(self.lut),
            ff=sum(count for kind, count in by_type.items() if kind.startswith(self.ff)),
            dsp=total(self.dsp),
            block_ram=total(self.block_ram),
        )


@dataclass(frozen=True)
class Cells:
    """What a netlist takes before placement."""

    lut: int
    ff: int
    dsp: int
    block_ram: int


@dataclass(frozen=True)
class Placed:
    """What nextpnr made of a netlist with one seed: the highest clock, in MHz."""

    seed: int
    clock_mhz: float


FAMILIES: dict[str, Family] = {
    "ice40": Family(
        "ice40",
        "synth_ice40 -dsp",
        lut={"SB_LUT4": 1},
        ff=("SB_DFF",),
        dsp={"SB_MAC16": 1},
        block_ram={"SB_RAM40_4K": 1},
        router="nextpnr-ice40",
    ),
    "ecp5": Family(
        "ecp5",
        "synth_ecp5",
        # A carry cell takes the place of two LUTs, a RAM of 16 x 4 that of four.
        lut={"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
        ff=("TRELLIS_FF",),
        dsp={"MULT18X18D": 1},
        block_ram={"DP16KD": 1, "PDPW16KD": 1},
        router="nextpnr-ecp5",
    ),
    "xc7": Family(
        "xc7",
        "synth_xilinx -family xc7 -flatten",
        lut={
            **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
            "RAM32X1D": 2, "RAM64X1D": 2, "RAM32M": 4, "RAM64M": 4, "SRL16E": 1, "SRLC32E": 1,
        },
        ff=("FD",),
        dsp={"DSP48E1": 1},
        block_ram={"RAMB18E1": 1, "RAMB36E1": 2},
    ),
}  # fmt: skip
"""The families by their name."""

_DEBIAN = {"yosys": "yosys", "nextpnr-ice40": "nextpnr-ice40", "nextpnr-ecp5": "nextpnr-ecp5"}


@dataclass(frozen=True)
class Tool:
    """A program, Debian's or YoWASP's build of it, with its version."""

    name: str
    command: str
    version: str

    @property
    def release(self) -> str:
        """``0.23`` of ``yosys 0.23``."""
        return self.version.split()[-1]

    def run(self, arguments: Sequence[str], directory: Path) -> str:
        """Run it in ``directory``; what it printed.

        Paths must be relative: YoWASP's builds cannot open absolute ones under the temporary
        directory.

        Raises:
            RnnhwError: it failed; with its last message.
        """
        try:
            done = subprocess.run(
                [self.command, *arguments],
                cwd=directory, capture_output=True, text=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RnnhwError(f"{self.name}: not done after {_SECONDS:g} seconds") from None
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            errors = [line for line in said if "ERROR" in line] or said[-1:]
            raise RnnhwError(
                f"{self.name} failed: {errors[0].strip() if errors else f'code {done.returncode}'}",
                f"it is {self.version}; another version may do better",
            )
        return done.stdout + done.stderr


def find_tool(name: str) -> Tool | None:
    """A program by its name, Debian's before YoWASP's; None if neither is installed."""
    for command in (name, f"yowasp-{name}"):
        if shutil.which(command) is not None:
            return Tool(name, command, _version(command))
    return None


def _version(command: str) -> str:
    """``yosys 0.23`` of ``Yosys 0.23 (git sha1 ...)`` or of nextpnr's longer sentence."""
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"(?:Version |Yosys )([^\s)]+)", done.stdout + done.stderr)
    return f"{command} {match[1] if match else '?'}"


def required(name: str) -> Tool:
    """A program by its name.

    Raises:
        UsageError: it is not installed; with the package and the extra that hold it.
    """
    tool = find_tool(name)
    if tool is None:
        without = ", or leave placement out with --no-place" * name.startswith("nextpnr")
        raise UsageError(
            f"{name} is not installed",
            f"apt install {_DEBIAN[name]} (Debian, Ubuntu), or pip install 'rnnhw[synth]'{without}",
        )
    return tool


def synthesise(
    directory: Path, verilog: Sequence[str], top: str, family: Family, tool: Tool
) -> Cells:
    """The cells of ``top`` of files in ``directory``, where its images are too.

    Leaves ``TOP_FAMILY.json``, the netlist for nextpnr, and ``TOP_FAMILY_cells.json`` there.

    Raises:
        RnnhwError: yosys refuses the files.
    """
    netlist = f"{top}_{family.name}.json"
    found = f"{top}_{family.name}_cells.json"
    write = f"-json {netlist}" if family.router else ""
    script = "; ".join(
        [
            # Deferred, or the default names of images would be opened.
            f"read_verilog -defer {' '.join(verilog)}",
            f"{family.command} -top {top} {write}",
            f"tee -q -o {found} stat -json",
        ]
    )
    tool.run(["-q", "-p", script], directory)
    data = json.loads((directory / found).read_text())
    return family.cells(data["design"]["num_cells_by_type"])


def place(
    directory: Path, top: str, family: Family, device: Sequence[str], seed: int, tool: Tool
) -> Placed:
    """Place and route the netlist that :func:`synthesise` left; ``device`` are nextpnr's options.

    Raises:
        RnnhwError: the netlist does not fit the device.
    """
    report = f"{top}_{family.name}_{seed}.json"
    netlist = f"{top}_{family.name}.json"
    arguments = ["--json", netlist, "--seed", str(seed), "--report", report, "--quiet"]
    tool.run([*device, *arguments, *_PLACING[family.name]], directory)
    clocks = json.loads((directory / report).read_text())["fmax"]
    return Placed(seed, min(clock["achieved"] for clock in clocks.values()))


_PLACING: Mapping[str, tuple[str, ...]] = {
    "ice40": ("--pcf-allow-unconstrained", "--timing-allow-fail"),
    "ecp5": ("--lpf-allow-unconstrained", "--timing-allow-fail"),
}
