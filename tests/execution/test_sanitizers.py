"""The extension under the address and undefined-behaviour sanitizers, and without a warning."""

import platform
import re
import subprocess
import sys

import pytest
from helpers import sanitized
from helpers.paths import BENCHMARKS, ROOT, TESTS
from helpers.sanitized import COMPILER

X86 = platform.machine().lower() in {"x86_64", "amd64"}
ARM = platform.machine().lower() in {"arm64", "aarch64"}
ELSEWHERE = ["_*.c"]
"""Cython's, and the kernels of other processors."""
if not X86:
    ELSEWHERE.append("kernels_avx*.c")
if not ARM:
    ELSEWHERE += ["kernels_neon.c", "kernels_dotprod.c"]
SOURCES = [
    path for path in sorted((ROOT / "ext").glob("*.c")) if not any(map(path.match, ELSEWHERE))
]
WARNING = re.compile(r"ext/(?!_)[^:]*:.*warning:")
"""About a file that is not Cython's."""

needs_gcc = pytest.mark.skipif(
    COMPILER is None or not SOURCES, reason="needs a C compiler and the sources of the extension"
)

SEARCH = """
import sys
sys.path[:0] = sys.argv[1:3]
import rnnhw.proof.search
from helpers.proofs import random_claim, searched
assert rnnhw.__file__.startswith(sys.argv[1])
rnnhw.proof.search._WORTH_THREAD = rnnhw.proof.search._WORTH_SHARE = 1
for seed in range(12):
    claim = random_claim(seed)
    one, other = (searched(claim, threads=threads) for threads in (1, 2))
    assert (one[1].verdict, one[1].states) == (other[1].verdict, other[1].states)
    assert all((one[0].keys(q) == other[0].keys(q)).all() for q in range(claim.automaton.states))
"""
"""Searches by one thread and by two, whatever their number of states."""


@needs_gcc
def test_the_extension_builds_without_a_warning(tmp_path):
    """As users build it: some warnings come from analyses that only an optimising compiler makes.
    Where ccache is, what an installation compiled is not compiled again."""
    command = [sys.executable, "setup.py", "build_ext"]
    built = subprocess.run(
        [*command, "--build-temp", tmp_path, "--build-lib", tmp_path],
        cwd=ROOT, env=sanitized.compiling(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-3000:]
    said = built.stdout + built.stderr
    assert all(f" -c {source.relative_to(ROOT)} " in said for source in SOURCES)
    assert not [line for line in said.splitlines() if WARNING.match(line)], said[-3000:]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    """A hundredth of what benchmarks/fuzz_engine.py runs, and its folder."""
    if sanitized.runtime() is None:
        pytest.skip(f"{COMPILER} has no sanitizer runtime")
    folder = tmp_path_factory.mktemp("fuzzed")
    command = [sys.executable, BENCHMARKS / "fuzz_engine.py", folder.name, "--sanitized"]
    found = subprocess.run(
        [*command, "--seeds", "0:50"], cwd=folder.parent,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found, folder


@needs_gcc
def test_random_networks_run_clean_under_the_sanitizers(fuzzed):
    found, _ = fuzzed
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-4000:]
    assert "50 networks" in found.stdout and " 0 faults" in found.stdout


@needs_gcc
def test_searches_by_several_threads_run_clean_under_the_sanitizers(fuzzed):
    _, folder = fuzzed
    (tree,) = folder.glob("sanitized-*")
    found = subprocess.run(
        [sys.executable, "-c", SEARCH, tree, TESTS],
        cwd=tree, env=sanitized.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Sanitizer" not in found.stderr + found.stdout, found.stderr[:4000]
    assert "runtime error" not in found.stderr, found.stderr[:4000]
    assert found.returncode == 0, found.stderr[-4000:]
