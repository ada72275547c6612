"""What ``rnnhw info --format json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rnnhw.cost.nodes import node_reports
from rnnhw.cost.signals import signal_reports
from rnnhw.design.design import Design
from rnnhw.report.json_text import head

__all__ = ["design_data", "system_data"]


def system_data(
    versions: Mapping[str, str], isas: Mapping[str, bool], chosen: str, profiles: Sequence[str]
) -> dict[str, Any]:
    """This build."""
    build = {"versions": versions, "kernels": isas, "default_kernels": chosen}
    return {**head("info"), **build, "profiles": list(profiles)}


def design_data(design: Design) -> dict[str, Any]:
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
