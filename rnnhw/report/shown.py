"""How the result of a public verb shows itself: a screen of text, a page, JSON."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from rnnhw.design.design import Design
from rnnhw.errors import escaped
from rnnhw.report.markup import Markup, tag
from rnnhw.report.page import page
from rnnhw.report.settings import settings_text

__all__ = ["Shown", "design_page", "design_title", "screen"]

_LINES = 40
"""Lines of a result that is printed: a screen."""

_FRAME = "width:100%;height:36rem;border:1px solid #8884;border-radius:4px"


class Shown:
    """How a result shows itself."""

    __slots__ = ()

    def summary(self) -> str:
        """The result in at most a screen of text."""
        raise NotImplementedError

    def to_html(self) -> str:
        """The result as one page that needs nothing else."""
        raise NotImplementedError

    def to_json(self) -> str:
        """The result as the JSON that the command of the same name prints."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.summary()

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """The page in a frame, so that its style is not that of the notebook."""
        return f'<iframe srcdoc="{escape(self.to_html())}" style="{_FRAME}"></iframe>'


def screen(lines: Iterable[str]) -> str:
    """At most a screen of lines, in which no character controls a terminal."""
    shown = [escaped(line, keep="\t") for line in lines]
    more = len(shown) - _LINES
    if more > 0:
        shown = [*shown[: _LINES - 1], f"... and {more + 1:,} lines more: .to_html() shows all"]
    return "\n".join(shown)


def design_title(design: Design) -> list[str]:
    """The design's title, its file and its settings, in lines."""
    settings = settings_text(design.settings)
    place = f"{design.place} ({settings})" if settings else design.place
    return [*([design.title] if design.title else []), place]


def design_page(
    what: str, design: Design, about: Iterable[Markup], sections: Iterable[tuple[str, Markup]]
) -> str:
    """A page about one design, of those sections that show something."""
    title = design.title or "untitled design"
    settings = settings_text(design.settings)
    with_them = [tag("p", f"with {settings}", class_="muted")] if settings else []
    told = [section for section in sections if "<table" in section[1] or "<li" in section[1]]
    header = tag("header", tag("h1", title), tag("p", what), *about, *with_them)
    return page(f"{title} - {what}", header, told)
