"""The parameters of a design as text."""

from collections.abc import Mapping

__all__ = ["settings_text"]


def settings_text(settings: Mapping[str, object]) -> str:
    """The parameters of a design as a reader sees them: ``word=8, hidden=16``."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())
