"""Rewrites a step graph so that it needs fewer rows on the lanes; every value stays equal.

*Slices.* A gated layer may stack the input matrices of all gates, slice the sums, and let the
recurrent product of every gate start from its slice. A row computes one sum, whatever the stacking,
so every slice becomes a product with its rows of the matrix, and the product that starts from the
slice continues the same rows. Slices of several lengths are split too, because one phase cannot
walk them together.

*Blocks.* A vector that joins dense products of the slices of another vector is one product with a
block-diagonal matrix. A vector that joins several dense products of one vector is one dense
product.

*Addends.* A term that is added between two exact products of a row is added after both.

*Permutations.* A dense product may read its columns in any order. A product of a permuted vector
becomes a product of the vector itself with permuted weights; a product of joined vectors becomes a
sum of one product a vector; a gather of all elements in order becomes the vector itself. A
transform reads words of neighbouring elements, so it reads a copy of a permuted or joined vector;
so does a product of a vector that holds an element twice.

*Transforms.* The start of a transform without weights is added after it. Gates that transform the
same vector share one transform and its casts.
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
from rnnhw.graph.rewrite import Replace, ends, read_instead
from rnnhw.layers.structures import (
    BlockDiagonal,
    ButterflyStage,
    Dense,
    FastWalshHadamard,
    WalshHadamardStage,
)
from rnnhw.numerics.cast import interval_format

__all__ = ["ROW_FUSION", "tensor_values"]


# --- parts of tensors --------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _RowSlice(Tensor):
    """Rows of another tensor."""

    source: Tensor
    rows: slice


@dataclass(frozen=True, slots=True)
class _ColumnOrder(Tensor):
    """Chosen columns of another tensor, in any order."""

    source: Tensor
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Stack(Tensor):
    """Tensors concatenated along their rows."""

    parts: tuple[Tensor, ...]


def tensor_values(raw: Mapping[str, NDArray[np.int64]], tensor: Tensor) -> NDArray[np.int64]:
    """Returns the raw integers of ``tensor``, int64 of its shape.

    ``tensor`` belongs to the network's graph or to one with fused rows; ``raw`` has those of the
    network by key.
    """
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
def _split_slices(graph: StepGraph) -> Replace | None:
    """Replaces a product that is read in slices by one product a slice."""
    slices = _slices_to_split(graph)
    if not slices:
        return None
    (product,) = {piece.parts[0] for piece in slices}

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if node is product:
            return []
        return _slice(node, new) if isinstance(node, Gather) and node in slices else [node]

    return write


def _slices_to_split(graph: StepGraph) -> list[Gather]:
    """Returns the slices of the first product that should be split; none when no product should."""
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
    """Whether the slices cover all ``units`` elements once, each slice in order."""
    ordered = sorted(slices, key=lambda piece: piece.indices[0])
    return [index for piece in ordered for index in piece.indices] == list(range(units))


def _continued(piece: Gather, readers: Mapping[Node, list[Node]]) -> bool:
    """Whether a product of the same number of rows starts from ``piece`` or is added to it."""
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


def _slice(piece: Gather, new: Mapping[Node, Node]) -> list[Node]:
    """Returns the product with the slice's rows, after the slice of the start if there is one."""
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
    start = None
    if whole.start is not None:
        whole_start = new[whole.start]
        start = replace(
            piece,
            name=f"{piece.name}.start",
            format=whole_start.format,
            interval=whole_start.interval,
            parts=(whole_start,),
        )
    vector = new[whole.vector]
    product = replace(
        whole, name=piece.name, units=len(rows), weights=weights, vector=vector, start=start
    )
    return [product] if start is None else [start, product]


# --- blocks ------------------------------------------------------------------------------------
def _fuse_joins(graph: StepGraph) -> Replace | None:
    """Replaces every vector that joins dense products by one product. The start of such a product
    may join products too, which is seen when this rule is applied again."""
    joins = {node: parts for node in graph.nodes if (parts := _products_joined(graph, node))}

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if not isinstance(node, Gather) or node not in joins:
            return [node]
        parts = joins[node]
        one_vector = _read_one_vector(parts)
        product = (_as_rows if one_vector else _as_blocks)(node, parts, new)
        if node.indices == tuple(range(product[-1].units)):
            return product
        whole = replace(product[-1], name=f"{node.name}.joined")
        return [*product[:-1], whole, replace(node, parts=(whole,))]

    return write if joins else None


def _products_joined(graph: StepGraph, node: Node) -> tuple[Matvec, ...]:
    """Returns the dense products that ``node`` joins; none unless it takes all of their elements,
    is their only reader, their formats agree, and they make one block-diagonal or dense product."""
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
        if any(unwired(node).format.fraction != node.format.fraction for node in operands):
            return ()  # the same integers at another scale
    alike = {(p.weights and p.weights.format, p.product, p.accumulator) for p in parts}
    started = {part.start is None for part in parts}
    starts = {part.start.format.fraction for part in parts if part.start is not None}
    agree = len(alike) == len(started) == 1 and len(starts) < 2
    return parts if agree and (_are_blocks(parts) or _read_one_vector(parts)) else ()


def _read_one_vector(parts: Sequence[Matvec]) -> bool:
    return len({unwired(part.vector) for part in parts}) == 1


def _are_blocks(parts: Sequence[Matvec]) -> bool:
    """Whether products have one size and read distinct vectors, which are slices of one vector or
    stored ones."""
    sizes = {(part.units, part.vector.units) for part in parts}
    vectors = [unwired(part.vector) for part in parts]
    fractions = {part.vector.format.fraction for part in parts}
    if len(sizes) > 1 or len(set(vectors)) < len(vectors) or len(fractions) > 1:
        return False
    stored = not any(isinstance(vector, Gather | Matvec) for vector in vectors)
    return stored or _whole_of(vectors) is not None


def _as_blocks(node: Gather, parts: Sequence[Matvec], new: Mapping[Node, Node]) -> list[Node]:
    """Returns the block-diagonal product of ``parts``, after the node that joins their vectors if
    one is needed."""
    units, inputs = parts[0].units, parts[0].vector.units
    vectors = [unwired(part.vector) for part in parts]
    whole = _whole_of(vectors)
    joined = [] if whole else [_concatenation(f"{node.name}.vectors", [new[v] for v in vectors])]
    vector = new[whole] if whole else joined[0]
    shape = len(parts), units, inputs
    return [*joined, *_one_product(node, parts, BlockDiagonal(units), shape, vector, new)]


def _as_rows(node: Gather, parts: Sequence[Matvec], new: Mapping[Node, Node]) -> list[Node]:
    """Returns the dense product of ``parts``, which read one vector."""
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
    """Returns one product that computes all ``parts`` in order, after the node that joins their
    starts if one is needed. Its format is that of the joined vector, which holds every part."""
    tensors = tuple(part.weights for part in parts if part.weights is not None)
    weights = _Stack(
        key="+".join(tensor.key for tensor in tensors),
        shape=shape,
        role=tensors[0].role,
        format=tensors[0].format,
        parts=tensors,
    )
    starts = [unwired(part.start) for part in parts if part.start is not None]
    joined: list[Node] = []
    start = _whole_of(starts)
    if start is not None:
        start = new[start]
    elif starts:
        start = _concatenation(f"{node.name}.start", [new[part_start] for part_start in starts])
        joined.append(start)
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
    return [*joined, product]


def _whole_of(vectors: Sequence[Node]) -> Node | None:
    """Returns the vector whose slices in order ``vectors`` are; None when there is none."""
    wholes = {part for v in vectors if isinstance(v, Gather) for part in v.parts}
    if len(wholes) != 1 or not all(isinstance(v, Gather) for v in vectors):
        return None
    (whole,) = wholes
    indices = [index for v in vectors if isinstance(v, Gather) for index in v.indices]
    return whole if indices == list(range(whole.units)) else None


def _concatenation(name: str, parts: Sequence[Node]) -> Gather:
    """Returns the vector of all ``parts``, which must have one scale."""
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
    """Whether ``node`` is a product with weights that drops no bit while it adds."""
    return isinstance(node, Matvec) and node.weights is not None and node.accumulator is None


def _addends(product: Matvec) -> list[Add]:
    """Returns the additions between ``product`` and the product that it continues, last first."""
    additions: list[Add] = []
    start = product.start
    while isinstance(start, Add):
        additions.append(start)
        start = start.a
    return additions if _exact(start) else []


def _add_last(graph: StepGraph) -> Replace | None:
    """Moves the additions between two products of a row behind the second one."""
    product = _product_after_addition(graph)
    if product is None:
        return None
    between = _addends(product)

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if node in between:
            return []
        if node is not product:
            return [node]
        # The format of the whole sum holds every partial sum.
        sums: list[Node] = [replace(product, vector=new[product.vector], start=new[between[-1].a])]
        for add in reversed(between):
            widths = {"format": product.format, "interval": product.interval}
            sums.append(replace(add, a=sums[-1], b=new[add.b], **widths))  # type: ignore[arg-type]
        return sums

    return write


def _product_after_addition(graph: StepGraph) -> Matvec | None:
    """Returns a product that continues another one after an addition that only it reads."""
    readers, results = graph.readers, ends(graph)
    for node in graph.nodes:
        if isinstance(node, Matvec) and _exact(node):
            between = _addends(node)
            passed = [*between, *(add.a for add in between)]
            unshared = all(len(readers[n]) == 1 and n not in results for n in passed)
            if between and unshared:
                return node
    return None


# --- permutations ------------------------------------------------------------------------------
def _drop_identity_gathers(graph: StepGraph) -> Replace | None:
    """Replaces a gather of all elements of one vector in order by the vector."""
    vectors: dict[Node, Node] = {
        node: node.parts[0]
        for node in graph.nodes
        if isinstance(node, Gather)
        and len(node.parts) == 1
        and node.indices == tuple(range(node.parts[0].units))
    }
    return read_instead(vectors)


def _unpermute(graph: StepGraph) -> Replace | None:
    """Permutes the weights of dense products instead of the vectors that they read."""
    columns = {node: order for node in graph.nodes if (order := _columns_by_source(node))}

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if isinstance(node, Matvec) and node in columns:
            return _by_source(node, columns[node], new)
        return [node]

    return write if columns else None


def _columns_by_source(node: Node) -> dict[Node, list[int]]:
    """Returns, for every vector behind the permuted or joined vector of a dense product, the
    columns that read its elements in order. Nothing when an element is read twice or not at all, or
    when the order of the terms matters."""
    if not isinstance(node, Matvec) or node.structure != Dense() or node.weights is None:
        return {}
    if not isinstance(unwired(node.vector), Gather) or not node.order_free:
        return {}
    column_of: dict[Node, dict[int, int]] = {}
    for column, (source, index) in enumerate(places(node.vector)):
        if index in column_of.setdefault(source, {}):
            return {}
        column_of[source][index] = column
    fraction = node.vector.format.fraction
    for source, columns in column_of.items():
        if len(columns) != source.units or source.format.fraction != fraction:
            return {}
    return {
        source: [columns[index] for index in range(source.units)]
        for source, columns in column_of.items()
    }


def _copy_gathers(graph: StepGraph) -> Replace | None:
    """Inserts a copy (a clamp without limits) where a transform or butterfly stage reads a permuted
    or joined vector, and where a product reads a vector that holds an element twice."""
    vectors = {node: vector for node in graph.nodes if (vector := _to_copy(node))}
    copies: dict[Node, Node] = {}

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if not isinstance(node, Matvec) or node not in vectors:
            return [node]
        vector = vectors[node]
        inserted: list[Node] = []
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
            inserted.append(copies[vector])
        start = new[node.start] if node.start is not None else None
        return [*inserted, replace(node, vector=copies[vector], start=start)]

    return write if vectors else None


def _to_copy(node: Node) -> Gather | None:
    """The permuted or joined vector that ``node`` must read a copy of."""
    vector = unwired(node.vector) if isinstance(node, Matvec) else node
    if not isinstance(node, Matvec) or not isinstance(vector, Gather):
        return None
    return vector if isinstance(node.structure, _BY_WORD) or is_repeated(vector) else None


_BY_WORD = (FastWalshHadamard, WalshHadamardStage, ButterflyStage)
"""Structures whose feeds read words of several elements."""


def _by_source(
    product: Matvec, columns: Mapping[Node, Sequence[int]], new: Mapping[Node, Node]
) -> list[Node]:
    """Returns one product a source, each starting from the one before. The format of the whole sum
    holds every partial sum."""
    assert product.weights is not None
    products: list[Node] = []
    start = new[product.start] if product.start is not None else None
    last = len(columns) - 1
    for number, (source, order) in enumerate(columns.items()):
        whole = product.weights
        weights = _ColumnOrder(
            key=f"{whole.key}[:,{','.join(map(str, order))}]",
            shape=(product.units, len(order)),
            role=whole.role,
            format=whole.format,
            source=whole,
            columns=tuple(order),
        )
        name = product.name if number == last else f"{product.name}.{source.name}"
        start = replace(product, name=name, weights=weights, vector=new[source], start=start)
        products.append(start)
    return products


# --- transforms --------------------------------------------------------------------------------
def _from_zero(graph: StepGraph) -> Replace | None:
    """Lets every transform without weights start from zero, and adds its start after it."""
    if not any(_is_plain_transform(node) and node.start is not None for node in graph.nodes):
        return None

    def write(node: Node, new: Mapping[Node, Node]) -> list[Node]:
        if not _is_plain_transform(node) or node.start is None:
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

    return write


def _is_plain_transform(node: Node) -> TypeGuard[Matvec]:
    """Whether ``node`` is a transform without weights."""
    return isinstance(node, Matvec) and isinstance(
        node.structure, FastWalshHadamard | WalshHadamardStage
    )


def _shared_transforms(graph: StepGraph) -> Replace | None:
    """Shares one transform without weights among all readers of a vector; applied again, the equal
    casts of it."""
    first: dict[tuple[object, ...], Node] = {}
    shared: dict[Node, Node] = {}
    fed: set[Node] = set()
    for node in graph.nodes:
        if _is_plain_transform(node):
            key: tuple[object, ...] = node.structure, unwired(node.vector), node.start, node.format
        elif isinstance(node, Cast) and node.a in fed:
            key = node.a, node.format
        else:
            continue
        fed.add(node)
        if first.setdefault(key, node) is not node:
            shared[node] = first[key]
    return read_instead(shared)


ROW_FUSION = (
    _drop_identity_gathers,
    _fuse_joins,
    _from_zero,
    _shared_transforms,
    _unpermute,
    _copy_gathers,
    _split_slices,
    _add_last,
)
"""The rules, in the order in which they are applied."""
