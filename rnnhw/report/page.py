"""The frame and the parts of an HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from rnnhw.report.markup import Markup, tag
from rnnhw.report.status_letters import cell_html
from rnnhw.report.table_cell import Cell
from rnnhw.report.tables import Table

__all__ = ["figure", "page", "remark", "section", "table_html", "tables_html"]

_LONG = 30
"""Characters of a cell that may be broken anywhere if it has more."""


def page(
    title: str, header: Markup, sections: Sequence[tuple[str, Markup]], *, wide: bool = False
) -> str:
    """The whole page, with links to the named ``sections``; a ``wide`` one has broad tables.

    It is ASCII, so that it looks the same in whatever encoding it is written.
    """
    style = resources.files(__package__).joinpath("style.css").read_text("utf-8")
    links = (tag("a", name, href=f"#{_anchor(name)}") for name, _ in sections)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    main = tag("main", *(content for _, content in sections))
    kind = {"class_": "wide"} if wide else {}
    body = tag("body", header, tag("nav", *links), main, **kind)
    whole = f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
    return whole.encode("ascii", "xmlcharrefreplace").decode()


def table_html(
    table: Table, drawings: tuple[str, Sequence[Markup]] | None = None, *, titled: bool = True
) -> Markup:
    """A table, behind its first column a named one of ``drawings`` where there are such.

    Where the heading above says it already, the table is not ``titled``.
    """
    if not table.rows:
        return Markup()
    parts = [tag("caption", table.title, class_="shown" if titled else "unseen")]
    if table.heads:
        heads = [
            tag("th", cell_html(head), scope="col", class_=_kind(table, index))
            for index, head in enumerate(table.heads)
        ]
        if drawings:
            heads.insert(1, tag("th", drawings[0], scope="col"))
        parts.append(tag("thead", tag("tr", *heads)))
    rows = []
    for position, row in enumerate(table.rows):
        cells = [_table_cell(table, index, cell) for index, cell in enumerate(row)]
        if drawings:
            cells.insert(1, tag("td", drawings[1][position]))
        rows.append(tag("tr", *cells))
    return tag("div", tag("table", *parts, tag("tbody", *rows)), class_="scroll", tabindex="0")


def _kind(table: Table, index: int) -> str:
    return "number" if index >= table.numbers_from else "text"


def _table_cell(table: Table, index: int, cell: Cell) -> Markup:
    long = " long" if len(cell.text) > _LONG else ""
    if index == 0:
        return tag("th", cell_html(cell), scope="row", class_=f"text{long}")
    return tag("td", cell_html(cell), class_=f"{_kind(table, index)}{long}")


def tables_html(*tables: Table) -> list[Markup]:
    """Those tables that have rows."""
    return [table_html(table) for table in tables if table.rows]


def figure(drawing: Markup, caption: str, kind: str = "") -> Markup:
    """A drawing over its caption."""
    return tag("figure", drawing, tag("figcaption", caption), **({"class_": kind} if kind else {}))


def remark(text: str) -> Markup:
    """A line that is read second."""
    return tag("p", text, class_="muted")


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def section(name: str, *content: str) -> tuple[str, Markup]:
    """A section with its heading, and the name that links to it."""
    return name, tag("section", tag("h2", name), *content, id=_anchor(name))
