"""The points of a sweep as one table, which every format shows."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rnnhw.cost.figure import BOUND_WORDS
from rnnhw.cost.figure_table import ROWS
from rnnhw.report.table_cell import Cell, number
from rnnhw.report.tables import Table
from rnnhw.study.sweep.sweep import Sweep

__all__ = ["columns_of", "command_of", "ordered", "sweep_table"]

_BESIDE = ("luts", "lut_percent", "flip_flops", "ff_percent", "dsp_blocks", "dsp_percent",
           "block_rams", "block_ram_percent", "flash_bytes", "ram_bytes", "cycles_per_step",
           "steps_per_second", "fits")  # fmt: skip
"""Figures beside the objectives, where the target has them."""


def columns_of(result: Sweep) -> list[str]:
    """The figures of the table: the objectives, then those that any point has."""
    wanted = [objective.name for objective in result.objectives]
    known = {
        name for each in result.results for name, value in each.figures.items() if value is not None
    }
    return [*wanted, *(name for name in _BESIDE if name in known and name not in wanted)]


def ordered(result: Sweep) -> Iterator[int]:
    """The indices of the points: by the first objective, the best first; the failed ones last."""
    first = result.objectives[0]

    def place(index: int) -> tuple[bool, float]:
        worth = first.worth(result.results[index].figures)
        return worth is None, 0.0 if worth is None else -worth

    return iter(sorted(range(len(result.points)), key=place))


def sweep_table(result: Sweep) -> Table:
    """A row a point. A star is on the front, ``~`` in reach of the best first objective: so many
    samples do not tell the two apart."""
    columns = columns_of(result)
    table = Table(
        "Points",
        ("design", *result.varied, "front", *(_heading(name) for name in columns)),
        numbers_from=2 + len(result.varied),
    )
    for index in ordered(result):
        point, found = result.points[index], result.results[index]
        name = point.label.split()[0]
        values = [str(value) for value in point.values.values()]
        if found.error:
            table.add(name, *values, "!", found.error, *[""] * (len(columns) - 1))
            continue
        cells = [_cell(result, index, column) for column in columns]
        table.add(name, *values, "*" if index in result.front else "", *cells)
    return table


def _heading(name: str) -> str:
    row = ROWS.get(name)
    return row.heading if row is not None else name.replace("_", " ")


def _cell(result: Sweep, index: int, column: str) -> Cell:
    found = result.results[index]
    value = found.figures.get(column)
    if value is None:
        why = found.unjudged.get(column)
        return Cell(f"not known: {why}" if why else "not known")
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    bound = found.bounds.get(column)
    text = number(value) if bound is None else f"{number(value)} {BOUND_WORDS[bound]}"
    first = result.objectives[0]
    if column == first.name and result.reaches_best(index, first):
        text += " ~"
    return Cell(text)


def command_of(result: Sweep, index: int) -> str:
    """The command that shows a point alone."""
    point, question = result.points[index], result.question
    words = ["rnnhw", "report", point.file]
    for name, value in {**question.settings, **point.values}.items():
        words += ["--set", f"{name}={value}"]
    if question.profile is not None:
        words += ["--profile", question.profile]
    if question.clock_mhz is not None:
        words += ["--clock-mhz", f"{question.clock_mhz:g}"]
    if question.lanes is not None:
        words += ["--lanes", str(question.lanes)]
    return shlex.join(words)
