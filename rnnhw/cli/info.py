"""``rnnhw info``."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated, Any

import numpy
import typer

from rnnhw.cli.inputs import load_design
from rnnhw.cli.options import PLAIN, Format, Settings, chosen_format
from rnnhw.cli.output import show
from rnnhw.cli.show_info import design_info, system_info
from rnnhw.cost.nodes import node_reports
from rnnhw.cost.signals import signal_reports
from rnnhw.design.design import Design
from rnnhw.errors import UsageError
from rnnhw.execution.instruction_sets import available_isas, select_isa
from rnnhw.profiles import profile_names
from rnnhw.report.json_text import head, json_text
from rnnhw.version import __version__

__all__ = ["info_command"]


def info_command(
    design: Annotated[
        Path | None,
        typer.Argument(metavar="DESIGN", help="A design file.", show_default=False, readable=False),
    ] = None,
    settings: Settings = None,
    format: Format = None,
) -> int:
    """Describe this build, or a design.

    With a design: its layers, signals, formats and tensors.
    """
    shown = chosen_format(format, None, PLAIN)
    if design is not None:
        loaded = load_design(design, settings)
        show(design_info(loaded) if shown == "text" else json_text(_design(loaded)))
        return 0
    if settings:
        raise UsageError("--set needs a design file")
    versions = {
        "rnnhw": __version__,
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
    }
    isas, chosen, profiles = available_isas(), select_isa(None)[1], profile_names()
    if shown == "text":
        show(system_info(versions, isas, chosen, profiles))
    else:
        build = {"versions": versions, "kernels": isas, "default_kernels": chosen}
        show(json_text({**head("info"), **build, "profiles": list(profiles)}))
    return 0


def _design(design: Design) -> dict[str, Any]:
    """Layers, signals and tensors of a design."""
    network = design.network
    return {
        **head("design"),
        "design": design.path.name if design.path else None,
        "title": design.title,
        "notes": design.notes,
        "settings": dict(design.settings),
        "layers": [
            {
                "name": node.name,
                "kind": node.kind,
                "reads": list(node.sources),
                "units": node.units,
                "format": node.format,
                "width_bits": node.width_bits,
                "state_words": node.state,
                "recurrent_structures": list(node.structures),
            }
            for node in node_reports(network)
        ],
        **(
            {"outputs": [node.name for node in network.outputs]} if len(network.outputs) > 1 else {}
        ),
        "signals": [
            {
                "name": signal.name,
                "kind": signal.kind,
                "role": signal.role,
                "units": signal.units,
                "format": signal.format,
                "width_bits": signal.width_bits,
            }
            for signal in signal_reports(network)
        ],
        "tensors": [
            {
                "key": tensor.key,
                "shape": list(tensor.shape),
                "role": tensor.role,
                "format": repr(tensor.format),
            }
            for tensor in network.tensors
        ],
    }
