"""Verilog simulators that run a test bench: Icarus Verilog and Verilator."""

from __future__ import annotations

import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rnnhw.errors import RnnhwError, UsageError, unknown_name
from rnnhw.rtl.tools.processes import completed

__all__ = ["SIMULATORS", "Icarus", "Simulator", "Verilator", "simulators"]

_BUILD_SECONDS = 600.0


@dataclass(frozen=True)
class Simulator(ABC):
    """A tool of the name ``command``, from the Debian package ``package``."""

    command: str
    package: str

    @property
    def installed(self) -> bool:
        """Whether the tool is there."""
        return shutil.which(self.command) is not None

    def require(self) -> None:
        """Refuse to go on without the tool.

        Raises:
            UsageError: naming the package that holds it.
        """
        if not self.installed:
            raise UsageError(
                f"{self.command} is not installed",
                f"apt install {self.package} (Debian, Ubuntu), or choose another simulator=",
            )

    @abstractmethod
    def version(self) -> str:
        """The tool with its version."""

    @abstractmethod
    def build(
        self, directory: Path, verilog: Sequence[str], top: str, place: Path, waves: Path | None
    ) -> list[str]:
        """Compile files of ``directory`` into ``place``; the command that runs ``top``.

        Raises:
            RnnhwError: the tool refuses the files; with its first message.
        """

    def run(self, command: Sequence[str], directory: Path, seconds: float) -> str:
        """What a built bench prints, run where its images are.

        Raises:
            RnnhwError: it fails, or does not end in time.
        """
        return self._called(command, directory, seconds)

    def _called(
        self, command: Sequence[str], directory: Path, seconds: float, scratch: Path | None = None
    ) -> str:
        try:
            done = completed(command, directory, seconds, scratch)
        except subprocess.TimeoutExpired:
            raise RnnhwError(
                f"{self.command}: not done after {seconds:g} seconds",
                "check fewer sequences with --sequences",
            ) from None
        if done.returncode:
            said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            raise RnnhwError(
                f"{self.command} failed: {said[0] if said else f'code {done.returncode}'}"
            )
        return done.stdout


@cache
def _said_by(command: str, option: str) -> str:
    """What a tool prints of itself, asked once: a small bench runs hardly longer."""
    found = subprocess.run([command, option], capture_output=True, text=True, check=False)
    return found.stdout


class Icarus(Simulator):
    """Icarus Verilog: four-valued, so that an X is seen; builds at once and runs slowly."""

    def version(self) -> str:
        match = re.search(r"version (\S+)", _said_by(self.command, "-V"))
        return f"{self.command} {match[1] if match else '?'}"

    def build(
        self, directory: Path, verilog: Sequence[str], top: str, place: Path, waves: Path | None
    ) -> list[str]:
        binary = place / f"{top}.vvp"
        command = [self.command, "-g2005", "-s", top, "-o", str(binary), *verilog]
        self._called(command, directory, _BUILD_SECONDS, place)
        fst = ["-fst"] if waves is not None and waves.suffix.lower() == ".fst" else []
        return ["vvp", "-n", str(binary), *fst]


class Verilator(Simulator):
    """Verilator: two-valued, what is not initialised is random; builds slowly and runs fast."""

    def version(self) -> str:
        match = re.search(r"Verilator (\S+)", _said_by(self.command, "--version"))
        return f"{self.command} {match[1] if match else '?'}"

    def build(
        self, directory: Path, verilog: Sequence[str], top: str, place: Path, waves: Path | None
    ) -> list[str]:
        trace = (
            []
            if waves is None
            else ["--trace-fst" if waves.suffix.lower() == ".fst" else "--trace"]
        )
        command = [
            self.command, "--binary", "--timing", "-Wno-fatal", "-Wno-lint", "-Wno-style",
            "-Wno-STMTDLY", "--x-assign", "unique", "--x-initial", "unique", *trace,
            "--top-module", top, "-Mdir", str(place / "verilated"), "-o", top, *verilog,
        ]  # fmt: skip
        self._called(command, directory, _BUILD_SECONDS, place)
        return [str(place / "verilated" / top), "+verilator+rand+reset+2", "+verilator+seed+1"]


SIMULATORS: dict[str, Simulator] = {
    "iverilog": Icarus("iverilog", "iverilog"),
    "verilator": Verilator("verilator", "verilator"),
}
"""The simulators by the name that ``--simulator`` takes."""


def simulators(name: str | None) -> list[Simulator]:
    """The simulators of a name: one, or ``all``; None is iverilog.

    Raises:
        UsageError: there is no such simulator, or it is not installed.
    """
    if name == "all":
        chosen = list(SIMULATORS.values())
    elif name is None or name in SIMULATORS:
        chosen = [SIMULATORS[name or "iverilog"]]
    else:
        raise UsageError(*unknown_name("simulator", name, [*SIMULATORS, "all"]))
    for simulator in chosen:
        simulator.require()
    return chosen
