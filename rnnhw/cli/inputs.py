"""The inputs of commands: designs, and the places that they may not write to."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from rnnhw.cli.options import assignments, bounds
from rnnhw.design.design import Design, load
from rnnhw.files import check_output, check_writable

__all__ = ["checked_bounds", "keep_inputs", "load_design"]


def load_design(design: Path, settings: list[str] | None) -> Design:
    """The design; what its file prints goes to stderr, because stdout is data."""
    with contextlib.redirect_stdout(sys.stderr):
        return load(design, assignments("--set", settings))


def keep_inputs(
    output: Path | None,
    design: Design,
    data: Path | None = None,
    profiles: Sequence[str | None] = (),
    option: str = "--output",
) -> None:
    """Refuse to write over what the run reads; a profile of None is the design's target's, and
    ``option`` gave the place."""
    if output is None:
        return
    from rnnhw.profiles import ProfileError, profile_files

    inputs = [*design.files, *([data] if data is not None else [])]
    for profile in profiles:
        name = profile or (design.target.profile if design.target else None)
        with contextlib.suppress(ProfileError):  # told by what reads it
            inputs += [] if name is None else profile_files(name)
    check_output(output, inputs, option)


def checked_bounds(
    output: Path | None, minimum: list[str] | None, maximum: list[str] | None
) -> tuple[dict[str, float], dict[str, float]]:
    """``--min`` and ``--max``, after a look at the place of the result: both before the work."""
    if output is not None:
        check_writable(output)
    return bounds("--min", minimum), bounds("--max", maximum)
