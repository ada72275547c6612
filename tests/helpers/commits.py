"""Which commit a measurement is of."""

from __future__ import annotations

import subprocess

from helpers.paths import ROOT

__all__ = ["commit"]


def commit() -> str:
    """The commit that runs, with a plus where files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + "+" * bool(git("status", "--porcelain", "-uno"))
