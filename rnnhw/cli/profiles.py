"""``rnnhw profiles``."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnhw.cli.output import show
from rnnhw.cli.show import profile_info
from rnnhw.profiles import load_profile, profile_names

__all__ = ["profiles_command"]


def profiles_command(
    name: Annotated[
        str | None, typer.Argument(help="A profile's name, or a .toml file.", show_default=False)
    ] = None,
) -> int:
    """List hardware profiles, or one with sources.

    With a name: every figure of that profile and where it comes from.
    """
    show(
        profile_info(
            [load_profile(each) for each in ([name] if name else profile_names())],
            sources=name is not None,
        )
    )
    return 0
