"""Numbers that quantisation turns into zero: counts by name, tensors and rows left empty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnhw.design.weights import Parameters
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Constant, Matvec

__all__ = ["AllZero", "all_zero", "stored_underflows"]


@dataclass(frozen=True)
class AllZero:
    """A tensor whose raw integers are all zero, or ``rows`` of its matrix whose weights all became
    zero. Where gates are stacked in one tensor, a unit has a row of each.

    ``rows`` is empty where the whole tensor is zero.
    """

    name: str
    rows: tuple[int, ...] = ()


def stored_underflows(network: Network, parameters: Parameters) -> dict[str, int]:
    """By tensor and literal constant: how many numbers are not zero and become zero."""
    lost = {tensor.key: parameters.underflows.get(tensor.key, 0) for tensor in network.tensors}
    for name, node in network.signals().items():
        if isinstance(node, Constant) and node.tensor is None:
            lost[name] = node.underflows
    return lost


def all_zero(network: Network, parameters: Parameters) -> list[AllZero]:
    """The tensors that are all zero, and the rows of weight matrices that became zero."""
    zero = [AllZero(key) for key, raw in parameters.raw.items() if not raw.any()]
    told = {each.name for each in zero}
    for name, node in network.signals().items():
        # A literal that is written as zero is meant to be zero.
        if isinstance(node, Constant) and node.underflows and not any(node.values):
            zero.append(AllZero(name))
        if isinstance(node, Matvec) and node.weights is not None:
            key = node.weights.key
            if key not in told and parameters.underflows.get(key, 0):
                told.add(key)
                rows = _zero_rows(node, parameters)
                zero += [AllZero(key, rows)] if rows else []
    return zero


def _zero_rows(node: Matvec, parameters: Parameters) -> tuple[int, ...]:
    """The outputs of a product whose weights are not all zero, but became so."""
    assert node.weights is not None
    key, shape = node.weights.key, (node.units, node.vector.units)
    kept = node.structure.matrix(parameters.raw[key].astype(np.float64), *shape)
    real = node.structure.matrix(parameters.values[key], *shape)
    return tuple(np.flatnonzero(real.any(1) & ~kept.any(1)).tolist())
