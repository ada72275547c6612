"""A sweep as an HTML page that needs nothing else, and no script."""

from __future__ import annotations

from pathlib import Path

from rnnhw.report.markup import Markup, joined, tag
from rnnhw.report.page import figure, page, remark, section, table_html
from rnnhw.study.sweep.scatter import COLOURS, scatter
from rnnhw.study.sweep.sweep import Sweep
from rnnhw.study.sweep.table import command_of, ordered, sweep_table

__all__ = ["sweep_page"]


def _key(index: int) -> str:
    """The classes of a design's key: beyond the last colour a square, as its points are."""
    return f"key c{index % COLOURS}" + (" square" if index >= COLOURS else "")


def sweep_page(result: Sweep, title: str) -> str:
    """The plots of the first objective over each other one, the table, and the commands."""
    files = list(dict.fromkeys(point.file for point in result.points))
    colours = {file: index for index, file in enumerate(files)}
    first, *others = result.objectives
    keys = (
        tag("li", tag("i", class_=_key(index)), Path(file).stem) for file, index in colours.items()
    )
    plots = []
    for other in others:
        drawing = scatter(result, other, colours)
        if drawing:
            caption = f"{first.name} against {other.name}; on the front with its 95 % interval"
            plots.append(figure(drawing, caption))
    legend = tag("ul", *keys, class_="legend")
    count, best = len(result.points), len(result.front)
    header = tag(
        "header",
        tag("h1", title),
        remark(
            f"{count:,} points, {best:,} that no other beats in "
            + " and ".join(objective.name for objective in result.objectives)
            + (f", {len(result.failed):,} that cannot be" if result.failed else "")
        ),
    )
    told = remark(
        "*: no other point beats it in every objective. ~: its 95 % interval reaches the best "
        f"{first.name}, so the samples do not tell the two apart. !: it cannot be."
    )
    commands = tag(
        "ul", *(tag("li", tag("code", command_of(result, index))) for index in ordered(result))
    )
    sections = [
        section("Fronts", legend, *plots) if plots else section("Fronts", remark("one objective")),
        section("Points", told, table_html(sweep_table(result), titled=False)),
        section("Commands", tag("details", tag("summary", "a report of each point"), commands)),
    ]
    return page(title, Markup(joined(header)), sections, wide=True)
