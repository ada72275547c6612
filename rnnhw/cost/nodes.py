"""The network over time as a report has it: what reads what, and in which words."""

from __future__ import annotations

from rnnhw.cost.model import NodeReport
from rnnhw.graph.network import (
    Last,
    Network,
    Reverse,
    Scan,
    Source,
    Steps,
    TimeNode,
    Total,
    Window,
    time_table,
)
from rnnhw.graph.nodes import Matvec

__all__ = ["node_reports"]

_WORDS = time_table(
    {
        Source: "input",
        Scan: "layer",
        Reverse: "reversed",
        Window: "window over steps",
        Last: "last step",
        Total: "sum over time",
        Steps: "number of steps",
    }
)


def node_reports(network: Network) -> tuple[NodeReport, ...]:
    """Every layer and operation over time, sources first."""
    return tuple(map(_node, network.nodes))


def _node(node: TimeNode) -> NodeReport:
    return NodeReport(
        name=node.name,
        kind=_kind(node),
        sources=tuple(source.name for source in node.sources),
        units=node.units,
        format=repr(node.format),
        width_bits=node.format.width,
        state=sum(state.units for state, _ in node.graph.updates) if isinstance(node, Scan) else 0,
        structures=_structures(node) if isinstance(node, Scan) else (),
    )


def _kind(node: TimeNode) -> str:
    if isinstance(node, Window):
        return f"window of {node.width} steps"
    if isinstance(node, Scan) and not any(isinstance(n, Matvec) for n in node.graph.nodes):
        return node.kind or "wiring"
    return getattr(node, "kind", "") or _WORDS[type(node)]


def _structures(scan: Scan) -> tuple[str, ...]:
    """The structures of matrices whose weights are recurrent, each once."""
    return tuple(
        dict.fromkeys(
            node.structure.name
            for node in scan.graph.nodes
            if isinstance(node, Matvec)
            and node.weights is not None
            and node.weights.role == "recurrent_weight"
        )
    )
