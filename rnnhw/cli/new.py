"""``rnnhw new``."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnhw.cli.output import show
from rnnhw.design.starter import write_starter

__all__ = ["new_command"]


def new_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The design's name.", show_default=False)
    ],
) -> int:
    """Write a design that runs, to start from.

    NAME.py holds a small network with a task and weights.
    """
    path = write_starter(name)
    show(f"{path}\n\nnext: rnnhw verify {path}\n      rnnhw report {path}\n")
    return 0
