"""The words of a network's signals, and the values that their formats let them take."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from rnnhw.cost.model import SignalReport
from rnnhw.graph.network import Network, Scan, Source, Steps, Total
from rnnhw.graph.nodes import Constant, Gather, Matvec
from rnnhw.numerics.cast import Interval, Q

__all__ = ["signal_reports"]


def signal_reports(network: Network) -> tuple[SignalReport, ...]:
    """The input, then every layer's tensors and signals in the order of computation.

    Gathers are left out, as they only select elements of their sources; so are vectors that are
    tensors.
    """
    return tuple(_signals(network))


def _signals(network: Network) -> Iterator[SignalReport]:
    for layer in network.nodes:
        match layer:
            case Scan():
                yield from _layer(layer)
            case Source() | Total() | Steps():
                role = "input" if isinstance(layer, Source) else ""
                yield _report(layer.name, "signal", role, layer.units, layer.format, layer.interval)
            case _:
                pass  # rearranges whole steps


def _layer(scan: Scan) -> Iterator[SignalReport]:
    for tensor in scan.graph.tensors:
        interval = tensor.format.lowest, tensor.format.max
        units = math.prod(tensor.shape)
        yield _report(tensor.key, "tensor", tensor.role, units, tensor.format, interval)
    for name, node in scan.graph.signals():
        if isinstance(node, Gather) or (isinstance(node, Constant) and node.tensor is not None):
            continue
        if isinstance(node, Matvec) and node.product is not None:
            limits = node.product.lowest, node.product.max
            product = f"{name}.product"
            yield _report(product, "product", "product", node.units, node.product, limits)
        yield _report(name, "signal", node.role, node.units, node.format, node.interval)


def _report(
    name: str,
    kind: Literal["tensor", "product", "signal"],
    role: str,
    units: int,
    format: Q,
    interval: Interval,
) -> SignalReport:
    def value(raw: int) -> float:
        return math.ldexp(raw, -format.fraction)

    return SignalReport(
        name=name,
        kind=kind,
        role=role,
        units=units,
        format=repr(format),
        width_bits=format.width,
        integer_bits=format.integer,
        fraction_bits=format.fraction,
        signed=format.signed,
        resolution=value(1),
        lowest=value(interval[0]),
        highest=value(interval[1]),
        format_lowest=value(format.lowest),
        format_highest=value(format.max),
    )
