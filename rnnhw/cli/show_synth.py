"""How a synthesised design looks: as text for a console, and JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from rnnhw.cli.show import aligned, title
from rnnhw.commands.synth import Resource, Synthesis
from rnnhw.report.json_text import head

__all__ = ["synthesis_data", "synthesis_text"]


def synthesis_text(result: Synthesis) -> RenderableType:
    """What ``rnnhw synth`` prints."""
    lanes = ", ".join(f"{name} {count}" for name, count in result.lanes.items())
    columns = ("resource", "estimated", "measured", "difference", "of the device")
    parts: list[RenderableType] = [
        title(result.design),
        Text(f"\n{result.profile.title}, lanes: {lanes}"),
        aligned(columns, [_row(resource) for resource in result.resources], columns[1:]),
    ]
    if result.clocks:
        found = [placed.clock_mhz for placed in result.clocks]
        seeds = f"{len(found)} seeds" if len(found) > 1 else "seed 1"
        span = f"{min(found):.1f}" + (f" to {max(found):.1f}" if len(found) > 1 else "")
        parts.append(Text(f"\nhighest clock: {span} MHz ({seeds})"))
    if result.notes:
        parts.append(Text("\n" + "\n".join(result.notes)))
    parts.append(Text(f"tools: {'; '.join(result.tools)}", "dim"))
    return Group(*parts)


def _row(resource: Resource) -> tuple[str, ...]:
    difference = resource.difference_percent
    return (
        f"{resource.name} ({resource.unit})",
        "not known" if resource.estimated is None else f"{resource.estimated:,}",
        f"{resource.measured:,}",
        "-" if difference is None else f"{difference:+.1f} %",
        f"{100 * resource.measured / resource.capacity:.1f} %",
    )


def synthesis_data(result: Synthesis) -> dict[str, Any]:
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
