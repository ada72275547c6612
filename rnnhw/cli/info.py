"""``rnnhw info``."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import numpy
import typer

from rnnhw.cli.inputs import load_design
from rnnhw.cli.options import Settings
from rnnhw.cli.output import show
from rnnhw.cli.show import design_info, system_info
from rnnhw.errors import UsageError
from rnnhw.execution.engine import available_isas, select_isa
from rnnhw.profiles import profile_names
from rnnhw.version import __version__

__all__ = ["info_command"]


def info_command(
    design: Annotated[
        Path | None, typer.Argument(help="A design file.", show_default=False)
    ] = None,
    settings: Settings = None,
) -> int:
    """Describe this build, or a design.

    With a design: its layers, signals, formats and tensors.
    """
    if design is not None:
        show(design_info(load_design(design, settings)))
        return 0
    if settings:
        raise UsageError("--set needs a design file")
    versions = {
        "rnnhw": __version__,
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
    }
    show(system_info(versions, available_isas(), select_isa(None)[1], profile_names()))
    return 0
