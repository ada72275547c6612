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
from rnnhw.rtl.tools.processes import completed

__all__ = [
    "Cells",
    "SeedClock",
    "SynthesisFlow",
    "Tool",
    "find_tool",
    "place",
    "required",
    "synthesise",
]

_SECONDS = 3600.0


@dataclass(frozen=True)
class SynthesisFlow:
    """How a family of FPGAs is synthesised: yosys's command, and what each cell counts as.

    ``name`` stands in the names of the files. ``luts``, ``multipliers`` and ``block_rams`` are the
    number of LUTs, multiplier blocks and block RAMs by the cell's name; cells whose name starts
    with one of ``flip_flops`` are flip-flops. ``before`` are commands in front of the main one, the
    first of which takes the top module's name too. ``router`` is the program that places and
    routes, where there is one, with its ``router_options``.
    """

    name: str
    command: str
    luts: Mapping[str, int]
    flip_flops: tuple[str, ...]
    multipliers: Mapping[str, int]
    block_rams: Mapping[str, int]
    before: tuple[str, ...] = ()
    router: str | None = None
    router_options: tuple[str, ...] = ()

    def cells(self, by_type: Mapping[str, int]) -> Cells:
        """The resources of a netlist's cells."""

        def total(weights: Mapping[str, int]) -> int:
            return sum(count * weights.get(kind, 0) for kind, count in by_type.items())

        flip_flops = (n for kind, n in by_type.items() if kind.startswith(self.flip_flops))
        return Cells(
            lut=total(self.luts),
            ff=sum(flip_flops),
            dsp=total(self.multipliers),
            block_ram=total(self.block_rams),
        )


@dataclass(frozen=True)
class Cells:
    """The cells of a netlist before placement."""

    lut: int
    ff: int
    dsp: int
    block_ram: int


@dataclass(frozen=True)
class SeedClock:
    """The highest clock of a netlist that the router placed with one seed, in MHz."""

    seed: int
    clock_mhz: float


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
            done = completed([self.command, *arguments], directory, _SECONDS, directory)
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
    """A program by its name, which is its Debian package's too.

    Raises:
        UsageError: it is not installed; with the package and the extra that hold it.
    """
    tool = find_tool(name)
    if tool is None:
        without = ", or leave placement out with --no-place" * name.startswith("nextpnr")
        raise UsageError(
            f"{name} is not installed",
            f"apt install {name} (Debian, Ubuntu), or pip install 'rnnhw[synth]'{without}",
        )
    return tool


def synthesise(
    directory: Path, verilog: Sequence[str], top: str, flow: SynthesisFlow, tool: Tool
) -> Cells:
    """The cells of ``top`` of files in ``directory``, where its images are too.

    Leaves ``TOP_FAMILY.json``, the netlist for nextpnr, and ``TOP_FAMILY_cells.json`` there.

    Raises:
        RnnhwError: yosys refuses the files.
    """
    netlist = f"{top}_{flow.name}.json"
    cells = f"{top}_{flow.name}_cells.json"
    write = f"-json {netlist}" if flow.router else ""
    script = "; ".join(
        [
            # Deferred: a module is elaborated for its instances alone, not for its defaults too.
            f"read_verilog -defer {' '.join(verilog)}",
            *(f"{each} -top {top}" for each in flow.before[:1]),
            *flow.before[1:],
            f"{flow.command} -top {top} {write}",
            f"tee -q -o {cells} stat -json",
        ]
    )
    tool.run(["-q", "-p", script], directory)
    data = json.loads((directory / cells).read_text())
    return flow.cells(data["design"]["num_cells_by_type"])


def place(
    directory: Path, top: str, flow: SynthesisFlow, device: Sequence[str], seed: int, tool: Tool
) -> SeedClock:
    """Place and route the netlist that :func:`synthesise` left; the options ``device`` name the
    device to the router.

    Raises:
        RnnhwError: the netlist does not fit the device.
    """
    report = f"{top}_{flow.name}_{seed}.json"
    netlist = f"{top}_{flow.name}.json"
    arguments = ["--json", netlist, "--seed", str(seed), "--report", report, "--quiet"]
    tool.run([*device, *arguments, *flow.router_options], directory)
    clocks = json.loads((directory / report).read_text())["fmax"]
    return SeedClock(seed, min(clock["achieved"] for clock in clocks.values()))
