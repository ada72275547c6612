"""The compiled part of rnnhw: one Cython extension over portable C kernels.

Each instruction set is one object file with flags of its own, so that the rest of the extension
runs on any processor; which one is used is decided at run time (``ext/dispatch.c``).
"""

import os
import re
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
MSVC = sys.platform == "win32"

BASE_FLAGS = ["/O2"] if MSVC else ["-O3", "-std=c11", "-Wall", "-Wextra"]
ISA_FLAGS = {"kernels_avx2.c": ["-mavx2"]} if X86 and not MSVC else {}
"""Sources with flags of their own; only these may use the instruction set."""


class build_isas(build_ext):
    """Compiles each instruction set's kernels with their own flags."""

    def build_extension(self, ext: Extension) -> None:
        """Compile the kernels that need flags of their own, then the rest, then link all."""
        # An environment's flags (a sanitizer, another optimisation) hold for every file.
        extra = os.environ.get("RNNHW_CFLAGS", "").split()
        ext.extra_compile_args = [*BASE_FLAGS, *extra]
        ext.extra_link_args = [flag for flag in extra if flag.startswith("-fsanitize")]
        ext.extra_objects = []
        for source, flags in ISA_FLAGS.items():
            ext.extra_objects += self.compiler.compile(
                [str(EXT / source)],
                output_dir=self.build_temp,
                include_dirs=ext.include_dirs,
                extra_postargs=[*BASE_FLAGS, *flags, *extra],
                depends=ext.depends,
            )
        super().build_extension(ext)


engine = Extension(
    "rnnhw.execution._engine",
    sources=[
        str(EXT / name) for name in ("_engine.pyx", "program.c", "dispatch.c", "kernels_plain.c")
    ],
    include_dirs=[str(EXT)],
    define_macros=[("RNNHW_AVX2", "1")] if ISA_FLAGS else [],
    depends=[str(path) for path in sorted(EXT.iterdir()) if path.suffix in {".h", ".inc", ".c"}],
)

setup(
    ext_modules=cythonize([engine], compiler_directives={"language_level": "3"}),
    cmdclass={"build_ext": build_isas},
)
