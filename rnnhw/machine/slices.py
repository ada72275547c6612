"""Products that are read slice by slice: each slice is a product of its own.

A gated layer with one input matrix for all gates takes its sums apart before each gate's own
recurrent product adds onto them. Rows on lanes do not care how the matrices were stacked, so that
here every slice becomes the product of its rows, and what continues it shares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

from rnnhw.dataflow import Add, Gather, Matvec, Node, StepGraph, Tensor, unwired
from rnnhw.structures import Dense

__all__ = ["split_products"]


def split_products(graph: StepGraph) -> StepGraph:
    """``graph`` with every dense product split that is read in slices which products continue."""
    while slices := _next(graph):
        graph = _split(graph, slices)
    return graph


def _next(graph: StepGraph) -> list[Gather]:
    """The slices of one product that is to be split."""
    readers: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for operand in node.operands:
            readers.setdefault(operand, []).append(node)
    ends = {graph.output, *(value for _, value in graph.updates)}
    for node in graph.nodes:
        if not (isinstance(node, Matvec) and node.structure == Dense()) or node in ends:
            continue
        slices = [r for r in readers.get(node, []) if isinstance(r, Gather) and r.parts == (node,)]
        whole = len(slices) == len(readers.get(node, [])) > 1
        if whole and _tile(slices, node.units) and any(_continued(s, readers) for s in slices):
            return slices
    return []


def _tile(slices: list[Gather], units: int) -> bool:
    """Whether the slices are neighbours in order and together the whole."""
    ordered = sorted(slices, key=lambda each: each.indices[0])
    return [index for each in ordered for index in each.indices] == list(range(units))


def _continued(piece: Gather, readers: Mapping[Node, list[Node]]) -> bool:
    """Whether a product of as many rows starts from ``piece``, or is added to it."""
    pending = list(readers.get(piece, []))
    while pending:
        reader = pending.pop()
        if isinstance(reader, Matvec) and reader.start is not None:
            if unwired(reader.start) is piece:
                return True
        elif isinstance(reader, Add):
            if any(isinstance(unwired(operand), Matvec) for operand in reader.operands):
                return True
        elif unwired(reader) is piece:
            pending.extend(readers.get(reader, []))
    return False


def _split(graph: StepGraph, slices: list[Gather]) -> StepGraph:
    nodes: list[Node] = []
    new: dict[Node, Node] = {}
    (product,) = {piece.parts[0] for piece in slices}
    for node in graph.nodes:
        if node is product:
            continue
        if node in slices:
            assert isinstance(node, Gather)
            made = _slice(node, new)
        else:
            made = [_rebuilt(node, new)]
        nodes.extend(made)
        new[node] = made[-1]
    # A state is no result of an operation: it stands for itself.
    updates = tuple((state, new[value]) for state, value in graph.updates)
    return StepGraph(graph.layer, tuple(nodes), updates, new[graph.output])


def _slice(piece: Gather, new: Mapping[Node, Node]) -> list[Node]:
    """The product of a slice, behind the slice of what it starts from."""
    (whole,) = piece.parts
    assert isinstance(whole, Matvec) and whole.weights is not None
    tensor, rows = whole.weights, piece.indices
    weights = Tensor(
        f"{tensor.key}[{rows[0]}:{rows[-1] + 1}]",
        (len(rows), *tensor.shape[1:]),
        tensor.role,
        tensor.format,
    )
    made: list[Node] = []
    start = None
    if whole.start is not None:
        before = new[whole.start]
        start = replace(
            piece,
            name=f"{piece.name}.start",
            format=before.format,
            interval=before.interval,
            parts=(before,),
        )
        made.append(start)
    vector = new[whole.vector]
    own = replace(
        whole, name=piece.name, units=len(rows), weights=weights, vector=vector, start=start
    )
    return [*made, own]


def _rebuilt(node: Node, new: Mapping[Node, Node]) -> Node:
    """``node`` on the new operands; itself where none changed."""
    changed: dict[str, Node | tuple[Node, ...]] = {}
    for entry in fields(node):
        value = getattr(node, entry.name)
        if isinstance(value, Node):
            changed[entry.name] = new[value]
        elif isinstance(value, tuple) and value and isinstance(value[0], Node):
            changed[entry.name] = tuple(new[part] for part in value)
    if all(getattr(node, name) == value for name, value in changed.items()):
        return node
    return replace(node, **changed)  # type: ignore[arg-type]
