"""The extension under the address and undefined-behaviour sanitizers, in a copy of the tree."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.paths import ROOT

COMPILER = shlex.split(os.environ.get("CC", "gcc"))
"""The compiler, perhaps behind a launcher such as ccache; None where it is not installed."""
if not all(shutil.which(word) for word in COMPILER if not word.startswith("-") and "=" not in word):
    COMPILER = None

FLAGS = (
    "-fsanitize=address,undefined -fno-sanitize-recover=undefined -O0 -g1 "
    "--param asan-instrumentation-with-call-threshold=0"
)
"""Without optimisation: the same checks, of which none is folded away, in a third of the time. They
are calls and not written out at every access, which are a third less to compile."""


def runtime():
    """The address sanitizer's library; None where the compiler has none."""
    if COMPILER is None or sys.platform != "linux":
        return None  # the library is preloaded as Linux does
    found = subprocess.run(
        [*COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False
    )
    path = Path(found.stdout.strip())
    return path.resolve() if path.is_absolute() and path.exists() else None


def compiling():
    """The environment of a build, which takes what was compiled before from ccache."""
    launcher = ["ccache"] if shutil.which("ccache") and "ccache" not in COMPILER else []
    return os.environ | {"CC": shlex.join([*launcher, *COMPILER])}


def build(folder):
    """Build the package with its sanitized extension into ``folder``."""
    for name in ("rnnhw", "ext"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("*.so", "__pycache__"),
        )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    built = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=folder, env=compiling() | {"RNNHW_CFLAGS": FLAGS},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-3000:]


def environment():
    """The variables with which Python loads what :func:`build` built."""
    return os.environ | {
        "LD_PRELOAD": str(runtime()),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
