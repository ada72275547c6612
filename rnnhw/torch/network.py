"""A design as an ``nn.Module`` whose outputs are those of the integer engine, bit for bit.

Values are real numbers in float64: an integer of a format times its step is one, exactly, as long
as it has at most 53 bits. So sums and products come out exact in any order, and casts and tables
are those of :mod:`rnnhw.numerics` themselves. Gradients pass a cast as if it were not there, but
not where it saturates (Hubara et al. 2018, "Quantized Neural Networks", section 2.3); a table has
the derivative of its function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from rnnhw.design.design import Design
from rnnhw.design.row_scales import add_scales
from rnnhw.errors import DesignError
from rnnhw.execution.array_steps import ARRAY_STEPS, RealArrays
from rnnhw.files import written_whole
from rnnhw.graph.network import (
    Last,
    Reverse,
    Scan,
    Source,
    Steps,
    TimeNode,
    Total,
    Window,
    time_table,
)
from rnnhw.graph.nodes import (
    Cast,
    Constant,
    Lookup,
    Matvec,
    Node,
    RowScale,
    StepGraph,
    Tensor,
    operation_table,
)
from rnnhw.graph.row_scales import EXPONENT, SCALES
from rnnhw.numerics.cast import Q, cast_array, quantise, real_values
from rnnhw.numerics.tables import SIGMOID, TANH, RealFunction

__all__ = ["QuantizedNetwork"]

FloatArray = NDArray[np.float64]

_EXACT_BITS = 53
"""Bits of an integer that a float64 holds."""


class QuantizedNetwork(torch.nn.Module):
    """``design`` as an ``nn.Module`` with a float64 parameter for every tensor.

    Calling it with ``x`` [sequences, steps, features] and ``lengths`` [sequences] (None: all
    steps) gives real outputs [sequences, steps, units], zero past each length; a design with
    several outputs gives a dict of them by name, in the design's order. Where the attribute
    ``quantized`` is True, as it is at first, these are the outputs of :func:`rnnhw.simulate` times
    the step of their format; else those of the float reference, where training may begin.

    Parameters start at the design's weights; without any they are drawn from torch's generator,
    uniform within one over the root of the columns, and biases and first states are zero. The
    scales of rows are chosen once, and not trained (:meth:`choose_scales`).

    Raises:
        DesignError: the design is wrong, a sum may have more than 53 bits, or a product adds in
            an order that matters.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        self.quantized = True
        _check_exact(design)
        stored = None if design.weights is None else _stored(design)
        self.tensors = torch.nn.ParameterDict(
            {
                _name(tensor.key): torch.nn.Parameter(
                    _first(tensor, stored), requires_grad=tensor.role not in SCALES
                )
                for tensor in design.network.tensors
            }
        )
        self._placements = _placements(design)
        self._roles = {tensor.key: tensor.role for tensor in design.network.tensors}
        self._scales: dict[str, list[RowScale]] = {}
        for scan in design.network.scans:
            for scale in scan.graph.scales:
                self._scales.setdefault(scale.key, []).append(scale)
        if stored is None:
            self._clear_unused()
            self.choose_scales()

    def _clear_unused(self) -> None:
        """Zero the words that stand nowhere in a matrix, such as the corners of a band: a design
        refuses others there."""
        for node, placement in self._placements.items():
            if node.weights is not None:
                numbers = self.tensors[_name(node.weights.key)].data.view(-1)
                used = np.isin(np.arange(len(numbers)) + 1, np.abs(placement.words))
                numbers[torch.from_numpy(~used)] = 0.0

    def choose_scales(self) -> None:
        """Let every scaled row have the scale that fits its weights best as they are now."""
        network, weights = self.design.network, self.weights()
        for tensor in network.tensors:
            if tensor.role in SCALES:
                del weights[tensor.key]
        for key, values in add_scales(self.design.place, network, weights).items():
            if key not in weights:
                self.tensors[_name(key)].data.copy_(torch.from_numpy(values))

    def _divided(self, key: str) -> torch.Tensor:
        """A tensor's numbers as the step reads them: scaled rows divided by their power of two."""
        numbers: torch.Tensor = self.tensors[_name(key)]
        if key not in self._scales:
            return numbers
        factors = torch.ones(numbers.numel(), dtype=torch.float64)
        for scale in self._scales[key]:
            of_rows = self.tensors[_name(scale.of_rows)]
            if self._roles[scale.of_rows] == EXPONENT:
                of_rows = torch.exp2(of_rows)
            rows = torch.from_numpy(scale.rows)
            factors[torch.from_numpy(scale.positions)] = of_rows[rows]
        return numbers / factors.reshape(numbers.shape)

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """The outputs of the network, in the mode that ``quantized`` says."""
        if lengths is None:
            lengths = torch.full((x.shape[0],), x.shape[1])
        run = _Run(self)
        start = _Sequences(x.to(torch.float64), lengths.to(torch.int64))
        values: dict[TimeNode, _Sequences] = {}
        for node in self.design.network.nodes:
            sources = [values[source] for source in node.sources]
            values[node] = TIME_STEPS[type(node)](run, node, *(sources or [start]))
        outputs = self.design.network.outputs
        if len(outputs) == 1:
            return values[outputs[0]].values
        return {node.name: values[node].values for node in outputs}

    def weights(self) -> dict[str, FloatArray]:
        """The parameters by the keys and in the shapes that the design reads."""
        return {
            tensor.key: self.tensors[_name(tensor.key)].detach().cpu().numpy().copy()
            for tensor in self.design.network.tensors
        }

    def to_design(self) -> Design:
        """The design with these weights."""
        return replace(self.design, weights=self.weights(), rounded_weights=None)

    def save(self, path: str | Path) -> None:
        """Write the weights as the ``.npz`` that a design file names.

        Raises:
            UsageError: the file cannot be written.
        """
        with written_whole(Path(path)) as file:
            np.savez(file, **self.weights())  # type: ignore[arg-type]


def _stored(design: Design) -> dict[str, FloatArray]:
    """The numbers of the weights file, the scales of rows as they are stored, and the numbers that
    stand in place of the nearest ones."""
    own = {tensor.key for tensor in design.network.tensors if tensor.role in SCALES}
    parameters = design.parameters
    values, given = parameters.values, parameters.given
    stored = {key: values[key] if key in own else numbers for key, numbers in given.items()}
    return {**stored, **parameters.rounded}


def _name(key: str) -> str:
    """A key without dots, which PyTorch keeps for modules in modules."""
    return key.replace(".", "/")


def _first(tensor: Tensor, stored: Mapping[str, FloatArray] | None) -> torch.Tensor:
    if stored is not None:
        return torch.tensor(stored[tensor.key], dtype=torch.float64)
    if tensor.role in ("bias", "state"):
        return torch.zeros(tensor.shape, dtype=torch.float64)
    bound = tensor.shape[-1] ** -0.5
    return (2 * torch.rand(tensor.shape, dtype=torch.float64) - 1) * bound


def _check_exact(design: Design) -> None:
    """Refuse what float64 would round, and what torch's sums would add in another order."""
    for scan in design.network.scans:
        for node in scan.graph.nodes:
            most = max(abs(end) for end in node.interval)
            if most.bit_length() > _EXACT_BITS:
                raise DesignError(
                    f"{design.place}: {scan.graph.signal(node)} may have {most.bit_length()} bits",
                    f"float64 holds {_EXACT_BITS}: give narrower formats to train with",
                )
            if isinstance(node, Matvec) and not (node.product is None and node.order_free):
                raise DesignError(
                    f"{design.place}: {scan.graph.signal(node)} casts its sums while it adds",
                    "train without `product` and `accumulator` formats",
                )
            if isinstance(node, Matvec) and node.accumulator is not None:
                raise DesignError(
                    f"{design.place}: {scan.graph.signal(node)} wraps its sums",
                    "train without an `accumulator` format",
                )


# --- matrices ----------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Placement:
    """Which stored word stands at each place of a matrix [units, columns], with its sign; 0 where
    none does. A matrix without stored words is ``fixed``."""

    words: NDArray[np.int64]
    fixed: FloatArray | None = None


def _placements(design: Design) -> dict[Matvec, _Placement]:
    return {
        node: _placement(design, scan.graph, node)
        for scan in design.network.scans
        for node in scan.graph.nodes
        if isinstance(node, Matvec)
    }


def _placement(design: Design, graph: StepGraph, node: Matvec) -> _Placement:
    """The places of a product's stored words, traced by words that are their numbers."""
    size = node.units, node.vector.units
    if node.weights is None:
        return _Placement(np.zeros(size, np.int64), node.structure.matrix(np.zeros(0), *size))
    shape = node.weights.shape
    numbers = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    words = node.structure.matrix(numbers, *size).astype(np.int64)
    drawn = np.random.default_rng(0).normal(size=shape)
    expected = node.structure.matrix(drawn, *size)
    used = np.isin(numbers, np.abs(words))
    try:
        node.structure.check_values(drawn * used, *size)
        fixed = np.array_equal(_placed(words, drawn), expected)
    except DesignError:
        fixed = False
    if not fixed:
        raise DesignError(
            f"{design.place}: {graph.signal(node)}: {node.structure!r} chooses its words by value",
            "train with a structure whose words have fixed places",
        )
    return _Placement(words)


def _placed(words: NDArray[np.int64], stored: FloatArray) -> FloatArray:
    padded = np.concatenate([[0.0], np.ravel(stored)])
    return padded[np.abs(words)] * np.sign(words)


# --- casts and tables --------------------------------------------------------------------------
class _Replaced(torch.autograd.Function):
    """Other values in place of those that come in, whose gradient is scaled by ``slope``."""

    @staticmethod
    def forward(context: Any, values: Any, changed: FloatArray, slope: FloatArray) -> Any:
        context.save_for_backward(torch.from_numpy(slope).to(values.device))
        return torch.from_numpy(changed).to(values.device)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        (slope,) = context.saved_tensors
        return gradient * slope, None, None


def _replaced(values: torch.Tensor, changed: FloatArray, slope: FloatArray) -> torch.Tensor:
    out: torch.Tensor = _Replaced.apply(values, changed, slope)
    return out


def _quantised(values: torch.Tensor, format: Q) -> torch.Tensor:
    """Real numbers in a format, as weights and inputs are."""
    real = values.detach().cpu().numpy()
    return _replaced(values, real_values(quantise(real, format)[0], format), _inside(real, format))


def _cast_real(values: torch.Tensor, fraction: int, format: Q) -> torch.Tensor:
    """Numbers that are whole multiples of ``2**-fraction``, cast as the engine does."""
    real = values.detach().cpu().numpy()
    raw = np.ldexp(real, fraction).astype(np.int64)
    changed = real_values(cast_array(raw, fraction, format)[0], format)
    return _replaced(values, changed, _inside(real, format))


def _inside(real: FloatArray, format: Q) -> FloatArray:
    """1 where a format holds the number, 0 where it would saturate."""
    scaled = np.ldexp(real, format.fraction)
    inside = (scaled >= format.lowest - 0.5) & (scaled <= format.max + 0.5)
    return inside.astype(np.float64)


_STEP = 2.0**-18
"""Half the distance of a central difference: the cube root of float64's precision."""


def _slope(function: RealFunction, real: FloatArray) -> FloatArray:
    """The derivative of a table's function."""
    if function is SIGMOID:
        value = function(real)
        return value * (1 - value)
    if function is TANH:
        return 1 - function(real) ** 2
    return (function(real + _STEP) - function(real - _STEP)) / (2 * _STEP)


# --- one step ----------------------------------------------------------------------------------
@dataclass
class _Run:
    """A forward pass; inside a layer the step that runs: values are [sequences, units]."""

    module: QuantizedNetwork
    matrices: dict[Node, torch.Tensor] = field(default_factory=dict)
    inputs: list[torch.Tensor] = field(default_factory=list)
    states: dict[Node, torch.Tensor] = field(default_factory=dict)
    values: dict[Node, torch.Tensor] = field(default_factory=dict)
    arithmetic: ClassVar[RealArrays] = RealArrays(torch)

    @property
    def quantized(self) -> bool:
        """Whether casts and tables act."""
        return self.module.quantized

    def tensor(self, tensor: Tensor) -> torch.Tensor:
        """A tensor's numbers, in its format where the run is quantised."""
        numbers = self.module._divided(tensor.key)
        return _quantised(numbers, tensor.format) if self.quantized else numbers

    def matrix(self, node: Matvec) -> torch.Tensor:
        """The matrix of a product [units, columns], built once a pass."""
        if node not in self.matrices:
            placement = self.module._placements[node]
            if placement.fixed is not None:
                self.matrices[node] = torch.from_numpy(placement.fixed)
            else:
                assert node.weights is not None
                numbers = self.tensor(node.weights).reshape(-1)
                padded = torch.cat([numbers.new_zeros(1), numbers])
                words = torch.from_numpy(placement.words)
                self.matrices[node] = padded[words.abs()] * words.sign()
        return self.matrices[node]


def _constant(run: _Run, node: Constant) -> torch.Tensor:
    if node.tensor is not None:
        numbers = run.tensor(node.tensor).reshape(-1)
    else:
        numbers = torch.tensor(node.values, dtype=torch.float64) * node.format.step
    return numbers.expand(len(run.inputs[0]), node.units)


def _matvec(run: _Run, node: Matvec) -> torch.Tensor:
    product = run.values[node.vector] @ run.matrix(node).T
    return product if node.start is None else run.values[node.start] + product


def _cast(run: _Run, node: Cast) -> torch.Tensor:
    values = run.values[node.a]
    if not run.quantized:
        return values
    return _cast_real(values, node.a.format.fraction, node.format)


def _lookup(run: _Run, node: Lookup) -> torch.Tensor:
    values, table = run.values[node.a], node.table
    real = values.detach().cpu().numpy()
    slope = _slope(table.function, real)
    if not run.quantized:
        return _replaced(values, table.function(real), slope)
    address = np.ldexp(real, node.a.format.fraction).astype(np.int64)
    entries = table.entries[address & (len(table.entries) - 1)]
    return _replaced(values, real_values(entries, node.format), slope)


STEP_OPERATIONS: Mapping[type, Callable[..., torch.Tensor]] = operation_table(
    {
        **ARRAY_STEPS,
        Constant: _constant,
        Matvec: _matvec,
        Cast: _cast,
        Lookup: _lookup,
    }
)


# --- over time ---------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Sequences:
    """Real vectors [sequences, steps, units] and their lengths."""

    values: torch.Tensor
    lengths: torch.Tensor

    def masked(self) -> _Sequences:
        """With zeros past each length."""
        steps = self.values.shape[1]
        valid = self.lengths.new_tensor(range(steps)) < self.lengths[:, None]
        return replace(self, values=self.values * valid[:, :, None])


def _source(run: _Run, node: Source, source: _Sequences) -> _Sequences:
    values = source.masked().values
    if run.quantized:
        values = _quantised(values, node.format)
    return replace(source, values=values)


def _scan(run: _Run, node: Scan, *sources: _Sequences) -> _Sequences:
    graph, lengths = node.graph, sources[0].lengths
    sequences, steps = sources[0].values.shape[:2]
    for state, _ in graph.updates:
        first = torch.zeros(state.units, dtype=torch.float64)
        if state.initial is not None:
            first = run.tensor(state.initial).reshape(-1)
        run.states[state] = first.expand(sequences, state.units)
    outputs = []
    for t in range(steps):
        run.inputs = [source.values[:, t] for source in sources]
        run.values = {}
        for operation in graph.nodes:
            run.values[operation] = STEP_OPERATIONS[type(operation)](run, operation)
        outputs.append(run.values[graph.output])
        valid = (t < lengths)[:, None]
        for state, new in graph.updates:
            run.states[state] = torch.where(valid, run.values[new], run.states[state])
    return _Sequences(torch.stack(outputs, 1), lengths).masked()


def _reverse(run: _Run, node: Reverse, source: _Sequences) -> _Sequences:
    steps = source.lengths.new_tensor(range(source.values.shape[1]))
    back = source.lengths[:, None] - 1 - steps
    index = torch.where(back >= 0, back, steps)[:, :, None].expand_as(source.values)
    return replace(source, values=source.values.gather(1, index))


def _window(run: _Run, node: Window, source: _Sequences) -> _Sequences:
    steps = source.values.shape[1] - node.width + 1
    parts = [source.values[:, k : k + steps] for k in range(node.width)]
    lengths = source.lengths - node.width + 1
    return _Sequences(torch.cat(parts, 2), lengths).masked()


def _last(run: _Run, node: Last, source: _Sequences) -> _Sequences:
    index = (source.lengths - 1)[:, None, None].expand(-1, 1, source.values.shape[2])
    return _single(source.values.gather(1, index))


def _total(run: _Run, node: Total, source: _Sequences) -> _Sequences:
    return _single(source.values.sum(1, keepdim=True))


def _steps(run: _Run, node: Steps, source: _Sequences) -> _Sequences:
    return _single(source.lengths[:, None, None].to(torch.float64))


def _single(values: torch.Tensor) -> _Sequences:
    return _Sequences(values, values.new_ones(len(values), dtype=int))


TIME_STEPS: Mapping[type, Callable[..., _Sequences]] = time_table(
    {
        Source: _source,
        Scan: _scan,
        Reverse: _reverse,
        Window: _window,
        Last: _last,
        Total: _total,
        Steps: _steps,
    }
)
