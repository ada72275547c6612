"""HTML elements from Python: text is escaped, and markup is another type."""

from __future__ import annotations

from html import escape

__all__ = ["Markup", "breakable", "joined", "tag"]

_OPEN = frozenset({"meta", "br", "wbr"})
_VOID = _OPEN | {"circle", "line", "path", "rect"}


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def joined(*parts: str) -> Markup:
    """The parts one after the other; whatever is not :class:`Markup` is escaped."""
    return Markup("".join(p if isinstance(p, Markup) else escape(p, quote=False) for p in parts))


def breakable(text: str) -> Markup:
    """A name that may be broken behind its underscores."""
    return Markup(joined(text).replace("_", f"_{tag('wbr')}"))


def tag(name: str, /, *children: str, **attributes: str | float) -> Markup:
    """An element. ``class_`` stands for ``class``, and ``text_anchor`` for ``text-anchor``.

    Attributes that are numbers are written in at most three decimals, so that the page is the
    same wherever it is made.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
    )
    if name in _VOID and not children:
        return Markup(f"<{name}{written}>" if name in _OPEN else f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
