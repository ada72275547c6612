"""Step operations that are the same in real numbers for NumPy's arrays and for torch's tensors.

The float reference runs them on NumPy's arrays, :class:`rnnhw.torch.QuantizedNetwork` on tensors
with gradients: a run brings the namespace of its arrays. The operations that differ between the two
(products, casts, tables, constants) are in their modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rnnhw.graph.elementwise import ELEMENTWISE, Arithmetic
from rnnhw.graph.nodes import Gather, Input, Node, State

__all__ = ["ARRAY_STEPS", "ArrayRun", "RealArrays"]

Array = Any
"""An array of NumPy or a tensor of torch, [sequences, units]."""


@dataclass(frozen=True)
class RealArrays(Arithmetic[Array]):
    """The arithmetic of real numbers in the arrays of a module ``xp``."""

    xp: Any

    def select(self, s: Array, a: Array, b: Array) -> Array:
        return self.xp.where(s >= 0, a, b)

    def shift(self, a: Array, by: Array) -> Array:
        return a * self.xp.exp2(by)

    def clamp(self, a: Array, low: int | None, high: int | None, fraction: int) -> Array:
        step = 2.0**-fraction
        least = -np.inf if low is None else low * step
        return self.xp.clip(a, least, np.inf if high is None else high * step)

    def align(self, a: Array, places: int) -> Array:
        return a

    def reinterpret(self, a: Array, places: int) -> Array:
        return a * 2.0**places


class ArrayRun(Protocol):
    """A scan at one step."""

    @property
    def arithmetic(self) -> RealArrays: ...
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


def _gather(run: ArrayRun, node: Gather) -> Array:
    joined = run.arithmetic.xp.concatenate([run.values[part] for part in node.parts], axis=1)
    return joined[:, list(node.indices)]


ARRAY_STEPS: Mapping[type, Callable[..., Any]] = {
    **ELEMENTWISE,
    Input: _input,
    State: _state,
    Gather: _gather,
}
