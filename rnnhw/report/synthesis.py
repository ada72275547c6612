"""A design that was synthesised: what the tools count, beside the estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rnnhw.design.design import Design
from rnnhw.profiles import Fpga
from rnnhw.report.json_text import head, json_text
from rnnhw.report.markup import tag
from rnnhw.report.page import remark, section, table_html
from rnnhw.report.shown import Shown, design_page, design_title, screen
from rnnhw.report.table_cell import number
from rnnhw.report.tables import Table

__all__ = ["Placed", "Resource", "SynthesisResult", "synthesis_page"]


class Placed(Protocol):
    """What one seed gave (:class:`rnnhw.rtl.tools.yosys.SeedClock`)."""

    @property
    def seed(self) -> int: ...
    @property
    def clock_mhz(self) -> float: ...


@dataclass(frozen=True)
class Resource:
    """One resource: the estimate of ``rnnhw report``, None where it is not known, and the count.

    ``figure`` is the name of the estimate among the report's figures."""

    name: str
    unit: str
    estimated: int | None
    measured: int
    capacity: int
    figure: str

    @property
    def difference_percent(self) -> float | None:
        """By how much the estimate is too high."""
        if self.estimated is None:
            return None
        if self.measured == 0:
            return 0.0 if self.estimated == 0 else None
        return 100 * (self.estimated / self.measured - 1)


@dataclass(frozen=True, eq=False, repr=False)
class SynthesisResult(Shown):
    """What the tools found; ``clocks`` has an entry for every seed, ``tools`` the programs with
    their versions and the synthesis command, ``notes`` what to know beside it."""

    design: Design
    profile: Fpga
    lanes: Mapping[str, int]
    resources: tuple[Resource, ...]
    clocks: Sequence[Placed]
    tools: tuple[str, ...]
    notes: tuple[str, ...] = ()

    __repr__ = Shown.__repr__

    def summary(self) -> str:
        """A line for each resource, and the clocks."""
        lines = [*design_title(self.design), self.machine]
        for resource in self.resources:
            estimated = "not known" if resource.estimated is None else f"{resource.estimated:,}"
            lines.append(
                f"{resource.name}: {estimated} estimated, {resource.measured:,} measured of "
                f"{resource.capacity:,} {resource.unit}"
            )
        return screen([*lines, *self.clock, *self.notes])

    @property
    def machine(self) -> str:
        """The device and the lanes, in a line."""
        lanes = ", ".join(f"{name} {count}" for name, count in self.lanes.items())
        return f"{self.profile.title}, lanes: {lanes}"

    @property
    def clock(self) -> Iterator[str]:
        """A line of the highest clocks, where the design was placed."""
        clocks = [placed.clock_mhz for placed in self.clocks]
        if clocks:
            seeds = f"{len(clocks)} seeds" if len(clocks) > 1 else "seed 1"
            span = f"{min(clocks):.1f}" + (f" to {max(clocks):.1f}" if len(clocks) > 1 else "")
            yield f"highest clock: {span} MHz ({seeds})"

    def to_html(self) -> str:
        return synthesis_page(self)

    def to_json(self) -> str:
        return json_text(synthesis_data(self))

    def figures(self) -> dict[str, float | None]:
        """Counts by the names of a report's figures, with ``_estimated`` and
        ``_difference_percent`` beside each, None where there is none; the clocks of all seeds as
        ``clock_mhz_min`` and ``clock_mhz_max``."""
        figures: dict[str, float | None] = {}
        for resource in self.resources:
            figures[resource.figure] = resource.measured
            figures[f"{resource.figure}_estimated"] = resource.estimated
            figures[f"{resource.figure}_difference_percent"] = resource.difference_percent
        clocks = [placed.clock_mhz for placed in self.clocks]
        if clocks:
            figures |= {"clock_mhz_min": min(clocks), "clock_mhz_max": max(clocks)}
        return figures


def resources_table(result: SynthesisResult) -> Table:
    """A row for each resource."""
    table = Table("Resources", ("resource", "estimated", "measured", "difference", "of the device"))
    for resource in result.resources:
        difference = resource.difference_percent
        table.add(
            f"{resource.name} ({resource.unit})",
            "not known" if resource.estimated is None else number(resource.estimated),
            number(resource.measured),
            "-" if difference is None else f"{difference:+.1f} %",
            f"{100 * resource.measured / resource.capacity:.1f} %",
        )
    return table


def synthesis_page(result: SynthesisResult) -> str:
    """Resources beside the estimate, clocks and tools."""
    clocks = Table("Clocks", ("seed", "highest clock, MHz"))
    for placed in result.clocks:
        clocks.add(number(placed.seed), f"{placed.clock_mhz:.1f}")
    lines = map(remark, (*result.notes, f"tools: {'; '.join(result.tools)}"))
    sections = [
        section("Resources", table_html(resources_table(result), titled=False), *lines),
        section("Clocks", table_html(clocks, titled=False)),
    ]
    about = [tag("p", result.machine), *(tag("p", line) for line in result.clock)]
    return design_page("Synthesis", result.design, about, sections)


def synthesis_data(result: SynthesisResult) -> dict[str, Any]:
    """The same as what JSON holds."""
    return {
        **head("synthesis"),
        "design": result.design.path.name if result.design.path else None,
        "settings": dict(result.design.settings),
        "profile": result.profile.name,
        "lanes": dict(result.lanes),
        "tools": list(result.tools),
        "resources": [
            {
                "name": resource.name,
                "unit": resource.unit,
                "estimated": resource.estimated,
                "measured": resource.measured,
                "difference_percent": resource.difference_percent,
                "capacity": resource.capacity,
            }
            for resource in result.resources
        ],
        "clocks_mhz": {placed.seed: placed.clock_mhz for placed in result.clocks},
        "notes": list(result.notes),
    }
