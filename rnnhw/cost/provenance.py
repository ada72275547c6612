"""Where a report comes from: the files, the parameters and the version behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rnnhw.cost.model import File, Files
from rnnhw.design.design import Design
from rnnhw.profiles import Profile, profile_sha256

__all__ = ["NO_WEIGHTS", "files_of", "files_of_design", "plain_settings", "settings_of", "version"]

NO_WEIGHTS = "no weights file is needed: every figure follows from the design and the profile"


def files_of(design: Design, profile: str, given: Profile | str) -> Files:
    """The files behind a report; ``profile`` is the name or path of the profile ``given``."""
    named = isinstance(given, str)
    profile_file = Path(profile).name.removesuffix(".toml") + ".toml"
    return msgspec.structs.replace(
        files_of_design(design),
        profile=File(name=profile_file, sha256=profile_sha256(profile)) if named else None,
    )


def files_of_design(design: Design) -> Files:
    """The files of a design without a profile."""
    folder = design.path.parent if design.path else Path()
    weights, data = design.weights, getattr(design.task, "data", None)
    return Files(
        design=_file(design.path) if design.path else None,
        weights=_file(folder / weights) if isinstance(weights, str | Path) else None,
        data=_file(Path(data)) if isinstance(data, str | Path) else None,
        profile=None,
    )


def _file(path: Path) -> File | None:
    try:
        return File(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    except OSError:
        return None


def settings_of(design: Design) -> dict[str, bool | int | float | str | None]:
    """The design's parameters as a report has them."""
    return plain_settings(design.settings)


def plain_settings(
    settings: Mapping[str, object],
) -> dict[str, bool | int | float | str | None]:
    """Parameters as JSON can hold them."""
    return {
        name: value if value is None or isinstance(value, bool | int | float | str) else repr(value)
        for name, value in settings.items()
    }


def version() -> str:
    """The version of this package."""
    from rnnhw.version import __version__

    return __version__
