"""The step graph as rows on lanes see it: equal in every bit, written with fewer rows.

*Slices.* A gated layer with one input matrix for all gates takes its sums apart before each gate's
own recurrent product adds onto them. Rows do not care how the matrices were stacked, so that every
slice becomes the product of its rows, and what continues it shares them. So do slices of several
lengths, which no phase can walk together.

*Blocks.* A vector put together from dense products of slices of another one is the product of a
block-diagonal matrix; one put together from several dense products of one vector is one dense
product.

*Addends.* What is added to an exact sum between two products of a row is added behind both.

*Permutations.* Dense columns may come in any order: a product of a permuted vector is one of the
vector with its weights permuted, a product of joined vectors one of each. What keeps all elements
of a vector in their order is the vector. Words of neighbours can only be made of elements that come
in order: what reads a permuted or joined vector by words reads a copy. So do columns of a vector
with an element in several places.

*Transforms.* What a transform without weights starts from is added behind it. Gates that each
transform one vector read one transform, with the casts behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from rnnhw.accelerator.mapping.memory import places
from rnnhw.accelerator.mapping.vector_layout import is_repeated
from rnnhw.graph.nodes import (
    Add,
    Cast,
    Clamp,
    Gather,
    Matvec,
    Node,
    StepGraph,
    Tensor,
    unwired,
)
from rnnhw.graph.rewrite import ends, live, rebuilt, rewrite
from rnnhw.layers.structures import (
    BlockDiagonal,
    ButterflyStage,
    Dense,
    FastWalshHadamard,
    WalshHadamardStage,
)
from rnnhw.numerics.cast import interval_format

__all__ = ["fuse_rows", "tensor_values"]


def fuse_rows(graph: StepGraph) -> StepGraph:
    """Returns ``graph`` with fewer rows, and equal values: by the rules above."""
    graph = _gathered(_ordered(_merged(_unstarted(_joined(_plain(graph))))))
    while slices := _sliced(graph):
        graph = _split(graph, slices)
    while product := _interrupted(graph):
        graph = _postponed(graph, product)
    return graph


# --- numbers of parts --------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _RowSlice(Tensor):
    """Rows of another tensor."""

    source: Tensor
    rows: slice


@dataclass(frozen=True, slots=True)
class _ColumnOrder(Tensor):
    """Columns of another tensor, some or all, in any order."""

    source: Tensor
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Stack(Tensor):
    """Tensors one behind the other."""

    parts: tuple[Tensor, ...]


def tensor_values(raw: Mapping[str, NDArray[np.int64]], tensor: Tensor) -> NDArray[np.int64]:
    """The raw integers of a tensor of the network's graph or of one with fused rows."""
    match tensor:
        case _RowSlice(source=source, rows=rows):
            return tensor_values(raw, source)[rows]
        case _ColumnOrder(source=source, columns=columns):
            return tensor_values(raw, source)[:, list(columns)]
        case _Stack(parts=parts):
            joined = np.concatenate([tensor_values(raw, part) for part in parts])
            return joined.reshape(tensor.shape)
    return raw[tensor.key]


# --- slices ------------------------------------------------------------------------------------
def _sliced(graph: StepGraph) -> list[Gather]:
    """The slices of one product that is to be split."""
    readers, results = graph.readers, ends(graph)
    for node in graph.nodes:
        if not (isinstance(node, Matvec) and node.structure == Dense()) or node in results:
            continue
        slices = [r for r in readers.get(node, []) if isinstance(r, Gather) and r.parts == (node,)]
        whole = len(slices) == len(readers.get(node, [])) > 1
        if not whole or not _tile(slices, node.units):
            continue
        unequal = len({len(piece.indices) for piece in slices}) > 1
        if unequal or any(_continued(piece, readers) for piece in slices):
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
    first, end = rows[0], rows[-1] + 1
    weights = _RowSlice(
        key=f"{tensor.key}[{first}:{end}]",
        shape=(len(rows), *tensor.shape[1:]),
        role=tensor.role,
        format=tensor.format,
        source=tensor,
        rows=slice(first, end),
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


# --- blocks ------------------------------------------------------------------------------------
def _joined(graph: StepGraph) -> StepGraph:
    """Vectors that are put together from dense products, each as one product; so is what these
    start from."""
    fused = _joined_once(graph)
    return graph if fused.nodes == graph.nodes else _joined(fused)


def _joined_once(graph: StepGraph) -> StepGraph:

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        parts = _products_joined(graph, node)
        if not parts:
            return [node]
        assert isinstance(node, Gather)
        product = _as_blocks(node, parts, new) or _as_rows(node, parts, new)
        if not product:
            return [node]
        if node.indices == tuple(range(product[-1].units)):
            return product
        whole = replace(product[-1], name=f"{node.name}.joined")
        return [*product[:-1], whole, replace(node, parts=(whole,))]

    return live(rewrite(graph, write))


def _products_joined(graph: StepGraph, node: Node) -> tuple[Matvec, ...]:
    """The dense products of like formats that ``node`` alone reads, and puts together of all of
    their elements; none where it is anything else."""
    if not isinstance(node, Gather) or len(node.parts) < 2:
        return ()
    parts = tuple(part for part in node.parts if isinstance(part, Matvec))
    results = ends(graph)
    if parts != node.parts or sorted(node.indices) != list(range(sum(p.units for p in parts))):
        return ()
    for part in parts:
        if part.structure != Dense() or part in results or graph.readers[part] != [node]:
            return ()
        operands = (part.vector, part.start or part.vector)
        if any(unwired(each).format.fraction != each.format.fraction for each in operands):
            return ()  # the same integers at another scale
    alike = {(p.weights and p.weights.format, p.product, p.accumulator) for p in parts}
    started = {part.start is None for part in parts}
    starts = {part.start.format.fraction for part in parts if part.start is not None}
    return parts if len(alike) == len(started) == 1 and len(starts) < 2 else ()


def _as_blocks(node: Gather, parts: Sequence[Matvec], new: Mapping[Node, Node]) -> list[Node]:
    """The block-diagonal product of parts of one size that each read a vector of their own; nothing
    where they are none."""
    sizes = {(part.units, part.vector.units) for part in parts}
    vectors = [unwired(part.vector) for part in parts]
    fractions = {part.vector.format.fraction for part in parts}
    if len(sizes) > 1 or len(set(vectors)) < len(vectors) or len(fractions) > 1:
        return []
    ((units, inputs),) = sizes
    whole = _whole_of(vectors)
    if whole is None and any(isinstance(each, Gather | Matvec) for each in vectors):
        return []
    made = [] if whole else [_side_by_side(f"{node.name}.vectors", [new[v] for v in vectors])]
    vector = new[whole] if whole else made[0]
    shape = len(parts), units, inputs
    return [*made, *_one_product(node, parts, BlockDiagonal(units), shape, vector, new)]


def _as_rows(node: Gather, parts: Sequence[Matvec], new: Mapping[Node, Node]) -> list[Node]:
    """The dense product of parts that all read one vector; nothing where they do not."""
    if len({unwired(part.vector) for part in parts}) > 1:
        return []
    vector = new[parts[0].vector]
    units = sum(part.units for part in parts)
    return _one_product(node, parts, Dense(), (units, vector.units), vector, new)


def _one_product(
    node: Gather,
    parts: Sequence[Matvec],
    structure: BlockDiagonal | Dense,
    shape: tuple[int, ...],
    vector: Node,
    new: Mapping[Node, Node],
) -> list[Node]:
    """The product of ``parts`` in order, behind what they start from; the widths of the joined
    vector hold every part of it."""
    tensors = tuple(part.weights for part in parts if part.weights is not None)
    weights = _Stack(
        key="+".join(tensor.key for tensor in tensors),
        shape=shape,
        role=tensors[0].role,
        format=tensors[0].format,
        parts=tensors,
    )
    starts = [unwired(part.start) for part in parts if part.start is not None]
    made: list[Node] = []
    start = _whole_of(starts)
    if start is not None:
        start = new[start]
    elif starts:
        start = _side_by_side(f"{node.name}.start", [new[each] for each in starts])
        made.append(start)
    product = replace(
        parts[0],
        name=node.name,
        units=sum(part.units for part in parts),
        format=node.format,
        interval=node.interval,
        structure=structure,
        weights=weights,
        vector=vector,
        start=start,
    )
    return [*made, product]


def _whole_of(vectors: Sequence[Node]) -> Node | None:
    """The vector that ``vectors`` in order are all neighbours of; None where there is none."""
    wholes = {part for v in vectors if isinstance(v, Gather) for part in v.parts}
    if len(wholes) != 1 or not all(isinstance(v, Gather) for v in vectors):
        return None
    (whole,) = wholes
    indices = [index for v in vectors if isinstance(v, Gather) for index in v.indices]
    return whole if indices == list(range(whole.units)) else None


def _side_by_side(name: str, parts: Sequence[Node]) -> Gather:
    """``parts`` of one scale, joined."""
    low = min(part.interval[0] for part in parts)
    high = max(part.interval[1] for part in parts)
    units = sum(part.units for part in parts)
    return Gather(
        name=name,
        units=units,
        format=interval_format(low, high, parts[0].format.fraction),
        interval=(low, high),
        parts=tuple(parts),
        indices=tuple(range(units)),
    )


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
    readers, results = graph.readers, ends(graph)
    for node in graph.nodes:
        if isinstance(node, Matvec) and _exact(node):
            between = _addends(node)
            passed = [*between, *(add.a for add in between)]
            alone = all(len(readers[each]) == 1 and each not in results for each in passed)
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

    return live(rewrite(graph, write))


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
    """Transforms and butterfly stages read no permuted or joined vector, and no product one with an
    element in several places, but an operation that changes nothing in it, element by element."""
    copies: dict[Node, Node] = {}

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        vector = unwired(node.vector) if isinstance(node, Matvec) else node
        if not isinstance(node, Matvec) or not isinstance(vector, Gather):
            return [node]
        if not isinstance(node.structure, _BY_WORD) and not is_repeated(vector):
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

    return live(rewrite(graph, write))


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
        whole = product.weights
        weights = _ColumnOrder(
            key=f"{whole.key}[:,{','.join(map(str, own))}]",
            shape=(product.units, len(own)),
            role=whole.role,
            format=whole.format,
            source=whole,
            columns=tuple(own),
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
