"""Counts lines of code: those without comments, docstrings and blank lines.

    python benchmarks/code_lines.py             # of what is staged, by package
    python benchmarks/code_lines.py COMMIT      # of a commit, read from git

Python, Cython, C and Verilog of ``rnnhw/`` and ``ext/`` are counted, what Cython writes is not.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import tokenize
from collections import Counter
from pathlib import PurePosixPath

FOLDERS = ("rnnhw", "ext")
C_LIKE = {".c", ".h", ".inc", ".v"}
CYTHON = {".pyx", ".pxi", ".pxd"}
IGNORED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}


def git(*arguments: str) -> str:
    """What git prints."""
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def python_lines(text: str) -> int:
    """Lines that hold a token which is no comment and no docstring."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in IGNORED:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines.difference_update(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(lines)


def cython_lines(text: str) -> int:
    """Lines without comments and without strings in three quotes that stand alone."""
    text = re.sub(r'^\s*r?""".*?"""\s*$', "", text, flags=re.MULTILINE | re.DOTALL)
    return sum(bool(re.sub(r"#.*", "", line).strip()) for line in text.splitlines())


def c_lines(text: str) -> int:
    """Lines of C or Verilog without comments."""
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    return sum(bool(re.sub(r"//.*", "", line).strip()) for line in text.splitlines())


def counted(commit: str) -> Counter[str]:
    """The lines of a commit, by folder of ``rnnhw``; "" is what lies in the index."""
    listed = (
        git("ls-files", *FOLDERS)
        if not commit
        else git("ls-tree", "-r", "--name-only", commit, *FOLDERS)
    )
    lines: Counter[str] = Counter()
    for name in listed.splitlines():
        path = PurePosixPath(name)
        kinds = {".py": python_lines} | dict.fromkeys(CYTHON, cython_lines)
        count = (kinds | dict.fromkeys(C_LIKE, c_lines)).get(path.suffix)
        if count is not None:
            lines["/".join(path.parts[:2]) if path.parts[0] == "rnnhw" else "ext"] += count(
                git("show", f"{commit}:{name}")
            )
    return lines


def main() -> None:
    """Print the lines by package, and in all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", nargs="?", default="", help="default: what is staged in git")
    lines = counted(parser.parse_args().commit)
    for name, count in sorted(lines.items()):
        print(f"{count:7,} {name}")
    print(f"{lines.total():7,} in all")


if __name__ == "__main__":
    main()
