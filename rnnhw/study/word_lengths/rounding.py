"""Weights rounded by the error of the sums that they are part of, for any formats.

A sum is a chain of products onto one another, and the bias that they start from: W x, U h and b of
a unit. Its rows are rounded together, so that an error of W is made good by U and b; the mean
error, which nothing else takes back, ends in the bias (Nagel et al. 2019, "Data-free quantization
through weight equalization and bias correction", arXiv:1906.04721).

How the inputs of a sum go together is measured once, in the float reference. The rounding then
depends on formats alone, and is kept for the next design of a search with the same ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.design import Design
from rnnhw.design.tasks import Samples
from rnnhw.execution.reference import run_reference
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Constant, Matvec, Node, StepGraph, Tensor
from rnnhw.numerics.cast import Q
from rnnhw.numerics.compensated_rounding import Grids, round_compensated

__all__ = ["Rounding", "rounding_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of a sum that have the same inputs: element [row, k] is at ``positions[row, k]`` of
    tensor ``keys[k]``, and is multiplied by the input ``inputs[k]`` of the sum."""

    inputs: IntArray
    keys: tuple[str, ...]
    positions: IntArray


@dataclass(frozen=True, eq=False)
class _Sum:
    """Products onto one another, and the constant that they start from."""

    products: tuple[Matvec, ...]
    bias: Constant | None

    @property
    def tensors(self) -> list[Tensor]:
        """Those of the products, and the bias."""
        tensors = [product.weights for product in self.products]
        tensors += [] if self.bias is None else [self.bias.tensor]
        return [tensor for tensor in tensors if tensor is not None]

    @property
    def width(self) -> int:
        """Inputs, the 1 of the bias among them."""
        return sum(product.vector.units for product in self.products) + 1

    def inputs(self, values: Mapping[Node, FloatArray], valid: NDArray[np.bool_]) -> FloatArray:
        """What the terms are multiplied by, [sequences, inputs]; 1 for the bias, the last one."""
        vectors = [values[product.vector][valid] for product in self.products]
        return np.concatenate([*vectors, np.ones((int(valid.sum()), 1))], axis=1)

    def rows(self, values: Mapping[str, FloatArray]) -> list[_Rows]:
        """The rows by the inputs that they have."""
        units = self.products[-1].units
        terms: list[list[tuple[int, str, int]]] = [[] for _ in range(units)]
        first = 0
        for product in self.products:
            columns, weights = product.vector.units, product.weights
            if weights is not None:
                stored = values[weights.key].ravel()
                for row, each in enumerate(product.structure.stored_rows(stored, units, columns)):
                    terms[row] += [
                        (first + column, weights.key, position)
                        for column, position in zip(each.columns, each.parameters, strict=True)
                    ]
            first += columns
        if self.bias is not None and self.bias.tensor is not None:
            for row in range(units):
                terms[row].append((first, self.bias.tensor.key, row))
        groups: dict[tuple[tuple[int, str], ...], list[list[int]]] = {}
        for of_row in filter(None, terms):
            places = tuple((column, key) for column, key, _ in of_row)
            groups.setdefault(places, []).append([position for *_, position in of_row])
        return [
            _Rows(
                np.array([column for column, _ in places]),
                tuple(key for _, key in places),
                np.array(positions),
            )
            for places, positions in groups.items()
        ]


@dataclass
class Rounding:
    """Rounds the weights of a design for any formats of them.

    ``left`` names the tensors that are rounded to nearest, with the reason.
    """

    values: Mapping[str, FloatArray]
    left: Mapping[str, str]
    _sums: list[tuple[_Sum, list[_Rows], FloatArray]]
    _known: dict[tuple[int, tuple[Q, ...]], dict[str, FloatArray]] = field(default_factory=dict)

    def weights(self, formats: Mapping[str, Q]) -> dict[str, FloatArray]:
        """Real numbers by tensor that ``formats`` hold exactly; a tensor without a format there
        has that of the design."""
        rounded: dict[str, FloatArray] = {}
        for index, (one, rows, moments) in enumerate(self._sums):
            chosen = {t.key: formats.get(t.key, t.format) for t in one.tensors}
            key = index, tuple(chosen.values())
            if key not in self._known:
                self._known[key] = self._rounded(chosen, rows, moments)
            rounded |= self._known[key]
        return rounded

    def _rounded(
        self, formats: Mapping[str, Q], rows: list[_Rows], moments: FloatArray
    ) -> dict[str, FloatArray]:
        flat = {key: self.values[key].ravel().copy() for key in formats}
        for each in rows:
            held = [formats[key] for key in each.keys]
            grids = Grids(
                np.array([format.step for format in held]),
                np.array([format.lowest for format in held]),
                np.array([format.max for format in held]),
            )
            values = np.empty(each.positions.shape)
            for k, key in enumerate(each.keys):
                values[:, k] = flat[key][each.positions[:, k]]
            rounded = round_compensated(values, grids, moments[np.ix_(each.inputs, each.inputs)])
            for k, key in enumerate(each.keys):
                flat[key][each.positions[:, k]] = rounded[:, k]
        return {key: numbers.reshape(self.values[key].shape) for key, numbers in flat.items()}


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
        values, left, [(one, one.rows(values), moments[one] / max(counts[one], 1)) for one in sums]
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
    """The sums of a layer, without the products whose weights are ``left``."""
    readers = Counter(operand for node in graph.nodes for operand in node.operands)
    continued = {node.start for node in graph.nodes if isinstance(node, Matvec)}
    for node in graph.nodes:
        if not isinstance(node, Matvec) or node in continued:
            continue
        start: Node | None = node
        chain: list[Matvec] = []
        while isinstance(start, Matvec):
            if start.weights is not None and start.weights.key not in left:
                chain.append(start)
            start = start.start
        own = isinstance(start, Constant) and readers[start] == 1 and start.tensor is not None
        if chain:
            bias = start if own and isinstance(start, Constant) else None
            yield _Sum(tuple(chain[::-1]), bias)
