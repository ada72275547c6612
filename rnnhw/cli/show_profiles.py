"""The text of ``rnnhw profiles``."""

from __future__ import annotations

from collections.abc import Sequence

from rnnhw.cli.blocks import Block, Text, group
from rnnhw.cli.show import aligned
from rnnhw.profiles import Profile, kind_of, sourced_figures, unknown_figures, value_text
from rnnhw.report.answers import answers

__all__ = ["profile_info", "profile_list"]


def profile_list(profiles: Sequence[Profile]) -> Block:
    """The text of ``rnnhw profiles``: a line a profile."""
    rows = [
        (profile.name, kind_of(profile), *answers(profile).values(), profile.title)
        for profile in profiles
    ]
    return aligned(("profile", "kind", "cycles", "time", "energy", "LUTs", "device"), rows, ())


def profile_info(profile: Profile) -> Block:
    """The text of ``rnnhw profiles NAME``: every figure with its source."""
    unknown = ", ".join(unknown_figures(profile))
    able = ", ".join(f"{what}: {known}" for what, known in answers(profile).items())
    parts: list[Block] = [
        Text(f"{profile.title} ({profile.name}, {kind_of(profile)})", "bold"),
        Text(f"answers: {able}"),
    ]
    parts += [Text(line) for line in (profile.note, unknown and f"not known: {unknown}") if line]
    for path, figure in sourced_figures(profile):
        line = Text(f"\n{path}  ").append(value_text(figure), "bold")
        parts.append(line.append(f"  [{figure.status}]", "dim"))
        parts.append(Text(figure.source, indent=4))
        if figure.note:
            parts.append(Text(f"note: {figure.note}", indent=4))
    return group(*parts)
