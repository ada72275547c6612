"""What the machine is, how busy it is, and what one core can do at most."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def load() -> float | None:
    """Runnable processes a core over the last minute."""
    if not hasattr(os, "getloadavg"):
        return None
    return os.getloadavg()[0] / (os.cpu_count() or 1)


class Peak:
    """The processor's limit, from ``peak.c`` compiled when it is needed."""

    def __init__(self, skipped: dict[str, str]) -> None:
        self._place = tempfile.TemporaryDirectory()
        self._program = Path(self._place.name) / "peak"
        self.works = False
        compiler = shutil.which("cc")
        source = Path(__file__).with_name("peak.c")
        if compiler is None:
            skipped["peak"] = "no C compiler (cc)"
            return
        command = [compiler, "-O2", str(source), "-o", str(self._program)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode or self.rates() is None:
            skipped["peak"] = "peak.c needs a processor and a compiler with AVX2"
        else:
            self.works = True

    def rates(self) -> dict[str, float] | None:
        """GMAC/s (of ``vpaddd``: Gadd/s) now, by instruction; None where the processor lacks
        AVX2."""
        run = subprocess.run([self._program], capture_output=True, text=True, check=False)
        if run.returncode:
            return None
        return {name: float(rate) for name, rate in map(str.split, run.stdout.splitlines())}
