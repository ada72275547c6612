"""The step graph as rows on lanes see it: equal in every bit, written with fewer rows.

*Slices.* A gated layer with one input matrix for all gates takes its sums apart before each gate's
own recurrent product adds onto them. Rows do not care how the matrices were stacked, so that every
slice becomes the product of its rows, and what continues it shares them.

*Addends.* What is added to an exact sum between two products of a row is added behind both.

*Permutations.* Dense columns may come in any order: a product of a permuted vector is one of the
vector with its weights permuted, a product of joined vectors one of each. What keeps all elements
of a vector in their order is the vector. Words of neighbours can only be made of elements that come
in order: what reads a permuted or joined vector by words reads a copy.

*Transforms.* What a transform without weights starts from is added behind it. Gates that each
transform one vector read one transform, with the casts behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from rnnhw.accelerator.mapping.memory import places
from rnnhw.graph.nodes import (
    Add,
    Cast,
    Clamp,
    Gather,
    Input,
    Matvec,
    Node,
    StepGraph,
    Tensor,
    unwired,
)
from rnnhw.graph.rewrite import rebuilt, rewrite
from rnnhw.layers.structures import ButterflyStage, Dense, FastWalshHadamard, WalshHadamardStage
from rnnhw.numerics.cast import interval_format

__all__ = ["fuse_rows", "tensor_values"]


def fuse_rows(graph: StepGraph) -> StepGraph:
    """Returns ``graph`` with fewer rows, and equal values: by the rules above."""
    graph = _gathered(_ordered(_merged(_unstarted(_plain(graph)))))
    while slices := _sliced(graph):
        graph = _split(graph, slices)
    while product := _interrupted(graph):
        graph = _postponed(graph, product)
    return graph


def _ends(graph: StepGraph) -> set[Node]:
    return {graph.output, *(value for _, value in graph.updates)}


# --- slices ------------------------------------------------------------------------------------
def _sliced(graph: StepGraph) -> list[Gather]:
    """The slices of one product that is to be split."""
    readers, ends = graph.readers, _ends(graph)
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

    return rewrite(graph, write)


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


_ALL_ROWS = ":,"


def _columns_key(key: str, columns: Sequence[int]) -> str:
    return f"{key}[{_ALL_ROWS}{','.join(map(str, columns))}]"


def tensor_values(raw: Mapping[str, NDArray[np.int64]], tensor: Tensor) -> NDArray[np.int64]:
    """The raw integers of a tensor of the network's graph or of one with fused rows."""
    if tensor.key in raw:
        return raw[tensor.key]
    key, _, rows = tensor.key.rpartition("[")
    if rows.startswith(_ALL_ROWS):
        columns = rows.removeprefix(_ALL_ROWS).removesuffix("]").split(",")
        return tensor_values(raw, replace(tensor, key=key))[:, [int(c) for c in columns]]
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
    readers, ends = graph.readers, _ends(graph)
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

    return rewrite(graph, write)


# --- permutations ------------------------------------------------------------------------------
def _plain(graph: StepGraph) -> StepGraph:
    """What reads all elements of one vector in their order is the vector itself."""

    def write(node: Node, new: Mapping[Node, Node]) -> Sequence[Node] | Node:
        if isinstance(node, Gather) and len(node.parts) == 1:
            (part,) = node.parts
            if node.indices == tuple(range(part.units)):
                return new[part]
        return [node]

    return rewrite(graph, write)


def _ordered(graph: StepGraph) -> StepGraph:
    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        columns = _columns_by_source(node)
        return _by_source(node, columns, new) if isinstance(node, Matvec) and columns else [node]

    return _live(rewrite(graph, write))


def _columns_by_source(node: Node) -> dict[Node, list[int]]:
    """The columns of a dense product that read each of the vectors behind a permuted or joined one,
    in the order of their elements; nothing where they do not read each element once, or where the
    order of the terms matters."""
    if not isinstance(node, Matvec) or node.structure != Dense() or node.weights is None:
        return {}
    if not isinstance(unwired(node.vector), Gather) or not node.order_free:
        return {}
    found: dict[Node, dict[int, int]] = {}
    for column, (source, index) in enumerate(places(node.vector)):
        if index in found.setdefault(source, {}):
            return {}
        found[source][index] = column
    fraction = node.vector.format.fraction
    if any(len(own) != s.units or s.format.fraction != fraction for s, own in found.items()):
        return {}
    return {source: [own[k] for k in range(source.units)] for source, own in found.items()}


def _gathered(graph: StepGraph) -> StepGraph:
    """Transforms and butterfly stages read no permuted or joined vector, but an operation that
    changes nothing in it, element by element."""
    copies: dict[Node, Node] = {}

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if not isinstance(node, Matvec) or not isinstance(node.structure, _BY_WORD):
            return [node]
        vector = unwired(node.vector)
        if not isinstance(vector, Gather):
            return [node]
        made: list[Node] = []
        if vector not in copies:
            a = new[vector]
            copies[vector] = Clamp(
                name=f"{vector.name}.copy",
                units=a.units,
                format=a.format,
                interval=a.interval,
                a=a,
                low=None,
                high=None,
            )
            made.append(copies[vector])
        start = new[node.start] if node.start is not None else None
        return [*made, replace(node, vector=copies[vector], start=start)]

    return _live(rewrite(graph, write))


_BY_WORD = (FastWalshHadamard, WalshHadamardStage, ButterflyStage)
"""Structures whose feeds read words of several elements."""


def _by_source(
    product: Matvec, columns: Mapping[Node, Sequence[int]], new: Mapping[Node, Node]
) -> list[Node]:
    """A product of each source, one behind the other. The widths of the whole sum hold every part
    of it."""
    assert product.weights is not None
    made: list[Node] = []
    start = new[product.start] if product.start is not None else None
    last = len(columns) - 1
    for number, (source, own) in enumerate(columns.items()):
        weights = replace(
            product.weights,
            key=_columns_key(product.weights.key, own),
            shape=(product.units, len(own)),
        )
        name = product.name if number == last else f"{product.name}.{source.name}"
        start = replace(product, name=name, weights=weights, vector=new[source], start=start)
        made.append(start)
    return made


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

    return rewrite(graph, write)


def _fixed(node: Node) -> TypeGuard[Matvec]:
    """Whether ``node`` is a transform without weights."""
    return isinstance(node, Matvec) and isinstance(
        node.structure, FastWalshHadamard | WalshHadamardStage
    )


def _merged(graph: StepGraph) -> StepGraph:
    """Transforms without weights of one vector become one, with equal casts behind them."""
    known: dict[tuple[object, ...], Node] = {}
    fed: set[Node] = set()

    def write(node: Node, new: Mapping[Node, Node]) -> Sequence[Node] | Node:
        copy = rebuilt(node, new)
        key = _kind(copy, fed)
        if key is None:
            return [node]
        if key in known:
            return known[key]
        known[key] = copy
        fed.add(copy)
        return [copy]

    return rewrite(graph, write)


def _kind(node: Node, fed: set[Node]) -> tuple[object, ...] | None:
    """What is equal in two transforms, or casts behind transforms, that give the same."""
    if _fixed(node):
        return node.structure, unwired(node.vector), node.start, node.format
    if isinstance(node, Cast) and node.a in fed:
        return node.a, node.format
    return None


def _live(graph: StepGraph) -> StepGraph:
    """The graph without what nothing reads."""
    read = _ends(graph) | {state for state, _ in graph.updates}
    for node in reversed(graph.nodes):
        if node in read:
            read.update(node.operands)
    nodes = tuple(node for node in graph.nodes if node in read or isinstance(node, Input))
    return replace(graph, nodes=nodes)
