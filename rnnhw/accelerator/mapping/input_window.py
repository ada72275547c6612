"""An input of a layer that joins steps."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["InputWindow"]


@dataclass(frozen=True)
class InputWindow:
    """An input that joins the last ``steps`` vectors; ``last`` where only those at the end of a
    sequence are wanted."""

    steps: int
    last: bool
