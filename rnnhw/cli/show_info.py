"""The text of ``rnnhw info``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnhw.cli.blocks import Block, Text, group
from rnnhw.cli.show import aligned, heading, title
from rnnhw.design.design import Design
from rnnhw.graph.nodes import Constant, Matvec, Node, Reinterpret

__all__ = ["design_info", "system_info"]


def design_info(design: Design) -> Block:
    """The text of ``rnnhw info DESIGN``: the graph over time, signals, tensors."""
    network = design.network
    layers = [
        (
            layer.name,
            type(layer).__name__.lower(),
            ", ".join(source.name for source in layer.sources),
            f"{layer.units:,}",
            str(layer.format),
        )
        for layer in network.nodes
    ]
    signals = [
        (
            name,
            _operation(node),
            ", ".join(operand.name for operand in node.operands),
            f"{node.units:,}",
            str(node.format),
        )
        for scan in network.scans
        for name, node in scan.graph.signals()
    ]
    tensors = [
        (tensor.key, " x ".join(map(str, tensor.shape)), tensor.role, str(tensor.format))
        for tensor in network.tensors
    ]
    parts: list[Block] = [title(design)]
    if design.notes:
        parts.append(Text(f"\n{design.notes}"))
    graph = ("operation", "reads", "units", "format")
    parts += [heading("layers"), aligned(("layer", *graph), layers, ["units"])]
    parts += [heading("signals"), aligned(("signal", *graph), signals, ["units"])]
    if len(network.outputs) > 1:
        parts.append(Text(f"\noutputs: {', '.join(node.name for node in network.outputs)}"))
    parts += [heading("tensors of the weights file")]
    parts += [aligned(("tensor", "shape", "role", "format"), tensors, ["shape"])]
    return group(*parts)


def _operation(node: Node) -> str:
    match node:
        case Matvec():
            inside = [
                f"{name} {format}"
                for name, format in (("product", node.product), ("accumulator", node.accumulator))
                if format is not None
            ]
            return " ".join([f"matvec {node.structure.name}", *inside])
        case Constant(tensor=None):
            return "literal"
        case Reinterpret():
            return "reinterpret"
        case _:
            return type(node).__name__.lower()


def system_info(
    versions: Mapping[str, str], isas: Mapping[str, bool], chosen: str, profiles: Sequence[str]
) -> Block:
    """The text of ``rnnhw info``."""
    rows = [
        (name, "runs them" if runs else "lacks them", "default" * (name == chosen))
        for name, runs in isas.items()
    ]
    table = aligned(("kernels", "this processor", ""), rows, ())
    return group(
        Text(", ".join(f"{name} {version}" for name, version in versions.items())),
        Text(""),
        table,
        Text(f"\nprofiles: {', '.join(profiles)}"),
    )
