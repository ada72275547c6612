"""The frame of a drawing as inline SVG, without scripts.

Across, everything is in per cent and down in pixels, so that text keeps its size on any screen
and a drawing is as wide as its column. Colours are classes of the page's style sheet.
"""

from __future__ import annotations

from rnnhw.report.markup import Markup, tag

__all__ = ["across", "short_name", "svg"]

_NAME = 30


def across(share: float) -> str:
    """A share of the width, from 0 to 1, in per cent."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


def svg(height: float, label: str, *children: str) -> Markup:
    """A drawing as wide as its column; ``label`` is for those who cannot see it."""
    return tag("svg", *children, role="img", aria_label=label, width="100%", height=height)


def short_name(name: str, most: int = _NAME) -> str:
    """The name, without its middle where it would be wider than a phone."""
    return name if len(name) <= most else f"{name[: most // 2]}...{name[3 - most // 2 :]}"
