"""What text, Markdown, CSV, HTML and JSON say of one report, figure by figure."""

from __future__ import annotations

import csv
import html.parser
import io
import re
from pathlib import Path

from rnnhw.cost.figure_table import (
    ENERGY,
    LAYER_COLUMNS,
    ROWS,
    SPEED,
    STEP_CYCLES,
    STEP_WORK,
    memory_rows,
)
from rnnhw.cost.model import Report, report_figures
from rnnhw.report import to_csv, to_html, to_json, to_markdown, to_text
from rnnhw.report.saved import read_report
from rnnhw.report.table_cell import worded

Line = tuple[str, ...]
"""The cells of a row that hold something."""


def plain(cells: list[str]) -> Line:
    """The cells without the star of a number that a third party reports."""
    found = (" ".join(cell.removesuffix("*").split()) for cell in cells)
    return tuple(cell for cell in found if cell)


def lines_of_text(report: Report) -> set[Line]:
    text = to_text(report, width=2000)
    return {plain(re.split(r" {2,}", line)) for line in text.splitlines()}


def lines_of_markdown(report: Report) -> set[Line]:
    lines = [line for line in to_markdown(report).splitlines() if line.startswith("| ")]
    unescaped = [re.sub(r"\\(.)", r"\1", line.replace(r"\|", "\0")) for line in lines]
    cells = [line.strip("| ").replace("&lt;", "<").replace("&#64;", "@") for line in unescaped]
    return {plain(line.replace("&amp;", "&").split(" | ")) for line in cells}


class Tables(html.parser.HTMLParser):
    """The rows of all tables of a page, without the letters that tell where a number is from."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: set[Line] = set()
        self._cells: list[str] | None = None
        self._letter = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._cells = []
        elif tag in ("td", "th") and self._cells is not None:
            self._cells.append("")
        self._letter |= tag == "sup"

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._cells is not None:
            self.lines.add(plain(self._cells))
            self._cells = None
        self._letter &= tag != "sup"

    def handle_data(self, data: str) -> None:
        if self._cells and not self._letter:
            self._cells[-1] += data


def lines_of_page(report: Report) -> set[Line]:
    parser = Tables()
    parser.feed(to_html(report))
    return parser.lines


def expected(report: Report) -> set[Line]:
    """The rows that the figures of a saved report ask for, in words."""
    totals, points = report.totals, report.operating_points
    lines = set()
    for line in (*STEP_CYCLES, *STEP_WORK, *ENERGY):
        figure = getattr(totals, line.key)
        if line.stands(figure, totals) and not (line.explained and figure.value is None):
            lines.add(plain([line.row.line, worded(line.row, figure).text]))
    for line in SPEED:
        figures = [getattr(point, line.key) for point in points]
        if all(figure.value is None for figure in figures):
            continue
        if any(line.stands(figure, totals) for figure in figures) and "{" not in line.row.line:
            lines.add(plain([line.row.line, *(worded(line.row, each).text for each in figures)]))
    for holds, stored in memory_rows("stored").items():
        figures = [getattr(totals, row.key) for row in (stored, memory_rows("as memory")[holds])]
        lines.add(plain([holds, *(worded(stored, figure).text for figure in figures)]))
    return lines


def said_to_fit(report: Report) -> str:
    fits = report_figures(report)["fits"]
    if fits.status == "not used":
        return "fits: not asked"
    return {True: "fits: yes", False: "fits: no", None: "fits: not known"}[fits.value]  # type: ignore[index]


def assert_formats_agree(report: Report, path: Path) -> None:
    """Every figure has one value in all formats; the saved one is written to ``path``."""
    path.write_bytes(to_json(report))
    saved, _ = read_report(path)
    assert saved == report
    wanted, formats = (
        expected(saved),
        {
            "text": lines_of_text(report),
            "markdown": lines_of_markdown(report),
            "html": lines_of_page(report),
        },
    )
    for name, lines in formats.items():
        missing = wanted - lines
        assert not missing, (name, missing)
    for render in (to_text, to_markdown, to_html):
        assert said_to_fit(saved) in render(report)
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))
    for row, layer in zip(rows, saved.layers, strict=True):
        bounds = {}
        for key in LAYER_COLUMNS:
            figure, column = getattr(layer, key), ROWS[key].column
            nothing = "" if figure.status == "not used" else "not known"
            assert row[column] == (nothing if figure.value is None else str(figure.value)), key
            bounds[column] = figure.bound
        for side in ("at least", "at most"):
            named = [column for column, bound in bounds.items() if bound == side]
            assert row[side.replace(" ", "_")] == "; ".join(named)
        assert row["macs_per_step"] == str(layer.macs_per_step)
        for memories in ("stored", "memory"):
            for holds in memory_rows("stored") if layer.memories else ():
                bits = "stored_bits" if memories == "stored" else "padded_bits"
                total = sum(getattr(each, bits) for each in layer.memories if each.holds == holds)
                assert row[f"{holds}_{memories}_bits"] == str(total)
        for count, value in layer.counts.items():
            assert row[f"counts.{count}"] == str(value)
