"""The compiled part of rnnhw: two Cython extensions over portable C.

Each instruction set is one object file with flags of its own, so that the rest of the extension
runs on any processor; which one is used is decided at run time (``ext/dispatch.c``).
"""

import os
import re
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

EXT = Path("ext")
ARCHITECTURES = re.findall(r"-arch\s+(\S+)", os.environ.get("ARCHFLAGS", "")) or [
    sysconfig.get_platform().rpartition("-")[2]
]
"""What is built for, which need not be this machine: a universal macOS build names several."""

X86 = set(ARCHITECTURES) <= {"x86_64", "amd64"}
ARM = set(ARCHITECTURES) <= {"arm64", "aarch64"}
MSVC = sys.platform == "win32"

BASE_FLAGS = ["/O2"] if MSVC else ["-O3", "-std=c11", "-Wall", "-Wextra"]
X86_FLAGS = {
    "kernels_avx2.c": ["-mavx2"],
    "kernels_avx512.c": [
        "-mavx2", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni",
        "-mprefer-vector-width=512",
    ],
}  # fmt: skip
ARM_FLAGS = {"kernels_neon.c": [], "kernels_dotprod.c": ["-march=armv8.2-a+dotprod"]}
ISA_FLAGS: dict[str, list[str]] = {}
MACROS: list[tuple[str, str]] = []
if X86 and not MSVC:
    ISA_FLAGS, MACROS = X86_FLAGS, [("RNNHW_AVX2", "1"), ("RNNHW_AVX512", "1")]
elif ARM and not MSVC:
    ISA_FLAGS, MACROS = ARM_FLAGS, [("RNNHW_NEON", "1")]
"""Sources with flags of their own; only these may use the instruction set."""

EXTRA = os.environ.get("RNNHW_CFLAGS", "").split()
"""An environment's flags (a sanitizer, another optimisation) hold for every file."""

if not MSVC and not any(flag.startswith(("-g", "-fsanitize")) for flag in EXTRA):
    # Python's own flags ask for debug information, which is two thirds of the extension; a stack
    # trace of a sanitizer needs it.
    BASE_FLAGS.append("-g0")

COMPILES = {"bdist_wheel", "build", "build_ext", "develop", "editable_wheel", "install"}
"""The commands of setuptools that compile."""


def require_compiler() -> None:
    """Stop with one sentence, before anything is copied, where there is no C compiler.

    Raises:
        SystemExit: the compiler of ``CC``, or else Python's own, is not on the path.
    """
    words = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    # CC may begin with settings or a launcher: the program is the first word without "=".
    program = next((word for word in words if "=" not in word), "cc")
    if shutil.which(program) is None:
        raise SystemExit(
            f"rnnhw needs a C compiler to build, and {program!r} is not there: install one "
            "(Debian: apt install gcc libc6-dev; Fedora: dnf install gcc; macOS: xcode-select "
            "--install), or name yours in CC"
        )


if not MSVC and not COMPILES.isdisjoint(sys.argv):
    require_compiler()


class build_isas(build_ext):
    """Compiles each instruction set's kernels with their own flags."""

    def build_extension(self, ext: Extension) -> None:
        """Compile the kernels that need flags of their own, then the rest, then link all."""
        ext.extra_compile_args = [*BASE_FLAGS, *EXTRA]
        ext.extra_link_args = [flag for flag in EXTRA if flag.startswith("-fsanitize")]
        ext.extra_objects = []
        for source, flags in ISA_FLAGS.items() if ext.name == engine.name else ():
            ext.extra_objects += self.compiler.compile(
                [str(EXT / source)],
                output_dir=self.build_temp,
                include_dirs=ext.include_dirs,
                extra_postargs=[*BASE_FLAGS, *flags, *EXTRA],
                depends=ext.depends,
            )
        super().build_extension(ext)


engine = Extension(
    "rnnhw.execution._engine",
    sources=[
        str(EXT / name)
        for name in (
            "_engine.pyx",
            "program.c",
            "search.c",
            "keysets.c",
            "dispatch.c",
            "kernels_amx.c",
            "kernels_plain.c",
        )
    ],
    include_dirs=[str(EXT)],
    define_macros=MACROS,
    depends=[
        str(path) for path in sorted(EXT.iterdir()) if path.suffix in {".h", ".inc", ".c", ".pxi"}
    ],
)

quantiser = Extension(
    "rnnhw.numerics._quantise",
    sources=[str(EXT / name) for name in ("_quantise.pyx", "quantise.c")],
    include_dirs=[str(EXT)],
    depends=[str(EXT / name) for name in ("quantise.h", "kernels.h")],
)

setup(
    ext_modules=cythonize([engine, quantiser], compiler_directives={"language_level": "3"}),
    cmdclass={"build_ext": build_isas},
)
