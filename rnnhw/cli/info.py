"""``rnnhw info``."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer

from rnnhw.cli.inputs import load_design
from rnnhw.cli.options import PLAIN, Format, Settings, chosen_format
from rnnhw.cli.output import show
from rnnhw.design.design import Design
from rnnhw.errors import UsageError
from rnnhw.version import __version__

__all__ = ["info_command"]


def info_command(
    design: Annotated[
        Path | None,
        typer.Argument(metavar="DESIGN", help="A design file.", show_default=False, readable=False),
    ] = None,
    settings: Settings = None,
    format: Format = None,
) -> int:
    """Describe this build, or a design.

    With a design: its layers, signals, formats and tensors.
    """
    shown = chosen_format(format, None, PLAIN)
    # Each way imports what it shows alone: the figures of JSON take as long as a design's text.
    if design is not None:
        _show_design(load_design(design, settings), shown)
        return 0
    if settings:
        raise UsageError("--set needs a design file")
    _show_system(shown)
    return 0


def _show_design(design: Design, shown: str) -> None:
    if shown == "text":
        from rnnhw.cli.show_info import design_info

        show(design_info(design))
    else:
        from rnnhw.cli.info_data import design_data
        from rnnhw.report.json_text import json_text

        show(json_text(design_data(design)))


def _show_system(shown: str) -> None:
    import numpy

    from rnnhw.execution.instruction_sets import available_isas, select_isa
    from rnnhw.profiles import profile_names

    versions = {
        "rnnhw": __version__,
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
    }
    build = versions, available_isas(), select_isa(None)[1], profile_names()
    if shown == "text":
        from rnnhw.cli.show_info import system_info

        show(system_info(*build))
    else:
        from rnnhw.cli.info_data import system_data
        from rnnhw.report.json_text import json_text

        show(json_text(system_data(*build)))
