"""What a search may choose: the formats of the input, of tensors and of signals, with the real
numbers that they hold on calibration data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.design import Design
from rnnhw.design.tasks import Samples
from rnnhw.execution.reference import run_reference
from rnnhw.graph.nodes import Cast, Lookup, Node
from rnnhw.graph.row_scales import EXPONENT
from rnnhw.numerics.cast import Q
from rnnhw.numerics.tables import RealFunction

__all__ = ["INPUT", "MOST_ADDRESS_BITS", "Variable", "variables_of"]

FloatArray = NDArray[np.float64]

INPUT = "input"

MOST_ADDRESS_BITS = 10
"""The widest table address that a search tries: 16 bits make the tables of speaker_tridiagonal
1,062,672 bits, 115 times the rest of the design at 8 bits."""

_MOST_VALUES = 20_000
"""Calibration values of a variable: drawn ones, and the extremes."""


@dataclass(frozen=True, eq=False)
class Variable:
    """A format to choose.

    ``name`` is a signal's or tensor's full name (``rnn.i.sum``, ``rnn.W``) or ``input``; ``layer``
    and ``role`` are what it shares with others, which may move together. ``function`` is that of
    the tables that it addresses.
    """

    name: str
    layer: str
    role: str
    format: Q
    values: FloatArray
    function: RealFunction | None

    @property
    def least_bits(self) -> int:
        """The narrowest word: a sign needs a bit beside it."""
        return 1 + self.format.signed

    def bits(self, word: int) -> int:
        """Bits that the variable gets where all have ``word`` bits."""
        most = MOST_ADDRESS_BITS if self.function is not None else word
        return max(min(word, most), self.least_bits)


def variables_of(design: Design, samples: Samples) -> tuple[Variable, ...]:
    """Every format of ``design`` that can be another, in the order of the network.

    The input is one where the design gives its format, not the task. The values are those of the
    float reference on ``samples``; a signal without a format is exact and stays so.
    """
    network, parameters = design.network, design.parameters
    chosen = {name: node for name, node in network.signals().items() if _is_chosen(node)}
    run = run_reference(network, parameters, samples.x, samples.lengths, traces=chosen)
    functions = _addressed(chosen)
    found = []
    if design.formats.input is not None:
        inputs = samples.x[_valid(samples.x, samples.lengths)]
        found.append(_variable(INPUT, INPUT, INPUT, design.formats.input, inputs, None))
    for tensor in network.tensors:
        if tensor.role == EXPONENT:  # whole numbers of the rows, as long as they must be
            continue
        layer = tensor.key.partition(".")[0]
        values = parameters.values[tensor.key]
        found.append(_variable(tensor.key, layer, tensor.role, tensor.format, values, None))
    for name, node in chosen.items():
        trace, scan = run.traces[name], network.scan_of(name)
        lengths = scan.lengths_for(samples.lengths)
        values = trace[_valid(trace, lengths)]
        layer = name.partition(".")[0]
        found.append(_variable(name, layer, node.role, node.format, values, functions.get(name)))
    return tuple(found)


def _is_chosen(node: Node) -> bool:
    return isinstance(node, Cast | Lookup) and bool(node.role)


def _addressed(chosen: Mapping[str, Node]) -> dict[str, RealFunction]:
    """The functions of the tables by the name of the signal that addresses them."""
    names = {id(node): name for name, node in chosen.items()}
    tables = (node for node in chosen.values() if isinstance(node, Lookup))
    return {names[id(table.a)]: table.table.function for table in tables if id(table.a) in names}


def _valid(values: FloatArray, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.arange(values.shape[1]) < lengths[:, None]


def _variable(
    name: str, layer: str, role: str, format: Q, values: FloatArray, function: RealFunction | None
) -> Variable:
    flat = np.ravel(values)
    if len(flat) > _MOST_VALUES:
        # Not evenly spaced ones: a stride that shares a factor with the units would skip some.
        drawn = np.random.default_rng(0).choice(flat, _MOST_VALUES, replace=False)
        flat = np.concatenate([drawn, [flat.min(), flat.max()]])
    return Variable(name, layer, role, format, flat, function)
