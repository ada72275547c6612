"""The extension under the address and undefined-behaviour sanitizers, and without a warning."""

import ast
import platform
import subprocess
import sys

import pytest
from helpers import sanitized
from helpers.paths import BENCHMARKS, ROOT
from helpers.sanitized import COMPILER

SOURCES = [path for path in sorted((ROOT / "ext").glob("*.c")) if not path.match("_*.c")]
X86 = platform.machine().lower() in {"x86_64", "amd64"}
WARNINGS = ["-O2", "-Wall", "-Wextra", "-Werror"]
"""Some warnings come from analyses that only an optimising compiler makes."""

needs_gcc = pytest.mark.skipif(
    COMPILER is None or not SOURCES, reason="needs a C compiler and the sources of the extension"
)


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


@needs_gcc
@pytest.mark.skipif(sys.platform != "linux", reason="preloads the sanitizer as Linux does")
def test_random_networks_run_clean_under_the_sanitizers(tmp_path):
    """A hundredth of what benchmarks/fuzz_engine.py runs."""
    if sanitized.runtime() is None:
        pytest.skip(f"{COMPILER} has no sanitizer runtime")
    command = [sys.executable, BENCHMARKS / "fuzz_engine.py", tmp_path, "--sanitized"]
    found = subprocess.run(
        [*command, "--seeds", "0:50"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-4000:]
    assert "50 networks" in found.stdout and " 0 faults" in found.stdout
