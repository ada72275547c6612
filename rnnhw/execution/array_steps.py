"""Step operations that are the same in real numbers for NumPy's arrays and for torch's tensors.

The float reference runs them on NumPy's arrays, :class:`rnnhw.torch.QuantizedNetwork` on tensors
with gradients: a run brings the namespace of its arrays. The operations that differ between the two
(products, casts, tables, constants) are in their modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from rnnhw.graph.nodes import (
    Add,
    Clamp,
    Gather,
    Input,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    State,
    Subtract,
)

__all__ = ["ARRAY_STEPS", "ArrayRun"]

Array = Any
"""An array of NumPy or a tensor of torch, [sequences, units]."""


class ArrayRun(Protocol):
    """A scan at one step; ``xp`` is the module whose arrays the values are."""

    @property
    def xp(self) -> Any: ...
    @property
    def inputs(self) -> Sequence[Array]: ...
    @property
    def states(self) -> Mapping[Node, Array]: ...
    @property
    def values(self) -> Mapping[Node, Array]: ...


def _input(run: ArrayRun, node: Input) -> Array:
    return run.inputs[node.position]


def _state(run: ArrayRun, node: State) -> Array:
    return run.states[node]


def _add(run: ArrayRun, node: Add) -> Array:
    return run.values[node.a] + run.values[node.b]


def _subtract(run: ArrayRun, node: Subtract) -> Array:
    return run.values[node.a] - run.values[node.b]


def _multiply(run: ArrayRun, node: Multiply) -> Array:
    return run.values[node.a] * run.values[node.b]


def _select(run: ArrayRun, node: Select) -> Array:
    return run.xp.where(run.values[node.s] >= 0, run.values[node.a], run.values[node.b])


def _shift(run: ArrayRun, node: Shift) -> Array:
    return run.values[node.a] * run.xp.exp2(run.values[node.by])


def _clamp(run: ArrayRun, node: Clamp) -> Array:
    step = node.a.format.step
    low = -np.inf if node.low is None else node.low * step
    high = np.inf if node.high is None else node.high * step
    return run.xp.clip(run.values[node.a], low, high)


def _gather(run: ArrayRun, node: Gather) -> Array:
    joined = run.xp.concatenate([run.values[part] for part in node.parts], axis=1)
    return joined[:, list(node.indices)]


def _reinterpret(run: ArrayRun, node: Reinterpret) -> Array:
    return run.values[node.a] * 2.0 ** (node.a.format.fraction - node.format.fraction)


ARRAY_STEPS: Mapping[type, Callable[..., Any]] = {
    Input: _input,
    State: _state,
    Add: _add,
    Subtract: _subtract,
    Multiply: _multiply,
    Select: _select,
    Shift: _shift,
    Clamp: _clamp,
    Gather: _gather,
    Reinterpret: _reinterpret,
}
