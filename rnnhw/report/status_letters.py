"""How the HTML page tells where a number came from: a letter behind it, explained at the end."""

from __future__ import annotations

import re

from rnnhw.cost.figure import Status
from rnnhw.report.markup import Markup, breakable, joined, tag
from rnnhw.report.table_cell import Cell

__all__ = ["cell_html", "status_legend"]

_MARKS: dict[Status, tuple[str, str]] = {
    "measured": ("m", "measured by this project"),
    "vendor": ("v", "read in the vendor's own text or tool report"),
    "tool": ("t", "read out of a data file or report of an open tool"),
    "second-hand": ("s", "from a number that a third party reports"),
}
"""Letters and words of figures that do not follow from the design alone."""

_POWER = re.compile(r"2\^(-?\d+)")


def cell_html(cell: Cell) -> Markup:
    """The text, with a letter where the number came from elsewhere and the source as its title,
    and what stands beside it."""
    if not cell.beside:
        return _status_html(cell)
    return joined(_status_html(cell), " ", tag("span", cell.beside, class_="beside"))


def _status_html(cell: Cell) -> Markup:
    if cell.status is None:
        if power := _POWER.fullmatch(cell.text):
            return joined("2", tag("sup", power[1], class_="power"))
        return breakable(cell.text)
    if cell.text == cell.status:
        note = {"title": cell.note} if cell.note else {}
        return tag("span", cell.text, class_="faint", **note)
    if cell.status not in _MARKS:
        return joined(cell.text)
    why = f"{cell.status}: {cell.note}" if cell.note else cell.status
    return joined(cell.text, tag("sup", _MARKS[cell.status][0], title=why))


def status_legend() -> Markup:
    """The meaning of the letters and words."""
    terms = [
        (joined(tag("sup", mark), f" {status}"), meaning)
        for status, (mark, meaning) in _MARKS.items()
    ]
    terms += [
        (joined("unmarked"), "derived: follows from the design and such numbers"),
        (joined("not known"), "no source supports a figure"),
        (joined("not used"), "does not exist on this target"),
    ]
    entries = (joined(tag("dt", term), tag("dd", meaning)) for term, meaning in terms)
    return tag("dl", *entries, class_="statuses")
