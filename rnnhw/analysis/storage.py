"""The storage of a network: words and bits that follow from its graph, on whatever hardware.

Every tensor and every table of a layer counts once, with the words of its structure rather than
those of a full matrix; a table without the sign that none of its entries has. Equal tables of two
layers are two: a memory that can hold them once is a machine's. What a machine's memories add to
that (fields that are not full, second copies) is :mod:`rnnhw.accelerator`'s.
"""

from __future__ import annotations

from collections.abc import Iterator

from rnnhw.graph.network import Network, Total
from rnnhw.graph.nodes import Constant, Lookup, Matvec, State, Tensor

__all__ = ["STORED", "stored_bits", "stored_words"]

STORED = ("weights", "biases", "tables", "state")
"""The kinds of what is stored: trained first states are weights, sums over time are state."""


def _tensors(network: Network) -> Iterator[tuple[Tensor, int, int]]:
    """Every tensor with its stored words and the bits of a word."""
    for scan in network.scans:
        for node in scan.graph.nodes:
            match node:
                case Matvec(weights=tensor) if tensor is not None:
                    structure, size = node.structure, (node.units, node.vector.units)
                    bits = structure.word_bits(tensor.format.width)
                    yield tensor, structure.stored_words(*size), bits
                case Constant(tensor=tensor) | State(initial=tensor) if tensor is not None:
                    yield tensor, node.units, tensor.format.width
                case _:
                    pass


def stored_words(network: Network) -> dict[str, int]:
    """Words of the tensors by role: ``weight``, ``recurrent_weight``, ``bias``..."""
    words = {tensor.key: (tensor.role, count) for tensor, count, _ in _tensors(network)}
    total: dict[str, int] = {}
    for role, count in words.values():
        total[role] = total.get(role, 0) + count
    return total


def stored_bits(network: Network) -> dict[str, int]:
    """Bits of each kind of :data:`STORED`."""
    bits_by_kind: dict[str, dict[object, int]] = {kind: {} for kind in STORED}
    for tensor, words, bits in _tensors(network):
        kind = "biases" if tensor.role == "bias" else "weights"
        bits_by_kind[kind][tensor.key] = words * bits
    for node in network.nodes:
        if isinstance(node, Total):
            bits_by_kind["state"][node] = node.units * node.format.width
    for scan in network.scans:
        for step in scan.graph.nodes:
            if isinstance(step, State):
                bits_by_kind["state"][step] = step.units * step.format.width
            elif isinstance(step, Lookup):
                key = scan.name, step.table.contents
                bits_by_kind["tables"][key] = step.table.stored_bits
    return {kind: sum(each.values()) for kind, each in bits_by_kind.items()}
