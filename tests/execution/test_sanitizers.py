"""The extension under the address and undefined-behaviour sanitizers, and without a warning."""

import ast
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT, TESTS

COMPILER = shutil.which(os.environ.get("CC", "gcc"))
SOURCES = [path for path in sorted((ROOT / "ext").glob("*.c")) if not path.match("_*.c")]
X86 = platform.machine().lower() in {"x86_64", "amd64"}
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -O0 -g1"
"""Without optimisation: the same checks, of which none is folded away, in a third of the time."""
WARNINGS = ["-O2", "-Wall", "-Wextra", "-Werror"]
"""Some warnings come from analyses that only an optimising compiler makes."""

needs_gcc = pytest.mark.skipif(
    COMPILER is None or not SOURCES, reason="needs a C compiler and the sources of the extension"
)

RUN = """
import random, sys
sys.path[:0] = sys.argv[1:3]
import rnnhw
from helpers.graphs import ISAS, assert_engine_equals_golden, draw_case, zero_shift_case
assert rnnhw.__file__.startswith(sys.argv[1])
for seed in range(1000, 1000 + int(sys.argv[3])):
    assert_engine_equals_golden(draw_case(random.Random(seed)))
assert_engine_equals_golden(zero_shift_case())
print("equal on", *ISAS)
"""


def isa_flags():
    """The flags of single sources in setup.py."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())):
        if isinstance(node, ast.Dict) and any(
            isinstance(key, ast.Constant) and str(key.value).endswith(".c") for key in node.keys
        ):
            return ast.literal_eval(node)
    return {}


@needs_gcc
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_kernels_compile_without_a_warning(source, tmp_path):
    flags = isa_flags().get(source.name, [])
    if flags and not X86:
        pytest.skip(f"{source.name} is not for {platform.machine()}")
    command = [COMPILER, "-std=c11", *WARNINGS, "-DRNNHW_AVX2=1"]
    command += [*flags, "-c", str(source), "-o", str(tmp_path / "object.o")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def runtime():
    """The address sanitizer's library, or a skip."""
    found = subprocess.run(
        [COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False
    )
    path = Path(found.stdout.strip())
    if not path.is_absolute() or not path.exists():
        pytest.skip(f"{COMPILER} has no sanitizer runtime")
    return path.resolve()


@needs_gcc
@pytest.mark.skipif(sys.platform != "linux", reason="preloads the sanitizer as Linux does")
def test_random_networks_run_clean_under_the_sanitizers(tmp_path):
    library = runtime()
    for name in ("rnnhw", "ext"):
        shutil.copytree(
            ROOT / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns("*.so", "_*.c", "__pycache__"),
        )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    built = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tmp_path, env=os.environ | {"RNNHW_CFLAGS": FLAGS},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-3000:]
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    command = [sys.executable, "-c", RUN, str(tmp_path), str(TESTS), "150"]
    found = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "Sanitizer" not in found.stderr + found.stdout, found.stderr[:4000]
    assert "runtime error" not in found.stderr, found.stderr[:4000]
    assert found.returncode == 0, found.stderr[-4000:]
    assert found.stdout.startswith("equal on plain")
