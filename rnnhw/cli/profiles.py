"""``rnnhw profiles``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rnnhw.cli.options import PLAIN, Format, chosen_format
from rnnhw.cli.output import show
from rnnhw.cli.show_profiles import profile_info, profile_list
from rnnhw.profiles import (
    Profile,
    kind_of,
    load_profile,
    profile_names,
    sourced_figures,
    unknown_figures,
    value_text,
)
from rnnhw.report.answers import answers
from rnnhw.report.json_text import head, json_text

__all__ = ["profiles_command"]


def profiles_command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A profile's name, or a .toml file.", show_default=False
        ),
    ] = None,
    format: Format = None,
) -> int:
    """List hardware profiles, or show one with its sources.

    With a name: every figure of that profile and where it comes from. Cycles, time, energy and
    LUTs are those of a dense layer of 8-bit words.
    """
    shown = chosen_format(format, None, PLAIN)
    profiles = {
        each: load_profile(each) for each in ([name] if name is not None else profile_names())
    }
    if shown == "json":
        listed = [_profile(each, sources=name is not None) for each in profiles.values()]
        show(json_text({**head("profiles"), "profiles": listed}))
    elif name is not None:
        show(profile_info(profiles[name]))
    else:
        show(profile_list(list(profiles.values())))
    return 0


def _profile(profile: Profile, *, sources: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": profile.name,
        "kind": kind_of(profile),
        "title": profile.title,
        "answers": answers(profile),
    }
    if sources:
        data["note"] = profile.note
        data["figures"] = [
            {
                "name": path,
                "value": getattr(figure, "value", None),
                "text": value_text(figure),
                "unit": figure.unit,
                "status": figure.status,
                "source": figure.source,
                "note": figure.note,
            }
            for path, figure in sourced_figures(profile)
        ]
        data["not_known"] = list(unknown_figures(profile))
    return data
