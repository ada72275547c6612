"""Programs that tests run where they are installed: ``pytest.mark.tools("iverilog")``."""

import shutil

import pytest
from helpers.browser import BROWSER

from rnnhw.rtl.tools.yosys import find_tool

__all__ = ["linted", "missing", "simulated"]

simulated = pytest.mark.tools("iverilog")
linted = pytest.mark.tools("verilator")


def missing(program: str) -> bool:
    """Whether ``program`` is not installed."""
    match program:
        case "chromium":
            return BROWSER is None
        case "yosys":  # Debian's or YoWASP's
            return find_tool("yosys") is None
        case _:
            return shutil.which(program) is None
