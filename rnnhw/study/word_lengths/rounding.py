"""Weights rounded by the error of the sums that they are part of, for any formats.

A sum is a chain of products onto one another and the bias that they start from, or two chains that
are added: W x, U h and b of a unit. Its rows are rounded together, so that an error of W is made
good by U and b; the mean error, which nothing else takes back, ends in the bias (Nagel et al. 2019,
"Data-free quantization through weight equalization and bias correction", arXiv:1906.04721).

How the inputs of a sum go together is measured once, in the float reference. The rounding then
depends on formats alone, and is kept for the next design of a search with the same ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.design import Design
from rnnhw.design.tasks import Samples
from rnnhw.execution.reference import run_reference
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Add, Constant, Gather, Matvec, Node, StepGraph, Tensor
from rnnhw.numerics.cast import Q
from rnnhw.numerics.compensated_rounding import Grids, round_compensated

__all__ = ["Rounding", "in_formats", "rounding_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


_Term = tuple[int, str, int]
"""The place of an input, and a tensor's key and flat index."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of a sum that have the same inputs: element [row, k] is at ``positions[row, k]`` of
    tensor ``keys[k]``, and is multiplied by the input ``inputs[k]`` of the sum."""

    inputs: IntArray
    keys: tuple[str, ...]
    positions: IntArray


@dataclass(frozen=True, eq=False)
class _Chain:
    """Products onto one another, and the constant that they start from."""

    end: Matvec
    products: tuple[Matvec, ...]
    bias: Constant | None

    @property
    def tensors(self) -> list[Tensor]:
        """Those of the products, and the bias."""
        tensors = [product.weights for product in self.products]
        tensors += [] if self.bias is None else [self.bias.tensor]
        return [tensor for tensor in tensors if tensor is not None]

    def terms(self, values: Mapping[str, FloatArray], first: int, one: int) -> list[list[_Term]]:
        """The terms of every row; ``first`` is the first input's place, ``one`` that of 1."""
        terms: list[list[_Term]] = [[] for _ in range(self.end.units)]
        for product in self.products:
            columns, weights = product.vector.units, product.weights
            assert weights is not None
            stored = values[weights.key].ravel()
            for row, each in enumerate(
                product.structure.stored_rows(stored, product.units, columns)
            ):
                places = zip(each.columns, each.parameters, strict=True)
                terms[row] += [(first + column, weights.key, k) for column, k in places]
            first += columns
        if self.bias is not None and self.bias.tensor is not None:
            for row, of_row in enumerate(terms):
                of_row.append((one, self.bias.tensor.key, row))
        return terms


@dataclass(frozen=True, eq=False)
class _Sum:
    """Chains that are added: row k of the sum is row ``rows[k][c]`` of chain c, for every c."""

    chains: tuple[_Chain, ...]
    rows: tuple[tuple[int, ...], ...]

    @property
    def tensors(self) -> list[Tensor]:
        """Those of all chains."""
        return [tensor for chain in self.chains for tensor in chain.tensors]

    @property
    def width(self) -> int:
        """Inputs, the 1 of the bias among them."""
        products = [product for chain in self.chains for product in chain.products]
        return sum(product.vector.units for product in products) + 1

    def inputs(self, values: Mapping[Node, FloatArray], valid: NDArray[np.bool_]) -> FloatArray:
        """The factors of the terms, [sequences, inputs]; 1 for the bias, the last one."""
        products = [product for chain in self.chains for product in chain.products]
        vectors = [values[product.vector][valid] for product in products]
        return np.concatenate([*vectors, np.ones((int(valid.sum()), 1))], axis=1)

    def grouped(self, values: Mapping[str, FloatArray]) -> list[_Rows]:
        """The rows by the inputs that they have."""
        by_chain, first = [], 0
        for chain in self.chains:
            by_chain.append(chain.terms(values, first, self.width - 1))
            first += sum(product.vector.units for product in chain.products)
        groups: dict[tuple[tuple[int, str], ...], list[list[int]]] = {}
        for row in self.rows:
            terms = [term for c, k in zip(by_chain, row, strict=True) for term in c[k]]
            places = tuple((column, key) for column, key, _ in terms)
            groups.setdefault(places, []).append([position for *_, position in terms])
        return [
            _Rows(
                np.array([column for column, _ in places]),
                tuple(key for _, key in places),
                np.array(positions),
            )
            for places, positions in groups.items()
            if places
        ]


@dataclass
class Rounding:
    """Rounds the weights of a design for any formats of them.

    ``left`` names the tensors that are rounded to nearest, with the reason.
    """

    values: Mapping[str, FloatArray]
    left: Mapping[str, str]
    _sums: list[tuple[_Sum, list[_Rows], FloatArray]]
    _known: dict[tuple[int, tuple[Q, ...]], list[FloatArray]] = field(default_factory=dict)

    def weights(self, formats: Mapping[str, Q]) -> dict[str, FloatArray]:
        """Real numbers by tensor that ``formats`` hold exactly; a tensor without a format there
        has that of the design."""
        numbers: dict[str, FloatArray] = {}
        for index, (one, rows, moments) in enumerate(self._sums):
            chosen = {t.key: formats.get(t.key, t.format) for t in one.tensors}
            known = index, tuple(chosen.values())
            if known not in self._known:
                self._known[known] = [self._rounded(chosen, each, moments) for each in rows]
            for each, rounded in zip(rows, self._known[known], strict=True):
                for k, key in enumerate(each.keys):
                    flat = numbers.setdefault(key, self.values[key].ravel().copy())
                    flat[each.positions[:, k]] = rounded[:, k]
        return {key: flat.reshape(self.values[key].shape) for key, flat in numbers.items()}

    def _rounded(self, formats: Mapping[str, Q], rows: _Rows, moments: FloatArray) -> FloatArray:
        held = [formats[key] for key in rows.keys]
        grids = Grids(
            np.array([format.step for format in held]),
            np.array([format.lowest for format in held]),
            np.array([format.max for format in held]),
        )
        values = [self.values[key].ravel()[rows.positions[:, k]] for k, key in enumerate(rows.keys)]
        moments = moments[np.ix_(rows.inputs, rows.inputs)]
        return round_compensated(np.stack(values, axis=1), grids, moments)


def in_formats(design: Design, formats: Mapping[str, Q], rounding: Rounding | None) -> Design:
    """``design`` in other formats, with its weights rounded for them; None: to nearest."""
    weights = {} if rounding is None else rounding.weights(formats)
    return design.with_formats(formats).with_rounded_weights(weights or None)


def rounding_of(design: Design, samples: Samples) -> Rounding:
    """The rounding of ``design``'s weights by the inputs that its products have on ``samples``, in
    the float reference."""
    network, values = design.network, design.parameters.values
    left = _rounded_to_nearest(network)
    by_graph = {scan.graph: list(_sums(scan.graph, left)) for scan in network.scans}
    sums = [one for chains in by_graph.values() for one in chains]
    moments = {one: np.zeros((one.width, one.width)) for one in sums}
    counts = dict.fromkeys(sums, 0)

    def observe(
        graph: StepGraph, results: Mapping[Node, FloatArray], valid: NDArray[np.bool_]
    ) -> None:
        for one in by_graph[graph]:
            inputs = one.inputs(results, valid)
            moments[one] += inputs.T @ inputs
            counts[one] += len(inputs)

    run_reference(network, design.parameters, samples.x, samples.lengths, observer=observe)
    return Rounding(
        values,
        left,
        [(one, one.grouped(values), moments[one] / max(counts[one], 1)) for one in sums],
    )


def _rounded_to_nearest(network: Network) -> dict[str, str]:
    """Weights of products that no sum rounds, with the reason."""
    left: dict[str, str] = {}
    readers: Counter[str] = Counter()
    for scan in network.scans:
        for node in scan.graph.nodes:
            if isinstance(node, Matvec) and node.weights is not None:
                key = node.weights.key
                readers[key] += 1
                if node.structure.parameter_rows(node.units, node.vector.units) is None:
                    left[key] = "its rows share weights"
        for scale in scan.graph.scales:
            left[scale.key] = "its rows have scales"
    return left | {key: "several products read it" for key, count in readers.items() if count > 1}


def _sums(graph: StepGraph, left: Mapping[str, str]) -> Iterator[_Sum]:
    """The sums of a layer, without the products whose weights are ``left``; rows of two chains
    that are only added to each other, as W x and U h of a gate are, are rows of one sum."""
    chains = {chain.end: chain for chain in _chains(graph, left)}
    uses: Counter[tuple[Node, int]] = Counter()
    for node in graph.nodes:
        for operand in node.operands:
            if operand in chains:
                rows = node.indices if isinstance(node, Gather) and len(node.parts) == 1 else None
                uses.update((operand, k) for k in rows or range(operand.units))
    added: dict[tuple[Matvec, Matvec], list[tuple[int, int]]] = {}
    taken: set[tuple[Node, int]] = set()
    readers = Counter(operand for node in graph.nodes for operand in node.operands)
    for node in graph.nodes:
        if not isinstance(node, Add) or readers[node.a] + readers[node.b] > 2:
            continue
        left_end, right_end = _chain_rows(node.a, chains), _chain_rows(node.b, chains)
        if left_end is None or right_end is None or left_end[0] is right_end[0]:
            continue
        (one, first), (other, second) = left_end, right_end
        for pair in zip(first, second, strict=True):
            places = {(one, pair[0]), (other, pair[1])}
            if all(uses[place] == 1 for place in places) and not taken & places:
                taken |= places
                added.setdefault((one, other), []).append(pair)
    for (one, other), pairs in added.items():
        yield _Sum((chains[one], chains[other]), tuple(pairs))
    for end, chain in chains.items():
        alone = tuple((k,) for k in range(end.units) if (end, k) not in taken)
        if alone:
            yield _Sum((chain,), alone)


def _chain_rows(node: Node, chains: Mapping[Matvec, _Chain]) -> tuple[Matvec, Sequence[int]] | None:
    """The chain whose rows ``node`` has, and which."""
    behind, rows = node, None
    if isinstance(node, Gather) and len(node.parts) == 1:
        behind, rows = node.parts[0], node.indices
    if not isinstance(behind, Matvec) or behind not in chains:
        return None
    return behind, range(behind.units) if rows is None else rows


def _chains(graph: StepGraph, left: Mapping[str, str]) -> Iterator[_Chain]:
    """The products onto one another; a bias that others read too is none of theirs."""
    readers = Counter(operand for node in graph.nodes for operand in node.operands)
    continued = {node.start for node in graph.nodes if isinstance(node, Matvec)}
    for node in graph.nodes:
        if not isinstance(node, Matvec) or node in continued:
            continue
        start: Node | None = node
        products: list[Matvec] = []
        while isinstance(start, Matvec):
            if start.weights is not None and start.weights.key not in left:
                products.append(start)
            start = start.start
        bias = start if isinstance(start, Constant) and readers[start] == 1 else None
        if products:
            yield _Chain(node, tuple(products[::-1]), bias)
