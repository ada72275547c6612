"""The step graph as rows on lanes see it: equal in every bit, written with fewer rows.

*Slices.* A gated layer with one input matrix for all gates takes its sums apart before each gate's
own recurrent product adds onto them. Rows do not care how the matrices were stacked, so that every
slice becomes the product of its rows, and what continues it shares them.

*Addends.* What is added to an exact sum between two products of a row is added behind both.

*Transforms.* What a transform without weights starts from is added behind it. Gates that each
transform one vector read one transform, with the casts behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from rnnhw.dataflow import Add, Cast, Gather, Matvec, Node, StepGraph, Tensor, unwired
from rnnhw.numerics import interval_format
from rnnhw.structures import Dense, FastWalshHadamard, WalshHadamardStage

__all__ = ["rebuilt", "regrouped", "tensor_values"]


def regrouped(graph: StepGraph) -> StepGraph:
    """``graph`` with dense products split that are read in slices which products continue, and
    addends between exact products of one row behind the last of them, and equal transforms one."""
    graph = _merged(_unstarted(graph))
    while slices := _sliced(graph):
        graph = _split(graph, slices)
    while product := _interrupted(graph):
        graph = _postponed(graph, product)
    return graph


def _readers(graph: StepGraph) -> dict[Node, list[Node]]:
    readers: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for operand in node.operands:
            readers.setdefault(operand, []).append(node)
    return readers


def _ends(graph: StepGraph) -> set[Node]:
    return {graph.output, *(value for _, value in graph.updates)}


# --- slices ------------------------------------------------------------------------------------
def _sliced(graph: StepGraph) -> list[Gather]:
    """The slices of one product that is to be split."""
    readers, ends = _readers(graph), _ends(graph)
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
    (product,) = {piece.parts[0] for piece in slices}

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if node is product:
            return []
        return _slice(node, new) if isinstance(node, Gather) and node in slices else [node]

    return _rewritten(graph, write)


def _slice(piece: Gather, new: Mapping[Node, Node]) -> list[Node]:
    """The product of a slice, behind the slice of what it starts from."""
    (whole,) = piece.parts
    assert isinstance(whole, Matvec) and whole.weights is not None
    tensor, rows = whole.weights, piece.indices
    weights = Tensor(
        _slice_key(tensor.key, rows[0], rows[-1] + 1),
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


def _slice_key(key: str, start: int, stop: int) -> str:
    return f"{key}[{start}:{stop}]"


def tensor_values(raw: Mapping[str, NDArray[np.int64]], tensor: Tensor) -> NDArray[np.int64]:
    """The raw integers of a tensor of the given or of the regrouped graph."""
    if tensor.key in raw:
        return raw[tensor.key]
    key, _, rows = tensor.key.rpartition("[")
    start, stop = (int(end) for end in rows.removesuffix("]").split(":"))
    return tensor_values(raw, replace(tensor, key=key))[start:stop]


# --- addends -----------------------------------------------------------------------------------
def _exact(node: Node | None) -> bool:
    return isinstance(node, Matvec) and node.weights is not None and node.accumulator is None


def _addends(product: Matvec) -> list[Add]:
    """The additions, last one first, between the product that ``product`` goes on from and it."""
    found: list[Add] = []
    start = product.start
    while isinstance(start, Add):
        found.append(start)
        start = start.a
    return found if _exact(start) else []


def _interrupted(graph: StepGraph) -> Matvec | None:
    """A product that starts from another one with something added in between."""
    readers, ends = _readers(graph), _ends(graph)
    for node in graph.nodes:
        if isinstance(node, Matvec) and _exact(node):
            between = _addends(node)
            passed = [*between, *(add.a for add in between)]
            alone = all(len(readers[each]) == 1 and each not in ends for each in passed)
            if between and alone:
                return node
    return None


def _postponed(graph: StepGraph, product: Matvec) -> StepGraph:
    between = _addends(product)

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if node in between:
            return []
        if node is not product:
            return [node]
        # The widths of the whole sum hold every part of it.
        made: list[Node] = [replace(product, vector=new[product.vector], start=new[between[-1].a])]
        for add in reversed(between):
            widths = {"format": product.format, "interval": product.interval}
            made.append(replace(add, a=made[-1], b=new[add.b], **widths))  # type: ignore[arg-type]
        return made

    return _rewritten(graph, write)


# --- transforms --------------------------------------------------------------------------------
def _unstarted(graph: StepGraph) -> StepGraph:
    """Transforms without weights from zero, and what they started from added behind them."""

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if not _fixed(node) or node.start is None:
            return [node]
        vector, start = new[node.vector], new[node.start]
        fraction, term = node.product_format
        bounds = node.structure.bounds(node.units, vector.units, term, vector.interval)
        terms = replace(
            node,
            name=f"{node.name}.terms",
            format=interval_format(*bounds, fraction),
            interval=bounds,
            vector=vector,
            start=None,
        )
        total = Add(
            name=node.name,
            units=node.units,
            format=node.format,
            interval=node.interval,
            role=node.role,
            a=start,
            b=terms,
        )
        return [terms, total]

    return _rewritten(graph, write)


def _fixed(node: Node) -> TypeGuard[Matvec]:
    """Whether ``node`` is a transform without weights."""
    return isinstance(node, Matvec) and isinstance(
        node.structure, FastWalshHadamard | WalshHadamardStage
    )


def _merged(graph: StepGraph) -> StepGraph:
    """Transforms without weights of one vector become one, with equal casts behind them."""
    nodes: list[Node] = []
    new: dict[Node, Node] = {}
    known: dict[tuple[object, ...], Node] = {}
    fed: set[Node] = set()
    for node in graph.nodes:
        made = rebuilt(node, new)
        key = _kind(made, fed)
        if key is None or key not in known:
            nodes.append(made)
        if key is not None:
            made = known.setdefault(key, made)
            fed.add(made)
        new[node] = made
    if len(nodes) == len(graph.nodes):
        return graph
    updates = tuple((state, new[value]) for state, value in graph.updates)
    return StepGraph(graph.layer, tuple(nodes), updates, new[graph.output])


def _kind(node: Node, fed: set[Node]) -> tuple[object, ...] | None:
    """What is equal in two transforms, or casts behind transforms, that give the same."""
    if _fixed(node):
        return node.structure, unwired(node.vector), node.start, node.format
    if isinstance(node, Cast) and node.a in fed:
        return node.a, node.format
    return None


# --- rewriting ---------------------------------------------------------------------------------
def _rewritten(
    graph: StepGraph, write: Callable[[Node, Mapping[Node, Node]], list[Node]]
) -> StepGraph:
    """Every node replaced by what ``write`` gives for it; its readers read the last of these."""
    nodes: list[Node] = []
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        made = write(node, new)
        if made == [node]:
            made = [rebuilt(node, new)]
        nodes.extend(made)
        if made:
            new[node] = made[-1]
    # A state is no result of an operation: it stands for itself.
    updates = tuple((state, new[value]) for state, value in graph.updates)
    return StepGraph(graph.layer, tuple(nodes), updates, new[graph.output])


def rebuilt(node: Node, new: Mapping[Node, Node]) -> Node:
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
